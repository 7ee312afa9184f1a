"""One source: its posterior, its check, and the row of numbers that they come to."""

import math
from collections.abc import Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from threading import Event
from typing import Any

import numpy as np

from ..checks import Check, check_draws
from ..checks.flags import DETECTED, LIGHT, METHOD, MODEL, NO_FIT, PLACE, SHAPE
from ..inference.beside import LEAST_LIGHT
from ..inference.doubts import DETECTION, EVIDENCE, EXTENT, LIMIT, POSITION, outside_circle
from ..inference.falsealarm import programs_for, with_false_alarm
from ..inference.many import fit_safely, fit_together, lanes
from ..inference.methods import Plan
from ..inference.posterior import FAILED, StampPosterior
from ..inference.program import begun
from ..mock import expected_images, mean_expected
from ..observation import Observation
from ..priors import Priors
from ..psf import describe_psf
from ..results import flat
from ..scene import SOURCE
from .columns import COLUMN_OF, WITHOUT_ERRORS, surroundings
from .sources import Source

_DOUBTS = {POSITION: PLACE, EXTENT: SHAPE, DETECTION: DETECTED, EVIDENCE: METHOD, LIMIT: METHOD}
_QUANTILES = (0.16, 0.5, 0.84)
_TOGETHER = 32
"""Stamps that a GPU computes at once."""


@dataclass(frozen=True)
class Measured:
    """What is kept of a source.

    Attributes:
        row: numbers and words by column; what is missing is not there.
        draws: equal-weight draws of the posterior, shape (n,), by parameter; empty without a fit.
        images: counts, expected counts and exposure of the stamp, (3, ny, nx), single precision; None without a stamp.
    """

    row: dict[str, Any]
    draws: dict[str, np.ndarray]
    images: np.ndarray | None


def measure_all(
    sources: Sequence[Source],
    plan: Plan,
    num_replicates: int,
    significance: float,
    threads: int,
    stop: Event | None = None,
) -> list[Measured]:
    """Measure sources on so many threads; the numbers of each depend on no other.

    On a GPU their posteriors are computed together first.

    Args:
        sources: of a chunk.
        plan, num_replicates, significance: see `measure`.
        threads: how many.
        stop: when it is set, sources that have not begun are left.

    Raises:
        CancelledError: stopped.
    """
    fitted: dict[str, StampPosterior] = {}
    if lanes(_TOGETHER) > 1:
        plain = [one for one in sources if one.together is None]
        jobs = [(one.stamp, one.priors) for one in plain if one.stamp is not None and one.priors is not None]
        fitted = {job[0].name: one for job, one in zip(jobs, fit_together(jobs, plan, _TOGETHER), strict=True)}
    with ThreadPoolExecutor(threads) as pool:
        each = partial(measure, plan=plan, num_replicates=num_replicates, significance=significance)

        def unless_stopped(source: Source) -> Measured:
            if stop is not None and stop.is_set():
                raise CancelledError
            return each(source, fitted=fitted.get(source.name))

        measured = pool.map(unless_stopped, sources)
        pairs = zip(sources, measured, strict=True)
        return [replace(one, row=one.row | surroundings(source, one.row)) for source, one in pairs]


def measure(
    source: Source, plan: Plan, num_replicates: int, significance: float, fitted: StampPosterior | None = None
) -> Measured:
    """Fit, check and tabulate one source; one that cannot be fitted gets a row that says why.

    Args:
        source: its stamp and priors.
        plan, num_replicates, significance: how.
        fitted: its posterior, where it is known already.
    """
    row: dict[str, Any] = {"ID": source.name, "X_ASKED": source.x, "Y_ASKED": source.y, "FIELD": source.field}
    stamp = source.stamp
    if source.together is not None:
        from .imagesrow import measured_together

        return measured_together(source, row, plan, num_replicates, significance)
    if stamp is None or source.priors is None:
        return Measured(row | {"FLAG": NO_FIT, "MEANING": source.reason, "METHOD": "none"}, {}, None)
    with begun(*programs_for(stamp, source.priors, plan)):
        posterior = with_false_alarm(fitted or fit_safely((stamp, source.priors), plan), plan)
    if posterior.method == FAILED:
        images = np.stack([stamp.counts, np.full(stamp.shape, np.nan), stamp.exposure]).astype(np.float32)
        return Measured(row | {"FLAG": NO_FIT, "MEANING": "; ".join(posterior.problems), "METHOD": "none"}, {}, images)
    drawn = {name: flat(draws) for name, draws in posterior.draws.items()}
    mean, alone = _images(stamp, drawn, source.priors)
    row["PSF"] = describe_psf(source.priors.psf)
    row |= _parameters(drawn) | _place(stamp, drawn) | _counts(stamp, drawn["flux"], alone) | _quality(posterior)
    check = None
    if num_replicates and all(np.isfinite(draws).all() for draws in drawn.values()):
        check = check_draws(
            stamp,
            drawn,
            int(np.argmax(posterior.statistics["lp"])),
            source.priors,
            num_replicates=num_replicates,
            significance=significance,
            seed=plan.seed,
            plain=False,
        )
        row["P_VALUE"] = check.p_value
    outside = outside_circle(drawn["x_pos"], drawn["y_pos"], (source.x, source.y), source.radius)
    flag, said = _flag(posterior, check, row["LIGHT"], outside)
    row |= {"FLAG": flag, "MEANING": "; ".join(said)}
    images = np.stack([stamp.counts, mean, stamp.exposure]).astype(np.float32)
    kept = {name: draws.astype(np.float32) for name, draws in drawn.items() if draws.ndim == 1}
    return Measured(row, kept, images)


