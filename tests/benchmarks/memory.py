"""Peak memory of a catalogue of N sources whose posteriors are made up, so that nothing but the catalogue counts.

    python -m tests.benchmarks.memory 2000 20000

Fields of 400 sources, without a check. Each source has its stamp cut and gets 2,500 draws of six parameters, three
images and a full row, as a fit would give it; no fit is made. Each number runs in a process of its own.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from unittest.mock import patch

import numpy as np

from pgm_mock.catalogue import catalog
from pgm_mock.catalogue.measure import Measured
from tests.benchmarks.survey import SOURCES, survey

NAMES = ("x_pos", "y_pos", "flux", "background", "psf_width", "background_dx")
COLUMNS = ("RA", "DEC", "X_IMA", "Y_IMA", "FLUX", "CTS", "BKG", "PSF_WIDTH", "DET_LIKE", "LN_BAYES", "KHAT", "ESS")


def made_up(sources, **_):
    """Return what a fit would, from a generator in place of a sampler."""
    found = []
    for source in sources:
        rng = np.random.default_rng(int(source.x * 1000))
        draws = {name: rng.standard_normal(2500).astype(np.float32) for name in NAMES}
        row = {"ID": source.name, "X_ASKED": source.x, "Y_ASKED": source.y, "FIELD": source.field, "METHOD": "made up"}
        row |= {"FLAG": int(rng.integers(0, 2)), "MEANING": "made up", "PSF": "GaussianPSF"}
        for name in COLUMNS:
            row |= {name + end: float(rng.uniform(1, 2)) for end in ("", "_LOWERR", "_UPERR")}
        images = np.stack([source.stamp.counts, source.stamp.counts, source.stamp.exposure]).astype(np.float32)
        found.append(Measured(row, draws, images))
    return found


def peak() -> float:
    """Highest resident memory of this process so far [MB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def one(number: int) -> None:
    """Make one catalogue, and print sources, memory before and at the peak [MB], and time [s]."""
    fields = survey(number // SOURCES)
    before, started = peak(), time.perf_counter()
    options = {"psf": "gaussian", "neighbours": "ignore", "gradient": False, "num_replicates": 0}
    with patch("pgm_mock.catalogue.run.measure_all", made_up), tempfile.TemporaryDirectory() as folder:
        catalog(fields, folder, **options)
    seconds = time.perf_counter() - started
    print(f"{number:,} sources: {before:.0f} MB before, {peak():.0f} MB at the peak, {seconds:.0f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("numbers", nargs="+", type=int)
    parser.add_argument("--here", action="store_true", help="in this process")
    options = parser.parse_args()
    for number in options.numbers:
        if options.here:
            one(number)
        else:
            subprocess.run([sys.executable, "-m", "tests.benchmarks.memory", "--here", str(number)], check=True)
