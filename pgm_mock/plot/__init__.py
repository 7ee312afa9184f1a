"""Pictures of observations, mocks and posteriors. Each function returns a Matplotlib figure and saves nothing."""

from .calibration import plot_calibration
from .check import plot_check
from .corner import plot_corner
from .detection import plot_detection
from .fieldposterior import plot_field_posterior
from .grid import plot_grid
from .images import (
    compare_real_and_simulated,
    plot_exposure,
    plot_field,
    plot_posterior_image,
    plot_prior_predictive,
    plot_stamp,
)
from .plan import plot_plan
from .sensitivity import plot_sensitivity
from .story import plot_story
from .together import plot_images

__all__ = [
    "compare_real_and_simulated",
    "plot_calibration",
    "plot_check",
    "plot_corner",
    "plot_detection",
    "plot_exposure",
    "plot_field",
    "plot_field_posterior",
    "plot_grid",
    "plot_images",
    "plot_plan",
    "plot_posterior_image",
    "plot_prior_predictive",
    "plot_sensitivity",
    "plot_stamp",
    "plot_story",
]
