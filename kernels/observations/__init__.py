"""Measurements that the samples are conditioned on; a new one is a class and a line here."""

from kernels.observations.base import Conditioned, Measured, Noisy, Observation, Unobserved, joined
from kernels.observations.files import MatrixFile, ResponseFile
from kernels.observations.modewise import Blur, Inpainting, Modewise, SuperResolution

OBSERVATIONS = (Unobserved, Blur, Inpainting, SuperResolution, ResponseFile, MatrixFile)

__all__ = [
    "OBSERVATIONS",
    "Blur",
    "Conditioned",
    "Inpainting",
    "MatrixFile",
    "Measured",
    "Modewise",
    "Noisy",
    "Observation",
    "ResponseFile",
    "SuperResolution",
    "Unobserved",
    "joined",
]
