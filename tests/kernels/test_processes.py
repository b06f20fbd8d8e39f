"""Noising processes against their formulas, derivatives by automatic differentiation, and golden values."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from kernels.arrays import array
from kernels.gaussian import Gaussian
from kernels.processes import EDM, PROCESSES, Brownian, FlowMatching, Process, VEGeometric, VPCosine, VPLinear
from tests import closed_forms as cf
from tests.closed_forms import MP
from tests.strategies import components

SOME: tuple[tuple[Process, cf.ClosedProcess], ...] = (
    (VPLinear(), cf.vp_linear()),
    (VPLinear(beta_min=0.0, beta_max=3.0), cf.vp_linear(0.0, 3.0)),
    (VPCosine(), cf.vp_cosine()),
    (VEGeometric(), cf.ve_geometric()),
    (VEGeometric(sigma_min=0.3, sigma_max=700.0), cf.ve_geometric(0.3, 700.0)),
    (EDM(), cf.edm()),
    (Brownian(), cf.brownian()),
    (FlowMatching(), cf.flow_matching()),
)
of_some = pytest.mark.parametrize(("process", "closed"), [pytest.param(*pair, id=repr(pair[0])) for pair in SOME])
of_some_processes = pytest.mark.parametrize("process", [process for process, _ in SOME], ids=repr)

SMALL = (1e-12, 1e-9, 1e-6, 1e-3)
TIMES = (*SMALL, 0.01, 0.1, 0.3, 0.5, 0.75, 0.9, 0.99)


def inside(process: Process) -> Tensor:
    """Times in the open range, over all of it."""
    last = min(process.last, 6400.0)
    return array(TIMES) * (last if last > 1 else 1.0)


def derivative(function: Callable[[Tensor], Tensor], t: Tensor) -> Tensor:
    """Elementwise derivative, by forward differentiation."""
    return torch.func.jvp(function, (t,), (torch.ones_like(t),))[1]


# ---------------------------------------------------------------------------------------- levels and rates


@of_some
def test_levels_and_rates_are_the_closed_forms_to_rounding(process: Process, closed: cf.ClosedProcess) -> None:
    for t in inside(process):
        exact = closed(float(t))
        found = {
            "alpha": process.alpha(t),
            "sigma": process.sigma(t),
            "alpha_rate": process.alpha_rate(t),
            "variance_rate": process.variance_rate(t),
        }
        for name, value in found.items():
            wanted = getattr(exact, name)
            assert abs(MP.mpf(float(value)) - wanted) <= 2e-14 * abs(wanted), (name, float(t))


@of_some
def test_what_follows_from_levels_and_rates(process: Process, closed: cf.ClosedProcess) -> None:
    for t in inside(process):
        exact = closed(float(t))
        assert float(process.noise_ratio(t)) == pytest.approx(float(exact.s), rel=1e-13)
        assert float(process.drift_rate(t)) == pytest.approx(float(exact.f), rel=1e-13)
        assert float(process.diffusion_squared(t)) == pytest.approx(float(exact.g2), rel=1e-13)
        assert float(process.diffusion(t)) == pytest.approx(float(MP.sqrt(exact.g2)), rel=1e-13)
        log_snr = -2 * MP.log(exact.s)
        assert float(process.log_snr(t)) == pytest.approx(float(log_snr), rel=1e-13, abs=1e-13)


@of_some_processes
def test_rates_are_derivatives(process: Process) -> None:
    t = inside(process)[3:]
    torch.testing.assert_close(process.alpha_rate(t), derivative(process.alpha, t), rtol=1e-12, atol=1e-15)
    variance = derivative(lambda time: process.sigma(time).square(), t)
    torch.testing.assert_close(process.variance_rate(t), variance, rtol=1e-12, atol=0.0)
    log_alpha = derivative(lambda time: process.alpha(time).log(), t)
    torch.testing.assert_close(process.drift_rate(t), log_alpha, rtol=1e-11, atol=1e-15)
    # The forward equation adds g^2 to the variance of the rescaled state: g^2 = alpha^2 d(s^2)/dt.
    rescaled = process.alpha(t).square() * derivative(lambda time: process.noise_ratio(time).square(), t)
    torch.testing.assert_close(process.diffusion_squared(t), rescaled, rtol=1e-10, atol=0.0)


@pytest.mark.parametrize("kind", PROCESSES, ids=lambda kind: kind.__name__)
@given(data=st.data(), fraction=st.floats(1e-3, 0.99))
def test_rates_are_derivatives_whatever_the_parameters(
    kind: type[Process], data: st.DataObject, fraction: float
) -> None:
    process = data.draw(components(kind))
    t = array(fraction * min(process.last, 100.0))
    torch.testing.assert_close(process.alpha_rate(t), derivative(process.alpha, t), rtol=1e-10, atol=1e-15)
    variance = derivative(lambda time: process.sigma(time).square(), t)
    torch.testing.assert_close(process.variance_rate(t), variance, rtol=1e-10, atol=1e-13)


@of_some
def test_the_signal_lost_keeps_its_digits(process: Process, closed: cf.ClosedProcess) -> None:
    for t in (*SMALL, 0.1, 0.3, 0.5, 0.9, 0.99, 1.0):
        exact = 1 - closed(t).alpha ** 2
        assert abs(MP.mpf(float(process.signal_lost(array(t)))) - exact) <= 1e-14 * exact, t


@of_some_processes
def test_whether_a_process_preserves_variance(process: Process) -> None:
    t = inside(process)
    total = process.alpha(t).square() + process.sigma(t).square()
    if process.variance_preserving:
        torch.testing.assert_close(total, torch.ones_like(total), rtol=1e-15, atol=0.0)
    else:
        assert float((total - 1).abs().max()) > 0.1


@of_some
def test_the_marginal_law_is_noised_data(process: Process, closed: cf.ClosedProcess) -> None:
    data = Gaussian(array([0.5, -2.0]), array([2.0, 0.0]))
    t = inside(process)
    law = process.marginal(data, t.unsqueeze(-1))
    assert law.mean.shape == law.variance.shape == (len(t), 2)
    for k, time in enumerate(t.tolist()):
        for mode, (mu, ell) in enumerate(((0.5, 2.0), (-2.0, 0.0))):
            exact = closed(time)
            assert float(law.mean[k, mode]) == pytest.approx(float(exact.alpha * mu), rel=1e-14)
            assert float(law.variance[k, mode]) == pytest.approx(float(exact.lam(MP.mpf(ell))), rel=1e-14)


# ------------------------------------------------------------------------------------------- golden values


@pytest.mark.parametrize(
    ("process", "quantity", "value"),
    [
        (VPLinear(), "alpha", 0.62955000033644882),
        (VPLinear(), "sigma", 0.77695997134754457),
        (VPCosine(), "alpha", 0.88707976594601081),
        (VPCosine(), "drift_rate", -0.81121509013604795),
        (VEGeometric(), "sigma", 0.12873332935452238),
        (VEGeometric(), "diffusion_squared", 0.28229845189750331),
        (FlowMatching(), "drift_rate", -1.4285714285714286),
        (FlowMatching(), "diffusion_squared", 0.85714285714285714),
    ],
    ids=str,
)
def test_golden_values(process: Process, quantity: str, value: float) -> None:
    assert float(getattr(process, quantity)(array(0.3))) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(("process", "variance"), [(VPLinear(), 1.3963332029236227), (FlowMatching(), 1.07)], ids=str)
def test_golden_variances(process: Process, variance: float) -> None:
    law = process.marginal(Gaussian(array([0.0]), array([2.0])), array([0.3]))
    assert float(law.variance) == pytest.approx(variance, rel=1e-15)


# ------------------------------------------------------------------------------------------------- inverses


@of_some
def test_time_of_inverts_the_noise_ratio(process: Process, closed: cf.ClosedProcess) -> None:
    for t in inside(process).tolist():
        s = float(closed(t).s)
        found = float(process.time_of(array(s)))
        # The digits that s itself has of the time: d log t / d log s times a rounding.
        exact = closed(t)
        slope = abs(exact.s / ((exact.g2 / exact.alpha**2) / (2 * exact.s)))
        assert abs(found - t) <= 4e-16 * float(slope) + 4e-15 * t, t


@of_some
def test_time_of_sigma_inverts_sigma(process: Process, closed: cf.ClosedProcess) -> None:
    for t in inside(process).tolist()[3:]:
        exact = closed(t)
        found = float(process.time_of_sigma(array(float(exact.sigma))))
        slope = abs(2 * exact.sigma**2 / exact.variance_rate)
        assert abs(found - t) <= 4e-16 * float(slope) / float(1 - min(exact.sigma, 0.5)) + 4e-15 * t, t


@of_some_processes
def test_levels_of_the_noise_ratio_come_back(process: Process) -> None:
    low = float(process.noise_ratio(array(0.0)))
    for s in (1e-6, 1e-3, 0.1, 1.0, 7.0, 50.0):
        if s >= low:
            assert float(process.noise_ratio(process.time_of(array(s)))) == pytest.approx(s, rel=1e-12), s


@pytest.mark.parametrize(
    "process", [VPLinear(), VPLinear(beta_min=0.0), VPCosine(), EDM(), Brownian(), FlowMatching()], ids=repr
)
def test_no_noise_is_time_zero(process: Process) -> None:
    zero = array(0.0)
    assert float(process.time_of(zero)) == 0.0
    assert float(process.time_of_sigma(zero)) == 0.0
    assert (float(process.alpha(zero)), float(process.sigma(zero))) == (1.0, 0.0)
    assert float(process.signal_lost(zero)) == 0.0


@pytest.mark.parametrize("process", [VPCosine(), FlowMatching()], ids=repr)
def test_no_signal_is_the_last_time(process: Process) -> None:
    last = array(process.last)
    assert float(process.time_of(array(math.inf))) == process.last == process.singular == 1.0
    assert (float(process.alpha(last)), float(process.sigma(last))) == (0.0, 1.0)
    assert float(process.noise_ratio(last)) == math.inf
    assert float(process.diffusion_squared(last)) == math.inf
    assert math.isfinite(float(process.alpha_rate(last)))
    assert math.isfinite(float(process.variance_rate(last)))


def test_a_geometric_process_begins_with_noise() -> None:
    process = VEGeometric(sigma_min=0.02, sigma_max=30.0)
    assert process.sigma(array([0.0, 1.0])).tolist() == pytest.approx([0.02, 30.0], rel=1e-15)
    assert float(process.time_of(array(0.0))) == -math.inf
    assert float(process.time_of_sigma(array(0.02))) == 0.0


@pytest.mark.parametrize("kind", PROCESSES, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_the_usual_range_lies_in_the_range(kind: type[Process], data: st.DataObject) -> None:
    process = data.draw(components(kind))
    start, stop = process.span
    assert 0 <= stop < start <= process.last
    assert start <= process.singular


# ------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: VPLinear(beta_min=3.0, beta_max=2.0),
            "VPLinear: beta_max (2) must exceed beta_min (3).",
        ),
        (lambda: VPLinear(beta_min=-1.0), "VPLinear.beta_min (β₀) must lie in [0, inf), got -1.0."),
        (lambda: VPLinear(beta_max=0.0), "VPLinear.beta_max (β₁) must lie in (0, inf), got 0.0."),
        (
            lambda: VEGeometric(sigma_min=1.0, sigma_max=1.0),
            "VEGeometric: sigma_max (1) must exceed sigma_min (1).",
        ),
        (lambda: EDM(sigma_max=math.inf), "EDM.sigma_max (σ₁) must lie in (0, inf), got inf."),
    ],
)
def test_parameters_that_make_no_process_are_refused(make: Callable[[], Process], sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        make()
    assert str(refusal.value) == sentence
