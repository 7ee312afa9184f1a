"""The flux of a source at a given place: its likelihood, and the limits that exist whether it is detected or not."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Array, ArrayLike, Float
from scipy import special

from ..psf import PSF, with_slope
from .unconstrained import Data, Point

_CLIMB, _GRID, _BACKGROUND_STEPS = 60, 160, 6
_APERTURE = 2.5
FALSE_ALARM = 4.5e-5
"""Chance of a false detection: exp(-10), that of DET_LIKE = 10."""
_NORMAL = 1e9
"""From so many counts the Poisson distribution is normal, to 1e-4 of the limit."""


class Aperture(NamedTuple):
    """What is expected within 2.5 psf_width of the position asked for.

    Attributes:
        exposure_times_light: sum of t P: counts of a source for each unit of flux.
        other_counts: expected counts of all but the source.
    """

    exposure_times_light: Float[Array, ""]
    other_counts: Float[Array, ""]


def aperture_at(
    place: Point, without: Float[Array, "ny nx"], brighter: Float[Array, ""], data: Data, psf: PSF
) -> Aperture:
    """Sum up what is expected about a position.

    Args:
        place: the position and the PSF's width and slope.
        without: expected counts of all but the source where there is none, shape (ny, nx).
        brighter: how much brighter the background is beside the fitted source [flux unit / pixel].
        data, psf: exposure and coordinates, and the family of the PSF.
    """
    shape = with_slope(psf, place.get("psf_slope"))
    light = shape.pixel_fraction(data.pixels.x, data.pixels.y, place["x_pos"], place["y_pos"], place["psf_width"])
    squared = (jnp.asarray(data.pixels.x) - place["x_pos"]) ** 2 + (jnp.asarray(data.pixels.y) - place["y_pos"]) ** 2
    near = squared <= (_APERTURE * place["psf_width"]) ** 2
    exposure = jnp.asarray(data.pixels.exposure, float)
    other = jnp.maximum(without + brighter * exposure, 0.0)
    return Aperture(jnp.sum(jnp.where(near, exposure * light, 0.0)), jnp.sum(jnp.where(near, other, 0.0)))


def upper_limit(place: Point, data: Data, psf: PSF, fixed: ArrayLike | None = None) -> Float[Array, ""]:
    """Bound the flux of a source on a uniform background whose position and width are given, with a flat prior.

    The background is integrated over for each flux by Laplace's method (Kraft et al. 1991, with an unknown background
    and a whole image in place of one aperture). Free of the source's own prior and of its fitted position, the bound is
    defined for a source that is not there; it is not the top of a credible interval of a detection (Kashyap et al.
    2010).

    Args:
        place: the position and the PSF's width and slope.
        data, psf: what the model is conditioned on, and the family of the PSF.
        fixed: the background, where it is known [flux unit / pixel].

    Returns:
        The flux below which 95 % of the likelihood's area over flux ≥ 0 lies [flux unit].
    """
    psf = with_slope(psf, place.get("psf_slope"))
    exposure = jnp.asarray(data.pixels.exposure, float)
    light = psf.pixel_fraction(data.pixels.x, data.pixels.y, place["x_pos"], place["y_pos"], place["psf_width"])
    column, row = jnp.asarray(data.photons.column), jnp.asarray(data.photons.row)
    number = jnp.asarray(data.photons.number, float)
    at_photons = jnp.where(number > 0, light[row, column], 0.0)
    source_time, sky_time = jnp.sum(exposure * light), jnp.sum(exposure)
    count = jnp.sum(number)

    def climb(_: int, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        flux, background = carry
        inverse = number / (flux * at_photons + background)
        if fixed is None:
            background = jnp.maximum(background * jnp.sum(inverse) / sky_time, 1e-3 * level)
        return flux * jnp.sum(at_photons * inverse) / source_time, background

    tiny = jnp.finfo(exposure.dtype).tiny ** 0.5
    source_time = jnp.maximum(source_time, tiny)
    level = jnp.maximum(count, 0.5) / sky_time if fixed is None else jnp.asarray(fixed, exposure.dtype)
    start = (0.1 * jnp.maximum(count, 1.0) / source_time, level)
    flux, background = jax.lax.fori_loop(0, _CLIMB, climb, start)
    information = jnp.sum(at_photons**2 * number / (flux * at_photons + background) ** 2)
    one_count = 1.0 / source_time
    width = jnp.clip(jax.lax.rsqrt(jnp.maximum(information, tiny)), one_count, (1.0 + jnp.sqrt(count)) * one_count)
    fluxes = jnp.maximum(flux - 8.0 * width, 0.0) + jnp.linspace(0.0, 1.0, _GRID) * (
        jnp.minimum(flux, 8.0 * width) + 12.0 * width
    )

    def log_area(one: Array) -> Array:
        def newton(_: int, background: Array) -> Array:
            ratio = number / (one * at_photons + background)
            slope, curvature = jnp.sum(ratio) - sky_time, jnp.sum(ratio * ratio / jnp.maximum(number, 1.0))
            return jnp.maximum(background + slope / jnp.maximum(curvature, tiny), 0.3 * background)

        best = jax.lax.fori_loop(0, _BACKGROUND_STEPS, newton, level) if fixed is None else level
        means = jnp.where(number > 0, one * at_photons + best, 1.0)
        curvature = jnp.sum(number / means**2)
        log_likelihood = jnp.sum(number * jnp.log(means)) - one * source_time - best * sky_time
        return log_likelihood - (0.5 * jnp.log(jnp.maximum(curvature, tiny)) if fixed is None else 0.0)

    heights = jax.vmap(log_area)(fluxes)
    area = jnp.exp(heights - logsumexp(heights))
    cumulated = jnp.concatenate([jnp.zeros(1), jnp.cumsum(0.5 * (area[1:] + area[:-1]))])
    return jnp.interp(0.95, cumulated / cumulated[-1], fluxes)


def detectable_flux(aperture: Aperture, *, false_alarm: float = FALSE_ALARM, power: float = 0.95) -> float:
    """Flux that would have been detected with a given probability: the upper limit of Kashyap et al. (2010).

    A detection is a number of counts within 2.5 psf_width that the background reaches with a probability of at most
    `false_alarm`. The limit depends on the background and on the test, not on the counts at the position.

    Returns:
        The flux [flux unit]; NaN where nothing is exposed there.
    """
    light, expected = float(aperture.exposure_times_light), float(aperture.other_counts)
    if not light > 0:
        return float("nan")
    if expected > _NORMAL:
        return float(special.ndtri(1.0 - false_alarm) + special.ndtri(power)) * math.sqrt(expected) / light
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
        return -math.log(tail) + 0.0  # no -0.0
    # The asymptotic series of the incomplete gamma function, good to 1e-6 where Q is as small as this.
    series = 1.0 + (half - 1.0) / ratio * (1.0 + (half - 2.0) / ratio)
    return ratio - (half - 1.0) * math.log(ratio) + math.lgamma(half) - math.log(series)
