"""calibrate(): simulate, infer, and see where the truth lies."""

import dataclasses
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..files import replacing
from ..identity import differences, identity, identity_of_model
from ..inference import StampPosterior
from ..inference.many import iter_posteriors
from ..inference.unconstrained import Data
from ..mock import simulate
from ..observation import Observation
from ..priors import Priors
from ..random import checked_seed, source_key
from .by_grid import grid_fits
from .ranks import Ranks, rank_names, ranks_of
from .verdict import add_tests

if TYPE_CHECKING:
    import xarray

METHODS = ("importance", "nuts", "grid", "auto")
_SAVED_EVERY = 250
_OWN = {"stamps", "priors_list", "method", "seed", "progress"}
"""What `calibrate` itself hands to an inference."""

Inference = Callable[[Iterable[Observation], Iterable[Priors]], Iterable[Any]]
"""Stamps and priors in; for each a DataTree or a `StampPosterior` out, in order."""


def calibrate(
    observation: Observation,
    priors: Priors,
    *,
    num_simulations: int = 1000,
    method: str = "importance",
    seed: int | None = 0,
    inference: Inference | None = None,
    resume: str | os.PathLike[str] | None = None,
    progress: bool = False,
    **options: Any,
) -> "xarray.Dataset":
    """Check the inference by simulation (simulation-based calibration, Talts et al. 2018).

    Parameters are drawn from the prior, a stamp is simulated from each over the observation's exposure map, and its
    posterior is computed. Over many simulations the truth's rank in the posterior is uniform if the posterior is right.

    Args:
        observation: gives the exposure map; its counts are not used.
        priors: that the parameters are drawn from, and that the inference uses.
        num_simulations: how many.
        method: "importance", "auto", "nuts", or "grid" for one or two free parameters.
        seed: a whole number; None draws one.
        inference: another inference to be checked instead: a function of stamps and priors that yields a posterior for
            each, in order: a DataTree with the group `posterior`, as of `fit` or ArviZ's `from_dict`, or a
            `StampPosterior`.
        resume: a file to which what is done is saved every 250 simulations; a run with the same settings, PSF, versions
            and precision goes on from there. It is deleted at the end.
        progress: whether to show a bar on stderr.
        options: of `fit_many`, such as `num_draws` or `num_samples`.

    Returns:
        For each free parameter, for the expected counts of the source in the stamp and for the log-likelihood
        (dimension `quantity`): `rank`, `truth`, `mean` and `sd` of each `simulation`; the p-values of the `test`s of
        uniformity; `location` and `dispersion`, mean and root mean square of the ranks' normal scores; `coverage` of
        the central intervals of each `level` with its binomial error; mean and deviation of the z-scores
        (mean - truth) / sd. `problem` tells which posteriors were not certified, `failed` which have none. Attributes:
        `calibrated`, and the `verdict` in words.

    Raises:
        InputError: an unknown method, or a file to resume from that has other settings; the message names them.
    """
    if method not in METHODS:
        raise InputError(f"method: expected {', '.join(METHODS)}, found {method!r}")
    if num_simulations < 20:
        raise InputError(f"num_simulations: expected at least 20, found {num_simulations}")
    _check_options(options, method, inference)
    priors.check_free()
    seed = checked_seed(seed)
    key = source_key(seed, f"calibration of {observation.name}")
    truth, counts = simulate(key, observation, priors, num_samples=num_simulations)
    settings = identity(
        **identity_of_model(observation, priors),
        method=method if inference is None else getattr(inference, "__name__", "own"),
        num_simulations=num_simulations,
        seed=seed,
        options=json.dumps(options, sort_keys=True, default=str),
    )
    store = _Store(resume, settings, rank_names(priors), num_simulations)

    def stamps(first: int) -> Iterator[Observation]:
        for number in range(first, num_simulations):
            yield dataclasses.replace(observation, counts=counts[number], name=f"simulation {number}")

    first = store.done
    if inference is None:
        inference = _inference(method, seed, options)
    posteriors = inference(stamps(first), (priors for _ in range(first, num_simulations)))
    from tqdm import tqdm

    bar = tqdm(
        posteriors, initial=first, total=num_simulations, unit="simulation", disable=not progress, file=sys.stderr
    )
    for inferred, stamp in zip(bar, stamps(first), strict=True):
        number = store.done
        true = {name: values[number] for name, values in truth.items()}
        known = isinstance(inferred, StampPosterior)
        posterior = inferred if known else StampPosterior.of_tree(inferred, stamp, priors)
        store.add(ranks_of(posterior, Data.of(stamp), true), posterior)
    found = add_tests(store.dataset())
    found.attrs |= settings
    store.close()
    return found


