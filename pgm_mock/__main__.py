"""`python -m pgm_mock` is `pgm-mock`."""

from .cli import main

raise SystemExit(main())
