"""A background with a gradient, neighbours and an extended source, in the model and in every method."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import signal, stats

from pgm_mock import (
    GaussianPSF,
    InputError,
    Observation,
    Priors,
    best_fit,
    demo_observation,
    draw_parameters,
    expected_counts,
    fit,
    generate_mock_image,
    model_graph,
    prior_predictive,
    summarise,
)
from pgm_mock.counts import PoissonImage, list_counts
from pgm_mock.inference.nosource import at_place
from pgm_mock.inference.refit import refit
from pgm_mock.inference.unconstrained import prior_vectors
from pgm_mock.psf import ImagePSF, KingPSF, MoffatPSF, SumOfGaussians
from pgm_mock.results import fitted_to, flat_draws
from pgm_mock.scene import Pixels, Scene

TRUTH = {
    "x_pos": 109.0,
    "y_pos": 60.0,
    "flux": 5e-3,
    "background": 2e-5,
    "psf_width": 1.3,
    "background_dx": 0.03,
    "background_dy": -0.05,
    "neighbour_x": np.array([115.0, 103.5]),
    "neighbour_y": np.array([66.0, 54.0]),
    "neighbour_flux": np.array([2e-2, 4e-3]),
}
CLUSTER = {
    **{name: value for name, value in TRUTH.items() if not name.startswith("neighbour")},
    "extended_x": 104.5,
    "extended_y": 66.0,
    "extended_flux": 6e-2,
    "extended_core": 4.0,
    "extended_beta": 0.6,
}


@pytest.fixture(scope="module")
def crowded(stamp):
    """A stamp with two neighbours and a background that falls upwards."""
    return replace(stamp, counts=generate_mock_image(stamp.exposure, stamp.x, stamp.y, TRUTH, seed=4), name="crowded")


@pytest.fixture(scope="module")
def priors(crowded):
    flux = Priors.default(crowded).free["flux"]
    two = np.ones(2)
    return Priors.default(crowded, 109.0, 60.0).replace(
        background_dx=dist.Normal(0.0, 0.05),
        background_dy=dist.Normal(0.0, 0.05),
        neighbour_x=dist.Normal(np.array([115.0, 103.0]), 2.0 * two),
        neighbour_y=dist.Normal(np.array([66.0, 54.0]), 2.0 * two),
        neighbour_flux=dist.LogNormal(float(flux.loc) * two, 2.0 * two),
    )


def by_scipy(stamp, pars):
    """Oracle: SciPy's Gaussian integrals, one source after the other, and the exponential of the gradient."""

    def light(x_pos, y_pos):
        def inside(centre, mean):
            return stats.norm.cdf(centre + 0.5, mean, 1.3) - stats.norm.cdf(centre - 0.5, mean, 1.3)

        return inside(stamp.x, x_pos) * inside(stamp.y, y_pos)

    total = pars["flux"] * light(pars["x_pos"], pars["y_pos"])
    for x, y, flux in zip(pars["neighbour_x"], pars["neighbour_y"], pars["neighbour_flux"], strict=True):
        total = total + flux * light(x, y)
    x, y = stamp.centre
    growth = np.exp(pars["background_dx"] * (stamp.x - x) + pars["background_dy"] * (stamp.y - y))
    return stamp.exposure * (total + pars["background"] * growth)


@pytest.mark.slow
def test_expected_counts_are_the_sum_by_scipy(crowded):
    image = crowded.exposure, crowded.columns, crowded.rows
    oracle = by_scipy(crowded, TRUTH)
    np.testing.assert_allclose(expected_counts(*image, **TRUTH), oracle, rtol=1e-9, atol=1e-12)
    ramps = crowded.exposure, crowded.x, crowded.y
    np.testing.assert_allclose(expected_counts(*ramps, **TRUTH), oracle, rtol=1e-9, atol=1e-12)
    factors = Scene().naming(TRUTH).light(Pixels(*image), GaussianPSF(), TRUTH)
    np.testing.assert_allclose(factors.image(float), oracle, rtol=1e-9, atol=1e-12)
    assert float(factors.total()) == pytest.approx(oracle.sum(), rel=1e-9)


