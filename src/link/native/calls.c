/*
 * The kernel's TCP for scenarios: a program of its own that has an interface, and socket calls that it makes as it is
 * told. What the kernel sends to the wire comes out on stdout, what comes in on stdin goes to the kernel. Interface and
 * sockets vanish with the process, however it ends, and so does its network namespace.
 *
 *   tcpx-calls tun ADDRESS MASK MTU      in a namespace of its own
 *   tcpx-calls tap ADDRESS MASK MTU      Ethernet, in the namespace that it is started in
 *   tcpx-calls here                      no interface of its own: calls only, in the namespace that it is started in
 *
 * Frames both ways: length of what follows (uint32), kind (one octet), the rest. Integers are the machine's own.
 *   in   'P' packet             'C' id (uint32), call and its arguments in words, newline, octets it writes
 *   out  'R'                    ready
 *        'P' ns (uint64) packet
 *        'C' id (uint32) ns (uint64) result (int64) errno (int32) octets it read, or values
 * ns is CLOCK_MONOTONIC. Each call has a thread: one that blocks holds up nobody.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FRAME = 1 << 20 };

static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;

static void fail(const char *what) {
  fprintf(stderr, "%s: %s (%d)\n", what, strerror(errno), errno);
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void write_all(const void *data, size_t len) {
  const char *at = data;
  while (len > 0) {
    ssize_t done = write(STDOUT_FILENO, at, len);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) exit(0);
    at += done;
    len -= (size_t)done;
  }
}

static void say(char kind, const void *head, uint32_t head_len, const void *data, uint32_t len) {
  uint32_t all = 1 + head_len + len;
  pthread_mutex_lock(&output);
  write_all(&all, sizeof all);
  write_all(&kind, 1);
  if (head_len > 0) write_all(head, head_len);
  if (len > 0) write_all(data, len);
  pthread_mutex_unlock(&output);
}

static int read_all(void *data, size_t len) {
  char *at = data;
  while (len > 0) {
    ssize_t done = read(STDIN_FILENO, at, len);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return 0;
    at += done;
    len -= (size_t)done;
  }
  return 1;
}

/* Calls. */

struct call {
  uint32_t id;
  char *line;
  char *data;
  size_t data_len;
};

static void answer(uint32_t id, int64_t result, int error, const void *data, uint32_t len) {
  char head[24];
  uint64_t t = now_ns();
  int32_t e = error;
  memcpy(head, &id, 4);
  memcpy(head + 4, &t, 8);
  memcpy(head + 12, &result, 8);
  memcpy(head + 20, &e, 4);
  say('C', head, sizeof head, data, len);
}

static struct sockaddr_in address_of(unsigned long address, int port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl((uint32_t)address)}};
  return a;
}

static int set_sysctl(const char *name, const char *value) {
  char path[256];
  snprintf(path, sizeof path, "/proc/sys/net/ipv4/%s", name);
  if (strchr(name, '/') != NULL) {
    errno = EINVAL;
    return -1;
  }
  int fd = open(path, O_WRONLY);
  if (fd < 0) return -1;
  int done = write(fd, value, strlen(value)) < 0 ? -1 : 0;
  int error = errno;
  close(fd);
  errno = error;
  return done;
}

/* poll(2): pairs of descriptor and events in `words`, the events that came out. */
static int64_t poll_words(char *words, int32_t *values, int *count) {
  struct pollfd fds[64];
  int timeout = 0, used = 0, n = 0;
  sscanf(words, "%d%n", &timeout, &used);
  words += used;
  for (int fd, events; n < 64 && sscanf(words, "%d %d%n", &fd, &events, &used) == 2; words += used)
    fds[n++] = (struct pollfd){.fd = fd, .events = (short)events};
  int ready = poll(fds, (nfds_t)n, timeout);
  int error = errno;
  for (int i = 0; i < n; i++) values[i] = fds[i].revents;
  *count = n;
  errno = error;
  return ready;
}

