"""Exact Poisson numbers, fast where most means are small, as they are in an X-ray image.

Three steps, each a pure function of the key, a pixel's place and its mean:

1. `_invert_small`: means up to 2 by inversion of one 32-bit word, unrolled, without a loop; everything else, and the
   rare word whose resolution does not suffice, is marked. One pass over the image, fused with the random words and
   with the computation of the means.
2. The marked pixels (about 1 %) are gathered into a short array.
3. Those are finished: `_invert_middle` does the same with more terms for means below 10; `_invert_two_sided` inverts a
   64-bit uniform from both tails where the word is too coarse (Devroye 1986, III.2); `_reject` is transformed rejection
   for means above (PTRS, Hörmann 1993), with Loader's (2000) form of the probability, in which the difference from the
   mean is a small exact number, so that the law holds for means beyond 10^7 in single precision.

Drawn in one piece for a traced array, the same steps give the same numbers.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt32

from .errors import InputError
from .threefry import random_words, uniform

_SMALL, _LARGE = 2.0, 10.0
_COARSE = 1 << 16
"""Words below this are settled with 64 bits: 2^-32 is no longer small against their size."""
_COARSE_BELOW = 1 << 20
"""The same from the other end, where P(N > k) is near 1 and has an absolute precision of 6e-8."""
_SMALL_TERMS, _MIDDLE_TERMS = 14, 34
"""Terms of the unrolled inversion: P(N > 14) is 6e-9 for a mean of 2, P(N > 34) is 7e-10 for a mean of 10."""
_TERMS = 56
"""Terms of the two-sided inversion: P(N > 56) is below 1e-24 for a mean of 10."""
_ROW = 1 << 10
"""A list of means is drawn in rows of this length."""
_BLOCKS = (1 << 5, 1 << 9, 1 << 12)
"""Marked pixels are finished in blocks of the smallest of these sizes that holds them all, or else of the largest."""

_LARGEST = 2.0**31 - 2.0**21
"""Above this mean a count is 2^31 - 1; below it no count comes near."""

Mean = Callable[..., Array]
Finish = Callable[[jax.Array, Array, Array], Array]


def poisson(key: jax.Array, mean: Float[Array, "*n"]) -> Int[Array, "*n"]:
    """Draw independent Poisson numbers.

    Args:
        key: a threefry key.
        mean: any shape, finite and ≥ 0.

    Returns:
        32-bit integers of the same shape; 2^31 - 1 for means above 2^31 - 2^21.

    Raises:
        InputError: a mean is NaN, negative or infinite (not checked while JAX traces).
    """
    if isinstance(mean, jax.core.Tracer) or isinstance(key, jax.core.Tracer):
        return _draw_traced(key, jnp.asarray(mean))
    means = np.asarray(mean)
    if means.ndim >= 2:
        return jnp.asarray(draw(key, _itself, means))
    # XLA does not vectorise a loop over one axis of a length that it cannot divide.
    rows = np.zeros((-(-means.size // _ROW) or 1, _ROW), means.dtype)
    rows.flat[: means.size] = means
    return jnp.asarray(draw(key, _itself, rows).reshape(-1)[: means.size].reshape(means.shape))


def draw(key: jax.Array, mean_of: Mean, *arguments: Any, out: np.ndarray | None = None) -> np.ndarray:
    """Draw Poisson numbers whose means are computed where they are needed, and never stored.

    Args:
        key: a threefry key.
        mean_of: a function of `arguments` that returns the means; compiled once.
        arguments: arrays or pytrees of them.
        out: where to put the numbers, an array or a view of one; as many of the first rows as it holds.

    Returns:
        32-bit integers of the means' shape, or `out`.

    Raises:
        InputError: a mean is NaN, negative or infinite.
    """
    first, means_everywhere = _first_pass(key, mean_of, *arguments)
    settled = np.asarray(first) if out is None else np.asarray(first)[: len(out)]
    counts = np.empty(settled.shape, np.int32) if out is None else out
    counts[...] = settled
    places = np.flatnonzero(settled < 0)
    if places.size:
        means = np.asarray(means_everywhere).reshape(-1)[places]
        if (bad := means[~((means >= 0) & (means < np.inf))]).size:
            raise InputError(f"mean: expected means that are finite and ≥ 0, found {bad[0]} ({bad.size} such)")
        flat = counts.reshape(-1) if counts.flags.c_contiguous else counts.flat
        middle = _finish(key, _invert_middle, places, means, (means > _SMALL) & (means < _LARGE))
        large = _finish(key, _reject, places, means, means >= _LARGE)
        _put(flat, middle, large)
        _put(flat, _finish(key, _invert_two_sided, places, means, flat[places] < 0))
    return counts


class _Finished(NamedTuple):
    """Marked pixels that are drawn, or still being drawn, in blocks whose last one is padded."""

    places: np.ndarray
    blocks: list[Array]


def _finish(key: jax.Array, finish: Finish, places: np.ndarray, means: np.ndarray, chosen: np.ndarray) -> _Finished:
    """Start to draw the chosen ones of the marked pixels by one of the methods, block by block."""
    places = places[chosen]
    blocks = zip(_blocks(places), _blocks(means[chosen], fill=_LARGE), strict=True)
    return _Finished(places, [_run_block(key, finish, *block) for block in blocks])


def _put(flat: np.ndarray | np.flatiter, *finished: _Finished) -> None:
    """Wait for the numbers and put them in their places."""
    for places, blocks in finished:
        if blocks:
            flat[places] = np.concatenate([np.asarray(block) for block in blocks])[: places.size]


def _blocks(values: np.ndarray, fill: float = 0) -> list[np.ndarray]:
    """Cut an array into blocks of one size, the last one padded, so that one compiled program serves all."""
    size = next((size for size in _BLOCKS if values.size <= size), _BLOCKS[-1])
    count = -(-values.size // size)
    padded = np.full(count * size, fill, np.uint32 if values.dtype.kind == "i" else values.dtype)
    padded[: values.size] = values
    return list(padded.reshape(count, size))


def _itself(mean: Array) -> Array:
    return mean


def _draw_traced(key: jax.Array, mean: Array) -> Array:
    """Draw inside a compiled function: no gathering, every pixel goes through both steps."""
    places = jnp.arange(mean.size, dtype=jnp.uint32).reshape(mean.shape)
    counts = _invert_small(key, places, mean.astype(jnp.float32))
    low, high = jnp.minimum(mean, _LARGE), jnp.maximum(mean, _LARGE)
    middle = jnp.where(mean > _SMALL, _invert_middle(key, places, low), -1)
    middle = jnp.where(middle < 0, _invert_two_sided(key, places, low), middle)
    return jnp.where(counts >= 0, counts, jnp.where(mean < _LARGE, middle, _reject(key, places, high)))


@partial(jax.jit, static_argnames="mean_of")
def _first_pass(key: jax.Array, mean_of: Mean, *arguments: Any) -> tuple[Array, Array]:
    # Without the barrier XLA computes the means anew inside the inversion, and that loop is no longer vectorised.
    mean = jax.lax.optimization_barrier(mean_of(*arguments))
    places = jax.lax.iota(jnp.uint32, mean.size).reshape(mean.shape)
    return _invert_small(key, places, mean.astype(jnp.float32)), mean


@partial(jax.jit, static_argnames="finish")
def _run_block(key: jax.Array, finish: Finish, places: Array, means: Array) -> Array:
    return finish(key, places, means)


def _invert_small(key: jax.Array, places: UInt32[Array, "*n"], mean: Float[Array, "*n"]) -> Int[Array, "*n"]:
    """Invert where the mean is small; -1 where it is not, or is none, or where the word is too coarse."""
    word = random_words(key, places)
    unsettled = ~((mean >= 0) & (mean <= _SMALL)) | ((word < _COARSE) & (mean > 0))
    return jnp.where(unsettled, -1, _invert(word, mean, _SMALL_TERMS))


def _invert_middle(key: jax.Array, places: UInt32[Array, "*n"], mean: Float[Array, "*n"]) -> Int[Array, "*n"]:
    """Invert means up to 10; -1 where the word lies so far in a tail that single precision does not do."""
    word = random_words(key, places)
    unsettled = (word < _COARSE) | (word > jnp.uint32(0xFFFFFFFF - _COARSE_BELOW))
    return jnp.where(unsettled, -1, _invert(word, mean.astype(jnp.float32), _MIDDLE_TERMS))


def _invert(word: UInt32[Array, "*n"], mean: Float[Array, "*n"], steps: int) -> Int[Array, "*n"]:
    """Count the survival probabilities above a uniform word: N = #{k ≥ 0: u < P(N > k)}.

    The sums P(N > k) are added up from the far tail, so that each keeps its relative precision.
    """
    u = uniform(word)
    probability = jnp.exp(-mean)
    terms = []
    for k in range(1, steps + 1):
        probability = probability * (mean * (1.0 / k))
        terms.append(probability)
    survival = jnp.zeros_like(mean)
    count = jnp.zeros(mean.shape, jnp.int32)
    for probability in reversed(terms):
        survival = survival + probability
        count = count + (u < survival).astype(jnp.int32)
    return count


def _invert_two_sided(key: jax.Array, places: UInt32[Array, "*n"], mean: Float[Array, "*n"]) -> Int[Array, "*n"]:
    """Invert a 64-bit uniform from the tail that it lies in."""
    mean = mean.astype(jnp.float32)
    word, fine = random_words(key, places), random_words(key, places, 1)
    above = uniform(word & ~jnp.uint32(0)) - 2.0**-33 + uniform(fine) * 2.0**-32
    below = uniform(~word) - 2.0**-33 + uniform(~fine) * 2.0**-32

    def forward(carry: tuple[Array, Array, Array], k: Array) -> tuple[tuple[Array, Array, Array], Array]:
        probability, cumulated, count = carry
        cumulated = cumulated + probability
        count = count + (cumulated < below)
        return (probability * mean / (k + 1), cumulated, count), probability

    start = (jnp.exp(-mean), jnp.zeros_like(mean), jnp.zeros(mean.shape, jnp.int32))
    (_, _, from_below), terms = jax.lax.scan(forward, start, jnp.arange(_TERMS, dtype=mean.dtype), unroll=8)

    def backward(carry: tuple[Array, Array], probability: Array) -> tuple[tuple[Array, Array], None]:
        survival, count = carry
        survival = survival + probability
        return (survival, count + (above < survival)), None

    start_above = (jnp.zeros_like(mean), jnp.zeros(mean.shape, jnp.int32))
    (_, from_above), _ = jax.lax.scan(backward, start_above, terms[1:], reverse=True, unroll=8)
    return jnp.where(word < jnp.uint32(1 << 31), from_above, from_below)


def _reject(key: jax.Array, places: UInt32[Array, "*n"], mean: Float[Array, "*n"]) -> Int[Array, "*n"]:
    """Transformed rejection with squeeze (PTRS): one or two tries a pixel."""
    whole = jnp.minimum(jnp.floor(mean), _LARGEST)
    fraction = jnp.where(mean > _LARGEST, 0.0, mean - whole).astype(jnp.float32)
    mu = mean.astype(jnp.float32)
    b = 0.931 + 2.53 * jnp.sqrt(mu)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    squeeze = 0.9277 - 3.6224 / (b - 2.0)

    def attempt(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        number, offset, done = carry
        word, v = random_words(key, places, 2 * number + 2), uniform(random_words(key, places, 2 * number + 3))
        left = word < jnp.uint32(1 << 31)
        edge = uniform(jnp.where(left, word, ~word))
        shifted = jnp.where(left, edge - 0.5, 0.5 - edge)
        candidate = jnp.floor((2.0 * a / edge + b) * shifted + fraction + 0.43)
        log_ratio = jnp.log(v * inverse_alpha / (a / (edge * edge) + b))
        accepted = (edge >= 0.07) & (v <= squeeze)
        possible = (candidate + mu >= 0) & ((edge >= 0.013) | (v <= edge))
        accepted |= possible & (log_ratio <= _log_probability(candidate - fraction, mu))
        return number + 1, jnp.where(done, offset, candidate), done | accepted

    start = (jnp.int32(0), jnp.zeros_like(mu), jnp.zeros(mu.shape, bool))
    _, offset, _ = jax.lax.while_loop(lambda carry: ~jnp.all(carry[2]), attempt, start)
    count = whole.astype(jnp.int32) + offset.astype(jnp.int32)
    return jnp.where(mean > _LARGEST, 2**31 - 1, jnp.maximum(count, 0))


def _log_probability(difference: Float[Array, "*n"], mean: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Logarithm of the Poisson probability of mean + difference, by Loader's saddle-point form."""
    count = jnp.maximum(mean + difference, 0.0)
    e = difference / mean
    series = e * e * (0.5 - e * (1 / 6 - e * (1 / 12 - e * (1 / 20 - e * (1 / 30 - e * (1 / 42 - e / 56))))))
    direct = (1.0 + e) * jnp.log1p(jnp.maximum(e, -1.0 + 1e-7)) - e
    deviance = mean * jnp.where(jnp.abs(e) < 0.1, series, direct)
    inverse = 1.0 / jnp.maximum(count, 1.0)
    stirling = inverse * (
        1 / 12 - inverse * inverse * (1 / 360 - inverse * inverse * (1 / 1260 - inverse * inverse / 1680))
    )
    saddle = -deviance - stirling - 0.5 * jnp.log(2.0 * jnp.pi * jnp.maximum(count, 1.0))
    return jnp.where(count < 0.5, -mean, saddle)
