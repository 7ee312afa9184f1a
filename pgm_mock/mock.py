"""Mock images: parameters drawn from the priors, counts drawn from the model."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from jaxtyping import Array, ArrayLike, Num

from .errors import InputError
from .model import EXPECTED, OBSERVED, stamp_model
from .observation import Observation
from .priors import SITES, Priors
from .psf import PSF, GaussianPSF
from .random import source_key

if TYPE_CHECKING:
    import xarray


def draw_parameters(priors: Priors, seed: int | None = None) -> dict[str, float]:
    """Draw one value of each parameter from its prior.

    Args:
        priors: the priors; a fixed parameter keeps its value.
        seed: a whole number; None draws one.

    Returns:
        The values by parameter, in the units of `Site`.
    """
    drawn = _draw_parameters(source_key(seed, "parameters"), priors)
    return {name: float(drawn[name]) for name in SITES}


def generate_mock_image(
    exptime: Num[ArrayLike, "ny nx"],
    xs: Num[ArrayLike, "#ny nx"],
    ys: Num[ArrayLike, "ny #nx"],
    pars: Mapping[str, float] | None = None,
    *,
    priors: Priors | None = None,
    psf: PSF = GaussianPSF(),  # noqa: B008 (a constant without state)
    seed: int | None = None,
) -> np.ndarray:
    """Simulate an image of counts.

    Args:
        exptime: exposure map, shape (ny, nx) [s, or the unit of the map].
        xs, ys: the x and y of each pixel, shape (ny, nx) [FITS image pixels].
        pars: values of the parameters; None draws all, a part draws the rest.
        priors: where they are drawn from; by default `Priors.default`, the position in the middle of the image.
        psf: the family of the PSF.
        seed: a whole number; None draws one.

    Returns:
        Counts, integers of shape (ny, nx); 0 where the exposure is 0.

    Raises:
        InputError: an image that is none, an unknown parameter, or a value that it cannot have.
    """
    exposure, x, y = np.asarray(exptime, float), np.asarray(xs, float), np.asarray(ys, float)
    stamp = Observation(counts=np.zeros(exposure.shape, int), exposure=exposure)
    try:
        np.broadcast_shapes(x.shape, y.shape, exposure.shape)
    except ValueError as error:
        raise InputError(
            f"xs, ys: expected the shape {exposure.shape} of exptime, found {x.shape}, {y.shape}"
        ) from error
    if priors is None:
        priors = Priors.default(stamp, float(np.mean(x)), float(np.mean(y)))
    if unknown := [name for name in pars or {} if name not in SITES]:
        raise InputError(f"pars: expected {', '.join(SITES)}; found {', '.join(map(str, unknown))}")
    fixed = priors.replace(**(pars or {}))
    key = source_key(seed, "image")
    return np.asarray(_simulate(key, stamp.exposure, x, y, fixed, psf)[OBSERVED])


def prior_predictive(
    observation: Observation,
    priors: Priors,
    *,
    num_samples: int = 1000,
    psf: PSF = GaussianPSF(),  # noqa: B008 (a constant without state)
    seed: int | None = None,
) -> "xarray.DataTree":
    """Draw parameters and mock images from the prior.

    Args:
        observation: the stamp or image whose exposure map is used; its counts are not.
        priors: the priors.
        num_samples: how many mocks.
        psf: the family of the PSF.
        seed: a whole number; None draws one.

    Returns:
        Group `prior` with the parameters and group `prior_predictive` with `counts` (chain, draw, y, x).

    Raises:
        InputError: a number of samples below 1.
    """
    from .results import data_tree

    if num_samples < 1:
        raise InputError(f"num_samples: expected at least 1, found {num_samples}")
    keys = jax.random.split(source_key(seed, observation.name), num_samples)
    image = (observation.exposure, observation.columns, observation.rows)
    drawn = jax.vmap(lambda key: _simulate(key, *image, priors, psf))(keys)
    groups = {
        "prior": {name: drawn[name][None] for name in SITES},
        "prior_predictive": {OBSERVED: drawn[OBSERVED][None]},
    }
    return data_tree(groups, observation)


@jax.jit
def _draw_parameters(key: Array, priors: Priors) -> dict[str, Array]:
    """Draw the parameters from the model, without its image."""
    one_pixel = jnp.ones((1, 1))
    return _trace(key, one_pixel, one_pixel, one_pixel, priors, GaussianPSF())


@jax.jit
def _simulate(key: Array, exposure: Array, x: Array, y: Array, priors: Priors, psf: PSF) -> dict[str, Array]:
    """Draw everything from the model, except the expected counts, which the parameters give."""
    drawn = _trace(key, exposure, x, y, priors, psf)
    return {name: value for name, value in drawn.items() if name != EXPECTED}


def _trace(key: Array, exposure: Array, x: Array, y: Array, priors: Priors, psf: PSF) -> dict[str, Array]:
    seeded = numpyro.handlers.seed(partial(stamp_model, psf=psf), key)
    trace = numpyro.handlers.trace(seeded).get_trace(exposure, x, y, priors)
    return {name: jnp.asarray(site["value"]) for name, site in trace.items()}
