"""Adaptive importance sampling with a certificate, of any density over vectors.

It knows nothing of astronomy: `sample` takes ln of a density and where to start, and any NumPyro model can be one
(`numpyro_target`). The posteriors of stamps are made from the same parts, with starts and a defence of their own.
"""

from .numpyro import Target, numpyro_target
from .run import Defence, Draws, Info, certified, draw_rounds, sample

__all__ = ["Defence", "Draws", "Info", "Target", "certified", "draw_rounds", "numpyro_target", "sample"]
