"""Pictures of a posterior on a grid: the curve of one parameter, or the corner of several."""

from typing import TYPE_CHECKING

import numpy as np

from ..inference import hdi, marginal, mode
from .axes import label
from .corner import SHARES, STYLES, explain_lines, lower_triangle

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_grid(grid: "xarray.Dataset", truth: dict[str, float] | None = None) -> "Figure":
    """Draw the marginal of each parameter with its mode and 68 % highest-density interval, and each pair's contours.

    The contours hold 68 % (solid) and 95 % (dashed).

    Args:
        grid: of `grid_posterior`.
        truth: values to mark.
    """
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    names = [str(name) for name in grid.coords]
    size = 1.6 + 2.3 * len(names) if len(names) > 1 else 5.2
    figure, axes = plt.subplots(
        len(names),
        len(names),
        figsize=(size, size * (1 if len(names) > 1 else 0.75)),
        squeeze=False,
        layout="constrained",
    )
    labels = [label(grid[name]) for name in names]
    for ax, row, column in lower_triangle(axes):
        below, left = names[row], names[column]
        if row == column:
            _curve(ax, marginal(grid, left))
        else:
            _map(ax, marginal(grid, below, left))
            if truth and below in truth:
                ax.axhline(truth[below], color="C3", lw=1)
        if truth and left in truth:
            ax.axvline(truth[left], color="C3", lw=1)
        ax.set_xlabel(labels[column] if row == len(names) - 1 else "")
        ax.set_ylabel(labels[row] if column == 0 and row > 0 else "")
        ax.tick_params(axis="x", rotation=45, labelbottom=row == len(names) - 1)
        ax.tick_params(axis="y", labelleft=column == 0 and row > 0)
    figure.suptitle(str(grid.attrs.get("name", "")))
    lines = [
        (Patch(color="C0", alpha=0.3), "68 % highest-density interval"),
        (Line2D([], [], color="black", lw=0.8, ls="--"), "mode"),
    ]
    explain_lines(figure if len(names) > 1 else axes[0, 0], len(names), lines, bool(truth))
    return figure


def _curve(ax: "Axes", density: "xarray.DataArray") -> None:
    """Draw a density, shade its highest-density intervals, and say its mode."""
    (name,) = density.dims
    x = density[name].values
    top = mode(density)[str(name)]
    ax.plot(x, density, color="C0")
    for lower, upper in (intervals := hdi(density)):
        inside = (x >= lower) & (x <= upper)
        edges = np.concatenate([[lower], x[inside], [upper]])
        ax.fill_between(edges, np.interp(edges, x, density.values), color="C0", alpha=0.3)
    ax.axvline(top, color="black", lw=0.8, ls="--")
    in_words = " and ".join(f"{lower:.5g} to {upper:.5g}" for lower, upper in intervals)
    ax.set_title(f"mode {top:.5g}\n68 %: {in_words}", fontsize=8)
    ax.set(ylim=(0, None), xlim=(x[0], x[-1]), yticks=[])


def _map(ax: "Axes", density: "xarray.DataArray") -> None:
    """Draw a density of two parameters with the contours that hold 68 % and 95 % of it."""
    below, left = density.dims
    y, x = density[below].values, density[left].values
    cells = density.values * np.gradient(y)[:, None] * np.gradient(x)
    order = np.argsort(density.values, axis=None)[::-1]
    held = np.cumsum(cells.ravel()[order]) / cells.sum()
    levels = [float(density.values.ravel()[order[min(np.searchsorted(held, s), held.size - 1)]]) for s in SHARES]
    ax.pcolormesh(x, y, density.values, cmap="Blues", shading="nearest", rasterized=True)
    if 0 < levels[0] < levels[1]:
        ax.contour(x, y, density.values, levels=levels, colors="black", linewidths=0.9, linestyles=STYLES)
