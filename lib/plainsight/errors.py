"""The one exception that means: the input is wrong, and here is what to do about it."""


class InputError(ValueError):
    """Bad input (a file, a row, an option). Its message is one line: what is wrong, where, what to do."""
