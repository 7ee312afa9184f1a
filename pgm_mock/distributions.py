"""Distributions of one number as priors: in words, as numbers for JAX, and cut off where they are asked to be."""

import ast
import inspect
import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, ArrayLike
from scipy import special

from .errors import InputError, shown

_POSITION_SD = 2.0
_LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)
FAMILIES = (
    "AsymmetricLaplace", "AsymmetricLaplaceQuantile", "Beta", "BetaProportion", "Cauchy", "Chi2", "Dagum",
    "DoublyTruncatedPowerLaw", "Exponential", "Gamma", "Gompertz", "Gumbel", "HalfCauchy", "HalfNormal",
    "InverseGamma", "Kumaraswamy", "Laplace", "Levy", "LogNormal", "LogUniform", "Logistic",
    "LowerTruncatedPowerLaw", "Normal", "Pareto", "SoftLaplace", "StudentT", "TruncatedCauchy", "TruncatedNormal",
    "Uniform", "Weibull",
)  # fmt: skip
"""NumPyro's distributions of one real number on an interval, made from numbers alone."""


_TRUNCATED = (dist.LeftTruncatedDistribution, dist.RightTruncatedDistribution, dist.TwoSidedTruncatedDistribution)
"""Those that are made from another distribution and not from numbers alone."""


@jax.tree_util.register_static
@dataclass(frozen=True)
class Conditional:
    """A prior that depends on other parameters, such as one of fluxes with a slope that is a parameter itself.

    Attributes:
        function: takes parameters of the model, by their names, and returns a NumPyro distribution.
    """

    function: Callable[..., dist.Distribution]

    @property
    def parents(self) -> tuple[str, ...]:
        """The parameters that it depends on."""
        return tuple(inspect.signature(self.function).parameters)

    def given(self, values: Mapping[str, Any]) -> dist.Distribution:
        """Return the distribution at values of the parameters."""
        return self.function(**{name: values[name] for name in self.parents})

    def describe(self) -> str:
        """Say on what it depends, and which code says how."""
        code = getattr(self.function, "__code__", None)
        description = repr((code.co_code, code.co_names, code.co_consts)) if code else repr(self.function)
        return f"given {', '.join(self.parents)} (crc32 {zlib.crc32(description.encode()):08x})"


type Prior = dist.Distribution | float | np.ndarray | Conditional


