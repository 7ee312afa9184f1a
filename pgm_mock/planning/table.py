"""A plan as a table, and as what a program reads."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..results import creator
from ..tablefiles import write_table
from .forecast import RADIUS_68

if TYPE_CHECKING:
    from astropy.table import QTable

    from .plan import Plan

COLUMNS = (
    ("PLACE", "", "where the source is"),
    ("OFF_AXIS", "arcmin", "angle from the optical axis, where it is known"),
    ("EXPOSURE", "ks", "exposure: of the map's largest value, or at the place on a bare detector"),
    ("RATE", "ct / s", "flux of the source"),
    ("BKG", "ct / (pix s)", "background"),
    ("COUNTS", "ct", "expected of the source in the stamp"),
    ("P_DETECT", "", "probability that the ln likelihood ratio reaches the threshold, without simulating"),
    ("METHOD", "", "of the widths: fisher, or mocks (medians of fits to mocks, detected or not)"),
    ("RATE_RELERR", "", "standard deviation of the posterior of the flux, over the flux"),
    ("RATE_RELERR_LO", "", "16 % of the mocks have less"),
    ("RATE_RELERR_HI", "", "84 % of the mocks have less"),
    ("POS_ERR", "arcsec", "standard deviation of the posterior of the position, along one axis"),
    ("POS_ERR_LO", "arcsec", "16 % of the mocks have less"),
    ("POS_ERR_HI", "arcsec", "84 % of the mocks have less"),
    ("POS_R68", "arcsec", "radius that holds 68 % of a round normal law: 1.51 POS_ERR"),
    ("MOCKS", "", "number of mocks that were fitted"),
    ("P_DETECT_MOCKS", "", "share of them whose ln likelihood ratio reaches the threshold"),
    ("BIAS", "", "median of fitted over true flux, of the detected mocks"),
    ("BIAS_ERR", "", "standard error of that median"),
    ("EXPOSURE_90", "ks", "exposure in which the source is detected in 90 %"),
)
"""Name, unit and description of each column."""


def plan_table(plan: "Plan") -> "QTable":
    """Return a row for each place and exposure, with units, descriptions and what it was made from."""
    from astropy.table import QTable
    from astropy.units import Unit

    rows = []
    for one in plan.forecasts:
        place = plan.places[one.place]
        rows.append(
            (
                *(place.name, place.off_axis, one.exposure / 1e3, plan.flux, place.background, one.counts),
                *(one.probability, one.method.lower(), one.flux_width, one.flux_low, one.flux_high),
                *(one.position_width, one.position_low, one.position_high, RADIUS_68 * one.position_width),
                *(one.mocks, one.detected, one.bias, one.bias_error, plan.needed[one.place] / 1e3),
            )
        )
    table = QTable()
    for (name, unit, words), values in zip(COLUMNS, zip(*rows, strict=True), strict=True):
        column = np.array(values)
        table[name] = column * Unit(unit) if unit else column
        table[name].info.description = words
    table.meta |= {"CREATOR": creator(), "THRESH": plan.threshold, "SEED": plan.seed}  # as FITS allows names
    return table


def summary(plan: "Plan") -> dict[str, Any]:
    """Return a plan as numbers and lists, None where there is no number."""
    from .forecast import Forecast

    def number(value: Any) -> Any:
        return None if isinstance(value, float) and not np.isfinite(value) else value

    def told(one: Forecast) -> dict[str, Any]:
        numbers = {name: number(value) for name, value in one._asdict().items() if name not in ("place", "exposure")}
        radius = number(RADIUS_68 * one.position_width)
        return {"exposure_ks": one.exposure / 1e3} | numbers | {"position_radius_68": radius}

    places = [
        {
            "place": place.name,
            "x": place.x,
            "y": place.y,
            "off_axis_arcmin": number(place.off_axis),
            "background": place.background,
            "exposure_90_ks": number(plan.needed[where] / 1e3),
            "exposures": [told(one) for one in plan.at(where)],
        }
        for where, place in enumerate(plan.places)
    ]
    return {"flux": plan.flux, "threshold": plan.threshold, "seed": plan.seed, "places": places}


def write_plan(folder: Path, plan: "Plan") -> None:
    """Write the table as ECSV and FITS."""
    write_table(folder, "plan", plan_table(plan))
