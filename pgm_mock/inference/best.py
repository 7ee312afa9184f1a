"""best_fit(): the highest mode of the posterior."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ..errors import InputError
from ..observation import Observation
from ..priors import SITES, Priors
from ..psf import PSF, GaussianPSF
from ..random import source_key
from .laplace import laplace
from .program import call
from .unconstrained import Data, Frame, Point, brightest, constrain, draw_prior

_PRIOR_DRAWS = 400


def best_fit(
    observation: Observation,
    priors: Priors,
    *,
    psf: PSF = GaussianPSF(),  # noqa: B008 (a constant without state)
) -> dict[str, float]:
    """Return the parameters at the highest mode of the posterior, of the logarithms of the positive parameters.

    Three climbs by Newton's method: from the best of 400 draws from the prior, from the prior's middle, and from the
    brightest spot of the image.

    Args:
        observation: the stamp.
        priors: the priors; a fixed parameter keeps its value.
        psf: the family of the PSF.

    Returns:
        The values by parameter, in the units of `Site`.

    Raises:
        InputError: all parameters are fixed.
    """
    if not priors.free:
        raise InputError("priors: expected at least one parameter with a distribution, found all fixed")
    found = call(_best, source_key(0, "best fit"), Data.of(observation), priors, psf)
    return {name: float(found[name]) for name in SITES}


@jax.jit
def _best(key: Array, data: Data, priors: Priors, psf: PSF) -> Point:
    points = jax.vmap(lambda one: draw_prior(one, priors))(jax.random.split(key, _PRIOR_DRAWS))
    draws = jnp.stack([points[name] for name in priors.free], axis=1)
    frame = Frame.of(draws)

    @jax.jit
    def log_density(u: Array) -> Array:
        return frame.log_density(u, data, priors, psf)

    whitened = (draws - frame.location) / frame.scale
    heights = jax.vmap(log_density)(whitened)
    middle = jnp.zeros(draws.shape[1])
    best = whitened[jnp.argmax(jnp.where(jnp.isnan(heights), -jnp.inf, heights))]
    starts = jnp.stack([best, middle, frame.at(middle, brightest(data), priors)])
    modes = jax.vmap(lambda start: laplace(log_density, start)[0])(starts)
    heights = jax.vmap(log_density)(modes)
    highest = modes[jnp.argmax(jnp.where(jnp.isnan(heights), -jnp.inf, heights))]
    return constrain(frame.point(highest, priors), priors)
