"""Random words as a function of their place: Threefry-2x32, unrolled, element by element.

Salmon et al. (2011), "Parallel random numbers: as easy as 1, 2, 3". A word depends on the key and on a counter alone,
so XLA fuses its computation with whatever consumes it and no array of random numbers is ever written: on a CPU that is
some ten times faster than `jax.random.bits`, with which stream 0 agrees word for word.
"""

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Integer, UInt32

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


def random_words(
    key: jax.Array, counter: Integer[Array, "*n"], stream: int | Integer[Array, ""] = 0
) -> UInt32[Array, "*n"]:
    """Return the random word of each counter.

    Args:
        key: a threefry key, of `jax.random.key(seed, impl="threefry2x32")`.
        counter: place of each word, 0 to 2^32 - 1, any shape.
        stream: number of an independent sequence of words under the same key.
    """
    first, second = _rounds(jax.random.key_data(key).astype(jnp.uint32), jnp.uint32(stream), counter.astype(jnp.uint32))
    return first ^ second


def uniform(words: UInt32[Array, "*n"], dtype: DTypeLike = jnp.float32) -> Float[Array, "*n"]:
    """Turn words into numbers inside (0, 1): (word + 1/2) / 2^32; small ones keep their relative precision."""
    return (words.astype(dtype) + 0.5) * 2.0**-32


def _rounds(key: Array, high: Array, low: Array) -> tuple[Array, Array]:
    """Run the twenty rounds of Threefry-2x32."""
    keys = (key[0], key[1], key[0] ^ key[1] ^ jnp.uint32(_PARITY))
    x, y = jnp.broadcast_arrays(high + keys[0], low + keys[1])
    for block in range(5):
        for rotation in _ROTATIONS[block % 2]:
            x = x + y
            y = ((y << rotation) | (y >> (32 - rotation))) ^ x
        x = x + keys[(block + 1) % 3]
        y = y + keys[(block + 2) % 3] + jnp.uint32(block + 1)
    return x, y
