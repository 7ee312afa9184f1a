"""Adaptive importance sampling: a posterior with a certificate, in milliseconds.

1. Three Laplace approximations (`laplace`): from the best of some prior draws, from the prior's middle, and from the
   brightest spot of the image.
2. A defence: the prior itself, with the background's posterior under no source in place of its prior.
3. Rounds of adaptation (`adaptation`): first from the defence and about the modes, then mostly from a mixture of four
   Student-t that is fitted to all weighted draws (`mixture`).
4. The weights against all rounds' proposals are Pareto-smoothed, and k-hat certifies them (`weights`, `psis`). The
   evidence is their mean.

The first three are one compiled program, which draws nothing itself: its random numbers come with its arguments.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import t as student
from jaxtyping import Array, Float

from ..priors import Priors
from ..psf import PSF
from ..random import source_generator
from . import mixture
from .adaptation import adapt
from .laplace import laplace
from .limits import UpperLimit, upper_limit
from .mixture import DEGREES, Mixture
from .nosource import dimmed, free_without_source, has_more, without_source
from .sourcefree import SourceFree, source_free
from .unconstrained import Data, Frame, Point, brightest, constrain, or_nothing, places, prior_vectors

_DEFENSIVE_SHARE = 0.1


class Noise(NamedTuple):
    """All random numbers of one sample.

    Attributes:
        seed: for priors that are not Gaussian.
        prior: standard normal, shape (k, d), for the k draws from the prior.
        near: standard normal, shape (rounds, size, d + DEGREES), for the draws from the mixtures.
        places: in 0 to 1, shape (rounds, size): where in the mixture each draw's component is.
    """

    seed: np.uint32
    prior: Float[np.ndarray, "k d"]
    near: Float[np.ndarray, "rounds size d_and_degrees"]
    places: Float[np.ndarray, "rounds size"]

    @classmethod
    def of(cls, seed: int | None, name: str, dimension: int, rounds: tuple[int, int]) -> "Noise":
        """Draw for a source, so many parameters, and so many rounds of so many draws each."""
        generator, number = source_generator(seed, name), _defensive(rounds).sum()
        return cls(
            np.uint32(generator.integers(2**32)),
            generator.standard_normal((number, dimension)),
            generator.standard_normal((*rounds, dimension + DEGREES)),
            generator.random(rounds),
        )


class ImportanceSample(NamedTuple):
    """Draws from a posterior, to be weighted.

    Attributes:
        parameters: each parameter's draws, shape (n,).
        log_density: ln of prior times likelihood in the whitened unconstrained parameters, shape (n,); -inf where it is
            NaN.
        log_proposal: ln of the density that the draws come from, shape (n,).
        undefined: number of draws at which the density is NaN.
        source_free: the model without a source.
        max_log_likelihood: ln likelihood at the best of the modes that are found without the prior.
        upper_limit: flux of a source at the position asked for, see `upper_limit`.
    """

    parameters: Point
    log_density: Float[Array, " n"]
    log_proposal: Float[Array, " n"]
    undefined: Array
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


@jax.jit
def sample(noise: Noise, data: Data, priors: Priors, psf: PSF) -> ImportanceSample:
    """Sample one posterior, in as many rounds as the noise is for, the first of them mostly defensive.

    Args:
        noise: the random numbers.
        data, priors, psf: the model and what it is conditioned on; at least one parameter is free.
    """
    number, size = noise.places.shape
    defensive = _defensive((number, size))
    frame = Frame.of(priors)
    empty, known = source_free(data, priors), None
    key = jax.random.key(noise.seed, impl="threefry2x32")
    from_prior = (prior_vectors(key, noise.prior, priors) - frame.location) / frame.scale

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
    tail = noise.near[..., 0] * mixture.heavy_tail(jnp.asarray(noise.near[..., -DEGREES:]))
    # Each round has its own draws from the prior; the last of them stands for those that the round does not use.
    own = np.minimum(np.arange(size), defensive[:, None] - 1) + (np.cumsum(defensive) - defensive)[:, None]
    wide = _with_background(from_prior[own], priors, defence.location + defence.scale * tail)
    adapted = adapt(
        log_target, first, noise.near, noise.places, wide, lambda u: _log_defence(u, frame, priors, defence), defensive
    )
    return ImportanceSample(
        parameters=constrain(frame.point(adapted.draws, priors), priors),
        log_density=or_nothing(adapted.target),
        log_proposal=adapted.log_proposal,
        undefined=jnp.sum(jnp.isnan(adapted.target)),
        source_free=empty,
        max_log_likelihood=highest,
        upper_limit=upper_limit(frame.point(jnp.zeros(len(middle)), priors), data, priors, psf, known),
    )


def _defensive(rounds: tuple[int, int]) -> np.ndarray:
    """How many of each round's draws are its defence."""
    number, size = rounds
    return np.array([size * 4 // 9, *[int(_DEFENSIVE_SHARE * size)] * (number - 1)])


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
