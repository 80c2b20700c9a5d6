// Every network as a point, NFR against Top-1: a cloud that is drawn when it changes, and marks above it.

const MARGIN = { left: 52, right: 14, top: 12, bottom: 40 };
const KINDS = ["outside", "without", "containing"]; // what a point may be, and its colour's name
const MOVE_MS = 350;

export class Plot {
  constructor(cloud, marks) {
    Object.assign(this, { cloud, marks, started: 0, frame: 0 });
    this.layer = document.createElement("canvas");
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    new ResizeObserver(() => this.redraw()).observe(cloud.parentElement);
  }

  // points: { x, y (percent), kind (0 to 2 for each), rows }; moves there from where they were.
  show(points, view) {
    const known = this.points?.x.length === points.x.length && !this.still.matches;
    this.from = known ? { x: this.x, y: this.y, range: this.range } : null;
    this.points = points;
    this.view = view;
    this.target = ranges(points);
    this.started = performance.now();
    this.animate();
  }

  // Marks alone: the chosen network, the reference, the line of equal reward, a search's networks.
  mark(view) {
    this.view = view;
    if (this.x) this.drawMarks();
  }

  redraw() {
    if (this.points && this.cloud.clientWidth) this.animate(); // not while the page goes away
  }

  animate() {
    cancelAnimationFrame(this.frame);
    const age = this.from ? Math.min(1, (performance.now() - this.started) / MOVE_MS) : 1;
    const done = age * age * (3 - 2 * age);
    const blend = (a, b) => (done === 1 ? b : b.map((value, i) => a[i] + done * (value - a[i])));
    this.x = this.from ? blend(this.from.x, this.points.x) : this.points.x;
    this.y = this.from ? blend(this.from.y, this.points.y) : this.points.y;
    this.range = this.from ? blend(this.from.range, this.target) : this.target;
    this.drawCloud();
    this.drawMarks();
    if (age < 1) this.frame = requestAnimationFrame(() => this.animate());
  }

  // A canvas at the screen's own resolution, and how to colour on it.
  prepare(canvas) {
    const { clientWidth: width, clientHeight: height } = canvas;
    const ratio = devicePixelRatio || 1;
    const style = getComputedStyle(canvas);
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const ink = canvas.getContext("2d");
    ink.setTransform(ratio, 0, 0, ratio, 0, 0);
    ink.clearRect(0, 0, width, height);
    ink.font = `13px ${style.fontFamily}`;
    this.size = { width, height };
    return { ink, colour: (name) => style.getPropertyValue(`--${name}`) };
  }

  // Percent to pixels.
  px(x, [low, high] = this.range) {
    return MARGIN.left + ((x - low) / (high - low)) * (this.size.width - MARGIN.left - MARGIN.right);
  }

  py(y, [, , low, high] = this.range) {
    const inner = this.size.height - MARGIN.top - MARGIN.bottom;
    return MARGIN.top + inner - ((y - low) / (high - low)) * inner;
  }

  drawCloud() {
    const { ink, colour } = this.prepare(this.cloud);
    this.drawAxes(ink, colour);
    const [shown, side] = [this.layer.getContext("2d"), this.size.width < 500 ? 1 : 1.3];
    const { width, height } = this.cloud;
    Object.assign(this.layer, { width, height });
    const pixels = shown.createImageData(width, height);
    const words = new Uint32Array(pixels.data.buffer);
    for (const [number, name] of KINDS.entries()) {
      const opaque = number === 1 ? (this.view.cas ? 0.7 : 0.9) : 1; // with CAS those without are not allowed
      this.stamp(words, number, rgba(colour(name), opaque), side * [1.8, 2, 3][number]);
    }
    shown.putImageData(pixels, 0, 0);
    ink.save();
    this.clip(ink);
    ink.setTransform(1, 0, 0, 1, 0, 0);
    ink.drawImage(this.layer, 0, 0);
    ink.restore();
  }

  // All points of a kind as squares, pixel by pixel: many times as fast as a canvas's own rectangles.
  stamp(words, number, word, side) {
    const { width, height } = this.cloud;
    const ratio = width / this.size.width;
    const pixels = Math.max(1, Math.round(side * ratio));
    const { kind } = this.points;
    for (let i = 0; i < kind.length; i++) {
      if (kind[i] !== number) continue;
      const left = Math.round(this.px(this.x[i]) * ratio - pixels / 2);
      const top = Math.round(this.py(this.y[i]) * ratio - pixels / 2);
      if (left < 0 || top < 0 || left + pixels > width || top + pixels > height) continue;
      for (let y = top; y < top + pixels; y++) words.fill(word, y * width + left, y * width + left + pixels);
    }
  }

  clip(ink) {
    const { width, height } = this.size;
    const inner = [width - MARGIN.left - MARGIN.right + 8, height - MARGIN.top - MARGIN.bottom + 8];
    ink.beginPath();
    ink.rect(MARGIN.left - 4, MARGIN.top - 4, ...inner);
    ink.clip();
  }

