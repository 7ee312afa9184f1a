"""The PSF of ROSAT's PSPC, as a sum of Gaussians.

Hasinger, Boese, Predehl et al. (1993; OGIP CAL/ROS/93-015) write it as a Gaussian (the counter's resolution and the
mirror's blur), an exponential (how deep X-rays get into the counter) and a Lorentzian that breaks into a power law
(scattering on the mirror). Each is a mixture of Gaussians; here their common encircled energy is fitted by a few of
them, by least squares with shares of at least 0.
"""

import numpy as np

_GAUSSIANS = 14
_RADII = 80
_TOTAL_WEIGHT = 100.0


def pspc_encircled(radius: np.ndarray, energy: float, off_axis: float) -> np.ndarray:
    """Fraction of the light within a radius; infinity is allowed.

    Args:
        radius: ["], any shape.
        energy: 0.07 to 2 keV.
        off_axis: up to 60 arcmin.
    """
    shares, sigma, folding, inner, outer, slope = _components(energy, off_axis)
    gaussian = -np.expm1(-0.5 * (radius / sigma) ** 2)
    with np.errstate(invalid="ignore"):
        exponential = np.where(np.isinf(radius), 1.0, 1.0 - (1.0 + radius / folding) * np.exp(-radius / folding))
    squared = (outer / inner) ** 2
    wing = 2.0 * squared / ((1.0 + squared) * (slope - 2.0))
    beyond = np.maximum(radius, outer) / outer
    core = np.log1p((np.minimum(radius, outer) / inner) ** 2)
    lorentzian = (core + wing * (1.0 - beyond ** (2.0 - slope))) / (np.log1p(squared) + wing)
    return shares[0] * gaussian + shares[1] * exponential + shares[2] * lorentzian


def pspc_gaussians(energy: float, off_axis: float) -> tuple[np.ndarray, np.ndarray]:
    """Return standard deviations ["] and shares of Gaussians that enclose the same light within 1 degree, to 2e-3.

    Args:
        energy: 0.07 to 2 keV.
        off_axis: up to 60 arcmin.
    """
    from scipy.optimize import nnls

    _, sigma, folding, _, outer, _ = _components(energy, off_axis)
    wide_sigmas = np.geomspace(min(0.4 * folding, 0.7 * sigma), 20.0 * outer, _GAUSSIANS - 1)
    sigmas = np.append(wide_sigmas, sigma)
    radii = np.append(np.geomspace(0.2 * min(folding, sigma), 5.0 * outer, _RADII), np.inf)
    weight = np.append(np.ones(_RADII), _TOTAL_WEIGHT)
    within = -np.expm1(-0.5 * (radii[:, None] / sigmas) ** 2)
    shares, _ = nnls(within * weight[:, None], pspc_encircled(radii, energy, off_axis) * weight)
    return sigmas, shares / shares.sum()


def _components(energy: float, off_axis: float) -> tuple[np.ndarray, float, float, float, float, float]:
    """Shares of the three components; sigma, e-folding angle and the Lorentzian's two breaks ["]; its outer slope."""
    scattered = 0.075 * energy**1.43
    deep = 10.0 ** (-1.635 + 0.639 * energy + 0.052 * energy**2) * np.exp(-0.5 * (off_axis / 12.0) ** 2)
    deep = min(deep, 1.0 - scattered)
    sigma = np.sqrt(108.7 * energy**-0.888 + 1.121 * energy**6 + 0.219 * off_axis**2.848)
    folding = np.sqrt(50.61 * energy**-1.472 + 6.80 * energy**5.62)
    shares = np.array([1.0 - deep - scattered, deep, scattered])
    return shares, sigma, folding, 39.95 / energy, 861.9 / energy, 2.119 + 0.212 * energy
