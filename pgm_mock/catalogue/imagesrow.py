"""A row of a catalogue whose fields have several images: one position, and a rate in each image and each band."""

import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from ..checks import Check, check_draws
from ..checks.flags import METHOD, MODEL, NO_FIT, PLACE
from ..distributions import position_prior
from ..errors import InputError
from ..images import Images
from ..inference.doubts import outside_circle
from ..inference.methods import Plan
from ..inference.together import ImagesPosterior, bands_of, fit_images, hardness_ratio
from ..inference.together.fit import band_label
from ..inference.together.posterior import EAST, NORTH, on_sky
from ..mock import mean_expected
from ..scene import Parameter
from ..scene.pointsource import REACH
from ..skystamps import SkyImage
from .measure import Measured, interval
from .sources import Source
from .table import Column, with_errors
from .together import Together

_GAP = 2


def measured_together(
    source: Source, row: dict[str, Any], plan: Plan, num_replicates: int, significance: float
) -> Measured:
    """Fit, check and tabulate a source of several images; one that cannot be fitted gets a row that says why."""
    together = source.together
    if together is None:
        raise TypeError("expected a source of several images, found one image")
    try:
        found = fit_images(together.stamps, together.priors, plan)
    except InputError as error:
        nothing = _mosaic(together, {})
        return Measured(row | {"FLAG": NO_FIT, "MEANING": str(error), "METHOD": "none"}, {}, nothing)
    drawn = {name: values.reshape(-1, *values.shape[2:]) for name, values in found.draws.items()}
    row |= _place(together, drawn) | _rates(together, found, drawn) | _hardness(found, drawn) | _quality(found)
    per_image = ImagesPosterior.of_each(found.stamps, found.priors.each, found.draws)
    checks: dict[str, Check] = {}
    means = {}
    best = int(np.argmax(found.statistics["lp"]))
    for image, own, parameters in zip(found.stamps.images, found.priors.each, per_image, strict=True):
        means[image.name] = mean_expected(image.observation, parameters, own.psf, own.scene)
        if not num_replicates:
            continue
        place: dict[str, Any] = {axis: own[axis] for axis in ("x_pos", "y_pos")}
        checks[image.name] = check_draws(
            image.observation,
            parameters,
            best,
            own.replace(**{axis: position_prior(value, REACH) for axis, value in place.items()}),
            num_replicates=num_replicates,
            significance=significance / len(per_image),
            seed=plan.seed,
            plain=False,
        )
    if checks:
        row["P_VALUE"] = min(1.0, len(checks) * min(check.p_value for check in checks.values()))
    flag, said = 0, []
    outside = outside_circle(drawn[EAST], drawn[NORTH], (0.0, 0.0), together.radius)
    if outside:
        flag, said = flag | PLACE, [outside]
    for name, check in checks.items():
        if check.flagged:
            flag, said = flag | MODEL, [*said, *(f"{name}: {sentence}" for sentence in check.sentences)]
    if found.problems:
        flag, said = flag | METHOD, [*said, *found.problems]
    row |= {"FLAG": flag, "MEANING": "; ".join(said)}
    kept = {name: drawn[name] for name in (EAST, NORTH)} | {
        f"{kind}_{name}": drawn[kind][:, number]
        for kind in ("flux", "background")
        for number, name in enumerate(found.stamps.names)
    }
    return Measured(row, {name: values.astype(np.float32) for name, values in kept.items()}, _mosaic(together, means))


