"""The flux of a source at a given place: its likelihood, and the limits that exist whether it is detected or not."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float
from scipy import special

from ..expected import with_slope
from ..priors import Priors
from ..psf import PSF
from .nosource import Known
from .unconstrained import Data, Point, constrain

_CLIMB, _GRID, _BACKGROUND_STEPS = 60, 160, 6
FALSE_ALARM = 4.5e-5
"""Chance of a false detection: exp(-10), that of DET_LIKE = 10."""


class UpperLimit(NamedTuple):
    """What the image says about the flux at the position asked for.

    Attributes:
        flux_95: 95 % of the likelihood's area over flux ≥ 0 lies below [flux unit].
        background: at the largest likelihood [flux unit / pixel].
        exposure_times_light: sum of t P within 2.5 psf_width of the position: counts per unit of flux.
        exposure_times_area: sum of t there, times the background's growth.
        others: expected counts there of neighbours, an extended source and the background map.
    """

    flux_95: Float[Array, ""]
    background: Float[Array, ""]
    exposure_times_light: Float[Array, ""]
    exposure_times_area: Float[Array, ""]
    others: Float[Array, ""]


def upper_limit(z: Point, data: Data, priors: Priors, psf: PSF, known: Known | None = None) -> UpperLimit:
    """Bound the flux of a source whose position and width are given, with a flat prior on flux ≥ 0.

    The background is integrated over for each flux by Laplace's method (Kraft et al. 1991, with an unknown background
    and a whole image in place of one aperture). Free of the source's own prior and of its fitted position, the bound is
    defined for a source that is not there; it is not the top of a credible interval of a detection (Kashyap et al.
    2010).

    Args:
        z: the position and width, unconstrained; its flux and background are not used.
        data, priors, psf: the model and what it is conditioned on.
        known: all else in the image and the background's growth, taken as they are; None where there are none.
    """
    place = constrain(z, priors)
    psf = with_slope(psf, place.get("psf_slope"))
    exposure = jnp.asarray(data.exposure, float)
    light = psf.pixel_fraction(data.x, data.y, place["x_pos"], place["y_pos"], place["psf_width"])
    column, row = jnp.asarray(data.photons.column), jnp.asarray(data.photons.row)
    number = jnp.asarray(data.photons.number, float)
    at_photons = jnp.where(number > 0, light[row, column], 0.0)
    source_time, sky_time = jnp.sum(exposure * light), jnp.sum(exposure)
    sky: Array | float = 1.0
    others: Array | float = 0.0
    if known is not None:
        real, time = number > 0, exposure[row, column]
        sky = jnp.where(real, known.sky[row, column] / time, 1.0)
        others = jnp.where(real, known.others[row, column] / time, 0.0)
        sky_time = jnp.sum(known.sky)
    count = jnp.sum(number)

    def climb(_: int, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        flux, background = carry
        inverse = number / (flux * at_photons + background * sky + others)
        background = jnp.maximum(background * jnp.sum(sky * inverse) / sky_time, 1e-3 * level)
        return flux * jnp.sum(at_photons * inverse) / source_time, background

    tiny = jnp.finfo(exposure.dtype).tiny ** 0.5
    source_time = jnp.maximum(source_time, tiny)
    level = jnp.maximum(count, 0.5) / sky_time
    start = (0.1 * jnp.maximum(count, 1.0) / source_time, level)
    flux, background = jax.lax.fori_loop(0, _CLIMB, climb, start)
    information = jnp.sum(at_photons**2 * number / (flux * at_photons + background * sky + others) ** 2)
    one_count = 1.0 / source_time
    width = jnp.clip(jax.lax.rsqrt(jnp.maximum(information, tiny)), one_count, (1.0 + jnp.sqrt(count)) * one_count)
    fluxes = jnp.maximum(flux - 8.0 * width, 0.0) + jnp.linspace(0.0, 1.0, _GRID) * (
        jnp.minimum(flux, 8.0 * width) + 12.0 * width
    )

    def log_area(one: Array) -> Array:
        def newton(_: int, background: Array) -> Array:
            ratio = sky * number / (one * at_photons + background * sky + others)
            slope, curvature = jnp.sum(ratio) - sky_time, jnp.sum(ratio * ratio / jnp.maximum(number, 1.0))
            return jnp.maximum(background + slope / jnp.maximum(curvature, tiny), 0.3 * background)

        best = jax.lax.fori_loop(0, _BACKGROUND_STEPS, newton, level)
        means = jnp.where(number > 0, one * at_photons + best * sky + others, 1.0)
        curvature = jnp.sum(sky**2 * number / means**2)
        log_likelihood = jnp.sum(number * jnp.log(means)) - one * source_time - best * sky_time
        return log_likelihood - 0.5 * jnp.log(jnp.maximum(curvature, tiny))

    heights = jax.vmap(log_area)(fluxes)
    area = jnp.exp(heights - logsumexp(heights))
    cumulated = jnp.concatenate([jnp.zeros(1), jnp.cumsum(0.5 * (area[1:] + area[:-1]))])
    squared = (jnp.asarray(data.x) - place["x_pos"]) ** 2 + (jnp.asarray(data.y) - place["y_pos"]) ** 2
    near = squared <= (2.5 * place["psf_width"]) ** 2
    return UpperLimit(
        flux_95=jnp.interp(0.95, cumulated / cumulated[-1], fluxes),
        background=background,
        exposure_times_light=jnp.sum(jnp.where(near, exposure * light, 0.0)),
        exposure_times_area=jnp.sum(jnp.where(near, exposure if known is None else known.sky, 0.0)),
        others=jnp.zeros(()) if known is None else jnp.sum(jnp.where(near, known.others, 0.0)),
    )


def detectable_flux(limit: UpperLimit, *, false_alarm: float = FALSE_ALARM, power: float = 0.95) -> float:
    """Flux that would have been detected with a given probability: the upper limit of Kashyap et al. (2010).

    A detection is a number of counts within 2.5 psf_width that the background reaches with a probability of at most
    `false_alarm`. The limit depends on the background and on the test, not on the counts at the position.

    Returns:
        The flux [flux unit]; NaN where nothing is exposed there.
    """
    light, area = float(limit.exposure_times_light), float(limit.exposure_times_area)
    if not light > 0:
        return float("nan")
    expected = float(limit.background) * area + float(limit.others)
    threshold = math.ceil(special.pdtrik(1.0 - false_alarm, expected)) + 1
    return max(0.0, float(special.gammaincinv(threshold, power)) - expected) / light


def detection_likelihood(log_likelihood_ratio: float, degrees: int) -> float:
    """DET_LIKE as emldetect defines it: -ln of the chance that noise gives so large a likelihood ratio.

    Args:
        log_likelihood_ratio: ln L of the best source less ln L of the best background alone, half of the difference
            of the C-statistics (Cash 1979).
        degrees: number of the source's fitted parameters.

    Returns:
        -ln Q(degrees / 2, ln L ratio), also where Q underflows.
    """
    ratio, half = max(log_likelihood_ratio, 0.0), 0.5 * degrees
    tail = special.gammaincc(half, ratio)
    if tail > 1e-290:
        return -math.log(tail)
    # The asymptotic series of the incomplete gamma function, good to 1e-6 where Q is as small as this.
    series = 1.0 + (half - 1.0) / ratio * (1.0 + (half - 2.0) / ratio)
    return ratio - (half - 1.0) * math.log(ratio) + math.lgamma(half) - math.log(series)
