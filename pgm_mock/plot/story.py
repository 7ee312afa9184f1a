"""The whole story in one picture: field, model, mocks, stamp, posterior, and what the posterior expects."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..observation import Observation
from ..psf import PSF
from ..regions import Region
from ..results import values
from .axes import colour_bar, extent, label, logarithmic, window
from .corner import draw_pair, explain_lines, power_of_ten
from .images import mean_image

if TYPE_CHECKING:
    import xarray
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
    psf: PSF | None = None,
) -> "Figure":
    """Draw six panels, from the field to the posterior.

    Args:
        field: the image.
        stamp: about one source of it.
        graph: of `model_graph`.
        mocks: of `prior_predictive`, at least four.
        posterior: of `fit`.
        regions: circles to draw on the field.
        psf: the family of the PSF; by default the one that the posterior was computed with.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(12.5, 8.2), layout="constrained")
    (data, model, simulated), (source, inferred, expected) = axes
    top = max(float(stamp.counts.max()), 1.0)
    shown = np.where(field.exposure > 0, field.counts, np.nan)
    data.imshow(shown, origin="lower", extent=extent(field.columns, field.rows), **logarithmic(field.counts))
    left, right, low, high = window(field)
    data.set(xlim=(left, right), ylim=(low, high))
    for region in regions:
        data.add_patch(plt.Circle((region.x, region.y), max(region.radius, 5), fill=False, ec="white", lw=0.8))
    left, right, low, high = extent(stamp.columns, stamp.rows)
    data.add_patch(plt.Rectangle((left, low), right - left, high - low, fill=False, ec="C3", lw=1.6))
    data.set_title(f"1. photons are counted: {field.counts.sum():,} of them")
    model.imshow(plt.imread(io.BytesIO(graph._repr_png_())))
    model.set_title("2. a model says where they come from")
    simulated.imshow(_mosaic(values(mocks, "prior_predictive", "counts")[0][:4]), origin="lower", vmin=0, vmax=top)
    simulated.set_title("3. from its priors it makes images")
    counts = source.imshow(np.where(stamp.exposure > 0, stamp.counts, np.nan), origin="lower", vmin=0, vmax=top)
    source.set_title(f"4. about one source: {stamp.counts.sum():,} counts")
    group = posterior["posterior"].to_dataset()
    flux = group["flux"].values.ravel()
    power = power_of_ten(flux)
    draw_pair(inferred, group["psf_width"].values.ravel(), flux / 10.0**power)
    inferred.set_xlabel(f"PSF width {label(group['psf_width'])}")
    inferred.set_ylabel(f"flux {label(group['flux'], power)}")
    inferred.set_title("5. given them, its parameters")
    explain_lines(inferred, 2, [], False)
    mean = np.where(stamp.exposure > 0, mean_image(stamp, posterior, psf), np.nan)
    expected.imshow(mean, origin="lower", vmin=0, vmax=top)
    expected.set_title("6. and the image that they expect")
    colour_bar(counts, None, "counts / pixel in 3, 4 and 6", ax=axes[:, 2], fraction=0.05, aspect=45, extend="max")
    for ax in (data, model, simulated, source, expected):
        ax.set(xticks=[], yticks=[], frame_on=False)
    return figure


def _mosaic(images: np.ndarray) -> np.ndarray:
    """Put four images into one, with a gap."""
    ny, nx = images.shape[1:]
    whole = np.full((2 * ny + 2, 2 * nx + 2), np.nan)
    for number, image in enumerate(images):
        row, column = divmod(number, 2)
        whole[row * (ny + 2) : row * (ny + 2) + ny, column * (nx + 2) : column * (nx + 2) + nx] = image
    return whole
