"""The course's checkers: right answers pass, and each wrong one is told what is wrong with it.

Oracle: the answers are written here by hand, right and wrong; the right ones are those of a second person.
"""

import itertools

import arviz
import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from jax.scipy import stats as jax_stats
from scipy import special, stats

from pgm_mock import InputError, Observation, Priors, course, demo_observation
from pgm_mock.course import reference
from tests.conftest import IMAGE, real_folder

rng = np.random.default_rng(5)
NAMES = reference.NAMES


def expected_image(exptime, xs, ys, pars, dx=0.0, dy=0.0, wider=1.0):
    width = wider * pars["psf_width"]
    across, up = stats.norm(pars["x_pos"] + dx, width), stats.norm(pars["y_pos"] + dy, width)
    share = (across.cdf(xs + 0.5) - across.cdf(xs - 0.5)) * (up.cdf(ys + 0.5) - up.cdf(ys - 0.5))
    return exptime * (pars["flux"] * share + pars["background"])


def at_centres(exptime, xs, ys, pars):
    share = stats.norm.pdf(xs, pars["x_pos"], pars["psf_width"]) * stats.norm.pdf(ys, pars["y_pos"], pars["psf_width"])
    return exptime * (pars["flux"] * share + pars["background"])


def peak_of_one(exptime, xs, ys, pars):
    squared = (xs - pars["x_pos"]) ** 2 + (ys - pars["y_pos"]) ** 2
    return exptime * (pars["flux"] * np.exp(-0.5 * squared / pars["psf_width"] ** 2) + pars["background"])


def normalised(exptime, xs, ys, pars):
    share = expected_image(np.ones_like(exptime), xs, ys, {**pars, "flux": 1.0, "background": 0.0})
    return exptime * (pars["flux"] * share / share.sum() + pars["background"])


def swapped(exptime, xs, ys, pars):
    return expected_image(exptime, xs, ys, {**pars, "x_pos": pars["y_pos"], "y_pos": pars["x_pos"]})


def constant_exposure(exptime, xs, ys, pars):
    return expected_image(np.full_like(exptime, np.mean(exptime)), xs, ys, pars)


WRONG_IMAGES = {
    "swapped": (swapped, "your x and y are swapped"),
    "shifted by 1": (
        lambda *a: expected_image(*a, dx=1.0, dy=1.0),
        r"\+1 pixels in x and \+1 in y: arrays count from 0",
    ),
    "shifted by 10": (lambda *a: expected_image(*a, dx=10.0), r"shifted by \+10 pixels in x and \+0 in y\.$"),
    "edges of the pixels": (lambda *a: expected_image(*a, dx=-0.5, dy=-0.5), "half a pixel below its centre"),
    "width x 3": (lambda *a: expected_image(*a, wider=3.0), "3 times as wide as it should be"),
    "PSF at the centres": (at_centres, "taken at the centres of the pixels; it should be integrated"),
    "not normalised": (peak_of_one, "the PSF is not normalised"),
    "constant exposure": (constant_exposure, "all pixels have the same exposure"),
    "no exposure": (lambda t, *a: expected_image(np.ones_like(t), *a), "the exposure is missing"),
    "no background": (
        lambda t, x, y, p: expected_image(t, x, y, {**p, "background": 0.0}),
        "the background is missing",
    ),
    "no source": (lambda t, x, y, p: expected_image(t, x, y, {**p, "flux": 0.0}), "the source is missing"),
    "background in counts": (
        lambda t, x, y, p: expected_image(t, x, y, {**p, "background": 0.0}) + p["background"],
        "the background is missing, or not multiplied",
    ),
    "normalised over the image": (normalised, "the PSF is normalised over the image"),
    "half the flux": (
        lambda t, x, y, p: expected_image(t, x, y, {**p, "flux": p["flux"] / 2}),
        "is not that of a source",
    ),
}


@pytest.mark.parametrize(("answer", "said"), WRONG_IMAGES.values(), ids=WRONG_IMAGES)
def test_wrong_expected_images(answer, said):
    with pytest.raises(course.WrongAnswer, match=f"expected_image: .*{said}"):
        course.check_expected_image(answer)


@pytest.mark.parametrize(("answer", "said"), WRONG_IMAGES.values(), ids=WRONG_IMAGES)
def test_wrong_expected_images_seen_through_noise(answer, said):
    with pytest.raises(course.WrongAnswer, match=f"(generate_mock_image|pixels without exposure).*{said}"):
        course.check_mocks(lambda t, x, y, pars=None: rng.poisson(answer(t, x, y, pars or PARS)))


