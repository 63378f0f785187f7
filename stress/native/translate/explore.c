/* Depth first through all states, behind search.c and futures.c.
 *
 * A state is expanded by a *persistent set* of actors where there is one: what the others do from there on, as long
 * as none of the set moves, conflicts with no next transition of the set, and enables nobody in it; so one of the set
 * may come first (Godefroid, LNCS 1032, 1996, chapter 4). It is found as a closure: whoever may conflict with a
 * member is a member. What others may do is seen from where they stand (futures.c); it is a guess, every transition
 * is held against it, and one that does not fit ends the attempt: it begins again, knowing better. An attempt that
 * comes to its end has seen no such transition, and by induction over its states there is none. One state of each
 * cycle is expanded in full: the one at which it is closed (Clarke, Grumberg, Minea and Peled, STTT 1999).
 */
enum { SLICE_OVER = 1, FOUND, FULL, DEEP, WRONG_GUESS, OUT_OF_MEMORY };
enum { NEW_STATE, KNOWN, ON_PATH, NO_ROOM };

struct level {
  u64 name, todo, rest; /* rest: who is enabled, and not in the set */
  i64 slot, seq, nr, left, branches, from, spent; /* from: who came here and could go on, or -1; spent: preemptions on the way */
  signed char choice[DRAWN_MAX], of[DRAWN_MAX];
};
/* Counts of a search: Python reads them. */
static struct { i64 states, transitions, ends, deepest, full, cycles, why, where, table, reduced, classes; } N;

static u64 *table;
static i64 table_words, table_most;
static struct level *levels;
static i64 depth, depth_room, reducing, bound = -1; /* bound: on preemptions, if not negative */

/* -- states that were seen ------------------------------------------------------------------------------------------- */

