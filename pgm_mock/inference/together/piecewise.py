"""Densities that are linear between nodes: integrated and drawn from exactly."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float


class Piecewise(NamedTuple):
    """A density on an interval, linear between nodes.

    Attributes:
        nodes: ascending, shape (m,).
        density: at the nodes, largest 1, shape (m,).
        log_height: ln of what it has to be multiplied by.
    """

    nodes: Float[Array, " m"]
    density: Float[Array, " m"]
    log_height: Float[Array, ""]

    @classmethod
    def of(cls, nodes: Float[Array, " m"], log_density: Float[Array, " m"]) -> "Piecewise":
        """Take ln of the density at the nodes; what is not a number is no density."""
        known = jnp.where(jnp.isnan(log_density), -jnp.inf, log_density)
        highest = jnp.max(known)
        height = jnp.where(jnp.isfinite(highest), highest, 0.0)
        return cls(nodes, jnp.exp(known - height), height)

    @property
    def _areas(self) -> Float[Array, " m_less_1"]:
        return 0.5 * (self.density[1:] + self.density[:-1]) * jnp.diff(self.nodes)

    def log_integral(self) -> Float[Array, ""]:
        """Ln of the integral over all nodes."""
        return jnp.log(jnp.sum(self._areas)) + self.log_height

    def draw(self, uniform: Float[Array, ""]) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Return the value below which so much of the density lies, and ln of the normalised density there."""
        areas = self._areas
        total = jnp.sum(areas)
        cumulated = jnp.cumsum(areas)
        wanted = uniform * total
        at = jnp.clip(jnp.sum(cumulated < wanted), 0, len(areas) - 1)
        left, right = self.density[at], self.density[at + 1]
        part = jnp.clip((wanted - (cumulated[at] - areas[at])) / jnp.maximum(areas[at], 1e-300), 0.0, 1.0)
        rising = jnp.sqrt(left**2 + part * (right**2 - left**2))
        along = jnp.clip(part * (left + right) / jnp.maximum(left + rising, 1e-300), 0.0, 1.0)
        value = self.nodes[at] + along * (self.nodes[at + 1] - self.nodes[at])
        return value, jnp.log(left + along * (right - left)) - jnp.log(total)


def about(middle: Array, scale: Array, left: Array, right: Array, number: int) -> Float[Array, " m"]:
    """Return nodes that are close about a mode and reach far: equal steps of asinh(distance / scale).

    Args:
        middle, scale: of the density, near its mode.
        left, right: how far the nodes reach on each side.
        number: of the steps on each side.
    """
    step = jnp.arange(number + 1) / number
    up = jnp.sinh(step * jnp.arcsinh(right / scale)) * scale
    down = jnp.sinh(step[:0:-1] * jnp.arcsinh(left / scale)) * scale
    return middle + jnp.concatenate([-down, up])
