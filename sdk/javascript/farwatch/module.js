// What a check module is made with: `module` exports one, and `up`, `degraded`, `down` say what it found.
//
// It imports nothing, so that a check runs under Node as well, for its test.

/** The target did everything that was asked of it. */
export const up = (message = "", facts = {}) => outcome("up", "ok", message, facts);

/** The target works, but worse than it should. `code` is a stable word such as "slow". */
export const degraded = (code, message, facts = {}) => outcome("degraded", code, message, facts);

/** The target failed. `code` is a stable word such as "status-unexpected"; `message` is what people read at night. */
export const down = (code, message, facts = {}) => outcome("down", code, message, facts);

/**
 * Something that is wrong with the config or with the run itself, never with the target: throw it from `run`, or return a
 * list of them from `judge`. `field` is the part of the config that is wrong, as a JSON pointer such as "/url".
 */
export const problem = (code, message, field = undefined) => ({ code, message, field });

/**
 * A module, as the treaty wants it: `export const check = module({...})`.
 *
 * `name`, `version`, `summary` and `capabilities` say what it is; `config` is the JSON Schema of its config; `judge(config)`
 * may say more of what is wrong with one; `run(config, context)` looks at the target once and returns what it found.
 */
export function module({ name, version, summary, capabilities, config, judge = () => [], run }) {
  const schema = { $schema: "https://json-schema.org/draft/2020-12/schema", ...config };
  return {
    describe: () => ({ name, version, summary, capabilities, configSchema: JSON.stringify(schema) }),
    validate(text) {
      const read = reading(text, schema);
      const wrong = read.problems.length > 0 ? read.problems : judge(read.config);
      if (wrong.length > 0) throw wrong;
      return { config: new TextEncoder().encode(text) };
    },
    async run({ config, ...context }) {
      const found = await run(JSON.parse(new TextDecoder().decode(config)), context);
      return { ...found, latencyUs: BigInt(Math.round(found.latencyUs)), attributes: attributes(found.facts) };
    },
  };
}

// `latencyMs` among the facts is the latency by which the target is judged.
function outcome(status, code, message, { latencyMs = 0, ...facts }) {
  return { status, code, message, latencyUs: latencyMs * 1000, facts };
}

const attributes = (facts) => Object.entries(facts).map(([key, fact]) => ({ key, value: value(fact) }));

function value(fact) {
  if (typeof fact === "boolean") return { tag: "boolean", val: fact };
  if (typeof fact === "bigint" || Number.isSafeInteger(fact)) return { tag: "integer", val: BigInt(fact) };
  if (typeof fact === "number") return { tag: "float", val: fact };
  return { tag: "text", val: String(fact) };
}

// Holds a config against the first level of its schema: required and unknown fields, and their types.
function reading(text, { properties = {}, required = [] }) {
  let config;
  try {
    config = JSON.parse(text);
  } catch (error) {
    return { problems: [problem("config-not-json", `the config is not JSON: ${error.message}`)] };
  }
  if (kind(config) !== "object") {
    return { problems: [problem("config-wrong-type", "the config must be an object", "")] };
  }
  const missing = required.filter((field) => config[field] === undefined);
  const known = Object.keys(properties);
  const problems = missing.map((field) => problem("config-missing-field", `\`${field}\` is missing`, `/${field}`));
  for (const [field, given] of Object.entries(config)) {
    const wanted = properties[field]?.type;
    if (!known.includes(field)) {
      problems.push(problem("config-unknown-field", `\`${field}\` is none of ${known.join(", ")}`, `/${field}`));
    } else if (wanted !== undefined && !is(given, wanted)) {
      problems.push(problem("config-wrong-type", `\`${field}\` must be of type ${wanted}`, `/${field}`));
    }
  }
  return { config, problems };
}

const is = (given, wanted) =>
  [wanted].flat().some((type) => type === kind(given) || (type === "integer" && Number.isInteger(given)));

const kind = (given) => (given === null ? "null" : Array.isArray(given) ? "array" : typeof given);
