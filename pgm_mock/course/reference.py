"""The model a second time, in NumPy and SciPy alone: what the checkers compare answers with."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy import special

Parameters = Mapping[str, float]
NAMES = ("x_pos", "y_pos", "flux", "background", "psf_width")


class Scene(NamedTuple):
    """An exposure map, its pixels' coordinates, each of shape (ny, nx), and the parameters of a source in it."""

    exposure: np.ndarray
    x: np.ndarray
    y: np.ndarray
    parameters: Parameters

    def but(self, **changed: float) -> "Scene":
        """The scene with some parameters changed."""
        return self._replace(parameters={**self.parameters, **changed})

    def swapped(self) -> "Scene":
        """The scene with the source's x and y exchanged."""
        return self.but(x_pos=self.parameters["y_pos"], y_pos=self.parameters["x_pos"])


def profile(ramp: np.ndarray, centre: float, width: float) -> np.ndarray:
    """The share of a Gaussian's light between the two edges of each pixel of a ramp."""
    return special.ndtr((ramp + 0.5 - centre) / width) - special.ndtr((ramp - 0.5 - centre) / width)


def light(x: np.ndarray, y: np.ndarray, parameters: Parameters) -> np.ndarray:
    """The share of a source's light in each pixel."""
    width = parameters["psf_width"]
    return profile(x, parameters["x_pos"], width) * profile(y, parameters["y_pos"], width)


def expected(scene: Scene) -> np.ndarray:
    """The expected counts of each pixel."""
    exposure, x, y, parameters = scene
    return exposure * (parameters["flux"] * light(x, y, parameters) + parameters["background"])


def log_likelihood(counts: np.ndarray, mean: np.ndarray) -> float:
    """The logarithm of the Poisson probability of the counts; pixels without exposure say nothing."""
    seen = mean > 0
    if (counts[~seen] > 0).any():
        return -np.inf
    counts, mean = counts[seen], mean[seen]
    return float(np.sum(special.xlogy(counts, mean) - mean - special.gammaln(counts + 1.0)))


def log_likelihoods(counts: np.ndarray, scene: Scene, fluxes: np.ndarray) -> np.ndarray:
    """The same for many fluxes of the source, up to a constant: only pixels with counts need a logarithm."""
    exposure, x, y, parameters = scene
    share, background = light(x, y, parameters), parameters["background"]
    seen = (counts > 0) & (exposure > 0)
    mean = exposure[seen] * (fluxes[:, None] * share[seen] + background)
    return (
        special.xlogy(counts[seen], mean).sum(axis=1) - fluxes * np.sum(exposure * share) - background * exposure.sum()
    )


def scenes() -> list[Scene]:
    """Three images of 23 rows and 31 columns with a source off the middle, a gap, and an exposure that falls off.

    The images do not start at pixel 1, are not square, and hold sources of three widths: so that exchanged axes,
    coordinates that count from 0, and light taken at the centres of pixels all show.
    """
    x, y = np.meshgrid(np.arange(101.0, 132.0), np.arange(98.0, 121.0))
    exposure = 2e4 / (1 + ((x - 95.0) / 30.0) ** 2)
    exposure[:, 24:26] = 0.0
    places = [(108.3, 115.6, 0.7, 4e-3), (116.8, 106.1, 1.4, 2e-3), (103.0, 110.4, 2.2, 6e-3)]
    return [
        Scene(exposure, x, y, dict(zip(NAMES, (x_pos, y_pos, flux, 6e-6, width), strict=True)))
        for x_pos, y_pos, width, flux in places
    ]
