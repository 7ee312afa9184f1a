"""Chains of a field: what warm-up learns, and their draws."""

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..random import source_key
from .chains import Chains
from .gibbs import Field, State, Sweep, Tuning, sweep
from .start import WIDER, Start, one_student, state_of

_TARGET_ACCEPT = 0.95
_PATH = 2.2
"""Length of a path in rounded coordinates: a third of a period of a Gaussian's, as the density is none."""
_MOST_STEPS = 20
_PART = 50
"""Sweeps between two looks at the clock."""
_EXTENSIONS, _SHORTER = 3, 0.6
_AS_IF = 3
"""A covariance that was learnt before counts as so many draws for each parameter."""


def run_chains(
    start: Start,
    seed: int,
    name: str,
    numbers: tuple[int, int, int],
    tell: Callable[[int], object] | None = None,
) -> Chains:
    """Run chains, one on each core.

    Args:
        start: where to begin.
        seed, name: of the random numbers.
        numbers: chains, and sweeps of warm-up and of sampling for each; sweeps are rounded up to parts of 50. Where the
            chains have not converged then, as many again are added, twice at most, or take their place where paths
            diverged.
        tell: is told of each part that is done.
    """
    num_chains, num_warmup, num_samples = numbers
    key = source_key(seed, f"field {name}")
    states = [_scattered(start, jax.random.fold_in(key, chain)) for chain in range(num_chains)]
    tuning, since = start.tuning, []
    parts, done = -(-num_warmup // _PART), 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:

        def advance(tuning: Tuning) -> Sweep:
            nonlocal states, done
            keys = [jax.random.fold_in(key, num_chains + num_chains * done + chain) for chain in range(num_chains)]
            found = list(pool.map(lambda key, state: _part(key, state, start.field, tuning), keys, states))
            states, done = [state for state, _ in found], done + 1
            if tell is not None:
                tell(_PART)
            return jax.tree.map(lambda *each: np.stack(each), *(swept for _, swept in found))

        for part in range(parts):
            since.append(advance(tuning))
            tuning = _with_step(tuning, float(np.mean(since[-1].accept_prob)))
            if part + 1 in (1, 2, parts // 2 + 1, parts):
                tuning, since = _adapted(tuning, _joined(since)), []
        kept: list[Sweep] = []
        for _ in range(_EXTENSIONS):
            kept += [advance(tuning) for _ in range(-(-num_samples // _PART))]
            found = Chains.of(start.field, _joined(kept))
            if not found.problems:
                break
            if found.divergences:  # what lies there is not reached by steps so long: draws anew, with shorter ones
                kept, tuning = [], _with_size(tuning, _SHORTER * float(tuning.step_size))
    return found


def _scattered(start: Start, key: Array) -> State:
    """Return a state about the mode, further from it than the posterior's draws are."""
    of_sources, of_psf, of_shared = jax.random.split(key, 3)
    tuning = start.tuning
    seen = start.field.target.far.at(jnp.asarray(start.psf))[2]
    sources = tuning.lattice.draw(of_sources, seen)
    psf = start.psf + tuning.psf.factors[0] @ jax.random.normal(of_psf, np.shape(start.psf))
    shared = start.shared + 1.5 * tuning.factor @ jax.random.normal(of_shared, np.shape(start.shared))
    return state_of(start.field, sources, psf, shared)


@jax.jit
def _part(key: Array, state: State, field: Field, tuning: Tuning) -> tuple[State, Sweep]:
    """Run a chain for some sweeps; what is kept of them has shape (sweep, ...)."""
    return jax.lax.scan(lambda now, key: sweep(key, now, field, tuning), state, jax.random.split(key, _PART))


def _joined(swept: list[Sweep]) -> Sweep:
    """Put parts one after the other, shapes (chain, sweep, ...)."""
    return jax.tree.map(lambda *each: np.concatenate(each, axis=1), *swept)


def _with_step(tuning: Tuning, accepted: float) -> Tuning:
    """Lengthen or shorten the steps of the paths, by how many of their ends were accepted."""
    return _with_size(
        tuning, float(tuning.step_size) * math.exp(float(np.clip(2.0 * (accepted - _TARGET_ACCEPT), -1.0, 0.3)))
    )


def _with_size(tuning: Tuning, size: float) -> Tuning:
    """Take steps of a size, and as many as make the path's length."""
    steps = min(max(round(_PATH / size), 2), _MOST_STEPS)
    return tuning._replace(step_size=jnp.asarray(size), num_steps=jnp.asarray(steps))


def _adapted(tuning: Tuning, swept: Sweep) -> Tuning:
    """Learn the covariance of what is shared, and of the PSF, from the chains together."""
    factor = _factor(swept.shared, np.asarray(tuning.factor), 1.0)
    middle = jnp.asarray(np.mean(swept.psf, axis=(0, 1)))
    psf_factor = _factor(swept.psf, np.asarray(tuning.psf.factors[0]), WIDER)
    return tuning._replace(factor=factor, psf=one_student(middle, psf_factor))


def _factor(draws: Any, before: np.ndarray, wider: float) -> Array:
    """Return the Cholesky factor of the draws' covariance, times a number, a little of the one before in it."""
    if not draws.shape[-1]:
        return jnp.zeros((0, 0))
    z = draws.reshape(-1, draws.shape[-1])
    weight = len(z) / (len(z) + _AS_IF * z.shape[1])
    covariance = weight * wider * np.atleast_2d(np.cov(z.T)) + (1.0 - weight) * before @ before.T
    return jnp.linalg.cholesky(covariance)
