// A client of the probe by Node's http2: node http2.mjs http://127.0.0.1:PORT
// Prints one line of JSON: what it saw.
import { createHash, randomBytes } from "node:crypto";
import { connect, constants } from "node:http2";

const session = connect(process.argv[2]);
const settings = new Promise((resolve) => session.once("remoteSettings", resolve));

function ask(fields, body) {
  return new Promise((resolve, reject) => {
    const stream = session.request(fields, { endStream: body === undefined });
    const answer = { pieces: [], informed: [], trailers: {}, error: null };
    stream.on("headers", (head) => answer.informed.push(head[":status"]));
    stream.on("response", (head) => Object.assign(answer, { status: head[":status"], head }));
    stream.on("trailers", (head) => (answer.trailers = head));
    stream.on("data", (piece) => answer.pieces.push(piece));
    stream.on("error", (error) => (answer.error = error.code));
    stream.on("close", () => {
      answer.body = Buffer.concat(answer.pieces);
      answer.code = stream.rstCode;
      resolve(answer);
    });
    if (body !== undefined) stream.end(body);
  });
}

function get(path, more = {}) {
  return ask({ ":path": path, ...more });
}

function leave(path) {
  return new Promise((resolve) => {
    const stream = session.request({ ":path": path });
    stream.once("data", () => stream.close(constants.NGHTTP2_CANCEL));
    stream.on("close", () => resolve(stream.rstCode));
  });
}

const body = randomBytes(5_000_000);
const many = Array.from({ length: 200 }, (_, n) => n);
const uploaded = await ask({ ":path": "/digest", ":method": "POST" }, body);
const echoed = await ask({ ":path": "/echo", ":method": "POST" }, body);
const trailing = await get("/trailers", { te: "trailers" });
const hinted = await get("/early");
const cut = await get("/raise?when=middle&ms=50");
const seen = {
  streams: (await settings).maxConcurrentStreams,
  parallel: (await Promise.all(many.map((n) => get(`/slow?ms=10&id=node${n}`)))).filter(
    (answer, n) => answer.body.toString() === `node${n}`,
  ).length,
  digest: JSON.parse(uploaded.body).sha256 === createHash("sha256").update(body).digest("hex"),
  echo: Buffer.compare(echoed.body, body) === 0,
  trailer: trailing.trailers["x-sum"],
  informed: hinted.informed,
  head: (await ask({ ":path": "/hello", ":method": "HEAD" })).head["content-length"],
  cut: [cut.code, cut.error],
  left: await leave("/drip?id=node"),
  after: (await get("/hello")).body.toString(),
  ping: await new Promise((resolve) => session.ping((error, duration) => resolve(error === null && duration > 0))),
};
console.log(JSON.stringify(seen));
session.close();
