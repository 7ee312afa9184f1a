"""Five missions' layouts, as their files have them: the light of a source, injected by its published PSF, is found.

The oracle is photons whose radii are drawn in NumPy from the published profiles, with formulas written here anew.
"""

from typing import NamedTuple

import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from scipy.integrate import cumulative_trapezoid

from pgm_mock import Observation, Priors, fit
from pgm_mock.cli import main
from pgm_mock.psf import GaussianPSF, KingPSF, SumOfGaussians, choose_psf

SIZE = 61
PHOTONS, BACKGROUND = 20_000, 0.02


def king_radii(uniform, core, slope):
    """Inverse of 1 - (1 + r² / core²)^(1 - slope)."""
    return core * np.sqrt((1 - uniform) ** (1 / (1 - slope)) - 1)


def epic_mos2(uniform):
    """Ghizzardi's formulas at 1 keV, 3 arcmin off axis."""
    return king_radii(uniform, 4.759 - 0.203 + 0.014 * 3 - 0.0229 * 3, 1.411 - 0.005 - 0.001 * 3 - 0.0002 * 3)


def erosita(uniform):
    return king_radii(uniform, 8.64, 1.502)


def swift(uniform):
    return king_radii(uniform, 5.8, 1.55)


def chandra(uniform):
    """90 % within 21.5 ACIS pixels at 8 arcmin (the line of the ACIS memo), 70 % within 0.62 of that."""
    return king_radii(uniform, 21.5 * 0.492 / np.sqrt(0.1**-0.5 - 1), 3.0)


def pspc(uniform):
    """Hasinger et al. at 1 keV, 10 arcmin off axis: the surface brightness, added up numerically."""
    r = np.concatenate([[0.0], np.geomspace(1e-2, 1e7, 20_000)])
    deep, scattered = 10 ** (-1.635 + 0.639 + 0.052) * np.exp(-0.5 * (10 / 12) ** 2), 0.075
    variance, folding = 108.7 + 1.121 + 0.219 * 10**2.848, np.sqrt(50.61 + 6.80)
    first, second, slope = 39.95, 861.9, 2.119 + 0.212
    within = np.where(r < second, 1 / (first**2 + r**2), (np.maximum(r, 1) / second) ** -slope / (first**2 + second**2))
    parts = [
        np.exp(-(r**2) / (2 * variance)) / (2 * np.pi * variance) * (1 - deep - scattered),
        np.exp(-r / folding) / (2 * np.pi * folding**2) * deep,
    ]
    ratio = (second / first) ** 2
    parts.append(scattered * within / (np.pi * (np.log(1 + ratio) + 2 * ratio / ((1 + ratio) * (slope - 2)))))
    return np.interp(uniform, cumulative_trapezoid(2 * np.pi * r * sum(parts), r, initial=0), r)


class Mission(NamedTuple):
    """A layout: headers of image and map, pixel ["], off-axis angle ['], the map's largest value and unit, radii."""

    name: str
    image: dict
    exposure: dict
    pixel: float
    off_axis: float
    most: float
    unit: str
    radii: object


MISSIONS = [
    Mission(
        "EMOS2",
        {"TELESCOP": "XMM", "INSTRUME": "EMOS2", "DSTYP1": "PI", "DSVAL1": "500:2000", "DSUNI1": "eV"},
        {"TELESCOP": "XMM", "INSTRUME": "EMOS2", "EXPOSURE": 28_337.0, "BUNIT": "Primary Array"},
        4.0, 3.0, 28_168.0, "s", epic_mos2,
    ),
    Mission(
        "eROSITA", {"TELESCOP": "eROSITA", "INSTRUME": "TM0"}, {"TELESCOP": "eROSITA", "EXPOSURE": 412.0},
        4.0, 0.0, 385.0, "s", erosita,
    ),
    Mission(
        "Swift XRT", {"TELESCOP": "SWIFT", "INSTRUME": "XRT", "DATAMODE": "PHOTON"},
        {"TELESCOP": "SWIFT", "EXPOSURE": 9_800.0},
        2.357, 0.0, 9_790.0, "s", swift,
    ),
    Mission(
        "Chandra ACIS", {"TELESCOP": "CHANDRA", "INSTRUME": "ACIS"},
        {"TELESCOP": "CHANDRA", "INSTRUME": "ACIS", "EXPOSURE": 49_400.0, "BUNIT": "cm**2 s count/photon"},
        1.968, 8.0, 2.1e7, "cm2 s ct / photon", chandra,
    ),
    Mission(
        "ROSAT PSPC", {"TELESCOP": "ROSAT", "INSTRUME": "PSPCB"},
        {"TELESCOP": "ROSAT", "INSTRUME": "PSPCB", "ONTIME": 7_200.0},
        15.0, 10.0, 6_950.0, "s", pspc,
    ),
]  # fmt: skip


