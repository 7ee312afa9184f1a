"""The posterior of a stamp's parameters, one file for each method."""

from .fit import METHODS, fit

__all__ = ["METHODS", "fit"]
