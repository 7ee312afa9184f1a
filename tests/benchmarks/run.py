"""Measure the package against its peers, interleaved in one run, and write RESULTS.md beside this file.

    python -m pip install -c constraints.txt -e ".[compare]" && python tests/benchmarks/run.py IMAGE EXPOSURE

Each figure is a ratio of times taken in turn in the same run, warm unless it says cold: the machine's mood cancels out.
A bar that is not reached is printed with its figure all the same.
"""

import argparse
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import jax

jax.config.update("jax_enable_x64", True)

import arviz as az
import emcee
import jax.numpy as jnp
import numpy as np
import numpyro
import nutpie
from numpyro.infer.hmc import hmc
from numpyro.infer.util import potential_energy
from nutpie.compiled_pyfunc import from_pyfunc
from scipy import special

import pgm_mock
from pgm_mock import Observation, Priors
from pgm_mock.inference import methods
from pgm_mock.inference.many import iter_posteriors
from pgm_mock.inference.modes import MANY
from pgm_mock.inference.unconstrained import Data, Frame, log_density
from pgm_mock.resources import resource

HERE = Path(__file__).parent
REFERENCE = HERE.parent / "reference" / "a1835_posteriors.json"
SOURCE = (271, 216)


class Row(NamedTuple):
    """One line of the table: the job, what was measured, and the bar."""

    job: str
    measured: str
    bar: str
    reached: bool


def interleaved(jobs: dict[str, Callable[[], Any]], turns: int = 5) -> dict[str, float]:
    """Run the jobs in turn, after one run that does not count, and return the median time of each in seconds."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(turns + 1):
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            if turn:
                times[name].append(time.perf_counter() - start)
    return {name: float(np.median(each)) for name, each in times.items()}


def truncated(rng: np.random.Generator, prior: Any, size: int) -> np.ndarray:
    """Normal numbers within a prior's bounds: those outside are drawn again."""
    loc, scale = prior.base_dist.loc, prior.base_dist.scale
    draws = rng.normal(loc, scale, size)
    while (outside := (draws < prior.low) | (draws > prior.high)).any():
        draws[outside] = rng.normal(loc, scale, outside.sum())
    return draws


def numpy_stamps(stamp: Observation, priors: Priors, number: int, rng: np.random.Generator) -> np.ndarray:
    """The whole job in NumPy: parameters, the PSF's integrals by column and row, the means, the counts; in blocks."""
    counts = np.empty((number, *stamp.shape), np.int32)
    for first in range(0, number, 500):
        size = min(500, number - first)
        x_pos, y_pos = (truncated(rng, priors[name], size)[:, None] for name in ("x_pos", "y_pos"))
        flux, background, width = (
            np.exp(rng.normal(priors[name].base_dist.loc, priors[name].base_dist.scale, size))
            for name in ("flux", "background", "psf_width")
        )

        def profile(ramp: np.ndarray, centre: np.ndarray, width: np.ndarray = width) -> np.ndarray:
            edges = np.concatenate([ramp - 0.5, ramp[-1:] + 0.5])
            return np.diff(special.ndtr((edges - centre) / width[:, None]), axis=1)

        light = profile(stamp.rows[:, 0], y_pos)[:, :, None] * profile(stamp.columns[0], x_pos)[:, None, :]
        mean = stamp.exposure * (flux[:, None, None] * light + background[:, None, None])
        counts[first : first + size] = rng.poisson(mean)
    return counts


def mocks(stamp: Observation, field: Observation, priors: Priors) -> list[Row]:
    """10,000 stamps from the prior, and one full field, against NumPy and NumPyro."""
    first = field_ratio(field)
    number, few = 10_000, 250
    rng = np.random.default_rng(0)
    predictive = numpyro.infer.Predictive(plain_model, num_samples=few)
    image = (stamp.exposure, stamp.columns, stamp.rows, priors)

    def ours() -> object:
        return pgm_mock.prior_predictive(stamp, priors, num_samples=number, seed=1)

    def theirs() -> object:
        return jax.block_until_ready(predictive(jax.random.key(1), *image)["counts"])

    times = interleaved({"ours": ours, "numpy": lambda: numpy_stamps(stamp, priors, number, rng)}, turns=9)
    against_numpy = times["numpy"] / times["ours"]
    beside = interleaved({"ours": ours, "predictive": theirs})
    against_numpyro = beside["predictive"] / few / (beside["ours"] / number)
    after = field_ratio(field)
    return [
        Row(
            "10,000 prior-predictive 41×41 stamps, `prior_predictive`",
            f"{times['ours']:.2f} s; {against_numpyro:.0f} × NumPyro `Predictive`",
            "≥ 100 ×",
            against_numpyro >= 100,
        ),
        Row("the same", f"{against_numpy:.1f} × NumPy on one core", "≥ 2 ×", against_numpy >= 2),
        Row(
            "one 648×648 field, `generate_mock_image`",
            f"{first:.2f} × NumPy in a young process, {after:.2f} × after those stamps, when NumPy's memory is at hand",
            "≥ 1.5 ×",
            min(first, after) >= 1.5,
        ),
    ]


