"""A PSF that is given as an image: taken apart into products of profiles by its singular values."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Num

from ..errors import InputError, warn
from .protocol import SumOfProducts

if TYPE_CHECKING:
    from astropy.io import fits

_PRECISION = 1e-5
_MOST_PRODUCTS = 24
_FINER = 3
_LEAST_SAMPLING = 0.01
_MOST_POINTS = 1000
"""Of half the side of the image that an elongated PSF is made from: with finer points in each, 300 MB."""
_MOST_SAMPLING = 1e6
"""Where it is given: beyond, or below its inverse, nothing is left of the image or of a pixel."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ImagePSF(SumOfProducts):
    """A PSF from an image, of any sampling; its width is a stretch of the image, 1 as it is.

    The image's cumulative sums along x and along y are joined by cubic splines, so that a shift by a part of a pixel is
    smooth, and a detector's pixel gets the integral over its own area; a core that is narrower (in standard deviations)
    than two of the image's pixels is joined to a thousandth only.

    Attributes:
        in_x, in_y: coefficients of the splines, shapes (k, mx, 4) and (k, my, 4), of the image's pixels.
        first_x, first_y: left and lower edge of the image from the source's position [image pixels].
        sampling: image pixels for each detector pixel.
        spread: standard deviation of the Gaussian with the same half-light radius [detector pixels].
        source: the file that it came from.
    """

    in_x: Num[ArrayLike, "k mx 4"]
    in_y: Num[ArrayLike, "k my 4"]
    first_x: Array | float
    first_y: Array | float
    sampling: Array | float
    spread: Array | float
    source: str = field(default="", metadata={"static": True})
    typical_width: ClassVar[float] = 1.0
    width_spread: ClassVar[float] = 0.0
    width_name: ClassVar[str] = "stretch"
    width_unit: ClassVar[str] = ""
    width_symbol: ClassVar[str] = r"\mathrm{stretch}"

    @classmethod
    def of(
        cls, image: np.ndarray, sampling: float, centre: tuple[float, float] | None = None, source: str = ""
    ) -> Self:
        """Take an image of a point source.

        Args:
            image: shape (my, mx), finite; normalised here to a sum of 1.
            sampling: image pixels for each detector pixel, > 0.
            centre: where the source is, in the image's own pixels, the first of which is 1; by default the middle.
            source: what to call it.

        Raises:
            InputError: an image that is none, or a sampling that is not positive.
        """
        label = source or "PSF image"
        data = np.asarray(image, float)
        if data.ndim != 2 or min(data.shape) < 4 or not np.isfinite(data).all() or not data.sum() > 0:
            raise InputError(f"{label}: expected a finite image of at least 4 x 4 pixels with a positive sum")
        if not 1 / _MOST_SAMPLING <= sampling <= _MOST_SAMPLING:
            wanted = f"a sampling > 0 image pixels for each pixel, at most {_MOST_SAMPLING:g}"
            raise InputError(f"{label}: expected {wanted}, found {float(sampling):g}")
        total = float(data.sum())
        if abs(total - 1.0) > 0.01:
            warn(f"{label}: the image adds up to {total:.4g}; normalised to 1")
        ny, nx = data.shape
        x, y = centre if centre is not None else ((nx + 1) / 2, (ny + 1) / 2)
        left, sizes, right = np.linalg.svd(data / total, full_matrices=False)
        kept = _products_needed(left, sizes, right, sampling)
        sizes = sizes / (left[:, :kept].sum(axis=0) * sizes[:kept] @ right[:kept].sum(axis=1))
        return cls(
            in_x=_cumulative_spline(right[:kept] * sizes[:kept, None]),
            in_y=_cumulative_spline(left[:, :kept].T),
            first_x=0.5 - x,
            first_y=0.5 - y,
            sampling=float(sampling),
            spread=_half_light_radius(data / total, x, y) / sampling / math.sqrt(2.0 * math.log(2.0)),
            source=source,
        )

    @classmethod
    def read(cls, path: str | os.PathLike[str], pixel_size: float, sampling: float | None = None) -> Self:
        """Read a PSF image from FITS.

        Args:
            path: the file, or one plane of it, as `fitsimage.read_plane` takes it; CRPIX, where it stands, says where
                the source is.
            pixel_size: of the detector's image [degree]; with the file's CDELT (in CUNIT, or degrees) it gives the
                sampling.
            sampling: image pixels for each detector pixel; it stands over what the header says.

        Raises:
            InputError: a file that cannot be read, or that does not say its pixel size, or one that cannot be right.
        """
        from ..fitsimage import read_plane

        plane = read_plane(path)
        header = plane.header
        sampling = sampling if sampling is not None else _sampling(header, pixel_size, plane.label)
        try:
            centre = (float(header["CRPIX1"]), float(header["CRPIX2"])) if "CRPIX1" in header else None
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{plane.label}: expected numbers in CRPIX1 and CRPIX2, found something else") from error
        return cls.of(np.asarray(plane.data, float), sampling, centre, os.fspath(path))

    def describe(self) -> str:
        """Return its file and sampling in words that `parse` understands."""
        return f"ImagePSF({self.source}; sampling={float(self.sampling):.9g})"

    @classmethod
    def parse(cls, arguments: str) -> "ImagePSF":
        """Read it again from its file, or make it again where `elongated` made it.

        Raises:
            InputError: a file that is not there any more.
            ValueError, TypeError: arguments of another kind.
        """
        source, _, sampling = arguments.rpartition("; sampling=")
        if not (source.startswith("elongated(") and source.endswith(")")):
            return cls.read(source, float("nan"), sampling=float(sampling))
        pairs = (one.partition("=") for one in source[len("elongated(") : -1].split(","))
        return elongated(**{key.strip(): float(value) for key, _, value in pairs}, sampling=int(float(sampling)))

    def profiles(
        self,
        x: Num[ArrayLike, "*columns"],
        y: Num[ArrayLike, "*rows"],
        x_pos: Num[ArrayLike, ""],
        y_pos: Num[ArrayLike, ""],
        psf_width: Num[ArrayLike, ""],
    ) -> tuple[Float[Array, "k *columns"], Float[Array, "k *rows"]]:
        """Return the profile of each singular vector; the arguments are `pixel_fraction`'s."""
        scale = self.sampling / psf_width
        columns = _in_pixels(jnp.asarray(self.in_x), (jnp.asarray(x) - x_pos), scale, self.first_x)
        return columns, _in_pixels(jnp.asarray(self.in_y), (jnp.asarray(y) - y_pos), scale, self.first_y)

    def gaussians(self, psf_width: Num[ArrayLike, ""]) -> tuple[Float[Array, "1"], Float[Array, "1"]]:
        """Return the standard deviation [pixels] of the Gaussian that is nearest to it, and its share: all."""
        return jnp.reshape(jnp.asarray(psf_width, float) * self.spread, 1), jnp.ones(1)


