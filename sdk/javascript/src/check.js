// Fetches a page, and is down unless it is there and says what it should.

import { down, module, problem, up } from "../farwatch/module.js";

export const check = module({
  name: "my-check",
  version: "0.1.0",
  summary: "Fetches a page, and is down unless it is there and says what it should.",
  capabilities: ["http"],
  config: {
    type: "object",
    required: ["url"],
    additionalProperties: false,
    properties: {
      url: { type: "string", format: "uri", description: "The page." },
      contains: { type: "string", description: "A text that must stand in it." },
    },
    examples: [{ url: "https://example.com", contains: "Example" }],
  },

  judge({ url }) {
    const isWhole = url.startsWith("http://") || url.startsWith("https://");
    return isWhole ? [] : [problem("url-bad", "write a whole URL, such as https://example.com", "/url")];
  },

  async run({ url, contains }) {
    const began = performance.now();
    let response, text;
    try {
      response = await fetch(url, { redirect: "manual" });
      text = await response.text();
    } catch (error) {
      return down("no-answer", `the page did not answer: ${error.message}`);
    }
    const facts = { latencyMs: performance.now() - began, "http.status": response.status };
    if (!response.ok) return down("status-unexpected", `the page is not there, by status ${response.status}`, facts);
    if (contains !== undefined && !text.includes(contains)) {
      return down("text-missing", `the page is there and does not say "${contains}"`, facts);
    }
    return up(`the page is there, by status ${response.status}`, facts);
  },
});