class TruncatedNormal(dist.TwoSidedTruncatedDistribution):
    """A normal distribution with two bounds, whose normalisation and quantiles are computed once, by SciPy.

    NumPyro computes them inside each program, where they are most of the compilation of a prior, and keeps them on the
    object in the precision of the session that asked first.

    Attributes:
        location, spread: median and half the 16 to 84 % range of the unconstrained parameter.
    """

    pytree_data_fields = ("_tail_prob_at_low", "_tail_prob_at_high", "_log_diff_tail_probs", "location", "spread")

    def __init__(self, base_dist: dist.Normal, low: ArrayLike, high: ArrayLike) -> None:
        super().__init__(base_dist, low, high)
        loc, scale, low, high = (np.asarray(each, float) for each in (base_dist.loc, base_dist.scale, low, high))
        side = np.where(loc >= low, 1.0, -1.0)
        ends = side * (low - loc) / scale, side * (high - loc) / scale
        least, most = (special.log_ndtr(each) for each in (np.minimum(*ends), np.maximum(*ends)))
        tails = [special.ndtr(end) for end in ends]
        self._tail_prob_at_low, self._tail_prob_at_high = map(_plain, tails)
        self._log_diff_tail_probs = _plain(most + np.log(-np.expm1(least - most)))
        lower, middle, upper = (special.logit((self.quantile(each) - low) / (high - low)) for each in (0.16, 0.5, 0.84))
        self.location, self.spread = _plain(middle), _plain(0.5 * (upper - lower))

    def quantile(self, probability: ArrayLike) -> np.ndarray:
        """The value below which so much of the prior lies: what `icdf` gives, by SciPy."""
        loc, scale, low = (np.asarray(each, float) for each in (self.base_dist.loc, self.base_dist.scale, self.low))
        each, side = np.asarray(probability, float), np.where(loc >= low, 1.0, -1.0)
        tail = (1.0 - each) * self._tail_prob_at_low + each * self._tail_prob_at_high
        return loc + side * scale * special.ndtri(tail)

    def probability_below(self, value: ArrayLike) -> np.ndarray:
        """How much of the prior lies below a value: what `cdf` gives, by SciPy, a hundred times as fast."""
        base = self.base_dist
        low, high, below = (
            special.ndtr((np.asarray(each, float) - np.asarray(base.loc)) / np.asarray(base.scale))
            for each in (self.low, self.high, value)
        )
        return np.clip((below - low) / (high - low), 0.0, 1.0)

    def cdf(self, value: ArrayLike) -> Array:
        """How much of the prior lies below a value; the oldest NumPyro has none for two bounds."""
        base = self.base_dist
        low, high, below = (
            jax.scipy.special.ndtr((jnp.asarray(each) - base.loc) / base.scale) for each in (self.low, self.high, value)
        )
        return jnp.clip((below - low) / (high - low), 0.0, 1.0)

    def log_prob_of_unconstrained(self, z: Array) -> Array:
        """Logarithm of the density of the unconstrained parameter: z is the logit of where between the bounds it is."""
        base, reach = self.base_dist, self.high - self.low
        from_loc = (self.low - base.loc + reach * jax.nn.sigmoid(z)) / base.scale
        log_slope = jnp.log(reach / base.scale) - jax.nn.softplus(z) - jax.nn.softplus(-z)
        return -0.5 * from_loc**2 - _LOG_ROOT_2PI - self._log_diff_tail_probs + log_slope


def _plain(values: np.ndarray) -> Any:
    """A number as such: an array of no dimension would fix the type of what it meets."""
    return values if np.ndim(values) else float(values)


def position_prior(centre: ArrayLike, reach: ArrayLike) -> dist.Distribution:
    """Return the default prior of a coordinate: normal, with a standard deviation of 2 pixels, and cut off.

    Args:
        centre: the coordinate asked for, or those of m neighbours [FITS image pixels].
        reach: how far from it a source may be [pixels].
    """
    place, far = np.asarray(centre, float), np.broadcast_to(np.asarray(reach, float), np.shape(centre))
    scale = np.full(place.shape, _POSITION_SD)
    loc, sd, low, high = map(_plain, (place, scale, place - far, place + far))
    return TruncatedNormal(dist.Normal(loc, sd), low, high)


_orders: dict[Any, tuple[int, ...]] = {}
"""In which order the numbers of a distribution of each structure go to JAX."""


