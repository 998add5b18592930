"""The command line: `convac` and `python -m convac_lib` are one.

Exit status 0; 1 if the answer is no; 2 for bad input, with one sentence on stderr.
"""

import argparse
import json
import os
import sys
import warnings
from dataclasses import asdict
from importlib import import_module
from itertools import product

from convac_lib.architecture import BORDERS, Architecture, Layer, common_case
from convac_lib.errors import ArchitectureError, CertificateError, ConvacError, CutError, DataError
from convac_lib.experiments.atlas import chart, read_atlas
from convac_lib.theory.bounds import BOUNDS, Bound, bounds_of
from convac_lib.theory.checker import verify as verify_certificate
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.ranks import certify_rank, issue
from convac_lib.theory.tensors import CUTS

LARGEST_LOG2 = 1024  # beyond lies more than a float holds, which is what most readers of JSON take numbers for
RELATIONS = {"theorem": "≥", "common_case": "≥", "non_overlapping_upper": "≤", "saturation": "≤"}


def describe(arguments):
    """Print the layers of an architecture, or of a torch model's widest path, and every bound that applies to it."""
    if arguments.model:
        return _describe_model(arguments)
    if arguments.M is None or arguments.size is None:
        raise ArchitectureError("give --M and --size with --B or --layers, or --model for a torch model")
    architecture = _architecture(arguments)
    report, bounds = _geometry(architecture, arguments.cut)
    return report, f"{architecture}\n\n{bounds}"


def _describe_model(arguments):
    from convac_lib.networks.tracing import from_torch  # here, since torch takes seconds to load

    own = arguments.B, arguments.layers, arguments.M, arguments.size, arguments.channels
    if any(word is not None for word in own) or arguments.unshared or arguments.border != "neutral":
        raise ArchitectureError(
            "a --model states its own layers, channels and border; give it with --input-size, --cut and --json only"
        )
    one_number = len(arguments.input_size) == 1
    traced = from_torch(_model(arguments.model), arguments.input_size[0] if one_number else arguments.input_size)
    report, bounds = _geometry(traced.architecture, arguments.cut)
    standing = "this network is a ConvAC, and the bounds are about it"
    if traced.outside:
        standing = (
            f"this network lies outside the theory, which is about products of linear maps ({traced.outside});\n"
            f"the bounds are about a ConvAC of the same geometry, with weights in every window and "
            f"M = {traced.architecture.representation_channels}:"
        )
    account = [{"where": step.where, "what": step.what, "role": step.role} for step in traced.account]
    report |= {"about_this_network": not traced.outside, "standing": standing, "account": account}
    return report, f"{traced}\n\n{standing}\n\n{bounds}"


def _model(word):
    """The torch model that package.module:factory makes; modules of the current directory come first."""
    module, _, factory = word.partition(":")
    if not module or not factory:
        raise ArchitectureError(f"{word!r} names no factory; write package.module:factory")
    sys.path.insert(0, os.getcwd())
    try:
        return getattr(import_module(module), factory)()
    except Exception as error:  # whatever the factory's own code raises
        raise ArchitectureError(
            f"{word} gave no model ({type(error).__name__}: {error}); name a module that can be imported from here, "
            "and in it a function without arguments that returns a torch.nn.Module"
        ) from error


def _geometry(architecture, cut):
    """The report on an architecture, and the table of its bounds."""
    try:
        bounds = bounds_of(architecture, _cut(cut or "left-right"))
    except CutError as error:
        if cut:
            raise
        bounds = dict.fromkeys(BOUNDS, error)
    layers = [
        asdict(layer) | {"total_receptive_field": field, "total_stride": stride, "output_size": size}
        for layer, field, stride, size in zip(
            architecture.layers, architecture.total_receptive_fields, architecture.total_strides, architecture.sizes
        )
    ]
    report = {
        "layers": layers,
        "overlapping": architecture.is_overlapping,
        "parameters": architecture.parameters,
        "bounds": _bounds_report(bounds),
    }
    return report, _bounds_table(bounds)


