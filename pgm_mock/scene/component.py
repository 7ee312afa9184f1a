"""What a component of a scene is: parameters with their default priors, and light."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from ..distributions import Prior
from ..errors import InputError, did_you_mean, shown
from ..psf import PSF
from .light import Part
from .parameter import Parameter

if TYPE_CHECKING:
    from ..observation import Observation


@dataclass(frozen=True)
class Component:
    """A part of a scene: subclass it as a frozen dataclass, and decorate it with `register_component`.

    A subclass gives `parameters` and `light`, and `defaults` for those that a model shall have without being told.
    Fields beside `name` are numbers, words or arrays with defaults.

    Attributes:
        name: of the component in its scene, unlike that of any other.
        parameters: as the component calls them; the sites of the model are `ring_flux` and so on of one named "ring".
        uses_psf: whether its light is seen through the PSF, so that the model needs the PSF's width.
        of_map: whether it is there wherever the observation has a background map, with parameters or without.
    """

    name: str = "component"
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    uses_psf: ClassVar[bool] = True
    of_map: ClassVar[bool] = False

    @property
    def prefix(self) -> str:
        """What stands before its parameters' names in the model."""
        return f"{self.name}_"

    @property
    def sites(self) -> dict[str, Parameter]:
        """Its parameters by the names that they have in the model, which are then their names."""
        return _sites(self.prefix, self.parameters)

    def own(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Take its parameters from those of the model, by the component's names."""
        names = ((one.name, f"{self.prefix}{one.name}") for one in self.parameters)
        return {name: values[site] for name, site in names if site in values}

    def defaults(self, observation: "Observation", x: float, y: float, psf: PSF) -> dict[str, Prior]:
        """Return default priors, by the component's names, made from the exposure and the position alone.

        Args:
            observation: the stamp or image; its counts are not looked at.
            x, y: the position asked for [FITS image pixels].
            psf: the family of the PSF.
        """
        return {}

    def default_sites(self, observation: "Observation", x: float, y: float, psf: PSF) -> dict[str, Prior]:
        """Return its default priors by the names that its parameters have in the model.

        Raises:
            InputError: `defaults` returns something else, or priors of parameters that it has not.
        """
        found, names = self.defaults(observation, x, y, psf), [one.name for one in self.parameters]
        expected = f"component {self.name}: expected defaults that return priors of {', '.join(names)}"
        if not isinstance(found, Mapping):
            raise InputError(f"{expected}, found {shown(found)}")
        for name in found:
            if name not in names:
                raise InputError(f"{expected}, found {shown(name)}{did_you_mean(str(name), names)}")
        return {f"{self.prefix}{name}": prior for name, prior in found.items()}

    def light(self, *args: Any, **parameters: Any) -> Part:
        """Return the component's light: `light(pixels, optics, **parameters)`.

        Args:
            args: the `Pixels` that it falls on, and the `Optics`, the PSF with its width, that it is seen through.
            parameters: by the component's names; an optional one that the model lacks is not there.

        Returns:
            `Products`, a `Level`, or brightness in each pixel as an array of shape (ny, nx) [flux unit / pixel], all
            seen through the exposure; `Counts`, which are not; or None.
        """
        raise NotImplementedError


@cache
def _sites(prefix: str, parameters: tuple[Parameter, ...]) -> dict[str, Parameter]:
    """Name parameters for the model; once for each kind of component, as priors are made for every source."""
    named = (one._replace(name=f"{prefix}{one.name}") for one in parameters)
    return {one.name: one for one in named}
