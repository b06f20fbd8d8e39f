"""The formulas of the theory in 50-digit arithmetic, one function per row of its tables.

Nothing here comes from `kernels`, and nothing is clever: variances are subtracted as they stand, which 50 digits allow.
Times and eigenvalues may be floats; they are taken as the exact numbers that they are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import mpmath

# A context of its own, so that no test depends on, or changes, the precision of another.
MP: Any = mpmath.MPContext()
MP.dps = 50

# mpmath carries no types.
Real = Any

# --------------------------------------------------------------------------------------------- A. processes


@dataclass(frozen=True)
class Levels:
    """Signal and noise at one time, with their derivatives in time; `variance_rate` is that of sigma^2."""

    t: Real
    alpha: Real
    sigma: Real
    alpha_rate: Real
    variance_rate: Real

    @property
    def s(self) -> Real:
        return self.sigma / self.alpha if self.alpha else MP.inf

    @property
    def f(self) -> Real:
        return self.alpha_rate / self.alpha

    @property
    def g2(self) -> Real:
        return self.variance_rate - 2 * self.f * self.sigma**2

    def lam(self, ell: Real) -> Real:
        """Variance of the noised mode."""
        return self.alpha**2 * ell + self.sigma**2

    def flow(self, ell: Real) -> Real:
        """Slope c of the probability-flow equation for the deviation from the mean, dx = c x dt: (log lam)'/2."""
        return (2 * self.alpha * self.alpha_rate * ell + self.variance_rate) / (2 * self.lam(ell))


ClosedProcess = Callable[[Real], Levels]


def vp_linear(beta_min: float = 0.1, beta_max: float = 20.0) -> ClosedProcess:
    def at(time: Real) -> Levels:
        t, low, slope = MP.mpf(time), MP.mpf(beta_min), MP.mpf(beta_max) - MP.mpf(beta_min)
        beta, integral = low + slope * t, low * t + slope * t**2 / 2
        alpha, square = MP.exp(-integral / 2), MP.exp(-integral)
        return Levels(t, alpha, MP.sqrt(1 - square), -beta / 2 * alpha, beta * square)

    return at


def vp_cosine() -> ClosedProcess:
    def at(time: Real) -> Levels:
        t, offset = MP.mpf(time), MP.mpf("0.008")
        rate = MP.pi / 2 / (1 + offset)
        norm = MP.cos(offset * rate)
        alpha = MP.cos((t + offset) * rate) / norm if t != 1 else MP.mpf(0)
        alpha_rate = -rate * MP.sin((t + offset) * rate) / norm
        return Levels(t, alpha, MP.sqrt(1 - alpha**2), alpha_rate, -2 * alpha * alpha_rate)

    return at


def ve_geometric(sigma_min: float = 0.01, sigma_max: float = 50.0) -> ClosedProcess:
    def at(time: Real) -> Levels:
        t, low, ratio = MP.mpf(time), MP.mpf(sigma_min), MP.mpf(sigma_max) / MP.mpf(sigma_min)
        sigma = low * ratio**t
        return Levels(t, MP.mpf(1), sigma, MP.mpf(0), 2 * MP.log(ratio) * sigma**2)

    return at


def edm() -> ClosedProcess:
    return lambda t: Levels(MP.mpf(t), MP.mpf(1), MP.mpf(t), MP.mpf(0), 2 * MP.mpf(t))


def brownian() -> ClosedProcess:
    return lambda t: Levels(MP.mpf(t), MP.mpf(1), MP.sqrt(MP.mpf(t)), MP.mpf(0), MP.mpf(1))


def flow_matching() -> ClosedProcess:
    return lambda t: Levels(MP.mpf(t), 1 - MP.mpf(t), MP.mpf(t), MP.mpf(-1), 2 * MP.mpf(t))


# ------------------------------------------------------------------------------- B. exact reverse dynamics


# Enough for quadrature, which takes its time.
FAST: Any = mpmath.MPContext()
FAST.dps = 20


@dataclass(frozen=True)
class Varying:
    """A stochasticity as a function of the noise ratio, smooth between its kinks."""

    at: Callable[[Real], Real]
    kinks: tuple[float, ...] = ()


Eps = Real


def shaped(shape: str, level: float, scale: float) -> Varying:
    """The named shapes: functions of s/c, times a level."""

    def at(s: Real) -> Real:
        x = s / scale
        forms = {
            "high noise": lambda: x**2 / (1 + x**2),
            "low noise": lambda: 1 / (1 + x**2),
            "bump": lambda: 4 * x**2 / (1 + x**2) ** 2,
            "matched": lambda: MP.sqrt(1 + 1 / x**2) - 1,
        }
        return level * forms[shape]()

    return Varying(at)


