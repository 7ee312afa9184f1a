"""From a field and its regions to stamps that can be fitted, each with its PSF, its priors and its neighbours."""

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpyro.distributions as dist

from ..errors import InputError
from ..observation import Observation
from ..priors import Priors
from ..psf import PSF, choose_psf
from ..regions import Region
from .fields import Field

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
        psf: "auto", or a name or file of `choose_psf`; "auto" is "king" for an EPIC image and "gaussian" for others.
        neighbours: "fit" them jointly, "mask" their circles, or "ignore" them.
        gradient: whether the background may have a gradient.
        position: "free", or "fixed" at the region's.
        half_size: the stamp has 2 half_size + 1 pixels.
    """

    psf: str = "auto"
    neighbours: str = "fit"
    gradient: bool = True
    position: str = "free"
    half_size: int = 20

    def __post_init__(self) -> None:
        for name, choices in (("neighbours", NEIGHBOURS), ("position", POSITIONS)):
            if getattr(self, name) not in choices:
                raise InputError(f"{name}: expected {', '.join(choices)}, found {getattr(self, name)!r}")
        if self.half_size < 2:
            raise InputError(f"half_size: expected at least 2 pixels, found {self.half_size}")


@dataclass(frozen=True, eq=False)
class Source:
    """A source to be measured.

    Attributes:
        name: unique in the catalogue; its random key is made from it.
        field: name of its field.
        x, y: the position asked for [FITS image pixels].
        stamp: its image, or None where there is none, for the reason in
        reason: one line.
        priors, psf: of the model.
    """

    name: str
    field: str
    x: float
    y: float
    stamp: Observation | None
    reason: str
    priors: Priors | None
    psf: PSF


def sources_of(fields: Sequence[Field], settings: Settings) -> Iterator[Source]:
    """Make the sources of all fields, one after the other.

    Raises:
        InputError: a name that stands twice, or fields whose fluxes have different units.
    """
    seen: set[str] = set()
    names = [field.name for field in fields]
    if len(fields) > 1 and ("" in names or len(set(names)) < len(names)):
        raise InputError(f"fields: expected a name for each of several fields, each another, found {names}")
    for given in fields:
        # A worker gets the coordinates through FITS text: all are brought to what survives it.
        wcs = pickle.loads(pickle.dumps(given.observation.wcs))
        field = given._replace(observation=replace(given.observation, wcs=wcs))
        if field.observation.flux_unit != fields[0].observation.flux_unit:
            units = f"{fields[0].observation.flux_unit!r} and {field.observation.flux_unit!r}"
            raise InputError(f"fields: expected fluxes in one unit, found {units}")
        for region in field.regions:
            name = f"{field.name}:{region.name}" if len(fields) > 1 else region.name
            if name in seen:
                raise InputError(f"regions: expected each name once, found {name!r} twice")
            seen.add(name)
            yield _source(name, field, region, settings)


def _source(name: str, field: Field, region: Region, settings: Settings) -> Source:
    observation = field.observation
    header, wcs = observation.header, observation.wcs
    place = (region.x, region.y) if np.isfinite(region.x) and np.isfinite(region.y) else observation.centre
    psf = choose_psf(settings.psf, header, wcs, *place)
    try:
        stamp = observation.stamp(region.x, region.y, settings.half_size, name=name)
        stamp = replace(stamp, header=None)
        nearby = _nearby(field, region, stamp, settings.neighbours == "mask")
        if settings.neighbours == "mask":
            stamp = _masked(stamp, region, nearby)
        priors = _priors(stamp, region, nearby, settings, psf)
    except InputError as error:
        return Source(name, field.name, region.x, region.y, None, str(error), None, psf)
    return Source(name, field.name, region.x, region.y, stamp, "", priors, psf)


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


def _masked(stamp: Observation, region: Region, nearby: list[Region]) -> Observation:
    """Take the exposure from the neighbours' circles; what is nearer to the source itself stays."""
    exposure = stamp.exposure.copy()
    own = np.hypot(stamp.x - region.x, stamp.y - region.y)
    for other in nearby:
        distance = np.hypot(stamp.x - other.x, stamp.y - other.y)
        exposure[(distance <= _circle(other)) & (distance < own)] = 0.0
    return replace(stamp, counts=np.where(exposure > 0, stamp.counts, 0), exposure=exposure)


def _priors(stamp: Observation, region: Region, nearby: list[Region], settings: Settings, psf: PSF) -> Priors:
    priors = Priors.default(stamp, region.x, region.y, psf)
    if settings.position == "fixed":
        priors = priors.replace(x_pos=region.x, y_pos=region.y)
    if settings.gradient:
        priors = priors.replace(background_dx=dist.Normal(0.0, _GRADIENT), background_dy=dist.Normal(0.0, _GRADIENT))
    if nearby and settings.neighbours == "fit":
        flux = priors.free["flux"]
        one = np.ones(len(nearby))
        x, y = np.array([other.x for other in nearby]), np.array([other.y for other in nearby])
        priors = priors.replace(
            neighbour_x=dist.Normal(x, 2.0 * one) if settings.position == "free" else x,
            neighbour_y=dist.Normal(y, 2.0 * one) if settings.position == "free" else y,
            neighbour_flux=dist.LogNormal(float(flux.loc) * one, float(flux.scale) * one),
        )
    return priors
