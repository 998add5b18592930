"""Rank certificates as files: written whole, and read with suspicion; `checker` says whether one is true."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from functools import reduce
from math import prod
from pathlib import Path

import numpy as np

from convac_lib.architecture import BORDERS, LARGEST_LAYERS, Architecture, Layer
from convac_lib.budget import require_memory
from convac_lib.errors import CertificateError, ConvacError, DataError, shown
from convac_lib.files import read, replace, telling
from convac_lib.theory.circuits import Circuit, weight_shapes
from convac_lib.theory.costs import levels
from convac_lib.theory.fields import require_prime
from convac_lib.theory.tensors import Cut, make_cut

FORMAT = "convac rank certificate 1"
LARGEST_FILE = 2**24  # bytes
LARGEST_NUMBER = 2**12  # a receptive field, a stride or channels
LARGEST_M, LARGEST_SIZE, LARGEST_RANK, LARGEST_PRIME = 64, 64, 2**13, 2**31
TILE, THREADS = (64, 256), 2  # rows and columns that a thread checks at once
LARGEST_WORK, LARGEST_HELD = 2**40, 2**28  # products modulo p, about an hour; numbers at once, 2 GiB
CALL, CACHED = 2**13, 2**15  # products in the time of a call of NumPy; numbers that stay in a core's cache
KEYS = (
    "format", "size", "representation_channels", "layers", "border", "shared", "cut", "prime", "weights", "dense",
    "rank", "rows", "columns", "sampled", "digest",
)  # fmt: skip


@dataclass(frozen=True)
class RankCertificate:
    """A claim that stands alone: a circuit over GF(p), a cut, and rows and columns whose minor is not 0 modulo p.

    Its consequence: for almost all weights, the architecture's matricization across the cut has at least this rank.

    Attributes:
        architecture: the `Architecture`; its templates are one-hot.
        cut: the patches of P, increasing.
        prime: p, at most 2³¹.
        weights: of every layer, in the shape that `weight_shapes` gives, flat, in 0..p−1.
        dense: a, of length C_L.
        rank: k.
        rows, columns: k assignments each of templates to the patches of P and of Q, as `packed` writes them.
        sampled: how many rows and columns they were found among; information that no checker can prove.

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

    def document(self) -> dict:
        """All of the certificate, and its digest, as what JSON holds."""
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

    def circuit(self) -> Circuit:
        """The circuit that the certificate states."""
        shapes = weight_shapes(self.architecture)
        weights = tuple(np.array(numbers).reshape(shape) for numbers, shape in zip(self.weights, shapes))
        return Circuit(self.architecture, weights, np.array([self.dense]), self.prime)

    def parts(self) -> tuple[Cut, np.ndarray, np.ndarray]:
        """The cut, and the template numbers of the rows, (k, |P|), and of the columns, (k, |Q|)."""
        cut, M = make_cut(self.cut, self.architecture.size), self.architecture.representation_channels
        words = ((self.rows, cut.rows), (self.columns, cut.columns))
        return cut, *(np.array([unpacked(word, M, len(side)) for word in some]) for some, side in words)

    def save(self, path: str | Path) -> None:
        """Write the certificate, whole or not at all; its folder is made if it is missing.

        Raises:
            DataError: if the file cannot be written.
            ConvacError: if it would be larger than `load` reads.
        """
        text = json.dumps(self.document(), separators=(",", ":")).encode() + b"\n"
        if len(text) > LARGEST_FILE:
            raise ConvacError(
                f"a certificate may have {LARGEST_FILE:,} bytes, and this one has {len(text):,}; certify fewer rows, or a "
                "smaller network"
            )
        with telling("write", path):
            replace(path, text)


