"""A whole field as one model. Oracles: the scene's own dense likelihood, NUTS, closed forms, images drawn by NumPy."""

import json
import re
import warnings
from dataclasses import replace
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from astropy.io import fits
from astropy.table import QTable
from astropy.wcs import WCS
from scipy import integrate, stats

import pgm_mock
from pgm_mock import InputError, KingPSF, Observation, Priors, Region, check_field, fit_field
from pgm_mock.catalogue import Field as CatalogueField
from pgm_mock.catalogue import catalog
from pgm_mock.catalogue.learn import learnt_psf
from pgm_mock.checks.flags import LIGHT, MODEL, PLACE
from pgm_mock.field import chains as chains_module
from pgm_mock.field import write_field
from pgm_mock.field.check import _bins
from pgm_mock.field.density import constrained, unconstrained
from pgm_mock.field.fit import _check_population
from pgm_mock.field.lattice import Lattice
from pgm_mock.field.posterior import _exact, _fast
from pgm_mock.field.powerlaw import flux_prior
from pgm_mock.field.start import _prior_of_sources
from pgm_mock.field.table import sources_table
from pgm_mock.field.target import make_nodes
from pgm_mock.graph import model_graph
from pgm_mock.inference.unconstrained import Data
from pgm_mock.plot import plot_field_posterior
from pgm_mock.psf import EachPSF, LearntPSF, choose_psf
from pgm_mock.regions import read_regions
from pgm_mock.resources import resource
from pgm_mock.sampler.hmc import hmc_step
from pgm_mock.scene import EllipticalBeta, Particles, Pixels, PointSource, PointSources, Scene, Sky
from pgm_mock.scene.elliptical import elliptical_radius_squared

SIZE, TIME = 140, 1e4
KING = KingPSF(1.5, 1.3)
PLACES = ((30.3, 40.6, 150.0), (90.8, 30.2, 40.0), (110.1, 110.4, 80.0))
CLUSTER = {"x": 68.4, "y": 78.7, "peak": 6e-4, "core": 5.0, "beta": 0.7, "e1": 0.25, "e2": -0.15}
SKY = 8e-6


def beta_model(u, v, *, x, y, peak, core, beta, e1, e2):
    """The elliptical beta model at points, by a rotation and a stretch of the plane."""
    eta, theta = np.hypot(e1, e2), 0.5 * np.arctan2(e2, e1)
    dx, dy = u - x, v - y
    along, across = dx * np.cos(theta) + dy * np.sin(theta), dy * np.cos(theta) - dx * np.sin(theta)
    squared = np.exp(-eta) * along**2 + np.exp(eta) * across**2
    return peak * (1 + squared / core**2) ** (0.5 - 3 * beta)


def averaged(function, shape=(SIZE, SIZE), fine=9):
    """The mean of a function of x and y over each pixel, by points."""
    steps = (np.arange(fine) + 0.5) / fine - 0.5
    x, y = ((np.arange(1.0, n + 1)[:, None] + steps).ravel() for n in shape[::-1])
    values = function(x[None, :], y[:, None])
    return values.reshape(shape[0], fine, shape[1], fine).mean(axis=(1, 3))


def drawn(seed, sources=PLACES, cluster=CLUSTER, tilt=0.0):
    """A field that NumPy drew: two chips with a gap, sources, a cluster, a sky that may rise along x."""
    exposure = np.full((SIZE, SIZE), TIME)
    exposure[:, 52:55] = 0.0
    mean = SKY * np.exp(tilt * (np.arange(SIZE) - SIZE / 2))[None, :] * np.ones((SIZE, 1))
    for x, y, counts in sources:

        def light(u, v, x=x, y=y):
            return (1 + ((u - x) ** 2 + (v - y) ** 2) / 1.3**2) ** -1.5 * 0.5 / (np.pi * 1.3**2)

        mean = mean + counts / TIME * averaged(light)
    if cluster:
        mean = mean + averaged(lambda u, v: beta_model(u, v, **cluster))
    counts = np.random.default_rng(seed).poisson(exposure * mean)
    return Observation(counts, exposure, name=f"field {seed}")


REGIONS = [Region(str(n), x + 0.4, y - 0.3, 5.0) for n, (x, y, _) in enumerate(PLACES, 1)]


@pytest.fixture(scope="module")
def image():
    return drawn(1)


@pytest.fixture(scope="module")
def found(image):
    return fit_field(image, REGIONS, psf=KING, betas=1, num_warmup=200, num_samples=300, num_chains=2, seed=3)


