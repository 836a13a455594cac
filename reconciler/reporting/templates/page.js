"use strict";
// Without it all of the page is there to read; it filters, folds, and opens what a link names.
(() => {
  const LEVELS = [".study", ".series", ".group", ".instances > li"];
  const WAIT_MS = 120;
  const controls = document.getElementById("controls");

  function openWhatIsNamed() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let node = target; node; node = node.parentElement) {
      if (node.tagName === "DETAILS") node.open = true;
    }
    target.scrollIntoView();
    const summary = target.tagName === "DETAILS" && target.querySelector("summary");
    if (summary) summary.focus({ preventScroll: true });
  }
  addEventListener("hashchange", openWhatIsNamed);
  openWhatIsNamed();

  if (!controls) return;
  const filter = document.getElementById("filter");
  const matches = document.getElementById("matches");
  const folds = () => document.querySelectorAll("details.study, details.series");
  const atFirst = new Map();

  function words(node) {
    return (node.querySelector("[data-words]") || node).textContent.toLowerCase();
  }

  // How many instances under `node` are shown; what matches shows all that is under it.
  function narrow(node, level, query) {
    const wanted = query && words(node).includes(query) ? "" : query;
    let shown = 0;
    if (level === LEVELS.length - 1) {
      shown = wanted ? 0 : 1;
    } else {
      for (const part of node.querySelectorAll(LEVELS[level + 1])) {
        shown += narrow(part, level + 1, wanted);
      }
    }
    node.hidden = shown === 0;
    return shown;
  }

  function apply() {
    const query = filter.value.trim().toLowerCase();
    if (query && !atFirst.size) {
      for (const fold of folds()) atFirst.set(fold, fold.open);
    }
    let shown = 0;
    for (const study of document.querySelectorAll(LEVELS[0])) shown += narrow(study, 0, query);
    for (const [fold, wasOpen] of atFirst) fold.open = query ? !fold.hidden : wasOpen;
    if (!query) atFirst.clear();
    matches.value = query ? `${shown.toLocaleString("en")} shown` : "";
  }

  let waiting;
  filter.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(apply, WAIT_MS);
  });
  controls.addEventListener("submit", (event) => event.preventDefault());
  const foldAll = (isOpen) => () => {
    for (const fold of folds()) fold.open = isOpen;
  };
  document.getElementById("unfold").addEventListener("click", foldAll(true));
  document.getElementById("fold").addEventListener("click", foldAll(false));
  controls.hidden = false;
})();
