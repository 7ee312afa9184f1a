"""Scenes: light, what a component must provide, what goes over the parameters. Oracles: NumPy, SciPy, invariance."""

import ast
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats

import pgm_mock
from pgm_mock import (
    BackgroundMap,
    Beta,
    Component,
    Counts,
    DataWarning,
    GaussianPSF,
    InputError,
    KingPSF,
    Level,
    Parameter,
    PointSource,
    PointSources,
    Priors,
    Products,
    Scene,
    Sky,
    expected_counts,
    fit,
    generate_mock_image,
    grid_posterior,
    model_graph,
    posterior_predictive_check,
    prior_predictive,
    register_component,
    summarise,
)
from pgm_mock.counts import PoissonImage, list_counts
from pgm_mock.play import play_widget, play_window
from pgm_mock.plot import plot_corner, plot_grid
from pgm_mock.results import fitted_to
from pgm_mock.scene import Light, Pixels, known_parameters, registry

PACKAGE = Path(pgm_mock.__file__).parent


@dataclass(frozen=True)
class Arc(Component):
    """A bright band: brightness in each pixel, without products."""

    name: str = "arc"
    sharpness: float = 2.0
    parameters = (
        Parameter("flux", "F_a", "flux", True, "flux of the band"),
        Parameter("row", "y_a", "pixel", False, "where the band is"),
    )

    def defaults(self, observation, x, y, psf):
        return {"flux": dist.LogNormal(np.log(100 / observation.exposure.max()), 1.0), "row": dist.Normal(y + 4.0, 1.0)}

    def light(self, pixels, optics, *, flux, row):
        band = jnp.exp(-0.5 * ((pixels.y - row) / self.sharpness) ** 2) * jnp.ones_like(pixels.x, float)
        return flux * band / (self.sharpness * jnp.sqrt(2 * jnp.pi) * jnp.shape(pixels.exposure)[1])


@pytest.fixture
def arc(kinds_of_before):
    """The class, known for one test."""
    return register_component(Arc)


RAMPS = np.arange(1.0, 22.0)[None, :], np.arange(1.0, 19.0)[:, None]
EXPOSURE = np.random.default_rng(3).uniform(0.0, 2.0, (18, 21)) * (np.random.default_rng(4).random((18, 21)) > 0.1)


def parts_of_each_kind() -> list[Any]:
    rng = np.random.default_rng(0)
    products = Products(rng.random(3), rng.random((3, 21)), rng.random((3, 18)))
    grown = Level(0.7, (np.exp(0.1 * RAMPS[0]), np.exp(-0.05 * RAMPS[1])))
    return [products, Level(0.3), grown, rng.random((18, 21)), Counts(rng.random((18, 21))), None]


def by_hand(part: Any) -> np.ndarray:
    """Expected counts of a part of the light, in NumPy."""
    if part is None:
        return np.zeros((18, 21))
    if isinstance(part, Products):
        return EXPOSURE * np.einsum("r,rx,ry->yx", *part)
    if isinstance(part, Level):
        return EXPOSURE * part.value * (1.0 if part.growth is None else part.growth[0] * part.growth[1])
    return np.asarray(part.values) if isinstance(part, Counts) else EXPOSURE * part


