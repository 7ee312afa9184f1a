"""What pictures share: panels with sky and pixel axes, colour bars, marks, a scale bar.

Images are drawn in FITS image coordinates, so that all that is drawn on them is placed by its x and y.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..fitsimage import pixel_degrees
from ..observation import Observation
from ..psf import width_symbol
from ..scene import known_parameters

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COUNTS = "counts / pixel"
COUNTS_MAP, EXPOSURE_MAP, SIGNED_MAP = "viridis", "magma", "RdBu_r"
UNEXPOSED = "0.75"
_LEFT, _BELOW, _ABOVE = 1.15, 0.62, 0.72
_RIGHT, _BAR, _TITLE = 0.58, 0.95, 0.36
"""Room for axis labels left, below, above and right, for a colour bar with its label, for a title [inches]."""
_LARGEST, _SMALLEST = 8.0, 4.0
_LENGTHS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600)
"""Lengths of a scale bar [arcsec]."""


class Panel(NamedTuple):
    """Axes for an image, and those for its colour bar."""

    axes: Any
    bar: Any


def sky_panels(
    observation: Observation,
    titles: Sequence[str],
    width: float,
    rows: int = 1,
    name: str = "",
    figure: "Figure | None" = None,
) -> "tuple[Figure, list[Panel]]":
    """Make a panel for each title: sky coordinates left and below where there is a WCS, FITS pixels right and above.

    Args:
        observation: whose exposed pixels the panels show.
        titles: of the panels, row by row.
        width: of a panel [inches].
        rows: of panels.
        name: above them all.
        figure: an empty one; by default one of pyplot's.
    """
    import matplotlib.pyplot as plt

    left, right, low, high = window(observation)
    height = width * min((high - low) / (right - left), 2.0)
    columns = len(titles) // rows
    size = (_LEFT + columns * (width + _BAR) + _RIGHT, _BELOW + rows * height + (rows - 1) * _TITLE + _ABOVE)
    size = (size[0], size[1] + _TITLE * bool(name))
    figure = plt.figure() if figure is None else figure
    figure.suptitle(name, fontsize=11)
    figure.set_size_inches(size)
    panels = []
    for number, title in enumerate(titles):
        row, column = divmod(number, columns)
        at = (_LEFT + column * (width + _BAR), _BELOW + (rows - 1 - row) * (height + _TITLE))
        place = (at[0] / size[0], at[1] / size[1], width / size[0], height / size[1])
        axes = _sky_axes(figure, place, observation)
        axes.set(xlim=(left, right), ylim=(low, high), aspect="equal", autoscale_on=False)
        outer = (column == 0, row == rows - 1, column == columns - 1, row == 0)
        _label_sides(axes, observation, *outer)
        axes.set_title(title, fontsize=10, pad=34 if outer[3] and observation.wcs is not None else 5)
        offset = 0.08 + _RIGHT * (outer[2] and observation.wcs is not None)
        panels.append(Panel(axes, axes.inset_axes((1 + offset / width, 0, 0.13 / width, 1))))
    return figure, panels


def window(observation: Observation) -> tuple[float, float, float, float]:
    """Return the edges of what has exposure, with a margin where the image goes on [FITS image pixels]."""
    (low, left), (high, right) = (f(np.argwhere(observation.exposure > 0), axis=0) for f in (np.min, np.max))
    ny, nx = observation.shape
    x, y = observation.origin
    return (
        x + max(left - 8, 0) - 0.5,
        x + min(right + 8, nx - 1) + 0.5,
        y + max(low - 8, 0) - 0.5,
        y + min(high + 8, ny - 1) + 0.5,
    )


def _sky_axes(figure: "Figure", place: tuple[float, float, float, float], observation: Observation) -> Any:
    """Make axes whose data coordinates are FITS image pixels."""
    if observation.wcs is None:
        return figure.add_axes(place)
    sky = observation.wcs.celestial.deepcopy()
    sky.wcs.crpix = sky.wcs.crpix + 1  # astropy counts pixels from 0
    return figure.add_axes(place, projection=sky)


def _label_sides(axes: Any, observation: Observation, left: bool, below: bool, right: bool, above: bool) -> None:
    """Label the sides that are told: sky, or pixels without a WCS, left and below; pixels right and above."""
    if observation.wcs is None:
        axes.tick_params(labelsize=8, labelleft=left, labelbottom=below, top=True, right=True)
        axes.set_xlabel("x [pixel]" if below else "", fontsize=9)
        axes.set_ylabel("y [pixel]" if left else "", fontsize=9)
        return
    sides = ((axes.coords[0], "b", below, "right ascension"), (axes.coords[1], "l", left, "declination"))
    for coordinate, side, labelled, name in sides:
        coordinate.set_ticks_position(side)
        coordinate.set_ticks(number=4)
        coordinate.set_ticklabel(size=8, exclude_overlapping=True)
        coordinate.set_ticklabel_position(side if labelled else "")
        coordinate.set_axislabel(name if labelled else "", fontsize=9)
        coordinate.set_axislabel_position(side)
    x, y = axes.secondary_xaxis("top"), axes.secondary_yaxis("right")
    x.tick_params(labelsize=8, top=above, labeltop=above)
    y.tick_params(labelsize=8, right=right, labelright=right)
    for pixels in (x, y):
        pixels.spines[:].set_visible(False)
    x.set_xlabel("x [pixel]" if above else "", fontsize=9)
    y.set_ylabel("y [pixel]" if right else "", fontsize=9)


def extent(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float, float]:
    """Return the outer edges of an image with these ramps of pixel coordinates."""
    return float(x.min()) - 0.5, float(x.max()) + 0.5, float(y.min()) - 0.5, float(y.max()) + 0.5


def show(panel: Panel, observation: Observation, image: np.ndarray, label: str, **how: Any) -> Any:
    """Draw an image of an observation in a panel, blank without exposure, and its colour bar."""
    exposed = np.where(observation.exposure > 0, image, np.nan)
    place = extent(observation.columns, observation.rows)
    drawn = panel.axes.imshow(exposed, origin="lower", extent=place, interpolation="nearest", **how)
    colour_bar(drawn, panel.bar, label)
    return drawn


def colour_bar(image: Any, bar: "Axes | None", label: str, **how: Any) -> None:
    """Draw an image's colour bar in axes of its own, or beside `how["ax"]`; it is pointed where values lie beyond."""
    values, (low, high) = image.get_array(), image.get_clim()
    beyond = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}
    ends = beyond[bool((values < low).any()), bool((values > high).any())]
    drawn = image.figure.colorbar(image, cax=bar, **({"extend": ends} | how))
    drawn.set_label(label, fontsize=9)
    drawn.ax.tick_params(labelsize=8)
    if hasattr(image.norm, "linthresh"):
        ticks = [tick for tick in (0, 1, 3, 10, 30, 100, 300, 1000, 10_000, 100_000) if tick <= high]
        drawn.set_ticks(ticks, labels=[f"{tick:,}" for tick in ticks])
        drawn.minorticks_off()


