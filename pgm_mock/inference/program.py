"""Calling compiled programs from several threads, and compiling each but once on a machine.

NumPyro's effect handlers live on one global stack, so that two threads must never trace at once; programs that are
compiled already may run side by side.
"""

import os
import sys
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import jax
import numpy as np

from ..plugins import is_own
from ..random import ON_ANY_CORES
from .traced import traced

_tracing, _looking_up = threading.Lock(), threading.Lock()
_compiled: dict[Any, Future[Callable[..., Any]]] = {}
_beside = ThreadPoolExecutor(thread_name_prefix="pgm_mock compiles")
_for_main = ThreadPoolExecutor(1, thread_name_prefix="pgm_mock compiles")
"""The main thread's own, which waits for nothing: those of the other may wait for what it compiles."""
_MOST, _MOST_MAPS = 20, 30_000
"""A program takes up to 2000 memory maps, of which Linux gives a process 65530; beyond them XLA aborts it."""
_LEVEL = "xla_backend_optimization_level"
_ON_CPU = {_LEVEL: 1}
"""LLVM's first level takes up to a quarter less time to compile, and the programs run as fast as at the third.

Another level that stands in the environment's XLA_FLAGS is taken as it is.
"""
_UNVERIFIED = {"xla_cpu_emitter_verification_level": 0}
"""Nor does XLA check its own work after each of its passes over each of some 700 kernels: an eighth less time."""
_PRODUCTS_ON_GPU = "highest"
"""Products in single precision have ten bits there by default, too few for a likelihood ratio of thousands."""
_ON_GPU = {"xla_gpu_deterministic_ops": True}
"""There the photons of a pixel are added up in whatever order they come, another in each run, unless it is told."""


def kind(tree: Any) -> tuple[Any, ...]:
    """Return what trees of arrays have in common that one program serves: their structure, shapes and types."""
    leaves, structure = jax.tree.flatten(tree)
    return structure, *map(jax.typeof, leaves)


def _as_array(leaf: Any) -> Any:
    """Return a Python number as an array: for JAX it would be of another type, and want another program."""
    kind_of = jax.typeof(leaf)
    return np.asarray(leaf, kind_of.dtype) if kind_of.weak_type else leaf


def stack(trees: Sequence[Any]) -> Any:
    """Put trees of one kind into one, each leaf with a new first axis."""
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *trees)


@contextmanager
def _once_on_this_machine(signature: tuple[Any, ...]) -> Iterator[None]:
    """Hold back other processes that want the same program: they find it in the cache on disk that they share."""
    folder = jax.config.jax_compilation_cache_dir
    if not folder or sys.platform == "win32":
        yield
        return
    import fcntl

    program, *arguments = signature
    key = repr((folder, program.__module__, program.__qualname__, arguments))
    name = f"pgm_mock_{os.getuid()}_{zlib.crc32(key.encode()):08x}.lock"
    with ExitStack() as stack:
        with suppress(OSError):  # where there is no place for it, each process compiles for itself
            stream = stack.enter_context(open(Path(tempfile.gettempdir()) / name, "w", encoding="utf-8"))
            fcntl.flock(stream, fcntl.LOCK_EX)  # closing it, or dying, lets go
        yield


def forget() -> None:
    """Let go of the package's compiled programs that no thread waits for; the user's own stay."""
    with _looking_up:
        for signature in [one for one, future in _compiled.items() if future.done()]:
            del _compiled[signature]
    ours = [module for name, module in list(sys.modules.items()) if is_own(name)]
    with _tracing:
        for module in ours:
            for value in list(vars(module).values()):
                if isinstance(value, jax.stages.Wrapped):
                    cast(Any, value).clear_cache()


def _is_crowded() -> bool:
    """Whether the process has nearly half of the memory maps that Linux allows; where that is not known, it has."""
    try:
        with open("/proc/self/maps", "rb") as maps:
            return sum(1 for _ in maps) > _MOST_MAPS
    except OSError:
        return True


