"""What `detect` finds in the real field of Abell 1835, against the list of 26 sources; writes REAL_FIELD.md.

    python -m tests.benchmarks.real_field IMAGE EXPOSURE

Times are of the second of two runs in one process, compiled.
"""

import sys
import time
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

from pgm_mock import Observation, detect, read_regions, sensitivity
from pgm_mock.detection import compare
from pgm_mock.detection.ratiomap import RatioMap
from pgm_mock.resources import resource


def seconds(work: object, *arguments: object, **options: object) -> tuple[object, float, float]:
    """Return what a call gives, and its seconds of wall and of CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = work(*arguments, **options)
    return found, time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Detect, compare, and write the tables."""
    image = Observation.read(*sys.argv[1:3], min_exposure=0.25)
    detect(image, odds=False)
    _, wall, cpu = seconds(detect, image, odds=False)
    found = detect(image)
    found, odds_wall, odds_cpu = seconds(detect, image)
    ratio_map = RatioMap(found.observation.exposure, found.psf)
    _ = ratio_map.seen, ratio_map(image.counts, found.found.fitted.mean)
    _, map_wall, map_cpu = seconds(ratio_map, image.counts, found.found.fitted.mean)
    sensitivity(found)
    seen, seen_wall, seen_cpu = seconds(sensitivity, found)
    listed = read_regions(resource("a1835_regions.txt"), image)
    table, said = compare(found, listed, 6.0)
    rows = {str(row["ID"]): row for row in found.table}
    names = ("x", "y", "counts", "DET_LIKE", "N_FALSE", "point", "extended", "double", "note")
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for row in table[table["WHAT"] == "new"]:
        one = rows[str(row["ID"])]
        shares = " | ".join(f"{one[name]:.2f}" for name in ("P_POINT", "P_EXT", "P_DOUBLE"))
        place = f"{one['X_IMA'].value:.1f} | {one['Y_IMA'].value:.1f} | {one['CTS'].value:.0f}"
        lines.append(f"| {place} | {one['DET_LIKE']:.1f} | {one['N_FALSE']:.2g} | {shares} | {one['NOTE']} |")
    missing = [
        f"({row['X_IMA'].value:.0f}, {row['Y_IMA'].value:.0f}): {row['DET_LIKE']:.1f}"
        for row in table[table["WHAT"] == "missing"]
    ]
    text = [
        "# The real field of Abell 1835", f"{found.line()}. {said}.",
        f"Ratios of the listed ones that are missing: {', '.join(missing) or 'none'}.",
        "## Sources that the list does not have", "\n".join(lines),
        "## Times",
        f"Search and calibration {wall:.1f} s ({cpu:.1f} s of CPU), with the odds {odds_wall:.1f} s ({odds_cpu:.1f} s)",
        f"One map {map_wall:.2f} s ({map_cpu:.2f} s); sensitivity at {len(seen.rows):,} places {seen_wall:.1f} s "
        f"({seen_cpu:.1f} s).",
        f"Sensitivity: {seen.line()}.",
    ]  # fmt: skip
    print("\n\n".join(text))
    Path(__file__).with_name("REAL_FIELD.md").write_text("\n\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