# --- components ---


def test_an_elliptical_beta_model_is_the_mean_over_pixels():
    """Oracle: the profile on ellipses by rotation, averaged over 9 x 9 points of each pixel."""
    shape, exposure = (41, 51), np.ones((41, 51))
    x, y = np.arange(1.0, 52)[None, :], np.arange(1.0, 42)[:, None]
    own = CLUSTER | {"x": 24.3, "y": 20.8, "core": 2.5}
    light = EllipticalBeta().light(Pixels(exposure, x, y), None, **own)
    wanted = averaged(lambda u, v: beta_model(u, v, **own), shape)
    np.testing.assert_allclose(light, wanted, rtol=0.01)
    middle = np.asarray(beta_model(x, y, **own))
    assert np.abs(middle / wanted - 1).max() > 0.03  # what the average over the pixel is worth


@pytest.mark.parametrize("e", [0.0, 1e-5, 2e-3, 0.4])
def test_the_elliptical_radius_is_smooth_where_ellipses_are_circles(e):
    """Oracle: rotation and stretch; derivatives by finite differences."""
    eta, theta = e, 0.3
    e1, e2 = eta * np.cos(2 * theta), eta * np.sin(2 * theta)
    dx, dy = 2.0, -1.3
    along, across = dx * np.cos(theta) + dy * np.sin(theta), dy * np.cos(theta) - dx * np.sin(theta)
    wanted = np.exp(-eta) * along**2 + np.exp(eta) * across**2
    np.testing.assert_allclose(elliptical_radius_squared(dx, dy, e1, e2), wanted, rtol=1e-12)
    slope = jax.grad(elliptical_radius_squared, argnums=2)(dx, dy, e1, e2)
    step = 1e-5
    numeric = (elliptical_radius_squared(dx, dy, e1 + step, e2) - elliptical_radius_squared(dx, dy, e1 - step, e2)) / (
        2 * step
    )
    np.testing.assert_allclose(slope, numeric, rtol=1e-6)


@pytest.mark.slow
def test_sources_with_a_psf_each():
    """Oracle: the sum of the sources one by one, each with its own PSF, wider and steeper as the middle one is."""
    psfs = [KingPSF(1.4, 1.1), KingPSF(1.5, 1.3), KingPSF(1.6, 1.8)]
    each = EachPSF.of(psfs)
    pixels = Pixels(np.ones((30, 30)), np.arange(1.0, 31)[None, :], np.arange(1.0, 31)[:, None])
    x, y, flux = np.array([5.0, 15.2, 25.5]), np.array([8.0, 14.1, 22.0]), np.array([1.0, 3.0, 2.0])
    values = {"sources_x": x, "sources_y": y, "sources_flux": flux, "psf_width": 1.2 * 1.4, "psf_slope": 1.55}
    together = Scene((PointSources(name="sources"),)).light(pixels, each, values).image()
    alone = sum(
        np.asarray(
            Scene((PointSource(),))
            .light(
                pixels,
                KingPSF(psf.slope + 0.05, 1.0),
                {"x_pos": x[n], "y_pos": y[n], "flux": flux[n], "psf_width": 1.2 * psf.typical_width},
            )
            .image()
        )
        for n, psf in enumerate(psfs)
    )
    np.testing.assert_allclose(together, alone, rtol=1e-9)
    with pytest.raises(InputError, match="expected PSFs of one family, found GaussianPSF, KingPSF"):
        EachPSF.of([KingPSF(), pgm_mock.GaussianPSF()])


def test_particles_have_a_normalisation_for_each_ccd():
    labels = np.repeat([[0, 1]], 4, axis=0).repeat(3, axis=1)
    pixels = Pixels(np.ones((4, 6)), np.arange(11.0, 17)[None, :], np.arange(5.0, 9)[:, None], np.full((4, 6), 0.5))
    part = Particles(labels=labels, first_x=11, first_y=5).light(pixels, None, norm=2.0, ratio=np.array([1.0, 2.0]))
    np.testing.assert_allclose(part.values, np.where(labels == 0, 1.0, 2.0))


