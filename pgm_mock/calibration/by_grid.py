"""Posteriors on grids, one for each of many stamps, as draws: for one or two free parameters."""

import zlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpyro.distributions import biject_to

from ..distributions import one_shape
from ..errors import InputError
from ..inference import StampPosterior, grid_posterior, marginal
from ..observation import Observation
from ..priors import Priors

if TYPE_CHECKING:
    import xarray

_POINTS = {1: 400, 2: 120}
_COARSE = {1: 200, 2: 60}
_DRAWS = 2000
_PRIOR_DRAWS = 20_000
_NOTHING = 1e-7


def grid_fits(
    stamps: Iterable[Observation], priors_list: Iterable[Priors], *, seed: int, num_draws: int = _DRAWS
) -> Iterator[StampPosterior]:
    """Compute each posterior on a coarse grid over the prior, then on a fine one where it is, and draw from that.

    Raises:
        InputError: more than two free parameters.
    """
    for stamp, priors in zip(stamps, priors_list, strict=True):
        if len(priors.free) > 2:
            raise InputError(
                f"method: expected priors that leave at most 2 parameters free for a grid, found {len(priors.free)}"
            )
        rng = np.random.default_rng((seed, zlib.crc32(stamp.name.encode())))
        draws = _draw(stamp, priors, num_draws, rng)
        settings = {"seed": seed, "num_draws": num_draws}
        yield StampPosterior(stamp, priors, "grid", draws, {}, {}, {}, settings, ("grid",))


def _draw(stamp: Observation, priors: Priors, number: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    import warnings

    d = len(priors.free)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the coarse grid is meant to be coarse
        wide: dict[str, Any] = _axes_of_prior(priors, _COARSE[d])
        coarse = grid_posterior(stamp, priors, **wide)
        axes: dict[str, Any] = {name: _where(coarse, priors, name, _POINTS[d]) for name in priors.free}
        grid = grid_posterior(stamp, priors, **axes)
    density = grid["posterior"].values
    edges = {name: _edges(values) for name, values in axes.items()}
    cells = density.copy()
    for axis, name in enumerate(axes):
        cells *= np.diff(edges[name]).reshape([-1 if other == axis else 1 for other in range(d)])
    chosen = np.unravel_index(rng.choice(cells.size, number, p=cells.ravel() / cells.sum()), cells.shape)
    draws = {
        name: np.broadcast_to(np.asarray(prior, float), (1, number, *one_shape(prior)))
        for name, prior in priors.items()
        if name not in axes
    }
    for index, (name, edge) in zip(chosen, edges.items(), strict=True):
        draws[name] = (edge[index] + rng.random(number) * np.diff(edge)[index])[None]
    return {name: draws[name] for name in priors}


def _axes_of_prior(priors: Priors, number: int) -> dict[str, np.ndarray]:
    """Cover each prior but for its outermost 10^-4, evenly in the unconstrained parameter."""
    import jax

    axes = {}
    for name, prior in priors.free.items():
        transform = biject_to(prior.support)
        z = np.asarray(transform.inv(prior.sample(jax.random.key(0), (_PRIOR_DRAWS,))))
        low, high = np.quantile(z, [1e-4, 1 - 1e-4])
        axes[name] = np.asarray(transform(np.linspace(low, high, number)), float)
    return axes


def _where(coarse: "xarray.Dataset", priors: Priors, name: str, number: int) -> np.ndarray:
    """Return a finer axis over the part where there is any posterior, a coarse step wider on either side."""
    density = marginal(coarse, name)
    (there,) = np.nonzero(density.values > _NOTHING * density.values.max())
    values = density[name].values
    transform = biject_to(priors.free[name].support)
    low = float(transform.inv(values[max(there[0] - 1, 0)]))
    high = float(transform.inv(values[min(there[-1] + 1, len(values) - 1)]))
    return np.asarray(transform(np.linspace(low, high, number)), float)


def _edges(values: np.ndarray) -> np.ndarray:
    """Edges of the cells about the points."""
    middle = 0.5 * (values[1:] + values[:-1])
    return np.concatenate([values[:1], middle, values[-1:]])
