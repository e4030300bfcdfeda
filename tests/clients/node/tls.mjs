// tls.mjs CERTIFICATE KEY ORIGIN…: TLS before each origin, as some clients send a token over nothing else. Bytes pass
// as they are. Prints the addresses once all listen.
import fs from "node:fs";
import net from "node:net";
import tls from "node:tls";

const [cert, key, ...origins] = process.argv.slice(2);
const listening = origins.map((origin) => {
  const { hostname, port } = new URL(origin);
  const server = tls.createServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(key) }, (client) => {
    const onward = net.connect(Number(port), hostname);
    for (const [one, other] of [[client, onward], [onward, client]]) {
      one.on("error", () => other.destroy());
      one.pipe(other);
    }
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(`https://127.0.0.1:${server.address().port}`)));
});
console.log((await Promise.all(listening)).join(" "));
