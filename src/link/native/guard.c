/*
 * Sockets of the kernel's that hold a TCP port for us.
 *
 * portListen: a listener that ignores everything. It has a TCP-MD5 key (RFC 2385) for every peer, so that a segment
 * without a signature is dropped in silence, and it wants a TTL of 255 (IP_MINTTL), which drops whatever has crossed a
 * router or was sent with an ordinary TTL. Because there is a socket, the kernel sends no RST and gives the port to nobody
 * else. portBind: bound and not listening; keeps the port, and the kernel goes on answering.
 *
 * Both vanish with the process. The key is random and kept nowhere but in the kernel.
 */
#include "addon.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#ifndef TCP_MD5SIG_EXT
#define TCP_MD5SIG_EXT 32
#endif
#ifndef TCP_MD5SIG_FLAG_PREFIX
#define TCP_MD5SIG_FLAG_PREFIX 1
#endif
#ifndef IP_MINTTL
#define IP_MINTTL 21
#endif

/* Bits of portListen's `wanted`. */
enum { WITH_MD5 = 1, WITH_MINTTL = 2 };

static int set_md5_key_for_all(int fd) {
  struct tcp_md5sig md5;
  memset(&md5, 0, sizeof md5);
  ((struct sockaddr_in *)&md5.tcpm_addr)->sin_family = AF_INET;
  md5.tcpm_flags = TCP_MD5SIG_FLAG_PREFIX;
  md5.tcpm_prefixlen = 0;
  md5.tcpm_keylen = TCP_MD5SIG_MAXKEYLEN;
  if (getrandom(md5.tcpm_key, sizeof md5.tcpm_key, 0) != (ssize_t)sizeof md5.tcpm_key) return -1;
  int rc = setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG_EXT, &md5, sizeof md5);
  explicit_bzero(&md5, sizeof md5);
  return rc;
}

static int bind_to(int fd, int32_t address, int32_t port) {
  struct sockaddr_in at;
  memset(&at, 0, sizeof at);
  at.sin_family = AF_INET;
  at.sin_port = htons((uint16_t)port);
  at.sin_addr.s_addr = htonl((uint32_t)address);
  return bind(fd, (struct sockaddr *)&at, sizeof at);
}

/* portListen(address, port, wanted): handle. Port 0: the kernel chooses. */
static napi_value port_listen(napi_env env, napi_callback_info info) {
  int32_t args[3];
  if (!int32_args(env, info, 3, args)) return NULL;
  const int wanted = args[2], on = 1, ttl = 255;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return fail(env, fd, "socket");
  /* Connections that a server left in TIME-WAIT don't keep us off its port; a listener does, and so does a client. */
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0) return fail(env, fd, "setsockopt SO_REUSEADDR");
  if ((wanted & WITH_MINTTL) && setsockopt(fd, IPPROTO_IP, IP_MINTTL, &ttl, sizeof ttl) < 0)
    return fail(env, fd, "setsockopt IP_MINTTL");
  if ((wanted & WITH_MD5) && set_md5_key_for_all(fd) < 0) return fail(env, fd, "setsockopt TCP_MD5SIG_EXT");
  if (bind_to(fd, args[0], args[1]) < 0) return fail(env, fd, "bind");
  if (listen(fd, 1) < 0) return fail(env, fd, "listen");
  return new_handle(env, fd);
}

/* portBind(address, port): handle. */
static napi_value port_bind(napi_env env, napi_callback_info info) {
  int32_t args[2];
  if (!int32_args(env, info, 2, args)) return NULL;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return fail(env, fd, "socket");
  /* No SO_REUSEADDR: two bound sockets that both have it could share the port. */
  if (bind_to(fd, args[0], args[1]) < 0) return fail(env, fd, "bind");
  return new_handle(env, fd);
}

/* portOf(handle): the port it is bound to. */
static napi_value port_of(napi_env env, napi_callback_info info) {
  napi_value handle, port;
  size_t count = 1;
  napi_get_cb_info(env, info, &count, &handle, NULL, NULL);
  int fd = handle_fd(env, handle);
  if (fd < 0) return NULL;
  struct sockaddr_in bound;
  socklen_t len = sizeof bound;
  if (getsockname(fd, (struct sockaddr *)&bound, &len) < 0) return throw_errno(env, "getsockname", errno);
  napi_create_uint32(env, ntohs(bound.sin_port), &port);
  return port;
}

void guard_exports(napi_env env, napi_value exports) {
  set_function(env, exports, "portListen", port_listen);
  set_function(env, exports, "portBind", port_bind);
  set_function(env, exports, "portOf", port_of);
}