@pytest.mark.parametrize(
    "chosen", [[0], [1], [2], [3], [4], [5], [0, 1], [0, 2, 4], [0, 1, 2, 3, 4, 5], [1, 1, 2, 2, 3, 3, 4, 4]]
)
def test_light_adds_up(chosen):
    """Oracle: NumPy; the image, its sum, and the likelihood of photons by SciPy."""
    parts = [parts_of_each_kind()[number] for number in chosen]
    light = Light.of(Pixels(EXPOSURE, *RAMPS), parts)
    wanted = sum(by_hand(part) for part in parts)
    np.testing.assert_allclose(light.image(), wanted, rtol=1e-12, atol=1e-15)
    assert float(light.total()) == pytest.approx(wanted.sum(), rel=1e-12)
    exposed = EXPOSURE > 0
    counts = np.random.default_rng(1).poisson(np.where(exposed, wanted, 0.0))
    seen = PoissonImage(jnp.asarray(wanted), jnp.asarray(exposed), light).log_prob(list_counts(counts))
    if 4 not in chosen:  # counts that stand on unexposed pixels, too, are in the sum
        assert float(seen) == pytest.approx(stats.poisson.logpmf(counts, wanted)[exposed].sum(), rel=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("psf", [GaussianPSF(), KingPSF(1.5)], ids=["Gaussian", "King"])
def test_full_ramps_give_what_rows_and_columns_give(psf):
    scene = Scene((PointSource(), Sky(), PointSources(), Beta()))
    place = {"x_pos": 9.3, "y_pos": 8.1, "flux": 2.0, "background": 0.1, "psf_width": 1.4, "background_dx": 0.02}
    place |= {"neighbour_x": np.array([3.0, 15.5]), "neighbour_y": np.array([4.0, 12.0]), "neighbour_flux": np.ones(2)}
    place |= {"extended_x": 10.0, "extended_y": 9.0, "extended_flux": 5.0, "extended_core": 3.0, "extended_beta": 0.7}
    full = np.broadcast_arrays(*RAMPS)
    images = [scene.light(Pixels(EXPOSURE, *ramps), psf, place).image() for ramps in (RAMPS, full)]
    np.testing.assert_allclose(*images, rtol=1e-11)


def test_scenes_come_apart_and_add_up():
    """The light of a scene is that of each component alone, summed."""
    names = {"x_pos": 9.3, "y_pos": 8.1, "flux": 2.0, "background": 0.1, "psf_width": 1.4, "background_norm": 2.0}
    names |= {"neighbour_x": np.array([3.0]), "neighbour_y": np.array([4.0]), "neighbour_flux": np.ones(1)}
    scene, pixels = Scene().naming(names), Pixels(EXPOSURE, *RAMPS, np.full((18, 21), 0.2))
    assert [one.name for one in scene.components] == ["source", "sky", "map", "neighbour"]
    whole = scene.light(pixels, GaussianPSF(), names).image()
    alone = [scene.only(one.name).light(pixels, GaussianPSF(), names).image() for one in scene.components]
    np.testing.assert_allclose(whole, sum(alone), rtol=1e-12)
    rest = scene.without("source").light(pixels, GaussianPSF(), names).image()
    np.testing.assert_allclose(rest, whole - alone[0], rtol=1e-10, atol=1e-14)
    with pytest.raises(InputError, match="scene: expected a component named source, sky, map, neighbour, found 'moon'"):
        scene.without("moon")


def test_a_scene_that_was_looked_at_goes_to_other_processes():
    scene = Scene().with_component(Beta())
    names = list(scene.parameters)
    there = pickle.loads(pickle.dumps(scene))
    assert there == scene
    assert list(there.parameters) == names


def test_two_of_a_kind_have_names_of_their_own(stamp):
    core, halo = Beta("core"), Beta("halo")
    priors = Priors.default(stamp, components=[core, halo])
    assert {"core_beta", "halo_core"} <= set(priors)
    again = Priors.parse(priors.describe(), priors.psf, priors.scene.describe())
    assert again == priors
    assert again.scene == priors.scene
    with pytest.raises(InputError, match="scene: expected components with unlike names, found extended twice"):
        Priors.default(stamp, components=[Beta(), Beta()])


def test_priors_without_a_component(stamp):
    priors = Priors.default(stamp, neighbours=[(105.0, 56.0)])
    assert priors.without("neighbour") == Priors.default(stamp)
    bare = priors.without("neighbour").without("source")
    assert list(bare) == ["background"]
    mocks = prior_predictive(stamp, bare, num_samples=3)
    assert list(mocks["prior"].data_vars) == ["background"]
    with pytest.raises(InputError, match="method 'importance': expected a scene with a component named"):
        fit(stamp, bare, method="importance")


@pytest.mark.parametrize(
    "component", [PointSource(), Sky(), BackgroundMap(), PointSources(), Beta()], ids=lambda c: c.name
)
def test_the_packages_own_keep_the_protocol(component, stamp):
    """What each component must provide; one's own is held to the same, see `register_component`."""
    assert registry.parse_component(registry.describe_component(component)) == component
    assert jax.tree.leaves(component) == []
    mapped = replace(stamp, background_map=np.full(stamp.shape, 0.1))
    values = {name: 1.0 if one.above is None else one.above + 1.0 for name, one in component.sites.items()}
    values = {name: np.full(2, v) if component.sites[name].plural else v for name, v in values.items()}
    image = Scene((component,)).light(Pixels(*mapped.image), GaussianPSF(), values | {"psf_width": 1.3}).image()
    assert image.shape == stamp.shape
    assert np.isfinite(image).all()
    assert (np.asarray(image)[stamp.exposure == 0] == 0).all()
    defaults = component.defaults(mapped, 110.0, 61.0, GaussianPSF())
    assert set(defaults) <= {one.name for one in component.parameters}
    for one in component.parameters:
        assert one.symbol
        assert one.meaning


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (
            lambda: type("NotFrozen", (Component,), {}),
            "expected a frozen dataclass that is a Component, found NotFrozen",
        ),
        (lambda: Sky, "expected Sky with a name of its own and a method `light`"),
        (lambda: dataclass(frozen=True)(type("Empty", (Component,), {})), "expected Empty.parameters of the class"),
        (
            lambda: dataclass(frozen=True)(
                type("Single", (Component,), {"parameters": Parameter("a", "a", "1", True, "a")})
            ),
            "expected Single.parameters as a tuple, found one Parameter: add a comma",
        ),
        (
            lambda: dataclass(frozen=True)(
                type("Dark", (Component,), {"parameters": (Parameter("a", "a", "1", True, "a"),)})
            ),
            "expected Dark with a name of its own and a method `light`",
        ),
        (
            lambda: dataclass(frozen=True)(
                type(
                    "Glow",
                    (Component,),
                    {
                        "parameters": (Parameter("size", "a", "1", True, "a"),),
                        "light": lambda self, pixels, optics, radius: 0.0,
                    },
                )
            ),
            "expected Glow.light to take size, found radius",
        ),
    ],
)
def test_what_is_no_component_is_refused(broken: Callable[[], Any], message):
    with pytest.raises(InputError, match=re.escape(message)):
        register_component(broken())


