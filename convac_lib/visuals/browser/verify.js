// Verifies certificates in the page, step by step: one that the page holds, or files that a reader drops.
const made = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children); // strings become text, never markup
  return element;
};

const textIn = async (root) => {
  const letters = root.querySelector('script[type="application/gzip"]').textContent;
  const bytes = Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
};

const plans = networks(generator);
const checker = certificates(plans, engine(plans));
const naming = forgeries(checker, plans);
const bytesOf = (text) => new TextEncoder().encode(text);
const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

// A sentence of the library or of these pages, which begins in the lower case, as one of a paragraph.
const sentenceOf = (words) => `${words[0].toUpperCase()}${words.slice(1)}.`;

// What `convac verify` says of a certificate that holds.
const claimOf = ({ rank, cut, prime }) => {
  const across = `across the cut of patches ${cut.join(",")} from the rest`;
  return `valid: rank ≥ ${rank} for almost all weights, ${across} (exact modulo ${prime})`;
};

const STEPS = {
  form: ["Form", () => "JSON with the keys of a certificate"],
  digest: ["Digest", () => "the SHA-256 of its content is the one that it states"],
  network: ["Network and cut", () => "layers that end in 1×1, and patches on both sides"],
  weights: ["Numbers", ({ rank }) => `weights below the prime, and ${count(rank, "row")} and ${count(rank, "column")}`],
  minor: ["Minor", ({ rank }) => `all ${count(rank ** 2, "entry", "entries")} computed again`],
  elimination: ["Elimination", ({ rank }) => `${count(rank, "pivot")}: rank ${rank} confirmed`],
};

// --- what a certificate says ---

const isHalf = ({ size, sides }) =>
  size % 2 === 0 && ["left-right", "top-bottom"].some((name) => {
    const [half] = plans.sidesOf(name, size);
    return sides.some((patches) => patches.join() === half.join());
  });

const MOST_LAYERS = 16;
const networkOf = (certificate) => {
  const { size, representation_channels: M, layers, border, shared } = certificate;
  const { sizes } = plans.geometry(certificate);
  const windows = new Set(layers.filter(([, S]) => S === 1).map(([R]) => R));
  const B = windows.size === 1 ? `, B = ${[...windows][0]}` : "";
  const weights = shared ? "shared weights" : "weights of its own at every position";
  const header = ["layer", "receptive field", "stride", "channels", "output"];
  const rows = layers.slice(0, MOST_LAYERS).map(([R, S, C, free], l) => {
    return [l + 1, `${R}×${R}`, S, free ? `${C}, weight-free` : C, `${sizes[l + 1]}×${sizes[l + 1]}`];
  });
  const cells = (tag, words) => words.map((word) => made(tag, tag === "th" ? { scope: "col" } : {}, String(word)));
  const table = made("table", {}, made("thead", {}, made("tr", {}, ...cells("th", header))));
  table.append(made("tbody", {}, ...rows.map((words) => made("tr", {}, ...cells("td", words)))));
  const more = layers.length - MOST_LAYERS;
  const image = `An image of ${size}×${size} patches, M = ${M}${B}, border ${border}, ${weights}.`;
  const rest = more > 0 ? [made("p", {}, `And ${count(more, "more layer")}.`)] : [];
  const scroll = made("div", { tabindex: 0, role: "group", "aria-label": "The layers" }, table);
  return [made("p", {}, image), scroll, ...rest];
};

const meaningOf = (certificate) => {
  const { rank, layers, sampled, sides } = certificate;
  const meaning = made("div", { class: "convac-meaning" });
  const cut = made("figure", {}, cutPicture(certificate));
  const dark = count(sides[0].length, "dark patch", "dark patches");
  cut.append(made("p", {}, `The cut: ${dark} from the other ${sides[1].length}.`));
  const consequence =
    `So a network without overlap needs at least ${count(rank, "channel")} in its last layer to compute what this ` +
    "network computes with almost all weights. This holds if no window below the last layer reads patches from both " +
    "sides of the cut: see Rank without overlap, in the chapter The overlap theorem.";
  const found =
    `The file says that its rows and columns were found among ${sampled[0].toLocaleString("en")} and ` +
    `${sampled[1].toLocaleString("en")}. No check can confirm this, and the claim does not need it.`;
  const words = made("div", {}, ...networkOf(certificate));
  if (isHalf(certificate) && layers.some(([R, S]) => R > S) && rank > 1) words.append(made("p", {}, consequence));
  words.append(made("p", { class: "convac-aside" }, found));
  meaning.append(cut, words);
  return meaning;
};

// --- one check ---

const documentIn = (bytes) => {
  try {
    return checker.parse(checker.textOf(bytes));
  } catch {
    return undefined;
  }
};

