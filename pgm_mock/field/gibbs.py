"""Blocked Gibbs sampling of a field: each source, then the PSF, then all that the sources share.

A source moves by iterated sampling importance resampling (i-SIR: Andrieu, Lee & Vihola 2018): several candidates from
its own proposal and the present state, of which one is chosen by likelihood times prior over proposal. Sources whose
tiles do not overlap move at once. The PSF moves likewise, the fluxes following so that each source keeps its counts.
What is shared moves along a path of Hamiltonian Monte Carlo.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..priors import Priors
from ..psf import with_slope
from ..sampler import mixture
from ..sampler.hmc import hmc_step
from ..sampler.mixture import DEGREES, Mixture
from .density import Blocks, constrained, log_prior_of_sources
from .lattice import Lattice, Wide
from .target import Target

_CANDIDATES = 3
_PSF_CANDIDATES, _PSF_MOVES = 2, 2
_WIDE = 0.15
_TINY = 1e-30


class State(NamedTuple):
    """Where a chain is.

    Attributes:
        sources: x, y [FITS image pixels] and ln flux of each, shape (m, 3).
        psf, shared: unconstrained parameters, shapes (p,) and (d,).
        smooth, smooth_total: counts of what is shared in the pixels that have any, shape (n + 1,), and in all.
        far, far_total, seen: the same of the sources' far wings, and ln of what each has in its tile at flux 1.
        light: of all sources there, shape (n + 1,).
        totals: of each source at flux 1, in its tile, shape (m,).
    """

    sources: Float[Array, "m 3"]
    psf: Float[Array, " p"]
    shared: Float[Array, " d"]
    smooth: Float[Array, " n+1"]
    smooth_total: Array
    far: Float[Array, " n+1"]
    far_total: Array
    seen: Float[Array, " m"]
    light: Float[Array, " n+1"]
    totals: Float[Array, " m"]

    @property
    def sources_total(self) -> Array:
        """Counts of all sources in the field."""
        return jnp.exp(self.sources[:, 2]) @ self.totals + self.far_total


class Tuning(NamedTuple):
    """What warm-up learns.

    Attributes:
        lattice, wide: each source's proposals.
        psf: the PSF's proposal.
        factor: Cholesky factor of the covariance of what is shared, shape (d, d).
        step_size: of the paths.
        num_steps: of the paths.
    """

    lattice: Lattice
    wide: Wide
    psf: Mixture
    factor: Float[Array, "d d"]
    step_size: Array
    num_steps: Array


class Field(NamedTuple):
    """The model of a field.

    Attributes:
        target: what its density is made of.
        priors: of all parameters, with the scene and the PSF.
        blocks: how the parameters are divided.
        scales: of the amplitudes in it (see `constrained`).
    """

    target: Target
    priors: Priors
    blocks: Blocks
    scales: dict[str, Array]

    def values(self, psf: Array, shared: Array) -> tuple[dict[str, Any], Array]:
        """Return the parameters that are not the sources', and ln of their prior density."""
        fixed = {name: value for name, value in self.priors.items() if name not in self.priors.free}
        first, of_shared = constrained(shared, self.blocks.shared, self.priors, fixed, self.scales)
        second, of_psf = constrained(psf, self.blocks.psf, self.priors, fixed | first, {})
        return fixed | first | second, of_shared + of_psf

    def psfs(self, values: dict[str, Any]) -> tuple[Any, Array]:
        """Return each source's PSF and its width."""
        psf: Any = with_slope(self.priors.psf, values.get("psf_slope"))
        return psf.in_plate(values["psf_width"])

    def shapes(self, values: dict[str, Any], at: Float[Array, "m 3"]) -> tuple[list[Array], Array]:
        """Return the sources' counts at flux 1: of each group's (j, k) pixels that have any, and in the tiles, (m,)."""
        psf, widths = self.psfs(values)
        found, totals = [], jnp.zeros(len(at))
        for tiles in self.target.tiles:
            each, sums = tiles.light(*take(tiles.numbers, psf, widths), at[tiles.numbers, 0], at[tiles.numbers, 1])
            found.append(each)
            totals = totals.at[tiles.numbers].set(sums)
        return found, totals

    def light(self, shapes: list[Array], log_flux: Float[Array, " m"]) -> Float[Array, " n+1"]:
        """Return the sources' counts in the pixels that have any."""
        light = jnp.zeros_like(self.target.counts)
        for tiles, each in zip(self.target.tiles, shapes, strict=True):
            light = light.at[tiles.pixel].add(jnp.exp(log_flux[tiles.numbers])[:, None] * each)
        return light.at[-1].set(0.0)

    def state(self, sources: Array, psf: Array, shared: Array) -> State:
        """Return the state of some parameters."""
        values, _ = self.values(psf, shared)
        smooth, total = self.smooth(values)
        shapes, totals = self.shapes(values, sources)
        light = self.light(shapes, sources[:, 2])
        return State(sources, psf, shared, smooth, total, *self.target.far.at(psf), light, totals)

    def smooth(self, values: dict[str, Any]) -> tuple[Array, Array]:
        """Return the counts of all but the sources."""
        return self.target.smooth(self.priors.scene.without(self.blocks.plate), self.priors.psf, values)

    def with_psf(self, state: State, psf: Float[Array, " p"]) -> State:
        """Return the state with another PSF, each source's counts in its tile as they are."""
        values, _ = self.values(psf, state.shared)
        shapes, totals = self.shapes(values, state.sources)
        follow = jnp.log(jnp.maximum(state.totals, _TINY)) - jnp.log(jnp.maximum(totals, _TINY))
        sources = state.sources.at[:, 2].add(jnp.where(state.totals > 0, follow, 0.0))
        far, far_total, seen = self.target.far.at(psf)
        light = self.light(shapes, sources[:, 2])
        moved = {"far": far, "far_total": far_total, "seen": seen, "light": light, "totals": totals}
        return state._replace(sources=sources, psf=psf, **moved)

    def with_shared(self, state: State, shared: Float[Array, " d"]) -> State:
        """Return the state with other parameters of what is shared."""
        values, _ = self.values(state.psf, shared)
        smooth, total = self.smooth(values)
        return state._replace(shared=shared, smooth=smooth, smooth_total=total)

    def log_posterior(self, state: State) -> Array:
        """Return ln posterior of a state, but for a constant."""
        values, log_prior = self.values(state.psf, state.shared)
        of_sources = log_prior_of_sources(state.sources, self.blocks, self.priors, values)
        mean, total = state.smooth + state.far + state.light, state.smooth_total + state.sources_total
        return self.target.log_likelihood(mean, total) + log_prior + jnp.sum(of_sources)


