// Features -> log-probabilities: bidirectional LSTMs (Hochreiter & Schmidhuber 1997), the mean of several VTLN warps.

const PRODUCT = // product.wat
  "AGFzbQEAAAABCQFgBX9/f39/AAMCAQAFAwEAAQcUAgZtZW1vcnkCAAdwcm9kdWN0AAAK9wEB9AECA38DeyAEQQJ0IQQgASAEaiEHA0AgACAEai" +
  "EFIAEhBv0MAAAAAAAAAAAAAAAAAAAAACEIIAghCQNAIAb9AAQAIQogCCAA/QAEACAK/eYB/eQBIQggCSAF/QAEACAK/eYB/eQBIQkgAEEQaiEA" +
  "IAVBEGohBSAGQRBqIgYgB0kNAAsgBSEAIAggCf0NAAECAxAREhMICQoLGBkaGyAIIAn9DQQFBgcUFRYXDA0ODxwdHh/95AEhCCACIAIqAgAgCP" +
  "0fACAI/R8CkpI4AgAgAiACKgIEIAj9HwEgCP0fA5KSOAIEIAJBCGohAiADQQJrIgMNAAsL";

function makeMemory(numFloats) { // numbers, and to[i] += row i of a matrix . x, all by their places among these numbers
  try {
    const code = Uint8Array.from(atob(PRODUCT), (letter) => letter.charCodeAt(0));
    const { memory, product } = new WebAssembly.Instance(new WebAssembly.Module(code)).exports;
    memory.grow(Math.ceil(numFloats / 16384));
    return { floats: new Float32Array(memory.buffer), product: (w, x, to, rows, size) => product(4 * w, 4 * x, 4 * to, rows, size) };
  } catch (error) { // a browser without WebAssembly or its vectors
    const floats = new Float32Array(numFloats);
    const product = (w, x, to, rows, size) => {
      for (let i = 0; i < rows; i += 2, w += 2 * size) {
        let a = 0, b = 0;
        for (let j = 0; j < size; j++) { a += floats[w + j] * floats[x + j]; b += floats[w + size + j] * floats[x + j]; }
        floats[to + i] += a; floats[to + i + 1] += b;
      }
    };
    return { floats, product };
  }
}

function makeNetwork({ numbers: n, tables, tokens, layers, weights }) {
  const width = n.num_cepstra * (1 + n.deltas), numTokens = tokens.length, even = (count) => (count + 3) & ~3;
  const most = Math.max(...layers.map((layer) => Math.max(even(layer.width), 4 * even(layer.size))));
  const sum = layers.reduce((sum, layer) => sum + layer.directions * 4 * layer.size * (even(layer.width) + even(layer.size)), 0);
  const { floats, product } = makeMemory(sum + 3 * most), X = 0, H = most, GATES = 2 * most;
  let used = 3 * most;
  const places = layers.map((layer, index) => ["inputs", "recurrent"].map((name) => { // rows filled up to a multiple of four
    const values = weights[`layer${index}_${name}`], size = name === "inputs" ? layer.width : layer.size, place = used;
    for (let at = 0; at < values.length; at += size, used += even(size)) floats.set(values.subarray(at, at + size), used);
    return place;
  }));

  function run(input, length, index) { // (length, width) -> (length, directions * size)
    const { size, width, directions } = layers[index], [inputs, recurrent] = places[index], bias = weights[`layer${index}_bias`];
    const rows = 4 * size, made = new Float32Array(length * directions * size), cell = new Float32Array(size);
    const sigmoid = (gate, u) => 1 / (1 + Math.exp(-floats[GATES + gate * size + u]));
    for (let d = 0; d < directions; d++) {
      floats.fill(0, X, GATES);
      cell.fill(0);
      for (let step = 0; step < length; step++) {
        const t = d ? length - 1 - step : step, to = (t * directions + d) * size;
        floats.set(input.subarray(t * width, (t + 1) * width), X);
        floats.set(bias.subarray(d * rows, (d + 1) * rows), GATES);
        product(inputs + d * rows * even(width), X, GATES, rows, even(width));
        product(recurrent + d * rows * even(size), H, GATES, rows, even(size));
        for (let u = 0; u < size; u++) {
          cell[u] = sigmoid(2, u) * cell[u] + sigmoid(0, u) * Math.tanh(floats[GATES + 3 * size + u]);
          made[to + u] = floats[H + u] = sigmoid(1, u) * Math.tanh(cell[u]);
        }
      }
    }
    return made;
  }

  function logSoftmax(row) {
    const most = row.reduce((a, b) => Math.max(a, b)), total = most + Math.log(row.reduce((sum, x) => sum + Math.exp(x - most), 0));
    return row.map((x) => x - total);
  }

  function logProbs({ rows, length, share }) { // -> rows of log-probabilities of tokens
    const made = Array.from({ length }, () => new Float64Array(numTokens));
    for (let warp = 0; warp < n.num_warps; warp++) {
      let hidden = n.num_warps > 1 ? warped(rows, warp, share) : rows;
      layers.forEach((_, index) => { hidden = run(hidden, length, index); });
      const size = hidden.length / length;
      for (let t = 0; t < length; t++) {
        const logits = Float64Array.from(weights.head_bias);
        for (let v = 0; v < numTokens; v++) for (let i = 0; i < size; i++) logits[v] += weights.head[v * size + i] * hidden[t * size + i];
        logSoftmax(logits).forEach((x, v) => { made[t][v] += x / n.num_warps; });
      }
    }
    return n.num_warps > 1 ? made.map(logSoftmax) : made;
  }

  function warped(rows, warp, share) {
    const made = new Float32Array(rows.length), matrix = tables.warps.subarray(warp * width * width), offset = tables.warp_offsets.subarray(warp * width);
    for (let start = 0; start < rows.length; start += width)
      for (let i = 0; i < width; i++) {
        let sum = offset[i] * share;
        for (let j = 0; j < width; j++) sum += rows[start + j] * matrix[j * width + i];
        made[start + i] = sum;
      }
    return made;
  }

  return { logProbs };
}
