// The page's own exact engine: entries of grid tensors and their ranks over GF(p), computed by the reader's browser. It
// shares no code and no algorithm with the Python engine or its checker, so it is also a test of them.
export const engine = (plans) => {
  const { geometry, channelsOf, inside, positionsOf, straddlingOf } = plans;

  // --- residues ---

  // Every residue is an integer from 0 to p − 1, p < 2³¹, in an Int32Array, and every result is exact, in two ways.
  // `times`: neither a·b nor q·p needs to be exact, only the quotient q and their difference modulo 2³², which
  // Math.imul gives. In float64, a·b·over is at least a·b/p and at most 2⁻¹⁷ more, because `over` exceeds 1/p by more
  // than three roundings lose. So q is the quotient or 1 more, the difference is from −p/2¹⁷ to p, and 32 bits tell it.
  // `addMultiples`: a factor is high·2¹⁶ + low, so a sum of its products with residues is one of high·a, below 2⁴⁶
  // each, and one of low·a, below 2⁴⁷ each. In float64 up to 60 such terms, below 2⁵³, are added exactly, before
  // `collect` reduces them.
  const field = (p) => {
    const over = (1 + 2 ** -50) / p;
    const times = (a, b) => {
      const rest = (Math.imul(a, b) - Math.imul((a * b * over) | 0, p)) | 0;
      return rest + (p & (rest >> 31));
    };
    const reduce = (sum) => {
      const rest = sum - Math.floor(sum * over) * p; // the quotient may be 1 too large
      return rest < 0 ? rest + p : rest;
    };
    const inverse = (a) => {
      let [r, s, x, y] = [p, a, 0, 1]; // x·a = r and y·a = s modulo p
      while (s) [r, s, x, y] = [s, r % s, y, x - Math.floor(r / s) * y];
      return x < 0 ? x + p : x;
    };
    // high, low += f₀·a₀ + … + f₃·a₃ from place `first` on, where aₖ begins at starts[k] in `values`.
    const addMultiples = (high, low, first, factors, values, starts) => {
      const [f0, f1, f2, f3] = [factors[0] & 65535, factors[1] & 65535, factors[2] & 65535, factors[3] & 65535];
      const [g0, g1, g2, g3] = [factors[0] >> 16, factors[1] >> 16, factors[2] >> 16, factors[3] >> 16];
      const [s0, s1, s2, s3] = starts;
      for (let c = first; c < low.length; c++) {
        const a0 = values[s0 + c];
        const a1 = values[s1 + c];
        const a2 = values[s2 + c];
        const a3 = values[s3 + c];
        high[c] += g0 * a0 + g1 * a1 + g2 * a2 + g3 * a3;
        low[c] += f0 * a0 + f1 * a1 + f2 * a2 + f3 * a3;
      }
    };
    const collect = (high, low) => reduce(reduce(high) * 65536 + low);
    return { times, inverse, addMultiples, collect };
  };
  const FOURS = 15; // sums of four products that high and low hold

  // --- the matricization ---

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

  // The entries of the grid tensor at listed assignments to the two sides of a cut: an Int32Array, row by row. Every
  // position keeps its values for the classes of rows and of columns that it can tell apart, tile by tile of both.
  // `hear` is told of every tile when it is filled; `largest` bounds a tile's side, for who watches.
  const matricization = (circuit, sides, rows, columns, hear = () => {}, largest = 256) => {
    const { network, weights, dense, prime } = circuit;
    const { times, addMultiples, collect } = field(prime);
    const [{ size, representation_channels: M, layers, border }, { sizes }] = [network, geometry(network)];
    const [channels, squares] = [channelsOf(network), positionsOf(network)];

    // Values lie in planes, one per channel. z[c'] = Σ_c W[c', c]·y[c] for the C'×C matrix W that begins at `start` in
    // a weight and is spread there by R².
    const linear = (weight, start, spread, C, d, y) => {
      const [pairs, z] = [y.length / d, new Int32Array((y.length / d) * C)];
      const [high, low] = [new Float64Array(pairs), new Float64Array(pairs)];
      const [factors, starts] = [[0, 0, 0, 0], [0, 0, 0, 0]];
      const put = (plane) => {
        for (let at = 0; at < pairs; at++) z[plane + at] = collect(high[at], low[at]);
      };
      for (let c = 0; c < C; c++) {
        high.fill(0);
        low.fill(0);
        for (let k = 0, fours = 1; k < d; k += 4, fours++) {
          for (let more = 0; more < 4; more++) {
            factors[more] = k + more < d ? weight[start + (c * d + k + more) * spread] : 0;
            starts[more] = k + more < d ? (k + more) * pairs : 0;
          }
          addMultiples(high, low, 0, factors, y, starts);
          if (fours % FOURS === 0) {
            put(c * pairs);
            high.fill(0);
            for (let at = 0; at < pairs; at++) low[at] = z[c * pairs + at];
          }
        }
        put(c * pairs);
      }
      return z;
    };

    // x[a, b] ← x[a, b]·y[rowOf(a), columnOf(b)], plane by plane, in place; the first factor is copied.
    const multiply = (x, y, C, rowOf, columnOf, width, isFirst) => {
      for (let c = 0, out = 0; c < C; c++) {
        for (let a = 0; a < rowOf.length; a++) {
          const from = c * (y.length / C) + rowOf[a] * width;
          if (isFirst) for (let b = 0; b < columnOf.length; b++, out++) x[out] = y[from + columnOf[b]];
          else for (let b = 0; b < columnOf.length; b++, out++) x[out] = times(x[out], y[from + columnOf[b]]);
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
        const varies = (rowOf.length > 1) * 2 + (columnOf.length > 1);
        multiplyInto(varies, values, rowOf, columnOf, below.columns.first.length);
      }
      const places = (count, own) => Int32Array.from({ length: own }, (_, at) => (count > 1 ? at : 0));
      const key = (m > 1) * 2 + (n > 1);
      for (const [other, values] of [...parts].filter(([other]) => other !== key)) {
        const [height, width] = [other >= 2 ? m : 1, other % 2 ? n : 1];
        multiplyInto(key, values, places(height, m), places(width, n), width);
      }
      return parts.get(key);
    };

    const single = { of: new Int32Array(1), first: [0] };
    const constant = (d) => new Int32Array(d).fill(border === "ones" ? 1 : 0);
    const windowOf = (below, l, place, own) => {
      const [[R, S, C, free], side, inputs, d] = [layers[l], sizes[l + 1], sizes[l], channels[l]];
      const [u, v, factors] = [Math.floor(place / side) * S, (place % side) * S, []];
      const outside = ["ones", "zero"].includes(border) && { rows: single, columns: single, values: constant(d) };
      const reach = outside ? R : Math.min(R, inputs);
      const start = network.shared || free ? 0 : place * C * d * R * R;
      for (let i = 0; i < reach; i++) {
        for (let j = 0; j < reach; j++) {
          const input = u + i < inputs && v + j < inputs ? below[(u + i) * inputs + v + j] : outside;
          if (!input) continue;
          const mapped = free ? input.values : linear(weights[l], start + i * R + j, R * R, C, d, input.values);
          factors.push({ below: input, values: mapped });
        }
      }
      return valueOf(own, factors, C);
    };

    const digit = new Map(sides.flatMap((patches, second) => patches.map((patch, at) => [patch, [second, at]])));
    const templatesOf = (patch, words, classes) => {
      const [second, at] = digit.get(patch);
      const { first } = second ? classes.columns : classes.rows;
      const values = new Int32Array(first.length * M);
      first.forEach((word, place) => (values[words[second][word][at] * first.length + place] = 1));
      return values;
    };

    // A part of the rows or columns: their classes everywhere, and the values where no other patches are seen.
    const straddled = straddlingOf(network, sides);
    const held = straddled.map((places, l) => channels[l] * (1 + places.filter((sees) => sees === 3).length));
    const numbers = 2 ** 22 / Math.max(...held);
    const tile = Math.max(16, Math.min(largest, 2 ** Math.floor(Math.log2(numbers) / 2)));
    const partsOf = (words, patches) =>
      Array.from({ length: Math.ceil(words.length / tile) }, (_, at) => {
        const part = words.slice(at * tile, (at + 1) * tile);
        const classes = squares.map((layer) => layer.map((square) => classify(part, patches, size, M, square)));
        return { words: part, classes, known: squares.map(() => []) };
      });
    const topOf = (rowPart, columnPart) => {
      let below = [];
      for (let l = 0; l < squares.length; l++) {
        below = squares[l].map((_, place) => {
          const sees = straddled[l][place];
          const known = sees === 1 ? rowPart.known[l] : sees === 2 ? columnPart.known[l] : [];
          const own = { rows: rowPart.classes[l][place], columns: columnPart.classes[l][place] };
          const words = [rowPart.words, columnPart.words];
          known[place] ??= l ? windowOf(below, l - 1, place, own) : templatesOf(place, words, own);
          return { ...own, values: known[place] };
        });
      }
      const [top] = below;
      return { ...top, values: linear(dense, 0, 1, 1, channels.at(-1), top.values) };
    };

    const [rowParts, columnParts] = [partsOf(rows, sides[0]), partsOf(columns, sides[1])];
    const matrix = new Int32Array(rows.length * columns.length);
    rowParts.forEach((rowPart, down) => {
      columnParts.forEach((columnPart, across) => {
        const top = topOf(rowPart, columnPart);
        const width = top.columns.first.length;
        rowPart.words.forEach((_, r) => {
          const [row, from] = [(down * tile + r) * columns.length + across * tile, top.rows.of[r] * width];
          columnPart.words.forEach((_, q) => (matrix[row + q] = top.values[from + top.columns.of[q]]));
        });
        const [height, breadth] = [rowPart.words.length, columnPart.words.length];
        const filled = { matrix, top: down * tile, left: across * tile, height, width: breadth };
        hear((down + (across + 1) / columnParts.length) / rowParts.length, filled);
      });
      rowPart.known = undefined;
    });
    return matrix;
  };

  // --- ranks ---

  // The rank of an m×n matrix of residues, and the numbers of its pivot rows and columns. Row after row is reduced by
  // the pivot rows before it; one whose entries all become 0 depends on these. Pivot rows come in fours: within four,
  // each has 0 in the pivot columns of the others, so a row's entries there are its factors.
  const echelon = (matrix, m, n, p, hear = () => {}) => {
    const { times, inverse, addMultiples, collect } = field(p);
    const columns = Int32Array.from({ length: n }, (_, column) => column); // the pivots' first
    const [rows, pivots] = [[], new Int32Array((Math.min(m, n) + 4) * n)];
    const [high, low] = [new Float64Array(n), new Float64Array(n)];
    const settle = (first) => {
      for (let c = first; c < n; c++) {
        low[c] = collect(high[c], low[c]);
        high[c] = 0;
      }
    };
    const subtract = (start, factor, from, first) => {
      if (!factor) return;
      for (let c = first; c < n; c++) {
        pivots[start + c] = (pivots[start + c] + times(p - factor, pivots[from + c])) % p;
      }
    };
    const factors = [0, 0, 0, 0];
    for (let i = 0; i < m && rows.length < n; i++) {
      const k = rows.length;
      high.fill(0);
      for (let c = 0; c < n; c++) low[c] = matrix[i * n + columns[c]];
      for (let g = 0, fours = 1; g < k; g += 4, fours++) {
        for (let more = 0; more < 4; more++) {
          const c = g + more;
          factors[more] = c < k ? (p - collect(high[c], low[c])) % p : 0;
        }
        addMultiples(high, low, g, factors, pivots, [g * n, g * n + n, g * n + 2 * n, g * n + 3 * n]);
        if (fours % FOURS === 0) settle(g);
      }
      settle(k);
      let j = k;
      while (j < n && !low[j]) j++;
      if (j === n) continue;
      rows.push(i);
      [columns[j], columns[k]] = [columns[k], columns[j]];
      [low[j], low[k]] = [low[k], low[j]];
      for (let at = 0; at < k * n; at += n) [pivots[at + j], pivots[at + k]] = [pivots[at + k], pivots[at + j]];
      const scale = inverse(low[k]);
      for (let c = k; c < n; c++) pivots[k * n + c] = times(scale, low[c]);
      for (let other = k - (k % 4); other < k; other++) subtract(other * n, pivots[other * n + k], k * n, k);
      if (i % 16 === 0) hear((i / m) ** 2 * (3 - (2 * i) / m), { rows, columns });
    }
    return { rank: rows.length, rows, columns: [...columns.slice(0, rows.length)] };
  };

  // A question, once it is found sound, with its cost.
  const planned = ({ network, cut, rows: limit, seed, prime }) => {
    plans.requireNetwork(network);
    const sides = plans.sidesOf(cut, network.size);
    plans.requireIntegers({ rows: limit });
    plans.requireIntegers({ seed }, 0);
    if (!plans.isPrime(prime)) plans.refuse(`${prime} is not a prime below 2^31; use for example 2147483647`);
    const [m, n] = sides.map((patches) => Math.min(limit, network.representation_channels ** patches.length));
    const command = commandOf({ network, cut, rows: limit, seed, prime });
    return { network, sides, limit, seed, prime, m, n, command, cost: plans.costOf(network, sides, m, n) };
  };

  // What `certify_rank` finds, for the same seed: the rank of the whole matricization, or of as many sampled rows and
  // columns as `rows` says, with the entries, and the assignments of the pivots.
  const certifyRank = (question, hear = () => {}) => {
    const { network, sides, limit, seed, prime, m, n, command, cost } = planned(question);
    const [tall, broad] = [m, n].map((side) => side.toLocaleString("en"));
    const what = `the rank of ${tall}×${broad} entries of an image of ${network.size}×${network.size} patches`;
    plans.requireAffordable([cost], what, command);
    const M = network.representation_channels;
    const [rows, columns] = plans.drawAssignments(M, sides, limit, seed);
    const circuit = { network, prime, ...plans.drawWeights(network, seed, prime) };
    const matrix = matricization(circuit, sides, rows, columns, (part) => hear(part / 2));
    const { rank, ...pivots } = echelon(matrix, m, n, prime, (part) => hear((1 + part) / 2));
    const full = sides.every((patches) => M ** patches.length <= limit);
    return {
      rank, rows: m, columns: n, full, saturated: rank === Math.min(m, n), circuit, matrix,
      pivots: { rows: pivots.rows.map((at) => rows[at]), columns: pivots.columns.map((at) => columns[at]) },
    }; // prettier-ignore
  };

  // The ranks of several networks, in the budget of one question: what a view of the page asks for.
  const certifyRanks = (questions, hear = () => {}) => {
    const [first, ...others] = questions.map(planned);
    const costs = [first, ...others].map(({ cost }) => cost);
    if (others.length) plans.requireAffordable(costs, `the ranks of ${costs.length} networks`, first.command);
    const total = costs.reduce((sum, { products }) => sum + products, 0);
    let before = 0;
    return questions.map((question, at) => {
      const { products } = costs[at];
      const { rank, rows, full } = certifyRank(question, (part) => hear((before + part * products) / total));
      before += products;
      return { rank, rows, full };
    });
  };

  const commandOf = ({ network, cut, rows, seed, prime }) => {
    const layers = network.layers.map(([R, S, C, free]) => `${R}/${S}/${free ? "pool" : C}`).join(" ");
    const border = network.border === "neutral" ? "" : ` --border ${network.border}`;
    const plan = `--M ${network.representation_channels} --size ${network.size} --layers ${layers}${border}`;
    const shared = network.shared ? "" : " --unshared";
    return `convac certify ${plan}${shared} --cut ${cut} --rows ${rows} --seed ${seed} --prime ${prime}`;
  };

  return { FOURS, field, matricization, echelon, certifyRank, certifyRanks };
};
