// The drawings that the page's own views show, as Python draws them: templates.py, network_drawing.py with windows.py,
// and rank_scale.py. A network is what it is in networks.js, and a field its [first, last + 1] rows and columns.
export const drawings = ((plans, marks) => {
  const { colourOf, INK, MUTED, WIDTH, MARGIN, FONT, LINE, LETTER, BOLD_LETTER } = marks;
  const { short, raised, readable, add, svgDocument, addPath, addText, addLine } = marks;
  const { polyline, rectangle, outline, lattice, logarithmic } = marks;

  // --- templates, and the tables of values of functions of 1, 2 and 3 patches ---

  const MOTIFS = [0o020, 0o272, 0o700, 0o444, 0o421, 0o124, 0o757, 0o525]; // a digit of three bits per row of pixels

  const addTemplate = (svg, number, left, top, side) => {
    const dots = Array.from({ length: 9 }, (_, at) => at).filter((at) => (MOTIFS[number] >> (8 - at)) & 1);
    const pixel = side / 3;
    const square = (at) => rectangle(left + (at % 3) * pixel, top + Math.floor(at / 3) * pixel, pixel, pixel);
    addPath(svg, dots.map(square).join(""), { fill: MUTED });
    addPath(svg, rectangle(left, top, side, side), { fill: "none", stroke: INK });
  };

  const addTable = (svg, left, top, rows, columns, cell) => {
    const [width, height] = [columns * cell, rows * cell];
    const inner = (count) => Array.from({ length: count - 1 }, (_, at) => cell * (at + 1));
    addPath(svg, rectangle(left, top, width, height), { fill: MUTED });
    const lines = inner(rows).map((at) => `M${short(left)} ${short(top + at)}h${short(width)}`);
    lines.push(...inner(columns).map((at) => `M${short(left + at)} ${short(top)}v${short(height)}`));
    if (lines.length) addPath(svg, lines.join(""), { stroke: "#fff", "stroke-width": ".8" });
  };

  const drawTemplates = (M, size) => {
    const [PATCH, GAP, CELL, ROW, top] = [24, 5, 4, 32, LINE + 6];
    const svg = svgDocument(WIDTH, 2 * LINE + ROW + 12);
    addText(svg, MARGIN, FONT, `M = ${M} templates`);
    for (let number = 0; number < M; number++) addTemplate(svg, number, MARGIN + number * (PATCH + GAP), top, PATCH);
    let right = WIDTH - MARGIN;
    const values = `${M}${raised(size ** 2)} = ${readable(M ** size ** 2)} values`;
    addText(svg, right, FONT, values, { anchor: "end" });
    for (const N of [3, 2, 1]) {
      right -= M ** (N - 1) * CELL;
      addTable(svg, right, top, M, M ** (N - 1), CELL);
      right -= 2 * GAP;
    }
    const [one, two, three] = [1, 2, 3].map((N) => readable(M ** N));
    const words = `1, 2 and 3 patches: ${one}, ${two} and ${three} values`;
    addText(svg, WIDTH - MARGIN, top + ROW + LINE - 4, words, { anchor: "end", fill: MUTED });
    return svg;
  };

  // --- a network as grids ---

  const unitField = (row, column) => [[row, row + 1], [column, column + 1]]; // prettier-ignore

  // What a field of a layer's units sees of the layer below, which has size×size units.
  const windowBelow = ([R, S], units, size) =>
    units.map(([first, end]) => [first * S, Math.min((end - 1) * S + R, size)]);

  // What the top-left unit of the last layer above 1×1 depends on, from the image up to itself.
  const fieldsOf = ({ layers }, sizes) => {
    const wide = sizes.slice(1).filter((size) => size > 1).length || 1;
    const fields = [unitField(0, 0)];
    for (let l = wide; l > 0; l--) fields.unshift(windowBelow(layers[l - 1], fields[0], sizes[l - 1]));
    return fields;
  };

  const [TITLE, SIDE, SMALLEST_GAP] = [32, 136, 10];
  const ROWS = ["receptive field R", "stride S", "channels C"];

  // The grids side by side over the whole width: the image always equally large, the layers as large as fits.
  const gridsOf = ({ size, layers }, sizes) => {
    const counts = [...sizes.slice(1), 1];
    const words = [...layers.map(([, , C]) => String(C).length * LETTER), 0];
    const start = MARGIN + Math.max(SIDE, ROWS[0].length * LETTER * 0.82);
    let cell = SIDE / Math.max(4, ...counts);
    const room = () => WIDTH - MARGIN - start - counts.reduce((sum, n, at) => sum + Math.max(n * cell, words[at]), 0);
    while (cell > 2 && room() < SMALLEST_GAP * counts.length) cell -= 0.25;
    const gap = Math.max(SMALLEST_GAP, room() / counts.length);
    const gridOf = (left, cell, count) => {
      const width = cell * count;
      return { left, cell, count, width, right: left + width, top: TITLE + (SIDE - width) / 2 };
    };
    const grids = [gridOf(MARGIN, SIDE / size, size)];
    let left = start + gap;
    counts.forEach((count, at) => {
      const width = Math.max(count * cell, words[at]);
      grids.push(gridOf(left + (width - count * cell) / 2, cell, count));
      left += width + gap;
    });
    return grids;
  };

  const drawFunnel = (svg, below, above, seen, seeing, fill) => {
    const right = below.left + seen[1][1] * below.cell;
    const left = above.left + seeing[1][0] * above.cell;
    const corners = [
      [right, below.top + seen[0][0] * below.cell],
      [left, above.top + seeing[0][0] * above.cell],
      [left, above.top + seeing[0][1] * above.cell],
      [right, below.top + seen[0][1] * below.cell],
    ];
    addPath(svg, polyline(corners) + "z", { fill, "fill-opacity": ".14" });
  };

  // The edges between patches on the two sides of a cut.
  const borderOf = (first, size) => {
    let path = "";
    for (let patch = 0; patch < size ** 2; patch++) {
      const [row, column] = [Math.floor(patch / size), patch % size];
      if (column && first.has(patch) !== first.has(patch - 1)) path += `M${column} ${row}v1`;
      if (row && first.has(patch) !== first.has(patch - size)) path += `M${column} ${row}h1`;
    }
    return path;
  };

  // Two neighbouring units of layer 1, whose windows stay inside if any do, with these windows.
  const drawNeighbours = (groups, { size, layers: [[R, S]] }, sizes, colour) => {
    if (sizes[1] < 2) return;
    const fitting = Math.floor((size - R) / S);
    const row = Math.max(0, Math.min(sizes[1] - 1, fitting));
    const column = Math.max(0, Math.min(Math.floor(sizes[1] / 2) - 1, fitting - 1));
    const units = [unitField(row, column), unitField(row, column + 1)];
    const windows = units.map((unit) => windowBelow([R, S], unit, size));
    const shared = [windows[1][1][0], windows[0][1][1]];
    if (shared[1] > shared[0]) {
      addPath(groups[0], outline([windows[0][0], shared]), { fill: colour, "fill-opacity": ".55" });
    }
    const stroke = { stroke: INK, "stroke-width": "2.5" };
    [windows, units].forEach(([first, second], at) => {
      addPath(groups[at], outline(first, 0.06), stroke);
      addPath(groups[at], outline(second, 0.18), { ...stroke, "stroke-dasharray": "5 3" });
    });
  };

  const drawNetwork = (network, cut) => {
    const [{ sizes }, { size, layers }] = [plans.geometry(network), network];
    const [fields, grids, [first]] = [fieldsOf(network, sizes), gridsOf(network, sizes), plans.sidesOf(cut, size)];
    const colour = colourOf(Math.max(1, ...layers.filter(([R, S]) => R > S).map(([R]) => R)));
    const svg = svgDocument(grids.at(-1).right + MARGIN, TITLE + SIDE + ROWS.length * LINE + 14);
    for (let l = 0; l + 1 < fields.length; l++) {
      drawFunnel(svg, grids[l], grids[l + 1], fields[l], fields[l + 1], colour);
    }
    const groups = grids.map(({ left, top, cell }) => {
      const transform = `translate(${short(left)} ${short(top)}) scale(${short(cell)})`;
      return add(svg, "g", { transform, fill: "none" });
    });
    const squares = first.map((patch) => rectangle(patch % size, Math.floor(patch / size), 1, 1));
    addPath(groups[0], squares.join(""), { fill: INK, "fill-opacity": ".16" });
    fields.forEach((field, l) => {
      addPath(groups[l], outline(field), { fill: colour, "fill-opacity": l === fields.length - 1 ? "1" : ".38" });
    });
    grids.forEach(({ count }, l) => addPath(groups[l], lattice(0, 0, count, count), { stroke: MUTED }));
    drawNeighbours(groups, network, sizes, colour);
    addPath(groups[0], borderOf(new Set(first), size), { stroke: INK, "stroke-width": "2" });

    addText(svg, MARGIN, FONT, `image ${size}×${size}, M=${network.representation_channels}`);
    const last = grids.at(-1);
    addText(svg, last.right, last.top - last.cell / 2 - 8, "dense", { anchor: "end" });
    ROWS.forEach((name, line) => {
      const baseline = TITLE + SIDE + 10 + (line + 0.75) * LINE;
      addText(svg, MARGIN, baseline, name, { fill: MUTED });
      layers.forEach((layer, l) => {
        const { left, width } = grids[l + 1];
        addText(svg, left + width / 2, baseline, String(layer[line]), { anchor: "middle" });
      });
    });
    return svg;
  };

  // --- a rank on its scale ---

  // The rank and the rank without overlap as bars, crossed by the levels { value, name, colour, dashes } of bounds.
  const drawRankScale = (rank, colour, { name = "certified", nonOverlapping, levels = [], largest = 10 }) => {
    const [LEFT, RIGHT, BAR, BETWEEN, TOP] = [146, WIDTH - 116, 26, 10, 2 * LINE + 10];
    const BOTTOM = TOP + 2 * BAR + BETWEEN + 10;
    const end = Math.max(largest, rank, nonOverlapping, ...levels.map(({ value }) => value));
    const scale = logarithmic(1, end);
    const xAt = (value) => LEFT + (RIGHT - LEFT) * scale(Math.max(value, 1));
    const svg = svgDocument(WIDTH, BOTTOM + LINE + 8);
    const decades = Math.log10(end);
    for (let power = 0; power <= Math.floor(decades + 1e-9); power += Math.ceil(decades / 4)) {
      const x = xAt(10 ** power);
      addLine(svg, [x, TOP - 8], [x, BOTTOM], marks.RULE);
      addText(svg, x, BOTTOM + LINE, readable(10 ** power, 4), { anchor: "middle", fill: MUTED });
    }
    addText(svg, MARGIN, BOTTOM + LINE, "rank (log)", { fill: MUTED });
    levels.sort((one, other) => one.value - other.value);
    const drawBar = (top, name, value, fill) => {
      const [baseline, label, end] = [top + BAR - 7, readable(value), xAt(value)];
      const place = { x: short(LEFT), y: short(top), width: short(Math.max(end - LEFT, 3)), height: String(BAR) };
      if (value) add(svg, "rect", { ...place, fill });
      addText(svg, MARGIN, baseline, name);
      let start = Math.max(end, LEFT + 3) + 8;
      for (const crossing of levels.map(({ value }) => xAt(value))) {
        if (start - 8 < crossing && crossing < start + label.length * BOLD_LETTER + 4) start = crossing + 8;
      }
      addText(svg, start, baseline, label, { bold: true });
    };
    drawBar(TOP, name, rank, colour);
    drawBar(TOP + BAR + BETWEEN, "no overlap", nonOverlapping, colourOf(1));
    levels.forEach(({ value, name, colour, dashes }, at) => {
      const [x, height, label] = [xAt(value), (2 - at) * LINE, `${name} ${readable(value)}`];
      const room = x - 7 - label.length * LETTER;
      addText(svg, x - 7 - Math.min(room, 0), height - 4, label, { anchor: "end", fill: colour });
      addLine(svg, [x, height + (room > 0 ? 6 - LINE : 3)], [x, BOTTOM], colour, 2.5, dashes);
    });
    return svg;
  };

  return { drawTemplates, drawNetwork, drawRankScale };
})(networks(generator), marks);
