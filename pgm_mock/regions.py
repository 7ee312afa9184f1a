"""Lists of sources: plain text, DS9 region files, or tables."""

import math
import os
import re

from .ds9regions import is_ds9, read_ds9
from .errors import InputError, shown
from .files import read_text
from .observation import Observation
from .region import Region, circle
from .sourcelists import read_list

_NUMBERS = re.compile(r"[\s,]+")
_MOST_BYTES, _LONGEST_LINE = 50_000_000, 10_000
"""Of a file and a line of text: what reads them takes its time over longer ones."""


def read_regions(path: str | os.PathLike[str], observation: Observation | None = None) -> list[Region]:
    """Read a list of sources: plain `x y radius` lines, a DS9 region file, or a table in FITS, ECSV or VOTable.

    Plain lines are in FITS image pixels, `#` starts a comment, and the radius may be missing.

    DS9 regions may be in image, physical or sky coordinates (fk5, icrs, fk4, galactic, ecliptic); those without a frame
    are physical, or fk5 where they are sexagesimal, as DS9 and CIAO have it. Circles are taken as they are, points
    without a radius. An ellipse becomes the circle about its centre that covers it, with its larger semi-axis as
    radius; a box that with half of its longer side, which leaves out its corners. Excluded regions, rings and other
    shapes are left out with a warning that counts them. A region on the sky that cannot be placed in the image keeps
    its name and its place in the list, with NaN for all numbers, and a warning says so.

    Tables are known by their content, also where gzip or bzip2 have compressed them; `file.fits[SRCLIST]` picks an HDU,
    otherwise it is the first that has positions. They are read by the names of their columns, in capitals or not:

    - RA and DEC (or SC_RA and SC_DEC, RA_ICRS and DE_ICRS, RAJ2000 and DEJ2000) are placed by the image's WCS: in
      degrees where the column has no unit, in ICRS where the table does not say otherwise (RADESYS, RADECSYS, or a
      VOTable's COOSYS), also in words such as "10 00 00.0", of which right ascensions are hours;
    - X_IMA and Y_IMA [FITS image pixels] are used where the image has no WCS, or the table no sky coordinates; X and Y
      are not used: CIAO's are physical coordinates;
    - names come from the first of ID, NAME, IAUNAME, SRCID, DETID, ML_ID_SRC, ID_SRC, COMPONENT and their like that
      names each source another, else they are the numbers of the rows;
    - a list of emldetect has several rows for a source: that of all instruments and bands is taken;
    - no column is taken for a radius.

    Sources of a table that lie outside the image, or more than 6 pixels from any exposed pixel, are left out, with a
    warning that counts them; a row without a position stays, with NaN, as a region does that cannot be placed.

    Args:
        path: the file.
        observation: its WCS places sky coordinates and its header physical ones; without a header, physical
            coordinates are image coordinates.

    Raises:
        InputError: the file cannot be read or is too large, a line is not understood (the message numbers it), a table
            without positions, sky coordinates without a WCS, no source at all, or none that can be placed in the image.
    """
    found = read_list(path, observation)
    if found is not None:
        return found
    label = os.fspath(path)
    lines = read_text(path, _MOST_BYTES, _LONGEST_LINE).splitlines()
    found = read_ds9(lines, label, observation) if is_ds9(lines) else _read_plain(lines, label)
    if not found:
        wanted = "lines `x y radius`, DS9 circles, ellipses, boxes or points, or a table of sources"
        raise InputError(f"{label}: expected {wanted}, found none")
    return [region._replace(name=region.name or str(number)) for number, region in enumerate(found, 1)]


def _read_plain(lines: list[str], label: str) -> list[Region]:
    found = []
    for number, line in enumerate(lines, 1):
        words = _NUMBERS.split(line.split("#")[0].strip(" \t,"))
        if words == [""]:
            continue
        try:
            values = [float(word) for word in words]
        except ValueError:
            values = []
        if len(values) not in (2, 3) or not all(map(math.isfinite, values[:2])):
            raise InputError(f"{label}: line {number}: expected numbers `x y radius`, found {shown(line.strip())}")
        found.append(circle("", *values, where=f"{label}: line {number}"))
    return found
