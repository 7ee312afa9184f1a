"""Detection: the map against SciPy, the fits against SciPy, whole searches on images that NumPy drew."""

import dataclasses
import warnings

import numpy as np
import pytest
from scipy import ndimage, optimize, stats

import pgm_mock
from pgm_mock.detection import compare, detect, kinds, sensitivity, write_detection, write_sensitivity
from pgm_mock.detection.amplitudes import fit_amplitudes
from pgm_mock.detection.background import BackgroundModel, smoothed
from pgm_mock.detection.extended import Ellipse, half_light_radius
from pgm_mock.detection.falsealarms import TAIL, FalseAlarms, tail_of
from pgm_mock.detection.fieldpsf import FieldPSF
from pgm_mock.detection.jointfit import refit, standard_errors
from pgm_mock.detection.kinds import Stamp, seen_through
from pgm_mock.detection.odds import odds_of
from pgm_mock.detection.pointsources import PointSources
from pgm_mock.detection.ratiomap import HALF, RatioMap
from pgm_mock.power import detection_probability, flux_detected
from pgm_mock.psf import GaussianPSF, KingPSF, SumOfGaussians, gaussians_of_king
from pgm_mock.resources import resource
from pgm_mock.sampler import certified
from pgm_mock.slivers import without_hot_pixels

SIZE, SKY, EXPOSURE = 120, 0.1, 1e4
CORE, SLOPE = 1.2, 1.5
KING = KingPSF(SLOPE, CORE)


def king(x, y, shape=(SIZE, SIZE), core=CORE, slope=SLOPE):
    """Share of a source's light in each pixel: the mean of the formula over 11 x 11 points."""
    fine = (np.arange(11) - 5) / 11
    across, up = (
        (np.arange(1.0, n + 1)[:, None] + fine - at).ravel() for n, at in zip(shape[::-1], (x, y), strict=True)
    )
    light = (1 + (across[None, :] ** 2 + up[:, None] ** 2) / core**2) ** -slope
    return light.reshape(shape[0], 11, shape[1], 11).mean(axis=(1, 3)) * (slope - 1) / (np.pi * core**2)


def mock(sources=(), seed=0, shape=(SIZE, SIZE), gap=True, more=0.0):
    """An image with a chip gap, a sky, and sources (x, y, counts)."""
    exposure = np.full(shape, EXPOSURE)
    if gap:
        exposure[:, 70:73] = 0.0
    mean = SKY + more + sum((counts * king(x, y, shape) for x, y, counts in sources), np.zeros(shape))
    counts = np.random.default_rng(seed).poisson(np.where(exposure > 0, mean, 0.0))
    return pgm_mock.Observation(counts, exposure, name="mock")


def test_the_map_is_what_scipy_finds():
    image = mock([(40.0, 60.0, 60.0), (90.3, 30.2, 400.0)])
    psf = FieldPSF.of(image, KING)
    ratio_map = RatioMap(image.exposure, psf)
    mean = SKY * image.exposure / EXPOSURE * np.linspace(0.5, 1.5, SIZE)
    found = ratio_map(image.counts, mean)
    places = [(60, 40), (59, 39), (29, 89), (30, 69), (30, 73), (0, 0), (119, 119), (10, 100), (75, 20)]
    for row, column in places:
        box = np.s_[max(row - HALF, 0) : row + HALF + 1, max(column - HALF, 0) : column + HALF + 1]
        light = (
            psf.light(np.arange(1.0, SIZE + 1), np.arange(1.0, SIZE + 1), column + 1.0, row + 1.0) * image.exposure
        )[box]
        number, behind = image.counts[box], mean[box]
        lit = number > 0

        def loss(flux, lit=lit, number=number, light=light, behind=behind):
            return flux * light.sum() - number[lit] @ np.log1p(flux * light[lit] / behind[lit])

        best = optimize.minimize_scalar(loss, bounds=(0.0, 0.1), method="bounded", options={"xatol": 1e-12})
        assert ratio_map.seen[row, column] == pytest.approx(light.sum(), rel=1e-9)
        assert found.gain[row, column] == pytest.approx(max(-best.fun, 0.0), abs=1e-4)
        assert found.flux[row, column] == pytest.approx(best.x if best.fun < 0 else 0.0, rel=1e-3, abs=1e-8)


