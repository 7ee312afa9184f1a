"""A parameter of a model: its symbol, its unit, what values make sense, and whether a prior fits it."""

import math
from typing import Any, NamedTuple

import numpy as np
import numpyro.distributions as dist

from ..distributions import (
    Conditional,
    Prior,
    TruncatedNormal,
    describe_prior,
    is_interval,
    is_positive,
    write_number,
)
from ..errors import InputError, shown


class Parameter(NamedTuple):
    """A parameter of a component.

    Attributes:
        name: as the component calls it; the model's site has the component's prefix before it.
        symbol: in LaTeX, without dollar signs.
        unit: in words; "flux" stands for the flux unit of the observation.
        positive: whether only values ≥ 0 make sense.
        meaning: in words.
        plural: whether it is an array, one number for each source of a plate.
        above: what its values must exceed, or the light is infinite or has no extent; None is no such bound.
        optional: whether the component can be without it.
        label: short words for a slider; by default the name.
    """

    name: str
    symbol: str
    unit: str
    positive: bool
    meaning: str
    plural: bool = False
    above: float | None = None
    optional: bool = False
    label: str = ""

    @property
    def numbers(self) -> str:
        """How many numbers it is, in words."""
        return "as many numbers as neighbours" if self.plural else "one number"

    def told_apart(self, component: str) -> "Parameter":
        """Return it with the name of its component in the symbol."""
        name = component.replace("_", r"\_")
        return self._replace(symbol=rf"{self.symbol}^\mathrm{{{name}}}")


def checked_prior(parameter: Parameter, prior: Any) -> Prior:
    """Return a usable prior of a parameter.

    Raises:
        InputError: says what it should have been.
    """
    if isinstance(prior, Conditional):
        return prior
    if callable(prior) and not isinstance(prior, dist.Distribution):
        return Conditional(prior)
    if type(prior) is dist.TwoSidedTruncatedDistribution and type(prior.base_dist) is dist.Normal:
        prior = TruncatedNormal(prior.base_dist, prior.low, prior.high)
    if isinstance(prior, dist.Distribution):
        check_distribution(parameter, prior)
        return prior
    return _checked_value(parameter, prior)


def check_distribution(parameter: Parameter, prior: dist.Distribution) -> None:
    """Raise InputError where a distribution is none for a parameter."""
    name = parameter.name
    if len(prior.batch_shape) != parameter.plural or prior.event_shape:
        raise InputError(f"{name}: expected a prior of {parameter.numbers}, found shape {prior.shape()}")
    if isinstance(prior, dist.Delta) or not is_interval(prior.support):
        raise InputError(
            f"{name}: expected a continuous prior on an interval of numbers, or a plain number for a fixed "
            f"value, found {type(prior).__name__}"
        )
    least = parameter.above or 0.0
    if least and not np.all(np.asarray(getattr(prior.support, "lower_bound", 0.0)) >= least):
        raise InputError(
            f"{name}: expected a prior on values > {least:g}, as TruncatedNormal(low={least + 0.1:g}), "
            f"found {describe_prior(prior)}"
        )
    if parameter.positive and not is_positive(prior.support):
        raise InputError(
            f"{name}: expected a prior on values ≥ 0, such as LogNormal, Gamma or "
            f"TruncatedNormal(low=0), found {describe_prior(prior)}"
        )


def _checked_value(parameter: Parameter, value: Any) -> float | np.ndarray:
    name, above = parameter.name, parameter.above
    plain = type(value) is float and math.isfinite(value) and not parameter.plural
    if plain and (above is None or value > above) and (value >= 0 or not parameter.positive):
        return value  # as it mostly is; NumPy takes ten times as long
    if isinstance(value, (bool, str, bytes)) or np.ndim(value) != parameter.plural or not np.all(np.isreal(value)):
        wanted = parameter.numbers.replace("one", "a")
        raise InputError(f"{name}: expected a distribution or {wanted}, found {shown(value)}")
    found = np.asarray(value, float)
    too_low = np.any(found <= above) if above is not None else parameter.positive and np.any(found < 0)
    if not np.all(np.isfinite(found)) or too_low:
        wanted = f"> {above:g}" if above is not None else "≥ 0" if parameter.positive else "finite"
        raise InputError(f"{name}: expected a value {wanted}, found {write_number(found)}")
    return found if parameter.plural else float(found)
