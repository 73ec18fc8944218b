//! What is said of a host when it is registered: whose machine it is, and where it stands.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::exit::{Failure, USAGE};

/// Whose machine it is, and where it stands; placement goes by it.
#[derive(Args, Debug)]
pub(crate) struct RegisterArgs {
    /// What to call it
    #[arg(value_name = "NAME")]
    name: String,
    /// Whose machine it is, such as hetzner
    #[arg(long, value_name = "WORD")]
    provider: String,
    /// The autonomous system of its addresses
    #[arg(long, value_name = "N")]
    asn: u32,
    /// Its country, by ISO 3166, such as DE
    #[arg(long, value_name = "CODE")]
    country: String,
    /// AF, AN, AS, EU, NA, OC or SA
    #[arg(long, value_name = "CODE")]
    continent: String,
    /// Your name for the place, such as eu-central
    #[arg(long, value_name = "WORD")]
    region: String,
    /// A label that checks may demand; may be repeated
    #[arg(long = "label", value_name = "NAME=VALUE")]
    labels: Vec<String>,
    /// Its share of the checks, in whole tickets; 1 when absent
    #[arg(long, value_name = "N")]
    weight: Option<u16>,
    /// The machine that it shares with other hosts of the fleet
    #[arg(long, value_name = "WORD")]
    shared_machine: Option<String>,
    /// The id that its certificate names; one is made when absent
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

impl RegisterArgs {
    /// The body of the request. What may stand in it is judged by the API.
    pub(super) fn wish(&self) -> Result<Value, Failure> {
        let Self { name, provider, asn, country, continent, region, .. } = self;
        let mut wish = json!({
            "name": name, "provider": provider, "asn": asn, "country": country, "continent": continent,
            "region": region, "labels": labels_of(&self.labels)?,
        });
        if let Some(weight) = self.weight {
            wish["weight"] = json!(weight);
        }
        for (field, said) in [("shared_machine", &self.shared_machine), ("id", &self.id)] {
            if let Some(said) = said {
                wish[field] = json!(said);
            }
        }
        Ok(wish)
    }
}

/// Labels as they are said on the command line.
pub(super) fn labels_of(said: &[String]) -> Result<Map<String, Value>, Failure> {
    let label = |label: &String| {
        let said = label.split_once('=').map(|(name, value)| (name.to_owned(), json!(value)));
        said.ok_or_else(|| Failure::new(USAGE, format_args!("--label {label}: write it as name=value")))
    };
    said.iter().map(label).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: RegisterArgs,
    }

    fn wish(more: &str) -> Result<Value, Failure> {
        let line = format!("x fra --provider p --asn 1 --country DE --continent EU --region eu{more}");
        Line::parse_from(line.split(' ')).args.wish()
    }

    #[test]
    fn what_is_not_said_is_left_to_the_api() {
        let facts = json!({"name": "fra", "provider": "p", "asn": 1, "country": "DE", "continent": "EU",
                           "region": "eu", "labels": {}});
        assert_eq!(wish("").unwrap(), facts);
        let more = wish(" --label disk=ssd --label tier= --weight 3 --shared-machine m").unwrap();
        assert_eq!(more["labels"], json!({"disk": "ssd", "tier": ""}));
        assert_eq!((&more["weight"], &more["shared_machine"]), (&json!(3), &json!("m")));
        let told = format!("{:?}", wish(" --label disk").unwrap_err());
        assert!(told.contains("--label disk: write it as name=value"), "{told}");
    }
}
