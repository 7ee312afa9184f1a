"""Several images of one source fitted together: a shared place, and for each image a flux, a background, an offset."""

from .fit import bands_of, epochs_of, fit_images
from .posterior import ImagesPosterior, hardness_ratio
from .priors import ImagesPriors

__all__ = ["ImagesPosterior", "ImagesPriors", "bands_of", "epochs_of", "fit_images", "hardness_ratio"]
