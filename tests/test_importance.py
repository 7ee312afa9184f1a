"""Importance sampling, piece by piece and whole. Oracles: ArviZ, SciPy, conjugate closed forms, tests/reference."""

import dataclasses
import json
import os
import subprocess
import sys
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import integrate, optimize, special, stats

from pgm_mock import InputError, Observation, Priors, fit, prior_predictive, summarise
from pgm_mock.inference import importance, many, program
from pgm_mock.inference.limits import Aperture, detectable_flux, detection_likelihood, upper_limit
from pgm_mock.inference.many import iter_posteriors
from pgm_mock.inference.methods import failed_posterior, further_rounds, make_plan
from pgm_mock.inference.modes import FEW
from pgm_mock.inference.seen import counts_seen
from pgm_mock.inference.sourcefree import source_free
from pgm_mock.inference.unconstrained import Data, Frame
from pgm_mock.psf import GaussianPSF
from pgm_mock.resources import resource
from pgm_mock.sampler.mixture import Mixture
from tests.benchmarks.modes import default_priors, weighted_draws
from tests.reference import modes
from tests.test_fit import REFERENCE

PSF = GaussianPSF()
RINGS = (1, 25, 169)


def fit_many(stamps, priors_list, **options):
    """The posteriors as arrays, without the trees that the public function makes of them."""
    return list(iter_posteriors(stamps, priors_list, **options))


@pytest.fixture(scope="module")
def posterior(stamp, priors):
    return fit(stamp, priors, seed=1)


def test_noise_is_a_sources_own_and_standard_normal():
    noise = [importance.Noise.of(3, name, 5, (4, 500)) for name in ("a", "b", "a")]
    assert all(np.array_equal(one, other) for one, other in zip(noise[0], noise[2], strict=True))
    assert not any(np.array_equal(one, other) for one, other in zip(noise[0], noise[1], strict=True))
    for one in (noise[0].prior, noise[0].near):
        assert stats.kstest(one.ravel(), "norm").pvalue > 1e-3
    assert stats.kstest(noise[0].places.ravel(), "uniform").pvalue > 1e-3
    assert noise[0].near.shape == (4, 500, 10)
    assert noise[0].places.shape == (4, 500)


def test_source_free_evidence_is_scipys_integral(stamp):
    priors = Priors.default(stamp).replace(background=dist.Gamma(2.0, 1e5))
    found = source_free(Data.of(stamp), priors)
    exposed = stamp.exposure > 0
    top = stamp.counts.sum() / stamp.exposure.sum()
    height = stats.poisson.logpmf(stamp.counts, stamp.exposure * top)[exposed].sum()

    def integrand(b):
        like = stats.poisson.logpmf(stamp.counts, stamp.exposure * b)[exposed].sum()
        return np.exp(like - height) * stats.gamma.pdf(b, 2.0, scale=1e-5)

    area = integrate.quad(integrand, top * 0.2, top * 3, points=[top], epsabs=0, epsrel=1e-9)[0]
    assert float(found.log_evidence) == pytest.approx(height + np.log(area), abs=1e-6)
    assert float(found.max_log_likelihood) == pytest.approx(height, abs=1e-9)


