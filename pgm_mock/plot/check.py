"""The picture of a predictive check."""

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from ..checks import STATISTICS, Check
from ..checks.statistics import matched_filter
from ..results import stamp_of
from .axes import UNEXPOSED, colour_bar, explain_marks, extent, mark_places, pixel_size, signed
from .images import places

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

UNITS = {
    "total_counts": "observed − expected [σ]",
    "largest_pixel": "−log₁₀ of its probability",
    "radial_profile": "χ² of the annuli",
    "background_gradient": "squared slope [σ²]",
    "brightest_block": "−log₁₀ of its probability",
    "overdispersion": "excess over Poisson's [σ]",
    "filter_peak": "largest significance [σ]",
    "zero_fraction": "observed − expected [σ]",
}
"""What is on the axis of each statistic's histogram."""
_EDGES = np.array([0, 1, 2, 3, 4, 6, 8, 11, 15, 20, 26, 34, 45, 60, 80, 110, 150], float)
"""Radii of the profile's annuli [pixels]."""
_COLUMNS = 4


def plot_check(check: Check, name: str = "", posterior: "xarray.DataTree | None" = None) -> "Figure":
    """Draw the filtered residual, the radial profile, the rootogram, and each statistic among its replicates.

    Args:
        check: of `posterior_predictive_check`.
        name: of the stamp.
        posterior: that was checked; it gives the place asked for, the coordinates and the size of a pixel on the sky.
            Without it axes are in pixels from the fitted position.
    """
    import matplotlib.pyplot as plt

    rows = -(-len(STATISTICS) // _COLUMNS)
    figure = plt.figure(figsize=(12.0, 3.9 + 1.9 * rows), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=(2.1, rows))
    above, below = parts
    residual, radial, rootogram = above.subplots(1, 3)
    size = None if posterior is None else pixel_size(stamp_of(posterior))
    _draw_residual(residual, check, posterior)
    _draw_profile(radial, check, size)
    _draw_rootogram(rootogram, check)
    panels = list(below.subplots(rows, _COLUMNS, squeeze=False).flat)
    for ax, (key, statistic) in zip(panels, STATISTICS.items(), strict=False):
        _draw_statistic(ax, check.observed[key], check.replicated[key], UNITS.get(key, statistic.meaning))
        ax.set_title(f"{statistic.meaning}\np = {check.p_values[key]:.2g}", fontsize=8)
    for ax in panels[::_COLUMNS]:
        ax.set_ylabel("replicates", fontsize=8)
    for ax in panels[len(STATISTICS) :]:
        ax.axis("off")
    panels[0].legend(fontsize=7, frameon=False)
    said = f"{name}: {check.said} (p = {check.p_value:.2g})"
    figure.suptitle(textwrap.fill(said, 130), fontsize=10)
    return figure


def _draw_residual(ax: "Axes", check: Check, posterior: "xarray.DataTree | None") -> None:
    """Draw the residual filtered with the PSF, with the place asked for and the place found."""
    fitted = check.fitted
    shown = np.where(fitted.exposed, matched_filter(fitted), np.nan)
    x, y, found, asked = fitted.dx[0], fitted.dy[:, 0], (0.0, 0.0), None
    labels = ("x from the fitted position [pixel]", "y from the fitted position [pixel]")
    if posterior is not None:
        stamp, asked = stamp_of(posterior), places(posterior)[0]
        labels = ("x [pixel]", "y [pixel]")
        found = stamp.columns[0, 0] - x[0], stamp.rows[0, 0] - y[0]
        x, y = stamp.columns, stamp.rows
    image = ax.imshow(shown, origin="lower", extent=extent(x, y), interpolation="nearest", **signed(shown))
    ax.set(facecolor=UNEXPOSED, xlabel=labels[0], ylabel=labels[1], autoscale_on=False)
    ax.set_title("residual, filtered with the PSF", fontsize=10)
    marks = mark_places(ax, asked, found, "black")
    explain_marks(ax, marks, loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2, frameon=False)
    colour_bar(image, None, "significance [σ]", ax=ax, fraction=0.046)


def _profile(check: Check) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return edges of annuli [pixels], and in each the counts, the expected counts and the number of exposed pixels."""
    fitted = check.fitted
    radius, counts, mean = (image[fitted.exposed] for image in (fitted.radius, fitted.counts, fitted.mean))
    edges = _EDGES[: max(int(np.searchsorted(_EDGES, radius.max())) + 1, 2)]
    sums = [np.histogram(radius, edges, weights=weights)[0] for weights in (counts, mean, None)]
    return edges, *sums


def _draw_profile(ax: "Axes", check: Check, size: float | None) -> None:
    """Draw the counts per pixel in annuli, with the model's and its Poisson 68 % and 95 % ranges."""
    edges, counts, mean, pixels = _profile(check)
    edges = edges * (size or 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ranges = [[end / pixels for end in stats.poisson.interval(share, mean)] for share in (0.95, 0.68)]
        observed, expected = counts / pixels, mean / pixels
    floor = 0.4 * float(np.nanmin(expected[expected > 0]))
    for (low, high), shade, share in zip(ranges, (0.15, 0.3), (95, 68), strict=True):
        lower, upper = (np.maximum(np.append(end, end[-1]), floor) for end in (low, high))
        ax.fill_between(
            edges, lower, upper, color="C0", alpha=shade, step="post", lw=0, label=f"{share} % range of the model"
        )
    ax.stairs(expected, edges, baseline=None, color="C0", label="model")
    middle, some = (edges[1:] + edges[:-1]) / 2, counts > 0
    ax.plot(middle[some], observed[some], "o", color="C3", ms=4, label="observed")
    none = ~some & (pixels > 0)
    ax.plot(
        middle[none], np.full(none.sum(), 1.15 * floor), "v", color="C3", ms=5, label="no counts" * bool(none.any())
    )
    ax.set(xlabel=f"distance from the fitted position [{'pixel' if size is None else 'arcsec'}]", xlim=(0, edges[-1]))
    ax.set(ylabel="counts / pixel", yscale="log", ylim=(floor, None))
    ax.set_title("radial profile", fontsize=10)
    ax.legend(fontsize=7.5, frameon=False)


def _draw_rootogram(ax: "Axes", check: Check) -> None:
    """Draw how many pixels have each number of counts, on a square-root scale, hanging from the expected number."""
    counts, mean = check.fitted.counts[check.fitted.exposed], check.fitted.mean[check.fitted.exposed]
    numbers = np.arange(min(int(counts.max()), 15) + 1)
    expected = np.sqrt(stats.poisson.pmf(numbers[:, None], mean).sum(axis=1))
    observed = np.sqrt([np.sum(counts == number) for number in numbers])
    ax.bar(numbers, observed, bottom=expected - observed, color="C0", alpha=0.6, label="observed, hung from the model")
    ax.plot(numbers, expected, "o-", color="C3", ms=4, label="model")
    ax.axhline(0, color="black", lw=0.8)
    ax.locator_params(axis="x", integer=True)
    ax.set(xlabel="counts in a pixel", ylabel="√ number of pixels")
    ax.set_title("pixels by their counts", fontsize=10)
    ax.legend(fontsize=7.5, frameon=False)


def _draw_statistic(ax: "Axes", observed: float, replicated: np.ndarray, unit: str) -> None:
    """Draw the bulk of the replicates and the observed value; what lies far out is counted or named at the edge."""
    low, high = np.quantile(replicated, (0.005, 0.995))
    reach = max(high - low, 1e-9 * max(abs(high), 1.0))
    if np.ptp(replicated) < 1.6 * reach:
        low, high = replicated.min(), replicated.max()
    far = not low - 1.5 * reach <= observed <= high + 1.5 * reach
    ends = (low, high + 0.15 * reach) if far else (min(low, observed), max(high, observed))
    margin = 0.04 * (ends[1] - ends[0])
    ends = (ends[0] - margin, ends[1] + margin)
    ax.hist(replicated, bins=30, range=(low, high), color="C0", alpha=0.6, label="replicated")
    if far:
        side, place = (0.98, "right") if observed > high else (0.02, "left")
        ax.annotate(f"observed: {observed:.3g} →" if side > 0.5 else f"← observed: {observed:.3g}", (side, 0.5),
                    xycoords="axes fraction", ha=place, va="center", color="C3", fontsize=8)  # fmt: skip
    else:
        ax.axvline(observed, color="C3", label="observed")
    outside = int(np.sum((replicated < low) | (replicated > high)))
    ax.set(xlim=ends, yticks=[])
    ax.set_xlabel(unit + (f"; {outside} replicates beyond" if outside else ""), fontsize=8)
    ax.tick_params(labelsize=7)
