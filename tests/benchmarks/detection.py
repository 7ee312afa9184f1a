"""What `detect` finds, misses and invents in mock fields; writes DETECTION.md and its picture beside this file.

    python -m tests.benchmarks.detection --n 100 --store detection.jsonl

The fields are drawn by NumPy over the exposure map of the simulated field (seven CCDs, gaps, vignetting): a sky of
2.9e-6 counts a second and pixel and particles of a third of that, as Abell 1835 has them, a cluster of 20,000 counts
where there is one (a beta model, its core of 5 pixels), and sources with a King profile (the mean of its formula over
11 x 11 points of each pixel; counts are those in all of it, of which 15 % are beyond 12 pixels). Each field goes
through the whole of `detect` at one false source a field. False sources, and completeness in the field, are counted in
fields with a few sources; beside gaps, and in the wing of the cluster, in fields that are full of them there as well.
For comparison two older statistics are computed on the same images with the same background: the Poisson probability of
a box of 5 x 5 pixels, as eboxdetect has it, and the largest of Mexican hats of four scales, both at the threshold that
lets one false source a field through. Predicted is what the law of detection says of what lies behind as it was drawn.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np
from scipy import ndimage, stats

from pgm_mock import Observation, detect
from pgm_mock.demo import demo_observation
from pgm_mock.detection.fieldpsf import FieldPSF
from pgm_mock.detection.laws import law_at
from pgm_mock.psf import KingPSF

from .store import Store

CORE, SLOPE = 1.12, 1.404
SKY, PARTICLES = 2.9e-6, 1e-6
CLUSTER, CLUSTER_CORE, CLUSTER_BETA, CLUSTER_PEAK = (330.0, 348.0), 5.0, 0.68, 7e-3
NEAR = 60.0
"""Pixels from the cluster's centre that are told apart."""
COUNTS = (8, 11, 15, 17.6, 20, 28, 40)
"""In all of the profile, of which 15 % lies beyond 12 pixels: 17.6 are 15 within them."""
NEAR_COUNTS = (20, 40, 80, 160)
FALSE_PER_FIELD = 1.0
SAME = 5.0
"""A source that is found so near to a true one is that one [pixels]."""
HALF = 60
KINDS = ("empty", "sources", "cluster", "pairs", "gaps", "wing")
FALSE_COUNTED = ("empty", "sources", "cluster")
PAIR_COUNTS, PAIR_APART = 100.0, 4.0


