/* ---- Memory, fixed when this file is compiled ---- */

#ifndef ASR_MAX_MS /* the longest utterance */
#define ASR_MAX_MS 4000
#endif
#ifndef ASR_LIVE /* whether endless sound may be recognised, cut in its pauses */
#define ASR_LIVE 1
#endif
#ifndef ASR_MAX_TEXT
#define ASR_MAX_TEXT 512
#endif
#ifndef ASR_MAX_PREFIXES /* that the beam holds, and their beginnings */
#define ASR_MAX_PREFIXES 1024
#endif

#define ASR_MAX_SAMPLES ((int32_t)((int64_t)ASR_MAX_MS * ASR_SAMPLE_RATE / 1000))
#define ASR_MAX_FRAMES ((int)((int64_t)ASR_MAX_MS * ASR_SAMPLE_RATE / 1000 / ASR_HOP) + 2 * ASR_PADDING_FRAMES + 2)
#define ASR_MAX_ROWS ((ASR_MAX_FRAMES + ASR_STACK - 1) / ASR_STACK)
#define ASR_SEGMENTER (ASR_CUTS || ASR_LIVE)
#define ASR_MOST_AHEAD (ASR_SPEECH_FIRST_STEPS > ASR_SPEECH_AHEAD + 1 ? ASR_SPEECH_FIRST_STEPS : ASR_SPEECH_AHEAD + 1)
#define ASR_LAG (10 * (ASR_MOST_AHEAD + 1) + 2 * ASR_SPEECH_HALF + 10) /* frames that the segments are behind the sound */
#define ASR_EPS 2.220446049250313e-16f

typedef struct {
  int32_t frame, start, speech_end, loud_end, longest;
  int run, loud_run, num_last, num_recent, num_bands, num_smooth, num_sampled, num_compared, num_new, num_cuts, has_begun;
  float energies[ASR_MAX_FRAMES], last[ASR_SPEECH_MIN_SPEECH], recent[ASR_SPEECH_LOUD + 1];
  int32_t recent_frames[ASR_SPEECH_LOUD + 1];
  float bands[3 * ASR_SPEECH_HALF + 20][ASR_NUM_FILTERS + 1];
  float smooth[10 * (ASR_MOST_AHEAD + 3)][ASR_NUM_FILTERS + 1];
  float sampled[2 * (ASR_SPEECH_WINDOW + ASR_MOST_AHEAD + 3)][ASR_NUM_FILTERS + 1];
  float sorted[2 * (ASR_SPEECH_WINDOW + ASR_MOST_AHEAD + 3)];
} asr_speech;

typedef struct { /* a string of tokens, and the probability of its paths */
  float blank, end, next_blank, next_end, bias;
  int32_t state;
  int16_t parent, child, sibling, token;
  uint8_t is_offered;
} asr_prefix;

typedef struct {
  asr_prefix prefixes[ASR_MAX_PREFIXES];
  int16_t order[ASR_MAX_PREFIXES], spare[ASR_MAX_PREFIXES];
  int num_order, num_beam, num_spare;
} asr_beam;

typedef struct {
  int is_live, has_text, num_held, num_frames, first_frame;
  int32_t num_samples, pending, dropped;
  float before, peak, prior_share;
  float samples[ASR_WINDOW_SPAN], head[ASR_WINDOW_SPAN], re[ASR_FFT_SIZE], im[ASR_FFT_SIZE];
  float cepstra[ASR_MAX_FRAMES][ASR_NUM_CEPSTRA];
#if ASR_MEAN == ASR_OF_SPEECH
  float weights[ASR_MAX_FRAMES];
#endif
  float less[ASR_NUM_CEPSTRA * (1 + ASR_DELTAS)], scale[ASR_NUM_CEPSTRA * (1 + ASR_DELTAS)];
  float gates[4 * ASR_MAX_SIZE], hidden[ASR_MAX_SIZE], cell[ASR_MAX_SIZE], input[ASR_STACK * ASR_NUM_CEPSTRA * (1 + ASR_DELTAS)];
  union { /* the layers' outputs, and then the beam */
    float layers[ASR_LAYER_MASK + 1][ASR_MAX_ROWS][ASR_MAX_WIDTH];
#if ASR_HAS_AUTOMATON
    asr_beam beam;
#endif
  } work;
  float logits[ASR_MAX_ROWS][ASR_NUM_TOKENS];
#if ASR_NUM_WARPS > 1
  float log_probs[ASR_MAX_ROWS][ASR_NUM_TOKENS];
#endif
#if ASR_SEGMENTER
  asr_speech speech;
#endif
  char text[ASR_MAX_TEXT];
} asr_recognizer;

#if ASR_NUM_WARPS > 1
#define ASR_LOG_PROBS(r) ((r)->log_probs)
#else
#define ASR_LOG_PROBS(r) ((r)->logits)
#endif

#if ASR_SEGMENTER
static void asr_segment_frame(asr_recognizer *r, const float *cepstrum);
#endif
