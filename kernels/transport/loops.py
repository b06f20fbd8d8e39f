"""The loops over all pairs of points, as machine code: exponents, exponentials and sums without a pause.

Exponents are to the base 2, but for couplings that are found, and are formed in 64 bits: they are small differences of
large numbers. Exponentials are of 32 or 64 bits, as the arrays they go to. The sums of rows and columns may be taken in
any order, so that processors can take many terms at once; sums over columns of 32 bits are carried over to 64 bits
after a few rows.
"""

import inspect
import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from kernels.compiling import reordered

# Rows of which the sums over columns are taken together, and rows after which they are carried over to 64 bits.
ABREAST = 4
CARRY = 64
# Columns at a time, so that what they are made from stays in the first level of the cache.
TILE = 512
# Smaller exponentials times weights are soon no normal numbers of 64 bits, and slow; nothing is left of them anyway.
LOWEST = -650.0
# What a sum over a row may be before its exponents are formed again, about their largest.
LEAST, MOST = 1e-25, 1e25

_float, _int, _double, _long = np.float32, np.int32, np.float64, np.int64
_LOG2_E = math.log2(math.e)
# 2^t on |t| <= 1/2 by least maximal relative error, 2e-9 and below rounding.
_S0, _S1, _S2, _S3 = (
    _float(1.0000000005541663),
    _float(0.6931472057372526),
    _float(0.2402264689063957),
    _float(0.05550328777),
)
_S4, _S5, _S6 = _float(0.009618488956522791), _float(0.001339993120947414), _float(0.00015345812158740183)
_D1, _D2, _D3, _D4 = 0.6931471805599453, 0.24022650695910155, 0.055504108664819925, 0.009618129107588335
_D5, _D6, _D7, _D8 = 0.001333355814678995, 0.00015403530462514614, 1.5252733489960805e-05, 1.321543308959463e-06
_D9, _D10, _D11 = 1.0178198033328528e-07, 7.074105626245659e-09, 4.4352809446103363e-10
# The smallest normal numbers and well below the largest ones: what lies beyond would be slow, or infinite.
_LOW, _HIGH, _BIAS, _MANTISSA = _float(-126.0), _float(120.0), _int(127), _int(23)
_LOW_LONG, _HIGH_LONG, _BIAS_LONG, _MANTISSA_LONG = -1022.0, 1000.0, _long(1023), _long(52)


def power_of_two(exponent: Any) -> Any:
    """2 to the power of a number of 32 or 64 bits, in as many; the machine code gives no less than a normal number."""
    return np.exp2(exponent)


@overload(power_of_two, inline="always")
def _power_of_two(exponent: Any) -> Any:
    def single(exponent: Any) -> Any:
        s = min(max(exponent, _LOW), _HIGH)
        whole = np.rint(s)
        t = s - whole
        p = _S0 + t * (_S1 + t * (_S2 + t * (_S3 + t * (_S4 + t * (_S5 + t * _S6)))))
        return p * _int((_int(whole) + _BIAS) << _MANTISSA).view(_float)

    def double(exponent: Any) -> Any:
        s = min(max(exponent, _LOW_LONG), _HIGH_LONG)
        whole = np.rint(s)
        t = s - whole
        p = _D5 + t * (_D6 + t * (_D7 + t * (_D8 + t * (_D9 + t * (_D10 + t * _D11)))))
        p = 1.0 + t * (_D1 + t * (_D2 + t * (_D3 + t * (_D4 + t * p))))
        return p * _long((_long(whole) + _BIAS_LONG) << _MANTISSA_LONG).view(_double)

    # What checks types at run time wraps functions within functions too.
    return inspect.unwrap(single if exponent == types.float32 else double)


@reordered
def _exponents(row: np.ndarray, v: np.ndarray, x: np.ndarray, y: np.ndarray, begin: int) -> None:
    """Exponents from a point to some others, the first of which has this number; coordinates come in pairs."""
    count = len(row)
    for k in range(0, len(x), 2):
        x0, x1, y0, y1 = x[k], x[k + 1], y[k, begin : begin + count], y[k + 1, begin : begin + count]
        if k == 0:
            for j in range(count):
                t0, t1 = x0 - y0[j], x1 - y1[j]
                row[j] = v[j] - (t0 * t0 + t1 * t1)
        else:
            for j in range(count):
                t0, t1 = x0 - y0[j], x1 - y1[j]
                row[j] -= t0 * t0 + t1 * t1


