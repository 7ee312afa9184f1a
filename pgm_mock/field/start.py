"""Where a field's chains begin: the mode of what is shared, and where each source may be, found in turn."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from ..sampler.laplace import laplace
from ..sampler.mixture import Mixture
from .density import unconstrained
from .gibbs import Field, State, Tuning, take
from .lattice import Given, Lattice, Wide, lattices

_ROUNDS = 3
"""The modes of the sources and of what they share are looked for in turn."""
_FIRST_SIZE, _FIRST_STEPS = 0.3, 6
WIDER = 1.3
"""So much wider than what is known of the PSF is its proposal."""
_TINY = 1e-30
_END, _DEVIATIONS = 1e-6, 5.0
"""Probability beyond either end of a prior, and how many standard deviations away a normal one's is, rounded up."""


class Start(NamedTuple):
    """Near the mode.

    Attributes:
        field: with what the target needs from there.
        sources, psf, shared: as of a state.
        tuning: to begin warm-up with.
    """

    field: Field
    sources: np.ndarray
    psf: np.ndarray
    shared: np.ndarray
    tuning: Tuning


def find_start(field: Field, parameters: Mapping[str, Any]) -> Start:
    """Climb to the mode of what is shared, and look for each source, in turn.

    Args:
        field: the model.
        parameters: of it, to begin from.
    """
    priors, blocks = field.priors, field.blocks
    shared = np.asarray(unconstrained(parameters, blocks.shared, priors, field.scales))
    psf = np.asarray(unconstrained(parameters, blocks.psf, priors, {}))
    x, y, flux = blocks.sources(parameters)
    sources = np.stack([x, y, np.log(flux)], axis=1)
    prior, (middle, spread) = _prior_of_sources(field), _prior_of_psf(field)
    psf_factor = np.diag(spread)
    for _ in range(_ROUNDS):
        state = state_of(field, sources, psf, shared)
        shared, factor = (np.asarray(each) for each in _climb(field, state))
        state = state_of(field, sources, psf, shared)
        if blocks.psf:
            psf, psf_factor = (np.asarray(each) for each in _climb_psf(field, state, middle, spread))
            state = with_psf(field, state, psf)
        lattice = look_for_sources(field, state, prior)
        sources = _best(lattice)
    field, shared, factor = _rescaled(field, psf, shared, factor)
    size, steps = jnp.asarray(_FIRST_SIZE), jnp.asarray(_FIRST_STEPS)
    of_psf = one_student(jnp.asarray(psf), WIDER * jnp.asarray(psf_factor))
    return Start(field, sources, psf, shared, Tuning(lattice, prior, of_psf, jnp.asarray(factor), size, steps))


def _rescaled(
    field: Field, psf: np.ndarray, shared: np.ndarray, factor: np.ndarray
) -> tuple[Field, np.ndarray, np.ndarray]:
    """Give each amplitude its own standard deviation as scale, so that it is linear where it is known."""
    names, values = field.blocks.shared, field.values(jnp.asarray(psf), jnp.asarray(shared))[0]
    spread = np.sqrt(np.sum(factor**2, axis=1))
    scales, slopes, first = dict(field.scales), np.ones(len(shared)), 0
    for name in names:
        size = math.prod(field.priors.shape(name))
        place = np.s_[first : first + size] if np.shape(values[name]) else first
        first += size
        if name in scales:
            slope = np.asarray(scales[name]) * np.asarray(jax.nn.sigmoid(shared[place]))
            scales[name] = jnp.asarray(slope * spread[place])
            ratio = np.asarray(values[name]) / np.asarray(scales[name])
            slopes[place] = slope / np.asarray(scales[name]) / -np.expm1(-ratio)
    field = field._replace(scales=scales)
    moved = unconstrained(values, names, field.priors, scales)
    return field, np.asarray(moved), slopes[:, None] * factor


@jax.jit
def state_of(field: Field, sources: ArrayLike, psf: ArrayLike, shared: ArrayLike) -> State:
    """Return the state of some parameters: x, y and ln flux of the sources (m, 3), and the unconstrained others."""
    return field.state(*map(jnp.asarray, (sources, psf, shared)))


@jax.jit
def with_psf(field: Field, state: State, psf: ArrayLike) -> State:
    """Return a state with another PSF; see `Field.with_psf`."""
    return field.with_psf(state, jnp.asarray(psf))


