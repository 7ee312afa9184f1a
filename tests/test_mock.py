"""Mock images: their law, their shape, and that a seed means something. Oracle: SciPy and closed forms."""

import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats

from pgm_mock import (
    InputError,
    Observation,
    Priors,
    draw_parameters,
    expected_counts,
    generate_mock_image,
    prior_predictive,
)
from pgm_mock.scene import Scene

PARS = {"x_pos": 110.6, "y_pos": 61.2, "flux": 2e-2, "background": 3e-5, "psf_width": 1.4}


def test_mock_is_integers_of_the_exposures_shape_without_counts_in_the_gap(stamp):
    image = generate_mock_image(stamp.exposure, stamp.x, stamp.y, PARS | {"background": 1.0}, seed=1)
    assert image.shape == stamp.shape
    assert np.issubdtype(image.dtype, np.integer)
    assert np.all(image[stamp.exposure == 0] == 0)
    assert np.all(image[stamp.exposure > 0] > 0)


def test_mocks_are_poisson_about_the_expected_counts(stamp):
    """Chi-square of 400 summed mocks against their mean, and the variance-to-mean ratio."""
    fixed = Priors(**PARS)
    mocks = prior_predictive(stamp, fixed, num_samples=400, seed=2)["prior_predictive"]["counts"].values[0]
    mean = np.asarray(expected_counts(stamp.exposure, stamp.columns, stamp.rows, **PARS))
    exposed = mean > 0
    total = mocks.sum(axis=0)[exposed]
    chi_square = np.sum((total - 400 * mean[exposed]) ** 2 / (400 * mean[exposed]))
    assert 1e-4 < stats.chi2.sf(chi_square, exposed.sum()) < 1 - 1e-4
    dispersion = np.sum((mocks[:, exposed] - mean[exposed]) ** 2 / mean[exposed]) / (400 * exposed.sum())
    spread = np.sqrt((2 + 1 / mean[exposed]).mean() / (400 * exposed.sum()))
    assert abs(dispersion - 1) < 5 * spread


def test_full_field(real):
    image = generate_mock_image(real.exposure, real.x, real.y, PARS | {"x_pos": 300.0, "y_pos": 300.0}, seed=1)
    assert image.shape == (648, 648)
    assert np.all(image[real.exposure == 0] == 0)
    expected = 3e-5 * real.exposure.sum()
    assert image.sum() == pytest.approx(expected + 2e-2 * 28e3, abs=6 * np.sqrt(expected))


def test_parameters_follow_their_priors(priors):
    draws = [draw_parameters(priors, seed=seed) for seed in range(400)]
    assert list(draws[0]) == Scene().needed
    assert all(isinstance(value, float) for value in draws[0].values())
    flux = np.log([draw["flux"] for draw in draws])
    assert stats.kstest(flux, stats.norm(float(priors["flux"].loc), 2.0).cdf).pvalue > 1e-4
    x_pos = [draw["x_pos"] for draw in draws]
    assert stats.kstest(x_pos, stats.norm(111.0, 2.0).cdf).pvalue > 1e-4
    assert abs(stats.spearmanr(flux, x_pos).statistic) < 0.2


def test_prior_predictive_has_arviz_groups(stamp, priors):
    mocks = prior_predictive(stamp, priors.replace(psf_width=1.3), num_samples=7, seed=0)
    assert set(mocks.children) == {"prior", "prior_predictive"}
    counts = mocks["prior_predictive"]["counts"]
    assert counts.dims == ("chain", "draw", "y", "x")
    assert counts.shape == (1, 7, *stamp.shape)
    np.testing.assert_array_equal(counts.coords["x"], stamp.x[0])
    np.testing.assert_array_equal(counts.coords["y"], stamp.y[:, 0])
    assert np.all(mocks["prior"]["psf_width"].values == 1.3)
    assert mocks["prior"]["flux"].attrs["units"] == "ct / s"
    assert counts.attrs["units"] == "ct / pix"
    assert not any(np.isnan(variable.values).any() for variable in mocks["prior"].data_vars.values())


