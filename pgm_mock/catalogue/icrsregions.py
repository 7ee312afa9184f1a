"""DS9 regions of a catalogue on the sky, for any other image of the field."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..files import file_names, replacing
from .fields import Field
from .outputs import position_in

if TYPE_CHECKING:
    from astropy.table import QTable

_RADIUS = 5.0
"""Of each circle [pixels]."""


def write_sky_regions(folder: Path, table: "QTable", fields: Sequence[Field], field_names: Sequence[str]) -> None:
    """Write DS9 regions of the fitted positions in ICRS, with names; flagged ones in red. One file for each field.

    A source without a fit is where it was asked for. A field without celestial coordinates gets no file.
    """
    first = 0
    for field, name_on_disk in zip(fields, file_names(field_names), strict=True):
        own, first = table[first : first + len(field.regions)], first + len(field.regions)
        if field.observation.wcs is None:
            continue
        path = folder / ("catalog_icrs.reg" if len(fields) == 1 else f"catalog_{name_on_disk}_icrs.reg")
        with replacing(path) as temporary:
            temporary.write_text(
                "\n".join(["# Region file format: DS9", "icrs", *_circles(own, field)]) + "\n", "utf-8"
            )


def _circles(table: "QTable", field: Field) -> list[str]:
    from astropy.wcs.utils import proj_plane_pixel_scales

    wcs = field.observation.wcs
    if wcs is None or not len(table):
        return []
    x, y = (position_in(table, axis) for axis in "XY")
    known = np.isfinite(x) & np.isfinite(y)
    sky = wcs.celestial.pixel_to_world(x[known] - 1, y[known] - 1).icrs
    radius = _RADIUS * 3600.0 * float(np.mean(proj_plane_pixel_scales(wcs.celestial)))
    circles = []
    for row, ra, dec in zip(table[known], sky.ra.deg, sky.dec.deg, strict=True):
        colour = "red" if row["FLAG"] else "green"
        name = str(row["ID"]).replace("{", "(").replace("}", ")")
        circles.append(f'circle({ra:.7f},{dec:.7f},{radius:.2f}") # color={colour} text={{{name}}}')
    return circles
