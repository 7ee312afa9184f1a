"""One image plane in a FITS file: found, read and checked."""

import os
import re
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .errors import InputError

if TYPE_CHECKING:
    from astropy.io import fits
    from astropy.wcs import WCS


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
            the first that holds an image.

    Raises:
        InputError: no such file, not FITS, truncated, no image, or an image of several planes.
    """
    from astropy.io import fits

    file, wanted = _split_hdu(path)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with fits.open(file, memmap=False) as hdus:
                if any("truncated" in str(warning.message) for warning in caught):
                    raise EOFError(file)
                return _plane(file, hdus, wanted)
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file") from error
    except (IsADirectoryError, PermissionError) as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from error
    except (EOFError, zlib.error) as error:
        raise InputError(f"{file}: expected a whole FITS file, found a truncated or damaged one") from error
    except (OSError, TypeError, IndexError, zipfile.BadZipFile) as error:
        what = "a truncated or damaged one" if _looks_like_fits(file) else "something else"
        raise InputError(f"{file}: expected a FITS file, found {what}") from error


def celestial_wcs(header: "fits.Header") -> "WCS | None":
    """Return the celestial WCS of a header, or None where it has none that works."""
    from astropy.wcs import WCS, FITSFixedWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        try:
            wcs = WCS(header, naxis=2)
        except (ValueError, MemoryError):
            return None
    return wcs if wcs.has_celestial and wcs.naxis == 2 else None


def _split_hdu(path: str | os.PathLike[str]) -> tuple[Path, str | int | None]:
    text = os.fspath(path)
    match = re.fullmatch(r"(.+)\[([^\[\]]+)\]", text)
    if match is None or Path(text).exists():
        return Path(text), None
    name = match[2].strip()
    return Path(match[1]), int(name) if name.isdigit() else name


def _plane(file: Path, hdus: "fits.HDUList", wanted: str | int | None) -> ImagePlane:
    names = ", ".join(f"{number} {hdu.name or 'PRIMARY'}" for number, hdu in enumerate(hdus))
    if wanted is None:
        number = next((n for n, hdu in enumerate(hdus) if hdu.is_image and hdu.header.get("NAXIS", 0) >= 2), None)
        if number is None:
            raise InputError(f"{file}: expected an image, found none in the HDUs {names}")
    else:
        try:
            number = hdus.index_of(wanted)
            hdu = hdus[number]
        except (KeyError, IndexError) as error:
            raise InputError(f"{file}: expected an HDU {wanted!r}, found {names}") from error
        if not hdu.is_image or hdu.header.get("NAXIS", 0) < 2:
            raise InputError(f"{file}[{wanted}]: expected an image, found {hdu.header.get('XTENSION', 'no data')}")
    label = str(file) if number == 0 else f"{file}[{hdus[number].name or number}]"
    data = hdus[number].data
    if data is None:
        raise InputError(f"{label}: expected an image, found no data")
    shape = data.shape
    data = data.reshape(shape[-2:]) if all(n == 1 for n in shape[:-2]) else data
    if data.ndim != 2:
        raise InputError(f"{label}: expected one image plane, found {np.prod(shape[:-2])} (shape {shape})")
    return ImagePlane(data.astype(data.dtype.newbyteorder("=")), hdus[number].header, label)


def _looks_like_fits(file: Path) -> bool:
    """Whether the file starts as FITS or as one of the compressions that may hold it."""
    with open(file, "rb") as stream:
        start = stream.read(10)
    return start.startswith((b"SIMPLE", b"\x1f\x8b", b"BZh"))


def list_hdus(path: str | os.PathLike[str]) -> list[str]:
    """Say in words what each HDU of a file holds."""
    from astropy.io import fits

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=fits.verify.VerifyWarning)
        with fits.open(_split_hdu(path)[0], memmap=False) as hdus:
            return [_hdu_in_words(number, hdu) for number, hdu in enumerate(hdus)]


def _hdu_in_words(number: int, hdu: "fits.hdu.base._BaseHDU") -> str:
    name = f"{number} {hdu.name or 'PRIMARY'}"
    if not hdu.is_image:
        return f"{name}: table of {hdu.header.get('NAXIS2', 0)} rows"
    axes = [str(hdu.header[f"NAXIS{axis}"]) for axis in range(1, hdu.header.get("NAXIS", 0) + 1)]
    kind = {8: "uint8", 16: "int16", 32: "int32", 64: "int64", -32: "float32", -64: "float64"}
    return f"{name}: image {' x '.join(axes)} {kind.get(hdu.header['BITPIX'], '')}" if axes else f"{name}: no data"
