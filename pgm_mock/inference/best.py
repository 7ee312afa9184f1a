"""best_fit(): the highest mode of the posterior."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..counts import PhotonList, PixelList
from ..observation import Observation
from ..priors import SITES, Priors
from ..psf import PSF, GaussianPSF
from ..random import source_key
from .laplace import laplace
from .program import call, kind, stack
from .unconstrained import Data, Frame, Point, brightest, constrain, or_nothing, prior_vectors

_PRIOR_DRAWS = 400
_TOGETHER = 16


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
    priors.check_free()
    found = call(_best, source_key(0, "best fit"), Data.of(observation), priors, psf)
    return {name: float(found[name]) for name in SITES}


def best_fits(
    stamps: Sequence[Observation],
    priors: Priors,
    *,
    psf: PSF = GaussianPSF(),  # noqa: B008 (a constant without state)
) -> dict[str, np.ndarray]:
    """Return the best fits of many images over one exposure map, each parameter's of shape (n,); see `best_fit`."""
    data = [Data.of(stamp) for stamp in stamps]
    groups: dict[object, list[int]] = {}
    for number, one in enumerate(data):
        groups.setdefault(kind(one), []).append(number)
    found = {name: np.empty(len(stamps)) for name in SITES}
    for numbers in groups.values():
        size = -(-len(numbers) // _TOGETHER) * _TOGETHER
        padded = numbers + numbers[:1] * (size - len(numbers))
        lists = stack([data[number].photons for number in padded])
        best = call(_best_of_each, source_key(0, "best fit"), data[0]._replace(photons=lists), priors, psf)
        for name in SITES:
            found[name][numbers] = np.broadcast_to(np.asarray(best[name]), size)[: len(numbers)]
    return found


@jax.jit
def _best_of_each(key: Array, data: Data, priors: Priors, psf: PSF) -> Point:
    """Fit each of the lists of photons, a few at a time."""

    def one(photons: PhotonList | PixelList) -> Point:
        return _best(key, data._replace(photons=photons), priors, psf)

    return jax.lax.map(one, data.photons, batch_size=_TOGETHER)


@jax.jit
def _best(key: Array, data: Data, priors: Priors, psf: PSF) -> Point:
    draws = prior_vectors(key, priors, _PRIOR_DRAWS)
    frame = Frame.of(draws)

    @jax.jit
    def log_density(u: Array) -> Array:
        return frame.log_density(u, data, priors, psf)

    whitened = (draws - frame.location) / frame.scale
    middle = jnp.zeros(draws.shape[1])
    best = whitened[jnp.argmax(or_nothing(jax.vmap(log_density)(whitened)))]
    starts = jnp.stack([best, middle, frame.at(middle, brightest(data), priors)])
    modes = jax.vmap(lambda start: laplace(log_density, start)[0])(starts)
    highest = modes[jnp.argmax(or_nothing(jax.vmap(log_density)(modes)))]
    return constrain(frame.point(highest, priors), priors)
