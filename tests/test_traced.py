"""Traced programs on disk: the same numbers without tracing, and nothing kept that another code could change."""

import os
import subprocess
import sys
import tempfile
from functools import wraps

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pgm_mock import Priors, fit
from pgm_mock.inference import program, traced
from pgm_mock.psf import GaussianPSF, gaussian, light_in_pixels, register_psf

pytestmark = pytest.mark.skipif(jax.default_backend() != "cpu", reason="traced programs are kept on a CPU alone")

RAMP = np.arange(1.0, 12.0)
PLACE = (RAMP[None, :], RAMP[:, None], 5.2, 6.1, 1.3)


@pytest.fixture
def folder(tmp_path):
    """Where programs are kept, for one test; none is at hand."""
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    program.forget()
    yield tmp_path
    program.forget()
    jax.config.update("jax_compilation_cache_dir", before)


def kept(folder):
    return sorted(folder.glob("pgm_mock_traced/*/*"))


def light(psf=None):
    return program.call(light_in_pixels, psf or GaussianPSF(), *PLACE)


def test_a_program_from_disk_gives_the_same_bits_and_is_not_traced(folder):
    """Oracle: the program as JAX compiles it itself, with the same options."""
    first = light()
    (path,) = kept(folder)
    program.forget()

    @wraps(light_in_pixels)
    def not_traced(*arguments):
        raise AssertionError("traced")

    assert np.array_equal(program.call(not_traced, GaussianPSF(), *PLACE), first)
    assert kept(folder) == [path]
    jax.config.update("jax_compilation_cache_dir", None)
    program.forget()
    assert np.array_equal(light(), first)


@pytest.mark.slow
def test_a_posterior_is_the_same_to_the_last_bit_with_and_without_the_folder(folder, stamp):
    """Oracle: bit-equality of the draws."""
    priors = Priors.default(stamp, 111.0, 61.0)
    draws = []
    for place in (str(folder), str(folder), None):
        jax.config.update("jax_compilation_cache_dir", place)
        program.forget()
        draws.append(fit(stamp, priors)["posterior"]["flux"].values)
    assert kept(folder)
    assert np.array_equal(draws[0], draws[1])
    assert np.array_equal(draws[0], draws[2])


@pytest.mark.parametrize("content", [b"", b"another file" * 9, "cut"], ids=["empty", "another", "cut"])
def test_a_broken_file_is_written_anew(folder, content):
    first = light()
    (path,) = kept(folder)
    whole = path.read_bytes()
    path.write_bytes(whole[:-10] if content == "cut" else content)
    program.forget()
    assert np.array_equal(light(), first)
    assert len(path.read_bytes()) == len(whole)


def test_each_difference_that_a_trace_can_see_is_another_program(folder, monkeypatch):
    """Values are not; types, other classes, JAX's settings and the package's code are."""
    light()
    assert len(kept(folder)) == 1
    program.call(light_in_pixels, GaussianPSF(), *PLACE[:2], 7.0, 3.0, 2.0)
    assert len(kept(folder)) == 1
    program.call(light_in_pixels, GaussianPSF(), *PLACE[:2], np.float32(7.0), 3.0, 2.0)
    assert len(kept(folder)) == 2
    with jax.numpy_rank_promotion("allow"):
        program.forget()
        light()
    assert len(kept(folder)) == 2
    jax.config.update("jax_default_matmul_precision", "float32")
    program.forget()
    try:
        light()
    finally:
        jax.config.update("jax_default_matmul_precision", None)
    assert len(kept(folder)) == 3
    monkeypatch.setattr(traced, "_code", lambda: "another")
    program.forget()
    light()
    assert len(kept(folder)) == 4


def test_what_the_users_own_code_decides_is_not_kept(folder):
    """Neither a PSF of a class outside the package, nor a function that is not the package's."""

    @register_psf
    class Mine(GaussianPSF):
        pass

    light(Mine())
    program.call(jax.jit(lambda x: jnp.sin(x) + 1), np.ones(3))
    assert kept(folder) == []


def test_programs_of_old_versions_are_deleted(folder, monkeypatch):
    mine = folder / "pgm_mock_traced" / "my thesis"
    mine.mkdir(parents=True)
    for number in range(traced.FOLDERS + 3):
        monkeypatch.setattr(traced, "_code", lambda number=number: f"{number:016x}")
        program.forget()
        light()
        os.utime(folder / "pgm_mock_traced" / f"{number:016x}", (number, number))
    assert mine.exists()
    names = {path.parent.name for path in kept(folder)}
    assert len(names) == traced.FOLDERS
    assert f"{traced.FOLDERS + 2:016x}" in names


def test_a_folder_that_cannot_be_written_to_is_no_error(folder, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "mkstemp", full)
    assert light().shape == (11, 11)
    assert kept(folder) == []


def test_what_cannot_be_exported_is_traced(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    monkeypatch.delitem(sys.modules, "jax._src.export.serialization", raising=False)
    assert light().shape == (11, 11)
    assert kept(folder) == []


def test_what_a_session_puts_into_the_package_is_not_for_others(folder, monkeypatch):
    """A function of its own is not kept, and a constant makes another key; neither takes what is there."""
    first = light()
    with monkeypatch.context() as patched:
        real = gaussian.gaussian_in_unit_interval
        patched.setattr(gaussian, "gaussian_in_unit_interval", lambda *a: 2.0 * real(*a))
        program.forget()
        assert np.allclose(light(), 4.0 * first)
    assert len(kept(folder)) == 1
    with monkeypatch.context() as patched:
        patched.setattr(gaussian, "A_CONSTANT", 3, raising=False)
        program.forget()
        light()
    assert len(kept(folder)) == 2
    program.forget()
    assert np.array_equal(light(), first)


KEY = """
import jax, numpyro.distributions as dist
from pgm_mock import expected_counts
from pgm_mock.inference import traced
jax.config.update("jax_compilation_cache_dir", "/nowhere")
prior = dist.TruncatedNormal(1.0, 2.0, low=0.0, high=3.0)
print(traced._path(expected_counts, ({"y": 1.0, "x": None},), {"prior": prior}).name)
"""


@pytest.mark.slow
def test_the_key_is_the_same_in_each_process():
    """NumPyro orders a distribution's numbers by their hash, which is another one in each process."""
    names = set()
    for seed in "123":
        environment = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", KEY], env=environment, capture_output=True, text=True, check=True)
        names.add(done.stdout)
    assert len(names) == 1
