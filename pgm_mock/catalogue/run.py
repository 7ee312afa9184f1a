"""catalog(): fields in, files out."""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, warn
from ..inference.many import lanes
from ..inference.methods import make_plan
from ..inference.together.priors import OFFSET
from ..psf import choose_and_say
from ..random import checked_seed
from ..scene import Component, known_parameters
from .cluster import on_cluster
from .fields import Field
from .icrsregions import write_sky_regions
from .imagesrow import columns_of_images, parameters_of_images
from .learn import LEARN, learnt_psf
from .measure import Measured, measure_all
from .outputs import write_page, write_posteriors, write_regions, write_tables
from .sources import Settings, Source, sources_of
from .store import Store, chunk_size_of
from .table import make_table

if TYPE_CHECKING:
    from astropy.table import QTable

_FEW = 100
"""Up to so many sources, all lists of photons get one length: one program costs less than one for each length."""
_SHORT, _FEW_AT_ONCE, _MANY_AT_ONCE = 256, 4, 32
"""Up to how many sources a list is short; sources in a chunk of one, and of a long one or on a GPU."""


@dataclass(frozen=True)
class _Work:
    """What happens to each source."""

    method: str
    num_draws: int
    num_samples: int
    num_replicates: int
    significance: float
    seed: int


def catalog(
    fields: Field | Sequence[Field],
    out: str | os.PathLike[str],
    *,
    psf: str = "auto",
    psf_sampling: float | None = None,
    components: Sequence[Component] = (),
    neighbours: str = "fit",
    gradient: bool = True,
    position: str = "free",
    half_size: int = 20,
    offset: float = OFFSET,
    method: str = "auto",
    num_draws: int = 2500,
    num_samples: int = 1000,
    num_replicates: int = 200,
    significance: float = 0.01,
    chunk_size: int | None = None,
    seed: int = 0,
    workers: int = 0,
    scheduler: str | None = None,
    progress: bool = False,
    say: Callable[[str], None] | None = None,
) -> "QTable":
    """Fit, check, limit and tabulate every source of one field or of many.

    Results are kept in `out/chunks` as they come: a run that is stopped at any moment goes on from there when it is
    called again, and ends with the same table to the byte. A source that cannot be fitted is a row that says why.

    Args:
        fields: images with their sources; `read_fields` gives such as are read when they are needed.
        out: the folder for catalog.ecsv, .fits, .vot, .reg and .html, and posteriors.nc.
        psf: "auto" (the telescope's in the header, else a Gaussian), "gaussian", "king", "moffat", a
            registered family's name, or a FITS file. "field" learns it: the whole field is fitted as one model first
            (see `fit_field`).
        psf_sampling: of a PSF image: its pixels for each pixel of the counts image, where its header does not say.
        components: that each model has beside the source, the sky and the neighbours, such as `Beta()`, with their
            default priors; their parameters are columns.
        neighbours: other sources in a stamp: "fit" them jointly, "mask" their circles, or "ignore" them; several
            images mask them where it is "fit".
        gradient: whether the background may have a gradient; that of several images has none.
        position: "free", or "fixed" at the regions' (forced photometry).
        half_size: stamps have 2 half_size + 1 pixels.
        offset: of fields with several images, which are fitted together: standard deviation of each image's astrometric
            offset [arcsec].
        method, num_draws, num_samples, seed: as for `fit`.
        num_replicates: images simulated for each source's predictive check; 0 leaves the check out.
        significance: of the check's flag.
        chunk_size: sources that are written, or sent to a worker, at once; by default 4, and 32 of more than 256
            sources or on a GPU.
        workers: so many local processes, each on one core, in place of threads in this one.
        scheduler: address of a Dask scheduler to send the chunks to.
        progress: whether to show a bar on stderr.
        say: is told in words what an earlier run left, where it left something.

    Returns:
        The table.

    Raises:
        InputError: an option with a value that it cannot have, no source, or a folder that holds another catalogue.
    """
    fields = [fields] if isinstance(fields, Field) else fields
    if psf == LEARN:
        psf = learnt_psf(fields, Path(out), psf_sampling, checked_seed(seed), progress, say)
    settings = Settings(psf, neighbours, gradient, position, half_size, psf_sampling, tuple(components), offset)
    if len(fields) and fields[0].images is not None:
        settings = settings.of_images()
    plan = make_plan(method, num_draws, 400.0, seed, num_chains=1, num_warmup=1000, num_samples=num_samples)
    work = _Work(method, num_draws, num_samples, num_replicates, significance, plan.seed)
    if workers < 0:
        raise InputError(f"workers: expected 0 or more, found {workers}")
    if 0 < num_replicates < 100 or num_replicates < 0:
        raise InputError(f"num_replicates: expected 0 or at least 100, found {num_replicates}")
    sources = sources_of(fields, settings)
    if not len(sources):
        raise InputError("fields: expected at least one source, found none")
    store = Store(Path(out), settings.told() | asdict(work), sources, _chunk_size(chunk_size, len(sources), Path(out)))
    missing = store.missing()
    for name in store.damaged:
        warn(f"{store.chunks / name}: damaged, computed anew")
    kept = len(sources) - sum(len(store.numbers[chunk]) for chunk in missing)
    if say is not None and kept:
        say(f"kept {kept} of {len(sources)} sources from an earlier run")
    plan = replace(plan, longest=len(sources) <= _FEW)
    do = partial(measure_all, plan=plan, num_replicates=num_replicates, significance=significance)
    _run(store, missing, do, workers, scheduler, progress)
    images = fields[0].images
    more = [] if images is None else columns_of_images(images)
    table = make_table(store.rows(), fields[0].observation.flux_unit, settings.parameters, more)
    write_tables(store.folder, table)
    write_regions(store.folder, table, sources.field_names, sources.sizes)
    write_sky_regions(store.folder, table, fields, sources.field_names)
    known = known_parameters() | settings.parameters if images is None else parameters_of_images(images)
    write_posteriors(store, table["ID"], fields[0].observation, known)
    half = None if images is None else settings.half_size
    write_page(store, table, fields, _notes(settings, sources[0], fields[0]), half)
    return table