@pytest.fixture
def unregistered(kinds_of_before):
    """A component without the decorator, whose light is flat: wrong where it has more than one value."""

    @dataclass(frozen=True)
    class Veil(Component):
        name: str = "veil"
        is_flat: bool = False
        parameters = (Parameter("flux", "F_v", "flux", True, "flux"),)

        def defaults(self, observation, x, y, psf):
            return {"flux": dist.LogNormal(-12.0, 1.0)}

        def light(self, pixels, optics, *, flux):
            image = flux * jnp.ones(jnp.shape(pixels.exposure))
            return jnp.ravel(image) if self.is_flat else image

    return Veil


def test_a_component_that_nobody_registered_is_when_it_joins(unregistered, stamp):
    assert "Veil" not in registry.KINDS
    scene = Scene().with_component(unregistered())
    assert "Veil" in registry.KINDS
    parameters = {"x_pos": 110.0, "y_pos": 60.0, "flux": 0.0, "background": 1e-6, "psf_width": 1.5, "veil_flux": 2e-6}
    image = (stamp.exposure, stamp.columns, stamp.rows)
    expected = expected_counts(*image, scene=scene, **parameters)
    np.testing.assert_allclose(expected, 3e-6 * stamp.exposure, rtol=1e-12)
    flat = Scene().with_component(unregistered(is_flat=True))
    with pytest.raises(InputError, match=r"component veil: expected light of shape \(21, 21\), found \(441,\)"):
        expected_counts(*image, scene=flat, **parameters)


@pytest.mark.parametrize(
    ("light", "found"),
    [
        (np.exp, "expected light written with jax.numpy, found NumPy, or Python's if or float"),
        (lambda flux: 1.0 if flux > 0 else 0.0, "expected light written with jax.numpy, found NumPy, or Python's if"),
        (
            lambda flux: -flux,
            r"expected light that is finite and not negative, found -\S+ counts in a pixel, at the medians",
        ),
        (lambda flux: "bright", "expected light as an array, Products, Level or Counts, found 'bright'"),
        (lambda flux: jnp.log(-flux), "expected light that is finite .*, found nan counts in a pixel, at the medians"),
    ],
)
def test_light_that_is_none_is_named(unregistered, stamp, light, found):
    """The message of JAX names no component, and a posterior of negative light none either."""

    @dataclass(frozen=True)
    class Wrong(unregistered):
        name: str = "wrong"

        def light(self, pixels, optics, *, flux):
            given = light(flux)
            return given if isinstance(given, str) else given * jnp.ones(jnp.shape(pixels.exposure))

    with pytest.raises(InputError, match=f"component wrong: {found}"):
        fit(stamp, Priors.default(stamp, components=[Wrong()]))


