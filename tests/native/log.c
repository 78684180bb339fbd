/* Logs requests that are made of random bytes, for the test to read what came into the ring.
 * Arguments: a run directory, how many requests, and how large their bodies are. */
#include "log.h"

#include <stdlib.h>

#include "host.h"

static uint64_t state = 88172645463325252u;

static uint64_t next_random(void) { return state ^= state << 13, state ^= state >> 7, state ^= state << 17; }

/* Bytes of all kinds; UTF-8, halves of it, quotes and control characters among them. */
static struct text noise(char *buffer, size_t size) {
  static const char *const words[] = {"\"", "\\", "\n", "\x01", "\xc3\xbc", "\xc3", "\xe2\x82\xac", "\xed\xa0\x80", "\xf0\x9f\x98\x80", "\xf5", "a", "&", "=", "%20"};
  size_t used = 0;
  while (used + 4 <= size) {
    const char *word = words[next_random() % 14];
    memcpy(buffer + used, word, strlen(word));
    used += strlen(word);
  }
  return (struct text){buffer, used};
}

static void *configured(void) {
  const char *const given[][2] = {{"sink", "{\"kind\":\"test\"}"}, {"route", "r"}, {"request_body", "500000"}, {"open", ""}, {"name", "\"none\""}, {"value", "arg_none"},
                                  {"name", "\"headers\""}, {"value", "request.headers"}, {"name", "\"in\""}, {"open", ""}, {"name", "\"none\""}, {"value", "arg_none"}, {"name", "\"two\""}, {"json", "[2]"}, {"name", "\"query\""}, {"value", "request.querystring"},
                                  {"name", "\"uri\""}, {"value", "request_uri"}, {"close", ""}, {"name", "\"body\""}, {"value", "request_body"}, {"name", "\"one\""}, {"json", "1"}, {"close", ""}};
  char bytes[2048];
  size_t used = 0;
  for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
    for (size_t part = 0; part < 2; part++) {
      uint32_t size = (uint32_t)strlen(given[i][part]);
      memcpy(bytes + used, &size, 4);
      memcpy(bytes + used + 4, given[i][part], size);
      used += 4 + size;
    }
  }
  return envoy_dynamic_module_on_http_filter_config_new(NULL, TEXT("access-log"), (struct text){bytes, used});
}

static void log_one(void *config, char *body, size_t size) {
  char buffer[4][200];
  struct fake *fake = fake_new("192.0.2.7:4711");
  fake_add(fake, TEXT(":path"), noise(buffer[0], sizeof buffer[0]));
  fake_add(fake, TEXT(":authority"), noise(buffer[1], 20));
  for (int i = 0; i < 3; i++) fake_add(fake, noise(buffer[2], 8), noise(buffer[3], sizeof buffer[3]));
  for (const char *value = "ab"; *value; value++) fake_add(fake, TEXT("twice"), (struct text){value, 1});
  void *stream = envoy_dynamic_module_on_http_filter_new(config, fake);
  envoy_dynamic_module_on_http_filter_request_headers(fake, stream, size == 0);
  fake->passing = noise(body, size);
  envoy_dynamic_module_on_http_filter_request_body(fake, stream, true);
  envoy_dynamic_module_on_http_filter_stream_complete(fake, stream);
  envoy_dynamic_module_on_http_filter_destroy(stream);
  fake_free(fake);
}

int main(int count, char **arguments) {
  if (count != 4) return 2;
  setenv("GATEFLEET_RUN_DIR", arguments[1], 1);
  envoy_dynamic_module_on_program_init();
  size_t size = (size_t)atoi(arguments[3]);
  char *body = malloc(size + 1);
  void *config = configured();
  if (!config || !body) return 3;
  for (int i = 0; i < atoi(arguments[2]); i++) log_one(config, body, size);
  envoy_dynamic_module_on_http_filter_config_destroy(config);
  free(body);
  return 0;
}
