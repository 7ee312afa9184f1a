"""Play: the pure view, the window under synthetic mouse events, the widget. Oracles: SciPy, the model's functions."""

import asyncio
import dataclasses
import math
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import numpyro.distributions as dist
import pytest
from matplotlib.backend_bases import MouseButton, MouseEvent
from scipy import stats

from pgm_mock import (
    InputError,
    KingPSF,
    Priors,
    best_fit,
    expected_counts,
    fit,
    generate_mock_image,
    play_widget,
    play_window,
)
from pgm_mock.cli import main
from pgm_mock.play import view
from tests.test_grid import dense_log_likelihood

THETA = {"x_pos": 110.6, "y_pos": 61.2, "flux": 4e-3, "background": 1e-5, "psf_width": 1.4}


@pytest.fixture
def window(stamp, priors):
    made = play_window(stamp, priors)
    made.figure.canvas.draw()
    yield made
    plt.close(made.figure)


def mouse(window, axes, fraction, name="button_press_event"):
    """Send a mouse event at a fraction of the width of some axes."""
    x, y = axes.transAxes.transform((fraction, 0.5))
    canvas = window.figure.canvas
    event = MouseEvent(name, canvas, x, y, MouseButton.LEFT)
    canvas.callbacks.process(name, event)


def test_the_view_is_the_models(stamp):
    seen = view(stamp, THETA, seed=3)
    wanted = expected_counts(stamp.exposure, stamp.columns, stamp.rows, **THETA)
    np.testing.assert_allclose(seen.expected, wanted, rtol=1e-12)
    assert seen.log_likelihood == pytest.approx(dense_log_likelihood(stamp, **THETA), abs=1e-9)
    np.testing.assert_array_equal(seen.difference, seen.mock - stamp.counts)
    longer = view(stamp, THETA, exposure_factor=100.0, seed=3)
    np.testing.assert_allclose(longer.expected, 100 * seen.expected, rtol=1e-12)
    assert longer.log_likelihood == seen.log_likelihood
    assert abs(longer.mock.sum() - longer.expected.sum()) < 6 * math.sqrt(longer.expected.sum())
    assert (view(stamp, THETA, seed=4).mock != seen.mock).any()
    np.testing.assert_array_equal(view(stamp, THETA, seed=3).mock, seen.mock)


@pytest.mark.slow
def test_best_fit_is_the_posteriors_peak(stamp, priors):
    found = best_fit(stamp, priors)
    posterior = fit(stamp, priors, seed=1)
    for name, value in found.items():
        draws = posterior["posterior"][name].values
        assert abs(value - draws.mean()) < 0.8 * draws.std(), name
    forced = best_fit(stamp, priors.replace(**{**THETA, "flux": priors["flux"]}))
    assert forced["psf_width"] == 1.4
    fluxes = np.geomspace(1e-3, 2e-2, 2000)
    joint = [
        dense_log_likelihood(stamp, **{**THETA, "flux": flux}) + float(priors["flux"].log_prob(flux)) + math.log(flux)
        for flux in fluxes
    ]
    assert forced["flux"] == pytest.approx(fluxes[np.argmax(joint)], rel=2e-3)
    with pytest.raises(InputError, match="priors: expected at least one parameter with a distribution"):
        best_fit(stamp, Priors(**THETA))


def test_a_drag_moves_the_parameter_and_the_pictures(window):
    slider = window.sliders["flux"]
    before = window.panels.images[1].get_array().copy(), window.panels.says.get_text()
    mouse(window, slider.ax, 0.5)
    for fraction in (0.6, 0.8, 0.9):
        mouse(window, slider.ax, fraction, "motion_notify_event")
    mouse(window, slider.ax, 0.9, "button_release_event")
    assert window.state.parameters["flux"] == pytest.approx(10**slider.val)
    assert slider.val == pytest.approx(slider.valmin + 0.9 * (slider.valmax - slider.valmin), rel=1e-3)
    assert window.panels.images[1].get_array().max() > before[0].max()
    assert window.panels.says.get_text() != before[1]
    wanted = view(window.state.stamp, window.state.parameters).log_likelihood
    assert f"ln likelihood {wanted:.2f}" in window.panels.says.get_text()


@pytest.mark.slow
def test_the_buttons(window, stamp, priors, capsys):
    noise = window.panels.images[2].get_array().copy()
    for name in ("noise", "best", "copy"):
        mouse(window, window.buttons[name].ax, 0.5)
        mouse(window, window.buttons[name].ax, 0.5, "button_release_event")
    assert (window.panels.images[2].get_array() != noise).any()
    found = best_fit(stamp, priors)
    assert window.state.parameters == pytest.approx(found)
    assert 10 ** window.sliders["flux"].val == pytest.approx(found["flux"])
    namespace = {}
    exec(capsys.readouterr().out, namespace)
    assert namespace["pars"] == pytest.approx(found, rel=1e-5)


def test_what_moves_is_drawn(window):
    """The blitted pixels are those of a full draw."""
    window.sliders["flux"].set_val(window.sliders["flux"].valmax)
    fast = np.asarray(window.figure.canvas.buffer_rgba()).copy()
    window.figure.canvas.draw()
    np.testing.assert_array_equal(fast, np.asarray(window.figure.canvas.buffer_rgba()))


