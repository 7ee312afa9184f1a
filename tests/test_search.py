"""Which source a posterior is of: where one could be, where it may be, and what is said where there are several.

Oracles: maxima by SciPy, symmetry, closed forms, and mocks drawn by NumPy.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import optimize, special, stats

from pgm_mock import GaussianPSF, InputError, KingPSF, Observation, Priors, fit, summarise
from pgm_mock.inference import modes, search
from pgm_mock.inference.doubts import DETECTION, EXTENT, POSITION, doubts, outside_circle
from pgm_mock.inference.falsealarm import _tail
from pgm_mock.inference.limits import detection_likelihood
from pgm_mock.inference.many import iter_posteriors
from pgm_mock.inference.unconstrained import Data, Frame
from pgm_mock.sampler.weights import disagreement, weighted_quantile

CENTRE = (111.0, 61.0)


def light_of(stamp, x, y, sigma=1.5):
    """The Gaussian's integral over each pixel, by SciPy."""
    across, up = (special.ndtr((ramp + 0.5 - at) / sigma) - special.ndtr((ramp - 0.5 - at) / sigma)
                  for ramp, at in ((stamp.columns, x), (stamp.rows, y)))  # fmt: skip
    return across * up


def with_sources(stamp, sources, seed=0, background=1e-5):
    """Return a stamp with counts that NumPy drew: sources of (x, y, counts) on a background."""
    mean = stamp.exposure * background
    for x, y, counts in sources:
        mean = mean + stamp.exposure * light_of(stamp, x, y) * counts / 1e4
    return dataclasses.replace(stamp, counts=np.random.default_rng(seed).poisson(mean), name=f"{sources} {seed}")


@pytest.fixture
def unbounded(priors):
    return priors.replace(x_pos=dist.Normal(CENTRE[0], 2.0), y_pos=dist.Normal(CENTRE[1], 2.0))


@pytest.mark.slow
@pytest.mark.parametrize("psf", [GaussianPSF(), KingPSF(slope=1.4)], ids=["Gaussian", "King"])
def test_the_map_is_the_largest_likelihood_ratio_at_each_pixel(stamp, psf):
    """Oracle: SciPy's maximum over the flux, over a background that grows."""
    mean = stamp.exposure * 1e-5 * np.exp(0.05 * (stamp.x - 111.0))
    widths, steps = jnp.array([1.3, 3.0]), (1, 3)
    maps = search.likelihood_ratio_maps(Data.of(stamp), jnp.asarray(mean), psf, widths, steps)
    flux, gain = map(np.asarray, maps)
    exposed = stamp.exposure > 0
    for number, width, row, column in (
        (0, 1.3, 10, 9),
        (0, 1.3, 3, 4),
        (0, 1.3, 17, 14),
        (1, 3.0, 9, 10),
        (1, 3.0, 0, 2),
    ):
        light = np.asarray(psf.pixel_fraction(stamp.columns, stamp.rows, 101.0 + column, 51.0 + row, width))
        ratio = np.where(exposed, stamp.exposure * light / np.where(exposed, mean, 1.0), 0.0)
        total = float(np.sum(stamp.exposure * light))

        def loss(f, ratio=ratio, total=total):
            return f * total - np.sum(stamp.counts * np.log1p(f * ratio))

        best = optimize.minimize_scalar(loss, bounds=(0.0, 0.05), method="bounded", options={"xatol": 1e-12})
        assert gain[number, row, column] == pytest.approx(max(-best.fun, 0.0), abs=2e-4)
        if best.fun < -0.01:
            assert flux[number, row, column] == pytest.approx(best.x, rel=5e-3)
    assert (gain[1, 1::3] == 0).all()


