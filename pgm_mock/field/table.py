"""The tables of a field: a row for each source, and one for each parameter that they share."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..fitsimage import pixel_degrees
from ..results import creator
from ..tablefiles import tabulated
from .check import FieldCheck
from .flags import flags_of
from .posterior import LEVELS, FieldPosterior
from .scene import ccds_of

if TYPE_CHECKING:
    from astropy.table import QTable

_OF_CCDS = "particles_ratio"

type Columns = dict[str, tuple[Any, Any, str, str]]


def sources_table(posterior: FieldPosterior, check: FieldCheck | None = None) -> "QTable":
    """Return positions, rates, counts, diagnostics and doubts of each source, with units and descriptions.

    Args:
        posterior: of `fit_field`.
        check: of `check_field`; None flags no source for what the model lacks.
    """
    from astropy import units

    observation, plate = posterior.observation, posterior.plate
    flux_unit = units.Unit(observation.flux_unit)
    rate = "RATE" if flux_unit.is_equivalent(units.ct / units.s) else "FLUX"
    x, y, flux = (posterior.quantiles(f"{plate}_{name}") for name in ("x", "y", "flux"))
    drawn = [posterior.flat[f"{plate}_{name}"] for name in ("x", "y")]
    columns: Columns = {"ID": (np.array([one.name for one in posterior.regions]), None, "meta.id", "name")}
    if observation.wcs is not None:
        sky = observation.wcs.celestial.pixel_to_world(x[1] - 1, y[1] - 1).icrs
        error = 3600.0 * pixel_degrees(observation.wcs) * np.hypot(*(each.std(axis=0) for each in drawn))
        columns["RA"] = sky.ra.deg, units.deg, "pos.eq.ra;meta.main", "right ascension (ICRS), median"
        columns["DEC"] = sky.dec.deg, units.deg, "pos.eq.dec;meta.main", "declination (ICRS), median"
        columns["RADEC_ERR"] = error, units.arcsec, "stat.error;pos.eq", "root of the summed variances: it holds 63 %"
    columns |= _with_errors("X_IMA", x, units.pix, "pos.cartesian.x", "FITS image column, median")
    columns |= _with_errors("Y_IMA", y, units.pix, "pos.cartesian.y", "FITS image row, median")
    columns |= _with_errors(rate, flux, flux_unit, "phot.count", "flux over the whole PSF, median")
    seen = posterior.counts_of_sources()
    columns |= _with_errors("CTS", seen, units.ct, "phot.count", "counts of the source on exposed pixels, median")
    r_hat, effective = posterior.diagnostics_of_sources()
    columns["R_HAT"] = r_hat, None, "stat.value", "largest split R-hat of x, y and flux"
    columns["ESS"] = effective, None, "stat.value", "least effective number of draws of x, y and flux"
    flags, meanings = flags_of(posterior, check)
    words = "2 the model does not describe it, 4 not converged, 8 most light outside, 16 not where it was asked for"
    columns["FLAG"] = flags, None, "meta.code.qual", f"0, or the sum of: {words}"
    columns["MEANING"] = np.array(meanings), None, "meta.note", "the flag in words"
    table = tabulated(columns)
    if np.isfinite(posterior.chains.r_hat):
        table.meta["R_HAT"] = posterior.chains.r_hat
    table.meta |= {"PROBLEMS": "; ".join(posterior.chains.problems), "SEED": posterior.seed}
    table.meta |= {"OBJECT": observation.name, "CREATOR": creator(), "PSF": posterior.learnt().describe()}
    return table


def _with_errors(name: str, levels: np.ndarray, unit: Any, ucd: str, meaning: str) -> Columns:
    """Return the columns of a median and of the distances to the ends of the central 68 %."""
    low, middle, high = levels
    return {
        name: (middle, unit, ucd, meaning),
        f"{name}_LOWERR": (middle - low, unit, f"stat.error;{ucd}", "down to the 16 % quantile"),
        f"{name}_UPERR": (high - middle, unit, f"stat.error;{ucd}", "up to the 84 % quantile"),
    }


def _about(posterior: FieldPosterior) -> list[str]:
    """Say where each CCD is."""
    labels = ccds_of(posterior.priors.scene)
    if labels is None:
        return []
    observation, found = posterior.observation, []
    for number in range(labels.max() + 1):
        rows, columns = np.nonzero((labels == number) & (observation.exposure > 0))
        x, y = (np.mean(each) + first for each, first in zip((columns, rows), observation.origin, strict=True))
        found.append(f": here about x={x:.0f} y={y:.0f}")
    return found


def parameters_table(posterior: FieldPosterior) -> "QTable":
    """Return a row for each parameter that all sources share: name, median, interval, unit and meaning."""
    from astropy.table import QTable

    rows, drawn, on_ccd = [], posterior.tree["posterior"].to_dataset(), _about(posterior)
    for name in posterior.model.blocks.shared + posterior.model.blocks.psf:
        attributes = drawn[name].attrs
        levels = np.reshape(posterior.quantiles(name), (3, -1))
        for number, (low, middle, high) in enumerate(levels.T):
            label = f"{name}[{number}]" if levels.shape[1] > 1 else name
            meaning = attributes["long_name"] + (on_ccd[number] if name == _OF_CCDS and on_ccd else "")
            rows.append((label, middle, low, high, attributes["units"], meaning))
    for name, levels, unit, meaning in _derived(posterior):
        low, middle, high = levels
        rows.append((name, middle, low, high, unit, meaning))
    return QTable(rows=rows, names=("NAME", "MEDIAN", "LOW", "HIGH", "UNIT", "MEANING"))


def _derived(posterior: FieldPosterior) -> list[tuple[str, np.ndarray, str, str]]:
    """Return what follows from the PSF's and clusters' parameters: name, the three quantiles, unit and meaning."""
    stretch, shift = posterior.changes_of_psf()
    found = [("psf_stretch", np.quantile(stretch, LEVELS), "", "psf_width over its mean at the sources' places")]
    if "psf_slope" in posterior.flat:
        levels = np.quantile(shift, LEVELS)
        found.append(("psf_slope_shift", levels, "", "psf_slope less its mean at the sources' places"))
    for name in posterior.clusters:
        e1, e2 = posterior.flat[f"{name}e1"], posterior.flat[f"{name}e2"]
        ratio, angle = np.exp(-np.hypot(e1, e2)), 0.5 * np.arctan2(e2, e1)
        middle = 0.5 * np.arctan2(np.mean(e2), np.mean(e1))
        turned = np.rad2deg(middle + (angle - middle + 0.5 * np.pi) % np.pi - 0.5 * np.pi)
        found.append((f"{name}ratio", np.quantile(ratio, LEVELS), "", "ratio of the short to the long axis"))
        meaning = "angle of the long axis, from the columns towards the rows"
        found.append((f"{name}angle", np.quantile(turned, LEVELS), "deg", meaning))
        found += _on_sky(posterior, name)
    return found


def _on_sky(posterior: FieldPosterior, name: str) -> list[tuple[str, np.ndarray, str, str]]:
    """Return right ascension and declination of a cluster's centre, where the image has a WCS."""
    wcs = posterior.observation.wcs
    if wcs is None:
        return []
    sky = wcs.celestial.pixel_to_world(posterior.flat[f"{name}x"] - 1, posterior.flat[f"{name}y"] - 1).icrs
    of_first = sky.ra.deg[0]  # angles count from there, so that draws on both sides of 0 hours stay together
    ra = of_first + (sky.ra.deg - of_first + 180.0) % 360.0 - 180.0
    return [
        (f"{name}ra", np.quantile(ra, LEVELS), "deg", "right ascension (ICRS) of the extended source's centre"),
        (f"{name}dec", np.quantile(sky.dec.deg, LEVELS), "deg", "declination (ICRS) of its centre"),
    ]
