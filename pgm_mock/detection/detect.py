"""detect(): from an image to its sources, with a promised number of false ones."""

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DataWarning, InputError
from ..inference.program import make_room
from ..observation import Observation
from ..psf import PSF
from ..random import checked_seed
from ..regions import Region
from ..slivers import without_hot_pixels, without_slivers
from .background import BackgroundModel
from .falsealarms import FalseAlarms, calibrate_false_alarms
from .fieldpsf import FieldPSF
from .odds import Odds, odds_of_sources
from .ratiomap import Ratio, RatioMap
from .rounds import Found, closed, find_sources
from .table import beside_brighter, make_table

if TYPE_CHECKING:
    from astropy.table import QTable

_FIRST_THRESHOLD = 7.5
"""Sources are searched for down to this ln likelihood ratio before it is known which one is asked for."""
_LEAST_THRESHOLD = 3.0
FALSE_PER_FIELD, _MOST_FALSE = 0.5, 100
_MIN_EXPOSURE = 0.25
_RADIUS = 2.5
"""Of a source's circle, in half-light radii of its PSF."""


@dataclass(frozen=True, eq=False)
class Detection:
    """What was found in an image.

    Attributes:
        observation: the image, without slivers of exposure.
        ratio_map: of its exposure and PSF.
        threshold: ln likelihood ratio that each source exceeds.
        false_alarms: how many false ones are expected above any threshold.
        found: the sources and what lies behind them.
        odds: whether each is a point, extended or double; None for one whose PSF is no sum of Gaussians; empty where
            they were not asked for.
        seed: of the images by which false alarms were measured.
    """

    observation: Observation
    ratio_map: RatioMap
    threshold: float
    false_alarms: FalseAlarms
    found: Found
    odds: tuple[Odds | None, ...] = ()
    seed: int | None = None

    def __repr__(self) -> str:
        """What was found, in a line."""
        return f"Detection({self.line()!r})"

    def __len__(self) -> int:
        """How many point sources there are."""
        return len(self.found.sources)

    @property
    def psf(self) -> FieldPSF:
        """The PSF of the image."""
        return self.ratio_map.psf

    @cached_property
    def table(self) -> "QTable":
        """One row for each point source, the most significant first; the columns' descriptions say what they are."""
        return make_table(self)

    @property
    def regions(self) -> list[Region]:
        """A circle about each source, as `read_regions` gives them and `catalog` takes them."""
        sources = self.found.sources
        places = zip(self.names, sources.x, sources.y, _RADIUS * sources.half_light_radii(), strict=True)
        return [Region(name, float(x), float(y), float(radius)) for name, x, y, radius in places]

    @property
    def names(self) -> list[str]:
        """Of the sources: their numbers."""
        digits = max(2, len(str(len(self))))
        return [f"{number:0{digits}d}" for number in range(1, len(self) + 1)]

    @property
    def expected_false(self) -> float:
        """How many false sources are expected at the threshold."""
        return float(self.false_alarms.expected(self.threshold))

    @cached_property
    def ratio(self) -> Ratio:
        """The maps of flux and ln likelihood ratio against what lies behind, in which the sources are peaks."""
        return self.ratio_map(self.observation.counts, self.found.fitted.mean)

    def with_background_map(self) -> Observation:
        """Return the image with the extended sources in its background map, as `catalog` is to see it."""
        extended = self.found.background.extended_counts(self.found.fitted)
        return self.observation if extended is None else self.observation.with_more_expected(extended)

    def line(self) -> str:
        """Say what was found in one line."""
        number = len(self)
        if not self.observation.counts.any():
            return "no sources: no counts on exposed pixels"
        error = self.false_alarms.error(self.threshold) * self.expected_false
        said = (
            f"{number} source{'' if number == 1 else 's'} above ln L ratio {self.threshold:.1f}"
            if number
            else "no sources"
        )
        said += f"; {self.expected_false:.2g} ± {error:.1g} false ones expected"
        shapes = int(beside_brighter(self.found.sources).any(axis=1).sum())
        if shapes:
            said += f"; {shapes} of them beside far brighter ones, perhaps the shape of their PSF"
        first = self.observation.origin
        places = [f"x={one.column + first[0]:.0f} y={one.row + first[1]:.0f}" for one in self.found.background.extended]
        if places:
            what = "an extended source" if len(places) == 1 else f"{len(places)} extended sources"
            verb = "is" if len(places) == 1 else "are"
            said += f"; {what} at {', '.join(places)} {verb} modelled, not listed"
        return said


