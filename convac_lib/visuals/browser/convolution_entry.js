// The explorer of one layer, as in views/convolution_entry.py: an entry, its window, and the inner products of this.
export const entryView = ({ x, weight, S, R, u, v, border, size, seed }) => {
  if (R < S) return null;
  if (border === "valid" && R > size) {
    const field = `layer 1 has receptive field ${R} on an input of size ${size}`;
    throw new Error(`${field}: with border 'valid' no window fits; use a receptive field of at most ${size}`);
  }
  const count = border === "valid" ? Math.floor((size - R) / S) + 1 : Math.ceil(size / S);
  if (Math.max(u, v) >= count) return null;

  if (seed !== null) ({ x, weight } = drawnLayer(seed));
  const READ_OUTSIDE = { ones: 1, zero: 0 }; // at the neutral border, nothing is read
  const isInside = (row, column) => Math.max(row, column) < size;
  const offsets = Array.from({ length: R ** 2 }, (_, at) => [Math.floor(at / R), at % R]);
  // What is written at each offset of an entry's window: weights, the patch that they meet, and the inner product.
  const windowOf = (u, v) =>
    offsets.map(([i, j]) => {
      const [row, column] = [u * S + i, v * S + j];
      const [inside, weights] = [isInside(row, column), weight.map((channel) => channel[i][j])];
      const outside = READ_OUTSIDE[border];
      const patch = inside ? x.map((channel) => channel[row][column]) : outside !== undefined && x.map(() => outside);
      const sum = patch ? weights.reduce((sum, each, d) => sum + each * patch[d], 0) : 1;
      return { i, j, row, column, inside, weights, patch, sum };
    });
  const rows = Array.from({ length: count }, (_, at) => at);
  const entryOf = (u, v) => windowOf(u, v).reduce((product, { sum }) => product * sum, 1) + 0; // never −0
  const output = rows.map((u) => rows.map((v) => entryOf(u, v)));

  const read = windowOf(u, v);
  const factors = read.filter(({ patch }) => patch).map(({ sum }) => sum);
  const inside = read.filter(({ inside }) => inside).length;
  const outside = read.length - inside;
  const written = factors.map((sum) => (sum < 0 ? `(${signed(sum)})` : String(sum))).join(" · ");
  let reading = `Y[${u}, ${v}] = ${written}` + (factors.length > 1 ? ` = ${signed(output[u][v])}.` : ".");
  if (R === 1) reading += " There is a single offset, so nothing is multiplied: this is a 1×1 convolution.";
  const OUTSIDE = {
    neutral: "count 1 each; zeros there would make the entry 0",
    ones: "read ones",
    zero: "read zeros, so the entry is 0",
  };
  let where = "inside the image";
  if (outside) {
    reading += ` ${outside} of ${R ** 2} offsets are outside the image and ${OUTSIDE[border]}.`;
    if (border !== "neutral") where = `(${outside} of them outside the image)`;
  }
  const alt =
    `A ${size}×${size} input of two channels, and the ${R}×${R} window whose upper left patch is in row ${u * S}, ` +
    `column ${v * S}; the ${factors.length} inner products ${where}, ${factors.map(signed).join(", ")}; and the ` +
    `${count}×${count} output, row by row: ${output.map((row) => row.map(signed).join(", ")).join("; ")}.`;
  const values = { "factors inside": inside, outside, "Y[u, v]": output[u][v] };
  const spots = rows.flatMap((u) => rows.map((v) => [entryBox(u, v), { u, v }]));
  const picture = drawEntry({ x, size, R, S, u, v, read, output, outside: READ_OUTSIDE[border] });
  return { picture: marks.serialize(picture), alt, reading, values, spots };
};

const signed = (number) => String(number).replace("-", "−");

const drawnLayer = (seed) => {
  const draw = generator(seed);
  const drawn = (rows, choices) =>
    Array.from({ length: rows }, () => Array.from({ length: rows }, () => choices[draw(3)]));
  const patches = drawn(4, [[1, 0], [0, 1], [1, 1]]); // prettier-ignore
  const x = [0, 1].map((d) => patches.map((row) => row.map((patch) => patch[d])));
  return { x, weight: [0, 1].map(() => drawn(3, [-1, 1, 2])) };
};

const entryBox = (row, column) => {
  const ENTRY = 62;
  return [marks.WIDTH - marks.MARGIN - ENTRY * (4 - column), marks.LINE + 8 + ENTRY * row, ENTRY, ENTRY];
};

