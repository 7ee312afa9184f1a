"""A catalogue of X-ray sources as one HTML page that needs nothing else: table, field, and three images a source."""

import base64
import math
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from astropy.table import QTable

_NEEDED = ("ID", "FLAG", "MEANING")
_FLUXES = ("RATE", "RATE_UL95", "FLUX", "FLUX_UL95")
_BESIDE_THE_IMAGES = (*_FLUXES, "CTS", "PSF_WIDTH", "DET_LIKE", "LN_BAYES", "P_VALUE", "METHOD")
_LOWER, _UPPER = "_LOWERR", "_UPERR"
_DASH = "–"
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_POSITION_DECIMALS = {"deg": 5, "pix": 2}
_GREY = 150
_SIGMAS = 5.0
_PNG = b"\x89PNG\r\n\x1a\n"


class Thumbnail(NamedTuple):
    """The images of one source, the first row below, as FITS has it.

    Attributes:
        observed: counts, shape (ny, nx).
        model: expected counts, shape (ny, nx); NaN where there is no fit.
        exposed: whether a pixel has exposure, shape (ny, nx), bool.
    """

    observed: np.ndarray
    model: np.ndarray
    exposed: np.ndarray


def catalogue_page(
    table: "QTable",
    thumbnails: Mapping[str, Thumbnail],
    *,
    title: str,
    field: bytes | None = None,
    notes: Sequence[str] = (),
) -> str:
    """Write a catalogue as one HTML page without links to anything outside it; the same input gives the same text.

    The table can be sorted, searched, and cut to the flagged sources. Below it stand each source's observed image, its
    model and the residual (N − μ) / √μ, flagged sources first. NAME, NAME_LOWERR and NAME_UPERR, the distances down
    and up from the value, make one column.

    Args:
        table: a row a source. ID (unique), FLAG (integer, 0: none) and MEANING (of the flag, in words) are needed, all
            other columns are shown as they are, with their units and descriptions. NaN, masked or empty: a dash.
        thumbnails: for each ID its images; a source without them, or with a model that is NaN, has no fit.
        title: of the page.
        field: a picture of the field, a PNG file's bytes.
        notes: sentences, shown as a list.

    Raises:
        InputError: a column is missing, an ID is empty or there twice, a flag is not an integer, images belong to no
            source, differ in shape or have a negative model, or `field` is no PNG file.
    """
    columns = _columns(table)
    ids, flagged = _identified(table, thumbnails)
    if field is not None and not field.startswith(_PNG):
        raise InputError(f"field: expected the bytes of a PNG file, found {field[:8]!r}")
    fits = sum(bool(_known(images).any()) for images in thumbnails.values())
    summary = f"{_many(len(ids), 'source')}, {int(flagged.sum())} flagged, {len(ids) - fits} without a fit"
    return "".join(
        [
            f"{_HEAD}<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n",
            f"<body>\n<header>\n<h1>{escape(title)}</h1>\n<p>{summary}</p>\n",
            "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>\n" if notes else "",
            f'</header>\n<figure class="field">{_image(field, "the field")}</figure>\n' if field else "</header>\n",
            f"<main>\n<h2>Sources</h2>\n{_TOOLS}",
            *_table_lines(columns, ids, flagged),
            "<h2>Images</h2>\n",
            _legend(),
            *_strips(columns, ids, flagged, thumbnails),
            f"</main>\n<script>{_SCRIPT}</script>\n</body>\n</html>\n",
        ]
    )


class _Cell(NamedTuple):
    """What a cell shows, as HTML, and the number that it is sorted by; None where it is text or missing."""

    html: str
    number: float | None = None


_MISSING = _Cell(_DASH)


class _Column(NamedTuple):
    """A column of the page; its kind is "number", "words" where there are sentences, or "text"."""

    name: str
    unit: str
    description: str
    kind: str
    cells: list[_Cell]