def elongated(
    axis_ratio: float, angle: float, *, slope: float | None = None, extent: float = 30.0, sampling: int = 8
) -> ImagePSF:
    """Return an elliptical Gaussian, or King profile, of width 1 along its long axis; `psf_width` stretches it.

    Args:
        axis_ratio: short over long axis, from 0.2 to 1.
        angle: from the x axis to the long axis, counter-clockwise [degree].
        slope: of a King profile; None is a Gaussian.
        extent: half the size of the image that it is made from [widths]; light further out is cut off.
        sampling: points for each width.

    Raises:
        InputError: an axis ratio outside its range, numbers that are not finite, or too large an image.
    """
    if not 0.2 <= axis_ratio <= 1:
        raise InputError(f"axis_ratio: expected 0.2 to 1, found {axis_ratio}")
    if not (extent > 0 and 0 < extent * sampling <= _MOST_POINTS and np.isfinite([angle, slope or 2.0]).all()):
        given = f"angle {angle:g}, slope {slope}, extent {extent:g} and sampling {sampling}"
        raise InputError(f"elongated: expected finite numbers, extent x sampling at most {_MOST_POINTS}, found {given}")
    half = extent if slope is not None else min(extent, 7.0)
    number = 2 * round(half * sampling) + 1
    offset = (np.arange(_FINER * number) - (_FINER * number - 1) / 2) / (_FINER * sampling)
    turn = np.deg2rad(angle)
    along = offset * np.cos(turn) + offset[:, None] * np.sin(turn)
    across = (offset[:, None] * np.cos(turn) - offset * np.sin(turn)) / axis_ratio
    squared = along**2 + across**2
    density: Callable[[np.ndarray], np.ndarray] = lambda r2: np.exp(-0.5 * r2) if slope is None else (1 + r2) ** -slope  # noqa: E731
    image = density(squared).reshape(number, _FINER, number, _FINER).mean(axis=(1, 3))
    named = {"axis_ratio": axis_ratio, "angle": angle, "extent": extent} | ({} if slope is None else {"slope": slope})
    numbers = ", ".join(f"{name}={value:.9g}" for name, value in named.items())
    return ImagePSF.of(image / image.sum(), sampling, source=f"elongated({numbers})")


