r"""The fluxes of detected sources, as a prior that depends on the slope of their population.

    \[ p(F | \alpha) = \alpha F_0^\alpha F^{-(\alpha + 1)} / S(\alpha), \quad
       S(\alpha) = \int \alpha F_0^\alpha F^{-(\alpha + 1)} p_\mathrm{det}(F) dF \]

A source's data say themselves that it was detected, so that only S, the part of the population that is, knows of the
selection; the number of all sources is integrated over, with a prior flat in its logarithm (Loredo 2004).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, ArrayLike

from ..population import Selection

_FLUXES, _BEYOND = 400, 1e3


class SelectedPowerLaw(dist.Distribution):
    """A power law of fluxes above the faintest, divided by the part of its sources that is detected.

    It draws fluxes of all sources, detected or not.
    """

    arg_constraints = {"slope": dist.constraints.positive}  # noqa: RUF012 (NumPyro's own form)
    pytree_data_fields = ("slope", "faintest", "log_fluxes", "detected")
    pytree_aux_fields = ("number",)

    def __init__(
        self, slope: ArrayLike, faintest: ArrayLike, log_fluxes: ArrayLike, detected: ArrayLike, number: int
    ) -> None:
        """Take the slope, the faintest flux, the probability of detection on a grid, and how many sources there are.

        Args:
            slope: of N(> F).
            faintest: flux below which there are no sources [flux unit].
            log_fluxes: ln of fluxes over the faintest, from 0 up, shape (g,).
            detected: the probability of detection there, shape (g,).
            number: of sources.
        """
        self.slope, self.faintest, self.number = slope, faintest, number
        self.log_fluxes, self.detected = log_fluxes, detected
        super().__init__(batch_shape=(number,), validate_args=False)

    @property
    def support(self) -> Any:
        """Fluxes above the faintest."""
        return dist.constraints.greater_than(self.faintest)

    @property
    def log_part(self) -> Array:
        """Ln of the part of the population that is detected."""
        slope, grid = jnp.asarray(self.slope), jnp.asarray(self.log_fluxes)
        seen = jnp.asarray(self.detected)
        inside = jnp.trapezoid(slope * jnp.exp(-slope * grid) * seen, grid)
        return jnp.log(inside + seen[-1] * jnp.exp(-slope * grid[-1]))

    def log_prob(self, value: ArrayLike) -> Array:
        """Return ln of the prior of each flux."""
        slope, ratio = jnp.asarray(self.slope), jnp.asarray(value) / self.faintest
        return jnp.log(slope / self.faintest) - (slope + 1.0) * jnp.log(ratio) - self.log_part

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        """Draw fluxes of the population."""
        return self.icdf(jax.random.uniform(key, (*sample_shape, self.number)))

    def icdf(self, q: ArrayLike) -> Array:
        """Return quantiles of the population."""
        above = 1.0 - jnp.asarray(q)
        return jnp.asarray(self.faintest) * above ** (-1.0 / jnp.asarray(self.slope)) * jnp.ones(self.number)


def flux_prior(selection: Selection, number: int) -> Callable[..., dist.Distribution]:
    """Return the prior of the fluxes of detected sources, a function of the slope of their population.

    Args:
        selection: such as `sensitivity(found)`; below the least of its fluxes there are no sources.
        number: of sources.
    """
    faintest = float(selection.fluxes[0])
    fluxes = np.geomspace(faintest, _BEYOND * float(selection.fluxes[-1]), _FLUXES)
    detected = np.asarray(selection.completeness(fluxes), float)
    log_fluxes = np.log(fluxes / faintest)

    def prior(numbers_slope: ArrayLike) -> dist.Distribution:
        return SelectedPowerLaw(numbers_slope, faintest, log_fluxes, detected, number)

    return prior
