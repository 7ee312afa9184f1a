r"""The map of a field: the likelihood ratio of a point source on every pixel, against what lies behind.

With r_i = t_i P_i / mu_i at the photons i of a window and S = sum t P over it, a source of flux F has

    \[ \ln L(F) / L(0) = \sum_i n_i \ln(1 + F r_i) - F S, \]

concave in F. Its slope is a sum of hyperbolas less S: where that is not positive at F = 0, the best flux is 0; else
steps of Newton's method for the reciprocal of the sum climb from F = 0 to the root without passing it. Only pixels with
counts enter; S depends on the exposure alone and is kept.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from .fieldpsf import BLOCK, FieldPSF

HALF = 12
"""The window about a source reaches so many pixels to each side."""
_TILE = 16
"""Sources whose likelihood is computed at once: a square of so many pixels a side."""
_STEPS = 4
_TOGETHER = 8
"""Photons whose terms are multiplied before a logarithm is taken."""
_BRIGHTEST = 0.98
LEAST_LIGHT = 0.05
"""A place whose window saw less than this part of the most is none for a source."""


class Ratio(NamedTuple):
    """Maps of shape (ny, nx), 0 where there can be no source.

    Attributes:
        flux: the best flux of a source on each pixel [flux unit].
        gain: its ln likelihood ratio to none, at least 0.
    """

    flux: np.ndarray
    gain: np.ndarray


@dataclass(frozen=True, eq=False)
class RatioMap:
    """Computes the maps of images that have the same exposure and PSF.

    Attributes:
        exposure: shape (ny, nx).
        psf: of the image.
    """

    exposure: np.ndarray
    psf: FieldPSF

    @cached_property
    def _kernels(self) -> list[np.ndarray]:
        """Each PSF in a window, with zeros about it, in single precision."""
        margin = _TILE - 1
        return [
            np.pad(self.psf.kernel(number, HALF), margin).astype(np.float32) for number in range(len(self.psf.psfs))
        ]

    @cached_property
    def seen(self) -> np.ndarray:
        """The exposure of a source's window, weighted with its light, shape (ny, nx)."""
        from scipy.signal import fftconvolve

        ny, nx = self.exposure.shape
        padded = np.pad(self.exposure, HALF)
        seen = np.zeros((ny, nx))
        for number in range(len(self.psf.psfs)):
            kernel = self.psf.kernel(number, HALF)[::-1, ::-1]
            if len(self.psf.psfs) == 1:
                return np.maximum(fftconvolve(padded, kernel, "valid"), 0.0)
            for row, column in np.argwhere(self.psf.of_block == number):
                top, left = row * BLOCK, column * BLOCK
                part = padded[top : top + BLOCK + 2 * HALF, left : left + BLOCK + 2 * HALF]
                if np.any(part):
                    low, right = min(top + BLOCK, ny), min(left + BLOCK, nx)
                    seen[top:low, left:right] = fftconvolve(part, kernel, "valid")
        return np.maximum(seen, 0.0)

    @cached_property
    def usable(self) -> np.ndarray:
        """Where a source can be: on an exposed pixel whose window saw enough, shape (ny, nx)."""
        return (self.exposure > 0) & (self.seen > LEAST_LIGHT * self.seen.max())

    def of_one_photon(self, mean: np.ndarray) -> float:
        """Return the ln likelihood ratio that a single photon has on all but the darkest fiftieth of the image.

        No threshold is below it: where photons are few, each would be a source.

        Args:
            mean: the counts that lie behind, positive where the exposure is, shape (ny, nx).
        """
        usable = self.usable
        peaks = np.array([(kernel := self.psf.kernel(n, HALF)).max() / kernel.sum() for n in range(len(self.psf.psfs))])
        rows, columns = np.nonzero(usable)
        sharpest = peaks[self.psf.of_block[rows // BLOCK, columns // BLOCK]]
        ratio = np.maximum(sharpest * self.exposure[usable] / (mean[usable] * self.seen[usable]), 1.0)
        return float(np.quantile(np.log(ratio) - 1.0 + 1.0 / ratio, _BRIGHTEST))

    def __call__(self, counts: np.ndarray, mean: np.ndarray) -> Ratio:
        """Compute the maps of an image.

        Args:
            counts: shape (ny, nx).
            mean: the counts expected without the source, positive where the exposure is, shape (ny, nx).
        """
        ny, nx = counts.shape
        flux, gain = np.zeros((ny, nx)), np.zeros((ny, nx))
        weight = np.zeros((ny, nx), np.float32)
        lit = (counts > 0) & (self.exposure > 0)
        weight[lit] = self.exposure[lit] / mean[lit]
        seen, usable = self.seen.astype(np.float32), self.usable
        for top in range(0, ny, _TILE):
            for left in range(0, nx, _TILE):
                tile = np.s_[top : top + _TILE, left : left + _TILE]
                if not usable[tile].any():
                    continue
                first = max(top - HALF, 0), max(left - HALF, 0)
                area = np.s_[first[0] : top + _TILE + HALF, first[1] : left + _TILE + HALF]
                rows, columns = np.nonzero(lit[area])
                if not len(rows):
                    continue
                kernel = self._kernels[self.psf.of_block[top // BLOCK, left // BLOCK]]
                size = seen[tile].shape
                table = _shifts(kernel, size)
                ratio = table[rows + first[0] - top + HALF, columns + first[1] - left + HALF].reshape(len(rows), -1)
                ratio *= weight[area][rows, columns][:, None]
                number = counts[area][rows, columns].astype(np.float32)
                best, top_of = _climb(ratio, number, seen[tile].ravel(), usable[tile].ravel())
                flux[tile], gain[tile] = best.reshape(size), top_of.reshape(size)
        return Ratio(flux, gain)


def _shifts(kernel: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """View a kernel as table[row, column, source's row, source's column].

    Rows and columns are counted from `HALF` above and left of the first source; the kernel has zeros about it.
    """
    down, along = kernel.strides
    shape = (size[0] + 2 * HALF, size[1] + 2 * HALF, *size)
    return np.lib.stride_tricks.as_strided(kernel[_TILE - 1 :, _TILE - 1 :], shape, (down, along, -down, -along))


def _climb(
    ratio: np.ndarray, number: np.ndarray, seen: np.ndarray, usable: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the best flux and the ln likelihood ratio of each source.

    Args:
        ratio: r of each pixel with counts for each source, shape (pixels, sources).
        number: counts, shape (pixels,).
        seen: S of each source, shape (sources,).
        usable: whether there can be a source, shape (sources,).
    """
    flux, gain = np.zeros(len(seen)), np.zeros(len(seen))
    rising = np.flatnonzero(usable & (number @ ratio > seen))
    if not len(rising):
        return flux, gain
    ratio, sums = ratio[:, rising], seen[rising]
    best = np.zeros_like(sums)
    for _ in range(_STEPS):
        slope = ratio / (1.0 + best * ratio)
        value, bend = number @ slope, number @ (slope * slope)
        best = best + value / np.maximum(bend, np.float32(1e-30)) * (value / sums - 1.0)
        best = np.maximum(best, 0.0)
    excess = best * ratio
    flux[rising] = best
    gain[rising] = np.maximum(_log_gain(excess, number) - best.astype(float) * sums, 0.0)
    return flux, gain


def _log_gain(excess: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Sum of n ln(1 + excess): pixels of one count are multiplied together, those of more are not."""
    single = number == 1
    one = 1.0 + excess[single]
    short = -len(one) % _TOGETHER
    if short:
        one = np.concatenate([one, np.ones((short, one.shape[1]), one.dtype)])
    products = np.multiply.reduce(one.reshape(-1, _TOGETHER, one.shape[1]), axis=1)
    with np.errstate(over="ignore"):
        logs = np.log(products).sum(axis=0, dtype=np.float64)
    return logs + number[~single] @ np.log1p(excess[~single], dtype=np.float64)
