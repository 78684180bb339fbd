/* Checksums and keyed hashes: CRC-32 (as zlib) and SipHash-2-4 with 128 bits out. */
#include "gatefleet.h"

static uint32_t crc_table[256];

__attribute__((constructor)) static void crc_prepare(void) {
  for (uint32_t n = 0; n < 256; n++) {
    uint32_t c = n;
    for (int bit = 0; bit < 8; bit++) c = (c & 1) ? 0xedb88320u ^ (c >> 1) : c >> 1;
    crc_table[n] = c;
  }
}

uint32_t crc32_of(struct text bytes) {
  uint32_t crc = 0xffffffffu;
  for (size_t i = 0; i < bytes.size; i++) crc = crc_table[(crc ^ (unsigned char)bytes.at[i]) & 0xff] ^ (crc >> 8);
  return crc ^ 0xffffffffu;
}

static uint64_t rotate(uint64_t x, int by) { return x << by | x >> (64 - by); }

static void sip_round(uint64_t v[4]) {
  v[0] += v[1]; v[1] = rotate(v[1], 13); v[1] ^= v[0]; v[0] = rotate(v[0], 32);
  v[2] += v[3]; v[3] = rotate(v[3], 16); v[3] ^= v[2];
  v[0] += v[3]; v[3] = rotate(v[3], 21); v[3] ^= v[0];
  v[2] += v[1]; v[1] = rotate(v[1], 17); v[1] ^= v[2]; v[2] = rotate(v[2], 32);
}

static void sip_word(struct sip *sip, uint64_t word) {
  sip->v[3] ^= word;
  sip_round(sip->v);
  sip_round(sip->v);
  sip->v[0] ^= word;
}

void sip_begin(struct sip *sip, const uint64_t key[2]) {
  *sip = (struct sip){{key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du ^ 0xee,
                       key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u}, 0, 0};
}

void sip_add(struct sip *sip, struct text bytes) {
  int held = 8 * (int)(sip->total & 7); /* bits of the tail that are in use */
  size_t i = 0;
  for (; i + 8 <= bytes.size; i += 8) {
    uint64_t word = read_u64(bytes.at + i);
    sip_word(sip, sip->tail | word << held);
    sip->tail = held ? word >> (64 - held) : 0;
    sip->total += 8;
  }
  for (; i < bytes.size; i++) {
    sip->tail |= (uint64_t)(unsigned char)bytes.at[i] << 8 * (sip->total & 7);
    if ((++sip->total & 7) == 0) {
      sip_word(sip, sip->tail);
      sip->tail = 0;
    }
  }
}

void sip_end(struct sip *sip, uint64_t out[2]) {
  sip_word(sip, sip->tail | sip->total << 56);
  sip->v[2] ^= 0xee;
  for (int i = 0; i < 4; i++) sip_round(sip->v);
  out[0] = sip->v[0] ^ sip->v[1] ^ sip->v[2] ^ sip->v[3];
  sip->v[1] ^= 0xdd;
  for (int i = 0; i < 4; i++) sip_round(sip->v);
  out[1] = sip->v[0] ^ sip->v[1] ^ sip->v[2] ^ sip->v[3];
}

bool equal_in_constant_time(struct text a, struct text b) {
  if (a.size != b.size) return false;
  volatile uint64_t difference = 0;
  size_t i = 0;
  for (; i + 8 <= a.size; i += 8) difference |= read_u64(a.at + i) ^ read_u64(b.at + i);
  for (; i < a.size; i++) difference |= (unsigned char)(a.at[i] ^ b.at[i]);
  return difference == 0;
}

uint64_t name_hash(uint64_t seed, struct text name) {
  uint64_t hash = seed * 0x9e3779b97f4a7c15u ^ name.size, word;
  while (name.size > 0) {
    size_t some = name.size < 8 ? name.size : 8;
    word = 0;
    memcpy(&word, name.at, some);
    hash = (hash ^ word) * 0xff51afd7ed558ccdu;
    hash ^= hash >> 32;
    name = (struct text){name.at + some, name.size - some};
  }
  return hash;
}