def king(x: float, y: float, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Share of the light of a source in each pixel, without the package."""
    fine = (np.arange(11) - 5) / 11
    across = (columns[:, None] + fine - x).ravel()
    up = (rows[:, None] + fine - y).ravel()
    light = (1 + (across[None, :] ** 2 + up[:, None] ** 2) / CORE**2) ** -SLOPE
    mean = light.reshape(len(rows), 11, len(columns), 11).mean(axis=(1, 3))
    return mean * (SLOPE - 1) / (np.pi * CORE**2)


def thin(exposure: np.ndarray) -> np.ndarray:
    """Whether a pixel is beside a gap or the edge."""
    return ndimage.minimum_filter(exposure, 7) <= 0


class Field:
    """A mock field: what is expected of it, and the sources that are in it."""

    def __init__(self, kind: str, seed: int) -> None:
        """Choose sources and draw the counts."""
        self.rng = np.random.default_rng([seed, *kind.encode()])
        self.blank = demo_observation(0)
        self.exposure = self.blank.exposure
        ny, nx = self.exposure.shape
        x, y = np.meshgrid(np.arange(1.0, nx + 1), np.arange(1.0, ny + 1))
        seen = self.exposure > 0
        self.mean = SKY * self.exposure + np.where(seen, PARTICLES * self.exposure.max(), 0.0)
        self.from_cluster = np.hypot(x - CLUSTER[0], y - CLUSTER[1])
        if kind in ("cluster", "wing"):
            beta = CLUSTER_PEAK * (1 + (self.from_cluster / CLUSTER_CORE) ** 2) ** (0.5 - 3 * CLUSTER_BETA)
            self.mean = self.mean + self.exposure * beta
        self.behind = self.mean.copy()
        self.sources: list[tuple[float, float, float]] = []
        if kind in ("sources", "cluster"):
            self._place(COUNTS, 5, seen & (self.from_cluster > NEAR + 5), 24.0)
        if kind == "cluster":
            self._place(NEAR_COUNTS, 1, seen & (self.from_cluster < NEAR) & (self.from_cluster > 8), 20.0)
        if kind == "gaps":
            self._place(COUNTS, 6, seen & thin(self.exposure), 24.0)
        if kind == "wing":
            self._place(NEAR_COUNTS, 3, seen & (self.from_cluster < NEAR) & (self.from_cluster > 8), 20.0)
        if kind == "pairs":
            self._place((PAIR_COUNTS,), 20, seen, 60.0)
            self.sources += [self._beside(*one) for one in self.sources]
        for px, py, counts in self.sources:
            rows = np.arange(max(int(py) - HALF, 1), min(int(py) + HALF, ny) + 1)
            columns = np.arange(max(int(px) - HALF, 1), min(int(px) + HALF, nx) + 1)
            box = np.s_[rows[0] - 1 : rows[-1], columns[0] - 1 : columns[-1]]
            flux = counts / self.exposure[round(py) - 1, round(px) - 1]
            self.mean[box] += self.exposure[box] * flux * king(px, py, columns, rows)
        self.counts = self.rng.poisson(np.where(seen, self.mean, 0.0))

    def _place(self, counts: tuple[float, ...], times: int, where: np.ndarray, apart: float) -> None:
        """Put sources of each number of counts on allowed pixels, no two near each other."""
        allowed = np.argwhere(where)
        for wanted in np.repeat(counts, times):
            for _ in range(200):
                row, column = allowed[self.rng.integers(len(allowed))]
                x, y = column + 1 + self.rng.uniform(-0.5, 0.5), row + 1 + self.rng.uniform(-0.5, 0.5)
                if all(np.hypot(x - px, y - py) > apart for px, py, _ in self.sources):
                    self.sources.append((float(x), float(y), float(wanted)))
                    break

    def _beside(self, x: float, y: float, counts: float) -> tuple[float, float, float]:
        """The second of a pair, on an exposed pixel."""
        while True:
            angle = self.rng.uniform(0, 2 * np.pi)
            px, py = x + PAIR_APART * np.cos(angle), y + PAIR_APART * np.sin(angle)
            if self.exposure[round(py) - 1, round(px) - 1] > 0:
                return px, py, counts

    def observation(self) -> Observation:
        """What `detect` is given."""
        return Observation(self.counts, self.exposure, name="mock", unit_source="simulated")


def older_statistics(counts: np.ndarray, mean: np.ndarray, seen: np.ndarray) -> dict[str, np.ndarray]:
    """Maps of the box and of the Mexican hats."""
    box = np.ones((5, 5))
    number, expected = (ndimage.convolve(image * seen, box, mode="constant") for image in (counts.astype(float), mean))
    chance = -stats.poisson.logsf(number - 1, np.maximum(expected, 1e-9))
    hats = []
    for scale in (1.0, 2.0, 4.0, 8.0):
        ramp = np.arange(-int(5 * scale), int(5 * scale) + 1)
        squared = (ramp[:, None] ** 2 + ramp**2) / scale**2
        hat = (2 - squared) * np.exp(-0.5 * squared)
        hat -= hat.mean()
        off = ndimage.convolve((counts - mean) * seen, hat, mode="constant")
        noise = np.sqrt(np.maximum(ndimage.convolve(mean * seen, hat**2, mode="constant"), 1e-9))
        hats.append(off / noise)
    return {"box": np.where(seen, chance, 0.0), "hat": np.where(seen, np.max(hats, axis=0), 0.0)}


def maxima(image: np.ndarray, number: int) -> list[float]:
    """The highest local maxima."""
    tops = image[(image == ndimage.maximum_filter(image, 5)) & (image > 0)]
    return [round(float(value), 3) for value in np.sort(tops)[::-1][:number]]


def chances(field: Field, psf: FieldPSF, threshold: float) -> np.ndarray:
    """How probable the law of detection calls each source of a field, with what lies behind as it was drawn."""
    if not field.sources:
        return np.zeros(0)
    x, y, counts = np.array(field.sources).T
    columns, rows = np.rint(x).astype(int) - 1, np.rint(y).astype(int) - 1
    law = law_at(field.exposure, psf, field.behind, threshold, rows, columns)
    return law.probability(counts / field.exposure[rows, columns])


def one_field(kind: str, seed: int) -> dict:
    """Detect in one field, and say what became of each source."""
    field = Field(kind, seed)
    begun = time.process_time()
    psf = KingPSF(SLOPE, CORE)
    found = detect(field.observation(), psf=psf, false_per_field=FALSE_PER_FIELD, odds=False, seed=seed)
    taken = time.process_time() - begun
    sources, ratios = found.found.sources, found.found.ratios
    true = np.array(field.sources).reshape(-1, 3)
    apart = np.hypot(sources.x[:, None] - true[:, 0], sources.y[:, None] - true[:, 1])
    older = older_statistics(field.counts, found.found.fitted.mean, found.observation.exposure > 0)
    rows = []
    places = np.rint(true[:, :2]).astype(int) - 1
    chance = chances(field, found.psf, found.threshold)
    beside = thin(field.exposure)
    for number, (x, y, counts) in enumerate(true):
        near = np.flatnonzero(apart[:, number] < SAME)
        box = np.s_[max(round(y) - 4, 0) : round(y) + 3, max(round(x) - 4, 0) : round(x) + 3]
        rows.append({
            "counts": counts, "x": round(x, 2), "y": round(y, 2),
            "p": round(float(chance[number]), 4), "gap": bool(beside[places[number, 1], places[number, 0]]),
            "r": round(float(np.hypot(x - CLUSTER[0], y - CLUSTER[1])), 1),
            "L": round(float(ratios[near].max()), 2) if len(near) else 0.0,
            "found": [[round(float(sources.x[n]), 2), round(float(sources.y[n]), 2)] for n in near],
            "box": round(float(older["box"][box].max()), 3), "hat": round(float(older["hat"][box].max()), 3),
        })  # fmt: skip
    false = np.ones(len(sources), bool) if not len(true) else (apart >= SAME).all(axis=1)
    return {
        "kind": kind, "seed": seed, "threshold": found.threshold, "promised": found.expected_false, "cpu": taken,
        "extended": len(found.found.background.extended), "sources": rows,
        "false": [[round(float(sources.x[n]), 1), round(float(sources.y[n]), 1), round(float(ratios[n]), 2)]
                  for n in np.flatnonzero(false)],
    } | {name: maxima(older[name], 20) if kind == "empty" else [] for name in ("box", "hat")}  # fmt: skip


def thresholds(rows: list[dict], name: str) -> float:
    """The value that one false maximum a field exceeds in empty fields."""
    empty = [row[name] for row in rows if row["kind"] == "empty"]
    every = np.sort(np.concatenate(empty))[::-1]
    return float(every[min(round(FALSE_PER_FIELD * len(empty)), len(every) - 1)])


def false_alarm_table(rows: list[dict]) -> str:
    """How many false sources there were, and how many were promised."""
    lines = ["| fields | number | false, promised | false, counted | Poisson errors | within 60 px of the cluster |"]
    lines.append("|---|---|---|---|---|---|")
    for kind in (*FALSE_COUNTED, "all"):
        own = [row for row in rows if row["kind"] in ((kind,) if kind != "all" else FALSE_COUNTED)]
        if own:
            promised, counted = sum(row["promised"] for row in own), sum(len(row["false"]) for row in own)
            near = sum(np.hypot(x - CLUSTER[0], y - CLUSTER[1]) < NEAR for row in own for x, y, _ in row["false"])
            off = (counted - promised) / np.sqrt(promised)
            lines.append(f"| {kind} | {len(own)} | {promised:.1f} | {counted} | {off:+.1f} | {near} |")
    return "\n".join(lines)


def completeness(rows: list[dict], near: bool) -> tuple[list[float], dict[str, list[float]], list[int]]:
    """Shares of the sources that each statistic finds, by their counts."""
    limits = {name: thresholds(rows, name) for name in ("box", "hat")}
    kinds = ("cluster", "wing") if near else ("sources", "cluster")
    found = [s for row in rows if row["kind"] in kinds for s in row["sources"] if (s["r"] < NEAR) == near]
    counts = sorted({s["counts"] for s in found})
    groups = [[s for s in found if s["counts"] == one] for one in counts]
    shares = {"detect": [float(np.mean([s["L"] > 0 for s in g])) for g in groups]}
    for name, limit in limits.items():
        shares[name] = [float(np.mean([s[name] > limit for s in g])) for g in groups]
    return counts, shares, [len(g) for g in groups]


def completeness_table(rows: list[dict], near: bool) -> str:
    """Completeness against counts."""
    counts, shares, numbers = completeness(rows, near)
    names = {"detect": "`detect`", "box": "Poisson box 5 x 5", "hat": "Mexican hat, 4 scales"}
    lines = ["| counts | " + " | ".join(f"{c:g}" for c in counts) + " |", "|---|" + "---|" * len(counts)]
    lines.append("| sources | " + " | ".join(map(str, numbers)) + " |")
    lines += [f"| {names[name]} | " + " | ".join(f"{s:.2f}" for s in own) + " |" for name, own in shares.items()]
    return "\n".join(lines)


def _sources_of(rows: list[dict], *kinds: str) -> list[dict]:
    return [s for row in rows if row["kind"] in kinds for s in row["sources"]]


def prediction_table(rows: list[dict]) -> str:
    """How many sources are found, and how many the law of detection expects, by place and counts."""
    every = [s for row in rows if row["kind"] in ("sources", "cluster") for s in row["sources"] if s["r"] >= NEAR]
    classes = {
        "field": [s for s in every if not s["gap"]],
        "beside a gap or the edge": [s for s in every if s["gap"]] + _sources_of(rows, "gaps"),
        "8 to 60 px from the cluster": [s for s in _sources_of(rows, "cluster", "wing") if s["r"] < NEAR],
    }
    lines = ["| where | counts | sources | predicted | found | binomial errors |", "|---|---|---|---|---|---|"]
    for name, own in classes.items():
        for counts in sorted({s["counts"] for s in own}):
            group = [s for s in own if s["counts"] == counts]
            chances = np.array([s["p"] for s in group])
            share, error = np.mean([s["L"] > 0 for s in group]), np.sqrt(np.mean(chances * (1 - chances)) / len(group))
            off = (share - chances.mean()) / max(error, 1e-9)
            lines.append(f"| {name} | {counts:g} | {len(group)} | {chances.mean():.3f} | {share:.3f} | {off:+.1f} |")
    return "\n".join(lines)


def pairs(rows: list[dict]) -> str:
    """How many pairs were separated, and how many had a third source."""
    separated = third = number = 0
    for row in rows:
        if row["kind"] == "pairs":
            half = len(row["sources"]) // 2
            for one, two in zip(row["sources"][:half], row["sources"][half:], strict=True):
                places = {tuple(place) for place in one["found"] + two["found"]}
                number += 1
                off = [min((np.hypot(x - s["x"], y - s["y"]) for x, y in places), default=99.0) for s in (one, two)]
                separated += len(places) >= 2 and max(off) < 2.0
                third += len(places) > 2
    share = (separated / number, 1 - third / number) if number else (0.0, 0.0)
    return (
        f"{number} pairs of 100 counts each, 4 pixels apart: separated {share[0]:.3f}, without a third {share[1]:.3f}"
    )


def picture(rows: list[dict], path: Path) -> None:
    """Completeness against counts, in the field and near the cluster."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    for panel, near, title in zip(
        figure.subplots(1, 2, sharey=True),
        (False, True),
        ("in the field", "8 to 60 pixels from the cluster"),
        strict=True,
    ):
        counts, shares, numbers = completeness(rows, near)
        for (name, own), mark in zip(shares.items(), "os^", strict=True):
            error = np.sqrt(np.array(own) * (1 - np.array(own)) / np.array(numbers))
            label = {"detect": "detect", "box": "Poisson box 5 x 5", "hat": "Mexican hat"}[name]
            panel.errorbar(counts, own, error, marker=mark, capsize=2, label=label)
        panel.set(xscale="log", xlabel="counts of the source", title=title, ylim=(0, 1.03))
        panel.set_xticks(counts, [f"{c:g}" for c in counts])
        panel.minorticks_off()
    figure.axes[0].set_ylabel("completeness at one false source a field")
    figure.axes[0].legend()
    figure.savefig(path, dpi=110, metadata={"Software": None})