PARS = {"x_pos": 110.0, "y_pos": 110.0, "flux": 2e-3, "background": 5e-6, "psf_width": 1.4}


def mock(exptime, xs, ys, pars=None):
    pars = pars or {**PARS, "background": rng.lognormal(np.log(5e-6), 0.5)}
    return rng.poisson(expected_image(exptime, xs, ys, pars))


def gaussian(exptime, xs, ys, pars=None):
    mean = expected_image(exptime, xs, ys, pars or PARS)
    return rng.normal(mean, np.sqrt(mean))


def overdispersed(exptime, xs, ys, pars=None):
    mean = expected_image(exptime, xs, ys, pars or PARS)
    return rng.poisson(mean * rng.gamma(2.0, 0.5, mean.shape))


WRONG_MOCKS = {
    "no noise": (lambda t, x, y, p=None: expected_image(t, x, y, p or PARS), "the mock has no noise"),
    "no noise, rounded": (lambda *a: np.round(expected_image(*a)).astype(int), "the mock has no noise"),
    "the same seed": (
        lambda t, x, y, p=None: np.random.default_rng(1).poisson(expected_image(t, x, y, p or PARS)),
        "every call gives the same counts",
    ),
    "Gaussian noise": (gaussian, "counts are whole numbers; yours are not"),
    "Gaussian noise, rounded": (lambda *a: np.round(gaussian(*a)), "some counts are negative"),
    "Gaussian noise, cut": (
        lambda *a: np.maximum(np.round(gaussian(*a)), 0),
        "the noise is Gaussian, rounded and cut at 0",
    ),
    "too much noise": (overdispersed, "times their mean; Poisson's is equal to it"),
    "uses its own stamp": (lambda t, x, y, p=None: mock(np.ones((41, 41)), x, y, p), "does it use its arguments alone"),
    "nothing returned": (lambda *a: None, "gave nothing back"),
    "wrong shape": (lambda *a: mock(*a).T, "rows and columns are exchanged"),
    "needs parameters": (lambda t, x, y, p=None: rng.poisson(expected_image(t, x, y, p)), "called without pars"),
    "drawn once": (lambda t, x, y, p=PARS: mock(t, x, y, p), "without pars all mocks have the same parameters"),
    "no function": (np.zeros((23, 31)), "should be a function"),
}


@pytest.mark.parametrize(("answer", "said"), WRONG_MOCKS.values(), ids=WRONG_MOCKS)
def test_wrong_mocks(answer, said):
    with pytest.raises(course.WrongAnswer, match=said):
        course.check_mocks(answer)


@pytest.mark.slow
def test_right_images_and_mocks(capsys):
    course.check_expected_image(expected_image)
    for _ in range(5):
        course.check_mocks(mock)
    assert capsys.readouterr().out.count("Right: ") == 6


@pytest.fixture(scope="module")
def files():
    return course.data_files()


@pytest.fixture(scope="module")
def images(files):
    from astropy.io import fits

    return fits.getdata(files.image), fits.getdata(files.exposure)


def test_opened(files, images):
    im, ex = images
    course.check_opened(im, ex, files)
    for answers, said in (((ex, im), "exchanged"), ((None, ex), "NoneType"), ((im, im), "exposure file")):
        with pytest.raises(course.WrongAnswer, match=said):
            course.check_opened(*answers, files)


def test_stretch(images):
    im = images[0]
    course.check_stretch(np.log1p(1000 * im / im.max()) / np.log(1001), im)
    with np.errstate(divide="ignore"):
        infinite = np.log(im)
    for answer, said in (
        (infinite, "minus infinity"),
        (np.log1p(1000 * im / im.max()), "brightest pixel should be 1"),
        (np.log1p(1000 * im) / np.log(1001), "divide the image by its largest"),
        (np.sqrt(im / im.max()), "expected ln"),
        (None, "still empty"),
        ("banana", "text 'banana'"),
    ):
        with pytest.raises(course.WrongAnswer, match=said):
            course.check_stretch(answer, im)


def test_regions_and_the_choice_of_a_source(files, images, capsys):
    regions = np.loadtxt(files.regions)
    course.check_regions(regions, files)
    with pytest.raises(course.WrongAnswer, match=r"\(26, 3\); it has \(26, 2\)"):
        course.check_regions(regions[:, :2], files)
    course.describe_source(12, regions, images[1])
    assert "nothing else is known" in capsys.readouterr().out
    course.describe_source(8, regions, images[1])
    assert "light of the sources at (277, 234)" in capsys.readouterr().out
    for n in (26, -1, 2.0, None):
        with pytest.raises(course.WrongAnswer, match="whole number from 0 to 25"):
            course.describe_source(n, regions, images[1])


