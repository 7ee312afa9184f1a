"""The commands, as a user runs them: exit status, one line on stderr, JSON, and the files that they leave."""

import functools
import http.server
import json
import re
import subprocess
import sys
import threading
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import matplotlib.image
import numpy as np
import pytest
import xarray
from astropy.io import fits
from astropy.table import QTable
from astropy.wcs import WCS
from regions import Regions

from pgm_mock import Field, InputError, Observation, download, read_regions
from pgm_mock.catalogue.sources import Settings, sources_of
from pgm_mock.cli import main
from pgm_mock.cli.arguments import joined, with_option_names
from pgm_mock.cli.fit import fit_each
from pgm_mock.cli.parser import make_parser
from pgm_mock.cli.place import position
from pgm_mock.summary import FitSummary, ParameterSummary


@pytest.fixture
def files(stamp, tmp_path):
    """A small image and its exposure map on disk, beside an empty folder to write to."""
    image, exposure, out = str(tmp_path / "image.fits"), str(tmp_path / "exposure.fits"), tmp_path / "out"
    stamp.write(image, exposure)
    return image, exposure, out


POSITION = ("--x", "110.6", "--y", "61.2", "--half-size", "8")


def run(*arguments, status=0):
    assert main([str(argument) for argument in arguments]) == status