@pytest.mark.parametrize(
    ("light", "found"),
    [
        (lambda flux: flux - 4e-6, r"-\S+ counts in a pixel, at .*veil_flux=[1-4]\S*e-0[67]"),
        (lambda flux: jnp.log(flux / 4e-6) ** 0.5, r"nan counts in a pixel, at .*veil_flux="),
    ],
)
def test_light_that_is_wrong_at_some_draws_is_named_with_one(unregistered, stamp, light, found):
    """At the medians it is right: the sampler of counts found it, and knew no component."""

    @dataclass(frozen=True)
    class Wrong(unregistered):
        def light(self, pixels, optics, *, flux):
            return light(flux) * jnp.ones(jnp.shape(pixels.exposure))

    priors = Priors.default(stamp, components=[Wrong()])
    with pytest.raises(
        InputError, match=f"component veil: expected light that is finite and not negative, found {found}"
    ):
        prior_predictive(stamp, priors, num_samples=50)
    parameters = priors.medians() | {"veil_flux": 2e-6, "background": 0.0, "flux": 0.0}
    with pytest.raises(InputError, match=f"component veil: expected light .*, found {found}"):
        generate_mock_image(*stamp.image[:3], parameters, priors=priors)


@pytest.mark.parametrize(
    ("light", "found"),
    [
        (jnp.ones((21, 21), bool), "expected light as an array, .*, found bool of shape"),
        (jnp.ones((21, 21), complex), "expected light as an array, .*, found complex"),
        (Counts(jnp.ones((20, 20))), r"expected light of shape \(21, 21\), found \(20, 20\)"),
        (Counts(jnp.ones(())), r"expected light of shape \(21, 21\), found \(\)"),
        (Level(jnp.ones((21, 21))), r"expected a Level of one number, found shape \(21, 21\)"),
        (Products(jnp.ones(2), jnp.ones((2, 20)), jnp.ones((2, 21))), "expected Products of shapes .*, found"),
        (Products(jnp.ones(1), jnp.ones((2, 21)), jnp.ones((2, 21))), "expected Products of shapes .*, found"),
    ],
    ids=["bool", "complex", "counts", "number", "level", "columns", "fluxes"],
)
def test_light_of_another_shape_is_named(unregistered, stamp, light, found):
    @dataclass(frozen=True)
    class Wrong(unregistered):
        name: str = "wrong"

        def light(self, pixels, optics, *, flux):
            return light

    parameters = {"x_pos": 110.0, "y_pos": 60.0, "flux": 0.0, "background": 1e-6, "psf_width": 1.5, "wrong_flux": 2e-6}
    with pytest.raises(InputError, match=f"component wrong: {found}"):
        expected_counts(*stamp.image, scene=Scene().with_component(Wrong()), **parameters)


def test_light_that_fails_is_named(unregistered, stamp):
    @dataclass(frozen=True)
    class Failing(unregistered):
        def light(self, pixels, optics, *, flux):
            return flux + None

    wanted = "component veil: expected light, found TypeError: "
    with pytest.raises(InputError, match=wanted) as caught:
        fit(stamp, Priors.default(stamp, components=[Failing(is_flat=True)]))
    assert isinstance(caught.value.__cause__, TypeError)


def test_a_class_is_no_component(unregistered):
    with pytest.raises(InputError, match=r"component: expected one, such as Veil\(\), found its class"):
        Scene().with_component(unregistered)


def test_a_parameter_that_a_scene_lacks_is_refused(stamp):
    parameters = {"x_pos": 110.0, "y_pos": 60.0, "flux": 0.0, "background": 1e-6, "psf_width": 1.5}
    with pytest.raises(InputError, match=r"parameters: expected x_pos, .*, found ring_flux"):
        expected_counts(*stamp.image, scene=Scene(), **parameters, ring_flux=3.0)
    sky = expected_counts(*stamp.image, scene=Scene().only("sky"), background=1e-6, psf_width=1.5)
    np.testing.assert_allclose(sky, 1e-6 * stamp.exposure, rtol=1e-6)
    with pytest.raises(
        InputError, match=r"background_map: expected the exposure map's shape \(21, 21\), found \(4, 4\)"
    ):
        expected_counts(*stamp.image[:3], np.ones((4, 4)), **parameters)


