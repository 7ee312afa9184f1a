"""Upper limits of one image and of several, and whether epochs differ, from the likelihoods of fluxes at a place."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from ..program import call
from .collapse import Collapsible
from .oneimage import log_likelihoods

_NODES, _SUMS = 64, 4000
_DEEP = 25.0
"""A likelihood that is so much lower in ln is none."""


class FluxLikelihood(NamedTuple):
    """The likelihood of fluxes of a source at a place, the background integrated over.

    Attributes:
        fluxes: from 0, shape (m,).
        log_values: largest 0, shape (m,).
        log_empty: that of no flux, as it is.
        log_ratio: ln of that of the best flux over that of no flux.
    """

    fluxes: Float[np.ndarray, " m"]
    log_values: Float[np.ndarray, " m"]
    log_empty: float
    log_ratio: float = 0.0

    @classmethod
    def of(cls, image: Collapsible, place: Float[np.ndarray, " 2"]) -> "FluxLikelihood":
        """Compute it where it counts, for a source so far from the place asked for [arcsec]."""
        exposure = float(np.max(image.image.pixels.exposure))
        counts = float(np.sum(image.image.photons.number))
        fluxes = np.concatenate([[0.0], np.geomspace(1e-2, 20.0 * (counts + 30.0), _NODES - 1)]) / exposure
        empty = -np.inf
        for scan in range(2):
            logs = np.asarray(call(log_likelihoods, image.image, image.priors, image.pixels(place), fluxes))
            empty = float(logs[0]) if not scan else empty
            counting = np.flatnonzero(logs > logs.max() - _DEEP)
            low, high = max(counting[0] - 1, 0), min(counting[-1] + 1, len(fluxes) - 1)
            found = cls(fluxes, logs - logs.max(), empty, max(float(logs.max()) - empty, 0.0))
            fluxes = np.linspace(fluxes[low], fluxes[high], _NODES)
        return found

    def at(self, fluxes: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Interpolate; nothing outside of where it counts."""
        return np.interp(fluxes, self.fluxes, self.log_values, left=-2 * _DEEP, right=-4 * _DEEP)

    def limit(self, probability: float = 0.95) -> float:
        """Return the flux below which so much of its area over flux >= 0 lies."""
        return _quantile(self.fluxes, self.log_values, probability)


def sum_limit(each: Sequence[FluxLikelihood], probability: float = 0.95) -> float:
    """Bound the sum S of the fluxes in n images.

    The likelihoods are convolved. A flat prior on each flux is one of S^(n-1) on their sum, which favours large sums;
    one flat in the sum covers 91 % where 95 % are asked for. S^((n-1)/2) stands between them: in simulations of three
    images with 1 to 100 counts, shared out evenly or not, its 95 % limit held the truth in 95 to 100 % of all cases.
    With one image it is that image's own limit.
    """
    if len(each) == 1:
        return each[0].limit(probability)
    highest = sum(float(one.fluxes[-1]) for one in each)
    fluxes = np.linspace(0.0, highest, _SUMS)
    density = np.ones(1)
    for one in each:
        density = np.convolve(density, np.exp(one.at(fluxes)))[:_SUMS]
        density /= density.max()
    with np.errstate(divide="ignore"):
        logs = np.log(density) - 0.5 * (len(each) - 1) * np.log(np.maximum(fluxes, fluxes[1]))
    return _quantile(fluxes, logs, probability)


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