def test_help_loads_nothing_heavy():
    """Oracle: the modules that a fresh interpreter holds after --help; timing would depend on the machine."""
    code = (
        "import sys\nfrom pgm_mock.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print({'jax', 'numpyro', 'numpy', 'astropy', 'matplotlib', 'arviz'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("set()")
    for command in ("demo", "fetch", "info", "mock", "fit", "graph"):
        assert f"    {command} " in done.stdout


def test_module_and_version():
    done = subprocess.run([sys.executable, "-m", "pgm_mock", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("pgm-mock 0.")


@pytest.mark.parametrize(
    "arguments", [(), ("nonsense",), ("info",), ("fit", "a", "b", "--x", "one"), ("mock", "a", "b", "--n")]
)
def test_bad_usage_is_status_2_in_one_line(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_bad_input_is_status_2_in_one_line_without_traceback(files, tmp_path, capsys):
    image, exposure, out = files
    broken = tmp_path / "broken.fits"
    broken.write_bytes(b"nothing")
    for arguments, message in [
        (("info", broken, exposure), f"pgm-mock info: {broken}: expected a FITS file, found something else\n"),
        (("info", image, tmp_path / "no.fits"), f"pgm-mock info: {tmp_path / 'no.fits'}: no such file\n"),
        (
            ("fit", image, exposure, "--out", out),
            "pgm-mock fit: expected a position, --x X --y Y or --ra RA --dec DEC, found none\n",
        ),
        (
            ("fit", image, exposure, "--x", 3, "--ra", 4),
            "pgm-mock fit: expected a position, --x X --y Y or --ra RA --dec DEC, found some of both\n",
        ),
        (
            ("grid", image, exposure, "--dec", 4),
            "pgm-mock grid: expected a position, --x X --y Y or --ra RA --dec DEC, found --dec alone\n",
        ),
        (
            ("fit", image, exposure, "--ra", 1, "--dec", 2),
            "pgm-mock fit: --ra, --dec: expected celestial coordinates in IMAGE, found none\n",
        ),
        (
            ("fit", image, exposure, *POSITION, "--psf", "nofile.fits"),
            "pgm-mock fit: --psf: expected ",
        ),
        (
            ("catalog", image),
            f"pgm-mock catalog: {image}: expected a list of `image exposure regions`, or EXPOSURE and",
        ),
        (
            ("mock", image, exposure, *POSITION, "--set", "flux"),
            "pgm-mock mock: --set: expected NAME=VALUE with a name of",
        ),
        (
            ("mock", image, exposure, *POSITION, "--set", "flux=a"),
            "pgm-mock mock: --set flux: expected a number, found 'a'\n",
        ),
        (
            ("mock", image, exposure, *POSITION, "--n", 0),
            "pgm-mock mock: --n: expected at least 1 and, in images of this size, at most ",
        ),
        (("graph", "--out", tmp_path / "g.doc"), f"pgm-mock graph: {tmp_path / 'g.doc'}: expected a name that ends in"),
        (
            ("mock", image, exposure, *POSITION, "--out", broken / "m.fits"),
            f"pgm-mock mock: {broken}: expected a folder",
        ),
        (
            ("graph", "--out", tmp_path / "no" / "g.svg"),
            f"pgm-mock graph: {tmp_path / 'no' / 'g.svg'}: cannot be written",
        ),
        (("demo", "--out", broken), f"pgm-mock demo: {broken}: expected a folder that can be written to"),
    ]:
        run(*arguments, status=2)
        err = capsys.readouterr().err.splitlines()[-1] + "\n"
        assert err.startswith(message)
    assert not out.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken.fits", "exposure.fits", "image.fits"]


def test_info_says_what_is_in_the_real_files(real_files, capsys):
    run("info", *real_files)
    said = capsys.readouterr().out
    for fact in (
        "648 x 648",
        "36,158",
        "slivers: 16 counts on 2,356 pixels with less than 25% of the exposure around them: left out",
        "at most 223",
        "28168",
        "assumed",
        "ct / s",
        "GTI00006: table",
        "14h01m",
        "4 arcsec",
    ):
        assert fact in said, fact
    run("info", *real_files, "--json")
    summary = json.loads(capsys.readouterr().out)
    assert (summary["telescope"], summary["warnings"]) == ("XMM EMOS2", [])
    assert summary["counts"] + summary["slivers"]["counts"] == 36_174
    run("info", *real_files, "--min-exposure", 0)
    said = capsys.readouterr().out
    assert "36,174" in said
    assert "slivers" not in said


def test_info_repeats_warnings(files, capsys):
    image, exposure, _ = files
    fits.writeto(image, np.ones((21, 21)), overwrite=True)
    run("info", image, exposure, "--json")
    (warning,) = json.loads(capsys.readouterr().out)["warnings"]
    assert "21 counts on pixels without exposure" in warning


def test_mock_writes_a_cube_with_its_parameters(files, capsys):
    image, exposure, out = files
    run(
        "mock",
        image,
        exposure,
        *POSITION,
        "--n",
        12,
        "--set",
        "flux=0.01",
        "--seed",
        4,
        "--out",
        out / "m.fits",
        "--json",
    )
    summary = json.loads(capsys.readouterr().out)
    with fits.open(out / "m.fits") as hdus:
        cube, table = hdus[0].data, QTable.read(hdus["PARAMETERS"])
        assert cube.shape == (12, 17, 17)
        assert hdus["EXPOSURE"].data.shape == (17, 17)
        assert (hdus[0].header["STAMPX0"], hdus[0].header["BUNIT"], hdus[0].header["SEED"]) == (103, "ct", 4)
        assert hdus[0].header["OBJECT"] == "mock of small x=110.6 y=61.2"
        assert hdus[0].header["CREATOR"].startswith("pgm_mock 0.")
        history = "".join(hdus[0].header["HISTORY"])
        for told in (image, "seed = 4", "prior flux = 0.01", "prior x_pos = ", "PSF = GaussianPSF"):
            assert told in history
    assert [int(plane.sum()) for plane in cube] == summary["counts"]
    assert np.all(table["flux"].value == 0.01)
    assert str(table["flux"].unit) == "ct / s"
    assert len(set(table["x_pos"].value)) == 12
    run("mock", image, exposure, *POSITION, "--n", 12, "--set", "flux=0.01", "--seed", 4, "--out", out / "again.fits")
    np.testing.assert_array_equal(fits.getdata(out / "again.fits"), cube)
    assert sorted(p.name for p in out.iterdir()) == ["again.fits", "m.fits"]


@pytest.mark.slow
def test_fit_of_a_list_writes_each_and_goes_on_past_a_bad_one(files, tmp_path, capsys):
    """The two good ones lie in each other's stamp; the bad one is in nobody's."""
    image, exposure, out = files
    regions = tmp_path / "sources.reg"
    regions.write_text("image\ncircle(110.6,61.2,4) # text={NGC 1}\ncircle(900,900,3)\ncircle(105,55,3) # text={b/c}")
    arguments = ("fit", image, exposure, "--regions", regions, "--half-size", 8, "--out", out)
    run(*arguments, "--json", status=2)
    said = capsys.readouterr()
    summary = json.loads(said.out)
    assert [source["name"] for source in summary["sources"]] == ["small x=110.6 y=61.2", "small x=105 y=55"]
    assert [source["region"] for source in summary["sources"]] == ["NGC 1", "b/c"]
    assert [source["neighbours"] for source in summary["sources"]] == [1, 1]
    assert list(summary["failed"]) == ["2"]
    assert "source 2: stamp at x=900, y=900: expected some exposure" in said.err
    assert "1 of 3 sources could not be fitted" in said.err
    expected = {f"{n}{suffix}" for n in ("NGC_1", "b_c") for suffix in (".nc", "_corner.png", "_image.png")}
    assert {p.name for p in out.iterdir()} == expected
    assert matplotlib.image.imread(out / "NGC_1_corner.png").std() > 0.02
    run(*arguments, status=2)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("NGC 1 with 1 neighbour: small x=110.6 y=61.2: flux ")
    assert second.startswith("b/c with 1 neighbour: small x=105 y=55: flux ")


@pytest.mark.parametrize("as_json", [False, True])
def test_a_list_says_each_source_as_it_comes(as_json, capsys):
    seen = []

    def do(source, name):
        seen.append(capsys.readouterr().out)
        return f"line of {name}", {}

    sources = [SimpleNamespace(name=name) for name in ("1", "2")]
    assert fit_each(Namespace(json=as_json, out="out"), sources, ["a", "b"], do) == 0
    assert seen == ["", "" if as_json else "line of a\n"]
    assert capsys.readouterr().out.startswith("{" if as_json else "line of b\n")


@pytest.mark.parametrize(("command", "arguments"), [("fit", ["--regions"]), ("catalog", ["--uniform", "--regions"])])
def test_neighbours_of_a_list_are_in_the_model(files, tmp_path, monkeypatch, command, arguments):
    """`fit` hands the very priors and stamps over that `catalog` measures; the fit itself is not run."""
    image, exposure, out = files
    regions = tmp_path / "sources.txt"
    regions.write_text("110.6 61.2 4\n105 55 3\n")
    seen = []

    def caught(what):
        def stop(stamp, priors, **_):
            seen.append((stamp.counts.sum(), priors.describe()))
            raise InputError(what)

        return stop

    monkeypatch.setattr("pgm_mock.inference.fit", caught("fit"))
    monkeypatch.setattr("pgm_mock.catalogue.measure.programs_for", lambda *_: [])
    monkeypatch.setattr("pgm_mock.catalogue.measure.fit_safely", lambda job, plan: caught("measure")(*job[:2]))
    run(command, image, exposure, *arguments, regions, "--half-size", 8, "--out", out, status=2)
    assert len(seen) == (2 if command == "fit" else 1)
    field = Field(Observation.read(image, exposure, min_exposure=0.25), read_regions(regions))
    (first, second) = sources_of([field], Settings(psf="gaussian", gradient=False, half_size=8))
    wanted = [(one.stamp.counts.sum(), one.priors.describe()) for one in (first, second)]
    assert seen == wanted[: len(seen)]
    assert "neighbour_flux" in seen[0][1]


def test_what_a_command_does_not_know_is_said_by_that_command(files, capsys):
    image, exposure, _ = files
    with pytest.raises(SystemExit, match="2"):
        main(["fit", image, exposure, "--outt", "a"])
    told = capsys.readouterr().err
    assert told == "pgm-mock fit: unrecognized arguments: --outt a; did you mean --out? (see pgm-mock fit --help)\n"
    with pytest.raises(SystemExit, match="2"):
        main(["fit", image, exposure, "--nonsense"])
    assert "did you mean" not in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["detect", image, exposure, "--regions", "a.reg"])
    assert "did you mean" not in capsys.readouterr().err, "a word of the help is not an option of the command"
    with pytest.raises(SystemExit, match="2"):
        main(["catlog", image])
    assert "did you mean catalog?" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["fit", "mock", "grid", "play", "calibrate", "catalog"])
@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--half-size", "0", "expected a whole number of at least 2 pixels, found '0'"),
        ("--half-size", "-3", "expected a whole number of at least 2 pixels, found '-3'"),
        ("--min-exposure", "1", "expected a share from 0 to below 1, found '1'"),
        ("--min-exposure", "nan", "expected a share from 0 to below 1, found 'nan'"),
    ],
)
def test_numbers_out_of_range_name_their_option(command, option, value, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        main([command, "image.fits", "exposure.fits", option, value])
    told = capsys.readouterr().err
    assert told == f"pgm-mock {command}: argument {option}: {message} (see pgm-mock {command} --help)\n"


@pytest.mark.slow
def test_a_new_fit_takes_the_old_ones_check_away(files, capsys):
    image, exposure, out = files
    out.mkdir()
    old = out / "x110.6_y61.2_check.png"
    old.touch()
    run("fit", image, exposure, "--x", "2000", "--y", "61", "--out", out, status=2)
    assert old.exists()
    assert capsys.readouterr().err.count("\n") == 1
    run("fit", image, exposure, *POSITION, "--out", out)
    assert not old.exists()
    assert ", sigma " in capsys.readouterr().out


def test_fit_of_one_source_prints_one_line(files, tmp_path, capsys):
    image, exposure, out = files
    priors = tmp_path / "priors.toml"
    priors.write_text("[psf_width]\nvalue = 1.4\n")
    run("fit", image, exposure, *POSITION, "--priors", priors, "--method", "nuts", "--out", out)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("small x=110.6 y=61.2: flux 0.00")
    assert "sigma 1.4 pixel; nuts: R-hat 1.0" in line
    run("fit", image, exposure, *POSITION, "--regions", "x", "--out", out, status=2)
    assert "expected either a position or --regions FILE, found both" in capsys.readouterr().err


@pytest.fixture
def sky_files(stamp, tmp_path):
    """The same image with sky coordinates: pixels of 4 arcsec, south of the equator."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [210.0, -2.0]
    wcs.wcs.crpix, wcs.wcs.cdelt, wcs.wcs.radesys = [100.0, 60.0], [-1 / 900, 1 / 900], "ICRS"
    image, exposure = str(tmp_path / "image.fits"), str(tmp_path / "exposure.fits")
    replace(stamp, wcs=wcs).write(image, exposure)
    return image, exposure, wcs


@pytest.mark.parametrize("form", ["degrees", "colons", "letters", "spaces"])
@pytest.mark.parametrize("command", ["fit", "mock", "grid", "play", "calibrate"])
def test_a_position_on_the_sky_is_the_pixel_of_the_wcs(sky_files, command, form, capsys):
    """Oracle: astropy's WCS, from the pixel to the sky and back."""
    image, exposure, wcs = sky_files
    place = wcs.pixel_to_world(110.6 - 1, 61.2 - 1)
    ra, dec = {
        "degrees": (f"{place.ra.deg:.8f}", f"{place.dec.deg:.8f}"),
        "colons": place.to_string("hmsdms", sep=":", precision=5).split(),
        "letters": place.to_string("hmsdms", precision=5).split(),
        "spaces": place.to_string("hmsdms", sep=" ", precision=5).split("-"),
    }[form]
    dec = dec if dec.startswith("-") else f"-{dec}"
    options = make_parser().parse_args(joined([command, image, exposure, "--ra", ra, "--dec", dec]))
    assert position(options, Observation.read(image, exposure)) == pytest.approx((110.6, 61.2), abs=2e-3)
    assert " is x=110.6 y=61.2\n" in capsys.readouterr().err


def test_the_printed_pixels_are_those_of_the_run(sky_files, tmp_path, capsys):
    """Oracle: the same command with --x --y as printed gives the same image."""
    image, exposure, _ = sky_files
    common = ("mock", image, exposure, "--half-size", 8, "--n", 1, "--out")
    run(*common, tmp_path / "a.fits", "--ra", "209.98834567", "--dec", "-1:59:55.4321")
    x, y = re.search(r"is x=(\S+) y=(\S+)\n", capsys.readouterr().err).groups()
    run(*common, tmp_path / "b.fits", "--x", x, "--y", y)
    np.testing.assert_array_equal(fits.getdata(tmp_path / "a.fits"), fits.getdata(tmp_path / "b.fits"))
    for ra, dec, found in [("one", "2", "--ra"), ("-1", "2", "--ra"), ("1", "90.1", "--dec"), ("nan", "2", "--ra")]:
        run(*common, tmp_path / "c.fits", "--ra", ra, "--dec", dec, status=2)
        assert f"pgm-mock mock: {found}: expected degrees from" in capsys.readouterr().err
    run(*common, tmp_path / "c.fits", "--ra", "30", "--dec", "2", status=2)
    assert "expected a position on the image's sky, found RA 30.000000 Dec +2.000000" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.filterwarnings("always::pgm_mock.errors.DataWarning")
def test_a_catalogue_goes_on_and_says_so(sky_files, tmp_path, capsys):
    """Oracles: the chunk that was taken away, the WCS, and what astropy-regions reads."""
    image, exposure, wcs = sky_files
    place = wcs.pixel_to_world(110.6 - 1, 61.2 - 1)
    regions, out = tmp_path / "s.reg", tmp_path / "out"
    lines = [f'circle({place.ra.deg},{place.dec.deg},8")', 'circle(30,2,8") # text={far off}', 'circle(9,99,8")']
    regions.write_text("icrs\n" + "\n".join(lines))
    quick = ("--n", 0, "--half-size", 8, "--uniform", "--chunk", 1, "--regions", regions, "--out", out)
    run("catalog", image, exposure, *quick)
    said = capsys.readouterr().err
    assert "kept" not in said
    assert "s.reg: line 3: expected a position on the image's sky, found 'circle(30,2," in said
    assert ": left without a position, with 1 more\n" in said
    table = QTable.read(out / "catalog.ecsv")
    assert list(table["ID"]) == ["1", "far off", "3"]
    assert [int(flag) & 1 for flag in table["FLAG"]] == [0, 1, 1]
    assert "none on this image's sky?" in table["MEANING"][1]
    (circle,) = Regions.read(out / "catalog_icrs.reg")
    x, y = (value + 1 for value in circle.center.to_pixel(wcs))
    assert (x, y) == pytest.approx((table["X_IMA"][0].value, table["Y_IMA"][0].value), abs=1e-3)
    assert circle.radius.to_value("arcsec") == pytest.approx(5 * 4, rel=1e-3)
    assert str(circle.meta["text"]) == "1"
    (out / "chunks" / "000001.npz").unlink()
    run("catalog", image, exposure, *quick)
    assert "kept 2 of 3 sources from an earlier run\n" in capsys.readouterr().err
    run("check", out, status=2)
    assert f"pgm-mock check: {out}: expected a folder of `pgm-mock fit`, found a catalogue's" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "where", "message"),
    [
        (
            "catalog",
            "pgm_mock.catalogue.catalog",
            "0 finished chunks are kept in {out}; the same command goes",
        ),
        ("fit", "pgm_mock.inference.fit", "0 of 2 sources are in {out}"),
    ],
)
def test_an_interrupted_command_says_how_to_go_on(files, tmp_path, monkeypatch, capsys, command, where, message):
    image, exposure, out = files
    regions = tmp_path / "sources.txt"
    regions.write_text("110.6 61.2 4\n105 55 3\n")

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(where, interrupted)
    run(command, image, exposure, "--regions", regions, "--out", out, status=1)
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith(f"pgm-mock {command}: interrupted; {message.format(out=out)}")