@pytest.mark.parametrize(
    ("gives", "found"),
    [
        (lambda: None, "expected defaults that return priors of flux, found None"),
        (lambda: {"fluxx": 1.0}, "expected defaults that return priors of flux, found 'fluxx'; did you mean flux?"),
        (dict, r"expected defaults for wrong_flux, or priors by name: .*replace\(wrong_flux="),
    ],
)
def test_defaults_that_are_none_are_named(unregistered, stamp, gives, found):
    @dataclass(frozen=True)
    class Wrong(unregistered):
        name: str = "wrong"

        def defaults(self, observation, x, y, psf):
            return gives()

    with pytest.raises(InputError, match=f"component wrong: {found}"):
        Priors.default(stamp, components=[Wrong()])
    with pytest.raises(InputError, match="components: expected a list of components, found Wrong alone"):
        Priors.default(stamp, components=Wrong())


def test_light_that_is_not_returned_is_doubted(unregistered, stamp):
    @dataclass(frozen=True)
    class Forgotten(unregistered):
        name: str = "forgotten"

        def light(self, pixels, optics, *, flux):
            _ = flux * jnp.ones(jnp.shape(pixels.exposure))

    with pytest.warns(DataWarning, match="component forgotten: it has parameters and no light; does `light`"):
        prior_predictive(stamp, Priors.default(stamp, components=[Forgotten()]), num_samples=2)


def test_names_of_another_component_are_refused(arc):
    @dataclass(frozen=True)
    class Second(Arc):
        name: str = "arc"

    with pytest.raises(InputError, match="expected names that Arc has not, found arc_flux, arc_row"):
        register_component(Second)


def test_an_own_component_is_known_by_its_parameters(arc, stamp):
    priors = Priors.default(stamp).replace(arc_flux=dist.LogNormal(-3.0, 1.0), arc_row=64.0)
    assert arc() in priors.scene.components
    assert "arc_flux" in known_parameters()
    with pytest.raises(InputError, match=r"expected all of arc_flux, arc_row or none; missing .*arc_row"):
        Priors.default(stamp).replace(arc_flux=1.0)
    wide = Priors.default(stamp, components=[arc(sharpness=4.0)])
    again = Priors.parse(wide.describe(), wide.psf, wide.scene.describe())
    assert again.scene.components[-1].sharpness == 4.0
    values = priors.medians() | {"arc_flux": 1.0}
    mean = expected_counts(*stamp.image, **values)
    without = expected_counts(*stamp.image, **{name: v for name, v in values.items() if not name.startswith("arc")})
    band = np.exp(-0.5 * ((stamp.rows - 64.0) / 2.0) ** 2) / (2.0 * np.sqrt(2 * np.pi) * stamp.shape[1])
    np.testing.assert_allclose(np.asarray(mean - without), stamp.exposure * band, rtol=1e-9, atol=1e-12)


def test_an_own_components_code_is_part_of_a_runs_identity(arc, stamp):
    from pgm_mock.identity import identity_of_model

    priors = Priors.default(stamp, components=[arc()])
    before = identity_of_model(stamp, priors)["scene_checksum"]
    assert identity_of_model(stamp, priors)["scene_checksum"] == before
    sound = Arc.light
    try:
        Arc.light = lambda self, pixels, optics, *, flux, row: 2.0 * flux * pixels.x * jnp.ones_like(pixels.y)
        assert identity_of_model(stamp, priors)["scene_checksum"] != before
    finally:
        Arc.light = sound


