"""Hostile input: whatever it is, one clear line of bounded length, status 2, no traceback; or it is used.

Oracles: the exit status, the lines on stderr, and Python's `str.isprintable`; for quantiles NumPyro's own distribution
functions.
"""

import os
import warnings
from pathlib import Path

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
from astropy.table import Table
from astropy.wcs import WCS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgm_mock import DataWarning, InputError, Observation, Priors, read_regions
from pgm_mock.cli import main
from pgm_mock.cli.fit import _file_names
from pgm_mock.distributions import FAMILIES, TruncatedNormal
from pgm_mock.errors import one_line, shown
from pgm_mock.files import file_names, output_folder, replacing
from pgm_mock.priorbounds import check_against, quantiles_of
from pgm_mock.regions import Region

from . import hostile_fits, hostile_tables, hostile_text

SAID = ("warning: ", "note: ", "simulating ", "measuring ", "checking ", "a grid of ", "PSF")
LONGEST = 500
NOWHERE = "/dev/null/nowhere"
"""A folder that cannot be made: what could be read ends here, before anything is computed."""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a good image, exposure map and catalogue of 9 x 9 pixels."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "image.fits").write_bytes(hostile_fits.GOOD)
    (folder / "exposure.fits").write_bytes(hostile_fits.image(hostile_fits.ONES * 5000))
    Table({"X_IMA": [5.0], "Y_IMA": [5.0], "RATE": [0.01]}).write(folder / "table.ecsv")
    return folder


@pytest.fixture
def attempt(place, capsys):
    """Run a command on bad input; see that what it says is one clear line, and return the status and that line."""

    def run(*arguments: str, path: str = "") -> tuple[int, str]:
        names = {"IMAGE": "image.fits", "EXPOSURE": "exposure.fits", "TABLE": "table.ecsv", "OUT": "out"}
        for name, file in names.items():
            arguments = tuple(
                str(place / file)
                if word == name
                else word.replace(f"={name}", f"={place / file}").replace(f"{name}[", f"{place / file}[")
                for word in arguments
            )
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            try:
                status = main([path if word == "PATH" else word for word in arguments])
            except SystemExit as left:
                status = left.code
        out, err = capsys.readouterr()
        *lines, rest = err.split("\n")
        assert rest == ""
        clear = [line for line in lines if line.startswith("pgm-mock")]
        assert status in (0, 2)
        assert len(clear) == (status == 2), err
        assert all(line.startswith(SAID) for line in lines if line not in clear)
        assert max(map(len, lines), default=0) <= LONGEST
        assert max(map(len, out.split("\n"))) <= 10 * LONGEST
        assert all(line.isprintable() for line in [*lines, *out.split("\n")])
        return status, "".join(clear)

    return run


@pytest.mark.parametrize("name", hostile_fits.FILES)
def test_odd_images(attempt, tmp_path, name):
    odd = tmp_path / "odd.fits"
    odd.write_bytes(hostile_fits.FILES[name])
    status, line = attempt("info", "PATH", "EXPOSURE", path=str(odd))
    assert status == 0 if name in hostile_fits.FINE else status == 0 or "odd.fits" in line


@pytest.mark.parametrize("name", hostile_fits.EXPOSURES)
def test_odd_exposure_maps(attempt, tmp_path, name):
    odd = tmp_path / "odd.fits"
    odd.write_bytes(hostile_fits.EXPOSURES[name])
    attempt("info", "IMAGE", "PATH", path=str(odd))


OPTIONS = hostile_text.options()


@pytest.mark.parametrize("name", OPTIONS)
def test_odd_options(attempt, name):
    attempt(*OPTIONS[name])


@pytest.mark.parametrize("use", hostile_text.USES)
@pytest.mark.parametrize("name", hostile_text.PATHS)
def test_odd_paths(attempt, tmp_path, use, name):
    (tmp_path / "image.fits").write_bytes(hostile_fits.GOOD)
    arguments = [NOWHERE if word == "OUT" else word for word in hostile_text.USES[use]]
    status, _ = attempt(*arguments, path=hostile_text.PATHS[name](tmp_path))
    assert status == 2 or (use, name) == ("priors", "empty")


