"""The model's log-density over unconstrained parameters, the form that every method works on."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Num
from numpyro import handlers
from numpyro.distributions import (
    Distribution,
    LogNormal,
    Normal,
    TwoSidedTruncatedDistribution,
    Uniform,
    biject_to,
)

from ..counts import PhotonList, PixelList, list_counts
from ..distributions import TruncatedNormal
from ..model import OBSERVED, pixels_model
from ..observation import Observation
from ..pixels import Pixels
from ..priors import Priors

Point = dict[str, Array]

_FRAME_DRAWS = 400
_GAUSSIAN = (Normal, LogNormal)
"""Priors that are Gaussian in the unconstrained parameter, with their own loc and scale."""
_NEAR_BOUND = 3.0
"""Standard deviations of its prior from the middle at which a parameter starts that is to start on a bound."""
_INVERTIBLE = (TwoSidedTruncatedDistribution, Uniform)
"""Priors whose quantiles are cheap: a normal number makes a draw of them."""


class Data(NamedTuple):
    """What the model is conditioned on, as arrays: one compiled program serves every stamp of a shape.

    Attributes:
        pixels: exposure (ny, nx), columns (1, nx), rows (ny, 1), and the background map.
        photons: the counts, photon by photon, or pixel by pixel where there are many.
    """

    pixels: Pixels
    photons: PhotonList | PixelList

    @classmethod
    def of(
        cls, observation: Observation, length: int | None = None, *, longest: bool = False, shortest: int = 256
    ) -> "Data":
        """Take the arrays of an observation; `length`, `longest` and `shortest` are those of `list_counts`."""
        photons = list_counts(observation.counts, length, longest=longest, shortest=shortest)
        return cls(observation.pixels, photons)


def log_likelihood_of(parameters: Point, data: Data, priors: Priors) -> Float[Array, ""]:
    """Evaluate the model's likelihood; fixed parameters keep their values where they are not among those given."""
    substituted = handlers.substitute(pixels_model, data=parameters)
    observed = handlers.trace(substituted).get_trace(data.pixels, priors, data.photons)[OBSERVED]
    return observed["fn"].log_prob(observed["value"])


def log_density(z: Point, data: Data, priors: Priors) -> Float[Array, ""]:
    """Logarithm of prior times likelihood times the Jacobian of the map from unconstrained parameters.

    Args:
        z: for each free parameter a number on the whole real line.
        data: exposure, ramps and counts.
        priors: the priors; fixed parameters take no part in z.
    """
    parameters = constrain(z, priors)
    log_priors = [jnp.sum(each) for each in _log_priors(z, parameters, priors)]
    return log_likelihood_of(parameters, data, priors) + sum(log_priors, jnp.zeros(()))


def constrain(z: Point, priors: Priors) -> Point:
    """Map unconstrained parameters to those of the model; fixed ones are added, broadcast to the same shape."""
    batch = _batch_of(z, priors)
    if batch and priors.conditional:
        return jax.vmap(lambda one: constrain(one, priors))(z)
    found: Point = {}
    for name in priors.in_order:
        prior: Any = priors.given(name, found)
        if isinstance(prior, Distribution):
            found[name] = biject_to(prior.support)(z[name])
        else:
            found[name] = jnp.broadcast_to(jnp.asarray(prior, float), batch + jnp.shape(prior))
    return {name: found[name] for name in priors}


def unconstrain(parameters: Point, priors: Priors) -> Point:
    """Map the free parameters of the model to unconstrained ones."""
    if _batch_of(parameters, priors) and priors.conditional:
        return jax.vmap(lambda one: unconstrain(one, priors))(parameters)
    fixed = {name: value for name, value in priors.items() if name not in priors.free}
    given = {name: priors.given(name, fixed | parameters) for name in priors.free}
    return {name: biject_to(prior.support).inv(jnp.asarray(parameters[name])) for name, prior in given.items()}


def _batch_of(parameters: Point, priors: Priors) -> tuple[int, ...]:
    """Return the axes of parameters before those of one point."""
    for name, prior in list(priors.free.items())[:1]:
        return jnp.shape(parameters[name])[: jnp.ndim(parameters[name]) - len(prior.batch_shape)]
    return ()


