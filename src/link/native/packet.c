/*
 * Sockets that carry packets of other people's protocols: AF_PACKET with the frames of one interface, and raw IPv4 for
 * packets that the kernel routes. They are filled and emptied in batches, see batch.c.
 */
#include "addon.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

/* Bits of packetOpen's `wanted`. */
enum { WITH_VNET_HEADER = 1, WITHOUT_OUTGOING = 2, PAST_QUEUES = 4, PROMISCUOUS = 8, ARRIVALS = 16 };

static int switch_on(int fd, int level, int option) {
  const int on = 1;
  return setsockopt(fd, level, option, &on, sizeof on);
}

/* As large as allowed: beyond sysctl net.core.?mem_max only with CAP_NET_ADMIN. */
static void buffer_of(int fd, int force, int plain, int32_t octets) {
  if (octets > 0 && setsockopt(fd, SOL_SOCKET, force, &octets, sizeof octets) < 0)
    setsockopt(fd, SOL_SOCKET, plain, &octets, sizeof octets);
}

/* A program of classic BPF, as octets of struct sock_filter; none when undefined. */
static bool attach_filter(napi_env env, int fd, napi_value program, bool *failed) {
  napi_valuetype type;
  void *octets;
  size_t len;
  *failed = false;
  napi_typeof(env, program, &type);
  if (type == napi_undefined) return true;
  if (napi_get_buffer_info(env, program, &octets, &len) != napi_ok) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "octets expected");
    return false;
  }
  struct sock_fprog filter = {.len = (unsigned short)(len / sizeof(struct sock_filter)), .filter = octets};
  *failed = setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) < 0;
  return !*failed;
}

static bool attach_none(int fd) {
  struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
  struct sock_fprog all = {.len = 1, .filter = &drop};
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &all, sizeof all) == 0;
}

/*
 * packetOpen(ifindex, wanted, receiveBuffer, sendBuffer, filter, fanout): handle. The socket sees nothing before the filter
 * is in place, and then every frame of the interface that the filter takes; in a fanout group (the argument of
 * PACKET_FANOUT; 0: in none), its share of them. A group is joined after bind, and until then every frame would be the
 * socket's: it takes none meanwhile.
 */
static napi_value packet_open(napi_env env, napi_callback_info info) {
  int32_t numbers[4], fanout = 0;
  napi_value args[6];
  size_t count = 6;
  bool failed;
  if (!int32_args(env, info, 4, numbers)) return NULL;
  napi_get_cb_info(env, info, &count, args, NULL, NULL);
  const int32_t ifindex = numbers[0], wanted = numbers[1];
  napi_get_value_int32(env, args[5], &fanout);
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return fail(env, fd, "socket AF_PACKET");
  if (fanout != 0 && !attach_none(fd)) return fail(env, fd, "setsockopt SO_ATTACH_FILTER");
  if (fanout == 0 && !attach_filter(env, fd, args[4], &failed)) {
    if (failed) return fail(env, fd, "setsockopt SO_ATTACH_FILTER");
    close(fd);
    return NULL;
  }
  if ((wanted & WITH_VNET_HEADER) && switch_on(fd, SOL_PACKET, PACKET_VNET_HDR) < 0)
    return fail(env, fd, "setsockopt PACKET_VNET_HDR");
  if ((wanted & WITHOUT_OUTGOING) && switch_on(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING) < 0)
    return fail(env, fd, "setsockopt PACKET_IGNORE_OUTGOING");
  if ((wanted & PAST_QUEUES) && switch_on(fd, SOL_PACKET, PACKET_QDISC_BYPASS) < 0)
    return fail(env, fd, "setsockopt PACKET_QDISC_BYPASS");
  if ((wanted & ARRIVALS) && switch_on(fd, SOL_SOCKET, SO_TIMESTAMPNS) < 0) return fail(env, fd, "setsockopt SO_TIMESTAMPNS");
  buffer_of(fd, SO_RCVBUFFORCE, SO_RCVBUF, numbers[2]);
  buffer_of(fd, SO_SNDBUFFORCE, SO_SNDBUF, numbers[3]);

  struct sockaddr_ll at;
  memset(&at, 0, sizeof at);
  at.sll_family = AF_PACKET;
  at.sll_protocol = htons(ETH_P_ALL);
  at.sll_ifindex = ifindex;
  if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0) return fail(env, fd, "bind AF_PACKET");
  struct packet_mreq all = {.mr_ifindex = ifindex, .mr_type = PACKET_MR_PROMISC};
  if ((wanted & PROMISCUOUS) && setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all) < 0)
    return fail(env, fd, "setsockopt PACKET_ADD_MEMBERSHIP");
  if (fanout == 0) return new_handle(env, fd);
  if (setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &fanout, sizeof fanout) < 0) return fail(env, fd, "setsockopt PACKET_FANOUT");
  napi_valuetype type;
  napi_typeof(env, args[4], &type);
  if (type == napi_undefined && setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &fanout, sizeof fanout) < 0)
    return fail(env, fd, "setsockopt SO_DETACH_FILTER");
  if (attach_filter(env, fd, args[4], &failed)) return new_handle(env, fd);
  if (failed) return fail(env, fd, "setsockopt SO_ATTACH_FILTER");
  close(fd);
  return NULL;
}

