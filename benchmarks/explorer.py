"""Time the intro's explorer in a real JupyterLab: its first card after Run All, and twenty moves.

    python benchmarks/explorer.py [--chromium /usr/bin/chromium] [--rounds 3]

Each round starts a fresh kernel. A known state is in the card's table; a new one is computed, or read from the atlas.
Times are seconds on the wall, from the key to the new sentence, and count the browser's own work.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from playwright.sync_api import sync_playwright
from timing import machine

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from helpers.lab import jupyter_lab, open_chapter, run_all

CARD = "figure.convac-explorer:has(input[type=number])[data-ready]"
KNOWN = [("B", key) for key in ["ArrowRight"] * 2 + ["ArrowLeft"] * 2] * 2 + [("M", "ArrowRight"), ("M", "ArrowLeft")]
NEW = [(4, 2), (5, 2), (6, 2), (7, 2), (7, 3), (7, 4), (6, 4), (5, 4), (5, 5), (2, 5)]  # one number changes at a time


def sentence(card):
    return card.locator(".convac-reading").inner_text()


def moved(card, move):
    """Seconds from a move until the card shows another sentence and rests."""
    before, begun = sentence(card), time.perf_counter()
    move()
    while sentence(card) == before or "convac-busy" in card.get_attribute("class"):
        time.sleep(0.002)
    return time.perf_counter() - begun


def a_round(tab, address):
    open_chapter(tab, address, "intro")
    begun = time.perf_counter()
    run_all(tab)
    card = tab.locator(CARD).first
    card.wait_for(state="attached")
    print(f"first card {time.perf_counter() - begun:.2f}")
    card.scroll_into_view_if_needed()
    known, new = [], []
    for letter, key in KNOWN:
        card.locator(f"input[type=range][name={letter}]").focus()
        known.append(moved(card, lambda key=key: tab.keyboard.press(key)))
    numbers = {"B, receptive field": 1, "M, templates": 2}
    for state in NEW:
        ((label, number),) = dict(zip(numbers, state)).items() - numbers.items()
        numbers[label] = number
        field = card.get_by_label(f"{label}: type")
        field.fill(str(number))
        new.append(moved(card, lambda field=field: field.press("Enter")))
        said = card.locator("[role=status]").inner_text()
        print(f"{', '.join(f'{label[0]} = {number}' for label, number in numbers.items())}: {new[-1]:.2f}  {said}")
    print(f"{len(known)} known states: median {median(known):.3f}, at most {max(known):.3f}")
    print(f"{len(new)} new states: median {median(new):.2f}, at most {max(new):.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    parser.add_argument("--rounds", type=int, default=1)
    wanted = parser.parse_args()
    print(machine("jupyterlab", "ipykernel", "anywidget"))
    with (
        tempfile.TemporaryDirectory() as folder,
        jupyter_lab(Path(folder), "intro") as address,
        sync_playwright() as engine,
        engine.chromium.launch(executable_path=wanted.chromium, args=["--no-sandbox", "--disable-gpu"]) as browser,
    ):
        for _ in range(wanted.rounds):
            a_round(browser.new_context(viewport={"width": 1280, "height": 900}).new_page(), address)


if __name__ == "__main__":
    main()
