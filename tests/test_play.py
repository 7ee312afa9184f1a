"""Play: the pure view, the window under synthetic mouse events, the widget. Oracles: SciPy, the model's functions."""

import math
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backend_bases import MouseButton, MouseEvent

from pgm_mock import InputError, Priors, best_fit, expected_counts, fit, play_widget, play_window
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


def test_command_line(capsys, monkeypatch):
    assert main(["play", "image.fits"]) == 2
    assert "expected IMAGE and EXPOSURE, or neither" in capsys.readouterr().err
    assert main(["play", "--no-compile-cache"]) == 2
    assert "expected a screen for the window, found none" in capsys.readouterr().err


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
