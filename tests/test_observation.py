"""Reading, refusing, cutting and writing observations. Oracles: NumPy indexing, astropy, and round trips."""

import bz2
import copy
import dataclasses
import gzip
import pickle
import re
import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from pgm_mock import DataWarning, InputError, Observation

COUNTS = np.arange(20, dtype=np.int32).reshape(4, 5)
EXPOSURE = np.full((4, 5), 1000.0, np.float32)


def wcs_header(shift=0.0):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = [210.0, 2.0], [3.0 + shift, 2.0], [-0.001, 0.001]
    return wcs.to_header()


@pytest.fixture
def write(tmp_path):
    """Write a FITS file and return its path."""

    def write_file(data, name="image.fits", header=None, hdu=fits.PrimaryHDU, before=()):
        path = tmp_path / name
        hdus = [*before, hdu(data, header)]
        if not isinstance(hdus[0], fits.PrimaryHDU):
            hdus.insert(0, fits.PrimaryHDU())
        fits.HDUList(hdus).writeto(path, overwrite=True)
        return path

    return write_file


@pytest.fixture
def exposure(write):
    return write(EXPOSURE, "exposure.fits", fits.Header({"BUNIT": "s"}))


class TestReading:
    def test_the_real_files(self, real):
        assert real.shape == (648, 648)
        assert (int(real.counts.sum()), int(real.counts.max())) == (36_174, 223)
        assert real.counts[398, 231] == real.stamp(232, 399, half_size=0).counts[0, 0] > 10
        assert real.exposure.max() == pytest.approx(28_168, abs=1)
        assert np.mean(real.exposure == 0) == pytest.approx(0.666, abs=5e-4)
        assert (real.exposure_unit, real.flux_unit) == ("s", "ct / s")
        assert "assumed" in real.unit_source
        sky = real.wcs.pixel_to_world(324.50625 - 1, 324.50625 - 1)
        assert (sky.ra.deg, sky.dec.deg) == pytest.approx((210.263208, 2.85175), abs=1e-6)

    @pytest.mark.parametrize("compress", [gzip.compress, bz2.compress], ids=["gzip", "bzip2"])
    def test_compression_is_known_by_content(self, write, exposure, compress):
        path = write(COUNTS)
        path.write_bytes(compress(path.read_bytes()))
        np.testing.assert_array_equal(Observation.read(path, exposure).counts, COUNTS)

    def test_fpack(self, write, exposure):
        path = write(COUNTS, "image.fits.fz", hdu=fits.CompImageHDU)
        np.testing.assert_array_equal(Observation.read(path, exposure).counts, COUNTS)

    def test_an_hdu_by_name_and_by_number(self, write, exposure):
        other = fits.ImageHDU(COUNTS[::-1].copy(), name="OTHER")
        path = write(COUNTS, before=[fits.PrimaryHDU(), other], hdu=lambda d, h: fits.ImageHDU(d, h, name="COUNTS"))
        for name, expected in (("COUNTS", COUNTS), ("2", COUNTS), ("OTHER", COUNTS[::-1]), ("1", COUNTS[::-1])):
            np.testing.assert_array_equal(Observation.read(f"{path}[{name}]", exposure).counts, expected)
        np.testing.assert_array_equal(Observation.read(path, exposure).counts, COUNTS[::-1])

    def test_a_table_before_the_image_is_passed_over(self, write, exposure):
        table = fits.BinTableHDU.from_columns([fits.Column("a", "D", array=np.arange(3.0))])
        path = write(COUNTS, before=[fits.PrimaryHDU(), table], hdu=fits.ImageHDU)
        np.testing.assert_array_equal(Observation.read(path, exposure).counts, COUNTS)

    def test_whole_floats_and_one_plane_of_a_cube(self, write, exposure):
        for data in (COUNTS.astype(float), COUNTS[None], COUNTS[None, None]):
            np.testing.assert_array_equal(Observation.read(write(data), exposure).counts, COUNTS)

    def test_a_plane_of_a_cube_by_its_number(self, write, exposure):
        cube = np.stack([COUNTS, COUNTS + 1, COUNTS + 2])
        path = write(cube, before=[fits.PrimaryHDU()], hdu=lambda d, h: fits.ImageHDU(d, h, name="MOCKS"))
        for name, expected in (("MOCKS,1", COUNTS), ("1,3", COUNTS + 2), (" MOCKS , 2 ", COUNTS + 1)):
            np.testing.assert_array_equal(Observation.read(f"{path}[{name}]", exposure).counts, expected)
        four = write(np.stack([cube, cube + 10]), "four.fits")  # NAXIS3 runs first
        np.testing.assert_array_equal(Observation.read(f"{four}[0,4]", exposure).counts, COUNTS + 10)
        np.testing.assert_array_equal(Observation.read(f"{write(COUNTS)}[0,1]", exposure).counts, COUNTS)

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("MOCKS,0", r"image\.fits\[MOCKS\]: expected a plane from 1 to 3, found 0"),
            ("MOCKS,-1", "expected a plane from 1 to 3, found -1"),
            ("MOCKS,4", "expected a plane from 1 to 3, found 4"),
            (
                "MOCKS",
                r"expected one image plane, found 3 \(shape \(3, 4, 5\)\); .*image\.fits\[MOCKS,1\] picks the first",
            ),
            ("MOCKS,x", "expected an HDU 'MOCKS,x', found 0 PRIMARY, 1 MOCKS"),
            ("NONE,1", "expected an HDU 'NONE', found 0 PRIMARY, 1 MOCKS"),
        ],
    )
    def test_a_plane_that_is_not_there(self, write, exposure, name, message):
        cube = np.stack([COUNTS, COUNTS + 1, COUNTS + 2])
        path = write(cube, before=[fits.PrimaryHDU()], hdu=lambda d, h: fits.ImageHDU(d, h, name="MOCKS"))
        with pytest.raises(InputError, match=message):
            Observation.read(f"{path}[{name}]", exposure)

    def test_unsigned_integers_by_bzero(self, write, exposure):
        path = write(COUNTS.astype(np.uint16))
        assert fits.getheader(path)["BZERO"] == 32768
        np.testing.assert_array_equal(Observation.read(path, exposure).counts, COUNTS)

    def test_blank_and_nan_outside_the_exposed_area(self, write):
        gap = EXPOSURE.copy()
        gap[0] = np.nan
        blank = np.where(np.isnan(gap), -99, COUNTS)
        exposed = write(gap, "exposure.fits")
        for data, header in ((blank, fits.Header({"BLANK": -99})), (np.where(blank < 0, np.nan, COUNTS), None)):
            observation = Observation.read(write(data, header=header), exposed)
            assert observation.counts[0].sum() == observation.exposure[0].sum() == 0
            np.testing.assert_array_equal(observation.counts[1:], COUNTS[1:])

    def test_nan_counts_in_the_exposed_area_are_left_out_with_a_warning(self, write, exposure):
        data = COUNTS.astype(float)
        data[2, 3] = np.nan
        with pytest.warns(DataWarning, match="1 exposed pixels without a value"):
            observation = Observation.read(write(data), exposure)
        assert observation.exposure[2, 3] == observation.counts[2, 3] == 0

    def test_counts_without_exposure_are_left_out_counted_and_said_once(self, write):
        gap = EXPOSURE.copy()
        gap[3, 4] = 0
        with pytest.warns(DataWarning, match=r"19 counts on pixels without exposure") as caught:
            observation = Observation.read(write(COUNTS), write(gap, "exposure.fits"))
        assert (len(caught), observation.left_out, observation.counts[3, 4]) == (1, 19, 0)

    def test_missing_wcs_of_one_file_is_taken_from_the_other(self, write):
        observation = Observation.read(write(COUNTS), write(EXPOSURE, "exposure.fits", wcs_header()))
        assert observation.wcs.pixel_to_world(2, 1).ra.deg == pytest.approx(210.0)