@pytest.mark.parametrize(
    ("flux", "said"),
    [
        ((0.00186, 0.00149, 0.00227), "0.00186 -0.00037 +0.00041"),
        ((1.86e-6, 1.49e-6, 2.27e-6), "1.86e-06 -0.37e-06 +0.41e-06"),
        ((186.0, 149.0, 227.0), "186 -37 +41"),
        ((1.0e-6, 1.0e-6, 1.0e-6), "1e-06"),
    ],
)
def test_a_line_has_one_number_format(flux, said):
    """Oracle: the digits by hand; the limit, three times the flux, has those of the flux."""
    median, lower, upper = flux
    one = ParameterSummary(median, 1.0, lower, median, upper, "ct / s", 1.0, 1.0)
    other = ParameterSummary(3.0, 1.0, 2.9, 3.0, 3.1, "pixel", 1.0, 1.0)
    parameters = {"flux": one, "x_pos": other, "y_pos": other, "psf_width": other}
    detection = {"det_like": 1.0, "ln_bayes_factor": 1.0, "flux_ul95": 3 * median}
    line = FitSummary("s", "GaussianPSF", "nuts", parameters, 9.0, 1.0, 0, 0.0, detection, ()).line()
    assert f"flux {said} ct / s, x 3.00 -0.10 +0.10, " in line
    limit = line.partition("95 % limit there ")[2].partition(" ct / s")[0]
    assert float(limit) == pytest.approx(3 * median, rel=1e-3)
    first = said.split()[0]
    assert ("e" in limit, len(limit.partition(".")[2])) == ("e" in first, len(first.partition(".")[2]))


