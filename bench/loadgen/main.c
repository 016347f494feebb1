/* The command: options, one run, its figures as one line of JSON on stdout.
 *
 * Exit 0: the run was made, whatever the answers were; 1: it could not be made; 2: the options are wrong.
 */
#define _GNU_SOURCE
#include "loadgen.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char HELP[] =
    "loadgen [OPTIONS] IPV4:PORT   put requests whose heads vary on a server\n"
    "  --protocol h2|h1|ws         cleartext HTTP/2 with prior knowledge (default), HTTP/1.1, or WebSocket:\n"
    "                              a request is then a message of --post bytes, its answer the next message\n"
    "  --style NAME[,NAME...]      h2: heads as nginx, haproxy, go or envoy encodes them; connections take turns\n"
    "  --connections N             (16)\n"
    "  --streams N                 requests in flight on each connection (h2 16, h1 and ws always 1)\n"
    "  --requests N                stop after so many, or\n"
    "  --duration SECONDS          after so long (2)\n"
    "  --rate N                    requests per second, sent when they are due and not when there is an answer;\n"
    "                              latency counts from when a request was due\n"
    "  --first N                   number of the first request (0): the same number and seed, the same request\n"
    "  --seed N                    (1)\n"
    "  --repeat                    every head is the same, its path /\n"
    "  --authority NAME            (shop.example)\n"
    "  --post BYTES                POST a body of so many bytes\n"
    "  --answer BYTES              expected length of each answer's body (any)\n"
    "  --timeout SECONDS           give up what is unanswered by then (60)\n";

enum { OPTION_PROTOCOL = 256, OPTION_STYLE, OPTION_CONNECTIONS, OPTION_STREAMS, OPTION_REQUESTS, OPTION_DURATION,
       OPTION_RATE, OPTION_FIRST, OPTION_SEED, OPTION_REPEAT, OPTION_AUTHORITY, OPTION_POST,
       OPTION_ANSWER, OPTION_TIMEOUT, OPTION_HELP };

static const struct option LONG[] = {
    {"protocol", required_argument, NULL, OPTION_PROTOCOL},
    {"style", required_argument, NULL, OPTION_STYLE},
    {"connections", required_argument, NULL, OPTION_CONNECTIONS},
    {"streams", required_argument, NULL, OPTION_STREAMS},
    {"requests", required_argument, NULL, OPTION_REQUESTS},
    {"duration", required_argument, NULL, OPTION_DURATION},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"first", required_argument, NULL, OPTION_FIRST},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"repeat", no_argument, NULL, OPTION_REPEAT},
    {"authority", required_argument, NULL, OPTION_AUTHORITY},
    {"post", required_argument, NULL, OPTION_POST},
    {"answer", required_argument, NULL, OPTION_ANSWER},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static void refuse(const char *what, const char *value) {
    fprintf(stderr, "loadgen: %s: %s (loadgen --help)\n", what, value);
    exit(2);
}

static uint64_t whole(const char *option, const char *text, uint64_t low, uint64_t high) {
    char *end = NULL;
    uint64_t value = strtoull(text, &end, 10);
    if (end == text || *end || text[0] == '-' || value < low || value > high)
        refuse(option, text);
    return value;
}

static double real(const char *option, const char *text) {
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end || !(value > 0) || value > 1e9)
        refuse(option, text);
    return value;
}

static void read_styles(struct options *options, const char *text) {
    options->styles = 0;
    for (const char *name = text;; name++) {
        size_t length = strcspn(name, ",");
        if (options->styles == MAX_STYLES || !style_named(name, length, &options->style[options->styles++]))
            refuse("--style", text);
        name += length;
        if (!*name)
            return;
    }
}

static void read_target(struct options *options, char *text) {
    char *colon = strrchr(text, ':');
    if (!colon)
        refuse("the target is no IPV4:PORT", text);
    options->port = (int)whole("port", colon + 1, 1, 65535);
    *colon = 0;
    options->host = text;
}