// The input with a window on it, the output with the window's entry, and the inner products between them.
const drawEntry = ({ x, size, R, S, u, v, read, output, outside }) => {
  const { LINE, MARGIN, WIDTH, INK, MUTED, RULE, addPath, addText, rectangle } = marks;
  const [CELL, ENTRY, TOP, BOX_WIDTH, BOX_HEIGHT] = [46, 62, LINE + 8, 186, 38];
  const BOX_TOP = TOP + 6 * CELL + LINE + 12;
  const colour = marks.colourOf(R > S ? R : 1);
  const svg = marks.svgDocument(WIDTH, BOX_TOP + 3 * BOX_HEIGHT + MARGIN);
  const [first, chosen] = [entryBox(0, 0), rectangle(...entryBox(u, v))];
  addText(svg, MARGIN, LINE - 6, "input X, 2 channels");
  addText(svg, first[0], LINE - 6, `output Y, ${output.length}×${output.length}`);

  const patchBox = ({ row, column }) => [MARGIN + CELL * column, TOP + CELL * row, CELL, CELL];
  const [within, beyond] = [read.filter(({ inside }) => inside), read.filter(({ inside }) => !inside)];
  const squares = (which, box) => which.map((each) => rectangle(...box(each))).join("");
  addPath(svg, squares(within, patchBox), { fill: colour, "fill-opacity": ".38" });
  addPath(svg, marks.lattice(MARGIN, TOP, size * CELL, size), { fill: "none", stroke: MUTED });
  const dashed = { fill: "none", stroke: MUTED, "stroke-dasharray": "4 4" };
  if (beyond.length) addPath(svg, squares(beyond, patchBox), dashed);
  for (const [left, top, side] of beyond.map(patchBox)) {
    for (const baseline of outside === undefined ? [30] : [20, 41]) {
      addText(svg, left + side / 2, top + baseline, String(outside ?? 1), { anchor: "middle", fill: MUTED });
    }
  }
  for (let row = 0; row < size; row++) {
    x.forEach((channel, d) => {
      const digits = channel[row].slice(0, size);
      const middles = digits.map((_, column) => MARGIN + CELL * (column + 0.5));
      marks.addLetters(svg, middles, TOP + CELL * row + 20 + 21 * d, digits.join(""));
    });
  }
  const [left, top] = patchBox(read[0]);
  const outlined = { fill: "none", stroke: INK, "stroke-width": "3" };
  addPath(svg, rectangle(left, top, R * CELL, R * CELL), outlined);

  addPath(svg, chosen, { fill: colour, "fill-opacity": ".38" });
  const grid = marks.lattice(first[0], first[1], ENTRY * output.length, output.length);
  addPath(svg, grid, { fill: "none", stroke: MUTED });
  output.forEach((numbers, row) =>
    numbers.forEach((number, column) => {
      const [left, top, side] = entryBox(row, column);
      const bold = row === u && column === v;
      addText(svg, left + side / 2, top + side / 2 + 7, signed(number), { anchor: "middle", bold });
    }),
  );
  addPath(svg, chosen, outlined);

  addText(svg, MARGIN, BOX_TOP - 10, "weights · patch, and the sum, at each offset");
  const offsetBox = ({ i, j }) => [MARGIN + j * BOX_WIDTH, BOX_TOP + i * BOX_HEIGHT, BOX_WIDTH, BOX_HEIGHT];
  addPath(svg, squares(within, offsetBox), { fill: colour, "fill-opacity": ".14", stroke: RULE });
  if (beyond.length) addPath(svg, squares(beyond, offsetBox), { ...dashed, stroke: RULE });
  for (const each of read) {
    const { inside, weights, patch, sum } = each;
    const words = patch ? `${innerProduct(weights, patch)} = ${signed(sum)}` : "outside: 1";
    const [left, top, width] = offsetBox(each);
    addText(svg, left + width / 2, top + 26, words, { anchor: "middle", fill: inside ? INK : MUTED });
  }
  return svg;
};

// An inner product written out: −1·2 + 2·1.
const innerProduct = ([first, ...others], numbers) => {
  const terms = others.map((each, at) => ` ${each < 0 ? "−" : "+"} ${Math.abs(each)}·${numbers[at + 1]}`);
  return `${signed(first)}·${numbers[0]}` + terms.join("");
};
