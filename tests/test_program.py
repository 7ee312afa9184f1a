"""What the package keeps compiled, and what it lets go of."""

import subprocess
import sys
import threading
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pgm_mock import DataWarning, InputError, Priors, expected_counts, fit, keep_compiled
from pgm_mock.inference import program


def test_forgetting_leaves_the_users_own_programs_alone():
    """Oracle: how often JAX traces a function of the user's, and one of the package's."""
    traces = []

    @jax.jit
    def mine(x):
        traces.append(x)
        return jnp.sin(x)

    exposure, x, y = np.ones((3, 3)), np.arange(3.0)[None], np.arange(3.0)[:, None]
    theirs = {"x_pos": 1.0, "y_pos": 1.0, "flux": 1.0, "background": 0.0, "psf_width": 1.0}
    for _ in range(2):
        mine(1.0)
        expected_counts(exposure, x, y, **theirs)
        assert expected_counts._cache_size() > 0
        program.forget()
        assert expected_counts._cache_size() == 0
    assert len(traces) == 1


def test_room_is_made_where_memory_maps_are_short(monkeypatch):
    """A process that fits field after field meets the system's limit, where XLA aborts."""
    exposure, x, y = np.ones((3, 3)), np.arange(3.0)[None], np.arange(3.0)[:, None]
    expected_counts(exposure, x, y, x_pos=1.0, y_pos=1.0, flux=1.0, background=0.0, psf_width=1.0)
    program.make_room()
    assert expected_counts._cache_size() > 0
    monkeypatch.setattr(program, "_MOST_MAPS", 10)
    program.make_room()
    assert expected_counts._cache_size() == 0


@pytest.fixture
def cache_settings():
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    yield
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.mark.parametrize(("device", "precision"), [("cpu", None), ("gpu", "highest")])
def test_products_are_exact_on_a_gpu_too(monkeypatch, device, precision):
    """A GPU multiplies numbers in single precision with ten bits unless it is told otherwise."""
    monkeypatch.setattr(jax, "default_backend", lambda: device)
    seen = []

    @jax.jit
    def product(a, b):
        seen.append(jax.config.jax_default_matmul_precision)
        return a @ b

    a, b = np.random.default_rng(1).random((2, 3, 3), np.float32)
    np.testing.assert_allclose(program.call(product, a, b), a @ b, rtol=1e-6)
    assert seen == [precision]


def test_compiled_programs_are_kept_where_it_is_said(tmp_path, monkeypatch, cache_settings):
    """The argument, then JAX's own variable, then the user's cache folder; a file in the way keeps nothing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "jax"))
    assert keep_compiled(tmp_path / "own") == tmp_path / "own"
    assert keep_compiled() == tmp_path / "jax"
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "jax")
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    assert keep_compiled() == tmp_path / "xdg" / "pgm_mock" / "compiled"
    assert (tmp_path / "xdg" / "pgm_mock" / "compiled").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.warns(DataWarning, match=r"^folder: expected a folder that can be written to, found .*/file/below"):
        assert keep_compiled(tmp_path / "file" / "below") is None
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "xdg" / "pgm_mock" / "compiled")


def test_what_is_begun_is_what_the_fit_then_calls(stamp, monkeypatch):
    """Nothing is compiled ahead in vain: with neighbours, and with the chance of a false alarm."""
    begun, called = [], []
    ready = program._ready

    def noted(function, arguments, static):
        here = threading.current_thread().name
        (begun if here.startswith("pgm_mock compiles") else called).append(
            program._signature(function, arguments, static)
        )
        return ready(function, arguments, static)

    monkeypatch.setattr(program, "_ready", noted)
    program.forget()
    near = Priors.default(stamp, 110.6, 61.2, neighbours=[(115.0, 58.0)])
    fit(stamp, near, num_draws=2000, min_ess=10, false_alarm=True)
    assert len(begun) >= 2
    assert set(begun) <= set(called)


def test_what_is_begun_ends_with_its_block(monkeypatch):
    """After an error nothing traces in another thread: NumPyro's handlers are of all threads together."""
    begins, ended = threading.Event(), []

    @jax.jit
    def slow(x):
        begins.set()
        time.sleep(0.3)
        ended.append(x.dtype)
        return x + 1.0

    def fails():
        with program.begun(partial(slow, np.zeros(3))):
            assert begins.wait(60)
            raise InputError("the fit's")

    with pytest.raises(InputError, match="the fit's"):
        fails()
    assert len(ended) == 1


def test_what_is_begun_has_the_precision_of_its_thread(precision):
    """Double precision can be a thread's own setting."""
    seen = []

    @jax.jit
    def doubled(x):
        seen.append(np.finfo(x.dtype).eps)
        return 2.0 * x

    with program.begun(partial(doubled, np.ones(3))):
        program.call(doubled, np.ones(3))
    assert seen == [precision]


def test_the_main_thread_hears_of_an_interrupt_while_it_compiles():
    """XLA holds the thread that it compiles in for ten seconds; here a long hash does."""
    code = (
        "import hashlib, os, signal, threading, time\n"
        "import numpy as np\n"
        "from pgm_mock.inference import program\n"
        "class Lowered:\n"
        "    def compile(self, **_): hashlib.pbkdf2_hmac('sha256', b'', b'', 10**8)\n"
        "class Program:\n"
        "    def lower(self, *_): return Lowered()\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # which jobs in the background ignore\n"
        "threading.Timer(1.0, os.kill, [os.getpid(), signal.SIGINT]).start()\n"
        "start = time.monotonic()\n"
        "slow = Program()\n"
        "slow.__qualname__ = 'slow'\n"
        "try: program.call(slow, np.ones(3))\n"
        "except KeyboardInterrupt: print('heard', flush=True)\n"
        "os._exit(time.monotonic() - start > 10)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (found.stderr, found.stdout, found.returncode) == ("", "heard\n", 0)
