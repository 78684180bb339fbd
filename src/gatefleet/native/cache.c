/* Filter [proxy-cache]: answers from what is kept, and keeps what passes by; nothing waits for an answer to be whole.
 *
 * An answer is found by its key, where the key leads to a list of headers by their values too, and HEAD by a name of its own unless an answer
 * to GET is there. */
#include "cache.h"
#include "cache_rules.h"
#include "traffic.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum { STATUSES = 64, VARY_ROOM = 1024, HEADERS_MOST = 128 };
enum method { GET = 1, HEAD = 2, POST = 4 };

struct cache {
  const struct kind *kind;
  enum zone zone;
  struct key key, bypass, never; /* `bypass` and `never`: conditions, each segment for itself */
  unsigned methods;
  uint64_t statuses[STATUSES];
  size_t status_count;
  uint64_t ttl;
  bool hide, obey, isolate, cookies; /* obey: Cache-Control, which the disk zone always does */
  char *texts;
};

struct stream {
  const struct kind *kind;
  const struct cache *cache;
  struct text status; /* for the client; empty: nothing is said */
  bool asked, may_keep, answered, head;
  uint64_t base[2];   /* of the key */
  struct kept *made;  /* being made of the answer that passes by */
};

/* ---- configuration ---- */

static bool take_method(struct text value, unsigned *methods) {
  if (same(value, TEXT("GET"))) *methods |= GET;
  else if (same(value, TEXT("HEAD"))) *methods |= HEAD;
  else if (same(value, TEXT("POST"))) *methods |= POST;
  else return false;
  return true;
}

static bool take_field(struct cache *self, struct text key, struct text value) {
  if (same(key, TEXT("key"))) return key_add(&self->key, value);
  if (same(key, TEXT("bypass"))) return key_add(&self->bypass, value);
  if (same(key, TEXT("never"))) return key_add(&self->never, value);
  if (same(key, TEXT("method"))) return take_method(value, &self->methods);
  if (same(key, TEXT("status"))) return self->status_count < STATUSES && field_number(value, &self->statuses[self->status_count++]);
  if (same(key, TEXT("ttl"))) return field_number(value, &self->ttl) && self->ttl <= UINT32_MAX;
  if (same(key, TEXT("hide"))) return field_flag(value, &self->hide);
  if (same(key, TEXT("obey"))) return field_flag(value, &self->obey);
  if (same(key, TEXT("isolate"))) return field_flag(value, &self->isolate);
  if (same(key, TEXT("cookies"))) return field_flag(value, &self->cookies);
  if (!same(key, TEXT("zone"))) return false;
  self->zone = same(value, TEXT("disk")) ? DISK_ZONE : MEMORY_ZONE;
  return self->zone == DISK_ZONE || same(value, TEXT("memory"));
}

static void release(struct object *config) {
  struct cache *self = (struct cache *)config;
  key_free(&self->key);
  key_free(&self->bypass);
  key_free(&self->never);
  free(self->texts);
  free(self);
}

static bool fill(struct cache *self, const struct fields *fields) {
  size_t size = 0;
  for (size_t i = 0; i < fields->count; i++) size += fields->list[i].value.size;
  char *at = self->texts = malloc(size + 1);
  bool room = key_begin(&self->key, fields->count) && key_begin(&self->bypass, fields->count) && key_begin(&self->never, fields->count);
  if (!at || !room) return false;
  for (size_t i = 0; i < fields->count; i++) {
    struct text value = {at, fields->list[i].value.size};
    if (value.size) memcpy(at, fields->list[i].value.at, value.size);
    at += value.size;
    if (!take_field(self, fields->list[i].key, value)) return false;
  }
  return self->key.count > 0 && self->methods && self->ttl > 0;
}

static struct object *configure(const struct fields *fields) {
  struct cache *self = calloc(1, sizeof *self);
  if (!self) return NULL;
  self->kind = &proxy_cache;
  if (fill(self, fields)) return (struct object *)self;
  complain("proxy-cache", "unknown, malformed or missing field");
  release((struct object *)self);
  return NULL;
}

static struct object *stream_new(struct object *config) {
  struct stream *stream = calloc(1, sizeof *stream);
  if (!stream) return NULL;
  stream->kind = config->kind;
  stream->cache = (const struct cache *)config;
  return (struct object *)stream;
}

static void drop_made(struct stream *stream) {
  if (!stream->made) return;
  body_drop(&stream->made->body);
  kept_done(stream->made);
  stream->made = NULL;
}

static void finish(struct object *object) {
  drop_made((struct stream *)object);
  free(object);
}

/* ---- names ---- */

