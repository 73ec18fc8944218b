//! Stories over real processes: what people rely on, told as a user would see it.

mod accounts;
mod afterwards;
mod brought;
mod by_hand;
mod control_dies;
mod crashes;
mod drains;
mod edits;
mod followers;
mod handovers;
mod hangs;
mod heartbeats;
mod hosts_fail;
mod joining;
mod links;
mod outages;
mod protocols;
mod restored;
mod sanity;
mod secrets;
mod starts;
mod tcp;
mod telemetry;
mod trying;
mod upgrades;
mod walls;
