"""Explorers on a page from a file compute what their tables lack: no kernel, no server, no request; see test_live."""

import sys
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
from helpers.chapters import ROOT
from helpers.explorers import shown

from convac_lib.architecture import BORDERS
from convac_lib.errors import ConvacError
from convac_lib.visuals.card import script_of
from convac_lib.visuals.explorer import Explorer
from convac_lib.visuals.views import rank
from convac_lib.visuals.views.convolution_entry import entry_view
from convac_lib.visuals.views.rank import rank_view
from convac_lib.visuals.views.rank_alone import rank_alone_view
from convac_lib.visuals.views.receptive_fields import field_view, grey_gif

sys.path.insert(0, str(ROOT / "tools"))
from explorers_once import once

PATIENCE = 60_000  # milliseconds for what a machine under load may take; a guard against hangs
HERE = "Computed here, by your browser, just now, in "
FREE = {"B": range(1, 8), "C, channels (empty: M)": range(1, 17), "size, H of the image": [2, 4, 8, 16]}
FREE |= {"seed, of the weights": range(10**6), "prime, of the arithmetic": range(2, 2**31)}


def alone():
    axes = {"B, receptive field": [1, 2], "M, templates": [2, 3]}
    options = {"title": "Alone", "free": FREE | {"M": range(2, 9)}, "browser_view": "rank_alone_view"}
    return Explorer("alone", axes, rank_alone_view, **options)


def ranks():
    axes = {"B, receptive field": [1, 2], "cut": ["left-right", "checkerboard"]}
    return Explorer("ranks", axes, rank_view, title="Ranks", free=FREE, browser_view="rank_view")


