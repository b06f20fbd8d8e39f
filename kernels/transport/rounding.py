r"""A coupling made feasible: rows and columns with too much mass scaled down, and what is missing put on as a product.

The result has the marginals a and b to rounding, and its cost is a true upper bound.

Source: Altschuler, Weed and Rigollet 2017, Near-linear time approximation algorithms for optimal transport via Sinkhorn
iteration, algorithm 2.
"""

from collections.abc import Callable

import torch

from kernels.transport.solution import Coupling


def rounded_cost(coupling: Coupling, look: Callable[[], None] = lambda: None) -> float:
    """Mean cost of the rounded coupling, between marginals of equal mass; all entries are formed twice, by blocks.

    `look` is called between blocks, and what it raises ends the work.
    """
    problem = coupling.problem
    a, b = problem.weights_a, problem.weights_b
    rows = coupling.marginals.rows
    by_row = torch.where(rows > a, a / rows, 1.0)
    columns = torch.zeros_like(b)
    for begin, end in problem.blocks():
        look()
        columns += by_row[begin:end] @ coupling.entries(begin, end)
    by_column = torch.where(columns > b, b / columns, 1.0)
    missing_b = b - columns * by_column
    lacking = float(missing_b.sum())
    cost = product = 0.0
    for begin, end in problem.blocks():
        look()
        entries = coupling.entries(begin, end).mul_(by_row[begin:end, None]).mul_(by_column)
        costs = problem.cost(begin, end)
        cost += float((costs * entries).sum())
        product += float((a[begin:end] - entries.sum(1)) @ costs @ missing_b)
    return cost + product / lacking if lacking > 0 else cost
