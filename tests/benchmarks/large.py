"""Time and memory of `detect` on a large image; writes LARGE.md beside this file.

    python -m tests.benchmarks.large 3000

An image of N x N pixels, drawn by NumPy: a sky of 0.1 counts in each, and sources of
10 to 3,000 counts with a King profile, one in 120 x 120 pixels, numbers falling as the inverse of
their counts. For N = 3000 that is a million counts. The run is cold: every program is compiled in it.
"""

import argparse
import resource
import time
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np

from pgm_mock import KingPSF, Observation, detect

SKY, SIDE, EXPOSURE = 0.1, 120, 1e4
SLOPE, CORE = 1.5, 1.5
LEAST, MOST = 10.0, 3000.0


def mock(size: int) -> tuple[Observation, np.ndarray]:
    """Draw an image; return it, and x, y and counts of its sources."""
    rng = np.random.default_rng(size)
    number = (size // SIDE) ** 2
    image = rng.poisson(SKY, (size, size))
    counts = LEAST * (MOST / LEAST) ** rng.random(number)
    places = rng.uniform(20, size - 20, (number, 2))
    for (x, y), many in zip(places, rng.poisson(counts), strict=True):
        radius = CORE * np.sqrt((1 - rng.random(many)) ** (1 / (1 - SLOPE)) - 1)
        angle = rng.uniform(0, 2 * np.pi, many)
        photons = np.rint([x + radius * np.cos(angle), y + radius * np.sin(angle)]).astype(int) - 1
        photons = photons[:, ((photons >= 0) & (photons < size)).all(axis=0)]
        np.add.at(image, (photons[1], photons[0]), 1)
    exposure = np.full((size, size), EXPOSURE)
    return Observation(image, exposure, name=f"{size} x {size}"), np.column_stack([places, counts])


def main() -> None:
    """Detect once, and write what it took and what it found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("size", type=int, nargs="?", default=3000)
    image, true = mock(parser.parse_args().size)
    wall, cpu = time.perf_counter(), time.process_time()
    found = detect(image, psf=KingPSF(SLOPE, CORE), odds=False, say=print)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sources = found.found.sources
    apart = np.hypot(sources.x[:, None] - true[:, 0], sources.y[:, None] - true[:, 1])
    near, false = (apart < 3).any(axis=0), int((apart >= 5).all(axis=1).sum())
    bright = true[:, 2] > 40
    text = [
        "# A large image",
        __doc__.split("\n\n", 2)[2].strip(),
        f"{image.name} pixels, {image.counts.sum():,} counts, {len(true)} sources: {wall:.0f} s ({cpu:.0f} s of CPU), "
        f"{memory:.1f} GB at the peak.",
        f"{found.line()}. Of {bright.sum()} sources above 40 counts {near[bright].sum()} are found, of "
        f"{(~bright).sum()} fainter ones {near[~bright].sum()}; {false} found ones are 5 pixels or more from any.",
    ]
    print("\n\n".join(text))
    Path(__file__).with_name("LARGE.md").write_text("\n\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
