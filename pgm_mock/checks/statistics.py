"""Statistics of an image that a wrong model changes: a small registry.

Each is a function of the counts, of the expected counts of a model that was fitted to them, and of the stamp's geometry
about the fitted position, for one image or for many at once. Large values speak against the model; of some small ones
do, too.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Num
from scipy import ndimage, special

_ANNULI = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 11.0, 15.0, 20.0, np.inf)
"""Radii of the profile's annuli [pixels]."""
_BLOCK = 5
type Values = Float[np.ndarray, "*n"]
"""A number for each image."""


class Fitted(NamedTuple):
    """A stamp and the model that was fitted to it, or n images of the stamp, each with its own fit or all with one.

    Attributes:
        counts, mean: observed and expected counts, shape (ny, nx) or (n, ny, nx).
        exposed: where there is exposure, shape (ny, nx).
        dx, dy: offsets of each pixel from the fitted position, shape (ny, nx) or (n, ny, nx) [pixels].
        radius: distance from it, shape (ny, nx) or (n, ny, nx) [pixels].
        width: fitted width of the PSF, one number or shape (n,) [pixels].
    """

    counts: Num[np.ndarray, "*n ny nx"]
    mean: Float[np.ndarray, "*n ny nx"]
    exposed: Bool[np.ndarray, "ny nx"]
    dx: Float[np.ndarray, "*n ny nx"]
    dy: Float[np.ndarray, "*n ny nx"]
    radius: Float[np.ndarray, "*n ny nx"]
    width: float | Float[np.ndarray, "*n"]

    @property
    def away(self) -> Bool[np.ndarray, "*n ny nx"]:
        """The exposed pixels that hold next to nothing of the source."""
        return self.exposed & (self.radius > np.maximum(4.0 * np.asarray(self.width), 5.0)[..., None, None])


class Statistic(NamedTuple):
    """A statistic and how it is read.

    Attributes:
        of: its value for a fitted stamp, one number; of n images, shape (n,).
        meaning: in words.
        two_sided: whether small values speak against the model as well.
    """

    of: Callable[[Fitted], Values]
    meaning: str
    two_sided: bool = False


def total_counts(fitted: Fitted) -> Values:
    """Counts in the stamp, less the expected ones, in standard deviations."""
    counts, expected = (image[..., fitted.exposed].sum(axis=-1) for image in (fitted.counts, fitted.mean))
    return (counts - expected) / np.sqrt(expected)