static void read_option(struct options *options, int option, const char *text) {
    struct heads *heads = &options->heads;
    switch (option) {
    case OPTION_PROTOCOL:
        if (strcmp(text, "h1") && strcmp(text, "h2") && strcmp(text, "ws"))
            refuse("--protocol", text);
        options->wire = text[0] == 'w' ? &WEBSOCKET : text[1] == '1' ? &HTTP1 : &HTTP2;
        break;
    case OPTION_STYLE: read_styles(options, text); break;
    case OPTION_CONNECTIONS: options->connections = (int)whole("--connections", text, 1, MAX_CONNECTIONS); break;
    case OPTION_STREAMS: options->streams = (int)whole("--streams", text, 1, MAX_STREAMS); break;
    case OPTION_REQUESTS: options->requests = whole("--requests", text, 1, UINT64_MAX); break;
    case OPTION_DURATION: options->duration = real("--duration", text); break;
    case OPTION_RATE: options->rate = real("--rate", text); break;
    case OPTION_FIRST: options->first = whole("--first", text, 0, UINT64_MAX); break;
    case OPTION_SEED: heads->seed = whole("--seed", text, 0, UINT64_MAX); break;
    case OPTION_REPEAT: heads->repeat = true; break;
    case OPTION_AUTHORITY:
        if (strlen(text) >= MAX_VALUE)
            refuse("--authority", text);
        heads->authority = text;
        break;
    case OPTION_POST: heads->post = whole("--post", text, 1, 1 << 30); break;
    case OPTION_ANSWER: options->answer = (long)whole("--answer", text, 0, 1 << 30); break;
    case OPTION_TIMEOUT: options->timeout = real("--timeout", text); break;
    case OPTION_HELP: fputs(HELP, stdout); exit(0);
    default: fputs(HELP, stderr); exit(2);
    }
}

static int ascending(const void *one, const void *other) {
    uint64_t left = *(const uint64_t *)one, right = *(const uint64_t *)other;
    return (left > right) - (left < right);
}

static void print_latencies(const struct figures *figures) {
    static const struct { const char *name; double share; } SHARES[] = {
        {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1},
    };
    size_t count = figures->latencies_count;
    qsort(figures->latencies, count, sizeof *figures->latencies, ascending);
    printf(", \"latency\": {");
    for (size_t each = 0; each < sizeof SHARES / sizeof *SHARES; each++) {
        size_t rank = (size_t)(SHARES[each].share * (double)count + 0.999999);
        rank = rank < 1 ? 1 : rank > count ? count : rank;
        printf("%s\"%s\": %.9f", each ? ", " : "", SHARES[each].name, (double)figures->latencies[rank - 1] / 1e9);
    }
    printf("}");
}

static void print_figures(const struct figures *figures) {
    printf("{\"requests\": %" PRIu64 ", \"ok\": %" PRIu64 ", \"failed\": %" PRIu64 ", \"seconds\": %.6f, \"rate\": %.1f",
           figures->issued, figures->ok, figures->failed, figures->seconds,
           figures->seconds > 0 ? (double)figures->ok / figures->seconds : 0.0);
    printf(", \"not_200\": %" PRIu64 ", \"wrong_length\": %" PRIu64 ", \"reset\": %" PRIu64 ", \"lost\": %" PRIu64,
           figures->not_200, figures->wrong_length, figures->reset, figures->lost);
    printf(", \"retried\": %" PRIu64 ", \"reconnected\": %" PRIu64 ", \"data\": %" PRIu64, figures->retried,
           figures->reconnected, figures->data);
    printf(", \"received\": %" PRIu64 ", \"sent\": %" PRIu64 ", \"cpu\": %.6f", figures->wire_in, figures->wire_out,
           figures->cpu);
    if (figures->latencies_count)
        print_latencies(figures);
    printf("}\n");
}

int main(int count, char **arguments) {
    struct options options = {
        .wire = &HTTP2, .connections = 16, .streams = 16, .styles = 1, .style = {STYLE_NGINX}, .duration = 2, .timeout = 60,
        .answer = -1, .heads = {.seed = 1, .authority = "shop.example"},
    };
    int option;
    while ((option = getopt_long(count, arguments, "", LONG, NULL)) != -1)
        read_option(&options, option, optarg);
    if (optind + 1 != count)
        refuse("one target is needed", optind < count ? arguments[count - 1] : "none is given");
    read_target(&options, arguments[optind]);
    options.streams = options.wire->one_at_a_time ? 1 : options.streams;
    struct run run = {0};
    if (!run_load(&run, &options)) {
        fprintf(stderr, "loadgen: %s:%d: %s\n", options.host, options.port, run.error ? run.error : "connection lost");
        return 1;
    }
    print_figures(&run.figures);
    return 0;
}