def test_ramps(images):
    im = images[0]
    y, x = np.mgrid[1.0:649.0, 1.0:649.0]
    course.check_ramps(x, y, im)
    for answers, said in (
        ((y, x), "your x and y are swapped"),
        ((x - 1, y - 1), "count from 0"),
        ((x[:-1], y[:-1]), "should have the shape"),
        ((None, y), "still empty"),
        ((x + 5, y), "x should grow"),
    ):
        with pytest.raises(course.WrongAnswer, match=said):
            course.check_ramps(*answers, im)


def stamps(images, x_pos, y_pos, half=20, shift=0):
    im, ex = images
    y, x = np.mgrid[1.0:649.0, 1.0:649.0]
    box = np.s_[y_pos - 1 + shift - half : y_pos + shift + half, x_pos - 1 + shift - half : x_pos + shift + half]
    return [image[box] for image in (im, ex, x, y)]


def test_stamps(images):
    place = (168.0, 361.0)
    im, ex, x, y = good = stamps(images, 168, 361)
    course.check_stamps(*good, place, *images)
    course.check_stamps(*stamps(images, 168, 361, half=14), place, *images)
    turned = stamps(images, 361, 168)
    for answers, said in (
        ((im, ex, y, x), "small_x and small_y are swapped"),
        (turned, "centred with x and y swapped"),
        (stamps(images, 168, 361, shift=1), "one pixel too far"),
        ((turned[0], ex, x, y), "rows and columns exchanged"),
        ((im, turned[1], x, y), "small_ex is not what"),
        (stamps(images, 188, 361), "is centred at x = 188"),
        (stamps(images, 168, 361, half=5), "at least 21 x 21"),
        ((im, ex, x - 1, y - 1), "use the same slices"),
        (("banana", ex, x, y), "text 'banana'"),
    ):
        with pytest.raises(course.WrongAnswer, match=said):
            course.check_stamps(*answers, place, *images)


GRAPH = {
    **{name: ("stochastic", []) for name in NAMES},
    "t": ("constant", []),
    "mu": ("deterministic", [*NAMES, "t"]),
    "N": ("observed", ["mu"]),
}


def test_graph():
    course.check_graph(GRAPH, ["t", "mu", "N"])
    course.check_graph({**GRAPH, "N": ("observed", "mu")}, "t mu N")
    for changed, plate, said in (
        ({"t": ("stochastic", [])}, ["t", "mu", "N"], "the exposure is known"),
        ({"mu": ("stochastic", [*NAMES, "t"])}, ["t", "mu", "N"], "it is deterministic"),
        ({"mu": ("deterministic", NAMES)}, ["t", "mu", "N"], "from t to mu is missing"),
        ({"N": ("observed", ["mu", "flux"])}, ["t", "mu", "N"], "depend on flux through mu alone"),
        ({"N": ("observed", [])}, ["t", "mu", "N"], "an arrow from mu to N"),
        ({"flux": ("stochastic", ["t"])}, ["t", "mu", "N"], "nothing points at flux"),
        ({}, ["mu", "N"], "all three stand in the plate"),
        ({}, ["t", "mu", "N", "flux"], "outside the plate"),
    ):
        with pytest.raises(course.WrongAnswer, match=said):
            course.check_graph({**GRAPH, **changed}, plate)
    with pytest.raises(course.WrongAnswer, match="node N is missing"):
        course.check_graph({name: node for name, node in GRAPH.items() if name != "N"}, ["t", "mu"])


def test_factors():
    priors = [f"p({name})" for name in NAMES]
    whole = "p(mu | x_pos, y_pos, flux, background, psf_width, t)"
    course.check_factors([*priors, whole, "p(N|mu)"])
    for factors, said in (
        ([*priors[1:], whole, "p(N | mu)"], "the prior of x_pos is missing"),
        ([*priors, "p(N | mu)"], "a delta function"),
        ([*priors, whole, "p(N | mu, flux)"], "the counts depend on nothing else"),
        ([*priors, whole.replace(", t", ""), "p(N | mu)"], "mu depends on t as well"),
        ([*priors, "p(t)", whole, "p(N | mu)"], "t is no random quantity"),
        (["flux"], "not of the form"),
        (None, "still empty"),
    ):
        with pytest.raises(course.WrongAnswer, match=said):
            course.check_factors(factors)


