"""Circles about sources, with their names."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..observation import Observation
from ..regions import Region
from .axes import extent, outlined

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MANY_NAMES = 200
"""With more circles than this names are left out."""


def draw_regions(
    axes: "Axes", observation: Observation, regions: Sequence[Region], colours: Sequence[str] | None = None
) -> None:
    """Draw circles with their names; a name stands where it covers no other circle or name, if there is such a place.

    Args:
        axes: of `sky_panels`.
        observation: what is drawn there.
        regions: those outside it are left out; without a radius they get one of 3 pixels.
        colours: of each; by default white with a black edge.
    """
    from matplotlib.patches import Circle

    left, right, low, high = extent(observation.columns, observation.rows)
    inside = [n for n, one in enumerate(regions) if left <= one.x <= right and low <= one.y <= high]
    circles = np.array([(regions[n].x, regions[n].y, regions[n].radius) for n in inside]).reshape(-1, 3)
    circles[:, 2] = np.where(np.isfinite(circles[:, 2]), circles[:, 2], 3.0)
    named = len(inside) <= _MANY_NAMES
    places = _name_places(axes, circles, [regions[n].name for n in inside]) if named else circles[:, :2]
    for n, (x, y, radius), place in zip(inside, circles, places, strict=True):
        edge = outlined(2.4 if colours is None else 1.6, "black" if colours is None else "white")
        colour = "white" if colours is None else colours[n]
        axes.add_patch(Circle((x, y), radius, fill=False, ec=colour, lw=1.1, **edge))
        if named:
            style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7, "clip_on": True} | edge
            axes.text(place[0], place[1], regions[n].name, color=colour, **style)


def _name_places(axes: "Axes", circles: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Choose for each name, of 7 points, one of 16 places about its circle, by how much else it would cover.

    Args:
        axes: with their limits.
        circles: centres and radii, shape (n, 3).
        names: n of them.

    Returns:
        Middles of the names, shape (n, 2).
    """
    low, high = np.array([axes.get_xlim(), axes.get_ylim()]).T
    letter = 7 / 72 * axes.figure.dpi * (high[0] - low[0]) / axes.get_window_extent().width
    steps = np.array([0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6, 7, -7, 8])  # the highest first
    directions = np.stack([np.sin(np.pi / 8 * steps), np.cos(np.pi / 8 * steps)], axis=1)
    placed = np.empty((0, 4))
    for (x, y, radius), name in zip(circles, names, strict=True):
        half = letter * np.array([0.32 * len(name), 0.5])
        at = np.array([x, y]) + (radius + 1.7 * half) * directions
        off = np.maximum(np.abs(circles[:, None, :2] - at) - half, 0.0)
        covered = np.hypot(off[..., 0], off[..., 1]) < circles[:, None, 2] + 0.3 * letter
        meets = (np.abs(at - placed[:, None, :2]) < half + placed[:, None, 2:]).all(axis=2)
        outside = ((at - half < low) | (at + half > high)).any(axis=1)
        best = np.argmin(covered.sum(axis=0) + 2 * meets.sum(axis=0) + 4 * outside)
        placed = np.vstack([placed, [*at[best], *half]])
    return placed[:, :2]