def test_the_map_follows_the_psf_over_the_field():
    image = mock(gap=False)
    narrow, wide = KingPSF(SLOPE, 1.0), KingPSF(SLOPE, 3.0)
    number = np.zeros((4, 4), int)
    number[:, 2:] = 1
    field = FieldPSF((narrow, wide), number, (1, 1))
    both = RatioMap(image.exposure, field)
    mean = np.full(image.shape, SKY)
    for psf, columns in ((narrow, np.s_[:, :64]), (wide, np.s_[:, 64:])):
        alone = RatioMap(image.exposure, FieldPSF.of(image, psf))
        np.testing.assert_allclose(both.seen[columns], alone.seen[columns], rtol=1e-9)
        np.testing.assert_array_equal(both(image.counts, mean).gain[columns], alone(image.counts, mean).gain[columns])


def test_amplitudes_are_at_the_largest_likelihood():
    rng = np.random.default_rng(3)
    basis = rng.uniform(0.0, 1.0, (4, 300))
    basis[3] = 1.0 / np.arange(1, 301)  # what the data do not have
    fixed = rng.uniform(0.0, 0.2, 300)
    counts = rng.poisson(np.array([2.0, 0.5, 3.0, 0.0]) @ basis + fixed)
    lit = counts > 0
    found = fit_amplitudes(counts[lit].astype(float), basis[:, lit], basis.sum(1), fixed[lit])

    def loss(a):
        return a @ basis.sum(1) - counts[lit] @ np.log(a @ basis[:, lit] + fixed[lit])

    best = optimize.minimize(loss, np.ones(4), bounds=[(0, None)] * 4, method="L-BFGS-B", options={"ftol": 1e-14})
    assert loss(found) <= best.fun + 1e-4
    assert (found >= 0).all()


def test_sources_are_fitted_jointly():
    """Two sources four pixels apart: SciPy's simplex climbs no higher; errors are those of its Hessian's scatter."""
    image = mock([(40.2, 50.4, 120.0), (43.9, 51.1, 90.0)], gap=False)
    mean = np.full(image.shape, SKY)
    psf = FieldPSF.of(image, KING)
    start = PointSources.none(image.exposure, psf).adding(
        np.array([40.0, 44.0]), np.array([50.0, 51.0]), np.full(2, 0.01)
    )
    found = refit(start, image.counts, mean, 20)
    ramp = np.arange(1.0, SIZE + 1)

    def loss(p):
        light = sum(np.exp(p[3 * k + 2]) * psf.light(ramp, ramp, p[3 * k], p[3 * k + 1]) for k in (0, 1)) * EXPOSURE
        total = (mean + light)[found.box([0, 1])]
        return float(total.sum() - image.counts[found.box([0, 1])].ravel() @ np.log(total).ravel())

    here = np.column_stack([found.x, found.y, np.log(found.flux)]).ravel()
    best = optimize.minimize(loss, here, method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-5, "maxfev": 2000})
    assert loss(here) - best.fun < 5e-3
    errors = standard_errors(found, image.counts, mean)
    off = np.column_stack([found.x - [40.2, 43.9], found.y - [50.4, 51.1]])
    assert (np.abs(off / errors[:, 1:]) < 4).all()
    assert (np.abs(np.log(found.flux * EXPOSURE / [120.0, 90.0])) < 4 * errors[:, 0]).all()


def test_smoothing_on_a_coarse_grid_is_smoothing():
    rng = np.random.default_rng(1)
    image = rng.poisson(3.0, (121, 203)).astype(float)
    fine = ndimage.gaussian_filter(image, 18.0, mode="constant")
    inside = np.s_[4:-4, 4:-4]  # at the edge both of a ratio's images are off alike
    np.testing.assert_allclose(16 * fine[inside], smoothed(image, 18.0)[inside], rtol=0.04)


