"""`pgm-mock catalog`."""

import sys
from argparse import Namespace

import numpy as np

from ..errors import InputError
from ..regions import read_regions
from .common import progress, read_observation, report, start_jax, use_files_only


def run(options: Namespace) -> int:
    """Measure every source, write the catalogue, and say what was found."""
    start_jax(options)
    use_files_only()
    from ..catalogue import Field, catalog, read_fields

    if options.exposure is None:
        if options.regions is not None:
            raise InputError(
                "expected IMAGE and EXPOSURE with --regions, or a list of triples alone; found no EXPOSURE"
            )
        if options.background_map is not None:
            raise InputError(
                "--background-map: expected IMAGE and EXPOSURE; a list names its maps in its fourth column"
            )
        fields = read_fields(options.image, options.exposure_unit)
    else:
        if options.regions is None:
            raise InputError("expected --regions FILE with the sources, found none")
        observation = read_observation(options)
        fields = [Field(observation, read_regions(options.regions, observation))]
    number = sum(len(field.regions) for field in fields)
    progress(f"measuring {number} sources; the first ones compile the model")
    table = catalog(
        fields,
        options.out,
        psf=options.psf,
        neighbours=options.neighbours,
        gradient=not options.uniform,
        position=options.position,
        half_size=options.half_size,
        method=options.method,
        num_replicates=options.n,
        chunk_size=options.chunk,
        seed=options.seed,
        workers=options.workers,
        scheduler=options.scheduler,
        progress=sys.stderr.isatty(),
    )
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
