"""Certificates, issued and then altered, falsified or replaced by hostile files: what every checker must refuse."""

import json
from functools import cache

from convac_lib import Architecture, Layer, baseline, common_case
from convac_lib.theory.certificates import LARGEST_FILE, digest_of
from convac_lib.theory.ranks import issue_certificate

NETWORKS = [
    (common_case(B=2, M=2, size=4), "left-right", 2**31 - 1),
    (common_case(B=3, M=2, size=4), "interleaved", 8388593),
    (common_case(B=1, M=3, size=4), "top-bottom", 2147483629),
    (baseline(M=3, size=4, channels=2), [0, 3, 5], 101),
    (Architecture(3, 2, [Layer(2, 1, 3), Layer(3, 3, 2)], "ones"), [0, 4, 8], 2**31 - 1),
    (Architecture(4, 2, [Layer(3, 1, 2), Layer(2, 1, 3)], "valid"), "checkerboard", 65537),
    (Architecture(2, 12, [Layer(2, 2, 5)]), [0], 7),
    (
        Architecture(4, 2, [Layer(3, 1, 3), Layer(2, 2, 3, weight_free=True), Layer(2, 2, 2)], shared=False),
        [1, 5, 6],
        257,
    ),
]


@cache
def issued(number):
    network, cut, prime = NETWORKS[number]
    cut = cut if isinstance(cut, str) else tuple(cut)
    return issue_certificate(network, cut, rows=60, seed=3, prime=prime)


def alter(document, draw):
    """Change one field, to another value of its kind or of none."""
    key = draw.choice(sorted(set(document) - {"digest"}))
    value = document[key]
    if draw.random() < 0.2:
        value = draw.choice([None, True, -1, 1.5, "", [], {}, [[]], 2**40, "x", 10**30])
    elif isinstance(value, int):
        value += draw.choice([-2, -1, 1, 2, 100])
    elif isinstance(value, str):
        value += draw.choice("ab ")
    else:
        value = json.loads(json.dumps(value))
        place = draw.randrange(len(value))
        inner = value[place]
        if isinstance(inner, list):
            inner[draw.randrange(len(inner))] += draw.choice([-1, 1, 7])
        elif isinstance(inner, str):
            value[place] = inner[:-1] + ("1" if inner[-1] == "0" else "0")
        else:
            value[place] += draw.choice([-1, 1, 7])
    return document | {key: value}


def falsify(document, draw):
    """Make the claim false, whatever the digest says: too high a rank, a singular minor, or no field."""
    document = json.loads(json.dumps(document))
    kind = draw.choice(["rank", "one more", "same row", "same column", "weights", "dense", "prime", "shape", "digit"])
    side = draw.choice(["rows", "columns"])
    if kind == "rank":
        document["rank"] += draw.randint(1, 5)
    elif kind == "one more":
        document["rank"] += 1
        document["sampled"] = [max(n, document["rank"]) for n in document["sampled"]]
        for name in ("rows", "columns"):
            document[name].append(draw.choice(document[name]))
    elif kind in ("same row", "same column"):
        name = "rows" if kind == "same row" else "columns"
        document[name][0] = document[name][1]
    elif kind == "weights":
        layer = draw.randrange(len(document["weights"]))
        document["weights"][layer] = [0] * len(document["weights"][layer])
    elif kind == "dense":
        document["dense"] = [0] * len(document["dense"])
    elif kind == "prime":
        document["prime"] = (document["prime"] - 1) if document["prime"] > 3 else 4
        for numbers in [*document["weights"], document["dense"]]:
            numbers[:] = [number % document["prime"] for number in numbers]
    elif kind == "shape":
        document["layers"][draw.randrange(len(document["layers"]))][2] += 1
    else:
        document[side][0] = "f" * len(document[side][0]) + "f"
    return document


def tampered(documents, draw, count):
    """The text of altered documents and, with their digests right, of false ones, in turn."""
    for _ in range(count // 2):
        yield json.dumps(alter(draw.choice(documents), draw))
        false = falsify(draw.choice(documents), draw)
        yield json.dumps(false | {"digest": digest_of(false)})


def hostile():
    document = issued(0)[1].document()
    text = json.dumps(document)
    changed = {
        "size": 10**9, "representation_channels": 10**9, "rank": 10**9, "prime": 2**61 - 1, "border": "wrap",
        "layers": [[10**9, 1, 2]], "cut": [0, 0], "weights": [[True]], "dense": [-1, 0], "rows": ["0" * 8, 1],
        "columns": "0" * 8, "sampled": [10**9] * 2, "format": 1,
    }  # fmt: skip
    for key, value in changed.items():
        yield f"wrong {key}", json.dumps(new := document | {key: value}).replace(document["digest"], digest_of(new))
    yield "an unknown key", json.dumps(document | {"more": 1})
    yield "a key left out", json.dumps({key: value for key, value in document.items() if key != "sampled"})
    yield "a key twice", text[:-1] + ', "rank": 1}'
    yield "true as a number", text.replace('"size": 4', '"size": true')
    yield "NaN", text.replace('"size": 4', '"size": NaN')
    yield "a fraction", text.replace('"size": 4', '"size": 4.0')
    yield "a huge exponent", text.replace('"size": 4', '"size": 1e999999')
    yield "endless digits", text.replace('"size": 4', '"size": ' + "9" * 100_000)
    yield "deep lists", "[" * 1_000_000
    yield "deep lists inside", text.replace('"size": 4', '"size": ' + "[" * 900 + "]" * 900)
    yield "deep objects", '{"a":' * 1_000_000
    yield "nothing", ""
    yield "no object", "3"
    yield "no text", "\x00" * 1000
    yield "another encoding", text.encode("utf-16")
    yield "no encoding", b"\xff" + text.encode()
    yield "a large file", " " * (LARGEST_FILE + 1)
    for end in range(1, len(text), 997):
        yield f"cut off after {end}", text[:end]
