/* What our Lua asks of the module, by LuaJIT's FFI: people of the consumer table, networks, base64. crypto.c has the rest. */
#include "gatefleet.h"

/* Who is under `name` in `space` ('c' consumers, 'j' keys of jwt-auth ...): 1 found, 0 nobody, -1 the table cannot be read.
 * The strings are those of an entry (auth.c); they live until the table is replaced, so they are copied at once. */
EXPORT int gatefleet_person(char space, const char *name, size_t size, const char *at[PERSON_STRINGS],
                            size_t sizes[PERSON_STRINGS]) {
  struct text strings[PERSON_STRINGS];
  switch (person_strings(space, (struct text){name, size}, strings)) {
    case FOUND: break;
    case MISSING: return 0;
    default: return -1;
  }
  for (size_t i = 0; i < PERSON_STRINGS; i++) {
    at[i] = strings[i].at;
    sizes[i] = strings[i].size;
  }
  return 1;
}

/* 1: the address is in the network, or is it. */
EXPORT int gatefleet_in_network(const char *address, size_t size, const char *network, size_t network_size) {
  struct address one;
  struct range range;
  return address_parse((struct text){address, size}, &one) && range_parse((struct text){network, network_size}, &range) &&
         ranges_contain(&range, 1, &one);
}

/* Base64 of either alphabet, padded or not. Returns the size, -1 for what is none; `out` has room for 3/4 of `size`. */
EXPORT long gatefleet_unbase64(const char *encoded, size_t size, char *out) {
  struct text made;
  return base64_decode((struct text){encoded, size}, out, size, &made) ? (long)made.size : -1;
}
