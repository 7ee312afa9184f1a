"""Model criticism: whether the model describes an image."""

from .predictive import Check, check_draws, posterior_predictive_check
from .prior import PriorCheck, prior_predictive_check
from .statistics import STATISTICS

__all__ = ["STATISTICS", "Check", "PriorCheck", "check_draws", "posterior_predictive_check", "prior_predictive_check"]
