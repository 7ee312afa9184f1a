"""The commands, as a user runs them: exit status, one line on stderr, JSON, and the files that they leave."""

import functools
import http.server
import json
import subprocess
import sys
import threading
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable

from pgm_mock import Observation, download
from pgm_mock.cli import main


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
        (("fit", image, exposure, "--out", out), "pgm-mock fit: expected a position, --x X --y Y, found none\n"),
        (
            ("mock", image, exposure, *POSITION, "--set", "flux"),
            "pgm-mock mock: --set: expected NAME=VALUE with a name of",
        ),
        (
            ("mock", image, exposure, *POSITION, "--set", "flux=a"),
            "pgm-mock mock: --set flux: expected a number, found 'a'\n",
        ),
        (("mock", image, exposure, *POSITION, "--n", 0), "pgm-mock mock: num_samples: expected at least 1, found 0\n"),
        (("graph", "--out", tmp_path / "g.doc"), f"pgm-mock graph: {tmp_path / 'g.doc'}: expected a name that ends in"),
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
        "36,174",
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
    assert (summary["counts"], summary["telescope"], summary["warnings"]) == (36_174, "XMM EMOS2", [])


def test_info_repeats_warnings(files, capsys):
    image, exposure, _ = files
    fits.writeto(image, np.ones((21, 21)), overwrite=True)
    run("info", image, exposure, "--json")
    (warning,) = json.loads(capsys.readouterr().out)["warnings"]
    assert "21 counts on pixels without exposure" in warning


def test_mock_writes_a_cube_with_its_parameters(files, capsys):
    image, exposure, out = files
    out.mkdir()
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
    assert [int(plane.sum()) for plane in cube] == summary["counts"]
    assert np.all(table["flux"].value == 0.01)
    assert str(table["flux"].unit) == "ct / s"
    assert len(set(table["x_pos"].value)) == 12
    run("mock", image, exposure, *POSITION, "--n", 12, "--set", "flux=0.01", "--seed", 4, "--out", out / "again.fits")
    np.testing.assert_array_equal(fits.getdata(out / "again.fits"), cube)
    assert sorted(p.name for p in out.iterdir()) == ["again.fits", "m.fits"]


def test_fit_of_a_list_writes_each_and_goes_on_past_a_bad_one(files, tmp_path, capsys):
    image, exposure, out = files
    regions = tmp_path / "sources.txt"
    regions.write_text("110.6 61.2 4\n900 900 3\n105 55 3\n")
    run("fit", image, exposure, "--regions", regions, "--half-size", 8, "--out", out, "--json")
    said = capsys.readouterr()
    summary = json.loads(said.out)
    assert [source["name"] for source in summary["sources"]] == ["small x=110.6 y=61.2", "small x=105 y=55"]
    assert "source 2: stamp at x=900, y=900: expected some exposure" in said.err
    expected = {f"{n}{suffix}" for n in (1, 3) for suffix in (".nc", "_corner.png", "_image.png")}
    assert {p.name for p in out.iterdir()} == expected
    assert matplotlib.image.imread(out / "1_corner.png").std() > 0.02


def test_what_a_command_does_not_know_is_said_by_that_command(files, capsys):
    image, exposure, _ = files
    with pytest.raises(SystemExit, match="2"):
        main(["fit", image, exposure, "--outt", "a"])
    told = capsys.readouterr().err
    assert told == "pgm-mock fit: unrecognized arguments: --outt a (see pgm-mock fit --help)\n"


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
    assert "expected either --x X --y Y or --regions FILE, found both" in capsys.readouterr().err


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