static void *make_call(void *of) {
  struct call *c = of;
  char name[32] = "";
  int skip = 0;
  sscanf(c->line, "%31s%n", name, &skip);
  char *args = c->line + skip;
  int fd = -1, a = 0, b = 0;
  unsigned long address = 0;
  int64_t result = -1;
  char *data = NULL;
  uint32_t len = 0;
  int32_t values[64];
  errno = ENOSYS;
  if (!strcmp(name, "socket")) {
    result = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
  } else if (!strcmp(name, "bind") && sscanf(args, "%d %lu %d", &fd, &address, &a) == 3) {
    struct sockaddr_in to = address_of(address, a);
    result = bind(fd, (struct sockaddr *)&to, sizeof to);
  } else if (!strcmp(name, "connect") && sscanf(args, "%d %lu %d", &fd, &address, &a) == 3) {
    struct sockaddr_in to = address_of(address, a);
    result = connect(fd, (struct sockaddr *)&to, sizeof to);
  } else if (!strcmp(name, "listen") && sscanf(args, "%d %d", &fd, &a) == 2) {
    result = listen(fd, a);
  } else if (!strcmp(name, "accept") && sscanf(args, "%d", &fd) == 1) {
    result = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
  } else if (!strcmp(name, "read") && sscanf(args, "%d %d %d", &fd, &a, &b) == 3 && a >= 0 && a <= MAX_FRAME) {
    data = malloc((size_t)a + 1);
    result = recv(fd, data, (size_t)a, b);
    if (result > 0) len = (uint32_t)result;
  } else if (!strcmp(name, "write") && sscanf(args, "%d %d", &fd, &a) == 2) {
    result = send(fd, c->data, c->data_len, a | MSG_NOSIGNAL);
  } else if (!strcmp(name, "sendto") && sscanf(args, "%d %d %lu %d", &fd, &a, &address, &b) == 4) {
    struct sockaddr_in to = address_of(address, b);
    result = sendto(fd, c->data, c->data_len, a | MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof to);
  } else if (!strcmp(name, "shutdown") && sscanf(args, "%d %d", &fd, &a) == 2) {
    result = shutdown(fd, a);
  } else if (!strcmp(name, "close") && sscanf(args, "%d", &fd) == 1) {
    result = fd > STDERR_FILENO ? close(fd) : -1;
  } else if (!strcmp(name, "setsockopt") && sscanf(args, "%d %d %d", &fd, &a, &b) == 3) {
    result = setsockopt(fd, a, b, c->data, (socklen_t)c->data_len);
  } else if (!strcmp(name, "getsockopt") && sscanf(args, "%d %d %d", &fd, &a, &b) == 3) {
    socklen_t room = 512;
    data = calloc(1, room);
    result = getsockopt(fd, a, b, data, &room);
    if (result == 0) len = room;
  } else if (!strcmp(name, "fcntl") && sscanf(args, "%d %d %d", &fd, &a, &b) == 3) {
    result = fcntl(fd, a, b);
  } else if (!strcmp(name, "ioctl") && sscanf(args, "%d %d", &fd, &a) == 2) {
    result = ioctl(fd, (unsigned long)a, values);
    data = malloc(4);
    memcpy(data, values, 4);
    len = 4;
  } else if (!strcmp(name, "poll")) {
    int count = 0;
    result = poll_words(args, values, &count);
    len = (uint32_t)count * 4;
    data = malloc(len + 1);
    memcpy(data, values, len);
  } else if (!strcmp(name, "sysctl")) {
    char setting[128] = "";
    int used = 0;
    if (sscanf(args, " %127s %n", setting, &used) == 1) result = set_sysctl(setting, args + used);
  }
  answer(c->id, result, result < 0 ? errno : 0, data, len);
  free(data);
  free(c->line);
  free(c->data);
  free(c);
  return NULL;
}

/* A call is the words up to the newline, then the octets that it writes. */
static void take_call(const char *frame, size_t len) {
  if (len < 5) return;
  const char *end = memchr(frame + 4, '\n', len - 4);
  if (end == NULL) return;
  struct call *c = calloc(1, sizeof *c);
  memcpy(&c->id, frame, 4);
  c->line = strndup(frame + 4, (size_t)(end - frame - 4));
  c->data_len = len - (size_t)(end + 1 - frame);
  c->data = malloc(c->data_len + 1);
  memcpy(c->data, end + 1, c->data_len);
  pthread_t thread;
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  if (pthread_create(&thread, &attr, make_call, c) != 0) fail("pthread_create");
}

