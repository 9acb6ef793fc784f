/* ---- Cepstra -> features -> log-probabilities ---- */

#define ASR_WIDTH (ASR_NUM_CEPSTRA * (1 + ASR_DELTAS)) /* of the features of a frame, before frames are stacked */

#if ASR_MEAN == ASR_OF_SPEECH
static float asr_clip(float x) { return x < 0 ? 0 : x > 1 ? 1 : x; }

/* Cepstra relative to the level of speech, less their mean in it; returns how much of that is the corpus's. */
static float asr_centre(asr_recognizer *r, float (*rows)[ASR_NUM_CEPSTRA], int count) {
  const float db = 4.3429448190325175f;
  const float least = -60 / (ASR_HAS_LOG_ENERGY ? db : db / sqrtf(ASR_NUM_FILTERS));
  float top[ASR_PEAK_FRAMES], peak;
  double total = 0, speech = 0;
  int rank = (count + 1) / 2 < ASR_PEAK_FRAMES ? (count + 1) / 2 : ASR_PEAK_FRAMES, num_top = 0, t, b, c, i;
  if (rank < 1) rank = 1;
  for (t = 0; t < count; t++) {
    float raised = 0, flat = 0, level;
    for (b = 0; b < ASR_NUM_FILTERS; b++) {
      float shape = 0;
      for (c = 1; c < ASR_NUM_CEPSTRA; c++) shape += rows[t][c] * asr_level_basis[(c - 1) * ASR_NUM_FILTERS + b];
      raised += expf(shape + asr_level_gains[b]);
      flat += expf(shape);
    }
    level = ASR_HAS_LOG_ENERGY ? logf(raised) - logf(flat) + rows[t][0] : logf(raised) + rows[t][0] / sqrtf(ASR_NUM_FILTERS);
    r->weights[t] = level *= db;
    if (num_top < rank || level > top[rank - 1]) { /* the loudest, in order */
      i = num_top < rank ? num_top++ : rank - 1;
      for (; i && top[i - 1] < level; i--) top[i] = top[i - 1];
      top[i] = level;
    }
  }
  peak = top[rank - 1];
  for (t = 0; t < count; t++) {
    const float above = r->weights[t] - peak;
    r->weights[t] = asr_clip((above + 20) / 6) * asr_clip((10 - above) / 6 + 1);
    total += (double)r->weights[t];
    speech += (double)(r->weights[t] * rows[t][0]);
  }
  for (t = 0; t < count; t++) {
    const float energy = rows[t][0] - (float)(speech / total);
    rows[t][0] = energy > least ? energy : least;
  }
  for (c = 0; c < ASR_NUM_CEPSTRA; c++) {
    double sum = ASR_PRIOR_FRAMES * (double)asr_mean[c];
    for (t = 0; t < count; t++) sum += (double)(r->weights[t] * rows[t][c]);
    for (t = 0; t < count; t++) rows[t][c] -= (float)(sum / (ASR_PRIOR_FRAMES + total));
  }
  return (float)(ASR_PRIOR_FRAMES / (ASR_PRIOR_FRAMES + total));
}
#endif

static float asr_value(float (*rows)[ASR_NUM_CEPSTRA], int count, int t, int c, int order) { /* a cepstrum or its slope */
  float slope = 0, norm = 0;
  int n;
  t = t < 0 ? 0 : t < count ? t : count - 1;
  if (!order) return rows[t][c];
  for (n = 1; n <= ASR_DELTA_WINDOW; n++) {
    slope += (float)n * (asr_value(rows, count, t + n, c, order - 1) - asr_value(rows, count, t - n, c, order - 1));
    norm += (float)(2 * n * n);
  }
  return slope / norm;
}

/* Frame t of the features, `count` frames of which make an utterance; warped. */
static void asr_features(asr_recognizer *r, float (*rows)[ASR_NUM_CEPSTRA], int count, int t, int warp, float *to) {
  float plain[ASR_WIDTH];
  int i, k;
  for (k = 0; k < ASR_STACK; k++, to += ASR_WIDTH) {
    const int frame = t * ASR_STACK + k < count ? t * ASR_STACK + k : count - 1;
    for (i = 0; i < ASR_WIDTH; i++) {
      plain[i] = asr_value(rows, count, frame, i % ASR_NUM_CEPSTRA, i / ASR_NUM_CEPSTRA);
      plain[i] = (plain[i] - r->less[i]) * r->scale[i];
    }
#if ASR_NUM_WARPS > 1
    for (i = 0; i < ASR_WIDTH; i++) {
      float sum = asr_warp_offsets[warp * ASR_WIDTH + i] * r->prior_share;
      int j;
      for (j = 0; j < ASR_WIDTH; j++) sum += plain[j] * asr_warps[(warp * ASR_WIDTH + j) * ASR_WIDTH + i];
      to[i] = sum;
    }
#else
    (void)warp;
    memcpy(to, plain, sizeof plain);
#endif
  }
}