def test_priors_of_many_ccds_do_not_pull_the_particles():
    """Oracle: the prior density of the mean over nine CCDs, by Monte Carlo. It is flat, near 0 too.

    Nine half-normal normalisations give it a slope of 8 powers there, nine log-normal ones of -9 where data are.
    """
    field = Observation(np.zeros((9, 10), int), np.ones((9, 10)), background_map=np.ones((9, 10)))
    prior = Particles(labels=np.arange(9).repeat(10).reshape(9, 10)).defaults(field, 5.0, 5.0, KING)
    mean = np.asarray(prior["ratio"].sample(jax.random.key(0), (20_000,))).mean(axis=1)
    density = [np.mean(np.exp(prior["norm"].log_prob(each / mean)) / mean) for each in (0.01, 0.8, 8.0)]
    np.testing.assert_allclose(np.array(density) / density[1], 1.0, rtol=0.02)


def test_symbols_of_two_clusters_are_told_apart():
    scene = Scene((PointSources(name="sources"), Sky(), EllipticalBeta(), EllipticalBeta(name="second_halo")))
    symbols = {name: one.symbol for name, one in scene.parameters.items()}
    assert len(set(symbols.values())) == len(symbols)
    assert symbols["cluster_beta"] == r"\beta^\mathrm{cluster}"
    assert symbols["second_halo_x"] == r"x_c^\mathrm{second\_halo}"
    assert Scene((Sky(), EllipticalBeta())).parameters["cluster_beta"].symbol == r"\beta"


# --- the density ---


@pytest.mark.slow
def test_the_fast_likelihood_is_the_dense_one(found):
    """Oracle: the likelihood of the scene on every pixel, up to a constant, over the posterior and beyond it."""
    data = Data.of(found.observation)
    rng = np.random.default_rng(0)
    difference = []
    for draw in found.some(12):
        moved = draw | {"psf_width": draw["psf_width"] * np.exp(0.05 * rng.normal())}
        difference.append(float(_fast(found.model, moved)) - float(_exact(moved, data, found.priors)))
    assert np.ptp(difference) < 0.3
    assert found.sum_error < 0.3


@pytest.mark.slow
def test_the_sum_over_nodes_is_that_over_pixels(found, image):
    """Oracle: the sum of the dense image of all that is no source."""
    scene = found.priors.scene.without("sources")
    for draw in found.some(5):
        _, total = found.model.target.smooth(scene, found.priors.psf, draw)
        dense = found.image(draw, scene).sum()
        np.testing.assert_allclose(total, dense, atol=0.05)
    labels = np.zeros(image.shape, int)
    labels[:, 53:] = 1
    nodes = make_nodes(image, np.array([[68.0, 79.0]]), labels)
    np.testing.assert_allclose(np.sum(nodes.exposure), image.exposure.sum(), rtol=1e-12)
    assert np.max(nodes.side) == 4
    assert np.min(nodes.side) == 1


@pytest.mark.slow
def test_unconstrained_parameters_come_back_with_their_jacobian(found):
    """Oracle: the derivative of the map, by automatic differentiation; the prior's own density."""
    names, priors, scales = found.model.blocks.shared, found.priors, found.model.scales
    draw = found.some(1)[0]
    z = unconstrained(draw, names, priors, scales)
    back, log_prior = constrained(z, names, priors, {}, scales)
    for name in names:
        np.testing.assert_allclose(back[name], draw[name], rtol=1e-6)
    jacobian = jax.jacobian(lambda z: jnp.stack([constrained(z, names, priors, {}, scales)[0][n] for n in names]))(z)
    own = sum(float(priors[name].log_prob(draw[name])) for name in names)
    np.testing.assert_allclose(log_prior, own + np.linalg.slogdet(jacobian)[1], rtol=1e-6)
    assert {"background", "cluster_peak"} <= set(scales)
    assert "cluster_core" in names


@pytest.mark.slow
def test_a_lattice_draws_what_its_density_says():
    """Oracle: importance weights of a known Gaussian have the mean 1."""
    side = 32
    grid = (np.arange(side) + 0.5) / side * 4 - 2
    log_share = stats.norm.logpdf(grid, 0, 0.8)[None, :] + stats.norm.logpdf(grid, 0, 0.8)[:, None]
    share = np.exp(log_share).ravel() / np.exp(log_share).sum()
    nothing, ones = np.zeros((1, side**2)), np.ones((1, side**2))
    lattice = Lattice(
        jnp.full((1, 2), -2.0), jnp.full((1, 2), 4.0 / side), jnp.log(share)[None], jnp.cumsum(share)[None],
        jnp.asarray(nothing - 1.0), jnp.asarray(0.5 * ones),
    )  # fmt: skip
    seen = jnp.array([0.3])
    draws = jax.vmap(lambda key: lattice.draw(key, seen))(jax.random.split(jax.random.key(0), 20_000))
    log_q = np.asarray(jax.vmap(lambda at: lattice.log_density(at, seen))(draws))[:, 0]
    inside = stats.truncnorm(-2.5, 2.5, scale=0.8).logpdf(np.asarray(draws)[:, 0, :2]).sum(axis=1)
    weight = np.exp(inside + stats.norm.logpdf(np.asarray(draws)[:, 0, 2], -1.3, 0.4) - log_q)
    assert abs(weight.mean() - 1) < 4 * weight.std() / np.sqrt(len(weight))
    outside = jnp.array([[2.5, 0.0, 0.0]])
    assert np.isneginf(lattice.log_density(outside, seen)[0])


