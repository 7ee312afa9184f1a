"""A scene: the components that light comes from, seen through one PSF."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import jax
import jax.numpy as jnp

from ..errors import InputError, shown
from ..pixels import Pixels
from ..plugins import is_own
from ..psf import PSF, with_slope
from .component import Component
from .light import Counts, Level, Light, Optics, Part, Products
from .parameter import Parameter
from .registry import (
    KINDS,
    TUTORIAL,
    describe_component,
    know_component,
    known_component,
    load_packages,
    parse_component,
)

OF_PSF: dict[str, Parameter] = {
    one.name: one
    for one in (
        Parameter("psf_width", r"\sigma", "pixel", True, "width of the PSF", above=0.0, label="width σ"),
        Parameter(
            "psf_slope",
            r"\alpha",
            "1",
            True,
            "slope of a King or Moffat profile",
            above=1.0,
            optional=True,
            label="slope α",
        ),
    )
}
"""The parameters of the PSF, which a scene has where a component is seen through it."""
_JOINED = " + "


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Scene:
    """Components with unlike names, in the order in which their light is added up.

    Attributes:
        components: of the scene; by default the tutorial's: a point source, a sky, and the background map where the
            observation has one.
    """

    components: tuple[Component, ...] = TUTORIAL

    def naming(self, names: Iterable[str]) -> Self:
        """Return the scene with those known components whose parameters are named; unknown names change nothing."""
        components = list(self.components)
        for name in names:
            if name not in OF_PSF and not any(name in component.sites for component in components):
                found = known_component(name)
                components += [] if found is None else [found]
        return self if len(components) == len(self.components) else type(self)(_in_order(components))

    @property
    def uses_psf(self) -> bool:
        """Whether something is seen through the PSF."""
        return any(component.uses_psf for component in self.components)

    @cached_property
    def parameters(self) -> Mapping[str, Parameter]:
        """The parameters that the model may have, by name.

        First stand those that the tutorial's model has, then those that it may have, then each further component's.
        Symbols that are the same get the names of their components.
        """
        base = [one for one in self.components if one in TUTORIAL and not one.of_map]
        groups = [one.sites for one in base] + ([OF_PSF] if self.uses_psf else [])
        found = {name: one for group in groups for name, one in group.items() if not one.optional}
        for group in reversed(groups):
            found |= {name: one for name, one in group.items() if one.optional}
        rest = [one for one in self.components if one not in base]
        for component in [one for one in rest if not one.of_map] + [one for one in rest if one.of_map]:
            found |= component.sites
        symbols = Counter(one.symbol for one in found.values())
        for component in rest:
            for name, one in component.sites.items():
                if symbols[one.symbol] > 1:
                    found[name] = one.told_apart(component.name)
        return found

    @property
    def needed(self) -> list[str]:
        """The parameters that the model must have."""
        return [name for name, one in self.parameters.items() if not one.optional]

    def check_names(self, names: Iterable[str]) -> None:
        """Raise InputError where a parameter is none of the scene's, or one is missing."""
        there, parameters = list(names), self.parameters
        base = tuple(component for component in self.components if component in TUTORIAL)
        needed = (self if base == self.components else Scene(base)).needed
        missing = [name for name in needed if name not in there]
        unknown = [name for name in there if name not in parameters]
        if unknown or missing:
            raise InputError(f"priors: expected {', '.join(needed)}; missing {missing}, unknown {unknown}")
        for component in self.components:
            sites = [name for name, one in component.sites.items() if not one.optional]
            if lacking := [name for name in sites if name not in there]:
                raise InputError(f"priors: expected all of {', '.join(sites)} or none; missing {lacking}")

    def with_component(self, component: Component) -> Self:
        """Return the scene with one more component."""
        return type(self)(_in_order((*self.components, component)))

    def without(self, name: str) -> Self:
        """Return the scene without the component of a name."""
        self._named(name)
        return type(self)(tuple(one for one in self.components if one.name != name))

    def only(self, name: str) -> Self:
        """Return the scene of the component of a name alone."""
        return type(self)((self._named(name),))

    def _named(self, name: str) -> Component:
        for component in self.components:
            if component.name == name:
                return component
        names = ", ".join(component.name for component in self.components)
        raise InputError(f"scene: expected a component named {names}, found {name!r}")

    def light(self, pixels: Pixels, psf: PSF, parameters: Mapping[str, Any]) -> Light:
        """Return all light on the pixels.

        Args:
            pixels: exposure, coordinates and background map.
            psf: the family of the PSF.
            parameters: of the model, by name; those of other scenes do no harm.

        Raises:
            InputError: a slope for a PSF that has none, a normalisation without a background map, or light that is not
                one number for each pixel, or not written with jax.numpy.
        """
        optics = Optics(with_slope(psf, parameters.get("psf_slope")), parameters.get("psf_width", 1.0))
        return Light.of(pixels, (_light_of(component, pixels, optics, parameters) for component in self.components))

    def wrong_light(self, pixels: Pixels, psf: PSF, parameters: Mapping[str, Any]) -> str:
        """Say which component's light is negative, or no number, at such parameters; "" where none is."""
        for component in self.components:
            if wrong := self.only(component.name).light(pixels, psf, parameters).wrong():
                return f"component {component.name}: {wrong}"
        return ""

    def describe(self) -> str:
        """Put the scene into words that `parse` understands, such as "PointSource() + Sky() + BackgroundMap()"."""
        return _JOINED.join(map(describe_component, self.components))

    @classmethod
    def parse(cls, described: str) -> Self:
        """Return the scene that `describe` put into words.

        Raises:
            InputError: words of another kind, or a component that is not registered.
        """
        return cls(_in_order(map(parse_component, described.split(_JOINED))))


