"""Pictures: what is drawn is what was given. Looking at them is still a person's work."""

import dataclasses
import io
import re
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray
from astropy.wcs import WCS

from pgm_mock import InputError, Region, compare_real_and_simulated, plot, prior_predictive
from pgm_mock.checks import STATISTICS
from pgm_mock.plot import check as check_picture
from pgm_mock.plot.axes import UNEXPOSED, scale, signed
from pgm_mock.plot.corner import interval_text
from pgm_mock.plot.smooth import smoothed_significance, smoothing_width
from pgm_mock.results import data_tree


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def posterior(stamp, priors):
    """A result as `fit` makes it, of Gaussian draws about the parameters that the stamp was simulated with."""
    rng, truth = np.random.default_rng(5), {"x_pos": 110.6, "y_pos": 61.2, "flux": 4e-3}
    spread = {"x_pos": 0.3, "y_pos": 0.3, "flux": 6e-4, "background": 1e-6, "psf_width": 0.2}
    draws = {
        name: rng.normal(value, spread[name], (2, 400))
        for name, value in (truth | {"background": 1e-5, "psf_width": 1.4}).items()
    }
    return data_tree({"posterior": draws}, stamp, priors, conditioned=True, attrs={"psf": "GaussianPSF"})


@pytest.fixture(scope="module")
def on_sky(stamp):
    """The stamp with celestial coordinates: 4 arcsec a pixel, rotated by 20 degrees."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [210.26, -2.88], [110.0, 60.0]
    turn = np.deg2rad(20.0)
    wcs.wcs.cd = 4 / 3600 * np.array([[-np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return dataclasses.replace(stamp, wcs=wcs)


def images(figure):
    return [image for axes in figure.axes for image in axes.images]


def texts(figure):
    """All that is written in a picture and its legends."""
    sky = {coordinate.get_axislabel() for axes in figure.axes for coordinate in getattr(axes, "coords", ())}
    return sky | {text.get_text() for text in figure.findobj(plt.Text)}


def assert_nothing_is_cut(figure):
    """Oracle: a letter that the figure's edge cuts blackens pixels of the edge."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=60)
    picture = plt.imread(io.BytesIO(buffer.getvalue()))[..., :3]
    for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
        assert (edge == 1.0).all()


def test_comparison_is_on_one_scale(stamp):
    mock = stamp.counts[::-1].copy()
    figure = compare_real_and_simulated(stamp.counts, mock)
    observed, simulated, difference = images(figure)
    top = stamp.counts.max()
    assert observed.get_clim() == simulated.get_clim() == (0, top)
    assert difference.get_clim() == (-top, top)
    np.testing.assert_array_equal(difference.get_array(), mock - stamp.counts)
    assert [axes.get_title() for axes in figure.axes[:3]] == ["observed", "simulated", "simulated − observed"]
    assert {"simulated − observed [counts / pixel]", "counts / pixel"} <= texts(figure)
    assert_nothing_is_cut(figure)


def test_comparison_has_the_coordinates_of_the_image(stamp):
    """The stamp begins at (101, 51); an array without coordinates at FITS pixel 1."""
    mock = stamp.counts
    here = [100.5, 121.5, 50.5, 71.5]
    for figure in (
        compare_real_and_simulated(stamp, mock),
        compare_real_and_simulated(stamp.counts, mock, stamp.x, stamp.y),
        compare_real_and_simulated(stamp.counts, mock, np.arange(101, 122), np.arange(51, 72)),
    ):
        assert [image.get_extent() for image in images(figure)] == [here] * 3
        assert [axes.get_xlabel() for axes in figure.axes[:3]] == ["x [pixel]"] * 3
    assert images(compare_real_and_simulated(stamp.counts, mock))[0].get_extent() == [0.5, 21.5, 0.5, 21.5]
    with pytest.raises(InputError, match=r"y: expected a ramp of the image's shape \(21, 21\), found \(3,\)"):
        compare_real_and_simulated(stamp.counts, mock, stamp.x, [1.0, 2.0, 3.0])


