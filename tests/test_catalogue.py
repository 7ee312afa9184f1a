"""The catalogue: what is in the table, what survives, and what a mock of a field gives back."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import tracemalloc
import weakref
from concurrent.futures import CancelledError
from dataclasses import replace
from functools import partial
from threading import Event
from unittest.mock import patch

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable, Table
from astropy.units import Unit

from pgm_mock import InputError, Observation, Region
from pgm_mock.catalogue import Field, catalog, read_fields
from pgm_mock.catalogue.measure import Measured, measure_all
from pgm_mock.catalogue.sources import Settings, sources_of
from pgm_mock.catalogue.table import COLUMNS
from pgm_mock.checks.flags import LIGHT, MODEL, NO_FIT
from pgm_mock.cli import main
from pgm_mock.demo import demo_field
from pgm_mock.errors import DataWarning
from pgm_mock.fieldmock import BetaModel, FieldSource, expected_field, mock_field, sources_of_table
from pgm_mock.inference.methods import make_plan
from pgm_mock.psf import KingPSF
from pgm_mock.results import provenance

QUICK = {"half_size": 8, "num_replicates": 0, "gradient": False}


@pytest.fixture(scope="module")
def field() -> Field:
    """Five sources of the simulated field, on a smaller image."""
    demo = demo_field()
    observation = demo.observation
    chosen = [region for region in demo.regions if region.name in ("1", "9", "15", "17", "20")]
    return Field(observation, chosen)


@pytest.fixture(scope="module")
def made(field, tmp_path_factory):
    """A catalogue with checks, made once."""
    folder = tmp_path_factory.mktemp("made")
    return folder, catalog(field, folder, half_size=10, num_replicates=100)


def content(folder):
    files = [path for path in folder.glob("catalog.*") if path.suffix != ".json"]
    return {path.name: path.read_bytes() for path in [*files, folder / "posteriors.nc"]}


class TestTable:
    def test_every_column_has_its_unit_and_meaning(self, made):
        _, table = made
        units = {
            "RA": "deg",
            "X_IMA": "pix",
            "RATE": "ct / s",
            "CTS": "ct",
            "BKG": "ct / (pix s)",
            "RADEC_ERR": "arcsec",
            "EXP": "s",
            "DIST_NN": "arcsec",
            "OFFSET": "arcsec",
        }
        for name, unit in units.items():
            assert table[name].unit == Unit(unit), name
        described = {column.name.replace("FLUX", "RATE"): column for column in COLUMNS}
        for name in table.colnames:
            assert name in described
            assert table[name].info.description

    @pytest.mark.parametrize(("name", "form"), [("ecsv", "ascii.ecsv"), ("fits", "fits"), ("vot", "votable")])
    def test_each_form_reads_back_the_same(self, made, name, form):
        folder, table = made
        again = QTable.read(folder / f"catalog.{name}", format=form)
        assert again.colnames == table.colnames
        for column in table.colnames:
            if table[column].dtype.kind == "f":
                values, units = table[column], getattr(table[column], "unit", None)
                assert getattr(again[column], "unit", None) == units or units is None
                found = np.ma.filled(np.ma.asarray(getattr(again[column], "value", again[column])), np.nan)
                np.testing.assert_allclose(found, getattr(values, "value", values), rtol=1e-12)

    def test_numbers_are_those_of_the_posteriors(self, made):
        """Oracle: quantiles of the draws in the file that ArviZ opens."""
        import xarray

        folder, table = made
        with xarray.open_datatree(folder / "posteriors.nc", engine="h5netcdf") as tree:
            draws = tree["posterior"]["flux"].sel(source="9").values.ravel()
            assert tree["posterior"]["flux"].attrs["units"] == "ct / s"
        row = table[np.asarray(table["ID"]) == "9"][0]
        low, middle, high = np.quantile(draws, [0.16, 0.5, 0.84])
        found = [row[name].value for name in ("RATE", "RATE_LOWERR", "RATE_UPERR")]
        np.testing.assert_allclose(found, [middle, middle - low, high - middle], rtol=1e-4)

    def test_position_on_the_sky_is_the_wcs_of_the_pixels(self, made, field):
        _, table = made
        sky = field.observation.wcs.pixel_to_world(table["X_IMA"].value - 1, table["Y_IMA"].value - 1)
        np.testing.assert_allclose(table["RA"].value, sky.icrs.ra.deg, atol=1e-6)
        errors = 3600 * 4 / 3600 * table["X_IMA_LOWERR"].value  # east is left: a smaller x is a larger RA
        np.testing.assert_allclose(table["RA_UPERR"].value, errors, rtol=0.05)

    def test_ds9_reads_the_regions(self, made):
        import regions

        folder, table = made
        found = regions.Regions.read(folder / "catalog.reg", format="ds9")
        np.testing.assert_allclose([r.center.x + 1 for r in found], table["X_IMA"].value, atol=2e-3)
        assert [str(r.meta["text"]) for r in found] == list(table["ID"])

    def test_page_has_every_source(self, made):
        folder, table = made
        page = (folder / "catalog.html").read_text()
        assert all(f">{name}<" in page for name in table["ID"])
        assert "http://" not in page

    def test_light_is_the_share_inside_the_exposed_stamp(self, made, field):
        """Oracle: SciPy's integral of the Gaussian over the exposed pixels."""
        from scipy import stats

        _, table = made
        stamp = field.observation.stamp(field.regions[1].x, field.regions[1].y, 10)
        row = table[1]
        x, y, sigma = (row[name].value for name in ("X_IMA", "Y_IMA", "PSF_WIDTH"))
        each = [
            np.diff(stats.norm.cdf([place - 0.5, place + 0.5], centre, sigma), axis=0)[0]
            for place, centre in ((stamp.x, x), (stamp.y, y))
        ]
        assert row["LIGHT"] == pytest.approx((each[0] * each[1])[stamp.exposure > 0].sum(), abs=1e-6)


