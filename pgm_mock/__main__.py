"""`python -m pgm_mock` is `pgm-mock`."""

from .cli import command

command()
