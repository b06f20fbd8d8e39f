"""Optimized levels as files that other people's samplers read: a plain list, JSON, or Python for diffusers."""

import json
import math
import os
import shlex
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import explorer
from explorer.copying import assignments
from explorer.files import write_atomically
from kernels.arrays import Times, array
from kernels.experiment import Experiment, to_dict
from kernels.gaussian import Gaussian
from kernels.observations import Conditioned
from kernels.optimize import Optimum
from kernels.problem import Problem
from kernels.processes import EDM
from kernels.report import report
from kernels.run import Steps, transitions
from kernels.samplers import DDIM, DDPM, FlowEuler, OneStep, ReverseEuler
from kernels.scores import Exact


def as_command(optimum: Optimum) -> str:
    """A command line that finds the same."""
    request = optimum.request
    words = ["--over", request.over, "--objective", request.objective, "--method", request.method]
    words += ["--per-step"] if request.per_step else []
    words += ["--robust", repr(request.robust), "--aim", request.aim] if request.robust > 0 else []
    words += [] if request.against_data else ["--against", "stop"]
    return shlex.join(["wasserscope", "optimize", *assignments(optimum.experiment), *words])


def distances(optimum: Optimum) -> tuple[float, float]:
    """Exact W2 before and after: to the data, or, if the search was against the last time, of discretization alone."""
    if optimum.request.against_data:
        return optimum.before, optimum.after
    both = (report(each).wasserstein2.discretization for each in (optimum.experiment, optimum.improved))
    before, after = map(float, both)
    return before, after


def as_dict(optimum: Optimum) -> dict[str, Any]:
    """What was found, as plain values; infinities among them."""
    before, after = distances(optimum)
    return {
        "before": before,
        "after": after,
        "leading": optimum.leading,
        "times": optimum.times.tolist(),
        "sigmas": optimum.noise_ratios.tolist(),
        "stochasticity": optimum.stochasticity,
        "seconds": optimum.seconds,
        "scenarios": [asdict(scenario) for scenario in optimum.scenarios],
        "experiment": to_dict(optimum.improved),
    }


def as_text(optimum: Optimum) -> str:
    """What was found, as a person reads it in a terminal."""
    before, after = distances(optimum)
    what = "W2 to the data" if optimum.request.against_data else "W2 discretization"
    lines = [f"{what:22} {before:.10g} before, {after:.10g} after"]
    if optimum.leading is not None:
        lines.append(f"{'N W2 as N grows':22} {optimum.leading:.10g}")
    lines.append(f"{'seconds':22} {optimum.seconds:.2f}")
    if len(optimum.scenarios) > 1:
        lines += ["", f"{'W2 to the data where eigenvalues are scaled by':46} {'before':>14} {'after':>14}"]
        for each in optimum.scenarios:
            power = f", raised to {each.exponent:g}" if each.exponent != 1 else ""
            lines.append(f"  {f'{each.scale:g}{power}':44} {each.before:14.8g} {each.after:14.8g}")
    lines += ["", f"{'step':>4} {'time':>22} {'sigma/alpha':>22} {'stochasticity':>22}"]
    # The last level is where the sampler ends: no step begins there.
    levels = [f"{level:22.12g}" for level in optimum.stochasticity] + [""]
    for k, (time, ratio, level) in enumerate(
        zip(optimum.times.tolist(), optimum.noise_ratios.tolist(), levels, strict=True)
    ):
        lines.append(f"{k:4} {time:22.12g} {ratio:22.12g} {level}".rstrip())
    return "\n".join(lines)


def as_plain(optimum: Optimum) -> str:
    """Noise levels sigma/alpha, one a line, largest first, below a header of comments."""
    levels = [repr(level) for level in optimum.noise_ratios.tolist()]
    return "\n".join([*_header(optimum, "Noise levels sigma/alpha"), *levels, ""])


def as_json(optimum: Optimum) -> str:
    """All that is known, with the header's words under `about`; infinities as Python's json writes and reads them."""
    return json.dumps({"about": _about(optimum), **as_dict(optimum)}, ensure_ascii=False, indent=1) + "\n"


