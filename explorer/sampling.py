"""Clouds for the command line: carried, measured beside what chance does, and written as arrays."""

import dataclasses
import errno
import io
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor

from explorer.files import WriteError, write_atomically
from kernels.analyses.holding import predicted
from kernels.analyses.trainings import keep, train_for
from kernels.distances import DISTANCES, Estimate, by_mode_to, measure_all, modewise
from kernels.experiment import Experiment, to_dict
from kernels.gaussian import Gaussian
from kernels.observations import Unobserved
from kernels.param import declarations, described
from kernels.particles import Moments, Sampling, data_points, has_law, moments, sample
from kernels.particles.sampling import DTYPES
from kernels.report import report
from kernels.scores import Network, Trained
from kernels.scores.network import from_bytes, to_bytes
from kernels.spectra import frame_of, population_of

Watch = Callable[[str, float], None]
# A few particles are carried first.
FEW = 16
# Of larger clouds no distance uses more points.
MOST = max(kind.most for kind in DISTANCES)
# Bytes for a number of the data while two clouds of them are drawn; copies of a particle, kept or written.
_DRAWN, _KEPT, _WRITTEN = 32, 1, 4
_FREE = 0.9
# Numbers that moments are taken of at a time.
_BLOCK = 2**22


@dataclass(frozen=True)
class Order:
    """A cloud that is asked for, the files of its points and weights; or moments of particles that are not kept."""

    experiment: Experiment
    sampling: Sampling
    out: Path | None = None
    weights: Path | None = None
    moments_only: bool = False


@dataclass(frozen=True, eq=False)
class Agreement:
    """Particles beside exact laws: their distance to the data by mode, which the exact W2 is without any chance.

    `largest_error` is the largest deviation of the mean or variance of a mode from that of the sampler's exact law, in
    standard errors; `modes` are those compared, in which that law is finite.
    """

    wasserstein2: float
    by_mode: Estimate
    largest_error: float
    modes: int


@dataclass(frozen=True, eq=False)
class Outcome:
    """What was found: distances of the cloud to as many data, and floors, those of two clouds of data, by name."""

    order: Order
    seconds: float
    distances: dict[str, Estimate]
    floors: dict[str, Estimate]
    exact: Agreement | None
    predicted: float
    trained: Trained | None


def sampling_of(words: Mapping[str, str]) -> Sampling:
    """The sampling that words on a command line stand for, by parameter; what is not named is as usual.

    Errors: `ValueError` in one sentence that names the parameter, what is allowed and what was given.
    """
    values: dict[str, Any] = {}
    for name, text in words.items():
        declaration = declarations(Sampling)[name]
        try:
            values[name] = declaration.check(declaration.parse(text))
        except ValueError as error:
            raise ValueError(f"{described(Sampling, name)} {error}.") from None
    return Sampling(**values)


def check(order: Order) -> None:
    """Refuse what could not be done in the end, before anything long begins.

    Errors: `ValueError` in one sentence, `WriteError` for a folder that cannot be written.
    """
    experiment, sampling = order.experiment, order.sampling
    if order.moments_only and order.out is not None:
        raise ValueError("--moments-only keeps no particles that --out could write; leave one of them out.")
    if order.out is not None:
        _check_name(order.out, ".npy", "particles are")
        if not isinstance(experiment.observation, Unobserved):
            raise ValueError(
                "--out writes data in their own coordinates (observation Unobserved), got "
                f"{type(experiment.observation).__name__}, of which the modes alone are known; leave --out out."
            )
    if order.weights is not None:
        _check_name(order.weights, ".safetensors", "weights are")
        if not isinstance(experiment.score, Network):
            raise ValueError(
                f"--weights are those of a Network, got {type(experiment.score).__name__}; choose score=Network, or "
                "leave --weights out."
            )
    for path in (order.out, order.weights):
        if path is not None and not (path == order.weights and path.exists()):
            _check_place(path)
    if order.moments_only and not has_law(experiment):
        kinds = f"{type(experiment.spectrum).__name__} with {type(experiment.score).__name__}"
        raise ValueError(f"--moments-only is for Gaussian data with an affine score, got {kinds}; leave it out.")
    if not order.moments_only:
        _check_memory(order)
    # A few particles tell what else cannot be done; and what is not compiled yet is compiled, and not timed later.
    few = dataclasses.replace(sampling, particles=min(sampling.particles, FEW))
    sample(experiment, few, denoise=population_of(experiment.spectrum).denoiser)


