// The explorer of mixed decompositions, as in views/mixed.py: two trees over eight patches, and five bounds.
const MIXED = (() => {
  const { WIDTH } = marks;
  const [PATCHES, STEP, PATCH, ROW, TOP] = [8, 58, 44, 32, 128];
  const LEFT = WIDTH - PATCHES * STEP;
  const below = TOP + 2 * ROW;
  const TREES = [
    { order: [0, 1, 2, 3, 4, 5, 6, 7], heights: [100, 58, 16], start: TOP },
    { order: [0, 2, 1, 3, 4, 6, 5, 7], heights: [below + 28, below + 70, below + 112], start: below },
  ];
  const NETWORKS = ["first", "second", "sum", "hybrid", "mixture"];
  const boxOf = (patch, isFirst) => [LEFT + patch * STEP + (STEP - PATCH) / 2, TOP + (isFirst ? 0 : ROW), PATCH, ROW];
  return { PATCHES, STEP, ROW, TOP, LEFT, TREES, NETWORKS, boxOf };
})();

export const mixedView = ({ r, cut, M }) => {
  const { PATCHES, TREES, NETWORKS, boxOf } = MIXED;
  const isIn = (patch) => ((cut >> patch) & 1) === 1;
  const first = TREES[0].order.filter(isIn);
  const bounds = mixedBounds(r, M, isIn);
  const [one, two, added, hybrid, mixture] = bounds.map(marks.grouped);
  const reading =
    `No rank exceeds ${one} and ${two} for the two networks, ${added} for their sum, ${hybrid} for the hybrid and ` +
    `${mixture} for the mixture.`;
  const alt =
    `Patches 1 to 8, of which ${first.map((patch) => patch + 1).join(", ")} are in P, between two trees. The first ` +
    "joins 1 and 2, and so on, the second 1 and 3, and 2 and 4. Blue lines join the nodes of each half. Below, a bar " +
    `for each network. ${reading}`;
  const spots = [];
  for (let patch = 0; patch < PATCHES - 1; patch++) {
    for (const isFirst of [true, false]) {
      const moved = isFirst ? cut | (1 << patch) : cut & ~(1 << patch);
      if (moved) spots.push([boxOf(patch, isFirst), { cut: moved }]);
    }
  }
  const values = Object.fromEntries(NETWORKS.map((name, at) => [name, bounds[at]]));
  return { picture: marks.serialize(drawMixedBounds(isIn, bounds, M ** 4)), alt, reading, values, spots };
};

// The bounds of the five networks, as `rank_bound` finds them; a cost is [with Q above, with P above].
const mixedBounds = (r, M, isIn) => {
  const SIDES = [0, 1];
  const join = (left, right, above) => {
    const ways = SIDES.flatMap((a) => SIDES.map((b) => left[a] * right[b] * (a === b && b === above ? 1 : r)));
    return Math.min(...ways);
  };
  const climb = (nodes) => {
    if (nodes.length === 1) return nodes[0];
    const pairs = nodes.filter((_, at) => at % 2 === 0).map((left, at) => [left, nodes[2 * at + 1]]);
    return climb(pairs.map(([left, right]) => SIDES.map((above) => join(left, right, above))));
  };
  const product = (numbers) => numbers.reduce((found, number) => found * number, 1);
  const halves = (order) => [order.slice(0, 4), order.slice(4)];
  const costs = MIXED.TREES.map(({ order }) =>
    halves(order).map((half) => climb(half.map((patch) => (isIn(patch) ? [M, 1] : [1, M])))),
  );
  const whole = halves(MIXED.TREES[0].order).map((half) => {
    const inside = half.filter(isIn).length;
    return [M ** inside, M ** (4 - inside)];
  });
  const least = (blocks) => Math.min(...climb(blocks));
  const alone = costs.map(least);
  const added = SIDES.map((side) => {
    const [a, b, c] = [...costs, whole].map((blocks) => blocks.map((block) => block[side]));
    const common = a.map((_, at) => Math.max(0, a[at] + b[at] - c[at]));
    return product(a) + product(b) - product(common);
  });
  const both = whole.map((block, at) => {
    return SIDES.map((side) => Math.min(costs[0][at][side] + costs[1][at][side], block[side]));
  });
  const joint = SIDES.map((side) => product(both.map((block) => block[side])));
  const sum = Math.min(alone[0] + alone[1], ...added);
  return [...alone, sum, least([costs[0][0], costs[1][1]]), Math.min(...joint, 2 * least(both))];
};