def field_ratio(field: Observation) -> float:
    """How many times faster one mock of the whole field is than NumPy's."""
    rng = np.random.default_rng(0)
    pars = {"x_pos": 330.0, "y_pos": 348.0, "flux": 0.3, "background": 7e-6, "psf_width": 6.0}

    def theirs() -> np.ndarray:
        def profile(ramp: np.ndarray, centre: float) -> np.ndarray:
            edges = np.append(ramp - 0.5, ramp[-1] + 0.5)
            return np.diff(special.ndtr((edges - centre) / pars["psf_width"]))

        fraction = np.outer(profile(field.rows[:, 0], pars["y_pos"]), profile(field.columns[0], pars["x_pos"]))
        return rng.poisson(field.exposure * (pars["flux"] * fraction + pars["background"]))

    def ours() -> np.ndarray:
        return pgm_mock.generate_mock_image(field.exposure, field.columns, field.rows, pars, seed=1)

    times = interleaved({"ours": ours, "numpy": theirs}, turns=60)
    return times["numpy"] / times["ours"]


def grids(stamp: Observation, priors: Priors) -> list[Row]:
    """The homework's 1000 x 1000 grid of flux and width against NumPy, point by point and broadcast."""
    fixed = {"x_pos": 271.0, "y_pos": 216.0, "background": 5.5e-6}
    fluxes, widths = np.linspace(1e-5, 0.006, 1000), np.linspace(0.3, 3.0, 1000)
    forced = priors.replace(**fixed)
    exposed = stamp.exposure > 0
    counts, exposure = stamp.counts[exposed], stamp.exposure[exposed]
    constant = special.gammaln(counts + 1.0).sum()

    def light(width: float) -> np.ndarray:
        def profile(ramp: np.ndarray, centre: float) -> np.ndarray:
            edges = np.append(ramp - 0.5, ramp[-1] + 0.5)
            return np.diff(special.ndtr((edges - centre) / width))

        columns, rows = profile(stamp.columns[0], fixed["x_pos"]), profile(stamp.rows[:, 0], fixed["y_pos"])
        return np.outer(rows, columns)[exposed]

    def loop(some: int = 5) -> np.ndarray:
        found = np.empty((1000, some))
        for column, width in enumerate(widths[:some]):
            for row, flux in enumerate(fluxes):
                mean = exposure * (flux * light(width) + fixed["background"])
                found[row, column] = np.sum(counts * np.log(mean) - mean) - constant
        return found

    def broadcast() -> np.ndarray:
        found = np.empty((1000, 1000))
        for column, width in enumerate(widths):
            mean = exposure * (fluxes[:, None] * light(width) + fixed["background"])
            found[:, column] = (counts * np.log(mean) - mean).sum(axis=1) - constant
        return found

    def ours() -> Any:
        return pgm_mock.grid_posterior(stamp, forced, flux=fluxes, psf_width=widths)["log_likelihood"].values

    times = interleaved({"ours": ours, "loop": loop, "broadcast": broadcast}, turns=3)
    off = np.abs(ours() - broadcast()).max()
    by_loop, by_broadcast = 200 * times["loop"] / times["ours"], times["broadcast"] / times["ours"]
    return [
        Row(
            "1000×1000 grid of flux and width, `grid_posterior`",
            f"{times['ours']:.2f} s; {by_loop:.0f} × a NumPy loop (of which 5,000 points were run)",
            "≥ 100 ×",
            by_loop >= 100,
        ),
        Row("the same", f"{by_broadcast:.0f} × NumPy broadcast over the flux", "≥ 20 ×", by_broadcast >= 20),
        Row("the same", f"ln likelihood differs from NumPy's by at most {off:.0e}", "1e-9", off <= 1e-9),
    ]


