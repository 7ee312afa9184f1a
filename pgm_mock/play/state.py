"""What the player has set: the same behind the window and the notebook's widget."""

from dataclasses import dataclass, field

from ..inference.best import best_fit
from ..observation import Observation
from ..priors import SITES, Priors
from ..psf import PSF
from .view import Slider, View, middle_of, sliders, view


@dataclass
class State:
    """The settings of the sliders and the seed of the noise.

    Attributes:
        stamp, priors, psf: what is played with.
        settings: value of each slider, by its name.
        seed: of the mock's noise.
    """

    stamp: Observation
    priors: Priors
    psf: PSF
    settings: dict[str, float] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        """Start in the middle of the priors."""
        self.settings = middle_of(self.priors) | {"exposure": 1.0} | self.settings

    @property
    def parameters(self) -> dict[str, float]:
        """The model's parameters, without the exposure."""
        return {name: self.settings[name] for name in SITES}

    def sliders(self) -> list[Slider]:
        """The sliders, in the order of the model's parameters, the exposure last."""
        return sliders(self.stamp, self.priors, self.parameters)

    def view(self) -> View:
        """What there is to see."""
        factor = self.settings["exposure"]
        return view(self.stamp, self.parameters, exposure_factor=factor, seed=self.seed, psf=self.psf)

    def new_noise(self) -> None:
        """Draw the mock's counts anew."""
        self.seed += 1

    def go_to_best_fit(self) -> None:
        """Move all parameters to the posterior's highest mode."""
        self.settings |= best_fit(self.stamp, self.priors, psf=self.psf)

    def as_python(self) -> str:
        """The parameters as a line of Python, to be copied."""
        return "pars = {" + ", ".join(f'"{name}": {value:.6g}' for name, value in self.parameters.items()) + "}"
