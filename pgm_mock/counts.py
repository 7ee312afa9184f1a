"""The Poisson image: the sampling distribution of the counts."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.scipy.special import gammaln
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Num
from numpyro.distributions import constraints

from .poisson import poisson
from .scene import Light

_TOGETHER = 8
"""Photons whose means are multiplied before a logarithm is taken: 8 factors of 1e-38 to 1e38 stay inside float64."""


class PhotonList(NamedTuple):
    """An observed image as a list of its photons, which is short: a stamp of 1681 pixels has 100 to 250 of them.

    Attributes:
        column, row: array index of each photon's pixel, padded to a fixed length.
        number: 1 for a photon, 0 for padding.
        log_factorials: sum of ln N_k! over the exposed pixels.
    """

    column: Int[ArrayLike, " photons"]
    row: Int[ArrayLike, " photons"]
    number: Num[ArrayLike, " photons"]
    log_factorials: Num[ArrayLike, ""]


class PixelList(NamedTuple):
    """A bright image as a list of the pixels that have counts: it is never longer than the image.

    Attributes:
        column, row: array index of each pixel, padded to a fixed length.
        number: its counts, 0 for padding.
        log_factorials: sum of ln N_k! over the exposed pixels.
    """

    column: Int[ArrayLike, " pixels"]
    row: Int[ArrayLike, " pixels"]
    number: Num[ArrayLike, " pixels"]
    log_factorials: Num[ArrayLike, ""]


MANY_PHOTONS = 1024
_FEW_PRODUCTS = 4


def list_counts(
    counts: np.ndarray, length: int | None = None, *, longest: bool = False, shortest: int = 256
) -> PhotonList | PixelList:
    """List what an image without counts on unexposed pixels holds: up to 1024 photons, or else pixels.

    Args:
        counts: shape (ny, nx).
        length: to pad to; by default the next power of two from `shortest` (pixels: from 1024, at most their number).
        longest: pad to as many as there can be of the kind, which is one length for all images of a shape.
        shortest: list of photons, which should be a power of two.
    """
    from scipy.special import gammaln as log_gamma

    counts = np.asarray(counts)
    row, column = np.nonzero(counts)
    number = counts[row, column]
    log_factorials = np.float64(log_gamma(number + 1.0).sum())
    kind: type[PhotonList] | type[PixelList] = PixelList
    if number.sum() <= MANY_PHOTONS:
        kind, row, column, number = PhotonList, np.repeat(row, number), np.repeat(column, number), np.ones(number.sum())
    if length is None:
        most = counts.size if kind is PixelList else MANY_PHOTONS
        least = 1024 if kind is PixelList else shortest
        length = most if longest else min(bucket(len(row), least), most)
    places = np.zeros((2, length), np.int32)
    padded = np.zeros(length)
    places[0, : len(row)], places[1, : len(row)], padded[: len(row)] = column, row, number
    return kind(places[0], places[1], padded, log_factorials)


def bucket(length: int, least: int = 256) -> int:
    """Round a length up to a power of two, and to the least one, so that few lengths are ever compiled."""
    return max(least, 1 << max(length - 1, 0).bit_length())


class PoissonImage(dist.Distribution):
    r"""Independent Poisson counts in the exposed pixels of an image.

    \[ \ln p(N | \mu) = \sum_{k: t_k > 0} N_k \ln \mu_k - \mu_k - \ln N_k! \]

    Pixels without exposure carry no information: they are left out of the sum by rule, whatever stands there, and a
    draw has 0 counts in them. The image is one event, of shape (ny, nx). An observed image may be given as an array,
    or as a `PhotonList` or `PixelList`: then the sum runs over what was counted alone, at a tenth of the price.
    """

    arg_constraints = {  # noqa: RUF012 (NumPyro's own form)
        "mean_counts": constraints.independent(constraints.nonnegative, 2),
        "exposed": constraints.independent(constraints.boolean, 2),
    }
    support = constraints.independent(constraints.nonnegative_integer, 2)
    pytree_data_fields = ("mean_counts", "exposed", "light")

    def __init__(
        self,
        mean_counts: Float[Array, "*batch ny nx"],
        exposed: Bool[Array, "ny nx"],
        light: Light | None = None,
        *,
        validate_args: bool | None = None,
    ) -> None:
        """Take the expected counts mu and where the exposure is positive.

        Args:
            mean_counts: mu, shape (..., ny, nx) [count / pixel].
            exposed: t > 0, shape (ny, nx).
            light: what the mean is made of; used for a `PhotonList` or `PixelList`, with no image made.
            validate_args: NumPyro's switch for checking values.
        """
        self.mean_counts, self.exposed, self.light = mean_counts, exposed, light
        shape = jnp.shape(mean_counts)
        super().__init__(batch_shape=shape[:-2], event_shape=shape[-2:], validate_args=validate_args)

    def sample(self, key: jax.Array, sample_shape: tuple[int, ...] = ()) -> Int[Array, "*sample ny nx"]:
        """Draw images, exactly; 0 counts where there is no exposure.

        Raises:
            InputError: an exposed mean is NaN, negative or infinite (not checked while JAX traces).
        """
        mean = jnp.where(self.exposed, self.mean_counts, 0.0)
        return poisson(key, jnp.broadcast_to(mean, (*sample_shape, *self.batch_shape, *self.event_shape)))

    def log_prob(self, value: ArrayLike | PhotonList | PixelList) -> Float[Array, "*batch"]:
        """Logarithm of the probability of an image of counts, shape (..., ny, nx), or of a list of photons or pixels.

        The mean is made safe before the logarithm and the pixel left out after it: neither the value nor any
        derivative sees what lies outside the exposed area, or a logarithm of 0 where there is no count.
        """
        if isinstance(value, (PhotonList, PixelList)):
            return self._log_prob_of_list(value)
        counts = jnp.asarray(value, jnp.result_type(self.mean_counts))
        positive = self.exposed & (counts > 0)
        log_mean = jnp.log(jnp.where(positive, self.mean_counts, 1.0))
        mean = jnp.where(self.exposed, self.mean_counts, 0.0)
        terms = jnp.where(positive, counts * log_mean - gammaln(counts + 1.0), 0.0) - mean
        return jnp.sum(terms, axis=(-2, -1))

    def _log_prob_of_list(self, listed: PhotonList | PixelList) -> Float[Array, ""]:
        r"""Sum over the photons i, or n_i times over the pixels i, and over the whole image.

        \[ \sum_i \ln \mu_{k(i)} - \sum_k \mu_k - \sum_k \ln N_k! \]

        With light in products the second sum is that of F g_y' T g_x and b sum(T), and no image is made; where there
        are many products, one matrix product makes the image of the light for less than the photons' own sums would
        cost.
        """
        row, column = jnp.asarray(listed.row), jnp.asarray(listed.column)
        if self.light is None:
            means = _pick(self.mean_counts, row, column)
            total = jnp.sum(jnp.where(self.exposed, self.mean_counts, 0.0))
        else:
            means, total = at_pixels(self.light, row, column)
        number = jnp.asarray(listed.number, means.dtype)
        means = jnp.where(number > 0, means, 1.0)
        logs = sum_of_logs(means) if isinstance(listed, PhotonList) else jnp.sum(number * jnp.log(means))
        return logs - total - listed.log_factorials


def at_pixels(light: Light, row: Array, column: Array) -> tuple[Array, Array]:
    """Return the expected counts in pixels, and their sum over the whole image."""
    # Without the barrier XLA computes the profiles anew for each photon instead of once for each column.
    light = light.computed_once()
    products, growth, exposure = light.products, light.growth, jnp.asarray(light.exposure)
    rate, from_products = jnp.zeros(()), jnp.zeros(())
    if products is not None and len(products.rows) <= _FEW_PRODUCTS and products.rows.ndim == 2:
        each = _pick_each(products.rows, row) * _pick_each(products.columns, column)
        rate, from_products = jnp.sum(products.fluxes[:, None] * each, axis=0), light.of_products()
    elif products is not None:
        image = products.image()
        rate, from_products = _pick(image, row, column), jnp.sum(exposure * image)
    sky = jnp.asarray(light.level)
    if growth is not None:
        sky = sky * _pick(growth[0], column) * _pick(growth[1], row)
    if light.brightness is not None:
        sky = sky + _pick(light.brightness, row, column)
    means = _pick(exposure, row, column) * (rate + sky)
    if light.counts is not None:
        means = means + _pick(light.counts, row, column)
    return means, from_products + light.of_rest()


@jax.custom_jvp
def sum_of_logs(values: Float[Array, " photons"]) -> Float[Array, ""]:
    """Sum of logarithms, of products of a few values at a time: a logarithm costs as much as twenty products."""
    together = _TOGETHER if values.dtype == jnp.float64 else 1
    products = jnp.prod(values.reshape(together, -1), axis=0)
    # Where a product overflows, the sum of the means is beyond 1e38 and decides alone; infinity would win against it.
    return jnp.sum(jnp.log(jnp.minimum(products, jnp.finfo(values.dtype).max)))


@sum_of_logs.defjvp
def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return sum_of_logs(*primals), jnp.sum(tangents[0] / primals[0])


def _pick(values: Array, *index: Array) -> Array:
    """values[index] for indices that are known to lie inside, without the checks that would cost more than the rest."""
    return jnp.asarray(values).at[index].get(mode="promise_in_bounds", wrap_negative_indices=False)


def _pick_each(profiles: Float[Array, "r n"], index: Array) -> Float[Array, "r photons"]:
    return jax.vmap(lambda profile: _pick(profile, index))(profiles)
