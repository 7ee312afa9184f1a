"""What a fit does not see in its stamp: a source that the model lacks, and light that falls on no exposed pixel."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy import ndimage

from ..observation import Observation
from ..psf import PSF, light_in_pixels, with_slope
from .program import call
from .search import likelihood_ratio_maps
from .unconstrained import Data

LEAST_LIGHT = 0.5
"""Share of a source's light that has to fall on exposed pixels, or it is doubted."""
_SURE = 15.0
"""Logarithm of the likelihood ratio of another source: noise reaches it somewhere in one stamp of a thousand."""
_REACH = 3
"""The place of another source is the largest value within so many pixels, or it is a slope of something else."""
_ITS_OWN = 5.0
"""What lies so near to the source is its own: a PSF that does not fit, or another of its positions [pixels]."""


def another_source(
    stamp: Observation, mean: Float[np.ndarray, "ny nx"], psf: PSF, parameters: Mapping[str, float]
) -> str:
    """Say where another source would explain the counts much better, or nothing.

    Args:
        stamp: what was observed.
        mean: expected counts of the fitted model, shape (ny, nx) [count / pixel].
        psf: family of the PSF.
        parameters: of the fitted source, its position and the PSF's shape among them.
    """
    widths = jnp.asarray([parameters["psf_width"]], float)
    shape = with_slope(psf, parameters.get("psf_slope"))
    _, maps = call(_maps, Data.of(stamp), jnp.maximum(mean, 1e-12), shape, widths)
    far = np.hypot(stamp.x - parameters["x_pos"], stamp.y - parameters["y_pos"]) > _ITS_OWN
    gain = np.asarray(maps)[0]
    gain = np.where(far & (gain == ndimage.maximum_filter(gain, 2 * _REACH + 1)), gain, 0.0)
    row, column = np.unravel_index(np.argmax(gain), gain.shape)
    if gain[row, column] < _SURE:
        return ""
    where = f"x={stamp.x[row, column]:.0f} y={stamp.y[row, column]:.0f}"
    return f"the model lacks a source near {where} (ln likelihood ratio {gain[row, column]:.0f}): fit it as a neighbour"


def light_held(stamp: Observation, psf: PSF, parameters: Mapping[str, float]) -> float:
    """Return the share of a source's light that falls on the stamp's exposed pixels."""
    shape = with_slope(psf, parameters.get("psf_slope"))
    place = (parameters[name] for name in ("x_pos", "y_pos", "psf_width"))
    light = np.asarray(call(light_in_pixels, shape, stamp.columns, stamp.rows, *place))
    return float(light[stamp.exposure > 0].sum())


@jax.jit
def _maps(data: Data, mean: Array, psf: PSF, widths: Array) -> tuple[Array, Array]:
    return likelihood_ratio_maps(data, mean, psf, widths, (1,))
