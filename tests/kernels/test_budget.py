"""The error budget: signed terms by step and mode that add up to the exact error of the variance."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given

from kernels.analyses.budget import MOST_COLUMNS, MOST_ROWS, budget
from kernels.experiment import Experiment
from kernels.grids import Karras, Tabulated, Uniform
from kernels.processes import EDM, Brownian, FlowMatching, Process
from kernels.report import report
from kernels.samplers import DDIM, DDPM, DPMSolverPP2M, EDMHeun, EulerMaruyama, FlowEuler, Sampler
from kernels.spectra import Custom, ImageLike, PowerLaw
from kernels.starts import STARTS, Marginal, Noise, Start
from tests import closed_forms as cf
from tests.closed_forms import MP
from tests.kernels.cases import CASES, MANY, Case, applies, experiment, geometric, modes_of, uniform
from tests.strategies import experiments

EIGENVALUES = (9.0, 0.25, 1e-4, 0.0)


def times_of(case: Case) -> list[float]:
    family = case.family
    few = geometric(family.start, family.stop, 12)
    return few if applies(case.sampler, family.process, few) else uniform(family.start, family.stop, MANY)


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_the_terms_add_up_to_the_exact_error(case: Case) -> None:
    """Against the error in 50 digits: to 2e-12 of the largest term, or the rounding of the variances themselves."""
    times = times_of(case)
    modes = modes_of(EIGENVALUES, 0.0, noise_start=True)
    found = budget(experiment(case, times, modes))
    assert found.by_step.shape == (len(EIGENVALUES), len(times) - 1)
    last = case.family.closed(times[-1])
    for k, mode in enumerate(modes):
        error = float(case.law(times, mode).variance - last.lam(MP.mpf(mode.ell)))
        terms = [*found.by_step[k].tolist(), float(found.start[k])]
        size = max(abs(term) for term in terms)
        assert abs(math.fsum(terms) - error) <= 2e-12 * (size + float(last.lam(MP.mpf(mode.ell))))
        assert found.variance[k] == pytest.approx(float(case.law(times, mode).variance), rel=1e-11)
        assert found.final[k] == pytest.approx(float(last.lam(MP.mpf(mode.ell))), rel=1e-14)
    assert found.start[:2].all() == bool(case.family.closed(times[0]).alpha)
    exact = budget(experiment(case, times, modes_of(EIGENVALUES, 0.0, noise_start=False)))
    assert not exact.start.any()
    assert np.array_equal(exact.by_step, found.by_step)


@pytest.mark.parametrize("case", [case for case in CASES if case.closed is not None][::3], ids=repr)
def test_each_term_is_the_defect_of_its_step_carried_to_the_end(case: Case) -> None:
    """F^2 lam + Q - lam' of the closed forms, times the squared gains of later steps."""
    assert case.closed is not None
    times = times_of(case)
    levels = [case.family.closed(t) for t in times]
    found = budget(experiment(case, times, modes_of((9.0, 0.25), 0.0, noise_start=False)))
    for row, ell in enumerate((MP.mpf(9), MP.mpf("0.25"))):
        moves = [case.closed(a, b, ell, case.family.closed) for a, b in pairwise(levels)]
        later, expected = MP.mpf(1), []
        for (a, b), move in zip(reversed(list(pairwise(levels))), reversed(moves), strict=True):
            expected.append(float((move.gain**2 * a.lam(ell) + move.noise - b.lam(ell)) * later))
            later *= move.gain**2
        terms = found.by_step[row]
        size = float(np.abs(terms).max())
        assert terms.tolist() == pytest.approx(expected[::-1], rel=1e-9, abs=1e-13 * size + 1e-15)


Defect = Callable[[float, float, float], float]

# Defects of a step from s to s' as the theory lists them, in the rescaled state.
LISTED: list[tuple[Sampler, Process, Defect]] = [
    (DDIM(eta=0.0), EDM(), lambda ell, s, e: -ell * (s - e) ** 2 / (ell + s**2)),
    (
        EulerMaruyama(stochasticity=0.3),
        EDM(),
        lambda ell, s, e: (s - e) ** 2 * ((2 * 0.3 + 0.09) * s**2 - ell) / (ell + s**2),
    ),
    (
        EulerMaruyama(stochasticity=0.3),
        Brownian(),
        lambda ell, s, e: 1.3**2 * (s**2 - e**2) ** 2 / (4 * (ell + s**2)),
    ),
    (DDPM(variance_share=1.0), EDM(), lambda ell, s, e: (s**2 - e**2) ** 2 / (ell + s**2)),
    (DDPM(variance_share=0.0), EDM(), lambda ell, s, e: -ell * (s**2 - e**2) ** 2 / (s**2 * (ell + s**2))),
]


@pytest.mark.parametrize(("sampler", "process", "defect"), LISTED, ids=lambda value: type(value).__name__)
def test_defects_of_a_single_step_are_those_listed(sampler: Sampler, process: Process, defect: Defect) -> None:
    for s, e in ((80.0, 20.0), (1.0, 0.9), (0.3, 1e-3), (0.01, 0.0099999)):
        times = process.time_of(torch.tensor([s, e], dtype=torch.float64)).tolist()
        where = Experiment(
            spectrum=Custom(eigenvalues=EIGENVALUES[:3]),
            process=process,
            grid=Tabulated(values=tuple(times)),
            sampler=sampler,
            start=Marginal(),
        )
        expected = [defect(ell, s, e) for ell in EIGENVALUES[:3]]
        # Times are rounded, and with them the short step.
        assert budget(where).by_step[:, 0].tolist() == pytest.approx(expected, rel=1e-10 if e < 0.9 * s else 1e-6)


