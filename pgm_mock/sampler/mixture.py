"""Mixtures of multivariate Student-t distributions: drawing, density, and fitting to weighted draws."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import gammaln, logsumexp
from jaxtyping import Array, Float

_PART = 1024
DEGREES = 5
"""Degrees of freedom: heavy enough tails to cover what a Gaussian misses, and a finite variance."""


class Mixture(NamedTuple):
    """A mixture of m Student-t distributions in d dimensions.

    Attributes:
        log_shares: logarithms of the components' shares, shape (m,).
        locations: shape (m, d).
        factors: lower triangular L with L L' the scale matrix, shape (m, d, d).
    """

    log_shares: Float[Array, " m"]
    locations: Float[Array, "m d"]
    factors: Float[Array, "m d d"]


def sample(normals: Float[Array, "n d_and_degrees"], places: Float[Array, " n"], mixture: Mixture) -> Array:
    """Turn standard normals, shape (n, d + DEGREES), into draws from a mixture, shape (n, d).

    Args:
        normals: standard normal.
        places: in 0 to 1, shape (n,): where in the cumulated shares each draw's component is. Stratified ones, one in
            each n-th part, give each component its share.
        mixture: what to draw from.
    """
    dimension = mixture.locations.shape[1]
    if normals.shape[1] != dimension + DEGREES:  # more of them would make another distribution
        raise ValueError(f"expected {dimension + DEGREES} normal numbers for each draw, found {normals.shape[1]}")
    chosen = jnp.searchsorted(jnp.cumsum(jnp.exp(mixture.log_shares))[:-1], places, method="compare_all")
    spread = jnp.einsum("nij,nj->ni", mixture.factors[chosen], normals[:, :dimension])
    return mixture.locations[chosen] + spread * heavy_tail(normals[:, dimension:])[:, None]


def heavy_tail(normals: Float[Array, "*n degrees"]) -> Float[Array, "*n"]:
    """The factor sqrt(DEGREES / chi-square) that turns a normal vector into a Student-t one."""
    return jnp.sqrt(DEGREES / jnp.sum(normals**2, axis=-1))


def log_components(u: Float[Array, "n d"], mixture: Mixture) -> tuple[Float[Array, "n m"], Float[Array, "n m"]]:
    """Return the logarithm of share times density of each component, and the squared Mahalanobis distances."""
    dimension = u.shape[1]

    def one(location: Array, factor: Array) -> tuple[Array, Array]:
        inverse = solve_triangular(factor, jnp.eye(dimension, dtype=u.dtype), lower=True)
        distance = jnp.sum(((u - location) @ inverse.T) ** 2, axis=1)
        log_norm = -jnp.sum(jnp.log(jnp.diagonal(factor)))
        return log_norm - 0.5 * (DEGREES + dimension) * jnp.log1p(distance / DEGREES), distance

    shapes, distances = jax.vmap(one, out_axes=1)(mixture.locations, mixture.factors)
    constant = gammaln(0.5 * (DEGREES + dimension)) - gammaln(0.5 * DEGREES)
    return shapes + mixture.log_shares + constant - 0.5 * dimension * jnp.log(DEGREES * jnp.pi), distances


def log_density(u: Float[Array, "n d"], mixture: Mixture) -> Float[Array, " n"]:
    """Logarithm of the mixture's density."""
    return logsumexp(log_components(u, mixture)[0], axis=1)


def fit_weighted(u: Float[Array, "n d"], weights: Float[Array, " n"], start: Mixture, steps: int = 2) -> Mixture:
    """Fit a mixture to weighted draws by expectation-maximisation for Student-t (Peel & McLachlan 2000).

    The scale matrices are held by a few pseudo-draws with the covariance of all draws, and the shares by one each: a
    handful of heavy weights cannot make a component collapse.

    Args:
        u: draws, shape (n, d).
        weights: their weights, summing to 1.
        start: where to begin; it also says the number of components.
        steps: of expectation-maximisation.
    """
    dimension, members = u.shape[1], start.log_shares.size
    size = 1.0 / jnp.sum(weights**2)
    pseudo = dimension + 2.0
    centre = _summed(weights[:, None], u)[0]
    overall = _summed(u - centre, (u - centre) * weights[:, None])
    laplace = start.factors[0] @ start.factors[0].T
    overall = (size * overall + pseudo * laplace) / (size + pseudo)

    def step(_: int, mixture: Mixture) -> Mixture:
        log_parts, distances = log_components(u, mixture)
        belongs = jax.nn.softmax(log_parts, axis=1) * weights[:, None] * size
        pulled = belongs * (DEGREES + dimension) / (DEGREES + distances)
        shares = jnp.sum(belongs, axis=0)
        pull = jnp.sum(pulled, axis=0)
        locations = (_summed(pulled, u) + mixture.locations) / (pull + 1.0)[:, None]

        def scale(member: Array, location: Array, share: Array) -> Array:
            off = u - location
            scatter = _summed(off, off * member[:, None])
            return jnp.linalg.cholesky((scatter + pseudo * overall / members) / (share + pseudo))

        factors = jax.vmap(scale, in_axes=(1, 0, 0))(pulled, locations, shares)
        log_shares = jnp.log(shares + 1.0) - jnp.log(size + members)
        return Mixture(log_shares, locations, factors)

    return jax.lax.fori_loop(0, steps, step, start)


def _summed(left: Float[Array, "n i"], right: Float[Array, "n j"]) -> Float[Array, "i j"]:
    """Multiply left' and right in parts: a long sum is divided among the cores, and rounded as their number has it."""
    parts = (
        jnp.pad(each, ((0, -len(each) % _PART), (0, 0))).reshape(-1, _PART, each.shape[1]) for each in (left, right)
    )
    return jnp.sum(jnp.einsum("pni,pnj->pij", *parts), axis=0)
