"""The map of the likelihood ratio against gammapy's TSMapEstimator on the same image: times, and how they agree.

    python -m pip install gammapy "regions<0.12" && python -m tests.benchmarks.tsmap IMAGE EXPOSURE

gammapy 2.1 does not import beside newer versions of regions: it wants an environment of its own. Both are given the
same counts, exposure, background and a Gaussian PSF of 1.5 pixels in a window of 25 x 25; gammapy's statistic is
halved, as it is twice a ln likelihood ratio. Times are of the second of two runs, in one process.
"""

import sys
import time

import jax

jax.config.update("jax_enable_x64", True)

import astropy.units as u
import numpy as np
from gammapy.datasets import MapDataset
from gammapy.estimators import TSMapEstimator
from gammapy.irf import PSFMap
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling.models import PointSpatialModel, PowerLawSpectralModel, SkyModel

from pgm_mock import GaussianPSF, Observation
from pgm_mock.detection.background import BackgroundModel
from pgm_mock.detection.fieldpsf import FieldPSF
from pgm_mock.detection.ratiomap import HALF, RatioMap

WIDTH, PIXEL = 1.5, 4 / 3600
"""Standard deviation of the PSF [pixels], and side of a pixel [degree]."""


def gammapy_map(counts: np.ndarray, exposure: np.ndarray, mean: np.ndarray) -> tuple:
    """Return sqrt(TS) squared over two, and the seconds that it took."""
    ny, nx = counts.shape
    axis = MapAxis.from_energy_bounds("0.5 keV", "2 keV", nbin=1)
    geom = WcsGeom.create(npix=(nx, ny), binsz=PIXEL, axes=[axis], skydir=(0.0, 0.0))
    true = geom.as_energy_true if hasattr(geom, "as_energy_true") else geom
    make = lambda data, unit="", g=geom: Map.from_geom(g, data=np.asarray(data, float)[None], unit=unit)  # noqa: E731
    dataset = MapDataset(
        counts=make(counts), background=make(mean), exposure=make(exposure, "cm2 s", true), mask_safe=make(exposure > 0)
    )
    dataset.mask_safe.data = dataset.mask_safe.data.astype(bool)
    rad = MapAxis.from_bounds(0, 10 * WIDTH * PIXEL, nbin=300, unit="deg", name="rad")
    dataset.psf = PSFMap.from_gauss(true.axes[0], rad_axis=rad, sigma=WIDTH * PIXEL * u.deg)
    model = SkyModel(PowerLawSpectralModel(index=2), PointSpatialModel())
    estimator = TSMapEstimator(model, kernel_width=(2 * HALF + 1) * PIXEL * u.deg, selection_optional=[], n_jobs=1)
    begun = time.perf_counter()
    found = estimator.run(dataset)
    return np.squeeze(found["ts"].data) / 2, time.perf_counter() - begun


def main() -> None:
    """Run both."""
    image = Observation.read(*sys.argv[1:3], min_exposure=0.25)
    psf = FieldPSF.of(image, GaussianPSF())
    mean = BackgroundModel.of(image).fit(image.counts, np.zeros(image.shape)).mean
    ratio_map = RatioMap(image.exposure, psf)
    for _ in range(2):
        begun = time.perf_counter()
        ours = ratio_map(image.counts, mean)
        taken = time.perf_counter() - begun
    theirs, long = gammapy_map(image.counts, image.exposure, mean)
    both = ratio_map.usable & np.isfinite(theirs) & (ours.gain > 2)
    off = theirs[both] - ours.gain[both]
    print(f"this package {taken:.2f} s, gammapy {long:.1f} s: {long / taken:.0f} times")
    most = np.quantile(np.abs(off), 0.9)
    print(f"difference of ln L where it is above 2: median {np.median(off):+.4f}, 90 % within {most:.4f}")


if __name__ == "__main__":
    main()
