// Names what is wrong in a certificate: where it breaks a rule, which digit was altered, and where two files differ.
export const forgeries = (checker, plans) => {
  const [MOST_NAMED, MOST_BLOCKS] = [10, 6e6]; // sentences, and blocks of SHA-256: about ten seconds
  const list = (value) => (Array.isArray(value) ? value : []);

  // --- places, in words; numbers count from 1 ---

  const placeOf = ([key, at, inner]) => {
    const nth = at + 1;
    if (key === undefined) return "the whole file";
    if (at === undefined) return `its ${shortened(key.replaceAll("_", " "))}`;
    const [layer, within] = [`layer ${nth}`, inner !== undefined];
    if (key === "weights") return within ? `weight ${inner + 1} of ${layer}` : `the weights of ${layer}`;
    if (key === "dense") return `dense weight ${nth}`;
    if (key === "rows" || key === "columns") return `${key.slice(0, -1)} ${nth}`;
    if (key === "cut") return `patch ${nth} of its cut`;
    if (key === "sampled") return `its number of sampled ${["rows", "columns"][at] ?? "entries"}`;
    const parts = ["the receptive field", "the stride", "the channels", "the kind"];
    if (key === "layers") return within ? `${parts[inner] ?? "a number"} of ${layer}` : layer;
    return `its ${shortened(key)}`;
  };

  const shortened = (value) => {
    if (value === undefined) return "missing";
    const text = Array.isArray(value) ? "a list" : value instanceof Map ? "an object" : String(value);
    return text.length > 40 ? `${text.slice(0, 40)} …` : text;
  };

  // --- one file ---

  // How many weights each layer has, and how many digits a row and a column; nothing where there is no network.
  const sizesOf = (network) => {
    try {
      plans.requireNetwork(network);
      const sides = plans.sidesOf(network.cut, network.size);
      const most = ({ length }) => (BigInt(network.representation_channels) ** BigInt(length) - 1n).toString(16).length;
      return { counts: plans.weightCounts(network), digits: { rows: most(sides[0]), columns: most(sides[1]) } };
    } catch {
      return { counts: [], digits: {} };
    }
  };

  // Up to ten places at which a document breaks a rule, each in a sentence; none where one file does not tell.
  const breaches = (document, found = {}) => {
    if (!(document instanceof Map)) return [];
    const sentences = [];
    const add = (sentence) => sentences.length < MOST_NAMED && sentences.push(sentence);
    const say = (path, value, must) => add(`${placeOf(path)} is ${shortened(value)}, and must be ${must}`);
    const [prime, rank] = [document.get("prime"), document.get("rank")];
    const residues = (numbers, path) =>
      list(numbers).forEach((value, at) => {
        const isResidue = Number.isInteger(value) && value >= 0 && value < prime;
        if (!isResidue) say([...path, at], value, "an integer below its prime");
      });
    const { counts, digits } = sizesOf(Object.fromEntries(document));
    list(document.get("weights")).forEach((layer, l) => {
      residues(layer, ["weights", l]);
      if (counts[l] === undefined || list(layer).length === counts[l]) return;
      add(`layer ${l + 1} has ${counts[l]} weights, and it lists ${list(layer).length}`);
    });
    residues(document.get("dense"), ["dense"]);
    for (const key of ["rows", "columns"]) {
      const [words, seen] = [list(document.get(key)), new Map()];
      const isWord = (word) => typeof word === "string" && /^[0-9a-f]+$/.test(word);
      const length = digits[key];
      words.forEach((word, at) => {
        if (!isWord(word) || word.length !== (length ?? word.length)) {
          say([key, at], word, length ? `${length} hexadecimal digits` : "hexadecimal digits");
        }
        if (seen.has(word)) add(`${placeOf([key, at])} repeats ${placeOf([key, seen.get(word)])}`);
        else seen.set(word, at);
      });
      if (Number.isInteger(rank) && words.length !== rank) {
        add(`it lists ${words.length} ${key}, and its rank is ${rank}`);
      }
    }
    if (found.dependent !== undefined && !sentences.length) {
      add(`row ${found.dependent + 1} of the minor depends on the rows before it`);
    }
    return sentences;
  };

  // --- one altered digit ---

  // The canonical text of a document without its digest, and where each leaf is in it.
  const textOf = (document) => {
    const [leaves, rest] = [[], new Map(document)];
    rest.delete("digest");
    let text = "";
    const write = (value, path) => {
      const isMap = value instanceof Map;
      if (!isMap && !Array.isArray(value)) {
        const start = text.length;
        text += checker.canonical(value);
        leaves.push({ start, end: text.length, path });
        return;
      }
      text += isMap ? "{" : "[";
      const keys = isMap ? [...value.keys()].sort() : [...value.keys()];
      keys.forEach((key, at) => {
        if (at) text += ",";
        if (isMap) text += `${checker.canonical(key)}:`;
        write(isMap ? value.get(key) : value[key], [...path, key]);
      });
      text += isMap ? "}" : "]";
    };
    write(rest, []);
    return { text, leaves };
  };

  const isWord = ({ path }) => path[0] === "rows" || path[0] === "columns";
  const digitsOf = (leaf) => (isWord(leaf) ? "0123456789abcdef" : "0123456789");

  // Every other digit that could stand at a place of the text: no number but 0 begins with 0.
  const guessesOf = function* ({ text, leaves }) {
    for (const leaf of leaves) {
      for (let at = leaf.start; at < leaf.end; at++) {
        for (const digit of digitsOf(leaf).includes(text[at]) ? digitsOf(leaf) : "") {
          const leads = !isWord(leaf) && digit === "0" && at === leaf.start && leaf.end > at + 1;
          if (digit !== text[at] && !leads) yield { at, digit, leaf };
        }
      }
    }
  };

  // A document's text with one digit changed, drawn from those of some keys, under the digest of before or a repaired
  // one; and a sentence that says which.
  const forge = (document, keys, repaired) => {
    const [found, prime] = [textOf(document), document.get("prime")];
    const changed = ({ at, digit }) => found.text.slice(0, at) + digit + found.text.slice(at + 1);
    const stays = (guess) => {
      const { start, end } = guess.leaf;
      return isWord(guess.leaf) || Number(changed(guess).slice(start, end)) < prime;
    };
    const leaves = found.leaves.filter(({ path }) => keys.includes(path[0]));
    const guesses = [...guessesOf({ ...found, leaves })];
    let guess;
    do guess = guesses[Math.floor(Math.random() * guesses.length)];
    while (!stays(guess));
    const digest = repaired ? checker.sha256(changed(guess)) : document.get("digest");
    const text = `${changed(guess).slice(0, -1)},"digest":"${digest}"}`;
    const { at, digit, leaf } = guess;
    const place = `digit ${at - leaf.start + !isWord(leaf)} of ${placeOf(leaf.path)}`;
    const under = repaired ? "and the digest was computed anew" : "and the digest was left";
    return { text, sentence: `${place} was changed from ${found.text[at]} to ${digit}, ${under}` };
  };

  const MORE = "no change of one digit makes the digest right, so more was altered; drop the original too, to compare";
  const TOO_LONG = "this file is too long to look for one altered digit; drop the original too, to compare";

  // The one digit whose change makes the digest right, in a sentence: every other digit is tried at every place.
  const findDigit = (bytes, hear = () => {}) => {
    const document = checker.parse(checker.textOf(bytes));
    const [stated, found] = [String(document.get("digest")), textOf(document)];
    const { text, leaves } = found;
    const digits = [...checker.sha256(text)].map((digit, at) => ({ digit, at }));
    const wrong = digits.filter(({ digit, at }) => digit !== stated[at]);
    if (wrong.length === 1 && stated.length === 64) {
      const [{ digit, at }] = wrong;
      const place = `digit ${at + 1} of its digest`;
      return `${place} was altered: with ${digit} instead of ${stated[at]}, the digest matches the content`;
    }
    if (!/^[0-9a-f]{64}$/.test(stated)) return "its digest must be 64 hexadecimal digits";
    const padded = checker.padded(text);
    const blocks = padded.byteLength / 64;
    const triesOf = (leaf) => (leaf.end - leaf.start) * digitsOf(leaf).length * (blocks - Math.floor(leaf.start / 64));
    const needed = leaves.reduce((sum, leaf) => sum + triesOf(leaf), 0);
    if (needed > MOST_BLOCKS) return TOO_LONG;
    const wanted = Int32Array.from({ length: 8 }, (_, at) => parseInt(stated.slice(8 * at, 8 * at + 8), 16));
    const [before, state] = [checker.BEGIN.slice(), new Int32Array(8)]; // before the block where a digit is tried
    let [passed, tried] = [0, 0];
    for (const { at, digit, leaf } of guessesOf(found)) {
      const block = Math.floor(at / 64);
      for (; passed < block; passed++) checker.mix(before, padded, passed);
      state.set(before);
      padded.setUint8(at, digit.charCodeAt(0));
      for (let next = block; next < blocks; next++) checker.mix(state, padded, next);
      padded.setUint8(at, text.charCodeAt(at));
      if (state.every((word, place) => word === wanted[place])) {
        const place = `digit ${at - leaf.start + !isWord(leaf)} of ${placeOf(leaf.path)}`;
        return `${place} was altered: with ${digit} instead of ${text[at]}, the digest matches the content`;
      }
      tried += blocks - block;
      hear(tried / needed);
    }
    return MORE;
  };

  // --- two files ---

  // Where two documents differ: at how many numbers or words, and the first ten of them in sentences.
  const compare = (one, other) => {
    let differing = 0;
    const sentences = [];
    const walk = (here, there, path) => {
      if (here === there) return;
      if (Array.isArray(here) && Array.isArray(there)) {
        for (let at = 0; at < here.length || at < there.length; at++) walk(here[at], there[at], [...path, at]);
      } else if (here instanceof Map && there instanceof Map) {
        const keys = new Set([...here.keys(), ...there.keys()]);
        for (const key of keys) walk(here.get(key), there.get(key), [...path, key]);
      } else if (++differing <= MOST_NAMED) {
        const [first, second] = [here, there].map(shortened);
        sentences.push(`${placeOf(path)} is ${first} in the first and ${second} in the second`);
      }
    };
    walk(one, other, []);
    return { count: differing, sentences };
  };

  return { breaches, textOf, forge, findDigit, compare };
};
