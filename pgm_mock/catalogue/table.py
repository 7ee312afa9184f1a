"""The catalogue's table: columns, their units and what they mean."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .measure import LIGHT, METHOD, MODEL, NO_FIT

if TYPE_CHECKING:
    from astropy.table import QTable


class Column(NamedTuple):
    """A column of the table.

    Attributes:
        name: its name; FLUX is written as RATE where fluxes are in ct / s.
        unit: as astropy reads it; "flux" and "flux / pix" stand for the field's.
        meaning: in words.
        kind: of its values; a missing float is NaN.
    """

    name: str
    unit: str
    meaning: str
    kind: type = float


def _with_errors(name: str, unit: str, meaning: str, of: str = "the 68 % interval") -> list[Column]:
    lower = Column(f"{name}_LOWERR", unit, f"{name} less the lower end of {of}")
    return [Column(name, unit, meaning), lower, Column(f"{name}_UPERR", unit, f"upper end of {of}, less {name}")]


COLUMNS = [
    Column("ID", "", "name of the source", str),
    Column("RA", "deg", "right ascension (ICRS) of the posterior's median position"),
    Column("DEC", "deg", "declination (ICRS) of the posterior's median position"),
    Column("RA_LOWERR", "arcsec", "68 % error to the west, on the sky"),
    Column("RA_UPERR", "arcsec", "68 % error to the east, on the sky"),
    Column("DEC_LOWERR", "arcsec", "68 % error to the south"),
    Column("DEC_UPERR", "arcsec", "68 % error to the north"),
    Column("RADEC_ERR", "arcsec", "root of the summed variances in right ascension and declination"),
    *_with_errors("X_IMA", "pix", "posterior median column, FITS image coordinates"),
    *_with_errors("Y_IMA", "pix", "posterior median row, FITS image coordinates"),
    *_with_errors("FLUX", "flux", "posterior median flux over the whole plane"),
    *_with_errors("CTS", "ct", "expected counts of the source in the stamp's exposed pixels"),
    Column("LIGHT", "", "share of the source's light that the stamp's exposed pixels hold"),
    *_with_errors("BKG", "flux / pix", "background in the middle of the stamp"),
    *_with_errors("BKG_NORM", "", "normalisation of the background map; its counts are not in BKG"),
    Column("BKG_DX", "1 / pix", "gradient of the background's logarithm along the columns"),
    Column("BKG_DY", "1 / pix", "gradient of the background's logarithm along the rows"),
    *_with_errors(
        "PSF_WIDTH", "pix", "sigma of a Gaussian, core radius of a King, FWHM of a Moffat, stretch of an image"
    ),
    Column("FLUX_UL95", "flux", "95 % upper limit of a source at the position asked for, flat prior on fluxes >= 0"),
    Column("FLUX_DETECTABLE", "flux", "flux that would have been detected in 95 % of all cases"),
    Column("DET_LIKE", "", "detection likelihood, -ln of the chance that there is only background"),
    Column("LN_BAYES", "", "ln of the Bayes factor of a source against none"),
    Column("PSF", "", "the PSF, in the package's own words", str),
    Column("METHOD", "", "what gave the posterior: importance, nuts, or none", str),
    Column("KHAT", "", "shape of the importance weights' tail; up to 0.7 they can be trusted"),
    Column("ESS", "", "effective sample size of the importance weights"),
    Column("R_HAT", "", "disagreement of the chains of NUTS; below 1.01 they agree"),
    Column("P_VALUE", "", "posterior predictive p-value of the stamp, calibrated, over all statistics"),
    Column("FDR", "", "false discovery rate among the sources with a p-value up to this one's"),
    Column(
        "FLAG",
        "",
        f"0, or the sum of {NO_FIT}: no fit; {MODEL}: the model does not describe the stamp; {METHOD}: the posterior "
        f"is not certified; {LIGHT}: less than half of the light is in the stamp",
        int,
    ),
    Column("MEANING", "", "the flag in words", str),
    Column("FIELD", "", "name of the field, where there are several", str),
    Column("X_ASKED", "pix", "column that was asked for"),
    Column("Y_ASKED", "pix", "row that was asked for"),
]


def make_table(rows: Sequence[dict[str, Any]], flux_unit: str) -> "QTable":
    """Make the table of rows by column name; columns that no row has are left out.

    Args:
        rows: of `measure`; missing numbers become NaN, missing words "".
        flux_unit: as astropy writes it.
    """
    from astropy.table import QTable
    from astropy.units import Unit
    from scipy.stats import false_discovery_control

    p_values = np.array([row.get("P_VALUE", np.nan) for row in rows], float)
    known = np.isfinite(p_values)
    shares = np.full(len(rows), np.nan)
    if known.any():
        shares[known] = false_discovery_control(p_values[known])
    units = {"": None, "flux": Unit(flux_unit), "flux / pix": Unit(flux_unit) / Unit("pix")}
    table = QTable()
    for column in COLUMNS:
        if column.name == "FDR":
            values: Any = shares
        elif column.kind is float:
            values = np.array([row.get(column.name, np.nan) for row in rows], float)
        else:
            values = [column.kind(row.get(column.name, column.kind())) for row in rows]
        empty = column.kind is float and not np.isfinite(values).any() and not column.name.endswith("_ASKED")
        if empty or (column.name in ("FIELD", "PSF") and not any(values)):
            continue
        name = column.name.replace("FLUX", "RATE") if Unit(flux_unit) == Unit("ct / s") else column.name
        unit = units[column.unit] if column.unit in units else Unit(column.unit)
        table[name] = values if unit is None else values * unit
        table[name].info.description = column.meaning.replace("FLUX", "RATE") if name != column.name else column.meaning
    return table
