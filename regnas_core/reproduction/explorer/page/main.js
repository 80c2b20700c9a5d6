// The page: its settings, what follows from them, and what a person does.

import { fromAddress, toAddress } from "./address.js";
import { LAMBDAS, allowed, interval, losses, mostAccurate, ranking, rewards } from "./choose.js";
import { drawCourse, drawGenes, drawPictures, drawRanking, element, millions, percent } from "./draw.js";
import { Evolution } from "./evolve.js";
import { Plot } from "./plot.js";
import { openTable, turned } from "./table.js";

const STEP = 10_000; // MACs between two positions of a slider
const BEAT_MS = 450; // between two generations
const REST_MS = 200; // after the last change, until the address follows: browsers refuse to be asked too often
const SEEDS = 9999;
const NAMES = { 0: "Top-1 alone (R0)", 1: "Top-1 − NFR (R2)", Infinity: "few flips alone (R1)" };

const PICTURES = { search: "pictures to choose with", test: "pictures to judge with" };

const at = (id) => document.getElementById(id);
const data = JSON.parse(at("data").textContent);
const opened = new Map();
const nameOf = (lambda) => NAMES[lambda] ?? `Top-1 − ${lambda} · NFR`;
const whole = (count) => count.toLocaleString("en");
const onSlider = (macs) => STEP * Math.ceil(macs / STEP);
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

async function tableNamed(name) {
  const about = data.tables.find((table) => table.name === name) ?? data.tables[0];
  if (!opened.has(about.name)) opened.set(about.name, await openTable(about, at(about.name).textContent));
  return opened.get(about.name);
}

// The least and the most that a network of a table costs, as positions of a slider.
function range(table) {
  const smallest = table.macs.reduce((least, macs) => Math.min(least, macs));
  const largest = table.macs.reduce((most, macs) => Math.max(most, macs));
  return { smallest, low: onSlider(smallest), high: onSlider(largest) };
}

// Settings from the address, else defaults: twice the small network's MACs and the paper's reward R2.
async function restore() {
  const given = fromAddress(location.hash);
  const table = await tableNamed(given.name);
  const { smallest, low, high } = range(table);
  const reference = table.row(given.small ?? "") ?? mostAccurate(table, 2 * smallest);
  const max = Math.min(high, Math.max(low, given.max ?? Math.floor((4 * smallest) / STEP) * STEP));
  const { lambda = 1, cas = false, split = "search", seed = 1 } = given;
  const budget = onSlider(table.macs[reference]);
  take({ table, reference, budget, max, min: Math.min(max, given.min ?? 0), lambda, cas, split, seed });
}

// The settings of now for another table: costs at the same share of its range. The small network is again the
// most accurate of its cost; one that was not is kept, in the same space.
function carried(table) {
  const { table: old, reference, budget, max, min } = app.state;
  const [from, to] = [range(old), range(table)];
  const share = (macs, low) => (macs - low) / (from.high - low || 1);
  const cost = (macs) => STEP * Math.round((to.low + share(macs, from.low) * (to.high - to.low)) / STEP);
  const own = old.space === table.space && mostAccurate(old, old.macs[reference]) !== reference;
  const kept = own ? table.row(old.word(old.places(reference))) : undefined;
  const costs = { budget: cost(budget), max: cost(max), min: STEP * Math.round((share(min, 0) * to.high) / STEP) };
  return { ...app.state, ...costs, table, reference: kept ?? mostAccurate(table, costs.budget) };
}

async function switchTable() {
  const table = await tableNamed(at("table").value);
  if (at("table").value !== table.name) return; // another one was chosen meanwhile
  keep();
  take(carried(table));
  history.pushState(null, "", toAddress(app.state));
}

function take(state) {
  const { low, high } = range(state.table);
  for (const [id, from] of [["small", low], ["max", low], ["min", 0]]) {
    Object.assign(at(id), { min: from, max: high, step: STEP });
  }
  app.state = state;
  update();
}

function change(changes) {
  Object.assign(app.state, changes);
  update();
}

// Which networks are allowed and how they rank, then the page; the best is looked at, the search begins anew.
function update() {
  const { table, reference, max, min, lambda, cas } = app.state;
  const known = app.view.table === table && app.view.reference === reference;
  const flips = known
    ? app.view.flips
    : { search: table.flips(reference, "search"), test: table.flips(reference, "test") };
  const containing = known ? app.view.containing : table.containing(reference);
  const within = allowed(table, reference, { max, min });
  const may = cas ? within.map((yes, row) => yes & containing[row]) : within;
  const values = rewards(table, flips.search, "search", lambda);
  const rows = ranking(table, values, may);
  app.view = { table, reference, flips, containing, within, may, values, rows, best: rows[0], shown: rows[0] };
  newSearch();
  draw();
}

