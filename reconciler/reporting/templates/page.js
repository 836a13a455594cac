"use strict";
// Without it all of the page is there to read; it filters, folds, and opens what a link names.
(() => {
  const LEVELS = [".reason", ".study", ".series", ".group", ".instances > li"];
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

  // What stands at the head of a part: its own summary, or all that it is by itself.
  function words(node) {
    const own = node.querySelectorAll(":scope > [data-words]");
    return (own.length ? [...own] : [node]).map((one) => one.textContent).join(" ").toLowerCase();
  }

  // The parts of `node` at the next level that it has any of.
  function parts(node, level) {
    for (let next = level; next < LEVELS.length; next += 1) {
      const found = node.querySelectorAll(LEVELS[next]);
      if (found.length) return [found, next];
    }
    return [[], LEVELS.length];
  }

  // How many instances under `node` are shown; what matches shows all that is under it.
  function narrow(node, level, query) {
    const wanted = query && words(node).includes(query) ? "" : query;
    let shown = 0;
    if (level === LEVELS.length - 1) {
      shown = wanted ? 0 : 1;
    } else {
      const [found, next] = parts(node, level + 1);
      for (const part of found) shown += narrow(part, next, wanted);
    }
    node.hidden = shown === 0;
    return shown;
  }

  function counted(count, one, many) {
    return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
  }

  function apply() {
    const query = filter.value.trim().toLowerCase();
    if (query && !atFirst.size) {
      for (const fold of folds()) atFirst.set(fold, fold.open);
    }
    let shown = 0;
    const [found, first] = parts(document, 0);
    for (const part of found) shown += narrow(part, first, query);
    for (const row of document.querySelectorAll("[data-for]")) {
      row.hidden = document.getElementById(row.dataset.for).hidden;
    }
    const studies = document.querySelectorAll(".study:not([hidden])").length;
    for (const [fold, wasOpen] of atFirst) fold.open = query ? !fold.hidden : wasOpen;
    if (!query) atFirst.clear();
    matches.value = query ? `${counted(shown, "instance", "instances")} of ${counted(studies, "study", "studies")}` : "";
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
  // What is printed is whole.
  const printedClosed = [];
  addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll("details:not([open])")) {
      fold.open = true;
      printedClosed.push(fold);
    }
  });
  addEventListener("afterprint", () => {
    for (const fold of printedClosed.splice(0)) fold.open = false;
  });
  document.getElementById("unfold").addEventListener("click", foldAll(true));
  document.getElementById("fold").addEventListener("click", foldAll(false));
  controls.hidden = false;
})();
