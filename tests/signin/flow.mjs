// What a person's browser does between the hub and a real OpenID provider, and what comes of it.
//   flow.mjs OPERATORS-URL OWNER-TOKEN PROVIDER-PORT FIRST-LINK HUB-COMMAND
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const [operators, token, port, first, hub] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const jwk = (kid = "of-the-test") => ({
  ...generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" }),
  kid,
  use: "sig",
  alg: "RS256",
});
const key = jwk();

/** The provider, started anew as `how` says; one runs at a time. */
let running;
async function provider(how) {
  await stop();
  const options = { port: Number(port), back: `${operators}/signin/callback`, key, ...how };
  running = spawn(process.execPath, [new URL("provider.mjs", import.meta.url).pathname, JSON.stringify(options)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  running.stderr.on("data", (text) => (said += text));
  await new Promise((resolve, reject) => {
    running.stdout.once("data", resolve);
    running.once("exit", () => reject(new Error(`the provider did not start: ${said}`)));
  });
}
async function stop() {
  if (!running) return;
  const ended = new Promise((resolve) => running.removeAllListeners("exit").once("exit", resolve));
  running.kill();
  await ended;
  running = undefined;
}

/** Keeps cookies for each origin, and goes where it is sent. */
class Browser {
  cookies = new Map();

  jar(url) {
    const { origin } = new URL(url);
    if (!this.cookies.has(origin)) this.cookies.set(origin, new Map());
    return this.cookies.get(origin);
  }

  /** Each is at an address of its own, for few tries are taken from one. */
  address = `127.0.0.${(Browser.last = (Browser.last ?? 1) + 1)}`;

  /** One request: a form's, or with JSON that of a page's script. */
  async one(url, form, json) {
    const jar = this.jar(url);
    const body = json ? JSON.stringify(json) : form && new URLSearchParams(form).toString();
    const headers = { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join("; ") };
    if (body) headers["content-type"] = json ? "application/json" : "application/x-www-form-urlencoded";
    if (json) headers.origin = new URL(url).origin;
    const answer = await new Promise((resolve, reject) => {
      const options = { method: body ? "POST" : "GET", headers, localAddress: this.address, agent: false };
      request(url, options, resolve).on("error", reject).end(body);
    });
    const chunks = await answer.toArray();
    for (const line of answer.headers["set-cookie"] ?? []) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      if (value === "" || /max-age=0/i.test(line)) jar.delete(name);
      else jar.set(name, value);
    }
    return { status: answer.statusCode, next: answer.headers.location, text: Buffer.concat(chunks).toString() };
  }

  /** Follows up to an answer that sends nowhere; stops before an address that `until` names. */
  async go(url, form, until = () => false) {
    for (let step = 0; step < 20; step++) {
      if (until(url)) return { url };
      const answer = await this.one(url, form);
      form = undefined;
      if (!answer.next) return { url, ...answer };
      url = new URL(answer.next, url).href;
    }
    throw new Error("sent in a circle");
  }

  /** To the provider, through its pages as `login`, and back. */
  async signIn(login, until) {
    let page = await this.go(`${operators}/signin/oidc`);
    for (const form of [{ prompt: "login", login, password: "any" }, { prompt: "consent" }]) {
      if (!page.url.startsWith(`${issuer}/interaction/`)) break;
      page = await this.go(page.url.replace(/\/$/, ""), form, until);
    }
    return page;
  }

  async whoami() {
    const answer = await this.one(`${operators}/admin/v1/whoami`);
    return { status: answer.status, told: JSON.parse(answer.text) };
  }
}

async function admin(path, body) {
  const answer = await fetch(`${operators}/admin/v1/${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  assert.equal(answer.status, 201, await answer.text());
}

/** Nobody was let in, and the page says so in these words. */
async function refused(browser, page, status, words) {
  const told = /role="alert"[^>]*>([^<]*)/.exec(page.text)?.[1];
  assert.deepEqual([page.status, words.test(told)], [status, true], told);
  assert.ok(![...browser.jar(operators).keys()].some((name) => name.startsWith("hub-session")), "no session");
  assert.equal((await browser.whoami()).status, 401);
}

const back = (url) => url.startsWith(`${operators}/signin/callback`);
const unconfirmed = /did not confirm who you are/;
const cases = {
  "a provider that is away is told, and the password form is there all the same": async () => {
    await stop();
    const browser = new Browser();
    const page = await browser.go(`${operators}/signin/oidc`);
    await refused(browser, page, 502, /can&#39;t be reached/);
    assert.match(page.text, /<form id="signin">/);
    assert.match(page.text, /Sign in with R&amp;D &lt;IDs&gt;/);
    await provider();
    // for a moment nobody else is made to wait for it
    for (let step = 0; step < 600 && (await browser.one(`${operators}/signin/oidc`)).status !== 303; step++)
      await sleep(100);
  },
  "who is known by a verified address, however it is spelt, is let in": async () => {
    const browser = new Browser();
    const page = await browser.signIn("ada");
    assert.deepEqual([page.url, page.status], [`${operators}/signin`, 200]);
    const { status, told } = await browser.whoami();
    assert.equal(status, 200);
    assert.deepEqual([told.user, told.grants], ["ada", [{ role: "finance", project: null }]]);
    assert.ok(told.session.csrf);
    assert.deepEqual([...browser.jar(operators).keys()].map((name) => name.replace(/-\d+$/, "")), ["hub-session"]);
  },
  "who is not known is refused": async () => {
    const browser = new Browser();
    await refused(browser, await browser.signIn("eve"), 403, /Nobody with your e-mail address is known/);
  },
  "an address that is not verified lets nobody in": async () => {
    const browser = new Browser();
    await refused(browser, await browser.signIn("unverified"), 403, /has not verified/);
  },
  "who has no address is refused": async () => {
    const browser = new Browser();
    await refused(browser, await browser.signIn("silent"), 403, /does not tell your e-mail address/);
  },
  "who is disabled here is refused": async () => {
    const browser = new Browser();
    await refused(browser, await browser.signIn("gone"), 403, /may not sign in/);
  },
  "who turns back at the provider is not let in": async () => {
    const browser = new Browser();
    const { url } = await browser.go(`${operators}/signin/oidc`);
    await refused(browser, await browser.go(`${url}/abort`), 403, unconfirmed);
  },
  "a way back that was begun in another browser leads nowhere": async () => {
    const { url } = await new Browser().signIn("ada", back);
    const other = new Browser();
    await refused(other, await other.go(url), 403, /not begun in this browser/);
    await other.go(`${operators}/signin/oidc`);
    await refused(other, await other.go(url), 403, /not begun in this browser/);
  },
  "a way back is gone once": async () => {
    const browser = new Browser();
    const { url } = await browser.signIn("ada", back);
    const again = new Browser();
    for (const [name, value] of browser.jar(operators)) again.jar(operators).set(name, value);
    assert.equal((await browser.go(url)).status, 200);
    await refused(again, await again.go(url), 403, unconfirmed);
  },
  "the code of another's way back is of no use": async () => {
    const [victim, thief] = [new Browser(), new Browser()];
    const stolen = new URL((await victim.signIn("ada", back)).url);
    const own = new URL((await thief.signIn("eve", back)).url);
    own.searchParams.set("code", stolen.searchParams.get("code"));
    await refused(thief, await thief.go(own.href), 403, unconfirmed);
  },
  "claims that are in the ID token are read there": async () => {
    await provider({ whole: true });
    const browser = new Browser();
    await browser.signIn("ada");
    assert.equal((await browser.whoami()).told.user, "ada");
  },
};
const run = async (command) => (await promisify(execFile)("bash", ["-c", `${hub} ${command}`])).stdout;
const chosen = async (link, password) => {
  const browser = new Browser();
  const used = await browser.one(`${operators}/admin/v1/session/link`, null, { link, password });
  return [used.status, (await browser.whoami()).told.user];
};
cases["the first start's link lets the owner in, once"] = async () => {
  assert.deepEqual(await chosen(first, "a password of the owner"), [200, "owner"]);
  assert.deepEqual(await chosen(first, "a password of another"), [401, undefined]);
};
cases["`hub bootstrap` makes another, beside the hub that runs"] = async () => {
  const [, link] = /#link=(\S+)/.exec(await run("bootstrap"));
  const deadline = Date.now() + 60_000;
  let used;
  // the hub that runs reads it from the log
  do used = await chosen(link, "another password of the owner");
  while (used[0] === 401 && Date.now() < deadline && (await sleep(200, true)));
  assert.deepEqual(used, [200, "owner"]);
};
const now = Math.floor(Date.now() / 1000);
for (const [what, spoil] of Object.entries({
  "signed by another key": { key: jwk() },
  "not signed": { alg: "none" },
  "of another issuer": { claims: { iss: "http://127.0.0.1:1" } },
  "for another client": { claims: { aud: "another" } },
  "for another sign-in": { claims: { nonce: "another" } },
  "that is over": { claims: { iat: now - 7200, exp: now - 3600 } },
  "beside another's access token": { claims: { at_hash: "AAAAAAAAAAAAAAAAAAAAAA" } },
})) {
  cases[`an ID token ${what} is not taken`] = async () => {
    await provider({ whole: true, spoil });
    const browser = new Browser();
    await refused(browser, await browser.signIn("ada"), 403, unconfirmed);
  };
}
cases["a provider that signs with a new key is asked for its keys again"] = async () => {
  await provider({ whole: true, key: jwk("another") });
  const deadline = Date.now() + 60_000;
  let told;
  do {
    const browser = new Browser();
    await browser.signIn("ada");
    ({ told } = await browser.whoami());
  } while (!told.user && Date.now() < deadline && (await sleep(500, true)));
  assert.equal(told.user, "ada");
};
cases["every sign-in is in the audit trail"] = async () => {
  const told = JSON.parse(await run("audit list --json"));
  const all = told.filter((entry) => entry.after?.how === "oidc");
  const count = (action, why) =>
    all.filter((entry) => entry.action === action && (!why || why.test(entry.after.why))).length;
  assert.equal(count("signin.ok"), 4);
  for (const why of [/no such user/, /not verified/, /no email/, /disabled/, /access_denied/, /another state/])
    assert.ok(count("signin.failed", why), String(why));
  assert.ok(all.every((entry) => /^127\./.test(entry.address) && !JSON.stringify(entry).includes("example.com")));
  assert.equal(told.filter((entry) => entry.action === "link.made").length, 2);
  await run("audit verify");
};

let passed = 0;
let failed = 0;
try {
  for (const [id, role] of [["ada", "finance"], ["gone", "viewer"]]) {
    await admin("users", { id, spec: { email: `${id}@example.com`, disabled: id === "gone" } });
    await admin("bindings", { id, spec: { user: id, role } });
  }
  for (const [name, shown] of Object.entries(cases)) {
    try {
      await shown();
      passed += 1;
    } catch (error) {
      failed += 1;
      console.error(`FAILED: ${name}\n${error.stack}`);
    }
  }
} finally {
  await stop();
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