def flatten_prior(prior: Prior) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Give the numbers of a prior in the order of their names, and what is needed to make it again."""
    leaves, structure = jax.tree.flatten(prior)
    if structure not in _orders:
        names = list(_leaf_names(prior))
        _orders[structure] = tuple(sorted(range(len(leaves)), key=names.__getitem__))
    order = _orders[structure]
    return tuple(leaves[place] for place in order), (structure, order)


def unflatten_prior(structure: tuple[Any, ...], leaves: tuple[Any, ...]) -> Prior:
    """Make a prior of what `flatten_prior` gave."""
    tree, order = structure
    return jax.tree.unflatten(tree, [leaf for _, leaf in sorted(zip(order, leaves, strict=True), key=itemgetter(0))])


def _leaf_names(value: Any, name: str = "") -> Iterator[str]:
    """Name the leaves of a distribution after its fields, in the order in which JAX finds them."""
    if not isinstance(value, dist.Distribution) or type(value).tree_flatten is not dist.Distribution.tree_flatten:
        yield from (f"{name}{place}" for place in range(len(jax.tree.leaves(value))))
        return
    for field in type(value).gather_pytree_data_fields():
        yield from _leaf_names(value.__dict__.get(field), f"{name}{field}.")


def one_shape(prior: Prior) -> tuple[int, ...]:
    """Return the shape of one draw: () or (m,) for m neighbours."""
    return tuple(prior.batch_shape) if isinstance(prior, dist.Distribution) else jnp.shape(prior)  # type: ignore[arg-type]


def is_positive(support: Any) -> bool:
    """Whether a NumPyro constraint keeps its values at or above 0."""
    lower = getattr(support, "lower_bound", None)
    if lower is None:
        return support in (dist.constraints.unit_interval, dist.constraints.positive, dist.constraints.nonnegative)
    return bool(np.all(np.asarray(lower) >= 0))


def is_interval(support: Any) -> bool:
    """Whether values are those of an interval of the real line, and not angles, vectors or whole numbers."""
    constraints = dist.constraints
    if support is None or support.event_dim or support.is_discrete or isinstance(support, type(constraints.circular)):
        return False
    bounds = hasattr(support, "lower_bound") or hasattr(support, "upper_bound")
    return bounds or isinstance(support, type(constraints.real))


def describe_prior(prior: Any) -> str:
    """Put a prior into words that `parse_prior` understands; one that depends on others cannot be read back."""
    if isinstance(prior, Conditional):
        return prior.describe()
    if not isinstance(prior, dist.Distribution):
        return write_number(prior)
    if isinstance(prior, dist.TwoSidedTruncatedDistribution) and type(prior.base_dist) is dist.Normal:
        numbers = {"loc": prior.base_dist.loc, "scale": prior.base_dist.scale, "low": prior.low, "high": prior.high}
        return f"TruncatedNormal({', '.join(f'{name}={write_number(value)}' for name, value in numbers.items())})"
    names = [name for name in prior.arg_constraints if name != "validate_args"]
    base = [f"base_dist={describe_prior(prior.base_dist)}"] if isinstance(prior, _TRUNCATED) else []
    return f"{type(prior).__name__}({', '.join(base + [f'{n}={write_number(getattr(prior, n))}' for n in names])})"


def write_number(value: Any) -> str:
    """Write a number, or a list of numbers."""
    if np.ndim(value) == 0:
        return f"{float(value):.9g}"
    return f"[{', '.join(map(write_number, value))}]"


def parse_prior(name: str, text: str) -> Prior:
    """Read one distribution, or one number, without running anything."""
    try:
        return _build(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, TypeError, AttributeError, OverflowError, RecursionError, MemoryError) as error:
        wanted = "expected a distribution with numbers as its arguments"
        raise InputError(f"{name}: {wanted}, found {shown(text)}") from error


def _build(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        arguments = {str(keyword.arg): _build(keyword.value) for keyword in node.keywords}
        return getattr(dist, node.func.id)(**arguments)
    if isinstance(node, ast.List):
        return np.array(ast.literal_eval(node), float)
    return float(ast.literal_eval(node))


def quantiles(prior: dist.Distribution | float | np.ndarray, probabilities: Sequence[float], draws: int) -> np.ndarray:
    """Return the quantiles of a prior; see `Priors.quantiles`."""
    if not isinstance(prior, dist.Distribution):
        return np.broadcast_to(np.asarray(prior, float), (len(probabilities), *np.shape(prior)))
    each = np.reshape(np.asarray(probabilities, float), (-1, *(1,) * len(prior.batch_shape)))
    if type(prior) in (dist.Normal, dist.LogNormal):
        values = np.asarray(prior.loc) + np.asarray(prior.scale) * special.ndtri(each)
        return np.exp(values) if isinstance(prior, dist.LogNormal) else values
    if isinstance(prior, TruncatedNormal):
        return prior.quantile(each)
    try:
        return np.asarray(prior.icdf(each), float)
    except NotImplementedError:
        return np.quantile(np.asarray(prior.sample(jax.random.key(0), (draws,))), probabilities, axis=0)
