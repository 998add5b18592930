// One front end. On a page an inline <script type="module"> wakes every card that sleeps there. In a notebook the same
// text is an anywidget's, and `render` wakes the card of its own with a kernel behind it. Before it come `views`, which
// compute here what a card's table lacks, and the engine that they ask; where no card computes, `views` is empty.
const element = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children); // strings become text, never markup
  return made;
};

const unpacked = async (letters) => {
  const bytes = Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
};

const MOST_TICKS = 10;

// Below a tenth of a second a number of seconds says nothing.
const duration = (seconds) => (seconds < 0.1 ? "less than 0.1 s" : `${seconds.toFixed(1)} s`);

const inWords = (value) => {
  if (typeof value === "string" || value === null) return value ?? "";
  const isFraction = typeof value === "number" && !Number.isInteger(value);
  return (isFraction ? Number(value.toPrecision(4)) : value).toLocaleString("en");
};

const keyOf = (values) => JSON.stringify(values);
const certified = new Map(); // what all cards have computed here: the rank by the question, as text

// A command at a sentence's end keeps clear of a full stop, so that it can be copied.
const sentenceOf = (reason) => (reason.includes("; run: ") ? reason : `${reason}.`);

// The controls are made here: without scripts there is nothing to move, and no sanitizer can leave them half alive.
const makeControls = (axes) => {
  const form = element("form", { autocomplete: "off" });
  const beyond = element("div", { class: "convac-fields" });
  const controls = axes.map(({ letter, label, values, words, slider, typed, bounds }) => {
    const quiet = { name: letter, "data-lm-suppress-shortcuts": "true" }; // a notebook's keys: arrows change cells there
    const field = typed && element("input", { type: "number", min: typed[0], max: typed[1], step: 1 });
    if (!values) {
      const words = element("span", {}, label, element("small", {}, bounds));
      beyond.append(element("label", {}, words, field));
      return { field };
    }
    field?.setAttribute("aria-label", `${label}: type ${bounds}`);
    if (slider) {
      const input = element("input", { type: "range", min: 0, max: values.length - 1, step: 1, ...quiet });
      const value = element("b", { class: "convac-value", "aria-hidden": "true" });
      const few = words.length > MOST_TICKS ? [words[0], words.at(-1)] : words;
      const ticks = element("div", { class: "convac-ticks", "aria-hidden": "true" });
      ticks.append(...few.map((word) => element("span", {}, word)));
      const line = element("label", {}, element("span", {}, label), input);
      form.append(element("div", { class: "convac-axis" }, line, field ?? value, ticks));
      return { slider: input, value, field };
    }
    const buttons = words.map((word, at) => element("input", { type: "radio", value: at, ...quiet }));
    const labels = words.map((word, at) => element("label", {}, buttons[at], element("span", {}, word)));
    const row = element("div", {}, ...labels);
    form.append(element("fieldset", { class: "convac-axis" }, element("legend", {}, label), row));
    return { buttons };
  });
  const draw = axes.some(({ letter, typed }) => letter === "seed" && typed) && element("button", { type: "button" });
  if (draw) {
    draw.textContent = "Draw new weights";
    form.append(element("div", { class: "convac-draw" }, draw));
  }
  if (beyond.children.length) {
    form.append(element("details", { class: "convac-more" }, element("summary", {}, "More numbers"), beyond));
  }
  return { form, controls, draw };
};

