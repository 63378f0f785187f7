/* What the translated kernel stands on: words and lists, whose turn it is, and chance.
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
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef int64_t i64;
typedef uint64_t u64;
typedef int (*resume)(void *);

/* Why an execution was given up. From CHECK on: a checker objects; the number names the place. */
enum { CLEAN, BUDGET, STUCK, LIST_FULL, INDEX, FRAME_FULL, RANGE, ENDLESS, RAISED, NOT_OWNER, DRAWS_FULL, CHECK = 64 };
enum { BLOCKED = 1, FINISHED = 2, ABSENT = 4, SUSPENDED = 8 };
#define SLOTS_MAX 64
#define ARGS_MAX 8
#define KEYS_MAX 4
#define HOLDS_MAX 8
#define SPINS_MAX (1 << 24)

struct head { resume run; i64 at; void *parent; };
struct actor { i64 slot, body, daemon, gate, keys[KEYS_MAX], args[ARGS_MAX], gate_args[ARGS_MAX]; };
struct world {
  i64 *block, *snapshot, words;
  i64 *stacks, stack_words, *scratch, scratch_words;
  i64 *codes, *values, *tape, *draws, draws_max;
  i64 slots, steps_max, versions, cap;
  const i64 *table;
  i64 actors_nr;
  const struct actor *actors;
  i64 *visits, overlaps_at, overlaps_nr, *overlaps, *schedules, case_number;
};

/* Everything that changes as an execution goes on, but for the arena, the frames and the log. */
static struct {
  i64 run, cur, live, unfinished, seq, tape_nr, draws_nr, waiting, holds_nr, spins, strategy;
  i64 enabled[1 + SLOTS_MAX];
  i64 state[SLOTS_MAX], started[SLOTS_MAX], drawing[SLOTS_MAX];
  u64 data[SLOTS_MAX];
  struct head *top[SLOTS_MAX];
  i64 wait_keys[SLOTS_MAX], wait_key[SLOTS_MAX][KEYS_MAX], wait_ready[SLOTS_MAX], wait_args[SLOTS_MAX][ARGS_MAX];
  i64 holds[SLOTS_MAX * HOLDS_MAX][2];
} S;
static struct world *W;
static i64 ME, RET[8], cap, *SP, *SP_END, *codes, *values;
static u64 seed_;
static i64 bailed;
static jmp_buf out;

__attribute__((noreturn, cold, noinline)) static void bail(i64 why) { bailed = why; longjmp(out, 1); }

/* -- words ------------------------------------------------------------------------------------------------- */

static inline i64 ix(i64 i, i64 n) { if ((u64)i >= (u64)n) bail(INDEX); return i; }
static inline i64 fdiv(i64 a, i64 b) {
  if (b == 0) bail(RANGE);
  i64 q = a / b;
  return q - ((a % b != 0) & ((a < 0) != (b < 0)));
}
static inline i64 fmod_(i64 a, i64 b) { return a - fdiv(a, b) * b; }
static inline i64 shl(i64 a, i64 n) {
  if ((u64)n > 62 || (i64)((u64)a << n) >> n != a) bail(RANGE);
  return (i64)((u64)a << n);
}
static inline i64 shr(i64 a, i64 n) { if (n < 0) bail(RANGE); return a >> (n > 63 ? 63 : n); }
static inline i64 mul(i64 a, i64 b) { i64 r; if (__builtin_mul_overflow(a, b, &r)) bail(RANGE); return r; }
static inline i64 bit_length(i64 a) { u64 x = a < 0 ? -(u64)a : (u64)a; return x ? 64 - __builtin_clzll(x) : 0; }
static inline i64 min_(i64 a, i64 b) { return a < b ? a : b; }
static inline i64 max_(i64 a, i64 b) { return a > b ? a : b; }
static inline void spin(void) { if (++S.spins > SPINS_MAX) bail(ENDLESS); }

/* -- lists: a length, then elements of w words each ------------------------------------------------------------ */

