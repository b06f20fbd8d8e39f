"""Loops as machine code: compilation is heard of."""

from kernels.compiling import Compilations
from tests.compiled import compile_anew


def test_compilations_are_heard_of_until_told_to_rest() -> None:
    heard: list[bool] = []
    compilations = Compilations(lambda: heard.append(True))
    try:
        compile_anew()
        assert heard
    finally:
        compilations.rest()
    heard.clear()
    compile_anew()
    assert not heard
