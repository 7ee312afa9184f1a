r"""What lies behind point sources: sky, particles and extended sources, fitted to the counts of a whole field.

    \[ \mu_0 = c(x) (a_1 t + a_2 t / v + \sum_k a_k G_k t) + \sum_j F_j t P_j \]

with the exposure t, the mirrors' vignetting v (particles are not focused, so that the mirrors do not dim them
outwards), elliptical Gaussians G of nine sizes about the centre of each extended source, and the point sources. All
amplitudes are at least 0, at the largest Poisson likelihood. What this leaves is taken by c(x), the ratio of the
smoothed counts to the smoothed model: at the finest scale that holds 400 counts, and never so fine that it would take a
source away.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..vignetting import particles
from .amplitudes import fit_amplitudes
from .extended import Ellipse, half_light_radius

if TYPE_CHECKING:
    from ..observation import Observation

_SMOOTH_COUNTS = 400.0
_FINEST = 16.0
"""Standard deviation of the finest smoothing [pixels]."""
_RANGE = (0.2, 5.0)
"""Of c(x)."""
_WIDEST = 1.0 / 6.0
"""Of an extended source's Gaussians, as a part of the image: wider ones are sky."""
_COARSE = 4


@dataclass(frozen=True, eq=False)
class BackgroundModel:
    """The model of what lies behind, for one exposure map.

    Attributes:
        exposure: shape (ny, nx).
        images: counts that each part makes at amplitude 1, shape (k, ny, nx): the sky's, the particles', and the sizes
            of each extended source.
        owner: which of `extended` each belongs to, shape (k,); -1 for sky and particles.
        extended: the sources that are modelled as such.
    """

    exposure: np.ndarray
    images: np.ndarray
    owner: np.ndarray
    extended: tuple[Ellipse, ...] = ()

    @classmethod
    def of(cls, observation: "Observation") -> "BackgroundModel":
        """Take the sky, and particles: the observation's background map, or what the vignetting shows."""
        exposure = observation.exposure
        images = [exposure]
        if (template := particles(observation)) is not None:
            images.append(template)
        return cls(exposure, np.stack(images), np.full(len(images), -1))

    def with_extended(self, source: Ellipse) -> "BackgroundModel":
        """Return the model with one more extended source."""
        ny, nx = self.exposure.shape
        few = source.sizes < max(_WIDEST * min(ny, nx), 2.0 * source.sizes.min())
        source = source._replace(sizes=source.sizes[few])
        more = source.images(np.arange(nx, dtype=float)[None, :], np.arange(ny, dtype=float)[:, None]) * self.exposure
        owner = np.append(self.owner, np.full(len(more), len(self.extended)))
        images = np.concatenate([self.images, more])
        return replace(self, images=images, owner=owner, extended=(*self.extended, source))

    @cached_property
    def _exposed(self) -> np.ndarray:
        return self.exposure > 0

    @cached_property
    def _totals(self) -> np.ndarray:
        return self.images.sum(axis=(1, 2))

    def fit(self, counts: np.ndarray, sources: np.ndarray, start: np.ndarray | None = None) -> "Fitted":
        """Fit the amplitudes and c(x).

        Args:
            counts: shape (ny, nx).
            sources: counts expected of the point sources, shape (ny, nx).
            start: amplitudes to begin from.
        """
        lit = (counts > 0) & self._exposed
        number = counts[lit].astype(float)
        totals = self._totals
        amplitudes = fit_amplitudes(number, self.images[:, lit], totals, sources[lit], start)
        # An image of which nothing is left has one count in all, so that a photon in it is not infinitely surprising.
        amplitudes[0] = max(amplitudes[0], 1e-3 / totals[0])
        model = np.einsum("k,kyx->yx", amplitudes, self.images)
        return Fitted(amplitudes, model, model * self._correction(counts, sources, model))

    def extended_counts(self, fitted: "Fitted") -> np.ndarray | None:
        """Return the counts that the extended sources alone make, shape (ny, nx), or None without any."""
        own = self.owner >= 0
        return np.einsum("k,kyx->yx", fitted.amplitudes[own], self.images[own]) if own.any() else None

    def half_light(self, fitted: "Fitted") -> list[tuple[Ellipse, float]]:
        """Return each extended source with the radius that holds half of its light [pixels]."""
        found = []
        for number, source in enumerate(self.extended):
            shares = fitted.amplitudes[self.owner == number]
            if shares.sum() > 0:
                found.append((source, half_light_radius(source.sizes * np.sqrt(source.ratio), shares)))
        return found

    def _correction(self, counts: np.ndarray, sources: np.ndarray, model: np.ndarray) -> np.ndarray:
        """Return c(x)."""
        density = float(np.median(model[self._exposed]))
        if density <= 0:
            return np.ones_like(model)
        scale = max(np.sqrt(_SMOOTH_COUNTS / (4.0 * np.pi * density)), _FINEST)
        if scale > max(model.shape):
            return np.ones_like(model)
        left, smooth = (smoothed(np.where(self._exposed, image, 0.0), scale) for image in (counts - sources, model))
        return np.where(self._exposed, np.clip(left / np.maximum(smooth, 1e-300), *_RANGE), 1.0)


def smoothed(image: np.ndarray, scale: float) -> np.ndarray:
    """Return an image convolved with a Gaussian of some standard deviation [pixels], on sums over 4 x 4 pixels."""
    from scipy.ndimage import gaussian_filter

    ny, nx = image.shape
    padded = np.pad(image, ((0, -ny % _COARSE), (0, -nx % _COARSE)))
    sums = padded.reshape(padded.shape[0] // _COARSE, _COARSE, -1, _COARSE).sum(axis=(1, 3))
    smooth = gaussian_filter(sums, scale / _COARSE, mode="constant", truncate=3.5)
    rows, columns = ((np.arange(number) + 0.5) / _COARSE - 0.5 for number in (ny, nx))
    along = np.stack([np.interp(columns, np.arange(sums.shape[1]), row) for row in smooth])
    lower = np.clip(np.floor(rows).astype(int), 0, max(sums.shape[0] - 2, 0))
    upper = np.minimum(lower + 1, sums.shape[0] - 1)
    part = np.clip(rows - lower, 0.0, 1.0)[:, None]
    return (1.0 - part) * along[lower] + part * along[upper]


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model that was fitted.

    Attributes:
        amplitudes: of each image, shape (k,).
        model: their sum, shape (ny, nx) [count / pixel].
        mean: that times c(x), shape (ny, nx) [count / pixel].
    """

    amplitudes: np.ndarray
    model: np.ndarray
    mean: np.ndarray
