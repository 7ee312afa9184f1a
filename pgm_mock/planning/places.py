"""Where a source is planned: a place in an existing field, or on a detector of which only the numbers are known."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..errors import InputError, did_you_mean, shown, warn
from ..fitsimage import pixel_degrees
from ..observation import Observation
from ..psf import PSF, KingPSF, choose_psf
from ..psf.telescopes import TELESCOPES, Telescope, pointing_of
from .sky import sky_level

_PHASE = 0.25
"""Of a source on a bare detector: how far from the middle of its pixel, along x and along y."""
_LEAST_LIGHT = 0.5


class Place(NamedTuple):
    """A place at which a source is planned.

    Attributes:
        name: in words.
        x, y: the source's position [FITS image pixels].
        off_axis: angle from the optical axis [arcmin]; NaN where it is not known.
        seconds: exposure of each pixel of the stamp for one second of the exposure asked for, shape (ny, nx).
        origin: (x, y) of the stamp's first pixel.
        background: [count / s / pixel].
        psf: there; its width is its typical one.
        pixel: side of a pixel [arcsec].
    """

    name: str
    x: float
    y: float
    off_axis: float
    seconds: np.ndarray
    origin: tuple[int, int]
    background: float
    psf: PSF
    pixel: float

    def stamp(self, exposure: float, counts: np.ndarray | None = None, name: str = "") -> Observation:
        """Return the stamp in an exposure [s], with counts or without any."""
        counts = np.zeros(self.seconds.shape, int) if counts is None else counts
        return Observation(counts, exposure * self.seconds, self.origin, name=name or self.name)


def detector_places(
    telescope: str,
    background: float,
    pixel: float,
    off_axis: Sequence[float],
    half_size: int = 20,
    energy: float | None = None,
) -> list[Place]:
    """Return places on a detector without files: the same exposure everywhere, no gap.

    Args:
        telescope: the name of a row of `TELESCOPES`.
        background: at the place [count / s / pixel].
        pixel: side of a pixel [arcsec].
        off_axis: angles from the optical axis, one for each place [arcmin].
        half_size: of the stamps [pixels].
        energy: for which the PSF is [keV]; by default the row's own.

    Raises:
        InputError: an unknown telescope, or a number that cannot be.

    Warns:
        DataWarning: an angle or energy beyond what is published of the PSF, which is taken at its end; angles for a
            PSF that is published as one for the whole field; a stamp that misses half of the light.
    """
    row = _row(telescope)
    if not (np.isfinite(pixel) and 1e-3 <= pixel <= 1e4):
        raise InputError(f"pixel: expected a side of 0.001 to 10,000 arcsec, found {pixel:g}")
    if not len(off_axis) or not all(np.isfinite(angle) and 0 <= angle <= 600 for angle in off_axis):
        raise InputError(f"off_axis: expected angles of 0 to 600 arcmin, found {shown(list(off_axis))}")
    if energy is not None and not (np.isfinite(energy) and energy > 0):
        raise InputError(f"energy: expected a number of keV above 0, found {energy:g}")
    checked_background(background)
    _say_limits(row, off_axis, energy)
    middle = half_size + 1 + _PHASE
    seconds = np.ones((2 * half_size + 1,) * 2)
    found = []
    for angle in off_axis:
        psf = _psf_of(row, angle, pixel, energy)
        place = Place(f"{angle:g}' off axis", middle, middle, float(angle), seconds, (1, 1), background, psf, pixel)
        found.append(_with_light(place))
    return found


def field_places(
    observation: Observation,
    positions: Sequence[tuple[float, float]] = (),
    off_axis: Sequence[float] = (),
    half_size: int = 20,
    background: float | None = None,
    psf: str = "auto",
    psf_sampling: float | None = None,
) -> list[Place]:
    """Return places in a field, with the gaps and the vignetting of its exposure map.

    An exposure asked for is that of the map's largest value; the map is scaled to it. The background is measured in
    each stamp (`sky_level`), cut at its sources.

    Args:
        observation: counts and exposure map, in a unit of time.
        positions: (x, y) of the places [FITS image pixels].
        off_axis: more places, at these angles from the header's pointing [arcmin], where the exposure is the median of
            those around the axis.
        half_size: of the stamps [pixels].
        background: [count / s / pixel]; by default it is measured.
        psf, psf_sampling: as `choose_psf` takes them.

    Raises:
        InputError: an exposure map in a unit that is no time, an image without celestial coordinates or, with
            `off_axis`, without a pointing, or a place that is not exposed.

    Warns:
        DataWarning: a stamp that misses half of the light.
    """
    from astropy.units import Unit

    unit = Unit(observation.exposure_unit)
    if not unit.is_equivalent("s"):
        wanted = "an exposure map in a unit of time, as exposures are planned in ks"
        raise InputError(
            f"exposure map: expected {wanted}; found {observation.exposure_unit!r} (--exposure-unit, or --telescope)"
        )
    if background is not None:
        checked_background(background)
    size = pixel_side(observation)
    angles = off_axis_map(observation)
    chosen = [(x, y, f"x={x:g} y={y:g}") for x, y in positions]
    chosen += [(*_typical_place(observation, angles, angle, half_size), f"{angle:g}' off axis") for angle in off_axis]
    in_seconds, found = float(unit.to("s")), []
    for x, y, name in chosen:
        stamp = observation.stamp(x, y, half_size)
        level = sky_level(stamp.counts, stamp.exposure) / in_seconds if background is None else background
        own = choose_psf(psf, observation.header, observation.wcs, x, y, psf_sampling)
        angle = _at(angles, observation, x, y)
        seconds = stamp.exposure / float(observation.exposure.max())
        found.append(_with_light(Place(name, x, y, angle, seconds, stamp.origin, level, own, size)))
    return found


def checked_background(level: float) -> None:
    """Refuse a background that no image has."""
    if not (np.isfinite(level) and 0 < level <= 1e6):
        raise InputError(f"background: expected a rate above 0 and up to 1e6 ct / s / pixel, found {level:g}")


def pixel_side(observation: Observation) -> float:
    """Return the side of a pixel of an image with celestial coordinates [arcsec]."""
    if observation.wcs is None:
        raise InputError("image: expected celestial coordinates, which give the size of a pixel; found none")
    return 3600.0 * pixel_degrees(observation.wcs)


def off_axis_map(observation: Observation) -> np.ndarray | None:
    """Return the angle of each pixel from the header's pointing [arcmin], shape (ny, nx); None without a pointing."""
    header, wcs = observation.header, observation.wcs
    axis = None if header is None or wcs is None else pointing_of(header, wcs)
    if axis is None:
        return None
    return pixel_side(observation) / 60.0 * np.hypot(observation.x - axis[0], observation.y - axis[1])