def _flag(posterior: StampPosterior, check: Check | None, light: float, outside: str) -> tuple[int, list[str]]:
    """Return the flag of a source with a fit, and its words."""
    flag = 0
    said: list[str] = []
    if outside:
        flag, said = flag | PLACE, [outside]
    for about, sentence in posterior.notes.items():
        flag, said = flag | _DOUBTS[about], [*said, sentence]
    if check is not None and check.flagged:
        flag, said = flag | MODEL, [*said, *check.sentences]
    if posterior.problems:
        flag, said = flag | METHOD, [*said, *posterior.problems]
    if light < LEAST_LIGHT:
        flag, said = flag | LIGHT, [*said, f"the stamp's exposed pixels hold {light:.0%} of the light"]
    return flag, said


def interval(name: str, draws: np.ndarray) -> dict[str, float]:
    """Median and the distances to the ends of the central 68 %; no errors where the parameter is fixed."""
    low, middle, high = np.quantile(draws, _QUANTILES)
    if low == high:
        return {name: float(middle)}
    return {name: float(middle), f"{name}_LOWERR": float(middle - low), f"{name}_UPERR": float(high - middle)}


def _parameters(draws: dict[str, np.ndarray]) -> dict[str, float]:
    """Say each parameter that is one number under its column: X_IMA, Y_IMA, FLUX, BKG, PSF_WIDTH and so on."""
    found: dict[str, float] = {}
    for name, values in draws.items():
        if values.ndim == 1:
            column = COLUMN_OF.get(name, name.upper())
            found |= {column: float(np.median(values))} if column in WITHOUT_ERRORS else interval(column, values)
    return found


def _place(stamp: Observation, draws: dict[str, np.ndarray]) -> dict[str, float]:
    """RA and DEC of the median position, with errors on the sky."""
    if stamp.wcs is None:
        return {}
    from astropy import units

    x, y = draws["x_pos"], draws["y_pos"]
    sky = stamp.wcs.celestial.pixel_to_world(np.append(x, np.median(x)) - 1, np.append(y, np.median(y)) - 1).icrs
    here = sky[-1]
    found = {"RA": float(here.ra.deg), "DEC": float(here.dec.deg)}
    if np.ptp(x) == 0 and np.ptp(y) == 0:
        return found
    offsets = here.spherical_offsets_to(sky[:-1])
    for name, offset in zip(("RA", "DEC"), offsets, strict=True):
        low, high = np.quantile(offset.to_value(units.arcsec), (0.16, 0.84))
        found |= {f"{name}_LOWERR": float(max(-low, 0.0)), f"{name}_UPERR": float(max(high, 0.0))}
    spread = [np.std(offset.to_value(units.arcsec)) for offset in offsets]
    return found | {"RADEC_ERR": float(np.hypot(*spread))}


def _images(stamp: Observation, draws: dict[str, np.ndarray], priors: Priors) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean expected counts, and those of a source of unit flux alone at the medians of its parameters."""
    mean = mean_expected(stamp, draws, priors.psf, priors.scene)
    source = {name: np.median(each, axis=0)[None] for name, each in draws.items()} | {"flux": np.ones(1)}
    alone = expected_images(stamp, source, priors.psf, priors.scene.only(SOURCE))
    return mean, alone[0]


def _counts(stamp: Observation, fluxes: np.ndarray, alone: np.ndarray) -> dict[str, float]:
    """CTS, counts of the source in the stamp, and LIGHT, the share of its light that the exposed pixels hold."""
    exposed = stamp.exposure > 0
    light = float(np.sum(alone[exposed] / stamp.exposure[exposed]))
    return interval("CTS", fluxes * float(alone.sum())) | {"LIGHT": light}


def _quality(posterior: StampPosterior) -> dict[str, Any]:
    names = {
        "flux_ul95": "FLUX_UL95",
        "flux_detectable": "FLUX_DETECTABLE",
        "det_like": "DET_LIKE",
        "p_false": "P_FALSE",
        "ln_bayes_factor": "LN_BAYES",
        "khat": "KHAT",
        "ess": "ESS",
        "r_hat": "R_HAT",
    }
    numbers = {column: float(posterior.numbers[name]) for name, column in names.items() if name in posterior.numbers}
    return {"METHOD": posterior.method} | {name: value for name, value in numbers.items() if math.isfinite(value)}
