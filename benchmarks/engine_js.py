"""Time the page's own engine in Chromium: ranks, and the certificates of the results, each in a worker of its own.

    python benchmarks/engine_js.py [--chromium /usr/bin/chromium] [--repeat 3] [--certificates 20]

Times are seconds on the wall, from the question to the answer: start of the worker, draws, entries, elimination and
transfer. The smallest of the repetitions counts. Beside it is the time that the budget assumes, which an idle machine
should not exceed by much. A certificate that exceeds the budget is counted as refused.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright
from timing import machine

from convac_lib import common_case
from convac_lib.visuals.certificate_card import SAMPLE

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from helpers.engine import by_page, plan_of

ROOT = Path(__file__).resolve().parents[1]

TIMED = """async ([task, argument]) => {
  const budgeted = ({ network, cut, rows }) => {
    if (!network) return undefined;
    const sides = plans.sidesOf(cut, network.size);
    const [m, n] = sides.map((patches) => Math.min(rows, network.representation_channels ** patches.length));
    return plans.costOf(network, sides, m, n).products / plans.PER_SECOND;
  };
  const begun = performance.now();
  try {
    const { rank } = await ask(task, task === "verify" ? Uint8Array.from(argument) : argument).answer;
    return { rank, seconds: (performance.now() - begun) / 1000, budgeted: budgeted(argument) };
  } catch (error) {
    return { refusal: error.message };
  }
}"""
RANKS = [(4, 3, 2, 256, 0.3), (4, 3, 4, 512, 3), (4, 3, 4, 1024, 10), (4, 7, 8, 1024, None), (8, 1, 2, 1024, None)]
RANKS += [(8, 3, 2, 512, None), (8, 3, 2, 1024, None), (8, 3, 4, 512, None), (16, 3, 2, 256, None)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--certificates", type=int, default=20, help="how many, of all ranks")
    wanted = parser.parse_args()
    print(machine("playwright"))
    with (
        sync_playwright() as engine,
        engine.chromium.launch(executable_path=wanted.chromium, args=["--no-sandbox", "--disable-gpu"]) as browser,
    ):
        tab = browser.new_page()
        for size, B, M, rows, goal in RANKS:
            plan = plan_of(common_case(B, M, size))
            question = {"network": plan, "cut": "left-right", "rows": rows, "seed": 0, "prime": 2**31 - 1}
            times = [by_page(tab, TIMED, ["certifyRank", question]) for _ in range(wanted.repeat)]
            aim = f"  (goal {goal} s)" if goal else ""
            best, budgeted = min(time["seconds"] for time in times), times[0]["budgeted"]
            found = f"rank {times[0]['rank']} in {best:.2f} s, budgeted {budgeted:.2f} s{aim}"
            print(f"H = {size}, B = {B}, M = {M}, {rows} rows: {found}", flush=True)
        sample = list((ROOT / "results/certificates" / SAMPLE).read_bytes())
        times = [by_page(tab, TIMED, ["verify", sample]) for _ in range(wanted.repeat)]
        best = min(time["seconds"] for time in times)
        print(f"certificate {SAMPLE}: rank {times[0]['rank']} verified in {best:.2f} s  (goal 1 s)", flush=True)
        paths = sorted(
            (ROOT / "results/certificates").glob("*.json"), key=lambda path: json.loads(path.read_bytes())["rank"]
        )
        refused = 0
        for path in paths[:: max(1, len(paths) // wanted.certificates)]:
            found = by_page(tab, TIMED, ["verify", list(path.read_bytes())])
            refused += "refusal" in found
            if "seconds" in found:
                print(f"certificate {path.stem}: rank {found['rank']} verified in {found['seconds']:.2f} s", flush=True)
        print(f"{refused} of these certificates exceed the budget")


if __name__ == "__main__":
    main()
