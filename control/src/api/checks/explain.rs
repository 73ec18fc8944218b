//! Why a check runs where it runs: every host with its reason, and what weakens the placement.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use farwatch_core::placement::{OWNERS, Reason, Subject, eligible_hosts, explain};
use farwatch_proto::check::{Repeat, STREAMS_MAX};
use farwatch_proto::fleet::{Standing, View, ViewHost};
use farwatch_proto::id::{CheckId, HostId, TenantId};
use farwatch_proto::time::{Stamp, UnixMs};
use schemars::JsonSchema;
use serde::Serialize;

use super::super::Api;
use super::super::auth::Reader;
use super::super::extract::{Id, Params};
use super::super::openapi::{Kind, Parameter, query};
use super::super::problem::ApiError;
use super::{find, parsed_spec};
use crate::store::{Check, Revision};

query!(pub(in super::super) ExplainQuery, [Parameter { name: "stream", about: "Which of its streams; the first when absent.", kind: Kind::Count }]);

#[derive(Serialize, JsonSchema)]
pub(super) struct ExplainView {
    check: CheckId,
    stream: u16,
    streams: u16,
    /// The revision whose wish is explained: the one in force, or the pending one where none is.
    revision: u32,
    /// The newest view; absent while there is none.
    view: Option<Stamp>,
    view_in_force_from: Option<UnixMs>,
    /// Who owns the stream, by rank.
    owners: Vec<OwnerView>,
    /// What weakens the placement; empty when nothing does.
    warnings: Vec<String>,
    hosts: Vec<HostReasonView>,
}

#[derive(Serialize, JsonSchema)]
struct OwnerView {
    host: HostId,
    host_name: String,
    provider: String,
}

#[derive(Serialize, JsonSchema)]
struct HostReasonView {
    host: HostId,
    host_name: String,
    provider: String,
    region: String,
    standing: Standing,
    place: Option<usize>,
    rank: Option<usize>,
    because: String,
}

pub(super) async fn show(
    State(api): State<Api>,
    Reader { tenant }: Reader,
    Id(id): Id<CheckId>,
    params: Params<ExplainQuery>,
) -> Result<Json<ExplainView>, ApiError> {
    let check = find(&api, tenant, id).await?;
    let revision = revision_in_force(&api, check).await?;
    let number = stream_number(&params, revision.streams)?;
    let newest = api.store.views().latest_in_force().await?.map(|stored| stored.view);
    explained(&revision, tenant, number, newest.as_ref()).map(Json)
}

async fn revision_in_force(api: &Api, check: Check) -> Result<Revision, ApiError> {
    let Check { latest, in_force_revision, .. } = check;
    match in_force_revision {
        Some(number) if number != latest.revision => {
            let in_force = api.store.checks().revision(latest.check, number).await?;
            Ok(in_force.unwrap_or(latest))
        }
        _ => Ok(latest),
    }
}

fn stream_number(params: &Params<ExplainQuery>, streams: u16) -> Result<u16, ApiError> {
    let wrong = || {
        ApiError::parameter(
            "stream",
            format!("the check has {streams} streams, from 0 to {}", streams.saturating_sub(1)),
        )
    };
    let Some(text) = params.text("stream") else { return Ok(0) };
    text.parse().ok().filter(|number| *number < streams.min(STREAMS_MAX)).ok_or_else(wrong)
}

fn explained(
    revision: &Revision,
    tenant: TenantId,
    stream: u16,
    newest: Option<&View>,
) -> Result<ExplainView, ApiError> {
    let wish = parsed_spec(&revision.spec, revision.check)?.placement;
    let subject = Subject { check: revision.check, tenant, wish: &wish, repeat: revision.repeat };
    let mut shown = ExplainView {
        check: revision.check,
        stream,
        streams: revision.streams,
        revision: revision.revision,
        view: newest.map(|view| view.number),
        view_in_force_from: newest.map(|view| view.in_force_from),
        owners: Vec::new(),
        warnings: Vec::new(),
        hosts: Vec::new(),
    };
    if revision.is_heartbeat() {
        shown.warnings.push("a job calls control, and no host runs anything".to_owned());
        return Ok(shown);
    }
    let Some(view) = newest else {
        shown.warnings.push("no view is in force yet: no host has been heard".to_owned());
        return Ok(shown);
    };
    let reasons = explain(&subject, stream, view);
    let owners = owners_of(&reasons, view);
    shown.warnings = warnings(&owners, eligible_hosts(&subject, view).len(), revision.repeat);
    shown.owners = owners.iter().map(|host| owner_view(host)).collect();
    shown.hosts = reasons.into_iter().filter_map(|reason| host_view(reason, view)).collect();
    Ok(shown)
}

