"""The PSFs of the sources of a plate: one family, each source's own shape, one width and one slope for all."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Num

from ..errors import InputError
from .protocol import PSF, with_slope
from .registry import describe_psf, parse_psf, register_psf

_BETWEEN = " | "


@register_psf
@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class EachPSF:
    """The PSFs of m sources in an image over which the PSF changes.

    Its width is that in the middle of the sources, and stretches all of them alike; its slope is the middle one's too,
    and shifts all. Where a single PSF is asked for, it is the middle one.

    Attributes:
        each: the PSFs as one, the first axis of whose numbers is that of the sources.
        widths: the typical width of each, shape (m,).
        width_spread: of the width's default prior.
        width_name, width_unit: of the family.
    """

    each: PSF
    widths: Array | np.ndarray
    width_spread: float = field(default=0.3, metadata={"static": True})
    width_name: str = field(default="width", metadata={"static": True})
    width_unit: str = field(default="pixel", metadata={"static": True})

    @classmethod
    def of(cls, psfs: Sequence[PSF]) -> Self:
        """Put PSFs of one family together.

        Raises:
            InputError: none, or PSFs of several families.
        """
        kinds = {type(psf).__name__ for psf in psfs}
        if len(kinds) != 1 or len({jax.tree.structure(psf) for psf in psfs}) != 1:
            raise InputError(f"psf: expected PSFs of one family, found {', '.join(sorted(kinds)) or 'none'}")
        each = jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf, float) for leaf in leaves]), *psfs)
        widths = np.array([float(psf.typical_width) for psf in psfs])
        return cls(each, widths, float(psfs[0].width_spread), psfs[0].width_name, psfs[0].width_unit)

    @property
    def typical_width(self) -> Any:
        """The mean of the typical widths."""
        return jnp.mean(jnp.asarray(self.widths))

    @property
    def middle(self) -> PSF:
        """The PSF of the mean numbers."""
        found: PSF = jax.tree.map(lambda leaf: jnp.mean(jnp.asarray(leaf), axis=0), self.each)
        return found

    @property
    def slope(self) -> Any:
        """The mean slope.

        Raises:
            AttributeError: a family without one.
        """
        return jnp.mean(jnp.asarray(self.each.slope))  # type: ignore[attr-defined]

    def with_slope(self, slope: Num[ArrayLike, ""]) -> Self:
        """Return the same with all slopes shifted alike, so that their mean is this one."""
        own = jnp.asarray(getattr(self.each, "slope", jnp.nan))
        return replace(self, each=with_slope(self.each, own + (jnp.asarray(slope) - jnp.mean(own))))

    def in_plate(self, width: Num[ArrayLike, ""]) -> tuple[PSF, Float[Array, " m"]]:
        """Return the PSFs as one, and the width of each where the middle one is so wide."""
        return self.each, jnp.asarray(self.widths) * (jnp.asarray(width) / self.typical_width)

    def pixel_fraction(self, x: Any, y: Any, x_pos: Any, y_pos: Any, psf_width: Any) -> Any:
        """Return the fraction of light in pixels of the middle PSF; see `PSF.pixel_fraction`."""
        return self.middle.pixel_fraction(x, y, x_pos, y_pos, psf_width)

    def profiles(self, x: Any, y: Any, x_pos: Any, y_pos: Any, psf_width: Any) -> Any:
        """Return the profiles of the middle PSF; see `PSF.profiles`."""
        return self.middle.profiles(x, y, x_pos, y_pos, psf_width)

    def gaussians(self, psf_width: Num[ArrayLike, ""]) -> Any:
        """Return the Gaussians of the middle PSF.

        Raises:
            InputError: a family that is no sum of Gaussians.
        """
        middle: Any = self.middle
        if not hasattr(middle, "gaussians"):
            raise InputError(f"psf: expected one with `gaussians`, found {type(middle).__name__}")
        return middle.gaussians(psf_width)

    def describe(self) -> str:
        """Put it into words that `parse` understands: which PSF each source has, and the PSFs."""
        number = len(self.widths)
        descriptions = [describe_psf(jax.tree.map(lambda leaf, one=one: leaf[one], self.each)) for one in range(number)]
        unlike = list(dict.fromkeys(descriptions))
        return f"EachPSF({' '.join(str(unlike.index(one)) for one in descriptions)}{_BETWEEN}{_BETWEEN.join(unlike)})"

    @classmethod
    def parse(cls, arguments: str) -> Self:
        """Make it again.

        Raises:
            ValueError: words of another kind.
        """
        which, *descriptions = arguments.split(_BETWEEN)
        unlike = [parse_psf(one) for one in descriptions]
        return cls.of([unlike[int(number)] for number in which.split()])
