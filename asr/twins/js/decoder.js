// Log-probabilities -> text: the best path, or a prefix beam search (Graves 2012) in an automaton of words or sentences.

function makeDecoder({ numbers: n, tables, tokens }) {
  const space = tokens.indexOf(" "), spelled = (ids) => ids.map((id) => tokens[id]).join("").split(" ").filter(Boolean).join(" ");

  function bestPath(rows) { // the frame and the token of each letter
    let last = 0;
    const found = [];
    rows.forEach((row, frame) => {
      let best = 0;
      for (let v = 1; v < row.length; v++) if (row[v] > row[best]) best = v;
      if (best && best !== last) found.push({ frame, token: best });
      last = best;
    });
    return found;
  }

  const prefix = (parent, token, state, bias) => ({ parent, token, state, bias, children: new Map(), blank: 0, end: 0, nextBlank: 0, nextEnd: 0, offered: false });

  function step(state, token) {
    for (let i = tables.automaton_first[state]; i < tables.automaton_first[state + 1]; i++) if (tables.automaton_tokens[i] === token) return i;
    return -1;
  }

  function extend(from, token, p, cut, fresh) { // returns the probability that the child gains
    let child = from.children.get(token), mass = (from.blank + from.end) * p;
    if (token === from.token) {
      if (token === space) return 0; // a second space changes nothing
      mass = from.blank * p;
    }
    const i = child ? 0 : step(from.state, token);
    if (i < 0) return 0;
    if (!child) {
      const weight = tables.automaton_weights[i] + (token === space ? n.word_bonus : 0);
      child = prefix(from, token, tables.automaton_targets[i], from.bias + weight);
      child.factor = Math.exp(weight);
      from.children.set(token, child);
    }
    mass *= child.factor;
    if (child.offered) child.nextEnd += mass;
    else if (mass >= cut) { child.nextEnd = mass; child.offered = true; fresh.push(child); }
    return mass;
  }

  function frame(beam, p, width, floor) {
    const most = Math.max(...p), reach = (v) => p[v] * (v === space ? Math.exp(Math.max(0, n.word_bonus)) : 1), fresh = [];
    const looked = [...p.keys()].filter((v) => v && reach(v) >= floor * most).sort((v, w) => reach(w) - reach(v));
    let best = 0;
    for (const one of beam) {
      const total = one.blank + one.end;
      one.nextBlank = total * p[0];
      one.nextEnd = (one.token === space ? total : one.end) * p[one.token];
      one.offered = true;
      best = Math.max(best, one.nextBlank + one.nextEnd);
    }
    for (const one of beam) {
      const total = one.blank + one.end, cut = best * floor;
      for (const token of looked) {
        if (total * reach(token) < cut) break;
        best = Math.max(best, extend(one, token, p[token], cut, fresh));
      }
    }
    const kept = [];
    for (const one of beam.concat(fresh)) {
      const { nextBlank, nextEnd } = one;
      one.nextBlank = one.nextEnd = 0;
      one.offered = false;
      if (nextBlank + nextEnd < best * floor) continue;
      one.blank = nextBlank / best; one.end = nextEnd / best;
      kept.push(one);
    }
    return kept.length > width ? kept.sort((x, y) => y.blank + y.end - x.blank - x.end).slice(0, width) : kept;
  }

  function search(probabilities, width, threshold) { // the likeliest prefix that may end, or null
    const root = prefix(null, space > 0 ? space : 0, 0, 0), floor = Math.exp(-threshold), ends = new Map();
    root.blank = 1;
    let beam = [root];
    for (const p of probabilities) {
      if (p[0] <= .999) beam = frame(beam, p, width, floor);
      else for (const one of beam) { one.blank += one.end; one.end = 0; } // a confident blank is nothing else
    }
    for (const one of beam) {
      if (one.blank + one.end <= 0 || !tables.automaton_is_end[one.state]) continue;
      const end = one.parent && one.token === space ? one.parent : one; // "one " and "one" are the same words
      ends.set(end, (ends.get(end) || 0) + (one.blank + one.end) * Math.exp(end.bias - one.bias));
    }
    const score = (end) => Math.log(ends.get(end)) + tables.automaton_end_weights[end.state] + (end.parent ? n.word_bonus : 0);
    return [...ends.keys()].sort((x, y) => score(y) - score(x))[0] || null;
  }

  function text(rows) {
    if (!tables.automaton_first) return spelled(bestPath(rows).map(({ token }) => token));
    const scale = Math.exp(-n.blank_penalty), probabilities = rows.map((row) => {
      const p = row.map((x, v) => Math.exp(x) * (v ? 1 : scale)), sum = p.reduce((a, b) => a + b);
      return p.map((x) => x / sum);
    });
    for (const further of [1, 2, 10]) { // where a beam has lost all that is accepted, look further
      const found = [];
      let end = search(probabilities, further * n.beam_width, further * 14);
      if (!end) continue;
      for (; end.parent; end = end.parent) found.unshift(end.token);
      return spelled(found);
    }
    return "";
  }

  return { text, bestPath };
}
