/* Requests of four threads that ask one Redis server: some wait for the answer, some go at once. */
#include "host.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define THREADS 4
#define REQUESTS 300

static void *places, *counts;
static _Atomic unsigned passed, refused, failed, unanswered;

static void *made(const char *filter, const char *const fields[][2], size_t count) {
  char config[2048];
  size_t used = 0;
  for (size_t i = 0; i < count * 2; i++) {
    const char *part = fields[i / 2][i % 2];
    uint32_t size = (uint32_t)strlen(part);
    memcpy(config + used, &size, 4);
    memcpy(config + used + 4, part, size);
    used += 4 + size;
  }
  return envoy_dynamic_module_on_http_filter_config_new(NULL, (struct text){filter, strlen(filter)},
                                                        (struct text){config, used});
}

static void request(void *config, bool patient) {
  struct fake *fake = fake_new("192.0.2.7:4711");
  void *stream = envoy_dynamic_module_on_http_filter_new(config, fake);
  int status = envoy_dynamic_module_on_http_filter_request_headers(fake, stream, true);
  for (int i = 0; patient && status == HEADERS_WAIT && i < 20000 && !atomic_load(&fake->woken); i++) usleep(100);
  if (patient && atomic_load(&fake->woken)) {
    envoy_dynamic_module_on_http_filter_scheduled(fake, stream, EVENT_ANSWER);
    if (fake->resumed) passed++;
    else if (fake->status == 503) refused++;
    else failed++;
  } else if (patient) unanswered++;
  envoy_dynamic_module_on_http_filter_destroy(stream);
  fake_free(fake);
}

static void *client(void *number) {
  for (int i = 0; i < REQUESTS; i++) {
    request(counts, true);
    request(places, i % 3 != 0);
  }
  return number;
}

int requests_share_a_server(const char *node);
int requests_share_a_server(const char *node) {
  const char *const common[][2] = {{"owner", "r"}, {"key", "$remote_addr"}, {"redis_node", node},
                                   {"redis_timeout", "2000"}, {"redis_idle", "60000"}, {"free", "100"}, {"most", "100"},
                                   {"lease", "60"}};
  const char *const counting[][2] = {{"owner", "r"}, {"key", "$remote_addr"}, {"redis_node", node},
                                     {"redis_timeout", "2000"}, {"redis_idle", "60000"}, {"count", "500"},
                                     {"time_window", "600"}};
  pthread_t threads[THREADS];
  places = made("limit-conn", common, 8);
  counts = made("limit-count", counting, 7);
  if (!places || !counts) return 1;
  for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, client, NULL);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  envoy_dynamic_module_on_http_filter_config_destroy(places);
  envoy_dynamic_module_on_http_filter_config_destroy(counts);
  usleep(300000); /* what was taken is given back, and the thread ends */
  printf("%u passed, %u refused, %u failed, %u unanswered\n", passed, refused, failed, unanswered);
  return unanswered + failed > 0 || refused != THREADS * REQUESTS - 500;
}
