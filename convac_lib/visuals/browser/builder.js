// The builder, as in views/builder.py: a network of four layers, and its rank between a lower and an upper bound.

// The smallest product of factors, M of a patch and C of an instance of a node, over the vertex cuts of the unrolled
// network. The cut is found by maximum flow, for logarithms rounded to integers. Two products below M⁸ ≤ 2¹⁶ differ by
// far more than what is rounded, so the product is exact.
const minCut = (plans, network, sides) => {
  const [{ sizes }, channels, first] = [plans.geometry(network), plans.channelsOf(network), new Set(sides[0])];
  const [SOURCE, SINK, UNCUT] = [0, 1, 2 ** 40];
  const arcs = []; // the arc 2k and its reverse 2k + 1: { tail, head, room, factor }
  const leaving = [[], []];
  const join = (tail, head, factor = 0) => {
    const room = factor ? Math.round(Math.log2(factor) * 2 ** 20) : UNCUT;
    leaving[tail].push(arcs.push({ tail, head, room, factor }) - 1);
    leaving[head].push(arcs.push({ tail: head, head: tail, room: 0, factor: 0 }) - 1);
  };
  const vertex = () => leaving.push([]) - 1;
  const patches = Array.from({ length: network.size ** 2 }, vertex);
  patches.forEach((patch, at) => (first.has(at) ? join(SOURCE, patch, channels[0]) : join(patch, SINK, channels[0])));
  const instance = (l, u, v) => {
    const [[R, S], entrance, exit] = [network.layers[l - 1], vertex(), vertex()];
    join(entrance, exit, channels[l]);
    for (let i = u * S; i < Math.min(u * S + R, sizes[l - 1]); i++) {
      for (let j = v * S; j < Math.min(v * S + R, sizes[l - 1]); j++) {
        const patch = i * network.size + j;
        if (l === 1) {
          if (first.has(patch)) join(patches[patch], entrance);
          else join(exit, patches[patch]);
        } else {
          const below = instance(l - 1, i, j);
          join(below.exit, entrance);
          join(exit, below.entrance);
        }
      }
    }
    return { entrance, exit };
  };
  instance(network.layers.length, 0, 0);
  for (;;) {
    const by = new Map([[SOURCE, -1]]); // the arc by which a vertex is reached, in fewest steps
    for (const tail of by.keys()) {
      for (const arc of leaving[tail]) if (arcs[arc].room && !by.has(arcs[arc].head)) by.set(arcs[arc].head, arc);
    }
    if (!by.has(SINK)) {
      const crossing = arcs.filter(({ tail, head, factor }) => factor && by.has(tail) && !by.has(head));
      return crossing.reduce((product, { factor }) => product * BigInt(factor), 1n);
    }
    const path = [];
    for (let at = SINK; at !== SOURCE; at = arcs[path.at(-1)].tail) path.push(by.get(at));
    const flow = Math.min(...path.map((arc) => arcs[arc].room));
    for (const arc of path) {
      arcs[arc].room -= flow;
      arcs[arc ^ 1].room += flow;
    }
  }
};