@reordered
def _again(
    x: np.ndarray,
    y: np.ndarray,
    given: np.ndarray,
    factor: float,
    u: np.ndarray,
    v: np.ndarray,
    b: np.ndarray,
    entries: np.ndarray,
    i: int,
    sums: np.ndarray,
    row: np.ndarray,
) -> None:
    """A row about its largest exponent."""
    if len(given):
        for j in range(len(v)):
            row[j] = v[j] + factor * given[i, j]
    else:
        _exponents(row, v, x[i], y, 0)
    largest = row[0]
    for j in range(len(v)):
        largest = max(largest, row[j])
    total = entries[0] - entries[0]
    for j in range(len(v)):
        z = power_of_two(entries.dtype.type(row[j] - largest))
        entries[j] = z
        total += b[j] * z
    u[i], sums[i] = -largest, total


@reordered
def sweep(
    x: np.ndarray,
    y: np.ndarray,
    given: np.ndarray,
    factor: float,
    u: np.ndarray,
    v: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    entries: np.ndarray,
    kept: bool,
    scaled: bool,
    sums: np.ndarray,
    columns: np.ndarray,
    row: np.ndarray,
    room: np.ndarray,
) -> None:
    """Entries E = 2^(u_i + v_j - cost), their sums over each row with weights b, and over columns with weights a.

    The costs are squared distances of points, or those given times minus the factor. Where a row's sum is out of range
    u is moved, so that the largest exponent is 0. With `scaled` every row is divided by its sum before those over
    columns are taken. The entries are kept, or those of a few rows at a time. Sums over columns are added to `columns`,
    without b.
    """
    n, m = len(u), len(v)
    real = room.dtype.type
    since = 0
    for begin in range(0, n, ABREAST):
        count = min(ABREAST, n - begin)
        first = begin if kept else 0
        for q in range(count):
            sums[begin + q] = 0.0
        for left in range(0, m, TILE):
            right = min(left + TILE, m)
            vs, bs, at = v[left:right], b[left:right], row[: right - left]
            for q in range(count):
                i = begin + q
                shift, e, total = u[i], entries[first + q, left:right], real(0)
                if len(given):
                    to = given[i, left:right]
                    for j in range(len(e)):
                        z = power_of_two(real(shift + (vs[j] + factor * to[j])))
                        e[j] = z
                        total += bs[j] * z
                else:
                    _exponents(at, vs, x[i], y, left)
                    for j in range(len(e)):
                        z = power_of_two(real(shift + at[j]))
                        e[j] = z
                        total += bs[j] * z
                sums[i] += total
        for q in range(count):
            if not LEAST < sums[begin + q] < MOST:
                _again(x, y, given, factor, u, v, b, entries[first + q], begin + q, sums, row)
        if count == ABREAST:
            s0, s1, s2, s3 = a[begin], a[begin + 1], a[begin + 2], a[begin + 3]
            if scaled:
                s0, s1, s2, s3 = s0 / sums[begin], s1 / sums[begin + 1], s2 / sums[begin + 2], s3 / sums[begin + 3]
            w0, w1, w2, w3 = real(s0), real(s1), real(s2), real(s3)
            e0, e1, e2, e3 = entries[first], entries[first + 1], entries[first + 2], entries[first + 3]
            for j in range(m):
                room[j] += (w0 * e0[j] + w1 * e1[j]) + (w2 * e2[j] + w3 * e3[j])
        else:
            for q in range(count):
                w, e = real(a[begin + q] / sums[begin + q] if scaled else a[begin + q]), entries[first + q]
                for j in range(m):
                    room[j] += w * e[j]
        since += ABREAST
        if since >= CARRY or begin + ABREAST >= n:
            for j in range(m):
                columns[j] += room[j]
                room[j] = real(0)
            since = 0


