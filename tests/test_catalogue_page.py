"""The catalogue's page: read back with an HTML parser, its images with Matplotlib, and used in a browser."""

import base64
import io
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, QTable
from astropy.time import Time
from astropy.utils.masked import Masked
from astropy.wcs import WCS
from matplotlib import colormaps
from matplotlib.colors import to_rgba
from matplotlib.image import imread
from matplotlib.text import Text

from pgm_mock import InputError, Region
from pgm_mock.catalogue import Field
from pgm_mock.catalogue.page import Thumbnail, catalogue_page
from pgm_mock.catalogue.picture import FLAGGED, SOUND, field_picture, thumbnails
from pgm_mock.plot.smooth import smoothed_significance, smoothing_width
from pgm_mock.psf import GaussianPSF, KingPSF, MoffatPSF, describe_psf

NASTY = "<b>&\"'</b>"
GREY = 150 / 255
FITTED = ["observed", "model", "residual", "smoothed residual"]
VOID = {"meta", "link", "img", "br", "input", "wbr"}


class Page(HTMLParser):
    """What a browser finds: the header's and the body's cells as (text, attributes), images, strips, links, text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.heads, self.rows, self.images, self.strips, self.links = [], [], [], [], [], []
        self.text, self.tags = "", []
        self.feed(text)
        assert self.open == []
        self.heads = [(text.rstrip(), attrs) for text, attrs in self.heads]

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr" and "tbody" in self.open:
            self.rows.append([])
        if tag in ("th", "td"):
            (self.rows[-1] if "tbody" in self.open else self.heads).append(["", attrs])
        if tag == "img":
            self.images.append((attrs["alt"], base64.b64decode(attrs["src"].removeprefix("data:image/png;base64,"))))
        if tag == "article":
            self.strips.append(["", attrs])
        if "href" in attrs:
            self.links.append(attrs["href"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"style", "script"} & set(self.open):
            return
        self.text += data
        if {"th", "td"} & set(self.open):
            (self.rows[-1] if "tbody" in self.open else self.heads)[-1][0] += data
        if "article" in self.open:
            self.strips[-1][0] += data

    def column(self, name):
        """Return a column's cells."""
        (place,) = [i for i, (text, _) in enumerate(self.heads) if text.split(" ")[0] == name]
        return [row[place] for row in self.rows]


def table_of(flags=(0, 4, 0, 1, 0), **columns):
    """Five sources, two of them flagged."""
    table = QTable()
    table["ID"] = [f"S{number}" for number in range(1, len(flags) + 1)]
    for name, values in columns.items():
        table[name] = values
    table["FLAG"] = list(flags)
    table["MEANING"] = ["second source" if flag == 1 else "few exposed pixels" if flag else "" for flag in flags]
    return table


def thumbnail(seed=0, shape=(5, 7)):
    rng = np.random.default_rng(seed)
    exposed = np.ones(shape, bool)
    exposed[0, :2] = False
    return Thumbnail(rng.poisson(2.0, shape) * exposed, np.full(shape, 2.0), exposed)


def page(table, thumbnails=None, **options):
    return catalogue_page(table, thumbnails or {}, **{"title": "Catalogue"} | options)


def read(table, thumbnails=None, **options):
    return Page(page(table, thumbnails, **options))


def pixels(png):
    """Return colours from 0 to 1, the first row below, shape (ny, nx, 3)."""
    return imread(io.BytesIO(png), format="png")[::-1, :, :3]


def test_any_text_comes_back_as_it_was_given():
    """Markup in a name, a unit, a description, a title or a note is text, and makes no tag."""
    table = table_of(flags=(1, 0))
    table["ID"] = [NASTY, "x"]
    table["MEANING"] = [NASTY + " meaning", ""]
    table[NASTY] = [NASTY + " cell", "y"]
    table["FLUX"] = [1.0, 2.0] * u.def_unit("<i>")
    table[NASTY].info.description = NASTY + " description"
    found = read(table, {NASTY: thumbnail()}, title=NASTY + " title", notes=[NASTY + " note"])
    assert not {"b", "i"} & set(found.tags)
    assert found.rows[0][0][0] == NASTY
    assert NASTY + " cell" in [text for text, _ in found.rows[0]]
    assert any(text == NASTY and attrs["title"] == NASTY + " description" for text, attrs in found.heads)
    assert "FLUX <i>" in [text for text, _ in found.heads]
    for told in (" title", " note", " meaning"):
        assert NASTY + told in found.text


