"""Words of the command line: what argparse does not read by itself."""

import re
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence


def joined(arguments: Sequence[str]) -> list[str]:
    """Join `--dec -02:52:41` with an equals sign: argparse takes what begins with a minus sign for an option."""
    words: list[str] = []
    for word in arguments:
        if words and words[-1] in ("--ra", "--dec") and re.match(r"-[\d.]", word):
            words[-1] += f"={word}"
        else:
            words.append(word)
    return words


def options_of(parser: ArgumentParser) -> list[str]:
    """Return the names of a command's options."""
    return sorted(name for name in parser._option_string_actions if name.startswith("--"))


def with_option_names(message: str, parser: ArgumentParser) -> str:
    """Name options in place of Python's arguments: where a message begins with them, and words with an underscore."""
    options: dict[str, str] = {}
    for option, action in parser._option_string_actions.items():
        word = option.strip("-").replace("-", "_")
        options |= dict.fromkeys((word, f"num_{word}", f"{word}s", f"{word}_size", action.dest), option)
    for action in parser._get_positional_actions():  # plan has both a map and times of exposure
        options.pop(action.dest, None)
    name, colon, rest = message.partition(": ")
    names = name.split(", ")
    if colon and all(one in options for one in names):
        name = ", ".join(options[one] for one in names) + colon
    else:
        name, rest = "", message
    return name + re.sub(r"(?<!\S)[a-z]+(?:_[a-z]+)+(?=[\s,;]|$)", lambda found: options.get(found[0], found[0]), rest)


def half_size(text: str) -> int:
    """Read half the size of a stamp: a whole number of at least 2 pixels."""
    try:
        size = int(text)
    except ValueError:
        size = 0
    if size < 2:
        raise ArgumentTypeError(f"expected a whole number of at least 2 pixels, found {text!r}")
    return size


def share(text: str) -> float:
    """Read a share, from 0 to below 1."""
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < 1:
        raise ArgumentTypeError(f"expected a share from 0 to below 1, found {text!r}")
    return found
