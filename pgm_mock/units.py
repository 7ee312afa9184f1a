"""The unit of an exposure map, and the unit of flux that follows from it."""

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .errors import InputError, shown, warn

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
_FAR = 5.0
"""Factor by which max / EXPOSURE may differ from 1 before a unit is doubted."""
_SHORTEST, _LONGEST = 1e-2, 1e9
"""Exposures of telescopes [s]."""
_LEAST_AREA = 5.0
"""Effective area that a telescope has at its axis, at least [cm2]."""
_USUAL = ("s", "ks", "Ms", "min", "h", "d")
"""Units of time in which exposure maps come; others are doubted where no EXPOSURE confirms them."""
_LONGEST_TEXT = 100
"""Characters of a unit: astropy takes its time over long ones."""
_SHORT = 100.0
"""A map without a unit whose values are smaller may not be in seconds."""
_LIKE_KILOSECONDS = 5e-4, 1.2e-3
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
    area times time (hundreds of times EXPOSURE), or of an area alone, which is multiplied by EXPOSURE here. A unit of
    time, given or from BUNIT, in which the map's largest value and EXPOSURE are more than a factor of 5 apart is taken
    with a warning; an EXPOSURE that no telescope has is left out of account, with a warning too. So is a guess that may
    well be another unit.

    Args:
        header: FITS header of the map.
        exposure: its values, shape (ny, nx).
        given: the user's word, which stands over all else.

    Raises:
        InputError: `given` is no unit, or an area is met without an EXPOSURE keyword to multiply it by.
    """
    seconds, most = _seconds(header), float(np.max(exposure))
    if given is not None:
        unit = _parse(given)
        if unit is None:
            wanted = "expected a unit of time, of area, or of both, such as 's' or 'cm2 s'"
            raise InputError(f"exposure_unit: {wanted}, found {shown(given)}")
        _doubt(unit, most, seconds, f"{given!r}, as given")
        return _in_time(unit, seconds, "as given", assumed=False)
    unit = _parse(header.get("BUNIT"))
    if unit is not None:
        _doubt(unit, most, seconds, f"BUNIT = {header['BUNIT']!r}")
        return _in_time(unit, seconds, f"from BUNIT = {header['BUNIT']!r}", assumed=False)
    if seconds is None:
        if most < _SHORT:
            _warn_of_guess(f"the map's largest value is {most:.3g}", "seconds, as neither BUNIT nor EXPOSURE says")
        return ExposureUnit(_SECONDS, 1.0, "assumed: neither BUNIT nor EXPOSURE says", True)
    ratio = most / seconds
    said = f"assumed: max / EXPOSURE = {ratio:.3g}"
    if ratio > 5:
        return ExposureUnit(_AREA_SECONDS, 1.0, said, True)
    if ratio < 0.1 and most < 5000:
        if _LIKE_KILOSECONDS[0] < ratio < _LIKE_KILOSECONDS[1]:
            _warn_of_guess(f"max / EXPOSURE is {ratio:.3g}", "an effective area in cm2, but so it is in ks")
        return _in_time(_AREA, seconds, said, assumed=True)
    return ExposureUnit(_SECONDS, 1.0, said, True)


def _seconds(header: Mapping[str, Any]) -> float | None:
    """EXPOSURE [s], or None where it does not stand, or is no duration of an observation."""
    seconds = header.get("EXPOSURE")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    if not _SHORTEST <= seconds <= _LONGEST:
        said = f"EXPOSURE = {float(seconds):.3g} s: expected {_SHORTEST:g} to {_LONGEST:g}; it is left out of account"
        warn(said)
        return None
    return float(seconds)


def _warn_of_guess(seen: str, taken: str) -> None:
    """Warn of a guess on which every flux depends."""
    warn(f"exposure unit: {seen}: taken for {taken}; --exposure-unit says which")


def _doubt(unit: str, most: float, seconds: float | None, origin: str) -> None:
    """Warn where a map's largest value is far from EXPOSURE, is no time of an observation, or no telescope's area."""
    from astropy import units

    found, counts_per_photon = units.Unit(unit), units.ct / units.photon
    for area_time in (units.cm**2 * units.s, units.cm**2 * units.s * counts_per_photon):
        if seconds is not None and found.is_equivalent(area_time):
            area = most * float(found.to(area_time)) / seconds
            if area < _LEAST_AREA:
                value = f"in {origin} the map's largest value is an effective area of {area:.3g} cm2 for EXPOSURE"
                warn(f"exposure unit: {value}, which no telescope has: every flux depends on it")
    if not found.is_equivalent(units.s):
        return
    longest = most * float(found.to(units.s))
    value = f"the map's largest value is {longest:.3g} s in {origin}"
    if seconds is not None and not seconds / _FAR <= longest <= seconds * _FAR:
        wrong = f"but EXPOSURE is {seconds:.5g} s"
    elif not _SHORTEST <= longest <= _LONGEST or (seconds is None and unit not in _USUAL):
        wrong = f"expected {_SHORTEST:g} to {_LONGEST:g} s, in {' or '.join(_USUAL)}"
    else:
        return
    warn(f"exposure unit: {value}, {wrong}: every flux depends on it")


def flux_unit(exposure: str) -> str:
    """Return the unit of flux: counts per unit of exposure, as astropy writes it ("ct / s", "photon / (s cm2)")."""
    from astropy import units

    return (units.ct / units.Unit(exposure)).to_string()


def _parse(text: Any) -> str | None:
    """Return a unit of exposure as astropy writes it, or None where the text is none."""
    from astropy import units

    if not isinstance(text, str) or not text.strip() or len(text) > _LONGEST_TEXT:
        return None
    spelled = " ".join(text.replace("*", " * ").replace("/", " / ").replace(" *  * ", "**").split())
    spelled = " ".join(_SPELLINGS.get(word, word) for word in spelled.split())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", units.UnitsWarning)
            unit = units.Unit(spelled)
    except (ValueError, TypeError, ArithmeticError, RecursionError):
        return None
    if not 0 < unit.scale < np.inf:
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
