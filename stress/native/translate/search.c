/* Exhaustive search: make one transition, take it back, name the state. Stands behind runtime.c in the flavour
 * SEARCH of a compiled kernel.
 *
 * A transition is one step of one actor and all plain code up to its next one; a body's beginning belongs to its
 * first step. Every cell that it reads or writes is noted with what was there before: that is its footprint, the
 * way back, and what the state's hash changes by. Of the frames only those of the moving actor can change that go on,
 * innermost first, and lists that are lent; they are kept before they do, but for what lies behind the end of a list.
 *
 * A state's hash is a sum of: the plain words of the arena, each actor's frames and waits, whether it is enabled,
 * and what decides of step numbers and of versions of contents. These are told by their tags (runtime.h) wherever
 * they lie, and hashed as relations: which changes came after which moments, and which contents are equal. All of it
 * is kept up: after a transition only that is named anew which may have changed.
 */
#ifndef __TINYC__
#include <stdlib.h>
#endif

enum { WORD_PLAIN, WORD_FREE, WORD_CHANGE, WORD_MOMENT, WORD_OWN_MOMENT, WORD_WHO, WORD_CONTENT, WORD_SECTION, WORD_INSIDE };
enum { TAGS_MAX = 24, DRAWN_MAX = 24, NAMES_MAX = 1 << 14, TOLD_APART = 1 << 12, WHO_BITS = 6 };
#define UNRANKED 100 /* why: a step number lies where none is declared */
#define NO_MEMORY 101
#define UNNAMED 102 /* there are more step numbers, or contents, than are told apart */

