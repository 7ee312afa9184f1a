"""The kinds of components: how each is written down and read again, and how one of the user's own joins them."""

import dataclasses
import inspect
import re

import jax

from ..errors import InputError, did_you_mean, shown
from ..plugins import load
from .backgroundmap import BackgroundMap
from .beta import Beta
from .component import Component
from .elliptical import EllipticalBeta
from .neighbours import PointSources
from .numbercounts import NumberCounts
from .parameter import Parameter
from .particles import Particles
from .pointsource import PointSource
from .sky import Sky

TUTORIAL: tuple[Component, ...] = (PointSource(), Sky(), BackgroundMap())
"""What every scene has that is not told otherwise; a background map is one where the observation has it."""
KINDS: dict[str, type[Component]] = {}
"""The known kinds by the names of their classes; with their default names they are known by their parameters."""
_GROUP = "pgm_mock.component"
_WRITTEN = re.compile(r"(\w+)\((.*)\)", re.DOTALL)


def register_component[Kind: type[Component]](kind: Kind) -> Kind:
    """Make a kind of components known, so that priors, saved results and the commands know its parameters.

    It is a decorator of a frozen dataclass that is a `Component`, whose fields have defaults:

        @register_component
        @dataclass(frozen=True)
        class Ring(Component):
            name: str = "ring"
            parameters = (Parameter("flux", "F_r", "flux", True, "flux of the ring"), ...)

            def light(self, pixels, optics, *, flux, radius): ...

    Priors that name `ring_flux` then have a ring, and `Priors.default(stamp, x, y, components=[Ring()])` takes its
    default priors. The commands know what installed packages bring by an entry point of the group `pgm_mock.component`
    that names the class.

    Args:
        kind: the class. JAX takes its fields that are words or numbers for constants, others for arrays.

    Raises:
        InputError: a class that is no frozen dataclass or no Component, whose parameters another kind has, or whose
            method `light` does not take them.
    """
    params = vars(kind).get("__dataclass_params__") if isinstance(kind, type) else None
    if not isinstance(kind, type) or not issubclass(kind, Component) or params is None or not params.frozen:
        found = getattr(kind, "__name__", repr(kind))
        raise InputError(f"component: expected a frozen dataclass that is a Component, found {found}")
    fields = dataclasses.fields(kind)
    if lacking := [field.name for field in fields if field.default is field.default_factory is dataclasses.MISSING]:
        raise InputError(f"component: expected {kind.__name__} with a default for each field, found none for {lacking}")
    if isinstance(kind.parameters, Parameter):
        raise InputError(f"component: expected {kind.__name__}.parameters as a tuple, found one Parameter: add a comma")
    if not kind.parameters or not all(isinstance(one, Parameter) for one in kind.parameters):
        raise InputError(f"component: expected {kind.__name__}.parameters of the class Parameter, found none")
    if kind.__name__ in _OWN or kind.light is Component.light:
        raise InputError(f"component: expected {kind.__name__} with a name of its own and a method `light`")
    takes, names = inspect.signature(kind.light).parameters, [one.name for one in kind.parameters]
    if not set(names) <= set(takes) and not any(one.kind is one.VAR_KEYWORD for one in takes.values()):
        found = ", ".join(list(takes)[3:]) or "none of them"
        raise InputError(f"component: expected {kind.__name__}.light to take {', '.join(names)}, found {found}")
    for other in [known() for name, known in KINDS.items() if name != kind.__name__]:
        if shared := sorted(set(kind().sites) & set(other.sites)):
            raise InputError(
                f"component: expected names that {type(other).__name__} has not, found {', '.join(shared)}"
            )
    _register(kind)
    return kind


def _register(kind: type[Component]) -> None:
    """Tell JAX, once, which fields are constants."""
    fields = dataclasses.fields(kind)
    constants = [field.name for field in fields if isinstance(field.default, (str, bool, int, float))]
    arrays = [field.name for field in fields if field.name not in constants]
    if jax.tree_util.all_leaves([kind()]):  # JAX does not know it yet
        jax.tree_util.register_dataclass(kind, data_fields=arrays, meta_fields=constants)
    KINDS[kind.__name__] = kind


for _kind in (PointSource, Sky, BackgroundMap, PointSources, Beta, EllipticalBeta, Particles, NumberCounts):
    _register(_kind)
_OWN = tuple(KINDS)


def know_component(component: Component) -> None:
    """Register the kind of a component that came from another process, or that nobody registered."""
    if isinstance(component, type):
        raise InputError(f"component: expected one, such as {component.__name__}(), found its class")
    if type(component) not in KINDS.values():
        register_component(type(component))


def load_packages() -> None:
    """Register the kinds that installed packages bring."""
    load(_GROUP, register_component)


def known_component(site: str) -> Component | None:
    """Return the component, of its default name, that a parameter of the model belongs to; None where there is none."""
    for loaded in (False, True):
        if loaded:
            load_packages()
        for kind in KINDS.values():
            component = kind()
            if site in component.sites:
                return component
    return None


def component_called(name: str) -> Component:
    """Return the component of a name, such as "ring".

    Raises:
        InputError: none has it.
    """
    load_packages()
    known = (kind() for kind in KINDS.values() if kind is not NumberCounts)  # which lights nothing
    names = {one.name: one for one in known if one not in TUTORIAL and not any(p.plural for p in one.parameters)}
    if name not in names:
        raise InputError(f"component: expected {', '.join(names)}, found {shown(name)}{did_you_mean(name, names)}")
    return names[name]


def describe_component(component: Component) -> str:
    """Put a component into words that `parse_component` understands, such as "Beta(name='halo')", without arrays."""
    parts = []
    for field in dataclasses.fields(component):
        value = getattr(component, field.name)
        if isinstance(value, (str, bool, int, float)) and value != field.default:
            parts.append(f"{field.name}={value!r}")
    return f"{type(component).__name__}({', '.join(parts)})"


def parse_component(described: str) -> Component:
    """Return the component that `describe_component` put into words.

    Raises:
        InputError: words of another kind, or a kind that is not registered.
    """
    import ast

    match = _WRITTEN.fullmatch(described.strip())
    if match and match[1] not in KINDS:
        load_packages()
    if match is None or match[1] not in KINDS:
        raise InputError(f"component: expected one that the package knows, found {shown(described)}")
    try:
        call = ast.parse(described.strip(), mode="eval").body
        fields = {str(one.arg): ast.literal_eval(one.value) for one in call.keywords}  # type: ignore[attr-defined]
        return KINDS[match[1]](**fields)
    except (SyntaxError, ValueError, TypeError, AttributeError, RecursionError, MemoryError) as error:
        raise InputError(f"component: expected the fields of {match[1]}, found {shown(described)}") from error
