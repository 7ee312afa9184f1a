"""The tables of a detection: a row for each point source, and one for each extended one."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..fitsimage import pixel_degrees
from ..psf import describe_psf
from ..results import creator
from ..tablefiles import tabulated
from .jointfit import standard_errors
from .laws import flux_detectable
from .odds import Odds
from .pointsources import PointSources

if TYPE_CHECKING:
    from astropy.table import QTable

    from .detect import Detection

_BESIDE = 4.0
"""A source within so many half-light radii of one that is far brighter may be the shape of that one's PSF."""
_LIKELY = 0.95
"""From this probability on a note says that a source is no point."""
_MAYBE = 0.1
"""Below this probability of an extended source, its extent is not told."""
_DETECTABLE = 0.9
_GAP = 0.7
"""A source beside a gap, or at the edge: less than this part of its light fell on exposed pixels."""


def make_table(detection: "Detection") -> "QTable":
    """Return ID, positions, fluxes, likelihood ratios and notes, with units and descriptions."""
    from astropy import units

    observation, found = detection.observation, detection.found
    sources = found.sources
    errors = standard_errors(sources, observation.counts, found.fitted.mean)
    flux_unit = units.Unit(observation.flux_unit)
    rate = "RATE" if flux_unit.is_equivalent(units.ct / units.s) else "FLUX"
    columns: dict[str, tuple[Any, Any, str, str]] = {"ID": (np.array(detection.names, "U8"), None, "meta.id", "number")}
    scale = 1.0
    if observation.wcs is not None:
        sky = observation.wcs.celestial.pixel_to_world(sources.x - 1, sources.y - 1).icrs
        scale = 3600.0 * pixel_degrees(observation.wcs)
        columns["RA"] = sky.ra.deg, units.deg, "pos.eq.ra;meta.main", "right ascension (ICRS)"
        columns["DEC"] = sky.dec.deg, units.deg, "pos.eq.dec;meta.main", "declination (ICRS)"
        radius = scale * np.hypot(errors[:, 1], errors[:, 2])
        columns["RADEC_ERR"] = radius, units.arcsec, "stat.error;pos.eq", "radius that holds 63 % of the position"
    for number, (axis, place) in enumerate((("X", sources.x), ("Y", sources.y)), 1):
        what = "FITS image column" if axis == "X" else "FITS image row"
        columns[f"{axis}_IMA"] = place, units.pix, f"pos.cartesian.{axis.lower()}", what
        columns[f"{axis}_IMA_ERR"] = (
            errors[:, number],
            units.pix,
            f"stat.error;pos.cartesian.{axis.lower()}",
            "its standard error",
        )
    columns[rate] = sources.flux, flux_unit, "phot.count", "flux over the whole PSF, at the largest likelihood"
    columns[f"{rate}_ERR"] = sources.flux * errors[:, 0], flux_unit, "stat.error;phot.count", "its standard error"
    least = flux_detectable(sources, found.fitted.mean, detection.threshold, _DETECTABLE)
    words = "flux that this search detects here in 90 % of all cases, were this source not there"
    columns[f"{rate}_DETECTABLE"] = np.where(np.isfinite(least), least, np.nan), flux_unit, "phot.count", words
    words = "counts of the source on exposed pixels within 12 pixels"
    columns["CTS"] = sources.seen_counts(), units.ct, "phot.count", words
    columns["LN_RATIO"] = found.ratios, None, "stat.likelihood", "ln likelihood ratio of this source, all else fitted"
    false = detection.false_alarms.expected(found.ratios)
    columns["N_FALSE"] = false, None, "stat.probability", "false sources expected in the field with so large a LN_RATIO"
    width = [sources.width(number) for number in range(len(sources))]
    columns["PSF_WIDTH"] = np.array(width), units.pix, "instr.det.psf", "width of the PSF; fitted for bright sources"
    columns |= _shapes(detection)
    columns["NOTE"] = np.array(_notes(detection), "U200"), None, "meta.note", "what to doubt"
    table = tabulated(columns)
    table.meta |= told_of(detection) | {"NMOCKS": detection.false_alarms.mocks}
    return table


def told_of(detection: "Detection") -> dict[str, Any]:
    """Return what the header of a table says of a detection."""
    observation = detection.observation
    return {
        "OBJECT": observation.name,
        "CREATOR": creator(),
        "PSF": describe_psf(detection.psf.at(*observation.centre)),
        "SEED": detection.seed,
        "LTHRESH": float(detection.threshold),
        "NFALSE": detection.expected_false,
    }


