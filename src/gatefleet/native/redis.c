/* Counters that several nodes share: filters ask a Redis server or cluster, and their requests wait without a thread of Envoy's.
 *
 * Whoever says the same settings shares the connections: one per server, pipelined, with a thread of its own (link.c). A request
 * waits for the answer or its deadline (delay.c), whichever comes first. What limit-conn takes is given back when the request
 * ends; while Redis is away that waits, as long as the place would count there. */
#include "redis.h"

#include <stdlib.h>

#define HOPS_MOST 5
#define NAME_MAX_BYTES 512

int gatefleet_digest(const char *name, const char *data, size_t size, char *out); /* crypto.c */

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct redis *registry;

static bool in_range(struct text value, uint64_t low, uint64_t high, uint64_t *out) {
  return field_number(value, out) && *out >= low && *out <= high;
}

bool redis_field(struct redis_settings *settings, struct text key, struct text value) {
  if (same(key, TEXT("redis_cluster"))) return field_flag(value, &settings->cluster);
  if (same(key, TEXT("redis_tls"))) return field_flag(value, &settings->tls);
  if (same(key, TEXT("redis_verify"))) return field_flag(value, &settings->verify);
  if (same(key, TEXT("redis_database"))) return in_range(value, 0, UINT32_MAX, &settings->database);
  if (same(key, TEXT("redis_timeout"))) return in_range(value, 1, UINT32_MAX, &settings->timeout);
  if (same(key, TEXT("redis_idle"))) return in_range(value, 1, UINT32_MAX, &settings->idle);
  if (same(key, TEXT("redis_username"))) settings->username = value;
  else if (same(key, TEXT("redis_password"))) settings->password = value;
  else if (!same(key, TEXT("redis_node")) || settings->count == REDIS_NODES || value.size == 0) return false;
  else settings->nodes[settings->count++] = value;
  return true;
}

/* ---- who says the same settings shares what is open ---- */

static bool equal(const struct redis_settings *a, const struct redis_settings *b) {
  bool alike = a->count == b->count && a->cluster == b->cluster && a->tls == b->tls && a->verify == b->verify &&
               a->database == b->database && a->timeout == b->timeout && a->idle == b->idle &&
               same(a->username, b->username) && same(a->password, b->password);
  for (size_t i = 0; alike && i < a->count; i++) alike = same(a->nodes[i], b->nodes[i]);
  return alike;
}

static struct text keep(char **at, struct text value) {
  struct text kept = {*at, value.size};
  if (value.size) memcpy(*at, value.at, value.size);
  *at += value.size;
  return kept;
}

static void redis_free(struct redis *redis) {
  if (redis->texts) memset(redis->texts, 0, redis->settings.password.size);
  free(redis->texts);
  free(redis->slots);
  pthread_mutex_destroy(&redis->lock);
  free(redis);
}

static struct redis *redis_new(const struct redis_settings *settings) {
  struct redis *made = calloc(1, sizeof *made);
  size_t size = settings->password.size + settings->username.size + 1;
  if (!made) return NULL;
  pthread_mutex_init(&made->lock, NULL);
  for (size_t i = 0; i < settings->count; i++) size += settings->nodes[i].size;
  made->texts = malloc(size);
  made->slots = calloc(settings->cluster ? REDIS_SLOTS : 1, 1);
  if (!made->texts || !made->slots) {
    redis_free(made);
    return NULL;
  }
  char *at = made->texts;
  made->settings = *settings;
  made->settings.password = keep(&at, settings->password);
  made->settings.username = keep(&at, settings->username);
  for (size_t i = 0; i < settings->count; i++) made->settings.nodes[i] = keep(&at, settings->nodes[i]);
  return made;
}

struct redis *redis_use(const struct redis_settings *settings) {
  if (settings->count == 0 || settings->timeout == 0 || settings->idle == 0) return NULL;
  pthread_mutex_lock(&registry_lock);
  struct redis *at = registry;
  while (at && !equal(&at->settings, settings)) at = at->next;
  if (!at && (at = redis_new(settings))) {
    at->next = registry;
    registry = at;
  }
  if (at) at->users++;
  pthread_mutex_unlock(&registry_lock);
  return at;
}

void redis_enter(struct redis *redis) {
  pthread_mutex_lock(&registry_lock);
  redis->users++;
  pthread_mutex_unlock(&registry_lock);
}