class TestBadSources:
    @pytest.mark.slow
    def test_each_is_a_row_with_its_reason(self, field, tmp_path):
        bad = [
            Region("outside", 5000.0, 10.0, 3.0),
            Region("nan", float("nan"), 10.0, 3.0),
            Region("dark", 20.0, 20.0, 3.0),
        ]
        table = catalog(field._replace(regions=[*field.regions[:1], *bad]), tmp_path, **QUICK)
        assert list(table["ID"]) == ["1", "outside", "nan", "dark"]
        assert list(table["FLAG"][1:]) == [NO_FIT] * 3
        assert "expected some exposure within 8 pixels, found none" in table["MEANING"][1]
        assert "expected a position in pixels" in table["MEANING"][2]
        assert np.isfinite(table["RATE"][0].value)
        assert np.isnan(table["RATE"][1:].value).all()

    def test_all_bad_is_still_a_table(self, field, tmp_path):
        table = catalog(field._replace(regions=[Region("a", -50.0, 0.0, 1.0)]), tmp_path, **QUICK)
        assert list(table["FLAG"]) == [NO_FIT]

    @pytest.mark.slow
    def test_most_light_outside_is_flagged(self, field, tmp_path):
        """A source on the rim of the exposed area."""
        edge = int(np.flatnonzero(field.observation.exposure[323] > 0)[0]) + 1
        table = catalog(
            field._replace(regions=[Region("rim", edge - 3.0, 324.0, 3.0)]), tmp_path, position="fixed", **QUICK
        )
        assert table["FLAG"][0] & LIGHT
        assert "of the light" in table["MEANING"][0]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"neighbours": "drop"}, "neighbours: expected fit, mask, ignore"),
            ({"position": "near"}, "position: expected free, fixed"),
            ({"chunk_size": 0}, "chunk_size: expected at least 1"),
            ({"num_replicates": 50}, "num_replicates: expected 0 or at least 100"),
            ({"half_size": 1}, "half_size: expected at least 2"),
        ],
    )
    def test_bad_options_are_named(self, field, tmp_path, options, message):
        with pytest.raises(InputError, match=message):
            catalog(field, tmp_path / "new", **options)
        assert not (tmp_path / "new").exists()

    @pytest.mark.parametrize(("names", "number"), [(("a", "b", "a"), 3), (("", "b"), 1)])
    def test_several_fields_have_a_name_each(self, field, names, number):
        with pytest.raises(
            InputError, match=f"expected a name for each .*, found '{names[number - 1]}' for field {number}"
        ):
            sources_of([field._replace(name=name) for name in names], Settings())

    def test_names_that_stand_twice_are_refused(self, field, tmp_path):
        with pytest.raises(InputError, match="expected each name once, found '1' twice"):
            catalog(field._replace(regions=field.regions[:1] * 2), tmp_path, **QUICK)


