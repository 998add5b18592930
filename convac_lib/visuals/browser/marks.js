// The marks that every picture is made of, as in svg.py, axes.py and style.py. They write the same text as these, so a
// picture that the page draws is, byte for byte, the one that Python draws.
export const marks = (() => {
  const COLOURS = { 1: "#7F7F7F", 2: "#E69F00", 3: "#D55E00", 5: "#CC79A7" };
  const colourOf = (B) => COLOURS[B] ?? "#009E73";
  const [BOUND, SATURATION, INK, MUTED, RULE] = ["#0072B2", "#000000", "#2B2B2B", "#5F5F5B", "#C9C9C4"];
  const [WIDTH, MARGIN, FONT, LINE, LETTER, BOLD_LETTER] = [560, 1, 20, 25, 12, 14];
  const [TOP, BOTTOM] = [2 * LINE, 330]; // of a chart's rectangle

  // --- numbers ---

  // At most two decimals, without trailing zeros. Python rounds a tie to even, and toFixed away from 0.
  const short = (number) => {
    const isDown = (Math.abs(number) * 8) % 4 === 1; // x.125 and x.625
    return (isDown ? number - Math.sign(number) / 1000 : number).toFixed(2).replace(/\.?0+$/, "");
  };
  const grouped = (integer) => integer.toLocaleString("en");
  const raised = (integer) => String(integer).replace(/\d/g, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]);
  const readable = (integer, digits = 6) => {
    const value = Number(integer);
    if (value < 10 ** digits) return grouped(value);
    const exponent = Math.floor(Math.log10(value) + 1e-9);
    const mantissa = (10 ** (Math.log10(value) - exponent)).toFixed(1).replace(".0", "");
    return (mantissa === "1" ? "" : `${mantissa}×`) + `10${raised(exponent)}`;
  };

  // --- elements ---

  const add = (parent, tag, attributes, text = "") => {
    const made = { tag, attributes, text, children: [] };
    parent.children.push(made);
    return made;
  };
  const svgDocument = (width, height) => {
    const sizes = { width: short(width), height: short(height), viewBox: `0 0 ${short(width)} ${short(height)}` };
    const attributes = { xmlns: "http://www.w3.org/2000/svg", ...sizes };
    const font = { "font-family": "system-ui, sans-serif", "font-size": String(FONT) };
    return { tag: "svg", attributes: { ...attributes, ...font }, text: "", children: [], width, height };
  };
  const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const serialize = ({ tag, attributes, text, children }) => {
    const names = Object.entries(attributes).map(([name, value]) => ` ${name}="${escaped(value)}"`);
    const inside = escaped(text) + children.map(serialize).join("");
    return `<${tag}${names.join("")}` + (inside ? `>${inside}</${tag}>` : " />");
  };

  // Pictures over one another, left edges aligned.
  const stack = (pictures, gap = 18) => {
    const height = pictures.reduce((sum, picture) => sum + picture.height, gap * (pictures.length - 1));
    const svg = svgDocument(Math.max(...pictures.map(({ width }) => width)), height);
    let top = 0;
    for (const picture of pictures) {
      add(svg, "g", { transform: `translate(0 ${short(top)})` }).children = picture.children;
      top += picture.height + gap;
    }
    return svg;
  };

  const addPath = (group, d, attributes) => {
    const steady = attributes.stroke ? { "vector-effect": "non-scaling-stroke" } : {};
    add(group, "path", { d, ...attributes, ...steady });
  };
  const addText = (svg, x, y, words, { anchor = "start", fill = INK, bold = false } = {}) => {
    const attributes = { x: short(x), y: short(y), fill };
    if (anchor !== "start") attributes["text-anchor"] = anchor;
    if (bold) attributes["font-weight"] = "600";
    add(svg, "text", attributes, words);
  };
  const addLetters = (svg, xs, y, letters) => {
    const places = xs.map(short).join(" ");
    add(svg, "text", { x: places, y: short(y), fill: INK, "text-anchor": "middle" }, letters);
  };
  const addLine = (svg, [x1, y1], [x2, y2], stroke, width = 1, dashes = "") => {
    const ends = { x1: short(x1), y1: short(y1), x2: short(x2), y2: short(y2) };
    const dashed = dashes ? { "stroke-dasharray": dashes } : {};
    add(svg, "line", { ...ends, stroke, "stroke-width": short(width), ...dashed });
  };

  const polyline = (places) => "M" + places.map(([x, y]) => `${short(x)} ${short(y)}`).join("L");
  const rectangle = (left, top, width, height) => {
    return `M${short(left)} ${short(top)}h${short(width)}v${short(height)}h${short(-width)}z`;
  };
  // Around a field, which is its [first, last + 1] rows and columns.
  const outline = ([rows, columns], inset = 0) => {
    const [width, height] = [columns, rows].map(([first, end]) => Math.max(0, end - first) - 2 * inset);
    return rectangle(columns[0] + inset, rows[0] + inset, width, height);
  };
  const lattice = (left, top, side, count) => {
    const steps = Array.from({ length: count + 1 }, (_, at) => (at * side) / count);
    const lines = steps.map((at) => {
      return `M${short(left)} ${short(top + at)}h${short(side)}M${short(left + at)} ${short(top)}v${short(side)}`;
    });
    return lines.join("");
  };

  // --- charts ---

  const logarithmic = (first, last) => (value) => {
    return (Math.log10(value) - Math.log10(first)) / (Math.log10(last) - Math.log10(first) || 1);
  };
  const axesOf = (xScale, yScale, left, right, inset = 0) => {
    const svg = svgDocument(WIDTH, BOTTOM + 2 * LINE + 4);
    const xAt = (value) => left + inset + (right - left - 2 * inset) * xScale(value);
    const yAt = (value) => BOTTOM - (BOTTOM - TOP) * Math.min(yScale(value), 1);
    const drawLevel = (value, stroke, width, dashes) => {
      addLine(svg, [left, yAt(value)], [right, yAt(value)], stroke, width, dashes);
    };
    const drawYLabel = (value, gap) => {
      addText(svg, left - gap, yAt(value) + 7, String(value), { anchor: "end", fill: MUTED });
    };
    const drawGrid = (values, gap) => {
      for (const value of values) {
        drawLevel(value, RULE);
        drawYLabel(value, gap);
      }
    };
    const drawTicks = (values) => {
      for (const value of values) {
        addText(svg, xAt(value), BOTTOM + LINE, grouped(value), { anchor: "middle", fill: MUTED });
      }
    };
    const drawTitles = (xTitle, yTitle) => {
      addText(svg, 2, LINE - 8, yTitle);
      addText(svg, right, BOTTOM + 2 * LINE, xTitle, { anchor: "end" });
    };
    const at = ([x, y]) => [xAt(x), yAt(y)];
    const drawCurve = (B, points, isHeavy) => {
      const places = points.map(at);
      const stroke = { stroke: colourOf(B), "stroke-width": isHeavy ? "4" : "2.5" };
      addPath(svg, polyline(places), { fill: "none", ...stroke });
      for (const place of places) drawMarker(svg, B, place, 4.5);
    };
    return { svg, left, xAt, yAt, at, drawLevel, drawYLabel, drawGrid, drawTicks, drawTitles, drawCurve };
  };
  const CORNERS = {
    2: [[-1, -1], [1, -1], [1, 1], [-1, 1]],
    3: [[0, -1.2], [1.2, 0.9], [-1.2, 0.9]],
    4: [[0, 1.2], [1.2, -0.9], [-1.2, -0.9]],
    5: [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]],
  }; // prettier-ignore
  const drawMarker = (svg, B, [x, y], size, isChosen) => {
    const [arc, width] = [`a${size} ${size} 0 1 0`, short(2 * size)];
    const circle = `M${short(x - size)} ${short(y)}${arc} ${width} 0${arc}-${width} 0z`;
    const path = CORNERS[B] ? polyline(CORNERS[B].map(([dx, dy]) => [x + size * dx, y + size * dy])) + "z" : circle;
    addPath(svg, path, { fill: colourOf(B), ...(isChosen ? { stroke: INK, "stroke-width": "3" } : {}) });
  };

  return {
    colourOf, BOUND, SATURATION, INK, MUTED, RULE, BOTTOM, WIDTH, MARGIN, FONT, LINE, LETTER, BOLD_LETTER,
    short, grouped, raised, readable, add, svgDocument, serialize, stack, addPath, addText, addLetters, addLine,
    polyline, rectangle, outline, lattice, logarithmic, axesOf, drawMarker,
  }; // prettier-ignore
})();
