"""`pgm-mock detect`."""

import math
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import output_folder, replacing
from ..observation import Observation
from ..regions import Region, read_regions
from .common import progress, read_observation, report, save_figure, say_psf, start_jax, use_files_only

if TYPE_CHECKING:
    from ..detection import Detection

_VAGUE, _SHARP = 0.6, 0.3
"""Relative errors of the number of false sources: one that is told, and one that would do."""


def run(options: Namespace) -> int:
    """Find the sources, write them and the maps, and measure each as `catalog` does."""
    start_jax(options)
    use_files_only()
    from ..detection import check_search, write_detection
    from ..plot import plot_detection

    check_search(options.false_per_field, options.threshold, options.mocks)
    observation = read_observation(options)
    listed = read_regions(options.compare, observation) if options.compare else []
    folder = output_folder(options.out)
    detection = search(options, observation)
    write_detection(detection, folder)
    save_figure(plot_detection(detection), folder / "sources.png")
    lines = [
        f"{observation.name}: {detection.line()}".removeprefix(": "),
        f"{folder}/sources.ecsv, .fits, .txt, .reg, .png; maps ratio.fits, left.fits, behind.fits",
    ]
    summary: dict[str, Any] = {
        "out": str(folder),
        "sources": len(detection),
        "threshold": detection.threshold,
        "false_expected": detection.expected_false,
        "extended": len(detection.found.background.extended),
    }
    if options.compare:
        lines.append(_compared(detection, listed, folder))
        summary["compared"] = lines[-1]
    if options.catalog and len(detection):
        summary["flagged"] = _measure(options, detection, folder)
        lines.append(f"{summary['flagged']} of {len(detection)} flagged: {folder}/catalog.html")
    report(options, lines, summary)
    return 0


def search(options: Namespace, observation: Observation, odds: bool = True) -> "Detection":
    """Find the sources of an image as the options say, and tell on stderr how far it is."""
    from ..detection import detect

    say_psf(options, observation)
    found = detect(
        observation,
        psf=options.psf,
        psf_sampling=options.psf_sampling,
        false_per_field=options.false_per_field,
        threshold=options.threshold,
        num_mocks=options.mocks,
        odds=odds,
        seed=options.seed,
        progress=sys.stderr.isatty(),
        say=progress,
    )
    alarms = found.false_alarms
    error = alarms.error(found.threshold)
    if error > _VAGUE and observation.counts.any():
        more = math.ceil(alarms.mocks * (error / _SHARP) ** 2)
        progress(f"note: the number of false sources is known to {error:.0%}; --mocks {more} tells it to {_SHARP:.0%}")
    return found


def _compared(detection: "Detection", listed: list[Region], folder: Path) -> str:
    """Match the sources with a list, write compared.ecsv, and say in a line what is new, missing and moved."""
    from ..detection import compare

    table, said = compare(detection, listed)
    with replacing(folder / "compared.ecsv") as temporary:
        table.write(temporary, format="ascii.ecsv", overwrite=True)
    return f"{said}: {folder}/compared.ecsv"


def _measure(options: Namespace, detection: "Detection", folder: Path) -> int:
    """Measure each source as `pgm-mock catalog` does; return how many are flagged."""
    import numpy as np

    from ..catalogue import Field, catalog

    progress(f"measuring {len(detection)} sources (--no-catalog leaves this out)")
    table = catalog(
        Field(detection.with_background_map(), detection.regions),
        folder,
        psf=options.psf,
        psf_sampling=options.psf_sampling,
        seed=options.seed,
        progress=sys.stderr.isatty(),
        say=progress,
    )
    return int(np.count_nonzero(np.asarray(table["FLAG"])))