def test_a_cube_of_mocks_reads_back_plane_by_plane(files, capsys):
    """Oracle: the array in the file, by astropy."""
    image, exposure, out = files
    run("mock", image, exposure, *POSITION, "--n", 3, "--out", out / "m.fits")
    cube = fits.getdata(out / "m.fits")
    for plane in (1, 3):
        mock = Observation.read(f"{out / 'm.fits'}[PRIMARY,{plane}]", f"{out / 'm.fits'}[EXPOSURE]")
        np.testing.assert_array_equal(mock.counts, cube[plane - 1])
        assert mock.origin == (103, 53)
        assert mock.name == "mock of small x=110.6 y=61.2"
        assert mock.exposure_unit == "s"


def test_a_calibration_goes_on_and_says_so(files, monkeypatch, capsys):
    """The calibration itself is not run."""
    image, exposure, out = files
    out.mkdir()
    (out / "calibration.partial.npz").touch()

    def interrupted(*_, resume, **__):
        assert resume == out / "calibration.partial.npz"
        raise KeyboardInterrupt

    monkeypatch.setattr("pgm_mock.calibration.calibrate", interrupted)
    run("calibrate", image, exposure, *POSITION, "--out", out, status=1)
    told = capsys.readouterr().err.splitlines()
    assert f"going on from what an earlier run kept in {out / 'calibration.partial.npz'}" in told
    assert told[-1].startswith("pgm-mock calibrate: interrupted; each 250 simulations are kept in ")


