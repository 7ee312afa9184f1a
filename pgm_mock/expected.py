"""The expected-counts image: the one deterministic function of the model."""

import jax
import jax.numpy as jnp
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
