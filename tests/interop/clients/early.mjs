// Uploads argv[3] bytes (0: without an end) to argv[2] over cleartext HTTP/2 and says which answer came.
import http2 from "node:http2";

const [url, size] = [new URL(process.argv[2]), Number(process.argv[3])];
const session = http2.connect(url.origin);
const request = session.request({ ":method": "POST", ":path": url.pathname });
const piece = Buffer.alloc(16384);
let sent = 0, status = 0, length = 0, answered = false;

function upload() {
  while (!request.destroyed && !request.closed && !answered) {
    if (size && sent >= size) return request.end();
    const part = size ? piece.subarray(0, Math.min(piece.length, size - sent)) : piece;
    sent += part.length;
    if (!request.write(part)) return request.once("drain", upload);
  }
}

function done(code) {
  console.log(status, length);
  session.destroy();
  process.exitCode = code;
}

request.on("response", (headers) => { status = headers[":status"]; });
request.on("data", (data) => { length += data.length; });
request.on("end", () => { answered = true; request.close(); done(0); });
request.on("error", (error) => { console.log("failed:", error.message); done(1); });
session.on("error", (error) => { console.log("failed:", error.message); done(1); });
upload();