def _identified(table: "QTable", thumbnails: Mapping[str, Thumbnail]) -> tuple[list[str], np.ndarray]:
    """Check the input; return each source's ID, and whether it is flagged, shape (sources,)."""
    values, missing = _values(table["ID"])
    ids = [_text(value) for value in values]
    if missing.any():
        raise InputError(f"ID: expected one for each source, found none in row {int(np.argmax(missing))}")
    known = set(ids)
    if len(known) < len(ids):
        raise InputError(f"ID: expected each once, found {max(ids, key=ids.count)!r} more than once")
    flags, missing = _values(table["FLAG"])
    if flags.dtype.kind not in "iub" or flags.ndim > 1 or missing.any():
        raise InputError("FLAG: expected an integer for each source, 0 where there is no flag")
    for name, images in thumbnails.items():
        if name not in known:
            raise InputError(f"thumbnails: expected IDs of the table, found {name!r}")
        shapes = {np.shape(image) for image in images}
        if len(shapes) > 1 or len(min(shapes)) != 2:
            raise InputError(f"thumbnails[{name!r}]: expected three images of one shape, found {sorted(shapes)}")
        if np.any(np.asarray(images.model) < 0):
            raise InputError(f"thumbnails[{name!r}].model: expected no negative counts")
    return ids, flags != 0


def _columns(table: "QTable") -> list[_Column]:
    """Return the columns, the ID first, and those with lower and upper errors with them."""
    for name in _NEEDED:
        if name not in table.colnames:
            raise InputError(f"table: expected a column {name}, found {', '.join(table.colnames)}")
    found = []
    errors = {name + end for name in table.colnames for end in (_LOWER, _UPPER) if _has_errors(table, name)}
    for name in ["ID", *(name for name in table.colnames if name != "ID")]:
        if name in errors:
            continue
        column = table[name]
        values, missing = _values(column)
        numeric = values.dtype.kind in "iuf" and values.ndim == 1
        described = [column.info.description or ""]
        if numeric and _has_errors(table, name):
            cells = _interval_cells(table, name)
            described += [f"{s} {table[name + e].info.description or ''}" for s, e in (("−", _LOWER), ("+", _UPPER))]
        elif numeric:
            decimals = _decimals(values[~missing], _unit(column))
            write = str if values.dtype.kind in "iu" else partial(_number, decimals=decimals)
            cells = [_MISSING if gone else _Cell(write(v), v) for gone, v in zip(missing, values.tolist(), strict=True)]
        else:
            cells = [_MISSING if gone else _Cell(escape(_text(v))) for gone, v in zip(missing, values, strict=True)]
        described = [line for line in described if line.strip("−+ ")]
        wordy = any(len(cell.html) > 24 for cell in cells)
        kind = "number" if numeric else "words" if wordy else "text"
        found.append(_Column(name, _unit_in_words(_unit(column)), "\n".join(described), kind, cells))
    return found


def _has_errors(table: "QTable", name: str) -> bool:
    """Return whether a column has both errors, as numbers, in its own unit."""
    if not {name + _LOWER, name + _UPPER} <= set(table.colnames):
        return False
    columns = [table[name], table[name + _LOWER], table[name + _UPPER]]
    alike = len({_unit(column) for column in columns}) == 1
    return alike and all(_values(column)[0].dtype.kind in "iuf" for column in columns)


def _values(column: Any) -> tuple[np.ndarray, np.ndarray]:
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
        return values, missing | np.array([not _text(value) for value in values], bool)
    return values, missing


def _text(value: Any) -> str:
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
    return _fixed(value, decimals)


def _times(power: int) -> str:
    return f"×10{str(power).translate(_RAISED)}" if power else ""


def _fixed(value: float, decimals: int) -> str:
    """Write a number with so many decimals; fewer than none means tens, hundreds and so on."""
    if not math.isfinite(value):
        return _DASH if math.isnan(value) else f"{value}".replace("inf", "∞").replace("-", "−")
    return f"{round(value, decimals) + 0.0:.{max(decimals, 0)}f}".replace("-", "−")


