"""best_fit(): the highest mode of the posterior."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..observation import Observation
from ..priors import Priors
from ..random import source_key
from ..sampler.laplace import laplace
from ..sampler.weights import or_nothing
from .program import call
from .unconstrained import Data, Frame, Point, brightest, constrain, prior_vectors

_PRIOR_DRAWS = 400


def best_fit(
    observation: Observation,
    priors: Priors,
) -> dict[str, Any]:
    """Return the parameters at the highest mode of the posterior, of the logarithms of the positive parameters.

    Three climbs by Newton's method: from the best of 400 draws from the prior, from the prior's middle, and from the
    brightest spot of the image.

    Args:
        observation: the stamp.
        priors: the priors; a fixed parameter keeps its value.

    Returns:
        The values by parameter, in the units of `Parameter`; arrays of shape (m,) for m neighbours.

    Raises:
        InputError: all parameters are fixed.
    """
    priors.check_free()
    found = call(_best, source_key(0, "best fit"), Data.of(observation), priors)
    return {name: np.asarray(found[name])[()] for name in priors}


@jax.jit
def _best(key: Array, data: Data, priors: Priors) -> Point:
    key, normal_key = jax.random.split(key)
    draws = prior_vectors(key, jax.random.normal(normal_key, (_PRIOR_DRAWS, priors.dimension)), priors)
    frame = Frame.of(priors)

    @jax.jit
    def log_density(u: Array) -> Array:
        return frame.log_density(u, data, priors)

    whitened = (draws - frame.location) / frame.scale
    middle = jnp.zeros(draws.shape[1])
    best = whitened[jnp.argmax(or_nothing(jax.vmap(log_density)(whitened)))]
    starts = jnp.stack([best, middle, frame.at(middle, brightest(data), priors)])
    modes = jax.vmap(lambda start: laplace(log_density, start)[0])(starts)
    highest = modes[jnp.argmax(or_nothing(jax.vmap(log_density)(modes)))]
    return constrain(frame.point(highest, priors), priors)