def _check_name(path: Path, suffix: str, what: str) -> None:
    if path.suffix.lower() != suffix:
        raise ValueError(f"{path}: {what} written as {suffix}; end the name in it.")


def _check_place(path: Path) -> None:
    folder = path.parent
    if path.is_dir():
        cause = errno.EISDIR
    elif not folder.exists():
        cause = errno.ENOENT
    elif not folder.is_dir():
        cause = errno.ENOTDIR
    elif not os.access(folder, os.W_OK):
        cause = errno.EACCES
    else:
        return
    raise WriteError(path, OSError(cause, os.strerror(cause)))


def _check_memory(order: Order) -> None:
    experiment, sampling = order.experiment, order.sampling
    each = DTYPES[sampling.dtype].itemsize * (_KEPT if order.out is None else _WRITTEN)
    room = int(_FREE * psutil.virtual_memory().available) // len(experiment.law.variance)
    fit = room // (each + _DRAWN)
    if fit > MOST:
        fit = (room - MOST * _DRAWN) // each
    if sampling.particles > fit:
        streamed = ", or --moments-only" if order.out is None and has_law(experiment) else ""
        raise ValueError(
            f"{sampling.particles} particles do not fit into memory beside the data they are compared with; choose "
            f"{fit} or fewer{streamed}."
        )


def fulfill(order: Order, watch: Watch = lambda what, share: None) -> Outcome:
    """Train if needed, carry the particles, measure and write; `watch` hears what is done, and how far it has come.

    Errors: as `check`, and `ValueError` in one sentence for weights that cannot be used.
    """
    check(order)
    experiment, sampling = order.experiment, order.sampling
    trained = _trained(order, watch)
    if order.moments_only:
        begin = time.perf_counter()
        found = moments(experiment, sampling, watch=lambda share: watch("sampling", share))
        seconds = time.perf_counter() - begin
        by_mode = modewise(found.count, found.mean, found.variance, experiment.law)
        return Outcome(order, seconds, {}, {}, _agreement(experiment, found, by_mode), predicted(experiment), trained)
    # Drawn first: then it is known what memory is left.
    data, other = (data_points(experiment, min(sampling.particles, MOST), sampling.seed + k) for k in (1, 2))
    denoise = None if trained is None else trained.denoiser
    cloud = sample(experiment, sampling, denoise=denoise, watch=lambda share: watch("sampling", share))
    measured, floors = (
        measure_all(points, data, sampling.seed, _measuring(watch, half))
        for half, points in enumerate((cloud.points, other))
    )
    exact = None
    if has_law(experiment):
        exact = _agreement(experiment, _moments(cloud.points), by_mode_to(cloud.points, experiment.law))
    if order.out is not None:
        watch("writing", 0.0)
        write_atomically(order.out, _array(cloud.points, experiment))
    return Outcome(order, cloud.seconds, measured, floors, exact, predicted(experiment), trained)


def _measuring(watch: Watch, half: int) -> Watch:
    titles = {kind.name: kind.title for kind in DISTANCES}
    return lambda name, share: watch(titles[name], 0.5 * (half + share))


def _trained(order: Order, watch: Watch) -> Trained | None:
    """The network: read from the file of weights, or trained, and then written there."""
    experiment, path = order.experiment, order.weights
    if not isinstance(experiment.score, Network):
        return None
    if path is not None and path.exists():
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ValueError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}.") from None
        trained = from_bytes(experiment.score, population_of(experiment.spectrum), data, str(path))
        keep(experiment, trained)
        return trained
    trained = train_for(experiment, lambda progress: watch("training", progress.fraction), order.sampling.device)
    if path is not None:
        write_atomically(path, to_bytes(trained))
    return trained