def test_rows_where_the_source_cannot_be_change_nothing(stamp, monkeypatch):
    """Oracle: the same search with the map of all rows; a peak in the outermost row that the prior allows is raised by
    the row beside it."""
    priors = Priors.default(stamp, *CENTRE)
    stamp = with_sources(stamp, [(CENTRE[0], CENTRE[1] + 6.0, 60)])
    whole, data, frame = search.likelihood_ratio_maps, Data.of(stamp), Frame.of(priors)
    base, mean = jnp.zeros(priors.dimension), jnp.asarray(stamp.exposure * 1e-5)
    rows = []

    def searched():
        return jax.jit(lambda: modes._peaks(base, frame, mean, data, priors, 5, jnp.array(True)))()

    fast = searched()

    def of_all_rows(*arguments):
        rows.append(arguments[-1])
        return whole(*arguments[:-1])

    monkeypatch.setattr(search, "likelihood_ratio_maps", of_all_rows)
    assert all(map(np.array_equal, jax.tree.leaves(fast), jax.tree.leaves(searched())))
    assert len(rows) == 1


def test_the_map_of_a_bright_list_of_pixels_is_that_of_its_photons(stamp):
    """A bright image comes as pixels, a faint one as photons: the same counts give the same map."""
    data, mean = Data.of(stamp), jnp.asarray(stamp.exposure * 1e-5)
    row, column = np.nonzero(stamp.counts)
    from pgm_mock.counts import PixelList

    pixels = PixelList(column, row, stamp.counts[row, column].astype(float), data.photons.log_factorials)
    arguments = mean, GaussianPSF(), jnp.array([1.5]), (1,)
    _, first = search.likelihood_ratio_maps(data, *arguments)
    _, second = search.likelihood_ratio_maps(data._replace(photons=pixels), *arguments)
    np.testing.assert_allclose(first, second, atol=2e-4)


def test_peaks_are_the_sources_the_highest_first(stamp):
    two = with_sources(stamp, [(106.0, 56.0, 80), (116.0, 67.0, 40)])
    mean = jnp.asarray(stamp.exposure * 1e-5)
    flux, gain = search.likelihood_ratio_maps(Data.of(two), mean, GaussianPSF(), jnp.array([1.5]), (1,))
    x, y = stamp.columns[0], stamp.rows[:, 0]
    peaks = search.find_peaks(gain[0], gain[0], flux[0], x, y, 4)
    np.testing.assert_allclose([peaks.x[:2], peaks.y[:2]], [[106, 116], [56, 67]], atol=1)
    assert (np.diff(peaks.score) <= 0).all()
    nowhere = search.find_peaks(jnp.full((21, 21), -jnp.inf), gain[0], flux[0], x, y, 4)
    assert (np.asarray(nowhere.flux) == 0).all()
    assert (np.asarray(nowhere.score) == search.NOTHING).all()


def test_a_hot_pixels_ratio_is_that_of_two_poisson_means(stamp):
    mean = stamp.exposure * 1e-5
    flux, gain = search.bright_pixels(Data.of(stamp), jnp.asarray(mean))
    row, column = np.unravel_index(np.argmax(stamp.counts), stamp.shape)
    n, mu = stamp.counts[row, column], mean[row, column]
    assert gain[row, column] == pytest.approx(stats.poisson.logpmf(n, n) - stats.poisson.logpmf(n, mu), rel=1e-9)
    assert flux[row, column] == pytest.approx((n - mu) / stamp.exposure[row, column])
    assert (np.asarray(gain)[stamp.counts <= mean] == 0).all()


def test_of_peaks_at_one_place_the_highest_stays():
    values = jnp.array
    peaks = search.Peaks(
        values([1.0, 2.0, 9.0]), values([1.0, 2.0, 1.0]), jnp.ones(3), jnp.ones(3), values([5.0, 7.0, 1.0])
    )
    assert np.asarray(search.first_of_each(peaks, np.ones(3)).score).tolist() == [search.NOTHING, 7.0, 1.0]


