"""The position asked for: pixels, or right ascension and declination."""

from argparse import Namespace
from contextlib import suppress
from math import isfinite

from ..errors import InputError, shown
from ..observation import Observation
from .common import progress, read_observation

_DEMO_SOURCE = (271.0, 216.0)
_LONGEST = 100
"""Characters of an angle: astropy takes its time over long ones."""
_EXPECTED = "expected a position, --x X --y Y or --ra RA --dec DEC"


def position(options: Namespace, observation: Observation) -> tuple[float, float]:
    """Return the position asked for [FITS image pixels]; one on the sky is told on stderr in pixels.

    Raises:
        InputError: no position, half of one, two of them, or one that is not on the image's sky.
    """
    pixels, sky = (options.x, options.y), (options.ra, options.dec)
    if pixels == (None, None) and sky == (None, None):
        raise InputError(f"{_EXPECTED}, found none")
    if pixels != (None, None) and sky != (None, None):
        raise InputError(f"{_EXPECTED}, found some of both")
    if sky != (None, None):
        if None in sky:
            raise InputError(f"{_EXPECTED}, found --{'ra' if options.dec is None else 'dec'} alone")
        return _on_image(options.ra, options.dec, observation)
    if None in pixels:
        raise InputError(f"{_EXPECTED}, found --{'x' if options.y is None else 'y'} alone")
    return options.x, options.y


def has_position(options: Namespace) -> bool:
    """Whether any position was asked for."""
    return any(value is not None for value in (options.x, options.y, options.ra, options.dec))


def demo_or_stamp(options: Namespace) -> tuple[Observation, float, float]:
    """Return the stamp asked for, or one of the simulated field, and its position."""
    if options.image is None:
        if options.background_map is not None:
            raise InputError("--background-map: expected IMAGE and EXPOSURE beside it, found neither")
        from ..demo import demo_observation

        field = demo_observation()
        x, y = position(options, field) if has_position(options) else _DEMO_SOURCE
        return field.stamp(x, y, options.half_size), x, y
    if options.exposure is None:
        raise InputError("expected IMAGE and EXPOSURE, or neither for the simulated field; found IMAGE alone")
    field = read_observation(options)
    x, y = position(options, field)
    return field.stamp(x, y, options.half_size), x, y


def _on_image(ra: str, dec: str, observation: Observation) -> tuple[float, float]:
    """Place right ascension and declination (ICRS) in the image, to a thousandth of a pixel."""
    from astropy.coordinates import SkyCoord
    from astropy.wcs import NoConvergence

    if observation.wcs is None:
        raise InputError("--ra, --dec: expected celestial coordinates in IMAGE, found none")
    place = SkyCoord(_degrees("ra", ra), _degrees("dec", dec), unit="deg")
    try:
        x, y = (round(float(value) + 1, 3) for value in observation.wcs.world_to_pixel(place))
    except (NoConvergence, ValueError):
        x = y = float("nan")
    said = f"RA {place.ra.deg:.6f} Dec {place.dec.deg:+.6f} (ICRS)"
    if not (isfinite(x) and isfinite(y)):
        raise InputError(f"--ra, --dec: expected a position on the image's sky, found {said}")
    progress(f"{said} is x={x:.10g} y={y:.10g}")
    return x, y


def _degrees(name: str, text: str) -> float:
    """Read degrees, or sexagesimal hours of right ascension or degrees of declination."""
    from astropy.coordinates import Angle

    largest = 360.0 if name == "ra" else 90.0
    least = 0.0 if name == "ra" else -90.0
    value = float("nan")
    if len(text) <= _LONGEST:
        try:
            value = float(text)
        except ValueError:
            with suppress(ValueError, TypeError):  # what astropy says of a text, or of units, that it does not know
                value = float(Angle(text, unit="hourangle" if name == "ra" else "deg").deg)
    if not least <= value <= largest:
        example = "14:01:02.3" if name == "ra" else "+02:52:41"
        wanted = f"degrees from {least:g} to {largest:g}, or sexagesimal as {example}"
        raise InputError(f"--{name}: expected {wanted}, found {shown(text)}")
    return value