def one_student(middle: Array, factor: Array) -> Mixture:
    """Return a proposal of a single Student-t: its centre (p,) and its Cholesky factor (p, p)."""
    return Mixture(jnp.zeros(1), middle[None], factor[None])


@jax.jit
def _climb(field: Field, state: State) -> tuple[Array, Array]:
    """Return the mode of what is shared, given the sources, and the Cholesky factor of the covariance there."""
    mode, factor, _ = laplace(lambda shared: field.log_posterior(field.with_shared(state, shared)), state.shared)
    return mode, factor


@jax.jit
def _climb_psf(field: Field, state: State, middle: Array, spread: Array) -> tuple[Array, Array]:
    """Return the mode of the PSF, each source's counts as they are, and the Cholesky factor there."""

    def log_density(u: Array) -> Array:
        return field.log_posterior(field.with_psf(state, middle + spread * u))

    mode, factor, _ = laplace(log_density, (state.psf - middle) / spread)
    return middle + spread * mode, spread[:, None] * factor


@jax.jit
def _given(field: Field, state: State) -> list[Given]:
    values, _ = field.values(state.psf, state.shared)
    psf, widths = field.psfs(values)
    found = []
    shapes, _ = field.shapes(values, state.sources)
    for tiles, each in zip(field.target.tiles, shapes, strict=True):
        own = jnp.exp(state.sources[tiles.numbers, 2])[:, None] * each
        rest = jnp.maximum((state.smooth + state.far + state.light)[tiles.pixel] - own, _TINY)
        found.append(Given(tiles, *take(tiles.numbers, psf, widths), field.target.counts[tiles.pixel], rest))
    return found


def look_for_sources(field: Field, state: State, prior: Wide) -> Lattice:
    """Make the lattice of each source, given all else."""
    groups = []
    for given in _given(field, state):
        numbers = np.asarray(given.tiles.numbers)
        groups.append((numbers, lattices(given, Wide(*(each[numbers] for each in prior)))))
    order = np.argsort(np.concatenate([numbers for numbers, _ in groups]))
    each = zip(*(lattice for _, lattice in groups), strict=True)
    return Lattice(*(jnp.concatenate(parts)[order] for parts in each))


def _prior_of_sources(field: Field) -> Wide:
    """Return bounds, middles and widths of the priors of x, y and ln flux.

    A width is that of the middle 68 % or of the longer tail, whichever says more: by the former alone a power law's
    prior keeps proposals from the fluxes of bright sources.
    """
    names = [f"{field.blocks.prefix}{name}" for name in ("x", "y", "flux")]
    each = [field.priors.quantiles(name, (_END, 0.16, 0.5, 0.84, 1.0 - _END)) for name in names]
    least, lower, middle, upper, most = np.stack([each[0], each[1], np.log(each[2])], axis=-1)
    of_tail = np.maximum(most - middle, middle - least) / _DEVIATIONS
    return Wide(least[:, :2], most[:, :2], middle, np.maximum(0.5 * (upper - lower), of_tail))


def _prior_of_psf(field: Field) -> tuple[Array, Array]:
    """Return the middle and half the 16 to 84 % range of the PSF's prior, shapes (p,)."""
    names = field.blocks.psf
    if not names:
        return jnp.zeros(0), jnp.zeros(0)
    each = {name: field.priors.quantiles(name, (0.16, 0.5, 0.84)) for name in names}
    lower, middle, upper = (
        np.asarray(unconstrained({name: each[name][row] for name in names}, names, field.priors, {}))
        for row in range(3)
    )
    return jnp.asarray(middle), 0.5 * jnp.asarray(upper - lower)


def _best(lattice: Lattice) -> np.ndarray:
    """Return each source's most probable place and its flux there, shape (m, 3)."""
    share = np.asarray(lattice.log_share)
    cell = share.argmax(axis=1)
    side = math.isqrt(share.shape[1])
    index = np.stack([cell % side, cell // side], axis=1)
    place = np.asarray(lattice.low) + (index + 0.5) * np.asarray(lattice.step)
    return np.concatenate([place, np.asarray(lattice.log_flux)[np.arange(len(cell)), cell][:, None]], axis=1)
