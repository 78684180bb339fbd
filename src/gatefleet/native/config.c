/* Filter configurations: a sequence of (u32 key size, key, u32 value size, value), little endian; repeated keys are lists. */
#include "gatefleet.h"

#include <stdio.h>
#include <stdlib.h>

static bool take(struct text *rest, struct text *out) {
  if (rest->size < 4) return false;
  size_t size = read_u32(rest->at);
  if (size > rest->size - 4) return false;
  *out = (struct text){rest->at + 4, size};
  *rest = (struct text){rest->at + 4 + size, rest->size - 4 - size};
  return true;
}

/* Values are copied: Envoy's bytes need not live as long as the configuration. */
bool fields_read(struct text bytes, struct fields *out) {
  size_t most = bytes.size / 8;
  *out = (struct fields){malloc(bytes.size + 1), calloc(most + 1, sizeof(struct field)), 0};
  if (!out->bytes || !out->list) goto refused;
  if (bytes.size) memcpy(out->bytes, bytes.at, bytes.size);
  for (struct text rest = {out->bytes, bytes.size}; rest.size > 0;) {
    struct field *field = &out->list[out->count];
    if (!take(&rest, &field->key) || !take(&rest, &field->value)) goto refused;
    out->count++;
  }
  return true;
refused:
  fields_free(out);
  return false;
}

void fields_free(struct fields *fields) {
  free(fields->bytes);
  free(fields->list);
  *fields = (struct fields){NULL, NULL, 0};
}

bool field_number(struct text value, uint64_t *out) {
  if (value.size == 0 || value.size > 18) return false;
  *out = 0;
  for (size_t i = 0; i < value.size; i++) {
    if (value.at[i] < '0' || value.at[i] > '9') return false;
    *out = *out * 10 + (uint64_t)(value.at[i] - '0');
  }
  return true;
}

bool field_flag(struct text value, bool *out) {
  *out = same(value, TEXT("1"));
  return *out || same(value, TEXT("0"));
}

/* Envoy does not check what a module puts into a header. */
bool header_safe(struct text value) {
  for (size_t i = 0; i < value.size; i++)
    if (value.at[i] == 0 || value.at[i] == '\r' || value.at[i] == '\n') return false;
  return true;
}

void complain(const char *filter, const char *what) {
  char line[256];
  int size = snprintf(line, sizeof line, "gatefleet filter [%s]: %s", filter, what);
  if (size > 0 && (size_t)size < sizeof line)
    envoy_dynamic_module_callback_log(LOG_ERROR, (struct text){line, (size_t)size});
}
