//! Views from decision to database to hosts.
//!
//! A view is a row before any host hears of it.

use farwatch_core::fleet::Decision;
use farwatch_proto::fleet::{Standing, View, ViewHost};
use farwatch_proto::link::FromControl;
use farwatch_proto::time::UnixMs;
use tracing::{info, warn};

use super::book::registered;
use super::draft::Now;
use super::state::State;
use crate::store::{Change, Store, StoreError};

/// Takes one step with the fleet.
pub(super) async fn step(store: &Store, state: &mut State, now: Now) -> Result<(), StoreError> {
    pass_on_acknowledgements(state);
    let newest = state.newest.clone();
    let book = &state.book;
    let decisions = state.fleet.step(&newest, now.boot, now.wall, |view| book.gainers(&newest, view));
    for decision in decisions {
        perform(store, state, decision, now.wall).await?;
    }
    Ok(())
}

/// A host has acknowledged a plan once it holds the plan and everything it was assigned for it.
fn pass_on_acknowledgements(state: &mut State) {
    let Some(plan) = state.fleet.plan().map(|plan| plan.number) else { return };
    for (host, session) in &state.sessions {
        if session.holds_all() && session.view.is_some_and(|view| view >= plan) {
            state.fleet.acknowledge(*host, plan);
        }
    }
}

async fn perform(store: &Store, state: &mut State, decision: Decision, now: UnixMs) -> Result<(), StoreError> {
    match decision {
        Decision::Propose(view) => {
            store.views().plan(state.epoch, &view, now).await?;
            info!(view = %view.number, in_force_from = %view.in_force_from, "view planned");
            state.views.put_plan(view.clone());
            state.book.plan(&state.newest, Some(&view));
            state.reassign_all();
            tell_all(state, &FromControl::Plan { view });
        }
        Decision::Withdraw(number) => {
            if store.views().withdraw_plan(state.epoch, number, now).await? == Change::NotFound {
                warn!(view = %number, "a plan to withdraw was never written");
            }
            info!(view = %number, "plan withdrawn");
            state.book.plan(&state.newest, None);
            tell_all(state, &FromControl::Withdraw { view: number });
            state.reassign_all();
        }
        Decision::Enforce(view) => {
            let announced = store.views().pending_plans().await?.iter().any(|plan| plan.view.number == view.number);
            if announced {
                store.views().confirm_plan(state.epoch, view.number, now).await?;
            } else {
                store.views().put_in_force(state.epoch, &view, now).await?;
            }
            let standings: Vec<String> =
                view.hosts.iter().map(|host| format!("{}={}", host.facts.name, host.standing.word())).collect();
            info!(view = %view.number, planned = view.planned, hosts = standings.join(" "), "view in force");
            log_standings(state, &view);
            state.views.put_in_force(view.clone());
            let placed_anew = registered(&view) != registered(&state.newest);
            state.newest = view.clone();
            if placed_anew {
                state.book.place(&view);
            }
            state.book.plan(&view, None);
            tell_all(state, &FromControl::View { view });
            state.dismiss_retired();
            state.reassign_all();
        }
    }
    Ok(())
}

/// A line for each host that comes to stand otherwise than before.
fn log_standings(state: &State, after: &View) {
    for ViewHost { id: host, standing, facts } in &after.hosts {
        let from = state.newest.standing(*host).map_or("unregistered", Standing::word);
        let (name, to, view) = (&facts.name, standing.word(), after.number);
        match standing {
            _ if from == to => {}
            Standing::Warming if from == Standing::Active.word() && state.fleet.is_insane(*host) => {
                warn!(%host, name, from, to, %view, "host planned around");
            }
            Standing::Warming if from == Standing::Active.word() => {
                warn!(%host, name, from, to, %view, "host overloaded");
            }
            Standing::Away => warn!(%host, name, from, to, %view, "host away"),
            Standing::Warming | Standing::Active => info!(%host, name, from, to, %view, "host back"),
        }
    }
}

fn tell_all(state: &mut State, message: &FromControl) {
    for (host, session) in &mut state.sessions {
        session.send_to_all(*host, message.clone());
    }
}
