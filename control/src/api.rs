//! The API under `/v1`: JSON over HTTP, the only way in for people, the CLI and the panel.
//!
//! One file per resource, with its requests, views and handlers together; a handler authorises, reads,
//! asks the store or `core`, and shows. Only [`problem`] knows status codes of refusals. Nothing here holds
//! state: every process of the control plane answers alike, and what only the leader can do says so.

mod auth;
mod checks;
mod contacts;
mod deliveries;
mod extract;
mod health;
mod hosts;
mod incidents;
mod judge;
mod ledger;
mod modules;
mod problem;
mod results;
mod serve;
mod tasks;
mod tenants;
pub mod token;
mod tokens;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Uri;
use farwatch_proto::id::TenantId;
use farwatch_proto::time::UnixMs;
use farwatch_sandbox::Sandbox;
use tokio::net::TcpListener;
use tracing::warn;

use crate::clock::Clock;
use crate::leader::LeaderHandle;
use crate::seal::Sealer;
use crate::spawn::Spawner;
use crate::store::{AuditEntry, Store};
use crate::tasks::TaskList;
use auth::Caller;
use judge::ModuleJudge;
use problem::ApiError;

/// The largest body: far above any check, far below what would hurt.
pub const BODY_MAX_BYTES: usize = 1024 * 1024;

/// What the API is made of.
#[derive(Clone)]
pub struct ApiState {
    /// The database.
    pub store: Store,
    /// Seals the secrets of channels.
    pub sealer: Arc<Sealer>,
    /// The leader, if it is this process.
    pub leader: LeaderHandle,
    /// The background work of this process.
    pub tasks: TaskList,
    /// Where modules judge configs; it needs [`SandboxConfig::CONTROL_RUN_PLACES`] run places.
    ///
    /// [`SandboxConfig::CONTROL_RUN_PLACES`]: farwatch_sandbox::SandboxConfig::CONTROL_RUN_PLACES
    pub sandbox: Sandbox,
    /// What time it is.
    pub clock: Clock,
}

/// What handlers work with. Cheap to clone.
#[derive(Clone)]
struct Api {
    store: Store,
    sealer: Arc<Sealer>,
    leader: LeaderHandle,
    tasks: TaskList,
    modules: ModuleJudge,
    clock: Clock,
}

/// The API.
pub fn router(state: ApiState) -> Router {
    let ApiState { store, sealer, leader, tasks, sandbox, clock } = state;
    let modules = ModuleJudge::new(store.clone(), sandbox);
    Router::new()
        .merge(checks::router())
        .merge(contacts::router())
        .merge(deliveries::router())
        .merge(health::router())
        .merge(hosts::router())
        .merge(incidents::router())
        .merge(ledger::router())
        .merge(modules::router())
        .merge(tasks::router())
        .merge(tenants::router())
        .merge(tokens::router())
        .fallback(nothing_here)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .with_state(Api { store, sealer, leader, tasks, modules, clock })
}

/// Serves the API on this port until the process stops.
pub fn serve(state: ApiState, listener: TcpListener, spawner: &Spawner) {
    serve::serve(router(state), listener, spawner);
}

async fn nothing_here(uri: Uri) -> ApiError {
    ApiError::NotFound(format!("there is nothing at {}; the API is under /v1", uri.path()))
}

/// Something that was written, for whoever must hear of it.
struct Written {
    /// What was done, such as `check.create`.
    action: &'static str,
    /// To what.
    entity: String,
    /// For which tenant; `None` is the fleet.
    tenant: Option<TenantId>,
    /// When.
    now: UnixMs,
}

impl Api {
    /// Wakes the leader and notes who did it. The change stands already, so a note that fails is only logged.
    async fn tell(&self, caller: &Caller, written: Written) {
        self.leader.config_changed.notify_one();
        let entry = AuditEntry {
            at: written.now,
            tenant: written.tenant,
            actor: caller.token.to_string(),
            action: written.action.to_owned(),
            entity: written.entity,
            detail: "{}".to_owned(),
        };
        if let Err(error) = self.store.audit().append(&entry).await {
            warn!(%error, action = entry.action, entity = entry.entity, "a change is not in the audit log");
        }
    }
}
