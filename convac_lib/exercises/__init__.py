"""Exercises that answer: `check("fair", first)` says what an answer violates, or why it is right."""

from convac_lib.exercises.checking import check

__all__ = ["check"]
