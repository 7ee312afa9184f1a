"""The priors of several images of one source."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpyro.distributions as dist

from ...distributions import Prior, TruncatedNormal
from ...errors import InputError
from ...priors import Priors
from ...psf import PSF, choose_psf
from ...scene import Scene
from ...skystamps import SkyStamps
from .lattice import Box

OFFSET = 1.5
"""Standard deviation of an image's astrometric offset along each axis, where nothing else is said [arcsec]."""
_MOST_OFFSET = 60.0
_POSITION_SD, _REACH, _LEAST_REACH = 2.0, 6.0, 3.0


@dataclass(frozen=True, eq=False)
class ImagesPriors:
    """What the model of several images of one source is: a place that they share, and for each image its own priors.

    A place is arcsec east and north of that of the stamps. In image i the source stands at the place plus an offset of
    the image, whose prior is normal along each axis.

    Attributes:
        names: of the images.
        each: for each image its scene, its PSF and its priors, such as those of flux and background; its position is
            not used.
        spread: standard deviation of the place's prior along each axis [arcsec].
        reach: where that prior is cut off [arcsec].
        offset: standard deviation of the offsets [arcsec]; 0 where the images are aligned.

    Raises:
        InputError: spread or reach that are not positive, or an offset that is negative or no number.
    """

    names: tuple[str, ...]
    each: tuple[Priors, ...]
    spread: float
    reach: float
    offset: float = OFFSET

    def __post_init__(self) -> None:
        for name in ("spread", "reach"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise InputError(f"{name}: expected arcsec above 0, found {getattr(self, name)}")
        check_offset(self.offset)

    @classmethod
    def default(
        cls,
        stamps: SkyStamps,
        psf: str | Sequence[PSF] = "auto",
        *,
        offset: float = OFFSET,
        radius: float | None = None,
    ) -> Self:
        """Return wide priors made from the exposure maps and the place alone.

        The place is normal, with a standard deviation of 2 pixels (the median of the images'), cut off at 6 pixels.
        Flux and background of each image have the priors of `Priors.default`; its PSF has the family's own typical
        width. Where an image has a background map, that stands for its background, with a free normalisation.

        Args:
            stamps: of the images.
            psf: a name that `choose_psf` knows, for all images; or one PSF for each.
            offset: standard deviation of each image's astrometric offset [arcsec].
            radius: where to cut the place's prior off, in place of 6 pixels [arcsec].
        """
        given = [] if isinstance(psf, str) else list(psf)
        if not isinstance(psf, str) and len(given) != len(stamps):
            raise InputError(f"psf: expected one for each of {len(stamps)} images, found {len(given)}")
        each = []
        for number, (image, (x, y)) in enumerate(zip(stamps.images, stamps.places, strict=True)):
            seen = image.observation
            own = choose_psf(psf, seen.header, seen.wcs, x, y) if isinstance(psf, str) else given[number]
            priors = Priors.default(seen, x, y, own)
            fixed: dict[str, Prior] = {"x_pos": float(x), "y_pos": float(y), "psf_width": float(own.typical_width)}
            if "background_norm" in priors:
                fixed["background"] = 0.0
            each.append(Priors(own, Scene(), **{**priors, **fixed}))
        reach = _REACH * stamps.pixel if radius is None else max(radius, _LEAST_REACH * stamps.pixel)
        return cls(tuple(stamps.names), tuple(each), _POSITION_SD * stamps.pixel, reach, offset)

    def replace(self, name: str | None = None, **priors: Prior) -> Self:
        """Return priors in which those given stand in place of these, in the image of a name or in all of them.

        Raises:
            InputError: no image of that name, a position, or what `Priors.replace` refuses.
        """
        if name is not None and name not in self.names:
            raise InputError(f"name: expected {', '.join(self.names)}, found {name!r}")
        if wrong := {"x_pos", "y_pos"} & set(priors):
            raise InputError(f"priors: expected no {sorted(wrong)[0]}, as the images share one place; found one")
        each = tuple(
            own.replace(**priors) if name in (None, called) else own
            for called, own in zip(self.names, self.each, strict=True)
        )
        return replace(self, each=each)

    def box(self) -> Box:
        """The box of the places that the prior allows."""
        return Box(np.full(2, -self.reach), np.full(2, self.reach))

    def position(self) -> TruncatedNormal:
        """The prior of the place along each axis [arcsec]."""
        return TruncatedNormal(dist.Normal(0.0, self.spread), -self.reach, self.reach)

    def log_position(self, places: np.ndarray) -> np.ndarray:
        """Ln of the prior density of places, shape (..., 2) [arcsec]."""
        from scipy.special import ndtr

        inside = (np.abs(places) <= self.reach).all(axis=-1)
        each = -0.5 * (places / self.spread) ** 2 - math.log(self.spread * math.sqrt(2.0 * math.pi))
        cut = 2.0 * math.log(2.0 * float(ndtr(self.reach / self.spread)) - 1.0)
        return np.where(inside, each.sum(axis=-1) - cut, -np.inf)

    def only_for_nuts(self, stamps: SkyStamps) -> str:
        """Say why the images cannot be collapsed; "" where they can."""
        for name, own, image in zip(self.names, self.each, stamps.images, strict=True):
            if reason := own.only_for_nuts():
                return f"{name}: {reason}"
            free = [one for one in own.free if one not in ("x_pos", "y_pos")]
            levels = [one for one in free if one != "flux"]
            if "flux" not in free or levels not in ([], ["background"], ["background_norm"]):
                return f"{name}: expected a free flux and at most one free background, found {', '.join(free)}"
            light = [one.name for one in own.scene.components if one.name not in _PLAIN]
            if light:
                return f"{name}: expected a source and its background alone, found {', '.join(light)}"
            if own.get("background_dx") or own.get("background_dy"):
                return f"{name}: expected a background without a gradient, found one"
            has_map = image.observation.background_map is not None
            both = levels == ["background"] and has_map and own.get("background_norm", 1.0) != 0.0
            if both or (levels == ["background_norm"] and own["background"] != 0.0):
                return f"{name}: expected a background or a background map, found both"
        return ""

    def describe(self) -> dict[str, Any]:
        """The priors in words and numbers, by image."""
        described: dict[str, Any] = {"spread": self.spread, "reach": self.reach, "offset": self.offset}
        return described | {
            f"{name}_{parameter}": text
            for name, own in zip(self.names, self.each, strict=True)
            for parameter, text in own.describe().items()
        }


def check_offset(offset: float) -> None:
    """Raise InputError where a standard deviation of offsets is none."""
    if not 0 <= offset <= _MOST_OFFSET:
        raise InputError(f"offset: expected a standard deviation of 0 to {_MOST_OFFSET:g} arcsec, found {offset}")


_PLAIN = tuple(component.name for component in Scene().components)
