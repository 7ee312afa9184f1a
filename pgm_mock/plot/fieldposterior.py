"""The picture of a field as one model: counts, expected counts, what is left, and where the model fails."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..field import FieldCheck, FieldPosterior
from .axes import COUNTS, logarithmic, outlined, scale_bar, show, signed, sky_panels
from .circles import draw_regions
from .smooth import smoothed_significance, smoothing_width

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_RADII = (1.0, 3.0)
"""Clusters are drawn as ellipses of so many core radii."""
_BELOW = 2.6
"""Room for the pulls [inches]."""
_PANEL = 5.4
_AXES = {"annuli": "annulus, outwards", "bins of exposure": "bin, upwards", "sources": "source, as listed"}


def plot_field_posterior(posterior: FieldPosterior, check: FieldCheck) -> "Figure":
    """Draw counts, the posterior's mean image and the smoothed residual, and below them the pulls of each family.

    Circles are the sources' regions, dashed ellipses the clusters' core radii and three of them; crosses mark what no
    list has.

    Args:
        posterior: of `fit_field`.
        check: of `check_field`.
    """
    observation, mean = posterior.observation, posterior.expected
    exposed = observation.exposure > 0
    width = smoothing_width(mean, exposed)
    residual = smoothed_significance(observation.counts, mean, exposed, width)
    titles = [
        f"{observation.counts.sum():,} counts",
        f"expected: {len(posterior.regions)} sources, clusters, sky, particles",
        f"residual, smoothed by {width:g} pixels",
    ]
    figure, panels = sky_panels(observation, titles, _PANEL, name=observation.name)
    colours = logarithmic(observation.counts)
    show(panels[0], observation, observation.counts, COUNTS, **colours)
    show(panels[1], observation, mean, COUNTS, **colours)
    show(panels[2], observation, residual, "standard deviations", **signed(residual))
    draw_regions(panels[1].axes, observation, posterior.regions)
    for panel in panels[:2]:
        _draw_clusters(panel.axes, posterior)
        scale_bar(panel.axes, observation)
    if len(check.left):
        style: dict[str, Any] = {"marker": "x", "ls": "none", "color": "black", "ms": 6, "mew": 1.2}
        panels[2].axes.plot(*check.left[:, :2].T, **style)
    _draw_pulls(figure, check)
    return figure


def _draw_clusters(axes: Any, posterior: FieldPosterior) -> None:
    from matplotlib.patches import Ellipse

    for prefix in posterior.clusters:
        x, y, core, e1, e2 = (
            float(np.median(posterior.flat[f"{prefix}{name}"])) for name in ("x", "y", "core", "e1", "e2")
        )
        eta, angle = np.hypot(e1, e2), np.rad2deg(0.5 * np.arctan2(e2, e1))
        for times in _RADII:
            long, short = (2 * times * core * np.exp(sign * 0.5 * eta) for sign in (1, -1))
            how: dict[str, Any] = {"fill": False, "ec": "white", "ls": "--", "lw": 1.0} | outlined(1.8)
            axes.add_patch(Ellipse((x, y), long, short, angle=angle, **how))


def _draw_pulls(figure: "Figure", check: FieldCheck) -> None:
    """Make room below the images, and draw the pulls of each family's bins there."""
    wide, high = figure.get_size_inches()
    kept = [(axes, axes.get_position(original=True).bounds) for axes in figure.axes]
    figure.set_size_inches(wide, high + _BELOW)
    for axes, (left, low, width, height) in kept:
        axes.set_position((left, (low * high + _BELOW) / (high + _BELOW), width, height * high / (high + _BELOW)))
    each = 1.0 / len(check.families)
    for number, (name, one) in enumerate(check.families.items()):
        place = ((number + 0.16) * each, 0.5 / (high + _BELOW), 0.78 * each, (_BELOW - 1.1) / (high + _BELOW))
        axes = figure.add_axes(place)
        bins = np.arange(1, len(one.pulls) + 1)
        axes.axhspan(-1, 1, color="0.9")
        axes.axhline(0, color="0.5", lw=0.8)
        axes.bar(bins, one.pulls, color=np.where(np.abs(one.pulls) > 3, "tab:red", "tab:blue"), width=0.7)
        axes.set_title(f"{name}: χ² {one.chi2:.1f} for {one.dof:.1f}, p {one.p_value:.2g}", fontsize=9)
        axes.set_xlabel(_AXES.get(name, "sector, from x towards y"), fontsize=8)
        axes.set_ylabel("pull [sigma]" if number == 0 else "", fontsize=8)
        limit = max(4.0, float(np.abs(one.pulls).max()) * 1.1)
        axes.set_ylim(-limit, limit)
        axes.tick_params(labelsize=7)
