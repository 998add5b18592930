// The explorers of ranks, as in views/rank.py and views/rank_alone.py. A view takes a state and `certify`, which is
// asked for ranks, and promises { picture, alt, reading, values }, as a `View` has them.
const [DEFAULT_PRIME, SAMPLED] = [2 ** 31 - 1, 1024]; // rows and columns at most

// The talk's common case: B×B layers of stride 1, each followed by a 2×2 layer of stride 2.
const commonCase = (B, M, size, C) => {
  const layers = Array.from({ length: 2 * Math.log2(size) }, (_, l) => (l % 2 ? [2, 2, C, false] : [B, 1, C, false]));
  return { size, representation_channels: M, layers, border: "neutral", shared: true };
};

// What rank.py reads from the atlas or computes: a rank, how far it is known, and what both views say of it.
const certifiedRank = async ({ B, M, C, size, cut, seed, prime }, certify) => {
  const plans = networks(generator);
  const { grouped } = marks;
  const channels = C ?? M;
  const [network, plain] = [commonCase(B, M, size, channels), commonCase(1, M, size, channels)];
  const sides = plans.sidesOf(cut, size);
  const { theorem, common_case, non_overlapping_upper, saturation } = plans.bounds(network, sides);
  const [most, proved, formula] = [saturation.value, theorem?.value ?? 0n, common_case?.value];
  const limit = plans.bounds(plain, sides).non_overlapping_upper.value;
  const own = non_overlapping_upper?.value ?? most;
  const [{ rank: found, rows, full }] = await certify([{ network, cut, rows: SAMPLED, seed, prime }]);
  const rank = BigInt(found);

  const status = rank === (own < most ? own : most) ? "exact" : full ? "whole" : "at least";
  const isSure = status === "exact" || (status === "whole" && prime >= 2 ** 30); // else a minor may be 0 by chance
  let words = isSure ? grouped(rank) : `at least ${grouped(rank)}`;
  if (status === "at least") words += ` (${grouped(rows)} rows sampled)`;
  if (proved > rank) words += `, ${grouped(proved)} by the theorem`;
  const all = [rank, proved].includes(most) ? `all that M = ${M} allows` : `where M = ${M} allows ${grouped(most)}`;
  const [chosen, usual] = [{ C: channels, H: size, seed, p: prime }, { C: M, H: 4, seed: 0, p: DEFAULT_PRIME }];
  const unusual = Object.entries(chosen).filter(([letter, value]) => value !== usual[letter]);
  const others = unusual.map(([letter, value]) => `, ${letter} = ${grouped(value)}`).join("");
  const reading = `B = ${B}${others}: rank ${words}, ${all}; without overlap, at most ${grouped(limit)}.`;
  const kinds = { exact: "exact", whole: "of the whole table" };
  const kind = kinds[status] ?? `lower bound, ${grouped(rows)} rows sampled`;
  return { network, rank, kind, words, reading, most, proved, formula, limit };
};

export const rankView = async (state, certify) => {
  const { B, M, size, cut } = state;
  const { network, rank, kind, words, reading, most, proved, formula, limit } = await certifiedRank(state, certify);
  const levels = [
    { value: Number(formula), name: "formula", colour: marks.BOUND, dashes: "7 5" },
    { value: Number(most), name: "saturation", colour: marks.SATURATION, dashes: "1.5 5" },
  ].filter(({ name }) => name === "saturation" || formula !== undefined);
  const scale = { nonOverlapping: Number(limit), levels };
  const picture = marks.stack([
    drawings.drawTemplates(M, size),
    drawings.drawNetwork(network, cut),
    drawings.drawRankScale(Number(rank), marks.colourOf(B), scale),
  ]);
  const [two, three] = [M ** 2, M ** 3].map(marks.grouped);
  const alt =
    `${M} templates, and tables that grow as ${M}, ${two}, ${three}; the layers of the common-case network with ` +
    `B = ${B} as grids; its rank across the cut ${cut} on a logarithmic scale: ${words}, with saturation at ` +
    `${marks.grouped(most)} and at most ${marks.grouped(limit)} without overlap.`;
  const values = {
    rank,
    is: kind,
    theorem: proved || "does not apply",
    "talk's formula": formula ?? "does not apply",
    "without overlap, at most": limit,
    saturation: most,
  };
  return { picture: marks.serialize(picture), alt, reading, values };
};

export const rankAloneView = async (state, certify) => {
  const { B, M, size } = state;
  const seen = await certifiedRank({ ...state, cut: "left-right" }, certify);
  const { network, reading, most, proved, limit } = seen;
  const [rank, is] = proved > seen.rank ? [proved, "by the theorem"] : [seen.rank, seen.kind];
  const bars = { name: `B = ${B}`, nonOverlapping: Number(limit), largest: Number(most) };
  const scale = drawings.drawRankScale(Number(rank), marks.colourOf(B), bars);
  const picture = marks.stack([drawings.drawNetwork(network, "left-right"), scale], -marks.LINE);
  const isLeast = reading.includes("at least") && rank < most;
  const alt =
    `The layers of a network with B = ${B} as grids, beside an image cut into a left and a right half. Two bars on ` +
    `a logarithmic scale: the network's rank is ${isLeast ? "at least " : ""}${marks.grouped(rank)}, and without ` +
    `overlap it is at most ${marks.grouped(limit)}.`;
  return { picture: marks.serialize(picture), alt, reading, values: { rank, is, "without overlap, at most": limit } };
};
