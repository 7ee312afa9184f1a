"""The families of PSFs by the names that the command line and saved results give them."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .epic import epic_psf
from .gaussian import GaussianPSF
from .image import ImagePSF
from .king import KingPSF, MoffatPSF
from .protocol import PSF

if TYPE_CHECKING:
    from astropy.io import fits
    from astropy.wcs import WCS

PSF_NAMES = ("gaussian", "king", "moffat")


def choose_psf(name: str, header: "fits.Header | None", wcs: "WCS | None", x: float, y: float) -> PSF:
    """Return the PSF of a name for a place in an image.

    Args:
        name: "gaussian", "king", "moffat", or a FITS file of a PSF image. "king" takes core radius and slope from a
            recognised EPIC header; "auto" is "king" where there is one, and "gaussian" elsewhere.
        header, wcs: of the image.
        x, y: the place [FITS image pixels].

    Raises:
        InputError: another name, or a file that cannot be read.
    """
    epic = epic_psf(header, wcs, x, y) if name in ("auto", "king") else None
    if epic is not None:
        return epic.psf
    if name in ("auto", "gaussian"):
        return GaussianPSF()
    if name == "moffat":
        return MoffatPSF()
    if name == "king":
        return KingPSF()
    if not Path(name.split("[", maxsplit=1)[0]).is_file():
        raise InputError(f"psf: expected {', '.join(PSF_NAMES)} or a FITS file, found {name!r}")
    if wcs is None:
        raise InputError(
            f"{name}: expected celestial coordinates in the counts image, to know its sampling; found none"
        )
    return ImagePSF.read(name, float(np.sqrt(abs(np.linalg.det(wcs.celestial.pixel_scale_matrix)))))


def describe_psf(psf: PSF) -> str:
    """Put a PSF into words that `parse_psf` understands; one of the user's own gives the name of its class."""
    if isinstance(psf, KingPSF):
        return f"{type(psf).__name__}(slope={float(psf.slope):.9g}, typical_width={float(psf.typical_width):.9g})"
    if isinstance(psf, ImagePSF):
        return f"ImagePSF({psf.source}; sampling={float(psf.sampling):.9g})"
    return type(psf).__name__


def parse_psf(described: str) -> PSF:
    """Return the PSF that `describe_psf` put into words.

    Raises:
        InputError: words of another kind, or a file that is not there any more.
    """
    if described == "GaussianPSF":
        return GaussianPSF()
    if match := re.fullmatch(r"(King|Moffat)PSF\(slope=([^,]+), typical_width=([^)]+)\)", described):
        family = KingPSF if match[1] == "King" else MoffatPSF
        return family(slope=float(match[2]), typical_width=float(match[3]))
    if match := re.fullmatch(r"ImagePSF\((.+); sampling=([^)]+)\)", described):
        return ImagePSF.read(match[1], float("nan"), sampling=float(match[2]))
    raise InputError(f"psf: expected one that the package knows, found {described!r}")
