"""Whether the odds of point, extended and double sources are what they say; writes ODDS.md and its picture.

    python -m tests.benchmarks.odds --n 1000 --store odds.jsonl

The mocks are drawn by NumPy on 33 x 33 pixels with 0.15 counts of background each, known to 5 %, from the priors that
the odds have: points, beta models (beta 2/3, core radius 2 to 8 pixels, flat in its logarithm) and doubles (4 pixels
along each axis, normal) with equal chances, 3 pixels about the middle, 30 counts within a factor of seven. Those with
30 to 600 counts above the background within 10 pixels of the middle are kept: a cut on the data changes no odds, one on
the true counts would. All light is made on a grid of 11 x 11 points a pixel; a beta model is convolved with the King
profile there by a Fourier transform.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np
from scipy import signal

from pgm_mock.detection.kinds import (
    BEHIND_SPREAD,
    CORES,
    FLUX_SPREAD,
    HALF,
    KINDS,
    PLACE,
    SEPARATION,
    TYPICAL_COUNTS,
    Stamp,
)
from pgm_mock.detection.odds import odds_of
from pgm_mock.psf import KingPSF

from .store import Store

CORE, SLOPE, BACKGROUND, FINE = 1.12, 1.404, 0.15, 11
REACH, LEAST, MOST = 10.0, 30.0, 600.0
"""Pixels about the middle, and counts there above the background: between these a mock is kept."""
BINS = np.array([0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0])


def king(x: float, y: float, half: int, core: float, slope: float) -> np.ndarray:
    """Surface brightness of a King or beta profile on a fine grid, unit light over the plane; shape (n, n)."""
    ramp = (np.arange((2 * half + 1) * FINE) - ((2 * half + 1) * FINE - 1) / 2) / FINE
    squared = (ramp[None, :] - x) ** 2 + (ramp[:, None] - y) ** 2
    return (slope - 1) / (np.pi * core**2) * (1 + squared / core**2) ** -slope / FINE**2


def binned(fine: np.ndarray, half: int) -> np.ndarray:
    """Sum the fine grid over pixels and cut the stamp out of it."""
    size = 2 * half + 1
    pixels = fine.reshape(size, FINE, size, FINE).sum(axis=(1, 3))
    return pixels[half - HALF : half + HALF + 1, half - HALF : half + HALF + 1]


def light_of(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Share of a source's light in each pixel, without the package."""
    x, y = rng.normal(0.0, PLACE, 2)
    if kind == "extended":
        core = CORES[0] * (CORES[1] / CORES[0]) ** rng.uniform()
        half = 40
        shape = king(x, y, half, core, 1.5)
        return binned(signal.fftconvolve(shape, king(0.0, 0.0, half, CORE, SLOPE), "same"), half)
    if kind == "point":
        return binned(king(x, y, HALF, CORE, SLOPE), HALF)
    dx, dy = 0.5 * rng.normal(0.0, SEPARATION, 2)
    share = 1 / (1 + np.exp(-rng.normal()))
    one, two = (binned(king(x + s * dx, y + s * dy, HALF, CORE, SLOPE), HALF) for s in (1, -1))
    return share * one + (1 - share) * two


def drawn(rng: np.random.Generator) -> tuple[str, float, np.ndarray]:
    """Draw all from the priors that the odds have, until an image has enough counts: a cut on data moves no odds."""
    ramp = np.arange(-HALF, HALF + 1.0)
    inside = np.hypot(ramp[None, :], ramp[:, None]) < REACH
    while True:
        kind, counts = str(rng.choice(KINDS)), TYPICAL_COUNTS * np.exp(FLUX_SPREAD * rng.normal())
        mean = BACKGROUND * np.exp(BEHIND_SPREAD * rng.normal()) + counts * light_of(kind, rng)
        image = rng.poisson(mean).astype(float)
        if LEAST <= (image - BACKGROUND)[inside].sum() <= MOST:
            return kind, float(counts), image


