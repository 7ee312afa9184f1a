"""Priors in a TOML file: a table for each parameter."""

import os
import re
import tomllib
from typing import Any

import numpyro.distributions as dist

from .distributions import FAMILIES, Prior
from .errors import InputError, shown
from .files import read_bytes

_CENTRE = re.compile(r"cent(?:er|re)(?: {0,9}([+-]) {0,9}([0-9.]+(?:[eE][+-]?[0-9]+)?))?")
_MOST_BYTES, _LONGEST_LINE = 100_000, 1000
"""Of a priors file and of its lines: TOML's keys of many parts take their time."""


def read_tables(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a TOML file that is neither large nor deep.

    Raises:
        InputError: the file cannot be read, or is no TOML.
    """
    label, content = os.fspath(path), read_bytes(path, _MOST_BYTES)
    if any(len(line) > _LONGEST_LINE for line in content.splitlines()):
        raise InputError(f"{label}: expected TOML with lines of at most {_LONGEST_LINE} characters, found a longer one")
    try:
        return tomllib.loads(content.decode("utf-8"))
    except RecursionError as error:
        raise InputError(f"{label}: expected TOML: a table for each parameter, found arrays in arrays") from error
    except ValueError as error:  # of TOML, of its characters, and of integers of thousands of digits
        raise InputError(f"{label}: expected TOML: {error}") from error


def prior_of_table(name: str, table: Any, centre: float | None) -> Prior:
    """Make a prior from its TOML table.

    Args:
        name: the parameter.
        table: as TOML has it.
        centre: what "center" stands for [FITS image pixels]; None where it stands for nothing.

    Raises:
        InputError: an entry that is not understood.
    """
    if not isinstance(table, dict) or ("dist" in table) == ("value" in table):
        found = shown(table)
        raise InputError(f'[{name}]: expected either dist = "..." with its arguments or value = ..., found {found}')
    arguments = {key: _number(name, key, entry, centre) for key, entry in table.items() if key != "dist"}
    if "value" in table:
        if len(table) > 1:
            other_keys = ", ".join(shown(key).strip("'") for key in table if key != "value")
            raise InputError(f"[{name}]: expected nothing beside value, found {other_keys}")
        return arguments["value"]
    if not isinstance(table["dist"], str) or table["dist"] not in dist.__all__ or not table["dist"][0].isupper():
        found = shown(table["dist"])
        raise InputError(f"[{name}]: expected the name of a NumPyro distribution, found dist = {found}")
    if table["dist"] not in FAMILIES:
        raise InputError(f"[{name}]: expected a continuous prior of one number, as Normal, found {table['dist']}")
    try:
        return getattr(dist, table["dist"])(**arguments, validate_args=True)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise InputError(f"[{name}]: {table['dist']} cannot be made: {str(error).split('__init__() ')[-1]}") from error


def _number(name: str, key: str, entry: Any, centre: float | None) -> float:
    try:
        if isinstance(entry, str) and centre is not None and (match := _CENTRE.fullmatch(entry.strip())):
            return centre + float(f"{match[1]}{match[2]}" if match[1] else 0)
        if isinstance(entry, (int, float)) and not isinstance(entry, bool):
            return float(entry)
    except (ValueError, OverflowError):  # "center+1.2.3", or an integer beyond 1e308
        pass
    also = ' or "center"' if centre is not None else ""
    raise InputError(f"[{name}]: expected a number{also} for {shown(key).strip(chr(39))}, found {shown(entry)}")
