"""`pgm-mock play`."""

from argparse import Namespace

import numpy as np

from ..errors import InputError
from .common import progress, read_priors, report, start_jax
from .place import demo_or_stamp


def run(options: Namespace) -> int:
    """Open the window; what was set last is printed when it closes."""
    start_jax(options)
    import matplotlib
    import matplotlib.pyplot as plt

    from ..play import play_window

    stamp, x, y = demo_or_stamp(options)
    priors, line = read_priors(options, stamp, x, y)
    if matplotlib.get_backend().lower() == "agg":
        raise InputError("expected a screen for the window, found none (Matplotlib's back end is Agg)")
    progress(line)
    window = play_window(stamp, priors)
    plt.show()
    state = window.state
    parameters = {name: np.asarray(value).tolist() for name, value in state.parameters.items()}
    report(options, [state.as_python()], {"parameters": parameters, "log_likelihood": state.view().log_likelihood})
    return 0
