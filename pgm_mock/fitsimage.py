"""One image plane in a FITS file: found, read and checked."""

import lzma
import os
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .errors import InputError, shown, warn
from .files import check_regular

if TYPE_CHECKING:
    from astropy.io import fits
    from astropy.wcs import WCS


UNREADABLE = (
    *(OSError, ValueError, TypeError, LookupError, AttributeError, OverflowError, MemoryError, ImportError),
    *(AssertionError, RecursionError, struct.error, zipfile.BadZipFile),
)
"""What astropy raises at headers and data that contradict themselves, beside its own errors."""
_MOST_BYTES = 1 << 33
"""Of an image: a compressed file of a few bytes can say that it holds any number."""
_FAR = 1e9
"""A reference pixel so far away says nothing about the image [pixels]."""


class ImagePlane(NamedTuple):
    """One image of a FITS file.

    Attributes:
        data: the values as numbers in native byte order, scaled by BSCALE and BZERO, NaN where BLANK; shape (ny, nx).
        header: the header of its HDU.
        label: the file's name, and the HDU where it is not the first.
    """

    data: np.ndarray
    header: "fits.Header"
    label: str


def read_plane(path: str | os.PathLike[str]) -> ImagePlane:
    """Read the image of a FITS file; gzip, bzip2 and fpack are known by their content.

    Args:
        path: the file; `file.fits[COUNTS]` or `file.fits[1]` picks an HDU by its name or number, otherwise it is
            the first that holds an image; `file.fits[1,3]` picks the third plane of a cube, the first of which is 1.

    Raises:
        InputError: no such file, not FITS, truncated, no image, several planes of which none is picked, or a plane
            that is not there.
    """
    file, wanted, number = split_hdu(path)
    with opened_fits(file) as hdus:
        plane = _plane(file, hdus, wanted, number)
    return plane._replace(header=_readable(plane.header, plane.label))


@contextmanager
def opened_fits(file: Path) -> "Iterator[fits.HDUList]":
    """Open a FITS file, compressed or not, and say in one line what is wrong with it, while it is being read as well.

    Raises:
        InputError: no such file, not FITS, or truncated.
    """
    from astropy.io import fits

    check_regular(file)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with fits.open(file, memmap=False) as hdus:
                if any("truncated" in str(warning.message) for warning in caught):
                    raise EOFError(file)
                yield hdus
    except InputError:
        raise
    except PermissionError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from error
    except (EOFError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"{file}: expected a whole FITS file, found a truncated or damaged one") from error
    except (*UNREADABLE, fits.VerifyError) as error:
        what = "a truncated or damaged one" if looks_like_fits(file) else "something else"
        raise InputError(f"{file}: expected a FITS file, found {what}") from error


def celestial_wcs(header: "fits.Header") -> "WCS | None":
    """Return the celestial WCS of a header, or None where it has none that works.

    One works where astropy knows its frame, the reference pixel is near, and its neighbourhood has an area on the sky.
    """
    from astropy.wcs import WCS, FITSFixedWarning
    from astropy.wcs.utils import wcs_to_celestial_frame

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        try:
            wcs = WCS(header, naxis=2)
            if not wcs.has_celestial or wcs.naxis != 2:
                return None
            wcs_to_celestial_frame(wcs)
            reference = wcs.wcs.crpix
            area = np.linalg.det(wcs.celestial.pixel_scale_matrix)
            works = np.all(np.abs(reference) < _FAR) and np.isfinite(wcs.all_pix2world([reference], 1)).all()
        except UNREADABLE:
            return None
    return wcs if works and np.isfinite(area) and area != 0 else None


def pixel_degrees(wcs: "WCS") -> float:
    """Return the side of a pixel on the sky [degree]: the root of its area."""
    return float(np.sqrt(abs(np.linalg.det(wcs.celestial.pixel_scale_matrix))))


def _readable(header: "fits.Header", label: str) -> "fits.Header":
    """Return a header without the cards whose value cannot be read; a warning names them."""
    from astropy.io import fits

    bad = []
    for number, card in enumerate(header.cards):
        try:
            _ = card.keyword, card.value, card.comment
        except (fits.VerifyError, ValueError, TypeError, UnicodeError):
            bad.append(number)
    if not bad:
        return header
    names = ", ".join(dict.fromkeys(shown(str(header.cards[number].keyword)) for number in bad))
    warn(f"{label}: header cards that cannot be read: {names}: left out")
    cards = [card for number, card in enumerate(header.cards) if number not in set(bad)]
    return fits.Header(cards)


