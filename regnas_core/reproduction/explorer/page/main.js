// The page: its settings, what follows from them, and what a person does.

import { fromAddress, toAddress } from "./address.js";
import { LAMBDAS, allowed, interval, mostAccurate, ranking, rewards } from "./choose.js";
import { drawCourse, drawGenes, drawPictures, drawRanking, element, millions, percent } from "./draw.js";
import { Evolution } from "./evolve.js";
import { Plot } from "./plot.js";
import { openTable, turned } from "./table.js";

const STEP = 10_000; // MACs between two positions of a slider
const BEAT_MS = 450; // between two generations
const REST_MS = 200; // after the last change, until the address follows: browsers refuse to be asked too often
const NAMES = { 0: "Top-1 alone (R0)", 1: "Top-1 − NFR (R2)", Infinity: "few flips alone (R1)" };

const at = (id) => document.getElementById(id);
const data = JSON.parse(at("data").textContent);
const opened = new Map();
const sheets = Object.fromEntries(Object.entries(data.pictures).map(([name, sheet]) => [name, openSheet(sheet)]));
const plot = new Plot(at("cloud"), at("marks"));

// state: what the address keeps; view: what follows from it; both can be looked at from the console
export const app = { state: {}, view: {}, plot, restore, look, turned, ready: start() };
globalThis.explorer = app;

function openSheet({ index, columns, address }) {
  const [head, text] = address.split(",");
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const url = URL.createObjectURL(new Blob([bytes], { type: /:(.*);/.exec(head)[1] }));
  return { columns, url, places: new Map(index.map((image, place) => [image, place])) };
}

async function start() {
  for (const table of data.tables) at("table").append(element("option", { value: table.name }, table.title));
  LAMBDAS.forEach((_, i) => (at("lambda").max = i));
  listen();
  await restore();
}

// Settings from the address, else defaults: twice the small network's MACs and the paper's reward R2.
async function restore() {
  const given = fromAddress(location.hash);
  const about = data.tables.find((table) => table.name === given.name) ?? data.tables[0];
  if (!opened.has(about.name)) opened.set(about.name, await openTable(about, at(about.name).textContent));
  const table = opened.get(about.name);
  const smallest = table.macs.reduce((least, macs) => Math.min(least, macs));
  const reference = table.row(given.small ?? "") ?? mostAccurate(table, 2 * smallest);
  const max = Math.floor((4 * smallest) / STEP) * STEP;
  const { lambda = 1, cas = false, split = "search", seed = 1, min = 0 } = given;
  app.state = { table, reference, max: given.max ?? max, min, lambda, cas, split, seed };
  const largest = table.macs.reduce((most, macs) => Math.max(most, macs));
  const [low, high] = [Math.ceil(smallest / STEP) * STEP, Math.ceil(largest / STEP) * STEP];
  for (const [id, from] of [["small", low], ["max", low], ["min", 0]]) {
    Object.assign(at(id), { min: from, max: high, step: STEP });
  }
  at("small").value = Math.ceil(table.macs[reference] / STEP) * STEP;
  update();
}

function change(changes) {
  Object.assign(app.state, changes);
  update();
}

// Everything that follows from the settings, then the page.
function update() {
  const { table, reference, max, min, lambda, cas, split, seed } = app.state;
  const known = app.view.table === table && app.view.reference === reference;
  const flips = known
    ? app.view.flips
    : { search: table.flips(reference, "search"), test: table.flips(reference, "test") };
  const containing = known ? app.view.containing : table.containing(reference);
  const within = allowed(table, reference, { max, min });
  const may = cas ? within.map((yes, row) => yes & containing[row]) : within;
  const values = rewards(table, flips.search, "search", lambda);
  const rows = ranking(table, values, may);
  stop();
  app.view = { table, reference, flips, containing, within, may, values, rows, best: rows[0], shown: rows[0] };
  app.view.evolution = new Evolution(table, values, may, reference, cas, seed);
  clearTimeout(app.resting);
  app.resting = setTimeout(() => history.replaceState(null, "", toAddress(app.state)), REST_MS);
  plot.show(points(), marks());
  drawSettings();
  drawShown();
  drawTen();
  drawSearch([]);
}

function points() {
  const { table, reference, split } = app.state;
  const { flips, rows, within, containing } = app.view;
  const share = (counts) => new Float64Array(counts).map((count) => (100 * count) / table.images[split]);
  const kind = within.map((yes, row) => yes && 1 + containing[row]);
  return { x: share(flips[split]), y: share(table.counts[split]), kind, rows, reference };
}

function marks(search) {
  const { best, shown, reference } = app.view;
  return { best, shown, reference, lambda: app.state.lambda, cas: app.state.cas, search };
}

