"""Sources from the image itself: the likelihood ratio of a point source at every pixel, and what follows from it."""

from .compare import compare
from .detect import Detection, check_search, cleaned, detect
from .outputs import write_detection, write_sensitivity
from .sensitivity import Sensitivity, sensitivity

__all__ = [
    "Detection",
    "Sensitivity",
    "check_search",
    "cleaned",
    "compare",
    "detect",
    "sensitivity",
    "write_detection",
    "write_sensitivity",
]
