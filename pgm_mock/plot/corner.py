"""The corner plot: each parameter's posterior, and each pair's."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..priors import SITES

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_corner(posterior: "xarray.DataTree", truth: dict[str, float] | None = None) -> "Figure":
    """Draw each free parameter's posterior, and each pair's with contours that hold 68 % and 95 % of the draws."""
    import matplotlib.pyplot as plt

    group = posterior["posterior"].to_dataset()
    names = [name for name in SITES if np.ptp(group[name].values) > 0]
    scales = {name: _scale(group[name].values) for name in names}
    drawn = {name: group[name].values.ravel() / 10.0 ** scales[name] for name in names}
    size = 1.0 + 1.75 * len(names)
    figure, grid = plt.subplots(len(names), len(names), figsize=(size, size), squeeze=False)
    edge = 0.75 / size  # room for the labels; a layout engine would take longer than all the rest
    figure.subplots_adjust(left=edge, right=1 - 0.2 * edge, bottom=edge, top=1 - 0.6 * edge, wspace=0.08, hspace=0.08)
    for ax, row, column in lower_triangle(grid):
        below, left = names[row], names[column]
        if row == column:
            _marginal(ax, drawn[left])
        else:
            draw_pair(ax, drawn[left], drawn[below])
        if truth and left in truth:
            ax.axvline(truth[left] / 10.0 ** scales[left], color="C3", lw=1)
        ax.set_xlim(*np.quantile(drawn[left], [0.0005, 0.9995]))
        _label_edge(ax, group, scales, names, row, column)
    figure.suptitle(str(posterior["constant_data"].attrs.get("name", "posterior")))
    return figure


def lower_triangle(grid: Any) -> "Iterator[tuple[Axes, int, int]]":
    """Go through a square of axes, on and below its diagonal, with row and column; the others are turned off."""
    for row, column in np.ndindex(grid.shape):
        if column > row:
            grid[row, column].axis("off")
        else:
            yield grid[row, column], row, column


def _scale(values: np.ndarray) -> int:
    """Return the power of ten to divide small numbers by on an axis."""
    power = int(np.floor(np.log10(np.max(np.abs(values)))))
    return power if power < -2 else 0


def _marginal(ax: "Axes", values: np.ndarray) -> None:
    ax.hist(
        values,
        bins=40,
        range=tuple(np.quantile(values, [0.0005, 0.9995])),
        histtype="stepfilled",
        color="C0",
        alpha=0.6,
    )
    for quantile in np.quantile(values, [0.16, 0.5, 0.84]):
        ax.axvline(quantile, color="black", lw=0.8, ls="--")
    ax.set_yticks([])


def draw_pair(ax: "Axes", x: np.ndarray, y: np.ndarray) -> None:
    """Draw a smoothed histogram of two parameters and the contours that hold 68 % and 95 % of it."""
    from scipy.ndimage import gaussian_filter

    ranges = [tuple(np.quantile(values, [0.0005, 0.9995])) for values in (x, y)]
    density, x_edges, y_edges = np.histogram2d(x, y, bins=40, range=ranges)
    density = gaussian_filter(density, 1.3)
    falling = np.sort(density.ravel())[::-1]
    held = np.cumsum(falling) / falling.sum()
    levels = [float(falling[np.searchsorted(held, share)]) for share in (0.95, 0.68)]
    ax.pcolormesh(x_edges, y_edges, density.T, cmap="Blues", rasterized=True)
    centres = [(edges[1:] + edges[:-1]) / 2 for edges in (x_edges, y_edges)]
    if 0 < levels[0] < levels[1]:
        ax.contour(*centres, density.T, levels=levels, colors="black", linewidths=0.9)
    ax.set_ylim(*ranges[1])


def _label_edge(ax: "Axes", group: Any, scales: dict[str, int], names: list[str], row: int, column: int) -> None:
    def text(name: str) -> str:
        power = rf"$10^{{{scales[name]}}}$ " if scales[name] else ""
        return f"${SITES[name].symbol}$ [{power}{group[name].attrs.get('units', '')}]"

    if row == len(names) - 1:
        ax.set_xlabel(text(names[column]))
        ax.tick_params(axis="x", rotation=45, labelsize=8)
    else:
        ax.set_xticklabels([])
    if column == 0 and row > 0:
        ax.set_ylabel(text(names[row]))
        ax.tick_params(axis="y", labelsize=8)
    elif column:
        ax.set_yticklabels([])
