/* The addon's entry, and the few helpers its files share. */
#include "addon.h"

#include <errno.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

napi_value throw_errno(napi_env env, const char *what, int error) {
  char text[160];
  napi_value code, message, syscall, failure;
  snprintf(text, sizeof text, "%s: %s", what, uv_strerror(-error));
  napi_create_string_utf8(env, uv_err_name(-error), NAPI_AUTO_LENGTH, &code);
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &message);
  napi_create_string_utf8(env, what, NAPI_AUTO_LENGTH, &syscall);
  napi_create_error(env, code, message, &failure);
  napi_set_named_property(env, failure, "syscall", syscall);
  napi_throw(env, failure);
  return NULL;
}

napi_value fail(napi_env env, int fd, const char *what) {
  int error = errno;
  if (fd >= 0) close(fd);
  return throw_errno(env, what, error);
}

bool int32_args(napi_env env, napi_callback_info info, size_t count, int32_t *args) {
  napi_value values[8];
  size_t given = 8, i = 0;
  if (napi_get_cb_info(env, info, &given, values, NULL, NULL) == napi_ok && given >= count) {
    while (i < count && napi_get_value_int32(env, values[i], &args[i]) == napi_ok) i++;
    if (i == count) return true;
  }
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "integers expected");
  return false;
}

static void let_go(struct held *held) {
  if (held->fd < 0) return;
  if (held->more != NULL) held->release(held->more);
  else close(held->fd);
  held->fd = -1;
}

static void handle_finalize(napi_env env, void *data, void *hint) {
  let_go(data);
  free(data);
}

napi_value new_handle(napi_env env, int fd) {
  napi_value handle;
  struct held *held = calloc(1, sizeof *held);
  if (held != NULL) {
    held->fd = fd;
    if (napi_create_external(env, held, handle_finalize, NULL, &handle) == napi_ok) return handle;
    free(held);
  }
  close(fd);
  return throw_errno(env, "handle", ENOMEM);
}

struct held *held_by(napi_env env, napi_value handle) {
  void *data;
  if (napi_get_value_external(env, handle, &data) == napi_ok) return data;
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "a handle expected");
  return NULL;
}

int handle_fd(napi_env env, napi_value handle) {
  struct held *held = held_by(env, handle);
  if (held == NULL) return -1;
  if (held->fd < 0) throw_errno(env, "handle", EBADF);
  return held->fd;
}

/* close(handle). Idempotent. */
static napi_value handle_close(napi_env env, napi_callback_info info) {
  napi_value handle;
  size_t count = 1;
  napi_get_cb_info(env, info, &count, &handle, NULL, NULL);
  struct held *held = held_by(env, handle);
  if (held != NULL) let_go(held);
  return NULL;
}

/* Larger pieces are mapped by themselves, as malloc has it after some time anyway. */
#define LEAST_MAPPED (1 << 20)

/*
 * keepFreed(octets): free memory at the end of the heap is this process's up to so much, where malloc gives the kernel back
 * what is over 128 KiB. For the whole process; where its user has set a threshold himself, and without glibc, nothing changes.
 */
static napi_value keep_freed(napi_env env, napi_callback_info info) {
  int32_t octets;
  if (!int32_args(env, info, 1, &octets)) return NULL;
#ifdef __GLIBC__
  const char *tunables = getenv("GLIBC_TUNABLES");
  if (getenv("MALLOC_TRIM_THRESHOLD_") == NULL && getenv("MALLOC_MMAP_THRESHOLD_") == NULL &&
      (tunables == NULL || strstr(tunables, "_threshold") == NULL)) {
    mallopt(M_TRIM_THRESHOLD, octets);
    mallopt(M_MMAP_THRESHOLD, LEAST_MAPPED);
  }
#endif
  return NULL;
}

void set_function(napi_env env, napi_value object, const char *name, napi_callback function) {
  napi_value v;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, function, NULL, &v);
  napi_set_named_property(env, object, name, v);
}

NAPI_MODULE_INIT() {
  set_function(env, exports, "close", handle_close);
  set_function(env, exports, "keepFreed", keep_freed);
  batch_exports(env, exports);
  guard_exports(env, exports);
  netlink_exports(env, exports);
  timer_exports(env, exports);
  packet_exports(env, exports);
  return exports;
}