class TestNeighbours:
    def test_they_are_in_the_priors_where_they_lie_in_the_stamp(self, field):
        found = {one.name: one.priors.neighbours for one in sources_of([field], Settings())}
        assert found == {"1": 1, "9": 1, "15": 1, "17": 1, "20": 0}

    def test_masks_take_their_circles_and_leave_the_source_its_own(self, field):
        masked = {one.name: one.stamp for one in sources_of([field], Settings(neighbours="mask"))}
        whole = {one.name: one.stamp for one in sources_of([field], Settings(neighbours="ignore"))}
        stamp, other = masked["17"], field.regions[0]
        inside = np.hypot(stamp.x - other.x, stamp.y - other.y) <= other.radius
        assert (stamp.exposure[inside] == 0).all()
        np.testing.assert_array_equal(stamp.exposure[~inside], whole["17"].exposure[~inside])
        assert stamp.counts[inside].sum() == 0

    @pytest.mark.slow
    @pytest.mark.long
    def test_a_joint_fit_gives_the_flux_that_a_bright_neighbour_hides(self, tmp_path):
        """Oracle: the truth of the mock; with the neighbour ignored the fit goes to the neighbour."""
        exposure = np.full((81, 81), 20_000.0)
        blank = Observation(counts=np.zeros((81, 81)), exposure=exposure, name="two")
        sources = [FieldSource(41.0, 41.0, 2e-3), FieldSource(49.0, 47.0, 3e-2)]
        two = Field(replace(blank, counts=mock_field(blank, sources, 5e-6, seed=3)), [])
        two = two._replace(regions=[Region("faint", 41.0, 41.0, 4.0), Region("bright", 49.0, 47.0, 4.0)])
        table = catalog(two, tmp_path / "fit", num_replicates=100, gradient=False)
        flux, low, up = (table[name][0].value for name in ("RATE", "RATE_LOWERR", "RATE_UPERR"))
        assert flux - 3 * low < 2e-3 < flux + 3 * up
        assert not table["FLAG"].any()
        ignored = catalog(two, tmp_path / "ignore", num_replicates=100, gradient=False, neighbours="ignore")
        assert ignored["FLAG"][0] & MODEL


class TestSurvival:
    @pytest.mark.slow
    def test_a_second_call_computes_nothing_and_gives_the_same_bytes(self, field, tmp_path, monkeypatch):
        catalog(field, tmp_path, chunk_size=2, **QUICK)
        before = content(tmp_path)
        monkeypatch.setattr("pgm_mock.catalogue.run.measure_all", lambda *_, **__: pytest.fail("computed again"))
        catalog(field, tmp_path, chunk_size=2, **QUICK)
        assert content(tmp_path) == before

    @pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"x" * 500])
    def test_a_damaged_chunk_is_computed_anew_and_said(self, field, tmp_path, damage):
        catalog(field, tmp_path, chunk_size=2, **QUICK)
        before = content(tmp_path)
        chunk = tmp_path / "chunks" / "000001.npz"
        chunk.write_bytes(damage(chunk.read_bytes()))
        with pytest.warns(DataWarning, match="000001.npz: damaged, computed anew"):
            catalog(field, tmp_path, chunk_size=2, **QUICK)
        assert content(tmp_path) == before

    def test_other_input_does_not_mix_with_what_is_there(self, field, tmp_path):
        catalog(field, tmp_path, **QUICK)
        before = content(tmp_path)
        expected = "expected a new folder, or one with a catalogue of the same files"
        other = field._replace(regions=field.regions[:2])
        counts = field.observation.counts.copy()
        counts[300, 300] += 1
        changed = field._replace(observation=replace(field.observation, counts=counts))
        for given, options, told in (
            (field, QUICK | {"half_size": 9}, "half_size 8, now 9"),
            (field, QUICK | {"seed": 1, "num_draws": 3000}, "num_draws 2500, now 3000; seed 0, now 1"),
            (other, QUICK, "regions crc32 [0-9a-f]{8}, now crc32 [0-9a-f]{8}"),
            (changed, QUICK, "images crc32 [0-9a-f]{8}, now crc32 [0-9a-f]{8}"),
        ):
            with pytest.raises(InputError, match=f"{expected}.* found one of others: {told}$"):
                catalog(given, tmp_path, **options)
        assert content(tmp_path) == before

    def test_a_manifest_of_something_else_is_refused(self, field, tmp_path):
        (tmp_path / "catalog.json").write_text("[1]")
        with pytest.raises(InputError, match=r"found one of others: catalog.json holds no settings"):
            catalog(field, tmp_path, **QUICK)

    def test_a_source_has_the_same_numbers_alone_and_in_the_field(self, field, tmp_path):
        whole = catalog(field, tmp_path / "whole", **QUICK)
        alone = catalog(field._replace(regions=field.regions[4:]), tmp_path / "alone", **QUICK)
        assert alone["RATE"][0] == whole["RATE"][4]

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_a_read_only_folder_is_one_line(self, field, tmp_path):
        tmp_path.chmod(0o500)
        with pytest.raises(InputError, match="expected a folder that can be written to"):
            catalog(field, tmp_path / "new", **QUICK)

    def test_a_full_disk_keeps_what_is_finished(self, field, tmp_path, monkeypatch):
        from pgm_mock.catalogue.store import Store

        write = Store.write

        def full(self, chunk, measured):
            if chunk == 1:
                raise OSError(28, "No space left on device")
            write(self, chunk, measured)

        monkeypatch.setattr(Store, "write", full)
        with pytest.raises(OSError, match="No space left"):
            catalog(field, tmp_path, chunk_size=2, **QUICK)
        kept = {path.name for path in (tmp_path / "chunks").iterdir()}
        assert "000000.npz" in kept
        assert not kept & {"000001.npz", ".000001.npz"}


