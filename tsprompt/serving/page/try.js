
// --- what is asked ---

const $ = (id) => document.getElementById(id);
const TYPES = {
  csv: "text/csv", txt: "text/csv", tsv: "text/tab-separated-values", json: "application/json",
  parquet: "application/vnd.apache.parquet", pq: "application/vnd.apache.parquet",
  arrow: "application/vnd.apache.arrow.file", feather: "application/vnd.apache.arrow.file",
  arrows: "application/vnd.apache.arrow.stream",
};
const MISSING = new Set(["", "?", "na", "n/a", "nan", "null", "none", "-nan"]);
let models = [], told = null, shown = 0;

class Wrong extends Error {}

const ask = async (path, options = {}) => {
  const headers = { ...options.headers };
  if ($("token").value) headers.Authorization = `Bearer ${$("token").value}`;
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch {
    throw new Wrong("The server does not answer. Is it still running?");
  }
  const content = await answer.json().catch(() => ({ error: `status ${answer.status}` }));
  if (answer.ok) return content;
  if (answer.status === 401) {
    $("token-row").hidden = false;
    $("token").focus();
  }
  const again = answer.headers.get("retry-after");
  throw new Wrong(content.error + (again ? ` (again in ${again} s)` : ""));
};

const made = (name, attributes = {}, ...inside) => {
  const one = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
  one.append(...inside);
  return one;
};

const pathOf = (name) => name.split("/").map(encodeURIComponent).join("/");
const counted = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

const complain = (error) => {
  $("wrong").textContent = error instanceof Wrong ? error.message : `The page failed: ${error.message}`;
  $("wrong").hidden = false;
  $("status").textContent = "";
};

const loadModels = async () => {
  const chosen = $("model").value;
  const found = await ask("/models");
  models = found.models;
  $("model").replaceChildren(...models.map((one) => made("option", { value: one.name }, one.name)));
  if (models.some((one) => one.name === chosen)) $("model").value = chosen;
  $("predict").disabled = !models.length;
  $("wrong").hidden = !found.problems.length;
  $("wrong").textContent = found.problems.map((one) => `${one.name}: ${one.message}`).join("\n");
  if (!models.length && !found.problems.length) throw new Wrong("There is no model in the folder yet.");
  describe();
};

const describe = () => {
  const model = models.find((one) => one.name === $("model").value);
  if (!model) return $("about").replaceChildren();
  const { count, names } = model.features, { shortest, longest } = model.lengths;
  const length = shortest === null ? "" : shortest === longest ? `, ${shortest} timesteps` : `, ${shortest} to ${longest} timesteps`;
  const accuracy = model.figures["test accuracy"];
  const rows = [
    ["expects", counted(count, "feature") + (names ? ` (${names.join(", ")})` : "") + length],
    ["classes", model.classes.join(", ")],
    ["fitted on", model.dataset ?? "not known"],
    ["test accuracy", accuracy === undefined ? "not known" : accuracy.toFixed(3)],
    ["digest", model.digest.slice(0, 16) + "…"],
  ];
  $("about").replaceChildren(...rows.flatMap(([key, value]) => [made("dt", {}, key), made("dd", {}, value)]));
  $("coverage-row").hidden = !model.calibrated;
};

const numberOf = (text) => {
  const plain = text.trim().toLowerCase();
  if (MISSING.has(plain)) return null;
  const value = Number(plain);
  return Number.isNaN(value) ? undefined : value;
};

// One case: a line for each timestep; or, where there is one line, a value for each.
const caseOf = (text) => {
  let lines = text.split(/\r?\n/).filter((one) => one.trim());
  let rows = lines.map((one) => one.trim().split(/\s*[,;\t]\s*|\s+/).map(numberOf));
  if (rows.length > 1 && rows[0].every((one) => one === undefined)) rows = rows.slice(1); // names
  if (rows.length === 1) rows = rows[0].map((one) => [one]);
  const wrong = rows.findIndex((row) => row.includes(undefined) || row.length !== rows[0].length);
  if (wrong >= 0) throw new Wrong(`Line ${wrong + 1} of what you pasted is not ${counted(rows[0].length, "number")}.`);
  return rows;
};

