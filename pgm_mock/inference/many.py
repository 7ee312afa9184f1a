"""fit_many(): the posteriors of many stamps, one compiled program for all."""

import itertools
import os
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import jax

from ..errors import InputError
from ..observation import Observation
from ..priors import Priors
from .importance import Dark, ImportanceSample, Noise, sample
from .methods import (
    Plan,
    better_of,
    failed_posterior,
    fit_one,
    further_rounds,
    importance_posterior,
    make_plan,
    needs_more,
    sample_all,
    settled,
)
from .modes import FEW, MANY
from .posterior import FAILED, StampPosterior
from .program import call, kind, stack
from .unconstrained import Data

if TYPE_CHECKING:
    import xarray

_AHEAD = 512
_FEW_AT_ONCE = 16
"""Stamps whose first draws were not enough are sampled so many at once; a chunk has a few of them."""

Job = tuple[Observation, Priors]


def lanes(most: int) -> int:
    """Return how many stamps the device at hand computes at once: one on a CPU's core, `most` on a GPU."""
    return 1 if jax.default_backend() == "cpu" else most


def fit_many(
    stamps: Iterable[Observation],
    priors_list: Iterable[Priors],
    *,
    progress: bool = False,
    **options: Any,
) -> "list[xarray.DataTree]":
    """Compute the posteriors of many stamps; see `iter_fits`, whose results it collects."""
    return list(iter_fits(stamps, priors_list, progress=progress, **options))


def iter_fits(
    stamps: Iterable[Observation],
    priors_list: Iterable[Priors],
    *,
    progress: bool = False,
    **options: Any,
) -> "Iterator[xarray.DataTree]":
    """Compute posteriors one after the other, and hand each over as it comes.

    Args:
        stamps, priors_list: as many of one as of the other; may be generators, of which only a few hundred are
            drawn ahead.
        progress: whether to show a bar on stderr, with rate and time left.
        options: method, num_draws, min_ess, num_chains, num_warmup, num_samples, chunk_size and seed, as for
            `iter_posteriors`.

    Yields:
        The posteriors, in order, each what `fit` returns. A stamp that cannot be fitted gives one whose attribute
        `method` is "failed" and whose `problems` say why.

    Raises:
        InputError: an option with a value that it cannot have, or lists of different lengths.
    """
    with closing(iter_posteriors(stamps, priors_list, progress=progress, **options)) as found:
        for posterior in found:
            yield posterior.tree()


def iter_posteriors(
    stamps: Iterable[Observation],
    priors_list: Iterable[Priors],
    *,
    method: str = "auto",
    num_draws: int = 2500,
    min_ess: float = 400.0,
    num_chains: int = 1,
    num_warmup: int = 1000,
    num_samples: int = 1000,
    chunk_size: int | None = None,
    seed: int | None = 0,
    progress: bool = False,
) -> Generator[StampPosterior]:
    """Compute posteriors one after the other, as arrays.

    A source's numbers depend on the seed and its own name, never on the batch that it comes in: on a CPU each stamp
    goes through the compiled program alone, one on each core, and the result is the same to the last bit. With a
    `chunk_size` above 1, as on a GPU, the program is compiled for so many stamps at once, the last chunk padded: then
    sums are taken in another order, which the adaptation amplifies: most draws agree to some 1e-6; where the weights
    are strained, some are others, as with another seed.

    Args:
        stamps, priors_list: as many of one as of the other; may be generators, of which only a few hundred are
            drawn ahead.
        method, num_draws, min_ess, num_chains, num_warmup, num_samples, seed: as for `fit`.
        chunk_size: stamps that are computed at once; by default 1 on a CPU and 256 on a GPU.
        progress: whether to show a bar on stderr, with rate and time left.

    Yields:
        The posteriors, in order. A stamp that cannot be fitted gives one of method "failed" that says why.

    Raises:
        InputError: an option that does not exist or has no such value, or lists of different lengths.
    """
    numbers = {"num_chains": num_chains, "num_warmup": num_warmup, "num_samples": num_samples}
    plan = make_plan(method, num_draws, min_ess, seed, **numbers)
    size = chunk_size or lanes(256)
    if size < 1:
        raise InputError(f"chunk_size: expected at least 1, found {size}")
    yield from _in_order(stamps, priors_list, plan, size, progress)


def _in_order(
    stamps: Iterable[Observation], priors_list: Iterable[Priors], plan: Plan, size: int, progress: bool
) -> Iterator[StampPosterior]:
    from tqdm import tqdm

    total = len(stamps) if isinstance(stamps, Sized) else None
    jobs = _jobs(stamps, priors_list)
    found = _side_by_side(jobs, plan) if size == 1 else _in_windows(jobs, plan, size)
    with (
        closing(found),
        tqdm(total=total, unit="stamp", mininterval=0.5, disable=not progress, file=sys.stderr) as bar,
    ):
        for posterior in found:
            bar.update()
            yield posterior


def _jobs(stamps: Iterable[Observation], priors_list: Iterable[Priors]) -> Iterator[Job]:
    for stamp, priors in itertools.zip_longest(stamps, priors_list):
        if stamp is None or priors is None:
            raise InputError("priors_list: expected as many priors as stamps, found another number")
        yield stamp, priors


