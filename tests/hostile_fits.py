"""Odd FITS files, made byte by byte: what a broken program, a cut-off download or a prankster leaves behind."""

import gzip
import struct
import zlib

import numpy as np

SIZE = 9
BLOCK = 2880
FORMATS = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
SKY = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 210.0,
    "CRVAL2": 2.0,
    "CRPIX1": 5.0,
    "CRPIX2": 5.0,
    "CDELT1": -0.001,
    "CDELT2": 0.001,
}


def card(key: str, value: object) -> bytes:
    """One line of a header; bytes stand as they are."""
    if isinstance(value, bytes):
        return (key.encode().ljust(8) + b"= " + value)[:80].ljust(80)
    if isinstance(value, bool):
        return card(key, b"%20s" % (b"T" if value else b"F"))
    if isinstance(value, str):
        return card(key, ("'" + value.replace("'", "''").ljust(8) + "'").encode("latin-1", "replace"))
    return card(key, (f"{value:20d}" if isinstance(value, int) else f"{value:20.12G}").encode())


def padded(content: bytes, fill: bytes = b"\0") -> bytes:
    return content + fill * (-len(content) % BLOCK)


def header(cards: dict[str, object], *lines: bytes, start: str = "SIMPLE") -> bytes:
    first = card("SIMPLE", True) if start == "SIMPLE" else card("XTENSION", start)
    body = b"".join(card(key, value) for key, value in cards.items())
    return padded(first + body + b"".join(line[:80].ljust(80) for line in lines) + b"END".ljust(80), b" ")


def image(data: np.ndarray, bitpix: int = 32, *lines: bytes, start: str = "SIMPLE", **more: object) -> bytes:
    """An image HDU whose header says what its data are, unless `more` says otherwise."""
    axes = {f"NAXIS{axis}": length for axis, length in enumerate(reversed(data.shape), 1)}
    cards = {"BITPIX": bitpix, "NAXIS": data.ndim} | axes
    cards |= {} if start == "SIMPLE" else {"PCOUNT": 0, "GCOUNT": 1}
    return header(cards | more, *lines, start=start) + padded(data.astype(FORMATS[bitpix]).tobytes())


ONES = np.ones((SIZE, SIZE), int)
COUNTS = (np.arange(SIZE * SIZE).reshape(SIZE, SIZE) % 3).astype(int)
GOOD = image(COUNTS)


def with_value(value: float, bitpix: int = -64) -> bytes:
    data = COUNTS.astype(float)
    data[4, 4] = value
    return image(data, bitpix)


def with_cards(*lines: bytes, **cards: object) -> bytes:
    return image(COUNTS, 32, *lines, **(SKY | cards))


def table(form: bytes, width: int) -> bytes:
    cards = {"BITPIX": 8, "NAXIS": 2, "NAXIS1": width, "NAXIS2": 2, "PCOUNT": 0, "GCOUNT": 1, "TFIELDS": 1}
    told = header(cards | {"TTYPE1": "X", "TFORM1": form}, start="BINTABLE")
    return header({"BITPIX": 8, "NAXIS": 0}) + told + padded(bytes(2 * width))


def small() -> bytes:
    return header({"BITPIX": 8, "NAXIS": 0})


