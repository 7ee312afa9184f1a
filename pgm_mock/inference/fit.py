"""fit(): the posterior of one stamp, by the method asked for."""

from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..observation import Observation
from ..priors import Priors
from ..psf import PSF, GaussianPSF
from ..random import checked_seed, source_key
from ..results import data_tree
from . import nuts
from .unconstrained import Data

if TYPE_CHECKING:
    import xarray

METHODS = ("nuts",)


def fit(
    observation: Observation,
    priors: Priors,
    *,
    method: str = "nuts",
    psf: PSF = GaussianPSF(),  # noqa: B008 (a constant without state)
    num_chains: int = 4,
    num_warmup: int = 1000,
    num_samples: int = 1000,
    seed: int | None = 0,
) -> "xarray.DataTree":
    """Compute the posterior of the model's parameters, given the counts of a stamp.

    Args:
        observation: the stamp.
        priors: the priors; at least one parameter is free.
        method: "nuts", the No-U-Turn sampler.
        psf: the family of the PSF.
        num_chains, num_warmup, num_samples: of the sampler; the draws are kept from each chain after the warm-up.
        seed: a whole number; the key also depends on the stamp's name, not on anything else. None draws one.

    Returns:
        Groups `posterior` (chain, draw), `sample_stats`, `observed_data` (counts) and `constant_data` (exposure; the
        priors, the stamp's name and its origin as attributes). Method, seed and versions are attributes of the tree.

    Raises:
        InputError: an unknown method, no free parameter, or a number of chains or draws below 1.
    """
    if method not in METHODS:
        raise InputError(f"method: expected {' or '.join(METHODS)}, found {method!r}")
    if not priors.free:
        raise InputError("priors: expected at least one parameter with a distribution, found all fixed")
    for name, number in (("num_chains", num_chains), ("num_warmup", num_warmup), ("num_samples", num_samples)):
        if number < 1:
            raise InputError(f"{name}: expected at least 1, found {number}")
    seed = checked_seed(seed)
    numbers = {"num_chains": num_chains, "num_warmup": num_warmup, "num_samples": num_samples}
    key = source_key(seed, observation.name)
    parameters, statistics = nuts.sample(key, Data.of(observation), priors, psf, **numbers)
    groups = {
        "posterior": {name: np.asarray(values) for name, values in parameters.items()},
        "sample_stats": {name: np.asarray(values) for name, values in statistics.items()},
    }
    attrs = {"method": method, "seed": seed, "psf": type(psf).__name__} | numbers
    return data_tree(groups, observation, priors=priors, attrs=attrs)
