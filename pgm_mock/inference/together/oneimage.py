r"""One image of a source at a known place: flux and background integrated over, or drawn.

With the ratio r of flux to background, the likelihood of an image splits into a sum over its photons that knows r
alone, and a Gamma density of the background b:

    \[ \prod_k (r t_k P_k + G_k)^{N_k} \; b^N e^{-b (r A + T)}, \quad A = \sum_k t_k P_k, \; T = \sum_k G_k \]

so that the integral over both is one over ln r, in which each node costs one sum over photons, and a cheap one over
ln b within it. The nodes lie about the mode of each and reach seven standard deviations of the priors on each side: no
faint source's tail is cut off.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float
from numpyro.distributions import Distribution, LogNormal, Normal

from ...counts import PhotonList, PixelList, at_pixels, sum_of_logs
from ...pixels import Pixels
from ...priors import Priors
from ...scene import SOURCE
from .piecewise import Piecewise, about

TOGETHER = 128
"""Places that one call of a compiled program is for: one program for any number of them."""
_SEARCHED, _NEWTON = 16, 5
_FLUX_STEPS, _LEVEL_STEPS = 18, 12
FAR = 7.0
"""Standard deviations of the priors that the nodes reach."""


class OneImage(NamedTuple):
    """A stamp of one image, as arrays.

    Attributes:
        pixels: exposure (ny, nx), columns (1, nx) and rows (ny, 1).
        photons: what was counted.
        background: G at each photon, for a background of 1, or of what is fixed [count / pixel].
        background_total: T.
        middles, spreads: of ln flux and ln background under their priors: medians and half of the 16 to 84 % ranges.
    """

    pixels: Pixels
    photons: PhotonList | PixelList
    background: Float[ArrayLike, " photons"]
    background_total: Float[ArrayLike, ""]
    middles: Float[Array, " 2"]
    spreads: Float[Array, " 2"]


class _Ratios(NamedTuple):
    """The density of flux and background at one place, as a density of ln r and, given that, of ln b."""

    source: Float[Array, " photons"]
    area: Float[Array, ""]
    of_ratio: Piecewise


def level_name(priors: Priors) -> str | None:
    """The parameter that scales what lies behind the source; None where that is fixed."""
    free = [name for name in priors.free if name not in ("x_pos", "y_pos", "flux")]
    return free[0] if free else None


@jax.jit
def log_evidences(image: OneImage, priors: Priors, places: Float[Array, "m 2"]) -> Float[Array, " m"]:
    """Ln of the integral of prior times likelihood over flux and background, for a source at each place [pixels]."""
    return jax.vmap(lambda place: _ratios(image, priors, place).of_ratio.log_integral())(places)


@jax.jit
def draw(
    image: OneImage, priors: Priors, places: Float[Array, "m 2"], uniforms: Float[Array, "m 2"]
) -> tuple[Float[Array, " m"], Float[Array, " m"], Float[Array, " m"], Float[Array, " m"]]:
    """Draw flux and background for a source at each place.

    Returns:
        Flux and background, shape (m,); ln of prior times likelihood, as a density of their logarithms; and ln of the
        density that they were drawn from.
    """

    def one(place: Array, uniform: Array) -> tuple[Array, Array, Array, Array]:
        found = _ratios(image, priors, place)
        log_ratio, log_own = found.of_ratio.draw(uniform[0])
        if level_name(priors) is None:
            log_level = jnp.zeros(())
        else:
            levels = _levels(image, priors, log_ratio, jnp.exp(log_ratio) * found.area + image.background_total)
            log_level, of_level = levels.draw(uniform[1])
            log_own = log_own + of_level
        target = _log_density(image, priors, found.source, found.area, log_ratio, log_level)
        return jnp.exp(log_ratio + log_level), jnp.exp(log_level), target, log_own

    return jax.vmap(one)(places, uniforms)


@jax.jit
def log_likelihoods(
    image: OneImage, priors: Priors, place: Float[Array, " 2"], fluxes: Float[Array, " m"]
) -> Float[Array, " m"]:
    """Ln of the likelihood of fluxes of a source at a place, the background integrated over; fluxes may be 0."""
    source, area = _source(image, priors, place)

    def one(flux: Array) -> Array:
        if level_name(priors) is None:
            return _of_photons(image, source * flux, jnp.ones(())) - flux * area - image.background_total

        def at(log_level: Array) -> Array:
            level = jnp.exp(log_level)
            of_photons = _of_photons(image, source * flux, level)
            return of_photons - flux * area - level * image.background_total + _log_prior_level(priors, log_level)

        middle, scale = _mode_of_level_beside(image, source * flux)
        left = jnp.maximum(FAR * image.spreads[1], 9.0 * scale)
        nodes = about(middle, scale, left, 9.0 * scale, 2 * _LEVEL_STEPS)
        return Piecewise.of(nodes, jax.vmap(at)(nodes)).log_integral()

    return jax.lax.map(one, fluxes)


def _source(image: OneImage, priors: Priors, place: Float[Array, " 2"]) -> tuple[Float[Array, " photons"], Array]:
    """Return t P at each photon, and A."""
    at = {name: value for name, value in priors.items() if not isinstance(value, Distribution)}
    parameters: Any = at | {"x_pos": place[0], "y_pos": place[1], "flux": jnp.ones(())}
    light = priors.scene.only(SOURCE).light(image.pixels, priors.psf, parameters)
    return at_pixels(light, jnp.asarray(image.photons.row), jnp.asarray(image.photons.column))


def _of_photons(image: OneImage, source: Array, level: Array) -> Array:
    """Sum of ln of the expected counts over the photons, less the factorials."""
    number = jnp.asarray(image.photons.number, float)
    means = jnp.where(number > 0, source + level * image.background, 1.0)
    logs = sum_of_logs(means) if isinstance(image.photons, PhotonList) else jnp.sum(number * jnp.log(means))
    return logs - image.photons.log_factorials


def _log_density(image: OneImage, priors: Priors, source: Array, area: Array, log_ratio: Array, level: Array) -> Array:
    """Ln of prior times likelihood, as a density of ln flux and ln background."""
    number, ratio = jnp.sum(jnp.asarray(image.photons.number, float)), jnp.exp(log_ratio)
    counted = _of_photons(image, source * ratio, jnp.ones(())) + number * level
    found = counted - jnp.exp(level) * (ratio * area + image.background_total)
    found = found + _log_prior_flux(priors, log_ratio + level)
    return found if level_name(priors) is None else found + _log_prior_level(priors, level)


def _log_prior_flux(priors: Priors, log_flux: Array) -> Array:
    return _log_prior(priors["flux"], log_flux)


def _log_prior_level(priors: Priors, log_level: Array) -> Array:
    return _log_prior(priors[str(level_name(priors))], log_level)


def _log_prior(prior: Any, log_value: Array) -> Array:
    """Ln of a prior's density of the logarithm of its parameter."""
    if isinstance(prior, LogNormal):
        return Normal(prior.loc, prior.scale).log_prob(log_value)
    return prior.log_prob(jnp.exp(log_value)) + log_value


