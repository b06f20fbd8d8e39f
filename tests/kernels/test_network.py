"""A network trained on points: the Gaussian theory without training, near the exact denoiser with it; and its file."""

import gc
import io
import json
import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save
from torch import Tensor

from kernels.gaussian import Gaussian
from kernels.observations import Blur, Conditioned, Unobserved
from kernels.populations import Normal, Population
from kernels.scores import Network, Trained, TrainingProgress, train
from kernels.scores.network import from_bytes, to_bytes

Floats = NDArray[np.float64]

SMALL = Network(width=64, depth=3, iterations=800, batch=256, learning_rate=0.01, noise_ratio_min=0.01)
BRIEF = replace(SMALL, iterations=5)
GAUSSIAN = Gaussian(
    torch.tensor([3.0, -1.0, 0.5, 2.0], dtype=torch.float64), torch.tensor([4.0, 0.3, 1e-3, 0.0], dtype=torch.float64)
)

# Two balls of deviation 0.4 around (2.5, 1) and (-0.5, 1), and a mode in which all data are the same.
WEIGHTS = np.array([0.4, 0.6])
CENTERS = np.array([[2.5, 1.0, -4.0], [-0.5, 1.0, -4.0]])
BALL = np.array([0.16, 0.16, 0.0])
MEAN = WEIGHTS @ CENTERS
VARIANCE = BALL + WEIGHTS @ (CENTERS - MEAN) ** 2


def array(values: Floats) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def drawn(n: int, rng: np.random.Generator) -> Floats:
    return CENTERS[rng.choice(2, n, p=WEIGHTS)] + np.sqrt(BALL) * rng.standard_normal((n, 3))


def expected(x: Floats, alpha: float, sigma: float) -> Floats:
    """E[x0 | x] of the balls: each by Bayes' rule, weighted with its share of the density."""
    total = alpha**2 * BALL + sigma**2
    off = x[:, None, :] - alpha * CENTERS
    log_density = np.log(WEIGHTS) - 0.5 * (off**2 / total).sum(-1)
    density = np.exp(log_density - log_density.max(1, keepdims=True))
    share = density / density.sum(1, keepdims=True)
    return (share[..., None] * (CENTERS + alpha * BALL / total * off)).sum(1)


def gaussian(x: Floats, alpha: float, sigma: float) -> Floats:
    """The same of the Gaussian with their mean and covariance."""
    return MEAN + alpha * VARIANCE / (alpha**2 * VARIANCE + sigma**2) * (x - alpha * MEAN)


@dataclass(frozen=True, eq=False)
class Balls(Population):
    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        member = (torch.rand(n, generator=rng) > WEIGHTS[0]).long()
        xi = torch.randn(n, 3, generator=rng, dtype=torch.float64)
        return array(CENTERS)[member] + array(BALL).sqrt() * xi

    def denoiser(self, x: Tensor, alpha: float, sigma: float) -> Tensor:
        return torch.from_numpy(expected(x.double().numpy(), alpha, sigma)).to(x)


BALLS = Balls(Gaussian(array(MEAN), array(VARIANCE)))


@dataclass(frozen=True, eq=False)
class Course:
    trained: Trained
    heard: list[TrainingProgress]
    seconds: float


@pytest.fixture(scope="module")
def course() -> Course:
    heard: list[TrainingProgress] = []
    begin = time.monotonic()
    return Course(train(SMALL, BALLS, watch=heard.append), heard, time.monotonic() - begin)


@pytest.fixture(scope="module")
def saved(course: Course) -> bytes:
    return to_bytes(course.trained)


LEVELS = [(1.0, 0.002), (1.0, 0.7), (1.0, 80.0), (0.8, 0.6), (1e-3, 1.0), (0.3, 1e-4)]