@pytest.mark.parametrize("number", [0, 1, 5])
def test_a_row_and_a_strip_a_source(number):
    table = table_of()[:number]
    thumbnails = {name: thumbnail() for name in table["ID"][:3]}
    found = read(table, thumbnails)
    assert len(found.rows) == len(found.strips) == number
    assert len(found.images) == 4 * len(thumbnails) + 2
    told = {0: "0 sources, 0 flagged, 0 ", 1: "1 source, 0 flagged, 0 ", 5: "5 sources, 2 flagged, 2 "}
    assert told[number] + "without a fit" in found.text


def test_rows_and_strips_lead_to_each_other():
    text = page(table_of())
    for number in range(5):
        strip = re.search(rf'<article id="source-{number}".*?</article>', text, re.S)[0]
        row = re.search(rf'<tr id="row-{number}".*?</tr>', text, re.S)[0]
        assert f'href="#row-{number}"' in strip
        assert f'href="#source-{number}"' in row
        assert f">S{number + 1}<" in strip
        assert f">S{number + 1}<" in row


def test_a_large_page_shows_the_flagged_sources_and_the_first_others():
    flags = np.zeros(2100, int)
    flags[2050] = 4
    found = read(table_of(flags))
    assert len(found.rows) == 2100
    assert [attrs["id"] for _, attrs in found.strips] == [f"source-{row}" for row in (2050, *range(1999))]
    assert sum(link.startswith("#source-") for link in found.links) == 2000
    assert "of 2,000 sources, flagged ones first" in found.text


def test_flagged_sources_are_first_and_say_why():
    table = table_of()
    table["MEANING"] = MaskedColumn(table["MEANING"], mask=[False, True, False, False, False])
    found = read(table)
    assert [attrs["id"] for _, attrs in found.strips] == [f"source-{number}" for number in (1, 3, 0, 2, 4)]
    assert [attrs.get("class") for _, attrs in found.strips] == ["flagged"] * 2 + [None] * 3
    assert "flag 4" in found.strips[0][0]
    assert "second source" in found.strips[1][0]
    assert [row[0][0] for row in found.rows] == ["S1", "S2", "S3", "S4", "S5"]


def test_missing_values_are_dashes_without_a_number():
    mask = [False, True, False, False, False]
    numbers = np.array([1.5, 2.5, np.nan, 3.5, 4.5])
    table = table_of(
        A=Masked(numbers * u.ct, mask=mask),
        B=MaskedColumn(numbers, mask=mask),
        C=numbers * u.s,
        D=MaskedColumn([1, 2, 3, 4, 5], mask=mask),
        E=MaskedColumn(["a", "b", "", "d", "e"], mask=mask),
        RATE=Masked(numbers, mask=mask),
        RATE_LOWERR=np.full(5, 0.1),
        RATE_UPERR=np.full(5, 0.2),
    )
    found = read(table)
    expected = {"A": (1, 2), "B": (1, 2), "C": (2,), "D": (1,), "E": (1, 2), "RATE": (1, 2)}
    for name, places in expected.items():
        for place, (text, attrs) in enumerate(found.column(name)):
            assert (text == "–") == ("data-none" in attrs) == (place in places), (name, place)
            assert ("data-v" in attrs) == (place not in places and name != "E")


def test_columns_of_any_kind_are_shown():
    """Sky coordinates, times, objects and vectors are text; none of them is lost."""
    sky = SkyCoord([10.5, 20.5] * u.deg, [1.25, 2.25] * u.deg)
    start = Time(["2000-01-01T00:00:00", "2001-01-01T00:00:00"])
    objects = np.array([None, float("nan")], object)
    table = table_of(flags=(0, 0), SKY=sky, START=start, ODD=objects, PAIR=np.arange(4.0).reshape(2, 2))
    found = read(table)
    assert ["10.5" in found.column("SKY")[0][0], "20.5" in found.column("SKY")[1][0]] == [True, True]
    assert "2001-01-01" in found.column("START")[1][0]
    assert [text for text, _ in found.column("ODD")] == ["–", "–"]
    assert [text for text, _ in found.column("PAIR")] == ["[0. 1.]", "[2. 3.]"]


