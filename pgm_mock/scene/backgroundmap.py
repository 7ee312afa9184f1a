"""Counts that are there whatever the exposure: the observation's background map."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import jax.numpy as jnp
import numpyro.distributions as dist

from ..distributions import Prior
from ..errors import InputError
from ..pixels import Pixels
from ..psf import PSF
from .component import Component
from .light import Counts, Optics, Part
from .parameter import Parameter

if TYPE_CHECKING:
    from ..observation import Observation


@dataclass(frozen=True)
class BackgroundMap(Component):
    """The observation's map, such as one of particles, times a number; 1 where the model has no prior for it."""

    name: str = "map"
    uses_psf: ClassVar = False
    of_map: ClassVar = True
    parameters: ClassVar = (
        Parameter(
            "background_norm",
            "c",
            "1",
            True,
            "normalisation of the background map",
            optional=True,
            label="map norm c",
        ),
    )

    @property
    def prefix(self) -> str:
        """What stands before its parameters' names in the model."""
        return ""

    def defaults(self, observation: "Observation", x: float, y: float, psf: PSF) -> dict[str, Prior]:
        """Return a log-normal prior about 1, right within a factor of 1.6, where there is a map."""
        return {} if observation.background_map is None else {"background_norm": dist.LogNormal(0.0, 0.5)}

    def light(self, pixels: Pixels, optics: Optics, *, background_norm: Any = None) -> Part:
        """Return the map's counts where there is exposure.

        Raises:
            InputError: a normalisation without a map.
        """
        if pixels.background_map is None:
            if background_norm is not None:
                raise InputError("background_norm: expected an observation with a background map, found none")
            return None
        counts = jnp.asarray(pixels.background_map) * jnp.asarray(1.0 if background_norm is None else background_norm)
        return Counts(jnp.where(jnp.asarray(pixels.exposure) > 0, counts, 0.0))
