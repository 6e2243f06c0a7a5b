/*
 * The other end of every measurement: the kernel's own sockets, used from C so that this end is never what is measured.
 *
 *   peer serve ADDR             the services below, until end of input
 *   peer send|receive|rtt ADDR SECONDS WARMUP    the kernel as a C program has it, against another `peer serve`
 *   peer probe ADDR EVERY_MS    a datagram to the UDP echo now and then: how long the queue of a path is; until end of input
 *
 * Ports: 7001 discards without copying (MSG_TRUNC), 7002 is a source that doesn't copy (sendfile of the same memory), 7003 both at
 * once, 7004 echoes (a thread for each connection), 7005 accepts and closes, 7006 echoes for many connections (epoll), 7007 UDP echo.
 * NDJSON on stdout. Times are CLOCK_MONOTONIC in microseconds, as Node's process.hrtime.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { DISCARD = 7001, SOURCE, BOTH, ECHO, CLOSE, MANY, UDP };
enum { PIECE = 1 << 20, SAMPLE_EVERY_US = 10000 };

static int memory; /* PIECE octets, for sendfile */

static void die(const char *what) {
  fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void start(void *(*run)(void *), intptr_t argument) {
  pthread_t thread;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 256 << 10);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  if ((errno = pthread_create(&thread, &attributes, run, (void *)argument)) != 0) die("pthread_create");
  pthread_attr_destroy(&attributes);
}

/* --- what came, by time: {"event":"discarded","port":THEIRS,"samples":[us,octets,…]} when the connection is over */

typedef struct {
  int64_t *values;
  size_t len, room;
  int64_t octets, next_at;
} samples;

static void sample(samples *s, int64_t t) {
  if (s->len + 2 > s->room) {
    s->room = s->room ? s->room * 2 : 1024;
    s->values = realloc(s->values, s->room * sizeof *s->values);
    if (!s->values) die("realloc");
  }
  s->values[s->len++] = t;
  s->values[s->len++] = s->octets;
  s->next_at = t + SAMPLE_EVERY_US;
}

static void discard_all(int fd, int port) {
  samples s = {0};
  sample(&s, now_us());
  for (;;) {
    ssize_t n = recv(fd, NULL, PIECE, MSG_TRUNC);
    if (n <= 0) break;
    s.octets += n;
    int64_t t = now_us();
    if (t >= s.next_at) sample(&s, t);
  }
  sample(&s, now_us());
  flockfile(stdout);
  printf("{\"event\":\"discarded\",\"port\":%d,\"samples\":[", port);
  for (size_t i = 0; i < s.len; i++) printf(i ? ",%lld" : "%lld", (long long)s.values[i]);
  printf("]}\n");
  fflush(stdout);
  funlockfile(stdout);
  free(s.values);
}

static void source_all(int fd) {
  for (;;) {
    off_t at = 0;
    if (sendfile(fd, memory, &at, PIECE) <= 0) return;
  }
}

static void no_delay(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static int remote_port(int fd) {
  struct sockaddr_in a;
  socklen_t len = sizeof a;
  return getpeername(fd, (struct sockaddr *)&a, &len) == 0 ? ntohs(a.sin_port) : 0;
}

static void *run_discard(void *p) {
  int fd = (intptr_t)p;
  discard_all(fd, remote_port(fd));
  close(fd);
  return NULL;
}

static void *run_source(void *p) {
  int fd = (intptr_t)p;
  source_all(fd);
  close(fd);
  return NULL;
}

static void *run_source_beside(void *p) {
  source_all((intptr_t)p);
  return NULL;
}

static void *run_both(void *p) {
  int fd = (intptr_t)p, other = dup(fd);
  start(run_source_beside, other);
  discard_all(fd, remote_port(fd));
  shutdown(fd, SHUT_RDWR); /* ends the source too; its descriptor is left to the process's end */
  close(fd);
  return NULL;
}

static void *run_echo(void *p) {
  int fd = (intptr_t)p;
  char octets[65536];
  no_delay(fd);
  for (;;) {
    ssize_t n = recv(fd, octets, sizeof octets, 0);
    if (n <= 0 || send(fd, octets, n, 0) != n) break;
  }
  close(fd);
  return NULL;
}

static struct in_addr where;

static int listener(int port) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = where};
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 65535)) die("listen");
  return fd;
}

