"""refit(): the best fits of many images that were simulated near one fit, by Fisher scoring.

A climb that knows about where it ends needs no search and no Hessian: with the derivative of the expected counts,
J = d mu / d u, the step is (J' diag(1/mu) J + P)^-1 times the gradient of the log-posterior, P being the prior's
curvature. A step that leads down is taken back and made shorter, so that the density never falls. The last step, which
promises next to nothing, is taken all the same: what is left of the way shrinks by another order of magnitude. Else a
statistic that the fit makes vanish, such as the sum of the residuals, would tell where each climb happened to stop.
"""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_factor, cho_solve
from jaxtyping import Array, Bool, Float, Num

from ..observation import Observation
from ..pixels import Pixels
from ..priors import Priors
from ..sampler.weights import or_nothing
from .program import call
from .unconstrained import Frame, Point, constrain, places, unconstrain

_STEPS = 8
_SHORTER = 0.3
_LEAST_GAIN = 1e-3
"""The next step is the last where it promises less than this in the log-posterior."""
_LONGEST_STEP = 2.0
_TOGETHER, _BLOCK = 14, 56
"""Images that are climbed in at once, and those that one call of the compiled program takes."""


def refit(
    observation: Observation,
    images: Num[np.ndarray, "n ny nx"],
    starts: Mapping[str, Num[np.ndarray, "n ..."]],
    priors: Priors,
    *,
    prior_share: Mapping[str, float] | None = None,
    free: Collection[str] | None = None,
) -> dict[str, np.ndarray]:
    """Climb from each start to the mode of the posterior of each image.

    Args:
        observation: gives exposure and coordinates.
        images: counts, shape (n, ny, nx).
        starts: each parameter's values inside its prior's support, shape (n,), or (n, m) for m neighbours.
        priors: of the model; a fixed parameter keeps its value.
        prior_share: power of a parameter's prior in the density that is climbed, by default 1; with 0 the data alone
            decide. Other values need no new compiled program.
        free: the parameters to climb in, by default all that the priors leave free; the others stay at their starts.

    Returns:
        The parameters at the modes, of the shapes of the starts.
    """
    return refit_with_height(observation, images, starts, priors, prior_share=prior_share, free=free)[0]


def refit_with_height(
    observation: Observation,
    images: Num[np.ndarray, "n ny nx"],
    starts: Mapping[str, Num[np.ndarray, "n ..."]],
    priors: Priors,
    *,
    prior_share: Mapping[str, float] | None = None,
    free: Collection[str] | None = None,
) -> tuple[dict[str, np.ndarray], Float[np.ndarray, " n"]]:
    """Do what `refit` does, and tell the likelihood of each image at its mode.

    Args:
        observation, images, starts, priors, prior_share, free: those of `refit`.

    Returns:
        The parameters at the modes, and sum(N ln mu - mu) over the exposed pixels there: the logarithm of the
        likelihood without the factorials of the counts.
    """
    shares, climbed = np.ones(priors.dimension), np.ones(priors.dimension, bool)
    for name, place in places(priors).items():
        shares[place] = 1.0 if prior_share is None else prior_share.get(name, 1.0)
        climbed[place] = free is None or name in free
    number = -len(images) % _BLOCK
    padded = np.concatenate([images, np.repeat(images[:1], number, axis=0)], dtype=float)
    begin = {name: np.concatenate([starts[name], np.repeat(starts[name][:1], number, axis=0)]) for name in priors.free}
    found: list[Point] = []
    heights = []
    for first in range(0, len(padded), _BLOCK):
        block = slice(first, first + _BLOCK)
        some = {name: values[block] for name, values in begin.items()}
        modes, height = call(_refit, observation.pixels, padded[block], some, priors, shares, climbed)
        found.append(modes)
        heights.append(height)
    whole = {name: np.concatenate([np.asarray(one[name]) for one in found])[: len(images)] for name in priors}
    return whole, np.concatenate([np.asarray(height) for height in heights])[: len(images)]


