r"""The posterior density of a whole field, in pieces that can be computed anew one by one.

    \[ \ln L = \sum_{i: n_i > 0} n_i \ln(\mu_i / \mu^0_i) - M, \quad \mu = s(\text{smooth}) + \sum_j F_j t P_j + f \]

The expected counts are needed in the pixels that have counts, and their sum M over the field. What is smooth (sky,
particles, clusters) is evaluated by the scene itself, on these pixels and on nodes: blocks of pixels, small near an
extended source, with the block's exposure. Each source has a tile, in which its light is computed exactly; its far
wings f follow the PSF as if the counts in the tile were always the same. Ratios to the reference mean keep the sums
precise.
"""

import itertools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num

from ..observation import Observation
from ..pixels import Pixels
from ..psf import PSF
from ..scene import Scene

NOTHING = -60.0
"""ln of counts that are none."""
_HALVES = {100.0: 20, 1000.0: 30, math.inf: 44}
"""Half sizes of the tiles of sources of up to so many counts [pixels]: the far wings beyond are tabulated."""
_BLOCKS = (1, 2, 4, 8)
"""Sides of the blocks that are nodes of the sum over smooth light [pixels]."""
_FINE = 14.0
"""A block of side s is used from s times so far from every extended source [pixels]."""


class FarWings(NamedTuple):
    """What the sources have beyond their tiles, as each keeps the counts in its tile and the PSF changes.

    Its logarithm is linear between the nodes of a grid of the PSF's unconstrained parameters; beyond the grid, which
    reaches as far as their priors, it stays as it is.

    Attributes:
        grid: the nodes of each of p parameters.
        log_counts: ln counts in the pixels that have any, shape (nodes of each parameter, n + 1).
        log_total: ln of the sum over the field, shape (nodes of each parameter).
        log_seen: ln of the counts at flux 1 that each source has in its tile, shape (nodes of each parameter, m).
    """

    grid: tuple[Float[Array, " k"], ...]
    log_counts: Float[Array, "*k n+1"]
    log_total: Float[Array, "*k"]
    log_seen: Float[Array, "*k m"]

    @classmethod
    def none(cls, parameters: int, pixels: int, sources: int) -> "FarWings":
        """Return next to none, for numbers of the PSF's parameters, of pixels that have counts, and of sources."""
        grid, shape = (np.array([0.0, 1.0]),) * parameters, (2,) * parameters
        return cls(
            *as_arrays(
                (grid, np.full((*shape, pixels + 1), NOTHING), np.full(shape, NOTHING), np.zeros((*shape, sources)))
            )
        )

    def at(self, psf: Float[Array, " p"]) -> tuple[Float[Array, " n+1"], Array, Float[Array, " m"]]:
        """Return the counts in the pixels that have any, their sum, and `log_seen`, for parameters of the PSF."""
        lower, part = [], []
        for nodes, one in zip(self.grid, psf, strict=True):
            place = jnp.interp(one, nodes, jnp.arange(float(len(nodes))))
            lower.append(jnp.clip(place.astype(int), 0, len(nodes) - 2))
            part.append(place - lower[-1])
        found = [jnp.zeros(()), jnp.zeros(()), jnp.zeros(())]
        for corner in itertools.product((0, 1), repeat=len(lower)):
            share = math.prod(
                (each if upper else 1.0 - each for upper, each in zip(corner, part, strict=True)), start=1.0
            )
            index = tuple(place + upper for place, upper in zip(lower, corner, strict=True))
            tables = self.log_counts, self.log_total, self.log_seen
            found = [sum_ + share * table[index] for sum_, table in zip(found, tables, strict=True)]
        return jnp.exp(found[0]), jnp.exp(found[1]), found[2]


