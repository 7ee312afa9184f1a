"""Model criticism: whether the model describes an image."""

from .predictive import Check, posterior_predictive_check
from .prior import PriorCheck, prior_predictive_check
from .statistics import STATISTICS

__all__ = ["STATISTICS", "Check", "PriorCheck", "posterior_predictive_check", "prior_predictive_check"]