@reordered
def resweep(
    entries: np.ndarray,
    scalings: np.ndarray,
    a: np.ndarray,
    sums: np.ndarray,
    columns: np.ndarray,
    room: np.ndarray,
) -> None:
    """Sums over rows of kept entries with new scalings, then over columns, as `sweep` has them; each is read once."""
    n, m = entries.shape
    real = room.dtype.type
    since = 0
    for begin in range(0, n, ABREAST):
        if begin + ABREAST <= n:
            e0, e1, e2, e3 = entries[begin], entries[begin + 1], entries[begin + 2], entries[begin + 3]
            t0, t1, t2, t3 = real(0), real(0), real(0), real(0)
            for j in range(m):
                w = scalings[j]
                t0 += e0[j] * w
                t1 += e1[j] * w
                t2 += e2[j] * w
                t3 += e3[j] * w
            sums[begin], sums[begin + 1], sums[begin + 2], sums[begin + 3] = t0, t1, t2, t3
            w0, w1, w2, w3 = (
                real(a[begin] / t0),
                real(a[begin + 1] / t1),
                real(a[begin + 2] / t2),
                real(a[begin + 3] / t3),
            )
            for j in range(m):
                room[j] += (w0 * e0[j] + w1 * e1[j]) + (w2 * e2[j] + w3 * e3[j])
        else:
            for i in range(begin, n):
                e, total = entries[i], real(0)
                for j in range(m):
                    total += e[j] * scalings[j]
                sums[i] = total
                share = real(a[i] / total)
                for j in range(m):
                    room[j] += share * e[j]
        since += ABREAST
        if since >= CARRY or begin + ABREAST >= n:
            for j in range(m):
                columns[j] += room[j]
                room[j] = real(0)
            since = 0


@reordered
def _minus_costs(
    row: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    given: np.ndarray,
    factor: float,
    shift: float,
    offset: np.ndarray,
    i: int,
    begin: int,
) -> None:
    """Costs of a point to some others, the first of which has this number, with a minus."""
    if len(given):
        to = given[i, begin : begin + len(row)]
        for j in range(len(row)):
            row[j] = min(factor * to[j] + (shift + offset[j]), 0.0)
    else:
        _exponents(row, offset, x[i], y, begin)


@reordered
def fill(
    x: np.ndarray,
    y: np.ndarray,
    given: np.ndarray,
    factor: float,
    x_offset: np.ndarray,
    y_offset: np.ndarray,
    f: np.ndarray,
    g: np.ndarray,
    epsilon: float,
    a: np.ndarray,
    b: np.ndarray,
    minus: np.ndarray,
    entries: np.ndarray,
) -> None:
    """Minus the costs, and entries a_i b_j exp((f_i + g_j - cost) / ε); costs are as of `measure`."""
    for i in range(len(f)):
        costs, into, potential, weight = minus[i], entries[i], f[i], a[i]
        _minus_costs(costs, x, y, given, factor, x_offset[i], y_offset, i, 0)
        for j in range(len(g)):
            t = max((potential + g[j] + costs[j]) / epsilon, LOWEST)
            into[j] = weight * (b[j] * power_of_two(t * _LOG2_E))


@reordered
def measure(
    x: np.ndarray,
    y: np.ndarray,
    given: np.ndarray,
    factor: float,
    x_offset: np.ndarray,
    y_offset: np.ndarray,
    f: np.ndarray,
    g: np.ndarray,
    epsilon: float,
    a: np.ndarray,
    b: np.ndarray,
    log_b: np.ndarray,
    sums: np.ndarray,
    columns: np.ndarray,
    room: np.ndarray,
) -> None:
    """Sums over each row, with weights b, of E, of E times cost, log E and log b; those of columns with weights a.

    Entries are E = exp((f_i + g_j - cost) / ε). The costs are squared distances of points, or those given times minus
    the factor less both offsets. All are added to `sums` and `columns`, the latter without b.
    """
    n, m = len(f), len(g)
    for left in range(0, m, TILE):
        right = min(left + TILE, m)
        gs, bs, logs, below, into = (
            g[left:right],
            b[left:right],
            log_b[left:right],
            y_offset[left:right],
            columns[left:right],
        )
        minus, entries = room[0, : right - left], room[1, : right - left]
        for i in range(n):
            _minus_costs(minus, x, y, given, factor, x_offset[i], below, i, left)
            total, cost, relative, entropy = 0.0, 0.0, 0.0, 0.0
            potential, weight = f[i], a[i]
            for j in range(len(minus)):
                t = max((potential + gs[j] + minus[j]) / epsilon, LOWEST)
                e = power_of_two(t * _LOG2_E)
                entries[j] = e
                w = bs[j] * e
                total += w
                cost -= w * minus[j]
                relative += w * t
                entropy += w * logs[j]
            for j in range(len(minus)):
                into[j] += weight * entries[j]
            sums[i, 0] += total
            sums[i, 1] += cost
            sums[i, 2] += relative
            sums[i, 3] += entropy
