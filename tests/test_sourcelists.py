"""Tables of sources, as other tools write them. Oracles: astropy's WCS and coordinates, and the columns themselves."""

import gzip
import math
import warnings
from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import FK4, FK5
from astropy.io import fits
from astropy.io.votable import from_table, writeto
from astropy.io.votable.tree import CooSys
from astropy.table import MaskedColumn, QTable, Table
from astropy.wcs import WCS

from pgm_mock import DataWarning, InputError, Observation, read_regions, sourcetables
from pgm_mock.catalogue.outputs import write_tables
from pgm_mock.catalogue.table import make_table
from pgm_mock.scene.pointsource import REACH

from . import hostile_tables

X, Y = np.array([10.0, 50.5, 90.25]), np.array([20.0, 60.0, 33.75])
"""Where the sources are [FITS image pixels]."""


@pytest.fixture(scope="module")
def sky():
    """An image of 99 x 99 pixels with a WCS in FK5, of which the columns up to 5 and beyond 95 are not exposed."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [210.0, 2.0]
    wcs.wcs.crpix, wcs.wcs.cdelt = [50.0, 60.0], [-1 / 900, 1 / 900]
    wcs.wcs.radesys = "FK5"
    exposure = np.ones((99, 99))
    exposure[:, :5] = exposure[:, 95:] = 0.0
    header = fits.Header({"LTM1_1": 0.0125, "LTM2_2": 0.0125, "LTV1": 0.49375, "LTV2": 0.49375})
    return Observation(counts=np.zeros((99, 99)), exposure=exposure, wcs=wcs, header=header)


@pytest.fixture(scope="module")
def places(sky):
    return sky.wcs.pixel_to_world(X - 1, Y - 1)


@pytest.fixture(params=["fits", "fits.gz", "ecsv", "ecsv.gz", "vot", "votable in bytes"])
def save(request, tmp_path):
    """Write a table in one of the formats, under a name that does not tell which."""

    def write(table, **keywords):
        path = tmp_path / "list"
        kind = request.param.removesuffix(".gz")
        if kind == "fits":
            hdu = fits.table_to_hdu(table)
            hdu.name = "SRCLIST"
            hdu.header.update(keywords)
            fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
        elif kind == "ecsv":
            table = table.copy()
            table.meta |= keywords
            table.write(path, format="ascii.ecsv")
        else:
            votable = from_table(table)
            if keywords:
                system = keywords.get("RADESYS") or keywords["RADECSYS"]
                system = system if system == "ICRS" else f"eq_{system}"
                equinox = f"J{keywords['EQUINOX']}" if "EQUINOX" in keywords else None
                votable.resources[0].coordinate_systems.append(CooSys(ID="sky", system=system, equinox=equinox))
            writeto(votable, str(path), tabledata_format="binary2" if "bytes" in kind else "tabledata")
        if request.param.endswith(".gz"):
            path.write_bytes(gzip.compress(path.read_bytes()))
        return path

    return write


def as_fits(path, table, header=(), name="SRCLIST"):
    hdu = fits.table_to_hdu(table)
    hdu.name = name
    hdu.header.update(header)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, overwrite=True)
    return path


def check(regions, names=("1", "2", "3"), x=X, y=Y):
    assert [region.name for region in regions] == list(names)
    assert [region.x for region in regions] == pytest.approx(list(x), abs=1e-6)
    assert [region.y for region in regions] == pytest.approx(list(y), abs=1e-6)
    assert all(math.isnan(region.radius) for region in regions)


class TestEachToolsTable:
    def test_emldetect(self, save, sky, places):
        """One row for all instruments and bands, and one for each of two bands, of each source."""
        rows = [(number, *together) for number in (7, 8, 9) for together in ((2, 1), (0, 0), (2, 2))]
        of = np.repeat([0, 1, 2], 3)
        shift = np.where([row[1:] == (0, 0) for row in rows], 0.0, 0.003)
        table = Table({
            "ML_ID_SRC": [row[0] for row in rows], "BOX_ID_SRC": [1] * 9, "ID_INST": [row[1] for row in rows],
            "ID_BAND": [row[2] for row in rows], "SCTS": np.arange(9.0), "X_IMA": (X[of] + 1).astype("f4") * u.pix,
            "Y_IMA": (Y[of] + 1).astype("f4") * u.pix, "DET_ML": np.full(9, 12.0, "f4"),
            "RA": (places.fk5.ra.deg[of] + shift) * u.deg, "DEC": places.fk5.dec.deg[of] * u.deg,
        })  # fmt: skip
        check(read_regions(save(table, RADECSYS="FK5"), sky), ["7", "8", "9"])

    def test_emldetect_in_one_band(self, tmp_path, sky, places):
        """A source without a row for all together has its first one."""
        of = [0, 0, 1, 2, 2]
        table = Table({
            "ML_ID_SRC": [3, 3, 1, 2, 2], "ID_INST": [0, 1, 2, 2, 2], "ID_BAND": [0, 2, 2, 2, 3],
            "RA": places.icrs.ra.deg[of] + [0, 0.01, 0, 0, 0.01], "DEC": places.icrs.dec.deg[of],
        })  # fmt: skip
        check(read_regions(as_fits(tmp_path / "a", table), sky), ["3", "1", "2"])

    def test_sources_that_have_no_number(self, tmp_path, sky, places):
        """Of rows with instruments and bands alone those of all together are taken, else all are."""
        columns = {"RA": places.icrs.ra.deg, "DEC": places.icrs.dec.deg}
        table = Table({"ID_INST": [1, 0, 1], "ID_BAND": [0, 0, 2], **columns})
        check(read_regions(as_fits(tmp_path / "a", table), sky), ["2"], X[1:2], Y[1:2])
        table = Table({"ID_INST": [1, 2, 1], "ID_BAND": [0, 0, 2], **columns})
        check(read_regions(as_fits(tmp_path / "a", table), sky))

    def test_ermldet(self, save, sky, places):
        table = Table({
            "ID_SRC": np.array([4, 5, 6], "i4"), "RA": places.icrs.ra.deg, "DEC": places.icrs.dec.deg,
            "X_IMA": [1.0, 1.0, 1.0], "Y_IMA": [1.0, 1.0, 1.0], "DET_LIKE": [9.0, 9.0, 9.0],
        })  # fmt: skip
        check(read_regions(save(table), sky), ["4", "5", "6"])

    def test_wavdetect(self, tmp_path, sky, places):
        """X and Y are physical coordinates, here within the image; R is a vector."""
        table = Table({
            "RA": places.icrs.ra.deg * u.deg, "DEC": places.icrs.dec.deg * u.deg, "X": [40.0] * 3, "Y": [50.0] * 3,
            "NET_COUNTS": [9.0] * 3, "SRC_SIGNIFICANCE": [3.0] * 3, "SHAPE": ["ellipse"] * 3,
            "R": [[400.0, 300.0]] * 3, "ROTANG": [10.0] * 3, "COMPONENT": [1, 2, 3],
        })  # fmt: skip
        path = as_fits(tmp_path / "wavdetect.fits", table, {"RADECSYS": "ICRS", "EQUINOX": 2000.0})
        check(read_regions(path, sky), ["1", "2", "3"])
        with pytest.raises(InputError, match=r"\[SRCLIST\]: expected an image with a WCS to place RA and DEC in"):
            read_regions(path, replace(sky, wcs=None))

    def test_chandra_source_catalog(self, save, sky, places):
        table = Table({"name": ["2CXO J1", "2CXO J2", "2CXO J3"], "ra": places.icrs.ra, "dec": places.icrs.dec})
        check(read_regions(save(QTable(table)), sky), ["2CXO J1", "2CXO J2", "2CXO J3"])

    def test_4xmm(self, save, sky, places):
        """Two detections of one source have its names; their own number tells them apart."""
        ra, dec = places.icrs.ra.deg * u.deg, places.icrs.dec.deg * u.deg
        table = Table({"SRCID": [201, 202, 203], "IAUNAME": ["4XMM a", "4XMM b", "4XMM c"], "SC_RA": ra, "SC_DEC": dec})
        check(read_regions(save(table), sky), ["4XMM a", "4XMM b", "4XMM c"])

    def test_4xmms_detections(self, save, sky, places):
        ra, dec = places.icrs.ra.deg * u.deg, places.icrs.dec.deg * u.deg
        table = Table({"DETID": [11, 12, 13], "SRCID": [1, 1, 2], "IAUNAME": ["a", "a", "b"], "RA": ra, "DEC": dec})
        table["SC_RA"] = table["SC_DEC"] = 0.0 * u.deg
        check(read_regions(save(table), sky), ["11", "12", "13"])

    def test_erass1(self, save, sky, places):
        table = Table({"IAUNAME": ["1eRASS a", "1eRASS b", "1eRASS c"], "DETUID": ["x", "y", "z"], "ID_SRC": [1, 1, 1]})
        table["RA"], table["DEC"] = places.icrs.ra.deg * u.deg, places.icrs.dec.deg * u.deg
        check(read_regions(save(table), sky), ["1eRASS a", "1eRASS b", "1eRASS c"])

    def test_this_packages_own(self, tmp_path, sky, places):
        """The catalogue's three tables give back the fitted places, with a WCS and without; one has no fit."""
        icrs = places.icrs
        names = ["north, {1}", "b/c", "ω Cen"]
        rows = [
            {
                "ID": name,
                "X_IMA": x,
                "Y_IMA": y,
                "RA": place.ra.deg,
                "DEC": place.dec.deg,
                "X_ASKED": 1.0,
                "Y_ASKED": 2.0,
            }
            for name, x, y, place in zip(names, X, Y, icrs, strict=True)
        ]
        rows.insert(1, {"ID": "none", "FLAG": 1, "X_ASKED": 1.0, "Y_ASKED": 2.0})
        write_tables(tmp_path, make_table(rows, "ct / s"))
        for kind in ("ecsv", "fits", "vot"):
            for image in (sky, replace(sky, wcs=None)):
                with pytest.warns(DataWarning, match=r"expected positions, found none in row 2: left without one"):
                    found = read_regions(tmp_path / f"catalog.{kind}", image)
                assert found[1].name == "none"
                assert math.isnan(found[1].x)
                check([found[0], *found[2:]], names)


