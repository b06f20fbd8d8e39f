"""The data: Gaussians given by a covariance spectrum, mixtures, and what is read from files."""

from kernels.spectra.base import Placed, Shaped, Spectrum, frame_of, population_of
from kernels.spectra.data import EigenvalueFile, ImageFolder, SampleFile, Texture
from kernels.spectra.mixtures import FittedMixture, Mixture
from kernels.spectra.models import Custom, ImageLike, Isotropic, LogUniform, PowerLaw, TwoBlock
from kernels.spectra.points import ImagePoints, Points

SPECTRA = (
    Isotropic,
    PowerLaw,
    LogUniform,
    TwoBlock,
    ImageLike,
    Custom,
    Mixture,
    EigenvalueFile,
    SampleFile,
    ImageFolder,
    Texture,
    FittedMixture,
    Points,
    ImagePoints,
)

__all__ = [
    "SPECTRA",
    "Custom",
    "EigenvalueFile",
    "FittedMixture",
    "ImageFolder",
    "ImageLike",
    "ImagePoints",
    "Isotropic",
    "LogUniform",
    "Mixture",
    "Placed",
    "Points",
    "PowerLaw",
    "SampleFile",
    "Shaped",
    "Spectrum",
    "Texture",
    "TwoBlock",
    "frame_of",
    "population_of",
]
