"""Whether a prior can be used at all, and whether it has anything to do with the image that it is for."""

from typing import TYPE_CHECKING, Any

import jax
import numpy as np
import numpyro.distributions as dist
from scipy import special

from .distributions import Conditional, TruncatedNormal
from .errors import InputError, warn
from .plugins import is_own
from .psf import profiles_in

if TYPE_CHECKING:
    from .jointprior import JointPrior
    from .observation import Observation
    from .scene import Parameter

_AT = (np.arange(200) + 0.5) / 200
"""Probabilities of the quantiles that stand for a prior: 200 of equal weight."""
_LEAST_INSIDE, _FEW_INSIDE = 0.005, 0.2
"""Shares of a position's prior in the image: with less there is nothing to find there, or hardly anything."""
_NARROWEST, _WIDEST = 1e-9, 1e30
"""Width of the central 68 % over its middle, and ratio of its ends where they are positive."""
_MOST_COUNTS, _LEAST_COUNTS = 1e9, 1e-9
"""Counts of a source, or of the background in the image: counts are 32-bit integers."""
_MOST_SIZES, _LEAST_WIDTH = 100.0, 1e-6
"""Width of a PSF or an extended source [sizes of the image, pixels]."""
_STEEPEST = 100.0
"""Change of the background's logarithm from one end of the image to the other."""
_ALL_LIGHT = 1.01
"""What the pixels' shares of a source's light add up to, at most."""
_SAME = 1e-3
"""To this part of the brightest pixel the two ways of a PSF to say its light agree."""
_OF_LIGHT = ("flux", "flux / pixel")
POSITION = ("x_pos", "y_pos")
"""The place of the source that is asked for, which must lie in the image."""


def check_against(observation: "Observation", priors: "JointPrior", *, doubts: bool = True) -> None:
    """Hold priors against the exposure and the place of an image, never against its counts.

    Args:
        observation: the stamp or image.
        priors: of its model; those of plates, and such as depend on other parameters, are not looked at.
        doubts: whether what is only doubtful is said, too.

    Raises:
        InputError: a prior without spread or median, a position with less than 0.5 % of its mass in the image,
            fluxes, backgrounds and widths that no image like this one can have, or light of a component of somebody
            else's that is negative or no number at the priors' medians.

    Warns:
        DataWarning: less than a fifth of a position's mass lies in the image.
    """
    for name, parameter in priors.parameters.items():
        prior = priors[name]
        if parameter.plural or isinstance(prior, Conditional):  # a plate's fluxes follow the source's
            continue
        if not isinstance(prior, dist.Distribution):
            _check_value(observation, parameter, float(prior))
            continue
        found = _checked_quantiles(name, prior)
        if name in POSITION:
            _check_position(observation, name, prior, found, doubts)
        else:
            _check_range(observation, parameter, found[32], found[167], float(np.mean(found[99:101])))
    _check_light(observation, priors, doubts)
    if not is_own(type(priors.psf).__module__):
        _check_psf(observation, priors)


def _check_light(observation: "Observation", priors: "JointPrior", doubts: bool) -> None:
    """Hold the light of components that are not the package's against what light can be."""
    for component in priors.scene.components:
        if not is_own(type(component).__module__):
            light = priors.scene.only(component.name).light(observation.pixels, priors.psf, priors.medians())
            if wrong := light.wrong():
                raise InputError(f"component {component.name}: {wrong}, at the medians of the priors")
            dark = light.products is None and light.brightness is None and light.counts is None
            if doubts and dark and not np.any(light.level):
                warn(f"component {component.name}: it has parameters and no light; does `light` return it?")


