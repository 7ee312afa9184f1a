"""Odd options, paths, priors and region files, each by a name."""

import os
from collections.abc import Callable
from pathlib import Path

LIES = "x\npgm-mock info: all is well\nwarning: none\x1b[2J"
"""A name that forges lines and clears the terminal."""
LONG = "a" * 100_000
DEEP = 100_000
AT = ("--x", "5", "--y", "5", "--half-size", "4")

NUMBERS = (
    "nan",
    "inf",
    "-inf",
    "1e400",
    "1e300",
    "-1e300",
    "0x10",
    "",
    " ",
    "five",
    "5,5",
    "٥",
    LIES,
    "9" * 5000,
)
WHOLE = ("-1", "1.5", "1e3", "nan", "", "9" * 30, "9" * 5000, "-" + "9" * 30, "five", LIES)
SETTINGS = (
    "", "=", "flux", "flux=", "=1", "flux=one", "flux=nan", "flux=inf", "flux=-1", "flux=1e300", 
    "flux=1=2", "nothing=1", "x_pos=nan", "x_pos=1e300", "x_pos=-1e6", "psf_width=0", "psf_width=-1", "psf_width=1e300",
    "psf_width=1e-320", "background=1e300", "background=-1", f"flux={'9' * 5000}", f"{LIES}=1", f"flux={LIES}",
    f"{LONG}=1",
)  # fmt: skip
AXES = (
    "", "flux", "flux=", "flux=1", "flux=1:2", "flux=1:2:3:4", "flux=1:2:1", "flux=1:2:0", "flux=1:2:-5", "flux=2:1:5",
    "flux=1:1:5", "flux=nan:1:5", "flux=0:nan:5", "flux=0:inf:5", "flux=-inf:inf:5", "flux=-1:1:5", "flux=a:b:c",
    "flux=0:1:1e3", "flux=0:1:1000000000000", f"flux=0:1:{'9' * 5000}", "nothing=0:1:5", "psf_width=0:1:5",
    f"{LIES}=0:1:5", f"flux={LIES}", f"flux=0:{LONG}:5", "=0:1:5", "flux=1e300:1e301:5",
)  # fmt: skip
UNITS = (
    "", " ", "kg", "ms)", "s s", "s**1e308", "(s**1e308)**1e308", "s**99999999999999999999", "(" * 2000, "s*" * 2000, "1/0", "0 s",
    "1e400 s", "s**nan", "s^(1/0)", "☃", LIES, LONG, "fits:s",
)  # fmt: skip
EXTENDED = (
    "",
    "1",
    "1,2,3",
    "1,2,3,4,5,6",
    "a,b,c,d,e",
    "nan,1,1,1,1",
    "5,5,-1,1,1",
    "5,5,1,0,1",
    "5,5,1,1,0.5",
    "5,5,inf,1,1",
    LIES,
)


