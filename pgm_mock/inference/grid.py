"""grid_posterior(): the posterior by brute force, on a grid; exact, but for the grid's step, in a few dimensions.

A grid of 1000 points for each of d parameters has 1000^d points: the curse of dimensionality. What is saved on the way
to it: the point-spread function is evaluated once for each value of the parameters that it depends on, and only pixels
with photons ask for a logarithm (`PoissonImage`). A grid that is too large to keep is summed up block by block.
"""

import itertools
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial, reduce
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Num

from ..counts import MANY_PHOTONS
from ..errors import InputError
from ..observation import Observation
from ..priorbounds import check_against
from ..priors import Priors
from ..psf import describe_psf
from ..results import label_parameter, provenance
from .density import warn_of_edges
from .unconstrained import Data, log_likelihood_of

if TYPE_CHECKING:
    import xarray

KEPT_POINTS = 10_000_000
"""A grid of more points is not kept, only its marginals are."""
_BLOCK_TERMS = 1 << 24
"""Terms of the likelihood, points times photons or pixels, that are computed at once."""
_BLOCK_POINTS = 1 << 17


def grid_posterior(
    observation: Observation,
    priors: Priors,
    *,
    progress: bool = False,
    **axes: Num[ArrayLike, " n"],
) -> "xarray.Dataset":
    """Compute the posterior on a grid of parameters.

    Args:
        observation: the stamp.
        priors: a distribution for each parameter on an axis, a fixed value for each other one, the neighbours' and
            the extended source's included.
        progress: whether to show a bar on stderr.
        axes: for each parameter on the grid its values, rising, in the units of `Parameter`, such as
            `flux=np.linspace(0, 0.01, 1000)`; any parameter of the priors that is one number can have an axis.

    Returns:
        `log_prior`, `log_likelihood` and `posterior`, the normalised density, over the axes in the order in which they
        were given. Beyond 10^7 points, in their place the posterior's marginals in each parameter (`marginal_flux`)
        and in each pair (`marginal_flux_psf_width`). Attributes: `log_evidence`, the logarithm of the integral of prior
        times likelihood over the grid (trapezoids), the mode, the fixed parameters, and versions.

    Raises:
        InputError: an axis that is none, or a parameter that is neither on an axis nor fixed.

    Warns:
        DataWarning: the posterior reaches the grid's edge, or is narrower than its step.
    """
    points = {name: _checked_axis(name, values, priors) for name, values in axes.items()}
    _check_parameters(points, priors)
    check_against(observation, priors)
    blocks = _Blocks(observation, priors, points)
    size = math.prod(len(values) for values in points.values())
    from tqdm import tqdm

    bar = tqdm(total=size, unit="point", unit_scale=True, mininterval=0.5, disable=not progress, file=sys.stderr)
    with bar:
        found = _kept(blocks, bar) if size <= KEPT_POINTS else _summed(blocks, bar)
    found.attrs |= {f"mode_{name}": value for name, value in found.attrs.pop("mode").items()}
    found.attrs |= {"name": observation.name, "psf": describe_psf(priors.psf)} | provenance()
    found.attrs |= {f"prior_{name}": text for name, text in priors.describe().items()}
    for name in points:
        label_parameter(found[name], priors.parameters[name], observation)
    warn_of_edges(found, {name: priors[name] for name in points})
    return found


class _Block(NamedTuple):
    """A part of the grid: its place along each axis, and ln prior and ln likelihood there."""

    place: tuple[slice, ...]
    log_prior: np.ndarray
    log_likelihood: np.ndarray


