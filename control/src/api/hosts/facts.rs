//! What may be said of a host when it is registered or invited, judged field by field.

use std::collections::BTreeMap;

use farwatch_proto::fleet::{HostFacts, WEIGHT_MAX};
use farwatch_proto::id::{HostId, TenantId};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Api, ApiError};
use crate::spec::{
    CONTINENTS, FieldProblem, check_name, check_word, labels_schema, name_schema, pointer_key, word_schema,
};

/// The most labels a host may carry: all of them stand in every view.
pub(super) const LABELS_MAX: usize = 32;

/// A host as an operator says it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HostWish {
    /// Where the host has an id already; one is made where it has not.
    pub(super) id: Option<HostId>,
    #[schemars(schema_with = "name_schema")]
    name: String,
    #[schemars(schema_with = "word_schema")]
    provider: String,
    asn: u32,
    #[schemars(pattern(r"^[A-Z]{2}$"))]
    country: String,
    #[schemars(extend("enum" = CONTINENTS))]
    continent: String,
    #[schemars(schema_with = "word_schema")]
    region: String,
    #[serde(default)]
    #[schemars(schema_with = "labels_schema::<LABELS_MAX>")]
    labels: BTreeMap<String, String>,
    #[serde(default = "one_ticket")]
    #[schemars(range(min = 1, max = WEIGHT_MAX))]
    weight: u16,
    tenant: Option<TenantId>,
    #[schemars(length(min = 1, max = 63), pattern(r"^[A-Za-z0-9_./:-]+$"))]
    shared_machine: Option<String>,
}

pub(super) const fn one_ticket() -> u16 {
    1
}

/// The facts of a host that is to be registered, if they are acceptable.
pub(super) async fn judge(api: &Api, facts: HostFacts) -> Result<HostFacts, ApiError> {
    let mut problems = facts_problems(&facts);
    if let Some(tenant) = facts.tenant
        && api.store.tenants().get(tenant).await?.is_none()
    {
        problems.push(FieldProblem::new("/tenant", format!("there is no tenant {tenant}; leave it away to serve all")));
    }
    if problems.is_empty() { Ok(facts) } else { Err(ApiError::Invalid(problems)) }
}

impl HostWish {
    /// What it says of the host, but for its id.
    pub(super) fn into_facts(self) -> HostFacts {
        let Self { name, provider, asn, country, continent, region, labels, weight, tenant, shared_machine, .. } = self;
        HostFacts { name, provider, asn, country, continent, region, labels, weight, tenant, shared_machine }
    }
}

/// What is wrong with them, field by field.
pub(super) fn facts_problems(facts: &HostFacts) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    let mut note = |pointer: &str, judged: Result<(), String>| {
        problems.extend(judged.err().map(|detail| FieldProblem::new(pointer, detail)));
    };
    let word = |what: &str, said: &str| check_word(said).map_err(|wrong| format!("the {what} {wrong}"));
    note("/name", check_name(&facts.name).map_err(|wrong| format!("the name {wrong}")));
    note("/provider", word("provider", &facts.provider));
    note("/region", word("region", &facts.region));
    if let Some(machine) = &facts.shared_machine {
        note("/shared_machine", word("machine", machine));
    }
    let is_country = facts.country.len() == 2 && facts.country.bytes().all(|byte| byte.is_ascii_uppercase());
    note("/country", demand(is_country, "write the country as two capitals (ISO 3166), such as DE"));
    let is_continent = CONTINENTS.contains(&facts.continent.as_str());
    note("/continent", demand(is_continent, &format!("use one of {}", CONTINENTS.join(", "))));
    let fits = (1..=WEIGHT_MAX).contains(&facts.weight);
    note("/weight", demand(fits, &format!("a weight is 1 to {WEIGHT_MAX} whole tickets")));
    note("/labels", demand(facts.labels.len() <= LABELS_MAX, &format!("a host may carry {LABELS_MAX} labels")));
    for (key, value) in &facts.labels {
        let pointer = format!("/labels/{}", pointer_key(key));
        note(&pointer, word("label", key).and_then(|()| word("value", value)));
    }
    problems
}

fn demand(holds: bool, detail: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(detail.to_owned()) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn facts(changes: &Value) -> HostFacts {
        let mut said = json!({
            "name": "fra-1", "provider": "hetzner", "asn": 24940, "country": "DE", "continent": "EU",
            "region": "eu-central"
        });
        crate::spec::merge_patch(&mut said, changes);
        serde_json::from_value::<HostWish>(said).unwrap().into_facts()
    }

    #[test]
    fn facts_are_judged_field_by_field() {
        assert_eq!(facts_problems(&facts(&json!({}))), []);
        for (changes, pointer) in [
            (json!({"name": ""}), "/name"),
            (json!({"provider": "a b"}), "/provider"),
            (json!({"country": "de"}), "/country"),
            (json!({"continent": "Europe"}), "/continent"),
            (json!({"weight": 0}), "/weight"),
            (json!({"weight": 17}), "/weight"),
            (json!({"labels": {"a b": "c"}}), "/labels/a b"),
            (json!({"shared_machine": ""}), "/shared_machine"),
        ] {
            let pointers: Vec<String> =
                facts_problems(&facts(&changes)).into_iter().map(|problem| problem.pointer).collect();
            assert_eq!(pointers, [pointer], "{changes}");
        }
    }
}
