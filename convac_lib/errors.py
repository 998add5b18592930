"""The errors of this library: one root, and a kind for each sort of bad input.

Every message is one sentence that states the rule, the numbers that broke it, and the fix.
"""

from math import log10


class ConvacError(ValueError):
    """Bad input to this library; catch it to catch all the kinds below.

    Chapter: all.

    >>> from convac_lib import common_case
    >>> common_case(B=2, M=2, size=6)
    Traceback (most recent call last):
    convac_lib.errors.ArchitectureError: size 6 is not a power of two of at least 2: \
strides of 2 must end in exactly 1×1; use 4 or 8
    """


class ArchitectureError(ConvacError):
    """Layers that make no network: sizes, strides, channels or borders that do not fit.

    Chapter: all.
    """


class CutError(ConvacError):
    """A partition of the patches that does not fit the image.

    Chapter: all.
    """


class WeightError(ConvacError):
    """Weights of the wrong shape, or that hold NaN or infinity.

    Chapter: all.
    """


class HypothesisError(ConvacError):
    """A statement of the theory asked of a network outside its hypotheses.

    Chapter: all.
    """


class CertificateError(ConvacError):
    """A rank certificate that was altered, or whose claim is not borne out.

    Chapter: all.
    """


class DataError(ConvacError):
    """Data that is missing, malformed or damaged.

    Chapter: all.
    """


class BudgetError(ConvacError):
    """A question that needs more memory or time than there is.

    Chapter: all.
    """


def shown(value: object) -> str:
    """A value as a message shows it: an integer of over 30 digits by its magnitude, and a long text cut off.

    >>> shown(12), shown(-(10**5000)), shown("wrap")
    ('12', '-1.00e+5000', "'wrap'")
    """
    if isinstance(value, int) and abs(value) >= 10**30:
        shift = value.bit_length() - 64
        power, mantissa = divmod(log10(abs(value) >> shift) + shift * log10(2), 1)
        return f"{'-' * (value < 0)}{10**mantissa:.2f}e+{power:.0f}"
    try:
        text = repr(value)
    except ValueError:  # Python writes no integer of over 4,300 digits, nor what holds one
        return f"a {type(value).__name__} with an integer of over 4,300 digits"
    return text if len(text) <= 120 else f"{text[:119]}…"
