"""Where in a stamp a source could be: the likelihood ratio of one more source at every pixel, and its local maxima.

Importance weights cannot see what no draw reaches. So before anything is drawn, each place where a source would explain
the counts is found: with r_i = t_i P_i / mu_i at photon i and S = sum t P, the ratio for a source of flux F is

    ln L(F) / L(0) = sum_i ln(1 + F r_i) - F S,

concave in F. Its slope is a sum of hyperbolas less S; a single hyperbola through value and slope meets S below the root
and nearer to it than a tangent does, so that three steps from F = 0 arrive, without a grid and without safeguards.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float, Num
from numpyro.distributions import constraints

from ..counts import PhotonList, PixelList
from ..priors import Priors
from ..psf import PSF
from .unconstrained import Data, Frame

STEPS = 3
"""Of the climb to the best flux at a place."""
FARTHEST = 3.0
"""A source whose position's prior has no bounds may be detected within so many standard deviations of it."""
_TOGETHER = 4
"""Photons whose terms are multiplied before a logarithm is taken."""
_LEAST_LIGHT = 0.05
"""A place whose light falls on less of the exposure than this part of the most is none for a source."""
_REACH = 2
"""A local maximum is the largest value within so many pixels."""
_SAME_PLACE = 3.0
"""Peaks of maps for different widths that are so near are one [pixels]."""
NOTHING = -1e30


class Peaks(NamedTuple):
    """Local maxima of the likelihood ratio times the prior of the position, the highest first.

    Attributes:
        x, y: their pixels, shape (m,) [FITS image pixels].
        flux: best flux there, shape (m,) [flux unit].
        gain: ln likelihood ratio at the maximum between the pixels, shape (m,); 0 where there are fewer maxima than m.
        score: the same with ln of the position's prior, shape (m,); `NOTHING` where there are fewer.
    """

    x: Float[Array, " m"]
    y: Float[Array, " m"]
    flux: Float[Array, " m"]
    gain: Float[Array, " m"]
    score: Float[Array, " m"]


