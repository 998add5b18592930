"""Run chapters and tests on one thread: fastest for networks this small, and the same last digits everywhere."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything loads torch; the chapters' kernels inherit it