def plain_model(exposure: Any, x: Any, y: Any, priors: Any, counts: Any = None) -> None:
    """The model as a NumPyro user writes it: one Poisson for each pixel."""
    pars = {name: numpyro.sample(name, prior) for name, prior in priors.items()}
    mean = numpyro.deterministic("expected_counts", pgm_mock.expected_counts(exposure, x, y, **pars))
    exposed = exposure > 0
    poisson = numpyro.distributions.Poisson(jnp.where(exposed, mean, 1.0)).mask(exposed)
    numpyro.sample("counts", poisson.to_event(2), obs=counts)


def smallest_ess(draws: dict[str, np.ndarray]) -> float:
    """The smallest bulk effective sample size; draws are of shape (chain, draw)."""
    found = az.ess(az.from_dict({"posterior": draws})["posterior"].to_dataset(), method="bulk")
    return min(float(found[name]) for name in found)


def compiled_nuts(image: tuple[Any, ...], names: list[str]) -> Callable[[jax.Array], dict[str, jax.Array]]:
    """NumPyro's NUTS on the plain model at its best: four vectorised chains, 500 + 1000, in one compiled function."""
    places = dict(zip(names, (271.0, 216.0, -6.2, -12.0, 0.4), strict=True))

    def chain(key: jax.Array) -> dict[str, jax.Array]:
        initialise, step = hmc(lambda z: potential_energy(plain_model, image, {}, z), algo="NUTS")
        state = initialise(jax.tree.map(jnp.asarray, places), 500, rng_key=key)
        state = jax.lax.fori_loop(0, 500, lambda _, state: step(state), state)

        def keep(state: Any, _: None) -> tuple[Any, dict[str, jax.Array]]:
            state = step(state)
            return state, state.z

        return jax.lax.scan(keep, state, length=1000)[1]

    return jax.jit(jax.vmap(chain))


