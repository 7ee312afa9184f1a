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


def resample(
    generator: np.random.Generator, log_weights: Float[np.ndarray, " n"], number: int
) -> Int[np.ndarray, " m"]:
    """Choose so many draws of equal weight by systematic resampling, in random order."""
    places = (np.arange(number) + generator.random()) / number
    cumulated = np.cumsum(np.exp(log_weights))
    chosen = np.searchsorted(cumulated / cumulated[-1], places)
    return generator.permutation(np.minimum(chosen, len(log_weights) - 1))
