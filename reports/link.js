// What links the figures: budgets, selections and the candidate chosen. Everything from the run is
// data in JSON and reaches the page as text, never as markup.
"use strict";
const run = JSON.parse(document.getElementById("candidates").textContent);
const byId = (name) => document.getElementById(name);
const listeners = [];
const state = { limits: run.budgets.map(() => null), picked: null, ranges: null, chosen: run.chosen };

function isTouched() {
  return state.picked !== null || state.ranges !== null
    || state.limits.some((limit, n) => sliders[n] && limit !== sliders[n].start);
}

function isWithin(row) {
  return run.rank[row] !== null && run.budgets.every(({ values, sign }, n) =>
    state.limits[n] === null || sign * values[row] <= sign * state.limits[n]);
}

function isLeft(row) {
  return isWithin(row) && (state.picked === null || state.picked.has(row))
    && (state.ranges === null || state.ranges.has(row));
}

// A slider stops at each value that a candidate has, and at the constraint.
const sliders = run.budgets.map(({ values, bound, sign }, n) => {
  const input = byId(`budget-${n}`);
  if (!input) return null;
  const kept = values.filter((value, row) => value !== null && run.rank[row] !== null);
  if (bound !== null) kept.push(bound);
  const stops = [...new Set(kept)].sort((a, b) => sign * (a - b));
  const start = bound ?? stops.at(-1) ?? null;
  input.max = Math.max(0, stops.length - 1);
  input.disabled = stops.length < 2;
  const slider = { input, stops, start, output: byId(`limit-${n}`) };
  input.addEventListener("input", () => limit(n, stops[input.valueAsNumber]));
  return slider;
});

function limit(n, value) {
  const slider = sliders[n], { sign, unit, baseline } = run.budgets[n];
  state.limits[n] = value;
  if (slider && value !== null) {
    slider.input.value = slider.stops.indexOf(value);
    const ratio = baseline > 0 ? ` (${rounded(value / baseline)}x)` : "";
    const text = `at ${sign > 0 ? "most" : "least"} ${rounded(value)} ${unit}`.trim() + ratio;
    slider.output.textContent = text;
    slider.input.setAttribute("aria-valuetext", text);
  }
  changed();
}

function rounded(value) {
  return String(Number(value.toPrecision(3)));
}

// Sliders send many events; the page follows once a frame.
let isDue = false;
function changed() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => { isDue = false; showWhatIsLeft(); listeners.forEach((f) => f()); });
}

function showWhatIsLeft() {
  if (!byId("left")) return;
  let count = 0, best = null, all = 0;
  run.rank.forEach((rank, row) => {
    if (rank === null) return;
    all += 1;
    if (!isLeft(row)) return;
    count += 1;
    if (best === null || rank < run.rank[best]) best = row;
  });
  byId("left").textContent = best === null
    ? `None of ${all} measured trials is left. Loosen a budget.`
    : `${count} of ${all} measured trials left; the best of them is trial ${run.trial[best]}.`;
  if (!state.isClicked) state.chosen = isTouched() ? best : run.chosen;
  showChosen();
}

function linesOf(row) {
  return run.hover[row].map((n) => run.lines[n]);
}

function commandOf(row) {
  return run.exportable[row] ? run.command.join(run.trial[row]) : null;
}

function showChosen() {
  const row = state.chosen, command = row === null ? null : commandOf(row);
  const [heading, ...lines] = row === null ? ["No trial chosen"] : linesOf(row);
  byId("chosen-title").textContent = heading[0].toUpperCase() + heading.slice(1);
  byId("chosen-lines").replaceChildren(...lines.map((line) => {
    const item = document.createElement("li");
    item.textContent = line;
    return item;
  }));
  byId("chosen-command").textContent = command ?? "";
  byId("chosen-copy").dataset.copy = command ?? "";
  byId("chosen-copy").hidden = command === null;
  if (row !== null && run.trial[row] !== null) byId("trial-number").value = run.trial[row];
}

// A choice by hand stays until a budget or a selection changes.
function choose(row) {
  state.chosen = row;
  state.isClicked = true;
  changed();
}

function select(change) {
  Object.assign(state, change, { isClicked: false });
  changed();
}

let forget = 0;
function say(text) {
  byId("said").textContent = text;
  clearTimeout(forget);
  forget = setTimeout(() => { byId("said").textContent = ""; }, 6000);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {  // not allowed, or a browser that has none for a file
    const area = document.body.appendChild(document.createElement("textarea"));
    area.value = text;
    area.select();
    const isDone = document.execCommand("copy");
    area.remove();
    if (!isDone) { say(`Copy it by hand: ${text}`); return; }
  }
  say(`Copied: ${text}`);
}

function chooseAndCopy(row) {
  choose(row);
  const command = commandOf(row);
  if (command) copy(command);
  else say(`${linesOf(row)[0]}: no model to export`);
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-copy]");
  if (button) copy(button.dataset.copy);
});
byId("reset")?.addEventListener("click", () => {
  select({ picked: null, ranges: null, chosen: run.chosen, isReset: true });
  sliders.forEach((slider, n) => slider && limit(n, slider.start));
});
byId("trial-number")?.addEventListener("change", ({ target }) => {
  const row = run.trial.indexOf(target.valueAsNumber);
  if (row >= 0) choose(row);
  else say(`There is no trial ${target.value}.`);
});
sliders.forEach((slider, n) => {
  if (!slider) return;
  slider.input.addEventListener("input", () => { state.isClicked = false; });
  limit(n, slider.start);
});
