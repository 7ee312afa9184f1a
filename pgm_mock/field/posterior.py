"""The posterior of a whole field, and what it comes to: parameters, sources, images."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from ..detection.fieldpsf import FieldPSF
from ..expected import expected_counts
from ..inference.unconstrained import Data, log_likelihood_of
from ..observation import Observation
from ..priors import Priors
from ..psf import PSF, EachPSF, LearntPSF, describe_psf
from ..region import Region
from ..results import data_tree
from ..scene import EllipticalBeta, Scene
from .chains import Chains
from .density import unconstrained
from .gibbs import Field

if TYPE_CHECKING:
    import xarray

LEVELS = (0.16, 0.5, 0.84)
"""Of the quantiles that are told of a parameter."""
_CHECKED = 20
"""Draws for which the sum over nodes is compared with that over all pixels."""
IMAGES = 60
"""Draws whose expected images are averaged."""


@dataclass(frozen=True, eq=False)
class FieldPosterior:
    """What `fit_field` found.

    Attributes:
        observation: the field, with the map of particles that was used.
        priors: the scene, the PSF of each source, and the priors.
        regions: of the sources, in the order of the plate.
        field_psf: the PSF all over the image, as it is without the field's own.
        model: what the chains worked on.
        chains: the draws and their diagnostics.
        seed: of the random numbers.
        psf_name: of the PSF that was asked for.
    """

    observation: Observation
    priors: Priors = field(repr=False)
    regions: tuple[Region, ...] = field(repr=False)
    field_psf: FieldPSF = field(repr=False)
    model: Field = field(repr=False)
    chains: Chains = field(repr=False)
    seed: int
    psf_name: str = "auto"

    @property
    def plate(self) -> str:
        """The name of the component of the point sources, which is the beginning of their parameters."""
        return self.model.blocks.plate

    @cached_property
    def flat(self) -> dict[str, np.ndarray]:
        """All draws of each parameter, shape (n,), or (n, m) for m sources; fixed ones are repeated."""
        drawn = {name: each.reshape(-1, *each.shape[2:]) for name, each in self.chains.draws.items()}
        number = len(next(iter(drawn.values())))
        fixed = {name: np.asarray(value, float) for name, value in self.priors.items() if name not in drawn}
        return drawn | {name: np.broadcast_to(value, (number, *value.shape)) for name, value in fixed.items()}

    def some(self, number: int) -> list[dict[str, Any]]:
        """Return draws that lie evenly among all, each with all parameters."""
        chosen = np.linspace(0, len(next(iter(self.flat.values()))) - 1, number).astype(int)
        return [{name: jnp.asarray(each[one]) for name, each in self.flat.items()} for one in chosen]

    def image(self, parameters: dict[str, Any], scene: Scene | None = None) -> np.ndarray:
        """Return the expected counts of one draw, of the whole scene or of a part of it, shape (ny, nx)."""
        return expected_image(
            self.priors.scene if scene is None else scene, self.observation, self.priors.psf, parameters
        )

    @cached_property
    def expected(self) -> np.ndarray:
        """The posterior mean of the expected counts, shape (ny, nx) [count / pixel]."""
        found = np.zeros(self.observation.shape)
        for draw in self.some(IMAGES):
            found += self.image(draw) / IMAGES
        return found

    @property
    def residual(self) -> np.ndarray:
        """Counts less the posterior mean of the expected ones, shape (ny, nx) [count / pixel]."""
        return self.observation.counts - self.expected

    @cached_property
    def sum_error(self) -> float:
        """The largest difference over draws of ln likelihood as computed and that of every pixel, constants apart."""
        data, found = Data.of(self.observation), []
        for draw in self.some(_CHECKED):
            exact = float(_exact(draw, data, self.priors))
            found.append(float(_fast(self.model, draw)) - exact)
        return float(np.ptp(found))

    @cached_property
    def tree(self) -> "xarray.DataTree":
        """The posterior with ArviZ's groups, units, coordinates, and provenance.

        Beside what a stamp's has, its attributes hold the diagnostics: r_hat, ess_bulk, ess_tail, divergences, and
        `problems`, which is empty where all is well.
        """
        chains = self.chains
        attributes: dict[str, Any] = {"method": "gibbs", "problems": "; ".join(chains.problems), "seed": self.seed}
        attributes |= {
            name: getattr(chains, name) for name in ("r_hat", "ess_bulk", "ess_tail", "slowest", "divergences")
        }
        attributes["psf"] = describe_psf(self.priors.psf)
        groups = {"posterior": chains.draws, "sample_stats": chains.statistics}
        tree = data_tree(groups, self.observation, self.priors, conditioned=True, attrs=attributes)
        names = np.array([one.name for one in self.regions])
        return tree.map_over_datasets(
            lambda each: each.assign_coords({self.plate: names}) if self.plate in each.dims else each
        )

    def quantiles(self, name: str) -> np.ndarray:
        """Return the 16, 50 and 84 % quantiles of a parameter, shape (3,) or (3, m)."""
        return np.quantile(self.flat[name], LEVELS, axis=0)

    def counts_of_sources(self) -> np.ndarray:
        """Return the 16, 50 and 84 % quantiles of each source's counts on exposed pixels, shape (3, m)."""
        drawn = self.some(IMAGES)
        totals = np.stack([np.asarray(_totals(self.model, draw)) for draw in drawn])
        # The light in the tile hardly changes from draw to draw: its mean serves for the quantiles of all.
        share = totals.mean(axis=0)
        return np.quantile(self.flat[f"{self.plate}_flux"] * share, LEVELS, axis=0)

    def diagnostics_of_sources(self) -> tuple[np.ndarray, np.ndarray]:
        """Return of each source the largest split R-hat and the least ESS of x, y and flux, shape (m,)."""
        from arviz import ess, rhat

        drawn = self.tree["posterior"].to_dataset()[[f"{self.plate}_{name}" for name in ("x", "y", "flux")]]
        with np.errstate(invalid="ignore", divide="ignore"):
            r_hat, effective = (np.stack([each.values for each in of(drawn).data_vars.values()]) for of in (rhat, ess))
        return r_hat.max(axis=0), effective.min(axis=0)

    @property
    def psf(self) -> EachPSF:
        """The PSF of each source before the field taught it."""
        return self.priors.psf  # type: ignore[return-value]

    @property
    def clusters(self) -> list[str]:
        """What the names of each cluster's parameters begin with."""
        return [one.prefix for one in self.priors.scene.components if isinstance(one, EllipticalBeta)]

    def learnt(self) -> LearntPSF:
        """Return what the field says of its PSF, as `catalog` takes it."""
        stretch, shift = self.changes_of_psf()
        numbers = np.median(stretch), np.log(stretch).std(), np.median(shift)
        return LearntPSF(self.psf_name, *map(float, numbers))

    def changes_of_psf(self) -> tuple[np.ndarray, np.ndarray]:
        """Return draws of the width over that of the PSF before, and of what is added to its slope, shape (n,)."""
        stretch = self.flat["psf_width"] / float(self.psf.typical_width)
        slope = self.flat.get("psf_slope")
        return stretch, np.zeros_like(stretch) if slope is None else slope - float(self.psf.slope)

    def line(self) -> str:
        """Say in one line what was fitted and whether the chains can be trusted."""
        chains = self.chains
        many = f"{len(self.regions)} sources, {self.priors.dimension} parameters"
        state = f"R-hat {chains.r_hat:.3f}, least ESS {min(chains.ess_bulk, chains.ess_tail):.0f} ({chains.slowest})"
        verdict = "; ".join(chains.problems) or "converged"
        return f"{many}: {verdict}; {state}, {chains.divergences} divergences"