static void accept_for(int port, void *(*run)(void *)) {
  int from = listener(port);
  for (;;) {
    int fd = accept(from, NULL, NULL);
    if (fd >= 0) start(run, fd);
    else if (errno == EMFILE || errno == ENFILE) die("accept");
  }
}

static void *serve_discard(void *p) { accept_for(DISCARD, run_discard); return p; }
static void *serve_source(void *p) { accept_for(SOURCE, run_source); return p; }
static void *serve_both(void *p) { accept_for(BOTH, run_both); return p; }
static void *serve_echo(void *p) { accept_for(ECHO, run_echo); return p; }

static void *serve_close(void *p) {
  int from = listener(CLOSE);
  for (;;) {
    int fd = accept(from, NULL, NULL);
    if (fd >= 0) close(fd);
  }
  return p;
}

/* Messages of a few kilobytes: what can't be written at once was not asked for, and ends the connection. */
static void *serve_many(void *p) {
  int from = listener(MANY), poll = epoll_create1(0);
  struct epoll_event all[256], e = {.events = EPOLLIN, .data.fd = from};
  static char octets[65536];
  fcntl(from, F_SETFL, O_NONBLOCK);
  epoll_ctl(poll, EPOLL_CTL_ADD, from, &e);
  for (;;) {
    int n = epoll_wait(poll, all, 256, -1);
    for (int i = 0; i < n; i++) {
      int fd = all[i].data.fd;
      if (fd == from) {
        int came;
        while ((came = accept4(from, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
          no_delay(came);
          e.data.fd = came;
          epoll_ctl(poll, EPOLL_CTL_ADD, came, &e);
        }
        continue;
      }
      ssize_t len = recv(fd, octets, sizeof octets, 0);
      if (len < 0 && errno == EAGAIN) continue;
      if (len <= 0 || send(fd, octets, len, 0) != len) close(fd);
    }
  }
  return p;
}

static int udp(void) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) die("socket");
  return fd;
}

static void *serve_udp(void *p) {
  int fd = udp();
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(UDP), .sin_addr = where};
  if (bind(fd, (struct sockaddr *)&a, sizeof a)) die("bind");
  for (;;) {
    char octets[64];
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    ssize_t n = recvfrom(fd, octets, sizeof octets, 0, (struct sockaddr *)&from, &len);
    if (n > 0) sendto(fd, octets, n, 0, (struct sockaddr *)&from, len);
  }
  return p;
}

static void until_end_of_input(void) {
  char c;
  while (read(0, &c, 1) > 0) continue;
  exit(0);
}

static int serve(void) {
  struct rlimit files = {1 << 20, 1 << 20};
  if (setrlimit(RLIMIT_NOFILE, &files)) { /* beyond our own limit only with CAP_SYS_RESOURCE */
    if (getrlimit(RLIMIT_NOFILE, &files)) die("getrlimit");
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files)) die("setrlimit");
  }
  start(serve_discard, 0);
  start(serve_source, 0);
  start(serve_both, 0);
  start(serve_echo, 0);
  start(serve_close, 0);
  start(serve_many, 0);
  start(serve_udp, 0);
  usleep(20000);
  printf("{\"event\":\"ready\"}\n");
  fflush(stdout);
  until_end_of_input();
  return 0;
}

/* --- probe: {"event":"probed","samples":[us,round trip us,…]} */