def test_half_of_the_light():
    assert half_light_radius(np.array([3.0]), np.array([2.0])) == pytest.approx(3.0 * np.sqrt(2 * np.log(2)))
    ring = Ellipse(20.0, 30.0, 0.5, 0.3, np.array([4.0]))
    image = ring.images(np.arange(80.0)[None, :], np.arange(80.0)[:, None])[0]
    assert image.sum() == pytest.approx(1.0, abs=1e-3)


def test_the_tail_of_false_alarms():
    rng = np.random.default_rng(2)
    found = tail_of(TAIL + rng.exponential(1 / 1.2, 4000) - 0.5, 100)
    above = 4000 * np.exp(-1.2 * 0.5) / 100
    assert found.number == pytest.approx(above, rel=0.05)
    assert found.slope == pytest.approx(1.2, rel=0.05)
    assert found.expected(found.threshold(0.5)) == pytest.approx(0.5)
    assert FalseAlarms(10.0, 1.0, 5.5, 100, 10).error(5.5) == pytest.approx(0.1)


@pytest.fixture(scope="module")
def found():
    sources = [(30.3, 40.6, 60.0), (95.0, 90.2, 300.0), (30.0, 95.0, 35.0), (100.0, 25.0, 100.0), (104.0, 25.5, 100.0)]
    image = mock(sources, seed=5)
    return image, np.array(sources), detect(image, psf=KING, num_mocks=6, odds=False)


def test_sources_are_found(found):
    _, true, detection = found
    table = detection.table
    x, y = table["X_IMA"].value, table["Y_IMA"].value
    apart = np.hypot(x[:, None] - true[:, 0], y[:, None] - true[:, 1])
    assert (apart.min(axis=0) < 1.5).all()
    own = apart.argmin(axis=0)
    assert len(set(own)) == len(true)  # the pair is two
    rate, error = table["RATE"].value[own], table["RATE_ERR"].value[own]
    assert (np.abs(rate * EXPOSURE - true[:, 2]) < 4 * error * EXPOSURE).all()
    assert (table["LN_RATIO"] >= detection.threshold).all()
    assert (np.diff(table["LN_RATIO"]) <= 0).all()
    np.testing.assert_allclose(table["CTS"].value[own], true[:, 2], rtol=0.5)
    assert f"{len(table)} sources above" in detection.line()
    assert len(table) - len(true) <= 2
    assert detection.expected_false == pytest.approx(0.5)


def test_what_is_written_is_read_back(found, tmp_path):
    from astropy.io import fits
    from astropy.table import QTable
    from astropy.wcs import WCS

    _, _, detection = found
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crpix, wcs.wcs.crval, wcs.wcs.cdelt = (
        ["RA---TAN", "DEC--TAN"],
        [60, 60],
        [150.0, 2.0],
        [-1e-3, 1e-3],
    )
    with_sky = dataclasses.replace(detection, observation=dataclasses.replace(detection.observation, wcs=wcs))
    paths = write_detection(with_sky, tmp_path)
    assert all(path.exists() for path in paths)
    for name in ("sources.txt", "sources.reg", "sources_icrs.reg"):
        regions = pgm_mock.read_regions(tmp_path / name, with_sky.observation)
        for one, region in zip(detection.regions, regions, strict=True):
            assert (region.x, region.y) == pytest.approx((one.x, one.y), abs=2e-3)
            assert region.radius == pytest.approx(one.radius, rel=5e-3)
    for name in ("sources.ecsv", "sources.fits"):
        table = QTable.read(tmp_path / name)
        np.testing.assert_allclose(table["LN_RATIO"], with_sky.table["LN_RATIO"])
    sky = wcs.pixel_to_world(with_sky.table["X_IMA"].value - 1, with_sky.table["Y_IMA"].value - 1)
    np.testing.assert_allclose(table["RA"].value, sky.ra.deg)
    assert table.meta["CREATOR"].startswith("pgm_mock ")
    assert table.meta["SEED"] == 0
    ratio = np.where(detection.observation.exposure > 0, detection.ratio.gain, np.nan)
    for name, image_of in (("ratio", ratio), ("behind", detection.found.fitted.mean)):
        with fits.open(tmp_path / f"{name}.fits") as hdus:
            np.testing.assert_allclose(hdus[0].data, image_of, rtol=1e-5)
            assert hdus[0].header["LTHRESH"] == pytest.approx(detection.threshold)
            assert hdus[0].header["CONTENT"]
            assert WCS(hdus[0].header).wcs.crval[0] == 150.0


