"""Observations in FITS files: read from an image with its maps, and written so that they are read back identical."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from .arrays import checked_counts, checked_exposure, checked_map
from .errors import InputError, shown, warn
from .files import replacing
from .fitsimage import ImagePlane, celestial_wcs, read_plane
from .slivers import without_slivers
from .units import ExposureUnit
from .units import exposure_unit as unit_of_header

if TYPE_CHECKING:
    from astropy.io import fits
    from astropy.wcs import WCS

type Path = str | os.PathLike[str]

_FAR = 10**6
"""The first pixel's distance from that of the full image."""
# FITS keywords of a stamp: the image coordinates of its first pixel in the image that it was cut from.
_ORIGIN_KEYWORDS = ("STAMPX0", "STAMPY0")


def read_files(
    image: Path, exposure: Path, exposure_unit: str | None, background_map: Path | None, min_exposure: float
) -> dict[str, Any]:
    """Return the fields of an observation in files; arguments and errors are those of `Observation.read`."""
    plane, exposed = read_plane(image), read_plane(exposure)
    _check_same_sky(plane, exposed)
    _check_same_camera(plane, exposed)
    checked = checked_exposure(exposed.data, exposed.label)
    unit = _unit_of(exposed, checked, exposure_unit)
    counts, left_out = checked_counts(plane.data, checked, plane.label)
    if np.ptp(checked) > 0 and np.array_equal(counts, checked):
        raise InputError(f"{exposed.label}: expected an exposure map, found the counts of {plane.label} again")
    missing = (checked > 0) & ~np.isfinite(np.asarray(plane.data, float))
    if np.array_equal(missing, checked > 0):
        raise InputError(f"{plane.label}: expected counts, found no value on any exposed pixel")
    if np.any(missing):
        warn(f"{plane.label}: {missing.sum()} exposed pixels without a value: left out")
        checked = checked_exposure(np.where(missing, 0.0, checked), exposed.label)
    if left_out:
        said = f"{plane.label}: {left_out} counts on pixels without exposure in {exposed.label}: left out"
        warn(said)
    counts, checked, slivers = without_slivers(counts, checked, min_exposure, plane.label)
    map_counts = None
    if background_map is not None:
        expected = read_plane(background_map)
        _check_same_sky(plane, expected)
        map_counts = checked_map(expected.data, checked, expected.label)
    origin, header, wcs = _origin_and_wcs(plane)
    wcs = wcs if wcs is not None else _origin_and_wcs(exposed)[2]
    return {
        "counts": counts,
        "exposure": checked * unit.factor,
        "origin": origin,
        "wcs": wcs,
        "exposure_unit": unit.unit,
        "unit_source": unit.source,
        "name": str(header.get("OBJECT", "")),
        "header": header,
        "left_out": left_out,
        "background_map": map_counts,
        "slivers": slivers,
    }


def header_of_part(
    header: "fits.Header | None", wcs: "WCS | None", origin: tuple[int, int], name: str
) -> "fits.Header":
    """Return the FITS header of an image that is part of another: where its pixels lie in that one and on the sky.

    Args:
        header, wcs: of the full image.
        origin: (x, y) of the first pixel.
        name: of the part.
    """
    from astropy.io import fits

    header = fits.Header() if header is None else header.copy(strip=True)
    for keyword in ("BLANK", "BSCALE", "BZERO", "CHECKSUM", "DATASUM", "RADECSYS"):
        header.remove(keyword, ignore_missing=True)
    if wcs is not None:
        header.update(wcs.to_header(relax=True))
    _move_origin(header, origin)
    header["OBJECT"] = name.encode("ascii", "replace").decode("ascii")  # FITS has no other characters
    return header


def write_images(files: Iterable[tuple[Path, np.ndarray, str]], header: "fits.Header") -> None:
    """Write images, each whole or not at all.

    Args:
        files: where to, the image, and its unit.
        header: of all of them.
    """
    from astropy.io import fits

    for path, data, unit in files:
        header["BUNIT"] = unit
        with replacing(path) as temporary:
            fits.PrimaryHDU(data, header).writeto(temporary, overwrite=True, output_verify="silentfix+ignore")


