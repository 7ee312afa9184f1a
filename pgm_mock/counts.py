"""The Poisson image: the sampling distribution of the counts."""

from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.scipy.special import gammaln
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Num
from numpyro.distributions import constraints

from .expected import PointSource
from .poisson import poisson

_TOGETHER = 8
"""Photons whose means are multiplied before a logarithm is taken: 8 factors of 1e-38 to 1e38 stay inside float64."""


class PhotonList(NamedTuple):
    """An observed image as a list of its photons, which is short: a stamp of 1681 pixels has 100 to 250 of them.

    Attributes:
        column, row: array index of each photon's pixel, padded to a fixed length.
        real: 1 for a photon, 0 for padding.
        log_factorials: sum of ln N_k! over the exposed pixels.
    """

    column: Int[ArrayLike, " photons"]
    row: Int[ArrayLike, " photons"]
    real: Num[ArrayLike, " photons"]
    log_factorials: Num[ArrayLike, ""]

    @classmethod
    def of(cls, counts: np.ndarray, length: int | None = None) -> Self:
        """List the photons of an image without counts on unexposed pixels.

        Args:
            counts: shape (ny, nx).
            length: to pad to, at least the number of photons; by default the next bucket of `bucket`.
        """
        from scipy.special import gammaln as log_gamma

        counts = np.asarray(counts)
        row, column = np.nonzero(counts)
        each = counts[row, column]
        total = int(each.sum())
        length = bucket(total) if length is None else length
        padded = np.zeros((3, length), np.int32)
        padded[0, :total], padded[1, :total], padded[2, :total] = np.repeat(column, each), np.repeat(row, each), 1
        return cls(padded[0], padded[1], padded[2].astype(float), np.float64(log_gamma(each + 1.0).sum()))


def bucket(photons: int) -> int:
    """Round a number of photons up to a power of four from 256, so that few lengths are ever compiled."""
    return max(256, 1 << 2 * ((max(photons - 1, 0).bit_length() + 1) // 2))


class PoissonImage(dist.Distribution):
    r"""Independent Poisson counts in the exposed pixels of an image.

    \[ \ln p(N | \mu) = \sum_{k: t_k > 0} N_k \ln \mu_k - \mu_k - \ln N_k! \]

    Pixels without exposure carry no information: they are left out of the sum by rule, whatever stands there, and a
    draw has 0 counts in them. The image is one event, of shape (ny, nx). An observed image may be given as an array,
    or as a `PhotonList`, for which the sum runs over the photons alone and costs some ten times less.
    """

    arg_constraints = {  # noqa: RUF012 (NumPyro's own form)
        "mean_counts": constraints.independent(constraints.nonnegative, 2),
        "exposed": constraints.independent(constraints.boolean, 2),
    }
    support = constraints.independent(constraints.nonnegative_integer, 2)
    pytree_data_fields = ("mean_counts", "exposed", "source")

    def __init__(
        self,
        mean_counts: Float[Array, "*batch ny nx"],
        exposed: Bool[Array, "ny nx"],
        source: PointSource | None = None,
        *,
        validate_args: bool | None = None,
    ) -> None:
        """Take the expected counts mu and where the exposure is positive.

        Args:
            mean_counts: mu, shape (..., ny, nx) [count / pixel].
            exposed: t > 0, shape (ny, nx).
            source: the same mean in factors, where the PSF has them; used for a `PhotonList`.
            validate_args: NumPyro's switch for checking values.
        """
        self.mean_counts, self.exposed, self.source = mean_counts, exposed, source
        shape = jnp.shape(mean_counts)
        super().__init__(batch_shape=shape[:-2], event_shape=shape[-2:], validate_args=validate_args)

    def sample(self, key: jax.Array, sample_shape: tuple[int, ...] = ()) -> Int[Array, "*sample ny nx"]:
        """Draw images, exactly; 0 counts where there is no exposure.

        Raises:
            InputError: an exposed mean is NaN, negative or infinite (not checked while JAX traces).
        """
        mean = jnp.where(self.exposed, self.mean_counts, 0.0)
        return poisson(key, jnp.broadcast_to(mean, (*sample_shape, *self.batch_shape, *self.event_shape)))

    def log_prob(self, value: ArrayLike | PhotonList) -> Float[Array, "*batch"]:
        """Logarithm of the probability of an image of counts, shape (..., ny, nx), or of a list of photons.

        The mean is made safe before the logarithm and the pixel left out after it: neither the value nor any
        derivative sees what lies outside the exposed area, or a logarithm of 0 where there is no count.
        """
        if isinstance(value, PhotonList):
            return self._log_prob_of_photons(value)
        counts = jnp.asarray(value, jnp.result_type(self.mean_counts))
        positive = self.exposed & (counts > 0)
        log_mean = jnp.log(jnp.where(positive, self.mean_counts, 1.0))
        mean = jnp.where(self.exposed, self.mean_counts, 0.0)
        terms = jnp.where(positive, counts * log_mean - gammaln(counts + 1.0), 0.0) - mean
        return jnp.sum(terms, axis=(-2, -1))

    def _log_prob_of_photons(self, photons: PhotonList) -> Float[Array, ""]:
        r"""Sum over the photons i and the whole image.

        \[ \sum_i \ln \mu_{k(i)} - \sum_k \mu_k - \sum_k \ln N_k! \]

        With a PSF in factors the second sum is F g_y' T g_x + b sum(T), and no image is ever made.
        """
        row, column = jnp.asarray(photons.row), jnp.asarray(photons.column)
        means: Any
        if self.source is None:
            means = _pick(self.mean_counts, row, column)
            total = jnp.sum(jnp.where(self.exposed, self.mean_counts, 0.0))
        else:
            exposure = jnp.asarray(self.source.exposure)
            flux, background = jnp.asarray(self.source.flux), jnp.asarray(self.source.background)
            # Without the barrier XLA computes the profiles anew for each photon instead of once for each column.
            profiles = self.source.profile_x, self.source.profile_y
            profile_x, profile_y = jax.lax.optimization_barrier(profiles)
            light = flux * _pick(profile_y, row) * _pick(profile_x, column)
            means = _pick(exposure, row, column) * (light + background)
            total = flux * jnp.sum((profile_y @ exposure) * profile_x) + background * jnp.sum(exposure)
        logs = _sum_of_logs(jnp.where(jnp.asarray(photons.real) > 0, means, 1.0))
        return logs - total - photons.log_factorials


@jax.custom_jvp
def _sum_of_logs(values: Float[Array, " photons"]) -> Float[Array, ""]:
    """Sum of logarithms, of products of a few values at a time: a logarithm costs as much as twenty products."""
    together = _TOGETHER if values.dtype == jnp.float64 else 1
    return jnp.sum(jnp.log(jnp.prod(values.reshape(together, -1), axis=0)))


@_sum_of_logs.defjvp
def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return _sum_of_logs(*primals), jnp.sum(tangents[0] / primals[0])


def _pick(values: Array, *index: Array) -> Array:
    """values[index] for indices that are known to lie inside, without the checks that would cost more than the rest."""
    return values.at[index].get(mode="promise_in_bounds", wrap_negative_indices=False)