def catalog_of_made_up(field, folder, monkeypatch):
    """What a call that goes on gives."""
    monkeypatch.setattr("pgm_mock.catalogue.run.measure_all", made_up)
    return catalog(field, folder, neighbours="ignore", **QUICK)


def made_up(sources, lengths=(2500,), **_):
    """Rows, draws and images as a fit would give them, from a generator in place of a sampler."""
    found = []
    for source in sources:
        rng = np.random.default_rng(int(source.x * 1000))
        number = lengths[int(source.x) % len(lengths)]
        names = ("x_pos", "y_pos", "flux", "background", "psf_width", "background_dx")
        draws = {name: rng.standard_normal(number).astype(np.float32) for name in names if number}
        row = {"ID": source.name, "FIELD": source.field, "X_ASKED": source.x, "Y_ASKED": source.y}
        row |= {"METHOD": "made up" if number else "none", "FLAG": int(rng.integers(0, 2)), "MEANING": '"so", so'}
        row |= {"FLUX": float(rng.uniform()), "X_IMA": source.x}
        images = np.stack([source.stamp.counts, source.stamp.counts, source.stamp.exposure]).astype(np.float32)
        found.append(Measured(row, draws, images if number else None))
    return found


class TestManySources:
    """A catalogue holds two chunks at a time, and ends with the files that it would have from all at once."""

    @pytest.fixture
    def many(self, field):
        rng = np.random.default_rng(0)
        places = rng.uniform(300, 360, (256, 2))
        return field._replace(regions=[Region(str(n), *map(float, place), 4.0) for n, place in enumerate(places)])

    def test_stamps_are_cut_when_their_chunk_is_due(self, many, tmp_path, monkeypatch):
        alive = weakref.WeakSet()
        most = []

        def watched(sources, **_):
            alive.update(sources)
            most.append(len(alive))
            return made_up(sources)

        monkeypatch.setattr("pgm_mock.catalogue.run.measure_all", watched)
        catalog(many, tmp_path, chunk_size=16, neighbours="ignore", **QUICK)
        assert len(most) == 16
        assert max(most) <= 33

    def test_a_stopped_short_list_keeps_what_is_finished(self, many, tmp_path, monkeypatch):
        """Ctrl-C while the third chunk is measured, of 26 sources and by default."""

        def stopped(sources, **_):
            if any(source.name == "9" for source in sources):
                raise KeyboardInterrupt
            return made_up(sources)

        monkeypatch.setattr("pgm_mock.catalogue.run.measure_all", stopped)
        few = many._replace(regions=many.regions[:26])
        with pytest.raises(KeyboardInterrupt):
            catalog(few, tmp_path, neighbours="ignore", **QUICK)
        kept = {path.name for path in (tmp_path / "chunks").iterdir()}
        assert kept >= {"000000.npz", "000001.npz"}
        assert "000002.npz" not in kept
        table = catalog_of_made_up(few, tmp_path, monkeypatch)
        assert len(table) == 26

    def test_sources_that_have_not_begun_are_left_when_it_is_stopped(self, many):
        """Oracle: the calls of the function that measures one."""
        stop = Event()
        begun = []

        def one(source, **_):
            begun.append(source.name)
            stop.set()
            return Measured({}, {}, None)

        sources = list(sources_of([many._replace(regions=many.regions[:6])], Settings(psf="gaussian", half_size=8)))
        plan = make_plan("auto", 2500, 400.0, 0, num_chains=1, num_warmup=500, num_samples=500)
        with patch("pgm_mock.catalogue.measure.measure", one), pytest.raises(CancelledError):
            measure_all(sources, plan, 0, 0.01, 1, stop)
        assert begun == [sources[0].name]

    @pytest.mark.slow
    def test_memory_does_not_grow_with_draws_and_images(self, many, tmp_path, monkeypatch):
        """Oracle: a source has 60 kB of draws and 20 kB of images; a row of the table and of the page may stay."""
        monkeypatch.setattr("pgm_mock.catalogue.run.measure_all", made_up)
        monkeypatch.setattr("pgm_mock.catalogue.outputs.MOST_IMAGES", 5)
        monkeypatch.setattr("pgm_mock.catalogue.outputs.field_picture", lambda *_: None)
        peaks = []
        for number in (32, 32, 256):  # the first call loads modules
            few = many._replace(regions=many.regions[:number])
            tracemalloc.start()
            catalog(few, tmp_path / str(len(peaks)), chunk_size=16, num_replicates=0, neighbours="ignore")
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert (peaks[2] - peaks[1]) / (256 - 32) < 8_000

    @pytest.mark.parametrize("harm", ["one bit", "another chunk's results"])
    def test_a_chunk_is_kept_if_it_is_this_one_to_the_last_bit(self, many, tmp_path, monkeypatch, harm):
        monkeypatch.setattr("pgm_mock.catalogue.run.measure_all", made_up)
        few = many._replace(regions=many.regions[:8])
        catalog(few, tmp_path, chunk_size=2, neighbours="ignore", **QUICK)
        before = content(tmp_path)
        first, second = (tmp_path / "chunks" / f"00000{number}.npz" for number in (0, 1))
        data = bytearray(first.read_bytes() if harm != "one bit" else second.read_bytes())
        if harm == "one bit":
            data[len(data) // 2] ^= 1
        second.write_bytes(data)
        with pytest.warns(DataWarning, match="000001.npz: damaged, computed anew"):
            catalog(few, tmp_path, chunk_size=2, neighbours="ignore", **QUICK)
        assert content(tmp_path) == before

    def test_posteriors_are_the_draws_whatever_their_numbers(self, many, tmp_path, monkeypatch):
        """Oracle: the draws that were handed over; some sources have 40, some 100, some no fit."""
        import xarray

        lengths = (40, 100, 0)
        monkeypatch.setattr("pgm_mock.catalogue.run.measure_all", partial(made_up, lengths=lengths))
        catalog(many, tmp_path, chunk_size=100, neighbours="ignore", **QUICK)
        handed = made_up(sources_of([many], Settings(half_size=8, neighbours="ignore")), lengths)
        with xarray.open_datatree(tmp_path / "posteriors.nc", engine="h5netcdf") as tree:
            assert tree.attrs == provenance()
            posterior = tree["posterior"].to_dataset().load()
        assert posterior.sizes == {"chain": 1, "draw": 40, "source": 256}
        assert posterior["flux"].dtype == np.float32
        assert posterior["psf_width"].attrs == {"units": "pixel", "long_name": "width of the PSF", "symbol": r"\sigma"}
        for number, one in enumerate(handed):
            own = posterior.sel(source=one.row["ID"], chain=0)
            expected = one.draws.get("flux", np.full(40, np.nan))
            chosen = np.linspace(0, len(expected) - 1, 40).astype(int)
            np.testing.assert_array_equal(own["flux"], expected[chosen], err_msg=str(number))

    def test_a_long_table_is_written_in_blocks_as_astropy_writes_it_at_once(self, many, tmp_path, monkeypatch):
        monkeypatch.setattr("pgm_mock.catalogue.run.measure_all", made_up)
        monkeypatch.setattr("pgm_mock.catalogue.outputs._ROWS_AT_ONCE", 100)
        table = catalog(many, tmp_path, neighbours="ignore", **QUICK)
        table.write(tmp_path / "whole.ecsv")
        assert (tmp_path / "catalog.ecsv").read_bytes() == (tmp_path / "whole.ecsv").read_bytes()

    def test_the_page_of_many_shows_flagged_ones_first_and_says_so(self, many, tmp_path, monkeypatch):
        monkeypatch.setattr("pgm_mock.catalogue.run.measure_all", made_up)
        monkeypatch.setattr("pgm_mock.catalogue.outputs._MOST_ROWS", 200)
        monkeypatch.setattr("pgm_mock.catalogue.outputs.MOST_IMAGES", 50)
        monkeypatch.setattr("pgm_mock.catalogue.page.page.MOST_IMAGES", 50)
        table = catalog(many, tmp_path, neighbours="ignore", **QUICK)
        page = (tmp_path / "catalog.html").read_text()
        flagged = int((table["FLAG"] > 0).sum())
        assert f"<p>256 sources, {flagged} flagged, 0 without a fit</p>" in page
        assert "200 of 256 sources are on this page, flagged ones first" in page
        assert page.count('<tr id="row-') == 200
        assert page.count('<tr id="row-') - page.count(' class="flagged"><th scope="row"') == 200 - flagged
        assert page.count("<article") == page.count('alt="observed"') == 50


@pytest.mark.slow
@pytest.mark.long
def test_sources_that_a_gpu_fits_together_get_the_same_numbers(field, monkeypatch):
    """Oracle: the CPU's, one by one. King profiles of their own, and one with a neighbour, as jobs of other kinds."""
    psfs = [KingPSF(1.5, 1.1), KingPSF(1.6, 1.2), KingPSF(1.5, 1.1)]
    one, two = field.regions[:2]
    crowded = field._replace(regions=[one, two, one._replace(name="near", x=one.x + 5)])
    settings = Settings(psf="gaussian", gradient=False, half_size=8)
    sources = [
        replace(source, priors=source.priors.with_psf(psf))
        for source, psf in zip(sources_of([crowded], settings), psfs, strict=True)
    ]
    plan = make_plan("auto", 2500, 400.0, 0, num_chains=1, num_warmup=500, num_samples=500)
    alone = measure_all(sources, plan, 0, 0.01, 1)
    monkeypatch.setattr("pgm_mock.catalogue.measure.lanes", lambda most: 2)
    monkeypatch.setattr("pgm_mock.catalogue.measure._TOGETHER", 2)
    monkeypatch.setattr("pgm_mock.inference.many.fit_one", None)
    together = measure_all(sources, plan, 0, 0.01, 1)
    for first, second in zip(alone, together, strict=True):
        assert first.row["METHOD"] == second.row["METHOD"] == "importance"
        for name, value in first.row.items():
            if isinstance(value, float):
                assert second.row[name] == pytest.approx(value, rel=1e-4, nan_ok=True), name


class TestFieldMock:
    def test_expected_field_is_the_sum_of_its_parts(self, field):
        """Oracle: SciPy's Gaussian integrals, and the beta model's closed form for the light inside a radius."""
        blank = Observation(counts=np.zeros((201, 201)), exposure=np.full((201, 201), 100.0))
        beta = BetaModel(101.0, 101.0, 2.0, 6.0, 0.8)
        mean = expected_field(blank, [], 1e-3, [beta], psf_width=0.5)
        radius = np.hypot(blank.x - 101, blank.y - 101)
        for r in (20.0, 60.0):
            enclosed = 200.0 * (1 - (1 + (r / 6.0) ** 2) ** (1.5 - 3 * 0.8))
            found = (mean - 0.1)[radius <= r].sum()
            assert found == pytest.approx(enclosed, rel=0.01)
        two = [FieldSource(50.2, 60.7, 3.0), FieldSource(120.0, 90.0, 1.0)]
        assert expected_field(blank, two).sum() == pytest.approx(400.0, rel=1e-9)

    @pytest.mark.slow
    @pytest.mark.long
    def test_a_catalogue_gives_a_field_and_the_field_gives_the_catalogue(self, made, field, tmp_path):
        """Oracle: the fluxes that the mock was made with, to four errors."""
        folder, table = made
        sources = sources_of_table(Table.read(folder / "catalog.ecsv"), field.observation)
        assert [source.flux for source in sources] == pytest.approx(list(table["RATE"].value))
        counts = mock_field(field.observation, sources, 5e-6, seed=1)
        assert counts.shape == field.observation.shape
        assert counts[field.observation.exposure == 0].sum() == 0
        again = catalog(
            field._replace(observation=replace(field.observation, counts=counts)), tmp_path, num_replicates=0
        )
        off = again["RATE"].value - table["RATE"].value
        error = np.where(off < 0, again["RATE_UPERR"].value, again["RATE_LOWERR"].value)
        assert (np.abs(off) < 4 * error).all()

    @pytest.mark.parametrize("bad", [FieldSource(1.0, 1.0, -1.0), FieldSource(np.nan, 1.0, 1.0)])
    def test_bad_sources_are_refused(self, field, bad):
        with pytest.raises(InputError, match="expected finite numbers and a flux ≥ 0"):
            expected_field(field.observation, [bad])

    def test_command_writes_a_field_that_reads_back(self, made, field, tmp_path, capsys):
        folder, _ = made
        field.observation.write(tmp_path / "image.fits", tmp_path / "exposure.fits")
        files = [str(tmp_path / "image.fits"), str(tmp_path / "exposure.fits")]
        out = tmp_path / "mock.fits"
        command = ["mock", *files, "--catalog", str(folder / "catalog.fits"), "--n", "1", "--out", str(out)]
        assert main([*command, "--extended", "330,348,0.8,5,0.68"]) == 0
        assert "1 fields of" in capsys.readouterr().out
        again = Observation.read(out, f"{out}[EXPOSURE]")
        assert again.counts.sum() == pytest.approx(field.observation.counts.sum(), rel=0.3)


class TestCommand:
    def test_catalog_of_files(self, field, tmp_path, capsys):
        field.observation.write(tmp_path / "image.fits", tmp_path / "exposure.fits")
        (tmp_path / "sources.txt").write_text("".join(f"{r.x} {r.y} {r.radius}\n" for r in field.regions[:2]))
        (tmp_path / "survey.txt").write_text("image.fits exposure.fits sources.txt\n")
        files = [str(tmp_path / "image.fits"), str(tmp_path / "exposure.fits")]
        quick = ["--n", "0", "--half-size", "8", "--uniform"]
        one = [*files, "--regions", str(tmp_path / "sources.txt"), "--out", str(tmp_path / "one"), *quick]
        assert main(["catalog", *one, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["sources"] == 2
        assert main(["catalog", str(tmp_path / "survey.txt"), "--out", str(tmp_path / "survey"), *quick]) == 0
        tables = [QTable.read(tmp_path / name / "catalog.ecsv") for name in ("one", "survey")]
        np.testing.assert_array_equal(tables[0]["RATE"], tables[1]["RATE"])

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["image.fits", "exposure.fits"], "expected --regions FILE with the sources, found none"),
            (["nothing.txt"], "nothing.txt: no such file"),
            (["image.fits", "--regions", "sources.txt"], "found no EXPOSURE"),
        ],
    )
    def test_bad_input_is_one_line(self, field, tmp_path, monkeypatch, capsys, arguments, message):
        monkeypatch.chdir(tmp_path)
        field.observation.write("image.fits", "exposure.fits")
        assert main(["catalog", *arguments]) == 2
        assert message in capsys.readouterr().err.splitlines()[-1]

    def test_a_survey_file_is_read_line_by_line(self, tmp_path):
        (tmp_path / "survey.txt").write_text("# comment\n\none two\n")
        with pytest.raises(
            InputError,
            match=r"survey.txt, line 3: expected `image exposure regions \[background map\]`, found 'one two'",
        ):
            read_fields(tmp_path / "survey.txt")

    def test_a_survey_keeps_one_field_and_says_once_what_is_odd(self, field, tmp_path, monkeypatch):
        """Oracle: the fields as they were written; reading is counted."""
        counts = field.observation.counts.copy()
        counts[field.observation.exposure == 0] = 1
        for name in ("a", "b"):
            field.observation.write(tmp_path / f"{name}.fits", tmp_path / f"{name}_exposure.fits")
        header = fits.getheader(tmp_path / "b.fits")
        fits.PrimaryHDU(counts, header).writeto(tmp_path / "b.fits", overwrite=True)
        (tmp_path / "list.txt").write_text("10 20 3\n")
        (tmp_path / "survey.txt").write_text("a.fits a_exposure.fits list.txt\nb.fits b_exposure.fits list.txt\n")
        read = []
        monkeypatch.setattr(
            Observation, "read", lambda *a, _read=Observation.read, **o: read.append(a) or _read(*a, **o)
        )
        survey = read_fields(tmp_path / "survey.txt")
        assert (len(survey), len(read)) == (2, 0)
        with pytest.warns(DataWarning, match="on pixels without exposure"):
            assert [one.name for one in survey] == ["a", "b"]
        assert survey[1].regions == [Region("1", 10.0, 20.0, 3.0)]
        assert len(read) == 2
        np.testing.assert_array_equal(survey[0].observation.counts, field.observation.counts)
        np.testing.assert_array_equal(survey[-1].observation.counts, field.observation.counts)
        assert len(read) == 4
        alive = weakref.ref(survey[0].observation)
        assert [one.name for one in survey[1:]] == ["b"]
        assert alive() is None

    def test_chandra_units_reach_the_last_column(self, field, tmp_path):
        """An exposure map in cm2 s ct / photon: fluxes in photon / (cm2 s)."""
        observation = field.observation
        header = fits.Header({"TELESCOP": "CHANDRA", "INSTRUME": "ACIS", "EXPOSURE": 28_000.0, "BUNIT": "cm**2 s"})
        fits.PrimaryHDU(observation.counts, fits.Header({"TELESCOP": "CHANDRA"})).writeto(tmp_path / "image.fits")
        fits.PrimaryHDU(observation.exposure * 300.0, header).writeto(tmp_path / "exposure.fits")
        read = Observation.read(tmp_path / "image.fits", tmp_path / "exposure.fits")
        table = catalog(Field(read, field.regions[:1]), tmp_path / "out", **QUICK)
        plain = catalog(field._replace(regions=field.regions[:1]), tmp_path / "plain", **QUICK)
        assert "RATE" not in table.colnames
        for name in ("FLUX", "FLUX_LOWERR", "FLUX_UL95", "FLUX_DETECTABLE"):
            assert table[name].unit == Unit(read.flux_unit), name
        assert "cm2" in read.flux_unit
        assert table["BKG"].unit == Unit(read.flux_unit) / Unit("pix")
        assert table["FLUX"][0].value == pytest.approx(plain["RATE"][0].value / 300.0, rel=0.02)


