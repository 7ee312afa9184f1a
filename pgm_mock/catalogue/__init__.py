"""A field of sources, or many fields: every source fitted, checked, limited and tabulated."""

from .fields import Field, read_fields
from .run import catalog

__all__ = ["Field", "catalog", "read_fields"]
