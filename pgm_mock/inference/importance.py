"""Adaptive importance sampling: a posterior with a certificate, in milliseconds.

1. The places where a source would explain the counts (`search`), from the likelihood ratio at every pixel.
2. Laplace approximations (`sampler.laplace`) from there, from the best of some prior draws and of wide sources with
   all photons, from the prior's middle, and from the best place with a wide PSF; those that are modes of their own and
   hold most of the posterior are kept.
3. A defence: the prior itself, with the background's posterior under no source in place of its prior.
4. Rounds of adaptation (`sampler.adaptation`): first from the defence and about the modes, then mostly from a mixture
   of Student-t that is fitted to all weighted draws (`sampler.mixture`).
5. The weights against all rounds' proposals are Pareto-smoothed, and k-hat certifies them (`sampler.weights`). The
   evidence is the mean of the later rounds' weights against their own proposals.

All but the last are one compiled program, which draws nothing itself: its random numbers come with its arguments.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import t as student
from jaxtyping import Array, Float

from ..priors import Priors
from ..random import source_generator
from ..sampler import mixture
from ..sampler.adaptation import adapt, defensive_draws
from ..sampler.laplace import distinct
from ..sampler.mixture import DEGREES
from ..sampler.weights import or_nothing
from ..scene import SOURCE
from .limits import Aperture, aperture_at, upper_limit
from .modes import FEW, all_in_one, climb, starting_points
from .nosource import OF_SOURCE, has_more
from .seen import counts_seen
from .sourcefree import SourceFree, source_free
from .unconstrained import Data, Frame, Point, constrain, places, prior_vectors


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
        generator, number = source_generator(seed, name), defensive_draws(rounds).sum()
        return cls(
            np.uint32(generator.integers(2**32)),
            generator.standard_normal((number, dimension)),
            generator.standard_normal((*rounds, dimension + DEGREES)),
            generator.random(rounds),
        )

    @classmethod
    def unset(cls, dimension: int, rounds: tuple[int, int]) -> "Noise":
        """Arrays of the same shapes and types that hold nothing."""
        shapes = (defensive_draws(rounds).sum(), dimension), (*rounds, dimension + DEGREES), rounds
        return cls(np.uint32(0), *map(np.empty, shapes))


class Dark(NamedTuple):
    """The model without the source, at its best: what the search for a source and the defence start from.

    Attributes:
        mode: whitened vector of the free parameters, shape (d,); that of the flux and the position is not used.
        spread: standard deviation of the background there, whitened.
        has_source: whether the model has a source that has to be searched for.
    """

    mode: Float[Array, " d"]
    spread: Float[Array, ""]
    has_source: Array

    @classmethod
    def unknown(cls, priors: Priors) -> "Dark":
        """The middle of the prior, where nothing is known yet."""
        nothing: Any = np.zeros(priors.dimension), np.ones(()), np.zeros((), bool)
        return cls(*nothing)

    def under(self, before: Priors, priors: Priors) -> "Dark":
        """Say the same under other priors of the same model, of which fewer parameters are free."""
        kept, now = places(before), places(priors)
        mode: Any = np.zeros(priors.dimension)
        for name in now:
            mode[now[name]] = self.mode[kept[name]]
        return self._replace(mode=mode)

    def beside_source(self) -> "Dark":
        """Say that there is a source to search for."""
        found: Any = np.ones((), bool)
        return self._replace(has_source=found)


class ImportanceSample(NamedTuple):
    """Draws from a posterior, to be weighted.

    Attributes:
        parameters: each parameter's draws, shape (n,).
        vectors: the free ones, whitened and unconstrained, shape (n, d).
        log_density: ln of prior times likelihood in the whitened unconstrained parameters, shape (n,); -inf where it is
            NaN.
        log_proposal: ln of the density that the draws come from, shape (n,).
        log_own: ln of the density of each draw's own round, shape (n,).
        undefined: number of draws at which the density is NaN.
        source_free: the model without a source; None where there is more in the model than a source on a background.
        upper_limit: 95 % of the flux of a source at the position asked for; None likewise.
        aperture: what is expected about the position asked for without the source.
        best: whitened vector of the highest mode, shape (d,), with the background's standard deviation.
        log_likelihood_at_best: ln likelihood there.
        without, mean_without: parameters of the model without the source, at its best, and its expected counts.
        max_log_likelihood: ln likelihood of a source within the bounds of its position, see `modes.climb`.
        mode_x, mode_y, mode_share: positions of the modes that were kept and their shares of the posterior by Laplace's
            approximation, shape (m,).
        left_out: number of places and modes that may hold part of the posterior and are not among those.
    """

    parameters: Point
    vectors: Float[Array, "n d"]
    log_density: Float[Array, " n"]
    log_proposal: Float[Array, " n"]
    log_own: Float[Array, " n"]
    undefined: Array
    source_free: SourceFree | None
    upper_limit: Float[Array, ""] | None
    aperture: Aperture
    best: Dark
    log_likelihood_at_best: Float[Array, ""]
    without: Point
    mean_without: Float[Array, "ny nx"]
    max_log_likelihood: Float[Array, ""]
    mode_x: Float[Array, " m"]
    mode_y: Float[Array, " m"]
    mode_share: Float[Array, " m"]
    left_out: Array


class Defence(NamedTuple):
    """The defensive proposal: the prior, with a Student-t for the background.

    Attributes:
        location, scale: of the background, whitened; unused where it is fixed.
    """

    location: Float[Array, ""]
    scale: Float[Array, ""]


@partial(jax.jit, static_argnames="modes")
def sample(noise: Noise, data: Data, priors: Priors, dark: Dark, *, modes: int = FEW) -> ImportanceSample:
    """Sample one posterior, in as many rounds as the noise is for, the first of them mostly defensive.

    Args:
        noise: the random numbers.
        data, priors: the model and what it is conditioned on; at least one parameter is free.
        dark: the model without the source, where it has more than a source on a background; else not used.
        modes: how many modes to keep.
    """
    number, size = noise.places.shape
    defensive = defensive_draws((number, size))
    frame = Frame.of(priors)
    key = jax.random.key(noise.seed, impl="threefry2x32")
    from_prior = (prior_vectors(key, noise.prior, priors) - frame.location) / frame.scale
    simple = not has_more(priors, data)
    empty = source_free(data, priors) if simple else None
    if empty is not None:
        dark = _dark_of(empty, frame, priors)

    @jax.jit  # traced once, not at each of its uses
    def log_target(u: Array, prior_share: Array | float = 1.0) -> Array:
        return frame.log_density(u, data, priors, prior_share)

    known: Any = None if "background" in priors.free else priors["background"]
    background = dark.mode[places(priors)["background"]] if known is None else jnp.zeros(())
    middle = jnp.where(_of_source(priors), 0.0, dark.mode)
    without = constrain(frame.point(dark.mode, priors), priors) | {"flux": jnp.zeros(())}
    plausible = _with_background(from_prior[: defensive[0]], priors, background)
    plausible = jnp.concatenate([plausible, all_in_one(middle, frame, without["background"], data, priors)])
    best_draw = plausible[jnp.argmax(or_nothing(jax.vmap(log_target)(plausible)))]
    mean = priors.scene.without(SOURCE).light(data.pixels, priors.psf, without).image()
    starts, found, unclimbed = starting_points(middle, frame, mean, data, priors, modes - 1, dark.has_source)
    ends = climb(log_target, jnp.concatenate([jnp.stack([best_draw, middle]), starts]), found, frame, priors)
    proposal, share, unkept = distinct(ends.modes, ends.factors, ends.masses, modes)
    defence = Defence(background, 1.5 * dark.spread)
    wide = _defensive(noise, from_prior, defensive, priors, defence)
    straight, shear = counts_seen(proposal, frame, data, priors)
    log_defence = partial(_log_defence, frame=frame, priors=priors, defence=defence)
    adapted = adapt(log_target, straight, noise.near, noise.places, wide, log_defence, defensive, shear)
    at_modes = constrain(frame.point(proposal.locations, priors), priors)
    asked = constrain(frame.point(middle, priors), priors)
    at_best = constrain(frame.point(ends.best, priors), priors)
    return ImportanceSample(
        parameters=constrain(frame.point(adapted.draws, priors), priors),
        vectors=adapted.draws,
        log_density=or_nothing(adapted.target),
        log_proposal=adapted.log_proposal,
        log_own=adapted.log_own,
        undefined=jnp.sum(jnp.isnan(adapted.target)),
        source_free=empty,
        upper_limit=upper_limit(asked, data, priors.psf, known) if simple else None,
        aperture=aperture_at(asked, mean, at_best["background"] - without["background"], data, priors.psf),
        best=Dark(ends.best, _background_sd(ends.best_factor, priors), jnp.array(False)),
        log_likelihood_at_best=ends.log_likelihood_at_best,
        without=without,
        mean_without=mean,
        max_log_likelihood=ends.max_log_likelihood,
        mode_x=at_modes["x_pos"],
        mode_y=at_modes["y_pos"],
        mode_share=share,
        left_out=unclimbed + unkept,
    )


def _defensive(
    noise: Noise, from_prior: Float[Array, "k d"], defensive: np.ndarray, priors: Priors, defence: Defence
) -> Float[Array, "rounds size d"]:
    """Draw from the defence: each round has its own draws from the prior.

    The last of them stands for those that the round does not use.
    """
    size = noise.places.shape[1]
    tail = noise.near[..., 0] * mixture.heavy_tail(jnp.asarray(noise.near[..., -DEGREES:]))
    own = np.minimum(np.arange(size), defensive[:, None] - 1) + (np.cumsum(defensive) - defensive)[:, None]
    return _with_background(from_prior[own], priors, defence.location + defence.scale * tail)


def _of_source(priors: Priors) -> np.ndarray:
    """Which numbers of a vector are the source's own."""
    own = np.zeros(priors.dimension, bool)
    for name, place in places(priors).items():
        own[place] = name in OF_SOURCE
    return own


def _dark_of(empty: SourceFree, frame: Frame, priors: Priors) -> Dark:
    """Whiten the background of a model that is a source on a background without its source."""
    mode = jnp.zeros(priors.dimension)
    if "background" not in priors.free:
        return Dark(mode, jnp.ones(()), jnp.array(True))
    place = places(priors)["background"]
    location, scale = frame.location[place], frame.scale[place]
    return Dark(mode.at[place].set((empty.mode - location) / scale), empty.sd / scale, jnp.array(True))


def _background_sd(factor: Float[Array, "d d"], priors: Priors) -> Float[Array, ""]:
    """Standard deviation of the background by a Cholesky factor of the covariance; 1 where it is fixed."""
    if "background" not in priors.free:
        return jnp.ones(())
    return jnp.linalg.norm(factor[places(priors)["background"]])


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
