"""The expected-counts image: the one deterministic function of the model."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, ArrayLike, Float, Num

from .errors import InputError
from .psf import PSF, GaussianPSF, KingPSF, SumOfGaussians

_UNROLLED = 8
"""So many products are multiplied out one by one inside whatever uses the image; more are one matrix product."""


@jax.jit
def expected_counts(
    exposure: Num[ArrayLike, "ny nx"],
    x: Num[ArrayLike, "#ny nx"],
    y: Num[ArrayLike, "ny #nx"],
    background_map: Num[ArrayLike, "ny nx"] | None = None,
    *,
    x_pos: Num[ArrayLike, ""],
    y_pos: Num[ArrayLike, ""],
    flux: Num[ArrayLike, ""],
    background: Num[ArrayLike, ""],
    psf_width: Num[ArrayLike, ""],
    psf_slope: Num[ArrayLike, ""] | None = None,
    background_dx: Num[ArrayLike, ""] | None = None,
    background_dy: Num[ArrayLike, ""] | None = None,
    neighbour_x: Num[ArrayLike, " m"] | None = None,
    neighbour_y: Num[ArrayLike, " m"] | None = None,
    neighbour_flux: Num[ArrayLike, " m"] | None = None,
    extended_x: Num[ArrayLike, ""] | None = None,
    extended_y: Num[ArrayLike, ""] | None = None,
    extended_flux: Num[ArrayLike, ""] | None = None,
    extended_core: Num[ArrayLike, ""] | None = None,
    extended_beta: Num[ArrayLike, ""] | None = None,
    background_norm: Num[ArrayLike, ""] | None = None,
    psf: PSF = GaussianPSF(),  # noqa: B008 (a constant without state)
) -> Float[Array, "ny nx"]:
    r"""Expected counts in each pixel of an exposed image of a point source, its neighbours, and what lies behind them.

    \[ \mu_k = t_k (F P_k(x_0, y_0, \sigma) + \sum_j F_j P_k(x_j, y_j, \sigma) + F_e E_k
       + b e^{g \cdot (r_k - \bar r)}) + c B_k \]

    Args:
        exposure: exposure map t, vignetting included, shape (ny, nx) [s, or the unit of the map].
        x, y: pixel centres [FITS image pixels: the first pixel is 1]; full ramps of shape (ny, nx), or a row
            (1, nx) and a column (ny, 1), which is faster where the PSF factorises.
        background_map: B, counts that are there whatever the exposure, such as those of particles, shape (ny, nx)
            [count / pixel]; None where there are none.
        x_pos, y_pos: the source's position x_0, y_0 [FITS image pixels].
        flux: F, the source's counts per unit of exposure over the whole plane, not only over the image [count / s].
        background: b, background per pixel, in the middle of the image [count / s / pixel].
        psf_width: sigma, the width of the PSF [pixels].
        psf_slope: of a King or Moffat profile, in place of the PSF's own.
        background_dx, background_dy: g, gradient of the background's logarithm [1 / pixel]; None is a uniform one.
        neighbour_x, neighbour_y, neighbour_flux: positions [FITS image pixels] and fluxes [count / s] of m other
            sources in the image, which have the same PSF; None where there are none.
        extended_x, extended_y, extended_flux, extended_core, extended_beta: an extended source such as a cluster: its
            centre [FITS image pixels], flux over the whole plane [count / s], core radius [pixels] and beta > 1/2 of
            its profile (1 + r² / core²)^(1/2 - 3 beta), seen through the PSF; None where there is none.
        background_norm: c, by which the background map is multiplied; None is 1.
        psf: the family of the PSF.

    Returns:
        mu, shape (ny, nx) [count / pixel]; 0 where the exposure is 0.

    Raises:
        InputError: a slope for a PSF that has none, or a background_norm without a background map.
    """
    psf = with_slope(psf, psf_slope)
    light = flux * psf.pixel_fraction(x, y, x_pos, y_pos, psf_width)
    if neighbour_flux is not None:
        each = jax.vmap(lambda nx, ny: psf.pixel_fraction(x, y, nx, ny, psf_width))(neighbour_x, neighbour_y)
        light = light + jnp.tensordot(jnp.asarray(neighbour_flux), each, 1, precision=jax.lax.Precision.HIGHEST)
    if extended_flux is not None:
        shape = SumOfGaussians.of_beta(jnp.asarray(extended_core), jnp.asarray(extended_beta), psf, psf_width)
        behind = shape.pixel_fraction(x, y, jnp.asarray(extended_x), jnp.asarray(extended_y), 1.0)
        light = light + jnp.asarray(extended_flux) * behind
    sky = background
    if background_dx is not None or background_dy is not None:
        sky = background * _growth(x, background_dx) * _growth(y, background_dy)
    mean = jnp.asarray(exposure) * (light + sky)
    unvignetted = _unvignetted(exposure, background_map, background_norm)
    return mean if unvignetted is None else mean + unvignetted


def _unvignetted(
    exposure: Num[ArrayLike, "ny nx"],
    background_map: Num[ArrayLike, "ny nx"] | None,
    norm: Num[ArrayLike, ""] | None,
) -> Float[Array, "ny nx"] | None:
    if background_map is None:
        if norm is not None:
            raise InputError("background_norm: expected an observation with a background map, found none")
        return None
    counts = jnp.asarray(background_map) * jnp.asarray(1.0 if norm is None else norm)
    return jnp.where(jnp.asarray(exposure) > 0, counts, 0.0)


def with_slope(psf: PSF, slope: Num[ArrayLike, ""] | None) -> PSF:
    """Return a King or Moffat profile of another slope; None changes nothing.

    Raises:
        InputError: a slope for a PSF that has none.
    """
    if slope is None:
        return psf
    if not isinstance(psf, KingPSF):
        raise InputError(f"psf_slope: expected a King or Moffat profile, found {type(psf).__name__}")
    return replace(psf, slope=jnp.asarray(slope))


def _growth(place: Num[ArrayLike, "*n"], gradient: Num[ArrayLike, ""] | None) -> Any:
    here = jnp.asarray(place, float)
    slope = jnp.asarray(0.0 if gradient is None else gradient)
    return jnp.exp(slope * (here - jnp.mean(here)))


class Factors(NamedTuple):
    r"""Expected counts whose light is a sum of products.

    \[ \mu = t (\sum_r F_r g_r h_r + b) + c B \]

    Attributes:
        exposure: shape (ny, nx).
        fluxes: of each product, shape (r,).
        columns: its profile in the columns, shape (r, nx).
        rows: its profile in the rows, shape (r, ny).
        background: a scalar.
        growth: how the background grows along the columns (nx,) and the rows (ny,), or None where it is uniform.
        unvignetted: counts that are there whatever the exposure, shape (ny, nx), or None.
    """

    exposure: Num[ArrayLike, "ny nx"]
    fluxes: Float[Array, " r"]
    columns: Float[Array, "r nx"]
    rows: Float[Array, "r ny"]
    background: Num[ArrayLike, ""]
    growth: tuple[Float[Array, " nx"], Float[Array, " ny"]] | None = None
    unvignetted: Float[Array, "ny nx"] | None = None

    def image(self, dtype: DTypeLike) -> Float[Array, "ny nx"]:
        """Multiply the factors out, in a precision of choice."""
        exposure, fluxes, columns, rows, background = (jnp.asarray(factor, dtype) for factor in self[:5])
        # Without the barrier XLA computes the profiles anew for each pixel instead of once for each row and column.
        columns, rows = jax.lax.optimization_barrier((columns, fluxes[:, None] * rows))
        if len(rows) <= _UNROLLED:
            light = rows[0][:, None] * columns[0]
            for row, column in zip(rows[1:], columns[1:], strict=True):
                light = light + row[:, None] * column
        else:
            light = jnp.matmul(rows.T, columns, precision=jax.lax.Precision.HIGHEST)
        sky = background
        if self.growth is not None:
            along, up = (jnp.asarray(factor, dtype) for factor in self.growth)
            sky = background * up[:, None] * along
        mean = exposure * (light + sky)
        return mean if self.unvignetted is None else mean + jnp.asarray(self.unvignetted, dtype)

    def light(self) -> Float[Array, ""]:
        """Sum of the expected counts of the sources over the image."""
        return jnp.sum(self.fluxes * jnp.sum((self.rows @ jnp.asarray(self.exposure)) * self.columns, axis=1))

    def sky(self) -> Float[Array, ""]:
        """Sum of the expected counts of the background over the image."""
        exposure = jnp.asarray(self.exposure)
        if self.growth is None:
            total = jnp.asarray(self.background) * jnp.sum(exposure)
        else:
            along, up = self.growth
            total = jnp.asarray(self.background) * (up @ exposure @ along)
        return total if self.unvignetted is None else total + jnp.sum(self.unvignetted)


def factors_of(
    exposure: Num[ArrayLike, "ny nx"],
    x: Num[ArrayLike, "#ny nx"],
    y: Num[ArrayLike, "ny #nx"],
    psf: PSF,
    parameters: Mapping[str, Num[ArrayLike, "..."]],
    background_map: Num[ArrayLike, "ny nx"] | None = None,
) -> Factors | None:
    """Return the expected counts in factors; None where the PSF has none or x and y are full ramps.

    Args:
        exposure, x, y, psf, background_map: as for `expected_counts`.
        parameters: its other arguments, by name.
    """
    if jnp.shape(x)[0] != 1 or jnp.shape(y)[1] != 1:
        return None
    psf, width = with_slope(psf, parameters.get("psf_slope")), parameters["psf_width"]
    own = psf.profiles(x, y, parameters["x_pos"], parameters["y_pos"], width)
    if own is None:
        return None
    nx, ny = jnp.shape(x)[1], jnp.shape(y)[0]
    columns, rows = own[0].reshape(-1, nx), own[1].reshape(-1, ny)
    fluxes = jnp.broadcast_to(jnp.asarray(parameters["flux"]), len(rows))
    if "neighbour_flux" in parameters:
        places = jnp.asarray(parameters["neighbour_x"]), jnp.asarray(parameters["neighbour_y"])
        others: Any = jax.vmap(lambda x_pos, y_pos: psf.profiles(x, y, x_pos, y_pos, width))(*places)
        columns = jnp.concatenate([columns, others[0].reshape(-1, nx)])
        rows = jnp.concatenate([rows, others[1].reshape(-1, ny)])
        theirs = jnp.asarray(parameters["neighbour_flux"])
        fluxes = jnp.concatenate([fluxes, jnp.repeat(theirs, (len(rows) - len(fluxes)) // len(theirs))])
    if "extended_flux" in parameters:
        shape = SumOfGaussians.of_beta(parameters["extended_core"], parameters["extended_beta"], psf, width)
        behind = shape.profiles(x, y, parameters["extended_x"], parameters["extended_y"], 1.0)
        columns = jnp.concatenate([columns, behind[0].reshape(-1, nx)])
        rows = jnp.concatenate([rows, behind[1].reshape(-1, ny)])
        flux = jnp.broadcast_to(jnp.asarray(parameters["extended_flux"]), len(rows) - len(fluxes))
        fluxes = jnp.concatenate([fluxes, flux])
    growth = None
    slopes = parameters.get("background_dx"), parameters.get("background_dy")
    if slopes != (None, None):
        growth = _growth(jnp.asarray(x)[0], slopes[0]), _growth(jnp.asarray(y)[:, 0], slopes[1])
    unvignetted = _unvignetted(exposure, background_map, parameters.get("background_norm"))
    return Factors(exposure, fluxes, columns, rows, parameters["background"], growth, unvignetted)
