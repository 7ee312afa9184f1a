"""compare(): the sources that were found, and those of a list."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

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
    "DET_LIKE": "ln likelihood ratio; of a missing source, that of one more source where it is listed",
    "WHAT": "found, moved, new, missing, or within an extended source",
}
MOVED = 2.0
"""A source farther from its entry has moved [pixels]."""


def compare(detection: Detection, listed: Sequence[Region], radius: float = SAME) -> "tuple[QTable, str]":
    """Match the sources that were found with those of a list, one to one.

    Args:
        detection: of `detect`.
        listed: the list, of `read_regions`; entries without a position are left out.
        radius: the largest distance of a pair [pixels].

    Returns:
        A table with a row for each source of either list: ID, LISTED (their names), X_IMA, Y_IMA (where it was found,
        or is listed), DISTANCE [pixel], DET_LIKE (of a missing one, the ratio of a source there), WHAT ("found",
        "moved", "new", "missing", or "extended" where it lies within an extended source); and in words how many there
        are of each.
    """
    from astropy import units
    from astropy.table import QTable

    known = [one for one in listed if np.isfinite([one.x, one.y]).all()]
    sources, gain = detection.found.sources, detection.found.ratio.gain
    ours = list(zip(sources.x, sources.y, strict=True))
    matches = match_lists(ours, [(one.x, one.y) for one in known], radius)
    names, ratios = detection.names, detection.found.ratios
    rows = [
        (names[mine], known[other].name, *ours[mine], apart, ratios[mine], "moved" if apart > MOVED else "found")
        for (mine, other), apart in zip(matches.pairs, matches.distances, strict=True)
    ]
    rows += [(names[mine], "", *ours[mine], np.nan, ratios[mine], "new") for mine in matches.new]
    spread_out = detection.found.behind.half_light(detection.found.fitted)
    for other in matches.missing:
        one, (ny, nx) = known[other], gain.shape
        row, column = (
            round(place - first) for place, first in zip((one.y, one.x), sources.psf.origin[::-1], strict=True)
        )
        inside = 0 <= row < ny and 0 <= column < nx
        what = "extended" if within(spread_out, row, column, 1.0) else "missing"
        rows.append(("", one.name, one.x, one.y, np.nan, gain[row, column] if inside else np.nan, what))
    columns = list(zip(*rows, strict=True)) if rows else [()] * 7
    table = QTable()
    for name, values in zip(("ID", "LISTED"), columns[:2], strict=True):
        table[name] = np.array(values, "U64")
    for name, values in zip(("X_IMA", "Y_IMA", "DISTANCE"), columns[2:5], strict=True):
        table[name] = np.array(values, float) * units.pix
    table["DET_LIKE"] = np.array(columns[5], float)
    table["WHAT"] = np.array(columns[6], "U8")
    for name, meaning in _MEANINGS.items():
        table[name].info.description = meaning
    said = matches.in_words([one.name for one in known], MOVED)
    spread = [str(name) for name in table["LISTED"][table["WHAT"] == "extended"]]
    return table, f"{said}; {', '.join(spread)} of those missing within an extended source" if spread else said
