"""The PSF all over an image: one for each block of pixels, where it changes from place to place."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from ..psf import PSF, choose_psf

if TYPE_CHECKING:
    from ..observation import Observation

BLOCK = 32
"""Side of a block of pixels with one PSF."""
_MOST_PLACES = 16
"""Blocks in a row for which a PSF is chosen; more of them share the nearest."""
_VARIES = ("auto", "king")
_SIZES = (25, 61, 151, 301)


@dataclass(frozen=True, eq=False)
class FieldPSF:
    """The PSFs of an image.

    Attributes:
        psfs: those that differ.
        of_block: which of them each block has, shape (rows of blocks, columns of blocks).
        origin: (x, y) of the image's first pixel.
    """

    psfs: tuple[PSF, ...]
    of_block: np.ndarray
    origin: tuple[int, int]

    @classmethod
    def of(cls, observation: "Observation", psf: "str | PSF" = "auto", sampling: float | None = None) -> "FieldPSF":
        """Choose the PSF of each block.

        Args:
            observation: its header says which telescope's.
            psf: a name or file of `choose_psf`, or one PSF for all.
            sampling: of a PSF image, as for `choose_psf`.
        """
        ny, nx = observation.shape
        blocks = -(-ny // BLOCK), -(-nx // BLOCK)
        if not isinstance(psf, str) or psf not in _VARIES:
            one = psf
            if isinstance(psf, str):
                one = choose_psf(psf, observation.header, observation.wcs, *observation.centre, sampling)
            return cls((one,), np.zeros(blocks, int), observation.origin)  # type: ignore[arg-type]
        found: dict[Any, int] = {}
        psfs: list[PSF] = []
        which = np.zeros(blocks, int)
        places = [_nearest_of(number) for number in blocks]
        chosen: dict[tuple[int, int], int] = {}
        for row, column in np.ndindex(*blocks):
            place = int(places[0][row]), int(places[1][column])
            if place not in chosen:
                x, y = (
                    (at + 0.5) * BLOCK - 0.5 + first for at, first in zip(place[::-1], observation.origin, strict=True)
                )
                one = choose_psf(psf, observation.header, observation.wcs, x, y, sampling)
                leaves, kind = jax.tree.flatten(one)
                key = (kind, tuple(np.asarray(leaf).tobytes() for leaf in leaves))
                chosen[place] = found.setdefault(key, len(psfs))
                if chosen[place] == len(psfs):
                    psfs.append(one)
            which[row, column] = chosen[place]
        return cls(tuple(psfs), which, observation.origin)

    def number_at(self, x: float, y: float) -> int:
        """Which of `psfs` a place has."""
        place = [
            int(np.clip((at - first + 0.5) // BLOCK, 0, number - 1))
            for at, first, number in zip((y, x), self.origin[::-1], self.of_block.shape, strict=True)
        ]
        return int(self.of_block[tuple(place)])

    def at(self, x: float, y: float) -> PSF:
        """Return the PSF at a place [FITS image pixels]."""
        return self.psfs[self.number_at(x, y)]

    @cached_property
    def widths(self) -> tuple[float, ...]:
        """The typical width of each of `psfs`."""
        return tuple(float(psf.typical_width) for psf in self.psfs)

    def kernel(self, number: int, half: int) -> np.ndarray:
        """Return the light of a source in the middle of a pixel, shape (2 half + 1, 2 half + 1)."""
        ramp = np.arange(-half, half + 1, dtype=float)
        light = _light(self.psfs[number], ramp[None, :], ramp[:, None], 0.0, 0.0, self.widths[number])
        return np.asarray(light, float)

    @cached_property
    def _half_light_radii(self) -> tuple[float, ...]:
        """The radius that holds half of the light of each of `psfs`, as far as 30 pixels."""
        ramp = np.arange(-30.0, 31.0)
        radius = np.hypot(ramp[None, :], ramp[:, None]).ravel()
        order = np.argsort(radius, kind="stable")
        shares = (np.cumsum(self.kernel(number, 30).ravel()[order]) for number in range(len(self.psfs)))
        return tuple(float(np.interp(0.5, share, radius[order])) for share in shares)

    def half_light_radius(self, x: float, y: float) -> float:
        """Return the radius that holds half of the light of a source at a place, as far as 30 pixels [pixels]."""
        return self._half_light_radii[self.number_at(x, y)]

    def light(
        self, columns: np.ndarray, rows: np.ndarray, x: float, y: float, width: float | None = None
    ) -> np.ndarray:
        """Return the share of the light of a source at (x, y) in each pixel, shape (rows, columns)."""
        number = self.number_at(x, y)
        width = self.widths[number] if width is None else width
        light = _light(self.psfs[number], *_padded(columns, rows), x, y, width)
        return np.asarray(light)[: len(rows), : len(columns)].astype(float)

    def light_and_slopes(self, columns: np.ndarray, rows: np.ndarray, x: float, y: float, width: float) -> np.ndarray:
        """Return that, and its derivatives by x, y and ln width, shape (4, rows, columns)."""
        psf = self.psfs[self.number_at(x, y)]
        light = _light_and_slopes(psf, *_padded(columns, rows), x, y, width)
        return np.asarray(light)[:, : len(rows), : len(columns)].astype(float)


def _padded(columns: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lengthen ramps to one of few lengths, as each takes a program of its own."""
    longest = max(len(columns), len(rows))
    size = next((one for one in _SIZES if one >= longest), longest)
    ramp = np.arange(float(size))
    return (columns[0] + ramp)[None, :], (rows[0] + ramp)[:, None]


@lru_cache(maxsize=64)
def _nearest_of(number: int) -> np.ndarray:
    """For each of a row of blocks, the one whose PSF it has."""
    step = -(-number // _MOST_PLACES)
    return np.minimum(np.arange(number) // step * step + step // 2, number - 1)


@jax.jit
def _light(psf: PSF, columns: Any, rows: Any, x: Any, y: Any, width: Any) -> Any:
    return psf.pixel_fraction(columns, rows, x, y, width)


@jax.jit
def _light_and_slopes(psf: PSF, columns: Any, rows: Any, x: Any, y: Any, width: Any) -> Any:
    def light(place: Any) -> Any:
        return psf.pixel_fraction(columns, rows, place[0], place[1], width * jnp.exp(place[2]))

    place = jnp.asarray([x, y, 0.0])
    return jnp.concatenate([light(place)[None], jnp.moveaxis(jax.jacfwd(light)(place), -1, 0)])