def likelihood_ratio_maps(
    data: Data,
    mean: Float[Array, "ny nx"],
    psf: PSF,
    widths: Float[Array, " k"],
    steps: tuple[int, ...],
    wanted: Bool[Array, " ny"] | None = None,
) -> tuple[Float[Array, "k ny nx"], Float[Array, "k ny nx"]]:
    """Compute the best flux of a source on the centre of each pixel, and its ln likelihood ratio to none.

    Args:
        data: exposure and photons.
        mean: expected counts without the source, shape (ny, nx) [count / pixel].
        psf: of the source.
        widths: of the PSF, one for each map, shape (k,) [pixels].
        steps: each map's distance between rows [pixels]; what lies between them is 0.
        wanted: rows that are looked at, shape (ny,); 0 in the others. By default all.

    Returns:
        Flux [flux unit] and ln likelihood ratio, each ≥ 0, shape (k, ny, nx), in single precision.
    """
    exposure = jnp.asarray(data.pixels.exposure, jnp.float32)
    ny, nx = exposure.shape
    across, down = jnp.arange(1.0 - nx, nx), jnp.arange(1.0 - ny, ny)
    light = jax.vmap(lambda width: psf.pixel_fraction(across[None, :], down[:, None], 0.0, 0.0, width))(widths)
    light = jnp.asarray(light, jnp.float32)
    # light_in[k, d, c, p]: in column c, d rows above a source in column p; a photon's row of it holds all columns p.
    columns = np.arange(nx)
    light_in = light[:, :, columns[:, None] - columns + nx - 1]
    row, column = jnp.asarray(data.photons.row), jnp.asarray(data.photons.column)
    number = jnp.asarray(data.photons.number, jnp.float32)
    real = number > 0
    time_over_mean = jnp.where(real, exposure[row, column] / jnp.where(real, mean[row, column], 1.0), 0.0)
    time_over_mean = time_over_mean.astype(jnp.float32)
    shape = (2 * ny - 1 + ny, 2 * nx - 1 + nx)
    seen = jnp.fft.irfft2(jnp.fft.rfft2(exposure, shape) * jnp.fft.rfft2(light[:, ::-1, ::-1], shape), shape)
    total = jnp.maximum(seen[:, ny - 1 : 2 * ny - 1, nx - 1 : 2 * nx - 1], 0.0).astype(jnp.float32)
    usable = total > _LEAST_LIGHT * jnp.max(total, axis=(1, 2), keepdims=True)
    total = jnp.where(usable, total, 1.0)

    def one_row(of: Array, sources_row: Array) -> tuple[Array, Array]:
        ratio = light_in[of, row - sources_row + ny - 1, column] * time_over_mean[:, None]
        sums = total[of, sources_row]
        flux = jnp.zeros(nx, jnp.float32)
        for _ in range(STEPS):
            slope = ratio / (1.0 + flux * ratio)
            value, bend = number @ slope, number @ (slope * slope)
            grown = flux + value / jnp.maximum(bend, 1e-30) * (value / sums - 1.0)
            flux = jnp.where(value > sums, grown, flux)
        return flux, _log_gain(flux * ratio, data.photons) - flux * sums

    rows = [np.arange(0, ny, step) for step in steps]
    of, at = np.repeat(np.arange(len(steps)), [len(each) for each in rows]), np.concatenate(rows)
    first = jnp.ones(len(at), bool) if wanted is None else wanted[at]
    order = jnp.argsort(~first)  # those that are looked at come first

    def put(turn: Array, maps: tuple[Array, Array]) -> tuple[Array, Array]:
        place = jnp.asarray(of)[order[turn]], jnp.asarray(at)[order[turn]]
        flux, gain = one_row(*place)
        return maps[0].at[place].set(flux), maps[1].at[place].set(gain)

    nothing = jnp.zeros((len(steps), ny, nx), jnp.float32)
    flux, gain = lax.fori_loop(0, jnp.sum(first), put, (nothing, nothing))
    return jnp.where(usable, flux, 0.0), jnp.where(usable, jnp.maximum(gain, 0.0), 0.0)


def _log_gain(excess: Float[Array, "photons nx"], photons: PhotonList | PixelList) -> Float[Array, " nx"]:
    """Sum of ln(1 + excess) over the photons."""
    if isinstance(photons, PixelList):
        return jnp.asarray(photons.number, excess.dtype) @ jnp.log1p(excess)
    products = jnp.prod((1.0 + excess).reshape(-1, _TOGETHER, excess.shape[1]), axis=1)
    return jnp.sum(jnp.log(jnp.minimum(products, jnp.finfo(excess.dtype).max)), axis=0)


def bright_pixels(data: Data, mean: Float[Array, "ny nx"]) -> tuple[Float[Array, "ny nx"], Float[Array, "ny nx"]]:
    """Compute what `likelihood_ratio_map` does for a PSF that is narrower than a pixel: n ln(n / mu) - n + mu."""
    exposure = jnp.asarray(data.pixels.exposure, float)
    number = jnp.asarray(data.photons.number, float)
    counts = jnp.zeros_like(exposure).at[data.photons.row, data.photons.column].add(number)
    more = (exposure > 0) & (counts > mean)
    counts, mean = jnp.where(more, counts, 1.0), jnp.where(more, mean, 1.0)
    flux = jnp.where(more, (counts - mean) / jnp.where(more, exposure, 1.0), 0.0)
    return flux, jnp.where(more, counts * jnp.log(counts / mean) - counts + mean, 0.0)


