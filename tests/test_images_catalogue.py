"""Catalogues and commands of several images. Oracles: the injected rates, a run that was not stopped, A907's files."""

import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable

from pgm_mock import Images, catalog, read_regions
from pgm_mock.catalogue import Field, read_fields
from pgm_mock.catalogue.sources import Settings, sources_of
from pgm_mock.cli import main

from .conftest import real_folder
from .test_images import SCALE, WIDTH, wcs_of

SIZE, EXPOSURE = 90, 2000.0
SOURCES = [(30.0, 30.0), (60.0, 55.0), (80.0, 20.0)]
RATES = {
    "EPN_500_2000": [0.06, 0.02, 0.03],
    "EPN_2000_10000": [0.03, 0.004, 0.03],
    "EMOS1_500_2000": [0.03, 0.01, 0.01],
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Three images of three sources; MOS1 is rotated about the middle, and sees nothing at the last source."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(3)
    sky = wcs_of(0.0, SCALE, SIZE).pixel_to_world(*(np.array(SOURCES) - 1).T)
    for name, rates in RATES.items():
        camera, low, high = name.split("_")
        wcs = wcs_of(20.0 if camera == "EMOS1" else 0.0, SCALE, SIZE)
        counts = rng.poisson(0.05, (SIZE, SIZE)).astype(float)
        places = np.transpose(wcs.world_to_pixel(sky))
        for place, rate in zip(places, rates, strict=True):
            number = rng.poisson(rate * EXPOSURE)
            photons = place + rng.normal(0, WIDTH, (number, 2))
            counts += np.histogram2d(photons[:, 1], photons[:, 0], bins=[np.arange(SIZE + 1) - 0.5] * 2)[0]
        exposure = np.full((SIZE, SIZE), EXPOSURE)
        if camera == "EMOS1":
            y, x = np.mgrid[:SIZE, :SIZE]
            exposure[np.hypot(x - places[2, 0], y - places[2, 1]) < 12] = 0.0
        header = wcs.to_header()
        header.update({"TELESCOP": "XMM", "INSTRUME": camera, "DSTYP1": "PI", "DSVAL1": f"{low}:{high}"})
        header.update({"EXPOSURE": EXPOSURE, "RA_PNT": 150.0, "DEC_PNT": -11.0, "OBJECT": "mock"})
        fits.writeto(folder / f"{name}.fits", np.where(exposure > 0, counts, 0).astype(np.int32), header)
        header["BUNIT"] = "s"
        fits.writeto(folder / f"{name}_exp.fits", exposure.astype(np.float32), header)
    (folder / "sources.txt").write_text("".join(f"{x} {y} 5\n" for x, y in SOURCES))
    names = list(RATES)
    (folder / "survey.txt").write_text(
        f"{','.join(f'{n}.fits' for n in names)} {','.join(f'{n}_exp.fits' for n in names)} sources.txt\n"
    )
    return folder


def words(folder) -> list[str]:
    return [",".join(str(folder / f"{name}{end}.fits") for name in RATES) for end in ("", "_exp")]


@pytest.fixture(scope="module")
def made(files, tmp_path_factory):
    out = tmp_path_factory.mktemp("together") / "out"
    options = ["--psf", "gaussian", "--out", str(out), "--chunk", "1", "--n", "100", "--json"]
    assert main(["catalog", *words(files), "--regions", str(files / "sources.txt"), *options]) == 0
    return out


@pytest.mark.slow
def test_what_several_images_do_not_take_is_refused_before_they_are_measured(files, made, tmp_path, capsys):
    options = ["--regions", str(files / "sources.txt"), "--out", str(tmp_path / "out"), "--n", "100"]
    for more, said in (
        (["--psf", "field"], "--psf field: expected one image, found several"),
        (["--component", "extended"], "several images: expected neither further components nor a PSF sampling"),
    ):
        assert main(["catalog", *words(files), *options, *more]) == 2
        assert said in capsys.readouterr().err
        assert not (tmp_path / "out" / "catalog.ecsv").exists()
    again = ["--psf", "gaussian", "--out", str(made), "--chunk", "1", "--n", "100", "--uniform", "--neighbours", "mask"]
    assert main(["catalog", *words(files), "--regions", str(files / "sources.txt"), *again]) == 0
    assert "kept 3 of 3 sources" in capsys.readouterr().err, "they say what is done anyway"


@pytest.mark.slow
def test_each_image_has_its_rate_each_camera_its_hardness(made):
    table = QTable.read(made / "catalog.ecsv")
    assert list(table["N_IMAGES"]) == [3, 3, 2]
    for name, rates in RATES.items():
        for row, rate in enumerate(rates):
            found = table[f"RATE_{name}"][row].value
            if name == "EMOS1_500_2000" and row == 2:
                assert np.isnan(found)
                continue
            below, above = (table[f"RATE_{name}_{end}"][row].value for end in ("LOWERR", "UPERR"))
            assert -3.5 * below < rate - found < 3.5 * above
            assert table[f"RATE_UL95_{name}"][row].value > found
        ratios = np.asarray(table[f"LN_RATIO_{name}"])
        assert np.array_equal(np.argsort(-ratios[:2]), np.argsort(-np.array(rates[:2])))
        assert (np.isfinite(ratios) == np.isfinite(table[f"RATE_{name}"].value)).all()
    total = table["RATE_500_2000"].value
    np.testing.assert_allclose(total[:2], [0.09, 0.03], rtol=0.3)
    assert np.isnan(total[2])  # not of all cameras
    assert table["RATE_UL95_500_2000"][2] > table["RATE_EPN_500_2000"][2]
    assert table["N_IMAGES"].dtype.kind == "i"
    assert (np.abs(table["DEC_ASKED"].value - table["DEC"].value) < 1e-3).all()
    assert table["HR_EPN"][1] < table["HR_EPN"][0] < table["HR_EPN"][2]
    assert "HR_EMOS1" not in table.colnames
    places = np.stack([table["X_IMA"].value, table["Y_IMA"].value], axis=1)
    assert (np.linalg.norm(places - SOURCES, axis=1) < 1).all()
    assert (table["KHAT"] < 0.7).all()
    assert (table["ESS"] >= 400).all()
    assert table["RATE_UL95_EPN_500_2000"].info.description.startswith("95 % upper limit")


@pytest.mark.slow
def test_posteriors_page_and_regions_are_there(made):
    import xarray

    with xarray.open_datatree(made / "posteriors.nc", engine="h5netcdf") as tree:
        assert tree["posterior"]["flux_EPN_500_2000"].dims == ("chain", "draw", "source")
        assert np.isnan(tree["posterior"]["flux_EMOS1_500_2000"][0, :, 2]).all()
    page = (made / "catalog.html").read_text()
    assert "3 images fitted together: EPN_500_2000, EPN_2000_10000, EMOS1_500_2000." in page
    assert "RATE_EMOS1_500_2000" in page
    assert (made / "catalog.reg").read_text().count("circle") == 3


@pytest.mark.slow
def test_a_stopped_run_goes_on_and_ends_with_the_same_bytes(made, files, tmp_path):
    whole = {path.name: path.read_bytes() for path in made.glob("catalog.*")}
    (made / "chunks" / "000001.npz").unlink()
    options = ["--psf", "gaussian", "--out", str(made), "--n", "100"]
    command = ["catalog", *words(files), "--regions", str(files / "sources.txt"), *options]
    assert main(command) == 0
    assert {path.name: path.read_bytes() for path in made.glob("catalog.*")} == whole
    assert main([*command, "--offset", "1"]) == 2


def test_what_is_wrong_is_said_before_anything_is_written(files, tmp_path, capsys):
    place = ["--x", "30", "--y", "30", "--out", str(tmp_path / "out")]
    one = [str(files / f"EPN_500_2000{end}.fits") for end in ("", "_exp")]
    for command, said in (
        (["fit", *words(files), *place, "--offset", "-1"], "offset: expected a standard deviation of 0 to 60 arcsec"),
        (["fit", *words(files), *place, "--psf", "kng"], "expected auto, gaussian, king, moffat or a FITS file, found"),
        (["fit", *one, *place, "--offset", "1"], "--offset: expected several images, with commas between them"),
        (
            ["fit", f"pn-soft={one[0]},b={one[0]}", ",".join(one[1:] * 2), *place],
            "letters, digits and _, found 'pn-soft'",
        ),
        (["fit", f"{one[0]},{one[0]}", ",".join(one[1:] * 2), *place], "expected another image than EPN_500_2000_1"),
    ):
        assert main(command) == 2, command
        assert said in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_a_survey_names_several_images_with_commas(files):
    (field,) = read_fields(files / "survey.txt")
    assert field.images.names == list(RATES)
    assert len(field.regions) == 3
    sources = sources_of([field], Settings("gaussian"))
    assert [len(source.together.stamps) for source in sources] == [3, 3, 2]


def test_other_sources_are_masked_in_each_image(files):
    (field,) = read_fields(files / "survey.txt")
    near = field.regions[0]
    regions = [near, near._replace(name="2", x=near.x + 10)]
    shown = {}
    for neighbours in ("mask", "ignore"):
        source = sources_of([field._replace(regions=regions)], Settings("gaussian", neighbours))[0]
        shown[neighbours] = [int((one.observation.exposure > 0).sum()) for one in source.together.stamps]
    lost = np.subtract(shown["ignore"], shown["mask"])
    assert ((lost > 60) & (lost < 90)).all()  # a circle of 5 pixels, on either grid


@pytest.mark.slow
def test_fit_prints_a_line_and_draws(files, tmp_path, capsys):
    place = ["--x", "30", "--y", "30", "--psf", "gaussian", "--out", str(tmp_path / "fit")]
    assert main(["fit", *words(files), *place]) == 0
    line = capsys.readouterr().out
    assert line.startswith("x30_y30: RA 150.0")
    assert all(name in line for name in RATES)
    assert (tmp_path / "fit" / "x30_y30.nc").exists()
    assert (tmp_path / "fit" / "x30_y30_images.png").stat().st_size > 20_000
    assert main(["fit", *words(files), *place, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told["sources"][0]["fluxes"]) == set(RATES)
    assert main(["fit", words(files)[0], str(files / "EPN_500_2000_exp.fits"), *place]) == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith("expected as many exposure maps, 3, found 1")


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_workers_give_the_same_table(files, made, tmp_path):
    whole = (made / "catalog.ecsv").read_bytes()
    options = ["--psf", "gaussian", "--chunk", "1", "--n", "100", "--workers", "2", "--out", str(tmp_path / "out")]
    assert main(["catalog", *words(files), "--regions", str(files / "sources.txt"), *options]) == 0
    assert (tmp_path / "out" / "catalog.ecsv").read_bytes() == whole


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.filterwarnings("ignore::pgm_mock.DataWarning")
def test_abell_907(tmp_path):
    """Every listed source has six rates and hardness ratios; the cameras agree on where it is."""
    folder = real_folder()
    folder = folder and folder.parent / "a907"
    if not folder or not folder.exists():
        pytest.skip("the files of Abell 907 are not here")
    images = sorted(folder.glob("*_img.fits.gz"))
    found = Images.read(images, [str(path).replace("_img", "_expmap") for path in images], min_exposure=0.25)
    regions = read_regions(folder / "0201901401_sources.reg", found[0].observation)[:15]
    table = catalog(Field.of_images(found, regions), tmp_path / "out", num_replicates=0)
    assert (table["KHAT"] < 0.7).all()
    assert (table["ESS"] >= 400).all()
    assert list(table["N_IMAGES"]).count(6) == 14
    for name in found.names:
        assert np.isfinite(table[f"RATE_{name}"].value).sum() >= 14
    assert np.isfinite(table["HR"]).all()
    assert (table["RADEC_ERR"].value < 4).all()