function drawSettings() {
  const { table, reference, max, min, lambda, cas, split, seed } = app.state;
  Object.assign(at("table"), { value: table.name });
  Object.assign(at("max"), { value: max });
  Object.assign(at("min"), { value: min });
  Object.assign(at("lambda"), { value: LAMBDAS.indexOf(lambda) });
  at("cas").checked = cas;
  at("seed").value = seed;
  document.querySelector(`[name=split][value=${split}]`).checked = true;
  const said = NAMES[lambda] ?? `Top-1 − ${lambda} · NFR`;
  at("small-says").textContent = millions(at("small").value);
  at("max-says").textContent = millions(max);
  at("min-says").textContent = min ? millions(min) : "nothing";
  at("lambda-says").textContent = lambda === Infinity ? said : `λ = ${lambda}: ${said}`;
  at("lambda").setAttribute("aria-valuetext", said);
  for (const id of ["small", "max", "min"]) at(id).setAttribute("aria-valuetext", `${at(id).value / 1e6} million`);
  at("small-is").textContent =
    `It is right on ${percent(table.counts.search[reference] / table.images.search)} of the pictures to choose with, ` +
    `and costs ${millions(table.macs[reference])}.`;
  at("networks").textContent = table.networks.toLocaleString("en");
  const [few, many] = [table.images, table.whole];
  at("about").textContent =
    `${table.title}; ${table.space}. To keep this page small, it holds the first ${few.search.toLocaleString("en")} of ` +
    `${many.search.toLocaleString("en")} pictures to choose with, and ${few.test.toLocaleString("en")} of ` +
    `${many.test.toLocaleString("en")} others. All numbers are exact counts over these, the same as ` +
    `rc.load_tabular(…).first(${Math.max(few.search, few.test)}) gives in Python.`;
}

// The network that is looked at, the best one unless another was chosen.
function drawShown() {
  const { table, reference, split } = app.state;
  const { best, shown, flips, rows } = app.view;
  const own = shown === best;
  at("shown-title").textContent = own ? "The best network" : "The network you chose";
  at("back").disabled = own;
  at("adopt").disabled = shown === undefined;
  if (shown === undefined) return drawNothing();
  const images = table.images[split];
  const [right, had, negative] = [table.counts[split][shown], table.counts[split][reference], flips[split][shown]];
  const four = { both: had - negative, negative, positive: right - had + negative, neither: images - right - negative };
  for (const [id, count] of Object.entries(four)) at(id).textContent = count.toLocaleString("en");
  const [low, high] = interval(negative, images);
  at("shown-says").textContent =
    `It is right on ${percent(right / images)} and breaks ${percent(negative / images)} ` +
    `(95\u00a0% interval ${percent(low)} to ${percent(high)}). ` +
    (own ? `Best of ${rows.length.toLocaleString("en")} allowed.` : `Number ${rows.indexOf(shown) + 1} of ${rows.length.toLocaleString("en")}.`);
  const lines = [
    ["Top-1", percent(had / images), percent(right / images)],
    ["NFR", "", percent(negative / images)],
    ["MACs", millions(table.macs[reference]), millions(table.macs[shown])],
  ];
  at("numbers").replaceChildren(
    ...lines.map(([name, ...cells]) =>
      element("tr", {}, element("th", { scope: "row" }, name), ...cells.map((text) => element("td", {}, text))),
    ),
  );
  const [shared, small] = [table.sharedWeights(shown, reference), table.sharedWeights(reference, reference)];
  const grown = table.sharedWeights(shown, shown) / small;
  at("shared-says").textContent =
    `It has ${grown.toFixed(2)} times the small network's weights, and shares ${Math.floor((100 * shared) / small)} % of them.`;
  at("genes").replaceChildren(drawGenes(table, shown, reference));
  drawBroken(table.flipped(reference, shown, "test"));
}

function drawBroken(flipped) {
  const { table } = app.state;
  const sheet = sheets[table.dataset];
  const seen = drawPictures(at("pictures"), table, sheet, flipped);
  const all = `${flipped.length} of ${table.images.test.toLocaleString("en")} pictures to judge with`;
  at("pictures-say").textContent =
    `The small network gets these right, this one wrong: ${all}. ` +
    (sheet ? `Here are ${seen} of them, with what they are.` : "This page holds no pictures of them.");
}

function drawNothing() {
  at("shown-says").textContent = "No network is allowed. Raise what the large one may cost, or ask for less.";
  for (const id of ["both", "negative", "positive", "neither", "shared-says", "pictures-say"]) at(id).textContent = "";
  for (const id of ["numbers", "genes", "pictures"]) at(id).replaceChildren();
}