def one_mock(seed: int) -> dict:
    """Return what the odds say of a mock."""
    kind, counts, image = drawn(np.random.default_rng(seed))
    behind, ramp = np.full_like(image, BACKGROUND), np.arange(-HALF, HALF + 1.0)
    exposure = np.full_like(behind, 1e4)
    odds = odds_of(Stamp(image, behind, exposure, ramp[None, :], ramp[:, None], 1e4), KingPSF(SLOPE, CORE), CORE, seed)
    shares = dict(zip(KINDS, (odds.point, odds.extended, odds.double), strict=True))
    return {"kind": kind, "seed": seed, "counts": counts, "ext_like": odds.ext_like, "sound": odds.certified} | shares


def reliability(rows: list[dict], kind: str) -> list[tuple[float, float, float, int]]:
    """Mean probability, share that is of the kind, its binomial error and number, in bins of the probability."""
    said, true = (
        np.array([row[name] == kind if name == "kind" else row[kind] for row in rows]) for name in (kind, "kind")
    )
    found = []
    for low, high in pairwise(BINS):
        inside = (said >= low) & ((said < high) | (high == 1.0))
        if inside.sum() > 4:
            mean = float(said[inside].mean())
            error = float(np.sqrt(max(np.mean(said[inside] * (1 - said[inside])), 1e-9) / inside.sum()))
            found.append((mean, float(true[inside].mean()), error, int(inside.sum())))
    return found


def table(rows: list[dict]) -> str:
    """The reliability of each kind's probability."""
    lines = ["| kind | mocks | said | true | errors |", "|---|---|---|---|---|"]
    for kind in KINDS:
        for mean, share, error, number in reliability(rows, kind):
            lines.append(f"| {kind} | {number} | {mean:.3f} | {share:.3f} | {(share - mean) / error:+.1f} |")
    return "\n".join(lines)


def at_contamination(score: np.ndarray, true: np.ndarray, allowed: float = 0.1) -> float:
    """Largest share of the true ones above a cut that lets at most so many false ones among those above it."""
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(true[order])
    clean = 1 - hits / np.arange(1, len(order) + 1) <= allowed
    return float(hits[clean].max() / true.sum()) if clean.any() else 0.0


def cuts(rows: list[dict]) -> str:
    """Completeness of extended sources at 10 % contamination, by the odds and by the likelihood ratio."""
    lines = ["| counts | by the odds | by EXT_LIKE |", "|---|---|---|"]
    for low, high in ((30, 60), (60, 120), (120, 400), (0, 1e9)):
        own = [row for row in rows if low <= row["counts"] < high]
        true = np.array([row["kind"] == "extended" for row in own])
        if true.any():
            shares = (at_contamination(np.array([row[name] for row in own]), true) for name in ("extended", "ext_like"))
            which = f"{low} to {high}" if high < 1e9 else "all"
            lines.append(f"| {which} | " + " | ".join(f"{share:.2f}" for share in shares) + " |")
    return "\n".join(lines)


def picture(rows: list[dict], path: Path) -> None:
    """The reliability diagram."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.6", lw=1)
    for kind, mark in zip(KINDS, "os^", strict=True):
        mean, share, error, _ = np.array(reliability(rows, kind)).T
        axes.errorbar(mean, share, error, marker=mark, ls="none", capsize=2, label=kind)
    axes.set(
        xlabel="probability that is said", ylabel="share that is of the kind", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02)
    )
    axes.legend()
    figure.savefig(path, dpi=110, metadata={"Software": None})


def main() -> None:
    """Run what the store lacks, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1000, help="mocks")
    parser.add_argument("--store", type=Path, default=Path("odds.jsonl"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "ODDS.md")
    options = parser.parse_args()
    with Store(options.store) as store, ProcessPoolExecutor(2, get_context("spawn")) as pool:
        there = {row["seed"] for row in store.rows}
        for row in pool.map(one_mock, [seed for seed in range(options.n) if seed not in there]):
            store.add(row)
    rows = store.rows
    sound = np.mean([row["sound"] for row in rows])
    said = [
        "# Point, extended or double", __doc__.split("\n\n", 2)[2].strip(), "## Reliability", table(rows),
        "![Reliability](odds.png)", "## Extended sources found with one in ten false", cuts(rows),
        f"The weights of all three models are trusted in {sound:.1%} of the mocks.",
    ]  # fmt: skip
    picture(rows, options.out.with_name("odds.png"))
    print("\n\n".join(said))
    options.out.write_text("\n\n".join(said) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
