"""What a catalogue says of a source beside its fit: its exposure, its place in the field, its nearest neighbour."""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..psf import light_in_pixels
from ..psf.telescopes import off_axis_angles
from .fields import Field

if TYPE_CHECKING:
    from .sources import Source

COLUMN_OF = {
    "x_pos": "X_IMA",
    "y_pos": "Y_IMA",
    "background": "BKG",
    "background_norm": "BKG_NORM",
    "background_dx": "BKG_DX",
    "background_dy": "BKG_DY",
    "flux": "FLUX",
    "psf_width": "PSF_WIDTH",
}
"""The column of a parameter, where it is not the parameter's name in capitals."""
WITHOUT_ERRORS = ("BKG_DX", "BKG_DY")


class Place(NamedTuple):
    """Where in its field a source was asked for.

    Attributes:
        off_axis: from the pointing direction [arcmin]; NaN where the header has none.
        nearest: to the nearest other source of the field's list [arcsec, or pixel without `scale`]; NaN without any.
        scale: from an offset in x and y [pixel] to one on the sky [arcsec], shape (2, 2); None without coordinates.
    """

    off_axis: float
    nearest: float
    scale: np.ndarray | None


def places_of(field: Field) -> list[Place]:
    """Return the place of each source of a field."""
    from scipy.spatial import KDTree

    wcs = field.observation.wcs
    positions = np.array([(region.x, region.y) for region in field.regions], float).reshape(-1, 2)
    known = np.isfinite(positions).all(axis=1)
    scale = None if wcs is None else 3600.0 * np.asarray(wcs.celestial.pixel_scale_matrix)
    nearest, off_axis = np.full((2, len(positions)), math.nan)
    if known.sum() > 1:
        flat = positions[known] if scale is None else positions[known] @ scale.T
        nearest[known] = KDTree(flat).query(flat, k=2)[0][:, 1]
    if known.any():
        off_axis[known] = off_axis_angles(field.observation.header, wcs, *positions[known].T)
    return [Place(float(axis), float(near), scale) for axis, near in zip(off_axis, nearest, strict=True)]


def surroundings(source: "Source", row: dict[str, Any]) -> dict[str, float]:
    """Return OFFAX, DIST_NN, OFFSET, EXP and MASKFRAC; those that are not known are not there.

    EXP is the mean of the exposure map, MASKFRAC the share of the pixels with exposure, both over the whole stamp and
    weighted with the PSF about the source, as in XMM-Newton's catalogues. The source is where the fit found it, with
    the width that it found; without a fit it is where it was asked for, with the PSF's typical width.

    Args:
        source: with its stamp and its place.
        row: of its fit: X_IMA, Y_IMA and PSF_WIDTH are looked at.
    """
    found: dict[str, float] = {}
    x, y = float(row.get("X_IMA", source.x)), float(row.get("Y_IMA", source.y))
    if source.place is not None:
        scale = source.place.scale
        end = "_PIX" if scale is None else ""
        offset = np.array([x - source.x, y - source.y])
        found["OFFAX"], found[f"DIST_NN{end}"] = source.place.off_axis, source.place.nearest
        if "X_IMA" in row:
            found[f"OFFSET{end}"] = float(np.hypot(*(offset if scale is None else scale @ offset)))
    if source.stamp is not None and source.priors is not None:
        psf = source.priors.psf
        width = float(row.get("PSF_WIDTH", psf.typical_width))
        light = np.asarray(light_in_pixels(psf, source.stamp.columns, source.stamp.rows, x, y, width), float)
        exposure, total = source.stamp.exposure, float(light.sum())
        if total > 0:
            found["EXP"] = float((light * exposure).sum()) / total
            found["MASKFRAC"] = float(light[exposure > 0].sum()) / total
    return {name: value for name, value in found.items() if math.isfinite(value)}


def iau_names(ra: np.ndarray, dec: np.ndarray, prefix: str = "PGM") -> list[str]:
    """Name sources after their positions, as the IAU says: J and truncated, not rounded, coordinates.

    For instance "PGM J140101.9+025238": hours, minutes and seconds with one decimal, degrees, minutes and seconds.

    Args:
        ra, dec: in ICRS, which is J2000 to a hundredth of an arcsecond or two, shape (n,) [deg].
        prefix: the catalogue's acronym.

    Returns:
        The names; "" where a coordinate is missing.
    """
    return [_iau_name(*place, prefix) if np.isfinite(place).all() else "" for place in zip(ra, dec, strict=True)]


def _iau_name(ra: float, dec: float, prefix: str) -> str:
    # A position that is a whole number of units must not fall below it for the last bit of its double's sake.
    tenths = math.floor(ra % 360.0 * 2400.0 + 1e-6) % 864_000
    seconds = math.floor(abs(dec) * 3600.0 + 1e-6)
    hours, degrees = tenths // 36_000, seconds // 3600
    right = f"{hours:02d}{tenths // 600 % 60:02d}{tenths % 600 / 10:04.1f}"
    return f"{prefix} J{right}{'-' if dec < 0 else '+'}{degrees:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}"
