"""Count where descents of the population loss end, without overlap and with it: results/convergence.jsonl.

    python tools/convergence.py

Each line is one teacher, of SETTINGS, and one seed of 1,000 starts in uniform directions, as long as the teacher's
filter. A descent stops when the norm of its gradient is at most 1e-9, or after 20,000 steps of size 0.5. Ends that
differ by less than 0.01 are one. Each line is on the disk before the next one begins, and a stopped command resumes
where it stopped. All take a few minutes on one core.
"""

import json
from pathlib import Path

import numpy as np

from convac_lib.experiments.machine import processor
from convac_lib.files import Journal
from convac_lib.related.convergence import Teacher, descend, draw_starts

OUT = Path(__file__).parent.parent / "results" / "convergence.jsonl"
LARGEST_FILE = 2**20
STARTS, SEEDS = 1000, (0, 1, 2)
SETTINGS = (  # w*, windows and stride
    ((1, -1), 2, 2), ((1, -1), 8, 2), ((1, -2, 1), 3, 3), ((1, 0, 0), 8, 3),
    ((1, -1), 2, 1), ((1, -1), 4, 1), ((1, -1), 8, 1), ((1, -1), 16, 1),
    ((1, -2, 1), 3, 1), ((1, -2, 1), 3, 2), ((1, -2), 8, 1),
    ((1, 0), 2, 1), ((1, 0), 4, 1), ((1, 0), 8, 1), ((1, 0, 0), 4, 1), ((1, 0, 0), 8, 1),
    ((1, 1), 2, 1), ((1, 1), 8, 1), ((1, 2), 8, 1), ((1, 2, 1), 8, 1),
)  # fmt: skip


def count(teacher: Teacher, seed: int, starts: int = STARTS) -> dict[str, object]:
    """Descend from many starts, and count the ends.

    Args:
        teacher: the labels.
        seed: of the starts.
        starts: how many.

    Returns:
        The ends, each with its filter, its loss and its count, and how many descents had not finished.
    """
    found = descend(draw_starts(teacher, starts, seed), teacher)
    ends = [
        {"filter": [round(each, 3) + 0.0 for each in end.filter], "loss": round(end.loss, 5), "count": end.count}
        for end in found.groups()
    ]
    return {"ends": ends, "unfinished": int((~found.finished).sum())}


def main() -> None:
    """Append a line of JSON for every teacher and seed that the file does not hold yet."""
    journal = Journal(OUT, LARGEST_FILE)
    with journal.appending(wait=False) as append_line:
        done = {
            (tuple(line["target"]), line["windows"], line["stride"], line["seed"])
            for line in map(json.loads, journal.lines())
        }
        for (target, windows, stride), seed in ((setting, seed) for setting in SETTINGS for seed in SEEDS):
            if (target, windows, stride, seed) in done:
                continue
            where = {"target": target, "windows": windows, "stride": stride, "starts": STARTS, "seed": seed}
            found = count(Teacher(target, windows, stride), seed)
            line = json.dumps(where | found | {"device": processor(), "numpy": np.__version__})
            append_line(line)
            print(line, flush=True)


if __name__ == "__main__":
    main()