def test_graph_prints_the_factorisation(tmp_path, capsys):
    run("graph", "--out", tmp_path / "pgm.svg", "--json")
    summary = json.loads(capsys.readouterr().out)
    assert ["expected_counts", "counts"] in summary["edges"]
    assert summary["factorisation"].startswith("p(x_pos")


@pytest.mark.slow
def test_demo_tells_the_whole_story(tmp_path, capsys):
    run("demo", "--out", tmp_path / "demo", "--json")
    summary = json.loads(capsys.readouterr().out)
    made = sorted(p.name for p in (tmp_path / "demo").iterdir())
    pictures = [name for name in made if name.endswith(".png")]
    assert [name[0] for name in pictures] == list("012345678")
    assert summary["fit"]["problems"] == []
    for name, truth in summary["truth"].items():
        found = summary["fit"]["parameters"][name]
        assert abs(found["mean"] - truth) < 4 * found["sd"], name
    field = Observation.read(tmp_path / "demo" / "field.fits.gz", tmp_path / "demo" / "exposure.fits.gz")
    assert field.shape == (648, 648)
    assert 2e4 < field.counts.sum() < 8e4
    assert 0.3 < np.mean(field.exposure > 0) < 0.4


class Server:
    """A local archive that can be told to send damaged files, and that remembers what it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        self.damage = lambda content: content
        server = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self):
                server.asked.append(self.path)
                path = folder / self.path.lstrip("/")
                if not path.is_file():
                    self.send_error(404)
                    return
                content = path.read_bytes()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(server.damage(content))

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
        self.url = f"http://127.0.0.1:{self.http.server_port}/"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def server(real_files):
    serving = Server(real_files[0].parent)
    yield serving
    serving.http.shutdown()
    serving.http.server_close()


class TestFetch:
    def names(self):
        return sorted(file.name for file in download.archive_files()[1])

    def test_end_to_end(self, server, real_files, tmp_path, capsys):
        out = tmp_path / "deep" / "a1835"
        run("fetch", "--out", out, "--base-url", server.url)
        assert sorted(path.name for path in out.iterdir()) == self.names()
        assert (out / real_files[0].name).read_bytes() == real_files[0].read_bytes()
        assert capsys.readouterr().out.count("verified") == 3
        assert len(server.asked) == 3
        run("fetch", "--out", out, "--base-url", "http://127.0.0.1:9/")
        assert len(server.asked) == 3
        (out / real_files[0].name).write_bytes(b"damaged")
        run("fetch", "--out", out, "--base-url", server.url)
        assert len(server.asked) == 4
        assert (out / real_files[0].name).read_bytes() == real_files[0].read_bytes()

    @pytest.mark.parametrize("damage", [lambda c: c[:1000], lambda c: b"x" + c[1:]], ids=["broken off", "altered"])
    def test_nothing_damaged_is_kept(self, server, tmp_path, capsys, damage):
        server.damage = damage
        run("fetch", "--out", tmp_path, "--base-url", server.url, status=1)
        assert list(tmp_path.iterdir()) == []
        assert capsys.readouterr().err.count("\n") == 1
        server.damage = lambda content: content
        run("fetch", "--out", tmp_path, "--base-url", server.url)
        assert sorted(path.name for path in tmp_path.iterdir()) == self.names()

    def test_no_server_and_no_file(self, server, tmp_path, capsys):
        run("fetch", "--out", tmp_path, "--base-url", "http://127.0.0.1:9/", status=1)
        run("fetch", "--out", tmp_path, "--base-url", server.url + "elsewhere", status=1)
        err = capsys.readouterr().err.splitlines()
        assert len(err) == 2
        assert all("cannot be downloaded" in line for line in err)
        assert list(tmp_path.iterdir()) == []


def test_a_component_by_its_name(files, tmp_path, capsys):
    """Its parameters are in the mocks' table; a name that is none is told with what there is."""
    image, exposure, out = *files[:2], tmp_path / "mocks.fits"
    command = ["mock", image, exposure, *POSITION, "--n", "2", "--out", out]
    run(*command, "--component", "extended")
    with fits.open(out) as hdus:
        assert {"extended_core", "extended_beta", "flux"} <= set(hdus["PARAMETERS"].columns.names)
    run(*command, "--component", "extend", status=2)
    assert "component: expected extended, cluster, found 'extend'; did you mean extended?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--false-per-field", "-1"], "--false-per-field: expected a number above 0 and up to 100, found -1.0"),
        (["--mocks", "0"], "--mocks: expected at least 1, found 0"),
        (["--threshold", "1"], "--threshold: expected a ln likelihood ratio of at least 3, found 1.0"),
    ],
)
@pytest.mark.parametrize("name", ["detect", "sensitivity"])
def test_a_search_names_its_options_and_leaves_nothing(name, arguments, said, tmp_path, capsys):
    out = tmp_path / "out"
    assert main([name, "image.fits", "exposure.fits", *arguments, "--out", str(out)]) == 2
    assert capsys.readouterr().err.strip() == f"pgm-mock {name}: {said}"
    assert not out.exists()


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({"posterior": xarray.Dataset({"offset_east": 0.0})}, "expected a fit of one image, found one of several"),
        ({"posterior": xarray.Dataset({"flux": 0.0})}, "expected a file of `pgm-mock fit`, found one without"),
        ({"other": xarray.Dataset({"flux": 0.0})}, "expected a file of `pgm-mock fit`, found one without"),
    ],
)
def test_a_check_says_what_a_file_is_not(groups, said, tmp_path, capsys):
    nothing = {name: xarray.Dataset({"counts_a": 0.0}) for name in ("observed_data", "constant_data")}
    xarray.DataTree.from_dict(groups | nothing).to_netcdf(tmp_path / "one.nc", engine="h5netcdf")
    run("check", tmp_path, status=2)
    assert f"pgm-mock check: {tmp_path}/one.nc: {said}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([*POSITION, "--background", "1e-4"], "--background: expected --catalog beside it, found none"),
        ([*POSITION, "--extended", "1,2,3,4,1"], "--extended: expected --catalog beside it, found none"),
        (["--catalog", "nowhere.ecsv", "--set", "flux=1"], "--set: expected no --catalog beside it, found one"),
        (["--catalog", "nowhere.ecsv", "--x", "3"], "--x: expected no --catalog beside it, found one"),
        (["--catalog", "nowhere.ecsv"], "nowhere.ecsv: expected a table, found no such file"),
    ],
)
def test_a_mock_refuses_what_it_would_not_use(words, said, files, tmp_path, capsys):
    image, exposure, _ = files
    run("mock", image, exposure, *words, "--out", str(tmp_path / "mocks.fits"), status=2)
    assert capsys.readouterr().err.splitlines()[-1] == f"pgm-mock mock: {said}"
    assert not (tmp_path / "mocks.fits").exists()


