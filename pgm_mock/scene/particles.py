"""Particles: a map of counts that are there whatever the exposure, each CCD with its own part of them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from ..distributions import Prior
from ..pixels import Pixels
from ..psf import PSF
from .component import Component
from .light import Counts, Optics, Part
from .parameter import Parameter

if TYPE_CHECKING:
    from ..observation import Observation


_WIDE, _SCATTER = 100.0, 0.3


@dataclass(frozen=True)
class Particles(Component):
    """The observation's background map times a normalisation, each CCD's part times a ratio of its own.

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
        Parameter("norm", "c", "1", True, "normalisation of the map of particles"),
        Parameter("ratio", "c_i", "1", True, "each CCD's particles over those of the normalisation", plural=True),
    )

    def defaults(self, observation: "Observation", x: float, y: float, psf: PSF) -> dict[str, Prior]:
        """Return a half-normal prior of 100, which is flat where data are, and a scatter of 30 % of CCDs about it.

        Nine normalisations of their own would pull the sum of particles, which the sky is hardly told from: up by a
        standard deviation each where there are none, and down where each one's density falls as 1 / norm.
        """
        number = 1 if self.labels is None else int(np.max(self.labels)) + 1
        ratio: Prior = dist.LogNormal(np.zeros(number), _SCATTER) if number > 1 else np.ones(1)
        return {"norm": dist.HalfNormal(_WIDE), "ratio": ratio}

    def light(self, pixels: Pixels, optics: Optics, *, norm: Any, ratio: Any) -> Part:
        """Return the map's counts; none where there is no map."""
        if pixels.background_map is None:
            return None
        factors = jnp.asarray(norm) * jnp.asarray(ratio)
        factor = factors[0]
        if self.labels is not None:
            labels = jnp.asarray(self.labels)
            row = jnp.clip(jnp.rint(jnp.asarray(pixels.y)).astype(int) - self.first_y, 0, labels.shape[0] - 1)
            column = jnp.clip(jnp.rint(jnp.asarray(pixels.x)).astype(int) - self.first_x, 0, labels.shape[1] - 1)
            factor = factors[labels[row, column]]
        counts = jnp.asarray(pixels.background_map) * factor
        return Counts(jnp.where(jnp.asarray(pixels.exposure) > 0, counts, 0.0))
