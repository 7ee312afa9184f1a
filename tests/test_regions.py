"""Lists of sources. Oracles: astropy's WCS, the header's LTM and LTV by hand, and formatting back and forth."""

import math
import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from hypothesis import given, settings
from hypothesis import strategies as st

from pgm_mock import DataWarning, InputError, Observation, Region, read_regions


@pytest.fixture
def write(tmp_path):
    def write_file(text):
        path = tmp_path / "sources.reg"
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


@pytest.fixture(scope="module")
def sky():
    """An image with a WCS and the physical coordinates of XMM-Newton's images: 80 units to a pixel."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [210.0, 2.0]
    wcs.wcs.crpix, wcs.wcs.cdelt = [50.0, 60.0], [-1 / 900, 1 / 900]
    wcs.wcs.radesys = "FK5"
    header = fits.Header({"LTM1_1": 0.0125, "LTM2_2": 0.0125, "LTV1": 0.49375, "LTV2": 0.49375})
    return Observation(counts=np.zeros((99, 99)), exposure=np.ones((99, 99)), wcs=wcs, header=header)


def test_the_tutorials_sources():
    from pgm_mock.resources import resource

    regions = read_regions(resource("a1835_regions.txt"))
    assert len(regions) == 26
    assert regions[0] == Region("1", 232.0, 399.0, 9.6640149)
    assert regions[8] == Region("9", 271.0, 216.0, 5.3269609)
    assert regions[-1].name == "26"


numbers = st.floats(-1e4, 1e4).filter(lambda value: abs(value) > 1e-3)


@settings(deadline=None)
@given(
    st.lists(st.tuples(numbers, numbers, st.floats(0.1, 99)), min_size=1, max_size=5),
    st.sampled_from([" ", ", ", "\t"]),
)
def test_plain_lines_come_back(tmp_path_factory, circles, separator):
    path = tmp_path_factory.mktemp("plain") / "sources.txt"
    path.write_text("# x y radius\n\n" + "".join(separator.join(map(repr, circle)) + " # note\n" for circle in circles))
    assert [tuple(region[1:]) for region in read_regions(path)] == circles


def test_a_radius_may_be_missing(write):
    (region,) = read_regions(write("3 4"))
    assert (region.x, region.y) == (3, 4)
    assert math.isnan(region.radius)


IMAGE, PHYSICAL, SKY = (10.0, 20.0, 3.0), (10.0, 20.0, 3.0), (10.0, 20.0, 3.0)
CIRCLES = {
    "image": "image\ncircle(10,20,3)",
    "image, pixels said": "image\ncircle(10,20,3i)",
    "image, no brackets": "image; circle 10 20 3",
    "image, one-line": "image;circle(10,20,3) # color=red",
    "physical": "physical\ncircle(760.5,1560.5,240)",
    "no frame, as CIAO writes": "circle(760.5,1560.5,240)",
    "plus sign": "image;+circle(10,20,3)",
    "header lines": "# Region file format: DS9 version 4.1\nglobal color=green\nimage\ncircle(10,20,3)",
}


@pytest.mark.parametrize("text", CIRCLES.values(), ids=CIRCLES)
def test_ds9_circles_in_pixels(write, sky, text):
    (region,) = read_regions(write(text), sky)
    assert region[1:] == pytest.approx((10.0, 20.0, 3.0))


COVERED = {
    "image": "image\nellipse(10,20,3,2,30)",
    "image, without an angle": "image\nELLIPSE(10,20,1,3)",
    "image, no brackets": "image; ellipse 10 20 3i 2i 595.005 # color=green",
    "physical": "physical\n+ ellipse(760.5,1560.5,80,240,30)",
    "no frame, as CIAO writes": "# Region file format: CIAO version 1.0\nellipse(760.5,1560.5,240,80,30)",
    "a box": "image\nbox(10,20,4,6,0)",
    "a box without an angle": "image\nbox(10,20,4,6)",
    "a rotated box, as CIAO writes": "rotbox(760.5,1560.5,480,240,45)",
    "a box in DS9's way": "physical\nbox(760.5,1560.5,480,240,45) ||",
}


@pytest.mark.parametrize("text", COVERED.values(), ids=COVERED)
def test_ds9_ellipses_and_boxes_in_pixels(write, sky, text):
    """The larger semi-axis, and half of the longer side, are the radius."""
    (region,) = read_regions(write(text), sky)
    assert region == ("1", *(pytest.approx(value) for value in (10.0, 20.0, 3.0)))


def test_ds9_ellipses_and_boxes_on_the_sky(write, sky):
    """A pixel has 4 arcsec."""
    place = sky.wcs.pixel_to_world(10 - 1, 20 - 1)
    words = place.to_string("hmsdms", sep=":", precision=6).replace(" ", ",")
    for text in (
        f'fk5\nellipse({place.ra.deg},{place.dec.deg},12",8",30) # text={{a}}',
        f"icrs;ellipse({place.icrs.ra.deg}d,{place.icrs.dec.deg}d,0.1',0.2') # text={{a}}",
        f'ellipse({words},4",12",0) # text={{a}}',
        f"j2000; box({words},{12 / 3600},{24 / 3600},75) # text={{a}}",
    ):
        (region,) = read_regions(write(text), sky)
        assert region.name == "a"
        assert region[1:] == pytest.approx((10.0, 20.0, 3.0), abs=1e-3), text


def test_the_ellipses_of_a_real_list(write):
    """A list in which the last one is of an extended source; excluded ones stay out."""
    text = (
        "global color=red\nimage ; ellipse(127.800,166.400,3.10645,3.10645,595.005)\n"
        "image ; -ellipse(1,2,3,4,5)\nimage ; ellipse(263.708,275.181,23.1658,26.0474,59.8832) # color=green\n"
    )
    with pytest.warns(DataWarning, match="1 regions that are excluded"):
        regions = read_regions(write(text))
    assert regions == [Region("1", 127.8, 166.4, 3.10645), Region("2", 263.708, 275.181, 26.0474)]


def test_ds9_circles_on_the_sky_follow_the_wcs(write, sky):
    place = sky.wcs.pixel_to_world(10 - 1, 20 - 1)
    ra, dec = place.ra.deg, place.dec.deg
    sexagesimal = place.to_string("hmsdms", sep=":", precision=6).replace(" ", ",")
    galactic = place.galactic
    for text in (
        f'fk5\ncircle({ra},{dec},12")',
        f"icrs;circle({place.icrs.ra.deg}d,{place.icrs.dec.deg}d,0.2')",
        f'j2000; circle({sexagesimal},12")',
        f'circle({sexagesimal},12")',
        f"galactic; circle({galactic.l.deg},{galactic.b.deg},{12 / 3600})",
    ):
        (region,) = read_regions(write(text), sky)
        assert region[1:] == pytest.approx((10.0, 20.0, 3.0), abs=1e-3), text


def test_names_come_from_text_else_from_the_number(write):
    regions = read_regions(write("image\ncircle(1,2,3) # text={NGC 1; core}\ncircle(4,5,6); circle(7,8,9)"))
    assert [region.name for region in regions] == ["NGC 1; core", "2", "3"]
    assert [region.x for region in regions] == [1, 4, 7]


def test_points_have_no_radius(write):
    (region,) = read_regions(write("image\npoint(3,4) # point=cross"))
    assert math.isnan(region.radius)


def test_other_shapes_and_exclusions_are_counted(write):
    text = "image\ncircle(1,2,3)\n-circle(4,5,6)\npolygon(1,2,3,4,5,6)\nannulus(1,2,3,4)\nellipse(1,2,3,4,5,6,0)"
    said = "4 regions that are excluded, or no circles, ellipses, boxes or points: left out"
    with pytest.warns(DataWarning, match=said):
        regions = read_regions(write(text))
    assert len(regions) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected lines `x y radius`, DS9 circles, .* or a table of sources, found none"),
        ("# nothing\n", "expected lines `x y radius`, DS9 circles, .* or a table of sources, found none"),
        ("1 2 3\n1 two 3\n", "line 2: expected numbers `x y radius`, found '1 two 3'"),
        ("1 2 3 4\n", "line 1: expected numbers `x y radius`, found '1 2 3 4'"),
        ("nan 2 3\n", "line 1: expected numbers"),
        ("1 2 -3\n", "line 1: expected a radius > 0, found -3"),
        ("image\ncircle(1,2)", r"line 2: expected a DS9 circle, ellipse, box or point, found 'circle\(1,2\)'"),
        ("image\nellipse(1,2,3)", r"line 2: expected a DS9 circle, ellipse, box or point, found 'ellipse\(1,2,3\)'"),
        ("image\nellipse(1,2,3,0,5)", r"line 2: expected a DS9 circle, ellipse, box or point, found 'ell"),
        ("image\ncircle(1,2,3)\nhello", "line 3: expected a DS9 region, found 'hello'"),
        ('fk5\ncircle(210,2,12")', "line 2: expected an image with a WCS to place fk5 coordinates in, found none"),
        ("wcsa\ncircle(1,2,3)", "line 1: expected image, physical or sky coordinates, found the frame 'wcsa'"),
    ],
)
def test_refusals_number_the_line(write, text, message):
    with pytest.raises(InputError, match=r"sources\.reg: " + message):
        read_regions(write(text))


def test_a_polygon_alone(write):
    wanted = "expected lines `x y radius`, DS9 circles, ellipses, boxes or points, or a table of sources, found none"
    with pytest.warns(DataWarning, match="1 regions"), pytest.raises(InputError, match=wanted):
        read_regions(write("image\npolygon(1,2,3,4,5,6)"))


def test_a_source_on_the_other_side_of_the_sky(write, sky):
    with pytest.raises(InputError, match="expected a position on the image's sky"):
        read_regions(write('fk5\ncircle(30,-2,12")'), sky)


def test_no_such_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.txt: no such file"):
        read_regions(tmp_path / "none.txt")


def test_physical_coordinates_of_the_real_image(write, real):
    """Oracle: the alternate WCS of its header, by astropy."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        physical = WCS(real.header, key="L").wcs_pix2world([[232.0, 399.0]], 1)[0]
    (region,) = read_regions(write(f"physical\ncircle({physical[0]},{physical[1]},400)"), real)
    assert region[1:] == pytest.approx((232.0, 399.0, 5.0))


