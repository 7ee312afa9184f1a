"""The modes of a log-density and the curvature there, by Newton's method with the exact Hessian."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

from .mixture import Mixture

_STEPS = 12
_LEAST_GAIN = 1e-9
"""A climb has arrived where the best step gains less than this in the log-density."""
_FRACTIONS = (1.0, 0.5, 0.2, 0.05, 0.0)
"""The last one stays where it is, and gives the height there."""
_LONGEST_STEP = 2.0
_LEAST_PRECISION = 0.25
_SAME_MODE = 2.0
"""Two climbs that end within so many standard deviations of each other have found one mode."""
NOTABLE = 6.0
"""What has exp(-6) of the best mode's mass may hold part of the density."""


class _Climb(NamedTuple):
    """Where a climb is, with curvature and height there, and where it goes next, with what that gains."""

    number: Array
    mode: Array
    next: Array
    gain: Array
    covariance: Array
    height: Array


def laplace(
    log_density: Callable[[Array], Array], start: Float[Array, " d"]
) -> tuple[Float[Array, " d"], Float[Array, "d d"], Float[Array, ""]]:
    """Climb to a mode and return it with the Cholesky factor of the Laplace covariance, and its height.

    A direction of wrong curvature is climbed as if it had the right one, a step is at most two units long, and of five
    fractions of each step the best is taken, so that the density never falls. A Hessian that is only approximate (BFGS)
    gives a covariance that can be several times too small, which is why the exact one is worth its price.

    Args:
        log_density: of parameters that are of order one.
        start: shape (d,).

    Returns:
        The mode (d,), and L (d, d) with L L' the inverse of the negative Hessian, its directions no wider than 2;
        and the log-density at the mode, -inf where it is not finite.
    """

    def step(before: _Climb) -> _Climb:
        u = before.next
        negative, gradient = _curvature(log_density, u)
        values, vectors = jnp.linalg.eigh(negative)
        precision = jnp.maximum(jnp.abs(values), _LEAST_PRECISION)
        newton = vectors @ ((vectors.T @ gradient) / precision)
        newton = newton * jnp.minimum(1.0, _LONGEST_STEP / jnp.maximum(jnp.max(jnp.abs(newton)), 1e-30))
        tries = u + jnp.array(_FRACTIONS)[:, None] * newton
        heights = jax.vmap(log_density)(tries)
        heights = jnp.where(jnp.isfinite(heights), heights, -jnp.inf)
        best, here = jnp.argmax(heights), heights[-1]
        gain = jnp.where(heights[best] > here, heights[best] - here, 0.0)
        return _Climb(before.number + 1, u, tries[best], gain, (vectors / precision) @ vectors.T, here)

    # The last turn only finds the curvature where the one before it arrived: one compiled copy of the Hessian does.
    start = jnp.asarray(start, float)
    first = _Climb(jnp.array(0), start, start, jnp.array(jnp.inf), jnp.eye(start.size), jnp.array(-jnp.inf))
    end = jax.lax.while_loop(lambda now: (now.gain > _LEAST_GAIN) & (now.number <= _STEPS), step, first)
    return end.mode, jnp.linalg.cholesky(0.5 * (end.covariance + end.covariance.T)), end.height


def _curvature(log_density: Callable[[Array], Array], u: Array) -> tuple[Array, Array]:
    """Return the negative Hessian and the gradient; the identity and 0 where they are not finite."""

    def gradient_twice(point: Array) -> tuple[Array, Array]:
        gradient = jax.grad(log_density)(point)
        return gradient, gradient

    hessian, gradient = jax.jacfwd(gradient_twice, has_aux=True)(u)
    usable = jnp.all(jnp.isfinite(hessian)) & jnp.all(jnp.isfinite(gradient))
    return jnp.where(usable, -0.5 * (hessian + hessian.T), jnp.eye(u.size)), jnp.where(usable, gradient, 0.0)


def log_mass(factors: Float[Array, "k d d"], heights: Float[Array, " k"]) -> Float[Array, " k"]:
    """Logarithm of the integral of Laplace's approximation about each of k modes, but for a constant."""
    return heights + jnp.sum(jnp.log(jnp.diagonal(factors, axis1=1, axis2=2)), axis=1)


def distinct(
    modes: Float[Array, "k d"], factors: Float[Array, "k d d"], masses: Float[Array, " k"], number: int
) -> tuple[Mixture, Float[Array, " m"], Array]:
    """Keep the modes that hold most of the density, each once.

    Args:
        modes: where climbs arrived.
        factors: Cholesky factors of the covariance there.
        masses: see `log_mass`.
        number: m, of modes to keep.

    Returns:
        A mixture of them, the fullest first, its empty places without a share; each one's part of the density by
        Laplace's approximation; and how many others there are that may hold part of it.
    """

    def keep(left: Array, _: None) -> tuple[Array, tuple[Array, Array]]:
        fullest = jnp.argmax(left)
        off = solve_triangular(factors[fullest], (modes - modes[fullest]).T, lower=True)
        same = jnp.sum(off**2, axis=0) < _SAME_MODE**2
        mass = left[fullest]
        return jnp.where(same, -jnp.inf, left), (fullest, mass)

    left, (chosen, kept) = jax.lax.scan(keep, masses, length=number)
    there = jnp.isfinite(kept) | (jnp.arange(number) == 0)
    log_shares = jnp.where(there, -jnp.log(jnp.sum(there)), -jnp.inf)
    share = jnp.where(there, jax.nn.softmax(jnp.where(there, kept, -jnp.inf)), 0.0)
    unkept = jnp.sum(left > kept[0] - NOTABLE)
    return Mixture(log_shares, modes[chosen], factors[chosen]), share, unkept
