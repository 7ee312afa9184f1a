"""The picture of a plan: detection and widths against exposure, a line for each place."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..planning import Forecast, Plan

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_COLOURS = 8
_POINTS = 80
_SHIFT = 1.015
"""From place to place in exposure, so that marks do not hide each other."""


def plot_plan(plan: Plan) -> "Figure":
    """Draw the probability of detection, the flux's and the position's width, and the bias of detected mocks.

    Marks of one exposure stand side by side. Full ones are Fisher's information, open ones with a bar (16 to 84 %)
    mocks.
    """
    import matplotlib.pyplot as plt
    from matplotlib import colormaps

    figure, axes = plt.subplots(2, 2, figsize=(10.5, 7.4), sharex=True, layout="constrained")
    (chance, flux), (bias, position) = axes
    colours = colormaps["viridis"](np.linspace(0.0, 0.85, max(len(plan.places), 1)))
    for number, (place, colour) in enumerate(zip(plan.places, colours, strict=True)):
        rows, shift = plan.at(number), _SHIFT ** (number - 0.5 * (len(plan.places) - 1))
        times = np.geomspace(rows[0].exposure, rows[-1].exposure, _POINTS)
        chance.plot(times / 1e3, plan.probabilities(number, times), "-", color=colour, label=place.name)
        _draw_detected(chance, rows, colour, shift)
        _draw_width(flux, rows, colour, shift, 100.0, "flux")
        _draw_width(position, rows, colour, shift, 1.0, "position")
        _draw_bias(bias, rows, colour, shift)
    chance.axhline(0.9, color="black", lw=0.6, ls=":")
    chance.set(ylim=(-0.03, 1.03), ylabel="probability of detection")
    flux.set(yscale="log", ylabel="standard deviation of the flux [%]")
    position.set(yscale="log", ylabel="standard deviation of the position,\nalong one axis [arcsec]")
    bias.axhline(1.0, color="black", lw=0.6)
    bias.set(ylabel="fitted / true flux of detected mocks\n(median and its error)")
    if not any(np.isfinite(one.bias) for one in plan.forecasts):
        bias.text(0.5, 0.4, "no mocks here", ha="center", transform=bias.transAxes, color="0.4")
        bias.set(ylim=(0.9, 1.1))
    _finish(plan, axes)
    figure.suptitle(f"{plan.flux:g} ct / s, detected from ln likelihood ratio {plan.threshold:g}", fontsize=11)
    return figure


def _finish(plan: Plan, axes: Any) -> None:
    """Label the exposures, and say what the marks mean."""
    from matplotlib.lines import Line2D
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    times = np.array([one.exposure for one in plan.forecasts]) / 1e3
    for ax in axes.flat:
        if times.max() > 3 * times.min():
            ax.set_xscale("log")
            ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            ax.xaxis.set_major_formatter(ScalarFormatter())
            ax.xaxis.set_minor_formatter(NullFormatter())
        if ax.get_yscale() == "log":
            ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0)))
            ax.yaxis.set_major_formatter(ScalarFormatter())
            ax.yaxis.set_minor_formatter(NullFormatter())
        ax.grid(alpha=0.25, lw=0.5)
        ax.tick_params(labelsize=8)
    for ax in axes[1]:
        ax.set_xlabel("exposure [ks]")
    how: dict[str, Any] = {"color": "0.3", "ls": "none"}
    marks = [Line2D([], [], marker="o", label="Fisher's information", ms=5, **how)]
    marks += [Line2D([], [], marker="o", mfc="white", label="mocks: median, 16 to 84 %", ms=5, **how)]
    axes[0, 1].legend(handles=marks, fontsize=8, loc="upper right")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    if any(one.mocks for one in plan.forecasts):
        handles.append(Line2D([], [], marker="o", mfc="white", ms=5, **how))
        labels.append("share of mocks")
    columns = 1 + (len(labels) - 1) // _MOST_COLOURS
    axes[0, 0].legend(handles, labels, fontsize=8, loc="best", ncols=columns)


def _draw_detected(ax: "Axes", rows: list[Forecast], colour: Any, shift: float) -> None:
    """Draw the share of the mocks that were detected, with its binomial error."""
    mocks = [one for one in rows if one.mocks]
    if mocks:
        share, number = (np.array([getattr(one, name) for one in mocks]) for name in ("detected", "mocks"))
        at = [shift * one.exposure / 1e3 for one in mocks]
        error = np.sqrt(np.maximum(share * (1 - share), 0.25 / number) / number)
        ax.errorbar(at, share, error, fmt="o", ms=4.5, mfc="white", color=colour, lw=0.8)


def _draw_width(ax: "Axes", rows: list[Forecast], colour: Any, shift: float, factor: float, what: str) -> None:
    """Draw widths: full marks by Fisher's information, open ones with a bar by mocks."""
    width, low, high = (
        factor * np.array([getattr(one, f"{what}_{name}") for one in rows]) for name in ("width", "low", "high")
    )
    at, by_mocks = shift * np.array([one.exposure for one in rows]) / 1e3, np.array([one.mocks > 0 for one in rows])
    ax.plot(at, width, "-", color=colour, lw=0.9)
    ax.plot(at[~by_mocks], width[~by_mocks], "o", ms=4.5, color=colour)
    bars = np.stack([width - low, high - width])[:, by_mocks]
    if by_mocks.any():
        ax.errorbar(at[by_mocks], width[by_mocks], bars, fmt="o", ms=4.5, mfc="white", color=colour, lw=0.8)


def _draw_bias(ax: "Axes", rows: list[Forecast], colour: Any, shift: float) -> None:
    known = [(shift * one.exposure / 1e3, one.bias, one.bias_error) for one in rows if np.isfinite(one.bias)]
    if known:
        at, bias, error = np.transpose(known)
        ax.errorbar(at, bias, np.nan_to_num(error), fmt="o-", ms=4.5, mfc="white", color=colour, lw=0.9)
