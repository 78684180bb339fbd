/* Counters of fixed windows in a mapped file of the run directory, exact over all workers and Envoy processes that use it.
 *
 * A counter's name is a 128-bit keyed hash; it lives in one of the 16 slots of its bucket, and a full bucket gives up the window that
 * ends first. One robust mutex per stripe of buckets: if its holder dies, the next one goes on, for every write to a slot is ordered
 * so that a half-made slot reads as free. The clock is CLOCK_MONOTONIC: it goes on over restarts of Envoy and is not moved by setting
 * the time of day; the file is emptied when the machine was booted since. The kernel keeps count of the users (flock): the first one
 * makes the mutexes anew. */
#include "gatefleet.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define SLOTS_PER_BUCKET 16
#define BUCKETS 8192
#define STRIPES 256
#define MAGIC "GFCOUNT1"

struct slot {
  uint64_t name[2];
  uint64_t end; /* in ms; 0: free */
  uint64_t count;
};

struct stripe {
  pthread_mutex_t lock;
  char padding[64 - sizeof(pthread_mutex_t)];
};

struct shared {
  char magic[8];
  uint64_t size;
  uint64_t hash_key[2];
  char boot[40];
  char padding[56];
  struct stripe stripes[STRIPES];
  struct slot slots[BUCKETS][SLOTS_PER_BUCKET];
};

static _Atomic(struct shared *) shared;
static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;

static uint64_t now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static void boot_id(char out[40]) {
  memset(out, 0, 40);
  int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  if (read(file, out, 36) < 0) out[0] = 0;
  close(file);
}

static bool locks_make(struct shared *at) {
  pthread_mutexattr_t kind;
  bool made = pthread_mutexattr_init(&kind) == 0 && pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED) == 0 &&
              pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST) == 0;
  for (size_t i = 0; made && i < STRIPES; i++) {
    memset(&at->stripes[i], 0, sizeof at->stripes[i]);
    made = pthread_mutex_init(&at->stripes[i].lock, &kind) == 0;
  }
  return made;
}

static bool current(const struct shared *at) {
  char boot[40];
  boot_id(boot);
  return memcmp(at->magic, MAGIC, 8) == 0 && at->size == sizeof *at && memcmp(at->boot, boot, sizeof boot) == 0;
}

/* Only while nobody else uses the file. The space is taken now: a full disk must not kill Envoy later. */
static bool prepare(int file, struct shared *at) {
  if (!current(at)) {
    memset(at, 0, sizeof *at);
    if (getrandom(at->hash_key, sizeof at->hash_key, 0) != sizeof at->hash_key) return false;
    at->size = sizeof *at;
    boot_id(at->boot);
  }
  memcpy(at->magic, MAGIC, 8);
  return locks_make(at) && flock(file, LOCK_SH) == 0;
}

static struct shared *map_counters(int file) {
  bool alone = flock(file, LOCK_EX | LOCK_NB) == 0;
  if (!alone && flock(file, LOCK_SH) != 0) return NULL;
  if (alone && posix_fallocate(file, 0, sizeof(struct shared)) != 0) return NULL;
  if (lseek(file, 0, SEEK_END) < (off_t)sizeof(struct shared)) return NULL;
  struct shared *at = mmap(NULL, sizeof *at, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (at == MAP_FAILED) return NULL;
  if (alone ? prepare(file, at) : current(at)) return at;
  munmap(at, sizeof *at);
  return NULL;
}

/* The file stays open: its lock says that this process uses it. */
static struct shared *counters_open(void) {
  char path[4200];
  if (!tables_dir()) return NULL;
  snprintf(path, sizeof path, "%s/limits.shm", tables_dir());
  int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return NULL;
  struct shared *at = map_counters(file);
  if (!at) close(file);
  return at;
}

static struct shared *counters(void) {
  struct shared *at = atomic_load_explicit(&shared, memory_order_acquire);
  if (at) return at;
  pthread_mutex_lock(&opening);
  at = atomic_load_explicit(&shared, memory_order_acquire);
  if (!at) {
    at = counters_open();
    atomic_store_explicit(&shared, at, memory_order_release);
  }
  pthread_mutex_unlock(&opening);
  return at;
}

static bool stripe_lock(pthread_mutex_t *lock) {
  int result = pthread_mutex_lock(lock);
  return result == 0 || (result == EOWNERDEAD && pthread_mutex_consistent(lock) == 0);
}

/* The slot of that name, or else the one to give to it: whose window ended, or ends, first. */
static struct slot *pick(struct slot bucket[SLOTS_PER_BUCKET], const uint64_t name[2]) {
  struct slot *best = &bucket[0];
  for (size_t i = 0; i < SLOTS_PER_BUCKET; i++) {
    struct slot *slot = &bucket[i];
    if (slot->name[0] == name[0] && slot->name[1] == name[1]) return slot;
    if (slot->end < best->end) best = slot;
  }
  return best;
}

static void open_window(struct slot *slot, const uint64_t name[2], uint64_t end) {
  volatile struct slot *ordered = slot;
  ordered->end = 0;
  atomic_signal_fence(memory_order_seq_cst);
  ordered->name[0] = name[0];
  ordered->name[1] = name[1];
  ordered->count = 0;
  atomic_signal_fence(memory_order_seq_cst);
  ordered->end = end;
}

bool counters_key(struct sip *sip) {
  struct shared *at = counters();
  if (at) sip_begin(sip, at->hash_key);
  return at != NULL;
}

/* A leaky bucket that a request leaves every `interval` nanoseconds: it passes if what is before it is at most `most` of waiting.
 * The slot's end and count say, in ms and nanoseconds, when a request would not have to wait. */
struct leak counters_leak(struct sip *hash, uint64_t interval, uint64_t most) {
  struct shared *at = counters();
  uint64_t name[2], now = now_us() * 1000;
  sip_end(hash, name);
  size_t bucket = name[0] % BUCKETS;
  pthread_mutex_t *lock = &at->stripes[bucket % STRIPES].lock;
  if (!stripe_lock(lock)) return (struct leak){false, false, 0};
  struct slot *slot = pick(at->slots[bucket], name);
  bool mine = slot->name[0] == name[0] && slot->name[1] == name[1] && slot->end > 0;
  uint64_t free_at = mine ? slot->end * 1000000 + slot->count : 0;
  uint64_t wait = free_at > now ? free_at - now : 0;
  bool passed = wait <= most;
  if (passed) {
    free_at = now + wait + interval;
    if (!mine) open_window(slot, name, free_at / 1000000);
    slot->count = free_at % 1000000;
    slot->end = free_at / 1000000;
  }
  pthread_mutex_unlock(lock);
  return (struct leak){true, passed, wait / 1000};
}

struct verdict counters_take(struct sip *hash, struct window window) {
  struct shared *at = counters();
  uint64_t name[2], now = now_ms();
  sip_end(hash, name);
  size_t bucket = name[0] % BUCKETS;
  pthread_mutex_t *lock = &at->stripes[bucket % STRIPES].lock;
  if (!stripe_lock(lock)) return (struct verdict){false, false, 0, 0};
  struct slot *slot = pick(at->slots[bucket], name);
  bool mine = slot->name[0] == name[0] && slot->name[1] == name[1] && slot->end > now;
  if (!mine || slot->end > now + window.milliseconds) open_window(slot, name, now + window.milliseconds);
  bool passed = slot->count < window.limit;
  if (passed) slot->count++;
  struct verdict verdict = {true, passed, window.limit - slot->count, (slot->end - now + 999) / 1000};
  pthread_mutex_unlock(lock);
  return verdict;
}
