"""A fit in one line: what was found, and whether it can be trusted."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .priors import SITES

if TYPE_CHECKING:
    import xarray


_WIDTHS = {"GaussianPSF": "sigma", "KingPSF": "core radius", "MoffatPSF": "FWHM", "ImagePSF": "stretch"}
"""What psf_width is, by the family of the PSF; all but the stretch are in pixels."""


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
        parameters: a summary for each parameter.
        ess: effective sample size: of the weights for importance sampling, else the smallest bulk one.
        r_hat: the largest of the free parameters; NaN for importance sampling.
        divergences: divergent transitions of the sampler.
        khat: of the importance weights; NaN without them.
        detection: from importance sampling: log_evidence, ln_bayes_factor (source against none), det_like
            (emldetect's), flux_ul95 and flux_detectable (see `inference.limits`), in the flux's unit.
        problems: what is wrong with the posterior, in words; empty where nothing is.
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

    def line(self) -> str:
        """One line: flux, position, width, detection, and whether the numbers can be trusted."""
        flux, x, y, width = (self.parameters[name] for name in ("flux", "x_pos", "y_pos", "psf_width"))
        warning = f"  WARNING: {'; '.join(self.problems)}" if self.problems else ""
        called, unit = _WIDTHS.get(self.psf, "width"), "" if self.psf == "ImagePSF" else " pixel"
        return (
            f"{self.name}: flux {interval(flux)} {flux.unit}, x {interval(x)}, y {interval(y)}, "
            f"{called} {interval(width)}{unit};{self._detected(flux.unit)} {self._health()}{warning}"
        )

    def _detected(self, unit: str) -> str:
        if not self.detection:
            return ""
        found = self.detection
        return (
            f" DET_LIKE {found['det_like']:.1f}, ln Bayes factor {found['ln_bayes_factor']:.1f}, "
            f"95 % limit there {found['flux_ul95']:.3g} {unit};"
        )

    def _health(self) -> str:
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
        return plain | {"problems": list(self.problems)}


_DETECTION = ("log_evidence", "ln_bayes_factor", "det_like", "flux_ul95", "flux_detectable")
_LEAST_BULK_ESS = 400


def summarise(posterior: "xarray.DataTree") -> FitSummary:
    """Summarise the result of `fit`.

    What the fit itself found wrong is repeated; a bulk effective sample size of NUTS up to 400 is added to it.
    """
    group, attrs = posterior["posterior"].to_dataset(), posterior.attrs
    sampled = attrs["method"] == "nuts"
    free = group[[name for name in SITES if np.ptp(group[name].values) > 0]]
    r_hats, sizes = _convergence(free) if sampled else ({}, {})
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
            ess_bulk=float(sizes[name]) if name in sizes else float("nan"),
            r_hat=float(r_hats[name]) if name in r_hats else float("nan"),
        )
    size = float(min(sizes[name] for name in free)) if sampled else float(attrs["ess"])
    problems = [problem for problem in str(attrs["problems"]).split("; ") if problem]
    if sampled and not size > _LEAST_BULK_ESS:
        problems.append(f"few independent draws (ESS {size:.0f}, expected above {_LEAST_BULK_ESS})")
    return FitSummary(
        name=str(posterior["constant_data"].attrs["name"]),
        psf=str(attrs["psf"]).split("(")[0],
        method=str(attrs["method"]),
        parameters=parameters,
        ess=size,
        r_hat=float(max(r_hats[name] for name in free)) if sampled else float("nan"),
        divergences=int(posterior["sample_stats"]["diverging"].sum()) if sampled else 0,
        khat=float(attrs.get("khat", np.nan)),
        detection={name: float(attrs[name]) for name in _DETECTION if name in attrs},
        problems=tuple(problems),
    )


def _convergence(group: "xarray.Dataset") -> "tuple[xarray.Dataset, xarray.Dataset]":
    """R-hat and bulk effective sample size; ArviZ takes a while to import, and weighted draws need neither."""
    from arviz import ess, rhat

    return rhat(group), ess(group, method="bulk")


def interval(parameter: ParameterSummary) -> str:
    """Median and 68 % interval to the digits that the interval warrants, such as "0.00186 -0.00036 +0.00043"."""
    down, up = parameter.median - parameter.lower, parameter.upper - parameter.median
    if up <= 0 or down <= 0:
        return f"{parameter.median:.6g}"
    decimals = max(0, 1 - int(np.floor(np.log10(min(down, up)))))
    return f"{parameter.median:.{decimals}f} -{down:.{decimals}f} +{up:.{decimals}f}"


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value
