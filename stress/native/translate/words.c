/* What words.h declares. */
void list_copy(i64 *d, const i64 *s, i64 w) {
  if (s[0] > cap) bail(LIST_FULL);
  memmove(d, s, 8 * (1 + s[0] * w));
}
void list_extend(i64 *d, const i64 *s, i64 w) {
  i64 n = d[0], m = s[0];
  if (n + m > cap) bail(LIST_FULL);
  memmove(d + 1 + n * w, s + 1, 8 * m * w);
  d[0] = n + m;
}
void list_slice(i64 *d, const i64 *s, i64 from, i64 to, i64 w) {
  i64 n = s[0];
  from = from < 0 ? max_(0, from + n) : min_(from, n), to = to < 0 ? max_(0, to + n) : min_(to, n);
  i64 m = max_(0, to - from);
  if (m > cap) bail(LIST_FULL);
  memmove(d + 1, s + 1 + from * w, 8 * m * w);
  d[0] = m;
}
void list_fill(i64 *d, i64 x, i64 n, i64 room) {
  n = max_(n, 0);
  if (n > room) bail(LIST_FULL);
  d[0] = n;
  for (i64 i = 0; i < n; i++) d[1 + i] = x;
}
void list_cells(i64 *d, const i64 *cells, i64 size, i64 from, i64 n) {
  n = max_(n, 0);
  if (n > cap) bail(LIST_FULL);
  if (from < 0 || from + n > size) bail(INDEX);
  d[0] = n;
  memcpy(d + 1, cells + from, 8 * n);
  for (i64 i = 0; i < n; i++) touch((i64 *)cells + from + i);
}
#ifdef SEARCH
void touch_cells(i64 *cells, i64 size, i64 from, i64 n) {
  for (i64 i = from; i < from + n; i++) if ((u64)i < (u64)size) touch(cells + i);
}
#endif
int list_equal(const i64 *a, const i64 *b) { return a[0] == b[0] && !memcmp(a + 1, b + 1, 8 * a[0]); }
int list_has(const i64 *l, i64 x) { for (i64 i = 1; i <= l[0]; i++) if (l[i] == x) return 1; return 0; }
void list_sort(i64 *l, int falling, int distinct) {
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
