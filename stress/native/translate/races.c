/* Through executions, without a table of states: source sets (Abdulla, Aronis, Jonsson and Sagonas, POPL 2014 and
 * JACM 2017), behind explore.c. In each state of an execution one actor moves at first. A race of two of its
 * transitions, neighbours in the order of conflicts, is a reason to go the other way round: another one moves too
 * where the first of the two was made. Who has moved already sleeps until something conflicts with its transition.
 *
 * Deviations from the paper: an actor's transitions that draw are one member of a set, with what all of them touch.
 * What an actor waits for is read by its next transition, whose races are looked for where the actor comes to wait,
 * and where it is disabled, as it may never be made (there the paper has locks only). An execution ends where it
 * comes back to a state of its own: that is counted, and all actors move in all states of the cycle.
 */
enum { CELLS_MAX = 16 };
struct waiting { i64 nr, at[CELLS_MAX], value[CELLS_MAX], args[ARGS_MAX], state; ready may; };
struct node {
  struct sleepers s;
  u64 enabled;
  i64 before; /* the actor's event before the one made from here, from 1 on */
  int clock[SLOTS_MAX];    /* of each actor, its last event that is ordered before this one's end, from 1 on */
};
static struct node *nodes;
static int *last_touch, *last_change, last_event[SLOTS_MAX];

/* -- what is ordered before what ------------------------------------------------------------------------------------- */

static int *of(int *last, i64 at) { return last + at * W->slots; }

