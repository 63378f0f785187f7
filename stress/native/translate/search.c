/* Exhaustive search: make one transition, take it back, name the state. Stands behind runtime.c in the flavour
 * SEARCH of a compiled kernel.
 *
 * A transition is one step of one actor and all plain code up to its next one; a body's beginning belongs to its
 * first step. Every cell that it reads or writes is noted with what was there before: that is its footprint, the
 * way back, and what the state's hash changes by. Of the frames only the moving actor's can change; they are kept
 * whole, but for what lies behind the end of a list.
 *
 * A state's hash is a sum of: the plain words of the arena, each actor's frames and waits, whether it is enabled,
 * and what decides of step numbers and of versions of contents. These are told by their tags (runtime.h) wherever
 * they lie, and hashed as relations: which changes came after which moments, and which contents are equal.
 */
#ifndef __TINYC__
#include <stdlib.h>
#endif

enum { WORD_PLAIN, WORD_FREE, WORD_CHANGE, WORD_MOMENT, WORD_OWN_MOMENT, WORD_WHO, WORD_CONTENT, WORD_SECTION, WORD_INSIDE };
enum { TAGS_MAX = 24, DRAWN_MAX = 24, NAMES_MAX = 1 << 14, WHO_BITS = 6 };
#define UNRANKED 100 /* why: a step number lies where none is declared */
#define NO_MEMORY 101

/* What Python declares of the arena: the kind of each word, and the words of a kind, ascending. */
struct search {
  const unsigned char *kinds;
  const i64 *changes, *moments, *owners, *contents; /* owners: of the moments, -1 for all actors */
  i64 changes_nr, moments_nr, contents_nr, salt, inside_first, inside_nr, sections_first, sections_nr;
};
struct noted { i64 at, old; };
struct tag { i64 key, value; };
enum { TOUCHES = 1, CHANGES = 2 };
struct foot { i64 at, how, old; }; /* what of a transition others may conflict with: words, then what is no word */

i64 TOLD = 1, seq_kept;
static struct search X;
static unsigned *noted_in, epoch;
static struct noted *notes;
static i64 notes_nr;
static struct foot *feet;
static i64 feet_nr;
static u64 plain_hash, frames_hash[SLOTS_MAX];
static struct tag tags[SLOTS_MAX][TAGS_MAX];
static i64 tags_nr[SLOTS_MAX];
static i64 *trail, trail_nr, trail_room;
static i64 given[DRAWN_MAX], given_nr, drawn[DRAWN_MAX], drawn_of[DRAWN_MAX], drawn_nr, bailed_seq, poisoning;
static u64 walking; /* the state of a stream of random words, while a walk draws from it */
static const char *names[NAMES_MAX];
static i64 names_nr;

/* -- what translated code calls ---------------------------------------------------------------------------------- */

i64 *touch(i64 *cell) {
  i64 at = cell - W->block;
  if (noted_in[at] != epoch) noted_in[at] = epoch, notes[notes_nr].at = at, notes[notes_nr++].old = *cell;
  return cell;
}
/* Being enabled is no read of whoever asks: it is one of the next transition of the actor that waits. */
static int fits(ready may, const i64 *args) {
  i64 known = notes_nr, found = may(args);
  while (notes_nr > known) noted_in[notes[--notes_nr].at] = epoch - 1;
  return found;
}
void ran(const char *function) { if (names_nr < NAMES_MAX) names[names_nr++] = function; }
void enter(struct head *f, i64 words, i64 params, const i64 *room) {
  i64 head = sizeof *f / 8;
  f->words = words, f->room = room;
  memset((i64 *)f + head + params, 0, 8 * (words - head - params));
  for (; room[0] >= 0; room += 3) memset((i64 *)f + words + room[0] + room[1] * cap, 0, room[2] < 0 ? -8 * room[2] : 8);
}
i64 draw(i64 n) {
  if (drawn_nr >= DRAWN_MAX) bail(DRAWS_FULL);
  i64 choice = drawn_nr < given_nr ? given[drawn_nr] : walking && n > 1 ? word((u64 *)&walking) % n : 0;
  if (choice >= n) choice = 0;
  drawn_of[drawn_nr] = n, drawn[drawn_nr++] = choice;
  return choice;
}

