"""Particles: a map of counts that are there whatever the exposure, with a normalisation for each CCD."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from ..distributions import Prior
from ..psf import PSF
from .component import Component
from .light import Counts, Optics, Part, Pixels
from .parameter import Parameter

if TYPE_CHECKING:
    from ..observation import Observation


_WIDE = 100.0


@dataclass(frozen=True)
class Particles(Component):
    """The observation's background map, each CCD's part of it times a number of its own.

    Attributes:
        name: of the component.
        labels: which CCD each pixel of the image is on, from 0, shape (ny, nx); None where it is all one.
        first_x, first_y: the image's first pixel [FITS image pixels].
    """

    name: str = "particles"
    labels: Any = None
    first_x: int = 1
    first_y: int = 1
    uses_psf: ClassVar = False
    parameters: ClassVar = (
        Parameter("norm", "c_i", "1", True, "normalisations of the map of particles, one for each CCD", plural=True),
    )

    def defaults(self, observation: "Observation", x: float, y: float, psf: PSF) -> dict[str, Prior]:
        """Return half-normal priors of 100, flat where the counts leave the template of 0.05 in a pixel.

        Log-normal ones, of nine CCDs together, would pull the particles towards 0, and the sky up, by a standard
        deviation: each density falls as 1 / norm, and the sky hardly tells one sum from another.
        """
        number = 1 if self.labels is None else int(np.max(self.labels)) + 1
        return {"norm": dist.HalfNormal(np.full(number, _WIDE))}

    def light(self, pixels: Pixels, optics: Optics, *, norm: Any) -> Part:
        """Return the map's counts; none where there is no map."""
        if pixels.background_map is None:
            return None
        factor = jnp.asarray(norm)[0]
        if self.labels is not None:
            labels = jnp.asarray(self.labels)
            row = jnp.clip(jnp.rint(jnp.asarray(pixels.y)).astype(int) - self.first_y, 0, labels.shape[0] - 1)
            column = jnp.clip(jnp.rint(jnp.asarray(pixels.x)).astype(int) - self.first_x, 0, labels.shape[1] - 1)
            factor = jnp.asarray(norm)[labels[row, column]]
        counts = jnp.asarray(pixels.background_map) * factor
        return Counts(jnp.where(jnp.asarray(pixels.exposure) > 0, counts, 0.0))