@pytest.mark.parametrize("psf", [GaussianPSF(), KingPSF(1.6)], ids=["few products", "many products"])
@pytest.mark.parametrize("bright", [1, 40], ids=["photons", "pixels"])
def test_log_probability_of_a_list_is_scipys(crowded, psf, bright):
    image = crowded.exposure, crowded.columns, crowded.rows
    mean = np.asarray(expected_counts(*image, psf=psf, **TRUTH))
    counts = crowded.counts * bright
    exposed = crowded.exposure > 0
    oracle = stats.poisson.logpmf(counts, mean)[exposed].sum()
    light = Scene().naming(TRUTH).light(Pixels(*image), psf, TRUTH)
    told = PoissonImage(jnp.asarray(mean), jnp.asarray(exposed), light)
    assert float(told.log_prob(list_counts(counts))) == pytest.approx(oracle, rel=1e-10)


@pytest.mark.parametrize("psf", [GaussianPSF(), KingPSF(1.6), MoffatPSF(2.5)], ids=lambda psf: type(psf).__name__)
def test_extended_source_is_the_beta_model_seen_through_the_psf(stamp, psf):
    """Oracle: the two profiles on a grid of a ninth of a pixel, convolved by SciPy and summed over each pixel."""
    fine, margin = 9, 30
    x = np.arange(stamp.x.min() - margin - 0.5 + 0.5 / fine, stamp.x.max() + margin + 0.5, 1 / fine)
    y = np.arange(stamp.y.min() - margin - 0.5 + 0.5 / fine, stamp.y.max() + margin + 0.5, 1 / fine)[:, None]
    slope, core = 3 * CLUSTER["extended_beta"] - 0.5, CLUSTER["extended_core"]
    squared = (x - CLUSTER["extended_x"]) ** 2 + (y - CLUSTER["extended_y"]) ** 2
    profile = (slope - 1) / (np.pi * core**2) * (1 + squared / core**2) ** -slope / fine**2
    offset = np.arange(-margin * fine, margin * fine + 1) / fine
    squared, width = offset**2 + offset[:, None] ** 2, CLUSTER["psf_width"]
    if isinstance(psf, GaussianPSF):
        kernel = np.exp(-0.5 * squared / width**2) / (2 * np.pi * width**2)
    else:
        if isinstance(psf, MoffatPSF):
            width = 0.5 * width / np.sqrt(2 ** (1 / psf.slope) - 1)
        kernel = (psf.slope - 1) / (np.pi * width**2) * (1 + squared / width**2) ** -psf.slope
    blurred = signal.fftconvolve(profile, kernel / fine**2, mode="same")
    ny, nx = stamp.shape
    binned = blurred.reshape(ny + 2 * margin, fine, nx + 2 * margin, fine).sum(axis=(1, 3))
    oracle = CLUSTER["extended_flux"] * binned[margin:-margin, margin:-margin]
    without = CLUSTER | {"extended_flux": 0.0}
    through = [np.asarray(expected_counts(*stamp.image, psf=psf, **each)) for each in (CLUSTER, without)]
    exposed = stamp.exposure > 0
    seen = (through[0] - through[1])[exposed] / stamp.exposure[exposed]
    np.testing.assert_allclose(seen, oracle[exposed], atol=1e-4 * CLUSTER["extended_flux"])
    factors = Scene().naming(CLUSTER).light(Pixels(*stamp.image), psf, CLUSTER)
    np.testing.assert_allclose(factors.image(float), through[0], rtol=1e-10, atol=1e-12)