def draw_prior(key: Array, priors: Priors) -> Point:
    """Draw one point from the prior, in unconstrained parameters."""
    free = priors.free
    keys = jax.random.split(key, len(free))
    return {
        name: biject_to(prior.support).inv(prior.sample(key))
        for key, (name, prior) in zip(keys, free.items(), strict=True)
    }


def prior_vectors(key: Array, normals: Num[ArrayLike, "n d"], priors: Priors) -> Float[Array, "n d"]:
    """Draw points from the prior, as vectors in the order of `priors.free`.

    Args:
        key: for the priors that are not Gaussian.
        normals: standard normal, for those that are.
        priors: the priors.
    """
    normals = jnp.asarray(normals)
    number = len(normals)
    columns = []
    for one, (name, place) in zip(jax.random.split(key, len(priors.free)), places(priors).items(), strict=True):
        prior = priors.free[name]
        if isinstance(prior, _GAUSSIAN):
            drawn = prior.loc + prior.scale * normals[:, place]
        elif isinstance(prior, _INVERTIBLE):
            drawn = _between_bounds(prior, prior.icdf(jax.scipy.special.ndtr(normals[:, place])))
        else:
            drawn = biject_to(prior.support).inv(prior.sample(one, (number,)))
        columns.append(drawn.reshape(number, -1))
    return jnp.concatenate(columns, axis=1)


def _between_bounds(prior: Any, values: Array) -> Array:
    """Return the unconstrained parameter of draws, finite also where they are rounded to a bound, or beyond it.

    In single precision some are, where the bounds are as near to each other as those of a position that is held.
    """
    share = (values - prior.low) / (prior.high - prior.low)
    least = jnp.finfo(share.dtype).eps
    return jax.scipy.special.logit(jnp.clip(share, least, 1.0 - least))


def places(priors: Priors) -> dict[str, int | slice]:
    """Where each free parameter stands in a vector; a neighbours' parameter has a slice."""
    found: dict[str, int | slice] = {}
    first = 0
    for name, prior in priors.free.items():
        number = math.prod(prior.batch_shape)
        found[name] = slice(first, first + number) if prior.batch_shape else first
        first += number
    return found


def brightest(data: Data) -> dict[str, Array]:
    """Guess the parameters of the brightest source in the image, from the counts in a box of 5 x 5 pixels.

    The posterior of a faint source with a bright neighbour can lie at the neighbour, however far the prior puts it;
    a sampler that starts from the prior alone never gets there, and nothing tells.
    """
    exposure = jnp.asarray(data.pixels.exposure, float)
    real = jnp.asarray(data.photons.number, float)
    counts = jnp.zeros_like(exposure).at[data.photons.row, data.photons.column].add(real)
    ones = jnp.ones((5, 5), counts.dtype)
    in_box, time = (jax.scipy.signal.convolve2d(image, ones, mode="same") for image in (counts, exposure))
    typical = jnp.sum(exposure) / jnp.maximum(jnp.sum(exposure > 0), 1)
    rate = in_box / jnp.maximum(time, 5.0 * typical)
    row, column = jnp.unravel_index(jnp.argmax(rate), rate.shape)
    level = (jnp.sum(real) + 0.5) / jnp.sum(exposure)
    flux = jnp.maximum(25.0 * (rate[row, column] - level), level)
    return {"x_pos": jnp.asarray(data.pixels.x)[0, column], "y_pos": jnp.asarray(data.pixels.y)[row, 0], "flux": flux}


