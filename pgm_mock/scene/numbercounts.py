"""The number counts of sources: a parameter without light of its own, on which the fluxes of a plate depend."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpyro.distributions as dist

from ..distributions import Prior
from ..pixels import Pixels
from ..psf import PSF
from .component import Component
from .light import Optics, Part
from .parameter import Parameter

if TYPE_CHECKING:
    from ..observation import Observation

_SLOPES = (0.2, 5.0)


@dataclass(frozen=True)
class NumberCounts(Component):
    """The slope of N(> F), which is proportional to F^-slope: the population that sources come from."""

    name: str = "numbers"
    uses_psf: ClassVar = False
    parameters: ClassVar = (
        Parameter("slope", r"\alpha_N", "1", True, "slope of the number of sources above a flux", above=0.0),
    )

    def defaults(self, observation: "Observation", x: float, y: float, psf: PSF) -> dict[str, Prior]:
        """Return a prior that is flat from 0.2 to 5."""
        return {"slope": dist.Uniform(*_SLOPES)}

    def light(self, pixels: Pixels, optics: Optics, *, slope: Any) -> Part:
        """Return no light."""
        return None
