"""fit_field(): a whole field as one model."""

import itertools
import sys
from collections.abc import Callable, Mapping, Sequence

import jax.numpy as jnp
import numpy as np

from ..detection import cleaned
from ..detection.fieldpsf import FieldPSF
from ..distributions import Prior
from ..errors import InputError, warn
from ..inference.program import make_room
from ..observation import Observation
from ..population import Selection
from ..priors import Priors
from ..psf import PSF, EachPSF
from ..random import checked_seed
from ..region import Region
from ..scene import Scene
from ..scene.pointsource import LEAST_REACH
from ..vignetting import with_particles
from .density import Blocks, unconstrained
from .gibbs import Field
from .guess import Guess, first_guess
from .posterior import FieldPosterior, expected_image
from .run import run_chains
from .scene import SOURCES, ccds_of, field_priors
from .start import Start, find_start, state_of, with_psf
from .target import NOTHING, FarWings, Target, as_arrays, as_row, lit_pixels, make_nodes, make_tiles

_TINY = 1e-30
_NODES, _REACH = {"psf_width": 3, "psf_slope": 13}, 1e-4
"""Of the grid on which the far wings are known: they are a power law of the width, for each slope."""
_SAME, _NEAR = 1.0, 5.0
"""Sources that are so near are one; a cluster's centre is so near to exposed pixels [pixels]."""
_CORE, _WIDE = 3.0, 15.0
"""A source so near to a cluster's centre, or of a circle so wide about it, may be the cluster [pixels]."""
_LEAST_FAR = 1e-9
"""Counts in a pixel below which there is no far wing: rounding leaves as much in a source's own tile."""


def fit_field(
    observation: Observation,
    regions: Sequence[Region],
    *,
    psf: "str | PSF" = "auto",
    psf_sampling: float | None = None,
    clusters: Sequence[tuple[float, float]] | None = None,
    betas: int | None = None,
    changes: Mapping[str, Prior] | None = None,
    population: Selection | None = None,
    num_chains: int = 4,
    num_warmup: int = 300,
    num_samples: int = 800,
    seed: int | None = 0,
    progress: bool = False,
    say: Callable[[str], None] | None = None,
) -> FieldPosterior:
    """Fit all sources of a field, its clusters, its sky, its particles and its PSF together.

    Blocked Gibbs sampling: each source moves among candidates from a lattice of places about its region, the PSF among
    candidates with the fluxes following, all else along paths of Hamiltonian Monte Carlo. Chains that have not
    converged after `num_samples` sweeps go on, to three times as many at most.

    Args:
        observation: counts and exposure. Pixels with less than a quarter of the largest exposure in the 9 x 9 around
            them are left out. Its background map, where it has one, is the template of the particles; else the
            exposure without its vignetting is, where that shows.
        regions: the point sources, as `read_regions` gives them; a radius bounds where its source may be.
        psf: "auto" (the telescope's, as it changes over the field, else a Gaussian), a name or file of `choose_psf`, or
            one PSF for all. Its width, and the slope of a King profile, are learnt from the field.
        psf_sampling: of a PSF image: its pixels for each pixel of the counts image, where its header does not say.
        clusters: (x, y) of the centre of each extended source [FITS image pixels]; None looks for them, () has none.
        betas: how many beta models the first of them has, 1 or 2; None takes 2 where clusters are looked for and one
            shape did not describe it.
        changes: by parameter, what stands in place of its default prior: a distribution or a fixed value.
        population: the probability of a detection, such as `sensitivity(found)`, where the sources are all that was
            detected and no others, `found.regions`: the slope of their number counts is then a parameter,
            `numbers_slope`, and the fluxes' prior its power law, corrected for what is not seen (Loredo 2004).
        num_chains: at least 2, or nobody can tell whether they converged.
        num_warmup, num_samples: sweeps of each chain, rounded up to fifties.
        seed: a whole number; None is another one each time.
        progress: whether to show a bar on stderr.
        say: is told in words what is being done.

    Raises:
        InputError: no source that lies in the field, no counts, or numbers that are none.
    """
    _check(betas, num_chains=num_chains, num_warmup=num_warmup, num_samples=num_samples)
    seed = checked_seed(seed)
    observation = with_particles(cleaned(observation))
    if not observation.counts.any():
        raise InputError("counts: expected some, found none")
    kept = _in_field(observation, regions)
    _check_population(population, len(kept))
    _check_places(observation, kept, clusters)
    make_room()
    field_psf = FieldPSF.of(observation, psf, psf_sampling)
    psf_name = psf if isinstance(psf, str) else "auto"
    each = EachPSF.of([field_psf.at(one.x, one.y) for one in kept])
    guess = first_guess(observation, kept, field_psf, clusters, say)
    betas = min(max(guess.shapes, 1), 2) if betas is None else betas
    _warn_of_points(kept, guess.clusters)
    model = field_priors(observation, kept, each, guess.clusters, betas, population)
    if unknown := [name for name in changes or {} if name not in model]:
        raise InputError(f"priors: expected {', '.join(model)}, found {', '.join(unknown)}")
    model = model.replace(**dict(changes or {}))
    if say is not None:
        say(f"{model.dimension} parameters: {model.scene.describe()}")
    start = prepared(observation, model, guess)
    from tqdm import tqdm

    total = num_chains * (num_warmup + num_samples)
    with tqdm(total=total, unit="sweep", desc="chains", disable=not progress, file=sys.stderr) as bar:
        numbers = num_chains, num_warmup, num_samples
        chains = run_chains(start, seed, observation.name, numbers, lambda done: bar.update(done * num_chains))
    return FieldPosterior(observation, model, tuple(kept), field_psf, start.field, chains, seed, psf_name)