def test_a_table_from_a_fits_file_makes_the_same_page(tmp_path):
    """Invariance: FITS turns text into bytes, numbers into big-endian ones, and masked text into empty text."""
    table = table_of(
        RATE=Masked([1.5, 2.5, 3.5, 4.5, 5.5] * u.ct / u.s, mask=[0, 1, 0, 0, 0]),
        METHOD=MaskedColumn(["a", "b", "c", "d", "é"], mask=[0, 1, 0, 0, 0]),
        SPLIT=[True, False, True, False, True],
    )
    table["METHOD"][4] = "e"
    table["RATE"].info.description = "count rate"
    table.write(tmp_path / "table.fits")
    assert page(QTable.read(tmp_path / "table.fits")) == page(table)


def test_heads_have_units_and_descriptions():
    table = table_of(
        RATE=np.ones(5) * u.ct / u.s,
        RATE_LOWERR=np.ones(5) * u.ct / u.s,
        RATE_UPERR=np.ones(5) * u.ct / u.s,
        ODD=np.ones(5),
        ANGLE=np.ones(5) * u.deg,
    )
    table["ODD"].unit = u.Unit("ct/keV/nonsense", parse_strict="silent")
    for name, told in (("RATE", "count rate"), ("RATE_LOWERR", "to 16 %"), ("RATE_UPERR", "to 84 %")):
        table[name].info.description = told
    heads = {text: attrs.get("title") for text, attrs in read(table).heads}
    assert heads["RATE ct s⁻¹"] == "count rate\n− to 16 %\n+ to 84 %"
    assert heads["ODD ct/keV/nonsense"] is None
    assert heads["ANGLE °"] is None
    assert list(heads) == ["ID", "FLAG", "MEANING", "RATE ct s⁻¹", "ODD ct/keV/nonsense", "ANGLE °"]


@pytest.mark.parametrize(
    ("value", "lower", "upper", "told"),
    [
        (0.001853, 0.000381, 0.000432, "0.00185+0.00043−0.00038"),
        (271.0213, 0.3351, 0.3432, "271.02+0.34−0.34"),
        (1.386, 0.18, 0.218, "1.39+0.22−0.18"),
        (10.0, 0.012, 1.5, "10.000+1.500−0.012"),
        (12.3456, 0.0997, 0.5, "12.35+0.50−0.10"),  # 0.0997 has two digits as 0.10
        (43213.0, 123.0, 156.0, "43210+160−120"),
        (-0.00123, 0.02, 0.03, "−0.001+0.030−0.020"),
        (-0.0002, 0.02, 0.03, "0.000+0.030−0.020"),
        (1.853e-14, 3.81e-15, 4.32e-15, "1.85+0.43−0.38×10⁻¹⁴"),
        (3.21e9, 1.2e8, 2.1e8, "3.21+0.21−0.12×10⁹"),
        (0.05, np.nan, 0.01, "0.050+0.010–"),
        (0.05, 0.01, np.inf, "0.050+∞−0.010"),
        (0.05, 0.0, 0.01, "0.050+0.010−0.000"),
        (0.05, np.nan, np.nan, "0.0500––"),
        (1.25e-14, np.nan, np.nan, "1.25×10⁻¹⁴––"),
        (0.05, -0.01, 0.02, "0.050+0.020−0.010"),  # some archives give lower errors a sign
        (np.nan, 0.01, 0.01, "–"),
    ],
)
def test_errors_decide_the_digits(value, lower, upper, told):
    """Closed form: two digits of the smaller error, the value to the same place."""
    found = read(table_of(flags=(0,), A=[value], A_LOWERR=[lower], A_UPERR=[upper]))
    ((text, attrs),) = found.column("A")
    assert text == told
    assert attrs.get("data-v") == (None if np.isnan(value) else repr(value))
    assert len(found.heads) == 4


