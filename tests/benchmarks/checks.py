"""How often the predictive check flags sound mocks and unsound ones; writes CHECKS.md beside this file.

    python -m tests.benchmarks.checks --n 1000 --store checks.jsonl

The mocks are drawn by numpy, their King profile being the formula's mean over 11 x 11 points of each pixel. The model
is that of the catalogue: a King profile with a free core, a background with a free gradient. To measure the check apart
from the methods that fit, and fast, the posterior's draws are those of its normal approximation about the mode, in the
logarithms of the positive parameters. Every finished mock is a line of the store, and what is there is not computed
again.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np
import numpyro.distributions as dist
from scipy import stats

from pgm_mock import Observation, Priors
from pgm_mock.checks import check_draws
from pgm_mock.inference.refit import refit
from pgm_mock.mock import expected_images
from pgm_mock.psf import PSF, GaussianPSF, KingPSF

from .store import Store

HERE = Path(__file__).parent
SIZE, MIDDLE, EXPOSURE = 41, 21.0, 1e4
SLOPE, CORE, BACKGROUND = 1.4, 1.1, 0.1
BETA_SLOPE, BETA_CORE = 1.5, 3.0
FINE = 11
LEVELS = (0.05, 0.01)
SOUND = ("10 to 30", "100", "500", "3000")
NEIGHBOURS = tuple((share, away) for share in (0.2, 0.5, 1.0) for away in (5, 8, 12))
STEP = 1e-3
"""Of the differences that make derivatives, in the logarithm of a positive parameter."""


def king(x: float, y: float, core: float, slope: float) -> np.ndarray:
    """Light of a King profile on each pixel, shape (41, 41)."""
    points = (np.arange(SIZE * FINE) + 0.5) / FINE + 0.5
    squared = (points[None, :] - x) ** 2 + (points[:, None] - y) ** 2
    density = (slope - 1) / (np.pi * core**2) * (1 + squared / core**2) ** -slope
    return density.reshape(SIZE, FINE, SIZE, FINE).mean((1, 3))


def expected(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Expected counts of a mock, shape (41, 41)."""
    words = kind.split(", ")
    x, y = MIDDLE + rng.normal(0, 0.7, 2)
    core, gx, gy = CORE * np.exp(rng.normal(0, 0.1)), *rng.normal(0, 0.02, 2)
    counts = rng.uniform(10, 30) if words[1] == "10 to 30" else float(words[1])
    offset = np.arange(1, SIZE + 1) - MIDDLE
    image = BACKGROUND * np.exp(gx * offset[None, :] + gy * offset[:, None])
    if words[0] == "core of 3 pixels":
        # Seen through the PSF, whose core it covers: the two are added in squares.
        return image + counts * king(x, y, float(np.hypot(BETA_CORE, core)), BETA_SLOPE)
    image += counts * king(x, y, core, SLOPE)
    if words[0] == "neighbour":
        share, away, angle = float(words[2]), float(words[3]), rng.uniform(0, 2 * np.pi)
        image += share * counts * king(x + away * np.cos(angle), y + away * np.sin(angle), core, SLOPE)
    return image


def mock(kind: str, number: int, seed: int) -> tuple[Observation, Priors]:
    """Draw a mock and the priors of its model."""
    rng = np.random.default_rng([seed, number, *kind.encode()])
    counts = rng.poisson(expected(kind, rng))
    stamp = Observation(counts, np.full((SIZE, SIZE), EXPOSURE), name=f"{kind} {number}")
    gradient = dist.Normal(0.0, 0.05)
    return stamp, Priors.default(stamp, psf=psf_of(kind)).replace(background_dx=gradient, background_dy=gradient)


def psf_of(kind: str) -> PSF:
    """Return the family that a mock is fitted with."""
    return GaussianPSF() if kind.startswith("Gaussian") else KingPSF(slope=SLOPE, typical_width=CORE)


def laplace_draws(
    stamp: Observation, priors: Priors, counts: float, number: int, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], int]:
    """Draw from the normal approximation about the posterior's mode; and say which draw is the highest."""
    names = tuple(priors.free)
    positive = np.array([priors.parameters[name].positive for name in names])

    def natural(u: np.ndarray) -> dict[str, np.ndarray]:
        return {name: np.exp(v) if log else v for name, v, log in zip(names, u.T, positive, strict=True)}

    start = {"x_pos": MIDDLE, "y_pos": MIDDLE, "flux": counts / EXPOSURE, "background": BACKGROUND / EXPOSURE}
    start |= {"psf_width": CORE, "background_dx": 0.0, "background_dy": 0.0}
    mode = {name: np.array([value]) for name, value in start.items()}
    for _ in range(2):
        mode = refit(stamp, stamp.counts[None], mode, priors)
    u = np.array([np.log(mode[name][0]) if log else mode[name][0] for name, log in zip(names, positive, strict=True)])
    moved = u + STEP * np.concatenate([np.eye(len(u)), -np.eye(len(u)), np.zeros((1, len(u)))])
    images = expected_images(stamp, natural(moved), priors.psf, priors.scene)
    plus, minus, means = np.split(images, [len(u), 2 * len(u)])
    slopes = (plus - minus) / (2 * STEP)
    information = np.einsum("iyx,jyx->ij", slopes / means, slopes)
    information += np.diag(
        [_sharpness(priors.free[name], *each) for name, *each in zip(names, u, positive, strict=True)]
    )
    away = rng.standard_normal((number, len(u))) @ np.linalg.cholesky(np.linalg.inv(information)).T
    draws = natural(u + away)
    inside = np.all([priors.free[name].support(values) for name, values in draws.items()], axis=0)
    away = away[inside]
    best = int(np.argmin(np.einsum("ni,ij,nj->n", away, information, away)))
    return {name: values[inside] for name, values in draws.items()}, best