def columns_of_images(images: Images) -> list[Column]:
    """Return the columns of each image, of each band, and of the hardness ratios."""
    flux, found = "phot.flux;em.X-ray", []
    several = {label: f"all cameras in {_in_words(label)}" for label in _several(images)}
    for label, called in ({image.name: image.name for image in images} | several).items():
        said = f"posterior median: FLUX in {called}"
        if label in several:
            said += "; each camera's is >= 0, so that without a signal their sum is not 0: see its limit"
        found += with_errors(f"FLUX_{label}", "flux", said, flux)
        limit = f"95 % upper limit of a source at the position asked for in {called}"
        limit += ", of those that see it" if label in several else ", flat prior on FLUX >= 0"
        found.append(Column(f"FLUX_UL95_{label}", "flux", limit, f"{flux};stat.max"))
        if label not in several:
            said = f"ln likelihood ratio of the best FLUX in {called} and none, at the place that all images give"
            found.append(Column(f"LN_RATIO_{label}", "", said, "stat.likelihood;arith.ratio"))
    for name, meaning in _ratios(images).items():
        found += with_errors(name, "", f"posterior median: {meaning}", "phot.color;em.X-ray")
    for image in images:
        found += with_errors(
            f"BKG_{image.name}", "flux / pix", f"background, or norm of its map, in {image.name}", "instr.background"
        )
    return [
        *found,
        Column("N_IMAGES", "", "number of images that see the place", "meta.number", int),
        Column("RA_ASKED", "deg", "right ascension (ICRS) that was asked for", "pos.eq.ra"),
        Column("DEC_ASKED", "deg", "declination (ICRS) that was asked for", "pos.eq.dec"),
        Column(
            "LN_BAYES_VARIABLE",
            "",
            "ln of the Bayes factor of unlike fluxes in the epochs against one flux",
            "stat.likelihood;arith.ratio;src.var",
        ),
    ]


def parameters_of_images(images: Images) -> dict[str, Parameter]:
    """Return what posteriors.nc holds of each image."""
    found = {axis: Parameter(axis, axis, "arcsec", False, f"{axis} of the place asked for") for axis in (EAST, NORTH)}
    for image in images:
        name = image.name
        found[f"flux_{name}"] = Parameter(f"flux_{name}", "F", "flux", True, f"flux in {name}")
        found[f"background_{name}"] = Parameter(
            f"background_{name}", "b", "flux / pixel", True, f"background in {name}"
        )
    return found


def _several(images: Iterable[SkyImage]) -> list[str]:
    """The bands that more than one camera has."""
    cameras: dict[str, set[str]] = {}
    for image in images:
        cameras.setdefault(band_label(image.band), set()).add(image.camera or image.name)
    return [label for label, found in cameras.items() if len(found) > 1]


def _pairs(images: Iterable[SkyImage]) -> dict[str, list[tuple[str, str]]]:
    """Neighbouring bands, from soft to hard, of each camera, and under "" of those that all have."""
    bands: dict[str, dict[tuple[float, float], str]] = {}
    for image in images:
        if image.band is not None:
            bands.setdefault(image.camera or image.name, {}).setdefault(image.band, band_label(image.band))
    found = {camera: [own[band] for band in sorted(own)] for camera, own in bands.items()}
    common = [one for one in next(iter(found.values()), []) if all(one in each for each in found.values())]
    return {camera: list(pairwise(each)) for camera, each in {**found, "": common}.items() if len(each) > 1}


def _ratios(images: Iterable[SkyImage]) -> dict[str, str]:
    """The hardness ratios, as columns, with what they mean."""
    found = {}
    for camera, pairs in _pairs(images).items():
        for number, (soft, hard) in enumerate(pairs, 1):
            where = f" of {camera}" if camera else ", of the cameras' sums"
            name = _ratio_name(camera, number, len(pairs))
            found[name] = f"hardness ratio (h - s) / (h + s) of {_in_words(hard)} and {_in_words(soft)}{where}"
    return found


def _ratio_name(camera: str, number: int, of: int) -> str:
    word = "".join(letter if letter.isalnum() else "_" for letter in camera)
    return f"HR{number if of > 1 else ''}{'_' if word else ''}{word}"


def _in_words(label: str) -> str:
    if label == "all":
        return "all images"
    return " to ".join(f"{float(energy) / 1000:g}" for energy in label.split("_")) + " keV"


