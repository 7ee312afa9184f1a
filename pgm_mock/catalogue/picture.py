"""The pictures of a catalogue: its field, and the images of each source with the places asked for and found."""

import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..plot.axes import show, sky_panels
from ..plot.circles import draw_regions
from .fields import Field
from .page import Thumbnail

if TYPE_CHECKING:
    from astropy.table import QTable
    from matplotlib.axes import Axes

FLAGGED, SOUND = "#c8102e", "#0057b8"
_RADIUS = 5.0
"""Of the circle of a region that has none [pixels]."""


def field_picture(table: "QTable", field: Field) -> bytes:
    """Draw the field with a circle and a name for each source, flagged ones in red, and a cross where it was found.

    Args:
        table: the catalogue of this field alone.
        field: with its regions, in the table's order.

    Returns:
        A PNG file.
    """
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    observation = field.observation
    figure, (panel,) = sky_panels(observation, [""], 6.6, figure=Figure())
    counts = observation.counts[observation.exposure > 0]
    top = max(4.0, float(np.quantile(counts, 0.9995)))
    show(panel, observation, observation.counts, "counts / pixel", cmap="gray_r", norm=PowerNorm(0.5, 0.0, top))
    regions = [one._replace(radius=one.radius if np.isfinite(one.radius) else _RADIUS) for one in field.regions]
    named = [one._replace(name=str(name)) for one, name in zip(regions, table["ID"], strict=True)]
    colours = [FLAGGED if flag else SOUND for flag in table["FLAG"]]
    draw_regions(panel.axes, observation, named, colours)
    for region, found, colour in zip(regions, _found(table), colours, strict=True):
        _draw_found(panel.axes, (region.x, region.y, region.radius), found, colour)
    figure.legend(handles=_legend(), loc="upper left", ncols=2, fontsize=8, frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    return buffer.getvalue()


def _draw_found(axes: "Axes", circle: tuple[float, float, float], found: np.ndarray, colour: str) -> None:
    """Mark the place found, with a line to the circle where it lies outside."""
    x, y, radius = circle
    if not np.isfinite([x, y, *found]).all():
        return
    axes.plot(*found, marker="+", ms=6, mew=1.1, color=colour)
    if np.hypot(found[0] - x, found[1] - y) > radius:
        axes.plot([x, found[0]], [y, found[1]], color=colour, lw=0.8, ls=":")


def _legend() -> list[Any]:
    """What the colours and marks mean."""
    from matplotlib.lines import Line2D

    ring: dict[str, Any] = {"marker": "o", "mfc": "none", "ls": "none", "ms": 9}
    return [
        Line2D([], [], mec=SOUND, label="source asked for, not flagged", **ring),
        Line2D([], [], mec=FLAGGED, label="source asked for, flagged", **ring),
        Line2D([], [], marker="+", color="black", ls="none", ms=8, label="place found"),
        Line2D([], [], color="black", lw=0.8, ls=":", label="found outside the circle"),
    ]


def _found(table: "QTable") -> np.ndarray:
    """The fitted positions, shape (sources, 2) [FITS image pixels]; NaN where there are none."""
    if not {"X_IMA", "Y_IMA"} <= set(table.colnames):
        return np.full((len(table), 2), np.nan)
    return np.stack([np.asarray(getattr(table[name], "value", table[name])) for name in ("X_IMA", "Y_IMA")], axis=1)


def thumbnails(
    table: "QTable", images: Iterable[tuple[int, np.ndarray]], pixel: float | None, half_size: int | None = None
) -> Iterator[tuple[str, Thumbnail]]:
    """Make the images of each source that has a stamp, by its ID.

    Args:
        table: the catalogue.
        images: a row's number, and counts, expected counts and exposure of its stamp, shape (3, ny, nx).
        pixel: side of a pixel on the sky [arcsec], or None.
        half_size: of the stamp in which the places are, at the lower left; by default it is all of the image.
    """
    found = _found(table)
    asked = np.stack([np.asarray(table[name].value, float) for name in ("X_ASKED", "Y_ASKED")], axis=1)
    for number, (counts, model, exposure) in images:
        half = (np.array(counts.shape[::-1]) - 1) // 2 if half_size is None else half_size
        first = np.floor(asked[number] + 0.5) - half
        there, here = (_known(place - first) for place in (asked[number], found[number]))
        yield str(table["ID"][number]), Thumbnail(counts, model, exposure > 0, there, here, pixel)


def _known(place: np.ndarray) -> tuple[float, float] | None:
    return (float(place[0]), float(place[1])) if np.isfinite(place).all() else None
