"""The priors: one distribution, or one fixed value, for each parameter of a scene."""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import jax
import numpyro.distributions as dist

from .distributions import (
    Prior,
    flatten_prior,
    parse_prior,
    position_prior,
    unflatten_prior,
)
from .errors import InputError, shown
from .jointprior import JointPrior, check_plates
from .priorbounds import check_against
from .priorsfile import prior_of_table, read_tables
from .psf import PSF, GaussianPSF, choose_psf, describe_psf
from .scene import Component, PointSources, Scene, known_parameters
from .scene.neighbours import at_places
from .scene.parameter import checked_prior
from .scene.pointsource import LEAST_REACH, REACH

if TYPE_CHECKING:
    from .observation import Observation


@jax.tree_util.register_pytree_node_class
class Priors(JointPrior):
    """What the model of a stamp is: a scene, the PSF, and for each parameter a distribution or a fixed value.

    It is an immutable mapping of the parameters, and holds the PSF as `psf` and the components as `scene`. It is a JAX
    pytree: a compiled function that takes priors as an argument is compiled again for another scene, or another family
    of distributions or of PSFs, never for other numbers in the same families.
    """

    def __init__(self, psf: PSF = GaussianPSF(), scene: Scene = Scene(), **priors: Prior) -> None:  # noqa: B008 (constants)
        """Take the PSF, the scene, and a prior for each of its parameters.

        Known components that the scene lacks, and whose parameters are named, join it. A parameter of a plate, as of m
        neighbours, has a distribution of batch shape (m,), or a fixed array. A function of other parameters that
        returns a distribution is a prior that depends on them.

        Raises:
            InputError: a parameter is unknown or missing, a distribution is not a scalar continuous one, or it
                reaches values below 0 where there can be none.
        """
        self.psf, self.scene = _checked_psf(psf), scene.naming(priors)
        there = {name: one for name, one in self.scene.parameters.items() if name in priors}
        self._priors = {name: checked_prior(one, priors[name]) for name, one in there.items()}
        self.scene.check_names(priors)
        check_plates(self)

    @classmethod
    def default(
        cls,
        observation: "Observation",
        x: float | None = None,
        y: float | None = None,
        psf: PSF | str | None = None,
        radius: float | None = None,
        *,
        neighbours: Sequence[tuple[float, float]] = (),
        components: Iterable[Component] = (),
    ) -> Self:
        r"""Wide priors made from the exposure map and the position alone, never from the counts.

        With t the median of the positive exposures in the image: x_pos, y_pos ~ Normal(x or y, 2 pixels), cut off
        6 pixels from it, so that the source asked for is the one that is found;
        flux ~ LogNormal(ln(30 / t), 2), that is 30 counts within a factor of 7 (68 %) or 50 (95 %);
        background ~ LogNormal(ln(0.1 / t), 1.5), 0.1 count per pixel within a factor of 4.5 (68 %) or 20 (95 %);
        psf_width ~ LogNormal(ln 1.5, 0.5), 0.9 to 2.5 pixels (68 %), or about the PSF's own typical width;
        where there is a background map, background_norm ~ LogNormal(0, 0.5), right within a factor of 1.6 (68 %).
        Where there are m neighbours, their positions and fluxes have the source's priors, each about its own place and
        at most half the way to the source's: distributions of batch shape (m,).

        Args:
            observation: the stamp or image.
            x, y: the position asked for [FITS image pixels]; by default the middle of the image.
            psf: the family of the PSF, or its name, such as "auto" for the telescope's (see `choose_psf`); by default
                a Gaussian.
            radius: where to cut off the position's prior, in place of 6 pixels; at least 3 [pixels].
            neighbours: (x, y) of each other source in the stamp, fitted jointly [FITS image pixels].
            components: that the scene shall have beside a point source and a sky, each with its own default priors.

        Raises:
            InputError: a neighbour that is no pair of numbers, two components of one name, or no PSF.
        """
        place, reach = _position(observation, x, y), REACH
        scene, psf = Scene(), _psf(psf, observation, place)
        width, spread = float(psf.typical_width), psf.width_spread
        priors: dict[str, Prior] = {}
        if isinstance(components, Component):
            raise InputError(f"components: expected a list of components, found {type(components).__name__} alone")
        components = tuple(components)
        for component in components:
            scene = scene.with_component(component)
        for component in scene.components:
            priors |= component.default_sites(observation, *place, psf)
        for component in components:
            if lacking := [name for name, one in component.sites.items() if name not in priors and not one.optional]:
                instead = f"priors by name: Priors.default(...).replace({lacking[0]}=...)"
                raise InputError(
                    f"component {component.name}: expected defaults for {', '.join(lacking)}, or {instead}"
                )
        if radius is not None and radius > 0:
            reach = max(float(radius), LEAST_REACH)
            priors |= {name: position_prior(one, reach) for name, one in zip(("x_pos", "y_pos"), place, strict=True)}
        if len(neighbours):
            plate = PointSources()
            theirs = at_places(observation, neighbours, reach, place)
            priors |= {f"{plate.prefix}{name}": prior for name, prior in theirs.items()}
        priors["psf_width"] = dist.LogNormal(math.log(width), spread) if spread else width
        return cls(psf, scene, **priors)

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        observation: "Observation",
        x: float | None = None,
        y: float | None = None,
        psf: PSF | str | None = None,
        *,
        components: Iterable[Component] = (),
    ) -> Self:
        """Read priors from a TOML file; parameters that it does not name keep their default.

        A table is named for its parameter. It holds either `dist`, the name of a NumPyro distribution, with that
        distribution's arguments, or `value`, to which the parameter is fixed. In the tables of `x_pos` and `y_pos`,
        "center", "center+1.5" and "center-1.5" stand for the position asked for.

        Raises:
            InputError: the file cannot be read, an entry is not understood, or a prior has nothing to do with the
                image (see `check_against`); the message names it.
        """
        tables = read_tables(path)
        place = _position(observation, x, y)
        centre, psf = dict(zip(("x_pos", "y_pos"), place, strict=True)), _psf(psf, observation, place)
        try:
            priors, known = {}, known_parameters(plural=False)
            for name, table in tables.items():
                if name not in known:
                    raise InputError(f"[{name}]: expected a table named {', '.join(known)}")
                priors[name] = prior_of_table(name, table, centre.get(name))
            found = cls.default(observation, x, y, psf, components=components).replace(**priors)
            check_against(observation, found, doubts=False)
        except InputError as error:
            raise InputError(f"{os.fspath(path)}: {error}") from error
        return found

    def replace(self, **priors: Prior) -> Self:
        """Return priors in which those given stand in place of these; another PSF comes by `with_psf`."""
        if "psf" in priors:
            raise InputError("psf: expected priors of parameters, found a PSF: with_psf() takes one")
        return type(self)(self.psf, self.scene, **{**self._priors, **priors})

    def with_psf(self, psf: PSF) -> Self:
        """Return the same priors with another PSF; that of its width stays as it is."""
        return type(self)(psf, self.scene, **self._priors)

    def without(self, component: str) -> Self:
        """Return the priors of the scene without a component, such as "source" or "neighbour"."""
        scene = self.scene.without(component)
        return type(self)(self.psf, scene, **{name: self._priors[name] for name in scene.parameters if name in self})

    @classmethod
    def parse(cls, described: Mapping[str, str], psf: PSF, scene: str | None = None) -> Self:
        """Return the priors that `describe` put into words, with a PSF and a scene, in words or as it is by default.

        Raises:
            InputError: words that are not those of a distribution with numbers as its arguments, or of a number.
        """
        found = Scene().naming(described) if scene is None else Scene.parse(scene)
        needed = [name for name, one in found.parameters.items() if not one.optional or name in described]
        return cls(psf, found, **{name: parse_prior(name, described.get(name, "nothing")) for name in needed})

    def __eq__(self, other: object) -> bool:
        """Whether the PSF, the scene and all priors are the same, in words."""
        if not isinstance(other, Priors):
            return NotImplemented
        return self._told() == other._told()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        parts = [describe_psf(self.psf), *(f"{name}={text}" for name, text in self.describe().items())]
        return f"Priors({', '.join(parts)})"

    def _told(self) -> tuple[str, str, dict[str, str]]:
        return describe_psf(self.psf), self.scene.describe(), self.describe()

    def tree_flatten(self) -> tuple[tuple[Any, PSF, Scene], tuple[Any, ...]]:
        """Give JAX the PSF, the scene, the numbers of each distribution, and the fixed values.

        Their order is one that no hash decides: NumPyro's own order of a distribution's numbers changes from process to
        process, and with it the compiled program's key in a cache on disk.
        """
        leaves, structures = zip(*map(flatten_prior, self._priors.values()), strict=True)
        return (leaves, self.psf, self.scene), (tuple(self._priors), structures)

    @classmethod
    def tree_unflatten(cls, aux: tuple[tuple[str, ...], tuple[Any, ...]], children: tuple[Any, PSF, Scene]) -> Self:
        """Take them back unchecked: JAX also puts placeholders there."""
        priors = object.__new__(cls)
        (names, structures), (leaves, priors.psf, priors.scene) = aux, children
        priors._priors = dict(zip(names, map(unflatten_prior, structures, leaves), strict=True))
        return priors


def _position(observation: "Observation", x: float | None, y: float | None) -> tuple[float, float]:
    centre = observation.centre
    return (centre[0] if x is None else float(x)), (centre[1] if y is None else float(y))


def _psf(psf: PSF | str | None, observation: "Observation", place: tuple[float, float]) -> PSF:
    """Return a PSF, or that of a name at a place."""
    if isinstance(psf, str):
        return choose_psf(psf, observation.header, observation.wcs, *place)
    return GaussianPSF() if psf is None else _checked_psf(psf)


def _checked_psf(psf: Any) -> PSF:
    """Return a usable PSF, or raise InputError that says what it should have been."""
    if isinstance(psf, type) or not all(callable(getattr(psf, name, None)) for name in ("pixel_fraction", "profiles")):
        raise InputError(f"psf: expected a PSF such as GaussianPSF() or KingPSF(slope=1.5), found {shown(psf)}")
    if any(leaf is psf for leaf in jax.tree.leaves(psf)):
        raise InputError(f"psf: expected a class that JAX knows: decorate {type(psf).__name__} with register_psf")
    found: PSF = psf
    return found
