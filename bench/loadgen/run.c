/* Sockets, the schedule and the figures of one run, in one thread. */
#define _GNU_SOURCE
#include "loadgen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_SIZE = 256 * 1024, MAX_EVENTS = 256, FUTILE_CONNECTIONS = 100 };
static const uint64_t SECOND = 1000000000, IDLE = 100000000;

static uint64_t clock_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

static double cpu_now(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void *grown(void *memory, size_t size) {
    void *found = realloc(memory, size);
    if (!found)
        abort();
    return found;
}

uint8_t *buffer_room(struct buffer *buffer, size_t size) {
    if (buffer->start == buffer->end)
        buffer->start = buffer->end = 0;
    if (buffer->end + size > buffer->capacity && buffer->start) {
        memmove(buffer->bytes, buffer->bytes + buffer->start, buffer->end - buffer->start);
        buffer->end -= buffer->start;
        buffer->start = 0;
    }
    if (buffer->end + size > buffer->capacity) {
        buffer->capacity = 2 * (buffer->end + size);
        buffer->bytes = grown(buffer->bytes, buffer->capacity);
    }
    return buffer->bytes + buffer->end;
}

/* ---- the schedule ---- */

/* When the next request is due; with a fixed rate it does not depend on any answer. */
static uint64_t due(const struct run *run) {
    const struct options *options = run->options;
    if (options->rate > 0)
        return run->started + (uint64_t)((double)run->figures.issued / options->rate * 1e9);
    return run->now > run->started ? run->now : run->started;
}

static bool all_issued(const struct run *run) {
    const struct options *options = run->options;
    if (options->requests)
        return run->figures.issued >= options->requests;
    return due(run) >= run->started + (uint64_t)(options->duration * 1e9);
}

static bool next_request(struct run *run, struct pending *next) {
    if (run->retry_count) {
        *next = run->retry[--run->retry_count];
        return true;
    }
    next->intended = due(run);
    if (all_issued(run) || next->intended > run->now)
        return false;
    next->number = run->options->first + run->figures.issued++;
    return true;
}

static void release(struct connection *connection, struct slot *slot) {
    slot->busy = false;
    slot->unsent = 0;
    connection->busy--;
    connection->run->in_flight--;
}

void slot_done(struct connection *connection, struct slot *slot, bool ok) {
    struct run *run = connection->run;
    struct figures *figures = &run->figures;
    release(connection, slot);
    run->last_answer = run->now;
    if (!ok) {
        figures->failed++;
        return;
    }
    figures->ok++;
    if (run->options->rate > 0) {
        if (figures->latencies_count == figures->latencies_room) {
            figures->latencies_room = 2 * figures->latencies_room + 65536;
            figures->latencies = grown(figures->latencies, figures->latencies_room * sizeof *figures->latencies);
        }
        figures->latencies[figures->latencies_count++] = run->now - slot->intended;
    }
}

void slot_retry(struct connection *connection, struct slot *slot) {
    struct run *run = connection->run;
    release(connection, slot);
    if (run->retry_count == run->retry_room) {
        run->retry_room = 2 * run->retry_room + 256;
        run->retry = grown(run->retry, run->retry_room * sizeof *run->retry);
    }
    run->retry[run->retry_count++] = (struct pending){slot->number, slot->intended};
    run->figures.retried++;
}

/* ---- connections ---- */

static bool has_room(const struct connection *connection) {
    int streams = connection->run->options->streams;
    return connection->ready && !connection->closing && connection->busy < streams &&
           (uint32_t)connection->busy < connection->streams_allowed;
}

static void send_one(struct connection *connection, struct pending next) {
    struct slot *slot = connection->slots;
    while (slot->busy)
        slot++;
    *slot = (struct slot){.busy = true, .number = next.number, .intended = next.intended};
    connection->busy++;
    connection->run->in_flight++;
    connection->run->options->wire->send(connection, slot);
}

static void fill(struct connection *connection) {
    struct pending next;
    while (has_room(connection) && next_request(connection->run, &next))
        send_one(connection, next);
}

static void watch(struct connection *connection, int operation, bool write) {
    struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0), .data.ptr = connection};
    connection->want_write = write;
    epoll_ctl(connection->run->epoll, operation, connection->fd, &event);
}

static bool flush(struct connection *connection) {
    struct buffer *out = &connection->out;
    while (out->start < out->end) {
        ssize_t sent = send(connection->fd, out->bytes + out->start, out->end - out->start, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (sent < 0 && errno == EAGAIN)
            break;
        if (sent > 0) {
            out->start += (size_t)sent;
            connection->run->figures.wire_out += (uint64_t)sent;
        }
    }
    if (connection->want_write != (out->start < out->end))
        watch(connection, EPOLL_CTL_MOD, out->start < out->end);
    return true;
}

static bool open_connection(struct connection *connection) {
    struct run *run = connection->run;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)run->options->port)};
    int on = 1;
    inet_pton(AF_INET, run->options->host, &address.sin_addr);
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0 || connect(connection->fd, (struct sockaddr *)&address, sizeof address)) {
        run->error = strerror(errno);
        return false;
    }
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connection->closing = false;
    connection->in.start = connection->in.end = connection->out.start = connection->out.end = 0;
    watch(connection, EPOLL_CTL_ADD, false);
    run->options->wire->open(connection);
    return flush(connection);
}

