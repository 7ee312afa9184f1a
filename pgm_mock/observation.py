"""An observation: counts, exposure map, where its first pixel lies, and what the numbers mean."""

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from .errors import DataWarning, InputError, shown
from .files import replacing
from .fitsimage import ImagePlane, celestial_wcs, read_plane
from .slivers import Slivers, without_slivers
from .units import ExposureUnit, exposure_unit, flux_unit

if TYPE_CHECKING:
    from astropy.io import fits
    from astropy.wcs import WCS

_MOST_COUNTS = 2**31 - 1
"""In a pixel: mocks and likelihood have 32-bit integers."""
_LEAST_EXPOSURE, _MOST_EXPOSURE = 1e-25, 1e25
"""The largest of a map, in any unit; products with what lies outside run over or under in single precision."""
_FAR = 10**6
"""The first pixel's distance from that of the full image."""
_MOST_SIZE = 1000
"""Of half a stamp that reaches beyond the image."""
# FITS keywords of a stamp: the image coordinates of its first pixel in the image that it was cut from.
_ORIGIN_KEYWORDS = ("STAMPX0", "STAMPY0")


@dataclass(frozen=True, eq=False)
class Observation:
    """Counts and exposure of an image, or of a stamp cut from one: the two differ only in `origin`.

    Coordinates are FITS image coordinates of the full image everywhere: the first pixel is 1, it is centred on 1.0
    and reaches from 0.5 to 1.5; x is the column (the second array index), y the row.

    Attributes:
        counts: shape (ny, nx), whole numbers ≥ 0 [count]. Made from any numbers; 0 where the exposure is 0.
        exposure: shape (ny, nx), ≥ 0, somewhere positive [`exposure_unit`]; 0 where nothing was observed.
        origin: (x, y) of the first pixel.
        wcs: celestial coordinates of the full image, or None.
        exposure_unit: unit of the exposure map, as astropy writes it.
        unit_source: where that unit was learnt from.
        name: identifies the source or field; random keys are derived from it.
        header: FITS header of the counts image.
        left_out: counts that were found on pixels without exposure, and left out.
        background_map: counts to be expected whatever the exposure, such as those of particles, or from a model of a
            cluster, shape (ny, nx) [count / pixel]; the model has them times `background_norm`. None where there is no
            such map. Made 0 where the exposure is 0.
        slivers: what `read` took away for want of exposure; not counted in `left_out`.

    Raises:
        InputError: counts or exposure that are none; the message says what was expected and what was found.
    """

    counts: np.ndarray
    exposure: np.ndarray
    origin: tuple[int, int] = (1, 1)
    wcs: "WCS | None" = field(default=None, repr=False)
    exposure_unit: str = "s"
    unit_source: str = "as given"
    name: str = ""
    header: "fits.Header | None" = field(default=None, repr=False)
    left_out: int = field(default=0, repr=False)
    background_map: np.ndarray | None = field(default=None, repr=False)
    slivers: Slivers = field(default=Slivers(), repr=False)

    def __post_init__(self) -> None:
        exposure = checked_exposure(self.exposure, "exposure").copy()
        counts, left_out = _checked_counts(self.counts, exposure, "counts")
        behind = None if self.background_map is None else checked_map(self.background_map, exposure, "background_map")
        for array in (counts, exposure, behind):
            if array is not None:
                array.setflags(write=False)
        object.__setattr__(self, "counts", counts)
        object.__setattr__(self, "exposure", exposure)
        object.__setattr__(self, "background_map", behind)
        object.__setattr__(self, "left_out", self.left_out + left_out)
        if left_out:
            warnings.warn(f"counts: {left_out} counts on pixels without exposure: left out", DataWarning, 3)

    def __repr__(self) -> str:
        """One line: name, shape, place, counts and exposure."""
        (ny, nx), (x, y) = self.shape, self.origin
        sky = "no sky coordinates" if self.wcs is None else "with sky coordinates"
        behind = "" if self.background_map is None else ", with a background map"
        return (
            f"Observation({self.name!r}, {nx} x {ny} pixels from x={x} y={y}, {self.counts.sum():,} counts, "
            f"exposure up to {self.exposure.max():.5g} {self.exposure_unit}, {sky}{behind})"
        )

    @classmethod
    def read(
        cls,
        image: str | os.PathLike[str],
        exposure: str | os.PathLike[str],
        *,
        exposure_unit: str | None = None,
        background_map: str | os.PathLike[str] | None = None,
        min_exposure: float = 0.0,
    ) -> Self:
        """Read a counts image and its exposure map, and a background map where there is one.

        Args:
            image, exposure: FITS files, compressed or not; `file.fits[NAME]` picks an HDU.
            exposure_unit: unit of the exposure map where the header does not say, for instance "s".
            background_map: FITS file of the counts to be expected in each pixel [count / pixel].
            min_exposure: pixels with less than this share of the largest exposure in the 9 x 9 pixels around them are
                taken for unexposed, and their counts left out; 0 keeps all. The commands have 0.25.

        Raises:
            InputError: a file that cannot be read, counts that are no counts, an exposure map without any exposure, a
                map of another shape or on another WCS, or a share that is none.
        """
        plane, exposed = read_plane(image), read_plane(exposure)
        _check_same_sky(plane, exposed)
        _check_same_camera(plane, exposed)
        checked = checked_exposure(exposed.data, exposed.label)
        unit = _unit_of(exposed, checked, exposure_unit)
        counts, left_out = _checked_counts(plane.data, checked, plane.label)
        if np.ptp(checked) > 0 and np.array_equal(counts, checked):
            raise InputError(f"{exposed.label}: expected an exposure map, found the counts of {plane.label} again")
        missing = (checked > 0) & ~np.isfinite(np.asarray(plane.data, float))
        if np.array_equal(missing, checked > 0):
            raise InputError(f"{plane.label}: expected counts, found no value on any exposed pixel")
        if np.any(missing):
            warnings.warn(f"{plane.label}: {missing.sum()} exposed pixels without a value: left out", DataWarning, 2)
            checked = checked_exposure(np.where(missing, 0.0, checked), exposed.label)
        if left_out:
            said = f"{plane.label}: {left_out} counts on pixels without exposure in {exposed.label}: left out"
            warnings.warn(said, DataWarning, 2)
        counts, checked, slivers = without_slivers(counts, checked, min_exposure, plane.label)
        behind = None
        if background_map is not None:
            expected = read_plane(background_map)
            _check_same_sky(plane, expected)
            behind = checked_map(expected.data, checked, expected.label)
        origin, header, wcs = _origin_and_wcs(plane)
        wcs = wcs if wcs is not None else _origin_and_wcs(exposed)[2]
        return cls(
            counts=counts,
            exposure=checked * unit.factor,
            origin=origin,
            wcs=wcs,
            exposure_unit=unit.unit,
            unit_source=unit.source,
            name=str(header.get("OBJECT", "")),
            header=header,
            left_out=left_out,
            background_map=behind,
            slivers=slivers,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx), the number of rows and of columns."""
        ny, nx = self.counts.shape
        return ny, nx

    @property
    def columns(self) -> np.ndarray:
        """The x of each column, shape (1, nx) [FITS image pixels]."""
        return self.origin[0] + np.arange(self.shape[1], dtype=float)[None, :]

    @property
    def rows(self) -> np.ndarray:
        """The y of each row, shape (ny, 1) [FITS image pixels]."""
        return self.origin[1] + np.arange(self.shape[0], dtype=float)[:, None]

    @property
    def image(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
        """Exposure, columns, rows and background map: the first arguments of `expected_counts`."""
        return self.exposure, self.columns, self.rows, self.background_map

    @property
    def x(self) -> np.ndarray:
        """The ramp of x: each pixel's column, shape (ny, nx) [FITS image pixels]."""
        return np.broadcast_to(self.columns, self.shape)

    @property
    def y(self) -> np.ndarray:
        """The ramp of y: each pixel's row, shape (ny, nx) [FITS image pixels]."""
        return np.broadcast_to(self.rows, self.shape)

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y) of the middle of the image [FITS image pixels]."""
        ny, nx = self.shape
        return self.origin[0] + (nx - 1) / 2, self.origin[1] + (ny - 1) / 2

    @property
    def flux_unit(self) -> str:
        """Unit of a flux: counts per unit of exposure ("ct / s" where the exposure is in s)."""
        return flux_unit(self.exposure_unit)

    def stamp(self, x: float, y: float, half_size: int = 20, *, name: str | None = None) -> Self:
        """Cut a square of 2 half_size + 1 pixels about the pixel that holds (x, y).

        The shape is the same everywhere: beyond the image's edge the stamp has exposure 0 and no counts.

        Args:
            x, y: position [FITS image pixels].
            half_size: pixels on each side of the central one.
            name: identifies the stamp; by default made from the position.

        Raises:
            InputError: a position that is no number, or a stamp without any exposure.
        """
        if not (np.isfinite(x) and np.isfinite(y)):
            raise InputError(f"stamp: expected a position in pixels, found x={x}, y={y}: none on this image's sky?")
        if half_size != int(half_size) or half_size < 0:
            raise InputError(f"half_size: expected a whole number of pixels ≥ 0, found {half_size}")
        if half_size > max(*self.shape, _MOST_SIZE):
            most = max(*self.shape, _MOST_SIZE)
            raise InputError(f"half_size: expected at most {most} pixels, beyond the image, found {half_size:.6g}")
        left, low = int(np.floor(x + 0.5)) - int(half_size), int(np.floor(y + 0.5)) - int(half_size)
        size = 2 * int(half_size) + 1
        (ny, nx), (x_first, y_first) = self.shape, self.origin
        inside_x = slice(max(left, x_first) - x_first, max(min(left + size, x_first + nx) - x_first, 0))
        inside_y = slice(max(low, y_first) - y_first, max(min(low + size, y_first + ny) - y_first, 0))
        seen = self.exposure[inside_y, inside_x]
        if not np.any(seen > 0):
            to = f"x {x_first} to {x_first + nx - 1}, y {y_first} to {y_first + ny - 1}"
            raise InputError(
                f"stamp at x={x:g}, y={y:g}: expected some exposure within {half_size} pixels, found none"
                f" (the image covers {to})"
            )
        row, column = inside_y.start + y_first - low, inside_x.start + x_first - left

        def cut(image: np.ndarray) -> np.ndarray:
            whole = np.zeros((size, size), image.dtype)
            whole[row : row + seen.shape[0], column : column + seen.shape[1]] = image[inside_y, inside_x]
            return whole

        behind = None if self.background_map is None else cut(self.background_map)
        name = name if name is not None else f"{self.name} x={x:g} y={y:g}".strip()
        return replace(
            self,
            counts=cut(self.counts),
            exposure=cut(self.exposure),
            background_map=behind,
            origin=(left, low),
            name=name,
            left_out=0,
            slivers=Slivers(),
        )

    def stamp_header(self) -> "fits.Header":
        """Return the FITS header of this image: where its pixels lie in the full image and on the sky."""
        from astropy.io import fits

        header = fits.Header() if self.header is None else self.header.copy(strip=True)
        for keyword in ("BLANK", "BSCALE", "BZERO", "CHECKSUM", "DATASUM", "RADECSYS"):
            header.remove(keyword, ignore_missing=True)
        if self.wcs is not None:
            header.update(self.wcs.to_header(relax=True))
        _move_origin(header, self.origin)
        header["OBJECT"] = self.name.encode("ascii", "replace").decode("ascii")  # FITS has no other characters
        return header

    def write(
        self,
        image: str | os.PathLike[str],
        exposure: str | os.PathLike[str],
        background_map: str | os.PathLike[str] | None = None,
    ) -> None:
        """Write a pair of FITS files that `read` gives back identical, origin and WCS included.

        Args:
            image, exposure: where to.
            background_map: where to, for an observation that has one.

        Raises:
            InputError: a folder that does not exist or cannot be written to, or a background map that is not there.
        """
        files = [(image, self.counts, "ct"), (exposure, self.exposure, self.exposure_unit)]
        if background_map is not None:
            if self.background_map is None:
                said = f"{os.fspath(background_map)}: expected an observation with a background map, found none"
                raise InputError(said)
            files.append((background_map, self.background_map, "ct"))
        from astropy.io import fits

        header = self.stamp_header()
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
            warnings.warn(f"{exposed.label}: {said}", DataWarning, 3)
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
        unit = exposure_unit(exposed.header, exposure, given)
    except InputError as error:
        raise InputError(f"{exposed.label}: {error}") from error
    if unit.assumed and unit.factor != 1 and exposure.max() < 1:
        wanted = "an exposure map in seconds, or an effective area in cm2"
        warnings.warn(f"{exposed.label}: expected {wanted}; found values up to {exposure.max():.2g}", DataWarning, 3)
    return unit


def checked_exposure(values: object, label: str) -> np.ndarray:
    """Return an exposure map as float64, NaN turned into 0, or raise InputError; not always a copy.

    Args:
        values: anything that should be an image, shape (ny, nx).
        label: what an error calls it.
    """
    exposure = _image(values, label).astype(float, copy=False)
    least, most = exposure.min(), exposure.max()
    if np.isnan(least):
        exposure = np.where(np.isnan(exposure), 0.0, exposure)
        least, most = exposure.min(), exposure.max()
    if least < 0 or most == np.inf:
        raise InputError(f"{label}: expected exposures that are finite and ≥ 0, found {_first(exposure, _bad)}")
    if not most > 0:
        raise InputError(f"{label}: expected an exposure map, found no pixel with any exposure")
    if not _LEAST_EXPOSURE < most < _MOST_EXPOSURE:
        wanted = f"a largest exposure between {_LEAST_EXPOSURE:g} and {_MOST_EXPOSURE:g}"
        raise InputError(f"{label}: expected {wanted}, found {most:g}")
    return exposure


def checked_map(values: object, exposure: np.ndarray, label: str) -> np.ndarray:
    """Return expected counts as float64, 0 without exposure, or raise InputError.

    Args:
        values: anything that should be an image of the exposure map's shape (ny, nx) [count / pixel].
        exposure: the exposure map, checked.
        label: what an error calls it.
    """
    data = _image(values, label)
    if data.shape != exposure.shape:
        raise InputError(f"{label}: expected the exposure map's shape {exposure.shape}, found {data.shape}")
    expected = np.where(exposure > 0, data, 0.0).astype(float)
    if not np.all(np.isfinite(expected)) or np.any(expected < 0):
        found = _first(expected, lambda image: ~np.isfinite(image) | (image < 0))
        raise InputError(f"{label}: expected counts per exposed pixel, finite and ≥ 0, found {found}")
    return expected


def _checked_counts(values: object, exposure: np.ndarray, label: str) -> tuple[np.ndarray, int]:
    """Return the counts as integers, 0 without exposure, and how many were left out there; or raise InputError."""
    data = _image(values, label)
    if data.shape != exposure.shape:
        raise InputError(f"{label}: expected the exposure map's shape {exposure.shape}, found {data.shape}")
    known = data.astype(float)
    known[np.isnan(known)] = 0.0
    if np.any(np.isinf(known)) or np.any(known < 0):
        raise InputError(f"{label}: expected counts, finite and ≥ 0, found {_first(known, _bad)}")
    if np.any(known != np.floor(known)):
        found = _first(known, lambda image: image != np.floor(image))
        raise InputError(
            f"{label}: expected whole numbers of counts, found {found}; is it a rate map, or the exposure map?"
        )
    if known.max() > _MOST_COUNTS:
        found = _first(known, lambda image: image > _MOST_COUNTS)
        raise InputError(f"{label}: expected at most {_MOST_COUNTS:,} counts in a pixel, found {found}")
    left_out = int(known[exposure == 0].sum())
    return np.where(exposure > 0, known, 0).astype(np.int64), left_out


def _image(values: object, label: str) -> np.ndarray:
    data = np.asarray(values)
    if data.ndim != 2 or data.size == 0 or data.dtype.kind not in "biuf":
        raise InputError(f"{label}: expected a two-dimensional image of numbers, found {data.dtype} of {data.shape}")
    return data


def _bad(image: np.ndarray) -> np.ndarray:
    return np.isinf(image) | (image < 0)


def _first(image: np.ndarray, where: Callable[[np.ndarray], np.ndarray]) -> str:
    """Say the first value that is not as expected, and at which array index."""
    row, column = np.argwhere(where(image))[0]
    return f"{image[row, column]:g} in column {column + 1}, row {row + 1}"
