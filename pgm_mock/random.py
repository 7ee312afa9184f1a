"""Numbers that can be had again: from a seed and a source's own name, never from its place in a batch.

One rule holds for every function that takes a `seed`: it is 0 where none is given, so that the same call gives the same
numbers; another whole number gives others; None lets the operating system choose, each time anew.
"""

import secrets
import zlib

import jax
import numpy as np
from jaxtyping import Array

from .errors import InputError

ON_ANY_CORES = {"xla_cpu_multi_thread_eigen": False, "xla_disable_hlo_passes": "cpu-parallel-task-assigner"}
"""Compiler options of programs whose result must not depend on the number of cores, down to the last bit.

XLA otherwise divides its loops among the cores, and the end of a part rounds in another way than its middle. Many such
programs run side by side, one for each image, so that the cores are busy all the same.
"""


def source_key(seed: int | None, name: str) -> jax.Array:
    """Return the PRNG key of a source: the same for the same seed and name, wherever the source is computed.

    Args:
        seed: a whole number, or None for an unpredictable one.
        name: identifies the source; it is folded in by its CRC-32.

    Raises:
        InputError: the seed is no whole number of at most 32 bits.
    """
    return _key(np.uint32(checked_seed(seed)), np.uint32(zlib.crc32(name.encode())))


def source_generator(seed: int | None, name: str) -> np.random.Generator:
    """Return NumPy's generator of a source, by the same rule as its key.

    Raises:
        InputError: the seed is no whole number of at most 32 bits.
    """
    return np.random.Generator(np.random.Philox(key=(checked_seed(seed), zlib.crc32(name.encode()))))


@jax.jit
def _key(seed: Array, name: Array) -> jax.Array:
    return jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), name)


def checked_seed(seed: int | None) -> int:
    """Return the seed as an int, drawn by the operating system where it is None; or raise InputError."""
    if seed is None:
        return secrets.randbits(32)
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise InputError(f"seed: expected a whole number, found {seed!r}")
    value = int(seed)
    if not 0 <= value < 2**32:
        raise InputError(f"seed: expected a whole number from 0 to {2**32 - 1}, found {value}")
    return value
