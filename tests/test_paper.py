"""The paper for peer review, its checklist and the archive's metadata say what the repository holds."""

import json
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
PAPER = (ROOT / "paper/paper.md").read_text("utf-8")
CHECKLIST = (ROOT / "paper/checklist.md").read_text("utf-8")


def test_the_paper_has_what_the_journal_asks_for():
    _, header, text = PAPER.split("---\n", 2)
    fields = yaml.safe_load(header)
    assert {"title", "tags", "authors", "affiliations", "date", "bibliography"} <= set(fields)
    numbers = {affiliation["index"] for affiliation in fields["affiliations"]}
    assert all(author["affiliation"] in numbers for author in fields["authors"])
    assert (ROOT / "paper" / fields["bibliography"]).is_file()
    assert 250 <= len(text.split()) <= 1000
    sections = re.findall(r"^# (.*)$", text, re.MULTILINE)
    assert sections == [
        "Summary", "Statement of need", "Learning objectives", "Content and design", "Use in teaching", "Story",
        "Acknowledgements", "References",
    ]  # fmt: skip


def test_the_paper_cites_entries_of_the_bibliography():
    entries = set(re.findall(r"^@\w+\{(\w+),", (ROOT / "references.bib").read_text("utf-8"), re.MULTILINE))
    cited = set(re.findall(r"@(\w+)[\];.,]", PAPER))
    assert len(cited) >= 5
    assert cited <= entries


def test_every_answer_of_the_checklist_names_a_file_that_is_there():
    rows = [line for line in CHECKLIST.splitlines() if line.startswith("| ") and not line.startswith("| Item")]
    assert len(rows) == 20
    for row in rows:
        assert re.search(r"\]\(", row), row
    for target in re.findall(r"\]\(([^)]+)\)", CHECKLIST):
        assert (ROOT / "paper" / target).exists(), target


def test_the_archive_and_the_citation_agree():
    archive = json.loads((ROOT / ".zenodo.json").read_text("utf-8"))
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert [creator["name"] for creator in archive["creators"]] == [author["name"] for author in citation["authors"]]
    assert (archive["title"], archive["version"], archive["license"], archive["description"]) == (
        citation["title"], str(citation["version"]), citation["license"], citation["abstract"],
    )  # fmt: skip
    assert archive["related_identifiers"][0]["identifier"] == citation["references"][0]["identifiers"][0]["value"]