static void name_base(void *filter, struct stream *stream) {
  const struct cache *self = stream->cache;
  struct sip sip;
  places_key(&sip);
  key_values(filter, &self->key, &sip);
  if (self->isolate) sip_add(&sip, request_header(filter, TEXT("x-consumer-username")));
  sip_end(&sip, stream->base);
}

/* HEAD's own answers, and those found by headers' values, stand beside the base name. */
static void name_beside(void *filter, const uint64_t base[2], bool head, const struct kept *list, uint64_t out[2]) {
  struct sip sip;
  if (!head && !list) {
    memcpy(out, base, 2 * sizeof *out);
    return;
  }
  places_key(&sip);
  sip_add(&sip, (struct text){(const char *)base, 2 * sizeof *base});
  sip_add(&sip, head ? TEXT("HEAD") : TEXT("GET"));
  if (list) {
    sip_add(&sip, (struct text){(const char *)&list->salt, sizeof list->salt});
    add_values(filter, list->headers, &sip);
  }
  sip_end(&sip, out);
}

static struct kept *find_one(void *filter, const struct stream *stream, bool head) {
  uint64_t name[2];
  name_beside(filter, stream->base, head, NULL, name);
  struct kept *found = cache_find(stream->cache->zone, name);
  if (!found || !found->salt) return found;
  name_beside(filter, stream->base, head, found, name);
  kept_done(found);
  return cache_find(stream->cache->zone, name);
}

/* An answer to GET serves HEAD too, while it lives. */
static struct kept *find(void *filter, const struct stream *stream) {
  struct kept *found = find_one(filter, stream, false);
  if (!stream->head || (found && found->dies > now_us())) return found;
  struct kept *own = find_one(filter, stream, true);
  if (!own) return found;
  kept_done(found);
  return own;
}

/* ---- requests ---- */

static void send(void *filter, const struct stream *stream, struct header *headers, size_t count, struct text body) {
  bool bare = stream->head || body.size == 0;
  envoy_dynamic_module_callback_http_send_response_headers(filter, headers, count, bare);
  if (!bare) envoy_dynamic_module_callback_http_send_response_data(filter, body, true);
}

static struct text sized_text(struct text *rest) {
  size_t size = read_u32(rest->at);
  struct text one = {rest->at + 4, size};
  *rest = (struct text){rest->at + 4 + size, rest->size - 4 - size};
  return one;
}

static bool hidden(const struct cache *self, struct text name) {
  return self->hide && (same(name, TEXT("cache-control")) || same(name, TEXT("expires")));
}

static enum headers_status serve(void *filter, struct stream *stream, struct kept *kept) {
  struct header headers[HEADERS_MOST + 4];
  char age[24], length[24];
  size_t count = 0;
  bool measured = false;
  headers[count++] = (struct header){TEXT(":status"), {kept->status, 3}};
  for (struct text rest = kept->headers; rest.size > 0;) {
    struct text name = sized_text(&rest), value = sized_text(&rest);
    measured = measured || same(name, TEXT("content-length"));
    if (!hidden(stream->cache, name)) headers[count++] = (struct header){name, value};
  }
  if (!measured && !stream->head) headers[count++] = (struct header){TEXT("content-length"), digits(kept->body.size, length)};
  headers[count++] = (struct header){TEXT("age"), digits((now_us() - kept->born) / 1000000, age)};
  headers[count++] = (struct header){TEXT("apisix-cache-status"), TEXT("HIT")};
  stream->answered = true;
  if (traffic_watched()) /* an answer in parts has no details */
    envoy_dynamic_module_callback_http_set_dynamic_metadata_string(filter, TEXT("gf.answered"), TEXT("by"), proxy_cache.name);
  send(filter, stream, headers, count, (struct text){kept->body.at, kept->body.size});
  kept_done(kept);
  return HEADERS_STOP;
}

static enum headers_status purge(void *filter, struct stream *stream) {
  enum zone zone = stream->cache->zone;
  struct header extra[1];
  uint64_t head[2];
  name_beside(filter, stream->base, true, NULL, head);
  bool was = cache_forget(zone, stream->base);
  was = cache_forget(zone, head) || was;
  stream->answered = true;
  return refuse(filter, &proxy_cache, was ? 200 : 404, TEXT(""), extra, 0);
}

/* Whether the client takes an answer of that age. */
static bool fresh_enough(void *filter, const struct cache *self, const struct kept *kept) {
  uint64_t seconds, now = now_us(), age = (now - kept->born) / 1000000, left = (kept->dies - now) / 1000000;
  if (!self->obey || self->zone == DISK_ZONE) return true;
  if (directive(filter, REQUEST_HEADERS, TEXT("max-age"), &seconds) && age > seconds) return false;
  return !directive(filter, REQUEST_HEADERS, TEXT("min-fresh"), &seconds) || left >= seconds;
}

