"""Exact ranks over GF(p): a nonzero minor modulo p proves a rank for almost all real weights."""

from dataclasses import dataclass
from math import log2
from typing import Protocol

import numpy as np

from convac_lib.architecture import Architecture
from convac_lib.budget import require_memory, require_time
from convac_lib.checks import require_integers
from convac_lib.errors import BudgetError, ConvacError, HypothesisError
from convac_lib.theory.assembly import matricization
from convac_lib.theory.bounds import talk_bound, theorem
from convac_lib.theory.certificate_rules import LARGEST_RANK
from convac_lib.theory.certificates import RankCertificate, packed, require_statable
from convac_lib.theory.chain import chain
from convac_lib.theory.checker_costs import require_checkable
from convac_lib.theory.circuits import Circuit, random_circuit
from convac_lib.theory.costs import ELIMINATED, FLINT, require_affordable
from convac_lib.theory.cuts import Cut, CutLike, make_cut
from convac_lib.theory.elimination import echelon
from convac_lib.theory.fields import DEFAULT_PRIME, require_prime, require_seed
from convac_lib.theory.min_cut import min_cut_upper
from convac_lib.theory.parallel import stage
from convac_lib.theory.tensors import assignments, count_assignments

LARGEST_WHOLE = 4096  # rows and columns up to which a matricization is taken whole, if no number is given
SAMPLED = 1024  # rows and columns that are sampled of a larger one, at least
LARGEST_SAMPLE = 8192  # and at most, where a bound needs them


class HasCircuit(Protocol):
    """A network that contains a `Circuit`, such as a `ConvAC`.

    Chapter: *The overlap theorem*.
    """

    def to_circuit(self) -> Circuit:
        """Return the circuit."""


Network = Architecture | Circuit | HasCircuit  # of which a rank can be certified


def rank_modulo(matrix: np.ndarray, prime: int = DEFAULT_PRIME) -> int:
    """Find the exact rank of an integer matrix over GF(p).

        rank over GF(p)  ≤  rank over the rationals

    Args:
        matrix: integers, of shape (m, n): a NumPy array, or a torch tensor on any device.
        prime: p, below 2⁶³; fastest below 2²³, near half that speed up to 2³¹, and by python-flint beyond.

    Returns:
        The rank, 0..min(m, n).

    Raises:
        ConvacError: if p is not a prime, or the matrix is not two-dimensional or not of integers.
        BudgetError: if this takes more memory than is free, or too much time.

    Source: talk, "almost all functions": every minor is a polynomial in the weights. Chapter: *The overlap theorem*.

    >>> rank_modulo(np.array([[1, 2], [3, 6]])), rank_modulo(np.array([[1, 0], [0, 7]]), prime=7)
    (1, 1)
    """
    require_prime(prime)
    if getattr(matrix, "ndim", None) == 2:
        (m, n), python = matrix.shape, prime > 2**31
        what, smaller = f"the rank of a {m:,}×{n:,} matrix", "take some of its rows and columns"
        if isinstance(matrix, np.ndarray):
            require_memory(m * n * (160 if python else 12), what, smaller)
        require_time(m * n * min(m, n) / ELIMINATED * (FLINT if python else 1), what, smaller)
    return echelon(matrix, prime)[0]


@dataclass(frozen=True)
class CertifiedRank:
    """An exact rank of (part of) a matricization, and everything needed to find it again.

    The rank over GF(p) of a network with weights drawn in GF(p): for almost all real weights, and so for almost all
    functions that the architecture realizes, the matricization's rank is at least this.

    Attributes:
        rank: the rank over GF(p) of the rows and columns taken.
        rows, columns: the numbers of rows and columns taken.
        saturated: whether the rank is the largest that these rows and columns allow.
        full: whether they are the whole matricization.
        prime, seed, cut, border: of the computation.

    Chapter: *The overlap theorem*.
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
    network: Network,
    cut: CutLike = "left-right",
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
            a network that contains one, such as a trained `ConvAC` above its representation. These keep their own
            weights, and real weights are taken exactly modulo p.
        cut: what `make_cut` takes.
        rows: how many rows and columns to sample. If left out, the whole matricization is taken up to 4,096 rows and
            columns; of a larger one 1,024 of each, or as many as it takes to attain a bound, up to 8,192.
        seed: draws the weights and the sample.
        prime: p; a circuit over GF(p) has its own.
        progress: whether to draw a progress bar on stderr.

    Returns:
        The `CertifiedRank`.

    Raises:
        ArchitectureError: if the network does not end in 1×1, or R < S in a layer.
        CutError: if the cut does not fit the image.
        ConvacError: if p is not a prime, rows is not an integer of at least 1, the seed is not an integer of at least
            0, or real weights are to be taken modulo 2.
        BudgetError: if it takes more memory than is free, or by an estimate more than 6 hours.

    Source: talk, slides "Overlapping Efficiency". Chapter: *The overlap theorem*.

    >>> from convac_lib import common_case
    >>> [certify_rank(common_case(B, M=2, size=4)).rank for B in (1, 2, 3)]
    [2, 64, 256]
    """
    return _find(network, cut, rows, seed, prime, progress).certified


