"""What long measurements do, one experiment after another: they tell of each result as soon as it is found. No Qt here.

`tell(fraction, text)` hears how far the work is, and what it raises ends it; `found` gets the results.
"""

import math
from collections.abc import Callable
from functools import partial

from explorer.plots.holding import RANKED, all_choices
from explorer.plots.learning import worth_measuring
from explorer.session import LAW, Measured, Sampled, Session
from kernels.analyses.convergence import step_counts, with_steps
from kernels.analyses.learning import learning, refusal
from kernels.analyses.sampled import Measurement, check, measurable, measurements
from kernels.analyses.sweep import numeric_paths, with_value
from kernels.analyses.trainings import train_for, trained_for
from kernels.experiment import Experiment
from kernels.particles import Sampling
from kernels.pipeline import Progress, replicate
from kernels.scores import Trained, TrainingProgress

REPLICAS, VALUES = 32, 8
CHECKED = 6

Tell = Callable[[float, str], None]
Measuring = Callable[[Session, Tell, Callable[[Sampled], object]], None]


def measure_replicas(session: Session, tell: Callable[[float, str], None], found: Callable[[Measured], object]) -> None:
    """Tell of one mean over replicas after another, the present value first.

    Errors: `ValueError` in one sentence where nothing can be measured.
    """
    experiments = _measurable(session.experiment, session.swept)
    count = len(experiments)
    for k, experiment in enumerate(experiments):
        watch = partial(_watch, tell, k, count)
        # A seed for each, so that the points do not stray together.
        replicas = replicate(experiment, REPLICAS, seed=k, watch=watch)
        if math.isfinite(replicas.standard_error):
            error = replicas.standard_error
            found(Measured(experiment=experiment, mean=replicas.mean, standard_error=error, replicas=REPLICAS))


def measure_all(session: Session, tell: Tell, found: Callable[[Sampled], object]) -> None:
    """Tell of one distance after another.

    Errors: `ValueError` in one sentence where there are no particles.
    """
    trained = trained_for(session.experiment)
    sampling = measurable(session.experiment, session.sampling)
    for name, one in measurements(session.experiment, sampling, trained, watch=tell):
        found(_sampled(session.experiment, sampling, name, one))


def measure_beyond(session: Session, tell: Tell, found: Callable[[Sampled], object]) -> None:
    """Tell of the distance of one choice after another; errors as `measure_all`."""
    trained = trained_for(session.experiment)
    choices = list(dict.fromkeys(choice.experiment for choice in all_choices(session)))
    for done, experiment in enumerate(choices):
        sampling = measurable(experiment, session.sampling)
        watch = partial(_watch_choice, tell, done, len(choices))
        for name, one in measurements(experiment, sampling, trained, (RANKED,), watch):
            found(_sampled(experiment, sampling, name, one))


def _watch_choice(tell: Tell, done: int, count: int, fraction: float, name: str) -> None:
    tell((done + fraction) / count, f"{done} of {count} choices")


def check_law(session: Session, tell: Tell, found: Callable[[Sampled], object]) -> None:
    """Tell of the W2 of particles at one number of steps after another, the present one first.

    Errors: `ValueError` in one sentence where there is no exact law to be checked.
    """
    experiment, sampling = session.experiment, session.sampling
    tried = (with_steps(experiment, count) for count in step_counts(experiment, CHECKED))
    others = [changed for changed in tried if changed is not None and changed != experiment]
    work = sum(len(changed.times) for changed in (experiment, *others))
    done = 0.0
    for k, changed in enumerate((experiment, *others)):
        share = len(changed.times) / work
        watch = partial(_watch_check, tell, done, share, f"{k} of {len(others) + 1} numbers of steps")
        one = check(changed, sampling, watch)
        done += share
        found(
            Sampled(
                experiment=changed,
                sampling=sampling,
                distance=LAW,
                value=one.value,
                standard_error=one.standard_error,
                # The law is known exactly: nothing is left where it is met.
                floor=0.0,
                floor_error=0.0,
            )
        )


def _watch_check(tell: Tell, done: float, share: float, text: str, fraction: float) -> None:
    tell(done + share * fraction, text)


def _sampled(experiment: Experiment, sampling: Sampling, name: str, one: Measurement) -> Sampled:
    return Sampled(
        experiment=experiment,
        sampling=sampling,
        distance=name,
        value=one.measured.value,
        standard_error=one.measured.standard_error,
        floor=one.floor.value,
        floor_error=one.floor.standard_error,
    )


def train_network(session: Session, tell: Tell, further: Callable[[], object]) -> Trained:
    """Train the network, and tell of its loss as it falls.

    Errors: `ValueError` in one sentence where there is no network, or its training diverges.
    """

    def watch(progress: TrainingProgress) -> None:
        tell(progress.fraction, f"{progress.iterations} iterations")
        further()

    return train_for(session.experiment, watch, session.sampling.device)


def _measurable(experiment: Experiment, path: str) -> list[Experiment]:
    """The experiment at values of a number that are drawn, its own first, where nothing is refused or diverges.

    Errors: `ValueError` in one sentence where there are none.
    """
    numbers = numeric_paths(experiment)
    if path not in numbers:
        raise ValueError(f"{path} is no number of this experiment; choose another one to sweep.")
    found: list[Experiment] = []
    for value in worth_measuring(experiment, path, VALUES):
        try:
            changed = with_value(experiment, path, value)
            # Where there is no theory there is still something to measure.
            finite = bool(refusal(changed)) or math.isfinite(learning(changed).total)
        except ValueError:
            continue
        if finite:
            found.append(changed)
    if not found:
        raise ValueError("there is nothing to measure: the sampler or the training diverges at every value.")
    return found


def _watch(tell: Callable[[float, str], None], done: int, count: int, progress: Progress) -> None:
    tell((done + progress.fraction) / count, f"{done} of {count} values")
