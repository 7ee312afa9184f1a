"""Tables of sources in FITS, ECSV and VOTable files, known by their content: some columns, read up to a limit."""

import bz2
import gzip
import io
import os
import re
import stat
import warnings
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from .errors import InputError, one_line, shown
from .fitsimage import UNREADABLE, hdu_names, opened_fits, split_hdu

if TYPE_CHECKING:
    from astropy.io import fits
    from astropy.io.votable.tree import TableElement, VOTableFile
    from astropy.table import Table

_MOST_FITS, _MOST_TEXT = 1 << 31, 100_000_000
"""Bytes of a FITS table, and of a table in text, both without compression."""
_MOST_ROWS, _LONGEST_LINE, _LONGEST_HEADER, _WIDEST = 2_000_000, 1_000_000, 1_000_000, 1000
"""Rows of a table, bytes of a line and of the header of an ECSV file, and characters of a cell that is looked at."""
_HEAD, _MOST_COLUMNS = 4096, 999
_OPENERS: dict[bytes, Callable[[Path], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open}
_DAMAGED = (EOFError, OSError, zlib.error, ValueError)
_VOTABLE = re.compile(rb"\s*<[^\0]*<(\w+:)?VOTABLE[\s>/]|\s*<(\w+:)?VOTABLE[\s>/]")
_FRAME_KEYS = ("RADESYS", "RADECSYS", "FRAME")


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        values: shape (rows,): numbers, with NaN where one is missing, or words.
        unit: as the file writes it, or "".
    """

    values: np.ndarray
    unit: str


class SourceTable(NamedTuple):
    """What a file says of its sources.

    Attributes:
        label: the file's name, and the HDU where it is FITS.
        names: of all columns.
        columns: those that were asked for and are there, by their names in capitals.
        rows: their number.
        frame: of the sky coordinates, such as "FK5", in capitals; "" where the table does not say.
        equinox: [year], as the table writes it; None where it does not say.
    """

    label: str
    names: list[str]
    columns: dict[str, Column]
    rows: int
    frame: str
    equinox: Any


def read_table(
    path: str | os.PathLike[str], wanted: Iterable[str], pairs: Iterable[tuple[str, str]]
) -> SourceTable | None:
    """Read columns of a table in a file; return None where the file is none of FITS, ECSV and VOTable.

    Args:
        path: the file, which may be compressed by gzip or bzip2; `file.fits[SRCLIST]` or `file.fits[1]` picks an HDU
            by its name or number.
        wanted: names of the columns to read, in capitals; capitals in the file do not matter.
        pairs: columns of which a table needs both of at least one pair: the first such table of a file is taken.

    Raises:
        InputError: a table that is too large, cannot be read, or has none of the pairs.
    """
    file, hdu, plane = split_hdu(path)
    head = _head(file)
    wanted, pairs = frozenset(wanted), tuple(pairs)
    if head.startswith(b"SIMPLE  ="):
        if plane is not None:
            raise InputError(f"{file}: expected [HDU] to pick a table, found [{shown(hdu)}, {plane}]")
        table = _from_fits(file, hdu, wanted, pairs)
    elif not (is_ecsv := head.removeprefix(b"\xef\xbb\xbf").startswith(b"# %ECSV")) and not _VOTABLE.match(head):
        return None
    elif hdu is not None:
        raise InputError(f"{file}: expected a FITS file to pick an HDU from, found another table")
    else:
        content = _content(file)
        table = _from_ecsv(file, content, wanted) if is_ecsv else _from_votable(file, content, wanted, pairs)
    if not _has_pair(table.names, pairs):
        names = one_line(", ".join(table.names), 200) or "none"
        raise InputError(f"{table.label}: expected columns RA and DEC, or X_IMA and Y_IMA, found {names}")
    return table


def _has_pair(names: Iterable[str], pairs: Iterable[tuple[str, str]]) -> bool:
    return any({*pair} <= {name.upper() for name in names} for pair in pairs)


def _opened(file: Path) -> BinaryIO:
    """Open a file; what gzip or bzip2 have compressed is read as it was before."""
    with open(file, "rb") as stream:
        magic = stream.read(3)
    for begin, opener in _OPENERS.items():
        if magic.startswith(begin):
            return opener(file)
    return open(file, "rb")


def _head(file: Path) -> bytes:
    """Return the first bytes of a file; nothing of one that cannot be read, or only once, as a pipe can."""
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):
            return b""
        with _opened(file) as stream:
            return stream.read(_HEAD)
    except _DAMAGED:
        return b""


def _content(file: Path) -> bytes:
    try:
        with _opened(file) as stream:
            content = stream.read(_MOST_TEXT + 1)
    except _DAMAGED as error:
        raise InputError(f"{file}: expected a whole table, found a truncated or damaged one") from error
    if len(content) > _MOST_TEXT:
        raise InputError(f"{file}: expected a table in text of at most {_MOST_TEXT:,} bytes, found a larger one")
    return content


def _check_rows(label: object, rows: int) -> None:
    if rows > _MOST_ROWS:
        raise InputError(f"{label}: expected at most {_MOST_ROWS:,} rows, found {rows:,}")


def _from_fits(
    file: Path, wanted_hdu: str | int | None, wanted: frozenset[str], pairs: tuple[tuple[str, str], ...]
) -> SourceTable:
    with opened_fits(file) as hdus:
        tables = [number for number, hdu in enumerate(hdus) if _is_table(hdu)]
        if wanted_hdu is not None:
            try:
                tables = [number for number in tables if number == hdus.index_of(wanted_hdu)]
            except (KeyError, IndexError) as error:
                said = f"expected an HDU {shown(wanted_hdu)}, found {hdu_names(hdus)}"
                raise InputError(f"{file}: {said}") from error
        if not tables:
            where = "" if wanted_hdu is None else f"[{wanted_hdu}]"
            raise InputError(f"{file}{where}: expected a table of sources, found none in the HDUs {hdu_names(hdus)}")
        number = next((number for number in tables if _has_pair(hdus[number].columns.names, pairs)), tables[0])
        return _from_hdu(f"{file}[{hdus[number].name or number}]", hdus[number], wanted)


def _is_table(hdu: "fits.hdu.base._BaseHDU") -> bool:
    """Whether an HDU is a table with columns, of which FITS has up to 999: astropy makes room for any number."""
    return not hdu.is_image and 1 <= hdu.header.get("TFIELDS", 0) <= _MOST_COLUMNS


def _from_hdu(label: str, hdu: "fits.BinTableHDU", wanted: frozenset[str]) -> SourceTable:
    header, names = hdu.header, list(hdu.columns.names)
    rows = int(header["NAXIS2"])
    _check_rows(label, rows)
    if hdu.size > _MOST_FITS:
        raise InputError(f"{label}: expected a table of at most {_MOST_FITS:,} bytes, found {hdu.size:,}")
    found: dict[str, Column] = {}
    for place, name in enumerate(names):
        if name.upper() in wanted and rows:
            column = _column(hdu.data.field(place), hdu.columns[place].unit)
            if column is not None:
                found.setdefault(name.upper(), column)
    frame = next((header[key] for key in _FRAME_KEYS if key in header), "")
    return SourceTable(label, names, found, rows, str(frame).strip().upper(), header.get("EQUINOX"))


def _column(values: Any, unit: object) -> Column | None:
    """Return a column of one number or a few words a row; None of anything else."""
    plain = getattr(values, "value", values)
    missing = np.ma.getmaskarray(plain) if isinstance(plain, np.ma.MaskedArray) else getattr(plain, "mask", None)
    array = np.asarray(getattr(plain, "unmasked", plain))
    if array.dtype.kind == "O" and all(isinstance(word, str) and len(word) <= _WIDEST for word in array.ravel()):
        array = array.astype(str)  # words of unlike lengths
    if array.ndim != 1 or array.dtype.kind not in "iufSU" or (array.dtype.kind in "SU" and _width(array) > _WIDEST):
        return None
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "replace")
    if missing is not None and np.any(missing):
        array = np.where(missing, "" if array.dtype.kind == "U" else np.nan, array)
    return Column(array, "" if unit is None else str(unit))


def _width(array: np.ndarray) -> int:
    return array.dtype.itemsize // (4 if array.dtype.kind == "U" else 1)


def _of_table(label: str, table: "Table", wanted: frozenset[str], meta: Mapping[str, Any]) -> SourceTable:
    found: dict[str, Column] = {}
    for name in table.colnames:
        if name.upper() in wanted:
            own = table[name]
            column = _column(own, getattr(own, "unit", None))
            if column is not None:
                found.setdefault(name.upper(), column)
                meta = {**meta, **(own.info.meta or {})} if name.upper().endswith("RA") else meta
    said = {str(key).upper(): value for key, value in meta.items()}
    frame = next((said[key] for key in _FRAME_KEYS if key in said), "")
    return SourceTable(label, list(table.colnames), found, len(table), str(frame).strip().upper(), said.get("EQUINOX"))


def _from_ecsv(file: Path, content: bytes, wanted: frozenset[str]) -> SourceTable:
    from astropy.table import Table

    lines = content.splitlines()
    header = next((number for number, line in enumerate(lines) if not line.startswith(b"#")), len(lines))
    _check_rows(file, len(lines) - header - 1)
    longest = max(map(len, lines))
    if longest > _LONGEST_LINE:
        raise InputError(f"{file}: expected lines of at most {_LONGEST_LINE:,} characters, found {longest:,}")
    if sum(map(len, lines[:header])) > _LONGEST_HEADER:
        raise InputError(f"{file}: expected a header of at most {_LONGEST_HEADER:,} characters, found a longer one")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = Table.read(content.decode("utf-8-sig").splitlines(), format="ascii.ecsv")
    except UNREADABLE as error:
        raise InputError(f"{file}: expected a table in ECSV, found one that cannot be read: {error}") from error
    return _of_table(str(file), table, wanted, table.meta)


def _from_votable(
    file: Path, content: bytes, wanted: frozenset[str], pairs: tuple[tuple[str, str], ...]
) -> SourceTable:
    from xml.parsers.expat import ExpatError

    from astropy.io.votable import parse
    from astropy.io.votable.exceptions import VOWarning

    try:
        _check_xml(file, content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            votable = parse(io.BytesIO(content), verify="ignore")
            tables = list(votable.iter_tables())
            named = (one for one in tables if _has_pair((field.name or "" for field in one.fields), pairs))
            chosen = next(named, tables[0] if tables else None)
            if chosen is None:
                raise InputError(f"{file}: expected a table of sources, found a VOTable without one")
            table = chosen.to_table(use_names_over_ids=True)
            meta = _system(votable, chosen)
    except InputError:
        raise
    except (*UNREADABLE, ExpatError, VOWarning) as error:
        raise InputError(f"{file}: expected a VOTable, found one that cannot be read: {error}") from error
    _check_rows(file, len(table))
    return _of_table(str(file), table, wanted, meta)


def _check_xml(file: Path, content: bytes) -> None:
    """Refuse a VOTable that has too many rows, or whose data are elsewhere or packed: nothing else is opened for it."""
    from xml.parsers.expat import ParserCreate

    rows = 0

    def element(name: str, attributes: dict[str, str]) -> None:
        nonlocal rows
        kind = name.rpartition(":")[2].upper()
        rows += kind == "TR"
        packed = kind == "STREAM" and ("href" in attributes or attributes.get("encoding", "base64") != "base64")
        if packed or kind == "FITS":
            raise InputError(f"{file}: expected a VOTable with its data in it, found them packed or elsewhere")

    def entity(*_: object) -> None:
        raise InputError(f"{file}: expected a VOTable without entities of its own, found some")

    parser = ParserCreate()
    parser.StartElementHandler = element
    parser.EntityDeclHandler = entity
    parser.Parse(content, True)
    _check_rows(file, rows)


def _system(votable: "VOTableFile", table: "TableElement") -> dict[str, Any]:
    """Return the frame and equinox of the coordinate system that a column refers to, or of the only one."""
    found = list(votable.coordinate_systems)
    for resource in votable.resources:
        found += resource.coordinate_systems
    named = {system.ID: system for system in found if system.ID}
    system = next((named[field.ref] for field in table.fields if field.ref in named), None)
    if system is None and len(found) == 1:
        system = found[0]
    if system is None or not system.system:
        return {}
    return {"FRAME": str(system.system).removeprefix("eq_"), "EQUINOX": system.equinox}
