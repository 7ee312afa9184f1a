"""What the package says when its input cannot be used, or can be used only in part."""


class InputError(ValueError):
    """Input that cannot be used: one line that names the file or argument, what was expected and what was found."""


class DataWarning(UserWarning):
    """Input that can be used only in part, or only with an assumption; the message says which."""
