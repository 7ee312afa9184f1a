"""What a point-spread function is: a sum of products of a profile in x and a profile in y.

The fraction of the light in a pixel is the integral of the PSF over that pixel, not its value at the centre. A Gaussian
is one product; a King profile is a sum of Gaussians (`king`), and an image is one of its singular vectors (`image`).
The form makes everything else fast: a stamp of n x n pixels takes 2n integrals for each product, and the likelihood of
a list of photons never makes an image.
"""

from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Num

from ..errors import InputError
from ..pixels import Pixels


@runtime_checkable
class PSF(Protocol):
    """Anything that says which fraction of a source's light falls into each pixel.

    Attributes:
        typical_width: median of the width's default prior [pixels].
        width_spread: standard deviation of its logarithm there; with 0 the width is fixed.
        width_name: what the width is called, such as "core radius".
        width_unit: its unit, "pixel"; empty for a stretch, which has none.
    """

    @property
    def typical_width(self) -> Any:
        """Median of the width's default prior."""
        ...

    @property
    def width_spread(self) -> float:
        """Spread of the width's default prior."""
        ...

    @property
    def width_name(self) -> str:
        """What the width is called."""
        ...

    @property
    def width_unit(self) -> str:
        """Unit of the width; empty where it has none."""
        ...

    def pixel_fraction(
        self,
        x: Num[ArrayLike, "*#pixels"],
        y: Num[ArrayLike, "*#pixels"],
        x_pos: Num[ArrayLike, ""],
        y_pos: Num[ArrayLike, ""],
        psf_width: Num[ArrayLike, ""],
    ) -> Float[Array, "*pixels"]:
        """Return the fraction of the light of a source at (x_pos, y_pos) in the pixels centred on (x, y)."""
        ...

    def profiles(
        self,
        x: Num[ArrayLike, "*columns"],
        y: Num[ArrayLike, "*rows"],
        x_pos: Num[ArrayLike, ""],
        y_pos: Num[ArrayLike, ""],
        psf_width: Num[ArrayLike, ""],
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]] | None:
        """Return profiles in the columns x and in the rows y, the sum of whose products it is; None without any.

        Where there are several products they are the first axis: shapes (k, *columns) and (k, *rows). A family may have
        `profiles_between` beside them, which is faster where pixels follow one another: see `profiles_in`.
        """
        ...


class SumOfProducts:
    """A PSF in factors: what has `profiles` with a first axis of products gets `pixel_fraction`."""

    def pixel_fraction(
        self,
        x: Num[ArrayLike, "*#pixels"],
        y: Num[ArrayLike, "*#pixels"],
        x_pos: Num[ArrayLike, ""],
        y_pos: Num[ArrayLike, ""],
        psf_width: Num[ArrayLike, ""],
    ) -> Float[Array, "*pixels"]:
        """Fraction of the light of a source at (x_pos, y_pos) in the unit pixels centred on (x, y).

        Args:
            x, y: pixel centres, broadcastable against each other [FITS image pixels].
            x_pos, y_pos: the source's position [FITS image pixels].
            psf_width: the family's width [pixels].

        Returns:
            The fraction, of the broadcast shape; summed over the whole plane it is 1.
        """
        columns, rows = self.profiles(x, y, x_pos, y_pos, psf_width)
        if jnp.ndim(x) == 2 and jnp.shape(x)[0] == 1 and jnp.shape(y)[1] == 1:
            return rows[..., 0].T @ columns[:, 0]
        return jnp.sum(columns * rows, axis=0)

    def profiles(
        self,
        x: Num[ArrayLike, "*columns"],
        y: Num[ArrayLike, "*rows"],
        x_pos: Num[ArrayLike, ""],
        y_pos: Num[ArrayLike, ""],
        psf_width: Num[ArrayLike, ""],
    ) -> tuple[Float[Array, "k *columns"], Float[Array, "k *rows"]]:
        """Return the k profiles in the columns x and in the rows y."""
        raise NotImplementedError


def profiles_in(
    psf: PSF, pixels: Pixels, x_pos: Num[ArrayLike, ""], y_pos: Num[ArrayLike, ""], width: Num[ArrayLike, ""]
) -> tuple[Float[Array, "..."], Float[Array, "..."]] | None:
    """Return a PSF's profiles in pixels; None where it has none.

    Pixels that follow one another share their edges, at which less has to be computed than for each pixel by itself:
    a family may have `profiles_between(x_edges, y_edges, x_pos, y_pos, psf_width)` beside its `profiles`, which gives
    the same numbers, shapes (k, columns) and (k, rows). It is not asked for where a class has other `profiles` than the
    one that it inherits `profiles_between` from.

    Args:
        psf: the family.
        pixels: where.
        x_pos, y_pos: the source's position [FITS image pixels].
        width: the family's width [pixels].
    """
    own: Any = psf
    family = next((one for one in type(psf).__mro__ if "profiles" in vars(one)), type(psf))
    if pixels.edges is not None and "profiles_between" in vars(family):
        return own.profiles_between(*pixels.edges, x_pos, y_pos, width)
    return psf.profiles(pixels.x, pixels.y, x_pos, y_pos, width)


def with_slope(psf: PSF, slope: Num[ArrayLike, ""] | None) -> PSF:
    """Return a PSF of another slope, such as a King profile; None changes nothing.

    Raises:
        InputError: a slope for a PSF that has none.
    """
    if slope is None:
        return psf
    if hasattr(psf, "with_slope"):
        shifted: PSF = psf.with_slope(slope)
        return shifted
    if not hasattr(psf, "slope"):
        raise InputError(f"psf_slope: expected a PSF with a slope, as King and Moffat, found {type(psf).__name__}")
    changed: PSF = replace(psf, slope=jnp.asarray(slope))  # type: ignore[type-var]
    return changed


@jax.jit
def light_in_pixels(
    psf: PSF,
    x: Num[ArrayLike, "#ny nx"],
    y: Num[ArrayLike, "ny #nx"],
    x_pos: Num[ArrayLike, ""],
    y_pos: Num[ArrayLike, ""],
    width: Num[ArrayLike, ""],
) -> Float[Array, "ny nx"]:
    """Return a PSF's `pixel_fraction`, compiled: for callers that are not themselves a compiled program."""
    return psf.pixel_fraction(x, y, x_pos, y_pos, width)