def certify(arguments):
    """Compute an exact rank of the network's matricization across a cut, with weights drawn in GF(p)."""
    architecture, cut = _architecture(arguments), _cut(arguments.cut or "left-right")
    draws = []
    for seed, prime in product(arguments.seed, arguments.prime):
        options = {"rows": arguments.rows, "seed": seed, "prime": prime, "progress": sys.stderr.isatty()}
        draw = (
            issue(architecture, cut, **options) if arguments.out else (certify_rank(architecture, cut, **options), None)
        )
        draws.append(draw)
    certified, certificate = max(draws, key=lambda draw: draw[0].rank)
    if certificate:
        certificate.save(arguments.out)
    bounds, ranks = bounds_of(architecture, cut), [draw.rank for draw, _ in draws]
    drawn = [{"seed": draw.seed, "prime": draw.prime, "rank": draw.rank} for draw, _ in draws]
    report = asdict(certified) | {"draws": drawn, "agree": len(set(ranks)) == 1, "bounds": _bounds_report(bounds)}
    part = "the whole matricization" if certified.full else "a sample of the matricization"
    lines = [
        f"rank {certified.rank} of {certified.rows}×{certified.columns}, {part}"
        + (", saturated" if certified.saturated else ""),
        f"for almost all weights, the rank across the cut {certified.cut} is at least {certified.rank}",
        f"(exact modulo {certified.prime}, seed {certified.seed}, border {certified.border})",
    ]
    if len(draws) > 1:
        lines.append(
            f"all {len(draws)} draws agree"
            if report["agree"]
            else f"the {len(draws)} draws differ: ranks from {min(ranks)} to {max(ranks)}, and the largest is proved"
        )
    return report, "\n".join(lines) + f"\n\n{_bounds_table(bounds)}"


def atlas(arguments):
    """Certify the common case cell by cell, and append what is missing to an atlas in CSV; certificates lie beside it."""
    chart(arguments.out, arguments.sizes, arguments.M, arguments.B, progress=sys.stderr.isatty())
    cells = read_atlas(arguments.out)
    counts = {status: sum(cell.status == status for cell in cells) for status in ("exact", "whole", "at least")}
    words = ", ".join(f"{count} {status}" for status, count in counts.items())
    return {"cells": len(cells), **counts}, f"{len(cells)} cells in {arguments.out}: {words}"


def verify(arguments):
    """Check a certificate that certify --out wrote, without the fast engine; exit status 1 if it is false or altered."""
    certificate = verify_certificate(arguments.certificate, progress=sys.stderr.isatty())
    architecture, rank = certificate.architecture, certificate.rank
    cut = ",".join(map(str, certificate.cut))
    report = {"valid": True, "rank": rank, "cut": cut, "prime": certificate.prime, "border": architecture.border}
    return report, (
        f"{architecture}\n\n"
        f"valid: rank ≥ {rank} for almost all weights, across the cut of patches {cut} from the rest\n"
        f"(exact modulo {certificate.prime})"
    )


def fetch(arguments):
    """Fetch a published data set into the cache, verify it and keep it as one array file; once is enough."""
    from convac_lib.experiments.sources import load  # here, since torch takes seconds to load

    dataset = load(arguments.name, progress=sys.stderr.isatty())
    return {"source": dataset.source, "digest": dataset.digest}, f"{dataset}\ndigest {dataset.digest}"


def check(arguments):
    """Tell what the cache of data sets holds, after reading and hashing all of it."""
    from convac_lib.experiments import cifar10  # here, since torch takes seconds to load

    report = cifar10.check(cifar10.OFFICIAL, cifar10.data_folder())
    lines = ["cifar10"]
    for what, found in report.items():
        lines.append(f"  {what:<8} {found['state']}: {found.get('why', found['path'])}")
        if "digest" in found:
            lines.append(f"  digest   {found['digest']}")
    return {"cifar10": report}, "\n".join(lines)


def sweep(arguments):
    """Train the experiments' ConvNets for every B, number of channels and seed; append a record of each to a file."""
    from convac_lib.experiments.cluster import workers
    from convac_lib.experiments.sources import load
    from convac_lib.experiments.sweep import points_of
    from convac_lib.experiments.sweep import sweep as run

    names = ("augment", "epochs", "batch_size", "learning_rate", "precision")
    settings = {name: getattr(arguments, name) for name in names}
    points = points_of(arguments.B, arguments.channels, arguments.seeds, **settings)
    progress = sys.stderr.isatty()
    dataset = load(arguments.data, progress=progress)
    with workers(arguments.scheduler, arguments.workers) as client:
        resources = {"GPU": 1} if arguments.gpu else None
        records = run(points, dataset, arguments.out, client=client, resources=resources, progress=progress)
    report = {"records": len(records), "out": arguments.out, "source": dataset.source, "digest": dataset.digest}
    return report, f"{len(records)} records of {dataset.source} in {arguments.out}"


