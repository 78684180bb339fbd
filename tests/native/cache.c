/* What [proxy-cache] keeps and gives up, one sentence per check, under the sanitizers; many threads read while others write.
 * Argument: a directory for the files of the disk zone. */
#include "cache_store.c" /* whole, to count what is kept */

#include <stdio.h>

#include "host.h"

static int failures;

#define CHECK(what) \
  do { \
    if (!(what)) failures++, printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
  } while (0)

static char page[300 << 10];

static struct text text(const char *from) { return (struct text){from, strlen(from)}; }

static void *configured(const char *zone) {
  const char *const given[][2] = {{"zone", zone}, {"key", "$uri"}, {"method", "GET"}, {"method", "HEAD"}, {"status", "200"}, {"ttl", "60"}};
  char bytes[512];
  size_t used = 0;
  for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
    for (size_t part = 0; part < 2; part++) {
      uint32_t size = (uint32_t)strlen(given[i][part]);
      memcpy(bytes + used, &size, 4);
      memcpy(bytes + used + 4, given[i][part], size);
      used += 4 + size;
    }
  }
  return envoy_dynamic_module_on_http_filter_config_new(NULL, text("proxy-cache"), (struct text){bytes, used});
}

struct asked {
  const char *method, *path, *language, *vary;
  size_t size; /* of the upstream's answer */
};

/* One request and, when it is let through, an upstream's answer in two parts; the bytes that were answered from what is kept, or -1. */
static long ask(void *config, struct asked asked) {
  struct fake *fake = fake_new("192.0.2.7:4711");
  fake_add(fake, text(":method"), text(asked.method));
  fake_add(fake, text("x-gf-path"), text(asked.path));
  if (asked.language) fake_add(fake, text("accept-language"), text(asked.language));
  void *stream = envoy_dynamic_module_on_http_filter_new(config, fake);
  bool passed = envoy_dynamic_module_on_http_filter_request_headers(fake, stream, true) == HEADERS_CONTINUE;
  if (passed) {
    fake_answer(fake, text("200"));
    fake->details = text("via_upstream");
    if (asked.vary) envoy_dynamic_module_callback_http_add_header(fake, RESPONSE_HEADERS, text("vary"), text(asked.vary));
    envoy_dynamic_module_on_http_filter_response_headers(fake, stream, asked.size == 0);
    for (int part = 0; part < 2 && asked.size; part++) {
      fake->passing = (struct text){page, part ? asked.size - asked.size / 2 : asked.size / 2};
      envoy_dynamic_module_on_http_filter_response_body(fake, stream, part == 1);
    }
  }
  long sent = passed ? -1 : fake->status == 200 ? (long)fake->sent : -(long)fake->status;
  envoy_dynamic_module_on_http_filter_destroy(stream);
  fake_free(fake);
  return sent;
}

static void an_answer_is_kept_and_found(void *config, size_t size, bool in_file) {
  size_t files = zones[DISK_ZONE].files;
  CHECK(ask(config, (struct asked){"GET", "/one", .size = size}) == -1);
  CHECK(zones[DISK_ZONE].files - files == (in_file ? size : 0));
  CHECK(ask(config, (struct asked){"GET", "/one", .size = size}) == (long)size);
  CHECK(ask(config, (struct asked){"HEAD", "/one"}) == 0);
  CHECK(ask(config, (struct asked){"PURGE", "/one"}) == 0);
  CHECK(ask(config, (struct asked){"PURGE", "/one"}) == -404);
  CHECK(ask(config, (struct asked){"GET", "/one", .size = size}) == -1);
  CHECK(ask(config, (struct asked){"PURGE", "/one"}) == 0);
}

static void answers_are_found_by_what_they_vary_by(void *config) {
  struct asked german = {"GET", "/v", "de", "Accept-Language", 10}, french = {"GET", "/v", "fr", "accept-language", 20};
  CHECK(ask(config, german) == -1 && ask(config, french) == -1);
  CHECK(ask(config, german) == 10 && ask(config, french) == 20);
  CHECK(ask(config, (struct asked){"PURGE", "/v"}) == 0);
  CHECK(ask(config, german) == -1);
}

static void what_was_not_used_for_longest_makes_room(void *config) {
  char path[32];
  for (int i = 0; i < 400; i++) {
    snprintf(path, sizeof path, "/many/%d", i);
    ask(config, (struct asked){"GET", path, .size = sizeof page});
    ask(config, (struct asked){"GET", "/many/0", .size = sizeof page});
  }
  CHECK(zones[MEMORY_ZONE].memory <= MEMORY_MOST && zones[MEMORY_ZONE].memory > MEMORY_MOST / 2);
  CHECK(ask(config, (struct asked){"GET", "/many/0"}) == sizeof page);
  CHECK(ask(config, (struct asked){"GET", "/many/1"}) == -1);
  CHECK(under_way == 0);
}

static void what_is_too_large_is_not_kept(void *config) {
  CHECK(ask(config, (struct asked){"GET", "/large", .size = 100}) == -1);
  struct body body = {NULL, 0, 0, false};
  while (body_add(&body, (struct text){page, sizeof page})) CHECK(body.size <= BODY_MAX);
  CHECK(body.at == NULL && under_way == 0);
}

static void *busy(void *config) {
  char path[32];
  for (uint64_t turn = 0, random = (uint64_t)(uintptr_t)&path | 1; turn < 1500; turn++) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    snprintf(path, sizeof path, "/busy/%u", (unsigned)(random >> 60));
    const char *method = (random >> 50) % 8 == 0 ? "PURGE" : "GET";
    ask(config, (struct asked){method, path, (random >> 40) % 2 ? "de" : "fr", (random >> 44) % 4 ? NULL : "accept-language", (random >> 33) % 20000});
  }
  return NULL;
}

static void many_threads_do_not_meet(void *config) {
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, busy, config);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  CHECK(under_way == 0);
}

static void all_of_it_can_be_given_up(enum zone zone) {
  while (zones[zone].oldest) take_out(&zones[zone], place_of(&zones[zone], zones[zone].oldest->name));
  CHECK(zones[zone].memory == 0 && zones[zone].files == 0);
  free(zones[zone].buckets);
  zones[zone].buckets = NULL;
}

int main(int count, char **arguments) {
  if (count != 2) return 2;
  setenv("GATEFLEET_CACHE_DIR", arguments[1], 1);
  envoy_dynamic_module_on_program_init();
  memset(page, 'x', sizeof page);
  void *memory = configured("memory"), *disk = configured("disk");
  CHECK(memory && disk && !configured("elsewhere"));
  an_answer_is_kept_and_found(memory, 50000, false);
  an_answer_is_kept_and_found(disk, 100, false);
  an_answer_is_kept_and_found(disk, 50000, true);
  answers_are_found_by_what_they_vary_by(memory);
  what_was_not_used_for_longest_makes_room(memory);
  what_is_too_large_is_not_kept(memory);
  many_threads_do_not_meet(memory);
  many_threads_do_not_meet(disk);
  all_of_it_can_be_given_up(MEMORY_ZONE);
  all_of_it_can_be_given_up(DISK_ZONE);
  envoy_dynamic_module_on_http_filter_config_destroy(memory);
  envoy_dynamic_module_on_http_filter_config_destroy(disk);
  return failures != 0;
}
