// Vercel's SDK with its provider for OpenAI, chat completions.
import { run } from "./harness.mjs";
import { call, failure } from "./vercel.mjs";

await run(call("chat"), failure);
