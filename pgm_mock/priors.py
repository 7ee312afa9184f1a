"""The priors: one distribution, or one fixed value, for each parameter of the model."""

import ast
import math
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, ArrayLike
from scipy import special

from .errors import InputError, shown
from .files import read_bytes
from .priorbounds import check_against, is_interval
from .psf import PSF

if TYPE_CHECKING:
    from .observation import Observation

type Prior = dist.Distribution | float | np.ndarray


class Site(NamedTuple):
    """A parameter of the model.

    Attributes:
        name: of the site in the model.
        symbol: in LaTeX, without dollar signs.
        unit: in words; "flux" stands for the flux unit of the observation.
        positive: whether only values ≥ 0 make sense.
        meaning: in words.
        plural: whether there is one for each neighbour.
    """

    name: str
    symbol: str
    unit: str
    positive: bool
    meaning: str
    plural: bool = False


SITES: dict[str, Site] = {
    site.name: site
    for site in (
        Site("x_pos", "x_0", "pixel", False, "the source's column, FITS image coordinates"),
        Site("y_pos", "y_0", "pixel", False, "the source's row, FITS image coordinates"),
        Site("flux", "F", "flux", True, "the source's counts per unit of exposure, over the whole plane"),
        Site("background", "b", "flux / pixel", True, "background per pixel"),
        Site("psf_width", r"\sigma", "pixel", True, "width of the PSF"),
    )
}
"""The model's parameters, in the order in which it draws them."""
EXTRA_SITES: dict[str, Site] = {
    site.name: site
    for site in (
        Site("psf_slope", r"\alpha", "1", True, "slope of a King or Moffat profile"),
        Site("background_dx", "g_x", "1 / pixel", False, "gradient of the background's logarithm along the columns"),
        Site("background_dy", "g_y", "1 / pixel", False, "gradient of the background's logarithm along the rows"),
        Site("neighbour_x", "x_j", "pixel", False, "the neighbours' columns, FITS image coordinates", True),
        Site("neighbour_y", "y_j", "pixel", False, "the neighbours' rows, FITS image coordinates", True),
        Site("neighbour_flux", "F_j", "flux", True, "the neighbours' fluxes", True),
        Site("extended_x", "x_e", "pixel", False, "column of the extended source's centre, FITS image coordinates"),
        Site("extended_y", "y_e", "pixel", False, "row of the extended source's centre, FITS image coordinates"),
        Site("extended_flux", "F_e", "flux", True, "flux of the extended source, over the whole plane"),
        Site("extended_core", "r_c", "pixel", True, "core radius of the extended source"),
        Site("extended_beta", r"\beta", "1", True, "beta of the extended source's profile"),
        Site("background_norm", "c", "1", True, "normalisation of the background map"),
    )
}
"""Parameters that the model has only where priors for them are given."""
ALL_SITES = SITES | EXTRA_SITES

_EXTENDED_SITES = tuple(name for name in EXTRA_SITES if name.startswith("extended_"))
"""An extended source has all of these, or is not there."""
ABOVE = {"psf_slope": 1.0, "extended_beta": 0.5, "psf_width": 0.0, "extended_core": 0.0}
"""What must be larger than this, or the light is infinite or has no extent."""
_REACH, _LEAST_REACH = 6.0, 3.0
"""How far from the place asked for a source may be, where nothing else is said, and at least [pixels]."""
_POSITION_SD = 2.0
_NEIGHBOUR_SITES = sum(site.plural for site in ALL_SITES.values())
_CENTRE = re.compile(r"cent(?:er|re)(?: {0,9}([+-]) {0,9}([0-9.]+(?:[eE][+-]?[0-9]+)?))?")
_MOST_BYTES, _LONGEST_LINE = 100_000, 1000
"""Of a priors file and of its lines: TOML's keys of many parts take their time."""
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


