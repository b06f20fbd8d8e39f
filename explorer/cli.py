"""The command line: the same experiments without a window. Torch and Qt are imported only where they are used."""

import argparse
import io
import json
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from explorer import VERSION

if TYPE_CHECKING:
    from explorer.session import Session
    from kernels import pipeline
    from kernels.samplers import Sampler

Command = Callable[[list[str]], int]
# Of the line that tells of progress.
_WIDTH = 40
DESCRIPTION = """\
Exact error of diffusion and flow samplers on Gaussian data.

Without a command the window opens, on SESSION and with `path=value` assignments if given:
  wasserscope [SESSION] [path=value ...] [--smoke FILE.png]
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the exit status is 2 after one sentence on standard error for bad input."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Formulas have Greek letters; a console that lacks them shows their names in escapes, and not an error.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        command = COMMANDS.get(given[0]) if given else None
        return command(given[1:]) if command else _window(given)
    except ValueError as error:
        print(f"wasserscope: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        # A reader that closes the pipe early is no error; a file that cannot be written is.
        if isinstance(error, BrokenPipeError):
            sys.stderr.close()
            return 0
        print(f"wasserscope: {error}", file=sys.stderr)
        return 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}; see `{self.prog} --help`.")


def _parser(name: str, description: str) -> argparse.ArgumentParser:
    return _Parser(
        prog=f"wasserscope {name}".strip(),
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _interruptible(sentence: str) -> Callable[[Command], Command]:
    """Makes a command end with a sentence, and the status of what was interrupted, when a person presses Ctrl-C."""

    def made(command: Command) -> Command:
        def run(arguments: list[str]) -> int:
            try:
                return command(arguments)
            except KeyboardInterrupt:
                print(f"wasserscope: {sentence}", file=sys.stderr)
                return 130

        return run

    return made


@contextmanager
def _progress_line() -> Generator[Callable[[str], None]]:
    """Shows texts one in place of the other in a line of the terminal that is gone in the end; in no other stream."""
    if not sys.stderr.isatty():
        yield lambda text: None
        return

    def show(text: str) -> None:
        print(f"\r{text:{_WIDTH}}", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        print(f"\r{'':{_WIDTH}}\r", end="", file=sys.stderr, flush=True)


def read_session(words: Sequence[str]) -> "Session":
    """The session that words on a command line stand for: at most one file, and `path=value` assignments.

    Errors: `ValueError` in one sentence that names the path or file, the value and what is allowed.
    """
    import dataclasses

    from explorer.session import Session, load
    from kernels.experiment import override

    files = [word for word in words if "=" not in word]
    if len(files) > 1:
        raise ValueError(f"expected one session file and path=value assignments, got {', '.join(map(repr, files))}.")
    session = load(files[0]) if files else Session()
    pairs = [word.partition("=") for word in words if "=" in word]
    experiment = override(session.experiment, [(path.strip(), value) for path, _, value in pairs])
    return dataclasses.replace(session, experiment=experiment)


def _run(arguments: list[str]) -> int:
    parser = _parser("run", "Compute one experiment exactly and print its error.")
    parser.add_argument("words", nargs="*", metavar="SESSION | path=value", help="a session file, then assignments")
    parser.add_argument("--json", action="store_true", help="print the whole report as JSON")
    parser.add_argument("--budget", action="store_true", help="with the error that each step makes in each mode")
    parser.add_argument("--out", metavar="DIR", help="also write report, tables, session and figures into this folder")
    chosen = parser.parse_intermixed_args(arguments)
    if chosen.out is not None and not chosen.out.strip():
        raise ValueError("--out needs the name of a folder, got an empty one.")
    session = read_session(chosen.words)

    import torch

    from explorer.reporting import as_json, as_text, write_all

    torch.set_num_threads(1)
    experiment = session.experiment
    if chosen.budget and not (chosen.json or chosen.out):
        raise ValueError("--budget is a table: ask for it with --json or --out DIR.")
    text = as_json(experiment, with_budget=chosen.budget) if chosen.json else as_text(experiment)
    written = write_all(session, Path(chosen.out), with_budget=chosen.budget) if chosen.out else []
    print(text)
    if written and not chosen.json:
        print(f"\nwrote {len(written)} files into {chosen.out}: {', '.join(path.name for path in written)}")
    return 0


@_interruptible("stopped; nothing was written.")
def _optimize(arguments: list[str]) -> int:
    parser = _parser("optimize", "Find the noise levels and the stochasticity of least error, and print them.")
    parser.add_argument("words", nargs="*", metavar="SESSION | path=value", help="a session file, then assignments")
    parser.add_argument("--over", help="grid, stochasticity or both; both where the sampler has a stochasticity")
    parser.add_argument("--per-step", action="store_true", help="one stochasticity for each step")
    parser.add_argument("--objective", default="wasserstein2", help="wasserstein2 (the default), kl or l1")
    parser.add_argument("--method", default="exact", help="exact: best for this number of steps; density: for many")
    parser.add_argument("--robust", type=float, default=0.0, help="relative uncertainty of the spectrum, such as 0.2")
    parser.add_argument("--aim", default="mean", help="of the robust objective: the mean (the default) or worst")
    parser.add_argument("--against", default="data", help="data (the default), or stop: the law at the last time")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.add_argument("--export", metavar="FILE", help="also write the levels, as .txt, .json or .py by the ending")
    chosen = parser.parse_intermixed_args(arguments)
    experiment = read_session(chosen.words).experiment

    import torch

    from explorer.exchange import as_dict, as_text, check, written
    from kernels.optimize import Request, optimize
    from kernels.param import nearest_first

    torch.set_num_threads(1)
    if chosen.against not in {"data", "stop"}:
        raise ValueError(
            f"against must be one of {nearest_first(chosen.against, ('data', 'stop'))}, got {chosen.against!r}."
        )
    alone = chosen.method == "density" or not _is_variable(experiment.sampler)
    request = Request(
        over=chosen.over or ("grid" if alone else "both"),
        per_step=chosen.per_step,
        objective=chosen.objective,
        method=chosen.method,
        robust=chosen.robust,
        aim=chosen.aim,
        against_data=chosen.against == "data",
    )
    if chosen.export is not None:
        check(chosen.export, experiment)
    with _progress_line() as show:
        found = optimize(experiment, request, lambda told: show(f"{told.fraction:4.0%}, least so far {told.value:.6g}"))
    if chosen.export is not None:
        written(found, chosen.export)
    print(json.dumps(as_dict(found), ensure_ascii=False) if chosen.json else as_text(found))
    if chosen.export is not None and not chosen.json:
        print(f"\nwrote {chosen.export}")
    return 0


def _is_variable(sampler: "Sampler") -> bool:
    from kernels.samplers import DDIM, ExponentialIntegrator, ReverseEuler

    return isinstance(sampler, ReverseEuler | ExponentialIntegrator | DDIM)


@_interruptible("stopped.")
def _replicate(arguments: list[str]) -> int:
    parser = _parser(
        "replicate", "Learn a score from samples and sample with it, many times over; print the mean error."
    )
    parser.add_argument("words", nargs="*", metavar="SESSION | path=value", help="a session file, then assignments")
    parser.add_argument("--replicas", type=int, required=True, metavar="R", help="how often to learn and to sample")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers; 0 if not given")
    parser.add_argument("--device", default="cpu", help="cpu (the default) or cuda")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    chosen = parser.parse_intermixed_args(arguments)
    experiment = read_session(chosen.words).experiment

    import os
    import time

    import torch

    from kernels.pipeline import replicate

    torch.set_num_threads(1)
    begin = time.perf_counter()
    with _progress_line() as show:
        found = replicate(
            experiment,
            chosen.replicas,
            seed=chosen.seed,
            watch=lambda progress: show(_replicas_told(progress)),
            device=chosen.device,
            workers=min(os.cpu_count() or 1, 64),
        )
    seconds = time.perf_counter() - begin

    from kernels.analyses.learning import learning

    predicted, reason = None, ""
    try:
        predicted = float(learning(experiment).total)
    except ValueError as error:
        # What was run stays worth its time where there is no theory to compare it with.
        reason = str(error)
    numbers = {
        "mean": found.mean,
        "standard_error": found.standard_error,
        "predicted": predicted,
        "replicas": found.replicas,
        "seconds": seconds,
    }
    if chosen.json:
        print(json.dumps(numbers))
    else:
        spent = f"({found.replicas} replicas, {seconds:.1f} s)"
        print(f"mean of W₂²   {found.mean:.6g} ± {found.standard_error:.2g}  {spent}")
        print(f"predicted     {reason if predicted is None else f'{predicted:.6g}'}")
    return 0


def _replicas_told(progress: "pipeline.Progress") -> str:
    mean = f", mean so far {float(progress.values.mean()):.6g}" if len(progress.values) else ""
    return f"{progress.fraction:4.0%}{mean}"


@_interruptible("stopped.")
def _sample(arguments: list[str]) -> int:
    parser = _parser(
        "sample", "Run the sampler on a cloud of particles, and measure its distances to data of the same number."
    )
    parser.add_argument("words", nargs="*", metavar="SESSION | path=value", help="a session file, then assignments")
    parser.add_argument("--particles", required=True, metavar="P", help="how many points, such as 10000 or 1e6")
    parser.add_argument("--device", help="cpu (the default) or cuda")
    parser.add_argument("--dtype", help="float32 (the default) or float64; exact laws are always in 64 bits")
    parser.add_argument("--seed", help="of all random numbers; 0 if not given")
    parser.add_argument("--out", type=Path, metavar="FILE.npy", help="also write the particles, as the data are given")
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FILE.safetensors",
        help="of score=Network: read from this file if it is there, else trained and written into it",
    )
    parser.add_argument(
        "--moments-only", action="store_true", help="keep no particles, for more of them than memory: W2 by mode only"
    )
    parser.add_argument("--json", action="store_true", help="print as JSON")
    chosen = parser.parse_intermixed_args(arguments)
    experiment = read_session(chosen.words).experiment

    import torch

    from explorer.sampling import Order, as_dict, as_text, fulfill, sampling_of

    torch.set_num_threads(1)
    given = {name: getattr(chosen, name) for name in ("particles", "seed", "dtype", "device")}
    sampling = sampling_of({name: text for name, text in given.items() if text is not None})
    order = Order(experiment, sampling, chosen.out, chosen.weights, chosen.moments_only)
    with _progress_line() as show:
        found = fulfill(order, lambda what, share: show(f"{share:4.0%} {what}"))
    print(json.dumps(as_dict(found), ensure_ascii=False) if chosen.json else as_text(found))
    if chosen.out is not None and not chosen.json:
        print(f"\nwrote {chosen.out}")
    return 0


@_interruptible("stopped; nothing was written.")
def _transport(arguments: list[str]) -> int:
    parser = _parser(
        "transport", "Couple two clouds of points, files with one point per row, by entropic optimal transport."
    )
    parser.add_argument("words", nargs="*", metavar="A B | solver.path=value", help="two files, then assignments")
    parser.add_argument("--weights-a", metavar="FILE", help="weights of A; all the same if not given")
    parser.add_argument("--weights-b", metavar="FILE", help="weights of B")
    parser.add_argument("--epsilon", help="regularization in units of the cost, |x - y| to the power")
    parser.add_argument("--relative-epsilon", help="regularization as a share of the mean cost; 0.05 if not given")
    parser.add_argument("--solver", metavar="NAME", help="Sinkhorn if not given")
    parser.add_argument("--power", default="2", help="of the distance, whose power is the cost; 2 if not given")
    parser.add_argument("--tolerance", help="marginal error at which to stop; 1e-6 if not given")
    parser.add_argument("--device", help="of the solver Sinkhorn: cpu (the default) or cuda")
    parser.add_argument("--divergence", action="store_true", help="also the Sinkhorn divergence")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.add_argument(
        "--out", metavar="DIR", help="also write potentials, map, report and convergence into this folder"
    )
    chosen = parser.parse_intermixed_args(arguments)
    clouds = [word for word in chosen.words if "=" not in word]
    if len(clouds) != 2:
        raise ValueError(f"two clouds are coupled, got {len(clouds)} files; give those of A and of B.")
    if chosen.out is not None and not chosen.out.strip():
        raise ValueError("--out needs the name of a folder, got an empty one.")
    if None not in (chosen.epsilon, chosen.relative_epsilon):
        raise ValueError("--epsilon and --relative-epsilon both choose the regularization; leave one of them out.")

    import shlex

    import torch

    from explorer.transporting import Order, as_dict, as_text, fulfill, positive, solver_of

    torch.set_num_threads(1)
    options = {"solver": chosen.solver, "solver.tolerance": chosen.tolerance, "solver.device": chosen.device}
    pairs = [(path, text) for path, text in options.items() if text is not None]
    pairs += [(path.strip(), text) for path, _, text in (word.partition("=") for word in chosen.words if "=" in word)]
    if chosen.epsilon is not None:
        epsilon = positive("--epsilon", chosen.epsilon)
    else:
        epsilon = positive("--relative-epsilon", "0.05" if chosen.relative_epsilon is None else chosen.relative_epsilon)
    order = Order(
        clouds[0],
        clouds[1],
        chosen.weights_a,
        chosen.weights_b,
        epsilon=epsilon,
        is_relative=chosen.epsilon is None,
        power=positive("--power", chosen.power),
        solver=solver_of(pairs),
        divergence=chosen.divergence,
        out=None if chosen.out is None else Path(chosen.out),
        command=shlex.join(["wasserscope", "transport", *arguments]),
    )
    with _progress_line() as show:
        found = fulfill(order, lambda what, share: show(f"{share:4.0%} {what}"))
    print(json.dumps(as_dict(found), ensure_ascii=False) if chosen.json else as_text(found))
    if chosen.out is not None and not chosen.json:
        print(f"\nwrote potentials, map, report and convergence into {chosen.out}")
    return 0


def _list(arguments: list[str]) -> int:
    parser = _parser("list", "Every component with its parameters, symbols, domains, defaults, formula and source.")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    chosen = parser.parse_args(arguments)
    from explorer.listing import as_text, catalog

    print(json.dumps(catalog(), ensure_ascii=False, indent=1) if chosen.json else as_text(catalog()))
    return 0


def _doctor(arguments: list[str]) -> int:
    _parser("doctor", "Versions, device, display and threads; what is missing and how to get it.").parse_args(arguments)
    from explorer.doctor import findings

    lines, healthy = findings()
    print("\n".join(lines))
    return 0 if healthy else 1


def _window(arguments: list[str]) -> int:
    parser = _parser("", DESCRIPTION)
    parser.add_argument("words", nargs="*", metavar="SESSION | path=value", help="a session file, then assignments")
    parser.add_argument("--version", action="version", version=f"wasserscope {VERSION}")
    parser.add_argument("--smoke", metavar="FILE.png", help="draw one whole frame, save its picture and exit")
    parser.epilog = "commands: " + ", ".join(f"wasserscope {name} --help" for name in COMMANDS)
    chosen = parser.parse_intermixed_args(arguments)
    for word in chosen.words:
        if "=" not in word and not Path(word).is_file():
            from difflib import get_close_matches

            near = get_close_matches(word, COMMANDS, n=1)
            hint = f"; did you mean `wasserscope {near[0]}`?" if near else f"; commands are {', '.join(COMMANDS)}."
            raise ValueError(f"{word!r} is neither a session file nor a command{hint}")
    from explorer.app import open_window

    return open_window(chosen.words, chosen.smoke)


COMMANDS: dict[str, Command] = {
    "run": _run,
    "optimize": _optimize,
    "replicate": _replicate,
    "sample": _sample,
    "transport": _transport,
    "list": _list,
    "doctor": _doctor,
}


if __name__ == "__main__":
    sys.exit(main())