@pytest.mark.parametrize(("alpha", "sigma"), LEVELS)
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_without_iterations_it_is_the_gaussian_theory(
    alpha: float, sigma: float, dtype: torch.dtype, bound: float
) -> None:
    trained = train(Network(iterations=0), Normal(GAUSSIAN))
    x = (
        alpha * GAUSSIAN.mean
        + 2
        * torch.randn(100, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        * (alpha**2 * GAUSSIAN.variance + sigma**2).sqrt()
    )
    found = trained.denoiser(x.to(dtype), alpha, sigma)
    assert found.dtype == dtype
    for mode in range(4):
        mean, variance = float(GAUSSIAN.mean[mode]), float(GAUSSIAN.variance[mode])
        gain = alpha * variance / (alpha**2 * variance + sigma**2)
        exact = mean + gain * (x.to(dtype)[:, mode].double() - alpha * mean)
        assert (found[:, mode].double() - exact).abs().max() < bound * (abs(mean) + math.sqrt(variance)) * 4
    assert len(trained.curve.loss) == 0


def test_of_a_gaussian_there_is_nothing_to_learn() -> None:
    trained = train(BRIEF, Normal(GAUSSIAN))
    assert abs(trained.floor.value - 1) < 1e-12
    assert trained.excess.value > 0


def test_what_is_to_be_told_has_unit_variance(course: Course) -> None:
    # At the first iteration, where the network tells nothing: 512 squares, which scatter no more than a Gaussian's.
    assert int(course.trained.curve.iteration[0]) == 1
    assert abs(float(course.trained.curve.loss[0]) - 1) < 4.5 * math.sqrt(2 / 512)


def test_the_loss_falls_to_its_floor(course: Course) -> None:
    trained = course.trained
    windows = trained.curve.loss[trained.curve.iteration > 500]
    assert abs(float(windows.mean()) - trained.floor.value) < 0.02
    assert trained.floor.value < 0.97
    assert 0 < trained.excess.value < 0.1 * (1 - trained.floor.value)


def test_floor_and_excess_are_those_of_other_points(course: Course) -> None:
    trained, rng = course.trained, np.random.default_rng(3)
    # Per mode that has a variance, in the units in which the Gaussian denoiser misses the data by one.
    learned = VARIANCE > 0
    losses: list[Floats] = []
    excesses: list[Floats] = []
    for place in np.linspace(0, 1, 300):
        s = 0.01 * (80 / 0.01) ** float(place)
        points = drawn(300, rng)
        x = points + s * rng.standard_normal(points.shape)
        unit = np.sqrt(s**2 * VARIANCE / (VARIANCE + s**2))[learned]
        exact, found = expected(x, 1.0, s), trained.denoiser(array(x), 1.0, s).numpy()
        losses.append((((exact - points)[:, learned] / unit) ** 2).mean(1))
        excesses.append((((exact - found)[:, learned] / unit) ** 2).mean(1))
    for estimate, values in ((trained.floor, np.array(losses)), (trained.excess, np.array(excesses))):
        error = math.sqrt(values.var(1).mean() / values.size)
        assert estimate.standard_error > 0
        assert abs(values.mean() - estimate.value) < 4.5 * math.hypot(error, estimate.standard_error)


@pytest.mark.parametrize(("alpha", "sigma"), [(1.0, 0.5), (0.8, 0.6), (0.5, 1.0), (0.6, 0.6)])
def test_it_is_far_better_than_the_gaussian_at_every_process(course: Course, alpha: float, sigma: float) -> None:
    rng = np.random.default_rng(4)
    x = alpha * drawn(4000, rng) + sigma * rng.standard_normal((4000, 3))
    found = course.trained.denoiser(array(x), alpha, sigma).numpy()
    exact = expected(x, alpha, sigma)
    assert np.mean((found - exact) ** 2) < 0.2 * np.mean((gaussian(x, alpha, sigma) - exact) ** 2)
    assert np.abs(found[:, 2] - CENTERS[0, 2]).max() < 1e-12


def test_the_ratio_of_the_levels_is_all_that_counts(course: Course) -> None:
    y = array(drawn(50, np.random.default_rng(5))) * 1.1
    one = course.trained.denoiser(y, 1.0, 0.75)
    assert torch.allclose(course.trained.denoiser(0.4 * y, 0.4, 0.3), one, rtol=0, atol=1e-5)


def test_precision_is_that_of_the_points(course: Course) -> None:
    y = array(drawn(50, np.random.default_rng(6)))
    single = course.trained.denoiser(y.float(), 1.0, 0.3)
    assert single.dtype == torch.float32
    assert torch.allclose(single.double(), course.trained.denoiser(y, 1.0, 0.3), rtol=0, atol=2e-5)
    assert course.trained.denoiser(y[:0], 1.0, 0.3).shape == (0, 3)


def test_every_point_is_for_itself(course: Course) -> None:
    y = array(drawn(9000, np.random.default_rng(7)))
    whole = course.trained.denoiser(y, 1.0, 0.3)
    assert torch.allclose(whole[8990:], course.trained.denoiser(y[8990:], 1.0, 0.3), rtol=0, atol=1e-5)
    y[3, 0] = math.inf
    broken = course.trained.denoiser(y, 1.0, 0.3)
    assert not broken[3, :2].isfinite().any()
    assert torch.allclose(torch.cat([broken[:3], broken[4:]]), torch.cat([whole[:3], whole[4:]]), rtol=0, atol=1e-5)


def test_nothing_is_singular_without_signal_or_noise(course: Course) -> None:
    x = array(drawn(50, np.random.default_rng(8)))
    for dtype in (torch.float32, torch.float64):
        y = x.to(dtype)
        blind = course.trained.denoiser(y, 0.0, 1.0)
        assert blind.isfinite().all()
        assert torch.allclose(blind, course.trained.denoiser(y, 1e-9, 1.0), rtol=0, atol=1e-5)
        for sigma in (0.0, 1e-300, 1e-9):
            clear = course.trained.denoiser(0.5 * y, 0.5, sigma)
            assert torch.allclose(clear, y, rtol=0, atol=1e-5)
    assert torch.allclose(course.trained.denoiser(0.5 * x, 0.5, 0.0)[:, :2], x[:, :2], rtol=0, atol=1e-14)


def test_a_hearer_is_told_now_and_then(course: Course) -> None:
    heard = course.heard
    assert heard[0].fraction == 0
    assert heard[0].floor.standard_error == math.inf
    assert heard[-1].fraction == 1
    assert heard[-1].floor == course.trained.floor
    done = [progress.iterations for progress in heard]
    assert done == sorted(done)
    assert done[-1] == 800
    assert 3 <= len(heard) <= course.seconds / 0.1 + 2
    final = course.trained.curve
    assert len(final.iteration) <= 300
    assert final.iteration.diff().min() > 0
    for progress in heard:
        curve = progress.curve
        assert progress.fraction == progress.iterations / 800
        assert curve.iteration.tolist()[-1:] == ([progress.iterations] if progress.iterations else [])
        # Windows that are full stay as they are.
        full = max(len(curve.loss) - 1, 0)
        assert torch.equal(curve.iteration[:full], final.iteration[:full])
        assert torch.allclose(curve.loss[:full], final.loss[:full], rtol=0, atol=1e-12)


def test_the_seed_decides_and_no_other_random_numbers_are_touched() -> None:
    before = torch.random.get_rng_state()
    first, again = train(BRIEF, BALLS), train(BRIEF, BALLS)
    other = train(replace(BRIEF, seed=1), BALLS)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first.weights, again.weights)
    assert torch.equal(first.curve.loss, again.curve.loss)
    assert not torch.equal(first.weights, other.weights)
    assert first.curve.iteration.tolist() == [1, 2, 3, 4, 5]
    # Compared with the exact denoiser on the same points.
    assert first.floor == other.floor
    assert first.excess != other.excess


