"""fit_many(): the posteriors of many stamps, one compiled program for all."""

import itertools
import os
import sys
from collections.abc import Iterable, Iterator, Sized
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import jax

from ..errors import InputError
from ..observation import Observation
from ..priors import Priors
from ..psf import PSF, GaussianPSF
from ..random import source_key
from . import importance
from .methods import Plan, escalate, failed_posterior, fit_one, importance_posterior, make_plan
from .posterior import StampPosterior
from .program import call, kind, stack
from .unconstrained import Data

_WINDOW = 512

Pair = tuple[Observation, Priors]


def fit_many(
    stamps: Iterable[Observation],
    priors_list: Iterable[Priors],
    *,
    progress: bool = False,
    **options: Any,
) -> list[StampPosterior]:
    """Compute the posteriors of many stamps; see `iter_fits`, whose results it collects."""
    return list(iter_fits(stamps, priors_list, progress=progress, **options))


def iter_fits(
    stamps: Iterable[Observation],
    priors_list: Iterable[Priors],
    *,
    method: str = "auto",
    psf: PSF = GaussianPSF(),  # noqa: B008 (a constant without state)
    num_draws: int = 2500,
    min_ess: float = 400.0,
    num_chains: int = 1,
    num_warmup: int = 1000,
    num_samples: int = 1000,
    chunk_size: int | None = None,
    seed: int | None = 0,
    progress: bool = False,
) -> Iterator[StampPosterior]:
    """Compute posteriors one after the other, and hand each over as it comes.

    A source's numbers depend on the seed and its own name, never on the batch that it comes in: on a CPU each stamp
    goes through the compiled program alone, one on each core, and the result is the same to the last bit. With a
    `chunk_size` above 1, as on a GPU, the program is compiled for so many stamps at once, the last chunk padded: then
    sums are taken in another order, which the adaptation amplifies: draws agree to some 1e-6.

    Args:
        stamps, priors_list: as many of one as of the other; may be generators, of which only a few hundred are
            drawn ahead.
        method, psf, num_draws, min_ess, num_chains, num_warmup, num_samples, seed: as for `fit`.
        chunk_size: stamps that are computed at once; by default 1 on a CPU and 256 on a GPU.
        progress: whether to show a bar on stderr, with rate and time left.

    Yields:
        The posteriors, in order. A stamp that cannot be fitted gives one of method "failed" that says why.

    Raises:
        InputError: an option that is no option, or lists of different lengths.
    """
    numbers = {"num_chains": num_chains, "num_warmup": num_warmup, "num_samples": num_samples}
    plan = make_plan(method, psf, num_draws, min_ess, seed, **numbers)
    size = chunk_size or (1 if jax.default_backend() == "cpu" else 256)
    if size < 1:
        raise InputError(f"chunk_size: expected at least 1, found {size}")
    yield from _in_windows(stamps, priors_list, plan, size, progress)


def _in_windows(
    stamps: Iterable[Observation], priors_list: Iterable[Priors], plan: Plan, size: int, progress: bool
) -> Iterator[StampPosterior]:
    from tqdm import tqdm

    total = len(stamps) if isinstance(stamps, Sized) else None
    pairs = iter(itertools.zip_longest(stamps, priors_list))
    workers = os.cpu_count() or 1 if size == 1 else 1
    with (
        tqdm(total=total, unit="stamp", mininterval=0.5, disable=not progress, file=sys.stderr) as bar,
        ThreadPoolExecutor(workers) as pool,
    ):
        while window := list(itertools.islice(pairs, max(_WINDOW, size))):
            if any(stamp is None or priors is None for stamp, priors in window):
                raise InputError("priors_list: expected as many priors as stamps, found another number")
            alone = pool.map(lambda pair: _fit_safely(pair, plan), window) if size == 1 else None
            for posterior in alone or _chunks(window, plan, size):
                bar.update()
                yield posterior


def _fit_safely(pair: Pair, plan: Plan) -> StampPosterior:
    """Fit one of many: bad input becomes a failed result, and takes no other with it."""
    try:
        return fit_one(*pair, plan)
    except InputError as error:
        return failed_posterior(*pair, plan, str(error))


def _chunks(window: list[Pair], plan: Plan, size: int) -> Iterator[StampPosterior]:
    """Fit a window in chunks of stamps that share a shape, a number of photons and families of priors."""
    found: dict[int, StampPosterior] = {}
    groups: dict[Any, list[int]] = {}
    data: dict[int, Data] = {}
    for number, (stamp, priors) in enumerate(window):
        if plan.method == "nuts" or not priors.free:
            found[number] = _fit_safely((stamp, priors), plan)
            continue
        data[number] = Data.of(stamp)
        groups.setdefault((kind(data[number]), jax.tree.structure(priors)), []).append(number)
    for numbers in groups.values():
        for first in range(0, len(numbers), size):
            chunk = numbers[first : first + size]
            posteriors = _chunk([window[n] for n in chunk], [data[n] for n in chunk], plan, size)
            for number, posterior in zip(chunk, posteriors, strict=True):
                found[number] = posterior
    for number in range(len(window)):
        yield found[number]


def _chunk(pairs: list[Pair], data: list[Data], plan: Plan, size: int) -> list[StampPosterior]:
    """Fit at most `size` stamps at once, the chunk padded with its first stamp."""
    padding = size - len(pairs)
    padded = pairs + pairs[:1] * padding
    keys = jax.numpy.stack([source_key(plan.seed, stamp.name) for stamp, _ in padded])
    stacked = stack(data + data[:1] * padding)
    priors = stack([priors for _, priors in padded])
    number = plan.num_chains * plan.num_samples
    samples = jax.device_get(
        call(_sample_chunk, keys, stacked, priors, plan.psf, rounds=plan.rounds, num_samples=number)
    )
    found = []
    for lane, (stamp, own) in enumerate(pairs):
        one = jax.tree.map(lambda values, lane=lane: values[lane], samples)
        try:
            found.append(escalate(importance_posterior(stamp, own, plan, one), plan))
        except InputError as error:
            found.append(failed_posterior(stamp, own, plan, str(error)))
    return found


@partial(jax.jit, static_argnames=("rounds", "num_samples"))
def _sample_chunk(
    keys: jax.Array, data: Data, priors: Priors, psf: PSF, *, rounds: tuple[int, int], num_samples: int
) -> importance.ImportanceSample:
    one = partial(importance.sample, psf=psf, rounds=rounds, num_samples=num_samples)
    return jax.vmap(one)(keys, data, priors)
