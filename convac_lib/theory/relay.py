"""The theorem's one network, layer by layer: how its units hand two one-hots on, compare them, and multiply."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from convac_lib.families import common_case
from convac_lib.theory.bounds import theorem
from convac_lib.theory.convolution import generalized_convolution
from convac_lib.theory.receptive_fields import minimal_windows
from convac_lib.theory.witness import Witness, theorem_witness

Unit = tuple[int, int]  # row and column in a layer


@dataclass(frozen=True, eq=False)
class Relay:
    """What every layer of the theorem's witness holds when its pairs of patches show certain templates.

    Attributes:
        witness: the network and its pairs of patches.
        windows: t_1, …, t_K, the shrunk windows.
        values: the channels of the image and of every layer, of shapes (C_l, H_l, H_l), and of the output, (1, 1, 1).
        left, far: the unit of the image and of every layer, up to the output, that holds the one-hot of the marked
            pair's left patch, and of its far patch; from layer K on, they are the same unit.
        equal: whether the patches of the marked pair show the same template.

    Chapter: *The overlap theorem*.
    """

    witness: Witness
    windows: tuple[int, ...]
    values: tuple[np.ndarray, ...]
    left: tuple[Unit, ...]
    far: tuple[Unit, ...]
    equal: bool

    @property
    def K(self) -> int:
        """The layer that compares."""
        return len(self.windows)

    @property
    def last(self) -> int:
        """The number of the layers, L."""
        return len(self.values) - 2

    def part(self, step: int) -> str:
        """Return the part of the proof that a step belongs to: 3a to 3d, or nothing."""
        if step == 0 or step > self.last > self.K:
            return ""
        return "3a" if step < self.K else "3b" if step == self.K else "3c" if step == self.K + 1 else "3d"

    def rows(self, step: int) -> dict[str, tuple[Unit, slice]]:
        """Name the channels that matter at a step: the unit that holds each row of them, and their numbers."""
        D, left, far = self.witness.D, self.left[step], self.far[step]
        if step < self.K:
            return {"left": (left, slice(0, D)), "far": (far, slice(D, 2 * D) if step else slice(0, D))}
        return {"both": (left, slice(0, D))} if step == self.K else {"value": (left, slice(0, 1))}

    def holds(self, step: int) -> dict[str, list[int]]:
        """Return the values of these channels, by name."""
        values = self.values[step]
        return {
            name: [int(value) for value in values[channels, row, column]]
            for name, ((row, column), channels) in self.rows(step).items()
        }


@cache
def relay_of(B: int, M: int, size: int, *, equal: bool) -> Relay:
    """Evaluate the witness of the common case layer by layer, and follow one pair of patches upward.

    Args:
        B: the receptive field of the stride-1 layers.
        M: representation channels; the layers have 2M.
        size: H, the side of the image.
        equal: whether the pair followed shows the same template at both ends; all other pairs do.

    Returns:
        The `Relay`.

    Chapter: *The overlap theorem*.

    >>> relay = relay_of(B=2, M=2, size=8, equal=True)
    >>> relay.left, relay.far[:4]
    (((2, 2), (2, 2), (1, 1), (1, 1), (0, 0), (0, 0), (0, 0), (0, 0)), ((2, 6), (2, 5), (1, 2), (1, 1)))
    """
    architecture = common_case(B, M, size, channels=2 * M)
    witness, K = theorem_witness(architecture), theorem(architecture).layer
    assert K is not None  # the theorem names its layer
    windows = minimal_windows(architecture, K, size // 2)
    assert windows is not None  # layer K sees more than half
    step, followed = architecture.total_strides[K - 1], (len(witness.left) - 1) // 2
    shown = np.array([sum(divmod(patch, size)) // step % witness.D for patch in witness.left])
    shown[followed] = witness.D - 1
    digits = np.zeros(size * size, int)
    digits[list(witness.left)] = digits[list(witness.right)] = shown
    if not equal:
        digits[witness.right[followed]] = 0
    values = [np.eye(M, dtype=int)[:, digits].reshape(M, size, size)]
    for layer, weight in zip(architecture.layers, witness.circuit.weights):
        values.append(generalized_convolution(values[-1], weight, layer.stride, prime=witness.circuit.prime))
    values.append(witness.circuit(values[0]).reshape(1, 1, 1))
    left = [divmod(witness.left[followed], size)]
    for layer in architecture.layers:
        left.append((left[-1][0] // layer.stride, left[-1][1] // layer.stride))
    left.append((0, 0))
    far = left[K:]
    for layer, t in zip(architecture.layers[K - 1 :: -1], windows[::-1]):
        far.insert(0, (far[0][0] * layer.stride, far[0][1] * layer.stride + t - 1))
    return Relay(witness, windows, tuple(values), tuple(left), tuple(far), equal)
