"""A fit in one line: what was found, and whether it can be trusted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .inference.falsealarm import LEAST_CHANCE
from .psf import width_in_words
from .results import parameters_of
from .scene import Parameter

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True)
class ParameterSummary:
    """The posterior of one parameter.

    Attributes:
        mean, sd: posterior mean and standard deviation, in `unit`.
        lower, median, upper: the 16, 50 and 84 % quantiles.
        unit: as astropy writes it.
        ess_bulk, r_hat: bulk effective sample size and split R-hat, by rank (Vehtari et al. 2021); NaN where fixed.
    """

    mean: float
    sd: float
    lower: float
    median: float
    upper: float
    unit: str
    ess_bulk: float
    r_hat: float


@dataclass(frozen=True)
class FitSummary:
    """The posterior of a stamp in numbers.

    Attributes:
        name: of the stamp.
        psf: the PSF's family, such as GaussianPSF.
        method: that gave the posterior.
        parameters: a summary for each parameter that the model has; that of the third neighbour's flux is
            "neighbour_flux[2]".
        ess: effective sample size: of the weights for importance sampling, else the smallest bulk one.
        r_hat: the largest of the free parameters, each neighbour's among them; NaN for importance sampling.
        divergences: divergent transitions of the sampler.
        khat: of the importance weights; NaN without them.
        detection: from importance sampling: log_evidence, ln_bayes_factor (source against none), det_like
            (emldetect's), flux_ul95 and flux_detectable (see `inference.limits`), in the flux's unit.
        problems: what is wrong with the posterior, in words; empty where nothing is.
        notes: what to doubt in it although it is computed rightly, in words; empty where nothing is.
    """

    name: str
    psf: str
    method: str
    parameters: dict[str, ParameterSummary]
    ess: float
    r_hat: float
    divergences: int
    khat: float
    detection: dict[str, float]
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def line(self) -> str:
        """One line: flux, position, width, detection, and whether the numbers can be trusted."""
        flux, x, y, width = (self.parameters[name] for name in ("flux", "x_pos", "y_pos", "psf_width"))
        doubted = [*self.problems, *self.notes]
        warning = f"  WARNING: {'; '.join(doubted)}" if doubted else ""
        called, unit = width_in_words(self.psf)
        unit = f" {unit}" if unit else ""
        return (
            f"{self.name}: flux {interval(flux)} {flux.unit}, x {interval(x)}, y {interval(y)}, "
            f"{called} {interval(width)}{unit};{self._detected(flux)} {self._health()}{warning}"
        )

    def _detected(self, flux: ParameterSummary) -> str:
        if not self.detection:
            return ""
        found = self.detection
        chance = f", chance of an empty place {_chance(found['p_false'])}" if "p_false" in found else ""
        return (
            f" DET_LIKE {found['det_like']:.1f}{chance}, ln Bayes factor {found['ln_bayes_factor']:.1f}, "
            f"95 % limit there {_as_wide(found['flux_ul95'], flux)} {flux.unit};"
        )

    def _health(self) -> str:
        if self.method == "failed":
            return "no posterior"
        if self.method == "nuts":
            return f"nuts: R-hat {self.r_hat:.3f}, ESS {self.ess:.0f}, {self.divergences} divergences"
        return f"{self.method}: k-hat {self.khat:.2f}, ESS {self.ess:.0f}"

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, for JSON; None in place of NaN."""
        plain = {name: _plain(value) for name, value in vars(self).items()}
        plain["parameters"] = {
            name: {key: _plain(value) for key, value in vars(parameter).items()}
            for name, parameter in self.parameters.items()
        }
        plain["detection"] = {name: _plain(value) for name, value in self.detection.items()}
        return plain | {"problems": list(self.problems), "notes": list(self.notes)}


_DETECTION = ("log_evidence", "ln_bayes_factor", "det_like", "p_false", "flux_ul95", "flux_detectable")
_LEAST_BULK_ESS = 400
_MOST_DECIMALS = 6


def summarise(posterior: "xarray.DataTree") -> FitSummary:
    """Summarise the result of `fit`.

    What the fit itself found wrong is repeated; a bulk effective sample size of NUTS up to 400 is added to it.
    """
    attrs, sampled = posterior.attrs, posterior.attrs["method"] == "nuts"
    group = posterior["posterior"].to_dataset()
    columns = _columns(group, parameters_of(posterior))
    free = {name: values for name, (_, values) in columns.items() if np.ptp(values) > 0}
    r_hats, sizes = _convergence(free) if sampled else ({}, {})
    parameters = {}
    for name, (site, values) in columns.items():
        lower, median, upper = np.quantile(values, [0.16, 0.5, 0.84])
        parameters[name] = ParameterSummary(
            mean=float(values.mean()),
            sd=float(values.std(ddof=1)) if values.size > 1 else 0.0,
            lower=float(lower),
            median=float(median),
            upper=float(upper),
            unit=str(group[site].attrs.get("units", "")),
            ess_bulk=sizes.get(name, float("nan")),
            r_hat=r_hats.get(name, float("nan")),
        )
    size = min(sizes.values(), default=float("nan")) if sampled else float(attrs.get("ess", np.nan))
    problems = [problem for problem in str(attrs["problems"]).split("; ") if problem]
    if sampled and not size > _LEAST_BULK_ESS:
        problems.append(f"few independent draws (ESS {size:.0f}, expected above {_LEAST_BULK_ESS})")
    return FitSummary(
        name=str(posterior["constant_data"].attrs["name"]),
        psf=str(attrs["psf"]).split("(")[0],
        method=str(attrs["method"]),
        parameters=parameters,
        ess=size,
        r_hat=max(r_hats.values(), default=float("nan")) if sampled else float("nan"),
        divergences=int(posterior["sample_stats"]["diverging"].sum()) if sampled else 0,
        khat=float(attrs.get("khat", np.nan)),
        detection={name: float(attrs[name]) for name in _DETECTION if name in attrs},
        problems=tuple(problems),
        notes=tuple(note for note in str(attrs.get("notes", "")).split("; ") if note),
    )


def _columns(group: "xarray.Dataset", parameters: Mapping[str, Parameter]) -> dict[str, tuple[str, np.ndarray]]:
    """The draws (chain, draw) of each number that the model has, with the parameter that it belongs to."""
    found: dict[str, tuple[str, np.ndarray]] = {}
    for name, one in parameters.items():
        values = group[name].values
        if one.plural:
            found |= {f"{name}[{number}]": (name, values[..., number]) for number in range(values.shape[-1])}
        else:
            found[name] = name, values
    return found


def _convergence(draws: Mapping[str, np.ndarray]) -> tuple[dict[str, float], dict[str, float]]:
    """R-hat and bulk effective sample size; ArviZ takes a while to import, and weighted draws need neither."""
    from arviz import ess, rhat
    from xarray import Dataset

    together = Dataset({name: (("chain", "draw"), values) for name, values in draws.items()})
    r_hats, sizes = rhat(together), ess(together, method="bulk")
    return {name: float(r_hats[name]) for name in draws}, {name: float(sizes[name]) for name in draws}


def interval(parameter: ParameterSummary) -> str:
    """Median and 68 % interval to the digits that the interval warrants, such as "0.00186 -0.00036 +0.00043".

    Where that takes more than six decimals, all three have the median's power of ten: "1.86e-06 -0.36e-06 +0.43e-06".
    """
    down, up = parameter.median - parameter.lower, parameter.upper - parameter.median
    middle = _as_wide(parameter.median, parameter)
    if up <= 0 or down <= 0:
        return middle
    return f"{middle} -{_as_wide(down, parameter)} +{_as_wide(up, parameter)}"


def _chance(chance: float) -> str:
    """Write a chance; the smallest that is given stands for all below it."""
    return f"below {LEAST_CHANCE:.0e}" if chance <= LEAST_CHANCE else f"{chance:.1g}"


def _as_wide(value: float, parameter: ParameterSummary) -> str:
    """Write a number in a parameter's unit with the decimals, and the power of ten, of its interval."""
    down, up = parameter.median - parameter.lower, parameter.upper - parameter.median
    if not np.isfinite(value) or up <= 0 or down <= 0:
        return f"{value:.6g}"
    decimals = max(0, 1 - int(np.floor(np.log10(min(down, up)))))
    if decimals <= _MOST_DECIMALS or parameter.median == 0:
        return f"{value:.{decimals}f}"
    power = int(np.floor(np.log10(abs(parameter.median))))
    return f"{value / 10.0**power:.{max(0, decimals + power)}f}e{power:+03d}"


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value
