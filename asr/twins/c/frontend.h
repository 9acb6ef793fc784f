/* ---- Waveform -> cepstra: python_speech_features' MFCCs, a frame at a time ---- */

#if ASR_PADDING
static float asr_noise(uint32_t i) { /* sample i of white noise of variance 1, its number mixed as MurmurHash3 does */
  uint32_t bits = i + 1;
  bits = (bits ^ bits >> 16) * 0x85EBCA6BU;
  bits = (bits ^ bits >> 13) * 0xC2B2AE35U;
  bits ^= bits >> 16;
  return (float)((bits / 4294967296.0 - 0.5) * 3.4641016151377544);
}
#endif

static void asr_fft(float *re, float *im) { /* in place (Cooley & Tukey 1965) */
  int i, j, k, half, bit;
  for (i = 1, j = 0; i < ASR_FFT_SIZE; i++) {
    for (bit = ASR_FFT_SIZE >> 1; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      float t = re[i];
      re[i] = re[j], re[j] = t, t = im[i], im[i] = im[j], im[j] = t;
    }
  }
  for (half = 1; half < ASR_FFT_SIZE; half <<= 1)
    for (k = 0; k < half; k++) {
      const float c = asr_cos[k * (ASR_FFT_SIZE / 2 / half)], s = -asr_sin[k * (ASR_FFT_SIZE / 2 / half)];
      for (i = k; i < ASR_FFT_SIZE; i += 2 * half) {
        const float x = re[i + half] * c - im[i + half] * s, y = re[i + half] * s + im[i + half] * c;
        re[i + half] = re[i] - x, im[i + half] = im[i] - y, re[i] += x, im[i] += y;
      }
    }
}

/* The cepstrum of `count` samples, silence behind them, the sample `before` in front. */
static void asr_cepstrum(asr_recognizer *r, const float *samples, int count, float before, float *cepstrum) {
  const float *weights = asr_filter_weights;
  float *re = r->re, *im = r->im, energies[ASR_NUM_FILTERS], total = 0, mean = 0;
  int i, k, c;
  memset(re, 0, sizeof r->re);
  memset(im, 0, sizeof r->im);
  for (i = 0; i < ASR_WINDOW_SIZE && i < count; i++)
    re[i] = (samples[i] - ASR_PREEMPHASIS * (i ? samples[i - 1] : before)) * asr_window[i];
  asr_fft(re, im);
  for (i = 0; i <= ASR_FFT_SIZE / 2; i++) total += re[i] = re[i] * re[i] + im[i] * im[i];
  for (k = 0; k < ASR_NUM_FILTERS; k++) {
    float sum = 0;
    for (i = 0; i < asr_filter_count[k]; i++) sum += re[asr_filter_first[k] + i] * *weights++;
    energies[k] = sum == 0 ? ASR_EPS : sum;
    mean += energies[k] / ASR_NUM_FILTERS;
  }
  memset(cepstrum, 0, ASR_NUM_CEPSTRA * sizeof *cepstrum);
  for (k = 0; k < ASR_NUM_FILTERS; k++) {
    const float level = logf(energies[k] < mean * ASR_FLOOR ? mean * ASR_FLOOR : energies[k]);
    for (c = 0; c < ASR_NUM_CEPSTRA; c++) cepstrum[c] += level * asr_cosines[k * ASR_NUM_CEPSTRA + c];
  }
  if (ASR_HAS_LOG_ENERGY) cepstrum[0] = logf(total == 0 ? ASR_EPS : total / ASR_FFT_SIZE);
}

static void asr_add_frame(asr_recognizer *r, int count) {
  if (r->num_frames >= ASR_MAX_FRAMES) return;
  asr_cepstrum(r, r->samples, count, r->before, r->cepstra[r->num_frames++]);
#if ASR_SEGMENTER
  if (r->is_live) asr_segment_frame(r, r->cepstra[r->num_frames - 1]);
#endif
}

static void asr_add_sample(asr_recognizer *r, float sample) {
  r->samples[r->num_held++] = sample;
  if (r->num_held < ASR_WINDOW_SPAN) return;
  asr_add_frame(r, ASR_WINDOW_SPAN);
  r->before = r->samples[ASR_HOP - 1];
  r->num_held = ASR_WINDOW_SPAN - ASR_HOP;
  memmove(r->samples, r->samples + ASR_HOP, (ASR_WINDOW_SPAN - ASR_HOP) * sizeof *r->samples);
}

static int asr_add(asr_recognizer *r, float sample) { /* 0: there is no room for it */
  if (!r->is_live && r->num_samples >= ASR_MAX_SAMPLES) return 0;
#if ASR_PADDING
  if (r->num_samples < ASR_WINDOW_SPAN) r->head[r->num_samples] = sample;
  if (fabsf(sample) > r->peak) r->peak = fabsf(sample);
#endif
  r->num_samples++;
  asr_add_sample(r, sample);
  return 1;
}

#if ASR_PADDING
static float asr_padded(const asr_recognizer *r, int32_t i) { /* sample i of the sound between its padding */
  const float level = 1e-3f * r->peak;
  if (i < ASR_PADDING) return asr_noise((uint32_t)i) * level;
  if (i - ASR_PADDING < r->num_samples) return r->head[i - ASR_PADDING];
  return asr_noise((uint32_t)(i - r->num_samples)) * level;
}
#endif

static void asr_finish_frames(asr_recognizer *r) { /* the sound has ended: padding, and what fills no window */
  const int kept = ASR_WINDOW_SPAN - ASR_HOP;
#if ASR_PADDING
  int frame, i;
  const int32_t length = r->num_samples + 2 * ASR_PADDING;
  if (!r->is_live) {
    for (i = 0; i < ASR_PADDING; i++) asr_add_sample(r, asr_noise((uint32_t)(ASR_PADDING + i)) * 1e-3f * r->peak);
  }
#endif
  if (r->num_held > (r->num_frames > r->first_frame ? kept : -1) || r->num_frames == r->first_frame)
    asr_add_frame(r, r->num_held);
#if ASR_PADDING
  if (r->is_live) return;
  for (frame = 0; frame <= ASR_PADDING_FRAMES; frame++) { /* those that the padding before the sound is in */
    const int32_t begin = (int32_t)frame * ASR_HOP;
    int count = 0;
    for (; count < ASR_WINDOW_SPAN && begin + count < length; count++) r->samples[count] = asr_padded(r, begin + count);
    asr_cepstrum(r, r->samples, count, frame ? asr_padded(r, begin - 1) : 0, r->cepstra[frame]);
  }
#endif
}
