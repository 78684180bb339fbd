/* Early header mutation: chooses the route scope and the path the routes match on, before Envoy looks for a route.
 *
 * Host table: host (lower case, "*.suffix", or "*" for requests without a known host) -> u32 depth, u32 shards, and the
 * questions of its routes' conditions (questions.c).
 * Scope: the host; with more than one shard "<host>#<depth>.<shards>.<index>", index = crc32 of the first `depth` path segments.
 * A table that cannot be read gives the scope "", which no configuration has: 404. */
#include "gatefleet.h"

#include <stdio.h>

#define HEADERS_MAX 256

struct seen { /* what the client sent */
  struct text authority;
  struct text target;
  struct text forwarded_for;
  bool real_ip, forwarded_host, forwarded_port;
};

static struct text longest_host(struct text host, struct text *entry, enum lookup *result) {
  static _Thread_local char name[HOST_MAX + 1];
  if (host.size > 0 && (*result = table_get(HOST_TABLE, host, entry)) != MISSING) return host;
  for (size_t i = 0; i < host.size; i++) {
    if (host.at[i] != '.' || i == 0) continue;
    name[0] = '*';
    memcpy(name + 1, host.at + i, host.size - i);
    struct text suffix = {name, 1 + host.size - i};
    if ((*result = table_get(HOST_TABLE, suffix, entry)) != MISSING) return suffix;
  }
  *result = table_get(HOST_TABLE, TEXT("*"), entry);
  return TEXT("*");
}

static struct text first_segments(struct text uri, uint32_t depth) {
  if (uri.size > 0 && uri.at[0] == '/') uri = (struct text){uri.at + 1, uri.size - 1};
  for (size_t i = 0; i < uri.size; i++)
    if (uri.at[i] == '/' && --depth == 0) return (struct text){uri.at, i};
  return uri;
}

/* Writes the scope and returns its size; not usable: the table cannot be read. */
size_t scope_of(struct text host, struct text uri, char *out, size_t size, struct text *questions, bool *usable) {
  struct text entry;
  enum lookup result;
  struct text name = longest_host(host, &entry, &result);
  *usable = result != UNREADABLE && (result == MISSING || entry.size >= 8) && name.size < size;
  if (!*usable) return 0;
  *questions = result == FOUND ? (struct text){entry.at + 8, entry.size - 8} : (struct text){NULL, 0};
  memcpy(out, name.at, name.size);
  uint32_t depth = result == FOUND ? read_u32(entry.at) : 0, shards = result == FOUND ? read_u32(entry.at + 4) : 1;
  if (depth == 0 || shards < 2) return name.size;
  uint32_t index = crc32_of(first_segments(uri, depth)) % shards;
  int more = snprintf(out + name.size, size - name.size, "#%u.%u.%u", depth, shards, index);
  *usable = more > 0 && (size_t)more < size - name.size;
  return *usable ? name.size + (size_t)more : 0;
}

/* Many upstreams read "x_consumer_username" as they read "x-consumer-username". */
static bool begins_alike(struct text key, struct text head) {
  if (key.size < head.size) return false;
  for (size_t i = 0; i < head.size; i++)
    if (key.at[i] != head.at[i] && !(key.at[i] == '_' && head.at[i] == '-')) return false;
  return true;
}

static bool is_ours(struct text key) {
  static const struct text whole[] = {
      {"x-consumer-username", 19}, {"x-credential-identifier", 23}, {"x-consumer-custom-id", 20}};
  if (begins_alike(key, TEXT("x-gf-")) || begins_alike(key, TEXT("x-envoy-"))) return true;
  for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
    if (key.size == whole[i].size && begins_alike(key, whole[i])) return true;
  return false;
}

/* True if a header that only we and Envoy may set was removed, so that the list has to be fetched again. */
static bool strip(void *ctx, struct text key) {
  char name[128];
  if (!is_ours(key) || key.size > sizeof name) return false;
  memcpy(name, key.at, key.size); /* the key dies with its header */
  return envoy_dynamic_module_callback_early_header_mutation_remove_header(ctx, (struct text){name, key.size});
}

static bool note(struct seen *seen, const struct header *header) {
  struct text key = header->key;
  if (same(key, TEXT(":authority"))) seen->authority = header->value;
  else if (same(key, TEXT(":path"))) seen->target = header->value;
  else if (same(key, TEXT("x-forwarded-for"))) seen->forwarded_for = header->value;
  else if (same(key, TEXT("x-real-ip"))) seen->real_ip = true;
  else if (same(key, TEXT("x-forwarded-host"))) seen->forwarded_host = true;
  else if (same(key, TEXT("x-forwarded-port"))) seen->forwarded_port = true;
  else return !is_ours(key); /* strip refused its name */
  return true;
}

