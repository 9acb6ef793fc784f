/* ---- Log-probabilities -> text ---- */

static void asr_put(asr_recognizer *r, const char *letters) {
  const size_t length = strlen(r->text), more = strlen(letters);
  if (length + more < ASR_MAX_TEXT) memcpy(r->text + length, letters, more + 1);
}

/* One more token of a text: words are apart by one space, and none is at the ends. */
static void asr_put_token(asr_recognizer *r, int token, int *is_owed) {
  if (token == ASR_SPACE) {
    *is_owed = r->text[0] != 0;
    return;
  }
  if (*is_owed) asr_put(r, " ");
  *is_owed = 0;
  asr_put(r, asr_tokens[token]);
}

#if !ASR_HAS_AUTOMATON
static void asr_decode(asr_recognizer *r, int length) { /* the best path (Graves et al. 2006) */
  int t, v, last = 0, is_owed = r->text[0] != 0;
  for (t = 0; t < length; t++) {
    const float *row = ASR_LOG_PROBS(r)[t];
    int best = 0;
    for (v = 1; v < ASR_NUM_TOKENS; v++) best = row[v] > row[best] ? v : best;
    if (best && best != last) asr_put_token(r, best, &is_owed);
    last = best;
  }
}
#else
/* Prefix beam search (Graves 2012) in an automaton of words: asr/decode/ctc_beam.py, in memory that does not grow. */

static int asr_step(int32_t state, int token) { /* the number of a step, or -1 */
  int32_t i;
  for (i = asr_automaton_first[state]; i < asr_automaton_first[state + 1]; i++)
    if (asr_automaton_tokens[i] == token) return (int)i;
  return -1;
}

static void asr_forget(asr_beam *beam) { /* prefixes that are in no beam, and begin none that is */
  int i, n;
  beam->num_spare = 0;
  for (i = 0; i < ASR_MAX_PREFIXES; i++) beam->prefixes[i].child = beam->prefixes[i].sibling = -2;
  for (i = 0; i < beam->num_order; i++)
    for (n = beam->order[i]; n >= 0 && beam->prefixes[n].child == -2; n = beam->prefixes[n].parent) beam->prefixes[n].child = -1;
  for (i = ASR_MAX_PREFIXES - 1; i >= 0; i--) {
    asr_prefix *prefix = &beam->prefixes[i];
    if (prefix->child == -2) {
      beam->spare[beam->num_spare++] = (int16_t)i;
    } else if (prefix->parent >= 0) {
      prefix->sibling = beam->prefixes[prefix->parent].child;
      beam->prefixes[prefix->parent].child = (int16_t)i;
    }
  }
}

static int asr_child(const asr_beam *beam, int parent, int token) {
  int n = beam->prefixes[parent].child;
  while (n >= 0 && beam->prefixes[n].token != token) n = beam->prefixes[n].sibling;
  return n;
}

static int asr_new_prefix(asr_beam *beam, int parent, int token, int32_t state, float bias) { /* -1: no room */
  asr_prefix *prefix;
  int n;
  if (!beam->num_spare) asr_forget(beam);
  if (!beam->num_spare) return -1;
  n = beam->spare[--beam->num_spare];
  prefix = &beam->prefixes[n];
  memset(prefix, 0, sizeof *prefix);
  prefix->parent = (int16_t)parent, prefix->token = (int16_t)token, prefix->state = state, prefix->bias = bias;
  prefix->child = prefix->sibling = -1;
  if (parent >= 0) {
    prefix->sibling = beam->prefixes[parent].child;
    beam->prefixes[parent].child = (int16_t)n;
  }
  return n;
}

static float asr_gain(int token) { return token == ASR_SPACE && ASR_WORD_BONUS > 0 ? expf(ASR_WORD_BONUS) : 1; }

/* Prefix `n` goes on by one token; returns the probability that its child gains. */
static float asr_extend(asr_beam *beam, int n, int token, float p, float cut) {
  asr_prefix *prefix = &beam->prefixes[n];
  float mass = (prefix->blank + prefix->end) * p, step;
  int child = asr_child(beam, n, token), i;
  if (token == prefix->token) {
    if (token == ASR_SPACE) return 0; /* a second space changes nothing */
    mass = prefix->blank * p;
  }
  i = asr_step(prefix->state, token);
  if (i < 0) return 0;
  step = asr_automaton_weights[i] + (token == ASR_SPACE ? ASR_WORD_BONUS : 0);
  if (step < 0 || step > 0) mass *= expf(step);
  if (child >= 0 && beam->prefixes[child].is_offered) {
    beam->prefixes[child].next_end += mass;
  } else if (mass >= cut) {
    if (child < 0) child = asr_new_prefix(beam, n, token, asr_automaton_targets[i], prefix->bias + step);
    if (child < 0) return 0;
    beam->prefixes[child].next_end = mass;
    beam->prefixes[child].is_offered = 1;
    beam->order[beam->num_order++] = (int16_t)child;
  }
  return mass;
}

static void asr_prune(asr_beam *beam, int width, float scale, float floor) {
  int i, j, gap, kept = 0;
  for (i = 0; i < beam->num_order; i++) {
    asr_prefix *prefix = &beam->prefixes[beam->order[i]];
    const float blank = prefix->next_blank, end = prefix->next_end;
    prefix->next_blank = prefix->next_end = 0;
    prefix->is_offered = 0;
    if (blank + end < scale * floor) continue;
    prefix->blank = blank / scale, prefix->end = end / scale;
    beam->order[kept++] = beam->order[i];
  }
  if (kept > width) {
    for (gap = kept / 2; gap; gap /= 2) /* the best first (Shell 1959) */
      for (i = gap; i < kept; i++) {
        const int16_t n = beam->order[i];
        const float total = beam->prefixes[n].blank + beam->prefixes[n].end;
        for (j = i; j >= gap; j -= gap) {
          const asr_prefix *other = &beam->prefixes[beam->order[j - gap]];
          if (other->blank + other->end >= total) break;
          beam->order[j] = beam->order[j - gap];
        }
        beam->order[j] = n;
      }
    kept = width;
  }
  beam->num_order = beam->num_beam = kept;
}