class TestUnits:
    @pytest.mark.parametrize(
        ("header", "top", "unit", "flux", "factor"),
        [
            ({"BUNIT": "s"}, 1e4, "s", "ct / s", 1),
            ({"BUNIT": "sec"}, 1e4, "s", "ct / s", 1),
            ({"BUNIT": "ks"}, 10, "ks", "ct / ks", 1),
            ({"BUNIT": "Primary Array", "EXPOSURE": 28337.0}, 28168, "s", "ct / s", 1),
            ({"EXPOSURE": 5e4}, 2e7, "cm2 s ct / photon", "photon / (s cm2)", 1),
            ({"EXPOSURE": 5e4}, 400, "cm2 s ct / photon", "photon / (s cm2)", 5e4),
            ({"BUNIT": "cm**2 s count/photon"}, 2e7, "cm2 s ct / photon", "photon / (s cm2)", 1),
            ({"BUNIT": "cm**2", "EXPOSURE": 5e4}, 400, "cm2 s ct / photon", "photon / (s cm2)", 5e4),
            ({"BUNIT": "m2", "EXPOSURE": 5e4}, 0.04, "cm2 s ct / photon", "photon / (s cm2)", 5e8),
            ({}, 1e4, "s", "ct / s", 1),
        ],
    )
    def test_from_the_header_or_assumed(self, write, header, top, unit, flux, factor):
        from astropy import units

        path = write(EXPOSURE / 1000 * top, "exposure.fits", fits.Header(header))
        observation = Observation.read(write(COUNTS), path)
        assert units.Unit(observation.exposure_unit) == units.Unit(unit)
        assert units.Unit(observation.flux_unit) == units.Unit(flux)
        assert observation.exposure.max() == pytest.approx(top * factor)
        known = header.get("BUNIT", "Primary Array") != "Primary Array"
        assert ("assumed" in observation.unit_source) == (not known)

    def test_what_is_no_exposure_map_is_told(self, write, exposure):
        """An area below a square centimetre is no telescope's, and counts are no exposure."""
        small = write(EXPOSURE / 1000 * 0.3, "small.fits", fits.Header({"EXPOSURE": 5e4}))
        with pytest.warns(
            DataWarning, match=r"small\.fits: expected an exposure map in seconds.*found values up to 0\.3"
        ):
            Observation.read(write(COUNTS), small)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            Observation.read(write(COUNTS), small, exposure_unit="cm2")
        for name, header, said in (
            ("area.fits", {"EXPOSURE": 28_337.0}, "max / EXPOSURE is 0.00099.*: taken for an effective area in cm2"),
            ("none.fits", {}, "largest value is 28.*: taken for seconds, as neither BUNIT nor EXPOSURE says"),
        ):
            with pytest.warns(DataWarning, match=said):
                Observation.read(write(COUNTS), write(EXPOSURE / EXPOSURE.max() * 28.168, name, fits.Header(header)))
        counts = np.where(COUNTS > 0, COUNTS, 1)
        with pytest.raises(InputError, match=r"again\.fits: expected an exposure map, found the counts of .*image"):
            Observation.read(write(counts), write(counts, "again.fits", fits.Header({"EXPOSURE": 20.0})))

    def test_the_users_word_stands_over_the_header(self, write, exposure):
        assert Observation.read(write(COUNTS), exposure, exposure_unit="ks").exposure_unit == "ks"

    @pytest.mark.parametrize(
        ("header", "top", "given", "said"),
        [
            (
                {"EXPOSURE": 28_337.0},
                28_168,
                "cm2 s",
                r"an effective area of 0\.994 cm2 for EXPOSURE, which no telescope",
            ),
            ({"EXPOSURE": 28_337.0}, 28_168, "ks", r"2\.82e\+07 s in 'ks', as given, but EXPOSURE is 28337 s"),
            ({"EXPOSURE": 28_337.0, "BUNIT": "ks"}, 28_168, None, r"in BUNIT = 'ks', but EXPOSURE is 28337 s"),
            ({"EXPOSURE": 28_337.0, "BUNIT": "ms"}, 28_168, None, r"28\.2 s in BUNIT = 'ms', but EXPOSURE is 28337 s"),
            ({"EXPOSURE": 28_337.0, "BUNIT": "yr"}, 28_168, None, r"in BUNIT = 'yr', but EXPOSURE"),
            ({"BUNIT": "ms"}, 28_168, None, r"28\.2 s in BUNIT = 'ms', expected"),
            ({"BUNIT": "yr"}, 28_168, None, r"in BUNIT = 'yr', expected 0\.01 to 1e\+09 s"),
            ({"EXPOSURE": 1e-300}, 28_168, None, r"EXPOSURE = 1e-300 s: expected .* left out of account"),
            ({"EXPOSURE": 1e30, "BUNIT": "s"}, 28_168, None, r"EXPOSURE = 1e\+30 s: expected"),
        ],
    )
    def test_a_unit_that_contradicts_the_header_is_doubted(self, write, header, top, given, said):
        path = write(EXPOSURE / 1000 * top, "exposure.fits", fits.Header(header))
        with pytest.warns(DataWarning, match=said):
            observation = Observation.read(write(COUNTS), path, exposure_unit=given)
        if given is not None:
            assert observation.exposure_unit == given  # the user's word stands, doubted or not

    @pytest.mark.parametrize(
        ("header", "top", "given"),
        [
            ({"EXPOSURE": 28_337.0}, 28_168, "s"),
            ({"EXPOSURE": 28_337.0}, 28.168, "ks"),
            ({"EXPOSURE": 28_337.0, "BUNIT": "ms"}, 28_168_000, None),
            ({"EXPOSURE": 28_337.0, "BUNIT": "s"}, 7_000, None),
            ({"EXPOSURE": 28_337.0}, 2e7, "cm2 s"),
        ],
    )
    def test_a_unit_that_fits_the_header_is_not(self, write, header, top, given):
        path = write(EXPOSURE / 1000 * top, "exposure.fits", fits.Header(header))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            Observation.read(write(COUNTS), path, exposure_unit=given)

    def test_a_word_that_is_no_unit(self, write, exposure):
        with pytest.raises(
            InputError, match=r"exposure\.fits: exposure_unit: expected a unit of time.* found 'parsnips'"
        ):
            Observation.read(write(COUNTS), exposure, exposure_unit="parsnips")

    def test_an_area_without_a_time(self, write):
        path = write(EXPOSURE, "exposure.fits", fits.Header({"BUNIT": "cm2"}))
        with pytest.raises(InputError, match="expected an EXPOSURE keyword"):
            Observation.read(write(COUNTS), path)