class TestColumns:
    def test_pixels_where_there_is_no_wcs(self, save, sky):
        table = Table({"x_ima": X * u.pix, "Y_ima": Y * u.pix, "RA": [0.0] * 3, "Dec": [0.0] * 3})
        check(read_regions(save(table), replace(sky, wcs=None)))

    def test_pixels_alone(self, save, sky):
        check(read_regions(save(Table({"X_IMA": X, "Y_IMA": Y})), sky))

    def test_a_stamps_origin(self, save, sky, places):
        table = Table({"ra": places.icrs.ra.deg, "dec": places.icrs.dec.deg})
        path = save(table)
        with pytest.warns(DataWarning, match="2 of 3 sources lie outside the image"):
            check(read_regions(path, sky.stamp(50, 60, 8)), ["2"], X[1:2], Y[1:2])

    @pytest.mark.parametrize("unit", [u.hourangle, u.rad, u.arcmin, u.deg], ids=str)
    def test_units(self, tmp_path, sky, places, unit):
        table = QTable({"RA": places.icrs.ra.to(unit), "DEC": places.icrs.dec.to(u.arcsec)})
        table.write(tmp_path / "a.ecsv")
        check(read_regions(tmp_path / "a.ecsv", sky))

    @pytest.mark.parametrize("separator", [" ", ":", "hms"])
    def test_angles_in_words(self, save, sky, places, separator):
        form = {"precision": 7} | ({} if separator == "hms" else {"sep": separator})
        ra = [place.ra.to_string("hour", **form) for place in places.icrs]
        dec = [place.dec.to_string("deg", **form) for place in places.icrs]
        check(read_regions(save(Table({"RA": ra, "DEC": dec})), sky))

    @pytest.mark.parametrize("system", ["ICRS", "FK5", "FK4"])
    def test_frames(self, save, sky, places, system):
        """FK4 is 0.6 degrees from ICRS there, FK5 of 1975 a third of that."""
        frames = {"ICRS": "icrs", "FK5": FK5(equinox="J1975"), "FK4": FK4(equinox="B1950")}
        place = places.transform_to(frames[system])
        more = {"EQUINOX": 1975.0} if system == "FK5" else {}
        found = read_regions(save(Table({"RA": place.ra.deg, "DEC": place.dec.deg}), RADESYS=system, **more), sky)
        check([region._replace(x=round(region.x, 4), y=round(region.y, 4)) for region in found])

    def test_names_that_are_no_use(self, save, sky, places):
        """The same twice, or missing: the next column is taken, at last the row's number."""
        table = Table({"ID": ["a", "a", "b"], "NAME": ["x", "", "z"], "SRCID": [5.0, 6.0, 7.0]})
        table["RA"], table["DEC"] = places.icrs.ra.deg, places.icrs.dec.deg
        check(read_regions(save(table), sky), ["5", "6", "7"])

    def test_odd_names_are_printable(self, save, sky, places):
        names = ["a\nwarning: b", "c\x7f", "d" * 900]
        table = Table({"ID": names, "RA": places.icrs.ra.deg, "DEC": places.icrs.dec.deg})
        found = [region.name for region in read_regions(save(table), sky)]
        assert found == [r"a\nwarning: b", r"c\x7f", "d" * 200]