def test_an_extended_source_is_modelled_not_listed(tmp_path):
    x, y = np.meshgrid(np.arange(1.0, SIZE + 1), np.arange(1.0, SIZE + 1))
    beta = 6.0 * (1 + ((x - 60.0) ** 2 + (y - 58.0) ** 2) / 5.0**2) ** -1.5
    image = mock([(20.0, 100.0, 80.0)], more=beta, gap=False)
    detection = detect(image, psf=KING, num_mocks=3, odds=False)
    assert len(detection.found.background.extended) >= 1
    first = detection.found.background.extended[0]
    assert np.hypot(first.column + 1 - 60.0, first.row + 1 - 58.0) < 1.5
    x, y = detection.table["X_IMA"].value, detection.table["Y_IMA"].value
    assert (np.hypot(x - 60, y - 58) < 15).sum() == 0
    assert np.hypot(x - 20, y - 100).min() < 1.5
    assert "modelled, not listed" in detection.line()
    from astropy.table import QTable

    (tmp_path / "out").mkdir()
    write_detection(detection, tmp_path / "out")
    line = (tmp_path / "out" / "extended.reg").read_text().splitlines()[2]
    long, short = map(float, line.split("(")[1].split(")")[0].split(",")[2:4])
    table = QTable.read(tmp_path / "out" / "extended.ecsv")
    assert table["X_IMA"][0].value == pytest.approx(first.column + 1)
    assert table["CTS"].value.sum() == pytest.approx(beta.sum(), rel=0.1)
    assert table["SMAJ_HALF"][0].value == pytest.approx(long, rel=1e-3)  # in pixels, without coordinates
    assert table["ID"][0] == "E1"
    assert np.sqrt(long * short) == pytest.approx(5.0 * np.sqrt(3.0), rel=0.2)  # a beta model with beta = 2/3
    assert detection.with_background_map().background_map.sum() == pytest.approx(beta.sum(), rel=0.1)


def test_a_part_of_an_image_has_the_images_positions(found):
    image, true, _ = found
    part = image.stamp(95, 90, half_size=24)
    detection = detect(part, psf=KING, num_mocks=2, odds=False)
    x, y = detection.table["X_IMA"].value, detection.table["Y_IMA"].value
    assert np.hypot(x - true[1, 0], y - true[1, 1]).min() < 0.5
    row, column = np.unravel_index(np.argmax(detection.ratio.gain), part.shape)
    assert np.hypot(part.origin[0] + column - true[1, 0], part.origin[1] + row - true[1, 1]) < 1.5


def test_a_source_beside_a_far_brighter_one_is_a_note():
    """The PSF is said narrower than it is: what it lacks is no source."""
    image = mock([(60.0, 50.0, 3000.0)], gap=False)
    detection = detect(image, psf=KingPSF(SLOPE, 0.75 * CORE), num_mocks=2, odds=False)
    x, y = detection.table["X_IMA"].value, detection.table["Y_IMA"].value
    assert (np.hypot(x - 60, y - 50) < 4).sum() == 1


def test_what_is_dropped_is_a_note_of_its_neighbour():
    image = mock([(60.0, 50.0, 3000.0), (62.0, 51.8, 200.0)], gap=False)
    detection = detect(image, psf=KING, threshold=12.0, num_mocks=2, odds=False)
    dropped = detection.found.dropped
    assert np.hypot(dropped.x - 62.0, dropped.y - 51.8).min() < 1
    bright = detection.table[0]
    assert np.hypot(bright["X_IMA"].value - 60, bright["Y_IMA"].value - 50) < 1
    assert bright["NOTE"] == "its image is not the PSF's: perhaps it is two sources"


