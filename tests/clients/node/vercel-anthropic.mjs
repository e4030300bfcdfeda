// Vercel's SDK with its provider for Anthropic.
import { run } from "./harness.mjs";
import { call, failure } from "./vercel.mjs";

await run(call("anthropic"), failure);
