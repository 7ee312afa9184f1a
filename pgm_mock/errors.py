"""What the package says when its input cannot be used, or can be used only in part."""

import dataclasses
import os
import warnings
from collections.abc import Iterable

_OUR_CODE = os.path.join(os.path.dirname(__file__), ""), dataclasses.__file__.removesuffix(".py")
"""Where files of the package's code begin, and of what copies its objects; Python does not match a whole name."""
_MOST = 400
"""Characters of a message: room for two paths and what was expected, not for what a broken file holds."""
_MOST_SHOWN = 80
_CUT = " [...] "


class InputError(ValueError):
    """Input that cannot be used: one line that names the file or argument, what was expected and what was found.

    Names from files stand in it, so the text is made harmless where the error is made: see `one_line`.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class DataWarning(UserWarning):
    """Input that can be used only in part, or only with an assumption; one line that says which."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def warn(message: str, *, of_object: bool = False) -> None:
    """Warn of input that can be used only in part, at the line of the code that called the package.

    Args:
        message: one line.
        of_object: whether a dataclass's own `__init__` comes between, which is in no file.
    """
    warnings.warn(message, DataWarning, stacklevel=3 if of_object else 2, skip_file_prefixes=_OUR_CODE)


def did_you_mean(found: str, expected: Iterable[str]) -> str:
    """Return the end of a message, "; did you mean NAME?", or nothing where no expected name is near the one found."""
    import difflib

    near = difflib.get_close_matches(found[:_MOST_SHOWN], list(expected), n=1, cutoff=0.7)
    return f"; did you mean {near[0]}?" if near else ""


def one_line(text: object, most: int = _MOST) -> str:
    r"""Return a text as one line that can be printed anywhere, at most `most` characters long.

    Line ends, control characters, escape sequences and marks that turn the direction of writing are written as Python
    would write them in a string ("\n"); of a long text the middle is left out, because names stand at both ends.
    """
    return _cut(printable(_cut(str(text), most)), most)


def printable(text: str) -> str:
    """Return a text without line ends, control characters and lone surrogates: they are written as escapes."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode("ascii")
        for letter in text
    )


def shown(value: object) -> str:
    """Return a value from a file as Python writes it, cut to a few words; one too deep or too long is only named."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # Python writes no integers of thousands of digits
        return f"a value of type {type(value).__name__} that is too long to be shown"
    return one_line(text, _MOST_SHOWN)


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    head = (most - len(_CUT)) * 3 // 5
    return f"{text[:head]}{_CUT}{text[len(text) - (most - len(_CUT) - head) :]}"
