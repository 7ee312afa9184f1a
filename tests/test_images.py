"""Several images of one source. Oracles: NumPyro's own density, quadrature by SciPy, rotation, closed forms, NUTS."""

import dataclasses

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from numpyro.infer.util import log_density
from scipy import optimize, special, stats

import pgm_mock
from pgm_mock import GaussianPSF, Images, ImagesPriors, InputError, KingPSF, Observation, Priors, hardness_ratio
from pgm_mock.images import split_images
from pgm_mock.inference.together.collapse import collapse, images_of
from pgm_mock.inference.together.lattice import Box, Lattice, Tents
from pgm_mock.inference.together.limits import FluxLikelihood, ln_bayes_variable, sum_limit
from pgm_mock.inference.together.nuts import arguments
from pgm_mock.inference.together.piecewise import Piecewise, about
from pgm_mock.model import images_model
from pgm_mock.plot import plot_images
from pgm_mock.sampler.weights import weigh

RA, DEC, SCALE, WIDTH = 150.0, -11.0, 4.0, 1.3


def wcs_of(angle: float = 0.0, scale: float = SCALE, size: int = 41, off: tuple[float, float] = (0.0, 0.0)) -> WCS:
    """A tangential projection, rotated by an angle [deg], whose middle lies so many arcsec off the place."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [RA + off[0] / 3600 / np.cos(np.radians(DEC)), DEC + off[1] / 3600]
    wcs.wcs.crpix = [(size + 1) / 2] * 2
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    wcs.wcs.cd = scale / 3600 * np.array([[-c, s], [s, c]])
    wcs.wcs.radesys = "ICRS"
    return wcs


def image(
    seed: int,
    counts: float,
    level: float = 0.1,
    *,
    angle: float = 0.0,
    scale: float = SCALE,
    shift: tuple[float, float] = (0.0, 0.0),
    exposure: float = 1000.0,
    header: dict | None = None,
    size: int = 41,
) -> Observation:
    """Photons drawn one by one from a Gaussian on the sky of 5.2 arcsec, and binned; a flat background."""
    rng = np.random.default_rng(seed)
    wcs = wcs_of(angle, scale, size)
    number = rng.poisson(counts)
    ra = RA + (shift[0] + rng.normal(0, WIDTH * SCALE, number)) / 3600 / np.cos(np.radians(DEC))
    dec = DEC + (shift[1] + rng.normal(0, WIDTH * SCALE, number)) / 3600
    x, y = wcs.world_to_pixel_values(ra, dec)
    binned, _, _ = np.histogram2d(y, x, bins=[np.arange(size + 1) - 0.5] * 2)
    whole = binned + rng.poisson(level, (size, size))
    head = fits.Header(header or {}) if header else None
    return Observation(whole, np.full((size, size), exposure), wcs=wcs, name=f"mock {seed}", header=head)


def stamps_of(*observations: Observation, names=("a", "b", "c", "d")) -> pgm_mock.skystamps.SkyStamps:
    return Images.of(observations, names[: len(observations)]).stamps(RA, DEC, 20, name="source")


def priors_of(stamps, offset: float = 1.0, width: float = WIDTH) -> ImagesPriors:
    """Priors whose PSF is as wide on the sky in all images."""
    sizes = np.abs(np.linalg.det(stamps.matrices)) ** 0.5 * SCALE
    found = ImagesPriors.default(stamps, [GaussianPSF()] * len(stamps), offset=offset)
    for name, size in zip(stamps.names, sizes, strict=True):
        found = found.replace(name, psf_width=width * float(size))
    return found


def log_density_of(stamps, priors, sites) -> float:
    """Ln of prior times likelihood as NumPyro has it, of values by site."""
    images, counts = arguments(stamps)
    return float(log_density(images_model, (images, priors, counts), {}, sites)[0])


@pytest.fixture(scope="module")
def three():
    """A source of 12, 5 and 1 counts on three grids of pixels, unlike in size and rotation."""
    each = image(1, 12.0), image(2, 5.0, angle=33.0, scale=3.0, size=55), image(3, 1.0, 0.05, angle=-120.0)
    return stamps_of(*each)


@pytest.fixture(scope="module")
def drawn(three):
    priors = priors_of(three)
    return priors, collapse(images_of(three, priors), priors, np.random.default_rng(0), 2000)


@pytest.mark.slow
def test_the_weights_are_of_numpyros_density(three, drawn):
    priors, found = drawn
    for number in (0, 700, 1999):
        sites = {"east": found.places[number, 0], "north": found.places[number, 1]}
        sites |= {"offset_east": found.offsets[number, :, 0], "offset_north": found.offsets[number, :, 1]}
        of_logarithms = np.log(found.fluxes[number] * found.levels[number]).sum()
        for place, name in enumerate(priors.names):
            sites |= {f"flux_{name}": found.fluxes[number, place], f"background_{name}": found.levels[number, place]}
        assert log_density_of(three, priors, sites) + of_logarithms == pytest.approx(found.log_target[number], abs=1e-8)


@pytest.mark.slow
def test_they_are_certified_and_the_truth_is_inside(drawn):
    _, found = drawn
    weights = weigh(found.log_target, found.log_proposal)
    assert weights.khat < 0.5
    assert weights.ess > 1200
    w = np.exp(weights.log_weights)
    mean, sd = w @ found.places, np.sqrt(w @ found.places**2 - (w @ found.places) ** 2)
    assert (np.abs(mean) < 3.5 * sd).all()
    logs = np.log(found.fluxes * 1000.0)
    assert (np.abs(w @ logs - np.log([12.0, 5.0, 1.0])) < 3.5 * np.sqrt(w @ logs**2 - (w @ logs) ** 2)).all()


@pytest.mark.slow
@pytest.mark.parametrize("counts", [0.0, 3.0, 400.0])
@pytest.mark.parametrize("background", ["free", "fixed", "map"])
def test_flux_and_background_are_integrated_over(counts, background):
    """Oracle: the trapezoidal rule in the logarithms of flux and background, with the error function's pixels."""
    seen = image(5, counts, 0.08)
    ramp = 0.05 + 0.05 * np.arange(41)[:, None] / 41 * np.ones(41)
    if background == "map":
        seen = dataclasses.replace(seen, background_map=ramp)
    stamps = stamps_of(seen)
    priors = priors_of(stamps, 0.0)
    if background == "fixed":
        priors = priors.replace(background=8e-5)
    (one,) = images_of(stamps, priors)
    place = np.array([1.7, -2.2])  # arcsec
    found = one.lattice(Box(place, place + 1e-9), 2).log_values[0, 0]
    x, y = one.pixels(place)
    edges = np.arange(0.5, 42.0)
    light = np.outer(*(np.diff(special.ndtr((edges - at) / WIDTH)) for at in (y, x)))
    t, n = seen.exposure, seen.counts
    flux, sd = np.log(0.03), 2.0
    v, weight_v = np.zeros(1), np.ones(1)
    behind = 8e-5 * t
    if background != "fixed":
        centre, spread = (np.log(1e-4), 1.5) if background == "free" else (0.0, 0.5)
        v = centre + np.linspace(-8, 8, 1201) * spread
        weight_v = stats.norm.pdf(v, centre, spread) * (v[1] - v[0])
        behind = t if background == "free" else ramp
    u = flux + np.linspace(-8, 8, 1601) * sd
    weight_u = stats.norm.pdf(u, flux, sd) * (u[1] - u[0])
    pixels = np.nonzero(n)
    table = np.full((len(u), len(v)), -special.gammaln(n + 1.0).sum())
    table -= np.exp(u)[:, None] * (t * light).sum() + np.exp(v) * behind.sum()
    for row, column in zip(*pixels, strict=True):
        mean = np.exp(u)[:, None] * (t * light)[row, column] + np.exp(v) * behind[row, column]
        table += n[row, column] * np.log(mean)
    expected = special.logsumexp(table, b=weight_u[:, None] * weight_v)
    assert found == pytest.approx(expected, abs=0.04)  # it proposes; the weights are exact


