/* What runtime.h declares, and executions: begin one, let its actors run, end it. Stands once in a compiled
 * kernel, after the tables of bodies, gates and strategies.
 */
#ifndef __TINYC__
#include <setjmp.h>
#endif

struct state S;
struct world *W;
i64 ME, RET[8], cap, *SP, *SP_END, *codes, *values;
static u64 seed_;
static i64 bailed;
static jmp_buf out;

void bail(i64 why) { bailed = why; longjmp(out, 1); }

/* -- chance ---------------------------------------------------------------------------------------------- */

#ifndef SEARCH
static i64 drawn_at_random(i64 n) {
  if (!S.drawing[ME]) S.data[ME] = stream(seed_, DATA_PURPOSE, (u64)ME), S.drawing[ME] = 1;
  i64 w = word(&S.data[ME]);
  return (w & 3) || n < 2 ? 0 : 1 + ((w >> 2) * (n - 1) >> 30);
}
static i64 drawn_as_given(i64 n) {
  i64 at = S.drawing[ME]++, choice = at < W->given[2 * ME + 1] ? W->given[W->given[2 * ME] + at] : 0;
  return choice < n ? choice : 0;
}
i64 draw(i64 n) {
  if (S.fair) n = 1;
  i64 choice = W->given ? drawn_as_given(n) : drawn_at_random(n);
  if (S.draws_nr >= W->draws_max) bail(DRAWS_FULL);
  i64 *drawn = W->draws + 3 * S.draws_nr++;
  drawn[0] = ME, drawn[1] = n, drawn[2] = choice;
  return choice;
}
#endif

/* -- whose turn it is ------------------------------------------------------------------------------------- */

#ifdef SEARCH
static int fits(ready may, const i64 *args); /* search.c: whether an actor is enabled, without a note of what that reads */
static void goes_on(struct head *frame); /* search.c: a frame is about to go on */
#else
#define goes_on(frame)
#define fits(may, args) (may)(args)
#endif
i64 is_zero(const i64 *a) { return *touch(P(a[0])) == 0; }
i64 may_read(const i64 *a) { return *touch(P(a[0])) >= 0; }

/* The budget is spent: take fair turns, for as long as Python would, and then to look for a state that comes again. */
static void be_fair(i64 step) {
  if (!S.fair) S.fair = 1, S.began = step;
  if (step - S.began > W->fair_max) S.late = 1;
  if (step - S.began > W->looked_max) bail(BUDGET);
}
static i64 next_in_turn(i64 me) {
  for (i64 k = 1; k <= S.enabled[0]; k++) if (S.enabled[k] > me) return S.enabled[k];
  return S.enabled[1];
}
int ask(i64 code) {
  i64 step = S.seq, me = S.cur;
  S.spins = 0;
#ifdef SEARCH
  if (step >= W->steps_max) bail(BUDGET);
  return 1; /* a transition ends where its actor would be asked for the next step */
#endif
  if (step >= W->steps_max) be_fair(step);
  if (!S.enabled[0]) bail(STUCK);
  S.parked[1 + me] = code;
  i64 chosen = S.fair ? next_in_turn(me) : choose(S.enabled, me, step);
  S.run = S.fair ? 0 : granted();
  if (S.run >= W->steps_max - step) S.run = max_(0, W->steps_max - step - 1);
  if (chosen == me && !S.fair) return 0;
  if (!S.started[chosen]) S.run++;
  if (chosen != me) W->tape[2 * S.tape_nr] = me, W->tape[2 * S.tape_nr++ + 1] = step;
  S.cur = chosen;
  return 1; /* in fair turns to itself too: where an actor stands is then in its frames, to be compared */
}
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
void suspend(i64 slot) { if (!(S.state[slot] & ABSENT)) S.state[slot] += SUSPENDED, set_disabled(slot); }
void resume_(i64 slot) { if (!(S.state[slot] & ABSENT)) S.state[slot] -= SUSPENDED, set_enabled(slot); }

void reconsider_(const i64 *cell) {
  for (i64 slot = 0; slot < W->slots; slot++)
    for (i64 k = 0; k < S.wait_keys[slot]; k++)
      if (S.wait_key[slot][k] == (i64)cell) {
        i64 ready = fits(S.wait_ready[slot], S.wait_args[slot]), blocked = S.state[slot] & BLOCKED;
        if (ready && blocked) unblock(slot);
        else if (!ready && !blocked) block(slot);
        break;
      }
}
void end_wait(i64 slot) { if (S.wait_keys[slot]) S.wait_keys[slot] = 0, S.waiting--; }

