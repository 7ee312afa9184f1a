"""compare(): the sources that were found, and those of a list."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import warn
from ..matching import match_lists
from ..regions import Region
from .detect import Detection
from .rounds import within

if TYPE_CHECKING:
    from astropy.table import QTable

SAME = 5.0
"""The largest distance of a source from its entry in the list [pixels]."""
_MEANINGS = {
    "ID": "number of the source that was found",
    "LISTED": "name in the list, or number of its row there",
    "X_IMA": "FITS image column where it was found, or is listed",
    "Y_IMA": "FITS image row where it was found, or is listed",
    "DISTANCE": "from where it is listed to where it was found",
    "LN_RATIO": "ln likelihood ratio; of a missing source, that of one more source where it is listed",
    "WHAT": "found, moved, new, missing, or within an extended source",
}
MOVED = 2.0
"""A source farther from its entry has moved [pixels]."""


def compare(detection: Detection, listed: Sequence[Region], radius: float = SAME) -> "tuple[QTable, str]":
    """Match the sources that were found with those of a list, one to one.

    Args:
        detection: of `detect`.
        listed: the list, of `read_regions`; entries without a position, or outside the image, are left out.
        radius: the largest distance of a pair [pixels].

    Returns:
        A table with a row for each source of either list: ID, LISTED (their names), X_IMA, Y_IMA (where it was found,
        or is listed), DISTANCE [pixel], LN_RATIO (of a missing one, the ratio of a source there), WHAT ("found",
        "moved", "new", "missing", or "extended" where it lies within an extended source); and in words how many there
        are of each.
    """
    from astropy import units
    from astropy.table import QTable

    known = [one for one in listed if _inside(detection, one)]
    if lost := len(listed) - len(known):
        warn(f"compare: {lost} of {len(listed)} listed sources are not in the image: left out")
    sources, gain = detection.found.sources, detection.found.ratio.gain
    ours = list(zip(sources.x, sources.y, strict=True))
    matches = match_lists(ours, [(one.x, one.y) for one in known], radius)
    names, ratios = detection.names, detection.found.ratios
    rows = [
        (names[mine], known[other].name, *ours[mine], apart, ratios[mine], "moved" if apart > MOVED else "found")
        for (mine, other), apart in zip(matches.pairs, matches.distances, strict=True)
    ]
    rows += [(names[mine], "", *ours[mine], np.nan, ratios[mine], "new") for mine in matches.new]
    spread_out = detection.found.background.half_light(detection.found.fitted)
    for other in matches.missing:
        one = known[other]
        row, column = (
            round(place - first) for place, first in zip((one.y, one.x), sources.psf.origin[::-1], strict=True)
        )
        what = "extended" if within(spread_out, row, column, 1.0) else "missing"
        rows.append(("", one.name, one.x, one.y, np.nan, gain[row, column], what))
    columns = list(zip(*rows, strict=True)) if rows else [()] * 7
    table = QTable()
    for name, values in zip(("ID", "LISTED"), columns[:2], strict=True):
        table[name] = np.array(values, "U64")
    for name, values in zip(("X_IMA", "Y_IMA", "DISTANCE"), columns[2:5], strict=True):
        table[name] = np.array(values, float) * units.pix
    table["LN_RATIO"] = np.array(columns[5], float)
    table["WHAT"] = np.array(columns[6], "U8")
    for name, meaning in _MEANINGS.items():
        table[name].info.description = meaning
    said = matches.in_words([one.name for one in known], MOVED)
    spread = [str(name) for name in table["LISTED"][table["WHAT"] == "extended"]]
    if spread:
        which = f"{', '.join(spread)}, missing, {'lies' if len(spread) == 1 else 'lie'} within an extended source"
        said += f"; of the list {which}"
    return table, said


def _inside(detection: Detection, one: Region) -> bool:
    """Whether a place lies in the image."""
    (first_x, first_y), (ny, nx) = detection.observation.origin, detection.observation.shape
    return -0.5 <= one.x - first_x < nx - 0.5 and -0.5 <= one.y - first_y < ny - 0.5