/* Add a reason to `at`: events came after it, up to `now`, that could have come first; last of all `slot`'s. */
static void reverse(i64 at, i64 now, i64 slot) {
  i64 first[SLOTS_MAX] = {0}, by = levels[at].slot;
  u64 initial = 0;
  for (i64 j = at + 1; j <= now; j++) {
    i64 q = levels[j].slot, led = first[q] != 0;
    if (nodes[j].clock[by] > at || led) continue;
    for (i64 r = 0; r < W->slots; r++) led |= first[r] && nodes[j].clock[r] >= first[r];
    if (!led) initial |= 1ull << q;
    first[q] = j + 1;
  }
  if (!initial) initial = 1ull << slot;
  initial &= nodes[at].enabled;
  if (!initial) levels[at].todo |= nodes[at].enabled;
  else if (!(initial & (levels[at].todo | nodes[at].s.asleep))) levels[at].todo |= initial & -initial;
}
static const struct mark *mark_of(i64 event, i64 at) {
  const struct mark *m = marks + nodes[event - 1].s.first;
  while (m->at != at) m++;
  return m;
}
/* What a place would hold before `event`, had all come before it that does not depend on it; it holds `value` now. */
static i64 value_before(i64 at, i64 value, i64 event) {
  i64 first = 0, by = levels[event - 1].slot;
  for (i64 q = 0; q < W->slots; q++)
    for (i64 e = of(last_change, at)[q]; e >= event; e = mark_of(e, at)->changed)
      if (nodes[e - 1].clock[by] >= event && (!first || e < first)) first = e, value = mark_of(e, at)->old;
  return value;
}
/* What an actor waits for, as it stands. */
static void see_waiting(i64 slot, struct waiting *w) {
  new_epoch();
  w->state = S.state[slot], w->nr = 0, w->may = S.wait_keys[slot] ? S.wait_ready[slot] : 0;
  if (!w->may) return;
  memcpy(w->args, S.wait_args[slot], sizeof w->args);
  for (i64 k = 0; k < S.wait_keys[slot]; k++) touch(P(S.wait_key[slot][k]));
  w->may(w->args);
  for (; w->nr < notes_nr && w->nr < CELLS_MAX; w->nr++) w->at[w->nr] = notes[w->nr].at, w->value[w->nr] = notes[w->nr].old;
  if (notes_nr > CELLS_MAX) w->nr = 0, w->may = 0;
}
/* Whether an actor that waits could have gone on right before an event. */
static int could(i64 slot, const struct waiting *w, i64 event) {
  i64 kept[CELLS_MAX], found;
  if (value_before(W->words + 2 + slot, w->state, event) & ~BLOCKED) return 0;
  if (!w->may) return 1;
  for (i64 k = 0; k < w->nr; k++) kept[k] = W->block[w->at[k]], W->block[w->at[k]] = value_before(w->at[k], w->value[k], event);
  found = fits(w->may, w->args) != 0;
  for (i64 k = 0; k < w->nr; k++) W->block[w->at[k]] = kept[k];
  return found;
}
/* Races between what an actor waits for now, and events that have changed that. */
static void races_of_wait(i64 slot) {
  struct waiting w;
  see_waiting(slot, &w);
  i64 own = last_event[slot];
  for (i64 k = 0; k <= w.nr; k++)
    for (i64 q = 0, at = k < w.nr ? w.at[k] : W->words + 2 + slot; q < W->slots; q++)
      for (i64 e = q == slot ? 0 : of(last_change, at)[q]; e && !(own && nodes[own - 1].clock[q] >= e); e = mark_of(e, at)->changed)
        if (could(slot, &w, e)) reverse(e - 1, depth, slot);
}
static int waits_for(i64 slot, i64 at) {
  for (i64 k = 0; k < S.wait_keys[slot]; k++) if ((i64 *)S.wait_key[slot][k] == W->block + at) return 1;
  return at == W->words + 2 + slot;
}
/* Order the event that has just been made, and find its races. `w`: what the actor had waited for. */
static void order(i64 slot, const struct waiting *w) {
  struct node *n = nodes + depth;
  i64 dep[SLOTS_MAX] = {0}, own = W->words + 2 + slot;
  int *known = last_event[slot] ? nodes[last_event[slot] - 1].clock : 0;
  for (i64 k = n->s.first; k < n->s.last; k++)
    for (i64 q = 0; q < W->slots; q++) {
      if (q == slot) continue;
      if (marks[k].how & TOUCHES) dep[q] = max_(dep[q], of(last_change, marks[k].at)[q]);
      if (marks[k].how & CHANGES) dep[q] = max_(dep[q], of(last_touch, marks[k].at)[q]);
    }
  for (i64 q = 0; q < W->slots; q++) n->clock[q] = known ? known[q] : 0;
  for (i64 q = 0; q < W->slots; q++)
    for (i64 r = 0; dep[q] && r < W->slots; r++) n->clock[r] = max_(n->clock[r], nodes[dep[q] - 1].clock[r]);
  n->before = last_event[slot], n->clock[slot] = depth + 1;
  for (i64 q = 0; q < W->slots; q++) {
    i64 e = dep[q], led = !e || (known && e <= known[q]) || of(last_change, own)[q] == e;
    for (i64 r = 0; !led && r < W->slots; r++) led = r != q && dep[r] && nodes[dep[r] - 1].clock[q] >= e;
    if (!led && could(slot, w, e)) reverse(e - 1, depth, slot);
  }
  last_event[slot] = depth + 1;
  for (i64 k = n->s.first; k < n->s.last; k++) {
    int *t = of(last_touch, marks[k].at) + slot, *c = of(last_change, marks[k].at) + slot;
    marks[k].touched = *t, marks[k].changed = *c;
    if (marks[k].how & TOUCHES) *t = depth + 1;
    if (marks[k].how & CHANGES) *c = depth + 1;
  }
  for (i64 q = 0; q < W->slots; q++) {
    int told = q == slot && S.wait_keys[q];
    for (i64 k = n->s.first; k < n->s.last && !told; k++) told = q != slot && marks[k].how & CHANGES && waits_for(q, marks[k].at);
    if (told && !(S.state[q] & (FINISHED | ABSENT))) races_of_wait(q);
  }
}
static void unorder(void) {
  struct node *n = nodes + depth;
  i64 slot = levels[depth].slot;
  for (i64 k = n->s.last - 1; k >= n->s.first; k--)
    of(last_touch, marks[k].at)[slot] = marks[k].touched, of(last_change, marks[k].at)[slot] = marks[k].changed;
  last_event[slot] = n->before;
}

/* -- the way through --------------------------------------------------------------------------------------------------- */

