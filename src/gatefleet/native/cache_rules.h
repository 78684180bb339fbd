/* What HTTP says about keeping an answer, read from a request's and its answer's headers. */
#ifndef GATEFLEET_CACHE_RULES_H
#define GATEFLEET_CACHE_RULES_H

#include "gatefleet.h"

struct text trimmed(struct text value);
bool next_item(struct text *list, struct text *item); /* of a list with commas; what is empty is left out */
struct text header_at(void *filter, enum header_map map, struct text name, size_t index); /* at == NULL: not there */
bool directive(void *filter, enum header_map map, struct text name, uint64_t *seconds);   /* of Cache-Control; without a number: very long */
bool lifetime(void *filter, uint64_t *seconds); /* false: the answer says nothing about it */
bool varies_by(void *filter, char *out, size_t room, struct text *names);
void add_values(void *filter, struct text names, struct sip *sip);
bool kept_header(struct text name);

#endif