def find_peaks(
    score: Float[Array, "ny nx"],
    gain: Float[Array, "ny nx"],
    flux: Float[Array, "ny nx"],
    x: Num[ArrayLike, " nx"],
    y: Num[ArrayLike, " ny"],
    number: int,
) -> Peaks:
    """Return the highest local maxima of a likelihood ratio map times the prior of the position.

    Args:
        score: ln likelihood ratio and ln prior of a source on each pixel, shape (ny, nx); -inf where it cannot be.
        gain, flux: of the map.
        x, y: of the columns and of the rows [FITS image pixels].
        number: how many.
    """
    score = jnp.where((gain > 0) & jnp.isfinite(score), score, NOTHING)
    size = (2 * _REACH + 1,) * 2
    around = lax.reduce_window(score, -jnp.inf, lax.max, size, (1, 1), "same")
    top, where = lax.top_k(jnp.where(score >= around, score, NOTHING).ravel(), number)
    row, column = jnp.unravel_index(where, gain.shape)
    there = top > NOTHING
    return Peaks(
        x=jnp.asarray(x)[column],
        y=jnp.asarray(y)[row],
        flux=jnp.where(there, flux[row, column], 0.0),
        gain=jnp.where(there, gain[row, column], 0.0),
        score=top,
    )


def first_of_each(peaks: Peaks, steps: Num[ArrayLike, " m"]) -> Peaks:
    """Take away the score of peaks that lie near a higher one: the same source with another width of the PSF.

    Args:
        peaks: of several maps.
        steps: distance between the rows of each one's map [pixels]; its place is uncertain by half of that.
    """
    slack = 0.5 * (jnp.asarray(steps, float) - 1.0)
    reach = _SAME_PLACE + jnp.maximum(slack[:, None], slack)
    near = jnp.hypot(peaks.x[:, None] - peaks.x, peaks.y[:, None] - peaks.y) < reach
    place = jnp.arange(len(peaks.x))
    higher = (peaks.score > peaks.score[:, None]) | ((peaks.score == peaks.score[:, None]) & (place < place[:, None]))
    return peaks._replace(score=jnp.where(jnp.any(near & higher, axis=1), NOTHING, peaks.score))


def between_pixels(gain: Float[Array, "ny nx"]) -> Float[Array, "ny nx"]:
    """Raise each pixel of a map to the top of the parabolas through it and its neighbours."""
    return gain + _rise(gain, 0) + _rise(gain, 1)


def _rise(gain: Float[Array, "ny nx"], axis: int) -> Float[Array, "ny nx"]:
    """How much higher the parabola through each pixel and its two neighbours along an axis is than the pixel."""
    below, above = jnp.roll(gain, 1, axis), jnp.roll(gain, -1, axis)
    slope, bend = 0.5 * (above - below), 2.0 * gain - above - below
    peaked = bend > jnp.abs(slope)
    return jnp.where(peaked, 0.5 * slope**2 / jnp.where(peaked, bend, 1.0), 0.0)


def log_prior_of_position(
    x: Num[ArrayLike, " nx"], y: Num[ArrayLike, " ny"], priors: Priors, flat: float | None = None
) -> Float[Array, "ny nx"]:
    """Logarithm of the prior of a source on each pixel, -inf where it cannot be, shape (ny, nx).

    A position that is fixed is at its nearest pixel.

    Args:
        x, y: of the columns and of the rows [FITS image pixels].
        priors: the priors.
        flat: if given, the prior is 0 within its bounds, or within so many standard deviations where it has none.
    """
    along, up = (
        _log_prior(priors, name, jnp.asarray(values, float), flat) for name, values in (("x_pos", x), ("y_pos", y))
    )
    return up[:, None] + along


def _log_prior(priors: Priors, name: str, values: Float[Array, " n"], flat: float | None) -> Float[Array, " n"]:
    prior = priors.free.get(name)
    if prior is None:
        offset = jnp.abs(values - jnp.asarray(priors[name], float))
        return jnp.where(offset == jnp.min(offset), 0.0, -jnp.inf)
    inside = prior.support(values)
    if flat is not None and prior.support is constraints.real:
        (location,), (scale,) = Frame.of_each({name: prior})
        inside = inside & (jnp.abs(values - location) <= flat * scale)
    safe = jnp.where(inside, values, values[jnp.argmax(inside)])
    return jnp.where(inside, prior.log_prob(safe) if flat is None else 0.0, -jnp.inf)