def _at(angles: np.ndarray | None, observation: Observation, x: float, y: float) -> float:
    if angles is None:
        return float("nan")
    column, row = int(np.floor(x + 0.5)) - observation.origin[0], int(np.floor(y + 0.5)) - observation.origin[1]
    inside = 0 <= row < angles.shape[0] and 0 <= column < angles.shape[1]
    return float(angles[row, column]) if inside else float("nan")


def _typical_place(
    observation: Observation, angles: np.ndarray | None, angle: float, half_size: int
) -> tuple[float, float]:
    """Return the exposed pixel at an off-axis angle whose surroundings have the median exposure of its ring."""
    from scipy.ndimage import uniform_filter

    if angles is None:
        raise InputError(
            "off_axis: expected a pointing in the image's header (RA_PNT, DEC_PNT), found none: give a place"
        )
    width = np.hypot(*np.gradient(angles)).max()
    around = uniform_filter(observation.exposure, half_size + 1, mode="constant")
    ring = np.argwhere((np.abs(angles - angle) <= width) & (observation.exposure > 0))
    if not len(ring):
        raise InputError(f"off_axis: expected an angle within the exposed field, found {angle:g}'")
    order = np.argsort(around[tuple(ring.T)], kind="stable")
    row, column = ring[order[len(order) // 2]]
    return float(column + observation.origin[0]), float(row + observation.origin[1])


def _row(name: str) -> Telescope:
    for row in TELESCOPES:
        if row.name.casefold() == name.strip().casefold():
            return row
    known = [row.name for row in TELESCOPES]
    raise InputError(f"telescope: expected {', '.join(known)}, found {shown(name)}{did_you_mean(name, known)}")


def _psf_of(row: Telescope, angle: float, pixel: float, energy: float | None) -> PSF:
    energy = row.energy if energy is None else energy
    low, high = row.energies
    used = np.nan if energy is None else min(max(energy, low), high)
    shape = row.shape(used, min(angle, row.farthest))
    if isinstance(shape, KingPSF):
        return KingPSF(shape.slope, float(shape.typical_width) / pixel)
    return type(shape)(shape.sigma / pixel, shape.share, shape.width_spread)


def _say_limits(row: Telescope, off_axis: Sequence[float], energy: float | None) -> None:
    """Warn of angles and energies for which the PSF is not published."""
    if not row.farthest and any(off_axis):
        warn(f"off_axis: the PSF of {row.name} is published as one for the whole field")
    elif beyond := [angle for angle in off_axis if angle > row.farthest]:
        said = f"the PSF of {row.name} is published up to {row.farthest:g}'"
        warn(f"off_axis: {said}, and taken as it is there at {max(beyond):g}'")
    if energy is not None and row.energy is None:
        warn(f"energy: the PSF of {row.name} is published without its dependence on energy")
    elif energy is not None and not row.energies[0] <= energy <= row.energies[1]:
        said = f"used from {row.energies[0]:g} to {row.energies[1]:g} keV"
        warn(f"energy: the PSF of {row.name} is {said}, found {energy:g}")


def _with_light(place: Place) -> Place:
    """Return a place, with a warning where its stamp misses half of the light."""
    from .forecast import light_of

    seen = float(np.sum(light_of(place) * (place.seconds > 0)))
    if seen < 1e-3:
        raise InputError(f"{place.name}: expected exposed pixels where the source's light falls, found none")
    if seen < _LEAST_LIGHT:
        said = f"the exposed pixels of its stamp hold {seen:.0%} of the source's light"
        warn(f"{place.name}: {said}; a larger half_size may hold more")
    return place
