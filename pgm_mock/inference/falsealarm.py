"""How likely an empty place of a stamp gives as large a detection likelihood as was found, the search included.

DET_LIKE takes the likelihood ratio for a chi-square variable with the degrees of freedom of the source's parameters. It
is none: without a source its position means nothing, so that the largest ratio over all positions counts, and at a few
counts a pixel no chi-square is near. Here the model without the source, as it was fitted to the stamp, makes images; in
each the source is searched for and fitted as in the observed one, and the share of images with as large a ratio is the
chance. Beyond the largest of them the tail goes on as that of the chi-square (Gross & Vitells 2010 show that the search
multiplies it by a number).
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float
from numpyro.distributions import constraints

from ..model import EXPECTED
from ..observation import Observation
from ..priors import Priors
from ..psf import PSF, light_in_pixels, with_slope
from ..random import source_generator
from .limits import detection_likelihood
from .methods import Plan
from .nosource import OF_SOURCE, source_parameters
from .posterior import StampPosterior
from .program import call
from .refit import program_for, refit_with_height
from .search import FARTHEST, STEPS

_AT_ONCE, _LOTS = 55, 4
"""Images that are made at a time, which with the observed one fill a call of `refit`, and how often, at most."""
_TAIL = 0.1
"""Share of the images that the tail is fitted to."""
LEAST_CHANCE = 1e-16
"""Nothing is said below it: the tail of a chi-square, far from every image, is no measurement."""
_CLEAR = 1e-4
"""A chance below this needs no more images."""
_TINY_COUNTS = 0.1


def programs_for(stamp: Observation, priors: Priors, plan: Plan) -> list[partial[Any]]:
    """Return the calls of `with_false_alarm` that take long to compile, to be compiled beside the posterior."""
    searched = "flux" in priors.free and plan.method != "nuts" and not priors.only_for_nuts()
    return [program_for(stamp, priors)] if searched else []


def with_false_alarm(found: StampPosterior, plan: Plan) -> StampPosterior:
    """Add `p_false` to a posterior's numbers, where its model can be without its source."""
    if not found.without_source or "flux" not in found.priors.free:
        return found
    chance = false_alarm(found.observation, found.priors, found.without_source, plan.seed)
    return replace(found, numbers=found.numbers | {"p_false": chance})


def false_alarm(stamp: Observation, priors: Priors, without_source: Mapping[str, np.ndarray], seed: int) -> float:
    """Return the chance that the stamp without its source gives as large a likelihood ratio.

    Args:
        stamp: what was observed.
        priors: of the model; the position's prior says where a source is searched for.
        without_source: parameters of the model without the source, fitted to the stamp, and its expected counts.
        seed: of the images.
    """
    mean = np.asarray(without_source[EXPECTED], float)
    generator = source_generator(seed, f"false alarms of {stamp.name}")
    search = _Search(stamp, priors, mean, without_source)
    degrees = source_parameters(priors)
    observed, ratios = math.nan, np.zeros(0)
    chance = math.nan
    for _ in range(_LOTS):
        images = generator.poisson(np.where(stamp.exposure > 0, mean, 0.0), (_AT_ONCE, *stamp.shape))
        found = search.ratios(np.concatenate([stamp.counts[None], images]))
        observed, ratios = found[0], np.concatenate([ratios, found[1:]])
        chance = _tail(observed, ratios, degrees)
        if chance < _CLEAR:
            break
    return chance


def _tail(observed: float, ratios: Float[np.ndarray, " n"], degrees: int) -> float:
    """Return the share of the images with as large a ratio; beyond most of them by the tail of a chi-square."""
    number = len(ratios)
    larger = int(np.sum(ratios >= observed))
    in_tail = max(5, int(_TAIL * number))
    if larger >= in_tail or observed <= 0:
        return (1 + larger) / (1 + number)
    edge = float(np.sort(ratios)[-in_tail])
    decay = detection_likelihood(observed, degrees) - detection_likelihood(max(edge, 0.0), degrees)
    return max(float(in_tail / number * math.exp(-max(decay, 0.0))), LEAST_CHANCE)


