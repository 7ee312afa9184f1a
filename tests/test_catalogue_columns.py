"""The catalogue's columns: what they hold, what they are called, and what the files say of them."""

import math
import re

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits, votable
from astropy.io.votable.ucd import check_ucd
from astropy.table import QTable
from astropy.wcs import WCS

from pgm_mock import Observation, Region
from pgm_mock.catalogue import Field
from pgm_mock.catalogue.columns import iau_names, places_of, surroundings
from pgm_mock.catalogue.measure import _place
from pgm_mock.catalogue.outputs import write_tables
from pgm_mock.catalogue.sources import Settings, sources_of
from pgm_mock.catalogue.table import COLUMNS, make_table

PLAIN = Settings(psf="gaussian", neighbours="ignore", gradient=False, half_size=10)


def sky(pixel=4.0, at=(210.0, 2.0)):
    """Tangential coordinates whose reference is the middle of pixel (50, 50)."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crpix, wcs.wcs.crval, wcs.wcs.cdelt = [50.0, 50.0], at, [-pixel / 3600, pixel / 3600]
    return wcs


def field_of(positions, exposure=None, wcs=None, header=None):
    exposure = np.full((99, 99), 1000.0) if exposure is None else exposure
    observation = Observation(counts=np.zeros((99, 99)), exposure=exposure, wcs=wcs, header=header)
    return Field(observation, [Region(str(n), *place, 3.0) for n, place in enumerate(positions)])


def full_table(flux_unit="ct / s"):
    """Two rows with every column, the second without a fit."""
    kinds = {float: lambda n: 1.5 + n, int: lambda n: 0, str: lambda n: f'so "{n}"'}
    row = {column.name: kinds[column.kind](number) for number, column in enumerate(COLUMNS)}
    row |= {"RA": 210.258, "DEC": -2.8774, "P_VALUE": 0.5}
    return make_table([row, {"ID": "2", "X_ASKED": 1.0, "Y_ASKED": 2.0, "FLAG": 1, "MEANING": "no fit"}], flux_unit)


class TestFiles:
    @pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
    def test_ucds_are_words_of_the_virtual_observatory(self, column):
        """Oracle: astropy's list of UCD1+ words and where in a UCD each may stand."""
        assert check_ucd(column.ucd, check_controlled_vocabulary=True, has_colon=False)
        assert column.meaning.isascii()

    @pytest.mark.parametrize("flux_unit", ["ct / s", "ph / (s cm2)"])
    def test_each_file_has_units_descriptions_and_ucds(self, tmp_path, flux_unit):
        """Oracle: the table itself; the files are read with astropy, the VOTable strictly."""
        table = full_table(flux_unit)
        assert len(table.colnames) == len(COLUMNS)
        write_tables(tmp_path, table)
        header = fits.getheader(tmp_path / "catalog.fits", 1)
        document = votable.parse_single_table(tmp_path / "catalog.vot", verify="exception")
        ecsv = QTable.read(tmp_path / "catalog.ecsv")
        for number, name in enumerate(table.colnames, 1):
            meaning, ucd = table[name].info.description, table[name].info.meta["ucd"]
            assert check_ucd(ucd, check_controlled_vocabulary=True, has_colon=False)
            assert (header[f"TTYPE{number}"], header[f"TCOMM{number}"], header[f"TUCD{number}"]) == (name, meaning, ucd)
            field = document.get_field_by_id_or_name(name)
            assert (" ".join(str(field.description).split()), field.ucd) == (meaning, ucd)
            assert (ecsv[name].info.description, ecsv[name].info.meta["ucd"]) == (meaning, ucd)
            unit = getattr(table[name], "unit", None)
            assert field.unit == unit
            assert (units.Unit(header[f"TUNIT{number}"]) if unit is not None else header.get(f"TUNIT{number}")) == unit

    @pytest.mark.parametrize("name", ["catalog.ecsv", "catalog.fits", "catalog.vot"])
    def test_each_file_reads_back_the_same(self, tmp_path, name):
        table = full_table()
        write_tables(tmp_path, table)
        again = QTable.read(tmp_path / name)
        assert again.colnames == table.colnames
        for column in table.colnames:
            missing = {"f": np.nan, "U": ""}.get(table[column].dtype.kind)
            found, expected = (getattr(one[column], "value", one[column]) for one in (again, table))
            if table[column].dtype.kind == "U":
                found = np.ma.asarray(found).astype(str)
            np.testing.assert_array_equal(np.ma.filled(np.ma.asarray(found), missing), expected, err_msg=column)


