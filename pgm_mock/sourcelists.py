"""Source lists of detection tasks and catalogues: which columns are positions and names, and which rows count."""

import math
import os
import warnings
from typing import TYPE_CHECKING

import numpy as np

from .errors import InputError, printable, shown, warn
from .observation import Observation
from .region import Region
from .sourcetables import Column, SourceTable, read_table

if TYPE_CHECKING:
    from astropy.coordinates import BaseCoordinateFrame, SkyCoord
    from astropy.wcs import WCS

SKY = (("RA", "DEC"), ("SC_RA", "SC_DEC"), ("RA_ICRS", "DE_ICRS"), ("RAJ2000", "DEJ2000"))
"""Columns of right ascension and declination: SC_ are those of a source of 4XMM, the last two VizieR's."""
PIXELS = (("X_IMA", "Y_IMA"),)
"""Columns of FITS image pixels. X and Y are none: CIAO's are physical coordinates."""
NAMES = (
    *("ID", "NAME", "IAUNAME", "IAU_NAME", "SRCID", "DETID", "DETUID", "UID"),
    *("ML_ID_SRC", "ID_SRC", "SRC_NUM", "COMPONENT"),
)
"""Columns that name sources; the first whose words are all there, and each another, is taken."""
_SOURCES, _SUMMARY = ("ML_ID_SRC", "ID_SRC", "BOX_ID_SRC"), ("ID_INST", "ID_BAND")
_DEGREES = (
    dict.fromkeys(("", "d", "deg", "degs", "degree", "degrees", "°"), 1.0)
    | dict.fromkeys(("h", "hr", "hour", "hours", "hourangle"), 15.0)
    | dict.fromkeys(("rad", "radian", "radians"), 180.0 / math.pi)
    | dict.fromkeys(("arcmin", "arcminute", "arcminutes"), 1.0 / 60.0)
    | dict.fromkeys(("arcsec", "arcsecond", "arcseconds"), 1.0 / 3600.0)
    | {"mas": 1.0 / 3.6e6}
)
"""In a unit of angle, by its name in small letters."""
_LONGEST_NAME, _LONGEST_ANGLE, _MOST_ANGLES = 200, 40, 100_000
"""Characters of a name and of an angle in words, and how many of the latter: astropy takes its time over them."""


def read_list(path: str | os.PathLike[str], observation: Observation | None) -> list[Region] | None:
    """Read a table of sources; return None where the file is no table. See `read_regions`, which says what is read.

    Raises:
        InputError: a table that cannot be read, has no positions that can be used, no rows, or none in the image.
    """
    table = read_table(path, {*NAMES, *_SOURCES, *_SUMMARY, *sum((*SKY, *PIXELS), ())}, (*SKY, *PIXELS))
    if table is None:
        return None
    if not table.rows:
        raise InputError(f"{table.label}: expected sources, found a table without rows")
    rows = _once_each(table)
    names = _names(table, rows)
    x, y, placed = _places(table, rows, observation)
    chosen = ~placed | _seen(x, y, observation)
    said = f"{int((~chosen).sum()):,} of {len(rows):,} sources lie outside the image, or where nothing is exposed"
    if not (chosen & placed).any():
        raise InputError(f"{table.label}: expected sources in the image, found none: {said}{_unplaced(placed, rows)}")
    if not chosen.all():
        warn(f"{table.label}: {said}: left out")
    if not placed.all():
        warn(f"{table.label}: expected positions{_unplaced(placed, rows)}: left without one")
    x, y = np.where(placed, x, np.nan), np.where(placed, y, np.nan)
    return [Region(names[row], float(x[row]), float(y[row]), math.nan) for row in np.flatnonzero(chosen)]


def _unplaced(placed: np.ndarray, rows: np.ndarray) -> str:
    """Say in which rows there is no position, counted from 1."""
    bad = rows[~placed] + 1
    more = f" and {len(bad) - 1:,} more" if len(bad) > 1 else ""
    return f", found none in row {bad[0]:,}{more}" if len(bad) else ""


