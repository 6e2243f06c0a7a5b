/*
 * What the addon's files share: arguments in, results and errors out, file descriptors held for JavaScript. Plain
 * Node-API 8, one binary for every Node from 20 on; nothing static that changes, so several threads may load it.
 *
 * IPv4 addresses cross as int32 in host order, like Ipv4 in TypeScript. No protocol in here: messages are made and read
 * in TypeScript.
 */
#ifndef TCPX_ADDON_H
#define TCPX_ADDON_H

#include <node_api.h>
#include <stdbool.h>
#include <stdint.h>

/* Throws Error{message: "what: text", code: errno's name, syscall: what}; NULL, so that a caller can return it. */
napi_value throw_errno(napi_env env, const char *what, int error);
/* The same for the errno that is set; closes `fd` unless it is negative. */
napi_value fail(napi_env env, int fd, const char *what);

/* Fills `args` with `count` int32 arguments, or throws TypeError and is false. */
bool int32_args(napi_env env, napi_callback_info info, size_t count, int32_t *args);

/* What a handle holds. `more` is what was built on the descriptor, and closes it: see batch.c. */
struct held {
  int fd;
  void *more;
  void (*release)(void *more);
};

/*
 * A descriptor as JavaScript holds it: closed by close(handle), or when the thread that holds it ends, so a worker leaves
 * nothing open. NULL, with `fd` closed and an error thrown, when there is no memory.
 */
napi_value new_handle(napi_env env, int fd);
/* What a handle holds; NULL, and an error thrown, when it is none. */
struct held *held_by(napi_env env, napi_value handle);
/* The descriptor in a handle; -1, and an error thrown, when it is none or closed. */
int handle_fd(napi_env env, napi_value handle);

void set_function(napi_env env, napi_value object, const char *name, napi_callback function);

void batch_exports(napi_env env, napi_value exports);
void guard_exports(napi_env env, napi_value exports);
void packet_exports(napi_env env, napi_value exports);
void netlink_exports(napi_env env, napi_value exports);
void timer_exports(napi_env env, napi_value exports);

#endif
