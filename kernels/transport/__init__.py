"""Entropic optimal transport between weighted clouds; a new solver is a class and a line here."""

from kernels.transport.annealed import AnnealedPath, AnnealedSinkhorn
from kernels.transport.base import COLD, Cold, Progress, Solver, Start, Watch, check_start, unwatched
from kernels.transport.cooling import COOLINGS, ConstantCooling, Cooling, GeometricCooling, PowerCooling
from kernels.transport.diagnostics import (
    contraction_rate,
    epsilon_for_perplexity,
    error_bound,
    gap_bound,
    measured_rate,
)
from kernels.transport.estimators import (
    Divergence,
    OwnTransport,
    Richardson,
    own_transport,
    richardson,
    sinkhorn_divergence,
)
from kernels.transport.exact import ExactCoupling, exact_transport
from kernels.transport.gaussians import GaussianTransport, dense_transport, gaussian_transport
from kernels.transport.low_rank import LowRankCoupling, LowRankSinkhorn
from kernels.transport.online import OnlinePotentials, OnlineSinkhorn
from kernels.transport.problem import TransportProblem, equal_weights, transport_problem, weighted_problem
from kernels.transport.rounding import rounded_cost
from kernels.transport.sample_size import ESTIMATORS, SampleSizeEffects, sample_size_effects
from kernels.transport.scaled_gaussians import ScaledGaussian, UnbalancedGaussian, unbalanced_transport
from kernels.transport.sinkhorn import Sinkhorn
from kernels.transport.solution import (
    Coupling,
    EntropicCoupling,
    History,
    Marginals,
    Measures,
    PotentialCoupling,
    Potentials,
    Solution,
    Status,
)
from kernels.transport.unbalanced import UnbalancedCoupling, UnbalancedSinkhorn

SOLVERS: tuple[type[Solver], ...] = (
    Sinkhorn,
    AnnealedSinkhorn,
    UnbalancedSinkhorn,
    LowRankSinkhorn,
    OnlineSinkhorn,
)

__all__ = [
    "COLD",
    "COOLINGS",
    "ESTIMATORS",
    "SOLVERS",
    "AnnealedPath",
    "AnnealedSinkhorn",
    "Cold",
    "ConstantCooling",
    "Cooling",
    "Coupling",
    "Divergence",
    "EntropicCoupling",
    "ExactCoupling",
    "GaussianTransport",
    "GeometricCooling",
    "History",
    "LowRankCoupling",
    "LowRankSinkhorn",
    "Marginals",
    "Measures",
    "OnlinePotentials",
    "OnlineSinkhorn",
    "OwnTransport",
    "PotentialCoupling",
    "Potentials",
    "PowerCooling",
    "Progress",
    "Richardson",
    "SampleSizeEffects",
    "ScaledGaussian",
    "Sinkhorn",
    "Solution",
    "Solver",
    "Start",
    "Status",
    "TransportProblem",
    "UnbalancedCoupling",
    "UnbalancedGaussian",
    "UnbalancedSinkhorn",
    "Watch",
    "check_start",
    "contraction_rate",
    "dense_transport",
    "epsilon_for_perplexity",
    "equal_weights",
    "error_bound",
    "exact_transport",
    "gap_bound",
    "gaussian_transport",
    "measured_rate",
    "own_transport",
    "richardson",
    "rounded_cost",
    "sample_size_effects",
    "sinkhorn_divergence",
    "transport_problem",
    "unbalanced_transport",
    "unwatched",
    "weighted_problem",
]
