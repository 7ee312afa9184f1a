r"""Point, extended or double: the odds, from three models of one source and the evidence of each.

All three have a place (a normal prior of 3 pixels about where the source was found), a flux (log-normal, 30 counts
within a factor of seven) and a factor of what lies behind (log-normal, 5 %: it was smoothed over 400 counts). Beside
these

- a point has nothing;
- an extended source is a beta model with beta = 2/3 and a core radius of 2 to 8 pixels, flat in its logarithm;
- a double has a separation (normal, 4 pixels along each axis) and a second flux (ln of the ratio is standard normal).

The evidence is the integral of prior times likelihood, by adaptive importance sampling; the three are equally probable
beforehand. What is behind includes all other sources.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..psf import PSF, SumOfGaussians, gaussians_of_king
from ..sampler import Defence, Draws, certified, draw_rounds
from ..sampler.weights import weighted_quantile
from .pointsources import PointSources

KINDS = ("point", "extended", "double")
HALF = 16
"""Half the side of the square that is looked at [pixels]."""
CORES = (2.0, 8.0)
"""Range of the core radius of an extended source [pixels]."""
PLACE, SEPARATION = 3.0, 4.0
"""Standard deviations of the priors of the place and of a double's separation, along each axis [pixels]."""
TYPICAL_COUNTS, FLUX_SPREAD, BEHIND_SPREAD = 30.0, 2.0, 0.05
_BETA_SLOPE = 1.5
"""Of the surface brightness of a beta model with beta = 2/3: (1 + r² / core²)^-1.5."""
_NODES = 24
_WIDEST = 60.0
_ROUNDS = (3, 600)
_MODES = 3


class Stamp(NamedTuple):
    """What is known of a source's surroundings.

    Attributes:
        counts: shape (n, n).
        behind: counts expected without the source, shape (n, n).
        exposure: shape (n, n).
        columns, rows: from the place where the source was found, shapes (1, n) and (n, 1) [pixels].
        typical: exposure at that place.
    """

    counts: Any
    behind: Any
    exposure: Any
    columns: Any
    rows: Any
    typical: Any


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
    evidence, best, sound = {}, {}, True
    core = (np.nan, np.nan, np.nan)
    for number, kind in enumerate(KINDS):
        key = jax.random.fold_in(jax.random.key(seed), number)
        found, likelihoods = jax.device_get(_sampled(kind, key, stamp, psf, width))
        draws, info = certified(found, np.ones(found.modes.shape[1]), _ROUNDS[0], 100.0)
        evidence[kind], best[kind] = info.log_evidence, float(np.nanmax(likelihoods))
        sound = sound and info.khat < 0.7
        if kind == "extended":
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
    cores = np.asarray(_core(draws.positions[:, 4]))
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
    others = image[box] - sources.flux[number] * sources.light(number, box)
    behind = np.maximum(others, 1e-6 * np.maximum(image[box], 1e-12))
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
    return Stamp(whole(counts[box]), whole(behind), exposure, ramp[None, :] - x, ramp[:, None] - y, typical)


@partial(jax.jit, static_argnames="kind")
def _sampled(kind: str, key: Any, stamp: Stamp, psf: PSF, width: Any) -> Any:
    """Draw from one model, and return the rounds and ln likelihood of each draw."""

    def log_likelihood(u: Any) -> Any:
        mean = stamp.behind * jnp.exp(BEHIND_SPREAD * u[3])
        mean = mean + jnp.exp(FLUX_SPREAD * u[2]) * TYPICAL_COUNTS / stamp.typical * _light(kind, stamp, psf, width, u)
        seen = stamp.exposure > 0
        safe = jnp.where(seen, mean, 1.0)
        return jnp.sum(jnp.where(seen, stamp.counts * jnp.log(safe) - mean, 0.0))

    def log_target(u: Any) -> Any:
        return log_likelihood(u) + _log_normal(u)

    starts = _starts(kind, stamp)
    number = starts.shape[1]
    prior = Defence(lambda key, size: jax.random.normal(key, (size, number)), jax.vmap(_log_normal))
    found = draw_rounds(key, starts, log_target, prior, _ROUNDS, _MODES)
    return found, jax.lax.map(log_likelihood, found.rounds.draws, batch_size=200)