/* -- names of states ------------------------------------------------------------------------------------------------ */

static inline int is_seq(i64 v) { return v >> 24 == SEQ_TAG >> 24; }
static inline int is_change(i64 v) { return v >> (24 + WHO_BITS) == SEQ_TAG >> 24; }
static inline int is_version(i64 v) { return v >> 24 == VERSION_TAG >> 24; }
static inline int is_tagged(i64 v) { return v >= SEQ_TAG && (is_seq(v) || is_version(v) || is_change(v)); }
static inline u64 pair(u64 a, u64 b) { return mix(a * GOLDEN + mix(b + (u64)X.salt)); }

/* What a word of the arena adds to the hash of the plain words. */
static inline u64 word_hash(i64 at, i64 v) {
  switch (X.kinds[at]) {
    case WORD_PLAIN: return pair(at, v);
    case WORD_WHO: return pair(at, v & ((1 << WHO_BITS) - 1));
    case WORD_CONTENT: return is_version(v) ? 0 : pair(at, v);
    default: return 0;
  }
}
static u64 hash_words(u64 h, const i64 *words, i64 n, i64 slot) {
  for (i64 k = 0; k < n; k++) {
    i64 v = words[k];
    if (is_tagged(v)) {
      if (tags_nr[slot] >= TAGS_MAX) return bailed = FRAME_FULL, h;
      tags[slot][tags_nr[slot]].key = words + k - W->stacks, tags[slot][tags_nr[slot]++].value = v;
      v = SEQ_TAG;
    }
    h = (h ^ (u64)v) * 0x94D049BB133111EBull, h ^= h >> 29;
  }
  return h;
}
/* Hash an actor's frames, innermost first, and what it waits for; collect the step numbers and versions in them. */
static void hash_frames(i64 slot) {
  u64 h = mix(S.started[slot] + (u64)X.salt);
  tags_nr[slot] = 0;
  if (S.wait_keys[slot]) {
    i64 wait[2] = {S.wait_keys[slot], (i64)S.wait_ready[slot]};
    h = hash_words(h, wait, 2, slot);
    h = hash_words(h, S.wait_key[slot], S.wait_keys[slot], slot);
    h = hash_words(h, S.wait_args[slot], ARGS_MAX, slot);
  }
  for (struct head *f = S.started[slot] ? S.top[slot] : 0; f; f = f->parent) {
    i64 head = sizeof *f / 8, place[3] = {(i64)f->run, f->at, f->words};
    h = hash_words(h, place, 3, slot);
    i64 live = f->live[f->at], bit = ROOM_BIT;
    for (i64 k = head; k < f->words; k++) if (live >> (k - head) & 1) h = hash_words(h, (i64 *)f + k, 1, slot);
    for (const i64 *room = f->room; room[0] >= 0; room += 3) {
      if (!(live >> bit++ & 1)) continue;
      i64 *at = (i64 *)f + f->words + room[0] + room[1] * cap;
      h = room[2] < 0 ? hash_words(h, at, -room[2], slot) : hash_words(h, at, 1 + at[0] * room[2], slot);
    }
  }
  frames_hash[slot] = h;
}

/* Overwrite what is not read any more in an actor's frames: a test that nothing depends on it. */
static void poison(i64 slot) {
  for (struct head *f = S.started[slot] ? S.top[slot] : 0; f; f = f->parent) {
    i64 head = sizeof *f / 8, live = f->live[f->at], bit = ROOM_BIT;
    for (i64 k = head; k < f->words; k++) if (!(live >> (k - head) & 1)) ((i64 *)f)[k] = -0x5a5a5a5a5a;
    for (const i64 *room = f->room; room[0] >= 0; room += 3)
      if (!(live >> bit++ & 1)) ((i64 *)f)[f->words + room[0] + room[1] * cap] = 0;
  }
}

