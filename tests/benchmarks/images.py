"""Several images of one source: speed, certificates, calibration, hardness ratios.

Mocks are made by other code than the likelihood's: photons are drawn one by one from a King profile on the sky, and
binned into pixels of unlike size and rotation.

`python -m tests.benchmarks.images --n 1000` writes IMAGES.md beside this file; `--store` keeps results as they come.
"""

import argparse
import json
import textwrap
import time
import warnings
from pathlib import Path

import arviz
import jax
import numpy as np
import numpyro.distributions as dist
from astropy.wcs import WCS
from scipy import stats

jax.config.update("jax_enable_x64", True)

import pgm_mock
from pgm_mock import Images, ImagesPriors, KingPSF, Observation
from pgm_mock.inference.methods import make_plan
from pgm_mock.inference.together import fit_images

RA, DEC, SIZE, EXPOSURE = 150.0, -11.0, 41, 1000.0
CORE, SLOPE = 4.6, 1.45
GRIDS = ((0.0, 4.0), (33.0, 3.5), (-121.0, 4.35))
OFFSET, SPREAD, REACH = 1.5, 8.0, 24.0
LEVEL = 0.05
HERE = Path(__file__).parent


def wcs_of(angle: float, scale: float) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = [RA, DEC], [(SIZE + 1) / 2] * 2
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    wcs.wcs.cd = scale / 3600 * np.array([[-c, s], [s, c]])
    wcs.wcs.radesys = "ICRS"
    return wcs


