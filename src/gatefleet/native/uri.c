/* Host, path and query of a request as nginx, and so APISIX, understands them. */
#include "gatefleet.h"

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

/* nginx's $host: lower case, without port, without the dot of a rooted name; IPv6 literals keep their brackets. */
size_t host_of(struct text authority, char out[HOST_MAX]) {
  size_t end = 0;
  if (authority.size > 0 && authority.at[0] == '[') {
    while (end < authority.size && authority.at[end] != ']') end++;
    if (end < authority.size) end++;
  } else {
    while (end < authority.size && authority.at[end] != ':') end++;
    if (end > 0 && authority.at[end - 1] == '.') end--;
  }
  if (end > HOST_MAX) return 0;
  for (size_t i = 0; i < end; i++) out[i] = lower(authority.at[i]);
  return end;
}

struct text path_of(struct text target) {
  const char *mark = target.size ? memchr(target.at, '?', target.size) : NULL;
  return (struct text){target.at, mark ? (size_t)(mark - target.at) : target.size};
}

struct text query_of(struct text target) {
  struct text path = path_of(target);
  if (path.size == target.size) return (struct text){NULL, 0};
  return (struct text){path.at + path.size + 1, target.size - path.size - 1};
}

static int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of percent-encoded text; moves on. Bytes that no header may carry, and bad escapes, stay as they are written. */
static char decoded(struct text *rest) {
  char c = rest->at[0];
  size_t used = 1;
  if (c == '%' && rest->size >= 3) {
    int high = hex(rest->at[1]), low = hex(rest->at[2]);
    int value = high < 0 || low < 0 ? 0 : high * 16 + low;
    if (value >= 0x20 && value != 0x7f) {
      c = (char)value;
      used = 3;
    }
  }
  *rest = (struct text){rest->at + used, rest->size - used};
  return c;
}

static bool plain(struct text path) {
  for (size_t i = 0; i < path.size; i++) {
    if (path.at[i] == '%') return false;
    if (path.at[i] == '/' && i + 1 < path.size && (path.at[i + 1] == '/' || path.at[i + 1] == '.')) return false;
  }
  return true;
}

/* Closes the segment that ends at `size` (a slash stands before it): "." goes, ".." takes its parent along. */
static size_t close_segment(const char *out, size_t size, size_t start) {
  struct text segment = {out + start, size - start};
  if (same(segment, TEXT("."))) return start;
  if (!same(segment, TEXT(".."))) return size;
  if (start < 2) return 1;
  size_t parent = start - 1;
  while (out[parent - 1] != '/') parent--;
  return parent;
}

/* nginx's $uri: decoded first, then dot segments resolved and slashes merged. False: it does not begin with a slash, or is too long. */
bool uri_of(struct text path, char *buffer, size_t size, struct text *out) {
  if (path.size == 0 || path.at[0] != '/' || path.size > size) return false;
  *out = path;
  if (plain(path)) return true;
  size_t used = 0, start = 0; /* of the segment now being read */
  for (struct text rest = path; rest.size > 0;) {
    char c = decoded(&rest);
    if (c != '/') {
      buffer[used++] = c;
      continue;
    }
    if (used > 0) used = close_segment(buffer, used, start);
    if (used == 0 || buffer[used - 1] != '/') buffer[used++] = '/';
    start = used;
  }
  *out = (struct text){buffer, close_segment(buffer, used, start)};
  return true;
}

struct text next_argument(struct text *query) {
  const char *mark = memchr(query->at, '&', query->size);
  struct text one = {query->at, mark ? (size_t)(mark - query->at) : query->size};
  size_t step = one.size + (mark ? 1 : 0);
  *query = (struct text){query->at + step, query->size - step};
  return one;
}

bool decode_argument(struct text encoded, char *buffer, size_t size, struct text *out) {
  size_t used = 0;
  while (encoded.size > 0) {
    if (used == size) return false;
    bool space = encoded.at[0] == '+';
    char c = decoded(&encoded);
    buffer[used++] = space ? ' ' : c;
  }
  *out = (struct text){buffer, used};
  return true;
}

static bool argument_named(struct text one, struct text name, struct text *value) {
  char buffer[256];
  struct text found;
  const char *mark = one.size ? memchr(one.at, '=', one.size) : NULL;
  size_t end = mark ? (size_t)(mark - one.at) : one.size;
  *value = mark ? (struct text){mark + 1, one.size - end - 1} : (struct text){one.at + end, 0};
  return decode_argument((struct text){one.at, end}, buffer, sizeof buffer, &found) && same(found, name);
}

/* The first argument of that name, decoded. A value too long for the buffer comes out empty, and so matches nothing. */
bool query_argument(struct text query, struct text name, char *buffer, size_t size, struct text *out) {
  while (query.size > 0) {
    struct text value, one = next_argument(&query);
    if (!argument_named(one, name, &value)) continue;
    if (!decode_argument(value, buffer, size, out)) *out = (struct text){buffer, 0};
    return true;
  }
  return false;
}

/* The request target without any argument of that name; the others keep their order and spelling. */
bool query_without(struct text target, struct text name, char *buffer, size_t size, struct text *out) {
  struct text path = path_of(target), query = query_of(target);
  if (target.size > size) return false;
  size_t used = path.size;
  memcpy(buffer, path.at, path.size);
  while (query.size > 0) {
    struct text value, one = next_argument(&query);
    if (one.size == 0 || argument_named(one, name, &value)) continue;
    buffer[used] = used == path.size ? '?' : '&';
    memcpy(buffer + used + 1, one.at, one.size);
    used += 1 + one.size;
  }
  *out = (struct text){buffer, used};
  return true;
}

struct text cookie_named(struct text header, struct text name) {
  while (header.size > 0) {
    const char *mark = memchr(header.at, ';', header.size);
    struct text one = {header.at, mark ? (size_t)(mark - header.at) : header.size};
    size_t step = one.size + (mark ? 1 : 0);
    header = (struct text){header.at + step, header.size - step};
    while (one.size > 0 && one.at[0] == ' ') one = (struct text){one.at + 1, one.size - 1};
    if (starts_with(one, name) && one.size > name.size && one.at[name.size] == '=')
      return (struct text){one.at + name.size + 1, one.size - name.size - 1};
  }
  return (struct text){NULL, 0};
}
