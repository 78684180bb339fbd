/* Keys made of nginx's variables: what filters that count tell requests apart by. */
#include "gatefleet.h"

#include <stdlib.h>

enum source { LITERAL, HEADER, ARGUMENT, COOKIE, URI, REQUEST_URI, QUERY, HOST, METHOD, SCHEME, CONSUMER, REMOTE_ADDRESS,
              REMOTE_PORT, SERVER_ADDRESS, SERVER_PORT };

struct segment {
  enum source source;
  struct text text;     /* the literal, or the name of a header, argument or cookie */
  struct text fallback; /* what stands for a missing value; at == NULL: nothing */
};

static const struct {
  struct text name;
  enum source source;
} plain_sources[] = {
    {{"uri", 3}, URI}, {{"request_uri", 11}, REQUEST_URI}, {{"query_string", 12}, QUERY}, {{"args", 4}, QUERY},
    {{"host", 4}, HOST}, {{"request_method", 14}, METHOD}, {{"scheme", 6}, SCHEME},
    {{"consumer_name", 13}, CONSUMER}, {{"remote_addr", 11}, REMOTE_ADDRESS}, {{"remote_port", 11}, REMOTE_PORT},
    {{"server_addr", 11}, SERVER_ADDRESS}, {{"server_port", 11}, SERVER_PORT},
};

static const struct {
  struct text prefix;
  enum source source;
} named_sources[] = {{{"http_", 5}, HEADER}, {{"arg_", 4}, ARGUMENT}, {{"cookie_", 7}, COOKIE}};

static bool variable_parse(struct text name, struct segment *out) {
  for (size_t i = 0; i < sizeof plain_sources / sizeof *plain_sources; i++) {
    if (!same(name, plain_sources[i].name)) continue;
    out->source = plain_sources[i].source;
    return true;
  }
  for (size_t i = 0; i < sizeof named_sources / sizeof *named_sources; i++) {
    struct text prefix = named_sources[i].prefix;
    if (!starts_with(name, prefix) || name.size == prefix.size) continue;
    out->source = named_sources[i].source;
    out->text = (struct text){name.at + prefix.size, name.size - prefix.size};
    return true;
  }
  return false;
}

/* nginx writes header names with underscores. The bytes are our own copy. */
void header_name(struct text name) {
  char *at = (char *)(uintptr_t)name.at;
  for (size_t i = 0; i < name.size; i++) {
    if (at[i] == '_') at[i] = '-';
    if (at[i] >= 'A' && at[i] <= 'Z') at[i] = (char)(at[i] + 32);
  }
}

bool key_begin(struct key *key, size_t most) {
  *key = (struct key){calloc(most + 1, sizeof *key->list), 0};
  return key->list != NULL;
}

void key_free(struct key *key) { free(key->list); }

/* "=literal", "$variable", or "?default" for the variable before it. The bytes are the caller's own, and live as long as the key. */
bool key_add(struct key *key, struct text value) {
  if (value.size == 0) return false;
  struct text rest = {value.at + 1, value.size - 1};
  if (value.at[0] == '?') {
    if (key->count == 0 || key->list[key->count - 1].source == LITERAL) return false;
    key->list[key->count - 1].fallback = rest;
    return true;
  }
  struct segment *segment = &key->list[key->count++];
  *segment = (struct segment){LITERAL, rest, {NULL, 0}};
  if (value.at[0] == '=') return true;
  if (value.at[0] != '$' || !variable_parse(rest, segment)) return false;
  if (segment->source == HEADER) header_name(segment->text);
  return true;
}

static struct text attribute(void *filter, enum attribute id) {
  struct text value = {NULL, 0};
  return envoy_dynamic_module_callback_http_filter_get_attribute_string(filter, id, &value) ? without_port(value)
                                                                                            : (struct text){NULL, 0};
}

struct text digits(uint64_t number, char buffer[24]) {
  size_t at = 24;
  do buffer[--at] = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  return (struct text){buffer + at, 24 - at};
}

static struct text port(void *filter, enum attribute id, char buffer[24]) {
  uint64_t number = 0;
  if (!envoy_dynamic_module_callback_http_filter_get_attribute_int(filter, id, &number)) return (struct text){NULL, 0};
  return digits(number, buffer);
}

struct text raw_argument(struct text query, struct text name) { /* as nginx's $arg_: not decoded */
  while (query.size > 0) {
    const char *mark = memchr(query.at, '&', query.size);
    struct text one = {query.at, mark ? (size_t)(mark - query.at) : query.size};
    size_t step = one.size + (mark ? 1 : 0);
    query = (struct text){query.at + step, query.size - step};
    if (starts_with(one, name) && one.size > name.size && one.at[name.size] == '=')
      return (struct text){one.at + name.size + 1, one.size - name.size - 1};
  }
  return (struct text){NULL, 0};
}

