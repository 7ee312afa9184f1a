"""Point sources in a plate: the other sources of a stamp, or all sources of a field."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from ..distributions import Prior, position_prior
from ..errors import InputError
from ..pixels import Pixels
from ..psf import EachPSF
from .component import Component
from .light import Optics, Part, Products
from .parameter import Parameter
from .pointsource import SPREAD, TYPICAL_COUNTS, log_flux_of_counts

if TYPE_CHECKING:
    from ..observation import Observation

_NEAREST = 1.0
"""A neighbour may come so far from its place, however near the source is [pixels]."""


@dataclass(frozen=True)
class PointSources(Component):
    """Other sources in the image, fitted jointly: each parameter is an array of shape (m,).

    They have the same PSF, or each its own where the scene has an `EachPSF`.
    """

    name: str = "neighbour"
    parameters: ClassVar = (
        Parameter("x", "x_j", "pixel", False, "columns of the sources, FITS image coordinates", plural=True),
        Parameter("y", "y_j", "pixel", False, "rows of the sources, FITS image coordinates", plural=True),
        Parameter("flux", "F_j", "flux", True, "fluxes of the sources", plural=True),
    )

    def light(self, pixels: Pixels, optics: Optics, *, x: Any, y: Any, flux: Any) -> Part:
        """Return the PSF at each place."""
        x, y, flux = jnp.asarray(x), jnp.asarray(y), jnp.asarray(flux)
        if isinstance(optics.psf, EachPSF):
            of_each = optics.psf.in_plate(optics.width)
            each: Any = jax.vmap(lambda psf, width, *place: Optics(psf, width).point(pixels, *place))(
                *of_each, x, y, flux
            )
        else:
            each = jax.vmap(lambda x, y, flux: optics.point(pixels, x, y, flux))(x, y, flux)
        if isinstance(each, Products):
            return Products(*(jnp.reshape(part, (-1, *part.shape[2:])) for part in each))
        return jnp.sum(each, axis=0)


def at_places(
    observation: "Observation",
    places: Sequence[tuple[float, float]],
    reach: float | np.ndarray,
    beside: tuple[float, float] | None = None,
) -> dict[str, Prior]:
    """Return priors of sources at places: the default ones of a source, each about its own place.

    Args:
        observation: the stamp or image.
        places: (x, y) of each [FITS image pixels].
        reach: where to cut off their positions' priors [pixels].
        beside: the place of a source that they are neighbours of: each comes at most half the way to it. Without that a
            neighbour would take the place of a source that is taken away, and be what it is compared with.

    Raises:
        InputError: a place that is no pair of numbers.
    """
    try:
        found = np.array(places, float)
    except (TypeError, ValueError) as error:
        raise InputError(f"neighbours: expected (x, y) of each, found {places!r}") from error
    if found.ndim != 2 or found.shape[1] != 2 or not np.isfinite(found).all():
        raise InputError(f"neighbours: expected (x, y) of each, found {places!r}")
    if beside is not None:
        half_way = 0.5 * np.max(np.abs(found - np.asarray(beside)), axis=1)
        reach = np.minimum(reach, np.maximum(half_way, _NEAREST))
    ones = np.ones(len(found))
    return {
        "x": position_prior(found[:, 0], reach),
        "y": position_prior(found[:, 1], reach),
        "flux": dist.LogNormal(log_flux_of_counts(observation, TYPICAL_COUNTS) * ones, SPREAD * ones),
    }
