//! The API under `/v1`: JSON over HTTP, the only way in for people, the CLI and the panel.
//!
//! One file per resource, with its requests, views and handlers together; a handler authorises, reads,
//! asks the store or `core`, and shows. What every request passes stands in [`gate`]. Only [`problem`] knows status
//! codes of refusals. Nothing here holds state but who asked how often: every process of the control plane answers
//! alike, and what only the leader can do says so.

mod audit;
mod auth;
mod checks;
mod contacts;
mod created;
mod deliveries;
mod evidence;
mod extract;
mod fleet;
mod gate;
mod health;
mod heartbeats;
mod held;
mod hosts;
mod idempotency;
mod incidents;
mod judge;
mod leadership;
mod ledger;
pub(crate) mod limits;
mod metrics;
mod modules;
mod openapi;
mod own_incidents;
mod problem;
mod quotas;
mod refusals;
mod releases;
mod results;
mod revision;
mod routes;
mod secrets;
mod serve;
mod tasks;
mod tenants;
pub mod token;
mod tokens;
mod uploads;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Uri;
use axum::middleware;
use farwatch_proto::id::TenantId;
use farwatch_proto::time::UnixMs;
use serde::Serialize;
use serde_json::json;
use tokio::net::TcpListener;

use crate::clock::Clock;
use crate::leader::LeaderHandle;
use crate::links::Entrance;
use crate::metrics::Metrics;
use crate::seal::Sealer;
use crate::spawn::Spawner;
use crate::store::{AuditEntry, Change, Signature, Store};
use crate::tail::Tail;
use crate::tasks::TaskList;
use crate::vault::Vault;
use auth::Caller;
use created::Created;
use limits::Limiter;
use openapi::Document;
use problem::ApiError;
use routes::Routes;
use uploads::Uploads;

pub use checks::TryRunView;
pub use judge::ModuleJudge;
pub use limits::ApiLimits;
pub use routes::Route;

/// The largest body: far above any check, far below what would hurt.
pub const BODY_MAX_BYTES: usize = 1024 * 1024;

/// What the API is made of.
#[derive(Clone)]
pub struct ApiState {
    /// The database. The API signs whatever it writes there.
    pub store: Store,
    /// Seals the secrets of channels.
    pub sealer: Arc<Sealer>,
    /// Keeps the secrets of checks.
    pub vault: Arc<Vault>,
    /// What is on record of the hours that are not folded.
    pub tail: Tail,
    /// The leader, if it is this process.
    pub leader: LeaderHandle,
    /// The background work of this process.
    pub tasks: TaskList,
    /// Has modules judge configs.
    pub modules: ModuleJudge,
    /// How much anybody may ask.
    pub limits: ApiLimits,
    /// Where answers are counted, and what is shown of it all.
    pub metrics: Metrics,
    /// Where new hosts come in.
    pub entrance: Entrance,
    /// What time it is.
    pub clock: Clock,
}

/// What handlers work with. Cheap to clone.
#[derive(Clone)]
struct Api {
    store: Store,
    sealer: Arc<Sealer>,
    vault: Arc<Vault>,
    tail: Tail,
    leader: LeaderHandle,
    tasks: TaskList,
    modules: ModuleJudge,
    uploads: Uploads,
    limiter: Arc<Limiter>,
    document: Document,
    metrics: Metrics,
    entrance: Arc<Entrance>,
    clock: Clock,
}

/// The API.
pub fn router(state: ApiState) -> Router {
    let ApiState { store, sealer, vault, tail, leader, tasks, modules, limits, metrics, entrance, clock } = state;
    let store = store.unsigned();
    let limiter = Arc::new(Limiter::new(limits));
    let routes = all_routes();
    let document = openapi::document(routes.list());
    let entrance = Arc::new(entrance);
    let uploads = Uploads::default();
    let api = Api {
        store,
        sealer,
        vault,
        tail,
        leader,
        tasks,
        modules,
        uploads,
        limiter,
        document,
        metrics,
        entrance,
        clock,
    };
    routes
        .into_router()
        .fallback(nothing_here)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .layer(middleware::from_fn_with_state(api.clone(), gate::pass))
        .layer(middleware::from_fn_with_state(api.clone(), metrics::count))
        .with_state(api)
}

/// Every route there is.
pub fn routes() -> Vec<Route> {
    all_routes().list().iter().map(|entry| entry.route).collect()
}

fn all_routes() -> Routes {
    Routes::default()
        .merge(audit::routes())
        .merge(checks::routes())
        .merge(contacts::routes())
        .merge(deliveries::routes())
        .merge(fleet::routes())
        .merge(health::routes())
        .merge(heartbeats::routes())
        .merge(held::routes())
        .merge(hosts::routes())
        .merge(incidents::routes())
        .merge(leadership::routes())
        .merge(ledger::routes())
        .merge(own_incidents::routes())
        .merge(metrics::routes())
        .merge(modules::routes())
        .merge(openapi::routes())
        .merge(quotas::routes())
        .merge(releases::routes())
        .merge(secrets::routes())
        .merge(tasks::routes())
        .merge(tenants::routes())
        .merge(tokens::routes())
}

/// Serves the API on this port until the process stops.
pub fn serve(state: ApiState, listener: TcpListener, spawner: &Spawner) {
    serve::serve(router(state), listener, spawner);
}

async fn nothing_here(uri: Uri) -> ApiError {
    ApiError::NotFound(format!("there is nothing at {}; the API is under /v1", uri.path()))
}

/// Something that is about to be written, as the audit log tells of it.
struct Deed {
    /// What is done, such as `check.create`.
    action: &'static str,
    /// To what.
    entity: String,
    /// For which tenant; `None` is the fleet.
    tenant: Option<TenantId>,
    /// When.
    now: UnixMs,
}

impl Api {
    /// The store for one config write of this caller, whose row in the audit log is in the transaction of the write.
    fn signed(&self, caller: &Caller, deed: Deed) -> Store {
        self.store.signed(Self::entry(caller, deed))
    }

    /// The store for one config write of this caller that makes something. Where the caller named a key, the answer is
    /// kept in the same transaction.
    fn signed_once<T: Serialize>(&self, caller: &Caller, deed: Deed, answer: &Created<T>) -> Result<Store, ApiError> {
        let answer = caller.keyed.as_ref().map(|keyed| keyed.keep(self, answer)).transpose()?;
        Ok(self.store.signed(Signature { entry: Self::entry(caller, deed), answer }))
    }

    fn entry(caller: &Caller, deed: Deed) -> AuditEntry {
        AuditEntry {
            at: deed.now,
            tenant: deed.tenant,
            actor: caller.token.to_string(),
            action: deed.action.to_owned(),
            entity: deed.entity,
            detail: json!({ "address": caller.address }).to_string(),
        }
    }

    /// Wakes the leader where something became of a wish.
    fn tell_leader_of(&self, change: Change) {
        if matches!(change, Change::Made(_)) {
            self.tell_leader();
        }
    }

    /// Wakes the leader: something was written that it may have to act on.
    fn tell_leader(&self) {
        self.leader.config_changed.notify_one();
    }
}