def _interval_cells(table: "QTable", name: str) -> list[_Cell]:
    """Return a column with its errors, in its own unit."""
    own = table[name]
    values, missing = _values(own)
    sides = []
    for column in (table[name + _LOWER], table[name + _UPPER]):
        side, gone = _values(column)
        sides.append(np.where(gone, np.nan, side))
    decimals = _decimals(values[~missing], _unit(own))
    rows = zip(missing, values.tolist(), sides[0].tolist(), sides[1].tolist(), strict=True)
    return [_MISSING if gone else _Cell(_interval(v, lower, upper, decimals), v) for gone, v, lower, upper in rows]


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
    number = _fixed(value / 10.0**power, decimals) if errors else _number(value, decimals)
    above, below = (
        _DASH if math.isnan(error) else sign + _fixed(error / 10.0**power, decimals)
        for sign, error in (("+", upper), ("−", abs(lower)))
    )
    return f'{number}<span class="pm"><sup>{above}</sup><sub>{below}</sub></span>{_times(power)}'


def _table_lines(columns: Sequence[_Column], ids: Sequence[str], flagged: np.ndarray) -> Iterator[str]:
    """Write the table; the row of source 3 has the address #row-3, its images #source-3."""
    yield '<div class="pane" role="region" aria-label="Table of sources" tabindex="0">\n<table>\n<thead><tr>'
    for column in columns:
        tip = f' title="{escape(column.description)}"' if column.description else ""
        name = escape(column.name).replace("_", "_<wbr>")
        button = f'<button type="button">{name} <small>{escape(column.unit)}</small></button>'
        yield f'<th scope="col" class="{column.kind}"{tip}>{button}</th>'
    yield "</tr></thead>\n<tbody>\n"
    for row in range(len(ids)):
        yield f'<tr id="row-{row}"{_flag_class(flagged[row])}><th scope="row"{_sorted_by(columns[0].cells[row])}>'
        yield f'<a href="#source-{row}">{escape(ids[row])}</a></th>'
        for column, cell in ((column, column.cells[row]) for column in columns[1:]):
            yield f'<td class="{column.kind}"{_sorted_by(cell)}>{cell.html}</td>'
        yield "</tr>\n"
    yield "</tbody>\n</table>\n</div>\n"


def _sorted_by(cell: _Cell) -> str:
    if cell.number is None:
        return " data-none" if cell is _MISSING else ""
    return f' data-v="{cell.number!r}"'.replace("inf", "Infinity")


def _flag_class(flagged: bool) -> str:
    return ' class="flagged"' if flagged else ""


