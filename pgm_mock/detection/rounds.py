"""Sources are taken in rounds: the highest maxima of the map, then all of them fitted together, then the map anew."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .amplitudes import fit_amplitudes
from .background import BackgroundModel, Fitted
from .extended import Ellipse, find_shape, half_light_radius
from .jointfit import refit
from .pointsources import PointSources
from .ratiomap import Ratio, RatioMap

_REACH = 2
"""A local maximum is the largest value within so many pixels."""
_APART = 10.0
"""Maxima that are taken in one round lie so far apart [pixels]: what a bright source leaves is no source."""
_PART_OF_TOP = 0.15
"""A round takes maxima above this part of the highest."""
ALLOWANCE = 1.0
"""A maximum on a pixel is taken so far below the threshold, as its place is refined later."""
_MOST_ROUNDS = 40
_TEST_EXTENT = 25.0
"""Maxima above this ln likelihood ratio are tested for extent before they are taken for points."""
_EXTENDED_BY, _WITHIN_BY = 20.0, 3.0
"""By how much ln likelihood a source must fit better as an extended one than as two points; and where an extended
source is there already, which no ellipses describe to the last."""
_WITHIN = 3.0
"""Half-light radii of an extended source that are within it."""
_WIDE = np.log(1.5)
"""A maximum is tested for extent where one source fits best with a PSF of so many times its width."""
_BLENDED, _DESCRIBED = 1.5, 0.15
"""See `of_model`."""
_MOST_EXTENDED = 10
_WIDER = 2.0
"""And by how much its half-light radius must be larger than a point's: no PSF is known to a half."""
_HALF_LIGHT = 1.1774
"""Half-light radius of a Gaussian of standard deviation 1."""
_BOX = 30
"""Half the side of the square in which that is tested [pixels]."""


class Found(NamedTuple):
    """What was found in a field.

    Attributes:
        sources: the point sources.
        ratios: ln likelihood ratio of each, shape (m,).
        background: the model of what lies behind, with its extended sources.
        fitted: its fit.
        ratio: the last map: what the sources leave.
        dropped: what may be no more than the shape of a brighter source's PSF, or of an extended source.
    """

    sources: PointSources
    ratios: np.ndarray
    background: BackgroundModel
    fitted: Fitted
    ratio: Ratio
    dropped: PointSources


def find_sources(
    counts: np.ndarray,
    background: BackgroundModel,
    ratio_map: RatioMap,
    threshold: float,
    say: Callable[[str], None] | None = None,
) -> Found:
    """Find the sources of a field above a threshold.

    Args:
        counts: shape (ny, nx).
        background: the model of what lies behind.
        ratio_map: of the field's exposure and PSF.
        threshold: of ln likelihood ratio, of the source with all else fitted.
        say: is told in words how far it is.
    """
    sources = PointSources.none(ratio_map.exposure, ratio_map.psf)
    fitted = background.fit(counts, np.zeros(counts.shape))
    tested: list[tuple[int, int]] = []
    for number in range(1, _MOST_ROUNDS + 1):
        mean = fitted.mean + sources.image()
        ratio = ratio_map(counts, mean)
        rows, columns = find_peaks(ratio.gain, threshold - ALLOWANCE)
        if say is not None:
            more = f", {len(background.extended)} extended" if background.extended else ""
            say(f"round {number}: {len(sources)} sources{more}, {len(rows)} more maxima")
        if not len(rows):
            break
        if len(background.extended) < _MOST_EXTENDED:
            larger = with_next_extended(counts, mean, ratio_map, ratio, (rows, columns), background, fitted, tested)
            if larger is not None:
                background = larger
                fitted = background.fit(counts, sources.image())
                continue
        sources = sources.adding_at(rows, columns, ratio.flux[rows, columns])
        sources, fitted = fit_together(counts, background, fitted, sources)
        weak = sources.likelihood_ratios(counts, fitted.mean) < threshold - ALLOWANCE
        if weak[-len(rows) :].all():
            # What was taken is nothing once all is fitted: no more is to be found.
            sources, fitted = fit_together(counts, background, fitted, sources.keeping(~weak))
            break
    return closed(counts, background, fitted, sources, ratio_map, threshold)