def _check_options(options: dict[str, Any], method: str, inference: Inference | None) -> None:
    """Refuse, before anything is simulated, options that nobody would take."""
    takes = grid_fits if method == "grid" else iter_posteriors
    known = set() if inference is not None else set(inspect.signature(takes).parameters) - _OWN
    if unknown := sorted(set(options) - known):
        expected = ", ".join(sorted(known)) or "none beside an inference of your own"
        raise InputError(f"options: expected {expected}; found {', '.join(unknown)}")


def _inference(method: str, seed: int, options: dict[str, Any]) -> Inference:
    if method == "grid":
        return lambda stamps, priors: grid_fits(stamps, priors, seed=seed, **options)
    if method == "nuts":
        options = {"num_chains": 2, "num_warmup": 500, "num_samples": 1000} | options
    return lambda stamps, priors: iter_posteriors(stamps, priors, method=method, seed=seed, **options)


class _Store:
    """What is done so far, in memory and, where a file is named, on disk."""

    def __init__(self, path: Any, settings: dict[str, Any], names: list[str], number: int) -> None:
        self.path = Path(path) if path is not None else None
        self.names, self.settings = names, json.dumps(settings, sort_keys=True)
        self.done = 0
        self.values = np.full((5, len(names), number), np.nan)
        self.problem, self.failed = np.zeros(number, bool), np.zeros(number, bool)
        if self.path is not None and self.path.exists():
            self._read(self.path)

    def _read(self, path: Path) -> None:
        try:
            with np.load(path) as saved:
                settings, done = str(saved["settings"]), int(saved["done"])
                values, problem, failed = saved["values"], saved["problem"], saved["failed"]
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{path}: expected an unfinished calibration, found none: {error}") from error
        if settings != self.settings:
            changed = "; ".join(differences(json.loads(settings), json.loads(self.settings)).values())
            raise InputError(f"{path}: expected an unfinished calibration with these settings, found {changed}")
        self.done, self.values, self.problem, self.failed = done, values, problem, failed

    def add(self, ranks: Ranks, posterior: StampPosterior) -> None:
        for row, values in enumerate((ranks.rank, ranks.truth, ranks.mean, ranks.sd)):
            self.values[row, :, self.done] = [values[name] for name in self.names]
        self.values[4, :, self.done] = ranks.resolution
        self.problem[self.done] = bool(posterior.problems)
        self.failed[self.done] = bool(np.isnan(self.values[0, :, self.done]).any())
        self.done += 1
        if self.path is not None and self.done % _SAVED_EVERY == 0:
            with replacing(self.path) as temporary, open(temporary, "wb") as stream:
                state: dict[str, Any] = {"settings": self.settings, "done": self.done, "values": self.values}
                state |= {"problem": self.problem, "failed": self.failed}
                np.savez(stream, **state)

    def dataset(self) -> "xarray.Dataset":
        import xarray

        rows = dict(zip(("rank", "truth", "mean", "sd"), self.values, strict=False))
        each = {name: (("quantity", "simulation"), values) for name, values in rows.items()}
        flags = {"problem": ("simulation", self.problem), "failed": ("simulation", self.failed)}
        resolution = {"resolution": ("simulation", self.values[4, 0])}
        return xarray.Dataset(each | flags | resolution, coords={"quantity": self.names})

    def close(self) -> None:
        if self.path is not None:
            self.path.unlink(missing_ok=True)
