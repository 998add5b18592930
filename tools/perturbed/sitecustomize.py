"""Multiply every weight that is drawn by 1 ± 1e-6, in each Python that has this folder in PYTHONPATH.

PERTURBATION, an integer, seeds the signs. The wrapped functions draw no other random numbers than without this file.
"""

import os
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from types import ModuleType
from typing import ClassVar

SIZE = 1e-6
SEED = int(os.environ.get("PERTURBATION", "0"))


def wrap_torch(module: ModuleType) -> None:
    """Perturb what `torch.nn.init` draws; every network of the library is drawn by these three functions."""
    import torch

    def wrap(draw):
        def perturbed(tensor, *args, **options):
            draw(tensor, *args, **options)
            if tensor.is_meta:
                return tensor
            signs = torch.randint(2, tensor.shape, generator=torch.Generator().manual_seed(SEED)) * 2 - 1
            with torch.no_grad():
                return tensor.mul_((1 + SIZE * signs.double()).to(tensor))

        return perturbed

    for name in ("normal_", "uniform_", "kaiming_uniform_"):
        setattr(module, name, wrap(getattr(module, name)))


def wrap_circuits(module: ModuleType) -> None:
    """Perturb the real weights that `random_circuit` draws; those over GF(p) are integers."""
    from dataclasses import replace

    import numpy as np

    draw = module.random_circuit

    def perturbed(architecture, *, prime=None, **options):
        circuit = draw(architecture, prime=prime, **options)
        if prime is not None:
            return circuit
        generator = np.random.default_rng(SEED)

        def change(weight):
            return weight * (1 + SIZE * generator.choice([-1, 1], weight.shape))

        weights = tuple(
            weight if layer.weight_free else change(weight)
            for layer, weight in zip(architecture.layers, circuit.weights)
        )
        return replace(circuit, weights=weights, dense=change(circuit.dense))

    perturbed.__doc__ = draw.__doc__
    module.random_circuit = perturbed


class Perturb(MetaPathFinder):
    """Finds the modules that draw weights, and changes each as soon as it is loaded."""

    CHANGES: ClassVar = {"torch.nn.init": wrap_torch, "convac_lib.theory.circuits": wrap_circuits}

    def find_spec(self, name, path=None, target=None):
        spec = PathFinder.find_spec(name, path) if name in self.CHANGES else None
        if spec is not None:
            execute = spec.loader.exec_module

            def execute_and_change(module):
                execute(module)
                self.CHANGES[name](module)

            spec.loader.exec_module = execute_and_change
        return spec


sys.meta_path.insert(0, Perturb())
