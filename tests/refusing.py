"""What spectra say where their data cannot be read."""

from collections.abc import Callable

import pytest

from kernels.spectra import Spectrum, frame_of, population_of


def refusal(spectrum: Spectrum) -> str:
    """The one sentence with which law, frame and population are refused."""
    sentences: set[str] = set()
    asked: tuple[Callable[[], object], ...]
    asked = (spectrum.law, lambda: frame_of(spectrum), lambda: population_of(spectrum))
    for ask in asked:
        with pytest.raises(ValueError) as caught:
            ask()
        sentences.add(str(caught.value))
    (sentence,) = sentences
    return sentence
