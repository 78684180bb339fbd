/* What HTTP says about keeping an answer: directives of Cache-Control, dates, the headers an answer varies by. */
#include "cache_rules.h"

#include <stdio.h>
#include <strings.h>
#include <time.h>

struct text trimmed(struct text value) {
  while (value.size > 0 && (value.at[0] == ' ' || value.at[0] == '\t')) value.at++, value.size--;
  while (value.size > 0 && (value.at[value.size - 1] == ' ' || value.at[value.size - 1] == '\t')) value.size--;
  return value;
}

bool next_item(struct text *list, struct text *item) {
  while (list->size > 0) {
    const char *comma = memchr(list->at, ',', list->size);
    size_t size = comma ? (size_t)(comma - list->at) : list->size, step = size + (comma ? 1 : 0);
    *item = trimmed((struct text){list->at, size});
    *list = (struct text){list->at + step, list->size - step};
    if (item->size > 0) return true;
  }
  return false;
}

struct text header_at(void *filter, enum header_map map, struct text name, size_t index) {
  struct text value = {NULL, 0};
  size_t total = 0;
  bool there = envoy_dynamic_module_callback_http_get_header(filter, map, name, &value, index, &total);
  if (!there || index >= total) return (struct text){NULL, 0};
  return value.at ? value : TEXT("");
}

static bool number_of(struct text value, uint64_t *out) {
  if (value.size >= 2 && value.at[0] == '"' && value.at[value.size - 1] == '"') value = (struct text){value.at + 1, value.size - 2};
  if (field_number(value, out)) return true;
  *out = UINT32_MAX; /* too large to be read is very long; what is no number is none */
  return value.size > 18 && value.at[0] >= '0' && value.at[0] <= '9';
}

bool directive(void *filter, enum header_map map, struct text name, uint64_t *seconds) {
  struct text list, item;
  for (size_t i = 0; (list = header_at(filter, map, TEXT("cache-control"), i)).at; i++) {
    while (next_item(&list, &item)) {
      if (item.size < name.size || strncasecmp(item.at, name.at, name.size) != 0) continue;
      if (item.size == name.size) {
        if (seconds) *seconds = UINT32_MAX;
        return true;
      }
      if (item.at[name.size] != '=') continue;
      struct text value = {item.at + name.size + 1, item.size - name.size - 1};
      if (!seconds || number_of(value, seconds)) return true;
    }
  }
  return false;
}

/* Seconds from now until an HTTP date; 0 if it is over or cannot be read. */
static uint64_t until(struct text date) {
  char copy[64];
  struct tm parts = {0};
  if (date.size >= sizeof copy) return 0;
  memcpy(copy, date.at, date.size);
  copy[date.size] = 0;
  if (!strptime(copy, "%a, %d %b %Y %H:%M:%S", &parts)) return 0;
  time_t then = timegm(&parts), now = time(NULL);
  return then > now ? (uint64_t)(then - now) : 0;
}

bool lifetime(void *filter, uint64_t *seconds) {
  if (directive(filter, RESPONSE_HEADERS, TEXT("s-maxage"), seconds)) return true;
  if (directive(filter, RESPONSE_HEADERS, TEXT("max-age"), seconds)) return true;
  struct text expires = header_at(filter, RESPONSE_HEADERS, TEXT("expires"), 0);
  if (expires.at) *seconds = until(expires);
  return expires.at != NULL;
}

/* All values of Vary as one list; false: it varies by what no cache can know, or by too much. */
bool varies_by(void *filter, char *out, size_t room, struct text *names) {
  struct text list, item;
  size_t used = 0;
  for (size_t i = 0; (list = header_at(filter, RESPONSE_HEADERS, TEXT("vary"), i)).at; i++) {
    while (next_item(&list, &item)) {
      if (same(item, TEXT("*")) || item.size + 1 > room - used) return false;
      for (size_t c = 0; c < item.size; c++) out[used++] = item.at[c] >= 'A' && item.at[c] <= 'Z' ? (char)(item.at[c] + 32) : item.at[c];
      out[used++] = ',';
    }
  }
  *names = (struct text){out, used};
  return true;
}

/* What an answer that varies is found by: the values of those headers of the request, all of each. */
void add_values(void *filter, struct text names, struct sip *sip) {
  struct text name, value;
  while (next_item(&names, &name)) {
    for (size_t i = 0; (value = header_at(filter, REQUEST_HEADERS, name, i)).at; i++) {
      sip_add(sip, (struct text){(const char *)&value.size, sizeof value.size});
      sip_add(sip, value);
    }
    sip_add(sip, TEXT("\n"));
  }
}

/* Of this connection only, or said anew with each answer. */
bool kept_header(struct text name) {
  static const struct text others[] = {{"connection", 10}, {"keep-alive", 10}, {"transfer-encoding", 17}, {"te", 2}, {"trailer", 7},
                                       {"upgrade", 7}, {"proxy-connection", 16}, {"proxy-authenticate", 18}, {"date", 4},
                                       {"server", 6}, {"age", 3}, {"apisix-cache-status", 19}};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (same(name, others[i])) return false;
  return name.size > 0 && name.at[0] != ':' && !starts_with(name, TEXT("x-ratelimit-")) && !starts_with(name, TEXT("x-envoy-"));
}
