"""What else is in a stamp. Oracle: mocks by NumPy, with a second source or without, and closed forms."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from pgm_mock import GaussianPSF, Observation
from pgm_mock.inference.beside import another_source, light_held
from pgm_mock.inference.falsealarm import LEAST_CHANCE, _tail
from pgm_mock.summary import _chance

PARAMETERS = {"x_pos": 21.0, "y_pos": 21.0, "psf_width": 1.5, "flux": 3e-3}


def light(x, y, width=1.5):
    across, up = (np.diff(stats.norm.cdf(np.arange(0.5, 42.0), place, width)) for place in (x, y))
    return up[:, None] * across


def mock(seed, second=0.0, at=(33.0, 30.0)):
    mean = 1e4 * (3e-3 * light(21.0, 21.0) + second * light(*at)) + 0.1
    counts = np.random.default_rng(seed).poisson(mean)
    return Observation(counts=counts, exposure=np.full((41, 41), 1e4)), 1e4 * 3e-3 * light(21.0, 21.0) + 0.1


def test_a_second_source_is_told_with_its_place():
    said = another_source(*mock(1, second=5e-3), GaussianPSF(), PARAMETERS)
    assert said.startswith("the model lacks a source near x=33 y=30 (ln likelihood ratio ")


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_no_second_source(seed):
    assert another_source(*mock(seed), GaussianPSF(), PARAMETERS) == ""


def test_what_is_within_five_pixels_is_the_sources_own():
    assert another_source(*mock(1, second=5e-3, at=(24.0, 23.0)), GaussianPSF(), PARAMETERS) == ""


def test_light_that_falls_on_no_exposed_pixel():
    stamp, _ = mock(0)
    half = dataclasses.replace(stamp, exposure=np.where(stamp.x < 21, 1e4, 0.0), counts=np.zeros((41, 41), int))
    assert light_held(stamp, GaussianPSF(), PARAMETERS) == pytest.approx(1.0, abs=1e-6)
    assert light_held(half, GaussianPSF(), PARAMETERS) == pytest.approx(stats.norm.cdf(-0.5 / 1.5), abs=1e-6)


def test_no_chance_is_told_below_what_a_tail_can_say():
    ratios = np.random.default_rng(0).chisquare(3, 55) / 2
    assert _tail(2000.0, ratios, 3) == LEAST_CHANCE
    assert _chance(LEAST_CHANCE) == "below 1e-16"
    assert _chance(0.0123) == "0.01"