@pytest.mark.slow
def test_the_widget(stamp, priors):
    box = play_widget(stamp, priors)
    image, sliders, line = box.children[0], box.children[1:7], box.children[-1]
    assert [slider.description for slider in sliders][2] == "flux F"
    before = bytes(image.value)
    assert before.startswith(b"\x89PNG")
    sliders[2].value = 2e-2
    assert bytes(image.value) != before
    assert '"flux": 0.02' in line.value
    again, best = box.children[7].children
    before = bytes(image.value)
    again.click()
    assert bytes(image.value) != before
    best.click()
    assert sliders[2].value == pytest.approx(best_fit(stamp, priors)["flux"], rel=1e-6)


def test_steps_that_come_together_are_drawn_once(stamp, priors, monkeypatch):
    """In a notebook's kernel, whose loop runs; oracle: the number of pictures, and the last step is the one drawn."""
    box = play_widget(stamp, priors)
    flux, line, drawn = box.children[3], box.children[-1], []
    box.children[0].observe(drawn.append, "value")

    async def drag() -> None:
        for step in range(1, 41):
            flux.value = 1e-3 * 1.1**step
        await asyncio.sleep(0.3)

    asyncio.run(drag())
    assert len(drawn) == 1
    assert f'"flux": {1e-3 * 1.1**40:.6g}' in line.value


@pytest.fixture(scope="module")
def crowded(stamp):
    """A stamp with a background map, and priors with neighbours, a slope, a gradient and an extended source."""
    mapped = dataclasses.replace(stamp, background_map=np.full(stamp.shape, 0.02), name="crowded")
    extra = {"background_dx": dist.Normal(0.0, 0.02), "psf_slope": 1.5, "extended_flux": dist.LogNormal(-5.0, 1.0)}
    extra |= {"extended_x": 104.0, "extended_y": 56.0, "extended_core": 3.0, "extended_beta": 0.6}
    return mapped, Priors.default(mapped, 110.6, 61.2, neighbours=[(115.0, 66.0), (103.0, 54.0)]).replace(
        **extra
    ).with_psf(KingPSF(1.5))


@pytest.mark.slow
def test_every_parameter_is_seen_and_has_its_slider(crowded):
    """Oracle: the model's expected counts, and SciPy's law about them."""
    stamp, priors = crowded
    window = play_window(stamp, priors)
    single = [name for name in priors if not name.startswith("neighbour")]
    assert list(window.sliders) == [*single, "exposure"]
    parameters = window.state.parameters
    assert set(parameters) == set(priors)
    np.testing.assert_allclose(parameters["neighbour_x"], [115.0, 103.0])
    window.sliders["background_norm"].set_val(math.log10(2.5))
    window.sliders["background_dx"].set_val(0.03)
    wanted = parameters | {"background_norm": 2.5, "background_dx": 0.03}
    mean = np.asarray(expected_counts(*stamp.image, psf=KingPSF(1.5), **wanted))
    seen = window.state.view()
    np.testing.assert_allclose(seen.expected, mean, rtol=1e-10)
    exposed = stamp.exposure > 0
    log_likelihood = stats.poisson.logpmf(stamp.counts, mean)[exposed].sum()
    assert seen.log_likelihood == pytest.approx(log_likelihood, rel=1e-10)
    for name in single:  # each end of each slider is a value that the model takes
        for end in (window.sliders[name].valmin, window.sliders[name].valmax):
            window.sliders[name].set_val(end)
            assert np.isfinite(window.state.view().expected).all(), name
    boxes = [slider.ax.get_window_extent() for slider in window.sliders.values()]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(window.figure.bbox.y0 <= box.y0 for box in boxes)
    namespace = {}
    exec(window.state.as_python(), namespace)
    image = stamp.exposure, stamp.x, stamp.y, namespace["pars"]
    again = generate_mock_image(*image, priors=priors, background_map=stamp.background_map)
    assert again.shape == stamp.shape
    plt.close(window.figure)


@pytest.mark.slow
def test_best_fit_moves_the_neighbours_too(crowded):
    stamp, priors = crowded
    priors = priors.replace(extended_flux=0.0, background_dx=0.0)
    window = play_window(stamp, priors)
    window.best_fit()
    found = best_fit(stamp, priors)
    for name, value in window.state.parameters.items():
        np.testing.assert_allclose(value, found[name], rtol=1e-6, atol=1e-12)
    plt.close(window.figure)
    box = play_widget(stamp, priors)
    assert len(box.children) == 1 + 13 + 1 + 2
    box.children[-2].children[1].click()
    assert f'"neighbour_x": [{found["neighbour_x"][0]:.6g}, ' in box.children[-1].value


def test_command_line(capsys, monkeypatch):
    assert main(["play", "image.fits"]) == 2
    assert "expected IMAGE and EXPOSURE, or neither" in capsys.readouterr().err
    assert main(["play", "--no-compile-cache"]) == 2
    assert "expected a screen for the window, found none" in capsys.readouterr().err


@pytest.mark.slow
def test_without_ipywidgets_it_says_so():
    code = (
        "import sys; sys.modules['ipywidgets'] = None\n"
        "from pgm_mock import InputError, Priors, demo_observation, play_widget\n"
        "stamp = demo_observation().stamp(271, 216, 3)\n"
        "try: play_widget(stamp, Priors.default(stamp))\n"
        "except InputError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "expected ipywidgets, found none" in done.stdout
