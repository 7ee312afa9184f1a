"""Several images of one source side by side: counts, the posterior's mean image, and where the source is."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..inference.together import ImagesPosterior
from ..mock import mean_expected
from ..results import values
from ..skystamps import SkyStamps

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

_PER_ROW = 6


def plot_images(stamps: SkyStamps, posterior: "xarray.DataTree") -> "Figure":
    """Draw each image's counts above the posterior's mean image, on arcsec east and north of the place asked for.

    Args:
        stamps: of the images.
        posterior: of `fit`.
    """
    import matplotlib.pyplot as plt

    columns = min(len(stamps), _PER_ROW)
    rows = -(-len(stamps) // columns)
    figure, panels = plt.subplots(
        2 * rows, columns, figsize=(2.5 * columns + 0.4, 4.9 * rows + 0.4), layout="constrained", squeeze=False
    )
    means = mean_images(stamps, posterior)
    shared = np.array([float(np.median(values(posterior, "posterior", axis))) for axis in ("east", "north")])
    for axes in panels.flat[:]:
        axes.axis("off")
    for number, (image, mean) in enumerate(zip(stamps.images, means, strict=True)):
        row, column = divmod(number, columns)
        counts = np.where(image.observation.exposure > 0, image.observation.counts, np.nan)
        top = max(float(np.nanmax(mean)), 2.0)
        for line, (seen, what) in enumerate(((counts, "counts"), (mean, "mean of the posterior"))):
            axes = panels[2 * row + line, column]
            axes.axis("on")
            shown = _on_sky(axes, stamps, number, seen, cmap="viridis", vmin=0.0, vmax=top)
            axes.plot(*shared, marker="+", color="white", ms=11, mew=1.3)
            axes.set_title(image.name.replace("_", " ") if line == 0 else what, fontsize=9)
            axes.tick_params(labelsize=7)
            if column == 0:
                axes.set_ylabel("north [arcsec]", fontsize=8)
            if line == 1:
                axes.set_xlabel("east [arcsec]", fontsize=8)
            figure.colorbar(shown, ax=axes, shrink=0.8, pad=0.02).ax.tick_params(labelsize=7)
    figure.suptitle(f"{stamps.name}: counts / pixel; the cross is the place found", fontsize=10)
    return figure


def mean_images(stamps: SkyStamps, posterior: "xarray.DataTree") -> list[np.ndarray]:
    """Return the posterior's mean expected counts of each image, shape (ny, nx); NaN where nothing is exposed."""
    drawn = {str(name): values(posterior, "posterior", str(name)) for name in posterior["posterior"].data_vars}
    priors = ImagesPosterior.priors_of(posterior, stamps)
    found = []
    for image, own, parameters in zip(
        stamps.images, priors, ImagesPosterior.of_each(stamps, priors, drawn), strict=True
    ):
        mean = mean_expected(image.observation, parameters, own.psf, own.scene)
        found.append(np.where(image.observation.exposure > 0, mean, np.nan))
    return found


def _on_sky(axes: Any, stamps: SkyStamps, number: int, image: np.ndarray, **style: Any) -> Any:
    """Show an image on the sky, whatever its rotation: the corners of its pixels are turned into arcsec."""
    stamp = stamps.images[number].observation
    corners = np.stack(
        np.meshgrid(
            stamp.origin[0] - 0.5 + np.arange(stamp.shape[1] + 1), stamp.origin[1] - 0.5 + np.arange(stamp.shape[0] + 1)
        ),
        axis=-1,
    )
    sky = (corners - stamps.places[number]) @ np.linalg.inv(stamps.matrices[number]).T
    shown = axes.pcolormesh(sky[..., 0], sky[..., 1], image, rasterized=True, **style)
    axes.set_aspect("equal")
    axes.set_xlim(sky[..., 0].max(), sky[..., 0].min())  # east is to the left
    axes.set_facecolor("0.85")
    return shown