class StoppedError(Exception):
    """As a person stops it."""


def _vectors(size: int) -> int:
    gc.collect()
    return sum(type(thing) is Tensor and thing.numel() == size for thing in gc.get_objects())


def test_what_the_hearer_raises_ends_the_work_and_nothing_is_kept() -> None:
    # A width of its own, by which its tensors are found.
    model = replace(SMALL, width=37, depth=1, iterations=10**6)
    size = 37 * (3 + 8 + 1) + 3 * (37 + 1)
    seen: list[int] = []

    def stop(progress: TrainingProgress) -> None:
        if progress.iterations:
            seen.append(_vectors(size))
            raise StoppedError

    begin = time.monotonic()
    with pytest.raises(StoppedError) as caught:
        train(model, BALLS, watch=stop)
    assert time.monotonic() - begin < 5
    assert seen[0] > 0
    del caught
    assert _vectors(size) == 0


def test_a_loss_that_is_lost_is_told() -> None:
    with pytest.raises(
        ValueError,
        match=r"^the loss of Network is not finite from iteration 2 on; choose a learning_rate below 1e\+30\.$",
    ):
        train(replace(BRIEF, learning_rate=1e30), BALLS)


@pytest.mark.parametrize("device", ["tpu", "cuda:99999x"])
def test_a_device_that_is_not_there_is_refused(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    sentence = f"device must be cpu, or cuda where there is such a card, got '{device}'."
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        train(BRIEF, BALLS, device=device)


def test_what_was_saved_is_what_was_trained(course: Course, saved: bytes) -> None:
    trained = course.trained
    read = from_bytes(SMALL, BALLS, saved, "net.safetensors")
    assert torch.equal(read.weights, trained.weights)
    assert torch.equal(read.curve.iteration, trained.curve.iteration)
    assert torch.equal(read.curve.loss, trained.curve.loss)
    assert (read.floor, read.excess, read.model) == (trained.floor, trained.excess, SMALL)
    x = array(drawn(50, np.random.default_rng(9)))
    assert torch.equal(read.denoiser(x, 0.8, 0.6), trained.denoiser(x, 0.8, 0.6))
    assert to_bytes(read) == saved


def test_the_level_of_a_langevin_sampler_has_no_part_in_it(saved: bytes) -> None:
    model = replace(SMALL, noise_amplitude=0.7)
    assert from_bytes(model, BALLS, saved, "net.safetensors").model == model


def test_the_file_is_all_that_is_needed(course: Course, saved: bytes) -> None:
    """The denoiser, from the formula and the named tensors of the file alone."""
    layers = {name: tensor.double().numpy() for name, tensor in load(saved).items()}
    x, alpha, sigma = drawn(20, np.random.default_rng(10)), 0.7, 0.4
    level = np.sqrt(alpha**2 * VARIANCE + sigma**2)
    state = (x - alpha * MEAN) / level * (VARIANCE > 0)
    place = math.log(sigma / alpha / 0.01) / math.log(80 / 0.01)
    hidden = np.hstack([state, np.tile(np.cos(math.pi * np.arange(1, 9) * place), (20, 1))])
    for k in range(4):
        hidden = hidden @ layers[f"layers.{k}.weight"].T + layers[f"layers.{k}.bias"]
        hidden = hidden / (1 + np.exp(-hidden)) if k < 3 else hidden
    told = MEAN + np.sqrt(VARIANCE) * (alpha * np.sqrt(VARIANCE) * state + sigma * hidden) / level
    assert np.abs(course.trained.denoiser(array(x), alpha, sigma).numpy() - told).max() < 2e-5


def _header(data: bytes) -> dict[str, dict[str, str]]:
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])