PRIORS = hostile_text.priors()


@pytest.mark.parametrize("name", PRIORS)
def test_odd_priors(attempt, tmp_path, name):
    odd, content = tmp_path / "odd.toml", PRIORS[name]
    odd.write_bytes(content if isinstance(content, bytes) else content.encode())
    mock = ("mock", "IMAGE", "EXPOSURE", *hostile_text.AT, "--n", "1", "--out", NOWHERE)
    status, line = attempt(*mock, "--priors", "PATH", path=str(odd))
    assert status == 2
    assert "odd.toml: " in line


REGIONS = hostile_text.regions()


@pytest.mark.parametrize("name", REGIONS)
def test_odd_regions(attempt, tmp_path, name):
    odd, content = tmp_path / "odd.reg", REGIONS[name]
    odd.write_bytes(content if isinstance(content, bytes) else content.encode())
    status, line = attempt("catalog", "IMAGE", "EXPOSURE", "--out", NOWHERE, "--regions", "PATH", path=str(odd))
    assert status == 2
    assert "odd.reg: " in line or name in hostile_text.USABLE_REGIONS


@pytest.mark.parametrize("name", hostile_tables.FILES_OF_SOURCES)
def test_odd_tables_of_sources(attempt, tmp_path, monkeypatch, name):
    """Nothing is opened but the file; where it can be read, none of its sources is in the image, which has no WCS."""
    odd = tmp_path / "odd.list"
    odd.write_bytes(hostile_tables.FILES_OF_SOURCES[name])
    monkeypatch.setattr("urllib.request.urlopen", None)
    status, line = attempt("catalog", "IMAGE", "EXPOSURE", "--out", NOWHERE, "--regions", "PATH", path=str(odd))
    assert status == 2
    assert "odd.list" in line
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        _, said = outcome(read_regions, odd, on_the_sky())
    assert said.startswith(f"{odd}") or name in ("a column of two cases",)


