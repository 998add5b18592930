// Reads rank certificates, whoever wrote them, and decides whether their claims hold: the verdicts of `convac verify`.
// Nothing in a file is evaluated. Its limits are those of convac_lib/theory/certificate_rules.py.
export const certificates = (plans, engine) => {
  const FORMAT = "convac rank certificate 1";
  const [LARGEST_FILE, LARGEST_NUMBER, LARGEST_DIGITS, DEEPEST] = [2 ** 24, 2 ** 12, 4300, 100];
  const [LARGEST_M, LARGEST_SIZE, LARGEST_RANK, LARGEST_LAYERS] = [64, 64, 2 ** 13, 2 ** 12];
  const KEYS = [
    "format", "size", "representation_channels", "layers", "border", "shared", "cut", "prime", "weights", "dense",
    "rank", "rows", "columns", "sampled", "digest",
  ]; // prettier-ignore
  const BORDERS = ["neutral", "ones", "zero", "valid"];
  const ALTERED = "the certificate was altered: its digest does not match its content";

  const refuse = (reason) => plans.refuse(`this is not a certificate: ${reason}`);
  const notJson = () => refuse("it is not JSON, or is nested too deeply, or holds a number that is too long");

  // --- JSON, strictly: integers only (a BigInt beyond 2⁵³), no key twice, at most 100 levels; an object is a Map ---

  const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/;
  const INTEGER = /-?(?:0|[1-9]\d*)/;
  const TOKEN = new RegExp(
    `[ \\t\\n\\r]*(?:([[\\]{},:])|(${STRING.source})|(${INTEGER.source})([.eE]?)|(\\w+|-Infinity))`,
    "y",
  );
  const parse = (text) => {
    let at = 0;
    const next = () => {
      TOKEN.lastIndex = at;
      const found = TOKEN.exec(text);
      if (!found) notJson();
      at = TOKEN.lastIndex;
      return found;
    };
    const literals = { true: true, false: false, null: null };
    const value = (depth, [, sign, string, integer, more, word] = next()) => {
      if (depth > DEEPEST) notJson();
      if (string !== undefined) return JSON.parse(string);
      if (integer !== undefined) return more ? fraction(integer) : number(integer);
      if (word !== undefined && Object.hasOwn(literals, word)) return literals[word];
      if (["NaN", "Infinity", "-Infinity"].includes(word)) refuse(`${word} is not an integer`);
      if (sign === "[") return list(depth);
      return sign === "{" ? object(depth) : notJson();
    };
    const number = (digits) => {
      if (digits.replace("-", "").length > LARGEST_DIGITS) notJson();
      return Number.isSafeInteger(Number(digits)) ? Number(digits) : BigInt(digits);
    };
    const fraction = (digits) => {
      const [rest] = /^(?:\.\d+)?(?:[eE][-+]?\d+)?/.exec(text.slice(at - 1, at + 400));
      return rest ? refuse(`${(digits + rest).slice(0, 20)} is not an integer`) : notJson();
    };
    const list = (depth, found = []) => {
      let token = next();
      if (token[1] === "]") return found;
      for (;;) {
        found.push(value(depth + 1, token));
        const [, sign] = next();
        if (sign === "]") return found;
        if (sign !== ",") notJson();
        token = next();
      }
    };
    const object = (depth, found = new Map()) => {
      let token = next();
      for (let first = true; ; first = false) {
        if (token[1] === "}" && first) return found;
        if (token[2] === undefined || next()[1] !== ":") notJson();
        const key = JSON.parse(token[2]);
        if (found.has(key)) refuse("it gives a key twice");
        found.set(key, value(depth + 1));
        const [, sign] = next();
        if (sign === "}") return found;
        if (sign !== ",") notJson();
        token = next();
      }
    };
    const document = value(0);
    if (/[^ \t\n\r]/.test(text.slice(at))) notJson();
    return document;
  };

  // Canonical JSON, as Python's json.dumps writes it with sorted keys and no spaces, in ASCII.
  const quoted = (string) => {
    const escape = (letter) => "\\u" + letter.charCodeAt(0).toString(16).padStart(4, "0");
    return JSON.stringify(string).replace(/[\x7f-\uffff]/g, escape);
  };
  const canonical = (value) => {
    if (typeof value === "string") return quoted(value);
    if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
    if (!(value instanceof Map)) return String(value);
    const pairs = [...value.keys()].sort().map((key) => `${quoted(key)}:${canonical(value.get(key))}`);
    return `{${pairs.join(",")}}`;
  };

  // --- SHA-256 of ASCII text; browsers offer their own on secure pages only ---

  const PRIMES = Array.from({ length: 312 }, (_, at) => at).filter(plans.isPrime);
  const bitsOf = (root) => Math.floor((root - Math.floor(root)) * 2 ** 32) | 0;
  const ROUNDS = PRIMES.map((prime) => bitsOf(Math.cbrt(prime)));

  // The text in blocks of 64 bytes, and the state before the first; `mix` brings a state past a block.
  const padded = (text) => {
    const bytes = new DataView(new ArrayBuffer(Math.ceil((text.length + 9) / 64) * 64));
    for (let at = 0; at < text.length; at++) bytes.setUint8(at, text.charCodeAt(at));
    bytes.setUint8(text.length, 0x80);
    bytes.setUint32(bytes.byteLength - 4, text.length * 8);
    return bytes;
  };
  const BEGIN = Int32Array.from(PRIMES.slice(0, 8), (prime) => bitsOf(Math.sqrt(prime)));
  const w = new Int32Array(64);
  const turn = (x, by) => (x >>> by) | (x << (32 - by));
  const mix = (hash, bytes, block) => {
    let [a, b, c, d, e, f, g, h] = hash;
    for (let t = 0; t < 16; t++) w[t] = bytes.getInt32(block * 64 + 4 * t);
    for (let t = 16; t < 64; t++) {
      const [x, y] = [w[t - 15], w[t - 2]];
      const mixed = (turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)) + (turn(y, 17) ^ turn(y, 19) ^ (y >>> 10));
      w[t] = w[t - 16] + w[t - 7] + mixed;
    }
    for (let t = 0; t < 64; t++) {
      const first = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + ROUNDS[t] + w[t]) | 0;
      const second = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e] = [g, f, e, (d + first) | 0];
      [d, c, b, a] = [c, b, a, (first + second) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((value, at) => (hash[at] += value));
  };
  const written = (hash) => Array.from(hash, (value) => (value >>> 0).toString(16).padStart(8, "0")).join("");

  const sha256 = (text) => {
    const [hash, bytes] = [BEGIN.slice(), padded(text)];
    for (let block = 0; block < bytes.byteLength / 64; block++) mix(hash, bytes, block);
    return written(hash);
  };

  // --- the rules ---

  const isInteger = (value, low, high) => typeof value === "number" && low <= value && value <= high;
  const areIntegers = (values, low, high, count = values?.length) =>
    Array.isArray(values) && values.length === count && values.every((value) => isInteger(value, low, high));
  const requireInteger = (document, key, low, high, written = high) => {
    if (isInteger(document[key], low, high)) return;
    refuse(`its ${key.replaceAll("_", " ")} must be an integer from ${low} to ${written}`);
  };

  const requirePlan = (document) => {
    requireInteger(document, "size", 1, LARGEST_SIZE);
    requireInteger(document, "representation_channels", 1, LARGEST_M);
    requireInteger(document, "prime", 2, 2 ** 31, "2^31");
    requireInteger(document, "rank", 1, LARGEST_RANK);
    const { layers, border, shared } = document;
    if (Array.isArray(layers) && layers.length > LARGEST_LAYERS) refuse("it may have at most 4,096 layers");
    const isLayer = (layer) => {
      const isList = Array.isArray(layer) && layer.length === 4 && typeof layer[3] === "boolean";
      return isList && areIntegers(layer.slice(0, 3), 1, LARGEST_NUMBER);
    };
    if (!Array.isArray(layers) || !layers.every(isLayer)) {
      const form = "[receptive field, stride, channels, whether weight-free]";
      refuse(`its layers must be ${form}, numbers 1 to ${LARGEST_NUMBER}`);
    }
    if (!BORDERS.includes(border)) refuse(`its border must be one of ${BORDERS.join(", ")}`);
    if (typeof shared !== "boolean") refuse("whether its weights are shared must be true or false");
  };

  const requireCut = ({ cut, size }) => {
    const increase = areIntegers(cut, 0, size ** 2 - 1) && cut.every((patch, at) => !at || patch > cut[at - 1]);
    if (!increase) refuse("its cut must be the numbers of the patches of one side, in increasing order");
  };

  const requireClaim = (document, sides) => {
    const { representation_channels, prime, rank, sampled, weights, dense, layers } = document;
    const counts = sides.map(({ length }) => BigInt(representation_channels) ** BigInt(length));
    const inRange = (value, at) => ["number", "bigint"].includes(typeof value) && value >= rank && value <= counts[at];
    if (!Array.isArray(sampled) || sampled.length !== 2 || !sampled.every(inRange)) {
      refuse("its sampled rows and columns must be two numbers, from its rank to the sides of the matricization");
    }
    const lengths = plans.weightCounts(document);
    const areWeights = (numbers, l) => areIntegers(numbers, 0, prime - 1, lengths[l]);
    if (!Array.isArray(weights) || weights.length !== lengths.length || !weights.every(areWeights)) {
      refuse("its weights must be integers below its prime, as many as each layer has");
    }
    if (!areIntegers(dense, 0, prime - 1, layers.at(-1)[2])) {
      refuse("its dense weights must be integers below its prime, one per channel of the last layer");
    }
    ["rows", "columns"].forEach((key, side) => {
      const [words, digits] = [document[key], (counts[side] - 1n).toString(16).length];
      const isWord = (word) => {
        const isHexadecimal = typeof word === "string" && word.length === digits && /^[0-9a-f]*$/.test(word);
        return isHexadecimal && BigInt(`0x${word}`) < counts[side];
      };
      if (!Array.isArray(words) || words.length !== rank || !words.every(isWord)) {
        const below = `${representation_channels}^${sides[side].length}`;
        refuse(`its ${key} must be as many as its rank, each a number below ${below} in hexadecimal`);
      }
    });
  };

  const requireWeightFree = ({ layers, weights }) => {
    layers.forEach(([R, , C, free], l) => {
      const isIdentity = (number, at) => number === +(Math.floor(at / R ** 2) % (C + 1) === 0);
      if (!free || weights[l].every(isIdentity)) return;
      plans.refuse(`layer ${l + 1} is weight-free: its weight must be the identity at every offset`);
    });
  };

  // An assignment of templates to patches: the digits in base M of a hexadecimal number.
  const unpacked = (word, M, patches) => {
    let number = BigInt(`0x${word}`);
    const digits = new Array(patches);
    for (let at = patches - 1; at >= 0; at--, number /= BigInt(M)) digits[at] = Number(number % BigInt(M));
    return digits;
  };

  const textOf = (bytes) => {
    if (bytes.length > LARGEST_FILE) plans.refuse("this file is larger than 16,777,216 bytes; name another file");
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      return notJson();
    }
  };

  const parsedFrom = (text) => {
    try {
      return parse(text);
    } catch (error) {
      if (error instanceof RangeError) notJson(); // a string of megabytes
      throw error;
    }
  };

  // The certificate in a file's bytes, once its form and its digest are found right; its claim is not checked yet.
  // `hear` is told of each step that the file has passed.
  const load = (bytes, hear = () => {}) => {
    const parsed = parsedFrom(textOf(bytes));
    const hasKeys = parsed instanceof Map && parsed.size === KEYS.length && KEYS.every((key) => parsed.has(key));
    if (!hasKeys) refuse(`its keys must be ${KEYS.join(", ")}`);
    if (parsed.get("format") !== FORMAT) refuse(`its format must be '${FORMAT}'`);
    hear(0, { passed: "form" });
    const { digest, ...rest } = Object.fromEntries(parsed);
    if (digest !== sha256(canonical(new Map(Object.entries(rest))))) plans.refuse(ALTERED);
    hear(0, { passed: "digest" });
    requirePlan(rest);
    plans.requireNetwork(rest);
    requireCut(rest);
    const sides = plans.sidesOf(rest.cut, rest.size);
    hear(0, { passed: "network" });
    requireClaim(rest, sides);
    hear(0, { passed: "weights", rank: rest.rank });
    return { ...rest, sides };
  };

  // A filled tile as a picture needs it: of at most MOST_SEEN rows and columns of the minor, spread evenly over it, the
  // entries in 256 levels. Only 0 has level 0.
  const MOST_SEEN = 512;
  const seenOf = ({ matrix, top, left, height, width }, rank, prime) => {
    const step = Math.ceil(rank / MOST_SEEN);
    const from = [top, left].map((start) => Math.ceil(start / step));
    const to = [top + height, left + width].map((end) => Math.ceil(end / step));
    const [rows, columns] = [to[0] - from[0], to[1] - from[1]];
    const levels = Uint8Array.from({ length: rows * columns }, (_, at) => {
      const row = (from[0] + Math.floor(at / columns)) * step;
      return Math.ceil((255 * matrix[row * rank + (from[1] + (at % columns)) * step]) / prime);
    });
    return { step, top: from[0], left: from[1], rows, columns, levels };
  };

  // Recompute a certificate's minor and eliminate it. The answer is the certificate with its minor and its pivots.
  const verify = (bytes, hear = () => {}) => {
    const certificate = load(bytes, hear);
    const { sides, representation_channels: M, rank, prime, weights, dense } = certificate;
    const smaller = "convac verify FILE";
    plans.requireAffordable([plans.costOf(certificate, sides, rank, rank)], "checking this certificate", smaller);
    if (!plans.isPrime(prime)) plans.refuse(`${prime} is not a prime below 2**63; use for example 2147483647`);
    requireWeightFree(certificate);
    const circuit = { network: certificate, prime, weights: weights.map((each) => Int32Array.from(each)) };
    circuit.dense = Int32Array.from(dense);
    const words = ["rows", "columns"].map((key, side) => {
      return certificate[key].map((word) => unpacked(word, M, sides[side].length));
    });
    const watch = (part, filled) => hear(part / 2, { filled: seenOf(filled, rank, prime) });
    const side = 2 ** Math.ceil(Math.log2(rank / 8)); // 64 tiles or so: the picture grows
    const minor = engine.matricization(circuit, sides, ...words, watch, Math.min(256, side));
    hear(0.5, { passed: "minor" });
    const pivotsOf = ({ rows, columns }) => ({ rows: rows.slice(), columns: [...columns.slice(0, rows.length)] });
    const found = engine.echelon(minor.slice(), rank, rank, prime, (part, soFar) => {
      hear((1 + part) / 2, { pivots: pivotsOf(soFar) });
    });
    if (found.rank === rank) return { ...certificate, minor, pivots: pivotsOf(found) };
    let dependent = 0; // the first row that depends on those before it
    while (found.rows[dependent] === dependent) dependent++;
    const sentence = `the certificate is false: its ${rank}×${rank} minor is 0 modulo ${prime}`;
    return plans.refuse(sentence, { dependent, pivots: pivotsOf(found) });
  };

  return { verify, load, sha256, mix, padded, written, BEGIN, canonical, parse, textOf, unpacked };
};