class _Blocks:
    """The grid, block by block; all blocks have one shape, so that one compiled program serves all."""

    def __init__(self, observation: Observation, priors: Priors, points: Mapping[str, np.ndarray]) -> None:
        self.points, self.priors = dict(points), priors
        total = int(observation.counts.sum())
        self.data = Data.of(observation, max(64, -(-total // 64) * 64) if total <= MANY_PHOTONS else None)
        sparse = priors.psf.profiles(*(jnp.ones((1, 1)),) * 2, *(1.0,) * 3) is not None
        terms = np.size(self.data.photons.number) if sparse else observation.counts.size
        limit = min(_BLOCK_POINTS, max(1, _BLOCK_TERMS // terms))
        lengths = [len(values) for values in self.points.values()]
        self.sizes = [0] * len(lengths)
        for axis in reversed(range(len(lengths))):
            self.sizes[axis] = min(lengths[axis], limit)
            limit = max(1, limit // lengths[axis])
        self.log_priors = [_log_prior(priors, name, values) for name, values in self.points.items()]

    def __iter__(self) -> Iterator[_Block]:
        names = tuple(self.points)
        starts = [range(0, len(v), size) for v, size in zip(self.points.values(), self.sizes, strict=True)]
        for corner in itertools.product(*starts):
            place = tuple(slice(start, start + size) for start, size in zip(corner, self.sizes, strict=True))
            cut = [values[part] for values, part in zip(self.points.values(), place, strict=True)]
            padded = [np.pad(v, (0, size - len(v)), "edge") for v, size in zip(cut, self.sizes, strict=True)]
            computed = np.asarray(_log_likelihood(padded, self.data, self.priors, names))
            log_likelihood = computed[tuple(slice(len(values)) for values in cut)]
            if (bad := np.argwhere(np.isnan(log_likelihood))).size:
                where = ", ".join(f"{n} = {v[i]:g}" for n, v, i in zip(names, cut, bad[0], strict=True))
                raise InputError(f"psf: expected a likelihood everywhere, found one that is not a number at {where}")
            log_prior = _outer(np.add, [one[part] for one, part in zip(self.log_priors, place, strict=True)])
            yield _Block(place, log_prior, log_likelihood)


@partial(jax.jit, static_argnames="names")
def _log_likelihood(
    points: Sequence[Float[Array, " n"]], data: Data, priors: Priors, names: tuple[str, ...]
) -> Float[Array, "..."]:
    """Logarithm of the likelihood in all points of the block, an axis for each parameter.

    Mapped axis by axis, what depends on one parameter alone is computed once for each of its values.
    """

    def at_one(*values: Array) -> Array:
        return log_likelihood_of(dict(zip(names, values, strict=True)), data, priors)

    evaluate: Any = at_one
    for axis in reversed(range(len(names))):
        evaluate = jax.vmap(evaluate, in_axes=[0 if other == axis else None for other in range(len(names))])
    return evaluate(*map(jnp.asarray, points))


def _kept(blocks: _Blocks, bar: Any) -> "xarray.Dataset":
    """Compute the whole grid."""
    import xarray

    shape = tuple(len(values) for values in blocks.points.values())
    log_prior, log_likelihood = np.empty(shape), np.empty(shape)
    for block in blocks:
        log_prior[block.place], log_likelihood[block.place] = block.log_prior, block.log_likelihood
        bar.update(block.log_prior.size)
    log_joint = log_prior + log_likelihood
    peak = _finite(log_joint.max())
    posterior = np.exp(log_joint - peak)
    volume = _integral(posterior, [trapezoid_weights(values) for values in blocks.points.values()])
    highest = np.unravel_index(np.argmax(log_joint), shape)
    mode = {name: float(values[i]) for (name, values), i in zip(blocks.points.items(), highest, strict=True)}
    names = list(blocks.points)
    return xarray.Dataset(
        {
            "log_prior": (names, log_prior),
            "log_likelihood": (names, log_likelihood),
            "posterior": (names, posterior / volume),
        },
        coords=blocks.points,
        attrs={"log_evidence": float(peak + np.log(volume)), "mode": mode},
    )


def _summed(blocks: _Blocks, bar: Any) -> "xarray.Dataset":
    """Sum the grid up, block by block, to the marginals in each parameter and each pair of parameters."""
    import xarray

    names = list(blocks.points)
    weights = [trapezoid_weights(values) for values in blocks.points.values()]
    wanted = [(axis,) for axis in range(len(names))] + list(itertools.combinations(range(len(names)), 2))
    sums = {axes: np.zeros([len(weights[axis]) for axis in axes]) for axes in wanted}
    peak, mode = -np.inf, dict.fromkeys(names, math.nan)
    for block in blocks:
        log_joint = block.log_prior + block.log_likelihood
        bar.update(log_joint.size)
        if (top := float(log_joint.max())) == -np.inf:
            continue
        if top > peak:
            sums = {axes: total * np.exp(peak - top) for axes, total in sums.items()}
            peak, highest = top, np.unravel_index(np.argmax(log_joint), log_joint.shape)
            mode = {n: float(blocks.points[n][p][i]) for n, p, i in zip(names, block.place, highest, strict=True)}
        density = np.exp(log_joint - peak)
        own = [weight[part] for weight, part in zip(weights, block.place, strict=True)]
        for axes, total in sums.items():
            total[tuple(block.place[axis] for axis in axes)] += _integral(density, own, axes)
    volume = sums[0,] @ weights[0]
    marginals = {
        "marginal_" + "_".join(names[axis] for axis in axes): ([names[axis] for axis in axes], total / volume)
        for axes, total in sums.items()
    }
    evidence = float(_finite(peak) + np.log(volume))
    return xarray.Dataset(marginals, coords=blocks.points, attrs={"log_evidence": evidence, "mode": mode})


def trapezoid_weights(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Weights with which a sum over the points is the integral by trapezoids."""
    steps = np.diff(values)
    return 0.5 * (np.append(steps, 0.0) + np.append(0.0, steps))


def _integral(density: np.ndarray, weights: Sequence[np.ndarray], keep: tuple[int, ...] = ()) -> Any:
    """Integrate over all axes but those to keep."""
    operands: list[Any] = [density, list(range(density.ndim))]
    for axis, weight in enumerate(weights):
        if axis not in keep:
            operands += [weight, [axis]]
    return np.einsum(*operands, list(keep), optimize=True)


def _outer(combine: np.ufunc, arrays: Sequence[np.ndarray]) -> np.ndarray:
    return reduce(combine.outer, arrays)


def _log_prior(priors: Priors, name: str, values: np.ndarray) -> np.ndarray:
    """Logarithm of one parameter's prior density; -inf outside the distribution's support."""
    prior = priors.free[name]
    inside = np.asarray(prior.support(values))
    safe = np.where(inside, values, values[inside][0] if inside.any() else 1.0)
    return np.where(inside, np.asarray(prior.log_prob(safe), float), -np.inf)


def _finite(peak: float) -> float:
    if peak == -np.inf:
        raise InputError("axes: expected some points where prior times likelihood is not 0, found none")
    return peak


def _checked_axis(name: str, values: ArrayLike, priors: Priors) -> np.ndarray:
    """Return the values of an axis, or raise InputError."""
    if name not in priors.single:
        raise InputError(f"axes: expected parameters of {', '.join(priors.single)}, found {name!r}")
    try:
        points = np.array(values, float)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: expected numbers, found {values!r}") from error
    if points.ndim != 1 or points.size < 2:
        raise InputError(f"{name}: expected a list of at least 2 values, found an array of shape {points.shape}")
    if not np.isfinite(points).all() or not (np.diff(points) > 0).all():
        raise InputError(f"{name}: expected finite values that rise")
    priors.replace(**{name: float(points[0])})  # the least value is one that the parameter can have
    if name not in priors.free:
        raise InputError(f"{name}: expected a distribution for a parameter on an axis, found {priors[name]} fixed")
    return points


def _check_parameters(points: Mapping[str, np.ndarray], priors: Priors) -> None:
    if priors.conditional:
        raise InputError(f"grid: {priors.only_for_nuts()}")
    if not points:
        raise InputError("axes: expected at least one parameter, such as flux=np.linspace(0, 0.01, 1000), found none")
    if loose := [name for name in priors.free if name not in points]:
        said = "; priors.replace(name=value) fixes one"
        raise InputError(f"priors: expected an axis or a fixed value for {', '.join(loose)}; found neither{said}")
