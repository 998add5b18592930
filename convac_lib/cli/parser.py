"""The words of the command line: its commands, their options and their help."""

import argparse

from convac_lib.architecture import BORDERS
from convac_lib.cli.architectures import atlas, certify, describe, verify
from convac_lib.cli.experiments import check, fetch, report, sweep
from convac_lib.cli.terminal import answer, say
from convac_lib.theory.cuts import CUTS
from convac_lib.theory.fields import DEFAULT_PRIME

UNWRITTEN = 74  # EX_IOERR of sysexits.h
STATUSES = """\
exit status:
  0    done; the answer is yes
  1    the answer is no: a certificate that is false or was altered
  2    bad input, or too little memory, space or permission; one sentence on stderr says which
  70   an unexpected error, which is our fault; --debug prints its traceback
  74   the answer, or a figure of it, could not be written
  130  interrupted by Ctrl-C
"""


class _Parser(argparse.ArgumentParser):
    """A parser that prints as every command does."""

    def error(self, message):
        say(f"{self.prog}: {message}")
        self.exit(2)

    def print_help(self, file=None):
        if not answer(self.format_help().rstrip("\n")):
            self.exit(UNWRITTEN)


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    common = _Parser(add_help=False)
    common.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="print the traceback of an unexpected error"
    )
    output = _Parser(add_help=False, parents=[common])
    output.add_argument("--json", action="store_true", help="print JSON for machines")
    words = _Parser(add_help=False, parents=[output])
    words.add_argument("--B", type=int, help="receptive field of the common case's B×B layers")
    words.add_argument(
        "--layers",
        nargs="+",
        metavar="R/S/C",
        help="receptive field/stride/channels of each layer; R/S/pool for product pooling without weights",
    )
    words.add_argument("--channels", type=int, help="channels of every layer of the common case (default: M)")
    words.add_argument(
        "--border", default="neutral", metavar="RULE", help=f"one of {', '.join(BORDERS)} (default: neutral)"
    )
    words.add_argument("--unshared", action="store_true", help="weights of their own at every position")
    words.add_argument("--cut", help=f"{', '.join(CUTS)}, or patches as in 0,1,4,5 (default: left-right)")

    parser = _Parser(
        prog="convac",
        description="Exact ranks and bounds of overlapping architectures.",
        epilog=STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[common],
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")

    def command(run, about, smaller, *examples, parents=(), group=commands):
        """A subcommand of the function's name; what is smaller helps where there is too little memory."""
        one = group.add_parser(
            run.__name__,
            parents=parents,
            help=about,
            description=about,
            epilog="\n  ".join(["example:", *examples]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        one.set_defaults(run=run, smaller=smaller)
        return one

    one = command(
        describe,
        "Print the layers of an architecture, or of a torch model's widest path, and every bound that applies to it.",
        "use a smaller --size, --M or --B",
        "convac describe --B 3 --M 2 --size 8",
        "convac describe --layers 3/1/2 4/4/2 --M 2 --size 4 --json",
        "convac describe --model package.module:factory --input-size 3 224 224",
        parents=[words],
    )
    one.add_argument("--M", type=int, help="representation channels")
    one.add_argument("--size", type=int, help="side of the image, in patches")
    one.add_argument("--model", metavar="package.module:factory", help="a torch model instead")
    one.add_argument(
        "--input-size", type=int, nargs="+", default=[224], metavar="n", help="of its images: side, or C H W"
    )

    one = command(
        certify,
        "Compute an exact rank of the network's matricization across a cut, with weights drawn in GF(p).",
        "use a smaller --size, --M or --channels, or fewer --rows",
        "convac certify --B 2 --M 2 --size 4 --json",
        "convac certify --B 3 --M 2 --size 8 --rows 256",
        parents=[words],
    )
    one.add_argument("--M", type=int, required=True, help="representation channels")
    one.add_argument("--size", type=int, required=True, help="side of the image, in patches")
    one.add_argument(
        "--rows",
        type=int,
        metavar="k",
        help="sample k rows and columns (default: all up to 4,096; else 1,024, or what a bound asks for)",
    )
    one.add_argument("--seed", type=int, nargs="+", default=[0], help="draw the weights and the sample (default: 0)")
    one.add_argument(
        "--prime", type=int, nargs="+", default=[DEFAULT_PRIME], help=f"p of GF(p) (default: {DEFAULT_PRIME})"
    )
    one.add_argument("--out", metavar="FILE", help="write a certificate, which convac verify checks")

    one = command(
        atlas,
        "Certify the common case cell by cell, and append what is missing to an atlas in CSV; certificates lie beside it.",
        "use smaller --sizes, --M or --B",
        "convac atlas --sizes 4 8 --M 2 3 --B 1 2 3 --out atlas.csv",
        parents=[output],
    )
    one.add_argument("--sizes", type=int, nargs="+", required=True, metavar="H", help="sides of the image, in patches")
    one.add_argument("--M", type=int, nargs="+", required=True, help="representation channels")
    one.add_argument("--B", type=int, nargs="+", required=True, help="receptive fields; 1 is without overlap")
    one.add_argument("--out", required=True, metavar="FILE", help="the atlas; a run again goes on where it was")

    one = command(
        verify,
        "Check a certificate that certify --out wrote, without the fast engine; exit status 1 if it is false or altered.",
        "a certificate of a smaller rank needs less",
        "convac verify certificate.json",
        parents=[output],
    )
    one.add_argument("certificate", metavar="FILE", help="the certificate")

    about = "Fetch published data sets into the folder that CONVAC_DATA names, and check what is there."
    data = commands.add_parser("data", help=about, description=about, parents=[common])
    group = data.add_subparsers(required=True, metavar="COMMAND", dest="data_command")
    one = command(
        fetch,
        "Fetch a published data set into the cache, verify it and keep it as one array file; once is enough.",
        "close other programs",
        "convac data fetch cifar10",
        parents=[output],
        group=group,
    )
    one.add_argument("name", choices=["cifar10"], help="the data set: cifar10")
    command(
        check,
        "Tell what the cache of data sets holds, after reading and hashing all of it.",
        "close other programs",
        "convac data check",
        parents=[output],
        group=group,
    )

    one = command(
        sweep,
        "Train the experiments' ConvNets for every B, number of channels and seed; append a record of each to a file.",
        "use fewer --channels, a smaller --batch-size or fewer --workers",
        "convac sweep --data digits --B 1 2 3 --channels 4 8 16 --epochs 12 --out results/digits.jsonl",
        "convac sweep --data cifar10 --B 1 2 3 5 --channels 8 16 32 64 128 256 --augment spatial --epochs 300 "
        "--seeds 0 1 2 --out results/cifar10.jsonl",
        parents=[output],
    )
    one.add_argument("--data", required=True, help="digits, cifar10, or the path of a folder of images")
    one.add_argument("--B", type=int, nargs="+", required=True, help="receptive fields; 1 is without overlap")
    one.add_argument("--channels", type=int, nargs="+", required=True, metavar="C", help="channels of every layer")
    one.add_argument(
        "--seeds", type=int, nargs="+", default=[0], metavar="s", help="of the initial weights (default: 0)"
    )
    one.add_argument("--out", required=True, metavar="FILE", help="the records; a run again goes on where it was")
    one.add_argument("--augment", default="spatial", help="none, spatial or colour (default: spatial)")
    one.add_argument("--epochs", type=int, default=300, help="how often each image is seen (default: 300)")
    one.add_argument("--batch-size", type=int, default=128, metavar="N", help="images a step (default: 128)")
    one.add_argument("--learning-rate", type=float, default=1e-3, metavar="x", help="Adam's (default: 0.001)")
    one.add_argument("--precision", default="float32", help="float32 or bfloat16 (default: float32)")
    one.add_argument("--workers", type=int, help="processes on this machine (default: a core each; with a GPU, one)")
    one.add_argument("--scheduler", metavar="tcp://HOST:PORT", help="a Dask scheduler, whose workers train instead")
    one.add_argument("--gpu", action="store_true", help="only workers that were started with --resources GPU=1")

    one = command(
        report,
        "Print the table of a sweep's records, and draw accuracy against channels and parameters, as PNG and SVG.",
        "report on fewer records",
        "convac report results/cifar10.jsonl",
        parents=[output],
    )
    one.add_argument("records", metavar="FILE", help="the records that convac sweep wrote")
    return parser
