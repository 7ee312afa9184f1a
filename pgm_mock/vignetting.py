"""What an exposure map shows: the mirrors' vignetting, hence a template of particles, and the CCDs."""

import math
from dataclasses import replace

import numpy as np

from .observation import Observation

_DEGREE = 6
"""Of the polynomial that the logarithm of the vignetting is."""
_PIXELS = 10_000
"""It is fitted to so many pixels at most, on evenly spaced rows and columns."""
_FEWEST = 10
"""Pixels for each coefficient: with fewer no vignetting is seen."""
_ROUNDS, _BELOW = 8, 0.95
"""Pixels with less than such a part of the fit are in gaps, or on bad columns: the next round leaves them out."""
_PARTICLES = 0.05
"""Counts per pixel of the template where its normalisation is 1."""
_FALLS = 0.9
"""An exposure that falls less than this over the field says nothing of particles."""
_WHOLE = 0.8
"""Of the exposure without gaps: pixels with less are in a gap, or on a bad column."""
_LEAST_SHARE = 0.02
"""A CCD is at least such a part of the exposed pixels; smaller pieces belong to the nearest one."""
_MOST_CCDS = 16


def live_time(observation: Observation) -> tuple[np.ndarray, np.ndarray]:
    """Divide an exposure map by the mirrors' vignetting, which dims all but particles.

    The logarithm of the vignetting is a polynomial of the place, fitted to the pixels that are neither in gaps nor on
    bad columns.

    Returns:
        The exposure without its vignetting, about 1 where nothing is missing, shape (ny, nx); and the vignetting, as a
        part of its largest.
    """
    exposure = observation.exposure.astype(float)
    ny, nx = exposure.shape
    x, y = (np.linspace(-1.0, 1.0, size) for size in (nx, ny))
    along, up = (np.polynomial.chebyshev.chebvander(ramp, _DEGREE) for ramp in (x, y))
    powers = [(i, j) for i in range(_DEGREE + 1) for j in range(_DEGREE + 1 - i)]
    exposed = exposure > 0
    step = math.ceil(math.sqrt(max(int(np.count_nonzero(exposed)), 1) / _PIXELS))
    rows, columns = np.nonzero(exposed[::step, ::step])
    rows, columns = step * rows, step * columns
    values = np.log(exposure[rows, columns])
    basis = np.stack([up[rows, j] * along[columns, i] for i, j in powers], axis=1)
    used = np.ones(len(values), bool)
    fitted = np.zeros(len(powers))
    for _ in range(_ROUNDS if len(values) >= _FEWEST * len(powers) else 0):
        fitted = np.linalg.lstsq(basis[used], values[used], rcond=None)[0]
        used = values > basis @ fitted + np.log(_BELOW)
    logs = np.zeros((_DEGREE + 1, _DEGREE + 1))
    for (i, j), value in zip(powers, fitted, strict=True):
        logs[j, i] = value
    vignetting = np.exp(up @ logs @ along.T)
    live = np.where(exposed, exposure / vignetting, 0.0)
    return live, np.where(exposed, vignetting / float(vignetting[exposed].max()), 0.0)


def particles(observation: Observation) -> np.ndarray | None:
    """Return counts that particles may make, shape (ny, nx): the observation's own map, or what its vignetting shows.

    That is the exposure without its vignetting, scaled to a median of 0.05 counts per pixel; None where it shows none.
    """
    if observation.background_map is not None:
        return observation.background_map
    exposed = observation.exposure > 0
    live, vignetting = live_time(observation)
    return None if vignetting[exposed].min() >= _FALLS else _PARTICLES * live / np.median(live[exposed])


def with_particles(observation: Observation) -> Observation:
    """Return the observation with a map of particles where it has none, and its vignetting shows them."""
    return replace(observation, background_map=particles(observation))


def ccds(observation: Observation) -> np.ndarray | None:
    """Return which CCD each pixel is on, from 0, shape (ny, nx); None where the map shows no more than one.

    CCDs are what gaps of the exposure separate; a column that is bad all along divides one in two.
    """
    from scipy.ndimage import distance_transform_edt, label

    live, _ = live_time(observation)
    pieces, _ = label(live > _WHOLE)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    large = np.flatnonzero(sizes > _LEAST_SHARE * np.count_nonzero(observation.exposure > 0))
    if not 1 < len(large) <= _MOST_CCDS:
        return None
    number_of = np.full(len(sizes), -1)
    number_of[large] = np.arange(len(large))
    found = number_of[pieces]
    nearest = distance_transform_edt(found < 0, return_distances=False, return_indices=True)
    return found[tuple(nearest)].astype(np.int32)
