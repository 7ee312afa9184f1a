"""Planning an observation: what of a source would be detected and measured, in which exposure."""

from .forecast import Forecast
from .places import Place, detector_places, field_places
from .plan import Plan, check_mocks, plan, plan_by_fisher, with_mocks
from .sky import sky_level

__all__ = [
    "Forecast",
    "Place",
    "Plan",
    "check_mocks",
    "detector_places",
    "field_places",
    "plan",
    "plan_by_fisher",
    "sky_level",
    "with_mocks",
]
