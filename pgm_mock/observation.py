"""An observation: counts, exposure map, where its first pixel lies, and what the numbers mean."""

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from .arrays import checked_counts, checked_exposure, checked_map
from .errors import InputError, warn
from .observationfiles import header_of_part, read_files, write_images
from .pixels import Pixels
from .slivers import Slivers
from .units import flux_unit

if TYPE_CHECKING:
    from astropy.io import fits
    from astropy.wcs import WCS

_MOST_SIZE = 1000
"""Of half a stamp that reaches beyond the image."""


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
        counts, left_out = checked_counts(self.counts, exposure, "counts")
        background_map = (
            None if self.background_map is None else checked_map(self.background_map, exposure, "background_map")
        )
        _make_immutable(counts, exposure, background_map)
        object.__setattr__(self, "counts", counts)
        object.__setattr__(self, "exposure", exposure)
        object.__setattr__(self, "background_map", background_map)
        object.__setattr__(self, "left_out", self.left_out + left_out)
        if left_out:
            warn(f"counts: {left_out} counts on pixels without exposure: left out", of_object=True)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Come from another process, or from a copy, as immutable as before."""
        self.__dict__.update(state)
        _make_immutable(self.counts, self.exposure, self.background_map)

    def __repr__(self) -> str:
        """One line: name, shape, place, counts and exposure."""
        (ny, nx), (x, y) = self.shape, self.origin
        sky = "no sky coordinates" if self.wcs is None else "with sky coordinates"
        with_map = "" if self.background_map is None else ", with a background map"
        return (
            f"Observation({self.name!r}, {nx} x {ny} pixels from x={x} y={y}, {self.counts.sum():,} counts, "
            f"exposure up to {self.exposure.max():.5g} {self.exposure_unit}, {sky}{with_map})"
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
            exposure_unit: unit of the exposure map, for instance "s", in place of what its header says.
            background_map: FITS file of the counts to be expected in each pixel [count / pixel].
            min_exposure: pixels with less than this share of the largest exposure in the 9 x 9 pixels around them are
                taken for unexposed, and their counts left out; 0 keeps all. The commands have 0.25.

        Raises:
            InputError: a file that cannot be read, counts that are no counts, an exposure map without any exposure, a
                map of another shape or on another WCS, or a share outside 0 to 1.
        """
        return cls(**read_files(image, exposure, exposure_unit, background_map, min_exposure))

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
    def pixels(self) -> Pixels:
        """The pixels as a scene's light takes them: exposure, columns, rows and background map."""
        return Pixels.in_one_piece(*self.image)

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

        background_map = None if self.background_map is None else cut(self.background_map)
        name = name if name is not None else f"{self.name} x={x:g} y={y:g}".strip()
        return replace(
            self,
            counts=cut(self.counts),
            exposure=cut(self.exposure),
            background_map=background_map,
            origin=(left, low),
            name=name,
            left_out=0,
            slivers=Slivers(),
        )

    def with_more_expected(self, counts: np.ndarray) -> Self:
        """Return the observation with further counts in its background map, shape (ny, nx) [count / pixel]."""
        return replace(self, background_map=counts + (0.0 if self.background_map is None else self.background_map))

    def stamp_header(self) -> "fits.Header":
        """Return the FITS header of this image: where its pixels lie in the full image and on the sky."""
        return header_of_part(self.header, self.wcs, self.origin, self.name)

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
        write_images(files, self.stamp_header())


def _make_immutable(*arrays: np.ndarray | None) -> None:
    for array in arrays:
        if array is not None:
            array.setflags(write=False)
