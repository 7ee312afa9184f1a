"""The Poisson image: the sampling distribution of the counts."""

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax.scipy.special import gammaln
from jaxtyping import Array, Bool, Float, Int
from numpyro.distributions import constraints


class PoissonImage(dist.Distribution):
    r"""Independent Poisson counts in the exposed pixels of an image.

    \[ \ln p(N | \mu) = \sum_{k: t_k > 0} N_k \ln \mu_k - \mu_k - \ln N_k! \]

    Pixels without exposure carry no information: they are left out of the sum by rule, whatever stands there, and a
    draw has 0 counts in them. The image is one event, of shape (ny, nx).
    """

    arg_constraints = {  # noqa: RUF012 (NumPyro's own form)
        "mean_counts": constraints.independent(constraints.nonnegative, 2),
        "exposed": constraints.independent(constraints.boolean, 2),
    }
    support = constraints.independent(constraints.nonnegative_integer, 2)
    pytree_data_fields = ("mean_counts", "exposed")

    def __init__(
        self,
        mean_counts: Float[Array, "*batch ny nx"],
        exposed: Bool[Array, "ny nx"],
        *,
        validate_args: bool | None = None,
    ) -> None:
        """Take the expected counts mu and where the exposure is positive.

        Args:
            mean_counts: mu, shape (..., ny, nx) [count / pixel].
            exposed: t > 0, shape (ny, nx).
            validate_args: NumPyro's switch for checking values.
        """
        self.mean_counts, self.exposed = mean_counts, exposed
        shape = jnp.shape(mean_counts)
        super().__init__(batch_shape=shape[:-2], event_shape=shape[-2:], validate_args=validate_args)

    def sample(self, key: jax.Array, sample_shape: tuple[int, ...] = ()) -> Int[Array, "*sample ny nx"]:
        """Draw images; 0 counts where there is no exposure."""
        mean = jnp.where(self.exposed, self.mean_counts, 0.0)
        return jax.random.poisson(key, mean, shape=(*sample_shape, *self.batch_shape, *self.event_shape))

    def log_prob(self, value: Array) -> Float[Array, "*batch"]:
        """Logarithm of the probability of an image of counts, shape (..., ny, nx).

        The mean is made safe before the logarithm and the pixel left out after it: neither the value nor any
        derivative sees what lies outside the exposed area, or a logarithm of 0 where there is no count.
        """
        counts = jnp.asarray(value, jnp.result_type(self.mean_counts))
        positive = self.exposed & (counts > 0)
        log_mean = jnp.log(jnp.where(positive, self.mean_counts, 1.0))
        mean = jnp.where(self.exposed, self.mean_counts, 0.0)
        terms = jnp.where(positive, counts * log_mean - gammaln(counts + 1.0), 0.0) - mean
        return jnp.sum(terms, axis=(-2, -1))
