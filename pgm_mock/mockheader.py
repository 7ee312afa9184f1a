"""Mock observations that say that they are mocks, and of what."""

import re
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .observation import Observation
from .psf import PSF, choose_psf, describe_psf
from .results import creator

if TYPE_CHECKING:
    from astropy.io import fits
    from astropy.wcs import WCS

_PLACE = re.compile(r"LTM\d_\d|LTV\d|(WCSNAME|C(TYPE|RVAL|RPIX|DELT|UNIT)\d)[LP]|STAMP[XY]0")
"""Keywords of the physical coordinates, which region files may be written in."""
_TELESCOPE = re.compile(
    r"TELESCOP|INSTRUME|DETNAM|(RA|DEC)_(PNT|NOM)|DS(TYP|VAL|FORM|UNI|REF)\d+|ENERGY(LO|HI)|E_(MIN|MAX)"
)
"""Keywords that a PSF is chosen by."""
_DATES = ("dateobs", "datebeg", "dateavg", "dateend", "mjdobs", "mjdbeg", "mjdavg", "mjdend")


def as_mock(
    observation: Observation,
    counts: np.ndarray,
    history: Sequence[str] = (),
    *,
    psf: PSF | None = None,
    name: str | None = None,
) -> Observation:
    """Return an observation with mock counts in place of its own, whose files say that they are a mock.

    Of the header stay the coordinates. Dates, identifiers, observer and exposure time are those of the real observation
    and go; MOCK, CREATOR and HISTORY say what this is. The telescope's keywords stay only where the mock's PSF is the
    one that they stand for, so that whoever fits the mock by its header takes the PSF that it was made with.

    Args:
        observation: whose exposure map, coordinates and background map the mock was made over.
        counts: the mock counts, shape (ny, nx).
        history: what it was made from, a line each: priors or parameters, catalogue, seed.
        psf: that it was made with; None leaves the telescope's keywords away.
        name: of the mock; by default "mock of" the observation's.

    Raises:
        InputError: counts that are none.
    """
    return replace(
        observation,
        counts=counts,
        name=name if name is not None else f"mock of {observation.name}".removesuffix(" of "),
        wcs=_without_dates(observation.wcs),
        header=_header(observation, psf, history),
        left_out=0,
    )


def coordinates_of(observation: Observation) -> "fits.Header":
    """Return the header of an image that was computed from an observation: its coordinates and name, nothing else.

    What tells of the observation itself, such as dates, creator and history, would be false of it.
    """
    from .observationfiles import header_of_part

    header = _header(observation, None, ())
    for keyword in ("MOCK", "HISTORY"):
        header.remove(keyword, ignore_missing=True, remove_all=True)
    header["CREATOR"] = (header["CREATOR"], "program that computed it")
    return header_of_part(header, _without_dates(observation.wcs), observation.origin, observation.name)


def _header(observation: Observation, psf: PSF | None, history: Sequence[str]) -> "fits.Header":
    from astropy.io import fits

    given = observation.header if observation.header is not None else fits.Header()
    by_telescope = psf is not None and _is_of_header(psf, observation)
    header = fits.Header()
    header["MOCK"] = (True, "simulated: nothing here was observed")
    header["CREATOR"] = (creator(), "program that simulated it")
    for card in given.cards:
        if _PLACE.fullmatch(card.keyword):
            header.append(card)
        elif by_telescope and _TELESCOPE.fullmatch(card.keyword):
            header[card.keyword] = (card.value, "of the mock's PSF")
    if psf is not None:
        history = [*history, f"PSF = {describe_psf(psf)}"]
    for line in ("Simulated counts over the exposure map of", f"  {observation.name or 'an image without a name'}"):
        header.add_history(_printable(line))
    for line in history:
        header.add_history(_printable(line))
    return header


def _is_of_header(psf: PSF, observation: Observation) -> bool:
    """Whether a PSF is of the family that the header stands for, and that nothing else would give."""
    place = observation.centre
    known = choose_psf("auto", observation.header, observation.wcs, *place)
    unknown = choose_psf("auto", None, observation.wcs, *place)
    return type(known) is type(psf) and describe_psf(known) != describe_psf(unknown)


def _without_dates(wcs: "WCS | None") -> "WCS | None":
    """Return coordinates that do not carry the date of the observation."""
    if wcs is None:
        return None
    wcs = deepcopy(wcs)
    for name in _DATES:
        setattr(wcs.wcs, name, "" if name.startswith("date") else np.nan)
    return wcs


def _printable(text: str) -> str:
    """Return a text as FITS can hold it: ASCII without control characters."""
    return "".join(c if c.isprintable() else "?" for c in text).encode("ascii", "backslashreplace").decode()
