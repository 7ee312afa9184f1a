"""Calibration: its tests of uniformity against closed forms, and its power against broken inferences."""

import arviz as az
import jax
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray
from scipy import stats

from pgm_mock import InputError, calibrate, expected_counts, identity
from pgm_mock.calibration.ranks import ranks_of
from pgm_mock.calibration.uniformity import TESTS, ecdf_band, ecdf_p_value, points, uniformity
from pgm_mock.calibration.verdict import add_tests
from pgm_mock.cli import main
from pgm_mock.inference.posterior import StampPosterior
from pgm_mock.inference.unconstrained import Data
from pgm_mock.plot import plot_calibration
from pgm_mock.psf import ImagePSF, KingPSF
from tests.broken import BROKEN
from tests.test_grid import dense_log_likelihood

THETA = {"x_pos": 110.6, "y_pos": 61.2, "flux": 4e-3, "background": 1e-5, "psf_width": 1.4}


def test_p_values_of_uniform_ranks_are_uniform():
    """500 sets of 300 uniform ranks: each test rejects as often as it says."""
    rng = np.random.default_rng(4)
    found = [uniformity(rng.random(300)).p_values for _ in range(500)]
    for test in (*TESTS, "ks"):
        p_values = np.array([one[test] for one in found])
        for level in (0.05, 0.2):
            assert stats.binomtest(int((p_values <= level).sum()), 500, level).pvalue > 1e-3, (test, level)


def test_each_fault_has_its_test():
    rng = np.random.default_rng(5)
    z = rng.normal(size=1000)
    narrow = uniformity(stats.norm.cdf(z / 0.9))
    assert narrow.p_values["dispersion"] < 1e-4
    assert narrow.dispersion == pytest.approx(1 / 0.9, rel=0.05)
    low = uniformity(stats.norm.cdf(z + 0.2))
    assert low.p_values["location"] < 1e-6
    assert low.location == pytest.approx(0.2, abs=0.07)
    comb = uniformity((np.floor(rng.random(4000) * 10) + 0.2) / 10)  # piled up in every other bin
    assert comb.p_values["chi_square"] < 1e-10
    assert uniformity(np.clip(stats.beta(1.5, 1).rvs(300, random_state=1), 0, 1)).p_values["ecdf"] < 1e-3


