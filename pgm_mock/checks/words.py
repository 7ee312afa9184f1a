"""What a check found, in words."""

import numpy as np

from ..observation import Observation
from .statistics import Fitted, blocks, dipole, matched_filter, profile

_POINTS = ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west")
_SIDES = ("top", "top left", "left", "bottom left", "bottom", "bottom right", "right", "top right")


def in_words(
    stamp: Observation,
    fitted: Fitted,
    p_values: dict[str, float],
    significance: float,
    asked: tuple[float, float],
) -> tuple[str, ...]:
    """Say what the significant statistics mean, the most improbable first."""
    limit = significance / len(p_values)
    rejected = {name for name, p in p_values.items() if p < limit}
    said = []
    if "position" in rejected:
        dx, dy = stamp.columns[0, 0] - fitted.dx[0, 0] - asked[0], stamp.rows[0, 0] - fitted.dy[0, 0] - asked[1]
        where = f"{np.hypot(dx, dy):.0f} pixels to the {direction(stamp, dx, dy)}"
        said.append(f"the fit went to a brighter source {where}; the one asked for is not described")
    neighbour = _neighbour(stamp, fitted) if rejected & {"brightest_block", "filter_peak"} else ""
    if neighbour:
        said.append(neighbour)
    if "background_gradient" in rejected:
        gx, gy = map(float, dipole(fitted))
        said.append(f"the background rises to the {direction(stamp, gx, gy)}: a cluster, or another source's wing?")
    if "radial_profile" in rejected:
        said.append(_shape(fitted))
    if not said and rejected & {"total_counts", "zero_fraction", "overdispersion", "largest_pixel", "filter_peak"}:
        worst = min(rejected, key=p_values.__getitem__).replace("_", " ")
        said.append(f"the counts are not Poisson-distributed about this model ({worst})")
    return tuple(said)


def direction(stamp: Observation, dx: float, dy: float) -> str:
    """Name the direction of an offset in pixels, on the sky where the stamp has coordinates, else in the image."""
    angle = np.degrees(np.arctan2(-dx, dy))  # from up, through left: north through east in an image with east left
    names = _SIDES
    if stamp.wcs is not None:
        names = _POINTS
        x, y = stamp.centre
        here = stamp.wcs.pixel_to_world(x - 1, y - 1)
        length = np.hypot(dx, dy)
        there = stamp.wcs.pixel_to_world(x - 1 + dx / length, y - 1 + dy / length)
        angle = here.position_angle(there).deg
    return names[int(np.round(angle / 45.0)) % 8]


def _neighbour(stamp: Observation, fitted: Fitted) -> str:
    """Place a second source: at the peak of the filtered residual, if it lies away from the fitted one."""
    peak = np.where(fitted.away, matched_filter(fitted), 0.0)
    if not peak.any() or blocks(fitted).max() <= 0:
        return ""
    row, column = np.unravel_index(int(np.argmax(peak)), peak.shape)
    dx, dy = float(fitted.dx[row, column]), float(fitted.dy[row, column])
    distance = np.hypot(dx, dy)
    place = f"x={stamp.columns[0, column]:g} y={stamp.rows[row, 0]:g}"
    return f"a second source {distance:.0f} pixels to the {direction(stamp, dx, dy)}, near {place}"


def _shape(fitted: Fitted) -> str:
    """Compare core and wings with the fitted profile."""
    counts, mean = profile(fitted)
    residual = ((counts - mean) / np.sqrt(np.where(mean > 0, mean, np.inf)))[mean > 0]
    core, wings = residual[0], residual[3:6].max(initial=0.0)
    if core > 1 and wings > 1:
        return "the core is narrower than the wings: not a Gaussian"
    return "the radial profile is not the model's"
