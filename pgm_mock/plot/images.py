"""Pictures of observations, mocks and posteriors. Each function returns a Matplotlib figure and saves nothing."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import ArrayLike, Num

from ..errors import InputError
from ..mock import expected_images
from ..observation import Observation
from ..priors import SITES
from ..psf import PSF, GaussianPSF
from ..regions import Region
from ..results import flat_draws, values

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COUNTS = "counts / pixel"
_MAP = "viridis"
_DIVERGING = "RdBu_r"
_LEFT, _RIGHT, _BELOW, _ABOVE, _BETWEEN = 0.95, 1.45, 0.6, 1.0, 2.05
"""Room for labels about axes with a colour bar [inches]: a layout engine would draw everything twice more."""


def plot_field(observation: Observation, regions: Sequence[Region] = ()) -> "Figure":
    """Draw the counts on a logarithmic stretch, with circles about the sources and their names."""
    figure, axes = _figure(observation, (8.8, 7.6))
    stretched = np.where(observation.exposure > 0, observation.counts, np.nan)
    top = max(float(observation.counts.max()), 1.0)
    from matplotlib.colors import SymLogNorm

    image = axes.imshow(stretched, origin="lower", cmap=_MAP, norm=SymLogNorm(1.0, vmin=0, vmax=top))
    _draw_regions(axes, observation, regions)
    _colour_bar(figure, image, axes, _COUNTS, ticks=[t for t in (0, 1, 3, 10, 30, 100, 300, 1000, 10_000) if t <= top])
    axes.set_title(f"{observation.name or 'Observation'}: {observation.counts.sum():,} counts", pad=36)
    return figure


def plot_exposure(observation: Observation, regions: Sequence[Region] = ()) -> "Figure":
    """Draw the exposure map, with circles about the sources."""
    figure, axes = _figure(observation, (8.8, 7.6))
    exposed = np.where(observation.exposure > 0, observation.exposure, np.nan)
    image = axes.imshow(exposed, origin="lower", cmap="magma", vmin=0)
    _draw_regions(axes, observation, regions)
    _colour_bar(figure, image, axes, f"exposure [{observation.exposure_unit}]")
    axes.set_title(f"{observation.name or 'Observation'}: exposure map", pad=36)
    return figure


def plot_stamp(stamp: Observation, regions: Sequence[Region] = ()) -> "Figure":
    """Draw the counts of a stamp beside its exposure."""
    figure, (left, right) = _figure(stamp, (12.6, 5.6), columns=2)
    counts = left.imshow(np.where(stamp.exposure > 0, stamp.counts, np.nan), origin="lower", cmap=_MAP, vmin=0)
    exposed = np.where(stamp.exposure > 0, stamp.exposure, np.nan)
    exposure = right.imshow(exposed, origin="lower", cmap="magma", vmin=0)
    for axes in (left, right):
        _draw_regions(axes, stamp, regions)
    _colour_bar(figure, counts, left, _COUNTS)
    _colour_bar(figure, exposure, right, f"exposure [{stamp.exposure_unit}]")
    left.set_title(f"{stamp.counts.sum():,} counts", pad=36)
    right.set_title("exposure", pad=36)
    figure.suptitle(stamp.name)
    return figure


def compare_real_and_simulated(data: Num[ArrayLike, "ny nx"], mock: Num[ArrayLike, "ny nx"]) -> "Figure":
    """Draw the observed counts, the simulated counts, and the simulated less the observed, on one scale.

    Args:
        data: observed image, shape (ny, nx) [count / pixel].
        mock: simulated image of the same shape.

    Raises:
        InputError: images of different shapes.
    """
    observed, simulated = np.asarray(data), np.asarray(mock)
    if observed.shape != simulated.shape or observed.ndim != 2:
        raise InputError(f"mock: expected an image of the data's shape {observed.shape}, found {simulated.shape}")
    top = max(float(np.max(observed)), 1.0)
    panels = [
        ("Observed", observed, False),
        ("Simulated", simulated, False),
        ("Difference", simulated - observed, True),
    ]
    return _panels(panels, top, _COUNTS)


def plot_posterior_image(
    stamp: Observation,
    posterior: "xarray.DataTree",
    *,
    psf: PSF = GaussianPSF(),  # noqa: B008 (a constant without state)
    num_draws: int = 200,
) -> "Figure":
    """Draw the observed counts, the posterior mean of the expected counts, and the residual in standard deviations.

    The counts are on a square-root scale. The residual is (N - mu) / sqrt(mu) with mu the posterior mean image, from at
    most `num_draws` draws.
    """
    from matplotlib.colors import PowerNorm

    mean = mean_image(stamp, posterior, psf, num_draws)
    with np.errstate(divide="ignore", invalid="ignore"):
        residual = np.where(mean > 0, (stamp.counts - mean) / np.sqrt(mean), np.nan)
    figure, axes = _figure(stamp, (16.5, 5.0), columns=3)
    top = max(float(stamp.counts.max()), 1.0)
    exposed = stamp.exposure > 0
    for ax, image, title in zip(axes, (stamp.counts, mean), ("observed", "posterior mean of the model"), strict=False):
        scale = PowerNorm(0.5, vmin=0.0, vmax=top)
        shown = ax.imshow(np.where(exposed, image, np.nan), origin="lower", cmap=_MAP, norm=scale)
        ax.set_title(title, pad=36)
        _colour_bar(figure, shown, ax, _COUNTS)
    limit = max(4.0, float(np.nanmax(np.abs(residual))))
    shown = axes[2].imshow(residual, origin="lower", cmap=_DIVERGING, vmin=-limit, vmax=limit)
    axes[2].set_title("residual", pad=36)
    _colour_bar(figure, shown, axes[2], r"$(N_k - \mu_k)\,/\,\sqrt{\mu_k}$")
    figure.suptitle(stamp.name)
    return figure


def mean_image(
    stamp: Observation,
    posterior: "xarray.DataTree",
    psf: PSF = GaussianPSF(),  # noqa: B008 (a constant without state)
    num_draws: int = 200,
) -> np.ndarray:
    """Average the expected counts over draws spread evenly through the posterior."""
    drawn = flat_draws(posterior)
    size = len(drawn["flux"])
    chosen = np.linspace(0, size - 1, min(num_draws, size)).astype(int)
    return expected_images(stamp, {name: draws[chosen] for name, draws in drawn.items()}, psf).mean(axis=0)


def plot_prior_predictive(mocks: "xarray.DataTree", rows: int = 3, columns: int = 5) -> "Figure":
    """Draw a gallery of mock images, each on its own scale, with its counts and its parameters' flux and width."""
    import matplotlib.pyplot as plt

    images = values(mocks, "prior_predictive", "counts")[0]
    drawn = {name: values(mocks, "prior", name)[0] for name in SITES}
    unit = mocks["prior"]["flux"].attrs["units"]
    figure, axes = plt.subplots(rows, columns, figsize=(2.5 * columns, 2.85 * rows), layout="constrained")
    for ax in axes.flat:
        ax.axis("off")
    for number, (ax, image) in enumerate(zip(axes.flat, images, strict=False)):
        ax.imshow(image, origin="lower", cmap=_MAP, vmin=0, vmax=max(image.max(), 1))
        flux, width = drawn["flux"][number], drawn["psf_width"][number]
        ax.set_title(
            f"{image.sum():,} counts, max {image.max():,}\nF = {flux:.2g} {unit}, σ = {width:.1f} px", fontsize=8
        )
    figure.suptitle("Images drawn from the prior")
    return figure


