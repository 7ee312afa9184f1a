"""The course's helpers: its files, the truth of the simulated sky, and checkers that say what is wrong with an answer.

A checker prints one line where the answer is right, and raises `WrongAnswer` where it is not. It compares with a second
computation in NumPy and SciPy (reference.py), never with the package's own model.
"""

from .answers import WrongAnswer
from .data import Files, data_files, truth
from .graphs import check_factors, check_graph
from .grids import (
    check_compare,
    check_cost,
    check_hdi,
    check_log_posterior,
    check_posterior,
    check_posterior_2d,
)
from .images import check_opened, check_ramps, check_regions, check_stamps, check_stretch, describe_source
from .likelihood import check_log_likelihood
from .mocks import check_draws, check_expected_image, check_mocks, check_model, check_my_pars
from .pictures import show
from .samplers import (
    check_effective_draws,
    check_flagged,
    check_holds,
    check_lazy,
    check_metropolis,
    check_p_value,
    check_rank,
)

__all__ = [
    "Files",
    "WrongAnswer",
    "check_compare",
    "check_cost",
    "check_draws",
    "check_effective_draws",
    "check_expected_image",
    "check_factors",
    "check_flagged",
    "check_graph",
    "check_hdi",
    "check_holds",
    "check_lazy",
    "check_log_likelihood",
    "check_log_posterior",
    "check_metropolis",
    "check_mocks",
    "check_model",
    "check_my_pars",
    "check_opened",
    "check_p_value",
    "check_posterior",
    "check_posterior_2d",
    "check_ramps",
    "check_rank",
    "check_regions",
    "check_stamps",
    "check_stretch",
    "data_files",
    "describe_source",
    "show",
    "truth",
]
