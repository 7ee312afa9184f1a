"""Traced programs on disk: a fresh process need not trace again what an earlier one traced.

JAX's cache on disk spares a process the compiling, but its key is the program itself, which has to be traced and
lowered first: for a fit that takes longer than all the rest. `jax.export` writes a traced program as StableHLO; it lies
beside JAX's own files, under a key that is had without tracing: the function, the structure, shapes and types of its
arguments, and all that its trace depends on besides (the package's code, the versions, JAX's settings).

Kept are functions of the package alone, on a CPU, of arguments whose classes are the package's, JAX's, NumPyro's or
NumPy's: what code of the user's own does may change while its names stay. Nothing is kept where no folder is chosen.
What cannot be written or read is traced: a cache never stops a fit.
"""

import hashlib
import inspect
import io
import os
import pickle
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache, cached_property, partial
from importlib.metadata import version
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

import jax
import jax.export
import jaxlib
import numpy as np
import numpyro
from numpyro.distributions import Distribution

from ..errors import InputError
from ..files import replacing
from ..plugins import is_own

PACKAGE = Path(__file__).parent.parent
FOLDERS = 4
"""How many versions of the code have their programs on disk, the latest that were used; older ones are deleted."""
_FOLDER = "pgm_mock_traced"
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
    if (kept := _read(path)) is not None:
        return kept
    leaves, structure = jax.tree.flatten(arguments)
    results: list[Any] = []

    def function(*leaves: Any) -> Any:
        parts, result = jax.tree.flatten(program(*jax.tree.unflatten(structure, leaves), **static))
        results.append(result)
        return parts

    try:
        exported = jax.export.export(jax.jit(function))(*leaves)
        content = bytes(exported.serialize())
    except (ImportError, NotImplementedError, ValueError):  # no flatbuffers, or an operation that may not be kept
        return None
    with suppress(OSError, InputError):  # a full disk, another user's folder: the next process traces again
        _write(path, content, jax.tree.unflatten(results[0], range(results[0].num_leaves)))
    return Traced(jax.jit(exported.call), results[0])


def _read(path: Path) -> Traced | None:
    """Return what `_write` wrote; None where there is nothing, or something else."""
    try:
        content = path.read_bytes()
        os.utime(path.parent)  # the latest that were used stay
    except OSError:
        return None
    checksum, content = content[:32], content[32:]
    if hashlib.sha256(content).digest() != checksum:
        return None
    exported, result = pickle.loads(content)
    try:
        return Traced(jax.jit(jax.export.deserialize(bytearray(exported)).call), jax.tree.structure(result))
    except (ImportError, ValueError):  # no flatbuffers, or another version of them
        return None


def _write(path: Path, exported: bytes, result: Any) -> None:
    is_new = not path.parent.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    if is_new:
        _delete_old(path.parent)
    content = pickle.dumps((exported, result))
    with replacing(path) as part:
        part.write_bytes(hashlib.sha256(content).digest() + content)


def _delete_old(folder: Path) -> None:
    """Delete what other versions of the code left, but for the latest."""
    other_versions = [
        one for one in folder.parent.iterdir() if one != folder and re.fullmatch("[0-9a-f]{16}", one.name)
    ]
    for other in sorted(other_versions, key=lambda one: one.stat().st_mtime, reverse=True)[FOLDERS - 1 :]:
        shutil.rmtree(other, ignore_errors=True)


def _path(program: Any, arguments: tuple[Any, ...], static: Mapping[str, Any]) -> Path | None:
    """Where the program is kept; None where it is not."""
    folder = jax.config.jax_compilation_cache_dir
    own = is_own(program.__module__) and "<" not in program.__qualname__
    if not folder or "://" in folder or not own or jax.default_backend() != "cpu" or jax.device_count() > 1:
        return None
    leaves, structure = jax.tree.flatten(arguments)
    types = [str(jax.typeof(leaf)) for leaf in leaves]
    outlined = jax.tree.unflatten(structure, range(len(leaves)))
    stream = io.BytesIO()
    description = _Description(stream)
    try:
        description.dump((program.__module__, program.__qualname__, types, outlined, sorted(static.items())))
        loaded = "\n".join(_loaded_code({program.__module__, *description.modules}))
    except (pickle.PicklingError, TypeError, AttributeError):  # a class of the user's own, or one that cannot tell
        return None
    key = hashlib.sha256(_settings() + stream.getvalue() + loaded.encode()).hexdigest()[:32]
    return Path(folder) / _FOLDER / _code() / f"{program.__name__}-{key}"


