"""A NumPyro model as a density over vectors."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from ..errors import InputError


class Target(NamedTuple):
    """The posterior of a NumPyro model over its unconstrained parameters, joined to a vector.

    Attributes:
        log_density: ln of prior times likelihood of a vector, shape (d,), with the Jacobian of the constraints.
        constrain: takes vectors of shape (n, d) and gives each site's values, shape (n, ...), by name; deterministic
            sites, too.
        start: the median of draws from the prior, shape (d,).
    """

    log_density: Callable[[Array], Array]
    constrain: Callable[[Float[np.ndarray, "n d"]], dict[str, np.ndarray]]
    start: Float[np.ndarray, " d"]


def numpyro_target(model: Callable[..., Any], *args: Any, key: Array | None = None, **kwargs: Any) -> Target:
    """Return the posterior of a NumPyro model with continuous parameters, as `sample` takes it.

    Args:
        model: the model.
        args, kwargs: its arguments, the data among them.
        key: of JAX, for the start; by default that of seed 0.

    Raises:
        InputError: a model without parameters.
    """
    from numpyro.infer import init_to_median
    from numpyro.infer.util import initialize_model

    key = jax.random.key(0) if key is None else key
    made = initialize_model(key, model, init_strategy=init_to_median, model_args=args, model_kwargs=kwargs)
    start, unravel = ravel_pytree(made.param_info.z)
    if not start.size:
        raise InputError("model: expected at least one parameter that is not observed, found none")
    constrain = jax.jit(jax.vmap(lambda vector: made.postprocess_fn(unravel(vector))))
    return Target(
        log_density=lambda vector: -made.potential_fn(unravel(vector)),
        constrain=lambda vectors: {name: np.asarray(each) for name, each in constrain(vectors).items()},
        start=np.asarray(start),
    )
