// The check against a real server, under Node: `npm test`.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { check } from "../src/check.js";

const server = createServer((request, response) => {
  response.writeHead(request.url === "/" ? 200 : 503).end("we are open");
});
let base;
before(async () => {
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  base = `http://127.0.0.1:${server.address().port}`;
});
after(() => server.close());

const run = (config) => check.run({ config: check.validate(JSON.stringify(config)).config, timeoutMs: 5000 });

test("a page is up when it is there and says what it should", async () => {
  const found = await run({ url: `${base}/`, contains: "open" });
  assert.deepEqual([found.status, found.code], ["up", "ok"]);
  assert.deepEqual(found.attributes, [{ key: "http.status", value: { tag: "integer", val: 200n } }]);
});

test("it is down when it is not, with the reason", async () => {
  assert.equal((await run({ url: `${base}/`, contains: "closed" })).code, "text-missing");
  assert.equal((await run({ url: `${base}/gone` })).code, "status-unexpected");
  assert.equal((await run({ url: "http://127.0.0.1:1/" })).code, "no-answer");
});

test("what is wrong with a config is told with its place", () => {
  const wrong = (config) => {
    try {
      check.validate(config);
    } catch (problems) {
      return problems.map(({ code, field }) => [code, field]);
    }
  };
  assert.deepEqual(wrong("{"), [["config-not-json", undefined]]);
  assert.deepEqual(wrong('{"contains": 7}'), [["config-missing-field", "/url"], ["config-wrong-type", "/contains"]]);
  assert.deepEqual(wrong('{"url": "gopher"}'), [["url-bad", "/url"]]);
});