def draw():
    return {
        "x_pos": rng.normal(168, 2),
        "y_pos": rng.normal(361, 2),
        "flux": rng.lognormal(np.log(1e-3), 2),
        "background": rng.lognormal(np.log(5e-6), 1),
        "psf_width": rng.lognormal(0.4, 0.5),
    }


def test_draws(images):
    _, ex, x, _ = stamps(images, 168, 361)
    course.check_draws(draw, ex, x)
    for changed, said in (
        ({"flux": 2e-3}, "flux is the same in every draw"),
        ({"x_pos": np.ones(3)}, "should be one number"),
        ({"x_pos": None}, "x_pos is still empty|array of numbers|not finite"),
    ):
        with pytest.raises(course.WrongAnswer, match=said):
            course.check_draws(lambda changed=changed: {**draw(), **changed}, ex, x)
    for name, factory, said in (
        ("flux", lambda: rng.lognormal(4, 1), "counts per second"),
        ("background", lambda: rng.lognormal(0, 1), "counts per second and pixel"),
        ("flux", lambda: rng.normal(0, 1e-3), "at or below 0"),
        ("x_pos", lambda: rng.normal(20, 2), "FITS coordinates"),
        ("psf_width", lambda: rng.lognormal(2.1, 0.1), "a pixel is 4 arcsec wide"),
    ):
        with pytest.raises(course.WrongAnswer, match=said):
            course.check_draws(lambda name=name, factory=factory: {**draw(), name: factory()}, ex, x)
    with pytest.raises(course.WrongAnswer, match="gives no psf_width"):
        course.check_draws(lambda: dict.fromkeys(NAMES[:-1], 1.0), ex, x)


def test_parameters_by_hand(files, images):
    small = stamps(images, 168, 361)
    truth = course.truth(12, files)
    course.check_my_pars(truth, *small)
    for changed, said in (
        ({"flux": 5 * truth["flux"]}, "flux is too high"),
        ({"background": truth["background"] / 5}, "background is too low"),
        ({"x_pos": 171.0}, "x_pos is too high"),
        ({"psf_width": 0.0}, "above 0"),
        ({"x_pos": truth["y_pos"], "y_pos": truth["x_pos"]}, "outside the stamp.* swapped"),
        ({"x_pos": 150.0, "y_pos": 345.0}, "x_pos is too low|start from there"),
    ):
        with pytest.raises(course.WrongAnswer, match=said):
            course.check_my_pars({**truth, **changed}, *small)
    with pytest.raises(course.WrongAnswer, match="has no flux"):
        course.check_my_pars({"x_pos": 1.0, "y_pos": 1.0}, *small)


def make_model(scale=2.0, mask=True, name="expected_counts", centres=False):
    def model(exptime, xs, ys, counts=None):
        x_0 = numpyro.sample("x_pos", dist.TruncatedNormal(168.0, 2.0, low=162.0, high=174.0))
        y_0 = numpyro.sample("y_pos", dist.TruncatedNormal(361.0, 2.0, low=355.0, high=367.0))
        typical = np.median(exptime[exptime > 0])
        flux = numpyro.sample("flux", dist.LogNormal(np.log(30 / typical), scale))
        background = numpyro.sample("background", dist.LogNormal(np.log(0.1 / typical), 1.5))
        width = numpyro.sample("psf_width", dist.LogNormal(np.log(1.5), 0.5))
        cdf = jax_stats.norm.cdf
        share = (cdf(xs + 0.5, x_0, width) - cdf(xs - 0.5, x_0, width)) * (
            cdf(ys + 0.5, y_0, width) - cdf(ys - 0.5, y_0, width)
        )
        if centres:
            share = jax_stats.norm.pdf(xs, x_0, width) * jax_stats.norm.pdf(ys, y_0, width)
        mu = numpyro.deterministic(name, exptime * (flux * share + background))
        seen = exptime > 0
        law = dist.Poisson(np.where(seen, mu, 1.0)).mask(seen) if mask else dist.Normal(mu, 1.0)
        numpyro.sample("counts", law, obs=counts)

    return model


def test_model():
    stamp = demo_observation().stamp(168, 361)
    priors = Priors.default(stamp, 168, 361)
    course.check_model(make_model(), stamp, priors)
    for model, said in (
        (make_model(scale=1.0), "the prior of flux is another"),
        (make_model(mask=False), "not Poisson about mu"),
        (make_model(name="mu"), "no numpyro.deterministic site"),
        (make_model(centres=True), "centres of the pixels"),
        (lambda t, x, y, counts=None: None, "no numpyro.sample site 'x_pos'"),
        (lambda t: None, r"model\(\.\.\.\) stopped with TypeError"),
    ):
        with pytest.raises(course.WrongAnswer, match=said):
            course.check_model(model, stamp, priors)