@jax.tree_util.register_pytree_node_class
class Priors(Mapping[str, Prior]):
    """An immutable mapping from each parameter to a NumPyro distribution, or to a fixed value.

    It is a JAX pytree: a compiled function that takes priors as an argument is compiled again for another family
    of distributions, never for other numbers in the same families.
    """

    def __init__(self, **priors: Prior) -> None:
        """Take one prior for each parameter of `SITES`, and for those of `EXTRA_SITES` that the model is to have.

        The neighbours' are distributions of batch shape (m,), or fixed arrays of that shape, for m other sources.

        Raises:
            InputError: a parameter is unknown or missing, a distribution is not a scalar continuous one, or it
                reaches values below 0 where there can be none.
        """
        missing = [name for name in SITES if name not in priors]
        unknown = [name for name in priors if name not in ALL_SITES]
        if missing or unknown:
            raise InputError(f"priors: expected {', '.join(SITES)}; missing {missing}, unknown {unknown}")
        self._priors = {name: _checked(site, priors[name]) for name, site in ALL_SITES.items() if name in priors}
        shapes = {
            name: one_shape(self._priors[name]) for name, site in ALL_SITES.items() if site.plural and name in priors
        }
        if shapes and (len(shapes) < _NEIGHBOUR_SITES or len(set(shapes.values())) > 1):
            raise InputError(f"priors: expected position and flux for as many neighbours each, found shapes {shapes}")
        lacking = [name for name in _EXTENDED_SITES if name not in priors]
        if 0 < len(lacking) < len(_EXTENDED_SITES):
            raise InputError(f"priors: expected all of {', '.join(_EXTENDED_SITES)} or none; missing {lacking}")

    @classmethod
    def default(
        cls,
        observation: "Observation",
        x: float | None = None,
        y: float | None = None,
        psf: PSF | None = None,
        radius: float | None = None,
        *,
        neighbours: Sequence[tuple[float, float]] = (),
    ) -> Self:
        r"""Wide priors made from the exposure map and the position alone, never from the counts.

        With t the median of the positive exposures in the image: x_pos, y_pos ~ Normal(x or y, 2 pixels), cut off
        6 pixels from it, so that the source asked for is the one that is found;
        flux ~ LogNormal(ln(30 / t), 2), that is 30 counts within a factor of 7 (68 %) or 50 (95 %);
        background ~ LogNormal(ln(0.1 / t), 1.5), 0.1 count per pixel within a factor of 4.5 (68 %) or 20 (95 %);
        psf_width ~ LogNormal(ln 1.5, 0.5), 0.9 to 2.5 pixels (68 %), or about the PSF's own typical width;
        where there is a background map, background_norm ~ LogNormal(0, 0.5), right within a factor of 1.6 (68 %).
        Where there are m neighbours, their positions and fluxes have the source's priors, each about its own place:
        distributions of batch shape (m,).

        Args:
            observation: the stamp or image.
            x, y: the position asked for [FITS image pixels]; by default the middle of the image.
            psf: the family of the PSF; by default a Gaussian.
            radius: where to cut off the position's prior, in place of 6 pixels; at least 3 [pixels].
            neighbours: (x, y) of each other source in the stamp, fitted jointly [FITS image pixels].

        Raises:
            InputError: a neighbour that is no pair of numbers.
        """
        centre = _position(observation, x, y)
        reach = _REACH if radius is None or not radius > 0 else max(float(radius), _LEAST_REACH)
        width, spread = (1.5, 0.5) if psf is None else (float(psf.typical_width), psf.width_spread)
        typical = float(np.median(observation.exposure[observation.exposure > 0]))
        norm = {} if observation.background_map is None else {"background_norm": dist.LogNormal(0.0, 0.5)}
        flux = math.log(30.0 / typical), 2.0
        return cls(
            **norm,
            **_of_neighbours(neighbours, reach, flux),
            x_pos=position_prior(centre[0], reach),
            y_pos=position_prior(centre[1], reach),
            flux=dist.LogNormal(*flux),
            background=dist.LogNormal(math.log(0.1 / typical), 1.5),
            psf_width=dist.LogNormal(math.log(width), spread) if spread else width,
        )

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        observation: "Observation",
        x: float | None = None,
        y: float | None = None,
        psf: PSF | None = None,
    ) -> Self:
        """Read priors from a TOML file; parameters that it does not name keep their default.

        A table is named for its parameter. It holds either `dist`, the name of a NumPyro distribution, with that
        distribution's arguments, or `value`, to which the parameter is fixed. In the tables of `x_pos` and `y_pos`,
        "center", "center+1.5" and "center-1.5" stand for the position asked for.

        Raises:
            InputError: the file cannot be read, an entry is not understood, or a prior has nothing to do with the
                image (see `check_against`); the message names it.
        """
        tables = _read_tables(path)
        centre = dict(zip(("x_pos", "y_pos"), _position(observation, x, y), strict=True))
        try:
            priors = {name: _from_table(name, table, centre.get(name)) for name, table in tables.items()}
            found = cls.default(observation, x, y, psf).replace(**priors)
            check_against(observation, found, warn=False)
        except InputError as error:
            raise InputError(f"{os.fspath(path)}: {error}") from error
        return found

    def replace(self, **priors: Prior) -> Self:
        """Return priors in which those given stand in place of these."""
        return type(self)(**{**self._priors, **priors})

    @property
    def free(self) -> dict[str, dist.Distribution]:
        """The distributions of the parameters that are not fixed."""
        return {name: prior for name, prior in self._priors.items() if isinstance(prior, dist.Distribution)}

    @property
    def dimension(self) -> int:
        """How many numbers are free: each neighbour counts."""
        return sum(math.prod(prior.batch_shape) for prior in self.free.values())

    @property
    def neighbours(self) -> int:
        """How many other sources the model has."""
        return math.prod(one_shape(self._priors["neighbour_flux"])) if "neighbour_flux" in self._priors else 0

    def check_free(self) -> None:
        """Raise InputError where there is nothing to infer."""
        if not self.free:
            raise InputError("priors: expected at least one parameter with a distribution, found all fixed")

    def quantiles(self, name: str, probabilities: Sequence[float], draws: int = 20_000) -> np.ndarray:
        """Quantiles of one parameter's prior; a fixed value is all of them.

        Those of a normal or log-normal prior, or of one that knows its inverse distribution function, are exact; others
        come from draws that are always the same. Their shape is that of the probabilities, with a last axis of m for m
        neighbours.
        """
        prior = self._priors[name]
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

    def medians(self) -> dict[str, Any]:
        """The median of each prior, or the value that it is fixed to; arrays of shape (m,) for m neighbours."""
        return {name: self.quantiles(name, (0.5,))[0] for name in self}

    def describe(self) -> dict[str, str]:
        """Each prior in words that Python understands, such as "Normal(loc=271, scale=2)" or "1"."""
        return {name: _describe(prior) for name, prior in self._priors.items()}

    @classmethod
    def parse(cls, described: Mapping[str, str]) -> Self:
        """Return the priors that `describe` put into words.

        Raises:
            InputError: words that are not those of a distribution with numbers as its arguments, or of a number.
        """
        names = [name for name in ALL_SITES if name in SITES or name in described]
        return cls(**{name: _parse(name, described.get(name, "nothing")) for name in names})

    def __getitem__(self, name: str) -> Prior:
        return self._priors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._priors)

    def __len__(self) -> int:
        return len(self._priors)

    def __repr__(self) -> str:
        return f"Priors({', '.join(f'{name}={text}' for name, text in self.describe().items())})"

    def tree_flatten(self) -> tuple[tuple[tuple[Any, ...], ...], tuple[Any, ...]]:
        """Give JAX the numbers of each distribution, and the fixed values, in an order that no hash decides.

        NumPyro's own order of a distribution's numbers changes from process to process, and with it the compiled
        program's key in a cache on disk.
        """
        leaves, structures = zip(*map(_flatten, self._priors.values()), strict=True)
        return leaves, (tuple(self._priors), structures)

    @classmethod
    def tree_unflatten(cls, aux: tuple[tuple[str, ...], tuple[Any, ...]], leaves: tuple[Any, ...]) -> Self:
        """Take them back unchecked: JAX also puts placeholders there."""
        priors = object.__new__(cls)
        names, structures = aux
        priors._priors = dict(zip(names, map(_unflatten, structures, leaves), strict=True))
        return priors


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


_LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)
_orders: dict[Any, tuple[int, ...]] = {}
"""In which order the numbers of a distribution of each structure go to JAX."""


def _flatten(prior: Prior) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    leaves, structure = jax.tree.flatten(prior)
    if structure not in _orders:
        names = list(_leaf_names(prior))
        _orders[structure] = tuple(sorted(range(len(leaves)), key=names.__getitem__))
    order = _orders[structure]
    return tuple(leaves[place] for place in order), (structure, order)


def _unflatten(structure: tuple[Any, ...], leaves: tuple[Any, ...]) -> Prior:
    tree, order = structure
    return jax.tree.unflatten(tree, [leaf for _, leaf in sorted(zip(order, leaves, strict=True), key=itemgetter(0))])


def _leaf_names(value: Any, name: str = "") -> Iterator[str]:
    """Name the leaves of a distribution after its fields, in the order in which JAX finds them."""
    if not isinstance(value, dist.Distribution) or type(value).tree_flatten is not dist.Distribution.tree_flatten:
        yield from (f"{name}{place}" for place in range(len(jax.tree.leaves(value))))
        return
    for field in type(value).gather_pytree_data_fields():
        yield from _leaf_names(value.__dict__.get(field), f"{name}{field}.")


def _parse(name: str, text: str) -> Prior:
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


