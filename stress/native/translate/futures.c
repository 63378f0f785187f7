/* What actors may touch from where they stand on: behind search.c.
 *
 * Where an actor stands is its *place*: the functions that it is in, and where in them. All transitions that are made
 * are edges between places; what an actor may touch from a place on is what transitions have touched that can be
 * reached by edges. This is a guess from what was seen, which grows as more is seen. What was assumed not to be
 * touched is kept with the place; a guess that grows into it was wrong.
 */
enum { PLACES_MAX = 1 << 14, PLACE_TABLE = 1 << 16 };

struct place {
  u64 key, *touched, *changed, *not_touched, *not_changed;
  i64 *from, from_nr, from_room, to_nr, waiting;
};
static struct place *places_seen;
static i64 places_nr, set_words, guess_wrong, *place_table, futures_full;
static struct { i64 from, to; } next[SLOTS_MAX];
static struct foot *feet_seen; /* of next transitions, one actor after the other */
static i64 feet_seen_nr, feet_seen_room;

/* -- places -------------------------------------------------------------------------------------------------------- */

static i64 place_named(u64 key) {
  i64 at = key >> 20 & (PLACE_TABLE - 1);
  while (place_table[at] && places_seen[place_table[at] - 1].key != key) at = (at + 1) & (PLACE_TABLE - 1);
  if (place_table[at]) return place_table[at] - 1;
  if (places_nr == PLACES_MAX) return futures_full = 1, 0;
  u64 *sets = calloc(4 * set_words, 8);
  if (!sets) return futures_full = 1, 0;
  struct place *p = places_seen + places_nr;
  *p = (struct place){key, sets, sets + set_words, sets + 2 * set_words, sets + 3 * set_words, 0, 0, 0, 0, 0};
  place_table[at] = ++places_nr;
  return places_nr - 1;
}
static i64 place_of(i64 slot) {
  u64 key = mix(slot + 1 + (S.state[slot] & FINISHED) * SLOTS_MAX);
  return place_named(S.started[slot] ? mix(key + S.top[slot]->place) : key);
}

/* -- what is touched from a place on --------------------------------------------------------------------------------- */

static int has(const u64 *set, i64 at) { return set[at >> 6] >> (at & 63) & 1; }
static void add(u64 *set, i64 at) { set[at >> 6] |= 1ull << (at & 63); }
static int grow(u64 *set, const u64 *by, const u64 *forbidden) {
  u64 grown = 0;
  for (i64 k = 0; k < set_words; k++) {
    u64 new = by[k] & ~set[k];
    set[k] |= new, grown |= new, guess_wrong |= (new & forbidden[k]) != 0;
  }
  return grown != 0;
}
/* Tell the places that lead to this one what has become known of it. */
static void spread(i64 at) {
  static i64 ahead[PLACES_MAX];
  i64 n = 0;
  ahead[n++] = at, places_seen[at].waiting = 1;
  while (n) {
    struct place *to = places_seen + ahead[--n];
    to->waiting = 0;
    for (i64 k = 0; k < to->from_nr; k++) {
      struct place *p = places_seen + to->from[k];
      int more = grow(p->touched, to->touched, p->not_touched) | grow(p->changed, to->changed, p->not_changed);
      if (more && !p->waiting) p->waiting = 1, ahead[n++] = to->from[k];
    }
  }
}
/* Note the last transition, made by an actor that stood at `from`. */
static void note_future(i64 slot, i64 from) {
  i64 to = place_of(slot), more = 0, known = 0;
  struct place *p = places_seen + from, *q = places_seen + to;
  for (i64 k = 0; k < feet_nr; k++) {
    i64 at = feet[k].at;
    if (feet[k].how & TOUCHES && !has(p->touched, at)) add(p->touched, at), more = 1, guess_wrong |= has(p->not_touched, at);
    if (feet[k].how & CHANGES && !has(p->changed, at)) add(p->changed, at), more = 1, guess_wrong |= has(p->not_changed, at);
  }
  p->to_nr = 1;
  for (i64 k = 0; k < q->from_nr && !known; k++) known = q->from[k] == from;
  if (!known) {
    if (q->from_nr == q->from_room) {
      i64 *larger = realloc(q->from, 8 * (q->from_room = 2 * q->from_room + 4));
      if (!larger) { futures_full = 1; return; }
      q->from = larger;
    }
    q->from[q->from_nr++] = from;
    more |= grow(p->touched, q->touched, p->not_touched) | grow(p->changed, q->changed, p->not_changed);
  }
  if (more) spread(from);
}

