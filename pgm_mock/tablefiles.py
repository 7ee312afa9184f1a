"""Tables as files, with the unit, the meaning and the UCD of each column."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .files import replacing

if TYPE_CHECKING:
    from astropy.table import QTable


def tabulated(columns: Mapping[str, tuple[Any, Any, str, str]]) -> "QTable":
    """Make a table of values, units, UCDs and meanings by name."""
    from astropy.table import QTable

    table = QTable()
    for name, (values, unit, ucd, meaning) in columns.items():
        table[name] = values if unit is None else np.asarray(values, float) * unit
        table[name].info.description = meaning
        table[name].info.meta = {"ucd": ucd}
    return table


def write_table(folder: Path, name: str, table: "QTable") -> list[Path]:
    """Write a table as ECSV and as FITS, each whole or not at all; return the paths.

    Args:
        folder: where to.
        name: of the files, without their endings.
        table: with descriptions, and UCDs where its columns' meta has them as "ucd".
    """
    paths = [folder / f"{name}.ecsv", folder / f"{name}.fits"]
    with replacing(paths[0]) as temporary:
        table.write(temporary, format="ascii.ecsv", overwrite=True)
    with replacing(paths[1]) as temporary:
        write_fits(temporary, table)
    return paths


def write_fits(path: Path, table: "QTable") -> None:
    """Write a table with a description (TCOMM) and a UCD (TUCD) for each column, which astropy leaves out."""
    from astropy.io import fits
    from astropy.table import QTable

    columns = {name: table[name] for name in table.colnames}
    words = {name: np.char.encode(own, "utf-8") for name, own in columns.items() if own.dtype.kind == "U"}
    hdu = fits.table_to_hdu(QTable(columns | words, meta=table.meta, copy=False))
    for number, name in enumerate(table.colnames, 1):
        hdu.header[f"TCOMM{number}"] = table[name].info.description
        if ucd := (table[name].info.meta or {}).get("ucd"):
            hdu.header[f"TUCD{number}"] = ucd
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, overwrite=True)