def test_a_place_on_a_map_of_few_rows_is_uncertain_by_half_of_their_distance():
    """Rows three pixels apart next to each other, both high: one source; as high on a map of all rows: two."""
    values = jnp.array
    peaks = search.Peaks(values([4.0, 4.0]), values([1.0, 4.0]), jnp.ones(2), jnp.ones(2), values([5.0, 7.0]))
    assert np.asarray(search.first_of_each(peaks, values([3, 3])).score).tolist() == [search.NOTHING, 7.0]
    assert np.asarray(search.first_of_each(peaks, values([1, 3])).score).tolist() == [search.NOTHING, 7.0]
    assert np.asarray(search.first_of_each(peaks, values([1, 1])).score).tolist() == [5.0, 7.0]


@pytest.mark.slow
def test_between_two_like_sources_the_posterior_is_divided_in_two_and_says_so(stamp, unbounded):
    """Oracle: symmetry. The stamp is its own mirror image about the place asked for."""
    flat = dataclasses.replace(stamp, exposure=np.full(stamp.shape, 1e4), counts=np.zeros(stamp.shape))
    half = with_sources(flat, [(103.0, 61.0, 60)]).counts.copy()
    half[:, 11:] = 0
    both = dataclasses.replace(flat, counts=half + half[:, ::-1], name="mirror")
    (found,) = iter_posteriors([both], [unbounded])
    assert not found.problems
    x, weights = found.weighted["x_pos"][0], np.exp(found.weighted["log_weight"][0])
    assert weights[x < CENTRE[0]].sum() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(found.numbers["ess"]))
    assert "two positions" in found.notes[POSITION]
    assert found.positions == 2
    assert "two positions" in summarise(found.tree()).line()


@pytest.mark.slow
def test_the_source_asked_for_is_the_source_reported(stamp, priors):
    """A source four times as bright, 9 pixels away, is beyond the default bound of 6 pixels."""
    two = with_sources(stamp, [(110.6, 61.2, 30), (119.5, 61.2, 200)])
    (found,) = iter_posteriors([two], [priors])
    assert np.hypot(found.draws["x_pos"] - 110.6, found.draws["y_pos"] - 61.2).max() < 7
    (anywhere,) = iter_posteriors([two], [priors.replace(x_pos=dist.Normal(*CENTRE[:1], 2.0))])
    assert anywhere.draws["x_pos"].mean() > 117


@pytest.mark.slow
def test_detection_is_that_of_the_source_asked_for_whatever_the_seed(stamp, priors):
    """Oracle: SciPy's largest likelihood with the position in the box and the width under its prior."""
    two = with_sources(stamp, [(110.6, 61.2, 60), (120.5, 51.5, 200)], background=2e-5)
    forced = priors.replace(psf_width=1.5)
    numbers = [next(iter(iter_posteriors([two], [forced], seed=seed))).numbers["det_like"] for seed in (0, 1)]
    assert numbers[0] == pytest.approx(numbers[1], abs=1e-3)
    exposed = stamp.exposure > 0

    def log_likelihood(theta):
        x, y, log_f, log_b = theta
        mean = stamp.exposure * (np.exp(log_f) * light_of(stamp, x, y) + np.exp(log_b))
        return stats.poisson.logpmf(two.counts, mean)[exposed].sum()

    def loss(theta):
        return -log_likelihood(theta) - stats.norm.logpdf(theta[3], float(forced["background"].loc), 1.5)

    box = [(105.0, 117.0), (55.0, 67.0), (-20, 0), (-15, -5)]
    climbs = [
        optimize.minimize(loss, [*place, -6.0, np.log(1e-4)], bounds=box, method="L-BFGS-B", options={"ftol": 1e-14})
        for place in ((110.6, 61.2), (116.5, 55.5))
    ]
    best = min(climbs, key=lambda climb: climb.fun)
    nothing = optimize.minimize_scalar(
        lambda log_b: -log_likelihood([111, 61, -40.0, log_b]), bounds=(-15, -5), method="bounded"
    )
    ratio = nothing.fun + log_likelihood(best.x)
    assert numbers[0] == pytest.approx(-stats.chi2.logsf(2 * ratio, 3), abs=0.05)


