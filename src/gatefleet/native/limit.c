/* Filter [limit-count]: so many requests per fixed window and key. */
#include "gatefleet.h"

#include <stdlib.h>

/* How many there were in the window, and the milliseconds until it ends. */
#define COUNT                                                                                                  \
  TEXT("local n=redis.call('incr',KEYS[1]) local t=redis.call('pttl',KEYS[1]) "                                \
       "if t<0 then redis.call('pexpire',KEYS[1],ARGV[1]) t=ARGV[1]+0 end return {n,t}")

struct limit {
  const struct kind *kind;
  struct window window;
  struct text owner, rejected, limit_header, remaining_header, reset_header;
  uint64_t status;
  bool show, degrade;
  struct mark mark;
  struct key key;
  struct redis_settings shared;
  struct redis *redis; /* NULL: counters are this node's */
  char *texts;
};

struct stream {
  const struct kind *kind;
  const struct limit *limit;
  struct call *call;
  bool counted; /* the response hook also runs when an earlier filter answered */
  struct verdict verdict;
};

static bool number_field(struct text value, uint64_t low, uint64_t high, uint64_t *out) {
  return field_number(value, out) && *out >= low && *out <= high;
}

static bool take_field(struct limit *limit, struct text key, struct text value) {
  uint64_t seconds;
  if (same(key, TEXT("count"))) return number_field(value, 1, UINT64_MAX, &limit->window.limit);
  if (same(key, TEXT("rejected_code"))) return number_field(value, 200, 599, &limit->status);
  if (same(key, TEXT("show_limit_quota_header"))) return field_flag(value, &limit->show);
  if (same(key, TEXT("allow_degradation"))) return field_flag(value, &limit->degrade);
  if (same(key, TEXT("key"))) return key_add(&limit->key, value);
  if (same(key, TEXT("only_where"))) return mark_read(value, &limit->mark);
  if (same(key, TEXT("time_window"))) {
    bool fits = number_field(value, 1, UINT32_MAX, &seconds);
    limit->window.milliseconds = fits ? seconds * 1000 : 0;
    return fits;
  }
  if (starts_with(key, TEXT("redis_"))) return redis_field(&limit->shared, key, value);
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
  redis_leave(limit->redis);
  key_free(&limit->key);
  free(limit->texts);
  free(limit);
}

static bool fill(struct limit *limit, const struct fields *fields) {
  size_t size = 0;
  for (size_t i = 0; i < fields->count; i++) size += fields->list[i].value.size;
  limit->texts = malloc(size + 1);
  if (!key_begin(&limit->key, fields->count) || !limit->texts) return false;
  char *at = limit->texts;
  for (size_t i = 0; i < fields->count; i++) {
    struct text value = {at, fields->list[i].value.size};
    if (value.size) memcpy(at, fields->list[i].value.at, value.size);
    at += value.size;
    if (!take_field(limit, fields->list[i].key, value)) return false;
  }
  if (limit->shared.count > 0 && !(limit->redis = redis_use(&limit->shared))) return false;
  return limit->window.limit > 0 && limit->window.milliseconds > 0 && limit->owner.size > 0 && limit->key.count > 0;
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

/* The name of the counter: who owns it, its window, and the key's value. */
static bool name_counter(void *filter, const struct limit *limit, struct sip *sip) {
  if (!counters_key(sip)) return false;
  sip_add(sip, (struct text){(const char *)&limit->window, sizeof limit->window});
  sip_add(sip, limit->owner);
  sip_add(sip, (struct text){"", 1});
  return key_hash(filter, &limit->key, sip);
}

static size_t quota(const struct limit *limit, const struct verdict *verdict, struct header out[3], char room[3][24]) {
  if (!limit->show) return 0;
  out[0] = (struct header){limit->limit_header, digits(limit->window.limit, room[0])};
  out[1] = (struct header){limit->remaining_header, digits(verdict->remaining, room[1])};
  out[2] = (struct header){limit->reset_header, digits(verdict->reset, room[2])};
  return 3;
}

static enum headers_status judge(void *filter, struct stream *stream, struct verdict verdict) {
  const struct limit *limit = stream->limit;
  struct header extra[4];
  char room[3][24];
  if (!verdict.usable) return limit->degrade ? HEADERS_CONTINUE : refuse_broken(filter, &limit_count);
  if (!verdict.passed)
    return refuse(filter, &limit_count, (uint32_t)limit->status, limit->rejected, extra, quota(limit, &verdict, extra, room));
  stream->counted = true;
  stream->verdict = verdict;
  return HEADERS_CONTINUE;
}

static bool ask(void *filter, struct stream *stream) {
  const struct limit *limit = stream->limit;
  char room[24];
  struct errand errand = {
      .script = COUNT,
      .key = shared_name(filter, limit->kind->name, limit->owner, &limit->key),
      .words = {digits(limit->window.milliseconds, room)},
      .count = 1,
  };
  stream->call = errand.key.size ? redis_ask(limit->redis, filter, &errand) : NULL;
  return stream->call != NULL;
}

static enum headers_status request(void *filter, struct object *self) {
  struct stream *stream = (struct stream *)self;
  const struct limit *limit = stream->limit;
  struct sip name;
  struct verdict verdict = {false, false, 0, 0};
  if (!mark_taken(filter, &limit->mark)) return HEADERS_CONTINUE;
  if (limit->redis && ask(filter, stream)) return HEADERS_WAIT;
  if (!limit->redis && name_counter(filter, limit, &name)) verdict = counters_take(&name, limit->window);
  return judge(filter, stream, verdict);
}

/* The answer of Redis has come, or its deadline; what comes second is of no interest. */
static enum headers_status resume(void *filter, struct object *self, enum event event) {
  struct stream *stream = (struct stream *)self;
  uint64_t most = stream->limit->window.limit;
  struct verdict verdict = {false, false, 0, 0};
  int64_t told[2];
  (void)event;
  if (!stream->call) return HEADERS_STOP;
  if (redis_answer(stream->call, told) && told[0] > 0) {
    uint64_t count = (uint64_t)told[0];
    verdict = (struct verdict){true, count <= most, count < most ? most - count : 0, ((uint64_t)told[1] + 999) / 1000};
  }
  redis_drop(stream->call);
  stream->call = NULL;
  return judge(filter, stream, verdict);
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
  if (stream) *stream = (struct stream){&limit_count, (const struct limit *)config, NULL, false, {false, false, 0, 0}};
  return (struct object *)stream;
}

static void finish(struct object *self) {
  redis_drop(((struct stream *)self)->call);
  free(self);
}

const struct kind limit_count = {
    {"limit-count", 11}, configure, release, stream_new, request, response, finish, NULL, resume};
