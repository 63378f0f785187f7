/* What the translated kernel stands on, besides words.h: whose turn it is, and chance.
 *
 * The scheduler mirrors stress/machine/scheduler.py, the primitives' bookkeeping stress/machine/lockstep.py,
 * random words stress/rng.py, and draw() stress/machine/chance.py. Whatever is not a plain clean step ends
 * the execution with a numbered bail-out: the Python machine judges, this never does.
 *
 * A coroutine is a frame: where it stands (`at`), the function that goes on from there, its caller's frame,
 * and its variables; lists lie behind them, each a length and `cap` elements. A hand-over writes the frame's
 * address into top[] and returns 0 all the way up; the innermost frame alone is resumed, and its callers as
 * each function comes to its end.
 */
typedef int (*resume)(void *);


enum { BLOCKED = 1, FINISHED = 2, ABSENT = 4, SUSPENDED = 8 };
#define SLOTS_MAX 64
#define ARGS_MAX 8
#define KEYS_MAX 4
#define HOLDS_MAX 8
#define SPINS_MAX (1 << 24)

#ifdef SEARCH
/* What frames of a function have in common: the struct's words; lists that others have the address of, as in `live`;
 * what lies behind the struct; and what is still read, by place: a bit for each word, from ROOM_BIT on for each list.
 */
struct about { i64 words, lent; const i64 *room, *live; };
#endif
struct head {
  resume run; i64 at; struct head *parent;
#ifdef SEARCH
  const struct about *about;
  struct head *lends; /* the nearest that lends a list: this frame, or one that has called it */
  i64 tags; u64 name, place; /* of all frames down to this one, as it stands: search.c */
#endif
};
struct actor { i64 slot, body, daemon, gate, keys[KEYS_MAX], args[ARGS_MAX], gate_args[ARGS_MAX]; };
struct world {
  i64 *block, *snapshot, words;
  i64 *stacks, stack_words, *scratch, scratch_words;
  i64 *codes, *values, *tape, *draws, draws_max;
  i64 slots, steps_max, versions, cap;
  const i64 *table;
  i64 actors_nr;
  const struct actor *actors;
  i64 *visits, overlaps_at, overlaps_nr, *overlaps, *seed_at;
  const i64 *given; /* the data tapes that are replayed: for each slot where its own begins, and its length; or null */
  i64 *kept, model_words, fair_max, looked_max; /* for when the budget is spent: a state, and for how many steps */
};

typedef i64 (*ready)(const i64 *);

/* Everything that changes as an execution goes on, but for the arena, the frames and the log. */
struct state {
  i64 run, cur, live, unfinished, seq, tape_nr, draws_nr, waiting, holds_nr, spins, strategy;
  i64 fair, began, late, kept_at, keep_next; /* fair turns: whether they are taken, from which step on; what is kept */
  i64 enabled[1 + SLOTS_MAX], parked[1 + SLOTS_MAX];
  i64 state[SLOTS_MAX], started[SLOTS_MAX], drawing[SLOTS_MAX];
  u64 data[SLOTS_MAX];
  struct head *top[SLOTS_MAX];
  i64 wait_keys[SLOTS_MAX], wait_key[SLOTS_MAX][KEYS_MAX], wait_args[SLOTS_MAX][ARGS_MAX];
  ready wait_ready[SLOTS_MAX];
  i64 holds[SLOTS_MAX * HOLDS_MAX][2];
};
extern struct state S;
extern struct world *W;
extern i64 ME, *codes, *values;

static inline void spin(void) { if (++S.spins > SPINS_MAX) bail(ENDLESS); }
#ifdef SEARCH
void ran(const char *function), enter(struct head *frame, const struct about *about);
#endif

/* -- random words ---------------------------------------------------------------------------------------------- */

#define GOLDEN 0x9E3779B97F4A7C15ull
static inline u64 mix(u64 z) {
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ z >> 27) * 0x94D049BB133111EBull;
  return z ^ z >> 31;
}
static inline u64 stream(u64 seed, u64 purpose, u64 actor) { return mix(mix(seed) + (purpose << 8) + actor); }
static inline i64 word(u64 *s) { return (i64)(mix(*s += GOLDEN) >> 32); }
i64 draw(i64 n);

/* -- whose turn it is -------------------------------------------------------------------------------------------- */

i64 is_zero(const i64 *a), may_read(const i64 *a);
int ask(i64 code), await_turn(i64 code, const i64 *cell, ready may, i64 a0, i64 a1, i64 a2, i64 a3);
static inline int turn(i64 code) { return S.run ? (S.run--, S.spins = 0) : ask(code); }

void suspend(i64 slot), resume_(i64 slot), reconsider_(const i64 *cell), end_wait(i64 slot);
/* A cell that actors wait on has changed. A key is the cell's address. */
static inline void reconsider(const i64 *cell) { if (S.waiting) reconsider_(cell); }
static inline int take_turn(i64 code, const i64 *cell) {
  return S.run && !*cell ? (S.run--, S.spins = 0) : await_turn(code, cell, is_zero, (i64)cell, 0, 0, 0);
}

void hold(const i64 *sem);
int let_go(const i64 *sem);

/* -- what translated functions are made of ------------------------------------------------------------------------ */

#ifdef SEARCH
#define CELL(cells, i) (*touch((cells) + (i)))
#define SEQ (SEQ_TAG + S.seq)
#define SEQ_KEPT (seq_kept = 1, SEQ)
#define NEW_VERSION (VERSION_TAG + W->versions + S.seq + 1)
#define RAN(name) do { static i64 told; if (told != TOLD) told = TOLD, ran(#name); } while (0)
#define ROOM_BIT 48
#define LISTED(...) {__VA_ARGS__}
#define ENTERED(params, lent, rooms, lives) do { \
  static const i64 room[] = LISTED rooms, live[] = LISTED lives; \
  static const struct about about = {sizeof *F / 8, lent, room, live}; \
  memset((i64 *)(&F->h + 1) + (params), 0, sizeof *F - sizeof F->h - 8 * (params)), enter(&F->h, &about); } while (0)
#else
#define CELL(cells, i) (cells)[i]
#define SEQ S.seq
#define SEQ_KEPT S.seq
#define NEW_VERSION (W->versions + S.seq + 1)
#define RAN(name)
#define ENTERED(params, lent, rooms, lives)
#endif
#define LIST(n, w) ((i64 *)(F + 1) + (n) + (w) * cap)
#define ROOM(n, w) \
  if ((i64 *)(F + 1) + (n) + (w) * cap > W->stacks + (ME + 1) * W->stack_words - 1024) bail(FRAME_FULL)
#define STAND(n, asked) if (asked) { F->h.at = n; S.top[ME] = &F->h; return 0; case n:; }
#define CALL(n, function) \
  G->h.run = (resume)function; G->h.at = 0; G->h.parent = &F->h; F->h.at = n; if (!function(G)) return 0; case n:
#define EMIT(code, value) do { codes[S.seq] = (code); values[S.seq++] = (value); } while (0)
#define CODE_AT(seq) ((seq) > 0 && (seq) <= S.seq ? codes[(seq) - 1] : 0)
#define LAST_SITE (S.seq ? codes[S.seq - 1] : 0)