def _place(together: Together, drawn: Mapping[str, np.ndarray]) -> dict[str, float]:
    """RA, DEC with errors on the sky, and the pixel of the field's first image."""
    east, north = drawn[EAST], drawn[NORTH]
    middle = np.median(east), np.median(north)
    ra, dec = on_sky(together.stamps.ra, together.stamps.dec, *map(np.asarray, middle))
    found = {"RA": float(ra), "DEC": float(dec), "RADEC_ERR": float(np.hypot(np.std(east), np.std(north)))}
    for name, values, centre in (("RA", east, middle[0]), ("DEC", north, middle[1])):
        low, high = np.quantile(values, (0.16, 0.84)) - centre
        found |= {f"{name}_LOWERR": float(-low), f"{name}_UPERR": float(high)}
    pixels = together.first + np.stack([east, north], axis=1) @ together.matrix.T
    return found | interval("X_IMA", pixels[:, 0]) | interval("Y_IMA", pixels[:, 1])


def _rates(together: Together, found: ImagesPosterior, drawn: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Say FLUX, BKG, FLUX_UL95, LN_RATIO of each image; FLUX and its limit of each band that several cameras have."""
    row: dict[str, float] = {"N_IMAGES": len(found.stamps), "RA_ASKED": found.stamps.ra, "DEC_ASKED": found.stamps.dec}
    for number, name in enumerate(found.stamps.names):
        row |= interval(f"FLUX_{name}", drawn["flux"][:, number]) | interval(
            f"BKG_{name}", drawn["background"][:, number]
        )
    for label, group in bands_of(found.stamps.images).items():
        if set(together.bands[label]) <= set(found.stamps.names):  # a sum of some cameras is not what the column says
            row |= interval(f"FLUX_{label}", drawn["flux"][:, group].sum(axis=1))
    labels = [*found.stamps.names, *bands_of(found.stamps.images)]
    for key, column in (("flux_ul95", "FLUX_UL95"), ("ln_ratio", "LN_RATIO")):
        own = {f"{column}_{name}": found.numbers.get(f"{key}_{name}") for name in labels}
        row |= {name: value for name, value in own.items() if value is not None}
    return row


def _hardness(found: ImagesPosterior, drawn: Mapping[str, np.ndarray]) -> dict[str, float]:
    row: dict[str, float] = {}
    bands = bands_of(found.stamps.images)
    for camera, pairs in _pairs(found.stamps.images).items():
        for number, pair in enumerate(pairs, 1):
            sides = []
            for label in pair:
                own = [
                    n for n in bands[label] if camera in ("", found.stamps.images[n].camera or found.stamps.names[n])
                ]
                sides.append(drawn["flux"][:, own].sum(axis=1))
            row |= interval(_ratio_name(camera, number, len(pairs)), hardness_ratio(*sides))
    return row


def _quality(found: ImagesPosterior) -> dict[str, Any]:
    names = {"ln_bayes_factor": "LN_BAYES", "ln_bayes_variable": "LN_BAYES_VARIABLE", "khat": "KHAT", "ess": "ESS"}
    return {"METHOD": found.method} | {
        column: float(found.numbers[name]) for name, column in names.items() if name in found.numbers
    }


def _mosaic(together: Together, means: Mapping[str, np.ndarray]) -> np.ndarray:
    """Put counts, expected counts and exposure of all images side by side, those that see nothing empty.

    They stand in rows, as many in each as there are rows or one more, the first at the lower left.
    """
    seen = {image.name: image.observation for image in together.stamps.images}
    height, width = (max(together.shapes[name][axis] for name in together.names) + _GAP for axis in (0, 1))
    columns = math.ceil(math.sqrt(len(together.names)))
    rows = -(-len(together.names) // columns)
    whole = np.zeros((3, rows * height - _GAP, columns * width - _GAP), np.float32)
    for number, name in enumerate(together.names):
        if name in seen:
            (ny, nx), row, column = seen[name].shape, *divmod(number, columns)
            mean = means.get(name, np.full((ny, nx), np.nan))
            place = slice(row * height, row * height + ny), slice(column * width, column * width + nx)
            whole[:, *place] = np.stack([seen[name].counts, mean, seen[name].exposure])
    return whole
