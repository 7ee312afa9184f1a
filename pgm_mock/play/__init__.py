"""Play: move the parameters by hand until the mock looks like the sky; in a window, or in a notebook."""

from .view import View, view
from .widget import play_widget
from .window import PlayWindow, play_window

__all__ = ["PlayWindow", "View", "play_widget", "play_window", "view"]
