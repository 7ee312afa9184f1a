r"""Point, extended or double: the odds, from the evidence of three models of one source (`kinds`).

The evidence is the integral of prior times likelihood, by adaptive importance sampling; the three are equally probable
beforehand. What is behind includes all other sources.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import numpy as np

from ..inference.program import call
from ..psf import PSF
from ..sampler import Draws, certified
from ..sampler.weights import weighted_quantile
from .kinds import HALF, KINDS, ROUNDS, Stamp, core_of, sampled
from .pointsources import PointSources


class Odds(NamedTuple):
    """What a source is.

    Attributes:
        point, extended, double: probabilities, which add up to 1.
        ln_bayes_extended, ln_bayes_double: ln of the Bayes factor of each against a point.
        core: median core radius and its 68 % interval, if it is extended [pixels].
        ext_like: ln likelihood of the best extended source over that of the best point.
        certified: whether the weights of all three can be trusted.
    """

    point: float
    extended: float
    double: float
    ln_bayes_extended: float
    ln_bayes_double: float
    core: tuple[float, float, float]
    ext_like: float
    certified: bool


def odds_of(stamp: Stamp, psf: PSF, width: float, seed: int = 0) -> Odds:
    """Return what a source is.

    Args:
        stamp: the source's surroundings.
        psf, width: its PSF.
        seed: of the draws.
    """
    evidence, best, sound, points = {}, {}, True, None
    core = (np.nan, np.nan, np.nan)
    for number, kind in enumerate(KINDS):
        key = jax.random.fold_in(jax.random.key(seed), number)
        found, likelihoods = jax.device_get(call(sampled, key, stamp, psf, width, points, kind=kind))
        draws, info = certified(found, np.ones(found.first.locations.shape[1]), ROUNDS[kind][0], 100.0)
        evidence[kind], best[kind] = info.log_evidence, float(np.nanmax(likelihoods))
        sound = sound and info.khat < 0.7
        if kind == "point":
            points = found.first
        elif kind == "extended":
            core = _core_of(draws)
    top = max(evidence.values())
    weights = {kind: float(np.exp(value - top)) for kind, value in evidence.items()}
    total = sum(weights.values())
    against = {kind: evidence[kind] - evidence["point"] for kind in KINDS}
    point, extended, double = (weights[kind] / total for kind in KINDS)
    gained = max(best["extended"] - best["point"], 0.0)
    return Odds(point, extended, double, against["extended"], against["double"], core, gained, sound)


def _core_of(draws: Draws) -> tuple[float, float, float]:
    """Return the quantiles of the core radius."""
    cores = np.asarray(core_of(draws.positions[:, 4]))
    median, low, high = (weighted_quantile(cores, draws.log_weights, q) for q in (0.5, 0.16, 0.84))
    return median, low, high


def odds_of_sources(
    sources: PointSources, counts: np.ndarray, mean: np.ndarray, advance: Callable[[], object] | None = None
) -> tuple[Odds | None, ...]:
    """Return what each source of a field is, given all others; None where its PSF is no sum of Gaussians.

    Args:
        sources: of the field.
        counts: of the field, shape (ny, nx).
        mean: counts that lie behind the point sources, shape (ny, nx).
        advance: is called after each.
    """
    image = mean + sources.image()

    def one(number: int) -> Odds | None:
        psf = sources.psf.at(sources.x[number], sources.y[number])
        found = None
        if hasattr(psf, "gaussians"):
            found = odds_of(_stamp_of(sources, number, counts, image), psf, sources.width(number))
        if advance is not None:
            advance()
        return found

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return tuple(pool.map(one, range(len(sources))))


def _stamp_of(sources: PointSources, number: int, counts: np.ndarray, image: np.ndarray) -> Stamp:
    """Cut a source's surroundings out of a field; beyond its edge there is no exposure."""
    row, column = (int(each[number]) for each in sources.pixels())
    box = sources.window(number, HALF)
    without_this = image[box] - sources.flux[number] * sources.light(number, box)
    background = np.maximum(without_this, 1e-6 * np.maximum(image[box], 1e-12))
    top, left = (HALF - middle + part.start for middle, part in zip((row, column), box, strict=True))

    def whole(part: np.ndarray) -> np.ndarray:
        full = np.zeros((2 * HALF + 1, 2 * HALF + 1))
        full[top : top + part.shape[0], left : left + part.shape[1]] = part
        return full

    exposure = whole(sources.exposure[box])
    ramp = np.arange(-HALF, HALF + 1.0)
    x, y = (
        float(place[number]) - first - middle
        for place, first, middle in zip((sources.x, sources.y), sources.psf.origin, (column, row), strict=True)
    )
    typical = float(sources.exposure[row, column]) or float(exposure.max())
    return Stamp(whole(counts[box]), whole(background), exposure, ramp[None, :] - x, ramp[:, None] - y, typical)