/* Which changes came after which moments: all that is ever asked of step numbers. */
struct change { i64 at, seq, who; };
static u64 after(i64 at, i64 seq, i64 owner, const struct change *changes, i64 n) {
  u64 h = 0;
  if (!seq) return 0;
  for (i64 k = 0; k < n; k++)
    if (changes[k].seq > seq && (owner < 0 || owner == changes[k].who)) h += pair(at, changes[k].at + (1ll << 40));
  return h + pair(at, -1);
}
static u64 hash_seqs(void) {
  static struct change changes[1 << 12];
  i64 n = 0;
  u64 h = 0;
  for (i64 k = 0; k < X.changes_nr && n < 1 << 11; k++) {
    i64 v = W->block[X.changes[k]];
    if (v) changes[n++] = (struct change){X.changes[k], v >> WHO_BITS, v & ((1 << WHO_BITS) - 1)};
  }
  for (i64 slot = 0; slot < W->slots; slot++)
    for (i64 k = 0; k < tags_nr[slot]; k++) {
      struct tag *t = &tags[slot][k];
      if (is_change(t->value)) changes[n++] = (struct change){~t->key, t->value >> WHO_BITS, t->value & ((1 << WHO_BITS) - 1)};
    }
  for (i64 k = 0; k < n; k++) h += pair(changes[k].at, changes[k].who + (1ll << 41));
  for (i64 k = 0; k < X.moments_nr; k++) h += after(X.moments[k], W->block[X.moments[k]], X.owners[k], changes, n);
  for (i64 slot = 0; slot < W->slots; slot++)
    for (i64 k = 0; k < tags_nr[slot]; k++)
      if (is_seq(tags[slot][k].value)) h += after(~tags[slot][k].key, tags[slot][k].value, -1, changes, n);
  return h;
}
/* Which contents are equal: versions, numbered as they first occur. */
static u64 numbered(i64 at, i64 v, i64 *seen, i64 *n) {
  i64 k = 0;
  while (k < *n && seen[k] != v) k++;
  if (k == *n && *n < 1 << 12) seen[(*n)++] = v;
  return pair(at, k + (1ll << 42));
}
static u64 hash_contents(void) {
  static i64 seen[1 << 12];
  i64 n = 0;
  u64 h = 0;
  for (i64 k = 0; k < X.contents_nr; k++) {
    i64 v = W->block[X.contents[k]];
    if (is_version(v)) h += numbered(X.contents[k], v, seen, &n);
  }
  for (i64 slot = 0; slot < W->slots; slot++)
    for (i64 k = 0; k < tags_nr[slot]; k++)
      if (is_version(tags[slot][k].value)) h += numbered(~tags[slot][k].key, tags[slot][k].value, seen, &n);
  return h;
}
/* What was noted inside of a section that its CPU has not left since. */
static u64 hash_inside(void) {
  const i64 *noted = W->block + X.inside_first, *sections = W->block + X.sections_first;
  u64 h = 0;
  for (i64 k = 0; k < X.inside_nr; k++) if (noted[k] == sections[k % X.sections_nr] + 1) h += pair(X.inside_first + k, 1);
  return h;
}
EXPORT u64 zap_digest(void) {
  u64 h = plain_hash;
  for (i64 slot = 0; slot < W->slots; slot++) h += pair(frames_hash[slot] + slot, S.state[slot]);
  for (i64 k = 0; k < S.holds_nr; k++) h += pair(S.holds[k][0], S.holds[k][1]);
  return mix(h + hash_seqs() + hash_contents() + hash_inside());
}

/* -- there and back --------------------------------------------------------------------------------------------------- */

