/* What a broker costs whoever its clients are: one way of a frame, straight and through MQTT.

   broker_floor PORT BYTES CHUNK FRAMES   prints the median microseconds: straight, through the broker

   One thread sends, another receives, each on a core of its own, one frame at a time, 4 ms apart;
   nothing is looked at. A frame is one PUBLISH (QoS 0), or several of CHUNK bytes that follow each other.
   See broker_floor.py. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PAUSE_US = 4000, TOPIC_BYTES = 3, MOST_FRONT = 10 };
static const char TOPIC[] = "t/x";

struct way {
    int from, to, frames;
    const uint8_t *bytes;
    size_t size;
    double *sent, *there;
    sem_t arrived;
};

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static double now_us(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1e6 + at.tv_nsec * 1e-3;
}

static void use_core(int core) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    sched_setaffinity(0, sizeof cores, &cores);
}

static void set(int sock, int option) {
    int on = 1;
    if (setsockopt(sock, IPPROTO_TCP, option, &on, sizeof on)) fail("setsockopt");
}

static int connected(int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int sock = socket(AF_INET, SOCK_STREAM, 0);
    if (sock < 0 || connect(sock, (struct sockaddr *)&at, sizeof at)) fail("connect");
    set(sock, TCP_NODELAY);
    return sock;
}

static void send_all(int sock, const uint8_t *bytes, size_t size) {
    while (size) {
        ssize_t sent = send(sock, bytes, size, MSG_NOSIGNAL);
        if (sent <= 0) fail("send");
        bytes += sent;
        size -= sent;
    }
}

static void receive_all(int sock, uint8_t *into, size_t size) {
    while (size) {
        set(sock, TCP_QUICKACK);
        ssize_t came = recv(sock, into, size, MSG_WAITALL);
        if (came <= 0) fail("recv");
        into += came;
        size -= came;
    }
}

static void *receive(void *of) {
    struct way *way = of;
    uint8_t *into = malloc(way->size);
    use_core(1);
    for (int frame = 0; frame < way->frames; frame++) {
        receive_all(way->to, into, way->size);
        way->there[frame] = now_us();
        sem_post(&way->arrived);
    }
    free(into);
    return NULL;
}

static int by_size(const void *a, const void *b) {
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

static double median_us(struct way *way) {
    pthread_t receiver;
    sem_init(&way->arrived, 0, 0);
    if (pthread_create(&receiver, NULL, receive, way)) fail("thread");
    use_core(0);
    usleep(20000);
    for (int frame = 0; frame < way->frames; frame++) {
        way->sent[frame] = now_us();
        send_all(way->from, way->bytes, way->size);
        sem_wait(&way->arrived);
        usleep(PAUSE_US);
    }
    pthread_join(receiver, NULL);
    for (int frame = 0; frame < way->frames; frame++) way->there[frame] -= way->sent[frame];
    qsort(way->there, way->frames, sizeof *way->there, by_size);
    return way->there[way->frames / 2];
}

static int client(int port, char name) {
    uint8_t hello[] = {0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 1, name}, answer[4];
    int sock = connected(port);
    send_all(sock, hello, sizeof hello);
    receive_all(sock, answer, sizeof answer);
    if (answer[0] != 0x20 || answer[3]) fail("refused");
    return sock;
}

static size_t publishes(uint8_t *into, size_t size, size_t chunk) {
    uint8_t *at = into;
    while (size) {
        size_t part = size < chunk ? size : chunk, rest = 2 + TOPIC_BYTES + part;
        size -= part;
        *at++ = 0x30;
        do *at++ = rest % 128 | (rest > 127 ? 128 : 0);
        while (rest /= 128);
        *at++ = 0;
        *at++ = TOPIC_BYTES;
        at = mempcpy(at, TOPIC, TOPIC_BYTES);
        at = (uint8_t *)memset(at, 7, part) + part;
    }
    return at - into;
}

int main(int count, char **told) {
    if (count != 5) return fprintf(stderr, "broker_floor PORT BYTES CHUNK FRAMES\n"), 2;
    int port = atoi(told[1]), frames = atoi(told[4]);
    size_t size = atol(told[2]), chunk = atol(told[3]);
    uint8_t *bytes = malloc(size + (size / chunk + 1) * (MOST_FRONT + TOPIC_BYTES));
    struct way way = {.frames = frames, .bytes = bytes, .size = size};
    way.sent = calloc(frames, sizeof *way.sent);
    way.there = calloc(frames, sizeof *way.there);

    struct sockaddr_in here = {.sin_family = AF_INET};
    socklen_t length = sizeof here;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int door = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(door, (struct sockaddr *)&here, length) || listen(door, 1)) fail("listen");
    getsockname(door, (struct sockaddr *)&here, &length);
    way.from = connected(ntohs(here.sin_port));
    way.to = accept(door, NULL, NULL);
    memset(bytes, 7, size);
    double straight = median_us(&way);

    uint8_t subscribe[] = {0x82, 8, 0, 1, 0, TOPIC_BYTES, 't', '/', 'x', 0}, answer[5];
    way.to = client(port, 'b');
    send_all(way.to, subscribe, sizeof subscribe);
    receive_all(way.to, answer, sizeof answer);
    way.from = client(port, 'a');
    way.size = publishes(bytes, size, chunk);
    printf("%.1f %.1f\n", straight, median_us(&way));
    return 0;
}