def _side_by_side(jobs: Iterator[Job], plan: Plan) -> Generator[StampPosterior]:
    """Fit one stamp on each core; while one takes long, as with NUTS, the others go on with those that follow."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        ahead: deque[Future[StampPosterior]] = deque()
        try:
            while True:
                ahead.extend(pool.submit(fit_safely, job, plan) for job in itertools.islice(jobs, _AHEAD - len(ahead)))
                if not ahead:
                    return
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


def _in_windows(jobs: Iterator[Job], plan: Plan, size: int) -> Generator[StampPosterior]:
    while window := list(itertools.islice(jobs, max(_AHEAD, size))):
        yield from fit_together(window, plan, size)


def fit_safely(job: Job, plan: Plan) -> StampPosterior:
    """Fit one of many: bad input becomes a failed result, and takes no other with it."""
    stamp, priors = job
    try:
        return fit_one(stamp, priors, plan)
    except InputError as error:
        return failed_posterior(stamp, priors, plan, str(error))


def fit_together(jobs: Sequence[Job], plan: Plan, size: int) -> Iterator[StampPosterior]:
    """Fit stamps in chunks of those that share a shape, a number of photons, families of priors and of the PSF.

    Args:
        jobs: stamps with their priors.
        plan: how.
        size: of a chunk, to which each is padded.

    Yields:
        The posteriors, in order; a failed one where a stamp cannot be fitted.
    """
    found: dict[int, StampPosterior] = {}
    together = []
    for number, (_, priors) in enumerate(jobs):
        if plan.method == "nuts" or not priors.free:
            found[number] = fit_safely(jobs[number], plan)
        else:
            together.append(number)
    data = {number: Data.of(jobs[number][0]) for number in together}
    for numbers in _of_one_kind({number: (data[number], jobs[number][1]) for number in together}):
        for chunk in itertools.batched(numbers, size):
            posteriors = _chunk([jobs[n] for n in chunk], [data[n] for n in chunk], plan, size)
            found |= zip(chunk, posteriors, strict=True)
    for number in range(len(jobs)):
        yield found[number]


def _of_one_kind(trees: Mapping[int, Any]) -> Iterable[list[int]]:
    """Put the numbers of trees together that one program serves."""
    groups: dict[Any, list[int]] = {}
    for number, tree in trees.items():
        groups.setdefault(kind(tree), []).append(number)
    return groups.values()


def _chunk(jobs: list[Job], data: list[Data], plan: Plan, size: int) -> list[StampPosterior]:
    """Fit at most `size` stamps at once, and then those together whose draws were not enough, as far as it takes."""
    found = _sampled(jobs, data, plan, plan.rounds, FEW, size)
    to_come = {n: list(further_rounds(one, plan)) for n, one in enumerate(found) if one.method != FAILED}
    while again := {n: rounds.pop(0) for n, rounds in to_come.items() if rounds and needs_more(found[n], plan)}:
        for rounds in sorted(set(again.values())):
            for n, more in _with_more_modes({n: jobs[n] for n in again if again[n] == rounds}, plan, rounds):
                found[n] = better_of(found[n], more)
    return [settled(one, plan) if n in to_come else one for n, one in enumerate(found)]


def _with_more_modes(
    jobs: Mapping[int, Job], plan: Plan, rounds: tuple[int, int]
) -> Iterator[tuple[int, StampPosterior]]:
    """Fit stamps once more, a few at once, with so many draws; each comes with its number."""
    longest = {number: Data.of(stamp, longest=True) for number, (stamp, _) in jobs.items()}
    for numbers in _of_one_kind({number: (longest[number], priors) for number, (_, priors) in jobs.items()}):
        for some in itertools.batched(numbers, _FEW_AT_ONCE):
            data = [longest[number] for number in some]
            yield from zip(some, _sampled([jobs[n] for n in some], data, plan, rounds, MANY, _FEW_AT_ONCE), strict=True)


def _sampled(
    jobs: list[Job], data: list[Data], plan: Plan, rounds: tuple[int, int], modes: int, size: int
) -> list[StampPosterior]:
    """Sample stamps at once, padded with the first to so many."""
    padding = size - len(jobs)
    stacked = stack(data + data[:1] * padding)

    def draw(names: list[str], priors: list[Priors], darks: list[Dark]) -> list[ImportanceSample]:
        noise = [Noise.of(plan.seed, name, priors[0].dimension, rounds) for name in names]
        each = stack(noise + noise[:1] * padding), stacked, stack(priors + priors[:1] * padding)
        samples = jax.device_get(call(_sample_chunk, *each, stack(darks + darks[:1] * padding), modes=modes))
        return [jax.tree.map(lambda values, lane=lane: values[lane], samples) for lane in range(len(jobs))]

    found = []
    for (stamp, own), samples in zip(jobs, sample_all(jobs, data, draw), strict=True):
        try:
            found.append(importance_posterior(stamp, own, plan, samples, rounds[0]))
        except InputError as error:
            found.append(failed_posterior(stamp, own, plan, str(error)))
    return found


@partial(jax.jit, static_argnames="modes")
def _sample_chunk(noise: Noise, data: Data, priors: Priors, darks: Dark, *, modes: int) -> ImportanceSample:
    return jax.vmap(partial(sample, modes=modes))(noise, data, priors, darks)
