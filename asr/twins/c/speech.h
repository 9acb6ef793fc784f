#if ASR_SEGMENTER
/* ---- Cepstra -> segments, cut in pauses: what asr/endpointing.py does, frame by frame ---- */

#define ASR_DB 4.3429448190325175f

static void asr_cut(asr_recognizer *r, int32_t end, int is_speech);

static void asr_sort(float *values, int count) { /* Shell 1959 */
  int gap, i, j;
  for (gap = count / 2; gap; gap /= 2)
    for (i = gap; i < count; i++) {
      const float value = values[i];
      for (j = i; j >= gap && values[j - gap] > value; j -= gap) values[j] = values[j - gap];
      values[j] = value;
    }
}

static int32_t asr_rounded(int32_t frame) { return frame < 0 ? -((-frame + ASR_STACK - 1) / ASR_STACK) * ASR_STACK : frame / ASR_STACK * ASR_STACK; }

static void asr_do_cut(asr_recognizer *r, int32_t end, int is_speech) {
  asr_speech *s = &r->speech;
  const int32_t count = end - s->start;
  asr_cut(r, end, is_speech);
  memmove(s->energies, s->energies + count, (size_t)(s->frame - end) * sizeof *s->energies);
  s->start = end;
  s->speech_end = -1;
  s->num_cuts++;
}

/* Cut at the quietest of frames [first, last), if they are in the open segment and it speaks before them. */
static void asr_divide(asr_recognizer *r, int32_t first, int32_t last) {
  asr_speech *s = &r->speech;
  const int32_t speech_end = s->speech_end;
  int32_t i, best = first;
  if (first <= s->start || speech_end < 0) return;
  for (i = first; i < last && i < s->frame; i++)
    if (s->energies[i - s->start] < s->energies[best - s->start]) best = i;
  best = asr_rounded(best);
  if (best <= s->start) return;
  asr_do_cut(r, best, 1);
  s->speech_end = speech_end > best ? speech_end : -1;
}

static float asr_loudest(asr_speech *s, int32_t frame, float energy) { /* of the last frames, that lasts */
  float lasting;
  int i;
  s->last[s->num_last++ % ASR_SPEECH_MIN_SPEECH] = energy;
  lasting = energy;
  for (i = 0; i < ASR_SPEECH_MIN_SPEECH && i < s->num_last; i++) lasting = s->last[i] < lasting ? s->last[i] : lasting;
  while (s->num_recent && s->recent[s->num_recent - 1] <= lasting) s->num_recent--;
  s->recent_frames[s->num_recent] = frame;
  s->recent[s->num_recent++] = lasting;
  if (s->recent_frames[0] <= frame - ASR_SPEECH_LOUD) {
    s->num_recent--;
    memmove(s->recent, s->recent + 1, (size_t)s->num_recent * sizeof *s->recent);
    memmove(s->recent_frames, s->recent_frames + 1, (size_t)s->num_recent * sizeof *s->recent_frames);
  }
  return s->recent[0];
}

static void asr_speech_frame(asr_recognizer *r, int is_speech, float energy) {
  asr_speech *s = &r->speech;
  const int32_t frame = s->frame++;
  int32_t quiet, begin, last;
  s->energies[frame - s->start] = energy;
  s->run = is_speech ? s->run + 1 : 0;
  if (s->run >= ASR_SPEECH_MIN_SPEECH) {
    if (s->run == ASR_SPEECH_MIN_SPEECH) { /* speech begins again */
      begin = frame + 1 - s->run;
      if (s->speech_end < 0) {
        last = asr_rounded(begin - ASR_SPEECH_MARGIN);
        if (last > s->start) asr_do_cut(r, last, 0);
      } else if (begin - s->speech_end >= ASR_SPEECH_MIN_SILENCE) {
        asr_divide(r, s->speech_end, begin);
      }
    }
    s->speech_end = frame + 1;
  }
  is_speech = asr_loudest(s, frame, energy) - ASR_PAUSE_DB <= energy && is_speech; /* louder than a pause */
  s->loud_run = is_speech ? s->loud_run + 1 : 0;
  if (s->loud_run >= ASR_SPEECH_MIN_SPEECH) {
    begin = frame + 1 - s->loud_run;
    if (s->loud_run == ASR_SPEECH_MIN_SPEECH && begin - s->loud_end >= ASR_SPEECH_MIN_SILENCE)
      asr_divide(r, s->loud_end, begin);
    s->loud_end = frame + 1;
  }
  quiet = frame + 1 - s->run;
  if (s->speech_end < 0) {
    if (asr_rounded(quiet - ASR_SPEECH_MARGIN) - s->start >= s->longest) asr_do_cut(r, s->start + s->longest, 0);
  } else if (quiet - s->speech_end > (ASR_SPEECH_MIN_SILENCE > 2 * ASR_SPEECH_MARGIN ? ASR_SPEECH_MIN_SILENCE : 2 * ASR_SPEECH_MARGIN)) {
    asr_do_cut(r, asr_rounded(s->speech_end + ASR_SPEECH_MARGIN), 1);
  }
  if (s->frame - s->start >= s->longest && s->speech_end >= 0) asr_divide(r, s->start + s->longest / 2, s->frame);
}

