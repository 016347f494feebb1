// A client of the probe by Java's HttpClient: java Client.java 1.1|2 http://127.0.0.1:PORT
// Asked for HTTP/2 over cleartext it offers an upgrade to h2c, which is declined by an answer over HTTP/1.1.
// Prints lines of name=value: what it saw.

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.io.ByteArrayInputStream;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import java.util.stream.Stream;

class Client {
    static HttpClient client;
    static String base;

    static HttpRequest.Builder at(String path) {
        return HttpRequest.newBuilder(URI.create(base + path)).timeout(Duration.ofSeconds(20));
    }

    static HttpResponse<String> send(HttpRequest.Builder request) throws Exception {
        return client.send(request.build(), BodyHandlers.ofString());
    }

    static void say(String name, Object value) {
        System.out.println(name + "=" + value);
    }

    static long parallel() {
        Stream<CompletableFuture<Boolean>> answers = IntStream.range(0, 50).mapToObj(n -> client
            .sendAsync(at("/slow?ms=10&id=java" + n).build(), BodyHandlers.ofString())
            .thenApply(answer -> answer.body().equals("java" + n)));
        return answers.toList().stream().filter(CompletableFuture::join).count();
    }

    public static void main(String[] arguments) throws Exception {
        boolean two = arguments[0].equals("2");
        client = HttpClient.newBuilder().version(two ? HttpClient.Version.HTTP_2 : HttpClient.Version.HTTP_1_1).build();
        base = arguments[1];
        byte[] body = new byte[3_000_000];

        HttpResponse<String> first = send(at("/hello"));
        say("version", first.version());
        say("hello", first.body());
        say("upload", send(at("/digest").POST(BodyPublishers.ofByteArray(body))).body().contains("\"size\": 3000000,"));
        say("chunked", send(at("/digest").POST(BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(body))))
            .body().contains("\"size\": 3000000,"));
        say("expect", send(at("/digest").expectContinue(true).POST(BodyPublishers.ofByteArray(body)))
            .body().contains("\"size\": 3000000,"));
        say("stream", send(at("/stream?parts=50&size=65536")).body().length() > 0);
        say("head", send(at("/hello").method("HEAD", BodyPublishers.noBody())).headers().firstValue("content-length").get());
        say("nothing", send(at("/status?status=204")).statusCode());
        say("error", send(at("/raise?when=start")).statusCode());
        say("parallel", parallel());
        say("after", send(at("/hello")).body());
    }
}