def options() -> dict[str, tuple[str, ...]]:
    """Sets of options; IMAGE and EXPOSURE stand for good files, OUT for a place to write to."""
    pair = ("IMAGE", "EXPOSURE")
    mock, grid = ("mock", *pair, "--n", "1", "--out", "OUT"), ("grid", *pair, *AT, "--out", "OUT")
    rest = ("--set", "x_pos=5", "--set", "y_pos=5", "--set", "background=1e-5", "--set", "psf_width=1")
    sets: dict[str, tuple[str, ...]] = {}
    for number in NUMBERS:
        sets[f"--x {number[:20]!r}"] = ("mock", *pair, f"--x={number}", "--y=5", "--n=1", "--out=OUT", "--half-size=4")
    for number in WHOLE:
        sets[f"--half-size {number[:20]!r}"] = (*mock, "--x=5", "--y=5", f"--half-size={number}")
        sets[f"--n {number[:20]!r}"] = ("mock", *pair, *AT, f"--n={number}", "--out=OUT")
        sets[f"--seed {number[:20]!r}"] = (*mock, *AT, f"--seed={number}")
    for setting in SETTINGS:
        sets[f"--set {setting[:20]!r}"] = (*mock, *AT, f"--set={setting}")
    for axis in AXES:
        sets[f"--axis {axis[:24]!r}"] = (*grid, *rest, f"--axis={axis}")
    for unit in UNITS:
        sets[f"--exposure-unit {unit[:20]!r}"] = ("info", *pair, f"--exposure-unit={unit}")
    for beta in EXTENDED:
        sets[f"--extended {beta[:20]!r}"] = (*mock, "--catalog=TABLE", "--background=1e-5", f"--extended={beta}")
    for number in NUMBERS:
        sky = ("mock", *pair, "--n=1", "--out=OUT", "--half-size=4")
        sets[f"--ra {number[:20]!r}"] = (*sky, f"--ra={number}", "--dec=2.5")
        sets[f"--dec {number[:20]!r}"] = (*sky, "--ra=10:00:00", f"--dec={number}")
        sets[f"--min-exposure {number[:20]!r}"] = ("info", *pair, f"--min-exposure={number}")
        sets[f"--psf-sampling {number[:20]!r}"] = (*mock, *AT, "--psf=IMAGE", f"--psf-sampling={number}")
    for plane in ("0,0", "0,-1", "0,2", "0,999999999", f"0,{'9' * 5000}", "0,1,1", ",1", "0,", "0,nan", "9" * 5000):
        sets[f"plane {plane[:20]!r}"] = ("info", f"IMAGE[{plane}]", "EXPOSURE")
        sets[f"a PSF's plane {plane[:20]!r}"] = (*mock, *AT, f"--psf=IMAGE[{plane}]")
    sets |= {
        "nothing": (),
        "a command almost": ("inf",),
        "an option almost": ("info", *pair, f"--exposure-unitt={LIES}"),
        "neighbours that are none": ("fit", *pair, *AT, f"--neighbours={LIES}"),
        "a place twice": (*mock, *AT, "--ra=1", "--dec=1"),
        "half a place": ("mock", *pair, "--ra=1"),
        "an unknown command": ("nonsense",),
        "a command of two lines": (LIES,),
        "a long command": (LONG,),
        "an unknown option": ("info", *pair, f"--{LONG}"),
        "an unknown option of two lines": ("info", *pair, f"--{LIES}"),
        "ten thousand options": ("info", *pair, *["--nonsense"] * 10_000),
        "an argument too many": ("info", *pair, LIES),
        "an argument too few": ("info", "IMAGE"),
        "a method that is none": ("fit", *pair, *AT, f"--method={LIES}"),
        "a PSF that is none": (*mock, *AT, f"--psf={LIES}"),
        "a PSF of a long name": (*mock, *AT, f"--psf={LONG}"),
        "a PSF with a bracket": (*mock, *AT, "--psf=[0]"),
        "the axis twice": (*grid, *rest, "--axis=flux=0.1:1:3", "--axis=x_pos=4:6:3", "--axis=nothing=1:2:3"),
        "regions and a position": ("fit", *pair, *AT, "--regions=IMAGE", "--out=OUT"),
        "no position": mock,
        "no regions": ("catalog", *pair, "--out=OUT"),
        "regions without an exposure": ("catalog", "IMAGE", "--regions=IMAGE", "--out=OUT"),
        "a catalogue of an image": ("catalog", "IMAGE", "--out=OUT"),
        "a background of nan": (*mock, "--catalog=TABLE", "--background=nan"),
        "a background of 1e300": (*mock, "--catalog=TABLE", "--background=1e300"),
        "a negative background": (*mock, "--catalog=TABLE", "--background=-1"),
    }
    return sets


def _loop(folder: Path) -> str:
    os.symlink(folder / "loop", folder / "loop")
    return str(folder / "loop")


def _dangling(folder: Path) -> str:
    os.symlink(folder / "nowhere", folder / "dangling")
    return str(folder / "dangling")


def _cycle(folder: Path) -> str:
    os.symlink(folder, folder / "again")
    return str(folder.joinpath(*["again"] * 60, "x"))


