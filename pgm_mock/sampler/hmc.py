"""Hamiltonian Monte Carlo (Neal 2011) as one step of a chain, for a block of parameters among others."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

_DIVERGENT = 1000.0
"""An error of the energy beyond which the path has left the density."""
_JITTER = 0.2


class HMCStep(NamedTuple):
    """What a step found.

    Attributes:
        position: where the chain is now, shape (d,).
        accept_prob: with which the end of the path is accepted.
        diverging: whether the path diverged.
    """

    position: Float[Array, " d"]
    accept_prob: Array
    diverging: Array


def hmc_step(
    key: Array,
    position: Float[Array, " d"],
    log_density: Callable[[Array], Array],
    factor: Float[Array, "d d"],
    step_size: ArrayLike,
    num_steps: ArrayLike,
) -> HMCStep:
    """Follow one path and accept its end, or stay.

    Args:
        key: a JAX key.
        position: shape (d,).
        log_density: of a position, but for a constant.
        factor: Cholesky factor of the covariance that makes the density round, shape (d, d).
        step_size: of the leapfrog in rounded coordinates, jittered by a fifth so that no path closes on itself.
        num_steps: of it.
    """
    of_momentum, of_size, of_choice = jax.random.split(key, 3)
    gradient = jax.value_and_grad(lambda rounded: log_density(position + factor @ rounded))
    momentum = jax.random.normal(of_momentum, jnp.shape(position))
    size = jnp.asarray(step_size) * (1.0 + _JITTER * jax.random.uniform(of_size, minval=-1.0, maxval=1.0))
    start = jnp.zeros_like(position)
    height, slope = gradient(start)

    def leap(_: int, state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        rounded, momentum, height, slope = state
        momentum = momentum + 0.5 * size * slope
        rounded = rounded + size * momentum
        height, slope = gradient(rounded)
        return rounded, momentum + 0.5 * size * slope, height, slope

    end, last, reached, _ = jax.lax.fori_loop(0, jnp.asarray(num_steps), leap, (start, momentum, height, slope))
    gained = reached - height - 0.5 * (jnp.sum(last**2) - jnp.sum(momentum**2))
    gained = jnp.where(jnp.isfinite(gained), gained, -jnp.inf)
    accepted = jnp.log(jax.random.uniform(of_choice)) < gained
    found = jnp.where(accepted, position + factor @ end, position)
    return HMCStep(found, jnp.minimum(1.0, jnp.exp(gained)), gained < -_DIVERGENT)
