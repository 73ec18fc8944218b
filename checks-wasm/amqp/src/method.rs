//! The methods of AMQP 0-9-1 that this check says and hears, as the wire has them.

use crate::table::{Reader, Value, find, put_long, put_short};

/// A method by its class and its number.
type Id = (u16, u16);

const START: Id = (10, 10);
const START_OK: Id = (10, 11);
const SECURE: Id = (10, 20);
const TUNE: Id = (10, 30);
const TUNE_OK: Id = (10, 31);
const OPEN: Id = (10, 40);
const OPEN_OK: Id = (10, 41);
const CLOSE: Id = (10, 50);
const CLOSE_OK: Id = (10, 51);
const CHANNEL_OPEN: Id = (20, 10);
const CHANNEL_OPEN_OK: Id = (20, 11);
const CHANNEL_CLOSE: Id = (20, 40);
const CHANNEL_CLOSE_OK: Id = (20, 41);
const EXCHANGE_DECLARE: Id = (40, 10);
const EXCHANGE_DECLARE_OK: Id = (40, 11);
const QUEUE_DECLARE: Id = (50, 10);
const QUEUE_DECLARE_OK: Id = (50, 11);

/// To declare what is there already, and nothing else.
const PASSIVE: u8 = 1;
/// What the client calls itself, in the list of connections that brokers show.
const PRODUCT: &str = "Farwatch";

/// What a broker says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// Which broker it is, and how one may log in.
    Start(Start),
    /// It wants to know more than a name and a password.
    Secure,
    /// How long frames may be, and the like.
    Tune(Tune),
    /// The virtual host is open.
    OpenOk,
    /// The channel is open.
    ChannelOpenOk,
    /// The exchange is there.
    ExchangeDeclareOk,
    /// The queue is there.
    QueueDeclareOk(Counts),
    /// It ends the channel.
    ChannelClose(Reason),
    /// It ends the connection.
    Close(Reason),
    /// Anything else.
    Other,
}

/// See [`Method::Start`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Start {
    /// `RabbitMQ`.
    pub product: Option<String>,
    /// `3.10.8`.
    pub version: Option<String>,
    /// The ways to log in, with spaces between them.
    pub mechanisms: String,
}

/// See [`Method::Tune`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tune {
    channel_max: u16,
    frame_max: u32,
}

/// What a queue holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Messages that nobody has taken yet.
    pub messages: u32,
    /// Those who take them.
    pub consumers: u32,
}

/// Why something ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// A number like those of HTTP.
    pub code: u16,
    /// The same in words.
    pub text: String,
}

/// Logs in by name and password.
pub fn start_ok(username: &str, password: &str) -> Vec<u8> {
    let mut capabilities = Vec::new();
    // Without it a broker that refuses the password hangs up and says nothing.
    put_short(&mut capabilities, "authentication_failure_close");
    capabilities.extend(b"t\x01");
    let mut properties = Vec::new();
    put_short(&mut properties, "product");
    properties.push(b'S');
    put_long(&mut properties, PRODUCT.as_bytes());
    put_short(&mut properties, "capabilities");
    properties.push(b'F');
    put_long(&mut properties, &capabilities);
    let mut method = begun(START_OK);
    put_long(&mut method, &properties);
    put_short(&mut method, "PLAIN");
    put_long(&mut method, format!("\0{username}\0{password}").as_bytes());
    put_short(&mut method, "en_US");
    method
}

/// Agrees to what the broker wants, without heartbeats: a check is over long before one would matter.
pub fn tune_ok(tune: Tune) -> Vec<u8> {
    let mut method = begun(TUNE_OK);
    method.extend(tune.channel_max.to_be_bytes());
    method.extend(tune.frame_max.to_be_bytes());
    method.extend(0_u16.to_be_bytes());
    method
}

/// Opens a virtual host.
pub fn open(vhost: &str) -> Vec<u8> {
    let mut method = begun(OPEN);
    put_short(&mut method, vhost);
    method.extend([0, 0]);
    method
}

/// Opens the channel.
pub fn channel_open() -> Vec<u8> {
    let mut method = begun(CHANNEL_OPEN);
    method.push(0);
    method
}

/// Asks whether an exchange is there.
pub fn exchange_declare(exchange: &str) -> Vec<u8> {
    let mut method = begun(EXCHANGE_DECLARE);
    method.extend([0, 0]);
    put_short(&mut method, exchange);
    // Of a passive declaration the type does not matter, but it has to be one.
    put_short(&mut method, "direct");
    method.push(PASSIVE);
    put_long(&mut method, &[]);
    method
}

/// Asks whether a queue is there, and what it holds.
pub fn queue_declare(queue: &str) -> Vec<u8> {
    let mut method = begun(QUEUE_DECLARE);
    method.extend([0, 0]);
    put_short(&mut method, queue);
    method.push(PASSIVE);
    put_long(&mut method, &[]);
    method
}

/// Ends the connection because all is done.
pub fn close() -> Vec<u8> {
    let mut method = begun(CLOSE);
    method.extend(200_u16.to_be_bytes());
    put_short(&mut method, "done");
    method.extend([0; 4]);
    method
}

/// Confirms that the connection ends.
pub fn close_ok() -> Vec<u8> {
    begun(CLOSE_OK)
}

/// Confirms that the channel ends.
pub fn channel_close_ok() -> Vec<u8> {
    begun(CHANNEL_CLOSE_OK)
}

fn begun((class, number): Id) -> Vec<u8> {
    [class.to_be_bytes(), number.to_be_bytes()].concat()
}

/// Reads a method; none where it is not one.
pub fn read(payload: &[u8]) -> Option<Method> {
    let mut reader = Reader(payload);
    let id = (reader.short()?, reader.short()?);
    Some(match id {
        START => Method::Start(start(&mut reader)?),
        SECURE => Method::Secure,
        TUNE => Method::Tune(Tune { channel_max: reader.short()?, frame_max: reader.long()? }),
        OPEN_OK => Method::OpenOk,
        CHANNEL_OPEN_OK => Method::ChannelOpenOk,
        EXCHANGE_DECLARE_OK => Method::ExchangeDeclareOk,
        QUEUE_DECLARE_OK => {
            reader.short_text()?;
            Method::QueueDeclareOk(Counts { messages: reader.long()?, consumers: reader.long()? })
        }
        CHANNEL_CLOSE => Method::ChannelClose(Reason { code: reader.short()?, text: reader.short_text()? }),
        CLOSE => Method::Close(Reason { code: reader.short()?, text: reader.short_text()? }),
        _ => Method::Other,
    })
}

fn start(reader: &mut Reader<'_>) -> Option<Start> {
    reader.take(2)?;
    let properties = reader.long_bytes()?;
    let mechanisms = String::from_utf8_lossy(reader.long_bytes()?).into_owned();
    let text = |name| match find(properties, name)? {
        Value::Text(text) => Some(text),
        _ => None,
    };
    Some(Start { product: text("product"), version: text("version"), mechanisms })
}

#[cfg(test)]
#[path = "method_tests.rs"]
mod tests;
