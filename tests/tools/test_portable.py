"""The tool that runs the chapters as other processors would: it sets what it says, and it tells what failed."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PORTABLE = runpy.run_path(str(ROOT / "tools/portable.py"), run_name="portable")
WEIGHTS = """
import json, torch
from convac_lib import ConvAC, ConvNet, common_case, random_circuit
from torch.nn.utils import parameters_to_vector

torch.manual_seed(0)
seeded = torch.Generator().manual_seed(0)
networks = ConvNet(common_case(2, 1, 8, 4), 10, 1, generator=seeded), ConvAC(common_case(2, 2, 4), generator=seeded)
drawn = torch.cat([parameters_to_vector(network.parameters()) for network in networks]).double().tolist()
real, modular = (random_circuit(common_case(2, 2, 4), seed=0, prime=prime) for prime in (None, 101))
drawn += [*real.weights[0].ravel().tolist(), *real.dense.ravel().tolist()]
print(json.dumps([drawn, modular.weights[0].tolist(), torch.rand(4).tolist()]))
"""


def test_a_setting_replaces_what_the_environment_says(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("MKL_CBWR", "AVX2")
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    known = PORTABLE["settings"]()
    native = PORTABLE["environment_of"](known["native"])
    assert "OMP_NUM_THREADS" not in native and "MKL_CBWR" not in native
    assert native["PYTHONPATH"].split(os.pathsep) == [str(ROOT), "elsewhere"]
    assert PORTABLE["environment_of"](known["2 threads"]) == native | {"OMP_NUM_THREADS": "2"}
    perturbed = PORTABLE["environment_of"](known["weights, seed 0"])
    assert perturbed["PYTHONPATH"].split(os.pathsep)[0] == str(ROOT / "tools/perturbed")


def test_every_real_weight_is_perturbed_and_nothing_else():
    def drawn(name):
        environment = PORTABLE["environment_of"](PORTABLE["settings"]()[name])
        command = [sys.executable, "-c", WEIGHTS]
        return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)

    weights, *others = drawn("native")
    signs = []
    for name in ("weights, seed 0", "weights, seed 1"):
        perturbed, *same = drawn(name)
        assert same == others  # integers modulo p, and what torch's own generator draws next
        changes = [new - old for new, old in zip(perturbed, weights, strict=True)]  # of numbers below 4
        assert max(map(abs, changes)) < 1e-5 and sum(change != 0 for change in changes) > 0.9 * len(changes)
        signs.append([change > 0 for change in changes])
    assert signs[0] != signs[1]


def test_it_tells_what_failed_and_counts_what_passed(tmp_path):
    file = tmp_path / "test_a.py"
    file.write_text("def test_right():\n    assert True\n\ndef test_wrong():\n    assert 1 == 2, 'so'\n", "utf-8")
    (failure,), passed = PORTABLE["run"](PORTABLE["environment_of"]({}), [file], 1)
    assert passed == 1 and "test_wrong" in failure and "so" in failure
    with pytest.raises(SystemExit, match="pytest ended with status 5"):  # no such file: nothing was tested
        PORTABLE["run"](PORTABLE["environment_of"]({}), [tmp_path / "test_b.py"], 1)


def test_the_tests_in_floating_point_are_found_by_what_they_name():
    names = {path.name for path in PORTABLE["targets"](quick=False)}
    assert {"cifar-experiments.ipynb", "convac_lib", "test_training.py", "test_analysis.py"} <= names
    assert {path.suffix for path in PORTABLE["targets"](quick=True)} == {".ipynb"}
