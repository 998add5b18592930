"""Check a rank certificate with nothing of the fast engine: the slide's formula in integers, and plain elimination.

What is accepted is proved, whoever wrote it: on the rows and columns listed, the circuit stated has a k×k minor that is
not 0 modulo p. An edit with a new digest is another certificate, which stands or falls by its own claim.
"""

from functools import reduce
from itertools import product
from pathlib import Path

import numpy as np

from convac_lib.errors import CertificateError
from convac_lib.theory.certificates import CACHED, THREADS, TILE, RankCertificate, load, require_checkable
from convac_lib.theory.circuits import Circuit
from convac_lib.theory.cuts import Cut
from convac_lib.theory.parallel import stage, workers


def verify(path: str | Path, *, progress: bool = False) -> RankCertificate:
    """Recompute a certificate's minor and return the certificate if its claim holds.

        det ⟦A⟧_{P|Q}[rows, columns] ≠ 0 (mod p)   →   rank ≥ k for almost all weights

    Args:
        path: a file that `RankCertificate.save` or anyone wrote.
        progress: whether to draw progress bars on stderr.

    Returns:
        The `RankCertificate`, its claim proved.

    Raises:
        CertificateError: if the digest is not that of the rest, or the minor is 0 modulo p.
        ConvacError: if the file is no certificate, or checking it would take too much time or memory.

    Chapter: *The overlap theorem*.
    """
    certificate = require_checkable(load(path))
    circuit, (cut, rows, columns), k = certificate.circuit(), certificate.parts(), certificate.rank
    minor = np.empty((k, k), np.int64)

    def fill(corner):
        r, c = (slice(start, start + side) for start, side in zip(corner, TILE))
        minor[r, c] = entries(circuit, cut, rows[r], columns[c])

    corners = list(product(*(range(0, k, side) for side in TILE)))
    with stage("computing entries", len(corners), "tile", shown=progress) as advance, workers(THREADS) as pool:
        for _ in pool.map(fill, corners):
            advance(1)
    if not is_nonsingular(minor, circuit.prime, progress=progress):
        raise CertificateError(f"the certificate is false: its {k}×{k} minor is 0 modulo {circuit.prime}")
    return certificate


def entries(circuit: Circuit, cut: Cut, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The grid tensor at every row and column, (m, n): a window's values are kept as (C, m or 1, n or 1), as they vary."""
    plan, p, templates = circuit.architecture, circuit.prime, circuit.templates.T
    x = {divmod(patch, plan.size): templates[:, digits, None] for patch, digits in zip(cut.rows, rows.T)}
    x |= {divmod(patch, plan.size): templates[:, None, digits] for patch, digits in zip(cut.columns, columns.T)}
    for layer, size, weight in zip(plan.layers, plan.sizes, circuit.weights):
        y, constant = {}, np.full((weight.shape[-3], 1, 1), int(plan.border == "ones"))
        outside = constant if plan.border in ("ones", "zero") else None
        for u, v in product(range(size), repeat=2):
            own, factors = weight[u, v] if weight.ndim == 6 else weight, {}  # a product for those that vary alike
            for i, j in product(range(layer.receptive_field), repeat=2):
                patch = x.get((u * layer.stride + i, v * layer.stride + j), outside)
                if patch is not None:
                    z = linear(own[:, :, i, j], patch, p)
                    factors[z.shape] = factors.get(z.shape, 1) * z % p
            y[u, v] = reduce(lambda a, b: a * b % p, factors.values(), np.ones((layer.channels, 1, 1), int))
        x = y
    return linear(circuit.dense[:1], x[0, 0], p)[0]


def linear(weight: np.ndarray, x: np.ndarray, p: int) -> np.ndarray:
    """Σ_d weight[c, d] · x[d] modulo p ≤ 2³¹: below 2⁶², and so exact in int64."""
    return reduce(lambda total, d: (total + weight[:, d, None, None] * x[d]) % p, range(len(x)), 0)


def is_nonsingular(matrix: np.ndarray, prime: int, *, progress: bool = False) -> bool:
    """Whether a square matrix of residues 0..p−1, p ≤ 2³¹, is invertible modulo p; the matrix is used up.

    >>> is_nonsingular(np.array([[0, 2], [3, 1]]), prime=7), is_nonsingular(np.array([[1, 2], [3, 6]]), prime=7)
    (True, False)
    """
    with stage("eliminating rows", len(matrix), "row", shown=progress) as advance:
        while len(matrix):
            j = matrix[0].argmax()
            if not matrix[0, j]:
                return False
            matrix[:, [0, j]] = matrix[:, [j, 0]]
            factors = matrix[1:, :1] * pow(int(matrix[0, 0]), -1, prime) % prime
            pivot, matrix = matrix[0, 1:], matrix[1:, 1:]
            few = max(1, CACHED // max(1, len(matrix)))
            for start in range(0, len(matrix), few):
                part = slice(start, start + few)
                matrix[part] = (matrix[part] - factors[part] * pivot) % prime  # above −2⁶²
            advance(1)
    return True