@pytest.mark.slow
def test_background_alone_is_the_gamma_posterior_with_its_evidence(stamp):
    fixed = {"x_pos": 111.0, "y_pos": 61.0, "flux": 0.0, "psf_width": 1.0}
    tree = fit(stamp, Priors(**fixed, background=dist.Gamma(2.0, 1e5)), seed=3)
    count, total = stamp.counts.sum(), stamp.exposure.sum()
    exact = stats.gamma(2.0 + count, scale=1 / (1e5 + total))
    weights = np.exp(tree["importance_samples"]["log_weight"].values[0])
    draws = tree["importance_samples"]["background"].values[0]
    mean = weights @ draws
    assert abs(mean - exact.mean()) < 4 * exact.std() / np.sqrt(tree.attrs["ess"])
    exposed = stamp.exposure > 0
    log_evidence = (
        np.sum(stamp.counts[exposed] * np.log(stamp.exposure[exposed])) - special.gammaln(stamp.counts + 1).sum()
    )
    log_evidence += 2 * np.log(1e5) + special.gammaln(2 + count) - (2 + count) * np.log(1e5 + total)
    assert tree.attrs["log_evidence"] == pytest.approx(log_evidence, abs=4 / np.sqrt(tree.attrs["ess"]))
    assert tree.attrs["ln_bayes_factor"] == pytest.approx(0.0, abs=4 / np.sqrt(tree.attrs["ess"]))


@pytest.fixture(scope="module")
def real_sources(real):
    rows = json.loads(REFERENCE.read_text())
    stamps = [real.stamp(row["x"], row["y"]) for row in rows]
    toml = resource("priors.toml")
    return rows, stamps, [Priors.read(toml, s, r["x"], r["y"]) for s, r in zip(stamps, rows, strict=True)]


@pytest.mark.slow
@pytest.mark.long
def test_all_real_sources_agree_with_the_independent_computation(real_sources):
    """Oracle: tests/reference, another language of ideas: emcee and plain importance sampling, in SciPy."""
    rows, stamps, priors = real_sources
    for found, row in zip(fit_many(stamps, priors, num_draws=9000), rows, strict=True):
        assert found.certified, found.tried
        weights = np.exp(found.weighted["log_weight"][0])
        for name, expected in row["parameters"].items():
            values = found.weighted[name][0]
            mean = weights @ values
            assert abs(mean - expected["mean"]) < 0.1 * expected["sd"], (row["x"], name)
            assert np.sqrt(weights @ (values - mean) ** 2) == pytest.approx(expected["sd"], rel=0.05), (row["x"], name)
        assert found.numbers["log_evidence"] == pytest.approx(row["ln_evidence"], abs=0.05)


@pytest.mark.slow
@pytest.mark.long
def test_numbers_do_not_depend_on_the_batch(real_sources):
    _, stamps, priors = real_sources
    stamps, priors = stamps[:6], priors[:6]
    once = fit_many(stamps, priors)
    fours = fit_many(stamps[:4], priors[:4]) + fit_many(stamps[4:], priors[4:])
    backwards = fit_many(stamps[::-1], priors[::-1])[::-1]
    for a, b, c in zip(once, fours, backwards, strict=True):
        assert a.numbers == b.numbers == c.numbers
        for name in a.draws:
            np.testing.assert_array_equal(a.draws[name], b.draws[name])
            np.testing.assert_array_equal(a.draws[name], c.draws[name])
    together = fit_many(stamps, priors, chunk_size=4)
    for a, b in zip(once, together, strict=True):
        np.testing.assert_allclose(a.draws["flux"], b.draws["flux"], rtol=1e-4)
        assert a.numbers["log_evidence"] == pytest.approx(b.numbers["log_evidence"], abs=1e-5)


@pytest.mark.slow
def test_processes_that_share_a_cache_compile_a_program_one_after_the_other(tmp_path):
    """Oracle: who holds the lock, and another process that waits for it until that lets go."""
    code = (
        "import sys, jax; from pgm_mock.inference import importance, program;"
        "jax.config.update('jax_compilation_cache_dir', sys.argv[1]);"
        "lock = program._once_on_this_machine((importance.sample, 1));"
        "print('waits', flush=True); lock.__enter__(); print('has it', flush=True)"
    )
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    with program._once_on_this_machine((importance.sample, 1)):
        with program._once_on_this_machine((importance.sample, 2)):  # another program does not wait
            other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
            assert other.stdout.readline() == "waits\n"
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(0.5)
    assert other.communicate(timeout=20)[0] == "has it\n"