/* Stand before a step that can be made only when `may`; return whether the turn must be handed over. */
int await_turn(i64 code, const i64 *cell, ready may, i64 a0, i64 a1, i64 a2, i64 a3) {
  i64 me = S.cur, a[ARGS_MAX] = {a0, a1, a2, a3};
  if (!(S.run ? may(a) : fits(may, a))) block(me);
  else if (S.run) { S.run--, S.spins = 0; return 0; }
  if (!ask(code)) return 0;
  S.wait_keys[me] = 1, S.wait_key[me][0] = (i64)cell, S.wait_ready[me] = may, S.waiting++;
  memcpy(S.wait_args[me], a, sizeof a);
  return 1;
}
/* Who holds a rwsem for reading. */
void hold(const i64 *sem) {
  if (S.holds_nr >= SLOTS_MAX * HOLDS_MAX) bail(FRAME_FULL);
  S.holds[S.holds_nr][0] = (i64)sem, S.holds[S.holds_nr++][1] = S.cur;
}
int let_go(const i64 *sem) {
  for (i64 k = 0; k < S.holds_nr; k++)
    if (S.holds[k][0] == (i64)sem && S.holds[k][1] == S.cur) {
      for (S.holds_nr--; k < S.holds_nr; k++) memcpy(S.holds[k], S.holds[k + 1], sizeof S.holds[k]);
      return 1;
    }
  return 0;
}

/* -- executions ------------------------------------------------------------------------------------------ */

static struct head *base(i64 slot) { return (struct head *)(W->stacks + slot * W->stack_words); }
static const struct actor *actor(i64 slot) {
  for (i64 k = 0; k < W->actors_nr; k++) if (W->actors[k].slot == slot) return W->actors + k;
  bail(INDEX);
}
static void arm(const struct actor *a) {
  i64 slot = a->slot, n = 0;
  S.started[slot] = 0, S.state[slot] &= ~(FINISHED | ABSENT);
  if (a->gate < 0) { set_enabled(slot); return; }
  for (; n < KEYS_MAX && a->keys[n] >= 0; n++) S.wait_key[slot][n] = (i64)(W->block + a->keys[n]);
  S.wait_keys[slot] = n, S.wait_ready[slot] = gates[a->gate], S.waiting++;
  memcpy(S.wait_args[slot], a->gate_args, sizeof a->gate_args);
  S.state[slot] |= BLOCKED;
  if (fits(gates[a->gate], S.wait_args[slot])) unblock(slot);
}
static void end_segment(i64 slot) { W->tape[2 * S.tape_nr] = slot, W->tape[2 * S.tape_nr++ + 1] = S.seq; }
static void ended(const struct actor *a) {
  S.state[a->slot] |= FINISHED;
  set_disabled(a->slot);
  if (a->daemon) arm(a);
  else S.unfinished--;
}
static void finished(const struct actor *a) {
  ended(a);
  if (S.enabled[0]) { if (!ask(0)) S.run += !S.started[a->slot]; }
  else if (S.unfinished) bail(STUCK);
  else end_segment(a->slot), S.live = 0;
}
static i64 runs_clean[RUNS_NR + 1];

static void begin(u64 seed, i64 strategy) {
  for (i64 k = 0; k < RUNS_NR; k++) *runs[k] = 0;
  memset(&S, 0, offsetof(struct state, top));
  memset(S.wait_keys, 0, sizeof S.wait_keys);
  S.strategy = strategy, seed_ = seed, SP = W->scratch, SP_END = W->scratch + W->scratch_words;
  for (i64 slot = 0; slot < W->slots; slot++) S.state[slot] = ABSENT;
  S.parked[0] = W->slots;
  strategy_start(seed, W->slots);
  for (i64 k = 0; k < W->actors_nr; k++) S.unfinished += !W->actors[k].daemon, arm(W->actors + k);
  S.live = S.enabled[0] > 0;
  if (!S.live) { if (S.unfinished) bail(STUCK); return; }
  S.cur = choose(S.enabled, S.enabled[1], 0);
  S.run = min_(granted() + 1, W->steps_max);
}
static int go_on(i64 slot, const struct actor *a) {
  struct head *f = base(slot);
  if (!S.started[slot]) {
    S.started[slot] = 1;
    if (a->gate >= 0) end_wait(slot);
    f->at = 0, f->parent = 0;
    return start(a, f);
  }
  f = S.top[slot];
  for (;; f = f->parent) {
    goes_on(f);
    if (!f->run(f)) return 0;
    if (!f->parent) return 1;
  }
}

