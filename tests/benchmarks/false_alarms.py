"""How often an empty place is given a chance below 0.05 and 0.01; writes FALSE_ALARMS.md beside this file.

    python -m tests.benchmarks.false_alarms --n 2000 --store false_alarms.jsonl

The mocks are drawn by NumPy: a background of 0.1 counts a pixel, a neighbour of 60 counts where there is one (a King
profile's light is the mean of its formula over 11 x 11 points of each pixel), a gradient of 2 % a pixel where there is
one. The chance is that of `fit(..., false_alarm=True)`, which takes nothing of the posterior but the fit without the
source: the sampling is not repeated where its draws are too few. Every finished mock is a line of the store, and what
is there is not computed again.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np
import numpyro.distributions as dist
from scipy import stats

from pgm_mock import Observation, Priors
from pgm_mock.inference.falsealarm import with_false_alarm
from pgm_mock.inference.methods import by_importance, make_plan
from pgm_mock.inference.unconstrained import Data
from pgm_mock.psf import PSF, GaussianPSF, KingPSF

from .checks import king
from .store import Store

SIZE, MIDDLE, EXPOSURE, BACKGROUND = 41, 21.0, 1e4, 0.1
BESIDE, ITS_COUNTS, GROWTH = (31.0, 25.0), 60.0, 0.02
LEVELS = (0.05, 0.01)
SETTINGS = {
    f"{psf}, {kind}": (psf, kind)
    for psf in ("Gaussian", "King")
    for kind in ("a source alone", "gradient", "neighbour and gradient", "fixed position")
}


def family(name: str) -> PSF:
    """The PSF of a setting."""
    return KingPSF(1.4) if name == "King" else GaussianPSF()


def light_of(psf: str, x: float, y: float) -> np.ndarray:
    """Fraction of a source's light in each pixel, without the package."""
    if psf == "King":
        return king(x, y, 1.5, 1.4)
    across, up = (np.diff(stats.norm.cdf(np.arange(0.5, SIZE + 1), place, 1.5)) for place in (x, y))
    return up[:, None] * across


def empty_mock(psf: str, kind: str, seed: int) -> tuple[Observation, Priors]:
    """Draw a stamp without a source, and the priors that it is fitted with."""
    rng = np.random.default_rng([seed, *f"{psf} {kind}".encode()])
    ramp = np.arange(1.0, SIZE + 1)
    mean = np.full((SIZE, SIZE), BACKGROUND)
    if "gradient" in kind:
        mean = mean * np.exp(GROWTH * (ramp - MIDDLE))[None, :]
    if "neighbour" in kind:
        mean = mean + ITS_COUNTS * light_of(psf, *BESIDE)
    stamp = Observation(rng.poisson(mean), np.full((SIZE, SIZE), EXPOSURE), name=f"{psf} {kind} {seed}")
    beside = [BESIDE] if "neighbour" in kind else []
    priors = Priors.default(stamp, MIDDLE, MIDDLE, family(psf), neighbours=beside)
    if "gradient" in kind:
        priors = priors.replace(background_dx=dist.Normal(0.0, 0.05), background_dy=dist.Normal(0.0, 0.05))
    return stamp, priors.replace(x_pos=MIDDLE, y_pos=MIDDLE) if kind == "fixed position" else priors


def chance(name: str, seed: int) -> tuple[str, int, float]:
    """Return P_FALSE of one empty mock."""
    psf, kind = SETTINGS[name]
    stamp, priors = empty_mock(psf, kind, seed)
    plan = make_plan("importance", 2500, 1000.0, seed, num_chains=1, num_warmup=1, num_samples=1)
    found = by_importance(stamp, priors, plan, Data.of(stamp), plan.rounds)
    return name, seed, float(with_false_alarm(found, plan).numbers["p_false"])


def table(rows: list[dict], level: float) -> str:
    """One line for each setting: how many are below the level, and how far that is from it in binomial errors."""
    lines = [f"| setting | mocks | p < {level} | binomial errors |", "|---|---|---|---|"]
    for name in [*SETTINGS, "all"]:
        found = np.array([row["p"] for row in rows if name in ("all", row["setting"])])
        if found.size:
            share, error = np.mean(found < level), np.sqrt(level * (1 - level) / found.size)
            off = (share - level) / error
            lines.append(f"| {name} | {found.size} | {share:.2%} | {off:+.1f} |")
    return "\n".join(lines)


def main() -> None:
    """Run what the store lacks, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=2000, help="mocks of each setting")
    parser.add_argument("--store", type=Path, default=Path("false_alarms.jsonl"))
    parser.add_argument("--only", nargs="*", default=list(SETTINGS), help="settings to run")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "FALSE_ALARMS.md")
    options = parser.parse_args()
    with Store(options.store) as store, ProcessPoolExecutor(2, get_context("spawn")) as pool:
        there = {(row["setting"], row["seed"]) for row in store.rows}
        todo = [(name, seed) for seed in range(options.n) for name in options.only if (name, seed) not in there]
        for name, seed, p in pool.map(chance, *zip(*todo, strict=True)) if todo else ():
            store.add({"setting": name, "seed": seed, "p": p})
    said = "\n\n".join(table(store.rows, level) for level in LEVELS)
    print(said)
    options.out.write_text(f"# Chances of empty stamps\n\n{said}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
