"""refit(): the best fits of many images that were simulated near one fit, by Fisher scoring.

A climb that knows about where it ends needs no search and no Hessian: with the derivative of the expected counts,
J = d mu / d u, the step is (J' diag(1/mu) J + P)^-1 times the gradient of the log-posterior, P being the prior's
curvature. A step that leads down is taken back and made shorter, so that the density never falls.
"""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from ..expected import expected_counts
from ..observation import Observation
from ..priors import Priors
from ..psf import PSF
from .program import call
from .unconstrained import Frame, Point, constrain, or_nothing, unconstrain

_STEPS = 8
_SHORTER = 0.3
_LEAST_GAIN = 1e-3
"""A climb has arrived where the next step promises less than this in the log-posterior."""
_LONGEST_STEP = 2.0
_TOGETHER = 16


def refit(
    observation: Observation,
    images: Num[np.ndarray, "n ny nx"],
    starts: Mapping[str, Num[np.ndarray, "n ..."]],
    priors: Priors,
    psf: PSF,
) -> dict[str, np.ndarray]:
    """Climb from each start to the mode of the posterior of each image.

    Args:
        observation: gives exposure and coordinates.
        images: counts, shape (n, ny, nx).
        starts: each parameter's values, shape (n,), or (n, m) for m neighbours.
        priors, psf: the model; a fixed parameter keeps its value.

    Returns:
        The parameters at the modes, of the shapes of the starts.
    """
    number = -len(images) % _TOGETHER
    padded = np.concatenate([images, np.repeat(images[:1], number, axis=0)])
    begin = {name: np.concatenate([starts[name], np.repeat(starts[name][:1], number, axis=0)]) for name in priors.free}
    found = call(_refit, observation.image, padded, begin, priors, psf)
    return {name: np.asarray(found[name])[: len(images)] for name in priors}


class _Climb(NamedTuple):
    """Where a climb is: its highest point, the step to try from there, and what that step promises."""

    number: Array
    best: Array
    height: Array
    move: Array
    gain: Array


@jax.jit
def _refit(
    arrays: tuple[Array, Array, Array, Array | None],
    images: Float[Array, "n ny nx"],
    starts: Point,
    priors: Priors,
    psf: PSF,
) -> Point:
    exposed = jnp.asarray(arrays[0]) > 0
    frame = Frame.of(priors)

    def mean_of(z: Point) -> Array:
        mean = expected_counts(*arrays, psf=psf, **constrain(z, priors))
        return jnp.where(exposed, mean, 1.0)

    def mean_and_slopes(u: Array) -> tuple[Array, Array]:
        """Slopes, parameter by parameter: few change the profiles of the PSF, and the others cost next to none."""
        z = frame.point(u, priors)

        def slope(name: str, along: Array) -> Array:
            return jax.jvp(lambda value: mean_of(z | {name: value}), (z[name],), (along,))[1]

        each = [
            jax.vmap(partial(slope, name))(jnp.eye(z[name].size)) if z[name].ndim else slope(name, jnp.ones(()))[None]
            for name in z
        ]
        return mean_of(z), jnp.concatenate(each) * frame.scale[:, None, None]

    def log_prior(u: Array) -> Array:
        return jnp.sum(frame.log_prior(u, priors))

    def climb(image: Array, start: Array) -> Array:
        def step(carry: _Climb) -> _Climb:
            there = carry.best + carry.move
            mean, slopes = mean_and_slopes(there)
            seen = jnp.where(image > 0, image * jnp.log(jnp.where(image > 0, mean, 1.0)), 0.0)
            height = or_nothing(jnp.sum(jnp.where(exposed, seen - mean, 0.0)) + log_prior(there))
            residual = jnp.where(exposed, image / mean - 1.0, 0.0)
            scaled = slopes * jnp.where(exposed, jax.lax.rsqrt(mean), 0.0)
            by_prior, curvature = jax.jvp(jax.grad(log_prior), (there,), (jnp.ones_like(there),))
            gradient = jnp.tensordot(slopes, residual, 2) + by_prior
            information = jnp.tensordot(scaled, scaled, ((1, 2), (1, 2))) + jnp.diag(jnp.maximum(-curvature, 1e-3))
            move = jnp.linalg.solve(information, gradient)
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
        return jax.lax.while_loop(lambda now: (now.gain > _LEAST_GAIN) & (now.number < _STEPS), step, first).best

    begin = frame.vectors(unconstrain(starts, priors), priors)
    modes = jax.lax.map(lambda pair: climb(*pair), (images.astype(float), begin), batch_size=_TOGETHER)
    return constrain(frame.point(modes, priors), priors)