class TestOneBadCircleOnTheSky:
    GOOD = 'circle(210,2,12") # text={good}'

    @pytest.mark.parametrize(
        "bad",
        [
            'ellipse(30,-2,12",5",0) # text={bad}',
            'circle(30,-2,12") # text={bad}',
            'circle(14:00:00,+95:00:00,12") # text={bad}',
            'circle(210,2,0") # text={bad}',
            "circle(210,2) # text={bad}",
        ],
        ids=["an ellipse there", "other side of the sky", "no declination", "no size", "no radius"],
    )
    def test_it_costs_its_own_row(self, write, sky, bad):
        """Oracle: the list without it."""
        with pytest.warns(DataWarning, match=r"sources\.reg: line 3: expected .*: left without a position$"):
            regions = read_regions(write(f"fk5\n{self.GOOD}\n{bad}\n{self.GOOD}"), sky)
        assert [region.name for region in regions] == ["good", "bad", "good"]
        assert all(math.isnan(number) for number in regions[1][1:])
        alone = read_regions(write(f"fk5\n{self.GOOD}"), sky)
        assert [regions[0], regions[2]] == alone * 2

    def test_they_are_counted(self, write, sky):
        bad = 'circle(30,-2,12")\n'
        with pytest.warns(DataWarning, match="line 2: expected .*: left without a position, with 2 more$"):
            regions = read_regions(write(f"fk5\n{bad * 3}{self.GOOD}"), sky)
        assert [region.name for region in regions] == ["1", "2", "3", "good"]

    def test_where_all_are_bad_the_first_is_said(self, write, sky):
        with pytest.raises(InputError, match="line 2: expected a position on the image's sky"):
            read_regions(write('fk5\ncircle(30,-2,12")\ncircle(31,-2,12")'), sky)

    def test_one_bad_circle_in_pixels_is_still_the_lists(self, write, sky):
        with pytest.raises(InputError, match="line 3: expected a DS9 circle"):
            read_regions(write("image\ncircle(1,2,3)\ncircle(1,2)"), sky)