class TestNames:
    def test_what_tells_a_source_stands_first(self):
        assert full_table().colnames[:6] == ["ID", "IAUNAME", "FLAG", "MEANING", "RA", "DEC"]

    def test_count_rates_are_rates_and_other_fluxes_are_fluxes(self):
        rates, fluxes = full_table(), full_table("ph / (s cm2)")
        assert [name.replace("RATE", "FLUX") for name in rates.colnames] == fluxes.colnames
        assert "FLUX" not in " ".join(rates.colnames)
        for table, name, ucd in ((rates, "RATE", "phot.count;em.X-ray"), (fluxes, "FLUX", "phot.flux;em.X-ray")):
            assert "a count rate in ct / s is named RATE, a flux in any other unit" in table[name].info.description
            assert table[name].info.meta["ucd"] == ucd
            assert table[f"{name}_LOWERR"].info.description == f"{name} less the lower end of the 68 % interval"

    def test_columns_that_no_source_has_are_left_out(self):
        table = make_table([{"ID": "1", "X_ASKED": 1.0, "Y_ASKED": 2.0}], "ct / s")
        assert table.colnames == ["ID", "FLAG", "MEANING", "METHOD", "X_ASKED", "Y_ASKED"]

    @pytest.mark.parametrize(
        ("ra", "dec", "name"),
        [
            ((14, 1, 1.96), (1, 2, 52, 38.9), "J140101.9+025238"),  # rounded it were J140102.0+025239
            ((14, 1, 1.9), (1, 2, 52, 38.0), "J140101.9+025238"),  # on the edge in decimal, a bit below it in binary
            ((23, 59, 59.99), (-1, 89, 59, 59.9), "J235959.9-895959"),
            ((0, 0, 0.0), (-1, 0, 30, 0.5), "J000000.0-003000"),
            ((24, 0, 0.0), (1, 0, 0, 0.0), "J000000.0+000000"),
        ],
    )
    def test_iau_names_are_truncated(self, ra, dec, name):
        right = 15 * (ra[0] + ra[1] / 60 + ra[2] / 3600)
        up = dec[0] * (dec[1] + dec[2] / 60 + dec[3] / 3600)
        assert iau_names(np.array([right, np.nan]), np.array([up, 1.0])) == [f"PGM {name}", ""]

    def test_an_iau_name_is_a_position_just_below_the_sources(self):
        """Invariance: read back by astropy, a name lies less than a unit of its last digit nearer to zero."""
        rng = np.random.default_rng(0)
        ra, dec = rng.uniform(0, 360, 500), np.degrees(np.arcsin(rng.uniform(-1, 1, 500)))
        for right, up, name in zip(ra, dec, iau_names(ra, dec), strict=True):
            parts = re.fullmatch(r"PGM J(\d\d)(\d\d)(\d\d\.\d)([+-]\d\d)(\d\d)(\d\d)", name).groups()
            read = SkyCoord(":".join(parts[:3]), ":".join(parts[3:]), unit=("hourangle", "deg"))
            assert 0 <= (right - read.ra.deg) * 240 < 0.1
            assert 0 <= (abs(up) - abs(read.dec.deg)) * 3600 < 1