def _many(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def _strips(
    columns: Sequence[_Column], ids: Sequence[str], flagged: np.ndarray, thumbnails: Mapping[str, Thumbnail]
) -> Iterator[str]:
    """Write each source's images and numbers, the flagged ones first."""
    named = {column.name: column for column in columns}
    for row in np.argsort(~flagged, kind="stable").tolist():
        flag, meaning = (named[name].cells[row] for name in ("FLAG", "MEANING"))
        said = f"flag {flag.html}" if meaning is _MISSING and flagged[row] else meaning.html
        yield f'<article id="source-{row}"{_flag_class(flagged[row])}>\n<div><h3>{escape(ids[row])}</h3>'
        yield "" if said == _DASH else f'<p class="meaning">{said}</p>'
        yield f'<p><a href="#row-{row}" aria-label="{escape(ids[row])} in the table">↑ table</a></p></div>\n'
        yield '<div class="images">'
        if ids[row] in thumbnails:
            yield from _figures(thumbnails[ids[row]])
        else:
            yield '<p class="meaning">no images</p>'
        yield "</div>\n<dl>"
        for column in (named[name] for name in _BESIDE_THE_IMAGES if name in named):
            if column.cells[row] is not _MISSING:
                value = f"{column.cells[row].html} <small>{escape(column.unit)}</small>"
                yield f"<div><dt>{escape(column.name)}</dt><dd>{value}</dd></div>"
        yield "</dl>\n</article>\n"


def _known(images: Thumbnail) -> np.ndarray:
    """Return which pixels have exposure and a model."""
    return np.asarray(images.exposed, bool) & np.isfinite(images.model)


def _figures(images: Thumbnail) -> Iterator[str]:
    """Write the observed image, and where there is a fit its model on the same scale and the residual."""
    observed, model = (np.asarray(image, float) for image in images[:2])
    seen = np.asarray(images.exposed, bool) & np.isfinite(observed)
    known = _known(images) & seen
    top = max(_peak(observed[seen]), _peak(model[known]), 1.0)
    shown = [("observed", observed, seen), ("model", model, known)]
    for name, image, valid in shown if known.any() else shown[:1]:
        png = _png(np.sqrt(np.clip(image / top, 0, 1)), valid, "viridis")
        whole = bool(np.all(image[valid] == np.round(image[valid])))
        total, peak = (_fixed(value, 0 if whole else 1) for value in (float(image[valid].sum()), _peak(image[valid])))
        yield _figure(png, name, f"{total} counts, peak\u00a0{peak}")
    if not known.any():
        yield '<p class="meaning">no fit</p>'
        return
    with np.errstate(divide="ignore", invalid="ignore"):
        residual = np.where(observed == model, 0.0, (observed - model) / np.sqrt(model))
    png = _png((np.clip(residual, -_SIGMAS, _SIGMAS) / _SIGMAS + 1) / 2, known, "RdBu_r")
    worst = [_fixed(float(limit(residual[known])), 1) for limit in (np.min, np.max)]
    yield _figure(png, "residual", f"{worst[0]} to {worst[1]}")


def _peak(values: np.ndarray) -> float:
    return float(values.max(initial=0.0))


def _figure(png: bytes, name: str, said: str) -> str:
    return f"<figure>{_image(png, name)}<figcaption>{name}<br><small>{said}</small></figcaption></figure>"


def _legend() -> str:
    """Write what the colours mean."""
    ramp, exposed = np.linspace(0, 1, 128)[None], np.ones((1, 128), bool)
    counts = _image(_png(np.sqrt(ramp), exposed, "viridis"), "from dark blue to yellow")
    residual = _image(_png(ramp, exposed, "RdBu_r"), "from blue to red")
    return (
        f'<p class="legend"><span>observed and model, counts: 0 {counts} peak</span> '
        f"<span>residual (N − μ) / √μ: −{_SIGMAS:g} {residual} +{_SIGMAS:g}</span> <span>grey: not exposed</span></p>\n"
    )


def _image(png: bytes, name: str) -> str:
    coded = base64.b64encode(png).decode()
    return f'<img src="data:image/png;base64,{coded}" alt="{name}" decoding="async">'


def _png(values: np.ndarray, shown: np.ndarray, colours: str) -> bytes:
    """Return an image as a PNG file with a palette, its first row below.

    Args:
        values: from 0 to 1, shape (ny, nx).
        shown: which pixels have a value, shape (ny, nx); the others are grey.
        colours: of Matplotlib's maps.
    """
    from matplotlib import colormaps

    palette = np.append(colormaps[colours](np.linspace(0, 1, 255), bytes=True)[:, :3], [[_GREY] * 3], axis=0)
    index = np.full(np.shape(values), 255)
    index[shown] = np.rint(254 * values[shown])
    used, index = np.unique(index[::-1], return_inverse=True)
    lines = np.pad(index.astype(np.uint8), ((0, 0), (1, 0))).tobytes()  # each begins with the number of its filter: 0
    height, width = index.shape
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0),
        b"PLTE": palette[used].astype(np.uint8).tobytes(),
        b"IDAT": zlib.compress(lines, 9),
        b"IEND": b"",
    }
    return _PNG + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts.items()
    )


