"""convac certify: an exact rank, and a certificate that proves it."""

import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from itertools import product
from typing import TYPE_CHECKING

from convac_lib.cli.command import Answer
from convac_lib.cli.network_arguments import add_network, architecture_of, cut_of
from convac_lib.errors import BudgetError

if TYPE_CHECKING:
    from convac_lib.theory.certificates import RankCertificate
    from convac_lib.theory.ranks import CertifiedRank

ABOUT = "Compute a network's exact rank across a cut with random weights; almost all weights give at least this rank."
EXAMPLES: tuple[str, ...] = (
    "convac certify --B 2 --M 2 --size 4 --json",
    "convac certify --B 3 --M 2 --size 8 --rows 256",
)
SMALLER = "use a smaller --size, --M or --channels, or fewer --rows"
LARGEST_DRAWS = 10_000
PRIME = 2**31 - 1  # theory.fields would load NumPy; a test compares


def add_arguments(parser: ArgumentParser) -> None:
    """Add the network's arguments, and how its weights are drawn."""
    add_network(parser, required=True)
    parser.add_argument(
        "--rows",
        type=int,
        metavar="K",
        help="compute the rank of K random rows and columns of the matrix only, a lower bound on the whole rank "
        "(default: all if there are at most 4,096; else 1,024, or as many as a bound needs)",
    )
    parser.add_argument(
        "--seed", type=int, nargs="+", default=[0], help="seeds of the random weights and of --rows (default: 0)"
    )
    parser.add_argument(
        "--prime",
        type=int,
        nargs="+",
        default=[PRIME],
        help=f"primes p: weights are integers modulo p, so that no rounding occurs (default: {PRIME})",
    )
    parser.add_argument("--out", metavar="FILE", help="write a certificate of the rank, which convac verify checks")


def run(arguments: Namespace) -> Answer:
    """Compute a network's exact rank across a cut with random weights; almost all weights give at least this rank."""
    from convac_lib.cli.bounds_report import bounds_report, bounds_table
    from convac_lib.files import require_place
    from convac_lib.theory.bound import Bound
    from convac_lib.theory.bounds import bounds_of
    from convac_lib.theory.cuts import make_cut
    from convac_lib.theory.ranks import certify_rank, issue_certificate, require_draws

    architecture = architecture_of(arguments)
    cut = make_cut(cut_of(arguments.cut), architecture.size)
    if (count := len(arguments.seed) * len(arguments.prime)) > LARGEST_DRAWS:
        raise BudgetError(
            f"at most {LARGEST_DRAWS:,} draws may be asked for at once, not {count:,}; give fewer seeds or primes"
        )
    require_draws(architecture, cut, arguments.rows, arguments.seed, arguments.prime)
    if arguments.out is not None:
        require_place(arguments.out)  # before the work, which may be long
    progress = sys.stderr.isatty()
    draws: list[tuple[CertifiedRank, RankCertificate | None]] = []
    for seed, prime in product(arguments.seed, arguments.prime):
        if arguments.out is None:
            rank = certify_rank(architecture, cut, rows=arguments.rows, seed=seed, prime=prime, progress=progress)
            draws.append((rank, None))
        else:
            draws.append(
                issue_certificate(architecture, cut, rows=arguments.rows, seed=seed, prime=prime, progress=progress)
            )
    certified, certificate = max(draws, key=lambda draw: draw[0].rank)
    if certificate:
        certificate.save(arguments.out)
    bounds, ranks = bounds_of(architecture, cut), [draw.rank for draw, _ in draws]
    drawn = [{"seed": draw.seed, "prime": draw.prime, "rank": draw.rank} for draw, _ in draws]
    report = asdict(certified) | {"draws": drawn, "agree": len(set(ranks)) == 1, "bounds": bounds_report(bounds)}
    account = _account_of(certified, ranks)
    upper = [bound for bound in bounds.values() if isinstance(bound, Bound) and bound.relation == "≤"]
    if any(bound.log2 < certified.rank.bit_length() and bound.value == certified.rank for bound in upper):
        account += f"\nno weights give a larger rank: for almost all weights, rank = {certified.rank}, proved"
    return Answer(report, f"{account}\n\n{bounds_table(bounds)}")


def _account_of(certified: "CertifiedRank", ranks: list[int]) -> str:
    """Say what the largest rank of all draws proves, and whether they agree."""
    part = "the whole matricization" if certified.full else "a sample of the matricization"
    lines = [
        f"rank {certified.rank} of {certified.rows}×{certified.columns}, {part}"
        + (", saturated" if certified.saturated else ""),
        f"for almost all weights, the rank across the cut {certified.cut} is at least {certified.rank}",
        f"(exact modulo {certified.prime}, seed {certified.seed}, border {certified.border})",
    ]
    if len(set(ranks)) > 1:
        lines.append(
            f"the {len(ranks)} draws differ: ranks from {min(ranks)} to {max(ranks)}, and the largest is proved"
        )
    elif len(ranks) > 1:
        lines.append(f"all {len(ranks)} draws agree")
    return "\n".join(lines)
