//! A long and lossy wire: relays at the router through which hosts reach each other and control.
//!
//! To whoever speaks TCP a lost packet is a stall, and everything after it waits. So bytes are passed on in order and
//! after a delay, now and then after a much longer one, and seldom a connection breaks. Which ones follows from a seed.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use farwatch_proto::time::UnixMs;

use super::chance::Chance;
use crate::clock::now;
use crate::wait::leave_alone;

/// How long everything is on its way, in each direction.
const DELAY_MS: i64 = 100;
/// One packet in so many is lost,
const LOST_ONE_IN: u64 = 100;
/// and sent again when the sender has waited for its acknowledgement: the least that Linux waits, and the way there.
const SENT_AGAIN_MS: i64 = 200 + DELAY_MS;
/// One packet in so many breaks its connection.
const BREAKS_ONE_IN: u64 = 5_000;
/// What fits into a packet.
const PACKET_BYTES: usize = 1_400;
/// Packets on their way at once: about what a wire of 100 Mbit/s holds in this time.
const ON_THE_WAY_MAX: usize = 1_000;

/// Relays from each first address to its second, until it is killed.
pub fn serve(ways: &[(SocketAddr, SocketAddr)], seed: u64) -> anyhow::Result<()> {
    let mut chance = Chance::of(seed);
    let mut relays = Vec::new();
    for (from, to) in ways.iter().copied() {
        let listener = TcpListener::bind(from).with_context(|| format!("cannot relay from {from}"))?;
        let own = chance.fork();
        relays.push(thread::spawn(move || relay(&listener, to, own)));
    }
    for relay in relays {
        relay.join().map_err(|_| anyhow::anyhow!("a relay has panicked"))?;
    }
    Ok(())
}

fn relay(listener: &TcpListener, to: SocketAddr, mut chance: Chance) {
    for inbound in listener.incoming().flatten() {
        let (there, back) = (chance.fork(), chance.fork());
        thread::spawn(move || {
            leave_alone(Duration::from_millis(DELAY_MS.unsigned_abs()));
            // Where nobody listens the caller is hung up on, and dials again.
            let Ok(outbound) = TcpStream::connect(to) else { return };
            let _ = (inbound.set_nodelay(true), outbound.set_nodelay(true));
            let again = (inbound.try_clone(), outbound.try_clone());
            let (Ok(inbound_again), Ok(outbound_again)) = again else { return };
            carry(inbound, outbound, there);
            carry(outbound_again, inbound_again, back);
        });
    }
}

/// A packet, and when it arrives.
type Packet = (UnixMs, Vec<u8>);

fn carry(from: TcpStream, to: TcpStream, chance: Chance) {
    let (sender, receiver) = sync_channel(ON_THE_WAY_MAX);
    thread::spawn(move || take(from, &sender, chance));
    thread::spawn(move || hand_over(to, &receiver));
}

fn take(mut from: TcpStream, sender: &SyncSender<Packet>, mut chance: Chance) {
    let mut buffer = [0; PACKET_BYTES];
    let mut last = UnixMs(0);
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if chance.one_in(BREAKS_ONE_IN) {
            let _ = from.shutdown(Shutdown::Both);
            break;
        }
        let lost_ms = if chance.one_in(LOST_ONE_IN) { SENT_AGAIN_MS } else { 0 };
        // Nothing overtakes what is before it.
        last = last.max(now() + DELAY_MS + lost_ms);
        if sender.send((last, buffer[..count].to_vec())).is_err() {
            break;
        }
    }
}

fn hand_over(mut to: TcpStream, receiver: &Receiver<Packet>) {
    while let Ok((at, bytes)) = receiver.recv() {
        let rest = u64::try_from(at.since(now())).unwrap_or(0);
        leave_alone(Duration::from_millis(rest));
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    // The other side learns that this one has hung up.
    let _ = to.shutdown(Shutdown::Both);
}