class _Search:
    """A source is searched for, and fitted, in images of one stamp."""

    def __init__(
        self, stamp: Observation, priors: Priors, mean: np.ndarray, without_source: Mapping[str, np.ndarray]
    ) -> None:
        self.stamp, self.priors, self.without = stamp, priors, without_source
        x, y = (_places(priors, name, ramp) for name, ramp in (("x_pos", stamp.columns), ("y_pos", stamp.rows)))
        self.x, self.y = (np.ravel(each) for each in np.meshgrid(x, y))
        width = float(priors.quantiles("psf_width", (0.5,))[0])
        slope = float(priors.quantiles("psf_slope", (0.5,))[0]) if "psf_slope" in priors else None
        light = _light_of_places(stamp, self.x, self.y, with_slope(priors.psf, slope), width)
        seen = (light * stamp.exposure).reshape(len(self.x), -1)
        self.total = np.maximum(seen.sum(axis=1), 1e-30)
        self.ratio = seen / np.where(stamp.exposure > 0, np.maximum(mean, 1e-30), 1.0).ravel()
        self.width = width

    def ratios(self, images: Float[np.ndarray, "n ny nx"]) -> Float[np.ndarray, " n"]:
        """Return ln likelihood ratio of the best source to none in each image, at least 0."""
        best = [self._best_place(image) for image in images]
        place = np.array([number for number, _ in best])
        flux = np.array([flux for _, flux in best])
        number = len(images)
        starts = {
            name: np.repeat(np.asarray(value)[None], number, axis=0)
            for name, value in self.without.items()
            if name != EXPECTED
        }
        least = _TINY_COUNTS / self.total[place]
        lit = starts | {"x_pos": self.x[place], "y_pos": self.y[place], "flux": np.maximum(flux, least)}
        if "psf_width" not in self._shared():
            lit["psf_width"] = np.full(number, self.width)
        dark = starts | {"flux": np.full(number, 1e-12 * least.min())}
        refitted = [name for name in self.priors.free if name not in OF_SOURCE or name in self._shared()]
        without = refit_with_height(self.stamp, images, dark, self.priors, free=refitted)[1]
        flat = {name: 0.0 for name in ("flux", "x_pos", "y_pos") if name == "flux" or _bounded(self.priors, name)}
        with_it = refit_with_height(self.stamp, images, lit, self.priors, prior_share=flat)[1]
        return np.maximum(np.where(flux > 0, with_it - without, 0.0), 0.0)

    def _shared(self) -> tuple[str, ...]:
        """The source's parameters that its neighbours have as well."""
        return ("psf_width", "psf_slope") if self.priors.neighbours else ()

    def _best_place(self, image: Float[np.ndarray, "ny nx"]) -> tuple[int, float]:
        """Return the place with the largest likelihood ratio, and the best flux there."""
        (pixels,) = np.nonzero(image.ravel())
        number, ratio = image.ravel()[pixels], self.ratio[:, pixels]
        flux = np.zeros(len(self.x))
        for _ in range(STEPS):
            slope = ratio / (1.0 + flux[:, None] * ratio)
            value, bend = slope @ number, (slope * slope) @ number
            grown = flux + value / np.maximum(bend, 1e-300) * (value / self.total - 1.0)
            flux = np.where(value > self.total, grown, flux)
        gain = np.log1p(flux[:, None] * ratio) @ number - flux * self.total
        place = int(np.argmax(gain))
        return place, float(flux[place])


def _places(priors: Priors, name: str, ramp: np.ndarray) -> np.ndarray:
    """Return the pixels at which a source is searched for, or its fixed place."""
    prior = priors.free.get(name)
    if prior is None:
        return np.array([float(np.asarray(priors[name]))])
    low, high = _bounds(priors, name)
    inside = np.ravel(ramp)[(np.ravel(ramp) > low) & (np.ravel(ramp) < high)]
    return inside if inside.size else np.clip(priors.quantiles(name, (0.5,)), np.min(ramp), np.max(ramp))


def _bounds(priors: Priors, name: str) -> tuple[float, float]:
    if _bounded(priors, name):
        support: Any = priors.free[name].support
        low, high = getattr(support, "lower_bound", -math.inf), getattr(support, "upper_bound", math.inf)
        return float(np.asarray(low)), float(np.asarray(high))
    low, middle, high = priors.quantiles(name, (0.16, 0.5, 0.84))
    return float(middle - FARTHEST * (middle - low)), float(middle + FARTHEST * (high - middle))


def _bounded(priors: Priors, name: str) -> bool:
    return name in priors.free and priors.free[name].support is not constraints.real


def _light_of_places(
    stamp: Observation, x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], psf: PSF, width: float
) -> Float[np.ndarray, "n ny nx"]:
    """Fraction of the light of a source at each of n places, which are whole pixels apart, in each pixel."""
    ny, nx = stamp.shape
    column, row = (np.floor(each + 0.5) for each in (x, y))
    around = np.arange(1.0 - nx, nx)[None, :], np.arange(1.0 - ny, ny)[:, None]
    light = np.asarray(call(light_in_pixels, psf, *around, float(x[0] - column[0]), float(y[0] - row[0]), width))
    left, low = nx - 1 - (column - stamp.origin[0]).astype(int), ny - 1 - (row - stamp.origin[1]).astype(int)
    return np.stack([light[b : b + ny, a : a + nx] for a, b in zip(left, low, strict=True)])
