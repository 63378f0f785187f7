/* Depth first through all states, behind search.c.
 *
 * A state is expanded by one actor alone where its transition touches nothing that any other actor, unless it has
 * finished, conflicts with *anywhere in the search*: all others' transitions commute with it, so it may come first
 * (a persistent set of one; Godefroid, LNCS 1032, 1996, and Clarke, Grumberg, Minea and Peled, STTT 1999, who call
 * it ample). Who touches what is not known beforehand. It is assumed from what has been seen, every transition that
 * is made is held against what has been assumed, and one that does not fit ends the attempt: it begins again,
 * knowing better. An attempt that comes to its end has seen no such transition, and by induction over its states
 * there is none. One state of each cycle is expanded in full: the one at which it is closed.
 */
enum { SLICE_OVER = 1, FOUND, FULL, DEEP, WRONG_GUESS, OUT_OF_MEMORY };
enum { NEW_STATE, KNOWN, ON_PATH, NO_ROOM };

struct level {
  u64 name, todo;
  i64 slot, seq, nr, alone, left, branches;
  signed char choice[DRAWN_MAX], of[DRAWN_MAX];
};
/* Counts of a search: Python reads them. */
static struct { i64 states, transitions, ends, deepest, full, cycles, why, where, table, reduced; } N;

static u64 *table;
static i64 table_words, table_most;
static struct level *levels;
static i64 depth, depth_room, reducing, guess_wrong;
static u64 *touchers, *changers, *no_toucher, *no_changer; /* sets of slots, by word; then by what is no word */
static i64 places;

/* -- states that were seen ------------------------------------------------------------------------------------------- */

static u64 *slot_of(u64 *in, i64 size, u64 name) {
  u64 k = (name * GOLDEN) >> 20 & (size - 1);
  while (in[k] && (in[k] | 1) != (name | 1)) k = (k + 1) & (size - 1);
  return in + k;
}
static int larger(void) {
  i64 size = 2 * table_words;
  u64 *more = size <= table_most ? calloc(size, 8) : 0;
  if (!more) return 0;
  for (i64 k = 0; k < table_words; k++) if (table[k]) *slot_of(more, size, table[k]) = table[k];
  free(table);
  table = more, table_words = N.table = size;
  return 1;
}
/* The lowest bit of a name says that the state is on the path. */
static int seen(u64 name) {
  u64 *found = slot_of(table, table_words, name);
  if (*found) return *found & 1 ? ON_PATH : KNOWN;
  if (N.states + N.states / 2 >= table_words) {
    if (!larger()) return NO_ROOM;
    found = slot_of(table, table_words, name);
  }
  *found = name | 1, N.states++;
  return NEW_STATE;
}
static void left_behind(u64 name) { *slot_of(table, table_words, name) &= ~1ull; }
static u64 name_of_state(void) { u64 name = zap_digest() & ~1ull; return name ? name : 2; }

/* -- who touches what --------------------------------------------------------------------------------------------------- */

static void touched_by(u64 *by, const u64 *none, i64 at, u64 who) {
  if (by[at] & who) return;
  by[at] |= who;
  guess_wrong |= (none[at] & who) != 0;
}
#define EACH_PLACE(do_touched, do_changed) /* of the last transition, made by `slot` */ \
  for (i64 k = 0; k < notes_nr; k++) { \
    i64 at = notes[k].at, kind = X.kinds[at]; \
    if (kind == WORD_FREE) continue; \
    do_touched(at); \
    if (W->block[at] == notes[k].old) continue; \
    do_changed(at); \
    if (kind == WORD_CHANGE) { do_changed(W->words); do_touched(W->words + 1); } \
    if (kind == WORD_MOMENT) { do_changed(W->words + 1); do_touched(W->words); } \
  } \
  if (seq_kept) { do_changed(W->words + 1); do_touched(W->words); } \
  for (i64 k = 0; k < W->slots; k++) \
    if (k != slot && S.state[k] != before[k]) { do_touched(W->words + 2 + k); do_changed(W->words + 2 + k); }

/* Note who has touched what; `before`: who was enabled. Two steps conflict if one changes what the other touches.
 * Besides the words: changes against moments, whose order is all that is asked of step numbers; and each actor's
 * being enabled, which its own steps read.
 */
