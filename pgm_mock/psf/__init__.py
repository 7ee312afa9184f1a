"""The point-spread functions: the fraction of a source's light that falls into each pixel."""

from .choose import PSF_NAMES, choose_and_say, choose_psf
from .each import EachPSF
from .gaussian import GaussianPSF, gaussian_between, gaussian_in_unit_interval
from .image import ImagePSF, elongated
from .king import KingPSF, MoffatPSF, SumOfGaussians, gaussians_of_king
from .learnt import LearntPSF
from .protocol import PSF, SumOfProducts, light_in_pixels, profiles_in, with_slope
from .registry import describe_psf, in_words, know_psf, parse_psf, register_psf, width_in_words, width_symbol
from .telescopes import TELESCOPES, TelescopePSF, epic_psf, telescope_psf

__all__ = [
    "PSF",
    "PSF_NAMES",
    "TELESCOPES",
    "EachPSF",
    "GaussianPSF",
    "ImagePSF",
    "KingPSF",
    "LearntPSF",
    "MoffatPSF",
    "SumOfGaussians",
    "SumOfProducts",
    "TelescopePSF",
    "choose_and_say",
    "choose_psf",
    "describe_psf",
    "elongated",
    "epic_psf",
    "gaussian_between",
    "gaussian_in_unit_interval",
    "gaussians_of_king",
    "in_words",
    "know_psf",
    "light_in_pixels",
    "parse_psf",
    "profiles_in",
    "register_psf",
    "telescope_psf",
    "width_in_words",
    "width_symbol",
    "with_slope",
]