@pytest.mark.slow
def test_second_source_costs_no_compilation(stamp, priors):
    program.forget()
    mocks = prior_predictive(stamp, priors, num_samples=3, seed=3)["prior_predictive"]["counts"].values[0]
    few = (abs(stamp.x - 111) < 7) & (abs(stamp.y - 61) < 7)  # at most 169 photons: one bucket
    stamps = [dataclasses.replace(stamp, counts=few * np.minimum(m, 1), name=str(n)) for n, m in enumerate(mocks)]
    fit_many(stamps, [Priors.default(stamp, 110 + n, 60 + n) for n in range(3)])
    first = (importance.sample, (("modes", FEW),))  # one that is not certified is sampled from more modes
    assert sum((signature[0], signature[2]) == first for signature in program._compiled) == 1


@pytest.mark.slow
@pytest.mark.long
def test_any_prior_a_fixed_parameter_and_another_psf(stamp, priors):
    class Wide(GaussianPSF):
        def profiles(self, x, y, x_pos, y_pos, psf_width):
            return None

        def pixel_fraction(self, x, y, x_pos, y_pos, psf_width):
            columns, rows = GaussianPSF.profiles(self, x, y, x_pos, y_pos, psf_width)
            return columns * rows

    jax.tree_util.register_static(Wide)
    changed = priors.replace(
        x_pos=dist.Uniform(105.0, 115.0), flux=dist.Gamma(0.5, 100.0), psf_width=dist.TruncatedNormal(1.0, 0.3, low=0.1)
    )
    one, two = fit(stamp, changed, num_draws=4000), fit(stamp, changed.with_psf(Wide()), num_draws=4000)
    assert one.attrs["khat"] < 0.7
    assert one.attrs["log_evidence"] == pytest.approx(two.attrs["log_evidence"], abs=0.1)
    forced = fit(stamp, priors.replace(x_pos=110.6, y_pos=61.2, psf_width=1.4), num_draws=4000)
    assert np.ptp(forced["posterior"]["psf_width"].values) == 0
    assert forced.attrs["khat"] < 0.7


@pytest.mark.slow
@pytest.mark.long
def test_escalates_and_says_so(stamp, priors):
    """An effective sample size that cannot be had leads to more draws, and then to NUTS."""
    found = fit(stamp, priors, num_draws=500, min_ess=1e6, num_warmup=300, num_samples=300)
    assert found.attrs["method"] == "nuts"
    tried = found.attrs["tried"].split("; ")
    assert [text.split(":")[0] for text in tried] == ["importance 500", "importance 12000", "nuts 4 x 300"]
    assert found.attrs["khat"] < 0.7
    assert "ln evidence and ln Bayes factor are of importance sampling without a certificate" in found.attrs["notes"]
    kept = fit(stamp, priors, method="importance", num_draws=500, min_ess=1e6)
    assert kept.attrs["method"] == "importance"
    assert "few effective draws" in kept.attrs["problems"]
    assert "WARNING" in summarise(kept).line()


@pytest.mark.slow
@pytest.mark.long
def test_a_density_that_is_not_a_number_is_said(stamp, priors):
    class Broken(GaussianPSF):
        def profiles(self, x, y, x_pos, y_pos, psf_width):
            columns, rows = GaussianPSF.profiles(self, x, y, x_pos, y_pos, psf_width)
            return jnp.where(psf_width > 2.0, jnp.nan, columns), rows

    jax.tree_util.register_static(Broken)
    found = fit(stamp, priors.with_psf(Broken()), method="importance")
    assert "the density is not a number at" in found.attrs["problems"]
    assert found["posterior"]["psf_width"].values.max() <= 2.0