def issue_certificate(
    network: Network,
    cut: CutLike = "left-right",
    *,
    rows: int | None = None,
    seed: int = 0,
    prime: int = DEFAULT_PRIME,
    progress: bool = False,
) -> tuple[CertifiedRank, RankCertificate]:
    """Find the rank that `certify_rank` finds, and write a proof that `checker.verify` can check independently.

    Args:
        network: as for `certify_rank`; a `Circuit` needs one-hot templates.
        cut: as for `certify_rank`.
        rows: as for `certify_rank`.
        seed: as for `certify_rank`.
        prime: as for `certify_rank`, and at most 2³¹.
        progress: as for `certify_rank`.

    Returns:
        The `CertifiedRank`, and the `RankCertificate` of its pivots.

    Raises:
        ConvacError: as `certify_rank` does, or if a certificate cannot state this network, the rank is 0, or checking
            the certificate would take more than an hour or so.

    Chapter: *The overlap theorem*.

    >>> from convac_lib import common_case
    >>> certified, certificate = issue_certificate(common_case(B=1, M=2, size=4))
    >>> certified.rank, certificate.rows, len(certificate.columns)
    (2, ('00', '01'), 2)
    """
    network = _stated(network)
    plan = network if isinstance(network, Architecture) else network.architecture
    cut = make_cut(cut, plan.require_patches_read().require_single_output().size)
    require_statable(network, prime)
    require_checkable(plan, cut.rows, 1, "use smaller windows or a smaller image")
    found = _find(network, cut, rows, seed, prime, progress)
    certified, circuit, M = found.certified, found.circuit, plan.representation_channels
    if certified.rank > LARGEST_RANK:
        raise ConvacError(
            f"a certificate holds a rank of at most {LARGEST_RANK:,}, and this one is {certified.rank:,}; "
            "certify fewer rows"
        )
    if not certified.rank:
        raise ConvacError("the rank is 0, which leaves nothing to certify; use another border, or a larger prime")
    certificate = RankCertificate(
        architecture=circuit.architecture,
        cut=found.cut.rows,
        prime=certified.prime,
        weights=tuple(tuple(weight.ravel().tolist()) for weight in circuit.weights),
        dense=tuple(circuit.dense[0].tolist()),
        rank=certified.rank,
        rows=tuple(packed(row, M) for row in found.rows),
        columns=tuple(packed(column, M) for column in found.columns),
        sampled=(certified.rows, certified.columns),
    )
    require_checkable(plan, cut.rows, certified.rank, "certify fewer rows")
    return certified, certificate


@dataclass(frozen=True, eq=False)
class _Found:
    """A certified rank, with its circuit, its cut, and the assignments of its pivots: (rank, |P|) and (rank, |Q|)."""

    certified: CertifiedRank
    circuit: Circuit
    cut: Cut
    rows: np.ndarray
    columns: np.ndarray


