// The theme lets the keyboard scroll what is too wide for the page; when a fold opens, it must look again.
document.addEventListener("toggle", () => window.dispatchEvent(new Event("resize")), true);

// A printed sentence breaks where the page ends; what has lines of its own, a table, keeps them.
document.addEventListener("DOMContentLoaded", () => {
  for (const printed of document.querySelectorAll("div.cell_output pre")) {
    if (!printed.textContent.trimEnd().includes("\n")) printed.style.whiteSpace = "pre-wrap";
  }
});
