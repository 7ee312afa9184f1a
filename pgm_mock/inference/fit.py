"""fit(): the posterior of one stamp."""

from typing import TYPE_CHECKING

from ..errors import InputError
from ..observation import Observation
from ..priorbounds import check_against
from ..priors import Priors
from ..skystamps import SkyStamps
from .falsealarm import programs_for, with_false_alarm
from .methods import fit_one, make_plan
from .program import begun
from .together import ImagesPriors, fit_images

if TYPE_CHECKING:
    import xarray


def fit(
    observation: Observation | SkyStamps,
    priors: Priors | ImagesPriors,
    *,
    method: str = "auto",
    num_draws: int = 9000,
    min_ess: float = 1000.0,
    num_chains: int = 4,
    num_warmup: int = 1000,
    num_samples: int = 1000,
    false_alarm: bool = False,
    seed: int | None = 0,
) -> "xarray.DataTree":
    """Compute the posterior of the model's parameters, given the counts of a stamp.

    Args:
        observation: the stamp; or stamps of several images about one place (`Images.stamps`), fitted together.
        priors: the priors, and the PSF; at least one parameter is free. `ImagesPriors` of several images.
        method: "auto", adaptive importance sampling, where k-hat > 0.7 or the effective sample size is below `min_ess`
            with more draws, and then by NUTS; "importance", the same without NUTS; "nuts", the No-U-Turn sampler.
        num_draws: weighted draws of importance sampling, rounded up to a multiple of four; several images take a
            quarter of them, as four in five of theirs count.
        min_ess: effective sample size that they must have.
        num_chains, num_samples: shape of the equal-weight draws.
        num_warmup: of the No-U-Turn sampler, for each chain.
        false_alarm: whether to simulate how likely an empty place gives so large a detection likelihood (some 0.3 s);
            it is then the attribute `p_false`.
        seed: a whole number; the key also depends on the stamp's name, not on anything else. None draws one.

    Returns:
        An ArviZ DataTree, of the kind that `fit_many` gives. Groups `posterior` (chain, draw), `sample_stats`,
        `observed_data` (counts), `constant_data` (exposure; the priors, the stamp's name and its origin as attributes),
        and `importance_samples` with `log_weight`; `sample_posterior_predictive` and `compute_log_likelihood` add
        theirs. Attributes of the tree: method, what was tried, problems, PSF, seed, versions; from importance sampling
        `khat`, `ess`, `log_evidence`, `ln_bayes_factor` against no source, `det_like`, `flux_ul95` and
        `flux_detectable`. The attribute `problems` says what is wrong with the computation, `notes` what to doubt in
        the result.

    Raises:
        InputError: an unknown method, no free parameter, priors that have nothing to do with the image, a number of
            chains or draws that is too small, or no exposure where the source is asked for.
    """
    numbers = {"num_chains": num_chains, "num_warmup": num_warmup, "num_samples": num_samples}
    if isinstance(observation, SkyStamps) or not isinstance(priors, Priors):
        if not (isinstance(observation, SkyStamps) and isinstance(priors, ImagesPriors)):
            raise InputError("fit: expected a stamp and Priors, or Images.stamps() and ImagesPriors; found one of each")
        return fit_images(
            observation, priors, make_plan(method, max(num_draws // 4, 500), min_ess, seed, **numbers)
        ).tree()
    check_against(observation, priors)
    plan = make_plan(method, num_draws, min_ess, seed, **numbers)
    if not false_alarm:
        return fit_one(observation, priors, plan).tree()
    with begun(*programs_for(observation, priors, plan)):
        return with_false_alarm(fit_one(observation, priors, plan), plan).tree()
