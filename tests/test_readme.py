"""A newcomer's path: every command of README.md is executed, here on a small scale or by a test that is named here."""

import doctest
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import types
import urllib.request
from pathlib import Path

import pytest

from convac_lib.__main__ import main

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PROGRAM = re.compile(r"([A-Z_]+=\S+ )?(make|source|git|py|python3?|pip|pytest|jupyter|jupyter-book|convac|dask)( |$)")
needs_bash = pytest.mark.skipif(
    os.name == "nt" or not all(map(shutil.which, ("bash", "make", "git"))), reason="needs bash, make and git"
)

FIT = {"--channels 4 8 16": "--channels 2", "--channels 16 32": "--channels 2", "--B 1 2 3 ": "--B 1 ",
       "--seeds 0 1 2": "--seeds 0", "--epochs 12": "--epochs 1", "--epochs 30": "--epochs 1"}  # fmt: skip
CIFAR10 = {"--data cifar10": "--data digits", "--B 1 2 3 5": "--B 1", "--channels 8 16 32 64 128 256": "--channels 2",
           "--epochs 300": "--epochs 1", "--seeds 0 1 2": "--seeds 0"}  # fmt: skip

# What is executed as the README has it, or with other sizes.
CONVAC = {
    "convac --version": {},
    "convac --help": {},
    "convac describe --B 3 --M 2 --size 8": {},
    "convac describe --model mypackage.models:net --input-size 3 224 224": {},
    "convac describe --model mynet.py:net": {"mynet.py:net": "mynet.py:net --input-size 1 8 8"},
    "convac certify --B 2 --M 2 --size 4 --json": {},
    "convac certify --B 3 --M 3 --size 4 --out rank.json --rows 500": {"--M 3": "--M 2", "500": "50"},
    "convac verify rank.json": {},
    "convac certify --B 2 --M 2 --size 4 --seed 0 1 2 --prime 8388593 2147483647": {},
    "convac atlas --sizes 4 8 16 --M 2 3 4 --B 1 2 3 4 5 --out results/atlas.csv": {
        "4 8 16": "2 4", "--M 2 3 4": "--M 2", "1 2 3 4 5": "1 2",
    },
    "convac compare --cases 5000 --out results/bounds.csv": {"5000": "5"},
    "convac sweep --data digits --B 1 2 3 --channels 4 8 16 --epochs 12 --seeds 0 1 2 --out results/digits.jsonl": FIT,
    "convac report results/digits.jsonl": {},
    "convac sweep --data cifar10 --B 1 2 3 5 --channels 8 16 32 64 128 256 --augment spatial --epochs 300 "
    "--seeds 0 1 2 --out results/cifar10.jsonl": CIFAR10,
    "convac report results/cifar10.jsonl": {},
}  # fmt: skip
MACHINES = [
    "dask scheduler &",
    "OMP_NUM_THREADS=1 dask worker tcp://localhost:8786 --nworkers 2 --nthreads 1 &",
    (
        "convac sweep --scheduler tcp://localhost:8786 --data digits --B 1 2 3 --channels 16 32 --epochs 30 "
        "--out results/digits.jsonl"
    ),
]
ADDRESS = [
    "make address URL=https://github.com/owner/name",
    'git commit --all --message "Publish at owner/name"',
    "git tag v0.1.0",
    "git push origin HEAD v0.1.0",
    "make address URL=none",
    "make address",
]
SERVE = "python -m http.server --directory _build/html"

