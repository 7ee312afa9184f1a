"""The fit of all point sources of a field, places too, against what lies behind: group by group, each one jointly."""

from typing import NamedTuple

import numpy as np

from .pointsources import PointSources

_STEPS = 3
_LONGEST_STEP = 1.0
"""Of a position in one step [pixels]."""
_LONGEST_GROWTH, _LONGEST_STRETCH, _MOST_STRETCH = 2.0, 0.3, 1.0
"""Of ln flux and of ln width in one step; and of ln width at all."""
_BRIGHT = 500.0
"""Counts from which the PSF's width is fitted for each source: an error of a tenth shows in so many."""
_KNOWN = 0.15
"""Standard deviation of the prior of ln width there, at most."""
_ENOUGH = 1e-3
"""A fit has arrived where a step gains less ln likelihood."""
_PRECISIONS = (1e-6, 1e-3, 1e-3)
"""Added to the information on ln flux, x and y, so that a source without counts stays where it is."""


def refit(
    sources: PointSources, counts: np.ndarray, mean: np.ndarray, steps: int = _STEPS, spread: float | None = None
) -> PointSources:
    """Return the sources fitted anew: each group's places, fluxes and, where it is bright, widths together.

    Args:
        sources: where to begin.
        counts: of the field, shape (ny, nx).
        mean: of what lies behind, shape (ny, nx).
        steps: for each group.
        spread: standard deviation of the prior of ln width of each source; by default 0.15 or the PSF's own for bright
            ones, and fixed for faint ones.
    """
    image = sources.image()
    for numbers in sources.groups():
        group = _Group.of(sources, numbers, counts, mean, image)
        if spread is not None:
            group = group._replace(spread=np.full(len(numbers), spread))
        before = sources
        sources = group.fitted(sources, steps)
        for one in numbers:
            image[group.box] += sources.flux[one] * sources.light(one, group.box)
            image[group.box] -= before.flux[one] * before.light(one, group.box)
    return sources


def standard_errors(sources: PointSources, counts: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return standard errors of ln flux, x and y of each source, shape (m, 3), from the Fisher information.

    The arguments are those of `refit`.
    """
    image = sources.image()
    errors = np.zeros((len(sources), 3))
    for numbers in sources.groups():
        group = _Group.of(sources, numbers, counts, mean, image)
        _, fisher = group.information(sources, group.slopes(sources))
        errors[numbers] = np.sqrt(np.diag(np.linalg.inv(fisher))).reshape(-1, 4)[:, :3]
    return errors


class _Group(NamedTuple):
    """Sources that are near each other, and the pixels about them.

    Attributes:
        numbers: of the sources.
        box: rows and columns.
        seen: which of its pixels are exposed.
        counts, without, exposure: of those: counts, what is expected without these sources, exposure.
        spread: standard deviation of the prior of ln width of each source; 0 where the width is not fitted.
    """

    numbers: np.ndarray
    box: tuple[slice, slice]
    seen: np.ndarray
    counts: np.ndarray
    without: np.ndarray
    exposure: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(
        cls, sources: PointSources, numbers: np.ndarray, counts: np.ndarray, mean: np.ndarray, image: np.ndarray
    ) -> "_Group":
        """Cut the group's pixels out of a field; `image` is the light of all its sources."""
        box = sources.box(numbers)
        own = sum(sources.flux[one] * sources.light(one, box) for one in numbers)
        seen = sources.exposure[box] > 0
        without = mean[box] + np.maximum(image[box] - own, 0.0)
        psfs = [sources.psf.at(sources.x[one], sources.y[one]) for one in numbers]
        bright = sources.counts()[numbers] > _BRIGHT
        spread = np.where(bright, [min(float(psf.width_spread), _KNOWN) for psf in psfs], 0.0)
        exposure = sources.exposure[box][seen]
        return cls(numbers, box, seen, counts[box][seen].astype(float), without[seen], exposure, spread)

    def fitted(self, sources: PointSources, steps: int) -> PointSources:
        """Climb by Fisher scoring, each step halved until the likelihood grows."""
        slopes = self.slopes(sources)
        height = self._height(sources, slopes)
        for _ in range(steps):
            slope, fisher = self.information(sources, slopes)
            step = np.linalg.solve(fisher, slope).reshape(-1, 4)
            for shrink in 0.5 ** np.arange(6):
                moved = self._moved(sources, shrink * step)
                fresh = self.slopes(moved)
                if (higher := self._height(moved, fresh)) >= height:
                    break
            else:
                break
            gained, height, sources, slopes = higher - height, higher, moved, fresh
            if gained < _ENOUGH:
                break
        return sources

    def slopes(self, sources: PointSources) -> np.ndarray:
        """Counts at flux 1 and their derivatives by x, y and ln width at the pixels, shape (sources, 4, pixels)."""
        ramps = sources.ramps(self.box)
        places = zip(sources.x[self.numbers], sources.y[self.numbers], map(sources.width, self.numbers), strict=True)
        each = [sources.psf.light_and_slopes(*ramps, *place) for place in places]
        return np.stack(each)[:, :, self.seen] * self.exposure

    def information(self, sources: PointSources, slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the gradient and the Fisher information of ln posterior by ln flux, x, y and ln width of each."""
        flux = sources.flux[self.numbers]
        mean = self.without + flux @ slopes[:, 0]
        jacobian = (slopes * flux[:, None, None]).reshape(4 * len(flux), -1)
        width = np.where(self.spread > 0, 1.0 / np.maximum(self.spread, 1e-9) ** 2, 1e12)
        precision = np.column_stack([np.broadcast_to(_PRECISIONS, (len(flux), 3)), width])
        gradient = jacobian @ (self.counts / mean - 1.0)
        gradient[3::4] = np.where(self.spread > 0, gradient[3::4] - width * sources.stretch[self.numbers], 0.0)
        return gradient, (jacobian / mean) @ jacobian.T + np.diag(precision.ravel())

    def _height(self, sources: PointSources, slopes: np.ndarray) -> float:
        """Ln posterior, but for a constant."""
        mean = self.without + sources.flux[self.numbers] @ slopes[:, 0]
        off = sources.stretch[self.numbers] / np.where(self.spread > 0, self.spread, np.inf)
        return float(self.counts @ np.log(mean) - mean.sum() - 0.5 * off @ off)

    def _moved(self, sources: PointSources, step: np.ndarray) -> PointSources:
        """Return sources after a step, none of which goes too far or out of the image."""
        ny, nx = sources.exposure.shape
        left, low = (first - 0.5 for first in sources.psf.origin)
        x, y, flux, stretch = (each.copy() for each in (sources.x, sources.y, sources.flux, sources.stretch))
        length = np.maximum(np.hypot(step[:, 1], step[:, 2]) / _LONGEST_STEP, 1.0)
        flux[self.numbers] *= np.exp(np.clip(step[:, 0], -_LONGEST_GROWTH, _LONGEST_GROWTH))
        x[self.numbers] = np.clip(x[self.numbers] + step[:, 1] / length, left, left + nx)
        y[self.numbers] = np.clip(y[self.numbers] + step[:, 2] / length, low, low + ny)
        grown = np.clip(step[:, 3], -_LONGEST_STRETCH, _LONGEST_STRETCH) * (self.spread > 0)
        stretch[self.numbers] = np.clip(stretch[self.numbers] + grown, -_MOST_STRETCH, _MOST_STRETCH)
        return sources.changed(x, y, flux, stretch)