// Verify a file's bytes in a report that grows in `place`. `name` is what a command would call the file.
const report = async (place, bytes, name) => {
  const picture = minorPicture();
  const lines = Object.fromEntries(
    Object.entries(STEPS).map(([key, [title]]) => [
      key, made("li", {}, made("b", {}, title), " ", made("span", {})),
    ]),
  ); // prettier-ignore
  const steps = made("ol", { class: "convac-steps", "aria-label": "Steps of the check" }, ...Object.values(lines));
  const verdict = made("p", { class: "convac-verdict", role: "status" }, "Checking …");
  const cancel = made("button", { type: "button" }, "Cancel");
  const words = made("div", {}, steps, verdict, cancel);
  const caption = made("p", { class: "convac-aside" });
  const frame = made("div", { class: "convac-minor", hidden: "" }, picture.canvas, caption);
  const body = made("div", { class: "convac-report" }, frame, words);
  place.append(body);

  const order = Object.keys(STEPS);
  let [now, facts] = [0, {}];
  const say = (state, detail = "") => {
    const line = lines[order[now]];
    if (!line) return;
    line.dataset.state = state;
    line.querySelector("span").textContent = detail;
  };
  say("running");
  const pass = (key) => {
    for (; now <= order.indexOf(key); now++) say("passed", STEPS[order[now]][1](facts));
    say("running");
  };
  const hear = (done, { passed, rank, filled, pivots } = {}) => {
    if (rank) {
      facts = { rank };
      picture.begin(rank);
      frame.hidden = false;
      const each = Math.ceil(rank / 512);
      const shown = each > 1 ? `one entry of every ${each}×${each}` : "every entry";
      caption.textContent = `The minor, ${shown}: white is 0, darker is larger; pivots are green.`;
    }
    if (passed) return pass(passed);
    if (filled) picture.fill(filled);
    if (pivots) picture.mark(pivots);
    return say("running", `${Math.floor(100 * (now < 5 ? 2 * done : 2 * done - 1))} %`);
  };
  const end = (kind, ...sentences) => {
    body.dataset.verdict = kind;
    cancel.remove();
    verdict.replaceChildren(...sentences);
  };

  const begun = performance.now();
  const asked = ask("verify", bytes, hear);
  const cancelled = new Promise((resolve) => cancel.addEventListener("click", () => resolve("cancelled")));
  try {
    const certificate = await Promise.race([asked.answer, cancelled]);
    if (certificate === "cancelled") {
      asked.cancel();
      say("stopped", "not finished");
      return end("unknown", "Cancelled.");
    }
    pass("elimination");
    picture.mark(certificate.pivots, true);
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    end("valid", claimOf(certificate), made("small", {}, `Checked by this browser in ${seconds} s.`));
    return body.append(meaningOf(certificate));
  } catch (error) {
    if (!error.refusal) {
      say("stopped", "not checked");
      return end("unknown", `This browser lets no page compute on its own. Run: convac verify ${name}`);
    }
    const sentence = error.message.replace("convac verify FILE", `convac verify ${name}`);
    if (/ in this browser, and the limit is /.test(sentence)) {
      say("stopped", "not checked");
      frame.hidden = true; // nothing will be seen in it
      return end("unknown", sentence);
    }
    say("failed", "failed");
    if (error.found?.pivots) {
      picture.strike(error.found.dependent, error.found.pivots);
      caption.textContent += " The red row depends on the rows before it.";
    }
    end("refused", sentence);
    return nameFaults(words, bytes, error.found);
  }
};

// Below a refusal, name what one file tells: the places that break a rule, and a digit that makes the digest wrong.
const nameFaults = async (words, bytes, found) => {
  const parsed = documentIn(bytes);
  const list = made("ul", { class: "convac-faults" });
  list.append(...naming.breaches(parsed, found).map((sentence) => made("li", {}, sentenceOf(sentence))));
  words.append(list);
  if (words.querySelectorAll('[data-state="passed"]').length !== 1) return; // the digest is not what failed
  const line = made("li", { role: "status" });
  list.append(line);
  const hear = (done) => {
    line.textContent = `Trying every other digit at every place: ${Math.floor(100 * done)} %`;
    if (!line.isConnected) asked.cancel();
  };
  const asked = ask("findDigit", bytes, hear, forgeries);
  hear(0);
  line.textContent = sentenceOf(await asked.answer);
};

// Empty a place for the next check, and end the one that still runs there.
const clear = (place) => {
  for (const cancel of place.querySelectorAll("button")) cancel.click();
  place.replaceChildren();
};

// --- what a reader drops ---

