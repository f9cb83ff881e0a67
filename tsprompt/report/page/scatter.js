// The scatter plot of two methods.
const SIZE = 460, LEFT = 56, TOP = 12, BOTTOM = 48, RIGHT = 26;

const element = (name, attributes, text) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
};

const ticksOf = (low, high) => {
  const step = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2].find((one) => (high - low) / one <= 6) ?? 0.25;
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9; i++) ticks.push(i * step);
  return { ticks, digits: step < 0.01 ? 3 : step < 0.1 ? 2 : 1 };
};

const plot = (data, a, b) => {
  const points = data.accuracy
    .map((row, i) => ({ name: data.sets[i], x: row[a], y: row[b] }))
    .filter((one) => one.x !== null && one.y !== null);
  const values = points.flatMap((one) => [one.x, one.y]);
  const margin = 0.02;
  const low = Math.max(0, Math.min(1, ...values) - margin);
  const high = Math.min(1, Math.max(0, ...values) + margin);
  const span = Math.max(high - low, 1e-3);
  const x = (value) => LEFT + ((value - low) / span) * (SIZE - LEFT - RIGHT);
  const y = (value) => SIZE - BOTTOM - ((value - low) / span) * (SIZE - TOP - BOTTOM);
  const wins = points.filter((one) => one.x > one.y).length;
  const losses = points.filter((one) => one.x < one.y).length;
  const told =
    `${points.length} ${points.length === 1 ? "set" : "sets"}: ${data.methods[a]} is better on ${wins}, ` +
    `${data.methods[b]} on ${losses}, equal on ${points.length - wins - losses}.`;
  const svg = element("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img", "aria-label": told });
  const { ticks, digits } = ticksOf(low, high);
  for (const tick of ticks) {
    const label = tick.toFixed(digits);
    svg.append(
      element("line", { class: "grid", x1: x(tick), x2: x(tick), y1: TOP, y2: SIZE - BOTTOM }),
      element("line", { class: "grid", y1: y(tick), y2: y(tick), x1: LEFT, x2: SIZE - RIGHT }),
      element("text", { x: x(tick), y: SIZE - BOTTOM + 17, "text-anchor": "middle" }, label),
      element("text", { x: LEFT - 7, y: y(tick) + 4, "text-anchor": "end" }, label),
    );
  }
  svg.append(
    element("line", { class: "axis", x1: LEFT, x2: SIZE - RIGHT, y1: SIZE - BOTTOM, y2: SIZE - BOTTOM }),
    element("line", { class: "axis", x1: LEFT, x2: LEFT, y1: TOP, y2: SIZE - BOTTOM }),
    element("line", { class: "diagonal", x1: x(low), y1: y(low), x2: x(low + span), y2: y(low + span) }),
    element("text", { x: (LEFT + SIZE - RIGHT) / 2, y: SIZE - 8, "text-anchor": "middle" }, data.methods[a]),
    element(
      "text",
      {
        transform: `translate(14 ${(TOP + SIZE - BOTTOM) / 2}) rotate(-90)`,
        "text-anchor": "middle",
      },
      data.methods[b],
    ),
    element("text", { class: "side", x: LEFT + 8, y: TOP + 14 }, "above: B is better"),
    element("text", { class: "side", x: SIZE - RIGHT - 4, y: SIZE - BOTTOM - 8, "text-anchor": "end" }, "below: A is better"),
  );
  for (const one of points) {
    const dot = element("circle", { cx: x(one.x), cy: y(one.y), r: 4.5 });
    dot.append(element("title", {}, `${one.name}: ${one.x.toFixed(3)} and ${one.y.toFixed(3)}`));
    svg.append(dot);
  }
  document.getElementById("scatter-plot").replaceChildren(svg);
  document.getElementById("scatter-told").textContent = told;
};

const source = document.getElementById("scatter-data");
if (source) {
  const data = JSON.parse(source.textContent);
  const choices = ["scatter-a", "scatter-b"].map((id) => document.getElementById(id));
  const draw = () => plot(data, Number(choices[0].value), Number(choices[1].value));
  for (const choice of choices) choice.addEventListener("change", draw);
  draw();
}
