"""Four panels on one scale: observed, expected, mock, and their difference."""

from typing import TYPE_CHECKING

import numpy as np

from .view import View

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

TITLES = ("observed", "expected", "mock", "mock − observed")


class Panels:
    """The pictures of a view, drawn once and then only given new numbers."""

    def __init__(self, figure: "Figure | SubFigure", first: View, name: str) -> None:
        """Draw the first view.

        Args:
            figure: where to; it holds nothing else.
            first: what to show.
            name: of the stamp.
        """
        self.top = max(float(first.observed.max()), 1.0)
        self.name = name
        self.figure = figure
        self.axes = figure.subplots(1, 4)
        figure.subplots_adjust(left=0.03, right=0.92, bottom=0.02, top=0.78, wspace=0.06)
        self.images = []
        for ax, title in zip(self.axes, TITLES, strict=True):
            signed = title == TITLES[3]
            limits = {"cmap": "RdBu_r", "vmin": -self.top} if signed else {"cmap": "viridis", "vmin": 0}
            shape = np.zeros(first.observed.shape)
            self.images.append(ax.imshow(shape, origin="lower", vmax=self.top, interpolation="nearest", **limits))
            ax.set(xticks=[], yticks=[])
            ax.set_title(title, fontsize=10)
        for image, place in ((self.images[2], 0.94), (self.images[3], 0.972)):
            bar = figure.colorbar(image, cax=figure.add_axes((place, 0.1, 0.008, 0.6)))
            bar.ax.tick_params(labelsize=7)
            bar.ax.set_title("ct/pix", fontsize=7)
        self.says = figure.suptitle("", fontsize=10)
        self.show(first)

    def show(self, view: View) -> None:
        """Show another view on the same scale, which is that of the observed counts."""
        for image, values in zip(self.images, (view.observed, view.expected, view.mock, view.difference), strict=True):
            image.set_data(values)
        counts = (
            f"{view.observed.sum():,} observed, {view.expected.sum():,.1f} expected, {view.mock.sum():,} in the mock"
        )
        self.says.set_text(f"{self.name}: {counts}; ln likelihood {view.log_likelihood:.2f}")