static int room_for(i64 n) {
  if (trail_nr + n > trail_room) {
    i64 more = 2 * trail_room + n + 4096, *bigger = realloc(trail, 8 * more);
    if (!bigger) return 0;
    trail = bigger, trail_room = more;
  }
  return 1;
}
static i64 put(const void *words, i64 n) { memcpy(trail + trail_nr, words, 8 * n); return trail_nr += n; }
static i64 take(i64 from, void *words, i64 n) { memcpy(words, trail + from, 8 * n); return from + n; }

/* What of the scheduler a transition of an actor can change, as (address, words). */
#define KEPT_OF(slot) \
  {&S.seq, 1}, {&S.waiting, 1}, {&S.unfinished, 1}, {&S.holds_nr, 1}, {&plain_hash, 1}, {S.state, W->slots}, \
  {&S.started[slot], 1}, {&S.top[slot], 1}, {&S.wait_keys[slot], 1}, {S.wait_key[slot], KEYS_MAX}, \
  {S.wait_args[slot], ARGS_MAX}, {&S.wait_ready[slot], 1}, {&frames_hash[slot], 1}, {&tags_nr[slot], 1}
struct kept { void *at; i64 words; };

static i64 frame_words(const struct head *f) {
  i64 n = f->words;
  for (const i64 *room = f->room; room[0] >= 0; room += 3)
    n += room[2] < 0 ? -room[2] : 1 + room[2] * ((i64 *)f)[f->words + room[0] + room[1] * cap];
  return n;
}
/* Keep what a transition of an actor can change, but for the arena. */
static int keep(i64 slot) {
  struct kept kept[] = {KEPT_OF(slot)};
  i64 from = trail_nr, n = 128 + W->slots + 2 * S.holds_nr + 2 * TAGS_MAX, frames = 0;
  struct head *f;
  for (f = S.started[slot] ? S.top[slot] : 0; f; f = f->parent) n += 1 + frame_words(f), frames++;
  if (!room_for(n)) return 0;
  for (size_t k = 0; k < sizeof kept / sizeof *kept; k++) put(kept[k].at, kept[k].words);
  put(S.holds, 2 * S.holds_nr), put(tags[slot], 2 * tags_nr[slot]), put(&frames, 1);
  for (f = frames ? S.top[slot] : 0; f; f = f->parent) {
    put(&f, 1), put(f, f->words);
    for (const i64 *room = f->room; room[0] >= 0; room += 3) {
      i64 *at = (i64 *)f + f->words + room[0] + room[1] * cap;
      put(at, room[2] < 0 ? -room[2] : 1 + room[2] * at[0]);
    }
  }
  put(&slot, 1), put(&from, 1);
  return 1;
}
/* Put back what was kept last. */
static void unkeep(void) {
  i64 from = trail[trail_nr - 1], slot = trail[trail_nr - 2], at = from, frames;
  struct kept kept[] = {KEPT_OF(slot)};
  for (size_t k = 0; k < sizeof kept / sizeof *kept; k++) at = take(at, kept[k].at, kept[k].words);
  at = take(at, S.holds, 2 * S.holds_nr), at = take(at, tags[slot], 2 * tags_nr[slot]), at = take(at, &frames, 1);
  while (frames--) {
    struct head *f;
    at = take(at, &f, 1), at = take(at, f, trail[at + offsetof(struct head, words) / 8]);
    for (const i64 *room = f->room; room[0] >= 0; room += 3) {
      i64 *cells = (i64 *)f + f->words + room[0] + room[1] * cap;
      at = take(at, cells, room[2] < 0 ? -room[2] : 1 + room[2] * trail[at]);
    }
  }
  S.enabled[0] = 0;
  for (i64 k = 0; k < W->slots; k++) if (!S.state[k]) S.enabled[++S.enabled[0]] = k;
  trail_nr = from;
}
static void new_epoch(void) {
  if (!++epoch) memset(noted_in, 0, sizeof *noted_in * W->words), epoch = 1;
  notes_nr = seq_kept = 0, SP = W->scratch, SP_END = SP + W->scratch_words, S.spins = 0, bailed = CLEAN;
}
/* Take back a transition, or an audit, that was given up: nothing of it has been counted. */
static void put_back_notes(void) { while (notes_nr) notes_nr--, W->block[notes[notes_nr].at] = notes[notes_nr].old; }

