// A real OpenID provider on loopback: node-oidc-provider with its own pages, where any password will do.
//   provider.mjs '{"port": …, "back": "where people are sent back to", "key": a private JWK, …}'
// `whole`: ID tokens hold all claims, where else the user info endpoint tells them. `spoil`: claims of ID tokens that
// are changed before they are signed; `key` other than the published one, or `alg: "none"`, spoils the signature.
import { createPrivateKey, sign } from "node:crypto";
import Provider from "oidc-provider";

const { port, back, key, whole = false, spoil } = JSON.parse(process.argv[2]);
const people = {
  ada: { email: "Ada@Example.com", email_verified: true },
  eve: { email: "eve@example.com", email_verified: true },
  unverified: { email: "ada@example.com", email_verified: false },
  silent: {},
  gone: { email: "gone@example.com", email_verified: true },
};
const issuer = `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, {
  clients: [{ client_id: "hub", client_secret: "secret-of-the-hub", redirect_uris: [back] }],
  jwks: { keys: [key] },
  conformIdTokenClaims: !whole,
  claims: { openid: ["sub"], email: ["email", "email_verified"] },
  findAccount: (_, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
  cookies: { keys: ["a key of a test"] },
});

const code = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
provider.use(async (context, next) => {
  await next();
  if (!spoil || context.path !== "/token" || !context.body?.id_token) return;
  const { key: other, alg = "RS256", claims = {} } = spoil;
  const [head, said] = context.body.id_token.split(".").slice(0, 2).map((part) => JSON.parse(Buffer.from(part, "base64url")));
  const text = `${code({ ...head, alg })}.${code({ ...said, ...claims })}`;
  const signer = createPrivateKey({ key: other ?? key, format: "jwk" });
  const signature = alg === "none" ? "" : sign("sha256", Buffer.from(text), signer).toString("base64url");
  context.body = { ...context.body, id_token: `${text}.${signature}` };
});
provider.listen(port, "127.0.0.1", () => console.log(issuer));
