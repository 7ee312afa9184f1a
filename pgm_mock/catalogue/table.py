"""The catalogue's table: columns, their units and what they mean."""

import math
import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..checks.flags import DETECTED, LIGHT, METHOD, MODEL, NO_FIT, PLACE, SHAPE
from ..scene import Parameter
from .columns import COLUMN_OF, iau_names

if TYPE_CHECKING:
    from astropy.table import QTable


class Column(NamedTuple):
    """A column of the table.

    Attributes:
        name: its name; FLUX is written as RATE where fluxes are in ct / s, here and in `meaning`.
        unit: as astropy reads it; "flux", "flux / pix" and "exposure" stand for the field's.
        meaning: in words.
        ucd: what it is, in the words of the Virtual Observatory (UCD1+).
        kind: of its values; a missing float is NaN.
    """

    name: str
    unit: str
    meaning: str
    ucd: str
    kind: type = float


def with_errors(name: str, unit: str, meaning: str, ucd: str) -> list[Column]:
    """Return a column and those of its errors."""
    return [
        Column(name, unit, meaning, ucd),
        Column(f"{name}_LOWERR", unit, f"{name} less the lower end of the 68 % interval", f"stat.error;{ucd};stat.min"),
        Column(f"{name}_UPERR", unit, f"upper end of the 68 % interval, less {name}", f"stat.error;{ucd};stat.max"),
    ]


_FLUX, _COUNTS = "phot.flux;em.X-ray", "phot.count;em.X-ray"
"""A flux by the energy or photons of a unit area, and one in counts: UCD1+ has counts and count rates alike."""
_NAMING = "a count rate in ct / s is named RATE, a flux in any other unit by that name"