def test_golden_contributions() -> None:
    where = Experiment(
        spectrum=Custom(eigenvalues=(0.25,)),
        process=EDM(),
        grid=Karras(steps=8, start=80.0, stop=2e-3, rho=7.0),
        sampler=EulerMaruyama(stochasticity=0.1),
        start=Marginal(),
    )
    contributions = [
        0.0051314632997987,
        0.0090691912531267,
        0.0177563191852274,
        0.0389985737603399,
        0.0722304436875898,
        -0.0446083834484327,
        -0.0179675379025849,
        -0.000576746875002246,
    ]
    assert budget(where).by_step[0].tolist() == pytest.approx(contributions, rel=1e-11)


def test_a_blend_of_the_two_variances_is_exact() -> None:
    """With share lambda/(lambda + s^2) of the large variance a step makes no error."""
    ell, s = 0.25, 0.7
    where = Experiment(
        spectrum=Custom(eigenvalues=(ell,)),
        process=EDM(),
        grid=Tabulated(values=(s, 0.2)),
        sampler=DDPM(variance_share=ell / (ell + s * s)),
        start=Marginal(),
    )
    assert abs(budget(where).by_step[0, 0]) <= 1e-16
    assert abs(budget(replace(where, sampler=DDPM(variance_share=0.5))).by_step[0, 0]) > 1e-3


@pytest.mark.parametrize(
    "sampler", [EulerMaruyama(stochasticity=0.2), DDIM(eta=0.5), EDMHeun(), DPMSolverPP2M()], ids=repr
)
@pytest.mark.parametrize("start", STARTS, ids=lambda start: start.__name__)
def test_columns_taken_together_are_sums_of_columns(sampler: Sampler, start: type[Start]) -> None:
    where = Experiment(
        spectrum=PowerLaw(modes=20, decay=2.0),
        process=EDM(),
        grid=Karras(steps=300, start=80.0, stop=2e-3),
        sampler=sampler,
        start=start(),
    )
    fine, coarse = budget(where, 20, 300), budget(where, 20, 7)
    assert fine.edges.tolist() == list(range(301))
    edges = coarse.edges.astype(int).tolist()
    assert (edges[0], edges[-1], len(edges)) == (0, 300, 8)
    sums = np.stack([fine.by_step[:, a:b].sum(1) for a, b in pairwise(edges)], 1)
    assert coarse.by_step == pytest.approx(sums, rel=1e-9, abs=1e-13 * float(np.abs(fine.by_step).max()))
    whole = coarse.by_step.sum(1) + coarse.start
    size = np.abs(fine.by_step).max(1) + np.abs(fine.start)
    assert (np.abs(whole - (fine.variance - fine.final)) <= 1e-12 * size + 1e-15 * fine.final).all()
    found = report(where).modes.variance.numpy()
    assert fine.variance == pytest.approx(found, rel=1e-11)


def test_of_many_modes_some_are_chosen() -> None:
    where = Experiment(
        spectrum=ImageLike(modes=3072),
        process=EDM(),
        grid=Karras(steps=400, start=80.0, stop=2e-3),
        sampler=DDIM(eta=0.0),
        start=Marginal(),
    )
    found = budget(where)
    assert found.by_step.shape[0] <= MOST_ROWS
    assert found.by_step.shape[1] == MOST_COLUMNS
    ranks = found.ranks.astype(int)
    assert (ranks[0], ranks[-1]) == (1, 3072)
    assert (np.diff(ranks) > 0).all()
    law = report(where).modes
    assert found.eigenvalue.tolist() == law.eigenvalue[ranks - 1].tolist()
    assert found.variance == pytest.approx(law.variance[ranks - 1].numpy(), rel=1e-11)
    # In the standard deviation the terms add up too.
    error = np.sqrt(found.variance) - np.sqrt(found.final)
    whole = found.of_deviation.sum(1)
    assert whole[:-80] == pytest.approx(error[:-80], rel=1e-9, abs=1e-15)


def test_from_pure_noise_to_data() -> None:
    """s from infinity to 0: the start is exact there, and the whole error that of the steps."""
    where = Experiment(
        spectrum=Custom(eigenvalues=(4.0, 0.3, 0.0)),
        process=FlowMatching(),
        grid=Uniform(steps=9, start=1.0, stop=0.0),
        sampler=FlowEuler(),
        start=Noise(),
    )
    found = budget(where)
    assert found.start.tolist() == [0.0, 0.0, 0.0]
    assert found.final.tolist() == [4.0, 0.3, 0.0]
    closed = [
        cf.one_step(cf.flow_euler(), cf.flow_matching(), where.times.tolist(), cf.Mode(ell, 0.0, noise_start=False))
        for ell in (4.0, 0.3)
    ]
    errors = [float(one.variance - MP.mpf(ell)) for one, ell in zip(closed, (4.0, 0.3), strict=True)]
    assert found.by_step.sum(1)[:2].tolist() == pytest.approx(errors, rel=1e-12)
    assert np.abs(found.by_step[2]).max() <= 1e-16


@given(experiments())
def test_any_budget_adds_up(where: Experiment) -> None:
    found = budget(where, 12, 1000)
    by_rank = report(where).modes.variance.numpy()[found.ranks.astype(int) - 1]
    finite = np.isfinite(by_rank) & np.isfinite(found.by_step).all(1)
    by_step, start, final = (part[finite] for part in (found.by_step, found.start, found.final))
    # What has blown up to the squares of large numbers has lost the digits of ordinary ones.
    size = np.abs(by_step).max(1) + np.abs(start) + final
    whole = by_step.sum(1) + start + final
    assert (np.abs(whole - by_rank[finite]) <= 1e-10 * size + 1e-15).all()
