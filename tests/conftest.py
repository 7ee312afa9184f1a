"""Shared fixtures: the precision of the session, the real files where they are, and a small stamp."""

import gc
import os
from pathlib import Path

import jax
import matplotlib as mpl
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from pgm_mock import Observation, Priors
from pgm_mock.inference import program

mpl.use("Agg")
jax.config.update("jax_enable_x64", True)

IMAGE, EXPOSURE = "P0098010101M2U009IMAGE_3000.FTZ", "P0098010101M2U009EXPMAP3000.FTZ"
ROOT = Path(__file__).parent.parent


def real_folder() -> Path | None:
    """Return the folder with the real files, or None."""
    candidates = (os.environ.get("PGM_MOCK_DATA"), ROOT.parent / "shared" / "data" / "a1835", ROOT / "a1835")
    return next((Path(c) for c in candidates if c and (Path(c) / IMAGE).exists()), None)


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def commands_leave_nothing(cache_folder, monkeypatch):
    """A command that runs in this process keeps compiled programs in a folder of the tests, and for itself alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_folder))
    yield
    if jax.config.jax_compilation_cache_dir is not None:
        jax.config.update("jax_compilation_cache_dir", None)
        compilation_cache.reset_cache()


@pytest.fixture(autouse=True, scope="module")
def programs_are_let_go():
    """XLA aborts where a process has more memory maps than the system allows: each file compiles its own programs."""
    yield
    program.forget()
    gc.collect()


@pytest.fixture(scope="session")
def real_files() -> tuple[Path, Path]:
    """The real image and exposure map; the test is skipped, and says so, where they are not."""
    folder = real_folder()
    if folder is None:
        pytest.skip("the real A1835 files are not here: `pgm-mock fetch --out a1835` gets them, or set PGM_MOCK_DATA")
    return folder / IMAGE, folder / EXPOSURE


@pytest.fixture(scope="session")
def real(real_files) -> Observation:
    return Observation.read(*real_files)


@pytest.fixture(scope="session")
def stamp() -> Observation:
    """A stamp of 21 x 21 pixels in a full image, with a chip gap, vignetting, a source and 85 counts."""
    rng = np.random.default_rng(0)
    exposure = np.linspace(9000.0, 11000.0, 21)[:, None] * np.ones(21)
    exposure[:, 13] = 0.0
    observation = Observation(counts=np.zeros((21, 21)), exposure=exposure, origin=(101, 51), name="small")
    squared = (observation.x - 110.6) ** 2 + (observation.y - 61.2) ** 2
    mean = exposure * (4e-3 * np.exp(-squared / 2 / 1.4**2) / (2 * np.pi * 1.4**2) + 1e-5)
    return Observation(counts=rng.poisson(mean), exposure=exposure, origin=(101, 51), name="small")


@pytest.fixture(scope="session")
def priors(stamp) -> Priors:
    return Priors.default(stamp)


@pytest.fixture(params=["float32", "float64"])
def precision(request):
    """Run the test in both precisions; its value is the machine epsilon."""
    with jax.enable_x64(request.param == "float64"):
        yield float(np.finfo(request.param).eps)
