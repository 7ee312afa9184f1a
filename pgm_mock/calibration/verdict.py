"""From ranks to a verdict."""

from typing import TYPE_CHECKING

import numpy as np

from .uniformity import TESTS, Uniformity, uniformity

if TYPE_CHECKING:
    import xarray

LEVELS = (0.5, 0.68, 0.9, 0.95)
SIGNIFICANCE = 0.01
"""Of the verdict: a sound inference is called uncalibrated at most so often."""
MOST_FAILED = 0.01
"""More failures than this share of the simulations are a verdict of their own."""


def add_tests(found: "xarray.Dataset") -> "xarray.Dataset":
    """Add tests of uniformity, coverage, z-scores and the verdict to the ranks of each simulation."""
    names = [str(name) for name in found["quantity"].values]
    ranks = found["rank"].values
    usable = ~found["failed"].values
    resolution = float(np.median(found["resolution"].values[usable])) if usable.any() else 1.0
    tests = {name: uniformity(row[usable], resolution) for name, row in zip(names, ranks, strict=True)}
    shown = (*TESTS, "ks")
    distance = np.abs(ranks[:, None, :] - 0.5)
    inside = (distance <= 0.5 * np.array(LEVELS)[:, None]) & usable
    coverage = inside.sum(axis=2) / max(usable.sum(), 1)
    error = np.sqrt(np.array(LEVELS) * (1 - np.array(LEVELS)) / max(usable.sum(), 1))
    # A posterior of no width, or at infinity, has no z-score: the quantity's is NaN then, and its ranks tell.
    with np.errstate(invalid="ignore", divide="ignore"):
        z = ((found["mean"] - found["truth"]) / found["sd"]).values[:, usable]
        z_mean, z_sd = z.mean(axis=1), z.std(axis=1)
    found = found.assign_coords(test=list(shown), level=list(LEVELS)).assign(
        p_value=(("quantity", "test"), [[tests[name].p_values[test] for test in shown] for name in names]),
        location=("quantity", [tests[name].location for name in names]),
        dispersion=("quantity", [tests[name].dispersion for name in names]),
        coverage=(("quantity", "level"), coverage),
        coverage_error=("level", error),
        z_mean=("quantity", z_mean),
        z_sd=("quantity", z_sd),
    )
    calibrated, verdict = _verdict(tests, found)
    return found.assign_attrs(calibrated=int(calibrated), verdict=verdict)


def _verdict(tests: dict[str, Uniformity], found: "xarray.Dataset") -> tuple[bool, str]:
    """Correct the p-values for their number (Holm 1979), and say what they mean."""
    p_values = {(name, test): uniformity.p_values[test] for name, uniformity in tests.items() for test in TESTS}
    number, failed = found.sizes["simulation"], int(found["failed"].sum())
    rejected = _holm(p_values)
    parts = [_in_words(name, [t for n, t in rejected if n == name], tests[name]) for name in tests]
    faults = [part for part in parts if part]
    if failed > MOST_FAILED * number:
        faults.append(f"{failed} of {number} posteriors failed")
    problems = int((found["problem"] & ~found["failed"]).sum())
    counted = f"{number} simulations, {failed} failed, {problems} not certified"
    if faults:
        return False, f"NOT calibrated ({counted}): " + "; ".join(faults)
    (name, test), smallest = min(p_values.items(), key=lambda item: item[1])
    return True, f"calibrated ({counted}): smallest of {len(p_values)} p-values {smallest:.2g}, of {name} by {test}"


def _holm(p_values: dict[tuple[str, str], float]) -> list[tuple[str, str]]:
    """Return those that are rejected, with at most the significance that any is by chance."""
    rejected = []
    for place, (key, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        if p > SIGNIFICANCE / (len(p_values) - place):
            break
        rejected.append(key)
    return rejected


def _in_words(name: str, rejected: list[str], uniformity: Uniformity) -> str:
    if not rejected:
        return ""
    said = []
    if "dispersion" in rejected:
        wide = uniformity.dispersion < 1
        said.append(f"posterior too {'wide' if wide else 'narrow'}, scores spread {uniformity.dispersion:.2f}")
    if "location" in rejected:
        side = "low" if uniformity.location > 0 else "high"
        said.append(f"posterior too {side}, scores off by {uniformity.location:+.2f}")
    least = min(uniformity.p_values[test] for test in rejected)
    return f"{name}: {', '.join(said) or 'ranks not uniform'} (p = {least:.1e}, {', '.join(rejected)})"
