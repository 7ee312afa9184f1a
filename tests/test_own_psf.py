"""A PSF of the user's own, defined outside the package, works everywhere. Oracle: the same light as a family's."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pgm_mock import (
    DataWarning,
    InputError,
    Priors,
    fit,
    generate_mock_image,
    identity,
    plugins,
    prior_predictive,
    register_psf,
    summarise,
)
from pgm_mock.catalogue import Field, catalog
from pgm_mock.cli import main
from pgm_mock.demo import demo_field
from pgm_mock.psf import (
    PSF,
    GaussianPSF,
    KingPSF,
    MoffatPSF,
    SumOfGaussians,
    SumOfProducts,
    choose_and_say,
    describe_psf,
    in_words,
    know_psf,
    parse_psf,
    registry,
    width_in_words,
)
from pgm_mock.results import psf_of
from pgm_mock.scene import Scene


def core_and_halo(away=4.0):
    @dataclass(frozen=True)
    class CoreHaloPSF(SumOfProducts):
        """A Gaussian with a halo that is wider."""

        share: float = 0.2
        typical_width: float = 1.5
        width_spread: ClassVar[float] = 0.3
        width_name: ClassVar[str] = "core sigma"
        width_unit: ClassVar[str] = "pixel"
        width_symbol: ClassVar[str] = r"s"

        def profiles(self, x, y, x_pos, y_pos, psf_width):
            both = SumOfGaussians(jnp.array([1.0, away]), jnp.stack([1.0 - self.share, self.share]))
            return both.profiles(x, y, x_pos, y_pos, psf_width)

    return CoreHaloPSF


@pytest.fixture
def family():
    own = register_psf(core_and_halo())
    yield own
    del registry.FAMILIES[own.__name__]


def test_it_is_a_psf_that_is_written_down_and_read_again(family):
    psf = family(share=0.25)
    assert isinstance(psf, PSF)
    assert describe_psf(psf) == "CoreHaloPSF(share=0.25, typical_width=1.5)"
    assert parse_psf(describe_psf(psf)) == psf
    assert in_words(describe_psf(psf)) == "CoreHalo profile, share 0.25, core sigma of some 1.5 pixel"
    assert width_in_words("CoreHaloPSF") == ("core sigma", "pixel")
    assert choose_and_say("corehalo", None, None, 1.0, 1.0) == (
        family(),
        "PSF: CoreHalo profile, share 0.2, core sigma of some 1.5 pixel",
    )


@pytest.mark.slow
def test_a_posterior_gives_it_back(family, stamp, tmp_path, capsys):
    """Oracle: the fit with the same Gaussians as a family of the package."""
    psf = family(share=0.25)
    x, y = 110.0, 60.0
    posterior = fit(stamp, Priors.default(stamp, x, y, psf), num_draws=2500)
    assert psf_of(posterior) == psf
    assert "core sigma" in summarise(posterior).line()
    same = SumOfGaussians(np.array([1.0, 4.0]), np.array([0.75, 0.25]))
    other = fit(stamp, Priors.default(stamp, x, y, psf).with_psf(same), num_draws=2500)
    np.testing.assert_allclose(posterior["posterior"]["flux"], other["posterior"]["flux"], rtol=1e-8)


@pytest.mark.slow
@pytest.mark.long
def test_catalogue_and_commands_take_its_name(family, tmp_path, capsys):
    observation, region = demo_field().observation, demo_field().regions[0]
    options = {"psf": "corehalo", "num_replicates": 100, "half_size": 10, "gradient": False}
    table = catalog(Field(observation, [region]), tmp_path / "own", **options)
    assert table["PSF"][0] == "CoreHaloPSF(share=0.2, typical_width=1.5)"
    assert "CoreHalo profile, share 0.2" in (tmp_path / "own" / "catalog.html").read_text()
    register_psf(core_and_halo(away=6.0))
    with pytest.raises(InputError, match="found one of others: psf_and_priors crc32"):
        catalog(Field(observation, [region]), tmp_path / "own", **options)
    observation.write(tmp_path / "image.fits", tmp_path / "exposure.fits")
    command = [
        "fit",
        str(tmp_path / "image.fits"),
        str(tmp_path / "exposure.fits"),
        "--x",
        f"{region.x}",
        "--y",
        f"{region.y}",
    ]
    assert main([*command, "--psf", "corehalo", "--out", str(tmp_path / "fit")]) == 0
    assert "core sigma" in capsys.readouterr().out


def test_other_code_is_another_psf(family, stamp, priors):
    """Two classes of one name and the same numbers."""
    told = [
        identity.identity_of_model(stamp, priors.with_psf(one())) for one in (family, register_psf(core_and_halo()))
    ]
    assert told[0] == told[1]

    changed = identity.identity_of_model(stamp, priors.with_psf(register_psf(core_and_halo(away=6.0))()))
    assert {name for name in changed if changed[name] != told[0][name]} == {"psf_checksum"}


def test_what_is_no_psf_is_refused():
    class NoDataclass:
        pass

    with pytest.raises(InputError, match="psf: expected a frozen dataclass, found NoDataclass"):
        register_psf(NoDataclass)

    @dataclass(frozen=True)
    class Half(SumOfProducts):
        typical_width: float = 1.0

    with pytest.raises(InputError, match="missing width_name, width_spread, width_unit"):
        register_psf(Half)
    with pytest.raises(InputError, match="psf: expected a frozen dataclass, found"):
        register_psf(KingPSF())
    with pytest.raises(InputError, match="psf: expected a name that the package has not, found KingPSF"):
        register_psf(KingPSF)

    @dataclass(frozen=True)
    class Lists(core_and_halo()):
        radii: tuple = (1.0, 2.0)

    with pytest.raises(InputError, match=r"expected Lists with numbers with defaults as its fields, .* found radii"):
        register_psf(Lists)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            lambda columns, rows: (2.0 * columns, rows),
            r"add up to its pixel_fraction, found 2.* of the light for 1|0\.9",
        ),
        (
            lambda columns, rows: (columns[:, :, 1:], rows),
            r"expected profiles of shapes \(k, \d+\) and \(k, \d+\), found",
        ),
        (lambda columns, rows: (columns, rows[:1]), r"expected profiles of shapes"),
    ],
)
def test_profiles_that_are_not_its_light_are_refused(family, stamp, changed, said):
    class Other(family):
        def pixel_fraction(self, x, y, x_pos, y_pos, psf_width):
            return family.pixel_fraction(family(), x, y, x_pos, y_pos, psf_width)

        def profiles(self, *place):
            return changed(*super().profiles(*place))

    psf = register_psf(dataclass(frozen=True)(Other))
    try:
        with pytest.raises(InputError, match=f"PSF Other: {said}"):
            prior_predictive(stamp, Priors.default(stamp, psf=psf()), num_samples=2)
    finally:
        del registry.FAMILIES["Other"]


def test_profiles_between_edges_that_are_not_its_light_are_refused(family, stamp):
    class Sharp(KingPSF):
        def profiles(self, *place):
            return super().profiles(*place)

        def profiles_between(self, x_edges, y_edges, x_pos, y_pos, psf_width):
            return super().profiles_between(x_edges, y_edges, x_pos, y_pos, 3.0 * psf_width)

    psf = register_psf(jax.tree_util.register_dataclass(dataclass(frozen=True)(Sharp)))
    try:
        with pytest.raises(InputError, match=r"PSF Sharp: expected profiles_between whose products add up to"):
            prior_predictive(stamp, Priors.default(stamp, psf=psf()), num_samples=2)
    finally:
        del registry.FAMILIES["Sharp"]


def test_a_psf_that_hands_everything_on_is_taken(stamp):
    """Oracle: the PSF itself, whose methods are not those of the class that hands them on."""

    @jax.tree_util.register_pytree_node_class
    class Wrapped:
        def __init__(self, psf):
            self.psf = psf

        def __getattr__(self, name):
            if name.startswith("__") or name == "psf":
                raise AttributeError(name)
            return getattr(self.psf, name)

        def tree_flatten(self):
            return (self.psf,), None

        @classmethod
        def tree_unflatten(cls, aux, children):
            return cls(*children)

    parameters = Priors.default(stamp, psf=KingPSF(1.4)).medians()
    images = [Scene().light(stamp.pixels, psf, parameters).image() for psf in (KingPSF(1.4), Wrapped(KingPSF(1.4)))]
    np.testing.assert_allclose(*images, rtol=1e-10)


def test_a_psf_that_nobody_normalised_is_refused(family, stamp):
    """Every flux would be wrong by as much."""

    class Unnormalised(family):
        def pixel_fraction(self, x, y, x_pos, y_pos, psf_width):
            return jnp.exp(-0.5 * ((x - x_pos) ** 2 + (y - y_pos) ** 2) / psf_width**2)

    psf = register_psf(dataclass(frozen=True)(Unnormalised))
    try:
        with pytest.raises(InputError, match=r"PSF Unnormalised: expected shares of the light .*, found 14.1 in all"):
            prior_predictive(stamp, Priors.default(stamp, psf=psf()), num_samples=2)
    finally:
        del registry.FAMILIES["Unnormalised"]


@pytest.mark.parametrize(
    "words",
    [
        "KingPSF",
        "KingPSF(slope=1.4)",
        "KingPSF(slope=steep, typical_width=1)",
        "KingPSF(slope=nan, typical_width=1)",
        "KingPSF(slope=1e400, typical_width=1)",
        "KingPSF(slope=0.5, typical_width=1)",
        "SumOfGaussians(sigma=1; share=0; width_spread=0)",
        "SumOfGaussians(sigma=-1; share=1; width_spread=0)",
        "ImagePSF(elongated(axis_ratio=0.5, angle=3, extent=30); sampling=inf)",
        "ImagePSF(elongated(axis_ratio=0.5, angle=3, extent=inf); sampling=8)",
        "ImagePSF(elongated(axis_ratio=0.5, angle=3, extent=1e12, slope=1.5); sampling=8)",
        "ImagePSF(elongated(size=3); sampling=8)",
    ],
)
def test_words_that_are_no_psf_are_one_line(words):
    with pytest.raises(
        InputError, match=r"^(psf: expected the numbers of a|elongated: expected finite numbers)"
    ) as error:
        parse_psf(words)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["image", "sumofgaussians", "nothing"])
def test_a_family_that_needs_more_than_a_name_is_no_choice(name):
    with pytest.raises(InputError, match="psf: expected auto, gaussian, king, moffat or a FITS file"):
        choose_and_say(name, None, None, 1.0, 1.0)


def test_a_package_that_cannot_be_loaded_takes_nothing_with_it(monkeypatch):
    class Entry:
        name = "broken"

        def load(self):
            raise ImportError("no module\nnamed so")

    monkeypatch.setattr(plugins, "entry_points", lambda group: [Entry()])
    plugins.load.cache_clear()
    assert choose_and_say("moffat", None, None, 1.0, 1.0)[0] == MoffatPSF()
    with (
        pytest.warns(DataWarning, match=r"pgm_mock.psf broken: cannot be loaded: ImportError: no module\\nnamed so"),
        pytest.raises(InputError, match="psf: expected one that the package knows"),
    ):
        parse_psf("AiryPSF(1)")
    plugins.load.cache_clear()


def test_priors_keep_their_psf_and_refuse_what_is_none(stamp, priors):
    king = priors.with_psf(KingPSF(1.4))
    assert king.replace(flux=1e-3).psf == KingPSF(1.4)
    assert king != priors
    assert king == priors.with_psf(KingPSF(1.4))
    fixed = Priors(KingPSF(1.4), **{name: float(value) for name, value in priors.medians().items()})
    image = stamp.exposure, stamp.x, stamp.y
    own, told = (generate_mock_image(*image, dict(fixed), priors=fixed), generate_mock_image(*image, fixed))
    np.testing.assert_array_equal(own, told)
    for wrong in ("king", KingPSF, None):
        with pytest.raises(InputError, match="psf: expected a PSF such as"):
            priors.with_psf(wrong)
    with pytest.raises(
        InputError, match="psf: expected a class that JAX knows: decorate CoreHaloPSF with register_psf"
    ):
        priors.with_psf(core_and_halo()())
    with pytest.raises(InputError, match=r"psf: expected priors of parameters, found a PSF: with_psf\(\) takes one"):
        priors.replace(psf=KingPSF())


def test_a_family_that_is_not_known():
    with pytest.raises(InputError, match="psf: expected one that the package knows, found 'AiryPSF"):
        parse_psf("AiryPSF(1)")


def test_one_that_came_from_another_process_is_made_known(family):
    """A class that was sent by value is not the one of the same name that is known here."""
    sent = core_and_halo(away=5.0)
    know_psf(GaussianPSF())
    know_psf(sent())
    assert registry.FAMILIES["CoreHaloPSF"] is sent
    assert registry.FAMILIES["GaussianPSF"] is GaussianPSF
