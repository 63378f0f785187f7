/* What a kernel stands on in plain mode, besides words.h: an access for each step.
 *
 * A load or a store of the model is one here. What is one atomic step of the model is an atomic instruction
 * here, as in the kernel. Nobody else is there: a lock that is held, or a wait, ends the run.
 * In a library that is compiled with COUNTED, steps are counted by site, column and kind, and some calls.
 */
#include <setjmp.h>
#include <time.h>

/* A record is variables of the kernel's function: the compiler keeps it in registers if whoever is given it is
 * written in place before all else, and if it sees a pointer, and no arithmetic of words.
 */
#define IN_PLACE inline __attribute__((always_inline))
static IN_PLACE i64 *pointer_(i64 x) { return (i64 *)x; }
#undef P
#define P(x) pointer_((i64)(x))

/* A function of the kernel in which all that it calls is written in place; and one of another file than its callers,
 * whose compiler knows nothing of them.
 */
#define WHOLE __attribute__((flatten))
#define ELSEWHERE __attribute__((noinline, noipa))

enum { READ_, WRITE_, RMW_, WAIT_ = 5, KINDS_NR };

#ifdef COUNTED
#define STEP(site, column, kind) made[((site) * COLUMNS_NR + N_##column) * KINDS_NR + kind]++
#define CALLED(number, words) (calls[2 * (number)]++, calls[2 * (number) + 1] += (words))
#else
#define STEP(site, column, kind) ((void)0)
#define CALLED(number, words) ((void)0)
#endif

#define ONCE(x) (*(volatile __typeof__(x) *)&(x)) /* READ_ONCE and WRITE_ONCE */
#define LOAD(site, column, i) (STEP(site, column, READ_), (i64)ONCE(column(i)))
#define STORE(site, column, i, x) do { STEP(site, column, WRITE_); ONCE(column(i)) = x; } while (0)
#define XCHG(site, column, i, x) (STEP(site, column, RMW_), (i64)__atomic_exchange_n(&column(i), x, __ATOMIC_SEQ_CST))
#define ADD(site, column, i, x) (STEP(site, column, RMW_), (i64)__atomic_add_fetch(&column(i), x, __ATOMIC_SEQ_CST))
#define CHANGE(site, column, i, old) { \
    __typeof__(column(i)) *at_ = &column(i), old_ = *at_; \
    STEP(site, column, RMW_); \
    do { old = old_;
#define CHANGED(new) } while (!__atomic_compare_exchange_n(at_, &old_, new, 0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)); }
#define WAIT(site, column, i) (STEP(site, column, WAIT_), (i64)column(i))

/* A spinlock is taken as the kernel takes a free one, by a compare and exchange, and let go by a store. */
#define FREE_TO(column, i, x) ({ \
    __typeof__(column(i)) free_ = 0; \
    __atomic_compare_exchange_n(&column(i), &free_, x, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED); })
#define TRYLOCK(site, column, i) (STEP(site, column, RMW_), (i64)FREE_TO(column, i, 1))
#define TAKE(site, column, i, x) do { STEP(site, column, RMW_); if (!FREE_TO(column, i, x)) bail(STUCK); } while (0)
#define RELEASE(site, column, i, x) do { STEP(site, column, WRITE_); __atomic_store_n(&column(i), x, __ATOMIC_RELEASE); } while (0)
#define DOWNGRADE(site, column, i, x) do { STEP(site, column, RMW_); __atomic_store_n(&column(i), x, __ATOMIC_RELEASE); } while (0)

/* Most lists are of a word or two: they are copied here, and not by a call. */
static inline void list_copy_(i64 *d, const i64 *s, i64 w) {
  i64 nr = 1 + s[0] * w;
  if (CHECKED && s[0] > cap) bail(LIST_FULL);
  for (i64 k = 0; k < nr; k++) d[k] = s[k];
}
#define list_copy list_copy_

/* Cells of a column become a list of words, whatever their width. */
#define list_cells(d, cells, size, from, n) do { \
    i64 *d_ = (d), from_ = (from), n_ = max_(n, 0); \
    if (CHECKED && n_ > cap) bail(LIST_FULL); \
    if (CHECKED && (from_ < 0 || from_ + n_ > (size))) bail(INDEX); \
    d_[0] = n_; \
    for (i64 k_ = 0; k_ < n_; k_++) d_[1 + k_] = (cells)[from_ + k_]; \
  } while (0)

#define touch_cells(cells, size, from, n) ((void)0)
#define spin() ((void)0)
#define LAST_SITE 0
#define CODE_AT(seq) 0
#define SEQ 0
#define SEQ_KEPT 0
#define RAN(name)
static const struct { i64 cur; } S = {0};

i64 RET[8], *SP, *SP_END;
static i64 bailed;
static jmp_buf out;
void bail(i64 why) { bailed = why; longjmp(out, 1); }