def _check_psf(observation: "Observation", priors: "JointPrior") -> None:
    """Hold a PSF that is not the package's against what part of a source's light can be in an image."""
    width = float(np.asarray(priors.medians().get("psf_width", 1.0)))
    middle = float(np.median(observation.columns)), float(np.median(observation.rows))
    shares = np.asarray(priors.psf.pixel_fraction(observation.columns, observation.rows, *middle, width))
    name = f"PSF {type(priors.psf).__name__}"
    if shares.shape != observation.shape:
        raise InputError(f"{name}: expected a fraction for each pixel, shape {observation.shape}, found {shares.shape}")
    if not (shares.min() >= 0 and shares.sum() <= _ALL_LIGHT):
        found = f"{shares.sum():.3g} in all, and {shares.min():.3g} in the darkest of them"
        raise InputError(f"{name}: expected shares of the light in pixels, which add up to 1, found {found}")
    whole = observation.pixels
    for pixels, how in ((whole._replace(edges=None), "profiles"), (whole, "profiles_between")):
        profiles = profiles_in(priors.psf, pixels, *middle, width)
        if profiles is None:
            return
        try:
            each = zip(profiles, shares.shape[::-1], strict=True)
            columns, rows = (np.reshape(np.asarray(profile), (-1, size)) for profile, size in each)
            product = rows.T @ columns
        except ValueError as error:
            wanted = f"(k, {shares.shape[1]}) and (k, {shares.shape[0]})"
            found = ", ".join(str(np.shape(profile)) for profile in profiles)
            raise InputError(f"{name}: expected {how} of shapes {wanted}, found {found}") from error
        if not np.allclose(product, shares, rtol=_SAME, atol=_SAME * float(shares.max())):
            found = f"{product.sum():.4g} of the light for {shares.sum():.4g}"
            raise InputError(f"{name}: expected {how} whose products add up to its pixel_fraction, found {found}")


def quantiles_of(prior: dist.Distribution, probabilities: np.ndarray = _AT) -> np.ndarray:
    """Quantiles of a prior of one number, shape of `probabilities`; from draws where there is no formula."""
    form = _FORMULAS.get(type(prior))
    with np.errstate(all="ignore"):
        if form is not None:
            return np.asarray(form(prior, probabilities), float)
        try:
            return np.asarray(prior.icdf(probabilities), float)
        except (NotImplementedError, ImportError, AttributeError):
            draws = np.asarray(prior.sample(jax.random.key(0), (2000,)), float)
            return np.quantile(draws, probabilities)


_FORMULAS: dict[type, Any] = {
    dist.Normal: lambda prior, p: prior.loc + prior.scale * special.ndtri(p),
    TruncatedNormal: lambda prior, p: prior.quantile(p),
    dist.LogNormal: lambda prior, p: np.exp(prior.loc + prior.scale * special.ndtri(p)),
    dist.Uniform: lambda prior, p: prior.low + (np.asarray(prior.high) - prior.low) * p,
    dist.LogUniform: lambda prior, p: np.exp(np.log(prior.low) + (np.log(prior.high) - np.log(prior.low)) * p),
    dist.HalfNormal: lambda prior, p: prior.scale * special.ndtri((1 + p) / 2),
    dist.Exponential: lambda prior, p: -np.log1p(-p) / prior.rate,
    dist.Gamma: lambda prior, p: special.gammaincinv(prior.concentration, p) / prior.rate,
    dist.InverseGamma: lambda prior, p: prior.rate / special.gammainccinv(prior.concentration, p),
    dist.Chi2: lambda prior, p: 2 * special.gammaincinv(prior.df / 2, p),
    dist.Beta: lambda prior, p: special.betaincinv(prior.concentration1, prior.concentration0, p),
    dist.StudentT: lambda prior, p: prior.loc + prior.scale * special.stdtrit(prior.df, p),
    dist.Weibull: lambda prior, p: prior.scale * (-np.log1p(-p)) ** (1 / np.asarray(prior.concentration)),
    dist.Kumaraswamy: lambda prior, p: (
        (1 - (1 - p) ** (1 / np.asarray(prior.concentration0))) ** (1 / np.asarray(prior.concentration1))
    ),
}
"""Quantile functions where NumPyro has none, or one that has to be compiled."""