class TestRefusals:
    """Each bad input gets a message of its own that names the file, what was expected and what was found."""

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (COUNTS - 1, "expected counts, finite and ≥ 0, found -1 in column 1, row 1"),
            (COUNTS / 1000, r"expected whole numbers of counts, found 0\.001 in column 2, row 1; is it a rate map"),
            (np.where(COUNTS == 7, np.inf, COUNTS), "expected counts, finite and ≥ 0, found inf in column 3, row 2"),
            (np.stack([COUNTS, COUNTS]), r"expected one image plane, found 2 \(shape \(2, 4, 5\)\)"),
            (COUNTS[:, :4], r"expected the shape \(4, 4\) of .*image\.fits, found \(4, 5\)"),
            (COUNTS[0], "expected an image, found none"),
        ],
    )
    def test_counts(self, write, exposure, data, message):
        path = write(data)
        with pytest.raises(InputError, match=rf"(image|exposure)\.fits: {message}"):
            Observation.read(path, exposure)

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (-EXPOSURE, "expected exposures that are finite and ≥ 0, found -1000"),
            (EXPOSURE * np.inf, "expected exposures that are finite and ≥ 0, found inf"),
            (0 * EXPOSURE, "expected an exposure map, found no pixel with any exposure"),
            (np.nan * EXPOSURE, "expected an exposure map, found no pixel with any exposure"),
        ],
    )
    def test_exposure(self, write, data, message):
        with pytest.raises(InputError, match=rf"exposure\.fits: {message}"):
            Observation.read(write(COUNTS), write(data, "exposure.fits"))

    def test_a_shifted_wcs(self, write):
        image = write(COUNTS, header=wcs_header())
        Observation.read(image, write(EXPOSURE, "exposure.fits", wcs_header(0.005)))
        with pytest.raises(
            InputError, match=r"exposure\.fits: expected the WCS of .*image\.fits .* found a shift of 0\.5"
        ):
            Observation.read(image, write(EXPOSURE, "exposure.fits", wcs_header(0.5)))

    def test_no_such_file(self, exposure, tmp_path):
        with pytest.raises(InputError, match=r"nothing\.fits: no such file"):
            Observation.read(tmp_path / "nothing.fits", exposure)

    @pytest.mark.parametrize("content", [b"", b"hello, world\n" * 300, b"PK\x03\x04nonsense"])
    def test_not_fits(self, exposure, tmp_path, content):
        path = tmp_path / "image.fits"
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"image\.fits: expected a FITS file, found something else"):
            Observation.read(path, exposure)

    @pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress], ids=["plain", "gzip", "bzip2"])
    @pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
    def test_truncated(self, write, exposure, compress, share):
        large = np.random.default_rng(0).integers(0, 9, (90, 90))
        path = write(large)
        content = compress(path.read_bytes())
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(
            InputError, match=r"image\.fits: expected a (whole )?FITS file, found a truncated or damaged one"
        ):
            Observation.read(path, exposure)

    def test_a_missing_hdu(self, write, exposure):
        with pytest.raises(InputError, match=r"image\.fits: expected an HDU 'COUNTS', found 0 PRIMARY"):
            Observation.read(f"{write(COUNTS)}[COUNTS]", exposure)

    def test_a_table_asked_for_as_an_image(self, write, exposure):
        table = fits.BinTableHDU.from_columns([fits.Column("a", "D", array=np.arange(3.0))], name="GTI")
        path = write(COUNTS, before=[fits.PrimaryHDU(), table], hdu=fits.ImageHDU)
        with pytest.raises(InputError, match=r"image\.fits\[GTI\]: expected an image, found BINTABLE"):
            Observation.read(f"{path}[GTI]", exposure)

    def test_arrays(self):
        with pytest.raises(InputError, match=r"counts: expected the exposure map's shape \(4, 5\), found \(5, 4\)"):
            Observation(counts=COUNTS.T, exposure=EXPOSURE)
        with pytest.raises(InputError, match="counts: expected a two-dimensional image of numbers, found"):
            Observation(counts=[["a"]], exposure=EXPOSURE)