/* The client's address: the peer's, unless [real-ip] has found another one. */
struct text client_ip(void *filter) {
  struct text real = request_header(filter, TEXT("x-gf-remote-addr"));
  return real.at ? real : attribute(filter, SOURCE_ADDRESS);
}

static struct text client_port(void *filter, char buffer[24]) {
  struct text real = request_header(filter, TEXT("x-gf-remote-port"));
  return real.at ? real : port(filter, SOURCE_PORT, buffer);
}

static struct text host(void *filter, char buffer[HOST_MAX]) {
  size_t size = host_of(request_header(filter, TEXT(":authority")), buffer);
  return (struct text){size ? buffer : NULL, size};
}

static struct text value_of(void *filter, const struct segment *segment, char buffer[HOST_MAX]) {
  switch (segment->source) {
    case LITERAL: return segment->text;
    case HEADER: return request_header(filter, segment->text);
    case ARGUMENT: return raw_argument(query_of(request_header(filter, TEXT(":path"))), segment->text);
    case COOKIE: return cookie_named(request_header(filter, TEXT("cookie")), segment->text);
    case URI: return request_header(filter, TEXT("x-gf-path"));
    case REQUEST_URI: return request_header(filter, TEXT(":path"));
    case QUERY: return query_of(request_header(filter, TEXT(":path")));
    case HOST: return host(filter, buffer);
    case METHOD: return request_header(filter, TEXT(":method"));
    case SCHEME: return request_header(filter, TEXT(":scheme"));
    case CONSUMER: return request_header(filter, TEXT("x-consumer-username"));
    case REMOTE_ADDRESS: return client_ip(filter);
    case REMOTE_PORT: return client_port(filter, buffer);
    case SERVER_ADDRESS: return attribute(filter, DESTINATION_ADDRESS);
    case SERVER_PORT: return port(filter, DESTINATION_PORT, buffer);
  }
  return (struct text){NULL, 0};
}

/* Whether a segment's value decides that a key is known; a literal does where it is all there is: key_type constant. */
static bool tells(const struct key *key, const struct segment *segment, struct text value) {
  return segment->source == LITERAL ? key->count == 1 : value.at != NULL;
}

static struct text value_or_fallback(void *filter, const struct segment *segment, char buffer[HOST_MAX]) {
  struct text value = value_of(filter, segment, buffer);
  return value.at ? value : segment->fallback;
}

/* Adds the key's value to a hash; the client's address where the key gives none. False: not even that is known. */
bool key_hash(void *filter, const struct key *key, struct sip *sip) {
  char buffer[HOST_MAX];
  const struct sip begun = *sip;
  bool known = false;
  for (size_t i = 0; i < key->count; i++) {
    struct text value = value_or_fallback(filter, &key->list[i], buffer);
    known = known || tells(key, &key->list[i], value);
    sip_add(sip, value);
  }
  if (known) return true;
  struct text address = client_ip(filter);
  *sip = begun;
  sip_add(sip, address);
  return address.at != NULL;
}

/* As `key_text`, and the client's address where the key gives nothing. 0: not even that is known. */
size_t key_name(void *filter, const struct key *key, char *out, size_t size) {
  char buffer[HOST_MAX];
  for (size_t i = 0; i < key->count; i++)
    if (tells(key, &key->list[i], value_or_fallback(filter, &key->list[i], buffer))) return key_text(filter, key, out, size);
  struct text address = client_ip(filter);
  if (address.size > size) return 0;
  if (address.size) memcpy(out, address.at, address.size);
  return address.size;
}

/* Adds the values one by one, so that two keys are the same only if all their values are. */
void key_values(void *filter, const struct key *key, struct sip *sip) {
  char buffer[HOST_MAX];
  for (size_t i = 0; i < key->count; i++) {
    struct text value = value_of(filter, &key->list[i], buffer);
    sip_add(sip, (struct text){(const char *)&value.size, sizeof value.size});
    sip_add(sip, value);
  }
}

bool key_says(void *filter, const struct key *key) {
  char buffer[HOST_MAX];
  for (size_t i = 0; i < key->count; i++) {
    struct text value = value_of(filter, &key->list[i], buffer);
    if (value.size > 0 && !same(value, TEXT("0"))) return true;
  }
  return false;
}

/* Writes the key's value, or what fits of it; returns its size. Where nothing is known it is empty. */
size_t key_text(void *filter, const struct key *key, char *out, size_t size) {
  char buffer[HOST_MAX];
  size_t used = 0;
  for (size_t i = 0; i < key->count; i++) {
    struct text value = value_or_fallback(filter, &key->list[i], buffer);
    if (value.size > size - used) value.size = size - used;
    if (value.size) memcpy(out + used, value.at, value.size);
    used += value.size;
  }
  return used;
}