BUILD = "book/test_pages.py::test_every_page_is_built"
PRINT = "book/test_pages.py::test_the_printed_book_has_numbered_pages_links_and_no_clipped_code"
LAB = "book/test_jupyterlab.py::test_a_link_leads_to_its_statement"
STUDENT = "tools/test_student_edition.py::test_the_book_has_an_edition_of_every_chapter"
PINS = "test_repository.py::test_the_pins_are_exact_and_satisfy_the_library"
NBVAL = "test_repository.py::test_a_chapter_is_tested_from_its_own_folder_and_by_one_worker"
EXTRAS = "test_package.py::test_every_extra_brings_what_the_library_asks_of_it"
SERVED = "test_readme.py::test_a_folder_of_pages_is_served"
INSTALL = "test_readme.py::test_the_library_installs_without_the_book"
VENV = "test_readme.py::test_an_environment_is_made_and_entered"
# What make would run, and the test that runs it.
MAKE = {
    "make book": ("python tools/build_book.py . --all -W -n --keep-going", BUILD),
    "make read": ("python -m http.server --bind 127.0.0.1 --directory _build/html 8000", SERVED),
    "make test": ("python -m pytest --nbval --numprocesses auto --maxprocesses 4", NBVAL),
    "make lab": ("python -m jupyterlab book/intro.ipynb", LAB),
    "make pdf": ("python tools/print_book.py", PRINT),
    "make downloads": (
        "python3 tools/downloads.py",
        "tools/test_publishing.py::test_the_site_offers_the_files_that_there_are_and_no_others",
    ),
    "make student": ("python tools/student_edition.py", STUDENT),
}
# What another test runs, or one below.
ELSEWHERE = {
    "py -3.12 -m venv .venv": VENV,
    "python3 -m venv .venv": VENV,
    r".venv\Scripts\activate": VENV,
    "source .venv/bin/activate": VENV,
    "python -m pip install -r requirements.txt": PINS,
    "python -m pip install --no-deps --no-build-isolation --editable .": INSTALL,
    "python -m pip install .": INSTALL,
    'python -m pip install ".[experiments,fast]"': EXTRAS,
    'pip install "convac-lib[networks]"': EXTRAS,
    "pip install dask-jobqueue": "test_readme.py::test_the_program_for_slurm_runs",
    "jupyter-book build . --all -W -n --keep-going": BUILD,
    "jupyter lab book": LAB,
    "pytest": NBVAL,
    "pytest --nbval": NBVAL,
    "python -m pytest --nbval": NBVAL,
    "python tools/student_edition.py": STUDENT,
    'python tools/new_chapter.py my-chapter "My chapter"': "tools/test_tools.py::test_a_new_chapter_is_listed_and_runs",
    "python -m convac_lib": "cli/test_command_line.py::test_a_warning_is_one_sentence",
    "convac data fetch cifar10": "data/test_cifar10.py::test_check_tells_what_is_there",
    "convac data check": "data/test_cifar10.py::test_check_tells_what_is_there",
    SERVE: SERVED,
    **dict.fromkeys(MACHINES, "test_readme.py::test_more_machines_share_a_sweep"),
    **dict.fromkeys(ADDRESS, "test_readme.py::test_a_fork_writes_its_address_and_takes_it_out"),
}


def fences(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def commands():
    """The commands of README.md without their comments: each line of its shells' blocks, and what stands in a line."""
    lines = "".join(fences("sh") + fences("bat")).splitlines()
    blocks = [re.sub(r"(^|\s+)#.*", "", line).strip() for line in lines]
    prose = re.sub(r"^```.*?^```$", "", README, flags=re.DOTALL | re.MULTILINE)
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]
    return [line for line in blocks if line] + list(filter(PROGRAM.match, spans))


def begins(one, other):
    return other.split()[: len(one.split())] == one.split()


def test_every_command_is_executed_by_a_test():
    known = [*CONVAC, *MAKE, *ELSEWHERE]
    assert [one for one in commands() if not any(begins(one, each) for each in known)] == []
    assert [each for each in known if each not in commands()] == []
    assert set(re.findall(r"^```(\w+)$", README, re.MULTILINE)) == {"sh", "bat", "python", "text"}


@pytest.mark.parametrize("test", sorted({*ELSEWHERE.values(), *(test for _, test in MAKE.values())}))
def test_a_test_that_executes_a_command_is_there(test):
    file, _, name = test.partition("::")
    assert re.search(rf"^def {name}\(", (ROOT / "tests" / file).read_text("utf-8"), re.MULTILINE)


