"""Mixtures of multivariate Student-t distributions: drawing, density, and fitting to weighted draws."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import gammaln
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


class Parts(NamedTuple):
    """What each of m components adds to the density at each of n places.

    Attributes:
        relative: their densities times their shares over the largest of them, shape (m, n).
        height: ln of the largest, shape (n,).
        distances: squared Mahalanobis distances, shape (m, n).
    """

    relative: Float[Array, "m n"]
    height: Float[Array, " n"]
    distances: Float[Array, "m n"]


def parts_at(u: Float[Array, "n d"], mixture: Mixture) -> Parts:
    """Return what each component adds to the density.

    A Student-t with whole degrees of freedom is a power of its distance: one logarithm for each place is enough, where
    logarithm and exponential of each component would take most of the time.
    """
    dimension = u.shape[1]
    across, power = u.T, 0.5 * (DEGREES + dimension)

    def one(location: Array, factor: Array) -> tuple[Array, Array]:
        inverse = solve_triangular(factor, jnp.eye(dimension, dtype=u.dtype), lower=True)
        whitened = jnp.matmul(inverse, across - location[:, None], precision=jax.lax.Precision.HIGHEST)
        distance = jnp.sum(whitened**2, axis=0)
        return -jnp.sum(jnp.log(jnp.diagonal(factor))), distance

    log_norms, distances = jax.vmap(one)(mixture.locations, mixture.factors)
    constant = gammaln(power) - gammaln(0.5 * DEGREES) - 0.5 * dimension * jnp.log(DEGREES * jnp.pi)
    log_factors = mixture.log_shares + log_norms + constant
    most = jnp.max(log_factors)
    # Roots of the densities: near one component and far from another, either would be 0 in single precision.
    roots = jnp.exp((log_factors - most) / power)[:, None] / (1.0 + distances / DEGREES)
    best = jnp.maximum(jnp.max(roots, axis=0), jnp.finfo(u.dtype).tiny)
    return Parts(_power(roots / best, DEGREES + dimension), most + power * jnp.log(best), distances)


def _power(base: Array, twice: int) -> Array:
    """Raise to half of a whole number; 0 has a slope, too."""
    root = jnp.sqrt(jnp.maximum(base, jnp.finfo(base.dtype).tiny)) if twice % 2 else 1.0
    return jax.lax.integer_pow(base, twice // 2) * root


def log_density(u: Float[Array, "n d"], mixture: Mixture) -> Float[Array, " n"]:
    """Logarithm of the mixture's density."""
    parts = parts_at(u, mixture)
    return parts.height + jnp.log(jnp.sum(parts.relative, axis=0))


def fit_weighted(
    u: Float[Array, "blocks n d"],
    weights: Float[Array, "blocks n"],
    start: Mixture,
    blocks: Array | int,
    steps: int = 2,
) -> Mixture:
    """Fit a mixture to weighted draws by expectation-maximisation for Student-t (Peel & McLachlan 2000).

    The scale matrices are held by a few pseudo-draws with the covariance of all draws, and the shares by one each: a
    handful of heavy weights cannot make a component collapse.

    Args:
        u: draws, shape (blocks, n, d).
        weights: their weights, summing to 1, shape (blocks, n).
        start: where to begin; it also says the number of components.
        blocks: how many of the blocks hold draws, the first ones; in the others the weights are 0.
        steps: of expectation-maximisation.
    """
    dimension, members = u.shape[2], start.log_shares.size
    size = 1.0 / jnp.sum(weights**2)
    pseudo = dimension + 2.0
    all_draws, all_weights = u.reshape(-1, dimension), weights.reshape(-1, 1)
    centre = _summed(all_weights, all_draws)[0]
    overall = _summed(all_draws - centre, (all_draws - centre) * all_weights)
    laplace = start.factors[0] @ start.factors[0].T
    overall = (size * overall + pseudo * laplace) / (size + pseudo)

    def step(_: int, mixture: Mixture) -> Mixture:
        def add(block: Array, sums: tuple[Array, Array]) -> tuple[Array, Array]:
            parts = parts_at(u[block], mixture)
            total = jnp.maximum(jnp.sum(parts.relative, axis=0), jnp.finfo(u.dtype).tiny)
            belongs = parts.relative / total * weights[block] * size
            pulled = belongs * (DEGREES + dimension) / (DEGREES + parts.distances)

            def moments(member: Array, location: Array) -> Array:
                off = jnp.concatenate([jnp.ones((len(member), 1)), u[block] - location], axis=1)
                return _summed(off, off * member[:, None])

            return sums[0] + jnp.sum(belongs, axis=1), sums[1] + jax.vmap(moments)(pulled, mixture.locations)

        nothing = jnp.zeros(members), jnp.zeros((members, dimension + 1, dimension + 1))
        shares, sums = jax.lax.fori_loop(0, blocks, add, nothing)
        pull, first, second = sums[:, 0, 0], sums[:, 0, 1:], sums[:, 1:, 1:]
        moved = first / (pull + 1.0)[:, None]
        crossed = first[:, :, None] * moved[:, None, :]
        about = pull[:, None, None] * moved[:, :, None] * moved[:, None, :]
        scatter = second - crossed - crossed.mT + about  # about the new locations
        held = (scatter + pseudo * overall / members) / (shares + pseudo)[:, None, None]
        log_shares = jnp.log(shares + 1.0) - jnp.log(size + members)
        return Mixture(log_shares, mixture.locations + moved, jnp.linalg.cholesky(held))

    return jax.lax.fori_loop(0, steps, step, start)


def _summed(left: Float[Array, "n i"], right: Float[Array, "n j"]) -> Float[Array, "i j"]:
    """Multiply left' and right in parts: a long sum is divided among the cores, and rounded as their number has it."""
    parts = (
        jnp.pad(each, ((0, -len(each) % _PART), (0, 0))).reshape(-1, _PART, each.shape[1]) for each in (left, right)
    )
    return jnp.sum(jnp.einsum("pni,pnj->pij", *parts), axis=0)
