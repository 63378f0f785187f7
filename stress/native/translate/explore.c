/* Depth first through all states, behind search.c and futures.c.
 *
 * A state is expanded by a *persistent set* of actors where there is one: what the others do from there on, as long
 * as none of the set moves, conflicts with no next transition of the set, and enables nobody in it; so one of the set
 * may come first (Godefroid, LNCS 1032, 1996, chapter 4). It is found as a closure: whoever may conflict with a
 * member is a member. What others may do is seen from where they stand (futures.c); it is a guess, every transition
 * is held against it, and one that does not fit ends the attempt: it begins again, knowing better. An attempt that
 * comes to its end has seen no such transition, and by induction over its states there is none. One state of each
 * cycle is expanded in full: the one at which it is closed (Clarke, Grumberg, Minea and Peled, STTT 1999).
 *
 * With *sleep sets* (sleep.c) everyone moves in a state who is enabled and does not sleep. With the state is kept who
 * slept whenever it was come to; whoever did each time before, and does not now, moves after all. So every state is
 * come to that can be. For let w be an execution from a state that was come to, such that no member of its sleep set,
 * as it is in the end, can come first in w by swaps of neighbours that do not conflict. Call F who can; F is not
 * empty, and all of it has moved there. Take the visit since when no member of F is in the set that is kept, and of F
 * the member a that moved first in it. None of F slept then, so of those that can come first in the rest of w none
 * sleeps behind a: it does not conflict with a, and would be in F. The rest is shorter, and where the set became
 * smaller later that holds all the more. The beginning's set is empty. And what is left out breaks no rule: it was made
 * before, where its actor fell asleep, and nothing that it touches has changed since. Nothing is asked of cycles, and
 * sets are of actors, by what they touch on the way on which the state was come to: a state's name renumbers no actor.
 */
enum { SLICE_OVER = 1, FOUND, FULL, DEEP, WRONG_GUESS, OUT_OF_MEMORY };
enum { IN_FULL, PERSISTENT, SLEEPING }; /* reductions, as in explore.py */
enum { NEW_STATE, KNOWN, ON_PATH, NO_ROOM };

struct level {
  u64 name, todo, rest; /* rest: who is enabled, and not in the set */
  i64 slot, seq, nr, left, branches, from, spent; /* from: who came here and could go on, or -1; spent: preemptions on the way */
  i64 again; /* the state is on the way before this too */
  signed char choice[DRAWN_MAX], of[DRAWN_MAX];
};
/* Counts of a search: Python reads them. */
static struct { i64 states, transitions, ends, deepest, full, cycles, why, where, table, reduced, classes, woken; } N;

static u64 *table, *slept; /* slept: of each state in the table, who slept whenever it was come to; if there are sleep sets */
static i64 table_words, table_most;
static struct level *levels;
static struct sleepers *sleepers; /* of each level, if there are sleep sets */
static i64 depth, depth_room, reducing, sleeping, seen_at, bound = -1; /* bound: on preemptions, if not negative */

/* -- states that were seen ------------------------------------------------------------------------------------------- */

