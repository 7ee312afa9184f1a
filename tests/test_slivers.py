"""Slivers of exposure. Oracle: a loop over all pixels and their neighbours, and arithmetic by hand."""

import warnings

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pgm_mock import DataWarning, InputError, Observation
from pgm_mock.slivers import without_slivers


def by_hand(exposure, share):
    thin = np.zeros(exposure.shape, bool)
    for row, column in np.ndindex(exposure.shape):
        around = exposure[max(row - 4, 0) : row + 5, max(column - 4, 0) : column + 5]
        thin[row, column] = 0 < exposure[row, column] < share * around.max()
    return thin


maps = arrays(float, (7, 13), elements=st.sampled_from([0.0, 1.0, 3.0, 65.0, 300.0, 18_000.0]))


@settings(deadline=None)
@given(maps, st.sampled_from([0.0, 0.1, 0.25, 0.9]))
def test_it_is_the_loop_over_pixels_and_a_second_time_takes_nothing(exposure, share):
    counts = np.arange(exposure.size).reshape(exposure.shape) * (exposure > 0)
    thin = by_hand(exposure, share)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        left, exposed, taken = without_slivers(counts, exposure, share, "image")
    np.testing.assert_array_equal(exposed, np.where(thin, 0, exposure))
    np.testing.assert_array_equal(left, np.where(thin, 0, counts))
    assert (taken.pixels, taken.counts) == (thin.sum(), counts[thin].sum())
    assert without_slivers(left, exposed, share, "image")[2][:2] == (0, 0)


@pytest.fixture
def edge(tmp_path):
    """A detector that ends at column 6, where the pointing's drift left one column exposed for 65 s of 18,000 s."""
    exposure = np.zeros((9, 9))
    exposure[:, :6], exposure[:, 6] = 18_000.0, 65.0
    counts = np.ones((9, 9), int) * (exposure > 0)
    for name, image in (("image.fits", counts), ("exposure.fits", exposure), ("map.fits", np.ones((9, 9)))):
        fits.writeto(tmp_path / name, image)
    return [tmp_path / name for name in ("image.fits", "exposure.fits", "map.fits")]


def test_reading_takes_them_where_it_is_asked_to(edge):
    image, exposure, behind = edge
    assert Observation.read(image, exposure).counts.sum() == 63
    said = r"image\.fits: 9 counts on 9 pixels with less than 25% of the exposure around them: left out"
    with pytest.warns(DataWarning, match=said):
        observation = Observation.read(image, exposure, background_map=behind, min_exposure=0.25)
    assert observation.slivers == (9, 9, 0.25)
    assert (observation.counts.sum(), observation.left_out) == (54, 0)
    assert np.all(observation.exposure[:, 6] == 0)
    assert observation.background_map.sum() == 54
    assert observation.stamp(3, 3, 2).slivers.pixels == 0


def test_nothing_is_said_where_no_counts_are_lost(edge):
    image, exposure, _ = edge
    fits.writeto(image, np.zeros((9, 9), int), overwrite=True)
    assert Observation.read(image, exposure, min_exposure=0.25).slivers.pixels == 9


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_that_is_none(edge, share):
    with pytest.raises(InputError, match="min_exposure: expected a share from 0 to below 1, found"):
        Observation.read(*edge[:2], min_exposure=share)


def test_few_of_the_real_image_are_slivers(real_files):
    """Oracle: the loop, on the whole real exposure map, its empty part left away."""
    whole = Observation.read(*real_files)
    with pytest.warns(DataWarning, match="16 counts on 2,356 pixels"):
        cleaned = Observation.read(*real_files, min_exposure=0.25)
    rows = slice(200, 320)
    thin = by_hand(whole.exposure[rows], 0.25)[4:-4]
    np.testing.assert_array_equal((whole.exposure - cleaned.exposure)[rows][4:-4] > 0, thin)
    assert whole.counts.sum() - cleaned.counts.sum() == 16
