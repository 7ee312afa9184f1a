"""The picture of a detection: the image and the map of the likelihood ratio, with the sources that were found."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..detection import Detection
from .axes import COUNTS, logarithmic, outlined, scale_bar, show, sky_panels
from .circles import draw_regions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_RADII = (1.0, 2.0)
"""Extended sources are drawn as ellipses of so many half-light radii."""


def plot_detection(detection: Detection) -> "Figure":
    """Draw the counts and the map of ln likelihood ratio, with circles about the sources found, and their numbers.

    Extended sources, which are modelled and not listed, are dashed ellipses. The threshold is a line on the map's bar.
    """
    observation, gain = detection.observation, detection.ratio.gain
    titles = [
        f"{observation.counts.sum():,} counts",
        f"ln likelihood ratio; {len(detection)} above {detection.threshold:.1f}",
    ]
    figure, panels = sky_panels(observation, titles, 6.2, name=observation.name)
    show(panels[0], observation, observation.counts, COUNTS, **logarithmic(observation.counts))
    show(panels[1], observation, gain, "ln likelihood ratio of a point source", **_colours(gain, detection.threshold))
    panels[1].bar.axhline(detection.threshold, color="white", lw=1.4, **outlined())
    for panel in panels:
        draw_regions(panel.axes, observation, detection.regions)
        _draw_extended(panel.axes, detection)
        scale_bar(panel.axes, observation)
    return figure


def _colours(gain: np.ndarray, threshold: float) -> dict[str, Any]:
    """Colours that are linear up to the threshold and logarithmic above."""
    from matplotlib.colors import SymLogNorm

    return {"cmap": "magma", "norm": SymLogNorm(threshold, vmin=0.0, vmax=max(float(gain.max()), 2 * threshold))}


def _draw_extended(axes: Any, detection: Detection) -> None:
    from matplotlib.patches import Ellipse

    first = detection.observation.origin
    for shape, radius in detection.found.background.half_light(detection.found.fitted):
        for times in _RADII:
            place = shape.column + first[0], shape.row + first[1]
            long = 2 * times * radius / np.sqrt(shape.ratio)
            how: dict[str, Any] = {"fill": False, "ec": "white", "ls": "--", "lw": 1.1} | outlined(2.0)
            axes.add_patch(Ellipse(place, long, long * shape.ratio, angle=np.rad2deg(shape.angle), **how))