class TestRowsThatDoNotCount:
    def test_outside_is_counted_once(self, save, sky, places):
        """Far away, on the other side of the sky, beside the image, and where nothing is exposed."""
        edge = sky.wcs.pixel_to_world(np.array([0.4, 99.6, 50, 50]) - 1, np.array([50, 50, 0.4, 99.6]) - 1).icrs
        ra = [*places.icrs.ra.deg, 30.0, 30.0, 211.0, *edge.ra.deg]
        dec = [*places.icrs.dec.deg, -2.0, 89.0, 2.0, *edge.dec.deg]
        path = save(Table({"RA": ra, "DEC": dec}))
        with pytest.warns(DataWarning) as caught:
            check(read_regions(path, sky))
        (warning,) = caught
        said = "7 of 10 sources lie outside the image, or where nothing is exposed: left out"
        assert str(warning.message).endswith(f": {said}")

    def test_a_gap_is_no_edge(self, tmp_path, sky):
        """Kept where the prior of a position reaches an exposed pixel."""
        exposure = sky.exposure.copy()
        exposure[40:] = 0.0
        observation = replace(sky, exposure=exposure)
        last = 40.0  # the last exposed row
        Table({"X_IMA": [50.0] * 3, "Y_IMA": [last, last + REACH, last + REACH + 1]}).write(tmp_path / "a.ecsv")
        with pytest.warns(DataWarning, match="1 of 3 sources lie outside the image, or where nothing is exposed"):
            found = read_regions(tmp_path / "a.ecsv", observation)
        assert [region.y for region in found] == [last, last + REACH]

    def test_without_a_position(self, save, sky, places):
        ra, dec = places.icrs.ra.deg[[0, 1, 2, 0, 0]], places.icrs.dec.deg[[0, 1, 2, 0, 0]]
        ra[1], dec[3] = np.nan, 95.0
        ra = MaskedColumn(ra, mask=[False, False, True, False, False])
        path = save(Table({"ID": list("abcde"), "RA": ra, "DEC": dec}))
        with pytest.warns(DataWarning, match=r"list.*: expected positions, found none in row 2 and 2 more: left"):
            found = read_regions(path, sky)
        assert [region.name for region in found] == list("abcde")
        assert [math.isnan(region.x) for region in found] == [False, True, True, True, False]

    def test_without_an_image_all_stay(self, save):
        check(read_regions(save(Table({"X_IMA": X - 1e6, "Y_IMA": Y}))), x=X - 1e6)

    def test_a_distorted_wcs(self, tmp_path, sky):
        """Far from the image its polynomials say anything, also that a source is in it."""
        header = sky.wcs.to_header()
        header["CTYPE1"], header["CTYPE2"], header["A_ORDER"], header["B_ORDER"] = "RA---TAN-SIP", "DEC--TAN-SIP", 3, 3
        header["A_3_0"] = header["B_0_3"] = 1e-6
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wcs = WCS(header)
        place = wcs.pixel_to_world(X - 1, Y - 1).icrs
        rng = np.random.default_rng(0)
        distance, angle = rng.uniform(0.2, 1.5, 3000), rng.uniform(0, 2 * np.pi, 3000)
        ra = [*place.ra.deg, *(210 + distance * np.cos(angle))]
        dec = [*place.dec.deg, *(2 + distance * np.sin(angle))]
        Table({"RA": ra, "DEC": dec}).write(tmp_path / "a.ecsv")
        with pytest.warns(DataWarning, match=r"3,000 of 3,003 sources"):
            check(read_regions(tmp_path / "a.ecsv", replace(sky, wcs=wcs)))