def _of_neighbours(
    neighbours: Sequence[tuple[float, float]], reach: ArrayLike, flux: tuple[float, float]
) -> dict[str, Prior]:
    """Return the priors of m neighbours, of batch shape (m,), or none where there are none."""
    if len(neighbours) == 0:
        return {}
    try:
        places = np.array(neighbours, float)
    except (TypeError, ValueError) as error:
        raise InputError(f"neighbours: expected (x, y) of each, found {neighbours!r}") from error
    if places.ndim != 2 or places.shape[1] != 2 or not np.isfinite(places).all():
        raise InputError(f"neighbours: expected (x, y) of each, found {neighbours!r}")
    ones = np.ones(len(places))
    return {
        "neighbour_x": position_prior(places[:, 0], reach),
        "neighbour_y": position_prior(places[:, 1], reach),
        "neighbour_flux": dist.LogNormal(flux[0] * ones, flux[1] * ones),
    }


def _position(observation: "Observation", x: float | None, y: float | None) -> tuple[float, float]:
    centre = observation.centre
    return (centre[0] if x is None else float(x)), (centre[1] if y is None else float(y))


def _checked(site: Site, prior: Any) -> Prior:
    """Return a usable prior, or raise InputError that says what it should have been."""
    if type(prior) is dist.TwoSidedTruncatedDistribution and type(prior.base_dist) is dist.Normal:
        prior = TruncatedNormal(prior.base_dist, prior.low, prior.high)
    if isinstance(prior, dist.Distribution):
        if len(prior.batch_shape) != site.plural or prior.event_shape:
            raise InputError(f"{site.name}: expected a prior of {_numbers(site)}, found shape {prior.shape()}")
        if isinstance(prior, dist.Delta) or not is_interval(prior.support):
            raise InputError(
                f"{site.name}: expected a continuous prior on an interval of numbers, or a plain number for a fixed "
                f"value, found {type(prior).__name__}"
            )
        least = ABOVE.get(site.name, 0.0)
        if least and not np.all(np.asarray(getattr(prior.support, "lower_bound", 0.0)) >= least):
            raise InputError(
                f"{site.name}: expected a prior on values > {least:g}, as TruncatedNormal(low={least + 0.1:g}), "
                f"found {_describe(prior)}"
            )
        if site.positive and not _is_positive(prior.support):
            raise InputError(
                f"{site.name}: expected a prior on values ≥ 0, such as LogNormal, Gamma or "
                f"TruncatedNormal(low=0), found {_describe(prior)}"
            )
        return prior
    if isinstance(prior, (bool, str, bytes)) or np.ndim(prior) != site.plural or not np.all(np.isreal(prior)):
        raise InputError(
            f"{site.name}: expected a distribution or {_numbers(site).replace('one', 'a')}, found {shown(prior)}"
        )
    value = np.asarray(prior, float)
    above = site.name in ABOVE and np.any(value <= ABOVE[site.name])
    if not np.all(np.isfinite(value)) or above or (site.positive and np.any(value < 0)):
        wanted = f"> {ABOVE[site.name]:g}" if site.name in ABOVE else "≥ 0" if site.positive else "finite"
        raise InputError(f"{site.name}: expected a value {wanted}, found {_write(value)}")
    return value if site.plural else float(value)


def _numbers(site: Site) -> str:
    return "as many numbers as neighbours" if site.plural else "one number"