// The patches in two rows between both trees, and below them the bounds as bars on a logarithmic scale.
const drawMixedBounds = (isIn, bounds, most) => {
  const { PATCHES, STEP, ROW, TOP, LEFT, TREES, NETWORKS, boxOf } = MIXED;
  const { WIDTH, MARGIN, INK, MUTED, BOUND, addPath, addText, addLine, polyline, rectangle } = marks;
  const [NODE_WIDTH, NODE_HEIGHT, BAR, BARS, LONGEST] = [26, 20, 34, TREES[1].heights[2] + 30, WIDTH - LEFT - 72];
  const svg = marks.svgDocument(WIDTH, BARS + BAR * NETWORKS.length);
  const leaves = Array.from({ length: PATCHES }, (_, patch) => LEFT + (patch + 0.5) * STEP);
  for (const half of [2, 6]) {
    const x = LEFT + half * STEP;
    addLine(svg, [x, TREES[0].heights[1]], [x, TREES[1].heights[1]], BOUND, 4, "6 4");
  }
  let wires = "";
  const nodes = { "#FFFFFF": [], [MUTED]: [], [INK]: [] };
  for (const { order, heights, start } of TREES) {
    let places = order.map((patch) => [leaves[patch], start]);
    heights.forEach((height, at) => {
      const below = places;
      const size = 2 << at;
      places = below.filter((_, j) => j % 2 === 0).map(([x], j) => [(x + below[2 * j + 1][0]) / 2, height]);
      places.forEach(([x, y], j) => {
        wires += polyline([below[2 * j], [x, y]]) + polyline([below[2 * j + 1], [x, y]]);
        const inside = order.slice(j * size, (j + 1) * size).filter(isIn).length;
        const fill = { 0: "#FFFFFF", [size]: INK }[inside] ?? MUTED;
        nodes[fill].push(rectangle(x - NODE_WIDTH / 2, y - NODE_HEIGHT / 2, NODE_WIDTH, NODE_HEIGHT));
      });
    });
  }
  addPath(svg, wires, { fill: "none", stroke: MUTED, "stroke-width": "2" });
  for (const [fill, boxes] of Object.entries(nodes)) {
    addPath(svg, boxes.join(""), { fill, stroke: MUTED, "stroke-width": "2" });
  }
  const patches = TREES[0].order;
  const every = patches.flatMap((patch) => [true, false].map((isFirst) => rectangle(...boxOf(patch, isFirst))));
  addPath(svg, every.join(""), { fill: "#FFFFFF", stroke: MUTED });
  addPath(
    svg,
    patches
      .filter(isIn)
      .map((patch) => rectangle(...boxOf(patch, true)))
      .join(""),
    { fill: INK },
  );
  for (const patch of patches) {
    const fill = isIn(patch) ? "#FFFFFF" : INK;
    addText(svg, leaves[patch], boxOf(patch, isIn(patch))[1] + 23, String(patch + 1), { anchor: "middle", fill });
  }
  const names = { P: TOP + 23, Q: TOP + ROW + 23, first: TREES[0].heights[1] + 7, second: TREES[1].heights[1] + 7 };
  for (const [name, y] of Object.entries(names)) addText(svg, MARGIN, y, name, { fill: MUTED });
  const lengths = bounds.map((bound) =>
    Math.round(Math.max(2, (LONGEST * Math.log(bound)) / Math.log(Math.max(most, 2)))),
  );
  const tops = NETWORKS.map((_, place) => BARS + BAR * place);
  addPath(svg, tops.map((top, at) => rectangle(LEFT, top + 2, lengths[at], BAR - 10)).join(""), { fill: BOUND });
  NETWORKS.forEach((name, at) => {
    addText(svg, MARGIN, tops[at] + 21, name);
    addText(svg, LEFT + lengths[at] + 8, tops[at] + 21, marks.grouped(bounds[at]), { bold: true });
  });
  return svg;
};
