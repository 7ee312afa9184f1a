"""The posterior of a stamp's parameters, one file for each method."""

from .fit import fit
from .many import fit_many, iter_fits
from .methods import METHODS
from .posterior import StampPosterior

__all__ = ["METHODS", "StampPosterior", "fit", "fit_many", "iter_fits"]
