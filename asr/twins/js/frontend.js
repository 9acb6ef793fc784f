// Waveform -> cepstra -> features, as asr/features makes them.

function makeFrontEnd({ numbers: n, tables }) {
  const size = n.num_cepstra, half = n.fft_size / 2, EPS = 2 ** -52, DB = 10 / Math.LN10;
  const cos = Float64Array.from({ length: half }, (_, i) => Math.cos(2 * Math.PI * i / n.fft_size));
  const sin = Float64Array.from({ length: half }, (_, i) => Math.sin(2 * Math.PI * i / n.fft_size));
  const re = new Float64Array(n.fft_size), im = new Float64Array(n.fft_size);
  const energies = new Float64Array(n.num_filters);

  function fft() { // in place, a power of two (Cooley & Tukey 1965)
    for (let i = 1, j = 0; i < n.fft_size; i++) {
      let bit = half;
      for (; j & bit; bit >>= 1) j ^= bit;
      j ^= bit;
      if (i < j) { const t = re[i]; re[i] = re[j]; re[j] = t; const u = im[i]; im[i] = im[j]; im[j] = u; }
    }
    for (let width = 1; width < n.fft_size; width <<= 1) {
      const step = half / width;
      for (let k = 0; k < width; k++) {
        const c = cos[k * step], s = -sin[k * step];
        for (let a = k; a < n.fft_size; a += 2 * width) {
          const b = a + width, x = re[b] * c - im[b] * s, y = re[b] * s + im[b] * c;
          re[b] = re[a] - x; im[b] = im[a] - y; re[a] += x; im[a] += y;
        }
      }
    }
  }

  function cepstrum(samples, start, end, before) { // of samples [start, end), silence behind them
    const row = new Float64Array(size);
    let total = 0, mean = 0, at = 0;
    re.fill(0); im.fill(0);
    for (let i = 0; i < n.window_size && start + i < end; i++)
      re[i] = (samples[start + i] - n.preemphasis * (i ? samples[start + i - 1] : before)) * tables.window[i];
    fft();
    for (let bin = 0; bin <= half; bin++) total += re[bin] = re[bin] * re[bin] + im[bin] * im[bin];
    for (let k = 0; k < n.num_filters; k++) {
      let sum = 0;
      for (let i = 0, bin = tables.filter_first[k]; i < tables.filter_count[k]; i++) sum += re[bin + i] * tables.filter_weights[at++];
      energies[k] = sum || EPS;
      mean += energies[k] / n.num_filters;
    }
    for (let k = 0; k < n.num_filters; k++) {
      const level = Math.log(Math.max(energies[k], mean * n.floor));
      for (let c = 0; c < size; c++) row[c] += level * tables.cosines[k * size + c];
    }
    if (n.has_log_energy) row[0] = Math.log(total / n.fft_size || EPS);
    return row;
  }

  const numFrames = (count) => 1 + Math.max(0, Math.ceil((count - n.window_span) / n.hop));

  function cepstra(waveform) { // (num_samples,) -> rows of num_cepstra
    return Array.from({ length: numFrames(waveform.length) }, (_, t) => {
      const start = t * n.hop;
      return cepstrum(waveform, start, Math.min(waveform.length, start + n.window_span), start ? waveform[start - 1] : 0);
    });
  }

  function padded(waveform) { // between faint noise, which is always the same: MurmurHash3's last step
    if (!n.padding) return waveform;
    const made = new Float32Array(waveform.length + 2 * n.padding), peak = waveform.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    for (let i = 0; i < 2 * n.padding; i++) {
      let bits = i + 1;
      bits = Math.imul(bits ^ bits >>> 16, 0x85EBCA6B);
      bits = Math.imul(bits ^ bits >>> 13, 0xC2B2AE35);
      bits ^= bits >>> 16;
      const noise = Math.fround(((bits >>> 0) / 2 ** 32 - .5) * Math.sqrt(12));
      made[i < n.padding ? i : i + waveform.length] = Math.fround(noise * Math.fround(1e-3)) * peak;
    }
    made.set(waveform, n.padding);
    return made;
  }

  function centred(rows) { // relative to the level of speech, less the mean of speech; how much of that is the corpus's
    const levels = rows.map((row) => {
      let raised = 0, flat = 0;
      for (let b = 0; b < n.num_filters; b++) {
        let shape = 0;
        for (let c = 1; c < size; c++) shape += row[c] * tables.level_basis[(c - 1) * n.num_filters + b];
        raised += Math.exp(shape + tables.level_gains[b]); flat += Math.exp(shape);
      }
      return DB * (n.has_log_energy ? Math.log(raised) - Math.log(flat) + row[0] : Math.log(raised) + row[0] / Math.sqrt(n.num_filters));
    });
    const rank = Math.max(1, Math.min(n.peak_frames, (levels.length + 1) >> 1));
    const peak = Float64Array.from(levels).sort()[levels.length - rank], clip = (x) => Math.min(1, Math.max(0, x));
    const weights = levels.map((level) => clip((level - peak + 20) / 6) * clip((10 - level + peak) / 6 + 1));
    const total = weights.reduce((a, b) => a + b, 0);
    const speech = rows.reduce((sum, row, t) => sum + weights[t] * row[0], 0) / total;
    const least = -60 / (n.has_log_energy ? DB : DB / Math.sqrt(n.num_filters));
    const relative = rows.map((row) => { const copy = row.slice(); copy[0] = Math.max(row[0] - speech, least); return copy; });
    for (let c = 0; c < size; c++) {
      const sum = relative.reduce((sum, row, t) => sum + weights[t] * row[c], n.prior_frames * tables.mean[c]);
      for (const row of relative) row[c] -= sum / (n.prior_frames + total);
    }
    return { rows: relative, share: n.prior_frames / (n.prior_frames + total) };
  }

  function features(cepstra) { // rows of cepstra -> { rows: (T, F) in one array, length: T, share }
    const { rows, share } = n.mean === "speech" ? centred(cepstra) : { rows: cepstra, share: +(n.mean === "corpus") };
    const last = rows.length - 1, width = size * (1 + n.deltas), orders = [rows];
    let norm = 0;
    for (let k = 1; k <= n.delta_window; k++) norm += 2 * k * k;
    for (let order = 0; order < n.deltas; order++) {
      const from = orders[order];
      orders.push(from.map((row, t) => row.map((_, c) => {
        let slope = 0;
        for (let k = 1; k <= n.delta_window; k++) slope += k * (from[Math.min(last, t + k)][c] - from[Math.max(0, t - k)][c]);
        return slope / norm;
      })));
    }
    const length = Math.ceil(rows.length / n.stack), made = new Float32Array(length * n.stack * width);
    for (let i = 0; i < width; i++) {
      const values = orders[Math.floor(i / size)].map((row) => row[i % size]);
      const mean = values.reduce((a, b) => a + b, 0) / values.length;
      const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length);
      const less = n.mean === "utterance" ? mean : n.mean === "corpus" ? tables.mean[i] : 0;
      const scale = n.variance === "utterance" ? Math.max(deviation, 1e-3) : n.variance === "corpus" ? tables.std[i] : 1;
      for (let t = 0; t < length * n.stack; t++) made[t * width + i] = (values[Math.min(last, t)] - less) / scale;
    }
    return { rows: made, length, share };
  }

  return { cepstra, cepstrum, padded, features };
}