static bool refuses_kept(void *filter, const struct cache *self) {
  if (key_says(filter, &self->bypass)) return true;
  return self->zone == MEMORY_ZONE && self->obey &&
         (directive(filter, REQUEST_HEADERS, TEXT("no-store"), NULL) || directive(filter, REQUEST_HEADERS, TEXT("no-cache"), NULL));
}

static enum headers_status only_if_cached(void *filter, struct stream *stream) {
  const struct cache *self = stream->cache;
  struct header extra[2] = {{TEXT("apisix-cache-status"), TEXT("MISS")}};
  if (self->zone == DISK_ZONE || !self->obey || !directive(filter, REQUEST_HEADERS, TEXT("only-if-cached"), NULL)) return HEADERS_CONTINUE;
  stream->answered = true;
  return refuse(filter, &proxy_cache, 504, TEXT(""), extra, 1);
}

static enum headers_status request(void *filter, struct object *object) {
  struct stream *stream = (struct stream *)object;
  const struct cache *self = stream->cache;
  struct text method = request_header(filter, TEXT(":method"));
  unsigned bit = 0;
  stream->asked = true;
  name_base(filter, stream);
  if (same(method, TEXT("PURGE"))) return purge(filter, stream);
  if (!take_method(method, &bit) || !(self->methods & bit)) {
    if (self->zone == MEMORY_ZONE) stream->status = TEXT("MISS");
    return HEADERS_CONTINUE;
  }
  stream->head = bit == HEAD;
  stream->may_keep = true;
  if (refuses_kept(filter, self)) {
    stream->may_keep = self->zone == DISK_ZONE;
    stream->status = TEXT("BYPASS");
    return HEADERS_CONTINUE;
  }
  struct kept *found = find(filter, stream);
  bool alive = found && found->dies > now_us();
  if (alive && fresh_enough(filter, self, found)) return serve(filter, stream, found);
  stream->status = !found ? TEXT("MISS") : alive ? TEXT("STALE") : TEXT("EXPIRED");
  kept_done(found);
  return found ? HEADERS_CONTINUE : only_if_cached(filter, stream);
}

/* ---- answers ---- */

/* Envoy's own word on an upstream that could not be had, as APISIX keeps it on disk whatever the statuses. */
static bool gateway_error(void *filter, const struct cache *self, uint64_t status) {
  struct text details = {NULL, 0};
  if (self->zone != DISK_ZONE || (status != 502 && status != 504)) return false;
  envoy_dynamic_module_callback_http_filter_get_attribute_string(filter, RESPONSE_CODE_DETAILS, &details);
  return !starts_with(details, TEXT("via_upstream"));
}

static bool wanted_status(void *filter, const struct cache *self, struct text status) {
  uint64_t number;
  if (status.size != 3 || !field_number(status, &number) || number == 206 || number == 304) return false;
  if (gateway_error(filter, self, number)) return true;
  for (size_t i = 0; i < self->status_count; i++)
    if (self->statuses[i] == number) return true;
  return false;
}

/* How long to keep the answer, in seconds; 0: not at all. */
static uint64_t keep_for(void *filter, const struct cache *self) {
  uint64_t seconds = 0;
  if (!self->cookies && header_at(filter, RESPONSE_HEADERS, TEXT("set-cookie"), 0).at) return 0;
  if (self->zone == MEMORY_ZONE && !self->obey) return self->ttl;
  if (directive(filter, RESPONSE_HEADERS, TEXT("no-store"), NULL) || directive(filter, RESPONSE_HEADERS, TEXT("no-cache"), NULL) ||
      directive(filter, RESPONSE_HEADERS, TEXT("private"), NULL))
    return 0;
  if (lifetime(filter, &seconds)) return seconds < UINT32_MAX ? seconds : UINT32_MAX;
  return self->zone == DISK_ZONE ? self->ttl : 0;
}

static bool fits(void *filter) {
  uint64_t size;
  struct text length = header_at(filter, RESPONSE_HEADERS, TEXT("content-length"), 0);
  return !length.at || (field_number(length, &size) && size <= BODY_MAX);
}

static size_t put_sized(char *out, struct text text) {
  uint32_t size = (uint32_t)text.size;
  memcpy(out, &size, 4);
  if (text.size) memcpy(out + 4, text.at, text.size);
  return 4 + text.size;
}

