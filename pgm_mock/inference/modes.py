"""Where a posterior has modes: the places to climb from, the climbs, and which modes are kept.

A climb starts where a source would explain the counts (`search`), as a point source, as something wide or as one hot
pixel, or from what else it is told, and ends at a Laplace approximation (`laplace`). Those that are modes of their own
and hold most of the posterior are kept. Two more look for the largest likelihood, by which a detection is judged.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpyro.distributions import constraints

from ..priors import Priors
from ..psf import with_slope
from ..sampler.laplace import NOTABLE, laplace, log_mass
from ..sampler.weights import or_nothing
from . import search
from .unconstrained import Data, Frame, constrain, places

FEW, MANY = 3, 10
"""Modes that are kept, at first and where those were not all; one place less is climbed from."""
_WIDE, _NARROW = 2.5, -3.0
"""A source is also looked for with a PSF that is so many standard deviations of its prior wider, for something extended
or for several sources, and with all light in one pixel, for a hot one."""
_VERY_WIDE = (2.0, 3.0, 4.0)
"""Standard deviations of its prior by which the PSF is wider where one source is to have all photons of a stamp."""
_OF_SKY = 0.05
"""Part of the background that stays beside such a source."""
_COARSE = 3
"""Pixels between the places at which something extended is looked for."""
_LONGEST = 8.0
"""A start lies within so many standard deviations of the prior of the flux and of the width."""
_MORE_PLACES = 8
"""So many places beyond those that are climbed from are looked at."""
_SEEN_BY_DEFENCE = 4.0
"""What a lower maximum of ln likelihood holds is reached by draws from the prior."""
_INEXACT = 0.1
"""A likelihood ratio on the map is right to this part: its width is not the best one, its places are pixels."""


def starting_points(
    base: Float[Array, " d"],
    frame: Frame,
    mean: Float[Array, "ny nx"],
    data: Data,
    priors: Priors,
    number: int,
    has_source: Array,
) -> tuple[Float[Array, "k d"], Float[Array, "two d"], Array]:
    """Find where to climb from.

    Args:
        base: whitened vector for all parameters that a start does not set.
        frame, data, priors: the model and what it is conditioned on.
        mean: expected counts without the source, shape (ny, nx).
        number: places to start from.
        has_source: whether to search for them.

    Returns:
        Starts at the most probable places, and at the best of them with a wide PSF, shape (number + 1, d); starts at
        the two likeliest places that the source may have, whatever the prior says of them; and how many further places
        may hold part of the posterior.
    """
    most = number + _MORE_PLACES
    likely, found, highest_prior = _peaks(base, frame, mean, data, priors, most, has_source)
    of_map = np.repeat(np.arange(found.x.shape[0]), most)
    peaks = search.first_of_each(jax.tree.map(jnp.ravel, found), np.array([1, _COARSE, 1])[of_map])
    width = jnp.array([0.0, _WIDE, _NARROW])[of_map]

    def start(x: Array, y: Array, flux: Array, width: Array) -> Array:
        u = frame.at(base, {"x_pos": x, "y_pos": y, "flux": flux}, priors, _LONGEST)
        return _with_width(u, priors, width)

    level = jnp.maximum(jnp.max(peaks.score), highest_prior)
    lowest = level - NOTABLE - _INEXACT * jnp.max(peaks.gain)
    notable = (peaks.score > lowest) & (peaks.gain > _SEEN_BY_DEFENCE)
    # What is not worth a climb climbs with the best: all climbs last as long as the longest of them.
    order = jax.lax.top_k(peaks.score, number)[1]
    order = jnp.where(notable[order], order, order[0])
    chosen = jax.vmap(start)(peaks.x[order], peaks.y[order], peaks.flux[order], width[order])
    blurred = _with_width(chosen[:1], priors, _WIDE)
    detected = jax.vmap(start)(likely.x, likely.y, likely.flux, jnp.zeros(2))
    second = likely.gain[1] > (1.0 - _INEXACT) * likely.gain[0] - NOTABLE
    detected = jnp.where(second, detected, detected[0])
    return jnp.concatenate([chosen, blurred]), detected, jnp.maximum(jnp.sum(notable) - number, 0)


def all_in_one(base: Float[Array, " d"], frame: Frame, sky: Array, data: Data, priors: Priors) -> Float[Array, "k d"]:
    """Place sources that have nearly all photons of the stamp, of several widths, where the prior has its middle.

    Where several sources stand around, there is such a mode, of which no map of the likelihood ratio has a maximum.

    Args:
        base: whitened vector for all other parameters.
        frame, data, priors: the model and what it is conditioned on.
        sky: the background without a source.
    """
    flux = jnp.sum(jnp.asarray(data.photons.number)) / jnp.max(jnp.asarray(data.pixels.exposure))
    u = frame.at(base, {"flux": flux, "background": _OF_SKY * sky}, priors, _LONGEST)
    return jnp.stack([_with_width(u, priors, width) for width in _VERY_WIDE])


def _peaks(
    base: Float[Array, " d"],
    frame: Frame,
    mean: Float[Array, "ny nx"],
    data: Data,
    priors: Priors,
    most: int,
    has_source: Array,
) -> tuple[search.Peaks, search.Peaks, Array]:
    """Search the stamp.

    Args:
        base, frame, mean, data, priors, has_source: those of `starting_points`.
        most: so many maxima of each map.

    Returns:
        The two highest maxima of the likelihood where the source may be; those of the likelihood times the prior, as a
        point source, as something wide and as a hot pixel, with a first axis; and the highest prior of the position.
    """
    free_width = "psf_width" in priors.free
    spread = np.array([0.0, _WIDE]) if free_width else np.zeros(1)
    middles = constrain(frame.point(jax.vmap(lambda w: _with_width(base, priors, w))(spread), priors), priors)
    shape = with_slope(priors.psf, middles["psf_slope"][0] if "psf_slope" in middles else None)
    steps = (1, _COARSE)[: len(spread)]
    nothing = jnp.zeros((len(spread), *mean.shape), jnp.float32)
    x, y = jnp.ravel(jnp.asarray(data.pixels.x, float)), jnp.ravel(jnp.asarray(data.pixels.y, float))
    log_prior = search.log_prior_of_position(x, y, priors)
    anywhere = search.log_prior_of_position(x, y, priors, flat=search.FARTHEST)
    possible = jnp.any(jnp.isfinite(jnp.maximum(log_prior, anywhere)), axis=1)
    wanted = jnp.convolve(possible, jnp.ones(3), "same") > 0  # a maximum between pixels takes the next row, too
    fluxes, gains = jax.lax.cond(
        has_source,
        lambda: search.likelihood_ratio_maps(data, mean, shape, middles["psf_width"], steps, wanted),
        lambda: (nothing, nothing),
    )
    gain = search.between_pixels(gains[0])
    maps = [(gain + anywhere, gain, fluxes[0]), (gain + log_prior, gain, fluxes[0])]
    if free_width:
        maps += [(gains[1] + log_prior - 0.5 * _WIDE**2, gains[1], fluxes[1])]
        of_pixel, gain = search.bright_pixels(data, mean)
        maps += [(gain + log_prior - 0.5 * _NARROW**2, gain, of_pixel)]
    stacked = [jnp.stack(each) for each in zip(*maps, strict=True)]
    found = jax.vmap(partial(search.find_peaks, x=x, y=y, number=most))(*stacked)
    likely, probable = jax.tree.map(lambda each: each[0, :2], found), jax.tree.map(lambda each: each[1:], found)
    return likely, probable, jnp.max(log_prior)


def _with_width(u: Float[Array, "*k d"], priors: Priors, width: Array | float) -> Float[Array, "*k d"]:
    """Give the PSF a width, in standard deviations of its prior."""
    return u.at[..., places(priors)["psf_width"]].set(width) if "psf_width" in priors.free else u


class Ends(NamedTuple):
    """Where climbs arrived.

    Attributes:
        modes: of the posterior, shape (k, d), whitened.
        factors: Cholesky factors of Laplace's covariance there, shape (k, d, d).
        masses: ln of each mode's part of the posterior by Laplace's approximation, but for a constant, shape (k,).
        best, best_factor: the highest of the modes.
        log_likelihood_at_best: ln likelihood there.
        max_log_likelihood: ln of the largest likelihood that a source within the bounds of its position can have.
    """

    modes: Float[Array, "k d"]
    factors: Float[Array, "k d d"]
    masses: Float[Array, " k"]
    best: Float[Array, " d"]
    best_factor: Float[Array, "d d"]
    log_likelihood_at_best: Float[Array, ""]
    max_log_likelihood: Float[Array, ""]


def climb(
    log_target: Callable[[Array, Array], Array],
    starts: Float[Array, "k d"],
    found: Float[Array, "two d"],
    frame: Frame,
    priors: Priors,
) -> Ends:
    """Climb to the modes of the posterior, and to the largest likelihood of a source where it may be.

    The latter is what a detection is judged by: flux and position are free of their priors, the position stays where it
    may be, and all other parameters are refitted under theirs.

    Args:
        log_target: ln of the density, of a vector and of the share that each parameter's prior has in it.
        starts: shape (k, d), for the posterior.
        found: shape (2, d), for the likelihood.
        frame, priors: the model.
    """
    number, dimension = starts.shape
    limit, of_prior = np.full(dimension, np.inf), np.ones(dimension)
    for name, place in places(priors).items():
        if name in ("x_pos", "y_pos", "flux"):
            of_prior[place] = 0.0
        if name in ("x_pos", "y_pos") and priors.free[name].support is constraints.real:
            limit[place] = search.FARTHEST
    everything = jnp.concatenate([starts, found])
    is_found = np.arange(len(everything)) >= number
    shares = np.where(is_found[:, None], of_prior, 1.0)
    limits = np.where(is_found[:, None], limit, np.inf)

    def from_one(start: Array, share: Array, farthest: Array) -> tuple[Array, Array, Array]:
        return laplace(lambda u: log_target(jnp.clip(u, -farthest, farthest), share), start)

    ends, factors, heights = jax.vmap(from_one)(everything, jnp.asarray(shares), jnp.asarray(limits))
    heights = or_nothing(heights)
    masses = log_mass(factors, heights)
    best = jnp.argmax(heights[:number])
    detected = jnp.clip(ends[number + jnp.argmax(heights[number:])], -limit, limit)
    of_prior_at = jnp.sum(of_prior * frame.log_prior(detected, priors))
    return Ends(
        modes=ends[:number],
        factors=factors[:number],
        masses=masses[:number],
        best=ends[best],
        best_factor=factors[best],
        log_likelihood_at_best=heights[best] - jnp.sum(frame.log_prior(ends[best], priors)),
        max_log_likelihood=jnp.max(heights[number:]) - of_prior_at,
    )
