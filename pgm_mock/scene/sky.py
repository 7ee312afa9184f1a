"""The sky behind everything: uniform, or with a gradient."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, ArrayLike, Num

from ..distributions import Prior
from ..pixels import Pixels
from ..psf import PSF
from .component import Component
from .light import Level, Optics, Part
from .parameter import Parameter
from .pointsource import log_flux_of_counts

if TYPE_CHECKING:
    from ..observation import Observation

_TYPICAL_COUNTS, _SPREAD = 0.1, 1.5


@dataclass(frozen=True)
class Sky(Component):
    """A background seen through the exposure; its logarithm has a gradient where the model has priors for one."""

    name: str = "sky"
    uses_psf: ClassVar = False
    parameters: ClassVar = (
        Parameter("background", "b", "flux / pixel", True, "background per pixel", label="backgr. b"),
        Parameter(
            "background_dx",
            "g_x",
            "1 / pixel",
            False,
            "gradient of the background's logarithm along the columns",
            optional=True,
            label="grad. x",
        ),
        Parameter(
            "background_dy",
            "g_y",
            "1 / pixel",
            False,
            "gradient of the background's logarithm along the rows",
            optional=True,
            label="grad. y",
        ),
    )

    @property
    def prefix(self) -> str:
        """What stands before its parameters' names in the model."""
        return "" if self.name == "sky" else f"{self.name}_"

    def defaults(self, observation: "Observation", x: float, y: float, psf: PSF) -> dict[str, Prior]:
        """Return a wide log-normal prior about 0.1 count per pixel."""
        return {"background": dist.LogNormal(log_flux_of_counts(observation, _TYPICAL_COUNTS), _SPREAD)}

    def light(
        self,
        pixels: Pixels,
        optics: Optics,
        *,
        background: Any,
        background_dx: Any = None,
        background_dy: Any = None,
    ) -> Part:
        """Return the same level everywhere, or one that grows exponentially from its value in the middle."""
        if background_dx is None and background_dy is None:
            return Level(background)
        return Level(background, (_growth(pixels.x, background_dx), _growth(pixels.y, background_dy)))


def _growth(place: Num[ArrayLike, "*n"], gradient: Num[ArrayLike, ""] | None) -> Array:
    here = jnp.asarray(place, float)
    slope = jnp.asarray(0.0 if gradient is None else gradient)
    return jnp.exp(slope * (here - jnp.mean(here)))
