"""Adaptive importance sampling: a posterior with a certificate, in milliseconds.

1. Three Laplace approximations (`laplace`): from the best of some prior draws, from the prior's middle, and from the
   brightest spot of the image.
2. A defensive mixture: Student-t about the modes, and the prior itself, with the background's posterior under no source
   in place of its prior. Without it a second mode, or a flux that runs to zero, is missed and nothing says so.
3. Rounds of adaptation: a mixture of four Student-t is fitted to all weighted draws (`mixture`), and drawn from.
4. Every draw is weighted against the mixture of all rounds' proposals (AMIS, Cornuet et al. 2012), the weights are
   Pareto-smoothed, and k-hat certifies them (`psis`). The evidence is their mean.
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
from .laplace import laplace
from .limits import UpperLimit, upper_limit
from .mixture import DEGREES, Mixture
from .nosource import dimmed, free_without_source, has_more, without_source
from .sourcefree import SourceFree, source_free
from .unconstrained import Data, Frame, Point, brightest, constrain, or_nothing, places, prior_vectors

_DEFENSIVE_SHARE = 0.1
_FRAME_DRAWS = 400


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
    key: jax.Array, data: Data, priors: Priors, psf: PSF, *, rounds: tuple[int, ...], num_samples: int
) -> ImportanceSample:
    """Sample one posterior.

    Args:
        key: PRNG key.
        data, priors, psf: the model and what it is conditioned on; at least one parameter is free.
        rounds: number of draws in the first, defensive round and in each round of adaptation.
        num_samples: size of the equal-weight sample.
    """
    prior_key, normal_key, uniform_key, resample_key = jax.random.split(key, 4)
    defensive = [rounds[0] * 4 // 9, *(int(_DEFENSIVE_SHARE * number) for number in rounds[1:])]
    prior_draws = prior_vectors(prior_key, priors, _FRAME_DRAWS + sum(defensive))
    normals = jax.random.normal(normal_key, (sum(rounds), priors.dimension + DEGREES))
    uniforms = jax.random.uniform(uniform_key, (sum(rounds),))
    frame = Frame.of(prior_draws[:_FRAME_DRAWS])
    empty, known = source_free(data, priors), None
    from_prior = jnp.split((prior_draws[_FRAME_DRAWS:] - frame.location) / frame.scale, np.cumsum(defensive)[:-1])
    noise = jnp.split(normals, np.cumsum(rounds)[:-1])
    strata = jnp.split(uniforms, np.cumsum(rounds)[:-1])

    @jax.jit  # traced once, not at each of its uses
    def log_target(u: Array, prior_share: float | Array = 1.0) -> Array:
        return frame.log_density(u, data, priors, psf, prior_share)

    def propose(number: int, proposal: Mixture) -> Array:
        few = defensive[number]
        background = defence.location + defence.scale * noise[number][:few, 0] * mixture.heavy_tail(
            noise[number][:few, -DEGREES:]
        )
        return jnp.concatenate(
            [
                _with_background(from_prior[number], priors, background),
                mixture.sample(noise[number][few:], strata[number][few:], proposal),
            ]
        )

    background = _defence(frame, priors, empty).location
    middle = _with_background(jnp.zeros(priors.dimension), priors, background)
    plausible = _with_background(from_prior[0], priors, background)
    best = plausible[jnp.argmax(or_nothing(jax.vmap(log_target)(plausible)))]
    starts = jnp.stack([best, middle, frame.at(middle, brightest(data), priors)])
    if has_more(priors):
        first, highest, nothing = _climb(log_target, starts, dimmed(middle, frame, priors), free_without_source(priors))
        empty, known = without_source(*nothing, frame, data, priors, psf)
    else:
        first, highest, _ = _climb(log_target, starts)
    defence = _defence(frame, priors, empty)
    fitted = first
    draws, target = jnp.zeros((0, len(middle))), jnp.zeros(0)
    proposals: list[tuple[int, Mixture, float]] = []
    for number, size in enumerate(rounds):
        if number:
            weights = jax.nn.softmax(or_nothing(target) - _log_proposal(draws, proposals, frame, priors, defence))
            fitted = mixture.fit_weighted(draws, weights, _spread(first) if number == 1 else fitted)
        new = propose(number, fitted)
        draws = jnp.concatenate([draws, new])
        target = jnp.concatenate([target, jax.vmap(log_target)(new)])
        proposals.append((size, fitted, defensive[number] / size))

    undefined = jnp.sum(jnp.isnan(target))
    target = or_nothing(target)
    log_ratios = target - _log_proposal(draws, proposals, frame, priors, defence)
    log_weights, khat = psis.smooth(log_ratios)
    return ImportanceSample(
        parameters=constrain(frame.point(draws, priors), priors),
        log_weights=log_weights,
        log_density=target,
        chosen=_resample(resample_key, log_weights, num_samples),
        khat=khat,
        ess=jnp.exp(-logsumexp(2.0 * log_weights)),
        undefined=undefined,
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

    def from_one(share: Array, start: Array, mask: Array) -> tuple[Array, Array]:
        return laplace(lambda u: log_target(u, share), start, None if dark is None else mask)

    shares = jnp.repeat(jnp.array([1.0, 0.0]), len(starts))
    modes, factors = jax.vmap(from_one)(shares, jnp.tile(starts, (2, 1)), jnp.tile(masks, (2, 1)))
    everywhere, both = jnp.tile(modes, (2, 1)), jnp.repeat(jnp.array([0.0, 1.0]), len(modes))
    likelihoods, joint = jnp.split(or_nothing(jax.vmap(log_target)(everywhere, both)), 2)
    # The last of each half of the modes is the dark one; it is not among those of the whole model.
    bright, dark_one = np.arange(len(modes)) % len(starts) < number, len(starts) - 1
    equal = jnp.full(number, -jnp.log(number))
    nothing = modes[dark_one], factors[dark_one], joint[dark_one], likelihoods[-1]
    return Mixture(equal, modes[:number], factors[:number]), jnp.max(likelihoods[bright]), nothing


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


def _log_proposal(
    u: Array, proposals: list[tuple[int, Mixture, float]], frame: Frame, priors: Priors, defence: Defence
) -> Float[Array, " n"]:
    """Logarithm of the density of all rounds' proposals, each with its share of the draws."""
    total = sum(number for number, _, _ in proposals)
    defensive = sum(number * share for number, _, share in proposals) / total
    parts = [_log_defence(u, frame, priors, defence) + jnp.log(defensive)]
    for number, proposal, share in proposals:
        parts.append(mixture.log_density(u, proposal) + jnp.log(number * (1.0 - share) / total))
    return logsumexp(jnp.stack(parts), axis=0)


def _spread(first: Mixture) -> Mixture:
    """Start with a member at each mode, and one three times as wide at the first."""
    locations = jnp.concatenate([first.locations, first.locations[:1]])
    factors = jnp.concatenate([first.factors, 3.0 * first.factors[:1]])
    return Mixture(jnp.full(len(locations), -jnp.log(len(locations))), locations, factors)


def _resample(key: jax.Array, log_weights: Array, number: int) -> Array:
    """Choose an equal-weight sample by systematic resampling, in random order."""
    offset_key, order_key = jax.random.split(key)
    places = (jnp.arange(number) + jax.random.uniform(offset_key)) / number
    cumulated = jnp.cumsum(jnp.exp(log_weights))
    chosen = jnp.searchsorted(cumulated / cumulated[-1], places)
    return jax.random.permutation(order_key, jnp.minimum(chosen, log_weights.size - 1))
