"""The errors of this library: one root, and a kind for each sort of bad input.

Every message is one sentence that states the rule, the numbers that broke it, and the fix.
"""


class ConvacError(ValueError):
    """Bad input to this library; catch it to catch all the kinds below.

    >>> from convac_lib import common_case
    >>> common_case(B=2, M=2, size=6)
    Traceback (most recent call last):
    convac_lib.errors.ArchitectureError: size 6 is not a power of two of at least 2: \
strides of 2 must end in exactly 1×1; use 4 or 8
    """


class ArchitectureError(ConvacError):
    """Layers that make no network: sizes, strides, channels or borders that do not fit."""


class CutError(ConvacError):
    """A partition of the patches that does not fit the image."""


class WeightError(ConvacError):
    """Weights of the wrong shape, or that hold NaN or infinity."""


class HypothesisError(ConvacError):
    """A statement of the theory asked of a network outside its hypotheses."""


class CertificateError(ConvacError):
    """A rank certificate that was altered, or whose claim is not borne out."""


class DataError(ConvacError):
    """Data that is missing, malformed or damaged."""


class BudgetError(ConvacError):
    """A question that needs more memory or time than there is."""
