"""The files of a catalogue: tables, DS9 regions, posteriors and the page, each whole or not at all."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..files import replacing
from ..observation import Observation
from ..priors import ALL_SITES
from ..results import label_parameter, provenance
from .fields import Field
from .measure import Measured
from .page import Thumbnail, catalogue_page

if TYPE_CHECKING:
    from astropy.table import QTable

_EDGE = 15
"""Pixels about the exposed area in the picture of the field."""
TABLES = {"catalog.ecsv": "ascii.ecsv", "catalog.fits": "fits", "catalog.vot": "votable"}


def write_tables(folder: Path, table: "QTable") -> None:
    """Write the table as ECSV, FITS and VOTable, with units and descriptions."""
    for name, form in TABLES.items():
        with replacing(folder / name) as temporary:
            told = table.copy()
            if form == "fits":
                for column in told.colnames:  # a FITS header has no room for descriptions; they would warn
                    told[column].info.description = None
                    if told[column].dtype.kind == "U":
                        told[column] = np.char.encode(told[column], "utf-8")
            told.write(temporary, format=form, overwrite=True)


def write_regions(folder: Path, table: "QTable", fields: Sequence[Field]) -> None:
    """Write DS9 regions of the fitted positions, with names; flagged ones in red. One file for each field."""
    from astropy import units

    first = 0
    for field in fields:
        own, first = table[first : first + len(field.regions)], first + len(field.regions)
        lines = ["# Region file format: DS9", "image"]
        for row in own:
            x, y = row["X_ASKED"].to_value(units.pix), row["Y_ASKED"].to_value(units.pix)
            if "X_IMA" in table.colnames and np.isfinite(row["X_IMA"]):
                x, y = row["X_IMA"].to_value(units.pix), row["Y_IMA"].to_value(units.pix)
            if np.isfinite(x) and np.isfinite(y):
                colour = "red" if row["FLAG"] else "green"
                name = str(row["ID"]).replace("{", "(").replace("}", ")")
                lines.append(f"circle({x:.3f},{y:.3f},5) # color={colour} text={{{name}}}")
        path = folder / ("catalog.reg" if len(fields) == 1 else f"catalog_{field.name}.reg")
        with replacing(path) as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_posteriors(folder: Path, measured: Sequence[Measured], observation: Observation) -> None:
    """Write the draws of all sources into one netCDF file that ArviZ opens: dimensions chain, draw and source.

    A source without a fit has NaN.
    """
    import xarray

    names = [name for name in ALL_SITES if any(name in one.draws for one in measured)]
    if not names:
        return
    number = min(len(one.draws[names[0]]) for one in measured if one.draws)
    values = {name: np.full((1, number, len(measured)), np.nan, np.float32) for name in names}
    for place, one in enumerate(measured):
        for name, draws in one.draws.items():
            chosen = np.linspace(0, len(draws) - 1, number).astype(int)
            values[name][0, :, place] = draws[chosen]
    identifiers = np.array([str(one.row["ID"]) for one in measured], dtype=object)
    dataset = xarray.Dataset(
        {name: (("chain", "draw", "source"), array) for name, array in values.items()},
        coords={"chain": [0], "draw": np.arange(number), "source": identifiers},
    )
    for name in names:
        label_parameter(dataset[name], name, observation)
    tree = xarray.DataTree.from_dict({"/": xarray.Dataset(attrs=provenance()), "/posterior": dataset})
    with replacing(folder / "posteriors.nc") as temporary:
        tree.to_netcdf(temporary, engine="h5netcdf")


def write_page(
    folder: Path, table: "QTable", measured: Sequence[Measured], fields: Sequence[Field], notes: list[str]
) -> None:
    """Write the page: the first field's picture, the table, and three images of each source."""
    thumbnails = {
        str(one.row["ID"]): Thumbnail(one.images[0], one.images[1], one.images[2] > 0)
        for one in measured
        if one.images is not None
    }
    names = [field.observation.name for field in fields]
    title = f"Sources of {names[0]}" if len(fields) == 1 and names[0] else f"Sources of {len(fields)} fields"
    picture = _picture(table, fields[0]) if len(fields) == 1 else None
    page = catalogue_page(table, thumbnails, title=title, field=picture, notes=notes)
    with replacing(folder / "catalog.html") as temporary:
        temporary.write_text(page, encoding="utf-8")


def _picture(table: "QTable", field: Field) -> bytes:
    """Draw the field with a circle and a name for each source, flagged ones in red."""
    from matplotlib.figure import Figure

    observation = field.observation
    (ny, nx), (left, low) = observation.shape, observation.origin
    figure = Figure(figsize=(8, 8 * min(ny / nx, 1.5)), layout="constrained")
    ax = figure.subplots()
    shown = np.where(observation.exposure > 0, np.sqrt(observation.counts), np.nan)
    top = max(2.0, float(np.nanquantile(shown, 0.9995)))
    extent = (left - 0.5, left + nx - 0.5, low - 0.5, low + ny - 0.5)
    ax.imshow(shown, origin="lower", extent=extent, cmap="gray_r", vmin=0, vmax=top, interpolation="none")
    for row, region in zip(table, field.regions, strict=True):
        colour = "tab:red" if row["FLAG"] else "tab:blue"
        radius = region.radius if np.isfinite(region.radius) else 5.0
        if not (np.isfinite(region.x) and np.isfinite(region.y)):
            continue
        angle = np.linspace(0, 2 * np.pi, 40)
        ax.plot(region.x + radius * np.cos(angle), region.y + radius * np.sin(angle), color=colour, lw=1)
        if len(table) <= 200:
            ax.annotate(str(row["ID"]), (region.x, region.y + radius), (0, 1), textcoords="offset points", fontsize=7,
                        color=colour, ha="center", va="bottom", annotation_clip=True)  # fmt: skip
    rows, columns = (np.flatnonzero((observation.exposure > 0).any(axis=axis)) for axis in (1, 0))
    ax.set(xlim=(left + columns[0] - _EDGE, left + columns[-1] + _EDGE))
    ax.set(
        ylim=(low + rows[0] - _EDGE, low + rows[-1] + _EDGE),
        xlabel="x [FITS image pixel]",
        ylabel="y [FITS image pixel]",
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()