def tabulated(table: Sequence[tuple[float, float]]) -> Varying:
    """Linear in log s through pairs (s, eps) of decreasing s, constant beyond."""

    def at(s: Real) -> Real:
        if s >= table[0][0]:
            return s * 0 + table[0][1]
        for (high, above), (low, below) in pairwise(table):
            if s >= low:
                share = MP.log(high / s) / MP.log(MP.mpf(high) / MP.mpf(low))
                return above + share * (below - above)
        return s * 0 + table[-1][1]

    return Varying(at, tuple(s for s, _ in table))


@lru_cache(maxsize=4096)
def forgetting(first: Real, last: Real, ell: Real, eps: Eps) -> Real:
    """Integral of eps 2 s ds/(ell + s^2) from `last` to `first`: by quadrature where eps varies."""
    if not isinstance(eps, Varying):
        return eps * MP.log((ell + first**2) / (ell + last**2))
    low, high = FAST.log(last), FAST.log(first)
    inside = [FAST.log(s) for s in eps.kinks if last < s < first]
    parts = int(MP.ceil((high - low) / 3))
    even = [low + (high - low) * k / parts for k in range(1, parts)]
    ell = FAST.mpf(ell)

    def density(y: Real) -> Real:
        s = FAST.exp(y)
        return 2 * eps.at(s) * s**2 / (ell + s**2)

    return MP.mpf(FAST.quad(density, sorted([low, *inside, *even, high]), method="gauss-legendre"))


def exact_reverse(first: Levels, last: Levels, ell: Real, eps: Eps, e: Real, deviation: Real) -> tuple[Real, Real]:
    """Deviations (mean, variance) from the exact law that the reverse dynamics leave of those of its start."""
    kept = MP.exp(-forgetting(first.s, last.s, ell, eps))
    ratio = last.lam(ell) / first.lam(ell)
    return e * MP.sqrt(ratio * kept), deviation * ratio * kept


# -------------------------------------------------------------------------------------- C. discrete samplers


@dataclass(frozen=True)
class Step:
    """One step in deviation from the mean: e' = gain e + drift mu, v' = gain^2 v + noise."""

    gain: Real
    noise: Real = 0
    drift: Real = 0


ClosedStep = Callable[[Levels, Levels, Real, ClosedProcess], Step]


def euler_maruyama(eps: float | Varying) -> ClosedStep:
    """Euler in t; the flow part is written with c = f + g^2/(2 lam), which is finite also where f and g are not."""

    def step(a: Levels, b: Levels, ell: Real, process: ClosedProcess) -> Step:
        h, e = a.t - b.t, eps.at(a.s) if isinstance(eps, Varying) else MP.mpf(eps)
        drift = a.alpha - h * a.alpha_rate - b.alpha
        if not e:
            return Step(1 - h * a.flow(ell), 0, drift)
        return Step(1 + h * (-a.f - (1 + e) * a.g2 / (2 * a.lam(ell))), e * a.g2 * h, drift)

    return step


def exponential_integrator(eps: float) -> ClosedStep:
    def step(a: Levels, b: Levels, ell: Real, process: ClosedProcess) -> Step:
        r, e = b.alpha / a.alpha, MP.mpf(eps)
        return Step(r - (1 + e) * (r - 1) / a.lam(ell), e * (r**2 - 1))

    return step


def ddim(eta: float) -> ClosedStep:
    def step(a: Levels, b: Levels, ell: Real, process: ClosedProcess) -> Step:
        up2 = MP.mpf(eta) ** 2 * b.s**2 * (1 - b.s**2 / a.s**2)
        # (alpha'/alpha)(ell + sqrt(s'^2 - up^2) s)/(ell + s^2), multiplied out so that alpha may be zero.
        gain = b.alpha * (a.alpha * ell + MP.sqrt(b.s**2 - up2) * a.sigma) / a.lam(ell)
        return Step(gain, b.alpha**2 * up2)

    return step


def ddpm(share: float) -> ClosedStep:
    """The large variance with weight `share`, the small one with the rest."""

    def step(a: Levels, b: Levels, ell: Real, process: ClosedProcess) -> Step:
        w = MP.mpf(share)
        small = b.s**2 * (1 - b.s**2 / a.s**2)
        large = w * (a.s**2 - b.s**2) if w else 0
        # (alpha'/alpha)(ell + s'^2)/(ell + s^2), multiplied out so that alpha may be zero.
        gain = b.alpha * (a.alpha * ell + b.s**2 * a.alpha) / a.lam(ell)
        return Step(gain, b.alpha**2 * ((1 - w) * small + large))

    return step


def ancestral_vp() -> ClosedStep:
    def step(a: Levels, b: Levels, ell: Real, process: ClosedProcess) -> Step:
        noise = a.g2 * (a.t - b.t)
        root = MP.sqrt(1 - noise)
        return Step((1 - noise / a.lam(ell)) / root, noise, a.alpha / root - b.alpha)

    return step