def test_the_band_holds_what_it_says():
    """Of simulated distribution functions, as a whole; and it is the tighter one at the ends."""
    rng = np.random.default_rng(6)
    n = 250
    lower, upper = ecdf_band(n, 0.95)
    z = points(n)
    inside = 0
    for _ in range(2000):
        values = np.searchsorted(np.sort(rng.random(n)), z, side="right") / n
        inside += bool(((values >= lower) & (values <= upper)).all())
    assert stats.binomtest(inside, 2000, 0.95).pvalue > 1e-3
    assert (upper - lower)[0] < 0.3 * (upper - lower)[n // 2]
    ranks = np.concatenate([np.full(40, 0.3), (np.arange(210) + 0.5) / 210])
    values = np.searchsorted(np.sort(ranks), z, side="right") / n
    assert ((values < lower) | (values > upper)).any() == (ecdf_p_value(ranks) <= 0.05)


def test_ranks_are_weighted_shares(stamp, priors):
    """Against sums by hand, and the two extra quantities against SciPy."""
    rng = np.random.default_rng(7)
    draws = {name: value * rng.normal(1.0, 0.001, (1, 40)) for name, value in THETA.items()}
    log_weights = np.log(rng.dirichlet(np.ones(40)))[None]
    posterior = StampPosterior(stamp, priors, "importance", {}, {}, {}, draws | {"log_weight": log_weights}, {}, ())
    found = ranks_of(posterior, Data.of(stamp), THETA)
    weights = np.exp(log_weights.ravel())
    assert found.rank["flux"] == pytest.approx(weights[draws["flux"].ravel() < THETA["flux"]].sum())
    assert found.resolution == pytest.approx((weights**2).sum())
    assert found.truth["log_likelihood"] == pytest.approx(dense_log_likelihood(stamp, **THETA), abs=1e-8)
    logs = [dense_log_likelihood(stamp, **{n: v[0, i] for n, v in draws.items()}) for i in range(40)]
    assert found.rank["log_likelihood"] == pytest.approx(weights[np.array(logs) < found.truth["log_likelihood"]].sum())
    dark = THETA | {"background": 0.0}
    counts = expected_counts(stamp.exposure, stamp.columns, stamp.rows, **dark).sum()
    assert found.truth["source_counts"] == pytest.approx(float(counts), rel=1e-10)


def synthetic(ranks, failed=0, problems=0):
    """A calibration of one quantity with given ranks."""
    n = len(ranks)
    shape = ("quantity", "simulation")
    flags = np.arange(n) < failed, np.arange(n) >= n - problems
    return xarray.Dataset(
        {
            "rank": (shape, ranks[None]),
            "truth": (shape, np.zeros((1, n))),
            "mean": (shape, np.zeros((1, n))),
            "sd": (shape, np.ones((1, n))),
            "resolution": ("simulation", np.full(n, 1e-3)),
            "failed": ("simulation", flags[0]),
            "problem": ("simulation", flags[1]),
        },
        coords={"quantity": ["flux"]},
    )


def test_coverage_and_words():
    rng = np.random.default_rng(11)
    sound = add_tests(synthetic(rng.random(2000), problems=3))
    assert sound.attrs["calibrated"]
    assert sound.attrs["verdict"].startswith("calibrated (2000 simulations, 0 failed, 3 not certified)")
    for level, share in zip(sound["level"].values, sound["coverage"].values[0], strict=True):
        assert abs(share - level) < 4 * np.sqrt(level * (1 - level) / 2000)
    narrow = add_tests(synthetic(stats.norm.cdf(rng.normal(0.0, 1.3, 2000))))
    assert "flux: posterior too narrow, scores spread 1." in narrow.attrs["verdict"]
    assert narrow["coverage"].sel(level=0.68)[0] < 0.6
    missing = add_tests(synthetic(rng.random(2000), failed=30))
    assert not missing.attrs["calibrated"]
    assert "30 of 2000 posteriors failed" in missing.attrs["verdict"]


@pytest.mark.slow
def test_grids_and_resuming(stamp, priors, tmp_path, monkeypatch):
    """Interrupted after 250 simulations and started again, a run ends with the same numbers; and it is sound."""
    forced = priors.replace(**{name: value for name, value in THETA.items() if name != "flux"})
    whole = calibrate(stamp, forced, num_simulations=300, method="grid", seed=3)
    assert whole.attrs["calibrated"], whole.attrs["verdict"]
    partial = tmp_path / "partial.npz"

    class Interrupted(Exception):
        pass

    from pgm_mock.calibration import sbc
    from pgm_mock.calibration.by_grid import grid_fits

    def stops(stamps, priors_list, **options):
        for number, posterior in enumerate(grid_fits(stamps, priors_list, **options)):
            if number == 270:
                raise Interrupted
            yield posterior

    sbc.grid_fits, sound = stops, sbc.grid_fits
    try:
        with pytest.raises(Interrupted):
            calibrate(stamp, forced, num_simulations=300, method="grid", seed=3, resume=partial)
    finally:
        sbc.grid_fits = sound
    assert partial.exists()
    same = {"num_simulations": 300, "method": "grid", "seed": 3, "resume": partial}
    began = r"partial\.npz: expected an unfinished calibration with these settings, found "
    with pytest.raises(InputError, match=began + r"seed 3, now 4$"):
        calibrate(stamp, forced, **(same | {"seed": 4}))
    king = (
        r"psf GaussianPSF, now KingPSF\(slope=1\.4, typical_width=1\.5\); psf_checksum crc32 0+, now crc32 [0-9a-f]{8}$"
    )
    with pytest.raises(InputError, match=began + king):
        calibrate(stamp, forced.with_psf(KingPSF(1.4)), **same)
    with jax.enable_x64(False), pytest.raises(InputError, match=began + r"double_precision 1, now 0$"):
        calibrate(stamp, forced, **same)
    versions = identity.provenance()
    monkeypatch.setattr(identity, "provenance", lambda: versions | {"version_numpyro": "9.9"})
    with pytest.raises(InputError, match=began + r"version_numpyro [\d.]+, now 9\.9$"):
        calibrate(stamp, forced, **same)
    monkeypatch.undo()
    again = calibrate(stamp, forced, num_simulations=300, method="grid", seed=3, resume=partial)
    assert not partial.exists()
    np.testing.assert_array_equal(again["rank"], whole["rank"])
    partial.write_text("nothing")
    with pytest.raises(InputError, match=r"partial\.npz: expected an unfinished calibration, found none"):
        calibrate(stamp, forced, num_simulations=300, method="grid", seed=3, resume=partial)


def test_two_psf_images_of_one_name_are_two_psfs(stamp, priors):
    """A file that was replaced since has the same description, but other arrays."""
    images = [np.random.default_rng(number).random((9, 9)) for number in (1, 2)]
    one, two = (ImagePSF.of(image / image.sum(), 1.0, source="psf.fits") for image in images)
    identities = [identity.identity_of_model(stamp, priors.with_psf(psf)) for psf in (one, two, one)]
    assert identities[0] == identities[2]
    assert {name for name in identities[0] if identities[0][name] != identities[1][name]} == {"psf_checksum"}


@pytest.mark.slow
def test_an_inference_of_ones_own_may_give_trees(stamp, priors):
    """Oracle: the same draws as a `StampPosterior`."""
    rng = np.random.default_rng(8)
    drawn = [{name: value * rng.normal(1.0, 0.1, (2, 60)) for name, value in THETA.items()} for _ in range(20)]
    fixed = priors.replace(psf_width=THETA["psf_width"])

    def trees(stamps, _):
        for one, _stamp in zip(drawn, stamps, strict=True):
            yield az.from_dict({"posterior": {name: one[name] for name in fixed.free}})

    def records(stamps, _):
        for one, observed in zip(drawn, stamps, strict=True):
            whole = one | {"psf_width": np.full((2, 60), THETA["psf_width"])}
            yield StampPosterior(observed, fixed, "own", whole, {}, {}, {}, {}, ())

    one, two = (calibrate(stamp, fixed, num_simulations=20, inference=inference) for inference in (trees, records))
    np.testing.assert_array_equal(one["rank"], two["rank"])
    incomplete = lambda stamps, _: (az.from_dict({"posterior": {"flux": np.ones((1, 9))}}) for _ in stamps)  # noqa: E731
    with pytest.raises(InputError, match=r"posterior: expected draws of x_pos.*; missing x_pos, y_pos, background"):
        calibrate(stamp, fixed, num_simulations=20, inference=incomplete)


def test_refusals(stamp, priors):
    with pytest.raises(InputError, match="method: expected importance, nuts, grid, auto, found 'magic'"):
        calibrate(stamp, priors, method="magic")
    with pytest.raises(InputError, match="num_simulations: expected at least 20, found 3"):
        calibrate(stamp, priors, num_simulations=3)
    with pytest.raises(InputError, match="leave at most 2 parameters free for a grid, found 5"):
        calibrate(stamp, priors, num_simulations=20, method="grid")


@pytest.mark.parametrize("words", ["calibrated", "too narrow, " * 12, "scores off by +3.00, " * 30])
def test_a_verdict_of_many_lines_covers_no_panel(words):
    found = add_tests(synthetic(np.random.default_rng(2).random(200)))
    found.attrs["verdict"] = words
    figure = plot_calibration(found)
    figure.canvas.draw()
    lowest = figure._suptitle.get_window_extent().y0
    assert all(ax.title.get_window_extent().y1 < lowest for ax in figure.axes)
    plt.close(figure)


@pytest.mark.slow
@pytest.mark.long
def test_the_sound_model_is_calibrated(stamp, priors):
    found = calibrate(stamp, priors, num_simulations=1000, seed=1)
    assert found.attrs["calibrated"], found.attrs["verdict"]
    assert not found["failed"].any()
    off = np.abs(found["coverage"] - found["level"]) / found["coverage_error"]
    assert off.max() < 4
    figure = plot_calibration(found)
    assert len(figure.axes) == 3 * 7


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("fault", BROKEN)
def test_every_broken_inference_is_caught(stamp, priors, fault):
    number = 1000 if fault == "posterior 10 % too narrow" else 300
    found = calibrate(stamp, priors, num_simulations=number, inference=BROKEN[fault], seed=2)
    assert not found.attrs["calibrated"]


@pytest.mark.slow
@pytest.mark.long
def test_chains_are_ranked_by_their_effective_size(stamp, priors):
    found = calibrate(stamp, priors, num_simulations=40, method="nuts", seed=5)
    assert found.attrs["calibrated"], found.attrs["verdict"]
    worth = 1 / found["resolution"].values  # of 2000 draws, each chain's own number
    assert (worth > 50).all()
    assert (worth < 8000).all()
    assert len(set(worth)) > 30


@pytest.mark.slow
def test_command_line(tmp_path, capsys):
    priors = tmp_path / "priors.toml"
    fixed = ["x_pos]\nvalue = 271.0", "y_pos]\nvalue = 216.0", "psf_width]\nvalue = 1.5", "background]\nvalue = 5e-6"]
    priors.write_text("[" + "\n[".join(fixed))
    arguments = ["calibrate", "--n", "100", "--method", "grid", "--priors", str(priors), "--half-size", "5"]
    assert main([*arguments, "--out", str(tmp_path), "--no-compile-cache"]) == 0
    assert "calibrated (100 simulations" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"priors.toml", "calibration.nc", "calibration.png"}
    assert xarray.open_dataset(tmp_path / "calibration.nc", engine="h5netcdf")["rank"].shape == (3, 100)


def test_ranks_in_a_conjugate_posterior_are_uniform():
    """The tests alone, without any of the package's inference."""
    rng = np.random.default_rng(9)
    scale = rng.gamma(2.0, 1.0, 2000)
    counts = rng.poisson(5 * scale)
    ranks = stats.gamma(2.0 + counts, scale=1 / 6).cdf(scale)
    assert min(uniformity(ranks).p_values.values()) > 1e-3