static void note_places(i64 slot, const i64 *before) {
  u64 who = 1ull << slot;
#define TOUCHED(at) touched_by(touchers, no_toucher, at, who)
#define CHANGED(at) touched_by(changers, no_changer, at, who)
  TOUCHED(W->words + 2 + slot);
  EACH_PLACE(TOUCHED, CHANGED)
#undef TOUCHED
#undef CHANGED
}
/* Return whether the last transition conflicts with nothing that an actor among `others` does; that is assumed from
 * then on. That others suspend this actor is no conflict: it only comes later then.
 */
static int commutes(i64 slot, const i64 *before, u64 others) {
#define TOUCHED(at) if (changers[at] & others) return 0
#define CHANGED(at) if (touchers[at] & others) return 0
  EACH_PLACE(TOUCHED, CHANGED)
#undef TOUCHED
#undef CHANGED
#define TOUCHED(at) no_changer[at] |= others
#define CHANGED(at) no_toucher[at] |= others
  EACH_PLACE(TOUCHED, CHANGED)
#undef TOUCHED
#undef CHANGED
  return 1;
}

/* -- the way through -------------------------------------------------------------------------------------------------------- */

static i64 noted_forward(i64 slot, i64 *before) {
  memcpy(before, S.state, 8 * W->slots);
  i64 why = forward(slot);
  N.transitions++;
  if (!why && reducing) note_places(slot, before);
  return why;
}
/* Return the set of one actor that may go first alone here, or 0. */
static u64 alone(u64 enabled) {
  u64 others = 0;
  i64 before[SLOTS_MAX];
  for (i64 slot = 0; slot < W->slots; slot++) if (!(S.state[slot] & (FINISHED | ABSENT))) others |= 1ull << slot;
  for (u64 left = enabled; left; left &= left - 1) {
    i64 slot = __builtin_ctzll(left), fits;
    given_nr = 0;
    if (noted_forward(slot, before)) continue;
    fits = commutes(slot, before, others & ~(1ull << slot));
    for (i64 k = 0; k < drawn_nr; k++) fits &= drawn_of[k] < 2;
    back();
    if (fits) return 1ull << slot;
  }
  return 0;
}
/* Stand in a state that is new: find what is to be done there. Return why it is bad, if nothing is. */
static i64 arrive(u64 name, i64 slot) {
  struct level *l = levels + depth;
  u64 enabled = 0, only = 0;
  for (i64 k = 1; k <= S.enabled[0]; k++) enabled |= 1ull << S.enabled[k];
  if (reducing && enabled & (enabled - 1)) only = alone(enabled);
  N.reduced += only != 0, N.full += !only;
  l->name = name, l->left = 0, l->alone = only != 0, l->todo = only ? only : enabled, l->slot = slot, l->seq = S.seq;
  l->branches = __builtin_popcountll(l->todo), l->nr = -1;
  if (depth > N.deepest) N.deepest = depth;
  if (enabled) return CLEAN;
  N.ends++;
  return S.unfinished ? STUCK : audited();
}
/* Find the next transition to be made in the state on top. */
static int next_branch(struct level *l) {
  for (i64 k = l->nr - 1; k >= 0; k--)
    if (l->choice[k] + 1 < l->of[k]) return l->choice[k]++, l->nr = k + 1, 1;
  if (!l->todo) return 0;
  if (!(l->todo >> l->slot & 1)) l->slot = __builtin_ctzll(l->todo);
  l->todo &= ~(1ull << l->slot), l->nr = 0, l->left++;
  return 1;
}
static int found(i64 why, i64 where) { return N.why = why, N.where = where, FOUND; }