def split_hdu(path: str | os.PathLike[str]) -> tuple[Path, str | int | None, int | None]:
    """Take `file[HDU,plane]` apart into the file, the HDU's name or number, and the plane's number."""
    text = os.fspath(path)
    match = re.fullmatch(r"(.+)\[([^\[\]]+)\]", text)
    if match is None or os.path.exists(text):
        return Path(text), None, None
    name, comma, number = match[2].rpartition(",")
    if not (comma and re.fullmatch(r"\s*-?[0-9]{1,9}\s*", number)):
        name, number = match[2], ""
    name = name.strip()
    hdu = int(name) if re.fullmatch(r"[0-9]{1,9}", name) else name
    return Path(match[1]), hdu, int(number) if number else None


def _plane(file: Path, hdus: "fits.HDUList", wanted: str | int | None, plane: int | None) -> ImagePlane:
    names = hdu_names(hdus)
    if wanted is None:
        number = next((n for n, hdu in enumerate(hdus) if hdu.is_image and hdu.header.get("NAXIS", 0) >= 2), None)
        if number is None:
            raise InputError(f"{file}: expected an image, found none in the HDUs {names}")
    else:
        try:
            number = hdus.index_of(wanted)
            hdu = hdus[number]
        except (KeyError, IndexError) as error:
            raise InputError(f"{file}: expected an HDU {shown(wanted)}, found {names}") from error
        if not hdu.is_image or hdu.header.get("NAXIS", 0) < 2:
            raise InputError(f"{file}[{wanted}]: expected an image, found {hdu.header.get('XTENSION', 'no data')}")
    label = str(file) if number == 0 else f"{file}[{hdus[number].name or number}]"
    if hdus[number].size > _MOST_BYTES:
        raise InputError(f"{label}: expected an image of at most {_MOST_BYTES:,} bytes, found {hdus[number].size:,}")
    data = hdus[number].data
    if data is None:
        raise InputError(f"{label}: expected an image, found no data")
    shape = data.shape
    planes = data.reshape(-1, *shape[-2:])
    if plane is None:
        if len(planes) != 1:
            pick = f"{file}[{hdus[number].name or number},1] picks the first"
            raise InputError(f"{label}: expected one image plane, found {len(planes)} (shape {shape}); {pick}")
        plane = 1
    elif not 1 <= plane <= len(planes):
        raise InputError(f"{label}: expected a plane from 1 to {len(planes)}, found {plane}")
    elif len(planes) > 1:
        label = f"{file}[{hdus[number].name or number},{plane}]"
    data = planes[plane - 1]
    return ImagePlane(data.astype(data.dtype.newbyteorder("=")), hdus[number].header, label)


def hdu_names(hdus: "fits.HDUList") -> str:
    """Say which HDUs a file has: their numbers and names."""
    return ", ".join(f"{number} {hdu.name or 'PRIMARY'}" for number, hdu in enumerate(hdus))


def looks_like_fits(path: str | os.PathLike[str]) -> bool:
    """Whether a file can be read and starts as FITS, or as one of the compressions that may hold it."""
    try:
        with open(path, "rb") as stream:
            return stream.read(10).startswith((b"SIMPLE  =", b"\x1f\x8b", b"BZh"))
    except (OSError, ValueError):
        return False


def list_hdus(path: str | os.PathLike[str]) -> list[str]:
    """Say in words what each HDU of a file holds."""
    from astropy.io import fits

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=fits.verify.VerifyWarning)
        with fits.open(split_hdu(path)[0], memmap=False) as hdus:
            return [_hdu_in_words(number, hdu) for number, hdu in enumerate(hdus)]


def _hdu_in_words(number: int, hdu: "fits.hdu.base._BaseHDU") -> str:
    name = f"{number} {hdu.name or 'PRIMARY'}"
    if not hdu.is_image:
        return f"{name}: table of {hdu.header.get('NAXIS2', 0)} rows"
    axes = [str(hdu.header[f"NAXIS{axis}"]) for axis in range(1, hdu.header.get("NAXIS", 0) + 1)]
    kind = {8: "uint8", 16: "int16", 32: "int32", 64: "int64", -32: "float32", -64: "float64"}
    return f"{name}: image {' x '.join(axes)} {kind.get(hdu.header['BITPIX'], '')}" if axes else f"{name}: no data"
