"""A simulated field like the real one of Abell 1835, made by the package from its own model."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp
import numpy as np

from .counts import PoissonImage
from .errors import InputError
from .expected import expected_counts
from .mockheader import as_mock
from .observation import Observation
from .random import source_key
from .regions import Region, read_regions
from .resources import archive_files, resource

if TYPE_CHECKING:
    from astropy.wcs import WCS

SHAPE = (648, 648)
CENTRE = (332.0, 334.0)
ROTATION = 28.0
"""Angle of the CCDs' rows against the image's [degree]."""
LIVE_TIME = 28_000.0
"""Exposure on the axis [s]."""
PIXEL = 4.0 / 3600.0
"""Size of a pixel [degree]."""
FIELD_RADIUS = 224.0
CCD_SIZE, CCD_GAP = 164.0, 2.5
BACKGROUND = 5e-6
"""Background [ct / s / pixel]."""
PSF_WIDTH = 1.5
"""Standard deviation of the PSF [pixel]."""
BRIGHTEST = 0.03
"""Flux of the brightest source [ct / s]; the others' grow as the fourth power of their circle's radius."""


class Cluster(NamedTuple):
    """A beta model: surface brightness peak (1 + r² / core²)^(0.5 - 3 beta).

    Attributes:
        x, y: centre [FITS image pixels].
        peak: surface brightness at the centre [ct / s / pixel].
        core: core radius [pixels].
        beta: slope.
    """

    x: float = 330.0
    y: float = 348.0
    peak: float = 7e-3
    core: float = 5.0
    beta: float = 0.68


class Demo(NamedTuple):
    """The simulated field and what it was made from.

    Attributes:
        observation: counts and exposure.
        regions: a circle about each source.
        fluxes: of each source [ct / s].
        cluster: the extended source.
    """

    observation: Observation
    regions: list[Region]
    fluxes: np.ndarray
    cluster: Cluster


def demo_field(seed: int | None = 0) -> Demo:
    """Simulate an image like that of EPIC MOS2: seven CCDs, vignetting, a cluster, 26 point sources, a background.

    Args:
        seed: of the counts; all else is fixed.
    """
    regions = read_regions(resource("a1835_regions.txt"))
    radii = np.array([region.radius for region in regions])
    fluxes = BRIGHTEST * (radii / radii.max()) ** 4
    exposure = _exposure()
    blank = Observation(counts=np.zeros(SHAPE, int), exposure=exposure, wcs=_wcs(), unit_source="simulated in seconds")
    mean = _mean_counts(blank, regions, fluxes, Cluster())
    counts = PoissonImage(jnp.asarray(mean), jnp.asarray(exposure > 0)).sample(source_key(seed, "demo"))
    observation = as_mock(blank, np.asarray(counts), [f"seed = {seed}"], name="Simulated field")
    return Demo(observation, regions, fluxes, Cluster())


def demo_observation(seed: int | None = 0) -> Observation:
    """Return the simulated field alone; see `demo_field`."""
    return demo_field(seed).observation


def example_field(folder: str | os.PathLike[str] | None = None) -> tuple[Observation, list[Region]]:
    """Return a field to learn from, and the circles of its 26 sources.

    Args:
        folder: where the real files of Abell 1835 are, as `pgm-mock fetch` writes them; see `real_files`. None gives
            the simulated field, which has its sources in the same places.

    Raises:
        InputError: the files are not found.
    """
    if folder is None:
        demo = demo_field()
        return demo.observation, demo.regions
    field = Observation.read(*real_files(folder))
    return field, read_regions(resource("a1835_regions.txt"), field)


def real_files(folder: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Return the paths of the real image and exposure map.

    Args:
        folder: where they are: a path, or a name that is looked for in the working folder and the two above it; then
            the folder of the environment variable PGM_MOCK_DATA is tried.

    Raises:
        InputError: they are in none of these places.
    """
    image, exposure, *_ = archive_files()[1]
    places = [above / folder for above in (Path.cwd(), *Path.cwd().parents[:2])]
    if named := os.environ.get("PGM_MOCK_DATA"):
        places.append(Path(named))
    for place in places:
        if (place / image.name).exists() and (place / exposure.name).exists():
            return place / image.name, place / exposure.name
    looked = ", ".join(str(place) for place in dict.fromkeys(places))
    raise InputError(f"{folder}: expected {image.name} and {exposure.name}, found them in none of {looked}")


def _mean_counts(field: Observation, regions: list[Region], fluxes: np.ndarray, cluster: Cluster) -> np.ndarray:
    """Sum the expected counts of the background, the cluster and each source."""
    image = (field.exposure, field.columns, field.rows)
    squared = (field.columns - cluster.x) ** 2 + (field.rows - cluster.y) ** 2
    extended = cluster.peak * (1 + squared / cluster.core**2) ** (0.5 - 3 * cluster.beta)
    mean = field.exposure * (BACKGROUND + extended)
    for region, flux in zip(regions, fluxes, strict=True):
        place = {"x_pos": region.x, "y_pos": region.y, "psf_width": PSF_WIDTH}
        mean = mean + np.asarray(expected_counts(*image, flux=flux, background=0.0, **place))
    return mean


def _exposure() -> np.ndarray:
    """Seven square CCDs, their columns staggered by half a CCD, inside a circular field, vignetted towards its rim."""
    x, y = np.meshgrid(np.arange(1.0, SHAPE[1] + 1) - CENTRE[0], np.arange(1.0, SHAPE[0] + 1) - CENTRE[1])
    angle = np.deg2rad(ROTATION)
    along, across = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    pitch = CCD_SIZE + CCD_GAP
    column = np.round(along / pitch)
    stagger = np.where(column == 0, 0.0, pitch / 2)
    row = np.round((across - stagger) / pitch)
    inside = (np.abs(along - column * pitch) < CCD_SIZE / 2) & (np.abs(across - stagger - row * pitch) < CCD_SIZE / 2)
    present = ((column == 0) & (np.abs(row) <= 1)) | ((np.abs(column) == 1) & (row >= -1) & (row <= 0))
    radius = np.hypot(x, y)
    vignetting = 1.0 / (1.0 + (radius / 260.0) ** 2)
    return np.where(inside & present & (radius < FIELD_RADIUS), LIVE_TIME * vignetting, 0.0)


def _wcs() -> "WCS":
    from astropy.wcs import WCS

    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crpix = [324.5, 324.5]
    wcs.wcs.crval = [210.263, 2.852]
    wcs.wcs.cdelt = [-PIXEL, PIXEL]
    wcs.wcs.radesys = "FK5"
    wcs.wcs.equinox = 2000.0
    wcs.wcs.set()
    return wcs