def test_comparison_of_an_empty_image_and_of_other_shapes(stamp):
    compare_real_and_simulated(0 * stamp.counts, stamp.counts)
    with pytest.raises(InputError, match=r"mock: expected an image of the data's shape \(21, 21\), found \(21, 20\)"):
        compare_real_and_simulated(stamp.counts, stamp.counts[:, 1:])


def test_field_has_sky_and_pixel_axes_and_circles_in_place(on_sky):
    figure = plot.plot_field(on_sky, [Region("A", 112.0, 60.0, 4.7), Region("off", 5000.0, 1.0, 3.0)])
    axes = figure.axes[0]
    (circle,) = axes.patches
    assert (circle.center, circle.radius) == ((112.0, 60.0), 4.7)
    (image,) = axes.images
    assert image.get_extent() == [100.5, 121.5, 50.5, 71.5]
    np.testing.assert_array_equal(np.isnan(np.ma.filled(image.get_array(), np.nan)), on_sky.exposure == 0)
    there = on_sky.wcs.pixel_to_world(112.0 - 1, 60.0 - 1)  # astropy counts pixels from 0
    assert axes.wcs.pixel_to_world(112.0, 60.0).separation(there).arcsec < 1e-6


@pytest.mark.parametrize("draw", [plot.plot_field, plot.plot_exposure, plot.plot_stamp])
def test_axes_are_labelled_and_no_label_is_cut(on_sky, draw):
    figure = draw(on_sky, [Region("a longer name", 110.0, 60.0, 3.0)])
    assert_nothing_is_cut(figure)
    assert {"right ascension", "declination", "x [pixel]", "y [pixel]"} <= texts(figure)
    (right,) = [text for text in figure.findobj(plt.Text) if text.get_text() == "y [pixel]"]
    assert right.get_rotation() == 90  # read from below, as all labels of vertical axes


def test_without_a_wcs_axes_are_pixels(stamp):
    figure = plot.plot_exposure(stamp)
    assert figure.axes[0].get_xlim() == (100.5, 121.5)
    assert figure.axes[0].get_ylim() == (50.5, 71.5)
    assert {"x [pixel]", "y [pixel]"} <= texts(figure)
    assert_nothing_is_cut(figure)


def test_names_cover_no_circle_and_no_other_name(on_sky):
    regions = [Region(f"S{n}", x, y, 2.0) for n, (x, y) in enumerate([(110, 60), (110, 64.2), (110, 68.4), (105, 62)])]
    figure = plot.plot_field(on_sky, regions)
    figure.canvas.draw()
    axes = figure.axes[0]
    boxes = [text.get_window_extent() for text in axes.texts if text.get_text().startswith("S")]
    assert len(boxes) == 4
    for n, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:n])
        for circle in axes.patches:
            corners = axes.transData.inverted().transform(box.get_points())
            nearest = np.clip(circle.center, corners.min(axis=0), corners.max(axis=0))
            assert np.hypot(*(nearest - circle.center)) > circle.radius


@pytest.mark.parametrize(
    ("size", "pixels", "length", "words"),
    [(4.0, 41, 7.5, "30″"), (4.0, 450, 75.0, "5′"), (0.5, 41, 10.0, "5″"), (15.0, 41, 8.0, "2′")],
)
def test_scale_bars_have_round_lengths(size, pixels, length, words):
    """Closed form: of the lengths in use the nearest to a fifth of the image, in ratio."""
    assert scale(size, pixels) == (length, words)


def test_gallery_shows_each_mock_on_one_scale(stamp, priors):
    mocks = prior_predictive(stamp, priors, num_samples=4, seed=0)
    figure = plot.plot_prior_predictive(mocks, rows=2, columns=3)
    shown = [image.get_array() for image in images(figure)]
    np.testing.assert_array_equal(shown, mocks["prior_predictive"]["counts"].values[0])
    assert {image.get_clim() for image in images(figure)} == {(0.0, np.max(shown))}
    assert images(figure)[0].get_extent() == [100.5, 121.5, 50.5, 71.5]
    assert figure.axes[-1].get_ylabel() == "counts / pixel"
    assert_nothing_is_cut(figure)


