"""Exact ranks over GF(p): a nonzero minor modulo p proves a rank for almost all real weights."""

from dataclasses import dataclass
from math import log2
from typing import Protocol

import numpy as np

from convac_lib.architecture import Architecture
from convac_lib.errors import ConvacError
from convac_lib.theory.bounds import Bound, bounds_of
from convac_lib.theory.certificates import (
    LARGEST_M,
    LARGEST_PRIME,
    LARGEST_RANK,
    LARGEST_SIZE,
    RankCertificate,
    packed,
    require_checkable,
)
from convac_lib.theory.circuits import Circuit, random_circuit
from convac_lib.theory.elimination import echelon
from convac_lib.theory.fields import DEFAULT_PRIME, require_prime, require_seed
from convac_lib.theory.filling import matricization
from convac_lib.theory.tensors import Cut, assignments, make_cut

LARGEST_WHOLE = 4096  # rows taken whole when no number is asked for
SAMPLED = 1024  # rows and columns sampled beyond, at least
LARGEST_SAMPLE = 8192  # and at most, where a bound asks for so many


class HasCircuit(Protocol):
    """What has the arithmetic of a network in it, such as a `ConvAC`."""

    def to_circuit(self) -> Circuit:
        """Return it."""


def rank_modulo(matrix: np.ndarray, prime: int = DEFAULT_PRIME) -> int:
    """Find the exact rank of an integer matrix over GF(p).

        rank over GF(p)  ≤  rank over the rationals

    Args:
        matrix: integers, of shape (m, n): a NumPy array, or a torch tensor on any device.
        prime: p, below 2⁶³; fastest below 2²³, near half that speed up to 2³¹, and by python-flint beyond.

    Returns:
        The rank, 0..min(m, n).

    Raises:
        ConvacError: if p is no prime, or the matrix is not two-dimensional or not of integers.

    Source: talk, "almost all functions": every minor is a polynomial in the weights. Chapter: *The overlap theorem*.

    >>> rank_modulo(np.array([[1, 2], [3, 6]])), rank_modulo(np.array([[1, 0], [0, 7]]), prime=7)
    (1, 1)
    """
    return echelon(matrix, prime)[0]


@dataclass(frozen=True)
class CertifiedRank:
    """An exact rank of (part of) a matricization, and all it takes to find it again.

    The rank over GF(p) of a network with weights drawn in GF(p): for almost all real weights, and so for almost all
    functions that the architecture realizes, the matricization's rank is at least this.

    Attributes:
        rank: the rank over GF(p) of the rows and columns taken.
        rows, columns: how many were taken.
        saturated: whether the rank is the largest that these rows and columns allow.
        full: whether they are the whole matricization.
        prime, seed, cut, border: of the computation.
    """

    rank: int
    rows: int
    columns: int
    saturated: bool
    full: bool
    prime: int
    seed: int
    cut: str
    border: str


def certify_rank(
    network: Architecture | Circuit | HasCircuit,
    cut: str | tuple[int, ...] | Cut = "left-right",
    *,
    rows: int | None = None,
    seed: int = 0,
    prime: int = DEFAULT_PRIME,
    progress: bool = False,
) -> CertifiedRank:
    """Prove that almost every function of a network has at least this rank across a cut.

        rank over GF(p) ≤ rank at those integer weights ≤ generic rank

    Args:
        network: an `Architecture`, whose weights are then drawn uniformly in GF(p) from the seed; or a `Circuit`, or
            what has one, such as a trained `ConvAC` above its representation, whose own weights are taken, real ones
            exactly modulo p.
        cut: what `make_cut` takes.
        rows: how many rows and columns to sample; left out, the whole matricization up to 4,096 a side, and beyond
            1,024 of each, or as many as it takes to attain a lower bound of up to 8,192.
        seed: draws the weights and the sample.
        prime: p; a circuit over GF(p) has its own.
        progress: whether to draw a progress bar on stderr.

    Returns:
        The `CertifiedRank`.

    Raises:
        ArchitectureError: if the network does not end in 1×1, or R < S in a layer.
        CutError: if the cut does not fit the image.
        ConvacError: if p is no prime, rows is not a whole number of at least 1, the seed is none of at least 0, or the
            real weights are to be taken modulo 2.

    Source: talk, slides "Overlapping Efficiency". Chapter: *The overlap theorem*.

    >>> from convac_lib import common_case
    >>> [certify_rank(common_case(B, M=2, size=4)).rank for B in (1, 2, 3)]
    [2, 64, 256]
    """
    return _find(network, cut, rows, seed, prime, progress)[0]


