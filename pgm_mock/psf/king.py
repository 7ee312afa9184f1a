"""King and Moffat profiles, as sums of Gaussians that are integrated over each pixel.

Both have the shape (1 + r² / core²)^-slope: a mixture of Gaussians whose inverse variance has a gamma distribution,

    (1 + r²/c²)^-a = 1/Gamma(a) ∫ s^(a-1) exp(-s) exp(-s r²/c²) ds,

so that the trapezium rule over ln s, which converges exponentially, gives a sum of products of one-dimensional
Gaussians; the integral of each over a pixel is exact. Small steps are needed near the core (s near 1) only: from there
they grow towards the wings (small s), so that 15 Gaussians reach 85,000 core radii. The light within any radius is
right to 7e-4 of the total for slopes from 1.15, that in a pixel of at most two core radii to 1e-4.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln
from jaxtyping import Array, ArrayLike, Float, Num

from ..errors import InputError
from .gaussian import gaussian_between, gaussian_in_unit_interval
from .protocol import PSF, SumOfProducts

_NUMBER = 15
_LOWEST = -23.4
"""Of ln s: the widest Gaussian has at most 85,000 core radii."""
_LEFT_OUT = 5.7e-4
"""Share of the light that is given to the widest Gaussian, where ln s stops short of its lowest value."""
_FLAT = 11.9
"""Lengths of ln s up to this one have even steps; in longer ones they grow."""


class OfGaussians(SumOfProducts):
    """A PSF that is a sum of round Gaussians: what has `gaussians` gets its profiles."""

    def gaussians(self, psf_width: Num[ArrayLike, ""]) -> tuple[Float[Array, " k"], Float[Array, " k"]]:
        """Return their standard deviations [pixels] and shares of the light."""
        raise NotImplementedError

    def profiles(
        self,
        x: Num[ArrayLike, "*columns"],
        y: Num[ArrayLike, "*rows"],
        x_pos: Num[ArrayLike, ""],
        y_pos: Num[ArrayLike, ""],
        psf_width: Num[ArrayLike, ""],
    ) -> tuple[Float[Array, "k *columns"], Float[Array, "k *rows"]]:
        """Return each Gaussian's profiles."""
        sigma, share = self.gaussians(psf_width)
        columns, rows = (_each(gaussian_in_unit_interval, *axis, sigma) for axis in ((x, x_pos), (y, y_pos)))
        return columns * share.reshape(-1, *(1,) * jnp.ndim(x)), rows

    def profiles_between(
        self,
        x_edges: Num[ArrayLike, " columns_and_1"],
        y_edges: Num[ArrayLike, " rows_and_1"],
        x_pos: Num[ArrayLike, ""],
        y_pos: Num[ArrayLike, ""],
        psf_width: Num[ArrayLike, ""],
    ) -> tuple[Float[Array, "k columns"], Float[Array, "k rows"]]:
        """Return each Gaussian's profiles in the pixels between edges; see `profiles_in`."""
        sigma, share = self.gaussians(psf_width)
        columns, rows = (_each(gaussian_between, *axis, sigma) for axis in ((x_edges, x_pos), (y_edges, y_pos)))
        return columns * share[:, None], rows


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class KingPSF(OfGaussians):
    """A King profile, (1 + r² / core²)^-slope; its width is the core radius.

    XMM-Newton's EPIC cameras have slopes near 1.4 (`epic_psf`): far more light in the wings than a Gaussian.

    Attributes:
        slope: > 1, so that the light is finite; up to 5.
        typical_width: of the width's default prior [pixels].
    """

    slope: Array | float = 1.5
    typical_width: Array | float = 1.5
    width_spread: ClassVar[float] = 0.3
    width_name: ClassVar[str] = "core radius"
    width_unit: ClassVar[str] = "pixel"
    width_symbol: ClassVar[str] = r"r_\mathrm{core}"

    def gaussians(self, psf_width: Num[ArrayLike, ""]) -> tuple[Float[Array, " k"], Float[Array, " k"]]:
        """Return the standard deviations [pixels] and shares of the 15 Gaussians whose sum it is."""
        return gaussians_of_king(psf_width, self.slope)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class MoffatPSF(OfGaussians):
    """The same profile with the full width at half maximum as its width, as astronomers on the ground write it.

    Attributes:
        slope: > 1; 2.5 for a telescope's mirror, 4.765 for turbulence.
        typical_width: of the width's default prior [pixels].
    """

    slope: Array | float = 2.5
    typical_width: Array | float = 3.0
    width_spread: ClassVar[float] = 0.5
    width_name: ClassVar[str] = "FWHM"
    width_unit: ClassVar[str] = "pixel"
    width_symbol: ClassVar[str] = r"\mathrm{FWHM}"

    def gaussians(self, psf_width: Num[ArrayLike, ""]) -> tuple[Float[Array, " k"], Float[Array, " k"]]:
        """Return the standard deviations [pixels] and shares of these Gaussians."""
        return gaussians_of_king(self._core(psf_width), self.slope)

    def _core(self, psf_width: Num[ArrayLike, ""]) -> Any:
        """Return the core radius of the King profile with this full width at half maximum."""
        return 0.5 * psf_width / jnp.sqrt(jnp.exp2(1.0 / jnp.asarray(self.slope)) - 1.0)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SumOfGaussians(OfGaussians):
    """A light profile that is a sum of round Gaussians; its width stretches all of them.

    Attributes:
        sigma: standard deviations at width 1, shape (k,) [pixels].
        share: of the light, shape (k,).
        width_spread: of the width's default prior; with 0 the width is fixed at 1.
    """

    sigma: Num[ArrayLike, " k"]
    share: Num[ArrayLike, " k"]
    width_spread: float = field(default=0.0, metadata={"static": True})
    typical_width: ClassVar[float] = 1.0
    width_name: ClassVar[str] = "stretch"
    width_unit: ClassVar[str] = ""

    @classmethod
    def of_beta(
        cls, core: Num[ArrayLike, ""], beta: Num[ArrayLike, ""], psf: PSF, psf_width: Num[ArrayLike, ""]
    ) -> Self:
        """Return the surface brightness of a beta model (Cavaliere & Fusco-Femiano 1976), seen through a PSF.

        Each of its Gaussians is convolved with each of the PSF's, where the PSF is a sum of them; one from an image
        stands for the Gaussian with the same half-light radius.

        Args:
            core: core radius [pixels].
            beta: > 1/2, so that the light is finite: the profile is (1 + r² / core²)^(1/2 - 3 beta).
            psf: the family of the PSF.
            psf_width: its width [pixels].

        Raises:
            InputError: a PSF of another kind, without `gaussians`.
        """
        if not hasattr(psf, "gaussians"):
            found = type(psf).__name__
            raise InputError(f"extended source: expected a PSF with `gaussians` to be seen through, found {found}")
        sigma, share = gaussians_of_king(core, 3.0 * jnp.asarray(beta) - 0.5)
        blur, of_psf = psf.gaussians(psf_width)
        return cls(jnp.hypot(sigma[:, None], blur).ravel(), (share[:, None] * of_psf).ravel())

    def describe(self) -> str:
        """Return its numbers in words that `parse` understands; Gaussians without light are left out."""
        lit = np.asarray(self.share) != 0
        sigma, share = (
            " ".join(f"{value:.6g}" for value in np.asarray(each)[lit]) for each in (self.sigma, self.share)
        )
        return f"SumOfGaussians(sigma={sigma}; share={share}; width_spread={self.width_spread:.6g})"

    @classmethod
    def parse(cls, arguments: str) -> Self:
        """Make it again.

        Raises:
            ValueError: arguments of another kind.
        """
        numbers = dict(one.strip().split("=") for one in arguments.split(";"))
        sigma, share = (np.array(numbers.get(name, "").split(), float) for name in ("sigma", "share"))
        spread = float(numbers.get("width_spread", "0"))
        if not 0 < sigma.size == share.size or not np.isfinite([*sigma, *share, spread]).all():
            raise ValueError("expected as many finite shares as Gaussians")
        if not (sigma > 0).all() or not share.sum() > 0:
            raise ValueError("expected positive widths and light")
        return cls(sigma, share / share.sum(), spread)

    def gaussians(self, psf_width: Num[ArrayLike, ""]) -> tuple[Float[Array, " k"], Float[Array, " k"]]:
        """Return their standard deviations [pixels] and shares."""
        return jnp.asarray(psf_width, float) * jnp.asarray(self.sigma), jnp.asarray(self.share)


