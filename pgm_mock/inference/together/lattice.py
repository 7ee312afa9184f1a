"""Densities over positions on the sky, given at the nodes of a lattice and bilinear between them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Num


class Box(NamedTuple):
    """A rectangle on the sky, in arcsec east and north of a place: shape (2,) each."""

    low: Float[np.ndarray, " 2"]
    high: Float[np.ndarray, " 2"]

    def wider(self, by: float) -> "Box":
        """Return it wider by so much on each side."""
        return Box(self.low - by, self.high + by)

    def inside(self, other: "Box") -> "Box":
        """Return the part of it that lies in another."""
        return Box(np.maximum(self.low, other.low), np.minimum(self.high, other.high))

    @property
    def size(self) -> float:
        """Its longer side."""
        return float(np.max(self.high - self.low))

    def nodes(self, number: int) -> Float[np.ndarray, "n n 2"]:
        """Return the nodes of a lattice over it: rows are north, columns east."""
        return np.stack(np.meshgrid(*self.axes(number)), axis=-1)

    def axes(self, number: int) -> list[Float[np.ndarray, " n"]]:
        """Return where the nodes of such a lattice are, east and north."""
        return [np.linspace(self.low[axis], self.high[axis], number) for axis in (0, 1)]


class Lattice(NamedTuple):
    """Ln of a function at equally spaced nodes.

    Attributes:
        box: that they cover.
        log_values: shape (n, n), rows north, columns east.
    """

    box: Box
    log_values: Float[np.ndarray, "n n"]

    @property
    def step(self) -> Float[np.ndarray, " 2"]:
        """Distances of neighbouring nodes, east and north [arcsec]."""
        return (self.box.high - self.box.low) / (len(self.log_values) - 1)

    def at(self, places: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, "..."]:
        """Interpolate ln of the function bilinearly; beyond the edge it is as at the edge."""
        from scipy.ndimage import map_coordinates

        index = np.moveaxis((places - self.box.low) / self.step, -1, 0)[::-1]
        finite = np.maximum(self.log_values, np.max(self.log_values) - 1e4)
        return map_coordinates(finite, index.reshape(2, -1), order=1, mode="nearest").reshape(places.shape[:-1])

    def where_it_counts(self, depth: float) -> Box:
        """Return the box of the nodes that are no more than so much below the highest, with one node more around."""
        kept = self.log_values > np.max(self.log_values) - depth
        ends = []
        for axis in (0, 1):
            there = np.flatnonzero(kept.any(axis=axis))
            ends.append((there[0] - 1, there[-1] + 1))
        low, high = (np.array([pair[side] for pair in ends]) for side in (0, 1))
        return Box(self.box.low + low * self.step, self.box.low + high * self.step).inside(self.box)


class Tents(NamedTuple):
    """For each of n draws, a density that is bilinear between the nodes of a lattice.

    Attributes:
        first: place of the first node, shape (n, 2) or (1, 2).
        step: distances of the nodes, shape (2,).
        share: of each node, adding up to 1, shape (n or 1, ny, nx).
    """

    first: Float[np.ndarray, "n 2"]
    step: Float[np.ndarray, " 2"]
    share: Float[np.ndarray, "n ny nx"]

    @classmethod
    def of(
        cls, first: Float[np.ndarray, "n 2"], step: Float[np.ndarray, " 2"], log_values: Float[np.ndarray, "n ny nx"]
    ) -> "Tents":
        """Take ln of the density at the nodes, up to a constant."""
        share = np.exp(log_values - log_values.max(axis=(1, 2), keepdims=True))
        return cls(first, step, share / share.sum(axis=(1, 2), keepdims=True))

    def draw(self, uniforms: Float[np.ndarray, "n 5"]) -> Float[np.ndarray, "n 2"]:
        """Draw one place from each: a node, and a tent about it."""
        number, (_, ny, nx) = len(uniforms), self.share.shape
        flat = self.share.reshape(len(self.share), -1)
        cumulated = np.cumsum(flat, axis=1)
        if len(flat) == 1:
            chosen = np.searchsorted(cumulated[0], uniforms[:, 0] * cumulated[0, -1])
        else:
            chosen = (cumulated < uniforms[:, :1] * cumulated[:, -1:]).sum(axis=1)
        row, column = np.divmod(np.minimum(chosen, ny * nx - 1), nx)
        tent = uniforms[:, 1:3] + uniforms[:, 3:5] - 1.0
        return np.broadcast_to(self.first, (number, 2)) + self.step * (np.stack([column, row], axis=1) + tent)

    def log_density(self, places: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " n"]:
        """Ln of each one's density at a place of its own."""
        along = (places - self.first) / self.step
        node = np.floor(along).astype(int)
        part = along - node
        total = np.zeros(len(places))
        for right in (0, 1):
            for up in (0, 1):
                weight = (part[:, 0] if right else 1 - part[:, 0]) * (part[:, 1] if up else 1 - part[:, 1])
                total += weight * self._share_at(node[:, 0] + right, node[:, 1] + up)
        with np.errstate(divide="ignore"):
            return np.log(total) - np.log(self.step).sum()

    def _share_at(self, column: Int[np.ndarray, " n"], row: Int[np.ndarray, " n"]) -> Num[np.ndarray, " n"]:
        _, ny, nx = self.share.shape
        inside = (column >= 0) & (column < nx) & (row >= 0) & (row < ny)
        draw = np.arange(len(column)) if len(self.share) > 1 else np.zeros(len(column), int)
        return np.where(inside, self.share[draw, np.clip(row, 0, ny - 1), np.clip(column, 0, nx - 1)], 0.0)
