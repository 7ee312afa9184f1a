"""The parameters of a field in blocks, and the prior of each: what all sources share, the PSF, and the sources."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float
from numpyro.distributions import Distribution, biject_to

from ..priors import Priors
from ..scene import BackgroundMap, Particles, PointSources
from ..scene.scene import OF_PSF


@jax.tree_util.register_static
@dataclass(frozen=True)
class Blocks:
    """The names of a field's free parameters, and the place of its plate in the scene.

    Attributes:
        plate: name of the component of the point sources.
        prefix: of its parameters.
        shared: parameters of all else, in the order of the model.
        psf: those of the PSF.
        amplitudes: those of `shared` in which the counts are linear.
    """

    plate: str
    prefix: str
    shared: tuple[str, ...]
    psf: tuple[str, ...]
    amplitudes: tuple[str, ...]

    @classmethod
    def of(cls, priors: Priors) -> "Blocks":
        """Divide the parameters of a scene with one plate of point sources."""
        plate = next(one for one in priors.scene.components if isinstance(one, PointSources))
        free = [name for name in priors.in_order if name in priors.free]
        rest = [name for name in free if name not in plate.sites or not plate.sites[name].plural]
        of_psf = tuple(name for name in rest if name in OF_PSF)
        shared = tuple(name for name in rest if name not in OF_PSF)
        # A core radius stands after its beta, on which its coordinate depends.
        shared = tuple(sorted(shared, key=lambda name: name.endswith("_core")))
        linear = tuple(name for name in shared if _is_amplitude(priors, name))
        return cls(plate.name, plate.prefix, shared, of_psf, linear)

    def sources(self, parameters: Mapping[str, Any]) -> tuple[Any, Any, Any]:
        """Return the sources' x, y and flux of the model's parameters."""
        return tuple(parameters[f"{self.prefix}{name}"] for name in ("x", "y", "flux"))


def _is_amplitude(priors: Priors, name: str) -> bool:
    """Whether a parameter is a brightness, or the normalisation of a map, of any value above 0."""
    parameter: Any = priors.parameters[name]
    linear = parameter.unit.startswith("flux") or name in (*BackgroundMap().sites, f"{Particles().prefix}norm")
    return linear and priors.free[name].support in (dist.constraints.positive, dist.constraints.nonnegative)


def _beta_of(name: str, priors: Priors) -> str | None:
    """Return the parameter beta that belongs to a core radius; None where a name is none of one.

    A profile (1 + r²/core²)^-a with a large core and a large a is exp(-a r²/core²): the counts fix core / sqrt(a), and
    that is the coordinate of a core radius.
    """
    beta = f"{name.removesuffix('core')}beta"
    positive = (dist.constraints.positive, dist.constraints.nonnegative)
    there = name.endswith("_core") and beta in priors.free and name in priors.free
    return beta if there and priors.free[name].support in positive else None


def _steepness(beta: Any) -> Array:
    """Return the root of the exponent of a beta model's profile."""
    return jnp.sqrt(3.0 * jnp.asarray(beta) - 0.5)


def constrained(
    z: Float[Array, " d"],
    names: tuple[str, ...],
    priors: Priors,
    given: Mapping[str, Any],
    scales: Mapping[str, Any],
) -> tuple[dict[str, Any], Array]:
    """Return parameters by name, and ln of their prior density of z.

    Args:
        z: unconstrained, shape (d,); one number for each parameter, or several for one of a plate.
        names: of the parameters, those first that others depend on; core radii after their betas.
        priors: of all parameters.
        given: the other parameters, which they may depend on.
        scales: of amplitudes, each in its own unit; they are `scale * softplus(z)`, linear above the scale: what adds
            up to a sum that the counts fix is Gaussian in them, and curved in their logarithms.
    """
    found, log_prior, first = dict(given), jnp.zeros(()), 0
    for name in names:
        prior: Any = priors.given(name, found)
        size = math.prod(prior.batch_shape)
        one = jnp.reshape(z[first : first + size], prior.batch_shape)
        first += size
        if name in scales:
            found[name] = scales[name] * jax.nn.softplus(one)
            log_slope = jnp.log(scales[name]) + jax.nn.log_sigmoid(one)
        elif (shape := _beta_of(name, priors)) is not None:
            found[name] = jnp.exp(one) * _steepness(found[shape])
            log_slope = jnp.log(found[name])
        else:
            transform = biject_to(prior.support)
            found[name] = transform(one)
            log_slope = transform.log_abs_det_jacobian(one, found[name])
        log_prior = log_prior + jnp.sum(prior.log_prob(found[name]) + log_slope)
    return {name: found[name] for name in names}, log_prior


def unconstrained(
    parameters: Mapping[str, Any], names: tuple[str, ...], priors: Priors, scales: Mapping[str, Any]
) -> Float[Array, " d"]:
    """Return the unconstrained parameters of some names, shape (d,); the arguments are those of `constrained`."""
    each = [jnp.zeros(0)]
    for name in names:
        value = jnp.asarray(parameters[name])
        if name in scales:
            ratio = value / scales[name]
            each.append(jnp.ravel(ratio + jnp.log(-jnp.expm1(-ratio))))
        elif (shape := _beta_of(name, priors)) is not None:
            each.append(jnp.ravel(jnp.log(value / _steepness(parameters[shape]))))
        else:
            each.append(jnp.ravel(biject_to(priors.given(name, parameters).support).inv(value)))
    return jnp.concatenate(each)


def log_prior_of_sources(
    at: Float[Array, "m 3"], blocks: Blocks, priors: Priors, given: Mapping[str, Any]
) -> Float[Array, " m"]:
    """Return ln of each source's prior density of x, y and ln flux; -inf outside of its support."""
    found = jnp.zeros(len(at))
    for name, value in zip(("x", "y", "flux"), (at[:, 0], at[:, 1], jnp.exp(at[:, 2])), strict=True):
        prior: Any = priors.given(f"{blocks.prefix}{name}", given)
        if isinstance(prior, Distribution):
            found = found + jnp.where(prior.support(value), prior.log_prob(value), -jnp.inf)
    return found + at[:, 2]