#define P(x) ((i64 *)(x))
#define AT(l, i) (l)[1 + ix(i, (l)[0])]
#define ATW(l, w, i, k) (l)[1 + (w) * ix(i, (l)[0]) + (k)]
static inline void list_push(i64 *l, i64 x) { if (l[0] >= cap) bail(LIST_FULL); l[1 + l[0]++] = x; }
static inline i64 *list_room(i64 *l, i64 w) { if (l[0] >= cap) bail(LIST_FULL); return l + 1 + w * l[0]++; }
static inline i64 list_pop(i64 *l) { if (!l[0]) bail(INDEX); return l[l[0]--]; }
static void list_copy(i64 *d, const i64 *s, i64 w) {
  if (s[0] > cap) bail(LIST_FULL);
  memmove(d, s, 8 * (1 + s[0] * w));
}
static void list_extend(i64 *d, const i64 *s, i64 w) {
  i64 n = d[0], m = s[0];
  if (n + m > cap) bail(LIST_FULL);
  memmove(d + 1 + n * w, s + 1, 8 * m * w);
  d[0] = n + m;
}
static void list_slice(i64 *d, const i64 *s, i64 from, i64 to, i64 w) {
  i64 n = s[0];
  from = from < 0 ? max_(0, from + n) : min_(from, n), to = to < 0 ? max_(0, to + n) : min_(to, n);
  i64 m = max_(0, to - from);
  if (m > cap) bail(LIST_FULL);
  memmove(d + 1, s + 1 + from * w, 8 * m * w);
  d[0] = m;
}
static void list_fill(i64 *d, i64 x, i64 n, i64 room) {
  n = max_(n, 0);
  if (n > room) bail(LIST_FULL);
  d[0] = n;
  for (i64 i = 0; i < n; i++) d[1 + i] = x;
}
static void list_cells(i64 *d, const i64 *cells, i64 size, i64 from, i64 n) {
  n = max_(n, 0);
  if (n > cap) bail(LIST_FULL);
  if (from < 0 || from + n > size) bail(INDEX);
  d[0] = n;
  memcpy(d + 1, cells + from, 8 * n);
}
static int list_equal(const i64 *a, const i64 *b) { return a[0] == b[0] && !memcmp(a + 1, b + 1, 8 * a[0]); }
static int list_has(const i64 *l, i64 x) { for (i64 i = 1; i <= l[0]; i++) if (l[i] == x) return 1; return 0; }
static void list_sort(i64 *l, int falling, int distinct) {
  for (i64 i = 2; i <= l[0]; i++) {
    i64 x = l[i], j = i;
    for (; j > 1 && (falling ? l[j - 1] < x : l[j - 1] > x); j--) l[j] = l[j - 1];
    l[j] = x;
  }
  if (distinct && l[0]) {
    i64 n = 1;
    for (i64 i = 2; i <= l[0]; i++) if (l[i] != l[n]) l[++n] = l[i];
    l[0] = n;
  }
}
static i64 *list_take(i64 n) {
  i64 *l = SP;
  if (n < 0) n = 0;
  if (n >= SP_END - SP) bail(FRAME_FULL);
  SP += 1 + n;
  return l;
}
static i64 *list_new(i64 w) { i64 *l = list_take(w * cap); l[0] = 0; return l; }

/* -- random words ---------------------------------------------------------------------------------------------- */

#define GOLDEN 0x9E3779B97F4A7C15ull
static inline u64 mix(u64 z) {
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ z >> 27) * 0x94D049BB133111EBull;
  return z ^ z >> 31;
}
static inline u64 stream(u64 seed, u64 purpose, u64 actor) { return mix(mix(seed) + (purpose << 8) + actor); }
static inline i64 word(u64 *s) { return (i64)(mix(*s += GOLDEN) >> 32); }
static i64 draw(i64 n) {
  if (!S.drawing[ME]) S.data[ME] = stream(seed_, DATA_PURPOSE, (u64)ME), S.drawing[ME] = 1;
  i64 w = word(&S.data[ME]), choice = (w & 3) || n < 2 ? 0 : 1 + ((w >> 2) * (n - 1) >> 30);
  if (S.draws_nr >= W->draws_max) bail(DRAWS_FULL);
  W->draws[2 * S.draws_nr] = ME, W->draws[2 * S.draws_nr++ + 1] = choice;
  return choice;
}

/* -- whose turn it is -------------------------------------------------------------------------------------------- */

static i64 choose(const i64 *enabled, i64 current, i64 step);
static i64 granted(void);
enum { IS_ZERO, MAY_READ };
static i64 is_ready(i64 which, const i64 *a);

static int ask(i64 code) {
  i64 step = S.seq, me = S.cur;
  (void)code;
  S.spins = 0;
  if (step >= W->steps_max) bail(BUDGET);
  if (!S.enabled[0]) bail(STUCK);
  i64 chosen = choose(S.enabled, me, step);
  S.run = granted();
  if (S.run >= W->steps_max - step) S.run = max_(0, W->steps_max - step - 1);
  if (chosen == me) return 0;
  if (!S.started[chosen]) S.run++;
  W->tape[2 * S.tape_nr] = me, W->tape[2 * S.tape_nr++ + 1] = step;
  S.cur = chosen;
  return 1;
}
static inline int turn(i64 code) { return S.run ? (S.run--, S.spins = 0) : ask(code); }

