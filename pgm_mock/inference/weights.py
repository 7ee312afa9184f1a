"""What the weights of an importance sample say: its certificate, its evidence, and draws of equal weight."""

from typing import NamedTuple

import numpy as np
from jaxtyping import ArrayLike, Float, Int, Num

from . import psis


class Weights(NamedTuple):
    """Weights of n draws.

    Attributes:
        log_weights: Pareto-smoothed, adding up to 1 as weights, shape (n,).
        khat: shape of the weights' tail.
        ess: effective sample size, 1 / sum of the squared weights.
        log_evidence: ln of the integral of the density.
    """

    log_weights: Float[np.ndarray, " n"]
    khat: float
    ess: float
    log_evidence: float


def weigh(log_density: Num[ArrayLike, " n"], log_proposal: Num[ArrayLike, " n"]) -> Weights:
    """Weigh draws from a proposal.

    Args:
        log_density: ln of prior times likelihood at each draw.
        log_proposal: ln of the density that the draws come from.
    """
    log_ratios = np.asarray(log_density, float) - np.asarray(log_proposal, float)
    log_weights, khat = psis.smooth(log_ratios)
    weights, log_evidence = np.exp(log_weights), np.logaddexp.reduce(log_ratios) - np.log(log_ratios.size)
    return Weights(log_weights, float(khat), float(1.0 / (weights @ weights)), float(log_evidence))


def disagreement(
    log_density: Num[ArrayLike, " n"],
    log_own: Num[ArrayLike, " n"],
    values: Num[ArrayLike, "n d"],
    rounds: int,
) -> float:
    """How far the rounds of adaptation disagree with one another on the posterior's mean and width.

    Each round weighted by its own proposal is an estimate of its own. Where an early proposal missed part of the
    posterior that a later one found, they differ by more than their Monte-Carlo errors.

    Args:
        log_density: ln of prior times likelihood at each draw, round after round.
        log_own: ln of the density of each draw's own round.
        values: of each parameter, whitened.
        rounds: their number; the first one, mostly defence, is left out.

    Returns:
        The largest change of a mean, in standard deviations, or of the logarithm of a standard deviation, between the
        last two rounds, beyond three Monte-Carlo errors; 0 where there is none.
    """
    log_ratios = (np.asarray(log_density, float) - np.asarray(log_own, float)).reshape(rounds, -1)
    found = []
    for log_ratio, part in list(zip(log_ratios, np.split(np.asarray(values, float), rounds), strict=True))[-2:]:
        if not np.isfinite(largest := np.max(log_ratio)):
            return np.inf
        weights = np.exp(log_ratio - largest)
        weights /= weights.sum()
        mean = weights @ part
        off = part - mean
        variance = np.maximum(weights @ off**2, 1e-100)
        error = (weights**2 @ off**2) / variance
        error_of_variance = (weights**2 @ (off**2 - variance) ** 2) / variance**2
        found.append((mean, variance, error, error_of_variance))
    (mean, variance, error, of_variance), (mean2, variance2, error2, of_variance2) = found
    shift = np.abs(mean - mean2) / np.sqrt(np.maximum(variance, variance2)) - 3.0 * np.sqrt(error + error2)
    stretch = 0.5 * (np.abs(np.log(variance / variance2)) - 3.0 * np.sqrt(of_variance + of_variance2))
    return float(max(np.max(shift, initial=0.0), np.max(stretch, initial=0.0)))


def resample(
    generator: np.random.Generator, log_weights: Float[np.ndarray, " n"], number: int
) -> Int[np.ndarray, " m"]:
    """Choose so many draws of equal weight by systematic resampling, in random order."""
    places = (np.arange(number) + generator.random()) / number
    cumulated = np.cumsum(np.exp(log_weights))
    chosen = np.searchsorted(cumulated / cumulated[-1], places)
    return generator.permutation(np.minimum(chosen, len(log_weights) - 1))


def weighted_quantile(
    values: Float[np.ndarray, " n"], log_weights: Float[np.ndarray, " n"], probability: float
) -> float:
    """Return the value below which so much of the weight lies."""
    order = np.argsort(values)
    weights = np.exp(log_weights[order])
    cumulated = np.cumsum(weights) - 0.5 * weights
    return float(np.interp(probability * weights.sum(), cumulated, values[order]))
