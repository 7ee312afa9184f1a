"""The expected-counts image: the one deterministic function of the model."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, ArrayLike, Float, Num

from .psf import PSF, GaussianPSF


@jax.jit
def expected_counts(
    exposure: Num[ArrayLike, "ny nx"],
    x: Num[ArrayLike, "#ny nx"],
    y: Num[ArrayLike, "ny #nx"],
    *,
    x_pos: Num[ArrayLike, ""],
    y_pos: Num[ArrayLike, ""],
    flux: Num[ArrayLike, ""],
    background: Num[ArrayLike, ""],
    psf_width: Num[ArrayLike, ""],
    psf: PSF = GaussianPSF(),  # noqa: B008 (a constant without state)
) -> Float[Array, "ny nx"]:
    r"""Expected counts in each pixel of an exposed image of one point source on a uniform background.

    \[ \mu_k = t_k (F P_k(x_0, y_0, \sigma) + b) \]

    Args:
        exposure: exposure map t, vignetting included, shape (ny, nx) [s, or the unit of the map].
        x, y: pixel centres [FITS image pixels: the first pixel is 1]; full ramps of shape (ny, nx), or a row
            (1, nx) and a column (ny, 1), which is faster where the PSF factorises.
        x_pos, y_pos: the source's position x_0, y_0 [FITS image pixels].
        flux: F, the source's counts per unit of exposure over the whole plane, not only over the image [count / s].
        background: b, background per pixel [count / s / pixel].
        psf_width: sigma, the width of the PSF [pixels].
        psf: the family of the PSF.

    Returns:
        mu, shape (ny, nx) [count / pixel]; 0 where the exposure is 0.
    """
    return jnp.asarray(exposure) * (flux * psf.pixel_fraction(x, y, x_pos, y_pos, psf_width) + background)


class PointSource(NamedTuple):
    """A point source on a background whose PSF factorises: mean = exposure (flux · profile_y profile_x + background).

    Attributes:
        exposure: shape (ny, nx).
        profile_x: fraction of the light in each column, shape (nx,).
        profile_y: fraction of the light in each row, shape (ny,).
        flux, background: scalars.
    """

    exposure: Num[ArrayLike, "ny nx"]
    profile_x: Float[Array, " nx"]
    profile_y: Float[Array, " ny"]
    flux: Num[ArrayLike, ""]
    background: Num[ArrayLike, ""]

    def image(self, dtype: DTypeLike) -> Float[Array, "ny nx"]:
        """Multiply the factors out, in a precision of choice."""
        exposure, columns, rows, flux, background = (jnp.asarray(factor, dtype) for factor in self)
        # Without the barrier XLA computes the profiles anew for each pixel instead of once for each row and column.
        columns, rows = jax.lax.optimization_barrier((columns, rows))
        return exposure * (flux * rows[:, None] * columns + background)


def point_source(
    exposure: Num[ArrayLike, "ny nx"],
    x: Num[ArrayLike, "#ny nx"],
    y: Num[ArrayLike, "ny #nx"],
    psf: PSF,
    parameters: Mapping[str, Num[ArrayLike, ""]],
) -> PointSource | None:
    """Return the expected counts in factors; None where the PSF does not factorise or x and y are full ramps."""
    if jnp.shape(x)[0] != 1 or jnp.shape(y)[1] != 1:
        return None
    profiles = psf.profiles(x, y, parameters["x_pos"], parameters["y_pos"], parameters["psf_width"])
    if profiles is None:
        return None
    profile_x, profile_y = profiles[0][0], profiles[1][:, 0]
    return PointSource(exposure, profile_x, profile_y, parameters["flux"], parameters["background"])
