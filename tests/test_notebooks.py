"""The notebooks run, and the homework's answers are right. Oracle: brute force in NumPy and SciPy.

What executes notebooks takes seconds to import, and is imported where it is used.
"""

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path

import numpy as np
import pytest
from scipy import special, stats

import pgm_mock
from pgm_mock import plot
from pgm_mock.cli import main
from pgm_mock.resources import archive_files
from tests.conftest import IMAGE, ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def execute(path: Path, folder: Path, data: Path | None = None):
    """Run a notebook in an empty folder, on the real files where their folder is given."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    if data is not None:
        first = next(cell for cell in notebook.cells if "DATA = None" in cell.source)
        first.source = first.source.replace("DATA = None", f"DATA = {str(data)!r}")
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    return client.execute()


def outputs(notebook: dict) -> list[dict]:
    return [output for cell in notebook["cells"] if cell["cell_type"] == "code" for output in cell["outputs"]]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_from_top_to_bottom_without_a_warning(path, tmp_path):
    done = execute(path, tmp_path)
    assert [
        output for output in outputs(done) if output["output_type"] == "error" or output.get("name") == "stderr"
    ] == []
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_with_outputs_and_without_places(path):
    notebook = json.loads(path.read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert any("image/png" in output.get("data", {}) for output in outputs(notebook))
    assert "DATA = None" in path.read_text()
    assert not re.search(r"/(home|root|tmp|work)/", path.read_text())
    assert path.stat().st_size < 1_000_000
    for cell in code:
        source, metadata = "".join(cell["source"]), cell["metadata"]
        assert "import pgm_mock._" not in source
        folded = metadata.get("jupyter", {}).get("source_hidden", False)
        assert folded == source.startswith("# Solution") == ("solution" in metadata.get("tags", []))


def test_the_table_names_every_notebook_and_what_exists():
    text = (ROOT / "notebooks" / "README.md").read_text()
    assert set(re.findall(r"\]\((\d\d_[a-z_]+\.ipynb)\)", text)) == {path.name for path in NOTEBOOKS}
    for line in text.split("|---|---|---|\n")[1].splitlines():
        for name in re.findall(r"`([^`]+)`", line.split("|")[3]):
            if name.startswith("pgm-mock "):
                with pytest.raises(SystemExit, match="0"):
                    main([name.split()[1], "--help"])
            elif name.startswith("plot."):
                assert callable(getattr(plot, name.removeprefix("plot.")))
            elif name.startswith((".", "Observation.")):
                assert name.split(".")[-1] in [*dir(pgm_mock.Observation), "counts", "exposure"]
            else:
                assert attrgetter(name)(pgm_mock)


@pytest.fixture(scope="module")
def answers(real_files, tmp_path_factory):
    """The three answers of the homework, from the notebook run on the real files."""
    path = next(path for path in NOTEBOOKS if path.stem == "03_homework_grids")
    done = execute(path, tmp_path_factory.mktemp("homework"), Path(real_files[0]).parent)
    (cell,) = [cell for cell in done.cells if "answers" in cell.metadata.get("tags", [])]
    return json.loads(cell.outputs[0].text)


def fractions(ramp, centre, width):
    """The Gaussian's integral over each pixel of a ramp."""
    edges = np.append(ramp - 0.5, ramp[-1] + 0.5)
    return np.diff(special.ndtr((edges - centre) / width))


def brute_hdi(x, density, share=0.68):
    """The mode, and the smallest and largest of the points that together hold the share, from the highest down."""
    order = np.argsort(density)[::-1]
    weight = density * np.gradient(x)
    held = np.cumsum(weight[order]) / weight.sum()
    inside = x[order[: np.searchsorted(held, share) + 1]]
    return x[np.argmax(density)], inside.min(), inside.max()


def agrees(told, x, density):
    """The mode within one step of the grid, the interval's ends within two."""
    mode, low, high = brute_hdi(x, density)
    step = x[1] - x[0]
    assert abs(told["mode"] - mode) <= step
    np.testing.assert_allclose(told["hdi"], [low, high], atol=2 * step)


@pytest.mark.slow
def test_forced_photometry_is_brute_forces(real, answers):
    stamp = real.stamp(271, 216)
    light = np.outer(fractions(stamp.rows[:, 0], 216, 1.5), fractions(stamp.columns[0], 271, 1.5))
    flux = np.linspace(0, 0.006, 1000)
    exposed = stamp.exposure > 0
    logs = [
        stats.poisson.logpmf(stamp.counts, stamp.exposure * (f * light + answers["background"]))[exposed].sum()
        for f in flux
    ]
    agrees(answers["forced"], flux, np.exp(np.array(logs) - max(logs)))


