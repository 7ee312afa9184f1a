"""A circle in an image: what a list of sources is made of."""

import math
from typing import NamedTuple

from .errors import InputError


class Region(NamedTuple):
    """A circle in an image.

    Attributes:
        name: from the file, or the number of the circle in it, from 1.
        x, y: its centre [FITS image pixels]; NaN where it cannot be placed in the image.
        radius: [pixels]; NaN where the file gives none.
    """

    name: str
    x: float
    y: float
    radius: float


def circle(name: str, x: float, y: float, radius: float = math.nan, *, where: str) -> Region:
    """Return a circle; `where` stands before the message of the InputError of a radius that is none."""
    if radius <= 0 or math.isinf(radius):
        raise InputError(f"{where}: expected a radius > 0, found {radius:g}")
    return Region(name, x, y, radius)