def one_shape(prior: Prior) -> tuple[int, ...]:
    """Return the shape of one draw: () or (m,) for m neighbours."""
    return tuple(prior.batch_shape) if isinstance(prior, dist.Distribution) else np.shape(prior)


def _is_positive(support: Any) -> bool:
    """Whether a NumPyro constraint keeps its values at or above 0."""
    lower = getattr(support, "lower_bound", None)
    if lower is None:
        return support in (dist.constraints.unit_interval, dist.constraints.positive, dist.constraints.nonnegative)
    return bool(np.all(np.asarray(lower) >= 0))


def _describe(prior: Any) -> str:
    if not isinstance(prior, dist.Distribution):
        return _write(prior)
    if isinstance(prior, dist.TwoSidedTruncatedDistribution) and type(prior.base_dist) is dist.Normal:
        numbers = {"loc": prior.base_dist.loc, "scale": prior.base_dist.scale, "low": prior.low, "high": prior.high}
        return f"TruncatedNormal({', '.join(f'{name}={_write(value)}' for name, value in numbers.items())})"
    names = [name for name in prior.arg_constraints if name != "validate_args"]
    base = [f"base_dist={_describe(prior.base_dist)}"] if isinstance(prior, _TRUNCATED) else []
    return f"{type(prior).__name__}({', '.join(base + [f'{n}={_write(getattr(prior, n))}' for n in names])})"


def _write(value: Any) -> str:
    """Write a number, or a list of numbers."""
    if np.ndim(value) == 0:
        return f"{float(value):.9g}"
    return f"[{', '.join(map(_write, value))}]"


def _read_tables(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a TOML file that is neither large nor deep."""
    label, content = os.fspath(path), read_bytes(path, _MOST_BYTES)
    if any(len(line) > _LONGEST_LINE for line in content.splitlines()):
        raise InputError(f"{label}: expected TOML with lines of at most {_LONGEST_LINE} characters, found a longer one")
    try:
        return tomllib.loads(content.decode("utf-8"))
    except RecursionError as error:
        raise InputError(f"{label}: expected TOML: a table for each parameter, found arrays in arrays") from error
    except ValueError as error:  # of TOML, of its characters, and of integers of thousands of digits
        raise InputError(f"{label}: expected TOML: {error}") from error


def _from_table(name: str, table: Any, centre: float | None) -> Prior:
    """Make a prior from its TOML table."""
    if name not in ALL_SITES or ALL_SITES[name].plural:
        names = [site.name for site in ALL_SITES.values() if not site.plural]
        raise InputError(f"[{name}]: expected a table named {', '.join(names)}")
    if not isinstance(table, dict) or ("dist" in table) == ("value" in table):
        found = shown(table)
        raise InputError(f'[{name}]: expected either dist = "..." with its arguments or value = ..., found {found}')
    arguments = {key: _number(name, key, entry, centre) for key, entry in table.items() if key != "dist"}
    if "value" in table:
        if len(table) > 1:
            others = ", ".join(shown(key).strip("'") for key in table if key != "value")
            raise InputError(f"[{name}]: expected nothing beside value, found {others}")
        return arguments["value"]
    if not isinstance(table["dist"], str) or table["dist"] not in dist.__all__ or not table["dist"][0].isupper():
        found = shown(table["dist"])
        raise InputError(f"[{name}]: expected the name of a NumPyro distribution, found dist = {found}")
    if table["dist"] not in FAMILIES:
        raise InputError(f"[{name}]: expected a continuous prior of one number, as Normal, found {table['dist']}")
    try:
        return getattr(dist, table["dist"])(**arguments, validate_args=True)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise InputError(f"[{name}]: {table['dist']} cannot be made: {str(error).split('__init__() ')[-1]}") from error


def _number(name: str, key: str, entry: Any, centre: float | None) -> float:
    try:
        if isinstance(entry, str) and centre is not None and (match := _CENTRE.fullmatch(entry.strip())):
            return centre + float(f"{match[1]}{match[2]}" if match[1] else 0)
        if isinstance(entry, (int, float)) and not isinstance(entry, bool):
            return float(entry)
    except (ValueError, OverflowError):  # "center+1.2.3", or an integer beyond 1e308
        pass
    also = ' or "center"' if centre is not None else ""
    raise InputError(f"[{name}]: expected a number{also} for {shown(key).strip(chr(39))}, found {shown(entry)}")
