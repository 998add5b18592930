// The explorer of pooling geometries, as in views/geometry.py: which windows a cut splits, and what this bounds.
export const geometryView = ({ geometry, r, cut, M }) => {
  const [SIZE, PATCHES] = [4, 16];
  const { grouped, raised } = marks;
  const isIn = (patch) => ((cut >> patch) & 1) === 1;
  const first = Array.from({ length: PATCHES }, (_, patch) => patch).filter(isIn);

  // The lines that one window joins, and its four patches.
  const LINES = { square: ["01", "23"], mirror: ["03", "12"], far: ["02", "13"] }[geometry].map((pair) =>
    [...pair].map(Number),
  );
  const windows = LINES.flatMap((rows) =>
    LINES.map((columns) => rows.flatMap((row) => columns.map((column) => row * SIZE + column))),
  );
  const shares = windows.map((window) => window.filter(isIn).length);
  const split = [0, 1, 2, 3].filter((number) => shares[number] % 4);

  // The min cut: the matrix above a window is on one side, and the dense vector is on one side.
  const ways = shares.map((share) => [Math.min(M ** (4 - share), r), Math.min(M ** share, r)]);
  const costOf = (costs) => costs.reduce((product, cost) => product * cost, 1);
  const oneSided = [0, 1].map((side) => costOf(ways.map((way) => way[side])));
  const upper = Math.min(...oneSided, r * costOf(ways.map((way) => Math.min(...way))));
  const [w, m] = [split.length, Math.min(r, M)];
  const lower = m ** w;

  let reading = `${w} of the 4 windows ${w === 1 ? "is" : "are"} split`;
  if (w === 0) reading = "None of the 4 windows is split";
  if (w === 4) reading = "All 4 windows are split";
  const power = w > 1 ? `${m}${raised(w)} = ` : "";
  if (w) reading += `, so almost all weights have a rank of at least ${power}${grouped(lower)}`;
  reading += `. No weights have more than ${grouped(upper)}.`;
  const alt =
    `An image of 4×4 patches. In P, dark: ${first.join(", ")}. Below, its 4 ${geometry} windows, of which those that ` +
    `hold dark and white patches have a blue frame: ${w}.`;
  const { boxOf, NAMED, choiceBox } = geometryPlaces;
  const spots = [];
  for (let patch = 0; patch < PATCHES - 1; patch++) {
    for (const isFirst of [true, false]) {
      const moved = isFirst ? cut | (1 << patch) : cut & ~(1 << patch);
      if (moved) spots.push([boxOf(patch, isFirst), { cut: moved }]);
    }
  }
  Object.values(NAMED).forEach((named, place) => spots.push([choiceBox(place), { cut: named }]));
  const picture = drawGeometry(geometry, first, windows, split);
  const values = { split: w, "at least": lower, "at most": upper };
  return { picture: marks.serialize(picture), alt, reading, values, spots };
};

const geometryPlaces = (() => {
  const { LINE, MARGIN, WIDTH } = marks;
  const [CELL, TOP, LEFTS, PART, STEP] = [58, LINE + 8, [30, 298], 40, 140];
  const WINDOWS = TOP + 4 * CELL + 2 * LINE + 8;
  const NAMED = {
    "left | right": 0x3333,
    "top | bottom": 0x00ff,
    interleaved: 0x5555,
    checkerboard: 0x5a5a,
    "outer | inner": 0x6666,
    diagonal: 0x33cc,
  };
  const [CHOICES, CHOICE] = [WINDOWS + 2 * PART + LINE, LINE + 10];
  const boxOf = (patch, isFirst) => {
    return [LEFTS[isFirst ? 0 : 1] + (patch % 4) * CELL, TOP + Math.floor(patch / 4) * CELL, CELL, CELL];
  };
  const choiceBox = (place) => {
    const width = (WIDTH - 2 * MARGIN) / 3;
    return [MARGIN + (place % 3) * width, CHOICES + Math.floor(place / 3) * (CHOICE + 8), width, CHOICE];
  };
  return { LEFTS, PART, STEP, WINDOWS, NAMED, HEIGHT: CHOICES + 2 * (CHOICE + 8) - 6, boxOf, choiceBox };
})();

// The patches of P in one image, the others in a second one, and the windows below.
const drawGeometry = (geometry, first, windows, split) => {
  const { LINE, FONT, WIDTH, INK, MUTED, RULE, BOUND, addPath, addText, rectangle } = marks;
  const { LEFTS, PART, STEP, WINDOWS, NAMED, HEIGHT, boxOf, choiceBox } = geometryPlaces;
  const svg = marks.svgDocument(WIDTH, HEIGHT);
  const patches = Array.from({ length: 16 }, (_, patch) => patch);
  const [inside, others] = [new Set(first), patches.filter((patch) => !first.includes(patch))];
  const lefts = windows.map((_, number) => (STEP - 2 * PART) / 2 + number * STEP);
  const parts = windows.flatMap((window, number) =>
    window.map((patch, place) => {
      return [[lefts[number] + (place % 2) * PART, WINDOWS + Math.floor(place / 2) * PART, PART, PART], patch];
    }),
  );
  const partsOf = (isFirst) => parts.filter(([, patch]) => inside.has(patch) === isFirst).map(([box]) => box);
  const dark = [...first.map((patch) => boxOf(patch, true)), ...partsOf(true)];
  const white = [...others.map((patch) => boxOf(patch, false)), ...partsOf(false)];
  const path = (boxes) => boxes.map((box) => rectangle(...box)).join("");
  addPath(svg, path(patches.map((patch) => boxOf(patch, !inside.has(patch)))), { fill: "none", stroke: RULE });
  addPath(svg, path(dark), { fill: INK, stroke: "#FFFFFF" });
  addPath(svg, path(white), { fill: "none", stroke: MUTED });
  const blue = path(split.map((number) => [lefts[number], WINDOWS, 2 * PART, 2 * PART]));
  if (blue) addPath(svg, blue, { fill: "none", stroke: BOUND, "stroke-width": "4" });
  const places = patches.map((patch) => [boxOf(patch, inside.has(patch)), patch]);
  for (const [[left, top, width, height], patch] of [...places, ...parts]) {
    const letter = "ABCD"[windows.findIndex((window) => window.includes(patch))];
    const fill = inside.has(patch) ? "#FFFFFF" : INK;
    addText(svg, left + width / 2, top + height / 2 + 7, letter, { anchor: "middle", fill });
  }
  ["patches in P", "patches in Q"].forEach((name, at) => addText(svg, LEFTS[at], FONT, name));
  addText(svg, LEFTS[0], WINDOWS - 14, `${geometry} windows: ${split.length} split`);
  Object.keys(NAMED).forEach((name, place) => {
    const [left, top, width, height] = choiceBox(place);
    addPath(svg, rectangle(left + 4, top, width - 8, height), { fill: "none", stroke: RULE });
    addText(svg, left + width / 2, top + LINE, name, { anchor: "middle" });
  });
  return svg;
};
