// Runs before the page is painted, so that the chosen theme never flashes.
"use strict";
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") {
    document.documentElement.dataset.theme = chosen;
  }
} catch {
  // Storage is refused: the browser's preference decides.
}