/* Stand in a state on top, where `slot` has come from; return why it is bad, if nothing is. */
static i64 stand(u64 name, i64 slot) {
  struct level *l = levels + depth;
  struct node *n = nodes + depth;
  u64 awake;
  n->enabled = enabled_now(), n->s.done = 0, awake = n->enabled & ~n->s.asleep;
  l->name = name, l->slot = slot, l->seq = S.seq, l->left = 0, l->nr = -1, l->branches = 1;
  l->todo = awake >> slot & 1 ? 1ull << slot : awake & -awake;
  N.states++;
  if (depth > N.deepest) N.deepest = depth;
  for (i64 d = depth - 1; d >= 0; d--)
    if (levels[d].name == name) {
      N.cycles++, l->todo = 0, n->enabled = 0;
      for (; d < depth; d++) levels[d].todo |= nodes[d].enabled;
      return CLEAN;
    }
  if (n->enabled) return N.reduced += !awake, CLEAN;
  N.classes++;
  u64 *end = slot_of(table, table_words, name);
  if (!*end) *end = name, N.ends++;
  return S.unfinished ? STUCK : audited();
}
/* Find the next transition to be made from the state on top. */
static int next_event(struct level *l, struct node *n) {
  for (i64 k = l->nr - 1; k >= 0; k--)
    if (l->choice[k] + 1 < l->of[k]) return l->choice[k]++, l->nr = k + 1, 1;
  if (l->nr >= 0) n->s.done |= 1ull << l->slot, n->s.to[l->slot] = marks_nr;
  u64 left = l->todo & ~n->s.done & ~n->s.asleep;
  if (!left) return 0;
  if (!(left >> l->slot & 1)) l->slot = lowest(left);
  l->nr = 0, l->left++, l->branches = max_(l->branches, members(l->todo & ~n->s.asleep)), n->s.from[l->slot] = marks_nr;
  return 1;
}
/* Make the transition that is next, and stand where it leads; return 0, or why not. */
static i64 make_event(struct level *l, struct node *n) {
  i64 slot = l->slot, why;
  struct waiting w;
  see_waiting(slot, &w);
  given_nr = l->nr;
  for (i64 k = 0; k < l->nr; k++) given[k] = l->choice[k];
  why = forward(slot), l->nr = drawn_nr, N.transitions++;
  for (i64 k = 0; k < drawn_nr; k++) l->choice[k] = drawn[k], l->of[k] = drawn_of[k];
  if (why) return found(why, depth);
  find_feet(slot);
  if (!mark_feet(&n->s)) return OUT_OF_MEMORY;
  order(slot, &w);
  fall_asleep(&n->s, slot, &n[1].s);
  depth++;
  why = stand(name_of_state(), slot);
  return why ? found(why, depth) : 0;
}
/* Go on for at most so many transitions; return 0 once everything is done, or why not. */
EXPORT i64 zap_races(i64 transitions) {
  for (i64 last = N.transitions + transitions, why; N.transitions < last;) {
    struct level *l = levels + depth;
    if (!next_event(l, nodes + depth)) {
      if (!depth) return 0;
      depth--, unorder(), marks_nr = nodes[depth].s.last, back();
      continue;
    }
    if (depth + 2 >= depth_room) return DEEP;
    if (2 * N.ends >= table_words && !larger()) return FULL;
    if ((why = make_event(l, nodes + depth))) return why;
  }
  return SLICE_OVER;
}
/* Begin from where the execution stands. */
EXPORT i64 zap_races_begin(i64 words_most) {
  i64 why = begin_table(words_most), places = W->words + 2 + SLOTS_MAX;
  if (!nodes) nodes = malloc(sizeof *nodes * depth_room);
  free(last_touch), free(last_change);
  last_touch = calloc(places * W->slots, sizeof *last_touch), last_change = calloc(places * W->slots, sizeof *last_change);
  if (why || !nodes || !last_touch || !last_change || !begin_marks()) return OUT_OF_MEMORY;
  memset(last_event, 0, sizeof last_event);
  nodes[0].s.asleep = 0;
  why = stand(name_of_state(), 0);
  return why ? found(why, 0) : 0;
}
