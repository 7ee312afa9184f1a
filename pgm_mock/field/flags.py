"""What to doubt in a field's sources, in the bits and the words that a catalogue has."""

import numpy as np

from ..checks.flags import LIGHT, METHOD, MODEL, PLACE
from ..inference.beside import LEAST_LIGHT
from ..inference.doubts import LEANS, leans, outside_circle
from ..inference.nuts import R_HAT_LIMIT
from .chains import LEAST_ESS
from .check import FieldCheck
from .posterior import FieldPosterior

_HALF = 12
"""Half the side of the square about a source that should hold its light; what is nearer lies beside it [pixels]."""


def flags_of(posterior: FieldPosterior, check: FieldCheck | None = None) -> tuple[np.ndarray, list[str]]:
    """Return of each source the bits of its flag, shape (m,), and what they mean, in words.

    Args:
        posterior: of the field.
        check: of it; without one nothing says whether the model describes a source.
    """
    m = len(posterior.regions)
    plate, flags, said = posterior.plate, np.zeros(m, int), [list[str]() for _ in range(m)]
    x, y = (posterior.flat[f"{plate}_{name}"] for name in ("x", "y"))

    def doubt(number: int, bit: int, sentence: str) -> None:
        if sentence:
            flags[number] |= bit
            said[number].append(sentence)

    leaning = {name: leans(posterior.priors[f"{plate}_{name}"], own) for name, own in (("x", x), ("y", y))}
    light = _light(posterior, x, y)
    r_hat, effective = posterior.diagnostics_of_sources()
    for number, one in enumerate(posterior.regions):
        doubt(number, PLACE, outside_circle(x[:, number], y[:, number], (one.x, one.y), one.radius))
        where = " and ".join(name for name, each in leaning.items() if each[number])
        doubt(number, PLACE, LEANS.format(where) if where else "")
        if not (r_hat[number] < R_HAT_LIMIT and effective[number] > LEAST_ESS):
            doubt(number, METHOD, f"not converged: R-hat {r_hat[number]:.3f}, {effective[number]:.0f} effective draws")
        if light[number] < LEAST_LIGHT:
            doubt(number, LIGHT, f"exposed pixels hold {light[number]:.0%} of the light")
    for u, v, gain in [] if check is None else check.left:
        near = np.hypot(np.median(x, axis=0) - u, np.median(y, axis=0) - v) < _HALF
        for number in np.flatnonzero(near).tolist():
            doubt(number, MODEL, f"the list lacks a source near x={u:.0f} y={v:.0f} (ln likelihood ratio {gain:.0f})")
    return flags, ["; ".join(each) for each in said]


def _light(posterior: FieldPosterior, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the share of each source's light in a square about it that falls on exposed pixels, shape (m,)."""
    observation, found = posterior.observation, []
    around = np.arange(-_HALF, _HALF + 1)
    ny, nx = observation.shape
    for own_x, own_y in zip(np.median(x, axis=0), np.median(y, axis=0), strict=True):
        psf = posterior.field_psf.at(own_x, own_y)
        columns, rows = round(own_x) + around, round(own_y) + around
        width = np.asarray(psf.typical_width)
        light = np.asarray(psf.pixel_fraction(columns[None, :], rows[:, None], own_x, own_y, width))
        column, row = (each - first for each, first in zip((columns, rows), observation.origin, strict=True))
        inside = ((row >= 0) & (row < ny))[:, None] & ((column >= 0) & (column < nx))
        exposure = observation.exposure[np.clip(row, 0, ny - 1)[:, None], np.clip(column, 0, nx - 1)]
        found.append(float(light[inside & (exposure > 0)].sum() / light.sum()))
    return np.array(found)
