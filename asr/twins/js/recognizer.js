// Sound -> text, in whole recordings or in blocks, as the package does it; MODEL holds all settings.

function unpacked(packed) { // arrays of base64, weights of 8 bits times the scales of their rows
  const KINDS = { f4: Float32Array, i4: Int32Array, u1: Uint8Array, i1: Int8Array };
  const array = ([kind, text]) => new KINDS[kind](Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
  const each = (values, make) => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, make(value)]));
  const weights = each(packed.weights, ([values, scales]) => {
    if (!scales) return array(values);
    const whole = array(values), rows = array(scales), width = whole.length / rows.length;
    return Float32Array.from(whole, (x, i) => x * rows[Math.floor(i / width)]);
  });
  return { ...packed, tables: each(packed.tables, array), weights };
}

function makeRecognizer(packed) {
  const model = unpacked(packed), n = model.numbers;
  const frontEnd = makeFrontEnd(model), network = makeNetwork(model), decoder = makeDecoder(model), parse = makeParser(model);
  const logProbs = (rows) => network.logProbs(frontEnd.features(rows));

  function result(parts) { // segments with log-probabilities -> what was recognised
    const texts = parts.map(({ emission }) => emission.length ? decoder.text(emission) : "");
    const meaning = texts.map((text) => text ? parse(text) : null).find(Boolean) || null;
    return { text: texts.filter(Boolean).join(" "), meaning, parts };
  }

  function segments(waveform) { // of a whole recording: rows of cepstra, and whether somebody speaks
    if (waveform.length > n.whole_samples) {
      const live = makeStream();
      return [...live.feed(waveform), ...live.flush()];
    }
    const rows = frontEnd.cepstra(frontEnd.padded(waveform)), padding = n.padding_frames;
    let found = [];
    if (n.cuts) {
      const segmenter = makeSegmenter(model);
      found = [...segmenter.feed(rows.slice(padding, rows.length - padding)), ...segmenter.flush()];
    }
    if (!found.length) found = [{ start: 0, isSpeech: true }];
    const starts = found.map(({ start }, i) => i ? Math.floor((padding + start) / n.stack) * n.stack : 0);
    return found.map(({ isSpeech }, i) => ({ rows: rows.slice(starts[i], starts[i + 1]), isSpeech, start: starts[i] }));
  }

  function makeStream() { // sound in blocks -> segments as soon as they are known
    const segmenter = makeSegmenter(model);
    let held = [], first = 0, rest = new Float32Array(0), lead = 0, before = 0;
    const taken = ({ start, end, isSpeech }) => {
      const rows = held.splice(0, end - start);
      first = end;
      return { rows, isSpeech, start };
    };
    const frame = (end) => {
      const row = frontEnd.cepstrum(rest, lead, Math.min(end, lead + n.window_span), before);
      held.push(row);
      return row;
    };
    return {
      feed(block) {
        const joined = new Float32Array(rest.length - lead + block.length), rows = [];
        joined.set(rest.subarray(lead)); joined.set(block, rest.length - lead);
        rest = joined; lead = 0;
        for (; lead + n.window_span <= rest.length; lead += n.hop) { rows.push(frame(rest.length)); before = rest[lead + n.hop - 1]; }
        return segmenter.feed(rows).map(taken);
      },
      flush() {
        const isLeft = first + held.length ? rest.length - lead > n.window_span - n.hop : true;
        const rows = isLeft ? [frame(rest.length)] : [];
        return [...segmenter.feed(rows), ...segmenter.flush()].map(taken);
      },
      open() { // the segment that is open, as far as its sound has come
        const end = segmenter.end();
        return { rows: held.slice(0, end === null ? held.length : Math.min(held.length, end - first)), isSpeech: segmenter.isSpeech(), start: first };
      },
    };
  }

  const emitted = (segment) => ({ ...segment, emission: segment.isSpeech && segment.rows.length ? logProbs(segment.rows) : [] });

  function live() { // blocks of sound -> { finals, partial }
    const stream = makeStream();
    const finals = (found) => found.filter(({ isSpeech }) => isSpeech).map((segment) => result([emitted(segment)]));
    return {
      feed: (block) => finals(stream.feed(block)),
      flush: () => finals(stream.flush()),
      partial() {
        const open = stream.open(), isEarly = !open.start && open.rows.length >= 40;
        return open.rows.length && (open.isSpeech || isEarly) ? result([emitted({ ...open, isSpeech: true })]) : null;
      },
    };
  }

  return {
    recognise: (waveform) => result(segments(waveform).map(emitted)),
    live, letters: decoder.bestPath, features: frontEnd.features, logProbs,
    sampleRate: n.sample_rate, frameSeconds: n.hop * n.stack / n.sample_rate, tokens: model.tokens,
  };
}
if (typeof module !== "undefined") module.exports = { makeRecognizer };