static void unlist(const struct redis *redis) {
  struct redis **at = &registry;
  while (*at && *at != redis) at = &(*at)->next;
  if (*at) *at = redis->next;
}

/* Links are users, too: whoever leaves last, of those that ask, closes them, and the last of them frees the rest. */
void redis_leave(struct redis *redis) {
  if (!redis) return;
  pthread_mutex_lock(&registry_lock);
  size_t left = --redis->users, links = redis->count;
  if (left <= links) unlist(redis);
  bool closing = left == links && links > 0;
  for (size_t i = 0; closing && i < links; i++) link_close(redis->links[i]);
  pthread_mutex_unlock(&registry_lock);
  if (left == 0) redis_free(redis);
}

/* ---- which server is asked ---- */

static void split(struct text node, struct text *host, struct text *port) {
  size_t colon = node.size;
  while (colon > 0 && node.at[colon - 1] != ':') colon--;
  *port = (struct text){node.at + colon, node.size - colon};
  *host = (struct text){node.at, colon ? colon - 1 : 0};
  if (host->size > 1 && host->at[0] == '[') *host = (struct text){host->at + 1, host->size - 2};
}

/* From 1; 0: there is none, and none can be made. */
static size_t link_named(struct redis *redis, struct text host, struct text port) {
  for (size_t i = 0; i < redis->count; i++)
    if (link_is(redis->links[i], host, port)) return i + 1;
  if (redis->count == REDIS_LINKS || !(redis->links[redis->count] = link_new(redis, host, port))) return 0;
  return ++redis->count;
}

static size_t choose(struct redis *redis, uint16_t slot) {
  struct text host, port;
  const struct redis_settings *settings = &redis->settings;
  if (settings->cluster && redis->slots[slot]) return redis->slots[slot];
  split(settings->nodes[settings->cluster ? redis->turn++ % settings->count : 0], &host, &port);
  return link_named(redis, host, port);
}

static bool send_call(struct call *call) {
  struct redis *redis = call->redis;
  pthread_mutex_lock(&redis->lock);
  size_t which = choose(redis, call->slot);
  struct link *link = which ? redis->links[which - 1] : NULL;
  pthread_mutex_unlock(&redis->lock);
  return link && link_put(link, call);
}

bool call_elsewhere(struct call *call, const struct link *lost) {
  struct redis *redis = call->redis;
  if (!redis->settings.cluster || ++call->hops > HOPS_MOST) return false;
  pthread_mutex_lock(&redis->lock);
  for (size_t i = 0; i < REDIS_SLOTS; i++)
    if (redis->slots[i] && redis->links[redis->slots[i] - 1] == lost) redis->slots[i] = 0;
  pthread_mutex_unlock(&redis->lock);
  call->asking = false;
  return send_call(call);
}

bool call_moved(struct call *call, struct text where, const struct link *from) {
  struct redis *redis = call->redis;
  const char *space = where.size ? memchr(where.at, ' ', where.size) : NULL;
  struct text host, port;
  uint64_t slot;
  if (!redis->settings.cluster || !space || ++call->hops > HOPS_MOST) return false;
  struct text number = {where.at, (size_t)(space - where.at)};
  split((struct text){space + 1, where.size - number.size - 1}, &host, &port);
  if (!in_range(number, 0, REDIS_SLOTS - 1, &slot)) return false;
  pthread_mutex_lock(&redis->lock);
  size_t which = link_named(redis, host.size ? host : link_host(from), port);
  if (!call->asking) redis->slots[slot] = (unsigned char)which;
  struct link *link = which ? redis->links[which - 1] : NULL;
  pthread_mutex_unlock(&redis->lock);
  return link && link_put(link, call);
}

/* ---- calls ---- */

static bool took(const struct call *call) {
  return call->outcome == ANSWERED ? call->numbers[0] > 0 : call->outcome == UNKNOWN;
}

/* Nobody waits for it and it is not under way: it is gone, or becomes the return of what it took. */
static void call_end(struct call *call) {
  if (call->give_back.size && took(call) && now_us() < call->until) {
    call->command = call->give_back;
    call->give_back = (struct text){NULL, 0};
    call->is_return = true;
    call->asking = call->done = false;
    call->hops = 0;
    if (send_call(call)) return;
  }
  redis_leave(call->redis);
  free(call);
}