fn owners_of<'v>(reasons: &[Reason], view: &'v View) -> Vec<&'v ViewHost> {
    let mut ranked: Vec<(usize, HostId)> =
        reasons.iter().filter_map(|reason| reason.rank.map(|rank| (rank, reason.host))).collect();
    ranked.sort_unstable();
    ranked.into_iter().filter_map(|(_, host)| view.host(host)).collect()
}

fn owner_view(host: &ViewHost) -> OwnerView {
    OwnerView { host: host.id, host_name: host.facts.name.clone(), provider: host.facts.provider.clone() }
}

fn host_view(reason: Reason, view: &View) -> Option<HostReasonView> {
    let host = view.host(reason.host)?;
    let facts = &host.facts;
    Some(HostReasonView {
        host: host.id,
        host_name: facts.name.clone(),
        provider: facts.provider.clone(),
        region: facts.region.clone(),
        standing: host.standing,
        place: reason.place,
        rank: reason.rank,
        because: reason.because,
    })
}

/// What weakens the placement of a stream with these owners.
fn warnings(owners: &[&ViewHost], eligible: usize, repeat: Repeat) -> Vec<String> {
    let mut warnings = Vec::new();
    if owners.is_empty() {
        warnings.push("no host may run it and is there: it stays pending, or goes unwatched".to_owned());
    }
    match repeat {
        Repeat::Unsafe => warnings.push(
            "it must not be run twice, so it has no standby and no votes: it stands outside the promise".to_owned(),
        ),
        Repeat::Safe if (1..OWNERS).contains(&owners.len()) => {
            warnings.push(format!(
                "it has {} of {OWNERS} owners: fewer hosts may run it than the promise needs",
                owners.len()
            ));
        }
        Repeat::Safe => {}
    }
    if eligible == 1 {
        warnings.push("a single host may run it, so an outage is not independently confirmed".to_owned());
    }
    warnings.extend(shared(owners, "provider", |host| Some(&host.facts.provider)));
    warnings.extend(shared(owners, "machine", |host| host.facts.shared_machine.as_deref()));
    warnings
}

/// Says which owners share something, for they may fail together.
fn shared<'v>(owners: &[&'v ViewHost], what: &str, of: impl Fn(&'v ViewHost) -> Option<&'v str>) -> Vec<String> {
    let mut by_value: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for owner in owners {
        if let Some(value) = of(owner) {
            by_value.entry(value).or_default().push(&owner.facts.name);
        }
    }
    let several = by_value.into_iter().filter(|(_, names)| names.len() > 1);
    several.map(|(value, names)| format!("the owners {} share the {what} {value}", names.join(", "))).collect()
}

#[cfg(test)]
mod tests {
    use farwatch_proto::fleet::HostFacts;

    use super::*;

    fn host(number: u8, provider: &str, machine: Option<&str>) -> ViewHost {
        let facts = HostFacts {
            name: format!("host-{number}"),
            provider: provider.to_owned(),
            asn: 1,
            country: "DE".to_owned(),
            continent: "EU".to_owned(),
            region: "eu".to_owned(),
            labels: BTreeMap::new(),
            weight: 1,
            tenant: None,
            shared_machine: machine.map(str::to_owned),
        };
        ViewHost { id: HostId::from_bytes([number; 16]), standing: Standing::Active, facts }
    }

    fn warned(hosts: &[ViewHost], eligible: usize, repeat: Repeat) -> Vec<String> {
        warnings(&hosts.iter().collect::<Vec<_>>(), eligible, repeat)
    }

    #[test]
    fn three_owners_apart_leave_nothing_to_warn_of() {
        let apart = [host(1, "a", None), host(2, "b", None), host(3, "c", None)];
        assert!(warned(&apart, 5, Repeat::Safe).is_empty());
    }

    #[test]
    fn what_owners_share_is_said_by_name() {
        let together = [host(1, "a", Some("m1")), host(2, "b", Some("m1")), host(3, "a", None)];
        let warnings = warned(&together, 5, Repeat::Safe);
        assert_eq!(
            warnings,
            ["the owners host-1, host-3 share the provider a", "the owners host-1, host-2 share the machine m1"]
        );
    }

    #[test]
    fn too_few_owners_and_unsafe_checks_are_said() {
        assert!(warned(&[], 0, Repeat::Safe)[0].contains("no host may run it"));
        let one = [host(1, "a", None)];
        let warnings = warned(&one, 1, Repeat::Safe);
        assert!(warnings[0].contains("1 of 3 owners") && warnings[1].contains("not independently confirmed"));
        assert!(warned(&one, 3, Repeat::Unsafe)[0].contains("outside the promise"));
    }
}
