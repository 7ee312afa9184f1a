"""The point-spread functions: the fraction of a source's light that falls into each pixel."""

from .epic import EpicPSF, epic_psf
from .gaussian import GaussianPSF, gaussian_in_unit_interval
from .image import ImagePSF, elongated
from .king import KingPSF, MoffatPSF, SumOfGaussians
from .protocol import PSF, SumOfProducts
from .registry import PSF_NAMES, choose_psf, describe_psf, parse_psf

__all__ = [
    "PSF",
    "PSF_NAMES",
    "EpicPSF",
    "GaussianPSF",
    "ImagePSF",
    "KingPSF",
    "MoffatPSF",
    "SumOfGaussians",
    "SumOfProducts",
    "choose_psf",
    "describe_psf",
    "elongated",
    "epic_psf",
    "gaussian_in_unit_interval",
    "parse_psf",
]
