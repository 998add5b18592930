"""The explorer says the same thing as table and as page, and asks no other host for anything; see also test_live."""

import gzip
import json
import re
from base64 import b64decode
from functools import partial
from html.parser import HTMLParser
from itertools import product
from xml.etree import ElementTree

import pytest
from helpers.chapters import CHAPTERS, explorers_in
from helpers.explorers import HALF, see, see_half, shown

from convac_lib.errors import ConvacError, DataError
from convac_lib.visuals import records
from convac_lib.visuals.explorer import Explorer, View
from convac_lib.visuals.records import plain, read_record, write_record

CUTS = ["left-right", 'inter<leaved> & "quoted"']
AXES = {"B, receptive field": [1, 2, 3], "M": [2, 1024], "cut": CUTS}


def explorer(**changes):
    return Explorer(**({"name": "ranks", "axes": AXES, "view": see, "title": "Rank <& overlap>"} | changes))


class Page(HTMLParser):
    """What a browser would read: the elements, their attributes, and the text of each."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.open = [], []
        self.feed(text)
        assert self.open == [], "an element is not closed"

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes), []))
        if tag not in ("img", "input"):
            self.open.append(self.elements[-1])

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for _, _, text in self.open:
            text.append(data)

    def all(self, tag, **wanted):
        found = (each for each in self.elements if each[0] == tag)
        return [each for each in found if wanted.items() <= each[1].items()]

    def text(self, tag, **wanted):
        return ["".join(text) for _, _, text in self.all(tag, **wanted)]


@pytest.fixture(scope="module")
def page():
    return Page(explorer()._repr_mimebundle_()[0]["text/html"])


def states_in(page):
    """What the script reads."""
    (packed,) = page.text("script", type="application/gzip")
    return json.loads(gzip.decompress(b64decode(packed)))


def test_the_same_input_gives_the_same_bytes():
    assert explorer()._repr_mimebundle_() == explorer()._repr_mimebundle_()


def test_without_a_kernel_there_is_no_widget():
    bundle, metadata = explorer()._repr_mimebundle_()
    assert list(bundle) == ["text/plain", "text/html"] and metadata == {}


def test_the_plain_text_is_the_table_of_all_states():
    table = repr(explorer(axes={"B": [1, 2], "M": [2, 1024]}, view=lambda B, M: see(B, M, "")))
    assert table.splitlines() == [
        "Rank <& overlap>",
        "",
        "B      M       rank   share  <note>",
        "1      2          2  0.1429     a<b",
        "1  1,024      1,024  0.1429     a<b",
        "2      2          4  0.2857     a<b",
        "2  1,024  1,048,576  0.2857     a<b",
    ]


def test_a_value_that_a_state_lacks_is_a_dash():
    table = repr(explorer(axes={"B": [1, 2]}, view=lambda B: View("<svg/>", "", "", {"bound": 4} if B == 2 else {})))
    assert table.splitlines()[2:] == ["B  bound", "1      –", "2      4"]


def test_every_state_is_in_the_page(page):
    data = states_in(page)
    assert [(axis["letter"], axis["words"], axis["slider"]) for axis in data["axes"]] == [
        ("B", ["1", "2", "3"], True),
        ("M", ["2", "1,024"], True),
        ("cut", CUTS, False),
    ]
    assert data["start"] == [1, 2, "left-right"]
    for (values, state), place in zip(data["states"], product((1, 2, 3), (2, 1024), CUTS), strict=True):
        view = see(*place)
        assert values == list(place) and (state["picture"], state["alt"]) == (view.picture, view.alt)
        assert state["reading"].replace("\u00a0", " ") == view.reading
        ElementTree.fromstring(state["picture"])


def test_nothing_escapes_its_element(page):
    assert page.text("figcaption") == ["Rank <& overlap>"]
    assert page.all("img")[0][1]["alt"] == '"1" <2>'
    assert page.text("p")[0].replace("\u00a0", " ") == "B = 1: rank 2 </script><b>& left-right"
    assert len(page.all("script")) == 2 and page.all("b") == []
    assert page.text("th") == ["B", "M", "cut", "rank", "share", "<note>"]


def test_the_table_lists_every_state_and_marks_the_first(page):
    assert len(page.all("tr")) == 1 + 12
    (marked,) = page.text("tr", **{"aria-current": "true"})
    assert marked == "12left-right20.1429a<b"


def test_a_start_is_shown_first():
    start = Page(explorer(start={"B": 3, "cut": CUTS[1]}).html())
    assert start.text("tr", **{"aria-current": "true"}) == [f"32{CUTS[1]}80.4286a<b"]
    assert states_in(start)["start"] == [3, 2, CUTS[1]]
    assert start.all("img")[0][1]["alt"] == '"3" <2>'


def test_the_page_asks_nothing_of_any_host(page):
    html = explorer().html() + json.dumps(states_in(page))
    assert set(re.findall(r"\bhttps?://[^\s\"\\]+", html)) == {"http://www.w3.org/2000/svg"}  # a name, never fetched
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|<link|import\(", html)
    sources = [each[1]["src"] for each in page.elements if "src" in each[1]]
    assert len(sources) == 1 and sources[0].startswith("data:image/svg+xml;base64,")


@pytest.mark.parametrize(
    "changes, sentence",
    [
        (
            {"name": "My ranks"},
            (
                "explorer name 'My ranks' makes no stable id; "
                "use lower-case letters, digits and hyphens, as in 'rank-by-overlap'"
            ),
        ),
        ({"axes": {}}, "an explorer needs an axis to move along, and none was given"),
        ({"axes": {"B": []}}, "axis 'B' has no values; give it at least one"),
        (
            {"axes": {"receptive field": [1]}},
            (
                "axis 'receptive field' begins with no name that the view can take; "
                "write its letter first, as in 'B, receptive field'"
            ),
        ),
        (
            {"axes": {"B": [1], "B, receptive field": [2]}},
            "two axes have one name in 'B', 'B, receptive field'; name every axis differently",
        ),
        ({"start": {"B": 7}}, "the start B = 7 is not on its axis; use one of 1, 2, 3"),
        ({"start": {"C": 7}}, "the start sets 'C', which is no axis; the axes are B, M, cut"),
        (
            {"view": partial(see), "recorded": True},
            (
                "a recorded explorer needs a plain function as its view, whose code tells whether the record is still "
                "true; write one with def"
            ),
        ),
        ({"free": {"B": []}}, "axis 'B' has no values; give it at least one"),
        (
            {"free": {"cut": [1, 2]}},
            "axis 'cut' is a row of buttons, where nothing is typed; leave it out of free",
        ),
        (
            {"free": {"M": range(2, 2000)}},
            "axis 'M' would have 1,998 places on its slider; free at most 100 numbers there",
        ),
        (
            {"free": {"seed": range(9)}},
            (
                "free names 'seed', which is neither an axis nor an argument of the view with a default; "
                "make it one of them"
            ),
        ),
        (
            {"axes": {"B": [1]}, "view": lambda B: "<svg/>"},
            "view(B=1) returned '<svg/>'; it must return a View, or None where there is no such state",
        ),
        (
            {"axes": {"B": [1, 2]}, "view": lambda B: None if B == 1 else View("<svg/>", "", "")},
            "the view has no state at the start, B=1; start at one that it has",
        ),
    ],
)
def test_bad_input_is_one_sentence(changes, sentence):
    with pytest.raises(ConvacError) as error:
        explorer(**changes)
    assert str(error.value) == sentence


def test_a_state_that_does_not_exist_is_left_out():
    half = explorer(axes=HALF, view=see_half)
    assert list(half.states) == [(1, R, u) for R in (1, 2, 3) for u in range(4)] + [
        (2, R, u) for R in (2, 3) for u in (0, 1)
    ]
    page = Page(half.html())
    assert len(page.all("tr")) == 1 + len(half.states) == len(repr(half).splitlines()) - 2
    states = states_in(page)["states"]
    assert [state is None for _, state in states] == [place not in half.states for place in product(*HALF.values())]
    last = states[-1 - 2][1]  # S = 2, R = 3, u = 1: the spots lead to S = 2, R = 3, and u = 0 or 1
    assert last["spots"] == [[[0, 40, 50, 30], [2, 3, 0]], [[100, 40, 50, 30], [2, 3, 1]]]


def see_free(B, M, C=None, seed=0):
    return View("<svg/>", "", f"B = {B}: {B * M + (C or 0) + seed}", {"sum": B * M + (C or 0) + seed})


def free(**changes):
    wanted = {"name": "free", "axes": {"B": [1, 2], "M": [2, 3]}, "view": see_free, "title": "Free"}
    bounds = {"B": range(1, 8), "C, channels": [2, 4, 8], "seed": range(100)}
    return Explorer(**(wanted | {"free": bounds} | changes))


def test_what_is_free_is_for_a_kernel_alone_unless_the_page_computes():
    table, page = repr(free()), Page(free().html())
    assert table == repr(free(free=None)) and page.text("th") == ["B", "M", "sum"]
    assert states_in(page) == states_in(Page(free(free=None).html()))
    computing = free(browser_view="rank_alone_view", free={"B": range(1, 8), "C, channels": [2, 4, 8]})
    page = Page(computing.html())
    data, live = (states_in(each) for each in (page, Page(computing.html(live=True))))
    assert data == live and data["others"] == {"seed": 0} and data["axes"][2]["among"] == [2, 4, 8]
    assert (
        page.text("th") == ["B", "M", "C", "sum"] and len(page.all("figure", **{"data-view": "rank_alone_view"})) == 1
    )
    assert repr(computing) == table


def test_a_live_card_offers_what_is_free():
    page = Page(free().html(live=True))
    data = states_in(page)
    assert [axis["letter"] for axis in data["axes"]] == ["B", "M", "C", "seed"] and data["start"] == [1, 2, None, 0]
    B, M, C, seed = data["axes"]
    assert B["values"] == [1, 2, 3, 4, 5, 6, 7] and B["typed"] == [1, 7]
    assert M["values"] == [2, 3] and "typed" not in M
    assert "values" not in C and (C["typed"], C["bounds"]) == ([2, 8], "2, 4 or 8")
    assert seed["bounds"] == "an integer from 0 to 99"
    assert [values for values, _ in data["states"]] == [[B, M, None, 0] for B in (1, 2) for M in (2, 3)]
    assert page.text("th") == ["B", "M", "C", "seed", "sum"]
    assert page.all("style") == [] and len(page.all("script")) == 1


@pytest.mark.parametrize(
    "state, sentence",
    [
        ((9, 2, None, 0), "B = 9 is out of bounds; use an integer from 1 to 7"),
        ((2.5, 2, None, 0), "B = 2.5 is out of bounds; use an integer from 1 to 7"),
        ((1, 4, None, 0), "M = 4 is out of bounds; use 2 or 3"),
        ((1, 2, 3, 0), "C = 3 is out of bounds; use 2, 4 or 8"),
        ((1, 2, None, "many"), "seed = many is out of bounds; use an integer from 0 to 99"),
        ((1, 2, None, None), "seed is empty; use an integer from 0 to 99"),
    ],
)
def test_nothing_out_of_its_bounds_is_computed(state, sentence):
    with pytest.raises(ConvacError) as error:
        free().see(state)
    assert str(error.value) == sentence
    assert free().see((7, 2, 4, 99)).reading == "B = 7: 117"


# Records


def test_the_states_are_read_from_the_record_and_computed_where_it_lacks_them(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "RECORDS", tmp_path / "results" / "explorers")
    calls = []

    def counted(S, R, u):
        calls.append((S, R, u))
        return see_half(S, R, u)

    plain = explorer(name="half", axes=HALF, view=counted, recorded=True)
    assert len(calls) == 24 and not list(tmp_path.iterdir()), "only `make notebooks` writes"
    monkeypatch.setenv("CONVAC_EXPLORERS", "record")
    explorer(name="half", axes=HALF, view=counted, recorded=True)
    monkeypatch.delenv("CONVAC_EXPLORERS")
    del calls[:]
    read = explorer(name="half", axes=HALF, view=counted, recorded=True)
    assert calls == []
    assert read._repr_mimebundle_() == plain._repr_mimebundle_()
    explorer(name="half", axes=HALF | {"u": [0, 1, 2, 3, 4]}, view=counted, recorded=True)
    assert calls == [(S, R, 4) for S in (1, 2) for R in (1, 2, 3)]
    del calls[:]
    explorer(name="half", axes=HALF, view=lambda S, R, u: counted(S, R, u=u), recorded=True)
    assert len(calls) == 24, "of another view"


def test_a_record_that_says_the_same_is_not_written_again(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "RECORDS", tmp_path)
    states = explorer(axes=HALF, view=see_half).states
    write_record("half", tuple(HALF), see_half, states)
    (file,) = tmp_path.iterdir()
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()), compresslevel=1))
    before = file.read_bytes()
    write_record("half", tuple(HALF), see_half, states)
    assert file.read_bytes() == before
    write_record("half", tuple(HALF), see_half, dict(list(states.items())[1:]))
    assert file.read_bytes() != before and len(read_record("half", tuple(HALF), see_half)) == len(states) - 1
    assert read_record("half", ("S", "u", "R"), see_half) == read_record("other", tuple(HALF), see_half) == {}


@pytest.mark.parametrize(
    "damage",
    [b"", b"no gzip", gzip.compress(b"{"), gzip.compress(b"[]"), gzip.compress(b"{}")],
    ids=["empty", "no gzip", "no JSON", "a list", "no states"],
)
def test_a_damaged_record_is_named(tmp_path, monkeypatch, damage):
    monkeypatch.setattr(records, "RECORDS", tmp_path)
    (tmp_path / "half.json.gz").write_bytes(damage)
    with pytest.raises(
        DataError, match=r"half.json.gz is damaged \(.+\); restore it, or write it again with make note"
    ):
        read_record("half", tuple(HALF), see_half)


def test_the_records_of_the_book_say_what_the_library_computes(tmp_path, record_property):
    """A dozen states of each, spread over it, are computed again."""
    chapters = (explorers_in(path, tmp_path) for path in CHAPTERS.values())
    made = [each for explorers in chapters for each in explorers if each.options.get("recorded")]
    compared = 0
    for name, axes, view, options in made:
        shown = Explorer(name, axes, view, **options)
        read = read_record(name, tuple(shown.start), view)
        assert {*shown.states} <= {*read} and len(read) == len(list(product(*axes.values()))), "run `make notebooks`"
        for state in list(read)[:: max(1, len(read) // 12)]:
            assert plain(read[state]) == plain(shown.see(state)), f"{name}, {state}: run `make notebooks`"
            compared += 1
    assert {f"{each.name}.json.gz" for each in made} == {path.name for path in records.RECORDS.iterdir()}
    record_property("states of explorers computed again", compared)


# In a browser


@pytest.fixture
def opened(browser, tmp_path):
    """Open a page that holds one explorer twice and two others; note every request and every error of its scripts."""
    contexts = []

    def open_page(width=1280, start=None, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        tab = context.new_page()
        tab.requested, tab.errors = [], []
        tab.on("request", lambda request: tab.requested.append(request.url))
        tab.on("pageerror", lambda error: tab.errors.append(str(error)))
        others = explorer(name="others", axes={"B": [1, 2]}, view=lambda B: see(B, 2, ""))
        half = explorer(name="half", axes=HALF, view=see_half)
        body = "".join(each.html() for each in (explorer(start=start), others, explorer(), half))
        file = tmp_path / "page.html"
        file.write_text(f"<!doctype html><meta charset=utf-8><title>Page</title><body>{body}", encoding="utf-8")
        tab.goto(file.as_uri())
        if options.get("java_script_enabled", True):
            tab.wait_for_function("document.querySelectorAll('figure[data-ready]').length === 4")
        return tab

    yield open_page
    for context in contexts:
        context.close()


def test_every_control_has_a_label_and_keeps_its_keys(opened):
    card = opened().locator("figure").first
    controls = card.locator("input")
    assert controls.count() == 4
    assert {each.get_attribute("data-lm-suppress-shortcuts") for each in controls.all()} == {"true"}
    assert card.locator("label > :first-child:is(span)").all_inner_texts() == ["B, receptive field", "M"]
    assert card.locator("fieldset label").all_inner_texts() == CUTS
    assert card.locator("legend").all_inner_texts() == ["cut"]
    assert card.locator("input[name=B]").get_attribute("aria-valuetext") == "B = 1"
    assert card.locator("b").all_inner_texts() == ["1", "2"]  # the values of the sliders


def test_a_start_sets_the_controls(opened):
    card = opened(start={"B": 3, "cut": CUTS[1]}).locator("figure").first
    assert [each.input_value() for each in card.locator("input[type=range]").all()] == ["2", "0"]
    assert card.get_by_label(CUTS[1]).is_checked()


def test_the_keyboard_moves_it(opened):
    tab = opened()
    first, other, twin, _ = tab.locator("figure").all()
    before = [shown(other), shown(twin)]
    B = first.get_by_label("B, receptive field")
    B.focus()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowRight")
    assert B.get_attribute("aria-valuetext") == "B = 3"
    assert first.locator(".convac-value").first.inner_text() == "3"
    view = see(3, 2, CUTS[0])
    assert shown(first) == (view.picture, view.alt, view.reading, ["32left-right80.4286a<b"])
    tab.keyboard.press("Tab")
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Tab")
    tab.keyboard.press("ArrowRight")  # a radio button, moved as such
    view = see(3, 1024, CUTS[1])
    assert shown(first)[:3] == (view.picture, view.alt, view.reading)
    assert [shown(other), shown(twin)] == before  # the same explorer, twice on one page, is two
    assert tab.errors == []
    assert [url for url in tab.requested if not url.startswith(("file:", "data:"))] == []


def test_the_last_axes_give_way_where_there_is_no_state(opened):
    tab = opened()
    card = tab.locator("#convac-explorer-half")

    def at():
        words = [card.get_by_label(letter, exact=True).get_attribute("aria-valuetext") for letter in HALF]
        assert shown(card)[2] == see_half(*(int(word[-1]) for word in words)).reading
        assert [card.get_by_label(letter, exact=True).input_value() for letter in HALF] == [
            str(values.index(int(word[-1]))) for word, values in zip(words, HALF.values())
        ]
        (row,) = shown(card)[3]
        return row[:3]

    moves = [("u", "End", "113"), ("S", "ArrowRight", "221"), ("R", "ArrowLeft", "221"), ("u", "ArrowRight", "221")]
    for letter, key, state in moves:
        card.get_by_label(letter, exact=True).focus()
        tab.keyboard.press(key)
        assert at() == state
    assert tab.errors == []


@pytest.mark.parametrize("width", [390, 1280])
def test_pointing_at_a_spot_shows_its_state_and_a_click_chooses_it(opened, width):
    tab = opened(width)
    card = tab.locator("#convac-explorer-half")
    picture = card.locator("img")
    picture.scroll_into_view_if_needed()
    u = card.get_by_label("u", exact=True)

    def place(x, y):
        scale = picture.bounding_box()["width"] / 560
        return {"x": x * scale, "y": y * scale}

    for x, y, at in [(247, 67, 2), (253, 67, 0), (247, 73, 0), (303, 43, 3), (297, 43, 0)]:
        picture.hover(position=place(x, y))
        assert shown(card)[:3] == ((view := see_half(1, 1, at)).picture, view.alt, view.reading)
        assert picture.evaluate("image => image.style.cursor") == ("pointer" if at else "")
        assert u.get_attribute("aria-valuetext") == "u = 0"
    picture.hover(position=place(310, 50))
    tab.mouse.move(1, 1)
    assert shown(card)[2] == see_half(1, 1, 0).reading
    picture.click(position=place(310, 50))
    tab.mouse.move(1, 1)
    assert shown(card)[2] == see_half(1, 1, 3).reading
    assert (u.input_value(), u.get_attribute("aria-valuetext")) == ("3", "u = 3")
    picture.click(position=place(255, 60))  # beside the spots
    assert u.input_value() == "3" and tab.errors == []


def test_every_state_can_be_reached(opened):
    card = opened().locator("figure").first
    for B, M, cut in product(range(3), range(2), range(2)):
        card.get_by_label("B, receptive field").fill(str(B))
        card.get_by_label("M", exact=True).fill(str(M))
        card.get_by_label(CUTS[cut]).check()
        view = see(B + 1, (2, 1024)[M], CUTS[cut])
        assert shown(card)[:3] == (view.picture, view.alt, view.reading)


def test_it_is_one_column_on_a_phone_and_two_on_a_desk(opened):
    for width, columns in ((390, 1), (1280, 2)):
        tab = opened(width)
        assert tab.evaluate("document.documentElement.scrollWidth") == width
        parts = ("figure img", "form", ".convac-reading")
        picture, form, reading = (tab.locator(part).first.bounding_box() for part in parts)
        below = picture["y"] + picture["height"]
        assert reading["y"] >= below and reading["x"] == picture["x"]
        if columns == 1:
            assert reading["y"] > form["y"] >= below and form["x"] == picture["x"]
        else:
            assert form["x"] >= picture["x"] + picture["width"] and abs(form["y"] - picture["y"]) < 2


def test_without_scripts_the_picture_and_the_table_remain(opened):
    card = opened(java_script_enabled=False).locator("figure").first
    assert card.locator("img").is_visible() and card.locator("form").count() == 0
    assert card.locator("noscript").is_visible()
    assert (
        card.locator("noscript").inner_text()
        == "The controls need scripts; in a notebook, run this cell. The table has the values of every state."
    )
    card.locator("summary").click()
    assert card.locator("table").is_visible()


def test_the_number_of_a_capital_letter_is_a_subscript_wherever_it_is_read():
    def squares(B1, step2):
        return see(B1, step2, "left-right")

    numbered = explorer(axes={"B1, window of layer 1": [1, 2], "step2": [1, 2]}, view=squares)
    page = Page(numbered.html())
    assert page.text("th")[:2] == ["B₁", "step2"] and repr(numbered).splitlines()[2].split()[:2] == ["B₁", "step2"]
    (script,) = page.text("script", type="application/gzip")
    axes = json.loads(gzip.decompress(b64decode(script)))["axes"]
    names = [(axis["letter"], axis["short"], axis["label"]) for axis in axes]
    assert names == [("B1", "B₁", "B₁, window of layer 1"), ("step2", "step2", "step2")]
    with pytest.raises(ConvacError, match=r"^B₁ = 5 is out of bounds; use 1 or 2$"):
        numbered.see((5, 1))