def issue(
    network: Architecture | Circuit | HasCircuit,
    cut: str | tuple[int, ...] | Cut = "left-right",
    *,
    rows: int | None = None,
    seed: int = 0,
    prime: int = DEFAULT_PRIME,
    progress: bool = False,
) -> tuple[CertifiedRank, RankCertificate]:
    """Find the rank that `certify_rank` finds, and write down a proof that `checker.verify` can check alone.

    Args:
        network: as for `certify_rank`; a `Circuit` needs one-hot templates.
        cut, rows, seed, prime, progress: as for `certify_rank`, with p at most 2³¹.

    Returns:
        The `CertifiedRank`, and the `RankCertificate` of its pivots.

    Raises:
        ConvacError: as `certify_rank` does, or if a certificate cannot state this network, the rank is 0, or checking
            the certificate would take more than an hour or so.

    Chapter: *The overlap theorem*.

    >>> from convac_lib import common_case
    >>> certified, certificate = issue(common_case(B=1, M=2, size=4))
    >>> certified.rank, certificate.rows, len(certificate.columns)
    (2, ('00', '01'), 2)
    """
    certified, circuit, cut, *pivots = _find(network, cut, rows, seed, prime, progress)
    architecture = circuit.architecture
    M = architecture.representation_channels
    if M > LARGEST_M or architecture.size > LARGEST_SIZE or certified.rank > LARGEST_RANK:
        raise ConvacError(
            f"a certificate holds at most {LARGEST_M} representation channels, size {LARGEST_SIZE} and rank "
            f"{LARGEST_RANK:,}, and this one would need {M}, {architecture.size} and {certified.rank:,}; certify fewer rows"
        )
    if circuit.prime > LARGEST_PRIME or (circuit.templates != np.eye(M, dtype=int)).any():
        raise ConvacError("a certificate states one-hot templates and a prime of at most 2^31; use those")
    if not certified.rank:
        raise ConvacError("the rank is 0, which leaves nothing to certify; use another border, or a larger prime")
    certificate = RankCertificate(
        architecture=architecture,
        cut=cut.rows,
        prime=circuit.prime,
        weights=tuple(tuple(weight.ravel().tolist()) for weight in circuit.weights),
        dense=tuple(circuit.dense[0].tolist()),
        rank=certified.rank,
        rows=tuple(packed(row, M) for row in pivots[0]),
        columns=tuple(packed(column, M) for column in pivots[1]),
        sampled=(certified.rows, certified.columns),
    )
    return certified, require_checkable(certificate)


def _find(network, cut, rows, seed, prime, progress):
    """The `CertifiedRank`, its circuit and cut, and the assignments of the pivots: (rank, |P|) and (rank, |Q|)."""
    if rows is not None and (not isinstance(rows, int) or rows < 1):
        raise ConvacError(f"rows must be a whole number of at least 1, not {rows!r}")
    if isinstance(network, Architecture):
        network.require_patches_read().require_single_output()  # before weights are drawn
        network = random_circuit(network, seed=seed, prime=require_prime(prime))
    elif not isinstance(network, Circuit):
        network = network.to_circuit()
    if network.prime is None:
        network = network.modulo(prime)
    architecture = network.architecture
    M = architecture.representation_channels
    cut = make_cut(cut, architecture.size)
    sides = [M ** len(cut.rows), M ** len(cut.columns)]
    limit = rows or (LARGEST_WHOLE if max(sides) <= LARGEST_WHOLE else _enough(architecture, cut))
    generator = np.random.default_rng([require_seed(seed), 1])
    chosen = [_sample(M, len(part), limit, generator) for part in (cut.rows, cut.columns)]
    matrix = matricization(network, cut, *chosen, progress=progress)
    rank, *pivots = echelon(matrix, network.prime, progress=progress)
    certified = CertifiedRank(
        rank=rank,
        rows=matrix.shape[0],
        columns=matrix.shape[1],
        saturated=rank == min(matrix.shape),
        full=list(matrix.shape) == sides,
        prime=network.prime,
        seed=seed,
        cut=cut.name,
        border=architecture.border,
    )
    return certified, network, cut, *(digits[pivot] for digits, pivot in zip(chosen, pivots))


def _enough(architecture, cut):
    """As many rows as it takes to attain every lower bound that is within reach."""
    bounds = bounds_of(architecture, cut)
    lower = (bounds[name] for name in ("theorem", "common_case"))
    claims = (bound.value for bound in lower if isinstance(bound, Bound) and bound.log2 <= log2(LARGEST_SAMPLE))
    return max([SAMPLED, *claims])


def _sample(base, length, limit, generator):
    """All Mⁿ assignments if they are at most the limit; else that many distinct ones."""
    if base**length <= limit:
        return assignments(base, length)
    drawn = np.empty((0, length), int)
    while len(drawn) < limit:
        drawn = np.concatenate([drawn, generator.integers(0, base, (limit, length))])
        drawn = drawn[np.sort(np.unique(drawn, axis=0, return_index=True)[1])]
    return drawn[:limit]
