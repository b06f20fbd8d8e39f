"""Products of pairs of points: right wherever they are asked for, formed once, and shared by problems of one cost."""

from concurrent.futures import ThreadPoolExecutor
from weakref import ref

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from kernels.transport import problem as problem_of
from kernels.transport import products, transport_problem
from kernels.transport.problem import FEW
from kernels.transport.products import KeptProducts, PassingProducts

Floats = NDArray[np.float64]
N, M, D = 53, 31, 20


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of eight rows."""
    monkeypatch.setattr(products, "FORMED", 8 * M + 5)


@pytest.fixture
def clouds() -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(3)
    return torch.from_numpy(rng.normal(size=(N, D))), torch.from_numpy(rng.normal(size=(M, D)))


def twice(clouds: tuple[torch.Tensor, torch.Tensor]) -> Floats:
    x, y = (points.numpy() for points in clouds)
    return 2 * np.einsum("ik,jk->ij", x, y)


@pytest.mark.parametrize("rows", [(0, N), (0, 8), (7, 9), (3, 40), (N - 1, N)])
@pytest.mark.parametrize("others", [slice(None), slice(4, 17)])
def test_any_rows_and_others_are_products(
    clouds: tuple[torch.Tensor, torch.Tensor], rows: tuple[int, int], others: slice
) -> None:
    wanted = twice(clouds)[slice(*rows), others]
    np.testing.assert_allclose(KeptProducts(*clouds).between(*rows, others), wanted, rtol=1e-13, atol=1e-13)
    for fine, within in ((True, 1e-13), (False, 1e-5)):
        found = PassingProducts(*clouds, fine).between(*rows, others)
        np.testing.assert_allclose(found, wanted, rtol=within, atol=within)


def test_kept_ones_are_formed_once(clouds: tuple[torch.Tensor, torch.Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    formed, inner = list[int](), torch.mm

    def mm(left: torch.Tensor, right: torch.Tensor, *, out: torch.Tensor) -> torch.Tensor:
        formed.append(len(left))
        return inner(left, right, out=out)

    monkeypatch.setattr(torch, "mm", mm)
    kept = KeptProducts(*clouds)
    for begin, end in ((0, 3), (2, 9), (0, N), (0, N), (50, N)):
        kept.between(begin, end)
    assert formed == [8] * 6 + [N - 48]


def test_those_of_the_last_few_clouds_are_kept(clouds: tuple[torch.Tensor, torch.Tensor]) -> None:
    some = [KeptProducts(*clouds) for _ in range(products.LATEST + 1)]
    first = [kept.between(0, N) for kept in some]
    again = [kept.between(0, N) for kept in reversed(some[1:])]
    assert all(np.shares_memory(a, b) for a, b in zip(reversed(first[1:]), again, strict=True))
    anew = some[0].between(0, N)
    assert not np.shares_memory(anew, first[0])
    np.testing.assert_array_equal(anew, first[0])


def test_kept_ones_do_not_depend_on_who_asks_first(clouds: tuple[torch.Tensor, torch.Tensor]) -> None:
    whole, by_row = KeptProducts(*clouds), KeptProducts(*clouds)
    rows = [by_row.between(i, i + 1) for i in reversed(range(N))]
    np.testing.assert_array_equal(whole.between(0, N), np.concatenate(rows[::-1]))


def test_threads_may_ask_for_the_same_ones_at_once() -> None:
    rng, n = np.random.default_rng(5), 400
    # Of many coordinates, so that forming them takes a while.
    x, y = (torch.from_numpy(rng.normal(size=(count, 400))) for count in (n, M))
    wanted, begins = KeptProducts(x, y).between(0, n).copy(), range(0, n - 60, 5)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            shared = KeptProducts(x, y)

            def ask(begin: int, shared: KeptProducts = shared) -> Floats:
                return shared.between(begin, begin + 60).copy()

            for begin, found in zip(begins, pool.map(ask, begins), strict=True):
                np.testing.assert_array_equal(found, wanted[begin : begin + 60])


def test_what_nobody_has_any_more_is_not_kept(clouds: tuple[torch.Tensor, torch.Tensor]) -> None:
    kept = KeptProducts(*clouds)
    entries = ref(kept.between(0, N).base)
    assert entries() is not None
    del kept
    assert entries() is None


def test_problems_of_the_same_cost_share_them(clouds: tuple[torch.Tensor, torch.Tensor]) -> None:
    problem = transport_problem(*clouds, 1.0)
    assert problem.at(2.0).products is problem.relative(0.1).at(0.3).products
    assert problem.at(2.0).products is not None


def test_where_costs_are_not_made_of_products_or_they_are_too_many_none_are_kept(
    clouds: tuple[torch.Tensor, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = clouds
    assert transport_problem(x[:, :FEW], y[:, :FEW], 1.0).products is None
    assert transport_problem(x, y, 1.0, power=1.0).products is None
    monkeypatch.setattr(problem_of, "KEPT", N * M - 1)
    assert transport_problem(x, y, 1.0).products is None
