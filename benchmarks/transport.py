"""Time to a coupling of a given marginal error: this program against POT, GeomLoss and OTT-JAX.

    python benchmarks/transport.py                          # every cell, which takes long
    python benchmarks/transport.py --n 1000 --d 2           # some of them
    python benchmarks/transport.py --only POT --limit 20    # some of the peers, and not longer than so many seconds

Every solver gets the same clouds and starts from points: costs are part of its time; imports and compilation are not.
Its error, rows and columns together, is measured anew in 64 bits. Peers count marginal errors in other ways, so each is
given thresholds until the error is reached, and only the run that reached it counts. A peer that is not installed is
left out; one that took too long in a cell is not asked on the same clouds where both ε and the error are no larger.
"""

import argparse
import importlib.util
import json
import math
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray
# Of a coupling: rows and columns of log-scalings u and v at which it is exp(u + v - c / ε), or the coupling itself.
Found = tuple[Array, Array] | Array
Run = Callable[[Array, Array, float, float], Found]

ITERATIONS = 100_000
# Of the threshold that would do if errors were spread evenly; peers are asked for less until it is enough.
STRICTER = (1.2, 0.7, 0.35, 0.1)
# The best time of so many attempts counts, or of as many as a second holds.
ATTEMPTS, SECONDS = 20, 1.0


def clouds(n: int, d: int) -> tuple[Array, Array]:
    """A Gaussian and a mixture in the plane; two Gaussians whose variances fall like 1/k in more dimensions."""
    rng = np.random.default_rng(7)
    if d == 2:
        middle = rng.integers(0, 3, n) * (2 * math.pi / 3)
        y = np.stack([np.cos(middle), np.sin(middle)], 1) + 0.3 * rng.normal(size=(n, 2))
        return rng.normal(size=(n, 2)), y
    deviation = np.arange(1, d + 1) ** -0.5
    return rng.normal(size=(n, d)) * deviation, 0.8 * rng.normal(size=(n, d)) * deviation + 0.1


