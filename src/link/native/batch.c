/*
 * Datagram sockets in batches: recvmmsg into slots that are lent, sendmmsg of headers with the payload gathered from
 * wherever it lies, and readiness on the event loop of the thread that asked. What the octets mean is not known here.
 *
 * Nothing is allocated for a packet. Lengths come and go in Int32Arrays that are agreed on once, in batchAttach:
 *   lens    [slot]                          octets received; more than the slot has when the packet was cut
 *   waits   [slot]                          us since it came, where the socket stamps what comes (SO_TIMESTAMPNS); else absent
 *   sends   [message * SEND_FIELDS + …]     octets of header, number of parts, IPv4 destination (0: none is needed),
 *                                           then offset and length of each part
 * A message's header lies in its own stretch of `headers`, `stride` octets apart; its parts are elements
 * [message * MOST_PARTS, …) of the array given to batchSend.
 */
#include "addon.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

/* Longest wait without sleeping, ns: some times what it costs to go to sleep and to be woken. */
#define MOST_AWAKE 50000
/* Most us that are told, so that a clock that somebody set costs no more. */
#define MOST_WAIT 1000000

enum { MOST_MESSAGES = 256, MOST_PARTS = 7, SEND_FIELDS = 3 + 2 * MOST_PARTS };

struct batch {
  struct held *held;
  napi_env env;
  uv_poll_t poll;
  uv_idle_t idle;
  /* While an answer is awaited: since when, ns; else 0. Whether the last one was quick enough to wait for without sleeping. */
  uint64_t awaited_since;
  bool quick;
  int open_handles;
  bool closing;
  int fd, events;
  napi_async_cleanup_hook_handle hook;
  napi_async_context context;
  napi_ref on_ready, lens_ref, waits_ref, headers_ref, sends_ref;
  uint32_t slot_count, message_count;
  /* No `waits` where nothing is stamped. */
  int32_t *lens, *waits, *sends;
  char *headers;
  size_t stride;
  napi_ref slot_refs[MOST_MESSAGES];
  struct iovec slots[MOST_MESSAGES];
  struct mmsghdr in[MOST_MESSAGES], out[MOST_MESSAGES];
  union {
    struct cmsghdr aligned;
    char octets[CMSG_SPACE(sizeof(struct timespec))];
  } stamps[MOST_MESSAGES];
  struct sockaddr_in to[MOST_MESSAGES];
  struct iovec parts[MOST_MESSAGES][1 + MOST_PARTS];
};

static void drop_ref(napi_env env, napi_ref *ref) {
  if (*ref != NULL) napi_delete_reference(env, *ref);
  *ref = NULL;
}

static void on_closed(uv_handle_t *handle) {
  struct batch *b = handle->data;
  if (--b->open_handles > 0) return;
  napi_remove_async_cleanup_hook(b->hook);
  free(b);
}

/* From close(handle), and from whatever ends the thread. The loop frees the rest once it has let go of the poll. */
static void release(void *more) {
  struct batch *b = more;
  if (b->closing) return;
  b->closing = true;
  b->held->fd = -1;
  b->held->more = NULL;
  uv_poll_stop(&b->poll);
  close(b->fd);
  drop_ref(b->env, &b->on_ready);
  drop_ref(b->env, &b->lens_ref);
  drop_ref(b->env, &b->waits_ref);
  drop_ref(b->env, &b->headers_ref);
  drop_ref(b->env, &b->sends_ref);
  for (uint32_t i = 0; i < b->slot_count; i++) drop_ref(b->env, &b->slot_refs[i]);
  napi_async_destroy(b->env, b->context);
  b->open_handles = 2;
  uv_close((uv_handle_t *)&b->poll, on_closed);
  uv_close((uv_handle_t *)&b->idle, on_closed);
}

static void on_thread_end(napi_async_cleanup_hook_handle hook, void *more) {
  (void)hook;
  release(more);
}

/* Nothing to do: that it is there keeps the loop from sleeping. */
static void on_idle(uv_idle_t *idle) {
  struct batch *b = idle->data;
  if (uv_hrtime() - b->awaited_since <= MOST_AWAKE) return;
  b->quick = false;
  uv_idle_stop(idle);
}

