"""Mocks say that they are mocks. Oracles: the FITS files themselves, and the PSF that the real header stands for."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from pgm_mock import GaussianPSF, InputError, KingPSF, Observation, as_mock, demo_observation
from pgm_mock.psf import choose_psf, describe_psf

PRETENDING = {
    "OBS_ID": "0098010101",
    "EXP_ID": "0098010101003",
    "DATE-OBS": "2000-06-28T05:16:00",
    "DATE-END": "2000-06-28T20:00:00",
    "MJD-OBS": 51723.2,
    "OBSERVER": "Somebody",
    "EXPOSURE": 28_337.0,
    "ONTIME": 28_900.0,
    "LIVETIME": 28_337.0,
    "REVOLUT": 101,
    "CREATOR": "evselect",
    "FILTER": "Medium",
    "COMMENT": "reduced by hand",
    "HISTORY": "observed",
}
TELESCOPE = {"TELESCOP": "XMM", "INSTRUME": "EMOS2", "RA_PNT": 209.9, "DEC_PNT": 2.1}
PI_RANGE = {"DSTYP1": "PI", "DSVAL1": "300:3000"}
PHYSICAL = {"LTM1_1": 0.0125, "LTM2_2": 0.0125, "LTV1": 0.49375, "LTV2": 0.49375}


@pytest.fixture
def observed(tmp_path):
    """An image as the archive has it, read from a file."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [210.0, 2.0]
    wcs.wcs.crpix, wcs.wcs.cdelt = [15.0, 16.0], [-1 / 900, 1 / 900]
    header = wcs.to_header()
    header.update(PRETENDING | TELESCOPE | PI_RANGE | PHYSICAL | {"OBJECT": "A 1835"})
    fits.writeto(tmp_path / "image.fits", np.ones((30, 31), int), header)
    fits.writeto(tmp_path / "exposure.fits", np.full((30, 31), 20_000.0), header)
    return Observation.read(tmp_path / "image.fits", tmp_path / "exposure.fits")


def written(mock, folder):
    mock.write(folder / "a.fits", folder / "b.fits")
    return fits.getheader(folder / "a.fits"), fits.getheader(folder / "b.fits")


@pytest.mark.parametrize("cut", [False, True], ids=["field", "stamp"])
@pytest.mark.parametrize("psf", [None, GaussianPSF()], ids=["no PSF said", "another PSF"])
def test_nothing_of_the_observation_stays_but_its_coordinates(observed, tmp_path, cut, psf):
    real = observed.stamp(12, 13, 5) if cut else observed
    mock = as_mock(real, np.full(real.shape, 2), ["seed = 4", "catalogue naïve\n.ecsv"], psf=psf)
    for header in written(mock, tmp_path):
        history = "\n".join(header["HISTORY"])
        assert not (set(PRETENDING) - {"CREATOR", "HISTORY"} | set(TELESCOPE) | set(PI_RANGE)) & set(header)
        assert "observed" not in history
        assert "seed = 4" in history
        assert "catalogue na\\xefve?.ecsv" in history
        assert header["MOCK"] is True
        assert header["CREATOR"].startswith("pgm_mock 0.")
        assert header["OBJECT"].startswith("mock of A 1835")
    back = Observation.read(tmp_path / "a.fits", tmp_path / "b.fits")
    assert (back.origin, back.exposure_unit, int(back.counts.max())) == (real.origin, "s", 2)
    for x, y in ((1, 1), (20.5, 7.25)):
        assert back.wcs.pixel_to_world(x, y).separation(real.wcs.pixel_to_world(x, y)).arcsec < 1e-6
    assert {name: back.header[name] for name in PHYSICAL} == pytest.approx(PHYSICAL)


def test_the_telescope_stays_where_the_psf_is_its_own(observed, tmp_path):
    """The mock's header gives the PSF that it was made with, and says what the keywords are there for."""
    psf = choose_psf("auto", observed.header, observed.wcs, 12, 13)
    assert isinstance(psf, KingPSF)
    header, _ = written(as_mock(observed, observed.counts, psf=psf), tmp_path)
    assert not (set(PRETENDING) - {"CREATOR", "HISTORY"}) & set(header)
    assert {header.comments[name] for name in TELESCOPE} == {"of the mock's PSF"}
    back = Observation.read(tmp_path / "a.fits", tmp_path / "b.fits")
    assert describe_psf(choose_psf("auto", back.header, back.wcs, 12, 13)) == describe_psf(psf)
    assert describe_psf(psf) in "".join(header["HISTORY"])


def test_the_observation_keeps_its_own(observed, tmp_path):
    as_mock(observed, observed.counts)
    header, _ = written(observed, tmp_path)
    assert header["OBS_ID"] == PRETENDING["OBS_ID"]
    assert observed.wcs.wcs.dateobs
    assert "MOCK" not in header


@pytest.mark.slow
def test_the_simulated_field_says_so_too(tmp_path):
    header, _ = written(demo_observation(), tmp_path)
    assert (header["OBJECT"], header["MOCK"]) == ("Simulated field", True)
    assert "seed = 0" in "".join(header["HISTORY"])


def test_counts_that_are_none(observed):
    with pytest.raises(InputError, match="counts: expected the exposure map's shape"):
        as_mock(observed, np.zeros((3, 3)))