def test_errors_in_another_unit_stay_columns_of_their_own():
    one = [1.0]
    apart = read(table_of(flags=(0,), A=one * u.deg, A_LOWERR=one * u.arcsec, A_UPERR=one * u.arcsec))
    assert [text for text, _ in apart.heads] == ["ID", "FLAG", "MEANING", "A °", "A_LOWERR ″", "A_UPERR ″"]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([0.412, 0.312, 3.2e-7, 0.0], ["0.412", "0.312", "3.20×10⁻⁷", "0.000"]),
        ([38.512, 6.2, -1234.56], ["38.5", "6.2", "−1234.6"]),
        ([1.0003, 1.0021, 0.9998], ["1.000", "1.002", "1.000"]),
        ([1.2e-14, 3.456e-13], ["1.20×10⁻¹⁴", "3.46×10⁻¹³"]),
        ([1.5, np.inf, -np.inf], ["1.50", "∞", "−∞"]),
        ([6000.0, 250.0], ["6000", "250"]),
        ([693810501010001, -3], ["693810501010001", "-3"]),
        ([210.123456, 0.5] * u.deg, ["210.12346", "0.50000"]),
        ([True, False], ["yes", "no"]),
    ],
)
def test_numbers_of_a_column_share_their_decimals(values, told):
    cells = read(table_of(flags=[0] * len(told), A=values)).column("A")
    assert [text for text, _ in cells] == told
    if told[0] != "yes":
        given = [float(attrs["data-v"].replace("Infinity", "inf")) for _, attrs in cells]
        assert given == list(getattr(values, "value", values))


def test_images_are_png_files_of_the_right_size_and_colours():
    """Oracle: Matplotlib reads the files and has the colour maps."""
    observed = np.array([[0, 1, 4], [16, 9, 4]])
    model = np.array([[9.0, 1.0, 4.0], [4.0, np.nan, 0.04]])
    exposed = np.array([[False, True, True], [True, True, True]])
    found = read(table_of(flags=(0,)), {"S1": Thumbnail(observed, model, exposed)})
    images = {name: pixels(png) for name, png in found.images[2:]}
    smooth = images.pop("smoothed residual")
    assert (np.abs(smooth - GREY) < 1e-6).all(axis=2).tolist() == [[True, False, False], [False, True, False]]
    viridis, diverging = colormaps["viridis"], colormaps["RdBu_r"]
    assert {name: image.shape for name, image in images.items()} == dict.fromkeys(
        ("observed", "model", "residual"), (2, 3, 3)
    )
    grey = [GREY] * 3

    def of(colours, rows):
        return [[grey if value is None else colours(value)[:3] for value in row] for row in rows]

    near = {"atol": 0.015}  # a step of the palette
    np.testing.assert_allclose(images["observed"], of(viridis, [[None, 0.25, 0.5], [1.0, 0.75, 0.5]]), **near)
    np.testing.assert_allclose(images["model"], of(viridis, [[None, 0.25, 0.5], [0.5, None, 0.05]]), **near)
    np.testing.assert_allclose(images["residual"], of(diverging, [[None, 0.5, 0.5], [1.0, None, 1.0]]), **near)
    assert "34 counts, peak 16" in found.text.replace("\xa0", " ")


def test_residuals_below_the_model_are_blue():
    images = Thumbnail(np.array([[0, 12]]), np.array([[100.0, 16.0]]), np.ones((1, 2), bool))
    (_, png) = read(table_of(flags=(0,)), {"S1": images}).images[-2]
    expected = [colormaps["RdBu_r"](value)[:3] for value in (0.0, 0.4)]
    np.testing.assert_allclose(pixels(png)[0], expected, atol=0.015)


def test_without_a_fit_there_is_the_observed_image_alone():
    good = thumbnail()
    exposed = good.exposed
    thumbnails = {
        "S1": good,
        "S2": good._replace(model=np.full(exposed.shape, np.nan)),
        "S3": good._replace(model=np.where(exposed, np.nan, 0.0)),
        "S4": good._replace(exposed=np.zeros(exposed.shape, bool)),
    }
    found = read(table_of(), thumbnails)
    assert "5 sources, 2 flagged, 4 without a fit" in found.text
    assert [name for name, _ in found.images[2:]] == [*["observed"] * 3, *FITTED[1:], "observed"]
    assert ["no images" in text for text, _ in found.strips] == [False, False, False, False, True]
    assert np.all(np.abs(pixels(found.images[3][1]) - GREY) < 1e-6)