def plain():
    return Explorer("plain", {"B": [1, 2]}, rank_alone_view, title="Plain", free={"seed": range(9)})


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page as the book has them: three cards, of which two compute."""
    body = once("".join(each.html() for each in (plain(), alone(), ranks())))
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(f"<!doctype html><meta charset=utf-8><title>Page</title><body>{body}", "utf-8")
    return path


@pytest.fixture
def opened(browser, page):
    """Open the page, and note every request and every error."""
    with browser.new_context(viewport={"width": 390, "height": 900}) as context:

        def open_page(before="", html=page):
            tab = context.new_page()
            tab.set_default_timeout(PATIENCE)
            tab.requested, tab.errors = [], []
            tab.on("request", lambda request: tab.requested.append(request.url))
            tab.on("pageerror", lambda error: tab.errors.append(str(error)))
            tab.add_init_script(before)
            tab.goto(html.as_uri())
            tab.wait_for_function("!document.querySelector('figure.convac-explorer:not([data-ready])')")
            return tab

        yield open_page


def card_of(tab, name):
    return tab.locator(f"#convac-explorer-{name}")


def rested(card):
    card.locator("xpath=self::*[not(contains(@class, 'convac-busy'))]").wait_for()
    return card.locator("[role=status]").inner_text()


def type_in(card, label, value):
    """Type a number and press Enter; what the card says when it rests."""
    field = card.get_by_label(label)
    if not field.is_visible():
        card.locator(".convac-more summary").click()
    field.fill(str(value))
    field.press("Enter")
    return rested(card)


@contextmanager
def nothing_requested(tab, page):
    yield
    assert tab.errors == []
    assert [url for url in tab.requested if not url.startswith(("data:", "blob:", page.as_uri()))] == []


@pytest.fixture
def no_atlas(monkeypatch):
    monkeypatch.setattr(rank, "_atlas", dict)


def assert_shows(card, view):
    assert shown(card)[:3] == (view.picture, view.alt, view.reading)
    (row,) = card.locator("tr[aria-current]").all()
    cells = dict(zip(card.locator("th").all_text_contents(), row.locator("td").all_text_contents(), strict=True))
    words = {name: f"{value:,}" if isinstance(value, int) else value for name, value in view.values.items()}
    assert words.items() <= cells.items()


def test_a_page_computes_what_its_tables_lack(opened, page, no_atlas, monkeypatch):
    tab = opened()
    card = card_of(tab, "alone")
    with nothing_requested(tab, page):
        assert rested(card) == "From the record." and card_of(tab, "plain").locator("[role=status]").count() == 0
        card.get_by_role("button", name="Draw new weights").click()
        assert rested(card).startswith(HERE)
        assert_shows(card, rank_alone_view(1, seed=1))
        assert type_in(card, "B, receptive field: type", 3).startswith(HERE)
        assert_shows(card, rank_alone_view(3, seed=1))
        assert type_in(card, "C, channels", 1).startswith(HERE)
        assert type_in(card, "prime, of the arithmetic", 101).startswith(HERE)
        assert_shows(card, rank_alone_view(3, C=1, seed=1, prime=101))
        card.locator("input[type=range][name=B]").focus()
        tab.keyboard.press("ArrowLeft")
        assert rested(card).startswith(HERE)
        assert_shows(card, rank_alone_view(2, C=1, seed=1, prime=101))
        assert card.locator("input[name=B]").get_attribute("aria-valuetext") == "B = 2"
        type_in(card, "C, channels", "")
        type_in(card, "seed, of the weights", 0)
        assert type_in(card, "prime, of the arithmetic", 2**31 - 1) == "From the record."
        monkeypatch.undo()  # the record was made with the atlas
        assert_shows(card, rank_alone_view(2))


def test_two_cards_of_a_page_share_one_script_and_compute_at_once(opened, page, no_atlas):
    text = page.read_text("utf-8")
    assert text.count("const engine = ") == 1 and text.count("const wake = ") == 1
    tab = opened()
    cards = [card_of(tab, name) for name in ("alone", "ranks")]
    with nothing_requested(tab, page):
        cards[0].get_by_label("B, receptive field: type").fill("3")
        cards[0].get_by_label("B, receptive field: type").press("Enter")
        cards[1].get_by_label("checkerboard").check()
        cards[1].get_by_role("button", name="Draw new weights").click()
        assert all(rested(card).startswith(HERE) for card in cards)
    assert_shows(cards[0], rank_alone_view(3))
    assert_shows(cards[1], rank_view(1, cut="checkerboard", seed=1))


def test_an_answer_does_not_write_over_what_is_being_typed(opened, no_atlas):
    card = card_of(opened(), "alone")
    card.locator(".convac-more summary").click()
    card.get_by_label("B, receptive field: type").fill("3")
    card.get_by_label("B, receptive field: type").press("Enter")
    seed = card.get_by_label("seed, of the weights")
    seed.fill("5")
    assert rested(card).startswith(HERE) and seed.input_value() == "5"
    assert_shows(card, rank_alone_view(3))
    seed.press("Enter")
    assert rested(card).startswith(HERE)
    assert_shows(card, rank_alone_view(3, seed=5))


def test_bad_input_is_one_sentence_and_the_last_picture_stays(opened, page):
    tab = opened()
    card = card_of(tab, "alone")
    before = shown(card)
    with nothing_requested(tab, page):
        for label, value, sentence in [
            ("B, receptive field: type", 9, "B = 9 is out of bounds; use an integer from 1 to 7."),
            ("B, receptive field: type", 2.5, "B = 2.5 is out of bounds; use an integer from 1 to 7."),
            ("size, H of the image", 5, "size = 5 is out of bounds; use 2, 4, 8 or 16."),
            ("seed, of the weights", 10**6, "seed = 1,000,000 is out of bounds; use an integer from 0 to 999,999."),
            ("prime, of the arithmetic", 4, "4 is not a prime below 2^31; use for example 2147483647."),
        ]:
            was = card.get_by_label(label).input_value()
            assert type_in(card, label, value) == sentence
            assert shown(card) == before and card.get_by_label(label).input_value() == was
        assert type_in(card, "size, H of the image", 2).startswith(HERE)  # and it goes on


def test_what_is_too_large_for_a_page_is_refused_with_its_command(opened, page):
    tab = opened()
    card = card_of(tab, "alone")
    with nothing_requested(tab, page):
        type_in(card, "M, templates: type", 8)
        assert type_in(card, "size, H of the image", 8).startswith(HERE)
        before = shown(card)
        said = type_in(card, "B, receptive field: type", 2)
        assert said == (
            "the rank of 1,024×1,024 entries of an image of 8×8 patches would take about 14 seconds in this browser, "
            "and the limit is 10; run: convac certify --M 8 --size 8 --layers 2/1/8 2/2/8 2/1/8 2/2/8 2/1/8 2/2/8 "
            "--cut left-right --rows 1024 --seed 0 --prime 2147483647"
        )
        assert shown(card) == before and card.get_by_label("B, receptive field: type").input_value() == "1"
        assert tab.evaluate("document.documentElement.scrollWidth") == 390


def test_a_computation_is_announced_and_can_be_cancelled(opened, page):
    tab = opened()
    card = card_of(tab, "alone")
    with nothing_requested(tab, page):
        type_in(card, "B, receptive field: type", 2)
        before = shown(card)
        card.get_by_label("M, templates: type").fill("8")  # which takes seconds
        card.get_by_label("M, templates: type").press("Enter")
        card.get_by_text("Computing B = 2, M = 8 …").wait_for()
        assert card.locator("img").get_attribute("aria-busy") == "true"
        assert card.get_by_role("progressbar", name="Computed so far").is_visible()
        card.get_by_role("button", name="Cancel").click()
        assert rested(card) == "Cancelled." and shown(card) == before
        assert card.get_by_label("M, templates: type").input_value() == "2"
        tab.wait_for_timeout(300)
        assert rested(card) == "Cancelled."  # no answer comes later


@pytest.mark.parametrize(
    "before",
    [
        "delete window.Worker",
        "window.Worker = class { constructor() { throw new DOMException('no', 'SecurityError') } }",
        "window.Worker = class { postMessage() { setTimeout(() => this.onerror({})) } terminate() {} }",
        "delete URL.createObjectURL",
    ],
    ids=["none", "throws", "fails", "no addresses"],
)
def test_without_workers_a_card_falls_back_to_its_table_and_says_so(opened, page, before):
    tab = opened(before)
    card = card_of(tab, "alone")
    with nothing_requested(tab, page):
        card.get_by_role("button", name="Draw new weights").click()
        sentence = "This browser lets no page compute on its own, so only the recorded values are shown."
        assert rested(card) == sentence
        card.locator("input[type=range][name=B]").focus()
        tab.keyboard.press("ArrowRight")
        assert rested(card) == "From the record."
        assert_shows(card, rank_alone_view(2))


def test_a_policy_without_workers_is_such_a_browser(opened, page, tmp_path):
    policy = "<meta http-equiv='Content-Security-Policy' content=\"worker-src 'none'\">"
    strict = tmp_path / "strict.html"
    strict.write_text(page.read_text("utf-8").replace("<title>", f"{policy}<title>", 1), "utf-8")
    card = card_of(opened(html=strict), "alone")
    card.get_by_role("button", name="Draw new weights").click()
    assert rested(card).startswith("This browser lets no page compute on its own")


def test_every_control_can_be_reached_and_has_a_name(opened, page):
    tab = opened()
    card = card_of(tab, "alone")
    card.locator(".convac-more summary").click()
    controls = card.locator("form :is(input, button, summary)").all()
    controls[0].focus()
    for control in controls:
        assert control.evaluate("control => control === document.activeElement")
        tab.keyboard.press("Tab")
    names = ["B, receptive field: type an integer from 1 to 7", "M, templates: type an integer from 2 to 8"]
    names += ["C, channels (empty: M)", "size, H of the image", "seed, of the weights", "prime, of the arithmetic"]
    assert card.get_by_role("spinbutton").count() == len(names) and len(controls) == len(names) + 4
    assert [card.get_by_role("spinbutton", name=name).count() for name in names] == [1] * len(names)
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(tab, context="#convac-explorer-alone", options={"preload": False}).response["violations"]
    assert [rule["id"] for rule in found if rule["impact"] in ("serious", "critical")] == []


@pytest.fixture(scope="module")
def overlaps(tmp_path_factory):
    """The two cards of *Overlaps* that need no ranks."""
    axes = {"S": [1, 2], "R": [1, 2, 3], "border": list(BORDERS), "u": range(4), "v": range(4)}
    view = partial(entry_view, x=np.arange(32).reshape(2, 4, 4).tolist(), weight=np.ones((2, 3, 3), int).tolist())
    free = {"S": range(1, 4), "size": range(2, 5), "seed": range(500)}
    entry = Explorer("entry", axes, view, title="Entry", free=free, browser_view="entry_view")
    axes, free = (
        {"B": [1, 2], "layer": range(1, 9)},
        {"B": range(1, 13), "S, stride": range(1, 4), "size": [4, 8, 16, 32]},
    )
    view = partial(field_view, picture=grey_gif(np.zeros((32, 32, 3), np.uint8)))
    fields = Explorer("fields", axes, view, title="Fields", free=free, browser_view="field_view")
    path = tmp_path_factory.mktemp("overlaps") / "page.html"
    body = once(entry.html() + fields.html())
    path.write_text(f"<!doctype html><meta charset=utf-8><title>Page</title><body>{body}", "utf-8")
    return path, entry.view, fields.view


def press(tab, card, letter, key):
    card.locator(f"input[type=range][name={letter}]").focus()
    tab.keyboard.press(key)
    return rested(card)


def test_an_entry_beyond_the_table_is_computed_and_its_neighbours_can_be_pointed_at(opened, overlaps):
    path, view, _ = overlaps
    tab = opened(html=path)
    card = card_of(tab, "entry")
    with nothing_requested(tab, path):
        card.get_by_role("button", name="Draw new weights").click()
        assert rested(card).startswith(HERE)
        assert_shows(card, view(S=1, R=1, u=0, v=0, seed=1))
        card.get_by_label("ones").check()
        assert press(tab, card, "R", "End").startswith(HERE)
        assert_shows(card, view(S=1, R=3, border="ones", u=0, v=0, seed=1))
        (left, top, width, height), moved = view(S=1, R=3, border="ones", u=0, v=0, seed=1).spots[-1]
        box, scale = card.locator("img").bounding_box(), card.locator("img").evaluate("img => img.width / 560")
        card.locator("img").click(position={"x": (left + width / 2) * scale, "y": (top + height / 2) * scale})
        assert rested(card).startswith(HERE) and box["width"] <= 390
        assert_shows(card, view(S=1, R=3, border="ones", **moved, seed=1))


def test_where_there_is_no_such_entry_the_nearest_is_computed_and_typed_numbers_stay(opened, overlaps):
    path, view, _ = overlaps
    tab = opened(html=path)
    card = card_of(tab, "entry")
    with nothing_requested(tab, path):
        type_in(card, "seed", 7)
        press(tab, card, "v", "End")
        assert type_in(card, "size", 2).startswith(HERE)
        assert_shows(card, view(S=1, R=1, u=0, v=1, size=2, seed=7))
        press(tab, card, "R", "End")
        assert press(tab, card, "S", "End").startswith(HERE)
        assert_shows(card, view(S=3, R=3, u=0, v=0, size=2, seed=7))
        before = shown(card)
        card.get_by_label("valid").click()  # check() would want it to stay chosen
        assert rested(card) == (
            "layer 1 has receptive field 3 on an input of size 2: with border 'valid' no window fits; use a receptive "
            "field of at most 2."
        )
        assert shown(card) == before and card.get_by_label("neutral").is_checked()
        for label, value, sentence in [
            ("size", 5, "size = 5 is out of bounds; use an integer from 2 to 4."),
            ("seed", 500, "seed = 500 is out of bounds; use an integer from 0 to 499."),
        ]:
            assert type_in(card, label, value) == sentence and shown(card) == before


def test_a_receptive_field_beyond_the_table_is_computed(opened, overlaps):
    path, _, view = overlaps
    tab = opened(html=path)
    card = card_of(tab, "fields")
    with nothing_requested(tab, path):
        assert type_in(card, "B: type", 12).startswith(HERE)
        assert type_in(card, "S, stride", 3).startswith(HERE)
        assert type_in(card, "size", 8).startswith(HERE)
        press(tab, card, "layer", "End")
        assert_shows(card, view(B=12, layer=8, S=3, size=8))
        before = shown(card)
        assert type_in(card, "S, stride", 4) == "S = 4 is out of bounds; use an integer from 1 to 3."
        assert type_in(card, "size", 12) == "size = 12 is out of bounds; use 4, 8, 16 or 32."
        assert shown(card) == before


RENDERED = """async ([text, card]) => {
  const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const { default: widget } = await import(address);
  const el = document.createElement("div");
  document.body.replaceChildren(el);
  const send = () => { throw new Error("the kernel was restarted") };
  await widget.render({ model: { get: () => card, send, on() {}, off() {} }, el });
}"""


def test_a_notebook_whose_kernel_is_gone_computes_in_the_browser(opened, page, no_atlas):
    tab = opened()
    tab.evaluate(RENDERED, [script_of("rank_alone_view"), alone().html(live=True)])
    card = card_of(tab, "alone")
    card.get_by_role("button", name="Draw new weights").click()
    assert rested(card).startswith(HERE)
    assert_shows(card, rank_alone_view(1, seed=1))
    tab.evaluate(RENDERED, [script_of(""), plain().html(live=True)])
    card = card_of(tab, "plain")
    card.get_by_role("button", name="Draw new weights").click()
    assert rested(card) == "The kernel that drew this card is gone; run its cell again."


def test_a_view_that_is_not_in_javascript_is_refused():
    with pytest.raises(ConvacError) as error:
        Explorer("some", {"B": [1]}, rank_alone_view, title="Some", browser_view="depth_view")
    assert str(error.value) == (
        "there is no view 'depth_view' in JavaScript; use one of rank_view, rank_alone_view, placement_view, "
        "builder_view, efficiency_view, entry_view, field_view, geometry_view, mixed_view, or write it"
    )
