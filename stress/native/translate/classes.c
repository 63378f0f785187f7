/* The class of an execution: a name of its partial order (Mazurkiewicz 1977). Stands behind search.c.
 *
 * An execution is made again by its tapes, one transition after the other. Two transitions of different actors
 * depend on each other by the rules of explore.c: one changes a word that the other touches; one notes a change and
 * the other a moment, whose order is what is asked of step numbers; one suspends or resumes the other's actor. The
 * hash of a transition is made of its actor, its choices, and the hashes of those before it on which it depends;
 * that of the execution is the sum over its transitions. So it is the same for two executions that differ only in
 * the order of neighbours which do not depend on each other. stress/native/search/classes.py says the same in Python.
 * Besides, the states on the way are named, as search.c does, where that is asked for.
 */
#define CLASS_MULTIPLIER 0x94D049BB133111EBull
enum { MADE_OTHERWISE = 102 }; /* behind the reasons of search.c: the tapes cannot be followed */

/* Of a word: the hash of what changed it last, and the sum of the hashes of what has touched it since. */
struct met { u64 changed, touched; i64 execution; };
static struct met *met, suspending[SLOTS_MAX];
static i64 met_words, executions;
static u64 last_of[SLOTS_MAX], changes_sum, moments_sum, class_sum;
static u64 *states; /* where the name of the next state goes, or 0 */

static inline u64 met_hash(i64 place, u64 hash) {
  u64 x = (u64)place * GOLDEN + hash;
  x = (x ^ x >> 32) * CLASS_MULTIPLIER;
  return x ^ x >> 29;
}
static inline struct met *met_at(struct met *m) {
  if (m->execution != executions) m->execution = executions, m->changed = m->touched = 0;
  return m;
}
static inline u64 depends(struct met *m, i64 place, i64 changes) {
  met_at(m);
  return met_hash(place, changes ? m->changed + m->touched : m->changed);
}
/* A step number as Python has it: 0 at the beginning. */
static inline i64 untagged(i64 v) { return is_seq(v) ? v - SEQ_TAG : is_change(v) ? v - (SEQ_TAG << WHO_BITS) : v; }
static inline void now_met(struct met *m, u64 hash, i64 changes) {
  if (changes) m->changed = hash, m->touched = 0;
  else m->touched += hash;
}

static int suspends(i64 slot, i64 other) { return slot != other && (S.state[other] ^ was[other]) & ~BLOCKED; }

/* Add the transition that was just made by `slot` to the class. */
static void add_to_class(i64 slot) {
  i64 change = 0, moment = seq_kept;
  u64 sum = depends(&suspending[slot], ~slot, 0);
  for (i64 k = 0; k < notes_nr; k++) {
    i64 at = notes[k].at, kind = X.kinds[at], changed;
    if (kind == WORD_FREE) { notes[k--] = notes[--notes_nr]; continue; }
    changed = notes[k].old = untagged(W->block[at]) != untagged(notes[k].old);
    change |= changed & (kind == WORD_CHANGE), moment |= changed & (kind == WORD_MOMENT);
    sum += depends(&met[at], at, changed);
  }
  for (i64 k = 0; k < W->slots; k++) if (suspends(slot, k)) sum += depends(&suspending[k], ~k, 1);
  if (change) sum += met_hash(W->words, moments_sum);
  if (moment) sum += met_hash(W->words + 1, changes_sum);
  for (i64 k = 0; k < drawn_nr; k++) sum += met_hash(W->words + 2 + k, drawn[k]);
  u64 hash = last_of[slot] = mix(last_of[slot] + sum + slot);
  for (i64 k = 0; k < notes_nr; k++) now_met(&met[notes[k].at], hash, notes[k].old);
  now_met(&suspending[slot], hash, 0);
  for (i64 k = 0; k < W->slots; k++) if (suspends(slot, k)) now_met(&suspending[k], hash, 1);
  if (change) changes_sum += hash;
  if (moment) moments_sum += hash;
  class_sum += hash;
}
static void begin_class(void) {
  executions++, changes_sum = moments_sum = class_sum = 0;
  memset(last_of, 0, sizeof last_of);
  memcpy(W->block, W->snapshot, 8 * W->words);
  stand_at_start();
  H = H_first, memcpy(frames, frames_first, sizeof frames);
}
/* Name the state that a transition of `slot` has led to. */
static void name_state(i64 slot) {
  name_changed(slot);
  *states++ = zap_digest(), trail_nr = 0;
}
/* Make one transition of `slot` that draws from `draws`; return how many it has drawn. */
static i64 class_forward(i64 slot, const i64 *draws, i64 nr) {
  const struct actor *a = actor(slot);
  memcpy(was, S.state, 8 * W->slots);
  new_epoch(), drawn_nr = 0, S.cur = ME = slot, S.run = !S.started[slot], keeping = 0, outermost = base(slot);
  trail_nr = tags_kept = 0, before.tags_nr = frames[slot].tags_nr;
  if (before.tags_nr) keep(frames[slot].tags, 2 * before.tags_nr);
  for (given_nr = 0; given_nr < nr && given_nr < DRAWN_MAX; given_nr++) given[given_nr] = draws[3 * given_nr + 2];
  if (S.wait_keys[slot]) S.wait_ready[slot](S.wait_args[slot]);
  if (go_on(slot, a)) ended(a), S.started[slot] = 0;
  if (states) name_state(slot);
  add_to_class(slot);
  return drawn_nr;
}
/* Make an execution again by its tapes, as zap_run leaves them; return CLEAN, or why that cannot be done. `into`, if
 * it is given, gets the number of transitions, and the name of the state after each.
 */
EXPORT i64 zap_class(const i64 *tape, i64 turns, const i64 *draws, i64 draws_nr, u64 *class, u64 *into) {
  if (met_words < W->words) {
    free(met), met_words = 0;
    if (!(met = calloc(W->words, sizeof *met))) return NO_MEMORY;
    met_words = W->words;
  }
  states = into ? into + 1 : 0;
  if (setjmp(out)) return bailed;
  begin_class();
  for (i64 k = 0; k < turns; k++) {
    i64 slot = tape[2 * k], end = tape[2 * k + 1];
    do {
      if (S.state[slot]) return MADE_OTHERWISE;
      i64 drawn_now = class_forward(slot, draws, draws_nr);
      draws += 3 * drawn_now, draws_nr -= drawn_now;
    } while (S.seq < end);
  }
  *class = mix(class_sum);
  if (into) *into = states - into - 1;
  return draws_nr || S.enabled[0] ? MADE_OTHERWISE : CLEAN;
}
