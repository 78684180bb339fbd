/* Connections to Redis, with or without TLS. TLS is the system's OpenSSL (libssl 3 or 1.1), loaded when it is first wanted. */
#include "redis.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PEER_VERIFIED = 1, WANTS_READ = 2, WANTS_WRITE = 3, SET_MODE = 33, SET_NAME = 55, PARTIAL_WRITES = 1 | 2 };

static struct {
  const void *(*method)(void);
  void *(*context)(const void *method);
  int (*default_paths)(void *context);
  void *(*fresh)(void *context);
  void (*release)(void *tls);
  int (*set_file)(void *tls, int file);
  void (*set_verify)(void *tls, int mode, void *callback);
  void *(*parameters)(void *tls);
  int (*expect_address)(void *parameters, const char *address);
  int (*expect_host)(void *tls, const char *host);
  long (*control)(void *tls, int what, long value, void *more);
  int (*connect)(void *tls);
  int (*read)(void *tls, void *out, int size);
  int (*write)(void *tls, const void *bytes, int size);
  int (*why)(const void *tls, int result);
  void (*errors_clear)(void);
} openssl;
static void *context; /* NULL: there is no OpenSSL here */

static void load(void) {
  void *library = dlopen("libssl.so.3", RTLD_NOW | RTLD_LOCAL);
  if (!library) library = dlopen("libssl.so.1.1", RTLD_NOW | RTLD_LOCAL);
  static const struct {
    const char *name;
    void *place;
  } wanted[] = {
      {"TLS_client_method", &openssl.method}, {"SSL_CTX_new", &openssl.context},
      {"SSL_CTX_set_default_verify_paths", &openssl.default_paths}, {"SSL_new", &openssl.fresh},
      {"SSL_free", &openssl.release}, {"SSL_set_fd", &openssl.set_file}, {"SSL_set_verify", &openssl.set_verify},
      {"SSL_get0_param", &openssl.parameters}, {"X509_VERIFY_PARAM_set1_ip_asc", &openssl.expect_address},
      {"SSL_set1_host", &openssl.expect_host}, {"SSL_ctrl", &openssl.control}, {"SSL_connect", &openssl.connect},
      {"SSL_read", &openssl.read}, {"SSL_write", &openssl.write}, {"SSL_get_error", &openssl.why},
      {"ERR_clear_error", &openssl.errors_clear},
  };
  for (size_t i = 0; library && i < sizeof wanted / sizeof *wanted; i++) {
    void *found = dlsym(library, wanted[i].name);
    if (!found) return;
    memcpy(wanted[i].place, &found, sizeof found);
  }
  context = library ? openssl.context(openssl.method()) : NULL;
  if (context) openssl.default_paths(context);
}

static const char *encrypt(struct wire *wire, const char *host, bool verify) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, load);
  if (!context) return "no libssl.so.3 or libssl.so.1.1 on this machine: install OpenSSL";
  wire->tls = openssl.fresh(context);
  if (!wire->tls || openssl.set_file(wire->tls, wire->file) != 1) return "cannot begin TLS";
  openssl.control(wire->tls, SET_MODE, PARTIAL_WRITES, NULL);
  openssl.set_verify(wire->tls, verify ? PEER_VERIFIED : 0, NULL);
  if (openssl.expect_address(openssl.parameters(wire->tls), host) != 1) {
    openssl.control(wire->tls, SET_NAME, 0, (void *)(uintptr_t)host);
    if (openssl.expect_host(wire->tls, host) != 1) return "cannot begin TLS";
  }
  openssl.errors_clear();
  if (openssl.connect(wire->tls) == 1) return NULL;
  return verify ? "no TLS, or a certificate that cannot be trusted" : "no TLS";
}

static bool reach(struct wire *wire, const struct addrinfo *address, uint64_t milliseconds) {
  struct timeval most = {(time_t)(milliseconds / 1000), (suseconds_t)(milliseconds % 1000 * 1000)};
  int yes = 1;
  wire->file = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (wire->file < 0) return false;
  setsockopt(wire->file, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most); /* bounds connect, too */
  setsockopt(wire->file, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
  setsockopt(wire->file, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (connect(wire->file, address->ai_addr, address->ai_addrlen) == 0) return true;
  int why = errno;
  wire_close(wire);
  errno = why;
  return false;
}

static bool agreed(struct wire *wire, const struct text *words, size_t count) {
  char command[4096], answer[512];
  struct reply reply;
  size_t size = resp_command(NULL, words, count), held = 0;
  if (size > sizeof command) return false;
  resp_command(command, words, count);
  bool sent = wire_write(wire, command, size) == (long)size;
  memset(command, 0, sizeof command);
  while (sent && held < sizeof answer) {
    long more = wire_read(wire, answer + held, sizeof answer - held);
    if (more <= 0) return false;
    held += (size_t)more;
    struct text rest = {answer, held};
    enum resp result = resp_read(&rest, &reply);
    if (result != RESP_PART) return result == RESP_WHOLE && reply.kind == '+';
  }
  return false;
}

static const char *introduce(struct wire *wire, const struct redis_settings *settings) {
  struct text words[3] = {TEXT("AUTH"), settings->username, settings->password};
  char digits_of[24];
  if (settings->username.size == 0) words[1] = settings->password;
  if (settings->password.size && !agreed(wire, words, settings->username.size ? 3 : 2))
    return "it does not take the user name and the password";
  words[0] = TEXT("SELECT");
  words[1] = digits(settings->database, digits_of);
  return settings->database == 0 || agreed(wire, words, 2) ? NULL : "it does not have the database";
}

/* Opens a connection and says who we are; NULL, or what is wrong. Each step takes at most the timeout; afterwards nothing blocks. */
const char *wire_open(struct wire *wire, const char *host, const char *port, const struct redis_settings *settings) {
  const struct addrinfo kind = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
  struct addrinfo *found = NULL;
  *wire = (struct wire){-1, NULL};
  if (getaddrinfo(host, port, &kind, &found) != 0) return "its name has no address";
  for (struct addrinfo *one = found; one && wire->file < 0; one = one->ai_next) reach(wire, one, settings->timeout);
  freeaddrinfo(found);
  if (wire->file < 0) return errno == EINPROGRESS ? "it does not answer" : strerror(errno);
  const char *problem = settings->tls ? encrypt(wire, host, settings->verify) : NULL;
  if (!problem) problem = introduce(wire, settings);
  if (problem) wire_close(wire);
  else fcntl(wire->file, F_SETFL, fcntl(wire->file, F_GETFL) | O_NONBLOCK);
  return problem;
}

static long said(const struct wire *wire, int result) {
  if (result > 0) return result;
  int why = openssl.why(wire->tls, result);
  return why == WANTS_READ || why == WANTS_WRITE ? 0 : -1;
}

static long plain(ssize_t result) {
  if (result > 0) return result;
  return result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) ? 0 : -1;
}

long wire_read(struct wire *wire, char *out, size_t size) {
  if (!wire->tls) return plain(recv(wire->file, out, size, 0));
  openssl.errors_clear();
  return said(wire, openssl.read(wire->tls, out, (int)size));
}

long wire_write(struct wire *wire, const char *bytes, size_t size) {
  if (!wire->tls) return plain(send(wire->file, bytes, size, MSG_NOSIGNAL));
  openssl.errors_clear();
  return said(wire, openssl.write(wire->tls, bytes, size < INT32_MAX ? (int)size : INT32_MAX));
}

void wire_close(struct wire *wire) {
  if (wire->tls) openssl.release(wire->tls);
  if (wire->file >= 0) close(wire->file);
  *wire = (struct wire){-1, NULL};
}
