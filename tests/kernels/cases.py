"""Every sampler on every process that it applies to, beside its closed form."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch

from kernels.experiment import Experiment
from kernels.grids import Tabulated
from kernels.processes import EDM, Brownian, FlowMatching, Process, VEGeometric, VPCosine, VPLinear
from kernels.samplers import (
    DDIM,
    DDPM,
    AncestralVP,
    DPMSolverPP2M,
    EDMHeun,
    EulerMaruyama,
    ExponentialIntegrator,
    FlowEuler,
    Heun,
    RungeKutta4,
    Sampler,
    ShapedEulerMaruyama,
    TabulatedEulerMaruyama,
)
from kernels.spectra import Custom
from kernels.starts import Marginal, Noise
from kernels.stochasticity import Constant
from tests import closed_forms as cf


@dataclass(frozen=True)
class Family:
    """A process, its closed form, and a range of times where everything about it is finite."""

    process: Process
    closed: cf.ClosedProcess
    start: float
    stop: float

    def __repr__(self) -> str:
        return type(self.process).__name__


@dataclass(frozen=True)
class Case:
    """A sampler on a family."""

    family: Family
    sampler: Sampler
    closed: cf.ClosedStep | None

    def __repr__(self) -> str:
        return f"{self.family}-{self.sampler!r}"

    @property
    def eps(self) -> cf.Eps:
        """Stochasticity of the reverse equation that the sampler converges to."""
        limit = self.sampler.limit_stochasticity
        return cf.MP.mpf(limit.value) if isinstance(limit, Constant) else VARYING[repr(self.sampler)]

    def law(self, times: Sequence[float], mode: cf.Mode) -> cf.Law:
        """Closed form of the law at the last time."""
        return _law(self, tuple(times), mode)


@lru_cache(maxsize=4096)
def _law(case: Case, times: tuple[float, ...], mode: cf.Mode) -> cf.Law:
    if case.closed is None:
        return cf.dpm_solver_pp_2m(case.family.closed, times, mode)
    return cf.one_step(case.closed, case.family.closed, times, mode)


def remembered(process: cf.ClosedProcess) -> cf.ClosedProcess:
    """The same levels, computed once for all modes and samplers."""
    return lru_cache(maxsize=8192)(process)


FAMILIES = (
    Family(VPLinear(), remembered(cf.vp_linear()), 1.0, 1e-3),
    Family(VPLinear(beta_min=0.5, beta_max=12.0), remembered(cf.vp_linear(0.5, 12.0)), 1.0, 1e-2),
    Family(VPCosine(), remembered(cf.vp_cosine()), 0.95, 1e-2),
    Family(VEGeometric(), remembered(cf.ve_geometric()), 1.0, 0.0),
    Family(EDM(), remembered(cf.edm()), 80.0, 2e-3),
    Family(Brownian(), remembered(cf.brownian()), 100.0, 1e-2),
    Family(FlowMatching(), remembered(cf.flow_matching()), 0.95, 0.02),
)

SHAPED = ShapedEulerMaruyama(shape="bump", level=0.4, scale=0.5)
# Some of the levels lie outside of what is sampled.
TABLE = ((30.0, 0.05), (4.0, 0.6), (0.7, 0.2), (0.05, 0.9), (1e-4, 0.1))
TABULATED = TabulatedEulerMaruyama(levels=tuple(s for s, _ in TABLE), values=tuple(eps for _, eps in TABLE))
VARYING: dict[str, cf.Varying] = {
    repr(SHAPED): cf.shaped("bump", 0.4, 0.5),
    repr(TABULATED): cf.tabulated(TABLE),
}

# The closed form of DPM-Solver++(2M) remembers: it is no step.
CLOSED: tuple[tuple[Sampler, cf.ClosedStep | None], ...] = (
    (EulerMaruyama(stochasticity=0.0), cf.euler_maruyama(0.0)),
    (EulerMaruyama(stochasticity=0.3), cf.euler_maruyama(0.3)),
    (EulerMaruyama(stochasticity=1.0), cf.euler_maruyama(1.0)),
    (SHAPED, cf.euler_maruyama(VARYING[repr(SHAPED)])),
    (TABULATED, cf.euler_maruyama(VARYING[repr(TABULATED)])),
    (ExponentialIntegrator(stochasticity=0.0), cf.exponential_integrator(0.0)),
    (ExponentialIntegrator(stochasticity=1.0), cf.exponential_integrator(1.0)),
    (DDIM(eta=0.0), cf.ddim(0.0)),
    (DDIM(eta=0.5), cf.ddim(0.5)),
    (DDIM(eta=1.0), cf.ddim(1.0)),
    (DDPM(variance_share=0.0), cf.ddpm(0.0)),
    (DDPM(variance_share=0.3), cf.ddpm(0.3)),
    (DDPM(variance_share=1.0), cf.ddpm(1.0)),
    (AncestralVP(), cf.ancestral_vp()),
    (Heun(), cf.heun()),
    (EDMHeun(), cf.edm_heun()),
    (RungeKutta4(), cf.runge_kutta_4()),
    (FlowEuler(), cf.flow_euler()),
    (DPMSolverPP2M(), None),
)


def geometric(start: float, stop: float, steps: int) -> list[float]:
    """Times of equal ratio, whatever the process: small steps where the levels are small; a zero is approached."""
    last = stop or 1e-3 * start
    times = [start * (last / start) ** (k / steps) for k in range(steps + 1)]
    return [*times[:-1], stop]


def uniform(start: float, stop: float, steps: int) -> list[float]:
    """Times of equal distance."""
    return [start + (stop - start) * k / steps for k in range(steps)] + [stop]


def applies(sampler: Sampler, process: Process, times: Sequence[float]) -> bool:
    """Whether the sampler is defined on these times."""
    return not sampler.refusal(process, torch.tensor(times, dtype=torch.float64))


# Samplers with a bound on the step are given steps enough to have a place everywhere.
MANY = 64
CASES = tuple(
    Case(family, sampler, closed)
    for family in FAMILIES
    for sampler, closed in CLOSED
    if applies(sampler, family.process, uniform(family.start, family.stop, MANY))
)


def experiment(case: Case, times: Sequence[float], modes: Sequence[cf.Mode]) -> Experiment:
    """The case on given times for a few modes of the same mean."""
    return Experiment(
        spectrum=Custom(eigenvalues=tuple(mode.ell for mode in modes), mean=modes[0].mu),
        process=case.family.process,
        grid=Tabulated(values=tuple(times)),
        sampler=case.sampler,
        start=Noise() if modes[0].noise_start else Marginal(),
    )


def modes_of(eigenvalues: Sequence[float], mean: float, *, noise_start: bool) -> list[cf.Mode]:
    """Modes of the same mean and start, largest eigenvalue first."""
    return [cf.Mode(ell, mean, noise_start) for ell in sorted(eigenvalues, reverse=True)]
