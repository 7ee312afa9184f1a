"""What the samples of a stamp come to: evidence, detection, limits, positions, and what the certificate lacks."""

from typing import NamedTuple

import numpy as np

from ..priors import Priors
from ..sampler.weights import (
    KHAT_LIMIT,
    Weights,
    disagreement,
    log_evidence,
    problems,
    weigh,
    weighted_quantile,
)
from . import importance
from .doubts import EVIDENCE, LIMIT, POSITION
from .limits import detectable_flux, detection_likelihood
from .nosource import log_flat_over_prior

_LEAST_SHARE, _NOTED_SHARE = 0.01, 0.05
_CLEAR = 30.0
"""From this ln Bayes factor on, nobody asks for its decimals, nor for an upper limit."""
_APART = 3.0
"""Modes so far apart [pixels] are different positions."""


class Samples(NamedTuple):
    """What was drawn for one stamp.

    Attributes:
        full: from the posterior.
        empty: under no source, where the model has more than a source on a background; else None.
        empty_weights: their weights.
        there: with the source at the place asked for, likewise; and
        there_priors: the priors of that.
    """

    full: importance.ImportanceSample
    empty: importance.ImportanceSample | None = None
    empty_weights: Weights | None = None
    there: importance.ImportanceSample | None = None
    there_priors: Priors | None = None


def problems_of(sample: importance.ImportanceSample, weights: Weights, min_ess: float, rounds: int) -> tuple[str, ...]:
    """Say what the certificate lacks."""
    apart = disagreement(sample.log_density, sample.log_own, sample.vectors, rounds)
    found = problems(weights, min_ess, apart, int(sample.undefined))
    if not (left_out := int(sample.left_out)):
        return found
    where = "place" if left_out == 1 else "places"
    return (*found, f"{left_out} more {where} in the stamp may hold part of the posterior")


def numbers_of(
    samples: Samples, weights: Weights, degrees: int, rounds: int
) -> tuple[dict[str, float], dict[str, str]]:
    """Evidence, detection and limits; and which of them are uncertain, in words."""
    sample, uncertain = samples.full, {}
    evidence = log_evidence(sample.log_density, sample.log_own, rounds)
    if samples.empty and samples.empty_weights and samples.there and samples.there_priors:
        without = log_evidence(samples.empty.log_density, samples.empty.log_own, rounds)
        best_without = float(samples.empty.log_likelihood_at_best)
        fluxes = np.asarray(samples.there.parameters["flux"], float)
        flat = log_flat_over_prior(fluxes, samples.there_priors)
        at_place = weigh(samples.there.log_density + flat, samples.there.log_proposal)
        limit = weighted_quantile(fluxes, at_place.log_weights, 0.95)
        parts = {
            EVIDENCE: (samples.empty_weights, "the ln Bayes factor", without),
            LIMIT: (at_place, "the upper limit", limit),
        }
        uncertain = {
            about: f"{words} is uncertain (k-hat {its.khat:.2f}, expected at most {KHAT_LIMIT})"
            for about, (its, words, value) in parts.items()
            if not its.khat <= KHAT_LIMIT and (evidence - without < _CLEAR or not np.isfinite(value))
        }
    else:
        if sample.source_free is None or sample.upper_limit is None:
            raise TypeError("expected the model without a source, found none")
        without, best_without = float(sample.source_free.log_evidence), float(sample.source_free.max_log_likelihood)
        limit = float(sample.upper_limit)
    ratio = float(sample.max_log_likelihood) - best_without
    numbers = {
        "khat": weights.khat,
        "ess": weights.ess,
        "log_evidence": evidence,
        "ln_bayes_factor": evidence - without,
        "det_like": detection_likelihood(ratio, degrees) if degrees else 0.0,
        "flux_ul95": limit,
        "flux_detectable": detectable_flux(sample.aperture),
    }
    return numbers, uncertain


def positions_of(sample: importance.ImportanceSample, log_weights: np.ndarray) -> tuple[int, dict[str, str]]:
    """Count the positions between which the posterior is divided, and say so where there are several."""
    modes = np.stack([sample.mode_x, sample.mode_y], axis=1)[np.asarray(sample.mode_share) > _LEAST_SHARE]
    apart: list[np.ndarray] = []
    for mode in modes:
        if all(np.hypot(*(mode - other)) > _APART for other in apart):
            apart.append(mode)
    if len(apart) < 2:
        return 1, {}
    draws = np.stack([sample.parameters["x_pos"], sample.parameters["y_pos"]], axis=1)
    distance = [np.hypot(*(draws - mode).T) for mode in apart]
    nearest = np.argmin(distance, axis=0)
    shares = np.bincount(nearest, np.exp(log_weights), len(apart))
    order = [place for place in np.argsort(-shares) if shares[place] >= _NOTED_SHARE]
    if len(order) < 2:
        return 1, {}
    parts = " : ".join(f"{100 * shares[place]:.0f}" for place in order)
    where = ", ".join(f"x={apart[place][0]:.1f} y={apart[place][1]:.1f}" for place in order)
    count = {2: "two", 3: "three", 4: "four"}.get(len(order), str(len(order)))
    return len(order), {POSITION: f"{count} positions, {parts} ({where})"}