class TestStamps:
    @settings(deadline=None, max_examples=80)
    @given(
        x=st.floats(-6, 18),
        y=st.floats(-6, 15),
        half_size=st.integers(0, 7),
        first=st.tuples(*[st.integers(-9, 9)] * 2),
    )
    def test_every_pixel_is_the_one_of_the_same_coordinates(self, x, y, half_size, first):
        """Oracle: look each pixel up by its FITS coordinates, one by one."""
        rng = np.random.default_rng(3)
        counts = rng.integers(1, 99, (9, 12))
        whole = Observation(counts=counts, exposure=rng.integers(1, 9, (9, 12)), origin=first)
        x, y = x + first[0], y + first[1]
        column, row = np.floor(x + 0.5) - first[0], np.floor(y + 0.5) - first[1]
        if not (-half_size <= column <= 11 + half_size and -half_size <= row <= 8 + half_size):
            with pytest.raises(InputError, match="expected some exposure"):
                whole.stamp(x, y, half_size)
            return
        stamp = whole.stamp(x, y, half_size)
        assert stamp.shape == (2 * half_size + 1, 2 * half_size + 1)
        assert abs(stamp.x[0, half_size] - x) <= 0.5
        assert abs(stamp.y[half_size, 0] - y) <= 0.5
        for (row, column), value in np.ndenumerate(stamp.counts):
            j, i = int(stamp.y[row, column]) - first[1], int(stamp.x[row, column]) - first[0]
            inside = 0 <= j < 9 and 0 <= i < 12
            assert value == (counts[j, i] if inside else 0)
            assert (stamp.exposure[row, column] > 0) == inside

    def test_ramps_count_from_one_with_x_along_columns(self):
        whole = Observation(counts=COUNTS, exposure=EXPOSURE)
        assert (whole.x[0, 0], whole.y[0, 0]) == (1, 1)
        assert (whole.x[0, 4], whole.y[0, 4]) == (5, 1)
        assert (whole.x[3, 0], whole.y[3, 0]) == (1, 4)
        np.testing.assert_array_equal(whole.counts[whole.y == 2], COUNTS[1])

    def test_the_pixel_that_holds_the_position(self):
        whole = Observation(counts=COUNTS, exposure=EXPOSURE)
        for x, column in ((1.51, 1), (2.0, 1), (2.49, 1), (2.5, 2)):
            assert whole.stamp(x, 1, half_size=0).counts[0, 0] == COUNTS[0, column]

    def test_a_stamp_of_a_stamp_means_the_same(self, real):
        small = real.stamp(271, 216).stamp(275, 214, half_size=5)
        np.testing.assert_array_equal(small.counts, real.stamp(275, 214, half_size=5).counts)
        np.testing.assert_array_equal(small.x, real.stamp(275, 214, half_size=5).x)

    def test_no_exposure(self, real):
        with pytest.raises(InputError, match=r"stamp at x=10, y=10: expected some exposure .* covers x 1 to 648"):
            real.stamp(10, 10)
        with pytest.raises(InputError, match="expected a position in pixels, found x=nan"):
            real.stamp(float("nan"), 10)
        with pytest.raises(InputError, match=r"half_size: expected a whole number of pixels ≥ 0, found -1"):
            real.stamp(271, 216, half_size=-1)

    def test_mock_counts_in_place_of_the_real_ones(self, stamp):
        mock = dataclasses.replace(stamp, counts=stamp.counts + (stamp.exposure > 0))
        assert mock.counts.sum() == stamp.counts.sum() + (stamp.exposure > 0).sum()
        assert mock.origin == stamp.origin
        with pytest.warns(DataWarning, match="21 counts on pixels without exposure"):
            dataclasses.replace(stamp, counts=stamp.counts * 0 + 1)

    def test_arrays_cannot_be_overwritten(self, stamp):
        with pytest.raises(ValueError, match="read-only"):
            stamp.counts[0, 0] = 3
        given = np.array(COUNTS)
        Observation(counts=given, exposure=EXPOSURE)
        given[0, 0] = 5


