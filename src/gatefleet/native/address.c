/* IP addresses and networks, IPv4 and IPv6, in one order that can be searched by halves. */
#include "gatefleet.h"

#include <arpa/inet.h>
#include <stdlib.h>

/* Envoy writes "1.2.3.4:80" and "[::1]:80". */
struct text without_port(struct text address) {
  if (address.size > 0 && address.at[0] == '[') {
    const char *end = memchr(address.at, ']', address.size);
    return end ? (struct text){address.at + 1, (size_t)(end - address.at) - 1} : (struct text){NULL, 0};
  }
  const char *colon = address.size ? memchr(address.at, ':', address.size) : NULL;
  return (struct text){address.at, colon ? (size_t)(colon - address.at) : address.size};
}

bool address_parse(struct text literal, struct address *out) {
  static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  char copy[INET6_ADDRSTRLEN];
  if (literal.size == 0 || literal.size >= sizeof copy) return false;
  memcpy(copy, literal.at, literal.size);
  copy[literal.size] = 0;
  memset(out, 0, sizeof *out);
  out->bytes[0] = 4;
  if (inet_pton(AF_INET, copy, out->bytes + 1) == 1) return true;
  out->bytes[0] = 6;
  if (inet_pton(AF_INET6, copy, out->bytes + 1) != 1) return false;
  if (memcmp(out->bytes + 1, mapped, sizeof mapped) == 0) { /* an IPv4 client on a dual-stack socket */
    out->bytes[0] = 4;
    memmove(out->bytes + 1, out->bytes + 13, 4);
    memset(out->bytes + 5, 0, 12);
  }
  return true;
}

bool range_parse(struct text literal, struct range *out) {
  const char *slash = literal.size ? memchr(literal.at, '/', literal.size) : NULL;
  size_t size = slash ? (size_t)(slash - literal.at) : literal.size;
  if (!address_parse((struct text){literal.at, size}, &out->first)) return false;
  uint64_t width = out->first.bytes[0] == 4 ? 32 : 128, kept = width;
  if (slash && (!field_number((struct text){slash + 1, literal.size - size - 1}, &kept) || kept > width)) return false;
  out->last = out->first;
  for (uint64_t bit = kept; bit < width; bit++) {
    unsigned char mask = (unsigned char)(0x80 >> (bit % 8));
    out->first.bytes[1 + bit / 8] &= (unsigned char)~mask;
    out->last.bytes[1 + bit / 8] |= mask;
  }
  return true;
}

static int order(const void *a, const void *b) { return memcmp(a, b, sizeof(struct address)); }

/* Sorts, and joins what overlaps; returns how many are left. */
size_t ranges_merge(struct range *ranges, size_t count) {
  size_t kept = 0;
  if (count > 1) qsort(ranges, count, sizeof *ranges, order);
  for (size_t i = 0; i < count; i++) {
    if (kept > 0 && order(&ranges[i].first, &ranges[kept - 1].last) <= 0) {
      if (order(&ranges[i].last, &ranges[kept - 1].last) > 0) ranges[kept - 1].last = ranges[i].last;
    } else {
      ranges[kept++] = ranges[i];
    }
  }
  return kept;
}

bool ranges_contain(const struct range *ranges, size_t count, const struct address *address) {
  size_t low = 0, high = count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (order(address, &ranges[middle].first) < 0) high = middle;
    else if (order(address, &ranges[middle].last) > 0) low = middle + 1;
    else return true;
  }
  return false;
}
