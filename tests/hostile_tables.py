"""Odd tables of sources, each by a name: FITS, ECSV and VOTable."""

import gzip

from .hostile_fits import FILES, GOOD, table
from .hostile_text import LIES

DEEP, LONG = 20_000, "a" * 100_000


def ecsv(columns: str = "RA DEC", rows: str = "210 2\n", more: str = "", kind: str = "float64") -> bytes:
    """A table in ECSV; `more` are lines of its header, `kind` the type of each column."""
    header = "# %ECSV 1.0\n# ---\n# datatype:\n"
    header += "".join(f"# - {{name: {name}, datatype: {kind}}}\n" for name in columns.split())
    return f"{header}{more}{columns}\n{rows}".encode("utf-8", "surrogatepass")


def votable(
    data: str = "<TABLEDATA><TR><TD>210</TD><TD>2</TD></TR></TABLEDATA>",
    before: str = "",
    unit: str = "deg",
    extra: str = "",
) -> bytes:
    """A VOTable with two columns; `before` stands before its root, `extra` before its table."""
    fields = "".join(f'<FIELD name="{name}" datatype="double" unit="{unit}"/>' for name in ("RA", "DEC"))
    return (
        f"<?xml version='1.0'?>{before}<VOTABLE version='1.4' xmlns='http://www.ivoa.net/xml/VOTable/v1.3'>"
        f"<RESOURCE>{extra}<TABLE>{fields}<DATA>{data}</DATA></TABLE></RESOURCE></VOTABLE>"
    ).encode()


