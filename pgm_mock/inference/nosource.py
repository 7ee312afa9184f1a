"""The model without the source but with everything else that it has: neighbours, and a background that grows.

With a uniform background and no neighbours there is one parameter, and all is integrated (`sourcefree`). Else the
source is dimmed to nothing and the other parameters are climbed to their mode beside the modes of the whole model; the
evidence is Laplace's approximation there.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..expected import expected_counts
from ..priors import EXTRA_SITES, Priors
from ..psf import PSF
from .sourcefree import SourceFree
from .unconstrained import Data, Frame, constrain, places

_SOURCE = ("x_pos", "y_pos", "flux")
_SHAPE = ("psf_width", "psf_slope")
_NO_FLUX = -40.0
"""Unconstrained flux of a source that is not there: a LogNormal's flux is then 1e-17."""


class Known(NamedTuple):
    """What else the image holds, at the best fit without the source.

    Attributes:
        sky: exposure times the background's growth, shape (ny, nx): its counts are background times this.
        others: counts of all else, neighbours and background map among them, shape (ny, nx).
    """

    sky: Float[Array, "ny nx"]
    others: Float[Array, "ny nx"]


def has_more(priors: Priors, data: Data) -> bool:
    """Whether there is more in the model than a source on a uniform background, and the source's flux is free."""
    more = data.background_map is not None or any(name in priors for name in EXTRA_SITES if name not in _SHAPE)
    return more and "flux" in priors.free


def source_parameters(priors: Priors) -> int:
    """How many free numbers only the source has; the PSF's shape is not among them where neighbours show it too."""
    return sum(name in _own(priors) for name in priors.free)


def free_without_source(priors: Priors) -> np.ndarray:
    """Which numbers of a vector are free where the source is not there; the width is where neighbours show it."""
    frozen = _own(priors)
    free = np.ones(priors.dimension)
    for name, place in places(priors).items():
        free[place] = name not in frozen
    return free


def _own(priors: Priors) -> tuple[str, ...]:
    return _SOURCE if priors.neighbours else _SOURCE + _SHAPE


def dimmed(u: Float[Array, " d"], frame: Frame, priors: Priors) -> Float[Array, " d"]:
    """Return a vector whose source has no flux."""
    place = places(priors)["flux"]
    return u.at[place].set((_NO_FLUX - frame.location[place]) / frame.scale[place])


def without_source(
    mode: Float[Array, " d"],
    factor: Float[Array, "d d"],
    log_joint: Float[Array, ""],
    max_log_likelihood: Float[Array, ""],
    frame: Frame,
    data: Data,
    priors: Priors,
    psf: PSF,
) -> tuple[SourceFree, Known]:
    """Give the mode without a source its evidence, and what it says of the rest of the image.

    Args:
        mode: of the free parameters, the source dimmed.
        factor: Cholesky factor of the Laplace covariance there, the identity in the frozen parameters.
        log_joint: ln of prior times likelihood at the mode, with the frozen parameters' prior.
        max_log_likelihood: largest ln likelihood without a source.
        frame, data, priors, psf: the model and what it is conditioned on.
    """
    free = free_without_source(priors)
    volume = 0.5 * free.sum() * math.log(2.0 * math.pi) + jnp.sum(jnp.log(jnp.diagonal(factor)))
    frozen_prior = jnp.sum(jnp.where(free, 0.0, frame.log_prior(mode, priors)))
    background, sd = jnp.zeros(()), jnp.zeros(())
    if "background" in priors.free:
        place = places(priors)["background"]
        background = frame.location[place] + frame.scale[place] * mode[place]
        sd = frame.scale[place] * jnp.linalg.norm(factor[place])
    at_best = constrain(frame.point(mode, priors), priors) | {"flux": jnp.zeros(())}
    dark, lit = jax.vmap(lambda one: expected_counts(*data.image, psf=psf, **(at_best | {"background": one})))(
        jnp.arange(2.0)
    )
    return SourceFree(background, sd, log_joint - frozen_prior + volume, max_log_likelihood), Known(lit - dark, dark)
