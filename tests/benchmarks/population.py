"""Whether number counts from whole fields are right; writes POPULATION.md beside this file.

    python -m tests.benchmarks.population --n 50 --store population.jsonl

The fields are drawn by NumPy over the exposure map of the simulated field (seven CCDs, gaps, vignetting): a sky and
particles as Abell 1835 has them, and sources at random places whose number above a flux falls with a slope of 1.5, from
fluxes of four counts on, far below what is detected. Each field goes through `detect` at half a false source a field,
`sensitivity`, `fit_many` and `fit_population`, once with the selection and once as if all sources were seen.
"""

import argparse
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np

from pgm_mock import KingPSF, Observation, Priors, detect, fit_many, fit_population, sensitivity
from pgm_mock.demo import demo_observation

from .detection import CORE, HALF, PARTICLES, SKY, SLOPE, king
from .store import Store

FAINTEST, NUMBER_SLOPE, NUMBER = 2e-4, 1.5, 450


def field(seed: int) -> tuple[Observation, np.ndarray]:
    """Draw a field; return it with the fluxes of its sources."""
    rng = np.random.default_rng([seed, 77])
    exposure = demo_observation(0).exposure
    ny, nx = exposure.shape
    seen = exposure > 0
    mean = SKY * exposure + np.where(seen, PARTICLES * exposure.max(), 0.0)
    row, column = np.nonzero(seen)
    flux = FAINTEST * rng.random(rng.poisson(NUMBER)) ** (-1 / NUMBER_SLOPE)
    for one, place in zip(flux, rng.integers(len(row), size=len(flux)), strict=True):
        x, y = column[place] + 1 + rng.uniform(-0.5, 0.5), row[place] + 1 + rng.uniform(-0.5, 0.5)
        rows = np.arange(max(int(y) - HALF, 1), min(int(y) + HALF, ny) + 1)
        columns = np.arange(max(int(x) - HALF, 1), min(int(x) + HALF, nx) + 1)
        box = np.s_[rows[0] - 1 : rows[-1], columns[0] - 1 : columns[-1]]
        mean[box] += exposure[box] * one * king(x, y, columns, rows)
    counts = rng.poisson(np.where(seen, mean, 0.0))
    return Observation(counts, exposure, name=f"field {seed}", unit_source="simulated"), flux


def one_field(seed: int) -> dict:
    """Return the slopes of a field, and where the truth lies among the draws."""
    image, flux = field(seed)
    begun = time.process_time()
    psf = KingPSF(SLOPE, CORE)
    found = detect(image, psf=psf, odds=False, seed=seed)
    selection = sensitivity(found)
    places = list(zip(found.table["X_IMA"].value, found.table["Y_IMA"].value, strict=True))
    stamps = [image.stamp(*place, 12, name=f"source {number}") for number, place in enumerate(places)]
    priors = [
        Priors.default(stamp, *place, psf=psf).replace(psf_width=CORE)
        for stamp, place in zip(stamps, places, strict=True)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        posteriors = fit_many(stamps, priors)
        right, wrong = fit_population(posteriors, selection), fit_population(posteriors, None)
    true = NUMBER * (right.pivot / FAINTEST) ** -NUMBER_SLOPE * right.area / image_area(image)
    return {
        "seed": seed, "sources": len(places), "true": len(flux), "cpu": round(time.process_time() - begun, 1),
        "slope": float(right.slope.mean()), "width": float(right.slope.std()), "without": float(wrong.slope.mean()),
        "rank": float(np.mean(right.slope < NUMBER_SLOPE)), "rank_number": float(np.mean(right.number < true)),
    }  # fmt: skip


def image_area(image: Observation) -> float:
    """Area of the exposed pixels, in the unit of the selection's."""
    return float((image.exposure > 0).sum())


def table(rows: list[dict]) -> str:
    """The slopes of all fields together."""
    lines = ["| fit | mean slope | its error | scatter of fields |", "|---|---|---|---|"]
    for name, key in (("with the selection", "slope"), ("as if all were seen", "without")):
        slopes = np.array([row[key] for row in rows])
        error = slopes.std(ddof=1) / np.sqrt(len(rows))
        lines.append(f"| {name} | {slopes.mean():.3f} | {error:.3f} | {slopes.std(ddof=1):.3f} |")
    lines += ["", "| number | in 68 % | in 95 % | mean rank of the truth |", "|---|---|---|---|"]
    for name, key in (("slope", "rank"), ("sources above the pivot", "rank_number")):
        ranks = np.array([row[key] for row in rows])
        inside = [np.mean(np.abs(ranks - 0.5) < share / 2) for share in (0.6827, 0.9545)]
        lines.append(f"| {name} | {inside[0]:.2f} | {inside[1]:.2f} | {ranks.mean():.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Run what the store lacks, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=50, help="fields")
    parser.add_argument("--store", type=Path, default=Path("population.jsonl"))
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("POPULATION.md"))
    options = parser.parse_args()
    with Store(options.store) as store, ProcessPoolExecutor(2, get_context("spawn")) as pool:
        there = {row["seed"] for row in store.rows}
        for row in pool.map(one_field, [seed for seed in range(options.n) if seed not in there]):
            store.add(row)
    rows = store.rows
    said = [
        "# Number counts of whole fields", __doc__.split("\n\n", 2)[2].strip(),
        f"{len(rows)} fields, {np.mean([row['sources'] for row in rows]):.0f} sources detected in each of "
        f"{np.mean([row['true'] for row in rows]):.0f}; true slope {NUMBER_SLOPE}.",
        table(rows),
        f"CPU time of a field: {np.median([row['cpu'] for row in rows]):.0f} s.",
    ]  # fmt: skip
    print("\n\n".join(said))
    options.out.write_text("\n\n".join(said) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