_HEAD = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<link rel="icon" href="data:,">
"""

_TOOLS = """\
<p class="tools" hidden>
<label>Filter <input type="search" id="words" placeholder="any column" autocomplete="off"></label>
<label><input type="checkbox" id="flagged" autocomplete="off"> flagged only</label>
<output id="shown" aria-live="polite"></output>
</p>
"""

_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1d21; --soft: #636a74; --line: #e2e5e9; --tint: #f5f6f8;
  --link: #0a58a8; --flag: #a83b14; --warm: #fdf4ef; }
@media screen and (prefers-color-scheme: dark) { :root { --paper: #14161a; --ink: #e3e6ea; --soft: #98a0ab;
  --line: #2b3037; --tint: #1c1f25; --link: #82b6f0; --flag: #f19b78; --warm: #261d19; } }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0 auto; max-width: 94rem; padding: clamp(1.25rem, 4vw, 3.5rem); background: var(--paper);
  color: var(--ink); font: 0.9375rem/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums;
  -webkit-text-size-adjust: 100%; }
h1 { margin: 0; font-size: 1.75rem; font-weight: 600; line-height: 1.2; letter-spacing: -0.01em; }
h2 { margin: 3rem 0 0.75rem; font-size: 1.125rem; font-weight: 600; }
h3 { margin: 0; font-size: 1rem; font-weight: 600; overflow-wrap: anywhere; }
p, ul, dl, dd, figure { margin: 0; }
header p { margin-top: 0.5rem; color: var(--soft); }
ul { max-width: 75ch; margin-top: 1rem; padding-left: 1.1rem; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
small { color: var(--soft); font-size: 0.85em; font-weight: 400; }
.field { margin-top: 2rem; }
.field img { display: block; max-width: 100%; max-height: 48rem; border-radius: 4px; }
.tools, .legend { display: flex; flex-wrap: wrap; gap: 0.5rem 1.75rem; align-items: center; margin-bottom: 1rem; }
.tools { color: var(--soft); }
input { font: inherit; color: inherit; accent-color: var(--link); }
input[type="search"] { width: 16rem; max-width: 60vw; margin-left: 0.4rem; padding: 0.3rem 0.6rem; color: var(--ink);
  background: var(--paper); border: 1px solid var(--line); border-radius: 4px; }
.pane { max-height: 85vh; overflow: auto; border: 1px solid var(--line); border-radius: 4px; }
table { width: 100%; border-collapse: separate; border-spacing: 0; font-size: 0.8125rem; }
th, td { padding: 0.5rem 0.75rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: middle;
  white-space: nowrap; background: var(--paper); }
tbody tr:last-child > * { border-bottom: 0; }
.number { text-align: right; }
.words { min-width: 18rem; white-space: normal; }
thead th { position: sticky; top: 0; z-index: 2; padding: 0; background: var(--tint); vertical-align: bottom;
  box-shadow: 1px 0 var(--tint); }
tbody th, thead th:first-child { position: sticky; left: 0; z-index: 1; font-weight: 500;
  border-right: 1px solid var(--line); }
thead th:first-child { z-index: 3; }
thead button { display: block; width: 100%; padding: 0.6rem 0.75rem; border: 0; background: none; color: inherit;
  font: inherit; font-weight: 600; font-size: 0.75rem; text-align: inherit; cursor: pointer; }
thead button:focus-visible { outline-offset: -2px; }
thead button small { display: block; min-height: 1.5em; white-space: nowrap; }
[aria-sort] button small::after { margin-left: 0.4em; color: var(--link); font-weight: 700; }
[aria-sort="ascending"] button small::after { content: "↑"; }
[aria-sort="descending"] button small::after { content: "↓"; }
tbody tr { scroll-margin-top: 5rem; }
tbody tr:hover > *, tbody tr:target > * { background: var(--tint); }
tbody .flagged > * { background: var(--warm); }
tr:target > th a { text-decoration: underline; }
.flagged > th { box-shadow: inset 3px 0 var(--flag); }
[data-none] { color: var(--soft); }
.pm { display: inline-block; margin-left: 0.25em; color: var(--soft); font-size: 0.75em;
  line-height: 1.15; text-align: left; vertical-align: middle; }
.pm sup, .pm sub { display: block; font-size: inherit; line-height: inherit; vertical-align: baseline; }
.legend { color: var(--soft); font-size: 0.8125rem; }
.legend img { width: 6rem; height: 0.6rem; margin: 0 0.3rem; border-radius: 2px; }
article { display: grid; grid-template-columns: 13rem minmax(0, 39rem) minmax(12rem, 1fr); gap: 1rem 2.5rem;
  padding: 1.75rem 0; border-top: 1px solid var(--line); break-inside: avoid; content-visibility: auto;
  contain-intrinsic-size: auto 18rem; }
article p { margin-top: 0.35rem; font-size: 0.8125rem; }
article:target h3 { text-decoration: underline; }
.meaning { color: var(--soft); }
.flagged .meaning { color: var(--flag); }
.images { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 0.75rem; }
.images img { display: block; width: 100%; image-rendering: pixelated; border-radius: 2px; }
figcaption { margin-top: 0.4rem; font-size: 0.8125rem; line-height: 1.4; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: 0.6rem 1.5rem;
  align-content: start; }
dt { color: var(--soft); font-size: 0.75rem; }
dd { white-space: nowrap; }
@media (max-width: 70rem) { article { grid-template-columns: minmax(0, 1fr); gap: 1rem; }
  .images { max-width: 39rem; } }
@media (max-width: 40rem) { tbody th a { display: block; max-width: 8rem; overflow: hidden; text-overflow: ellipsis; } }
@media print { @page { size: A4 landscape; margin: 12mm; } .tools, article a { display: none; }
  body { max-width: none; padding: 0; font-size: 9pt; } .pane { max-height: none; overflow: visible; border: 0; }
  table, thead button { font-size: 6pt; } th, td, thead button { padding: 1.5pt 2pt; } thead th { padding: 0; }
  thead th, .text, .words { white-space: normal; } .words { min-width: 7rem; }
  thead th, tbody th { position: static !important; } tr { break-inside: avoid; }
  article { content-visibility: visible; grid-template-columns: 9rem 24rem 1fr; gap: 1.5rem;
    padding: 0.75rem 0; } }
"""

