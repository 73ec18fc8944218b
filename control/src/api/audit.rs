//! The audit log: who did what, and who was refused, newest first.

use axum::Json;
use axum::extract::State;
use farwatch_proto::id::TenantId;
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Api;
use super::auth::Caller;
use super::extract::{AuditPlace, PageView, Params, page_of};
use super::openapi::{CURSOR, FROM, Kind, LIMIT, Parameter, TO, query};
use super::problem::ApiError;
use super::routes::Routes;
use super::token::Scope;
use crate::store::{AuditFilter, AuditRecord};

query!(
    AuditQuery,
    [
        Parameter {
            name: "actor",
            about: "What this one did: a token by its id, `farwatch` or `nobody`.",
            kind: Kind::Text
        },
        Parameter {
            name: "action",
            about: "Such as `check.create`, or `refused.` for all that begin so.",
            kind: Kind::Text
        },
        Parameter { name: "entity", about: "What was done to this, by its id.", kind: Kind::Text },
        FROM,
        TO,
        LIMIT,
        CURSOR,
    ]
);

pub(super) fn routes() -> Routes {
    Routes::default().get("/v1/audit", list).about("Who did what, and who was refused, newest first")
}

#[derive(Serialize, JsonSchema)]
struct AuditView {
    at: UnixMs,
    tenant: Option<TenantId>,
    /// The token that did it, or who else.
    actor: String,
    /// What, such as `check.create` or `refused.scope`.
    action: String,
    /// To what, by its id; or the path that was refused.
    entity: String,
    detail: Value,
}

impl From<AuditRecord> for AuditView {
    fn from(record: AuditRecord) -> Self {
        let entry = record.entry;
        // What is no JSON was written by hand; it is shown as the text it is.
        let detail = serde_json::from_str(&entry.detail).unwrap_or(Value::String(entry.detail));
        Self {
            at: entry.at,
            tenant: entry.tenant,
            actor: entry.actor,
            action: entry.action,
            entity: entry.entity,
            detail,
        }
    }
}

/// An operator that names no tenant means everything; a tenant sees its own.
async fn list(
    State(api): State<Api>,
    caller: Caller,
    params: Params<AuditQuery>,
) -> Result<Json<PageView<AuditView>>, ApiError> {
    caller.demand(Scope::Tenant)?;
    let is_everything = caller.scope == Scope::Operator && !caller.names_tenant();
    let tenant = if is_everything { None } else { Some(caller.acting_tenant(&api).await?) };
    let text = |name: &str| params.text(name).map(str::to_owned);
    let (actor, action, entity) = (text("actor"), text("action"), text("entity"));
    let filter = AuditFilter { tenant, actor, action, entity, from: params.moment("from")?, to: params.moment("to")? };
    let before: Option<AuditPlace> = params.cursor()?;
    let page = api.store.audit().list(&filter, before.map(|place| place.0), params.limit()?).await?;
    Ok(Json(page_of(page, |record| AuditPlace(record.id), AuditView::from)))
}
