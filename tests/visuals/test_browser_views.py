"""The page's own views say and draw, letter by letter, what Python's views do."""

import random
import re
from functools import partial
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.engine import NODE, by_node, by_page

from convac_lib.architecture import BORDERS
from convac_lib.families import common_case
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.ranks import certify_rank
from convac_lib.visuals.card import BROWSER_VIEWS
from convac_lib.visuals.records import RECORDS, read_record
from convac_lib.visuals.view import words_of
from convac_lib.visuals.views import builder, efficiency, placement, rank
from convac_lib.visuals.views.builder import builder_view
from convac_lib.visuals.views.convolution_entry import entry_view
from convac_lib.visuals.views.efficiency import efficiency_view
from convac_lib.visuals.views.geometry import NAMED, geometry_view, number_of
from convac_lib.visuals.views.mixed import mixed_view
from convac_lib.visuals.views.placement import placement_view
from convac_lib.visuals.views.rank import rank_view
from convac_lib.visuals.views.rank_alone import rank_alone_view
from convac_lib.visuals.views.receptive_fields import field_view, grey_gif

VIEWS = {view.__name__: view for view in (rank_view, rank_alone_view, placement_view, builder_view, efficiency_view)}
RECORDED = {
    "overlap-theorem": ("B", "M", "C", "cut", "size", "seed", "prime"),
    "intro-overlap": ("B", "M", "C", "size", "seed", "prime"),
    "expressive-efficiency": ("B", "C", "target"),
    "conjecture-placement": ("B1", "B2", "C", "M", "seed", "prime"),
    "conjecture-builder": ("R1", "R2", "R3", "C", "border", "cut", "R4", "M", "seed"),
}
CUTS = ["left-right", "top-bottom", "interleaved", "checkerboard"]
NAMES = ", ".join(f"{name}: {function}" for name, function in BROWSER_VIEWS.items())
SEEN = """asked => {
  const views = { NAMES };
  const sampled = (question) => ({ ...question, rows: 48 });
  return Promise.all(asked.map(async ([name, state, given]) => {
    const certify = async (questions) => {
      return given?.splice(0, questions.length) ?? ranks.certifyRanks(questions.map(sampled));
    };
    const seen = await views[name](state, certify);
    if (!seen) return null;
    const words = Object.entries(seen.values).map(([name, value]) => [name, value.toLocaleString("en")]);
    return { ...seen, values: Object.fromEntries(words) };
  }));
}""".replace("NAMES", NAMES)


@pytest.fixture
def compare(request):
    """Compare what JavaScript shows with a `View`, for cases of (view, state, the ranks that it is given, or None)."""

    def compare_all(cases):
        tab = None if NODE else request.getfixturevalue("browser").new_page()
        found = (by_node if NODE else lambda *asked: by_page(tab, *asked))(SEEN, [case for case, _ in cases])
        for ((name, state, _), view), seen in zip(cases, found, strict=True):
            if view is None:
                assert seen is None, (name, state)
                continue
            words = {name: words_of(value) for name, value in view.values.items()}
            if words.get("is") == "exact" and seen["values"]["is"] == "of the whole table":
                words["is"] = "of the whole table"  # the page lacks the min cut, by which the atlas knows more
            expected = {"picture": view.picture, "alt": view.alt, "reading": view.reading, "values": words}
            if view.spots:
                expected["spots"] = [[list(box), dict(moved)] for box, moved in view.spots]
            assert seen == expected, (name, state)

    return compare_all


def known_ranks(name, state, view):
    """What Python knows of the ranks of a state's networks, in the order of the questions."""
    if name == "efficiency_view":
        fields = dict.fromkeys((1, 2, 3, state["B"]))
        pairs = [*product(fields, efficiency.EFFICIENCY_CHANNELS), (state["B"], state["C"])]
        return [{"rank": efficiency._rank(B, C), "rows": 256, "full": True} for B, C in pairs]
    if name == "placement_view":
        sides = sorted({1, 2, 3, state["B1"], state["B2"]})
        rest = (state["C"], state["M"], state["seed"], state["prime"])
        return [{"rank": placement._rank(B1, B2, *rest), "rows": 256, "full": True} for B1 in sides for B2 in sides]
    if name == "builder_view":
        return [{"rank": view.values["rank"], "rows": 256, "full": True}]
    if view.values["is"] == "by the theorem":  # whose rank is the larger one; the view says nothing of the other
        place = (state["size"], state["M"], state["B"], state["M"], "left-right", state["prime"], state["seed"])
        known = rank._atlas()[place]
        return [{"rank": known.rank, "rows": known.rows, "full": False}]
    sampled = re.search(r"([\d,]+) rows sampled", view.values["is"])
    rows = int(sampled[1].replace(",", "")) if sampled else 0
    return [{"rank": view.values["rank"], "rows": rows, "full": not sampled}]


