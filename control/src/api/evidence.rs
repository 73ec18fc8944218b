//! What failed runs brought, as callers see it: of a check newest first, of an incident as it began.

use farwatch_core::evidence::{AHEAD_MAX_MS, Brought, Occasion};
use farwatch_core::uptime::Period;
use farwatch_proto::id::{HostId, OrderId, TenantId};
use farwatch_proto::outcome::{Attribute, Blame, Shown};
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::Serialize;

use super::Api;
use super::extract::Cursor;
use super::problem::ApiError;
use super::results::{HostNames, blame};
use crate::store::{EvidencePiece, EvidencePlace, Incident, IncidentState};

/// Pieces that an incident shows: how it began, as five vantage points saw it, and how it went on for half an hour. The
/// list of its check has the others.
const OF_INCIDENT_MAX: u32 = 20;

/// What one failed run brought.
#[derive(Serialize, JsonSchema)]
pub(super) struct EvidenceView {
    stream: u16,
    /// The slot, or when the vote was ordered.
    slot: UnixMs,
    host: HostId,
    host_name: String,
    status: &'static str,
    /// Who is to blame that a run could not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    blame: Option<Blame>,
    /// Why it is kept: what is held of the check changed by it (`change`), it was counted as a `vote`, or it failed like
    /// others before it (`slot`), of which one is kept per code in ten minutes.
    kept_as: &'static str,
    code: String,
    message: String,
    attributes: Vec<Attribute>,
    /// What came from the target, without the values of secrets.
    shown: Vec<Shown>,
    /// Whether some of it was left out for its size.
    is_cut: bool,
    latency_us: u32,
    started: UnixMs,
    duration_us: u32,
    received: UnixMs,
    revision: u32,
    /// The order it answers, when its slot was not due.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<OrderId>,
}

impl EvidenceView {
    pub(super) fn of(piece: EvidencePiece, names: &HostNames) -> Self {
        let Brought { code, message, attributes, shown, is_cut } = piece.brought;
        Self {
            stream: piece.stream.number,
            slot: piece.slot,
            host: piece.host,
            host_name: names.of(piece.host),
            status: piece.status.word(),
            blame: blame(piece.status),
            kept_as: match piece.occasion {
                Occasion::Change => "change",
                Occasion::Vote => "vote",
                Occasion::Slot => "slot",
            },
            code,
            message,
            attributes,
            shown,
            is_cut,
            latency_us: piece.latency_us,
            started: piece.started,
            duration_us: piece.duration_us,
            received: piece.received,
            revision: piece.revision,
            order: piece.order,
        }
    }
}

/// The first pieces of an incident.
#[derive(Serialize, JsonSchema)]
pub(super) struct FirstEvidence {
    /// Why it failed: what failed runs of its time brought, oldest first.
    evidence: Vec<EvidenceView>,
    /// Whether the list of its check has more of it.
    more_evidence: bool,
}

impl FirstEvidence {
    pub(super) async fn load(
        api: &Api,
        tenant: TenantId,
        incident: &Incident,
        names: &HostNames,
    ) -> Result<Self, ApiError> {
        let Period { from, to } = period_of(incident, api.clock.wall());
        let of = (tenant, incident.check);
        let page = api.store.evidence().first_of_check(of, (from, to), OF_INCIDENT_MAX).await?;
        let evidence = page.items.into_iter().map(|piece| EvidenceView::of(piece, names)).collect();
        Ok(Self { evidence, more_evidence: page.more })
    }
}

/// The slots among which the evidence of an incident lies, as far as it is known at `now`.
pub(super) fn period_of(incident: &Incident, now: UnixMs) -> Period {
    let to = match incident.state {
        IncidentState::Open => now + AHEAD_MAX_MS,
        IncidentState::Resolved { at, .. } => at,
    };
    Period { from: incident.seen_since.min(incident.first_failed_slot), to }
}

impl Cursor for EvidencePlace {
    fn plain(&self) -> String {
        let order = self.order.map_or_else(String::new, |order| order.to_string());
        format!("evidence.{}.{}.{}.{order}", self.slot, self.stream, self.host)
    }

    fn of_plain(plain: &str) -> Option<Self> {
        let mut parts = plain.strip_prefix("evidence.")?.split('.');
        let slot = UnixMs(parts.next()?.parse().ok()?);
        let stream = parts.next()?.parse().ok()?;
        let host = parts.next()?.parse().ok()?;
        let order = match parts.next()? {
            "" => None,
            order => Some(order.parse().ok()?),
        };
        parts.next().is_none().then_some(Self { slot, stream, host, order })
    }
}

#[cfg(test)]
mod tests {
    use farwatch_proto::id::{CheckId, IncidentId};

    use super::*;

    #[test]
    fn a_place_reads_back_with_an_order_and_without() {
        for order in [None, Some(OrderId::from_bytes([3; 16]))] {
            let place = EvidencePlace { slot: UnixMs(7), stream: 2, host: HostId::from_bytes([1; 16]), order };
            assert_eq!(EvidencePlace::read(&place.shown()), Some(place));
            assert_eq!(CheckId::read(&place.shown()), None);
        }
        assert_eq!(EvidencePlace::of_plain("evidence.7.2"), None);
    }

    #[test]
    fn the_evidence_of_an_incident_lies_from_the_first_failure_to_its_end() {
        let mut incident = Incident {
            id: IncidentId::from_bytes([1; 16]),
            tenant: TenantId::from_bytes([2; 16]),
            check: CheckId::from_bytes([3; 16]),
            state: IncidentState::Open,
            first_failed_slot: UnixMs(50_000),
            seen_since: UnixMs(20_000),
            opened: UnixMs(52_000),
            summary: String::new(),
        };
        let now = UnixMs(100_000);
        assert_eq!(period_of(&incident, now), Period { from: UnixMs(20_000), to: now + AHEAD_MAX_MS });
        incident.state = IncidentState::Resolved { at: UnixMs(90_000), reason: "recovered".to_owned() };
        assert_eq!(period_of(&incident, now), Period { from: UnixMs(20_000), to: UnixMs(90_000) });
    }
}