def packed(templates: Iterable[int], M: int) -> str:
    """Write an assignment of templates 0..M−1 to patches as one number, each a digit in base M, in hexadecimal.

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


def digest_of(document: dict) -> str:
    """SHA-256, in hexadecimal, over the canonical JSON (sorted keys, no spaces) of all of a document but its digest."""
    rest = {key: value for key, value in document.items() if key != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def load(path: str | Path) -> RankCertificate:
    """Read a certificate that may come from anyone, and check its form and digest, not its claim.

    Args:
        path: a JSON file of at most 16 MiB.

    Returns:
        The `RankCertificate`.

    Raises:
        DataError: if the file cannot be read or is no certificate of this format.
        CertificateError: if the digest is not that of the rest.
        ArchitectureError: if the layers make no network that ends in 1×1.
        CutError: if the patches make no cut.

    Chapter: *The overlap theorem*.
    """
    document = _read(path)
    _require(isinstance(document, dict) and set(document) == set(KEYS), f"its keys must be {', '.join(KEYS)}")
    _require(document["format"] == FORMAT, f"its format must be {FORMAT!r}")
    try:
        altered = document["digest"] != digest_of(document)
    except RecursionError:
        raise DataError("this is not a certificate: its lists are too deep") from None
    if altered:
        raise CertificateError("the certificate was altered: its digest is not that of the rest")

    size, M, prime, rank = (document[key] for key in ("size", "representation_channels", "prime", "rank"))
    _require(_whole(size, 1, LARGEST_SIZE), f"its size must be an integer from 1 to {LARGEST_SIZE}")
    _require(_whole(M, 1, LARGEST_M), f"its representation channels must be an integer from 1 to {LARGEST_M}")
    _require(_whole(prime, 2, LARGEST_PRIME), "its prime must be an integer from 2 to 2^31")
    _require(_whole(rank, 1, LARGEST_RANK), f"its rank must be an integer from 1 to {LARGEST_RANK}")
    layers = document["layers"]
    _require(
        not isinstance(layers, list) or len(layers) <= LARGEST_LAYERS, f"it may have at most {LARGEST_LAYERS:,} layers"
    )
    _require(
        isinstance(layers, list)
        and all(isinstance(layer, list) and len(layer) == 4 and type(layer[3]) is bool for layer in layers)
        and all(_wholes(layer[:3], 1, LARGEST_NUMBER) for layer in layers),
        "its layers must be [receptive field, stride, channels, whether weight-free], the numbers from 1 to "
        f"{LARGEST_NUMBER}",
    )
    _require(document["border"] in BORDERS, f"its border must be one of {', '.join(BORDERS)}")
    _require(type(document["shared"]) is bool, "whether its weights are shared must be true or false")
    architecture = Architecture(size, M, [Layer(*layer) for layer in layers], document["border"], document["shared"])
    architecture.require_patches_read().require_single_output()

    patches = document["cut"]
    _require(
        _wholes(patches, 0, size**2 - 1) and patches == sorted(set(patches)),
        "its cut must be the numbers of the patches of one side, increasing",
    )
    cut = make_cut(patches, size)
    sides = [M ** len(part) for part in (cut.rows, cut.columns)]
    sampled = document["sampled"]
    _require(
        _wholes(sampled, rank, max(sides), 2) and all(few <= side for few, side in zip(sampled, sides)),
        "what it sampled must be two numbers, from its rank to the sides of the matricization",
    )
    weights, counts = document["weights"], list(map(prod, weight_shapes(architecture)))
    _require(
        isinstance(weights, list)
        and len(weights) == len(counts)
        and all(_wholes(numbers, 0, prime - 1, count) for numbers, count in zip(weights, counts))
        and _wholes(document["dense"], 0, prime - 1, architecture.channels[-1]),
        "its weights must be integers below its prime, as many as each layer has",
    )
    for name, part in (("rows", cut.rows), ("columns", cut.columns)):
        words, most = document[name], M ** len(part) - 1
        _require(
            isinstance(words, list) and len(words) == rank and all(_is_packed(word, most) for word in words),
            f"its {name} must be as many as its rank, each a number below {M}^{len(part)} in hexadecimal",
        )
    return RankCertificate(
        architecture=architecture,
        cut=cut.rows,
        prime=prime,
        weights=tuple(map(tuple, weights)),
        dense=tuple(document["dense"]),
        rank=rank,
        rows=tuple(document["rows"]),
        columns=tuple(document["columns"]),
        sampled=tuple(sampled),
    )


def require_statable(network: Architecture | Circuit, prime: int) -> None:
    """Raise `ConvacError` if no certificate can state a network, whatever its rank: before any work on one."""
    plan = network if isinstance(network, Architecture) else network.architecture
    M, size = plan.representation_channels, plan.size
    if M > LARGEST_M or size > LARGEST_SIZE:
        raise ConvacError(
            f"a certificate holds at most {LARGEST_M} representation channels and size {LARGEST_SIZE}, and this network "
            f"has {shown(M)} and {shown(size)}; use a smaller network, or certify without a certificate"
        )
    largest = max(max(layer.receptive_field, layer.channels) for layer in plan.layers)
    if largest > LARGEST_NUMBER:
        raise ConvacError(
            f"a certificate holds receptive fields and channels of at most {LARGEST_NUMBER:,}, and this network has "
            f"{shown(largest)}; use a smaller network, or certify without a certificate"
        )
    one_hot = isinstance(network, Architecture) or (network.templates == np.eye(M, dtype=int)).all()
    if require_prime(getattr(network, "prime", None) or prime) > LARGEST_PRIME or not one_hot:
        raise ConvacError("a certificate states one-hot templates and a prime of at most 2^31; use those")
    numbers = sum(map(prod, weight_shapes(plan)))
    if 2 * numbers > LARGEST_FILE:  # each is a digit and a comma at least
        raise ConvacError(
            f"a certificate holds all {numbers:,} weights in at most {LARGEST_FILE:,} bytes; use a smaller network, or "
            "certify without a certificate"
        )


def require_checkable(certificate: RankCertificate) -> RankCertificate:
    """Return a certificate; raise `DataError` if checking it would take more than an hour or so, or too much memory."""
    require_work(certificate.architecture, certificate.cut, certificate.rank, "certify fewer rows")
    return certificate


def require_work(architecture: Architecture, cut: tuple[int, ...], k: int, smaller: str) -> None:
    """Refuse a k×k minor whose check would take more than an hour or so, or too much memory."""
    work, held = cost_of(architecture, cut, k)
    if work > LARGEST_WORK or held > LARGEST_HELD:
        raise DataError(
            f"checking this certificate would take {work:.1e} products and {held:.1e} numbers at once; "
            f"the limits are {LARGEST_WORK:.1e} and {LARGEST_HELD:.1e}, so {smaller}"
        )
    require_memory(8 * held, "checking this certificate", "check it on a machine with more memory")


def cost_of(architecture: Architecture, cut: tuple[int, ...], k: int) -> tuple[float, int]:
    """Estimate the products modulo p that a k×k minor takes to evaluate and eliminate, and the numbers held at once.

    What varies over rows and columns is found once a pair; what varies over either, once a tile.
    """
    reads = sum((layer.receptive_field * size) ** 2 for layer, size in zip(architecture.layers, architecture.sizes))
    if reads * CALL > LARGEST_WORK:  # before each is looked at
        return float(reads * CALL), k**2
    tiles, work, most = prod(-(-k // side) for side in TILE), k**3 / 3, 0
    counted = levels(architecture, make_cut(cut, architecture.size))
    for level, C, d in zip(counted, architecture.channels[1:], architecture.channels):
        work += k**2 * C * (level.straddling_reads * (d + 1) + 2 * level.straddling)
        work += tiles * d * level.reads * (CALL + C * max(TILE))
        most = max(most, C * (level.straddling * prod(TILE) + level.positions * max(TILE)))
    return work, k**2 + 3 * THREADS * most  # the layer below, its products and this one


def _read(path):
    """The JSON of a file, without what JSON leaves open: two values a key, fractions, NaN, endless numbers or depth."""
    with telling("read", path, missing="write it with convac certify --out"):
        data = read(path, LARGEST_FILE)
    try:
        text = data.decode("utf-8-sig")  # an editor's byte order mark changes nothing
        return json.loads(text, object_pairs_hook=_distinct, parse_float=_no_number, parse_constant=_no_number)
    except DataError:
        raise
    except (ValueError, RecursionError):  # a number of over 4,300 digits is a ValueError too
        raise DataError("this is not a certificate: it is not JSON, or too deep, or holds a number too long") from None


def _distinct(pairs):
    _require(len(dict(pairs)) == len(pairs), "it gives a key twice")
    return dict(pairs)


def _no_number(word):
    _require(False, f"{word[:20]} is not an integer")


def _is_packed(word, most):
    digits = len(f"{most:x}")
    return isinstance(word, str) and re.fullmatch(f"[0-9a-f]{{{digits}}}", word) and int(word, 16) <= most


def _whole(value, low, high):
    return type(value) is int and low <= value <= high  # True is an int too


def _wholes(values, low, high, count=None):
    return (
        isinstance(values, list)
        and (count is None or len(values) == count)
        and all(_whole(value, low, high) for value in values)
    )


def _require(held, rule):
    if not held:
        raise DataError(f"this is not a certificate: {rule}")