/* What Python declares of the arena: the kind of each word, and the words of a kind, ascending. */
struct search {
  const unsigned char *kinds;
  const i64 *changes, *moments, *owners, *contents; /* owners: of the moments, -1 for all actors */
  i64 changes_nr, moments_nr, contents_nr, salt, inside_first, inside_nr, sections_first, sections_nr;
  i64 told_apart; /* changes, and contents, that a state may have: at most TOLD_APART */
  const i64 *sites; /* the checksums of the sites' names, by their numbers in this process */
  i64 sites_nr;
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
static i64 feet_nr, was[SLOTS_MAX]; /* was: the actors' states before the last transition */
static struct hashes { u64 plain, seqs, contents, inside; } H; /* of the arena's words, by kind */
static struct frames { u64 name; i64 tags_nr; struct tag tags[TAGS_MAX]; } frames[SLOTS_MAX];
static struct hashes H_first; /* as they are at the beginning */
static struct frames frames_first[SLOTS_MAX];
/* What a transition of an actor can change, but for what is kept on the trail; it is laid on it last. */
struct before { i64 slot, trail_nr, states, seq, unfinished, waiting, holds_nr, started, wait_keys, tags_nr; struct head *top; u64 name; struct hashes h; };
enum { BEFORE_WORDS = sizeof(struct before) / 8 };
static struct before before;
static i64 *trail, trail_nr, trail_room; /* what was, to be put back: words, where they were, and how many */
static i64 tags_kept, keeping; /* where on the trail the moving actor's tags are; whether frames are kept */
static struct head *outermost; /* of the frames that have gone on */
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
/* A frame's lists, each as `room` has it: (heads, caps, words of an element; those of a record, negative), up to -1. */
#define EACH_LIST(f, room) (const i64 *room = (f)->about->room; room[0] >= 0; room += 3)
static inline i64 *list_at(struct head *f, const i64 *room) { return (i64 *)f + f->about->words + room[0] + room[1] * cap; }
static inline i64 list_words(const i64 *list, i64 width) { return width < 0 ? -width : 1 + list[0] * width; }
void enter(struct head *f, const struct about *about) {
  f->about = about, f->lends = about->lent || !f->parent ? f : f->parent->lends;
  for EACH_LIST(f, room) memset(list_at(f, room), 0, room[2] < 0 ? -8 * room[2] : 8);
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
/* A word as it is in every process, if it is an address, of a cell, a list or a function, or has the number of a site.
 * What is none of these stays as it is.
 */
static const char library;
static inline i64 of_library(i64 function) { return function - (i64)&library; }
__attribute__((noinline)) static i64 far_away(i64 v) {
  u64 cell = (u64)v - (u64)W->block, frame = (u64)v - (u64)W->stacks;
  i64 site = v >> SITE_SHIFT;
  if (site) return site > 0 && site < X.sites_nr ? X.sites[site] << SITE_SHIFT ^ (v & ((1ll << SITE_SHIFT) - 1)) : v;
  if (cell < 8 * (u64)W->words) return (i64)cell | 1ll << 61;
  return frame < 8 * (u64)(W->slots * W->stack_words) ? (i64)frame | 1ll << 60 : v;
}
static inline i64 anywhere(i64 v) { return (u64)v >> 32 ? far_away(v) : v; }
/* A step number or a version in a frame: it is kept by where it lies, and is in no name. */
__attribute__((noinline)) static i64 tagged(const i64 *word, struct frames *of) {
  if (of->tags_nr >= TAGS_MAX) bail(FRAME_FULL);
  of->tags[of->tags_nr].key = word - W->stacks, of->tags[of->tags_nr++].value = *word;
  return SEQ_TAG;
}
static inline u64 hash_word(u64 h, i64 v) { h = (h ^ (u64)v) * 0x94D049BB133111EBull; return h ^ h >> 29; }
static inline u64 hash_words(u64 h, const i64 *words, i64 n, struct frames *of) {
  for (i64 k = 0; k < n; k++) h = hash_word(h, is_tagged(words[k]) ? tagged(words + k, of) : anywhere(words[k]));
  return h;
}
static u64 hash_lists(u64 h, struct head *f, u64 which, struct frames *of) {
  i64 bit = ROOM_BIT;
  for EACH_LIST(f, room) if (which >> bit++ & 1) h = hash_words(h, list_at(f, room), list_words(list_at(f, room), room[2]), of);
  return h;
}
/* Name the frames from the outermost that has gone on to f: what is read of them, but for what is lent. */
static void name_frames(struct head *f, struct frames *of) {
  struct head *up = f->parent;
  if (f != outermost) name_frames(up, of);
  u64 live = f->about->live[f->at], h = hash_word(hash_word(up ? up->name : X.salt, of_library((i64)f->run)), f->at);
  of->tags_nr = up ? up->tags : 0;
  for (u64 words = live & ((1ull << ROOM_BIT) - 1); words; words &= words - 1) h = hash_words(h, (i64 *)(f + 1) + lowest(words), 1, of);
  f->name = hash_lists(h, f, live, of), f->tags = of->tags_nr;
  f->place = mix((up ? up->place : 0) + mix((u64)of_library((i64)f->run)) + f->at);
}
/* Name an actor's frames, what they lend, and what it waits for; collect the step numbers and versions in them. */
static void name_actor(i64 slot) {
  struct frames *of = frames + slot;
  u64 h = mix(S.started[slot] + (u64)X.salt);
  of->tags_nr = 0;
  if (S.started[slot]) {
    struct head *f = S.top[slot];
    name_frames(f, of), h += f->name;
    for (f = f->lends; f; f = f->parent ? f->parent->lends : 0) h = hash_lists(h, f, f->about->lent, of);
  }
  if (S.wait_keys[slot]) {
    i64 wait[2] = {S.wait_keys[slot], of_library((i64)S.wait_ready[slot])};
    h = hash_words(h, wait, 2, of), h = hash_words(h, S.wait_key[slot], S.wait_keys[slot], of);
    h = hash_words(h, S.wait_args[slot], ARGS_MAX, of);
  }
  of->name = h;
}

/* Overwrite what is not read any more in an actor's frames: a test that nothing depends on it. */
static void poison(i64 slot) {
  for (struct head *f = S.started[slot] ? S.top[slot] : 0; f; f = f->parent) {
    i64 head = sizeof *f / 8, live = f->about->live[f->at] | f->about->lent, bit = ROOM_BIT;
    for (i64 k = head; k < f->about->words; k++) if (!(live >> (k - head) & 1)) ((i64 *)f)[k] = -0x5a5a5a5a5a;
    for EACH_LIST(f, room) if (!(live >> bit++ & 1)) list_at(f, room)[0] = 0;
  }
}

/* Which changes came after which moments: all that is ever asked of step numbers. */
struct change { i64 seq, who; u64 name; };
static struct change changed_at(i64 at, i64 v) {
  i64 who = v & ((1 << WHO_BITS) - 1);
  return (struct change){v >> WHO_BITS, who, pair(at, who + (1ll << 41))};
}
static u64 after(i64 at, i64 seq, i64 owner, const struct change *changes, i64 n) {
  u64 sum = 0;
  if (!seq) return 0;
  for (i64 k = 0; k < n; k++) if (changes[k].seq > seq && (owner < 0 || owner == changes[k].who)) sum += changes[k].name;
  return pair(at, sum);
}
/* Return a number that is still to be had. Who has no name is no part of a state's, and two states would be one. */
static i64 another(i64 *n) {
  if (*n >= X.told_apart) bail(UNNAMED);
  return (*n)++;
}
static u64 hash_seqs(void) {
  static struct change changes[TOLD_APART];
  i64 n = 0;
  u64 h = 0;
  for (i64 k = 0; k < X.changes_nr; k++) {
    i64 at = X.changes[k];
    if (W->block[at]) changes[another(&n)] = changed_at(at, W->block[at]);
  }
  for (i64 slot = 0; slot < W->slots; slot++)
    for (struct tag *t = frames[slot].tags; t < frames[slot].tags + frames[slot].tags_nr; t++)
      if (is_change(t->value)) changes[another(&n)] = changed_at(~t->key, t->value);
  for (i64 k = 0; k < n; k++) h += changes[k].name;
  for (i64 k = 0; k < X.moments_nr; k++) h += after(X.moments[k], W->block[X.moments[k]], X.owners[k], changes, n);
  for (i64 slot = 0; slot < W->slots; slot++)
    for (struct tag *t = frames[slot].tags; t < frames[slot].tags + frames[slot].tags_nr; t++)
      if (is_seq(t->value)) h += after(~t->key, t->value, -1, changes, n);
  return h;
}
/* Which contents are equal: versions, numbered as they first occur. */
static u64 numbered(i64 at, i64 v, i64 *seen, i64 *n) {
  i64 k = 0;
  while (k < *n && seen[k] != v) k++;
  if (k == *n) seen[another(n)] = v;
  return pair(at, k + (1ll << 42));
}
static u64 hash_contents(void) {
  static i64 seen[TOLD_APART];
  i64 n = 0;
  u64 h = 0;
  for (i64 k = 0; k < X.contents_nr; k++) {
    i64 v = W->block[X.contents[k]];
    if (is_version(v)) h += numbered(X.contents[k], v, seen, &n);
  }
  for (i64 slot = 0; slot < W->slots; slot++)
    for (struct tag *t = frames[slot].tags; t < frames[slot].tags + frames[slot].tags_nr; t++)
      if (is_version(t->value)) h += numbered(~t->key, t->value, seen, &n);
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
  u64 h = H.plain + H.seqs + H.contents + H.inside;
  for (i64 slot = 0; slot < W->slots; slot++) h += mix(frames[slot].name + (u64)S.state[slot] * GOLDEN + slot);
  for (i64 k = 0; k < S.holds_nr; k++) h += pair(anywhere(S.holds[k][0]), S.holds[k][1]);
  return mix(h);
}
/* Name everything, whatever has been kept up; it may bail. */
static void name_all(void) {
  H.plain = 0;
  for (i64 at = 0; at < W->words; at++) H.plain += word_hash(at, W->block[at]);
  for (i64 slot = 0; slot < W->slots; slot++) outermost = base(slot), name_actor(slot);
  H.seqs = hash_seqs(), H.contents = hash_contents(), H.inside = hash_inside();
}
/* The same as zap_digest, if what that has kept up is right: of a state that has a name. */
EXPORT u64 zap_digest_anew(void) { name_all(); return zap_digest(); }

/* -- there and back --------------------------------------------------------------------------------------------------- */

static void lengthen_trail(i64 n) {
  i64 more = 2 * trail_room + n + 4096, *bigger = realloc(trail, 8 * more);
  if (!bigger) bail(NO_MEMORY);
  trail = bigger, trail_room = more;
}
static inline void make_room(i64 n) { if (trail_nr + n > trail_room) lengthen_trail(n); }
/* Keep words on the trail: what stands there, or stood. */
static inline void keep_as(void *at, const void *words, i64 n) {
  make_room(n + 2);
  memcpy(trail + trail_nr, words, 8 * n), trail_nr += n + 2;
  trail[trail_nr - 2] = (i64)at, trail[trail_nr - 1] = n;
}
static void keep(void *at, i64 n) { keep_as(at, at, n); }
/* Put back everything that was kept since the trail was so long. */
static void put_back(i64 length) {
  while (trail_nr > length) {
    i64 n = trail[trail_nr - 1], *at = (i64 *)trail[trail_nr - 2];
    trail_nr -= n + 2;
    if (n == 1) *at = trail[trail_nr];
    else memcpy(at, trail + trail_nr, 8 * n);
  }
}
static void find_enabled(void) {
  S.enabled[0] = 0;
  for (i64 k = 0; k < W->slots; k++) if (!S.state[k]) S.enabled[++S.enabled[0]] = k;
}
static void keep_lists(struct head *f, u64 which) {
  i64 bit = ROOM_BIT;
  for EACH_LIST(f, room) if (which >> bit++ & 1) keep(list_at(f, room), list_words(list_at(f, room), room[2]));
}
static void keep_frame(struct head *f) { keep(f, f->about->words), keep_lists(f, f->about->live[f->at]); }
/* Keep what a transition of an actor can change, but for the arena, others' states, and frames that go on. */
static void keep_actor(i64 slot) {
  struct head *top = S.top[slot];
  before = (struct before){
    slot, trail_nr, 0, S.seq, S.unfinished, S.waiting, S.holds_nr, S.started[slot], S.wait_keys[slot],
    frames[slot].tags_nr, top, frames[slot].name, H};
  if (before.wait_keys)
    keep(S.wait_key[slot], KEYS_MAX), keep(S.wait_args[slot], ARGS_MAX), keep(&S.wait_ready[slot], 1);
  if (S.holds_nr) keep(S.holds, 2 * S.holds_nr);
  tags_kept = trail_nr;
  if (before.tags_nr) keep(frames[slot].tags, 2 * before.tags_nr);
  for (struct head *f = before.started ? top->lends : 0; f; f = f->parent ? f->parent->lends : 0) keep_lists(f, f->about->lent);
}
static void go_back(const struct before *b) {
  i64 slot = b->slot;
  put_back(b->trail_nr);
  S.seq = b->seq, S.unfinished = b->unfinished, S.waiting = b->waiting, S.holds_nr = b->holds_nr;
  S.started[slot] = b->started, S.wait_keys[slot] = b->wait_keys, S.top[slot] = b->top;
  frames[slot].tags_nr = b->tags_nr, frames[slot].name = b->name, H = b->h;
  if (b->states) find_enabled();
}
static void goes_on(struct head *f) { outermost = f; if (keeping) keep_frame(f); }
static void new_epoch(void) {
  if (!++epoch) memset(noted_in, 0, sizeof *noted_in * W->words), epoch = 1;
  notes_nr = seq_kept = 0, SP = W->scratch, SP_END = SP + W->scratch_words, S.spins = 0, bailed = CLEAN;
}
/* Take back a transition, or an audit, that was given up: nothing of it has been counted. */
static void put_back_notes(void) { while (notes_nr) notes_nr--, W->block[notes[notes_nr].at] = notes[notes_nr].old; }

/* Name what a transition of an actor has changed. */
static void name_changed(i64 slot) {
  const i64 seqs = 1 << WORD_CHANGE | 1 << WORD_MOMENT | 1 << WORD_OWN_MOMENT, inside = 1 << WORD_SECTION | 1 << WORD_INSIDE;
  i64 kinds = 0, tags = before.tags_nr;
  name_actor(slot);
  for (i64 k = 0; k < W->slots; k++) if (S.state[k] != was[k]) keep_as(&S.state[k], &was[k], 1), before.states = 1;
  for (i64 k = 0; k < notes_nr; k++) {
    i64 at = notes[k].at, kind = X.kinds[at], new = W->block[at];
    if (new == notes[k].old) continue;
    if (kind == WORD_PLAIN && is_tagged(new)) bail(UNRANKED);
    H.plain += word_hash(at, new) - word_hash(at, notes[k].old), kinds |= 1 << kind;
    keep_as(W->block + at, &notes[k].old, 1);
  }
  if (frames[slot].tags_nr != tags || memcmp(trail + tags_kept, frames[slot].tags, 16 * tags)) kinds |= seqs | 1 << WORD_CONTENT;
  if (kinds & seqs) H.seqs = hash_seqs();
  if (kinds >> WORD_CONTENT & 1) H.contents = hash_contents();
  if (kinds & inside) H.inside = hash_inside();
}
/* Make a transition; return CLEAN, or why it was given up: then all is as it was before. */
static i64 forward(i64 slot) {
  const struct actor *a = actor(slot);
  new_epoch(), drawn_nr = 0, S.cur = ME = slot, S.run = !S.started[slot], outermost = base(slot), keeping = 1;
  memcpy(was, S.state, 8 * W->slots);
  if (!setjmp(out)) {
    keep_actor(slot);
    if (S.wait_keys[slot]) S.wait_ready[slot](S.wait_args[slot]);
    if (go_on(slot, a)) ended(a), S.started[slot] = 0;
    if (poisoning) poison(slot);
    name_changed(slot);
    make_room(BEFORE_WORDS); /* a transition may have kept nothing */
    memcpy(trail + trail_nr, &before, sizeof before), trail_nr += BEFORE_WORDS;
  }
  bailed_seq = S.seq;
  if (bailed) put_back_notes(), go_back(&before), memcpy(S.state, was, 8 * W->slots), find_enabled();
  return bailed;
}
/* Find what the last transition has touched and changed, all that decides of conflicts. Two transitions of different
 * actors conflict if one changes what the other touches. Besides words: changes against moments, whose
 * order is all that is asked of step numbers; and each actor's suspension, which its own transitions read. Whether
 * an actor is blocked is no place of its own: that is decided by cells, which its next transition reads.
 */
static void find_feet(i64 slot) {
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
    if (k != slot && (S.state[k] ^ was[k]) & ~BLOCKED) feet[feet_nr++] = (struct foot){W->words + 2 + k, TOUCHES | CHANGES, was[k]};
  feet[feet_nr++] = (struct foot){W->words + 2 + slot, TOUCHES, 0};
}
/* Take back the last transition. */
static void back(void) { trail_nr -= BEFORE_WORDS, go_back((struct before *)(trail + trail_nr)); }
/* Audit a world in which nothing is left to be done; return CLEAN, or why it objects. */
static i64 audited(void) {
  new_epoch();
  if (!setjmp(out)) audit();
  i64 found = bailed;
  put_back_notes();
  return found;
}

/* -- from outside -------------------------------------------------------------------------------------------------------- */

static void stand_at_start(void) {
  new_epoch();
  for (i64 k = 0; k < RUNS_NR; k++) *runs[k] = 0;
  memset(&S, 0, sizeof S);
  for (i64 slot = 0; slot < W->slots; slot++) S.state[slot] = ABSENT;
  for (i64 k = 0; k < W->actors_nr; k++) S.unfinished += !W->actors[k].daemon, arm(W->actors + k);
}
/* Stand at the beginning of an execution; return CLEAN, or why there is none. */
EXPORT i64 zap_search_begin(const struct search *declared) {
  X = *declared;
  noted_in = realloc(noted_in, sizeof *noted_in * W->words), notes = realloc(notes, sizeof *notes * (W->words + 1));
  feet = realloc(feet, sizeof *feet * (W->words + 2 + SLOTS_MAX));
  if (!noted_in || !notes || !feet) return NO_MEMORY;
  memset(noted_in, 0, sizeof *noted_in * W->words), epoch = 0, trail_nr = 0, TOLD++, names_nr = 0;
  memcpy(W->block, W->snapshot, 8 * W->words);
  if (!setjmp(out)) stand_at_start(), name_all(), H_first = H, memcpy(frames_first, frames, sizeof frames);
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
/* What of the last transition, made by `slot`, decides of conflicts: (place, TOUCHES and CHANGES). Places are words,
 * then changes, moments, and each actor's suspension.
 */
EXPORT i64 zap_feet(i64 slot, i64 *out) {
  find_feet(slot);
  for (i64 k = 0; k < feet_nr; k++) out[2 * k] = feet[k].at, out[2 * k + 1] = feet[k].how;
  return feet_nr;
}
/* Save all that makes a state, or say how many words that takes; the way back from it is not part of it. */
EXPORT i64 zap_save(i64 *into) {
  i64 at = trail_nr, n;
  if (setjmp(out)) return trail_nr = at, -1;
  keep(&S, sizeof S / 8), keep(&H, sizeof H / 8), keep(frames, sizeof *frames / 8 * W->slots);
  for (i64 slot = 0; slot < W->slots; slot++)
    for (struct head *f = S.started[slot] ? S.top[slot] : 0; f; f = f->parent) keep_frame(f), keep_lists(f, f->about->lent);
  n = trail_nr - at, trail_nr = at;
  if (into) memcpy(into, W->block, 8 * W->words), memcpy(into + W->words, trail + at, 8 * n);
  return W->words + n;
}
EXPORT i64 zap_restore(const i64 *from, i64 words) {
  trail_nr = 0;
  if (setjmp(out)) return NO_MEMORY;
  if (words > trail_room) lengthen_trail(words);
  memcpy(W->block, from, 8 * W->words);
  trail_nr = words - W->words, memcpy(trail, from + W->words, 8 * trail_nr);
  put_back(0);
  return CLEAN;
}
EXPORT i64 zap_ran(const char **into) { memcpy(into, names, sizeof *names * names_nr); return names_nr; }
EXPORT i64 *const *zap_run_counts(void) { return runs; }