def on_the_sky() -> Observation:
    """An image with a WCS, far from 210 degrees."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.cdelt = ["RA---TAN", "DEC--TAN"], [30.0, 2.0], [-0.001, 0.001]
    return Observation(counts=np.zeros((9, 9)), exposure=np.ones((9, 9)), wcs=wcs)


ECSV = "# %ECSV 1.0\n# ---\n# datatype:\n" + "".join(
    f"# - {{name: {name}, datatype: float64}}\n" for name in ("X_IMA", "Y_IMA", "RATE")
)
TABLES_OF_SOURCES = {
    "nothing": b"",
    "NUL": bytes(500),
    "a column without a name": ECSV.replace("name: X_IMA, ", "").encode() + b"Y_IMA RATE\n5 1\n",
    "another column": ECSV.replace("name: X", "nome: X").encode() + b"X_IMA Y_IMA RATE\n5 5 1\n",
    "deep YAML": ECSV.encode() + b"# meta: " + b"[" * 500 + b"\nX_IMA Y_IMA RATE\n5 5 1\n",
    "words": ECSV.encode() + b"X_IMA Y_IMA RATE\na b c\n",
    "a flux of 1e300": ECSV.encode() + b"X_IMA Y_IMA RATE\n5 5 1e300\n",
    "a place of nan": ECSV.encode() + b"X_IMA Y_IMA RATE\nnan 5 1\n",
    "a picture": hostile_fits.FILES["a picture"],
    "a table of nonsense": hostile_fits.FILES["a table of nonsense"],
    "an image": hostile_fits.GOOD,
}


@pytest.mark.parametrize("name", TABLES_OF_SOURCES)
@pytest.mark.parametrize("suffix", [".ecsv", ".fits"])
def test_odd_catalogues(attempt, tmp_path, name, suffix):
    odd = tmp_path / f"odd{suffix}"
    odd.write_bytes(TABLES_OF_SOURCES[name])
    mock = ("mock", "IMAGE", "EXPOSURE", "--n=1", "--background=1e-5", "--out", NOWHERE)
    assert attempt(*mock, "--catalog", "PATH", path=str(odd))[0] == 2


@pytest.mark.parametrize("content", [b"", b"nothing", b"\x89HDF\r\n\x1a\n" + bytes(3000)])
def test_odd_fits_to_check(attempt, tmp_path, content):
    (tmp_path / "a.nc").write_bytes(content)
    status, line = attempt("check", "PATH", path=str(tmp_path))
    assert status == 2
    assert line.endswith("a.nc: expected a file of `pgm-mock fit`, found something else")


def test_the_sets_are_as_large_as_they_should_be():
    sets = (hostile_fits.FILES, OPTIONS, hostile_text.PATHS, PRIORS, REGIONS)
    wanted = (100, 100, 60 // len(hostile_text.USES), 150, 100)
    assert all(len(one) >= least for one, least in zip(sets, wanted, strict=True))


@given(st.text(), st.integers(60, 500))
def test_any_text_becomes_one_line(text, most):
    line = one_line(text * 50, most)
    assert line.isprintable()
    assert len(line) <= most
    assert one_line(text).startswith(text[:50] if text[:50].isprintable() else "")


def test_a_long_message_keeps_both_ends():
    message = str(InputError("/a" * 500_000 + "/name.fits: no such file"))
    assert message.startswith("/a/a/a")
    assert message.endswith("/name.fits: no such file")
    assert len(message) <= 400


def test_what_python_cannot_write_is_named():
    assert shown(16**5000) == "a value of type int that is too long to be shown"
    assert shown("a\nb") == r"'a\nb'"
    assert str(DataWarning("a\nwarning: b")) == r"a\nwarning: b"


NAMES = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=300), max_size=8)


@given(NAMES)
def test_files_are_named_apart(names):
    found = file_names(names)
    assert len({name.casefold() for name in found}) == len(names)
    for name in found:
        assert name
        assert not set(name) & set("/\\\0\n ")
        assert name not in (".", "..")
        assert len(f"{name}_corner.png".encode()) <= 255


def test_two_sources_never_share_a_file():
    regions = [Region(name, 1.0, 1.0, 1.0) for name in ("a_b", "a b", "A/B", "c_grid")]
    assert _file_names(regions) == ["a_b", "a_b_2", "A_B_3", "c_grid_source"]


def test_places_that_cannot_be_written_to(tmp_path):
    for bad in (tmp_path, tmp_path / "none" / "x", tmp_path / ("a" * 300), "\0", "/a" * 5000):
        with pytest.raises(InputError, match=r"cannot be written|found a folder"), replacing(bad):
            pass
    for bad in (tmp_path / ("a" * 300), "\0", "/dev/null/x", hostile_text.PATHS["a loop"](tmp_path)):
        with pytest.raises(InputError, match="expected a folder that can be written to"):
            output_folder(bad)
    assert os.listdir(tmp_path) == ["loop"]


def test_a_name_of_the_greatest_length_is_written(tmp_path):
    path = tmp_path / ("a" * 250 + ".txt")
    with replacing(path) as temporary:
        temporary.write_text("x")
    assert path.read_text() == "x"


@pytest.fixture(scope="module")
def nine() -> Observation:
    """An image of 9 x 9 pixels that begins at (11, 21), of 1000 s."""
    return Observation(counts=np.zeros((9, 9)), exposure=np.full((9, 9), 1000.0), origin=(11, 21))


QUANTILES = [
    dist.Normal(3.0, 2.0),
    dist.LogNormal(-1.0, 0.5),
    dist.Uniform(-1.0, 4.0),
    dist.HalfNormal(3.0),
    dist.Exponential(4.0),
    dist.Gamma(2.5, 4.0),
    dist.InverseGamma(2.5, 4.0),
    dist.Chi2(3.0),
    dist.Beta(2.0, 3.0),
    dist.StudentT(3.0, 1.0, 2.0),
    dist.Weibull(2.0, 1.5),
    dist.Kumaraswamy(2.0, 3.0),
    dist.LogUniform(0.1, 7.0),
    dist.TruncatedNormal(1.0, 2.0, low=0.5),
    TruncatedNormal(dist.Normal(1.0, 2.0), -0.5, 4.0),
]


@pytest.mark.parametrize("prior", QUANTILES, ids=lambda prior: type(prior).__name__)
def test_quantiles_are_those_of_the_distribution(prior):
    """Oracle: NumPyro's distribution function, or its draws within 5 standard errors where it has none."""
    at = np.array([0.05, 0.16, 0.5, 0.84, 0.95])
    try:
        found = np.asarray(prior.cdf(quantiles_of(prior, at)))
        assert found == pytest.approx(at, abs=1e-6)
    except NotImplementedError:
        draws = np.asarray(prior.sample(jax.random.key(1), (40_000,)))
        shares = (draws[:, None] <= quantiles_of(prior, at)).mean(axis=0)
        assert np.all(np.abs(shares - at) < 5 * np.sqrt(at * (1 - at) / len(draws)))


