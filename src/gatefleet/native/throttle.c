/* Filters [limit-req], so many requests per second, and [limit-conn], so many requests at once; what is over waits or is refused. */
#include "gatefleet.h"

#include <stdatomic.h>
#include <stdlib.h>

#define SHORTEST_WAIT 1000 /* microseconds; nobody waits for less */

struct throttle {
  const struct kind *kind;
  struct key key;
  struct text owner, rejected;
  uint64_t status;
  bool degrade, at_once;  /* at_once: nobody waits */
  uint64_t interval;      /* limit-req: nanoseconds between two requests */
  uint64_t most;          /* limit-req: nanoseconds a request may have to wait; limit-conn: requests that may be under way */
  uint64_t free;          /* limit-conn: of these, how many without waiting */
  bool fixed;             /* limit-conn: `unit` does not follow how long requests take */
  _Atomic uint64_t unit;  /* limit-conn: microseconds of waiting for each `free` requests that are under way */
  struct mark mark;
  char *texts;
};

struct stream {
  const struct kind *kind;
  struct throttle *throttle;
  struct delay *delay;
  bool placed;
  uint64_t name[2];
  uint64_t began;
};

static bool in_range(struct text value, uint64_t low, uint64_t high, uint64_t *out) {
  return field_number(value, out) && *out >= low && *out <= high;
}

static bool take_field(struct throttle *self, struct text key, struct text value) {
  uint64_t unit;
  if (same(key, TEXT("key"))) return key_add(&self->key, value);
  if (same(key, TEXT("rejected_code"))) return in_range(value, 200, 599, &self->status);
  if (same(key, TEXT("allow_degradation"))) return field_flag(value, &self->degrade);
  if (same(key, TEXT("only_where"))) return mark_read(value, &self->mark);
  if (same(key, TEXT("most"))) return field_number(value, &self->most);
  if (same(key, TEXT("rejected_body"))) self->rejected = value;
  else if (same(key, TEXT("owner"))) self->owner = value;
  else if (self->kind == &limit_req && same(key, TEXT("interval"))) return in_range(value, 1, UINT64_MAX / 4, &self->interval);
  else if (self->kind == &limit_req && same(key, TEXT("nodelay"))) return field_flag(value, &self->at_once);
  else if (self->kind == &limit_conn && same(key, TEXT("free"))) return in_range(value, 1, UINT32_MAX, &self->free);
  else if (self->kind == &limit_conn && same(key, TEXT("fixed"))) return field_flag(value, &self->fixed);
  else if (self->kind == &limit_conn && same(key, TEXT("unit"))) {
    bool fits = in_range(value, 0, UINT32_MAX, &unit);
    atomic_init(&self->unit, fits ? unit : 0);
    return fits;
  } else return false;
  return true;
}

static void release(struct object *config) {
  struct throttle *self = (struct throttle *)config;
  key_free(&self->key);
  free(self->texts);
  free(self);
}

static bool fill(struct throttle *self, const struct fields *fields) {
  size_t size = 0;
  for (size_t i = 0; i < fields->count; i++) size += fields->list[i].value.size;
  self->texts = malloc(size + 1);
  if (!key_begin(&self->key, fields->count) || !self->texts) return false;
  char *at = self->texts;
  for (size_t i = 0; i < fields->count; i++) {
    struct text value = {at, fields->list[i].value.size};
    if (value.size) memcpy(at, fields->list[i].value.at, value.size);
    at += value.size;
    if (!take_field(self, fields->list[i].key, value)) return false;
  }
  bool whole = self->kind == &limit_req ? self->interval > 0 : self->free > 0 && self->most >= self->free;
  return whole && self->owner.size > 0 && self->key.count > 0;
}

static struct object *configure(const struct kind *kind, const struct fields *fields) {
  struct throttle *self = calloc(1, sizeof *self);
  if (!self) return NULL;
  self->kind = kind;
  self->status = 503;
  if (fill(self, fields)) return (struct object *)self;
  complain(kind->name.at, "unknown, malformed or missing field");
  release((struct object *)self);
  return NULL;
}