def _log_normal(u: Any) -> Any:
    return -0.5 * jnp.sum(u**2) - 0.5 * len(u) * jnp.log(2.0 * jnp.pi)


def _starts(kind: str, stamp: Stamp) -> Any:
    """Where to climb from: the flux of what is there; for a double several directions."""
    excess = jnp.sum(jnp.where(jnp.hypot(stamp.columns, stamp.rows) < 6.0, stamp.counts - stamp.behind, 0.0))
    flux = jnp.log(jnp.maximum(excess, 5.0) / TYPICAL_COUNTS) / FLUX_SPREAD
    if kind == "point":
        return jnp.array([[0.0, 0.0, 0.0, 0.0]]).at[:, 2].set(flux)
    if kind == "extended":
        return jnp.array([[0.0, 0.0, 0.0, 0.0, core] for core in (-1.0, 1.0)]).at[:, 2].set(flux)
    angles = jnp.arange(4) * jnp.pi / 4
    away = jnp.stack([jnp.cos(angles), jnp.sin(angles)], axis=1)
    first = jnp.concatenate([jnp.zeros((4, 4)), away, jnp.zeros((4, 1))], axis=1)
    return first.at[:, 2].set(flux)


def _core(u: Any) -> Any:
    """Core radius: flat in its logarithm between the bounds."""
    low, high = CORES
    return low * (high / low) ** jax.scipy.special.ndtr(u)


def _light(kind: str, stamp: Stamp, psf: PSF, width: Any, u: Any) -> Any:
    """Counts of a source of flux 1, shape (n, n)."""
    x, y = PLACE * u[0], PLACE * u[1]
    if kind == "point":
        light = psf.pixel_fraction(stamp.columns, stamp.rows, x, y, width)
    elif kind == "extended":
        shape = SumOfGaussians(*seen_through(*gaussians_of_king(_core(u[4]), _BETA_SLOPE), psf, width))
        light = shape.pixel_fraction(stamp.columns, stamp.rows, x, y, 1.0)
    else:
        dx, dy = 0.5 * SEPARATION * u[4], 0.5 * SEPARATION * u[5]
        share = jax.nn.sigmoid(u[6])
        one, two = (psf.pixel_fraction(stamp.columns, stamp.rows, x + s * dx, y + s * dy, width) for s in (1.0, -1.0))
        light = share * one + (1.0 - share) * two
    return stamp.exposure * light


def seen_through(sigma: Any, share: Any, psf: PSF, width: Any) -> tuple[Any, Any]:
    """Return the Gaussians of a profile seen through a PSF that is a sum of Gaussians too, as 24 of them.

    Each pair's Gaussian goes to the two nearest of fixed widths, so that the light and its peak stay.

    Args:
        sigma, share: standard deviations [pixels] and shares of the profile's, shape (k,).
        psf, width: the PSF, with `gaussians`.
    """
    blur, of_psf = psf.gaussians(width)  # type: ignore[attr-defined]
    precision = 1.0 / jnp.clip(sigma[:, None] ** 2 + blur**2, 0.0, _WIDEST**2).ravel()
    light = (share[:, None] * of_psf).ravel()
    nodes = jnp.geomspace(jnp.min(blur) * 0.99, _WIDEST, _NODES) ** -2.0
    place = jnp.clip(jnp.searchsorted(-nodes, -precision) - 1, 0, _NODES - 2)
    part = jnp.clip((nodes[place] - precision) / (nodes[place] - nodes[place + 1]), 0.0, 1.0)
    shares = jnp.zeros(_NODES).at[place].add(light * (1.0 - part)).at[place + 1].add(light * part)
    return nodes**-0.5, shares