class TestRoundTrip:
    def check(self, observation, folder):
        image, exposure = folder / "a.fits.gz", folder / "b.fits"
        observation.write(image, exposure)
        back = Observation.read(image, exposure)
        np.testing.assert_array_equal(back.counts, observation.counts)
        np.testing.assert_array_equal(back.exposure, observation.exposure)
        assert (back.origin, back.name) == (observation.origin, observation.name)
        assert back.exposure_unit == observation.exposure_unit
        assert sorted(path.name for path in folder.iterdir()) == ["a.fits.gz", "b.fits"]
        if observation.wcs is None:
            assert back.wcs is None
        else:
            for x, y in ((1, 1), (300.5, 17.25)):
                first, second = (o.wcs.pixel_to_world(x - 1, y - 1) for o in (observation, back))
                assert first.separation(second).arcsec < 1e-6
        return back

    def test_stamp_of_the_real_image(self, real, tmp_path):
        back = self.check(real.stamp(271, 216), tmp_path)
        header = fits.getheader(tmp_path / "a.fits.gz")
        corner = WCS(header).pixel_to_world(0, 0)
        assert corner.separation(real.wcs.pixel_to_world(250, 195)).arcsec < 1e-6
        np.testing.assert_array_equal(back.stamp(271, 216, 5).counts, real.stamp(271, 216, 5).counts)

    def test_whole_real_image(self, real, tmp_path):
        self.check(real, tmp_path)

    def test_without_header_or_wcs(self, stamp, tmp_path):
        self.check(stamp, tmp_path)

    def test_a_folder_that_is_not_there(self, stamp, tmp_path):
        with pytest.raises(InputError, match=re.escape(str(tmp_path / "no" / "a.fits")) + ": cannot be written"):
            stamp.write(tmp_path / "no" / "a.fits", tmp_path / "b.fits")


