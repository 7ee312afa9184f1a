r"""fit_population(): the number counts of a field's sources, corrected for those that are not seen.

Sources whose number above a flux falls as a power law,

    \[ N(> F) = N_0 (F / F_0)^{-\alpha}, \]

are detected with a probability p(F), and each that is detected has data whose likelihood of its flux is l_i(F). The
likelihood of the detected ones, and of nothing else having been detected, is (Loredo 2004, AIP Conf. Proc. 735, 195)

    \[ \exp\left(-\int n(F) p(F) dF\right) \prod_i \int l_i(F) n(F) dF, \quad n = -dN/dF, \]

with the likelihood of each source's data as it is: its own selection stands in the exponent alone. A source's posterior
draws give its integral: their prior is divided out of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpyro.distributions as dist
from jaxtyping import Float

from .errors import InputError, shown, warn
from .random import checked_seed
from .results import fitted_to, flat_draws

if TYPE_CHECKING:
    import xarray

_SLOPES, _FLUXES, _BEYOND = 200, 2000, 1e4
_LEAST_EFFECTIVE = 20.0
"""Of the draws of a source, so many must count at the slopes that are probable."""


class Selection(Protocol):
    """What says how probable a detection is: `sensitivity` gives one."""

    area: float
    fluxes: np.ndarray

    def completeness(self, flux: Any) -> np.ndarray:
        """Return the probability that a source of a flux, somewhere in the area, is detected; the shape of `flux`."""


@dataclass(frozen=True, eq=False)
class Population:
    """The posterior of a power law of number counts.

    Attributes:
        slope: draws of alpha, shape (n,).
        number: draws of N_0, the number of sources above the pivot in the area, detected or not, shape (n,).
        pivot: F_0, the median of the sources' fluxes [flux unit].
        faintest: flux below which there are none [flux unit].
        area: that the number is for [that of the selection].
        sources: how many were used.
        effective: of the source with the fewest, how many of its draws count.
        flux_unit, area_unit: where the selection has them; else "".
    """

    slope: Float[np.ndarray, " n"]
    number: Float[np.ndarray, " n"]
    pivot: float
    faintest: float
    area: float
    sources: int
    effective: float
    flux_unit: str = ""
    area_unit: str = ""

    def above(self, flux: np.ndarray | float) -> Float[np.ndarray, "n ..."]:
        """Return draws of the number of sources above fluxes in the area, shape (n, ...)."""
        ratio = np.asarray(flux, float) / self.pivot
        shape = (-1, *(1,) * ratio.ndim)
        return self.number.reshape(shape) * ratio ** -self.slope.reshape(shape)

    def line(self) -> str:
        """Say it in one line."""
        (low, middle, high), numbers = (np.quantile(each, (0.16, 0.5, 0.84)) for each in (self.slope, self.number))
        many = f"{numbers[1]:.3g} -{numbers[1] - numbers[0]:.2g} +{numbers[2] - numbers[1]:.2g}"
        where = f" in an area of {self.area:.4g} {self.area_unit}".rstrip() if np.isfinite(self.area) else ""
        pivot = f"{self.pivot:.3g} {self.flux_unit}".rstrip()
        slope = f"slope {middle:.2f} -{middle - low:.2f} +{high - middle:.2f}"
        return f"{self.sources} sources: {slope}, {many} sources above {pivot}{where}"


def fit_population(
    posteriors: "Sequence[xarray.DataTree | tuple[np.ndarray, dist.Distribution]]",
    selection: Selection | None,
    *,
    faintest: float | None = None,
    slopes: tuple[float, float] = (0.2, 5.0),
    num_samples: int = 4000,
    seed: int | None = 0,
) -> Population:
    """Infer slope and normalisation of the number counts of detected sources.

    The prior is flat in the slope within bounds, and in the logarithm of the number.

    Args:
        posteriors: of all sources that were detected and of no others, as `fit` and `fit_many` give them, with the
            prior of the flux that they hold; or each source's draws of the flux, shape (n,), with their prior, which
            must be wide.
        selection: such as `sensitivity(found)`; None as if everything were detected, which biases the slope.
        faintest: flux below which there are no sources; by default the least of `selection.fluxes`, or of all draws'
            medians without a selection.
        slopes: the bounds of the slope.
        num_samples: draws.
        seed: a whole number, or None for another each time.

    Returns:
        Draws of both, and the curve N(> F) by `above`.

    Raises:
        InputError: no posterior, one without a flux or with a fixed one, or bounds that are none.

    Warns:
        DataWarning: a source whose draws do not cover what a power law asks for.
    """
    if not posteriors:
        raise InputError("posteriors: expected at least one, found none")
    if num_samples < 1:
        raise InputError(f"num_samples: expected at least 1, found {num_samples}")
    if not 0 < slopes[0] < slopes[1]:
        raise InputError(f"slopes: expected two numbers above 0, the first the smaller, found {slopes}")
    draws, log_priors = zip(*map(_flux_of, posteriors), strict=True)
    medians = np.array([np.median(each) for each in draws])
    least = float(medians.min() if selection is None else selection.fluxes[0]) if faintest is None else float(faintest)
    if not (np.isfinite(least) and least > 0):
        raise InputError(f"faintest: expected a flux above 0, found {faintest}")
    pivot = float(np.median(medians))
    alpha = np.linspace(*slopes, _SLOPES)
    flux = np.geomspace(least, _BEYOND * max(least, pivot), _FLUXES)
    seen = np.ones(len(flux)) if selection is None else np.asarray(selection.completeness(flux), float)
    log_density = np.log(alpha[:, None]) - np.log(pivot) - (alpha[:, None] + 1.0) * np.log(flux / pivot)
    expected = np.trapezoid(np.exp(log_density) * seen * flux, np.log(flux), axis=1)
    log_posterior = -len(draws) * np.log(expected)
    counting = []
    for own, log_prior in zip(draws, log_priors, strict=True):
        kept = own > least
        if not kept.any():
            raise InputError(f"faintest: expected a flux below all sources, found {least:g} above a source's draws")
        logs = -(alpha[:, None] + 1.0) * np.log(own[kept] / pivot) - log_prior[kept]
        highest = logs.max(axis=1, keepdims=True)
        terms = np.exp(logs - highest)
        total = terms.sum(axis=1)
        log_posterior += np.log(alpha / pivot) + highest[:, 0] + np.log(total) - np.log(len(own))
        counting.append(total**2 / (terms**2).sum(axis=1))
    weight = np.exp(log_posterior - log_posterior.max())
    weight /= weight.sum()
    effective = float(min(weight @ each for each in counting))
    if effective < _LEAST_EFFECTIVE:
        wanted = f"expected at least {_LEAST_EFFECTIVE:.0f}: more draws, or a wider prior of its flux"
        warn(f"posteriors: {effective:.0f} effective draws of a source, {wanted}")
    rng = np.random.default_rng(checked_seed(seed))
    cumulated = np.cumsum(weight)
    slope = np.interp(rng.random(num_samples) * cumulated[-1], cumulated, alpha)
    number = rng.gamma(len(draws), 1.0 / np.interp(slope, alpha, expected))
    area = float("nan") if selection is None else float(selection.area)
    unit_of = (getattr(selection, name, "") for name in ("flux_unit", "area_unit"))
    return Population(slope, number, pivot, least, area, len(draws), effective, *unit_of)


def _flux_of(posterior: "xarray.DataTree | tuple[np.ndarray, Any]") -> tuple[np.ndarray, np.ndarray]:
    """Return a source's draws of the flux, and ln of their prior density at each."""
    if isinstance(posterior, tuple):
        own = np.asarray(posterior[0], float)
        return own, np.asarray(posterior[1].log_prob(own), float)
    if not hasattr(posterior, "children"):
        what = "posteriors of `fit` or `fit_many`, or pairs of draws and a prior"
        raise InputError(f"posteriors: expected {what}, found {shown(posterior)}")
    drawn = flat_draws(posterior)
    _, priors = fitted_to(posterior)
    prior: Any = priors.free.get("flux")
    if prior is None or "flux" not in drawn:
        raise InputError("posteriors: expected a free flux in each, found one without")
    flux = np.asarray(drawn["flux"], float)
    return flux, np.asarray(prior.log_prob(flux), float)
