"""Shared fixtures: the precision of the session, the real files where they are, and a small stamp.

Most of what a test costs is compiling. Each program is compiled once in a session: the processes that run the tests,
and those that the tests start, share one folder of compiled programs.
"""

import gc
import os
import shutil
import tempfile
from functools import partial
from pathlib import Path

import jax
import matplotlib as mpl
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from pgm_mock import Observation, Priors
from pgm_mock.inference import program
from pgm_mock.scene import registry

mpl.use("Agg")
jax.config.update("jax_enable_x64", True)

IMAGE, EXPOSURE = "P0098010101M2U009IMAGE_3000.FTZ", "P0098010101M2U009EXPMAP3000.FTZ"
ROOT = Path(__file__).parent.parent


def real_folder() -> Path | None:
    """Return the folder with the real files, or None."""
    candidates = (os.environ.get("PGM_MOCK_DATA"), ROOT.parent / "shared" / "data" / "a1835", ROOT / "a1835")
    return next((Path(c) for c in candidates if c and (Path(c) / IMAGE).exists()), None)


def pytest_addoption(parser):
    parser.addoption("--part", metavar="K/N", help="of the long tests, take each Nth, from the Kth on (0 to N-1)")


def pytest_collection_modifyitems(config, items):
    """Leave out the long tests that are of another part."""
    if not (asked := config.getoption("--part")):
        return
    part, number = map(int, asked.split("/"))
    long = sorted(item.nodeid for item in items if item.get_closest_marker("long"))
    left_out = {nodeid for place, nodeid in enumerate(long) if place % number != part % number}
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in left_out])
    items[:] = [item for item in items if item.nodeid not in left_out]


def pytest_configure(config):
    """Share compiled programs among the processes of the session, compiled without optimising: most are run once."""
    if "PGM_MOCK_TEST_CACHE" not in os.environ:
        os.environ["PGM_MOCK_TEST_CACHE"] = tempfile.mkdtemp(prefix="pgm_mock_tests_")
        config.add_cleanup(partial(shutil.rmtree, os.environ["PGM_MOCK_TEST_CACHE"], ignore_errors=True))
    os.environ["XDG_CACHE_HOME"] = os.environ["PGM_MOCK_TEST_CACHE"]
    os.environ.setdefault("MPLCONFIGDIR", mpl.get_cachedir())  # or each process lists the fonts anew
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(compiled_folder())
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    use_compiled_folder()
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_backend_optimization_level" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --xla_backend_optimization_level=0".strip()


def compiled_folder() -> Path:
    """Where the commands keep compiled programs, too."""
    return Path(os.environ["PGM_MOCK_TEST_CACHE"]) / "pgm_mock" / "compiled"


def use_compiled_folder() -> None:
    if jax.config.jax_compilation_cache_dir != str(compiled_folder()):
        jax.config.update("jax_compilation_cache_dir", str(compiled_folder()))
        compilation_cache.reset_cache()


@pytest.fixture(autouse=True)
def the_folder_is_used_again():
    """A test may choose another folder for compiled programs, for itself alone."""
    yield
    use_compiled_folder()


def is_crowded() -> bool:
    """Whether this process has a third of the memory maps that Linux allows, or 1 GB of memory."""
    try:
        with open("/proc/self/maps", "rb") as maps, open("/proc/self/statm", encoding="ascii") as pages:
            return sum(1 for _ in maps) > 20_000 or int(pages.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") > 1e9
    except OSError:  # not Linux
        return True


@pytest.fixture(autouse=True, scope="module")
def programs_are_let_go():
    """XLA aborts where a process has more memory maps than the system allows: those at hand are let go in time."""
    yield
    if is_crowded():
        program.forget()
        jax.clear_caches()  # those of the tests themselves
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


@pytest.fixture
def kinds_of_before():
    """Forget the components that a test registers."""
    before = dict(registry.KINDS)
    yield
    registry.KINDS.clear()
    registry.KINDS.update(before)
