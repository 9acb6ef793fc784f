/* ---- Sound -> text ---- */

static void asr_recognise(asr_recognizer *r, int start, int count) { /* adds the text of frames of cepstra */
  if (r->has_text) r->text[0] = 0, r->has_text = 0;
  if (count > 0) {
    const int length = asr_network(r, start, count);
#ifdef ASR_ON_LOG_PROBS /* called with an array of rows of ASR_NUM_TOKENS, and how many there are */
    ASR_ON_LOG_PROBS(ASR_LOG_PROBS(r), length);
#endif
    asr_decode(r, length);
  }
}

#if ASR_SEGMENTER
/* A segment ends before frame `end` of the sound. That of an utterance waits, as the last takes what follows, too. */
static void asr_cut(asr_recognizer *r, int32_t end, int is_speech) {
  if (r->is_live) {
    const int count = (int)(end - r->dropped);
    if (is_speech) asr_recognise(r, 0, count);
    r->num_frames -= count;
    memmove(r->cepstra, r->cepstra + count, (size_t)r->num_frames * sizeof *r->cepstra);
    r->dropped = end;
    return;
  }
  if (r->pending >= 0) {
    const int32_t first = (ASR_PADDING_FRAMES + r->speech.start) / ASR_STACK * ASR_STACK;
    if (r->dropped) asr_recognise(r, r->pending, (int)(first - r->pending));
    r->pending = first;
  } else {
    r->pending = 0;
  }
  r->dropped = is_speech; /* of the segment that is pending */
}
#endif

static void asr_restart(asr_recognizer *r, int is_live) { /* all is as at first, but for the text */
  memset(r, 0, offsetof(asr_recognizer, text));
  r->is_live = is_live && ASR_LIVE;
  r->num_frames = r->first_frame = r->is_live ? 0 : ASR_PADDING_FRAMES;
  r->pending = -1;
#if ASR_SEGMENTER
  r->speech.speech_end = -1;
  r->speech.longest = ASR_SPEECH_LONGEST;
  if (r->is_live && r->speech.longest > (ASR_MAX_FRAMES - ASR_LAG) / ASR_STACK * ASR_STACK)
    r->speech.longest = (ASR_MAX_FRAMES - ASR_LAG) / ASR_STACK * ASR_STACK;
#endif
}

/* Begin; `is_live`: sound that may be endless, which is recognised in each of its pauses. */
static inline void asr_start(asr_recognizer *r, int is_live) {
  r->text[0] = 0;
  asr_restart(r, is_live);
}

/* The next samples, at ASR_SAMPLE_RATE; returns how many there was room for: all of them in live sound. */
static inline size_t asr_feed(asr_recognizer *r, const int16_t *samples, size_t count) {
  size_t i = 0;
  while (i < count && asr_add(r, (float)samples[i] / 32768)) i++;
  return i;
}

/* The same for samples from -1 to 1. */
static inline size_t asr_feed_float(asr_recognizer *r, const float *samples, size_t count) {
  size_t i = 0;
  while (i < count && asr_add(r, samples[i])) i++;
  return i;
}

/* The text of all that was fed, and another utterance may begin; of live sound what has been recognised since the last
   call, "" for nothing. Valid until the next call. */
static inline const char *asr_result(asr_recognizer *r) {
  if (!r->is_live) {
    r->text[0] = 0;
    if (r->num_samples) {
      asr_finish_frames(r);
#if ASR_CUTS
      {
        int t;
        const int last = r->num_frames - ASR_PADDING_FRAMES;
        for (t = ASR_PADDING_FRAMES; t < last; t++) asr_segment_frame(r, r->cepstra[t]);
        asr_segment_end(r);
        if (r->pending < 0) r->pending = 0, r->dropped = 1;
        if (r->dropped) asr_recognise(r, r->pending, r->num_frames - r->pending);
      }
#else
      asr_recognise(r, 0, r->num_frames);
#endif
    }
    asr_restart(r, 0);
    r->has_text = 1;
    return r->text;
  }
  if (r->has_text) r->text[0] = 0;
  r->has_text = 1;
  return r->text;
}

#if ASR_LIVE
/* Live sound has ended: what is still open is recognised. */
static inline void asr_end(asr_recognizer *r) {
  if (!r->is_live || !r->num_samples) return;
  asr_finish_frames(r);
  asr_segment_end(r);
}
#endif
