"""The whole story in one picture: field, model, mocks, stamp, posterior, and what the posterior expects."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..observation import Observation
from ..regions import Region
from ..results import values
from .corner import draw_pair
from .images import mean_image

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class _Drawable(Protocol):
    def _repr_png_(self) -> bytes: ...


def plot_story(
    field: Observation,
    stamp: Observation,
    graph: _Drawable,
    mocks: "xarray.DataTree",
    posterior: "xarray.DataTree",
    regions: Sequence[Region] = (),
) -> "Figure":
    """Draw six panels, from the field to the posterior.

    Args:
        field: the image.
        stamp: about one source of it.
        graph: of `model_graph`.
        mocks: of `prior_predictive`, at least four.
        posterior: of `fit`.
        regions: circles to draw on the field.
    """
    import matplotlib.pyplot as plt
    from matplotlib.colors import SymLogNorm

    figure, axes = plt.subplots(2, 3, figsize=(12.5, 8.2), layout="constrained")
    (data, model, simulated), (source, inferred, expected) = axes
    top = max(float(stamp.counts.max()), 1.0)
    shown = np.where(field.exposure > 0, field.counts, np.nan)
    data.imshow(shown, origin="lower", cmap="viridis", norm=SymLogNorm(1.0, vmin=0, vmax=max(field.counts.max(), 1)))
    exposed = np.argwhere(field.exposure > 0)
    (low, left), (high, right) = exposed.min(axis=0), exposed.max(axis=0)
    data.set(xlim=(left - 5, right + 5), ylim=(low - 5, high + 5))
    for region in regions:
        circle = plt.Circle((region.x - field.origin[0], region.y - field.origin[1]), max(region.radius, 5), fill=False)
        circle.set(edgecolor="white", linewidth=0.8)
        data.add_patch(circle)
    _outline(data, field, stamp)
    data.set_title(f"1. photons are counted: {field.counts.sum():,} of them")
    model.imshow(plt.imread(io.BytesIO(graph._repr_png_())))
    model.set_title("2. a model says where they come from")
    simulated.imshow(_mosaic(values(mocks, "prior_predictive", "counts")[0][:4]), origin="lower", vmin=0, vmax=top)
    simulated.set_title("3. from its priors it makes images")
    source.imshow(np.where(stamp.exposure > 0, stamp.counts, np.nan), origin="lower", vmin=0, vmax=top)
    source.set_title(f"4. about one source: {stamp.counts.sum():,} counts")
    group = posterior["posterior"].to_dataset()
    draw_pair(inferred, group["psf_width"].values.ravel(), group["flux"].values.ravel())
    inferred.set_xlabel(f"PSF width σ [{group['psf_width'].attrs['units']}]")
    inferred.set_ylabel(f"flux F [{group['flux'].attrs['units']}]")
    inferred.ticklabel_format(axis="y", scilimits=(0, 0))
    inferred.set_title("5. given them, its parameters")
    expected.imshow(mean_image(stamp, posterior), origin="lower", vmin=0, vmax=top)
    expected.set_title("6. and the image that they expect")
    for ax in (data, model, simulated, source, expected):
        ax.set(xticks=[], yticks=[], frame_on=False)
    return figure


def _outline(axes: "Axes", field: Observation, stamp: Observation) -> None:
    """Draw the stamp's edge on the field."""
    from matplotlib.patches import Rectangle

    left, below = stamp.origin[0] - field.origin[0] - 0.5, stamp.origin[1] - field.origin[1] - 0.5
    ny, nx = stamp.shape
    axes.add_patch(Rectangle((left, below), nx, ny, fill=False, edgecolor="C3", linewidth=1.6))


def _mosaic(images: np.ndarray) -> np.ndarray:
    """Put four images into one, with a gap."""
    ny, nx = images.shape[1:]
    whole = np.full((2 * ny + 2, 2 * nx + 2), np.nan)
    for number, image in enumerate(images):
        row, column = divmod(number, 2)
        whole[row * (ny + 2) : row * (ny + 2) + ny, column * (nx + 2) : column * (nx + 2) + nx] = image
    return whole