class Frame(NamedTuple):
    """A shift and a scale of each free parameter, by which all are of order one, as a vector.

    Attributes:
        location, scale: of the prior in unconstrained parameters, shape (d,), in the order of `priors.free`.
    """

    location: Float[Array, " d"]
    scale: Float[Array, " d"]

    @classmethod
    def of(cls, priors: Priors) -> "Frame":
        """Take the median and half the 16 to 84 % range of each prior, in unconstrained parameters."""
        return cls.of_each(priors.free)

    @classmethod
    def of_each(cls, free: Mapping[str, Distribution]) -> "Frame":
        """Take them of distributions by name."""
        found = []
        for prior in free.values():
            if isinstance(prior, _GAUSSIAN):
                each = list(jnp.broadcast_arrays(prior.loc, prior.scale))
            elif isinstance(prior, TruncatedNormal):
                each = list(jnp.broadcast_arrays(prior.location, prior.spread))
            else:
                probabilities = jnp.array([0.16, 0.5, 0.84])
                if isinstance(prior, _INVERTIBLE):
                    of_prior = jax.vmap(prior.icdf)(probabilities)
                else:
                    of_prior = jnp.quantile(prior.sample(jax.random.key(0), (_FRAME_DRAWS,)), probabilities, axis=0)
                lower, median, upper = biject_to(prior.support).inv(of_prior)
                each = [median, jnp.maximum(0.5 * (upper - lower), 1e-12)]
            found.append(jnp.stack(each).reshape(2, -1))
        return cls(*jnp.concatenate(found, axis=1))

    def point(self, u: Float[Array, "*batch d"], priors: Priors) -> Point:
        """Turn vectors into unconstrained parameters by name."""
        z = self.location + self.scale * u
        return {name: z[..., place] for name, place in places(priors).items()}

    def vectors(self, z: Point, priors: Priors) -> Float[Array, "n d"]:
        """Turn unconstrained parameters by name, of shapes (n,) and (n, m), into vectors."""
        each = [jnp.reshape(z[name], (jnp.shape(z[name])[0], -1)) for name in priors.free]
        return (jnp.concatenate(each, axis=1) - self.location) / self.scale

    def at(
        self, u: Float[Array, " d"], values: dict[str, Array], priors: Priors, farthest: float = math.inf
    ) -> Float[Array, " d"]:
        """Return u with some parameters at values of their own; what the prior's support excludes stays as it is.

        A value on a bound of the support, which is infinitely far, comes near it.

        Args:
            u: shape (d,).
            values: by parameter.
            priors: the priors.
            farthest: how many standard deviations of the prior a value may lie from its middle, but for the position's.
        """
        for name, place in places(priors).items():
            if name in values:
                z = biject_to(priors.free[name].support).inv(values[name])
                whitened = (z - self.location[place]) / self.scale[place]
                limit = math.inf if name in ("x_pos", "y_pos") else farthest
                near = jnp.where(jnp.isinf(whitened), _NEAR_BOUND * jnp.sign(whitened), whitened)
                u = u.at[place].set(jnp.where(jnp.isnan(near), u[place], jnp.clip(near, -limit, limit)))
        return u

    def log_density(
        self, u: Float[Array, " d"], data: Data, priors: Priors, prior_share: Array | float = 1.0
    ) -> Float[Array, ""]:
        """Logarithm of prior times likelihood, as a density of u.

        Args:
            u: shape (d,).
            data, priors: the model and what it is conditioned on.
            prior_share: power of each parameter's prior, shape (d,), or of all; with 0 it is the likelihood alone.
        """
        parameters = constrain(self.point(u, priors), priors)
        return log_likelihood_of(parameters, data, priors) + jnp.sum(prior_share * self.log_prior(u, priors))

    def log_prior(self, u: Float[Array, " d"], priors: Priors) -> Float[Array, " d"]:
        """Logarithm of each parameter's own prior density of u, shape (d,)."""
        z = self.point(u, priors)
        each = [jnp.ravel(one) for one in _log_priors(z, constrain(z, priors), priors)]
        return jnp.concatenate(each) + jnp.log(self.scale)


def _log_priors(z: Point, parameters: Point, priors: Priors) -> list[Array]:
    """Logarithm of each free parameter's prior density of z, given the parameters that it depends on."""
    return [_log_prob_of_unconstrained(priors.given(name, parameters), z[name]) for name in priors.free]


def _log_prob_of_unconstrained(prior: Distribution, z: Array) -> Array:
    """Logarithm of a prior's density of its unconstrained parameter, in the shortest form that there is for it."""
    if isinstance(prior, _GAUSSIAN):
        return Normal(prior.loc, prior.scale).log_prob(z)
    if isinstance(prior, TruncatedNormal):
        return prior.log_prob_of_unconstrained(z)
    transform = biject_to(prior.support)
    value = transform(z)
    return prior.log_prob(value) + transform.log_abs_det_jacobian(z, value)
