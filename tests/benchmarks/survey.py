"""Catalogue a mock survey of 20,000 sources on two Dask workers, one of which is killed half-way; write SURVEY.md.

    python -m pip install -c constraints.txt -e ".[test]" && python -m tests.benchmarks.survey

Fifty fields with the simulated field's exposure map and 400 sources each. The table must be that of one process, to the
byte; the rate is compared with that of one process that is held to one core.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from threading import Thread

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp
import numpy as np

from pgm_mock import Observation, Region, catalog
from pgm_mock.catalogue import Field
from pgm_mock.catalogue.survey import Survey
from pgm_mock.demo import demo_field
from pgm_mock.poisson import poisson
from pgm_mock.psf import GaussianPSF
from pgm_mock.random import source_key

HERE = Path(__file__).parent
SOURCES = 400


def survey(fields: int) -> Survey:
    """Return fields of sources at random places, with fluxes from a power law, each made when it is asked for."""
    demo = demo_field().observation
    return Survey([partial(_field, number, demo) for number in range(fields)])


def _field(number: int, demo: Observation) -> Field:
    rows, columns = np.nonzero(demo.exposure > 0.2 * demo.exposure.max())
    rng = np.random.default_rng(number)
    chosen = rng.choice(len(rows), SOURCES, replace=False)
    x, y = columns[chosen] + 1.0 + rng.uniform(-0.5, 0.5, SOURCES), rows[chosen] + 1.0
    flux = 5e-4 * (1 - rng.uniform(size=SOURCES)) ** (-1 / 1.2)
    each = jax.vmap(lambda px, py: GaussianPSF().profiles(demo.columns, demo.rows, px, py, 1.5))(x, y)
    light = jnp.einsum("s,sy,sx->yx", flux, each[1][..., 0], each[0][:, 0], precision="highest")
    counts = np.asarray(poisson(source_key(number, "survey"), demo.exposure * (light + 5e-6)))
    observation = Observation(counts=counts, exposure=demo.exposure, wcs=demo.wcs, name=f"field {number}")
    regions = [Region(str(n), float(x[n]), float(y[n]), 4.0) for n in range(SOURCES)]
    return Field(observation, regions, f"f{number:03d}")


def run(out: str, fields: int, workers: int) -> None:
    """Catalogue the survey; with workers, kill one of them when half is done."""
    jax.config.update("jax_compilation_cache_dir", f"{out}_programs")
    made = survey(fields)
    if workers:
        Thread(target=_kill_half_way, args=(Path(out), fields * SOURCES // 100), daemon=True).start()
    options = {"psf": "gaussian", "neighbours": "ignore", "gradient": False, "num_replicates": 0, "chunk_size": 100}
    started = time.perf_counter()
    table = catalog(made, out, workers=workers, num_samples=200, **options)
    print(f"{len(table)} {time.perf_counter() - started:.1f}")


def _kill_half_way(out: Path, chunks: int) -> None:
    while len(list((out / "chunks").glob("0*.npz"))) < chunks // 2:
        time.sleep(0.5)
    command = ["pgrep", "-P", str(os.getpid()), "-f", "spawn_main"]
    children = subprocess.run(command, capture_output=True, text=True, check=False)
    victims = [int(line) for line in children.stdout.split()]
    if victims:
        os.kill(victims[-1], signal.SIGKILL)
        print(f"killed {victims[-1]} of {victims}", file=sys.stderr)


def main() -> None:
    """Run both, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fields", type=int, default=50)
    parser.add_argument("--one", nargs=2, metavar=("OUT", "WORKERS"))
    options = parser.parse_args()
    if options.one:
        run(options.one[0], options.fields, int(options.one[1]))
        return
    me = [sys.executable, "-m", "tests.benchmarks.survey"]
    with tempfile.TemporaryDirectory() as folder:
        told = {}
        for name, workers, prefix in (
            ("one process, one core", 0, ["taskset", "-c", "0"]),
            ("two workers, one killed", 2, []),
        ):
            command = [
                *prefix,
                *me,
                "--fields",
                str(options.fields),
                "--one",
                f"{folder}/{name.replace(' ', '_')}",
                str(workers),
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            number, seconds = done.stdout.split()[-2:]
            told[name] = int(number) / float(seconds), int(number), float(seconds), "killed" in done.stderr
            print(name, told[name], done.stderr[-300:], flush=True)
        same = all(
            (Path(folder) / "one_process,_one_core" / file).read_bytes()
            == (Path(folder) / "two_workers,_one_killed" / file).read_bytes()
            for file in ("catalog.ecsv", "catalog.fits", "catalog.vot")
        )
    rates = {name: rate for name, (rate, *_) in told.items()}
    ratio = rates["two workers, one killed"] / rates["one process, one core"]
    lines = [
        "# A survey on two workers",
        "",
        "Written by `survey.py` beside this file, on two cores; the times hold start-up, compilation and all files.",
        "",
        "| | sources | time [s] | sources / s |",
        "|---|---|---|---|",
        *[f"| {name} | {number:,} | {seconds:.0f} | {rate:.1f} |" for name, (rate, number, seconds, _) in told.items()],
        "",
        f"A worker was {'killed' if told['two workers, one killed'][3] else 'NOT killed'} half-way; the tables are "
        f"{'identical to the byte' if same else 'DIFFERENT'}. Two workers do {ratio:.2f} times what one core does.",
    ]
    (HERE / "SURVEY.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