def _run(store: Store, missing: list[int], do: Any, workers: int, scheduler: str | None, progress: bool) -> None:
    """Measure the missing chunks, here or elsewhere, and write each as it comes."""
    from tqdm import tqdm

    done = len(store.sources) - sum(len(store.numbers[chunk]) for chunk in missing)
    with tqdm(total=len(store.sources), initial=done, unit="source", disable=not progress, file=sys.stderr) as bar:
        # A thread more than cores: one of them may wait for a program that another compiles.
        if workers or scheduler:
            for chunk, measured in on_cluster(store, missing, partial(do, threads=2), workers, scheduler):
                store.write(chunk, measured)
                bar.update(len(measured))
        else:
            for number in _overlapping(store, missing, partial(do, threads=(os.cpu_count() or 1) + 1)):
                bar.update(number)


def _chunk_size(asked: int | None, number: int, folder: Path) -> int:
    """How many sources to write at once, so that a stopped run keeps something, and many make few files.

    A run that goes on takes as many as before.
    """
    if asked is None and (begun := chunk_size_of(folder)):
        return begun
    if asked is None:
        return _FEW_AT_ONCE if number <= _SHORT and lanes(2) == 1 else _MANY_AT_ONCE
    if asked < 1:
        raise InputError(f"chunk_size: expected at least 1, found {asked}")
    return asked


def _overlapping(store: Store, missing: list[int], do: Callable[..., list[Measured]]) -> Iterator[int]:
    """Measure and write each chunk while the last sources of the one before it are under way: no core waits for them.

    Gives how many sources each had. When it is stopped, sources that have not begun are left; a chunk that is whole by
    then is written.
    """
    stop = Event()

    def whole(chunk: int, sources: list[Source]) -> int:
        measured = do(sources, stop=stop)
        store.write(chunk, measured)
        return len(measured)

    ahead: deque[Future[int]] = deque()
    with ThreadPoolExecutor(2) as pool:
        try:
            for chunk in missing:
                ahead.append(pool.submit(whole, chunk, store.sources_in(chunk)))
                if len(ahead) > 1:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            stop.set()


def _notes(settings: Settings, first: Source, field: Field) -> list[str]:
    """What was assumed, in words."""
    observation = field.observation
    x, y = (first.x, first.y) if np.isfinite([first.x, first.y]).all() else observation.centre
    _, shape = choose_and_say(settings.psf, observation.header, observation.wcs, x, y, settings.psf_sampling)
    background = "with a gradient" if settings.gradient else "uniform"
    treatment = {"fit": "fitted jointly", "mask": "masked", "ignore": "ignored"}[settings.neighbours]
    place = "free about the position asked for" if settings.position == "free" else "fixed at the position asked for"
    if field.images is not None:
        names = ", ".join(field.images.names)
        return [
            f"{len(field.images)} images fitted together: {names}. {shape}; in the first image, at the first source.",
            f"Background uniform in each; other sources {'ignored' if settings.neighbours == 'ignore' else 'masked'}; "
            f"positions {place}; offsets of the images {settings.offset:g} arcsec.",
            f"Exposure in {observation.exposure_unit} ({observation.unit_source}); fluxes in {observation.flux_unit}, "
            "medians with 68 % intervals. Stamps in that order, row by row, from the lower left.",
        ]
    size, observed = 2 * settings.half_size + 1, f"{observation.exposure_unit} ({observation.unit_source})"
    return [
        f"{shape}; at the first source.",
        f"Stamps of {size} x {size} pixels; background {background}; neighbours {treatment}; positions {place}.",
        f"Exposure in {observed}; fluxes in {observation.flux_unit}, medians with 68 % intervals.",
    ]
