/*
 * A netlink socket: messages out and in as octets, made and read in TypeScript. What the kernel ties to the socket (an
 * nftables table with `flags owner`) lasts as long as the handle.
 */
#include "addon.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/* Room for one answer. A description of an interface is about 1 KiB. */
enum { ANSWER_LEN = 32768 };

/* netlinkOpen(protocol): handle. */
static napi_value netlink_open(napi_env env, napi_callback_info info) {
  int32_t protocol;
  if (!int32_args(env, info, 1, &protocol)) return NULL;
  const struct timeval patience = {.tv_sec = 2};
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (fd < 0) return fail(env, fd, "socket AF_NETLINK");
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0) return fail(env, fd, "setsockopt SO_RCVTIMEO");
  return new_handle(env, fd);
}

/* netlinkAsk(handle, request): the first datagram of the answer, as a Buffer. The kernel answers at once, so this waits. */
static napi_value netlink_ask(napi_env env, napi_callback_info info) {
  napi_value args[2], answer;
  size_t count = 2, len;
  void *request;
  napi_get_cb_info(env, info, &count, args, NULL, NULL);
  int fd = handle_fd(env, args[0]);
  if (fd < 0) return NULL;
  if (napi_get_buffer_info(env, args[1], &request, &len) != napi_ok) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "octets expected");
    return NULL;
  }
  struct sockaddr_nl kernel;
  memset(&kernel, 0, sizeof kernel);
  kernel.nl_family = AF_NETLINK;
  if (sendto(fd, request, len, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0) return throw_errno(env, "sendto AF_NETLINK", errno);

  char *octets = malloc(ANSWER_LEN);
  if (octets == NULL) return throw_errno(env, "netlink", ENOMEM);
  ssize_t got;
  do got = recv(fd, octets, ANSWER_LEN, MSG_TRUNC);
  while (got < 0 && errno == EINTR);
  int error = got < 0 ? errno : got > ANSWER_LEN ? EMSGSIZE : 0;
  if (error == 0) napi_create_buffer_copy(env, (size_t)got, octets, NULL, &answer);
  free(octets);
  return error == 0 ? answer : throw_errno(env, "recv AF_NETLINK", error);
}

void netlink_exports(napi_env env, napi_value exports) {
  set_function(env, exports, "netlinkOpen", netlink_open);
  set_function(env, exports, "netlinkAsk", netlink_ask);
}
