/* Logs requests from several threads, for the test to add up what came into the file.
 * Arguments: a run directory, threads, requests of each, routes, and microseconds between two requests. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "host.h"

static unsigned requests, routes, pause_us;

/* The test computes the same numbers. */
static void log_one(unsigned number) {
  static const uint32_t statuses[] = {0, 101, 204, 301, 404, 503};
  char route[300], consumer[32];
  struct fake *fake = fake_new("192.0.2.7:4711");
  int size = snprintf(route, sizeof route, "s%u/r%u%.*s", number % 3, number % routes, number % 5 == 4 ? 200 : 0,
                      "long.long.long.long.long.long.long.long.long.long.long.long.long.long.long.long.long.long.long.long."
                      "long.long.long.long.long.long.long.long.long.long.long.long.long.long.long.long.long.long.long.long.");
  int named = snprintf(consumer, sizeof consumer, "c%u", number % 7);
  fake->route = number % 11 == 0 ? TEXT("not-found") : (struct text){route, (size_t)size};
  fake->status = statuses[number % 6];
  fake->bytes = (struct logged_bytes){number, 2 * (uint64_t)number, 0, 0};
  fake->timing = (struct logged_timing){1000000000 * (int64_t)(number / 1000), (int64_t)number * number % 40000000 * 1000};
  fake->details = TEXT("via_upstream");
  fake->peer_port = 1 + number % 1000;
  fake->answering = TEXT("mocking");
  fake_add(fake, TEXT("x-consumer-username"), (struct text){consumer, (size_t)named});
  fake_add(fake, TEXT(":path"), TEXT("/a?secret=1"));
  fake_add(fake, TEXT("authorization"), TEXT("secret"));
  envoy_dynamic_module_on_access_logger_log(fake, NULL, 0);
  fake_free(fake);
}

static void *work(void *given) {
  for (unsigned i = 0; i < requests; i++) {
    log_one(i);
    if (pause_us && i % 100 == 0) usleep(pause_us * 100);
  }
  return given;
}

int main(int count, char **arguments) {
  pthread_t threads[64];
  if (count != 6) return 2;
  setenv("GATEFLEET_RUN_DIR", arguments[1], 1);
  envoy_dynamic_module_on_program_init();
  unsigned some = (unsigned)atoi(arguments[2]);
  requests = (unsigned)atoi(arguments[3]), routes = (unsigned)atoi(arguments[4]), pause_us = (unsigned)atoi(arguments[5]);
  for (unsigned i = 0; i < some && i < 64; i++) pthread_create(&threads[i], NULL, work, NULL);
  for (unsigned i = 0; i < some && i < 64; i++) pthread_join(threads[i], NULL);
  return 0;
}