class TestRefusals:
    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            ({"ALPHA": [1.0], "DELTA": [2.0]}, "expected columns RA and DEC, or X_IMA and Y_IMA, found ALPHA, DELTA"),
            ({"X": [1.0], "Y": [2.0]}, "expected columns RA and DEC, or X_IMA and Y_IMA, found X, Y"),
            ({"RA": [[1.0, 2.0]], "DEC": [2.0]}, "expected a number in each row of RA and DEC"),
            ({"RA": [1.0] * u.s, "DEC": [2.0]}, "expected RA in deg, hourangle, .*, found the unit 's'"),
            ({"X_IMA": ["a"], "Y_IMA": ["b"]}, "expected numbers in the column X_IMA, found 'a'"),
            ({"RA": ["a"], "DEC": ["b"]}, "expected sources in the image, found none: .*, found none in row 1"),
            ({"RA": [30.0], "DEC": [2.0]}, "expected sources in the image, found none: 1 of 1 sources lie outside"),
            ({"RA": np.array([]), "DEC": np.array([])}, "expected sources, found a table without rows"),
        ],
    )
    def test_columns(self, save, sky, columns, message):
        path = save(Table(columns))
        with pytest.raises(InputError, match=rf"list.*: {message}"):
            read_regions(path, sky)

    @pytest.mark.parametrize(
        ("keywords", "message"),
        [({"RADESYS": "GAPPT"}, "ICRS, FK5 or FK4, found 'GAPPT'"), ({"RADESYS": "FK5", "EQUINOX": "x"}, "found 'x'")],
    )
    def test_frames(self, tmp_path, sky, keywords, message):
        with pytest.raises(InputError, match=message):
            read_regions(as_fits(tmp_path / "a", Table({"RA": [210.0], "DEC": [2.0]}), keywords), sky)

    def test_hdus(self, tmp_path, sky, places):
        good = fits.table_to_hdu(Table({"RA": places.icrs.ra.deg, "DEC": places.icrs.dec.deg}))
        other = fits.table_to_hdu(Table({"START": [1.0]}))
        good.name, other.name = "SRCLIST", "GTI"
        path = tmp_path / "a.fits"
        fits.HDUList([fits.PrimaryHDU(), other, good]).writeto(path)
        for picked in (path, f"{path}[SRCLIST]", f"{path}[2]"):
            check(read_regions(picked, sky))
        for hdu, message in {
            "GTI": r"a\.fits\[GTI\]: expected columns RA and DEC, or X_IMA and Y_IMA, found START",
            "0": r"a\.fits\[0\]: expected a table of sources, found none in the HDUs 0 PRIMARY, 1 GTI, 2 SRCLIST",
            "NONE": r"a\.fits: expected an HDU 'NONE', found 0 PRIMARY, 1 GTI, 2 SRCLIST",
            "1,2": r"a\.fits: expected \[HDU\] to pick a table",
        }.items():
            with pytest.raises(InputError, match=message):
                read_regions(f"{path}[{hdu}]", sky)
        Table({"RA": [1.0], "DEC": [1.0]}).write(tmp_path / "a.ecsv")
        with pytest.raises(InputError, match=r"a\.ecsv: expected a FITS file to pick an HDU from"):
            read_regions(f"{tmp_path}/a.ecsv[1]", sky)

    @pytest.mark.parametrize(("name", "most"), [("_MOST_ROWS", 2), ("_MOST_FITS", 10), ("_MOST_TEXT", 10)])
    def test_limits(self, save, sky, places, monkeypatch, name, most):
        path = save(Table({"RA": places.icrs.ra.deg, "DEC": places.icrs.dec.deg}))
        monkeypatch.setattr(sourcetables, name, most)
        is_fits = fits_inside(path)
        if (name == "_MOST_FITS" and not is_fits) or (name == "_MOST_TEXT" and is_fits):
            check(read_regions(path, sky))
        else:
            with pytest.raises(InputError, match=r"list.*: expected .*at most"):
                read_regions(path, sky)

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("data elsewhere", "with its data in it, found them packed or elsewhere"),
            ("data elsewhere, hidden", "with its data in it, found them packed or elsewhere"),
            ("packed data", "with its data in it, found them packed or elsewhere"),
            ("FITS in XML", "with its data in it, found them packed or elsewhere"),
            ("laughs", "without entities of its own, found some"),
            ("a file in XML", "without entities of its own, found some"),
        ],
    )
    def test_a_votable_opens_nothing_else(self, tmp_path, sky, name, message):
        (tmp_path / "a.vot").write_bytes(hostile_tables.FILES_OF_SOURCES[name])
        with pytest.raises(InputError, match=rf"a\.vot: expected a VOTable {message}"):
            read_regions(tmp_path / "a.vot", sky)

    def test_a_truncated_table(self, save, sky, places):
        of = np.arange(9000) % 3
        path = save(Table({"RA": places.icrs.ra.deg[of], "DEC": places.icrs.dec.deg[of]}))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(InputError, match=r"list.*: expected"):
            read_regions(path, sky)


def fits_inside(path):
    content = path.read_bytes()
    return (gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content).startswith(b"SIMPLE")
