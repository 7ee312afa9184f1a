"""Pictures of a calibration: rank histograms, distribution functions with their band, and coverage."""

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from ..calibration.uniformity import BINS, ecdf_band, points

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BAND: dict[str, Any] = {"color": "black", "alpha": 0.13, "lw": 0, "zorder": 3}
"""A band lies above the bars, and lets them be seen."""


def plot_calibration(found: "xarray.Dataset") -> "Figure":
    """Draw, for each quantity, the ranks' histogram, their distribution function less the diagonal, and the coverage.

    Args:
        found: of `calibrate`. Grey bands hold what a sound inference gives: 99 % of the histogram's bins, each by
            itself; 99 % of all distribution functions, as a whole; two binomial errors of the coverage.
    """
    import matplotlib.pyplot as plt

    names = [str(name) for name in found["quantity"].values]
    size = (1.2 + 1.55 * max(len(names), 3), 7.2)
    figure, axes = plt.subplots(3, len(names), figsize=size, squeeze=False, sharex="row", sharey="row")
    usable = ~found["failed"].values
    for column, name in enumerate(names):
        one = found.sel(quantity=name)
        _draw_ranks(axes[0, column], np.sort(one["rank"].values[usable]))
        _draw_distribution(axes[1, column], np.sort(one["rank"].values[usable]))
        _draw_coverage(axes[2, column], found["level"].values, one["coverage"].values, found["coverage_error"].values)
        axes[0, column].set_title(name.replace("_", " "), fontsize=9)
    labels = (
        ("simulations in a bin", "rank of the truth", "99 % of the bins, if sound"),
        ("share below − rank", "rank of the truth", "99 % of the curves, if sound"),
        ("coverage − level", "level of the interval", "two binomial errors"),
    )
    said = textwrap.fill(textwrap.shorten(str(found.attrs["verdict"]), 320, placeholder=" …"), int(11 * size[0]))
    figure.suptitle(said, fontsize=9.5)
    top = 1 - (0.47 + 0.16 * max(2, len(said.splitlines()))) / size[1]
    figure.subplots_adjust(0.85 / size[0], 0.09, 1 - 0.1 / size[0], top, 0.1, 0.6)
    for row, (y_label, x_label, band) in enumerate(labels):
        axes[row, 0].set_ylabel(y_label, fontsize=9)
        axes[row, len(names) // 2].set_xlabel(x_label, fontsize=9)
        for ax in axes[row]:
            ax.tick_params(labelsize=7.5)
        handles = axes[row, 0].get_legend_handles_labels()[0]
        right = axes[row, -1].get_position()
        below = (right.x1, right.y0 - 0.042)
        figure.legend(
            handles, [band], fontsize=8, frameon=False, borderaxespad=0, loc="upper right", bbox_to_anchor=below
        )
    return figure


def _draw_ranks(ax: "Axes", ranks: np.ndarray) -> None:
    low, high = stats.binom.interval(0.99, len(ranks), 1 / BINS)
    ax.hist(ranks, bins=BINS, range=(0, 1), histtype="stepfilled", color="C0", alpha=0.6)
    ax.axhspan(low, high, label="band", **_BAND)
    ax.axhline(len(ranks) / BINS, color="black", lw=0.6, zorder=4)
    ax.set_xlim(0, 1)
    ax.set_xticks((0, 0.5, 1), labels=("0", "0.5", "1"))


def _draw_distribution(ax: "Axes", ranks: np.ndarray) -> None:
    z, (lower, upper) = points(len(ranks)), ecdf_band(len(ranks))
    ax.fill_between(z, lower - z, upper - z, step="mid", label="band", **_BAND)
    ax.plot(z, np.searchsorted(ranks, z, side="right") / len(ranks) - z, color="C0")
    ax.axhline(0, color="black", lw=0.6)
    ax.set_xlim(0, 1)
    ax.set_xticks((0, 0.5, 1), labels=("0", "0.5", "1"))


def _draw_coverage(ax: "Axes", levels: np.ndarray, coverage: np.ndarray, error: np.ndarray) -> None:
    ax.fill_between(levels, -2 * error, 2 * error, label="band", **_BAND)
    ax.errorbar(levels, coverage - levels, yerr=error, fmt="o", ms=4, color="C0")
    ax.axhline(0, color="black", lw=0.6)
