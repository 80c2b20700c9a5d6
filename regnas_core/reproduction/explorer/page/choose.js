// What is allowed, what is best, and how sure one can be.

// λ of the reward Top-1 − λ · NFR; Infinity counts flips alone.
export const LAMBDAS = [0, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, Infinity];

// R = λ1 · Top-1 − λ2 · NFR of every network on a split.
export function rewards(table, flips, split, lambda) {
  const [first, second] = lambda === Infinity ? [0, 1] : [1, lambda];
  const images = table.images[split];
  const right = table.counts[split];
  const values = new Float64Array(table.networks);
  for (let row = 0; row < values.length; row++) {
    values[row] = first * (right[row] / images) - second * (flips[row] / images);
  }
  return values;
}

// 1 for the networks that may be proposed: within the costs, not the reference itself.
export function allowed(table, reference, { max, min }) {
  const found = new Uint8Array(table.networks);
  for (let row = 0; row < found.length; row++) {
    found[row] = table.macs[row] <= max && table.macs[row] >= min && row !== reference;
  }
  return found;
}

// Allowed networks, best first; of equal rewards the smaller, then the earlier one.
export function ranking(table, values, allowed) {
  const rows = [];
  for (let row = 0; row < allowed.length; row++) if (allowed[row]) rows.push(row);
  return rows.sort((a, b) => values[b] - values[a] || table.macs[a] - table.macs[b] || a - b);
}

// The most accurate network of up to so many MACs, on the search images.
export function mostAccurate(table, max) {
  const values = rewards(table, new Int32Array(table.networks), "search", 0);
  return ranking(table, values, allowed(table, -1, { max, min: 0 }))[0];
}

// What a network loses from some images to others, in points of reward, and what it and all its rivals lose on
// average.
export function losses(values, others, row, rivals) {
  const lost = (which) => 100 * (values[which] - others[which]);
  return { own: lost(row), average: rivals.reduce((sum, rival) => sum + lost(rival), 0) / rivals.length };
}

// 95 % confidence interval of count / n (Wilson).
export function interval(count, n) {
  const z = 1.959963984540054;
  const centre = (count + (z * z) / 2) / (n + z * z);
  const half = (z / (n + z * z)) * Math.sqrt((count * (n - count)) / n + (z * z) / 4);
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}