def test_corner_has_the_free_parameters_with_symbols_and_units(posterior):
    figure = plot.plot_corner(posterior)
    assert len(figure.axes) == 25
    assert figure.axes[20].get_xlabel() == "$x_0$ [pixel]"
    assert "ct / s" in figure.axes[22].get_xlabel()
    assert {"contour that holds 68 %", "contour that holds 95 %", "median", "ends of the central 68 %"} <= texts(figure)
    assert "truth" not in texts(figure)
    assert_nothing_is_cut(figure)


def test_corner_says_median_and_interval(posterior):
    """Oracle: the quantiles."""
    low, middle, high = np.quantile(posterior["posterior"]["y_pos"].values, (0.16, 0.5, 0.84))
    title = plot.plot_corner(posterior).axes[6].get_title()
    told = [float(number) for number in re.findall(r"-?\d+\.\d+", title.replace("_0", ""))]
    np.testing.assert_allclose(told, [middle, high - middle, low - middle], atol=0.006)


@pytest.mark.parametrize(
    ("values", "power", "told"),
    [
        ((1.0, 1.5, 2.25), 0, "1.50^{+0.75}_{-0.50}"),
        ((230.0, 232.588, 232.6), 0, "232.588^{+0.012}_{-2.588}"),
        ((4.46, 5.01, 5.58), -6, r"5.01^{+0.57}_{-0.55} \times 10^{-6}"),
        ((100.0, 1000.0, 2500.0), 0, "1000^{+1500}_{-900}"),
    ],
)
def test_titles_have_two_digits_of_the_smaller_error(values, power, told):
    assert interval_text(*values, power) == told


def test_the_truth_is_always_inside_the_axes(posterior):
    truth = {"x_pos": 90.0, "y_pos": 61.2, "flux": 0.5, "background": 1e-5, "psf_width": 40.0}
    figure = plot.plot_corner(posterior, truth)
    assert "truth" in texts(figure)
    assert sum(ax.axison for ax in figure.axes) == 15
    for ax in filter(lambda ax: ax.axison, figure.axes):
        marked = [line for line in ax.lines if line.get_color() == "C3"]
        assert len(marked) == (1 if ax.get_title() else 2)
        for line in marked:
            upright = np.ptp(line.get_xdata()) == 0
            low, high = ax.get_xlim() if upright else ax.get_ylim()
            assert low < (line.get_xdata() if upright else line.get_ydata())[0] < high


def test_posterior_image_is_the_mean_and_its_residual(on_sky, posterior):
    figure = plot.plot_posterior_image(on_sky, posterior, num_draws=50)
    observed, mean, residual, smooth = (np.ma.filled(image.get_array(), np.nan) for image in images(figure))
    exposed = on_sky.exposure > 0
    assert np.nansum(mean) == pytest.approx(on_sky.counts.sum(), abs=3 * np.sqrt(on_sky.counts.sum()))
    expected = (observed - mean) / np.sqrt(mean)
    np.testing.assert_allclose(residual[exposed], expected[exposed], rtol=1e-6)
    width = smoothing_width(mean, exposed)
    counts, model = (np.where(exposed, image, 0.0) for image in (observed, mean))
    np.testing.assert_allclose(smooth, smoothed_significance(counts, model, exposed, width), rtol=1e-6)
    assert np.isnan(residual[~exposed]).all()
    assert_nothing_is_cut(figure)