def log_likelihood(counts, t, x, y, pars):
    mean = expected_image(t, x, y, pars)
    return np.sum(special.xlogy(counts, mean) - mean)


def with_image(image):
    def wrong(counts, t, x, y, pars):
        mean = image(t, x, y, pars)
        return np.sum(special.xlogy(counts, mean) - mean)

    return wrong


WRONG_LIKELIHOODS = {
    "without its exposure": (with_image(WRONG_IMAGES["no exposure"][0]), "the exposure is missing"),
    "constant exposure": (with_image(constant_exposure), "all pixels have the same exposure"),
    "swapped": (with_image(swapped), "your x and y are swapped"),
    "a product": (
        lambda n, t, x, y, p: np.prod(stats.poisson.pmf(n, expected_image(t, x, y, p))),
        "does not change with the parameters|smaller than the smallest number",
    ),
    "the logarithm of a product": (
        lambda n, t, x, y, p: np.log(np.prod(stats.poisson.pmf(n, expected_image(t, x, y, p)))),
        "the product of thousands of probabilities is smaller than the smallest number",
    ),
    "0 log 0": (
        lambda n, t, x, y, p: np.sum(n * np.log(expected_image(t, x, y, p)) - expected_image(t, x, y, p)),
        "0 log 0 has to count as 0",
    ),
    "not summed": (lambda n, t, x, y, p: stats.poisson.logpmf(n, expected_image(t, x, y, p)), "one number: sum"),
    "the mean": (lambda *a: log_likelihood(*a) / a[0].size, "it is the mean over the pixels"),
    "chi-square": (
        lambda n, t, x, y, p: (
            -0.5 * np.sum(((n - expected_image(t, x, y, p)) ** 2 / expected_image(t, x, y, p))[t > 0])
        ),
        "this is a chi-square",
    ),
    "no -mu": (lambda n, t, x, y, p: np.sum(special.xlogy(n, expected_image(t, x, y, p))), "the term -mu"),
    "its sign": (lambda *a: -log_likelihood(*a), "its sign is wrong"),
    "log10": (lambda *a: log_likelihood(*a) / np.log(10), "natural logarithm"),
    "twice": (lambda *a: 2 * log_likelihood(*a), "does not change with the parameters"),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("answer", "said"), WRONG_LIKELIHOODS.values(), ids=WRONG_LIKELIHOODS)
def test_wrong_likelihoods(answer, said):
    with pytest.raises(course.WrongAnswer, match=said):
        course.check_log_likelihood(answer)


def test_right_likelihoods():
    course.check_log_likelihood(log_likelihood)
    course.check_log_likelihood(lambda n, t, x, y, p: stats.poisson.logpmf(n, expected_image(t, x, y, p)).sum())


@pytest.fixture(scope="module")
def homework(files, images):
    """The grid of the flux, the stamps, the fixed parameters, and ln L."""
    small = tuple(stamps(images, 168, 361))
    fixed = {name: value for name, value in course.truth(12, files).items() if name != "flux"}
    flux = np.linspace(0.0, 0.01, 101)
    logs = np.array([log_likelihood(*small, {**fixed, "flux": f}) for f in flux])
    return flux, small, fixed, logs


def density_of(logs, *steps):
    p = np.exp(logs - logs.max())
    return p / (p.sum() * np.prod(steps))


def test_posterior(homework):
    flux, small, fixed, logs = homework
    step = flux[1] - flux[0]
    course.check_posterior(flux, density_of(logs, step), small, fixed)
    flat = [log_likelihood(small[0], np.where(small[1] > 0, 1.0, 0), *small[2:], {**fixed, "flux": f}) for f in flux]
    with np.errstate(divide="ignore"):
        falling = density_of(np.where(flux > 0, logs - np.log(flux), -np.inf), step)
    for answer, said in (
        (density_of(logs), "your values sum to 1; a density integrates to 1"),
        (np.exp(logs - logs.max()), "its maximum is 1"),
        (3 * density_of(logs, step), "its integral is 3"),
        (logs, "negative values"),
        (density_of(logs / 2, step), "exp\\(ln L / 2\\)"),
        (density_of(np.array(flat), step), "the exposure is missing"),
        (falling, "prior 1 / flux"),
        (density_of(logs, step)[::-1], "not proportional"),
        (np.exp(logs), "not finite|not normalised"),
    ):
        with pytest.raises(course.WrongAnswer, match=said):
            course.check_posterior(flux, answer, small, fixed)


