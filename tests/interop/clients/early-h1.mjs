// Uploads argv[3] bytes (0: without an end) to argv[2] over HTTP/1.1 and says which answer came.
import http from "node:http";

const [url, size] = [process.argv[2], Number(process.argv[3])];
const headers = size ? { "content-length": size } : {};
const request = http.request(url, { method: "POST", headers });
const piece = Buffer.alloc(16384);
let sent = 0, length = 0, answered = false;

function upload() {
  while (!request.destroyed && !answered) {
    if (size && sent >= size) return request.end();
    const part = size ? piece.subarray(0, Math.min(piece.length, size - sent)) : piece;
    sent += part.length;
    if (!request.write(part)) return request.once("drain", upload);
  }
}

request.on("response", (response) => {
  response.on("data", (data) => { length += data.length; });
  response.on("end", () => {
    answered = true;
    console.log(response.statusCode, length);
    request.destroy();
  });
});
request.on("error", (error) => {
  if (answered) return;
  console.log("failed:", error.message);
  process.exitCode = 1;
});
upload();