const body = async () => {
  const file = $("file").files[0], pasted = $("paste").value.trim();
  if (pasted) return { type: TYPES.json, content: JSON.stringify({ cases: [caseOf(pasted)] }) };
  if (!file) throw new Wrong("Choose a file, or paste numbers.");
  const type = TYPES[file.name.split(".").pop().toLowerCase()];
  if (!type) throw new Wrong(`${file.name}: its ending tells no format that is read.`);
  return { type, content: file };
};

const asked = () => {
  const query = new URLSearchParams({ series: "true" });
  for (const name of ["header", "label", "layout"]) if ($(name).value) query.set(name, $(name).value);
  if (!$("coverage-row").hidden && $("coverage").value) query.set("coverage", Number($("coverage").value) / 100);
  if ($("explain").checked) query.set("explain", "true");
  return query;
};

$("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("wrong").hidden = true;
  $("predict").disabled = true;
  $("status").textContent = "Asking …";
  const started = performance.now();
  try {
    if (!models.length) await loadModels();
    const { type, content } = await body();
    const path = `/models/${pathOf($("model").value)}/predict?${asked()}`;
    told = await ask(path, { method: "POST", body: content, headers: { "Content-Type": type } });
    const seconds = (performance.now() - started) / 1000;
    $("status").textContent = `${counted(told.cases.length, "case")} in ${seconds.toFixed(2)} s`;
    showAll();
  } catch (error) {
    complain(error);
  } finally {
    $("predict").disabled = false;
  }
});

// --- what is answered ---

const showAll = () => {
  $("answer").hidden = false;
  $("notes").hidden = !told.notes.length;
  $("notes").replaceChildren(...told.notes.map((one) => made("li", {}, one)));
  $("many").hidden = told.cases.length < 2;
  $("case").replaceChildren(...told.cases.map((one, i) => made("option", { value: i }, `${one.id ?? i + 1}: ${one.label}`)));
  show(0);
  $("answer-h").focus();
};

const show = (number) => {
  shown = number;
  $("case").value = number;
  $("before").disabled = number === 0;
  $("after").disabled = number === told.cases.length - 1;
  const one = told.cases[number], best = Math.max(...one.probabilities);
  $("said").replaceChildren(made("strong", {}, String(one.label)), ` with probability ${best.toFixed(3)}, says ${told.model}.`);
  $("chances").tBodies[0].replaceChildren(...told.classes.map((label, i) => {
    const chance = one.probabilities[i], bar = made("div", { class: "bar" });
    bar.style.width = `${100 * chance}%`;
    const cell = made("td", { class: "text", "aria-hidden": "true" }, bar);
    return made("tr", chance === best ? { class: "best" } : {}, made("th", { scope: "row" }, String(label)), cell, made("td", {}, chance.toFixed(3)));
  }));
  $("set").hidden = !one.set;
  if (one.set) $("set").textContent = `Set at ${Math.round(100 * told.coverage)} %: ${one.set.join(", ") || "empty"}`;
  $("series").replaceChildren(...(one.series ? drawn(one.series) : [made("p", { class: "note" }, "This case is not drawn.")]));
  showLooked(one);
};

const showLooked = (one) => {
  $("looked").hidden = !one.shares;
  if (!one.shares) return;
  const shares = one.shares.map((share) => [share]);
  $("looked-about").textContent = `How much each stretch of time moved the answer towards ${one.label} (up) or away from it (down), in log-odds against ${one.explanation.runner_up}.`;
  $("shares").replaceChildren(...drawn(shares, true));
};

const svg = (name, attributes, text) => {
  const one = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
  if (text !== undefined) one.textContent = text;
  return one;
};

const WIDE = 640, HIGH = 260, EDGE = { left: 74, right: 12, top: 10, bottom: 26 }, FEATURES = 6;
const short = (value) => Number(value.toPrecision(3)).toString();