def _move_origin(header: "fits.Header", origin: tuple[int, int], back: bool = False) -> None:
    """Move a header's coordinates from the full image to a stamp that starts at `origin`, or back."""
    for axis, first, keyword in zip((1, 2), origin, _ORIGIN_KEYWORDS, strict=True):
        shift = (first - 1) if back else (1 - first)
        for name in (f"CRPIX{axis}", f"LTV{axis}", f"CRPIX{axis}L", f"CRPIX{axis}P"):
            if name in header:
                if isinstance(header[name], str):
                    raise InputError(f"{name}: expected a number, found {shown(header[name])}")
                header[name] = header[name] + shift
        if back:
            header.remove(keyword)
        elif origin != (1, 1):
            header[keyword] = (first, "first pixel's coordinate in the full image")


def _origin_and_wcs(plane: ImagePlane) -> "tuple[tuple[int, int], fits.Header, WCS | None]":
    """Read where a plane's first pixel lies, with the header and the WCS of the full image."""
    header = plane.header.copy()
    origin = (1, 1)
    if all(keyword in header for keyword in _ORIGIN_KEYWORDS):
        numbers = [header[keyword] for keyword in _ORIGIN_KEYWORDS]
        if not all(isinstance(number, int) and abs(number) < _FAR for number in numbers):
            raise InputError(f"{plane.label}: expected whole numbers in {', '.join(_ORIGIN_KEYWORDS)}, found {numbers}")
        origin = numbers[0], numbers[1]
        try:
            _move_origin(header, origin, back=True)
        except InputError as error:
            raise InputError(f"{plane.label}: {error}") from error
    return origin, header, celestial_wcs(header)


def _check_same_camera(plane: ImagePlane, exposed: ImagePlane) -> None:
    """Warn where the headers name two cameras: those of one telescope have the same shape and WCS."""
    for keyword in ("TELESCOP", "INSTRUME"):
        names = [header.get(keyword) for header in (plane.header, exposed.header)]
        ours, theirs = (name.strip().upper() if isinstance(name, str) else "" for name in names)
        if ours and theirs and ours != theirs:
            said = f"expected the exposure map of {ours}, which took {plane.label}, found that of {theirs} ({keyword})"
            warn(f"{exposed.label}: {said}")
            return


def _check_same_sky(plane: ImagePlane, exposed: ImagePlane) -> None:
    """Refuse an exposure map of another shape, or more than 0.01 pixel off in its WCS."""
    if plane.data.shape != exposed.data.shape:
        raise InputError(
            f"{exposed.label}: expected the shape {plane.data.shape} of {plane.label}, found {exposed.data.shape}"
        )
    first, second = celestial_wcs(plane.header), celestial_wcs(exposed.header)
    if first is None or second is None:
        return
    ny, nx = plane.data.shape
    corners = np.array([[1, 1], [nx, 1], [1, ny], [nx, ny], [(nx + 1) / 2, (ny + 1) / 2]])
    if list(first.wcs.ctype) == list(second.wcs.ctype) and first.wcs.radesys == second.wcs.radesys:
        there = second.all_world2pix(first.all_pix2world(corners, 1), 1, quiet=True)
    else:
        there = np.stack(second.world_to_pixel(first.pixel_to_world(*(corners - 1).T)), axis=1) + 1
    shift = float(np.max(np.hypot(*(there - corners).T)))
    if not shift <= 0.01:
        raise InputError(
            f"{exposed.label}: expected the WCS of {plane.label} to 0.01 pixel, found a shift of {shift:.3g} pixels"
        )


def _unit_of(exposed: ImagePlane, exposure: np.ndarray, given: str | None) -> ExposureUnit:
    try:
        unit = unit_of_header(exposed.header, exposure, given)
    except InputError as error:
        raise InputError(f"{exposed.label}: {error}") from error
    if unit.assumed and unit.factor != 1 and exposure.max() < 1:
        wanted = "an exposure map in seconds, or an effective area in cm2"
        warn(f"{exposed.label}: expected {wanted}; found values up to {exposure.max():.2g}")
    return unit