def write(folder, mission, seed):
    """Write a mission's image and exposure map; return their paths, the source's position and its flux."""
    rng = np.random.default_rng(seed)
    middle = (SIZE + 1) / 2
    x, y = middle + 0.3, middle - 0.4
    sky = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": x, "CRPIX2": y, "CRVAL1": 150.0, "CRVAL2": 2.0}
    sky |= {"CDELT1": -mission.pixel / 3600, "CDELT2": mission.pixel / 3600, "CUNIT1": "deg", "CUNIT2": "deg"}
    pointing = {"RA_PNT": 150.0, "DEC_PNT": 2.0 + mission.off_axis / 60} if mission.off_axis else {}
    radius = mission.radii(rng.uniform(size=rng.poisson(PHOTONS))) / mission.pixel
    angle = rng.uniform(0, 2 * np.pi, len(radius))
    edges = np.arange(SIZE + 1) + 0.5
    light, _, _ = np.histogram2d(y + radius * np.sin(angle), x + radius * np.cos(angle), (edges, edges))
    exposure = np.full((SIZE, SIZE), mission.most)
    counts = (light + rng.poisson(BACKGROUND, light.shape)).astype("int32")
    paths = folder / "image.fits", folder / "exposure.fits"
    fits.PrimaryHDU(counts, fits.Header(sky | mission.image | pointing)).writeto(paths[0])
    fits.PrimaryHDU(exposure.astype("float32"), fits.Header(sky | mission.exposure)).writeto(paths[1])
    return *paths, x, y, PHOTONS / mission.most


@pytest.mark.slow
@pytest.mark.parametrize("mission", MISSIONS, ids=[mission.name for mission in MISSIONS])
def test_the_injected_flux_is_found_by_default(mission, tmp_path):
    """Within 3 %: 20,000 photons scatter by 0.7 %, and the fitted width by about as much."""
    image, exposure, x, y, flux = write(tmp_path, mission, seed=1)
    observation = Observation.read(image, exposure)
    assert units.Unit(observation.exposure_unit) == units.Unit(mission.unit)
    psf = choose_psf("auto", observation.header, observation.wcs, x, y)
    stamp = observation.stamp(x, y, 20)
    found = fit(stamp, Priors.default(stamp, x, y, psf), seed=1)["posterior"]["flux"]
    assert float(found.median()) == pytest.approx(flux, rel=0.03)


@pytest.mark.parametrize("mission", MISSIONS, ids=[mission.name for mission in MISSIONS])
def test_the_radii_are_the_chosen_psfs(mission, tmp_path):
    """Oracle: the formulas of this file; the family's light within a radius adds up in closed form."""
    image, exposure, x, y, _ = write(tmp_path, mission, seed=2)
    observation = Observation.read(image, exposure)
    psf = choose_psf("auto", observation.header, observation.wcs, x, y)
    assert isinstance(psf, SumOfGaussians if mission.name == "ROSAT PSPC" else KingPSF)
    sigma, share = (np.asarray(each) for each in psf.gaussians(psf.typical_width))
    for quantile in (0.2, 0.5, 0.7, 0.9):
        radius = mission.radii(np.array([quantile]))[0] / mission.pixel
        within = share @ -np.expm1(-0.5 * (radius / sigma) ** 2)
        assert within == pytest.approx(quantile, abs=3e-3)


@pytest.mark.parametrize("mission", MISSIONS, ids=[mission.name for mission in MISSIONS])
def test_a_command_says_which_psf_it_takes(mission, tmp_path, capsys):
    image, exposure, x, y, _ = write(tmp_path, mission, seed=3)
    arguments = ["mock", str(image), str(exposure), "--x", str(x), "--y", str(y), "--n", "1", "--half-size", "10"]
    assert main([*arguments, "--out", str(tmp_path / "mocks.fits")]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("PSF: ")]
    assert len(said) == 1
    assert mission.name in said[0]


def test_an_unknown_telescope_gets_a_gaussian_and_a_word_about_it(tmp_path, capsys):
    camera = {"TELESCOP": "Einstein", "INSTRUME": "IPC"}
    mission = MISSIONS[0]._replace(image=camera, exposure=MISSIONS[0].exposure | camera)
    image, exposure, x, y, _ = write(tmp_path, mission, seed=3)
    arguments = ["mock", str(image), str(exposure), "--x", str(x), "--y", str(y), "--n", "1", "--half-size", "10"]
    assert main([*arguments, "--out", str(tmp_path / "mocks.fits")]) == 0
    said = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("PSF: "))
    assert "PSF: Gaussian, as the header names Einstein IPC" in said
    assert "leaves out the light in the wings" in said
    observation = Observation.read(image, exposure)
    assert isinstance(choose_psf("auto", observation.header, observation.wcs, x, y), GaussianPSF)