class _Description(pickle.Pickler):
    """Writes arguments such that what is equal gives equal bytes, in each process; never read back."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream, protocol=5)
        self.fast = True  # no memory of what was written: two equal texts need not be one object
        self.modules: set[str] = set()

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, Distribution):  # the order of its attributes is that of a set
            return type(thing), tuple(sorted(vars(thing).items()))
        module = str(getattr(thing, "__module__", None) if hasattr(thing, "__qualname__") else type(thing).__module__)
        if module.partition(".")[0] not in _KNOWN:
            raise pickle.PicklingError(f"{module} is not the package's")
        if is_own(module):
            self.modules.add(module)
        return NotImplemented


def _loaded_code(names: set[str]) -> Iterator[str]:
    """Describe the code and the constants of modules as they are now, and of those of the package that they import.

    A session may have put functions of its own there, or have loaded the package before its files were changed.
    """
    todo, done = sorted(names, reverse=True), set(names)
    while todo:
        name = todo.pop()
        yield name
        for attribute, value in sorted(vars(sys.modules[name]).items()):
            home = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            if isinstance(home, str) and home != name and is_own(home):
                if home in sys.modules and home not in done:
                    todo.append(home)
                    done.add(home)
            elif not attribute.startswith("__"):
                yield from _told_of(attribute, value)


def _told_of(name: str, value: Any) -> Iterator[str]:
    """Describe a function, the functions of a class, or constants; of all else there is nothing to tell."""
    if isinstance(value, (classmethod, staticmethod)):
        value = value.__func__
    elif isinstance(value, (property, cached_property)):
        value = value.fget if isinstance(value, property) else value.func
    value = inspect.unwrap(value)
    if isinstance(value, FunctionType):
        if not _is_installed(value.__module__):
            raise pickle.PicklingError(f"{name} is a function of the session's own")
        yield f"{name} {value.__module__} {_told_of_code(value.__code__)}"
        yield from _told_of(name, (*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()))
    elif isinstance(value, type):
        yield f"{name} {value.__module__}"
        if is_own(value.__module__):
            for attribute, each in sorted(vars(value).items()):
                yield from _told_of(f"{name}.{attribute}", each)
    elif isinstance(value, partial):
        yield from _told_of(name, (value.func, *value.args, *value.keywords.values()))
    elif isinstance(value, tuple):
        for each in value:
            yield from _told_of(name, each)
    elif isinstance(value, (str, int, float, complex, bytes)):
        yield f"{name} {value!r}"
    elif isinstance(value, np.ndarray):
        yield f"{name} {value.dtype} {value.tobytes()!r}"


@cache
def _is_installed(module: str) -> bool:
    """Whether a module is the package's, Python's, or one of those that are installed beside it."""
    if is_own(module) or module.startswith("namedtuple_") or module.partition(".")[0] in sys.stdlib_module_names:
        return True
    return "-packages" in str(getattr(sys.modules.get(module), "__file__", None))


@cache
def _told_of_code(code: CodeType) -> str:
    constants = (
        _told_of_code(each)
        if isinstance(each, CodeType)
        else repr(sorted(map(repr, each)) if isinstance(each, frozenset) else each)
        for each in code.co_consts
    )
    return f"{code.co_code!r} {code.co_names} {code.co_varnames} {' '.join(constants)}"


def _settings() -> bytes:
    """All that JAX's users can set: most of it decides what a function is traced to."""
    settings = {name: value for name, value in jax.config.values.items() if not name.endswith("_dir")}
    described = (sorted(settings.items()), jax.config.jax_enable_x64, os.environ.get("XLA_FLAGS"))
    return repr(described).encode()


@cache
def _code() -> str:
    """Return the digest of the package's code, and of the versions of those that trace it."""
    digest = hashlib.sha256()
    for module in (jax, jaxlib, numpyro, np):
        digest.update(f"{module.__name__} {version(module.__name__)} ".encode())
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(str(path.relative_to(PACKAGE)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]
