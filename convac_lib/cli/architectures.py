"""The commands about architectures: describe, certify, atlas, verify."""

import os
import re
import sys
from dataclasses import asdict
from importlib import import_module
from itertools import product

from convac_lib.architecture import Architecture, Layer
from convac_lib.errors import ArchitectureError, BudgetError, ConvacError, CutError, shown
from convac_lib.families import common_case
from convac_lib.files import require_place
from convac_lib.theory.atlas import extend_atlas, read_atlas
from convac_lib.theory.bound import Bound
from convac_lib.theory.bounds import BOUNDS, bounds_of
from convac_lib.theory.checker import verify as verify_certificate
from convac_lib.theory.cuts import make_cut
from convac_lib.theory.ranks import certify_rank, issue_certificate, require_draws

LARGEST_DRAWS = 10_000
LARGEST_DIGITS = 40  # of a patch's number
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
    from convac_lib.networks.tracing.network import from_torch  # here, since torch takes seconds to load

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
    except (Exception, SystemExit) as error:  # whatever the factory's own code raises
        reason = str(error).partition("\n")[0]
        raise ArchitectureError(
            f"{word} gave no model ({type(error).__name__}: {reason}); name a module that can be imported from here, "
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
        {key: _number(value) for key, value in asdict(layer).items()}
        | {"total_receptive_field": _number(field), "total_stride": _number(stride), "output_size": size}
        for layer, field, stride, size in zip(
            architecture.layers, architecture.total_receptive_fields, architecture.total_strides, architecture.sizes
        )
    ]
    report = {
        "layers": layers,
        "overlapping": architecture.is_overlapping,
        "parameters": _number(architecture.parameters),
        "bounds": _bounds_report(bounds),
    }
    return report, _bounds_table(bounds)


def certify(arguments):
    """Compute an exact rank of the network's matricization across a cut, with weights drawn in GF(p)."""
    architecture = _architecture(arguments)
    cut, draws = make_cut(_cut(arguments.cut or "left-right"), architecture.size), []
    if (count := len(arguments.seed) * len(arguments.prime)) > LARGEST_DRAWS:
        raise BudgetError(
            f"at most {LARGEST_DRAWS:,} draws may be asked for at once, not {count:,}; give fewer seeds or primes"
        )
    require_draws(architecture, cut, arguments.rows, arguments.seed, arguments.prime)
    if arguments.out is not None:
        require_place(arguments.out)  # before the work, which may be long
    for seed, prime in product(arguments.seed, arguments.prime):
        options = {"rows": arguments.rows, "seed": seed, "prime": prime, "progress": sys.stderr.isatty()}
        draw = (
            issue_certificate(architecture, cut, **options)
            if arguments.out
            else (certify_rank(architecture, cut, **options), None)
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
    extend_atlas(arguments.out, arguments.sizes, arguments.M, arguments.B, progress=sys.stderr.isatty())
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
            f"{shown(word)} is not a layer; write receptive field/stride/channels, as in 3/1/2, "
            "or receptive field/stride/pool for product pooling without weights"
        ) from None


def _cut(word):
    """A cut's name, or patch numbers as in 0,1,4,5."""
    if not re.fullmatch("[0-9]+(,[0-9]+)*", word):
        return word
    if (longest := max(map(len, word.split(",")))) > LARGEST_DIGITS:
        raise CutError(
            f"a patch's number may have {LARGEST_DIGITS} digits, and one here has {longest:,}; use smaller ones"
        )
    return [int(number) for number in word.split(",")]


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
            report["why"][name] = f"{bound.power} is too large to write out; its log2 is given"
    return report


def _number(value):
    """An integer for JSON, or null beyond what most readers of JSON take."""
    return value if value.bit_length() <= LARGEST_LOG2 else None


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
