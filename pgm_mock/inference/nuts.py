"""The No-U-Turn sampler (Hoffman & Gelman 2014) of NumPyro, as one compiled program for all stamps of a shape.

`numpyro.infer.MCMC` compiles anew at each run without its progress bar; here the data and the priors are arguments of
the compiled function, so that the second source costs no compilation.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpyro.distributions import biject_to
from numpyro.infer.hmc import hmc

from ..priors import Priors
from .unconstrained import Data, Point, brightest, constrain, draw_prior, log_density

R_HAT_LIMIT = 1.01
ONE_CHAIN = "one chain: whether it has converged cannot be told, expected at least 2"
STARTS = 100
"""Prior draws from which each chain takes its most probable one as its start."""


@partial(jax.jit, static_argnames=("num_chains", "num_warmup", "num_samples"))
def sample(
    key: Array, data: Data, priors: Priors, *, num_chains: int, num_warmup: int, num_samples: int
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Run independent chains with a dense mass matrix, all advanced together.

    Args:
        key: PRNG key.
        data, priors: the model and what it is conditioned on.
        num_chains: chains.
        num_warmup: steps of adaptation in each, thrown away.
        num_samples: draws kept from each.

    Returns:
        The parameters and the sampler's statistics under ArviZ's names, each of shape (chain, draw).
    """
    run = partial(_chain, data=data, priors=priors, num_warmup=num_warmup, num_samples=num_samples)
    z, statistics = jax.vmap(run)(jax.random.split(key, num_chains))
    return constrain(z, priors), statistics


def disagreement(r_hat: float) -> list[str]:
    """Say that chains disagree, where their largest R-hat does."""
    return [] if r_hat < R_HAT_LIMIT else [f"the chains disagree (R-hat {r_hat:.3f}, expected below {R_HAT_LIMIT})"]


def largest_r_hat(draws: dict[str, np.ndarray]) -> float:
    """The largest split R-hat of the parameters that vary, NaN where a chain stands still; draws are (chain, draw)."""
    from arviz import from_dict, rhat

    varying = {name: values for name, values in draws.items() if np.ptp(values) > 0}
    with np.errstate(invalid="ignore", divide="ignore"):  # a chain that never moved has an R-hat of NaN
        found = rhat(from_dict({"posterior": varying})["posterior"].to_dataset())
    return float(np.max([np.max(found[name].values) for name in varying], initial=-np.inf))


def _chain(key: Array, data: Data, priors: Priors, num_warmup: int, num_samples: int) -> tuple[Point, dict[str, Array]]:
    """Run one chain: adapt for num_warmup steps, then keep every state."""
    start_key, chain_key = jax.random.split(key)

    def potential(z: Point) -> Array:
        return -log_density(z, data, priors)

    init_kernel, step = hmc(potential, algo="NUTS")
    start = _start(start_key, potential, data, priors)
    state = init_kernel(start, num_warmup, target_accept_prob=0.9, dense_mass=True, rng_key=chain_key)
    state = jax.lax.fori_loop(0, num_warmup, lambda _, state: step(state), state)

    def keep(state: Any, _: None) -> tuple[Any, tuple[Point, dict[str, Array]]]:
        state = step(state)
        statistics = {
            "lp": -state.potential_energy,
            "energy": state.energy,
            "diverging": state.diverging,
            "acceptance_rate": state.accept_prob,
            "n_steps": state.num_steps,
            "step_size": state.adapt_state.step_size,
        }
        return state, (state.z, statistics)

    return jax.lax.scan(keep, state, length=num_samples)[1]


def _start(key: Array, potential: Callable[[Point], Array], data: Data, priors: Priors) -> Point:
    """Take the most probable of some draws from the prior, half of them moved to the brightest spot of the image."""
    points = jax.vmap(lambda k: draw_prior(k, priors))(jax.random.split(key, STARTS))
    half = jnp.arange(STARTS) < STARTS // 2
    for name, value in brightest(data).items():
        if name in priors.free:
            z = biject_to(priors.free[name].support).inv(value)
            points[name] = jnp.where(half & jnp.isfinite(z), z, points[name])
    values = jax.vmap(potential)(points)
    best = jnp.argmin(jnp.where(jnp.isfinite(values), values, jnp.inf))
    return jax.tree.map(lambda values: values[best], points)
