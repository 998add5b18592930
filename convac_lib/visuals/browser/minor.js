// Pictures of a certificate: its minor, while it is filled and eliminated, and its cut.

// A canvas of at most 512×512 cells, each an entry: white is 0, and the larger a residue the darker. Of a larger minor
// it shows evenly spread entries. `fill` takes a tile as `verify` tells it. `mark` shows the pivots so far, in green,
// and pales the rows that are eliminated. `strike` marks a row that depends on those before it.
export const minorPicture = () => {
  const [WIDTH, MOST] = [768, 512]; // pixels, and cells of a side
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  const [ink, small] = [canvas.getContext("2d"), document.createElement("canvas")];
  let [rank, step, cell, waiting] = [0, 1, 1, false];
  let [pivots, finished, struck] = [{ rows: [], columns: [] }, false, undefined];

  const begin = (size) => {
    rank = size;
    step = Math.ceil(rank / MOST);
    const side = Math.ceil(rank / step);
    cell = Math.max(1, Math.floor(WIDTH / side));
    [small.width, small.height] = [side, side];
    [canvas.width, canvas.height] = [side * cell, side * cell];
    say("still empty");
  };

  const say = (words) => canvas.setAttribute("aria-label", `The ${rank}×${rank} minor, ${words}.`);
  const placeOf = (number) => Math.floor(number / step) * cell;
  const band = (row, colour) => {
    ink.fillStyle = colour;
    ink.fillRect(0, placeOf(row), canvas.width, Math.max(cell, 3));
  };

  const draw = () => {
    waiting = false;
    ink.imageSmoothingEnabled = false;
    ink.clearRect(0, 0, canvas.width, canvas.height);
    ink.drawImage(small, 0, 0, canvas.width, canvas.height);
    if (cell >= 24) {
      ink.fillStyle = "#ffffff"; // few entries: lines between them
      for (let at = cell; at < canvas.width; at += cell) {
        ink.fillRect(at - 1, 0, 2, canvas.height);
        ink.fillRect(0, at - 1, canvas.width, 2);
      }
    }
    const eliminated = finished ? canvas.height : placeOf((pivots.rows.at(-1) ?? -1) + 1);
    ink.fillStyle = "#ffffffb3";
    ink.fillRect(0, 0, canvas.width, eliminated);
    pivots.rows.forEach((row, at) => {
      const [x, y] = [placeOf(pivots.columns[at]), placeOf(row)];
      ink.fillStyle = "#009e73";
      ink.beginPath();
      if (cell < 8) ink.rect(x - 1, y - 1, cell + 2, cell + 2);
      else ink.arc(x + cell / 2, y + cell / 2, cell / 3, 0, 7);
      ink.fill();
    });
    if (struck !== undefined) band(struck, "#a3260f");
  };
  const later = () => {
    if (!waiting) requestAnimationFrame(draw);
    waiting = true;
  };

  const fill = ({ top, left, rows, columns, levels }) => {
    if (!rows || !columns) return;
    const shades = new ImageData(columns, rows);
    levels.forEach((level, at) => {
      const shade = level ? 236 - (level * 180) / 255 : 255;
      shades.data.set([shade, shade, shade - (level ? 4 : 0), 255], 4 * at);
    });
    small.getContext("2d").putImageData(shades, left, top);
    say("filled in part");
    later();
  };
  const mark = (found, isLast = false) => {
    [pivots, finished] = [found, isLast];
    say(isLast ? `eliminated: it has ${found.rows.length} pivots, one in each row and column` : "eliminated in part");
    later();
  };
  const strike = (row, found) => {
    [pivots, struck] = [found, row];
    say(`in which row ${row + 1} depends on the rows before it`);
    later();
  };
  return { canvas, begin, fill, mark, strike };
};

// The patches of an image, those of the first side of a cut dark.
export const cutPicture = ({ size, sides }) => {
  const draw = (name, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const words = `The cut: ${sides[0].length} of ${size ** 2} patches, dark, from the other ${sides[1].length}.`;
  const picture = draw("svg", { viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": words });
  sides.forEach((patches, second) => {
    const gap = 0.04;
    const square = (patch) => {
      const [x, y] = [(patch % size) + gap, Math.floor(patch / size) + gap];
      return `M${x} ${y}h${1 - 2 * gap}v${1 - 2 * gap}h${2 * gap - 1}z`;
    };
    picture.append(draw("path", { d: patches.map(square).join(""), fill: second ? "#c9c6bc" : "#2b2b2b" }));
  });
  return picture;
};