def _changed(data: bytes, change: Callable[[dict[str, Tensor]], None]) -> bytes:
    tensors = load(data)
    change(tensors)
    return save(tensors, _header(data)["__metadata__"])


def _without_curve(tensors: dict[str, Tensor]) -> None:
    del tensors["curve.loss"]


def _wider(tensors: dict[str, Tensor]) -> None:
    tensors["layers.1.weight"] = torch.zeros(65, 64)


def _infinite(tensors: dict[str, Tensor]) -> None:
    tensors["layers.0.bias"][4] = math.inf


def _flat(tensors: dict[str, Tensor]) -> None:
    tensors["data.variance"] = torch.tensor(1.0, dtype=torch.float64)


def _pickled(_: bytes) -> bytes:
    buffer = io.BytesIO()
    torch.save({"layers.0.weight": torch.zeros(2)}, buffer)
    return buffer.getvalue()


def _odd_type(_: bytes) -> bytes:
    header = json.dumps({"x": {"dtype": "F8_E8M0", "shape": [2], "data_offsets": [0, 2]}}).encode()
    return len(header).to_bytes(8, "little") + header + b"\0\0"


def _no_metadata(_: bytes) -> bytes:
    header = b'{"__metadata__":null}'
    return len(header).to_bytes(8, "little") + header


