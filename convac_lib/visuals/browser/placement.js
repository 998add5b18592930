// The explorer of placements, as in views/placement.py: the rank and the parameters of a network by the layers in which
// it overlaps.
const placedOverlap = (B1, B2, C, M) => {
  const layers = [[B1, 1], [2, 2], [B2, 1], [2, 2]].map(([R, S]) => [R, S, C, false]); // prettier-ignore
  return { size: 4, representation_channels: M, layers, border: "neutral", shared: true };
};

export const placementView = async ({ B1, B2, C, M, seed, prime }, certify) => {
  const { grouped } = marks;
  const plans = networks(generator);
  const fields = [...new Set([1, 2, 3, B1, B2])].sort((one, other) => one - other);
  const pairs = fields.flatMap((first) => fields.map((later) => [first, later]));
  const plansOf = pairs.map(([first, later]) => placedOverlap(first, later, C, M));
  const asked = plansOf.map((network) => ({ network, cut: "left-right", rows: SAMPLED, seed, prime }));
  const found = await certify(asked);
  const known = pairs.map(([first, later], at) => {
    const parameters = plans.weightCounts(plansOf[at]).reduce((sum, count) => sum + count, C);
    return { first, later, parameters, rank: found[at].rank };
  });
  const of = (first, later) => known.find((one) => one.first === first && one.later === later);

  const [{ parameters, rank }, least] = [of(B1, B2), M === 2 ? "" : "at least "];
  const [overlapOf, first, later] = ["Overlap in", `layer 1 alone, B₁ = ${B1}`, `layer 3 alone, B₂ = ${B2}`];
  const both = B1 > 1 && B2 > 1 ? `both layers, B₁ = ${B1}, B₂ = ${B2}` : B1 > 1 ? first : later;
  const where = B1 === 1 && B2 === 1 ? "No overlap" : `${overlapOf} ${both}`;
  let reading = `${where}: rank ${least}${grouped(rank)} with ${grouped(parameters)} parameters.`;
  if (B1 !== B2) {
    const other = of(B2, B1);
    reading += ` The other way round, B₁ = ${B2}, B₂ = ${B1}: `;
    reading += `${least}${grouped(other.rank)} with ${grouped(other.parameters)}.`;
  } else if (B1 > 1) {
    const alone = of(B1, 1);
    reading += ` In layer 1 alone: ${least}${grouped(alone.rank)} with ${grouped(alone.parameters)}.`;
  }
  if (least) reading += ` Of ${grouped(M ** 8)} rows, ${grouped(SAMPLED)} were sampled.`;

  const ranksOf = (first) => `B₁ = ${first}: ` + fields.map((later) => of(first, later).rank).join(", ");
  const alt =
    `The network with its ${B1}×${B1} window in layer 1 and its ${B2}×${B2} window in layer 3. Below it, rank ` +
    `against parameters for networks with C = ${C}, one line for each receptive field B₁ of layer 1. Along a line ` +
    `B₂, that of layer 3, is ${fields.join(", ")}, and the ranks are ${fields.map(ranksOf).join("; ")}. Marked: ` +
    `B₁ = ${B1}, B₂ = ${B2}.`;
  const picture = marks.stack([drawWindows(B1, B2), drawPlacements(known, fields, B1, B2, M ** 8)]);
  return { picture: marks.serialize(picture), alt, reading, values: { parameters, rank, "of at most": M ** 8 } };
};

