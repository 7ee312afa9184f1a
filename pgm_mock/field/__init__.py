"""A whole field as one model: sources in a plate, clusters, sky, particles, and the PSF, by blocked Gibbs sampling."""

from .check import FieldCheck, check_field
from .fit import fit_field
from .outputs import write_field
from .posterior import FieldPosterior

__all__ = ["FieldCheck", "FieldPosterior", "check_field", "fit_field", "write_field"]
