"""Distributions over the parameters of a scene: which are free, which depend on others, in what order they come."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import numpyro.distributions as dist

from .distributions import Conditional, Prior, describe_prior, one_shape, quantiles
from .errors import InputError, shown
from .psf import PSF
from .scene import SOURCE, Parameter, Scene
from .scene.parameter import check_distribution


class JointPrior(Mapping[str, Prior]):
    """A distribution, a fixed value, or a function of other parameters, for each parameter of a scene.

    Attributes:
        scene: whose parameters they are.
        psf: the family of the PSF that it is seen through.
    """

    scene: Scene
    psf: PSF
    _priors: dict[str, Prior]

    def __getitem__(self, name: str) -> Prior:
        return self._priors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._priors)

    def __len__(self) -> int:
        return len(self._priors)

    @property
    def parameters(self) -> dict[str, Parameter]:
        """The parameters that the model has, by name."""
        return {name: one for name, one in self.scene.parameters.items() if name in self._priors}

    @property
    def free(self) -> dict[str, dist.Distribution]:
        """The distributions of the parameters that are not fixed; one that depends on others as at their medians."""
        if not self.conditional:
            return {name: prior for name, prior in self._priors.items() if isinstance(prior, dist.Distribution)}
        return {name: prior for name in self if isinstance(prior := self._at_medians(name), dist.Distribution)}

    @property
    def conditional(self) -> dict[str, Conditional]:
        """The priors that depend on other parameters, each after those that it depends on."""
        found = {name: prior for name, prior in self._priors.items() if isinstance(prior, Conditional)}
        ordered: dict[str, Conditional] = {}
        while len(ordered) < len(found):
            ready = {
                n: p for n, p in found.items() if n not in ordered and not set(p.parents) & (set(found) - set(ordered))
            }
            unknown = [one for prior in found.values() for one in prior.parents if one not in self._priors]
            if not ready or unknown:
                wanted = "priors that depend on other parameters of the model, and not on each other"
                raise InputError(
                    f"priors: expected {wanted}, found {', '.join(f'{n} {p.describe()}' for n, p in found.items())}"
                )
            ordered |= ready
        return ordered

    @property
    def in_order(self) -> list[str]:
        """The parameters, those whose priors depend on others after them."""
        dependent = self.conditional
        return [*(name for name in self if name not in dependent), *dependent]

    @property
    def single(self) -> list[str]:
        """The parameters that are one number, not one for each source of a plate."""
        return [name for name, one in self.parameters.items() if not one.plural]

    def given(self, name: str, values: Mapping[str, Any]) -> Any:
        """Return a parameter's distribution, or fixed value; one that depends on others at their values."""
        prior = self._priors[name]
        return prior.given(values) if isinstance(prior, Conditional) else prior

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of one draw of a parameter: () or (m,) for a plate of m."""
        return one_shape(self._at_medians(name))

    def _at_medians(self, name: str) -> dist.Distribution | float | np.ndarray:
        """Return a prior, one that depends on others as at the medians of those."""
        prior = self._priors[name]
        if not isinstance(prior, Conditional):
            return prior
        return prior.given({parent: _median(self._at_medians(parent)) for parent in prior.parents})

    @property
    def dimension(self) -> int:
        """How many numbers are free: each neighbour counts."""
        return sum(math.prod(prior.batch_shape) for prior in self.free.values())

    def plates(self) -> list[tuple[str, int, list[str]]]:
        """The parameters in the order in which a model draws them: those of no plate, then each plate's.

        A prior that depends on other parameters stands after those.

        Returns:
            The plate's name, "" for none, how many there are in it, and the parameters.
        """
        plate_of = {
            name: component.name
            for component in self.scene.components
            for name, one in component.sites.items()
            if one.plural
        }
        found = []
        for plate in ("", *dict.fromkeys(plate_of.values())):
            if names := [name for name in self.in_order if plate_of.get(name, "") == plate]:
                number = math.prod(self.shape(names[0]))
                found.append((plate, number, names))
        return found

    @property
    def neighbours(self) -> int:
        """How many other sources the model has."""
        return sum(number for plate, number, _ in self.plates() if plate)

    def check_free(self) -> None:
        """Raise InputError where there is nothing to infer."""
        if not self.free:
            raise InputError("priors: expected at least one parameter with a distribution, found all fixed")

    def only_for_nuts(self) -> str:
        """Say why importance sampling and grids cannot take the model; "" where they can."""
        if names := ", ".join(self.conditional):
            return f"expected priors that do not depend on other parameters, found such of {names}"
        if all(component.name != SOURCE for component in self.scene.components):
            return f"expected a scene with a component named {SOURCE!r}, found {self.scene.describe()}"
        return ""

    def quantiles(self, name: str, probabilities: Sequence[float], draws: int = 20_000) -> np.ndarray:
        """Quantiles of one parameter's prior; a fixed value is all of them.

        Those of a normal or log-normal prior, or of one that knows its inverse distribution function, are exact; others
        come from draws that are always the same. Their shape is that of the probabilities, with a last axis of m for m
        neighbours. A prior that depends on other parameters is taken at their medians.
        """
        return quantiles(self._at_medians(name), probabilities, draws)

    def medians(self) -> dict[str, Any]:
        """The median of each prior, or the value that it is fixed to; arrays of shape (m,) for m neighbours."""
        return {name: self.quantiles(name, (0.5,))[0] for name in self}

    def describe(self) -> dict[str, str]:
        """Each prior in words that Python understands, such as "Normal(loc=271, scale=2)" or "1"."""
        return {name: describe_prior(prior) for name, prior in self._priors.items()}


def check_plates(priors: JointPrior) -> None:
    """Raise InputError where the parameters of a plate differ in their number, or a prior that depends is none."""
    for name in priors.conditional:
        found = priors._at_medians(name)
        if not isinstance(found, dist.Distribution):
            raise InputError(f"{name}: expected a function that returns a NumPyro distribution, found {shown(found)}")
        check_distribution(priors.parameters[name], found)
    for component in priors.scene.components:
        plural = [name for name, one in component.sites.items() if one.plural and name in priors]
        shapes = {name: priors.shape(name) for name in plural}
        if len(set(shapes.values())) > 1:
            raise InputError(f"priors: expected position and flux for as many neighbours each, found shapes {shapes}")


def _median(prior: Prior) -> Any:
    """Return the median of a prior, or a draw where it has no formula; while JAX traces, too."""
    if not isinstance(prior, dist.Distribution):
        return prior
    try:
        return prior.icdf(0.5)
    except NotImplementedError:
        return prior.sample(jax.random.key(0))