def test_hamiltonian_paths_keep_a_gaussian():
    """Oracle: the moments of the Gaussian; a path with giant steps diverges and stays."""
    covariance = np.array([[2.0, 0.8], [0.8, 1.0]])
    precision = jnp.asarray(np.linalg.inv(covariance))

    def log_density(z):
        return -0.5 * z @ precision @ z

    def step(z, key):
        found = hmc_step(key, z, log_density, jnp.eye(2), 0.5, 4)
        return found.position, (found.position, found.diverging)

    _, (draws, diverging) = jax.lax.scan(step, jnp.zeros(2), jax.random.split(jax.random.key(1), 20_000))
    np.testing.assert_allclose(np.cov(np.asarray(draws).T), covariance, atol=0.1)
    assert not np.asarray(diverging).any()
    far = hmc_step(jax.random.key(2), jnp.ones(2), log_density, jnp.eye(2), 50.0, 20)
    assert bool(far.diverging)
    assert np.array_equal(far.position, np.ones(2))


# --- whole fits ---


@pytest.mark.slow
def test_a_field_is_found_as_it_was_drawn(found):
    """Oracle: the numbers that NumPy drew the image with, within four standard deviations."""
    assert found.chains.r_hat < 1.05
    assert not found.chains.divergences
    truth = {f"cluster_{name}": value for name, value in CLUSTER.items()} | {"background": SKY}
    truth |= {"psf_width": 1.3, "psf_slope": 1.5}
    for name, value in truth.items():
        draws = found.flat[name]
        assert abs(draws.mean() - value) < 4 * draws.std(), name
    for number, (x, y, counts) in enumerate(PLACES):
        for name, value in (("x", x), ("y", y), ("flux", counts / TIME)):
            draws = found.flat[f"sources_{name}"][:, number]
            assert abs(draws.mean() - value) < 4 * draws.std(), (name, number)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_field(image, found):
    again = fit_field(image, REGIONS, psf=KING, betas=1, num_warmup=200, num_samples=300, num_chains=2, seed=3)
    for name, draws in found.chains.draws.items():
        np.testing.assert_allclose(again.chains.draws[name], draws, rtol=1e-6)


@pytest.mark.slow
def test_a_fields_tree_and_tables(found, tmp_path):
    tree = found.tree
    assert tree["posterior"]["sources_flux"].dims == ("chain", "draw", "sources")
    assert list(tree["posterior"].coords["sources"].values) == ["1", "2", "3"]
    assert tree["posterior"]["sources_flux"].attrs["units"] == "ct / s"
    assert tree.attrs["method"] == "gibbs"
    check = check_field(found)
    paths = write_field(found, tmp_path / "out", check)
    assert all(path.exists() for path in paths)
    assert not list((tmp_path / "out").glob(".*"))
    table = QTable.read(tmp_path / "out" / "sources.ecsv")
    assert list(table["ID"]) == ["1", "2", "3"]
    assert table["RATE"].unit == "ct / s"
    assert table.meta["CREATOR"].startswith("pgm_mock ")
    assert "OBJECT" in table.meta
    np.testing.assert_allclose(table["CTS"][0].value, PLACES[0][2], rtol=0.4)
    shared = QTable.read(tmp_path / "out" / "parameters.ecsv")
    assert {"psf_width", "cluster_core", "cluster_ratio", "cluster_angle"} <= set(shared["NAME"])
    ratio = shared["MEDIAN"][list(shared["NAME"]).index("cluster_ratio")]
    np.testing.assert_allclose(ratio, np.exp(-np.hypot(CLUSTER["e1"], CLUSTER["e2"])), atol=0.15)
    expected, residual = (fits.getdata(tmp_path / "out" / name) for name in ("expected.fits", "residual.fits"))
    np.testing.assert_allclose(expected + residual, found.observation.counts, atol=1e-3)
    figure = plot_field_posterior(found, check)
    assert len(figure.axes) == 3 + len(check.families)
    graph = model_graph(found.observation, found.priors)
    assert ("sources_flux", "expected_counts") in graph.edges
    labels = np.zeros(found.observation.shape, int)
    scene = Scene((PointSources(name="sources"), Sky(), Particles(labels=labels)))
    values = {
        name: found.priors[name] for name in ("sources_x", "sources_y", "sources_flux", "background", "psf_width")
    }
    mapped = replace(found.observation, background_map=np.ones(labels.shape))
    both = model_graph(
        mapped,
        Priors(found.priors.psf, scene, particles_norm=1.0, particles_ratio=dist.LogNormal(np.zeros(1), 1.0), **values),
    )
    assert (both.symbols["sources_flux"], both.symbols["particles_ratio"]) == ("F_j", "c_l"), "indices of two plates"
    assert "sources" in graph.plates