/* The namespace and its interface. */

static void set_address(int s, struct ifreq *r, unsigned long request, const char *text) {
  struct sockaddr_in a = {.sin_family = AF_INET};
  if (inet_pton(AF_INET, text, &a.sin_addr) != 1) {
    errno = EINVAL;
    fail(text);
  }
  memcpy(&r->ifr_addr, &a, sizeof a);
  if (ioctl(s, request, r) < 0) fail("setting an address");
}

static void bring_up(int s, const char *name) {
  struct ifreq r = {0};
  strncpy(r.ifr_name, name, IFNAMSIZ - 1);
  if (ioctl(s, SIOCGIFFLAGS, &r) < 0) fail(name);
  r.ifr_flags |= IFF_UP | IFF_RUNNING;
  if (ioctl(s, SIOCSIFFLAGS, &r) < 0) fail(name);
}

static int open_interface(int is_tap, const char *address, const char *mask, int mtu) {
  int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (tun < 0) fail("/dev/net/tun");
  struct ifreq r = {0};
  strncpy(r.ifr_name, is_tap ? "tap0" : "tun0", IFNAMSIZ - 1);
  r.ifr_flags = (short)((is_tap ? IFF_TAP : IFF_TUN) | IFF_NO_PI);
  if (ioctl(tun, TUNSETIFF, &r) < 0) fail("TUNSETIFF");
  int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (s < 0) fail("socket");
  int off = open("/proc/sys/net/ipv6/conf/all/disable_ipv6", O_WRONLY);
  if (off >= 0) {
    if (write(off, "1", 1) != 1) errno = 0;
    close(off);
  }
  bring_up(s, "lo");
  set_address(s, &r, SIOCSIFADDR, address);
  set_address(s, &r, SIOCSIFNETMASK, mask);
  r.ifr_mtu = mtu;
  if (ioctl(s, SIOCSIFMTU, &r) < 0) fail("setting the MTU");
  bring_up(s, r.ifr_name);
  /* Everything else is reached through the peer. */
  struct rtentry route = {.rt_flags = RTF_UP, .rt_dev = r.ifr_name};
  struct sockaddr_in any = {.sin_family = AF_INET};
  memcpy(&route.rt_dst, &any, sizeof any);
  memcpy(&route.rt_genmask, &any, sizeof any);
  memcpy(&route.rt_gateway, &any, sizeof any);
  if (ioctl(s, SIOCADDRT, &route) < 0) fail("adding a route");
  close(s);
  return tun;
}

static void enter_namespace(void) {
  if (unshare(CLONE_NEWNET) == 0) return;
  if (errno != EPERM || unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) fail("unshare");
}

static void *read_interface(void *of) {
  int tun = *(int *)of;
  char *packet = malloc(MAX_FRAME);
  for (;;) {
    ssize_t len = read(tun, packet, MAX_FRAME);
    uint64_t t = now_ns();
    if (len < 0 && errno == EINTR) continue;
    if (len <= 0) exit(0);
    say('P', &t, sizeof t, packet, (uint32_t)len);
  }
}

int main(int argc, char **argv) {
  int is_here = argc == 2 && !strcmp(argv[1], "here");
  if (argc != 5 && !is_here) {
    fprintf(stderr, "usage: tcpx-calls tun|tap ADDRESS MASK MTU, or tcpx-calls here\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  int is_tap = !strcmp(argv[1], "tap");
  int tun = -1;
  if (!is_here) {
    if (!is_tap) enter_namespace();
    tun = open_interface(is_tap, argv[2], argv[3], atoi(argv[4]));
    pthread_t reader;
    if (pthread_create(&reader, NULL, read_interface, &tun) != 0) fail("pthread_create");
  }
  say('R', NULL, 0, NULL, 0);
  char *frame = malloc(MAX_FRAME + 1);
  uint32_t len;
  while (read_all(&len, sizeof len) && len > 0 && len <= MAX_FRAME && read_all(frame, len)) {
    if (frame[0] == 'P' && tun >= 0 && write(tun, frame + 1, len - 1) < 0) fprintf(stderr, "write: %s\n", strerror(errno));
    if (frame[0] == 'C') take_call(frame + 1, len - 1);
  }
  return 0;
}
