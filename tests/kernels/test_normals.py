"""Random numbers against an independent Philox, its published answers, and the law that they must have."""

import math
from typing import Any, cast

import numba
import numpy as np
import pytest
import torch
from scipy import stats

from kernels import compiling
from kernels.normals import normals
from kernels.philox import GROUP

Words = tuple[int, int, int, int]
MASK = 2**32 - 1


def philox(counter: Words, key: tuple[int, int]) -> Words:
    a, b, c, d = counter
    k, m = key
    for _ in range(10):
        low, high = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (high >> 32) ^ b ^ k, high & MASK, (low >> 32) ^ d ^ m, low & MASK
        k, m = (k + 0x9E3779B9) & MASK, (m + 0xBB67AE85) & MASK
    return a, b, c, d


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((MASK,) * 4, (MASK,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_the_independent_generator_gives_the_published_answers(
    counter: Words, key: tuple[int, int], answer: Words
) -> None:
    assert philox(counter, key) == answer


def box_muller(first: int, second: int) -> tuple[float, float]:
    """Radius from one word; the angle's last two bits are the quarter of the turn, the others where in it."""
    signed = second - 2**32 if second >= 2**31 else second
    angle = math.pi / 2 * ((signed & 3) + (signed >> 2) / 2**30)
    radius = math.sqrt(-2 * math.log((first + 0.5) / 2**32))
    return radius * math.cos(angle), radius * math.sin(angle)


@pytest.mark.parametrize("group", [0, 3, 2**26 + 1, 2**33])
def test_numbers_are_those_of_their_place(group: int) -> None:
    seed, stream, step = 0x299F31D0A4093822, 2, 7
    found = normals(seed, stream, step, group * GROUP, GROUP).double().numpy()
    expected = np.empty(GROUP)
    for lane in range(64):
        counter = 64 * group + lane
        words = philox((counter & MASK, counter >> 32, step, stream), (seed & MASK, seed >> 32))
        expected[lane], expected[128 + lane] = box_muller(words[0], words[1])
        expected[64 + lane], expected[192 + lane] = box_muller(words[2], words[3])
    # Beside a radius of zero, 1 - u keeps the 24 bits of a float32: an error of 2^-24 there moves the root of it most.
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-4)
    far = np.hypot(expected[:128], expected[128:]) > 0.05
    radius = np.hypot(found[:128], found[128:])
    np.testing.assert_allclose(radius[far], np.hypot(expected[:128], expected[128:])[far], rtol=2e-5)


@pytest.mark.parametrize(("first", "count"), [(0, 1), (1, 300), (255, 2), (256, 256), (1000, 777)])
def test_any_part_is_a_part_of_the_whole(first: int, count: int) -> None:
    whole = normals(5, 2, 7, 0, 2048)
    assert torch.equal(normals(5, 2, 7, first, count), whole[first : first + count])


def test_numbers_are_standard_gaussians() -> None:
    count = 400_000
    z = normals(11, 0, 0, 0, count).double()
    moments = [float((z**power).mean()) for power in (1, 2, 3, 4)]
    for found, exact, variance in zip(moments, (0, 1, 0, 3), (1, 2, 15, 96), strict=True):
        assert abs(found - exact) < 4.5 * math.sqrt(variance / count)
    assert stats.kstest(z.numpy(), "norm").pvalue > 1e-4
    tail = int((z.abs() > 4).sum())
    expected = count * 2 * stats.norm.sf(4)
    assert abs(tail - expected) < 4.5 * math.sqrt(expected)
    assert bool(z.isfinite().all())


@pytest.mark.parametrize("other", [(12, 0, 0), (11, 1, 0), (11, 0, 1), (11 + 2**32, 0, 0)])
def test_seeds_streams_and_steps_are_independent(other: tuple[int, int, int]) -> None:
    count = 100_000
    a, b = normals(11, 0, 0, 0, count).double(), normals(*other, 0, count).double()
    assert abs(float((a * b).mean())) < 4.5 / math.sqrt(count)
    assert abs(float((a[1:] * b[:-1]).mean())) < 4.5 / math.sqrt(count)
    assert abs(float((a.square() * b.square()).mean()) - 1) < 4.5 * math.sqrt(8 / count)


def test_where_no_code_can_be_kept_on_disk_it_is_compiled_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def compiler(**options: Any) -> object:
        asked.append(options)
        if "cache" in options:
            raise RuntimeError("cannot cache function: no locator available")
        return cast(Any, numba.njit)(**options)

    monkeypatch.setattr(compiling, "njit", compiler)

    def doubled(values: np.ndarray) -> None:
        for k in range(len(values)):
            values[k] *= 2

    values = np.arange(3.0)
    compiling.compiled(doubled)(values)
    assert values.tolist() == [0.0, 2.0, 4.0]
    assert [sorted(options) for options in asked] == [["cache", "error_model", "nogil"], ["error_model", "nogil"]]
