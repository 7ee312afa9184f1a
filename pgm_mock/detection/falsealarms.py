"""How many false sources a threshold lets through, from images of the field's own background."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .background import BackgroundModel
from .jointfit import refit
from .pointsources import PointSources
from .ratiomap import RatioMap
from .rounds import ALLOWANCE, find_peaks, fit_together

TAIL = 6.5
"""The tail of the statistic is measured from this ln likelihood ratio on."""
_TIMES = 2
_FEWEST = 10
"""Peaks in the tail from which its slope is measured; with fewer, it is taken to be 1."""


class FalseAlarms(NamedTuple):
    """False sources in a field: `number` exp(-`slope` (L - `start`)) with a ln likelihood ratio above L.

    Attributes:
        number: above `start` in a field.
        slope: of the tail.
        start: of the tail.
        peaks: that were seen there, in all mocks together.
        mocks: how many.
    """

    number: float
    slope: float
    start: float
    peaks: int
    mocks: int

    def expected(self, threshold: np.ndarray | float) -> np.ndarray:
        """Return how many false sources in a field are above a ln likelihood ratio."""
        return self.number * np.exp(-self.slope * (np.asarray(threshold) - self.start))

    def threshold(self, number: float) -> float:
        """Return the ln likelihood ratio that so many false sources in a field exceed."""
        return self.start + float(np.log(self.number / number)) / self.slope

    def error(self, threshold: float) -> float:
        """Return the relative standard error of `expected`: that of the number and that of the slope."""
        peaks = max(self.peaks, 1)
        return float(np.sqrt(1.0 + (self.slope * (threshold - self.start)) ** 2) / np.sqrt(peaks))


def calibrate_false_alarms(
    background: BackgroundModel,
    mean: np.ndarray,
    ratio_map: RatioMap,
    num_mocks: int,
    seed: int,
    advance: Callable[[], object] | None = None,
) -> FalseAlarms:
    """Measure the tail of the statistic on mock images without point sources.

    Each image is drawn from the counts that lie behind, and everything is done with it that is done with the real one:
    what lies behind is fitted, the map is made, maxima are refined, and each one's likelihood ratio is computed. The
    number above L falls as an exponential, so that some ten images are enough for one false source in two.

    Args:
        background: the model of what lies behind.
        mean: counts that it expects, shape (ny, nx).
        ratio_map: of the field.
        num_mocks: how many images.
        seed: of the images.
        advance: is called after each.
    """
    found = []
    for number in range(num_mocks):
        found.append(false_peaks(np.random.default_rng([seed, number]).poisson(mean), background, ratio_map))
        if advance is not None:
            advance()
    return tail_of(np.concatenate(found), num_mocks)


def tail_of(ratios: np.ndarray, num_mocks: int) -> FalseAlarms:
    """Return the exponential tail at the largest likelihood."""
    above = ratios[ratios > TAIL]
    slope = 1.0 if len(above) < _FEWEST else (len(above) - 1) / float(np.sum(above - TAIL))
    # With no peak at all, the number is what has not been seen in so many images with a chance of a half.
    return FalseAlarms(max(len(above), 0.7) / num_mocks, slope, TAIL, len(above), num_mocks)


def false_peaks(counts: np.ndarray, background: BackgroundModel, ratio_map: RatioMap) -> np.ndarray:
    """Return the ln likelihood ratios of the sources that an image without sources seems to have."""
    fitted = background.fit(counts, np.zeros(counts.shape))
    ratio = ratio_map(counts, fitted.mean)
    rows, columns = find_peaks(ratio.gain, TAIL - ALLOWANCE, part_of_top=0.0)
    sources = PointSources.none(ratio_map.exposure, ratio_map.psf)
    sources = sources.adding_at(rows, columns, ratio.flux[rows, columns])
    sources = refit(sources, counts, fitted.mean)
    sources = sources.keeping(sources.likelihood_ratios(counts, fitted.mean) > TAIL - ALLOWANCE)
    # What lies behind is fitted to what the sources leave, as it is with real ones: that raises each ratio by 0.2.
    sources, fitted = fit_together(counts, background, fitted, sources, _TIMES)
    return sources.likelihood_ratios(counts, fitted.mean)