def report(arguments):
    """Print the table of a sweep's records, and draw accuracy against channels and parameters, as PNG and SVG."""
    from convac_lib.experiments.records import read_records
    from convac_lib.experiments.report import by_protocol, rows_of
    from convac_lib.visuals import style
    from convac_lib.visuals.figures import sweep_figure

    records = read_records(arguments.records)
    if not records:
        raise DataError(f"{arguments.records} holds no record yet; write some with convac sweep")
    style.use()
    parts, texts = [], []
    for protocol, alike in by_protocol(records).items():
        rows, stem = rows_of(alike), os.path.splitext(arguments.records)[0]
        figures = [
            f"{stem}-{protocol.source}-{protocol.augment}-{protocol.epochs}.{ending}" for ending in ("png", "svg")
        ]
        for file in figures:
            sweep_figure(alike).savefig(file, dpi=200)
        parts.append(asdict(protocol) | {"networks": [asdict(row) for row in rows], "figures": figures})
        devices = ", ".join(sorted({record.device for record in alike}))
        texts.append("\n".join([f"{protocol}, on {devices}", _sweep_table(rows), f"drawn in {' and '.join(figures)}"]))
    return {"protocols": parts}, "\n\n".join(texts)


def _sweep_table(rows):
    lines = ["  B     C  parameters  seeds  accuracy (lowest to highest)   plain   test  seconds"]
    for row in rows:
        spread = f"{min(row.accuracies):6.1%} to {max(row.accuracies):6.1%}"
        mean = sum(row.accuracies) / len(row.accuracies)
        lines.append(
            f"{row.B:3}  {row.channels:4}  {row.parameters:10,}  {len(row.accuracies):5}  {mean:8.1%} ({spread})  "
            f"{row.train_accuracy:6.1%} {row.test_accuracy:6.1%}  {row.seconds:7,.0f}"
        )
    return "\n".join(lines)


def _architecture(arguments):
    """The `Architecture` that the words --B or --layers, --M, --size, --channels, --border and --unshared describe."""
    if (arguments.B is None) == (arguments.layers is None):
        raise ArchitectureError("give exactly one of --B, for the common case, and --layers")
    if arguments.layers is not None:
        if arguments.channels is not None:
            raise ArchitectureError("--channels goes with --B; with --layers each layer states its own, as in 3/1/2")
        layers = []
        for word in arguments.layers:
            layers.append(_layer(word, below=layers[-1].channels if layers else arguments.M))
    else:
        layers = common_case(arguments.B, arguments.M, arguments.size, arguments.channels).layers
    return Architecture(arguments.size, arguments.M, layers, arguments.border, not arguments.unshared)


def _layer(word, below):
    """3/1/2, or 2/2/pool for a weight-free layer, which keeps the channels below it."""
    *window, channels = word.split("/", 2)
    try:
        if channels == "pool":
            return Layer(*map(int, window), below, weight_free=True)
        return Layer(*map(int, window), int(channels))
    except (TypeError, ValueError) as error:
        if isinstance(error, ConvacError):
            raise
        raise ArchitectureError(
            f"{word!r} is not a layer; write receptive field/stride/channels, as in 3/1/2, "
            "or receptive field/stride/pool for product pooling without weights"
        ) from None


def _cut(word):
    """A cut's name, or patch numbers as in 0,1,4,5."""
    return [int(number) for number in word.split(",")] if word.replace(",", "").isdigit() else word


def _bounds_report(bounds):
    """Bounds for JSON: exact integers, their logarithms, their statements, and why one is null."""
    report = {name: None for name in bounds} | {"log2": {}, "statements": {}, "why": {}}
    for name, bound in bounds.items():
        if not isinstance(bound, Bound):
            report["why"][name] = str(bound)
            continue
        report["log2"][name] = bound.log2
        report["statements"][name] = bound.statement
        if bound.log2 < LARGEST_LOG2:
            report[name] = bound.value
        else:
            report["why"][name] = f"{bound.base}^{bound.exponent} is too large to write out; its log2 is given"
    return report


def _bounds_table(bounds):
    lines = []
    for name, bound in bounds.items():
        title = name.replace("_", " ").replace("non overlapping", "non-overlapping")
        if isinstance(bound, Bound):
            claim = f"rank {RELATIONS[name]} {bound}  [{bound.status}]"
        else:
            claim = f"does not apply: {bound}"
        lines.append(f"{title:<22} {claim}")
    return "\n".join(lines)


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"{self.prog}: {message}\n")


