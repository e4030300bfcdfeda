// aimock with a recorder before it: aimock's own journal redacts headers and rewrites bodies.
// Prints the address once it listens. GET and DELETE /_fake/requests as the scripted fake has them.
import http from "node:http";
import { LLMock } from "@copilotkit/aimock";

const [fixtures, port = "0"] = process.argv.slice(2);
const mock = new LLMock({ port: 0, strict: true, logLevel: "silent" });
mock.loadFixtureFile(fixtures);
await mock.start();
const upstream = new URL(mock.url);
let requests = [];

const pairs = (raw) => raw.flatMap((name, at) => (at % 2 ? [] : [[name, raw[at + 1]]]));

/**
 * The frames of an event stream that AWS's own clients can read: aimock opens a block of text with `start: {}`, which
 * they refuse; Bedrock opens none. Keeps what is not yet a whole frame.
 */
function readable(state, bytes) {
  let left = Buffer.concat([state.left, bytes]);
  const frames = [];
  while (left.length >= 4 && left.length >= left.readUInt32BE(0)) {
    const frame = left.subarray(0, left.readUInt32BE(0));
    left = left.subarray(frame.length);
    if (!frame.includes('"start":{}')) frames.push(frame);
  }
  state.left = left;
  return Buffer.concat(frames);
}

const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    if (request.url === "/_fake/requests") {
      const text = JSON.stringify(requests);
      if (request.method === "DELETE") requests = [];
      response.end(text);
      return;
    }
    const body = Buffer.concat(parts);
    const whole = { method: request.method, headers: pairs(request.rawHeaders), body: body.toString() };
    requests.push({ event: "arrival", path: request.url, whole });
    // Google's newer SDKs ask at /v1, aimock answers at /v1beta
    const path = request.url.replace(/^\/v1(?=\/models\/[^/]+:\w+)/, "/v1beta");
    const onward = http.request(
      { host: upstream.hostname, port: upstream.port, method: request.method, path, headers: request.rawHeaders },
      (answer) => {
        response.writeHead(answer.statusCode, answer.rawHeaders);
        answer.on("error", () => response.destroy());
        if (answer.headers["content-type"] !== "application/vnd.amazon.eventstream") return answer.pipe(response);
        const state = { left: Buffer.alloc(0) };
        answer.on("data", (bytes) => response.write(readable(state, bytes)));
        answer.on("end", () => response.end(state.left));
      },
    );
    onward.on("error", () => response.destroy());
    response.on("close", () => onward.destroy());
    onward.end(body);
  });
});
server.listen(Number(port), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
