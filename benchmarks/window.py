"""From a slider's move to repainted plots, and from process start to a usable window.

    python benchmarks/window.py            (under a display, or xvfb-run -a)

The default layout is used on 3072 modes. Latency is the time from the change of a slider to the moment at which the
last plot that is seen has been painted with the answer to it; events come every 16 ms, as a hand moves.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

START = time.perf_counter()

PROBE = """
import sys, time
begin = float(sys.argv[1])
from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QApplication
from explorer import app
from explorer.window import Window
marks = {}
def mark(name):
    marks.setdefault(name, time.time() - begin)
    if name == "ready":
        print(*(f"{key}={value:.3f}" for key, value in marks.items()), f"longest_gap={max(gaps):.3f}", sep=" ")
        sys.stdout.flush()
        QApplication.exit(0)
application = QApplication(["wasserscope"])
from explorer.style import apply_theme
window = Window()
window._smoke = ""
apply_theme(application, False)
loader = app.Loader()
original = app.importlib.import_module
def timed(name):
    module = original(name)
    mark(name)
    return module
app.importlib = type("Timed", (), {"import_module": staticmethod(timed)})
def painted():
    mark("painted")
    loader.start([])
window.first_painted.connect(painted)
def built(session):
    mark("imported")
    window.build(session)
    window.ready.connect(lambda: QTimer.singleShot(30, lambda: mark("ready")))
loader.loaded.connect(built)
last, gaps = [time.time()], []
def tick():
    now = time.time(); gaps.append(now - last[0]); last[0] = now
timer = QTimer(); timer.timeout.connect(tick); timer.start(1)
window.show()
application.exec()
window.shut_down()
"""


def start_up(repeats: int = 5) -> None:
    """Print the times of a start, seconds after the process was asked for."""
    for _ in range(repeats):
        done = subprocess.run(
            [sys.executable, "-c", PROBE, str(time.time())], capture_output=True, text=True, check=False, timeout=120
        )
        print("start-up [s]  ", done.stdout.strip() or done.stderr.strip()[-400:])


def latency(events: int = 120) -> None:
    """Print the latency of slider events."""
    from PyQt6.QtCore import QTimer
    from PyQt6.QtWidgets import QApplication

    from explorer.session import Session
    from explorer.style import apply_theme
    from explorer.window import Window
    from kernels.experiment import Experiment
    from kernels.spectra import ImageLike

    application = QApplication(["wasserscope"])
    window = Window(smoke=" ")
    window._smoke = ""
    apply_theme(application, False)
    window.show()
    window.build(Session(experiment=Experiment(spectrum=ImageLike())))
    _wait(application, 1.5)
    for path, value in (("sampler.stochasticity", _stochasticity), ("grid.steps", _steps)):
        asked: dict[object, float] = {}
        taken: list[float] = []
        seen = [window.tabs.canvas(plot.name) for plot in window.tabs.seen()]
        answered: dict[str, object] = {}
        pending: set[str] = set()

        def on_answer(answer: object, answered: dict[str, object] = answered, pending: set[str] = pending) -> None:
            name, question = answer.name, answer.question
            answered[name] = question
            pending.add(name)

        def on_paint(
            name: str,
            taken: list[float] = taken,
            answered: dict[str, object] = answered,
            pending: set[str] = pending,
            asked: dict[object, float] = asked,
        ) -> None:
            pending.discard(name)
            names = [plot.name for plot in window.tabs.seen()]
            questions = {id(answered.get(each)) for each in names}
            if not pending & set(names) and len(questions) == 1 and answered.get(names[0]) in asked:
                taken.append(1e3 * (time.perf_counter() - asked.pop(answered[names[0]])))

        window.compute.answered.connect(on_answer)
        for plot, canvas in zip(window.tabs.seen(), seen, strict=True):
            canvas.painted.connect(lambda name=plot.name: on_paint(name))
        count = [0]

        def move(
            value: Callable[[int], float] = value,
            path: str = path,
            count: list[int] = count,
            asked: dict[object, float] = asked,
        ) -> None:
            family, _, name = path.partition(".")
            experiment = window.session.experiment
            part = replace(getattr(experiment, family), **{name: value(count[0])})
            changed = replace(experiment, **{family: part})
            session = replace(window.session, experiment=changed)
            asked[session] = time.perf_counter()
            window._edited(changed, path, True)
            count[0] += 1

        timer = QTimer()
        timer.timeout.connect(move)
        timer.start(16)
        begin = time.perf_counter()
        _wait(application, 0.016 * events)
        timer.stop()
        seconds = time.perf_counter() - begin
        _wait(application, 0.5)
        ordered = sorted(taken)
        print(
            f"{path:24} {count[0]} events, {len(taken)} frames, {len(taken) / seconds:.0f} per second; latency [ms] "
            f"median {statistics.median(ordered):.1f}, p95 {ordered[int(0.95 * len(ordered))]:.1f}, "
            f"most {ordered[-1]:.1f}"
        )
        window.compute.answered.disconnect(on_answer)
    window.shut_down()


def _stochasticity(k: int) -> float:
    return 0.2 + 0.01 * k


def _steps(k: int) -> int:
    return 30 + k % 60


def _wait(application: object, seconds: float) -> None:
    """Let the event loop run; polling it would keep the interpreter's lock from the worker."""
    from PyQt6.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    QTimer.singleShot(int(1e3 * seconds), loop.quit)
    loop.exec()


if __name__ == "__main__":
    os.environ.setdefault("XDG_CONFIG_HOME", str(Path(os.environ.get("TMPDIR", "/tmp")) / "wasserscope-benchmark"))
    latency()
    start_up()