static void *probe_answers(void *p) {
  int fd = (intptr_t)p;
  samples s = {0};
  struct pollfd both[2] = {{.fd = fd, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
  for (;;) {
    int64_t sent;
    if (poll(both, 2, -1) < 0) die("poll");
    if (both[1].revents) break;
    if (recv(fd, &sent, sizeof sent, 0) != sizeof sent) continue;
    int64_t t = now_us();
    s.octets = t - sent;
    sample(&s, sent);
  }
  printf("{\"event\":\"probed\",\"samples\":[");
  for (size_t i = 0; i < s.len; i++) printf(i ? ",%lld" : "%lld", (long long)s.values[i]);
  printf("]}\n");
  fflush(stdout);
  exit(0);
}

static void probe(int every_ms) {
  int fd = udp();
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(UDP), .sin_addr = where};
  if (connect(fd, (struct sockaddr *)&a, sizeof a)) die("connect");
  start(probe_answers, fd);
  for (;;) {
    int64_t t = now_us();
    (void)!write(fd, &t, sizeof t);
    usleep(every_ms * 1000);
  }
}

/* --- the kernel from C: {"event":"result",…} */

static int connected(int port) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = where};
  if (connect(fd, (struct sockaddr *)&a, sizeof a)) die("connect");
  return fd;
}

static int compare(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

static int bulk(int sends, int64_t run, int64_t warm) {
  int fd = connected(sends ? DISCARD : SOURCE);
  char *octets = calloc(1, PIECE);
  int64_t begin = now_us() + warm, end = begin + run, moved = 0, first = 0, t;
  do {
    ssize_t n = sends ? send(fd, octets, PIECE, 0) : recv(fd, octets, PIECE, 0);
    if (n <= 0) die("transfer");
    t = now_us();
    if (t < begin) first = t;
    else moved += n;
  } while (t < end);
  if (first == 0) first = begin;
  printf("{\"event\":\"result\",\"t0\":%lld,\"t1\":%lld,\"octets\":%lld}\n", (long long)first, (long long)t, (long long)moved);
  return 0;
}

static int rtt(int64_t run, int64_t warm) {
  int fd = connected(ECHO);
  static int64_t took[1 << 20];
  int n = 0;
  char octet = 0;
  no_delay(fd);
  for (int64_t begin = now_us(), end = begin + warm + run; n < 1 << 20;) {
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    if (send(fd, &octet, 1, 0) != 1 || recv(fd, &octet, 1, 0) != 1) die("round trip");
    clock_gettime(CLOCK_MONOTONIC, &b);
    int64_t t = now_us();
    if (t >= begin + warm) took[n++] = (b.tv_sec - a.tv_sec) * 1000000000LL + b.tv_nsec - a.tv_nsec;
    if (t > end) break;
  }
  qsort(took, n, sizeof *took, compare);
  printf("{\"event\":\"result\",\"p50\":%.3f}\n", took[n / 2] / 1e3);
  return 0;
}

int main(int argc, char **argv) {
  const char *what = argc > 2 ? argv[1] : "";
  signal(SIGPIPE, SIG_IGN);
  if (argc < 3 || inet_aton(argv[2], &where) == 0) {
    fprintf(stderr, "usage: peer serve|send|receive|rtt|probe ADDR …\n");
    return 2;
  }
  memory = memfd_create("source", 0);
  if (memory < 0 || ftruncate(memory, PIECE)) die("memfd");
  char *filled = mmap(NULL, PIECE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  if (filled == MAP_FAILED) die("mmap");
  memset(filled, 'x', PIECE);
  double run = argc > 3 ? atof(argv[3]) : 1, warm = argc > 4 ? atof(argv[4]) : 0;
  if (strcmp(what, "serve") == 0) return serve();
  if (strcmp(what, "send") == 0) return bulk(1, run * 1e6, warm * 1e6);
  if (strcmp(what, "receive") == 0) return bulk(0, run * 1e6, warm * 1e6);
  if (strcmp(what, "rtt") == 0) return rtt(run * 1e6, warm * 1e6);
  if (strcmp(what, "probe") == 0) probe((int)run);
  fprintf(stderr, "peer: unknown '%s'\n", what);
  return 2;
}
