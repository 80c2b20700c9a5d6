// A setting as the part of the page's address after #, to share and to come back to.

import { LAMBDAS } from "./choose.js";

export function toAddress({ table, reference, max, min, lambda, cas, split, seed }) {
  const weight = lambda === Infinity ? "inf" : lambda;
  const parts = { table: table.name, small: table.word(table.places(reference)), max, min, lambda: weight };
  return "#" + new URLSearchParams({ ...parts, cas: cas ? 1 : 0, on: split, seed }).toString();
}

// What of an address makes sense; anything else is left out, so that the default stays.
export function fromAddress(text) {
  const given = new URLSearchParams(text.replace(/^#/, ""));
  const number = (name) => (/^\d+$/.test(given.get(name) ?? "") ? Number(given.get(name)) : undefined);
  const lambda = given.get("lambda") === "inf" ? Infinity : Number(given.get("lambda") ?? NaN);
  const found = {
    name: given.get("table") ?? undefined,
    small: given.get("small") ?? undefined,
    max: number("max"),
    min: number("min"),
    lambda: LAMBDAS.includes(lambda) ? lambda : undefined,
    cas: { 0: false, 1: true }[given.get("cas")],
    split: ["search", "test"].find((split) => split === given.get("on")),
    seed: /^[1-9]\d{0,3}$/.test(given.get("seed") ?? "") ? number("seed") : undefined,
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}