def _once_each(table: SourceTable) -> np.ndarray:
    """Return the rows to take, from 0: each source once.

    emldetect lists a source once for each instrument and band; the row of all of them together has 0 for both.
    """
    every = np.arange(table.rows)
    known = [table.columns[name].values for name in _SUMMARY if name in table.columns]
    if not known:
        return every
    together = np.all([_whole(values) == 0 for values in known], axis=0)
    source = next((table.columns[name].values for name in _SOURCES if name in table.columns), None)
    if source is None:
        return every[together] if together.any() else every
    best_first = np.lexsort((every, ~together))
    _, first = np.unique(source[best_first], return_index=True)
    return np.sort(best_first[first])


def _whole(values: np.ndarray) -> np.ndarray:
    """Return whole numbers, -1 where there is none."""
    if values.dtype.kind == "U":
        values = np.array([int(word) if word.strip().isdecimal() else -1 for word in values])
    return np.where(np.isfinite(values), values, -1)


def _names(table: SourceTable, rows: np.ndarray) -> list[str]:
    """Return a name for each row, or its number in the table, from 1."""
    for name in NAMES:
        if name in table.columns:
            found = [_word(value) for value in table.columns[name].values[rows].tolist()]
            if all(found) and len(set(found)) == len(found):
                return found
    return [str(row + 1) for row in rows]


def _word(value: object) -> str:
    if isinstance(value, float):
        return "" if not math.isfinite(value) else f"{value:.0f}" if value == round(value) else repr(value)
    return printable(str(value).strip())[:_LONGEST_NAME]


