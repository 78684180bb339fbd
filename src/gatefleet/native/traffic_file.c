/* Where traffic is counted: a file of the run directory, one per Envoy process, that the agent reads and empties.
 *
 * The file: 4096 bytes of head, then two halves of LANES lanes each. Workers count in the half that the head names; the agent names the
 * other one, waits until nobody can be writing to the first any more, reads it, and empties it once its figures are where they belong.
 * So nothing is counted twice or lost, and what has no traffic any more takes no room.
 *
 * A lane belongs to some of the workers, lest all of them wait for the same memory. Its names are in the order they were first seen;
 * `places` finds them by hash. The first two stand for all that find no room: of routes, and of consumers.
 *
 * The agent may watch for one request, which it makes itself: it notes the port of its own end before, and finds what became of the
 * request in the head, once `shown` has grown. Nobody else has that port meanwhile, so only one worker ever writes there. */
#include "traffic.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LANES = 4, NAMES = 2048, PLACES = 4096, OTHERS = 2, NAME_ROOM = 182, SAMPLES = 65536 };

struct counted {
  _Atomic uint64_t figures[FIGURES];
  uint64_t hash;
  uint16_t size; /* of the name, whose first byte says what it is: r or c */
  char name[NAME_ROOM];
};

struct lane {
  _Atomic uint32_t used;    /* names beside the first two */
  _Atomic uint32_t sampled; /* bytes of samples, each u16 size and the sample */
  char padding[56];
  _Atomic uint16_t places[PLACES]; /* number of a name, and 1; 0: free */
  struct counted names[NAMES];
  char samples[SAMPLES];
};

struct file {
  char magic[8];
  uint64_t lanes, lane_size, names, samples;
  _Alignas(64) _Atomic uint32_t active;
  _Atomic uint32_t watched; /* a port of the agent's, or 0 */
  char more[952];           /* the agent keeps notes of its own there */
  _Atomic uint32_t shown;   /* how many watched requests are over */
  uint32_t shown_size;
  char sample[SAMPLE_MAX];
  char rest[4096 - 1032 - SAMPLE_MAX];
  struct lane halves[2][LANES];
};
_Static_assert(offsetof(struct file, shown) == 1024 && offsetof(struct file, halves) == 4096 && sizeof(struct counted) == 448 && sizeof(struct lane) % 64 == 0, "the agent looks for them there");

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct file *file;
static _Atomic unsigned threads;

static void begin(void) {
  char name[64];
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  snprintf(name, sizeof name, "traffic.%ld.%lld", (long)getpid(), (long long)now.tv_sec * 1000000000 + now.tv_nsec);
  struct file *made = share(name, NEW, sizeof *made, sizeof *made, NULL);
  if (!made) return;
  made->lanes = LANES, made->lane_size = sizeof(struct lane), made->names = NAMES, made->samples = SAMPLES;
  atomic_thread_fence(memory_order_release);
  memcpy(made->magic, "GFTRAF01", 8);
  file = made;
}

void traffic_begin(void) { pthread_once(&once, begin); }

static struct lane *lane(void) {
  static _Thread_local unsigned mine = UINT32_MAX;
  traffic_begin();
  if (!file) return NULL;
  if (mine == UINT32_MAX) mine = atomic_fetch_add(&threads, 1) % LANES;
  return &file->halves[atomic_load_explicit(&file->active, memory_order_acquire) & 1][mine];
}

static bool is(const struct counted *one, uint64_t hash, char kind, struct text name) {
  return one->hash == hash && one->size == name.size + 1 && one->name[0] == kind && memcmp(one->name + 1, name.at, name.size) == 0;
}

/* Its number plus one, made but not found by anybody yet; 0: there is no room. */
static uint16_t make(struct lane *self, uint64_t hash, char kind, struct text name) {
  if (atomic_load_explicit(&self->used, memory_order_relaxed) >= NAMES - OTHERS) return 0;
  uint32_t number = OTHERS + atomic_fetch_add_explicit(&self->used, 1, memory_order_relaxed);
  if (number >= NAMES) return 0;
  struct counted *one = &self->names[number];
  one->hash = hash;
  one->name[0] = kind;
  memcpy(one->name + 1, name.at, name.size);
  one->size = (uint16_t)(name.size + 1);
  return (uint16_t)(number + 1);
}

static struct counted *counted_of(struct lane *self, char kind, struct text name) {
  struct counted *others = &self->names[kind == 'c'];
  if (name.size >= NAME_ROOM) return others;
  uint64_t hash = name_hash((uint64_t)kind, name);
  uint16_t made = 0;
  for (uint64_t at = hash;; at++) {
    _Atomic uint16_t *place = &self->places[at % PLACES];
    uint16_t found = atomic_load_explicit(place, memory_order_acquire);
    if (found == 0) {
      if (!made) made = make(self, hash, kind, name);
      if (!made) return others;
      if (atomic_compare_exchange_strong_explicit(place, &found, made, memory_order_acq_rel, memory_order_acquire)) found = made;
    }
    if (is(&self->names[found - 1], hash, kind, name)) return &self->names[found - 1];
  }
}

static void add(struct counted *one, size_t figure, uint64_t value) {
  atomic_fetch_add_explicit(&one->figures[figure], value, memory_order_relaxed);
}

static void count(struct counted *one, const struct traffic *traffic) {
  add(one, traffic->status, 1);
  add(one, BYTES_IN, traffic->bytes_in);
  add(one, BYTES_OUT, traffic->bytes_out);
  add(one, LATENCY_US, traffic->latency_us);
  add(one, traffic->bucket, 1);
}

void traffic_count(const struct traffic *traffic, struct text route, struct text consumer) {
  struct lane *self = lane();
  if (!self) return;
  count(counted_of(self, 'r', route), traffic);
  count(counted_of(self, 'c', consumer), traffic);
}

void traffic_keep(struct text sample) {
  struct lane *self = lane();
  size_t need = 2 + sample.size;
  if (!self || atomic_load_explicit(&self->sampled, memory_order_relaxed) + need > SAMPLES) return;
  uint32_t at = atomic_fetch_add_explicit(&self->sampled, (uint32_t)need, memory_order_relaxed);
  if (at + need > SAMPLES) return;
  uint16_t size = (uint16_t)sample.size;
  memcpy(self->samples + at + 2, sample.at, sample.size);
  memcpy(self->samples + at, &size, 2);
}

uint32_t traffic_watched(void) { return file ? atomic_load_explicit(&file->watched, memory_order_relaxed) : 0; }

void traffic_show(struct text sample) {
  if (!file || sample.size > sizeof file->sample) return;
  memcpy(file->sample, sample.at, sample.size);
  file->shown_size = (uint32_t)sample.size;
  atomic_fetch_add_explicit(&file->shown, 1, memory_order_release);
}