def test_smoothed_residuals_are_those_of_the_pictures():
    """Oracle: the function that the fit's own picture has, drawn with Matplotlib's colours."""
    images = thumbnail(shape=(9, 9))
    images = images._replace(model=np.full((9, 9), 0.4))
    width = smoothing_width(images.model, images.exposed)
    smooth = smoothed_significance(images.observed, images.model, images.exposed, width)
    found = read(table_of(flags=(0,)), {"S1": images})
    shown = pixels(found.images[-1][1])[images.exposed]
    expected = colormaps["RdBu_r"](np.clip(smooth / 10 + 0.5, 0, 1))[images.exposed][:, :3]
    np.testing.assert_allclose(shown, expected, atol=0.015)
    assert f"σ = {width:g} pixel" in found.text.replace("\xa0", " ")


def test_places_and_a_scale_bar_are_marked_on_the_images():
    """Closed form: an SVG's y goes down, its first pixel is centred on 0; 30 arcsec are 7.5 pixels of 4 arcsec."""
    images = thumbnail(shape=(41, 41))._replace(asked=(20.0, 20.0), found=(22.5, 10.0), pixel=4.0)
    text = page(table_of(flags=(0,)), {"S1": images})
    stamps = re.findall(r'<div class="stamp"><img[^>]*><svg viewBox="([^"]*)"[^>]*>(.*?)</svg>', text)
    assert [box for box, _ in stamps] == ["-.5 -.5 41 41"] * 4
    for _, drawn in stamps:
        (ring,) = re.findall(r'd="M([\d.-]+) ([\d.-]+)a([\d.-]+)', drawn)
        (across, down) = (
            re.findall(r"M([\d.-]+) ([\d.-]+)[hv]([\d.-]+)m", drawn)[0],
            re.findall(r"M([\d.-]+) ([\d.-]+)v([\d.-]+)", drawn)[0],
        )
        x, y, radius = map(float, ring)
        assert (x + radius, y) == pytest.approx((20.0, 20.0), abs=0.02)
        assert (float(down[0]), float(across[1])) == pytest.approx((22.5, 30.0), abs=0.02)
    assert ["30″" in drawn for _, drawn in stamps] == [True, False, False, False]
    assert re.search(r"h7\.50", stamps[0][1])
    told = read(table_of(flags=(0,)), {"S1": images}).text
    for words in ("place asked for", "place found", "blue: fewer counts than the model, red: more"):
        assert words in told


def test_without_places_and_sky_nothing_is_drawn_over_the_images():
    assert '<div class="stamp"><img' in page(table_of(), {"S1": thumbnail()})
    assert 'viewBox="-.5' not in page(table_of(), {"S1": thumbnail()})


@pytest.mark.parametrize(
    ("psf", "words"),
    [
        (GaussianPSF(), "Gaussian"),
        (KingPSF(slope=1.3942, typical_width=1.0821), "King profile, slope 1.39, core radius of some 1.08 pixel"),
        (
            MoffatPSF(slope=2.5, typical_width=3.0),
            "Moffat profile, slope 2.5, FWHM of some 3 pixel",
        ),
        ("ImagePSF(psf.fits; sampling=0.25)", "image of the PSF, psf.fits"),
        ("MyOwnPSF", "MyOwnPSF"),
    ],
)
def test_names_of_classes_are_put_into_words(psf, words):
    described = psf if isinstance(psf, str) else describe_psf(psf)
    found = read(table_of(flags=(0,), PSF=[described]))
    assert [text for text, _ in found.column("PSF")] == [words]


def test_names_flags_and_what_they_mean_are_first():
    found = read(table_of(RATE=np.ones(5), CTS=np.ones(5)))
    assert [text for text, _ in found.heads] == ["ID", "FLAG", "MEANING", "RATE", "CTS"]


@pytest.fixture
def field(stamp):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [210.26, -2.88], [110.0, 60.0]
    wcs.wcs.cdelt = [-4 / 3600, 4 / 3600]
    return Field(replace(stamp, wcs=wcs), [Region("a", 110.0, 60.0, 3.0), Region("b", 105.0, 67.0, np.nan)])


