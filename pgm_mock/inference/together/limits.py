"""Upper limits of one image and of several, and whether epochs differ, from the likelihoods of fluxes at a place."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from ..program import call
from .collapse import Collapsible
from .oneimage import log_likelihoods

_NODES, _SHARES, _SUMS = 64, 400, 192
_DEEP = 25.0
"""A likelihood that is so much lower in ln is none."""


class FluxLikelihood(NamedTuple):
    """The likelihood of fluxes of a source at a place, the background integrated over.

    Attributes:
        fluxes: from 0, shape (m,).
        log_values: largest 0, shape (m,).
        log_empty: that of no flux, as it is.
    """

    fluxes: Float[np.ndarray, " m"]
    log_values: Float[np.ndarray, " m"]
    log_empty: float

    @classmethod
    def of(cls, image: Collapsible, place: Float[np.ndarray, " 2"]) -> "FluxLikelihood":
        """Compute it where it counts, for a source so far from the place asked for [arcsec]."""
        exposure = float(np.max(image.image.exposure))
        counts = float(np.sum(image.image.photons.number))
        fluxes = np.concatenate([[0.0], np.geomspace(1e-2, 20.0 * (counts + 30.0), _NODES - 1)]) / exposure
        empty = -np.inf
        for scan in range(2):
            logs = np.asarray(call(log_likelihoods, image.image, image.priors, image.pixels(place), fluxes))
            empty = float(logs[0]) if not scan else empty
            counting = np.flatnonzero(logs > logs.max() - _DEEP)
            low, high = max(counting[0] - 1, 0), min(counting[-1] + 1, len(fluxes) - 1)
            found = cls(fluxes, logs - logs.max(), empty)
            fluxes = np.linspace(fluxes[low], fluxes[high], _NODES)
        return found

    def at(self, fluxes: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Interpolate; nothing outside of where it counts."""
        return np.interp(fluxes, self.fluxes, self.log_values, left=-2 * _DEEP, right=-4 * _DEEP)

    def limit(self, probability: float = 0.95) -> float:
        """Return the flux below which so much of its area over flux >= 0 lies."""
        return _quantile(self.fluxes, self.log_values, probability)


def sum_limit(each: Sequence[FluxLikelihood], generator: np.random.Generator, probability: float = 0.95) -> float:
    """Bound the sum of the fluxes in several images, with a flat prior on the sum and on how it is shared out.

    A flat prior on each flux would favour large sums. With one image it is that image's own limit.
    """
    if len(each) == 1:
        return each[0].limit(probability)
    shares = generator.dirichlet(np.ones(len(each)), _SHARES)
    highest = sum(one.fluxes[-1] for one in each)
    for _ in range(3):
        sums = np.linspace(0.0, highest, _SUMS)
        logs = sum(one.at(sums[:, None] * part) for one, part in zip(each, shares.T, strict=True))
        area = np.logaddexp.reduce(logs, axis=1)
        highest = sums[min(np.flatnonzero(area > area.max() - _DEEP)[-1] + 1, _SUMS - 1)]
    return _quantile(sums, area, probability)


def ln_bayes_variable(
    groups: Sequence[Sequence[Collapsible]], places: Float[np.ndarray, "m images 2"], order: Sequence[Sequence[int]]
) -> float:
    """Ln of the Bayes factor of a flux of its own in each epoch against one flux, in all groups of images together.

    Given the places, both models' evidences are integrals over fluxes; their ratio is averaged over posterior draws of
    the model with unlike fluxes. The prior of a flux is that of the group's first image, for either model.

    Args:
        groups: images of one camera and band, at unlike epochs.
        places: posterior draws of each image's own place [arcsec].
        order: of each group's images, their numbers among all images.
    """
    ratios = []
    for place in places:
        ratio = 0.0
        for group, numbers in zip(groups, order, strict=True):
            each = [FluxLikelihood.of(image, place[number]) for image, number in zip(group, numbers, strict=True)]
            steps = np.unique(np.concatenate([one.fluxes for one in each]))
            steps = steps[steps > 0]
            flux: Any = group[0].priors["flux"]
            prior = np.asarray(flux.log_prob(steps))
            logs = np.stack([one.at(steps) for one in each])
            ratio += _log_area(steps, logs.sum(axis=0) + prior) - sum(_log_area(steps, one + prior) for one in logs)
        ratios.append(ratio)
    return -float(np.logaddexp.reduce(ratios) - math.log(len(ratios)))


def _log_area(steps: np.ndarray, logs: np.ndarray) -> float:
    highest = float(logs.max())
    return highest + math.log(max(float(np.trapezoid(np.exp(logs - highest), steps)), 1e-300))


def _quantile(values: np.ndarray, logs: np.ndarray, probability: float) -> float:
    density = np.exp(logs - logs.max())
    cumulated = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(values))])
    return float(np.interp(probability * cumulated[-1], cumulated, values))
