"""Certificates in the reader's own browser: the library's verdicts, forged digits named, nothing asked of any host."""

import json
import random
import re

import pytest
from helpers.chapters import ROOT
from helpers.engine import NODE, by_node, letters
from helpers.tampering import NETWORKS, issued

from convac_lib.errors import ConvacError
from convac_lib.files import results_path
from convac_lib.theory.certificates import digest_of, load
from convac_lib.theory.checker import verify
from convac_lib.visuals.certificate_card import WITHOUT_SCRIPTS, CertificateCard, drop_card

GOOD = results_path("certificates/5f0c67371308434c.json")  # rank 256
ALTERED = "the certificate was altered: its digest does not match its content"
NOT_JSON = "this is not a certificate: it is not JSON, or is nested too deeply, or holds a number that is too long"
MORE = "no change of one digit makes the digest right, so more was altered; drop the original too, to compare"


# --- naming what is wrong ---

needs_node = pytest.mark.skipif(not NODE, reason="no Node here")
NAMED = """asked => asked.map(given => {
  const bytes = bytesOf(given);
  const document = checker.parse(checker.textOf(bytes));
  const rest = new Map([...document].filter(([key]) => key !== "digest"));
  if (naming.textOf(document).text !== checker.canonical(rest)) throw new Error("another text");
  return [naming.findDigit(bytes), naming.breaches(document)];
})"""


def places(document):
    """Every number and word in which a digit can be forged: its list, its index, and its name in words."""
    for layer, numbers in enumerate(document["weights"], 1):
        yield from ((numbers, at, f"weight {at + 1} of layer {layer}") for at in range(len(numbers)))
    yield from ((document["dense"], at, f"dense weight {at + 1}") for at in range(len(document["dense"])))
    for name in ("rows", "columns"):
        yield from ((document[name], at, f"{name[:-1]} {at + 1}") for at in range(len(document[name])))
    yield from ((document["cut"], at, f"patch {at + 1} of its cut") for at in range(len(document["cut"])))
    yield from ((document, key, f"its {key.replace('_', ' ')}") for key in ("rank", "prime", "representation_channels"))
    yield from (
        (document["layers"][number], at, f"the {name} of layer {number + 1}")
        for number in range(len(document["layers"]))
        for at, name in enumerate(["receptive field", "stride", "channels"])
    )


def forge(document, draw):
    """Change one digit of a document; give its text and the sentence that names the change."""
    document = json.loads(json.dumps(document))
    numbers, at, name = draw.choice([*places(document)])
    word = numbers[at]
    kind, digits = type(word), "0123456789abcdef" if isinstance(word, str) else "0123456789"
    text = str(word)
    place = draw.randrange(len(text))
    leading = place == 0 and len(text) > 1 and kind is int
    digit = draw.choice(sorted({*digits} - {text[place]} - ({"0"} if leading else set())))
    numbers[at] = kind(text[:place] + digit + text[place + 1 :])
    restored = f"with {text[place]} instead of {digit}, the digest matches the content"
    return json.dumps(document), f"digit {place + 1} of {name} was altered: {restored}"


@needs_node
def test_one_forged_digit_is_named(record_property):
    draw, documents = random.Random(0), [issued(number)[1].document() for number in range(len(NETWORKS))]
    small = [document for document in documents if len(json.dumps(document)) < 3000]
    forged = [forge(draw.choice(small), draw) for _ in range(30)]
    found = by_node(NAMED, [letters(text.encode()) for text, _ in forged])
    assert [sentence for sentence, _ in found] == [named for _, named in forged]
    record_property("forged digits that the page names", len(forged))


@needs_node
def test_more_than_one_forged_digit_is_not_named():
    document = issued(6)[1].document()
    digest, digits = document["digest"], document["digest"]
    forged = f"{(int(digest[0], 16) + 1) % 16:x}" + digits[1:]
    (one, _), (two, _), (no_digest, _) = by_node(
        NAMED,
        [
            letters(json.dumps(document | {"digest": changed}).encode())
            for changed in (forged, forged[:-1] + f"{(int(digest[-1], 16) + 1) % 16:x}", "f")
        ],
    )
    sentence = f"with {digest[0]} instead of {forged[0]}, the digest matches the content"
    assert one == f"digit 1 of its digest was altered: {sentence}"
    assert (two, no_digest) == (MORE, "its digest must be 64 hexadecimal digits")


