"""Measure the package on the device at hand, a GPU, against the CPU of the same machine; writes DEVICE.md beside this.

    python -m tests.benchmarks.device IMAGE EXPOSURE

Each side runs in a process of its own, the device's first, and leaves its times and numbers; warm times are of the
last run. What is compared: mocks, the grid and the posteriors of the 26 real sources, for which sums in another order,
which the adaptation amplifies, are all that may differ.
"""

import argparse
import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np

import pgm_mock
from pgm_mock import Observation, Priors
from pgm_mock.inference.many import iter_posteriors
from pgm_mock.resources import resource

HERE = Path(__file__).parent
SOURCE = (271, 216)
MANY = 1024


class Times:
    """The first and the last run of each job in seconds, said as they come."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[float, float]] = {}

    def of(self, name: str, job: Callable[[], Any], runs: int = 3) -> Any:
        """Run a job several times, and return what the last run gives."""
        spent = []
        for _ in range(runs):
            start = time.perf_counter()
            found = job()
            spent.append(time.perf_counter() - start)
        self.rows[name] = spent[0], spent[-1]
        print(f"{name}: {spent[0]:.2f} s, then {spent[-1]:.3f} s", flush=True)
        return found


def moments(found: Any) -> tuple[list[float], list[float], float]:
    """Weighted means and standard deviations of a posterior's parameters, and ln Z."""
    weights = np.exp(found.weighted["log_weight"][0])
    values = [found.weighted[name][0] for name in found.draws if found.weighted[name][0].ndim == 1]
    means = [float(weights @ one) for one in values]
    widths = [float(np.sqrt(weights @ (one - mean) ** 2)) for one, mean in zip(values, means, strict=True)]
    return means, widths, float(found.numbers["log_evidence"])


def side(image: str, exposure: str, out: Path) -> None:
    """Run every job on this process's device, and leave what it gave in `out`."""
    field = Observation.read(image, exposure)
    stamp = field.stamp(*SOURCE)
    priors = Priors.default(stamp, *SOURCE)
    times, kept = Times(), {}
    print(jax.devices(), flush=True)
    pars = {"x_pos": 330.0, "y_pos": 348.0, "flux": 0.3, "background": 7e-6, "psf_width": 6.0}
    kept["field"] = times.of(
        "one 648×648 field, `generate_mock_image`",
        lambda: np.asarray(pgm_mock.generate_mock_image(field.exposure, field.columns, field.rows, pars, seed=1)),
    )
    mocks = times.of(
        "10,000 stamps, `prior_predictive`",
        lambda: pgm_mock.prior_predictive(stamp, priors, num_samples=10_000, seed=1),
    )
    counts = mocks["prior_predictive"]["counts"].values[0]
    kept["mocks"] = counts[:MANY]
    forced = priors.replace(x_pos=271.0, y_pos=216.0, background=5.5e-6)
    axes = {"flux": np.linspace(1e-5, 0.006, 1000), "psf_width": np.linspace(0.3, 3.0, 1000)}
    kept["grid"] = times.of(
        "grid of 1000×1000, `grid_posterior`",
        lambda: pgm_mock.grid_posterior(stamp, forced, **axes)["log_likelihood"].values,
    )
    regions = pgm_mock.read_regions(resource("a1835_regions.txt"))
    stamps = [field.stamp(region.x, region.y) for region in regions]
    each = [Priors.read(resource("priors.toml"), s, r.x, r.y) for s, r in zip(stamps, regions, strict=True)]
    fits = times.of("the 26 real sources, `iter_posteriors`", lambda: list(iter_posteriors(stamps, each)))
    kept["khat"] = np.array([one.numbers["khat"] for one in fits])
    kept["means"], kept["widths"], kept["evidence"] = (np.array(each) for each in zip(*map(moments, fits), strict=True))
    some = [dataclasses.replace(stamp, counts=one, name=f"mock {i}") for i, one in enumerate(counts[:MANY])]
    many = times.of(
        f"{MANY:,} mock stamps, `iter_posteriors`", lambda: list(iter_posteriors(some, [priors] * MANY)), runs=2
    )
    kept["certified"] = np.array([one.method == "importance" and not one.problems for one in many])
    packages = ", ".join(f"{name} {version(name)}" for name in ("jax", "numpyro", "numpy"))
    kept["on"] = np.array([jax.devices()[0].device_kind, str(os.cpu_count()), packages])
    np.savez_compressed(out, **kept, names=list(times.rows), times=list(times.rows.values()))


def compared(device: dict[str, np.ndarray], cpu: dict[str, np.ndarray]) -> list[str]:
    """Say how far the two sides' numbers are from each other."""
    far = np.abs(device["means"] - cpu["means"]) / cpu["widths"]
    wide = np.abs(device["widths"] / cpu["widths"] - 1)
    return [
        f"- the field's mock: {np.mean(device['field'] != cpu['field']):.1e} of the pixels differ; "
        f"stamps: {np.mean(device['mocks'] != cpu['mocks']):.1e}",
        f"- the grid's ln likelihood: at most {np.abs(device['grid'] - cpu['grid']).max():.0e}",
        f"- 26 posteriors: means within {far.max():.1e} standard deviations, standard deviations within "
        f"{wide.max():.1e}, ln Z within {np.abs(device['evidence'] - cpu['evidence']).max():.1e}",
        f"- certified without NUTS: {device['certified'].mean():.2%} of {MANY} mocks; "
        f"CPU {cpu['certified'].mean():.2%}",
    ]


def table(device: dict[str, np.ndarray], cpu: dict[str, np.ndarray]) -> str:
    """Write times and differences as Markdown."""
    rows = [
        f"| {name} | {ours[0]:.1f} s | {ours[1]:.3f} s | {theirs[1]:.3f} s | {theirs[1] / ours[1]:.1f} |"
        for name, ours, theirs in zip(device["names"], device["times"], cpu["times"], strict=True)
    ]
    return "\n".join(
        [
            "# On a GPU",
            "",
            f"Written by `device.py` beside this file. {device['on'][0]} against the {device['on'][1]} cores of the "
            f"same machine; {device['on'][2]}.",
            "",
            "| job | first run, compiling | warm | warm, CPU | times faster |",
            "|---|---|---|---|---|",
            *rows,
            "",
            *compared(device, cpu),
            "",
        ]
    )


def main() -> None:
    """Run both sides, or one where it is said, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image")
    parser.add_argument("exposure")
    parser.add_argument("--out", type=Path, default=HERE / "DEVICE.md")
    parser.add_argument("--side", type=Path, help="run the jobs on this process's device alone, into this file (.npz)")
    options = parser.parse_args()
    if options.side:
        side(options.image, options.exposure, options.side)
        return
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, environment in (("device", os.environ), ("cpu", os.environ | {"JAX_PLATFORMS": "cpu"})):
            out = Path(folder) / f"{name}.npz"
            again = [sys.executable, "-m", "tests.benchmarks.device", options.image, options.exposure]
            subprocess.run([*again, "--side", str(out)], check=True, env=environment)
            found.append(dict(np.load(out)))
    said = table(*found)
    print(said)
    options.out.write_text(said, encoding="utf-8")


if __name__ == "__main__":
    main()
