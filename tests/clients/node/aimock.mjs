// aimock with a recorder before it: aimock's own journal redacts headers and rewrites bodies.
// Prints the address once it listens. GET and DELETE /_fake/requests as the scripted fake has them.
import http from "node:http";
import { LLMock } from "@copilotkit/aimock";
import { asked, mending, told } from "./mend.mjs";

const [fixtures, port = "0"] = process.argv.slice(2);
const mock = new LLMock({ port: 0, strict: false, logLevel: "silent" });
mock.loadFixtureFile(fixtures);
await mock.start();
const upstream = new URL(mock.url);
let requests = [];

const pairs = (raw) => raw.flatMap((name, at) => (at % 2 ? [] : [[name, raw[at + 1]]]));

/** Answers come in pieces of so many bytes, if any: a test of those who put them together. */
const slice = Number(process.env.SLICE ?? 0);
function write(response, bytes) {
  const size = slice || bytes.length;
  for (let at = 0; at < bytes.length; at += size) response.write(bytes.subarray(at, at + size));
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
    const given = Buffer.from(told(request.url, body));
    const onward = http.request(
      { host: upstream.hostname, port: upstream.port, method: request.method, path: asked(request.url), headers: { ...request.headers, "content-length": given.length } },
      (answer) => {
        const mend = mending(request.url, answer.statusCode);
        if (!mend && !slice) {
          response.writeHead(answer.statusCode, answer.rawHeaders);
          answer.pipe(response);
        } else {
          const { "content-length": _, ...headers } = answer.headers;
          response.writeHead(answer.statusCode, { ...headers, ...mend?.headers });
          answer.on("data", (part) => write(response, Buffer.from(mend ? mend.part(part) : part)));
          answer.on("end", () => response.end());
        }
        answer.on("error", () => response.destroy());
      },
    );
    onward.on("error", () => response.destroy());
    response.on("close", () => onward.destroy());
    onward.end(given);
  });
});
server.listen(Number(port), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
