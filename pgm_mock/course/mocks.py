"""Checks of part 2: priors, the expected image, mock images, parameters found by hand, and the model in NumPyro."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import optimize

from ..observation import Observation
from ..priors import Priors
from .answers import WrongAnswer, array_of, called, need, right
from .diagnosis import exact, mistake, noisy
from .reference import NAMES, Scene, expected, log_likelihood, scenes

MOCKS = 300
_OTHER_IMAGE = (
    " It was called with an image of 23 rows and 31 columns, another than your stamp: does it use its arguments alone?"
)


def check_draws(draw_parameters: Callable[[], Mapping[str, float]], small_ex: np.ndarray, small_x: np.ndarray) -> None:
    """Draw 300 times from a student's priors, and look at what comes out.

    Args:
        draw_parameters: gives a dictionary of the five parameters.
        small_ex, small_x: the exposure of the stamp, and the x of its pixels.

    Raises:
        WrongAnswer: which says what is wrong.
    """
    first = called("draw_parameters", draw_parameters)
    need(isinstance(first, Mapping), "draw_parameters() should give a dictionary.")
    for name in NAMES:
        need(name in first, f"draw_parameters() gives no {name}.")
        need(np.ndim(first[name]) == 0, f"{name} should be one number; it has the shape {np.shape(first[name])}.")
    draws = [first, *(called("draw_parameters", draw_parameters) for _ in range(299))]
    values = {name: array_of(name, [draw[name] for draw in draws]) for name in NAMES}
    for name, drawn in values.items():
        need(np.ptp(drawn) > 0, f"{name} is the same in every draw: draw it from a distribution, with one generator.")
    for name in ("flux", "background", "psf_width"):
        need(
            (values[name] > 0).all(),
            f"{name} came out at or below 0 in some draws: choose a prior on positive numbers.",
        )
    here = np.mean((values["x_pos"] > small_x.min()) & (values["x_pos"] < small_x.max()))
    need(here > 0.9, f"only {here:.0%} of the draws of x_pos lie in the stamp: are they FITS coordinates?")
    seconds = np.median(small_ex[small_ex > 0])
    source, sky = np.median(values["flux"]) * seconds, np.median(values["background"]) * seconds
    flux = f"with your prior a typical source has {source:.3g} counts"
    need(source < 2e4, f"{flux}: the flux is in counts per second, and the exposure is {seconds:,.0f} s.")
    need(source > 1e-2, f"{flux}: it would never be seen.")
    said = f"with your prior a typical pixel has {sky:.3g} background counts"
    need(sky < 10, f"{said}: the background is in counts per second and pixel.")
    need(sky > 1e-4, f"{said}: the image would be empty.")
    width = np.median(values["psf_width"])
    need(0.3 < width < 6, f"with your prior a typical psf_width is {width:.3g} pixels; a pixel is 4 arcsec wide.")
    right(f"a typical draw has {source:.3g} source counts and {sky:.2g} background counts a pixel.")


def check_expected_image(expected_image: Callable[..., np.ndarray]) -> None:
    """Hold expected counts against a reference in every pixel of three images with displaced sources.

    Args:
        expected_image: a function of exptime, xs, ys and pars.

    Raises:
        WrongAnswer: which says what is wrong.
    """
    for scene in scenes():
        given = called("expected_image", expected_image, *scene, hint=_OTHER_IMAGE)
        image = array_of("the expected image", given, scene.exposure.shape)
        wrong = mistake(scene, exact(image))
        need(wrong is None, f"expected_image: {wrong}")
    right("the expected counts of three sources agree with the reference in every pixel.")


def check_mocks(generate_mock_image: Callable[..., np.ndarray]) -> None:
    """Look at many mock images: whole numbers, fresh noise, its variance, and their mean in every pixel.

    Args:
        generate_mock_image: a function of exptime, xs, ys and pars; without pars it draws them.

    Raises:
        WrongAnswer: which says what is wrong.
    """
    name = "generate_mock_image"
    for scene in scenes():
        images = [called(name, generate_mock_image, *scene, hint=_OTHER_IMAGE) for _ in range(MOCKS)]
        mocks = np.stack([array_of("a mock image", image, scene.exposure.shape) for image in images])
        mean = expected(scene)
        if (mocks == mocks[0]).all():
            whole = np.array_equal(mocks[0], np.round(mocks[0]))
            raise WrongAnswer(
                "every call gives the same counts: the generator is made anew, with the same seed, in each call."
                if whole and not np.array_equal(mocks[0], np.round(mean))
                else "the mock has no noise: draw the counts from a Poisson distribution whose mean is mu."
            )
        need((mocks == np.round(mocks)).all(), "counts are whole numbers; yours are not: is the noise Gaussian?")
        need((mocks >= 0).all(), "some counts are negative: is the noise Gaussian? Counts have a Poisson distribution.")
        dark = mocks[:, scene.exposure == 0]
        if (dark > 0).any():
            same = mistake(scene, noisy(mocks.sum(axis=0), MOCKS))
            raise WrongAnswer(f"pixels without exposure have counts: {same}")
        wrong = mistake(scene, noisy(mocks.sum(axis=0), MOCKS))
        need(wrong is None, f"{name}: {wrong}")
        seen = mean > 0
        dispersion = np.mean(mocks[:, seen].var(axis=0, ddof=1) / mean[seen])
        error = np.sqrt(np.mean(2 + 1 / mean[seen]) / (MOCKS * seen.sum()))
        said = f"the variance of the counts is {dispersion:.2f} times their mean; Poisson's is equal to it."
        need(abs(dispersion - 1) < 7 * error, said)
    exposure, x, y, _ = scenes()[0]
    long = 1e4 * exposure  # so long that noise hides nothing: what scatters is the parameters
    drawn = [called(name, generate_mock_image, long, x, y, hint=" It was called without pars.") for _ in range(20)]
    totals = [array_of("a mock image without pars", image, exposure.shape).sum() for image in drawn]
    said = "without pars all mocks have the same parameters: draw them anew in each call."
    need(np.std(totals) > 5 * np.sqrt(np.mean(totals)), said)
    right(f"{MOCKS} mocks each of three sources: whole numbers, Poisson noise, and the right mean in every pixel.")


def check_my_pars(
    my_pars: Mapping[str, float], small_im: np.ndarray, small_ex: np.ndarray, small_x: np.ndarray, small_y: np.ndarray
) -> None:
    """Tell how far parameters found by hand are from describing a stamp, and which to move.

    Args:
        my_pars: the five parameters.
        small_im, small_ex, small_x, small_y: the stamps of counts, exposure and coordinates.

    Raises:
        WrongAnswer: which says which parameter helps most.
    """
    need(isinstance(my_pars, Mapping), "my_pars should be a dictionary of the five parameters.")
    for name in NAMES:
        need(name in my_pars, f"my_pars has no {name}.")
    need(my_pars["psf_width"] > 0, "psf_width should be above 0.")
    need(my_pars["flux"] >= 0 < my_pars["background"], "flux and background should be above 0.")

    def fits(pars: Mapping[str, float]) -> float:
        return log_likelihood(small_im, expected(Scene(small_ex, small_x, small_y, pars)))

    def best(name: str) -> float:
        value = my_pars[name]
        span = 4.0 if name.endswith("pos") else 0.0
        low, high = (value - span, value + span) if span else (0.05 * value, 20 * value)
        bounds = (low, high) if span else (np.log(low), np.log(high))
        move = (lambda v: v) if span else np.exp

        def worse(v: float) -> float:
            return -fits({**my_pars, name: float(move(v))})

        return float(move(optimize.minimize_scalar(worse, bounds=bounds, method="bounded").x))

    inside = all(
        ramp.min() - 0.5 < my_pars[name] < ramp.max() + 0.5 for name, ramp in (("x_pos", small_x), ("y_pos", small_y))
    )
    seen = f"x from {small_x.min():g} to {small_x.max():g}, y from {small_y.min():g} to {small_y.max():g}"
    need(inside, f"your source is outside the stamp, which shows {seen}: are x_pos and y_pos swapped?")
    now = fits(my_pars)
    gains = {name: (fits({**my_pars, name: value}) - now, value) for name in NAMES for value in [best(name)]}
    name = max(gains, key=lambda n: gains[n][0])
    gain, value = gains[name]
    counts_of_all = small_im.sum() / small_ex.sum()
    middle = {"x_pos": small_x.mean(), "y_pos": small_y.mean(), "psf_width": 1.5, "background": counts_of_all}
    plain = max(fits({**middle, "flux": counts / small_ex.max()}) for counts in (0.0, 10.0, 30.0, 100.0, 300.0, 1000.0))
    need(
        plain < now + gain + 15,
        "a source in the middle of the stamp, 1.5 pixels wide, is far more probable: start from there.",
    )
    side = "low" if value > my_pars[name] else "high"
    said = (
        f"{name} is too {side}: with all else as it is, {value:.3g} makes the data exp({gain:.0f}) times as probable."
    )
    need(gain < 10, said)
    right(f"moving one parameter alone, {name}, could make the data exp({gain:.1f}) times as probable, no more.")


def check_model(model: Callable[..., Any], stamp: Observation, priors: Priors) -> None:
    """Hold a student's NumPyro model against the package's: its priors and its likelihood.

    Args:
        model: a function of exptime, xs, ys and counts=None, with the sites x_pos, y_pos, flux, background, psf_width,
            the deterministic site "expected_counts" and the observed site "counts".
        stamp: the data.
        priors: that the model should have.

    Raises:
        WrongAnswer: which says what is wrong.
    """
    import jax
    from numpyro import handlers

    from ..mock import draw_parameters

    need(callable(model), "model should be a function.")
    points = [draw_parameters(priors, seed=seed) for seed in range(4)]
    totals = []
    for point in points:
        held = handlers.trace(handlers.substitute(handlers.seed(model, jax.random.key(0)), data=point))
        trace = called("model", held.get_trace, stamp.exposure, stamp.x, stamp.y, stamp.counts)
        for name in (*NAMES, "counts"):
            need(name in trace and trace[name]["type"] == "sample", f"the model has no numpyro.sample site {name!r}.")
        need(trace["counts"]["is_observed"], "the site 'counts' should be given obs=counts.")
        for name in NAMES:
            theirs = float(np.sum(trace[name]["fn"].log_prob(point[name])))
            ours = float(np.asarray(priors.free[name].log_prob(point[name])))
            said = f"the prior of {name} is another than {priors.describe()[name]}."
            need(np.isclose(theirs, ours, rtol=1e-4, atol=1e-4), said)
        said = 'the model has no numpyro.deterministic site "expected_counts".'
        need("expected_counts" in trace, said)
        scene = Scene(stamp.exposure, stamp.x, stamp.y, point)
        mu = np.asarray(trace["expected_counts"]["value"], dtype=float)
        said = f"expected_counts should have one value for each pixel, {stamp.counts.size}; it has {mu.size}."
        need(mu.size == stamp.counts.size, said)
        wrong = mistake(scene, exact(mu.reshape(stamp.shape)))
        need(wrong is None, f"expected_counts: {wrong}")
        logs = np.asarray(trace["counts"]["fn"].log_prob(trace["counts"]["value"]), dtype=float)
        said = (
            "the likelihood is not a number: where the exposure is 0, so are mu and N, and 0 log 0 has to count as 0."
        )
        need(not np.isnan(logs).any(), said)
        totals.append((float(logs.sum()), log_likelihood(stamp.counts, expected(scene))))
    theirs, ours = np.array(totals).T
    need(np.allclose(theirs - theirs[0], ours - ours[0], rtol=1e-4, atol=0.1), "the counts are not Poisson about mu.")
    right("priors, expected counts and likelihood are those of the package's model.")
