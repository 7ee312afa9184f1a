"""Play in a notebook, with ipywidgets."""

import asyncio
import io
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..observation import Observation
from ..priors import Priors
from .panels import Panels
from .state import State
from .view import Slider

if TYPE_CHECKING:
    from ipywidgets import VBox

_PAUSE = 0.05
"""How long steps of a slider are gathered before they are drawn [s]."""


def play_widget(
    stamp: Observation,
    priors: Priors,
) -> "VBox":
    """Make sliders for the parameters and the exposure, beside the observed stamp, for a notebook.

    Neighbours have none: they stay at the medians of their priors, until the best fit is asked for.

    Args:
        stamp: what was observed.
        priors: give the sliders' ranges, and the start: their medians.

    Returns:
        A box of widgets: the pictures, the sliders, and buttons for new noise, the best fit and a line to copy.

    Raises:
        InputError: ipywidgets is not installed.
    """
    try:
        import ipywidgets
    except ImportError as error:
        raise InputError('play_widget: expected ipywidgets, found none; pip install ".[notebooks]" has it') from error
    state = State(stamp, priors)
    picture = _Picture(state)
    image = ipywidgets.Image(value=picture.png(), format="png", width=1000)
    line = ipywidgets.Text(value=state.as_python(), description="to copy", layout={"width": "780px"})
    made = {one.name: _slider(ipywidgets, one) for one in state.sliders()}
    names = {slider: name for name, slider in made.items()}

    def show() -> None:
        image.value = picture.png()
        line.value = state.as_python()

    show_soon = _gathered(show)

    def moved(change: Any) -> None:
        name = names[change["owner"]]
        if not _same_step(change["owner"], state.settings[name], change["new"]):
            state.settings[name] = change["new"]
            show_soon()

    def best(_: Any) -> None:
        state.go_to_best_fit()
        for name, value in ((name, state.settings[name]) for name in made if name in state.parameters):
            made[name].unobserve(moved, "value")
            made[name].value = value
            made[name].observe(moved, "value")
        show()

    def noise(_: Any) -> None:
        state.new_noise()
        show()

    for slider in names:
        slider.observe(moved, "value")
    again = ipywidgets.Button(description="new noise")
    again.on_click(noise)
    fitted = ipywidgets.Button(description="best fit")
    fitted.on_click(best)
    return ipywidgets.VBox([image, *made.values(), ipywidgets.HBox([again, fitted]), line])


def _gathered(show: Callable[[], None]) -> Callable[[], None]:
    """Draw once for all the steps that come together: a picture of each would come long after the hand has stopped."""
    waiting = False

    def now() -> None:
        nonlocal waiting
        waiting = False
        show()

    def soon() -> None:
        nonlocal waiting
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # no notebook's kernel
            show()
            return
        if not waiting:
            waiting = True
            loop.call_later(_PAUSE, now)

    return soon


def _slider(ipywidgets: Any, one: Slider) -> Any:
    look = {"description": one.short, "readout_format": ".4g", "layout": {"width": "620px"}}
    if one.logarithmic:
        low, high = math.log10(one.low), math.log10(one.high)
        return ipywidgets.FloatLogSlider(value=one.start, min=low, max=high, step=(high - low) / 400, **look)
    return ipywidgets.FloatSlider(value=one.start, min=one.low, max=one.high, step=(one.high - one.low) / 400, **look)


def _same_step(slider: Any, exact: float, shown: float) -> bool:
    """Whether a slider only rounded what it was given: a browser sends back the step that is nearest to it."""
    scale = math.log10 if hasattr(slider, "base") else float
    return abs(scale(exact) - scale(shown)) < 0.5 * slider.step


class _Picture:
    """The panels as PNG, in a figure of their own that no window shows."""

    def __init__(self, state: State) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.state = state
        self.figure = Figure(figsize=(12.5, 3.6), dpi=80)
        FigureCanvasAgg(self.figure)
        self.panels = Panels(self.figure, state.view(), state.stamp.name)

    def png(self) -> bytes:
        self.panels.show(self.state.view())
        stream = io.BytesIO()
        self.figure.savefig(stream, format="png", pil_kwargs={"compress_level": 1})
        return stream.getvalue()
