"""Simulate whole fields with known sources, catalogue them, and write COVERAGE.md beside this file.

    python -m pip install -c constraints.txt -e ".[test]" && python -m tests.benchmarks.coverage IMAGE EXPOSURE REGIONS

Each field has the real exposure map, sources about the real places (2 pixels off and within the region's radius, as
the prior has it) with the fluxes that a fit of the real image gives, and a uniform background. They are measured with
the family that they were made with, Gaussian or King; and Gaussians are fitted to King truths, to see what their flux
means.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np
from scipy import stats

from pgm_mock import Observation, read_regions
from pgm_mock.catalogue.fields import Field
from pgm_mock.catalogue.measure import Measured, measure_all
from pgm_mock.catalogue.sources import Settings, sources_of
from pgm_mock.fieldmock import FieldSource, mock_field
from pgm_mock.inference.methods import make_plan
from pgm_mock.psf import choose_psf

HERE = Path(__file__).parent
PLAN = make_plan("auto", 2500, 400.0, 0, num_chains=1, num_warmup=1000, num_samples=1000)
PLAN = replace(PLAN, longest=True)
BACKGROUND = 5e-6
SPREAD = 2.0
"""Standard deviation of the default prior of a position, which the region's radius cuts off [pixels]."""
FLUXES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)


def measured(field: Field, psf: str) -> list[Measured]:
    return measure_all(list(sources_of([field], Settings(psf=psf))), PLAN, 0, 0.01, 2)


def field_of(truth: Observation, sources: list[FieldSource], regions: list, seed: int) -> Field:
    counts = mock_field(truth, sources, BACKGROUND, seed=seed)
    return Field(replace(truth, counts=counts, name=f"mock {seed}"), regions)


def inside(draws: np.ndarray, truth: float, level: float) -> bool:
    low, high = np.quantile(draws, [0.5 - level / 2, 0.5 + level / 2])
    return bool(low <= truth <= high)


def coverage(family: str, truth: Observation, fluxes: np.ndarray, regions: list, fields: int) -> Iterator[str]:
    """How often the intervals hold the truth."""
    held: dict[tuple[str, float], list[bool]] = {}
    bright: dict[tuple[str, float], list[bool]] = {}
    uncertified = 0
    for seed in range(fields):
        reach = np.array([[region.radius] for region in regions]) / SPREAD
        random = np.random.default_rng(seed)
        sources, off = [], SPREAD * stats.truncnorm.rvs(-reach, reach, size=(len(regions), 2), random_state=random)
        for region, flux, (dx, dy) in zip(regions, fluxes, off, strict=True):
            psf = choose_psf(family, truth.header, truth.wcs, region.x, region.y)
            sources.append(FieldSource(region.x + dx, region.y + dy, float(flux), psf, float(psf.typical_width)))
        for one, source in zip(measured(field_of(truth, sources, regions, seed), family), sources, strict=True):
            uncertified += one.row["FLAG"] != 0
            for name, value in (("flux", source.flux), ("x_pos", source.x), ("y_pos", source.y)):
                for level in (0.68, 0.95):
                    hit = inside(one.draws[name], value, level)
                    held.setdefault((name, level), []).append(hit)
                    if one.row["DET_LIKE"] > 10:
                        bright.setdefault((name, level), []).append(hit)
        print(family, seed, {key: round(float(np.mean(hits)), 3) for key, hits in held.items()}, flush=True)
    yield f"## {family}: {fields} fields of {len(regions)} sources, {uncertified} fits flagged"
    yield ""
    yield "| parameter | level | all sources | binomial errors | DET_LIKE > 10 | binomial errors |"
    yield "|---|---|---|---|---|---|"
    for (name, level), hits in held.items():
        cells = []
        for group in (hits, bright[name, level]):
            error = np.sqrt(level * (1 - level) / len(group))
            cells += [f"{np.mean(group):.1%} of {len(group)}", f"{(np.mean(group) - level) / error:+.1f}"]
        yield f"| {name} | {level:.0%} | {' | '.join(cells)} |"
    yield ""


def bias(truth: Observation, regions: list, fields: int, picture: Path) -> Iterator[str]:
    """What share of a King profile's flux a Gaussian finds; the figure goes to a file beside the table."""
    yield "## A Gaussian fitted to a King profile"
    yield ""
    yield f"![share of the flux that each finds, against the flux]({picture.name})"
    yield ""
    yield "| flux [ct / s] | share of the flux, median | 16 to 84 % | width [pixel] | the same by a King profile |"
    yield "|---|---|---|---|---|"
    shares = {"gaussian": [], "king": []}
    for flux in FLUXES:
        chosen = regions[1:20:3]
        sources = []
        for region in chosen:
            psf = choose_psf("king", truth.header, truth.wcs, region.x, region.y)
            sources.append(FieldSource(region.x, region.y, flux, psf, float(psf.typical_width)))
        rows = {family: [] for family in shares}
        for seed in range(fields):
            field = field_of(truth, sources, chosen, 1000 + seed)
            for family, found in rows.items():
                found += [one.row for one in measured(field, family)]
        for family, found in rows.items():
            shares[family].append(np.quantile([row["FLUX"] / flux for row in found], [0.16, 0.5, 0.84]))
        width = np.median([row["PSF_WIDTH"] for row in rows["gaussian"]])
        low, middle, high = shares["gaussian"][-1]
        line = f"| {flux:g} | {middle:.2f} | {low:.2f} to {high:.2f} | {width:.2f} | {shares['king'][-1][1]:.2f} |"
        print(line, flush=True)
        yield line
    yield ""
    draw({family: np.array(each) for family, each in shares.items()}, picture)


def draw(shares: dict[str, np.ndarray], picture: Path) -> None:
    """Draw the shares, median and 16 to 84 %, against the flux."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    axes.axhline(1.0, color="0.7", linewidth=1)
    names = {"king": "King profile fitted", "gaussian": "Gaussian fitted"}
    for (family, name), colour, shift in zip(names.items(), ("#0072B2", "#D55E00"), (0.97, 1.03), strict=True):
        low, middle, high = shares[family].T
        bars = np.stack([middle - low, high - middle])
        axes.errorbar(np.array(FLUXES) * shift, middle, bars, fmt="o", color=colour, capsize=3, label=name)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel("true flux [ct / s]")
    axes.set_ylabel("median posterior flux / true flux")
    axes.set_title("Sources with the King profile of EPIC MOS2", loc="left")
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(picture, dpi=120)


def main() -> None:
    """Run them all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image")
    parser.add_argument("exposure")
    parser.add_argument("regions")
    parser.add_argument("--fields", type=int, default=40)
    parser.add_argument("--out", type=Path, default=HERE / "COVERAGE.md")
    options = parser.parse_args()
    real = Observation.read(options.image, options.exposure)
    regions = read_regions(options.regions, real)
    fluxes = np.array([one.row["FLUX"] for one in measured(Field(real, regions), "auto")])
    said = "A fit of a source that lies at its region's bound is flagged for leaning on it."
    lines = ["# Coverage of a catalogue", "", f"Written by `coverage.py` beside this file. {said}", ""]
    parts = [coverage(family, real, fluxes, regions, options.fields) for family in ("gaussian", "king")]
    for part in [
        *parts,
        bias(real, regions, max(2, options.fields // 4), options.out.with_name("gaussian_on_king.png")),
    ]:
        lines += list(part)
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