def take(numbers: Array, psf: Any, widths: Array) -> tuple[Any, Array]:
    """Return the PSFs and widths of some sources."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf)[numbers], psf), widths[numbers]


def move_sources(key: Array, state: State, field: Field, tuning: Tuning) -> tuple[State, Array]:
    """Move each source; return the state, and which of them moved, shape (m,)."""
    target, blocks, priors = field.target, field.blocks, field.priors
    values, _ = field.values(state.psf, state.shared)
    psf, widths = field.psfs(values)
    of_lattice, of_wide, of_choice, of_pick = jax.random.split(key, 4)
    drawn, wide = (
        jax.vmap(draw)(jax.random.split(one, _CANDIDATES))
        for one, draw in ((of_lattice, lambda key: tuning.lattice.draw(key, state.seen)), (of_wide, tuning.wide.draw))
    )
    is_wide = jax.random.bernoulli(of_choice, _WIDE, drawn.shape[:2])
    every = jnp.concatenate([state.sources[None], jnp.where(is_wide[:, :, None], wide, drawn)])
    log_prior = jax.vmap(lambda at: log_prior_of_sources(at, blocks, priors, values))(every)
    log_lattice = jax.vmap(lambda at: tuning.lattice.log_density(at, state.seen))(every)
    log_wide = jax.vmap(tuning.wide.log_density)(every)
    log_proposal = jnp.logaddexp(jnp.log(1.0 - _WIDE) + log_lattice, jnp.log(_WIDE) + log_wide)
    moved = jnp.zeros(len(state.sources), bool)
    sources, light, totals = state.sources, state.light, state.totals
    for number, tiles in enumerate(target.tiles):
        own = tiles.numbers
        at = every[:, own]
        shape, counts = take(own, psf, widths), target.counts[tiles.pixel]
        each, sums = jax.vmap(lambda x, y, tiles=tiles, shape=shape: tiles.light(*shape, x, y))(at[..., 0], at[..., 1])
        flux = jnp.exp(at[..., 2])
        lights = flux[..., None] * each
        rest = jnp.maximum((light + state.smooth + state.far)[tiles.pixel] - lights[0], _TINY)
        log_likelihood = jnp.sum(counts * jnp.log1p(lights / rest), axis=-1) - flux * sums
        log_weight = log_likelihood + log_prior[:, own] - log_proposal[:, own]
        log_weight = jnp.where(jnp.isnan(log_weight), -jnp.inf, log_weight)
        chosen = jax.random.categorical(jax.random.fold_in(of_pick, number), log_weight, axis=0)
        pick = partial(_chosen, chosen)
        sources = sources.at[own].set(pick(at))
        totals = totals.at[own].set(pick(sums))
        light = light.at[tiles.pixel].add(pick(lights) - lights[0]).at[-1].set(0.0)
        moved = moved.at[own].set(chosen > 0)
    return state._replace(sources=sources, light=light, totals=totals), moved


def _chosen(chosen: Array, each: Array) -> Array:
    """Take of candidates (c, j, ...) the chosen one of each source."""
    index = chosen.reshape(1, -1, *(1,) * (each.ndim - 2))
    return jnp.take_along_axis(each, index, axis=0)[0]


def move_psf(key: Array, state: State, field: Field, tuning: Tuning) -> tuple[State, Array]:
    """Move the PSF, each source's flux following so that its counts in the tile stay; return whether it moved."""
    if not field.blocks.psf:
        return state, jnp.zeros((), bool)
    of_draw, of_pick = jax.random.split(key)
    normals = jax.random.normal(of_draw, (_PSF_CANDIDATES, len(state.psf) + DEGREES))
    drawn = mixture.sample(normals, jnp.zeros(_PSF_CANDIDATES), tuning.psf)
    every = jnp.concatenate([state.psf[None], drawn])
    states = jax.vmap(lambda psf: field.with_psf(state, psf))(every)
    log_weight = jax.vmap(field.log_posterior)(states) - mixture.log_density(every, tuning.psf)
    log_weight = jnp.where(jnp.isnan(log_weight), -jnp.inf, log_weight)
    chosen = jax.random.categorical(of_pick, log_weight)
    return jax.tree.map(lambda each: each[chosen], states), chosen > 0