function drawTen() {
  const { table, split } = app.state;
  const { rows, flips, containing } = app.view;
  const share = (count) => percent(count / table.images[split]);
  const cells = (row) => [
    share(table.counts[split][row]),
    share(flips[split][row]),
    millions(table.macs[row]),
    containing[row] ? "yes" : "no",
  ];
  drawRanking(at("ten"), rows.slice(0, 10), cells, look);
}

function look(row) {
  if (row === undefined) return;
  app.view.shown = row;
  plot.mark(marks());
  drawShown();
}

// ── the search
function step() {
  const { evolution } = app.view;
  if (evolution.done || !app.view.rows.length) return stop();
  drawSearch(evolution.step());
  if (evolution.done) stop();
}

function run() {
  if (app.timer) return stop();
  if (app.view.evolution.done) startOver();
  if (plot.still.matches) while (!app.view.evolution.done) step();
  else app.timer = setInterval(step, BEAT_MS);
  at("run").textContent = app.timer ? "Pause" : "Run";
}

function stop() {
  clearInterval(app.timer);
  app.timer = undefined;
  at("run").textContent = "Run";
}

function startOver() {
  stop();
  const { table, reference, cas, seed } = app.state;
  app.view.evolution = new Evolution(table, app.view.values, app.view.may, reference, cas, seed);
  drawSearch([]);
}

function drawSearch(newest) {
  const { evolution, best, values, rows } = app.view;
  const { course } = evolution;
  for (const id of ["run", "step"]) at(id).disabled = !rows.length;
  at("step").disabled ||= evolution.done;
  at("course").replaceChildren(...(course.length ? [drawCourse(evolution, values[best])] : []));
  const said = `Allowed are ${rows.length.toLocaleString("en")} networks.`;
  at("search-says").textContent = course.length ? `Generation ${course.length}: ${found()}` : said;
  const search = course.length ? { rows: evolution.rows, newest, alive: evolution.alive } : undefined;
  plot.mark(marks(search));
}

function found() {
  const { evolution, rows, values, best } = app.view;
  const place = values[evolution.best] === values[best] ? 1 : rows.indexOf(evolution.best) + 1;
  const looked = `${evolution.rows.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} networks tried; `;
  const over = evolution.ended ? " No new one is left." : "";
  return looked + (place === 1 ? "the best of all is found." : `the best so far is number ${place} of all.`) + over;
}

// ── what a person does
function listen() {
  const on = (id, event, act) => at(id).addEventListener(event, act);
  on("controls", "submit", (event) => event.preventDefault());
  on("table", "change", () => {
    location.hash = new URLSearchParams({ table: at("table").value });
  });
  on("small", "input", () => {
    const reference = mostAccurate(app.state.table, Number(at("small").value));
    change({ reference });
  });
  on("max", "input", () => change({ max: Number(at("max").value), min: Math.min(app.state.min, Number(at("max").value)) }));
  on("min", "input", () => change({ min: Number(at("min").value), max: Math.max(app.state.max, Number(at("min").value)) }));
  on("lambda", "input", () => change({ lambda: LAMBDAS[at("lambda").value] }));
  on("cas", "change", () => change({ cas: at("cas").checked }));
  on("seed", "change", () => change({ seed: Math.max(1, Math.floor(Number(at("seed").value)) || 1) }));
  for (const radio of document.querySelectorAll("[name=split]")) {
    radio.addEventListener("change", () => change({ split: radio.value }));
  }
  on("run", "click", run);
  on("step", "click", step);
  on("reset", "click", startOver);
  on("back", "click", () => look(app.view.best));
  on("adopt", "click", adopt);
  on("marks", "click", (event) => look(plot.at(event.offsetX, event.offsetY)));
  on("marks", "keydown", key);
  on("theme", "click", switchTheme);
  addEventListener("hashchange", restore);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot.redraw());
}

function adopt() {
  at("small").value = Math.ceil(app.state.table.macs[app.view.shown] / STEP) * STEP;
  change({ reference: app.view.shown });
}

function key(event) {
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const { shown, best } = app.view;
  if (shown === undefined || !(event.key in ways || ["Enter", "Escape"].includes(event.key))) return;
  event.preventDefault();
  if (event.key === "Enter") adopt();
  else look(event.key === "Escape" ? best : plot.beside(shown, ...ways[event.key]));
}

function switchTheme() {
  const root = document.documentElement;
  const dark = getComputedStyle(root).colorScheme === "dark";
  root.dataset.theme = dark ? "light" : "dark";
  plot.redraw();
}