def mode(grid, density):
    return grid[np.argmax(density)]


def hdi(grid, density, probability=0.68):
    order = np.argsort(-density)
    held = np.cumsum(density[order]) / density.sum()
    inside = grid[order][: np.argmax(held >= probability) + 1]
    return inside.min(), inside.max()


def with_steps(grid, density, probability=0.68):
    """The same for a density that integrates to 1."""
    order = np.argsort(-density)
    held = np.cumsum(density[order]) * (grid[1] - grid[0])
    inside = grid[order][: np.argmax(held >= probability) + 1]
    return inside.min(), inside.max()


def equal_tails(grid, density, probability=0.68):
    held = np.cumsum(density) / density.sum()
    return tuple(grid[np.searchsorted(held, [(1 - probability) / 2, (1 + probability) / 2])])


def one_sigma(grid, density, probability=0.68):
    mean = np.sum(grid * density) / density.sum()
    deviation = np.sqrt(np.sum((grid - mean) ** 2 * density) / density.sum())
    return mean - deviation, mean + deviation


def test_mode_and_interval():
    course.check_hdi(mode, hdi)
    course.check_hdi(mode, with_steps)
    for answers, said in (
        ((mode, equal_tails), "the same probability on either side"),
        ((mode, one_sigma), "the mean and one standard deviation"),
        ((lambda x, p: np.argmax(p), hdi), "that is the index"),
        ((lambda x, p: np.sum(x * p) / p.sum(), hdi), "where the density is highest"),
        ((mode, lambda x, p, share=0.68: hdi(x, p, 0.95)), "which holds 95%"),
        ((mode, lambda *a: hdi(*a)[::-1]), "the lower end first"),
        ((mode, lambda *a: 1.0), "two numbers"),
    ):
        with pytest.raises(course.WrongAnswer, match=said):
            course.check_hdi(*answers)


def test_posterior_in_two_dimensions(homework):
    flux, small, fixed, _ = homework
    width = np.linspace(0.4, 2.4, 21)
    steps = flux[1] - flux[0], width[1] - width[0]
    logs = np.array([[log_likelihood(*small, {**fixed, "flux": f, "psf_width": w}) for w in width] for f in flux])
    prior = stats.norm.logpdf(width, 1.0, 0.3)
    posterior = density_of(logs + prior, *steps)
    marginal = posterior.sum(axis=1) * steps[1]
    course.check_posterior_2d(flux, width, posterior, marginal, small, fixed)
    slice_ = posterior[:, np.argmax(posterior.max(axis=0))]
    for answers, said in (
        ((density_of(logs, *steps), marginal), "prior of the width.* is missing"),
        ((density_of(logs + stats.norm.logpdf(width, 1.0, np.sqrt(0.3)), *steps), marginal), "not its variance"),
        ((posterior.T, marginal), "rows and columns are exchanged"),
        ((density_of(logs + prior), marginal), "sum to 1"),
        ((posterior, posterior.sum(axis=1)), "multiplied by their step"),
        ((posterior, slice_ / (slice_.sum() * steps[0])), "a slice"),
        ((posterior, slice_), "a slice"),
        ((posterior, posterior.max(axis=1)), "the largest value"),
        ((posterior, np.ones(101)), "not the integral"),
    ):
        with pytest.raises(course.WrongAnswer, match=said):
            course.check_posterior_2d(flux, width, *answers, small, fixed)


def test_cost():
    course.check_cost(lambda m, d: 8 * m**d, lambda m, d, s: s * m**d)
    for memory, said in (
        (lambda m, d: m**d, "8 bytes"),
        (lambda m, d: 8 * m * d, r"points \*\* axes"),
        (len, "stopped"),
    ):
        with pytest.raises(course.WrongAnswer, match=said):
            course.check_cost(memory, lambda m, d, s: s * m**d)
    with pytest.raises(course.WrongAnswer, match="should be 1e6"):
        course.check_cost(lambda m, d: 8 * m**d, lambda m, d, s: s * m * d)


def compare(grid, before, after):
    (low, high), (new_low, new_high) = hdi(grid, before), hdi(grid, after)
    return 2 * (mode(grid, after) - mode(grid, before)) / (high - low), (new_high - new_low) / (high - low)


