"""Check an answer: `check` finds the exercise's rule, tries the answer, and says in one sentence what it found."""

import inspect
from dataclasses import dataclass
from importlib import import_module

from convac_lib.errors import ConvacError, MissingExtraError
from convac_lib.exercises.answers import Unanswered, Wrong, is_open

EXERCISES = {
    "intro": ("first-move",),
    "networks_in_pictures": ("windows", "stem"),
    "expressive_efficiency": ("universal", "depth", "target", "growth", "fair"),
    "tensors": ("break-even", "digit-sum", "back", "crossing"),
    "convacs": ("parity", "saturate", "inside", "missing", "cuts"),
    "overlaps": ("totals", "neighbours", "paths", "convolution", "ones"),
    "overlap_theorem": ("by-hand", "pairs", "three-rows", "false-from", "where"),
    "how_much_overlap": ("links", "unrolled", "price", "lift"),
    "cifar_experiments": ("seeds", "match", "count", "shuffle"),
    "conjecture": ("square", "bargain", "first-layer", "pooling"),
    "depth_efficiency": ("three", "limit", "prime"),
    "widths_and_entanglement": ("spread", "budget", "symmetric"),
    "pooling_geometry": ("unsplit", "larger-image", "own-windows"),
    "mixed_decompositions": ("against-hybrid", "sixteen"),
    "rectifier_networks": ("channels", "equality", "averages"),
    "missing_data": ("arrangements", "censored"),
    "convergence": ("flipped", "shifted", "harmless"),
    "simnets": ("soft-maximum", "shares", "absorb"),
    "one_picture": ("which-pay", "without-overlap"),
}
"""The exercises of every chapter, in order; the module named like the chapter holds one rule per exercise."""

_CHAPTER_OF = {name: chapter for chapter, names in EXERCISES.items() for name in names}
_NOT_YET = "Not answered yet: put your answer in the place of `...`, run that cell, and then this one."


@dataclass(frozen=True)
class Verdict:
    """The result of `check`: it is true if the answer is right, and its `repr` is the sentence.

    Attributes:
        name: the exercise.
        right: True or False; None if there is no answer yet.
        sentence: the reason.

    Chapter: all.
    """

    name: str
    right: bool | None
    sentence: str

    def __bool__(self) -> bool:
        return self.right is True

    def __repr__(self) -> str:
        return f"{ {True: '✓', False: '✗', None: '…'}[self.right] } {self.sentence}"


def check(name: str, *answers: object) -> Verdict:
    """Say whether the answers to an exercise are right, and why; no answer makes it raise an error.

    Args:
        name: the exercise's name, from its chapter.
        answers: what the exercise asks for, in the same order; `...` for an answer that is not given yet.

    Returns:
        The `Verdict`.

    Raises:
        ConvacError: if there is no exercise of this name.
        MissingExtraError: if the answer is tried by packages that are not installed.

    Chapter: all.

    >>> check("fair", ...)
    … Not answered yet: put your answer in the place of `...`, run that cell, and then this one.
    >>> check("fair", 7)
    ✗ With 7 channels rank 64 is out of reach: the left half spans at most 49.
    >>> check("fair", 8)
    ✓ Right: 8 channels make 8² = 64 products on the left and 7 only 49, and the network has 2,176 parameters.
    """
    if not isinstance(name, str) or name not in _CHAPTER_OF:
        raise ConvacError(f"there is no exercise {name!r}; the exercises are {', '.join(_CHAPTER_OF)}")
    rule = getattr(import_module(f"convac_lib.exercises.{_CHAPTER_OF[name]}"), name.replace("-", "_"))
    asked = list(inspect.signature(rule).parameters)
    if len(answers) != len(asked):
        plural = "answer" if len(asked) == 1 else "answers"
        sentence = f"This exercise takes {len(asked)} {plural}, {', '.join(asked)}, and check was given {len(answers)}."
        return Verdict(name, None, sentence)
    try:
        if any(answer is None or is_open(answer) for answer in answers):
            return Verdict(name, None, _NOT_YET)
        return Verdict(name, True, f"Right: {rule(*answers)}.")
    except Unanswered:
        return Verdict(name, None, _NOT_YET)
    except Wrong as wrong:
        return Verdict(name, False, f"{wrong}.")
    except MissingExtraError:  # which says nothing of the answer
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001  a reader's function raises anything
        words = " ".join(f"{type(error).__name__}: {error}".split())
        return Verdict(name, False, f"Your answer cannot be tried: {words}")
