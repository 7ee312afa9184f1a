"""The picture of a sensitivity: the map of the flux that is detected, and the curve of area against flux."""

from typing import TYPE_CHECKING

import numpy as np

from ..detection import Sensitivity
from .axes import scale_bar, show, sky_panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TOP = 1.03
_RANGE = (0.01, 0.99)
"""Quantiles of the fluxes that the colours reach from and to."""


def plot_sensitivity(sensitivity: Sensitivity) -> "Figure":
    """Draw the flux detected in half of all cases over the image, and area and completeness against flux."""
    from matplotlib.colors import LogNorm

    observation = sensitivity.detection.observation
    title = f"flux detected in half of all cases above ln L ratio {sensitivity.detection.threshold:.1f}"
    figure, panels = sky_panels(observation, [title, ""], 5.6, name=observation.name)
    known = np.isfinite(sensitivity.flux50)
    low, high = np.quantile(sensitivity.flux50[known], _RANGE)
    norm = LogNorm(low, max(high, 1.001 * low))
    show(panels[0], observation, sensitivity.flux50, f"flux [{observation.flux_unit}]", cmap="viridis_r", norm=norm)
    scale_bar(panels[0].axes, observation)
    box = panels[1].axes.get_position()
    panels[1].bar.remove()
    panels[1].axes.remove()
    curve = figure.add_axes((box.x0 + 0.09, box.y0, box.width - 0.05, box.height))
    table, area = sensitivity.table, sensitivity.area
    unit = "pixel" if observation.wcs is None else "arcmin²"
    flux = table["FLUX"].value
    curve.plot(flux, table["AREA"].value, color="black", lw=2, label="area × probability of detection")
    for name, words, style in (("AREA_50", "probability at least 50 %", "--"), ("AREA_90", "at least 90 %", ":")):
        curve.plot(flux, table[name].value, ls=style, color="tab:blue", label=words)
    curve.set_xscale("log")
    curve.set_xlabel(f"flux of a source [{observation.flux_unit}]")
    curve.set_ylabel(f"area [{unit}]")
    curve.set_ylim(0.0, _TOP * area)
    share = curve.twinx()
    share.set_ylim(0.0, _TOP)
    share.set_ylabel("completeness")
    curve.legend(loc="lower right", fontsize=8)
    curve.grid(alpha=0.3)
    return figure