def extended_table(detection: "Detection") -> "QTable":
    """Return a row for each extended source: centre, flux, and the ellipse that holds half of its light."""
    from astropy import units

    observation, found = detection.observation, detection.found
    known = found.background.half_light(found.fitted)
    owners = [found.background.extended.index(shape) for shape, _ in known]
    x = np.array([shape.column + observation.origin[0] for shape, _ in known])
    y = np.array([shape.row + observation.origin[1] for shape, _ in known])
    flux_unit = units.Unit(observation.flux_unit)
    rate = "RATE" if flux_unit.is_equivalent(units.ct / units.s) else "FLUX"
    of_each = [found.background.owner == owner for owner in owners]
    fluxes = [found.fitted.amplitudes[own].sum() for own in of_each]
    counts = [(found.fitted.amplitudes[own] * found.background.images[own].sum(axis=(1, 2))).sum() for own in of_each]
    names = np.array([f"E{number}" for number in range(1, len(known) + 1)], "U8")
    columns: dict[str, tuple[Any, Any, str, str]] = {"ID": (names, None, "meta.id", "number")}
    scale = 1.0
    if observation.wcs is not None:
        sky = observation.wcs.celestial.pixel_to_world(x - 1, y - 1).icrs
        scale = 3600.0 * pixel_degrees(observation.wcs)
        columns["RA"] = sky.ra.deg, units.deg, "pos.eq.ra;meta.main", "right ascension (ICRS) of the centre"
        columns["DEC"] = sky.dec.deg, units.deg, "pos.eq.dec;meta.main", "declination (ICRS) of the centre"
    columns["X_IMA"] = x, units.pix, "pos.cartesian.x", "FITS image column of the centre"
    columns["Y_IMA"] = y, units.pix, "pos.cartesian.y", "FITS image row of the centre"
    columns[rate] = np.array(fluxes), flux_unit, "phot.count", "flux of the sum of Gaussians that was fitted"
    columns["CTS"] = np.array(counts), units.ct, "phot.count", "its counts on exposed pixels"
    length = units.pix if observation.wcs is None else units.arcsec
    ratio = np.array([shape.ratio for shape, _ in known])
    half = scale * np.array([radius for _, radius in known]) / np.sqrt(ratio)
    columns["SMAJ_HALF"] = half, length, "phys.angSize.smajAxis", "semi-major axis of the ellipse of half of its light"
    columns["RATIO"] = ratio, None, "arith.ratio", "of the shorter axis to the longer one"
    angle = np.rad2deg([shape.angle for shape, _ in known])
    columns["ANGLE"] = angle, units.deg, "pos.posAng", "of the longer axis, from the columns towards the rows"
    table = tabulated(columns)
    table.meta |= told_of(detection)
    return table


def _kinds(shape: Odds) -> list[tuple[str, float]]:
    """Words and probabilities of what is no point."""
    words = (("extended", shape.extended), ("two points", shape.double))
    return [(f"{name} {min(share, 0.999):.1%}", share) for name, share in words]


def _shapes(detection: "Detection") -> dict[str, tuple[Any, Any, str, str]]:
    """The columns of the odds, where they were computed."""
    from astropy import units

    if not detection.odds and len(detection):
        return {}
    nothing = Odds(*(np.nan,) * 5, (np.nan,) * 3, np.nan, False)
    every = [nothing if one is None else one for one in detection.odds]
    core = np.array([one.core if one.extended > _MAYBE else nothing.core for one in every]).reshape(-1, 3)
    words = {
        "P_POINT": (
            [one.point for one in every],
            None,
            "stat.probability",
            "of a point, as if all three kinds were equally frequent beforehand",
        ),
        "P_EXT": ([one.extended for one in every], None, "stat.probability", "of an extended source, likewise"),
        "P_DOUBLE": (
            [one.double for one in every],
            None,
            "stat.probability",
            "of two points, or of another PSF, likewise",
        ),
        "LN_B_EXT": ([one.ln_bayes_extended for one in every], None, "stat.likelihood", "ln Bayes factor: extended"),
        "LN_B_DOUBLE": ([one.ln_bayes_double for one in every], None, "stat.likelihood", "ln Bayes factor: two points"),
        "EXT": (core[:, 0], units.pix, "phys.angSize", "core radius of a beta model; none where P_EXT < 0.1"),
        "EXT_LO": (core[:, 1], units.pix, "phys.angSize;stat.min", "lower end of its 68 % interval"),
        "EXT_HI": (core[:, 2], units.pix, "phys.angSize;stat.max", "upper end of its 68 % interval"),
        "EXT_LIKE": ([one.ext_like for one in every], None, "stat.likelihood", "ln likelihood of extended over point"),
    }
    return {name: (np.array(values, float), *rest) for name, (values, *rest) in words.items()}


def beside_brighter(sources: PointSources) -> np.ndarray:
    """Whether one source is so near a far brighter one that it may be the shape of that one's PSF, shape (m, m)."""
    return sources.far_brighter(_BESIDE)


def _notes(detection: "Detection") -> list[str]:
    """Say what is doubtful about each source; nothing where nothing is."""
    sources, dropped = detection.found.sources, detection.found.dropped
    left, low = detection.observation.origin
    extended = detection.found.background.extended
    beside, partly = beside_brighter(sources), sources.seen_counts() < _GAP * sources.counts()
    unexposed = sources.exposure[sources.pixels()] <= 0
    notes = []
    for number, reach in enumerate(_BESIDE * sources.half_light_radii()):
        x, y = sources.x[number], sources.y[number]
        said = []
        if (np.hypot(dropped.x - x, dropped.y - y) < reach).any():
            said.append("its image is not the PSF's: perhaps it is two sources")
        if beside[number].any():
            brighter = detection.names[int(np.argmax(beside[number]))]
            said.append(f"beside {brighter}, which is far brighter: perhaps its PSF's shape")
        if unexposed[number] or partly[number]:
            said.append("part of its light fell on no exposed pixel")
        if detection.odds and (shape := detection.odds[number]) is not None:
            said += [f"odds: {words}" for words, share in _kinds(shape) if share > _LIKELY]
        if any(np.hypot(one.column + left - x, one.row + low - y) < reach for one in extended):
            said.append("within an extended source's core")
        notes.append("; ".join(said))
    return notes
