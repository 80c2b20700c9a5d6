// Pieces of the page that are drawn as elements: genes, a search's course, flipped pictures, the ten best.

// With spaces at which no line breaks.
export const percent = (share) => `${(100 * share).toFixed(2)}\u00a0%`;
export const millions = (macs) => `${(macs / 1e6).toFixed(2)}\u00a0M`;

// An element with attributes and children; `svg:` before its name makes it part of a drawing.
export function element(name, attributes = {}, ...children) {
  const [last, space] = name.split(":").reverse();
  const made = space ? document.createElementNS("http://www.w3.org/2000/svg", last) : document.createElement(last);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Layers of a network, stage by stage: { stage, layer, kernel, channels (share of the largest's) }.
export function layers(table, row) {
  const values = table.values(row);
  const of = (rule, stage) => table.genes.findIndex((gene) => gene.rule === rule && gene.stage === stage);
  const found = [];
  for (let stage = 0; stage < table.shared.stages.length; stage++) {
    const [depth, kernel, width] = ["layers", "kernels", "channels"].map((rule) => of(rule, stage));
    for (let layer = 0; layer < values[depth]; layer++) {
      const channels = values[width] / table.largest[width];
      found.push({ stage, layer, channels, kernel: kernel < 0 ? undefined : values[kernel] });
    }
  }
  return found;
}

// A network beside the reference, a bar a layer: what both have, what it adds, what it lacks.
export function drawGenes(table, row, reference) {
  const at = (list, { stage, layer }) => list.find((other) => other.stage === stage && other.layer === layer);
  const [own, small] = [layers(table, row), layers(table, reference)];
  const all = [...own, ...small.filter((layer) => !at(own, layer))];
  all.sort((a, b) => a.stage - b.stage || a.layer - b.layer);
  const [width, high] = [250, 15];
  const drawing = element("svg:svg", { role: "img", "aria-label": describe(table, row, reference) });
  let y = 0;
  let stage = -1;
  for (const place of all) {
    if (place.stage !== stage) {
      stage = place.stage;
      y += stage ? 10 : 2;
      drawing.append(element("svg:text", { x: 0, y: y + 11, class: "stage" }, `stage ${stage + 1}`));
    }
    const [big, had] = [at(own, place), at(small, place)];
    const [now, then] = [big?.channels ?? 0, had?.channels ?? 0];
    const bar = (kind, from, to) => {
      if (to > from) {
        const box = { x: 60 + from * width, y, width: (to - from) * width, height: high - 3, class: kind };
        drawing.append(element("svg:rect", box));
      }
    };
    bar("kept", 0, Math.min(now, then));
    bar("new", then, now);
    bar("lost", now, then);
    const changed = big && had && big.kernel !== had.kernel;
    const kernel = (big ?? had).kernel;
    const text = changed ? `${had.kernel}→${kernel}` : kernel === undefined ? "" : `${kernel}×${kernel}`;
    const label = { x: 66 + Math.max(now, then) * width, y: y + 11, class: !changed ? "" : big.kernel > had.kernel ? "grown" : "shrunk" };
    drawing.append(element("svg:text", label, big ? text : `${text} gone`));
    y += high;
  }
  drawing.setAttribute("viewBox", `0 0 370 ${y + 2}`);
  return drawing;
}

function describe(table, row, reference) {
  const parts = table.shared.stages.map((_, stage) => {
    const [own, small] = [row, reference].map((which) => layers(table, which).filter((l) => l.stage === stage));
    const one = ([first, ...rest]) =>
      `${rest.length + 1} layers of ${Math.round(100 * first.channels)} % of the channels` +
      (first.kernel === undefined ? "" : `, kernel ${first.kernel}`);
    return `Stage ${stage + 1}: ${one(own)}; the small network: ${one(small)}.`;
  });
  return parts.join(" ");
}

// Best reward after each generation, beside the exact optimum.
export function drawCourse(evolution, optimum) {
  const [width, height, left, bottom] = [360, 150, 6, 20];
  const drawing = element("svg:svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  const worst = Math.min(...evolution.course, optimum);
  const room = optimum - worst || 0.001;
  const x = (generation) => left + ((generation - 1) / (evolution.generations - 1)) * (width - 2 * left);
  const y = (value) => 22 + ((optimum - value) / room) * (height - bottom - 34);
  const line = { x1: left, x2: width - left, y1: y(optimum), y2: y(optimum), class: "optimum" };
  drawing.append(element("svg:line", line));
  drawing.append(element("svg:text", { x: left, y: 14, class: "stage" }, "exact optimum"));
  const points = evolution.course.map((value, i) => `${x(i + 1)},${y(value)}`);
  drawing.append(element("svg:polyline", { points: points.join(" "), class: "course" }));
  for (const [i, value] of evolution.course.entries()) {
    drawing.append(element("svg:circle", { cx: x(i + 1), cy: y(value), r: 3.2, class: "course-point" }));
  }
  for (const [i, anchor] of [[1, "start"], [10, "middle"], [20, "end"]]) {
    const label = { x: x(i), y: height - 4, class: "stage", "text-anchor": anchor };
    drawing.append(element("svg:text", label, i === 1 ? "generation 1" : i));
  }
  return drawing;
}

// Flipped pictures as a list; those that the page holds no picture of are left out.
export function drawPictures(list, table, sheet, flipped, most = 40) {
  const places = flipped.filter((image) => sheet?.places.has(image)).slice(0, most);
  const side = 56;
  list.replaceChildren(
    ...places.map((image) => {
      const name = table.classes[table.labels[image]];
      const place = sheet.places.get(image);
      const [column, row] = [place % sheet.columns, Math.floor(place / sheet.columns)];
      const style =
        `background-image: url(${sheet.url}); background-size: ${sheet.columns * side}px auto; ` +
        `background-position: ${-column * side}px ${-row * side}px; width: ${side}px; height: ${side}px`;
      const picture = element("span", { class: "picture", style, role: "img", "aria-label": `picture of ${name}` });
      return element("li", {}, picture, element("span", { "aria-hidden": "true" }, name));
    }),
  );
  return places.length;
}

// Networks as rows of a table, each with a button that chooses it.
export function drawRanking(body, rows, cells, choose) {
  body.replaceChildren(
    ...rows.map((row, i) => {
      const button = element("button", { type: "button", "aria-label": `look at number ${i + 1}` }, `${i + 1}`);
      button.addEventListener("click", () => choose(row));
      return element("tr", {}, element("td", {}, button), ...cells(row).map((text) => element("td", {}, text)));
    }),
  );
}
