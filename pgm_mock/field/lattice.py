"""Where each source of a field may be, given all else: a lattice of places about its region, which closes in.

At each place the flux is integrated over, as a Gaussian in its logarithm (Laplace), and the lattice is the proposal of
the source's moves: it has every mode that the region holds, however the posterior is shaped.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln
from jaxtyping import Array, Float

from ..psf import PSF
from ..sampler.mixture import DEGREES, heavy_tail
from .target import Tiles, as_arrays

_SIDE = 32
_LEVELS = 3
_NEWTON_STEPS = 10
_NOTABLE = 14.0
"""Places whose ln density is less than so much below the best may hold the source."""
_MARGIN = 0.25
_TEMPER, _EVEN = 0.8, 0.1
"""The proposal is wider than the density: its power, and the part that is the same all over the lattice."""
_WIDER = 1.2
_LEAST_WIDTH, _MOST_WIDTH = 0.005, 2.0
_LONGEST = 2.0
_TWICE = 2.0


class Wide(NamedTuple):
    """Where a source may be at all: what a lattice takes for its prior, and a proposal of its own.

    It is made of Gaussians and a box, as a proposal need not be exact.

    Attributes:
        low, high: bounds of x and y, shape (m, 2).
        middle, spread: of x, y and ln flux, shape (m, 3).
    """

    low: np.ndarray
    high: np.ndarray
    middle: np.ndarray
    spread: np.ndarray

    def draw(self, key: Array) -> Float[Array, "m 3"]:
        """Draw x and y from the box, and ln flux from a Gaussian twice as wide as the prior's."""
        of_place, of_flux = jax.random.split(key)
        place = self.low + jax.random.uniform(of_place, self.low.shape) * (self.high - self.low)
        normal = jax.random.normal(of_flux, self.low.shape[:1])
        return jnp.concatenate([place, (self.middle[:, 2] + _TWICE * self.spread[:, 2] * normal)[:, None]], axis=1)

    def log_density(self, at: Float[Array, "m 3"]) -> Float[Array, " m"]:
        """Return ln density of that."""
        inside = jnp.all((at[:, :2] >= self.low) & (at[:, :2] <= self.high), axis=1)
        width = _TWICE * self.spread[:, 2]
        off = (at[:, 2] - self.middle[:, 2]) / width
        of_flux = -0.5 * off**2 - jnp.log(width) - 0.5 * np.log(2.0 * np.pi)
        return jnp.where(inside, of_flux - jnp.sum(jnp.log(self.high - self.low), axis=1), -jnp.inf)