def expected_image(scene: Scene, observation: Observation, psf: PSF, values: dict[str, Any]) -> np.ndarray:
    """Return the expected counts of a scene all over a field, shape (ny, nx)."""
    there = {name: value for name, value in values.items() if name in scene.parameters or name.startswith("psf_")}
    return np.asarray(expected_counts(*observation.image, psf=psf, scene=scene, **there))


@jax.jit
def _exact(parameters: dict[str, Any], data: Data, priors: Priors) -> Any:
    return log_likelihood_of(parameters, data, priors)


@jax.jit
def _totals(field: Field, parameters: dict[str, Any]) -> Any:
    """Return each source's counts at flux 1 on the exposed pixels of its tile."""
    x, y, _ = field.blocks.sources(parameters)
    return field.shapes(parameters, jnp.stack([x, y, jnp.zeros_like(x)], axis=1))[1]


@jax.jit
def _fast(field: Field, parameters: dict[str, Any]) -> Any:
    """Return ln likelihood as the chains compute it."""
    blocks = field.blocks
    x, y, flux = blocks.sources(parameters)
    at = jnp.stack([x, y, jnp.log(flux)], axis=1)
    psf = unconstrained(parameters, blocks.psf, field.priors, {})
    shared = unconstrained(parameters, blocks.shared, field.priors, field.scales)
    state = field.state(at, psf, shared)
    mean, total = state.smooth + state.far + state.light, state.smooth_total + state.sources_total
    return field.target.log_likelihood(mean, total)