COLUMNS = [
    Column("ID", "", "name of the source", "meta.id;meta.main", str),
    Column("IAUNAME", "", "name from RA and DEC, truncated as the IAU says", "meta.id", str),
    Column(
        "FLAG",
        "",
        f"0, or the sum of {NO_FIT}: no fit; {MODEL}: the model does not describe the stamp; {METHOD}: the posterior "
        f"is not certified, or the Bayes factor or limit is not; {LIGHT}: less than half of the light is in the stamp; "
        f"{PLACE}: found outside its circle, at the bound of its position, or at two places; {SHAPE}: not as wide as "
        f"the PSF; {DETECTED}: DET_LIKE and LN_BAYES contradict each other",
        "meta.code.qual",
        int,
    ),
    Column("MEANING", "", "the flag in words", "meta.note", str),
    Column("RA", "deg", "right ascension (ICRS) of the posterior's median position", "pos.eq.ra;meta.main"),
    Column("DEC", "deg", "declination (ICRS) of the posterior's median position", "pos.eq.dec;meta.main"),
    Column("RA_LOWERR", "arcsec", "68 % error to the west, on the sky", "stat.error;pos.eq.ra;stat.min"),
    Column("RA_UPERR", "arcsec", "68 % error to the east, on the sky", "stat.error;pos.eq.ra;stat.max"),
    Column("DEC_LOWERR", "arcsec", "68 % error to the south", "stat.error;pos.eq.dec;stat.min"),
    Column("DEC_UPERR", "arcsec", "68 % error to the north", "stat.error;pos.eq.dec;stat.max"),
    Column(
        "RADEC_ERR",
        "arcsec",
        "root of the summed variances in right ascension and declination: a circle of this radius holds 63 % of a "
        "round Gaussian posterior, not 68 %",
        "stat.error;pos.eq",
    ),
    *with_errors(
        "X_IMA", "pix", "posterior median column, FITS image coordinates: the first pixel is 1", "pos.cartesian.x"
    ),
    *with_errors(
        "Y_IMA", "pix", "posterior median row, FITS image coordinates: the first pixel is 1", "pos.cartesian.y"
    ),
    Column("OFFSET", "arcsec", "from the place asked for to the place found", "pos.angDistance"),
    Column("OFFSET_PIX", "pix", "from the place asked for to the place found, without sky coordinates", "pos.distance"),
    *with_errors("FLUX", "flux", f"posterior median of the source's light over the whole plane; {_NAMING}", _FLUX),
    *with_errors("CTS", "ct", "expected counts of the source in the stamp's exposed pixels", _COUNTS),
    Column(
        "DET_LIKE", "", "detection likelihood of the source in this row, as emldetect defines it", "stat.likelihood"
    ),
    Column(
        "P_FALSE",
        "",
        "chance that an empty place of this stamp gives so large a detection likelihood, the search over position "
        "included; from images down to some 0.001, by their tail below, never below 1e-16",
        "stat.probability",
    ),
    Column("LN_BAYES", "", "ln of the Bayes factor of a source against none", "stat.likelihood;arith.ratio"),
    Column(
        "FLUX_UL95",
        "flux",
        "95 % upper limit of a source at the position asked for, flat prior on fluxes >= 0",
        f"{_FLUX};stat.max",
    ),
    Column(
        "FLUX_DETECTABLE",
        "flux",
        "flux that would have been detected in 95 % of all cases",
        f"{_FLUX};instr.sensitivity",
    ),
    *with_errors("BKG", "flux / pix", "background in the middle of the stamp", "instr.background"),
    *with_errors(
        "BKG_NORM",
        "",
        "normalisation of the background map; its counts are not in BKG",
        "instr.background",
    ),
    Column(
        "BKG_DX",
        "1 / pix",
        "gradient of the background's logarithm along the columns",
        "arith.grad;instr.background",
    ),
    Column("BKG_DY", "1 / pix", "gradient of the background's logarithm along the rows", "arith.grad;instr.background"),
    *with_errors(
        "PSF_WIDTH",
        "pix",
        "sigma of a Gaussian, core radius of a King, FWHM of a Moffat, stretch of an image",
        "instr.det.psf",
    ),
    Column("PSF", "", "the PSF, in the package's own words", "meta.note;instr.det.psf", str),
    Column("LIGHT", "", "share of the source's light that the stamp's exposed pixels hold", "phot.count;arith.ratio"),
    Column(
        "MASKFRAC",
        "",
        "share of the stamp that is exposed, weighted with the PSF: 1 where no pixel near the source is masked",
        "instr.det.psf;arith.ratio",
    ),
    Column("EXP", "exposure", "mean exposure, weighted with the PSF", "time.duration;obs.exposure"),
    Column("OFFAX", "arcmin", "from the pointing direction to the place asked for", "pos.angDistance;instr.fov"),
    Column(
        "DIST_NN", "arcsec", "from the place asked for to that of the field's nearest other source", "pos.angDistance"
    ),
    Column(
        "DIST_NN_PIX",
        "pix",
        "from the place asked for to that of the field's nearest other source, without sky coordinates",
        "pos.distance",
    ),
    Column(
        "METHOD",
        "",
        "what gave the posterior: importance, collapse (of several images), nuts, or none",
        "meta.code",
        str,
    ),
    Column("KHAT", "", "shape of the importance weights' tail; up to 0.7 they can be trusted", "stat.fit.goodness"),
    Column("ESS", "", "effective sample size of the importance weights", "meta.number"),
    Column("R_HAT", "", "disagreement of the chains of NUTS; below 1.01 they agree", "stat.fit.goodness"),
    Column(
        "P_VALUE",
        "",
        "posterior predictive p-value of the stamp: the smallest of its statistics' calibrated ones, times their "
        "number, at most 1; a stamp is flagged below 0.01",
        "stat.probability",
    ),
    Column("FDR", "", "false discovery rate among the sources with a p-value up to this one's", "stat.probability"),
    Column("FIELD", "", "name of the field, where there are several", "meta.id;obs.field", str),
    Column("X_ASKED", "pix", "column that was asked for", "pos.cartesian.x"),
    Column("Y_ASKED", "pix", "row that was asked for", "pos.cartesian.y"),
]
_OF_ONE_IMAGE = ("X_IMA", "Y_IMA", "X_ASKED", "Y_ASKED", "EXP", "MASKFRAC", "OFFAX", "DIST_NN")
"""Columns that are about pixels, or about one camera."""
_MAY_BE_EMPTY = ("X_ASKED", "Y_ASKED", "ID", "MEANING", "METHOD", "FLAG")


