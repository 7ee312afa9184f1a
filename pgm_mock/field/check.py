r"""Does the model describe the field: counts in annuli, sectors, bins of exposure, about each source; what is left.

In a family of bins b with N_b counts and the posterior's expected counts M_b,

    \[ \chi^2 = \sum_b (N_b - \bar M_b)^2 / \bar M_b. \]

The model was fitted to the same counts, so that chi² is smaller than that of as many free bins: the residuals over
sqrt(M) have the covariance I - E, with E that of M_b / sqrt(M_b) over the posterior. What chi² is worth comes from
draws of such Gaussians.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..checks.words import direction
from ..detection.ratiomap import RatioMap
from ..detection.rounds import find_peaks
from ..observation import Observation
from .posterior import IMAGES, FieldPosterior

SIGNIFICANCE = 0.01
_RINGS, _SECTORS, _EXPOSURES = 16, 8, 8
_FIRST_RING = 4.0
"""Outer radius of the first annulus [pixels]."""
_LEAST_COUNTS = 10.0
"""Annuli that are expected to have fewer counts are joined."""
_ABOUT_SOURCE = 5.0
_LEAST_RATIO = 9.0
"""Of a source that no list has."""
_GAUSSIANS = 20_000
_SAID = 5


class Bins(NamedTuple):
    """A family of bins.

    Attributes:
        labels: of the bins, in words.
        observed, expected: counts, shape (b,).
        pulls: (observed - expected) / sqrt(expected), shape (b,).
        chi2: the sum of their squares.
        dof: what it is on average under the model.
        p_value: how often it is as large under the model.
    """

    labels: tuple[str, ...]
    observed: np.ndarray
    expected: np.ndarray
    pulls: np.ndarray
    chi2: float
    dof: float
    p_value: float

    @property
    def worst(self) -> int:
        """The bin that fits worst."""
        return int(np.abs(self.pulls).argmax())


@dataclass(frozen=True, eq=False)
class FieldCheck:
    """What a check of a field found.

    Attributes:
        families: by name: annuli, inner and outer sectors, bins of exposure, sources.
        left: x, y [FITS image pixels] and ln likelihood ratio of sources that no list has, shape (k, 3), the highest
            first.
        limit: p-value below which a family fails.
        sentences: what is wrong, in words; empty where nothing is.
    """

    families: dict[str, Bins]
    left: np.ndarray
    limit: float
    sentences: tuple[str, ...]

    def lines(self) -> list[str]:
        """Say each family in a line, and then what is wrong."""
        sentences = []
        for name, one in self.families.items():
            verdict = f"fails (below {self.limit:.2g})" if one.p_value < self.limit else "sound"
            sentences.append(f"{name}: chi2 {one.chi2:.4g} for {one.dof:.3g}, p {one.p_value:.2g}: {verdict}")
        return sentences + list(self.sentences)


def check_field(posterior: FieldPosterior, significance: float = SIGNIFICANCE) -> FieldCheck:
    """Compare a field with its posterior.

    Args:
        posterior: of `fit_field`.
        significance: chance of a sentence where nothing is wrong.
    """
    observation = posterior.observation
    divisions = _divisions(observation, posterior, _centre(posterior))
    expected: dict[str, list[np.ndarray]] = {name: [] for name in divisions}
    for draw in posterior.some(IMAGES):
        image = posterior.image(draw)
        for name, (labels, number_of) in divisions.items():
            expected[name].append(_sums(image, number_of, len(labels)))
    rng = np.random.default_rng(posterior.seed)
    families = {}
    for name, (labels, number_of) in divisions.items():
        observed = _sums(observation.counts, number_of, len(labels))
        families[name] = _bins(labels, observed, np.stack(expected[name]), rng)
    left = _left_over(posterior)
    limit = significance / len(families)
    return FieldCheck(families, left, limit, _in_words(families, left, limit))


def _centre(posterior: FieldPosterior) -> np.ndarray:
    """Return the centre of the first cluster, else the middle of the exposed pixels [FITS image pixels]."""
    if "cluster_x" not in posterior.flat:
        rows, columns = np.nonzero(posterior.observation.exposure > 0)
        return np.array([columns.mean(), rows.mean()]) + posterior.observation.origin
    return np.array([np.median(posterior.flat[name]) for name in ("cluster_x", "cluster_y")])


def _divisions(
    observation: Observation, posterior: FieldPosterior, centre: np.ndarray
) -> dict[str, tuple[list[str], np.ndarray]]:
    """Return for each family the labels of its bins, and the bin of each pixel, -1 for none."""
    exposed = observation.exposure > 0
    dx, dy = observation.x - centre[0], observation.y - centre[1]
    radius = np.hypot(dx, dy)
    edges = _rings(radius[exposed], posterior.expected[exposed])
    found = {}
    ring = np.where(exposed, np.digitize(radius, edges) - 1, -1)
    rings = [f"between {low:.0f} and {high:.0f} pixels" for low, high in pairwise(edges)]
    found["annuli"] = rings, ring
    half = float(np.median(radius[exposed]))
    turn = 2 * np.pi / _SECTORS
    sector = np.floor((np.arctan2(dy, dx) + 0.5 * turn) / turn).astype(int) % _SECTORS
    angles = turn * np.arange(_SECTORS)
    towards = [f"to the {direction(observation, float(np.cos(one)), float(np.sin(one)))}" for one in angles]
    for name, inside in (("inner sectors", radius < half), ("outer sectors", radius >= half)):
        where = f"{'within' if name == 'inner sectors' else 'beyond'} {half:.0f} pixels"
        labels = [f"{one}, {where}" for one in towards]
        found[name] = labels, np.where(exposed & inside, sector, -1)
    levels = np.unique(np.quantile(observation.exposure[exposed], np.linspace(0, 1, _EXPOSURES + 1)))
    level = np.clip(np.digitize(observation.exposure, levels) - 1, 0, max(len(levels) - 2, 0))
    unit = observation.exposure_unit
    between = [f"where the exposure is {a:.4g} to {b:.4g} {unit}" for a, b in pairwise(levels)]
    if between:
        found["bins of exposure"] = between, np.where(exposed, level, -1)
    places = np.stack([np.median(posterior.flat[f"{posterior.plate}_{axis}"], axis=0) for axis in "xy"], axis=1)
    near = np.full(observation.shape, -1)
    for number, (x, y) in enumerate(places):
        near[exposed & (np.hypot(observation.x - x, observation.y - y) <= _ABOUT_SOURCE)] = number
    names = [f"about source {one.name}" for one in posterior.regions]
    found["sources"] = names, near
    return found


def _rings(radius: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return edges of annuli, geometric, in each of which enough counts are expected [pixels]."""
    edges = np.concatenate([[0.0], np.geomspace(_FIRST_RING, radius.max() + 1e-6, _RINGS)])
    counts = np.histogram(radius, edges, weights=mean)[0]
    kept, held = [0.0], 0.0
    for edge, own in zip(edges[1:], counts, strict=True):
        held += own
        if held >= _LEAST_COUNTS:
            kept.append(edge)
            held = 0.0
    kept[-1] = edges[-1]
    return np.array(kept if len(kept) > 1 else [0.0, edges[-1]])