@needs_node
def test_what_breaks_a_rule_is_named():
    document = json.loads(json.dumps(issued(0)[1].document()))
    document["weights"][1][2] = document["prime"]
    document["dense"][0] = -1
    document["rows"][3] = document["rows"][1]
    document["columns"][0] = 7
    document["columns"].pop()
    document["rows"][5] += "0"
    document["weights"][3].pop()
    digits, count = len(document["rows"][0]), len(document["weights"][3])
    ((_, found),) = by_node(NAMED, [letters(json.dumps(document).encode())])
    assert found == [
        f"weight 3 of layer 2 is {document['prime']}, and must be an integer below its prime",
        f"layer 4 has {count + 1} weights, and it lists {count}",
        "dense weight 1 is -1, and must be an integer below its prime",
        "row 4 repeats row 2",
        f"row 6 is {document['rows'][5]}, and must be {digits} hexadecimal digits",
        f"column 1 is 7, and must be {digits} hexadecimal digits",
        f"it lists {document['rank'] - 1} columns, and its rank is {document['rank']}",
    ]


COMPARED = """asked => asked.map(two => {
  const [one, other] = two.map((given) => checker.parse(checker.textOf(bytesOf(given))));
  return naming.compare(one, other);
})"""


def leaves(value, path=()):
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if inner is None:
        return {path: value}
    return {place: leaf for key, each in inner for place, leaf in leaves(each, (*path, key)).items()}


@needs_node
def test_every_place_in_which_two_files_differ_is_counted_and_ten_are_named():
    draw, pairs = random.Random(1), []
    for _ in range(20):
        one = json.loads(json.dumps(issued(draw.randrange(len(NETWORKS)))[1].document()))
        other = json.loads(json.dumps(one))
        for numbers, at, _ in draw.sample([*places(other)], draw.randint(0, 15)):
            numbers[at] = numbers[at] + 1 if isinstance(numbers[at], int) else "0" * len(numbers[at]) + "0"
        pairs.append((one, other))
    found = by_node(COMPARED, [[letters(json.dumps(each).encode()) for each in two] for two in pairs])
    for (one, other), told in zip(pairs, found, strict=True):
        before, after = leaves(one), leaves(other)
        differing = [place for place in before if before[place] != after[place]]
        assert told["count"] == len(differing) and len(told["sentences"]) == min(10, len(differing))
        for place, sentence in zip(differing, told["sentences"]):
            assert sentence.endswith(f" is {before[place]} in the first and {after[place]} in the second")


# --- the page ---

COSTS = """asked => asked.map(given => told(() => {
  const certificate = checker.load(bytesOf(given));
  const cost = plans.costOf(certificate, certificate.sides, certificate.rank, certificate.rank);
  plans.requireAffordable([cost], "it", "");
  return "affordable";
}))"""


@needs_node
def test_as_many_certificates_of_the_atlas_fit_the_page_as_it_says():
    paths = sorted(results_path("certificates").glob("*.json"))
    found = by_node(COSTS, [letters(path.read_bytes()) for path in paths])
    words = (ROOT / "book/verify.md").read_text("utf-8")
    assert f"one for each of the {len(found)} cells of the atlas" in words
    assert f"Of these, {found.count('affordable')} are within the limits of the page." in words


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>A page</title><main><h1>A page</h1>'
    (folder / "drop.html").write_text(head + drop_card(), "utf-8")
    (folder / "card.html").write_text(head + CertificateCard(GOOD)._repr_html_() * 2, "utf-8")
    return folder


@pytest.fixture
def opened(browser, folder):
    """Open a page from its file; at the end, nothing was requested but this file, and no script failed."""
    contexts, requested, errors = [], [], []

    def open_page(name="drop", before="", **options):
        context = browser.new_context(viewport={"width": 390, "height": 900}, **options)
        contexts.append(context)
        tab = context.new_page()
        tab.on("request", lambda request: requested.append(request.url))
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.add_init_script(before)
        tab.goto((folder / f"{name}.html").as_uri())
        if options.get("java_script_enabled", True):
            tab.wait_for_selector("[data-ready]")
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert [url for url in requested if not re.match(r"file:.*\.html$|blob:|data:", url)] == [] and errors == []