export const builderView = async ({ R1, R2, R3, C, border, cut, R4, M, seed }, certify) => {
  const { grouped } = marks;
  const plans = networks(generator);
  const fields = [R1, R2, R3, R4];
  const layers = fields.map((R, l) => [R, 1 + (l % 2), C, false]);
  const network = { size: 4, representation_channels: M, layers, border, shared: true };
  plans.requireNetwork(network);
  const sides = plans.sidesOf(cut, network.size);
  const { theorem, chain, saturation } = plans.bounds(network, sides);
  const [most, upper] = [saturation.value, minCut(plans, network, sides)];
  const [proved, chained] = [theorem?.value ?? 0n, chain?.value ?? 0n];
  const [lower, name] = proved >= chained ? [proved, "theorem"] : [chained, "chain bound"];
  const [found] = await certify([{ network, cut, rows: SAMPLED, seed, prime: DEFAULT_PRIME }]);
  const rank = BigInt(found.rank) > lower ? BigInt(found.rank) : lower;

  const isKnown = rank === upper || found.full;
  let words = isKnown ? grouped(rank) : `at least ${grouped(rank)}`;
  let is = rank === upper ? "exact" : found.full ? "of the whole table" : `at least, by the ${name}`;
  if (!isKnown && lower < rank) {
    is = `at least, ${grouped(found.rows)} rows sampled`;
    words += ` (${grouped(found.rows)} rows sampled)`;
  }
  const fromBelow = lower > 1n ? `at least ${grouped(lower)} by the ${name}` : "no lower bound above 1";
  const fromAbove = `at most ${grouped(upper)}` + (upper === most ? ", which no network exceeds" : " by the min cut");
  const [listed, templates] = [fields.join(", "), M === 2 ? "" : `, M = ${M}`];
  const parameters = plans.weightCounts(network).reduce((sum, count) => sum + count, C);
  const reading =
    `R = ${listed} and C = ${C}${templates}: rank ${words} with ${grouped(parameters)} parameters; ` +
    `${fromBelow}, ${fromAbove}.`;
  const alt =
    `The four layers of a network with receptive fields ${listed} and strides 1, 2, 1, 2 as grids, beside an image ` +
    `with the cut ${cut}; the border is ${border}. Three bars on a logarithmic scale that ends at the saturation ` +
    `${grouped(most)}: ${fromBelow}; the rank is ${words}; ${fromAbove}.`;
  const colour = marks.colourOf(Math.max(1, ...layers.filter(([R, S]) => R > S).map(([R]) => R)));
  const bars = drawBetween(Number(rank), Number(lower), Number(upper), Number(most), colour, isKnown);
  const picture = marks.serialize(marks.stack([drawings.drawNetwork(network, cut), bars]));
  const values = { parameters, rank, is, "lower bound": lower > 1n ? lower : "none above 1", "upper bound": upper };
  return { picture, alt, reading, values };
};

// A rank as a bar between those of its two bounds, on a logarithmic scale that ends at the saturation.
const drawBetween = (rank, lower, upper, saturation, colour, isKnown) => {
  const { LINE, MARGIN, WIDTH, BOLD_LETTER, BOUND, MUTED, SATURATION, RULE } = marks;
  const { short, readable, add, addLine, addText } = marks;
  const [LEFT, RIGHT, BAR, BETWEEN, TOP] = [146, WIDTH - 116, 26, 10, LINE + 10];
  const BOTTOM = TOP + 3 * BAR + 2 * BETWEEN + 10;
  const scale = marks.logarithmic(1, saturation);
  const svg = marks.svgDocument(WIDTH, BOTTOM + LINE + 8);
  for (let power = 0; power < String(saturation).length; power++) {
    const x = LEFT + (RIGHT - LEFT) * scale(10 ** power);
    addLine(svg, [x, TOP - 8], [x, BOTTOM], RULE);
    addText(svg, x, BOTTOM + LINE, readable(10 ** power, 4), { anchor: "middle", fill: MUTED });
  }
  addText(svg, MARGIN, BOTTOM + LINE, "rank (log)", { fill: MUTED });
  const bars = [
    ["lower bound", lower, readable(lower), BOUND],
    ["rank", rank, (isKnown ? "" : "≥ ") + readable(rank), colour],
    ["upper bound", upper, readable(upper), BOUND],
  ];
  bars.forEach(([name, value, label, fill], number) => {
    const top = TOP + number * (BAR + BETWEEN);
    addText(svg, MARGIN, top + BAR - 7, name);
    if (!number && value <= 1) return addText(svg, LEFT + 8, top + BAR - 7, "none above 1", { fill: MUTED });
    const width = Math.max((RIGHT - LEFT) * scale(value), 3);
    add(svg, "rect", { x: short(LEFT), y: short(top), width: short(width), height: String(BAR), fill });
    const start = LEFT + width + 8;
    const isCrossed = start + label.length * BOLD_LETTER + 4 > RIGHT;
    addText(svg, isCrossed ? RIGHT + 8 : start, top + BAR - 7, label, { bold: true });
  });
  const words = `saturation ${readable(saturation)}`;
  addText(svg, RIGHT, LINE - 8, words, { anchor: "end", fill: SATURATION });
  addLine(svg, [RIGHT, TOP - 8], [RIGHT, BOTTOM], SATURATION, 2.5, "1.5 5");
  return svg;
};
