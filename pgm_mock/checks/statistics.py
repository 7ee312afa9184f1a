"""Statistics of an image that a wrong model changes: a small registry.

Each is a function of the counts, of the expected counts of a model that was fitted to them, and of the stamp's geometry
about the fitted position. Large values speak against the model, unless both sides do.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Num
from scipy import ndimage, special

_ANNULI = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 11.0, 15.0, 20.0, np.inf)
"""Radii of the profile's annuli [pixels]."""
_BLOCK = 5


class Fitted(NamedTuple):
    """A stamp and the model that was fitted to it.

    Attributes:
        counts, mean: observed and expected counts, shape (ny, nx).
        exposed: where there is exposure.
        dx, dy: offsets of each pixel from the fitted position [pixels].
        radius: distance from it [pixels].
        width: fitted width of the PSF [pixels].
    """

    counts: Num[np.ndarray, "ny nx"]
    mean: Float[np.ndarray, "ny nx"]
    exposed: Bool[np.ndarray, "ny nx"]
    dx: Float[np.ndarray, "ny nx"]
    dy: Float[np.ndarray, "ny nx"]
    radius: Float[np.ndarray, "ny nx"]
    width: float

    @property
    def away(self) -> Bool[np.ndarray, "ny nx"]:
        """The exposed pixels that hold next to nothing of the source."""
        return self.exposed & (self.radius > max(4.0 * self.width, 5.0))


class Statistic(NamedTuple):
    """A statistic and how it is read.

    Attributes:
        of: its value for a fitted stamp.
        meaning: in words.
        two_sided: whether small values speak against the model as well.
    """

    of: Callable[[Fitted], float]
    meaning: str
    two_sided: bool = False


def total_counts(fitted: Fitted) -> float:
    """Counts in the stamp, less the expected ones, in standard deviations."""
    expected = fitted.mean[fitted.exposed].sum()
    return float((fitted.counts[fitted.exposed].sum() - expected) / np.sqrt(expected))


def _log_tail(counts: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Logarithm of the Poisson probability of so many counts or more."""
    found = np.zeros(counts.shape)
    some = counts > 0
    with np.errstate(divide="ignore"):
        found[some] = np.log(special.gammainc(counts[some], mean[some]))
    return found


def largest_pixel(fitted: Fitted) -> float:
    """How improbable the most improbably bright pixel is, -log10 of its tail probability."""
    tail = _log_tail(fitted.counts[fitted.exposed], fitted.mean[fitted.exposed])
    return float(-tail.min() / np.log(10))


def profile(fitted: Fitted) -> tuple[np.ndarray, np.ndarray]:
    """Counts and expected counts in each annulus about the position; annuli without exposure are left out."""
    ring = np.digitize(fitted.radius, _ANNULI[1:-1])[fitted.exposed]
    size = len(_ANNULI) - 1
    counts = np.bincount(ring, fitted.counts[fitted.exposed], size)
    mean = np.bincount(ring, fitted.mean[fitted.exposed], size)
    there = mean > 0
    return counts[there], mean[there]


def radial_profile(fitted: Fitted) -> float:
    """Chi-square of the counts in annuli about the position."""
    counts, mean = profile(fitted)
    return float(np.sum((counts - mean) ** 2 / mean))


def dipole(fitted: Fitted) -> tuple[float, float]:
    """Slope of the residual away from the source along x and y, in standard deviations, about the stamp's middle."""
    away = fitted.away
    if away.sum() < 10:
        return 0.0, 0.0
    residual, mean = (fitted.counts - fitted.mean)[away], fitted.mean[away]
    slopes = []
    for offset in (fitted.dx[away], fitted.dy[away]):
        lever = offset - np.average(offset, weights=mean)
        slopes.append(float(np.sum(lever * residual) / np.sqrt(np.sum(lever**2 * mean))))
    return slopes[0], slopes[1]


def background_gradient(fitted: Fitted) -> float:
    """Squared slope of the residual away from the source."""
    return float(np.sum(np.square(dipole(fitted))))


def blocks(fitted: Fitted) -> Float[np.ndarray, "ny nx"]:
    """How improbably bright each block of 5 x 5 pixels away from the source is, -log10 of its tail probability."""
    away = fitted.away
    averages = (ndimage.uniform_filter(np.where(away, image, 0.0), _BLOCK, mode="constant") for image in fitted[:2])
    counts, mean = (_BLOCK**2 * average for average in averages)
    found = np.zeros(away.shape)
    found[away] = -_log_tail(np.round(counts[away]), np.maximum(mean[away], 1e-12)) / np.log(10)
    return found


def brightest_block(fitted: Fitted) -> float:
    """The most improbable of these blocks: an unmodelled neighbour."""
    return float(blocks(fitted).max())


def overdispersion(fitted: Fitted) -> float:
    """Variance of the pixels beyond Poisson's, in standard deviations (score against extra variance)."""
    counts, mean = fitted.counts[fitted.exposed], fitted.mean[fitted.exposed]
    return float(np.sum((counts - mean) ** 2 - counts) / np.sqrt(2 * np.sum(mean**2)))


def matched_filter(fitted: Fitted) -> Float[np.ndarray, "ny nx"]:
    """Significance of one more source at each pixel: the residual filtered with the fitted PSF [sd]."""
    width = max(fitted.width, 0.5)
    ratio = np.where(fitted.exposed, fitted.counts / np.where(fitted.exposed, fitted.mean, 1.0) - 1.0, 0.0)
    weight = np.where(fitted.exposed, 1.0 / np.where(fitted.exposed, fitted.mean, 1.0), 0.0)
    # The score is sum(P (N/mu - 1)), its variance sum(P^2 / mu); a Gaussian squared is one of width / sqrt(2).
    score = ndimage.gaussian_filter(ratio, width, mode="constant")
    variance = ndimage.gaussian_filter(weight, width / np.sqrt(2), mode="constant") / (4 * np.pi * width**2)
    return np.where(fitted.exposed, score / np.sqrt(np.maximum(variance, 1e-300)), 0.0)


def filter_peak(fitted: Fitted) -> float:
    """The largest of these significances."""
    return float(matched_filter(fitted).max())


def zero_fraction(fitted: Fitted) -> float:
    """Exposed pixels without counts, less the expected number, in standard deviations."""
    empty = np.exp(-fitted.mean[fitted.exposed])
    zeros = np.sum(fitted.counts[fitted.exposed] == 0)
    return float((zeros - empty.sum()) / np.sqrt(max(np.sum(empty * (1 - empty)), 1e-300)))


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
