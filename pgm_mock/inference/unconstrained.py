"""The model's log-density over unconstrained parameters, the form that every method works on."""

from functools import partial
from typing import NamedTuple

import jax
from jaxtyping import Array, ArrayLike, Float, Num
from numpyro.distributions import Distribution, biject_to
from numpyro.infer.util import potential_energy

from ..model import stamp_model
from ..observation import Observation
from ..priors import Priors
from ..psf import PSF

Point = dict[str, Array]


class Data(NamedTuple):
    """What the model is conditioned on, as arrays: one compiled program serves every stamp of a shape.

    Attributes:
        exposure: shape (ny, nx) [s, or the unit of the map].
        x: shape (1, nx) [FITS image pixels].
        y: shape (ny, 1) [FITS image pixels].
        counts: shape (ny, nx) [count / pixel].
    """

    exposure: Num[ArrayLike, "ny nx"]
    x: Num[ArrayLike, "1 nx"]
    y: Num[ArrayLike, "ny 1"]
    counts: Num[ArrayLike, "ny nx"]

    @classmethod
    def of(cls, observation: Observation) -> "Data":
        """Take the arrays of an observation."""
        return cls(observation.exposure, observation.columns, observation.rows, observation.counts)


def log_density(z: Point, data: Data, priors: Priors, psf: PSF) -> Float[Array, ""]:
    """Logarithm of prior times likelihood times the Jacobian of the map from unconstrained parameters.

    Args:
        z: for each free parameter a number on the whole real line.
        data: exposure, ramps and counts.
        priors: the priors; fixed parameters take no part in z.
        psf: the family of the PSF.
    """
    arguments = (data.exposure, data.x, data.y, priors, data.counts)
    return -potential_energy(partial(stamp_model, psf=psf), arguments, {}, z)


def constrain(z: Point, priors: Priors) -> Point:
    """Map unconstrained parameters to those of the model; fixed ones are added, broadcast to the same shape."""
    shape = jax.numpy.shape(next(iter(z.values()))) if z else ()
    return {
        name: biject_to(prior.support)(z[name])
        if isinstance(prior, Distribution)
        else jax.numpy.broadcast_to(jax.numpy.asarray(prior, float), shape)
        for name, prior in priors.items()
    }


def draw_prior(key: Array, priors: Priors) -> Point:
    """Draw one point from the prior, in unconstrained parameters."""
    free = priors.free
    keys = jax.random.split(key, len(free))
    return {
        name: biject_to(prior.support).inv(prior.sample(key))
        for key, (name, prior) in zip(keys, free.items(), strict=True)
    }
