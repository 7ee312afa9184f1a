"""Pareto-smoothed importance sampling (Vehtari et al. 2024): a tail fitted to the largest weights, and its k-hat.

k-hat above 0.7 says that no number of draws that one can afford makes the weights trustworthy.
"""

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float


def tail_length(number: int) -> int:
    """Number of the largest weights that make the tail: min(n / 5, 3 sqrt(n))."""
    return max(5, min(number // 5, int(3 * number**0.5)))


def smooth(log_weights: Float[Array, " n"]) -> tuple[Float[Array, " n"], Float[Array, ""]]:
    """Replace the largest weights by the quantiles of a generalised Pareto distribution that is fitted to them.

    Args:
        log_weights: of any normalisation; -inf is a weight of 0.

    Returns:
        The smoothed logarithms, normalised so that the weights add up to 1, and k-hat.
    """
    number = log_weights.size
    length = tail_length(number)
    shifted = log_weights - jnp.max(log_weights)
    order = jnp.argsort(shifted)
    tail = order[number - length :]
    floor = jnp.maximum(shifted[order[number - length - 1]], jnp.log(jnp.finfo(shifted.dtype).tiny))
    excess = jnp.maximum(jnp.exp(shifted[tail]) - jnp.exp(floor), 0.0)
    k, sigma = fit_pareto(excess)
    probability = (jnp.arange(length) + 0.5) / length
    quantiles = jnp.where(
        jnp.abs(k) < 1e-8, -sigma * jnp.log1p(-probability), sigma * jnp.expm1(-k * jnp.log1p(-probability)) / k
    )
    smoothed = jnp.minimum(jnp.log(jnp.exp(floor) + quantiles), 0.0)
    replaced = jnp.where(jnp.isfinite(k), smoothed, shifted[tail])
    result = shifted.at[tail].set(replaced)
    return result - logsumexp(result), jnp.where(jnp.isnan(k), jnp.inf, k)


def fit_pareto(excess: Float[Array, " n"]) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Fit a generalised Pareto distribution to sorted values ≥ 0 (Zhang & Stephens 2009), k drawn a little to 0.5.

    Returns:
        The shape k, with the prior of ten observations at 0.5 that PSIS uses, and the scale.
    """
    number = excess.size
    members = 30 + int(number**0.5)
    largest, quartile = excess[-1], excess[int(number / 4 + 0.5) - 1]
    quartile = jnp.maximum(quartile, 1e-3 * largest)
    ratio = jnp.sqrt(members / (jnp.arange(1, members + 1) - 0.5))
    b = 1.0 / largest + (1.0 - ratio) / (3.0 * quartile)
    k = jnp.mean(jnp.log1p(-b[:, None] * excess[None, :]), axis=1)
    profile = number * (jnp.log(-b / k) - k - 1.0)
    share = jax.nn.softmax(profile)
    best = jnp.sum(share * b)
    shape = jnp.mean(jnp.log1p(-best * excess))
    sigma = -shape / best
    return (shape * number + 0.5 * 10.0) / (number + 10.0), sigma