def _places(
    table: SourceTable, rows: np.ndarray, observation: Observation | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x and y of the rows [FITS image pixels], infinite where they are far away, and which have a position."""
    sky = next((pair for pair in SKY if {*pair} <= table.columns.keys()), None)
    pixels = next((pair for pair in PIXELS if {*pair} <= table.columns.keys()), None)
    if sky is not None and observation is not None and observation.wcs is not None:
        ra, dec = (_degrees(table, name, rows, in_hours) for name, in_hours in zip(sky, (True, False), strict=True))
        placed = np.isfinite(ra) & np.isfinite(dec) & (np.abs(dec) <= 90) & (np.abs(ra) <= 360)
        x, y = np.full(len(rows), np.inf), np.full(len(rows), np.inf)
        x[placed], y[placed] = _in_image(ra[placed], dec[placed], _frame(table), observation.wcs, observation)
        return x, y, placed
    if pixels is not None:
        x, y = (_numbers(table, name)[rows] for name in pixels)
        return x, y, np.isfinite(x) & np.isfinite(y)
    if sky is not None:
        said = f"expected an image with a WCS to place {sky[0]} and {sky[1]} in, found none"
        raise InputError(f"{table.label}: {said}")
    raise InputError(f"{table.label}: expected a number in each row of RA and DEC, or X_IMA and Y_IMA, found others")


def _numbers(table: SourceTable, name: str) -> np.ndarray:
    values = table.columns[name].values
    if values.dtype.kind == "U":
        raise InputError(f"{table.label}: expected numbers in the column {name}, found {shown(str(values[0]))}")
    return values.astype(float)


def _degrees(table: SourceTable, name: str, rows: np.ndarray, in_hours: bool) -> np.ndarray:
    """Return a column's angles [deg], NaN where there is none; words with more than one number are hours where said."""
    column = table.columns[name]
    if column.values.dtype.kind == "U":
        return _angles_in_words(table.label, column, rows, in_hours)
    factor = _DEGREES.get(column.unit.strip().lower())
    if factor is None:
        expected = "deg, hourangle, rad, arcmin or arcsec"
        raise InputError(f"{table.label}: expected {name} in {expected}, found the unit {shown(column.unit)}")
    return column.values[rows].astype(float) * factor


def _angles_in_words(label: str, column: Column, rows: np.ndarray, in_hours: bool) -> np.ndarray:
    from astropy.coordinates import Angle

    if len(rows) > _MOST_ANGLES:
        raise InputError(f"{label}: expected at most {_MOST_ANGLES:,} angles in words, found {len(rows):,}")
    found = np.full(len(rows), np.nan)
    for place, cell in enumerate(column.values[rows].tolist()):
        word = cell.strip()
        if not 0 < len(word) <= _LONGEST_ANGLE:
            continue
        try:
            found[place] = float(word) * _DEGREES.get(column.unit.strip().lower(), 1.0)
        except ValueError:
            try:
                found[place] = Angle(word, unit="hourangle" if in_hours and "d" not in word else "deg").deg
            except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
                continue
    return found


def _frame(table: SourceTable) -> "type[BaseCoordinateFrame] | BaseCoordinateFrame":
    """Return the frame of a table's sky coordinates: ICRS where it does not say."""
    from astropy.coordinates import FK4, FK5, ICRS

    frames = {"": ICRS, "ICRS": ICRS, "ICRF": ICRS, "FK5": FK5, "J2000": FK5, "FK4": FK4, "B1950": FK4}
    if table.frame not in frames:
        raise InputError(f"{table.label}: expected RADESYS ICRS, FK5 or FK4, found {shown(table.frame)}")
    frame = frames[table.frame]
    if frame is ICRS or table.equinox is None:
        return frame()
    try:
        year = float(str(table.equinox).strip().upper().lstrip("JB"))
    except ValueError:
        year = math.nan
    if not 1800 <= year <= 2200:
        raise InputError(f"{table.label}: expected an EQUINOX such as 2000, found {shown(table.equinox)}")
    return frame(equinox=f"{'J' if frame is FK5 else 'B'}{year}")


def _in_image(
    ra: np.ndarray, dec: np.ndarray, frame: "BaseCoordinateFrame", wcs: "WCS", observation: Observation
) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y [FITS image pixels], infinite far from the image: a WCS may say anything there."""
    from astropy.coordinates import SkyCoord

    x, y = np.full(len(ra), np.inf), np.full(len(ra), np.inf)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of places that a distorted WCS does not reach
        places = SkyCoord(ra, dec, unit="deg", frame=frame)
        near = _near(places, wcs, observation)
        if near.any():
            columns, rows = wcs.world_to_pixel(places[near])
            x[near], y[near] = np.nan_to_num(columns + 1, nan=np.inf), np.nan_to_num(rows + 1, nan=np.inf)
    return x, y


def _near(places: "SkyCoord", wcs: "WCS", observation: Observation) -> np.ndarray:
    """Whether places are nearer to the image's middle than its farthest corner, and a tenth beyond."""
    columns, rows = np.broadcast_arrays(observation.columns[:, _along(observation.shape[1])],
                                        observation.rows[_along(observation.shape[0])])  # fmt: skip
    grid = wcs.pixel_to_world(columns.ravel() - 1, rows.ravel() - 1)
    grid = grid[np.isfinite(grid.spherical.lon.deg) & np.isfinite(grid.spherical.lat.deg)]
    if not len(grid):
        return np.zeros(len(places), bool)
    middle = grid[len(grid) // 2]
    return places.separation(middle) <= 1.1 * grid.separation(middle).max()


def _along(size: int) -> np.ndarray:
    """Return places along an axis, both ends among them."""
    return np.unique(np.linspace(0, size - 1, min(size, 21)).round().astype(int))


def _seen(x: np.ndarray, y: np.ndarray, observation: Observation | None) -> np.ndarray:
    """Whether places lie in the image, with an exposed pixel no farther than the prior of a position reaches."""
    if observation is None:
        return np.ones(len(x), bool)
    from scipy.ndimage import distance_transform_edt

    from .scene.pointsource import REACH

    (ny, nx), (left, low) = observation.shape, observation.origin
    inside = (x >= left - 0.5) & (x < left + nx - 0.5) & (y >= low - 0.5) & (y < low + ny - 0.5)
    column, row = (np.floor(value[inside] + 0.5).astype(int) - first for value, first in ((x, left), (y, low)))
    inside[inside] = distance_transform_edt(observation.exposure <= 0)[row, column] <= REACH
    return inside