@pytest.mark.slow
def test_flux_and_width_are_brute_forces(real, answers):
    stamp = real.stamp(271, 216)
    exposed = stamp.exposure > 0
    counts, exposure = stamp.counts[exposed], stamp.exposure[exposed]
    flux, widths = np.linspace(0, 0.006, 1000), np.linspace(0.2, 2.6, 1000)[::4]
    logs = np.empty((len(flux), len(widths)))
    for number, width in enumerate(widths):
        light = np.outer(fractions(stamp.rows[:, 0], 216, width), fractions(stamp.columns[0], 271, width))[exposed]
        mean = exposure * (flux[:, None] * light + answers["background"])
        logs[:, number] = stats.norm.logpdf(width, 1.0, 0.3) + (counts * np.log(mean) - mean).sum(axis=1)
    agrees(answers["flux and width"], flux, np.exp(logs - logs.max()).sum(axis=1))


@pytest.mark.slow
def test_all_five_are_brute_forces(real, answers):
    """24 million points in NumPy, on the pixels that have counts."""
    stamp = real.stamp(271, 216)
    ranges = {"x": (269, 273), "y": (214, 218), "flux": (2e-4, 6e-3), "background": (3e-6, 1.2e-5), "width": (0.5, 3.2)}
    x, y, flux, background, width = (np.linspace(*ends, 30) for ends in ranges.values())
    row, column = np.nonzero(stamp.counts)
    counts, exposure = stamp.counts[row, column], stamp.exposure[row, column]
    typical = np.median(stamp.exposure[stamp.exposure > 0])
    log_prior = stats.lognorm.logpdf(flux, 2.0, scale=30 / typical)[:, None] + stats.lognorm.logpdf(
        background, 1.5, scale=0.1 / typical
    )
    marginal = np.zeros(30)
    for w in width:
        columns, rows = [fractions(stamp.columns[0], c, w) for c in x], [fractions(stamp.rows[:, 0], c, w) for c in y]
        for x_pos, across in zip(x, columns, strict=True):
            for y_pos, down in zip(y, rows, strict=True):
                total = flux[:, None] * (down @ stamp.exposure @ across) + background * stamp.exposure.sum()
                light = exposure * down[row] * across[column]
                mean = flux[:, None, None] * light + background[:, None] * exposure
                log = (np.log(mean) @ counts) - total + log_prior
                log += stats.norm.logpdf(x_pos, 271, 2) + stats.norm.logpdf(y_pos, 216, 2)
                log += stats.lognorm.logpdf(w, 0.5, scale=1.5)
                marginal += np.exp(log + 200).sum(axis=1)  # the peak is near -200, up to a constant
    assert np.isfinite(marginal).all()
    assert marginal.max() > 0
    agrees(answers["all five"], flux, marginal)


@contextmanager
def served(notebook: Path):
    """Serve a notebook with a living kernel, and give its address."""
    port = 8971
    command = [sys.executable, "-m", "voila", str(notebook), "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            address = f"http://127.0.0.1:{port}/"
            for _ in range(120):
                try:
                    urllib.request.urlopen(f"{address}voila/static/", timeout=2).close()
                except urllib.error.HTTPError:
                    break
                except OSError:
                    time.sleep(0.5)
                else:
                    break
            yield address
        finally:
            server.terminate()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the browser's driver
def test_the_widget_in_a_browser(tmp_path):
    """Drag a slider in Chromium: the picture and the parameters change."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("Chromium is not here: install the packages chromium and chromium-driver")
    import nbformat
    from selenium import webdriver
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    code = (
        "import pgm_mock\n"
        "stamp = pgm_mock.demo_observation().stamp(x=271, y=216)\n"
        "pgm_mock.play_widget(stamp, pgm_mock.Priors.default(stamp, x=271, y=216))"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbformat.write(notebook, tmp_path / "play.ipynb")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    flags = "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking disable-sync"
    for flag in [*flags.split(), "window-size=1100,900", f"user-data-dir={tmp_path / 'profile'}"]:
        options.add_argument(f"--{flag}")
    with served(tmp_path / "play.ipynb") as address:
        browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
        try:
            browser.get(address)
            wait = WebDriverWait(browser, 90)
            wait.until(lambda b: len(b.find_elements(By.CSS_SELECTOR, ".noUi-handle")) == 6)
            line = browser.find_element(By.CSS_SELECTOR, "input[type=text]")
            picture = browser.find_element(By.CSS_SELECTOR, "img.widget-image, .widget-image img")
            before = line.get_property("value"), picture.get_attribute("src")
            assert before[0].startswith("pars = {")
            handle = browser.find_elements(By.CSS_SELECTOR, ".noUi-handle")[2]
            for _ in range(40):
                handle.send_keys(Keys.ARROW_UP)
            wait.until(lambda _: line.get_property("value") != before[0])
            wait.until(lambda _: picture.get_attribute("src") != before[1])
            assert flux(line.get_property("value")) > 2 * flux(before[0])
            (_, best) = browser.find_elements(By.CSS_SELECTOR, "button.widget-button")
            best.click()
            wait.until(lambda _: abs(flux(line.get_property("value")) / 0.00274 - 1) < 0.01)
            browser.save_screenshot(str(tmp_path / "play.png"))
        finally:
            browser.quit()


def flux(line: str) -> float:
    return float(re.search(r'"flux": ([\d.e+-]+)', line)[1])


def test_the_real_files_have_the_names_of_the_example():
    assert archive_files()[1][0].name == IMAGE