// The page, while the same networks rank in the same order.
function draw() {
  clearTimeout(app.resting);
  app.resting = setTimeout(keep, REST_MS);
  plot.show(points(), marks());
  drawSettings();
  drawShown();
  drawTen();
  drawSearch();
}

function keep() {
  history.replaceState(null, "", toAddress(app.state));
}

function points() {
  const { table, split } = app.state;
  const { flips, rows, within, containing } = app.view;
  const share = (counts) => new Float64Array(counts).map((count) => (100 * count) / table.images[split]);
  const kind = within.map((yes, row) => yes && 1 + containing[row]);
  return { x: share(flips[split]), y: share(table.counts[split]), kind, rows };
}

function marks() {
  const { best, shown, reference, evolution } = app.view;
  const search = evolution.course.length ? evolution : undefined;
  return { best, shown, reference, lambda: app.state.lambda, cas: app.state.cas, search };
}

function drawSettings() {
  const { table, reference, budget, max, min, lambda, cas, split, seed } = app.state;
  const values = { table: table.name, small: budget, max, min, lambda: LAMBDAS.indexOf(lambda), seed };
  for (const [id, value] of Object.entries(values)) at(id).value = value;
  at("cas").checked = cas;
  document.querySelector(`[name=split][value=${split}]`).checked = true;
  const said = nameOf(lambda);
  at("small-says").textContent = millions(budget);
  at("max-says").textContent = millions(max);
  at("min-says").textContent = min ? millions(min) : "nothing";
  at("lambda-says").textContent = lambda === Infinity ? said : `λ = ${lambda}: ${said}`;
  at("lambda").setAttribute("aria-valuetext", said);
  for (const id of ["small", "max", "min"]) at(id).setAttribute("aria-valuetext", `${at(id).value / 1e6} million`);
  at("small-is").textContent =
    `It is right on ${percent(table.counts.search[reference] / table.images.search)} of the pictures to choose with, ` +
    `and costs ${millions(table.macs[reference])}.`;
  at("networks").textContent = whole(table.networks);
  drawKept();
}

// Of how many pictures the page counts, and how to count the same in Python.
function drawKept() {
  const { table, split } = app.state;
  const [kept, all] = [table.images, table.whole];
  const of = (which) => `${whole(kept[which])} of ${whole(all[which])} ${PICTURES[which]}`;
  const part = kept.search < all.search || kept.test < all.test;
  at("kept").textContent = part
    ? `This page keeps ${of("search")} and ${of("test")}, evenly from easy to hard. ` +
      "Numbers here lie within a point or two of the full table's."
    : "This page keeps all of them.";
  at("counted-on").textContent =
    `Counted on ${of(split)}` +
    (part ? ", evenly from easy to hard: within a point or two of the full table's numbers." : ".");
  const others = data.tables.filter((other) => other.dataset === table.dataset);
  const own = others.findIndex((other) => other.name === table.name);
  at("about").textContent =
    `${table.title}; ${table.space}. All numbers are exact counts over the pictures that this page keeps. ` +
    "The same in Python:";
  at("python").textContent = [
    "import regnas_core as rc",
    "from regnas_core.reproduction.explorer.packing import spread",
    `tables = [${others.map((other) => other.python).join(", ")}]`,
    `table = tables[${own}].take(spread(tables, ${Math.max(kept.search, kept.test)}))`,
  ].join("\n");
}