def _figure(observation: Observation, size: tuple[float, float], columns: int = 1) -> "tuple[Figure, Any]":
    """Make axes with sky coordinates below and left, where there is a WCS, and FITS pixels above and right."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=size)
    width, height = size
    panel = (width - _LEFT - _RIGHT - (columns - 1) * _BETWEEN) / columns
    figure.subplots_adjust(_LEFT / width, _BELOW / height, 1 - _RIGHT / width, 1 - _ABOVE / height, _BETWEEN / panel)
    axes = [_axes(figure, observation, (1, columns, number)) for number in range(1, columns + 1)]
    exposed = np.argwhere(observation.exposure > 0)
    (low, left), (high, right) = exposed.min(axis=0) - 8, exposed.max(axis=0) + 8
    ny, nx = observation.shape
    for ax in axes:
        ax.set(xlim=(max(left, -0.5), min(right, nx - 0.5)), ylim=(max(low, -0.5), min(high, ny - 0.5)))
        ax.set_autoscale_on(False)
    return figure, axes[0] if columns == 1 else axes


def _axes(figure: "Figure", observation: Observation, place: tuple[int, int, int]) -> "Axes":
    from astropy.wcs import WCS

    pixels = WCS(naxis=2)
    pixels.wcs.crval = observation.origin
    pixels.wcs.crpix = (1, 1)
    if observation.wcs is None:
        axes = figure.add_subplot(*place, projection=pixels)
        axes.set(xlabel="x [pixel]", ylabel="y [pixel]")
        return axes
    sky = observation.wcs.deepcopy()
    sky.wcs.crpix = sky.wcs.crpix - np.array(observation.origin) + 1
    axes = figure.add_subplot(*place, projection=sky)
    axes.set(xlabel="right ascension", ylabel="declination" if place[2] == 1 else " ")
    for coordinate, side in zip(axes.coords, "bl", strict=True):
        coordinate.set_ticks_position(side)
    overlay = axes.get_coords_overlay(pixels)
    for coordinate, sides, label in ((overlay[0], "t", "x [pixel]"), (overlay[1], "r", "y [pixel]")):
        coordinate.set_ticks_position(sides)
        coordinate.set_ticklabel_position(sides)
        coordinate.set_axislabel_position(sides)
        coordinate.set_axislabel(label, fontsize=9)
        coordinate.set_ticklabel(size=8)
    return axes


def _draw_regions(axes: "Axes", observation: Observation, regions: Iterable[Region]) -> None:
    from matplotlib.patches import Circle
    from matplotlib.patheffects import withStroke

    outlined: dict[str, Any] = {"path_effects": [withStroke(linewidth=2.2, foreground="black")]}
    ny, nx = observation.shape
    for region in regions:
        x, y = region.x - observation.origin[0], region.y - observation.origin[1]
        if not (-0.5 <= x <= nx - 0.5 and -0.5 <= y <= ny - 0.5):
            continue
        radius = region.radius if np.isfinite(region.radius) else 3.0
        axes.add_patch(Circle((x, y), radius, fill=False, ec="white", lw=1.0, **outlined))
        style: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": 7, "clip_on": True} | outlined
        axes.text(x, y + radius + 1, region.name, color="white", **style)


def _colour_bar(figure: "Figure", image: Any, axes: "Axes", label: str, ticks: list[float] | None = None) -> None:
    """Put a colour bar right of the pixel axis; it follows the axes where their aspect makes them narrower."""
    axes.apply_aspect()
    width = axes.get_position().width * figure.get_figwidth()
    bar = figure.colorbar(image, cax=axes.inset_axes((1 + 0.62 / width, 0, 0.15 / width, 1)), label=label)
    if ticks:
        bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
        bar.minorticks_off()


def _panels(panels: list[tuple[str, np.ndarray, bool]], top: float, label: str) -> "Figure":
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(panels), figsize=(4.6 * len(panels), 4.4), layout="constrained")
    for ax, (title, picture, signed) in zip(axes, panels, strict=True):
        limits = {"cmap": _DIVERGING, "vmin": -top, "vmax": top} if signed else {"cmap": _MAP, "vmin": 0, "vmax": top}
        image = ax.imshow(picture, origin="lower", **limits)
        ax.set(title=title, xlabel="column", ylabel="row")
        figure.colorbar(image, ax=ax, label=label, fraction=0.045, pad=0.02)
    return figure
