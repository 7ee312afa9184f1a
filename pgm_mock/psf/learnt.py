"""A PSF that a field taught: the telescope's, stretched, with another slope, and how well both are known."""

import re
from dataclasses import fields, is_dataclass, replace
from typing import NamedTuple, Self

from .protocol import PSF

_WRITTEN = re.compile(r"learnt\((.+), stretch=([^,]+), spread=([^,]+), slope=([^,]+)\)")
_LEAST_SLOPE = 1.05


class LearntPSF(NamedTuple):
    """What a field says of its PSF, as `--psf` takes it in words.

    Attributes:
        base: name of the PSF that is changed, such as "auto".
        stretch: by which its width is multiplied.
        spread: standard deviation of the logarithm of that.
        slope: what is added to the slope of a King profile.
    """

    base: str
    stretch: float
    spread: float
    slope: float = 0.0

    def describe(self) -> str:
        """Put it into words that `parse` understands."""
        return f"learnt({self.base}, stretch={self.stretch:.5g}, spread={self.spread:.4g}, slope={self.slope:.5g})"

    @classmethod
    def parse(cls, words: str) -> Self | None:
        """Return what is in words; None where they are others."""
        match = _WRITTEN.fullmatch(words.strip())
        if match is None:
            return None
        try:
            found = cls(match[1], *map(float, match.groups()[1:]))
        except ValueError:
            return None
        return found if found.stretch > 0 and found.spread >= 0 else None

    def applied(self, psf: PSF) -> PSF:
        """Return a PSF so changed, where it has a slope and a typical width of its own."""
        changes, own = {}, _fields(psf)
        if "slope" in own:
            changes["slope"] = max(float(psf.slope) + self.slope, _LEAST_SLOPE)  # type: ignore[attr-defined]
        if "typical_width" in own:
            changes["typical_width"] = float(psf.typical_width) * self.stretch
        changed: PSF = replace(psf, **changes) if changes else psf  # type: ignore[type-var]
        return changed

    def width(self, psf: PSF) -> float:
        """Return the width of a PSF that was so changed: that of a family without a typical width of its own, too."""
        return float(psf.typical_width) * (1.0 if "typical_width" in _fields(psf) else self.stretch)


def _fields(psf: PSF) -> set[str]:
    return {one.name for one in fields(psf)} if is_dataclass(psf) else set()