class Tiles(NamedTuple):
    """Sources whose tiles have one size and do not overlap: they are independent of each other, given all else.

    Attributes:
        numbers: which sources they are, shape (j,).
        x, y: ramps of the tiles, shapes (j, 1, w) and (j, w, 1) [FITS image pixels].
        exposure: shape (j, w, w); 0 beyond the image.
        pixel: for each tile's pixels with counts, where they stand in the field's list, shape (j, k); padded with the
            list's length.
        place: where they stand in the tile, flattened, shape (j, k).
    """

    numbers: Int[Array, " j"]
    x: Num[Array, "j 1 w"]
    y: Num[Array, "j w 1"]
    exposure: Num[Array, "j w w"]
    pixel: Int[Array, "j k"]
    place: Int[Array, "j k"]

    def light(self, psf: PSF, width: Array, x: Array, y: Array) -> tuple[Float[Array, "j k"], Float[Array, " j"]]:
        """Return the counts at flux 1 of each source in its pixels with counts, and in all of its tile.

        Args:
            psf, width: of the j sources, as `EachPSF.in_plate` gives them.
            x, y: their places, shape (j,).
        """

        def one(psf: PSF, width: Array, x: Array, y: Array, tile: Tiles) -> tuple[Array, Array]:
            image = psf.pixel_fraction(tile.x, tile.y, x, y, width) * tile.exposure
            return jnp.ravel(image)[tile.place], jnp.sum(image)

        return jax.vmap(one)(psf, width, x, y, self)


class Target(NamedTuple):
    """What the density is made of; a pytree, whose arrays are arguments of the compiled program.

    Attributes:
        counts: of the pixels that have any, shape (n + 1,); the last one, 0, is where padding points.
        lit: those pixels as an image of one row, shape (1, n).
        nodes: blocks of pixels as an image of one row, with the exposure and the map of all of their pixels.
        tiles: of all sources, group by group.
        far: of the sources beyond their tiles.
        reference: expected counts near the mode, shape (n + 1,); 1 at the end.
    """

    counts: Num[Array, " n+1"]
    lit: Pixels
    nodes: Pixels
    tiles: tuple[Tiles, ...]
    far: FarWings
    reference: Num[Array, " n+1"]

    def smooth(self, scene: Scene, psf: PSF, parameters: dict[str, Any]) -> tuple[Float[Array, " n+1"], Array]:
        """Return the counts of the scene without its point sources in the pixels that have counts, and their sum.

        They are evaluated in single precision, and added up in the session's: a hundredth of a count in a field.
        """
        lit, nodes, psf, parameters = in_single((self.lit, self.nodes, psf, parameters))
        mean = scene.light(lit, psf, parameters).image(jnp.float32)[0]
        total = jnp.sum(scene.light(nodes, psf, parameters).image(jnp.float32), dtype=float)
        return jnp.append(mean, 1.0).astype(float), total

    def log_likelihood(self, mean: Float[Array, " n+1"], total: Array) -> Array:
        """Return ln likelihood, but for a constant, of expected counts and their sum."""
        return jnp.sum(self.counts * jnp.log(mean / self.reference)) - total


def as_arrays(values: Any) -> Any:
    """Return the arrays of a pytree as JAX's."""
    return jax.tree.map(jnp.asarray, values)


def in_single(values: Any) -> Any:
    """Return the arrays of a pytree in single precision."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), values)


def half_of_tile(counts: float) -> int:
    """How far the light of a source of some counts is followed [pixels]."""
    return next(half for most, half in _HALVES.items() if counts <= most)


def lit_pixels(observation: Observation) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows and columns, from 0, and counts of the pixels that have any."""
    rows, columns = np.nonzero((observation.counts > 0) & (observation.exposure > 0))
    return rows, columns, observation.counts[rows, columns].astype(float)


def as_row(observation: Observation, rows: np.ndarray, columns: np.ndarray) -> Pixels:
    """Return some pixels as an image of one row."""
    return observation.pixels.listed(rows, columns)