def _sums(image: np.ndarray, number_of: np.ndarray, size: int) -> np.ndarray:
    """Add up an image in each of so many bins."""
    inside = number_of >= 0
    return np.bincount(number_of[inside], image[inside], size)


def _bins(labels: list[str], observed: np.ndarray, each: np.ndarray, rng: np.random.Generator) -> Bins:
    """Compare counts in bins, shape (b,), with those expected of each draw, shape (draws, b)."""
    expected = each.mean(axis=0)
    there = expected > 0
    safe = np.where(there, expected, 1.0)
    pulls = np.where(there, (observed - expected) / np.sqrt(safe), 0.0)
    learnt = np.atleast_2d(np.cov((each / np.sqrt(safe))[:, there].T))
    left = np.clip(1.0 - np.linalg.eigvalsh(learnt), 0.0, 1.0)
    chi2 = float(pulls @ pulls)
    under = rng.chisquare(1.0, (_GAUSSIANS, len(left))) @ left
    p_value = float((1 + np.count_nonzero(under >= chi2)) / (1 + _GAUSSIANS))
    return Bins(tuple(labels), observed, expected, pulls, chi2, float(left.sum()), p_value)


def _left_over(posterior: FieldPosterior) -> np.ndarray:
    """Return the maxima of the map of ln likelihood ratio of one more source against the model, shape (k, 3)."""
    observation = posterior.observation
    mean = np.maximum(posterior.expected, 1e-12)
    ratio = RatioMap(observation.exposure, posterior.field_psf)(observation.counts, mean)
    rows, columns = find_peaks(ratio.gain, _LEAST_RATIO, 0.0)
    x, y = columns + observation.origin[0], rows + observation.origin[1]
    return np.stack([x, y, ratio.gain[rows, columns]], axis=1).reshape(-1, 3)


def _in_words(families: dict[str, Bins], left: np.ndarray, limit: float) -> tuple[str, ...]:
    said = []
    for name, one in sorted(families.items(), key=lambda item: item[1].p_value):
        if one.p_value < limit:
            worst = one.worst
            many = f"{one.observed[worst]:.0f} counts where {one.expected[worst]:.4g} are expected"
            said.append(
                f"the {name} are not those of the model (chi2 {one.chi2:.4g} for {one.dof:.3g}), most of all "
                f"{one.labels[worst]}: {many} ({one.pulls[worst]:+.1f} sigma)"
            )
    if len(left):
        places = ", ".join(f"({x:.0f}, {y:.0f}) {gain:.1f}" for x, y, gain in left[:_SAID])
        more = f" and {len(left) - _SAID} more" if len(left) > _SAID else ""
        said.append(f"sources that no list has, with ln likelihood ratio: {places}{more}")
    return tuple(said)