FOREIGN = "is not a safetensors file; choose another one, or train the network anew."
SHORT = "is cut short or damaged; choose another one, or train the network anew."
OTHERS = "holds tensors of another program; choose another one, or train the network anew."
LAYOUT = f"does not hold the tensors of {SMALL!r}; train this network anew."
REFUSED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", FOREIGN),
    "text": (lambda _: b"eigenvalue,mean\n1.0,0.0\n", FOREIGN),
    "pickle": (_pickled, FOREIGN),
    "huge header": (lambda data: b"\xff" * 8 + data[8:], SHORT),
    "only the header": (lambda data: data[:200], SHORT),
    "all but one byte": (lambda data: data[:-1], SHORT),
    "one byte more": (lambda data: data + b"\0", SHORT),
    "another program": (lambda _: save({"layers.0.weight": torch.zeros(3)}), OTHERS),
    "another program's words": (lambda _: save({"weight": torch.zeros(3)}, {"format": "pt"}), OTHERS),
    "no metadata": (_no_metadata, OTHERS),
    "without curve": (lambda data: _changed(data, _without_curve), LAYOUT),
    "wider": (lambda data: _changed(data, _wider), LAYOUT),
    "flat": (lambda data: _changed(data, _flat), LAYOUT),
    "infinite": (
        lambda data: _changed(data, _infinite),
        "holds numbers that are not finite; train this network anew.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_not_the_network_is_refused(name: str, saved: bytes) -> None:
    make, defect = REFUSED[name]
    with pytest.raises(ValueError, match=f"^{re.escape(f'net.safetensors {defect}')}$"):
        from_bytes(SMALL, BALLS, make(saved), "net.safetensors")


def test_a_type_of_numbers_that_is_not_known_here_is_refused_too() -> None:
    with pytest.raises(ValueError, match=r"^net\.safetensors [^\n]*; choose another one, or train the network anew\.$"):
        from_bytes(SMALL, BALLS, _odd_type(b""), "net.safetensors")


def test_another_network_is_refused(saved: bytes) -> None:
    other = replace(SMALL, width=96)
    sentence = f"net.safetensors holds {SMALL!r}, not {other!r}; train this network anew."
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        from_bytes(other, BALLS, saved, "net.safetensors")


@pytest.mark.parametrize(
    "population",
    [
        Normal(BALLS.law),
        Normal(GAUSSIAN),
        Balls(Gaussian(BALLS.law.mean + 1e-3, BALLS.law.variance)),
        Balls(Gaussian(BALLS.law.mean, BALLS.law.variance * 1.001)),
    ],
    ids=["same law", "other modes", "moved", "wider"],
)
def test_a_network_of_other_data_is_refused(population: Population, saved: bytes) -> None:
    with pytest.raises(ValueError, match=r"^net\.safetensors was trained on other data; train this network anew\.$"):
        from_bytes(SMALL, population, saved, "net.safetensors")


def test_data_that_differ_by_rounding_are_the_same(saved: bytes) -> None:
    near = Balls(Gaussian(BALLS.law.mean * (1 + 1e-14), BALLS.law.variance * (1 - 1e-13)))
    assert from_bytes(SMALL, near, saved, "net.safetensors").law is near.law


def test_no_damage_is_worse_than_a_sentence(saved: bytes) -> None:
    rng = np.random.default_rng(11)
    refused = 0
    for _ in range(150):
        data = bytearray(saved)
        # Mostly in the header, where there is more to go wrong.
        for place in rng.integers(0, 1200 if rng.random() < 0.8 else len(data), 3):
            data[int(place)] = int(rng.integers(256))
        try:
            read = from_bytes(SMALL, BALLS, bytes(data), "net.safetensors")
        except ValueError as error:
            refused += 1
            assert re.fullmatch(r"net\.safetensors .+\.", str(error), re.DOTALL), str(error)
        else:
            assert read.weights.isfinite().all()
    assert refused > 75


def test_it_has_no_exact_law_and_needs_the_data_themselves() -> None:
    model = Network()
    sentence = (
        "Network is trained on points and has no exact law; see its samples in the tab Cloud or with "
        "`wasserscope sample`, or choose another score."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        model.fit(Conditioned(GAUSSIAN))
    assert not model.is_affine
    assert not model.is_exact(Unobserved())
    assert model.refusal(Unobserved()) == ""
    assert model.refusal(Blur()) == "Network is trained on samples of the data themselves (Unobserved), got Blur"


def test_levels_that_are_no_range_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^Network: noise_ratio_max \(0\.001\) must exceed noise_ratio_min \(0\.002\)\.$"
    ):
        Network(noise_ratio_max=0.001)
