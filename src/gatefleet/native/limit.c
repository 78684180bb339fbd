/* Filter [limit-count]: so many requests per fixed window and key. */
#include "gatefleet.h"

#include <stdlib.h>

enum source { LITERAL, HEADER, ARGUMENT, COOKIE, URI, REQUEST_URI, QUERY, HOST, METHOD, SCHEME, CONSUMER, REMOTE_ADDRESS,
              REMOTE_PORT, SERVER_ADDRESS, SERVER_PORT };

struct segment {
  enum source source;
  struct text text;     /* the literal, or the name of a header, argument or cookie */
  struct text fallback; /* what stands for a missing value; at == NULL: nothing */
};

struct limit {
  const struct kind *kind;
  struct window window;
  struct text owner, rejected, limit_header, remaining_header, reset_header;
  uint64_t status;
  bool show, degrade;
  size_t count;
  struct segment *key;
  char *texts;
};

struct stream {
  const struct kind *kind;
  const struct limit *limit;
  bool counted; /* the response hook also runs when an earlier filter answered */
  struct verdict verdict;
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
static void header_name(struct text name) {
  char *at = (char *)(uintptr_t)name.at;
  for (size_t i = 0; i < name.size; i++) {
    if (at[i] == '_') at[i] = '-';
    if (at[i] >= 'A' && at[i] <= 'Z') at[i] = (char)(at[i] + 32);
  }
}

/* "=literal", "$variable", or "?default" for the variable before it. */
static bool segment_add(struct limit *limit, struct text value) {
  if (value.size == 0) return false;
  struct text rest = {value.at + 1, value.size - 1};
  if (value.at[0] == '?') {
    if (limit->count == 0 || limit->key[limit->count - 1].source == LITERAL) return false;
    limit->key[limit->count - 1].fallback = rest;
    return true;
  }
  struct segment *segment = &limit->key[limit->count++];
  *segment = (struct segment){LITERAL, rest, {NULL, 0}};
  if (value.at[0] == '=') return true;
  if (value.at[0] != '$' || !variable_parse(rest, segment)) return false;
  if (segment->source == HEADER) header_name(segment->text);
  return true;
}

static bool number_field(struct text value, uint64_t low, uint64_t high, uint64_t *out) {
  return field_number(value, out) && *out >= low && *out <= high;
}

static bool take_field(struct limit *limit, struct text key, struct text value) {
  uint64_t seconds;
  if (same(key, TEXT("count"))) return number_field(value, 1, UINT64_MAX, &limit->window.limit);
  if (same(key, TEXT("rejected_code"))) return number_field(value, 200, 599, &limit->status);
  if (same(key, TEXT("show_limit_quota_header"))) return field_flag(value, &limit->show);
  if (same(key, TEXT("allow_degradation"))) return field_flag(value, &limit->degrade);
  if (same(key, TEXT("key"))) return segment_add(limit, value);
  if (same(key, TEXT("time_window"))) {
    bool fits = number_field(value, 1, UINT32_MAX, &seconds);
    limit->window.milliseconds = fits ? seconds * 1000 : 0;
    return fits;
  }
  if (same(key, TEXT("rejected_body"))) limit->rejected = value;
  else if (same(key, TEXT("owner"))) limit->owner = value;
  else if (!header_safe(value) || value.size == 0) return false;
  else if (same(key, TEXT("limit_header"))) limit->limit_header = value;
  else if (same(key, TEXT("remaining_header"))) limit->remaining_header = value;
  else if (same(key, TEXT("reset_header"))) limit->reset_header = value;
  else return false;
  return true;
}

static void release(struct object *config) {
  struct limit *limit = (struct limit *)config;
  free(limit->key);
  free(limit->texts);
  free(limit);
}

static bool fill(struct limit *limit, const struct fields *fields) {
  size_t size = 0;
  for (size_t i = 0; i < fields->count; i++) size += fields->list[i].value.size;
  limit->texts = malloc(size + 1);
  limit->key = calloc(fields->count + 1, sizeof *limit->key);
  if (!limit->texts || !limit->key) return false;
  char *at = limit->texts;
  for (size_t i = 0; i < fields->count; i++) {
    struct text value = {at, fields->list[i].value.size};
    if (value.size) memcpy(at, fields->list[i].value.at, value.size);
    at += value.size;
    if (!take_field(limit, fields->list[i].key, value)) return false;
  }
  return limit->window.limit > 0 && limit->window.milliseconds > 0 && limit->owner.size > 0 && limit->count > 0;
}

static struct object *configure(const struct fields *fields) {
  struct limit *limit = calloc(1, sizeof *limit);
  if (!limit) return NULL;
  limit->kind = &limit_count;
  limit->status = 503;
  limit->show = true;
  limit->limit_header = TEXT("x-ratelimit-limit");
  limit->remaining_header = TEXT("x-ratelimit-remaining");
  limit->reset_header = TEXT("x-ratelimit-reset");
  if (fill(limit, fields)) return (struct object *)limit;
  complain("limit-count", "unknown, malformed or missing field");
  release((struct object *)limit);
  return NULL;
}

static struct text attribute(void *filter, enum attribute id) {
  struct text value = {NULL, 0};
  return envoy_dynamic_module_callback_http_filter_get_attribute_string(filter, id, &value) ? without_port(value)
                                                                                            : (struct text){NULL, 0};
}

static struct text port(void *filter, enum attribute id, char buffer[24]) {
  uint64_t number = 0;
  if (!envoy_dynamic_module_callback_http_filter_get_attribute_int(filter, id, &number)) return (struct text){NULL, 0};
  size_t at = 24;
  do buffer[--at] = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  return (struct text){buffer + at, 24 - at};
}

static struct text argument(struct text query, struct text name) { /* as nginx's $arg_: not decoded */
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

static struct text host(void *filter, char buffer[HOST_MAX]) {
  size_t size = host_of(request_header(filter, TEXT(":authority")), buffer);
  return (struct text){size ? buffer : NULL, size};
}

static struct text value_of(void *filter, const struct segment *segment, char buffer[HOST_MAX]) {
  switch (segment->source) {
    case LITERAL: return segment->text;
    case HEADER: return request_header(filter, segment->text);
    case ARGUMENT: return argument(query_of(request_header(filter, TEXT(":path"))), segment->text);
    case COOKIE: return cookie_named(request_header(filter, TEXT("cookie")), segment->text);
    case URI: return request_header(filter, TEXT("x-gf-path"));
    case REQUEST_URI: return request_header(filter, TEXT(":path"));
    case QUERY: return query_of(request_header(filter, TEXT(":path")));
    case HOST: return host(filter, buffer);
    case METHOD: return request_header(filter, TEXT(":method"));
    case SCHEME: return request_header(filter, TEXT(":scheme"));
    case CONSUMER: return request_header(filter, TEXT("x-consumer-username"));
    case REMOTE_ADDRESS: return attribute(filter, SOURCE_ADDRESS);
    case REMOTE_PORT: return port(filter, SOURCE_PORT, buffer);
    case SERVER_ADDRESS: return attribute(filter, DESTINATION_ADDRESS);
    case SERVER_PORT: return port(filter, DESTINATION_PORT, buffer);
  }
  return (struct text){NULL, 0};
}

static bool resolved(void *filter, const struct limit *limit) {
  char buffer[HOST_MAX];
  for (size_t i = 0; i < limit->count; i++) {
    const struct segment *segment = &limit->key[i];
    if (limit->count == 1 && segment->source == LITERAL) return true; /* key_type constant */
    if (segment->source == LITERAL) continue;
    if (segment->fallback.at || value_of(filter, segment, buffer).at) return true;
  }
  return false;
}

/* The name of the counter: who owns it, its window, and the key's value; the client's address where the key gives none. */
static bool name_counter(void *filter, const struct limit *limit, struct sip *sip) {
  char buffer[HOST_MAX];
  if (!counters_key(sip)) return false;
  sip_add(sip, (struct text){(const char *)&limit->window, sizeof limit->window});
  sip_add(sip, limit->owner);
  sip_add(sip, (struct text){"", 1});
  if (!resolved(filter, limit)) {
    struct text address = attribute(filter, SOURCE_ADDRESS);
    sip_add(sip, address);
    return address.at != NULL;
  }
  for (size_t i = 0; i < limit->count; i++) {
    struct text value = value_of(filter, &limit->key[i], buffer);
    sip_add(sip, value.at ? value : limit->key[i].fallback);
  }
  return true;
}

static struct text digits(uint64_t number, char buffer[24]) {
  size_t at = 24;
  do buffer[--at] = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  return (struct text){buffer + at, 24 - at};
}

static size_t quota(const struct limit *limit, const struct verdict *verdict, struct header out[3], char room[3][24]) {
  if (!limit->show) return 0;
  out[0] = (struct header){limit->limit_header, digits(limit->window.limit, room[0])};
  out[1] = (struct header){limit->remaining_header, digits(verdict->remaining, room[1])};
  out[2] = (struct header){limit->reset_header, digits(verdict->reset, room[2])};
  return 3;
}

static enum headers_status request(void *filter, struct object *self) {
  struct stream *stream = (struct stream *)self;
  const struct limit *limit = stream->limit;
  struct sip name;
  struct header extra[4];
  char room[3][24];
  struct verdict verdict = {false, false, 0, 0};
  if (name_counter(filter, limit, &name)) verdict = counters_take(&name, limit->window);
  if (!verdict.usable) return limit->degrade ? HEADERS_CONTINUE : refuse_broken(filter);
  if (!verdict.passed)
    return refuse(filter, (uint32_t)limit->status, limit->rejected, extra, quota(limit, &verdict, extra, room));
  stream->counted = true;
  stream->verdict = verdict;
  return HEADERS_CONTINUE;
}

static void response(void *filter, struct object *self) {
  struct stream *stream = (struct stream *)self;
  struct header extra[3];
  char room[3][24];
  if (!stream->counted) return;
  size_t count = quota(stream->limit, &stream->verdict, extra, room);
  for (size_t i = 0; i < count; i++) put_header(filter, RESPONSE_HEADERS, extra[i].key, extra[i].value);
}

static struct object *stream_new(struct object *config) {
  struct stream *stream = calloc(1, sizeof *stream);
  if (stream) *stream = (struct stream){&limit_count, (const struct limit *)config, false, {false, false, 0, 0}};
  return (struct object *)stream;
}

static void finish(struct object *self) { free(self); }

const struct kind limit_count = {{"limit-count", 11}, configure, release, stream_new, request, response, finish};