// A 4×4 image and the four layers above it, with one window of layer 1 and one of layer 3.
const drawWindows = (B1, B2) => {
  const { LINE, MARGIN, WIDTH, INK, MUTED, colourOf, short, add, addPath, addText, addLine } = marks;
  const [CELL, NETWORK_TOP] = [30, LINE + 6];
  const grids = [[MARGIN, 4], [152, 4], [310, 2], [432, 2], [WIDTH - MARGIN - CELL, 1]]; // prettier-ignore
  const topOf = (count) => NETWORK_TOP + (CELL * (4 - count)) / 2;
  const svg = marks.svgDocument(WIDTH, NETWORK_TOP + 4 * CELL + LINE + 4);
  const drawWindow = (grid, B, unit) => {
    const [[left, count], [above, aboveCount]] = [grids[grid], grids[grid + 1]];
    const [top, aboveTop, reached] = [topOf(count), topOf(aboveCount), Math.min(unit + B, count + 1)];
    const [inside, outside] = [[unit, Math.min(unit + B, count)], [unit, reached]]; // prettier-ignore
    const transform = `translate(${short(left)} ${short(top)}) scale(${CELL})`;
    const group = add(svg, "g", { transform, fill: "none" });
    if (reached > count) {
      addPath(group, marks.outline([outside, outside]), { stroke: MUTED, "stroke-dasharray": "4 4" });
    }
    const tinted = { fill: colourOf(B), "fill-opacity": ".45", stroke: INK, "stroke-width": "2" };
    addPath(group, marks.outline([inside, inside]), tinted);
    const [right, bottom] = [left + CELL * inside[1], top + CELL * inside[1]];
    const corners = [
      [right, top + CELL * unit],
      [above + CELL * unit, aboveTop + CELL * unit],
      [above + CELL * unit, aboveTop + CELL * (unit + 1)],
      [right, bottom],
    ];
    addPath(svg, marks.polyline(corners) + "z", { fill: colourOf(B), "fill-opacity": ".18" });
    const square = marks.rectangle(above + CELL * unit, aboveTop + CELL * unit, CELL, CELL);
    addPath(svg, square, { fill: colourOf(B) });
  };
  drawWindow(0, B1, 1);
  drawWindow(2, B2, 0);
  const middle = { anchor: "middle" };
  grids.forEach(([left, count], number) => {
    const [side, top] = [CELL * count, topOf(count)];
    addPath(svg, marks.lattice(left, top, side, count), { fill: "none", stroke: MUTED });
    if (count > 1) addLine(svg, [left + side / 2, top - 5], [left + side / 2, top + side + 5], INK, 2.5);
    const name = ["image", "layer 1", "2", "layer 3", "4"][number];
    addText(svg, left + side / 2, NETWORK_TOP - 12, name, middle);
  });
  const below = NETWORK_TOP + 4 * CELL + LINE;
  [`B₁ = ${B1}`, "2×2", `B₂ = ${B2}`].forEach((words, number) => {
    const [left, count] = grids[number + 1];
    addText(svg, left + (CELL * count) / 2, below, words, { ...middle, bold: words.includes("B") });
  });
  addText(svg, grids[4][0] + CELL, below, "2×2", { anchor: "end" });
  return svg;
};

// Rank against parameters, both logarithmic: the networks of one B₁ are joined, and the reader's are on top.
const drawPlacements = (known, fields, B1, B2, saturation) => {
  const { LETTER, WIDTH, INK, MUTED, SATURATION, logarithmic, addText } = marks;
  const left = 14 + LETTER * String(saturation).length;
  const axes = marks.axesOf(logarithmic(20, 500), logarithmic(1, saturation), left, WIDTH - 10);
  const powers = Array.from({ length: 8 }, (_, power) => 4 ** power);
  axes.drawGrid([...powers.filter((power) => 2 * power < saturation), saturation], 8);
  axes.drawTicks([25, 50, 100, 200, 400]);
  axes.drawTitles("parameters", "rank");
  axes.drawLevel(saturation, SATURATION, 2.5, "1.5 5");
  addText(axes.svg, axes.left + 4, axes.yAt(saturation) - 9, "saturation", { fill: SATURATION });
  for (const first of [...fields.filter((first) => first !== B1), B1]) {
    const isHeavy = first === B1;
    const places = known
      .filter((one) => one.first === first)
      .map(({ later, parameters, rank }) => ({ later, place: axes.at([parameters, rank]) }));
    const stroke = { stroke: isHeavy ? INK : MUTED, "stroke-width": isHeavy ? "2.5" : "1.5" };
    marks.addPath(axes.svg, marks.polyline(places.map(({ place }) => place)), { fill: "none", ...stroke });
    for (const { later, place } of places) {
      const isChosen = isHeavy && later === B2;
      marks.drawMarker(axes.svg, Math.max(first, later), place, isChosen ? 10 : 6, isChosen);
      const [x, y] = place;
      if (isHeavy) addText(axes.svg, x, y + 27, String(later), { anchor: "middle", bold: isChosen });
    }
    const [x, y] = places[0].place;
    addText(axes.svg, x - 16, y - 9, `B₁=${first}`, { anchor: "end", bold: isHeavy });
    if (isHeavy) addText(axes.svg, x - 16, y + 27, "B₂=", { anchor: "end" });
  }
  return axes.svg;
};