def make_table(
    rows: Iterable[dict[str, Any]],
    flux_unit: str,
    parameters: Mapping[str, Parameter] | None = None,
    more: Sequence[Column] = (),
) -> "QTable":
    """Make the table of rows by column name; columns that no row has are left out.

    Args:
        rows: of `measure`, taken one after the other; missing numbers become NaN, missing words "".
        flux_unit: as astropy writes it.
        parameters: of further components, which get columns of their own.
        more: columns of several images.
    """
    from astropy.table import QTable
    from astropy.units import Unit

    columns = [*COLUMNS, *_of_parameters(parameters or {}), *more]
    found = _values(rows, columns)
    found["FDR"] = _false_discovery_rates(found["P_VALUE"])
    found["IAUNAME"] = iau_names(found["RA"], found["DEC"])
    flux = Unit(flux_unit)
    units = {"": None, "flux": flux, "flux / pix": flux / Unit("pix"), "exposure": Unit("ct") / flux}
    rates = flux == Unit("ct / s")
    table = QTable()
    for column in columns:
        values = found.pop(column.name)
        known = np.isfinite(values).any() if column.kind is float else any(values)
        if not known and column.name not in _MAY_BE_EMPTY:
            continue
        name, meaning, ucd = column.name, column.meaning, column.ucd
        if more and name.removesuffix("_LOWERR").removesuffix("_UPERR") in _OF_ONE_IMAGE:
            meaning += "; in the first of the images" + (" that see it" if name in ("EXP", "MASKFRAC") else "")
        if rates and "FLUX" in name:
            name, meaning, ucd = (
                name.replace("FLUX", "RATE"),
                meaning.replace("FLUX", "RATE"),
                ucd.replace(_FLUX, _COUNTS),
            )
        unit = units[column.unit] if column.unit in units else Unit(column.unit)
        table[name] = values if unit is None else values * unit
        table[name].info.description = meaning
        table[name].info.meta = {"ucd": ucd}
    return table


def _of_parameters(parameters: Mapping[str, Parameter]) -> Iterable[Column]:
    """Make columns for the parameters of further components that are one number."""
    for name, one in parameters.items():
        if not one.plural and name not in COLUMN_OF:
            unit = one.unit.replace("pixel", "pix") if one.unit != "1" else ""
            ucd = _FLUX if one.unit == "flux" else "stat.fit.param"
            yield from with_errors(name.upper(), unit, f"posterior median: {one.meaning}", ucd)


def _values(rows: Iterable[dict[str, Any]], columns: Sequence[Column]) -> dict[str, Any]:
    """Gather the rows into columns: 8 bytes a number, and words that are often the same once."""
    numbers = {column.name: array("d") for column in columns if column.kind is float}
    other_columns: dict[str, tuple[type, list[Any]]] = {
        column.name: (column.kind, []) for column in columns if column.kind is not float
    }
    for row in rows:
        for name, values in numbers.items():
            values.append(row.get(name, math.nan))
        for name, (kind, words) in other_columns.items():
            value = kind(row.get(name, kind()))
            words.append(sys.intern(value) if kind is str else value)
    floats: dict[str, Any] = {
        name: np.frombuffer(values) if values else np.empty(0) for name, values in numbers.items()
    }
    return floats | {name: words for name, (_, words) in other_columns.items()}


def _false_discovery_rates(p_values: np.ndarray) -> np.ndarray:
    """Adjust p-values after Benjamini and Hochberg; NaN where there is none."""
    from scipy.stats import false_discovery_control

    known = np.isfinite(p_values)
    rates = np.full(len(p_values), np.nan)
    if known.any():
        rates[known] = false_discovery_control(p_values[known])
    return rates
