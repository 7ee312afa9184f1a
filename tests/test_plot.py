"""Pictures: what is drawn is what was given. Looking at them is still a person's work."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from pgm_mock import InputError, Region, compare_real_and_simulated, fit, plot, prior_predictive


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def posterior(stamp, priors):
    return fit(stamp, priors, num_chains=2, num_warmup=200, num_samples=200)


def images(figure):
    return [image for axes in figure.axes for image in axes.images]


def test_comparison_is_on_one_scale(stamp):
    mock = stamp.counts[::-1].copy()
    figure = compare_real_and_simulated(stamp.counts, mock)
    observed, simulated, difference = images(figure)
    top = stamp.counts.max()
    assert observed.get_clim() == simulated.get_clim() == (0, top)
    assert difference.get_clim() == (-top, top)
    np.testing.assert_array_equal(difference.get_array(), mock - stamp.counts)
    assert [axes.get_title() for axes in figure.axes[:3]] == ["Observed", "Simulated", "Difference"]


def test_comparison_of_an_empty_image_and_of_other_shapes(stamp):
    compare_real_and_simulated(0 * stamp.counts, stamp.counts)
    with pytest.raises(InputError, match=r"mock: expected an image of the data's shape \(21, 21\), found \(21, 20\)"):
        compare_real_and_simulated(stamp.counts, stamp.counts[:, 1:])


def test_field_has_sky_and_pixel_axes_and_circles_in_place(real):
    figure = plot.plot_field(real, [Region("A", 232.0, 399.0, 9.7), Region("off", 5000.0, 1.0, 3.0)])
    axes = figure.axes[0]
    (circle,) = axes.patches
    assert (circle.center, circle.radius) == ((231.0, 398.0), 9.7)
    shown = axes.images[0].get_array()
    assert shown[398, 231] == real.counts[398, 231]
    assert bool(np.ma.getmaskarray(np.ma.masked_invalid(shown))[0, 0])
    sky = axes.wcs.pixel_to_world(231, 398)
    assert sky.separation(real.wcs.pixel_to_world(231, 398)).arcsec < 1e-6


def test_stamp_draws_circles_and_sky_where_they_are(real):
    stamp = real.stamp(232, 399)
    axes = plot.plot_stamp(stamp, [Region("A", 234.0, 399.0, 9.7)]).axes[0]
    assert axes.patches[0].center == (22.0, 20.0)
    assert axes.wcs.pixel_to_world(22, 20).separation(real.wcs.pixel_to_world(233, 398)).arcsec < 1e-6


def test_without_a_wcs_axes_are_pixels(stamp):
    axes = plot.plot_exposure(stamp).axes[0]
    world = axes.wcs.wcs_pix2world([[0, 0], [20, 10]], 0)
    np.testing.assert_allclose(world, [[101, 51], [121, 61]])


def test_gallery_shows_each_mock(stamp, priors):
    mocks = prior_predictive(stamp, priors, num_samples=4, seed=0)
    figure = plot.plot_prior_predictive(mocks, rows=2, columns=3)
    shown = [image.get_array() for image in images(figure)]
    np.testing.assert_array_equal(shown, mocks["prior_predictive"]["counts"].values[0])


def test_corner_has_the_free_parameters_with_symbols_and_units(posterior):
    figure = plot.plot_corner(
        posterior, truth=dict.fromkeys(("x_pos", "y_pos", "flux", "background", "psf_width"), 1.0)
    )
    assert len(figure.axes) == 25
    assert figure.axes[20].get_xlabel() == "$x_0$ [pixel]"
    assert "ct / s" in figure.axes[22].get_xlabel()


def test_posterior_image_is_the_mean_and_its_residual(stamp, posterior):
    figure = plot.plot_posterior_image(stamp, posterior, num_draws=50)
    observed, mean, residual = (np.ma.filled(image.get_array(), np.nan) for image in images(figure))
    assert np.nansum(mean) == pytest.approx(stamp.counts.sum(), abs=3 * np.sqrt(stamp.counts.sum()))
    expected = (observed - mean) / np.sqrt(mean)
    np.testing.assert_allclose(residual[stamp.exposure > 0], expected[stamp.exposure > 0], rtol=1e-6)
    assert np.isnan(residual[stamp.exposure == 0]).all()
