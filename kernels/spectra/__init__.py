"""Covariance spectra of the data: given by a formula, or read from files."""

from kernels.spectra.base import Spectrum
from kernels.spectra.data import EigenvalueFile, ImageFolder, SampleFile, Texture
from kernels.spectra.models import Custom, ImageLike, Isotropic, LogUniform, PowerLaw, TwoBlock

SPECTRA = (
    Isotropic,
    PowerLaw,
    LogUniform,
    TwoBlock,
    ImageLike,
    Custom,
    EigenvalueFile,
    SampleFile,
    ImageFolder,
    Texture,
)

__all__ = [
    "SPECTRA",
    "Custom",
    "EigenvalueFile",
    "ImageFolder",
    "ImageLike",
    "Isotropic",
    "LogUniform",
    "PowerLaw",
    "SampleFile",
    "Spectrum",
    "Texture",
    "TwoBlock",
]