def _moments(points: Tensor) -> Moments:
    """Of some modes at a time, in 64 bits."""
    parts = [torch.var_mean(part.double(), dim=0) for part in points.split(max(1, _BLOCK // len(points)), dim=1)]
    variance, mean = (torch.cat(each) for each in zip(*parts, strict=True))
    return Moments(len(points), mean, variance, torch.zeros(0, 0, dtype=torch.int64))


def _agreement(experiment: Experiment, found: Moments, by_mode: Estimate) -> Agreement:
    error = report(experiment)
    law = Gaussian(error.modes.mean, error.modes.variance)
    known = law.mean.isfinite() & law.variance.isfinite()
    deviations = found.errors(law)[:, known].abs()
    # A number that is none is as far off as can be.
    largest = float(torch.nan_to_num(deviations, nan=math.inf, posinf=math.inf).max()) if known.any() else math.nan
    return Agreement(float(error.wasserstein2.total), by_mode, largest, int(known.sum()))


def _array(points: Tensor, experiment: Experiment) -> bytes:
    """The particles in the data's own coordinates, as the bytes of a .npy file."""
    stream = io.BytesIO()
    np.save(stream, frame_of(experiment.spectrum).place(points).numpy(), allow_pickle=False)
    return stream.getvalue()


def as_dict(outcome: Outcome) -> dict[str, Any]:
    """What was found as plain values, infinities and nan among them."""
    experiment, sampling = outcome.order.experiment, outcome.order.sampling
    steps, pace = len(experiment.times) - 1, sampling.particles / outcome.seconds
    return {
        "experiment": to_dict(experiment),
        "particles": sampling.particles,
        "seed": sampling.seed,
        "dtype": sampling.dtype,
        "device": sampling.device,
        "seconds": outcome.seconds,
        "particles_per_second": pace,
        "particle_steps_per_second": steps * pace,
        "calls": experiment.calls,
        "steps": steps,
        "modes": len(experiment.law.variance),
        "distances": {
            kind.name: {
                **_estimate(outcome.distances[kind.name]),
                "floor": outcome.floors[kind.name].value,
                "floor_error": outcome.floors[kind.name].standard_error,
                "unit": kind.unit,
            }
            for kind in DISTANCES
            if kind.name in outcome.distances
        },
        "exact": outcome.exact
        and {
            "wasserstein2": outcome.exact.wasserstein2,
            "by_mode": _estimate(outcome.exact.by_mode),
            "largest_error": outcome.exact.largest_error,
            "modes": outcome.exact.modes,
        },
        "gaussian_prediction": outcome.predicted,
        "network": None if outcome.trained is None else _network(outcome.trained),
    }


def _estimate(found: Estimate) -> dict[str, Any]:
    return {"value": found.value, "standard_error": found.standard_error, "points": list(found.points)}


def _network(trained: Trained) -> dict[str, Any]:
    """The loss where the network was examined, and the part of it that the exact denoiser would not have."""
    return {
        "loss": trained.floor.value + trained.excess.value,
        "floor": trained.floor.value,
        "excess": trained.excess.value,
        "excess_error": trained.excess.standard_error,
        "iterations": trained.model.iterations,
    }


def as_text(outcome: Outcome) -> str:
    """What was found, as a person reads it in a terminal."""
    experiment, found = outcome.order.experiment, as_dict(outcome)
    pace = f"{found['particles_per_second']:.3g} particles/s, {found['particle_steps_per_second']:.3g} steps/s"
    where = f"{found['dtype']} on {found['device']}, seed {found['seed']}"
    lines = [
        *(f"{name:12} {getattr(experiment, name)!r}" for name in to_dict(experiment)),
        "",
        _line("particles", f"{found['particles']} in {found['modes']} modes, {where}"),
        _line("NFE", f"{found['calls']} in {found['steps']} steps"),
        _line("seconds", f"{found['seconds']:.3g}  ({pace})"),
        "",
    ]
    if outcome.distances:
        lines.append(f"{'distance to the data':34} {'':>25}   {'by chance alone':>25}   points")
    for kind in DISTANCES:
        if kind.name in outcome.distances:
            each, floor = outcome.distances[kind.name], outcome.floors[kind.name]
            points = " and ".join(map(str, dict.fromkeys(each.points)))
            lines.append(f"{kind.title:34} {_said(each):>25}   {_said(floor):>25}   {points}")
    if outcome.distances:
        lines.append("")
    exact = outcome.exact
    if exact is None:
        lines.append(_line("W2 of Gaussian theory", f"{outcome.predicted:.10g}"))
    else:
        lines += [
            _line("W2 exact", f"{exact.wasserstein2:.10g}"),
            _line("W2 of these particles", f"{_said(exact.by_mode)}  (by mode)"),
            _line("largest deviation", f"{exact.largest_error:.3g} standard errors, of mean or variance in a mode"),
        ]
    if outcome.trained is not None:
        loss = f"{found['network']['loss']:.6g}, of the exact denoiser {found['network']['floor']:.6g}"
        lines.append(_line("loss of the network", f"{loss}, after {found['network']['iterations']} iterations"))
    return "\n".join(lines)


def _line(name: str, text: str) -> str:
    return f"{name:22} {text}"


def _said(found: Estimate) -> str:
    return f"{found.value:.6g} ± {found.standard_error:.2g}"