def _light_of(component: Component, pixels: Pixels, optics: Optics, parameters: Mapping[str, Any]) -> Part:
    """Return the light of one component, and name it where it cannot be traced, or has another shape than the image."""
    try:
        part = component.light(pixels, optics, **component.own(parameters))
    except (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError) as error:
        wrong = "NumPy, or Python's if or float, at work on a parameter"
        through = "" if is_own(type(optics.psf).__module__) else f", or in {type(optics.psf).__name__}"
        raise InputError(
            f"component {component.name}: expected light written with jax.numpy, found {wrong}{through}"
        ) from error
    except InputError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        if is_own(type(component).__module__):
            raise
        raise InputError(
            f"component {component.name}: expected light, found {type(error).__name__}: {error}"
        ) from error
    if not is_own(type(component).__module__) and (wrong := _wrong_with(part, jnp.shape(pixels.exposure))):
        raise InputError(f"component {component.name}: {wrong}")
    return part


def _wrong_with(part: Any, shape: tuple[int, ...]) -> str:
    """Say what light was expected and what was found; "" where it fits an image of a shape."""
    if part is None:
        return ""
    if isinstance(part, Products):
        sizes = [jnp.shape(each) for each in part]
        number = sizes[0][:1] or (1,)
        wanted = [number, number + shape[1:], number + shape[:1]]
        fits = sizes == wanted or sizes[1:] == [number + shape] * 2
        return "" if fits else f"expected Products of shapes {wanted}, found {sizes}"
    if isinstance(part, Level):
        found = jnp.shape(part.value)
        return f"expected a Level of one number, found shape {found}" if found else ""
    image = part.values if isinstance(part, Counts) else part
    if not isinstance(image, jax.typing.ArrayLike):
        return f"expected light as an array, Products, Level or Counts, found {shown(image)}"
    found = jnp.shape(image)
    if (kind := jnp.result_type(image)).kind not in "iuf":
        return f"expected light as an array, Products, Level or Counts, found {kind} of shape {found}"
    one_number = not found and not isinstance(part, Counts)
    fits = len(found) == 2 and all(own in (1, all_of) for own, all_of in zip(found, shape, strict=True))
    return "" if one_number or fits else f"expected light of shape {shape}, found {found}"


def known_parameters(plural: bool = True) -> dict[str, Parameter]:
    """Return the parameters of all kinds of components that are known, of their default names, and of the PSF.

    Args:
        plural: whether those of plates are among them.
    """
    load_packages()
    known = Scene(_in_order(kind() for kind in KINDS.values())).parameters
    return {name: one for name, one in known.items() if plural or not one.plural}


def _in_order(components: Iterable[Component]) -> tuple[Component, ...]:
    """Order components so that a scene does not depend on who named them first: the tutorial's, then by name."""
    found = list(components)
    for component in found:
        know_component(component)
    names = [component.name for component in found]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise InputError(f"scene: expected components with unlike names, found {', '.join(twice)} twice")
    base = [one for one in TUTORIAL if one in found]
    return (*base, *sorted((one for one in found if one not in base), key=_rank))


def _rank(component: Component) -> tuple[bool, str]:
    return component.name != "neighbour", component.name
