"""Traced programs on disk: a fresh process need not trace again what an earlier one traced.

JAX's cache on disk spares a process the compiling, but its key is the program itself, which has to be traced and
lowered first: for a fit that takes longer than all the rest. `jax.export` writes a traced program as StableHLO; it lies
beside JAX's own files, under a key that is had without tracing: the function, the structure, shapes and types of its
arguments, and all that its trace depends on besides (the package's code, the versions, JAX's settings).

Kept are functions of the package alone, of arguments whose classes are the package's, JAX's, NumPyro's or NumPy's: what
code of the user's own does may change while its names stay. Nothing is kept where no folder is chosen.
"""

import hashlib
import io
import os
import pickle
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, cast

import jax
import jax.export
import jaxlib
import numpy as np
import numpyro
from numpyro.distributions import Distribution

from ..files import replacing

PACKAGE = Path(__file__).parent.parent
FOLDERS = 4
"""How many versions of the code have their programs on disk, the latest that were used; older ones are deleted."""
_KNOWN = {PACKAGE.name, "jax", "jaxlib", "numpyro", "numpy", "builtins", "collections", "functools"}


class Traced(NamedTuple):
    """A program that is traced.

    Attributes:
        function: of the leaves of its arguments; gives the leaves of its result.
        result: the structure of the result.
    """

    function: Any
    result: Any


def traced(program: Callable[..., Any], arguments: tuple[Any, ...], static: Mapping[str, Any]) -> Traced | None:
    """Return a program from disk, else trace it and keep it there; None where such a program is not kept.

    Args:
        program: a jitted function.
        arguments: its traced arguments, pytrees of arrays.
        static: its static arguments.
    """
    path = _path(program, arguments, static)
    if path is None:
        return None
    leaves, structure = jax.tree.flatten(arguments)
    if (content := _read(path)) is not None:
        exported, result = content
        return Traced(jax.jit(jax.export.deserialize(bytearray(exported)).call), jax.tree.structure(result))
    results: list[Any] = []

    def function(*leaves: Any) -> Any:
        parts, result = jax.tree.flatten(program(*jax.tree.unflatten(structure, leaves), **static))
        results.append(result)
        return parts

    written = jax.export.export(jax.jit(function))(*leaves)
    with suppress(OSError):  # a full disk, or a folder that is no longer there: the next process traces again
        _write(path, bytes(written.serialize()), jax.tree.unflatten(results[0], range(results[0].num_leaves)))
    return Traced(jax.jit(written.call), results[0])


def _read(path: Path) -> tuple[bytes, Any] | None:
    """Return what `_write` wrote; None where there is nothing, or something else."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    checksum, content = content[:32], content[32:]
    return cast(Any, pickle.loads(content)) if hashlib.sha256(content).digest() == checksum else None


def _write(path: Path, exported: bytes, result: Any) -> None:
    if not path.parent.exists():
        path.parent.mkdir(parents=True)
        _delete_old(path.parent)
    content = pickle.dumps((exported, result))
    with replacing(path) as part:
        part.write_bytes(hashlib.sha256(content).digest() + content)


def _delete_old(folder: Path) -> None:
    """Delete what other versions of the code left, but for the latest."""
    others = sorted(folder.parent.iterdir(), key=lambda one: one.stat().st_mtime, reverse=True)
    for other in others[FOLDERS:]:
        shutil.rmtree(other, ignore_errors=True)


def _path(program: Any, arguments: tuple[Any, ...], static: Mapping[str, Any]) -> Path | None:
    """Where the program is kept; None where it is not."""
    folder = jax.config.jax_compilation_cache_dir
    own = program.__module__.partition(".")[0] == PACKAGE.name and "<" not in program.__qualname__
    if not folder or "://" in folder or not own or jax.default_backend() != "cpu" or jax.device_count() > 1:
        return None
    leaves, structure = jax.tree.flatten(arguments)
    types = [str(jax.typeof(leaf)) for leaf in leaves]
    outlined = jax.tree.unflatten(structure, range(len(leaves)))
    stream = io.BytesIO()
    try:
        _Description(stream).dump((program.__module__, program.__qualname__, types, outlined, sorted(static.items())))
    except (pickle.PicklingError, TypeError, AttributeError):  # a class of the user's own, or one that cannot tell
        return None
    key = hashlib.sha256(_settings() + stream.getvalue()).hexdigest()[:32]
    return Path(folder) / "traced" / _code() / f"{program.__name__}-{key}"


class _Description(pickle.Pickler):
    """Writes arguments such that what is equal gives equal bytes, in each process; never read back."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream, protocol=5)
        self.fast = True  # no memory of what was written: two equal texts need not be one object

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, Distribution):  # the order of its attributes is that of a set
            return type(thing), tuple(sorted(vars(thing).items()))
        module = getattr(thing, "__module__", None) if hasattr(thing, "__qualname__") else type(thing).__module__
        if str(module).partition(".")[0] not in _KNOWN:
            raise pickle.PicklingError(f"{module} is not the package's")
        return NotImplemented


def _settings() -> bytes:
    """All that JAX's users can set: most of it decides what a function is traced to."""
    settings = {name: value for name, value in jax.config.values.items() if not name.endswith("_dir")}
    told = (sorted(settings.items()), jax.config.jax_enable_x64, os.environ.get("XLA_FLAGS"))
    return repr(told).encode()


@cache
def _code() -> str:
    """Return the digest of the package's code, and of the versions of those that trace it."""
    digest = hashlib.sha256()
    for module in (jax, jaxlib, numpyro, np):
        digest.update(f"{module.__name__} {version(module.__name__)} ".encode())
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(str(path.relative_to(PACKAGE)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]
