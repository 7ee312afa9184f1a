"""The how-tos, run as they stand. Oracles: the truth that their mocks were drawn from, a slope's likelihood."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from pgm_mock import GaussianPSF, Scene, model_graph
from pgm_mock.demo import demo_field
from pgm_mock.scene import Pixels

FOLDER = Path(__file__).parent.parent / "notebooks" / "howto"


pytestmark = pytest.mark.usefixtures("kinds_of_before")


def blocks(name: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (FOLDER / name).read_text(encoding="utf-8"), re.DOTALL)


def run(name: str) -> dict:
    namespace: dict = {"__name__": "howto"}
    for number, block in enumerate(blocks(name)):
        exec(compile(block, f"{name}, block {number + 1}", "exec"), namespace)
    return namespace


def test_a_component_takes_at_most_twenty_lines():
    classes = [
        re.findall(r"^class .*?(?=^\S|\Z)", block, re.DOTALL | re.MULTILINE) for block in blocks("own_component.md")
    ]
    lengths = [len([line for line in one.splitlines() if line.strip()]) for found in classes for one in found]
    assert len(lengths) == 2
    assert max(lengths) <= 20


@pytest.mark.slow
@pytest.mark.long
def test_own_component():
    said = run("own_component.md")
    ring = said["table"][0]
    assert abs(ring["RING_RADIUS"].value - 8.0) < 4 * ring["RING_RADIUS_UPERR"].value
    assert ring["RING_RADIUS_UPERR"].value < 0.5
    assert not said["check"].flagged
    light = said["Ellipse"]()
    ramp = np.arange(-400.0, 401.0)
    pixels = Pixels(np.ones((801, 801)), ramp[None, :], ramp[:, None])
    values = {"ellipse_flux": 3.0, "ellipse_core": 4.0, "ellipse_ratio": 0.5, "ellipse_angle": 0.7}
    image = np.asarray(Scene((light,)).light(pixels, GaussianPSF(), values).image())
    assert image.sum() == pytest.approx(3.0, rel=0.02)  # the wings reach beyond the image
    y, x = np.mgrid[-400:401, -400:401]
    core = np.hypot(x, y) < 6
    weight = image * core
    angle = 0.5 * np.arctan2(2 * (weight * x * y).sum(), (weight * (x**2 - y**2)).sum())
    assert angle == pytest.approx(0.7, abs=0.02)


@pytest.mark.slow
@pytest.mark.long
def test_field(tmp_path, monkeypatch):
    """Oracle: the sources, the cluster and the PSF that the simulated field was made from."""
    monkeypatch.chdir(tmp_path)
    said = run("field.md")
    found, truth = said["found"], demo_field()
    assert not found.chains.problems, found.line()
    fluxes = found.flat["sources_flux"]
    below = (fluxes < truth.fluxes).mean(axis=0)
    assert stats.binom.sf(np.sum(np.abs(below - 0.5) > 0.475) - 1, len(below), 0.05) > 1e-3
    for name, value in {"cluster_core": 5.0, "cluster_beta": 0.68, "cluster_peak": 7e-3, "psf_width": 1.5}.items():
        draws = found.flat[name]
        assert abs(draws.mean() - value) < 3.5 * draws.std(), name
    assert not said["check"].sentences


@pytest.mark.slow
@pytest.mark.long
def test_population():
    """Oracle: the posterior of a Pareto slope given the true fluxes, a gamma distribution but for the prior."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        said = run("population.md")
    slope = said["slope"].values.ravel()
    fluxes = said["fluxes"]
    known = 26 / np.log(fluxes / 0.002).sum()  # the likelihood's maximum, were the fluxes known
    assert slope.mean() == pytest.approx(known, abs=3 * known / np.sqrt(26))
    found = said["posterior"]["posterior"]["neighbour_flux"].mean(("chain", "draw")).values
    bright = fluxes > 0.01
    np.testing.assert_allclose(found[bright], fluxes[bright], rtol=0.35)
    assert "p(neighbour_flux | population_slope)" in model_graph(said["field"], said["priors"]).factorisation()


@pytest.mark.slow
@pytest.mark.long
def test_number_counts(tmp_path, monkeypatch):
    """Oracle: the slope that the fluxes were drawn with, and their number above the limit."""
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        said = run("number_counts.md")
    assert said["fitted"] == pytest.approx(1.5, abs=3 * said["error"])
    above = (said["flux"] > said["least"]).sum() / said["whole"]
    counted = np.interp(-said["least"], -said["measured"][said["steps"]], said["corrected"])
    assert counted == pytest.approx(above, rel=4 / np.sqrt(above * said["whole"]))
    assert (tmp_path / "number_counts.png").stat().st_size > 10_000
    population = said["population"]
    assert population.slope.mean() == pytest.approx(1.5, abs=3.5 * population.slope.std())
    true = (said["flux"] > population.pivot).sum()
    assert population.number.mean() == pytest.approx(true, abs=3.5 * population.number.std())


@pytest.mark.slow
@pytest.mark.long
def test_several_images(tmp_path, monkeypatch):
    """Oracle: the rates that the mocks were drawn with."""
    monkeypatch.chdir(tmp_path)
    said = run("several_images.md")
    assert said["posterior"].attrs["problems"] == ""
    low, _, high = np.quantile(said["ratio"], [0.005, 0.5, 0.995])
    assert low < -0.5 < high
    logs = np.log(said["flux"].values.reshape(-1, 4))
    assert (np.abs(logs.mean(axis=0) - np.log([0.012, 0.004, 0.012, 0.004])) < 3.5 * logs.std(axis=0)).all()
    assert (tmp_path / "several_images.png").stat().st_size > 10_000
