// Every explorer on the page that no earlier copy of this script has woken; the braces keep the copies apart.
{
  for (const root of document.querySelectorAll("figure.convac-explorer:not([data-ready])")) {
    const data = root.querySelector('script[type="application/json"]');
    if (!data) continue;
    root.dataset.ready = "true";
    const { axes, states } = JSON.parse(data.textContent);
    const form = root.querySelector("form");
    const picture = root.querySelector("img");
    const reading = root.querySelector(".convac-reading");
    const rows = root.querySelectorAll("tbody tr");
    const controls = axes.map(([letter]) => form.elements.namedItem(letter));
    const all = axes.reduce((some, [, words]) => some.flatMap((place) => words.map((_, at) => [...place, at])), [[]]);
    const places = all.map((place, index) => ({ place, state: states[index] })).filter(({ state }) => state);

    // As numbers of as many digits as there are axes: where the view has no state, the axes named last give way first.
    const nearest = (wanted) => {
      const distance = ({ place }) =>
        axes.reduce((sum, [, words], axis) => sum * words.length + Math.abs(place[axis] - wanted[axis]), 0);
      return places.reduce((best, other) => (distance(other) < distance(best) ? other : best));
    };

    const read = () => controls.map((control) => Number(control.value));
    let chosen = nearest(read());
    let seen;
    const see = (place) => {
      if (place === seen) return;
      seen = place;
      const { state } = place;
      picture.src = "data:image/svg+xml," + encodeURIComponent(state.picture);
      picture.alt = state.alt;
      reading.textContent = state.reading;
      root.querySelector("tr[aria-current]").removeAttribute("aria-current");
      rows[places.indexOf(place)].setAttribute("aria-current", "true");
    };

    const choose = (wanted) => {
      chosen = nearest(wanted);
      axes.forEach(([letter, words], axis) => {
        const control = controls[axis];
        const word = words[chosen.place[axis]];
        control.value = chosen.place[axis];
        if (control.type !== "range") return;
        control.setAttribute("aria-valuetext", `${letter} = ${word}`);
        control.closest(".convac-axis").querySelector(".convac-value").textContent = word;
      });
      see(chosen);
    };

    // The values that a spot of the picture under the pointer leads to.
    const under = (event) => {
      const box = picture.getBoundingClientRect();
      const scale = picture.naturalWidth / box.width;
      const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
      const inside = ([left, top, width, height]) => x >= left && x < left + width && y >= top && y < top + height;
      return (seen ?? chosen).state.spots?.find(inside)?.slice(4);
    };

    if (places.some(({ state }) => state.spots)) {
      picture.addEventListener("pointermove", (event) => {
        const wanted = under(event);
        picture.style.cursor = wanted ? "pointer" : "";
        see(wanted ? nearest(wanted) : chosen);
      });
      picture.addEventListener("pointerleave", () => see(chosen));
      picture.addEventListener("click", (event) => choose(under(event) ?? read()));
    }
    form.addEventListener("input", () => choose(read()));
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = false;
  }
}