def logarithmic(counts: np.ndarray) -> dict[str, Any]:
    """Return colours for counts: linear to one, logarithmic from there to the largest."""
    from matplotlib.colors import SymLogNorm

    return {"cmap": COUNTS_MAP, "norm": SymLogNorm(1.0, vmin=0.0, vmax=max(float(counts.max()), 1.0))}


def signed(values: np.ndarray) -> dict[str, Any]:
    """Return colours about zero for significances: to the largest, but to 4 at least and to 8 at most."""
    limit = float(np.clip(np.nanmax(np.abs(values), initial=0.0), _SMALLEST, _LARGEST))
    return {"cmap": SIGNED_MAP, "vmin": -limit, "vmax": limit}


def outlined(width: float = 2.4, colour: str = "black") -> dict[str, Any]:
    """Return an edge, which makes lines and letters readable on any colour."""
    from matplotlib.patheffects import withStroke

    return {"path_effects": [withStroke(linewidth=width, foreground=colour)]}


def mark_places(
    axes: "Axes",
    asked: Sequence[float] | None,
    found: Sequence[float] | np.ndarray,
    colour: str = "white",
) -> list[Any]:
    """Mark the place asked for with a ring and the place found with a cross that leaves its middle free.

    Args:
        axes: where.
        asked, found: the places; None where there is none.
        colour: white gets a black edge.

    Returns:
        The marks, for a legend.
    """
    from matplotlib.path import Path

    ends = [(-1, 0), (-0.4, 0), (0.4, 0), (1, 0), (0, -1), (0, -0.4), (0, 0.4), (0, 1)]
    cross = Path(np.array(ends), [Path.MOVETO, Path.LINETO] * 4)
    how: dict[str, Any] = {"ls": "none", "mfc": "none", "mec": colour} | (outlined(2.8) if colour == "white" else {})
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    marks = []
    for place, words, shape in ((asked, "asked for", ("o", 7, 1.2)), (found, "found", (cross, 19, 1.4))):
        if place is not None:
            marker, across, width = shape
            outside = not (left <= place[0] <= right and low <= place[1] <= high)
            how |= {"marker": marker, "ms": across, "mew": width, "clip_on": outside}  # at the edge it is drawn whole
            marks += axes.plot(*place, label=f"place {words}", **how)
    return marks