// The network that is looked at, the best one unless another was chosen.
function drawShown() {
  const { table, reference, split } = app.state;
  const { best, shown, flips, rows } = app.view;
  const own = shown === best;
  at("back").disabled = own;
  at("adopt").disabled = shown === undefined;
  if (shown === undefined) return drawNothing();
  at("shown-title").textContent = own ? "The best network" : "The network you chose";
  const images = table.images[split];
  const [right, had, negative] = [table.counts[split][shown], table.counts[split][reference], flips[split][shown]];
  const four = { both: had - negative, negative, positive: right - had + negative, neither: images - right - negative };
  for (const [id, count] of Object.entries(four)) at(id).textContent = whole(count);
  const [low, high] = interval(negative, images);
  at("shown-says").textContent =
    `It is right on ${percent(right / images)} and breaks ${percent(negative / images)} ` +
    `(95\u00a0% interval ${percent(low)} to ${percent(high)}). ` +
    (own ? `Best of ${whole(rows.length)} allowed.` : `Number ${whole(rows.indexOf(shown) + 1)} of ${whole(rows.length)}.`);
  at("luck").textContent = split === "test" ? luck() : "";
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

// How much chance helped the choice: what it loses on other pictures, beyond what all lose that it was among.
function luck() {
  const { table, lambda } = app.state;
  const { values, flips, shown, rows } = app.view;
  const { own, average } = losses(values, rewards(table, flips.test, "test", lambda), shown, rows);
  const loss = (points, gains, loses) => `${points < 0 ? gains : loses} ${Math.abs(points).toFixed(2)} points`;
  const reward = { 0: "Top-1", Infinity: "NFR" }[lambda] ?? nameOf(lambda);
  return (
    `By ${reward}, it ${loss(own, "gains", "loses")} against the pictures to choose with. ` +
    `All ${whole(rows.length)} allowed networks ${loss(average, "gain", "lose")} on average. ` +
    (own > average
      ? `Only the ${(own - average).toFixed(2)} points by which it falls behind them are the luck of the choice.`
      : "It loses no more than they do: no luck of the choice shows.")
  );
}

function drawBroken(flipped) {
  const { table } = app.state;
  const sheet = sheets[table.dataset];
  const seen = drawPictures(at("pictures"), table, sheet, flipped);
  const all = `${whole(flipped.length)} of ${whole(table.images.test)} pictures to judge with`;
  const missing = [
    "This page does not show them: the pictures were not on the machine that built it. Build it where they are: ",
    element("code", {}, "REGNAS_DATA=… make site"),
  ];
  at("pictures-say").replaceChildren(
    `The small network gets these right, this one wrong: ${all}. `,
    ...(sheet ? [`Here are ${seen} of them, with what they are.`] : missing),
  );
}

function drawNothing() {
  at("shown-title").textContent = "No network is allowed";
  at("shown-says").textContent = "Raise what the large one may cost, or ask for less.";
  const texts = ["luck", "both", "negative", "positive", "neither", "shared-says", "pictures-say"];
  for (const id of texts) at(id).textContent = "";
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
  evolution.step();
  drawSearch();
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

function newSearch() {
  stop();
  const { table, reference, cas, seed } = app.state;
  app.view.evolution = new Evolution(table, app.view.values, app.view.may, reference, cas, seed);
}

function startOver() {
  newSearch();
  drawSearch();
}

function drawSearch() {
  const { evolution, best, values, rows } = app.view;
  const { course } = evolution;
  for (const id of ["run", "step"]) at(id).disabled = !rows.length;
  at("step").disabled ||= evolution.done;
  at("course").replaceChildren(...(course.length ? [drawCourse(evolution, values[best])] : []));
  const said = `Allowed are ${whole(rows.length)} networks.`;
  at("search-says").textContent = course.length ? `Generation ${course.length}: ${found()}` : said;
  for (const entry of document.querySelectorAll(".legend .search")) entry.hidden = !course.length;
  plot.mark(marks());
}

function found() {
  const { evolution, rows, values, best } = app.view;
  const place = values[evolution.best] === values[best] ? 1 : rows.indexOf(evolution.best) + 1;
  const looked = `${whole(evolution.rows.length)} of ${whole(rows.length)} networks tried; `;
  const over = evolution.ended ? " No new one is left." : "";
  return looked + (place === 1 ? "the best of all is found." : `the best so far is number ${whole(place)} of all.`) + over;
}

// ── what a person does
function listen() {
  const on = (id, event, act) => at(id).addEventListener(event, act);
  on("controls", "submit", (event) => event.preventDefault());
  on("table", "change", switchTable);
  on("small", "input", () => {
    const budget = Number(at("small").value);
    change({ budget, reference: mostAccurate(app.state.table, budget) });
  });
  on("max", "input", () => change({ max: Number(at("max").value), min: Math.min(app.state.min, Number(at("max").value)) }));
  on("min", "input", () => change({ min: Number(at("min").value), max: Math.max(app.state.max, Number(at("min").value)) }));
  on("lambda", "input", () => change({ lambda: LAMBDAS[at("lambda").value] }));
  on("cas", "change", () => change({ cas: at("cas").checked }));
  on("seed", "change", () => {
    app.state.seed = Math.min(SEEDS, Math.max(1, Math.floor(Number(at("seed").value)) || 1));
    newSearch();
    draw();
  });
  for (const radio of document.querySelectorAll("[name=split]")) {
    radio.addEventListener("change", () => {
      app.state.split = radio.value;
      draw();
    });
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
  const { table, shown } = app.view;
  change({ budget: onSlider(table.macs[shown]), reference: shown });
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