@pytest.mark.slow
def test_a_sound_field_passes_its_check(found):
    check = check_field(found)
    assert {"annuli", "inner sectors", "outer sectors", "sources"} <= set(check.families)
    assert all(one.p_value > 1e-3 for one in check.families.values()), check.lines()
    assert not check.sentences


@pytest.mark.slow
def test_doubtful_sources_are_flagged():
    """A circle beside its source, a source with an unlisted one beside it, one in the gap, and a sound one."""
    sources = (*PLACES, (90.8, 39.2, 60.0), (54.0, 100.0, 200.0))
    regions = [
        Region("sound", 30.3, 40.6, 5.0),
        Region("beside", 113.6, 110.4, 3.0),
        Region("crowded", 90.8, 30.2, 3.0),
        Region("gap", 54.0, 100.0, 4.0),
    ]
    image = drawn(5, sources=sources, cluster=None)
    found = fit_field(image, regions, psf=KING, clusters=(), num_warmup=200, num_samples=600, num_chains=2)
    table = sources_table(found, check_field(found))
    flags = dict(zip(table["ID"], np.asarray(table["FLAG"]), strict=True))
    meanings = dict(zip(table["ID"], table["MEANING"], strict=True))
    assert flags["sound"] & (MODEL | LIGHT | PLACE) == 0
    assert flags["beside"] & PLACE
    assert "leans on its bound in x" in meanings["beside"]
    assert flags["crowded"] & MODEL
    assert re.search("the list lacks a source near x=9[01] y=(39|40)", meanings["crowded"])
    assert flags["gap"] & LIGHT
    assert "exposed pixels hold" in meanings["gap"]
    assert not (np.asarray(sources_table(found)["FLAG"]) & MODEL).any(), "without a check nothing says so"


def test_chi_square_of_fitted_bins_is_uniform():
    """Oracle: bins whose mean is fitted to the same counts: the p-values of many of them are uniform."""
    rng = np.random.default_rng(5)
    size = 12
    p_values = []
    for _ in range(200):
        counts = rng.poisson(40.0, size)
        level = rng.gamma(counts.sum(), 1 / size, 100)  # the posterior of one level for all bins
        expected = np.repeat(level[:, None], size, axis=1)
        bins = _bins([str(n) for n in range(size)], counts, expected, rng)
        p_values.append(bins.p_value)
    assert abs(bins.dof - (size - 1)) < 0.3
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3


@pytest.mark.slow
def test_a_check_says_what_fails_and_where():
    """A sky that rises along x, and a source that no list has: both are said."""
    sources = (*PLACES, (20.4, 110.2, 60.0))
    image = drawn(2, sources=sources, cluster=None, tilt=0.012)
    found = fit_field(image, REGIONS, psf=KING, clusters=(), num_warmup=150, num_samples=100, num_chains=2)
    said = " ".join(check_field(found).sentences)
    assert "sectors are not those of the model" in said
    assert "right" in said
    assert "no list has" in said
    assert "(20, 110)" in said