def move_shared(key: Array, state: State, field: Field, tuning: Tuning) -> tuple[State, Array, Array]:
    """Move what is shared along a path; return the state, the probability to accept it, and whether it diverged."""

    def log_density(shared: Array) -> Array:
        return field.log_posterior(field.with_shared(state, shared))

    found = hmc_step(key, state.shared, log_density, tuning.factor, tuning.step_size, tuning.num_steps)
    return field.with_shared(state, found.position), found.accept_prob, found.diverging


class Sweep(NamedTuple):
    """What is kept of a sweep.

    Attributes:
        sources, psf, shared: of the state.
        log_posterior: but for a constant.
        accept_prob, diverging: of the path.
        psf_moved, sources_moved: whether the PSF moved, and which sources.
    """

    sources: Array
    psf: Array
    shared: Array
    log_posterior: Array
    accept_prob: Array
    diverging: Array
    psf_moved: Array
    sources_moved: Array


def sweep(key: Array, state: State, field: Field, tuning: Tuning) -> tuple[State, Sweep]:
    """Move everything once."""
    first, second, third = jax.random.split(key, 3)
    state, moved = move_sources(first, state, field, tuning)
    for one in jax.random.split(second, _PSF_MOVES):
        state, psf_moved = move_psf(one, state, field, tuning)
    state, accept_prob, diverging = move_shared(third, state, field, tuning)
    record = field.log_posterior(state), accept_prob, diverging, psf_moved, moved
    return state, Sweep(state.sources, state.psf, state.shared, *record)
