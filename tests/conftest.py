"""One profile of hypothesis for every test: the same cases on every machine, and none timed."""

from hypothesis import settings

settings.register_profile("convac", derandomize=True, deadline=None, database=None, max_examples=60)
settings.load_profile("convac")