@pytest.mark.slow
def test_a_source_whose_place_is_in_a_gap_is_kept_beside_a_cluster():
    x, y = np.meshgrid(np.arange(1.0, SIZE + 1), np.arange(1.0, SIZE + 1))
    beta = 6.0 * (1 + ((x - 40.0) ** 2 + (y - 58.0) ** 2) / 5.0**2) ** -1.5
    image = mock([(72.0, 100.0, 150.0)], more=beta)  # in the middle of the gap
    detection = detect(image, psf=KING, num_mocks=2, odds=False)
    assert len(detection.found.background.extended) >= 1
    x, y = detection.table["X_IMA"].value, detection.table["Y_IMA"].value
    near = np.argmin(np.hypot(x - 72, y - 100))
    assert np.hypot(x[near] - 72, y[near] - 100) < 1.5
    assert "no exposed pixel" in detection.table["NOTE"][near]


def test_images_without_sources():
    empty = detect(mock(seed=11), psf=KING, num_mocks=3, false_per_field=0.01, odds=False)
    assert len(empty) == 0
    assert empty.line().startswith("no sources; 0.01")
    assert len(empty.table) == 0
    blank = pgm_mock.Observation(np.zeros((60, 60), int), np.full((60, 60), 1e3))
    nothing = detect(blank, psf=KING, num_mocks=2)
    assert nothing.line() == "no sources: no counts on exposed pixels"
    assert {"P_POINT", "EXT"} <= set(nothing.table.colnames)
    with pytest.raises(pgm_mock.InputError, match="counts: expected some on exposed pixels, to know the background by"):
        sensitivity(nothing)


@pytest.mark.slow
def test_single_photons_are_no_sources():
    """Each could be taken for a source, of which nothing would be left behind it: 22 sources of 22 counts."""
    found = []
    for seed in range(8):
        counts = np.random.default_rng([seed, 30]).poisson(30 / 300**2, (300, 300))
        image = pgm_mock.Observation(counts, np.full((300, 300), 1e4))
        found.append(len(detect(image, psf=KingPSF(1.4, 1.1), num_mocks=3, odds=False, seed=seed)))
    assert sum(found) <= 9  # of 4 promised
    one = np.zeros((60, 60), int)
    one[30, 30] = 1
    assert not len(detect(pgm_mock.Observation(one, np.full((60, 60), 1e4)), psf=KING, num_mocks=2, odds=False))


def test_a_sliver_is_left_out():
    image = mock(seed=4)
    exposure, counts = image.exposure.copy(), image.counts.copy()
    exposure[:, 71] = 20.0
    counts[50, 71] = 2
    detection = detect(dataclasses.replace(image, exposure=exposure, counts=counts), psf=KING, num_mocks=2, odds=False)
    assert not len(detection) or np.abs(detection.table["X_IMA"].value - 72).min() > 3