void call_done(struct call *call, enum outcome outcome, const int64_t numbers[2]) {
  struct redis *redis = call->redis;
  pthread_mutex_lock(&redis->lock);
  bool waited = !call->dropped;
  call->outcome = outcome;
  if (numbers) memcpy(call->numbers, numbers, sizeof call->numbers);
  call->done = true;
  if (waited) envoy_dynamic_module_callback_http_filter_scheduler_commit(call->scheduler, EVENT_ANSWER);
  pthread_mutex_unlock(&redis->lock);
  if (!waited) call_end(call);
}

static struct call *call_new(struct redis *redis, const struct errand *errand) {
  struct text words[4 + ERRAND_WORDS] = {TEXT("EVAL"), errand->script, TEXT("1"), errand->key};
  struct text back[3] = {TEXT("ZREM"), errand->key, errand->place};
  memcpy(words + 4, errand->words, errand->count * sizeof *words);
  size_t size = resp_command(NULL, words, 4 + errand->count);
  size_t back_size = errand->place.size ? resp_command(NULL, back, 3) : 0;
  struct call *call = calloc(1, sizeof *call + size + back_size);
  if (!call) return NULL;
  resp_command(call->bytes, words, 4 + errand->count);
  if (back_size) resp_command(call->bytes + size, back, 3);
  call->redis = redis;
  call->command = (struct text){call->bytes, size};
  call->give_back = (struct text){call->bytes + size, back_size};
  call->until = now_us() + errand->seconds * 1000000;
  call->slot = redis->settings.cluster ? redis_slot(errand->key) : 0;
  return call;
}

struct call *redis_ask(struct redis *redis, void *filter, const struct errand *errand) {
  struct call *call = call_new(redis, errand);
  if (!call) return NULL;
  redis_enter(redis);
  call->deadline = delay_begin(filter, redis->settings.timeout * 1000, EVENT_DEADLINE);
  call->scheduler = envoy_dynamic_module_callback_http_filter_scheduler_new(filter);
  if (call->deadline && call->scheduler && send_call(call)) return call;
  call->done = true;
  redis_drop(call);
  return NULL;
}

bool redis_answer(struct call *call, int64_t out[2]) {
  pthread_mutex_lock(&call->redis->lock);
  bool answered = call->done && call->outcome == ANSWERED;
  memcpy(out, call->numbers, sizeof call->numbers);
  pthread_mutex_unlock(&call->redis->lock);
  delay_end(call->deadline);
  call->deadline = NULL;
  return answered;
}

void redis_drop(struct call *call) {
  if (!call) return;
  struct redis *redis = call->redis;
  void *scheduler = call->scheduler;
  delay_end(call->deadline);
  pthread_mutex_lock(&redis->lock);
  bool done = call->done;
  call->dropped = true;
  pthread_mutex_unlock(&redis->lock);
  if (scheduler) envoy_dynamic_module_callback_http_filter_scheduler_delete(scheduler);
  if (done) call_end(call);
}

/* ---- names of counters ---- */

/* "gatefleet:<plugin>:<owner>:<the key's value>", for people to read; where that is long, a digest of it. */
struct text shared_name(void *filter, struct text kind, struct text owner, const struct key *key) {
  static _Thread_local char whole[PATH_MAX_BYTES];
  static _Thread_local char name[NAME_MAX_BYTES + 1];
  char digest[64];
  int head = snprintf(whole, sizeof whole, "gatefleet:%.*s:%.*s:", (int)kind.size, kind.at, (int)owner.size, owner.at);
  if (head < 0 || (size_t)head >= sizeof whole) return (struct text){NULL, 0};
  size_t value = key_name(filter, key, whole + head, sizeof whole - (size_t)head);
  if (value == 0) return (struct text){NULL, 0};
  size_t size = (size_t)head + value;
  if (size <= NAME_MAX_BYTES) return (struct text){whole, size};
  int made = gatefleet_digest("SHA256", whole, size, digest);
  int used = snprintf(name, sizeof name, "gatefleet:%.*s:", (int)kind.size, kind.at);
  for (int i = 0; i < made; i++) used += snprintf(name + used, sizeof name - (size_t)used, "%02x", digest[i] & 0xff);
  return (struct text){name, made > 0 ? (size_t)used : 0};
}
