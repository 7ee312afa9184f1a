"""Slivers of exposure: pixels that saw the sky for much less time than those around them."""

import warnings
from typing import NamedTuple

import numpy as np

from .errors import DataWarning, InputError

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
        warnings.warn(f"{label}: {taken.line()}", DataWarning, 3)
    return np.where(thin, 0, counts), np.where(thin, 0.0, exposure), taken