def prepared(observation: Observation, priors: Priors, guess: Guess) -> Start:
    """Return the model of a field with its target, and where chains begin.

    Args:
        observation: the field.
        priors: of its scene.
        guess: what the counts say.
    """
    blocks = Blocks.of(priors)
    parameters = guess.parameters(observation, priors, SOURCES)
    target = _target(observation, guess, priors.scene, len(blocks.psf))
    scales = {name: jnp.asarray(parameters[name], float) for name in blocks.amplitudes}
    start = find_start(Field(target, priors, blocks, scales), parameters)
    field = _with_far_wings(start, observation)
    lattice = start.tuning.lattice
    lattice = lattice._replace(log_flux=lattice.log_flux + field.target.far.at(jnp.asarray(start.psf))[2][:, None])
    return start._replace(field=field, tuning=start.tuning._replace(lattice=lattice))


def _target(observation: Observation, guess: Guess, scene: Scene, parameters: int) -> Target:
    """Return the target, without far wings and with no reference yet; `parameters` is the number of the PSF's."""
    sources, (rows, columns, counts) = guess.sources, lit_pixels(observation)
    tiles = make_tiles(observation, sources.x, sources.y, sources.counts())
    nodes = make_nodes(observation, np.reshape(guess.clusters, (-1, 2)), ccds_of(scene))
    lit, ones = as_row(observation, rows, columns), np.ones(len(counts) + 1)
    far = FarWings.none(parameters, len(counts), len(sources))
    return Target(*as_arrays((np.append(counts, 0.0), lit, nodes, tiles, far, ones)))


def _with_far_wings(start: Start, observation: Observation) -> Field:
    """Return the field with the reference mean of its start, and what its sources have beyond their tiles."""
    field = start.field
    state = state_of(field, *map(jnp.asarray, (start.sources, start.psf, start.shared)))
    rows, columns, _ = lit_pixels(observation)
    plate = field.priors.scene.only(field.blocks.plate)

    def beyond(psf: np.ndarray) -> np.ndarray:
        """Return ln of the counts beyond the tiles in lit pixels, of their sum, and of each tile's own."""
        there = with_psf(field, state, psf)
        sources = there.sources
        own = {"x": sources[:, 0], "y": sources[:, 1], "flux": jnp.exp(sources[:, 2])}
        values = field.values(there.psf, there.shared)[0]
        values |= {f"{field.blocks.prefix}{name}": each for name, each in own.items()}
        image = expected_image(plate, observation, field.priors.psf, values)
        far = image[rows, columns] - np.asarray(there.light)[:-1]
        far = np.append(far, image.sum() - float(jnp.exp(sources[:, 2]) @ there.totals))
        return np.log(np.append(np.maximum(far, _LEAST_FAR), np.maximum(there.totals, _TINY)))

    grid = _grid_of_psf(field)
    shape = tuple(map(len, grid))
    logs = np.stack([beyond(np.array(node)) for node in itertools.product(*grid)]).reshape(*shape, -1)
    counts = logs[..., : len(rows) + 1].copy()
    counts[..., -1] = NOTHING
    far = FarWings(*as_arrays((grid, counts, logs[..., len(rows)], logs[..., len(rows) + 1 :])))
    reference = np.array(state.smooth + state.light + far.at(state.psf)[0])
    reference[-1] = 1.0
    return field._replace(target=field.target._replace(far=far, reference=jnp.asarray(reference)))


