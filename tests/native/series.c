/* Logs the requests of a file from several threads, for the test to compare what came into the series.
 * Arguments: a run directory, threads, and the file: for each request a `struct asked` and its two names. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "host.h"

struct asked {
  uint64_t bytes_in, bytes_out;
  int64_t total, last_tx, first_rx;
  uint32_t status;
  uint16_t of, consumer; /* sizes of the names */
};

static char *requests;
static size_t size;

static void log_one(const struct asked *asked, const char *names) {
  struct fake *fake = fake_new("192.0.2.7:4711");
  fake->marked = (struct text){asked->of ? names : NULL, asked->of};
  fake->route = TEXT("s/r");
  fake->status = asked->status;
  fake->bytes = (struct logged_bytes){asked->bytes_in, asked->bytes_out, 0, 0};
  fake->timing = (struct logged_timing){1, asked->total, -1, asked->last_tx, asked->first_rx};
  fake->details = TEXT("via_upstream");
  if (asked->consumer) fake_add(fake, TEXT("x-consumer-username"), (struct text){names + asked->of, asked->consumer});
  envoy_dynamic_module_on_access_logger_log(fake, NULL, 0);
  fake_free(fake);
}

static void *work(void *given) {
  struct asked asked;
  for (size_t at = 0; at < size; at += sizeof asked + asked.of + asked.consumer) {
    memcpy(&asked, requests + at, sizeof asked);
    log_one(&asked, requests + at + sizeof asked);
  }
  return given;
}

static void read_all(const char *path) {
  FILE *file = fopen(path, "rb");
  fseek(file, 0, SEEK_END);
  size = (size_t)ftell(file);
  rewind(file);
  requests = malloc(size + 1);
  if (fread(requests, 1, size, file) != size) exit(2);
  fclose(file);
}

int main(int count, char **arguments) {
  pthread_t threads[16];
  if (count != 4) return 2;
  setenv("GATEFLEET_RUN_DIR", arguments[1], 1);
  envoy_dynamic_module_on_program_init();
  read_all(arguments[3]);
  int some = atoi(arguments[2]);
  for (int i = 0; i < some && i < 16; i++) pthread_create(&threads[i], NULL, work, NULL);
  for (int i = 0; i < some && i < 16; i++) pthread_join(threads[i], NULL);
  free(requests);
  return 0;
}
