"""Planned widths against fits, and planned detection against the mocks that are detected; writes PLAN.md.

    python -m tests.benchmarks.plan --n 60

EPIC MOS2 at 5', a pixel of 4", 20 ks; the background is 0.06 and 0.6 counts a pixel. Each point is planned twice: by
Fisher's information, and by the medians of fits to mocks, which are the oracle. Where the source is faint
(`Forecast.is_faint`), a plan has the mocks; two sets of them are compared with each other.
"""

import argparse
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np

from pgm_mock.planning import Forecast, plan_by_fisher
from pgm_mock.planning.bymocks import mock_forecasts

EXPOSURE, COUNTS, LEVELS = 2e4, (8.0, 15.0, 30.0, 60.0, 200.0), (3e-6, 3e-5)


def point(background: float, counts: float, number: int) -> tuple[Forecast, list[Forecast]]:
    """Return the forecast by Fisher's information, and those by two sets of mocks."""
    bare = {"telescope": "EMOS2", "background": background, "pixel": 4.0, "off_axis": [5.0]}
    found = plan_by_fisher(counts / EXPOSURE, [EXPOSURE], **bare)
    sets = [
        mock_forecasts(found.places, found.flux, found.forecasts, found.threshold, number, seed)[0] for seed in (0, 1)
    ]
    return found.forecasts[0], sets


def line(background: float, counts: float, number: int) -> str:
    """One line of the table."""
    fisher, sets = point(background, counts, number)
    share = np.mean([one.detected for one in sets])
    error = np.sqrt(max(share * (1 - share), 0.25 / number) / (2 * number))
    cells = ["mocks" if fisher.is_faint else "Fisher"]
    cells += [f"{background * EXPOSURE:g}", f"{counts:g}", f"{fisher.probability:.3f}", f"{share:.3f} ± {error:.3f}"]
    for what in ("flux", "position"):
        by_fisher = getattr(fisher, f"{what}_width")
        widths = np.array([getattr(one, f"{what}_width") for one in sets])
        spread = [0.5 * (getattr(one, f"{what}_high") - getattr(one, f"{what}_low")) for one in sets]
        off = np.diff(widths)[0] / np.hypot(*spread) / np.sqrt(np.pi / 2 / number)
        form = ".1%" if what == "flux" else ".2f"
        cells += [format(by_fisher, form), " / ".join(format(one, form) for one in widths)]
        cells += [f"{by_fisher / widths.mean() - 1:+.1%}", f"{off:+.1f}"]
    cells.append(" / ".join(f"{one.bias:.2f}" for one in sets))
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Compute all points, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=60, help="mocks of each set")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "PLAN.md")
    options = parser.parse_args()
    head = ["a plan has", "background", "counts", "detected: planned", "of mocks", "flux: Fisher", "two sets of fits"]
    head += ["Fisher − fits", "sets apart, in errors", 'position ["]: Fisher', "two sets of fits", "Fisher − fits"]
    head += ["sets apart, in errors", "fitted / true flux of detected mocks"]
    text = ["# Planned against fitted", "", f"Medians of the posteriors' standard deviations, {options.n} mocks a set."]
    text += ["The background in counts per pixel.", "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for background in LEVELS:
        for counts in COUNTS:
            text.append(line(background, counts, options.n))
            print(text[-1], flush=True)
            options.out.write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
