"""The unit of an exposure map, and the unit of flux that follows from it."""

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .errors import InputError

# Spellings that astropy does not parse, and what they stand for.
_SPELLINGS = {
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
    "cts": "ct",
    "count": "ct",
    "counts": "ct",
    "photons": "photon",
    "cm**2": "cm2",
}
_SECONDS = "s"
_AREA = "cm2"
_AREA_SECONDS = "cm2 s ct / photon"


class ExposureUnit(NamedTuple):
    """The unit of an exposure map.

    Attributes:
        unit: as astropy writes it, for instance "s".
        factor: what the map's values have to be multiplied by to be in that unit.
        source: where it was learnt from, in words.
        assumed: whether it was guessed rather than read or given.
    """

    unit: str
    factor: float
    source: str
    assumed: bool


def exposure_unit(header: Mapping[str, Any], exposure: np.ndarray, given: str | None = None) -> ExposureUnit:
    """Find the unit of an exposure map: the one given, else BUNIT, else the size of max / EXPOSURE.

    A map in seconds has max / EXPOSURE near 1 (XMM-Newton, eROSITA, Swift). Chandra's has values of an effective
    area times time (hundreds of times EXPOSURE), or of an area alone, which is multiplied by EXPOSURE here.

    Args:
        header: FITS header of the map.
        exposure: its values, shape (ny, nx).
        given: the user's word, which stands over all else.

    Raises:
        InputError: `given` is no unit, or an area is met without an EXPOSURE keyword to multiply it by.
    """
    seconds = header.get("EXPOSURE")
    seconds = float(seconds) if isinstance(seconds, (int, float)) and seconds > 0 else None
    if given is not None:
        unit = _parse(given)
        if unit is None:
            raise InputError(f"exposure_unit: expected a unit that astropy reads, such as 's', found {given!r}")
        return _in_time(unit, seconds, "as given", assumed=False)
    unit = _parse(header.get("BUNIT"))
    if unit is not None:
        return _in_time(unit, seconds, f"from BUNIT = {header['BUNIT']!r}", assumed=False)
    if seconds is None:
        return ExposureUnit(_SECONDS, 1.0, "assumed: neither BUNIT nor EXPOSURE says", True)
    ratio = float(np.max(exposure)) / seconds
    said = f"assumed: max / EXPOSURE = {ratio:.3g}"
    if ratio > 5:
        return ExposureUnit(_AREA_SECONDS, 1.0, said, True)
    if ratio < 0.1 and np.max(exposure) < 5000:
        return _in_time(_AREA, seconds, said, assumed=True)
    return ExposureUnit(_SECONDS, 1.0, said, True)


def flux_unit(exposure: str) -> str:
    """Return the unit of flux: counts per unit of exposure, as astropy writes it ("ct / s", "photon / (s cm2)")."""
    from astropy import units

    return (units.ct / units.Unit(exposure)).to_string()


def _parse(text: Any) -> str | None:
    """Return a unit of exposure as astropy writes it, or None where the text is none."""
    from astropy import units

    if not isinstance(text, str) or not text.strip():
        return None
    spelled = " ".join(text.replace("*", " * ").replace("/", " / ").replace(" *  * ", "**").split())
    spelled = " ".join(_SPELLINGS.get(word, word) for word in spelled.split())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", units.UnitsWarning)
            unit = units.Unit(spelled)
    except ValueError:
        return None
    counts_per_photon = units.ct / units.photon
    times = (units.s, units.s * units.cm**2, units.cm**2, units.s * units.cm**2 * counts_per_photon)
    exposures = (*times, units.cm**2 * counts_per_photon)
    return unit.to_string() if any(unit.is_equivalent(known) for known in exposures) else None


def _in_time(unit: str, seconds: float | None, source: str, *, assumed: bool) -> ExposureUnit:
    """Turn an effective area into area times time; leave every other unit as it is."""
    from astropy import units

    found = units.Unit(unit)
    if units.s in found.decompose().bases:
        return ExposureUnit(unit, 1.0, source, assumed)
    if seconds is None:
        raise InputError(f"exposure map in {unit}: expected an EXPOSURE keyword to multiply it by, found none")
    area = found if found.is_equivalent(units.cm**2) else found / (units.ct / units.photon)
    said = f"{source}; an area, times EXPOSURE = {seconds:g} s"
    return ExposureUnit(_AREA_SECONDS, seconds * area.to(units.cm**2), said, assumed)