@pytest.mark.slow
def test_particles_of_each_ccd_are_found(tmp_path):
    """Oracle: the numbers of particles that NumPy drew on two chips, over which the vignetting tells them from sky."""
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    vignetting = 1 / (1 + ((x - 70) ** 2 + (y - 60) ** 2) / 70.0**2)
    live = np.where(np.abs(x - 53) <= 1, 0.0, 1.0)
    particles = np.where(x < 53, 0.15, 0.3) * live
    counts = np.random.default_rng(0).poisson(2e-5 * TIME * vignetting * live + particles)
    field = Observation(counts, TIME * vignetting * live)
    found = fit_field(field, REGIONS[:1], psf=KING, clusters=[], num_warmup=200, num_samples=200, num_chains=2)
    scale = found.observation.background_map[live > 0].mean()
    norms = scale * found.flat["particles_norm"][:, None] * found.flat["particles_ratio"]
    off = (norms.mean(axis=0) - [0.15, 0.3]) / norms.std(axis=0)
    assert np.abs(off).max() < 3.5
    assert (norms.std(axis=0) < [0.03, 0.06]).all()
    write_field(found, tmp_path / "out")
    labels = fits.getdata(tmp_path / "out" / "ccds.fits")
    np.testing.assert_array_equal(labels[live > 0], (x > 53)[live > 0])
    shared = QTable.read(tmp_path / "out" / "parameters.ecsv")
    said = dict(zip(shared["NAME"], shared["MEANING"], strict=True))
    assert said["particles_ratio[1]"].endswith("over those of the normalisation: here about x=98 y=70")


@pytest.mark.slow
def test_priors_of_a_field_are_changed_by_name(image):
    changes = {"psf_width": 1.3, "psf_slope": 1.5, "background": dist.LogNormal(np.log(SKY), 0.1)}
    found = fit_field(
        image, REGIONS, psf=KING, clusters=[(68.0, 79.0)], betas=1, changes=changes, num_warmup=50, num_samples=50,
        num_chains=2,
    )  # fmt: skip
    assert np.ptp(found.flat["psf_width"]) == 0
    assert "psf_slope" not in found.chains.draws
    assert found.learnt().spread == 0


def test_chains_that_disagree_are_told():
    rng = np.random.default_rng(0)
    draws = {"a": rng.normal(size=(2, 500)) + np.array([[0.0], [3.0]]), "b": rng.normal(size=(2, 500))}
    r_hat, _, _, slowest, _, problems = chains_module._judged(draws, 3)
    assert r_hat > 1.5
    assert slowest == "a"
    assert "the chains disagree" in problems[0]
    assert "effective draws of a" in problems[1]
    assert problems[2] == "3 paths diverged, expected none"


@pytest.mark.parametrize(
    ("regions", "options", "said"),
    [
        ([], {}, "regions: expected at least one source, found none"),
        ([Region("1", 500.0, 20.0, 3.0)], {}, "expected a source on exposed pixels, found none of 1"),
        (REGIONS, {"betas": 3}, "betas: expected 1 or 2, found 3"),
        ([*REGIONS, REGIONS[0]._replace(name="9")], {}, "expected each source once, found 1 and 9 within 1 pixel"),
        (REGIONS, {"clusters": [(5000.0, 20.0)]}, "clusters: expected places on exposed pixels, found x=5000 y=20"),
        (REGIONS, {"num_chains": 0}, "num_chains: expected at least 1, found 0"),
        (REGIONS, {"changes": {"sources_colour": 1.0}}, "expected .*sources_flux.*, found sources_colour"),
        (REGIONS, {"seed": -1}, "seed: expected a whole number"),
        (REGIONS, {"psf": "airy"}, "psf: expected"),
    ],
)
def test_bad_input_of_a_field(image, regions, options, said):
    with pytest.raises(InputError, match=said):
        fit_field(image, regions, **options)


@pytest.mark.slow
def test_a_field_without_counts_and_a_source_outside(image):
    with pytest.raises(InputError, match="counts: expected some, found none"):
        fit_field(replace(image, counts=np.zeros(image.shape, int)), REGIONS)
    with pytest.warns(pgm_mock.DataWarning, match="1 of 4 are on no exposed pixel"):
        fit_field(
            image, [*REGIONS, Region("far", np.nan, np.nan, 3.0)], psf=KING, betas=1, num_warmup=200, num_samples=50,
            num_chains=2,
        )  # fmt: skip


# --- the population ---


class Seen:
    """A selection: half of the sources of 20 counts are detected."""

    area = 1.0
    fluxes = np.geomspace(2e-4, 0.1, 40)

    @staticmethod
    def completeness(flux):
        return stats.norm.cdf(np.log(np.asarray(flux) / 2e-3) / 0.3)


def test_a_selected_power_law():
    """Oracle: quadrature: the density times the probability of a detection has the integral 1; Pareto's quantiles."""
    for slope in (0.6, 1.5, 2.4):
        prior = flux_prior(Seen(), 2)(slope)

        def seen(log_flux, prior=prior):
            flux = np.exp(log_flux)
            return np.exp(float(prior.log_prob(flux))) * float(Seen.completeness(flux)) * flux

        total = integrate.quad(seen, np.log(2e-4), np.log(10.0), limit=400, epsabs=1e-8)[0]
        np.testing.assert_allclose(total, 1.0, rtol=0.02)
        np.testing.assert_allclose(prior.icdf(0.5), stats.pareto(slope, scale=2e-4).ppf(0.5), rtol=1e-6)