def _log_tail(counts: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Logarithm of the Poisson probability of so many counts or more."""
    found = np.zeros(counts.shape)
    some = counts > 0
    with np.errstate(divide="ignore"):
        found[some] = np.log(special.gammainc(counts[some], mean[some]))
    return found


def largest_pixel(fitted: Fitted) -> Values:
    """How improbable the most improbably bright pixel is, -log10 of its tail probability."""
    tail = _log_tail(*np.broadcast_arrays(fitted.counts[..., fitted.exposed], fitted.mean[..., fitted.exposed]))
    return -tail.min(axis=-1) / np.log(10)


def profile(fitted: Fitted) -> tuple[np.ndarray, np.ndarray]:
    """Counts and expected counts in each annulus about the position, shape (..., annuli); 0 without exposure."""
    ring = np.digitize(fitted.radius, _ANNULI[1:-1])[..., fitted.exposed]
    ring, counts, mean = np.broadcast_arrays(ring, fitted.counts[..., fitted.exposed], fitted.mean[..., fitted.exposed])
    *number, _ = ring.shape
    size = len(_ANNULI) - 1
    place = (ring.reshape(-1, ring.shape[-1]) + size * np.arange(math.prod(number))[:, None]).ravel()
    sums = (np.bincount(place, image.ravel(), size * math.prod(number)) for image in (counts, mean))
    counts, mean = (each.reshape(*number, size) for each in sums)
    return counts, mean


def radial_profile(fitted: Fitted) -> Values:
    """Chi-square of the counts in annuli about the position."""
    counts, mean = profile(fitted)
    return np.sum((counts - mean) ** 2 / np.where(mean > 0, mean, np.inf), axis=-1)


def dipole(fitted: Fitted) -> tuple[Values, Values]:
    """Slope of the residual away from the source along x and y, in standard deviations, about the stamp's middle."""
    away = fitted.away
    residual, mean = np.where(away, fitted.counts - fitted.mean, 0.0), np.where(away, fitted.mean, 0.0)
    enough = away.sum(axis=(-2, -1)) >= 10
    total = np.where(enough, mean.sum(axis=(-2, -1)), 1.0)
    slopes = []
    for offset in (fitted.dx, fitted.dy):
        lever = offset - (np.sum(mean * offset, axis=(-2, -1)) / total)[..., None, None]
        variance = np.sum(lever**2 * mean, axis=(-2, -1))
        slopes.append(
            np.where(enough, np.sum(lever * residual, axis=(-2, -1)) / np.sqrt(np.where(enough, variance, 1.0)), 0.0)
        )
    return slopes[0], slopes[1]


def background_gradient(fitted: Fitted) -> Values:
    """Squared slope of the residual away from the source."""
    return np.sum(np.square(dipole(fitted)), axis=0)


def blocks(fitted: Fitted) -> Float[np.ndarray, "*n ny nx"]:
    """How improbably bright each block of 5 x 5 pixels away from the source is, -log10 of its tail probability."""
    away, *images = np.broadcast_arrays(fitted.away, fitted.counts, fitted.mean)
    sides = (1,) * (away.ndim - 2) + (_BLOCK, _BLOCK)
    averages = (ndimage.uniform_filter(np.where(away, image, 0.0), sides, mode="constant") for image in images)
    counts, mean = (_BLOCK**2 * average for average in averages)
    found = np.zeros(away.shape)
    found[away] = -_log_tail(np.round(counts[away]), np.maximum(mean[away], 1e-12)) / np.log(10)
    return found


def brightest_block(fitted: Fitted) -> Values:
    """The most improbable of these blocks: an unmodelled neighbour."""
    return blocks(fitted).max(axis=(-2, -1))


def overdispersion(fitted: Fitted) -> Values:
    """Variance of the pixels beyond Poisson's, in standard deviations (score against extra variance)."""
    counts, mean = fitted.counts[..., fitted.exposed], fitted.mean[..., fitted.exposed]
    return np.sum((counts - mean) ** 2 - counts, axis=-1) / np.sqrt(2 * np.sum(mean**2, axis=-1))


def matched_filter(fitted: Fitted) -> Float[np.ndarray, "*n ny nx"]:
    """Significance of one more source at each pixel: the residual filtered with the fitted PSF [sd]."""
    width = np.maximum(fitted.width, 0.5)
    mean = np.where(fitted.exposed, fitted.mean, 1.0)
    ratio = np.where(fitted.exposed, fitted.counts / mean - 1.0, 0.0)
    weight = np.where(fitted.exposed, 1.0 / mean, 0.0)
    # The score is sum(P (N/mu - 1)), its variance sum(P^2 / mu); a Gaussian squared is one of width / sqrt(2).
    score = _smoothed(ratio, width)
    variance = _smoothed(weight, width / np.sqrt(2))
    variance /= (4 * np.pi * width**2)[..., None, None]
    return np.where(fitted.exposed, score / np.sqrt(np.maximum(variance, 1e-300)), 0.0)


def _smoothed(images: Float[np.ndarray, "*n ny nx"], width: float | np.ndarray) -> Float[np.ndarray, "*n ny nx"]:
    """Convolve each image with a Gaussian of its own width; outside there is nothing."""
    smooth = np.empty(images.shape)
    widths = np.broadcast_to(width, images.shape[:-2])
    for each in np.ndindex(widths.shape):
        ndimage.gaussian_filter(images[each], widths[each], mode="constant", output=smooth[each])
    return smooth


def filter_peak(fitted: Fitted) -> Values:
    """The largest of these significances."""
    return matched_filter(fitted).max(axis=(-2, -1))


def zero_fraction(fitted: Fitted) -> Values:
    """Exposed pixels without counts, less the expected number, in standard deviations."""
    empty = np.exp(-fitted.mean[..., fitted.exposed])
    zeros = np.sum(fitted.counts[..., fitted.exposed] == 0, axis=-1)
    return (zeros - empty.sum(axis=-1)) / np.sqrt(np.maximum(np.sum(empty * (1 - empty), axis=-1), 1e-300))


STATISTICS = {
    "total_counts": Statistic(total_counts, "counts in the stamp", two_sided=True),
    "largest_pixel": Statistic(largest_pixel, "brightest pixel"),
    "radial_profile": Statistic(radial_profile, "radial profile about the position"),
    "background_gradient": Statistic(background_gradient, "gradient of the background"),
    "brightest_block": Statistic(brightest_block, "brightest 5 x 5 block away from the source"),
    "overdispersion": Statistic(overdispersion, "variance of the pixels", two_sided=True),
    "filter_peak": Statistic(filter_peak, "peak of the filtered residual"),
    "zero_fraction": Statistic(zero_fraction, "pixels without counts", two_sided=True),
}