def test_counts_agree_with_the_parameters_beside_them(stamp, priors):
    mocks = prior_predictive(stamp, priors, num_samples=300, seed=0)
    flux, background = mocks["prior"]["flux"].values[0], mocks["prior"]["background"].values[0]
    totals = mocks["prior_predictive"]["counts"].values[0].sum(axis=(1, 2))
    assert stats.spearmanr(totals, flux * 1e4 + background * stamp.exposure.sum()).statistic > 0.95


def test_same_seed_same_numbers_and_another_seed_others(stamp, priors):
    for draw in (
        lambda seed: generate_mock_image(stamp.exposure, stamp.x, stamp.y, PARS, seed=seed),
        lambda seed: np.array(list(draw_parameters(priors, seed=seed).values())),
        lambda seed: prior_predictive(stamp, priors, num_samples=3, seed=seed)["prior_predictive"]["counts"].values,
    ):
        np.testing.assert_array_equal(draw(5), draw(5))
        assert np.any(draw(5) != draw(6))
        assert np.any(draw(None) != draw(None))


def test_numpys_global_generator_is_never_touched(stamp):
    np.random.seed(3)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    generate_mock_image(stamp.exposure, stamp.x, stamp.y, seed=None)
    assert np.random.random() == expected  # noqa: NPY002


def test_missing_parameters_are_drawn(stamp):
    near = Priors.default(stamp).replace(flux=dist.Uniform(10.0, 11.0))
    image = generate_mock_image(stamp.exposure, stamp.x, stamp.y, {"x_pos": 105.0, "y_pos": 55.0}, priors=near, seed=3)
    row, column = np.unravel_index(image.argmax(), image.shape)
    assert abs(stamp.x[0, column] - 105) <= 1
    assert abs(stamp.y[row, 0] - 55) <= 1


def test_what_only_the_priors_have_is_drawn_too(stamp):
    """A gradient, a map's normalisation or a slope that is fixed was left out where `pars` had all that is needed."""
    priors = Priors.default(stamp).replace(background=2e-5, background_dx=0.1, background_dy=0.0)
    pars = {name: value for name, value in draw_parameters(priors, seed=1).items() if "_d" not in name}
    image = stamp.exposure, stamp.columns, stamp.rows
    whole = generate_mock_image(*image, priors=priors, seed=1)
    np.testing.assert_array_equal(generate_mock_image(*image, pars, priors=priors, seed=1), whole)
    assert (generate_mock_image(*image, pars, seed=1) != whole).any()


def test_bad_input_is_named(stamp, priors):
    image = (stamp.exposure, stamp.x, stamp.y)
    with pytest.raises(InputError, match=r"pars: expected x_pos, y_pos, .* found fluxx"):
        generate_mock_image(*image, {"fluxx": 1.0})
    with pytest.raises(InputError, match=r"flux: expected a value ≥ 0, found -1"):
        generate_mock_image(*image, PARS | {"flux": -1.0})
    with pytest.raises(InputError, match="flux: expected a value ≥ 0, found nan"):
        generate_mock_image(*image, PARS | {"flux": float("nan")})
    with pytest.raises(InputError, match=r"xs: expected the shape \(21, 21\) of exptime, found \(21, 19\)"):
        generate_mock_image(stamp.exposure, stamp.x[:, :-2], stamp.y)
    with pytest.raises(InputError, match="exptime: expected exposures that are finite"):
        generate_mock_image(-stamp.exposure, stamp.x, stamp.y)
    with pytest.raises(InputError, match="num_samples: expected at least 1, found 0"):
        prior_predictive(stamp, priors, num_samples=0)
    for seed in (-1, 2**32, 1.5, True, "one"):
        with pytest.raises(InputError, match="seed: expected a whole number"):
            draw_parameters(priors, seed=seed)


def test_a_pixel_of_one_by_one(priors):
    tiny = Observation(counts=[[3]], exposure=[[10.0]])
    assert generate_mock_image(tiny.exposure, tiny.x, tiny.y, seed=0).shape == (1, 1)
