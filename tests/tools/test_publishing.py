"""A fork publishes under its own address: the steps of the workflow run on a copy with another remote."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in ROOT.glob(".github/workflows/*.yml")}
UPSTREAM, FORK = "https://github.com/owner/book", "https://github.com/owner/name"


def git(folder, *words):
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    done = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def fork(tmp_path):
    """A clone of a published book whose remote is an empty repository of another owner."""
    folder, remote = tmp_path / "copy", tmp_path / "remote.git"
    kept_out = shutil.ignore_patterns(".*", "_build", "*.egg-info", "__pycache__", "certificates", "explorers")
    shutil.copytree(ROOT, folder, ignore=kept_out)
    subprocess.run(["make", "address", f"URL={UPSTREAM}", "TAG=v9"], cwd=folder, check=True, capture_output=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message=Start")
    git(tmp_path, "init", "--quiet", "--bare", str(remote))
    git(folder, "remote", "add", "origin", str(remote))
    return folder, remote


def run_job(name, folder, **environment):
    """Run the shell steps of a job of the publishing workflow."""
    for step in WORKFLOWS["publish"]["jobs"][name]["steps"]:
        if "run" in step and not step["run"].startswith(("make book", "make pdf")):
            words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            subprocess.run(words, cwd=folder, env=os.environ | environment, check=True, capture_output=True)


@pytest.mark.skipif(not all(map(shutil.which, ("git", "make", "bash"))), reason="needs git, make and bash")
def test_a_fork_publishes_a_tag_that_names_only_itself(fork, tmp_path):
    folder, remote = fork
    commit = git(folder, "rev-parse", "HEAD")
    tag = WORKFLOWS["publish"]["env"]["TAG"].replace("${{ github.sha }}", commit)
    run_job("tag", folder, URL=FORK, TAG=tag)
    git(tmp_path, "clone", "--quiet", f"--branch={tag}", str(remote), "pinned")
    texts = {
        path.relative_to(tmp_path / "pinned").as_posix(): path.read_text("utf-8")
        for path in (tmp_path / "pinned").rglob("*")
        if path.suffix in {".ipynb", ".py", ".md", ".yml", ".cff", ".toml"} and "tests" not in path.parts
    }
    assert [name for name, text in texts.items() if "owner/book" in text or "@v9" in text] == []
    assert "github.com/owner/name" in texts["CITATION.cff"]
    assert "github.com/owner/name" in texts["pyproject.toml"]
    pinned = {name for name, text in texts.items() if tag in text}
    chapters = {f"book/{path.name}" for path in ROOT.glob("book/*.ipynb") if '"code"' in path.read_text("utf-8")}
    assert pinned == {"README.md", "_config.yml", "tools/setup_cell.py"} | chapters
    assert all(f"{FORK}@{tag}" in texts[name] for name in chapters)
    # A second run of the workflow makes the same commit, so that the tag need not move.
    first = git(remote, "rev-parse", tag)
    git(folder, "reset", "--quiet", "--hard", commit)
    run_job("tag", folder, URL=FORK, TAG=tag)
    assert git(remote, "rev-parse", tag) == first
    # The pages are built from the same files, and offer the zip that was built with them.
    git(folder, "reset", "--quiet", "--hard", commit)
    pages(folder / "_build", ".zip")
    run_job("build", folder, URL=FORK, TAG=tag)
    git(folder, "fetch", "--quiet", "origin", "tag", tag)
    assert git(folder, "diff", tag, "--stat") == ""
    assert len(downloads(folder / "_build/html/book/a.html")) == 1


def pages(build, *suffixes):
    """Make a built book of three pages, one of them without the theme's footer, and its files."""
    footer = '<div class="extra_footer">\n  After the talk.\n</div>\n</div>'
    for name, text in {"index": "<p>Moved</p>", "search": footer, "book/a": f"<p>é</p>\r\n{footer}"}.items():
        path = build / f"html/{name}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    for suffix in suffixes:
        (build / f"overlapping-architectures{suffix}").write_bytes(bytes(2_400_000) + suffix.encode())


def downloads(page):
    """The files that a page offers, which must be where its links lead, and the words of the links."""
    links = BeautifulSoup(page.read_bytes(), "html.parser").select("a[download]")
    return {(page.parent / link["href"]).resolve(strict=True).name: link.get_text() for link in links}


@pytest.mark.parametrize("suffixes", [(), (".zip",), (".pdf",), (".zip", ".pdf")])
def test_the_site_offers_the_files_that_there_are_and_no_others(tmp_path, monkeypatch, suffixes):
    monkeypatch.syspath_prepend(ROOT / "tools")
    from downloads import offer

    pages(tmp_path, *suffixes)
    before = {page: page.read_bytes() for page in tmp_path.rglob("*.html")}
    names = [f"overlapping-architectures{suffix}" for suffix in suffixes]
    for _ in range(2):  # a second run changes nothing
        assert [path.name for path in offer(tmp_path)] == names
        for name in ("search", "book/a"):
            offered = downloads(tmp_path / f"html/{name}.html")
            assert list(offered) == names
            assert all(f"({path[-3:].upper()}, 2 MB)" in words for path, words in offered.items())
    for name in names:
        assert (tmp_path / "html" / name).read_bytes() == (tmp_path / name).read_bytes()
    # A line is added to the footer, and no other byte of a page changes.
    for page, old in before.items():
        assert re.sub(rb'<p class="downloads">.*</p>', b"", page.read_bytes()) == old
    # When the files are gone, so are the links.
    for name in names:
        (tmp_path / name).unlink()
    assert offer(tmp_path) == []
    assert {page: page.read_bytes() for page in before} == before


def test_actions_are_pinned_and_jobs_ask_for_least():
    for name, workflow in WORKFLOWS.items():
        assert workflow["permissions"] in ({}, {"contents": "read"}), name
        for job in workflow["jobs"].values():
            assert "timeout-minutes" in job
            for step in job["steps"]:
                assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step.get("uses", "actions/a@" + 40 * "0")), step
                # What a reader of the repository can write into a name must not become a command.
                assert "${{" not in step.get("run", ""), step
    writing = {
        name: {scope for scope, kind in job.get("permissions", {}).items() if kind == "write"}
        for workflow in WORKFLOWS.values()
        for name, job in workflow["jobs"].items()
    }
    assert {name: scopes for name, scopes in writing.items() if scopes} == {
        "tag": {"contents"}, "deploy": {"pages", "id-token"}, "report": {"issues"},
    }  # fmt: skip


def test_systems_and_pythons_are_those_that_the_readme_promises():
    jobs = WORKFLOWS["test"]["jobs"]
    promised = re.search(r"With Python ((?:3\.\d+,? ?(?:or )?)+)", (ROOT / "README.md").read_text("utf-8"))
    assert jobs["linux"]["strategy"]["matrix"]["python"] == re.findall(r"3\.\d+", promised[1])
    assert jobs["elsewhere"]["strategy"]["matrix"]["system"] == ["macos-latest", "windows-latest"]
    commands = [step.get("run", "") for step in jobs["elsewhere"]["steps"]]
    assert all(command.startswith("python ") for command in commands if command)
