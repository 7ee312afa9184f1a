"""The point-spread functions: the fraction of a source's light that falls into each pixel."""

from .gaussian import GaussianPSF, gaussian_in_unit_interval
from .image import ImagePSF, elongated
from .king import KingPSF, MoffatPSF, SumOfGaussians
from .protocol import PSF, SumOfProducts, light_in_pixels
from .registry import PSF_NAMES, choose_and_say, choose_psf, describe_psf, parse_psf, width_in_words
from .telescopes import TELESCOPES, TelescopePSF, epic_psf, telescope_psf

__all__ = [
    "PSF",
    "PSF_NAMES",
    "TELESCOPES",
    "GaussianPSF",
    "ImagePSF",
    "KingPSF",
    "MoffatPSF",
    "SumOfGaussians",
    "SumOfProducts",
    "TelescopePSF",
    "choose_and_say",
    "choose_psf",
    "describe_psf",
    "elongated",
    "epic_psf",
    "gaussian_in_unit_interval",
    "light_in_pixels",
    "parse_psf",
    "telescope_psf",
    "width_in_words",
]
