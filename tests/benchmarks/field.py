"""A whole field as one model: convergence on the real field, and coverage on mock fields.

Mocks are made by other code than the likelihood's: photons are drawn one by one, from a King profile for each source,
from an elliptical beta model, and thinned by the exposure map of the real field.

`python -m tests.benchmarks.field --n 20` writes FIELD.md beside this file; `--store` keeps results as they come.
"""

import argparse
import os
import textwrap
import time
import warnings
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
from scipy import stats

jax.config.update("jax_enable_x64", True)

import pgm_mock
from pgm_mock import FieldPosterior, Observation, Region, check_field, fit_field, read_regions
from pgm_mock.detection import cleaned
from pgm_mock.psf import telescope_psf
from pgm_mock.resources import resource
from pgm_mock.vignetting import ccds, with_particles

from .store import Store

HERE = Path(__file__).parent
DATA = Path(os.environ.get("PGM_MOCK_DATA", HERE.parents[2] / "shared" / "data" / "a1835"))
IMAGE, EXPOSURE = "P0098010101M2U009IMAGE_3000.FTZ", "P0098010101M2U009EXPMAP3000.FTZ"
CENTRE = np.array([328.6, 348.2])
CLUSTER = {"peak": 7.5e-3, "core": 3.4, "beta": 0.66, "e1": -0.09, "e2": 0.1}
HALO = {"peak": 4.6e-4, "core": 16.7, "beta": 0.82, "e1": -0.06, "e2": -0.04}
SKY, PARTICLES = 1.75e-6, 0.78
SOURCES, IN_WING = 20, 6
REACH, COUNTS, SPREAD = 6.0, 30.0, 2.0


def field() -> Observation:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cleaned(Observation.read(DATA / IMAGE, DATA / EXPOSURE, min_exposure=0.25))


