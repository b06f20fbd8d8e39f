"""What a file given to the window stands for: the spectrum that reads it."""

from pathlib import Path

from kernels.spectra import EigenvalueFile, ImageFolder, SampleFile, Spectrum, Texture
from kernels.spectra.files import IMAGES, read_arrays


def spectrum_of(path: Path) -> Spectrum:
    """A folder of images, one image, an array of samples or a list of eigenvalues.

    Errors: `ValueError` in one sentence for anything else, and for a file that cannot be read.
    """
    name = str(path)
    if path.is_dir():
        return ImageFolder(path=name)
    if path.suffix.lower() in IMAGES:
        return Texture(path=name)
    matrix = any(array.ndim == 2 and min(array.shape) > 1 for array in read_arrays(path).values())
    return SampleFile(path=name) if matrix else EigenvalueFile(path=name)