/* Make a transition; return CLEAN, or why it was given up: then all is as it was before. */
static i64 forward(i64 slot) {
  const struct actor *a = actor(slot);
  new_epoch(), drawn_nr = 0, S.cur = ME = slot, S.run = !S.started[slot];
  if (!keep(slot)) return NO_MEMORY;
  if (S.wait_keys[slot]) S.wait_ready[slot](S.wait_args[slot]);
  if (!setjmp(out)) { if (go_on(slot, a)) ended(a), S.started[slot] = 0; }
  bailed_seq = S.seq;
  if (!bailed && poisoning) poison(slot);
  if (!bailed) hash_frames(slot);
  if (!bailed && !room_for(2 * notes_nr + 1)) bailed = NO_MEMORY;
  for (i64 k = 0; k < notes_nr && !bailed; k++)
    if (X.kinds[notes[k].at] == WORD_PLAIN && is_tagged(W->block[notes[k].at])) bailed = UNRANKED;
  if (bailed) {
    put_back_notes(), unkeep();
    return bailed;
  }
  i64 changed = 0;
  for (i64 k = 0; k < notes_nr; k++) {
    i64 at = notes[k].at, new = W->block[at];
    if (new == notes[k].old) continue;
    plain_hash += word_hash(at, new) - word_hash(at, notes[k].old);
    put(&notes[k], 2), changed++;
  }
  put(&changed, 1);
  return CLEAN;
}
/* Find what the last transition has touched and changed; `before`: the actors' states before it. Two transitions of
 * different actors conflict if one changes what the other touches. Besides words: changes against moments, whose
 * order is all that is asked of step numbers; and each actor's suspension, which its own transitions read. Whether
 * an actor is blocked is no place of its own: that is decided by cells, which its next transition reads.
 */
static void find_feet(i64 slot, const i64 *before) {
  i64 change = 0, moment = seq_kept;
  feet_nr = 0;
  for (i64 k = 0; k < notes_nr; k++) {
    i64 at = notes[k].at, kind = X.kinds[at], changed = W->block[at] != notes[k].old;
    if (kind == WORD_FREE) continue;
    feet[feet_nr++] = (struct foot){at, changed ? TOUCHES | CHANGES : TOUCHES, notes[k].old};
    change |= changed && kind == WORD_CHANGE, moment |= changed && kind == WORD_MOMENT;
  }
  if (change | moment) {
    feet[feet_nr++] = (struct foot){W->words, (change ? CHANGES : 0) | (moment ? TOUCHES : 0), 0};
    feet[feet_nr++] = (struct foot){W->words + 1, (moment ? CHANGES : 0) | (change ? TOUCHES : 0), 0};
  }
  for (i64 k = 0; k < W->slots; k++)
    if (k != slot && (S.state[k] ^ before[k]) & ~BLOCKED) feet[feet_nr++] = (struct foot){W->words + 2 + k, TOUCHES | CHANGES, before[k]};
  feet[feet_nr++] = (struct foot){W->words + 2 + slot, TOUCHES, 0};
}
/* Take back the last transition. */
static void back(void) {
  i64 changed = trail[--trail_nr];
  while (changed--) trail_nr -= 2, W->block[trail[trail_nr]] = trail[trail_nr + 1];
  unkeep();
}
/* Audit a world in which nothing is left to be done; return CLEAN, or why it objects. */
static i64 audited(void) {
  new_epoch();
  if (!setjmp(out)) audit();
  i64 found = bailed;
  put_back_notes();
  return found;
}

