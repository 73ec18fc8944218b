//! The database: every row the control plane keeps, on SQLite or PostgreSQL, by the same statements.
//!
//! One file per aggregate under `store/`, and SQL nowhere else. The store decides nothing that `core` could
//! decide; it keeps the rules that only a database can: unique names, gapless numbers, the fence against a former
//! leader, claims. It never asks what time it is and draws no randomness: both are passed in.

mod audit;
mod authorship;
mod backlog;
mod blocks;
mod checks;
mod columns;
mod config_log;
mod connect;
mod contacts;
mod database_url;
mod days;
mod deliveries;
mod detectors;
mod enforcement;
mod error;
mod host_marks;
mod hosts;
mod incidents;
mod journal;
mod journal_write;
mod judged_checks;
mod kept_answers;
mod late_failures;
mod leader_checkpoint;
mod leader_status;
mod lease;
mod migrations;
mod modules;
mod owners;
mod page;
mod revisions;
mod statements;
mod tenants;
mod tokens;
mod transaction;
mod views;

pub use audit::{Audit, AuditEntry, AuditFilter, AuditRecord};
pub use authorship::Signature;
pub use backlog::{Backlog, PoolUse};
pub use blocks::{BLOCKS_AT_ONCE, Blocks, FoldMark, StoredBlock};
pub use checks::{Check, CheckFilter, Checks, NewCheck, NewRevision};
pub use config_log::{Change, ConfigChange, ConfigLog, Entity};
pub use connect::Store;
pub use contacts::{Channel, ChannelChange, ChannelKind, Contact, Contacts, Disabled, NewChannel, NewContact};
pub use database_url::{BadDatabaseUrl, DatabaseUrl, Engine};
pub use days::{DAY_MS, Days, StoredDay};
pub use deliveries::{ClaimId, ClaimRequest, Claimed, Deliveries, Delivery, DeliveryState, NewDelivery, Retried, Step};
pub use detectors::{DetectorRow, Detectors};
pub use enforcement::{Enforcement, LedgerRevision, LedgerScope};
pub use error::{StoreError, Unique};
pub use host_marks::{HostMarks, MARKS_PER_HOST_MAX};
pub use hosts::{Host, Hosts};
pub use incidents::{Incident, IncidentEvent, IncidentFilter, IncidentPosition, IncidentState, Incidents, OVERLAP_MAX};
pub use journal::{FlushId, Journal, JournalHead, JournalKind, JournalRow, SlotRange};
pub use journal_write::{DetectorChange, Flush, FlushCommitted, Takeover};
pub use judged_checks::JudgedChecks;
pub use kept_answers::{KeptAnswer, KeptAnswers};
pub use late_failures::{LateFailure, LateFailures, LookBack, PastOutages};
pub use leader_checkpoint::{LeaderCheckpoint, LeaderCheckpoints};
pub use leader_status::{LeaderStatusTable, ShownStatus};
pub use lease::{Epoch, Held, Lease, LeaseTable};
pub use modules::{Module, Modules, NewModule};
pub use owners::Owned;
pub use page::{PAGE_MAX, Page};
pub use revisions::{InForce, Revision};
pub use tenants::{NewTenant, Tenant, Tenants};
pub use tokens::{NewToken, Token, Tokens};
pub use views::{StoredView, ViewState, Views};
