/* Who need not move in a state, because it has moved before what led here, with which it does not conflict: sleep sets
 * (Godefroid, LNCS 1032, 1996, chapter 5), for explore.c and races.c.
 *
 * An actor's transitions that draw, one for each sequence of choices, sleep and wake together, by what all of them
 * touch. So an actor falls asleep once all of them have been made.
 */
struct mark { i64 at, how, old; int touched, changed; }; /* touched, changed: the actor's last events there before */
struct sleepers {
  u64 done, asleep; /* who has moved from here; who has slept since before */
  i64 from[SLOTS_MAX], to[SLOTS_MAX]; /* of both: where the marks of their next transitions are */
  i64 first, last; /* marks of the transition made last */
};
static struct mark *marks; /* on the way to here, and of what has moved on it: a stack */
static i64 marks_nr, marks_room;
static unsigned char *marked;

static int room_for_marks(void) {
  if (marks_nr + feet_nr <= marks_room) return 1;
  struct mark *larger = realloc(marks, sizeof *marks * (marks_room = 2 * marks_room + feet_nr));
  if (larger) marks = larger;
  return larger != 0;
}
/* Mark what the last transition has touched, as its feet say. Return 0 if memory runs out. */
static int mark_feet(struct sleepers *s) {
  if (!room_for_marks()) return 0;
  s->first = marks_nr;
  for (i64 k = 0; k < feet_nr; k++) marks[marks_nr++] = (struct mark){feet[k].at, feet[k].how, feet[k].old, 0, 0};
  s->last = marks_nr;
  return 1;
}
/* Whoever has moved here, or slept, sleeps on behind a transition that conflicts with nothing of its own. */
static void fall_asleep(const struct sleepers *s, i64 slot, struct sleepers *next) {
  u64 ahead = (s->done | s->asleep) & ~(1ull << slot);
  next->asleep = next->done = 0;
  if (!ahead) return;
  for (i64 k = s->first; k < s->last; k++) marked[marks[k].at] = marks[k].how;
  for (; ahead; ahead &= ahead - 1) {
    i64 q = lowest(ahead), k = s->from[q];
    while (k < s->to[q] && !(marks[k].how & TOUCHES && marked[marks[k].at] & CHANGES)
           && !(marks[k].how & CHANGES && marked[marks[k].at] & TOUCHES)) k++;
    if (k == s->to[q]) next->asleep |= 1ull << q, next->from[q] = s->from[q], next->to[q] = s->to[q];
  }
  for (i64 k = s->first; k < s->last; k++) marked[marks[k].at] = 0;
}
/* Begin with nothing marked. Return 0 if memory runs out. */
static int begin_marks(void) {
  free(marked), marked = calloc(W->words + 2 + SLOTS_MAX, 1), marks_nr = 0;
  return marked != 0;
}