def as_python(optimum: Optimum) -> str:
    """A module with the levels, diffusers' own schedulers placed on them, and a plain loop over the steps."""
    experiment = optimum.improved
    header = _header(optimum, "Noise levels and steps of a sampler on x/alpha; SIGMAS are sigma/alpha")
    lists = [_list("SIGMAS", optimum.noise_ratios.tolist()), _list("STOCHASTICITY", optimum.stochasticity)]
    loop = _EULER_MARUYAMA
    if not _is_in_sigma(experiment):
        keep, take, noise = _steps(experiment)
        lists += [_list("KEEP", keep), _list("TAKE", take), _list("NOISE", noise)]
        loop = _TABLE
    parts = [f"# Use: {_use(optimum)}", "", "import torch", "", *lists, _SCHEDULERS.rstrip(), "", loop]
    return "\n".join([*header, *parts])


def _list(name: str, values: list[float]) -> str:
    return "\n".join([f"{name} = [", *(f"    {value!r}," for value in values), "]"])


def _is_in_sigma(experiment: Experiment) -> bool:
    """Whether the sampler is Euler's method in the noise level itself."""
    return isinstance(experiment.sampler, ReverseEuler) and isinstance(experiment.process, EDM)


def _use(optimum: Optimum) -> str:
    """Which of the ways in the file is what was optimized."""
    sampler = optimum.improved.sampler
    is_flow = isinstance(sampler, DDIM | FlowEuler) or _is_in_sigma(optimum.improved)
    if is_flow and not any(optimum.stochasticity):
        return "sample, or euler_scheduler, which takes the same steps."
    if sampler in {DDIM(eta=1.0), DDPM(variance_share=0.0)}:
        return "sample, or ancestral_scheduler, which takes the same steps."
    return f"sample; the schedulers visit the same levels with steps other than those of {type(sampler).__name__}."


def _steps(experiment: Experiment) -> tuple[list[float], list[float], list[float]]:
    """What a step keeps of the state x/alpha, takes of the predicted data, and adds as noise.

    Data that are 1 for sure, of which the prediction is 1 always, show it.
    """
    certain = Gaussian(array([1.0]), array([0.0]))
    times, process = experiment.times, experiment.process
    problem = Problem(certain, process, Exact().fit(Conditioned(certain)))
    moves = transitions(experiment.sampler, problem, Steps.along(times))
    assert moves.shift is not None
    alpha = process.alpha(times)
    gain, shift = moves.gain[0, 0, :, 0], moves.shift[0, :, 0]
    keep = gain * alpha[:-1] / alpha[1:]
    take = 1 + shift / alpha[1:] - keep
    return keep.tolist(), take.tolist(), (moves.noise[0, 0, :, 0].sqrt() / alpha[1:]).tolist()


def _about(optimum: Optimum) -> dict[str, str]:
    before, after = distances(optimum)
    request = optimum.request
    against = "data" if request.against_data else "law at the last time"
    return {
        "Wasserscope": repr(optimum.experiment),
        "Sampler": repr(optimum.improved.sampler),
        "Objective": f"{request.objective} to the {against}, by {request.method}, over {request.over}",
        "W2": f"{before!r} before, {after!r} after",
        "Command": as_command(optimum),
        "Version": explorer.VERSION,
    }


def _header(optimum: Optimum, title: str) -> list[str]:
    """Comments; a path may hold a line break, which must not end them."""
    told = (f"{key}: {line}" for key, value in _about(optimum).items() for line in value.splitlines())
    return [f"# {line}" for line in (f"{title}, largest first.", *told)]


_WRITERS: dict[str, Callable[[Optimum], str]] = {".txt": as_plain, ".json": as_json, ".py": as_python}