@pytest.mark.slow
def test_a_place_without_exposure_gets_no_number(stamp, priors):
    exposure = stamp.exposure.copy()
    exposure[4:17, 3:20] = 0.0
    hole = Observation(np.where(exposure > 0, stamp.counts, 0), exposure, origin=stamp.origin, name="hole")
    with pytest.raises(InputError, match=r"hole: expected some exposure about the position asked for, found 0\.\d%"):
        fit(hole, priors, num_draws=2500)
    (found,) = iter_posteriors([hole], [priors])
    assert found.method == "failed"
    assert "expected some exposure" in found.problems[0]


class TestDoubts:
    """What to doubt is said for what it is about, and of a sound posterior nothing is."""

    @pytest.fixture
    def draws(self, priors):
        rng = np.random.default_rng(0)
        return {
            "x_pos": rng.normal(110.6, 0.3, (1, 2000)),
            "y_pos": rng.normal(61.2, 0.3, (1, 2000)),
            "psf_width": rng.lognormal(0.4, 0.1, (1, 2000)),
        }

    def test_nothing(self, priors, draws):
        assert doubts(priors, draws, {"det_like": 20.0, "ln_bayes_factor": 15.0}) == {}
        assert (
            doubts(priors, {name: np.asarray(priors[name].sample(key_of(name), (1, 4000))) for name in draws}, {}) == {}
        )

    def test_a_position_at_its_bound(self, priors, draws):
        said = doubts(priors, draws | {"x_pos": 117.0 - np.abs(draws["x_pos"] - 110.6)}, {})
        assert list(said) == [POSITION]
        assert "in x" in said[POSITION]

    @pytest.mark.parametrize(("width", "word"), [(8.0, "wider"), (0.2, "narrower")])
    def test_a_width_that_is_not_the_psfs(self, priors, draws, width, word):
        said = doubts(priors, draws | {"psf_width": draws["psf_width"] * width / 1.5}, {})
        assert said[EXTENT].startswith(f"{word} than the PSF: ")

    @pytest.mark.parametrize("numbers", [(45.0, -1.1), (2.0, 7.0)])
    def test_numbers_that_contradict_each_other(self, priors, draws, numbers):
        said = doubts(priors, draws, dict(zip(("det_like", "ln_bayes_factor"), numbers, strict=True)))
        assert list(said) == [DETECTION]

    def test_outside_the_circle(self):
        assert outside_circle(np.full(9, 13.0), np.full(9, 4.0), (10.0, 0.0), 4.9).startswith("found 5.0 pixels")
        assert outside_circle(np.full(9, 13.0), np.full(9, 4.0), (10.0, 0.0), 5.1) == ""
        assert outside_circle(np.full(9, 13.0), np.full(9, 4.0), (10.0, 0.0), np.nan) == ""


def key_of(name):
    import jax

    return jax.random.key(len(name))


def test_rounds_that_found_different_things_disagree():
    """Both rounds of one normal law agree; where the second found another mode with a third of the mass they do not."""
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(600, 1)), rng.normal(size=(600, 1))
    values = np.concatenate([first, second])
    zeros = np.zeros(1200)
    assert disagreement(zeros, zeros, values, 2) < 0.05
    second[:200] += 5.0
    assert disagreement(zeros, zeros, np.concatenate([first, second]), 2) > 0.3


def test_a_weighted_quantile_is_numpys_where_weights_are_equal():
    values = np.random.default_rng(2).normal(size=999)
    for q in (0.05, 0.5, 0.95):
        found = weighted_quantile(values, np.full(999, -np.log(999)), q)
        assert found == pytest.approx(np.quantile(values, q, method="hazen"), abs=1e-12)


def test_the_tail_of_a_chance_is_a_chi_squares():
    ratios = stats.chi2.ppf((np.arange(220) + 0.5) / 220, 3) / 2
    for ratio in (0.5, 2.0, 6.0, 15.0):
        assert _tail(ratio, ratios, 3) == pytest.approx(stats.chi2.sf(2 * ratio, 3), rel=0.1)
    assert _tail(0.0, ratios, 3) == 1.0


