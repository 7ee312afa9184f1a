"""Slivers of exposure: pixels that saw the sky for much less time than those around them."""

from typing import NamedTuple

import numpy as np

from .errors import InputError, warn

_AROUND = 9
"""Side of the square that is "around" a pixel [pixels]."""


class Slivers(NamedTuple):
    """What was taken from an image for want of exposure.

    Attributes:
        pixels: how many.
        counts: that lay on them.
        share: of the largest exposure around them that they did not reach.
    """

    pixels: int = 0
    counts: int = 0
    share: float = 0.0

    def line(self) -> str:
        """Say it in one line."""
        said = f"{self.counts} counts on {self.pixels:,} pixels with less than {self.share:.0%} of the exposure"
        return f"{said} around them: left out"


def without_slivers(
    counts: np.ndarray, exposure: np.ndarray, share: float, label: str
) -> tuple[np.ndarray, np.ndarray, Slivers]:
    """Take pixels whose exposure is below a share of the largest in the 9 x 9 pixels around them.

    At a detector's edge the pointing's drift leaves some pixels exposed for a moment: 65 s of 18,000 s, say. A photon
    there looks like a bright source. Taking such pixels away a second time finds none: those that stay have no larger
    exposure around them than before.

    Args:
        counts, exposure: shape (ny, nx).
        share: from 0, which leaves all as it is, to below 1.
        label: what a warning calls the image.

    Returns:
        Counts and exposure, 0 there, and what was taken.

    Raises:
        InputError: a share outside of that.
    """
    if not 0 <= share < 1:
        raise InputError(f"min_exposure: expected a share from 0 to below 1, found {share:g}")
    if share == 0:
        return counts, exposure, Slivers()
    from scipy.ndimage import maximum_filter

    thin = (exposure > 0) & (exposure < share * maximum_filter(exposure, _AROUND, mode="constant"))
    taken = Slivers(int(thin.sum()), int(counts[thin].sum()), share)
    if taken.counts:
        warn(f"{label}: {taken.line()}")
    return np.where(thin, 0, counts), np.where(thin, 0.0, exposure), taken


_HOT_COUNTS, _HOT_SHARE = 100, 0.1
"""A pixel with so many counts whose eight neighbours have together less than this part of them is hot."""


def without_hot_pixels(
    counts: np.ndarray, exposure: np.ndarray, label: str, origin: tuple[int, int] = (1, 1)
) -> tuple[np.ndarray, np.ndarray]:
    """Take pixels that shine alone, which no PSF lets a source do, and warn of them.

    Args:
        counts, exposure: shape (ny, nx).
        label: what a warning calls the image.
        origin: (x, y) of the first pixel.

    Returns:
        Counts and exposure, 0 there.
    """
    from scipy.ndimage import uniform_filter

    around = 9.0 * uniform_filter(counts.astype(float), 3, mode="constant") - counts
    seen = uniform_filter((exposure > 0).astype(float), 3, mode="constant") > 0.99
    hot = (counts >= _HOT_COUNTS) & (around < _HOT_SHARE * counts) & seen
    if not hot.any():
        return counts, exposure
    row, column = np.unravel_index(np.argmax(np.where(hot, counts, 0)), counts.shape)
    place = f"pixel {column + origin[0]}, {row + origin[1]}"
    said = f"{place} has {counts[row, column]:,} counts, the eight about it {around[row, column]:.0f}"
    more = f", and {hot.sum() - 1} more pixels likewise" if hot.sum() > 1 else ""
    warn(f"{label}: {said}{more}: no PSF does that, left out")
    return np.where(hot, 0, counts), np.where(hot, 0.0, exposure)
