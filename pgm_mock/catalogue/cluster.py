"""The same chunks on a Dask cluster: workers that die are replaced, and what they had is done again."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .measure import Measured

if TYPE_CHECKING:
    from .store import Store

_AHEAD = 4
"""Chunks for each worker that are sent ahead."""
_DEATHS = 10
"""A chunk may lose so many workers before it is given up: dying is what workers on a shared machine do."""


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
        from distributed import Client, LocalCluster, as_completed
    except ImportError as error:
        raise InputError('workers: expected dask.distributed, `pip install "pgm_mock[dask]"`; found none') from error
    if not missing:
        return
    dask.config.set({"distributed.scheduler.allowed-failures": _DEATHS})
    cluster: Any = scheduler
    if scheduler is None:
        cluster = LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None)
    try:
        client = Client(cluster, timeout=30)
    except (OSError, TimeoutError, ValueError) as error:
        raise InputError(f"scheduler: expected a Dask scheduler at {scheduler}, found none: {error}") from error
    try:
        waiting = iter(missing)
        running = as_completed()
        names: dict[Any, int] = {}
        ahead = _AHEAD * max(1, workers, len(client.scheduler_info()["workers"]))

        def send() -> None:
            for chunk in waiting:
                future = client.submit(_measure, do, store.sources_in(chunk), pure=False)
                names[future.key] = chunk
                running.add(future)
                return

        for _ in range(ahead):
            send()
        for future in running:
            yield names.pop(future.key), future.result()
            send()
    finally:
        client.close()
        if scheduler is None:
            cluster.close()


def _measure(do: Callable[..., list[Measured]], sources: list[Any]) -> list[Measured]:
    """Measure on a worker, in double precision and on one core."""
    import jax

    jax.config.update("jax_enable_x64", True)
    return do(sources)