PATHS: dict[str, Callable[[Path], str]] = {
    "empty": lambda folder: "",
    "a point": lambda folder: ".",
    "a folder": str,
    "not there": lambda folder: str(folder / "none"),
    "in a folder that is not there": lambda folder: str(folder / "none" / "x"),
    "below a file": lambda folder: str(folder / "image.fits" / "x"),
    "a long name": lambda folder: str(folder / ("a" * 300)),
    "a long path": lambda folder: str(folder) + "/aaaaaaaaa" * 500,
    "a very long path": lambda folder: "/a" * 500_000,
    "NUL": lambda folder: str(folder / "a\0b"),
    "NUL first": lambda folder: "\0",
    "a name of lines": lambda folder: str(folder / LIES.replace("/", "")),
    "a name of high letters": lambda folder: str(folder / "é☃\u202e"),
    "a name that is no text": lambda folder: str(folder / "\udcff\udcfe"),
    "a loop": _loop,
    "a dangling link": _dangling,
    "a folder in itself": _cycle,
    "no data": lambda folder: "/dev/null",
    "zeros for ever": lambda folder: "/dev/zero",
    "a device's folder": lambda folder: "/dev",
    "an HDU that is not there": lambda folder: str(folder / "image.fits[NONE]"),
    "an HDU of 99": lambda folder: str(folder / "image.fits[99]"),
    "an HDU of 5,000 digits": lambda folder: f"{folder}/image.fits[{'9' * 5000}]",
    "an HDU of Arabic digits": lambda folder: f"{folder}/image.fits[٩²]",
    "an HDU of lines": lambda folder: f"{folder}/image.fits[{LIES}]",
    "brackets for ever": lambda folder: "[" * 50_000,
}
USES: dict[str, tuple[str, ...]] = {
    "image": ("info", "PATH", "EXPOSURE"),
    "priors": ("mock", "IMAGE", "EXPOSURE", *AT, "--n", "1", "--out", "OUT", "--priors", "PATH"),
    "regions": ("catalog", "IMAGE", "EXPOSURE", "--out", "OUT", "--regions", "PATH"),
    "survey": ("catalog", "PATH", "--out", "OUT"),
    "PSF": ("mock", "IMAGE", "EXPOSURE", *AT, "--n", "1", "--out", "OUT", "--psf", "PATH"),
    "fits": ("check", "PATH"),
    "table": ("mock", "IMAGE", "EXPOSURE", "--n", "1", "--out", "OUT", "--catalog", "PATH"),
}
"""What a path is given as, and a command that reads it before anything is computed."""


def _prior(name: str, family: str, **arguments: object) -> str:
    return f'[{name}]\ndist = "{family}"\n' + "".join(f"{key} = {value}\n" for key, value in arguments.items())


def _value(name: str, value: object) -> str:
    return f"[{name}]\nvalue = {value}\n"