def flow_euler() -> ClosedStep:
    def step(a: Levels, b: Levels, ell: Real, process: ClosedProcess) -> Step:
        t = a.t
        return Step(1 - (t - b.t) * (t - (1 - t) * ell) / ((1 - t) ** 2 * ell + t**2))

    return step


def heun() -> ClosedStep:
    def step(a: Levels, b: Levels, ell: Real, process: ClosedProcess) -> Step:
        h, p, q = a.t - b.t, -a.flow(ell), -b.flow(ell)
        euler = a.alpha - h * a.alpha_rate
        drift = a.alpha - h / 2 * (a.alpha_rate + b.alpha_rate - q * (euler - b.alpha)) - b.alpha
        return Step(1 + h / 2 * (p + q * (1 + h * p)), 0, drift)

    return step


def runge_kutta_4() -> ClosedStep:
    def step(a: Levels, b: Levels, ell: Real, process: ClosedProcess) -> Step:
        h, m = a.t - b.t, process((a.t + b.t) / 2)
        pa, pm, pb = -a.flow(ell), -m.flow(ell), -b.flow(ell)
        c1 = pa
        c2 = pm * (1 + h / 2 * c1)
        c3 = pm * (1 + h / 2 * c2)
        c4 = pb * (1 + h * c3)
        # The same four stages for a state that starts on the mean path alpha.
        k1 = -a.alpha_rate
        k2 = -m.alpha_rate + pm * (a.alpha + h / 2 * k1 - m.alpha)
        k3 = -m.alpha_rate + pm * (a.alpha + h / 2 * k2 - m.alpha)
        k4 = -b.alpha_rate + pb * (a.alpha + h * k3 - b.alpha)
        return Step(1 + h / 6 * (c1 + 2 * c2 + 2 * c3 + c4), 0, a.alpha + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4) - b.alpha)

    return step


def edm_heun() -> ClosedStep:
    def step(a: Levels, b: Levels, ell: Real, process: ClosedProcess) -> Step:
        h, d = a.s - b.s, a.s / (ell + a.s**2)
        if not b.s:
            return Step(b.alpha / a.alpha * (1 - h * d))
        return Step(b.alpha / a.alpha * (1 - h / 2 * (d + b.s / (ell + b.s**2) * (1 - h * d))))

    return step


@dataclass(frozen=True)
class Law:
    """Law of one mode: mean and variance."""

    mean: Real
    variance: Real


@dataclass(frozen=True)
class Mode:
    """One mode of the data, and by how much its start differs from the exact law: nothing, or as N(0, sigma^2)."""

    ell: Real
    mu: Real
    noise_start: bool

    def start(self, first: Levels) -> tuple[Real, Real]:
        """Deviations (mean, variance) of the start."""
        if not self.noise_start:
            return MP.mpf(0), MP.mpf(0)
        return -first.alpha * MP.mpf(self.mu), -(first.alpha**2) * MP.mpf(self.ell)


def one_step(step: ClosedStep, process: ClosedProcess, times: Sequence[float], mode: Mode) -> Law:
    """Law at the last time of a method with one step's memory: the recursions e' = F e + drift mu, v' = F^2 v + Q."""
    levels = [process(t) for t in times]
    ell, mu = MP.mpf(mode.ell), MP.mpf(mode.mu)
    e, deviation = mode.start(levels[0])
    v = levels[0].lam(ell) + deviation
    for a, b in pairwise(levels):
        moved = step(a, b, ell, process)
        e, v = moved.gain * e + moved.drift * mu, moved.gain**2 * v + moved.noise
    return Law(levels[-1].alpha * mu + e, v)


def dpm_solver_pp_2m(process: ClosedProcess, times: Sequence[float], mode: Mode) -> Law:
    """The two-term linear recursion y' of DPM-Solver++(2M); v = y^2 v_0."""
    levels = [process(t) for t in times]
    ell, mu = MP.mpf(mode.ell), MP.mpf(mode.mu)
    e, deviation = mode.start(levels[0])
    y, former, former_h = MP.mpf(1), MP.mpf(0), MP.inf
    for a, b in pairwise(levels):
        denoised = a.alpha * ell / a.lam(ell) * y
        h = MP.log(a.s / b.s) if b.s and a.alpha else MP.inf
        plain = MP.isinf(h) or MP.isinf(former_h)
        extrapolated = denoised if plain else denoised + (denoised - former) * h / (2 * former_h)
        # alpha'(exp(-h) - 1) with exp(-h) = s'/s.
        y = b.sigma / a.sigma * y - (b.sigma * a.alpha / a.sigma - b.alpha) * extrapolated
        former, former_h = denoised, h
    return Law(levels[-1].alpha * mu + e * y, y**2 * (levels[0].lam(ell) + deviation))