/* Go on for at most so many transitions; return 0 once everything is done, or why not. */
EXPORT i64 zap_explore(i64 transitions) {
  i64 before[SLOTS_MAX], last = N.transitions + transitions;
  while (N.transitions < last) {
    struct level *l = levels + depth;
    if (!next_branch(l)) {
      left_behind(l->name);
      if (!depth) return 0;
      depth--, back();
      continue;
    }
    given_nr = l->nr;
    for (i64 k = 0; k < l->nr; k++) given[k] = l->choice[k];
    i64 why = noted_forward(l->slot, before);
    l->nr = drawn_nr;
    for (i64 k = 0; k < drawn_nr; k++) {
      if (drawn_of[k] > 100) return found(DRAWS_FULL, depth);
      l->choice[k] = drawn[k], l->of[k] = drawn_of[k];
    }
    if (why) return found(why, depth);
    if (guess_wrong) return WRONG_GUESS;
    if (depth + 2 >= depth_room) return DEEP;
    u64 name = name_of_state();
    int known = seen(name);
    if (known == NO_ROOM) return FULL;
    if (known == NEW_STATE) {
      i64 slot = l->slot;
      depth++;
      why = arrive(name, slot);
      if (guess_wrong) return WRONG_GUESS;
      if (why) return found(why, depth);
      continue;
    }
    if (known == ON_PATH) {
      N.cycles++;
      if (l->alone) {
        u64 enabled = 0;
        back();
        for (i64 k = 1; k <= S.enabled[0]; k++) enabled |= 1ull << S.enabled[k];
        l->todo = enabled & ~(1ull << l->slot), l->alone = 0, l->branches = __builtin_popcountll(enabled);
        continue;
      }
    }
    back();
  }
  return SLICE_OVER;
}
static void forget(void *pointer) { free(*(void **)pointer); *(void **)pointer = 0; }

/* Begin from where the execution stands, with nothing seen; keep what is known of who touches what if `again`. */
EXPORT i64 zap_explore_begin(i64 reduced, i64 words_most, i64 again) {
  i64 size = W->words + 2 + SLOTS_MAX;
  forget(&table), table_words = 1 << 12, table_most = words_most, table = calloc(table_words, 8);
  if (!levels) levels = malloc(sizeof *levels * (depth_room = W->steps_max + 16));
  if (!again || places != size) {
    forget(&touchers), forget(&changers), forget(&no_toucher), forget(&no_changer), places = size;
    touchers = calloc(size, 8), changers = calloc(size, 8), no_toucher = calloc(size, 8), no_changer = calloc(size, 8);
  }
  if (!table || !levels || !touchers || !changers || !no_toucher || !no_changer) return OUT_OF_MEMORY;
  memset(no_toucher, 0, 8 * size), memset(no_changer, 0, 8 * size), memset(&N, 0, sizeof N);
  N.table = table_words, depth = guess_wrong = 0, reducing = reduced, walking = 0;
  u64 name = name_of_state();
  seen(name);
  i64 why = arrive(name, 0);
  return why ? found(why, 0) : guess_wrong ? WRONG_GUESS : 0;
}
/* Execute at random, to see who touches what; nothing comes of it besides. */
EXPORT void zap_walks(u64 seed, i64 nr) {
  i64 before[SLOTS_MAX], made = 0;
  while (nr--) {
    for (u64 s = stream(seed, 1, nr); S.enabled[0] && S.seq + 1 < W->steps_max; made++) {
      i64 slot = S.enabled[1 + word(&s) % S.enabled[0]];
      given_nr = 0, walking = mix(s) | 1;
      if (noted_forward(slot, before)) break;
    }
    while (made) made--, back();
  }
  walking = 0;
}
EXPORT const i64 *zap_counts(void) { return (const i64 *)&N; }
/* The way to the state on top, and the transition made there last: (slot, steps made before it, draws, choices...). */
EXPORT i64 zap_way(i64 *out) {
  i64 n = 0;
  for (i64 d = 0; d <= N.where; d++) {
    struct level *l = levels + d;
    if (l->nr < 0) break; /* nothing has been made there: what is bad is the state */
    out[n++] = l->slot, out[n++] = l->seq, out[n++] = max_(l->nr, 0);
    for (i64 k = 0; k < l->nr; k++) out[n++] = l->choice[k];
  }
  return n;
}
/* How much of the whole is done, of 2^20, as if the branches of a state were equal. */
EXPORT i64 zap_share(void) {
  double share = 0, width = 1;
  for (i64 d = 0; d <= depth && width > 1e-9; d++) {
    width /= max_(levels[d].branches, 1);
    share += width * max_(levels[d].left - 1, 0);
  }
  return (i64)(share * (1 << 20));
}
