"""The posterior of several images of one source: each image collapsed on a lattice of places, and all drawn together.

1. Given the place, the images are independent. Z_i(q), the evidence of image i for a source at q with flux and
   background integrated over, is computed on lattices that close in on where it counts.
2. An offset of the image is a convolution of Z_i with its prior; the place is drawn from its prior times the product of
   those, from a density that is bilinear between nodes.
3. Given the place, each image's own place is drawn from Z_i times the prior of its offset, and flux and background
   from their density there, each exactly.
4. The draws are weighted by the exact joint density: k-hat, effective sample size and evidence as ever.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from numpyro.distributions import Distribution

from ...priors import Priors
from ...scene import SOURCE
from ...skystamps import SkyStamps
from ..program import call
from ..unconstrained import Data
from .lattice import Box, Lattice, Tents
from .oneimage import TOGETHER, OneImage, draw, level_name, log_evidences
from .priors import ImagesPriors

_SCAN, _FINE = 16, 22
"""Nodes along each side of the lattices that look for the posterior, and of those that it is drawn from."""
_DEPTH = 22.0
"""What lies so far below the highest in ln density does not count."""
_CLOSING_IN, _HARDLY_SMALLER = 6, 0.7
_SHORTEST = 64
"""Of the lists of photons: faint sources have few, and each costs."""
_AWAY = 4.2
"""Standard deviations of an offset that are looked at."""
_NEAR_STEP = 0.8
"""Steps of the lattice about a place from which offsets are drawn where Z_i is smooth [standard deviations]."""
_DEFENSIVE = 0.05
"""Share of the places that are drawn from their prior."""


class Collapsed(NamedTuple):
    """Weighted draws, before they are weighed.

    Attributes:
        places: shared, shape (n, 2) [arcsec east and north].
        offsets: shape (n, images, 2) [arcsec].
        fluxes, levels: shape (n, images); levels are backgrounds, or normalisations of maps.
        log_target, log_proposal: shape (n,), as densities of places, offsets, and logarithms of fluxes and levels.
    """

    places: Float[np.ndarray, "n 2"]
    offsets: Float[np.ndarray, "n images 2"]
    fluxes: Float[np.ndarray, "n images"]
    levels: Float[np.ndarray, "n images"]
    log_target: Float[np.ndarray, " n"]
    log_proposal: Float[np.ndarray, " n"]


class Collapsible:
    """One image, whose evidence for a source can be asked for at any place."""

    def __init__(self, image: OneImage, priors: Priors, place: np.ndarray, matrix: np.ndarray) -> None:
        self.image, self.priors, self.place, self.matrix = image, priors, place, matrix

    def pixels(self, places: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, "... 2"]:
        """Turn arcsec east and north into the image's pixels."""
        return self.place + places @ self.matrix.T

    def lattice(self, box: Box, number: int) -> Lattice:
        """Return ln Z on a lattice over a box."""
        nodes = self.pixels(box.nodes(number)).reshape(-1, 2)
        found = [call(log_evidences, self.image, self.priors, part) for part in _padded(nodes)]
        return Lattice(box, np.concatenate([np.asarray(each) for each in found])[: len(nodes)].reshape(number, number))

    def drawn(
        self, places: Float[np.ndarray, "n 2"], uniforms: Float[np.ndarray, "n 2"]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Draw flux and level for a source at each place; with ln of the target and of the proposal."""
        pairs = zip(_padded(self.pixels(places)), _padded(uniforms), strict=True)
        parts = [call(draw, self.image, self.priors, *pair) for pair in pairs]
        flux, level, target, own = (np.concatenate(each)[: len(places)] for each in zip(*parts, strict=True))
        return flux, level, target, own


def images_of(stamps: SkyStamps, priors: ImagesPriors) -> list[Collapsible]:
    """Return each image with its priors."""
    found = []
    for image, own, place, matrix in zip(stamps.images, priors.each, stamps.places, stamps.matrices, strict=True):
        data, name = Data.of(image.observation, shortest=_SHORTEST), level_name(own)
        fixed: dict[str, Any] = {key: value for key, value in own.items() if not isinstance(value, Distribution)}
        others = fixed if name is None else fixed | {name: 1.0}
        light = own.scene.without(SOURCE).light(data.pixels, own.psf, others)
        background = np.asarray(light.image(), float)
        quantiles = [own.quantiles(one, (0.16, 0.5, 0.84)) for one in ("flux", name) if one]
        logs = np.log(np.maximum([*quantiles, np.ones(3)][:2], 1e-300))
        one = OneImage(
            data.pixels,
            data.photons,
            background[np.asarray(data.photons.row), np.asarray(data.photons.column)],
            np.float64(background.sum()),
            jnp.asarray(logs[:, 1]),
            jnp.asarray(np.maximum(0.5 * (logs[:, 2] - logs[:, 0]), 1e-3)),
        )
        found.append(Collapsible(one, own, place, matrix))
    return found


def collapse(images: list[Collapsible], priors: ImagesPriors, generator: np.random.Generator, number: int) -> Collapsed:
    """Draw from the posterior of all images together.

    Args:
        images: each with its priors.
        priors: of the shared place and the offsets.
        generator: of random numbers.
        number: of draws.
    """
    each = _lattices(images, priors)
    together = _place_density(each, priors)
    uniforms = generator.random((number, 5))
    defensive = np.arange(number) < round(_DEFENSIVE * number)
    from_prior = priors.position().quantile(generator.random((number, 2)))
    places = np.where(defensive[:, None], from_prior, together.draw(uniforms))
    log_prior = priors.log_position(places)
    share = defensive.mean()
    log_proposal = np.logaddexp(
        math.log(max(share, 1e-300)) + log_prior, math.log1p(-share) + together.log_density(places)
    )
    log_target = log_prior.copy()
    offsets, fluxes, levels = [], [], []
    for image, lattice in zip(images, each, strict=True):
        own = np.zeros_like(places)
        if priors.offset > 0:
            tents = _about(lattice, places, priors.offset)
            drawn = tents.draw(generator.random((number, 5)))
            log_proposal += tents.log_density(drawn)
            own = drawn - places
            log_target += _log_offset(own, priors.offset)
        flux, level, target, proposed = image.drawn(places + own, generator.random((number, 2)))
        log_target += target
        log_proposal += proposed
        offsets.append(own)
        fluxes.append(flux)
        levels.append(level)
    return Collapsed(
        places, np.stack(offsets, axis=1), np.stack(fluxes, axis=1), np.stack(levels, axis=1), log_target, log_proposal
    )


def _lattices(images: list[Collapsible], priors: ImagesPriors) -> list[Lattice]:
    """Close in on where the posterior of each image's own place is, and return ln Z there."""
    away = _AWAY * priors.offset
    whole = priors.box().wider(away)
    scanned: list[Lattice] = []

    def all_together(box: Box) -> Lattice:
        scanned[:] = [image.lattice(box, _SCAN) for image in images]
        prior = -0.5 * (box.nodes(_SCAN) ** 2).sum(axis=-1) / (priors.spread**2 + priors.offset**2)
        return Lattice(box, sum(one.log_values for one in scanned) + prior)

    _close_in(all_together(whole), all_together, lambda box: box.wider(away).inside(whole))
    closest = [
        _close_in(known, partial(image.lattice, number=_SCAN)) for image, known in zip(images, scanned, strict=True)
    ]
    pairs = zip(images, closest, strict=True)
    return [image.lattice(known.where_it_counts(_DEPTH), _FINE) for image, known in pairs]


def _place_density(each: list[Lattice], priors: ImagesPriors) -> Tents:
    """Return the density of the shared place: its prior times each image's evidence, offsets convolved in."""
    box = priors.box()
    for lattice in each:
        box = box.inside(lattice.box.wider(_AWAY * priors.offset))
    if (box.high <= box.low).any():
        box = priors.box()

    def over(box: Box) -> Lattice:
        total = priors.log_position(box.nodes(_FINE)) + sum(_convolved(one, box, priors.offset) for one in each)
        return Lattice(box, np.maximum(total, np.max(total) - 1e4))

    found = _close_in(over(box), over)
    return Tents.of(found.box.low[None], found.step, found.log_values[None])


def _close_in(known: Lattice, over: Callable[[Box], Lattice], grown: Callable[[Box], Box] = lambda box: box) -> Lattice:
    """Compute a function on ever smaller boxes about where it counts, until they get no smaller.

    Args:
        known: on the first box.
        over: computes it on another.
        grown: what to take for the box where it counts.
    """
    for _ in range(_CLOSING_IN):
        closer = grown(known.where_it_counts(_DEPTH))
        if closer.size > _HARDLY_SMALLER * known.box.size:
            break
        known = over(closer)
    return known


def _convolved(lattice: Lattice, box: Box, offset: float) -> Float[np.ndarray, "n n"]:
    """Ln of an image's evidence for a source at the nodes of a box, its offset integrated over."""
    if offset == 0.0:
        return lattice.at(box.nodes(_FINE))
    if _is_fine(lattice, offset):
        highest = float(lattice.log_values.max())
        along, up = (np.exp(each) for each in _log_offsets(lattice, box.axes(_FINE), offset))
        found = up @ np.exp(lattice.log_values - highest) @ along.T * lattice.step.prod()
        return highest + np.log(np.maximum(found, 1e-300))
    away = _steps_about(offset)
    logs = lattice.at(box.nodes(_FINE)[:, :, None, None] + away) + _log_offset(away, offset)
    return np.logaddexp.reduce(logs.reshape(_FINE, _FINE, -1), axis=2) + 2.0 * math.log(_NEAR_STEP * offset)


def _about(lattice: Lattice, places: Float[np.ndarray, "n 2"], offset: float) -> Tents:
    """Return, for each shared place, the density of an image's own place."""
    if _is_fine(lattice, offset):
        along, up = _log_offsets(lattice, list(places.T), offset)
        return Tents.of(lattice.box.low[None], lattice.step, lattice.log_values + along[:, None, :] + up[:, :, None])
    away = _steps_about(offset)
    logs = lattice.at(places[:, None, None] + away) + _log_offset(away, offset)
    return Tents.of(places + away[0, 0], np.full(2, _NEAR_STEP * offset), logs)


def _log_offsets(lattice: Lattice, places: list[Float[np.ndarray, " n"]], offset: float) -> list[np.ndarray]:
    """Ln of the offsets' prior from each place to each node, for east and for north, shape (n, nodes)."""
    norm = math.log(offset * math.sqrt(2.0 * math.pi))
    nodes = lattice.box.axes(len(lattice.log_values))
    return [-0.5 * ((at[:, None] - own) / offset) ** 2 - norm for at, own in zip(places, nodes, strict=True)]


def _is_fine(lattice: Lattice, offset: float) -> bool:
    """Whether the lattice's own nodes are dense enough for offsets; else Z is smooth over an offset."""
    return bool((lattice.step <= _NEAR_STEP * offset).all())


def _steps_about(offset: float) -> Float[np.ndarray, "k k 2"]:
    each = _NEAR_STEP * offset * np.arange(-5, 6)
    return np.stack(np.meshgrid(each, each), axis=-1)


def _log_offset(offsets: Float[np.ndarray, "... 2"], offset: float) -> Float[np.ndarray, "..."]:
    return -0.5 * (offsets**2).sum(axis=-1) / offset**2 - 2.0 * math.log(offset * math.sqrt(2.0 * math.pi))


def _padded(values: Float[np.ndarray, "n k"]) -> list[Float[np.ndarray, "together k"]]:
    """Divide rows into parts of one length, the last one filled up."""
    short = -len(values) % TOGETHER
    filled = np.concatenate([values, np.broadcast_to(values[-1:], (short, values.shape[1]))])
    return list(filled.reshape(-1, TOGETHER, values.shape[1]))