def _grid_of_psf(field: Field) -> tuple[np.ndarray, ...]:
    """Return nodes of each of the PSF's unconstrained parameters, as far as the priors reach."""
    names, grid = field.blocks.psf, []
    for name in names:
        number = _NODES.get(name, 3)
        low, high = field.priors.quantiles(name, (_REACH, 1.0 - _REACH))
        values = np.linspace(low, high, number)
        given = dict(field.priors.medians())
        each = [float(unconstrained(given | {name: one}, (name,), field.priors, {})[0]) for one in values]
        grid.append(np.array(each))
    return tuple(grid)


def _in_field(observation: Observation, regions: Sequence[Region]) -> list[Region]:
    """Return the sources whose place, or some pixel near it, is exposed; a warning counts the others."""
    if not regions:
        raise InputError("regions: expected at least one source, found none")
    kept = []
    for one in regions:
        near = np.hypot(observation.columns - one.x, observation.rows - one.y) <= np.fmax(one.radius, LEAST_REACH)
        if np.isfinite(one.x) and np.isfinite(one.y) and (observation.exposure[near] > 0).any():
            kept.append(one)
    if not kept:
        raise InputError(f"regions: expected a source on exposed pixels, found none of {len(regions)}")
    if lost := len(regions) - len(kept):
        warn(f"regions: {lost} of {len(regions)} are on no exposed pixel: left out")
    return kept


def _check_places(
    observation: Observation, regions: Sequence[Region], clusters: Sequence[tuple[float, float]] | None
) -> None:
    """Raise InputError where two sources are at one place, or a cluster is nowhere near exposed pixels."""
    places = np.array([(one.x, one.y) for one in regions], float)
    apart = np.hypot(*(places[:, None] - places).transpose(2, 0, 1)) + _SAME * np.eye(len(places))
    first, second = map(int, np.unravel_index(int(apart.argmin()), apart.shape))
    if apart[first, second] < _SAME:
        names = f"{regions[first].name} and {regions[second].name}"
        raise InputError(f"regions: expected each source once, found {names} within {_SAME:g} pixel")
    for x, y in () if clusters is None else clusters:
        near = np.hypot(observation.columns - x, observation.rows - y) <= _NEAR
        if not (np.isfinite([x, y]).all() and (observation.exposure[near] > 0).any()):
            raise InputError(f"clusters: expected places on exposed pixels, found x={x:g} y={y:g}")


def _warn_of_points(regions: Sequence[Region], clusters: Sequence[tuple[float, float]]) -> None:
    """Warn of listed sources in a cluster's core: they may be the cluster itself."""
    for one in regions:
        for x, y in clusters:
            if np.hypot(one.x - x, one.y - y) <= max(_CORE, one.radius if one.radius > _WIDE else 0.0):
                said = f"source {one.name} lies in the core of the extended source at x={x:.0f} y={y:.0f}"
                warn(f"regions: {said}: both are fitted, and one of them may be no source")


def _check_population(population: Selection | None, number: int) -> None:
    """Warn where the list is not what the selection is of: its law would be that of other sources."""
    detection = getattr(population, "detection", None)
    if detection is not None and len(detection) != number:
        said = f"expected the {len(detection)} sources that were detected, found a list of {number}"
        warn(f"population: {said}: give detect(...).regions")


def _check(betas: int | None, **numbers: int) -> None:
    if betas not in (None, 1, 2):
        raise InputError(f"betas: expected 1 or 2, found {betas}")
    for name, number in numbers.items():
        if number < 1:
            raise InputError(f"{name}: expected at least 1, found {number}")