def photons(rng: np.random.Generator, number: int, east: float, north: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw from a King profile on the plane that touches the sky [arcsec]."""
    radius = CORE * np.sqrt((1.0 - rng.random(number)) ** (1.0 / (1.0 - SLOPE)) - 1.0)
    angle = 2 * np.pi * rng.random(number)
    return east + radius * np.cos(angle), north + radius * np.sin(angle)


def mock(
    rng: np.random.Generator, grid: tuple[float, float], place: np.ndarray, counts: float, level: float
) -> Observation:
    wcs = wcs_of(*grid)
    east, north = photons(rng, rng.poisson(counts), *place)
    back = np.linalg.inv(3600 * wcs.wcs.cd)
    x, y = back @ np.stack([east, north]) + (SIZE - 1) / 2
    edges = [np.arange(SIZE + 1) - 0.5] * 2
    image = np.histogram2d(y, x, bins=edges)[0] + rng.poisson(level, (SIZE, SIZE))
    return Observation(image, np.full((SIZE, SIZE), EXPOSURE), wcs=wcs)


def model(number: int, counts: float, spread: float) -> tuple[list[tuple[float, float]], dict[str, dist.Distribution]]:
    """Return the grids of so many images, and the priors of flux and background that mocks are drawn from."""
    grids = [GRIDS[place % 3] for place in range(number)]
    flux = dist.LogNormal(np.log(counts / EXPOSURE), spread)
    return grids, {"flux": flux, "background": dist.LogNormal(np.log(LEVEL / EXPOSURE), 0.5)}


def one(seed: int, number: int, counts: float, spread: float = 1.0) -> dict:
    """Draw all parameters from the priors, simulate, fit; return ranks, and whether it is certified."""
    rng = np.random.default_rng([seed, number, round(10 * counts)])
    grids, priors = model(number, counts, spread)
    cut = stats.truncnorm(-REACH / SPREAD, REACH / SPREAD, scale=SPREAD)
    place, offsets = cut.rvs(2, random_state=rng), rng.normal(0.0, OFFSET, (number, 2))
    fluxes = np.exp(np.log(counts / EXPOSURE) + spread * rng.normal(size=number))
    levels = np.exp(np.log(LEVEL / EXPOSURE) + 0.5 * rng.normal(size=number))
    each = [
        mock(rng, grid, place + offset, flux * EXPOSURE, level * EXPOSURE)
        for grid, offset, flux, level in zip(grids, offsets, fluxes, levels, strict=True)
    ]
    stamps = Images.of(each).stamps(RA, DEC, name=f"mock {seed}")
    psfs = [KingPSF(SLOPE, CORE / scale) for _, scale in grids]
    found = ImagesPriors.default(stamps, psfs, offset=OFFSET).replace(**priors)
    found = ImagesPriors(found.names, found.each, SPREAD, REACH, OFFSET)
    plan = make_plan("importance", 1500, 400.0, seed, num_chains=1, num_warmup=500, num_samples=999)
    begun = time.process_time()
    posterior = fit_images(stamps, found, plan)
    seconds = time.process_time() - begun
    drawn = {name: values[0] for name, values in posterior.draws.items()}
    ranks = {axis: int((drawn[axis] < true).sum()) for axis, true in zip(("east", "north"), place, strict=True)}
    for name, true in (("flux", fluxes), ("background", levels)):
        ranks |= {f"{name}{n}": int((drawn[name][:, n] < true[n]).sum()) for n in range(number)}
    ranks |= {f"offset{n}": int((drawn["offset_east"][:, n] < offsets[n, 0]).sum()) for n in range(number)}
    ratio = pgm_mock.hardness_ratio(drawn["flux"][:, 0], drawn["flux"][:, 1])
    true = (fluxes[1] - fluxes[0]) / (fluxes[0] + fluxes[1])
    numbers = {name: float(posterior.numbers[name]) for name in ("khat", "ess")}
    draws = int(posterior.settings["num_draws"])
    told = {"number": number, "counts": counts, "seed": seed, "seconds": seconds, "ranks": ranks, "draws": draws}
    hardness = int((ratio < true).sum())
    return told | numbers | {"hardness": hardness, "problems": list(posterior.problems)}


def speed(number: int, fits: int = 6) -> float:
    """Measure the CPU seconds of a fit of so many images of 30 counts, 1,000 draws, every program compiled."""
    grids = [GRIDS[place % 3] for place in range(number)]
    plan = make_plan("importance", 1000, 400.0, 0, num_chains=1, num_warmup=500, num_samples=1000)
    jobs = []
    for seed in range(fits):
        rng = np.random.default_rng(seed)
        each = [mock(rng, grid, np.zeros(2), 30.0, LEVEL) for grid in grids]
        stamps = Images.of(each).stamps(RA, DEC, name=f"mock {seed}")
        jobs.append((stamps, ImagesPriors.default(stamps, [KingPSF(SLOPE, CORE / scale) for _, scale in grids])))
    for job in jobs:
        fit_images(*job, plan)
    begun = time.process_time()
    for job in jobs:
        fit_images(*job, plan)
    return (time.process_time() - begun) / fits


def against_nuts(counts: float, num_samples: int = 6000) -> dict:
    """Fit three images of so many counts each by the collapse and by NUTS; return how far apart they are."""
    rng = np.random.default_rng([round(10 * counts), 5])
    grids, priors = model(3, counts, 1.0)
    each = [mock(rng, grid, rng.normal(0.0, OFFSET, 2), counts, LEVEL) for grid in grids]
    stamps = Images.of(each).stamps(RA, DEC, name=f"{counts:g} counts")
    bound = ImagesPriors.default(stamps, [KingPSF(SLOPE, CORE / scale) for _, scale in grids], offset=OFFSET)
    bound = ImagesPriors(bound.names, bound.replace(**priors).each, SPREAD, REACH, OFFSET)
    ours = pgm_mock.fit(stamps, bound, num_draws=100_000)["posterior"].to_dataset()
    begun = time.process_time()
    judge = pgm_mock.fit(stamps, bound, method="nuts", num_samples=num_samples)
    seconds = time.process_time() - begun
    theirs = judge["posterior"].to_dataset()
    effective = arviz.ess(theirs)
    rows = {}
    for name in ("east", "north", "offset_east", "offset_north", "flux", "background"):
        a, b = (np.log(one[name]) if name in ("flux", "background") else one[name] for one in (ours, theirs))
        spread, chains = b.std(("chain", "draw")), ("chain", "draw")
        mean = np.abs(np.ravel((a.mean(chains) - b.mean(chains)) / spread))
        rows[name] = [mean.tolist(), np.ravel(a.std(chains) / spread).tolist(), np.ravel(effective[name]).tolist()]
    return {"truth": counts, "problems": judge.attrs["problems"], "cpu": seconds, "rows": rows}


CASES = {"sbc": (3, 10.0), "hr": (2, 3.0), "thirty": (3, 30.0), "two": (3, 2.0), "fifteen": (15, 30.0)}


def table(results: list[dict]) -> str:
    lines = [
        "# Several images of one source",
        "",
        *textwrap.wrap(
            "Written by `python -m tests.benchmarks.images`. Images of 41 x 41 pixels of 4, 3.5 and 4.35 arcsec, "
            "rotated by 0, 33 and -121 degrees; 0.05 counts of background in a pixel; offsets of 1.5 arcsec; "
            "fluxes log-normal about the counts given, within a factor of e. Photons are drawn one by one on the "
            "sky. 1,500 draws, four times as many where they are not certified.",
            120,
        ),
        "",
        "| images | counts each | mocks | certified | largest k-hat | ESS / draws | smallest p of ranks |",
        "|---|---|---|---|---|---|---|",
    ]
    speeds = {key: value for one in results for key, value in one.get("speed", {}).items()}
    truths = [one for one in results if "truth" in one]
    results = [one for one in results if "number" in one]
    hardness = []
    for number, counts in dict.fromkeys((one["number"], one["counts"]) for one in results):
        own = [one for one in results if (one["number"], one["counts"]) == (number, counts)]
        sure = np.mean([not one["problems"] for one in own])
        khat = max(one["khat"] for one in own)
        ess = np.median([one["ess"] / one["draws"] for one in own])
        p_values = []
        for name in own[0]["ranks"]:
            places = (np.array([one["ranks"][name] for one in own]) + 0.5) / 1000
            p_values.append(stats.kstest(places, "uniform").pvalue)
        smallest = f"{min(p_values):.3f} of {len(p_values)}"
        lines.append(f"| {number} | {counts:g} | {len(own)} | {sure:.1%} | {khat:.2f} | {ess:.2f} | {smallest} |")
        ranks = np.array([one["hardness"] for one in own]) / 999
        inside = [np.mean(np.abs(ranks - 0.5) < p / 2) for p in (0.68, 0.90)]
        errors = [np.sqrt(p * (1 - p) / len(own)) for p in (0.68, 0.90)]
        cells = " | ".join(f"{share:.1%} ± {error:.1%}" for share, error in zip(inside, errors, strict=True))
        hardness.append(f"| {number} | {counts:g} | {cells} |")
    told = ", ".join(f"{seconds:.2f} for {number}" for number, seconds in speeds.items())
    lines += [
        "",
        f"CPU seconds of a fit with 1,000 draws, every program compiled, by number of images: {told}.",
        "",
        "Ranks are those of the truth among 999 draws: place, offsets, fluxes and backgrounds, each against a uniform",
        "law by Kolmogorov and Smirnov. The hardness ratio is that of the first two images:",
        "",
        "| images | counts in each | inside the central 68 % | inside the central 90 % |",
        "|---|---|---|---|",
        *hardness,
    ]
    if truths:
        lines += [
            "",
            "Against NUTS, three images (the worst of 17 parameters; fluxes and backgrounds as logarithms):",
            "",
        ]
        lines += [
            "| counts each | means apart, sd | ratio of widths | least ESS of NUTS | its CPU s |",
            "|---|---|---|---|---|",
        ]
    for one in truths:
        means, widths, effective = (np.concatenate([row[n] for row in one["rows"].values()]) for n in range(3))
        ratios = f"{widths.min():.3f} to {widths.max():.3f}"
        lines.append(f"| {one['truth']:g} | {means.max():.3f} | {ratios} | {effective.min():.0f} | {one['cpu']:.0f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="the first seed, where several share the work")
    parser.add_argument("--quiet", action="store_true", help="the machine does nothing else: CPU seconds count")
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--truth", type=float, nargs="*", default=(30.0, 6.0, 2.0), help="counts to compare with NUTS")
    parser.add_argument("--store", type=Path, default=Path("images.jsonl"))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    pgm_mock.keep_compiled()
    kept = [json.loads(line) for line in options.store.read_text().splitlines()] if options.store.exists() else []
    known = {(one["number"], one["counts"], one["seed"]) for one in kept if "number" in one}
    with options.store.open("a") as stream:
        for seed in range(options.first, options.n):
            for case in filter(None, options.cases.split(",")):
                number, counts = CASES[case]
                if (number, counts, seed) in known or (case == "fifteen" and seed >= options.n // 10):
                    continue
                kept.append(one(seed, number, counts))
                print(json.dumps(kept[-1]), file=stream, flush=True)
        for counts in options.truth:
            if counts not in [one.get("truth") for one in kept]:
                kept.append(against_nuts(counts))
                print(json.dumps(kept[-1]), file=stream, flush=True)
        if options.quiet:
            kept.append({"speed": {str(number): speed(number) for number in (3, 15)}})
            print(json.dumps(kept[-1]), file=stream, flush=True)
    (HERE / "IMAGES.md").write_text(table(kept))


if __name__ == "__main__":
    main()
