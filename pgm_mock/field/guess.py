"""A first guess of a field from its counts: what the sources have, and where extended sources are."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..detection.background import BackgroundModel
from ..detection.extended import find_shape
from ..detection.fieldpsf import FieldPSF
from ..detection.pointsources import PointSources
from ..detection.ratiomap import RatioMap
from ..detection.rounds import find_peaks, fit_together, with_next_extended, within
from ..observation import Observation
from ..priors import Priors
from ..region import Region
from ..scene import BackgroundMap, EllipticalBeta, Particles, Sky

_MOST_EXTENDED = 4
_LEAST_PEAK = 8.0
_SAME_CLUSTER = 3.0
_TYPICAL = 20.0


class Guess(NamedTuple):
    """What the counts say at a first look.

    Attributes:
        sources: the point sources, fitted.
        clusters: (x, y) of the centre of each extended source [FITS image pixels].
        shapes: how many ellipses of Gaussians the first of them took.
        sky, particles: level of the sky [flux unit / pixel], and normalisation of the map.
    """

    sources: PointSources
    clusters: tuple[tuple[float, float], ...]
    shapes: int
    sky: float
    particles: float

    def parameters(self, observation: Observation, priors: Priors, plate: str) -> dict[str, Any]:
        """Return values of the model's parameters to begin from; medians of the priors where nothing is known."""
        found = priors.medians()
        for name, own in (("x", self.sources.x), ("y", self.sources.y)):
            low, high = priors.quantiles(f"{plate}_{name}", (0.001, 0.999))
            found[f"{plate}_{name}"] = np.clip(own, low, high)
        low, high = priors.quantiles(f"{plate}_flux", (1e-4, 1.0 - 1e-4))
        found[f"{plate}_flux"] = np.clip(self.sources.flux, low, high)
        for component in priors.scene.components:
            if isinstance(component, Sky) and f"{component.prefix}background" in priors.free:
                found[f"{component.prefix}background"] = self.sky
            if isinstance(component, BackgroundMap) and "background_norm" in priors.free and self.particles > 0:
                found["background_norm"] = self.particles
            if isinstance(component, Particles) and self.particles > 0:
                found[f"{component.prefix}norm"] = self.particles
            if isinstance(component, EllipticalBeta):
                x, y, core = (found[f"{component.prefix}{name}"] for name in ("x", "y", "core"))
                found[f"{component.prefix}peak"] = _brightness(observation, x, y, core)
        return found


def first_guess(
    observation: Observation,
    regions: Sequence[Region],
    psf: FieldPSF,
    clusters: Sequence[tuple[float, float]] | None,
    say: Callable[[str], None] | None = None,
) -> Guess:
    """Fit the sources and what lies behind them, and look for extended sources where none are given."""
    ratio_map, background = RatioMap(observation.exposure, psf), BackgroundModel.of(observation)
    places = np.array([(one.x, one.y) for one in regions], float)
    flux = np.full(len(places), _TYPICAL / np.median(observation.exposure[observation.exposure > 0]))
    sources = PointSources.none(observation.exposure, psf).adding(places[:, 0], places[:, 1], flux)
    fitted = background.fit(observation.counts, np.zeros(observation.shape))
    tested: list[tuple[int, int]] = []
    first = np.array(observation.origin)
    for column, row in np.reshape(clusters or (), (-1, 2)) - first:
        background = background.with_extended(
            find_shape(observation.counts, observation.exposure, fitted.mean, round(column), round(row))
        )
        fitted = background.fit(observation.counts, sources.image())
    for _ in range(_MOST_EXTENDED):
        sources, fitted = fit_together(observation.counts, background, fitted, sources)
        if clusters is not None:
            break
        # Without the smooth correction c(x), which would take a faint extended source for background.
        mean = fitted.model + sources.image()
        ratio = ratio_map(observation.counts, mean)
        peaks = find_peaks(ratio.gain, _LEAST_PEAK)
        larger = with_next_extended(observation.counts, mean, ratio_map, ratio, peaks, background, fitted, tested)
        if larger is None:
            break
        background = larger
        if say is not None:
            x, y = np.array([background.extended[-1].column, background.extended[-1].row]) + first
            say(f"an extended source at x={x:.0f} y={y:.0f}")
        fitted = background.fit(observation.counts, sources.image())
    sky, particles = fitted.amplitudes[0], 0.0
    if np.count_nonzero(background.owner < 0) > 1:
        sky, particles = _halves(background, fitted.amplitudes)
    known = background.half_light(fitted)
    shapes = sum(within(known[:1], shape.row, shape.column, _SAME_CLUSTER) for shape, _ in known)
    if clusters is None:
        clusters = _apart(known, first)
    return Guess(sources, tuple((float(x), float(y)) for x, y in clusters), shapes, float(sky), float(particles))


def _halves(background: BackgroundModel, amplitudes: np.ndarray) -> tuple[float, float]:
    """Divide sky and particles in two equal parts: a climb from either alone would not leave it."""
    of_sky, of_map = (float(np.sum(image[background.exposure > 0])) for image in background.images[:2])
    total = float(amplitudes[0]) * of_sky + float(amplitudes[1]) * of_map
    return 0.5 * total / of_sky, 0.5 * total / of_map


def _apart(known: list[Any], first: np.ndarray) -> list[tuple[float, float]]:
    """Return the centres of extended sources; what lies within an earlier one belongs to it."""
    kept: list[Any] = []
    for number, (shape, _) in enumerate(known):
        earlier = [one for one in known[:number] if one in kept]
        if not within(earlier, shape.row, shape.column, _SAME_CLUSTER):
            kept.append(known[number])
    return [(shape.column + first[0], shape.row + first[1]) for shape, _ in kept]


def _brightness(observation: Observation, x: float, y: float, radius: float) -> float:
    """Return counts over exposure in a circle, at least one count's [flux unit / pixel]."""
    inside = np.hypot(observation.columns - x, observation.rows - y) <= max(radius, 1.5)
    time = float(observation.exposure[inside].sum())
    return max(float(observation.counts[inside].sum()), 1.0) / max(time, 1e-300)
