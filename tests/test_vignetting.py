"""What an exposure map shows: vignetting, live time and CCDs, against maps that were made with them."""

from dataclasses import replace

import numpy as np

from pgm_mock import Observation
from pgm_mock.vignetting import ccds, live_time, with_particles


def vignetted():
    """Four chips with gaps and a bad column, dimmed outwards about a place that is not the middle."""
    ny, nx = 200, 220
    x, y = np.meshgrid(np.arange(nx), np.arange(ny))
    dimming = 1 / (1 + ((x - 90) ** 2 + (y - 110) ** 2) / 110.0**2)
    live = np.ones((ny, nx))
    live[:, 40] = 0.85
    live[:, 108:112] = live[98:101, :] = 0.1
    return Observation(np.zeros((ny, nx), int), 2e4 * dimming * live), dimming, live


def test_the_live_time_is_the_exposure_without_its_vignetting():
    """Oracle: the vignetting that was put in, about a place of its own."""
    observation, dimming, live = vignetted()
    found, vignetting = live_time(observation)
    np.testing.assert_allclose(found, live, rtol=0.02)
    np.testing.assert_allclose(vignetting, dimming / dimming.max(), rtol=0.02)
    template = with_particles(observation).background_map
    np.testing.assert_allclose(template[live == 1], 0.05, rtol=0.03)
    flat = replace(observation, exposure=2e4 * live)
    assert with_particles(flat).background_map is None, "without vignetting nothing tells particles from the sky"


def test_gaps_divide_an_exposure_into_ccds():
    observation, _, _ = vignetted()
    found = ccds(observation)
    assert found.shape == observation.shape
    assert set(np.unique(found)) == {0, 1, 2, 3}
    assert len({found[20, 20], found[20, 200], found[180, 20], found[180, 200]}) == 4
    assert ccds(Observation(np.ones((50, 50), int), np.ones((50, 50)))) is None


def test_vignetting_is_seen_past_bad_columns():
    """Oracle: the vignetting that was put in."""
    row, column = np.mgrid[0:200, 0:200]
    true = 1 / (1 + (np.hypot(row - 100, column - 100) / 150) ** 2)
    exposure = 1e4 * true
    exposure[:, ::20] = 0.0
    _, found = live_time(Observation(np.zeros((200, 200), int), exposure))
    seen = exposure > 0
    np.testing.assert_allclose(found[seen], true[seen], rtol=0.01)
    assert not found[~seen].any()


def test_a_sliver_of_exposure_shows_no_vignetting():
    """A polynomial through fewer pixels than it could be judged by would call their noise the mirrors'."""
    exposure = np.zeros((80, 90))
    exposure[40, 10:80] = np.random.default_rng(0).uniform(1e3, 2e4, 70)
    observation = Observation(np.zeros((80, 90), int), exposure)
    live, vignetting = live_time(observation)
    np.testing.assert_array_equal(live, exposure)
    np.testing.assert_array_equal(vignetting, np.where(exposure > 0, 1.0, 0.0))
    assert with_particles(observation).background_map is None
