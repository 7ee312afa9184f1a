"""Pictures of a calibration: rank histograms, distribution functions with their band, and coverage."""

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from ..calibration.uniformity import BINS, ecdf_band, points

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure


def plot_calibration(found: "xarray.Dataset") -> "Figure":
    """Draw, for each quantity, the ranks' histogram, their distribution function less the diagonal, and the coverage.

    Args:
        found: of `calibrate`. Grey bands hold what a sound inference gives: 99 % of the histogram's bins, each by
            itself; 99 % of all distribution functions, as a whole; two binomial errors of the coverage.
    """
    import matplotlib.pyplot as plt

    names = [str(name) for name in found["quantity"].values]
    figure, axes = plt.subplots(3, len(names), figsize=(2.35 * len(names), 6.6), layout="constrained", sharex="row")
    usable = ~found["failed"].values
    n = int(usable.sum())
    z, (lower, upper) = points(n), ecdf_band(n)
    low, high = stats.binom.interval(0.99, n, 1 / BINS)
    levels, error = found["level"].values, found["coverage_error"].values
    for column, name in enumerate(names):
        above, middle, below = axes[:, column]
        told = found.sel(quantity=name)
        ranks = np.sort(told["rank"].values[usable])
        above.axhspan(low, high, color="0.88")
        above.hist(ranks, bins=BINS, range=(0, 1), histtype="stepfilled", color="C0", alpha=0.6)
        above.set(title=name.replace("_", " "), xlim=(0, 1))
        middle.fill_between(z, lower - z, upper - z, color="0.88", step="mid")
        middle.plot(z, np.searchsorted(ranks, z, side="right") / n - z, color="C0")
        middle.axhline(0, color="black", lw=0.6)
        below.fill_between(levels, -2 * error, 2 * error, color="0.88")
        below.errorbar(levels, told["coverage"].values - levels, yerr=error, fmt="o", ms=4, color="C0")
        below.axhline(0, color="black", lw=0.6)
        for ax in (above, middle, below):
            ax.tick_params(labelsize=7)
        above.set_yticks([])
    for ax, label in zip(axes[:, 0], ("simulations", "ECDF − diagonal", "coverage − level"), strict=True):
        ax.set_ylabel(label)
    for ax, label in zip(axes[:, len(names) // 2], ("rank", "rank", "level of the interval"), strict=True):
        ax.set_xlabel(label)
    verdict = str(found.attrs["verdict"])
    figure.suptitle(verdict if len(verdict) < 140 else verdict[:137] + "…", fontsize=9)
    return figure
