"""The picture of a predictive check."""

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from ..checks import STATISTICS, Check
from ..checks.statistics import matched_filter, profile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_check(check: Check, name: str = "") -> "Figure":
    """Draw the filtered residual, the radial profile, the rootogram, and each statistic among its replicates.

    Args:
        check: of `posterior_predictive_check`.
        name: of the stamp.
    """
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(13.5, 7.4), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=(1.15, 1))
    above, below = parts
    residual, radial, rootogram = above.subplots(1, 3)
    shown = np.where(check.fitted.exposed, matched_filter(check.fitted), np.nan)
    limit = max(4.0, float(np.nanmax(np.abs(shown))))
    dx, dy = check.fitted.dx[0], check.fitted.dy[:, 0]
    extent = (dx[0] - 0.5, dx[-1] + 0.5, dy[0] - 0.5, dy[-1] + 0.5)
    image = residual.imshow(shown, origin="lower", extent=extent, cmap="RdBu_r", vmin=-limit, vmax=limit)
    residual.plot(0, 0, "k+", ms=10)
    residual.set_facecolor("0.6")
    above.colorbar(image, ax=residual, label="standard deviations", fraction=0.045)
    offset = "from the fitted position [pixel]"
    residual.set(title="residual, filtered with the PSF", xlabel=f"x {offset}", ylabel=f"y {offset}")
    _draw_profile(radial, check)
    _draw_rootogram(rootogram, check)
    for ax, (key, statistic) in zip(below.subplots(2, 4).flat, STATISTICS.items(), strict=True):
        ax.hist(check.replicated[key], bins=30, color="C0", alpha=0.6, label="replicated")
        ax.axvline(check.observed[key], color="C3", label="observed")
        ax.set_title(f"{statistic.meaning}: p = {check.p_values[key]:.2g}", fontsize=8)
        ax.set_yticks([])
        ax.tick_params(labelsize=7)
    below.axes[0].legend(fontsize=7)
    figure.suptitle(f"{name}: {check.said} (p = {check.p_value:.2g})", fontsize=10)
    return figure


def _draw_profile(ax: "Axes", check: Check) -> None:
    """Counts in annuli, with the model's and its Poisson 68 % and 95 % ranges."""
    counts, mean = profile(check.fitted)
    place = np.arange(len(counts))
    for share, shade in ((0.95, 0.15), (0.68, 0.3)):
        low, high = stats.poisson.interval(share, mean)
        ax.fill_between(place, low, high, color="C0", alpha=shade, step="mid", lw=0)
    ax.step(place, mean, where="mid", color="C0", label="model")
    ax.plot(place, counts, "o", color="C3", ms=4, label="observed")
    ax.set(title="radial profile", xlabel="annulus about the fitted position", ylabel="counts", yscale="symlog")
    ax.legend(fontsize=8)


def _draw_rootogram(ax: "Axes", check: Check) -> None:
    """How many pixels have each number of counts, on a square-root scale, hanging from the expected number."""
    counts, mean = check.fitted.counts[check.fitted.exposed], check.fitted.mean[check.fitted.exposed]
    numbers = np.arange(min(int(counts.max()), 15) + 1)
    expected = np.sqrt(stats.poisson.pmf(numbers[:, None], mean).sum(axis=1))
    observed = np.sqrt([np.sum(counts == number) for number in numbers])
    ax.bar(numbers, observed, bottom=expected - observed, color="C0", alpha=0.6, label="observed, hanging")
    ax.plot(numbers, expected, "o-", color="C3", ms=4, label="expected")
    ax.axhline(0, color="black", lw=0.8)
    ax.set(title="rootogram", xlabel="counts in a pixel", ylabel="square root of the number of pixels")
    ax.legend(fontsize=8)
