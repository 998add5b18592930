"""Explorers small enough to check by hand, and what a browser shows of one."""

from dataclasses import replace

from convac_lib.visuals.explorer import View
from convac_lib.visuals.rank_scale import draw_rank_scale
from convac_lib.visuals.style import colour_of

HALF = {"S": [1, 2], "R": [1, 2, 3], "u": [0, 1, 2, 3]}


def see(B, M, cut):
    picture = draw_rank_scale(M**B, colour=colour_of(B))
    reading = f"B = {B}: rank {M**B} </script><b>& {cut}"
    return View(picture, f'"{B}" <{M}>', reading, {"rank": M**B, "share": B / 7, "<note>": "a<b"})


def see_half(S, R, u):
    """Windows of side R that step by S over four patches: there is none where patches are skipped, or past the end."""
    spots = [((100 * at, 40, 50, 30), {"u": at}) for at in range(4 // S)]
    return replace(see(R, 2, f"S{S} u{u}"), spots=spots) if S <= R and u * S < 4 else None


def shown(card):
    """What a card shows now: its picture, alternative text, reading and marked row."""
    return (
        card.locator("img").evaluate("image => decodeURIComponent(image.src.split(',')[1])"),
        card.locator("img").get_attribute("alt"),
        card.locator("[aria-live=polite]").inner_text().replace("\u00a0", " "),
        card.locator("tr[aria-current]").evaluate_all("rows => rows.map(row => row.textContent)"),
    )
