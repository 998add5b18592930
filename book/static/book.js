// The theme lets the keyboard scroll what is too wide for the page; when a fold opens, it must look again.
document.addEventListener("toggle", () => window.dispatchEvent(new Event("resize")), true);