def test_compare():
    course.check_compare(compare)
    for answer, said in (
        (lambda *a: (-compare(*a)[0], compare(*a)[1]), "the other way round"),
        (lambda *a: (compare(*a)[0] / 2, compare(*a)[1]), "whole first interval"),
        (lambda *a: (compare(*a)[0] / compare(*a)[1], compare(*a)[1]), "second interval"),
        (lambda *a: (-0.4, compare(*a)[1]), "unit of the grid"),
        (lambda *a: (0.0, compare(*a)[1]), "not the move of the mode"),
        (lambda *a: (compare(*a)[0], 1 / compare(*a)[1]), "upside down"),
        (lambda *a: (compare(*a)[0], 1.0), "widening is not"),
        (lambda *a: 1.0, "two numbers"),
    ):
        with pytest.raises(course.WrongAnswer, match=said):
            course.check_compare(answer)


def test_log_posterior(images):
    small = stamps(images, 168, 361)
    middles, widths = np.array([168.0, 361.0, -6.5, -12.2, 0.4]), np.array([2.0, 2.0, 2.0, 1.5, 0.5])

    def likelihood(u):
        return log_likelihood(*small, dict(zip(NAMES, [*u[:2], *np.exp(u[2:])], strict=True)))

    def prior(u):
        return -0.5 * np.sum(((u - middles) / widths) ** 2)

    course.check_log_posterior(lambda u: likelihood(u) + prior(u), small, middles, widths)
    for answer, said in (
        (likelihood, "the prior is missing"),
        (prior, "the likelihood is missing"),
        (lambda u: likelihood(u) + prior(u) - np.sum(u[2:]), "Gaussians of u itself"),
        (lambda u: likelihood(u) + 2 * prior(u), "not ln prior"),
    ):
        with pytest.raises(course.WrongAnswer, match=said):
            course.check_log_posterior(answer, small, middles, widths)


def test_flagged():
    course.check_flagged(lambda p: np.sum(stats.false_discovery_control(p) < 0.05))
    with pytest.raises(course.WrongAnswer, match="adjust them first"):
        course.check_flagged(lambda p: np.sum(p < 0.05))
    with pytest.raises(course.WrongAnswer, match="it should flag 3"):
        course.check_flagged(lambda p: 0)


def metropolis(log_density, start, step, number, rng, rule=None, one_way=False, repeat=True, spread=lambda step: step):
    rule = rule or (lambda new, old: np.log(rng.uniform()) < new - old)
    point, height, draws = np.array(start, float), log_density(start), []
    while len(draws) < number:
        move = rng.normal(0, spread(step))
        proposed = point + (abs(move) if one_way else move)
        new = log_density(proposed)
        accepted = rule(new, height)
        if accepted:
            point, height = proposed, new
        if accepted or repeat:
            draws.append(point)
    return np.array(draws)


@pytest.mark.slow
def test_metropolis():
    course.check_metropolis(metropolis)
    for options, said in (
        ({"rule": lambda new, old: new > old}, "only goes uphill"),
        ({"rule": lambda new, old: True}, "where the density is 0"),
        ({"rule": lambda new, old: np.isfinite(new)}, "they should be 1 and 1|they should be 5 and 1"),
        ({"rule": lambda new, old: False}, "never moves"),
        ({"repeat": False}, "no two draws in a row"),
        ({"rule": lambda new, old: rng.uniform() < np.exp(0.5 * (new - old))}, r"min\(1, p\(new\) / p\(old\)\)"),
        ({"one_way": True}, "both ways"),
        ({"spread": np.sqrt}, "`step` is taken for a variance"),
        ({"spread": lambda step: np.full(2, 1.3)}, r"steps of `step` = \[0.5 3. \] have the standard deviations 1.3"),
    ):
        with pytest.raises(course.WrongAnswer, match=said):
            course.check_metropolis(lambda *a, options=options: metropolis(*a, **options))
    with pytest.raises(course.WrongAnswer, match="the draws should be 20000"):
        course.check_metropolis(lambda *a: metropolis(*a)[:100])


def test_effective_draws():
    course.check_effective_draws(lambda w: w.sum() ** 2 / (w**2).sum())
    with pytest.raises(course.WrongAnswer, match="normalise them first"):
        course.check_effective_draws(lambda w: 1 / (w**2).sum())
    with pytest.raises(course.WrongAnswer, match="it should be"):
        course.check_effective_draws(len)


