"""The scene of a whole field, and its default priors."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpyro.distributions as dist

from ..distributions import Prior
from ..errors import InputError
from ..population import Selection
from ..priors import Priors
from ..psf import EachPSF
from ..region import Region
from ..scene import BackgroundMap, Component, EllipticalBeta, NumberCounts, Particles, PointSources, Scene, Sky
from ..scene.neighbours import at_places
from ..scene.pointsource import LEAST_REACH, REACH
from ..vignetting import ccds
from .powerlaw import flux_prior

if TYPE_CHECKING:
    from ..observation import Observation

SOURCES = "sources"
CLUSTER, HALO = "cluster", "halo"
_WIDTH_SPREAD, _SLOPE_SPREAD = 0.3, 0.1
_LEAST_SLOPE = 1.05
_CORES = {CLUSTER: (3.0, 0.7), HALO: (15.0, 0.7)}
"""Median of the core radius [pixels] and standard deviation of its logarithm."""


def field_priors(
    observation: "Observation",
    regions: Sequence[Region],
    psf: EachPSF,
    clusters: Sequence[tuple[float, float]] = (),
    betas: int = 2,
    population: Selection | None = None,
) -> Priors:
    """Return the scene of a field with wide priors, made from the exposure and the places alone.

    Point sources "sources" in a plate, each with the default priors of a source about its place; for each cluster an
    elliptical beta model, and for the first a second one, "halo"; a sky; particles where the observation has a map of
    them, with a ratio for each CCD where the exposure shows several; and the PSF's width and slope, the same
    stretch and shift for all sources.

    Args:
        observation: the field.
        regions: of the point sources; a circle's radius is how far from its centre the source may be, at least 3
            pixels, and 6 where it has none.
        psf: of each source.
        clusters: (x, y) of the centre of each [FITS image pixels].
        betas: how many beta models describe the first of them, 1 or 2.
        population: the probability of a detection; the fluxes are then those of a power law of free slope.

    Raises:
        InputError: no source, or one that cannot be placed.
    """
    if not regions:
        raise InputError("regions: expected at least one source, found none")
    places = [(one.x, one.y) for one in regions]
    reach = np.array([max(one.radius, LEAST_REACH) if one.radius > 0 else REACH for one in regions])
    components: list[Component] = [PointSources(name=SOURCES), Sky()]
    priors: dict[str, Prior] = {f"{SOURCES}_{n}": prior for n, prior in at_places(observation, places, reach).items()}
    priors |= Sky().defaults(observation, *observation.centre, psf)
    if observation.background_map is not None:
        labels = ccds(observation)
        particles: Component = BackgroundMap()
        if labels is not None:
            particles = Particles(labels=labels, first_x=observation.origin[0], first_y=observation.origin[1])
        components.append(particles)
        own = particles.defaults(observation, *observation.centre, psf)
        priors |= {f"{particles.prefix}{name}": prior for name, prior in own.items()}
    names = [CLUSTER, HALO][:betas] if len(clusters) else []
    named = [(name, clusters[0]) for name in names]
    named += [(f"{CLUSTER}{number}", place) for number, place in enumerate(clusters[1:], 2)]
    for name, place in named:
        component = EllipticalBeta(name=name)
        components.append(component)
        own = component.defaults(observation, *place, psf)
        if name in _CORES:
            median, spread = _CORES[name]
            own["core"] = dist.LogNormal(math.log(median), spread)
        priors |= {f"{component.prefix}{parameter}": prior for parameter, prior in own.items()}
    if population is not None:
        numbers = NumberCounts()
        components.append(numbers)
        own = numbers.defaults(observation, *observation.centre, psf)
        priors |= {f"{numbers.prefix}{name}": prior for name, prior in own.items()}
        priors[f"{SOURCES}_flux"] = flux_prior(population, len(regions))
    priors |= psf_priors(psf)
    return Priors(psf, Scene(tuple(components)), **priors)


def ccds_of(scene: Scene) -> np.ndarray | None:
    """Return which CCD each pixel is on, from 0 as the particles' normalisations, shape (ny, nx); None without any."""
    found = (one.labels for one in scene.components if isinstance(one, Particles))
    return next((np.asarray(each) for each in found if each is not None), None)


def psf_priors(psf: EachPSF) -> dict[str, Prior]:
    """Return the priors of the width in the middle of the field, and of the slope where the family has one."""
    width = float(psf.typical_width)
    found: dict[str, Prior] = {"psf_width": width}
    if psf.width_spread > 0:
        found["psf_width"] = dist.LogNormal(math.log(width), min(psf.width_spread, _WIDTH_SPREAD))
    if hasattr(psf.each, "slope"):
        found["psf_slope"] = dist.TruncatedNormal(float(psf.slope), _SLOPE_SPREAD, low=_LEAST_SLOPE, high=5.0)
    return found
