"""The diffusion-term coefficient: shapes, tables, what it forgets, and what it is worth."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from kernels.arrays import array
from kernels.experiment import Experiment
from kernels.grids import Karras, LogUniform, Tabulated
from kernels.processes import EDM, Brownian, FlowMatching, VPLinear
from kernels.report import report
from kernels.samplers import DDIM, EulerMaruyama, Sampler, ShapedEulerMaruyama, TabulatedEulerMaruyama
from kernels.spectra import Custom
from kernels.starts import Marginal, Noise
from kernels.stochasticity import FLOW, REVERSE, Constant, Stochasticity, Varying
from tests import closed_forms as cf

SHAPES = ("high noise", "low noise", "bump", "matched")
TABLE = ((30.0, 0.05), (4.0, 0.6), (0.7, 0.0), (0.05, 0.9))
EIGENVALUES = (100.0, 0.3, 1e-6)


def table(pairs: tuple[tuple[float, float], ...]) -> TabulatedEulerMaruyama:
    return TabulatedEulerMaruyama(levels=tuple(s for s, _ in pairs), values=tuple(eps for _, eps in pairs))


VARYING: list[tuple[Sampler, cf.Varying]] = [
    *((ShapedEulerMaruyama(shape=shape, level=0.7, scale=0.3), cf.shaped(shape, 0.7, 0.3)) for shape in SHAPES),
    (table(TABLE), cf.tabulated(TABLE)),
]
of_every_varying = pytest.mark.parametrize(("sampler", "closed"), VARYING, ids=[repr(s)[:60] for s, _ in VARYING])


@of_every_varying
def test_the_coefficient_is_that_of_the_formula(sampler: Sampler, closed: cf.Varying) -> None:
    ratios = array([300.0, 30.0, 5.0, 4.0, 0.7, 0.1, 0.05, 1e-3])
    found = array(sampler.limit_stochasticity.at(ratios))
    assert found.tolist() == pytest.approx([float(closed.at(cf.MP.mpf(s))) for s in ratios.tolist()], rel=1e-13)


@of_every_varying
def test_what_is_forgotten_is_an_integral(sampler: Sampler, closed: cf.Varying) -> None:
    """Against quadrature in the noise ratio itself, not in its logarithm."""
    ratios = (50.0, 6.0, 1.0, 0.3, 0.01)
    found = sampler.limit_stochasticity.forgotten(array(EIGENVALUES), array(ratios).unsqueeze(1))
    assert found.shape == (len(ratios), len(EIGENVALUES))
    assert found[0].tolist() == [0.0, 0.0, 0.0]
    for row, low in enumerate(ratios[1:], 1):
        for column, ell in enumerate(EIGENVALUES):
            corners = sorted({low, *(s for s in (*closed.kinks, *ratios, 0.03, 0.1) if low < s < 50.0), 50.0})

            def density(s: float, ell: float = ell) -> float:
                return float(closed.at(s)) * 2 * s / (ell + s * s)

            expected = sum(quad(density, a, b, epsrel=1e-12)[0] for a, b in pairwise(corners))
            assert -float(found[row, column]) == pytest.approx(expected, rel=1e-9)


@given(
    value=st.floats(0.0, 3.0),
    eigenvalues=st.lists(st.floats(-30, 10).map(math.exp), min_size=1, max_size=4),
    low=st.floats(-12, 2),
    span=st.floats(0.1, 10),
)
def test_varying_that_is_constant_forgets_like_a_constant(
    value: float, eigenvalues: list[float], low: float, span: float
) -> None:
    """A table of equal values: integrated by quadrature, where the constant has a closed form."""
    ratios = array([math.exp(low + span * part) for part in (1.0, 0.7, 0.2, 0.0)]).unsqueeze(1)
    varying = table(((10.0, value), (0.5, value), (1e-3, value))).limit_stochasticity
    assert isinstance(varying, Varying)
    found = varying.forgotten(array(eigenvalues), ratios)
    torch.testing.assert_close(
        found, Constant(value).forgotten(array(eigenvalues), ratios) + 0.0, rtol=1e-10, atol=1e-13
    )
    # The closed form itself.
    levels = array(eigenvalues) + ratios.square()
    torch.testing.assert_close(found, value * (levels / levels[0]).log(), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("stochasticity", [Constant(0.4), table(TABLE).limit_stochasticity], ids=repr)
def test_down_to_no_noise_all_is_kept_that_variance_protects(stochasticity: Stochasticity) -> None:
    """At s = 0 the integral is finite for a mode with variance; in one without, everything is forgotten."""
    ratios = array([5.0, 1.0, 1e-9, 0.0]).unsqueeze(1)
    found = stochasticity.forgotten(array([1.0, 1e-4, 0.0]), ratios)
    assert bool(found[:, :2].isfinite().all())
    assert float(found[3, 0]) == pytest.approx(float(found[2, 0]), rel=1e-12)
    assert float(found[3, 1]) == pytest.approx(float(found[2, 1]), rel=1e-9)
    assert float(found[3, 2]) < float(found[2, 2]) < -10


def test_names_of_the_two_that_have_one() -> None:
    assert (FLOW.is_zero, REVERSE.is_zero) == (True, False)
    assert not table(TABLE).limit_stochasticity.is_zero
    assert EulerMaruyama(stochasticity=0.0).limit_stochasticity == FLOW
    assert DDIM(eta=0.5).limit_stochasticity == Constant(0.25)


@pytest.mark.parametrize("process", [VPLinear(), EDM(), Brownian(), FlowMatching()], ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("start", [Marginal(), Noise()], ids=lambda start: type(start).__name__)
def test_a_table_of_equal_values_samples_like_a_constant(process: object, start: object) -> None:
    assert isinstance(process, (VPLinear, EDM, Brownian, FlowMatching))
    assert isinstance(start, (Marginal, Noise))
    ends = process.time_of(array([20.0, 0.01])).tolist()
    grid = LogUniform(steps=20, start=ends[0], stop=ends[1])
    spectrum = Custom(eigenvalues=(4.0, 0.3, 0.0), mean=0.5)
    even = table(((3.0, 0.35), (0.2, 0.35)))
    a, b = (
        report(Experiment(spectrum=spectrum, process=process, grid=grid, sampler=sampler, start=start))
        for sampler in (even, EulerMaruyama(stochasticity=0.35))
    )
    torch.testing.assert_close(a.modes.variance, b.modes.variance, rtol=1e-12, atol=0.0)
    for name, value in vars(a.wasserstein2).items():
        assert float(value) == pytest.approx(float(getattr(b.wasserstein2, name)), rel=1e-10, abs=1e-14), name


def test_the_levels_of_a_grid_give_every_step_a_value_of_its_own() -> None:
    times, values = (20.0, 5.0, 1.0, 0.2, 0.05), (0.3, 0.0, 0.9, 0.1)
    sampler = TabulatedEulerMaruyama(levels=times[:-1], values=values)
    where = Experiment(
        spectrum=Custom(eigenvalues=(0.25,)), process=EDM(), grid=Tabulated(values=times), sampler=sampler,
        start=Marginal(),
    )  # fmt: skip
    variance = 0.25 + 400.0
    for s, end, eps in zip(times[:-1], times[1:], values, strict=True):
        gain = 1 - (1 + eps) * (s - end) * s / (0.25 + s * s)
        variance = gain**2 * variance + 2 * eps * s * (s - end)
    assert report(where).modes.variance.tolist() == pytest.approx([variance], rel=1e-13)


@pytest.mark.parametrize("scale", [0.5, 3.0])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_the_matched_shape_is_exact_for_its_own_mode_at_any_step_size(scale: float, steps: int) -> None:
    sampler = ShapedEulerMaruyama(shape="matched", level=1.0, scale=scale)
    where = Experiment(
        spectrum=Custom(eigenvalues=(100.0, scale**2)),
        process=EDM(),
        grid=Karras(steps=steps, start=80.0, stop=2e-3),
        sampler=sampler,
        start=Marginal(),
    )
    exact = array([100.0, scale**2]) + 2e-3**2
    found = (report(where).modes.variance - exact).abs() / exact
    place = report(where).modes.eigenvalue.tolist().index(scale**2)
    assert float(found[place]) <= 1e-11
    assert float(found[1 - place]) > 1e-3


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"levels": (1.0, 0.1), "values": (0.1,)},
            "TabulatedEulerMaruyama: levels and values must be equally many, got (1.0, 0.1) and (0.1,).",
        ),
        (
            {"levels": (0.1, 1.0), "values": (0.1, 0.1)},
            "TabulatedEulerMaruyama: levels must decrease from the first to the last, got (0.1, 1.0).",
        ),
        (
            {"levels": (1.0, 1.0), "values": (0.1, 0.1)},
            "TabulatedEulerMaruyama: levels must decrease from the first to the last, got (1.0, 1.0).",
        ),
        (
            {"levels": (1.0, 0.0), "values": (0.1, 0.1)},
            "TabulatedEulerMaruyama.levels (sₖ) must hold numbers in (0, inf), got 0.0 at position 1.",
        ),
        (
            {"levels": (1.0, 0.5), "values": (0.1, -0.1)},
            "TabulatedEulerMaruyama.values (εₖ) must hold numbers in [0, inf), got -0.1 at position 1.",
        ),
    ],
)
def test_tables_that_are_none_are_refused(values: dict[str, tuple[float, ...]], sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        TabulatedEulerMaruyama(**values)
    assert str(refusal.value) == sentence