LAUGHS = "<!DOCTYPE V [<!ENTITY a 'ha'>" + "".join(
    f"<!ENTITY {new} '{f'&{old};' * 10}'>" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
FILES_OF_SOURCES: dict[str, bytes] = {
    "an image": GOOD,
    "a table of nonsense": FILES["a table of nonsense"],
    "a table of 1e9 columns": FILES["a table of 1e9 columns"],
    "a table of other things": table(b"'1J      '", 4),
    "a truncated table": table(b"'1J      '", 4)[:5000],
    "a table of 1e9 rows": table(b"'1J      '", 4).replace(b"'x       '", b"'RA      '").replace(b"NAXIS2  =                    1", b"NAXIS2  =           1000000000"),
    "a bomb": gzip.compress(bytes(50_000_000)),
    "half a bomb": gzip.compress(ecsv(rows="210 2\n" * 100_000))[:1000],
    "ECSV alone": b"# %ECSV",
    "ECSV of a header": ecsv().split(b"RA DEC")[0],
    "ECSV in Latin": ecsv(rows="210 2\n").replace(b"210", b"\xe9\xff"),
    "ECSV with NUL": ecsv(rows="\0 2\n"),
    "words": ecsv(rows="a b\n"),
    "words for numbers": ecsv(rows="a b\n", kind="string"),
    "long words": ecsv(rows=f"{LONG} {LONG}\n", kind="string"),
    "angles of signs": ecsv(rows='"+-+- 1 1" "--1 0 0"\n', kind="string"),
    "angles of brackets": ecsv(rows=f'"{"(" * 39}" "1:2:3"\n', kind="string"),
    "objects": ecsv(rows='"{""a"": 1}" "[1]"\n', more="# meta: {a: 1}\n").replace(b"float64", b"string, subtype: json"),
    "arrays": ecsv(rows='"[1,2]" "[3,4]"\n').replace(b"float64", b"string, subtype: 'float64[2]'"),
    "arrays of any length": ecsv(rows='"[1,2]" "[3]"\n').replace(b"float64", b"string, subtype: 'float64[null]'"),
    "complex numbers": ecsv(kind="complex128", rows="1+2j 2\n"),
    "true and false": ecsv(kind="bool", rows="True False\n"),
    "too few columns": ecsv(rows="210\n"),
    "too many columns": ecsv(rows="210 2 3\n"),
    "the same column twice": ecsv("RA RA DEC", "1 2 3\n"),
    "a column of two cases": ecsv("RA ra Dec", "30 210 2\n"),
    "a column of lines": ecsv("ALPHA", "1\n").replace(b"ALPHA", repr(LIES).replace("'", '"').encode()),
    "a long column": ecsv(LONG, "1\n"),
    "ten thousand columns": ecsv(" ".join(f"c{number}" for number in range(10_000)), ""),
    "deep YAML": ecsv(more=f"# meta: {'[' * DEEP}\n"),
    "deep closed YAML": ecsv(more=f"# meta: {'[' * DEEP}{']' * DEEP}\n"),
    "a header of 2 MB": ecsv(more="# meta:\n" + "# - a\n" * 300_000),
    "a Python object": ecsv(more="# meta: !!python/object/apply:os.system ['false']\n"),
    "a mixin of any class": ecsv(more="# meta: !!omap\n# - __serialized_columns__:\n#     RA:\n#       __class__: os.system\n#       value: !astropy.table.SerializedColumn {name: RA}\n"),
    "a unit of brackets": ecsv().replace(b"name: RA", b"name: RA, unit: '" + b"(" * 5000 + b"'"),
    "a unit of powers": ecsv().replace(b"name: RA", b"name: RA, unit: 'deg**99999999999999999999'"),
    "a unit of lines": ecsv().replace(b"name: RA", b'name: RA, unit: "a\\nb\\e[2J"'),
    "a frame of lines": ecsv(more='# meta: {RADESYS: "a\\nb\\e[2J"}\n'),
    "a frame that is a list": ecsv(more="# meta: {RADESYS: [FK5]}\n"),
    "an equinox that is none": ecsv(more="# meta: {RADESYS: FK5, EQUINOX: [1, 2]}\n"),
    "an equinox of 1e300": ecsv(more="# meta: {RADESYS: FK5, EQUINOX: 1e300}\n"),
    "nan": ecsv(rows="nan nan\n"),
    "1e300": ecsv(rows="1e300 1e300\n"),
    "pixels of 1e300": ecsv("X_IMA Y_IMA", "1e300 -1e300\ninf 1\n"),
    "XML alone": b"<?xml version='1.0'?><VOTABLE/>",
    "XML that ends": votable()[:-30],
    "XML of NUL": votable("\0"),
    "deep XML": b"<VOTABLE>" + b"<RESOURCE>" * DEEP,
    "deep closed XML": b"<VOTABLE>" + b"<RESOURCE>" * DEEP + b"</RESOURCE>" * DEEP + b"</VOTABLE>",
    "laughs": votable(before=f"{LAUGHS}]>", extra="<DESCRIPTION>&i;</DESCRIPTION>"),
    "a file in XML": votable(before='<!DOCTYPE V [<!ENTITY f SYSTEM "file:///etc/passwd">]>', extra="<DESCRIPTION>&f;</DESCRIPTION>"),
    "data elsewhere": votable('<BINARY><STREAM href="file:///nowhere"/></BINARY>'),
    "data elsewhere, hidden": votable('<BINARY><STREAM actuate=">" \n href="http://127.0.0.1:9/x"/></BINARY>'),
    "packed data": votable('<BINARY><STREAM encoding="gzip">AAAA</STREAM></BINARY>'),
    "FITS in XML": votable('<FITS><STREAM encoding="base64">AAAA</STREAM></FITS>'),
    "half a row of bytes": votable('<BINARY><STREAM encoding="base64">AAAA</STREAM></BINARY>'),
    "XML of words": votable("<TABLEDATA><TR><TD>a</TD><TD>b</TD></TR></TABLEDATA>"),
    "XML of short rows": votable("<TABLEDATA><TR><TD>1</TD></TR></TABLEDATA>"),
    "XML without rows": votable("<TABLEDATA/>"),
    "XML of a unit": votable(unit="(" * 5000),
    "XML of a frame": votable(extra='<COOSYS ID="a" system="galactic"/>'),
    "XML of a frame that is none": votable(extra='<COOSYS ID="a" system="a&#10;b"/>'),
    "XML of an equinox": votable(extra='<COOSYS ID="a" system="eq_FK5" equinox="Jx"/>'),
    "XML in UTF-16": votable().decode().replace("?>", " encoding='utf-16'?>", 1).encode("utf-16"),
}  # fmt: skip
