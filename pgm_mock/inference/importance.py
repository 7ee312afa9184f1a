"""Adaptive importance sampling: a posterior with a certificate, in milliseconds.

1. Three Laplace approximations (`laplace`): from the best of some prior draws, from the prior's middle, and from the
   brightest spot of the image.
2. A defence: the prior itself, with the background's posterior under no source in place of its prior.
3. Rounds of adaptation (`adaptation`): first from the defence and about the modes, then mostly from a mixture of four
   Student-t that is fitted to all weighted draws (`mixture`).
4. The weights against all rounds' proposals are Pareto-smoothed, and k-hat certifies them (`psis`). The evidence is
   their mean.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jax.scipy.stats import t as student
from jaxtyping import Array, Float

from ..priors import Priors
from ..psf import PSF
from . import mixture, psis
from .adaptation import adapt
from .laplace import laplace
from .limits import UpperLimit, upper_limit
from .mixture import DEGREES, Mixture
from .nosource import dimmed, free_without_source, has_more, without_source
from .sourcefree import SourceFree, source_free
from .unconstrained import Data, Frame, Point, brightest, constrain, or_nothing, places, prior_vectors

_DEFENSIVE_SHARE = 0.1


class ImportanceSample(NamedTuple):
    """Weighted draws from a posterior.

    Attributes:
        parameters: each parameter's draws, shape (n,).
        log_weights: Pareto-smoothed, adding up to 1 as weights, shape (n,).
        log_density: ln of prior times likelihood in the whitened unconstrained parameters, shape (n,).
        chosen: numbers of the draws of an equal-weight sample, shape (m,).
        khat: shape of the weights' tail.
        ess: effective sample size, 1 / sum of the squared weights.
        undefined: number of draws at which the density is NaN; they have no weight.
        log_evidence: ln of the integral of prior times likelihood.
        source_free: the model without a source.
        max_log_likelihood: ln likelihood at the best of the modes that are found without the prior.
        upper_limit: flux of a source at the position asked for, see `upper_limit`.
    """

    parameters: Point
    log_weights: Float[Array, " n"]
    log_density: Float[Array, " n"]
    chosen: Array
    khat: Float[Array, ""]
    ess: Float[Array, ""]
    undefined: Array
    log_evidence: Float[Array, ""]
    source_free: SourceFree
    max_log_likelihood: Float[Array, ""]
    upper_limit: UpperLimit


class Defence(NamedTuple):
    """The defensive proposal: the prior, with a Student-t for the background.

    Attributes:
        location, scale: of the background, whitened; unused where it is fixed.
    """

    location: Float[Array, ""]
    scale: Float[Array, ""]


@partial(jax.jit, static_argnames=("rounds", "num_samples"))
def sample(
    key: jax.Array, data: Data, priors: Priors, psf: PSF, *, rounds: tuple[int, int], num_samples: int
) -> ImportanceSample:
    """Sample one posterior.

    Args:
        key: PRNG key.
        data, priors, psf: the model and what it is conditioned on; at least one parameter is free.
        rounds: number of rounds, the first of them defensive, and number of draws in each.
        num_samples: size of the equal-weight sample.
    """
    number, size = rounds
    prior_key, normal_key, uniform_key, resample_key = jax.random.split(key, 4)
    defensive = np.array([size * 4 // 9, *[int(_DEFENSIVE_SHARE * size)] * (number - 1)])
    normals = jax.random.normal(normal_key, (number, size, priors.dimension + DEGREES))
    uniforms = jax.random.uniform(uniform_key, (number, size))
    frame = Frame.of(priors)
    empty, known = source_free(data, priors), None
    from_prior = (prior_vectors(prior_key, priors, defensive.sum()) - frame.location) / frame.scale

    @jax.jit  # traced once, not at each of its uses
    def log_target(u: Array, prior_share: float | Array = 1.0) -> Array:
        return frame.log_density(u, data, priors, psf, prior_share)

    background = _defence(frame, priors, empty).location
    middle = _with_background(jnp.zeros(priors.dimension), priors, background)
    plausible = _with_background(from_prior[: defensive[0]], priors, background)
    best = plausible[jnp.argmax(or_nothing(jax.vmap(log_target)(plausible)))]
    starts = jnp.stack([best, middle, frame.at(middle, brightest(data), priors)])
    if has_more(priors, data):
        first, highest, nothing = _climb(log_target, starts, dimmed(middle, frame, priors), free_without_source(priors))
        empty, known = without_source(*nothing, frame, data, priors, psf)
    else:
        first, highest, _ = _climb(log_target, starts)
    defence = _defence(frame, priors, empty)
    tail = normals[..., 0] * mixture.heavy_tail(normals[..., -DEGREES:])
    # Each round has its own draws from the prior; the last of them stands for those that the round does not use.
    own = np.minimum(np.arange(size), defensive[:, None] - 1) + (np.cumsum(defensive) - defensive)[:, None]
    wide = _with_background(from_prior[own], priors, defence.location + defence.scale * tail)
    adapted = adapt(
        log_target, first, normals, uniforms, wide, lambda u: _log_defence(u, frame, priors, defence), defensive
    )
    target = or_nothing(adapted.target)
    log_ratios = target - adapted.log_proposal
    log_weights, khat = psis.smooth(log_ratios)
    return ImportanceSample(
        parameters=constrain(frame.point(adapted.draws, priors), priors),
        log_weights=log_weights,
        log_density=target,
        chosen=_resample(resample_key, log_weights, num_samples),
        khat=khat,
        ess=jnp.exp(-logsumexp(2.0 * log_weights)),
        undefined=jnp.sum(jnp.isnan(adapted.target)),
        log_evidence=logsumexp(log_ratios) - jnp.log(log_ratios.size),
        source_free=empty,
        max_log_likelihood=highest,
        upper_limit=upper_limit(frame.point(jnp.zeros(len(middle)), priors), data, priors, psf, known),
    )


def _climb(
    log_target: Callable[[Array, float | Array], Array],
    starts: Float[Array, "k d"],
    dark: Float[Array, " d"] | None = None,
    free: np.ndarray | None = None,
) -> tuple[Mixture, Float[Array, ""], tuple[Array, Array, Array, Array]]:
    """Climb from each start to a mode of the posterior, and without the prior to one of the likelihood.

    Args:
        log_target: ln of the density, of a vector and of the prior's share in it.
        starts: shape (k, d).
        dark: a start without a source, and
        free: which parameters are climbed in from there.

    Returns:
        A mixture of the Laplace approximations at the posterior's modes; the largest ln likelihood, which the detection
        likelihood needs; from the dark start the mode, its Cholesky factor, ln density and the largest ln likelihood.
    """
    number, dimension = starts.shape
    masks = jnp.ones((number, dimension))
    if dark is not None:
        starts, masks = jnp.concatenate([starts, dark[None]]), jnp.concatenate([masks, jnp.asarray(free)[None]])

    def from_one(share: Array, start: Array, mask: Array) -> tuple[Array, Array, Array]:
        return laplace(lambda u: log_target(u, share), start, None if dark is None else mask)

    shares = jnp.repeat(jnp.array([1.0, 0.0]), len(starts))
    modes, factors, heights = jax.vmap(from_one)(shares, jnp.tile(starts, (2, 1)), jnp.tile(masks, (2, 1)))
    joint, likelihoods = jnp.split(heights, 2)
    # The last of each half of the modes is the dark one; it is not among those of the whole model.
    equal = jnp.full(number, -jnp.log(number))
    nothing = modes[len(starts) - 1], factors[len(starts) - 1], joint[-1], likelihoods[-1]
    return Mixture(equal, modes[:number], factors[:number]), jnp.max(likelihoods[:number]), nothing


def _defence(frame: Frame, priors: Priors, empty: SourceFree) -> Defence:
    """Widen the background's posterior under no source by a half, and whiten it."""
    if "background" not in priors.free:
        return Defence(jnp.zeros(()), jnp.ones(()))
    number = places(priors)["background"]
    location, scale = frame.location[number], frame.scale[number]
    return Defence((empty.mode - location) / scale, 1.5 * empty.sd / scale)


def _with_background(u: Array, priors: Priors, value: Array) -> Array:
    if "background" not in priors.free:
        return u
    return u.at[..., places(priors)["background"]].set(value)


def _log_defence(u: Array, frame: Frame, priors: Priors, defence: Defence) -> Float[Array, " n"]:
    each = jax.vmap(lambda one: frame.log_prior(one, priors))(u)
    if "background" in priors.free:
        number = places(priors)["background"]
        each = each.at[:, number].set(student.logpdf(u[:, number], DEGREES, defence.location, defence.scale))
    return jnp.sum(each, axis=1)


def _resample(key: jax.Array, log_weights: Array, number: int) -> Array:
    """Choose an equal-weight sample by systematic resampling, in random order."""
    offset_key, order_key = jax.random.split(key)
    places = (jnp.arange(number) + jax.random.uniform(offset_key)) / number
    cumulated = jnp.cumsum(jnp.exp(log_weights))
    chosen = jnp.searchsorted(cumulated / cumulated[-1], places)
    return jax.random.permutation(order_key, jnp.minimum(chosen, log_weights.size - 1))
