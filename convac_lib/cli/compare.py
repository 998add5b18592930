"""convac compare: exact ranks of random networks against both bounds."""

import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from convac_lib.cli.command import Answer

ABOUT = "Draw random networks and cuts, and compare their exact ranks with the bounds from below and from above."
EXAMPLES: tuple[str, ...] = ("convac compare --cases 100 --out bounds.csv",)
SMALLER = "ask for fewer --cases"


def add_arguments(parser: ArgumentParser) -> None:
    """Add how many cases there are to be, and their file."""
    add = parser.add_argument
    add("--cases", type=int, required=True, metavar="N", help="how many distinct cases the file is to hold in the end")
    add("--seed", type=int, default=0, help="seed of the networks and the cuts (default: 0)")
    add(
        "--out",
        required=True,
        metavar="FILE",
        help="CSV file of the cases; running the command again resumes where it stopped",
    )


def run(arguments: Namespace) -> Answer:
    """Draw random networks and cuts, and compare their exact ranks with the bounds from below and from above."""
    from convac_lib.theory.comparisons import count_comparisons, extend_comparisons, read_comparisons

    extend_comparisons(arguments.out, arguments.cases, seed=arguments.seed, progress=sys.stderr.isatty())
    cases = read_comparisons(arguments.out)
    counts, violated = count_comparisons(cases), sum(case.violated for case in cases)
    width = max(map(len, counts))
    lines = [f"{'':{width}}  {'cases':>6}  {'equal':>6}  {'below':>6}  undecided"]
    for name, count in counts.items():
        lines.append(f"{name:{width}}  {count.cases:>6}  {count.equal:>6}  {count.below:>6}  {count.undecided:>9}")
    summary = f"{len(cases):,} cases in {arguments.out}: {violated} of them violate a bound"
    report = {name: asdict(count) for name, count in counts.items()}
    return Answer({"cases": len(cases), "violated": violated, "counts": report}, "\n".join([summary, "", *lines]))