def _ratios(image: OneImage, priors: Priors, place: Float[Array, " 2"]) -> _Ratios:
    """Integrate over the background at nodes of ln r that lie about the mode."""
    source, area = _source(image, priors, place)
    number = jnp.asarray(image.photons.number, float)
    counted = jnp.sum(number)
    free = level_name(priors) is not None
    (flux, level), (flux_sd, level_sd) = jnp.asarray(image.middles), jnp.asarray(image.spreads)
    spread = jnp.hypot(flux_sd, level_sd) if free else flux_sd
    lowest, highest = flux - level - FAR * spread, flux - level + FAR * spread
    background = jnp.asarray(image.background)

    def terms(log_ratio: Array) -> tuple[Array, Array, Array]:
        """Ln of the density at the best background, under normal priors, and its first and second derivative."""
        ratio = jnp.exp(log_ratio)
        total = ratio * area + image.background_total
        means = jnp.where(number > 0, ratio * source + background, 1.0)
        share = jnp.where(number > 0, ratio * source / means, 0.0)
        best = jnp.zeros(())
        if free:
            best, _ = _mode_of_level(counted, total, level, level_sd, flux - log_ratio, flux_sd)
        off, light = (log_ratio + best - flux) / flux_sd, jnp.exp(best) * ratio * area
        value = _of_photons(image, ratio * source, jnp.ones(())) + counted * best - jnp.exp(best) * total - 0.5 * off**2
        slope = jnp.sum(number * share) - light - off / flux_sd
        bend = jnp.sum(number * share * (1.0 - share)) - light - flux_sd**-2
        if free:
            value = value - 0.5 * ((best - level) / level_sd) ** 2
            across = light + flux_sd**-2
            bend = bend + across**2 / (jnp.exp(best) * total + flux_sd**-2 + level_sd**-2)
        return value, slope, bend

    searched = jnp.linspace(lowest, highest, _SEARCHED)
    start = searched[jnp.argmax(jax.lax.map(lambda one: terms(one)[0], searched))]

    def step(_: int, log_ratio: Array) -> Array:
        slope, bend = terms(log_ratio)[1:]
        return jnp.clip(log_ratio + jnp.clip(slope / jnp.maximum(-bend, 0.05), -1.0, 1.0), lowest, highest)

    middle = jax.lax.fori_loop(0, _NEWTON, step, start)
    scale = jnp.clip(1.0 / jnp.sqrt(jnp.maximum(-terms(middle)[2], 1e-6)), 1e-3, 2.0)
    nodes = about(middle, scale, middle - lowest + 1e-3, highest - middle + 1e-3, _FLUX_STEPS)

    def log_density(log_ratio: Array) -> Array:
        ratio = jnp.exp(log_ratio)
        photons = _of_photons(image, source * ratio, jnp.ones(()))
        total = ratio * area + image.background_total
        if not free:
            return photons - total + _log_prior_flux(priors, log_ratio)
        return photons + _levels(image, priors, log_ratio, total).log_integral()

    return _Ratios(source, area, Piecewise.of(nodes, jax.vmap(log_density)(nodes)))


