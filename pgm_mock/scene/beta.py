"""An extended source: a beta model, such as a cluster of galaxies."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import jax.numpy as jnp
import numpyro.distributions as dist

from ..distributions import Prior, position_prior
from ..pixels import Pixels
from ..psf import PSF, SumOfGaussians
from .component import Component
from .light import Optics, Part
from .parameter import Parameter
from .pointsource import log_flux_of_counts

if TYPE_CHECKING:
    from ..observation import Observation

_REACH, _COUNTS, _CORE = 10.0, 300.0, 5.0


@dataclass(frozen=True)
class Beta(Component):
    """Surface brightness (1 + r² / core²)^(1/2 - 3 beta), seen through the PSF; two of them make a cool core."""

    name: str = "extended"
    parameters: ClassVar = (
        Parameter(
            "x", "x_e", "pixel", False, "column of the extended source's centre, FITS image coordinates", label="ext. x"
        ),
        Parameter(
            "y", "y_e", "pixel", False, "row of the extended source's centre, FITS image coordinates", label="ext. y"
        ),
        Parameter("flux", "F_e", "flux", True, "flux of the extended source, over the whole plane", label="ext. flux"),
        Parameter("core", "r_c", "pixel", True, "core radius of the extended source", above=0.0, label="ext. core"),
        Parameter("beta", r"\beta", "1", True, "beta of the extended source's profile", above=0.5, label="ext. beta"),
    )

    def defaults(self, observation: "Observation", x: float, y: float, psf: PSF) -> dict[str, Prior]:
        """Return wide priors about the place asked for, 300 counts, a core of 5 pixels and a beta of 2/3."""
        return {
            "x": position_prior(x, _REACH),
            "y": position_prior(y, _REACH),
            "flux": dist.LogNormal(log_flux_of_counts(observation, _COUNTS), 2.0),
            "core": dist.LogNormal(jnp.log(_CORE).item(), 0.5),
            "beta": dist.TruncatedNormal(2 / 3, 0.1, low=0.51, high=1.5),
        }

    def light(self, pixels: Pixels, optics: Optics, *, x: Any, y: Any, flux: Any, core: Any, beta: Any) -> Part:
        """Return a product for each pair of Gaussians, of the profile and of the PSF."""
        shape = SumOfGaussians.of_beta(jnp.asarray(core), jnp.asarray(beta), optics.psf, optics.width)
        return Optics(shape, 1.0).point(pixels, jnp.asarray(x), jnp.asarray(y), flux)
