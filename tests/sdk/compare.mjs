// compare.mjs CASES ALLOWED KIND NAME=DIRECT=OTHER …: what differs between two runs of the same cases, less what
// the list allows. Prints one line per case and SDK, then `N passed, N failed`.
import fs from "node:fs";

const [casesFile, allowedFile, kind, ...pairs] = process.argv.slice(2);
const cases = JSON.parse(fs.readFileSync(casesFile, "utf8"));
const allowed = JSON.parse(fs.readFileSync(allowedFile, "utf8")).filter((rule) => rule.when.includes(kind));
for (const rule of allowed) rule.used = 0;

const read = (file) =>
  new Map(fs.readFileSync(file, "utf8").trim().split("\n").map((line) => JSON.parse(line)).map((row) => [row.name, row]));

/** Header names in lower case, values of the same name joined; the body parsed, its bytes beside it. */
function request(raw) {
  const headers = {};
  for (const [name, value] of raw.headers) {
    const key = name.toLowerCase();
    headers[key] = key in headers ? `${headers[key]}, ${value}` : value;
  }
  let body = raw.body;
  try {
    body = JSON.parse(raw.body);
  } catch {} // stays text
  return { method: raw.method, path: raw.path, headers, body, bytes: raw.body };
}

/** Whether the other text is the direct one after the edit that the rule names: [from, to], `}$` for the closing brace. */
const edited = ([from, to], { left, right }) =>
  typeof left === "string" && right === (from === "}$" ? left.replace(/}$/, to) : left.replace(from, to));

/** The paths at which two values differ. */
function* differences(left, right, path) {
  if (left !== null && right !== null && typeof left === "object" && typeof right === "object" && Array.isArray(left) === Array.isArray(right)) {
    for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
      yield* differences(left[key], right[key], `${path}.${key}`);
    }
  } else if (left !== right) {
    yield { path, left, right };
  }
}

const matches = (pattern, text) => new RegExp(`^${pattern.split("*").map((part) => part.replace(/[.\\+?^$()[\]{}|]/g, "\\$&")).join(".*")}$`).test(text);

const allows = (sdk, item) => (difference) =>
  allowed.some((rule) => {
    const fits =
      matches(rule.field, difference.path) &&
      (!rule.edit || edited(rule.edit, difference)) &&
      (!rule.upstream || rule.upstream === item.upstream) &&
      (!rule.sdk || rule.sdk === sdk) &&
      (!rule.cases || rule.cases.includes(item.name));
    if (fits) rule.used += 1;
    return fits;
  });

let [passed, failed] = [0, 0];
for (const pair of pairs) {
  const [sdk, direct, other] = pair.split("=");
  const [left, right] = [read(direct), read(other)];
  for (const item of cases) {
    const [a, b] = [left.get(item.name), right.get(item.name)];
    const found = [];
    if (!a || !b) {
      found.push({ path: "ran", left: !!a, right: !!b });
    } else {
      // a case that fails by itself would compare equal and show nothing
      if ("error" in a.result !== !!item.fails) found.push({ path: "direct failed", left: a.result, right: !!item.fails });
      found.push(...differences(a.requests.map(request), b.requests.map(request), "requests"));
      found.push(...differences(a.result, b.result, "result"));
    }
    const wrong = found.filter((difference) => !allows(sdk, item)(difference));
    const show = (value) => JSON.stringify(value)?.slice(0, 160);
    if (wrong.length) failed += 1;
    else passed += 1;
    console.log(`${wrong.length ? "FAIL" : "ok"} ${sdk} ${item.name}`);
    for (const { path, left, right } of wrong) console.log(`     ${path}: direct ${show(left)}, other ${show(right)}`);
  }
}
for (const rule of allowed.filter((rule) => !rule.used && !rule.maybe)) {
  failed += 1;
  console.log(`FAIL the list allows ${rule.field}${rule.cases ? ` in ${rule.cases}` : ""}, which nothing needs`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