EVERY = {
    "gradient": ([], {"background_dx": dist.Normal(0.0, 0.02), "background_dy": dist.Normal(0.0, 0.02)}),
    "slope and map": ([], {"psf_slope": dist.TruncatedNormal(1.5, 0.1, low=1.2, high=2.0)}),
    "neighbour": ([], {}),
    "halo": ([Beta("halo")], {}),
    "arc": ([Arc()], {}),
}


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.filterwarnings("ignore::pgm_mock.DataWarning")  # grids of seven points are coarse
@pytest.mark.parametrize("kind", EVERY)
def test_everything_goes_over_the_parameters_of_the_model(kind, stamp, arc, tmp_path):
    """Mock, fit by both methods, grid, play, summary, corner, graph and check, for every component and parameter."""
    components, extra = EVERY[kind]
    mapped = kind == "slope and map"
    psf = KingPSF(1.5, 1.3) if mapped else GaussianPSF()
    bare = replace(stamp, background_map=np.full(stamp.shape, 0.05) if mapped else None, name=kind)
    places = [(115.0, 66.0)] if kind == "neighbour" else []
    priors = Priors.default(bare, 110.0, 61.0, psf, neighbours=places, components=components).replace(**extra)
    mocks = prior_predictive(bare, priors, num_samples=3)
    assert list(mocks["prior"].data_vars) == list(priors)
    truth = priors.medians()
    image = bare.exposure, bare.x, bare.y, truth
    counts = generate_mock_image(*image, priors=priors, background_map=bare.background_map, seed=1)
    observed = replace(bare, counts=counts)
    by_importance = fit(observed, priors, method="importance")
    by_nuts = fit(observed, priors, method="nuts", num_chains=2, num_warmup=300, num_samples=150)
    for posterior in (by_importance, by_nuts):
        assert set(posterior["posterior"].data_vars) == set(priors)
        known = fitted_to(posterior)
        assert known[1] == priors
        assert known[1].scene == priors.scene
        told = summarise(posterior)
        assert {name.split("[")[0] for name in told.parameters} == set(priors)
        assert told.to_dict()["parameters"]
    for name in priors.free:
        draws = [np.asarray(one["posterior"][name].values).reshape(-1) for one in (by_importance, by_nuts)]
        spread = np.hypot(*(each.std() for each in draws))
        assert abs(draws[0].mean() - draws[1].mean()) < spread, name
    single = [name for name in priors.free if not priors.parameters[name].plural]
    figure = plot_corner(by_importance)
    assert len(figure.axes) == len(single) ** 2
    plt.close(figure)
    for name in single:
        fixed = {one: truth[one] for one in priors.free if one != name}
        axis = np.linspace(*priors.quantiles(name, (0.05, 0.95)), 7)
        grid = grid_posterior(observed, priors.replace(**fixed), **{name: axis})
        assert grid[name].attrs["long_name"] == priors.parameters[name].meaning
        plt.close(plot_grid(grid))
    assert set(model_graph(observed, priors).parents["expected_counts"]) == set(priors)
    assert r"\mu" in model_graph(observed, priors).latex()
    window = play_window(observed, priors)
    sliders = [name for name in priors if not priors.parameters[name].plural]
    assert list(window.sliders) == [*sliders, "exposure"]
    plt.close(window.figure)
    assert len(play_widget(observed, priors).children) == 1 + len(sliders) + 1 + 2
    check = posterior_predictive_check(observed, by_importance, num_replicates=100)
    assert 0 < check.p_value <= 1