def _checked_quantiles(name: str, prior: dist.Distribution) -> np.ndarray:
    """Return the quantiles of a prior that has a middle and a width, or raise InputError."""
    found = quantiles_of(prior)
    low, middle, high = found[32], float(np.mean(found[99:101])), found[167]
    if not np.all(np.isfinite((low, middle, high))):
        raise InputError(f"{name}: expected a prior with finite quantiles, found {_three(low, middle, high)}")
    if not high - low > _NARROWEST * abs(middle):
        said = "expected a prior with a width, or a number for a fixed value"
        raise InputError(f"{name}: {said}, found {_three(low, middle, high)}")
    if low >= 0 and not high <= _WIDEST * low:
        raise InputError(f"{name}: expected a prior over less than 30 powers of ten, found {_three(low, middle, high)}")
    return found


def _three(low: float, middle: float, high: float) -> str:
    return f"the 16, 50 and 84 % quantiles {low:.4g}, {middle:.4g} and {high:.4g}"


def _reach(observation: "Observation", name: str) -> tuple[float, float]:
    """Where the image's pixels begin and end along the axis that a parameter belongs to [FITS image pixels]."""
    ny, nx = observation.shape
    first, length = (observation.origin[0], nx) if "x" in name.split("_") else (observation.origin[1], ny)
    return first - 0.5, first + length - 0.5


def _check_position(
    observation: "Observation", name: str, prior: dist.Distribution, found: np.ndarray, doubts: bool
) -> None:
    low, high = _reach(observation, name)
    inside = float(np.mean((found >= low) & (found <= high)))
    where = f"the image, {low + 0.5:g} to {high - 0.5:g}"
    if inside < _LEAST_INSIDE:
        raise InputError(
            f"{name}: expected a prior with mass in {where}; it has none there, its median is {np.median(found):.6g} "
            f"and its central 68 % are {found[167] - found[32]:.3g} pixels wide"
        )
    if doubts and inside < _FEW_INSIDE:
        warn(f"{name}: only {inside:.1%} of the prior lies in {where}")


def _check_range(observation: "Observation", one: "Parameter", low: float, high: float, middle: float) -> None:
    """Refuse what no image like this one can have; `low` and `high` are the ends of the central 68 %."""
    size, name = max(observation.shape), one.name
    typical = float(np.median(observation.exposure[observation.exposure > 0]))
    if one.unit in _OF_LIGHT:
        counts = middle * typical * (observation.counts.size if one.unit == "flux / pixel" else 1)
        if counts > _MOST_COUNTS or high * typical < _LEAST_COUNTS:
            raise InputError(
                f"{name}: expected a prior of {_LEAST_COUNTS:g} to {_MOST_COUNTS:g} counts, found a median of "
                f"{middle:.3g}, {counts:.3g} counts in a typical exposure of {typical:.4g}"
            )
    elif one.unit == "pixel" and one.positive:
        if low > _MOST_SIZES * size or high < _LEAST_WIDTH:
            wanted = f"a width of {_LEAST_WIDTH:g} to {_MOST_SIZES * size:g} pixels"
            raise InputError(f"{name}: expected {wanted}, found a median of {middle:.3g}")
    elif one.unit == "1 / pixel":
        if (high - low) / 2 * size > _STEEPEST or abs(middle) * size > _STEEPEST:
            wanted = f"a gradient that changes the background by less than exp({_STEEPEST:g}) over the image"
            raise InputError(
                f"{name}: expected {wanted}, found a median of {middle:.3g} and a width of {high - low:.3g}"
            )
    elif one.unit == "pixel" and {"x", "y"} & set(name.split("_")):
        start, end = _reach(observation, name)
        if low > end + _MOST_SIZES * size or high < start - _MOST_SIZES * size:
            raise InputError(f"{name}: expected a centre near the image, found a median of {middle:.6g}")


def _check_value(observation: "Observation", one: "Parameter", value: float) -> None:
    """Hold a fixed value against the image; none at all of a flux or background is a model, too."""
    if one.name in POSITION:
        low, high = _reach(observation, one.name)
        if not low - (high - low) <= value <= high + (high - low):
            raise InputError(
                f"{one.name}: expected a value near the image, {low + 0.5:g} to {high - 0.5:g}, found {value:g}"
            )
    elif not (one.unit in _OF_LIGHT and value * observation.exposure.max() < 1):
        _check_range(observation, one, value, value, value)