def squared(x: Array, y: Array) -> Array:
    return np.maximum((x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T, 0.0)


def error_of(found: Found, x: Array, y: Array, epsilon: float) -> float:
    """The marginal error in 64 bits, a few rows at a time."""
    n, m = len(x), len(y)
    rows, columns = np.empty(n), np.zeros(m)
    center = y.mean(0)
    for begin in range(0, n, 500):
        part = slice(begin, begin + 500)
        if isinstance(found, tuple):
            u, v = (np.asarray(values, dtype=np.float64).reshape(-1) for values in found)
            block = np.exp(u[part, None] + v - squared(x[part] - center, y - center) / epsilon)
        else:
            block = np.asarray(found[part], dtype=np.float64)
        rows[part] = block.sum(1)
        columns += block.sum(0)
    return float(np.abs(rows - 1 / n).sum() + np.abs(columns - 1 / m).sum())


def this_program(storage: str) -> Callable[[], Run]:
    def prepare() -> Run:
        import torch

        from kernels.transport import EntropicCoupling, Sinkhorn, transport_problem

        def run(x: Array, y: Array, epsilon: float, tolerance: float) -> Found:
            problem = transport_problem(torch.from_numpy(x), torch.from_numpy(y), epsilon)
            solution = Sinkhorn(tolerance=tolerance, storage=storage).solve(problem)
            assert isinstance(solution.coupling, EntropicCoupling)
            f, g = solution.coupling.potentials.potential_f, solution.coupling.potentials.potential_g
            return f.numpy() / epsilon - math.log(len(x)), g.numpy() / epsilon - math.log(len(y))

        return run

    return prepare


def pot(method: str, dtype: str) -> Callable[[], Run]:
    def prepare() -> Run:
        import ot
        import torch

        kinds: dict[str, Any] = {"float64": torch.float64, "float32": torch.float32}

        def run(x: Array, y: Array, epsilon: float, tolerance: float) -> Found:
            points: list[Any] = [x, y]
            if dtype in kinds:
                points = [torch.from_numpy(cloud).to(kinds[dtype]) for cloud in (x, y)]
            # Without weights every point weighs the same. The threshold is a root of a sum of squares.
            options: dict[str, Any] = {"tau": 1e9} if method == "sinkhorn_stabilized" else {}
            threshold = tolerance / math.sqrt(len(x))
            coupling: Any = ot.sinkhorn(
                [], [], ot.dist(*points), epsilon, method=method, numItermax=ITERATIONS, stopThr=threshold,
                warn=False, **options,
            )  # fmt: skip
            return np.asarray(coupling)

        return run

    return prepare


def geomloss(scaling: float) -> Callable[[], Run]:
    def prepare() -> Run:
        import torch
        from geomloss import SamplesLoss  # pyright: ignore[reportMissingImports]

        def run(x: Array, y: Array, epsilon: float, tolerance: float) -> Found:
            # Its cost is halved; it knows no tolerance, only how slowly the blur falls.
            loss: Any = SamplesLoss(
                "sinkhorn", p=2, blur=math.sqrt(epsilon / 2), scaling=scaling, debias=False, potentials=True,
                backend="tensorized",
            )  # fmt: skip
            f, g = loss(torch.from_numpy(x).contiguous(), torch.from_numpy(y).contiguous())
            u, v = 2 * f.numpy().reshape(-1) / epsilon, 2 * g.numpy().reshape(-1) / epsilon
            return u - math.log(len(x)), v - math.log(len(y))

        return run

    return prepare


def ott(accelerated: bool) -> Callable[[], Run]:
    def prepare() -> Run:
        import jax  # pyright: ignore[reportMissingImports]
        from ott.geometry import pointcloud  # pyright: ignore[reportMissingImports]
        from ott.problems.linear import linear_problem  # pyright: ignore[reportMissingImports]
        from ott.solvers.linear import acceleration, sinkhorn  # pyright: ignore[reportMissingImports]

        compiled: dict[float, Any] = {}

        def run(x: Array, y: Array, epsilon: float, tolerance: float) -> Found:
            if tolerance not in compiled:
                options = {"anderson": acceleration.AndersonAcceleration(memory=10)} if accelerated else {}
                solver = sinkhorn.Sinkhorn(threshold=tolerance, max_iterations=ITERATIONS // 5, **options)

                def solve(a: Any, b: Any, e: Any) -> Any:
                    return solver(linear_problem.LinearProblem(pointcloud.PointCloud(a, b, epsilon=e)))

                compiled[tolerance] = jax.jit(solve)
                jax.block_until_ready(compiled[tolerance](x, y, 10 * epsilon))
            found = compiled[tolerance](x, y, epsilon)
            return np.asarray(found.f, dtype=np.float64) / epsilon, np.asarray(found.g, dtype=np.float64) / epsilon

        return run

    return prepare


OURS = {"stored": this_program("stored"), "streamed": this_program("streamed")}
PEERS: dict[str, tuple[str, Callable[[], Run]]] = {
    "POT numpy": ("ot", pot("sinkhorn", "numpy")),
    "POT torch 64": ("ot", pot("sinkhorn", "float64")),
    "POT torch 32": ("ot", pot("sinkhorn", "float32")),
    "POT stabilized": ("ot", pot("sinkhorn_stabilized", "numpy")),
    "POT log": ("ot", pot("sinkhorn_log", "float64")),
    "GeomLoss .5": ("geomloss", geomloss(0.5)),
    "GeomLoss .9": ("geomloss", geomloss(0.9)),
    "GeomLoss .99": ("geomloss", geomloss(0.99)),
    "OTT log": ("ott", ott(False)),
    "OTT Anderson": ("ott", ott(True)),
}


def measure(name: str, n: int, d: int, fraction: float, tolerance: float) -> dict[str, float]:
    """The best time of a few in which a solver reaches the error, or only the least error."""
    warnings.simplefilter("ignore")
    run = OURS[name]() if name in OURS else PEERS[name][1]()
    x, y = clouds(n, d)
    epsilon = fraction * float(squared(x[:1000], y[:1000]).mean())
    # What is compiled may depend on sizes.
    run(x[:50], y[:50], epsilon, 1e-1)
    run(x, y, 10 * epsilon, 1e-1)
    least = math.inf
    for stricter in (1.0,) if name in OURS or "GeomLoss" in name else STRICTER:
        wall, cpu, error, spent = math.inf, math.inf, math.inf, 0.0
        for attempt in range(ATTEMPTS):
            if attempt and spent > SECONDS:
                break
            begin, worked = time.perf_counter(), time.process_time()
            found = run(x, y, epsilon, stricter * tolerance)
            worked, taken = time.process_time() - worked, time.perf_counter() - begin
            wall, cpu, spent = min(wall, taken), min(cpu, worked), spent + taken
            if attempt == 0:
                error = error_of(found, x, y, epsilon)
                least = error if math.isnan(least) or error < least else least
                # One that fails by far is not asked again.
                if not error <= tolerance:
                    break
        if error <= tolerance:
            return {"wall": wall, "cpu": cpu, "error": error}
        if not error <= 30 * tolerance:
            break
    return {"error": least}


def cell(names: list[str], n: int, d: int, fraction: float, tolerance: float, limit: float, clock: str) -> set[str]:
    """Print the times; those solvers that took too long."""
    times, slow = dict[str, float](), set[str]()
    # Threads that wait for each other are counted as work: for the other clock there is one.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"} if clock == "cpu" else None
    print(f"\nn = {n}, d = {d}, ε = {fraction:g} of the mean cost, error {tolerance:g}", flush=True)
    for name in names:
        command = [sys.executable, __file__, "--measure", name, str(n), str(d), str(fraction), str(tolerance)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit, env=environment)
            result: dict[str, Any] = (
                json.loads(done.stdout) if done.returncode == 0 else {"failed": done.stderr.strip()[-90:]}
            )
        except subprocess.TimeoutExpired:
            result = {"failed": f"longer than {limit:g} s"}
            slow.add(name)
        if clock in result:
            times[name] = result[clock]
            print(f"  {name:<15} {1e3 * result[clock]:10.1f} ms   error {result['error']:.1e}", flush=True)
        else:
            print(f"  {name:<15} {result.get('failed') or 'error ' + format(result['error'], '.1e')}", flush=True)
    ours = [times[name] for name in OURS if name in times]
    others = [taken for name, taken in times.items() if name not in OURS]
    if ours and others:
        print(f"  this program: {min(others) / min(ours):.1f}x the fastest peer", flush=True)
    return slow


def main() -> None:
    if sys.argv[1:2] == ["--measure"]:
        name, n, d, fraction, tolerance = sys.argv[2:7]
        print(json.dumps(measure(name, int(n), int(d), float(fraction), float(tolerance))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, nargs="*", default=[1000, 2000, 5000, 10_000])
    parser.add_argument("--d", type=int, nargs="*", default=[2, 64])
    parser.add_argument("--fraction", type=float, nargs="*", default=[0.05, 0.005], help="ε over the mean cost")
    parser.add_argument("--error", type=float, nargs="*", default=[1e-3, 1e-6])
    parser.add_argument("--only", default="", help="peers whose name begins so")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds for all attempts of a solver in a cell")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: of all cores together")
    options = parser.parse_args()
    names = list(OURS)
    for name, (package, _) in PEERS.items():
        if not name.startswith(options.only):
            continue
        if importlib.util.find_spec(package) is None:
            print(f"{name}: {package} is not installed")
            continue
        names.append(name)
    for n in options.n:
        for d in options.d:
            # By cells, what took too long: in those of a smaller ε and error it would take longer.
            slow: dict[tuple[float, float], set[str]] = {}
            for fraction in sorted(options.fraction, reverse=True):
                for tolerance in sorted(options.error, reverse=True):
                    hopeless = {
                        name for (f, t), some in slow.items() if f >= fraction and t >= tolerance for name in some
                    }
                    asked = [name for name in names if name in OURS or name not in hopeless]
                    slow[fraction, tolerance] = cell(asked, n, d, fraction, tolerance, options.limit, options.clock)
                    if hopeless:
                        print(f"  not asked, as they took too long before: {', '.join(sorted(hopeless))}", flush=True)


if __name__ == "__main__":
    main()