/* False: more headers than the listener lets through, or an absurd name under our prefix. */
static bool look(void *ctx, struct seen *seen, struct header list[HEADERS_MAX], size_t *count) {
again:;
  *count = envoy_dynamic_module_callback_early_header_mutation_get_headers_size(ctx);
  if (*count > HEADERS_MAX || !envoy_dynamic_module_callback_early_header_mutation_get_headers(ctx, list)) return false;
  *seen = (struct seen){0};
  for (size_t i = 0; i < *count; i++) {
    if (list[i].key.size > 0 && list[i].key.at[0] != ':' && list[i].key.at[0] != 'x') continue;
    if (strip(ctx, list[i].key)) goto again;
    if (!note(seen, &list[i])) return false;
  }
  return true;
}

static void set(void *ctx, struct text key, struct text value) {
  envoy_dynamic_module_callback_early_header_mutation_set_header(ctx, key, value);
}

static void put(void *ctx, struct text key, struct text value, bool there) {
  if (there) envoy_dynamic_module_callback_early_header_mutation_set_header(ctx, key, value);
  else envoy_dynamic_module_callback_early_header_mutation_add_header(ctx, key, value);
}

/* nginx's $proxy_add_x_forwarded_for. Envoy would name its own address where the client is on the same machine. */
static struct text forwarded_for(struct text before, struct text peer) {
  static _Thread_local char list[PATH_MAX_BYTES + 64];
  if (before.size == 0 || before.size + 2 + peer.size > sizeof list) return peer;
  memcpy(list, before.at, before.size);
  memcpy(list + before.size, ", ", 2);
  memcpy(list + before.size + 2, peer.at, peer.size);
  return (struct text){list, before.size + 2 + peer.size};
}

static void forward(void *ctx, const struct seen *seen, struct text host) {
  struct text peer = {NULL, 0};
  uint64_t port = 0;
  char digits[24];
  envoy_dynamic_module_callback_early_header_mutation_get_attribute_string(ctx, SOURCE_ADDRESS, &peer);
  envoy_dynamic_module_callback_early_header_mutation_get_attribute_int(ctx, DESTINATION_PORT, &port);
  size_t at = sizeof digits;
  do digits[--at] = (char)('0' + port % 10);
  while ((port /= 10) > 0);
  peer = without_port(peer);
  if (!peer.at) peer = TEXT("");
  put(ctx, TEXT("x-real-ip"), peer, seen->real_ip);
  put(ctx, TEXT("x-forwarded-for"), forwarded_for(seen->forwarded_for, peer), seen->forwarded_for.at != NULL);
  put(ctx, TEXT("x-forwarded-host"), host, seen->forwarded_host);
  put(ctx, TEXT("x-forwarded-port"), (struct text){digits + at, sizeof digits - at}, seen->forwarded_port);
}

static void close_request(void *ctx) {
  set(ctx, TEXT("x-gf-scope"), TEXT(""));
  set(ctx, TEXT("x-gf-path"), TEXT("*"));
}

EXPORT bool envoy_dynamic_module_on_early_header_mutation_mutate(const void *config, void *ctx) {
  (void)config;
  static _Thread_local char decoded[PATH_MAX_BYTES];
  char host[HOST_MAX], scope[HOST_MAX + 64];
  struct header list[HEADERS_MAX];
  struct seen seen;
  struct text uri = TEXT("*"), questions;
  size_t count;
  bool usable;
  if (!look(ctx, &seen, list, &count)) {
    close_request(ctx);
    return true;
  }
  struct text name = {host, host_of(seen.authority, host)};
  if (!uri_of(path_of(seen.target), decoded, sizeof decoded, &uri)) uri = TEXT("*");
  size_t size = scope_of(name, uri, scope, sizeof scope, &questions, &usable);
  const struct request request = {list, count, seen.target, uri, name};
  if (!usable || (questions.size > 0 && !questions_answer(ctx, &request, questions))) {
    close_request(ctx);
    return true;
  }
  forward(ctx, &seen, name);
  put(ctx, TEXT("x-gf-scope"), (struct text){scope, size}, false);
  put(ctx, TEXT("x-gf-path"), uri, false);
  return true;
}

EXPORT const void *envoy_dynamic_module_on_early_header_mutation_config_new(void *envoy, struct text name,
                                                                            struct text config) {
  static const char only = 0;
  (void)envoy;
  bool known = same(name, TEXT("scope")) && config.size == 0;
  if (!known) complain("early header mutation", "only [scope], without configuration, is known");
  return known ? &only : NULL;
}

EXPORT void envoy_dynamic_module_on_early_header_mutation_config_destroy(const void *config) { (void)config; }
