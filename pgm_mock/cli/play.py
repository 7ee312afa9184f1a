"""`pgm-mock play`."""

from argparse import Namespace

from ..errors import InputError
from ..observation import Observation
from ..psf import PSFS
from .common import position, read_observation, read_priors, report, start_jax

_DEMO_SOURCE = (271.0, 216.0)


def run(options: Namespace) -> int:
    """Open the window; what was set last is printed when it closes."""
    start_jax(options)
    import matplotlib
    import matplotlib.pyplot as plt

    from ..play import play_window

    stamp, x, y = _stamp(options)
    priors = read_priors(options, stamp, x, y)
    if matplotlib.get_backend().lower() == "agg":
        raise InputError("expected a screen for the window, found none (Matplotlib's back end is Agg)")
    window = play_window(stamp, priors, psf=PSFS[options.psf])
    plt.show()
    state = window.state
    report(
        options, [state.as_python()], {"parameters": state.parameters, "log_likelihood": state.view().log_likelihood}
    )
    return 0


def _stamp(options: Namespace) -> tuple[Observation, float, float]:
    """Return the stamp asked for, or one of the simulated field."""
    if options.image is None:
        from ..demo import demo_observation

        x, y = _DEMO_SOURCE if options.x is None and options.y is None else position(options)
        return demo_observation().stamp(x, y, options.half_size), x, y
    if options.exposure is None:
        raise InputError("expected IMAGE and EXPOSURE, or neither for the simulated field; found IMAGE alone")
    x, y = position(options)
    return read_observation(options).stamp(x, y, options.half_size), x, y