/* What comes in is taken to be the answer. */
static void stop_awaiting(struct batch *b) {
  if (b->awaited_since == 0) return;
  b->quick = uv_hrtime() - b->awaited_since <= MOST_AWAKE;
  b->awaited_since = 0;
  uv_idle_stop(&b->idle);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  struct batch *b = poll->data;
  int error = 0;
  if (events & UV_READABLE) stop_awaiting(b);
  if (status < 0) {
    /* libuv takes an error of the socket for a bad descriptor and stops looking; an interface that went down comes back. */
    socklen_t len = sizeof error;
    if (getsockopt(b->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) error = errno;
    events = 0;
    uv_poll_start(poll, b->events, on_poll);
  }
  napi_env env = b->env;
  napi_handle_scope scope;
  napi_value on_ready, global, args[2], thrown;
  napi_open_handle_scope(env, &scope);
  napi_get_reference_value(env, b->on_ready, &on_ready);
  napi_get_global(env, &global);
  napi_create_int32(env, events, &args[0]);
  napi_create_int32(env, error, &args[1]);
  if (napi_make_callback(env, b->context, global, on_ready, 2, args, NULL) == napi_pending_exception) {
    napi_get_and_clear_last_exception(env, &thrown);
    napi_fatal_exception(env, thrown);
  }
  napi_close_handle_scope(env, scope);
}

static struct batch *batch_of(napi_env env, napi_value handle) {
  struct held *held = held_by(env, handle);
  if (held == NULL) return NULL;
  if (held->more == NULL) throw_errno(env, "batch", EBADF);
  return held->more;
}

static bool octets_of(napi_env env, napi_value array, char **data, size_t *len) {
  napi_typedarray_type type;
  void *at;
  if (napi_get_typedarray_info(env, array, &type, len, &at, NULL, NULL) != napi_ok || type != napi_uint8_array) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "octets expected");
    return false;
  }
  *data = at;
  return true;
}

static bool numbers_of(napi_env env, napi_value array, int32_t **data, size_t *len) {
  napi_typedarray_type type;
  void *at;
  if (napi_get_typedarray_info(env, array, &type, len, &at, NULL, NULL) != napi_ok || type != napi_int32_array) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "an Int32Array expected");
    return false;
  }
  *data = at;
  return true;
}

static bool lend(struct batch *b, uint32_t i, napi_value octets) {
  char *data;
  size_t len;
  if (!octets_of(b->env, octets, &data, &len)) return false;
  drop_ref(b->env, &b->slot_refs[i]);
  napi_create_reference(b->env, octets, 1, &b->slot_refs[i]);
  b->slots[i].iov_base = data;
  b->slots[i].iov_len = len;
  return true;
}

/* Where a message's was, the kernel leaves the length of what it wrote. */
static void make_room_for_stamp(struct batch *b, uint32_t i) {
  b->in[i].msg_hdr.msg_control = &b->stamps[i];
  b->in[i].msg_hdr.msg_controllen = sizeof b->stamps[i];
}

static bool fill(struct batch *b, napi_value *args) {
  size_t lens_len, headers_len, sends_len, waits_len;
  napi_env env = b->env;
  napi_valuetype waits;
  uint32_t stride;
  if (napi_get_array_length(env, args[1], &b->slot_count) != napi_ok || b->slot_count > MOST_MESSAGES) b->slot_count = 0;
  if (!numbers_of(env, args[2], &b->lens, &lens_len) || !octets_of(env, args[3], &b->headers, &headers_len) ||
      !numbers_of(env, args[5], &b->sends, &sends_len))
    return false;
  napi_typeof(env, args[7], &waits);
  if (waits != napi_undefined && !numbers_of(env, args[7], &b->waits, &waits_len)) return false;
  b->message_count = sends_len / SEND_FIELDS;
  if (napi_get_value_uint32(env, args[4], &stride) != napi_ok || b->slot_count == 0 || lens_len < b->slot_count ||
      (b->waits != NULL && waits_len < b->slot_count) ||
      b->message_count > MOST_MESSAGES || headers_len < (size_t)stride * b->message_count) {
    b->slot_count = 0;
    napi_throw_range_error(env, "ERR_OUT_OF_RANGE", "slots, lengths and headers don't fit together");
    return false;
  }
  b->stride = stride;
  for (uint32_t i = 0; i < b->slot_count; i++) {
    napi_value slot;
    napi_get_element(env, args[1], i, &slot);
    if (!lend(b, i, slot)) return false;
    b->in[i].msg_hdr.msg_iov = &b->slots[i];
    b->in[i].msg_hdr.msg_iovlen = 1;
    if (b->waits != NULL) make_room_for_stamp(b, i);
  }
  for (uint32_t i = 0; i < b->message_count; i++) {
    b->to[i].sin_family = AF_INET;
    b->parts[i][0].iov_base = b->headers + stride * i;
    b->out[i].msg_hdr.msg_iov = b->parts[i];
  }
  return true;
}

