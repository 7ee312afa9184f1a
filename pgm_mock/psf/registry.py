"""The families of PSFs by the names that the command line and saved results give them."""

import os
import re
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, shown
from .gaussian import GaussianPSF
from .image import ImagePSF, elongated
from .king import KingPSF, MoffatPSF, SumOfGaussians
from .protocol import PSF
from .telescopes import TELESCOPES, telescope_psf

if TYPE_CHECKING:
    from astropy.io import fits
    from astropy.wcs import WCS

PSF_NAMES = ("auto", "gaussian", "king", "moffat")
FAMILIES = {family.__name__: family for family in (GaussianPSF, KingPSF, MoffatPSF, ImagePSF, SumOfGaussians)}
_MISSED = "a Gaussian's flux leaves out the light in the wings, a fifth to a third of it in most X-ray telescopes"


def choose_psf(
    name: str, header: "fits.Header | None", wcs: "WCS | None", x: float, y: float, sampling: float | None = None
) -> PSF:
    """Return the PSF of a name for a place in an image.

    Args:
        name: "auto", "gaussian", "king", "moffat", or a FITS file of a PSF image, of which `file[HDU]` or
            `file[HDU,plane]` picks one. "auto" is the PSF of the telescope that the header names (see `telescope_psf`),
            and "gaussian" where it names none; "king" is the telescope's too, where that is a King profile.
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
    if name not in PSF_NAMES:
        psf = _from_file(name, wcs, sampling)
        return psf, f"PSF: the image {psf.source}, {float(psf.sampling):.4g} of its pixels for each pixel"
    if sampling is not None:
        raise InputError(f"psf_sampling: expected a FITS file of a PSF beside it, found the PSF {name!r}")
    if name == "moffat":
        moffat = MoffatPSF()
        return moffat, f"PSF: Moffat profile of slope {moffat.slope:g}, FWHM about {moffat.typical_width:g} pixels"
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
    return ImagePSF.read(name, float(np.sqrt(abs(np.linalg.det(wcs.celestial.pixel_scale_matrix)))))


def width_in_words(family: str) -> tuple[str, str]:
    """What the width of a family, given by the name of its class, is called, and its unit ("" where it has none)."""
    known = FAMILIES.get(family)
    return ("width", "pixel") if known is None else (known.width_name, known.width_unit)


def describe_psf(psf: PSF) -> str:
    """Put a PSF into words that `parse_psf` understands; one of the user's own gives the name of its class."""
    if isinstance(psf, KingPSF):
        return f"{type(psf).__name__}(slope={float(psf.slope):.9g}, typical_width={float(psf.typical_width):.9g})"
    if isinstance(psf, ImagePSF):
        return f"ImagePSF({psf.source}; sampling={float(psf.sampling):.9g})"
    if isinstance(psf, SumOfGaussians):
        # Gaussians without light are left out: a few numbers are enough for what is read again.
        lit = np.asarray(psf.share) != 0
        sigma, share = (" ".join(f"{value:.6g}" for value in np.asarray(each)[lit]) for each in (psf.sigma, psf.share))
        return f"SumOfGaussians(sigma={sigma}; share={share}; width_spread={psf.width_spread:.6g})"
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
    if match := re.fullmatch(r"SumOfGaussians\(sigma=([^;]+); share=([^;]+); width_spread=([^)]+)\)", described):
        sigma, share = (np.array([float(word) for word in match[place].split()]) for place in (1, 2))
        return SumOfGaussians(sigma, share / share.sum(), float(match[3]))
    if match := re.fullmatch(r"ImagePSF\(elongated\((.+)\); sampling=([^)]+)\)", described):
        return _elongated(match[1], float(match[2]))
    if match := re.fullmatch(r"ImagePSF\((.+); sampling=([^)]+)\)", described):
        return ImagePSF.read(match[1], float("nan"), sampling=float(match[2]))
    raise InputError(f"psf: expected one that the package knows, found {described!r}")


def _elongated(arguments: str, sampling: float) -> PSF:
    """Make an elongated PSF again from the arguments that its description holds."""
    try:
        named = {key.strip(): float(value) for key, _, value in (one.partition("=") for one in arguments.split(","))}
        return elongated(**named, sampling=int(sampling))
    except (ValueError, TypeError) as error:
        raise InputError(f"psf: expected the arguments of an elongated one, found {arguments!r}") from error
