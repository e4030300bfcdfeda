// What differs between two runs of the same cases, less what a list of rules allows.
import fs from "node:fs";

/** Results as the clients print them: one JSON object a line. */
export const rows = (file) => fs.readFileSync(file, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));

/** Header names in lower case, values of the same name joined; the body parsed, its bytes beside it. */
export function request(raw) {
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

/** The paths at which two values differ. */
export function* differences(left, right, path) {
  if (left !== null && right !== null && typeof left === "object" && typeof right === "object" && Array.isArray(left) === Array.isArray(right)) {
    for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
      yield* differences(left[key], right[key], `${path}.${key}`);
    }
  } else if (left !== right) {
    yield { path, left, right };
  }
}

const matches = (pattern, text) => new RegExp(`^${pattern.split("*").map((part) => part.replace(/[.\\+?^$()[\]{}|]/g, "\\$&")).join(".*")}$`).test(text);

/** Whether the other text is the direct one after the edit that the rule names: [from, to], `}$` for the closing brace. */
const edited = ([from, to], { left, right }) =>
  typeof left === "string" && right === (from === "}$" ? left.replace(/}$/, to) : left.replace(from, to));

const suits = (wanted, found) => !wanted || (Array.isArray(wanted) ? wanted.some((one) => matches(one, found)) : matches(wanted, found));

/**
 * The rules of a file for a kind of run. A rule has a `field` (`*` stands for anything), may ask for an `edit` or for what
 * the other run `says`, and is kept to where its other fields (`sdk`, `upstream`, `client`, `cases`, …) say. One that nothing needs is a failure,
 * unless it says `maybe`.
 */
export class Rules {
  constructor(file, kind) {
    this.rules = JSON.parse(fs.readFileSync(file, "utf8")).filter((rule) => rule.when.includes(kind));
    for (const rule of this.rules) rule.used = 0;
  }

  /** Whether a difference is allowed at a place such as `{sdk, upstream, cases}`. */
  allow(place, difference) {
    return this.rules.some((rule) => {
      const fits =
        matches(rule.field, difference.path) &&
        (!rule.says || JSON.stringify(difference.right)?.includes(rule.says)) &&
        (!rule.edit || edited(rule.edit, difference)) &&
        Object.entries(place).every(([name, found]) => suits(rule[name], found));
      if (fits) rule.used += 1;
      return fits;
    });
  }

  unneeded() {
    return this.rules.filter((rule) => !rule.used && !rule.maybe);
  }
}

/** Counts and prints. */
export class Report {
  passed = 0;
  failed = 0;

  add(name, wrong, quiet = false) {
    const show = (value) => JSON.stringify(value)?.slice(0, 300);
    if (wrong.length) this.failed += 1;
    else this.passed += 1;
    if (wrong.length || !quiet) console.log(`${wrong.length ? "FAIL" : "ok"} ${name}`);
    for (const { path, left, right } of wrong) console.log(`     ${path}: direct ${show(left)}, other ${show(right)}`);
  }

  end(rules) {
    for (const rule of rules) {
      this.failed += 1;
      console.log(`FAIL the list allows ${rule.field}${rule.cases ? ` in ${rule.cases}` : ""}, which nothing needs`);
    }
    console.log(`${this.passed} passed, ${this.failed} failed`);
    process.exitCode = this.failed ? 1 : 0;
  }
}