/*
 * batchAttach(handle, slots, lens, headers, stride, sends, onReady(events, errno), waits?). Once for a handle; nothing is
 * watched yet.
 */
static napi_value batch_attach(napi_env env, napi_callback_info info) {
  napi_value args[8], name;
  size_t count = 8;
  uv_loop_t *loop;
  napi_get_cb_info(env, info, &count, args, NULL, NULL);
  struct held *held = held_by(env, args[0]);
  if (held == NULL) return NULL;
  if (held->fd < 0 || held->more != NULL) return throw_errno(env, "batch", EBADF);
  struct batch *b = calloc(1, sizeof *b);
  if (b == NULL) return throw_errno(env, "batch", ENOMEM);
  b->env = env;
  b->held = held;
  b->fd = held->fd;
  int error;
  if (!fill(b, args)) goto failed;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok || (error = uv_poll_init(loop, &b->poll, b->fd)) < 0) {
    throw_errno(env, "uv_poll_init", EIO);
    goto failed;
  }
  b->poll.data = b;
  uv_idle_init(loop, &b->idle);
  uv_unref((uv_handle_t *)&b->idle);
  b->idle.data = b;
  napi_create_reference(env, args[2], 1, &b->lens_ref);
  napi_create_reference(env, args[3], 1, &b->headers_ref);
  napi_create_reference(env, args[5], 1, &b->sends_ref);
  napi_create_reference(env, args[6], 1, &b->on_ready);
  if (b->waits != NULL) napi_create_reference(env, args[7], 1, &b->waits_ref);
  napi_create_string_utf8(env, "tcpx", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env, NULL, name, &b->context);
  napi_add_async_cleanup_hook(env, on_thread_end, b, &b->hook);
  held->more = b;
  held->release = release;
  return NULL;
failed:
  for (uint32_t i = 0; i < b->slot_count; i++) drop_ref(env, &b->slot_refs[i]);
  free(b);
  return NULL;
}

/* batchWatch(handle, events): UV_READABLE 1, UV_WRITABLE 2; 0 for none. */
static napi_value batch_watch(napi_env env, napi_callback_info info) {
  napi_value args[2];
  size_t count = 2;
  int32_t events;
  napi_get_cb_info(env, info, &count, args, NULL, NULL);
  struct batch *b = batch_of(env, args[0]);
  if (b == NULL || napi_get_value_int32(env, args[1], &events) != napi_ok) return NULL;
  b->events = events;
  int error = events == 0 ? uv_poll_stop(&b->poll) : uv_poll_start(&b->poll, events, on_poll);
  return error < 0 ? throw_errno(env, "uv_poll_start", -error) : NULL;
}

/* batchBackground(handle): from now on, that it is watched keeps no process alive. */
static napi_value batch_background(napi_env env, napi_callback_info info) {
  napi_value handle;
  size_t count = 1;
  napi_get_cb_info(env, info, &count, &handle, NULL, NULL);
  struct batch *b = batch_of(env, handle);
  if (b != NULL) uv_unref((uv_handle_t *)&b->poll);
  return NULL;
}

/*
 * batchAwait(handle): what was sent will have an answer. If the last was there within MOST_AWAKE, the loop goes round
 * without sleeping until this one is, or that time is over: on a near path half of a round trip is waking up.
 */
static napi_value batch_await(napi_env env, napi_callback_info info) {
  napi_value handle;
  size_t count = 1;
  napi_get_cb_info(env, info, &count, &handle, NULL, NULL);
  struct batch *b = batch_of(env, handle);
  if (b == NULL) return NULL;
  b->awaited_since = uv_hrtime();
  if (b->quick) uv_idle_start(&b->idle, on_idle);
  return NULL;
}

/* batchLend(handle, slot, octets): what comes next into the slot lands there; what it had before is the caller's again. */
static napi_value batch_lend(napi_env env, napi_callback_info info) {
  napi_value args[3];
  size_t count = 3;
  uint32_t i;
  napi_get_cb_info(env, info, &count, args, NULL, NULL);
  struct batch *b = batch_of(env, args[0]);
  if (b == NULL || napi_get_value_uint32(env, args[1], &i) != napi_ok) return NULL;
  if (i >= b->slot_count) napi_throw_range_error(env, "ERR_OUT_OF_RANGE", "no such slot");
  else lend(b, i, args[2]);
  return NULL;
}