def fit_together(
    counts: np.ndarray, background: BackgroundModel, fitted: Fitted, sources: PointSources, times: int = 2
) -> tuple[PointSources, Fitted]:
    """Fit sources and what lies behind in turn."""
    for _ in range(times):
        sources = refit(sources, counts, fitted.mean)
        fitted = background.fit(counts, sources.image(), fitted.amplitudes)
    return sources, fitted


def closed(
    counts: np.ndarray,
    background: BackgroundModel,
    fitted: Fitted,
    sources: PointSources,
    ratio_map: RatioMap,
    threshold: float,
    dropped: PointSources | None = None,
) -> Found:
    """Drop the weakest source and fit again, until all of them are above the threshold.

    Args:
        counts: of the field, shape (ny, nx).
        background, fitted, sources: what was found, and its fit.
        ratio_map: of the field.
        threshold: of ln likelihood ratio.
        dropped: what an earlier closing took for the shape of brighter ones.
    """
    sources, fitted = fit_together(counts, background, fitted, sources)
    shapes = of_model(sources, background, fitted)
    dropped = sources.keeping(shapes) if dropped is None else dropped.joined(sources.keeping(shapes))
    if shapes.any():
        sources, fitted = fit_together(counts, background, fitted, sources.keeping(~shapes))
    while True:
        ratios = sources.likelihood_ratios(counts, fitted.mean)
        weak = np.flatnonzero(ratios < threshold)
        if not len(weak):
            ratio = ratio_map(counts, fitted.mean + sources.image())
            order = np.argsort(-ratios, kind="stable")
            return Found(sources.keeping(order), ratios[order], background, fitted, ratio, dropped)
        # Those that are far from each other do not change each other: of each group the weakest goes.
        gone = [group[np.argmin(ratios[group])] for group in sources.groups() if (ratios[group] < threshold).any()]
        kept = np.ones(len(sources), bool)
        kept[gone] = False
        sources, fitted = fit_together(counts, background, fitted, sources.keeping(kept), times=1)


def of_model(sources: PointSources, background: BackgroundModel, fitted: Fitted) -> np.ndarray:
    """Whether what looks like a source may be no more than what the models of others lack, shape (m,).

    No PSF is known, and no extended source described, to a seventh: so a source within 1.5 half-light radii of one that
    is more than five times as bright, and one whose counts are less than that of an extended source's beneath it.
    """
    lacking = sources.far_brighter(_BLENDED).any(axis=1)
    extended = background.extended_counts(fitted)
    if extended is not None:
        # Counted where they are seen: the source itself may lie on no exposed pixel, beside a gap.
        own = 0.5 * sources.seen_counts()
        for number, radius in enumerate(sources.half_light_radii()):
            box = sources.window(number, int(np.ceil(radius)))
            lacking[number] |= own[number] < _DESCRIBED * float(extended[box].mean()) * np.pi * radius**2
    return lacking