static void asr_normalise(asr_recognizer *r, float (*rows)[ASR_NUM_CEPSTRA], int count) { /* what is less, what scales */
  int i;
#if ASR_MEAN == ASR_OF_SPEECH
  r->prior_share = asr_centre(r, rows, count);
#else
  r->prior_share = ASR_MEAN == ASR_OF_CORPUS;
#endif
  for (i = 0; i < ASR_WIDTH; i++) {
    r->less[i] = 0, r->scale[i] = 1;
#if ASR_MEAN == ASR_OF_CORPUS
    r->less[i] = asr_mean[i];
#endif
#if ASR_VARIANCE == ASR_OF_CORPUS
    r->scale[i] = 1 / asr_std[i];
#endif
#if ASR_MEAN == ASR_OF_UTTERANCE || ASR_VARIANCE == ASR_OF_UTTERANCE
    {
      double sum = 0, squares = 0;
      float deviation;
      int t;
      for (t = 0; t < count; t++) sum += (double)asr_value(rows, count, t, i % ASR_NUM_CEPSTRA, i / ASR_NUM_CEPSTRA);
      sum /= count;
      for (t = 0; t < count; t++) {
        const double off = (double)asr_value(rows, count, t, i % ASR_NUM_CEPSTRA, i / ASR_NUM_CEPSTRA) - sum;
        squares += off * off;
      }
      deviation = (float)sqrt(squares / count);
      if (ASR_MEAN == ASR_OF_UTTERANCE) r->less[i] = (float)sum;
      if (ASR_VARIANCE == ASR_OF_UTTERANCE) r->scale[i] = 1 / (deviation > 1e-3f ? deviation : 1e-3f);
    }
#endif
  }
  (void)rows, (void)count;
}

static float asr_dot(const asr_weight *weights, const float *values, int count) {
  float a = 0, b = 0, c = 0, d = 0;
  int i = 0;
  for (; i + 3 < count; i += 4) {
    a += (float)weights[i] * values[i], b += (float)weights[i + 1] * values[i + 1];
    c += (float)weights[i + 2] * values[i + 2], d += (float)weights[i + 3] * values[i + 3];
  }
  for (; i < count; i++) a += (float)weights[i] * values[i];
  return (a + b) + (c + d);
}

/* A layer in one direction over an utterance of `length` frames (Hochreiter & Schmidhuber 1997). */
static void asr_direction(asr_recognizer *r, int index, int direction, int start, int count, int length, int warp) {
  const asr_layer *layer = &asr_layers[index];
  const int size = layer->size, width = layer->width, is_last = index == ASR_NUM_LAYERS - 1;
  const int rows = 4 * size, first = direction * rows;
  float *gates = r->gates, *hidden = r->hidden, *cell = r->cell;
  int step, g, u, v;
  memset(hidden, 0, (size_t)size * sizeof *hidden);
  memset(cell, 0, (size_t)size * sizeof *cell);
  for (step = 0; step < length; step++) {
    const int t = direction ? length - 1 - step : step;
    const float *input = r->input;
    if (index)
      input = r->work.layers[(index - 1) & ASR_LAYER_MASK][t];
    else
      asr_features(r, r->cepstra + start, count, t, warp, r->input);
    for (g = 0; g < rows; g++) {
      const float x = asr_dot(layer->inputs + (size_t)(first + g) * (size_t)width, input, width);
      const float h = asr_dot(layer->recurrent + (size_t)(first + g) * (size_t)size, hidden, size);
      const float sum = layer->bias[first + g] + ASR_SCALED(x, layer->input_scales, first + g) + ASR_SCALED(h, layer->recurrent_scales, first + g);
      gates[g] = g < 3 * size ? 1 / (1 + expf(-sum)) : tanhf(sum);
    }
    for (u = 0; u < size; u++) {
      cell[u] = gates[2 * size + u] * cell[u] + gates[u] * gates[3 * size + u];
      hidden[u] = gates[size + u] * tanhf(cell[u]);
    }
    if (!is_last) {
      memcpy(r->work.layers[index & ASR_LAYER_MASK][t] + direction * size, hidden, (size_t)size * sizeof *hidden);
      continue;
    }
    for (v = 0; v < ASR_NUM_TOKENS; v++) {
      const float sum = asr_dot(asr_head + (size_t)v * ASR_HEAD_WIDTH + direction * size, hidden, size);
      r->logits[t][v] = (direction ? r->logits[t][v] : asr_head_bias[v]) + ASR_SCALED(sum, asr_head_scales, v);
    }
  }
}

static void asr_log_softmax(float *row) {
  float most = row[0], sum = 0;
  int v;
  for (v = 1; v < ASR_NUM_TOKENS; v++) most = row[v] > most ? row[v] : most;
  for (v = 0; v < ASR_NUM_TOKENS; v++) sum += expf(row[v] - most);
  for (v = 0; v < ASR_NUM_TOKENS; v++) row[v] -= most + logf(sum);
}

/* `count` frames of cepstra from `start` on -> r->log_probs; returns how many rows these have. */
static int asr_network(asr_recognizer *r, int start, int count) {
  const int length = (count + ASR_STACK - 1) / ASR_STACK;
  int warp, index, direction, t;
  asr_normalise(r, r->cepstra + start, count);
  for (warp = 0; warp < ASR_NUM_WARPS; warp++) {
    for (index = 0; index < ASR_NUM_LAYERS; index++)
      for (direction = 0; direction < asr_layers[index].directions; direction++)
        asr_direction(r, index, direction, start, count, length, warp);
    for (t = 0; t < length; t++) {
      asr_log_softmax(r->logits[t]);
#if ASR_NUM_WARPS > 1
      {
        int v;
        for (v = 0; v < ASR_NUM_TOKENS; v++)
          r->log_probs[t][v] = (warp ? r->log_probs[t][v] : 0) + r->logits[t][v] / ASR_NUM_WARPS;
        if (warp == ASR_NUM_WARPS - 1) asr_log_softmax(r->log_probs[t]);
      }
#endif
    }
  }
  return length;
}
