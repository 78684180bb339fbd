/* JSON as the access log writes it. */
#include "log.h"

#include <stdlib.h>

void out_add(struct out *out, struct text bytes) {
  if (out->failed || bytes.size == 0) return;
  if (bytes.size > out->room - out->used) {
    size_t room = out->room ? out->room : 4096;
    while (room - out->used < bytes.size && room <= ENTRY_MAX) room *= 2;
    char *at = room - out->used < bytes.size ? NULL : realloc(out->at, room);
    if (!at) {
      out->failed = true;
      return;
    }
    out->at = at;
    out->room = room;
  }
  memcpy(out->at + out->used, bytes.at, bytes.size);
  out->used += bytes.size;
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

static void escaped(struct out *out, unsigned char c) {
  static const char hex[] = "0123456789abcdef";
  char code[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
  if (c == '"' || c == '\\') code[1] = (char)c;
  else if (c == '\n') code[1] = 'n';
  out_add(out, (struct text){code, code[1] == 'u' ? 6 : 2});
}

void out_text(struct out *out, struct text value) {
  out_add(out, TEXT("\""));
  while (value.size > 0) {
    size_t size = 0;
    while (size < value.size && plain((unsigned char)value.at[size])) size++;
    if (size > 0) {
      out_add(out, (struct text){value.at, size});
    } else if ((unsigned char)value.at[0] < 0x80) {
      escaped(out, (unsigned char)value.at[0]);
      size = 1;
    } else {
      size = character(value);
      out_add(out, size ? (struct text){value.at, size} : TEXT("\xef\xbf\xbd"));
      if (!size) size = 1;
    }
    value = (struct text){value.at + size, value.size - size};
  }
  out_add(out, TEXT("\""));
}