def test_a_populations_bright_sources_are_proposed():
    """Oracle: the power law's own slope: nothing may keep proposals from bright fluxes more than twice as much."""
    slope, fluxes = 1.5, stats.pareto(1.5, scale=2e-4)
    priors = SimpleNamespace(
        quantiles=lambda name, q: np.array([fluxes.ppf(q) if name == "sources_flux" else stats.norm(9, 2).ppf(q)]).T
    )
    wide = _prior_of_sources(SimpleNamespace(priors=priors, blocks=SimpleNamespace(prefix="sources_")))
    for share in (0.9, 0.99, 0.999):
        pull = (np.log(fluxes.ppf(share)) - wide.middle[0, 2]) / wide.spread[0, 2] ** 2
        assert pull < 2 * slope
    np.testing.assert_allclose(wide.spread[0, :2], 2.0, rtol=0.01)  # a normal prior keeps its width


def test_a_list_that_is_not_what_was_detected_is_warned_of():
    detected = SimpleNamespace(detection=range(24))
    with pytest.warns(pgm_mock.DataWarning, match="expected the 24 sources that were detected, found a list of 26"):
        _check_population(detected, 26)
    _check_population(detected, 24)
    _check_population(Seen(), 26)


@pytest.mark.slow
def test_a_slope_is_drawn_given_the_fluxes(image):
    """Oracle: the slope's mean given the fluxes, on a grid, averaged over the draws (the law of total expectation)."""
    found = fit_field(
        image, REGIONS, psf=KING, betas=1, population=Seen(), num_warmup=200, num_samples=500, num_chains=2,
        changes={"psf_width": 1.3, "psf_slope": 1.5},
    )  # fmt: skip
    slopes = np.linspace(0.2, 5.0, 300)
    log_part = np.array([float(flux_prior(Seen(), 1)(slope).log_part) for slope in slopes])
    sums = np.log(found.flat["sources_flux"] / 2e-4).sum(axis=1)
    logs = 3 * np.log(slopes) - slopes * sums[:, None] - 3 * log_part
    weights = np.exp(logs - logs.max(axis=1, keepdims=True))
    given = (weights @ slopes) / weights.sum(axis=1)
    draws = found.flat["numbers_slope"]
    assert abs(draws.mean() - given.mean()) < 5 * draws.std() / np.sqrt(200)
    assert ("numbers_slope", "sources_flux") in model_graph(found.observation, found.priors).edges


# --- the PSF that a field teaches ---


def test_a_learnt_psf_goes_through_words():
    learnt = LearntPSF("auto", 1.1, 0.08, -0.03)
    assert LearntPSF.parse(learnt.describe()) == learnt
    assert LearntPSF.parse("learnt(auto, stretch=-1, spread=0.1, slope=0)") is None
    assert LearntPSF.parse("king") is None
    psf = choose_psf(LearntPSF("king", 1.1, 0.08, -0.03).describe(), None, None, 1.0, 1.0)
    np.testing.assert_allclose([psf.slope, psf.typical_width], [1.47, 1.65])
    assert choose_psf(LearntPSF("gaussian", 1.1, 0.1).describe(), None, None, 1.0, 1.0) == pgm_mock.GaussianPSF()


@pytest.mark.slow
def test_a_catalogue_takes_the_psf_of_its_field(image, tmp_path, monkeypatch):
    """The field is fitted once: a second run reads what was learnt, and has the same table."""
    words = LearntPSF("king", 0.9, 0.05, 0.1).describe()
    calls = []

    class Learnt:
        chains = type("Chains", (), {"r_hat": 1.0})

        @staticmethod
        def learnt():
            return LearntPSF.parse(words)

    def fake(*args, **options):
        calls.append(options["seed"])
        return Learnt

    monkeypatch.setattr("pgm_mock.field.fit_field", fake)
    field = CatalogueField(image, REGIONS[:1])
    tables = [catalog(field, tmp_path / "out", psf="field", num_replicates=0, seed=4) for _ in range(2)]
    assert calls == [4]
    assert tables[0]["PSF"][0] == tables[1]["PSF"][0]
    assert "slope=1.6" in tables[0]["PSF"][0]
    assert abs(tables[0]["PSF_WIDTH"][0].value / (0.9 * 1.5) - 1) < 0.15, "its width's prior is the field's posterior"
    with pytest.raises(InputError, match="expected one field with one image, found several"):
        learnt_psf([field, field], tmp_path, None, 0, False, None)