def test_default_priors_have_to_do_with_any_image(nine, stamp):
    for observation in (nine, stamp):
        check_against(observation, Priors.default(observation))


@pytest.mark.parametrize(
    ("name", "prior", "message"),
    [
        (
            "x_pos",
            dist.Normal(15.0, 1e6),
            "x_pos: expected a prior with mass in the image, 11 to 19; it has none",
        ),
        (
            "y_pos",
            dist.Normal(500.0, 1.0),
            "y_pos: .* mass in the image, 21 to 29; .* median is 500",
        ),
        ("x_pos", 1e6, r"x_pos: expected a value near the image, 11 to 19, found 1e\+06"),
        (
            "flux",
            dist.LogNormal(30.0, 1.0),
            r"flux: expected a prior of .* a median of 1.07e\+13, 1.07e\+16",
        ),
        ("flux", dist.LogNormal(0.0, 1e-30), "flux: expected a prior with a width, or a number for a fixed value"),
        ("flux", dist.LogNormal(0.0, 1e300), "flux: expected a prior with finite quantiles"),
        ("flux", dist.Gamma(0.01, 1.0), "flux: expected a prior over less than 30 powers of ten"),
        ("flux", 1e20, "flux: expected a prior of 1e-09 to 1e"),
        ("background", dist.HalfNormal(1e10), "background: expected a prior of"),
        ("psf_width", dist.LogNormal(100.0, 1.0), "psf_width: expected a width of 1e-06 to 900 pixels"),
        ("background_dx", dist.Normal(0.0, 1e3), "background_dx: expected a gradient"),
    ],
)
def test_priors_that_have_nothing_to_do_with_the_image(nine, name, prior, message):
    with pytest.raises(InputError, match=message):
        check_against(nine, Priors.default(nine).replace(**{name: prior}))


def test_a_doubtful_position_is_said(nine):
    priors = Priors.default(nine).replace(x_pos=dist.Uniform(0.0, 100.0))
    with pytest.warns(DataWarning, match=r"x_pos: only 9.0% of the prior lies in the image, 11 to 19"):
        check_against(nine, priors)
    check_against(nine, priors, doubts=False)
    check_against(nine, Priors.default(nine).replace(flux=0.0, background=0.0))


def test_angles_are_no_positions(priors):
    for prior in (dist.VonMises(111.0, 1.0), dist.Poisson(3.0)):
        with pytest.raises(InputError, match="x_pos: expected a continuous prior on an interval of numbers"):
            priors.replace(x_pos=prior)


