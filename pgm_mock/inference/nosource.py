"""The model without its source, and with its source at one place: the same model under other priors.

A model that is a source on a uniform background has one parameter without its source, and everything can be integrated
(`sourcefree`). A model that has more, neighbours or a background that grows, is sampled a second time with a source of
no flux, which gives the evidence of no source, and a third time with the source where it was asked for, which gives the
upper limit of its flux with all else integrated over. Other numbers in the same families of priors need no other
program.
"""

import math

import numpy as np
import numpyro.distributions as dist

from ..distributions import Prior
from ..priors import Priors
from .unconstrained import Data

OF_SOURCE = ("x_pos", "y_pos", "flux", "psf_width", "psf_slope")
_SHAPE = ("psf_width", "psf_slope")
_NO_FLUX = -60.0
"""Logarithm of the flux of a source that is not there."""
_NARROW = 1e-3
_WIDE_FLUX = 3.0
"""Standard deviation of ln flux from which the flat prior of the limit is reached by weights."""


def has_more(priors: Priors, data: Data) -> bool:
    """Whether there is more in the model than a source on a uniform background, and the source's flux is free."""
    more = data.pixels.background_map is not None or set(priors) - {*OF_SOURCE, "background"}
    return bool(more) and "flux" in priors.free


def source_parameters(priors: Priors) -> int:
    """How many free numbers only the source has; the PSF's shape is not among them where neighbours show it too."""
    own = [name for name in OF_SOURCE if name not in _SHAPE or not priors.neighbours]
    return sum(name in own for name in priors.free)


def without_source(priors: Priors) -> Priors:
    """Return priors under which the source has no flux."""
    return priors.replace(flux=dist.LogNormal(_NO_FLUX, _NARROW))


def at_place(priors: Priors, typical_flux: float) -> Priors:
    """Return priors under which the source is where it was asked for, with its PSF's typical width, and any flux.

    Args:
        priors: of the model.
        typical_flux: about which the flux is spread wide; for instance ten counts' [flux unit].
    """
    pinned = {name: _pinned(priors, name) for name in OF_SOURCE if name != "flux" and name in priors.free}
    return priors.replace(**pinned, flux=dist.LogNormal(math.log(typical_flux), _WIDE_FLUX))


def log_flat_over_prior(fluxes: np.ndarray, priors: Priors) -> np.ndarray:
    """Logarithm of a flat prior on the flux over that of `at_place`, but for a constant, at each flux."""
    prior = priors.free["flux"]
    logs = np.log(fluxes)
    return logs + 0.5 * ((logs - float(prior.loc)) / float(prior.scale)) ** 2


def _pinned(priors: Priors, name: str) -> Prior:
    """Hold a parameter at its prior's median, by the same family of priors where it can be narrow."""
    prior = priors.free[name]
    if isinstance(prior, dist.Normal):
        return dist.Normal(float(prior.loc), _NARROW)
    if isinstance(prior, dist.LogNormal):
        return dist.LogNormal(float(prior.loc), _NARROW)
    middle = float(priors.quantiles(name, (0.5,))[0])
    if isinstance(prior, dist.TwoSidedTruncatedDistribution) and isinstance(prior.base_dist, dist.Normal):
        base = prior.base_dist
        return dist.TruncatedNormal(float(base.loc), float(base.scale), low=middle - _NARROW, high=middle + _NARROW)
    return middle