@pytest.mark.slow
def test_one_that_cannot_be_fitted_takes_no_other_with_it(stamp, priors):
    fixed = Priors(x_pos=111.0, y_pos=61.0, flux=1e-3, background=1e-5, psf_width=1.4)
    for size in (1, 2):
        found = fit_many([stamp, stamp, stamp], [priors, fixed, priors], chunk_size=size)
        assert [p.method for p in found] == ["importance", "failed", "importance"]
        assert "expected at least one parameter" in found[1].problems[0]
        assert np.isnan(found[1].draws["flux"]).all()


@pytest.mark.slow
def test_results_come_one_by_one_from_a_generator(stamp, priors):
    drawn = []

    def stamps():
        for number in range(10_000):
            drawn.append(number)
            yield dataclasses.replace(stamp, name=str(number))

    results = iter_posteriors(stamps(), (priors for _ in range(10_000)))
    first = next(results)
    assert first.observation.name == "0"
    assert len(drawn) < 600
    results.close()


def test_others_go_on_while_one_takes_long_and_stop_when_nobody_listens(stamp, priors, monkeypatch):
    """The first fit waits until the other core has done 510 of those that follow, and then they come in order."""
    done, enough = [], threading.Event()

    def fit_safely(job, _):
        done.append(job[0].name)
        if len(done) == 511:
            enough.set()
        if job[0].name == "0":
            assert enough.wait(60)
        time.sleep(0.02 if int(job[0].name) > 1200 else 0.001)
        return failed_posterior(job[0], job[1], plan, "")

    plan = make_plan("auto", 500, 1.0, 0, num_chains=1, num_warmup=1, num_samples=1)
    monkeypatch.setattr(many, "fit_safely", fit_safely)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    stamps = (dataclasses.replace(stamp, name=str(number)) for number in range(10_000))
    results = iter_posteriors(stamps, (priors for _ in range(10_000)))
    names = [next(results).observation.name for _ in range(1000)]
    assert names == [str(number) for number in range(1000)]
    results.close()
    assert len(done) < 1300


def test_lists_of_different_lengths_and_bad_options(stamp, priors):
    with pytest.raises(InputError, match="priors_list: expected as many priors as stamps"):
        fit_many([stamp, stamp], [priors])
    with pytest.raises(InputError, match="num_draws: expected at least 500, found 3"):
        fit(stamp, priors, num_draws=3)
    with pytest.raises(InputError, match="min_ess: expected a number above 0, found -1"):
        fit(stamp, priors, min_ess=-1)
    with pytest.raises(InputError, match="chunk_size: expected at least 1, found -1"):
        fit_many([stamp], [priors], chunk_size=-1)


def test_tree_has_weights_evidence_and_summary(posterior, stamp):
    assert set(posterior.children) >= {
        "posterior",
        "sample_stats",
        "observed_data",
        "constant_data",
        "importance_samples",
    }
    assert posterior["posterior"]["flux"].shape == (4, 1000)
    weights = np.exp(posterior["importance_samples"]["log_weight"].values)
    assert weights.sum() == pytest.approx(1.0)
    values = posterior["importance_samples"]["flux"].values
    mean, sd = np.sum(weights * values), posterior["posterior"]["flux"].values.std()
    assert posterior["posterior"]["flux"].values.mean() == pytest.approx(mean, abs=0.06 * sd)
    line = summarise(posterior).line()
    assert "DET_LIKE" in line
    assert "importance: k-hat" in line


def test_det_like_is_emldetects_definition():
    for ratio, degrees in ((3.0, 3), (25.0, 4), (200.0, 3)):
        assert detection_likelihood(ratio, degrees) == pytest.approx(-stats.chi2.logsf(2 * ratio, degrees), rel=1e-9)
    assert detection_likelihood(-1.0, 3) == 0.0
    expected = 5000 - 0.5 * np.log(5000) + special.gammaln(1.5) - np.log1p(0.5 / 5000)
    assert detection_likelihood(5000.0, 3) == pytest.approx(expected, rel=1e-6)


