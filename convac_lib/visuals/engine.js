// The page's own exact engine: ranks of grid tensors over GF(p), computed by the reader's browser. It shares no code and
// no algorithm with the Python engine or its checker, so it is also a test of them. A network is what a certificate says
// of one: { size, representation_channels, layers: [[R, S, C, weight-free], …], border, shared }.
export const engine = () => {
  const refuse = (sentence) => {
    throw Object.assign(new Error(sentence), { refusal: true });
  };
  const [SECONDS, PER_SECOND, BYTES] = [10, 3e8, 5e8]; // the budget of one question, and products modulo p per second
  const LARGEST_SIZE = 64;
  const CUTS = {
    "left-right": (size, row, column) => column < size / 2,
    "top-bottom": (size, row, column) => row < size / 2,
    interleaved: (size, row, column) => column % 2 === 0,
    checkerboard: (size, row, column) => (row + column) % 2 === 0,
  };

  // --- residues ---

  // (a·b + t) mod p for residues modulo p < 2³¹, exactly. Neither a·b nor q·p needs to be exact, only the quotient q, and
  // their difference modulo 2³², which Math.imul gives. In float64, (a·b + t)·over is at least (a·b + t)/p and at most
  // 2⁻¹⁷ more, because `over` exceeds 1/p by more than four roundings lose. So q is the quotient or 1 more, the difference
  // is between −p/2¹⁷ and p, and 32 bits determine it.
  const field = (p) => {
    const over = (1 + 2 ** -50) / p;
    const multiplyAdd = (a, b, t) => {
      const q = ((a * b + t) * over) | 0;
      const rest = (Math.imul(a, b) + t - Math.imul(q, p)) | 0;
      return rest + (p & (rest >> 31));
    };
    const inverse = (a) => {
      let [r, s, x, y] = [p, a, 0, 1]; // x·a = r and y·a = s modulo p
      while (s) [r, s, x, y] = [s, r % s, y, x - Math.floor(r / s) * y];
      return x < 0 ? x + p : x;
    };
    return { multiplyAdd, inverse };
  };

  const isPrime = (p) => {
    if (!Number.isInteger(p) || p < 2 || p >= 2 ** 31) return false;
    for (let d = 2; d * d <= p; d++) if (p % d === 0) return false;
    return true;
  };

  // --- the library's draws: NumPy's default_rng, which is PCG64 seeded by a SeedSequence of 32-bit words ---

  const generator = (...seeds) => {
    const words = seeds.flatMap((seed) => (seed < 2 ** 32 ? [seed] : [seed >>> 0, Math.floor(seed / 2 ** 32)]));
    const hasher = (constant, factor) => (value) => {
      value ^= constant;
      constant = Math.imul(constant, factor);
      value = Math.imul(value, constant);
      return value ^ (value >>> 16);
    };
    const mix = (x, y) => {
      const mixed = (Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y)) | 0;
      return mixed ^ (mixed >>> 16);
    };
    const hash = hasher(0x43b0d7e5, 0x931e8875);
    const pool = [0, 1, 2, 3].map((at) => hash(words[at] ?? 0));
    for (let from = 0; from < Math.max(4, words.length); from++) {
      for (let to = 0; to < 4; to++) {
        if (from !== to) pool[to] = mix(pool[to], hash(from < 4 ? pool[from] : words[from]));
      }
    }
    const spread = hasher(0x8b51f9dd, 0x58f38ded);
    const drawn = Array.from({ length: 8 }, (_, at) => BigInt(spread(pool[at % 4]) >>> 0));
    const wide = (at) => (drawn[at + 1] << 96n) | (drawn[at] << 64n) | (drawn[at + 3] << 32n) | drawn[at + 2];
    const increment = (wide(4) << 1n) | 1n;
    const step = (state) => BigInt.asUintN(128, state * 0x2360ed051fc65da44385df649fccf645n + increment);
    let state = step(BigInt.asUintN(128, increment + wide(0)));
    let kept; // the upper half of the last 64 bits
    const next32 = () => {
      if (kept !== undefined) {
        const half = kept;
        kept = undefined;
        return half;
      }
      state = step(state);
      const [folded, turn] = [BigInt.asUintN(64, state ^ (state >> 64n)), state >> 122n];
      const bits = BigInt.asUintN(64, (folded >> turn) | (folded << (64n - turn)));
      kept = Number(bits >> 32n);
      return Number(bits & 0xffffffffn);
    };
    // An integer below n < 2³¹, by Lemire's rejection: the upper half of a product of 63 bits, taken exactly.
    return (n) => {
      if (n === 1) return 0;
      for (;;) {
        const bits = next32();
        const low = Math.imul(bits, n) >>> 0;
        if (low >= 2 ** 32 % n) return Math.round((bits * n - low) / 2 ** 32);
      }
    };
  };

  // --- networks ---

  const requireIntegers = (numbers, least = 1, most = 2 ** 53) => {
    for (const [name, value] of Object.entries(numbers)) {
      const rule = most < 2 ** 53 ? `from ${least} to ${most}` : `of at least ${least}`;
      if (!Number.isInteger(value) || value < least || value > most) {
        refuse(`${name.replaceAll("_", " ")} must be an integer ${rule}, not ${value}`);
      }
    }
  };

  // Sides, total receptive fields and total strides, from the image up. The totals stop at 2⁴⁰.
  const geometry = ({ size, layers, border }) => {
    const [sizes, fields, strides] = [[size], [1], [1]];
    for (const [R, S] of layers) {
      const [below, field, stride] = [sizes.at(-1), fields.at(-1), strides.at(-1)];
      sizes.push(border === "valid" ? Math.floor((below - R) / S) + 1 : Math.ceil(below / S));
      fields.push(Math.min(field + (R - 1) * stride, 2 ** 40));
      strides.push(Math.min(stride * S, 2 ** 40));
    }
    return { sizes, fields, strides };
  };

  const channelsOf = ({ representation_channels, layers }) => [representation_channels, ...layers.map((each) => each[2])];

  // The number of weights of every layer at one position, and at all positions that have their own.
  const weightCounts = (network) => {
    const [channels, { sizes }] = [channelsOf(network), geometry(network)];
    return network.layers.map(([R, , C, free], l) => {
      return C * channels[l] * R * R * (network.shared || free ? 1 : sizes[l + 1] ** 2);
    });
  };

  const requireNetwork = (network) => {
    const { size, representation_channels, layers, border } = network;
    requireIntegers({ size }, 1, LARGEST_SIZE);
    requireIntegers({ representation_channels });
    if (!["neutral", "ones", "zero", "valid"].includes(border)) {
      refuse(`unknown border '${border}'; use one of neutral, ones, zero, valid`);
    }
    if (!layers.length) refuse("a network needs at least one layer; none was given");
    for (const [receptive_field, stride, channels] of layers) requireIntegers({ receptive_field, stride, channels });
    const [channels, { sizes }] = [channelsOf(network), geometry(network)];
    layers.forEach(([R, , C, free], l) => {
      if (sizes[l + 1] < 1) {
        const field = `layer ${l + 1} has receptive field ${R} on an input of size ${sizes[l]}`;
        refuse(`${field}: with border 'valid' no window fits; use a receptive field of at most ${sizes[l]}`);
      }
      if (free && C !== channels[l]) {
        const keeps = `layer ${l + 1} is weight-free, so that it keeps the ${channels[l]} channels of its input`;
        refuse(`${keeps}, and it was given ${C}; give it ${channels[l]}`);
      }
    });
    const [R, S] = layers.find(([R, S]) => R < S) ?? [];
    if (S) {
      const smaller = `receptive field ${R} is smaller than stride ${S}`;
      refuse(`${smaller}: patches would be skipped; use a receptive field of at least ${S}`);
    }
    const last = sizes.at(-1);
    if (last !== 1) {
      const ends = `the network ends in ${last}×${last}, and the dense layer needs 1×1`;
      refuse(`${ends}: add layers whose strides multiply to ${last}`);
    }
  };

  // The patches of the first and of the second side of a cut, given by name or as the patches of the first side.
  const sidesOf = (cut, size) => {
    const patches = Array.from({ length: size ** 2 }, (_, patch) => patch);
    if (typeof cut === "string" && !Object.hasOwn(CUTS, cut)) {
      refuse(`unknown cut '${cut}'; use one of ${Object.keys(CUTS).join(", ")}, or list the patches of one side`);
    }
    if (typeof cut === "string" && size % 2) {
      const needs = `the cut '${cut}' needs an even size to make two equal halves, and the size is ${size}`;
      refuse(`${needs}; use ${size + 1}, or list the patches of one side`);
    }
    const foreign = typeof cut !== "string" && cut.find((patch) => !patches.includes(patch));
    if (foreign !== false && foreign !== undefined) {
      refuse(`patch ${foreign} is not in a ${size}×${size} image; use numbers from 0 to ${size ** 2 - 1}`);
    }
    const rule = typeof cut === "string" ? CUTS[cut] : (size, row, column) => cut.includes(row * size + column);
    const sides = [true, false].map((first) =>
      patches.filter((patch) => rule(size, Math.floor(patch / size), patch % size) === first),
    );
    if (!sides[0].length || !sides[1].length) {
      const has = `this one has ${sides[0].length} of ${size ** 2} on the first`;
      refuse(`a cut needs patches on both sides, and ${has}`);
    }
    return sides;
  };

  // Weights as `random_circuit` draws them from the same seed: one flat list per layer, and the dense vector.
  const drawWeights = (network, seed, p) => {
    const [below, channels] = [generator(seed), channelsOf(network)];
    const weights = weightCounts(network).map((count, l) => {
      const [R, , C, free] = network.layers[l];
      if (!free) return Int32Array.from({ length: count }, () => below(p));
      return Int32Array.from({ length: count }, (_, at) => +(Math.floor(at / (R * R)) % (C + 1) === 0));
    });
    return { weights, dense: Int32Array.from({ length: channels.at(-1) }, () => below(p)) };
  };

  // All assignments of M templates to the patches of each side, or a sample of them as `certify_rank` draws it.
  const drawAssignments = (M, sides, limit, seed) => {
    const below = generator(seed, 1);
    return sides.map(({ length }) => {
      if (M ** length <= limit) {
        const digit = (number, place) => Math.floor(number / M ** (length - 1 - place)) % M;
        return Array.from({ length: M ** length }, (_, number) => Array.from({ length }, (_, at) => digit(number, at)));
      }
      const found = new Map();
      while (found.size < limit) {
        for (let drawn = 0; drawn < limit; drawn++) {
          const word = Array.from({ length }, () => below(M));
          if (!found.has(word.join())) found.set(word.join(), word);
        }
      }
      return [...found.values()].slice(0, limit);
    });
  };

  // --- the matricization ---

  const inside = (patch, size, { top, left, side }) => {
    const [row, column] = [Math.floor(patch / size) - top, (patch % size) - left];
    return row >= 0 && row < side && column >= 0 && column < side;
  };

  // Words (assignments to one side's patches) that agree on a square of the image are one class, because a window that
  // sees this square has one value for them. `of` is the class of every word, and `first` a word of every class.
  const classify = (words, patches, size, M, square) => {
    const of = new Int32Array(words.length);
    let first = [0];
    patches.forEach((patch, at) => {
      if (first.length === words.length || !inside(patch, size, square)) return;
      const renamed = new Int32Array(first.length * M).fill(-1);
      first = [];
      words.forEach((word, w) => {
        const key = of[w] * M + word[at];
        if (renamed[key] < 0) renamed[key] = first.push(w) - 1;
        of[w] = renamed[key];
      });
    });
    return { of, first };
  };

  // Every position of every layer with the square of patches that it sees, from the patches up. For R ≥ S these squares
  // have no gaps.
  const positionsOf = (network) => {
    const { sizes, fields, strides } = geometry(network);
    return sizes.map((size, l) =>
      Array.from({ length: size ** 2 }, (_, at) => {
        const [u, v] = [Math.floor(at / size), at % size];
        return { top: u * strides[l], left: v * strides[l], side: fields[l] };
      }),
    );
  };

  // The entries of the grid tensor at listed assignments to the two sides of a cut: an Int32Array, row by row. Every
  // position keeps its values for the classes of rows and of columns that it can tell apart, tile by tile of both.
  const matricization = (circuit, sides, rows, columns, hear = () => {}) => {
    const { network, weights, dense, prime } = circuit;
    const { multiplyAdd } = field(prime);
    const [{ size, representation_channels: M, layers, border }, { sizes }] = [network, geometry(network)];
    const [channels, squares] = [channelsOf(network), positionsOf(network)];

    // x[pair, c'] ← (Σ_c W[c', c]·y[pair, c]) for the C'×C matrix that begins at `at` and is spread by R² in a weight.
    const linear = (weight, at, spread, C, d, y) => {
      const x = new Int32Array((y.length / d) * C);
      for (let pair = 0, out = 0; pair < y.length; pair += d) {
        for (let c = 0, w = at; c < C; c++) {
          let total = 0;
          for (let k = 0; k < d; k++, w += spread) total = multiplyAdd(weight[w], y[pair + k], total);
          x[out++] = total;
        }
      }
      return x;
    };

    // x[a, b] ← x[a, b]·y[rowOf(a), columnOf(b)], channel by channel, in place; the first factor is copied.
    const multiply = (x, y, C, rowOf, columnOf, width, isFirst) => {
      for (let a = 0, out = 0; a < rowOf.length; a++) {
        for (let b = 0; b < columnOf.length; b++) {
          let from = (rowOf[a] * width + columnOf[b]) * C;
          for (let c = 0; c < C; c++, from++, out++) x[out] = isFirst ? y[from] : multiplyAdd(x[out], y[from], 0);
        }
      }
    };

    // The product over a window of linear maps. Factors that vary with rows, columns, both or neither are multiplied
    // apart, and then together.
    const valueOf = (own, factors, C) => {
      const parts = new Map();
      const [m, n] = [own.rows.first.length, own.columns.first.length];
      const multiplyInto = (key, values, rowOf, columnOf, width) => {
        const isFirst = !parts.has(key);
        if (isFirst) parts.set(key, new Int32Array(rowOf.length * columnOf.length * C));
        multiply(parts.get(key), values, C, rowOf, columnOf, width, isFirst);
      };
      for (const { below, values } of factors) {
        const [rowOf, columnOf] = ["rows", "columns"].map((side) => {
          const { of, first } = below[side];
          return first.length > 1 ? Int32Array.from(own[side].first, (word) => of[word]) : new Int32Array(1);
        });
        multiplyInto((rowOf.length > 1) * 2 + (columnOf.length > 1), values, rowOf, columnOf, below.columns.first.length);
      }
      const places = (count, own) => Int32Array.from({ length: own }, (_, at) => (count > 1 ? at : 0));
      const key = (m > 1) * 2 + (n > 1);
      for (const [other, values] of [...parts].filter(([other]) => other !== key)) {
        const [height, width] = [other >= 2 ? m : 1, other % 2 ? n : 1];
        multiplyInto(key, values, places(height, m), places(width, n), width);
      }
      return parts.get(key);
    };

    const tileOf = (rowClasses, columnClasses) => {
      const at = (l, place) => ({ rows: rowClasses[l][place], columns: columnClasses[l][place] });
      let below = squares[0].map((_, patch) => ({ ...at(0, patch), values: templatesOf(patch, at(0, patch)) }));
      layers.forEach(([R, S, C, free], l) => {
        const [side, inputs, d] = [sizes[l + 1], sizes[l], channels[l]];
        const constant = new Int32Array(d).fill(border === "ones" ? 1 : 0);
        const single = { of: new Int32Array(1), first: [0] };
        const outside = ["ones", "zero"].includes(border) && { rows: single, columns: single, values: constant };
        const reach = outside ? R : Math.min(R, inputs);
        below = squares[l + 1].map((_, place) => {
          const [u, v, factors] = [Math.floor(place / side) * S, (place % side) * S, []];
          const start = network.shared || free ? 0 : place * C * d * R * R;
          for (let i = 0; i < reach; i++) {
            for (let j = 0; j < reach; j++) {
              const input = u + i < inputs && v + j < inputs ? below[(u + i) * inputs + v + j] : outside;
              if (!input) continue;
              const mapped = free ? input.values : linear(weights[l], start + i * R + j, R * R, C, d, input.values);
              factors.push({ below: input, values: mapped });
            }
          }
          const own = at(l + 1, place);
          return { ...own, values: valueOf(own, factors, C) };
        });
      });
      const [top] = below;
      return { ...top, values: linear(dense, 0, 1, 1, channels.at(-1), top.values) };
    };

    const digit = new Map(sides.flatMap((patches, second) => patches.map((patch, at) => [patch, [second, at]])));
    let words; // of the present tile, on both sides
    const templatesOf = (patch, { rows, columns }) => {
      const [second, at] = digit.get(patch);
      const first = second ? columns.first : rows.first;
      const values = new Int32Array(first.length * M);
      first.forEach((word, place) => (values[place * M + words[second][word][at]] = 1));
      return values;
    };

    const numbers = 2 ** 22 / (Math.max(...channels) * size ** 2); // of pairs in a tile
    const tile = Math.max(16, Math.min(256, 2 ** Math.floor(Math.log2(numbers) / 2)));
    const starts = ({ length }) => Array.from({ length: Math.ceil(length / tile) }, (_, at) => at * tile);
    const classes = (part, patches) => {
      return squares.map((layer) => layer.map((square) => classify(part, patches, size, M, square)));
    };
    const parts = starts(columns).map((start) => columns.slice(start, start + tile));
    const columnClasses = parts.map((part) => classes(part, sides[1]));
    const matrix = new Int32Array(rows.length * columns.length);
    starts(rows).forEach((start, done, { length }) => {
      const part = rows.slice(start, start + tile);
      const rowClasses = classes(part, sides[0]);
      parts.forEach((columnPart, across) => {
        words = [part, columnPart];
        const top = tileOf(rowClasses, columnClasses[across]);
        const width = top.columns.first.length;
        part.forEach((_, r) => {
          const [row, from] = [(start + r) * columns.length + across * tile, top.rows.of[r] * width];
          columnPart.forEach((_, q) => (matrix[row + q] = top.values[from + top.columns.of[q]]));
        });
        hear((done + (across + 1) / parts.length) / length);
      });
    });
    return matrix;
  };

  // --- ranks ---

  // The rank of an m×n matrix of residues, and the numbers of its pivot rows and columns, row by row: a row whose entries
  // have all become 0 depends on the rows before it. The matrix is overwritten.
  const echelon = (matrix, m, n, p, hear = () => {}) => {
    const { multiplyAdd, inverse } = field(p);
    const [rows, columns] = [[], Array.from({ length: n }, (_, column) => column)];
    for (let i = 0; i < m && rows.length < n; i++) {
      const [k, start] = [rows.length, i * n];
      let j = k;
      while (j < n && !matrix[start + j]) j++;
      if (j === n) continue;
      rows.push(i);
      [columns[j], columns[k]] = [columns[k], columns[j]];
      for (let at = start; at < matrix.length; at += n) [matrix[at + j], matrix[at + k]] = [matrix[at + k], matrix[at + j]];
      const minus = p - inverse(matrix[start + k]);
      for (let at = start + n; at < matrix.length; at += n) {
        if (!matrix[at + k]) continue;
        const factor = multiplyAdd(matrix[at + k], minus, 0);
        for (let c = k + 1; c < n; c++) matrix[at + c] = multiplyAdd(factor, matrix[start + c], matrix[at + c]);
      }
      if (i % 16 === 0) hear(1 - (1 - i / m) ** 3);
    }
    return { rank: rows.length, rows, columns: columns.slice(0, rows.length) };
  };

  return { refuse, field, isPrime, generator, geometry, channelsOf, weightCounts, requireNetwork, sidesOf, drawWeights, drawAssignments, matricization, echelon };
};
