"""What a checker says: one sentence, right or wrong."""

from collections.abc import Callable
from typing import Any

import numpy as np


class WrongAnswer(Exception):
    """An answer that is not right yet. A notebook shows the message, which says what is wrong, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"Not yet: {self}"]


def right(sentence: str) -> None:
    """Tell the student that the answer is right."""
    print(f"Right: {sentence}")


def need(is_so: object, otherwise: str) -> None:
    """Raise a `WrongAnswer` with this message unless something is so."""
    if not is_so:
        raise WrongAnswer(otherwise)


def array_of(name: str, answer: object, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Return an answer as an array of numbers of the expected shape, or say what it is instead."""
    need(answer is not None and answer is not Ellipsis, f"{name} is still empty.")
    try:
        array = np.asarray(answer, dtype=float)
    except (TypeError, ValueError):
        raise WrongAnswer(f"{name} should be an array of numbers; it is {_named(answer)}.") from None
    if shape is not None and array.shape != shape:
        turned = ", the rows and columns are exchanged" if array.shape == shape[::-1] else ""
        raise WrongAnswer(f"{name} should have the shape {shape}; it has {array.shape}{turned}.")
    need(np.isfinite(array).all(), f"{name} holds values that are not finite (NaN or infinity).")
    return array


def number_of(name: str, answer: object) -> float:
    """Return an answer as one finite number, or say what it is instead."""
    return float(array_of(name, answer, ()))


def called(name: str, function: Callable[..., Any], *arguments: Any, hint: str = "") -> Any:
    """Call a student's function, and turn what goes wrong in it into a sentence."""
    need(callable(function), f"{name} should be a function; it is {_named(function)}.")
    try:
        with np.errstate(all="ignore"):
            answer = function(*arguments)
    except WrongAnswer:
        raise
    except Exception as error:
        raise WrongAnswer(f"{name}(...) stopped with {type(error).__name__}: {error}.{hint}") from error
    need(answer is not None, f"{name}(...) gave nothing back: does it end in a return?")
    return answer


def _named(answer: object) -> str:
    return f"the text {answer!r}" if isinstance(answer, str) else f"of the type {type(answer).__name__}"