def test_upper_limit_without_counts_is_minus_ln_005(stamp):
    """With no photon the likelihood is exp(-F sum(t P)): 95 % of its area lies below -ln 0.05 / sum(t P)."""
    empty = Observation(counts=0 * stamp.counts, exposure=stamp.exposure, origin=stamp.origin)
    place = {"x_pos": 110.0, "y_pos": 61.0, "psf_width": 1.5}
    found = upper_limit(place, Data.of(empty), PSF)
    light = np.sum(stamp.exposure * np.asarray(PSF.pixel_fraction(stamp.columns, stamp.rows, 110.0, 61.0, 1.5)))
    assert float(found) == pytest.approx(-np.log(0.05) / light, rel=2e-3)


def test_upper_limit_is_a_grids(stamp):
    """Oracle: flux and background on a dense SciPy grid."""
    place = {"x_pos": 110.6, "y_pos": 61.2, "psf_width": 1.4}
    found = upper_limit(place, Data.of(stamp), PSF)
    light = np.asarray(PSF.pixel_fraction(stamp.columns, stamp.rows, 110.6, 61.2, 1.4))
    exposed = stamp.exposure > 0
    flux, level = np.linspace(0, 0.012, 301), np.linspace(4e-6, 2.2e-5, 121)
    height = np.array(
        [
            [stats.poisson.logpmf(stamp.counts, stamp.exposure * (f * light + b))[exposed].sum() for b in level]
            for f in flux
        ]
    )
    area = np.exp(height - height.max()).sum(axis=1)
    expected = np.interp(0.95, np.cumsum(area) / area.sum(), flux)
    assert float(found) == pytest.approx(expected, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("background", [4e-6, 1e-5])
def test_a_known_background_is_not_fitted_again(stamp, background):
    """Neither in the limit nor in DET_LIKE. Oracle: the flux on a SciPy grid; the heights of SciPy's minimiser."""
    place = {"x_pos": 110.6, "y_pos": 61.2, "psf_width": 1.4}
    light = np.asarray(PSF.pixel_fraction(stamp.columns, stamp.rows, 110.6, 61.2, 1.4))
    exposed = stamp.exposure > 0

    def height(flux):
        return stats.poisson.logpmf(stamp.counts, stamp.exposure * (flux * light + background))[exposed].sum()

    flux = np.linspace(0, 0.012, 3001)
    heights = np.array([height(f) for f in flux])
    area = np.exp(heights - heights.max())
    limit = np.interp(0.95, np.cumsum(area) / area.sum(), flux)
    tree = fit(stamp, Priors(**place, background=background, flux=dist.LogNormal(np.log(3e-3), 2.0)), seed=1)
    assert tree.attrs["flux_ul95"] == pytest.approx(limit, rel=5e-3)
    best = -optimize.minimize_scalar(
        lambda f: -height(f), bounds=(1e-4, 0.02), method="bounded", options={"xatol": 1e-9}
    ).fun
    assert tree.attrs["det_like"] == pytest.approx(-stats.chi2.logsf(2 * (best - height(0.0)), 1), rel=1e-4)


def test_detectable_flux_is_detected_as_often_as_it_says():
    """Simulate the test: counts above the threshold, for the flux that is said to be detected in 95 % of cases."""
    aperture = Aperture(jnp.asarray(9000.0), jnp.asarray(4.0))
    flux = detectable_flux(aperture, false_alarm=1e-3)
    rng = np.random.default_rng(0)
    threshold = next(n for n in range(100) if stats.poisson.sf(n - 1, 4.0) <= 1e-3)
    detected = np.mean(rng.poisson(4.0 + 9000 * flux, 200_000) >= threshold)
    assert detected == pytest.approx(0.95, abs=0.003)
    assert np.isnan(detectable_flux(aperture._replace(exposure_times_light=jnp.zeros(()))))


@pytest.mark.slow
def test_limits_of_a_source_that_is_there_and_of_one_that_is_not(posterior, stamp, priors):
    rng = np.random.default_rng(5)
    empty = dataclasses.replace(stamp, counts=rng.poisson(stamp.exposure * 1e-5), name="empty")
    nothing = summarise(fit(empty, priors, num_draws=4000)).detection
    there = summarise(posterior).detection
    assert there["det_like"] > 30
    assert nothing["det_like"] < 10
    assert there["ln_bayes_factor"] > 20
    assert nothing["ln_bayes_factor"] < 1
    assert 0 < nothing["flux_ul95"] < there["flux_ul95"]


@pytest.mark.slow
def test_float32_session(stamp):
    with jax.enable_x64(False):
        found = fit_many([stamp], [Priors.default(stamp)])[0]
    exact = fit_many([stamp], [Priors.default(stamp)])[0]
    assert found.certified
    assert found.numbers["log_evidence"] == pytest.approx(exact.numbers["log_evidence"], abs=0.15)
    assert found.draws["flux"].mean() == pytest.approx(exact.draws["flux"].mean(), abs=0.2 * exact.draws["flux"].std())


def test_many_programs_make_room_for_new_ones(monkeypatch):
    """Oracle: NumPy; with room for two programs, four are compiled and give what they should."""
    monkeypatch.setattr(program, "_MOST", 2)
    monkeypatch.setattr(program, "_MOST_MAPS", 0)
    total = jax.jit(jnp.sum)
    for _ in range(2):
        for size in (3, 4, 5, 6):
            assert float(program.call(total, np.arange(size, dtype=float))) == np.arange(size).sum()
            assert len(program._compiled) <= 2


FIT_AND_HASH = """
import hashlib, os, sys
if sys.argv[1] == "one":
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import jax
jax.config.update("jax_enable_x64", True)
import numpy as np
from pgm_mock import Observation, Priors, fit
rng = np.random.default_rng(0)
stamp = Observation(counts=rng.poisson(0.1, (31, 31)), exposure=np.full((31, 31), 1e4), name="faint")
for number in (2500, 12000):
    draws = fit(stamp, Priors.default(stamp), num_draws=number)["posterior"]["flux"].values
    print(hashlib.sha256(draws.tobytes()).hexdigest())
"""


@pytest.mark.slow
@pytest.mark.long
def test_second_attempts_in_a_chunk_are_those_one_by_one():
    """Rings of sources, some of which take a second attempt; a stamp that has none of its own is padded."""
    drawn = [modes.make_mock("ring", [modes.SEED, number])[:2] for number in RINGS]
    stamps = [Observation(*each, name=f"ring {number}") for number, each in zip(RINGS, drawn, strict=True)]
    priors = [default_priors(stamp) for stamp in stamps]
    alone, together = fit_many(stamps, priors), fit_many(stamps, priors, chunk_size=4)
    assert {len(one.tried) for one in alone} == {1, 2}
    for one, other in zip(alone, together, strict=True):
        assert len(one.tried) == len(other.tried)
        assert other.numbers["ess"] == pytest.approx(one.numbers["ess"], rel=1e-3)
        assert other.numbers["log_evidence"] == pytest.approx(one.numbers["log_evidence"], abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 3])
