"""Play in a Matplotlib window."""

import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..observation import Observation
from ..priors import Priors
from .panels import Panels
from .state import State
from .view import Slider

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class PlayWindow:
    """A figure with sliders; keep it as long as the window is open.

    Attributes:
        figure: the window's.
        state: what is set.
        ranges: what each slider spans.
        sliders: Matplotlib's sliders by name; those of positive parameters hold the decimal logarithm.
        buttons: Matplotlib's buttons by what they do: "noise", "best", "copy".
        copied: the last line that "copy" gave.
    """

    def __init__(self, state: State) -> None:
        """Draw the panels and put the sliders below them."""
        import matplotlib.pyplot as plt
        from matplotlib.widgets import Button

        self.state = state
        self.copied = ""
        self.ranges = state.sliders()
        room = 0.44 * max(len(self.ranges), 6)  # for the sliders [inches]
        self.figure: Figure = plt.figure(figsize=(12.5, 3.56 + room))
        parts: Any = self.figure.subfigures(2, 1, height_ratios=(3.56, room))
        above, below = parts
        self.panels = Panels(above, state.view(), state.stamp.name)
        step = 0.84 / max(len(self.ranges), 6)
        self.sliders = {
            one.name: self._slider(below.add_axes((0.2, 0.88 - step * number, 0.5, 0.7 * step)), one)
            for number, one in enumerate(self.ranges)
        }
        self.buttons: dict[str, Any] = {}
        labels = {"noise": "new noise", "best": "best fit", "copy": "copy parameters"}
        actions: dict[str, Callable[[Any], None]] = {"noise": self.new_noise, "best": self.best_fit, "copy": self.copy}
        for number, (name, label) in enumerate(labels.items()):
            button = Button(below.add_axes((0.83, 0.7 - 0.25 * number, 0.14, 0.18)), label)
            button.on_clicked(actions[name])
            self.buttons[name] = button
        # What moves is drawn over a copy of all the rest: the whole figure would take a fifth of a second.
        self._background: Any = None
        self._moving = [*self.panels.images, self.panels.says, *(slider.ax for slider in self.sliders.values())]
        for artist in self._moving:
            artist.set_animated(True)
        self.figure.canvas.mpl_connect("draw_event", self._drawn)

    def _slider(self, axes: Any, one: Slider) -> Any:
        from matplotlib.widgets import Slider as MatplotlibSlider

        low, high, start = (math.log10(v) if one.logarithmic else v for v in (one.low, one.high, one.start))
        slider = MatplotlibSlider(axes, one.label, low, high, valinit=start)
        slider.valtext.set_text(f"{one.start:.4g}")
        slider.drawon = False
        slider.on_changed(lambda value: self._moved(one, slider, value))
        return slider

    def _moved(self, one: Slider, slider: Any, value: float) -> None:
        setting = 10.0**value if one.logarithmic else value
        slider.valtext.set_text(f"{setting:.4g}")
        self.state.settings[one.name] = setting
        self._redraw()

    def _redraw(self) -> None:
        self.panels.show(self.state.view())
        canvas: Any = self.figure.canvas
        if self._background is None:
            canvas.draw_idle()
            return
        canvas.restore_region(self._background)
        self._draw_moving()
        canvas.blit(self.figure.bbox)

    def _drawn(self, _: object) -> None:
        """Keep a copy of what does not move, and draw what does over it."""
        canvas: Any = self.figure.canvas
        if canvas.supports_blit:
            self._background = canvas.copy_from_bbox(self.figure.bbox)
        self._draw_moving()

    def _draw_moving(self) -> None:
        for artist in self._moving:
            self.figure.draw_artist(artist)

    def new_noise(self, _: object = None) -> None:
        """Draw the mock's counts anew."""
        self.state.new_noise()
        self._redraw()

    def best_fit(self, _: object = None) -> None:
        """Move all sliders to the posterior's highest mode."""
        self.state.go_to_best_fit()
        for one in self.ranges:
            slider, value = self.sliders[one.name], self.state.settings[one.name]
            slider.eventson = False
            slider.set_val(math.log10(value) if one.logarithmic else value)
            slider.valtext.set_text(f"{value:.4g}")
            slider.eventson = True
        self._redraw()

    def copy(self, _: object = None) -> None:
        """Print the parameters as a line of Python."""
        self.copied = self.state.as_python()
        sys.stdout.write(self.copied + "\n")
        sys.stdout.flush()


def play_window(
    stamp: Observation,
    priors: Priors,
) -> PlayWindow:
    """Make a window with a slider for each parameter and for the exposure, beside the observed stamp.

    Neighbours have none: they stay at the medians of their priors, until the best fit is asked for.

    Args:
        stamp: what was observed.
        priors: give the sliders' ranges, and the start: their medians.

    Returns:
        The window; `matplotlib.pyplot.show()` opens it.
    """
    return PlayWindow(State(stamp, priors))