def detect(
    observation: Observation,
    *,
    psf: "str | PSF" = "auto",
    psf_sampling: float | None = None,
    false_per_field: float | None = None,
    threshold: float | None = None,
    num_mocks: int = 10,
    odds: bool = True,
    seed: int | None = 0,
    progress: bool = False,
    say: Callable[[str], None] | None = None,
) -> Detection:
    """Find the point sources of an image.

    What lies behind is modelled (sky, particles, extended sources); a map of the likelihood ratio of a point source on
    each pixel is made; its maxima are accepted, refined, and fitted together in rounds, until no more are left. The
    threshold is calibrated on images of the field's own background, with which the same is done.

    Args:
        observation: counts and exposure. Pixels with less than a quarter of the largest exposure in the 9 x 9 around
            them are left out.
        psf: "auto" (the telescope's, as it changes over the field, else a Gaussian), a name or file of `choose_psf`, or
            one PSF for all of the image.
        psf_sampling: of a PSF image: its pixels for each pixel of the counts image, where its header does not say.
        false_per_field: how many false sources are accepted in the field, on average; 0.5 by default.
        threshold: ln likelihood ratio to exceed, in place of `false_per_field`. No threshold is below what a single
            photon has.
        num_mocks: background images by which the number of false sources is measured.
        odds: whether to compute for each source the odds of a point, an extended and a double source.
        seed: of these images; None is another one each time.
        progress: whether to show a bar on stderr.
        say: is told in words how far the search is.

    Returns:
        The sources, as `.table` (with the odds), `.regions` and `.line()`; the map of the likelihood ratio as
        `.ratio`; and in `.found` what lies behind, with its extended sources.

    Raises:
        InputError: a number of false sources that is none, a threshold below 3, where everything is a source, or both.
    """
    check_search(false_per_field, threshold, num_mocks)
    seed = checked_seed(seed)
    observation = cleaned(observation)
    make_room()
    field = FieldPSF.of(observation, psf, psf_sampling)
    ratio_map = RatioMap(observation.exposure, field)
    background = BackgroundModel.of(observation)
    if not ratio_map.usable.any():
        raise InputError("exposure: expected some exposure that a source's light falls on, found none")
    first = min(_FIRST_THRESHOLD, threshold or np.inf)
    found = find_sources(observation.counts, background, ratio_map, first, say)
    alarms = _false_alarms(found, ratio_map, num_mocks, seed, progress)
    wanted = alarms.threshold(false_per_field or FALSE_PER_FIELD) if threshold is None else threshold
    wanted = max(wanted, _LEAST_THRESHOLD, ratio_map.of_one_photon(found.fitted.mean))
    if wanted < first:
        found = find_sources(observation.counts, background, ratio_map, wanted, say)
    else:
        known = (found.background, found.fitted, found.sources)
        found = closed(observation.counts, *known, ratio_map, wanted, found.dropped)
    if say is not None:
        say(f"{len(found.sources)} sources above ln L ratio {wanted:.1f}")
    shapes = _odds(found, observation.counts, progress) if odds else ()
    return Detection(observation, ratio_map, wanted, alarms, found, shapes, seed)


def check_search(false_per_field: float | None, threshold: float | None, num_mocks: int) -> None:
    """Raise InputError where a number is none that `detect` takes; the arguments are its own."""
    if false_per_field is not None and threshold is not None:
        raise InputError("threshold: expected no false_per_field beside it, found both")
    if false_per_field is not None and not 0 < false_per_field <= _MOST_FALSE:
        raise InputError(f"false_per_field: expected a number above 0 and up to {_MOST_FALSE}, found {false_per_field}")
    if threshold is not None and not threshold >= _LEAST_THRESHOLD:
        raise InputError(
            f"threshold: expected a ln likelihood ratio of at least {_LEAST_THRESHOLD:g}, found {threshold}"
        )
    if num_mocks < 1:
        raise InputError(f"num_mocks: expected at least 1, found {num_mocks}")


def _false_alarms(found: Found, ratio_map: RatioMap, num_mocks: int, seed: int, progress: bool) -> FalseAlarms:
    """Measure the false alarms under a bar."""
    from tqdm import tqdm

    with tqdm(total=num_mocks, unit="mock", desc="false alarms", disable=not progress, file=sys.stderr) as bar:
        return calibrate_false_alarms(found.background, found.fitted.mean, ratio_map, num_mocks, seed, bar.update)


def _odds(found: Found, counts: np.ndarray, progress: bool) -> tuple[Odds | None, ...]:
    """Compute the odds under a bar."""
    from tqdm import tqdm

    with tqdm(total=len(found.sources), unit="source", desc="odds", disable=not progress, file=sys.stderr) as bar:
        return odds_of_sources(found.sources, counts, found.fitted.mean, bar.update)


def cleaned(observation: Observation) -> Observation:
    """Leave out slivers of exposure, as the commands do when they read an image, and hot pixels."""
    label = observation.name or "image"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        counts, exposure, taken = without_slivers(observation.counts, observation.exposure, _MIN_EXPOSURE, label)
    counts, seen = without_hot_pixels(counts, exposure, label, observation.origin)
    if not taken.pixels and seen is exposure:
        return observation
    return replace(observation, counts=counts, exposure=seen)
