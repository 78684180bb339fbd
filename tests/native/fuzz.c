/* Hostile bytes for everything that reads bytes: table files, authorities, paths, filter configurations and request headers.
 * With libFuzzer (clang -fsanitize=fuzzer), or alone (-DALONE) with a deterministic generator. */
#include "host.h"
#include "redis.h"

#include <stdlib.h>

static uint8_t take(struct text *rest) {
  if (rest->size == 0) return 0;
  uint8_t value = (uint8_t)rest->at[0];
  *rest = (struct text){rest->at + 1, rest->size - 1};
  return value;
}

static struct text slice(struct text *rest) {
  size_t size = take(rest);
  if (size > rest->size) size = rest->size;
  struct text part = {rest->at, size};
  *rest = (struct text){rest->at + size, rest->size - size};
  return part;
}

/* An exact copy on the heap: reading one byte past it is found. */
static struct text boxed(struct text from) {
  char *at = malloc(from.size ? from.size : 1);
  if (from.size) memcpy(at, from.at, from.size);
  return (struct text){at, from.size};
}

static void unbox(struct text one) { free((void *)(uintptr_t)one.at); }

static volatile char touched; /* every byte found is read */

static void table(struct text rest) {
  struct text key = slice(&rest), file = boxed(rest), value;
  if (table_search(file, key, &value) == FOUND) {
    for (size_t i = 0; i < value.size; i++) touched ^= value.at[i];
  }
  unbox(file);
}

static struct fake *request(struct text *rest) {
  struct fake *fake = fake_new("192.0.2.7:4711");
  fake_add(fake, TEXT(":authority"), slice(rest));
  fake_add(fake, TEXT(":path"), slice(rest));
  static const struct text names[] = {{"apikey", 6}, {"authorization", 13}, {"cookie", 6}, {"x-gf-path", 9}, {"x-gf-scope", 10}};
  while (rest->size > 0 && fake->request_count < 40) fake_add(fake, names[take(rest) % 5], slice(rest));
  return fake;
}

static void early(struct text rest) {
  struct fake *fake = request(&rest);
  envoy_dynamic_module_on_early_header_mutation_mutate(NULL, fake);
  struct text path = fake_get(fake, REQUEST_HEADERS, TEXT("x-gf-path"));
  if (!same(path, TEXT("*")) && (path.size == 0 || path.at[0] != '/')) abort();
  if (fake_count(fake, TEXT("x-gf-scope")) != 1) abort();
  fake_free(fake);
}

static const struct text filters[] = {{"key-auth", 8}, {"basic-auth", 10}, {"ip-restriction", 14}, {"limit-count", 11},
                                      {"limit-req", 9},   {"limit-conn", 10}, {"real-ip", 7},        {"api-breaker", 11}};

static void serve(struct text filter, struct text config, struct text rest) {
  struct text copy = boxed(config);
  void *made = envoy_dynamic_module_on_http_filter_config_new(NULL, filter, copy);
  unbox(copy);
  if (!made) return;
  struct fake *fake = request(&rest);
  void *stream = envoy_dynamic_module_on_http_filter_new(made, fake);
  if (envoy_dynamic_module_on_http_filter_request_headers(fake, stream, true) == HEADERS_CONTINUE)
    envoy_dynamic_module_on_http_filter_response_headers(fake, stream, true);
  else if (fake->status < 200) abort();
  envoy_dynamic_module_on_http_filter_destroy(stream);
  envoy_dynamic_module_on_http_filter_config_destroy(made);
  fake_free(fake);
}