def test_the_commands_of_the_library_answer_in_an_empty_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "mypackage").mkdir()
    net = "from torch import nn\n\nnet = nn.Sequential(nn.Conv2d({}, 2, 3, stride=2), nn.ReLU(), nn.Conv2d(2, 2, 3))\n"
    (tmp_path / "mypackage/models.py").write_text(net.format(3))
    (tmp_path / "mynet.py").write_text(net.format(1))
    for command, changes in sorted(CONVAC.items(), key=lambda item: README.index(item[0])):
        small = command
        for was, becomes in changes.items():
            small = small.replace(was, becomes)
        try:
            status = main(shlex.split(small)[1:])
        except SystemExit as end:  # --help and --version
            status = end.code
        out, err = capsys.readouterr()
        assert (status or 0, bool(out)) == (0, True), (small, err)
    assert {"atlas.csv", "bounds.csv", "digits.jsonl", "cifar10.jsonl"} <= {
        path.name for path in Path("results").iterdir()
    }


def test_the_lines_of_python_say_what_they_compute():
    (session,) = (code for code in fences("python") if ">>>" in code)
    runner = doctest.DocTestRunner()
    assert runner.run(doctest.DocTestParser().get_doctest(session, {}, "README.md", "README.md", 0)) == (0, 2)


def test_the_program_for_slurm_runs(monkeypatch, capsys):
    """Against a stand-in: no test has a Slurm."""
    asked = []

    class SLURMCluster:
        scheduler_address = "tcp://10.0.0.1:8786"

        def __init__(self, *, cores, memory, walltime, worker_extra_args, job_extra_directives):
            asked.append((cores, memory, walltime, worker_extra_args, job_extra_directives))

        def scale(self, *, jobs):
            asked.append(jobs)

    monkeypatch.setitem(sys.modules, "dask_jobqueue", types.SimpleNamespace(SLURMCluster=SLURMCluster))
    (program,) = (code for code in fences("python") if "SLURMCluster" in code)
    exec(program, {})  # noqa: S102  # the README's own
    assert asked == [(1, "8GB", "08:00:00", ["--resources GPU=1"], ["--gres=gpu:1"]), 8]
    assert capsys.readouterr().out == "tcp://10.0.0.1:8786\n"


def test_an_environment_is_made_and_entered(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", ".venv"], cwd=tmp_path, check=True)
    enter = r".venv\Scripts\activate" if os.name == "nt" else "source .venv/bin/activate"
    command = f'{enter} && python -c "import sys; print(sys.prefix)"'
    words = f"cmd /c {command}" if os.name == "nt" else ["bash", "-c", command]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).samefile(tmp_path / ".venv")


def test_the_library_installs_without_the_book(tmp_path):
    """From a copy, without its dependencies, which are here already; the command then runs in an empty folder."""
    for name in ("convac_lib", "results"):
        shutil.copytree(ROOT / name, tmp_path / "clone" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-text", "MANIFEST.in"):
        shutil.copy(ROOT / name, tmp_path / "clone")
    offline = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target", str(tmp_path / "site")]
    command = [sys.executable, "-m", "pip", "install", *offline, "."]
    subprocess.run(command, cwd=tmp_path / "clone", check=True, capture_output=True)
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "convac_lib", "certify", "--B", "2", "--M", "2", "--size", "4"],
        cwd=tmp_path / "empty", env=os.environ | {"PYTHONPATH": str(tmp_path / "site")}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.partition(" of ")[0], done.stderr) == (0, "rank 64", "")
    assert [path.stem for path in (tmp_path / "site/bin").glob("convac*")] == ["convac"]
    asked = "import convac_lib.files as files; print(files.__file__, files.results_path('atlas.csv'))"
    done = subprocess.run([sys.executable, "-c", asked], cwd=tmp_path / "empty", text=True, check=True,
                          env=os.environ | {"PYTHONPATH": str(tmp_path / "site")}, capture_output=True)  # fmt: skip
    assert all(path.startswith(str(tmp_path / "site")) for path in done.stdout.split())


