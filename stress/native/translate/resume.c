/* A search in full that goes on in another process: all that it has to know. Stands behind explore.c.
 *
 * That is what has been counted, the way to the state on top with what is left to be done on it, and the names of the
 * states that were seen. The state itself is come to by making the way again, and every state on it must have its
 * name. Whoever takes the words up looks at each before it is used: they come from a file.
 */
enum { COUNT_WORDS = sizeof N / 8, LEVEL_WORDS = sizeof(struct level) / 8 };
#define CANNOT WRONG_GUESS

/* How many words it is. */
EXPORT i64 zap_kept_words(void) { return COUNT_WORDS + 1 + (depth + 1) * LEVEL_WORDS + N.states; }
EXPORT void zap_keep(i64 *out) {
  memcpy(out, &N, sizeof N), out += COUNT_WORDS, *out++ = depth;
  memcpy(out, levels, (depth + 1) * sizeof *levels), out += (depth + 1) * LEVEL_WORDS;
  for (i64 k = 0; k < table_words; k++) if (table[k]) *out++ = (i64)table[k];
}
/* Take up states that were seen; return 0 if one is none, or is there twice. */
static int take_up_names(const i64 *in, const i64 *end) {
  for (; in < end; in++) {
    u64 *to = slot_of(table, table_words, (u64)*in);
    if (!((u64)*in & ~1ull) || *to) return 0;
    *to = (u64)*in;
  }
  return 1;
}
static int is_level(const struct level *l) {
  return l->slot >= 0 && l->slot < W->slots && l->nr <= DRAWN_MAX && !l->again && !(l->todo >> 1 >> (W->slots - 1));
}
/* Make the way again; return 0 if it cannot be made, or leads elsewhere. */
static int take_up_way(i64 deep) {
  for (depth = 0; depth <= deep; depth++) {
    const struct level *l = levels + depth;
    if (name_within(-1, 0) != (l->name & ~1ull) || !is_level(l)) return 0;
    if (depth == deep) return 1;
    if (l->nr < 0 || S.state[l->slot]) return 0;
    given_nr = l->nr;
    for (i64 k = 0; k < l->nr; k++) given[k] = l->choice[k];
    if (forward(l->slot)) return 0;
  }
  return 0;
}
/* Stand where a search stood that was kept; return 0, or why that cannot be. */
EXPORT i64 zap_take_up(const i64 *in, i64 words, i64 words_most) {
  const i64 *end = in + words;
  if (begin_table(words_most) || !begin_futures(0)) return OUT_OF_MEMORY;
  if (words < COUNT_WORDS + 1 + LEVEL_WORDS) return CANNOT;
  memcpy(&N, in, sizeof N), in += COUNT_WORDS;
  i64 deep = *in++;
  if (N.states < 0 || deep < 0 || deep + 2 >= depth_room || end - in != (deep + 1) * LEVEL_WORDS + N.states) return CANNOT;
  memcpy(levels, in, (deep + 1) * sizeof *levels), in += (deep + 1) * LEVEL_WORDS;
  while (N.states + N.states / 2 >= table_words) if (!larger()) return FULL;
  N.table = table_words;
  if (!take_up_names(in, end) || !take_up_way(deep)) return CANNOT;
  for (i64 k = 0; k < RUNS_NR; k++) *runs[k] = 0; /* what ran on the way has been counted */
  return 0;
}
