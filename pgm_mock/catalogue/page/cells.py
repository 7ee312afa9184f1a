"""The columns of a table as cells of a page: values with their errors, rounded to what they are known to."""

import math
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...errors import InputError
from ...psf import in_words

if TYPE_CHECKING:
    from astropy.table import QTable

_NEEDED = ("ID", "FLAG", "MEANING")
"""Columns that the page needs, and has first: a reader sees what is wrong without scrolling."""
FLUXES = ("RATE", "RATE_UL95", "FLUX", "FLUX_UL95")
_LOWER, _UPPER = "_LOWERR", "_UPERR"
DASH = "–"
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_POSITION_DECIMALS = {"deg": 5, "pix": 2}


class Cell(NamedTuple):
    """What a cell shows, as HTML, and the number that it is sorted by; None where it is text or missing."""

    html: str
    number: float | None = None


MISSING = Cell(DASH)


class Column(NamedTuple):
    """A column of the page; its kind is "number", "words" where there are sentences, or "text"."""

    name: str
    unit: str
    description: str
    kind: str
    cells: list[Cell]


def columns_of(table: "QTable") -> list[Column]:
    """Return the columns, name, flag and its meaning first, and those with lower and upper errors with them."""
    for name in _NEEDED:
        if name not in table.colnames:
            raise InputError(f"table: expected a column {name}, found {', '.join(table.colnames)}")
    found = []
    errors = {name + end for name in table.colnames for end in (_LOWER, _UPPER) if _has_errors(table, name)}
    for name in [*_NEEDED, *(name for name in table.colnames if name not in _NEEDED)]:
        if name in errors:
            continue
        column = table[name]
        values, missing = values_of(column)
        numeric = values.dtype.kind in "iuf" and values.ndim == 1
        described = [column.info.description or ""]
        if numeric and _has_errors(table, name):
            cells = _interval_cells(table, name)
            described += [f"{s} {table[name + e].info.description or ''}" for s, e in (("−", _LOWER), ("+", _UPPER))]
        elif numeric:
            decimals = _decimals(values[~missing], _unit(column))
            write = str if values.dtype.kind in "iu" else partial(_number, decimals=decimals)
            cells = [MISSING if gone else Cell(write(v), v) for gone, v in zip(missing, values.tolist(), strict=True)]
        else:
            words = in_words if name == "PSF" else str
            texts = [words(text_of(value)) for value in values]
            cells = [MISSING if gone else Cell(escape(text)) for gone, text in zip(missing, texts, strict=True)]
        described = [line for line in described if line.strip("−+ ")]
        wordy = any(len(cell.html) > 24 for cell in cells)
        kind = "number" if numeric else "words" if wordy else "text"
        found.append(Column(name, _unit_in_words(_unit(column)), "\n".join(described), kind, cells))
    return found


def _has_errors(table: "QTable", name: str) -> bool:
    """Return whether a column has both errors, as numbers, in its own unit."""
    if not {name + _LOWER, name + _UPPER} <= set(table.colnames):
        return False
    columns = [table[name], table[name + _LOWER], table[name + _UPPER]]
    alike = len({_unit(column) for column in columns}) == 1
    return alike and all(values_of(column)[0].dtype.kind in "iuf" for column in columns)


def values_of(column: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return a column's values without unit and mask, and which are missing: masked, NaN or empty."""
    plain = getattr(column, "value", column)
    values = np.asarray(plain)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    missing = np.broadcast_to(getattr(plain, "mask", False), values.shape)
    missing = missing.all(axis=tuple(range(1, values.ndim)))
    if values.ndim > 1:
        return values, missing
    if values.dtype.kind == "f":
        return values, missing | np.isnan(values)
    if values.dtype.kind in "UO":
        return values, missing | np.array([not text_of(value) for value in values], bool)
    return values, missing


def text_of(value: Any) -> str:
    """Write a value that is no number."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)


def _unit(column: Any) -> Any:
    return getattr(column, "unit", None)


def _unit_in_words(unit: Any) -> str:
    """Return the unit in Unicode, or as it stands in the file where astropy does not know it."""
    if unit is None:
        return ""
    try:
        return str(unit.to_string("unicode"))
    except (TypeError, ValueError):
        return str(unit)


def _exponent(value: float, digits: int) -> int:
    """Return the power of ten of the first digit, once the number is rounded to so many digits."""
    return int(f"{value:.{digits - 1}e}".split("e")[1])


def _decimals(values: np.ndarray, unit: Any) -> int:
    """Return with how many decimals to show a column: three digits of its median, or one of its spread."""
    if values.dtype.kind != "f":
        return 0
    if str(unit) in _POSITION_DECIMALS:
        return _POSITION_DECIMALS[str(unit)]
    values = values[np.isfinite(values) & (values != 0)]
    if np.all(values == np.round(values)):
        return 0
    low, high = np.quantile(values, [0.25, 0.75])
    decimals = 2 - _exponent(float(np.median(np.abs(values))), 3)
    spread = -_exponent(float(high - low), 1) if high > low else 0
    return max(decimals, spread, 0)


def _number(value: float, decimals: int) -> str:
    """Write a number with so many decimals, or with a power of ten where they are many or would show nothing."""
    if value != 0 and math.isfinite(value) and (decimals > 6 or not 0.5 * 10.0**-decimals < abs(value) < 1e7):
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{mantissa}{_times(int(exponent))}".replace("-", "−")
    return fixed(value, decimals)


def _times(power: int) -> str:
    return f"×10{str(power).translate(_RAISED)}" if power else ""


def fixed(value: float, decimals: int) -> str:
    """Write a number with so many decimals; fewer than none means tens, hundreds and so on."""
    if not math.isfinite(value):
        return DASH if math.isnan(value) else f"{value}".replace("inf", "∞").replace("-", "−")
    return f"{round(value, decimals) + 0.0:.{max(decimals, 0)}f}".replace("-", "−")


def _interval_cells(table: "QTable", name: str) -> list[Cell]:
    """Return a column with its errors, in its own unit."""
    own = table[name]
    values, missing = values_of(own)
    sides = []
    for column in (table[name + _LOWER], table[name + _UPPER]):
        side, gone = values_of(column)
        sides.append(np.where(gone, np.nan, side))
    decimals = _decimals(values[~missing], _unit(own))
    rows = zip(missing, values.tolist(), sides[0].tolist(), sides[1].tolist(), strict=True)
    return [MISSING if gone else Cell(_interval(v, lower, upper, decimals), v) for gone, v, lower, upper in rows]


def _interval(value: float, lower: float, upper: float, decimals: int) -> str:
    """Write a value with its errors to two digits of the smaller one, or with `decimals` where there is none."""
    errors = [abs(error) for error in (lower, upper) if math.isfinite(error) and error != 0]
    power = 0
    if errors and math.isfinite(value):
        decimals = 1 - _exponent(min(errors), 2)
        largest = max(abs(value), *errors)
        if decimals > 6 or largest >= 1e7:
            power = _exponent(largest, 2)
            decimals += power
    number = fixed(value / 10.0**power, decimals) if errors else _number(value, decimals)
    above, below = (
        DASH if math.isnan(error) else sign + fixed(error / 10.0**power, decimals)
        for sign, error in (("+", upper), ("−", abs(lower)))
    )
    return f'{number}<span class="pm"><sup>{above}</sup><sub>{below}</sub></span>{_times(power)}'
