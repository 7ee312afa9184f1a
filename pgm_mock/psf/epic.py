"""The King profile of XMM-Newton's EPIC cameras, from what an image's header says.

Core radius and slope as functions of energy and off-axis angle are those of Ghizzardi (2001, 2002; EPIC-MCT-TN-011 and
EPIC-MCT-TN-012).
"""

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .king import KingPSF

if TYPE_CHECKING:
    from astropy.io import fits
    from astropy.wcs import WCS

_CORE = {
    "EMOS1": (5.074, -0.236, 0.002, -0.0180),
    "EMOS2": (4.759, -0.203, 0.014, -0.0229),
    "EPN": (6.636, -0.305, -0.175, -0.0067),
}
"""Core radius ["] = a + b E + c theta + d E theta, with E in keV and theta in arcmin."""
_SLOPE = {
    "EMOS1": (1.472, -0.010, -0.001, -0.0016),
    "EMOS2": (1.411, -0.005, -0.001, -0.0002),
    "EPN": (1.525, -0.015, -0.012, -0.0010),
}
_ENERGY = 1.5


class EpicPSF(NamedTuple):
    """The PSF at a place in an EPIC image.

    Attributes:
        psf: the King profile, its core radius as `typical_width` [pixels].
        instrument: EMOS1, EMOS2 or EPN.
        energy: [keV].
        energy_source: where the energy was learnt from.
        off_axis: [arcmin].
    """

    psf: KingPSF
    instrument: str
    energy: float
    energy_source: str
    off_axis: float

    def line(self) -> str:
        """Say it in one line."""
        place = f"at {self.energy:.2g} keV ({self.energy_source}), {self.off_axis:.1f}' off axis"
        shape = f"core radius {float(self.psf.typical_width):.2f} pixel, slope {float(self.psf.slope):.3f}"
        return f"King profile of {self.instrument} {place}: {shape}"


def epic_psf(header: "fits.Header | None", wcs: "WCS | None", x: float, y: float) -> EpicPSF | None:
    """Return the PSF at a position in an EPIC image, or None where the header is of something else.

    Args:
        header: of the counts image: INSTRUME, RA_PNT, DEC_PNT, and the energy range among the data subspace keywords.
        wcs: of the image.
        x, y: the position [FITS image pixels].
    """
    if header is None or wcs is None:
        return None
    instrument = str(header.get("INSTRUME", "")).strip().upper()
    if instrument not in _CORE:
        return None
    energy, energy_source = _energy(header)
    off_axis = _off_axis(header, wcs, x, y)
    terms = np.array([1.0, energy, off_axis, energy * off_axis])
    pixel = 3600.0 * float(np.sqrt(abs(np.linalg.det(wcs.celestial.pixel_scale_matrix))))
    psf = KingPSF(slope=float(terms @ _SLOPE[instrument]), typical_width=float(terms @ _CORE[instrument]) / pixel)
    return EpicPSF(psf, instrument, energy, energy_source, off_axis)


def _energy(header: "fits.Header") -> tuple[float, str]:
    """Geometric mean of the range of PI [eV] that the events were chosen from."""
    for keyword, value in header.items():
        if match := re.fullmatch(r"DSTYP(\d+)", keyword):
            if str(value).strip().upper() != "PI":
                continue
            bounds = re.findall(r"\d+(?:\.\d+)?", str(header.get(f"DSVAL{match[1]}", "")))
            if len(bounds) == 2 and 0 < float(bounds[0]) < float(bounds[1]):
                return float(np.sqrt(float(bounds[0]) * float(bounds[1]))) / 1000.0, "the header's PI range"
    return _ENERGY, "assumed: the header has no PI range"


def _off_axis(header: "fits.Header", wcs: "WCS", x: float, y: float) -> float:
    """Angle from the pointing direction [arcmin]; 0 where the header has none."""
    if "RA_PNT" not in header or "DEC_PNT" not in header:
        return 0.0
    from astropy import units
    from astropy.coordinates import SkyCoord

    here = wcs.celestial.pixel_to_world(x - 1, y - 1)
    axis = SkyCoord(header["RA_PNT"], header["DEC_PNT"], unit="deg", frame=here.frame)
    return float(here.separation(axis).to_value(units.arcmin))
