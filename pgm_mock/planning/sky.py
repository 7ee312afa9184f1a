"""The background of an image that has sources in it."""

import numpy as np

from ..errors import InputError

_BOX, _REACH = 5, 4
"""Sides of the boxes that are compared with the background, and how far about one that is brighter is left out."""
_CHANCE = 1e-4
"""That a box of the background alone is so bright."""
_ROUNDS = 8


def sky_level(counts: np.ndarray, exposure: np.ndarray) -> float:
    """Measure a uniform background, leaving out what is brighter.

    Boxes of 5 x 5 pixels whose counts the background gives in less than 1 of 10,000 cases are left out with 4 pixels
    around them, and the rest is summed up anew, until nothing more is left out. It begins with the median box.

    Args:
        counts: shape (ny, nx).
        exposure: shape (ny, nx), 0 where nothing was observed [exposure unit].

    Returns:
        Counts per pixel and unit of exposure; half a count in all where there is none.

    Raises:
        InputError: sources all over the image.
    """
    from scipy import ndimage, stats

    counts, exposure = np.asarray(counts, float), np.asarray(exposure, float)
    in_box, time = (_BOX**2 * ndimage.uniform_filter(one, _BOX, mode="constant") for one in (counts, exposure))
    in_box = np.round(in_box)
    full = time > 0.5 * time.max()
    level = max(float(np.median(in_box[full] / time[full])), 0.5 / exposure.sum())
    kept = exposure > 0
    for _ in range(_ROUNDS):
        bright = stats.poisson.sf(in_box - 1, level * np.maximum(time, 1e-300)) < _CHANCE
        around = ndimage.maximum_filter(bright, 2 * _REACH + 1)
        before, kept = kept, (exposure > 0) & ~around
        if kept.sum() < 0.1 * (exposure > 0).sum():
            raise InputError(
                "background: expected some sky between the sources of the stamp, found none: give its level"
            )
        level = max(float(counts[kept].sum()), 0.5) / float(exposure[kept].sum())
        if np.array_equal(before, kept):
            break
    return level
