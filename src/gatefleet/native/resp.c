/* Redis' protocol: commands as bytes, answers from bytes, and the slots of a cluster.
 * Public source: redis.io, "Redis serialization protocol specification" and "Redis cluster specification". */
#include "redis.h"

#include <stdlib.h>

#define NUMBER_MAX 20

static size_t put(char *out, size_t at, struct text bytes) {
  if (out && bytes.size) memcpy(out + at, bytes.at, bytes.size);
  return at + bytes.size;
}

static size_t put_count(char *out, size_t at, char kind, size_t count) {
  char buffer[NUMBER_MAX + 4];
  int size = snprintf(buffer, sizeof buffer, "%c%zu\r\n", kind, count);
  return put(out, at, (struct text){buffer, (size_t)size});
}

size_t resp_command(char *out, const struct text *words, size_t count) {
  size_t at = put_count(out, 0, '*', count);
  for (size_t i = 0; i < count; i++) {
    at = put_count(out, at, '$', words[i].size);
    at = put(out, at, words[i]);
    at = put(out, at, TEXT("\r\n"));
  }
  return at;
}

static bool line(struct text *rest, struct text *out) {
  const char *end = rest->size ? memchr(rest->at, '\n', rest->size) : NULL;
  if (!end) return false;
  size_t size = (size_t)(end - rest->at);
  *out = (struct text){rest->at, size > 0 && end[-1] == '\r' ? size - 1 : size};
  *rest = (struct text){end + 1, rest->size - size - 1};
  return true;
}

static bool number(struct text digits, int64_t *out) {
  bool negative = digits.size > 1 && digits.at[0] == '-';
  uint64_t value;
  if (!field_number((struct text){digits.at + negative, digits.size - negative}, &value)) return false;
  *out = negative ? -(int64_t)value : (int64_t)value;
  return true;
}

static enum resp numbers(struct text *rest, int64_t count, struct reply *out) {
  struct text one;
  if (count < 1 || count > 2) return RESP_BROKEN;
  for (int64_t i = 0; i < count; i++) {
    if (!line(rest, &one)) return RESP_PART;
    if (one.size == 0 || one.at[0] != ':' || !number((struct text){one.at + 1, one.size - 1}, &out->numbers[i]))
      return RESP_BROKEN;
  }
  return RESP_WHOLE;
}

/* One answer from the front of `rest`, of those we can get: a word, an error, a number, two numbers. */
enum resp resp_read(struct text *rest, struct reply *out) {
  struct text left = *rest, head;
  int64_t value = 0;
  if (!line(&left, &head)) return RESP_PART;
  if (head.size == 0) return RESP_BROKEN;
  *out = (struct reply){head.at[0], {head.at + 1, head.size - 1}, {0, 0}};
  enum resp result = RESP_WHOLE;
  if (out->kind == ':' || out->kind == '*') {
    if (!number(out->text, &value)) return RESP_BROKEN;
    out->numbers[0] = value;
    if (out->kind == '*') result = numbers(&left, value, out);
    out->kind = ':';
  } else if (out->kind != '+' && out->kind != '-') return RESP_BROKEN;
  if (result == RESP_WHOLE) *rest = left;
  return result;
}

/* What of a key decides its slot: what stands between the first braces, if that is anything. */
static struct text tag(struct text key) {
  const char *open = key.size ? memchr(key.at, '{', key.size) : NULL;
  size_t after = open ? key.size - (size_t)(open + 1 - key.at) : 0;
  const char *close = after ? memchr(open + 1, '}', after) : NULL;
  return close && close > open + 1 ? (struct text){open + 1, (size_t)(close - open - 1)} : key;
}

uint16_t redis_slot(struct text key) {
  struct text hashed = tag(key);
  uint32_t crc = 0;
  for (size_t i = 0; i < hashed.size; i++) {
    crc ^= (uint32_t)(unsigned char)hashed.at[i] << 8;
    for (int bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1;
  }
  return crc % REDIS_SLOTS;
}