def explain_marks(where: Any, marks: Sequence[Any], **how: Any) -> None:
    """Say in a legend of a figure or of axes what the marks mean."""
    legend = where.legend(handles=marks, fontsize=8, labelspacing=0.6, **how)
    for handle in legend.legend_handles:
        handle.set_markersize(min(handle.get_markersize(), 11))


def pixel_size(observation: Observation) -> float | None:
    """Return the side of a pixel on the sky [arcsec], or None without a WCS."""
    if observation.wcs is None:
        return None
    return 3600.0 * pixel_degrees(observation.wcs)


def scale(size: float, pixels: float) -> tuple[float, str]:
    """Choose a round length of about a fifth of an image.

    Args:
        size: of a pixel [arcsec].
        pixels: across the image.

    Returns:
        The length [pixels], and in words.
    """
    length = min(_LENGTHS, key=lambda one: abs(np.log(one / size / pixels / 0.2)))
    return length / size, f"{length:g}″" if length < 60 else f"{length / 60:g}′"


def scale_bar(axes: "Axes", observation: Observation) -> None:
    """Draw a scale bar into the lower left corner, where there is a WCS."""
    size = pixel_size(observation)
    if size is None:
        return
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    length, words = scale(size, right - left)
    x, y = left + 0.05 * (right - left), low + 0.05 * (high - low)
    row, column = int(y - observation.origin[1] + 0.5), int(x + length / 2 - observation.origin[0] + 0.5)
    dark = observation.exposure[row, column] > 0  # where nothing is drawn the paper is light
    colour, bar, text = ("white", outlined(3.6), outlined(1.8)) if dark else ("black", {}, {})
    axes.plot([x, x + length], [y, y], color=colour, lw=2, solid_capstyle="butt", **bar)
    middle = x + length / 2, y + 0.015 * (high - low)
    axes.text(*middle, words, color=colour, ha="center", va="bottom", fontsize=8, **text)


def symbol(values: "xarray.DataArray", psf: str = "") -> str:
    """Return the symbol in LaTeX of a parameter's values.

    Args:
        values: draws or grid points, with the parameter's name.
        psf: its description: the width's symbol depends on its family.
    """
    name = str(values.name)
    own = width_symbol(psf) if name == "psf_width" else ""
    return own or str(values.attrs.get("symbol", "")) or known_parameters()[name].symbol


def label(values: "xarray.DataArray", power: int = 0, psf: str = "") -> str:
    """Write a parameter's symbol with its unit, and the power of ten that its numbers are to be multiplied by."""
    factor = rf"$10^{{{power}}}$ " if power else ""
    return f"${symbol(values, psf)}$ [{factor}{values.attrs.get('units', '')}]"
