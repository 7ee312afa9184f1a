"""Amplitudes of images that are added up, at the largest Poisson likelihood."""

import numpy as np

_EXPECTATION_STEPS, _NEWTON_STEPS = 5, 12


def fit_amplitudes(
    number: np.ndarray, basis: np.ndarray, totals: np.ndarray, fixed: np.ndarray, start: np.ndarray | None = None
) -> np.ndarray:
    """Return amplitudes ≥ 0 at the largest Poisson likelihood: steps of expectation-maximisation, then of Newton.

    Args:
        number: counts of the pixels that have any, shape (n,).
        basis: counts that each image makes there at amplitude 1, shape (k, n).
        totals: that each makes in all, shape (k,).
        fixed: counts expected there whatever the amplitudes, shape (n,).
        start: to begin from.
    """
    # Sums by einsum: threads of linear algebra on matrices so flat wait for each other longer than they compute.
    used = totals > 0
    amplitudes = np.where(used, number.sum() / (used.sum() * np.where(used, totals, 1.0)), 0.0)
    if start is not None:
        amplitudes[: len(start)] = np.where(start > 0, start, 1e-3 * amplitudes[: len(start)])
    totals = np.where(used, totals, 1.0)

    def log_likelihood(at: np.ndarray) -> float:
        mean = _sum(at, basis) + fixed
        return -np.inf if np.any(mean <= 0) else float(number @ np.log(mean) - at @ totals)

    for _ in range(_EXPECTATION_STEPS):
        amplitudes = (
            amplitudes
            * np.einsum("kn,n->k", basis, number / np.maximum(_sum(amplitudes, basis) + fixed, 1e-300))
            / totals
        )
    height = log_likelihood(amplitudes)
    for _ in range(_NEWTON_STEPS):
        mean = _sum(amplitudes, basis) + fixed
        slope = np.einsum("kn,n->k", basis, number / mean) - totals
        free = (amplitudes > 1e-8 * number.sum() / totals) | (slope > 0)
        scaled = basis[free] * (np.sqrt(number) / mean)
        bend = np.einsum("kn,ln->kl", scaled, scaled)
        step = np.zeros_like(amplitudes)
        step[free] = np.linalg.solve(bend + 1e-9 * np.diag(np.diag(bend)) + 1e-300 * np.eye(len(bend)), slope[free])
        for shrink in 0.5 ** np.arange(8):
            new = np.maximum(amplitudes + shrink * step, 0.0)
            if (higher := log_likelihood(new)) >= height:
                break
        else:
            break
        gained, amplitudes, height = higher - height, new, higher
        if gained < 1e-4:
            break
    return amplitudes


def _sum(amplitudes: np.ndarray, basis: np.ndarray) -> np.ndarray:
    return np.einsum("k,kn->n", amplitudes, basis)