def make_nodes(observation: Observation, centres: np.ndarray, labels: np.ndarray | None = None) -> Pixels:
    """Divide the exposed pixels into blocks, small where an extended source is steep.

    Args:
        observation: the field.
        centres: of extended sources, shape (c, 2) [FITS image pixels]; without any all blocks are the largest.
        labels: which CCD each pixel is on: no block is on two.
    """
    ny, nx = observation.shape
    side = _BLOCKS[-1]
    padded = [(0, -ny % side), (0, -nx % side)]
    rows, columns = (np.arange(size) for size in (ny + padded[0][1], nx + padded[1][1]))
    distance = np.full((len(rows), len(columns)), np.inf)
    for x, y in np.reshape(centres, (-1, 2)) - np.array(observation.origin):
        distance = np.minimum(distance, np.hypot(columns[None, :] - x, rows[:, None] - y))
    exposure = np.pad(observation.exposure, padded)
    on = np.zeros(exposure.shape, int) if labels is None else np.pad(labels, padded, mode="edge")
    seen = observation.pixels.background_map
    background = None if seen is None else np.pad(seen, padded)
    # Each block of the largest size is divided until its own nearest pixel allows it.
    size_of = np.ones(distance.shape, int)
    for size in _BLOCKS[1:]:
        allowed = (_blocks(distance, size, np.min) >= size * _FINE) & (_blocks(on, size, np.ptp) == 0)
        size_of[np.repeat(np.repeat(allowed, size, 0), size, 1)] = size
    found = []
    for size in _BLOCKS:
        chosen = _blocks(size_of, size, np.min) == size
        chosen &= _blocks(size_of, size, np.max) == size
        time = _blocks(exposure, size, np.sum)
        used = chosen & (time > 0)
        safe = np.where(time > 0, time, 1.0)
        x = _blocks(exposure * columns[None, :], size, np.sum) / safe + observation.origin[0]
        y = _blocks(exposure * rows[:, None], size, np.sum) / safe + observation.origin[1]
        level = np.zeros_like(time) if background is None else _blocks(background, size, np.sum)
        found.append(np.stack([time[used], x[used], y[used], level[used], np.full(used.sum(), float(size))]))
    time, x, y, level, side = np.concatenate(found, axis=1)[:, None, :]
    return Pixels(time, x, y, None if background is None else level, side)


def _blocks(image: np.ndarray, size: int, reduce: Any) -> np.ndarray:
    ny, nx = image.shape
    return reduce(image.reshape(ny // size, size, nx // size, size), axis=(1, 3))


def make_tiles(observation: Observation, x: np.ndarray, y: np.ndarray, counts: np.ndarray) -> tuple[Tiles, ...]:
    """Give each source a tile, and put together those of one size that do not overlap.

    Args:
        observation: the field.
        x, y: places of the sources, shape (m,) [FITS image pixels].
        counts: of each, which say how far its light is followed, shape (m,).
    """
    halves = np.array([half_of_tile(each) for each in counts])
    column = np.rint(x).astype(int) - observation.origin[0]
    row = np.rint(y).astype(int) - observation.origin[1]
    rows, columns, _ = lit_pixels(observation)
    number_of = np.full(observation.shape, len(rows))
    number_of[rows, columns] = np.arange(len(rows))
    found = []
    for half in np.unique(halves):
        left = list(np.flatnonzero(halves == half))
        while left:
            group: list[int] = []
            for one in list(left):
                apart = np.maximum(np.abs(column[group] - column[one]), np.abs(row[group] - row[one]))
                if np.all(apart > 2 * half):
                    group.append(int(one))
                    left.remove(one)
            found.append(_tiles_of(observation, np.array(group), row[group], column[group], int(half), number_of))
    return tuple(found)


def _tiles_of(
    observation: Observation, group: np.ndarray, row: np.ndarray, column: np.ndarray, half: int, number_of: np.ndarray
) -> Tiles:
    width, length = 2 * half + 1, int(number_of.max(initial=0))
    padded = [
        np.pad(image, half, constant_values=fill) for image, fill in ((observation.exposure, 0), (number_of, length))
    ]
    boxes = [np.s_[r : r + width, c : c + width] for r, c in zip(row, column, strict=True)]
    exposure, listed = (np.stack([image[box] for box in boxes]) for image in padded)
    flat = listed.reshape(len(group), -1)
    most = max(int((flat < length).sum(axis=1).max()), 1)
    # Pixels with counts first; what fills up the shorter lists points to the end of the field's.
    place = np.argsort(flat >= length, axis=1, kind="stable")[:, :most]
    pixel = np.take_along_axis(flat, place, axis=1)
    ramp = np.arange(-half, half + 1, dtype=float)
    x = (column[:, None] + observation.origin[0] + ramp)[:, None, :]
    y = (row[:, None] + observation.origin[1] + ramp)[:, :, None]
    return Tiles(*as_arrays((group, x, y, exposure, pixel, place)))