# ----------------------------------------------------------------------------------- D. distance and sources


def w2(laws: Sequence[Law], others: Sequence[Law]) -> Real:
    """Distance of Gaussians that share an eigenbasis."""
    return MP.sqrt(
        sum(
            (p.mean - q.mean) ** 2 + (MP.sqrt(p.variance) - MP.sqrt(q.variance)) ** 2
            for p, q in zip(laws, others, strict=True)
        )
    )


def marginal(level: Levels, mode: Mode) -> Law:
    """The exact noised mode."""
    return Law(level.alpha * MP.mpf(mode.mu), level.lam(MP.mpf(mode.ell)))


def truncation(last: Levels, modes: Sequence[Mode]) -> Real:
    """Exact law at the stop time to the data."""
    return w2([marginal(last, mode) for mode in modes], [Law(MP.mpf(m.mu), MP.mpf(m.ell)) for m in modes])


def initialization(first: Levels, last: Levels, modes: Sequence[Mode], eps: Eps) -> Real:
    """Exact reverse dynamics from the mode's start, to the exact law at the stop time."""
    ends: list[Law] = []
    for mode in modes:
        mean, variance = exact_reverse(first, last, MP.mpf(mode.ell), eps, *mode.start(first))
        exact = marginal(last, mode)
        ends.append(Law(exact.mean + mean, exact.variance + variance))
    return w2(ends, [marginal(last, mode) for mode in modes])


def kl(p: Law, q: Law) -> Real:
    """Relative entropy of one mode in nats."""
    return (p.variance / q.variance - 1 - MP.log(p.variance / q.variance) + (p.mean - q.mean) ** 2 / q.variance) / 2


# ------------------------------------------------------------------------------ E. first order in 1/N


def first_order_euler(
    process: ClosedProcess,
    path: Callable[[float], tuple[float, float]],
    eigenvalue: float,
    eps: Eps,
    integrate: Callable[[Callable[[float], float], list[float]], float],
) -> dict[str, Real]:
    """c1, m1 per unit mean, and what N(0, sigma^2) at the start adds to c1, of Euler-Maruyama in t.

    `path` gives t and dt/du at u in [0, 1], decreasing in t. Derivatives in t are differences: of u = sqrt(lam), of the
    slope a, and of alpha.
    """
    ell, h = MP.mpf(eigenvalue), MP.mpf("1e-12")
    first, last = process(path(0.0)[0]), process(path(1.0)[0])

    def level(at: Levels) -> Real:
        return eps.at(at.s) if isinstance(eps, Varying) else MP.mpf(eps)

    def kept(at: Levels) -> Real:
        return MP.exp(-forgetting(at.s, last.s, ell, eps))

    def slope(at: Levels) -> Real:
        return -at.f - (1 + level(at)) * at.g2 / (2 * at.lam(ell))

    def curved(name: str) -> Callable[[float], float]:
        def density(u: float) -> float:
            time, rate = path(u)
            t = MP.mpf(time)
            # A difference as small as the distance to the end.
            step = h * t
            before, here, after = process(t - step), process(t), process(t + step)
            lam, square = here.lam(ell), MP.mpf(rate) ** 2
            if name == "mean":
                bend = (after.alpha_rate - before.alpha_rate) / (2 * step)
                return float(-bend / 2 * MP.sqrt(last.lam(ell) / lam * kept(here)) * square)
            if name == "start_variance":
                return float((slope(here) ** 2 - (slope(after) - slope(before)) / (2 * step)) * square)
            root = [MP.sqrt(at.lam(ell)) for at in (before, here, after)]
            velocity, bend = (root[2] - root[0]) / (2 * step), (root[2] - 2 * root[1] + root[0]) / step**2
            pull = level(here) * here.g2 / lam
            bracket = -bend / root[1] + pull * velocity / root[1] + pull**2 / 4
            return float(last.lam(ell) * bracket * kept(here) * square)

        return density

    _, off = exact_reverse(first, last, ell, eps, MP.mpf(0), -(first.alpha**2) * ell)
    kinks: list[float] = []
    if isinstance(eps, Varying):
        for kink in eps.kinks:
            low, high = 0.0, 1.0
            if last.s < kink < first.s:
                for _ in range(50):
                    middle = (low + high) / 2
                    low, high = (middle, high) if process(path(middle)[0]).s > kink else (low, middle)
                kinks.append(low)
    return {
        "variance": integrate(curved("variance"), kinks),
        "mean": integrate(curved("mean"), kinks),
        "start_variance": -off * integrate(curved("start_variance"), kinks),
    }
