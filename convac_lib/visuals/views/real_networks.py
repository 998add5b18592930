"""The explorer of published networks: how much the windows of their layers overlap, from the image up."""

import json
from collections import Counter
from functools import cache
from typing import Any

from convac_lib.errors import DataError
from convac_lib.files import results_path
from convac_lib.visuals.overlap_by_layer import LayerGeometry, draw_overlap_by_layer, layers_in
from convac_lib.visuals.svg import readable
from convac_lib.visuals.view import View

RECORD = "real-networks.jsonl"


@cache
def real_networks() -> dict[str, dict[str, Any]]:
    """Return the record of fifteen published networks by name, from AlexNet to ConvNeXt, in order of their years.

    Each holds its `year`, `source`, `image`, how much of it was `read` (and `why_part`), and its `layers`: for each,
    `what` it is, and for each axis `R`, `S`, `T_R` and `T_S`. `tools/real_networks.py` writes them.

    Raises:
        DataError: if the record is missing or damaged.

    Chapter: *The overlap theorem*.

    >>> list(real_networks())[0], len(real_networks())
    ('AlexNet', 15)
    """
    path = results_path(RECORD)
    try:
        networks = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return {network["name"]: network for network in networks}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}); write it again with python tools/real_networks.py") from None


def real_networks_view(network: str) -> View:
    """Show the degree of overlap of every layer of a published network, with the layers whose own windows overlap.

    Args:
        network: the network's name, as in `real_networks`.

    Returns:
        The `View`.

    Chapter: *The overlap theorem*.

    >>> print(real_networks_view("VGG-16").reading)
    VGG-16 (2014): windows overlap in 13 of 19 layers and do not in 6. The last map sees 212 pixels in steps of 32, \
T_R/T_S = 6.62.
    """
    record = real_networks()[network]
    layers = layers_in(record["layers"])
    whole = record["read"] == "whole"
    counts = Counter(layer.kind for layer in layers)
    last = _last_map(record, layers)
    T_R, T_S = max(last.total_receptive_fields), max(last.total_strides)
    others = f"do not in {counts['non-overlapping']}"
    if counts["skipping"]:
        others = (
            f"do not in {counts['non-overlapping'] + counts['skipping']}, {counts['skipping']} of which skip pixels"
        )
    overlapping = f"windows overlap in {counts['overlapping']} of {len(layers)} layers"
    reading = f"{network} ({record['year']}): {overlapping} and {others}."
    if whole:
        reading += f" The last map sees {T_R:,} pixels in steps of {T_S}, T_R/T_S = {readable(float(last.overlap))}."
    elif not counts["overlapping"]:
        reading += " Attention, where every position may read every other, has no windows, and is not drawn."
    else:
        reading += " Attention, which has no windows of its own, is not drawn."
    alternative = (
        f"A bar for each of {len(layers)} layers of {network}: T_R/T_S, on a logarithmic scale from 1 to 100; "
        f"{counts['overlapping']} bars in the colour of layers whose windows overlap. The largest is "
        f"{readable(float(max(layer.overlap for layer in layers)))}."
    )
    values = {
        "year": record["year"], "layers": len(layers), "overlapping": counts["overlapping"],
        "1×1": sum(set(layer.receptive_fields) == {1} for layer in layers), "T_R": T_R, "T_S": T_S,
        "read": record["read"],
    }  # fmt: skip
    return View(draw_overlap_by_layer(layers, network, whole=whole), alternative, reading, values, source=RECORD)


def _last_map(record: dict[str, Any], layers: list[LayerGeometry]) -> LayerGeometry:
    """Return the last layer whose output has more than one pixel."""
    found = [layer for layer, own in zip(layers, record["layers"]) if max(own["size"]) > 1]
    return found[-1] if found else layers[-1]