SCRIPT = """
import sys
from pgm_mock.cli import main
raise SystemExit(main(["catalog", "image.fits", "exposure.fits", "--regions", "sources.txt", "--out", sys.argv[1],
                       "--n", "0", "--half-size", "8", "--uniform", "--chunk", "1", *sys.argv[2:]]))
"""


@pytest.mark.slow
@pytest.mark.long
def test_killed_twenty_times_it_ends_with_the_same_bytes(field, tmp_path):
    """SIGKILL at random moments; what is finished stays, and the last run ends with the table of an unbroken one."""
    field.observation.write(tmp_path / "image.fits", tmp_path / "exposure.fits")
    regions = demo_field().regions
    (tmp_path / "sources.txt").write_text("".join(f"{r.x} {r.y} {r.radius}\n" for r in regions))

    def start(out):
        return subprocess.Popen([sys.executable, "-c", SCRIPT, out], cwd=tmp_path, stdout=subprocess.DEVNULL)

    started = time.monotonic()
    assert start("whole").wait() == 0
    begun = time.monotonic()
    assert start("timed").wait() == 0
    duration = time.monotonic() - begun
    assert begun > started
    rng = np.random.default_rng(0)
    kept = 0
    for _ in range(20):
        process = start("broken")
        time.sleep(rng.uniform(0.0, duration))
        process.send_signal(signal.SIGKILL)
        process.wait()
        done = (
            len(list((tmp_path / "broken" / "chunks").glob("0*.npz")))
            if (tmp_path / "broken" / "chunks").exists()
            else 0
        )
        assert done >= kept
        kept = done
    assert start("broken").wait() == 0
    assert content(tmp_path / "broken") == content(tmp_path / "whole") == content(tmp_path / "timed")