/* -- from outside -------------------------------------------------------------------------------------------------------- */

/* Stand at the beginning of an execution; return CLEAN, or why there is none. */
EXPORT i64 zap_search_begin(const struct search *declared) {
  X = *declared;
  noted_in = realloc(noted_in, sizeof *noted_in * W->words), notes = realloc(notes, sizeof *notes * (W->words + 1));
  feet = realloc(feet, sizeof *feet * (W->words + 2 + SLOTS_MAX));
  if (!noted_in || !notes || !feet) return NO_MEMORY;
  memset(noted_in, 0, sizeof *noted_in * W->words), epoch = 0, trail_nr = 0, TOLD++, names_nr = 0;
  memcpy(W->block, W->snapshot, 8 * W->words);
  new_epoch();
  if (!setjmp(out)) {
    for (i64 k = 0; k < RUNS_NR; k++) *runs[k] = 0;
    memset(&S, 0, sizeof S);
    for (i64 slot = 0; slot < W->slots; slot++) S.state[slot] = ABSENT;
    for (i64 k = 0; k < W->actors_nr; k++) S.unfinished += !W->actors[k].daemon, arm(W->actors + k);
  }
  plain_hash = 0;
  for (i64 at = 0; at < W->words; at++) plain_hash += word_hash(at, W->block[at]);
  for (i64 slot = 0; slot < W->slots; slot++) hash_frames(slot);
  return bailed;
}
EXPORT i64 zap_forward(i64 slot, i64 nr, const i64 *choices) {
  given_nr = min_(nr, DRAWN_MAX), memcpy(given, choices, 8 * given_nr);
  return forward(slot);
}
EXPORT void zap_poison(i64 on) { poisoning = on; }
EXPORT void zap_back(void) { back(); }
EXPORT i64 zap_audit(void) { return audited(); }
EXPORT i64 zap_seq(void) { return S.seq; }
EXPORT i64 zap_bailed_seq(void) { return bailed_seq; }
EXPORT const i64 *zap_enabled(void) { return S.enabled; }
EXPORT i64 zap_unfinished(void) { return S.unfinished; }
/* What the last transition drew: (choice, of how many). */
EXPORT i64 zap_drawn(i64 *out) {
  for (i64 k = 0; k < drawn_nr; k++) out[2 * k] = drawn[k], out[2 * k + 1] = drawn_of[k];
  return drawn_nr;
}
/* The last transition's footprint: (word, whether it was changed). */
EXPORT i64 zap_footprint(i64 *out) {
  for (i64 k = 0; k < notes_nr; k++) out[2 * k] = notes[k].at, out[2 * k + 1] = W->block[notes[k].at] != notes[k].old;
  return notes_nr;
}
/* Save all that makes a state, or say how many words that takes; the way back from it is not part of it. */
EXPORT i64 zap_save(i64 *into) {
  i64 at = trail_nr, n;
  for (i64 slot = 0; slot < W->slots; slot++) if (!keep(slot)) return -1;
  n = trail_nr - at;
  if (into) {
    memcpy(into, W->block, 8 * W->words), memcpy(into + W->words, trail + at, 8 * n);
    for (i64 slot = 0, k = n; slot < W->slots; slot++) into[W->words + k - 1] -= at, k = into[W->words + k - 1];
  }
  trail_nr = at;
  return W->words + n;
}
EXPORT i64 zap_restore(const i64 *from, i64 words) {
  trail_nr = 0;
  if (!room_for(words)) return NO_MEMORY;
  memcpy(W->block, from, 8 * W->words);
  put(from + W->words, words - W->words);
  while (trail_nr) unkeep();
  return CLEAN;
}
EXPORT i64 zap_ran(const char **into) { memcpy(into, names, sizeof *names * names_nr); return names_nr; }
EXPORT i64 *const *zap_run_counts(void) { return runs; }
