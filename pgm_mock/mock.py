"""Mock images: parameters drawn from the priors, counts drawn from the model."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from jaxtyping import Array, ArrayLike, Num

from . import poisson
from .arrays import checked_exposure, checked_map
from .errors import InputError
from .model import EXPECTED, OBSERVED, pixels_model
from .observation import Observation
from .pixels import Pixels
from .priorbounds import check_against
from .priors import Priors
from .psf import PSF, GaussianPSF
from .random import ON_ANY_CORES, checked_seed, source_key
from .scene import Scene, known_parameters

if TYPE_CHECKING:
    import xarray

BLOCK_PIXELS = 1 << 21
"""Pixels that are simulated at once: enough to keep all cores busy, few enough to stay near the processor."""

_IMAGES_TOGETHER = 50
"""Expected images that are computed at once: one compiled program for any number."""


def draw_parameters(priors: Priors, seed: int | None = 0) -> dict[str, Any]:
    """Draw one value of each parameter from its prior.

    Args:
        priors: the priors; a fixed parameter keeps its value.
        seed: a whole number; None draws one.

    Returns:
        The values by parameter, in the units of `Site`; arrays of shape (m,) for m neighbours.
    """
    drawn = _draw_parameters(source_key(seed, "parameters"), priors)
    return {name: float(drawn[name]) if not drawn[name].ndim else np.asarray(drawn[name]) for name in priors}


def generate_mock_image(
    exptime: Num[ArrayLike, "ny nx"],
    xs: Num[ArrayLike, "#ny nx"],
    ys: Num[ArrayLike, "ny #nx"],
    pars: Mapping[str, Any] | None = None,
    *,
    priors: Priors | None = None,
    background_map: Num[ArrayLike, "ny nx"] | None = None,
    seed: int | None = 0,
) -> np.ndarray:
    """Simulate an image of counts.

    Args:
        exptime: exposure map, shape (ny, nx) [s, or the unit of the map].
        xs, ys: the x and y of each pixel, shape (ny, nx) [FITS image pixels].
        pars: values of the parameters; None draws all, a part draws the rest.
        priors: where they are drawn from, and the PSF; by default `Priors.default`, the position in the middle of the
            image, and a Gaussian.
        background_map: counts that are there whatever the exposure, shape (ny, nx) [count / pixel], or None.
        seed: a whole number; None draws one. The parameters are those of `draw_parameters` with the same seed.

    Returns:
        Counts, integers of shape (ny, nx); 0 where the exposure is 0.

    Raises:
        InputError: an image that is none, an unknown parameter, or a value that it cannot have.
    """
    exposure = checked_exposure(exptime, "exptime")
    checked = None if background_map is None else checked_map(background_map, exposure, "background_map")
    x, y = _row(xs, exposure.shape), _column(ys, exposure.shape)
    known = pars if isinstance(pars, Priors) else priors
    scene = (Scene() if known is None else known.scene).naming(pars or {})
    there = scene.parameters
    if unknown := [name for name in pars or {} if name not in there]:
        raise InputError(f"pars: expected {', '.join(known_parameters())}; found {', '.join(map(str, unknown))}")
    seed = checked_seed(seed)
    if pars is not None and {*scene.needed, *(priors or ())} <= set(pars):
        priors = Priors(GaussianPSF() if known is None else known.psf, scene, **pars)
        parameters = dict(priors)
    else:
        if priors is None:
            zero = np.zeros(exposure.shape, int)
            blank = Observation(counts=zero, exposure=exposure, background_map=checked)
            priors = Priors.default(blank, float(np.mean(x)), float(np.mean(y)))
        parameters = _draw_parameters(source_key(seed, "parameters"), priors.replace(**(pars or {})))
    box = _exposed_box(exposure)
    counts = np.zeros(exposure.shape, np.int32)
    cut_map = None if checked is None else checked[box].astype(np.float32)
    pixels = Pixels(exposure[box].astype(np.float32), _cut(x, box), _cut(y, box), cut_map)
    _draw(source_key(seed, "image"), _mean_image, pixels, parameters, priors, counts[box])
    return counts


def _draw(
    key: Array,
    mean_of: Callable[..., Array],
    pixels: Pixels,
    parameters: Mapping[str, Any],
    priors: Priors,
    out: np.ndarray,
) -> None:
    """Draw counts of one image or of many; where light cannot be counted, say whose, and at which parameters."""
    try:
        poisson.draw(key, mean_of, pixels, parameters, priors.psf, priors.scene, out=out)
    except InputError as error:
        if mean_of is _mean_counts:
            means = np.asarray(mean_of(pixels, parameters, priors.psf, priors.scene))
            first_bad = int(np.argmax(~np.all((means >= 0) & (means < np.inf), axis=(1, 2))))
            parameters = {name: values[first_bad] for name, values in parameters.items()}
        wrong = priors.scene.wrong_light(pixels, priors.psf, parameters)
        at = ", ".join(f"{name}={value:.4g}" for name, value in parameters.items() if not np.ndim(value))
        raise InputError(f"{wrong}, at {at}" if wrong else str(error)) from error


def _exposed_box(exposure: np.ndarray) -> tuple[slice, slice]:
    """Return the rows and columns between which there is exposure: two thirds of a real field have none."""
    exposed = exposure > 0
    rows, columns = (np.flatnonzero(exposed.any(axis=axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _cut(ramp: np.ndarray, box: tuple[slice, slice]) -> np.ndarray:
    """Cut a ramp to a box along the axes that it has."""
    return ramp[box[0] if len(ramp) > 1 else slice(None), box[1] if ramp.shape[1] > 1 else slice(None)]


def _row(xs: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    """Return the x of each pixel, as one row where all rows are the same: a PSF in factors then costs nothing."""
    x = np.asarray(xs, float)
    _check_ramp("xs", x, shape)
    return x[:1] if len(x) > 1 and (x.strides[0] == 0 or (x == x[:1]).all()) else x


def _column(ys: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    """Return the y of each pixel, as one column where all columns are the same."""
    y = np.asarray(ys, float)
    _check_ramp("ys", y, shape)
    return y[:, :1] if y.shape[1] > 1 and (y.strides[1] == 0 or (y == y[:, :1]).all()) else y


def _check_ramp(name: str, ramp: np.ndarray, shape: tuple[int, ...]) -> None:
    if ramp.ndim != 2 or any(found not in (1, wanted) for found, wanted in zip(ramp.shape, shape, strict=True)):
        raise InputError(f"{name}: expected the shape {shape} of exptime, found {ramp.shape}")


def prior_predictive(
    observation: Observation,
    priors: Priors,
    *,
    num_samples: int = 1000,
    seed: int | None = 0,
) -> "xarray.DataTree":
    """Draw parameters and mock images from the prior.

    Args:
        observation: the stamp or image whose exposure map is used; its counts are not.
        priors: the priors.
        num_samples: how many mocks.
        seed: a whole number; None draws one.

    Returns:
        Group `prior` with the parameters and group `prior_predictive` with `counts` (chain, draw, y, x).

    Raises:
        InputError: a number of samples below 1.
    """
    from .results import data_tree

    if num_samples < 1:
        raise InputError(f"num_samples: expected at least 1, found {num_samples}")
    check_against(observation, priors)
    key = source_key(seed, observation.name)
    drawn, counts = simulate(key, observation, priors, num_samples=num_samples)
    groups = {
        "prior": {name: drawn[name][None] for name in priors},
        "prior_predictive": {OBSERVED: counts[None]},
    }
    return data_tree(groups, observation, priors)


def expected_images(
    observation: Observation,
    draws: Mapping[str, np.ndarray],
    psf: PSF,
    scene: Scene | None = None,
) -> np.ndarray:
    """Compute the expected counts of a scene at each of n points, shape (n, ny, nx).

    Args:
        observation: gives exposure and coordinates.
        draws: of each parameter, shape (n,), or (n, m) for m neighbours.
        psf: the family of the PSF.
        scene: the components; by default those whose parameters are given.
    """
    scene = Scene().naming(draws) if scene is None else scene
    number = len(next(iter(draws.values())))
    size = min(_IMAGES_TOGETHER, number)
    padded = {name: np.concatenate([each, np.repeat(each[:1], -number % size, axis=0)]) for name, each in draws.items()}
    blocks = []
    for first in range(0, number, size):
        block = {name: jnp.asarray(each[first : first + size], float) for name, each in padded.items()}
        blocks.append(np.asarray(_expected_images(observation.pixels, block, psf, scene), float))
    return np.concatenate(blocks)[:number]


def mean_expected(
    observation: Observation, draws: Mapping[str, np.ndarray], psf: PSF, scene: Scene | None = None, number: int = 50
) -> np.ndarray:
    """Average the expected counts over so many draws, spread evenly through them; see `expected_images`."""
    size = len(draws["flux"])
    some = np.linspace(0, size - 1, min(number, size)).astype(int)
    return expected_images(observation, {name: each[some] for name, each in draws.items()}, psf, scene).mean(axis=0)


@partial(jax.jit, compiler_options=ON_ANY_CORES)
def _expected_images(pixels: Pixels, draws: dict[str, Array], psf: PSF, scene: Scene) -> Array:
    return jax.vmap(lambda parameters: scene.light(pixels, psf, parameters).image())(draws)


def simulate(
    key: Array, observation: Observation, priors: Priors, *, num_samples: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Draw parameters and images, block by block, a block on each core.

    The blocks have one size, whatever the number of samples: the first images of a long run are those of a short one.

    Returns:
        The parameters, each of shape (num_samples,), and the counts (num_samples, ny, nx), 32-bit integers.
    """
    parameter_key, image_key = jax.random.split(key)
    size = max(1, BLOCK_PIXELS // observation.counts.size)
    pixels = jax.tree.map(jnp.asarray, observation.pixels)
    counts = np.empty((num_samples, *observation.shape), np.int32)

    def run(block: int) -> dict[str, np.ndarray]:
        drawn = _draw_many(parameter_key, block * size, priors, size)
        first, last = block * size, min((block + 1) * size, num_samples)
        key, out = jax.random.fold_in(image_key, block), counts[first:last]
        _draw(key, _mean_counts, pixels, drawn, priors, out)
        return {name: np.asarray(values)[: last - first] for name, values in drawn.items()}

    # The first block is compiled alone: NumPyro cannot trace in two threads at once.
    blocks = [run(0)]
    with ThreadPoolExecutor((os.cpu_count() or 1) + 1) as threads:
        blocks += threads.map(run, range(1, -(-num_samples // size)))
    return {name: np.concatenate([block[name] for block in blocks]) for name in priors}, counts


@jax.jit
def _draw_parameters(key: Array, priors: Priors) -> dict[str, Array]:
    """Draw the parameters from the model, on an image of one pixel that nobody looks at."""
    one_pixel = jnp.ones((1, 1))
    seeded = numpyro.handlers.seed(numpyro.handlers.block(pixels_model, hide=[OBSERVED, EXPECTED]), key)
    trace = numpyro.handlers.trace(seeded).get_trace(
        Pixels(one_pixel, one_pixel, one_pixel, one_pixel), priors, one_pixel
    )
    return {name: jnp.asarray(trace[name]["value"], float) for name in priors}


@partial(jax.jit, static_argnames="size")
def _draw_many(key: Array, first: Array, priors: Priors, size: int) -> dict[str, Array]:
    """Draw parameters of consecutive samples; each sample's key comes from its own number."""
    keys = jax.vmap(lambda number: jax.random.fold_in(key, number))(first + jnp.arange(size, dtype=jnp.uint32))
    return jax.vmap(lambda one: _draw_parameters(one, priors))(keys)


def _mean_counts(pixels: Pixels, parameters: dict[str, Array], psf: PSF, scene: Scene) -> Array:
    """Expected counts of each draw of the parameters, shape (draw, ny, nx)."""
    return jax.vmap(lambda one: _mean_image(pixels, one, psf, scene))(parameters)


def _mean_image(pixels: Pixels, parameters: dict[str, Array], psf: PSF, scene: Scene) -> Array:
    """Expected counts to single precision, which is what the counts are drawn with; the factors are made in full."""
    return scene.light(pixels, psf, parameters).image(jnp.float32)
