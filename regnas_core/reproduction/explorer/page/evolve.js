// The paper's evolutionary search over a table, one generation a call of `step`; rules as regnas_core.evolve.

const ATTEMPTS = 20; // draws before another way to make a network takes its place

// Random numbers in [0, 1) from a seed (mulberry32, by Tommy Ettinger; public domain).
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export class Evolution {
  constructor(table, values, allowed, reference, cas, seed) {
    Object.assign(this, { table, values, allowed, generations: 20, population: 100, kept: 25, mutants: 38 });
    this.random = random(seed);
    this.pool = [...allowed.keys()].filter((row) => allowed[row]); // drawn at random: none twice
    this.low = cas ? table.places(reference) : table.genes.map(() => 0);
    this.seen = new Set();
    this.alive = []; // those that go on, best first
    this.rows = []; // all that were scored, in turn
    this.newest = []; // those of the last generation
    this.course = []; // best reward after each generation
  }

  get done() {
    return this.course.length === this.generations || this.ended === true;
  }

  get best() {
    return this.alive[0];
  }

  // Scores one more generation.
  step() {
    const made = this.course.length === 0 ? this.first() : this.next();
    const order = new Map([...this.alive, ...made].map((row, i) => [row, i]));
    const better = (a, b) => this.values[b] - this.values[a] || order.get(a) - order.get(b);
    const wanted = this.course.length === 0 ? this.population : this.population - this.kept;
    this.rows.push(...made);
    this.newest = made;
    this.alive = [...this.alive, ...made].sort(better).slice(0, this.kept);
    this.course.push(this.values[this.best]);
    this.ended = made.length < wanted; // no new network is left
  }

  first() {
    return this.born(this.population, [() => this.draw()]);
  }

  next() {
    const ways = [() => this.mutate(this.pick()), () => this.draw()];
    const crossed = this.population - this.kept - this.mutants;
    return [
      ...this.born(this.mutants, ways),
      ...this.born(crossed, [() => this.cross(this.pick(), this.pick()), ...ways]),
    ];
  }

  // So many new networks; where one way finds none, the next is tried.
  born(wanted, ways) {
    const made = [];
    while (made.length < wanted) {
      const row = ways.reduce((found, way) => found ?? this.fresh(way), undefined);
      if (row === undefined) break;
      this.seen.add(row);
      made.push(row);
    }
    return made;
  }

  fresh(way) {
    for (let i = 0; i < ATTEMPTS; i++) {
      const row = way();
      if (row !== undefined && !this.seen.has(row)) return row;
    }
    return undefined;
  }

  below(n) {
    return Math.floor(this.random() * n);
  }

  pick() {
    return this.alive[this.below(this.alive.length)];
  }

  // Any allowed network that was not seen, each with equal chance.
  draw() {
    while (this.pool.length) {
      const at = this.below(this.pool.length);
      const row = this.pool[at];
      this.pool[at] = this.pool.at(-1);
      this.pool.pop();
      if (!this.seen.has(row)) return row;
    }
    return undefined;
  }

  // Each gene drawn anew with a chance of 10 %, at least one of them changed.
  mutate(parent) {
    const own = this.table.places(parent);
    for (let i = 0; i < 100; i++) {
      const child = Array.from(own, (place, gene) => {
        const choices = this.table.genes[gene].choices.length - this.low[gene];
        return this.random() < 0.1 ? this.low[gene] + this.below(choices) : place;
      });
      if (child.some((place, gene) => place !== own[gene])) return this.settled(child, own);
    }
    return undefined;
  }

  // Each gene from one of two parents.
  cross(a, b) {
    const [own, other] = [this.table.places(a), this.table.places(b)];
    return this.settled(Array.from(own, (place, gene) => (this.random() < 0.5 ? place : other[gene])), own);
  }

  // The child, with so many genes of its parent, taken in random order, that it is allowed.
  settled(child, parent) {
    const row = () => this.table.row(this.table.word(child));
    const back = [...child.keys()].filter((gene) => child[gene] !== parent[gene]);
    while (!this.allowed[row()] && back.length) {
      const [gene] = back.splice(this.below(back.length), 1);
      child[gene] = parent[gene];
    }
    return row();
  }
}