/* Fields with real names, so that what comes after the parser is reached too. */
static void named_fields(uint8_t which, struct text rest) {
  static const char *const names[] = {"header", "query", "realm", "hide_credentials", "anonymous_consumer", "error_response",
                                      "whitelist", "blacklist", "body", "response_code", "count", "time_window", "owner", "key",
                                      "rejected_code", "show_limit_quota_header", "interval", "most", "free", "unit", "source",
                                      "trusted", "recursive", "soft", "status", "longest", "failures", "successes",
                                      "unhealthy", "healthy", "header", "value"};
  char config[4096];
  size_t used = 0;
  for (uint8_t more = take(&rest) % 8; more > 0; more--) {
    struct text name = {names[rest.size ? (uint8_t)rest.at[0] % 32 : 0], 0}, value;
    take(&rest);
    name.size = strlen(name.at);
    value = slice(&rest);
    struct text parts[2] = {name, value};
    for (int i = 0; i < 2; i++) {
      uint32_t size = (uint32_t)parts[i].size;
      memcpy(config + used, &size, 4);
      if (size) memcpy(config + used + 4, parts[i].at, size);
      used += 4 + size;
    }
  }
  serve(filters[which % 8], (struct text){config, used}, rest);
}

/* One sound question, so that the variables are reached, and whatever follows it. */
static void asked(struct text rest) {
  static const char *const names[] = {"arg_a", "cookie_b", "http_x_y", "remote_addr", "server_port", "args", "is_args", "none"};
  char questions[1024] = {"v=<l>g"[take(&rest) % 6], 4, 0, 0};
  const char *name = names[take(&rest) % 8];
  uint16_t size = (uint16_t)strlen(name);
  memcpy(questions + 2, &size, 2);
  memcpy(questions + 4, "x-gf", 4);
  memcpy(questions + 8, name, size);
  size_t used = 8 + size + (questions[0] == 'v' ? 0 : 8);
  struct text query = slice(&rest), cookies = slice(&rest), more = slice(&rest);
  memcpy(questions + used, more.at, more.size);
  struct text box = boxed((struct text){questions, used + more.size});
  struct header headers[] = {{TEXT("x-y"), query}, {TEXT("cookie"), cookies}};
  const struct request request = {headers, 2, query, path_of(query), TEXT("foo.test")};
  struct fake *fake = fake_new("192.0.2.7:4711");
  questions_answer(fake, &request, box);
  fake_free(fake);
  unbox(box);
}

/* What a Redis server may say. */
static void answered(struct text rest) {
  struct text box = boxed(rest), left = box;
  struct reply reply;
  while (resp_read(&left, &reply) == RESP_WHOLE)
    for (size_t i = 0; i < reply.text.size; i++) touched ^= reply.text.at[i];
  touched ^= (char)redis_slot(box);
  unbox(box);
}

int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerInitialize(int *count, char ***arguments) {
  (void)count, (void)arguments;
  envoy_dynamic_module_on_program_init(); /* GATEFLEET_RUN_DIR from the environment */
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct text rest = {(const char *)data, size};
  uint8_t which = take(&rest);
  switch (which % 6) {
    case 0: table(rest); break;
    case 1: early(rest); break;
    case 4: asked(rest); break;
    case 2: named_fields(which / 6, rest); break;
    case 5: answered(rest); break;
    default: serve(filters[which / 6 % 8], slice(&rest), rest); break;
  }
  return 0;
}

#ifdef ALONE
#include <stdio.h>
#include <time.h>

/* Arguments: seconds, then seed files whose bytes are mutated. */
int main(int count, char **arguments) {
  static uint8_t seeds[64][4096], input[4096];
  size_t sizes[64], known = 0;
  uint64_t state = 88172645463325252u;
  LLVMFuzzerInitialize(&count, &arguments);
  for (int i = 2; i < count && known < 64; i++) {
    FILE *file = fopen(arguments[i], "rb");
    if (!file) return 2;
    sizes[known] = fread(seeds[known], 1, sizeof seeds[known], file);
    known++;
    fclose(file);
  }
  if (known == 0) return 2;
  for (time_t end = time(NULL) + atoi(arguments[1]); time(NULL) < end;) {
    for (int turn = 0; turn < 1000; turn++) {
      state ^= state << 13, state ^= state >> 7, state ^= state << 17;
      size_t from = state % known, size = sizes[from];
      memcpy(input, seeds[from], size);
      for (uint64_t bits = state >> 8; bits & 7 && size; bits >>= 3) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        if (bits & 4) size = 1 + state % size;
        else input[state % size] = (uint8_t)(state >> 32);
      }
      LLVMFuzzerTestOneInput(input, size);
    }
  }
  return 0;
}
#endif
