r"""What a source would give in an exposure, without simulating: detection, and widths by Fisher's information.

With mu the expected counts and theta the position, flux, ln background and ln PSF width, the posterior's covariance is
about the inverse of

    I = sum_i (dmu_i / dtheta) (dmu_i / dtheta)^T / mu_i + the precisions of the default priors,

which holds where it gives the flux to 25 % or better, from 25 counts up: in a higher background that takes more.
"""

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from ..power import detection_probability
from ..priors import Priors
from ..psf import PSF, light_in_pixels

if TYPE_CHECKING:
    from .places import Place

RADIUS_68 = float(np.sqrt(-2.0 * np.log(0.32)))
"""Radius that holds 68 % of a round normal law, in standard deviations of one axis."""
_LOGARITHMIC = ("background", "psf_width")
NAN = float("nan")
_ENOUGH_COUNTS, _GOOD_WIDTH = 25.0, 0.25
"""With fewer counts of the source, or a wider flux, its information is no more than a guide."""


class Forecast(NamedTuple):
    """What one exposure gives at one place.

    Attributes:
        place: index of the place.
        exposure: [s].
        counts: expected of the source in the stamp.
        probability: that the source is detected, without simulating.
        method: "Fisher", or "mocks" where the widths are medians of fits to mocks.
        flux_width: standard deviation of the posterior of the flux, over the flux; and
        flux_low, flux_high: 16 and 84 % of those of single mocks; NaN by Fisher.
        position_width: standard deviation of the position along one axis [arcsec]; and
        position_low, position_high: likewise.
        detected: share of the mocks that were detected; NaN by Fisher.
        bias: of the detected mocks, median of fitted over true flux; NaN by Fisher, or where none was detected; and
        bias_error: the median's standard error.
        mocks: how many were fitted.
    """

    place: int
    exposure: float
    counts: float
    probability: float
    method: str
    flux_width: float
    position_width: float
    flux_low: float = NAN
    flux_high: float = NAN
    position_low: float = NAN
    position_high: float = NAN
    detected: float = NAN
    bias: float = NAN
    bias_error: float = NAN
    mocks: int = 0

    @property
    def is_faint(self) -> bool:
        """Whether Fisher's information, from which this is, cannot be trusted."""
        return self.counts < _ENOUGH_COUNTS or self.flux_width > _GOOD_WIDTH


def light_of(place: "Place") -> np.ndarray:
    """Return the share of the source's light in each pixel of the stamp, exposed or not, shape (ny, nx)."""
    ny, nx = place.seconds.shape
    columns, rows = place.origin[0] + np.arange(nx)[None, :], place.origin[1] + np.arange(ny)[:, None]
    width = float(place.psf.typical_width)
    return np.maximum(np.asarray(light_in_pixels(place.psf, columns, rows, place.x, place.y, width), float), 0.0)


def probabilities(place: "Place", flux: float, exposures: np.ndarray, threshold: float) -> np.ndarray:
    """Return the probability of detection in each exposure [s], shape (n,)."""
    time = np.asarray(exposures, float)[:, None] * place.seconds.ravel()
    light = time * light_of(place).ravel()
    mean = np.where(light > 0, place.background * time, 1.0)
    return detection_probability(mean, light, flux, threshold)


def fisher_forecast(place: "Place", number: int, flux: float, exposure: float, threshold: float) -> Forecast:
    """Forecast one exposure [s] at one place, the widths by Fisher's information."""
    relative, position = fisher_widths(place, flux, exposure)
    return Forecast(
        place=number,
        exposure=exposure,
        counts=flux * exposure * float(np.sum(place.seconds * light_of(place))),
        probability=float(probabilities(place, flux, np.array([exposure]), threshold)[0]),
        method="Fisher",
        flux_width=relative,
        position_width=position,
    )


def fisher_widths(place: "Place", flux: float, exposure: float) -> tuple[float, float]:
    """Return the posterior's standard deviations: of the flux, over the flux; of the position along an axis [arcsec].

    The position's is the root of the mean variance of x and y. The priors are `Priors.default`.
    """
    time = exposure * place.seconds
    width = float(place.psf.typical_width)
    priors = Priors.default(place.stamp(exposure), place.x, place.y, place.psf)
    light, slopes = (
        np.asarray(each, float)
        for each in _light_and_slopes(place.psf, place.seconds.shape, place.origin, (place.x, place.y, width))
    )
    mean = time * (flux * light + place.background)
    derivative = {
        "x_pos": time * flux * slopes[0],
        "y_pos": time * flux * slopes[1],
        "flux": time * flux * light,  # of ln flux, for the numbers' sake: its standard deviation is that of F over F
        "background": time * place.background,
        "psf_width": time * flux * width * slopes[2],
    }
    names = [name for name in derivative if name in priors.free]
    rows = np.stack([derivative[name][time > 0] for name in names])
    information = (rows / mean[time > 0]) @ rows.T + np.diag([_precision(priors, name) for name in names])
    variance = dict(zip(names, np.diag(np.linalg.inv(information)), strict=True))
    along_axis = np.sqrt(0.5 * (variance["x_pos"] + variance["y_pos"]))
    return float(np.sqrt(variance["flux"])), float(place.pixel * along_axis)


def _precision(priors: Priors, name: str) -> float:
    """Inverse variance of a default prior, of a position or of a logarithm."""
    prior = priors.free[name]
    normal = prior if isinstance(prior, dist.LogNormal) else prior.base_dist
    return float(1.0 / normal.scale**2)


@partial(jax.jit, static_argnums=(1,))
def _light_and_slopes(
    psf: PSF, shape: tuple[int, int], origin: tuple[int, int], source: tuple[float, float, float]
) -> tuple[jax.Array, jax.Array]:
    """Return the light in each pixel, shape (ny, nx), and its derivatives to x, y and width, shape (3, ny, nx)."""
    columns = origin[0] + jnp.arange(shape[1], dtype=float)[None, :]
    rows = origin[1] + jnp.arange(shape[0], dtype=float)[:, None]

    def light(values: jax.Array) -> jax.Array:
        return psf.pixel_fraction(columns, rows, values[0], values[1], values[2])

    at = jnp.asarray(source, float)
    return light(at), jnp.moveaxis(jax.jacfwd(light)(at), -1, 0)
