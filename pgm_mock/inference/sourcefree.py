"""The model without a source: one parameter, the background, of which everything can be integrated."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float
from numpyro.distributions import Distribution, biject_to

from ..priors import Priors
from .unconstrained import Data

_STEPS, _POINTS, _WIDTH = 30, 401, 12.0


class SourceFree(NamedTuple):
    """The posterior of the background where there is no source.

    Attributes:
        mode, sd: of the unconstrained background; 0 where the background is fixed.
        log_evidence: ln of the integral of prior times likelihood, with the factorials of the counts.
        max_log_likelihood: the largest ln likelihood over all backgrounds > 0, whatever the prior; of a fixed one,
            its own.
    """

    mode: Float[Array, ""]
    sd: Float[Array, ""]
    log_evidence: Float[Array, ""]
    max_log_likelihood: Float[Array, ""]


def source_free(data: Data, priors: Priors) -> SourceFree:
    """Integrate over the background of a model without a source.

    The likelihood is that of a Poisson process: ln L(b) = N ln b - b sum(t) + sum(N_k ln t_k - ln N_k!).
    The mode comes from Newton's method in the unconstrained background, the integral from the trapezium rule over 12
    standard deviations to either side, which is exact to machine precision for a smooth integrand.
    """
    exposure = jnp.asarray(data.pixels.exposure, float)
    number = jnp.asarray(data.photons.number, float)
    photons, total = jnp.sum(number), jnp.sum(exposure)
    at_photons = jnp.where(number > 0, exposure[data.photons.row, data.photons.column], 1.0)
    constant = jnp.sum(number * jnp.log(at_photons)) - data.photons.log_factorials
    least = jnp.finfo(photons.dtype).tiny

    def log_likelihood(background: Array) -> Array:
        counted = jnp.where(photons > 0, photons * jnp.log(jnp.maximum(background, least)), 0.0)
        return counted - background * total + constant

    prior = priors["background"]
    if not isinstance(prior, Distribution):
        fixed = log_likelihood(jnp.asarray(prior, float))
        return SourceFree(jnp.zeros(()), jnp.zeros(()), fixed, fixed)
    transform = biject_to(prior.support)

    def log_joint(z: Array) -> Array:
        background = transform(z)
        return log_likelihood(background) + prior.log_prob(background) + transform.log_abs_det_jacobian(z, background)

    def step(_: int, z: Array) -> Array:
        slope, curvature = jax.grad(log_joint)(z), jax.grad(jax.grad(log_joint))(z)
        newton = jnp.clip(slope / jnp.maximum(jnp.abs(curvature), 1e-3), -1.0, 1.0)
        tries = z + newton * jnp.array([1.0, 0.3, 0.1, 0.0])
        heights = jax.vmap(log_joint)(tries)
        return tries[jnp.argmax(jnp.where(jnp.isfinite(heights), heights, -jnp.inf))]

    mode = jax.lax.fori_loop(0, _STEPS, step, transform.inv((photons + 0.5) / total))
    sd = jax.lax.rsqrt(jnp.maximum(jnp.abs(jax.grad(jax.grad(log_joint))(mode)), 1e-4))
    z = mode + sd * jnp.linspace(-_WIDTH, _WIDTH, _POINTS)
    heights = jax.vmap(log_joint)(z)
    evidence = logsumexp(jnp.where(jnp.isnan(heights), -jnp.inf, heights)) + jnp.log(z[1] - z[0])
    return SourceFree(mode, sd, evidence, log_likelihood(photons / total))
