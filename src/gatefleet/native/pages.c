/* Huge pages for Envoy's code and heap: both are far larger than what the processor's address caches cover with small
   pages, and a table of thousands of routes is read at random. Best effort: whatever fails leaves everything as it was.
   Programs with large code do the same (Node.js: --use-largepages; Linux: Documentation/admin-guide/mm/transhuge.rst). */
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "gatefleet.h"

#define HUGE ((uintptr_t)2 << 20)
#define ARENA_LEAST ((uintptr_t)256 << 20)
#define ARENA_MOST ((uintptr_t)64 << 30)

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

static bool offered(void) {
  char line[64] = "";
  FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
  if (!file) return false;
  bool read = fgets(line, sizeof line, file) != NULL;
  fclose(file);
  return read && !strstr(line, "[never]");
}

static uintptr_t up(uintptr_t at) { return (at + HUGE - 1) & ~(HUGE - 1); }
static uintptr_t down(uintptr_t at) { return at & ~(HUGE - 1); }

/* Replaces [start, end) by a copy in huge pages; one system call swaps them, so running threads never see a gap. */
static void move_code(uintptr_t start, uintptr_t end) {
  size_t size = end - start;
  char *room = mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) return;
  char *copy = (char *)up((uintptr_t)room);
  bool ready = !madvise(copy, size, MADV_HUGEPAGE);
  if (ready) {
    memcpy(copy, (const void *)start, size);
    __builtin___clear_cache(copy, copy + size);
    ready = !mprotect(copy, size, PROT_READ | PROT_EXEC) &&
            mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)start) != MAP_FAILED;
  }
  if (!ready) {
    munmap(room, size + HUGE);
    return;
  }
  munmap(room, (size_t)(copy - room));
  munmap(copy + size, HUGE - (size_t)(copy - room));
}

/* The first object is the program itself. */
static int code_of_program(struct dl_phdr_info *object, size_t size, void *unused) {
  (void)size, (void)unused;
  for (int i = 0; i < object->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = &object->dlpi_phdr[i];
    if (part->p_type != PT_LOAD || !(part->p_flags & PF_X)) continue;
    uintptr_t start = up(object->dlpi_addr + part->p_vaddr), end = down(object->dlpi_addr + part->p_vaddr + part->p_memsz);
    if (end > start) move_code(start, end);
  }
  return 1;
}

/* The allocator reserves arenas of a gigabyte and opens them from one end: a mapping of no access, one in use beside it.
   What it opens later of an advised arena comes in huge pages too. */
static void advise_heap(void) {
  FILE *maps = fopen("/proc/self/maps", "re");
  char line[512];
  uintptr_t arena_end = 0;
  if (!maps) return;
  while (fgets(line, sizeof line, maps)) {
    uintptr_t start, end;
    char access[5], path[2] = "";
    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %*s %1s", &start, &end, access, path) < 3 || *path) continue;
    if (!strcmp(access, "---p") && end - start >= ARENA_LEAST) {
      madvise((void *)start, end - start, MADV_HUGEPAGE);
      arena_end = end;
    } else if (!strcmp(access, "rw-p") && start == arena_end && up(start) < down(end) && end - start <= ARENA_MOST) {
      madvise((void *)start, end - start, MADV_HUGEPAGE);
      madvise((void *)up(start), down(end) - up(start), MADV_COLLAPSE);
    }
  }
  fclose(maps);
}

void pages_use(const char *wanted) {
  if ((wanted && !strcmp(wanted, "0")) || !offered()) return;
  dl_iterate_phdr(code_of_program, NULL);
  advise_heap();
}