@needs_bash
@pytest.mark.parametrize("command", MAKE)
def test_make_runs_what_is_there(command):
    printed = subprocess.run(
        [*command.split(), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    runs, _ = MAKE[command]
    assert re.search(rf"^@?(?:\.venv/(?:bin|Scripts)/)?{re.escape(runs)}$", printed, re.MULTILINE)
    scripts = re.findall(r"python ((?:tools|benchmarks)/\S+)", printed)
    assert [name for name in scripts if not (ROOT / name).is_file()] == []


def test_a_folder_of_pages_is_served(tmp_path):
    (tmp_path / "_build/html").mkdir(parents=True)
    (tmp_path / "_build/html/index.html").write_text("the book")
    command = [sys.executable, "-u", *SERVE.split()[1:], "--bind", "127.0.0.1", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:
        try:
            port = re.search(r"port (\d+)", server.stdout.readline())[1]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/index.html") as page:
                assert page.read() == b"the book"
        finally:
            server.kill()


@needs_bash
def test_a_fork_writes_its_address_and_takes_it_out(tmp_path):
    """The commands of *Publish it* in a clone, in their order, each as a shell runs it."""
    folder, remote = tmp_path / "clone", tmp_path / "remote.git"
    kept_out = shutil.ignore_patterns(".*", "_build", "*.egg-info", "__pycache__", "certificates", "explorers")
    shutil.copytree(ROOT, folder, ignore=kept_out)
    person = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}

    def sh(command, cwd=folder):
        done = subprocess.run(
            ["bash", "-ec", command], check=False, cwd=cwd, env=os.environ | person, capture_output=True, text=True
        )
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    sh(f"git init -q --bare {shlex.quote(str(remote))}; git init -q; git add .; git commit -qm Start")
    sh("git remote add origin https://github.com/owner/name; git config remote.origin.pushurl ../remote.git")
    before = (folder / "CITATION.cff").read_text("utf-8")
    for command in ADDRESS:
        if command.startswith("git tag"):
            assert "repository-code: https://github.com/owner/name\n" in (folder / "CITATION.cff").read_text("utf-8")
        sh(f"{command} PYTHON={shlex.quote(sys.executable)}" if command.startswith("make") else command)
        if command.endswith("URL=none"):
            assert (folder / "CITATION.cff").read_text("utf-8") == before
    assert (
        sh("git tag", remote) == "v0.1.0\n" and sh("git log -1 --format=%s v0.1.0", remote) == "Publish at owner/name\n"
    )
    assert sh("git status --short").strip() == ""  # the origin's address, as the first command wrote it


@needs_bash
def test_more_machines_share_a_sweep(tmp_path):
    """The three commands in one shell, at a free port, and with one network."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    script = "\n".join(MACHINES)
    for was, becomes in {**FIT, "8786": port, "dask scheduler": f"dask scheduler --port {port} --no-dashboard",
                         "dask worker": "dask worker --no-dashboard"}.items():  # fmt: skip
        script = script.replace(was, becomes)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    script = f'convac() {{ python -m convac_lib "$@"; }}\n{script}'
    with open(tmp_path / "said", "wb") as said:
        shell = subprocess.Popen(["bash", "-c", script], cwd=tmp_path, env=environment, stdout=said, stderr=said,
                                 start_new_session=True)  # fmt: skip
        try:
            status = shell.wait(timeout=300)
        finally:
            os.killpg(shell.pid, signal.SIGKILL)
    assert status == 0, (tmp_path / "said").read_text("utf-8")
    assert len((tmp_path / "results/digits.jsonl").read_text("utf-8").splitlines()) == 1
