/* Places that are taken and given back: of open connections, of requests under way. They live and die with this process. */
#include "gatefleet.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

enum { BUCKETS = 1024 };

struct count { /* what is taken under one name; there while anything is */
  struct count *next;
  uint64_t name[2];
  uint64_t taken;
};

static struct {
  pthread_mutex_t lock;
  struct count *first;
} buckets[BUCKETS];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint64_t hash_key[2], owner;

static void begin(void) {
  for (size_t i = 0; i < BUCKETS; i++) pthread_mutex_init(&buckets[i].lock, NULL);
  if (getrandom(hash_key, sizeof hash_key, 0) != sizeof hash_key) hash_key[0] = (uint64_t)(uintptr_t)&once;
  if (getrandom(&owner, sizeof owner, 0) != sizeof owner) owner = now_us();
}

void places_key(struct sip *sip) {
  pthread_once(&once, begin);
  sip_begin(sip, hash_key);
}

uint64_t places_owner(void) {
  pthread_once(&once, begin);
  return owner;
}

static struct count **find(const uint64_t name[2]) {
  struct count **at = &buckets[name[0] % BUCKETS].first;
  while (*at && ((*at)->name[0] != name[0] || (*at)->name[1] != name[1])) at = &(*at)->next;
  return at;
}

uint64_t places_take(const uint64_t name[2], uint64_t most) {
  uint64_t taken = 0;
  pthread_mutex_t *lock = &buckets[name[0] % BUCKETS].lock;
  pthread_mutex_lock(lock);
  struct count **at = find(name);
  if (!*at && most > 0 && (*at = calloc(1, sizeof **at))) memcpy((*at)->name, name, sizeof (*at)->name);
  if (*at && (*at)->taken < most) taken = ++(*at)->taken;
  pthread_mutex_unlock(lock);
  return taken;
}

void places_give_back(const uint64_t name[2]) {
  pthread_mutex_t *lock = &buckets[name[0] % BUCKETS].lock;
  pthread_mutex_lock(lock);
  struct count **at = find(name), *held = *at;
  if (held && --held->taken == 0) {
    *at = held->next;
    free(held);
  }
  pthread_mutex_unlock(lock);
}