@pytest.mark.parametrize("explorer", RECORDED)
def test_every_recorded_state_is_what_the_page_draws_of_its_rank(explorer, compare, record_property):
    (name,) = (name for name in VIEWS if read_record(explorer, RECORDED[explorer], VIEWS[name]))
    states = read_record(explorer, RECORDED[explorer], VIEWS[name])
    cases = []
    for values, view in states.items():
        state = dict(zip(RECORDED[explorer], values, strict=True))
        cases.append(((name, state, known_ranks(name, state, view)), view))
    compare(cases)
    assert (RECORDS / f"{explorer}.json.gz").exists() and len(cases) >= 9
    record_property("recorded states that Python and JavaScript draw alike", len(cases))


@pytest.fixture
def no_atlas(monkeypatch):
    monkeypatch.setattr(rank, "_atlas", dict)


def drawn_state(draw, name):
    if name == "efficiency_view":
        return {"B": draw.randint(1, 5), "C": draw.randint(1, 64), "target": draw.choice(["B = 2", "B = 3"])}
    prime, seed = draw.choice([DEFAULT_PRIME, DEFAULT_PRIME, 101, 8388593]), draw.choice([0, 1, draw.randrange(10**6)])
    if name == "placement_view":
        sides = {letter: draw.randint(1, 3) for letter in ("B1", "B2")}
        return sides | {"C": draw.randint(2, 4), "M": draw.randint(2, 3), "seed": seed, "prime": prime}
    if name == "builder_view":
        state = {"R1": draw.randint(1, 4), "R2": draw.randint(2, 4), "R3": draw.randint(1, 3), "R4": draw.randint(2, 3)}
        state |= {"C": draw.randint(1, 8), "M": draw.randint(2, 3), "border": draw.choice(["neutral", "ones"])}
        return state | {"cut": draw.choice(CUTS), "seed": seed}
    state = {"B": draw.randint(1, 7), "M": draw.randint(2, 8), "C": draw.choice([None, draw.randint(1, 16)])}
    state |= {"size": draw.choice([2, 4, 8, 16]), "seed": seed, "prime": prime}
    return state | ({"cut": draw.choice(["left-right", "interleaved", "checkerboard"])} if name == "rank_view" else {})


def test_300_states_of_invented_ranks_are_drawn_alike(compare, no_atlas, monkeypatch, record_property):
    draw, cases = random.Random(0), []
    for _ in range(300):
        name = draw.choice(list(VIEWS))
        state = drawn_state(draw, name)
        if name == "efficiency_view":
            invented = {}
            for B in range(1, 6):
                for C in range(1, 65):
                    invented[B, C] = max(invented.get((B, C - 1), 1), min(256, draw.randint(1, 4) * C))
            monkeypatch.setattr(efficiency, "_rank", lambda B, C, known=invented: known[B, C])
            given = known_ranks(name, state, None)
        elif name == "placement_view":
            sides, most = sorted({1, 2, 3, state["B1"], state["B2"]}), min(1024, state["M"] ** 8)
            known = {(B1, B2): draw.randint(1, most) for B1 in sides for B2 in sides}
            monkeypatch.setattr(placement, "_rank", lambda B1, B2, *_, known=known: known[B1, B2])
            given = [{"rank": value, "rows": most, "full": state["M"] == 2} for value in known.values()]
        elif name == "builder_view":
            given = [{"rank": draw.randint(1, 256), "rows": 256 if state["M"] == 2 else 1024, "full": state["M"] == 2}]
            certified = SimpleNamespace(**given[0])
            monkeypatch.setattr(builder, "certify_rank", lambda *_, certified=certified, **__: certified)
        else:
            whole = state["M"] ** (state["size"] ** 2 // 2)
            most = min(1024, whole)
            given = [{"rank": draw.choice([1, draw.randint(1, most), most]), "rows": most, "full": whole == most}]
            certified = SimpleNamespace(**given[0])
            monkeypatch.setattr(rank, "certify_rank", lambda *_, certified=certified, **__: certified)
        cases.append(((name, state, given), VIEWS[name](**state)))
    compare(cases)
    record_property("invented states that Python and JavaScript draw alike", len(cases))


def test_what_the_page_computes_is_what_python_computes_also_of_samples(compare, no_atlas, monkeypatch):
    """Of 48 sampled rows, so that a test takes no minutes; the page samples 1,024."""
    certify = partial(certify_rank, rows=48)
    monkeypatch.setattr(efficiency, "_rank", lambda B, C: certify(common_case(B, 2, 4, C)).rank)
    monkeypatch.setattr(rank, "SAMPLED", 48)
    monkeypatch.setattr(placement, "SAMPLED", 48)
    monkeypatch.setattr(builder, "SAMPLED", 48)
    built = {"R1": 2, "R2": 3, "R3": 2, "R4": 2, "C": 3, "M": 2, "border": "ones", "cut": "left-right", "seed": 4}
    common = {"B": 3, "M": 2, "C": None, "size": 4, "seed": 1, "prime": DEFAULT_PRIME}
    states = [
        ("rank_view", common | {"cut": "left-right"}),
        ("rank_view", common | {"B": 1, "M": 3, "size": 8, "cut": "interleaved", "C": 4}),
        ("rank_view", common | {"B": 2, "M": 5, "cut": "checkerboard", "seed": 10**6 - 1}),
        ("rank_alone_view", common | {"B": 1, "M": 4, "prime": 101}),
        ("rank_alone_view", common | {"B": 2, "size": 2, "C": 7}),
        ("efficiency_view", {"B": 4, "C": 7, "target": "B = 2"}),
        ("placement_view", {"B1": 1, "B2": 3, "C": 3, "M": 2, "seed": 7, "prime": DEFAULT_PRIME}),
        ("builder_view", built),
        ("builder_view", built | {"R1": 3, "M": 3, "border": "neutral", "cut": "checkerboard"}),
    ]
    compare([((name, state, None), VIEWS[name](**state)) for name, state in states])


# The views that need no ranks: what their tables hold, and states beyond these.

DIGITS = np.random.default_rng(3).integers(0, 10, (2, 4, 4)).tolist()
WEIGHTS = np.random.default_rng(4).integers(-3, 4, (2, 3, 3)).tolist()
PICTURE = grey_gif(np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3))