# --- the command ---


@pytest.fixture(scope="module")
def files(image, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 210.0, "CRVAL2": 2.9})
    header.update({"CRPIX1": 70.5, "CRPIX2": 70.5, "CDELT1": -4 / 3600, "CDELT2": 4 / 3600})
    for name, values in (("image", image.counts.astype(np.int32)), ("exposure", image.exposure)):
        fits.writeto(folder / f"{name}.fits", values, fits.Header(header), overwrite=True)
    (folder / "sources.txt").write_text("\n".join(f"{one.x} {one.y} {one.radius}" for one in REGIONS))
    return folder


def command(files, *options):
    from pgm_mock.cli import main

    paths = [str(files / "image.fits"), str(files / "exposure.fits"), "--exposure-unit", "s"]
    return main(["field", *paths, "--regions", str(files / "sources.txt"), *options])


@pytest.mark.slow
def test_the_command_writes_a_field(files, tmp_path, capsys):
    few = ["--betas", "1", "--chains", "2", "--warmup", "200", "--samples", "100", "--psf", "king"]
    assert command(files, *few, "--cluster", "68,79", "--out", str(tmp_path / "out"), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["sources"] == 3
    assert {"annuli", "sources"} <= set(told["checks"])
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"sources.ecsv", "parameters.ecsv", "posterior.nc", "field.png", "graph.svg", "psf.txt"} <= names
    assert "RA" in QTable.read(tmp_path / "out" / "sources.fits").colnames
    shared = QTable.read(tmp_path / "out" / "parameters.ecsv")
    found = dict(zip(shared["NAME"], shared["MEDIAN"], strict=True))
    ra, dec = WCS(fits.getheader(files / "image.fits")).wcs_pix2world(found["cluster_x"], found["cluster_y"], 1)
    np.testing.assert_allclose([found["cluster_ra"], found["cluster_dec"]], [ra, dec], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--cluster", "68"], "--cluster: expected X,Y in FITS image pixels, found '68'"),
        (["--cluster", "nan,3"], "--cluster: expected finite numbers"),
        (["--cluster", "3,3", "--no-cluster"], "--no-cluster: expected no --cluster beside it"),
        (["--betas", "3"], "invalid choice"),
        (["--priors", "/nowhere.toml"], "nowhere.toml"),
    ],
)
def test_bad_options_of_the_command(files, tmp_path, options, said, capsys):
    try:
        status = command(files, *options, "--out", str(tmp_path / "out"))
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# --- slow: against NUTS, and the real field ---


@pytest.mark.slow
@pytest.mark.long
def test_gibbs_agrees_with_nuts():
    """Oracle: NumPyro's NUTS on the scene's dense model, a small field of two sources in a sky."""
    full = drawn(4, sources=((20.3, 18.8, 60.0), (31.2, 30.9, 25.0)), cluster=None)
    image = Observation(full.counts[:48, :48], full.exposure[:48, :48], name="small")
    regions = [Region("a", 20.0, 19.0, 5.0), Region("b", 31.0, 31.0, 5.0)]
    found = fit_field(image, regions, psf=KING, clusters=(), num_warmup=300, num_samples=1500)
    judge = pgm_mock.fit(found.observation, found.priors, method="nuts", num_warmup=500, num_samples=1500)
    for name in found.chains.draws:
        ours, theirs = found.flat[name], judge["posterior"][name].values.reshape(-1, *found.flat[name].shape[1:])
        sd = theirs.std(axis=0)
        assert np.all(np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 0.12 * sd), name
        assert np.all(np.abs(ours.std(axis=0) / sd - 1) < 0.12), name


@pytest.mark.slow
@pytest.mark.long
def test_the_real_field_converges(real_files):
    """Bar: R-hat below 1.01, more than 400 effective draws, no divergence; the sum within half a unit of ln L."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        real = Observation.read(*real_files, min_exposure=0.25)
    found = fit_field(real, read_regions(resource("a1835_regions.txt"), real), seed=1)
    assert not found.chains.problems, found.line()
    assert found.sum_error < 0.5
    check = check_field(found)
    assert all(one.p_value > 1e-3 for one in check.families.values()), check.lines()
    assert isinstance(found.priors.scene.components[0], Sky | PointSources)