def test_an_extended_source_through_a_psf_image(stamp):
    """Oracle: an image of a Gaussian gives what the Gaussian gives; a PSF of unknown form is refused."""
    offset = np.arange(-40, 41) / 5
    gaussian = np.exp(-0.5 * (offset**2 + offset[:, None] ** 2) / CLUSTER["psf_width"] ** 2)
    image = ImagePSF.of(gaussian / gaussian.sum(), 5.0, source="own")
    cluster = CLUSTER | {"flux": 0.0}
    through = expected_counts(*stamp.image, psf=image, **(cluster | {"psf_width": 1.0}))
    np.testing.assert_allclose(through, expected_counts(*stamp.image, **cluster), rtol=2e-3)

    class Own:
        profiles = GaussianPSF.profiles
        pixel_fraction = GaussianPSF.pixel_fraction

    with pytest.raises(InputError, match="extended source: expected a PSF with `gaussians` to be seen through, found"):
        SumOfGaussians.of_beta(4.0, 0.6, Own(), 1.3)


@pytest.mark.slow
@pytest.mark.long
def test_a_source_before_a_cluster_is_found(stamp):
    """Oracle: the truth of a mock, to three standard deviations; without the cluster in the model it is missed."""
    counts = generate_mock_image(stamp.exposure, stamp.x, stamp.y, CLUSTER, seed=3)
    before = replace(stamp, counts=counts, name="cluster")
    default = Priors.default(before, CLUSTER["x_pos"], CLUSTER["y_pos"])
    priors = default.replace(
        extended_x=dist.Normal(104.0, 2.0),
        extended_y=dist.Normal(66.0, 2.0),
        extended_flux=dist.LogNormal(np.log(0.05), 1.0),
        extended_core=dist.LogNormal(np.log(5.0), 0.5),
        extended_beta=dist.TruncatedNormal(2 / 3, 0.1, low=0.55),
        background_dx=dist.Normal(0.0, 0.05),
        background_dy=dist.Normal(0.0, 0.05),
    )
    posterior = fit(before, priors)
    assert posterior.attrs["method"] == "importance"
    draws = flat_draws(posterior)
    for name in ("flux", "extended_flux", "extended_x", "extended_y", "extended_core"):
        assert abs(np.log(draws[name] / CLUSTER[name]).mean()) < 3 * np.log(draws[name]).std(), name
    assert posterior.attrs["ln_bayes_factor"] > 3
    alone = flat_draws(fit(before, default))["flux"]
    assert np.quantile(alone, 0.001) > CLUSTER["flux"]


@pytest.mark.slow
@pytest.mark.long
def test_importance_agrees_with_nuts(crowded, priors):
    """Oracle: long chains of the same model."""
    fast, chains = (
        fit(crowded, priors, method=method, num_samples=number, num_chains=n, seed=2)
        for method, number, n in (("importance", 8000, 1), ("nuts", 4000, 2))
    )
    assert fast.attrs["khat"] < 0.7
    assert summarise(chains).r_hat < 1.02
    one, other = flat_draws(fast), flat_draws(chains)
    assert set(one) == set(priors)
    for name, drawn in one.items():
        spread = other[name].std(axis=0)
        assert np.all(np.abs(drawn.mean(axis=0) - other[name].mean(axis=0)) < 0.15 * spread), name
        np.testing.assert_allclose(drawn.std(axis=0), spread, rtol=0.2, err_msg=name)


@pytest.mark.slow
def test_evidence_against_no_source_is_that_of_a_fit_without_one(crowded, priors):
    """Oracle: the evidence of the same model with a flux of nothing, by its own importance sampling."""
    with_source = fit(crowded, priors, method="importance")
    nothing = priors.replace(flux=1e-12, x_pos=109.0, y_pos=60.0)
    without = fit(crowded, nothing, method="importance")
    ratio = with_source.attrs["log_evidence"] - without.attrs["log_evidence"]
    assert with_source.attrs["ln_bayes_factor"] == pytest.approx(ratio, abs=0.3)
    assert with_source.attrs["flux_ul95"] > TRUTH["flux"] * 0.8


