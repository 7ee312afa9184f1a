"""From a field and its regions to stamps that can be fitted, each with its PSF, its priors and its neighbours."""

import math
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpyro.distributions as dist

from ..errors import InputError, shown
from ..inference.together.priors import OFFSET, check_offset
from ..observation import Observation
from ..priors import Priors
from ..psf import PSF, LearntPSF, choose_psf
from ..regions import Region
from ..scene import Component, Parameter, PointSources, Scene
from ..scene.neighbours import at_places
from .columns import Place, places_of
from .fields import Field
from .fingerprint import Fingerprint
from .together import Together, exposure_left, with_exposure

NEIGHBOURS = ("fit", "mask", "ignore")
POSITIONS = ("free", "fixed")
_MARGIN = 1.0
"""A source so far outside a stamp still shines into it [pixels]."""
_GRADIENT = 0.05
"""Standard deviation of the prior of the gradient of the background's logarithm [1 / pixel]."""
_LEAST_RADIUS = 3.0


@dataclass(frozen=True)
class Settings:
    """How sources become stamps.

    Attributes:
        psf: a name or file of `choose_psf`; "auto" is the PSF of the telescope that the header names.
        neighbours: "fit" them jointly, "mask" their circles, or "ignore" them.
        gradient: whether the background may have a gradient.
        position: "free", or "fixed" at the region's.
        half_size: the stamp has 2 half_size + 1 pixels.
        psf_sampling: of a PSF image: its pixels for each pixel of the counts image, where its header does not say.
        components: that each model has beside the source, the sky and the neighbours, with their default priors.
        offset: standard deviation of the astrometric offset of each of several images [arcsec].
    """

    psf: str = "auto"
    neighbours: str = "fit"
    gradient: bool = True
    position: str = "free"
    half_size: int = 20
    psf_sampling: float | None = None
    components: tuple[Component, ...] = ()
    offset: float = OFFSET

    def __post_init__(self) -> None:
        for name, choices in (("neighbours", NEIGHBOURS), ("position", POSITIONS)):
            if getattr(self, name) not in choices:
                raise InputError(f"{name}: expected {', '.join(choices)}, found {getattr(self, name)!r}")
        if wrong := [one for one in self.components if not isinstance(one, Component)]:
            raise InputError(f"components: expected such as Beta(), found {shown(wrong[0])}")
        check_offset(self.offset)
        if self.half_size < 2:
            raise InputError(f"half_size: expected at least 2 pixels, found {self.half_size}")

    @property
    def parameters(self) -> dict[str, Parameter]:
        """The parameters of those components, by name."""
        return {name: one for component in self.components for name, one in component.sites.items()}

    def of_images(self) -> "Settings":
        """Return what several images of one sky take: other sources masked, and no gradient.

        Raises:
            InputError: further components, or a PSF's sampling, which they do not take.
        """
        if self.components or self.psf_sampling is not None:
            raise InputError("several images: expected neither further components nor a PSF sampling, found one")
        masked = "mask" if self.neighbours == "fit" else self.neighbours
        return replace(self, neighbours=masked, gradient=False)

    def told(self) -> dict[str, Any]:
        """The settings as numbers and words."""
        return vars(self) | {"components": Scene(self.components).describe()}


@dataclass(frozen=True, eq=False)
class Source:
    """A source to be measured.

    Attributes:
        name: unique in the catalogue; its random key is made from it.
        field: name of its field.
        x, y: the position asked for [FITS image pixels].
        stamp: its image; None where there is none.
        reason: why there is no stamp, in one line; empty where there is one.
        priors: of the model, with its PSF; None where there is no stamp.
        radius: of the region; NaN where it has none [pixels].
        place: where in the field it was asked for.
        together: stamps of several images with their priors; the stamp is then that of one of them.
    """

    name: str
    field: str
    x: float
    y: float
    stamp: Observation | None
    reason: str
    priors: Priors | None
    radius: float = float("nan")
    place: Place | None = None
    together: Together | None = None