_SCRIPT = r"""
"use strict";
const table = document.querySelector("table"), body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
const rows = [...body.rows], strips = rows.map(row => document.getElementById(row.id.replace("row", "source")));
const plain = text => text.toLowerCase().replaceAll("\u2212", "-");
const texts = rows.map(row => plain([...row.cells].map(cell => cell.textContent).join(" ")));
const words = document.getElementById("words"), flagged = document.getElementById("flagged");
const collator = new Intl.Collator("en", {numeric: true});

function key(cell) {
  if ("none" in cell.dataset) return null;
  return "v" in cell.dataset ? Number(cell.dataset.v) : cell.textContent;
}

function sort(column) {
  const falling = heads[column].getAttribute("aria-sort") === "ascending";
  heads.forEach(head => head.removeAttribute("aria-sort"));
  heads[column].setAttribute("aria-sort", falling ? "descending" : "ascending");
  const keyed = rows.map(row => [key(row.cells[column]), row]);
  const compare = (a, b) => typeof a === "number" ? a - b || 0 : collator.compare(a, b);
  keyed.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return falling ? compare(b, a) : compare(a, b);
  });
  body.replaceChildren(...keyed.map(([, row]) => row));
}

function filter() {
  const asked = plain(words.value).split(/\s+/);
  let shown = 0;
  rows.forEach((row, i) => {
    row.hidden = !asked.every(word => texts[i].includes(word)) || flagged.checked && !row.matches(".flagged");
    strips[i].hidden = row.hidden;
    shown += !row.hidden;
  });
  document.getElementById("shown").textContent = `${shown} of ${rows.length} shown`;
}

heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => sort(column)));
words.addEventListener("input", filter);
flagged.addEventListener("input", filter);
document.querySelector(".tools").hidden = false;
filter();
"""