@pytest.mark.slow
def test_refit_is_best_fit(crowded, priors):
    """Oracle: Newton's method with the exact Hessian from three starts."""
    starts = {name: np.asarray(value)[None] for name, value in TRUTH.items()}
    found = refit(crowded, crowded.counts[None], starts, priors)
    best = best_fit(crowded, priors)
    for name in priors:
        np.testing.assert_allclose(found[name][0], best[name], rtol=2e-3, atol=2e-3, err_msg=name)


@pytest.mark.slow
@pytest.mark.long
def test_a_free_slope_is_found_and_needs_a_profile_that_has_one(stamp):
    """Oracle: the truth of a bright mock, to three standard deviations."""
    truth = TRUTH | {"flux": 1.0, "psf_slope": 1.8}
    truth = {name: value for name, value in truth.items() if not name.startswith("neighbour")}
    king = Priors.default(stamp, psf=KingPSF())
    counts = generate_mock_image(stamp.exposure, stamp.x, stamp.y, truth, priors=king, seed=1)
    bright = replace(stamp, counts=counts, name="bright")
    default = Priors.default(bright, 109.0, 60.0, KingPSF()).replace(psf_slope=dist.TruncatedNormal(1.5, 0.5, low=1.1))
    free = default.replace(background_dx=dist.Normal(0.0, 0.05), background_dy=dist.Normal(0.0, 0.05))
    slope = fit(bright, free)["posterior"]["psf_slope"].values
    assert abs(slope.mean() - 1.8) < 3 * slope.std() < 0.3
    with pytest.raises(
        InputError, match="psf_slope: expected a PSF with a slope, as King and Moffat, found GaussianPSF"
    ):
        fit(bright, free.with_psf(GaussianPSF()))


def test_priors_survive_words_and_files(crowded, priors):
    again = Priors.parse(priors.describe(), priors.psf)
    assert again.describe() == priors.describe()
    assert (priors.neighbours, priors.dimension) == (2, 13)


@pytest.mark.slow
@pytest.mark.long
def test_a_fit_keeps_the_priors_and_names_the_neighbours(crowded, priors):
    tree = fit(crowded, priors, method="importance", num_draws=500)
    assert fitted_to(tree)[1].describe() == priors.describe()
    assert tree["posterior"]["neighbour_flux"].dims == ("chain", "draw", "neighbour")
    assert tree["posterior"]["background_dx"].attrs["units"] == "1 / pixel"


@pytest.mark.slow
def test_mocks_and_draws_have_the_neighbours(crowded, priors):
    assert draw_parameters(priors, seed=1)["neighbour_flux"].shape == (2,)
    mocks = prior_predictive(crowded, priors, num_samples=3, seed=1)
    assert mocks["prior"]["neighbour_x"].shape == (1, 3, 2)


def test_graph_draws_the_neighbours_in_a_plate(crowded, priors, tmp_path):
    graph = model_graph(crowded, priors)
    assert set(graph.parents["expected_counts"]) == set(priors)
    assert graph.plates["neighbour"] == ("neighbour_x", "neighbour_y", "neighbour_flux")
    assert "subgraph cluster_neighbour {" in graph.source
    graph.save(tmp_path / "graph.png")
    assert "prod_j [p(neighbour_x) p(neighbour_y) p(neighbour_flux)] prod_k [p(expected_counts" in graph.factorisation()
    assert r"\{x_j\}" in graph.latex()
    assert r"\prod_j p(x_j)" in graph.latex()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"neighbour_x": dist.Normal(1.0, 1.0)}, "neighbour_x: expected a prior of as many numbers as neighbours"),
        ({"neighbour_x": np.ones(3)}, "expected position and flux for as many neighbours each"),
        ({"neighbour_flux": -np.ones(2)}, "neighbour_flux: expected a value ≥ 0"),
        ({"neighbour_flux": dist.Normal(np.ones(2), np.ones(2))}, "neighbour_flux: expected a prior on values ≥ 0"),
        ({"wing": 1.0}, "unknown"),
        ({"extended_flux": 1.0}, "expected all of extended_x, .* or none; missing .*extended_core"),
        ({"extended_beta": dist.LogNormal(0.0, 1.0)}, "extended_beta: expected a prior on values > 0.5"),
        ({"extended_beta": 0.5}, "extended_beta: expected a value > 0.5, found 0.5"),
        ({"extended_core": 0.0}, "extended_core: expected a value > 0, found 0"),
    ],
)
def test_bad_priors_are_named(priors, change, message):
    with pytest.raises(InputError, match=message):
        priors.replace(**change)