def priors() -> dict[str, str | bytes]:
    """Priors files that cannot be used."""
    digits = "9" * 5000
    files: dict[str, str | bytes] = {
        "no TOML": "flux ~ Normal(1, 2)",
        "lines": LIES,
        "a picture": b"\x89PNG\r\n\x1a\n\xff\xfe",
        "UTF-16": '[flux]\ndist = "Normal"'.encode("utf-16"),
        "NUL": "\0" * 1000,
        "deep arrays": f"flux = {'[' * DEEP}{']' * DEEP}",
        "deep arrays that are not closed": f"flux = {'[' * DEEP}",
        "deep tables": f"flux = {'{a=' * DEEP}1{'}' * DEEP}",
        "nine hundred arrays": f"flux = {'[' * 900}{']' * 900}",
        "a hundred arrays": f"flux = {'[' * 100}{']' * 100}",
        "a hundred tables": f"flux = {'{a=' * 100}1{'}' * 100}",
        "a deep key": f"{'a.' * 2000}a = 1",
        "a very deep key": f"{'a.' * 50_000}a = 1",
        "a deep table's name": f"[{'flux.' * 50_000}a]",
        "many deep keys": "".join(f"{'a.' * 400}a{number} = 1\n" for number in range(1000)),
        "a long name": f"[{LONG}]\nvalue = 1",
        "a long key": f"[flux]\n{LONG} = 1",
        "a long text": f'[flux]\ndist = "{LONG}"',
        "a name of lines": f"[{LIES!r}]\nvalue = 1".replace("'", '"').replace("\\x1b", "\\u001b"),
        "a distribution of lines": f'[flux]\ndist = "{LIES.encode("unicode_escape").decode()}"'.replace(
            "\\x1b", "\\u001b"
        ),
        "a key of lines": f'[flux]\n"{LIES.encode("unicode_escape").decode()}" = 1'.replace("\\x1b", "\\u001b"),
        "10 MB of tables": "".join(f"[t{number}]\nvalue = 1\n" for number in range(500_000)),
        "10 MB of a comment": "#" + "x" * 10_000_000,
        "a number of 5,000 digits": _value("flux", digits),
        "5,000 hexadecimal digits": _value("flux", "0x" + "f" * 5000),
        "a float of 5,000 digits": _value("flux", digits + ".0"),
        "5,000 digits for loc": _prior("flux", "LogNormal", loc=digits, scale=1),
        "5,000 hexadecimal digits for loc": _prior("flux", "LogNormal", loc="0x" + "f" * 5000, scale=1),
        "a date": _value("flux", "2020-01-01"),
        "an array of numbers": _value("flux", "[1, 2]"),
        "an empty table": "[flux]",
        "a table of tables": "[[flux]]\nvalue = 1",
        "twice": "[flux]\nvalue = 1\n[flux]\nvalue = 2",
        "a number as dist": "[flux]\ndist = 5",
        "an array as dist": "[flux]\ndist = [1]",
        "a method as dist": '[flux]\ndist = "__class__"',
        "a module as dist": '[flux]\ndist = "constraints"',
        "a centre that is none": _value("x_pos", '"center+1e"'),
        "a centre of signs": _value("x_pos", '"center+-+-1"'),
        "a centre far away": _value("x_pos", '"center+1e300"'),
        "a centre of spaces": _value("x_pos", f'"{" " * 50_000}center{" " * 50_000}x"'),
        "a flux at the centre": _value("flux", '"center"'),
        "neighbours": _value("neighbour_x", 5),
        "half an extended source": _prior("extended_x", "Normal", loc=5, scale=1),
    }
    for name, values in {
        "x_pos": ("nan", "inf", "1e300", "-1e300", "1e6", "-500"),
        "flux": ("nan", "inf", "-1", "1e300", "1e20"),
        "background": ("nan", "-1e-9", "1e300", "1e15"),
        "psf_width": ("nan", "0", "-1", "1e300", "1e-320", "1e9"),
    }.items():
        files |= {f"{name} = {value}": _value(name, value) for value in values}
    for number, (name, family, arguments) in enumerate(_distributions()):
        said = ", ".join(f"{key}={str(value)[:12]}" for key, value in arguments.items())
        files[f"{number} {name} ~ {family}({said})"] = _prior(name, family, **arguments)
    return files


