// Draws each figure of the page once it comes into view, and keeps it to what is left and chosen.
const HIDDEN = 0.08, RING = { color: "#D40078", width: 3 };
const BUTTONS = [["toImage", "zoom2d", "pan2d", "select2d", "lasso2d", "resetScale2d"]];
const stale = new Set(), visible = new Set(), figures = new Map();

const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

function hoverText(row) {
  const [heading, ...lines] = linesOf(row).map(escaped);
  return [`<b>${heading}</b>`, ...lines].join("<br>");
}

async function draw(place) {
  const figure = JSON.parse(place.querySelector("script").textContent);
  place.textContent = "";
  figure.linked = figure.data.filter((trace) => trace.customdata);
  // Plotly changes what it is given, so whole bars are kept for when their markers come back.
  figure.bars = figure.linked.map(({ error_x: x, error_y: y }) => ({
    error_x: { ...x }, error_y: { ...y },
  }));
  for (const trace of figure.linked) {
    trace.hovertext = trace.customdata.map(hoverText);
    trace.unselected = { marker: { opacity: HIDDEN } };
  }
  if (place.dataset.x) figure.data.push(ring());
  // Without a drag mode a finger scrolls the page; the bar above a plot turns zooming on.
  figure.layout.dragmode = false;
  figures.set(place, figure);
  await Plotly.newPlot(place, figure.data, figure.layout, {
    responsive: true, displaylogo: false, doubleClick: "reset",
    modeBarButtons: figure.rows ? [["toImage"]] : BUTTONS,
    displayModeBar: !place.classList.contains("small"),
  });
  place.on("plotly_click", ({ points }) => {
    const row = points[0].customdata;
    if (row !== undefined) chooseAndCopy(row);
  });
  place.on("plotly_selected", (event) => {
    const rows = event?.points.map((point) => point.customdata).filter((row) => row !== undefined);
    if (rows?.length) select({ picked: new Set(rows) });
  });
  place.on("plotly_deselect", () => select({ picked: null }));
  if (figure.rows) place.on("plotly_restyle", () => readRanges(place, figure));
  place.classList.add("drawn");
  paint(place);
}

function ring() {
  return {
    type: "scatter", name: "chosen", x: [], y: [], mode: "markers", hoverinfo: "skip",
    marker: { symbol: "circle-open", size: 22, color: RING.color, line: RING },
  };
}

function paint(place) {
  stale.delete(place);
  const figure = figures.get(place);
  if (figure.rows) paintLines(place, figure);
  else if (figure.linked.length) paintMarkers(place, figure);
}

function paintMarkers(place, figure) {
  const isAll = !isTouched();
  const left = figure.linked.map(({ customdata }) => isAll ? null : indicesOf(customdata));
  const update = { selectedpoints: left };
  const { x, y } = place.dataset;
  for (const bar of x ? ["error_x", "error_y"] : []) {
    for (const end of ["array", "arrayminus"]) {
      update[`${bar}.${end}`] = figure.bars.map((bars, n) => kept(bars[bar]?.[end], left[n]));
    }
  }
  Plotly.restyle(place, update, figure.linked.map((trace) => figure.data.indexOf(trace)));
  if (state.picked === null && place.layout.selections?.length) {
    Plotly.relayout(place, { selections: [] });
  }
  if (!x) return;
  const at = [x, y].map((name) => state.chosen === null ? null : run.values[name][state.chosen]);
  const isThere = at.every((value) => value !== null);
  Plotly.restyle(place, { x: [isThere ? [at[0]] : []], y: [isThere ? [at[1]] : []] },
    [figure.data.length - 1]);
}

function indicesOf(rows) {
  return rows.flatMap((row, n) => isLeft(row) || run.trial[row] === null ? [n] : []);
}

function kept(lengths, left) {
  if (!lengths || left === null) return lengths ?? null;
  const is = new Set(left);
  return lengths.map((length, n) => is.has(n) ? length : 0);
}

// 0 is out of the budgets, 0.5 within, 1 on the front; ranges dim the others themselves.
function paintLines(place, figure) {
  const colors = figure.rows.map((row) => {
    const isIn = isWithin(row) && (state.picked === null || state.picked.has(row));
    return isIn ? (run.onFront[row] ? 1 : 0.5) : 0;
  });
  const update = { "line.color": [colors] };
  if (state.isReset) {
    figure.data[0].dimensions.forEach((_, n) => {
      update[`dimensions[${n}].constraintrange`] = null;
    });
    state.isReset = false;
    figure.ranges = undefined;
  }
  Plotly.restyle(place, update, [0]);
}

function readRanges(place, figure) {
  const limited = place.data[0].dimensions.filter((dimension) => dimension.constraintrange);
  const told = JSON.stringify(limited.map(({ label, constraintrange }) => [label, constraintrange]));
  if (told === (figure.ranges ?? "[]")) return;
  figure.ranges = told;
  const passes = (n) => limited.every(({ values, constraintrange }) =>
    (Array.isArray(constraintrange[0]) ? constraintrange : [constraintrange])
      .some(([low, high]) => low <= values[n] && values[n] <= high));
  const rows = figure.rows.filter((_, n) => passes(n));
  select({ ranges: limited.length ? new Set(rows) : null });
}

function repaint() {
  for (const place of figures.keys()) stale.add(place);
  for (const place of visible) if (stale.has(place)) paint(place);
}

listeners.push(repaint);
const watch = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) { visible.delete(target); continue; }
    visible.add(target);
    if (!figures.has(target)) { figures.set(target, { linked: [] }); draw(target); }
    else if (stale.has(target)) paint(target);
  }
}, { rootMargin: "200px" });
document.querySelectorAll(".plot").forEach((place) => watch.observe(place));