def drop(tab, *files):
    """Choose files, and wait for the verdict on each."""
    given = [{"name": name, "mimeType": "application/json", "buffer": data} for name, data in files]
    tab.set_input_files("input[type=file]", given)
    settle(tab, len(files))


def settle(tab, reports=1):
    tab.wait_for_function(f"document.querySelectorAll('[data-verdict]').length === {reports}")
    tab.wait_for_function("!/Trying/.test(document.querySelector('.convac-results').textContent)", timeout=60_000)


def verdicts(tab):
    return [each.inner_text().split("\n")[0] for each in tab.locator(".convac-verdict").all()]


def faults(tab):
    return tab.locator(".convac-faults li").all_inner_texts()


def states(tab):
    return tab.locator(".convac-steps li").evaluate_all("all => all.map(each => each.dataset.state ?? '')")


def forged_file(place="rows", digit=None):
    document = json.loads(GOOD.read_text("utf-8"))
    document[place][0] = document[place][1] if digit is None else digit
    return json.dumps(document | {"digest": digest_of(document)}).encode()


def test_a_good_file_is_verified_step_by_step(opened):
    tab = opened()
    drop(tab, ("rank.json", GOOD.read_bytes()))
    certificate = verify(GOOD)
    assert verdicts(tab) == [f"valid: {certificate.claim} (exact modulo {certificate.prime})"]
    assert states(tab) == ["passed"] * 6 and faults(tab) == []
    minor = "The 256×256 minor, eliminated: it has 256 pivots, one in each row and column."
    assert tab.locator("canvas").get_attribute("aria-label") == minor
    cut = "The cut: 8 of 16 patches, dark, from the other 8."
    assert tab.locator("svg").get_attribute("aria-label") == cut
    words = tab.locator(".convac-meaning").inner_text()
    assert "An image of 4×4 patches, M = 2, B = 3, border neutral, shared weights." in words
    assert "needs at least 256 channels in its last layer" in words
    rows = [row.split("\t") for row in tab.locator("tbody tr").all_inner_texts()]
    architecture = certificate.architecture
    assert rows == [
        [str(number), f"{layer.receptive_field}×{layer.receptive_field}", str(layer.stride), str(layer.channels),
         f"{size}×{size}"]
        for number, (layer, size) in enumerate(zip(architecture.layers, architecture.sizes), 1)
    ]  # fmt: skip