def test_holds_rank_and_p_value():
    def holds(truth, draws, probability):
        low, high = np.quantile(draws, [0.5 - probability / 2, 0.5 + probability / 2])
        return low < truth < high

    course.check_holds(holds)
    course.check_rank(lambda truth, draws: np.mean(draws < truth))
    course.check_p_value(lambda o, r: (1 + np.sum(r >= o)) / (1 + len(r)))
    with pytest.raises(course.WrongAnswer, match="outside the central"):
        course.check_holds(lambda truth, draws, share: truth < np.quantile(draws, 0.5 + share / 2))
    with pytest.raises(course.WrongAnswer, match=r"is inside|is outside"):
        course.check_holds(lambda truth, draws, share: abs(truth - draws.mean()) < draws.std())
    with pytest.raises(course.WrongAnswer, match=r"it gave|share above|share below"):
        course.check_rank(lambda truth, draws: np.searchsorted(draws, truth) / len(draws))
    with pytest.raises(course.WrongAnswer, match="share below"):
        course.check_rank(lambda truth, draws: np.mean(draws > truth))
    with pytest.raises(course.WrongAnswer, match="give their share"):
        course.check_rank(lambda truth, draws: np.sum(draws < truth))
    with pytest.raises(course.WrongAnswer, match="share of replicates below"):
        course.check_p_value(lambda o, r: 1 - (1 + np.sum(r >= o)) / (1 + len(r)))
    with pytest.raises(course.WrongAnswer, match="count the observation"):
        course.check_p_value(lambda o, r: np.mean(r >= o))
    with pytest.raises(course.WrongAnswer, match="at least as large"):
        course.check_p_value(lambda o, r: (1 + np.sum(r > o)) / (1 + len(r)))


@pytest.mark.slow
def test_a_lazy_inference():
    stamp = Observation(np.ones((9, 9), int), np.full((9, 9), 1e4))
    priors = Priors.default(stamp)

    def lazy(stamps, all_priors, seeds=None, size=(1, 500), one_key=False, names=None):
        for seed, own in zip(seeds or itertools.count(), all_priors, strict=False):
            keys = jax.random.split(jax.random.key(seed), len(own.free))
            keys = [keys[0]] * len(keys) if one_key else keys
            draws = {name: own.free[name].sample(key, size) for name, key in zip(own.free, keys, strict=True)}
            yield arviz.from_dict({"posterior": {n: np.asarray(v) for n, v in draws.items() if n in (names or draws)}})

    course.check_lazy(lazy, stamp, priors)
    other = priors.replace(flux=dist.LogNormal(-5.0, 0.2))
    for wrong, said in (
        (lambda s, p: None, "gave nothing back"),
        (lambda s, p: lazy(s[:1], p[:1]), "yield one for each stamp"),
        (lambda s, p: [{"flux": 1.0}] * len(s), "a result is dict: yield arviz"),
        (lambda s, p: [arviz.from_dict({"prior": {"flux": np.zeros((1, 500))}})] * len(s), 'no group "posterior"'),
        (lambda s, p: lazy(s, p, names=["flux"]), "a result lacks"),
        (lambda s, p: lazy(s, p, size=(4, 125)), r"should have the shape \(1, 500\)"),
        (lambda s, p: lazy(s, p, itertools.repeat(0)), "each stamp has the same draws of"),
        (lambda s, p: lazy(s, p, one_key=True), "each parameter needs a key of its own"),
        (lambda s, p: lazy(s, [other] * len(s)), "the draws of flux are not from its prior: half of them are below"),
        (lambda s, p: (1 / 0 for _ in s), r"lazy\(...\) stopped with ZeroDivisionError"),
    ):
        with pytest.raises(course.WrongAnswer, match=said):
            course.check_lazy(wrong, stamp, priors)


def test_a_wrong_answer_is_one_line_in_a_notebook():
    assert course.WrongAnswer("x is y")._render_traceback_() == ["Not yet: x is y"]


def test_real_files_are_looked_for(tmp_path, monkeypatch, real_files):
    folder = real_folder()
    assert course.data_files(folder).image.name == IMAGE
    assert course.truth(0, course.data_files(folder)) is None
    monkeypatch.setenv("PGM_MOCK_DATA", str(folder))
    assert course.data_files("nowhere").image == folder / IMAGE
    monkeypatch.delenv("PGM_MOCK_DATA")
    (tmp_path / "a1835").symlink_to(folder)
    (tmp_path / "notebooks" / "student").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "notebooks" / "student")
    assert course.data_files("a1835").exposure.exists()
    with pytest.raises(InputError, match=r"nowhere: expected .* in none of"):
        course.data_files("nowhere")
