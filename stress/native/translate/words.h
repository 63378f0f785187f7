/* What every translation stands on, whatever machine it is for: words, and lists of them. A machine's own
 * runtime.h goes on from here.
 */
#include <stddef.h>
#ifndef __TINYC__
#include <stdint.h>
#include <string.h>
typedef int64_t i64;
typedef uint64_t u64;
#define mul_overflows __builtin_mul_overflow
#define leading_zeros __builtin_clzll
#define lowest __builtin_ctzll /* the lowest member of a set that has one */
#define members __builtin_popcountll
#else
/* The small compiler (compilers.py) brings no headers of the C library, and lacks some builtins. */
typedef long long i64;
typedef unsigned long long u64;
typedef struct { i64 words[64]; } jmp_buf[1];
#define INT64_MIN (-0x7fffffffffffffffll - 1)
#define setjmp _setjmp
int _setjmp(jmp_buf env), memcmp(const void *a, const void *b, size_t n);
void longjmp(jmp_buf env, int value), free(void *p);
void *memcpy(void *d, const void *s, size_t n), *memmove(void *d, const void *s, size_t n), *memset(void *d, int c, size_t n);
void *malloc(size_t n), *calloc(size_t nr, size_t size), *realloc(void *p, size_t n);
static inline int mul_overflows(i64 a, i64 b, i64 *r) {
  *r = (i64)((u64)a * (u64)b);
  if ((u64)a < 1u << 31 && (u64)b < 1u << 31) return 0;
  return a == -1 ? b == INT64_MIN : a && *r / a != b;
}
static inline int leading_zeros(u64 x) { int n = 0; while (!(x >> 63)) x <<= 1, n++; return n; }
static inline int lowest(u64 x) { return 63 - leading_zeros(x & -x); }
static inline int members(u64 x) { int n = 0; for (; x; x &= x - 1) n++; return n; }
#endif

#define EXPORT __attribute__((visibility("default")))

/* Why an execution was given up. From CHECK on: a checker objects; the number names the place. */
enum { CLEAN, BUDGET, STUCK, LIST_FULL, INDEX, FRAME_FULL, RANGE, ENDLESS, RAISED, NOT_OWNER, DRAWS_FULL, AGAIN };
#define CHECK (1ll << 32)

#ifndef CHECKED
#define CHECKED 1 /* 0: another run of the same code has found everything in its bounds */
#endif
extern i64 RET[8], *SP, *SP_END;
#ifndef cap
extern i64 cap; /* how many elements a list has room for */
#endif

__attribute__((noreturn, cold)) void bail(i64 why);

#ifdef SEARCH
/* In the flavour for exhaustive search each access to a cell is noted, and step numbers and versions of contents
 * are told from other words by their size: no code of a step, and no word of the model, lies in these ranges.
 */
#define SEQ_TAG (1ll << 33)
#define VERSION_TAG (1ll << 35)
extern i64 TOLD, seq_kept;
i64 *touch(i64 *cell);
/* A slice is read whole, as in Python, also where a loop over it stops on the way. */
void touch_cells(i64 *cells, i64 size, i64 from, i64 n);
#else
static inline i64 *touch(i64 *cell) { return cell; }
#define touch_cells(cells, size, from, n) ((void)0)
#endif

/* -- words ------------------------------------------------------------------------------------------------- */

static inline i64 ix(i64 i, i64 n) { if (CHECKED && (u64)i >= (u64)n) bail(INDEX); return i; }
/* By a power of two the compiler knows: a shift, or a mask, of the kernel's. It rounds down as this does. */
#define POWER_OF_2(b) (__builtin_constant_p(b) && (b) > 0 && !((b) & ((b) - 1)))
static inline i64 fdiv(i64 a, i64 b) {
  if (POWER_OF_2(b)) return a >> (63 - leading_zeros(b));
  if (b == 0 || (b == -1 && a == INT64_MIN)) bail(RANGE);
  i64 q = a / b;
  return q - ((a % b != 0) & ((a < 0) != (b < 0)));
}
static inline i64 fmod_(i64 a, i64 b) { return POWER_OF_2(b) ? a & (b - 1) : a - fdiv(a, b) * b; }
static inline i64 shl(i64 a, i64 n) {
  if (CHECKED && ((u64)n > 62 || (i64)((u64)a << n) >> n != a)) bail(RANGE);
  return (i64)((u64)a << n);
}
static inline i64 shr(i64 a, i64 n) { if (CHECKED && n < 0) bail(RANGE); return a >> (n > 63 ? 63 : n); }
static inline i64 mul(i64 a, i64 b) { i64 r; if (mul_overflows(a, b, &r) && CHECKED) bail(RANGE); return r; }
static inline i64 bit_length(i64 a) { u64 x = a < 0 ? -(u64)a : (u64)a; return x ? 64 - leading_zeros(x) : 0; }
static inline i64 min_(i64 a, i64 b) { return a < b ? a : b; }
static inline i64 max_(i64 a, i64 b) { return a > b ? a : b; }

/* -- lists: a length, then elements of w words each ------------------------------------------------------------ */

#define P(x) ((i64 *)(x))
#define AT(l, i) (l)[1 + ix(i, (l)[0])]
#define ATW(l, w, i, k) (l)[1 + (w) * ix(i, (l)[0]) + (k)]
static inline void list_push(i64 *l, i64 x) { if (CHECKED && l[0] >= cap) bail(LIST_FULL); l[1 + l[0]++] = x; }
static inline i64 *list_room(i64 *l, i64 w) { if (CHECKED && l[0] >= cap) bail(LIST_FULL); return l + 1 + w * l[0]++; }
static inline i64 list_pop(i64 *l) { if (!l[0]) bail(INDEX); return l[l[0]--]; }
void list_copy(i64 *d, const i64 *s, i64 w);
void list_extend(i64 *d, const i64 *s, i64 w);
void list_slice(i64 *d, const i64 *s, i64 from, i64 to, i64 w);
void list_fill(i64 *d, i64 x, i64 n, i64 room);
void list_cells(i64 *d, const i64 *cells, i64 size, i64 from, i64 n);
int list_equal(const i64 *a, const i64 *b);
int list_has(const i64 *l, i64 x);
void list_sort(i64 *l, int falling, int distinct);
static inline i64 *list_take(i64 n) {
  i64 *l = SP;
  if (n < 0) n = 0;
  if (CHECKED && n >= SP_END - SP) bail(FRAME_FULL);
  SP += 1 + n;
  return l;
}
static inline i64 *list_new(i64 w) { i64 *l = list_take(w * cap); l[0] = 0; return l; }

/* -- how a function ends ---------------------------------------------------------------------------------------- */

#define GIVE(value) return value
#define GIVE_BACK(value) do { i64 given = value; SP = sp; return given; } while (0)
