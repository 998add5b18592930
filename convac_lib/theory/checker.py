"""Check a rank certificate without the fast engine: by the slide's formula in 64-bit words, and FLINT's determinant.

An accepted certificate is proved, whoever wrote or edited it: its circuit has a k×k minor that is not 0 modulo p.
"""

from functools import reduce
from itertools import product
from pathlib import Path

import numpy as np
from flint import ctx, nmod_mat

from convac_lib.errors import CertificateError
from convac_lib.theory.certificates import RankCertificate, load
from convac_lib.theory.checker_costs import THREADS, TILE, require_checkable
from convac_lib.theory.circuits import Circuit
from convac_lib.theory.cuts import Cut
from convac_lib.theory.parallel import stage, thread_pool


def verify(path: str | Path, *, progress: bool = False) -> RankCertificate:
    """Recompute a certificate's minor, and return the certificate if its claim holds.

        det ⟦A⟧_{P|Q}[rows, columns] ≠ 0 (mod p)   →   rank ≥ k for almost all weights

    Args:
        path: the file of a certificate, whoever wrote it.
        progress: whether to draw progress bars on stderr.

    Returns:
        The `RankCertificate`, whose claim is then proved.

    Raises:
        CertificateError: if the digest does not match the content, or the minor is 0 modulo p.
        ConvacError: if the file is not a certificate, or checking it would take too much time or memory.

    Chapter: *The overlap theorem*.
    """
    certificate = load(path)
    require_checkable(certificate.architecture, certificate.cut, certificate.rank, "certify fewer rows")
    circuit, (cut, rows, columns), k = certificate.circuit(), certificate.parts(), certificate.rank
    minor = np.empty((k, k), np.int64)

    def fill(corner: tuple[int, ...]) -> None:
        r, c = (slice(start, start + side) for start, side in zip(corner, TILE))
        minor[r, c] = entries(circuit, cut, rows[r], columns[c])

    corners = list(product(*(range(0, k, side) for side in TILE)))
    with stage("computing entries", len(corners), "tile", shown=progress) as advance, thread_pool(THREADS) as pool:
        for _ in pool.map(fill, corners):
            advance(1)
    if not is_nonsingular(minor, certificate.prime, progress=progress):
        raise CertificateError(f"the certificate is false: its {k}×{k} minor is 0 modulo {certificate.prime}")
    return certificate


def entries(circuit: Circuit, cut: Cut, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The grid tensor at every row and column, (m, n); a window's values have the shape (C, m or 1, n or 1)."""
    assert circuit.prime is not None and circuit.templates is not None  # `RankCertificate.circuit` gives both
    plan, p, word = circuit.architecture, circuit.prime, np.uint64
    templates, constants = circuit.templates.T.astype(word), {"ones": 1, "zero": 0}
    x = {divmod(patch, plan.size): templates[:, digits, None] for patch, digits in zip(cut.rows, rows.T)}
    x |= {divmod(patch, plan.size): templates[:, None, digits] for patch, digits in zip(cut.columns, columns.T)}
    for layer, size, weight in zip(plan.layers, plan.sizes, (weight.astype(word) for weight in circuit.weights)):
        y, edge = {}, constants.get(plan.border)
        outside = None if edge is None else np.full((weight.shape[-3], 1, 1), edge, word)
        for u, v in product(range(size), repeat=2):
            own, factors = weight[u, v] if weight.ndim == 6 else weight, dict[tuple[int, ...], np.ndarray]()  # by shape
            for i, j in product(range(layer.receptive_field), repeat=2):
                if (patch := x.get((u * layer.stride + i, v * layer.stride + j), outside)) is not None:
                    z = linear(own[:, :, i, j], patch, p)
                    factors[z.shape] = residues(factors[z.shape] * z, p) if z.shape in factors else z
            y[u, v] = reduce(lambda a, b: residues(a * b, p), factors.values())
        x = y
    return linear(circuit.dense[:1].astype(word), x[0, 0], p)[0, :]


def linear(weight: np.ndarray, x: np.ndarray, p: int) -> np.ndarray:
    """Σ_d weight[c, d] · x[d] modulo p ≤ 2³¹, exact in words: (2³¹ − 1) + 4 · (2³¹ − 1)² is below 2⁶⁴."""
    total = weight[:, 0, None, None] * x[0]
    for d in range(1, len(x)):
        total = (total if d % 4 else residues(total, p)) + weight[:, d, None, None] * x[d]
    return residues(total, p)


def residues(x: np.ndarray, p: int) -> np.ndarray:
    """Words modulo p, in place: NumPy divides by one number in half the time that its remainders take."""
    quotients = x // p
    x -= np.multiply(quotients, p, out=quotients)
    return x


def is_nonsingular(matrix: np.ndarray, prime: int, *, progress: bool = False) -> bool:
    """Whether a square matrix of integers is invertible modulo p, by FLINT, which the engine uses for no p up to 2³¹.

    >>> is_nonsingular(np.array([[0, 2], [3, 1]]), prime=7), is_nonsingular(np.array([[1, 2], [3, 6]]), prime=7)
    (True, False)
    """
    k = len(matrix)
    with stage("computing the determinant", 1, "minor", shown=progress):
        copy = nmod_mat(k, k, prime)
        for i, row in enumerate(matrix):
            for j, entry in enumerate(row.tolist()):
                copy[i, j] = entry
        before, ctx.threads = ctx.threads, THREADS
        try:
            return bool(copy.det())
        finally:
            ctx.threads = before