class Lattice(NamedTuple):
    """A proposal of each source's x, y and ln flux.

    Attributes:
        low: the lattice's corner, shape (m, 2) [FITS image pixels].
        step: between places, along x and y, shape (m, 2).
        log_share: of each place, shape (m, side²); x runs fastest.
        cumulated: the shares added up, shape (m, side²).
        log_flux, width: Student-t at each place, shape (m, side²), of ln flux, or of that plus `seen`: ln of the light
            that the tile holds, which changes with the PSF, while the source's counts do not.
    """

    low: Float[Array, "m 2"]
    step: Float[Array, "m 2"]
    log_share: Float[Array, "m s"]
    cumulated: Float[Array, "m s"]
    log_flux: Float[Array, "m s"]
    width: Float[Array, "m s"]

    def draw(self, key: Array, seen: Float[Array, " m"]) -> Float[Array, "m 3"]:
        """Draw x, y and ln flux of each source."""
        of_place, of_offset, of_flux = jax.random.split(key, 3)
        number = len(self.low)
        uniform = jax.random.uniform(of_place, (number,))
        cell = jax.vmap(jnp.searchsorted)(self.cumulated, uniform)
        cell = jnp.minimum(cell, _SIDE**2 - 1)
        index = jnp.stack([cell % _SIDE, cell // _SIDE], axis=1)
        place = self.low + (index + jax.random.uniform(of_offset, (number, 2))) * self.step
        normals = jax.random.normal(of_flux, (number, 1 + DEGREES))
        t = normals[:, 0] * heavy_tail(normals[:, 1:])
        log_flux, width = (jnp.take_along_axis(each, cell[:, None], 1)[:, 0] for each in (self.log_flux, self.width))
        return jnp.concatenate([place, (log_flux - seen + width * t)[:, None]], axis=1)

    def log_density(self, at: Float[Array, "m 3"], seen: Float[Array, " m"]) -> Float[Array, " m"]:
        """Return ln density of that."""
        index = jnp.floor((at[:, :2] - self.low) / self.step).astype(int)
        inside = jnp.all((index >= 0) & (index < _SIDE), axis=1)
        cell = jnp.clip(index[:, 0] + _SIDE * index[:, 1], 0, _SIDE**2 - 1)[:, None]
        share, middle, width = (
            jnp.take_along_axis(each, cell, 1)[:, 0] for each in (self.log_share, self.log_flux, self.width)
        )
        t = (at[:, 2] + seen - middle) / width
        constant = gammaln(0.5 * (DEGREES + 1)) - gammaln(0.5 * DEGREES) - 0.5 * np.log(DEGREES * np.pi)
        of_flux = constant - jnp.log(width) - 0.5 * (DEGREES + 1) * jnp.log1p(t**2 / DEGREES)
        return jnp.where(inside, share - jnp.sum(jnp.log(self.step), axis=1) + of_flux, -jnp.inf)


class Given(NamedTuple):
    """What is given where some sources are looked for: their tiles, PSFs, and what else is expected.

    Attributes:
        tiles: shape (j, ...).
        psf, width: of each.
        counts, rest: of each tile's pixels with counts, and what is expected there of all else, shape (j, k).
    """

    tiles: Tiles
    psf: PSF
    width: Array
    counts: Array
    rest: Array


def lattices(given: Given, prior: Wide) -> Lattice:
    """Make the lattices of some sources, each closing in on what of its region is probable."""
    low, high = prior.low, prior.high
    for level in range(_LEVELS):
        step = (high - low) / _SIDE
        log_mass, log_flux, width = (np.asarray(each) for each in _collapsed(given, prior, low, step))
        if level == _LEVELS - 1:
            break
        kept = (log_mass > log_mass.max(axis=1, keepdims=True) - _NOTABLE).reshape(-1, _SIDE, _SIDE)
        new_low, new_high = low.copy(), high.copy()
        for axis in (0, 1):
            along = kept.any(axis=1 + axis)  # x runs fastest: axis 2 is x
            first, last = along.argmax(axis=1), _SIDE - 1 - along[:, ::-1].argmax(axis=1)
            margin = 1.0 + _MARGIN * (last - first + 1)
            new_low[:, axis] = np.maximum(low[:, axis] + (first - margin) * step[:, axis], prior.low[:, axis])
            new_high[:, axis] = np.minimum(low[:, axis] + (last + 1 + margin) * step[:, axis], prior.high[:, axis])
        low, high = new_low, new_high
    shares = np.exp(_TEMPER * (log_mass - log_mass.max(axis=1, keepdims=True)))
    shares = (1.0 - _EVEN) * shares / shares.sum(axis=1, keepdims=True) + _EVEN / _SIDE**2
    return Lattice(*as_arrays((low, step, np.log(shares), np.cumsum(shares, axis=1), log_flux, _WIDER * width)))


@jax.jit
def _collapsed(given: Given, prior: Wide, low: Array, step: Array) -> tuple[Array, Array, Array]:
    """Return ln of the integral over the flux at each place, and ln flux's mode and width there, shape (j, side²)."""
    return jax.lax.map(lambda one: _one_source(*one), (given, prior, low, step))


def _one_source(given: Given, prior: Wide, low: Array, step: Array) -> tuple[Array, Array, Array]:
    ramps = low[:, None] + (jnp.arange(_SIDE) + 0.5) * step[:, None]

    def row(y: Array) -> tuple[Array, Array, Array]:
        return jax.vmap(lambda x: at_place(x, y))(ramps[0])

    def at_place(x: Array, y: Array) -> tuple[Array, Array, Array]:
        image = given.psf.pixel_fraction(given.tiles.x, given.tiles.y, x, y, given.width) * given.tiles.exposure
        light, total = jnp.ravel(image)[given.tiles.place], jnp.sum(image)
        middle, precision = prior.middle[2], 1.0 / prior.spread[2] ** 2

        def slope_and_bend(log_flux: Array) -> tuple[Array, Array]:
            own = jnp.exp(log_flux) * light
            share = own / (given.rest + own)
            slope = jnp.sum(given.counts * share) - jnp.exp(log_flux) * total - precision * (log_flux - middle)
            return slope, jnp.sum(given.counts * share**2) + precision

        def climb(_: int, log_flux: Array) -> Array:
            slope, bend = slope_and_bend(log_flux)
            return log_flux + jnp.clip(slope / bend, -_LONGEST, _LONGEST)

        mode = jax.lax.fori_loop(0, _NEWTON_STEPS, climb, middle)
        width = jnp.clip(1.0 / jnp.sqrt(slope_and_bend(mode)[1]), _LEAST_WIDTH, _MOST_WIDTH)
        own = jnp.exp(mode) * light
        height = jnp.sum(given.counts * jnp.log1p(own / given.rest)) - jnp.exp(mode) * total
        off = (jnp.stack([x, y, mode]) - prior.middle) / prior.spread
        return height - 0.5 * jnp.sum(off**2) + jnp.log(width), mode, width

    return tuple(jnp.ravel(each) for each in jax.lax.map(row, ramps[1]))  # type: ignore[return-value]