def test_the_picture_has_a_pivot_in_every_row_and_the_darkest_entries_where_the_largest_are(opened):
    tab = opened()
    drop(tab, ("one.json", (ROOT / "results/certificates/a4e5fc7619141a44.json").read_bytes()))  # rank 2
    tab.wait_for_timeout(100)
    width = tab.locator("canvas").evaluate("canvas => canvas.width")
    pixel = "(canvas, [x, y]) => [...canvas.getContext('2d').getImageData(x, y, 1, 1).data].slice(0, 3)"
    centres = [[x * width // 4, y * width // 4] for y in (1, 3) for x in (1, 3)]
    green = [tab.locator("canvas").evaluate(pixel, centre) == [0, 158, 115] for centre in centres]
    assert green in ([True, False, False, True], [False, True, True, False])
    assert "without overlap" not in tab.locator(".convac-meaning").inner_text()  # this network has none


def test_both_kinds_of_forgery_are_refused_and_named(opened):
    tab, good = opened(), GOOD.read_bytes()
    at = good.index(b'"rows":["') + len(b'"rows":["')
    digit = b"1" if good[at : at + 1] != b"1" else b"2"
    drop(tab, ("forged.json", good[:at] + digit + good[at + 1 :]))
    assert verdicts(tab) == [ALTERED] and states(tab) == ["passed", "failed", "", "", "", ""]
    named = f"with {good[at : at + 1].decode()} instead of {digit.decode()}, the digest matches the content."
    assert faults(tab)[-1] == f"Digit 1 of row 1 was altered: {named}"
    drop(tab, ("forged.json", forged_file()))
    assert verdicts(tab) == ["the certificate is false: its 256×256 minor is 0 modulo 2147483647"]
    assert states(tab) == ["passed"] * 5 + ["failed"] and faults(tab) == ["Row 2 repeats row 1."]
    label = "The 256×256 minor, in which row 2 depends on the rows before it."
    assert tab.locator("canvas").get_attribute("aria-label") == label


def test_a_dependent_row_is_named_where_no_row_repeats(opened, tmp_path):
    document = json.loads(GOOD.read_text("utf-8"))
    document["weights"] = [[0] * len(numbers) for numbers in document["weights"]]
    (tmp_path / "false.json").write_text(json.dumps(document | {"digest": digest_of(document)}))
    tab = opened()
    drop(tab, ("false.json", (tmp_path / "false.json").read_bytes()))
    with pytest.raises(ConvacError) as error:
        verify(tmp_path / "false.json")
    assert verdicts(tab) == [str(error.value)]
    assert faults(tab) == ["Row 1 of the minor depends on the rows before it."]


def test_two_files_are_compared(opened):
    tab, good = opened(), GOOD.read_bytes()
    drop(tab, ("ours.json", good), ("friend.json", forged_file()))
    told = tab.locator(".convac-comparison li").all_inner_texts()
    document = json.loads(good)
    first, second = document["rows"][:2]
    assert tab.locator(".convac-comparison b").inner_text() == "The files differ in 2 places:"
    assert told[0] == f"Row 1 is {first} in the first and {second} in the second."
    assert told[1].startswith(f"Its digest is {document['digest'][:40]}")
    assert tab.locator("h2").all_inner_texts() == ["ours.json", "friend.json"]
    assert [words.split(":")[0] for words in verdicts(tab)] == ["valid", "the certificate is false"]
    drop(tab, ("ours.json", good), ("again.json", json.dumps(document, indent=1).encode()))
    assert tab.locator(".convac-comparison").inner_text() == "The files say the same."
    tab.set_input_files("input", [{"name": "a", "mimeType": "", "buffer": b""}] * 3)
    assert verdicts(tab) == ["Drop one certificate, or two to compare them."]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"hello", NOT_JSON),
        (b"", NOT_JSON),
        (b"[" * 1_000_000, NOT_JSON),
        (b"\xff\xfe{}", NOT_JSON),
        (GOOD.read_bytes().replace(b'"size":4', b'"size":4.0'), "this is not a certificate: 4.0 is not an integer"),
        (b'{"format": "<img src=x onerror=alert(1)>", "__proto__": 1}', None),
    ],
    ids=["no JSON", "nothing", "deep", "other letters", "fraction", "markup"],
)
def test_a_hostile_file_is_refused_as_the_library_refuses_it(opened, tmp_path, monkeypatch, data, sentence):
    tab = opened()
    drop(tab, ("file.json", data))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.json").write_bytes(data)
    with pytest.raises(ConvacError) as error:
        load("file.json")
    assert verdicts(tab) == [str(error.value)] and sentence in (None, str(error.value))
    assert faults(tab) == [] and tab.locator("img").count() == 0


def drop_made(tab, content):
    """Drop a file on the page, as a mouse does, that the page makes of a JavaScript expression."""
    tab.evaluate(
        """content => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([eval(content)], "file.json"));
          const zone = document.querySelector(".convac-drop");
          for (const kind of ["dragover", "drop"]) {
            zone.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
          }
        }""",
        content,
    )
    settle(tab)


def test_a_large_file_is_not_even_read(opened, tmp_path, monkeypatch):
    tab = opened()
    drop_made(tab, "new ArrayBuffer(2 ** 24 + 1)")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.json").write_bytes(bytes(2**24 + 1))
    with pytest.raises(ConvacError) as error:
        load("file.json")
    assert verdicts(tab) == [str(error.value)]


def test_a_certificate_beyond_the_budget_names_the_command(opened):
    tab = opened()
    drop(tab, ("hardest.json", results_path("certificates/21a5bac8db8b3215.json").read_bytes()))
    told = (
        r"checking this certificate would take about \d+ seconds in this browser, and the limit is 10; run: "
        r"convac verify hardest\.json"
    )
    assert re.fullmatch(told, verdicts(tab)[0]) and states(tab)[4] == "stopped"


