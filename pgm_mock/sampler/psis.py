"""Pareto-smoothed importance sampling (Vehtari et al. 2024): a tail fitted to the largest weights, and its k-hat.

k-hat above 0.7 says that no number of draws that one can afford makes the weights trustworthy.
"""

import numpy as np
from jaxtyping import Float


def tail_length(number: int) -> int:
    """Number of the largest weights that make the tail: min(n / 5, 3 sqrt(n))."""
    return max(5, min(number // 5, int(3 * number**0.5)))


def smooth(log_weights: Float[np.ndarray, " n"]) -> tuple[Float[np.ndarray, " n"], float]:
    """Replace the largest weights by the quantiles of a generalised Pareto distribution that is fitted to them.

    Args:
        log_weights: of any normalisation; -inf is a weight of 0.

    Returns:
        The smoothed logarithms, normalised so that the weights add up to 1, and k-hat; NaN and infinity where no
        weight is above 0, or one is not finite.
    """
    log_weights, number = np.asarray(log_weights, float), len(log_weights)
    length, largest = tail_length(number), np.max(log_weights)
    if not np.isfinite(largest):
        return np.full(number, np.nan), np.inf
    shifted = log_weights - largest
    last = np.argpartition(shifted, -length - 1)[-length - 1 :]
    below, *_ = last = last[np.argsort(shifted[last])]
    tail, floor = last[1:], max(shifted[below], np.log(np.finfo(float).tiny))
    k, sigma = fit_pareto(np.maximum(np.exp(shifted[tail]) - np.exp(floor), 0.0))
    if np.isfinite(k):
        probability = (np.arange(length) + 0.5) / length
        log_above = np.log1p(-probability)
        quantiles = -sigma * log_above if abs(k) < 1e-8 else sigma * np.expm1(-k * log_above) / k
        shifted[tail] = np.minimum(np.log(np.exp(floor) + quantiles), 0.0)
    return shifted - np.logaddexp.reduce(shifted), np.inf if np.isnan(k) else k


def fit_pareto(excess: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """Fit a generalised Pareto distribution to sorted values ≥ 0 (Zhang & Stephens 2009), k drawn a little to 0.5.

    Returns:
        The shape k, with the prior of ten observations at 0.5 that PSIS uses, and the scale; NaN where all are 0.
    """
    number = len(excess)
    members = 30 + int(number**0.5)
    largest = excess[-1]
    if not largest > 0:
        return np.nan, np.nan
    quartile = max(excess[int(number / 4 + 0.5) - 1], 1e-3 * largest)
    ratio = np.sqrt(members / (np.arange(1, members + 1) - 0.5))
    b = 1.0 / largest + (1.0 - ratio) / (3.0 * quartile)
    k = np.mean(np.log1p(-b[:, None] * excess), axis=1)
    profile = number * (np.log(-b / k) - k - 1.0)
    best = float(np.average(b, weights=np.exp(profile - profile.max())))
    shape = float(np.mean(np.log1p(-best * excess)))
    return (shape * number + 0.5 * 10.0) / (number + 10.0), -shape / best
