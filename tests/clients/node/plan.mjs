// plan.mjs FOLDER CLIENT AIMOCK AIMOCK_TLS HUB HUB_TLS KEY SHORT: the calls that a client makes, each to be compared with its direct one.
//   direct          to its vendor's API as aimock has it
//   same            through the hub to a provider of the same format
//   other:PROVIDER  through the hub to a provider of another format
// Without a hub the direct ones come twice, so that what differs by itself shows.
import fs from "node:fs";

const [folder, name, aimock, aimockTls, hub, hubTls, key, short] = process.argv.slice(2);
const read = (file) => JSON.parse(fs.readFileSync(`${folder}/${file}`, "utf8"));
const { providers, clients } = read("clients.json");
const [cases, tools] = [read("cases.json"), read("tools.json")];
const client = clients.find((one) => one.name === name);

const direct = (run) => ({ run, origin: client.tls ? aimockTls : aimock, key: "direct-key", model: providers[client.own].model });
const pinned = (run, provider) => ({ run, origin: client.tls ? hubTls : hub, key, model: `${provider}/${providers[provider].model}` });

const runs = [direct("direct")];
if (!hub) runs.push(...(client.translated ? [] : [direct("same")]));
else {
  const others = Object.keys(providers).filter((provider) => client.translated || provider !== client.own);
  if (!client.translated) runs.push(pinned("same", client.own));
  // the short set takes one other format for each client, not the same for all
  const at = clients.indexOf(client) % others.length;
  for (const provider of short ? [others[at]] : others) runs.push(pinned(`other:${provider}`, provider));
}

/** The case as far as the client can say it. */
const said = (item) => Object.fromEntries(Object.entries(item).filter(([field]) => !client.lacks?.includes(field)));
const wanted = (item) => !short || item.short !== false;
console.log(JSON.stringify(runs.flatMap((run) => cases.filter(wanted).map((item) => ({ ...run, case: said(item), tools, control: aimock })))));
