"""The expected-counts image: the one deterministic function of the model."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Num

from .errors import InputError
from .pixels import Pixels
from .psf import PSF, GaussianPSF
from .scene import Scene
from .scene.scene import OF_PSF


@jax.jit
def expected_counts(
    exposure: Num[ArrayLike, "ny nx"],
    x: Num[ArrayLike, "#ny nx"],
    y: Num[ArrayLike, "ny #nx"],
    background_map: Num[ArrayLike, "ny nx"] | None = None,
    *,
    psf: PSF = GaussianPSF(),  # noqa: B008 (a constant without state)
    scene: Scene | None = None,
    **parameters: Num[ArrayLike, "..."],
) -> Float[Array, "ny nx"]:
    r"""Expected counts in each pixel of an exposed image of a scene.

    That of the tutorial is a point source on a uniform background,

    \[ \mu_k = t_k (F P_k(x_0, y_0, \sigma) + b) \]

    and with all components of the package

    \[ \mu_k = t_k (F P_k(x_0, y_0, \sigma) + \sum_j F_j P_k(x_j, y_j, \sigma) + F_e E_k
       + b e^{g \cdot (r_k - \bar r)}) + c B_k. \]

    Args:
        exposure: exposure map t, vignetting included, shape (ny, nx) [s, or the unit of the map]; like all arrays here
            in the machine's byte order, which those of `Observation` have and those of `astropy.io.fits` have not.
        x, y: pixel centres [FITS image pixels: the first pixel is 1]; full ramps of shape (ny, nx), or a row
            (1, nx) and a column (ny, 1), which is faster where the PSF factorises.
        background_map: B, counts that are there whatever the exposure, such as those of particles, shape (ny, nx)
            [count / pixel]; None where there are none.
        psf: the family of the PSF.
        scene: the components; by default the tutorial's, and those of the package, or registered, whose parameters are
            given.
        parameters: of the scene, by name, in the units of their `Parameter`: x_pos, y_pos [FITS image pixels], flux
            [count / s], background [count / s / pixel] and psf_width [pixels] of the tutorial's. Others: psf_slope;
            background_dx, background_dy; neighbour_x, neighbour_y, neighbour_flux of shape (m,); extended_x,
            extended_y, extended_flux, extended_core, extended_beta; background_norm.

    Returns:
        mu, shape (ny, nx) [count / pixel]; 0 where the exposure is 0.

    Raises:
        InputError: a parameter that is missing or that no component has, a slope for a PSF that has none, a
            background_norm without a background map, or such a map of another shape.
    """
    if scene is None:
        scene = Scene().naming(parameters)
        scene.check_names(parameters)
    elif unknown := [name for name in parameters if name not in scene.parameters and name not in OF_PSF]:
        raise InputError(f"parameters: expected {', '.join(scene.parameters)}, found {', '.join(unknown)}")
    if background_map is not None and jnp.shape(background_map) != jnp.shape(exposure):
        found = jnp.shape(background_map)
        raise InputError(f"background_map: expected the exposure map's shape {jnp.shape(exposure)}, found {found}")
    return scene.light(Pixels(exposure, x, y, background_map), psf, parameters).image()
