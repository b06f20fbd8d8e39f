"""Numbers as a person types them: `5e-3`, `1/50`, `2^-6`, `pi/4`."""

import ast
import math
import operator
from collections.abc import Callable

_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_NAMES = {"pi": math.pi, "e": math.e, "inf": math.inf, "nan": math.nan}


def evaluate(text: str) -> float | int:
    """Value of an arithmetic expression of numbers, `pi`, `e`, `inf` and `nan`.

    Errors: `ValueError` in one sentence for anything else.
    """
    try:
        value = _value(ast.parse(text.strip().replace("^", "**"), mode="eval").body)
        # An integer too large for a float is no number that anything here can use.
        return value if math.isfinite(float(value)) or isinstance(value, float) else math.inf
    except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError):
        raise ValueError(f"must be a number such as 0.02, 5e-3, 1/50 or 2^-6, got {text!r}") from None


def _value(node: ast.expr) -> float | int:
    match node:
        case ast.Constant(value=bool()):
            raise ValueError
        case ast.Constant(value=(int() | float()) as value):
            return value
        case ast.Name(id=name) if name in _NAMES:
            return _NAMES[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand)
        case ast.BinOp(op=ast.Pow(), left=left, right=right):
            # Powers are taken in floating point: an integer tower would not end.
            return math.pow(_value(left), _value(right))
        case ast.BinOp(op=op, left=left, right=right) if type(op) in _BINARY:
            return _BINARY[type(op)](_value(left), _value(right))
        case _:
            raise ValueError
