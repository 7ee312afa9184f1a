"""The one picture that the course draws again and again."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..plot.axes import extent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def show(
    image: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    *,
    ax: "Axes | None" = None,
    title: str = "",
    label: str = "counts / pixel",
    **options: Any,
) -> "Axes":
    """Show an image on axes that count as FITS does, with a colour bar.

    Args:
        image: values of shape (ny, nx).
        x, y: coordinates of the pixels, of the same shape [FITS image pixels].
        ax: axes to draw in; new ones by default.
        title, label: above the image, and of the colour bar.
        options: of matplotlib's `imshow`, such as vmin and vmax.

    Returns:
        The axes.
    """
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(figsize=(5.4, 4.4), layout="constrained")
    shown = ax.imshow(image, origin="lower", extent=extent(x, y), **{"cmap": "viridis", **options})
    ax.figure.colorbar(shown, ax=ax, label=label, shrink=0.85)
    ax.set(title=title, xlabel="x [pixel]", ylabel="y [pixel]")
    return ax
