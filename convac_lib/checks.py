"""Checks of what a caller gives: every rule about a number is stated once, here."""

import math

from convac_lib.errors import ConvacError, shown


def require_integers(
    *, least: int = 1, most: float = math.inf, error: type[ConvacError] = ConvacError, **values: object
) -> None:
    """Refuse values that are not integers from `least` to `most`, and name the first such value.

    Args:
        least: the smallest value that is allowed.
        most: the largest value that is allowed.
        error: the kind of error to raise.
        values: the values by name; an underscore in a name is shown as a space.

    Raises:
        ConvacError: of the given kind, if a value is no integer, is a bool, or lies outside.

    >>> require_integers(batch_size=0)
    Traceback (most recent call last):
    convac_lib.errors.ConvacError: batch size must be an integer of at least 1, not 0
    """
    for name, value in values.items():
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            span = f"of at least {least}" if most == math.inf else f"from {least} to {most}"
            raise error(f"{name.replace('_', ' ')} must be an integer {span}, not {shown(value)}")


def powers_near(number: int, least: int = 2) -> str:
    """Name the powers of two on either side of a number that is none, for an error.

    >>> powers_near(6), powers_near(1), powers_near(12, least=8)
    ('4 or 8', '2', '8 or 16')
    """
    lower = max(least, 1 << number.bit_length() - 1)
    return shown(lower) + (f" or {shown(2 * lower)}" if number > least else "")
