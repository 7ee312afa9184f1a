"""Fields that are read when they are asked for: a survey has more images than memory has room for."""

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, overload

from ..errors import DataWarning

if TYPE_CHECKING:
    from .fields import Field


class Survey(Sequence["Field"]):
    """Fields of which the last one is kept. What is odd in a field's files is told when they are first read."""

    def __init__(self, readers: Sequence[Callable[[], "Field"]]) -> None:
        """Take for each field what reads it."""
        self._readers = readers
        self._last: tuple[int, Field] | None = None
        self._told: set[int] = set()

    def __len__(self) -> int:
        """Return the number of fields."""
        return len(self._readers)

    @overload
    def __getitem__(self, place: int) -> "Field": ...
    @overload
    def __getitem__(self, place: slice) -> "list[Field]": ...
    def __getitem__(self, place: int | slice) -> "Field | list[Field]":
        """Read a field, or some.

        Raises:
            InputError: a file that cannot be read, or is none of its kind.
        """
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        number = range(len(self))[place]
        if self._last is None or self._last[0] != number:
            self._last = None  # there is room for one
            with warnings.catch_warnings():
                if number in self._told:
                    warnings.simplefilter("ignore", DataWarning)
                self._last = number, self._readers[number]()
            self._told.add(number)
        return self._last[1]
