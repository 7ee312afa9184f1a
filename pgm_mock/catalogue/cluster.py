"""The same chunks on a Dask cluster: workers that die are replaced, and what they had is done again."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import jax

from ..errors import InputError
from ..psf import know_psf
from ..scene import know_component
from .measure import Measured

if TYPE_CHECKING:
    from .store import Store

_AHEAD = 4
"""Chunks for each worker that are sent ahead."""
_DEATHS = 10
"""A chunk may be given up so often by a scheduler: dying is what workers on a shared machine do."""
_SETTINGS = {
    "distributed.scheduler.allowed-failures": _DEATHS,
    # Dask has workers give memory back at each chance, and then get it again: a tenth of their time.
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": 1 << 30,
    "distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_": 1 << 25,
}


def on_cluster(
    store: "Store", missing: list[int], do: Callable[..., list[Measured]], workers: int, scheduler: str | None
) -> Iterator[tuple[int, list[Measured]]]:
    """Measure chunks on a cluster, and hand over each as it comes.

    Args:
        store: gives the sources of a chunk.
        missing: the chunks to be measured.
        do: measures the sources of one.
        workers: of a local cluster that is started for it, each with one core; 0 with a scheduler.
        scheduler: address of a running Dask scheduler.

    Raises:
        InputError: dask.distributed is not installed, or the scheduler does not answer.
    """
    try:
        import dask
        from distributed import Client, KilledWorker, LocalCluster, as_completed
    except ImportError as error:
        raise InputError(
            'workers, scheduler: expected dask.distributed, `pip install "pgm_mock[dask]"`; found none'
        ) from error
    if not missing:
        return
    with dask.config.set(_SETTINGS), ExitStack() as stack:
        cluster: Any = scheduler
        if scheduler is None:
            local = LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None)
            cluster = stack.enter_context(local)
        try:
            client = stack.enter_context(Client(cluster, timeout=30))
        except (OSError, TimeoutError, ValueError) as error:
            raise InputError(f"scheduler: expected a Dask scheduler at {scheduler}, found none: {error}") from error
        config: dict[str, Any] = {"jax_enable_x64": bool(jax.config.jax_enable_x64)}
        if scheduler is None:  # a worker that takes another's place need not compile again
            config["jax_compilation_cache_dir"] = jax.config.jax_compilation_cache_dir
        waiting = iter(missing)
        running = as_completed()
        names: dict[Any, int] = {}
        lost: Counter[int] = Counter()
        ahead = _AHEAD * max(1, workers, len(client.scheduler_info()["workers"]))

        def send(chunk: int) -> None:
            future = client.submit(_measure, do, store.sources_in(chunk), config, pure=False)
            names[future.key] = chunk
            running.add(future)

        for chunk in itertools.islice(waiting, ahead):
            send(chunk)
        for future in running:
            chunk = names.pop(future.key)
            try:
                measured = future.result()
            except KilledWorker as error:
                lost[chunk] += 1
                if lost[chunk] > _DEATHS:
                    raise InputError(f"scheduler: expected workers that live, chunk {chunk} lost all it had") from error
                send(chunk)
                continue
            yield chunk, measured
            for following in itertools.islice(waiting, 1):
                send(following)


def _measure(do: Callable[..., list[Measured]], sources: list[Any], config: dict[str, Any]) -> list[Measured]:
    """Measure on a worker, under the caller's configuration of JAX."""
    for name, value in config.items():
        jax.config.update(name, value)
    for source in sources:
        each = [source.priors] if source.together is None else source.together.priors.each
        for priors in [one for one in each if one is not None]:
            know_psf(priors.psf)  # a class of the user's own is known to the process that sent it
            for component in priors.scene.components:
                know_component(component)
    return do(sources)