def _sampling(header: "fits.Header", pixel_size: float, label: str) -> float:
    """Image pixels for each detector pixel, from the image's CDELT."""
    from astropy import units

    size, unit = header.get("CDELT2", header.get("CD2_2")), header.get("CUNIT2", "deg")
    wanted = "--psf-sampling N, image pixels for each pixel"
    if not isinstance(size, int | float) or not size:
        raise InputError(f"{label}: expected a pixel size (CDELT2) or {wanted}; found neither")
    try:
        degrees = abs(float(size)) * units.Unit(str(unit)).to(units.deg)
    except (ValueError, units.UnitConversionError) as error:
        raise InputError(f"{label}: expected CDELT2 in an angle, or {wanted}; found {str(unit)[:20]!r}") from error
    sampling = pixel_size / degrees
    if not _LEAST_SAMPLING <= sampling <= 1 / _LEAST_SAMPLING:
        raise InputError(
            f"{label}: expected a pixel size like the image's, or {wanted}; found CDELT2 = {size:g} {unit}"
        )
    return sampling


def _half_light_radius(data: np.ndarray, x: float, y: float) -> float:
    """Radius about (x, y) that holds half of the light [image pixels]."""
    row, column = np.indices(data.shape)
    radius = np.hypot(column + 1 - x, row + 1 - y).ravel()
    order = np.argsort(radius)
    return float(np.interp(0.5, np.maximum.accumulate(np.cumsum(data.ravel()[order])), radius[order]))


def _products_needed(left: np.ndarray, sizes: np.ndarray, right: np.ndarray, sampling: float) -> int:
    """How many singular vectors give every detector pixel to a hundred thousandth of the light."""
    area = max(1.0, sampling) ** 2
    for number in range(1, min(len(sizes), _MOST_PRODUCTS)):
        rest = (left[:, number:] * sizes[number:]) @ right[number:]
        if np.abs(rest).max() * area < _PRECISION:
            return number
    return min(len(sizes), _MOST_PRODUCTS)


def _cumulative_spline(profiles: np.ndarray) -> np.ndarray:
    """Join the cumulative sums of profiles (k, m) by cubic splines: coefficients (k, m, 4), lowest power first."""
    from scipy.interpolate import CubicSpline

    sums = np.concatenate([np.zeros((len(profiles), 1)), np.cumsum(profiles, axis=1)], axis=1)
    spline = CubicSpline(np.arange(sums.shape[1]), sums, axis=1, bc_type="clamped")
    return np.ascontiguousarray(np.moveaxis(spline.c[::-1], (0, 2), (2, 0)))


def _in_pixels(coefficients: Array, offset: Array, scale: Num[ArrayLike, ""], first: Num[ArrayLike, ""]) -> Array:
    """Integrate each profile over unit pixels about the offsets."""
    number = coefficients.shape[1]

    def cumulated(edge: Array) -> Array:
        place = jnp.clip(edge * scale - first, 0.0, float(number))
        cell = jnp.clip(jnp.floor(jax.lax.stop_gradient(place)), 0, number - 1)
        inside = place - cell
        c0, c1, c2, c3 = jnp.moveaxis(coefficients[:, cell.astype(int)], -1, 0)
        return c0 + inside * (c1 + inside * (c2 + inside * c3))

    return cumulated(offset + 0.5) - cumulated(offset - 0.5)