@pytest.mark.parametrize(
    ("command", "message", "said"),
    [
        ("catalog", "chunk_size: expected at least 1, found 0", "--chunk: expected at least 1, found 0"),
        ("field", "clusters: expected places, found none", "--cluster: expected places, found none"),
        ("fit", "component: expected extended, found 'x'", "--component: expected extended, found 'x'"),
        (
            "detect",
            "threshold: expected no false_per_field, found both",
            "--threshold: expected no --false-per-field, found both",
        ),
        (
            "plan",
            "off_axis: published as one; a larger half_size",
            "--off-axis: published as one; a larger --half-size",
        ),
        ("plan", "exposure: expected a unit of time, found cm2", "exposure: expected a unit of time, found cm2"),
        ("fit", "/data/half_size/a.fits: expected half_size.fits", "/data/half_size/a.fits: expected half_size.fits"),
    ],
)
def test_messages_name_options_as_they_are_typed(command, message, said):
    commands = next(action for action in make_parser()._actions if action.choices)
    assert with_option_names(message, commands.choices[command]) == said


@pytest.mark.parametrize(("name", "least"), [("catalog", "0 or at least 100"), ("calibrate", "at least 20")])
def test_a_number_of_images_too_small_is_named_as_it_was_typed(name, least, files, tmp_path, capsys):
    image, exposure, _ = files
    place = ["--regions", str(tmp_path / "one.txt")] if name == "catalog" else POSITION
    (tmp_path / "one.txt").write_text("30 30 5\n")
    run(name, image, exposure, *place, "--n", "3", "--out", str(tmp_path / "out"), status=2)
    assert f"pgm-mock {name}: --n: expected {least}, found 3" in capsys.readouterr().err


@pytest.mark.slow
def test_a_small_field_says_how_many_mocks_it_wants(files, capsys):
    """Oracle: the error of the number told falls as the root of the number of mocks."""
    image, exposure, out = files
    run("detect", image, exposure, "--out", out, "--mocks", "2", "--no-catalog", "--psf", "gaussian")
    told = re.search(r"known to (\d+)%; --mocks (\d+) tells it to 30%", capsys.readouterr().err)
    error, more = float(told[1]) / 100, int(told[2])
    assert error > 0.6
    assert more == pytest.approx(2 * (error / 0.3) ** 2, rel=0.05)