def _find(network: Network, cut: CutLike, rows: int | None, seed: int, prime: int, progress: bool) -> _Found:
    """Find what `certify_rank` returns, and all that a certificate of it states."""
    require_seed(seed)
    require_rows(rows)
    network = _stated(network)
    plan = network if isinstance(network, Architecture) else network.architecture
    prime = require_prime(_own_prime(network) or prime)
    plan.require_patches_read().require_single_output()
    cut, M = make_cut(cut, plan.size), plan.representation_channels
    limit = rows or _rows(plan, cut)
    require_affordable(
        plan, cut, count_assignments(M, cut.sides[0], limit), count_assignments(M, cut.sides[1], limit), prime
    )
    if isinstance(network, Architecture):
        with stage("drawing weights", 1, "network", shown=progress):
            circuit = random_circuit(plan, seed=seed, prime=prime)
    else:
        circuit = network.modulo(prime) if network.prime is None else network
    generator = np.random.default_rng([seed, 1])
    on_rows, on_columns = (sample(M, len(part), limit, generator) for part in (cut.rows, cut.columns))
    matrix = matricization(circuit, cut, on_rows, on_columns, progress=progress)
    rank, pivot_rows, pivot_columns = echelon(matrix, prime, progress=progress)
    certified = CertifiedRank(
        rank=rank,
        rows=matrix.shape[0],
        columns=matrix.shape[1],
        saturated=rank == min(matrix.shape),
        full=all(count_assignments(M, patches, limit + 1) <= limit for patches in cut.sides),
        prime=prime,
        seed=seed,
        cut=cut.name,
        border=plan.border,
    )
    return _Found(certified, circuit, cut, on_rows[pivot_rows], on_columns[pivot_columns])


def _stated(network: Network) -> Architecture | Circuit:
    return network if isinstance(network, Architecture | Circuit) else network.to_circuit()


def _own_prime(network: Architecture | Circuit) -> int | None:
    return network.prime if isinstance(network, Circuit) else None


def require_rows(rows: int | None) -> None:
    """Raise `ConvacError` unless a number of rows is left out, or an integer of at least 1."""
    if rows is not None:
        require_integers(rows=rows)


def require_draws(architecture: Architecture, cut: Cut, rows: int | None, seeds: list[int], primes: list[int]) -> None:
    """Before the first draw, refuse what `certify_rank` would refuse of any of these draws, or all of them together.

    Raises:
        ConvacError: as `certify_rank` does.
        BudgetError: if all draws would take more than 6 hours, by an estimate.
    """
    for seed in seeds:
        require_seed(seed)
    for prime in primes:
        require_prime(prime)
    require_rows(rows)
    architecture.require_patches_read().require_single_output()
    M, limit = architecture.representation_channels, rows or _rows(architecture, cut)
    m, n = (count_assignments(M, patches, limit) for patches in cut.sides)
    require_affordable(architecture, cut, m, n, max(primes), draws=len(seeds) * len(primes))


def _rows(architecture: Architecture, cut: Cut) -> int:
    """Choose all rows up to 4,096; beyond, as many as it takes to attain the bounds if they are near.

    A rank that attains the upper bound is exact, though the rows were sampled.
    """
    M = architecture.representation_channels
    if max(count_assignments(M, patches, LARGEST_WHOLE + 1) for patches in cut.sides) <= LARGEST_WHOLE:
        return LARGEST_WHOLE
    wanted = [SAMPLED]
    for bound in (theorem, talk_bound, chain, min_cut_upper):
        try:
            found = bound(architecture, cut)
        except (HypothesisError, BudgetError):
            continue
        if found.log2 <= log2(LARGEST_SAMPLE):
            wanted.append(enough_rows(found.value) if found.relation == "≤" else found.value)
    return max(rows for rows in wanted if rows <= LARGEST_SAMPLE)


def enough_rows(rank: int) -> int:
    """Choose how many rows and columns to sample so that a rank of this size shows, if the matrix has it.

    Random rows of a matrix may be dependent where the whole matrix has further ones, so it takes more rows than rank.
    """
    return 2 * rank + 200


def sample(base: int, length: int, limit: int, generator: np.random.Generator) -> np.ndarray:
    """Return all Mⁿ assignments if they are at most the limit; otherwise as many distinct ones as the limit."""
    if count_assignments(base, length, limit + 1) <= limit:
        return assignments(base, length)
    drawn = np.empty((0, length), int)
    while len(drawn) < limit:
        drawn = np.concatenate([drawn, generator.integers(0, base, (limit, length))])
        first: dict[bytes, int] = {}
        for place, row in enumerate(drawn):
            first.setdefault(row.tobytes(), place)
        drawn = drawn[list(first.values())]
    return drawn[:limit]
