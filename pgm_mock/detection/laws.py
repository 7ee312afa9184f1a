"""The law of detection at places of an image."""

from concurrent.futures import ThreadPoolExecutor
from os import cpu_count

import numpy as np

from ..power import DetectionLaw
from .fieldpsf import BLOCK, FieldPSF
from .pointsources import PointSources
from .ratiomap import HALF

_AT_ONCE = 1000
"""Places whose windows are worked on at once."""


def law_at(
    exposure: np.ndarray, psf: FieldPSF, mean: np.ndarray, threshold: float, rows: np.ndarray, columns: np.ndarray
) -> DetectionLaw:
    """Return the law of detection on the centres of pixels.

    Args:
        exposure: shape (ny, nx).
        psf: of the image.
        mean: counts expected without the source, shape (ny, nx).
        threshold: ln likelihood ratio.
        rows, columns: of the pixels, from 0, shape (places,).
    """
    times = _windows(exposure)
    means = _windows(np.where(exposure > 0, mean, 0.0))
    of_psf = psf.of_block[rows // BLOCK, columns // BLOCK]
    kernels = [psf.kernel(number, HALF) for number in range(len(psf.psfs))]

    def block(here: np.ndarray) -> DetectionLaw:
        kernel = np.stack([kernels[number] for number in of_psf[here]])
        light = (times[rows[here], columns[here]] * kernel).reshape(len(here), -1)
        without = means[rows[here], columns[here]].reshape(len(here), -1)
        return DetectionLaw.of(without, light, np.full(len(here), threshold))

    parts = np.array_split(np.arange(len(rows)), max(1, -(-len(rows) // _AT_ONCE)))
    with ThreadPoolExecutor(cpu_count()) as pool:
        return DetectionLaw.joined(list(pool.map(block, parts)))


def flux_detectable(sources: PointSources, mean: np.ndarray, threshold: float, probability: float) -> np.ndarray:
    """Return the flux that would be detected at the place of each source, were it not there, shape (m,).

    Args:
        sources: of the field.
        mean: of what lies behind them, shape (ny, nx).
        threshold: ln likelihood ratio.
        probability: of detection.
    """
    rows, columns = sources.pixels()
    times = _windows(sources.exposure)[rows, columns]
    without = _windows(np.where(sources.exposure > 0, mean, 0.0))[rows, columns]
    image = _windows(np.where(sources.exposure > 0, mean + sources.image(), 0.0))[rows, columns]
    ramp = np.arange(-HALF, HALF + 1.0)
    light = np.empty(times.shape)
    for number, (row, column) in enumerate(zip(rows, columns, strict=True)):
        x, y = ramp + column + sources.psf.origin[0], ramp + row + sources.psf.origin[1]
        own = sources.psf.light(x, y, sources.x[number], sources.y[number], sources.width(number))
        image[number] -= sources.flux[number] * own * times[number]
        light[number] = times[number] * sources.psf.kernel(sources.psf.of_block[row // BLOCK, column // BLOCK], HALF)
    flat = (len(sources), (2 * HALF + 1) ** 2)
    background = np.maximum(image, without).reshape(flat)
    return DetectionLaw.of(background, light.reshape(flat), np.full(len(sources), threshold)).flux(probability)


def _windows(image: np.ndarray) -> np.ndarray:
    """View the window about each pixel, zeros beyond the edge, shape (ny, nx, 2 HALF + 1, 2 HALF + 1)."""
    return np.lib.stride_tricks.sliding_window_view(np.pad(image, HALF), (2 * HALF + 1,) * 2)