def _parser():
    output = _Parser(add_help=False)
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

    parser = _Parser(prog="convac", description="Exact ranks and bounds of overlapping architectures.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")

    def command(run, *examples, parents=(), group=commands):
        """A subcommand of the function's name, with its docstring for help."""
        one = group.add_parser(
            run.__name__,
            parents=parents,
            help=run.__doc__,
            description=run.__doc__,
            epilog="\n  ".join(["example:", *examples]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        one.set_defaults(run=run)
        return one

    one = command(
        describe,
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

    one = command(atlas, "convac atlas --sizes 4 8 --M 2 3 --B 1 2 3 --out atlas.csv", parents=[output])
    one.add_argument("--sizes", type=int, nargs="+", required=True, metavar="H", help="sides of the image, in patches")
    one.add_argument("--M", type=int, nargs="+", required=True, help="representation channels")
    one.add_argument("--B", type=int, nargs="+", required=True, help="receptive fields; 1 is without overlap")
    one.add_argument("--out", required=True, metavar="FILE", help="the atlas; a run again goes on where it was")

    one = command(verify, "convac verify certificate.json", parents=[output])
    one.add_argument("certificate", metavar="FILE", help="the certificate")

    about = "Fetch published data sets into the folder that CONVAC_DATA names, and check what is there."
    data = commands.add_parser("data", help=about, description=about)
    group = data.add_subparsers(required=True, metavar="COMMAND", dest="data_command")
    one = command(fetch, "convac data fetch cifar10", parents=[output], group=group)
    one.add_argument("name", choices=["cifar10"], help="the data set: cifar10")
    command(check, "convac data check", parents=[output], group=group)

    one = command(
        sweep,
        "convac sweep --data digits --B 1 2 3 --channels 4 8 16 --epochs 12 --out results/digits.jsonl",
        "convac sweep --data cifar10 --B 1 2 3 5 --channels 8 16 32 64 128 256 --augment spatial --epochs 300 "
        "--seeds 0 1 2 --out results/cifar10.jsonl",
        parents=[output],
    )
    one.add_argument("--data", required=True, help="digits, cifar10, or the path of a folder of images")
    one.add_argument("--B", type=int, nargs="+", required=True, help="receptive fields; 1 is without overlap")
    one.add_argument("--channels", type=int, nargs="+", required=True, metavar="C", help="channels of every layer")
    one.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="s", help="of the first weights (default: 0)")
    one.add_argument("--out", required=True, metavar="FILE", help="the records; a run again goes on where it was")
    one.add_argument("--augment", default="spatial", help="none, spatial or colour (default: spatial)")
    one.add_argument("--epochs", type=int, default=300, help="how often each image is seen (default: 300)")
    one.add_argument("--batch-size", type=int, default=128, metavar="N", help="images a step (default: 128)")
    one.add_argument("--learning-rate", type=float, default=1e-3, metavar="x", help="Adam's (default: 0.001)")
    one.add_argument("--precision", default="float32", help="float32 or bfloat16 (default: float32)")
    one.add_argument("--workers", type=int, help="processes on this machine (default: a core each; with a GPU, one)")
    one.add_argument("--scheduler", metavar="tcp://HOST:PORT", help="a Dask scheduler, whose workers train instead")
    one.add_argument("--gpu", action="store_true", help="only workers that were started with --resources GPU=1")

    one = command(report, "convac report results/cifar10.jsonl", parents=[output])
    one.add_argument("records", metavar="FILE", help="the records that convac sweep wrote")
    return parser


def main(words: list[str] | None = None) -> int:
    """Run one command and return its exit status.

    Args:
        words: the command line's words; those of the process if left out.
    """
    arguments = _parser().parse_args(words)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: print(f"convac: {message}", file=sys.stderr)
            report, text = arguments.run(arguments)
    except ConvacError as error:
        print(f"convac: {error}", file=sys.stderr)
        return 1 if isinstance(error, CertificateError) else 2
    except KeyboardInterrupt:
        print("convac: interrupted; nothing was written", file=sys.stderr)
        return 130
    try:
        print(json.dumps(report, indent=2) if arguments.json else text, flush=True)
    except BrokenPipeError:  # the reader, `head` for one, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
