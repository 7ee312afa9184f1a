"""The PSF of a name, as the command line gives it, for a place in an image."""

import os
from typing import TYPE_CHECKING

from ..errors import InputError, shown
from ..fitsimage import pixel_degrees
from .gaussian import GaussianPSF
from .image import ImagePSF
from .king import KingPSF
from .learnt import LearntPSF
from .protocol import PSF
from .registry import describe_psf, family_called, in_words
from .telescopes import TELESCOPES, telescope_psf

if TYPE_CHECKING:
    from astropy.io import fits
    from astropy.wcs import WCS

_OF_TELESCOPE = ("auto", "gaussian", "king")
"""Names whose line says what the telescope's own PSF is."""
PSF_NAMES = (*_OF_TELESCOPE, "moffat")
_MISSED = "a Gaussian's flux leaves out the light in the wings, a fifth to a third of it in most X-ray telescopes"


def choose_psf(
    name: str, header: "fits.Header | None", wcs: "WCS | None", x: float, y: float, sampling: float | None = None
) -> PSF:
    """Return the PSF of a name for a place in an image.

    Args:
        name: "auto", "gaussian", "king", "moffat", the name of a family that `register_psf` or an installed package
            brought, or a FITS file of a PSF image, of which `file[HDU]` or `file[HDU,plane]` picks one. "auto" is the
            PSF of the telescope that the header names (see `telescope_psf`), and "gaussian" where it names none;
            "king" is the telescope's too, where that is a King profile. Words that begin with "learnt" are what a field
            says of its PSF (see `LearntPSF`).
        header, wcs: of the image.
        x, y: the place [FITS image pixels].
        sampling: of a PSF image: its pixels for each pixel of the detector's image, where its header does not say.

    Raises:
        InputError: another name, a file that cannot be read, or a sampling without a file.
    """
    return choose_and_say(name, header, wcs, x, y, sampling)[0]


def choose_and_say(
    name: str, header: "fits.Header | None", wcs: "WCS | None", x: float, y: float, sampling: float | None = None
) -> tuple[PSF, str]:
    """Return the PSF of a name for a place in an image, and in one line which one it is and what it misses.

    The arguments are those of `choose_psf`.
    """
    learnt = LearntPSF.parse(name)
    if learnt is not None:
        psf, line = choose_and_say(learnt.base, header, wcs, x, y, sampling)
        return learnt.applied(psf), f"{line}; learnt: width times {learnt.stretch:.3f}, slope {learnt.slope:+.3f}"
    family = None if name in _OF_TELESCOPE else family_called(name)
    if sampling is not None and (name in _OF_TELESCOPE or family is not None):
        raise InputError(f"psf_sampling: expected a FITS file of a PSF beside it, found the PSF {name!r}")
    if name in _OF_TELESCOPE:
        return _of_telescope(name, header, wcs, x, y)
    psf = _from_file(name, wcs, sampling) if family is None else family()
    if isinstance(psf, ImagePSF):
        return psf, f"PSF: the image {psf.source}, {float(psf.sampling):.4g} of its pixels for each pixel"
    return psf, f"PSF: {in_words(describe_psf(psf))}"


def _of_telescope(name: str, header: "fits.Header | None", wcs: "WCS | None", x: float, y: float) -> tuple[PSF, str]:
    """Return the telescope's PSF, or the Gaussian or King profile that stands for it, and the line that says so."""
    known = telescope_psf(header, wcs, x, y)
    if name == "gaussian":
        instead = "" if known is None else f"; this image's own is a {known.line()}: --psf auto"
        return GaussianPSF(), f"PSF: Gaussian; {_MISSED}{instead}"
    if known is not None and (name == "auto" or isinstance(known.psf, KingPSF)):
        return known.psf, f"PSF: {known.line()}"
    unknown = _unknown(header, wcs)
    if name == "king":
        king = KingPSF()
        shape = f"slope {king.slope:g}, core radius about {king.typical_width:g} pixels"
        return king, f"PSF: King profile of {shape}; {unknown}"
    return GaussianPSF(), f"PSF: Gaussian, as {unknown}; {_MISSED}"


def _unknown(header: "fits.Header | None", wcs: "WCS | None") -> str:
    """Why the telescope's PSF is not taken."""
    if header is None:
        return "the image has no header that names a telescope"
    if wcs is None:
        return "the image has no celestial coordinates that give its pixel's size"
    named = " ".join(str(header.get(key, "")).strip() for key in ("TELESCOP", "INSTRUME")).strip()
    known = ", ".join(row.name for row in TELESCOPES)
    return f"the header names {named[:40] or 'no telescope'}, and the known ones are {known}"


def _from_file(name: str, wcs: "WCS | None", sampling: float | None) -> ImagePSF:
    if not os.path.isfile(name.split("[", maxsplit=1)[0]):
        raise InputError(f"psf: expected {', '.join(PSF_NAMES)} or a FITS file, found {shown(name)}")
    if sampling is not None:
        return ImagePSF.read(name, float("nan"), sampling)
    if wcs is None:
        wanted = "celestial coordinates in the counts image, or --psf-sampling"
        raise InputError(f"{name}: expected {wanted}, to know its sampling; found neither")
    return ImagePSF.read(name, pixel_degrees(wcs))
