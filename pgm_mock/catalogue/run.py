"""catalog(): fields in, files out."""

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataWarning, InputError
from ..inference.methods import make_plan
from ..psf import GaussianPSF, describe_psf, epic_psf
from .cluster import on_cluster
from .fields import Field
from .measure import Measured, measure_all
from .outputs import write_page, write_posteriors, write_regions, write_tables
from .sources import Settings, sources_of
from .store import Store
from .table import make_table

if TYPE_CHECKING:
    from astropy.table import QTable

_FEW = 100
"""Up to so many sources, all lists of photons get one length: one program costs less than one for each length."""


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
    neighbours: str = "fit",
    gradient: bool = True,
    position: str = "free",
    half_size: int = 20,
    method: str = "auto",
    num_draws: int = 2500,
    num_samples: int = 1000,
    num_replicates: int = 200,
    significance: float = 0.01,
    chunk_size: int = 32,
    seed: int = 0,
    workers: int = 0,
    scheduler: str | None = None,
    progress: bool = False,
) -> "QTable":
    """Fit, check, limit and tabulate every source of one field or of many.

    Results are kept in `out/chunks` as they come: a run that is stopped at any moment goes on from there when it is
    called again, and ends with the same table to the byte. A source that cannot be fitted is a row that says why.

    Args:
        fields: images with their sources.
        out: the folder for catalog.ecsv, .fits, .vot, .reg and .html, and posteriors.nc.
        psf: "auto" (the King profile for an EPIC image, else a Gaussian), "gaussian", "king", "moffat", or a FITS file.
        neighbours: other sources in a stamp: "fit" them jointly, "mask" their circles, or "ignore" them.
        gradient: whether the background may have a gradient.
        position: "free", or "fixed" at the regions' (forced photometry).
        half_size: stamps have 2 half_size + 1 pixels.
        method, num_draws, num_samples, seed: as for `fit`.
        num_replicates: images simulated for each source's predictive check; 0 leaves the check out.
        significance: of the check's flag.
        chunk_size: sources that are written, or sent to a worker, at once.
        workers: so many local processes, each on one core, in place of threads in this one.
        scheduler: address of a Dask scheduler to send the chunks to.
        progress: whether to show a bar on stderr.

    Returns:
        The table.

    Raises:
        InputError: an option that is none, no source, or a folder that holds another catalogue.
    """
    fields = [fields] if isinstance(fields, Field) else list(fields)
    settings = Settings(psf, neighbours, gradient, position, half_size)
    plan = make_plan(
        method, GaussianPSF(), num_draws, 400.0, seed, num_chains=1, num_warmup=1000, num_samples=num_samples
    )
    work = _Work(method, num_draws, num_samples, num_replicates, significance, plan.seed)
    if chunk_size < 1:
        raise InputError(f"chunk_size: expected at least 1, found {chunk_size}")
    if workers < 0:
        raise InputError(f"workers: expected 0 or more, found {workers}")
    if 0 < num_replicates < 100 or num_replicates < 0:
        raise InputError(f"num_replicates: expected 0 or at least 100, found {num_replicates}")
    sources = list(sources_of(fields, settings)) if fields else []
    if not sources:
        raise InputError("fields: expected at least one source, found none")
    store = Store(Path(out), asdict(settings) | asdict(work), sources, chunk_size)
    missing = store.missing()
    for name in store.damaged:
        warnings.warn(f"{store.chunks / name}: damaged, computed anew", DataWarning, 2)
    plan = replace(plan, longest=len(sources) <= _FEW)
    do = partial(measure_all, plan=plan, num_replicates=num_replicates, significance=significance)
    for chunk, measured in _run(store, missing, do, workers, scheduler, progress):
        store.write(chunk, measured)
    measured = [one for chunk in range(len(store.numbers)) for one in store.read(chunk)]
    table = make_table([one.row for one in measured], fields[0].observation.flux_unit)
    notes = _notes(settings, sources, fields)
    write_tables(store.folder, table)
    write_regions(store.folder, table, fields)
    write_posteriors(store.folder, measured, fields[0].observation)
    write_page(store.folder, table, measured, fields, notes)
    return table


def _run(
    store: Store, missing: list[int], do: Any, workers: int, scheduler: str | None, progress: bool
) -> Iterator[tuple[int, list[Measured]]]:
    """Measure the missing chunks, here or elsewhere, and hand over each as it comes."""
    from tqdm import tqdm

    done = len(store.sources) - sum(len(store.numbers[chunk]) for chunk in missing)
    with tqdm(total=len(store.sources), initial=done, unit="source", disable=not progress, file=sys.stderr) as bar:
        # A thread more than cores: one of them may wait for a program that another compiles.
        if workers or scheduler:
            finished = on_cluster(store, missing, partial(do, threads=2), workers, scheduler)
        else:
            here = partial(do, threads=(os.cpu_count() or 1) + 1)
            finished = ((chunk, here(store.sources_in(chunk))) for chunk in missing)
        for chunk, measured in finished:
            yield chunk, measured
            bar.update(len(measured))


def _notes(settings: Settings, sources: Any, fields: Sequence[Field]) -> list[str]:
    """What was assumed, in words."""
    first = sources[0]
    observation = fields[0].observation
    epic = epic_psf(observation.header, observation.wcs, first.x, first.y) if settings.psf in ("auto", "king") else None
    shape = epic.line() + " at the first source" if epic is not None else describe_psf(first.psf)
    background = "with a gradient" if settings.gradient else "uniform"
    others = {"fit": "fitted jointly", "mask": "masked", "ignore": "ignored"}[settings.neighbours]
    place = "free about the position asked for" if settings.position == "free" else "fixed at the position asked for"
    size, observed = 2 * settings.half_size + 1, f"{observation.exposure_unit} ({observation.unit_source})"
    return [
        f"PSF: {shape}.",
        f"Stamps of {size} x {size} pixels; background {background}; neighbours {others}; positions {place}.",
        f"Exposure in {observed}; fluxes in {observation.flux_unit}, medians with 68 % intervals.",
    ]
