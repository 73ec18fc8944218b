//! What API tests speak of: a router over a fresh database, and callers with their tokens.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use farwatch_control::api::{self, ApiLimits, ApiState, ModuleJudge, token};
use farwatch_control::builtin;
use farwatch_control::clock::Clock;
use farwatch_control::leader::LeaderHandle;
use farwatch_control::links::Entrance;
use farwatch_control::metrics::Metrics;
use farwatch_control::seal::Sealer;
use farwatch_control::store::{DatabaseUrl, Store};
use farwatch_control::tail::Tail;
use farwatch_control::tasks::TaskList;
use farwatch_control::vault::Vault;
use farwatch_proto::join::AuthorityDigest;
use farwatch_proto::time::UnixMs;
use farwatch_sandbox::{CompileCommand, Sandbox, SandboxConfig};
use farwatch_tests::postgres::Postgres;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};
use tempfile::TempDir;
use tower::ServiceExt;

/// An answer of the API.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Reply {
    /// Its body, when it is a success of this status.
    #[track_caller]
    pub(super) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }

    /// A text of its body.
    #[track_caller]
    pub(super) fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_else(|| panic!("no {field} in {}", self.body)).to_owned()
    }
}

/// The API over a fresh database.
pub(super) struct House {
    pub(super) store: Store,
    router: Router,
    state: ApiState,
    /// The first token of the operator.
    pub(super) operator: String,
    /// Where the database is, in the words of the driver, for whatever happens behind the product's back.
    driver_url: String,
    _directory: TempDir,
}

impl House {
    pub(super) async fn on_sqlite() -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("farwatch.db");
        let driver_url = format!("sqlite://{}", path.display());
        Self::on(&DatabaseUrl::file(&path), driver_url, directory).await
    }

    pub(super) async fn on_postgres() -> Self {
        let url = Postgres::shared().create_database().unwrap();
        Self::on(&url.parse().unwrap(), url, TempDir::new().unwrap()).await
    }

    async fn on(url: &DatabaseUrl, driver_url: String, directory: TempDir) -> Self {
        let store = Store::open(url).await.unwrap();
        let sandbox = sandbox().clone();
        builtin::install(&store, &sandbox, Clock.wall()).await.unwrap();
        let operator = token::create_first_admin(&store, Clock.wall()).await.unwrap().unwrap();
        let sealer = Arc::new(Sealer::from_file(&directory.path().join("master.key")).unwrap());
        let state = ApiState {
            store: store.clone(),
            vault: Arc::new(Vault::open(store.clone(), sealer.clone()).await.unwrap()),
            sealer,
            tail: Tail::new(store.clone(), Clock),
            leader: LeaderHandle::new().0,
            tasks: TaskList::default(),
            modules: ModuleJudge::new(store.clone(), sandbox),
            limits: ApiLimits::GENEROUS,
            metrics: Metrics::new(Clock.wall()),
            entrance: entrance(LINK_ADDRESS, Some(AUTHORITY)),
            clock: Clock,
        };
        Self { store, router: api::router(state.clone()), state, operator, driver_url, _directory: directory }
    }

    /// The same house with other limits.
    pub(super) fn limited(mut self, limits: ApiLimits) -> Self {
        self.state.limits = limits;
        self.router = api::router(self.state.clone());
        self
    }

    /// The same house where hosts come in elsewhere.
    pub(super) fn with_entrance(mut self, address: &str, authority: Option<[u8; 32]>) -> Self {
        self.state.entrance = entrance(address, authority);
        self.router = api::router(self.state.clone());
        self
    }

    /// What it knows of the hours that are not folded.
    pub(super) fn tail(&self) -> Tail {
        self.state.tail.clone()
    }

    /// Runs a statement beside the store, and says how many rows it changed.
    pub(super) async fn run(&self, statement: &str) -> u64 {
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect(&self.driver_url).await.unwrap();
        let done = connection.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
        connection.close().await.unwrap();
        done.rows_affected()
    }

    /// Sends a request as it is.
    pub(super) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        // What is no JSON is shown as the text that it is.
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        let body =
            if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap_or_else(|_| text()) };
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// Asks with a token.
    pub(super) async fn ask(&self, token: &str, method: Method, path: &str, body: Option<Value>) -> Reply {
        let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        self.send(request.unwrap()).await
    }

    /// An answer that is text, as it came.
    pub(super) async fn text_of(&self, token: &str, path: &str) -> String {
        let request = Request::get(path).header("authorization", format!("Bearer {token}")).body(Body::empty());
        let response = self.router.clone().oneshot(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        self.ask(&self.operator, Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Reply {
        self.ask(&self.operator, Method::POST, path, Some(body)).await
    }

    pub(super) async fn patch(&self, path: &str, body: Value) -> Reply {
        self.ask(&self.operator, Method::PATCH, path, Some(body)).await
    }

    pub(super) async fn delete(&self, path: &str) -> Reply {
        self.ask(&self.operator, Method::DELETE, path, None).await
    }

    /// Makes something and returns its id.
    pub(super) async fn made(&self, path: &str, body: Value) -> String {
        let made = self.post(path, body).await;
        assert_eq!(made.status, 201, "{}", made.body);
        made.text("id")
    }

    /// A token of the only tenant, with this scope.
    pub(super) async fn token(&self, scope: &str) -> String {
        let wish = json!({"name": format!("{scope} of a test"), "scope": scope});
        self.post("/v1/tokens", wish).await.text("secret")
    }

    /// Registers a host of this name.
    pub(super) async fn host(&self, name: &str) -> String {
        self.made("/v1/hosts", host_wish(name)).await
    }
}

/// Where hosts dial.
pub(super) const LINK_ADDRESS: &str = "control.example:8401";
/// The digest of the fleet's authority.
pub(super) const AUTHORITY: [u8; 32] = [7; 32];

fn entrance(address: &str, authority: Option<[u8; 32]>) -> Entrance {
    Entrance { address: address.to_owned(), authority: authority.map(AuthorityDigest) }
}

/// A check of a shop at 10 s.
pub(super) fn check_wish(name: &str) -> Value {
    json!({"name": name, "module": "http", "config": {"url": "https://shop.example"}, "interval": 10})
}

/// A host in Falkenstein.
pub(super) fn host_wish(name: &str) -> Value {
    json!({
        "name": name, "provider": "hetzner", "asn": 24940, "country": "DE", "continent": "EU",
        "region": "eu-central",
    })
}

pub(super) fn now() -> UnixMs {
    Clock.wall()
}

/// One sandbox for all tests: a module is compiled once, and kept for the next run of the tests.
fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| {
        let config = SandboxConfig {
            directory: PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("api-sandbox"),
            run_places: SandboxConfig::CONTROL_RUN_PLACES,
            loaded_modules: SandboxConfig::LOADED_MODULES,
            compile: CompileCommand { program: compile_child(), arguments: Vec::new(), wall: CompileCommand::WALL },
        };
        Sandbox::new(config).unwrap()
    })
}

/// The example of this crate, which is built along with its tests.
fn compile_child() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let beside = tests.ancestors().nth(2).unwrap().join("examples/compile-module");
    assert!(beside.exists(), "{} is missing: run cargo build --examples", beside.display());
    beside
}