static float asr_above(const float *bands, const float *noise) { /* root mean square of what is above the noise */
  float sum = 0;
  int b;
  for (b = 0; b < ASR_NUM_FILTERS; b++) {
    const float more = bands[b] - noise[b];
    if (more > 0) sum += more * more;
  }
  return sqrtf(sum / ASR_NUM_FILTERS);
}

/* The noise in each band of smoothed frames: that of the quietest which are recorded at all. */
static void asr_noise_of(asr_speech *s, int first, int count, float *noise) {
  int i, b, num_sounds = 0, wanted, below = 0, taken = 0;
  float limit;
  for (i = 0; i < count; i++)
    if (s->sampled[first + i][ASR_NUM_FILTERS] > ASR_MIN_NOISE_DB) s->sorted[num_sounds++] = s->sampled[first + i][ASR_NUM_FILTERS];
  for (b = 0; b < ASR_NUM_FILTERS; b++) noise[b] = num_sounds ? 0 : ASR_MIN_NOISE_DB;
  if (!num_sounds) return;
  wanted = (int)(ASR_NOISE_SHARE * num_sounds) + 1;
  asr_sort(s->sorted, num_sounds);
  limit = s->sorted[wanted - 1];
  while (below < wanted && s->sorted[below] < limit) below++;
  for (i = 0; i < count; i++) {
    const float energy = s->sampled[first + i][ASR_NUM_FILTERS];
    if (energy <= ASR_MIN_NOISE_DB || energy > limit || (energy == limit && taken++ >= wanted - below)) continue;
    for (b = 0; b < ASR_NUM_FILTERS; b++) noise[b] += s->sampled[first + i][b] / wanted;
  }
}

static void asr_compare(asr_recognizer *r, int is_end) { /* steps of which enough of the future is known */
  asr_speech *s = &r->speech;
  const int num_known = is_end ? (s->num_smooth + 9) / 10 : s->num_smooth / 10, first = s->num_compared;
  const int begin = first > ASR_SPEECH_WINDOW ? first - ASR_SPEECH_WINDOW : 0;
  int step, i, done = 0, skip;
  for (step = first; step < first + num_known; step++) {
    const int end = step + 1 + ASR_SPEECH_AHEAD > ASR_SPEECH_FIRST_STEPS ? step + 1 + ASR_SPEECH_AHEAD : ASR_SPEECH_FIRST_STEPS;
    const int from = ((step > ASR_SPEECH_WINDOW ? step - ASR_SPEECH_WINDOW : 0) - begin) * 2;
    int count = (end - begin) * 2 - from;
    float noise[ASR_NUM_FILTERS], threshold;
    if (end > first + num_known && !is_end) break;
    if (count > s->num_sampled - from) count = s->num_sampled - from;
    asr_noise_of(s, from, count, noise);
    for (i = 0; i < count; i++) s->sorted[i] = asr_above(s->sampled[from + i], noise);
    asr_sort(s->sorted, count);
    threshold = ASR_UNSTEADY * s->sorted[(int)(ASR_USUAL_SHARE * count)];
    threshold = threshold < ASR_THRESHOLD_DB ? ASR_THRESHOLD_DB : threshold;
    threshold = threshold > ASR_MAX_THRESHOLD_DB ? ASR_MAX_THRESHOLD_DB : threshold;
    for (i = done * 10; i < done * 10 + 10 && i < s->num_smooth; i++)
      asr_speech_frame(r, asr_above(s->smooth[i], noise) > threshold, s->smooth[i][ASR_NUM_FILTERS]);
    done++;
  }
  s->num_compared += done;
  i = done * 10 < s->num_smooth ? done * 10 : s->num_smooth;
  s->num_smooth -= i;
  memmove(s->smooth, s->smooth + i, (size_t)s->num_smooth * sizeof *s->smooth);
  skip = ((s->num_compared > ASR_SPEECH_WINDOW ? s->num_compared - ASR_SPEECH_WINDOW : 0) - begin) * 2;
  s->num_sampled -= skip < s->num_sampled ? skip : s->num_sampled;
  memmove(s->sampled, s->sampled + skip, (size_t)s->num_sampled * sizeof *s->sampled);
}