def test_the_field_has_sky_axes_and_a_legend(field, monkeypatch):
    """A circle in the colour of the flag about each place asked for, a cross at each place found."""
    from matplotlib.figure import Figure

    drawn = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *args, **how: (drawn.append(self), save(self, *args, **how)))
    table = QTable(
        {"ID": ["a", "b"], "FLAG": [0, 2], "X_IMA": [110.5, np.nan] * u.pix, "Y_IMA": [60.5, np.nan] * u.pix}
    )
    png = field_picture(table, field)
    border = pixels(png)
    for edge in (border[0], border[-1], border[:, 0], border[:, -1]):
        assert (edge == 1).all()  # no label is cut
    (figure,) = drawn
    written = {text.get_text() for text in figure.findobj(Text)}
    assert [coordinate.get_axislabel() for coordinate in figure.axes[0].coords] == ["right ascension", "declination"]
    assert {"a", "b", "source asked for, flagged", "place found"} <= written
    (axes,) = figure.axes
    assert [circle.center for circle in axes.patches] == [(110.0, 60.0), (105.0, 67.0)]
    assert [circle.get_edgecolor() for circle in axes.patches] == [to_rgba(SOUND), to_rgba(FLAGGED)]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines] == [(110.5, 60.5)]


def test_the_places_of_a_source_are_those_of_its_row():
    """A stamp of 5 x 5 pixels about (110.4, 60.6) begins at pixel (108, 59)."""
    images = np.ones((3, 5, 5), np.float32)
    pixels = {"X_ASKED": [110.4, 110.4], "Y_ASKED": [60.6, 60.6], "X_IMA": [109.0, np.nan], "Y_IMA": [62.5, np.nan]}
    table = QTable({"ID": ["a", "b"]} | {name: values * u.pix for name, values in pixels.items()})
    found = dict(thumbnails(table, [(0, images), (1, images)], 4.0))
    assert found["a"].asked == pytest.approx((2.4, 1.6))
    assert found["a"].found == pytest.approx((1.0, 3.5))
    assert found["b"].found is None
    assert found["a"].pixel == pytest.approx(4.0)
    assert dict(thumbnails(table, [(0, images)], None)).keys() == {"a"}


def test_the_field_is_there_as_given():
    field = found_field()
    found = read(table_of(), field=field)
    assert found.images[0] == ("the field", field)


def found_field():
    from matplotlib.image import imsave

    buffer = io.BytesIO()
    imsave(buffer, np.eye(4), format="png")
    return buffer.getvalue()


def test_the_same_input_gives_the_same_page():
    thumbnails = {f"S{number}": thumbnail(number) for number in (1, 2, 3)}
    backwards = dict(reversed(thumbnails.items()))
    options = {"notes": ["a note"], "field": found_field()}
    assert page(table_of(), thumbnails, **options) == page(table_of(), backwards, **options)


def test_nothing_is_asked_from_outside():
    text = page(table_of(), {"S1": thumbnail()}, field=found_field())
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<script [^>]*src|<iframe|<object", text)
    assert all(link.startswith("#") or link == "data:," for link in Page(text).links)
    assert "default-src 'none'" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"remove": "FLAG"}, r"table: expected a column FLAG, found ID, MEANING"),
        ({"ID": ["S1", "S1"]}, r"ID: expected each once, found 'S1' more than once"),
        ({"ID": ["S1", ""]}, r"ID: expected one for each source, found none in row 1"),
        ({"FLAG": [0.0, 1.0]}, r"FLAG: expected an integer"),
        ({"FLAG": [[0, 1], [0, 0]]}, r"FLAG: expected an integer"),
        ({"FLAG": MaskedColumn([0, 1], mask=[False, True])}, r"FLAG: expected an integer"),
        ({"thumbnails": {"S9": thumbnail()}}, r"thumbnails: expected IDs of the table, found 'S9'"),
        (
            {"thumbnails": {"S1": thumbnail()._replace(model=np.ones((5, 6)))}},
            r"thumbnails\['S1'\]: expected three images of one shape, found \[\(5, 6\), \(5, 7\)\]",
        ),
        ({"thumbnails": {"S1": Thumbnail(*np.ones((3, 4)))}}, r"three images of one shape, found \[\(4,\)\]"),
        (
            {"thumbnails": {"S1": thumbnail()._replace(model=np.full((5, 7), -1.0))}},
            r"thumbnails\['S1'\].model: expected no negative counts",
        ),
        ({"field": b"JFIF"}, r"field: expected the bytes of a PNG file, found b'JFIF'"),
    ],
)
def test_input_that_cannot_be_used(change, message):
    table = table_of(flags=(0, 1))
    options = {name: change[name] for name in ("thumbnails", "field") if name in change}
    for name in ("ID", "FLAG"):
        if name in change:
            table[name] = change[name]
    if "remove" in change:
        table.remove_column(change["remove"])
    with pytest.raises(InputError, match=message):
        page(table, **options)