def test_a_wide_source_that_has_all_photons_of_a_ring_is_found(seed):
    """It holds 0.4 % of the posterior, and most of its variance; no map shows it. Oracle: tests/reference."""
    counts, exposure, _ = modes.make_mock("ring", [modes.SEED, 65])
    expected = modes.posterior(modes.Stamp(counts, exposure, modes.Prior.default(exposure, 21.0, 21.0)), 3)
    stamp = Observation(counts, exposure, name="ring 65")
    (found,) = fit_many([stamp], [default_priors(stamp)], seed=seed)
    assert found.certified
    theta, weights = weighted_draws(found)
    mean = weights @ theta
    np.testing.assert_allclose(np.sqrt(weights @ (theta - mean) ** 2), expected["sd"], rtol=0.2)
    assert found.numbers["log_evidence"] == pytest.approx(expected["ln_evidence"], abs=0.1)


@pytest.mark.parametrize("beside", [True, False])
def test_beside_an_edge_modes_move_and_turn_with_the_coordinates(stamp, beside):
    """Oracle: a finite difference of the new coordinates. Away from all edges they are the model's."""
    x, y = stamp.columns[0, 0] - 0.9 if beside else stamp.centre[0], stamp.centre[1]
    priors = Priors.default(stamp, x, y)
    data, frame = Data.of(stamp), Frame.of(priors)
    factors = 0.3 * np.eye(5) + 0.1 * np.tri(5)
    modes_there = Mixture(jnp.zeros(1), jnp.array([[0.1, 0.0, 0.3, 0.1, -0.2]]), jnp.asarray(factors)[None])
    straight, shear = counts_seen(modes_there, frame, data, priors)
    place = np.asarray(modes_there.locations[0])
    moves = np.concatenate([place[None], place + 1e-6 * np.eye(5), place - 1e-6 * np.eye(5)])
    new = moves + np.asarray(shear(jnp.asarray(moves)))
    turn = (new[1:6] - new[6:]).T / 2e-6
    np.testing.assert_allclose(straight.locations[0], new[0], atol=1e-12)
    found = np.asarray(straight.factors[0])
    np.testing.assert_allclose(found @ found.T, turn @ factors @ factors.T @ turn.T, rtol=1e-6, atol=1e-9)
    assert (np.abs(turn - np.eye(5)).max() > 0.1) == beside


