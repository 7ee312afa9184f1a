"""Residuals that can be looked at: smoothed until a few counts lie under the kernel, in standard deviations."""

import numpy as np
from jaxtyping import Bool, Float, Num

_COUNTS = 5.0
"""So many expected counts under the kernel make a sum that is nearly Gaussian."""
_NARROWEST, _WIDEST = 1.5, 6.0


def smoothing_width(mean: Float[np.ndarray, "ny nx"], exposed: Bool[np.ndarray, "ny nx"]) -> float:
    """Choose the standard deviation of a Gaussian kernel by the typical pixel, from 1.5 to 6 [pixels, in halves].

    The kernel's effective area is 4 pi width^2 pixels; it is to hold some 5 expected counts.
    """
    typical = float(np.median(mean[exposed]))
    width = np.sqrt(_COUNTS / (4 * np.pi * typical)) if typical > 0 else _WIDEST
    return float(np.clip(np.round(2 * width) / 2, _NARROWEST, _WIDEST))


def smoothed_significance(
    counts: Num[np.ndarray, "ny nx"],
    mean: Float[np.ndarray, "ny nx"],
    exposed: Bool[np.ndarray, "ny nx"],
    width: float,
) -> Float[np.ndarray, "ny nx"]:
    r"""Smooth the residual and divide it by its own standard deviation.

    S = sum_k w_k (N_k - mu_k) / sqrt(sum_k w_k^2 mu_k), over the exposed pixels, with Gaussian weights w about each
    pixel. Where the model is true S has mean 0 and variance 1, whatever the counts.

    Args:
        counts: observed.
        mean: expected, positive where exposed.
        exposed: which pixels have exposure.
        width: standard deviation of the weights [pixels].

    Returns:
        S; NaN without exposure.
    """
    from scipy.ndimage import correlate1d

    reach = np.arange(-np.ceil(4 * width), np.ceil(4 * width) + 1)
    weights = np.exp(-0.5 * (reach / width) ** 2)

    def spread(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        rows = correlate1d(np.where(exposed, image, 0.0), kernel, axis=0, mode="constant")
        return correlate1d(rows, kernel, axis=1, mode="constant")

    with np.errstate(divide="ignore", invalid="ignore"):
        found = spread(counts - mean, weights) / np.sqrt(spread(mean, weights**2))
    return np.where(exposed & np.isfinite(found), found, np.nan)
