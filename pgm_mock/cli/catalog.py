"""`pgm-mock catalog`."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..images import split_images
from ..regions import read_regions
from .common import (
    offset_of,
    progress,
    read_components,
    read_images,
    read_observation,
    report,
    say_psf,
    start_jax,
    use_files_only,
)

if TYPE_CHECKING:
    from ..catalogue import Field


def run(options: Namespace) -> int:
    """Measure every source, write the catalogue, and say what was found."""
    start_jax(options)
    use_files_only()
    from ..catalogue import catalog
    from ..catalogue.learn import LEARN
    from ..catalogue.store import finished_chunks

    fields = _fields(options)
    first = fields[0]
    if first.images is None and options.psf != LEARN:
        say_psf(options, first.observation)
    what = f"{len(first.regions)} sources" if len(fields) == 1 else f"the sources of {len(fields)} fields"
    progress(f"measuring {what}; the first ones compile the model")
    try:
        table = catalog(
            fields,
            options.out,
            psf=options.psf,
            psf_sampling=options.psf_sampling,
            components=read_components(options),
            neighbours=options.neighbours,
            gradient=not options.uniform,
            position=options.position,
            half_size=options.half_size,
            offset=offset_of(options),
            method=options.method,
            num_replicates=options.num_replicates,
            chunk_size=options.chunk,
            seed=options.seed,
            workers=options.workers,
            scheduler=options.scheduler,
            progress=sys.stderr.isatty(),
            say=progress,
        )
    except KeyboardInterrupt as stop:
        kept = f"{finished_chunks(options.out)} finished chunks are kept in {options.out}"
        raise KeyboardInterrupt(f"{kept}; the same command goes on from there") from stop
    flags = np.asarray(table["FLAG"])
    lines = [
        f"{len(table)} sources, {int((flags > 0).sum())} flagged: {options.out}/catalog.html, .ecsv, .fits, .vot, .reg"
    ]
    lines += [f"  {row['ID']}: {row['MEANING']}" for row in table[flags > 0][:20]]
    if int((flags > 0).sum()) > 20:
        lines.append("  ...")
    flagged = {str(row["ID"]): {"flag": int(row["FLAG"]), "meaning": str(row["MEANING"])} for row in table[flags > 0]}
    report(options, lines, {"out": options.out, "sources": len(table), "flagged": flagged})
    return 0 if (flags & 1).sum() < len(table) else 2


def _fields(options: Namespace) -> "Sequence[Field]":
    """Return what is to be measured: a survey's fields, or the one of the command line."""
    from ..catalogue import Field, read_fields
    from ..catalogue.learn import LEARN

    if options.exposure is None:
        if options.regions is not None:
            raise InputError(
                "expected IMAGE and EXPOSURE with --regions, or a list of triples alone; found no EXPOSURE"
            )
        if options.background_map is not None:
            raise InputError(
                "--background-map: expected IMAGE and EXPOSURE; a list names its maps in its fourth column"
            )
        return read_fields(options.image, options.exposure_unit, options.min_exposure)
    if options.regions is None:
        raise InputError("expected --regions FILE with the sources, found none")
    if options.psf == LEARN and len(split_images(options.image)) > 1:
        raise InputError(f"--psf {LEARN}: expected one image, found several")
    images = read_images(options)
    if images is not None:
        return [Field.of_images(images, read_regions(options.regions, images[0].observation))]
    observation = read_observation(options)
    return [Field(observation, read_regions(options.regions, observation))]
