"""What `fit` and `fit_many` return: a DataTree that is put together when it is first looked at.

A tree takes about as long to build as a posterior takes to compute, and many of a long list are never looked into.
ArviZ asks `isinstance(posterior, DataTree)`, so that what stands for a tree must be one.
"""

from collections.abc import Callable
from typing import Any, Self

from xarray import DataTree

_FIELDS = frozenset(DataTree.__slots__)


class LazyTree(DataTree):
    """An xarray DataTree in every respect, built by a function when one of its fields is first asked for."""

    __slots__ = ("_build",)

    @classmethod
    def of(cls, build: Callable[[], DataTree]) -> Self:
        """Take the function that builds the tree."""
        tree = object.__new__(cls)
        object.__setattr__(tree, "_build", build)
        return tree

    def __getattr__(self, name: str) -> Any:
        """Build the tree where a field is missing; Python comes here for what it does not find otherwise."""
        if name in _FIELDS:
            build = object.__getattribute__(self, "_build")  # once built there is none: the field is not there
            made = build()
            object.__delattr__(self, "_build")
            DataTree.__init__(self, made.to_dataset(), dict(made.children))
            return object.__getattribute__(self, name)
        return DataTree.__getattr__(self, name)