def _distributions() -> list[tuple[str, str, dict[str, object]]]:
    """Distributions that cannot be priors of this model on an image of 9 x 9 pixels of some thousand seconds."""
    listed: list[tuple[str, str, dict[str, object]]] = [
        ("x_pos", "VonMises", {"loc": 0, "concentration": 1}),
        ("x_pos", "VonMises", {"loc": 5, "concentration": 100}),
        ("x_pos", "Normal", {"loc": 5, "scale": 1e6}),
        ("x_pos", "Normal", {"loc": 5, "scale": 1e300}),
        ("x_pos", "Normal", {"loc": 5, "scale": 1e-320}),
        ("x_pos", "Normal", {"loc": 5, "scale": 1e-30}),
        ("x_pos", "Normal", {"loc": 500, "scale": 1}),
        ("x_pos", "Normal", {"loc": 1e300, "scale": 1}),
        ("x_pos", "Normal", {"loc": "nan", "scale": 1}),
        ("x_pos", "Normal", {"loc": "inf", "scale": 1}),
        ("x_pos", "Normal", {"loc": 5, "scale": "nan"}),
        ("x_pos", "Normal", {"loc": 5, "scale": "inf"}),
        ("x_pos", "Normal", {"loc": 5, "scale": 0}),
        ("x_pos", "Normal", {"loc": 5, "scale": -1}),
        ("x_pos", "Normal", {"loc": "true"}),
        ("x_pos", "Normal", {"loc": "[5, 6]"}),
        ("x_pos", "Normal", {"validate_args": "true"}),
        ("x_pos", "Cauchy", {"loc": 5, "scale": 1e300}),
        ("x_pos", "Cauchy", {"loc": 5e6, "scale": 1}),
        ("x_pos", "StudentT", {"df": 1e-300, "loc": 5, "scale": 1}),
        ("x_pos", "StudentT", {"df": 1, "loc": 5, "scale": 1e10}),
        ("x_pos", "Laplace", {"loc": -1e5, "scale": 1}),
        ("x_pos", "Logistic", {"loc": 5, "scale": 1e200}),
        ("x_pos", "Gumbel", {"loc": 5, "scale": 1e20}),
        ("x_pos", "Uniform", {"low": 5, "high": "inf"}),
        ("x_pos", "Uniform", {"low": "-inf", "high": "inf"}),
        ("x_pos", "Uniform", {"low": "nan", "high": 5}),
        ("x_pos", "Uniform", {"low": 9, "high": 1}),
        ("x_pos", "Uniform", {"low": 5, "high": 5}),
        ("x_pos", "Uniform", {"low": -1e9, "high": 1e9}),
        ("x_pos", "Uniform", {"low": 100, "high": 200}),
        ("x_pos", "Uniform", {"low": -1.7e308, "high": 1.7e308}),
        ("x_pos", "TruncatedNormal", {"loc": 5, "scale": 1, "low": 50, "high": 60}),
        ("x_pos", "TruncatedNormal", {"loc": 5, "scale": 1, "low": 9, "high": 1}),
        ("x_pos", "TruncatedNormal", {"loc": 5, "scale": 1, "low": "nan"}),
        ("x_pos", "TruncatedNormal", {"loc": 5, "scale": 1e-300, "low": 6}),
        ("x_pos", "Exponential", {"rate": 1e-9}),
        ("x_pos", "HalfNormal", {"scale": 1e9}),
        ("x_pos", "LogNormal", {"loc": 300, "scale": 1}),
        ("x_pos", "LogNormal", {"loc": 800, "scale": 1}),
        ("x_pos", "Pareto", {"scale": 1000, "alpha": 1}),
        ("x_pos", "Beta", {"concentration1": 1e-300, "concentration0": 1e-300}),
        ("y_pos", "Normal", {"loc": -1e4, "scale": 10}),
        ("flux", "Normal", {"loc": 1, "scale": 0.1}),
        ("flux", "LogNormal", {"loc": -6, "scale": 1e300}),
        ("flux", "LogNormal", {"loc": -6, "scale": 1e-320}),
        ("flux", "LogNormal", {"loc": -6, "scale": 1e-30}),
        ("flux", "LogNormal", {"loc": -6, "scale": 1000}),
        ("flux", "LogNormal", {"loc": 1e300, "scale": 1}),
        ("flux", "LogNormal", {"loc": -1e300, "scale": 1}),
        ("flux", "LogNormal", {"loc": 100, "scale": 1}),
        ("flux", "LogNormal", {"loc": -100, "scale": 1}),
        ("flux", "LogNormal", {"loc": 800, "scale": 1}),
        ("flux", "LogNormal", {"loc": "nan", "scale": 1}),
        ("flux", "LogNormal", {"location": 1}),
        ("flux", "LogNormal", {"loc": 1, "scale": 1, "size": 3}),
        ("flux", "LogUniform", {"low": 0, "high": 1}),
        ("flux", "LogUniform", {"low": 1e-300, "high": 1e300}),
        ("flux", "LogUniform", {"low": 1, "high": "inf"}),
        ("flux", "LogUniform", {"low": -1, "high": 1}),
        ("flux", "Uniform", {"low": 0, "high": "inf"}),
        ("flux", "Uniform", {"low": 0, "high": 1e300}),
        ("flux", "Uniform", {"low": 0, "high": 1e-300}),
        ("flux", "Uniform", {"low": 0, "high": 1e-320}),
        ("flux", "Uniform", {"low": -1, "high": 1}),
        ("flux", "Gamma", {"concentration": 1e-300, "rate": 1}),
        ("flux", "Gamma", {"concentration": 1e300, "rate": 1}),
        ("flux", "Gamma", {"concentration": 1, "rate": 1e-300}),
        ("flux", "Gamma", {"concentration": 1, "rate": 1e300}),
        ("flux", "Gamma", {"concentration": 1, "rate": "inf"}),
        ("flux", "Gamma", {"concentration": 0, "rate": 1}),
        ("flux", "Gamma", {"concentration": -1, "rate": 1}),
        ("flux", "InverseGamma", {"concentration": 1e-300, "rate": 1}),
        ("flux", "HalfCauchy", {"scale": 1e300}),
        ("flux", "HalfCauchy", {"scale": 1e-320}),
        ("flux", "HalfNormal", {"scale": "inf"}),
        ("flux", "Exponential", {"rate": 1e-300}),
        ("flux", "Exponential", {"rate": 1e300}),
        ("flux", "Exponential", {"rate": 0}),
        ("flux", "Exponential", {"rate": "nan"}),
        ("flux", "Weibull", {"scale": 1, "concentration": 1e-300}),
        ("flux", "Pareto", {"scale": 1e-3, "alpha": 1e-300}),
        ("flux", "Pareto", {"scale": 1e300, "alpha": 1}),
        ("flux", "Chi2", {"df": 1e300}),
        ("flux", "Beta", {"concentration1": 1e300, "concentration0": 1e-300}),
        ("flux", "Kumaraswamy", {"concentration1": 1e-300, "concentration0": 1}),
        ("flux", "Poisson", {"rate": 3}),
        ("flux", "Bernoulli", {"probs": 0.5}),
        ("flux", "Binomial", {"total_count": 5, "probs": 0.5}),
        ("flux", "Geometric", {"probs": 0.5}),
        ("flux", "DiscreteUniform", {"low": 0, "high": 5}),
        ("flux", "NegativeBinomial", {"total_count": 5, "probs": 0.5}),
        ("flux", "ZeroInflatedPoisson", {"gate": 0.5, "rate": 1}),
        ("flux", "HurdleGamma", {"gate": 0.5, "concentration": 1, "rate": 1}),
        ("flux", "Categorical", {"probs": 0.5}),
        ("flux", "Dirichlet", {"concentration": 1}),
        ("flux", "Delta", {"v": 1}),
        ("flux", "Unit", {"log_factor": 0}),
        ("flux", "Distribution", {}),
        ("flux", "Distribution", {"batch_shape": 1}),
        ("flux", "ExpandedDistribution", {"base_dist": 1}),
        ("flux", "MaskedDistribution", {"base_dist": 1, "mask": 1}),
        ("flux", "Independent", {"base_dist": 1, "reinterpreted_batch_ndims": 1}),
        ("flux", "TransformedDistribution", {"base_distribution": 1, "transforms": 1}),
        ("flux", "TruncatedDistribution", {"base_dist": 1}),
        ("flux", "LeftTruncatedDistribution", {"base_dist": 1}),
        ("flux", "FoldedDistribution", {"base_dist": 1}),
        ("flux", "LeftCensoredDistribution", {"base_dist": 1, "censored": 1}),
        ("flux", "ImproperUniform", {"support": 1, "batch_shape": 1, "event_shape": 1}),
        ("flux", "Mixture", {"mixing_distribution": 1, "component_distributions": 1}),
        ("flux", "MixtureGeneral", {"mixing_distribution": 1, "component_distributions": 1}),
        ("flux", "GaussianRandomWalk", {"scale": 1, "num_steps": 1000000000}),
        ("flux", "GaussianRandomWalk", {"scale": 1, "num_steps": 3}),
        ("flux", "EulerMaruyama", {"t": 1, "sde_fn": 1, "init_dist": 1}),
        ("flux", "LKJ", {"dimension": 100000, "concentration": 1}),
        ("flux", "LKJCholesky", {"dimension": 3}),
        ("flux", "Wishart", {"concentration": 3, "scale_matrix": 1}),
        ("flux", "MultivariateNormal", {"loc": 0, "covariance_matrix": 1}),
        ("flux", "ProjectedNormal", {"concentration": 1}),
        ("flux", "SineSkewed", {"base_dist": 1, "skewness": 1}),
        ("flux", "CAR", {"loc": 1, "correlation": 0.5, "conditional_precision": 1, "adj_matrix": 1}),
        ("flux", "ZeroSumNormal", {"scale": 1, "event_shape": 3}),
        ("flux", "MatrixNormal", {"loc": 1, "scale_tril_row": 1, "scale_tril_column": 1}),
        ("flux", "GaussianCopula", {"marginal_dist": 1, "correlation_matrix": 1}),
        ("flux", "SineBivariateVonMises", {"phi_loc": 0, "psi_loc": 0, "phi_concentration": 1, "psi_concentration": 1, "correlation": 0}),
        ("flux", "kl_divergence", {}),
        ("flux", "biject_to", {}),
        ("flux", "lognormal", {}),
        ("background", "LogNormal", {"loc": 50, "scale": 1}),
        ("background", "Gamma", {"concentration": 1, "rate": 1e-30}),
        ("background", "Uniform", {"low": 0, "high": 1e30}),
        ("background", "Uniform", {"low": 1e30, "high": 2e30}),
        ("background", "HalfNormal", {"scale": 1e200}),
        ("psf_width", "LogNormal", {"loc": 300, "scale": 1}),
        ("psf_width", "LogNormal", {"loc": 0, "scale": 1e5}),
        ("psf_width", "LogNormal", {"loc": -300, "scale": 1}),
        ("psf_width", "Gamma", {"concentration": 1e-5, "rate": 1}),
        ("psf_width", "Uniform", {"low": 1e9, "high": 2e9}),
        ("psf_width", "Uniform", {"low": 0, "high": "inf"}),
        ("psf_width", "InverseGamma", {"concentration": 1, "rate": 1e300}),
        ("psf_width", "HalfNormal", {"scale": 1e-300}),
        ("psf_slope", "Uniform", {"low": 1.1, "high": "inf"}),
        ("background_norm", "LogNormal", {"loc": 0, "scale": 1e9}),
        ("background_dx", "Normal", {"loc": 0, "scale": 1e300}),
    ]  # fmt: skip
    return listed


