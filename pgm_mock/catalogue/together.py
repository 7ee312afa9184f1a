"""Stamps of several images for a row of a catalogue: cut, masked, and with their priors."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import InputError
from ..inference.together import ImagesPriors, bands_of
from ..observation import Observation
from ..skystamps import SkyStamps

if TYPE_CHECKING:
    from ..regions import Region
    from .fields import Field
    from .sources import Settings

_FIXED = 0.01
"""Standard deviation of a place that is fixed [arcsec]."""


class Together(NamedTuple):
    """Several images of a source.

    Attributes:
        stamps: of those images that see the place.
        priors: of them.
        names: of all images of the field.
        shapes: of the stamps of all images, by name.
        bands: names of the images in each band, of the first epoch of each camera.
        first: where the place is in the field's first image (2,) [pixels], and
        matrix: from arcsec east and north to its pixels, (2, 2).
        radius: of the region [arcsec], or NaN.
    """

    stamps: SkyStamps
    priors: ImagesPriors
    names: tuple[str, ...]
    shapes: dict[str, tuple[int, int]]
    bands: dict[str, list[str]]
    first: np.ndarray
    matrix: np.ndarray
    radius: float

    @classmethod
    def of(
        cls,
        name: str,
        field: "Field",
        region: "Region",
        other_regions: Sequence["Region"],
        radii: Sequence[float],
        settings: "Settings",
    ) -> "Together":
        """Cut the stamps about a region, given in the pixels of the field's first image.

        Args:
            name: of the source.
            field: with images.
            region: of the source.
            other_regions: sources whose circles are masked in each image.
            radii: of those circles [pixels of the first image].
            settings: half_size, psf, position and offset.

        Raises:
            InputError: a place that no image sees, or components or a sampling that images do not take.
        """
        images = field.images
        if images is None:
            raise InputError("field: expected several images, found one")
        settings = settings.of_images()
        if not np.isfinite([region.x, region.y]).all():
            raise InputError(f"{name}: expected a place on the image's sky, found none")
        wcs = images[0].observation.wcs.celestial
        sky = wcs.pixel_to_world(region.x - 1.0, region.y - 1.0).icrs
        stamps = images.stamps(float(sky.ra.deg), float(sky.dec.deg), settings.half_size, name=name)
        matrix = images[0].matrix(sky)
        scale = float(np.abs(np.linalg.det(matrix)) ** -0.5)
        radius = region.radius * scale
        wanted = radius if np.isfinite(radius) and radius > 0 else None
        priors = ImagesPriors.default(stamps, settings.psf, offset=settings.offset, radius=wanted)
        if settings.position == "fixed":
            priors = replace(priors, spread=_FIXED, reach=5 * _FIXED)
        away = np.linalg.solve(
            matrix, np.array([[one.x - region.x, one.y - region.y] for one in other_regions]).reshape(-1, 2).T
        )
        arcsec = [float(each) * scale for each in radii]
        cut = []
        for image, at, own in zip(stamps.images, stamps.places, stamps.matrices, strict=True):
            seen = image.observation
            sky_of = np.stack([seen.x - at[0], seen.y - at[1]], axis=-1) @ np.linalg.inv(own).T
            coordinates = sky_of[..., 0], sky_of[..., 1]
            left = exposure_left(seen, coordinates, (0.0, 0.0), list(map(tuple, away.T)), arcsec)
            if not (left > 0).any():
                raise InputError(f"{name}: expected some exposure that other sources' circles leave, found none")
            cut.append(replace(image, observation=replace(with_exposure(seen, left), header=None, wcs=None)))
        shapes = {image.name: (2 * image.half_size(settings.half_size, images[0]) + 1,) * 2 for image in images}
        bands = {label: [images.names[number] for number in group] for label, group in bands_of(images).items()}
        first = np.array([region.x, region.y])
        return cls(
            replace(stamps, images=tuple(cut)), priors, tuple(images.names), shapes, bands, first, matrix, radius
        )


def exposure_left(
    stamp: Observation,
    coordinates: tuple[np.ndarray, np.ndarray],
    place: tuple[float, float],
    other_places: Sequence[tuple[float, float]],
    radii: Sequence[float],
) -> np.ndarray:
    """Take the exposure from the circles of other sources; what is nearer to the source itself stays.

    Args:
        stamp: of the source.
        coordinates: of its pixels, in pixels or on the sky, shape (ny, nx) each.
        place: of the source, in the same coordinates.
        other_places: places of other sources.
        radii: of their circles.
    """
    x, y = coordinates
    exposure = stamp.exposure.copy()
    own = np.hypot(x - place[0], y - place[1])
    for other, radius in zip(other_places, radii, strict=True):
        distance = np.hypot(x - other[0], y - other[1])
        exposure[(distance <= radius) & (distance < own)] = 0.0
    return exposure


def with_exposure(stamp: Observation, exposure: np.ndarray) -> Observation:
    """Return a stamp with less exposure, and no counts where it has none."""
    return replace(stamp, counts=np.where(exposure > 0, stamp.counts, 0), exposure=exposure)