def test_posterior_image_marks_the_places_asked_for_and_found(on_sky, posterior):
    """Oracle: the default prior is about the middle of the stamp, (111, 61)."""
    figure = plot.plot_posterior_image(on_sky, posterior, num_draws=2)
    found = [np.median(posterior["posterior"][name].values) for name in ("x_pos", "y_pos")]
    panels = [axes for axes in figure.axes if axes.images]
    assert len(panels) == 4
    for axes in panels:
        marks = {line.get_label(): (line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines}
        assert marks["place found"] == pytest.approx(found)
        assert marks["place asked for"] == pytest.approx((111.0, 61.0), abs=0.1)
    assert {"place asked for", "place found"} <= texts(figure)


def test_a_result_that_does_not_say_its_priors_has_the_place_found_alone(on_sky, posterior):
    tree = posterior.copy()
    tree["constant_data"].attrs["prior_x_pos"] = "my own distribution"
    figure = plot.plot_posterior_image(on_sky, tree, num_draws=2)
    assert "place found" in texts(figure)
    assert "place asked for" not in texts(figure)


def test_smoothed_residuals_of_a_true_model_have_unit_variance(stamp):
    """Oracle: 4,000 Poisson images; the mean is 0 and the variance 1 in each pixel, at the edge and the gap as well."""
    rng, exposed = np.random.default_rng(1), stamp.exposure > 0
    mean = np.where(exposed, 0.05 + 3.0 * np.exp(-0.3 * ((stamp.x - 111) ** 2 + (stamp.y - 61) ** 2)), 0.0)
    mocks = rng.poisson(mean, (4000, *stamp.shape))
    found = np.array([smoothed_significance(mock, mean, exposed, 2.0) for mock in mocks])
    assert np.isnan(found[:, ~exposed]).all()
    for row, column in ((10, 10), (0, 0), (10, 12), (20, 5)):
        values = found[:, row, column]
        fourth = np.mean((values - values.mean()) ** 4)
        assert abs(values.mean()) < 4 * values.std() / np.sqrt(4000)
        assert abs(values.var() - 1) < 4 * np.sqrt((fourth - 1) / 4000)


def test_the_kernel_is_as_wide_as_the_counts_ask_for():
    """Closed form: 4 pi width^2 mean = 5 counts, in halves of a pixel, from 1.5 to 6."""
    exposed = np.ones((9, 9), bool)
    found = [smoothing_width(np.full((9, 9), mean), exposed) for mean in (0.0, 1e-4, 0.03, 0.1, 5.0)]
    assert found == [6.0, 6.0, 3.5, 2.0, 1.5]


@pytest.mark.parametrize(("largest", "limit"), [(0.5, 4.0), (5.5, 5.5), (300.0, 8.0)])
def test_colours_of_significances_are_about_zero(largest, limit):
    told = signed(np.array([[-0.1, largest], [np.nan, 0.0]]))
    assert (told["vmin"], told["vmax"]) == (-limit, limit)


@pytest.fixture
def checked(stamp):
    """What a check holds, made by hand: a source at (110.6, 61.2), one statistic far off, one with an outlier."""
    rng = np.random.default_rng(3)
    dx, dy = stamp.x - 110.6, stamp.y - 61.2
    mean = np.where(stamp.exposure > 0, 0.1 + 3.0 * np.exp(-(dx**2 + dy**2) / 4), 0.0)
    fitted = SimpleNamespace(
        counts=stamp.counts, mean=mean, exposed=stamp.exposure > 0, dx=dx, dy=dy, radius=np.hypot(dx, dy), width=1.4
    )
    replicated = {name: rng.normal(size=400) for name in STATISTICS}
    observed = dict.fromkeys(STATISTICS, 0.5) | {"largest_pixel": 5000.0}
    replicated["filter_peak"][7] = 300.0
    p_values = dict.fromkeys(STATISTICS, 0.3)
    said = SimpleNamespace(said="fine", p_value=0.3, fitted=fitted, p_values=p_values)
    return SimpleNamespace(observed=observed, replicated=replicated, **vars(said))


def test_each_statistic_of_a_check_has_its_unit(checked):
    assert set(check_picture.UNITS) == set(STATISTICS)
    figure = plot.plot_check(checked, "A")
    for name, statistic in STATISTICS.items():
        (ax,) = [ax for ax in figure.axes if ax.get_title().startswith(statistic.meaning + "\n")]
        assert ax.get_xlabel().startswith(check_picture.UNITS[name])
    assert_nothing_is_cut(figure)


def test_outliers_squeeze_no_histogram(checked):
    """Standard normal replicates, the observed value at 5000 or one replicate at 300: axes stay as wide as the rest."""
    figure = plot.plot_check(checked, "A")
    panels = {ax.get_title().split("\n")[0]: ax for ax in figure.axes}
    for name in ("largest_pixel", "filter_peak"):
        low, high = panels[STATISTICS[name].meaning].get_xlim()
        assert -5 < low < -2
        assert 2 < high < 5
    assert "observed: 5e+03 →" in texts(figure)
    assert "beyond" in panels[STATISTICS["filter_peak"].meaning].get_xlabel()


def test_the_profile_of_a_check_is_in_counts_per_pixel_and_arcsec(checked, on_sky, posterior):
    """Oracle: the pixels within one pixel, 4 arcsec, of the position, one by one."""
    checked.fitted.radius[checked.fitted.radius > 12] = 12.0
    tree = posterior.copy()
    tree["constant_data"].attrs["wcs"] = on_sky.wcs.to_header_string(relax=True)
    figure = plot.plot_check(checked, "A", tree)
    (profile,) = [ax for ax in figure.axes if ax.get_title() == "radial profile"]
    assert (profile.get_xlabel(), profile.get_ylabel()) == (
        "distance from the fitted position [arcsec]",
        "counts / pixel",
    )
    near = (checked.fitted.radius < 1) & checked.fitted.exposed
    (observed,) = [line for line in profile.lines if line.get_label() == "observed"]
    assert observed.get_xdata()[0] == pytest.approx(2.0)
    assert observed.get_ydata()[0] == pytest.approx(checked.fitted.counts[near].mean())
    (residual,) = [ax for ax in figure.axes if ax.get_title().startswith("residual")]
    places = {line.get_label(): (line.get_xdata()[0], line.get_ydata()[0]) for line in residual.lines}
    assert places["place found"] == pytest.approx((110.6, 61.2))
    assert places["place asked for"] == pytest.approx((111.0, 61.0), abs=0.1)
    assert residual.images[0].get_extent() == [100.5, 121.5, 50.5, 71.5]


def test_calibration_has_ticks_and_bands_above_the_bars():
    rng, names, levels = np.random.default_rng(2), ["flux", "psf_width"], [0.5, 0.9]
    found = xarray.Dataset(
        {
            "rank": (("quantity", "simulation"), rng.uniform(size=(2, 200))),
            "failed": ("simulation", np.zeros(200, bool)),
            "coverage": (("quantity", "level"), np.array([[0.52, 0.88], [0.49, 0.91]])),
            "coverage_error": ("level", np.array([0.03, 0.02])),
        },
        coords={"quantity": names, "level": levels},
        attrs={"verdict": "calibrated"},
    )
    figure = plot.plot_calibration(found)
    histogram = figure.axes[0]
    assert len(histogram.get_yticks()) > 2
    (band,) = [patch for patch in histogram.patches if patch.get_label() == "band"]
    assert all(band.get_zorder() > patch.get_zorder() for patch in histogram.patches if patch is not band)
    explained = {"99 % of the bins, if sound", "99 % of the curves, if sound", "two binomial errors"}
    assert explained <= texts(figure)
    assert_nothing_is_cut(figure)


def test_unexposed_pixels_are_grey(stamp):
    axes = plot.plot_stamp(stamp).axes[0]
    assert axes.get_facecolor() == plt.matplotlib.colors.to_rgba(UNEXPOSED)


def test_the_story_explains_its_colours_and_contours(stamp, priors, posterior):
    graph = SimpleNamespace(_repr_png_=lambda: _png(np.ones((4, 6, 3))))
    mocks = prior_predictive(stamp, priors, num_samples=4, seed=0)
    figure = plot.plot_story(stamp, stamp, graph, mocks, posterior, [Region("A", 110.0, 60.0, 3.0)])
    assert {"contour that holds 68 %", "contour that holds 95 %", "counts / pixel in 3, 4 and 6"} <= texts(figure)
    assert figure.axes[0].images[0].get_extent() == [100.5, 121.5, 50.5, 71.5]
    expected = np.ma.filled(figure.axes[5].images[0].get_array(), np.nan)
    np.testing.assert_array_equal(np.isnan(expected), stamp.exposure == 0)


def _png(picture):
    buffer = io.BytesIO()
    plt.imsave(buffer, picture)
    return buffer.getvalue()
