/* Executions: begin one, let its actors run, end it. Comes after the translated functions. */

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
  S.wait_keys[slot] = n, S.wait_ready[slot] = a->gate, S.waiting++;
  memcpy(S.wait_args[slot], a->gate_args, sizeof a->gate_args);
  S.state[slot] |= BLOCKED;
  if (is_ready(a->gate, S.wait_args[slot])) unblock(slot);
}
static void end_segment(i64 slot) { W->tape[2 * S.tape_nr] = slot, W->tape[2 * S.tape_nr++ + 1] = S.seq; }
static void finished(const struct actor *a) {
  S.state[a->slot] |= FINISHED;
  set_disabled(a->slot);
  if (a->daemon) arm(a);
  else S.unfinished--;
  if (S.enabled[0]) { if (!ask(0)) S.run += !S.started[a->slot]; }
  else if (S.unfinished) bail(STUCK);
  else end_segment(a->slot), S.live = 0;
}
static void begin(u64 seed, i64 strategy) {
  memset(&S, 0, offsetof(typeof(S), top));
  memset(S.wait_keys, 0, sizeof S.wait_keys);
  S.strategy = strategy, seed_ = seed, SP = W->scratch, SP_END = W->scratch + W->scratch_words;
  for (i64 slot = 0; slot < W->slots; slot++) S.state[slot] = ABSENT;
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
  int over = f->run(f);
  while (over && f->parent) f = f->parent, over = f->run(f);
  return over;
}
static void go(void) {
  while (S.live) {
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
    if (audited) audit();
    strategy_finish(S.seq);
  } else if (S.live) end_segment(S.cur);
  return bailed;
}

/* Count a clean execution: visits of sites, operations that overlapped, and a hash of the schedule. */
static void count(i64 *schedule) {
  u64 hash = mix((u64)W->case_number + GOLDEN);
  for (i64 k = 0; k < S.seq; k++) W->visits[codes[k] >> SITE_SHIFT]++;
  for (i64 k = 0; k < W->overlaps_nr; k++) W->overlaps[k] += W->block[W->overlaps_at + k];
  for (i64 k = 0; k < 2 * S.tape_nr; k++) hash = (hash ^ (u64)W->tape[k]) * 0x94D049BB133111EBull, hash ^= hash >> 29;
  *schedule = (i64)(mix(hash) >> 1);
}

/* Make `world` the one that runs: its columns, and what the table says. */
void zap_use(struct world *world) {
  W = world, cap = world->cap, codes = world->codes, values = world->values;
  use(world->block, world->table);
}
/* Run seeds from `seed` on until one is not clean; out is (clean ones, their steps, why the next was given up). */
void zap_run(u64 seed, i64 nr, i64 strategy, i64 audited, i64 *result) {
  result[0] = result[1] = result[2] = 0;
  while (result[0] < nr) {
    result[2] = execute(seed + result[0], strategy, audited);
    if (result[2]) return;
    count(W->schedules + result[0]);
    result[0]++, result[1] += S.seq;
  }
}
i64 zap_steps(void) { return S.seq; }
i64 zap_turns(void) { return S.tape_nr; }
i64 zap_draws(void) { return S.draws_nr; }
i64 *zap_held(void) { return HELD; }