def test_another_grid_of_the_same_pixels_changes_nothing():
    """Oracle: the image turned by a quarter, its coordinates with it."""
    seen = image(7, 20.0)
    turned = dataclasses.replace(seen, counts=np.rot90(seen.counts), wcs=wcs_of(90.0))
    found = []
    for one in (seen, turned):
        stamps = stamps_of(one)
        priors = priors_of(stamps)
        (single,) = images_of(stamps, priors)
        found.append(single.lattice(Box(np.full(2, -9.0), np.full(2, 9.0)), 5).log_values)
    for one in (turned, seen):
        x, y = one.wcs.world_to_pixel_values(RA + 3 / 3600, DEC + 6 / 3600)
        assert 0 <= x <= 40
        assert 0 <= y <= 40
    np.testing.assert_allclose(found[0], found[1], atol=2e-6)


@pytest.mark.slow
def test_one_image_without_an_offset_is_a_stamps_fit():
    """Oracle: adaptive importance sampling of the same model."""
    seen = image(8, 15.0)
    stamps = stamps_of(seen)
    priors = priors_of(stamps, 0.0)
    together = pgm_mock.fit(stamps, priors)
    stamp = stamps[0].observation
    alone = pgm_mock.fit(stamp, pgm_mock.Priors.default(stamp).replace(psf_width=WIDTH))
    assert together.attrs["log_evidence"] + 2 * np.log(SCALE) == pytest.approx(
        alone.attrs["log_evidence"] + 2 * np.log(SCALE), abs=0.05
    )
    ours, theirs = (np.log(tree["posterior"]["flux"].values.ravel()) for tree in (together, alone))
    assert ours.mean() == pytest.approx(theirs.mean(), abs=0.08 * theirs.std())
    assert ours.std() == pytest.approx(theirs.std(), rel=0.08)
    assert together.attrs["ln_bayes_factor"] == pytest.approx(alone.attrs["ln_bayes_factor"], abs=0.08)
    assert together.attrs["flux_ul95_a"] == pytest.approx(alone.attrs["flux_ul95"], rel=0.02)


