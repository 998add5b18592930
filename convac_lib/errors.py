"""The errors of this library: one base class, and a subclass for each kind of bad input.

Every message is one sentence that states the rule, the numbers that broke it, and the remedy.
"""

import struct
import tokenize
import zipfile
import zlib
from math import log10

MALFORMED = (  # what other libraries raise when a file is not what they expect
    ArithmeticError, AttributeError, EOFError, LookupError, OSError, RuntimeError, SyntaxError, TypeError, ValueError,
    struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class ConvacError(ValueError):
    """Bad input to this library: the base class of all its errors.

    Chapter: all.

    >>> from convac_lib import common_case
    >>> common_case(B=2, M=2, size=6)
    Traceback (most recent call last):
    convac_lib.errors.ArchitectureError: size 6 is not a power of two of at least 2: \
strides of 2 must end in exactly 1×1; use 4 or 8
    """


class ArchitectureError(ConvacError):
    """Layers do not form a network: sizes, strides, channels or borders do not fit together.

    Chapter: all.
    """


class CutError(ConvacError):
    """A cut does not divide the patches of the image into two sides.

    Chapter: all.
    """


class WeightError(ConvacError):
    """Weights have the wrong shape, or contain NaN or infinity.

    Chapter: all.
    """


class HypothesisError(ConvacError):
    """A theorem was applied to a network that does not satisfy its hypotheses.

    Chapter: *The overlap theorem*.
    """


class CertificateError(ConvacError):
    """A rank certificate was altered, or its claim is false.

    Chapter: all.
    """


class DataError(ConvacError):
    """Data is missing, malformed or damaged, or a file cannot be read or written.

    Chapter: all.
    """


class BudgetError(ConvacError):
    """A question needs more memory or time than is available.

    Chapter: all.
    """


class MissingExtraError(ModuleNotFoundError, ConvacError):
    """A part of the library was imported whose packages are not installed; the message has the command that does it.

    It is an ImportError too, and its `name` is the missing module.

    Chapter: all.
    """


def shown(value: object) -> str:
    """Write a value for a message: an integer of over 30 digits by its magnitude, and a long text cut off.

    >>> shown(12), shown(-(10**5000)), shown("wrap")
    ('12', '-1.00e+5000', "'wrap'")
    """
    if isinstance(value, int) and abs(value) >= 10**30:
        shift = value.bit_length() - 64
        power, mantissa = divmod(log10(abs(value) >> shift) + shift * log10(2), 1)
        return f"{'-' * (value < 0)}{10**mantissa:.2f}e+{power:.0f}"
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write an integer of over 4,300 digits
        return f"a {type(value).__name__} with an integer of over 4,300 digits"
    return text if len(text) <= 120 else f"{text[:119]}…"