def main() -> None:
    """Run what the store lacks, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100, help="fields of each kind; a quarter of it with pairs")
    parser.add_argument("--store", type=Path, default=Path("detection.jsonl"))
    parser.add_argument("--only", nargs="*", default=list(KINDS))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "DETECTION.md")
    options = parser.parse_args()
    with Store(options.store) as store, ProcessPoolExecutor(options.workers, get_context("spawn")) as pool:
        there = {(row["kind"], row["seed"]) for row in store.rows}
        every = [(kind, seed) for seed in range(options.n) for kind in options.only if kind != "pairs" or seed % 4 == 0]
        todo = [one for one in every if one not in there]
        for row in pool.map(one_field, *zip(*todo, strict=True)) if todo else ():
            store.add(row)
    rows = store.rows
    said = [
        "# Detection in mock fields", __doc__.split("\n\n", 2)[2].strip(), "## False sources", false_alarm_table(rows),
        "## Completeness, in the field", completeness_table(rows, near=False),
        "## Completeness, 8 to 60 pixels from the cluster", completeness_table(rows, near=True),
        "![Completeness](completeness.png)", "## Completeness, predicted", prediction_table(rows),
        "## Pairs", pairs(rows),
        f"CPU time of a field: {np.median([row['cpu'] for row in rows]):.1f} s, the images of its background included.",
    ]  # fmt: skip
    picture(rows, options.out.with_name("completeness.png"))
    print("\n\n".join(said))
    options.out.write_text("\n\n".join(said) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
