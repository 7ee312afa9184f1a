"""What the package keeps compiled, and what it lets go of."""

import jax
import jax.numpy as jnp
import numpy as np

from pgm_mock import expected_counts
from pgm_mock.inference import program


def test_forgetting_leaves_the_users_own_programs_alone():
    """Oracle: how often JAX traces a function of the user's, and one of the package's."""
    traces = []

    @jax.jit
    def mine(x):
        traces.append(x)
        return jnp.sin(x)

    exposure, x, y = np.ones((3, 3)), np.arange(3.0)[None], np.arange(3.0)[:, None]
    theirs = {"x_pos": 1.0, "y_pos": 1.0, "flux": 1.0, "background": 0.0, "psf_width": 1.0}
    for _ in range(2):
        mine(1.0)
        expected_counts(exposure, x, y, **theirs)
        assert expected_counts._cache_size() > 0
        program.forget()
        assert expected_counts._cache_size() == 0
    assert len(traces) == 1
