/* Tables: immutable hashed files of bytes -> bytes, and the small control file that says which one is current.
 *
 * Table file (little endian):  "GFTABLE1" | u32 count | u32 bucket bits | u32 head[2^bits] | records
 *   head[i] = where in the file bucket i begins, 0: empty;   bucket of a key = crc32(key) mod 2^bits
 *   record  = u32 where the bucket goes on (nearer to the file's beginning, 0: ends) | u32 key size | u32 value size | key | value
 * Control file: "GFCTRL01", then at byte 64 * (1 + table) the u64 generation of that table; 0 = never written.
 * A table's file is <name>.<generation>.tbl. Each thread keeps its own mapping; one atomic load per request says whether it is stale.
 * Everything is checked against the mapped size: a bad file is as no file, and no file is closed. */
#include "gatefleet.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_HEAD 16
#define RECORD_HEAD 12
#define CONTROL_SIZE 4096
#define CONTROL_STEP 64

static const char *const names[TABLES] = {"hosts", "consumers"};
static char directory[4000];
static _Thread_local struct text control;
static _Thread_local struct {
  uint64_t generation;
  struct text file;
} views[TABLES];

void tables_use(const char *run_dir) {
  directory[0] = 0;
  if (run_dir && strlen(run_dir) < sizeof directory) strcpy(directory, run_dir);
}

const char *tables_dir(void) { return directory[0] ? directory : NULL; }

static struct text map_file(const char *name) {
  char path[sizeof directory + 64];
  struct text none = {NULL, 0};
  struct stat seen;
  snprintf(path, sizeof path, "%s/%s", directory, name);
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return none;
  void *at = MAP_FAILED;
  if (fstat(file, &seen) == 0 && S_ISREG(seen.st_mode) && seen.st_size > 0)
    at = mmap(NULL, (size_t)seen.st_size, PROT_READ, MAP_SHARED, file, 0);
  close(file);
  return at == MAP_FAILED ? none : (struct text){at, (size_t)seen.st_size};
}

static void unmap(struct text *file) {
  if (file->at) munmap((void *)(uintptr_t)file->at, file->size);
  *file = (struct text){NULL, 0};
}

static bool control_ready(void) {
  if (control.at) return true;
  if (!directory[0]) return false;
  control = map_file("tables.ctl");
  if (control.size < CONTROL_SIZE || memcmp(control.at, "GFCTRL01", 8) != 0) unmap(&control);
  return control.at != NULL;
}

static uint64_t current_generation(enum table table) {
  const char *at = control.at + CONTROL_STEP * (1 + table);
  return atomic_load_explicit((const _Atomic uint64_t *)(const void *)at, memory_order_acquire);
}

/* The writer may flip and remove the old file between our load and our open: then the generation has moved, look again. */
static struct text fresh_view(enum table table) {
  uint64_t generation = current_generation(table), tried = 0;
  while (generation != tried && (!views[table].file.at || views[table].generation != generation)) {
    char name[64];
    unmap(&views[table].file);
    snprintf(name, sizeof name, "%s.%" PRIu64 ".tbl", names[table], generation);
    views[table].file = map_file(name);
    views[table].generation = tried = generation;
    generation = current_generation(table);
  }
  if (generation == 0) unmap(&views[table].file);
  return views[table].file;
}

enum lookup table_get(enum table table, struct text key, struct text *value) {
  if (!control_ready()) return UNREADABLE;
  struct text file = fresh_view(table);
  return file.at ? table_search(file, key, value) : UNREADABLE;
}

static enum lookup bucket_search(struct text file, size_t at, struct text key, struct text *value) {
  while (at != 0) {
    if (at > file.size || file.size - at < RECORD_HEAD) return UNREADABLE;
    size_t next = read_u32(file.at + at), key_size = read_u32(file.at + at + 4), value_size = read_u32(file.at + at + 8);
    if (key_size + value_size > file.size - at - RECORD_HEAD || next >= at) return UNREADABLE;
    struct text found = {file.at + at + RECORD_HEAD, key_size};
    if (equal_in_constant_time(found, key)) {
      *value = (struct text){found.at + key_size, value_size};
      return FOUND;
    }
    at = next;
  }
  return MISSING;
}

enum lookup table_search(struct text file, struct text key, struct text *value) {
  if (file.size < FILE_HEAD || memcmp(file.at, "GFTABLE1", 8) != 0) return UNREADABLE;
  uint32_t bits = read_u32(file.at + 12);
  if (bits > 28 || (file.size - FILE_HEAD) / 4 < (size_t)1 << bits) return UNREADABLE;
  size_t bucket = crc32_of(key) & (((size_t)1 << bits) - 1);
  return bucket_search(file, read_u32(file.at + FILE_HEAD + 4 * bucket), key, value);
}