def test_draws_of_a_position_that_is_held_are_finite(precision):
    """Bounds a five-hundredth of a pixel apart at pixel 271: single precision rounds one draw in a hundred to them."""
    stamp = demo_observation().stamp(271, 216, 8)
    held = at_place(Priors.default(stamp, 271, 216), 1e-3)
    normals = np.random.default_rng(0).standard_normal((2000, held.dimension))
    drawn = prior_vectors(jax.random.key(0), normals, held)
    assert drawn.dtype == (np.float32 if precision > 1e-10 else np.float64)
    assert np.isfinite(drawn).all()


@pytest.mark.slow
def test_the_limit_beside_a_neighbour_is_that_of_double_precision():
    """A position that is held lies between bounds so near to each other that single precision rounds draws to them."""
    stamp = demo_observation().stamp(271, 216, 8)
    limits = []
    for precise in (False, True):
        with jax.enable_x64(precise):
            found = fit(stamp, Priors.default(stamp, 271, 216, neighbours=[(277, 221)]), method="importance")
        limits.append(found.attrs["flux_ul95"])
    np.testing.assert_allclose(*limits, rtol=0.01)


def test_a_neighbour_comes_half_the_way_to_the_source_at_most():
    """Or it would take the place of a source that is taken away. Beside it, and where it is far, it keeps its reach."""
    stamp = demo_observation().stamp(271, 216, 20)
    places = [(275.0, 217.0), (271.5, 216.0), (283.0, 229.0)]
    priors = Priors.default(stamp, 271, 216, neighbours=places)
    reach = np.asarray(priors["neighbour_x"].high) - [x for x, _ in places]
    np.testing.assert_allclose(reach, [2.0, 1.0, 6.0])
    np.testing.assert_allclose(np.asarray(priors["neighbour_y"].high) - [y for _, y in places], reach)
    assert priors["x_pos"].high == 277.0


@pytest.mark.slow
def test_a_bright_source_beside_a_faint_one_is_detected_as_such():
    """Their likelihood ratios were the same, that of two sources to one: either could be the one that was left."""
    bright, faint, found = (21.0, 21.0), (24.2, 23.4), []
    image = np.ones((41, 41)), np.arange(1.0, 42.0)[None, :], np.arange(1.0, 42.0)[:, None]
    source = {"x_pos": bright[0], "y_pos": bright[1], "flux": 200.0, "background": 0.05, "psf_width": 1.5}
    beside = {"neighbour_x": [faint[0]], "neighbour_y": [faint[1]], "neighbour_flux": [30.0]}
    mean = expected_counts(*image, **source, **{name: np.array(value) for name, value in beside.items()})
    stamp = Observation(np.random.default_rng(5).poisson(mean), np.full((41, 41), 1e4), name="pair")
    for one, other in ((bright, faint), (faint, bright)):
        fitted = fit(stamp, Priors.default(stamp, *one, neighbours=[other]), num_draws=2500, min_ess=400)
        found.append((fitted.attrs["det_like"], fitted.attrs["ln_bayes_factor"]))
    assert found[0][0] > 3.0 * found[1][0] > 25.0
    assert found[0][1] > found[1][1] + 30.0
