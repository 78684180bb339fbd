/* Filters [limit-req], so many requests per second, and [limit-conn], so many requests at once; what is over waits or is refused. */
#include "gatefleet.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define SHORTEST_WAIT 1000 /* microseconds; nobody waits for less */

/* Whether it passes, and the microseconds that it has to wait. The clock is that of Redis. */
#define LEAK                                                                                                       \
  TEXT("local t=redis.call('time') local now=t[1]*1000000+t[2] local at=tonumber(redis.call('get',KEYS[1]) or 0) " \
       "local wait=at>now and at-now or 0 if wait>ARGV[2]+0 then return {0,0} end at=now+wait+ARGV[1] "            \
       "redis.call('set',KEYS[1],string.format('%.3f',at),'px',math.ceil((at-now)/1000)+1) "                       \
       "return {1,math.floor(wait)}")
/* How many are under way with this one, or 0: there was no place left. Places that were not given back end by themselves. */
#define PLACE                                                                                                   \
  TEXT("local t=redis.call('time') local now=t[1]+t[2]/1000000 "                                                \
       "redis.call('zremrangebyscore',KEYS[1],'-inf',now) local n=redis.call('zcard',KEYS[1]) "                 \
       "if n>=ARGV[1]+0 then return 0 end redis.call('zadd',KEYS[1],now+ARGV[2],ARGV[3]) "                      \
       "redis.call('expire',KEYS[1],ARGV[2]) return n+1")

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
  uint64_t lease;         /* limit-conn: seconds after which a place in Redis is free again by itself */
  struct mark mark;
  struct redis_settings shared;
  struct redis *redis; /* NULL: this node counts for itself */
  char *texts;
};

struct stream {
  const struct kind *kind;
  struct throttle *throttle;
  struct delay *delay;
  struct call *call; /* limit-conn: also what holds the place */
  bool asking, placed;
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
  if (starts_with(key, TEXT("redis_"))) return redis_field(&self->shared, key, value);
  if (same(key, TEXT("rejected_body"))) self->rejected = value;
  else if (same(key, TEXT("owner"))) self->owner = value;
  else if (self->kind == &limit_req && same(key, TEXT("interval"))) return in_range(value, 1, UINT64_MAX / 4, &self->interval);
  else if (self->kind == &limit_req && same(key, TEXT("nodelay"))) return field_flag(value, &self->at_once);
  else if (self->kind == &limit_conn && same(key, TEXT("free"))) return in_range(value, 1, UINT32_MAX, &self->free);
  else if (self->kind == &limit_conn && same(key, TEXT("lease"))) return in_range(value, 1, UINT32_MAX, &self->lease);
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
  redis_leave(self->redis);
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
  if (self->shared.count > 0 && !(self->redis = redis_use(&self->shared))) return false;
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
  return refuse(filter, self->kind, (uint32_t)self->status, self->rejected, extra, 0);
}

static enum headers_status hold(void *filter, struct stream *stream, uint64_t microseconds) {
  stream->began = now_us() + microseconds;
  if (microseconds < SHORTEST_WAIT || stream->throttle->at_once) return HEADERS_CONTINUE;
  stream->delay = delay_begin(filter, microseconds, EVENT_DELAY);
  return stream->delay ? HEADERS_WAIT : refuse_broken(filter, stream->throttle->kind);
}

static enum headers_status ask(void *filter, struct stream *stream, struct errand errand) {
  const struct throttle *self = stream->throttle;
  errand.key = shared_name(filter, self->kind->name, self->owner, &self->key);
  stream->call = errand.key.size ? redis_ask(self->redis, filter, &errand) : NULL;
  stream->asking = stream->call != NULL;
  if (stream->asking) return HEADERS_WAIT;
  return self->degrade ? HEADERS_CONTINUE : refuse_broken(filter, self->kind);
}

/* ---- limit-req ---- */

static struct object *req_configure(const struct fields *fields) { return configure(&limit_req, fields); }

static enum headers_status req_ask(void *filter, struct stream *stream) {
  const struct throttle *self = stream->throttle;
  char interval[32], most[24];
  int size = snprintf(interval, sizeof interval, "%llu.%03u", (unsigned long long)(self->interval / 1000),
                      (unsigned)(self->interval % 1000));
  struct text words[2] = {{interval, (size_t)size}, digits(self->most / 1000, most)};
  return ask(filter, stream, (struct errand){.script = LEAK, .words = {words[0], words[1]}, .count = 2});
}

static enum headers_status req_judge(void *filter, struct stream *stream, struct leak leak) {
  const struct throttle *self = stream->throttle;
  if (!leak.usable) return self->degrade ? HEADERS_CONTINUE : refuse_broken(filter, self->kind);
  return leak.passed ? hold(filter, stream, leak.wait) : reject(filter, self);
}

