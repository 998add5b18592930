"""Rank certificates as files: written atomically, and read as untrusted data; `checker` decides whether one is true."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from functools import reduce
from math import prod
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from convac_lib.architecture import Architecture, Layer
from convac_lib.errors import CertificateError, ConvacError, DataError, shown
from convac_lib.files import read, replace, telling
from convac_lib.theory.certificate_rules import (
    FORMAT,
    FORMAT_RULE,
    KEYS,
    LARGEST_FILE,
    LARGEST_M,
    LARGEST_NUMBER,
    LARGEST_PRIME,
    LARGEST_SIZE,
    PLAN_RULES,
    claim_rules,
    cut_rule,
    refusal,
    require,
)
from convac_lib.theory.circuits import Circuit
from convac_lib.theory.cuts import Cut, make_cut
from convac_lib.theory.fields import require_prime
from convac_lib.theory.weights import weight_shapes


@dataclass(frozen=True)
class RankCertificate:
    """A self-contained claim: a circuit over GF(p), a cut, and rows and columns whose minor is not 0 modulo p.

    It follows that for almost all weights the architecture's matricization across the cut has at least this rank.

    Attributes:
        architecture: the `Architecture`; its templates are one-hot.
        cut: the increasing numbers of the patches of P.
        prime: p, at most 2³¹.
        weights: one flat tuple of numbers 0..p−1 per layer, of the shape that `weight_shapes` gives.
        dense: a, of length C_L.
        rank: k.
        rows, columns: k assignments of templates to the patches of P, and k to those of Q, as `packed` writes them.
        sampled: the numbers of rows and columns among which they were found, which no checker can prove.

    Chapter: *The overlap theorem*.
    """

    architecture: Architecture
    cut: tuple[int, ...]
    prime: int
    weights: tuple[tuple[int, ...], ...]
    dense: tuple[int, ...]
    rank: int
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    sampled: tuple[int, int]

    def document(self) -> dict[str, Any]:
        """The certificate and its digest as an object of JSON."""
        document = {
            "format": FORMAT,
            "size": self.architecture.size,
            "representation_channels": self.architecture.representation_channels,
            "layers": [list(astuple(layer)) for layer in self.architecture.layers],
            "border": self.architecture.border,
            "shared": self.architecture.shared,
            "cut": list(self.cut),
            "prime": self.prime,
            "weights": [list(numbers) for numbers in self.weights],
            "dense": list(self.dense),
            "rank": self.rank,
            "rows": list(self.rows),
            "columns": list(self.columns),
            "sampled": list(self.sampled),
        }
        return document | {"digest": digest_of(document)}

    @property
    def claim(self) -> str:
        """What the certificate claims, as a statement."""
        cut = ",".join(map(str, self.cut))
        return f"rank ≥ {self.rank} for almost all weights, across the cut of patches {cut} from the rest"

    def circuit(self) -> Circuit:
        """The circuit that the certificate describes."""
        shapes = weight_shapes(self.architecture)
        weights = tuple(np.array(numbers).reshape(shape) for numbers, shape in zip(self.weights, shapes))
        return Circuit(self.architecture, weights, np.array([self.dense]), self.prime)

    def parts(self) -> tuple[Cut, np.ndarray, np.ndarray]:
        """The cut, and the template numbers of the rows, (k, |P|), and of the columns, (k, |Q|)."""
        cut, M = make_cut(self.cut, self.architecture.size), self.architecture.representation_channels
        rows = np.array([unpacked(word, M, len(cut.rows)) for word in self.rows])
        columns = np.array([unpacked(word, M, len(cut.columns)) for word in self.columns])
        return cut, rows, columns

    def save(self, path: str | Path) -> None:
        """Write the certificate atomically, and make its folder if it is missing.

        Raises:
            DataError: if the file cannot be written.
            ConvacError: if it would be larger than the 16 MiB that `load` reads.
        """
        text = json.dumps(self.document(), separators=(",", ":")).encode() + b"\n"
        if len(text) > LARGEST_FILE:
            raise ConvacError(
                f"a certificate may have {LARGEST_FILE:,} bytes, and this one has {len(text):,}; certify fewer rows, "
                "or a smaller network"
            )
        with telling("write", path):
            replace(path, text)


def packed(templates: Iterable[int], M: int) -> str:
    """Write an assignment of templates 0..M−1 to patches as one hexadecimal number, whose digits in base M they are.

    >>> packed([1, 0, 0, 1, 0], M=2), unpacked("12", M=2, patches=5)
    ('12', [1, 0, 0, 1, 0])
    """
    templates = list(templates)
    number = reduce(lambda number, digit: number * M + int(digit), templates, 0)
    return f"{number:0{len(f'{M ** len(templates) - 1:x}')}x}"


def unpacked(word: str, M: int, patches: int) -> list[int]:
    """Read an assignment of templates to patches that `packed` wrote."""
    number, digits = int(word, 16), []
    for _ in range(patches):
        number, digit = divmod(number, M)
        digits.append(digit)
    return digits[::-1]


def digest_of(document: dict[str, Any]) -> str:
    """SHA-256, in hexadecimal, of a document without its digest, as canonical JSON (sorted keys, no spaces)."""
    rest = {key: value for key, value in document.items() if key != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def load(path: str | Path) -> RankCertificate:
    """Read a certificate from an untrusted file, and check its form and its digest, but not its claim.

    Args:
        path: a JSON file of at most 16 MiB.

    Returns:
        The `RankCertificate`.

    Raises:
        DataError: if the file cannot be read, or is not a certificate of this format.
        CertificateError: if the digest does not match the content.
        ArchitectureError: if the layers make no network that ends in 1×1.
        CutError: if the patches make no cut.

    Chapter: *The overlap theorem*.
    """
    document = _read(path)
    require(document, PLAN_RULES)
    size, M, border, shared = (document[key] for key in ("size", "representation_channels", "border", "shared"))
    architecture = Architecture(size, M, tuple(Layer(*layer) for layer in document["layers"]), border, shared)
    architecture.require_patches_read().require_single_output()
    require(document, [cut_rule(size)])
    cut = make_cut(document["cut"], size)
    require(document, claim_rules(architecture, cut, document["prime"], document["rank"]))
    return RankCertificate(
        architecture=architecture,
        cut=cut.rows,
        prime=document["prime"],
        weights=tuple(map(tuple, document["weights"])),
        dense=tuple(document["dense"]),
        rank=document["rank"],
        rows=tuple(document["rows"]),
        columns=tuple(document["columns"]),
        sampled=tuple(document["sampled"]),
    )


def require_statable(network: Architecture | Circuit, prime: int) -> None:
    """Raise `ConvacError` if no certificate can describe a network, whatever its rank, before any work on one."""
    plan = network if isinstance(network, Architecture) else network.architecture
    M, size = plan.representation_channels, plan.size
    smaller = "use a smaller network, or certify without a certificate"
    if M > LARGEST_M or size > LARGEST_SIZE:
        raise ConvacError(
            f"a certificate holds at most {LARGEST_M} representation channels and size {LARGEST_SIZE}, and this "
            f"network has {shown(M)} and {shown(size)}; {smaller}"
        )
    largest = max(max(layer.receptive_field, layer.channels) for layer in plan.layers)
    if largest > LARGEST_NUMBER:
        raise ConvacError(
            f"a certificate holds receptive fields and channels of at most {LARGEST_NUMBER:,}, and this network has "
            f"{shown(largest)}; {smaller}"
        )
    templates = None if isinstance(network, Architecture) else network.templates
    one_hot = templates is None or np.array_equal(templates, np.eye(M, dtype=int))
    if require_prime(getattr(network, "prime", None) or prime) > LARGEST_PRIME or not one_hot:
        raise ConvacError("a certificate holds one-hot templates and a prime of at most 2^31; use those")
    numbers = sum(map(prod, weight_shapes(plan)))
    if 2 * numbers > LARGEST_FILE:  # each takes at least a digit and a comma
        raise ConvacError(f"a certificate holds all {numbers:,} weights in at most {LARGEST_FILE:,} bytes; {smaller}")


def _read(path: str | Path) -> dict[str, Any]:
    """Parse strict JSON with the keys of a certificate, this format and the right digest."""
    with telling("read", path, missing="write it with convac certify --out"):
        data = read(path, LARGEST_FILE)
    try:
        text = data.decode("utf-8-sig")  # an editor may have added a byte order mark
        document = json.loads(text, object_pairs_hook=_distinct, parse_float=_no_number, parse_constant=_no_number)
    except DataError:
        raise
    except (ValueError, RecursionError):  # a number of over 4,300 digits raises a ValueError too
        raise refusal("it is not JSON, or is nested too deeply, or holds a number that is too long") from None
    if not isinstance(document, dict) or set(document) != set(KEYS):
        raise refusal(f"its keys must be {', '.join(KEYS)}")
    require(document, [FORMAT_RULE])
    try:
        digest = digest_of(document)
    except RecursionError:
        raise refusal("its lists are nested too deeply") from None
    if document["digest"] != digest:
        raise CertificateError("the certificate was altered: its digest does not match its content")
    return document


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise refusal("it gives a key twice")
    return dict(pairs)


def _no_number(word: str) -> NoReturn:
    raise refusal(f"{word[:20]} is not an integer")
