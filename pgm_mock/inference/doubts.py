"""What to doubt in a posterior that is computed rightly, such as whether it is that of the source asked for."""

from collections.abc import Mapping

import jax
import numpy as np
from jaxtyping import Float
from numpyro.distributions import Distribution, TwoSidedTruncatedDistribution, Uniform

from ..priors import Priors
from ..results import flat

_AT_EDGE, _MUCH = 0.1, 3.0
"""A posterior leans on a bound where the outermost tenth of the way to it has three times the prior's share."""
_LEAST = 0.05
_PRIOR_DRAWS = 20_000
_TOO_WIDE = 3.0
"""Standard deviations of the prior of the PSF's width beyond which it is no PSF's."""
_DETECTED, _NOT_DETECTED, _FAVOURED = 10.0, 3.0, 5.0


POSITION, EXTENT, DETECTION, EVIDENCE, LIMIT = "position", "extent", "detection", "evidence", "limit"
"""What a doubt is about."""
LEANS = "the position leans on its bound in {}: is there something brighter beyond?"


def doubts(priors: Priors, draws: Mapping[str, np.ndarray], numbers: Mapping[str, float]) -> dict[str, str]:
    """Say what to doubt: a sentence for each of position, extent and detection that there is a doubt about.

    Args:
        priors: of the model.
        draws: of each parameter, shape (chain, draw).
        numbers: detection likelihood and Bayes factor, where they are known.

    Returns:
        For a position that leans on the bound of its prior, a width that is not the PSF's, and a detection likelihood
        and a Bayes factor that contradict each other.
    """
    found = {}
    leaning = [name[0] for name in ("x_pos", "y_pos") if leans(priors[name], flat(draws[name]))]
    if leaning:
        where = " and ".join(leaning)
        found[POSITION] = LEANS.format(where)
    if width := _not_the_psfs(priors, flat(draws["psf_width"])):
        found[EXTENT] = width
    likelihood, factor = numbers.get("det_like"), numbers.get("ln_bayes_factor")
    if likelihood is not None and factor is not None:
        against = likelihood >= _DETECTED and factor < 0
        without = likelihood < _NOT_DETECTED and factor > _FAVOURED
        if against or without:
            said = f"DET_LIKE {likelihood:.1f} and ln Bayes factor {factor:.1f} contradict each other"
            found[DETECTION] = f"{said}: is the source where, and as wide as, the priors expect it?"
    return found


def outside_circle(
    x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], place: tuple[float, float], radius: float
) -> str:
    """Say that the median position lies outside the circle about the place asked for, or nothing.

    Args:
        x, y: draws of the position [FITS image pixels].
        place: that was asked for.
        radius: of its circle; NaN where there is none [pixels].
    """
    distance = float(np.hypot(np.median(x) - place[0], np.median(y) - place[1]))
    if not distance > radius:
        return ""
    return f"found {distance:.1f} pixels from the place asked for, outside its circle of {radius:.1f}"


def leans(prior: object, draws: np.ndarray) -> np.ndarray:
    """Whether a posterior lies at a bound of its prior, shape () or (m,).

    Args:
        prior: of one parameter, or of m alike.
        draws: of the posterior, shape (n,) or (n, m).
    """
    if not isinstance(prior, (TwoSidedTruncatedDistribution, Uniform)):
        return np.zeros(draws.shape[1:], bool)
    low, high = np.asarray(prior.low, float), np.asarray(prior.high, float)
    edge = _AT_EDGE * 0.5 * (high - low)
    below, above = np.mean(draws < low + edge, axis=0), np.mean(draws > high - edge, axis=0)
    # Each operation of JAX outside a program takes as long as a hundred of SciPy's, and stops the other threads.
    share = getattr(prior, "probability_below", prior.cdf)
    try:
        prior_below, prior_above = np.asarray(share(low + edge)), 1.0 - np.asarray(share(high - edge))
    except NotImplementedError:  # of the oldest NumPyro's truncated distributions
        drawn = np.asarray(prior.sample(jax.random.key(0), (_PRIOR_DRAWS,)))
        prior_below, prior_above = np.mean(drawn < low + edge, axis=0), np.mean(drawn > high - edge, axis=0)
    return (below > np.maximum(_LEAST, _MUCH * prior_below)) | (above > np.maximum(_LEAST, _MUCH * prior_above))


def _not_the_psfs(priors: Priors, draws: np.ndarray) -> str:
    """Say that the fitted width is not the PSF's, or nothing."""
    prior = priors["psf_width"]
    if not isinstance(prior, Distribution) or not np.all(draws > 0):
        return ""
    low, middle, high = np.log(np.maximum(priors.quantiles("psf_width", (0.16, 0.5, 0.84)), 1e-300))
    found = float(np.log(np.median(draws)))
    if (found - middle) > _TOO_WIDE * max(high - middle, 1e-9):
        return f"wider than the PSF: {np.exp(found):.3g} for {np.exp(middle):.3g}; extended, or more than one source?"
    if (middle - found) > _TOO_WIDE * max(middle - low, 1e-9):
        return f"narrower than the PSF: {np.exp(found):.3g} for {np.exp(middle):.3g}; a bad pixel?"
    return ""
