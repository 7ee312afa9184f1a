"""Fit stamps that hold several sources with one, and compare with the reference posteriors of tests/reference/modes.py;
writes MODES.md beside this file.

    python tests/reference/modes.py --n 300 --out modes.npz && python -m tests.benchmarks.modes modes.npz

A posterior is wrong where it is certified, without a problem, while the share of one of the reference's regions of
positions is off by more than 0.1, a mean by more than a quarter of the reference's standard deviation, a standard
deviation by more than 20 %, or ln Z by more than 0.1; each beyond four standard errors of Monte Carlo, too. What is not
certified goes on to NUTS; it is counted apart.
"""

import argparse
import collections
import json
import sys
import time
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np
import numpyro.distributions as dist

from pgm_mock import Observation, Priors
from pgm_mock.inference.many import iter_posteriors
from pgm_mock.inference.posterior import StampPosterior

SITES = ("x_pos", "y_pos", "flux", "background", "psf_width")
MARGIN, BIN = 4, 0.5  # of the reference's map of positions
SHARE, MEAN, SD, LOG_EVIDENCE = 0.1, 0.25, 0.2, 0.1
ERRORS = 4.0


def default_priors(stamp: Observation) -> Priors:
    """Return the reference's priors: positions normal, without bounds."""
    typical = float(np.median(stamp.exposure[stamp.exposure > 0]))
    x, y = stamp.centre
    return Priors(
        x_pos=dist.Normal(x, 2.0),
        y_pos=dist.Normal(y, 2.0),
        flux=dist.LogNormal(np.log(30.0 / typical), 2.0),
        background=dist.LogNormal(np.log(0.1 / typical), 1.5),
        psf_width=dist.LogNormal(np.log(1.5), 0.5),
    )


def weighted_draws(found: StampPosterior) -> tuple[np.ndarray, np.ndarray]:
    """Return draws of (x, y, ln F, ln b, ln width), shape (n, 5), with weights of sum 1: importance draws if any."""
    groups = found.weighted or found.draws
    theta = np.stack([np.ravel(groups[name]) for name in SITES], axis=1)
    with np.errstate(divide="ignore"):
        theta[:, 2:] = np.log(theta[:, 2:])
    weights = np.exp(np.ravel(found.weighted["log_weight"])) if found.weighted else np.ones(len(theta))
    kept = (weights > 0) & np.isfinite(theta).all(axis=1)
    return theta[kept], weights[kept] / weights[kept].sum()


def shares(theta: np.ndarray, weights: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Share of the draws in each of the reference's regions; what lies off its map is in the last place."""
    column, row = (np.floor((theta[:, axis] - 0.5 + MARGIN) / BIN).astype(int) for axis in (0, 1))
    inside = (column >= 0) & (row >= 0) & (column < labels.shape[1]) & (row < labels.shape[0])
    label = np.where(inside, labels[np.where(inside, row, 0), np.where(inside, column, 0)], labels.max() + 1)
    return np.bincount(label, weights, labels.max() + 2)


def deviations(found: StampPosterior, reference: dict) -> list[str]:
    """Say in words how a posterior differs from the reference by more than it may."""
    theta, weights = weighted_draws(found)
    n, ess = len(weights), 1.0 / np.sum(weights**2)
    said = []

    def compare(what: str, off: float, bound: float, error: float) -> None:
        if not abs(off) <= max(bound, ERRORS * error):
            said.append(f"{what} {off:+.2f} (± {error:.2f})")

    here = shares(theta, weights, np.array(reference["labels"]))
    for number, (x, y, share) in enumerate(reference["summits"]):
        error = np.sqrt(max(share * (1 - share), 1e-9) * (1 / ess + 1 / reference["ess"]))
        compare(f"share {share:.2f} at ({x:.0f}, {y:.0f})", here[number] - share, SHARE, error)
    mean = weights @ theta
    square = (theta - mean) ** 2
    sd = np.sqrt(weights @ square)
    kurtosis = weights @ square**2 / sd**4
    for axis, name in enumerate(SITES):
        spread = reference["sd"][axis]
        compare(f"mean of {name} [sd]", (mean[axis] - reference["mean"][axis]) / spread, MEAN, 1 / np.sqrt(ess))
        error = 0.5 * np.sqrt(max(kurtosis[axis] - 1, 0.5) / ess)
        compare(f"sd of {name}", sd[axis] / spread - 1, SD, error)
    if "log_evidence" in found.numbers:
        error = np.hypot(np.sqrt(max(1 / ess - 1 / n, 0.0)), reference["ln_evidence_se"])
        compare("ln Z", found.numbers["log_evidence"] - reference["ln_evidence"], LOG_EVIDENCE, error)
    return said


def main() -> None:
    """Fit them all and print how many posteriors are wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stored", help="the references, as tests/reference/modes.py wrote them")
    parser.add_argument("--method", default="auto", help="of fit_many")
    parser.add_argument("--most", type=int, default=None, help="only the first of the mocks")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "MODES.md")
    options = parser.parse_args()
    with np.load(options.stored, allow_pickle=False) as stored:
        references = json.loads(str(stored["rows"]))[: options.most]
    stamps = [
        Observation(np.array(one["counts"]), np.array(one["exposure"]), name=f"{one['kind']} {number}")
        for number, one in enumerate(references)
    ]
    start = time.perf_counter()
    priors = [default_priors(stamp) for stamp in stamps]
    progress = sys.stderr.isatty()
    found = list(iter_posteriors(stamps, priors, method=options.method, seed=options.seed, progress=progress))
    seconds = time.perf_counter() - start
    table: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    listed = []
    for stamp, posterior, reference in zip(stamps, found, references, strict=True):
        said = deviations(posterior, reference) if posterior.method != "failed" else ["failed"]
        verdict = ("wrong" if said else "fine") if not posterior.problems else "not certified"
        if len(posterior.tried) > 1:
            table[reference["kind"]]["more than one attempt"] += 1
        if verdict == "not certified" and said:
            table[reference["kind"]]["of these off"] += 1
        table[reference["kind"]][verdict] += 1
        if said:
            listed.append(f"- {verdict}: {stamp.name} ({reference['said']}), {posterior.tried[-1]}: {'; '.join(said)}")
    columns = ("wrong", "fine", "not certified", "of these off", "more than one attempt")
    lines = ["# Stamps with several sources, fitted with one", ""]
    lines += [f"{len(stamps)} stamps in {seconds:.0f} s, compiling included; seed {options.seed}.", ""]
    lines += [f"| kind | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    whole = sum(table.values(), collections.Counter())
    for kind, counted in [*table.items(), ("all", whole)]:
        lines.append(f"| {kind} | {' | '.join(str(counted[column]) for column in columns)} |")
    text = "\n".join([*lines, *(["", *listed] if listed else [])])
    print(text)
    options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