def entry_state(**values):
    return {"x": DIGITS, "weight": WEIGHTS, "border": "neutral", "size": 4, "seed": None} | values


def drawn_entry(draw):
    state = {"S": draw.randint(1, 3), "R": draw.randint(1, 3), "u": draw.randint(0, 3), "v": draw.randint(0, 3)}
    state |= {
        "border": draw.choice(BORDERS),
        "size": draw.randint(2, 4),
        "seed": draw.choice([None, draw.randrange(500)]),
    }
    return entry_state(**state)


def test_every_entry_of_the_chapters_table_is_drawn_alike(compare, record_property):
    axes = product((1, 2), (1, 2, 3), BORDERS, range(4), range(4))
    states = [entry_state(S=S, R=R, border=border, u=u, v=v) for S, R, border, u, v in axes]
    compare([(("entry_view", state, None), entry_view(**state)) for state in states])
    record_property("entries of the table that Python and JavaScript draw alike", len(states))


def test_entries_beyond_the_table_are_drawn_alike(compare, record_property):
    draw = random.Random(1)
    states = [drawn_entry(draw) for _ in range(1500)]
    states = [state for state in states if state["border"] != "valid" or state["R"] <= state["size"]]
    views = [entry_view(**state) for state in states]
    assert sum(view is not None for view in views) > 300 and None in views
    compare([(("entry_view", state, None), view) for state, view in zip(states, views)])
    record_property("random entries that Python and JavaScript draw alike", len(states))


def test_every_receptive_field_that_may_be_typed_is_drawn_alike(compare, record_property):
    axes = product(range(1, 13), range(1, 9), range(1, 4), (4, 8, 16, 32))
    states = [{"picture": PICTURE, "B": B, "layer": layer, "S": S, "size": size} for B, layer, S, size in axes]
    compare([(("field_view", state, None), field_view(**state)) for state in states])
    record_property("receptive fields that Python and JavaScript draw alike", len(states))


def test_geometries_with_any_cut_and_any_width_are_drawn_alike(compare, record_property):
    draw = random.Random(2)
    cuts = [*map(number_of, NAMED.values()), 1, 2**14, 2**15 - 1, *(draw.randrange(1, 2**15) for _ in range(120))]
    states = [
        {"geometry": geometry, "r": draw.randint(1, 8), "cut": cut, "M": draw.randint(2, 8)}
        for geometry, cut in product(("square", "mirror", "far"), cuts)
    ]
    compare([(("geometry_view", state, None), geometry_view(**state)) for state in states])
    record_property("cuts of geometries that Python and JavaScript draw alike", len(states))


def test_every_cut_of_two_mixed_networks_is_drawn_alike(compare, record_property):
    draw = random.Random(3)
    states = [{"r": r, "cut": cut, "M": 4} for r, cut in product((3, 4), range(1, 128))]
    states += [{"r": draw.randint(1, 16), "cut": draw.randint(1, 127), "M": draw.randint(1, 8)} for _ in range(400)]
    compare([(("mixed_view", state, None), mixed_view(**state)) for state in states])
    record_property("cuts of mixed networks that Python and JavaScript draw alike", len(states))
