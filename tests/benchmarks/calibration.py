"""Run the calibrations that the tests are too short for, and write CALIBRATION.md beside this file.

    python -m pip install -c constraints.txt -e ".[test]" && python -m tests.benchmarks.calibration IMAGE EXPOSURE

10,000 simulations by importance sampling and 300 by NUTS over the real exposure map; every broken inference of
tests/broken.py at 1,000 simulations, and which test caught it; and how often the sound one is called uncalibrated.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import xarray

from pgm_mock import Observation, Priors, calibrate
from pgm_mock.calibration.uniformity import TESTS
from pgm_mock.calibration.verdict import add_tests
from tests.broken import BROKEN

HERE = Path(__file__).parent
SOURCE = (271, 216)


def sound(stamp: Observation, priors: Priors, method: str, number: int) -> Iterator[str]:
    """One long calibration: verdict, rate, coverage and tests of each quantity."""
    start = time.perf_counter()
    found = calibrate(stamp, priors, num_simulations=number, method=method, seed=20, progress=True)
    seconds = time.perf_counter() - start
    yield f"## {number:,} simulations by `{method}`: {seconds:.0f} s"
    yield ""
    yield f"{found.attrs['verdict'][0].upper()}{found.attrs['verdict'][1:]}."
    yield ""
    levels = [f"{level:.0%}" for level in found["level"].values]
    covers = " | ".join(f"coverage {level}" for level in levels)
    yield f"| quantity | {' | '.join(TESTS)} | {covers} | location | dispersion |"
    yield "|---" * (3 + len(TESTS) + len(levels)) + "|"
    for name in found["quantity"].values:
        one = found.sel(quantity=name)
        p_values = [f"{float(one['p_value'].sel(test=test)):.2g}" for test in TESTS]
        off = (one["coverage"] - one["level"]) / one["coverage_error"]
        covered = [f"{float(c):.1%} ({float(o):+.1f} σ)" for c, o in zip(one["coverage"], off, strict=True)]
        rest = [f"{float(one['location']):+.3f}", f"{float(one['dispersion']):.3f}"]
        yield f"| {name} | {' | '.join(p_values + covered + rest)} |"
    yield ""


def power(stamp: Observation, priors: Priors) -> Iterator[str]:
    """Which test catches which broken inference, in which quantity."""
    yield "## Inferences broken on purpose, 1,000 simulations each"
    yield ""
    yield "p-values below 0.01 / 28; the verdict corrects for the number of tests."
    yield ""
    yield f"| fault | caught | {' | '.join(TESTS)} |"
    yield "|---" * (2 + len(TESTS)) + "|"
    for fault, inference in BROKEN.items():
        found = calibrate(stamp, priors, num_simulations=1000, inference=inference, seed=21)
        cells = []
        for test in TESTS:
            p_values = found["p_value"].sel(test=test)
            names = [str(name) for name in found["quantity"].values if float(p_values.sel(quantity=name)) < 0.01 / 28]
            cells.append(", ".join(names) or "–")
        yield f"| {fault} | {'no' if found.attrs['calibrated'] else 'yes'} | {' | '.join(cells)} |"
    yield ""


def false_alarms(stamp: Observation, priors: Priors, runs: int) -> Iterator[str]:
    """How often the sound inference is called uncalibrated."""
    called = []
    whole = calibrate(stamp, priors, num_simulations=1000 * runs, seed=22, progress=True)
    raw = whole[["rank", "truth", "mean", "sd", "resolution", "failed", "problem"]]
    for run in range(runs):
        part: xarray.Dataset = add_tests(raw.isel(simulation=slice(1000 * run, 1000 * (run + 1))))
        if not part.attrs["calibrated"]:
            called.append(part.attrs["verdict"])
    yield f"## False alarms: {len(called)} of {runs} runs of 1,000 simulations at the 1 % level"
    yield ""
    yield from (f"- {verdict}" for verdict in called)


def main() -> None:
    """Run them all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image")
    parser.add_argument("exposure")
    parser.add_argument("--runs", type=int, default=100, help="runs of 1,000 simulations for the false alarms")
    parser.add_argument("--out", type=Path, default=HERE / "CALIBRATION.md")
    options = parser.parse_args()
    stamp = Observation.read(options.image, options.exposure).stamp(*SOURCE)
    priors = Priors.default(stamp, *SOURCE)
    lines = [
        "# Calibration",
        "",
        "Written by `calibration.py` beside this file: simulations over the real exposure map of the source at",
        "(271, 216), 41 × 41 pixels, default priors; ranks of the five free parameters, of the source's expected",
        "counts and of the log-likelihood.",
        "",
    ]
    parts = [
        sound(stamp, priors, "importance", 10_000),
        sound(stamp, priors, "nuts", 300),
        power(stamp, priors),
        false_alarms(stamp, priors, options.runs),
    ]
    for part in parts:
        for line in part:
            print(line, flush=True)
            lines.append(line)
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
