"""What play shows, as one pure function of the parameters."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from ..expected import expected_counts
from ..inference.unconstrained import Data, log_likelihood_of
from ..mock import generate_mock_image
from ..observation import Observation
from ..priors import Priors
from ..psf import PSF, GaussianPSF
from ..scene import Scene


class View(NamedTuple):
    """The images of one setting of the parameters, each of shape (ny, nx) [count / pixel].

    Attributes:
        observed: the stamp's counts.
        expected: the model's expected counts.
        mock: counts drawn from them.
        difference: mock less observed.
        log_likelihood: ln p(observed | parameters), at the stamp's own exposure.
    """

    observed: Int[np.ndarray, "ny nx"]
    expected: Float[np.ndarray, "ny nx"]
    mock: Int[np.ndarray, "ny nx"]
    difference: Int[np.ndarray, "ny nx"]
    log_likelihood: float


class Slider(NamedTuple):
    """The range of one parameter.

    Attributes:
        name, label: of the parameter, or "exposure".
        low, high, start: in the parameter's own unit.
        logarithmic: whether it moves in equal factors.
        short: a few words in place of the label.
    """

    name: str
    label: str
    low: float
    high: float
    start: float
    logarithmic: bool
    short: str = "exposure"


def view(
    stamp: Observation,
    parameters: Mapping[str, Any],
    *,
    exposure_factor: float = 1.0,
    seed: int | None = 0,
    psf: PSF = GaussianPSF(),  # noqa: B008 (a constant without state)
    scene: Scene | None = None,
) -> View:
    """Compute what the parameters look like beside the observed stamp.

    Args:
        stamp: what was observed.
        parameters: a value of each parameter of the model, in the units of `Parameter`; arrays for the neighbours.
        exposure_factor: how much longer the mock is exposed than the stamp was.
        seed: of the mock's noise.
        psf: the family of the PSF.
        scene: the components; by default those whose parameters are given.

    Raises:
        InputError: a parameter that is missing or unknown, or a value that it cannot have.
    """
    values = Priors(psf, Scene() if scene is None else scene, **parameters)
    pixels = stamp.pixels.longer(exposure_factor)
    expected = np.asarray(expected_counts(*pixels[:4], psf=psf, scene=values.scene, **values))
    mock = generate_mock_image(*pixels[:3], values, priors=values, background_map=pixels.background_map, seed=seed)
    log_likelihood = float(_log_likelihood(values, Data.of(stamp)))
    return View(stamp.counts, expected, mock, mock - stamp.counts, log_likelihood)


@jax.jit
def _log_likelihood(values: Priors, data: Data) -> jax.Array:
    return log_likelihood_of({}, data, values)


def sliders(stamp: Observation, priors: Priors, start: Mapping[str, Any]) -> list[Slider]:
    """Return a slider for each parameter that is one number, wide enough for its prior, and one for the exposure."""
    made = []
    for name in priors.single:
        prior, site = priors[name], priors.parameters[name]
        if isinstance(prior, (int, float)):
            low, high = (0.5 * prior, 2.0 * prior) if prior > 0 else (prior - 1.0, prior + 1.0)
            if site.positive:
                low = max(low, 0.5 * ((site.above or 0.0) + prior))
        else:
            low, high = priors.quantiles(name, (0.002, 0.998), draws=4000)
        low, high = min(low, start[name]), max(high, start[name])
        logarithmic = site.positive and low > 0
        unit = {"flux": stamp.flux_unit, "flux / pixel": f"{stamp.flux_unit} / pixel"}.get(site.unit, site.unit)
        ends = float(low), float(high), start[name], logarithmic
        made.append(Slider(name, f"${site.symbol}$ [{unit}]", *ends, site.label or name.replace("_", " ")))
    return [*made, Slider("exposure", "exposure", 0.1, 10.0, 1.0, True)]
