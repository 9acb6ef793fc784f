"use strict";
// Waveform -> cepstra -> features -> log-probabilities -> text, as the package computes them; MODEL holds all settings.

function makeRecognizer(MODEL) {
  const f = MODEL.features, numBins = f.fft_size / 2 + 1;
  const arrays = {};
  for (const [name, text] of Object.entries(MODEL.arrays)) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    arrays[name] = new Float32Array(bytes.buffer);
  }
  const cosTable = new Float64Array(f.fft_size / 2), sinTable = new Float64Array(f.fft_size / 2);
  for (let i = 0; i < f.fft_size / 2; i++) {
    cosTable[i] = Math.cos(2 * Math.PI * i / f.fft_size);
    sinTable[i] = Math.sin(2 * Math.PI * i / f.fft_size);
  }

  function fft(re, im) { // in place, a power of two (Cooley & Tukey 1965)
    const n = re.length;
    for (let i = 1, j = 0; i < n; i++) {
      let bit = n >> 1;
      for (; j & bit; bit >>= 1) j ^= bit;
      j ^= bit;
      if (i < j) { const t = re[i]; re[i] = re[j]; re[j] = t; const u = im[i]; im[i] = im[j]; im[j] = u; }
    }
    for (let size = 2; size <= n; size <<= 1) {
      const half = size >> 1, step = n / size;
      for (let start = 0; start < n; start += size) {
        for (let k = 0; k < half; k++) {
          const c = cosTable[k * step], s = -sinTable[k * step], a = start + k, b = a + half;
          const x = re[b] * c - im[b] * s, y = re[b] * s + im[b] * c;
          re[b] = re[a] - x; im[b] = im[a] - y; re[a] += x; im[a] += y;
        }
      }
    }
  }

  function cepstra(waveform) { // (num_samples,) -> rows of num_cepstra
    const count = 1 + Math.max(0, Math.ceil((waveform.length - f.window) / f.hop)), width = f.num_filters + 1;
    const rows = [], re = new Float64Array(f.fft_size), im = new Float64Array(f.fft_size), energies = new Float64Array(width);
    for (let frame = 0; frame < count; frame++) {
      re.fill(0); im.fill(0); energies.fill(0);
      for (let i = 0; i < Math.min(f.window, f.fft_size); i++) {
        const at = frame * f.hop + i;
        if (at >= waveform.length) break;
        re[i] = (waveform[at] - (at ? f.preemphasis * waveform[at - 1] : 0)) * arrays.window[i];
      }
      fft(re, im);
      for (let bin = 0; bin < numBins; bin++) {
        const power = (re[bin] * re[bin] + im[bin] * im[bin]) / (f.fft_size * f.fft_size);
        for (let k = 0; k < width; k++) energies[k] += power * arrays.filters[bin * width + k];
      }
      let mean = 0;
      for (let k = 0; k < width; k++) {
        if (energies[k] === 0) energies[k] = 2 ** -52;
        if (k < width - 1) mean += energies[k] / (width - 1);
      }
      const floor = f.filter_floor_db ? mean * 10 ** (-f.filter_floor_db / 10) : 0, row = new Float64Array(f.num_cepstra);
      for (let k = 0; k < width - 1; k++) {
        const log = Math.log(Math.max(energies[k], floor));
        for (let c = 0; c < f.num_cepstra; c++) row[c] += log * arrays.cosines[k * f.num_cepstra + c];
      }
      if (f.energy === "log_energy") row[0] = Math.log(energies[width - 1]);
      rows.push(row);
    }
    return rows;
  }

  function relativeToSpeech(rows) { // the level of speech taken from the energy; how much each frame is speech
    const db = 10 / Math.LN10, bands = f.num_filters, size = f.num_cepstra;
    const levels = rows.map((row) => {
      let raised = 0, flat = 0;
      for (let b = 0; b < bands; b++) {
        let shape = 0;
        for (let c = 1; c < size; c++) shape += row[c] * arrays.level_basis[(c - 1) * bands + b];
        raised += Math.exp(shape + arrays.level_gains[b]); flat += Math.exp(shape);
      }
      if (f.energy === "c0") return db * (Math.log(raised) + row[0] / Math.sqrt(bands));
      return db * (Math.log(raised) - Math.log(flat) + row[0]);
    });
    const rank = Math.max(1, Math.min(f.peak_frames, (levels.length + 1) >> 1));
    const peak = [...levels].sort((a, b) => b - a)[rank - 1], clip = (x) => Math.min(1, Math.max(0, x));
    const weights = levels.map((level) => clip((level - peak + 20) / 6) * clip((10 - level + peak) / 6 + 1));
    const total = weights.reduce((a, b) => a + b, 0);
    const speech = rows.reduce((sum, row, t) => sum + weights[t] * row[0], 0) / total;
    const least = -60 / (f.energy === "log_energy" ? db : db / Math.sqrt(bands));
    const relative = rows.map((row) => { const copy = row.slice(); copy[0] = Math.max(row[0] - speech, least); return copy; });
    return { relative, weights, total };
  }

  function features(rows) {
    const size = f.num_cepstra;
    if (f.mean === "speech") {
      const { relative, weights, total } = relativeToSpeech(rows);
      for (let c = 0; c < size; c++) {
        let sum = f.prior_frames * arrays.mean[c];
        relative.forEach((row, t) => { sum += weights[t] * row[c]; });
        relative.forEach((row) => { row[c] -= sum / (f.prior_frames + total); });
      }
      rows = relative;
    }
    const orders = [rows], last = rows.length - 1;
    for (let order = 0; order < f.deltas; order++) {
      const from = orders[order];
      let norm = 0;
      for (let n = 1; n <= f.delta_window; n++) norm += 2 * n * n;
      orders.push(from.map((row, t) => row.map((_, c) => {
        let slope = 0;
        for (let n = 1; n <= f.delta_window; n++) slope += n * (from[Math.min(last, t + n)][c] - from[Math.max(0, t - n)][c]);
        return slope / norm;
      })));
    }
    const whole = rows.map((_, t) => orders.flatMap((part) => [...part[t]])), width = whole[0].length;
    for (let c = 0; c < width; c++) {
      const mean = whole.reduce((sum, row) => sum + row[c], 0) / whole.length;
      const variance = whole.reduce((sum, row) => sum + (row[c] - mean) ** 2, 0) / whole.length;
      const less = f.mean === "utterance" ? mean : f.mean === "corpus" ? arrays.mean[c] : 0;
      const scale = f.variance === "utterance" ? Math.max(Math.sqrt(variance), 1e-3) : f.variance === "corpus" ? arrays.std[c] : 1;
      for (const row of whole) row[c] = (row[c] - less) / scale;
    }
    const stacked = [];
    for (let t = 0; t < whole.length; t += f.stack) {
      const row = [];
      for (let k = 0; k < f.stack; k++) row.push(...whole[Math.min(last, t + k)]);
      stacked.push(Float32Array.from(row));
    }
    return stacked;
  }

  function layer(rows, name, size, directions) {
    const width = rows[0].length, made = rows.map(() => new Float32Array(size * directions));
    for (let d = 0; d < directions; d++) {
      const inputs = arrays[name + "W"].subarray(d * 4 * size * width, (d + 1) * 4 * size * width);
      const recurrent = arrays[name + "R"].subarray(d * 4 * size * size, (d + 1) * 4 * size * size);
      const bias = arrays[name + "B"].subarray(d * 4 * size, (d + 1) * 4 * size);
      const hidden = new Float32Array(size), cell = new Float32Array(size), gates = new Float64Array(4 * size);
      for (let step = 0; step < rows.length; step++) {
        const t = d ? rows.length - 1 - step : step, row = rows[t];
        for (let g = 0; g < 4 * size; g++) {
          let sum = bias[g];
          for (let i = 0, at = g * width; i < width; i++) sum += inputs[at + i] * row[i];
          for (let i = 0, at = g * size; i < size; i++) sum += recurrent[at + i] * hidden[i];
          gates[g] = g < 3 * size ? 1 / (1 + Math.exp(-sum)) : Math.tanh(sum);
        }
        for (let u = 0; u < size; u++) {
          cell[u] = gates[2 * size + u] * cell[u] + gates[u] * gates[3 * size + u];
          hidden[u] = gates[size + u] * Math.tanh(cell[u]);
          made[t][d * size + u] = hidden[u];
        }
      }
    }
    return made;
  }

  function logProbs(waveform) { // at MODEL.features.sample_rate -> rows of log-probabilities of tokens
    let rows = features(cepstra(waveform));
    MODEL.layers.forEach((each, index) => { rows = layer(rows, `layer${index}`, each.size, each.directions); });
    const num = MODEL.tokens.length;
    return rows.map((row) => {
      const logits = Float64Array.from(arrays.head_bias);
      for (let i = 0; i < row.length; i++) for (let v = 0; v < num; v++) logits[v] += row[i] * arrays.head[i * num + v];
      const most = Math.max(...logits), total = most + Math.log(logits.reduce((sum, x) => sum + Math.exp(x - most), 0));
      return logits.map((x) => x - total);
    });
  }

  function text(rows) { // best path
    let last = 0, letters = "";
    for (const row of rows) {
      const best = row.indexOf(Math.max(...row));
      if (best && best !== last) letters += MODEL.tokens[best];
      last = best;
    }
    return letters.split(" ").filter(Boolean).join(" ");
  }

  return { logProbs, text, sampleRate: f.sample_rate };
}
if (typeof module !== "undefined") module.exports = { makeRecognizer };