static void set_enabled(i64 slot) {
  i64 *e = S.enabled, k = 1;
  if (S.state[slot]) return;
  while (k <= e[0] && e[k] < slot) k++;
  if (k <= e[0] && e[k] == slot) return;
  for (i64 j = ++e[0]; j > k; j--) e[j] = e[j - 1];
  e[k] = slot, S.run = 0;
}
static void set_disabled(i64 slot) {
  i64 *e = S.enabled, k = 1;
  while (k <= e[0] && e[k] != slot) k++;
  if (k > e[0]) return;
  for (e[0]--; k <= e[0]; k++) e[k] = e[k + 1];
  S.run = 0;
}
static void block(i64 slot) { S.state[slot] |= BLOCKED; set_disabled(slot); }
static void unblock(i64 slot) { S.state[slot] &= ~BLOCKED; set_enabled(slot); }
static void suspend(i64 slot) { if (!(S.state[slot] & ABSENT)) S.state[slot] += SUSPENDED, set_disabled(slot); }
static void resume_(i64 slot) { if (!(S.state[slot] & ABSENT)) S.state[slot] -= SUSPENDED, set_enabled(slot); }

/* A cell that actors wait on has changed. A key is the cell's address. */
static void reconsider(const i64 *cell) {
  if (!S.waiting) return;
  for (i64 slot = 0; slot < W->slots; slot++)
    for (i64 k = 0; k < S.wait_keys[slot]; k++)
      if (S.wait_key[slot][k] == (i64)cell) {
        i64 ready = is_ready(S.wait_ready[slot], S.wait_args[slot]), blocked = S.state[slot] & BLOCKED;
        if (ready && blocked) unblock(slot);
        else if (!ready && !blocked) block(slot);
        break;
      }
}
static void end_wait(i64 slot) { if (S.wait_keys[slot]) S.wait_keys[slot] = 0, S.waiting--; }

/* Stand before a step that can be made only when `ready`; return whether the turn must be handed over. */
static int await_turn(i64 code, const i64 *cell, i64 ready, i64 a0, i64 a1, i64 a2, i64 a3) {
  i64 me = S.cur, a[ARGS_MAX] = {a0, a1, a2, a3};
  if (!is_ready(ready, a)) block(me);
  else if (S.run) { S.run--, S.spins = 0; return 0; }
  if (!ask(code)) return 0;
  S.wait_keys[me] = 1, S.wait_key[me][0] = (i64)cell, S.wait_ready[me] = ready, S.waiting++;
  memcpy(S.wait_args[me], a, sizeof a);
  return 1;
}
static inline int take_turn(i64 code, const i64 *cell) {
  return S.run && !*cell ? (S.run--, S.spins = 0) : await_turn(code, cell, IS_ZERO, (i64)cell, 0, 0, 0);
}

/* Who holds a rwsem for reading. */
static void hold(const i64 *sem) {
  if (S.holds_nr >= SLOTS_MAX * HOLDS_MAX) bail(FRAME_FULL);
  S.holds[S.holds_nr][0] = (i64)sem, S.holds[S.holds_nr++][1] = S.cur;
}
static int let_go(const i64 *sem) {
  for (i64 k = 0; k < S.holds_nr; k++)
    if (S.holds[k][0] == (i64)sem && S.holds[k][1] == S.cur) {
      for (S.holds_nr--; k < S.holds_nr; k++) memcpy(S.holds[k], S.holds[k + 1], sizeof S.holds[k]);
      return 1;
    }
  return 0;
}

/* -- what translated functions are made of ------------------------------------------------------------------------ */

#define LIST(n, w) ((i64 *)(F + 1) + (n) + (w) * cap)
#define ROOM(n, w) if ((i64 *)(F + 1) + (n) + (w) * cap > W->stacks + (ME + 1) * W->stack_words - 1024) bail(FRAME_FULL)
#define STAND(n, asked) if (asked) { F->h.at = n; S.top[ME] = &F->h; return 0; case n:; }
#define CALL(n, function) \
  G->h.run = (resume)function; G->h.at = 0; G->h.parent = F; F->h.at = n; if (!function(G)) return 0; case n:
#define EMIT(code, value) do { codes[S.seq] = (code); values[S.seq++] = (value); } while (0)
#define CODE_AT(seq) ((seq) > 0 && (seq) <= S.seq ? codes[(seq) - 1] : 0)
#define LAST_SITE (S.seq ? codes[S.seq - 1] : 0)
#define GIVE(value) return value
#define GIVE_BACK(value) do { i64 given = value; SP = sp; return given; } while (0)