const LARGEST_FILE = 2 ** 24;
const readFile = async (file) => {
  const { name } = file;
  const limit = "it is larger than 16,777,216 bytes; name another file";
  if (file.size > LARGEST_FILE) return { name, refused: `cannot read ${name}: ${limit}` };
  try {
    return { name, bytes: new Uint8Array(await file.arrayBuffer()) };
  } catch {
    return { name, refused: `cannot read ${name}; drop a file` };
  }
};

const comparison = (one, other) => {
  const [first, second] = [one, other].map(({ bytes }) => documentIn(bytes));
  const box = made("div", { class: "convac-comparison" });
  if (!first || !second) return made("p", {}, "The files are not compared, because one of them is not JSON.");
  const { count: differing, sentences } = naming.compare(first, second);
  const same = differing ? `The files differ in ${count(differing, "place")}:` : "The files say the same.";
  box.append(made("p", { role: "status" }, made("b", {}, same)));
  if (differing) box.append(made("ul", {}, ...sentences.map((sentence) => made("li", {}, sentenceOf(sentence)))));
  if (differing > sentences.length) box.append(made("p", {}, `And ${differing - sentences.length} more.`));
  return box;
};

const checkFiles = async (place, files) => {
  clear(place);
  const round = made("div", {});
  place.append(round);
  if (files.length > 2) {
    const words = "Drop one certificate, or two to compare them.";
    round.append(made("p", { class: "convac-verdict", role: "status" }, words));
    return;
  }
  const read = await Promise.all([...files].map(readFile));
  if (read.length === 2 && !read.some(({ refused }) => refused)) round.append(comparison(...read));
  for (const { name, bytes, refused } of read) {
    if (!round.isConnected) return; // the reader has dropped others
    if (read.length === 2) round.append(made("h2", {}, name));
    if (refused) {
      const verdict = made("p", { class: "convac-verdict", role: "status" }, refused);
      round.append(made("div", { class: "convac-report", "data-verdict": "refused" }, verdict));
    } else await report(round, bytes, name);
  }
};

const wakeDrop = (root, sample) => {
  const input = made("input", { type: "file", multiple: "", "data-lm-suppress-shortcuts": "true" });
  const zone = made("label", { class: "convac-drop" });
  zone.append(
    made("b", {}, "Drop a certificate here, or choose a file"),
    made("span", {}, "Drop two to compare them. Nothing leaves this page."),
    input,
  );
  const results = made("div", { class: "convac-results" });
  const file = (text, name) => new File([text], name);
  const button = (words, act) => {
    const pressed = made("button", { type: "button" }, words);
    pressed.addEventListener("click", act);
    return pressed;
  };
  const told = made("p", { class: "convac-aside", role: "status" });
  const forge = (keys, repaired) => {
    const { text, sentence } = naming.forge(checker.parse(sample), keys, repaired);
    told.textContent = sentenceOf(sentence);
    return checkFiles(results, [file(text, "forged.json")]);
  };
  const numbers = ["weights", "dense", "rows", "columns"];
  const row = made("div", { class: "convac-samples", role: "group", "aria-label": "Our sample" });
  row.append(
    button("Verify our sample", () => {
      told.textContent = "";
      return checkFiles(results, [file(sample, "sample.json")]);
    }),
    button("Forge one digit", () => forge(numbers, false)),
    button("Forge a row, repair the digest", () => forge(["rows"], true)),
    button("Forge a weight, repair the digest", () => forge(["weights"], true)),
  );
  root.querySelector(".convac-check").append(zone, row, told, results);

  const take = (files) => {
    told.textContent = "";
    if (files.length) checkFiles(results, files);
  };
  input.addEventListener("change", () => {
    take([...input.files]);
    input.value = ""; // so that the same file can be chosen again
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    root.addEventListener(kind, (event) => {
      event.preventDefault();
      zone.classList.toggle("convac-over", kind === "dragover");
      if (kind === "drop") take([...event.dataTransfer.files]);
    });
  }
};

// --- a certificate that the page holds ---

const wakeCard = (root, text) => {
  const button = made("button", { type: "button" }, "Verify in your browser");
  const results = made("div", { class: "convac-results" });
  root.querySelector(".convac-check").append(button, results);
  button.addEventListener("click", () => {
    clear(results);
    report(results, bytesOf(text), root.dataset.certificate);
  });
};

const asleep = 'figure.convac-certificate:not([data-woken]):has(> script[type="application/gzip"])';
for (const root of document.querySelectorAll(asleep)) {
  root.dataset.woken = "true"; // before anything is awaited: another copy of this script then leaves it alone
  textIn(root).then((text) => {
    if (root.dataset.certificate) wakeCard(root, text);
    else wakeDrop(root, text);
    root.dataset.ready = "true";
  });
}