def test_where_places_alone_were_left_out_the_next_attempt_is_a_short_one(stamp, priors):
    plan = make_plan("auto", 2500, 400.0, 0, num_chains=1, num_warmup=1, num_samples=1)
    first = failed_posterior(stamp, priors, plan, "3 more places")
    assert further_rounds(dataclasses.replace(first, left_out=3), plan) == ((4, 1250), (4, 3000))
    assert further_rounds(dataclasses.replace(first, left_out=3, problems=("k-hat", "places")), plan) == ((4, 3000),)
    assert further_rounds(first, plan) == ((4, 3000),)
    many_draws = make_plan("auto", 9000, 400.0, 0, num_chains=1, num_warmup=1, num_samples=1)
    assert further_rounds(dataclasses.replace(first, left_out=3), many_draws) == ((4, 4500),)


@pytest.mark.slow
def test_a_hot_pixel_in_the_outermost_row_may_be_a_source_beyond_it():
    """Its flux has no bound there: 1.5 % of the posterior widen it by half, and are found. Oracle: tests/reference."""
    counts, exposure, _ = modes.make_mock("hot_pixels", [modes.SEED, 28])
    expected = modes.posterior(modes.Stamp(counts, exposure, modes.Prior.default(exposure, 21.0, 21.0)), 3)
    stamp = Observation(counts, exposure, name="hot pixel")
    (found,) = fit_many([stamp], [default_priors(stamp)])
    assert found.certified
    theta, weights = weighted_draws(found)
    mean = weights @ theta
    np.testing.assert_array_less(np.abs(mean - expected["mean"]), 0.25 * expected["sd"])
    np.testing.assert_allclose(np.sqrt(weights @ (theta - mean) ** 2), expected["sd"], rtol=0.2)
    assert found.numbers["log_evidence"] == pytest.approx(expected["ln_evidence"], abs=0.1)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system cannot hold a process to one core")
def test_a_posterior_is_the_same_on_any_number_of_cores():
    """Oracle: invariance, to the last bit."""
    told = [
        subprocess.run([sys.executable, "-c", FIT_AND_HASH, cores], capture_output=True, text=True, check=True).stdout
        for cores in ("one", "all")
    ]
    assert told[0] == told[1] != ""