def find_peaks(gain: np.ndarray, threshold: float, part_of_top: float = _PART_OF_TOP) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the local maxima that a round takes, the highest first.

    Args:
        gain: the map, shape (ny, nx).
        threshold: of the map.
        part_of_top: maxima below this part of the highest wait for the next round.
    """
    from scipy.ndimage import maximum_filter

    least = max(threshold, part_of_top * float(gain.max()))
    rows, columns = np.nonzero((gain >= least) & (gain > 0) & (gain == maximum_filter(gain, 2 * _REACH + 1)))
    order = np.argsort(-gain[rows, columns], kind="stable")
    kept: list[int] = []
    for one in order:
        apart = np.hypot(rows[kept] - rows[one], columns[kept] - columns[one])
        if np.all(apart >= _APART):
            kept.append(int(one))
    return rows[kept], columns[kept]


def within(known: list[tuple[Ellipse, float]], row: float, column: float, radii: float = _WITHIN) -> bool:
    """Whether a place lies within so many radii of an extended source; `known` is `BackgroundModel.half_light`."""
    return any(np.hypot(one.row - row, one.column - column) < radii * radius for one, radius in known)


def with_next_extended(
    counts: np.ndarray,
    mean: np.ndarray,
    ratio_map: RatioMap,
    ratio: Ratio,
    peaks: tuple[np.ndarray, np.ndarray],
    background: BackgroundModel,
    fitted: Fitted,
    tested: list[tuple[int, int]],
) -> BackgroundModel | None:
    """Return the model with the first of some maxima that is extended as one more extended source; None without any.

    Args:
        counts, mean: of the field and of all that was found before, shape (ny, nx).
        ratio_map, ratio: of the field.
        peaks: rows and columns of the maxima.
        background, fitted: the model and its fit.
        tested: maxima of earlier rounds, to which these are added.
    """
    known = background.half_light(fitted)
    places = [(row, column, within(known, row, column)) for row, column in zip(*peaks, strict=True)]
    place = first_extended(counts, mean, ratio_map, ratio, places, tested)
    if place is None:
        return None
    return background.with_extended(find_shape(counts, ratio_map.exposure, mean, place[1], place[0]))


def first_extended(
    counts: np.ndarray,
    mean: np.ndarray,
    ratio_map: RatioMap,
    ratio: Ratio,
    places: list[tuple[int, int, bool]],
    tested: list[tuple[int, int]],
) -> tuple[int, int] | None:
    """Return the first of some maxima that is extended, or None; those that are tested are added to `tested`.

    Args:
        counts, mean: of the field and of all that was found before, shape (ny, nx).
        ratio_map, ratio: of the field.
        places: row, column, and whether it lies within an extended source, of each maximum.
        tested: those of earlier rounds.
    """
    for row, column, inside in places:
        place = int(row), int(column)
        if place not in tested and (inside or ratio.gain[place] > _TEST_EXTENT):
            tested.append(place)
            if is_extended(counts, mean, ratio_map, ratio, place, _WITHIN_BY if inside else _EXTENDED_BY):
                return place
    return None


def is_extended(
    counts: np.ndarray, mean: np.ndarray, ratio_map: RatioMap, ratio: Ratio, place: tuple[int, int], by: float
) -> bool:
    """Whether the counts at a maximum are those of an extended source rather than of one point or two.

    Args:
        counts, mean: of the field and of all that was found before, shape (ny, nx).
        ratio_map: of the field.
        ratio: the map.
        place: row and column of the maximum.
        by: how much better in ln likelihood it must be as an extended one.
    """
    row, column = (np.array([one]) for one in place)
    one = PointSources.none(ratio_map.exposure, ratio_map.psf).adding_at(row, column, ratio.flux[row, column])
    point = float(one.half_light_radii()[0])
    if refit(one, counts, mean, 8, spread=1.0).stretch[0] < _WIDE:
        return False
    one = refit(one, counts, mean, 8)
    box = one.window(0, _BOX)
    cut = RatioMap(np.where(_mask(counts.shape, box), ratio_map.exposure, 0.0), ratio_map.psf)
    left = cut(counts, mean + one.image())
    row, column = (np.array([one]) for one in np.unravel_index(np.argmax(left.gain), left.gain.shape))
    two = one.adding_at(row, column, left.flux[row, column])
    two = refit(two, counts, mean, 8)
    ellipse = find_shape(counts, ratio_map.exposure, mean, place[1], place[0], rounds=40)
    seen, near, fixed = ratio_map.exposure[box], counts[box], mean[box]
    rows, columns = (np.arange(part.start, part.stop, dtype=float) for part in box)
    images = ellipse.images(columns[None, :], rows[:, None]) * seen
    images = np.concatenate([images[ellipse.sizes < _BOX], one.light(0, box)[None]])
    lit = near > 0
    amplitudes = fit_amplitudes(near[lit].astype(float), images[:, lit], images.sum(axis=(1, 2)), fixed[lit])

    def height(image: np.ndarray) -> float:
        total = fixed + image
        return float(near[lit] @ np.log(total[lit]) - total[seen > 0].sum())

    as_points = max(height(each.image()[box]) for each in (one, two))
    as_extended = height(np.tensordot(amplitudes, images, 1))
    sizes = np.append(ellipse.sizes[ellipse.sizes < _BOX] * np.sqrt(ellipse.ratio), point / _HALF_LIGHT)
    wide = half_light_radius(sizes, amplitudes)
    return as_extended > as_points + by and wide > _WIDER * point


def _mask(shape: tuple[int, ...], box: tuple[slice, slice]) -> np.ndarray:
    inside = np.zeros(shape, bool)
    inside[box] = True
    return inside
