// Text -> intent and slots: the likeliest path through the network of sentences, as asr/grammar/intent.py finds it.

function makeParser({ sentences }) {
  if (!sentences) return () => null;
  const BEGIN = 0, WORD = 1, OWED = 2, SPACE = 3, SKIPPED = 4, skipCost = Math.log(.05);
  const { end, marks, arcs } = sentences, leaving = Array.from({ length: sentences.num_states }, () => []);
  for (const [source, target, character, cost, mark] of arcs) leaving[source].push({ target, character, cost, mark: mark ? marks[mark - 1] : null });
  const skipWords = new Set(sentences.skip_words), parts = new Set();
  for (const word of skipWords) for (let i = 1; i <= word.length; i++) parts.add(word.slice(0, i));
  const key = ({ state, last, skipped }) => `${state} ${last} ${skipped}`, point = (state, last, skipped = "") => ({ state, last, skipped });

  function* spelled({ state, last, skipped }, character) { // [point, cost]
    if (last === SKIPPED) {
      if (character === " ") { if (skipWords.has(skipped)) yield [point(state, SPACE), 0]; }
      else if (parts.has(skipped + character)) yield [point(state, SKIPPED, skipped + character), 0];
      return;
    }
    if (character === " ") {
      if (last === OWED || (last === WORD && state === end)) yield [point(state, SPACE), 0];
      return;
    }
    if ((last === BEGIN || last === SPACE) && parts.has(character)) yield [point(state, SKIPPED, character), skipCost];
    if (last !== OWED) for (const arc of leaving[state]) if (arc.character === character) yield [point(arc.target, WORD), 0];
  }

  function closed(paths, position) { // the best path to every point that is reached without a character
    const best = new Map(paths), stack = [...paths.keys()];
    while (stack.length) {
      const { at, score, trace } = best.get(stack.pop());
      if (at.last === SKIPPED) continue;
      for (const arc of leaving[at.state]) {
        if (arc.character.trim()) continue;
        const last = arc.character && (at.last === WORD || at.last === OWED) ? OWED : at.last;
        const after = point(arc.target, last), reached = score + arc.cost, name = key(after);
        if (best.has(name) && reached <= best.get(name).score) continue;
        best.set(name, { at: after, score: reached, trace: arc.mark ? { mark: arc.mark, position, before: trace } : trace });
        stack.push(name);
      }
    }
    return best;
  }

  return function parse(text) { // { intent, slots } or null
    const begin = point(0, BEGIN);
    let paths = new Map([[key(begin), { at: begin, score: 0, trace: null }]]);
    [...text].forEach((character, position) => {
      const following = new Map();
      for (const { at, score, trace } of closed(paths, position).values())
        for (const [after, cost] of spelled(at, character)) {
          const name = key(after);
          if (!following.has(name) || score + cost > following.get(name).score) following.set(name, { at: after, score: score + cost, trace });
        }
      paths = following;
    });
    let best = null;
    for (const path of closed(paths, text.length).values()) {
      const { state, last, skipped } = path.at;
      if (state !== end || last === BEGIN || (last === SKIPPED && !skipWords.has(skipped))) continue;
      if (!best || path.score > best.score) best = path;
    }
    if (!best) return null;
    const passed = [], opened = [], slots = {};
    for (let trace = best.trace; trace; trace = trace.before) passed.unshift(trace);
    let intent = "";
    for (const { mark: [kind, name, value], position } of passed) {
      if (kind === "intent") intent = name;
      else if (kind === "open") opened.push(position);
      else slots[name] = value === null ? text.slice(opened.pop(), position).trim() : (opened.pop(), value);
    }
    return { intent, slots };
  };
}
