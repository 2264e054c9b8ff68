// The floor: one send() of a ready frame per subscriber and event, nothing else. What the kernel alone costs.
//
// floor PORT  speaks just enough of the load generator's `ng` protocol: the upgrade is answered with the accept value of
// the generator's fixed key, `subscribe` with `subscribed`; every other text frame is a publish, and goes to the
// subscribers of its channel as an `event`. Compiled with -DURING the sends of an event are gathered in an io_uring. Loopback only, no error handling beyond closing the socket: a yardstick, not a server.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef URING
#include "uring.h"
#endif

#define MAX_FD 20000
#define BUFFER 65536

static const char UPGRADED[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

// Channels by name, in an open table that is never full: there are fewer channels than connections.
static struct channel { char name[64]; int *subscriber, subscribers; } channels[2 * MAX_FD];
static struct channel *channel_of[MAX_FD];
static char upgraded[MAX_FD];
// The beginning of a frame whose end has not come.
static struct { unsigned char *bytes; size_t length; } rest[MAX_FD];
static unsigned char frame[BUFFER];

static struct channel *find(const unsigned char *text, size_t n, const char *key) {
    const unsigned char *at = memmem(text, n, key, strlen(key));
    if (!at) return NULL;
    at += strlen(key);
    const unsigned char *end = memchr(at, '"', n - (size_t)(at - text));
    if (!end || end - at >= 64) return NULL;
    unsigned hash = 2166136261u;
    for (const unsigned char *c = at; c < end; c++) hash = (hash ^ *c) * 16777619u;
    size_t length = (size_t)(end - at);
    for (unsigned i = hash % (2 * MAX_FD);; i = (i + 1) % (2 * MAX_FD)) {
        struct channel *c = channels + i;
        if (!c->subscriber) {
            memcpy(c->name, at, length);
            c->subscriber = malloc(MAX_FD * sizeof *c->subscriber);
        }
        if (!memcmp(c->name, at, length) && !c->name[length]) return c;
    }
}

static void forget(struct channel *c, int i) {
    c->subscriber[i] = c->subscriber[--c->subscribers];
}

#ifdef URING
static struct channel *sending;

static void failed(unsigned long long i, int error) {
    if (error != EAGAIN && (int)i < sending->subscribers) forget(sending, (int)i);
}
#endif

static void fan_out(const unsigned char *text, size_t n) {
    const unsigned char *data = memmem(text, n, "\"data\":", 7);
    struct channel *c = find(text, n, "\"channel\":\"");
    if (!data || !c) return;
    static const char head[] = "{\"type\":\"event\",\"channel\":\"metrics\",\"offset\":100000,\"event\":\"bench\",\"ts\":1767225600.12,";
    size_t tail = n - (size_t)(data - text), length = sizeof head - 1 + tail;
    if (length > BUFFER - 4) return;
    frame[0] = 0x81, frame[1] = 126, frame[2] = (unsigned char)(length >> 8), frame[3] = (unsigned char)length;
    memcpy(frame + 4, head, sizeof head - 1);
    memcpy(frame + 4 + sizeof head - 1, data, tail);
#ifdef URING
    sending = c;
    for (int i = 0; i < c->subscribers; i++) ring_send(c->subscriber[i], frame, length + 4, (unsigned long long)i, failed);
    ring_flush(failed);
#else
    for (int i = 0; i < c->subscribers; i++)
        if (send(c->subscriber[i], frame, length + 4, MSG_NOSIGNAL) < 0 && errno != EAGAIN) forget(c, i--);
#endif
}

static size_t one_frame(int fd, unsigned char *b, size_t n) {
    if (n < 6) return 0;
    size_t length = b[1] & 127, header = 6;
    if (length == 126) {
        if (n < 8) return 0;
        length = (size_t)b[2] << 8 | b[3], header = 8;
    }
    if (length > BUFFER - 16 || n < header + length) return 0;
    unsigned char *mask = b + header - 4, *text = b + header;
    for (size_t i = 0; i < length; i++) text[i] ^= mask[i & 3];
    if (memmem(text, length, "\"subscribe\"", 11)) {
        static const char ok[] = "\x81\x15{\"type\":\"subscribed\"}";
        struct channel *c = find(text, length, "\"channels\":[\"");
        if (!c) return header + length;
        c->subscriber[c->subscribers++] = fd, channel_of[fd] = c;
        (void)!send(fd, ok, sizeof ok - 1, MSG_NOSIGNAL);
    } else {
        fan_out(text, length);
    }
    return header + length;
}

static void readable(int epoll, int fd) {
    static unsigned char b[2 * BUFFER];
    size_t before = rest[fd].length;
    if (before) memcpy(b, rest[fd].bytes, before);
    ssize_t n = recv(fd, b + before, BUFFER, 0);
    if (n <= 0) {
        rest[fd].length = 0;
        epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
        struct channel *c = channel_of[fd];
        for (int i = 0; c && i < c->subscribers; i++)
            if (c->subscriber[i] == fd) forget(c, i--);
        channel_of[fd] = NULL;
        close(fd);
        return;
    }
    if (!upgraded[fd]) {
        upgraded[fd] = 1;
        (void)!send(fd, UPGRADED, sizeof UPGRADED - 1, MSG_NOSIGNAL);
        return;
    }
    size_t at = 0, length = before + (size_t)n;
    for (size_t step; (step = one_frame(fd, b + at, length - at)); at += step) {}
    if ((rest[fd].length = length - at) == 0) return;
    if (!rest[fd].bytes) rest[fd].bytes = malloc(BUFFER + 16);
    memcpy(rest[fd].bytes, b + at, rest[fd].length);
}

int main(int argc, char **argv) {
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1, epoll = epoll_create1(0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argc > 1 ? argv[1] : "0"))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) return perror("floor"), 1;
#ifdef URING
    if (ring_open()) return perror("io_uring"), 1;
#endif
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, ready[64];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(epoll, ready, 64, -1);
        for (int i = 0; i < n; i++) {
            int fd = ready[i].data.fd;
            if (fd != listener) {
                readable(epoll, fd);
                continue;
            }
            int peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
            if (peer < 0 || peer >= MAX_FD) continue;
            setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            upgraded[peer] = 0;
            event = (struct epoll_event){.events = EPOLLIN, .data.fd = peer};
            epoll_ctl(epoll, EPOLL_CTL_ADD, peer, &event);
        }
    }
}