def program_for(observation: Observation, priors: Priors) -> partial[Any]:
    """Return the call that `refit` will make for stamps of this shape and priors of this kind, to be compiled ahead."""
    starts = {name: np.empty((_BLOCK, *priors.shape(name))) for name in priors.free}
    shares, climbed = np.empty(priors.dimension), np.empty(priors.dimension, bool)
    return partial(_refit, observation.pixels, np.empty((_BLOCK, *observation.shape)), starts, priors, shares, climbed)


class _Climb(NamedTuple):
    """Where a climb is: its highest point, the step to try from there, and what that step promises."""

    number: Array
    best: Array
    height: Array
    move: Array
    gain: Array


@jax.jit
def _refit(
    pixels: Pixels,
    images: Float[Array, "n ny nx"],
    starts: Point,
    priors: Priors,
    shares: Float[Array, " d"],
    climbed: Bool[Array, " d"],
) -> tuple[Point, Float[Array, " n"]]:
    exposed = jnp.asarray(pixels.exposure) > 0
    frame = Frame.of(priors)

    def mean_of(u: Array) -> Array:
        parameters = constrain(frame.point(u, priors), priors)
        mean = priors.scene.light(pixels, priors.psf, parameters).image()
        return jnp.where(exposed, mean, 1.0)

    def log_prior(u: Array) -> Array:
        return jnp.sum(shares * frame.log_prior(u, priors))

    def log_likelihood(image: Array, mean: Array) -> Array:
        seen = jnp.where(image > 0, image * jnp.log(jnp.where(image > 0, mean, 1.0)), 0.0)
        return jnp.sum(jnp.where(exposed, seen - mean, 0.0))

    def climb(image: Array, start: Array) -> tuple[Array, Array]:
        def step(carry: _Climb) -> _Climb:
            there = carry.best + carry.move
            mean, along = jax.linearize(mean_of, there)
            slopes = jax.vmap(along)(jnp.eye(len(there)))
            height = or_nothing(log_likelihood(image, mean) + log_prior(there))
            residual = jnp.where(exposed, image / mean - 1.0, 0.0)
            scaled = slopes * jnp.where(exposed, jax.lax.rsqrt(mean), 0.0)
            by_prior, curvature = jax.jvp(jax.grad(log_prior), (there,), (jnp.ones_like(there),))
            gradient = jnp.where(climbed, jnp.tensordot(slopes, residual, 2) + by_prior, 0.0)
            information = jnp.tensordot(scaled, scaled, ((1, 2), (1, 2))) + jnp.diag(jnp.maximum(-curvature, 1e-3))
            information = jnp.where(jnp.outer(climbed, climbed), information, jnp.eye(len(there)))
            move = cho_solve(cho_factor(information), gradient)
            move = move * jnp.minimum(1.0, _LONGEST_STEP / jnp.maximum(jnp.max(jnp.abs(move)), 1e-30))
            higher = height >= carry.height
            return _Climb(
                number=carry.number + 1,
                best=jnp.where(higher, there, carry.best),
                height=jnp.where(higher, height, carry.height),
                move=jnp.where(higher, jnp.where(jnp.isfinite(move), move, 0.0), _SHORTER * carry.move),
                gain=jnp.where(higher, move @ gradient, carry.gain),
            )

        first = _Climb(jnp.zeros((), int), start, jnp.array(-jnp.inf), jnp.zeros_like(start), jnp.array(jnp.inf))
        end = jax.lax.while_loop(lambda now: (now.gain > _LEAST_GAIN) & (now.number < _STEPS), step, first)
        mode = jnp.where(end.gain <= _LEAST_GAIN, end.best + end.move, end.best)
        return mode, log_likelihood(image, mean_of(mode))

    pairs = images, frame.vectors(unconstrain(starts, priors), priors)
    modes, log_likelihoods = jax.lax.map(lambda pair: climb(*pair), pairs, batch_size=_TOGETHER)
    return constrain(frame.point(modes, priors), priors), log_likelihoods
