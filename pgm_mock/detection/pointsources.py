"""The point sources of a field, and their light."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from .fieldpsf import FieldPSF
from .ratiomap import HALF

_FAINT = 20.0
"""Counts of a source whose light is followed over the window of the map; that of brighter ones is followed farther."""
_FARTHEST = 150
_WINGS = 0.36
"""A King profile falls as radius^-2.8: as counts^0.36 grows the radius where a source's wings have some brightness."""
_BRIGHTER = 5.0
"""A source so many times as bright is far brighter."""
_LONE_PHOTON = 1.5
"""A source of fewer counts is one photon."""
_TOGETHER = 14.0
"""Sources that are so near are fitted together [pixels]."""


@dataclass(frozen=True, eq=False)
class PointSources:
    """Sources in a field, each with its place and flux.

    Attributes:
        exposure: of the field, shape (ny, nx).
        psf: of the field.
        x, y: shape (m,) [FITS image pixels].
        flux: shape (m,) [flux unit].
        stretch: ln of the PSF's width over its typical width, shape (m,); 0 for faint sources.
    """

    exposure: np.ndarray
    psf: FieldPSF
    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    stretch: np.ndarray

    @classmethod
    def none(cls, exposure: np.ndarray, psf: FieldPSF) -> "PointSources":
        """Return no sources."""
        return cls(exposure, psf, *(np.zeros(0) for _ in range(4)))

    def __len__(self) -> int:
        """How many there are."""
        return len(self.x)

    def adding(self, x: np.ndarray, y: np.ndarray, flux: np.ndarray) -> "PointSources":
        """Return these and more."""
        return self.joined(self.changed(x, y, flux, np.zeros(len(x))))

    def joined(self, added: "PointSources") -> "PointSources":
        """Return these and others of the same field."""
        both = [(one.x, one.y, one.flux, one.stretch) for one in (self, added)]
        return self.changed(*(np.concatenate(pair) for pair in zip(*both, strict=True)))

    def adding_at(self, rows: np.ndarray, columns: np.ndarray, flux: np.ndarray) -> "PointSources":
        """Return these and more, in the middle of pixels; rows and columns from 0."""
        return self.adding(columns + float(self.psf.origin[0]), rows + float(self.psf.origin[1]), flux)

    def keeping(self, kept: np.ndarray) -> "PointSources":
        """Return those of a mask or of numbers."""
        return self.changed(*(each[kept] for each in (self.x, self.y, self.flux, self.stretch)))

    def changed(self, x: np.ndarray, y: np.ndarray, flux: np.ndarray, stretch: np.ndarray) -> "PointSources":
        """Return sources with other places, fluxes and widths."""
        return replace(self, x=x, y=y, flux=flux, stretch=stretch)

    def width(self, number: int) -> float:
        """Width of a source's PSF."""
        which = self.psf.number_at(self.x[number], self.y[number])
        return self.psf.widths[which] * float(np.exp(self.stretch[number]))

    def pixels(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of the pixel that each is on, from 0, shape (m,)."""
        ny, nx = self.exposure.shape
        row = np.clip(np.rint(self.y - self.psf.origin[1]).astype(int), 0, ny - 1)
        column = np.clip(np.rint(self.x - self.psf.origin[0]).astype(int), 0, nx - 1)
        return row, column

    def counts(self) -> np.ndarray:
        """Counts that each would have at the exposure of its pixel, shape (m,)."""
        return self.flux * self.exposure[self.pixels()]

    def seen_counts(self) -> np.ndarray:
        """Counts of each on exposed pixels, in the window about it, shape (m,)."""
        lights = [self.light(number, self.window(number)).sum() for number in range(len(self))]
        return self.flux * np.array(lights, float)

    def half_light_radii(self) -> np.ndarray:
        """Radius that holds half of the light of each, shape (m,) [pixels]."""
        return np.array([self.psf.half_light_radius(*place) for place in zip(self.x, self.y, strict=True)], float)

    def far_brighter(self, radii: float) -> np.ndarray:
        """Whether one source is near another that is far brighter, shape (m, m): the fainter first.

        Args:
            radii: half-light radii that are near.
        """
        apart = np.hypot(self.x[:, None] - self.x, self.y[:, None] - self.y)
        near = (apart > 0) & (apart < radii * self.half_light_radii()[:, None])
        return near & (self.flux > _BRIGHTER * self.flux[:, None])

    def window(self, number: int, half: int = HALF) -> tuple[slice, slice]:
        """Rows and columns about a source, inside the image."""
        return self.box([number], half)

    def box(self, numbers: "list[int] | np.ndarray", half: int = HALF) -> tuple[slice, slice]:
        """Rows and columns about some sources, inside the image."""
        ny, nx = self.exposure.shape
        row, column = self.y[numbers] - self.psf.origin[1], self.x[numbers] - self.psf.origin[0]
        return (
            slice(max(int(np.rint(row.min())) - half, 0), max(min(int(np.rint(row.max())) + half + 1, ny), 1)),
            slice(max(int(np.rint(column.min())) - half, 0), max(min(int(np.rint(column.max())) + half + 1, nx), 1)),
        )

    def ramps(self, box: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
        """Columns and rows of a box [FITS image pixels]."""
        rows, columns = (np.arange(part.start, part.stop, dtype=float) for part in box)
        return columns + self.psf.origin[0], rows + self.psf.origin[1]

    def light(self, number: int, box: tuple[slice, slice]) -> np.ndarray:
        """Counts of a source at flux 1 in a box."""
        share = self.psf.light(*self.ramps(box), self.x[number], self.y[number], self.width(number))
        return share * self.exposure[box]

    def image(self) -> np.ndarray:
        """Counts expected of all sources, shape (ny, nx): each as far as its light counts."""
        image = np.zeros(self.exposure.shape)
        for number, counts in enumerate(self.counts()):
            box = self.window(number, reach(float(counts)))
            image[box] += self.flux[number] * self.light(number, box)
        return image

    def groups(self) -> Iterator[np.ndarray]:
        """Give the numbers of sources that are near each other, the brightest group first."""
        if not len(self):
            return
        from scipy.sparse.csgraph import connected_components

        near = np.hypot(self.x[:, None] - self.x, self.y[:, None] - self.y) < _TOGETHER
        number, of = connected_components(near, directed=False)
        counts = self.counts()
        for group in sorted(range(number), key=lambda one: -counts[of == one].max()):
            yield np.flatnonzero(of == group)

    def likelihood_ratios(self, counts: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Return each source's ln likelihood ratio: with it against without it, all else as it is, shape (m,).

        One photon is no source, and has a ratio of 0: where photons are few, each could be taken for one, and nothing
        would lie behind.

        Args:
            counts: of the field, shape (ny, nx).
            mean: of what lies behind, shape (ny, nx).
        """
        image = self.image()
        ratios = np.zeros(len(self))
        for one in range(len(self)):
            box = self.window(one)
            light = self.flux[one] * self.light(one, box)
            rest = np.maximum(mean[box] + image[box] - light, 1e-300)
            lit = counts[box] > 0
            if light.sum() > _LONE_PHOTON:
                ratios[one] = counts[box][lit] @ np.log1p(light[lit] / rest[lit]) - light.sum()
        return ratios


def reach(counts: float) -> int:
    """How far the light of a source of some counts is followed [pixels]."""
    return int(np.clip(HALF * (max(counts, _FAINT) / _FAINT) ** _WINGS, HALF, _FARTHEST))
