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

    const show = () => {
      let index = 0;
      for (const [letter, words] of axes) {
        const control = form.elements.namedItem(letter);
        index = index * words.length + Number(control.value);
        if (control.type !== "range") continue;
        const word = words[control.value];
        control.setAttribute("aria-valuetext", `${letter} = ${word}`);
        control.closest(".convac-axis").querySelector(".convac-value").textContent = word;
      }
      const state = states[index];
      picture.src = "data:image/svg+xml," + encodeURIComponent(state.picture);
      picture.alt = state.alt;
      reading.textContent = state.reading;
      root.querySelector("tr[aria-current]").removeAttribute("aria-current");
      rows[index].setAttribute("aria-current", "true");
    };

    form.addEventListener("input", show);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = false;
  }
}
