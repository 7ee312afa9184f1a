"""`pgm-mock sensitivity`."""

from argparse import Namespace

import numpy as np

from ..files import output_folder
from .common import progress, read_observation, report, save_figure, start_jax, use_files_only
from .detect import search


def run(options: Namespace) -> int:
    """Find the sources, and compute what else would have been found."""
    start_jax(options)
    use_files_only()
    from ..detection import check_search, sensitivity, write_sensitivity
    from ..plot import plot_sensitivity

    check_search(options.false_per_field, options.threshold, options.mocks)
    observation = read_observation(options)
    folder = output_folder(options.out)
    detection = search(options, observation, odds=False)
    progress("computing what would be detected where")
    found = sensitivity(detection)
    write_sensitivity(found, folder)
    save_figure(plot_sensitivity(found), folder / "sensitivity.png")
    lines = [found.line(), f"{folder}/flux50.fits, flux90.fits, area.fits, area.ecsv, sensitivity.png"]
    summary = {
        "out": str(folder),
        "threshold": detection.threshold,
        "false_expected": detection.expected_false,
        "flux50": float(np.median(found.law.flux(0.5))),
        "flux90": float(np.median(found.law.flux(0.9))),
        "area": found.area,
    }
    report(options, lines, summary)
    return 0