static u64 *slot_of(u64 *in, i64 size, u64 name) {
  u64 k = ((name & ~1ull) * GOLDEN) >> 20 & (size - 1);
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
/* With a bound on preemptions, who moves and how many there were decides too of what can come. */
static u64 name_within(i64 slot, i64 spent) {
  u64 name = name_of_state();
  if (bound >= 0) name = mix(name + (u64)(slot + 1) * GOLDEN + (u64)spent) & ~1ull;
  return name ? name : 2;
}

/* -- the way through -------------------------------------------------------------------------------------------------------- */

static i64 noted_forward(i64 slot) {
  i64 from = reducing ? place_of(slot) : 0, why = forward(slot);
  N.transitions++;
  if (!why && reducing) find_feet(slot), note_future(slot, from);
  return why;
}
static u64 enabled_now(void) {
  u64 enabled = 0;
  for (i64 k = 1; k <= S.enabled[0]; k++) enabled |= 1ull << S.enabled[k];
  return enabled;
}
/* Find what the next transition of an actor touches, whatever it draws; return 0 if that is bad, or too much. */
static int probe(i64 slot) {
  i64 nr = 0, why;
  next[slot].from = feet_seen_nr;
  do {
    given_nr = nr;
    if ((why = noted_forward(slot))) return 0;
    nr = drawn_nr;
    for (i64 k = 0; k < nr; k++) given[k] = drawn[k];
    if (!see_feet()) return 0;
    back();
    while (nr && given[nr - 1] + 1 >= drawn_of[nr - 1]) nr--;
    if (nr) given[nr - 1]++;
  } while (nr);
  next[slot].to = feet_seen_nr;
  return 1;
}
/* Return who may go first here, so that the others need not: a persistent set, or all. */
static u64 first_ones(u64 enabled) {
  u64 alive = 0, best = enabled, best_set = 0, met[SLOTS_MAX];
  i64 where[SLOTS_MAX];
  feet_seen_nr = 0;
  for (i64 slot = 0; slot < W->slots; slot++)
    if (!(S.state[slot] & (FINISHED | ABSENT))) alive |= 1ull << slot, where[slot] = place_of(slot);
  for (u64 left = alive; left; left &= left - 1) {
    i64 slot = lowest(left), able = enabled >> slot & 1;
    if (able ? !probe(slot) : !see_wait(slot)) return enabled;
    met[slot] = 0;
    for (u64 others = alive & ~(1ull << slot); others; others &= others - 1)
      if (meets(slot, able, places_seen + where[lowest(others)])) met[slot] |= others & -others;
  }
  for (u64 seeds = enabled; seeds; seeds &= seeds - 1) {
    u64 set = closure(seeds & -seeds, met);
    if (members(set & enabled) < members(best)) best = set & enabled, best_set = set;
  }
  if (best != enabled) assume(best_set, alive, where, enabled);
  return best;
}
/* Stand in a state that is new: find what is to be done there. Return why it is bad, if nothing is. */
static i64 arrive(u64 name, i64 slot, i64 spent) {
  struct level *l = levels + depth;
  u64 enabled = enabled_now(), first = enabled;
  l->spent = spent;
  if (bound >= 0 && spent >= bound && enabled >> slot & 1 && depth) first = 1ull << slot;
  if (reducing && enabled & (enabled - 1)) first = first_ones(enabled);
  N.reduced += first != enabled, N.full += first == enabled;
  l->name = name, l->left = 0, l->todo = first, l->rest = bound < 0 ? enabled & ~first : 0, l->slot = slot, l->seq = S.seq;
  l->from = enabled >> slot & 1 ? slot : -1, l->branches = members(l->todo), l->nr = -1;
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
  if (!(l->todo >> l->slot & 1)) l->slot = lowest(l->todo);
  l->todo &= ~(1ull << l->slot), l->nr = 0, l->left++;
  return 1;
}
static int found(i64 why, i64 where) { return N.why = why, N.where = where, FOUND; }

/* Go on for at most so many transitions; return 0 once everything is done, or why not. */
EXPORT i64 zap_explore(i64 transitions) {
  i64 last = N.transitions + transitions;
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
    i64 why = noted_forward(l->slot);
    l->nr = drawn_nr;
    for (i64 k = 0; k < drawn_nr; k++) {
      if (drawn_of[k] > 100) return found(DRAWS_FULL, depth);
      l->choice[k] = drawn[k], l->of[k] = drawn_of[k];
    }
    if (why) return found(why, depth);
    if (guess_wrong) return WRONG_GUESS;
    if (depth + 2 >= depth_room) return DEEP;
    i64 spent = l->spent + (depth && l->from >= 0 && l->slot != l->from);
    u64 name = name_within(l->slot, spent);
    int known = seen(name);
    if (known == NO_ROOM) return FULL;
    if (known == NEW_STATE) {
      i64 slot = l->slot;
      depth++;
      why = arrive(name, slot, spent);
      if (guess_wrong) return WRONG_GUESS;
      if (why) return found(why, depth);
      continue;
    }
    if (known == ON_PATH) {
      N.cycles++;
      l->todo |= l->rest, l->branches += members(l->rest), l->rest = 0;
    }
    back();
  }
  return SLICE_OVER;
}
/* Begin with nothing seen. */
static i64 begin_table(i64 words_most) {
  free(table), table_words = 1 << 12, table_most = words_most, table = calloc(table_words, 8);
  if (!levels) levels = malloc(sizeof *levels * (depth_room = W->steps_max + 16));
  if (!table || !levels) return OUT_OF_MEMORY;
  memset(&N, 0, sizeof N);
  N.table = table_words, depth = reducing = walking = 0;
  return 0;
}
/* Begin from where the execution stands; keep what is known of who touches what if `again`. */
EXPORT i64 zap_explore_begin(i64 reduced, i64 words_most, i64 again) {
  if (begin_table(words_most) || !begin_futures(again)) return OUT_OF_MEMORY;
  reducing = reduced;
  u64 name = name_within(-1, 0);
  seen(name);
  i64 why = arrive(name, 0, 0);
  return why ? found(why, 0) : guess_wrong ? WRONG_GUESS : 0;
}
/* Bound the preemptions of what is explored from its beginning on: turns taken from an actor that could go on. */
EXPORT void zap_bound(i64 most) { bound = most; }
/* Execute at random, to see who touches what; nothing comes of it besides. */
EXPORT void zap_walks(u64 seed, i64 nr) {
  i64 made = 0;
  while (nr--) {
    for (u64 s = stream(seed, 1, nr); S.enabled[0] && S.seq + 1 < W->steps_max; made++) {
      i64 slot = S.enabled[1 + word(&s) % S.enabled[0]];
      given_nr = 0, walking = mix(s) | 1;
      if (noted_forward(slot)) break;
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
