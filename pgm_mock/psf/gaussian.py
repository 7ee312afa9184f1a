"""The Gaussian, integrated over each pixel: sampled at the centres its width is off, sqrt(sigma² + 1/12) pixels."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax.scipy.special import erfc
from jaxtyping import Array, ArrayLike, Float, Num


@jax.tree_util.register_static
@dataclass(frozen=True)
class GaussianPSF:
    """A symmetric two-dimensional Gaussian, integrated over each pixel; its width is the standard deviation."""

    typical_width: ClassVar[float] = 1.5
    width_spread: ClassVar[float] = 0.5
    width_name: ClassVar[str] = "sigma"
    width_unit: ClassVar[str] = "pixel"

    def pixel_fraction(
        self,
        x: Num[ArrayLike, "*#pixels"],
        y: Num[ArrayLike, "*#pixels"],
        x_pos: Num[ArrayLike, ""],
        y_pos: Num[ArrayLike, ""],
        psf_width: Num[ArrayLike, ""],
    ) -> Float[Array, "*pixels"]:
        """Fraction of the light of a source at (x_pos, y_pos) in the unit pixels centred on (x, y).

        The Gaussian factorises, so with x of shape (1, nx) and y of shape (ny, 1) the integral is evaluated
        nx + ny times and the image is their outer product.

        Args:
            x, y: pixel centres, broadcastable against each other [FITS image pixels].
            x_pos, y_pos: the source's position [FITS image pixels].
            psf_width: standard deviation [pixels].

        Returns:
            The fraction, of the broadcast shape; summed over the whole plane it is 1.
        """
        # Without the barrier XLA computes the profiles anew for each pixel instead of once for each row and column.
        columns, rows = jax.lax.optimization_barrier(self.profiles(x, y, x_pos, y_pos, psf_width))
        return columns * rows

    def profiles(
        self,
        x: Num[ArrayLike, "*columns"],
        y: Num[ArrayLike, "*rows"],
        x_pos: Num[ArrayLike, ""],
        y_pos: Num[ArrayLike, ""],
        psf_width: Num[ArrayLike, ""],
    ) -> tuple[Float[Array, "*columns"], Float[Array, "*rows"]]:
        """Fractions in the columns centred on x and in the rows centred on y; the arguments are `pixel_fraction`'s."""
        return gaussian_in_unit_interval(x, x_pos, psf_width), gaussian_in_unit_interval(y, y_pos, psf_width)

    def profiles_between(
        self,
        x_edges: Num[ArrayLike, " columns_and_1"],
        y_edges: Num[ArrayLike, " rows_and_1"],
        x_pos: Num[ArrayLike, ""],
        y_pos: Num[ArrayLike, ""],
        psf_width: Num[ArrayLike, ""],
    ) -> tuple[Float[Array, " columns"], Float[Array, " rows"]]:
        """Fractions in the columns between these edges and in the rows between those; see `profiles_in`."""
        return gaussian_between(x_edges, x_pos, psf_width), gaussian_between(y_edges, y_pos, psf_width)

    def gaussians(self, psf_width: Num[ArrayLike, ""]) -> tuple[Float[Array, "1"], Float[Array, "1"]]:
        """Return its standard deviation [pixels] and its share of the light, which is all."""
        return jnp.reshape(jnp.asarray(psf_width, float), 1), jnp.ones(1)


def gaussian_in_unit_interval(
    centre: Num[ArrayLike, "*#n"], mean: Num[ArrayLike, "*#n"], sigma: Num[ArrayLike, "*#n"]
) -> Float[Array, "*n"]:
    r"""Integral of a one-dimensional normal density over [centre - 1/2, centre + 1/2].

    \[ g = \tfrac12 [erfc((d - 1/2) / \sqrt2 \sigma) - erfc((d + 1/2) / \sqrt2 \sigma)], d = |centre - mean| \]

    Both terms are taken from the tail's side, so that far from the mean g keeps its relative precision. The sign of
    (centre - mean) is a constant of differentiation: g is even in it, so that all derivatives are right at 0 too,
    where those of |.| are not.
    """
    offset = jnp.asarray(centre) - mean
    distance = offset * jax.lax.stop_gradient(jnp.where(offset < 0, -1.0, 1.0))
    scale = 1.0 / (jnp.sqrt(2.0) * sigma)
    return 0.5 * (erfc((distance - 0.5) * scale) - erfc((distance + 0.5) * scale))


def gaussian_between(
    edges: Num[ArrayLike, " n_and_1"], mean: Num[ArrayLike, ""], sigma: Num[ArrayLike, ""]
) -> Float[Array, " n"]:
    r"""Integral of a one-dimensional normal density from each edge to the next.

    What `gaussian_in_unit_interval` is for pixels one by one, for half as many evaluations of erfc: each edge is that
    of two pixels. Its tail e = erfc(|edge - mean| / \sqrt2 \sigma) / 2 lies on the far side from the mean; a pixel has
    the difference of its edges' tails, and the one that the mean is in has 1 less both.
    """
    offset = jnp.asarray(edges) - mean
    side = jax.lax.stop_gradient(jnp.where(offset < 0, -1.0, 1.0))
    # Without the barrier XLA computes each edge twice, once for the pixel on either side.
    tails = jax.lax.optimization_barrier(0.5 * erfc(offset * side / (jnp.sqrt(2.0) * sigma)))
    lower, upper = tails[:-1], tails[1:]
    return jnp.where(side[:-1] == side[1:], side[1:] * (lower - upper), 1.0 - (lower + upper))
