"""Pictures of observations, mocks and posteriors. Each function returns a Matplotlib figure and saves nothing."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import ArrayLike, Num

from ..errors import InputError
from ..mock import mean_expected
from ..observation import Observation
from ..psf import PSF, GaussianPSF
from ..regions import Region
from ..results import fitted_to, flat_draws, psf_of, scene_of, values
from .axes import (
    COUNTS,
    COUNTS_MAP,
    EXPOSURE_MAP,
    SIGNED_MAP,
    UNEXPOSED,
    Panel,
    colour_bar,
    explain_marks,
    extent,
    logarithmic,
    mark_places,
    scale_bar,
    show,
    signed,
    sky_panels,
)
from .circles import draw_regions
from .smooth import smoothed_significance, smoothing_width

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure


def plot_field(observation: Observation, regions: Sequence[Region] = ()) -> "Figure":
    """Draw the counts on a logarithmic stretch, with circles about the sources and their names."""
    name = observation.name or "Observation"
    figure, (panel,) = sky_panels(observation, [f"{name}: {observation.counts.sum():,} counts"], 6.0)
    show(panel, observation, observation.counts, COUNTS, **logarithmic(observation.counts))
    draw_regions(panel.axes, observation, regions)
    scale_bar(panel.axes, observation)
    return figure


def plot_exposure(observation: Observation, regions: Sequence[Region] = ()) -> "Figure":
    """Draw the exposure map, with circles about the sources."""
    figure, (panel,) = sky_panels(observation, [f"{observation.name or 'Observation'}: exposure map"], 6.0)
    _show_exposure(panel, observation)
    draw_regions(panel.axes, observation, regions)
    scale_bar(panel.axes, observation)
    return figure


def plot_stamp(stamp: Observation, regions: Sequence[Region] = ()) -> "Figure":
    """Draw the counts of a stamp beside its exposure."""
    figure, (left, right) = sky_panels(stamp, [f"{stamp.counts.sum():,} counts", "exposure"], 3.6, name=stamp.name)
    show(left, stamp, stamp.counts, COUNTS, cmap=COUNTS_MAP, vmin=0, vmax=max(stamp.counts.max(), 1))
    _show_exposure(right, stamp)
    for panel in (left, right):
        panel.axes.set_facecolor(UNEXPOSED)
        draw_regions(panel.axes, stamp, regions)
        scale_bar(panel.axes, stamp)
    return figure


def compare_real_and_simulated(
    data: Observation | Num[ArrayLike, "ny nx"],
    mock: Num[ArrayLike, "ny nx"],
    x: Num[ArrayLike, "ny nx"] | None = None,
    y: Num[ArrayLike, "ny nx"] | None = None,
) -> "Figure":
    """Draw the observed counts, the simulated counts, and the simulated less the observed, on one scale.

    Args:
        data: observed image, shape (ny, nx) [count / pixel], or an observation, which has its own coordinates.
        mock: simulated image of the same shape.
        x, y: ramps of the pixels' coordinates, such as `stamp.x` and `stamp.y`, or one coordinate for each column and
            for each row [FITS image pixels]; by default from 1.

    Raises:
        InputError: images of different shapes, or ramps that do not fit them.
    """
    exposed: Any = True
    if isinstance(data, Observation):
        x, y, exposed = data.columns, data.rows, data.exposure > 0
    observed = np.asarray(data.counts if isinstance(data, Observation) else data)
    simulated = np.asarray(mock)
    if observed.shape != simulated.shape or observed.ndim != 2:
        raise InputError(f"mock: expected an image of the data's shape {observed.shape}, found {simulated.shape}")
    place = extent(*(_ramp(name, ramp, observed.shape) for name, ramp in (("x", x), ("y", y))))
    top = max(float(np.max(observed)), 1.0)
    counts: dict[str, Any] = {"cmap": COUNTS_MAP, "vmin": 0, "vmax": top}
    difference: dict[str, Any] = {"cmap": SIGNED_MAP, "vmin": -top, "vmax": top}
    shown = [
        ("observed", observed, counts, COUNTS),
        ("simulated", simulated, counts, COUNTS),
        ("simulated − observed", simulated - observed, difference, "simulated − observed [counts / pixel]"),
    ]
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(12.0, 3.7), layout="constrained", sharex=True, sharey=True)
    for ax, (title, picture, how, label) in zip(axes, shown, strict=True):
        ax.set_facecolor(UNEXPOSED)
        image = ax.imshow(np.where(exposed, picture, np.nan), origin="lower", extent=place, **how)
        ax.set_title(title, fontsize=10)
        ax.set_xlabel("x [pixel]", fontsize=9)
        ax.tick_params(labelsize=8)
        colour_bar(image, ax.inset_axes((1.03, 0, 0.045, 1)), label)
    axes[0].set_ylabel("y [pixel]", fontsize=9)
    return figure


def _ramp(name: str, ramp: Num[ArrayLike, "..."] | None, shape: tuple[int, ...]) -> np.ndarray:
    """Return the coordinates of the columns (x) or rows (y); by default from 1."""
    number = shape[1 if name == "x" else 0]
    if ramp is None:
        return np.arange(1.0, number + 1)
    given = np.asarray(ramp, float)
    if given.shape != shape and given.size != number:
        raise InputError(f"{name}: expected a ramp of the image's shape {shape}, found {given.shape}")
    return given


def plot_posterior_image(
    stamp: Observation,
    posterior: "xarray.DataTree",
    *,
    psf: PSF | None = None,
    num_draws: int = 200,
) -> "Figure":
    """Draw the observed counts, the posterior mean of the expected counts, the residual, and the smoothed residual.

    The counts are on a square-root scale. With mu the posterior mean image, from at most `num_draws` draws, the
    residual is (N - mu) / sqrt(mu), which at few counts a pixel shows single photons; so that beside it stands the
    residual smoothed with a Gaussian, in its own standard deviations. A ring marks the place asked for (the middle of
    the prior), a cross the median of the posterior.
    The PSF is the posterior's own unless another is given.
    """
    from matplotlib.colors import PowerNorm

    mean = mean_image(stamp, posterior, psf, num_draws)
    exposed = stamp.exposure > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        residual = np.where(exposed & (mean > 0), (stamp.counts - mean) / np.sqrt(mean), np.nan)
    width = smoothing_width(mean, exposed)
    smooth = smoothed_significance(stamp.counts, mean, exposed, width)
    titles = [
        "observed",
        "model: mean of the posterior",
        "residual",
        f"smoothed residual, Gaussian σ = {width:g} pixel",
    ]
    figure, panels = sky_panels(stamp, titles, 2.9, rows=2, name=stamp.name)
    top = max(float(stamp.counts.max()), 1.0)
    for panel, image in zip(panels[:2], (stamp.counts, mean), strict=True):
        show(panel, stamp, image, COUNTS, cmap=COUNTS_MAP, norm=PowerNorm(0.5, vmin=0.0, vmax=top))
    show(panels[2], stamp, residual, r"$(N - \mu)\,/\,\sqrt{\mu}$", **signed(residual))
    show(panels[3], stamp, smooth, "significance [σ]", **signed(smooth))
    asked, found = places(posterior)
    for panel, colour in zip(panels, ("white", "white", "black", "black"), strict=True):
        panel.axes.set_facecolor(UNEXPOSED)
        marks = mark_places(panel.axes, asked, found, colour)
    scale_bar(panels[0].axes, stamp)
    explain_marks(figure, marks, loc="upper left", frameon=False)
    return figure


def places(posterior: "xarray.DataTree") -> tuple[tuple[float, float] | None, tuple[float, float]]:
    """Return the place asked for and the place found [FITS image pixels].

    The first is the median of the prior, None where the result does not say its priors in words that can be read; the
    second is the median of the posterior.
    """
    drawn = flat_draws(posterior)
    found = float(np.median(drawn["x_pos"])), float(np.median(drawn["y_pos"]))
    try:
        priors = fitted_to(posterior, GaussianPSF())[1]  # the place has nothing to do with the PSF
    except InputError:
        return None, found
    x, y = (float(priors.quantiles(name, [0.5])[0]) for name in ("x_pos", "y_pos"))
    return (x, y), found


def mean_image(
    stamp: Observation,
    posterior: "xarray.DataTree",
    psf: PSF | None = None,
    num_draws: int = 200,
) -> np.ndarray:
    """Average the expected counts over draws spread evenly through the posterior, with its own PSF by default."""
    return mean_expected(stamp, flat_draws(posterior), psf_of(posterior, psf), scene_of(posterior), num_draws)


def plot_prior_predictive(mocks: "xarray.DataTree", rows: int = 3, columns: int = 5) -> "Figure":
    """Draw a gallery of mock images on one logarithmic scale, with the counts, flux and width of each."""
    import matplotlib.pyplot as plt

    images = values(mocks, "prior_predictive", "counts")[0][: rows * columns]
    drawn = {name: values(mocks, "prior", name)[0] for name in ("flux", "psf_width")}
    unit = mocks["prior"]["flux"].attrs["units"]
    place = extent(values(mocks, "prior_predictive", "x"), values(mocks, "prior_predictive", "y"))
    scale = logarithmic(images)
    size = (2.05 * columns + 0.9, 2.35 * rows + 0.7)
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    for ax in axes.flat[len(images) :]:
        ax.axis("off")
    for number, (ax, image) in enumerate(zip(axes.flat, images, strict=False)):
        shown = ax.imshow(image, origin="lower", extent=place, **scale)
        flux, width = drawn["flux"][number], drawn["psf_width"][number]
        said = f"{image.sum():,} counts, up to {image.max():,} a pixel"
        ax.set_title(f"{said}\nF = {flux:.2g} {unit}, σ = {width:.1f} pixel", fontsize=7)
        row, column = divmod(number, columns)
        ax.tick_params(labelsize=7, labelleft=column == 0, labelbottom=row == rows - 1)
        ax.set_xlabel("x [pixel]" if row == rows - 1 else "", fontsize=8)
        ax.set_ylabel("y [pixel]" if column == 0 else "", fontsize=8)
    colour_bar(shown, None, COUNTS, ax=axes, fraction=0.03, pad=0.01, aspect=40)
    figure.suptitle("Images drawn from the prior, on one scale", fontsize=11)
    return figure


def _show_exposure(panel: Panel, observation: Observation) -> None:
    label = f"exposure [{observation.exposure_unit}]"
    show(panel, observation, observation.exposure, label, cmap=EXPOSURE_MAP, vmin=0, vmax=observation.exposure.max())