/* Whether the state is one that was there before. Fair turns without chance are deterministic: such a state comes
 * again for ever. Each is compared with the one that is kept, which is that of step 1, 2, 4, ... of these turns
 * (Brent 1980). The state is the model region, the frames, and what is waited for. What lies in the stacks behind
 * the frames is compared too: it repeats, a round later, where they do.
 */
static int came_again(void) {
  struct { void *at; i64 words; } parts[] = {
    {&S.cur, 1}, {&S.holds_nr, 1}, {S.holds, 2 * S.holds_nr}, {S.state, W->slots}, {S.started, W->slots},
    {S.top, W->slots}, {S.wait_keys, W->slots}, {S.wait_key, KEYS_MAX * W->slots}, {S.wait_args, ARGS_MAX * W->slots},
    {S.wait_ready, W->slots}, {W->block, W->model_words}, {W->stacks, W->slots * W->stack_words},
  };
  i64 nr = sizeof parts / sizeof *parts, *kept = W->kept, same = S.keep_next > 0 && S.seq > S.kept_at;
  for (i64 k = 0; same && k < nr; kept += parts[k++].words) same = !memcmp(kept, parts[k].at, 8 * parts[k].words);
  if (same || S.seq - S.began < S.keep_next) return same;
  kept = W->kept, S.kept_at = S.seq, S.keep_next = 2 * (S.seq - S.began) + 1;
  for (i64 k = 0; k < nr; kept += parts[k++].words) memcpy(kept, parts[k].at, 8 * parts[k].words);
  return 0;
}
static void go(void) {
  while (S.live) {
    if (S.fair && came_again()) bail(AGAIN);
    i64 slot = ME = S.cur;
    const struct actor *a = actor(slot);
    if (!go_on(slot, a)) continue;
    finished(a);
    S.started[slot] = 0;
  }
}

/* Run one execution; return CLEAN, or why it was given up. The arena is left as the execution left it. */
static i64 execute(u64 seed, i64 strategy, i64 audited) {
  memcpy(W->block, W->snapshot, 8 * W->words);
  bailed = CLEAN;
  if (!setjmp(out)) {
    begin(seed, strategy);
    go();
    if (S.late) bail(BUDGET);
    if (audited) audit();
    strategy_finish(S.seq);
  } else if (S.live) end_segment(S.cur);
  return bailed;
}

/* Count a clean execution: visits of sites, operations that overlapped, runs of overrides. */
static void count(void) {
  for (i64 k = 0; k < S.seq; k++) W->visits[codes[k] >> SITE_SHIFT]++;
  for (i64 k = 0; k < RUNS_NR; k++) runs_clean[k] += *runs[k];
  for (i64 k = 0; k < W->overlaps_nr; k++) W->overlaps[k] += W->block[W->overlaps_at + k];
}

/* Make `world` the one that runs: its columns, and what the table says. */
EXPORT void zap_use(struct world *world) {
  W = world, cap = world->cap, codes = world->codes, values = world->values;
  use(world->block, world->table);
}
/* Run seeds from `seed` on until one is not clean; result is (clean ones, the steps of these and of one whose budget
 * ran out, why the next was given up, the code of its last step). The seed that runs stands at seed_at, in case the
 * process does not survive it.
 */
EXPORT void zap_run(u64 seed, i64 nr, i64 strategy, i64 audited, i64 *result) {
  result[0] = result[1] = result[2] = result[3] = 0;
  while (result[0] < nr) {
    *W->seed_at = (i64)seed + result[0];
    result[2] = execute(seed + result[0], strategy, audited);
    if (result[2] == BUDGET) result[1] += S.seq;
    if (result[2]) { result[3] = LAST_SITE; return; }
    count();
    result[0]++, result[1] += S.seq;
  }
}
/* How often each override has run in clean executions, added up: whoever takes them sets them to 0. */
EXPORT i64 *zap_runs(void) { return runs_clean; }
EXPORT i64 zap_steps(void) { return S.seq; }
EXPORT i64 zap_turns(void) { return S.tape_nr; }
EXPORT i64 zap_draws(void) { return S.draws_nr; }
EXPORT i64 *const *zap_held(void) { return held; }