def make_room() -> None:
    """Let go of the package's compiled programs where the process is short of memory maps.

    What compiles its programs by itself, and new ones for each image, calls this before it begins.
    """
    if _is_crowded():
        forget()


def _compile(program: Any, arguments: tuple[Any, ...], static: dict[str, Any]) -> Callable[..., Any]:
    """Compile a jitted function for such arguments: traced here, or by an earlier process that left it on disk."""
    on_cpu = jax.default_backend() == "cpu"
    with _tracing, nullcontext() if on_cpu else jax.default_matmul_precision(_PRODUCTS_ON_GPU):
        kept = traced(program, arguments, static)
        lowered = kept.function.lower(*jax.tree.leaves(arguments)) if kept else program.lower(*arguments, **static)
    ours = on_cpu and _LEVEL not in os.environ.get("XLA_FLAGS", "")
    options = ON_ANY_CORES | (_ON_CPU if ours else {}) | (_UNVERIFIED if on_cpu else _ON_GPU)
    if threading.current_thread() is threading.main_thread():  # which hears of an interrupt only while it waits
        compiled = _for_main.submit(lowered.compile, compiler_options=options).result()
    else:
        compiled = lowered.compile(compiler_options=options)
    if kept is None:
        return cast(Callable[..., Any], compiled)
    return lambda *arguments: jax.tree.unflatten(kept.result, compiled(*jax.tree.leaves(arguments)))


def _signature(program: Any, arguments: tuple[Any, ...], static: dict[str, Any]) -> tuple[Any, ...]:
    return program, kind(arguments), tuple(static.items()), jax.config.jax_enable_x64


def _ready(program: Any, arguments: tuple[Any, ...], static: dict[str, Any]) -> Callable[..., Any]:
    """Return what a function is compiled to for such arguments; what another thread compiles is waited for."""
    signature = _signature(program, arguments, static)
    if signature not in _compiled and len(_compiled) >= _MOST:
        make_room()
    with _looking_up:
        mine = signature not in _compiled
        future = _compiled.setdefault(signature, Future())
    if mine:
        try:
            with _once_on_this_machine(signature):
                future.set_result(_compile(program, arguments, static))
        finally:
            if not future.done():  # it failed: who waits for it tries again, and gets the error that it is due
                del _compiled[signature]
                future.cancel()
    try:
        return future.result()
    except CancelledError:
        return _ready(program, arguments, static)


def call[Result](program: Callable[..., Result], *arguments: Any, **static: Any) -> Result:
    """Call a jitted function, compiled ahead where it has not been for such arguments yet.

    Threads trace one after the other, but compile side by side; one that needs what another compiles waits for it.

    Args:
        program: the jitted function.
        arguments: its traced arguments, pytrees of arrays.
        static: its static arguments.
    """
    arguments = jax.tree.map(_as_array, arguments)
    return cast(Result, _ready(program, arguments, static)(*arguments))


@contextmanager
def begun(*calls: partial[Any]) -> Iterator[None]:
    """Compile what calls of jitted functions inside will need, in threads of their own; the calls wait for it.

    Args:
        calls: of whose arguments only structure, shapes and types count.
    """
    precision = jax.config.jax_enable_x64

    def compiled(one: partial[Any], arguments: tuple[Any, ...]) -> None:
        with jax.enable_x64(precision):  # which is each thread's own
            _ready(one.func, arguments, one.keywords)

    futures = []
    for one in calls:
        arguments = jax.tree.map(_as_array, one.args)
        if _signature(one.func, arguments, one.keywords) not in _compiled:
            futures.append(_beside.submit(compiled, one, arguments))
    try:
        yield
    finally:  # after an error nothing may go on tracing behind the caller's back
        running = [future for future in futures if not future.cancel()]
        if not isinstance(sys.exception(), KeyboardInterrupt):
            wait(running)  # what went wrong there went wrong in the call, too
