"""What is the package's own, and what installed packages bring, by entry points."""

from collections.abc import Callable
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from .errors import one_line, warn


def is_own(module: str) -> bool:
    """Whether a module, by its name, is one of this package."""
    return module.partition(".")[0] == __name__.partition(".")[0]


@cache
def load(group: str, register: Callable[[Any], Any]) -> None:
    """Register, once, what the entry points of a group name; one that cannot be loaded takes no other with it."""
    for entry in entry_points(group=group):
        try:
            register(entry.load())
        except Exception as error:  # of somebody else's code
            why = one_line(f"{type(error).__name__}: {error}")
            warn(f"{group} {entry.name}: cannot be loaded: {why}")