def regions() -> dict[str, str | bytes]:
    """Region files that cannot be used, or hardly."""
    files: dict[str, str | bytes] = {
        "empty": "",
        "a picture": b"\x89PNG\r\n\x1a\n\xff\xfe",
        "UTF-16": "image\ncircle(5,5,2)".encode("utf-16"),
        "NUL": "\0" * 1000,
        "NUL in a line": "5 5\0 2",
        "spaces": " " * 1_000_000,
        "lines": "\n" * 100_000,
        "commas": "," * 1_000_000,
        "semicolons": "image\n" + ";" * 1_000_000,
        "hashes": "#" * 1_000_000,
        "brackets": "image\ncircle" + "(" * 1_000_000,
        "a circle of brackets": "image\ncircle" + "(" * 5000 + "5,5,2" + ")" * 5000,
        "a line of 10 MB": "5 5 " + "2" * 10_000_000,
        "a circle of 10 MB": "image\ncircle(5,5," + "2" * 10_000_000 + ")",
        "text of 10 MB": "image\ncircle(5,5,2) # text={" + "x" * 10_000_000 + "}",
        "keys of 10 MB": "image\ncircle(5,5,2) # " + "a" * 10_000_000,
        "spaces of 10 MB": "image\ncircle(5,5,2" + " " * 10_000_000 + "x)",
        "spaces before": " " * 9000 + "circle(5,5,2)x",
        "spaces within": "image\ncircle(5" + " " * 9000 + "x,5,2)",
        "open text": "image\ncircle(5,5,2) # " + "text={" * 1500,
        "open quotes": "image\ncircle(5,5,2) # " + "text='" * 1500,
        "keys without values": "image\ncircle(5,5,2) # " + "a" * 9000,
        "values without keys": "image\ncircle(5,5,2) # " + "=" * 9000,
        "numbers for ever": "image\ncircle(5,5,2) # width=" + "1 " * 4000 + "x",
        "a text of lines": f"image\ncircle(5,5,-2) # text={{{LIES}}}",
        "a text of escapes": "image\ncircle(5,5,-2) # text={\x1b[2J\x07}",
        "a text that turns round": "image\ncircle(5,5,-2) # text={\u202eabc\u2066}",
        "texts twice": "image\ncircle(5,5,-2) # text={a} text={b}",
        "the same name twice": "image\ncircle(5,5,2) # text={a}\ncircle(6,6,2) # text={a}",
        "unknown frames": "wcsq\ncircle(5,5,2)",
        "a frame of lines": "image\ndetector\x1b[2J\ncircle(5,5,2)",
        "a frame for ever": "image\nwcs" + "q" * 100_000,
        "a sky without a sky": 'fk5\ncircle(210,2,5")',
        "other shapes only": "image\n" + "polygon(1,2,3,4,5,6)\n" * 1000,
        "excluded only": "image\n-circle(5,5,2)",
        "a list of lists": "5 5 2 2\n" * 1000,
        "a table": "x,y,r\n5,5,2",
        "JSON": '{"x": 5, "y": 5}',
        "XML": "<?xml version='1.0'?><VOTABLE/>",
        "a Mac's line ends": "image\rcircle(5,5,-2)\r",
        "line separators": "image\u2028circle(5,5,-2)\u2029",
        "vertical tabs": "image\vcircle(5,5,-2)\f",
        "a byte order mark": "\ufeffimage\ncircle(5,5,-2)",
        "Arabic digits": "٥ ٥ -٢",
        "underscores": "5_0 5 -2",
        "hexadecimal": "0x5 5 2",
        "a composite": "image\n# composite(5,5,0) || composite=1\ncircle(5,5,-2) ||",
        "templates": "image\ncircle({x},{y},{r})",
        "a shape in a comment": "# circle(5,5,2)",
        "text without a shape": "image\n# text(5,5) text={x}",
        "a macro": "image\ncircle(5,5,2) && system(rm)",
    }
    for value in ("nan", "inf", "-inf", "1e400", "", "x", "--5", "5e", "9" * 5000):
        short = value[:10]
        files[f"x of {short!r}"] = f"{value or ','} 5 2 0"
        files[f"radius of {short!r}"] = f"5 5 {value or '-1'}" if value != "nan" else "5 5 nan 1"
        files[f"DS9 x of {short!r}"] = f"image\ncircle({value},5,2)"
        files[f"DS9 radius of {short!r}"] = f"image\ncircle(5,5,{value})"
        files[f"sexagesimal {short!r}"] = f'fk5\ncircle({value}:00:00,+02:00:00,5")'
    for body in ("circle", "circle()", "circle(5)", "circle(5,5)", "circle(5,5,2,2)", "circle 5", "circle(5;5;2)", "circle(5,5,2",
                 "point", "point()", "point(5)", "point(5,5,5,5)", "circle(5p,5d,2r)", "circle(5,5,2\")x", "circle[5,5,2]", "circlecircle(5,5,2)",
                 "+-circle(5,5,2)", "circle(5,5,0)", "circle(5,5,-2)", "circle(5,5,2) # text=", "circle(5,5,0) # text={"):  # fmt: skip
        files[f"image;{body}"] = f"image\n{body}\nnonsense"
    return files


USABLE_REGIONS = (
    "open text", "open quotes", "keys without values", "values without keys", "numbers for ever", "the same name twice",
    "DS9 radius of 'nan'",
)  # fmt: skip
"""Odd, but with a source in each line."""