static u64 *slot_of(u64 *in, i64 size, u64 name) {
  u64 k = ((name & ~1ull) * GOLDEN) >> 20 & (size - 1);
  while (in[k] && (in[k] | 1) != (name | 1)) k = (k + 1) & (size - 1);
  return in + k;
}
static int larger(void) {
  i64 size = 2 * table_words;
  if ((sleeping + 1) * size > table_most) return 0;
  u64 *more = calloc(size, 8), *sleep = sleeping ? calloc(size, 8) : 0;
  if (!more || (sleeping && !sleep)) return free(more), free(sleep), 0;
  for (i64 k = 0; k < table_words; k++) {
    if (!table[k]) continue;
    u64 *to = slot_of(more, size, table[k]);
    *to = table[k];
    if (sleeping) sleep[to - more] = slept[k];
  }
  free(table), free(slept);
  table = more, slept = sleep, table_words = N.table = size;
  return 1;
}
/* The lowest bit of a name says that the state is on the path. */
static int seen(u64 name) {
  u64 *found = slot_of(table, table_words, name);
  seen_at = found - table;
  if (*found) return *found & 1 ? ON_PATH : KNOWN;
  if (N.states + N.states / 2 >= table_words) {
    if (!larger()) return NO_ROOM;
    found = slot_of(table, table_words, name);
  }
  *found = name | 1, seen_at = found - table, N.states++;
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
/* Have whoever need not move sleep in the state that the last transition led to. Return 0 if memory runs out. */
static int put_to_sleep(const struct level *l, struct sleepers *s) {
  s->first = s->last = marks_nr;
  if (s->done | s->asleep | l->todo) {
    find_feet(l->slot);
    if (!mark_feet(s)) return 0;
  }
  fall_asleep(s, l->slot, s + 1);
  return 1;
}
/* Come again to a state: who slept whenever that was, and does not now, must move after all. Return who that is. */
static u64 wake(const struct sleepers *s) {
  u64 woken = slept[seen_at] & ~s->asleep & enabled_now();
  slept[seen_at] &= s->asleep;
  return woken;
}
/* Stand once more in a state in which some must move. */
static void arrive_again(u64 name, i64 slot, u64 woken, int on_path) {
  struct level *l = levels + ++depth;
  l->name = name, l->left = 0, l->todo = woken, l->rest = 0, l->slot = slot, l->seq = S.seq, l->spent = 0, l->from = -1;
  l->branches = members(woken), l->nr = -1, l->again = on_path;
  sleepers[depth].asleep &= slept[seen_at], table[seen_at] |= 1, N.woken++;
  if (depth > N.deepest) N.deepest = depth;
}
/* Stand in a state that is new: find what is to be done there. Return why it is bad, if nothing is. */
static i64 arrive(u64 name, i64 slot, i64 spent) {
  struct level *l = levels + depth;
  u64 enabled = enabled_now(), first = enabled;
  l->spent = spent;
  if (bound >= 0 && spent >= bound && enabled >> slot & 1 && depth) first = 1ull << slot;
  if (reducing && enabled & (enabled - 1)) first = first_ones(enabled);
  if (sleeping) slept[seen_at] = sleepers[depth].asleep, first &= ~sleepers[depth].asleep;
  N.reduced += first != enabled, N.full += first == enabled;
  l->name = name, l->left = 0, l->todo = first, l->rest = reducing ? enabled & ~first : 0, l->again = 0, l->slot = slot, l->seq = S.seq;
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
  if (sleeping && l->nr >= 0) sleepers[depth].done |= 1ull << l->slot, sleepers[depth].to[l->slot] = marks_nr;
  if (!l->todo) return 0;
  if (!(l->todo >> l->slot & 1)) l->slot = lowest(l->todo);
  l->todo &= ~(1ull << l->slot), l->nr = 0, l->left++;
  if (sleeping) sleepers[depth].from[l->slot] = marks_nr;
  return 1;
}
static int found(i64 why, i64 where) { return N.why = why, N.where = where, FOUND; }

/* Go on for at most so many transitions; return 0 once everything is done, or why not. */
EXPORT i64 zap_explore(i64 transitions) {
  i64 last = N.transitions + transitions;
  while (N.transitions < last) {
    struct level *l = levels + depth;
    if (!next_branch(l)) {
      if (!l->again) left_behind(l->name);
      if (!depth) return 0;
      depth--, back();
      if (sleeping) marks_nr = sleepers[depth].last;
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
    if (sleeping && !put_to_sleep(l, sleepers + depth)) return OUT_OF_MEMORY;
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
    u64 woken = sleeping ? wake(sleepers + depth + 1) : 0;
    if (known == ON_PATH) {
      N.cycles++;
      l->todo |= l->rest, l->branches += members(l->rest), l->rest = 0;
    }
    if (woken) {
      arrive_again(name, l->slot, woken, known == ON_PATH);
      continue;
    }
    back();
  }
  return SLICE_OVER;
}
/* Begin with nothing seen. */
static i64 begin_table(i64 words_most) {
  free(table), free(slept), table_words = 1 << 12, table_most = words_most, table = calloc(table_words, 8), slept = 0;
  if (!levels) levels = malloc(sizeof *levels * (depth_room = W->steps_max + 16));
  if (!table || !levels) return OUT_OF_MEMORY;
  memset(&N, 0, sizeof N);
  N.table = table_words, depth = reducing = sleeping = walking = 0;
  return 0;
}
/* Begin from where the execution stands; keep what is known of who touches what if `again`. */
EXPORT i64 zap_explore_begin(i64 reduction, i64 words_most, i64 again) {
  if (begin_table(words_most) || !begin_futures(again)) return OUT_OF_MEMORY;
  reducing = reduction == PERSISTENT, sleeping = reduction == SLEEPING;
  if (sleeping) {
    if (!sleepers) sleepers = malloc(sizeof *sleepers * depth_room);
    if (!sleepers || !begin_marks() || !(slept = calloc(table_words, 8))) return OUT_OF_MEMORY;
    sleepers[0].asleep = sleepers[0].done = 0;
  }
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