class TestPriorsThatDepend:
    """A background that is a share of the flux: oracle, the same model written with one parameter less."""

    @staticmethod
    def dependent(stamp) -> Priors:
        fixed = {"x_pos": 110.6, "y_pos": 61.2, "psf_width": 1.4, "flux": dist.LogNormal(-5.0, 1.0)}
        return Priors.default(stamp).replace(**fixed, background=lambda flux: dist.LogNormal(jnp.log(flux) - 6.0, 0.5))

    def test_draws_follow_it(self, stamp):
        """Oracle: the law of the ratio."""
        prior = prior_predictive(stamp, self.dependent(stamp), num_samples=4000)["prior"]
        ratio = np.log(prior["background"].values / prior["flux"].values).ravel()
        assert stats.kstest(ratio, stats.norm(-6.0, 0.5).cdf).pvalue > 1e-3
        assert stats.kstest(np.log(prior["flux"].values).ravel(), stats.norm(-5.0, 1.0).cdf).pvalue > 1e-3

    def test_graph_shows_it(self, stamp):
        graph = model_graph(stamp, self.dependent(stamp))
        assert graph.parents["background"] == ("flux",)
        assert "p(background | flux)" in graph.factorisation()

    def test_no_node_stands_in_a_plate_that_it_is_not_in(self, stamp, arc):
        """The plate's box is drawn about its nodes: no other node lies between them."""
        slope = {"neighbour_flux": lambda arc_flux: dist.LogNormal(jnp.log(arc_flux) * jnp.ones(2), 1.0)}
        places = [(105.0, 56.0), (115.0, 66.0)]
        priors = Priors.default(stamp, neighbours=places, components=[arc()]).replace(**slope)
        graph = model_graph(stamp, priors)
        at = graph._layout()
        assert len(set(at.values())) == len(at)
        inside = np.array([at[name] for name in graph.plates["neighbour"]])
        low, high = inside.min(axis=0) - 0.5, inside.max(axis=0) + 0.5
        for name, place in at.items():
            assert name in graph.plates["neighbour"] or not ((low < place) & (place < high)).all(), name

    def test_methods_that_cannot_say_so(self, stamp):
        priors = self.dependent(stamp)
        with pytest.raises(InputError, match="method 'importance': expected priors that do not depend on other"):
            fit(stamp, priors, method="importance")
        with pytest.raises(InputError, match="grid: expected priors that do not depend on other parameters"):
            grid_posterior(stamp, priors, flux=np.linspace(1e-3, 1e-2, 5), background=np.linspace(1e-6, 1e-5, 5))

    @pytest.mark.slow
    def test_the_posterior_is_that_of_a_grid(self, stamp):
        """Oracle: the joint posterior of flux and background on a grid, in NumPy and SciPy."""
        posterior = fit(stamp, self.dependent(stamp), method="auto", num_samples=2000)
        assert posterior.attrs["method"] == "nuts"
        log_flux, log_background = np.linspace(-7.5, -4.0, 161), np.linspace(-13.5, -9.5, 151)
        exposed = stamp.exposure > 0
        place = {"x_pos": 110.6, "y_pos": 61.2, "psf_width": 1.4}
        light = np.asarray(expected_counts(*stamp.image, flux=1.0, background=0.0, **place))[exposed]
        counts, time = stamp.counts[exposed], stamp.exposure[exposed]
        mean = np.exp(log_flux)[:, None, None] * light + np.exp(log_background)[None, :, None] * time
        heights = (counts * np.log(mean) - mean).sum(-1)
        heights += stats.norm.logpdf(log_flux, -5.0, 1.0)[:, None]
        heights += stats.norm.logpdf(log_background[None, :] - log_flux[:, None], -6.0, 0.5)
        weights = np.exp(heights - heights.max())
        for name, axis, other in (("flux", log_flux, 1), ("background", log_background, 0)):
            density = weights.sum(axis=other) / weights.sum()
            middle = density @ axis
            sd = np.sqrt(density @ (axis - middle) ** 2)
            draws = np.log(posterior["posterior"][name].values).ravel()
            assert draws.mean() == pytest.approx(middle, abs=0.1 * sd)
            assert draws.std() == pytest.approx(sd, rel=0.07)

    @pytest.mark.parametrize(
        ("prior", "message"),
        [
            (lambda wing: dist.Normal(wing, 1.0), "expected priors that depend on other parameters of the model"),
            (lambda flux: flux, "background: expected a function that returns a NumPyro distribution, found"),
            (lambda flux: dist.Normal(flux, 1.0), "background: expected a prior on values ≥ 0"),
            (lambda background: dist.LogNormal(background, 1.0), "and not on each other"),
        ],
    )
    def test_bad_ones_are_named(self, stamp, prior, message):
        with pytest.raises(InputError, match=message):
            Priors.default(stamp).replace(background=prior)


def functions() -> list[tuple[Path, ast.FunctionDef]]:
    found = []
    for module in sorted(PACKAGE.rglob("*.py")):
        found += [(module, n) for n in ast.walk(ast.parse(module.read_text())) if isinstance(n, ast.FunctionDef)]
    return found


def test_a_component_stands_in_one_file():
    """Its parameters' names are written in its own file; elsewhere at most as words of a table or a sentence."""
    naming = {}
    for module in sorted(PACKAGE.rglob("*.py")):
        for word in ("neighbour_flux", "extended_core", "background_dx"):
            if re.search(rf'"{word}"', module.read_text()):
                naming.setdefault(word, []).append(module.name)
    assert len(naming.get("extended_core", [])) <= 1, naming
    assert len(naming.get("neighbour_flux", [])) <= 2, naming
    assert len(naming.get("background_dx", [])) <= 3, naming
