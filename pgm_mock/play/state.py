"""What the player has set: the same behind the window and the notebook's widget."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..inference.best import best_fit
from ..observation import Observation
from ..priors import Priors
from .view import Slider, View, sliders, view


@dataclass
class State:
    """The settings of the sliders and the seed of the noise.

    Attributes:
        stamp, priors: what is played with.
        settings: value of each slider, by its name.
        arrays: the parameters of several sources, such as neighbours, which have no sliders: the medians of their
            priors, until the best fit is asked for; empty where the model has none.
        seed: of the mock's noise.
    """

    stamp: Observation
    priors: Priors
    settings: dict[str, float] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        """Start in the middle of the priors."""
        own, self.arrays = self._apart(self.priors.medians() | self.arrays)
        self.settings = own | {"exposure": 1.0} | self.settings

    @property
    def parameters(self) -> dict[str, Any]:
        """The model's parameters, all that the priors have, without the exposure; arrays for several sources."""
        return {name: (self.arrays if name in self.arrays else self.settings)[name] for name in self.priors}

    def sliders(self) -> list[Slider]:
        """The sliders, in the order of the model's parameters, the exposure last."""
        return sliders(self.stamp, self.priors, self.parameters)

    def view(self) -> View:
        """What there is to see."""
        factor = self.settings["exposure"]
        psf, scene = self.priors.psf, self.priors.scene
        return view(self.stamp, self.parameters, exposure_factor=factor, seed=self.seed, psf=psf, scene=scene)

    def new_noise(self) -> None:
        """Draw the mock's counts anew."""
        self.seed += 1

    def go_to_best_fit(self) -> None:
        """Move all parameters to the posterior's highest mode."""
        own, self.arrays = self._apart(best_fit(self.stamp, self.priors))
        self.settings |= own

    def as_python(self) -> str:
        """The parameters as a line of Python, to be copied."""
        return "pars = {" + ", ".join(f'"{name}": {_write(value)}' for name, value in self.parameters.items()) + "}"

    def _apart(self, parameters: dict[str, Any]) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Split parameters into those that are one number, and arrays."""
        single = self.priors.single
        own = {name: float(parameters[name]) for name in single}
        return own, {name: np.asarray(value) for name, value in parameters.items() if name not in single}


def _write(value: Any) -> str:
    return f"[{', '.join(map(_write, value))}]" if np.ndim(value) else f"{value:.6g}"