def posterior(stamp: Observation, priors: Priors) -> list[Row]:
    """Effective draws a second for one source, against NumPyro's NUTS, nutpie and emcee."""
    plan = methods.make_plan("importance", 9000, 1000.0, 0, num_chains=4, num_warmup=1, num_samples=1000)
    kernel = numpyro.infer.NUTS(plain_model)
    mcmc = numpyro.infer.MCMC(kernel, num_warmup=500, num_samples=1000, num_chains=4, chain_method="sequential")
    image = (stamp.exposure, stamp.columns, stamp.rows, priors, stamp.counts)
    data = Data.of(stamp)
    names = list(priors.free)
    frame = Frame(jnp.zeros(5), jnp.ones(5))
    value_and_grad = jax.jit(jax.value_and_grad(lambda z: log_density(frame.point(z, priors), data, priors)))

    def logp(z: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = value_and_grad(z)
        return float(value), np.asarray(gradient)

    def expand(*_: Any, **__: Any) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
        return lambda z: {name: np.asarray(z[number]) for number, name in enumerate(names)}

    def start(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return np.array([271.0, 216.0, -6.2, -12.0, 0.4]) + rng.normal(0, 0.2, 5)

    compiled = from_pyfunc(
        ndim=5, make_logp_fn=lambda: logp, make_expand_fn=expand, expanded_dtypes=[np.dtype("float64")] * 5,
        expanded_shapes=[()] * 5, expanded_names=names, make_initial_point_fn=start,
    )  # fmt: skip

    vectorised = jax.jit(jax.vmap(lambda z: log_density(frame.point(z, priors), data, priors)))
    walkers = np.array([start(seed) for seed in range(32)])
    found: dict[str, float] = {}

    def ours() -> None:
        found["ours"] = methods.fit_one(stamp, priors, plan).numbers["ess"]

    def numpyro_nuts() -> None:
        mcmc.run(jax.random.PRNGKey(int(time.time())), *image)
        found["numpyro"] = smallest_ess(
            {n: np.asarray(v) for n, v in mcmc.get_samples(group_by_chain=True).items() if n in names}
        )

    def run_nutpie() -> None:
        trace = nutpie.sample(compiled, draws=1000, tune=500, chains=4, cores=2, progress_bar=False, seed=1)
        group = trace["posterior"] if hasattr(trace, "children") else trace.posterior
        found["nutpie"] = smallest_ess({name: group[name].values for name in names})

    def run_emcee() -> None:
        sampler = emcee.EnsembleSampler(32, 5, lambda z: np.asarray(vectorised(z)), vectorize=True)
        sampler.run_mcmc(walkers, 2000)
        found["emcee"] = 32 * 1500 / sampler.get_autocorr_time(discard=500, quiet=True).max()

    run_chains = compiled_nuts(image, names)

    def compiled_once() -> None:
        draws = jax.device_get(run_chains(jax.random.split(jax.random.key(time.time_ns() % 2**31), 4)))
        found["its kernel compiled once"] = smallest_ess(draws)

    nuts_plan = methods.make_plan("nuts", 9000, 1.0, 0, num_chains=4, num_warmup=500, num_samples=1000)

    def our_nuts() -> None:
        found["our NUTS"] = smallest_ess(methods.fit_one(stamp, priors, nuts_plan).draws)

    jobs = {"ours": ours, "numpyro": numpyro_nuts, "its kernel compiled once": compiled_once, "nutpie": run_nutpie}
    times = interleaved(jobs | {"emcee": run_emcee, "our NUTS": our_nuts}, turns=3)
    rate = {name: found[name] / times[name] for name in times}
    told = "; ".join(f"{name} {found[name]:.0f} in {times[name]:.3f} s" for name in times)
    ratio = {name: rate["ours"] / rate[name] for name in times}
    return [
        Row("one posterior, ESS > 5,000", f"ESS: {told}", "ESS > 5,000", found["ours"] > 5000),
        Row(
            "the same, ESS/s",
            f"{ratio['numpyro']:.0f} × NumPyro's `MCMC` with NUTS, "
            f'{ratio["its kernel compiled once"]:.0f} × its kernel compiled once (`method="nuts"`)',
            "≥ 50 ×",
            ratio["its kernel compiled once"] >= 50,
        ),
        Row(
            "the same, ESS/s",
            f"{ratio['nutpie']:.0f} × nutpie (this log-density as a Python function), {ratio['emcee']:.0f} × emcee",
            "≥ 10 × nutpie",
            ratio["nutpie"] >= 10,
        ),
    ]


def arrays_of_many(*arguments: Any, **options: Any) -> list[pgm_mock.StampPosterior]:
    """Compute the posteriors as arrays, without the trees that `fit_many` makes of them."""
    return list(iter_posteriors(*arguments, **options))


def many(field: Observation) -> list[Row]:
    """The 26 real sources at once, in fours, and one by one; and against the independent computation."""
    regions = pgm_mock.read_regions(resource("a1835_regions.txt"))
    stamps = [field.stamp(region.x, region.y) for region in regions]
    priors = [Priors.read(resource("priors.toml"), s, r.x, r.y) for s, r in zip(stamps, regions, strict=True)]
    kept: dict[str, list[Any]] = {}

    def at_once() -> None:
        pgm_mock.fit_many(stamps, priors)

    times = interleaved({"once": at_once}, turns=7)
    kept["once"] = arrays_of_many(stamps, priors)
    fours = [p for i in range(0, 26, 4) for p in arrays_of_many(stamps[i : i + 4], priors[i : i + 4])]
    alone = [arrays_of_many([s], [p])[0] for s, p in zip(stamps, priors, strict=True)]
    same = all(
        np.array_equal(a.draws[n], b.draws[n]) and np.array_equal(a.draws[n], c.draws[n])
        for a, b, c in zip(kept["once"], fours, alone, strict=True)
        for n in a.draws
    )
    khat, ess = (np.array([p.numbers[n] for p in kept["once"]]) for n in ("khat", "ess"))
    fine = bool(ess.min() > 1000 and khat.max() < 0.7)
    return [
        Row("the 26 real sources, `fit_many`", f"{times['once']:.2f} s", "≤ 0.5 s", times["once"] <= 0.5),
        Row(
            "the same",
            f"ESS {ess.min():.0f} to {ess.max():.0f}, k-hat ≤ {khat.max():.2f}",
            "ESS > 1,000, k-hat < 0.7",
            fine,
        ),
        Row("one batch, fours, one by one", "identical to the last bit" if same else "differ", "identical", same),
        agreement(stamps, priors),
        against_nuts(stamps, priors),
    ]


def agreement(stamps: list[Observation], priors: list[Priors]) -> Row:
    """Compare 9,000 draws for each source with tests/reference."""
    fits = arrays_of_many(stamps, priors, num_draws=9000)
    worst = dict.fromkeys(("mean", "sd", "quantile", "ln Z"), 0.0)
    for found, expected in zip(fits, json.loads(REFERENCE.read_text()), strict=True):
        weights = np.exp(found.weighted["log_weight"][0])
        for name, told in expected["parameters"].items():
            values = found.weighted[name][0]
            mean = weights @ values
            sd = np.sqrt(weights @ (values - mean) ** 2)
            order = np.argsort(values)
            quantiles = np.interp([0.16, 0.5, 0.84], np.cumsum(weights[order]), values[order])
            off = np.abs(quantiles - [told["q16"], told["q50"], told["q84"]]).max() / told["sd"]
            worst["mean"] = max(worst["mean"], abs(mean - told["mean"]) / told["sd"])
            worst["sd"] = max(worst["sd"], abs(sd / told["sd"] - 1))
            worst["quantile"] = max(worst["quantile"], off)
        worst["ln Z"] = max(worst["ln Z"], abs(found.numbers["log_evidence"] - expected["ln_evidence"]))
    bars = {"mean": 0.1, "sd": 0.05, "quantile": 0.1, "ln Z": 0.05}
    return Row(
        "26 sources, 9,000 draws, against tests/reference",
        "worst " + ", ".join(f"{name} {value:.3f}" for name, value in worst.items()),
        "mean 0.1 sd, sd 5 %, quantiles 0.1 sd, ln Z 0.05",
        all(worst[name] <= bar for name, bar in bars.items()),
    )


def against_nuts(stamps: list[Observation], priors: list[Priors]) -> Row:
    """Compare 60,000 weighted draws for each source with a long run of NUTS, 4 chains of 20,000 draws."""
    ours = arrays_of_many(stamps, priors, num_draws=60_000, seed=11)
    long = arrays_of_many(stamps, priors, method="nuts", num_chains=4, num_samples=20_000, seed=11)
    worst = {"mean": 0.0, "sd": 0.0, "quantile": 0.0}
    left_out = [found.observation.name for found in long if found.problems]
    for one, other in zip(ours, long, strict=True):
        weights = np.exp(one.weighted["log_weight"][0])
        for name in one.draws if not other.problems else ():
            mine, theirs = one.weighted[name][0], other.draws[name].ravel()
            mean, sd = weights @ mine, theirs.std()
            order = np.argsort(mine)
            quantiles = np.interp([0.16, 0.5, 0.84], np.cumsum(weights[order]), mine[order])
            off = np.abs(quantiles - np.quantile(theirs, [0.16, 0.5, 0.84])).max() / sd
            worst["mean"] = max(worst["mean"], abs(mean - theirs.mean()) / sd)
            worst["sd"] = max(worst["sd"], abs(np.sqrt(weights @ (mine - mean) ** 2) / sd - 1))
            worst["quantile"] = max(worst["quantile"], off)
    bars = {"mean": 0.1, "sd": 0.05, "quantile": 0.1}
    said = f"; chains that disagree: {', '.join(left_out)}" if left_out else "; all chains agree"
    return Row(
        "26 sources, 60,000 draws, against NUTS 4 × 20,000",
        "worst " + ", ".join(f"{name} {value:.3f}" for name, value in worst.items()) + said,
        "mean 0.1 sd, sd 5 %, quantiles 0.1 sd",
        all(worst[name] <= bar for name, bar in bars.items()),
    )


def resident_bytes() -> int:
    """Memory of this process (Linux)."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def survey(stamp: Observation, priors: Priors, number: int) -> list[Row]:
    """Mock stamps from the prior through iter_fits: rate, certified share, memory."""
    import dataclasses

    counts = pgm_mock.prior_predictive(stamp, priors, num_samples=number, seed=5)["prior_predictive"]["counts"].values[
        0
    ]

    def named() -> Iterator[Observation]:
        return (dataclasses.replace(stamp, counts=image, name=f"mock {i}") for i, image in enumerate(counts))

    warm = list(itertools.islice(named(), 300))
    arrays_of_many(warm, [priors] * len(warm))
    brightest = max(warm, key=lambda one: one.counts.sum())
    arrays_of_many([warm[0], brightest], [priors] * 2, min_ess=1e9)  # compiles what is rarely needed; and what more
    plan = methods.make_plan("auto", 2500, 400.0, 0, num_chains=1, num_warmup=1000, num_samples=1000)
    lacking = dataclasses.replace(arrays_of_many(warm[:1], [priors])[0], problems=("a place",), left_out=1)
    for rounds in methods.further_rounds(lacking, plan):
        methods.by_importance(warm[0], priors, plan, Data.of(warm[0], longest=True), rounds, MANY)
    memory: list[int] = []
    kinds: dict[str, int] = {}
    start = time.perf_counter()
    for found in iter_posteriors(named(), (priors for _ in range(number)), progress=True):
        kind = f"{found.method}, attempt {len(found.tried)}" + (", with problems" if found.problems else "")
        kinds[kind] = kinds.get(kind, 0) + 1
        memory.append(resident_bytes())
    rate = number / (time.perf_counter() - start)
    quarters = [np.mean(part) / 2**20 for part in np.array_split(memory, 4)]
    certified = sum(count for kind, count in kinds.items() if kind.startswith("importance") and "problems" not in kind)
    share = certified / number
    return [
        Row(
            f"{number:,} mock stamps, `iter_fits`",
            f"{rate:.0f} stamps/s",
            "≥ 80 stamps/s",
            rate >= 80,
        ),
        Row("the same", f"{share:.2%} certified without NUTS: {kinds}", "≥ 99.5 %", share >= 0.995),
        Row(
            "the same",
            "memory in each quarter " + ", ".join(f"{q:.0f}" for q in quarters) + " MiB",
            "flat",
            quarters[3] < 1.05 * quarters[1],
        ),
    ]


def cold(image: str, exposure: str) -> list[Row]:
    """`pgm-mock fit` in a fresh process, its compile cache filled by a first run."""
    times = []
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["fit", image, exposure, "--x", "271", "--y", "216", "--out", folder]
        environment = os.environ | {"XDG_CACHE_HOME": folder + "/cache"}
        for _ in range(4):
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "pgm_mock", *arguments], check=True, capture_output=True, env=environment
            )
            times.append(time.perf_counter() - start)
    median = float(np.median(times[1:]))
    measured = f"{median:.1f} s; first run {times[0]:.1f} s"
    return [Row("`pgm-mock fit`, cold process, cache filled", measured, "≤ 6 s", median <= 6)]


def _rows(job: Callable[[], list[Row]]) -> list[Row]:
    return job()


def main() -> None:
    """Run what is asked for, print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image")
    parser.add_argument("exposure")
    parser.add_argument("--mocks", type=int, default=10_000, help="stamps of the survey row")
    parser.add_argument("--out", type=Path, default=HERE / "RESULTS.md")
    options = parser.parse_args()
    field = Observation.read(options.image, options.exposure)
    stamp = field.stamp(*SOURCE)
    priors = Priors.default(stamp, *SOURCE)
    jobs = [
        partial(mocks, stamp, field, priors),
        partial(posterior, stamp, priors),
        partial(many, field),
        partial(grids, stamp, priors),
        partial(survey, stamp, priors, options.mocks),
        partial(cold, options.image, options.exposure),
    ]
    rows: list[Row] = []
    # Each in a process of its own: none bears the others' memory and compiled programs.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as alone:
        for found in alone.map(_rows, jobs):
            for row in found:
                print(*row, sep=" | ", flush=True)
            rows += found
    options.out.write_text(table(rows), encoding="utf-8")


def table(rows: list[Row]) -> str:
    """Write the rows as Markdown, with versions and machine."""
    packages = ("pgm-mock", "jax", "numpyro", "numpy", "scipy", "arviz", "nutpie", "emcee")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    device = jax.devices()[0]
    lines = [
        "# Benchmarks",
        "",
        f"Written by `run.py` beside this file. {os.cpu_count()} × {platform.machine()}, {device.device_kind}, "
        f"Python {platform.python_version()}; {versions}.",
        "Warm unless it says cold; ratios of medians, interleaved in one run.",
        "",
        "| job | measured | bar | reached |",
        "|---|---|---|---|",
        *(f"| {row.job} | {row.measured} | {row.bar} | {'yes' if row.reached else 'no'} |" for row in rows),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