/* -- next transitions --------------------------------------------------------------------------------------------------- */

static int room_for_feet(i64 n) {
  if (feet_seen_nr + n <= feet_seen_room) return 1;
  struct foot *larger = realloc(feet_seen, sizeof *feet_seen * (feet_seen_room = 2 * feet_seen_room + n));
  if (larger) feet_seen = larger;
  return larger != 0;
}
static int see_feet(void) {
  if (!room_for_feet(feet_nr)) return 0;
  memcpy(feet_seen + feet_seen_nr, feet, sizeof *feet * feet_nr), feet_seen_nr += feet_nr;
  return 1;
}
/* See what an actor that is not enabled waits for: the cells that it reads, and that it is resumed. */
static int see_wait(i64 slot) {
  new_epoch();
  if (S.wait_keys[slot]) S.wait_ready[slot](S.wait_args[slot]);
  next[slot].from = feet_seen_nr;
  if (!room_for_feet(notes_nr + 1)) return 0;
  for (i64 k = 0; k < notes_nr; k++) feet_seen[feet_seen_nr++] = (struct foot){notes[k].at, TOUCHES, 0};
  feet_seen[feet_seen_nr++] = (struct foot){W->words + 2 + slot, TOUCHES, 0};
  next[slot].to = feet_seen_nr;
  return 1;
}
/* Whether what an actor does next can be in conflict with what another does from its place on. That another suspends
 * an actor that is enabled is no conflict: its transition only comes later then.
 */
static int meets(i64 slot, int enabled, const struct place *p) {
  if (!p->to_nr || futures_full) return 1; /* nobody has gone on from there */
  for (i64 k = next[slot].from; k < next[slot].to; k++) {
    i64 at = feet_seen[k].at, how = feet_seen[k].how;
    if (enabled && at == W->words + 2 + slot) continue;
    if ((how & TOUCHES && has(p->changed, at)) || (how & CHANGES && has(p->touched, at))) return 1;
  }
  return 0;
}
/* Add to a set of actors whoever may conflict with a member, until nobody does; `met`: with whom each may. */
static u64 closure(u64 set, const u64 *met) {
  for (u64 done = 0, ahead; (ahead = set & ~done); done |= ahead & -ahead) set |= met[lowest(ahead)];
  return set;
}
/* Assume from now on that no other actor conflicts with a set. */
static void assume(u64 set, u64 alive, const i64 *where, u64 enabled) {
  for (u64 left = set; left; left &= left - 1)
    for (u64 others = alive & ~set; others; others &= others - 1) {
      i64 slot = lowest(left);
      struct place *p = places_seen + where[lowest(others)];
      for (i64 k = next[slot].from; k < next[slot].to; k++) {
        if (enabled >> slot & 1 && feet_seen[k].at == W->words + 2 + slot) continue;
        if (feet_seen[k].how & TOUCHES) add(p->not_changed, feet_seen[k].at);
        if (feet_seen[k].how & CHANGES) add(p->not_touched, feet_seen[k].at);
      }
    }
}
/* Assume nothing; forget what is known of places too unless `again`. Return 0 if memory runs out. */
static int begin_futures(i64 again) {
  i64 words = (W->words + 2 + SLOTS_MAX + 63) / 64;
  if (!again || words != set_words) {
    for (i64 k = 0; k < places_nr; k++) free(places_seen[k].touched), free(places_seen[k].from);
    free(place_table), place_table = calloc(PLACE_TABLE, sizeof *place_table);
    if (!places_seen) places_seen = calloc(PLACES_MAX, sizeof *places_seen);
    places_nr = 0, set_words = words, futures_full = 0;
  }
  for (i64 k = 0; k < places_nr; k++) memset(places_seen[k].not_touched, 0, 16 * set_words);
  guess_wrong = 0;
  return place_table && places_seen;
}