def _levels(image: OneImage, priors: Priors, log_ratio: Array, total: Array) -> Piecewise:
    """Return the density of ln b, given ln r: the priors of both times b^N exp(-b total)."""
    number = jnp.sum(jnp.asarray(image.photons.number, float))
    (flux, level), (flux_sd, level_sd) = jnp.asarray(image.middles), jnp.asarray(image.spreads)
    middle, scale = _mode_of_level(number, total, level, level_sd, flux - log_ratio, flux_sd)
    left = jnp.minimum(FAR * level_sd, 9.0 * scale + 36.0 / (number + 1.0))
    nodes = about(middle, scale, left, 9.0 * scale, _LEVEL_STEPS)
    priors_of = jax.vmap(lambda one: _log_prior_level(priors, one) + _log_prior_flux(priors, log_ratio + one))(nodes)
    return Piecewise.of(nodes, number * nodes - jnp.exp(nodes) * total + priors_of)


def _mode_of_level_beside(image: OneImage, source: Array) -> tuple[Array, Array]:
    """Return mode and width of ln b beside a source of known light, under a normal prior."""
    number, precision = jnp.asarray(image.photons.number, float), image.spreads[1] ** -2.0

    def derivatives(log_level: Array) -> tuple[Array, Array]:
        level = jnp.exp(log_level) * image.background
        share = jnp.where(number > 0, level / jnp.where(number > 0, source + level, 1.0), 0.0)
        light = jnp.exp(log_level) * image.background_total
        slope = jnp.sum(number * share) - light - (log_level - image.middles[1]) * precision
        return slope, jnp.sum(number * share * (1.0 - share)) - light - precision

    def step(_: int, log_level: Array) -> Array:
        slope, bend = derivatives(log_level)
        return log_level + jnp.clip(slope / jnp.maximum(-bend, 0.1), -1.0, 1.0)

    start, _ = _mode_of_level(
        jnp.sum(number),
        jnp.asarray(image.background_total),
        jnp.asarray(image.middles[1]),
        jnp.asarray(image.spreads[1]),
    )
    found = jax.lax.fori_loop(0, 2 * _NEWTON, step, start)
    return found, 1.0 / jnp.sqrt(jnp.maximum(-derivatives(found)[1], 0.1))


def _mode_of_level(
    number: Array,
    total: Array,
    level: Array,
    level_sd: Array,
    other: Array | float = 0.0,
    other_sd: Array | float = 1e6,
) -> tuple[Array, Array]:
    """Return mode and width of b^N exp(-b total) times normal densities of ln b, by Newton's method."""
    precisions = level_sd**-2, jnp.asarray(other_sd) ** -2.0

    def derivatives(log_level: Array) -> tuple[Array, Array]:
        light = jnp.exp(log_level) * total
        slope = number - light - (log_level - level) * precisions[0] - (log_level - other) * precisions[1]
        return slope, -light - precisions[0] - precisions[1]

    counted = jnp.log((number + 0.5) / total)
    weight = number + 0.5
    mean = (weight * counted + precisions[0] * level + precisions[1] * other) / (weight + sum(precisions))

    def step(_: int, log_level: Array) -> Array:
        slope, bend = derivatives(log_level)
        return log_level - jnp.clip(slope / bend, -2.0, 2.0)

    found = jax.lax.fori_loop(0, _NEWTON, step, mean)
    return found, 1.0 / jnp.sqrt(-derivatives(found)[1])