@pytest.mark.slow
@pytest.mark.long
def test_empty_stamps_get_chances_that_are_uniform(stamp, priors):
    """Oracle: the binomial law of so many empty stamps, drawn by NumPy."""

    def chance(seed):
        return fit(with_sources(stamp, [], seed), priors, num_draws=2500, false_alarm=True).attrs["p_false"]

    chances = np.array([chance(seed) for seed in range(300)])
    for level in (0.05, 0.2):
        assert abs(np.sum(chances <= level) - 300 * level) < 3 * np.sqrt(300 * level * (1 - level))
    there = fit(with_sources(stamp, [(110.6, 61.2, 40)]), priors, num_draws=2500, false_alarm=True)
    assert there.attrs["p_false"] < 1e-6


class TestBesideANeighbour:
    """Oracle: sums over grids of SciPy's likelihood, all positions and widths fixed."""

    NEIGHBOUR = (115.0, 61.0)

    @pytest.fixture
    def crowd(self, stamp, priors):
        crowded = with_sources(stamp, [(110.6, 61.2, 6), (*self.NEIGHBOUR, 12)], seed=3)
        own = priors.replace(
            x_pos=110.6, y_pos=61.2, psf_width=1.5, neighbour_x=np.array([115.0]), neighbour_y=np.array([61.0]),
            neighbour_flux=dist.LogNormal(np.array([-5.8]), np.array([2.0])),
        )  # fmt: skip
        return crowded, own

    @pytest.fixture
    def heights(self, crowd):
        """ln L + ln prior of background and neighbour, over (flux, ln neighbour's flux, ln background)."""
        stamp, priors = crowd
        exposed = stamp.exposure > 0
        t, n = stamp.exposure[exposed], stamp.counts[exposed]
        own, other = light_of(stamp, 110.6, 61.2)[exposed], light_of(stamp, *self.NEIGHBOUR)[exposed]
        flux, log_other, log_b = np.linspace(0, 4e-3, 81), np.linspace(-14, -4, 121), np.linspace(-12.5, -10.5, 61)
        prior = stats.norm.logpdf(log_other, -5.8, 2.0)[:, None]
        prior = prior + stats.norm.logpdf(log_b, float(priors["background"].loc), 1.5)
        heights = np.empty((81, 121, 61))
        seen = n > 0
        factorials = special.gammaln(n + 1).sum()
        sums = (t * own).sum(), (t * other).sum(), t.sum()
        for number, f in enumerate(flux):
            rate = (
                f * own[seen]
                + np.exp(log_other)[:, None, None] * other[seen]
                + np.exp(log_b)[:, None] * np.ones(seen.sum())
            )
            total = f * sums[0] + np.exp(log_other)[:, None] * sums[1] + np.exp(log_b) * sums[2]
            heights[number] = np.log(t[seen] * rate) @ n[seen] - total - factorials + prior
        return flux, log_other, log_b, heights

    @pytest.mark.slow
    def test_evidence_of_no_source_and_limit(self, crowd, heights):
        flux, log_other, log_b, height = heights
        (found,) = iter_posteriors([crowd[0]], [crowd[1]], num_draws=9000)
        top = height.max()
        integral = np.trapezoid(np.trapezoid(np.exp(height - top), log_b, axis=2), log_other, axis=1)
        without = top + np.log(integral[0])
        numbers = found.numbers
        assert numbers["log_evidence"] - numbers["ln_bayes_factor"] == pytest.approx(without, abs=0.05)
        cumulated = np.append(0.0, np.cumsum(0.5 * (integral[1:] + integral[:-1])))
        limit = np.interp(0.95, cumulated / cumulated[-1], flux)
        assert numbers["flux_ul95"] == pytest.approx(limit, rel=0.06)


