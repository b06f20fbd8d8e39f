"""Networks that were trained in this program, by experiment: a training is a function of it, and takes long."""

from collections.abc import Callable
from dataclasses import dataclass

from kernels.analyses.kept import Kept
from kernels.experiment import Experiment
from kernels.param import Component
from kernels.scores import Network, Trained, TrainingProgress, train
from kernels.scores.network import Estimate, LossCurve
from kernels.spectra import population_of

MOST = 8
_TRAINED, _STARTED = Kept[Trained](MOST), Kept[TrainingProgress](MOST)


@dataclass(frozen=True, eq=False)
class Loss:
    """The loss of a network so far, and that of the exact denoiser; `excess` is known once training has ended."""

    curve: LossCurve
    floor: Estimate
    excess: Estimate | None


def _key(experiment: Experiment) -> tuple[Component, Component]:
    return experiment.score, experiment.spectrum


def trained_for(experiment: Experiment) -> Trained | None:
    """What the experiment's score is sampled with: None for one that needs no training.

    Errors: `ValueError` in one sentence where it still has to be trained.
    """
    score = experiment.score
    if not isinstance(score, Network):
        return None
    found = _TRAINED.find(_key(experiment))
    if found is None:
        raise ValueError(f"this {type(score).__name__} has not been trained on these data; train it first.")
    return found


def is_trained(experiment: Experiment) -> bool:
    """Whether there is a trained network for the experiment."""
    return _TRAINED.find(_key(experiment)) is not None


def keep(experiment: Experiment, trained: Trained) -> None:
    """Remember a training."""
    _TRAINED.keep(_key(experiment), trained)


def forget() -> None:
    """Forget all trainings."""
    _TRAINED.clear()
    _STARTED.clear()


def loss_of(experiment: Experiment) -> Loss | None:
    """The loss of the experiment's network, as far as it has been trained; None if it has not."""
    trained, started = _TRAINED.find(_key(experiment)), _STARTED.find(_key(experiment))
    if trained is not None:
        return Loss(trained.curve, trained.floor, trained.excess)
    return None if started is None else Loss(started.curve, started.floor, None)


def train_for(
    experiment: Experiment, watch: Callable[[TrainingProgress], None] = lambda progress: None, device: str = "cpu"
) -> Trained:
    """Train the experiment's network on its data, and remember it.

    Errors: `ValueError` in one sentence for another score, and as `kernels.scores.train`.
    """
    if not isinstance(experiment.score, Network):
        raise ValueError(f"only a Network is trained, got {type(experiment.score).__name__}; choose score=Network.")

    def remember(progress: TrainingProgress) -> None:
        _STARTED.keep(_key(experiment), progress)
        watch(progress)

    trained = train(experiment.score, population_of(experiment.spectrum), watch=remember, device=device)
    keep(experiment, trained)
    return trained
