import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kernels.spectra import Custom, ImageLike, Isotropic, LogUniform, PowerLaw, Spectrum, TwoBlock
from kernels.spectra.base import ModelSpectrum

SOME = (
    Isotropic(modes=5, eigenvalue=0.3),
    PowerLaw(modes=7, decay=1.5, scale=2.0),
    PowerLaw(modes=7, decay=0.0, scale=2.0),
    LogUniform(modes=9, condition=1e4),
    TwoBlock(modes=8, condition=50.0, fraction=0.3),
    ImageLike(modes=3072),
    Custom(eigenvalues=(0.1, 0.0, 3.0, 0.1)),
)
of_some = pytest.mark.parametrize("spectrum", SOME, ids=repr)

KNOTS = {
    1: 221.0,
    2: 85.7,
    3: 51.0,
    5: 27.5,
    10: 10.95,
    20: 4.9,
    50: 1.384,
    100: 0.566,
    200: 0.2104,
    500: 0.0419,
    1000: 0.00814,
    2000: 0.000423,
    3000: 0.0000107,
}


def eigenvalues(spectrum: Spectrum) -> list[float]:
    return spectrum.law().variance.tolist()


@of_some
def test_the_largest_eigenvalue_comes_first_and_none_is_negative(spectrum: ModelSpectrum) -> None:
    law = spectrum.law()
    assert law.variance.dtype == law.mean.dtype == torch.float64
    assert law.variance.shape == law.mean.shape
    assert bool((law.variance[1:] <= law.variance[:-1]).all())
    assert float(law.variance.min()) >= 0.0


@of_some
def test_the_mean_is_the_same_in_every_mode(spectrum: ModelSpectrum) -> None:
    law = replace(spectrum, mean=-0.75).law()
    assert torch.equal(law.mean, torch.full_like(law.variance, -0.75))
    assert torch.equal(law.variance, spectrum.law().variance)
    assert torch.equal(spectrum.law().mean, torch.zeros_like(law.variance))


@given(modes=st.integers(1, 200), eigenvalue=st.floats(0.0, 1e6))
def test_isotropic(modes: int, eigenvalue: float) -> None:
    assert eigenvalues(Isotropic(modes=modes, eigenvalue=eigenvalue)) == [eigenvalue] * modes


@given(modes=st.integers(1, 200), decay=st.floats(0.0, 8.0), scale=st.floats(0.0, 1e3))
def test_power_law(modes: int, decay: float, scale: float) -> None:
    expected = sorted((scale * math.exp(-decay * math.log(i)) for i in range(1, modes + 1)), reverse=True)
    assert eigenvalues(PowerLaw(modes=modes, decay=decay, scale=scale)) == pytest.approx(expected, rel=1e-13)


def test_power_law_of_inverse_squares() -> None:
    assert eigenvalues(PowerLaw(modes=4, decay=2.0, scale=1.0)) == pytest.approx([1.0, 1 / 4, 1 / 9, 1 / 16], rel=1e-15)


@given(modes=st.integers(2, 200), condition=st.floats(1.0, 1e8), scale=st.floats(1e-3, 1e3))
def test_log_uniform(modes: int, condition: float, scale: float) -> None:
    ratio = math.exp(-math.log(condition) / (modes - 1))
    values = eigenvalues(LogUniform(modes=modes, condition=condition, scale=scale))
    assert values == pytest.approx([scale * ratio**i for i in range(modes)], rel=1e-11)
    assert values[0] == scale
    assert values[-1] == pytest.approx(scale / condition, rel=1e-14)


def test_log_uniform_of_one_mode_is_its_scale() -> None:
    assert eigenvalues(LogUniform(modes=1, condition=1e4, scale=3.0)) == [3.0]


def test_two_block() -> None:
    assert eigenvalues(TwoBlock(modes=5, condition=10.0, fraction=0.5, scale=2.0)) == [2.0, 2.0, 2.0, 0.2, 0.2]
    assert eigenvalues(TwoBlock(modes=3, condition=10.0, fraction=0.0, scale=2.0)) == [0.2] * 3
    assert eigenvalues(TwoBlock(modes=3, condition=10.0, fraction=1.0, scale=2.0)) == [2.0] * 3


def test_image_like_goes_through_its_knots_and_ends_in_zeros() -> None:
    values = eigenvalues(ImageLike(modes=3072))
    assert {rank: values[rank - 1] for rank in KNOTS} == pytest.approx(KNOTS, rel=1e-14)
    assert values[3000:] == [0.0] * 72


def test_image_like_is_a_power_law_between_knots() -> None:
    values = np.array(eigenvalues(ImageLike(modes=500, scale=2.0)))
    slope = math.log(0.2104 / 0.0419) / math.log(200 / 500)
    ranks = np.arange(200, 501)
    assert values[199:500] == pytest.approx(2.0 * 0.2104 * (ranks / 200) ** slope, rel=1e-13)


@given(st.lists(st.floats(0.0, 1e6), min_size=1, max_size=30))
def test_custom_is_what_was_listed_in_order(listed: list[float]) -> None:
    assert eigenvalues(Custom(eigenvalues=tuple(listed))) == sorted(listed, reverse=True)


@pytest.mark.parametrize(
    ("kind", "field", "value", "sentence"),
    [
        (Isotropic, "modes", 0, "Isotropic.modes (d) must lie in [1, 1e+07], got 0."),
        (Isotropic, "eigenvalue", -1.0, "Isotropic.eigenvalue (λ) must lie in [0, inf), got -1.0."),
        (LogUniform, "condition", 0.5, "LogUniform.condition (κ) must lie in [1, inf), got 0.5."),
        (TwoBlock, "fraction", 1.5, "TwoBlock.fraction (φ) must lie in [0, 1], got 1.5."),
        (Custom, "eigenvalues", (), "Custom.eigenvalues (λ) must hold at least 1 numbers, got 0."),
        (
            Custom,
            "eigenvalues",
            (1.0, -2.0),
            "Custom.eigenvalues (λ) must hold numbers in [0, inf), got -2.0 at position 1.",
        ),
    ],
)
def test_values_outside_the_domain_are_refused(
    kind: type[ModelSpectrum], field: str, value: Any, sentence: str
) -> None:
    with pytest.raises(ValueError) as refusal:
        kind(**{field: value})
    assert str(refusal.value) == sentence
