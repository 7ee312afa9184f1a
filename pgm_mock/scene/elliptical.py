"""An elliptical extended source, as it is seen: what a cluster is in a model of a whole field."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, ArrayLike, Num

from ..distributions import Prior, position_prior
from ..pixels import Pixels
from ..psf import PSF
from .component import Component
from .light import Optics, Part
from .parameter import Parameter
from .pointsource import log_flux_of_counts

if TYPE_CHECKING:
    from ..observation import Observation

_REACH, _COUNTS, _CORE, _ELONGATION = 20.0, 1.0, 5.0, 0.2
_SMALL = 1e-6


@dataclass(frozen=True)
class EllipticalBeta(Component):
    r"""Surface brightness S (1 + r² / core²)^(1/2 - 3 beta) in ellipses, averaged over each pixel.

    It is the profile as it is seen: its core holds the blur of the PSF, as nothing is deconvolved. The elongation is a
    vector, without a bound and smooth where the ellipses are circles: with the long axis e^eta times the short one, at
    an angle theta from the columns' direction towards the rows',

        \[ (e_1, e_2) = \eta (\cos 2\theta, \sin 2\theta), \quad
           r^2 = \cosh\eta (dx^2 + dy^2) - (\sinh\eta / \eta) (e_1 (dx^2 - dy^2) + 2 e_2 dx dy), \]

    and the core radius is the geometric mean of those along the two axes.
    """

    name: str = "cluster"
    uses_psf: ClassVar = False
    parameters: ClassVar = (
        Parameter("x", "x_c", "pixel", False, "column of the extended source's centre, FITS image coordinates"),
        Parameter("y", "y_c", "pixel", False, "row of the extended source's centre, FITS image coordinates"),
        Parameter("peak", "S", "flux / pixel", True, "surface brightness in the extended source's centre"),
        Parameter("core", "r_c", "pixel", True, "core radius of its profile, as seen through the PSF", above=0.0),
        Parameter("beta", r"\beta", "1", True, "beta of the extended source's profile", above=0.5),
        Parameter("e1", "e_1", "1", False, "ln of the axes' ratio, where the long axis lies along x"),
        Parameter("e2", "e_2", "1", False, "ln of the axes' ratio, where the long axis lies between x and y"),
    )

    def defaults(self, observation: "Observation", x: float, y: float, psf: PSF) -> dict[str, Prior]:
        """Return wide priors about the place asked for: a count per pixel, a core of 5 pixels and a beta of 2/3."""
        return {
            "x": position_prior(x, _REACH),
            "y": position_prior(y, _REACH),
            "peak": dist.LogNormal(log_flux_of_counts(observation, _COUNTS), 2.5),
            "core": dist.LogNormal(jnp.log(_CORE).item(), 1.0),
            "beta": dist.TruncatedNormal(2 / 3, 0.2, low=0.51, high=3.0),
            "e1": dist.Normal(0.0, _ELONGATION),
            "e2": dist.Normal(0.0, _ELONGATION),
        }

    def light(
        self, pixels: Pixels, optics: Optics, *, x: Any, y: Any, peak: Any, core: Any, beta: Any, e1: Any, e2: Any
    ) -> Part:
        """Return the brightness in each pixel, the mean over it to second order in its size."""
        dx, dy = jnp.asarray(pixels.x) - x, jnp.asarray(pixels.y) - y
        squared = elliptical_radius_squared(dx, dy, e1, e2)
        steep, scale = 3.0 * jnp.asarray(beta) - 0.5, 1.0 / jnp.square(jnp.asarray(core))
        u = squared * scale
        # The mean over a square adds a 24th of its area times the Laplacian, here of the round profile.
        relative = 1.0 / (1.0 + u)
        area = jnp.square(jnp.asarray(pixels.side))
        bend = area * steep * scale / 6.0 * relative * ((steep + 1.0) * u * relative - 1.0)
        return peak * jnp.exp(-steep * jnp.log1p(u)) * (1.0 + jnp.maximum(bend, -0.5))


def elliptical_radius_squared(
    dx: Num[ArrayLike, "*#n"], dy: Num[ArrayLike, "*#n"], e1: Num[ArrayLike, ""], e2: Num[ArrayLike, ""]
) -> Array:
    """Return the square of the radius at which an ellipse through an offset has the area of its circle [pixels²]."""
    squared = jnp.square(e1) + jnp.square(e2)
    # cosh and sinh(eta) / eta are smooth in eta², whose root is not: the series where it is small.
    eta = jnp.sqrt(jnp.maximum(squared, _SMALL))
    small = squared < _SMALL
    round_part = jnp.where(small, 1.0 + 0.5 * squared, jnp.cosh(eta))
    long_part = jnp.where(small, 1.0 + squared / 6.0, jnp.sinh(eta) / eta)
    x2, y2 = jnp.square(dx), jnp.square(dy)
    return round_part * (x2 + y2) - long_part * (e1 * (x2 - y2) + 2.0 * e2 * dx * dy)
