/* Entries on their way to the node's agent: a ring in a file of the run directory, written here and read there.
 *
 * The file: 4096 bytes of head, then the ring. At 0 "GFLOGS01", at 8 the ring's size; at 64 how many bytes were ever written, at 128 how
 * many were read (the agent's to write), at 192 how many entries were lost for want of room. An entry is u32 size of all that follows,
 * u32 size of its sink, the sink, the entry; padded to 8 bytes. A size of 0xffffffff: go on at the ring's beginning. One Envoy writes,
 * and what it was writing when it died was never counted as written. */
#include "log.h"

#include <pthread.h>
#include <stdatomic.h>

#define RING_SIZE ((size_t)16 << 20)
#define ELSEWHERE 0xffffffffu

struct ring {
  char magic[8];
  uint64_t size;
  char padding[48];
  _Alignas(64) _Atomic uint64_t written;
  _Alignas(64) _Atomic uint64_t read;
  _Alignas(64) _Atomic uint64_t lost;
  char more[4096 - 200];
  char bytes[RING_SIZE];
};
_Static_assert(offsetof(struct ring, bytes) == 4096, "the agent looks for entries there");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ring *ring;
static bool tried;

static struct ring *ring_open(void) {
  struct ring *made = share("logs.ring", KEPT, sizeof *made, sizeof *made, NULL);
  if (made && memcmp(made->magic, "GFLOGS01", 8) != 0) {
    made->size = RING_SIZE;
    atomic_thread_fence(memory_order_release);
    memcpy(made->magic, "GFLOGS01", 8);
  }
  return made;
}

static void put_u32(size_t at, size_t value) {
  uint32_t small = (uint32_t)value;
  memcpy(ring->bytes + at, &small, 4);
}

static bool put(struct text sink, struct text entry) {
  uint64_t written = atomic_load(&ring->written), read = atomic_load_explicit(&ring->read, memory_order_acquire);
  size_t need = (8 + sink.size + entry.size + 7) & ~(size_t)7, at = written % RING_SIZE;
  size_t skipped = RING_SIZE - at < need ? RING_SIZE - at : 0;
  if (written < read || need + skipped > RING_SIZE - (written - read)) return false;
  if (skipped) put_u32(at, ELSEWHERE), at = 0;
  put_u32(at, 4 + sink.size + entry.size);
  put_u32(at + 4, sink.size);
  memcpy(ring->bytes + at + 8, sink.at, sink.size);
  memcpy(ring->bytes + at + 8 + sink.size, entry.at, entry.size);
  atomic_store_explicit(&ring->written, written + skipped + need, memory_order_release);
  return true;
}

bool ring_put(struct text sink, struct text entry) {
  pthread_mutex_lock(&lock);
  if (!tried) tried = true, ring = ring_open();
  bool done = ring && sink.size + entry.size <= ENTRY_MAX && put(sink, entry);
  pthread_mutex_unlock(&lock);
  if (!done && ring) atomic_fetch_add(&ring->lost, 1);
  return done;
}