ARGUMENTS = {
    "AsymmetricLaplaceQuantile": {"quantile": 0.4},
    "Beta": {"concentration1": 2, "concentration0": 3},
    "BetaProportion": {"mean": 0.4, "concentration": 3},
    "Chi2": {"df": 3},
    "Dagum": {"concentration": 2, "sharpness": 2, "scale": 1},
    "DoublyTruncatedPowerLaw": {"alpha": -1.5, "low": 0.1, "high": 2},
    "Gamma": {"concentration": 2},
    "Gompertz": {"concentration": 2},
    "InverseGamma": {"concentration": 2},
    "Kumaraswamy": {"concentration1": 2, "concentration0": 3},
    "Levy": {"loc": 0, "scale": 1},
    "LogUniform": {"low": 0.1, "high": 2},
    "LowerTruncatedPowerLaw": {"alpha": -2.5, "low": 0.1},
    "Pareto": {"scale": 0.1, "alpha": 2},
    "SoftLaplace": {"loc": 0, "scale": 1},
    "StudentT": {"df": 3},
    "TruncatedCauchy": {"low": 0},
    "TruncatedNormal": {"low": 0},
    "Weibull": {"scale": 1, "concentration": 2},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_is_made_from_numbers_and_read_back(nine, tmp_path, family):
    """Its words come back as the same density."""
    at_zero = ("Laplace", "Normal", "Cauchy", "Gumbel", "Logistic", "StudentT")
    name = "background_dx" if family.endswith(at_zero) or family == "AsymmetricLaplaceQuantile" else "psf_width"
    name = "psf_width" if family.startswith(("Log", "Half", "Truncated")) and family != "Logistic" else name
    arguments = "".join(f"{key} = {value}\n" for key, value in ARGUMENTS.get(family, {}).items())
    path = tmp_path / "priors.toml"
    path.write_text(f'[{name}]\ndist = "{family}"\n{arguments}')
    priors = Priors.read(path, nine)
    again = Priors.parse(priors.describe(), priors.psf)
    assert float(again[name].log_prob(0.3)) == pytest.approx(float(priors[name].log_prob(0.3)), rel=1e-6)


def outcome(read, *arguments):
    """Return what a function gives, and what it says where it refuses."""
    try:
        return read(*arguments), ""
    except InputError as error:
        return None, str(error)


ANY = st.floats() | st.integers() | st.sampled_from(["center", "center+1", "inf", "nan", [], {}, True])
TABLES = st.fixed_dictionaries(
    {"dist": st.sampled_from(["Normal", "LogNormal", "Uniform", "Gamma", "HalfNormal", "Exponential"])},
    optional=dict.fromkeys(("loc", "scale", "low", "high", "concentration", "rate"), ANY),
)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    return repr(value).replace("{}", "{ }")


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["x_pos", "flux", "background", "psf_width"]), TABLES)
def test_any_table_is_refused_or_gives_numbers(nine, tmp_path, name, table):
    """Oracle: the quantiles of what is accepted are finite, apart, and of a size that an image can have."""
    path = tmp_path / "priors.toml"
    path.write_text(f"[{name}]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in table.items()))
    priors, said = outcome(Priors.read, path, nine)
    assert said.isprintable()
    if priors is None:
        return
    prior = priors[name]
    low, middle, high = quantiles_of(prior, np.array([0.16, 0.5, 0.84]))
    assert low < high
    assert abs(middle) < 1e12


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from("[]{}='\".,#\nx_pos flux value dist 0123456789e+-")))
def test_any_text_is_toml_or_refused(nine, tmp_path, text):
    path = tmp_path / "priors.toml"
    path.write_text(text)
    priors, said = outcome(Priors.read, path, nine)
    assert said.startswith(f"{path}: ") or set(priors) >= {"x_pos", "flux"}


PIECES = (
    *(
        "circle",
        "point",
        "box",
        "image",
        "physical",
        "fk5",
        "wcs",
        "(",
        ")",
        ",",
        ";",
        "#",
        "-",
        "+",
        "5",
        "5.5",
        "1e9",
    ),
    *("12:30:00", "nan", '"', "'", "d", "i", "p", " ", "\n", "\t", "text={", "}", "text=", "\x1b", "\u2028", "{"),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(PIECES), max_size=30))
def test_any_line_is_a_region_or_refused(nine, tmp_path, pieces):
    path = tmp_path / "sources.reg"
    path.write_text("".join(pieces), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        found, said = outcome(read_regions, path, nine)
    assert found or said.startswith(f"{path}: ")
    for region in found or ():
        assert np.isfinite([region.x, region.y]).all()
        assert region.name.isprintable()
        assert not region.radius <= 0
