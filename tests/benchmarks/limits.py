"""Whether a limit beside an empty neighbour covers, and ln Bayes factors of real sources; writes LIMITS.md.

    python -m tests.benchmarks.limits --n 1000 --store limits.jsonl --data a1835

Coverage: the mocks are drawn by NumPy, a source of 12 counts on a background of 0.1 counts a pixel. Some are fitted
with a neighbour that is not there. Evidence: the sources of Abell 1835 that `pgm-mock catalog` fits jointly with a
neighbour, each with a few seeds, against `tests/reference/evidence.py`. What the store has is not computed again.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np
from scipy import stats

from pgm_mock import Observation, Priors, fit
from pgm_mock.catalogue import Field
from pgm_mock.catalogue.sources import Settings, Source, sources_of
from pgm_mock.demo import real_files
from pgm_mock.regions import Region, read_regions
from pgm_mock.resources import resource

from ..reference.evidence import Scene, log_evidence
from .store import Store

SIZE, MIDDLE, EXPOSURE, BACKGROUND, COUNTS, WIDTH, LEVEL = 41, 21.0, 1e4, 0.1, 12.0, 1.5, 0.95
SETTINGS = {"neighbour at 4 pixels": [4.0], "neighbour at 6 pixels": [6.0], "no neighbour": []}
SEEDS, DRAWS = 5, 1_000_000


def limit(setting: str, seed: int) -> dict[str, Any]:
    """Draw a mock and return its limit [count]; NUTS, which would not change it, is left out."""
    rng = np.random.default_rng([seed, *setting.encode()])
    inside = np.diff(stats.norm.cdf(np.arange(0.5, SIZE + 1), MIDDLE, WIDTH))
    counts = rng.poisson(BACKGROUND + COUNTS * inside[:, None] * inside)
    stamp = Observation(counts, np.full((SIZE, SIZE), EXPOSURE), name=f"{setting} {seed}")
    neighbours = [(MIDDLE + away, MIDDLE) for away in SETTINGS[setting]]
    priors = Priors.default(stamp, MIDDLE, MIDDLE, neighbours=neighbours)
    attrs = fit(stamp, priors, method="importance", seed=seed).attrs
    return {"limit": EXPOSURE * attrs["flux_ul95"], "tried": attrs["tried"], "problems": attrs["problems"]}


def crowded_sources(folder: Path) -> Iterator[tuple[Source, list[Region]]]:
    """Give the catalogue's sources with neighbours; the regions are its own and then the neighbours'."""
    field = Observation.read(*real_files(folder), min_exposure=0.25)
    regions = read_regions(resource("a1835_regions.txt"), field)
    for source in sources_of([Field(field, regions)], Settings()):
        if source.stamp is not None and source.priors is not None and source.priors.neighbours:
            places = np.transpose(
                [source.priors["neighbour_x"].base_dist.loc, source.priors["neighbour_y"].base_dist.loc]
            )
            own = [(source.x, source.y), *map(tuple, places)]
            yield source, [next(one for one in regions if (one.x, one.y) == place) for place in own]


def evidence(source: Source, regions: list[Region]) -> dict[str, Any]:
    """Return ln evidence with and without the source, by the package for each seed and by the reference."""
    psf, stamp = source.priors.psf, source.stamp
    scene = Scene(stamp.counts, stamp.exposure, stamp.origin, float(psf.typical_width), float(psf.slope))
    places = [(one.x, one.y, max(one.radius, 3.0)) for one in regions]
    found = [fit(stamp, source.priors, seed=seed).attrs for seed in range(SEEDS)]
    with_source = np.array([one["log_evidence"] for one in found])
    without = with_source - [one["ln_bayes_factor"] for one in found]
    rng = np.random.default_rng([int(source.x), int(source.y)])
    row = {"with": list(with_source), "without": list(without)}
    for name, these in (("with", places), ("without", places[1:])):
        row[f"{name}_reference"], row[f"{name}_error"], _ = map(float, log_evidence(scene, these, DRAWS, rng))
    return row


def coverage_table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """One line for each setting."""
    yield "| fitted with | mocks | truth below limit | binomial errors | median limit [count] | not certified |"
    yield "|---|---|---|---|---|---|"
    for name in SETTINGS:
        these = [row for row in rows if row["setting"] == name]
        if these:
            limits, error = np.array([row["limit"] for row in these]), np.sqrt(LEVEL * (1 - LEVEL) / len(these))
            covered, lost = np.mean(limits >= COUNTS), np.mean([bool(row["problems"]) for row in these])
            off = (covered - LEVEL) / error
            yield f"| {name} | {len(these)} | {covered:.1%} | {off:+.1f} | {np.median(limits):.1f} | {lost:.0%} |"


def evidence_table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """One line for each source: the mean and the largest difference of the seeds."""
    yield "| source | ln Z with it | reference | ln Z without | reference | ln Bayes factor | reference | worst seed |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in (row for row in rows if row["setting"] == "evidence"):
        with_source, without = np.array(row["with"]), np.array(row["without"])
        exact = row["with_reference"] - row["without_reference"]
        error = np.hypot(row["with_error"], row["without_error"])
        ratio = with_source - without
        cells = [row["seed"], f"{with_source.mean():.3f}", f"{row['with_reference']:.3f} ± {row['with_error']:.3f}"]
        cells += [f"{without.mean():.3f}", f"{row['without_reference']:.3f} ± {row['without_error']:.3f}"]
        cells += [f"{ratio.mean():.3f}", f"{exact:.3f} ± {error:.3f}", f"{max(ratio - exact, key=abs):+.3f}"]
        yield f"| {' | '.join(cells)} |"


def main() -> None:
    """Run what the store lacks, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1000, help="mocks of each setting")
    parser.add_argument("--store", type=Path, default=Path("limits.jsonl"))
    parser.add_argument("--data", type=Path, default=Path("a1835"), help="folder of the real image")
    parser.add_argument("--only", nargs="*", default=[*SETTINGS, "evidence"], help="settings to run")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "LIMITS.md")
    options = parser.parse_args()
    with Store(options.store) as store:
        there = {(row["setting"], row["seed"]) for row in store.rows}
        for setting in SETTINGS:
            for seed in range(options.n):
                if setting in options.only and (setting, seed) not in there:
                    store.add({"setting": setting, "seed": seed} | limit(setting, seed))
        for source, regions in crowded_sources(options.data) if "evidence" in options.only else ():
            name = f"({source.x:.0f}, {source.y:.0f})"
            if ("evidence", name) not in there:
                store.add({"setting": "evidence", "seed": name} | evidence(source, regions))
    said = "\n".join([*coverage_table(store.rows), "", *evidence_table(store.rows)])
    print(said)
    how = "By importance sampling alone. The bar of each limit is 95 %; evidence: the mean of five seeds."
    title = "# Limits beside an empty neighbour, and Bayes factors"
    options.out.write_text(f"{title}\n\n{how}\n\n{said}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