static struct object *stream_new(struct object *config) {
  struct stream *stream = calloc(1, sizeof *stream);
  if (!stream) return NULL;
  stream->kind = config->kind;
  stream->throttle = (struct throttle *)config;
  return (struct object *)stream;
}

static bool name_it(void *filter, const struct throttle *self, struct sip *sip) {
  sip_add(sip, self->kind->name);
  sip_add(sip, self->owner);
  sip_add(sip, (struct text){"", 1});
  return key_hash(filter, &self->key, sip);
}

static enum headers_status reject(void *filter, const struct throttle *self) {
  struct header extra[1];
  return refuse(filter, (uint32_t)self->status, self->rejected, extra, 0);
}

static enum headers_status hold(void *filter, struct stream *stream, uint64_t microseconds) {
  stream->began = now_us() + microseconds;
  if (microseconds < SHORTEST_WAIT || stream->throttle->at_once) return HEADERS_CONTINUE;
  stream->delay = delay_begin(filter, microseconds);
  return stream->delay ? HEADERS_WAIT : refuse_broken(filter);
}

/* ---- limit-req ---- */

static struct object *req_configure(const struct fields *fields) { return configure(&limit_req, fields); }

static enum headers_status req_request(void *filter, struct object *object) {
  struct stream *stream = (struct stream *)object;
  const struct throttle *self = stream->throttle;
  struct sip sip;
  struct leak leak = {false, false, 0};
  if (!mark_taken(filter, &self->mark)) return HEADERS_CONTINUE;
  if (counters_key(&sip) && name_it(filter, self, &sip)) leak = counters_leak(&sip, self->interval, self->most);
  if (!leak.usable) return self->degrade ? HEADERS_CONTINUE : refuse_broken(filter);
  return leak.passed ? hold(filter, stream, leak.wait) : reject(filter, self);
}

static void req_finish(struct object *object) {
  struct stream *stream = (struct stream *)object;
  delay_end(stream->delay);
  free(stream);
}

const struct kind limit_req = {{"limit-req", 9}, req_configure, release, stream_new, req_request, NULL, req_finish};

/* ---- limit-conn ---- */

static struct object *conn_configure(const struct fields *fields) { return configure(&limit_conn, fields); }

static enum headers_status conn_request(void *filter, struct object *object) {
  struct stream *stream = (struct stream *)object;
  struct throttle *self = stream->throttle;
  struct sip sip;
  if (!mark_taken(filter, &self->mark)) return HEADERS_CONTINUE;
  places_key(&sip);
  if (!name_it(filter, self, &sip)) return self->degrade ? HEADERS_CONTINUE : refuse_broken(filter);
  sip_end(&sip, stream->name);
  uint64_t under_way = places_take(stream->name, self->most);
  if (under_way == 0) return reject(filter, self);
  stream->placed = true;
  uint64_t steps = under_way > self->free ? (under_way - 1) / self->free : 0;
  return hold(filter, stream, steps * atomic_load_explicit(&self->unit, memory_order_relaxed));
}

/* However the request ends, its place is free again. How long it took is what the next ones wait by. */
static void conn_finish(struct object *object) {
  struct stream *stream = (struct stream *)object;
  struct throttle *self = stream->throttle;
  uint64_t now = now_us();
  if (stream->placed) {
    places_give_back(stream->name);
    uint64_t unit = atomic_load_explicit(&self->unit, memory_order_relaxed);
    if (!self->fixed && now > stream->began)
      atomic_store_explicit(&self->unit, (unit + now - stream->began) / 2, memory_order_relaxed);
  }
  delay_end(stream->delay);
  free(stream);
}

const struct kind limit_conn = {{"limit-conn", 10}, conn_configure, release, stream_new, conn_request, NULL, conn_finish};
