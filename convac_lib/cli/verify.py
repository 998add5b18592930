"""convac verify: whether a certificate is true."""

import sys
from argparse import ArgumentParser, Namespace

from convac_lib.cli.command import Answer

ABOUT = "Check a rank's certificate by a short, independent program; exit with status 1 if it is false or altered."
EXAMPLES: tuple[str, ...] = ("convac verify certificate.json",)
SMALLER = "a certificate of a smaller rank needs less"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the certificate's file."""
    parser.add_argument("certificate", metavar="FILE", help="a certificate that convac certify --out wrote")


def run(arguments: Namespace) -> Answer:
    """Check a rank's certificate by a short, independent program; exit with status 1 if it is false or altered."""
    from convac_lib.theory.checker import verify

    certificate = verify(arguments.certificate, progress=sys.stderr.isatty())
    architecture, cut = certificate.architecture, ",".join(map(str, certificate.cut))
    facts = {"rank": certificate.rank, "cut": cut, "prime": certificate.prime, "border": architecture.border}
    return Answer(
        {"valid": True, **facts},
        f"{architecture}\n\nvalid: {certificate.claim}\n(exact modulo {certificate.prime})",
    )