static void asr_smooth(asr_recognizer *r, int is_end) { /* medians of each frame and its neighbours */
  asr_speech *s = &r->speech;
  int count, i, k, b;
  if (is_end)
    for (i = 0; i < ASR_SPEECH_HALF && s->num_bands; i++, s->num_bands++)
      memcpy(s->bands[s->num_bands], s->bands[s->num_bands - 1], sizeof *s->bands);
  count = s->num_bands - 2 * ASR_SPEECH_HALF;
  count = count < 0 ? 0 : is_end ? count : count / 10 * 10;
  for (i = 0; i < count; i++) {
    float *to = s->smooth[s->num_smooth++];
    for (b = 0; b <= ASR_NUM_FILTERS; b++) {
      float around[2 * ASR_SPEECH_HALF + 1];
      for (k = 0; k <= 2 * ASR_SPEECH_HALF; k++) around[k] = s->bands[i + k][b];
      asr_sort(around, 2 * ASR_SPEECH_HALF + 1);
      to[b] = around[ASR_SPEECH_HALF];
    }
    if (i % 5 == 0) memcpy(s->sampled[s->num_sampled++], to, sizeof *s->sampled);
  }
  s->num_bands -= count;
  memmove(s->bands, s->bands + count, (size_t)s->num_bands * sizeof *s->bands);
  asr_compare(r, is_end);
}

/* The next frame. The longest segment of the model, or as long a one as memory holds, is cut. */
static void asr_segment_frame(asr_recognizer *r, const float *cepstrum) {
  asr_speech *s = &r->speech;
  float *bands = s->bands[s->num_bands], sum = 0;
  int b, c;
  for (b = 0; b < ASR_NUM_FILTERS; b++) {
    float shape = 0;
    for (c = 1; c < ASR_NUM_CEPSTRA; c++) shape += cepstrum[c] * asr_band_basis[(c - 1) * ASR_NUM_FILTERS + b];
    bands[b] = ASR_HAS_LOG_ENERGY ? shape : shape + ASR_DB * cepstrum[0] / sqrtf(ASR_NUM_FILTERS);
    sum += expf(bands[b] / ASR_DB);
  }
  if (ASR_HAS_LOG_ENERGY)
    for (b = 0; b < ASR_NUM_FILTERS; b++) bands[b] += ASR_DB * (cepstrum[0] - logf(sum));
  bands[ASR_NUM_FILTERS] = ASR_DB * (ASR_HAS_LOG_ENERGY ? cepstrum[0] : logf(sum));
  if (!s->has_begun) { /* the first frame stands for those before it, too */
    s->has_begun = 1;
    for (b = 1; b <= ASR_SPEECH_HALF; b++) memcpy(s->bands[b], s->bands[0], sizeof *s->bands);
    s->num_bands = ASR_SPEECH_HALF;
  }
  s->num_bands++;
  if (++s->num_new == 10) s->num_new = 0, asr_smooth(r, 0);
}

static void asr_segment_end(asr_recognizer *r) {
  asr_speech *s = &r->speech;
  int32_t end, last;
  int cuts, is_unknown;
  if (!s->has_begun) return;
  asr_smooth(r, 1);
  end = s->frame;
  cuts = s->num_cuts;
  if (s->speech_end >= 0) {
    last = asr_rounded(s->speech_end + ASR_SPEECH_MARGIN);
    asr_do_cut(r, last < end ? last : end, 1);
  }
  is_unknown = s->num_cuts == cuts && !s->start && end < ASR_SPEECH_FIRST;
  while (end > s->start) asr_do_cut(r, end < s->start + s->longest ? end : s->start + s->longest, is_unknown);
}
#endif