def binned(rng: np.random.Generator, observation: Observation, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Count photons that fall at places [FITS image pixels], each seen with the chance that the exposure gives it."""
    ny, nx = observation.shape
    column, row = (np.rint(each).astype(int) - first for each, first in zip((x, y), observation.origin, strict=True))
    inside = (column >= 0) & (column < nx) & (row >= 0) & (row < ny)
    column, row = column[inside], row[inside]
    seen = rng.random(len(row)) < observation.exposure[row, column] / observation.exposure.max()
    image = np.zeros((ny, nx), int)
    np.add.at(image, (row[seen], column[seen]), 1)
    return image


def king(rng: np.random.Generator, number: int, core: float, slope: float) -> np.ndarray:
    radius = core * np.sqrt((1.0 - rng.random(number)) ** (1.0 / (1.0 - slope)) - 1.0)
    angle = 2 * np.pi * rng.random(number)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)])


def beta_model(rng: np.random.Generator, exposure: float, one: dict) -> np.ndarray:
    """Draw photons of an elliptical beta model about 0: a round one, stretched along its long axis."""
    steep, core = 3 * one["beta"] - 0.5, one["core"]
    number = rng.poisson(exposure * one["peak"] * np.pi * core**2 / (steep - 1.0))
    round_ = king(rng, number, core, steep)
    eta, theta = np.hypot(one["e1"], one["e2"]), 0.5 * np.arctan2(one["e2"], one["e1"])
    turn = np.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]])
    return turn @ (np.exp([[0.5 * eta], [-0.5 * eta]]) * round_)


def scattered(rng: np.random.Generator, one: dict) -> dict:
    """Change the numbers of a beta model by a tenth or so."""
    found = {name: value * np.exp(0.1 * rng.normal()) for name, value in one.items() if name in ("peak", "core")}
    found["beta"] = one["beta"] + 0.03 * rng.normal()
    return found | {name: one[name] + 0.05 * rng.normal() for name in ("e1", "e2")}


def places(rng: np.random.Generator, observation: Observation) -> np.ndarray:
    """Return where sources are: on exposed pixels all over the field, and some in the cluster's wing, shape (m, 2)."""
    rows, columns = np.nonzero(observation.exposure > 0.2 * observation.exposure.max())
    every = np.stack([columns, rows], axis=1) + np.array(observation.origin) + rng.random((len(rows), 2)) - 0.5
    far = np.hypot(*(every - CENTRE).T)
    found = list(rng.choice(every[far > 60], 1))
    for near, number in ((far > 60, SOURCES), ((far > 12) & (far < 60), SOURCES + IN_WING)):
        while len(found) < number:
            one = rng.choice(every[near])
            if np.min(np.hypot(*(np.array(found) - one).T)) > 15:
                found.append(one)
    return np.array(found)


def mock(seed: int) -> tuple[Observation, list[Region], np.ndarray, dict]:
    """Draw a field; return it, the regions, where the cluster is looked for, and all true numbers."""
    rng = np.random.default_rng([seed, 17])
    real = field()
    most = real.exposure.max()
    at = places(rng, real)
    typical = np.median(real.exposure[real.exposure > 0])
    flux = np.exp(np.log(COUNTS / typical) + SPREAD * rng.normal(size=len(at)))
    stretch, shift = np.exp(0.3 * rng.normal()), 0.1 * rng.normal()
    image = np.zeros(real.shape, int)
    cores, slopes = [], []
    for place, one in zip(at, flux, strict=True):
        psf = telescope_psf(real.header, real.wcs, *place).psf
        cores.append(float(psf.typical_width))
        slopes.append(float(psf.slope))
        photons = king(rng, rng.poisson(one * most), stretch * cores[-1], max(slopes[-1] + shift, 1.06))
        image += binned(rng, real, *(place[:, None] + photons))
    truth = {f"sources_{name}": each for name, each in zip(("x", "y", "flux"), (*at.T, flux), strict=True)}
    for name, one in (("cluster", CLUSTER), ("halo", HALO)):
        own, centre = scattered(rng, one), CENTRE + 0.7 * rng.normal(size=2)
        image += binned(rng, real, *(centre[:, None] + beta_model(rng, most, own)))
        truth |= {f"{name}_{key}": value for key, value in own.items()}
        truth |= {f"{name}_x": centre[0], f"{name}_y": centre[1]}
    labels = ccds(real)
    sky, particles = SKY * np.exp(0.2 * rng.normal()), PARTICLES * np.exp(0.2 * rng.normal(size=labels.max() + 1))
    image += rng.poisson(sky * real.exposure) + rng.poisson(particles[labels] * with_particles(real).background_map)
    truth |= {"background": sky, "particles": particles}
    truth |= {"psf_width": stretch * np.mean(cores), "psf_slope": np.mean(slopes) + shift}
    cut = stats.truncnorm(-REACH / 2, REACH / 2, scale=2.0)
    asked = at + cut.rvs(at.shape, random_state=rng)
    regions = [Region(f"{number}", *map(float, place), REACH) for number, place in enumerate(asked, 1)]
    return replace(real, counts=image, name=f"mock {seed}"), regions, CENTRE + rng.normal(size=2), truth


def one(seed: int) -> dict:
    """Simulate and fit; return where in its posterior each true number lies."""
    observation, regions, centre, truth = mock(seed)
    begin, spent = time.time(), time.process_time()
    found = fit_field(observation, regions, clusters=[tuple(centre)], betas=2, seed=seed)
    row = {"seed": seed, "wall": time.time() - begin, "cpu": time.process_time() - spent}
    row |= _state_of(found)
    drawn = found.flat | {"particles": found.flat["particles_norm"][:, None] * found.flat["particles_ratio"]}
    row["below"] = {n: np.mean(each < truth[n], axis=0).tolist() for n, each in drawn.items() if n in truth}
    return row


def on_real(seed: int) -> dict:
    """Fit the real field; return how long it took, whether the chains can be trusted, and what the check says."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Observation.read(DATA / IMAGE, DATA / EXPOSURE, min_exposure=0.25)
    begin, spent = time.time(), time.process_time()
    found = fit_field(image, read_regions(resource("a1835_regions.txt"), image), seed=seed)
    row = {"real": seed, "wall": time.time() - begin, "cpu": time.process_time() - spent} | _state_of(found)
    check = check_field(found)
    row["families"] = {name: [one.chi2, one.dof, one.p_value] for name, one in check.families.items()}
    nodes = [_node_error(found, draw) for draw in found.some(12)]
    return row | {"sentences": list(check.sentences), "nodes": float(np.max(np.abs(nodes)))}


def _node_error(found: FieldPosterior, draw: dict) -> float:
    """Sum over nodes of all that is no source, less the sum over pixels [count]."""
    scene = found.priors.scene.without("sources")
    return float(found.model.target.smooth(scene, found.priors.psf, draw)[1]) - found.image(draw, scene).sum()


def _state_of(found: FieldPosterior) -> dict:
    chains = found.chains
    row = {name: getattr(chains, name) for name in ("r_hat", "ess_bulk", "ess_tail", "divergences", "slowest")}
    row |= {"problems": list(chains.problems), "sweeps": int(chains.statistics["lp"].shape[1])}
    return row | {"sum_error": found.sum_error}


def _covered(below: np.ndarray) -> str:
    """Say how many true numbers lie in the central 68 and 95 %, with binomial errors, and whether ranks are even."""
    said = []
    for level in (0.68, 0.95):
        share, error = np.mean(np.abs(below - 0.5) < level / 2), np.sqrt(level * (1 - level) / below.size)
        said.append(f"{100 * share:.1f} ± {100 * error:.1f}")
    return f"{below.size} | {said[0]} | {said[1]} | {stats.kstest(below, 'uniform').pvalue:.2f}"


_OF_REAL = """R-hat and ESS are the worst of all parameters, over 4 chains of 800 draws or more; times are end to end,
beside other work: the whole command took two quiet cores 65 to 67 s.
The sum over nodes is compared with that over pixels over the posterior [count]; ln L is that of every pixel less that
of the chains, its range over 20 draws, which the far wings of sources make."""
_OF_MOCKS = """Photons drawn one by one by NumPy: 26 sources with fluxes and PSF from the priors (6 of them 12 to 60
pixels from the cluster), two elliptical beta models, sky, particles by CCD, over A1835's exposure map. Errors are those
of independent numbers; sky and particles of a field move together, so that theirs are some three times as large."""


def report(rows: list[dict]) -> str:
    """Write what was found."""
    real, mocks = ([row for row in rows if kind in row] for kind in ("real", "seed"))
    lines = ["# A whole field as one model", "", "Written by `python -m tests.benchmarks.field`.", ""]
    lines += ["## The real field: A1835, 26 sources, 105 parameters", ""]
    lines += ["| seed | wall s | CPU s | R-hat | bulk ESS | tail ESS | divergences | sum over nodes | ln L, range |"]
    lines += ["|---|---|---|---|---|---|---|---|---|"]
    for row in real:
        numbers = f"{row['r_hat']:.4f} | {row['ess_bulk']:.0f} | {row['ess_tail']:.0f} | {row['divergences']}"
        errors = f"{row['nodes']:.3f} | {row['sum_error']:.2f}"
        lines.append(f"| {row['real']} | {row['wall']:.0f} | {row['cpu']:.0f} | {numbers} | {errors} |")
    lines += ["", textwrap.fill(_OF_REAL, 120), ""]
    if real:
        lines += ["| check (first seed) | chi² | degrees of freedom | p |", "|---|---|---|---|"]
        for name, (chi2, dof, p_value) in real[0]["families"].items():
            lines.append(f"| {name} | {chi2:.1f} | {dof:.1f} | {p_value:.2g} |")
        lines += ["", *(f"- {one}" for one in real[0]["sentences"]), ""]
    lines += [f"## {len(mocks)} mock field{'' if len(mocks) == 1 else 's'}", ""]
    lines += [textwrap.fill(_OF_MOCKS, 120), ""]
    groups: dict[str, list[float]] = {}
    for row in mocks:
        for name, below in row["below"].items():
            each = np.atleast_1d(below)
            if name == "sources_flux":
                groups.setdefault("fluxes", []).extend(each[:SOURCES])
                groups.setdefault("fluxes in the cluster's wing", []).extend(each[SOURCES:])
            elif name.startswith("sources_"):
                groups.setdefault("positions", []).extend(each)
            else:
                key = "PSF" if name.startswith("psf") else "cluster" if "_" in name else "sky"
                groups.setdefault({"sky": "sky and particles"}.get(key, key), []).extend(each)
    lines += ["| parameters | number | inside 68 % | inside 95 % | ranks even, p |", "|---|---|---|---|---|"]
    lines += [f"| {name} | {_covered(np.array(below))} |" for name, below in groups.items()]
    sound = [row for row in mocks if not row["problems"]]
    walls = [row["wall"] for row in mocks]
    lines += ["", f"{len(sound)} of {len(mocks)} converged within 2,400 sweeps a chain"]
    lines[-1] += f"; {np.median(walls):.0f} s each (median), beside other work." if walls else "."
    lines += [f"- field {row['seed']}: {'; '.join(row['problems'])}" for row in mocks if row["problems"]]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=20, help="mock fields")
    parser.add_argument("--store", type=Path, default=Path("field.jsonl"))
    options = parser.parse_args()
    pgm_mock.keep_compiled()
    with Store(options.store) as store:
        done = {(name, row[name]) for row in store.rows for name in ("real", "seed") if name in row}
        jobs = [("real", seed, on_real) for seed in range(3)] + [("seed", seed, one) for seed in range(options.n)]
        for name, seed, run in jobs:
            if (name, seed) not in done:
                store.add(run(seed))
                last = store.rows[-1]
                said = f"{last['wall']:.0f} s, {last['sweeps']} sweeps, {'; '.join(last['problems'])}"
                print(f"{name} {seed}: {said}", flush=True)
        (HERE / "FIELD.md").write_text(report(store.rows), encoding="utf-8")


if __name__ == "__main__":
    main()
