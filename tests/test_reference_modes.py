"""The reference posteriors of stamps with several sources. Oracle: draws from the prior, weighted by the likelihood."""

import numpy as np
import pytest
from scipy import optimize

from tests.reference.modes import (
    BIN,
    FIRST_STEPS,
    KINDS,
    MARGIN,
    SEED,
    Cells,
    Prior,
    Stamp,
    add_gaussian,
    bins,
    make_mock,
    posterior,
    regions_of,
)


def two_sources():
    """A stamp of 13 x 13 pixels with a gap, and a source of like counts on either side of its middle."""
    image = np.full((41, 41), 0.05)
    for x, y in ((3.0, 7.0), (11.0, 7.5)):
        add_gaussian(image, x, y, 10.0, 1.0)
    exposure = np.full((13, 13), 1e4)
    exposure[:, 1] = 0.0
    counts = np.random.default_rng(5).poisson(image[:13, :13] * exposure / 1e4)
    return Stamp(counts, exposure, Prior.default(exposure, 7.0, 7.0))


@pytest.mark.slow
def test_the_paved_posterior_is_that_of_weighted_prior_draws():
    stamp = two_sources()
    rng = np.random.default_rng(1)
    theta = stamp.prior.mean + stamp.prior.sd * rng.standard_normal((3_000_000, 5))
    likelihood = stamp.log_likelihood(theta)
    weight = np.exp(likelihood - likelihood.max())
    log_evidence = likelihood.max() + np.log(weight.mean())
    weight /= weight.sum()
    ess = 1 / np.sum(weight**2)
    assert ess > 2000
    found = posterior(stamp, 2)
    assert found["ln_evidence"] == pytest.approx(log_evidence, abs=4 * np.hypot(ess**-0.5, found["ln_evidence_se"]))
    mean = weight @ theta
    sd = np.sqrt(weight @ (theta - mean) ** 2)
    error = sd * np.sqrt(1 / ess + 1 / found["ess"])
    np.testing.assert_array_less(np.abs(found["mean"] - mean), 4 * error)
    np.testing.assert_array_less(np.abs(found["sd"] - sd), 6 * error)
    labels = found["labels"]
    column, row = (np.floor((theta[:, axis] - 0.5 + MARGIN) / BIN).astype(int) for axis in (0, 1))
    inside = (column >= 0) & (row >= 0) & (column < labels.shape[1]) & (row < labels.shape[0])
    share = np.bincount(labels[row[inside], column[inside]], weight[inside])
    assert len(found["summits"]) > 1
    for number, (_, _, expected) in enumerate(found["summits"]):
        assert share[number] == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) * (2 / ess)))


def test_summits_and_their_shares():
    """Two normal clouds ten pixels apart have the shares of their draws, and are two; one cloud is one."""
    rng = np.random.default_rng(3)
    one, other = rng.normal((8, 9), 1.0, (6000, 2)), rng.normal((18, 9), 1.0, (2000, 2))
    edges = bins(np.arange(1, 26))
    both = np.concatenate([one, other])
    labels, summits = regions_of(*both.T, np.full(8000, 1 / 8000), edges, edges)
    large = summits[summits[:, 2] > 0.01]
    np.testing.assert_allclose(large[:, 2], [0.75, 0.25], atol=0.005)
    np.testing.assert_allclose(large[:, :2], [[8, 9], [18, 9]], atol=1.0)
    assert labels.shape == (len(edges) - 1,) * 2
    _, alone = regions_of(*one.T, np.full(6000, 1 / 6000), edges, edges)
    assert alone[0, 2] > 0.99


def test_inner_fits_of_something_wide_arrive():
    """The best flux and background for a source as wide as a ring of four bright ones are SciPy's."""
    counts, exposure, _ = make_mock("ring", [SEED, 65])
    stamp = Stamp(counts, exposure, Prior.default(exposure, 21.0, 21.0))
    place = {"x": 20.9, "y": 21.8, "s": 2.3}
    nothing = np.zeros(1)
    start = {"flux": nothing + np.log(10 / 1e4), "background": nothing + np.log(counts.sum() / exposure.sum())}
    cells = Cells(
        **{name: nothing + value for name, value in place.items()},
        **start,
        half=nothing + 0.5,
        half_s=nothing + 0.1,
        height=nothing,
        counts=nothing,
        curvature=np.zeros((1, 3)),
    )
    found = stamp.inner_fits(cells, FIRST_STEPS)

    def loss(logs):
        theta = np.array([[place["x"], place["y"], *logs, place["s"]]])
        return -(stamp.log_likelihood(theta) + stamp.prior.log_density(theta))[0]

    best = optimize.minimize(loss, (-2.0, -12.0), method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-9})
    np.testing.assert_allclose([found.flux[0], found.background[0]], best.x, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_mocks_hold_what_they_say(kind):
    counts, exposure, said = make_mock(kind, 5)
    assert counts.shape == exposure.shape == (41, 41)
    assert not counts[exposure == 0].any()
    np.testing.assert_array_equal(make_mock(kind, 5)[0], counts)
    background = float(said.split("background ")[1].split(",")[0])
    assert counts.sum() > 0.5 * background * (exposure > 0).sum()
