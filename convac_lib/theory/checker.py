"""Check a rank certificate with nothing of the fast engine: the reference circuit, pair by pair, and plain elimination.

What is accepted is proved, whoever wrote it: the circuit stated has, on the rows and columns listed, a k×k minor that is
not 0 modulo p. The digest finds an edit by whoever did not recompute it. An edit with a new digest is another
certificate: it is rejected exactly if its own claim is not borne out.
"""

from pathlib import Path

import numpy as np

from convac_lib.architecture import Architecture
from convac_lib.errors import CertificateError, DataError
from convac_lib.theory.certificates import RankCertificate, load

LARGEST_WORK = 2**39  # products modulo p: about an hour
LARGEST_BATCH = 2**26  # numbers held at once: 512 MiB
CACHED = 2**15  # numbers that stay in a core's cache


def verify(path: str | Path) -> RankCertificate:
    """Recompute a certificate's minor and return the certificate if its claim holds.

        det ⟦A⟧_{P|Q}[rows, columns] ≠ 0 (mod p)   →   rank ≥ k for almost all weights

    Args:
        path: a file that `RankCertificate.save` or anyone wrote.

    Returns:
        The `RankCertificate`, its claim proved.

    Raises:
        CertificateError: if the digest is not that of the rest, or the minor is 0 modulo p.
        ConvacError: if the file is no certificate, or checking it would take too much time or memory.

    Chapter: *The overlap theorem*.
    """
    certificate = load(path)
    k, prime = certificate.rank, certificate.prime
    work, batch = cost_of(certificate.architecture, k)
    if work > LARGEST_WORK or batch > LARGEST_BATCH:
        raise DataError(
            f"checking this certificate would take {work:.1e} products and {batch:.1e} numbers at once; "
            f"the limits are {LARGEST_WORK:.1e} and {LARGEST_BATCH:.1e}, so certify fewer rows"
        )
    if not is_nonsingular(minor_of(certificate), prime):
        raise CertificateError(
            f"the certificate is false: the {k}×{k} minor of its rows and columns is 0 modulo {prime}"
        )
    return certificate


def cost_of(architecture: Architecture, k: int) -> tuple[int, int]:
    """How many products a k×k minor takes to evaluate and eliminate, and the numbers held at once."""
    work, batch, side = k**3 // 3, k**2, architecture.size
    for layer, d, outputs in zip(architecture.layers, architecture.channels, architecture.sizes):
        reached = max(side, (outputs - 1) * layer.stride + layer.receptive_field)
        work += k**2 * layer.channels * d * (layer.receptive_field * outputs) ** 2
        batch = max(batch, 4 * k * d * reached**2, 4 * k * layer.channels * outputs**2)  # a layer holds about 4 copies
        side = outputs
    return work, batch


def minor_of(certificate: RankCertificate) -> np.ndarray:
    """The entries of the matricization on a certificate's rows and columns, pair by pair: shape (k, k)."""
    circuit, (cut, rows, columns) = certificate.circuit(), certificate.parts()
    digits = np.empty((len(columns), certificate.architecture.size**2), np.intp)
    digits[:, cut.columns] = columns
    minor = np.empty((len(rows), len(columns)), np.int64)
    for i, row in enumerate(rows):
        digits[:, cut.rows] = row
        minor[i] = circuit.at_templates(digits)[0]
    return minor


def is_nonsingular(matrix: np.ndarray, prime: int) -> bool:
    """Whether a square matrix of residues 0..p−1, p ≤ 2³¹, is invertible modulo p; the matrix is used up.

    >>> is_nonsingular(np.array([[0, 2], [3, 1]]), prime=7), is_nonsingular(np.array([[1, 2], [3, 6]]), prime=7)
    (True, False)
    """
    while len(matrix):
        j = (matrix[0] != 0).argmax()
        if not matrix[0, j]:
            return False
        matrix[:, [0, j]] = matrix[:, [j, 0]]
        factors = matrix[1:, :1] * pow(int(matrix[0, 0]), -1, prime) % prime
        pivot, matrix = matrix[0, 1:], matrix[1:, 1:]
        few = max(1, CACHED // max(1, len(matrix)))
        for start in range(0, len(matrix), few):
            part = matrix[start : start + few]
            part -= factors[start : start + few] * pivot  # above −2⁶²
            part %= prime
    return True
