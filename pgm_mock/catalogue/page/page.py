"""A catalogue of X-ray sources as one HTML page that needs nothing else: table, field, and images of each source."""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError
from .cells import DASH, FLUXES, MISSING, Cell, Column, columns_of, text_of, values_of
from .images import PNG, Thumbnail, figures, image_tag, known_pixels, legend
from .style import HEAD, SCRIPT, STYLE, TOOLS

if TYPE_CHECKING:
    from astropy.table import QTable

MOST_IMAGES = 2000
"""A page has the images of so many sources, some 8 kB each: with more a browser is slow to open it."""
_BESIDE_THE_IMAGES = (
    *FLUXES, "CTS", "HR", "OFFSET", "PSF_WIDTH", "DET_LIKE", "P_FALSE", "LN_BAYES", "LN_BAYES_VARIABLE", "P_VALUE",
    "METHOD",
)  # fmt: skip
_OF_AN_IMAGE = re.compile(r"(RATE|FLUX)_(?!UL95|DETECTABLE)")
"""Columns of several images, which stand there too."""


def catalogue_page(
    table: "QTable",
    thumbnails: Mapping[str, Thumbnail],
    *,
    title: str,
    field: bytes | None = None,
    notes: Sequence[str] = (),
    totals: tuple[int, int] | None = None,
) -> str:
    """Write a catalogue as one HTML page without links to anything outside it; the same input gives the same text.

    The table can be sorted, searched, and cut to the flagged sources. Below it stand each source's observed image, its
    model, the residual (N − μ) / √μ, and that smoothed, flagged sources first, up to `MOST_IMAGES` of them. NAME,
    NAME_LOWERR and NAME_UPERR, the distances down and up from the value, make one column.

    Args:
        table: a row a source. ID (unique), FLAG (integer, 0: none) and MEANING (of the flag, in words) are needed, all
            other columns are shown as they are, with their units and descriptions. NaN, masked or empty: a dash.
        thumbnails: for each ID its images; a source without them, or with a model that is NaN, has no fit.
        title: of the page.
        field: a picture of the field, a PNG file's bytes.
        notes: sentences, shown as a list.
        totals: sources, and those without a fit, of a catalogue that the page shows a part of; else they are counted.

    Raises:
        InputError: a column is missing, an ID is empty or there twice, a flag is not an integer, images belong to no
            source, differ in shape or have a negative model, or `field` is no PNG file.
    """
    columns = columns_of(table)
    ids, flagged = _identified(table, thumbnails)
    if field is not None and not field.startswith(PNG):
        raise InputError(f"field: expected the bytes of a PNG file, found {field[:8]!r}")
    fits = sum(bool(known_pixels(images).any()) for images in thumbnails.values())
    number, unfitted = totals or (len(ids), len(ids) - fits)
    shown = np.argsort(~flagged, kind="stable")[:MOST_IMAGES].tolist()
    summary = f"{_many(number, 'source')}, {int(flagged.sum())} flagged, {unfitted} without a fit"
    return "".join(
        [
            f"{HEAD}<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n",
            f"<body>\n<header>\n<h1>{escape(title)}</h1>\n<p>{summary}</p>\n",
            "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>\n" if notes else "",
            f'</header>\n<figure class="field">{image_tag(field, "the field")}</figure>\n' if field else "</header>\n",
            f"<main>\n<h2>Sources</h2>\n{TOOLS}",
            *_table_lines(columns, ids, flagged, set(shown)),
            "<h2>Images</h2>\n",
            f"<p>of {len(shown):,} sources, flagged ones first</p>\n" if len(shown) < len(ids) else "",
            legend(),
            *_strips(columns, ids, flagged, thumbnails, shown),
            f"</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        ]
    )


def _identified(table: "QTable", thumbnails: Mapping[str, Thumbnail]) -> tuple[list[str], np.ndarray]:
    """Check the input; return each source's ID, and whether it is flagged, shape (sources,)."""
    values, missing = values_of(table["ID"])
    ids = [text_of(value) for value in values]
    if missing.any():
        raise InputError(f"ID: expected one for each source, found none in row {int(np.argmax(missing))}")
    known = set(ids)
    if len(known) < len(ids):
        raise InputError(f"ID: expected each once, found {max(ids, key=ids.count)!r} more than once")
    flags, missing = values_of(table["FLAG"])
    if flags.dtype.kind not in "iub" or flags.ndim > 1 or missing.any():
        raise InputError("FLAG: expected an integer for each source, 0 where there is no flag")
    for name, images in thumbnails.items():
        if name not in known:
            raise InputError(f"thumbnails: expected IDs of the table, found {name!r}")
        shapes = {np.shape(image) for image in images[:3]}
        if len(shapes) > 1 or len(min(shapes)) != 2:
            raise InputError(f"thumbnails[{name!r}]: expected three images of one shape, found {sorted(shapes)}")
        if np.any(np.asarray(images.model) < 0):
            raise InputError(f"thumbnails[{name!r}].model: expected no negative counts")
    return ids, flags != 0


def _table_lines(columns: Sequence[Column], ids: Sequence[str], flagged: np.ndarray, shown: Set[int]) -> Iterator[str]:
    """Write the table; the row of source 3 has the address #row-3, its images, where they are shown, #source-3."""
    yield '<div class="pane" role="region" aria-label="Table of sources" tabindex="0">\n<table>\n<thead><tr>'
    for column in columns:
        tip = f' title="{escape(column.description)}"' if column.description else ""
        name = escape(column.name).replace("_", "_<wbr>")
        button = f'<button type="button">{name} <small>{escape(column.unit)}</small></button>'
        yield f'<th scope="col" class="{column.kind}"{tip}>{button}</th>'
    yield "</tr></thead>\n<tbody>\n"
    for row in range(len(ids)):
        yield f'<tr id="row-{row}"{_flag_class(flagged[row])}><th scope="row"{_sorted_by(columns[0].cells[row])}>'
        yield f'<a href="#source-{row}">{escape(ids[row])}</a></th>' if row in shown else f"{escape(ids[row])}</th>"
        for column, cell in ((column, column.cells[row]) for column in columns[1:]):
            yield f'<td class="{column.kind}"{_sorted_by(cell)}>{cell.html}</td>'
        yield "</tr>\n"
    yield "</tbody>\n</table>\n</div>\n"


def _sorted_by(cell: Cell) -> str:
    if cell.number is None:
        return " data-none" if cell is MISSING else ""
    return f' data-v="{cell.number!r}"'.replace("inf", "Infinity")


def _flag_class(flagged: bool) -> str:
    return ' class="flagged"' if flagged else ""


def _many(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def _strips(
    columns: Sequence[Column],
    ids: Sequence[str],
    flagged: np.ndarray,
    thumbnails: Mapping[str, Thumbnail],
    shown: Sequence[int],
) -> Iterator[str]:
    """Write the images and numbers of the sources that are shown."""
    named = {column.name: column for column in columns}
    for row in shown:
        flag, meaning = (named[name].cells[row] for name in ("FLAG", "MEANING"))
        said = f"flag {flag.html}" if meaning is MISSING and flagged[row] else meaning.html
        yield f'<article id="source-{row}"{_flag_class(flagged[row])}>\n<div><h3>{escape(ids[row])}</h3>'
        yield "" if said == DASH else f'<p class="meaning">{said}</p>'
        yield f'<p><a href="#row-{row}" aria-label="{escape(ids[row])} in the table">↑ table</a></p></div>\n'
        yield '<div class="images">'
        if ids[row] in thumbnails:
            yield from figures(thumbnails[ids[row]])
        else:
            yield '<p class="meaning">no images</p>'
        yield "</div>\n<dl>"
        beside = [*(name for name in named if _OF_AN_IMAGE.match(name)), *_BESIDE_THE_IMAGES]
        for column in (named[name] for name in beside if name in named):
            if column.cells[row] is not MISSING:
                value = f"{column.cells[row].html} <small>{escape(column.unit)}</small>"
                yield f"<div><dt>{escape(column.name)}</dt><dd>{value}</dd></div>"
        yield "</dl>\n</article>\n"
