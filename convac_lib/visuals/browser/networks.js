// What a network is, for the page's own engine: its sizes, cuts, bounds and costs, and the library's draws. It is what
// a certificate says of one: { size, representation_channels, layers: [[R, S, C, weight-free], …], border, shared }.
export const networks = (generator) => {
  const refuse = (sentence, found = {}) => {
    throw Object.assign(new Error(sentence), { refusal: true, found });
  };
  const [SECONDS, BYTES] = [10, 5e8]; // the budget of one question
  const PER_SECOND = 1.2e8; // products modulo p; benchmarks/engine_js.py shows the times that this assumes
  const PER_READ = 2000; // products in the time that a read of a position takes besides
  const LARGEST_SIZE = 64;
  const CUTS = {
    "left-right": (size, row, column) => column < size / 2,
    "top-bottom": (size, row, column) => row < size / 2,
    interleaved: (size, row, column) => column % 2 === 0,
    checkerboard: (size, row, column) => (row + column) % 2 === 0,
  };

  const isPrime = (p) => {
    if (!Number.isInteger(p) || p < 2 || p >= 2 ** 31) return false;
    for (let d = 2; d * d <= p; d++) if (p % d === 0) return false;
    return true;
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

  const channelsOf = ({ representation_channels: M, layers }) => [M, ...layers.map(([, , C]) => C)];

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
      refuse(`a cut needs patches on both sides, and ${has}; move one of them`);
    }
    return sides;
  };

  const inside = (patch, size, { top, left, side }) => {
    const [row, column] = [Math.floor(patch / size) - top, (patch % size) - left];
    return row >= 0 && row < side && column >= 0 && column < side;
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

  // What every position sees: 1 patches of the first side only, 2 of the second only, 3 both, 0 none.
  const straddlingOf = (network, sides) =>
    positionsOf(network).map((layer) =>
      layer.map((square) => {
        const [first, second] = sides.map((patches) => patches.some((patch) => inside(patch, network.size, square)));
        return first + 2 * second;
      }),
    );

  // --- bounds ---

  // The least integer whose power `root` is at least base^exponent.
  const ceiledRoot = (base, exponent, root) => {
    const power = BigInt(base) ** BigInt(exponent);
    let [low, high] = [0n, 1n];
    while (high ** BigInt(root) < power) high *= 2n;
    while (high - low > 1n) {
      const middle = (low + high) / 2n;
      if (middle ** BigInt(root) < power) low = middle;
      else high = middle;
    }
    return high;
  };
  const bound = (relation, base, exponent, root = 1) => {
    return { relation, base, exponent, root, value: ceiledRoot(base, exponent, root) };
  };

  // The least total receptive field above α to which layer K's windows can shrink, at least to their strides. The
  // totals that a layer can have are listed up to the image's side H, beyond which the theorem needs none.
  const minimalField = ({ size, layers }, strides, K, alpha) => {
    let totals = new Set([1]);
    layers.slice(0, K).forEach(([R, S], l) => {
      const longer = new Set();
      for (const total of totals) {
        for (let t = S; t <= R && total + (t - 1) * strides[l] <= size; t++) longer.add(total + (t - 1) * strides[l]);
      }
      totals = longer;
    });
    return Math.min(...[...totals].filter((total) => total > alpha));
  };

  const theorem = (network, sides) => {
    const [{ size, layers, border }, { fields, strides }, channels] = [network, geometry(network), channelsOf(network)];
    if (border !== "neutral" || layers.some((layer) => layer[3]) || !isHalf(sides, size)) return null;
    const K = fields.findIndex((field) => field > Math.floor(size / 2));
    const T = minimalField(network, strides, K, Math.floor(size / 2));
    const D = Math.min(channels[0], channels[K], ...channels.slice(1, K).map((C) => Math.floor(C / 2)));
    if (T > size || D < 1) return null;
    const exponent = (Math.floor((size - T) / strides[K]) + 1) * Math.ceil(size / strides[K]);
    return { ...bound("≥", D, exponent), K, T };
  };

  const isHalf = ([first, second], size) =>
    first.length === second.length &&
    ["left-right", "top-bottom"].some((name) => {
      return new Set(first.map((patch) => CUTS[name](size, Math.floor(patch / size), patch % size))).size === 1;
    });

  const commonCase = ({ size, representation_channels: M, layers, border }, sides) => {
    const [[B, , C]] = layers;
    const repeats = layers.length === 2 * Math.log2(size);
    const fits = layers.every((layer, l) => layer.join() === [...(l % 2 ? [2, 2] : [B, 1]), C, false].join());
    const exponent = (2 * B - 1) ** 2;
    if (!repeats || !fits || border !== "neutral" || !isHalf(sides, size)) return null;
    return C < M || exponent / 4 > Math.floor(size ** 2 / 2) ? null : bound("≥", M, exponent, 4);
  };

  // The min cut of a non-overlapping network's tree: a and b bound what a node's channels span over the patches on the
  // two sides, s the rank of one combination of them.
  const nonOverlappingUpper = (network, sides) => {
    const { layers, size, representation_channels: M } = network;
    if (layers.some(([R, S]) => R !== S)) return null;
    const [{ sizes }, first] = [geometry(network), new Set(sides[0])];
    const least = (x, y) => (x < y ? x : y);
    const node = (l, u, v) => {
      if (!l) return first.has(u * size + v) ? [BigInt(M), 1n, 1n] : [1n, BigInt(M), 1n];
      const [[R, , C], inputs, total] = [layers[l - 1], sizes[l - 1], [1n, 1n, 1n]];
      let children = 0;
      for (let i = u * R; i < Math.min(u * R + R, inputs); i++) {
        for (let j = v * R; j < Math.min(v * R + R, inputs); j++, children++) {
          node(l - 1, i, j).forEach((value, side) => (total[side] *= value));
        }
      }
      const [a, b] = total.slice(0, 2).map((value) => least(value, BigInt(C) * total[2]));
      return [a, b, children === 1 ? total[2] : least(a, b)];
    };
    return { relation: "≤", value: node(layers.length, 0, 0)[2] };
  };

  // One overlapping first layer links the patches of every row in chains that cross the cut.
  const chain = ({ size, representation_channels: M, layers, border }, sides) => {
    const [[B, S, C]] = layers;
    const isFree = layers.slice(0, 2).some((layer) => layer[3]);
    if (!["neutral", "ones"].includes(border) || S !== 1 || isFree || !isHalf(sides, size)) return null;
    return bound("≥", Math.min(M, C), size * Math.min(B - 1, size / 2));
  };

  // Every bound on the rank across a cut, or null where its hypotheses fail; `root` divides the exponent.
  const bounds = (network, sides) => ({
    theorem: theorem(network, sides),
    common_case: commonCase(network, sides),
    chain: chain(network, sides),
    non_overlapping_upper: nonOverlappingUpper(network, sides),
    saturation: bound("≤", network.representation_channels, Math.min(sides[0].length, sides[1].length)),
  });

  // --- costs ---

  // About how many products modulo p m×n entries and their elimination take, and how many bytes. Layers with more
  // windows than could ever be afforded are not looked into.
  const costOf = (network, sides, m, n) => {
    const { size, representation_channels: M, layers, border } = network;
    const [{ sizes }, channels] = [geometry(network), channelsOf(network)];
    const reaches = layers.map(([R], l) => (border === "neutral" ? Math.min(R, sizes[l]) : R));
    const positions = sizes.reduce((sum, side) => sum + side ** 2, 0);
    const looked = positions * size ** 2;
    const reads = reaches.reduce((sum, reach, l) => {
      return sum + (reach * sizes[l + 1]) ** 2 * (PER_READ + channels[l] * channels[l + 1]);
    }, 0);
    const bytes = 12 * m * n + (m + n) * (8 * size ** 2 + 4 * positions) + 2 ** 26;
    if (reads + looked > SECONDS * PER_SECOND || bytes > BYTES) return { products: reads + looked, bytes };
    const pairsOf = (square) => {
      const seen = sides.map((patches) => patches.filter((patch) => inside(patch, size, square)).length);
      return [Math.min(m, M ** seen[0]), Math.min(n, M ** seen[1])];
    };
    const pairs = positionsOf(network).map((layer) => layer.map(pairsOf));
    const most = Math.min(m, n, Number(nonOverlappingUpper(network, sides)?.value ?? n)); // of the rank
    let products = reads + looked + (m * n * Math.max(most, 200)) / 12;
    layers.forEach(([R, S], l) => {
      pairs[l + 1].forEach(([rows, columns], place) => {
        const [u, v] = [Math.floor(place / sizes[l + 1]) * S, (place % sizes[l + 1]) * S];
        products += channels[l + 1] * rows * columns;
        for (let i = u; i < Math.min(u + R, sizes[l]); i++) {
          for (let j = v; j < Math.min(v + R, sizes[l]); j++) {
            const [r, q] = pairs[l][i * sizes[l] + j];
            products += channels[l + 1] * (channels[l] * r * q + (r > 1 ? rows : 1) * (q > 1 ? columns : 1));
          }
        }
      });
    });
    return { products, bytes };
  };

  // Refuse what takes more than about ten seconds or 500 MB here, with the command that does it elsewhere. One cost is
  // paid after the other.
  const requireAffordable = (costs, what, command) => {
    const products = costs.reduce((sum, cost) => sum + cost.products, 0);
    const bytes = Math.max(...costs.map((cost) => cost.bytes));
    const refuseFor = (needs, number, unit, limit) => {
      const written = Math.ceil(number).toLocaleString("en");
      refuse(`${what} ${needs} about ${written} ${unit} in this browser, and the limit is ${limit}; run: ${command}`);
    };
    if (products > SECONDS * PER_SECOND) refuseFor("would take", products / PER_SECOND, "seconds", SECONDS);
    if (bytes > BYTES) refuseFor("needs", bytes / 1e6, "MB", BYTES / 1e6);
  };

  // --- the library's draws ---

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

  return {
    refuse, isPrime, requireIntegers, requireNetwork, geometry, channelsOf, weightCounts, sidesOf, inside, positionsOf,
    straddlingOf, bounds, PER_SECOND, costOf, requireAffordable, drawWeights, drawAssignments,
  }; // prettier-ignore
};