@pytest.mark.parametrize("anew", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_are_as_immutable(anew):
    seen = Observation(np.ones((3, 4)), np.full((3, 4), 10.0), background_map=np.full((3, 4), 0.2), name="a")
    there = anew(seen)
    assert repr(there) == repr(seen)
    for array in (there.counts, there.exposure, there.background_map):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 5


def test_reading_says_nothing_where_nothing_is_wrong(real_files):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Observation.read(*real_files)


@pytest.mark.parametrize("keyword", ["INSTRUME", "TELESCOP"])
def test_an_exposure_map_of_another_camera_is_told(tmp_path, keyword):
    for name, camera, data in (("image", "EPN", np.ones((4, 5), int)), ("map", "EMOS1", np.full((4, 5), 1e4))):
        header = fits.Header({keyword: camera, "BUNIT": "s"})
        fits.PrimaryHDU(data, header).writeto(tmp_path / f"{name}.fits")
    with pytest.warns(
        DataWarning, match=rf"map.fits: expected the exposure map of EPN, .* that of EMOS1 \({keyword}\)"
    ):
        Observation.read(tmp_path / "image.fits", tmp_path / "map.fits")


def test_a_warning_points_at_the_line_that_called_the_package(real_files):
    """Not into the package, however deep the data were found wanting: of `read`, and of an object's own check."""
    with pytest.warns(DataWarning, match="left out") as of_files:
        Observation.read(*real_files, min_exposure=0.25)
    with pytest.warns(DataWarning, match="left out") as of_arrays:
        Observation(counts=np.ones((2, 2)), exposure=np.eye(2))
    whole = Observation(counts=np.ones((2, 2)), exposure=np.ones((2, 2)))
    with pytest.warns(DataWarning, match="left out") as of_copy:
        dataclasses.replace(whole, exposure=np.eye(2))
    assert {one.filename for one in [*of_files, *of_arrays, *of_copy]} == {__file__}


def test_the_edges_of_a_stamps_pixels_lie_between_them():
    """Oracle: centres less and plus a half; pixels that are picked out do not follow one another."""
    stamp = Observation(counts=COUNTS, exposure=EXPOSURE).stamp(1, 4, 2)
    x, y = stamp.pixels.edges
    np.testing.assert_array_equal(np.stack([x[:-1], x[1:]]), stamp.columns[0] + np.array([[-0.5], [0.5]]))
    np.testing.assert_array_equal(np.stack([y[:-1], y[1:]]), stamp.rows[:, 0] + np.array([[-0.5], [0.5]]))
    np.testing.assert_array_equal(stamp.pixels.longer(2.0).edges[1], y)
    assert stamp.pixels.listed(np.array([1, 3]), np.array([2, 4])).edges is None
