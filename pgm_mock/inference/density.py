"""What a posterior on a grid says: marginals, modes and intervals of a density that is linear between its points."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from ..distributions import Prior
from ..errors import InputError, warn

if TYPE_CHECKING:
    import xarray

_EDGE = 0.01
"""A posterior whose density at an edge of the grid is this part of its peak goes on beyond."""
_NARROW = 0.45
"""A Gaussian as narrow as the grid's step has 0.4 of its integral in one point."""


def marginal(grid: "xarray.Dataset", *names: str) -> "xarray.DataArray":
    """Integrate a grid's posterior over all other parameters.

    Args:
        grid: of `grid_posterior`.
        names: the parameters to keep; one or two where the grid itself was too large to keep.

    Returns:
        The density over the parameters, in the order of `names`.

    Raises:
        InputError: a parameter that has no axis.
    """
    axes = list(grid.coords)
    if not names or len(set(names)) < len(names) or not set(names) <= set(axes):
        raise InputError(f"names: expected some of the grid's parameters {', '.join(map(str, axes))}, found {names}")
    if "posterior" not in grid:
        ordered = "_".join(str(axis) for axis in axes if axis in names)
        if f"marginal_{ordered}" not in grid:
            raise InputError(f"names: expected one or two parameters of a grid that was not kept, found {len(names)}")
        return grid[f"marginal_{ordered}"].transpose(*names)
    density = grid["posterior"]
    for other in axes:
        if other not in names:
            density = density.integrate(other)
    return density.transpose(*names).rename("_".join(("marginal", *names)))


def mode(grid: "xarray.Dataset | xarray.DataArray", *names: str) -> dict[str, float]:
    """Return the point of the highest density of a grid, or of one of its marginals.

    Args:
        grid: of `grid_posterior`, or of `marginal`.
        names: of a grid: those of the marginal whose highest point is asked for; none is the grid as a whole.

    Raises:
        InputError: a parameter that has no axis, or names beside a marginal.
    """
    from xarray import Dataset

    if names:
        grid = _marginal_of(grid, *names)
    if isinstance(grid, Dataset):
        return {str(name): float(grid.attrs[f"mode_{name}"]) for name in grid.coords}
    highest = np.unravel_index(int(np.argmax(grid.values)), grid.shape)
    return {str(name): float(grid[name].values[i]) for name, i in zip(grid.dims, highest, strict=True)}


def hdi(
    grid: "xarray.Dataset | xarray.DataArray", name: str | None = None, *, probability: float = 0.68
) -> Float[np.ndarray, "intervals 2"]:
    """Return the highest-density region of one parameter: all values whose density is above the level that it takes.

    Args:
        grid: of `grid_posterior`, or the density of one parameter, from `marginal`.
        name: the parameter; not needed beside a marginal or a grid of one axis.
        probability: that the region holds.

    Returns:
        Lower and upper end of each interval, rising: one interval for each mode that is high enough, shape (n, 2).

    Raises:
        InputError: no parameter, or one without an axis, or a probability outside 0 to 1.
    """
    x, p = _one_dimension(grid, name, probability)

    def excess(level: float) -> float:
        return _integral_above(x, p, level) - probability

    level = brentq(excess, 0.0, p.max(), xtol=1e-14 * p.max()) if excess(0.0) > 0 else 0.0
    above = p > level
    if not above.any():  # a level at the very top of a plateau
        above = p >= p.max()
    rising, falling = np.flatnonzero(np.diff(above.astype(int)) > 0), np.flatnonzero(np.diff(above.astype(int)) < 0)

    def crossing(i: np.ndarray) -> np.ndarray:
        return x[i] + (x[i + 1] - x[i]) * (level - p[i]) / (p[i + 1] - p[i])

    lower = np.concatenate([x[:1] if above[0] else x[:0], crossing(rising)])
    upper = np.concatenate([crossing(falling), x[-1:] if above[-1] else x[:0]])
    return np.stack([lower, upper], axis=1)


