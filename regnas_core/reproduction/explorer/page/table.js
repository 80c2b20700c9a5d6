// A table: every network of a space, right (1) or wrong (0) on every image, 32 images a word.

const SPLITS = ["search", "test"];

// The table of its description and of its packed text: base64 of zlib of one array after another.
export async function openTable(about, text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  return new Table(about, bytes);
}

export class Table {
  constructor(about, bytes) {
    Object.assign(this, about); // name, title, classes, genes, networks, images, shared, …
    const width = Math.ceil(this.networks / 8);
    let at = 0;
    const take = (length) => bytes.subarray(at, (at += length));
    this.macs = new Uint32Array(take(4 * this.networks).slice().buffer);
    this.grid = take(this.networks * this.genes.length);
    this.right = {};
    this.counts = {}; // images that each network gets right
    for (const split of SPLITS) {
      const images = this.images[split];
      this.right[split] = turned(take(images * width), this.networks, images);
      this.counts[split] = this.each((row) => popcounts(this.bits(row, split)));
    }
    this.labels = new Uint16Array(take(2 * this.images.test).slice().buffer);
    this.largest = this.genes.map((gene) => gene.choices.at(-1));
    this.rows = new Map();
    for (let row = 0; row < this.networks; row++) this.rows.set(this.word(this.places(row)), row);
  }

  each(count) {
    const counts = new Int32Array(this.networks);
    for (let row = 0; row < this.networks; row++) counts[row] = count(row);
    return counts;
  }

  bits(row, split) {
    const words = this.right[split].length / this.networks;
    return this.right[split].subarray(row * words, (row + 1) * words);
  }

  // Images that the reference gets right and each network wrong: negative flips, a count a network.
  flips(reference, split) {
    const words = this.right[split].length / this.networks;
    const all = this.right[split];
    const own = this.bits(reference, split);
    return this.each((row) => {
      let sum = 0;
      for (let i = 0, at = row * words; i < words; i++) sum += popcount(own[i] & ~all[at + i]);
      return sum;
    });
  }

  // Which images those are, for one network.
  flipped(reference, row, split) {
    const own = this.bits(reference, split);
    const other = this.bits(row, split);
    const found = [];
    for (let image = 0; image < this.images[split]; image++) {
      if (((own[image >> 5] & ~other[image >> 5]) >>> (image & 31)) & 1) found.push(image);
    }
    return found;
  }

  // Genes as places in their choices; as one word, such as "010012011".
  places(row) {
    return this.grid.subarray(row * this.genes.length, (row + 1) * this.genes.length);
  }

  word(places) {
    return Array.from(places).join("");
  }

  values(row) {
    return Array.from(this.places(row), (place, i) => this.genes[i].choices[place]);
  }

  row(word) {
    return this.rows.get(word);
  }

  // Which networks have all weights of another, 1 or 0 each: no gene is smaller (the rule of CAS).
  containing(reference) {
    const genes = this.genes.length;
    const small = this.places(reference);
    const found = new Uint8Array(this.networks).fill(1);
    for (let at = 0; at < this.grid.length; at++) {
      if (this.grid[at] < small[at % genes]) found[Math.floor(at / genes)] = 0;
    }
    return found;
  }

  // Weights that two networks have in common; of a network and itself, all of its weights.
  sharedWeights(a, b) {
    return this.shared.stages.reduce(
      (sum, table, stage) => sum + table[this.setting(a, stage)][this.setting(b, stage)],
      this.shared.smallest,
    );
  }

  setting(row, stage) {
    const places = this.places(row);
    return this.genes.reduce(
      (number, gene, i) => (gene.stage === stage ? number * gene.choices.length + places[i] : number),
      0,
    );
  }
}

function popcount(word) {
  word -= (word >>> 1) & 0x55555555;
  word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
  return Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

function popcounts(words) {
  let sum = 0;
  for (const word of words) sum += popcount(word);
  return sum;
}

// Rows of networks' bits, one an image, to rows of images' bits, one a network: 32 by 32 at a time.
export function turned(bytes, networks, images) {
  const width = Math.ceil(networks / 8);
  const words = Math.ceil(images / 32);
  const result = new Uint32Array(networks * words);
  const block = new Uint32Array(32);
  for (let word = 0; word < words; word++) {
    for (let start = 0; start < networks; start += 32) {
      for (let i = 0; i < 32; i++) {
        const image = 32 * word + i;
        const at = image * width + start / 8;
        const end = image < images ? Math.min(4, width - start / 8) : 0;
        block[i] = 0;
        for (let b = 0; b < end; b++) block[i] |= bytes[at + b] << (8 * b);
      }
      turnBlock(block);
      for (let i = 0; i < 32 && start + i < networks; i++) result[(start + i) * words + word] = block[i];
    }
  }
  return result;
}

// Transposes 32 words of 32 bits by swapping ever smaller quarters (Warren, Hacker's Delight, Sec. 7-3).
function turnBlock(block) {
  for (let size = 16, mask = 0xffff; size; size >>= 1, mask ^= mask << size) {
    for (let k = 0; k < 32; k = ((k | size) + 1) & ~size) {
      const swap = ((block[k] >>> size) ^ block[k | size]) & mask;
      block[k | size] ^= swap;
      block[k] ^= swap << size;
    }
  }
}
