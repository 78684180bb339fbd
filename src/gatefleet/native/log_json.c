/* JSON as the access log writes it. */
#include "log.h"

#include <stdlib.h>

bool out_grow(struct out *out, size_t size) {
  size_t room = out->room ? out->room : 4096;
  while (room - out->used < size && room <= ENTRY_MAX) room *= 2;
  char *at = out->failed || room - out->used < size ? NULL : realloc(out->at, room);
  out->failed = !at;
  if (at) out->at = at, out->room = room;
  return !out->failed;
}

void out_shrink(struct out *out) {
  if (out->room <= 1 << 18) return;
  free(out->at);
  *out = (struct out){NULL, 0, 0, false};
}

static bool continues(struct text rest, size_t from, size_t to) {
  if (rest.size < to) return false;
  for (size_t i = from; i < to; i++)
    if (((unsigned char)rest.at[i] & 0xc0) != 0x80) return false;
  return true;
}

/* Size of the UTF-8 character that a text begins with (RFC 3629); 0: it is none. */
static size_t character(struct text rest) {
  unsigned char a = (unsigned char)rest.at[0], b = rest.size > 1 ? (unsigned char)rest.at[1] : 0;
  if (a < 0x80) return 1;
  if (a < 0xc2 || a > 0xf4) return 0;
  if (a < 0xe0) return continues(rest, 1, 2) ? 2 : 0;
  if (a < 0xf0) {
    bool sound = (a != 0xe0 || b >= 0xa0) && (a != 0xed || b < 0xa0);
    return sound && continues(rest, 1, 3) ? 3 : 0;
  }
  bool sound = (a != 0xf0 || b >= 0x90) && (a != 0xf4 || b < 0x90);
  return sound && continues(rest, 1, 4) ? 4 : 0;
}

static bool plain(unsigned char c) { return c >= 0x20 && c < 0x80 && c != '"' && c != '\\'; }

/* The high bits of those of eight bytes that are not plain; of the first of them for certain, the lowest byte is the first. A byte of
 * 0x20 to 0x7f keeps its high bit clear in all four terms; what goes below 0 borrows only from bytes behind it. */
static uint64_t strange(uint64_t eight) {
  const uint64_t each = 0x0101010101010101u;
  return (eight | (eight - 0x20 * each) | ((eight ^ '"' * each) - each) | ((eight ^ '\\' * each) - each)) & 0x80 * each;
}

/* Copies plain bytes up to the first that is not; returns how many they were. Eight at a time where there are as many: the last eight
 * may have been copied in part already. */
static size_t copy_plain(char *to, struct text from) {
  size_t i = 0;
  uint64_t eight;
  if (from.size < 8) {
    for (; i < from.size && plain((unsigned char)from.at[i]); i++) to[i] = from.at[i];
    return i;
  }
  for (;; i = i + 16 <= from.size ? i + 8 : from.size - 8) {
    eight = read_u64(from.at + i);
    memcpy(to + i, &eight, 8);
    uint64_t found = strange(eight);
    if (found) return i + (size_t)__builtin_ctzll(found) / 8;
    if (i + 8 == from.size) return from.size;
  }
}

/* Writes the first byte, or character, of a text as it has to be in a string; returns its size in the text. */
static size_t escaped(struct out *out, struct text value) {
  static const char hex[] = "0123456789abcdef";
  unsigned char c = (unsigned char)value.at[0];
  if (c >= 0x80) {
    size_t size = character(value);
    out_add(out, size ? (struct text){value.at, size} : TEXT("\xef\xbf\xbd"));
    return size ? size : 1;
  }
  char code[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
  if (c == '"' || c == '\\') code[1] = (char)c;
  else if (c == '\n') code[1] = 'n';
  out_add(out, (struct text){code, code[1] == 'u' ? 6 : 2});
  return 1;
}

void out_text(struct out *out, struct text value) {
  out_add(out, TEXT("\""));
  while (out_room(out, value.size + 1)) { /* for all that is left, and the quote behind it */
    size_t size = copy_plain(out->at + out->used, value);
    out->used += size;
    if (size == value.size) break;
    value = (struct text){value.at + size, value.size - size};
    size = escaped(out, value);
    value = (struct text){value.at + size, value.size - size};
  }
  out_add(out, TEXT("\""));
}