@pytest.fixture
def browser(tmp_path):
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("Chromium is not here: install the packages chromium and chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    flags = "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking disable-sync"
    for flag in [*flags.split(), "window-size=1100,900", f"user-data-dir={tmp_path / 'profile'}"]:
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield found
    found.quit()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the browser's driver
def test_sorting_and_filtering_in_a_browser(browser, tmp_path):
    """Oracle: the order that NumPy gives, with missing values last both ways."""
    from selenium.webdriver.common.keys import Keys

    rates = np.array([3e-4, np.nan, np.inf, -0.2, 12.0, np.nan, 0.05, 1e-9, 2.0, 10.0, -3.0, 0.0])
    table = table_of(flags=[0, 4, 0, 1] + [0] * 8, RATE=rates, KIND=[*"cab" * 3, "", "d", "a"])
    (tmp_path / "page.html").write_text(page(table, {"S1": thumbnail(), "S4": thumbnail(1)}), encoding="utf-8")
    browser.get((tmp_path / "page.html").as_uri())

    def shown(what="tbody tr"):
        script = "return [...document.querySelectorAll(arguments[0])].filter(e => !e.hidden).map(e => e.id)"
        return [int(name.split("-")[1]) for name in browser.execute_script(script, what)]

    def sorting():
        heads = browser.find_elements("css selector", "thead th")
        return {i: head.get_attribute("aria-sort") for i, head in enumerate(heads) if head.get_attribute("aria-sort")}

    heads = browser.find_elements("css selector", "thead button")
    assert (shown(), sorting()) == (list(range(12)), {})
    known, missing = np.flatnonzero(~np.isnan(rates)), [1, 5]
    rising = known[np.argsort(rates[known])].tolist()
    heads[3].click()
    assert (shown(), sorting()) == (rising + missing, {3: "ascending"})
    heads[3].send_keys(Keys.ENTER)
    assert (shown(), sorting()) == (rising[::-1] + missing, {3: "descending"})
    heads[0].send_keys(Keys.SPACE)
    assert (shown(), sorting()) == (list(range(12)), {0: "ascending"})  # S10 after S9
    heads[4].click()
    assert (shown(), sorting()) == ([1, 4, 7, 11, 2, 5, 8, 0, 3, 6, 10, 9], {4: "ascending"})

    words, flagged = browser.find_element("id", "words"), browser.find_element("id", "flagged")
    words.send_keys("Second S -0.2")  # the page has a true minus
    assert (shown(), shown("article")) == ([3], [3])
    assert browser.find_element("id", "shown").text == "1 of 12 shown"
    words.send_keys(Keys.CONTROL, "a", Keys.BACKSPACE)
    assert (len(shown()), len(shown("article"))) == (12, 12)
    flagged.click()
    assert (shown(), shown("article")) == ([1, 3], [1, 3])
    words.send_keys("second")
    assert (shown(), shown("article")) == ([3], [3])
    browser.find_element("css selector", "tbody tr:not([hidden]) a").click()
    assert browser.execute_script("return document.querySelector(':target').id") == "source-3"
    loaded = "return [...document.images].map(image => [image.naturalWidth, image.naturalHeight])"
    assert browser.execute_script(loaded) == [[128, 1]] * 2 + [[7, 5]] * 8
    assert browser.get_log("browser") == []