def gaussians_of_king(
    core: Num[ArrayLike, ""], slope: Num[ArrayLike, ""]
) -> tuple[Float[Array, " k"], Float[Array, " k"]]:
    """Return the standard deviations [pixels] and the shares of the Gaussians that a King profile is made of.

    The light that lies further out than the widest Gaussian is given to it: the shares add up to 1.
    """
    shape = jnp.asarray(slope, float) - 1.0
    lowest, highest = jnp.maximum(_LOWEST, jnp.log(_LEFT_OUT) / shape), jnp.log(3.85 + 7.1 * shape)
    length = highest - lowest
    growth = jnp.maximum(length - _FLAT, 0.0)
    place = jnp.linspace(0.0, 1.0, _NUMBER)
    log_s = highest - (length - growth) * place - growth * place**2
    step = (length - growth + 2.0 * growth * place) / (_NUMBER - 1)
    share = step * jnp.exp(shape * log_s - jnp.exp(log_s) - gammaln(shape))
    share = share.at[-1].add(1.0 - jnp.sum(share))
    return jnp.asarray(core) * jnp.sqrt(0.5) * jnp.exp(-0.5 * log_s), share


def _each(
    gaussian: Callable[..., Array], place: Num[ArrayLike, "*n"], mean: Num[ArrayLike, ""], sigma: Float[Array, " k"]
) -> Float[Array, "k *n"]:
    return jax.vmap(lambda one: gaussian(place, mean, one))(sigma)