// A line for each feature, broken where a value is missing; or bars up and down from zero.
const drawn = (series, bars = false) => {
  const features = Math.min(series[0].length, FEATURES), values = series.flat().filter((one) => one !== null);
  if (!values.length) return [made("p", { class: "note" }, "The case has no values.")];
  let low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b));
  if (bars) [low, high] = [Math.min(low, 0), Math.max(high, 0)];
  if (low === high) [low, high] = [low - 1, high + 1];
  const x = (t) => EDGE.left + (t + (bars ? 0.5 : 0)) / Math.max(1, series.length - (bars ? 0 : 1)) * (WIDE - EDGE.left - EDGE.right);
  const y = (value) => HIGH - EDGE.bottom - (value - low) / (high - low) * (HIGH - EDGE.top - EDGE.bottom);
  const about = `${bars ? "Shares" : "Series"} of ${counted(series.length, "timestep")}, ${counted(series[0].length, "feature")}, from ${short(low)} to ${short(high)}`;
  const picture = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": about, class: "drawn-series" });
  for (const value of new Set([low, bars ? 0 : (low + high) / 2, high])) {
    picture.append(svg("line", { class: "axis", x1: EDGE.left, x2: WIDE - EDGE.right, y1: y(value), y2: y(value) }));
    picture.append(svg("text", { x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end" }, short(value)));
  }
  picture.append(svg("text", { x: EDGE.left, y: HIGH - 6 }, "1"));
  picture.append(svg("text", { x: WIDE - EDGE.right, y: HIGH - 6, "text-anchor": "end" }, String(series.length)));
  for (let f = 0; f < features; f++) {
    if (bars) drawBars(picture, series, f, features, x, y);
    else drawLine(picture, series, f, x, y);
  }
  const extra = series[0].length > features ? ` (the first ${features} are drawn)` : "";
  return [picture, made("figcaption", {}, about + extra), ...(features > 1 && !bars ? [keys(features)] : [])];
};

const drawLine = (picture, series, f, x, y) => {
  let points = [];
  const flush = () => {
    if (points.length === 1) points.push(points[0]);
    if (points.length) picture.append(svg("polyline", { class: `f${f}`, points: points.join(" "), "stroke-linecap": "round" }));
    points = [];
  };
  series.forEach((row, t) => {
    if (row[f] === null) flush();
    else points.push(`${x(t).toFixed(1)},${y(row[f]).toFixed(1)}`);
  });
  flush();
};

const drawBars = (picture, series, f, features, x, y) => {
  const width = (WIDE - EDGE.left - EDGE.right) / series.length / features;
  series.forEach((row, t) => {
    const top = Math.min(y(row[f]), y(0)), height = Math.abs(y(row[f]) - y(0));
    picture.append(svg("rect", { class: row[f] >= 0 ? "for" : "against", x: x(t) + (f - features / 2) * width, y: top, width: Math.max(width, 0.5), height }));
  });
};

const keys = (features) => {
  const names = models.find((one) => one.name === told.model)?.features.names;
  return made("ul", { class: "keys" }, ...[...Array(features).keys()].map((f) => {
    const key = svg("svg", { viewBox: "0 0 28 8", "aria-hidden": "true" });
    key.append(svg("line", { class: `f${f}`, x1: 0, x2: 28, y1: 4, y2: 4, "stroke-width": 2.5 }));
    return made("li", {}, key, names?.[f] ?? `feature ${f + 1}`);
  }));
};

$("case").addEventListener("change", () => show(Number($("case").value)));
$("before").addEventListener("click", () => show(shown - 1));
$("after").addEventListener("click", () => show(shown + 1));
$("model").addEventListener("change", describe);
$("token").addEventListener("change", () => loadModels().catch(complain));
$("file").addEventListener("change", () => { $("paste").value = ""; });
$("paste").addEventListener("input", () => { $("file").value = ""; });

// --- dropping ---

for (const kind of ["dragenter", "dragover"]) {
  $("drop").addEventListener(kind, (event) => { event.preventDefault(); $("drop").classList.add("over"); });
}
for (const kind of ["dragleave", "drop"]) $("drop").addEventListener(kind, () => $("drop").classList.remove("over"));
$("drop").addEventListener("drop", (event) => {
  event.preventDefault();
  if (!event.dataTransfer.files.length) return;
  $("file").files = event.dataTransfer.files;
  $("paste").value = "";
  $("status").textContent = `${event.dataTransfer.files[0].name} is chosen`;
});

loadModels().catch(complain);
