"""posterior_predictive_check(): whether images from the posterior look like the observed one.

A p-value from replicated images alone is conservative: the model has been fitted to the very image that it is compared
with, so that p-values crowd about a half. Here each replicated image is fitted anew, and its statistic is taken about
its own fit, as the observed one's is (the parametric bootstrap of a fitted statistic; Robins, van der Vaart & Ventura
2000 on why it is needed): under the model the p-values are then nearly uniform.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy import stats

from ..errors import InputError
from ..inference.refit import refit
from ..mock import expected_images
from ..observation import Observation
from ..poisson import poisson
from ..priors import Priors
from ..psf import describe_psf
from ..random import source_key
from ..results import fitted_to, flat_draws, values
from .statistics import STATISTICS, Fitted
from .words import in_words

if TYPE_CHECKING:
    import xarray

SIGNIFICANCE = 0.01
_BLOCK_PIXELS = 1 << 16
"""Pixels whose statistics are computed at once: few enough to stay near the processor."""
_TAIL = 25
"""So many of the largest replicates say how the tail goes on."""


class Check(NamedTuple):
    """What a check found.

    Attributes:
        observed: each statistic of the observed image.
        replicated: each statistic of the replicated images, shape (n,).
        p_values: of each statistic, calibrated.
        plain_p_values: without the new fits, conservative.
        flagged: whether the smallest p-value, times the number of statistics, is below the significance asked for.
        sentences: what is wrong, in words; empty where nothing is.
        fitted: the observed image with the model fitted to it.
    """

    observed: dict[str, float]
    replicated: dict[str, np.ndarray]
    p_values: dict[str, float]
    plain_p_values: dict[str, float]
    flagged: bool
    sentences: tuple[str, ...]
    fitted: Fitted

    def __repr__(self) -> str:
        """One line: the p-value, and what is wrong."""
        return f"Check(p = {self.p_value:.2g}, {'flagged' if self.flagged else 'not flagged'}: {self.said})"

    @property
    def p_value(self) -> float:
        """Of the whole image: the smallest p-value times the number of statistics, at most 1."""
        return min(1.0, min(self.p_values.values()) * len(self.p_values))

    @property
    def said(self) -> str:
        """The sentences as one, also where nothing is wrong."""
        return "; ".join(self.sentences) or "the model describes the image"


def posterior_predictive_check(
    stamp: Observation,
    posterior: "xarray.DataTree",
    *,
    priors: Priors | None = None,
    num_replicates: int = 400,
    significance: float = SIGNIFICANCE,
    seed: int | None = 0,
    plain: bool = True,
) -> Check:
    """Compare a stamp with images replicated from its posterior.

    Args:
        stamp: what was observed.
        posterior: of `fit`.
        priors: that the replicated images are fitted with, and the PSF; by default those that the posterior names.
        num_replicates: how many images.
        significance: how often a sound model may be flagged.
        seed: a whole number; None draws one.
        plain: whether to compute the plain p-values too.

    Raises:
        InputError: fewer than 100 replicates, a posterior without draws, one whose PSF cannot be read back where no
            priors are given, or priors with another PSF.
    """
    if num_replicates < 100:
        raise InputError(f"num_replicates: expected at least 100, found {num_replicates}")
    priors = fitted_to(posterior)[1] if priors is None else priors
    fitted_with = str(posterior.attrs.get("psf", describe_psf(priors.psf)))
    if fitted_with != describe_psf(priors.psf):
        raise InputError(f"priors: expected the PSF of the posterior, {fitted_with}, found {describe_psf(priors.psf)}")
    drawn = flat_draws(posterior)
    if not all(np.isfinite(draws).all() for draws in drawn.values()):
        raise InputError("posterior: expected draws of each parameter, found NaN")
    return check_draws(
        stamp,
        drawn,
        int(np.argmax(values(posterior, "sample_stats", "lp"))),
        priors,
        num_replicates=num_replicates,
        significance=significance,
        seed=seed,
        plain=plain,
    )


def check_draws(
    stamp: Observation,
    draws: Mapping[str, Float[np.ndarray, "n ..."]],
    best: int,
    priors: Priors,
    *,
    num_replicates: int,
    significance: float,
    seed: int | None,
    plain: bool,
) -> Check:
    """Compare a stamp with images replicated from draws of its parameters; see `posterior_predictive_check`.

    Args:
        stamp: what was observed.
        draws: of each parameter, shape (n,), or (n, m) for m neighbours; finite.
        best: which of them has the highest posterior density.
        priors: that the replicated images are fitted with.
        num_replicates, significance, seed, plain: as there.
    """
    chosen = np.linspace(0, len(draws["flux"]) - 1, num_replicates).astype(int)
    thetas = {name: each[chosen] for name, each in draws.items()}
    exposed = stamp.exposure > 0
    means = expected_images(stamp, thetas, priors.psf, priors.scene)
    replicates = np.asarray(poisson(source_key(seed, f"check of {stamp.name}"), jnp.where(exposed, means, 0.0)))
    images = np.concatenate([stamp.counts[None], replicates])
    starts = {name: np.concatenate([each[best][None], thetas[name]]) for name, each in draws.items()}
    fits = refit(stamp, images, starts, priors)
    refitted = expected_images(stamp, fits, priors.psf, priors.scene)
    blocks = [
        _fitted(stamp, images[some], refitted[some], {name: each[some] for name, each in fits.items()})
        for some in _blocks(len(images), stamp.counts.size)
    ]
    found = {name: np.concatenate([one.of(block) for block in blocks]) for name, one in STATISTICS.items()}
    same = np.all(images == images[0], axis=(1, 2))
    for each in found.values():  # of the very same counts, whatever the fit's last digits
        each[same] = each[0]
    observed = _fitted(stamp, images[0], refitted[0], {name: each[0] for name, each in fits.items()})
    p_values = {name: p_value(each[0], each[1:], STATISTICS[name].two_sided) for name, each in found.items()}
    plain_p_values = {}
    for name, one in STATISTICS.items() if plain else ():
        about_one_fit = [
            one.of(observed._replace(counts=images[1:][some])) for some in _blocks(num_replicates, stamp.counts.size)
        ]
        plain_p_values[name] = p_value(found[name][0], np.concatenate(about_one_fit), one.two_sided)
    places = np.array([priors.quantiles(name, (0.16, 0.5, 0.84)) for name in ("x_pos", "y_pos")])
    fixed = places[:, 0] == places[:, 2]
    asked, spread = places[:, 1], np.where(fixed, np.inf, 0.5 * (places[:, 2] - places[:, 0]))
    found_at = np.array([fits["x_pos"][0], fits["y_pos"][0]])
    p_values["position"] = plain_p_values["position"] = _far(found_at - asked, spread)
    flagged = min(p_values.values()) * len(p_values) < significance
    sentences = in_words(stamp, observed, p_values, significance, tuple(asked)) if flagged else ()
    replicated = {name: each[1:] for name, each in found.items()}
    return Check(
        {name: float(each[0]) for name, each in found.items()},
        replicated,
        p_values,
        plain_p_values,
        bool(flagged),
        sentences,
        observed,
    )


def p_value(observed: float, replicated: np.ndarray, two_sided: bool) -> float:
    """How probable a statistic so large is, or one so far from the replicates' middle on either side.

    It is the share of the replicates that are as large; where those are few, the tail beyond the k + 1st largest of n
    is taken as exponential. The k excesses over that, of mean m, say how long it is: allowing for their own scatter,
    the next excess is above x with the probability (1 + x / (k m))^-k. For exponential tails p is then uniform.

    Args:
        observed: the statistic.
        replicated: of the replicates, shape (n,).
        two_sided: whether small values count as well; p is then twice that of the nearer side.
    """
    if two_sided:
        upper, lower = p_value(observed, replicated, False), p_value(-observed, -replicated, False)
        return min(1.0, 2.0 * min(upper, lower))
    n = len(replicated)
    beyond = int(np.sum(replicated >= observed))
    threshold, *largest = np.sort(replicated)[-_TAIL - 1 :]
    mean = float(np.mean(largest)) - threshold
    if beyond >= _TAIL // 2 or observed <= threshold or not 0.0 < mean < math.inf:
        return (1 + beyond) / (1 + n)
    log_share = -_TAIL * math.log1p((observed - threshold) / (_TAIL * mean))
    return float((_TAIL + 1) / (n + 1) * math.exp(max(log_share, -300.0)))


def _far(offset: np.ndarray, spread: np.ndarray) -> float:
    """Probability that a source is so far from its place by the prior, as if that were a Gaussian."""
    return float(stats.chi2.sf(np.sum((offset / spread) ** 2), 2))


def _blocks(number: int, pixels: int) -> list[slice]:
    """Divide so many images into blocks."""
    size = max(1, _BLOCK_PIXELS // pixels)
    return [slice(first, first + size) for first in range(0, number, size)]


def _fitted(stamp: Observation, counts: np.ndarray, mean: np.ndarray, theta: dict[str, np.ndarray]) -> Fitted:
    dx, dy = stamp.columns - theta["x_pos"][..., None, None], stamp.rows - theta["y_pos"][..., None, None]
    shape = np.broadcast_shapes(dx.shape, dy.shape)
    offsets = np.broadcast_to(dx, shape), np.broadcast_to(dy, shape)
    return Fitted(counts, mean, stamp.exposure > 0, *offsets, np.hypot(dx, dy), theta["psf_width"])