static enum headers_status req_request(void *filter, struct object *object) {
  struct stream *stream = (struct stream *)object;
  const struct throttle *self = stream->throttle;
  struct sip sip;
  struct leak leak = {false, false, 0};
  if (!mark_taken(filter, &self->mark)) return HEADERS_CONTINUE;
  if (self->redis) return req_ask(filter, stream);
  if (counters_key(&sip) && name_it(filter, self, &sip)) leak = counters_leak(&sip, self->interval, self->most);
  return req_judge(filter, stream, leak);
}

static enum headers_status req_resume(void *filter, struct object *object, enum event event) {
  struct stream *stream = (struct stream *)object;
  int64_t told[2] = {0, 0};
  if (event == EVENT_DELAY) return HEADERS_CONTINUE;
  if (!stream->asking) return HEADERS_STOP; /* of the answer and the deadline, the second */
  stream->asking = false;
  bool answered = redis_answer(stream->call, told);
  return req_judge(filter, stream, (struct leak){answered, told[0] == 1, (uint64_t)told[1]});
}

static void req_finish(struct object *object) {
  struct stream *stream = (struct stream *)object;
  redis_drop(stream->call);
  delay_end(stream->delay);
  free(stream);
}

const struct kind limit_req = {
    {"limit-req", 9}, req_configure, release, stream_new, req_request, NULL, req_finish, NULL, req_resume};

/* ---- limit-conn ---- */

static struct object *conn_configure(const struct fields *fields) { return configure(&limit_conn, fields); }

static enum headers_status conn_ask(void *filter, struct stream *stream) {
  static _Atomic uint64_t requests;
  const struct throttle *self = stream->throttle;
  char most[24], lease[24], place[64];
  uint64_t number = atomic_fetch_add_explicit(&requests, 1, memory_order_relaxed);
  int size = snprintf(place, sizeof place, "%016llx:%llu", (unsigned long long)places_owner(), (unsigned long long)number);
  struct errand errand = {.script = PLACE, .count = 3, .place = {place, (size_t)size}, .seconds = self->lease};
  errand.words[0] = digits(self->most, most);
  errand.words[1] = digits(self->lease, lease);
  errand.words[2] = errand.place;
  return ask(filter, stream, errand);
}

static enum headers_status conn_judge(void *filter, struct stream *stream, uint64_t under_way) {
  const struct throttle *self = stream->throttle;
  if (under_way == 0) return reject(filter, self);
  stream->placed = true;
  uint64_t steps = under_way > self->free ? (under_way - 1) / self->free : 0;
  return hold(filter, stream, steps * atomic_load_explicit(&self->unit, memory_order_relaxed));
}

static enum headers_status conn_request(void *filter, struct object *object) {
  struct stream *stream = (struct stream *)object;
  const struct throttle *self = stream->throttle;
  struct sip sip;
  if (!mark_taken(filter, &self->mark)) return HEADERS_CONTINUE;
  if (self->redis) return conn_ask(filter, stream);
  places_key(&sip);
  if (!name_it(filter, self, &sip)) return self->degrade ? HEADERS_CONTINUE : refuse_broken(filter, self->kind);
  sip_end(&sip, stream->name);
  return conn_judge(filter, stream, places_take(stream->name, self->most));
}

static enum headers_status conn_resume(void *filter, struct object *object, enum event event) {
  struct stream *stream = (struct stream *)object;
  int64_t told[2];
  if (event == EVENT_DELAY) return HEADERS_CONTINUE;
  if (!stream->asking) return HEADERS_STOP; /* of the answer and the deadline, the second */
  stream->asking = false;
  if (redis_answer(stream->call, told)) return conn_judge(filter, stream, (uint64_t)told[0]);
  return stream->throttle->degrade ? HEADERS_CONTINUE : refuse_broken(filter, stream->throttle->kind);
}

/* However the request ends, its place is free again. How long it took is what the next ones wait by. */
static void conn_finish(struct object *object) {
  struct stream *stream = (struct stream *)object;
  struct throttle *self = stream->throttle;
  uint64_t now = now_us();
  if (stream->placed) {
    if (!self->redis) places_give_back(stream->name);
    uint64_t unit = atomic_load_explicit(&self->unit, memory_order_relaxed);
    if (!self->fixed && now > stream->began)
      atomic_store_explicit(&self->unit, (unit + now - stream->began) / 2, memory_order_relaxed);
  }
  redis_drop(stream->call);
  delay_end(stream->delay);
  free(stream);
}

const struct kind limit_conn = {
    {"limit-conn", 10}, conn_configure, release, stream_new, conn_request, NULL, conn_finish, NULL, conn_resume};