def test_a_hot_pixel_is_left_out():
    image = mock([(30.0, 40.0, 150.0)], seed=4, gap=False)
    counts = image.counts.copy()
    counts[79, 89] = 50_000
    with pytest.warns(
        pgm_mock.DataWarning, match="mock: pixel 90, 80 has 50,000 counts, the eight about it .*: no PSF"
    ):
        detection = detect(dataclasses.replace(image, counts=counts), psf=KING, num_mocks=2, odds=False)
    x, y = detection.table["X_IMA"].value, detection.table["Y_IMA"].value
    assert not len(detection.found.background.extended)
    assert np.hypot(x - 90, y - 80).min() > 3
    assert np.hypot(x - 30, y - 40).min() < 1
    with pytest.warns(pgm_mock.DataWarning, match="mock: pixel 190, 130 has 50,000"):  # of a stamp: the image's pixels
        without_hot_pixels(counts, image.exposure, "mock", (101, 51))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"false_per_field": 0.0}, "false_per_field: expected a number above 0 and up to 100, found 0"),
        ({"false_per_field": np.nan}, "false_per_field: expected a number above 0 and up to 100, found nan"),
        ({"threshold": 1.0}, "threshold: expected a ln likelihood ratio of at least 3, found 1"),
        ({"num_mocks": 0}, "num_mocks: expected at least 1, found 0"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(pgm_mock.InputError, match=message):
        detect(mock(), psf=KING, odds=False, **options)


def test_a_profile_seen_through_a_psf_keeps_its_light():
    ramp = np.arange(-16, 17.0)
    for core in (2.0, 8.0):
        few = SumOfGaussians(*seen_through(*gaussians_of_king(core, 1.5), KING, CORE))
        every = SumOfGaussians.of_beta(core, 2 / 3, KING, CORE)
        one, two = (np.asarray(p.pixel_fraction(ramp[None, :], ramp[:, None], 0.2, 0.1, 1.0)) for p in (few, every))
        assert np.abs(one - two).max() < 0.01 * two.max()
        assert one.sum() == pytest.approx(two.sum(), rel=2e-3)


@pytest.mark.slow
def test_the_evidence_of_a_point_is_its_integral():
    """On a grid: place, flux and background, by SciPy's quadrature of the same prior."""

    rng = np.random.default_rng(1)
    ramp = np.arange(-16, 17.0)
    psf = GaussianPSF()
    light = np.asarray(psf.pixel_fraction(ramp[None, :], ramp[:, None], 0.3, -0.2, 1.5))
    behind = np.full((33, 33), 0.1)
    counts = rng.poisson(behind + 60.0 * light).astype(float)
    stamp = Stamp(counts, behind, np.full((33, 33), 1e4), ramp[None, :], ramp[:, None], 1e4)
    import jax

    found, _ = kinds.sampled(jax.random.key(0), stamp, psf, 1.5, kind="point")
    _, info = certified(jax.device_get(found), np.ones(4), kinds.ROUNDS["point"][0], 100.0)
    places = np.linspace(-1.2, 1.2, 25)
    ln_flux = np.linspace(np.log(30.0), np.log(110.0), 41)
    ln_behind = np.linspace(-0.175, 0.175, 15)
    total = np.zeros((25, 25, 41, 15))
    for i, x in enumerate(places):
        for j, y in enumerate(places):
            one = np.asarray(psf.pixel_fraction(ramp[None, :], ramp[:, None], x, y, 1.5))
            for k, flux in enumerate(np.exp(ln_flux)):
                mean = behind[..., None] * np.exp(ln_behind) + flux * one[..., None]
                total[i, j, k] = (counts[..., None] * np.log(mean) - mean).sum(axis=(0, 1))
    prior = stats.norm.logpdf(places, 0, 3.0)
    total += prior[:, None, None, None] + prior[None, :, None, None]
    total += stats.norm.logpdf(ln_flux, np.log(30.0), 2.0)[None, None, :, None] + stats.norm.logpdf(ln_behind, 0, 0.05)
    steps = [axis[1] - axis[0] for axis in (places, places, ln_flux, ln_behind)]
    top = total.max()
    reference = top + np.log(np.exp(total - top).sum() * np.prod(steps))
    assert info.log_evidence == pytest.approx(reference, abs=0.05)


@pytest.mark.slow
def test_a_doubles_prior_and_its_proposal_are_densities():
    """Oracles: the two sources' prior drawn by NumPy, and an integral that is 1."""
    import jax
    import jax.numpy as jnp

    from pgm_mock.sampler.mixture import Mixture

    points = Mixture(jnp.log(jnp.array([0.7, 0.3])), jnp.array([[0.1, 0.2, 0.3, 0.0], [-0.5, 0.1, 0.1, 0.0]]),
                     jnp.stack([0.1 * jnp.eye(4)] * 2))  # fmt: skip
    defence = kinds._defence("double", 7, points)
    drawn = defence.draw(jax.random.key(1), 40_000)
    log_prior = jax.vmap(lambda v: kinds._log_prior("double", v))
    weight = np.exp(np.asarray(log_prior(drawn) - defence.log_density(drawn)))
    assert weight.mean() == pytest.approx(1.0, abs=5 * weight.std() / 200)
    from_prior = np.asarray(drawn)[1::2]
    rng = np.random.default_rng(2)
    middle, apart = rng.normal(0.0, kinds.PLACE, 20_000), rng.normal(0.0, kinds.SEPARATION, 20_000)
    share, counts = 1 / (1 + np.exp(-rng.normal(size=20_000))), rng.normal(size=20_000) * kinds.FLUX_SPREAD
    brighter = np.maximum(share, 1 - share)
    # The sign of the separation is as probable as its opposite, whichever of the two is the brighter.
    for own, of_numpy in (
        (kinds.PLACE * from_prior[:, 0], middle + 0.5 * apart),
        (kinds.SEPARATION * from_prior[:, 4], apart),
        (np.asarray(kinds._share(from_prior[:, 6])), brighter),
        (kinds.FLUX_SPREAD * from_prior[:, 2], counts + np.log(brighter)),
    ):
        assert stats.ks_2samp(own, of_numpy).pvalue > 1e-3


@pytest.mark.slow
@pytest.mark.long
def test_the_table_says_what_each_source_is():
    detection = detect(mock([(30.3, 40.6, 200.0)]), psf=KING, num_mocks=2)
    table = detection.table
    np.testing.assert_allclose(table["P_POINT"] + table["P_EXT"] + table["P_DOUBLE"], 1.0)
    assert table["P_POINT"][0] > 0.5
    assert table["LN_B_EXT"][0] < 0
    assert np.isnan(table["EXT"][0]) == (table["P_EXT"][0] < 0.1)


@pytest.mark.slow
def test_what_a_source_is():
    ramp = np.arange(-16, 17.0)
    behind = np.full((33, 33), 0.1)
    rng = np.random.default_rng(4)

    def odds(light):
        counts = rng.poisson(behind + light).astype(float)
        return odds_of(Stamp(counts, behind, np.full((33, 33), 1e4), ramp[None, :], ramp[:, None], 1e4), KING, CORE)

    shape = (33, 33)
    point = odds(200 * king(17.2, 16.9, shape))
    double = odds(100 * king(14.8, 17.0, shape) + 100 * king(19.4, 17.2, shape))
    wide = odds(300 * king(17.0, 17.0, shape, core=5.0, slope=1.5))
    assert point.point > 0.5
    assert double.double > 0.9
    assert wide.extended > 0.9
    assert wide.core[1] < 5.5
    assert wide.core[2] > 4.0
    assert wide.ext_like > 10


def test_a_rate_map_is_refused():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(pgm_mock.InputError, match="counts: expected"):
            detect(pgm_mock.Observation(np.full((50, 50), 1e-4), np.full((50, 50), 1e4)))


def test_the_sky_of_an_empty_exposure_keeps_its_count():
    image = pgm_mock.Observation(np.zeros((40, 40), int), np.full((40, 40), 1e3))
    fitted = BackgroundModel.of(image).fit(image.counts, np.zeros(image.shape))
    assert 0 < fitted.mean.sum() < 1


def test_a_list_is_compared(found):
    _, true, detection = found
    listed = [pgm_mock.Region(f"s{n}", *place, 5.0) for n, place in enumerate(true[:, :2])]
    listed[0] = listed[0]._replace(x=listed[0].x + 3.5)
    del listed[1]
    listed.append(pgm_mock.Region("nowhere", 60.0, 10.0, 5.0))
    listed.append(pgm_mock.Region("no sky", np.nan, np.nan, 5.0))
    listed.append(pgm_mock.Region("beyond", 500.0, 10.0, 5.0))
    with pytest.warns(pgm_mock.DataWarning, match="2 of 7 listed sources are not in the image: left out"):
        table, said = compare(detection, listed)
    what = dict(zip(table["LISTED"], table["WHAT"], strict=True))
    assert what["s0"] == "moved"
    assert what["s2"] == what["s3"] == what["s4"] == "found"
    assert what["nowhere"] == "missing"
    assert (table["WHAT"] == "new").sum() == len(detection) - 4
    assert said.startswith("4 of 5 listed sources found, 1 missing (nowhere)")
    assert table["LN_RATIO"][table["WHAT"] == "missing"][0] < detection.threshold
    nothing, _ = compare(detection, [])
    assert len(nothing) == len(detection)


@pytest.fixture(scope="module")
def seen(found):
    return sensitivity(found[2])


def test_the_law_at_a_place_is_that_of_its_window(seen, found):
    _, _, detection = found
    mean = detection.found.fitted.mean + detection.found.sources.image()
    ramp = np.arange(1.0, SIZE + 1)
    for number in (0, len(seen.rows) // 2, len(seen.rows) - 1):
        row, column = seen.rows[number], seen.columns[number]
        box = np.s_[max(row - HALF, 0) : row + HALF + 1, max(column - HALF, 0) : column + HALF + 1]
        light = (detection.psf.light(ramp, ramp, column + 1.0, row + 1.0) * detection.observation.exposure)[box]
        half = flux_detected(mean[box].ravel(), light.ravel(), detection.threshold)
        assert seen.flux50[row, column] == pytest.approx(float(half), rel=1e-9)
        assert detection_probability(mean[box].ravel(), light.ravel(), half, detection.threshold) == pytest.approx(
            0.5, abs=0.02
        )


def test_the_curve_of_area(seen, found):
    table = seen.table
    assert seen.area == pytest.approx(seen.detection.observation.exposure.astype(bool).sum(), rel=0.1)
    for name in ("AREA", "AREA_50", "AREA_90", "COMPLETENESS"):
        assert (np.diff(table[name].value) >= 0).all()
    assert table["AREA"][0].value < 0.05 * seen.area
    assert table["AREA"][-1].value > 0.98 * seen.area
    known = seen.flux50[np.isfinite(seen.flux50)]
    middle = np.interp(0.5, table["AREA_50"].value / seen.area, table["FLUX"].value)
    assert middle == pytest.approx(np.median(known), rel=0.05)
    assert seen.completeness(table["FLUX"].value[30]) == pytest.approx(table["COMPLETENESS"][30])
    with pytest.raises(pgm_mock.InputError, match="step: expected a whole number of pixels from 1 to 32, found 0"):
        sensitivity(found[2], step=0)
    with pytest.raises(pgm_mock.InputError, match="probability: expected a number between 0 and 1, found 1"):
        seen.flux_map(1.0)


def test_the_sensitivity_is_written(seen, tmp_path):
    from astropy.io import fits
    from astropy.table import QTable

    paths = write_sensitivity(seen, tmp_path)
    assert [path.name for path in paths] == ["area.ecsv", "area.fits", "flux50.fits", "flux90.fits"]
    with fits.open(tmp_path / "flux50.fits") as hdus:
        np.testing.assert_allclose(hdus[0].data, seen.flux50, rtol=1e-6)
    np.testing.assert_allclose(QTable.read(tmp_path / "area.fits")["AREA"], seen.table["AREA"])


def test_pictures_have_what_they_show(seen, found):
    from pgm_mock.plot import plot_detection, plot_sensitivity

    figure = plot_detection(found[2])
    assert len([text for text in figure.axes[0].texts if text.get_text() in found[2].names]) == len(found[2])
    figure = plot_sensitivity(seen)
    assert figure.axes[0].images[0].get_array().shape == (SIZE, SIZE)


@pytest.mark.slow
@pytest.mark.long
def test_the_real_field(real_files):
    """Oracle: the list of 26 sources that comes with the tutorial."""
    with pytest.warns(pgm_mock.DataWarning, match="left out"):
        image = pgm_mock.Observation.read(*real_files, min_exposure=0.25)
    listed = pgm_mock.read_regions(resource("a1835_regions.txt"), image)
    detection = detect(image, odds=False)
    _, said = compare(detection, listed, radius=6.0)
    assert int(said.split()[0]) >= 23, said
    assert len(detection) < 50
    assert len(detection.found.background.extended) in (1, 2, 3)
    cluster = detection.found.background.extended[0]
    assert np.hypot(cluster.column + 1 - 329, cluster.row + 1 - 348) < 3
    x, y = detection.table["X_IMA"].value, detection.table["Y_IMA"].value
    assert (np.hypot(x - 329, y - 348) < 30).sum() == 0  # a cluster's core is not listed as points
    bright = detection.table[0]
    assert np.hypot(bright["X_IMA"].value - 232.5, bright["Y_IMA"].value - 399) < 1
    seen = sensitivity(detection)
    assert 0.0005 < np.median(seen.law.flux(0.5)) < 0.0012
