"""Rounds of adaptive importance sampling: each draws from a mixture that is fitted to all weighted draws before it.

Every draw is weighted against the mixture of all rounds' proposals (AMIS, Cornuet et al. 2012). Part of each round, its
defence, comes from a proposal that stays: without it a second mode, or a flux that runs to zero, is missed and nothing
says so. The rounds are turns of one loop, so that the target is compiled once for all of them.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jaxtyping import Array, ArrayLike, Float, Num

from . import mixture
from .mixture import Mixture
from .weights import or_nothing

_DEFENSIVE_SHARE = 0.1


def defensive_draws(rounds: tuple[int, int]) -> np.ndarray:
    """How many of each round's draws are its defence, for so many rounds of so many draws each; most of the first."""
    number, size = rounds
    return np.array([size * 4 // 9, *[int(_DEFENSIVE_SHARE * size)] * (number - 1)])


class Adapted(NamedTuple):
    """The draws of all rounds, one after the other.

    Attributes:
        draws: shape (n, d).
        target: ln of the density there, shape (n,).
        log_proposal: ln of the density of all proposals, each with its share of the draws, shape (n,).
        log_own: ln of the density of each draw's own round, shape (n,).
    """

    draws: Float[Array, "n d"]
    target: Float[Array, " n"]
    log_proposal: Float[Array, " n"]
    log_own: Float[Array, " n"]


class Rounds(NamedTuple):
    """What the rounds hand on, with room for the draws of all of them.

    Attributes:
        draws: in the coordinates of the target; 0 where there is none yet.
        sheared: the same in those of the mixtures.
        target: ln of the density there; -inf where there is no draw yet.
        proposals: of all rounds, with a first axis.
        by_round: ln of the density of each round's proposal (first axis) at each round's draws.
        by_wide: ln of the density of the defence.
        log_proposal: ln of the density of all proposals so far, each with its share of the draws.
        log_own: ln of the density of each draw's own round.
    """

    draws: Float[Array, "rounds size d"]
    sheared: Float[Array, "rounds size d"]
    target: Float[Array, "rounds size"]
    proposals: Mixture
    by_round: Float[Array, "rounds rounds size"]
    by_wide: Float[Array, "rounds size"]
    log_proposal: Float[Array, "rounds size"]
    log_own: Float[Array, "rounds size"]


def adapt(
    log_target: Callable[[Array], Array],
    first: Mixture,
    normals: Num[ArrayLike, "rounds size d_and_degrees"],
    uniforms: Num[ArrayLike, "rounds size"],
    wide: Float[Array, "rounds size d"],
    log_wide: Callable[[Array], Array],
    defensive: np.ndarray,
    shear: Callable[[Array], Array] = jnp.zeros_like,
) -> Adapted:
    """Draw round after round.

    Args:
        log_target: ln of the density of one vector, which may be NaN.
        first: proposal of the first round, beside its defence, in the coordinates of the mixtures.
        normals, uniforms: random numbers for the draws from the mixtures.
        wide: draws of the defence, of which the first few of each round are used.
        log_wide: ln of the defence's density at each of n vectors.
        defensive: how many of each round's draws are its defence.
        shear: what the coordinates of the mixtures have more than the target's, of vectors (n, d) in either: where a
            density is bent, some coordinate plus a function of others that are not sheared may be straight. Densities
            are the same in both.
    """
    number, size, dimension = wide.shape
    normals, uniforms, place = jnp.asarray(normals), jnp.asarray(uniforms), jnp.arange(size)
    shares = jnp.asarray(defensive / size)
    begin = _spread(first)
    at_modes = begin._replace(log_shares=jnp.append(first.log_shares, -jnp.inf))

    def turn_to(turn: Array, before: Rounds) -> Rounds:
        proposal = jax.lax.cond(turn == 0, lambda: at_modes, lambda: _adapted(before, turn, begin))
        few = jnp.asarray(defensive)[turn]
        near = mixture.sample(normals[turn], (place - few + uniforms[turn]) / (size - few), proposal)
        of_defence = (place < few)[:, None]
        either = jnp.where(of_defence, wide[turn], near)
        moved = shear(either)
        here = jnp.where(of_defence, either, either - moved)
        new = jnp.where(of_defence, either + moved, either)
        sheared = before.sheared.at[turn].set(new)
        proposals = jax.tree.map(lambda all_of, one: all_of.at[turn].set(one), before.proposals, proposal)

        def by_both(other: Array, table: Array) -> Array:
            """The new proposal at the draws of another round, and the other round's at the new draws."""
            its = jax.tree.map(lambda all_of: all_of[other], proposals)
            table = table.at[turn, other].set(mixture.log_density(sheared[other], proposal))
            return table.at[other, turn].set(mixture.log_density(new, its))

        by_round = before.by_round.at[turn, turn].set(mixture.log_density(new, proposal))
        by_round = jax.lax.fori_loop(0, turn, by_both, by_round)
        by_wide = before.by_wide.at[turn].set(log_wide(here))
        drawn = jnp.where(jnp.arange(number) <= turn, 1.0 / (turn + 1), 0.0)
        log_shares = jnp.log(drawn * (1.0 - shares))
        everywhere = jnp.concatenate([by_round + log_shares[:, None, None], by_wide[None] + jnp.log(drawn @ shares)])
        own = by_round[turn, turn] + jnp.log1p(-shares[turn]), by_wide[turn] + jnp.log(shares[turn])
        return Rounds(
            draws=before.draws.at[turn].set(here),
            sheared=sheared,
            target=before.target.at[turn].set(jax.vmap(log_target)(here)),
            proposals=proposals,
            by_round=by_round,
            by_wide=by_wide,
            log_proposal=logsumexp(everywhere, axis=0),
            log_own=before.log_own.at[turn].set(jnp.logaddexp(*own)),
        )

    done = jax.lax.fori_loop(0, number, turn_to, _room(number, size, dimension, begin))
    return Adapted(
        done.draws.reshape(-1, dimension), done.target.ravel(), done.log_proposal.ravel(), done.log_own.ravel()
    )


def _room(number: int, size: int, dimension: int, begin: Mixture) -> Rounds:
    """Make room for so many rounds of so many draws."""
    return Rounds(
        draws=jnp.zeros((number, size, dimension)),
        sheared=jnp.zeros((number, size, dimension)),
        target=jnp.full((number, size), -jnp.inf),
        proposals=jax.tree.map(lambda one: jnp.stack([one] * number), begin),
        by_round=jnp.zeros((number, number, size)),
        by_wide=jnp.zeros((number, size)),
        log_proposal=jnp.zeros((number, size)),
        log_own=jnp.zeros((number, size)),
    )


def _adapted(before: Rounds, turn: Array, begin: Mixture) -> Mixture:
    """Fit the next proposal to all weighted draws so far, from the latest one; the first time from the modes."""
    latest = jax.tree.map(lambda first, each: jnp.where(turn == 1, first, each[turn - 1]), begin, before.proposals)
    weights = jax.nn.softmax(or_nothing(before.target) - before.log_proposal, axis=(0, 1))
    return mixture.fit_weighted(before.sheared, weights, latest, turn)


def _spread(first: Mixture) -> Mixture:
    """Start with a member at each mode, and one three times as wide at the first.

    Members without a mode stand on either side of the first, along the line that it is longest on: of members in one
    place none would ever leave it, and a bent posterior takes several.
    """
    covariance = first.factors[0] @ first.factors[0].T
    longest = jnp.argmax(jnp.diagonal(covariance))
    axis = covariance[longest] / jnp.sqrt(covariance[longest, longest])
    aside = jnp.where(np.arange(len(first.locations)) % 2, 1.0, -1.0)[:, None] * axis
    unused = jnp.isneginf(first.log_shares)[:, None]
    at_modes = jnp.where(unused, first.locations[0] + aside, first.locations)
    locations = jnp.concatenate([at_modes, first.locations[:1]])
    factors = jnp.concatenate([first.factors, 3.0 * first.factors[:1]])
    return Mixture(jnp.full(len(locations), -jnp.log(len(locations))), locations, factors)
