"""Ask the page's own engine, in Chromium, and `convac verify` for their verdicts on certificates, and compare.

    python tests/stress/verify_certificates.py [--chromium /usr/bin/chromium] [--tampered 1000] [--minutes 600]

It checks all certificates of results/certificates that the browser's budget admits, the cheapest first, and altered,
falsified and hostile files. Both verdicts must have the same words, but for two files: the engine does not know the
name of a large file, and lists that are 900 deep are too deep for it. The library takes hours for all certificates:
after `--minutes`, only the browser checks those that are left.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from helpers.chapters import ROOT
from helpers.engine import VERDICTS, by_page, letters, verdict
from helpers.tampering import NETWORKS, hostile, issued, tampered

from convac_lib.theory.certificates import load
from convac_lib.theory.checker_costs import checking_cost


def cost(path):
    certificate = load(path)
    return checking_cost(certificate.architecture, certificate.cut, certificate.rank)


def files_to_check(count):
    """The tampered and the hostile files, and then the certificates of the results, the cheapest first."""
    draw, documents = random.Random(0), [issued(number)[1].document() for number in range(len(NETWORKS))]
    texts = [*map(json.dumps, documents), *tampered(documents, draw, count), *(text for _, text in hostile())]
    yield from (text if isinstance(text, bytes) else text.encode() for text in texts)
    paths = sorted((ROOT / "results/certificates").glob("*.json"), key=cost)
    yield from (path.read_bytes() for path in paths)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    parser.add_argument("--tampered", type=int, default=1000, help="how many altered and falsified files")
    parser.add_argument("--minutes", type=float, default=600, help="after which the library is not asked any more")
    wanted = parser.parse_args()
    counts, begun = Counter(), time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as engine,
        engine.chromium.launch(executable_path=wanted.chromium, args=["--no-sandbox", "--disable-gpu"]) as browser,
    ):
        tab = browser.new_page()
        for number, data in enumerate(files_to_check(wanted.tampered), 1):
            path = Path(folder) / "file.json"
            path.write_bytes(data)
            (found,) = by_page(tab, VERDICTS, [letters(data)])
            if " in this browser, and the limit is " in found.get("refusal", ""):
                counts["beyond the browser's budget"] += 1
            elif time.monotonic() - begun > 60 * wanted.minutes:
                counts["the library not asked, and " + ("held" if "rank" in found else "refused")] += 1
            elif found == (expected := verdict(path)):
                counts["held by both" if "rank" in found else "refused by both in the same words"] += 1
            else:
                both = "refusal" in found and "refusal" in expected
                counts["refused by both in other words" if both else "DIFFERENT"] += 1
                print(f"file {number}: {found} in the browser, {expected} in the library", flush=True)
            if number % 20 == 0:
                print(f"{number} files: {dict(counts)}", flush=True)
    print(f"all {counts.total()} files: {dict(counts)}")
    sys.exit(bool(counts["DIFFERENT"]))


if __name__ == "__main__":
    main()
