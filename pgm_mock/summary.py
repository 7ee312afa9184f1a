"""A fit in one line: what was found, and whether it can be trusted."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .priors import SITES

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
        method: that was used.
        parameters: a summary for each parameter.
        divergences: divergent transitions of the sampler.
        problems: what is wrong with the posterior, in words; empty where nothing is.
    """

    name: str
    method: str
    parameters: dict[str, ParameterSummary]
    divergences: int
    problems: tuple[str, ...]

    @property
    def r_hat(self) -> float:
        """The largest R-hat of the free parameters."""
        return float(np.nanmax([parameter.r_hat for parameter in self.parameters.values()]))

    @property
    def ess_bulk(self) -> float:
        """The smallest bulk effective sample size of the free parameters."""
        return float(np.nanmin([parameter.ess_bulk for parameter in self.parameters.values()]))

    def line(self) -> str:
        """One line: flux, position, width, and the sampler's health."""
        flux, x, y, width = (self.parameters[name] for name in ("flux", "x_pos", "y_pos", "psf_width"))
        health = f"R-hat {self.r_hat:.3f}, ESS {self.ess_bulk:.0f}, {self.divergences} divergences"
        warning = f"  WARNING: {'; '.join(self.problems)}" if self.problems else ""
        return (
            f"{self.name}: flux {interval(flux)} {flux.unit}, x {interval(x)}, y {interval(y)}, "
            f"width {interval(width)} pixel; {self.method}: {health}{warning}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, for JSON; None in place of NaN."""
        parameters = {
            name: {key: _plain(value) for key, value in vars(parameter).items()}
            for name, parameter in self.parameters.items()
        }
        diagnostics = {"r_hat": self.r_hat, "ess_bulk": self.ess_bulk, "divergences": self.divergences}
        return (
            {"name": self.name, "method": self.method, "parameters": parameters}
            | diagnostics
            | {"problems": list(self.problems)}
        )


def summarise(posterior: "xarray.DataTree") -> FitSummary:
    """Summarise the result of `fit`.

    A posterior is called bad where R-hat ≥ 1.01, the bulk effective sample size ≤ 400, or a transition diverged.
    """
    from arviz import ess, rhat

    group = posterior["posterior"].to_dataset()
    free = group[[name for name in SITES if np.ptp(group[name].values) > 0]]
    r_hats, sizes = rhat(free), ess(free, method="bulk")
    parameters = {}
    for name in SITES:
        values = group[name].values
        lower, median, upper = np.quantile(values, [0.16, 0.5, 0.84])
        parameters[name] = ParameterSummary(
            mean=float(values.mean()),
            sd=float(values.std(ddof=1)) if values.size > 1 else 0.0,
            lower=float(lower),
            median=float(median),
            upper=float(upper),
            unit=str(group[name].attrs.get("units", "")),
            ess_bulk=float(sizes[name]) if name in free else float("nan"),
            r_hat=float(r_hats[name]) if name in free else float("nan"),
        )
    diverging = int(posterior["sample_stats"]["diverging"].sum())
    summary = FitSummary(
        name=str(posterior["constant_data"].attrs["name"]),
        method=str(posterior.attrs["method"]),
        parameters=parameters,
        divergences=diverging,
        problems=(),
    )
    return FitSummary(**{**vars(summary), "problems": _problems(summary)})


def interval(parameter: ParameterSummary) -> str:
    """Median and 68 % interval to the digits that the interval warrants, such as "0.00186 -0.00036 +0.00043"."""
    down, up = parameter.median - parameter.lower, parameter.upper - parameter.median
    if up <= 0 or down <= 0:
        return f"{parameter.median:.6g}"
    decimals = max(0, 1 - int(np.floor(np.log10(min(down, up)))))
    return f"{parameter.median:.{decimals}f} -{down:.{decimals}f} +{up:.{decimals}f}"


def _problems(summary: FitSummary) -> tuple[str, ...]:
    found = []
    if not summary.r_hat < 1.01:
        found.append(f"the chains disagree (R-hat {summary.r_hat:.3f}, expected below 1.01)")
    if not summary.ess_bulk > 400:
        found.append(f"few independent draws (ESS {summary.ess_bulk:.0f}, expected above 400)")
    if summary.divergences:
        found.append(f"{summary.divergences} divergent transitions, expected none")
    return tuple(found)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value
