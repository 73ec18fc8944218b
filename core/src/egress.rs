//! May this address be reached? The one answer for probes, webhooks and mail.
//!
//! An address is judged in every form it hides in: an IPv4 address inside an IPv6 one is judged as well
//! as the one around it, and all of them must pass. What is refused can be opted in by the operator,
//! network by network, except the fleet's own listeners. This file resolves no names and opens nothing:
//! who connects must connect to exactly the address that was judged.

pub mod caps;
mod embedded;
mod special;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use special::Special;

/// What the operator and the fleet add to the rules that hold everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    allow_nets: Vec<IpNet>,
    fleet_listeners: Vec<SocketAddr>,
}

/// Why an address must not be reached. Its text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The address, or one embedded in it, is not public.
    #[error("{}", special_text(*.address, *.leads_to, .rule))]
    Special {
        /// The address that was asked for.
        address: IpAddr,
        /// The address that the rule is about, the same or one embedded in it.
        leads_to: IpAddr,
        /// What the address is, such as `private (RFC 1918)`.
        rule: &'static str,
    },
    /// Somebody of the fleet listens there. No flag opens it.
    #[error("{0} is refused: Farwatch itself listens there, and no check may reach it")]
    FleetListener(SocketAddr),
    /// Nobody can listen on port 0.
    #[error("{0} is refused: port 0 cannot be reached; name the port the target listens on")]
    PortZero(SocketAddr),
}

impl Policy {
    /// The rules for a host whose operator opts these networks in, in a fleet that listens there.
    pub fn new(allow_nets: Vec<IpNet>, fleet_listeners: Vec<SocketAddr>) -> Self {
        let fleet_listeners = fleet_listeners
            .into_iter()
            .map(|listener| SocketAddr::new(listener.ip().to_canonical(), listener.port()))
            .collect();
        Self { allow_nets, fleet_listeners }
    }

    /// Whether this very address and port may be connected to.
    pub fn judge(&self, address: SocketAddr) -> Result<(), Refusal> {
        if address.port() == 0 {
            return Err(Refusal::PortZero(address));
        }
        let outer = address.ip().to_canonical();
        self.judge_form(address, outer)?;
        if let IpAddr::V6(outer) = outer {
            for inner in embedded::ipv4_forms(outer) {
                self.judge_form(address, IpAddr::V4(inner))?;
            }
        }
        Ok(())
    }

    /// Whether the operator opted this address in, in any form: it is the operator's own business, and no third party's.
    pub fn is_opted_in(&self, address: IpAddr) -> bool {
        let is_named = |form: IpAddr| self.allow_nets.iter().any(|net| net.contains(&form));
        match address.to_canonical() {
            outer @ IpAddr::V4(_) => is_named(outer),
            IpAddr::V6(outer) => {
                is_named(outer.into()) || embedded::ipv4_forms(outer).any(|inner| is_named(inner.into()))
            }
        }
    }

    fn judge_form(&self, address: SocketAddr, form: IpAddr) -> Result<(), Refusal> {
        let special = special::of(form);
        if self.is_fleet_listener(form, address.port(), special.is_some()) {
            return Err(Refusal::FleetListener(address));
        }
        match special {
            Some(special) if !self.opts_in(form, &special) => {
                Err(Refusal::Special { address: address.ip(), leads_to: form, rule: special.name })
            }
            _ => Ok(()),
        }
    }

    /// A listener on the unspecified address stands for every address that is not public: which of them
    /// are its machine's own is not known here, and the public ones are not opted in but given.
    fn is_fleet_listener(&self, form: IpAddr, port: u16, is_special: bool) -> bool {
        self.fleet_listeners.iter().any(|listener| {
            listener.port() == port && (listener.ip() == form || (is_special && listener.ip().is_unspecified()))
        })
    }

    /// A metadata service hands out the keys of its machine, so a wide network does not open it by
    /// accident: only a network of that one address does.
    fn opts_in(&self, form: IpAddr, special: &Special) -> bool {
        self.allow_nets
            .iter()
            .any(|net| net.contains(&form) && (!special.is_metadata || net.prefix_len() == net.max_prefix_len()))
    }
}

fn special_text(address: IpAddr, leads_to: IpAddr, rule: &str) -> String {
    let remedy = format!("to let checks reach it, start the host with --allow-net {}", IpNet::from(leads_to));
    let path: &dyn fmt::Display = if address == leads_to { &"" } else { &format_args!(" leads to {leads_to}, which") };
    format!("{address}{path} is refused: {rule}; {remedy}")
}

#[cfg(test)]
mod tests;
