"""Extended sources, as they are seen: elliptical Gaussians of nine sizes about one centre."""

from typing import NamedTuple

import numpy as np

from .amplitudes import fit_amplitudes

SIZES = np.geomspace(1.3, 70.0, 9)
"""Standard deviations of the Gaussians along the longer axis [pixels]."""
_BOX = 48
"""Half the side of the square in which centre and shape are found [pixels]."""


class Ellipse(NamedTuple):
    """Where an extended source is, and its shape.

    Attributes:
        column, row: its centre, from 0 [pixels].
        ratio: of the shorter to the longer axis.
        angle: of the longer axis, from the columns' direction towards the rows' [radian].
        sizes: standard deviations along the longer axis, shape (k,) [pixels].
    """

    column: float
    row: float
    ratio: float = 1.0
    angle: float = 0.0
    sizes: np.ndarray = SIZES

    def images(self, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the Gaussians of unit volume at pixels, shape (k, ny, nx)."""
        x, y = columns - self.column, rows - self.row
        along = x * np.cos(self.angle) + y * np.sin(self.angle)
        across = (y * np.cos(self.angle) - x * np.sin(self.angle)) / self.ratio
        squared = 0.5 * (along**2 + across**2)
        scale = self.sizes[:, None, None] ** 2
        return np.exp(-squared / scale) / (2.0 * np.pi * scale * self.ratio)


def find_shape(
    counts: np.ndarray, exposure: np.ndarray, mean: np.ndarray, column: int, row: int, rounds: int = 120
) -> Ellipse:
    """Return the centre and the ellipse that fit best near a place, by a simplex over them.

    Args:
        counts, exposure: of the image, shape (ny, nx).
        mean: counts expected without this source, shape (ny, nx).
        column, row: the place, from 0.
        rounds: of the simplex.
    """
    from scipy.optimize import minimize

    low, left = max(row - _BOX, 0), max(column - _BOX, 0)
    box = np.s_[low : row + _BOX + 1, left : column + _BOX + 1]
    near, seen, fixed = counts[box], exposure[box], mean[box]
    lit = (near > 0) & (seen > 0)
    number = near[lit].astype(float)
    columns, rows = (
        np.arange(left, left + near.shape[1])[None, :] * 1.0,
        np.arange(low, low + near.shape[0])[:, None] * 1.0,
    )
    sizes = SIZES[SIZES < _BOX / 2]

    def ellipse(place: np.ndarray) -> Ellipse:
        x, y, e1, e2 = place
        size = np.tanh(np.hypot(e1, e2))
        return Ellipse(x, y, float(1 - 0.9 * size), 0.5 * float(np.arctan2(e2, e1)), sizes)

    def misfit(place: np.ndarray) -> float:
        if abs(place[0] - column) > _BOX / 4 or abs(place[1] - row) > _BOX / 4:
            return 1e30
        images = ellipse(place).images(columns, rows) * seen
        basis, totals = images[:, lit], images.sum(axis=(1, 2))
        amplitudes = fit_amplitudes(number, basis, totals, fixed[lit])
        mean = np.einsum("k,kn->n", amplitudes, basis) + fixed[lit]
        return -float(number @ np.log(mean) - amplitudes @ totals)

    start = np.array([column, row, 0.05, 0.05], float)
    first = np.array([start, *(start + step for step in np.diag([1.5, 1.5, 0.3, 0.3]))])
    found = minimize(
        misfit, start, method="Nelder-Mead",
        options={"initial_simplex": first, "maxfev": rounds, "xatol": 0.02, "fatol": 0.05},
    )  # fmt: skip
    return ellipse(found.x)._replace(sizes=SIZES)


def half_light_radius(sizes: np.ndarray, shares: np.ndarray) -> float:
    """Return the radius that holds half of the light of round Gaussians [pixels].

    Args:
        sizes: their standard deviations, shape (k,) [pixels].
        shares: of the light, in any unit, shape (k,).
    """
    from scipy.optimize import brentq

    half = 0.5 * shares.sum()
    return float(brentq(lambda r: shares @ np.exp(-0.5 * (r / sizes) ** 2) - half, 0.0, 10.0 * sizes.max()))