def test_the_sample_is_verified_and_forged_in_three_ways(opened):
    tab = opened()
    expected = {
        "Verify our sample": "valid: ",
        "Forge one digit": ALTERED,
        "Forge a row, repair the digest": "the certificate is false: its 256×256 minor is 0 modulo 2147483647",
        "Forge a weight, repair the digest": "valid: ",
    }
    assert tab.locator(".convac-samples button").all_inner_texts() == list(expected)
    for name, words in expected.items():
        tab.get_by_role("button", name=name).click()
        settle(tab)
        assert verdicts(tab)[0].startswith(words)
        told = tab.locator(".convac-check > .convac-aside").inner_text()
        if name == "Forge one digit":
            place, old, new = re.match(r"(.+) was changed from (.) to (.), and the digest was left\.", told).groups()
            found = f"{place} was altered: with {old} instead of {new}, the digest matches the content."
            assert faults(tab)[-1] == found


def test_a_check_can_be_cancelled_and_another_file_ends_it(opened):
    tab = opened()
    long = results_path("certificates/7f02ebff18b9c670.json").read_bytes()  # rank 1,024 takes seconds
    given = {"name": "long.json", "mimeType": "application/json", "buffer": long}
    tab.set_input_files("input", given)
    tab.get_by_role("button", name="Cancel").click()
    settle(tab)
    assert verdicts(tab) == ["Cancelled."] and "stopped" in states(tab)
    tab.set_input_files("input", given)
    drop(tab, ("rank.json", GOOD.read_bytes()))
    tab.wait_for_timeout(300)
    assert [words[:17] for words in verdicts(tab)] == ["valid: rank ≥ 256"]


def test_what_is_dropped_on_the_page_is_checked(opened):
    tab = opened()
    drop_made(tab, json.dumps(GOOD.read_text("utf-8")))
    assert verdicts(tab)[0].startswith("valid: rank ≥ 256 ")


def test_the_page_is_used_by_keyboard_and_has_no_barrier(opened):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    tab = opened()
    tab.locator("a[download]").focus()
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.labels[0].innerText").startswith("Drop a certificate here")
    with tab.expect_file_chooser() as chosen:
        tab.keyboard.press("Space")
    chosen.value.set_files([{"name": "x.json", "mimeType": "application/json", "buffer": forged_file()}])
    settle(tab)
    for _ in range(3):
        tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")  # Forge a row
    settle(tab)
    assert verdicts(tab)[0].startswith("the certificate is false")
    drop(tab, ("a.json", GOOD.read_bytes()), ("b.json", forged_file()))
    for theme in ("light", "dark"):
        tab.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        found = axe.run(tab, options={"resultTypes": ["violations"]}).response["violations"]
        assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == []
    assert tab.evaluate("document.documentElement.scrollWidth") == 390


def test_without_workers_the_page_names_the_command(opened):
    tab = opened(before="delete window.Worker")
    drop(tab, ("rank.json", GOOD.read_bytes()))
    assert verdicts(tab) == ["This browser lets no page compute on its own. Run: convac verify rank.json"]


def test_without_scripts_there_is_the_command_and_the_sample(opened):
    tab = opened(java_script_enabled=False)
    assert tab.locator("noscript").inner_text() == WITHOUT_SCRIPTS
    assert "convac verify FILE" in tab.locator("figure").inner_text()
    assert tab.locator("button, input").count() == 0
    with tab.expect_download() as saved:
        tab.get_by_text("Save our sample").click()
    assert saved.value.path().read_bytes() == GOOD.read_bytes()


# --- beside a statement ---


def test_a_card_says_what_the_library_found_and_verifies_in_the_browser(opened):
    card = CertificateCard(GOOD)
    assert repr(card) == (
        "Verified by convac_lib: rank ≥ 256 for almost all weights, across the cut of patches 0,1,4,5,8,9,12,13 from "
        "the rest\n(exact modulo 2147483647)."
    )
    tab = opened("card")
    cards = tab.locator("figure.convac-certificate")
    assert cards.count() == 2
    assert repr(card).replace("\n", " ") in cards.first.inner_text()
    assert "convac verify results/certificates/5f0c67371308434c.json" in cards.first.inner_text()
    cards.last.get_by_role("button", name="Verify in your browser").click()
    settle(tab)
    assert verdicts(tab) == [f"valid: {card.certificate.claim} (exact modulo {card.certificate.prime})"]
    assert cards.first.locator(".convac-report").count() == 0


def test_a_card_refuses_a_false_certificate(tmp_path):
    (tmp_path / "false.json").write_bytes(forged_file())
    with pytest.raises(ConvacError, match=r"^the certificate is false: its 256×256 minor is 0 modulo 2147483647$"):
        CertificateCard(tmp_path / "false.json")
