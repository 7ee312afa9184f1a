"""The families of PSFs: how each is written down and read again, and how one of the user's own joins them."""

import dataclasses
import re
from contextlib import suppress
from typing import Any

import jax
import numpy as np

from ..errors import InputError, shown
from ..plugins import load
from .gaussian import GaussianPSF
from .image import ImagePSF
from .king import KingPSF, MoffatPSF, SumOfGaussians
from .protocol import PSF

FAMILIES: dict[str, type[Any]] = {
    family.__name__: family for family in (GaussianPSF, KingPSF, MoffatPSF, ImagePSF, SumOfGaussians)
}
"""The known families by the names of their classes."""
_OWN = tuple(FAMILIES)
_GROUP = "pgm_mock.psf"
_WRITTEN = re.compile(r"(\w+)(?:\((.*)\))?", re.DOTALL)
_ENDING = "PSF"


def register_psf[Family: type[Any]](family: Family) -> Family:
    """Make a family of PSFs known by its name, so that saved results give it back.

    It is a decorator of a frozen dataclass whose fields are numbers, with defaults, and that is a `PSF`:

        @register_psf
        @dataclass(frozen=True)
        class RingPSF(SumOfProducts):
            radius: float = 2.0
            ...

    The name "ring" then means `RingPSF()`, as in `catalog(..., psf="ring")`. The
    commands know what installed packages bring by an entry point of the group `pgm_mock.psf` that names the class.

    Args:
        family: the class. It may write itself down in its own way with the methods `describe()` and, a class method,
            `parse(arguments)`. JAX learns its fields, where it does not know the class yet.

    Raises:
        InputError: a class that is no frozen dataclass, or that lacks something of the protocol.
    """
    params = getattr(family, "__dataclass_params__", None)
    if not isinstance(family, type) or params is None or not params.frozen:
        raise InputError(f"psf: expected a frozen dataclass, found {getattr(family, '__name__', repr(family))}")
    if family.__name__ in _OWN:
        raise InputError(f"psf: expected a name that the package has not, found {family.__name__}")
    needed = [name for name in dir(PSF) if not name.startswith("_")]
    own = {field.name for field in dataclasses.fields(family)}
    if missing := [name for name in needed if name not in own and not hasattr(family, name)]:
        raise InputError(f"psf: expected {family.__name__} with {', '.join(needed)}; missing {', '.join(missing)}")
    with suppress(ValueError):  # JAX knows it already
        jax.tree_util.register_dataclass(family)
    if not hasattr(family, "describe"):
        _check_fields(family)
    FAMILIES[family.__name__] = family
    return family


def know_psf(psf: PSF) -> None:
    """Register the family of a PSF that came from another process."""
    if type(psf) not in FAMILIES.values():
        register_psf(type(psf))


def _check_fields(family: type[Any]) -> None:
    """Refuse a class that its numbers do not describe, before a result is saved that gives another PSF back."""
    for field in dataclasses.fields(family):
        if not isinstance(field.default, (int, float)) or isinstance(field.default, bool):
            wanted = "numbers with defaults as its fields, or methods `describe` and `parse`"
            raise InputError(f"psf: expected {family.__name__} with {wanted}, found {field.name}")


def _of_packages() -> None:
    """Register the families that installed packages bring."""
    load(_GROUP, register_psf)


def _family(name: str) -> type[Any] | None:
    if name not in FAMILIES:
        _of_packages()
    return FAMILIES.get(name)


def family_called(name: str) -> type[Any] | None:
    """Return the family of a name in small letters, such as "ring" of RingPSF; None where there is none.

    Families without defaults for all of their fields have no such name.
    """
    if _named(name) is None:
        _of_packages()
    return _named(name)


def _named(name: str) -> type[Any] | None:
    for known, family in FAMILIES.items():
        complete = all(field.default is not dataclasses.MISSING for field in dataclasses.fields(family))
        if complete and known.removesuffix(_ENDING).lower() == name:
            return family
    return None


def _parts(described: str) -> tuple[str, type[Any] | None, str]:
    """Return the name of a description's class, its family where that is known, and its arguments."""
    match = _WRITTEN.fullmatch(described)
    return ("", None, "") if match is None else (match[1], _family(match[1]), match[2] or "")


def width_in_words(family: str) -> tuple[str, str]:
    """What the width of a family, given by the name of its class, is called, and its unit ("" where it has none)."""
    known = _family(family)
    return ("width", "pixel") if known is None else (known.width_name, known.width_unit)


def width_symbol(described: str) -> str:
    """Return the symbol of the width of a described PSF, in LaTeX; "" where it has none of its own."""
    return str(getattr(_parts(described)[1], "width_symbol", ""))


def describe_psf(psf: PSF) -> str:
    """Put a PSF into words that `parse_psf` understands, such as "KingPSF(slope=1.4, typical_width=1.1)".

    Those of a dataclass are its numbers, unless it has a method `describe`; of another class they are its name.
    """
    if hasattr(psf, "describe"):
        return str(psf.describe())
    name = type(psf).__name__
    if not dataclasses.is_dataclass(psf) or not (fields := dataclasses.fields(psf)):
        return name
    try:
        numbers = [f"{field.name}={float(getattr(psf, field.name)):.9g}" for field in fields]
    except (TypeError, ValueError):
        return name
    return f"{name}({', '.join(numbers)})"


def parse_psf(described: str) -> PSF:
    """Return the PSF that `describe_psf` put into words.

    Raises:
        InputError: words of another kind, a family that is not registered, or a file that is not there any more.
    """
    name, family, arguments = _parts(described)
    if family is None:
        raise InputError(f"psf: expected one that the package knows, found {shown(described)}")
    try:
        psf: PSF = family.parse(arguments) if hasattr(family, "parse") else _of_numbers(family, arguments)
    except InputError:
        raise
    except (TypeError, ValueError, ArithmeticError, MemoryError) as error:
        raise InputError(f"psf: expected the numbers of a {name}, found {shown(described)}") from error
    return psf


def _of_numbers(family: type[Any], arguments: str) -> PSF:
    """Make a PSF of all of its numbers."""
    numbers = _numbers(arguments)
    if (
        set(numbers) != {field.name for field in dataclasses.fields(family)}
        or not np.isfinite([*numbers.values()]).all()
    ):
        raise ValueError("expected a finite number for each field")
    if not numbers.get("slope", 2.0) > 1.0:
        raise ValueError("expected a slope > 1, so that the light is finite")
    psf: PSF = family(**numbers)
    return psf


def _numbers(arguments: str) -> dict[str, float]:
    pairs = (one.partition("=") for one in arguments.split(",") if one)
    return {name.strip(): float(value) for name, _, value in pairs}


def in_words(described: str) -> str:
    """Return what `describe_psf` says in words for people, such as "King profile, slope 1.4, ..."; else as it is."""
    name, family, arguments = _parts(described)
    if family is None:
        return described
    if family is ImagePSF and arguments:
        return f"image of the PSF, {arguments.rpartition('; sampling=')[0]}"
    try:
        numbers = _numbers(arguments)
    except ValueError:
        return described
    called = name.removesuffix(_ENDING)
    if not numbers:
        return called
    typical = numbers.pop("typical_width", None)
    parts = [f"{called} profile", *(f"{field} {value:.3g}" for field, value in numbers.items())]
    if typical is not None:
        parts.append(f"{family.width_name} of some {typical:.3g} {family.width_unit}".rstrip())
    return ", ".join(parts)