@pytest.mark.slow
def test_same_seed_same_numbers(three):
    priors = priors_of(three)
    first, second = (pgm_mock.fit(three, priors, seed=4)["posterior"]["flux"].values for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.slow
def test_a_bright_source_at_unlike_places_of_two_images():
    """Offsets of 3 arcsec to either side, each known well: the place is between, its error the offsets' prior's."""
    stamps = stamps_of(image(9, 2000.0, shift=(3.0, 0.0)), image(10, 2000.0, shift=(-3.0, 0.0)))
    found = pgm_mock.fit(stamps, priors_of(stamps, offset=2.0))["posterior"]
    assert found["east"].mean() == pytest.approx(0.0, abs=0.3)
    assert found["east"].std() == pytest.approx(np.sqrt(2.0**2 / 2 * (1 / (1 + 2.0**2 / 2 / 8.0**2))), rel=0.1)
    np.testing.assert_allclose(found["offset_east"].mean(("chain", "draw")), [3.0, -3.0], atol=0.4)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("counts", [30.0, 6.0, 2.0])
def test_nuts_agrees(counts):
    stamps = stamps_of(image(11, counts), image(12, counts, angle=33.0, scale=3.0, size=55), image(13, counts))
    priors = priors_of(stamps)
    ours = pgm_mock.fit(stamps, priors, num_draws=40_000)["posterior"]
    judge = pgm_mock.fit(stamps, priors, method="nuts", num_samples=2000)
    assert judge.attrs["problems"] == ""
    theirs = judge["posterior"]
    for name in ("east", "north", "flux", "background"):
        a, b = (np.log(one[name]) if name in ("flux", "background") else one[name] for one in (ours, theirs))
        spread = b.std(("chain", "draw"))
        assert (abs(a.mean(("chain", "draw")) - b.mean(("chain", "draw"))) < 0.08 * spread).all(), name
        assert (abs(a.std(("chain", "draw")) / spread - 1) < 0.08).all(), name


@pytest.mark.slow
def test_priors_that_cannot_be_collapsed_go_to_nuts(three):
    priors = priors_of(three).replace("a", psf_width=dist.LogNormal(0.2, 0.1))
    with pytest.raises(InputError, match=r"a: expected a free flux and at most one free background, found .*psf_width"):
        pgm_mock.fit(three, priors, method="importance")
    found = pgm_mock.fit(three, priors, num_chains=2, num_warmup=150, num_samples=100)
    assert found.attrs["method"] == "nuts"
    assert found["posterior"]["psf_width"].dims == ("chain", "draw", "image")
    assert found["posterior"]["psf_width"].values[..., 1].std() < 1e-12


@pytest.mark.slow
def test_a_maps_normalisation_is_told_beside_a_background():
    """Oracle: the fit of the one image as a stamp. It was lost, and the fixed background told in its stead."""
    ramp = 0.3 + 0.2 * np.arange(41)[:, None] / 41 * np.ones(41)
    seen = dataclasses.replace(image(6, 40.0, 0.4), background_map=ramp)
    stamps = stamps_of(seen)
    priors = priors_of(stamps, 0.0).replace(background=2e-5)
    found = pgm_mock.fit(stamps, priors, num_chains=2, num_warmup=300, num_samples=500)["posterior"]
    x, y = stamps.places[0]
    alone = Priors.default(seen, x, y).replace(background=2e-5, psf_width=WIDTH)
    expected = pgm_mock.fit(seen, alone)["posterior"]["background_norm"]
    norm = found["background_norm"][..., 0]
    assert float(norm.mean()) == pytest.approx(float(expected.mean()), abs=0.2 * float(expected.std()))
    assert float(norm.std()) == pytest.approx(float(expected.std()), rel=0.15)
    np.testing.assert_allclose(found["background"], 2e-5)


@pytest.mark.slow
def test_a_normalisation_has_no_unit_of_a_background():
    seen = image(5, 20.0, 0.3)
    stamps = stamps_of(dataclasses.replace(seen, background_map=np.full((41, 41), 0.3)), image(6, 20.0))
    found = pgm_mock.fit(stamps, priors_of(stamps))["posterior"]["background"].attrs
    assert "units" not in found
    assert "of the background map (of a); of any other image in ct / s / pixel" in found["long_name"]
    plain = stamps_of(seen)
    assert pgm_mock.fit(plain, priors_of(plain))["posterior"]["background"].attrs["units"] == "ct / s / pixel"


def test_a_map_that_has_no_prior_is_not_left_out():
    """The model has it once; beside a free background it is a second one, which only the other method can take."""
    seen = dataclasses.replace(image(5, 20.0), background_map=np.full((41, 41), 0.3))
    stamps = stamps_of(seen)
    default = priors_of(stamps)
    free = Priors.default(dataclasses.replace(seen, background_map=None))["background"]
    wanted = {"x_pos": 1.0, "y_pos": 1.0, "psf_width": WIDTH, "background": free, "flux": default.each[0]["flux"]}
    priors = dataclasses.replace(default, each=(Priors(GaussianPSF(), **wanted),))
    with pytest.raises(InputError, match="a: expected a background or a background map, found both"):
        pgm_mock.fit(stamps, priors, method="importance")


class TestLimits:
    def test_without_counts_they_are_known(self):
        """exp(-F A) has its 95 % at -ln 0.05 / A; shared out among two like images, so has their sum."""
        empty = [image(1, 0.0, 0.0), image(2, 0.0, 0.0)]
        stamps = stamps_of(*empty)
        each = [FluxLikelihood.of(one, np.zeros(2)) for one in images_of(stamps, priors_of(stamps))]
        expected = -np.log(0.05) / 1000.0
        for one in each:
            assert one.limit() == pytest.approx(expected, rel=0.01)
        assert sum_limit(each[:1]) == each[0].limit()
        # S exp(-S A), from the convolution, times S^(-1/2): the law of a Gamma variable of shape 3/2.
        assert sum_limit(each) == pytest.approx(stats.gamma(1.5).ppf(0.95) / 1000.0, rel=0.01)

    @pytest.mark.slow
    def test_each_image_says_how_much_it_gains(self):
        """Oracle: the likelihood of the best flux over that of none, their backgrounds integrated over on a grid."""
        bright, empty = image(4, 60.0), image(5, 0.0)
        stamps = stamps_of(bright, empty)
        found = pgm_mock.fit(stamps, priors_of(stamps))
        drawn = found["posterior"].dataset
        places = [(drawn[axis] + drawn[f"offset_{axis}"]).median(("chain", "draw")) for axis in ("east", "north")]
        edges, behind = np.arange(0.5, 42.0), np.geomspace(0.06, 0.2, 1500)[:, None, None]
        for number, seen in enumerate((bright, empty)):
            place = np.array([float(axis[number]) for axis in places])
            x, y = images_of(stamps, priors_of(stamps))[number].pixels(place)
            light = np.outer(*(np.diff(special.ndtr((edges - at) / WIDTH)) for at in (y, x)))
            n = seen.counts

            def log_likelihood(log_counts, light=light, n=n):
                mean = np.exp(log_counts) * light + behind
                each = (special.xlogy(n, mean) - mean).sum(axis=(1, 2))
                return special.logsumexp(each - 0.5 * ((np.log(behind[:, 0, 0]) - np.log(0.1)) / 1.5) ** 2)

            best = optimize.minimize_scalar(lambda u: -log_likelihood(u), bounds=(-3.0, 6.0), method="bounded").fun
            ratio = max(-best - log_likelihood(-np.inf), 0.0)
            assert found.attrs[f"ln_ratio_{'ab'[number]}"] == pytest.approx(ratio, abs=0.02)
        assert found.attrs["ln_ratio_a"] > 30.0

    def test_of_a_bright_source_is_that_of_its_counts(self):
        """Oracle: the normal law; shares that are known well are no needle in a haystack."""
        each = []
        for rate, time in ((0.9, 4000.0), (0.01, 8000.0), (0.01, 8000.0)):
            fluxes = rate + np.linspace(-12, 12, 200) * np.sqrt(rate / time)
            fluxes = fluxes[fluxes >= 0]
            logs = rate * time * np.log(np.maximum(fluxes, 1e-300)) - fluxes * time
            each.append(FluxLikelihood(fluxes, logs - logs.max(), 0.0))
        sd = np.sqrt(0.9 / 4000 + 0.02 / 8000)
        assert sum_limit(each) == pytest.approx(0.92 + 1.645 * sd, abs=0.1 * sd)

    def test_of_one_camera_and_a_gap(self):
        """What is seen by one image alone has that one's limit; the other is left out, and said."""
        seen = image(3, 8.0)
        exposure = np.full((41, 41), 1000.0)
        exposure[10:31] = 0.0
        blind = dataclasses.replace(seen, exposure=exposure, counts=np.zeros((41, 41)))
        stamps = stamps_of(seen, blind)
        assert stamps.left_out == ("b",)
        found = pgm_mock.fit(stamps, priors_of(stamps))
        assert found.attrs["flux_ul95_all"] == found.attrs["flux_ul95_a"]

    def test_epochs_that_differ_and_that_do_not(self):
        """Oracle: the integrals over one flux, and over two, at a known place and background."""
        head = {"TELESCOP": "XMM", "INSTRUME": "EPN"}
        for counts in ((40.0, 40.0), (40.0, 120.0)):
            each = [
                image(20 + number, own, header=head | {"DATE-OBS": f"200{number}-01-01T00:00:00"})
                for number, own in enumerate(counts)
            ]
            stamps = Images.of(each).stamps(RA, DEC, name="source")
            assert stamps.names == ["EPN_20000101", "EPN_20010101"]
            priors = priors_of(stamps, 0.0).replace(background=1e-4)
            images = images_of(stamps, priors)
            found = ln_bayes_variable([images], np.zeros((1, 2, 2)), [[0, 1]])
            x, y = images[0].pixels(np.zeros(2))
            edges = np.arange(0.5, 42.0)
            light = 1000.0 * np.outer(*(np.diff(special.ndtr((edges - at) / WIDTH)) for at in (y, x)))
            u = np.log(0.03) + 2 * np.linspace(-6, 6, 4001)
            prior = stats.norm.pdf(u, np.log(0.03), 2.0) * (u[1] - u[0])
            logs = [
                (one.counts * np.log(np.exp(u)[:, None, None] * light + 0.1)).sum(axis=(1, 2)) - np.exp(u) * light.sum()
                for one in each
            ]
            apart = sum(special.logsumexp(one, b=prior) for one in logs)
            expected = apart - special.logsumexp(logs[0] + logs[1], b=prior)
            assert found == pytest.approx(expected, abs=0.1)
            assert (found > 0) == (counts[0] != counts[1])


@pytest.mark.slow
def test_hardness_ratios_are_those_of_a_grid_even_without_counts():
    """Oracle: draws from each band's posterior on a grid, at a known place and background (Park et al. 2006)."""
    each = [image(31, 0.0, 0.02), image(32, 6.0, 0.02)]
    stamps = stamps_of(*each)
    priors = dataclasses.replace(priors_of(stamps, 0.0).replace(background=2e-5), spread=1e-3, reach=5e-3)
    found = pgm_mock.fit(stamps, priors, num_draws=60_000, num_samples=4000)["posterior"]["flux"].values
    edges = np.arange(0.5, 42.0)
    light = 1000.0 * np.outer(*(np.diff(special.ndtr((edges - 21.0) / WIDTH)) for _ in range(2)))
    u = np.log(0.03) + 2 * np.linspace(-6, 6, 6001)
    rng, drawn = np.random.default_rng(0), []
    for seen in each:
        logs = stats.norm.logpdf(u, np.log(0.03), 2.0) - np.exp(u) * light.sum()
        logs += (seen.counts * np.log(np.exp(u)[:, None, None] * light + 0.02)).sum(axis=(1, 2))
        weight = np.exp(logs - logs.max())
        drawn.append(np.exp(np.interp(rng.random(200_000), np.cumsum(weight) / weight.sum(), u)))
    ours, theirs = hardness_ratio(found[..., 0], found[..., 1]), hardness_ratio(*drawn)
    assert (np.abs(ours) < 1).all()
    np.testing.assert_allclose(*(np.quantile(r, (0.05, 0.16, 0.5, 0.84, 0.95)) for r in (ours, theirs)), atol=0.02)


class TestLattice:
    def test_tents_are_drawn_from_their_density(self):
        rng = np.random.default_rng(0)
        logs = np.log(rng.gamma(0.7, size=(1, 6, 6)))
        tents = Tents.of(np.array([[-1.0, 2.0]]), np.array([0.5, 0.3]), logs)
        places = tents.draw(rng.random((200_000, 5)))
        east, north = np.linspace(-2.0, 2.5, 451), np.linspace(1.5, 4.0, 251)
        grid = np.stack(np.meshgrid(east, north), axis=-1).reshape(-1, 2)
        density = np.exp(tents.log_density(grid)).reshape(251, 451)
        assert np.trapezoid(np.trapezoid(density, east), north) == pytest.approx(1.0, abs=2e-3)
        below = np.trapezoid(np.trapezoid(density[:, :201], east[:201]), north)
        assert (places[:, 0] < east[200]).mean() == pytest.approx(below, abs=5e-3)

    def test_interpolation_and_where_it_counts(self):
        box = Box(np.array([-2.0, -3.0]), np.array([2.0, 3.0]))
        nodes = box.nodes(9)
        lattice = Lattice(box, -((nodes[..., 0] - 1.0) ** 2) * 8 - nodes[..., 1] ** 2 * 8)
        np.testing.assert_allclose(lattice.at(nodes), lattice.log_values)
        closer = lattice.where_it_counts(5.0)
        assert closer.low[0] == pytest.approx(0.0)
        assert closer.high[0] == pytest.approx(2.0)


@pytest.mark.slow
def test_piecewise_densities_are_integrated_and_drawn_exactly():
    nodes = about(jax.numpy.zeros(()), jax.numpy.ones(()), jax.numpy.array(9.0), jax.numpy.array(9.0), 40)
    density = Piecewise.of(nodes, stats.norm.logpdf(np.asarray(nodes)))
    assert float(density.log_integral()) == pytest.approx(0.0, abs=2e-3)
    values, logs = jax.vmap(density.draw)(np.random.default_rng(1).random(20_000))
    assert stats.kstest(np.asarray(values), "norm").pvalue > 1e-3
    near = np.abs(values) < 2.5
    np.testing.assert_allclose(np.asarray(logs)[near], stats.norm.logpdf(np.asarray(values)[near]), atol=0.03)


class TestInput:
    def test_names_come_from_headers_and_file_names(self, tmp_path):
        head = {"TELESCOP": "XMM", "INSTRUME": "EMOS1"}
        seen = image(1, 3.0, header=head | {"DSTYP1": "PI", "DSVAL1": "500:2000"})
        assert Images.of([seen]).names == ["EMOS1_500_2000"]
        assert Images.of([image(1, 3.0), image(2, 3.0)]).names == ["image1", "image2"]
        other = dataclasses.replace(image(2, 3.0), header=seen.header)
        assert Images.of([seen, other]).names == ["EMOS1_500_2000_1", "EMOS1_500_2000_2"]
        assert Images.of([image(1, 3.0)], ["soft"], [(0.5, 2.0)])[0].band == (0.5, 2.0)
        paths = [tmp_path / "mos1_0.5-2.0keV.fits", tmp_path / "exposure.fits"]
        image(1, 3.0, header=head).write(*paths)
        found = Images.read([str(paths[0])], [str(paths[1])])
        assert found.names == ["EMOS1_500_2000"]
        assert found[0].band == (0.5, 2.0)
        assert Images.read([f"soft={paths[0]}"], [str(paths[1])]).names == ["soft"]

    def test_commas_divide_files(self, tmp_path):
        assert split_images("a.fits,b=c.fits", tmp_path) == [f"{tmp_path}/a.fits", f"b={tmp_path}/c.fits"]
        (tmp_path / "a,b.fits").touch()
        assert split_images("a,b.fits", tmp_path) == [f"{tmp_path}/a,b.fits"]

    @pytest.mark.parametrize(
        ("make", "said"),
        [
            (lambda: Images(()), "images: expected at least one, found none"),
            (
                lambda: Images.of([dataclasses.replace(image(1, 3.0), wcs=None)]),
                r"image1: expected celestial coordinates \(a WCS\), found none",
            ),
            (lambda: Images.of([image(1, 1.0), image(2, 1.0)], ["a", "A"]), "expected unlike names, found A twice"),
            (lambda: Images.of([image(1, 1.0), image(2, 1.0)], ["a", "a"]), "expected unlike names, found a twice"),
            (lambda: Images.of([image(1, 1.0), image(1, 1.0)]), "image2: expected another image than image1"),
            (lambda: split_images("a.fits,,b.fits"), "expected files with a comma between them, found 'a.fits,,b"),
            (lambda: Images.of([image(1, 1.0)], ["a b"]), "expected a name of letters, digits and _, found 'a b'"),
            (
                lambda: Images.of([image(1, 1.0), dataclasses.replace(image(2, 1.0), wcs=wcs_of(off=(9e4, 0.0)))]),
                "image1: expected the sky of the other images, found another one",
            ),
            (lambda: Images.of([image(1, 1.0)]).stamps(float("nan"), 0.0), "expected a place on the sky in degrees"),
            (lambda: Images.of([image(1, 1.0)]).stamps(RA + 1, DEC), "expected some exposure at RA 151.00000"),
            (lambda: Images.read(["a"], []), "images: expected as many exposure maps, 1, found 0"),
            (lambda: priors_of(stamps_of(image(1, 1.0)), -1.0), "offset: expected a standard deviation of 0 to 60"),
            (lambda: priors_of(stamps_of(image(1, 1.0))).replace(x_pos=1.0), "expected no x_pos"),
            (lambda: priors_of(stamps_of(image(1, 1.0))).replace("z", flux=1.0), "name: expected a, found 'z'"),
            (
                lambda: ImagesPriors.default(stamps_of(image(1, 1.0)), [KingPSF(), KingPSF()]),
                "psf: expected one for each of 1 images, found 2",
            ),
            (
                lambda: pgm_mock.fit(stamps_of(image(1, 1.0)), pgm_mock.Priors.default(image(1, 1.0))),
                "found one of each",
            ),
        ],
    )
    def test_bad_input_is_one_line(self, make, said):
        with pytest.raises(InputError, match=said) as error:
            make()
        assert "\n" not in str(error.value)

    @pytest.mark.slow
    def test_images_without_counts(self):
        stamps = stamps_of(image(1, 0.0, 0.0), image(2, 0.0, 0.0))
        found = pgm_mock.fit(stamps, priors_of(stamps))
        assert found.attrs["problems"] == ""
        assert found.attrs["ln_bayes_factor"] < 0


def test_graph_has_a_plate_of_images(three):
    graph = pgm_mock.model_graph(three, priors_of(three))
    assert graph.plates["image"][:2] == ("offset_east", "offset_north")
    assert "prod_j [p(offset_east)" in graph.factorisation()
    assert graph.factorisation().endswith(
        "prod_k [p(expected_counts | x_pos, y_pos, flux, background, psf_width) p(counts | expected_counts)]]"
    )
    assert ("east", "x_pos") in graph.edges
    aligned = pgm_mock.model_graph(three, priors_of(three, 0.0))
    assert "offset_east" not in aligned.parents
    with pytest.raises(InputError, match="expected ImagesPriors"):
        pgm_mock.model_graph(three)


@pytest.mark.slow
def test_picture(three):
    priors = priors_of(three)
    figure = plot_images(three, pgm_mock.fit(three, priors))
    assert len([axes for axes in figure.axes if axes.get_title() == "mean of the posterior"]) == 3
