/* Series: what is counted of the requests that the plugin prometheus has marked, one for each name and consumer, in the file `series` of
 * the run directory. An Envoy that starts makes it anew, so that series begin at 0 with it.
 *
 * The file: a head of 4096 bytes; PLACES places, where series are found by hash; and the series in the order they were first seen, each
 * with its names behind it, padded to 64 bytes. Of the room for series only what is in use is taken, a step at a time. Places and series
 * never move nor go, so counting is additions alone; who makes one holds a lock. A request that finds no room is lost, and counted. */
#include "traffic.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { PLACES = 32768, ROOM = 16 << 20, STEP = 256 << 10, BOUNDS = 15, CODES = 24, NAMES_MOST = 4096, UNIT = 64 };

/* The default buckets of APISIX's prometheus plugin (docs, plugins/prometheus, `default_buckets`). */
static const uint32_t bounds_ms[BOUNDS] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 30000, 60000};

struct latency {
  _Atomic uint64_t us, buckets[BOUNDS + 1]; /* each request in one of them; the last has no bound */
};

struct series {
  uint32_t size; /* with the names and what pads them */
  uint16_t of, consumer; /* sizes of the names */
  uint64_t hash;
  _Atomic uint64_t bytes_in, bytes_out, other; /* answers with a code that found no place */
  struct latency request, upstream;
  _Atomic uint64_t counts[CODES]; /* answers by code */
  _Atomic uint16_t codes[CODES];  /* and 1; 0: free */
  char names[];
};

struct file {
  char magic[8];
  uint64_t process;
  uint32_t begin, fixed, codes, bounds; /* where series begin, the size of one without names, how many of these it has */
  uint32_t bounds_ms[BOUNDS];
  _Alignas(64) _Atomic uint64_t used; /* bytes of series */
  _Atomic uint64_t lost;              /* requests */
  _Alignas(4096) _Atomic uint32_t places[PLACES]; /* where in the room a series is, in units, and 1; 0: free */
  _Alignas(4096) char room[ROOM];
};
_Static_assert(offsetof(struct file, used) == 128 && offsetof(struct file, places) == 4096 && sizeof(struct series) == 552, "the agent looks for them there");
_Static_assert(ROOM / (int)sizeof(struct series) < PLACES, "some places are always free");

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
static struct file *file;
static int descriptor;
static size_t taken; /* bytes of the room that are there */
static _Atomic bool full;

static void begin(void) {
  size_t head = offsetof(struct file, room);
  struct file *made = share("series", NEW, head, sizeof *made, &descriptor);
  if (!made) return;
  made->process = (uint64_t)getpid();
  made->begin = (uint32_t)head, made->fixed = sizeof(struct series), made->codes = CODES, made->bounds = BOUNDS;
  memcpy(made->bounds_ms, bounds_ms, sizeof bounds_ms);
  atomic_thread_fence(memory_order_release);
  memcpy(made->magic, "GFSERI01", 8);
  file = made;
}

void series_begin(void) { pthread_once(&once, begin); }

static struct series *at(uint32_t place) { return (struct series *)(void *)(file->room + (size_t)(place - 1) * UNIT); }

static bool is(const struct series *one, uint64_t hash, struct text of, struct text consumer) {
  return one->hash == hash && one->of == of.size && one->consumer == consumer.size && memcmp(one->names, of.at, of.size) == 0 &&
         memcmp(one->names + of.size, consumer.at, consumer.size) == 0;
}

/* NULL: there is none, and `free` is the place for it. */
static struct series *find(uint64_t hash, struct text of, struct text consumer, _Atomic uint32_t **free) {
  for (uint64_t i = hash;; i++) {
    _Atomic uint32_t *place = *free = &file->places[i % PLACES];
    uint32_t found = atomic_load_explicit(place, memory_order_acquire);
    if (!found || is(at(found), hash, of, consumer)) return found ? at(found) : NULL;
  }
}

/* Whether so much of the room is there. */
static bool take(size_t size) {
  if (size > ROOM) return false;
  if (size > taken && posix_fallocate(descriptor, (off_t)(offsetof(struct file, room) + taken), STEP) == 0) taken += STEP;
  return size <= taken;
}

static struct series *make(uint64_t hash, struct text of, struct text consumer, _Atomic uint32_t *place) {
  uint64_t used = atomic_load_explicit(&file->used, memory_order_relaxed);
  size_t size = (sizeof(struct series) + of.size + consumer.size + UNIT - 1) / UNIT * UNIT;
  if (!take(used + size)) {
    atomic_store_explicit(&full, true, memory_order_relaxed);
    return NULL;
  }
  struct series *made = (struct series *)(void *)(file->room + used);
  made->size = (uint32_t)size, made->of = (uint16_t)of.size, made->consumer = (uint16_t)consumer.size, made->hash = hash;
  memcpy(made->names, of.at, of.size);
  memcpy(made->names + of.size, consumer.at, consumer.size);
  atomic_store_explicit(&file->used, used + size, memory_order_release);
  atomic_store_explicit(place, (uint32_t)(used / UNIT + 1), memory_order_release);
  return made;
}

static struct series *series_of(struct text of, struct text consumer) {
  _Atomic uint32_t *free;
  uint64_t hash = name_hash(name_hash(0, of), consumer);
  if (of.size + consumer.size > NAMES_MOST) return NULL;
  struct series *one = find(hash, of, consumer, &free);
  if (one || atomic_load_explicit(&full, memory_order_relaxed)) return one;
  pthread_mutex_lock(&making);
  one = find(hash, of, consumer, &free);
  if (!one) one = make(hash, of, consumer, free);
  pthread_mutex_unlock(&making);
  return one;
}

static void add(_Atomic uint64_t *to, uint64_t value) { atomic_fetch_add_explicit(to, value, memory_order_relaxed); }

static _Atomic uint64_t *count_of(struct series *self, uint32_t status) {
  uint16_t code = (uint16_t)(status + 1);
  for (size_t i = 0; i < CODES; i++) {
    uint16_t found = atomic_load_explicit(&self->codes[i], memory_order_relaxed);
    if (found == 0 && atomic_compare_exchange_strong_explicit(&self->codes[i], &found, code, memory_order_relaxed, memory_order_relaxed))
      found = code;
    if (found == code) return &self->counts[i];
  }
  return &self->other;
}

static void time_add(struct latency *latency, int64_t ns) {
  size_t bucket = 0;
  if (ns < 0) return;
  while (bucket < BOUNDS && ns > (int64_t)bounds_ms[bucket] * 1000000) bucket++;
  add(&latency->us, (uint64_t)ns / 1000);
  add(&latency->buckets[bucket], 1);
}

void series_count(struct text of, struct text consumer, const struct served *served) {
  series_begin();
  if (!file) return;
  struct series *self = series_of(of, consumer);
  if (!self) return add(&file->lost, 1);
  add(count_of(self, served->status), 1);
  add(&self->bytes_in, served->bytes_in);
  add(&self->bytes_out, served->bytes_out);
  time_add(&self->request, served->request_ns);
  time_add(&self->upstream, served->upstream_ns);
}
