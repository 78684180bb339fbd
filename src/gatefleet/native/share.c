/* Files of the run directory that the agent maps, too. */
#include "gatefleet.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* The space is taken now: a full disk must not kill Envoy later. So nobody may touch what is behind the first `taken` bytes before he
 * has taken it, by the descriptor that is left in `file`, unless that is NULL. */
void *share(const char *name, enum share how, size_t taken, size_t whole, int *file) {
  char path[4200];
  if (!tables_dir()) return NULL;
  snprintf(path, sizeof path, "%s/%s", tables_dir(), name);
  if (how == NEW) unlink(path);
  int opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (how == NEW ? O_EXCL : 0), 0600);
  if (opened < 0) return NULL;
  void *at = posix_fallocate(opened, 0, (off_t)taken) == 0 ? mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_SHARED, opened, 0) : MAP_FAILED;
  if (at == MAP_FAILED && how == NEW) unlink(path);
  if (at != MAP_FAILED && file) *file = opened;
  else close(opened);
  return at == MAP_FAILED ? NULL : at;
}
