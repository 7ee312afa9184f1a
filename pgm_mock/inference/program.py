"""Calling compiled programs from several threads.

NumPyro's effect handlers live on one global stack, so that two threads must never trace at once; programs that are
compiled already may run side by side.
"""

import threading
from collections.abc import Callable
from typing import Any

import jax

_tracing = threading.Lock()
_compiled: set[Any] = set()


def call[Result](program: Callable[..., Result], *arguments: Any, **static: Any) -> Result:
    """Call a jitted function, alone where it has not been compiled for such arguments yet.

    Args:
        program: the jitted function.
        arguments: its traced arguments, pytrees of arrays.
        static: its static arguments.
    """
    leaves, structure = jax.tree.flatten(arguments)
    kinds = tuple(jax.typeof(leaf) for leaf in leaves)
    signature = (program, structure, kinds, tuple(static.items()), jax.config.jax_enable_x64)
    if signature in _compiled:
        return program(*arguments, **static)
    with _tracing:
        result = program(*arguments, **static)
        _compiled.add(signature)
    return result
