"""The source that is asked for: a point."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpyro.distributions as dist

from ..distributions import Prior, position_prior
from ..pixels import Pixels
from ..psf import PSF
from .component import Component
from .light import Optics, Part
from .parameter import Parameter

if TYPE_CHECKING:
    from ..observation import Observation

SOURCE = "source"
"""Name of the component that is asked for: that which is measured, detected and limited."""
REACH, LEAST_REACH = 6.0, 3.0
"""How far from the place asked for a source may be, where nothing else is said, and at least [pixels]."""
TYPICAL_COUNTS, SPREAD = 30.0, 2.0
"""Median of the default prior of a flux, in counts of a typical exposure, and standard deviation of its logarithm."""


@dataclass(frozen=True)
class PointSource(Component):
    """A point source, seen through the PSF.

    Attributes:
        name: "source" is the one that is asked for, whose parameters have no prefix.
    """

    name: str = SOURCE
    parameters: ClassVar = (
        Parameter("x_pos", "x_0", "pixel", False, "the source's column, FITS image coordinates", label="x₀"),
        Parameter("y_pos", "y_0", "pixel", False, "the source's row, FITS image coordinates", label="y₀"),
        Parameter(
            "flux", "F", "flux", True, "the source's counts per unit of exposure, over the whole plane", label="flux F"
        ),
    )

    @property
    def prefix(self) -> str:
        """What stands before its parameters' names in the model."""
        return "" if self.name == SOURCE else f"{self.name}_"

    def defaults(self, observation: "Observation", x: float, y: float, psf: PSF) -> dict[str, Prior]:
        """Return normal priors of 2 pixels, cut off, about the place, and a wide log-normal one about 30 counts."""
        return {
            "x_pos": position_prior(x, REACH),
            "y_pos": position_prior(y, REACH),
            "flux": dist.LogNormal(log_flux_of_counts(observation, TYPICAL_COUNTS), SPREAD),
        }

    def light(self, pixels: Pixels, optics: Optics, *, x_pos: Any, y_pos: Any, flux: Any) -> Part:
        """Return the PSF at its place."""
        return optics.point(pixels, x_pos, y_pos, flux)


def log_flux_of_counts(observation: "Observation", counts: float) -> float:
    """Return the logarithm of the flux that gives so many counts in the median of the positive exposures."""
    return math.log(counts / float(np.median(observation.exposure[observation.exposure > 0])))
