"""The notebooks are fresh and run, and the homework's answers are right. Oracle: brute force in NumPy and SciPy.

What executes notebooks takes seconds to import, and is imported where it is used.
"""

import importlib.util
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
from pgm_mock import course, plot
from pgm_mock.cli import main
from pgm_mock.resources import archive_files
from tests.conftest import IMAGE, ROOT

SOURCES = sorted((ROOT / "notebooks" / "source").glob("*.py"))
STEMS = [path.stem for path in SOURCES]
EXERCISES = {"01_data": 6, "02_model": 7, "03_homework": 7, "04_sampling": 4, "05_calibration": 3, "06_criticism": 3}


@pytest.fixture(scope="module")
def build():
    """The script that builds the notebooks; what it imports takes seconds."""
    spec = importlib.util.spec_from_file_location("build", ROOT / "notebooks" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def written(stem, build):
    """The notebook as it is written, of which both builds are made."""
    return build.notebook_of(ROOT / "notebooks" / "source" / f"{stem}.py")


def committed(kind: str, stem: str) -> dict:
    return json.loads((ROOT / "notebooks" / kind / f"{stem}.ipynb").read_text())


def tagged(cells, tag: str) -> list:
    return [cell for cell in cells if tag in cell["metadata"].get("tags", [])]


def outputs(notebook: dict) -> list[dict]:
    return [output for cell in notebook["cells"] if cell["cell_type"] == "code" for output in cell["outputs"]]


def complaints(notebook: dict) -> list[dict]:
    """Errors, and what was written to stderr."""
    return [each for each in outputs(notebook) if each["output_type"] == "error" or each.get("name") == "stderr"]


def source_of(cell: dict) -> str:
    return "".join(cell["source"])


@pytest.mark.parametrize("stem", STEMS)
def test_the_students_notebooks_are_fresh(stem, build, written):
    made = build.student(written)
    there = committed("student", stem)
    assert [source_of(cell) for cell in there["cells"]] == [cell.source for cell in made.cells]
    assert [cell["metadata"] for cell in there["cells"]] == [cell.metadata for cell in made.cells]
    assert outputs(there) == []


@pytest.mark.parametrize("stem", STEMS)
def test_the_solutions_are_fresh_and_have_outputs(stem, build, written):
    made = build.solved(written)
    there = committed("solutions", stem)
    assert [source_of(cell) for cell in there["cells"]] == [cell.source for cell in made.cells]
    code = [cell for cell in there["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert any("image/png" in output.get("data", {}) for output in outputs(there))
    assert complaints(there) == []
    text = (ROOT / "notebooks" / "solutions" / f"{stem}.ipynb").read_text()
    assert not re.search(r"/(home|root|tmp|work)/", text)
    assert len(text) < 1_000_000


@pytest.mark.parametrize("stem", STEMS)
def test_a_students_notebook_has_stubs_and_no_solution(stem):
    notebook = committed("student", stem)
    exercises = tagged(notebook["cells"], "exercise")
    said = [re.findall(r'raise NotImplementedError\("(.+)"\)', source_of(cell)) for cell in exercises]
    assert all(said)
    asked = {f"Exercise {int(stem[:2])}.{number}" for number in range(1, EXERCISES[stem] + 1)}
    assert {stub.split(":")[0] for stubs in said for stub in stubs} == asked
    words = "".join(source_of(cell) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    assert asked == set(re.findall(r"\*\*(Exercise \d\.\d)\.\*\*", words))
    assert "SOLUTION" not in json.dumps(notebook)
    for cell in exercises:
        compile(source_of(cell), stem, "exec")
    assert all(source_of(cell) == "*Write your answer here.*" for cell in tagged(notebook["cells"], "answer"))


def test_marks_become_stubs_with_their_indentation(build):
    cell = build.v4.new_code_cell(
        "def f():\n    ### BEGIN SOLUTION: return one.\n    return 1\n    ### END SOLUTION\nf()"
    )
    notebook = build.v4.new_notebook(cells=[cell])
    assert build.student(notebook).cells[0].source == 'def f():\n    raise NotImplementedError("return one.")\nf()'
    assert build.solved(notebook).cells[0].source == "def f():\n    return 1\nf()"


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("stem", STEMS)
def test_the_solutions_pass_every_check(build, written, tmp_path):
    """From top to bottom on the simulated field, without a warning; nothing is left behind."""
    notebook = build.solved(written)
    done = build.executed(notebook, tmp_path)
    assert complaints(done) == []
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("stem", ["01_data", "02_model", "04_sampling", "06_criticism"])
def test_the_solutions_pass_on_the_real_sky(build, written, tmp_path, real_files):
    """The homework is run by `answers`; the calibration uses no counts."""
    notebook = build.solved(written)
    done = build.executed(notebook, tmp_path, str(Path(real_files[0]).parent))
    assert not [output for output in outputs(done) if output["output_type"] == "error"]


@pytest.mark.slow
@pytest.mark.parametrize("stem", STEMS)
def test_every_exercise_fails_until_it_is_done(build, written, stem, tmp_path):
    """The student's notebook as it is handed out: each stub says what is missing, and no check passes."""
    notebook = build.student(written)
    done = build.executed(notebook, tmp_path, keep_going=True)
    for cell in tagged(done.cells, "check"):
        (error,) = [output for output in cell.outputs if output["output_type"] == "error"]
        assert error["ename"] in ("NameError", "WrongAnswer", "NotImplementedError", "AttributeError"), error
    for cell in tagged(done.cells, "exercise"):
        errors = [output for output in cell.outputs if output["output_type"] == "error"]
        if errors:  # a stub inside a function is reached by its check
            assert errors[0]["ename"] == "NotImplementedError"
            assert errors[0]["evalue"].startswith(f"Exercise {int(stem[:2])}.")


def rows_of(heading: str) -> list[list[str]]:
    """The rows of the table under a heading of the course's README."""
    text = (ROOT / "notebooks" / "README.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_table_names_what_exists():
    asked = set()
    for _, where, checker, names in rows_of("From the tutorial's steps to the course"):
        asked |= set(re.findall(r"\d\.\d", where))
        for name in re.findall(r"`(check_\w+|describe_source)`", checker):
            assert callable(getattr(course, name))
        for name in re.findall(r"`([^`]+)`", names):
            if name.startswith("pgm-mock "):
                with pytest.raises(SystemExit, match="0"):
                    main([name.split()[1], "--help"])
            elif name.startswith("plot."):
                assert callable(getattr(plot, name.removeprefix("plot.")))
            elif name.startswith((".", "Observation.")):
                assert name.split(".")[-1] in [*dir(pgm_mock.Observation), "counts", "exposure"]
            else:
                assert attrgetter(name)(pgm_mock)
    assert asked == {f"{int(stem[:2])}.{number}" for stem, last in EXERCISES.items() for number in range(1, last + 1)}


def test_every_checker_is_called_in_the_course():
    told = "".join(path.read_text() for path in SOURCES)
    checkers = {name for name in course.__all__ if name.startswith("check_")}
    assert checkers == set(re.findall(r"course\.(check_\w+)\(", told))


@pytest.fixture(scope="module")
def answers(real_files, build, tmp_path_factory):
    """The three answers of the homework, from the notebook run on the real files."""
    notebook = build.solved(build.notebook_of(ROOT / "notebooks" / "source" / "03_homework.py"))
    done = build.executed(notebook, tmp_path_factory.mktemp("homework"), str(Path(real_files[0]).parent))
    (cell,) = tagged(done.cells, "answers")
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


@pytest.fixture
def homework(real, answers):
    """The homework's stamp and source."""
    x_pos, y_pos = answers["source"]
    return real.stamp(x_pos, y_pos), x_pos, y_pos


@pytest.mark.slow
def test_forced_photometry_is_brute_forces(homework, answers):
    stamp, x_pos, y_pos = homework
    light = np.outer(fractions(stamp.rows[:, 0], y_pos, 1.5), fractions(stamp.columns[0], x_pos, 1.5))
    flux = np.linspace(0, answers["top"], 1000)
    exposed = stamp.exposure > 0
    logs = [
        stats.poisson.logpmf(stamp.counts, stamp.exposure * (f * light + answers["background"]))[exposed].sum()
        for f in flux
    ]
    agrees(answers["forced"], flux, np.exp(np.array(logs) - max(logs)))


@pytest.mark.slow
def test_flux_and_width_are_brute_forces(homework, answers):
    stamp, x_pos, y_pos = homework
    exposed = stamp.exposure > 0
    counts, exposure = stamp.counts[exposed], stamp.exposure[exposed]
    flux, widths = np.linspace(0, answers["top"], 1000)[::5], np.linspace(0.3, 2.4, 85)
    logs = np.empty((len(flux), len(widths)))
    for number, width in enumerate(widths):
        light = np.outer(fractions(stamp.rows[:, 0], y_pos, width), fractions(stamp.columns[0], x_pos, width))[exposed]
        mean = exposure * (flux[:, None] * light + answers["background"])
        logs[:, number] = stats.norm.logpdf(width, 1.0, 0.3) + (counts * np.log(mean) - mean).sum(axis=1)
    agrees(answers["flux and width"], flux, np.exp(logs - logs.max()).sum(axis=1))


@pytest.mark.slow
@pytest.mark.long
def test_all_five_are_brute_forces(homework, answers):
    """24 million points in NumPy, on the pixels that have counts."""
    stamp, x_0, y_0 = homework
    axes = [np.linspace(*answers["ranges"][name], 30) for name in ("x_pos", "y_pos", "flux", "background", "psf_width")]
    x, y, flux, background, width = axes
    row, column = np.nonzero(stamp.counts)
    counts, exposure = stamp.counts[row, column], stamp.exposure[row, column]
    typical = np.median(stamp.exposure[stamp.exposure > 0])
    log_prior = stats.lognorm.logpdf(flux, 2.0, scale=30 / typical)[:, None] + stats.lognorm.logpdf(
        background, 1.5, scale=0.1 / typical
    )
    best = -np.inf
    marginals = []
    for w in width:
        columns, rows = [fractions(stamp.columns[0], c, w) for c in x], [fractions(stamp.rows[:, 0], c, w) for c in y]
        for x_pos, across in zip(x, columns, strict=True):
            for y_pos, down in zip(y, rows, strict=True):
                total = flux[:, None] * (down @ stamp.exposure @ across) + background * stamp.exposure.sum()
                light = exposure * down[row] * across[column]
                mean = flux[:, None, None] * light + background[:, None] * exposure
                log = (np.log(mean) @ counts) - total + log_prior
                log += stats.norm.logpdf(x_pos, x_0, 2) + stats.norm.logpdf(y_pos, y_0, 2)
                log += stats.lognorm.logpdf(w, 0.5, scale=1.5)
                marginals.append(special.logsumexp(log, axis=1))
                best = max(best, marginals[-1].max())
    marginal = np.exp(np.array(marginals) - best).sum(axis=0)
    assert np.isfinite(marginal).all()
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
            wait = WebDriverWait(browser, 400)
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
            wait.until(lambda _: flux(line.get_property("value")) > 2 * flux(before[0]))  # 40 steps come one by one
            wait.until(lambda _: still(line))
            (_, best) = browser.find_elements(By.CSS_SELECTOR, "button.widget-button")
            best.click()
            wait.until(lambda _: abs(flux(line.get_property("value")) / 0.00274 - 1) < 0.01)
            browser.save_screenshot(str(tmp_path / "play.png"))
        finally:
            browser.quit()


def still(line) -> bool:
    """Whether a line of text stays as it is for a second."""
    before = line.get_property("value")
    time.sleep(1.0)
    return line.get_property("value") == before


def flux(line: str) -> float:
    return float(re.search(r'"flux": ([\d.e+-]+)', line)[1])


def test_the_real_files_have_the_names_of_the_example():
    assert archive_files()[1][0].name == IMAGE