/* A new connection in its place; false: the server takes none, or closes one after the other. */
static bool reopen(struct connection *connection) {
    struct run *run = connection->run;
    if (connection->fd >= 0)
        close(connection->fd);
    connection->fd = -1;
    run->figures.reconnected++;
    if (!run->figures.ok && run->figures.reconnected > FUTILE_CONNECTIONS) {
        run->error = "the server closes every connection unanswered";
        return false;
    }
    if (!open_connection(connection))
        return false;
    fill(connection); /* HTTP/1.1 waits for nothing */
    flush(connection);
    return true;
}

/* Read once and parse; false: the connection is gone. */
static bool receive(struct connection *connection) {
    struct run *run = connection->run;
    uint8_t *room = buffer_room(&connection->in, READ_SIZE);
    ssize_t size = recv(connection->fd, room, READ_SIZE, MSG_DONTWAIT);
    if (size < 0)
        return errno == EAGAIN || errno == EINTR;
    if (size == 0)
        return false;
    run->now = clock_now();
    run->figures.wire_in += (uint64_t)size;
    connection->in.end += (size_t)size;
    return run->options->wire->received(connection);
}

static bool serve_event(struct connection *connection, uint32_t events) {
    bool alive = true;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        alive = receive(connection);
    if (alive) {
        fill(connection);
        alive = flush(connection);
    }
    if (!alive)
        connection->run->options->wire->closed(connection);
    if (!alive || (connection->closing && !connection->busy))
        return reopen(connection);
    return true;
}

/* ---- the run ---- */

/* With a fixed rate: what is due goes to the next connection that has room, in turn. */
static void dispatch(struct run *run) {
    int connections = run->options->connections;
    struct pending next;
    run->now = clock_now();
    for (int tried = 0; tried < connections; tried++) {
        struct connection *connection = &run->connections[run->turn++ % (unsigned)connections];
        if (!has_room(connection))
            continue;
        if (!next_request(run, &next))
            return;
        send_one(connection, next);
        flush(connection); /* a lost connection is seen by its next event */
        tried = -1;
    }
}

static bool wait_and_serve(struct run *run, uint64_t longest) {
    struct epoll_event events[MAX_EVENTS];
    struct pollfd ready = {.fd = run->epoll, .events = POLLIN};
    struct timespec timeout = {.tv_sec = (time_t)(longest / SECOND), .tv_nsec = (long)(longest % SECOND)};
    int count = 0;
    if (run->options->rate > 0) {
        ppoll(&ready, 1, &timeout, NULL);
        count = epoll_wait(run->epoll, events, MAX_EVENTS, 0);
    } else {
        count = epoll_wait(run->epoll, events, MAX_EVENTS, (int)(longest / 1000000));
    }
    run->now = clock_now();
    for (int each = 0; each < count; each++)
        if (!serve_event(events[each].data.ptr, events[each].events))
            return false;
    return true;
}

static bool all_ready(const struct run *run) {
    for (int each = 0; each < run->options->connections; each++)
        if (!run->connections[each].ready)
            return false;
    return true;
}

static bool connect_all(struct run *run, uint64_t deadline) {
    for (int each = 0; each < run->options->connections; each++) {
        struct connection *connection = &run->connections[each];
        connection->run = run;
        connection->index = each;
        connection->slots = calloc((size_t)run->options->streams, sizeof *connection->slots);
        if (!connection->slots)
            abort();
        if (!open_connection(connection))
            return false;
    }
    run->started = UINT64_MAX / 2; /* nothing is due yet */
    while (!all_ready(run)) {
        if (!wait_and_serve(run, IDLE))
            return false;
        if (run->now > deadline) {
            run->error = "the server sent no SETTINGS, or no 101";
            return false;
        }
    }
    return true;
}

static void count_unanswered(struct run *run) {
    for (int each = 0; each < run->options->connections; each++) {
        struct connection *connection = &run->connections[each];
        for (int place = 0; place < run->options->streams; place++)
            if (connection->slots[place].busy) {
                run->figures.lost++;
                slot_done(connection, &connection->slots[place], false);
            }
    }
    run->figures.lost += run->retry_count;
    run->figures.failed += run->retry_count;
}

bool run_load(struct run *run, const struct options *options) {
    run->options = options;
    run->epoll = epoll_create1(EPOLL_CLOEXEC);
    run->connections = calloc((size_t)options->connections, sizeof *run->connections);
    if (!run->connections)
        abort();
    prctl(PR_SET_TIMERSLACK, 1);
    uint64_t deadline = clock_now() + (uint64_t)(options->timeout * 1e9);
    if (!connect_all(run, deadline))
        return false;
    run->now = run->started = run->last_answer = clock_now();
    double cpu = cpu_now();
    if (options->rate <= 0)
        for (int each = 0; each < options->connections; each++) {
            fill(&run->connections[each]);
            flush(&run->connections[each]);
        }
    while (!(all_issued(run) && !run->in_flight && !run->retry_count) && run->now < deadline) {
        uint64_t longest = IDLE, next = due(run);
        if (options->rate > 0) {
            dispatch(run);
            next = due(run);
            if (!all_issued(run) && next > run->now)
                longest = next - run->now < IDLE ? next - run->now : IDLE;
        }
        if (!wait_and_serve(run, longest))
            return false;
    }
    count_unanswered(run);
    run->figures.seconds = (double)(run->last_answer - run->started) / 1e9;
    run->figures.cpu = cpu_now() - cpu;
    return true;
}
