// The explorer of receptive fields, as in views/receptive_fields.py: what two neighbouring units of a layer see of a
// picture, which is a GIF in base64.
export const fieldView = ({ picture, B, layer, S, size }) => {
  const [LAYERS, PIXELS] = [8, 32];
  const layers = Array.from({ length: LAYERS }, (_, l) => (l % 2 ? [S, S, 1, false] : [B, 1, 1, false]));
  const { sizes, fields, strides } = networks(generator).geometry({ size, layers, border: "neutral" });
  const [T_R, T_S, count] = [fields[layer], strides[layer], sizes[layer]];
  const seen = (unit) => [unit * T_S, Math.min(unit * T_S + T_R, size)];
  const rows = seen(Math.floor(Math.floor(Math.max(0, size - T_R) / 2) / T_S));
  const column = Math.floor(Math.floor(Math.max(0, size - T_R - T_S) / 2) / T_S);
  const [columns, other] = [column, column + 1].filter((at) => at < count).map(seen);

  const [width, patches] = [columns[1] - columns[0], size === PIXELS ? "pixels" : "patches"];
  let beside = "; it has no neighbour";
  if (other) {
    const shared = Math.max(0, columns[1] - other[0]);
    const words = shared ? `${shared} of the unit's ${width} columns` : "none of the unit's columns";
    beside = `; its neighbour sees columns ${other[0] + 1} to ${other[1]}, ${words}`;
  }
  const alt =
    `A picture of ${size}×${size} ${patches}. A unit of layer ${layer} sees rows ${rows[0] + 1} to ${rows[1]}, ` +
    `columns ${columns[0] + 1} to ${columns[1]}${beside}. T_R = ${T_R} and T_S = ${T_S}; beside the picture R, S, ` +
    "T_R and T_S of every layer.";
  let reading = `B = ${B}${S === 2 ? "" : `, S = ${S}`}, layer ${layer}: a unit sees ${T_R}×${T_R} ${patches}`;
  if (width < T_R) reading += `, of which the picture has ${width}×${width}`;
  if (!other) reading += "; the layer has no other unit.";
  else if (T_R > T_S) {
    reading += `; its neighbour begins ${T_S} further on, and they share ${T_R - T_S} of ${T_R} columns.`;
  } else reading += `; its neighbour begins where it ends, ${T_S} further on: they share nothing.`;

  let [numerator, divisor] = [T_R, T_S];
  while (divisor) [numerator, divisor] = [divisor, numerator % divisor]; // the greatest common divisor
  const degree = `${T_R / numerator}` + (T_S === numerator ? "" : `/${T_S / numerator}`);
  const values = { units: `${count}×${count}`, T_R, T_S, "degree of overlap": degree };
  const spots = layers.map((_, l) => [layerBox(l + 1), { layer: l + 1 }]);
  const drawn = drawFields({ picture, size, layers, fields, strides, layer, rows, columns, other }, marks.colourOf(B));
  return { picture: marks.serialize(drawn), alt, reading, values, spots };
};

const [FIELDS_SIDE, FIELDS_TOP] = [320, 2 * marks.LINE - 8]; // of the picture

const layerBox = (layer) => {
  const ROW = 34;
  const { WIDTH, MARGIN } = marks;
  return [MARGIN + FIELDS_SIDE + 26, FIELDS_TOP + ROW * layer - 6, WIDTH - 2 * MARGIN - FIELDS_SIDE - 26, ROW];
};

// The picture under the fields of two neighbouring units, solid and dashed, and the layers in a table.
const drawFields = ({ picture, size, layers, fields, strides, layer, rows, columns, other }, colour) => {
  const { LINE, MARGIN, WIDTH, INK, MUTED, short, add, addPath, addText, addLine, outline } = marks;
  const [SIDE, TOP, PAPER] = [FIELDS_SIDE, FIELDS_TOP, "#FFFFFF"];
  const svg = marks.svgDocument(WIDTH, TOP + SIDE + 2 * LINE - 8);
  const place = { x: String(MARGIN), y: String(TOP), width: String(SIDE), height: String(SIDE) };
  add(svg, "image", { ...place, href: `data:image/gif;base64,${picture}`, style: "image-rendering: pixelated" });
  const pixel = SIDE / size;
  const group = add(svg, "g", { transform: `translate(${MARGIN} ${TOP}) scale(${short(pixel)})`, fill: "none" });
  const together = [columns[0], (other ?? columns)[1]];
  const whole = [0, size];
  const pale = { fill: PAPER, "fill-opacity": ".62", "fill-rule": "evenodd" };
  addPath(group, outline([whole, whole]) + outline([rows, together]), pale);
  if (other && other[0] < columns[1]) {
    addPath(group, outline([rows, [other[0], columns[1]]]), { fill: colour, "fill-opacity": ".5" });
  }
  const cut = ([first, end], length) => [first, Math.min(end, first + length)];
  const below = fields.slice(1, layer).map((T_R) => outline([cut(rows, T_R), cut(columns, T_R)]));
  const outlines = [[below.join(""), "none", 1], [outline([rows, columns]), "none", 3]]; // prettier-ignore
  if (other) outlines.push([outline([rows, other]), "6 4", 3]);
  for (const [path, dashes, width] of outlines) {
    addPath(group, path, { stroke: PAPER, "stroke-width": short(width + 2) });
    addPath(group, path, { stroke: INK, "stroke-width": short(width), "stroke-dasharray": dashes });
  }

  // A number of columns above or below the picture; the mark has no right end if the picture is narrower.
  const measure = (name, number, [first, end], y, baseline) => {
    const [left, right] = [first, end].map((at) => MARGIN + pixel * at);
    const thick = [INK, 2];
    addLine(svg, [left, y], [right, y], ...thick);
    for (const x of end - first === number ? [left, right] : [left]) addLine(svg, [x, y - 5], [x, y + 5], ...thick);
    const middle = Math.max((left + right) / 2, MARGIN + 60);
    addText(svg, middle, baseline, `${name} = ${number}`, { anchor: "middle", bold: true });
  };
  measure("T_R", fields[layer], columns, TOP - 8, TOP - 18);
  if (other) measure("T_S", strides[layer], [columns[0], other[0]], TOP + SIDE + 8, TOP + SIDE + 32);

  const COLUMNS = { layer: 378, "R, S": 438, T_R: 492, T_S: 540 };
  for (const [name, x] of Object.entries(COLUMNS)) addText(svg, x, TOP + 14, name, { anchor: "middle", fill: MUTED });
  addPath(svg, marks.rectangle(...layerBox(layer)), { fill: colour, "fill-opacity": ".38" });
  layers.forEach(([R, S], l) => {
    const words = [String(l + 1), `${R}, ${S}`, String(fields[l + 1]), String(strides[l + 1])];
    const style = { anchor: "middle", fill: l + 1 > layer ? MUTED : INK, bold: l + 1 === layer };
    Object.values(COLUMNS).forEach((x, at) => addText(svg, x, layerBox(l + 1)[1] + 24, words[at], style));
  });
  return svg;
};
