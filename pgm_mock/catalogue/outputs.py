"""The files of a catalogue: tables, DS9 regions, posteriors and the page, each whole or not at all.

A catalogue may have more sources than memory has room for: what is more than a number a source is read from the store
and written a piece at a time.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files import file_names, replacing
from ..observation import Observation
from ..plot.axes import pixel_size
from ..results import label_parameter, provenance
from ..scene import Parameter
from ..tablefiles import write_fits
from .fields import Field
from .page import MOST_IMAGES, catalogue_page
from .picture import field_picture, thumbnails
from .store import Store

if TYPE_CHECKING:
    from astropy.table import QTable

_MOST_ROWS = 10_000
"""The page's table has so many rows: a browser is slow with more."""
_ROWS_AT_ONCE = 10_000
_SOURCES_TOGETHER = 64
"""Sources whose draws lie side by side in posteriors.nc, at most."""


def write_tables(folder: Path, table: "QTable") -> None:
    """Write the table as ECSV, FITS and VOTable, with units, descriptions and UCDs."""
    with replacing(folder / "catalog.ecsv") as temporary:
        _write_ecsv(temporary, table)
    with replacing(folder / "catalog.fits") as temporary:
        write_fits(temporary, table)
    with replacing(folder / "catalog.vot") as temporary:
        table.write(temporary, format="votable", overwrite=True)


def _write_ecsv(path: Path, table: "QTable") -> None:
    """Write the table a block of rows at a time: astropy makes words of all numbers before it writes the first."""
    with open(path, "w", encoding="utf-8", newline="") as stream:
        header = io.StringIO()
        table[:0].write(header, format="ascii.ecsv")
        stream.write(header.getvalue())
        for first in range(0, len(table), _ROWS_AT_ONCE):
            block = io.StringIO()
            table[first : first + _ROWS_AT_ONCE].write(block, format="ascii.ecsv")
            stream.write(block.getvalue().removeprefix(header.getvalue()))


def write_regions(folder: Path, table: "QTable", field_names: Sequence[str], sizes: Sequence[int]) -> None:
    """Write DS9 regions of the fitted positions, with names; flagged ones in red. One file for each field.

    Args:
        folder: where to.
        table: the catalogue.
        field_names, sizes: of the fields, and how many sources each has.
    """
    x, y = (position_in(table, axis) for axis in "XY")
    known = np.isfinite(x) & np.isfinite(y)
    names, flagged = table["ID"], np.asarray(table["FLAG"]) != 0
    first = 0
    for name_on_disk, size in zip(file_names(field_names), sizes, strict=True):
        path = folder / ("catalog.reg" if len(sizes) == 1 else f"catalog_{name_on_disk}.reg")
        with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as stream:
            stream.write("# Region file format: DS9\nimage\n")
            for row in first + np.flatnonzero(known[first : first + size]):
                colour = "red" if flagged[row] else "green"
                name = str(names[row]).replace("{", "(").replace("}", ")")
                stream.write(f"circle({x[row]:.3f},{y[row]:.3f},5) # color={colour} text={{{name}}}\n")
        first += size


def position_in(table: "QTable", axis: str) -> np.ndarray:
    """Return the fitted x or y, or that asked for where there is no fit [FITS image pixels]."""
    asked = np.asarray(table[f"{axis}_ASKED"].value, float)
    if f"{axis}_IMA" not in table.colnames:
        return asked
    found = np.asarray(table[f"{axis}_IMA"].value, float)
    return np.where(np.isfinite(found), found, asked)


def write_posteriors(
    store: Store, identifiers: Sequence[str], observation: Observation, parameters: Mapping[str, Parameter]
) -> None:
    """Write the draws of all sources into one netCDF file that ArviZ opens: dimensions chain, draw and source.

    A source without a fit has NaN; one with more draws than another gives as many, evenly chosen.

    Args:
        store: the results.
        identifiers: the names of all sources.
        observation: gives the unit of a flux.
        parameters: that the models may have.
    """
    import h5netcdf
    import h5py
    import xarray

    found: set[str] = set()
    number = 0
    for lengths in store.lengths():
        found |= lengths.keys()
        number = min([*lengths.values(), *([number] if number else [])], default=0)
    if not found:
        return
    with replacing(store.folder / "posteriors.nc") as temporary, h5netcdf.File(temporary, "w") as file:
        file.attrs.update(provenance())
        group = file.create_group("posterior")
        group.dimensions = {"chain": 1, "draw": number, "source": len(identifiers)}
        group.create_variable("chain", ("chain",), np.int64)[...] = 0
        group.create_variable("draw", ("draw",), np.int64)[...] = np.arange(number)
        group.create_variable("source", ("source",), h5py.string_dtype())[...] = np.array(identifiers, object)
        variables = {}
        for name in (name for name in parameters if name in found):
            variables[name] = group.create_variable(
                name,
                ("chain", "draw", "source"),
                np.float32,
                fillvalue=np.float32(np.nan),
                chunks=(1, number, min(store.chunk_size, len(identifiers), _SOURCES_TOGETHER)),
            )
            labelled = xarray.DataArray()
            label_parameter(labelled, parameters[name], observation)
            variables[name].attrs.update(labelled.attrs)
        for chunk, sources in enumerate(store.numbers):
            _write_draws(variables, slice(sources.start, sources.stop), store.draws(chunk), number)


def _write_draws(variables: dict[str, Any], where: slice, draws: list[dict[str, np.ndarray]], number: int) -> None:
    """Write a chunk's draws, `number` of each source's."""
    for name, variable in variables.items():
        values = np.full((number, len(draws)), np.nan, np.float32)
        for place, own in enumerate(draws):
            if name in own:
                values[:, place] = own[name][np.linspace(0, len(own[name]) - 1, number).astype(int)]
        variable[0, :, where] = values


def write_page(
    store: Store, table: "QTable", fields: Sequence[Field], notes: list[str], half_size: int | None = None
) -> None:
    """Write the page: the first field's picture, the table, and three images of each source that is shown.

    A catalogue of more than 10,000 sources has so many of them on its page, flagged ones first.
    """
    flagged_first = np.argsort(np.asarray(table["FLAG"]) == 0, kind="stable")
    chosen = store.images([int(number) for number in flagged_first[:MOST_IMAGES]])
    observation = fields[0].observation
    shown = dict(thumbnails(table, chosen, pixel_size(observation) if len(fields) == 1 else None, half_size))
    name = observation.name
    title = f"Sources of {name}" if len(fields) == 1 and name else f"Sources of {len(fields)} fields"
    picture = field_picture(table, fields[0]) if len(fields) == 1 else None
    rows = table
    if len(table) > _MOST_ROWS:
        rows = table[np.sort(flagged_first[:_MOST_ROWS])]
        notes = [*notes, f"{len(rows):,} of {len(table):,} sources are on this page, flagged ones first."]
    totals = len(table), int((np.asarray(table["METHOD"]) == "none").sum())
    page = catalogue_page(rows, shown, title=title, field=picture, notes=notes, totals=totals)
    with replacing(store.folder / "catalog.html") as temporary:
        temporary.write_text(page, encoding="utf-8")