/* The answer's headers as they are kept; NULL if there are too many, or no memory. */
static struct kept *made_of(void *filter, const struct stream *stream, const uint64_t name[2]) {
  struct header list[HEADERS_MOST];
  size_t count = envoy_dynamic_module_callback_http_get_headers_size(filter, RESPONSE_HEADERS), size = 0;
  if (count > HEADERS_MOST || !envoy_dynamic_module_callback_http_get_headers(filter, RESPONSE_HEADERS, list)) return NULL;
  for (size_t i = 0; i < count; i++)
    if (kept_header(list[i].key)) size += 8 + list[i].key.size + list[i].value.size;
  char *bytes = malloc(size + 1), *at = bytes;
  if (!bytes) return NULL;
  for (size_t i = 0; i < count; i++) {
    if (!kept_header(list[i].key)) continue;
    at += put_sized(at, list[i].key);
    at += put_sized(at, list[i].value);
  }
  struct kept *made = kept_new(stream->cache->zone, name, (struct text){bytes, size});
  free(bytes);
  return made;
}

/* The list of headers that this key's answers vary by, as it is kept; made anew when it is another one. NULL: no memory. */
static struct kept *list_of(const struct stream *stream, struct text names) {
  uint64_t name[2];
  name_beside(NULL, stream->base, stream->head, NULL, name);
  struct kept *list = cache_find(stream->cache->zone, name);
  if (list && list->salt && same(list->headers, names)) return list;
  kept_done(list);
  list = kept_new(stream->cache->zone, name, names);
  if (!list) return NULL;
  if (getrandom(&list->salt, sizeof list->salt, 0) != sizeof list->salt || !list->salt) list->salt = now_us() | 1;
  list->dies = UINT64_MAX;
  atomic_fetch_add(&list->users, 1);
  cache_keep(list);
  return list;
}

/* The name the answer is to have; false: it cannot be kept. */
static bool name_answer(void *filter, const struct stream *stream, uint64_t out[2]) {
  char buffer[VARY_ROOM];
  struct text names;
  if (!varies_by(filter, buffer, sizeof buffer, &names)) return false;
  struct kept *list = names.size ? list_of(stream, names) : NULL;
  if (names.size && !list) return false;
  name_beside(filter, stream->base, stream->head, list, out);
  kept_done(list);
  return true;
}

static void keep(struct stream *stream) {
  struct kept *made = stream->made;
  stream->made = NULL;
  body_close(&made->body, made->zone);
  cache_keep(made);
}

static void begin_keeping(void *filter, struct stream *stream, bool end) {
  const struct cache *self = stream->cache;
  struct text status = header_at(filter, RESPONSE_HEADERS, TEXT(":status"), 0);
  uint64_t name[2];
  if (!stream->may_keep || !wanted_status(filter, self, status) || key_says(filter, &self->never) || !fits(filter)) return;
  uint64_t seconds = keep_for(filter, self);
  if (seconds == 0 || !name_answer(filter, stream, name)) return;
  stream->made = made_of(filter, stream, name);
  if (!stream->made) return;
  memcpy(stream->made->status, status.at, sizeof stream->made->status);
  stream->made->born = now_us();
  stream->made->dies = stream->made->born + seconds * 1000000;
  if (end) keep(stream);
}

static void answer(void *filter, struct object *object, bool end) {
  struct stream *stream = (struct stream *)object;
  if (!stream->asked || stream->answered) return; /* who stands before us has answered, or we have */
  stream->answered = true;
  begin_keeping(filter, stream, end);
  if (stream->status.size) put_header(filter, RESPONSE_HEADERS, TEXT("apisix-cache-status"), stream->status);
  if (!stream->cache->hide) return;
  put_header(filter, RESPONSE_HEADERS, TEXT("cache-control"), (struct text){NULL, 0});
  put_header(filter, RESPONSE_HEADERS, TEXT("expires"), (struct text){NULL, 0});
}

static void body(void *filter, struct object *object, bool end) {
  struct stream *stream = (struct stream *)object;
  struct text chunks[64];
  if (!stream->made) return;
  size_t count = envoy_dynamic_module_callback_http_get_body_chunks_size(filter, RECEIVED_RESPONSE_BODY);
  struct text *all = count <= 64 ? chunks : malloc(count * sizeof *all);
  bool whole = all && (count == 0 || envoy_dynamic_module_callback_http_get_body_chunks(filter, RECEIVED_RESPONSE_BODY, all));
  for (size_t i = 0; whole && i < count; i++) whole = body_add(&stream->made->body, all[i]);
  if (all != chunks) free(all);
  if (!whole) drop_made(stream);
  else if (end) keep(stream);
}

/* An answer with trailers is not kept: they would have to be, too. */
static void trailers(void *filter, struct object *object) {
  (void)filter;
  drop_made((struct stream *)object);
}

static const struct bodies passing = {NULL, answer, body, trailers, NULL};
const struct kind proxy_cache = {
    {"proxy-cache", 11}, configure, release, stream_new, request, .finish = finish, .bodies = &passing};