def check(path: str | os.PathLike[str], experiment: Experiment) -> None:
    """Raise `ValueError` in one sentence where what is found for an experiment cannot be written under this name."""
    suffix, sampler = Path(path).suffix.lower(), experiment.sampler
    if suffix not in _WRITERS:
        raise ValueError(f"{path}: levels are written as .txt, .json or .py; end the name in one of them.")
    if suffix == ".json":
        return
    first: Times = experiment.process.noise_ratio(experiment.times[:1])
    if math.isinf(float(first)):
        raise ValueError(
            f"{path}: sigma/alpha is infinite at the first time, {float(experiment.times[0]):g}, which a {suffix} file "
            "cannot use; set grid.start below it, or choose .json."
        )
    if suffix == ".py" and not (isinstance(sampler, OneStep) and sampler.calls == 1):
        raise ValueError(
            f"{path}: a .py file holds samplers that call the model once a step and remember nothing, got "
            f"{type(sampler).__name__}; choose .txt or .json."
        )


def written(optimum: Optimum, path: str | os.PathLike[str]) -> Path:
    """Write what was found, in the form that the name's ending asks for; the path.

    Errors: `ValueError` as `check`, `WriteError` for a file that cannot be written.
    """
    check(path, optimum.improved)
    text = _WRITERS[Path(path).suffix.lower()](optimum)
    write_atomically(path, text.encode("utf-8", "backslashreplace"))
    return Path(path)


_SCHEDULERS = '''

def euler_scheduler(config=None):
    """EulerDiscreteScheduler of diffusers on these levels, with the config of a pipeline's own scheduler.

    Start from scheduler.init_noise_sigma * torch.randn(...); levels outside of the model's training range are passed to
    it as the nearest time inside.
    """
    from diffusers import EulerDiscreteScheduler

    return _on_these_levels(EulerDiscreteScheduler, config)


def ancestral_scheduler(config=None):
    """EulerAncestralDiscreteScheduler of diffusers on these levels; see euler_scheduler."""
    from diffusers import EulerAncestralDiscreteScheduler

    return _on_these_levels(EulerAncestralDiscreteScheduler, config)


def _on_these_levels(kind, config):
    from diffusers import EulerDiscreteScheduler

    class OnTheseLevels(kind):
        def set_timesteps(self, num_inference_steps=None, device=None, **others):
            # Whatever number of steps is asked for; the last of the levels is where the last step ends.
            levels = EulerDiscreteScheduler.from_config(self.config)
            levels.set_timesteps(sigmas=SIGMAS, device=device)
            self.num_inference_steps = len(SIGMAS) - 1
            self.timesteps, self.sigmas = levels.timesteps, levels.sigmas
            # Steps are counted: times that the model cannot tell apart would be looked up wrongly.
            self._step_index = None
            self.set_begin_index(0)

    # With this spacing noise starts at the first level, as it does here.
    scheduler = OnTheseLevels.from_config(dict(config or {}), timestep_spacing="trailing")
    scheduler.set_timesteps()
    return scheduler
'''

_EULER_MARUYAMA = '''
def sample(denoise, x, sigmas=SIGMAS, stochasticity=STOCHASTICITY, generator=None):
    """Euler-Maruyama in sigma, a coefficient for each step: 0 is the flow, 1 the reverse equation.

    denoise(x, sigma) predicts the data, and x starts as sigmas[0] * torch.randn(...). With a model of k-diffusion:
    denoise = lambda x, sigma: model(x, sigma * x.new_ones(len(x))).
    """
    for sigma, following, amount in zip(sigmas, sigmas[1:], stochasticity):
        slope = (x - denoise(x, sigma)) / sigma
        x = x + (1 + amount) * (following - sigma) * slope
        if amount > 0:
            noise = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
            x = x + (2 * amount * sigma * (sigma - following)) ** 0.5 * noise
    return x
'''

_TABLE = '''
def sample(denoise, x, generator=None):
    """The optimized sampler, step by step: what is kept of x, taken of the prediction, and added as noise.

    denoise(x, sigma) predicts the data, and x starts as SIGMAS[0] * torch.randn(...). With a model of k-diffusion:
    denoise = lambda x, sigma: model(x, sigma * x.new_ones(len(x))).
    """
    for sigma, keep, take, amount in zip(SIGMAS, KEEP, TAKE, NOISE):
        x = keep * x + take * denoise(x, sigma)
        if amount > 0:
            x = x + amount * torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
    return x
'''
