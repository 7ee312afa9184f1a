"""The corner plot: each parameter's posterior, and each pair's."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..results import flat_draws
from .axes import label, symbol

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHARES = (0.95, 0.68)
STYLES = ("--", "-")
_DRAWN = (0.0005, 0.9995)
"""Axes hold the draws between these quantiles, and the truth."""
_INTERVAL = (0.16, 0.5, 0.84)


def plot_corner(posterior: "xarray.DataTree", truth: dict[str, float] | None = None) -> "Figure":
    """Draw each free parameter's posterior, and each pair's with contours that hold 68 % and 95 % of the draws.

    Above each parameter stand its median and the distances to the ends of its central 68 %. Parameters of neighbours
    are left out.

    Args:
        posterior: of `fit`.
        truth: values to mark; the axes reach to them, however far off they are.
    """
    import matplotlib.pyplot as plt

    group = posterior["posterior"].to_dataset()
    draws = {name: each for name, each in flat_draws(posterior).items() if each.ndim == 1 and np.ptp(each) > 0}
    names, truth = list(draws), truth or {}
    powers = {name: power_of_ten(values) for name, values in draws.items()}
    drawn = {name: values / 10.0 ** powers[name] for name, values in draws.items()}
    true = {name: truth[name] / 10.0 ** powers[name] for name in names if name in truth}
    limits = {name: _limits(values, true.get(name)) for name, values in drawn.items()}
    psf = str(posterior.attrs.get("psf", ""))
    labels = [label(group[name], powers[name], psf) for name in names]
    size = 1.0 + 1.75 * len(names)
    figure, grid = plt.subplots(len(names), len(names), figsize=(size, size), squeeze=False)
    edge = 0.8 / size  # room for the labels; a layout engine would take longer than all the rest
    figure.subplots_adjust(left=edge, right=1 - 0.2 * edge, bottom=edge, top=1 - 0.9 * edge, wspace=0.08, hspace=0.08)
    for ax, row, column in lower_triangle(grid):
        below, left = names[row], names[column]
        if row == column:
            _marginal(ax, drawn[left], symbol(group[left], psf), powers[left])
        else:
            draw_pair(ax, drawn[left], drawn[below])
            ax.set_ylim(*limits[below])
            if below in true:
                ax.axhline(true[below], color="C3", lw=1)
        if left in true:
            ax.axvline(true[left], color="C3", lw=1)
        ax.set_xlim(*limits[left])
        _label_edge(ax, grid, (row, column), labels)
    figure.suptitle(str(posterior["constant_data"].attrs.get("name", "posterior")), fontsize=11)
    explain_lines(figure if len(names) > 1 else grid[0, 0], len(names), _marginal_lines(), bool(true))
    return figure


def lower_triangle(grid: Any) -> "Iterator[tuple[Axes, int, int]]":
    """Go through a square of axes, on and below its diagonal, with row and column; the others are turned off."""
    for row, column in np.ndindex(grid.shape):
        if column > row:
            grid[row, column].axis("off")
        else:
            yield grid[row, column], row, column


def interval_text(low: float, middle: float, high: float, power: int = 0) -> str:
    """Write a value with the distances to the ends of its interval, two digits of the smaller one, in LaTeX."""
    least = min(high - middle, middle - low)
    decimals = max(0, 1 - int(np.floor(np.log10(least)))) if least > 0 else 3
    text = f"{middle:.{decimals}f}^{{+{high - middle:.{decimals}f}}}_{{-{middle - low:.{decimals}f}}}"
    return rf"{text} \times 10^{{{power}}}" if power else text


def power_of_ten(values: np.ndarray) -> int:
    """Return the power of ten to divide small numbers by on an axis."""
    power = int(np.floor(np.log10(np.max(np.abs(values)))))
    return power if power < -1 else 0


def _limits(values: np.ndarray, true: float | None) -> tuple[float, float]:
    """Return the ends of an axis that holds the draws and the truth, with some space about them."""
    ends = [*np.quantile(values, _DRAWN), *([] if true is None else [true])]
    margin = 0.05 * (max(ends) - min(ends))
    return float(min(ends) - margin), float(max(ends) + margin)


def _marginal(ax: "Axes", values: np.ndarray, named: str, power: int) -> None:
    ends = tuple(np.quantile(values, _DRAWN))
    ax.hist(values, bins=40, range=ends, histtype="stepfilled", color="C0", alpha=0.6)
    low, middle, high = np.quantile(values, _INTERVAL)
    for quantile, style in zip((low, middle, high), (":", "-", ":"), strict=True):
        ax.axvline(quantile, color="black", lw=1.0, ls=style)
    ax.set_title(f"${named} = {interval_text(low, middle, high, power)}$", fontsize=8.5, pad=5)
    ax.set_yticks([])


def _marginal_lines() -> list[tuple[Any, str]]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    return [
        (Patch(color="C0", alpha=0.6), "draws from the posterior"),
        (Line2D([], [], color="black", lw=1.0), "median"),
        (Line2D([], [], color="black", lw=1.0, ls=":"), "ends of the central 68 %"),
    ]


def draw_pair(ax: "Axes", x: np.ndarray, y: np.ndarray) -> None:
    """Draw a smoothed histogram of two parameters and the contours that hold 68 % (solid) and 95 % (dashed) of it."""
    from scipy.ndimage import gaussian_filter

    ranges = [tuple(np.quantile(values, _DRAWN)) for values in (x, y)]
    density, x_edges, y_edges = np.histogram2d(x, y, bins=40, range=ranges)
    density = gaussian_filter(density, 1.3)
    falling = np.sort(density.ravel())[::-1]
    held = np.cumsum(falling) / falling.sum()
    levels = [float(falling[np.searchsorted(held, share)]) for share in SHARES]
    ax.set_facecolor("#f7fbff")  # where this colour map begins
    ax.pcolormesh(x_edges, y_edges, density.T, cmap="Blues", rasterized=True)
    centres = [(edges[1:] + edges[:-1]) / 2 for edges in (x_edges, y_edges)]
    if 0 < levels[0] < levels[1]:
        ax.contour(*centres, density.T, levels=levels, colors="black", linewidths=0.9, linestyles=STYLES)
    ax.set_ylim(*ranges[1])


def _label_edge(ax: "Axes", grid: Any, place: tuple[int, int], labels: list[str]) -> None:
    """Label axes below the last row and left of the first column."""
    row, column = place
    lowest, first = row == len(grid) - 1, column == 0 < row
    ax.tick_params(axis="x", rotation=45, labelsize=8, labelbottom=lowest)
    ax.tick_params(axis="y", labelsize=8, labelleft=first)
    ax.set_xlabel(labels[column] if lowest else "")
    ax.set_ylabel(labels[row] if first else "")
    if lowest:
        ax.xaxis.set_label_coords(0.5, -0.31)
    if first:
        ax.yaxis.set_label_coords(-0.31, 0.5)


def explain_lines(where: Any, parameters: int, marginal: list[tuple[Any, str]], truth: bool) -> None:
    """Say what the lines mean, in the upper right, where the figure of several parameters is free.

    Args:
        where: the figure, or the only axes.
        parameters: how many there are.
        marginal: what is drawn for one parameter, with its meaning.
        truth: whether a truth is marked.
    """
    from matplotlib.lines import Line2D

    lines = list(marginal)
    if parameters > 1:
        for style, share in zip(STYLES, SHARES, strict=True):
            line = Line2D([], [], color="black", lw=0.9, ls=style)
            lines.append((line, f"contour that holds {100 * share:.0f} %"))
    if truth:
        lines.append((Line2D([], [], color="C3", lw=1), "truth"))
    handles, words = zip(*lines, strict=True)
    place = {"bbox_to_anchor": (0.985, 0.96)} if hasattr(where, "suptitle") else {}
    size = 7.0 if parameters < 3 else 9.0
    where.legend(handles, words, loc="upper right", fontsize=size, frameon=False, **place)
