// Cepstra -> segments, cut in pauses, whatever the blocks in which they come: asr/endpointing.py does it so, too.

function makeSegmenter({ numbers: n, tables }) {
  const STEP = 10, SAMPLE = 5, DB = 10 / Math.LN10, numBands = n.num_filters;
  const half = n.speech_half, window = n.speech_window, minSpeech = n.speech_min_speech, margin = n.speech_margin;
  const minSilence = n.speech_min_silence, longest = n.speech_longest, rounded = (frame) => Math.floor(frame / n.stack) * n.stack;
  let bands = [], smooth = [], sampled = [], numCompared = 0, numNew = 0, segments = [];
  let frame = 0, start = 0, run = 0, loudRun = 0, speechEnd = -1, loudEnd = 0, last = [], recent = [], energies = [];

  function toBands(cepstrum) { // decibels in each band, and of all
    const row = new Float64Array(numBands + 1);
    let sum = 0;
    for (let b = 0; b < numBands; b++) {
      for (let c = 1; c < n.num_cepstra; c++) row[b] += cepstrum[c] * tables.band_basis[(c - 1) * numBands + b];
      if (!n.has_log_energy) row[b] += DB * cepstrum[0] / Math.sqrt(numBands);
      sum += Math.exp(row[b] / DB);
    }
    if (n.has_log_energy) for (let b = 0; b < numBands; b++) row[b] += DB * (cepstrum[0] - Math.log(sum));
    row[numBands] = DB * (n.has_log_energy ? cepstrum[0] : Math.log(sum));
    return row;
  }

  function smoothed(isEnd) { // medians of each frame and its neighbours
    if (isEnd && bands.length) for (let i = 0; i < half; i++) bands.push(bands[bands.length - 1]);
    let count = Math.max(0, bands.length - 2 * half);
    if (!isEnd) count = Math.floor(count / STEP) * STEP;
    for (let t = 0; t < count; t++) {
      const around = new Float64Array(2 * half + 1);
      const row = bands[t].map((_, b) => {
        for (let k = 0; k <= 2 * half; k++) around[k] = bands[t + k][b];
        return around.sort()[half];
      });
      smooth.push(row);
      if (t % SAMPLE === 0) sampled.push(row);
    }
    bands.splice(0, count);
    compared(isEnd);
  }

  function above(row, noise) { // root mean square of what is above the noise
    let sum = 0;
    for (let b = 0; b < numBands; b++) { const more = Math.max(row[b] - noise[b], 0); sum += more * more; }
    return Math.sqrt(sum / numBands);
  }

  function noiseOf(rows) { // in each band: that of the quietest frames which are recorded at all
    const sounds = rows.filter((row) => row[numBands] > n.min_noise_db).sort((x, y) => x[numBands] - y[numBands]);
    if (!sounds.length) return new Float64Array(numBands).fill(n.min_noise_db);
    const count = Math.floor(n.noise_share * sounds.length) + 1, noise = new Float64Array(numBands);
    for (let i = 0; i < count; i++) for (let b = 0; b < numBands; b++) noise[b] += sounds[i][b] / count;
    return noise;
  }

  function compared(isEnd) { // steps of which enough of the future is known
    const first = numCompared, begin = Math.max(0, first - window), perStep = STEP / SAMPLE;
    const numKnown = isEnd ? Math.ceil(smooth.length / STEP) : Math.floor(smooth.length / STEP);
    let done = 0;
    for (let step = first; step < first + numKnown; step++) {
      const end = Math.max(n.speech_first_steps, step + 1 + n.speech_ahead);
      if (end > first + numKnown && !isEnd) break;
      const rows = sampled.slice((Math.max(0, step - window) - begin) * perStep, (end - begin) * perStep), noise = noiseOf(rows);
      const usual = Float64Array.from(rows, (row) => above(row, noise)).sort()[Math.floor(n.usual_share * rows.length)];
      const threshold = Math.min(Math.max(n.threshold_db, n.unsteady * usual), n.max_threshold_db);
      for (const row of smooth.slice(done * STEP, (done + 1) * STEP)) next(above(row, noise) > threshold, row[numBands]);
      done++;
    }
    numCompared += done;
    smooth.splice(0, done * STEP);
    sampled.splice(0, (Math.max(0, numCompared - window) - begin) * perStep);
  }

  function cut(end, isSpeech) {
    segments.push({ start, end, isSpeech });
    energies.splice(0, end - start);
    start = end; speechEnd = -1;
  }

  function divide(first, until) { // at the quietest frame, if it is in the open segment and that speaks before it
    const ended = speechEnd;
    if (first <= start || ended < 0) return;
    let best = first;
    for (let t = first; t < until && t < frame; t++) if (energies[t - start] < energies[best - start]) best = t;
    best = rounded(best);
    if (best > start) { cut(best, true); speechEnd = ended > best ? ended : -1; }
  }

  function loudest(at, energy) { // of the last frames, that lasts
    last.push(energy);
    if (last.length > minSpeech) last.shift();
    const lasting = Math.min(...last);
    while (recent.length && recent[recent.length - 1][1] <= lasting) recent.pop();
    recent.push([at, lasting]);
    if (recent[0][0] <= at - n.speech_loud) recent.shift();
    return recent[0][1];
  }

  function next(isSpeech, energy) {
    const at = frame++;
    energies.push(energy);
    run = isSpeech ? run + 1 : 0;
    if (run >= minSpeech) {
      if (run === minSpeech) {
        const begin = at + 1 - run, silence = rounded(begin - margin);
        if (speechEnd < 0) { if (silence > start) cut(silence, false); }
        else if (begin - speechEnd >= minSilence) divide(speechEnd, begin);
      }
      speechEnd = at + 1;
    }
    loudRun = loudest(at, energy) - n.pause_db <= energy && isSpeech ? loudRun + 1 : 0;
    if (loudRun >= minSpeech) {
      const begin = at + 1 - loudRun;
      if (loudRun === minSpeech && begin - loudEnd >= minSilence) divide(loudEnd, begin);
      loudEnd = at + 1;
    }
    const quiet = at + 1 - run;
    if (speechEnd < 0) { if (rounded(quiet - margin) - start >= longest) cut(start + longest, false); }
    else if (quiet - speechEnd > Math.max(minSilence, 2 * margin)) cut(rounded(speechEnd + margin), true);
    if (frame - start >= longest && speechEnd >= 0) divide(start + (longest >> 1), frame);
  }

  function taken() { const found = segments; segments = []; return found; }

  function feed(rows) { // the next cepstra -> the segments that are known by now
    for (const row of rows) {
      const made = toBands(row);
      if (!bands.length && !frame && !smooth.length) for (let i = 0; i < half; i++) bands.push(made);
      bands.push(made);
      if (++numNew === STEP) { numNew = 0; smoothed(false); }
    }
    return taken();
  }

  function flush() { // the rest: the sound has ended
    smoothed(true);
    const end = frame;
    if (speechEnd >= 0) cut(Math.min(rounded(speechEnd + margin), end), true);
    const isUnknown = !segments.length && !start && end < n.speech_first;
    while (end > start) cut(Math.min(end, start + longest), isUnknown);
    return taken();
  }

  return {
    feed, flush,
    isSpeech: () => speechEnd >= 0,
    end: () => speechEnd < 0 || speechEnd === frame ? null : rounded(speechEnd + margin), // if nobody speaks from now on
  };
}