@pytest.mark.slow
def test_a_limit_under_uniform_priors_is_that_of_a_grid(stamp):
    """A pinned Uniform is a fixed number, so that the sample at the place has fewer parameters. Oracle: SciPy."""
    t = float(np.median(stamp.exposure[stamp.exposure > 0]))
    priors = Priors(
        x_pos=dist.Uniform(107.0, 115.0),
        y_pos=dist.Uniform(57.0, 65.0),
        psf_width=dist.Uniform(1.0, 2.0),
        flux=dist.LogNormal(np.log(30 / t), 2.0),
        background=dist.LogNormal(np.log(0.1 / t), 1.5),
        background_dx=0.0,
    )
    (found,) = iter_posteriors([stamp], [priors], num_draws=9000)
    columns, rows = (
        np.diff(stats.norm.cdf(np.append(np.ravel(ramp) - 0.5, np.ravel(ramp)[-1] + 0.5), place, 1.5))
        for ramp, place in ((stamp.columns, 111.0), (stamp.rows, 61.0))
    )
    light, seen = rows[:, None] * columns, stamp.exposure > 0
    n, time, share = stamp.counts[seen], stamp.exposure[seen], light[seen]
    flux = np.linspace(0.0, 150 / t, 401)[:, None, None]
    log_b = np.linspace(np.log(0.1 / t) - 3.0, np.log(0.1 / t) + 3.0, 121)[:, None]
    mean = time * (flux * share + np.exp(log_b))
    height = np.where(n > 0, n * np.log(mean), 0.0).sum(axis=2) - mean.sum(axis=2)
    height += stats.norm.logpdf(log_b[:, 0], np.log(0.1 / t), 1.5)
    density = np.exp(height - height.max()).sum(axis=1)
    cumulated = np.append(0.0, np.cumsum(0.5 * (density[1:] + density[:-1])))
    limit = np.interp(0.95, cumulated / cumulated[-1], flux.ravel())
    assert found.numbers["flux_ul95"] == pytest.approx(limit, rel=0.03)


def test_a_place_on_the_bound_of_its_prior_is_climbed_from():
    """A brighter source lies at the bound, 6 pixels from the place asked for. Oracle: SciPy, from both places."""
    rng = np.random.default_rng(4)

    def light(x, y, width):
        across, up = (np.diff(stats.norm.cdf(np.arange(0.5, 42.0), place, width)) for place in (x, y))
        return up[:, None] * across

    mean = 0.1 + 18 * light(14.7, 19.0, 1.2) + 12 * light(21.0, 21.0, 1.2)
    stamp = Observation(rng.poisson(mean), np.full((41, 41), 1e4), name="bound")
    priors = Priors.default(stamp, 21.0, 21.0)
    middle, spread = (float(getattr(priors["psf_width"].base_dist, name)) for name in ("loc", "scale"))

    def log_likelihood(x, y, log_flux, log_sky, log_width):
        expected = 1e4 * (np.exp(log_flux) * light(x, y, np.exp(log_width)) + np.exp(log_sky))
        return stats.poisson.logpmf(stamp.counts, expected).sum()

    def climbed(x, y):
        start, bounds = [x, y, -6.0, -11.5, middle], [(15, 27), (15, 27), (-12, -3), (-14, -9), (-1, 2)]
        free = optimize.minimize(
            lambda p: 0.5 * ((p[4] - middle) / spread) ** 2 - log_likelihood(*p), start, bounds=bounds
        )
        return log_likelihood(*free.x)

    empty = optimize.minimize_scalar(lambda sky: -log_likelihood(21, 21, -60.0, sky, 0.4), bounds=(-14, -9)).fun
    (found,) = iter_posteriors([stamp], [priors])
    assert found.certified
    assert found.notes[POSITION].startswith("two positions")
    best = max(climbed(15.3, 19.0), climbed(21.0, 21.0)) + empty
    assert found.numbers["det_like"] == pytest.approx(detection_likelihood(best, 4), abs=0.1)