FILES: dict[str, bytes] = {
    "nothing": b"",
    "one byte": b"S",
    "text": b"x y z\n" * 100,
    "zeros": bytes(5760),
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(200),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(2048),
    "an old header": b"SIMPLE  =                    T".ljust(BLOCK),
    "no END": GOOD[:2800].replace(b"END", b"   "),
    "header cut off": GOOD[:1000],
    "data cut off": GOOD[: BLOCK + 100],
    "data missing": GOOD[:BLOCK],
    "header twice": GOOD[:BLOCK] * 2,
    "rubbish behind": GOOD + b"rubbish" * 1000,
    "rubbish before": b"rubbish" + GOOD,
    "simple is false": GOOD.replace(b"                   T", b"                   F", 1),
    "simple is a string": GOOD.replace(b"                   T", b"'T'                 ", 1),
    "lower case": GOOD[:BLOCK].lower() + GOOD[BLOCK:],
    "line feeds": GOOD[:BLOCK].replace(b"  ", b"\n ") + GOOD[BLOCK:],
    "NUL in the header": GOOD[:400] + bytes(100) + GOOD[500:],
    "high bytes in the header": GOOD[:400] + b"\xff" * 100 + GOOD[500:],
    "an empty gzip": gzip.compress(b""),
    "gzip cut off": gzip.compress(GOOD)[:-20],
    "gzip damaged": gzip.compress(GOOD)[:40] + b"\0" * 30 + gzip.compress(GOOD)[70:],
    "gzip of text": gzip.compress(b"hello"),
    "gzip twice": gzip.compress(gzip.compress(GOOD)),
    "gzip's first bytes": b"\x1f\x8b",
    "bzip2's first bytes": b"BZh9" + bytes(50),
    "xz's first bytes": b"\xfd7zXZ\0" + bytes(50),
    "zip's first bytes": b"PK\x03\x04" + bytes(50),
    "compress's first bytes": b"\x1f\x9d" + bytes(50),
    "zlib": zlib.compress(GOOD),
    "no data at all": small(),
    "four times nothing": small() + image(np.zeros((0, 0)), start="IMAGE") * 3,
    "one axis": image(np.ones(81, int)),
    "three axes": image(np.ones((2, SIZE, SIZE), int)),
    "three axes, one plane": image(COUNTS[None]),
    "four axes": image(np.ones((2, 2, SIZE, SIZE), int)),
    "six axes": image(np.ones((1, 1, 1, 2, SIZE, SIZE), int)),
    "an axis of 0": image(np.ones((0, SIZE), int)),
    "an axis of -9": image(COUNTS, NAXIS1=-9),
    "an axis of 1e9": image(COUNTS, NAXIS1=10**9),
    "two axes of 1e9": image(COUNTS, NAXIS1=10**9, NAXIS2=10**9),
    "an axis of 1e30": image(COUNTS, NAXIS1=10**30),
    "an axis of 60 digits": image(COUNTS, NAXIS1=b"9" * 60),
    "an axis that is text": image(COUNTS, NAXIS1="nine"),
    "an axis of 9.5": image(COUNTS, NAXIS1=9.5),
    "an axis of nan": image(COUNTS, NAXIS1=b"                 NaN"),
    "gzip of an image of 80 GB": gzip.compress(image(COUNTS, -64, NAXIS1=100_000, NAXIS2=100_000)),
    "NAXIS missing": image(COUNTS).replace(b"NAXIS   =", b"NOTHERE ="),
    "NAXIS2 missing": image(COUNTS).replace(b"NAXIS2  =", b"NOTHERE ="),
    "NAXIS of 999": image(COUNTS, NAXIS=999),
    "NAXIS of 1000": image(COUNTS, NAXIS=1000),
    "NAXIS of -1": image(COUNTS, NAXIS=-1),
    "NAXIS is text": image(COUNTS, NAXIS="two"),
    "BITPIX missing": image(COUNTS).replace(b"BITPIX  =", b"NOTHERE ="),
    "BITPIX of 0": image(COUNTS, BITPIX=0),
    "BITPIX of 24": image(COUNTS, BITPIX=24),
    "BITPIX of -128": image(COUNTS, BITPIX=-128),
    "BITPIX of 1e20": image(COUNTS, BITPIX=10**20),
    "BITPIX is text": image(COUNTS, BITPIX="float"),
    "groups": image(COUNTS, NAXIS1=0, GROUPS=True, PCOUNT=1, GCOUNT=1),
    "GCOUNT of 1e9": small() + image(COUNTS, start="IMAGE", GCOUNT=10**9),
    "PCOUNT of -5": small() + image(COUNTS, start="IMAGE", PCOUNT=-5),
    "PCOUNT of 1e18": small() + image(COUNTS, start="IMAGE", PCOUNT=10**18),
    "an unknown extension": small() + image(COUNTS, start="NONSENSE"),
    "an extension without a name": small() + image(COUNTS, start=""),
    "a table": table(b"'1J      '", 4),
    "a complex table": table(b"'1M      '", 16),
    "a table of bits": table(b"'64X     '", 8),
    "a table of pointers": table(b"'1PJ(9)  '", 8),
    "a table of nonsense": table(b"'??      '", 4),
    "a table of 1e9 columns": table(b"'1J      '", 4).replace(b"TFIELDS =                    1", b"TFIELDS =           1000000000"),
    "a compressed image of nothing": table(b"'1PB(9)  '", 8).replace(b"TFIELDS =", b"ZIMAGE  =                    T".ljust(80) + b"TFIELDS =", 1)[: BLOCK * 3],
    "nan": with_value(np.nan),
    "all nan": image(np.full((SIZE, SIZE), np.nan), -64),
    "inf": with_value(np.inf),
    "-inf": with_value(-np.inf),
    "-1": with_value(-1.0),
    "-0": with_value(-0.0),
    "half": with_value(0.5),
    "1e-320": with_value(1e-320),
    "1e19": with_value(1e19),
    "1e300": with_value(1e300),
    "1e38 in single precision": with_value(1e38, -32),
    "2^31": with_value(2.0**31),
    "2^53 + 2": with_value(2.0**53 + 2),
    "the largest of 64 bits": image(np.full((SIZE, SIZE), 2**63 - 1), 64),
    "the least of 64 bits": image(np.full((SIZE, SIZE), -(2**63)), 64),
    "unsigned of 64 bits": image(np.zeros((SIZE, SIZE), int), 64, BZERO=b" 9223372036854775808"),
    "unsigned of 16 bits": image(COUNTS - 32768, 16, BZERO=32768, BSCALE=1),
    "bytes": image(COUNTS, 8),
    "signalling nan": GOOD[:BLOCK].replace(b"                  32", b"                 -32") + padded(struct.pack(">I", 0x7FA00000) * 81),
    "BSCALE of 0": image(COUNTS, BSCALE=0.0),
    "BSCALE of 1e300": image(COUNTS, BSCALE=1e300),
    "BSCALE of nan": image(COUNTS, BSCALE=b"                 NaN"),
    "BSCALE is text": image(COUNTS, BSCALE="one"),
    "BSCALE of -1": image(COUNTS, BSCALE=-1.0),
    "BZERO of 1e300": image(COUNTS, BZERO=1e300),
    "BZERO of 0.5": image(COUNTS, BZERO=0.5),
    "BZERO is true": image(COUNTS, BZERO=True),
    "BLANK of 1": image(COUNTS, BLANK=1),
    "BLANK everywhere": image(ONES, BLANK=1),
    "BLANK is text": image(COUNTS, BLANK="none"),
    "BLANK of 0.5": image(COUNTS, BLANK=0.5),
    "BLANK of 1e30": image(COUNTS, BLANK=10**30),
    "BLANK in floats": image(COUNTS, -32, BLANK=1),
    "one pixel": image(np.ones((1, 1), int)),
    "one row": image(np.ones((1, SIZE), int)),
    "another shape": image(np.ones((SIZE, SIZE + 1), int)),
    "zeros only": image(0 * COUNTS),
    "CRVAL of nan": with_cards(CRVAL1=b"                 NaN"),
    "CRVAL of 1e300": with_cards(CRVAL1=1e300),
    "CRVAL is text": with_cards(CRVAL1="here"),
    "CRVAL2 of 120": with_cards(CRVAL2=120.0),
    "CRPIX of 1e300": with_cards(CRPIX1=1e300),
    "CRPIX of 1e15": with_cards(CRPIX1=1e15),
    "CRPIX of inf": with_cards(CRPIX1=b"                 INF"),
    "CRPIX is text": with_cards(CRPIX1="five"),
    "CDELT of 0": with_cards(CDELT1=0.0),
    "CDELT of 1e300": with_cards(CDELT1=1e300),
    "CDELT of nan": with_cards(CDELT1=b"                 NaN"),
    "a singular CD": with_cards(CD1_1=1e-3, CD1_2=1e-3, CD2_1=1e-3, CD2_2=1e-3),
    "a CD of 0": with_cards(CD1_1=0.0, CD1_2=0.0, CD2_1=0.0, CD2_2=0.0),
    "PC and CD": with_cards(PC1_1=1.0, CD1_1=1.0),
    "CTYPE missing": with_cards(CTYPE1=""),
    "one CTYPE": with_cards(CTYPE2="LINEAR"),
    "CTYPE of nonsense": with_cards(CTYPE1="RA---XYZ"),
    "CTYPE twice the same": with_cards(CTYPE2="RA---TAN"),
    "CTYPE of two projections": with_cards(CTYPE2="DEC--SIN"),
    "CTYPE is a number": with_cards(CTYPE1=5),
    "CTYPE of a table": with_cards(CTYPE1="RA---TAB", CTYPE2="DEC--TAB", PS1_0="NOPE", PS1_1="NOPE"),
    "CUNIT of metres": with_cards(CUNIT1="m"),
    "CUNIT of nonsense": with_cards(CUNIT1="blub"),
    "WCSAXES of 99": with_cards(WCSAXES=99),
    "WCSAXES of 0": with_cards(WCSAXES=0),
    "WCSAXES is text": with_cards(WCSAXES="two"),
    "a distortion without its table": with_cards(CPDIS1="LOOKUP", CPDIS2="LOOKUP"),
    "a distortion in nonsense": with_cards(CPDIS1="NONSENSE", D2IMDIS1="NONSENSE"),
    "SIP of order 1e9": with_cards(CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP", A_ORDER=10**9, B_ORDER=10**9),
    "SIP of one axis": with_cards(CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP", A_ORDER=2),
    "RADESYS of nonsense": with_cards(RADESYS="NONSENSE"),
    "EQUINOX of 1e300": with_cards(EQUINOX=1e300),
    "LONPOLE of nan": with_cards(LONPOLE=b"                 NaN"),
    "LTM is text": with_cards(LTM1_1="x", LTV1="y"),
    "an OBJECT of two lines": with_cards(OBJECT=b"'A\npgm-mock info: all is well'"),
    "an OBJECT with escapes": with_cards(OBJECT=b"'\x1b[2J\x1b[31mred\x07\x08'"),
    "an OBJECT of high bytes": with_cards(OBJECT=b"'\xc3\xa9\xff\xfe'"),
    "an OBJECT without an end": with_cards(OBJECT=b"'abc"),
    "an OBJECT that is a number": with_cards(OBJECT=5),
    "an OBJECT of 10,000 characters": with_cards(
        b"OBJECT  = 'a&'", *[b"CONTINUE  '" + b"b" * 66 + b"&'"] * 150, b"CONTINUE  'c'"
    ),
    "a value that is none": with_cards(OBJECT=b"= = ="),
    "a key of low letters": with_cards(b"object  = 'x'"),
    "a key with NUL": with_cards(b"OB\0ECT  = 'x'"),
    "the same key 5,000 times": with_cards(*[b"OBJECT  = 'x'"] * 5000),
    "HIERARCH without a value": with_cards(b"HIERARCH"),
    "INHERIT": with_cards(INHERIT=True, EXTNAME="X"),
    "EXTNAME is a number": small() + image(COUNTS, start="IMAGE", EXTNAME=5),
    "EXTNAME of two lines": small() + image(COUNTS, start="IMAGE", EXTNAME=b"'A\nwarning: all is well'"),
    "EXTVER of -1": small() + image(COUNTS, start="IMAGE", EXTNAME="A", EXTVER=-1),
    "EXTVER is text": small() + image(COUNTS, start="IMAGE", EXTNAME="A", EXTVER="x"),
    "a stamp's origin is text": with_cards(STAMPX0="x", STAMPY0="y"),
    "a stamp's origin of nan": with_cards(STAMPX0=b"                 NaN", STAMPY0=1),
    "a stamp's origin of 1e300": with_cards(STAMPX0=1e300, STAMPY0=1),
    "a stamp's origin and CRPIX is text": with_cards(STAMPX0=5, STAMPY0=5, LTV1="y"),
    "TELESCOP is a number": with_cards(TELESCOP=5, INSTRUME=True),
    "a checksum of nonsense": with_cards(CHECKSUM="nonsense", DATASUM="-5"),
    "two hundred HDUs": small() + image(np.ones(2, int), start="IMAGE") * 200,
}  # fmt: skip
"""By what is odd; each is tried as a counts image."""

FINE = (
    "rubbish behind", "three axes, one plane", "-0", "unsigned of 16 bits", "bytes", "BLANK of 1", "zeros only",
    "INHERIT", "EXTNAME is a number", "EXTVER of -1", "nan", "TELESCOP is a number", "an OBJECT that is a number",
    "RADESYS of nonsense", "a checksum of nonsense", "CTYPE missing", "the same key 5,000 times",
)  # fmt: skip
"""Those that can be read and have to be."""

EXPOSURES: dict[str, bytes] = {
    "nan": with_value(np.nan),
    "all nan": image(np.full((SIZE, SIZE), np.nan), -64),
    "inf": with_value(np.inf),
    "-1": with_value(-1.0),
    "1e300": with_value(1e300),
    "all 1e308": image(np.full((SIZE, SIZE), 1e308), -64),
    "all 1e-308": image(np.full((SIZE, SIZE), 1e-308), -64),
    "all 1e-320": image(np.full((SIZE, SIZE), 1e-320), -64),
    "zeros": image(0 * COUNTS),
    "another shape": image(np.ones((SIZE, SIZE + 1), int)),
    "cut off": GOOD[: BLOCK + 100],
    "another sky": with_cards(CRVAL1=10.0),
    "a singular CD": with_cards(CD1_1=1e-3, CD1_2=1e-3, CD2_1=1e-3, CD2_2=1e-3),
    "CRVAL of nan": with_cards(CRVAL1=b"                 NaN"),
    "BUNIT of two lines": with_cards(BUNIT=b"'s\npgm-mock info: all is well'"),
    "BUNIT in deep brackets": with_cards(BUNIT="(" * 60),
    "BUNIT to a power": with_cards(BUNIT="s**99999999999999999999"),
    "BUNIT to a power of a power": with_cards(BUNIT="(s**1e308)**1e308"),
    "BUNIT is a number": with_cards(BUNIT=5),
    "BUNIT is none": with_cards(BUNIT=b"= = ="),
    "BUNIT of area": with_cards(BUNIT="cm2"),
    "EXPOSURE of nan": with_cards(EXPOSURE=b"                 NaN"),
    "EXPOSURE of -1": with_cards(EXPOSURE=-1.0),
    "EXPOSURE of 60 digits": with_cards(EXPOSURE=b"9" * 60),
    "EXPOSURE is text": with_cards(EXPOSURE="long"),
    "EXPOSURE is true": with_cards(EXPOSURE=True),
    "EXPOSURE is none": with_cards(EXPOSURE=b"= = ="),
}
"""By what is odd; each is tried as an exposure map."""