const wake = async (root, kernel) => {
  root.dataset.woken = "true"; // before anything is awaited: another copy of this script then leaves the card alone
  const { textContent: letters } = root.querySelector('script[type="application/gzip"]');
  const { axes, states, start, others } = await unpacked(letters);
  const view = views[root.dataset.view];
  const picture = root.querySelector("img");
  const reading = root.querySelector(".convac-reading");
  const body = root.querySelector("tbody");
  const columns = [...root.querySelectorAll("thead th")].map((cell) => cell.textContent);
  const { form, controls, draw } = makeControls(axes);
  const [said, bar] = [element("span", { role: "status" }), element("progress", { "aria-label": "Computed so far" })];
  const cancel = element("button", { type: "button" }, "Cancel");
  const status = element("div", { class: "convac-status" }, said, bar, cancel);

  const known = new Map(); // a state's values, as text -> what it shows; null where there is no such state
  const rows = body.rows;
  let row = 0;
  for (const [values, state] of states) {
    known.set(keyOf(values), state && { values, ...state, row: rows[row++], source: "From the record." });
  }

  let chosen = known.get(keyOf(start)); // what the controls say
  let seen; // what the picture shows: the same, or what is pointed at
  let asked; // the question that waits for its answer: its number and its values
  let job; // what is computed here
  let number = 0;
  const me = Math.random(); // a notebook may show one widget twice

  const drafts = new Set(); // fields in which the reader is typing: no answer writes over them

  const placeOf = (values, axis) => axes[axis].values?.indexOf(values[axis]) ?? 0;

  // As numbers of as many digits as there are axes: where the view has no state, the axes named last give way first. The
  // typed numbers beyond the axes stay. Whether the view has the state that is found may not be known yet.
  const nearest = (values) => {
    const distance = (other) =>
      axes.reduce((sum, { values: all }, axis) => {
        const apart = Math.abs(placeOf(values, axis) - placeOf(other, axis));
        return sum * (all?.length ?? 1) + apart;
      }, 0);
    const places = axes.reduce(
      (found, { values: all }, axis) =>
        found.flatMap((place) => (all ?? [values[axis]]).map((value) => [...place, value])),
      [[]],
    );
    const possible = places.filter((place) => known.get(keyOf(place)) !== null);
    if (!possible.length) return chosen.values;
    return possible.reduce((best, other) => (distance(other) < distance(best) ? other : best));
  };

  const setControls = (values) =>
    controls.forEach(({ slider, value, buttons, field }, axis) => {
      const at = placeOf(values, axis);
      if (slider) {
        slider.value = at;
        slider.setAttribute("aria-valuetext", `${axes[axis].short} = ${axes[axis].words[at]}`);
        value.textContent = axes[axis].words[at];
      }
      if (buttons) buttons[at].checked = true;
      if (field && !drafts.has(field)) field.value = values[axis] ?? "";
    });

  const say = (words, kind = "") => {
    said.textContent = words;
    status.className = `convac-status ${kind}`;
  };

  const see = (state) => {
    if (state === seen) return;
    seen = state;
    picture.src = "data:image/svg+xml," + encodeURIComponent(state.picture);
    picture.alt = state.alt;
    reading.textContent = state.reading;
    if (kernel || view) say(state.source);
    root.querySelector("tr[aria-current]")?.removeAttribute("aria-current");
    state.row.setAttribute("aria-current", "true");
  };

  const rest = () => {
    asked = undefined;
    root.classList.remove("convac-busy");
    picture.removeAttribute("aria-busy");
  };

  const show = (state) => {
    chosen = state;
    setControls(state.values);
    see(state);
  };

  // The controls go back to what the picture shows, with one sentence that says why.
  const refuse = (words, kind) => {
    rest();
    setControls(chosen.values);
    say(words, kind);
  };

  const stop = () => {
    if (!asked) return;
    job?.cancel();
    kernel?.send({ do: "cancel" });
  };

  // A kernel comes first: it knows the atlas, and has no budget. Where there is none, or it is gone, the browser
  // computes.
  const request = (values) => {
    stop();
    asked = { id: `${me}-${++number}`, values };
    setControls(values); // the picture beside them fades, since it is another state's
    root.classList.add("convac-busy");
    picture.setAttribute("aria-busy", "true");
    bar.removeAttribute("value");
    say("Waiting for the kernel …"); // it may be running a cell
    if (kernel?.send({ do: "see", id: asked.id, values })) return;
    if (view) computeHere(asked);
    else refuse("The kernel that drew this card is gone; run its cell again.", "convac-wrong");
  };

  const outOfBounds = (values) => {
    const isAllowed = ({ values: all, typed, among }, value, at) => {
      const isTyped = typed && Number.isInteger(value) && typed[0] <= value && value <= typed[1];
      return all?.includes(value) || value === start[at] || (isTyped && (among?.includes(value) ?? true));
    };
    const at = axes.findIndex((axis, at) => !isAllowed(axis, values[at], at));
    if (at < 0) return "";
    const wrong = values[at] === null ? "is empty" : `= ${inWords(values[at])} is out of bounds`;
    return `${axes[at].short} ${wrong}; use ${axes[at].bounds}`;
  };

  const computeHere = async ({ id, values }) => {
    const begun = performance.now();
    const certify = async (questions) => {
      const asked = questions.filter((question) => !certified.has(keyOf(question)));
      if (asked.length) {
        job = ask("certifyRanks", asked, (done) => hear({ is: "progress", id, done }));
        (await job.answer).forEach((rank, at) => certified.set(keyOf(asked[at]), rank));
      }
      return questions.map((question) => certified.get(keyOf(question)));
    };
    hear({ is: "begun", id });
    try {
      const wrong = outOfBounds(values);
      if (wrong) throw new Error(wrong);
      const state = Object.fromEntries(axes.map(({ letter }, at) => [letter, values[at]]));
      const computed = await view({ ...others, ...state }, certify);
      if (!computed) return hear({ is: "none", id });
      const { values: found, ...seen } = computed;
      seen.spots = seen.spots?.map(([box, moved]) => [box, Object.values({ ...state, ...moved })]);
      seen.reading = seen.reading.replaceAll(" = ", "\u00a0=\u00a0"); // never broken over two lines
      const cells = { ...Object.fromEntries(axes.map(({ short }, at) => [short, values[at]])), ...found };
      for (const name of Object.keys(cells)) cells[name] = inWords(cells[name]);
      hear({ is: "state", id, isHere: true, seconds: (performance.now() - begun) / 1000, state: seen, cells });
    } catch (error) {
      hear({ is: "error", id, reason: sentenceOf(error.message) });
    }
  };

  const choose = (values) => {
    if (keyOf(values) === keyOf(asked?.values ?? chosen.values)) return;
    const place = known.get(keyOf(values)) === null ? nearest(values) : values;
    const state = known.get(keyOf(place));
    if (!state) return request(place);
    stop();
    rest();
    seen = undefined; // so that the sentence below it is written anew
    show(state);
  };

  const change = (axis, value) => {
    const values = [...(asked?.values ?? chosen.values)];
    values[axis] = value;
    choose(values);
  };

  controls.forEach(({ slider, buttons, field }, axis) => {
    const { values } = axes[axis];
    slider?.addEventListener("input", () => change(axis, values[slider.value]));
    buttons?.forEach((button, at) => button.addEventListener("input", () => change(axis, values[at])));
    const typed = () => {
      drafts.delete(field);
      const empty = field.value === ""; // or no number at all
      if (empty && start[axis] !== null) setControls(asked?.values ?? chosen.values);
      else change(axis, empty ? null : Number(field.value));
    };
    field?.addEventListener("input", () => drafts.add(field));
    field?.addEventListener("change", typed);
    field?.addEventListener("blur", () => drafts.delete(field) && setControls(asked?.values ?? chosen.values));
    // In JupyterLab, Enter makes no "change".
    field?.addEventListener("keydown", (event) => event.key === "Enter" && typed());
  });
  form.addEventListener("submit", (event) => event.preventDefault());

  if (draw) {
    const axis = axes.findIndex(({ letter }) => letter === "seed");
    const [low, high] = axes[axis].typed;
    draw.addEventListener("click", () => {
      const seed = (asked?.values ?? chosen.values)[axis];
      change(axis, seed < high ? seed + 1 : low);
    });
  }

  cancel.addEventListener("click", () => {
    stop();
    refuse("Cancelled.");
  });

  // The state that a spot of the picture under the pointer leads to.
  const under = (event) => {
    const box = picture.getBoundingClientRect();
    const scale = picture.naturalWidth / box.width;
    const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    const inside = ([[left, top, width, height]]) => x >= left && x < left + width && y >= top && y < top + height;
    return asked ? undefined : seen.spots?.find(inside)?.[1];
  };
  const pointed = (values) => {
    const state = values && known.get(keyOf(values));
    return (state === null ? known.get(keyOf(nearest(values))) : state) ?? chosen;
  };
  picture.addEventListener("pointermove", (event) => {
    const values = under(event);
    picture.style.cursor = values ? "pointer" : "";
    if (!asked) see(pointed(values));
  });
  picture.addEventListener("pointerleave", () => asked || see(chosen));
  picture.addEventListener("click", (event) => {
    const values = under(event);
    if (values) choose(values);
  });

  const named = (values) => {
    const worthNaming = (axis) => axes[axis].values || values[axis] !== start[axis];
    return axes.map(({ short }, axis) => worthNaming(axis) && `${short} = ${values[axis]}`).filter(Boolean).join(", ");
  };
  const addRow = (cells) => {
    const made = element("tr", {}, ...columns.map((name) => element("td", {}, cells[name] ?? "–")));
    body.append(made);
    return made;
  };
  const hear = (message) => {
    if (message.id !== asked?.id) return; // the reader has moved on
    const { values } = asked;
    if (message.is === "begun") say(`Computing ${named(values)} …`);
    if (message.is === "progress") bar.value = message.done;
    if (message.is === "state") {
      const computed = message.isHere ? "Computed here, by your browser, just now" : "Computed now";
      const source = message.source ? `Read from ${message.source}.` : `${computed}, in ${duration(message.seconds)}.`;
      known.set(keyOf(values), { values, ...message.state, row: addRow(message.cells), source });
      rest();
      show(known.get(keyOf(values)));
    }
    if (message.is === "none") {
      known.set(keyOf(values), null);
      rest();
      choose(values);
    }
    if (message.is === "error") refuse(message.reason, "convac-wrong");
    if (message.is === "stopped") refuse("Stopped: this card was moved in another place.");
  };

  reading.parentElement.before(form);
  if (kernel || view) reading.after(status);
  kernel?.on(hear);
  show(chosen);
  root.dataset.ready = "true";
  return () => kernel?.off(hear);
};

// Where a sanitizer took the states away, there is nothing to move over. A card whose view is not here is woken by its
// own script.
const asleep = 'figure.convac-explorer:not([data-woken]):has(> script[type="application/gzip"])';
for (const root of document.querySelectorAll(asleep)) {
  if (!root.dataset.view || views[root.dataset.view]) wake(root);
}

export default {
  render({ model, el }) {
    el.innerHTML = model.get("card");
    const send = (message) => {
      try {
        model.send(message);
        return true;
      } catch {
        return false; // the kernel was restarted, and no longer knows this card
      }
    };
    return wake(el.querySelector("figure"), {
      send,
      on: (hear) => model.on("msg:custom", hear),
      off: (hear) => model.off("msg:custom", hear),
    });
  },
};