/* packetFilter(handle, filter): from now on this one, in place of the other. */
static napi_value packet_filter(napi_env env, napi_callback_info info) {
  napi_value args[2];
  size_t count = 2;
  bool failed;
  napi_get_cb_info(env, info, &count, args, NULL, NULL);
  int fd = handle_fd(env, args[0]);
  if (fd >= 0 && !attach_filter(env, fd, args[1], &failed) && failed) throw_errno(env, "setsockopt SO_ATTACH_FILTER", errno);
  return NULL;
}

/* packetDrops(handle): frames for which the socket's buffer had no room, since it was last asked. */
static napi_value packet_drops(napi_env env, napi_callback_info info) {
  napi_value handle, drops;
  size_t count = 1;
  napi_get_cb_info(env, info, &count, &handle, NULL, NULL);
  int fd = handle_fd(env, handle);
  if (fd < 0) return NULL;
  struct tpacket_stats stats;
  socklen_t len = sizeof stats;
  if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) < 0) return throw_errno(env, "getsockopt PACKET_STATISTICS", errno);
  napi_create_uint32(env, stats.tp_drops, &drops);
  return drops;
}

/* packetRoom(handle): octets of receive buffer that the socket was given, as getsockopt tells: the kernel's own needs included. */
static napi_value packet_room(napi_env env, napi_callback_info info) {
  napi_value handle, room;
  size_t count = 1;
  napi_get_cb_info(env, info, &count, &handle, NULL, NULL);
  int fd = handle_fd(env, handle);
  if (fd < 0) return NULL;
  int octets;
  socklen_t len = sizeof octets;
  if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &octets, &len) < 0) return throw_errno(env, "getsockopt SO_RCVBUF", errno);
  napi_create_int32(env, octets, &room);
  return room;
}

/* rawIpOpen(sendBuffer): handle. Takes packets with their IP header; is given none. */
static napi_value raw_ip_open(napi_env env, napi_callback_info info) {
  int32_t send_buffer;
  if (!int32_args(env, info, 1, &send_buffer)) return NULL;
  int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
  if (fd < 0) return fail(env, fd, "socket SOCK_RAW");
  buffer_of(fd, SO_SNDBUFFORCE, SO_SNDBUF, send_buffer);
  return new_handle(env, fd);
}

void packet_exports(napi_env env, napi_value exports) {
  set_function(env, exports, "packetOpen", packet_open);
  set_function(env, exports, "packetFilter", packet_filter);
  set_function(env, exports, "packetDrops", packet_drops);
  set_function(env, exports, "packetRoom", packet_room);
  set_function(env, exports, "rawIpOpen", raw_ip_open);
}