  drawAxes(ink, colour) {
    const { width, height } = this.size;
    const [left, right, low, high] = this.range;
    ink.lineWidth = 1;
    ink.strokeStyle = colour("line");
    ink.fillStyle = colour("muted");
    ink.textAlign = "center";
    for (const tick of ticks(left, right, width / 90)) {
      ink.fillText(tick, this.px(tick), height - MARGIN.bottom + 17);
      stroke(ink, this.px(tick), MARGIN.top, this.px(tick), height - MARGIN.bottom);
    }
    ink.fillText("NFR: pictures that it breaks (%)", (MARGIN.left + width) / 2, height - 6);
    ink.textAlign = "right";
    for (const tick of ticks(low, high, height / 60)) {
      ink.fillText(tick, MARGIN.left - 7, this.py(tick) + 4);
      stroke(ink, MARGIN.left, this.py(tick), width - MARGIN.right, this.py(tick));
    }
    ink.save();
    ink.translate(13, (height - MARGIN.bottom) / 2);
    ink.rotate(-Math.PI / 2);
    ink.textAlign = "center";
    ink.fillText("Top-1: pictures it gets right (%)", 0, 0);
    ink.restore();
  }

  drawMarks() {
    const { ink, colour } = this.prepare(this.marks);
    const { best, shown, reference, lambda, search } = this.view;
    ink.save();
    this.clip(ink);
    if (best !== undefined) this.equalRewards(ink, colour, best, lambda);
    if (search) this.drawSearch(ink, colour, search);
    ink.restore();
    if (reference !== undefined) star(ink, this.px(this.x[reference]), this.py(this.y[reference]), 11, colour);
    if (best !== undefined) this.ring(ink, best, 4.5, colour("best"), true, colour("card"));
    if (shown !== undefined) this.ring(ink, shown, 9, colour("text"), false);
  }

  // All points on this line have the best one's reward; better ones would lie above it, or left of it.
  equalRewards(ink, colour, best, lambda) {
    const [left, right, low, high] = this.range;
    const [x, y] = [this.x[best], this.y[best]];
    ink.strokeStyle = colour("best");
    ink.setLineDash([6, 4]);
    ink.lineWidth = 1.5;
    if (lambda === Infinity) stroke(ink, this.px(x), this.py(low), this.px(x), this.py(high));
    else {
      const at = (value) => this.py(y + lambda * (value - x));
      stroke(ink, this.px(left), at(left), this.px(right), at(right));
    }
    ink.setLineDash([]);
  }

  drawSearch(ink, colour, { rows, newest, alive }) {
    ink.fillStyle = colour("search");
    for (const row of rows) ink.fillRect(this.px(this.x[row]) - 1.5, this.py(this.y[row]) - 1.5, 3, 3);
    for (const row of newest) this.ring(ink, row, 3, colour("search"), true);
    for (const row of alive) this.ring(ink, row, 5, colour("search"), false);
  }

  ring(ink, row, radius, ink_colour, filled, edge) {
    ink.beginPath();
    ink.arc(this.px(this.x[row]), this.py(this.y[row]), radius, 0, 7);
    ink.lineWidth = 2;
    ink.fillStyle = ink.strokeStyle = ink_colour;
    if (filled) ink.fill();
    else ink.stroke();
    if (edge) {
      ink.lineWidth = 1;
      ink.strokeStyle = edge;
      ink.stroke();
    }
  }

  // The allowed network at a place of the canvas, within reach; or undefined.
  at(px, py, reach = 16) {
    return this.closest((x, y) => Math.hypot(x - px, y - py), reach);
  }

  // The next allowed network in a direction, (1, 0) for right and (0, -1) for up.
  beside(row, dx, dy) {
    const [px, py] = this.place(row);
    return this.closest((x, y) => {
      const along = dx * (x - px) + dy * (y - py);
      const aside = Math.abs(dy * (x - px) + dx * (y - py));
      return along > 0.01 && aside <= 2 * along ? along + 2 * aside : Infinity;
    }, Infinity);
  }

  closest(distance, reach) {
    let [found, least] = [undefined, reach];
    for (const row of this.points.rows) {
      const away = distance(...this.place(row));
      if (away < least) [found, least] = [row, away];
    }
    return found;
  }

  // Where a network is, or where it moves to.
  place(row) {
    return [this.px(this.points.x[row], this.target), this.py(this.points.y[row], this.target)];
  }
}

// [lowest x, highest x, lowest y, highest y] that all points need, with a margin.
function ranges({ x, y }) {
  const most = x.reduce((high, value) => Math.max(high, value), 0.5);
  const high = y.reduce((most, value) => Math.max(most, value), 0);
  const low = y.reduce((least, value) => Math.min(least, value), 100);
  const room = Math.max(0.4, 0.06 * (high - low));
  return Float64Array.of(-0.03 * most, 1.05 * most, low - room, high + room);
}

// A colour "#rrggbb" and how opaque it is as a word of a picture's bytes.
function rgba(colour, alpha) {
  const number = Number.parseInt(colour.trim().slice(1), 16);
  const bytes = [number >> 16, (number >> 8) & 255, number & 255, Math.round(255 * alpha)];
  return new Uint32Array(Uint8Array.from(bytes).buffer)[0];
}

// About so many round numbers between two.
function ticks(low, high, count) {
  const rough = (high - low) / Math.max(2, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => power * factor >= rough);
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) found.push(+(k * step).toFixed(6));
  return found;
}

function stroke(ink, x1, y1, x2, y2) {
  ink.beginPath();
  ink.moveTo(x1, y1);
  ink.lineTo(x2, y2);
  ink.stroke();
}

function star(ink, x, y, radius, colour) {
  ink.beginPath();
  for (let i = 0; i < 10; i++) {
    const [angle, far] = [(i * Math.PI) / 5 - Math.PI / 2, i % 2 ? radius * 0.45 : radius];
    ink.lineTo(x + far * Math.cos(angle), y + far * Math.sin(angle));
  }
  ink.closePath();
  ink.fillStyle = colour("text");
  ink.strokeStyle = colour("card");
  ink.fill();
  ink.stroke();
}