def credible_interval(
    grid: "xarray.Dataset | xarray.DataArray", name: str | None = None, *, probability: float = 0.68
) -> tuple[float, float]:
    """Return the interval of one parameter that leaves the same probability on either side; arguments as for `hdi`."""
    x, p = _one_dimension(grid, name, probability)
    cumulated = np.append(0.0, np.cumsum(0.5 * (p[1:] + p[:-1]) * np.diff(x)))
    lower, upper = (_quantile(x, p, cumulated, q) for q in (0.5 - probability / 2, 0.5 + probability / 2))
    return lower, upper


def warn_of_edges(grid: "xarray.Dataset", priors: Mapping[str, Prior]) -> None:
    """Warn where a posterior goes on beyond the grid, or is narrower than its step."""
    for name, prior in priors.items():
        density = marginal(grid, name)
        x, p = density[name].values, density.values / density.values.max()
        for here, step in ((0, x[0] - x[1]), (-1, x[-1] - x[-2])):
            if p[here] > _EDGE and _allows(prior, x[here] + step):
                warn(
                    f"{name}: the posterior reaches the grid's edge at {x[here]:g}, where its density is "
                    f"{p[here]:.0%} of its peak; a longer axis would hold it"
                )
        share = float(np.max(p * np.gradient(x)) / np.trapezoid(p, x))
        if share > _NARROW:
            warn(
                f"{name}: the posterior is narrower than the grid's step, one point holds {share:.0%} of it; "
                f"a finer axis about {x[np.argmax(p)]:g} would resolve it"
            )


def _allows(prior: Any, value: float) -> bool:
    """Whether a prior has density at a value."""
    return bool(prior.support(value)) and bool(np.isfinite(prior.log_prob(value)))


def _marginal_of(grid: "xarray.Dataset | xarray.DataArray", *names: str) -> "xarray.DataArray":
    """Return a grid's marginal in some parameters; without names the density as it is, or a grid's only axis."""
    from xarray import DataArray, Dataset

    if isinstance(grid, Dataset):
        return marginal(grid, *(names or (str(name) for name in grid.coords)))
    if names and names != tuple(grid.dims):
        if not isinstance(grid, DataArray) or not grid.dims:
            found = type(grid).__name__
            raise InputError(
                f"grid: expected what grid_posterior or marginal gave, found a {found}; of draws: arviz.hdi"
            )
        found = ", ".join(map(str, names))
        raise InputError(f"names: expected none beside a density of {', '.join(map(str, grid.dims))}, found {found}")
    return grid


def _one_dimension(
    grid: "xarray.Dataset | xarray.DataArray", name: str | None, probability: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the points and the normalised density of one parameter."""
    density = _marginal_of(grid, *([] if name is None else [name]))
    if density.ndim != 1:
        raise InputError(f"name: expected one parameter of {', '.join(map(str, density.dims))}, as 'flux'; found none")
    if not 0 < probability < 1:
        raise InputError(f"probability: expected a number between 0 and 1, found {probability}")
    x, p = density[density.dims[0]].values, density.values
    return x, p / np.trapezoid(p, x)


def _integral_above(x: np.ndarray, p: np.ndarray, level: float) -> float:
    """Integrate the density where it is above a level."""
    low, high = np.minimum(p[1:], p[:-1]), np.maximum(p[1:], p[:-1])
    base = np.maximum(low, level)
    part = np.where(low >= level, 1.0, (high - level) / np.maximum(high - low, 1e-300))
    return float(np.sum(np.where(high > level, part * np.diff(x) * 0.5 * (high + base), 0.0)))


def _quantile(x: np.ndarray, p: np.ndarray, cumulated: np.ndarray, probability: float) -> float:
    """Invert the cumulated probability, which is quadratic between two points."""
    i = min(int(np.searchsorted(cumulated, probability, side="right")) - 1, len(x) - 2)
    slope = (p[i + 1] - p[i]) / (x[i + 1] - x[i])
    rest = probability - cumulated[i]
    return float(x[i] + 2.0 * rest / (p[i] + np.sqrt(max(p[i] ** 2 + 2.0 * slope * rest, 0.0)) + 1e-300))