def _sharpness(prior: dist.Distribution, u: float, positive: bool) -> float:
    """Minus the second derivative of the prior's log-density in u, by differences."""
    at = u + 10 * STEP * np.array([-1.0, 0.0, 1.0])
    heights = np.asarray(prior.log_prob(np.exp(at)) + at if positive else prior.log_prob(at))
    return max(-float(np.diff(heights, 2)[0]) / (10 * STEP) ** 2, 0.0)


def checked(kind: str, number: int, seed: int, replicates: int) -> dict:
    """Check a mock."""
    stamp, priors = mock(kind, number, seed)
    words = kind.split(", ")
    counts = 20.0 if words[1] == "10 to 30" else float(words[1])
    rng = np.random.default_rng([seed, number, 1])
    draws, best = laplace_draws(stamp, priors, counts, 4 * replicates, rng)
    told = {"num_replicates": replicates, "significance": 0.01, "seed": 0, "plain": False}
    found = check_draws(stamp, draws, best, priors, **told)
    said = found.said if found.flagged else ""
    return {"kind": kind, "number": number, "p": found.p_value, "p_values": found.p_values, "said": said}


def kinds() -> tuple[str, ...]:
    """Name all kinds of mocks, the sound ones first."""
    neighbours = tuple(f"neighbour, 100, {share}, {away}" for share, away in NEIGHBOURS)
    others = tuple(f"{what}, {counts}" for what in ("core of 3 pixels", "Gaussian on King") for counts in (100, 500))
    return tuple(f"sound, {counts}" for counts in SOUND) + neighbours + others


def table(rows: list[dict]) -> Iterator[str]:
    """Calibration and power in words."""
    by_kind: dict[str, list[dict]] = {kind: [row for row in rows if row["kind"] == kind] for kind in kinds()}
    yield from ("# What the predictive check flags", "")
    yield "Written by `checks.py` beside this file: stamps of 41 × 41 pixels, 0.1 count a pixel with a gradient, a King"
    yield "profile (core 1.1 pixels, slope 1.4), with the model of the catalogue: core and gradient free. The draws are"
    yield "those of the normal approximation about the mode; 200 replicates. p is that of the whole image."
    yield from ("", "## Sound mocks", "")
    yield "| counts | mocks | p < 0.05 | p < 0.01 | chance of as many or more | most often |"
    yield "|---|---|---|---|---|---|"
    for counts in SOUND:
        found = by_kind[f"sound, {counts}"]
        if found:
            p = np.array([row["p"] for row in found])
            low = [int(np.sum(p < level)) for level in LEVELS]
            chance = [stats.binom.sf(k - 1, len(p), level) for k, level in zip(low, LEVELS, strict=True)]
            shares = " | ".join(f"{k / len(p):.1%}" for k in low)
            chances = ", ".join(f"{c:.2g}" for c in chance)
            yield f"| {counts} | {len(p)} | {shares} | {chances} | {_most_often(found)} |"
    yield from ("", "## Unsound ones, flagged at 1 %", "", "| what | counts | mocks | flagged | most often |")
    yield "|---|---|---|---|---|"
    for kind, found in by_kind.items():
        if found and not kind.startswith("sound"):
            what, counts, *rest = kind.split(", ")
            if rest:
                what = f"neighbour of {float(rest[0]):.0%} at {rest[1]} pixels"
            flagged = np.mean([row["p"] < 0.01 for row in found])
            yield f"| {what} | {counts} | {len(found)} | {flagged:.0%} | {_most_often(found)} |"
    yield from ("", "A core of 3 pixels leaves no residuals: the free width of the profile takes it up.")


def _most_often(rows: list[dict]) -> str:
    """Which statistic is the least probable one where p is below 5 %."""
    least = [min(row["p_values"], key=row["p_values"].__getitem__) for row in rows if row["p"] < max(LEVELS)]
    return max(sorted(set(least)), key=least.count).replace("_", " ") if least else "–"


def main() -> None:
    """Compute what the store lacks, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=1000, help="sound mocks of each brightness")
    parser.add_argument("--power", type=int, default=100, help="unsound mocks of each kind")
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--store", type=Path, default=Path("checks.jsonl"))
    parser.add_argument("--kinds", nargs="+", default=kinds(), metavar="KIND", help="such as 'sound, 500'")
    parser.add_argument("--out", type=Path, default=HERE / "CHECKS.md")
    options = parser.parse_args()
    with Store(options.store) as store:
        done = {(row["kind"], row["number"]) for row in store.rows}
        for kind in options.kinds:
            most = options.n if kind.startswith("sound") else options.power
            missing = [number for number in range(most) if (kind, number) not in done]
            for number in missing:
                store.add(checked(kind, number, options.seed, options.replicates))
            options.out.write_text("\n".join(table(store.rows)) + "\n", encoding="utf-8")
    print(options.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
