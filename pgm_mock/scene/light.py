r"""Light in an image: the one way in which expected counts are made.

Each component of a scene gives its light as one of four things, and all together are

    \[ \mu = t (\sum_r F_r g_r h_r + b + s) + c \]

products of a profile in the columns and one in the rows, a level, brightness pixel by pixel, each seen through the
exposure t, and counts that are there whatever the exposure. The form makes everything else fast: a stamp of n x n
pixels takes 2n integrals for each product, and the likelihood of a list of photons never makes an image.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, ArrayLike, Float, Num

from ..pixels import Pixels
from ..psf import PSF, profiles_in

_UNROLLED = 8
"""So many products are multiplied out one by one inside whatever uses the image; more are one matrix product."""


class Optics(NamedTuple):
    """What light is seen through.

    Attributes:
        psf: the family of the PSF.
        width: its width [pixels].
    """

    psf: PSF
    width: Num[ArrayLike, ""]

    def point(
        self, pixels: Pixels, x: Num[ArrayLike, ""], y: Num[ArrayLike, ""], flux: Num[ArrayLike, ""]
    ) -> "Products | Float[Array, 'ny nx']":
        """Return the light of a point source at (x, y): products, or brightness where the PSF has none."""
        profiles = profiles_in(self.psf, pixels, x, y, self.width)
        if profiles is None:
            return jnp.asarray(flux) * self.psf.pixel_fraction(pixels.x, pixels.y, x, y, self.width)
        return Products.of(pixels, flux, *profiles)


class Products(NamedTuple):
    """Light that is a sum of products of a profile in the columns and one in the rows.

    Attributes:
        fluxes: of each product, shape (r,) [flux unit].
        columns, rows: the profiles, shapes (r, nx) and (r, ny); of full ramps (r, ny, nx).
    """

    fluxes: Float[Array, " r"]
    columns: Float[Array, "r *nx"]
    rows: Float[Array, "r *ny"]

    @classmethod
    def of(cls, pixels: Pixels, flux: Num[ArrayLike, "*m"], columns: Any, rows: Any) -> "Products":
        """Gather profiles.

        Args:
            pixels: whose x and y the profiles were made from.
            flux: of all products, or of m sources, each of as many products.
            columns, rows: the profiles, the shape of x and y after any axes of sources and products.
        """
        ny, nx = jnp.shape(pixels.exposure)
        if pixels.separable:
            columns, rows = jnp.reshape(columns, (-1, nx)), jnp.reshape(rows, (-1, ny))
        else:
            columns, rows = (
                jnp.broadcast_to(each, (*jnp.shape(each)[:-2], ny, nx)).reshape(-1, ny, nx) for each in (columns, rows)
            )
        fluxes = jnp.ravel(jnp.asarray(flux))
        return cls(jnp.repeat(fluxes, len(rows) // len(fluxes)), columns, rows)

    def image(self) -> Float[Array, "ny nx"]:
        """Return the sum of the products, shape (ny, nx) [flux unit / pixel]."""
        scaled = self.fluxes.reshape(-1, *(1,) * (self.rows.ndim - 1)) * self.rows
        return scaled.T @ self.columns if self.rows.ndim == 2 else jnp.sum(scaled * self.columns, axis=0)


class Level(NamedTuple):
    """Light that is the same in all pixels, or grows along the columns and the rows.

    Attributes:
        value: [flux unit / pixel].
        growth: factors along the columns, the shape of x, and along the rows, the shape of y; None where it is uniform.
    """

    value: Num[ArrayLike, ""]
    growth: tuple[Array, Array] | None = None


class Counts(NamedTuple):
    """What is counted whatever the exposure.

    Attributes:
        values: shape (ny, nx) [count / pixel].
    """

    values: Float[Array, "ny nx"]


type Part = Products | Level | Counts | Float[Array, "ny nx"] | None
"""The light of a component; an array is its brightness in each pixel [flux unit / pixel], None is no light."""


class Light(NamedTuple):
    """All light in an image, and the exposure that it is seen through.

    Attributes:
        exposure: shape (ny, nx).
        products: or None.
        level: a number [flux unit / pixel].
        growth: how the level grows along the columns (nx,) and the rows (ny,), or None where it is uniform.
        brightness: shape (ny, nx) [flux unit / pixel], or None.
        counts: that are there whatever the exposure, shape (ny, nx), or None.
    """

    exposure: Num[ArrayLike, "ny nx"]
    products: Products | None
    level: Num[ArrayLike, ""]
    growth: tuple[Float[Array, " nx"], Float[Array, " ny"]] | None = None
    brightness: Float[Array, "ny nx"] | None = None
    counts: Float[Array, "ny nx"] | None = None

    @classmethod
    def of(cls, pixels: Pixels, parts: Iterable[Part]) -> "Light":
        """Put the light of several components together."""
        found = list(parts)
        products = [part for part in found if isinstance(part, Products)]
        levels = [part for part in found if isinstance(part, Level)]
        level: Any = 0.0
        growth, brightness, counts = None, None, None
        for part in found:
            if isinstance(part, Counts):
                counts = part.values if counts is None else counts + part.values
            elif isinstance(part, Level) and part.growth is None:
                level = level + part.value
            elif isinstance(part, Level) and part.growth is not None:
                if pixels.separable and len(levels) == 1:
                    level, growth = part.value, (jnp.ravel(part.growth[0]), jnp.ravel(part.growth[1]))
                else:
                    brightness = _add(brightness, part.value * part.growth[0] * part.growth[1], pixels)
            elif part is not None and not isinstance(part, Products):
                brightness = _add(brightness, part, pixels)
        together = None
        if products:
            together = Products(*map(jnp.concatenate, zip(*products, strict=True))) if products[1:] else products[0]
        return cls(pixels.exposure, together, level, growth, brightness, counts)

    def image(self, dtype: DTypeLike | None = None) -> Float[Array, "ny nx"]:
        """Return the expected counts, shape (ny, nx), in a precision of choice; by default the session's."""
        dtype = jnp.result_type(float) if dtype is None else dtype
        exposure, sky = jnp.asarray(self.exposure, dtype), jnp.asarray(self.level, dtype)
        if self.growth is not None:
            along, up = (jnp.asarray(factor, dtype) for factor in self.growth)
            sky = sky * up[:, None] * along
        if self.brightness is not None:
            sky = sky + jnp.asarray(self.brightness, dtype)
        light = sky if self.products is None else _multiplied_out(self.products, dtype) + sky
        mean = exposure * light
        return mean if self.counts is None else mean + jnp.asarray(self.counts, dtype)

    def wrong(self) -> str:
        """Say what cannot be counted, light that is negative or no number; "" where all can."""
        image = self.image()
        for counts in (float(jnp.min(image)), float(jnp.max(image))):
            if not 0 <= counts < jnp.inf:
                return f"expected light that is finite and not negative, found {counts:g} counts in a pixel"
        return ""

    def computed_once(self) -> "Light":
        """Return the same light, its profiles behind a barrier: else XLA computes them anew wherever they are used."""
        if self.products is None:
            return self
        profiles, growth = jax.lax.optimization_barrier((self.products[1:], self.growth))
        return self._replace(products=Products(self.products.fluxes, *profiles), growth=growth)

    def of_products(self) -> Float[Array, ""]:
        """Sum of the expected counts of the products over the image."""
        if self.products is None:
            return jnp.zeros(())
        fluxes, columns, rows = self.products
        if columns.ndim == 3:
            return jnp.sum(fluxes * jnp.sum(columns * rows * jnp.asarray(self.exposure), axis=(1, 2)))
        return jnp.sum(fluxes * jnp.sum((rows @ jnp.asarray(self.exposure)) * columns, axis=1))

    def of_rest(self) -> Float[Array, ""]:
        """Sum of the expected counts of everything else over the image."""
        exposure = jnp.asarray(self.exposure)
        if self.growth is None:
            total = jnp.asarray(self.level) * jnp.sum(exposure)
        else:
            along, up = self.growth
            total = jnp.asarray(self.level) * (up @ exposure @ along)
        if self.brightness is not None:
            total = total + jnp.sum(exposure * self.brightness)
        return total if self.counts is None else total + jnp.sum(self.counts)

    def total(self) -> Float[Array, ""]:
        """Sum of the expected counts over the image."""
        return self.of_products() + self.of_rest()


def _add(brightness: Any, more: Any, pixels: Pixels) -> Array:
    more = jnp.broadcast_to(jnp.asarray(more), jnp.shape(pixels.exposure))
    return more if brightness is None else brightness + more


def _multiplied_out(products: Products, dtype: DTypeLike) -> Float[Array, "ny nx"]:
    fluxes, columns, rows = (jnp.asarray(factor, dtype) for factor in products)
    scaled = fluxes.reshape(-1, *(1,) * (rows.ndim - 1)) * rows
    # Without the barrier XLA computes the profiles anew for each pixel instead of once for each row and column.
    columns, rows = jax.lax.optimization_barrier((columns, scaled))
    if columns.ndim == 3:
        return jnp.sum(columns * rows, axis=0)
    if len(rows) > _UNROLLED:
        return jnp.matmul(rows.T, columns, precision=jax.lax.Precision.HIGHEST)
    light = rows[0][:, None] * columns[0]
    for row, column in zip(rows[1:], columns[1:], strict=True):
        light = light + row[:, None] * column
    return light