/* For how long message `i` was there, by its stamp; none, or one of the future: 0. */
static int32_t waited(struct batch *b, int i, const struct timespec *now) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&b->in[i].msg_hdr); c != NULL; c = CMSG_NXTHDR(&b->in[i].msg_hdr, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS) continue;
    struct timespec came;
    memcpy(&came, CMSG_DATA(c), sizeof came);
    const int64_t us = (now->tv_sec - came.tv_sec) * 1000000LL + (now->tv_nsec - came.tv_nsec) / 1000;
    return us < 0 ? 0 : us > MOST_WAIT ? MOST_WAIT : (int32_t)us;
  }
  return 0;
}

/* batchReceive(handle): how many slots are filled, from the first on; below 0 an errno. Never waits. */
static napi_value batch_receive(napi_env env, napi_callback_info info) {
  napi_value handle, result;
  size_t count = 1;
  napi_get_cb_info(env, info, &count, &handle, NULL, NULL);
  struct batch *b = batch_of(env, handle);
  if (b == NULL) return NULL;
  int got;
  do got = recvmmsg(b->fd, b->in, b->slot_count, MSG_DONTWAIT | MSG_TRUNC, NULL);
  while (got < 0 && errno == EINTR);
  if (got < 0) got = errno == EAGAIN ? 0 : -errno;
  for (int i = 0; i < got; i++) b->lens[i] = (int32_t)b->in[i].msg_len;
  if (b->waits != NULL) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    for (int i = 0; i < got; i++) {
      b->waits[i] = waited(b, i, &now);
      make_room_for_stamp(b, i);
    }
  }
  napi_create_int32(env, got, &result);
  return result;
}

/* Points message `i` at its parts. */
static bool gather(struct batch *b, uint32_t i, napi_value all) {
  const int32_t *fields = b->sends + (size_t)i * SEND_FIELDS;
  const uint32_t header_len = fields[0], part_count = fields[1];
  if (header_len > b->stride || part_count > MOST_PARTS) return false;
  b->parts[i][0].iov_len = header_len;
  b->out[i].msg_hdr.msg_iovlen = 1 + part_count;
  b->to[i].sin_addr.s_addr = htonl((uint32_t)fields[2]);
  b->out[i].msg_hdr.msg_name = fields[2] == 0 ? NULL : &b->to[i];
  b->out[i].msg_hdr.msg_namelen = fields[2] == 0 ? 0 : sizeof b->to[i];
  for (uint32_t p = 0; p < part_count; p++) {
    napi_value part;
    char *data;
    size_t len;
    const uint32_t at = fields[3 + 2 * p], part_len = fields[4 + 2 * p];
    if (napi_get_element(b->env, all, i * MOST_PARTS + p, &part) != napi_ok || !octets_of(b->env, part, &data, &len) ||
        at > len || part_len > len - at)
      return false;
    b->parts[i][1 + p].iov_base = data + at;
    b->parts[i][1 + p].iov_len = part_len;
  }
  return true;
}

/* batchSend(handle, first, count, parts): how many messages left, from the first on; below 0 the errno of the first. */
static napi_value batch_send(napi_env env, napi_callback_info info) {
  napi_value args[4], result;
  size_t count = 4;
  uint32_t first, wanted;
  napi_get_cb_info(env, info, &count, args, NULL, NULL);
  struct batch *b = batch_of(env, args[0]);
  if (b == NULL || napi_get_value_uint32(env, args[1], &first) != napi_ok ||
      napi_get_value_uint32(env, args[2], &wanted) != napi_ok)
    return NULL;
  bool fits = first <= b->message_count && wanted <= b->message_count - first;
  for (uint32_t i = 0; fits && i < wanted; i++) fits = gather(b, first + i, args[3]);
  if (!fits) {
    bool pending = false;
    napi_is_exception_pending(env, &pending);
    if (!pending) napi_throw_range_error(env, "ERR_OUT_OF_RANGE", "a message reaches beyond its octets");
    return NULL;
  }
  int sent;
  do sent = sendmmsg(b->fd, b->out + first, wanted, MSG_DONTWAIT);
  while (sent < 0 && errno == EINTR);
  napi_create_int32(env, sent < 0 ? -errno : sent, &result);
  return result;
}

void batch_exports(napi_env env, napi_value exports) {
  set_function(env, exports, "batchAttach", batch_attach);
  set_function(env, exports, "batchWatch", batch_watch);
  set_function(env, exports, "batchBackground", batch_background);
  set_function(env, exports, "batchAwait", batch_await);
  set_function(env, exports, "batchLend", batch_lend);
  set_function(env, exports, "batchReceive", batch_receive);
  set_function(env, exports, "batchSend", batch_send);
}
