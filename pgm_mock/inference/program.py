"""Calling compiled programs from several threads.

NumPyro's effect handlers live on one global stack, so that two threads must never trace at once; programs that are
compiled already may run side by side.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

_tracing = threading.Lock()
_compiled: set[Any] = set()


def kind(tree: Any) -> tuple[Any, ...]:
    """Return what trees of arrays have in common that one program serves: their structure, shapes and types."""
    leaves, structure = jax.tree.flatten(tree)
    return structure, *map(jax.typeof, leaves)


def stack(trees: Sequence[Any]) -> Any:
    """Put trees of one kind into one, each leaf with a new first axis."""
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *trees)


def call[Result](program: Callable[..., Result], *arguments: Any, **static: Any) -> Result:
    """Call a jitted function, alone where it has not been compiled for such arguments yet.

    Args:
        program: the jitted function.
        arguments: its traced arguments, pytrees of arrays.
        static: its static arguments.
    """
    signature = (program, kind(arguments), tuple(static.items()), jax.config.jax_enable_x64)
    if signature in _compiled:
        return program(*arguments, **static)
    with _tracing:
        result = program(*arguments, **static)
        _compiled.add(signature)
    return result