@pytest.mark.slow
@pytest.mark.long
def test_a_cluster_that_loses_a_worker_gives_the_same_table(field, tmp_path):
    """Two local Dask workers, one of them killed while it works; oracle: the table of one process."""
    distributed = pytest.importorskip("distributed")
    regions = demo_field().regions
    whole = field._replace(regions=regions)
    one = catalog(whole, tmp_path / "one", chunk_size=2, **QUICK)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        from threading import Timer

        victim = next(iter(cluster.workers.values()))
        timer = Timer(8.0, lambda: os.kill(victim.pid, signal.SIGKILL))
        timer.start()
        two = catalog(whole, tmp_path / "two", chunk_size=2, scheduler=cluster.scheduler_address, **QUICK)
        timer.cancel()
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert len(one) == len(two) == len(regions)


def test_a_scheduler_that_is_not_there_is_one_line(field, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    import distributed

    def refuse(*_, **__):
        raise OSError("timed out")

    monkeypatch.setattr(distributed, "Client", refuse)
    with pytest.raises(InputError, match="scheduler: expected a Dask scheduler at tcp://nowhere:1, found none"):
        catalog(field, tmp_path, scheduler="tcp://nowhere:1", **QUICK)


@pytest.mark.slow
@pytest.mark.long
def test_real_field_is_certified_and_its_crowded_stamps_are_described(real, tmp_path):
    """Stamps with a wing of the cluster or a bright neighbour are described once the model has them, or told of."""
    from pgm_mock import read_regions
    from pgm_mock.resources import resource

    regions = read_regions(resource("a1835_regions.txt"), real)
    table = catalog(Field(real, regions), tmp_path)
    assert set(table["METHOD"]) <= {"importance", "nuts"}
    assert (table["KHAT"] <= 0.7).all()
    crowded = {(336, 417), (381, 359), (251, 379)}
    clump = r"a second source [67] pixels to the (south-)?east, near x=304 y=41[01]"  # of which no region tells
    for row in table:
        asked = row["X_ASKED"].value, row["Y_ASKED"].value
        assert row["FLAG"] == 0 or asked not in crowded, row["MEANING"]
        assert asked != (310, 413) or re.search(clump, row["MEANING"]), row["MEANING"]