class TestValues:
    def test_the_position_error_holds_63_percent(self):
        """Oracle: the circle of radius sqrt(2) sigma holds 1 - exp(-1) of a round Gaussian in two dimensions."""
        rng = np.random.default_rng(0)
        stamp = field_of([(50.0, 50.0)], wcs=sky()).observation
        draws = {"x_pos": rng.normal(50.0, 0.3, 40_000), "y_pos": rng.normal(50.0, 0.3, 40_000)}
        radius = _place(stamp, draws)["RADEC_ERR"]
        assert radius == pytest.approx(4.0 * 0.3 * math.sqrt(2), rel=0.02)
        held = 1 - math.exp(-1)
        inside = np.hypot(draws["x_pos"] - 50.0, draws["y_pos"] - 50.0) * 4.0 < radius
        assert inside.mean() == pytest.approx(held, abs=4 * math.sqrt(held * (1 - held) / 40_000))
        described = next(column.meaning for column in COLUMNS if column.name == "RADEC_ERR")
        assert f"holds {100 * held:.0f} %" in described

    def test_exposure_and_mask_are_weighted_with_the_psf(self):
        """Closed form: half of a round PSF on an edge, and the middle's value of a straight slope, by symmetry."""
        exposure = np.broadcast_to(1000.0 + 10.0 * (np.arange(1.0, 100.0) - 40.0), (99, 99)).copy()
        (whole,) = sources_of([field_of([(40.0, 50.0)], exposure)], PLAIN)
        found = surroundings(whole, {"X_IMA": 40.0, "Y_IMA": 50.0, "PSF_WIDTH": 1.5})
        assert (found["EXP"], found["MASKFRAC"]) == pytest.approx((1000.0, 1.0), rel=1e-6)
        half = np.full((99, 99), 1000.0)
        half[:, 50:] = 0.0  # from x = 50.5 on
        (cut,) = sources_of([field_of([(50.4, 50.0)], half)], PLAIN)
        found = surroundings(cut, {"X_IMA": 50.5, "Y_IMA": 50.0, "PSF_WIDTH": 1.5})
        assert (found["EXP"], found["MASKFRAC"]) == pytest.approx((500.0, 0.5), rel=1e-6)
        assert found["OFFSET_PIX"] == pytest.approx(0.1)
        assert surroundings(cut, {})["MASKFRAC"] > 0.5  # without a fit: where it was asked for
        assert "OFFSET_PIX" not in surroundings(cut, {})

    def test_distances_are_on_the_sky(self):
        """Oracle: astropy's separations, which know the projection."""
        places = [(50.0, 50.0), (57.0, 50.0), (20.0, 90.0), (math.nan, 3.0), (22.5, 88.0)]
        wcs = sky(pixel=5.0)
        found = places_of(field_of(places, wcs=wcs, header=fits.Header({"RA_PNT": 210.0, "DEC_PNT": 2.0})))
        x, y = np.array(places).T
        on_sky = wcs.pixel_to_world(x - 1, y - 1)
        for number in (0, 1, 2, 4):
            others = [m for m in (0, 1, 2, 4) if m != number]
            nearest = on_sky[number].separation(on_sky[others]).min().to_value("arcsec")
            assert found[number].nearest == pytest.approx(nearest, rel=1e-5)
            axis = on_sky[number].separation(SkyCoord(210.0, 2.0, unit="deg")).to_value("arcmin")
            assert found[number].off_axis == pytest.approx(axis, abs=1e-4)
        assert math.isnan(found[3].nearest)
        assert math.isnan(found[3].off_axis)

    def test_what_is_not_known_is_not_there(self):
        """Without sky coordinates distances are in pixels; without a second source, or a pointing, there are none."""
        two, one = field_of([(50.0, 50.0), (53.0, 54.0)]), field_of([(50.0, 50.0)], wcs=sky())
        (first, _), (alone,) = sources_of([two], PLAIN), sources_of([one], PLAIN)
        assert surroundings(first, {})["DIST_NN_PIX"] == 5.0
        assert surroundings(alone, {"X_IMA": 53.0, "Y_IMA": 54.0})["OFFSET"] == pytest.approx(20.0)
        assert set(surroundings(alone, {})) == {"EXP", "MASKFRAC"}

    @pytest.mark.parametrize(
        "header", [{"RA_PNT": "none", "DEC_PNT": 2.0}, {"RA_PNT": 1.0}, {"RA_PNT": 1.0, "DEC_PNT": 95.0}]
    )
    def test_a_pointing_that_is_none_gives_no_angle(self, header):
        (place,) = places_of(field_of([(50.0, 50.0)], wcs=sky(), header=fits.Header(header)))
        assert math.isnan(place.off_axis)
