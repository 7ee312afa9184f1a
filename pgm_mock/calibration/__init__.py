"""Simulation-based calibration: whether the inference recovers what the model simulated."""

from .sbc import METHODS, calibrate

__all__ = ["METHODS", "calibrate"]
