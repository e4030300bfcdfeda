// compare.mjs CASES ALLOWED KIND NAME=DIRECT=OTHER …: what differs between two runs of the same cases, less what
// the list allows. Prints one line per case and SDK, then `N passed, N failed`.
import fs from "node:fs";
import { differences, Report, request, rows, Rules } from "./differences.mjs";

const [casesFile, allowedFile, kind, ...pairs] = process.argv.slice(2);
const cases = JSON.parse(fs.readFileSync(casesFile, "utf8"));
const rules = new Rules(allowedFile, kind);
const report = new Report();

const read = (file) => new Map(rows(file).map((row) => [row.name, row]));

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
    const place = { sdk, upstream: item.upstream, cases: item.name };
    report.add(`${sdk} ${item.name}`, found.filter((difference) => !rules.allow(place, difference)));
  }
}
report.end(rules.unneeded());
