"""Stamps of several images about one place on the sky, and how its plane maps to each image's pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .fitsimage import pixel_degrees
from .observation import Observation

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

_STEP = 10.0
"""Distance [arcsec] over which an image's coordinates are differentiated."""
_NEAR, _LEAST_SEEN = 4.0, 0.02
"""An image sees a place where this share of its largest exposure falls on the pixels so near [pixels]."""


@dataclass(frozen=True, eq=False)
class SkyImage:
    """One of several images.

    Attributes:
        observation: with celestial coordinates.
        name: letters, digits and underscores; columns and parameters are called after it.
        camera: such as "EPN", or "".
        band: lower and upper energy [keV], or None.
        epoch: when it was begun, as the header's DATE-OBS has it, or "".
    """

    observation: Observation
    name: str
    camera: str = ""
    band: tuple[float, float] | None = None
    epoch: str = ""

    def place_of(self, sky: "SkyCoord") -> tuple[float, float]:
        """Return where a place on the sky is in the image [FITS image pixels]; NaN where it is not."""
        from astropy.wcs import NoConvergence

        try:
            x, y = self.observation.wcs.celestial.world_to_pixel(sky)  # type: ignore[union-attr]
        except (NoConvergence, ValueError):
            return float("nan"), float("nan")
        return float(x) + 1.0, float(y) + 1.0

    def half_size(self, pixels: int, first: "SkyImage") -> int:
        """Return how many pixels cover as much sky as so many of the first image, at least 2."""
        sizes = [pixel_degrees(one.observation.wcs.celestial) for one in (self, first)]  # type: ignore[union-attr]
        return max(2, round(pixels * sizes[1] / sizes[0]))

    def sees(self, sky: "SkyCoord") -> bool:
        """Whether there is exposure about a place."""
        seen = self.observation
        x, y = self.place_of(sky)
        if not (np.isfinite(x) and np.isfinite(y)):
            return False
        near = np.hypot(seen.x - x, seen.y - y) <= _NEAR
        return bool(seen.exposure[near].sum() >= _LEAST_SEEN * seen.exposure.max() * np.pi * _NEAR**2)

    def matrix(self, sky: "SkyCoord") -> np.ndarray:
        """Differentiate the pixel of a place by arcsec east and north, in the plane that touches the sky there."""
        from astropy import units
        from astropy.coordinates import SkyCoord

        frame = sky.skyoffset_frame()
        columns = []
        for east, north in ((_STEP, 0.0), (0.0, _STEP)):
            ends = []
            for sign in (1.0, -1.0):
                away = SkyCoord(sign * east * units.arcsec, sign * north * units.arcsec, frame=frame)
                ends.append(np.array(self.place_of(away.transform_to("icrs"))))
            columns.append((ends[0] - ends[1]) / (2.0 * _STEP))
        return np.stack(columns, axis=1)


@dataclass(frozen=True, eq=False)
class SkyStamps(Sequence[SkyImage]):
    """Stamps of several images about one place on the sky: what `fit` takes.

    Attributes:
        images: with stamps as observations.
        name: of the source.
        ra, dec: the place, ICRS [degrees].
        places: (x, y) of the place in each image, shape (n, 2) [FITS image pixels].
        matrices: from arcsec east and north of the place to pixels, shape (n, 2, 2).
        left_out: names of the images that do not see the place.
    """

    images: tuple[SkyImage, ...]
    name: str
    ra: float
    dec: float
    places: np.ndarray
    matrices: np.ndarray
    left_out: tuple[str, ...] = ()

    def __getitem__(self, index: Any) -> Any:
        return self.images[index]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def names(self) -> list[str]:
        """Of the images, in order."""
        return [image.name for image in self.images]

    @property
    def pixel(self) -> float:
        """The median size of the images' pixels [arcsec]."""
        return float(np.median(np.abs(np.linalg.det(self.matrices)) ** -0.5))
