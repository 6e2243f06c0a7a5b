/*
 * An alarm finer than libuv's millisecond: a timerfd on the monotonic clock, looked at by the event loop of the thread
 * that opened it. One alarm at a time; it does not keep the process alive.
 */
#include "addon.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <uv.h>

struct timer {
  struct held *held;
  napi_env env;
  uv_poll_t poll;
  int fd;
  bool closing;
  napi_async_cleanup_hook_handle hook;
  napi_async_context context;
  napi_ref on_ring;
};

static void on_closed(uv_handle_t *poll) {
  struct timer *t = poll->data;
  napi_remove_async_cleanup_hook(t->hook);
  free(t);
}

/* From close(handle), and from whatever ends the thread. */
static void release(void *more) {
  struct timer *t = more;
  if (t->closing) return;
  t->closing = true;
  t->held->fd = -1;
  t->held->more = NULL;
  uv_poll_stop(&t->poll);
  close(t->fd);
  napi_delete_reference(t->env, t->on_ring);
  napi_async_destroy(t->env, t->context);
  uv_close((uv_handle_t *)&t->poll, on_closed);
}

static void on_thread_end(napi_async_cleanup_hook_handle hook, void *more) {
  release(more);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  struct timer *t = poll->data;
  uint64_t rings;
  /* Set anew or taken back since it became ready: then it has not rung. */
  if (status < 0 || read(t->fd, &rings, sizeof rings) != sizeof rings) return;
  napi_env env = t->env;
  napi_handle_scope scope;
  napi_value on_ring, global, thrown;
  napi_open_handle_scope(env, &scope);
  napi_get_reference_value(env, t->on_ring, &on_ring);
  napi_get_global(env, &global);
  if (napi_make_callback(env, t->context, global, on_ring, 0, NULL, NULL) == napi_pending_exception) {
    napi_get_and_clear_last_exception(env, &thrown);
    napi_fatal_exception(env, thrown);
  }
  napi_close_handle_scope(env, scope);
}

/* timerOpen(onRing): handle. */
static napi_value timer_open(napi_env env, napi_callback_info info) {
  napi_value on_ring, handle, name;
  napi_valuetype type = napi_undefined;
  size_t count = 1;
  uv_loop_t *loop;
  napi_get_cb_info(env, info, &count, &on_ring, NULL, NULL);
  if (napi_typeof(env, on_ring, &type) != napi_ok || type != napi_function) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "a function expected");
    return NULL;
  }
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (fd < 0) return fail(env, fd, "timerfd_create");
  handle = new_handle(env, fd);
  if (handle == NULL) return NULL;
  struct held *held = held_by(env, handle);
  struct timer *t = calloc(1, sizeof *t);
  if (t == NULL) return throw_errno(env, "timer", ENOMEM);
  t->env = env;
  t->held = held;
  t->fd = fd;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok || uv_poll_init(loop, &t->poll, fd) < 0) {
    free(t);
    return throw_errno(env, "uv_poll_init", EIO);
  }
  t->poll.data = t;
  napi_create_reference(env, on_ring, 1, &t->on_ring);
  napi_create_string_utf8(env, "tcpx", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env, NULL, name, &t->context);
  napi_add_async_cleanup_hook(env, on_thread_end, t, &t->hook);
  held->more = t;
  held->release = release;
  uv_poll_start(&t->poll, UV_READABLE, on_poll);
  uv_unref((uv_handle_t *)&t->poll);
  return handle;
}

/* timerSet(handle, microseconds): rings once, so long from now (at once: 0); below 0: not at all. */
static napi_value timer_set(napi_env env, napi_callback_info info) {
  napi_value args[2];
  size_t count = 2;
  double us;
  napi_get_cb_info(env, info, &count, args, NULL, NULL);
  int fd = handle_fd(env, args[0]);
  if (fd < 0) return NULL;
  if (napi_get_value_double(env, args[1], &us) != napi_ok || isnan(us)) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "microseconds expected");
    return NULL;
  }
  struct itimerspec at = {{0, 0}, {0, 0}};
  if (us >= 0) {
    const double ns = us < 1e15 ? us * 1000 : 1e18;
    at.it_value.tv_sec = (time_t)(ns / 1e9);
    at.it_value.tv_nsec = (long)(ns - (double)at.it_value.tv_sec * 1e9);
    /* All zero would take it back. */
    if (at.it_value.tv_sec == 0 && at.it_value.tv_nsec == 0) at.it_value.tv_nsec = 1;
  }
  if (timerfd_settime(fd, 0, &at, NULL) < 0) return throw_errno(env, "timerfd_settime", errno);
  return NULL;
}

void timer_exports(napi_env env, napi_value exports) {
  set_function(env, exports, "timerOpen", timer_open);
  set_function(env, exports, "timerSet", timer_set);
}