static void asr_frame(asr_beam *beam, const float *p, int width, float floor) {
  float reach[ASR_NUM_TOKENS], most = 0, best = 0;
  int tokens[ASR_NUM_TOKENS], num = 0, i, j, v;
  for (v = 0; v < ASR_NUM_TOKENS; v++) most = p[v] > most ? p[v] : most;
  for (v = 1; v < ASR_NUM_TOKENS; v++) { /* tokens that are worth a look, the likeliest first */
    const float reached = p[v] * asr_gain(v);
    if (reached < floor * most) continue;
    for (j = num++; j && reach[j - 1] < reached; j--) reach[j] = reach[j - 1], tokens[j] = tokens[j - 1];
    reach[j] = reached, tokens[j] = v;
  }
  for (i = 0; i < beam->num_beam; i++) {
    asr_prefix *prefix = &beam->prefixes[beam->order[i]];
    const float total = prefix->blank + prefix->end;
    prefix->next_blank = total * p[0];
    prefix->next_end = (prefix->token == ASR_SPACE ? total : prefix->end) * p[prefix->token];
    prefix->is_offered = 1;
    if (prefix->next_blank + prefix->next_end > best) best = prefix->next_blank + prefix->next_end;
  }
  for (i = 0; i < beam->num_beam; i++) {
    const int n = beam->order[i];
    const float total = beam->prefixes[n].blank + beam->prefixes[n].end, cut = best * floor;
    for (j = 0; j < num && total * reach[j] >= cut; j++) {
      const float mass = asr_extend(beam, n, tokens[j], p[tokens[j]], cut);
      if (mass > best) best = mass;
    }
  }
  if (best > 0) asr_prune(beam, width, best, floor);
}

static int asr_end_of(const asr_beam *beam, int n) { /* "one " and "one" are the same words; -1: no end */
  const asr_prefix *prefix = &beam->prefixes[n];
  if (prefix->blank + prefix->end <= 0 || !asr_automaton_is_end[prefix->state]) return -1;
  return prefix->parent >= 0 && prefix->token == ASR_SPACE ? prefix->parent : n;
}

static int asr_best_end(const asr_beam *beam) { /* -1: nothing may end here */
  float best_score = 0;
  int best = -1, i, j;
  for (i = 0; i < beam->num_beam; i++) {
    const int end = asr_end_of(beam, beam->order[i]);
    const asr_prefix *prefix = &beam->prefixes[end < 0 ? 0 : end];
    float sum = 0, score;
    if (end < 0) continue;
    for (j = 0; j < beam->num_beam; j++) {
      const asr_prefix *other = &beam->prefixes[beam->order[j]];
      if (asr_end_of(beam, beam->order[j]) == end) sum += (other->blank + other->end) * expf(prefix->bias - other->bias);
    }
    score = logf(sum) + asr_automaton_end_weights[prefix->state];
    if (prefix->parent >= 0) score += ASR_WORD_BONUS;
    if (best < 0 || score > best_score) best = end, best_score = score;
  }
  return best;
}

static void asr_search(asr_recognizer *r, int length, int width, float threshold) {
  asr_beam *beam = &r->work.beam;
  const float floor = expf(-threshold), scale = expf(-ASR_BLANK_PENALTY);
  float p[ASR_NUM_TOKENS];
  int t, v, i, root;
  beam->num_order = beam->num_beam = 0;
  asr_forget(beam);
  root = asr_new_prefix(beam, -1, ASR_SPACE > 0 ? ASR_SPACE : 0, 0, 0);
  beam->prefixes[root].blank = 1;
  beam->order[0] = (int16_t)root;
  beam->num_order = beam->num_beam = 1;
  for (t = 0; t < length; t++) {
    float sum = 0;
    for (v = 0; v < ASR_NUM_TOKENS; v++) sum += p[v] = expf(ASR_LOG_PROBS(r)[t][v]) * (v ? 1 : scale);
    for (v = 0; v < ASR_NUM_TOKENS; v++) p[v] /= sum;
    if (p[0] <= 0.999f) {
      asr_frame(beam, p, width, floor);
      continue;
    }
    for (i = 0; i < beam->num_beam; i++) { /* a confident blank is nothing else */
      asr_prefix *prefix = &beam->prefixes[beam->order[i]];
      prefix->blank += prefix->end;
      prefix->end = 0;
    }
  }
}

static void asr_decode(asr_recognizer *r, int length) {
  static const int further[] = {1, 2, 10}; /* where a beam has lost all that is accepted, look further */
  asr_beam *beam = &r->work.beam;
  int i, n, end = -1, is_owed = r->text[0] != 0, num = 0;
  for (i = 0; i < 3 && end < 0; i++) {
    const int width = further[i] * ASR_BEAM_WIDTH;
    asr_search(r, length, width < ASR_MAX_PREFIXES / 2 ? width : ASR_MAX_PREFIXES / 2, 14.0f * (float)further[i]);
    end = asr_best_end(beam);
  }
  for (n = end; n >= 0 && beam->prefixes[n].parent >= 0; n = beam->prefixes[n].parent) beam->spare[num++] = beam->prefixes[n].token;
  while (num) asr_put_token(r, beam->spare[--num], &is_owed);
}
#endif