class Sources:
    """The sources of all fields, one after the other; each is made, and its stamp cut, when it is asked for.

    Attributes:
        settings: how sources become stamps.
        field_names: of all fields.
        sizes: the number of sources in each.
        fingerprint: checksums of the input.
    """

    def __init__(self, fields: Sequence[Field], settings: Settings) -> None:
        """Look at every field once.

        Raises:
            InputError: a name that stands twice, or fields whose fluxes have different units.
        """
        self.settings = settings
        self._fields = fields
        self._last: tuple[int, Field, list[Place]] | None = None
        self.field_names: list[str] = []
        self.sizes: list[int] = []
        added, seen = Fingerprint(), set[str]()
        unit = None
        for number in range(len(fields)):
            _, field, places = self._prepared(number)
            unit = unit or field.observation.flux_unit
            if field.observation.flux_unit != unit:
                units = f"{unit!r} and {field.observation.flux_unit!r}"
                raise InputError(f"fields: expected fluxes in one unit, found {units}")
            if len(fields) > 1 and field.name in ("", *self.field_names):
                said = f"found {field.name!r} for field {number + 1}"
                raise InputError(f"fields: expected a name for each of several fields, each another, {said}")
            if field.images is not None:  # a name that is none is told, and not in each row
                first = field.observation
                choose_psf(settings.psf, first.header, first.wcs, *first.centre, settings.psf_sampling)
            names = [self._name(field, region) for region in field.regions]
            for name in names:
                if name in seen:
                    raise InputError(f"regions: expected each name once, found {name!r} twice")
                seen.add(name)
            self.field_names.append(field.name)
            self.sizes.append(len(names))
            added.add(field, names, self._made(field, places, 0) if names else None)
        self.fingerprint = added.told()
        self._ends = np.cumsum(self.sizes)

    def __len__(self) -> int:
        """Return the number of sources in all fields."""
        return sum(self.sizes)

    def __iter__(self) -> Iterator[Source]:
        """Make one after the other."""
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number: int) -> Source:
        """Make one source."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        which = int(np.searchsorted(self._ends, number, side="right"))
        _, field, places = self._prepared(which)
        return self._made(field, places, number - int(self._ends[which]) + self.sizes[which])

    def _made(self, field: Field, places: list[Place], number: int) -> Source:
        region = field.regions[number]
        made = _source(self._name(field, region), field, region, self.settings)
        return replace(made, place=places[number])

    def _name(self, field: Field, region: Region) -> str:
        return f"{field.name}:{region.name}" if len(self._fields) > 1 else region.name

    def _prepared(self, which: int) -> tuple[int, Field, list[Place]]:
        """Return a field as its sources see it, and their places; the last one is kept: sources come in order."""
        if self._last is None or self._last[0] != which:
            self._last = None
            given = self._fields[which]
            # A worker gets the coordinates through FITS text: all are brought to what survives it.
            wcs = pickle.loads(pickle.dumps(given.observation.wcs))
            self._last = which, given._replace(observation=replace(given.observation, wcs=wcs)), places_of(given)
        return self._last


def sources_of(fields: Sequence[Field], settings: Settings) -> Sources:
    """Return the sources of all fields.

    Raises:
        InputError: a name that stands twice, or fields whose fluxes have different units.
    """
    return Sources(fields, settings)


def _source(name: str, field: Field, region: Region, settings: Settings) -> Source:
    observation = field.observation
    header, wcs = observation.header, observation.wcs
    if field.images is not None:
        return _of_images(name, field, region, settings)
    place = (region.x, region.y) if np.isfinite(region.x) and np.isfinite(region.y) else observation.centre
    psf = choose_psf(settings.psf, header, wcs, *place, settings.psf_sampling)
    try:
        stamp = observation.stamp(region.x, region.y, settings.half_size, name=name)
        stamp = replace(stamp, header=None)
        nearby = _nearby(field, region, stamp, settings.neighbours == "mask")
        if settings.neighbours == "mask":
            circles = [(other.x, other.y) for other in nearby], [_circle(other) for other in nearby]
            left = exposure_left(stamp, (stamp.x, stamp.y), (region.x, region.y), *circles)
            stamp = with_exposure(stamp, left)
        priors = _priors(stamp, region, nearby, settings, psf)
    except InputError as error:
        return Source(name, field.name, region.x, region.y, None, str(error), None, region.radius)
    return Source(name, field.name, region.x, region.y, stamp, "", priors, region.radius)


def _of_images(name: str, field: Field, region: Region, settings: Settings) -> Source:
    """Cut stamps of all images about a region of the first one; other sources are masked, or ignored."""
    try:
        other_regions = [one for one in field.regions if one is not region] if settings.neighbours != "ignore" else []
        radii = [max(_circle(one), _LEAST_RADIUS) for one in other_regions]
        together = Together.of(name, field, region, other_regions, radii, settings)
    except InputError as error:
        return Source(name, field.name, region.x, region.y, None, str(error), None, region.radius)
    stamp, priors = together.stamps[0].observation, together.priors.each[0]
    return Source(name, field.name, region.x, region.y, stamp, "", priors, region.radius, None, together)


def _nearby(field: Field, region: Region, stamp: Observation, masked: bool) -> list[Region]:
    """The other sources inside the stamp, or so near that they shine into it."""
    (left, low), (ny, nx) = stamp.origin, stamp.shape

    def reaches_in(other: Region) -> bool:
        margin = _circle(other) if masked else _MARGIN
        inside = left - margin <= other.x <= left + nx - 1 + margin
        return inside and low - margin <= other.y <= low + ny - 1 + margin

    return [other for other in field.regions if other is not region and reaches_in(other)]


def _circle(region: Region) -> float:
    return region.radius if np.isfinite(region.radius) else _LEAST_RADIUS


def _priors(stamp: Observation, region: Region, nearby: list[Region], settings: Settings, psf: PSF) -> Priors:
    priors = Priors.default(stamp, region.x, region.y, psf, region.radius, components=settings.components)
    if (learnt := LearntPSF.parse(settings.psf)) is not None and learnt.spread > 0:
        priors = priors.replace(psf_width=dist.LogNormal(math.log(learnt.width(psf)), learnt.spread))
    if settings.position == "fixed":
        priors = priors.replace(x_pos=region.x, y_pos=region.y)
    if settings.gradient:
        priors = priors.replace(background_dx=dist.Normal(0.0, _GRADIENT), background_dy=dist.Normal(0.0, _GRADIENT))
    if nearby and settings.neighbours == "fit":
        places = [(other.x, other.y) for other in nearby]
        reach = np.array([max(_circle(other), _LEAST_RADIUS) for other in nearby])
        theirs = at_places(stamp, places, reach, (region.x, region.y))
        if settings.position == "fixed":
            theirs |= dict(zip("xy", np.transpose(places), strict=True))
        priors = priors.replace(**{f"{PointSources().prefix}{name}": prior for name, prior in theirs.items()})
    return priors
