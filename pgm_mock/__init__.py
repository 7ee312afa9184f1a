"""One probabilistic graphical model of an X-ray image: it draws itself, simulates mocks, and gives posteriors.

The public names below are imported when they are first used, so that `import pgm_mock` costs nothing.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .calibration import calibrate
    from .catalogue import Field, catalog
    from .checks import Check, PriorCheck, posterior_predictive_check, prior_predictive_check
    from .compilecache import keep_compiled
    from .demo import demo_observation, example_field
    from .detection import Detection, Sensitivity, detect, sensitivity
    from .errors import DataWarning, InputError
    from .expected import expected_counts
    from .field import FieldCheck, FieldPosterior, check_field, fit_field
    from .fieldmock import BetaModel, FieldSource, mock_field
    from .graph import ModelGraph, model_graph
    from .images import Images
    from .inference import (
        ImagesPriors,
        StampPosterior,
        best_fit,
        credible_interval,
        fit,
        fit_many,
        grid_posterior,
        hardness_ratio,
        hdi,
        iter_fits,
        marginal,
        mode,
    )
    from .mock import draw_parameters, generate_mock_image, prior_predictive
    from .mockheader import as_mock
    from .model import stamp_model
    from .observation import Observation
    from .planning import Plan, plan
    from .play import play_widget, play_window
    from .plot import compare_real_and_simulated
    from .population import Population, fit_population
    from .predictive import compute_log_likelihood, sample_posterior_predictive
    from .priors import Priors
    from .psf import PSF, GaussianPSF, ImagePSF, KingPSF, MoffatPSF, elongated, epic_psf, register_psf, telescope_psf
    from .regions import Region, read_regions
    from .scene import (
        BackgroundMap,
        Beta,
        Component,
        Counts,
        EllipticalBeta,
        Level,
        NumberCounts,
        Parameter,
        Particles,
        PointSource,
        PointSources,
        Products,
        Scene,
        Sky,
        register_component,
    )
    from .summary import FitSummary, summarise

_WHERE = {
    "BackgroundMap": "scene",
    "Beta": "scene",
    "Component": "scene",
    "Counts": "scene",
    "EllipticalBeta": "scene",
    "Level": "scene",
    "NumberCounts": "scene",
    "Parameter": "scene",
    "Particles": "scene",
    "PointSource": "scene",
    "PointSources": "scene",
    "Products": "scene",
    "Scene": "scene",
    "Sensitivity": "detection",
    "Sky": "scene",
    "register_component": "scene",
    "BetaModel": "fieldmock",
    "Check": "checks",
    "DataWarning": "errors",
    "Detection": "detection",
    "Field": "catalogue",
    "FieldCheck": "field",
    "FieldPosterior": "field",
    "check_field": "field",
    "FieldSource": "fieldmock",
    "FitSummary": "summary",
    "GaussianPSF": "psf",
    "ImagePSF": "psf",
    "Images": "images",
    "ImagesPriors": "inference",
    "InputError": "errors",
    "KingPSF": "psf",
    "ModelGraph": "graph",
    "MoffatPSF": "psf",
    "Observation": "observation",
    "PSF": "psf",
    "Plan": "planning",
    "Population": "population",
    "PriorCheck": "checks",
    "Priors": "priors",
    "Region": "regions",
    "StampPosterior": "inference",
    "as_mock": "mockheader",
    "best_fit": "inference",
    "calibrate": "calibration",
    "catalog": "catalogue",
    "compare_real_and_simulated": "plot",
    "compute_log_likelihood": "predictive",
    "credible_interval": "inference",
    "demo_observation": "demo",
    "elongated": "psf",
    "epic_psf": "psf",
    "telescope_psf": "psf",
    "example_field": "demo",
    "detect": "detection",
    "draw_parameters": "mock",
    "expected_counts": "expected",
    "fit": "inference",
    "fit_field": "field",
    "fit_many": "inference",
    "fit_population": "population",
    "generate_mock_image": "mock",
    "grid_posterior": "inference",
    "hardness_ratio": "inference",
    "hdi": "inference",
    "iter_fits": "inference",
    "keep_compiled": "compilecache",
    "marginal": "inference",
    "mock_field": "fieldmock",
    "mode": "inference",
    "model_graph": "graph",
    "plan": "planning",
    "play_widget": "play",
    "play_window": "play",
    "posterior_predictive_check": "checks",
    "prior_predictive": "mock",
    "prior_predictive_check": "checks",
    "read_regions": "regions",
    "register_psf": "psf",
    "sample_posterior_predictive": "predictive",
    "sensitivity": "detection",
    "stamp_model": "model",
    "summarise": "summary",
}

__all__ = [
    "PSF",
    "BackgroundMap",
    "Beta",
    "BetaModel",
    "Check",
    "Component",
    "Counts",
    "DataWarning",
    "Detection",
    "EllipticalBeta",
    "Field",
    "FieldCheck",
    "FieldPosterior",
    "FieldSource",
    "FitSummary",
    "GaussianPSF",
    "ImagePSF",
    "Images",
    "ImagesPriors",
    "InputError",
    "KingPSF",
    "Level",
    "ModelGraph",
    "MoffatPSF",
    "NumberCounts",
    "Observation",
    "Parameter",
    "Particles",
    "Plan",
    "PointSource",
    "PointSources",
    "Population",
    "PriorCheck",
    "Priors",
    "Products",
    "Region",
    "Scene",
    "Sensitivity",
    "Sky",
    "StampPosterior",
    "as_mock",
    "best_fit",
    "calibrate",
    "catalog",
    "check_field",
    "compare_real_and_simulated",
    "compute_log_likelihood",
    "credible_interval",
    "demo_observation",
    "detect",
    "draw_parameters",
    "elongated",
    "epic_psf",
    "example_field",
    "expected_counts",
    "fit",
    "fit_field",
    "fit_many",
    "fit_population",
    "generate_mock_image",
    "grid_posterior",
    "hardness_ratio",
    "hdi",
    "iter_fits",
    "keep_compiled",
    "marginal",
    "mock_field",
    "mode",
    "model_graph",
    "plan",
    "play_widget",
    "play_window",
    "posterior_predictive_check",
    "prior_predictive",
    "prior_predictive_check",
    "read_regions",
    "register_component",
    "register_psf",
    "sample_posterior_predictive",
    "sensitivity",
    "stamp_model",
    "summarise",
    "telescope_psf",
]


_PARTS = {"course", "detection", "field", "matching", "plot", "power", "psf", "sampler", "scene"}
"""What is looked up by its own name, as `pgm_mock.plot`, and loaded then."""


def _make_numpyro_whole() -> None:
    """Load NumPyro where ArviZ has put off doing so, and give its distributions their parts.

    ArviZ leaves a module in NumPyro's place that loads when it is first looked at. `import numpyro.distributions` does
    that in the middle of its own import, runs twice, and its second copy lacks what `numpyro.factor` asks it for.
    """
    package = getattr(sys.modules.get("numpyro"), "distributions", None)
    if package is None or hasattr(package, "distribution"):  # not loaded, loading in another thread, or whole
        return
    for name, part in list(sys.modules.items()):
        parent, _, child = name.rpartition(".")
        if parent == package.__name__ and not hasattr(package, child):
            setattr(package, child, part)


_make_numpyro_whole()


def __getattr__(name: str) -> object:
    if name in _PARTS:
        return import_module(f".{name}", __name__)
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _make_numpyro_whole()
    return getattr(import_module(f".{_WHERE[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
