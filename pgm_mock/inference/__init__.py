"""The posterior of a stamp's parameters, one file for each method."""

from .best import best_fit
from .density import credible_interval, hdi, marginal, mode
from .fit import fit
from .grid import grid_posterior
from .many import fit_many, iter_fits
from .methods import METHODS
from .posterior import StampPosterior
from .together import ImagesPriors, hardness_ratio

__all__ = [
    "METHODS",
    "ImagesPriors",
    "StampPosterior",
    "best_fit",
    "credible_interval",
    "fit",
    "fit_many",
    "grid_posterior",
    "hardness_ratio",
    "hdi",
    "iter_fits",
    "marginal",
    "mode",
]
