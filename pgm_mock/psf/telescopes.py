"""The PSFs of X-ray telescopes, from what an image's header says: one row of `TELESCOPES` for each camera.

A row gives the profile in arcsec for a place in the field; the image's coordinates turn it into pixels. All of them
are round, averaged over azimuth, and describe the mean PSF of a camera: the prior on the width covers what an energy
band, or an observation's pointing, adds to it.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import ArrayLike

from ..fitsimage import pixel_degrees
from .king import KingPSF, SumOfGaussians
from .pspc import pspc_gaussians

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.io import fits
    from astropy.wcs import WCS

type Shape = Callable[[float, float], KingPSF | SumOfGaussians]
"""A PSF whose pixels are 1 arcsec, for an energy [keV] and an off-axis angle [arcmin]."""


class Telescope(NamedTuple):
    """What is known of one camera's PSF.

    Attributes:
        name: of the camera, as a line of output has it.
        telescop, instrume: regular expressions of the header's TELESCOP (which may be absent) and INSTRUME.
        shape: the profile for an energy and an off-axis angle.
        kind: of the profile, in words.
        source: where it is published.
        energy: what is assumed where the header has no range of PI [keV]; None where the profile does not depend on it.
        energies: the range in which the profile is used [keV].
        farthest: the largest off-axis angle for which it is used [arcmin]; 0 where it does not depend on it.
        channel: width of a PI channel [eV].
    """

    name: str
    telescop: str
    instrume: str
    shape: Shape
    kind: str
    source: str
    energy: float | None = None
    energies: tuple[float, float] = (0.0, np.inf)
    farthest: float = 0.0
    channel: float = 1.0


def _king(core: float, slope: float) -> Shape:
    return lambda energy, off_axis: KingPSF(slope=slope, typical_width=core)


def _epic(name: str, core: tuple[float, ...], slope: tuple[float, ...]) -> Telescope:
    """One of XMM-Newton's cameras: core radius ["] and slope are a + b E + c theta + d E theta.

    The coefficients are those of EPIC-MCT-TN-011 (MOS) and -012 (pn), as the calibration files have them (XRT?_XPSF).
    Up to 6 keV and 12' the formulas give cores from 2" and slopes from 1.22; further out they run into cores below 0.
    The notes give no range of their own.
    """

    def shape(energy: float, off_axis: float) -> KingPSF:
        terms = np.array([1.0, energy, off_axis, energy * off_axis])
        return KingPSF(slope=float(terms @ slope), typical_width=float(terms @ core))

    return Telescope(name, "XMM.*", name, shape, "King profile", "Ghizzardi 2001, 2002", 1.5, (0.1, 6.0), 12.0)


_CHANDRA_SLOPE = 3.0
_CHANDRA_R90 = ((0.0, 1.0), (4.0, 9 * 0.492), (12.0, 34 * 0.492))
"""Off-axis angles ['] and radii of nine tenths of the light ["]."""


def _acis(energy: float, off_axis: float) -> KingPSF:
    """A slope of 3 and the core radius that encloses nine tenths of the light within R90.

    R90 was measured to grow linearly from 9 to 34 ACIS pixels of 0.492" between 4' and 12' (3.5 keV; ACIS PSF memo,
    section 8, figure 12); here that line goes on outwards, and a parabola joins it inwards to the 1" of the optical
    axis (Chandra Proposers' Observatory Guide, chapter 4). With this slope the half-light radius on the axis is 0.44",
    where 0.42" were measured, and the 70 % radius is 0.62 of R90, where the memo has 0.64. The real PSF is elongated
    far from the axis, and narrower at low energies.
    """
    (_, axis), (inner, near), (outer, far) = _CHANDRA_R90
    if off_axis < inner:
        radius = axis + (near - axis) * (off_axis / inner) ** 2
    else:
        radius = near + (far - near) * (off_axis - inner) / (outer - inner)
    at_r90 = np.sqrt(0.1 ** (-1.0 / (_CHANDRA_SLOPE - 1.0)) - 1.0)
    return KingPSF(slope=_CHANDRA_SLOPE, typical_width=float(radius / at_r90))


def _pspc(energy: float, off_axis: float) -> SumOfGaussians:
    return SumOfGaussians(*pspc_gaussians(energy, off_axis), width_spread=0.15)


TELESCOPES = (
    _epic("EMOS1", (5.074, -0.236, 0.002, -0.0180), (1.472, -0.010, -0.001, -0.0016)),
    _epic("EMOS2", (4.759, -0.203, 0.014, -0.0229), (1.411, -0.005, -0.001, -0.0002)),
    _epic("EPN", (6.636, -0.305, -0.175, -0.0067), (1.525, -0.015, -0.012, -0.0010)),
    # Half-energy width 18.4"; at 1.5 keV, and on the axis: it changes little over the field.
    Telescope("Swift XRT", "SWIFT", "XRT", _king(5.8, 1.55), "King profile", "Moretti et al. 2005, SPIE 5898"),
    # The survey's average over the field of view: J. Comparat's fit (hod_mod) to the seven telescopes' images of the
    # calibration database (tm?_2dpsf_221121v03, 0.5 to 2 keV). Half-energy width 29.8", as in the survey's stacked
    # sources (Merloni et al., appendix A); averaged over a pointing's field it is 26" and on the axis 16 to 18"
    # (Predehl et al. 2021).
    Telescope(
        "eROSITA", "EROSITA|SRG.*|SPE[CK]TR.*", "EROSITA|TM.*|FM.*", _king(8.64, 1.502),
        "King profile of the survey", "Merloni et al. 2024, A&A 682, A34, app. A; calibration images 221121v03",
    ),
    Telescope(
        "Chandra ACIS", "CHANDRA|AXAF", "ACIS.*", _acis, "King profile", "ACIS PSF memo, sect. 8, and POG, ch. 4",
        farthest=18.0,
    ),
    Telescope(
        "ROSAT PSPC", "ROSAT", "PSPC.*", _pspc, "sum of Gaussians", "Hasinger et al. 1993, OGIP CAL/ROS/93-015",
        energy=1.0, energies=(0.07, 2.0), farthest=60.0, channel=10.0,
    ),
)  # fmt: skip


class TelescopePSF(NamedTuple):
    """The PSF at a place in an image of a known telescope.

    Attributes:
        psf: its profile, with `typical_width` in the image's pixels.
        instrument: the camera's name.
        energy: that it is for, as the header has it [keV]; NaN where it does not matter.
        energy_source: where the energy was learnt from.
        off_axis: as the header has it [arcmin]; NaN where it does not say.
        telescope: the row of `TELESCOPES`.
    """

    psf: KingPSF | SumOfGaussians
    instrument: str
    energy: float
    energy_source: str
    off_axis: float
    telescope: Telescope

    def line(self) -> str:
        """Say it in one line."""
        row, place = self.telescope, []
        if row.energy is not None:
            place.append(f"at {self.energy:.2g} keV ({self.energy_source})" + self._limit(self.energy, *row.energies))
        if row.farthest and np.isfinite(self.off_axis):
            place.append(f"{self.off_axis:.1f}' off axis" + self._limit(self.off_axis, 0.0, row.farthest))
        elif row.farthest:
            place.append("on the axis, as the header names no pointing (RA_PNT)")
        if isinstance(self.psf, KingPSF):
            shape = f"core radius {float(self.psf.typical_width):.2f} pixel, slope {float(self.psf.slope):.3f}"
        else:
            shape = f"half of the light within {half_light_radius(self.psf):.2f} pixel"
        where = f" {', '.join(place)}" if place else ""
        return f"{row.kind} of {self.instrument}{where}: {shape} ({row.source})"

    @staticmethod
    def _limit(value: float, least: float, most: float) -> str:
        used = min(max(value, least), most)
        return "" if used == value else f" (taken as {used:g}, where what is published ends)"


def telescope_psf(header: "fits.Header | None", wcs: "WCS | None", x: float, y: float) -> TelescopePSF | None:
    """Return the PSF at a position in an image, or None where the header names no telescope of `TELESCOPES`.

    Energies and off-axis angles outside the range of what is published are taken as its nearest end.

    Args:
        header: of the counts image: TELESCOP, INSTRUME, the pointing (RA_PNT, DEC_PNT, or RA_NOM, DEC_NOM), and the
            range of PI among the data subspace keywords (DSTYPn, DSVALn).
        wcs: of the image; without it the size of a pixel is not known, and the PSF neither.
        x, y: the position [FITS image pixels].
    """
    row = _row(header)
    if row is None or header is None or wcs is None:
        return None
    energy, energy_source = (np.nan, "") if row.energy is None else _energy(header, row)
    off_axis = float(off_axis_angles(header, wcs, x, y)) if row.farthest else np.nan
    angle = min(off_axis, row.farthest) if np.isfinite(off_axis) else 0.0
    per_arcsec = 1.0 / (3600.0 * pixel_degrees(wcs))
    shape = row.shape(min(max(energy, row.energies[0]), row.energies[1]), angle)
    if isinstance(shape, KingPSF):
        psf: KingPSF | SumOfGaussians = KingPSF(shape.slope, float(shape.typical_width) * per_arcsec)
    else:
        psf = SumOfGaussians(shape.sigma * per_arcsec, shape.share, shape.width_spread)
    return TelescopePSF(psf, row.name, energy, energy_source, off_axis, row)


def epic_psf(header: "fits.Header | None", wcs: "WCS | None", x: float, y: float) -> TelescopePSF | None:
    """Return the King profile at a position in an image of XMM-Newton's EPIC cameras; None for any other image.

    The arguments are those of `telescope_psf`.
    """
    row = _row(header)
    return telescope_psf(header, wcs, x, y) if row is not None and row.name.startswith("E") else None


def half_light_radius(psf: SumOfGaussians) -> float:
    """Radius that holds half of the light of a sum of Gaussians of width 1 [pixels]."""
    from scipy.optimize import brentq

    sigma, share = np.asarray(psf.sigma, float), np.asarray(psf.share, float)
    return float(brentq(lambda r: share @ np.exp(-0.5 * (r / sigma) ** 2) - 0.5, 0.0, 10.0 * sigma.max()))


def _row(header: "fits.Header | None") -> Telescope | None:
    if header is None:
        return None
    telescop, instrume = (str(header.get(key, "")).strip().upper() for key in ("TELESCOP", "INSTRUME"))

    def fits_row(row: Telescope) -> bool:
        return bool(re.fullmatch(row.instrume, instrume) and (not telescop or re.fullmatch(row.telescop, telescop)))

    return next((row for row in TELESCOPES if fits_row(row)), None)


def camera_and_band(header: "fits.Header | None") -> tuple[str, tuple[float, float] | None]:
    """Return the camera of an image, as this package or the header calls it, and its range of energies [keV].

    The camera is "" and the range None where the header does not say.
    """
    if header is None:
        return "", None
    row = _row(header)
    camera = row.name if row else str(header.get("INSTRUME", "")).strip()[:20]
    channels = _channels(header)
    if row is None or channels is None:
        return camera, None
    return camera, (row.channel * channels[0] / 1000.0, row.channel * channels[1] / 1000.0)


def _energy(header: "fits.Header", row: Telescope) -> tuple[float, str]:
    """Geometric mean [keV] of the range of PI that the events were chosen from."""
    channels = _channels(header)
    if channels is None:
        return row.energy or np.nan, "assumed: the header has no PI range"
    return row.channel * float(np.sqrt(channels[0] * channels[1])) / 1000.0, "the header's PI range"


def _channels(header: "fits.Header") -> tuple[float, float] | None:
    """Return the range of PI that the events were chosen from; None where the header has none."""
    for keyword in header:  # the keywords alone: reading each value takes milliseconds
        if match := re.fullmatch(r"DSTYP(\d+)", keyword):
            if str(header[keyword]).strip().upper() != "PI":
                continue
            bounds = re.findall(r"\d+(?:\.\d+)?", str(header.get(f"DSVAL{match[1]}", "")))
            if len(bounds) == 2 and 0 < float(bounds[0]) < float(bounds[1]):
                return float(bounds[0]), float(bounds[1])
    return None


def pointing_of(header: "fits.Header", wcs: "WCS") -> tuple[float, float] | None:
    """Return where in an image the telescope pointed, (x, y) [FITS image pixels]; None where the header has none."""
    axis = _pointing(header, wcs)
    if axis is None:
        return None
    x, y = wcs.celestial.world_to_pixel(axis)
    return float(x) + 1, float(y) + 1


def off_axis_angles(header: "fits.Header | None", wcs: "WCS | None", x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Return the angles of places from the pointing direction [arcmin]; NaN where the header has none.

    Args:
        header: of the image: RA_PNT and DEC_PNT, or RA_NOM and DEC_NOM.
        wcs: of the image.
        x, y: the places, of one shape [FITS image pixels].
    """
    axis = None if header is None or wcs is None else _pointing(header, wcs)
    if axis is None or wcs is None:
        return np.full(np.shape(x), np.nan)
    from astropy import units

    places = wcs.celestial.pixel_to_world(np.asarray(x, float) - 1, np.asarray(y, float) - 1)
    return np.asarray(places.separation(axis).to_value(units.arcmin))


def _pointing(header: "fits.Header", wcs: "WCS") -> "SkyCoord | None":
    """The pointing direction, in the frame of the image where that has right ascensions, else in ICRS."""
    for names in (("RA_PNT", "DEC_PNT"), ("RA_NOM", "DEC_NOM")):
        pointing = [header.get(name) for name in names]
        if all(isinstance(value, int | float) and np.isfinite(value) for value in pointing) and abs(pointing[1]) <= 90:
            from astropy.coordinates import SkyCoord
            from astropy.wcs.utils import wcs_to_celestial_frame

            frame = wcs_to_celestial_frame(wcs.celestial)
            equatorial = "ra" in frame.get_representation_component_names()
            return SkyCoord(*pointing, unit="deg", frame=frame if equatorial else "icrs")
    return None
