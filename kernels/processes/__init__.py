"""Noising processes; a new one is a file and a line here."""

from kernels.processes.base import Process
from kernels.processes.exploding import EDM, Brownian, VEGeometric
from kernels.processes.flow_matching import FlowMatching
from kernels.processes.held import Held
from kernels.processes.preserving import VPCosine, VPLinear

PROCESSES = (VPLinear, VPCosine, VEGeometric, EDM, Brownian, FlowMatching)

__all__ = ["EDM", "PROCESSES", "Brownian", "FlowMatching", "Held", "Process", "VEGeometric", "VPCosine", "VPLinear"]
